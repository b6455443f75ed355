/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys for makers: the job runs on threads of its own; this one looks ten times a second how far it is. Failures are
 * gathered by the job's threads and told at the end, so that they do not break the bar.
 */
#include "progress_bar.h"
#include "warm_args.h"

#include <errno.h>
#include <inttypes.h>
#include <larder/warm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS        100
#define LINE_EACH_NS   UINT64_C(5000000000)
#define NAMESPACES_MAX 256u

typedef struct keys_run {
  const cli_call *call;
  const cli_warm_args *args;
  pthread_mutex_t mutex; /* of the failures */
  cli_warm_failure failures[CLI_WARM_TOLD_MAX];
  size_t failures_len;
  cli_json rejects; /* members of the array "rejects" */
  uint64_t rejected;
  cli_progress progress;
  bool stopping;
} keys_run;

static void key_dealt(void *context, const larder_warm_result *result) {
  keys_run *run = context;
  if (result->result >= 0 && result->result != LARDER_NOT_KEPT) return;
  pthread_mutex_lock(&run->mutex);
  if (run->failures_len < CLI_WARM_TOLD_MAX) {
    char *key = cli_alloc(result->key_len + 1);
    memcpy(key, result->key, result->key_len);
    key[result->key_len] = '\0';
    run->failures[run->failures_len++] =
        (cli_warm_failure){cli_copy(result->ns), key, result->key_len, cli_copy(result->reason)};
  }
  pthread_mutex_unlock(&run->mutex);
}

static void line_rejected(void *context, const char *file, uint64_t line, const char *reason) {
  keys_run *run = context;
  if (++run->rejected > CLI_WARM_TOLD_MAX) return;
  cli_note(run->call, "larder: %s:%" PRIu64 ": %s", file, line, reason);
  cli_json_object(&run->rejects, NULL);
  cli_json_text(&run->rejects, "file", file);
  cli_json_uint(&run->rejects, "line", line);
  cli_json_text(&run->rejects, "message", reason);
  cli_json_object_end(&run->rejects);
}

static int64_t stdin_read(void *context, void *out, size_t room) {
  (void)context;
  ssize_t got;
  do {
    got = read(STDIN_FILENO, out, room);
  } while (got < 0 && errno == EINTR && !cli_interrupted());
  return got;
}

/* --- how far it is -------------------------------------------------------------------------------------------------------- */

static void progress_show(keys_run *run, const larder_job_progress *p, uint64_t *line_ns) {
  char left[CLI_SHORT];
  cli_buf says = {0};
  uint64_t now = cli_mono_ns();
  cli_buf_printf(&says, "made %" PRIu64 "  there %" PRIu64, p->made, p->hits);
  if (p->unchanged > 0) cli_buf_printf(&says, "  unchanged %" PRIu64, p->unchanged);
  if (p->absent > 0) cli_buf_printf(&says, "  absent %" PRIu64, p->absent);
  if (p->errors > 0) cli_buf_printf(&says, "  failed %" PRIu64, p->errors);
  cli_buf_printf(&says, "  %.3g/s", p->per_second);
  if (p->left_ms > 0) cli_buf_printf(&says, "  %s left", cli_span_text(p->left_ms, left, sizeof left));
  if (run->stopping) cli_buf_text(&says, "  stopping");
  cli_buf line = {0};
  bool due = run->progress.lines && now - *line_ns >= LINE_EACH_NS;
  if (due) {
    cli_buf_printf(&line, "%" PRIu64 " of %" PRIu64 ": %s", p->done, p->total, cli_buf_str(&says));
    *line_ns = now;
  }
  cli_progress_step(&run->progress, p->done, p->total, cli_buf_str(&says), due ? cli_buf_str(&line) : NULL);
  cli_buf_fini(&says);
  cli_buf_fini(&line);
}

static void wait_for_end(keys_run *run, larder_job *job, larder_job_progress *p) {
  uint64_t line_ns = cli_mono_ns();
  while (!larder_job_wait(job, LOOK_MS)) {
    if (cli_interrupted() && !run->stopping) {
      run->stopping = true;
      larder_job_cancel(job);
    }
    larder_job_progress_get(job, p);
    progress_show(run, p, &line_ns);
  }
  larder_job_progress_get(job, p);
}

/* --- what came of it --------------------------------------------------------------------------------------------------------
 */

static void word_add(cli_buf *line, const char *word) {
  bool plain =
      word[0] != '\0' && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,=@%+-")] == '\0';
  cli_buf_text(line, " ");
  if (plain) {
    cli_buf_text(line, word);
    return;
  }
  cli_buf_text(line, "'");
  for (; *word != '\0'; word++) {
    if (*word == '\'')
      cli_buf_text(line, "'\\''");
    else
      cli_buf_add(line, word, 1);
  }
  cli_buf_text(line, "'");
}

static void option_add(cli_buf *line, const char *name, const char *value) {
  if (value == NULL) return;
  word_add(line, name);
  word_add(line, value);
}

/* The command that goes on from here. */
static void resume_line(const keys_run *run, cli_buf *line) {
  const cli_warm_args *args = run->args;
  const cli_globals *globals = run->call->globals;
  char number[CLI_SHORT];
  cli_buf_text(line, "larder");
  option_add(line, "--root", globals->root);
  option_add(line, "--config", globals->config);
  word_add(line, "warm");
  word_add(line, args->from.ns);
  option_add(line, "--keys", args->keys);
  if (args->comments) word_add(line, "--comments");
  option_add(line, "--places", args->places);
  option_add(line, "--near", args->near_place);
  option_add(line, "--radius", args->radius);
  option_add(line, "--key", args->from.key_template);
  option_add(line, "--checkpoint", args->from.checkpoint);
  if (args->parallel > 0) {
    snprintf(number, sizeof number, "%" PRIu64, args->parallel);
    option_add(line, "--parallel", number);
  }
  if (args->per_second > 0) {
    /* As a number an hour even a slow rate has no exponent. */
    snprintf(number, sizeof number, "%.6f/h", args->per_second * 3600);
    option_add(line, "--rate", number);
  }
  if (args->fresh) word_add(line, "--fresh");
  word_add(line, "--resume");
}

static void failures_json(cli_json *json, const keys_run *run) {
  cli_json_array(json, "failures");
  for (size_t i = 0; i < run->failures_len; i++) {
    cli_json_object(json, NULL);
    cli_json_text(json, "ns", run->failures[i].ns);
    cli_json_bytes(json, "key", "key_encoding", run->failures[i].key, run->failures[i].key_len);
    cli_json_text(json, "message", run->failures[i].reason);
    cli_json_object_end(json);
  }
  cli_json_array_end(json);
}

static void told_json(keys_run *run, const larder_job_progress *p) {
  cli_json json;
  cli_buf resume = {0};
  bool stopped = p->state == LARDER_JOB_CANCELLED;
  if (stopped) resume_line(run, &resume);
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "ns", run->args->from.ns);
  cli_json_uint(&json, "total", p->total);
  cli_json_uint(&json, "done", p->done);
  cli_json_uint(&json, "resumed", p->resumed);
  cli_json_uint(&json, "hits", p->hits);
  cli_json_uint(&json, "made", p->made);
  cli_json_uint(&json, "unchanged", p->unchanged);
  cli_json_uint(&json, "absent", p->absent);
  cli_json_uint(&json, "errors", p->errors);
  cli_json_uint(&json, "rejected", p->rejected);
  cli_json_uint(&json, "bytes", p->bytes);
  cli_json_double(&json, "per_second", p->per_second);
  cli_json_int(&json, "ms", p->took_ms);
  cli_json_bool(&json, "stopped", stopped);
  cli_json_text(&json, "resume", stopped ? cli_buf_str(&resume) : NULL);
  failures_json(&json, run);
  cli_json_raw(&json, "rejects", cli_buf_str(&run->rejects.text), run->rejects.text.len);
  cli_json_object_end(&json);
  cli_json_end(&json);
  cli_buf_fini(&resume);
}

static void failures_tell(const keys_run *run, const larder_job_progress *p) {
  for (size_t i = 0; i < run->failures_len; i++) {
    const cli_warm_failure *failure = &run->failures[i];
    cli_buf line = {0};
    cli_buf_printf(&line, "larder: %s ", failure->ns);
    cli_escape(&line, failure->key, failure->key_len < 80 ? failure->key_len : 80);
    cli_buf_printf(&line, " failed: %s", failure->reason);
    cli_line_print(stderr, cli_buf_str(&line));
    cli_buf_fini(&line);
  }
  if (p->errors > run->failures_len) cli_note(run->call, "larder: and %" PRIu64 " more", p->errors - run->failures_len);
}

static void told_text(const keys_run *run, const larder_job_progress *p) {
  char size[CLI_SHORT], time[CLI_SHORT];
  failures_tell(run, p);
  if (!run->call->globals->quiet) {
    printf("made %" PRIu64 " (%s), ", p->made, cli_size_text(p->bytes, size, sizeof size));
    if (p->unchanged > 0) printf("unchanged %" PRIu64 ", ", p->unchanged);
    printf("there already %" PRIu64 ", absent %" PRIu64 ", failed %" PRIu64 ", in %s\n", p->hits, p->absent, p->errors,
           cli_nanos_text((uint64_t)p->took_ms * 1000000, time, sizeof time));
  }
  if (p->resumed > 0 && !run->call->globals->quiet) printf("%" PRIu64 " dealt with before the break\n", p->resumed);
  if (p->rejected > 0)
    cli_note(run->call, "larder: %" PRIu64 " %s no key", p->rejected, cli_plural(p->rejected, "line is", "lines are"));
  if (p->state != LARDER_JOB_CANCELLED) return;
  cli_buf line = {0};
  cli_buf_printf(&line, "larder: stopped with %" PRIu64 " left; this goes on from here:\n", p->total - p->done);
  fflush(stdout);
  fputs(cli_buf_str(&line), stderr);
  cli_buf_clear(&line);
  cli_buf_text(&line, "  ");
  resume_line(run, &line);
  cli_line_print(stderr, cli_buf_str(&line));
  cli_buf_fini(&line);
}

static cli_exit told(keys_run *run, const larder_job_progress *p) {
  (void)cli_progress_end(&run->progress);
  cli_json_array_end(&run->rejects);
  if (run->call->globals->json)
    told_json(run, p);
  else
    told_text(run, p);
  if (p->errors > 0 || p->state == LARDER_JOB_CANCELLED) return CLI_FAILED;
  return p->rejected > 0 ? CLI_NOT_FOUND : CLI_DONE;
}

/* --- the run ----------------------------------------------------------------------------------------------------------------
 */

/* `A,B,C` in place; each is opened here first, so that a name that is none is told as everywhere. */
static cli_exit spaces_split(const cli_call *call, larder *cache, char *names, const char **out, size_t *count) {
  cli_exit code = CLI_DONE;
  char *rest = names;
  for (char *name = strsep(&rest, ","); name != NULL && code == CLI_DONE; name = strsep(&rest, ",")) {
    larder_ns *ns = NULL;
    if (*count == NAMESPACES_MAX) return cli_refuse(call, CLI_USAGE, "", "%u namespaces are the most", NAMESPACES_MAX);
    code = cli_ns(call, cache, name, &ns);
    if (code == CLI_DONE) code = cli_lasting(call, ns);
    out[(*count)++] = name;
  }
  return code;
}

static void run_fini(keys_run *run) {
  for (size_t i = 0; i < run->failures_len; i++) {
    free(run->failures[i].ns);
    free(run->failures[i].key);
    free(run->failures[i].reason);
  }
  cli_buf_fini(&run->rejects.text);
  pthread_mutex_destroy(&run->mutex);
}

static cli_exit job_run(keys_run *run, larder *cache, const larder_warm_plan *plan) {
  larder_job *job = NULL;
  larder_job_progress p = {0};
  larder_error error = {0};
  larder_err result = larder_warm_start(cache, plan, &job, &error);
  if (result != LARDER_OK) return cli_transfer_refuse(run->call, result, &error, "cannot warm");
  cli_progress_begin(run->call, &run->progress);
  cli_interrupt_cancels(cache, false);
  wait_for_end(run, job, &p);
  cli_interrupt_cancels(NULL, false);
  larder_job_free(&job);
  if (p.total == 0 && p.rejected == 0) return cli_refuse(run->call, CLI_NOT_FOUND, "one key a line", "there is no key in it");
  return told(run, &p);
}

cli_exit cli_warm_keys(const cli_call *call, const cli_warm_args *args, larder *cache) {
  keys_run run = {.call = call, .args = args};
  const char *spaces[NAMESPACES_MAX];
  char *names = cli_copy(args->from.ns);
  bool piped = args->keys != NULL && strcmp(args->keys, "-") == 0;
  larder_warm_plan plan = {.size = sizeof plan,
                           .namespaces = spaces,
                           .keys_file = piped ? NULL : args->keys,
                           .keys_read = piped ? stdin_read : NULL,
                           .comments = args->comments,
                           .places_file = args->places,
                           .key = args->from.key_template,
                           .near_place = args->near_place,
                           .radius = args->radius,
                           .parallel =
                               args->parallel > LARDER_JOB_PARALLEL_MAX ? LARDER_JOB_PARALLEL_MAX : (unsigned)args->parallel,
                           .per_second = args->per_second,
                           .fresh = args->fresh,
                           .checkpoint = args->from.checkpoint,
                           .resume = args->from.resume,
                           .dealt = key_dealt,
                           .rejected = line_rejected,
                           .context = &run};
  pthread_mutex_init(&run.mutex, NULL);
  cli_json_init(&run.rejects, stdout);
  cli_json_array(&run.rejects, NULL);
  cli_interrupt_catch();
  cli_exit code = spaces_split(call, cache, names, spaces, &plan.namespaces_count);
  if (code == CLI_DONE) code = job_run(&run, cache, &plan);
  run_fini(&run);
  free(names);
  return code;
}
