/* SPDX-License-Identifier: Apache-2.0 */
/* Traces one after the other: read, replayed, told. What was told stands, whatever comes of the next one. */
#include "simulate_traces.h"

#include "cli_text.h"
#include "progress_bar.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct trace_work {
  const cli_call *call;
  const cli_traces_args *args;
  cli_progress progress;
  cli_buf says; /* behind the bar */
} trace_work;

/* --- progress --------------------------------------------------------------------------------------------------------------
 */

static bool read_progress(void *context, uint64_t bytes, uint64_t bytes_total) {
  trace_work *work = context;
  cli_progress_step(&work->progress, bytes >> 20, bytes_total >> 20, cli_buf_str(&work->says), NULL);
  return !cli_interrupted();
}

static bool run_progress(void *context, uint64_t done, uint64_t total) {
  trace_work *work = context;
  cli_progress_step(&work->progress, done, total, cli_buf_str(&work->says), NULL);
  return !cli_interrupted();
}

static void says(trace_work *work, const char *doing, const char *trace) {
  cli_buf_clear(&work->says);
  cli_buf_printf(&work->says, "%s ", doing);
  cli_escape(&work->says, trace, strlen(trace));
  cli_progress_begin(work->call, &work->progress);
}

/* --- reading ---------------------------------------------------------------------------------------------------------------
 */

static int64_t fd_read(void *context, void *out, size_t room) {
  const int *fd = context;
  ssize_t got;
  do {
    got = read(*fd, out, room);
  } while (got < 0 && errno == EINTR && !cli_interrupted());
  return got;
}

/* A descriptor to read from as a stream: standard input, or a pipe by its name; -1: the library opens the file. */
static int stream_open(const char *trace) {
  struct stat info;
  if (strcmp(trace, "-") == 0) return STDIN_FILENO;
  if (stat(trace, &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) return -1;
  return open(trace, O_RDONLY | O_CLOEXEC);
}

static larder_trace_format format_of(const char *name) {
  static const char *const names[] = {"", "ltrc", "csv", "keys", "jsonl"};
  for (size_t i = 1; name != NULL && i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(name, names[i]) == 0) return (larder_trace_format)i;
  }
  return LARDER_TRACE_AUTO;
}

static cli_exit refuse(const cli_call *call, larder_err result, const larder_error *error, const char *doing) {
  if (cli_interrupted()) return cli_refuse(call, CLI_FAILED, "", "stopped");
  /* Said of the file, not of a cache. */
  if (result == LARDER_MISS || result == LARDER_EFORMAT || result == LARDER_EIO || result == LARDER_EACCES)
    return cli_refuse(call, CLI_NOT_FOUND, "", "%s", error->message);
  if (result == LARDER_ETOOBIG) return cli_refuse(call, CLI_USAGE, "--requests N reads the first N", "%s", error->message);
  if (result == LARDER_EINVAL)
    return cli_refuse(call, CLI_USAGE, "`larder simulate --help` has examples", "%s", error->message);
  return cli_refuse_result(call, result, error, doing);
}

static cli_exit trace_read(trace_work *work, const char *trace, larder_trace **out) {
  larder_error error = {0};
  int stream = stream_open(trace);
  larder_trace_options how = {.size = sizeof how,
                              .format = format_of(work->args->format),
                              .key_field = work->args->key_field,
                              .size_field = work->args->size_field,
                              .requests_max = work->args->requests_max,
                              .read = stream >= 0 ? fd_read : NULL,
                              .read_context = &stream,
                              .progress = read_progress,
                              .context = work};
  says(work, "MiB of", trace);
  larder_err result = larder_trace_open(strcmp(trace, "-") == 0 ? "standard input" : trace, &how, out, &error);
  (void)cli_progress_end(&work->progress);
  if (stream > STDIN_FILENO) close(stream);
  return result == LARDER_OK ? CLI_DONE : refuse(work->call, result, &error, "cannot read the trace");
}

/* --- replaying ---------------------------------------------------------------------------------------------------------------
 */

static cli_exit trace_run(trace_work *work, const cli_simulate_plan *plan, const larder_trace *trace, cli_simulated *done) {
  larder_error error = {0};
  size_t count = plan->sizes_len * plan->policies_len;
  const larder_simulate_options how = {.size = sizeof how,
                                       .parallel = work->args->parallel > LARDER_SIMULATE_PARALLEL_MAX
                                                       ? LARDER_SIMULATE_PARALLEL_MAX
                                                       : (unsigned)work->args->parallel,
                                       .seed = plan->seed,
                                       .progress = run_progress,
                                       .context = work};
  done->runs = cli_alloc(count * sizeof *done->runs);
  for (size_t i = 0; i < count; i++) {
    const cli_simulate_size *size = &plan->sizes[i / plan->policies_len];
    const char *policy = plan->policies[i % plan->policies_len];
    if (size->bytes > 0 && strcmp(policy, LARDER_SIMULATE_OPT) == 0) policy = LARDER_SIMULATE_OPT_BOUND;
    done->runs[i] = (larder_simulate_run){.policy = policy, .bytes = size->bytes};
    if (size->bytes == 0) done->runs[i].objects = cli_simulate_objects(size, done->facts.unique);
  }
  says(work, "requests of", done->trace);
  larder_err result = larder_simulate(trace, &how, done->runs, count, &error);
  (void)cli_progress_end(&work->progress);
  return result == LARDER_OK ? CLI_DONE : refuse(work->call, result, &error, "cannot replay the trace");
}

static cli_exit trace_do(trace_work *work, const cli_simulate_plan *plan, const char *name, bool first, cli_simulated *done) {
  larder_trace *trace = NULL;
  done->trace = name;
  cli_exit code = trace_read(work, name, &trace);
  if (code != CLI_DONE) return code;
  larder_trace_facts_get(trace, &done->facts);
  code = trace_run(work, plan, trace, done);
  larder_trace_close(&trace);
  if (code != CLI_DONE) return code;
  if (work->call->globals->json) {
    cli_simulate_json(plan, done);
  } else {
    if (!first) putchar('\n');
    cli_simulate_show(work->call, plan, done);
  }
  fflush(stdout);
  return CLI_DONE;
}

cli_exit cli_simulate_traces(const cli_call *call, const cli_traces_args *args) {
  trace_work work = {.call = call, .args = args};
  cli_simulate_plan plan;
  cli_exit code = cli_simulate_plan_read(call, args, &plan);
  if (code != CLI_DONE) return code;
  cli_simulated *done = cli_alloc(args->files.count * sizeof *done);
  size_t count = 0;
  cli_interrupt_catch();
  while (count < args->files.count && code == CLI_DONE) {
    code = trace_do(&work, &plan, args->files.items[count], count == 0, &done[count]);
    count += code == CLI_DONE;
  }
  if (code == CLI_DONE && args->plot != NULL) code = cli_simulate_draw(call, &plan, done, count, args->plot);
  for (size_t i = 0; i < args->files.count; i++) free(done[i].runs);
  free(done);
  cli_buf_fini(&work.says);
  return code;
}
