/* SPDX-License-Identifier: Apache-2.0 */
/* A specification read, its traffic written out, or tried. */
#include "simulate_sessions.h"

#include "cli_text.h"
#include "cli_units.h"
#include "file_io.h"
#include "progress_bar.h"
#include "session.h"

#include <larder/nearest.h>
#include <stdlib.h>
#include <string.h>

typedef struct sessions_work {
  const cli_call *call;
  cli_progress progress;
} sessions_work;

static bool trial_progress(void *context, uint64_t done, uint64_t total) {
  sessions_work *work = context;
  cli_progress_step(&work->progress, done, total, "runs", NULL);
  return !cli_interrupted();
}

static cli_exit refuse(const cli_call *call, larder_err result, const larder_error *error, const char *doing) {
  if (cli_interrupted()) return cli_refuse(call, CLI_FAILED, "", "stopped");
  if (result == LARDER_MISS || result == LARDER_EIO || result == LARDER_EACCES)
    return cli_refuse(call, CLI_NOT_FOUND, "", "%s", error->message);
  if (result == LARDER_EFORMAT)
    return cli_refuse(call, CLI_CONFIG, call->globals->json ? "without --json every mistake is shown" : "", "%s",
                      error->message);
  if (result == LARDER_ETOOBIG) return cli_refuse(call, CLI_USAGE, "", "%s", error->message);
  return cli_refuse_result(call, result, error, doing);
}

/* --- the specification ---------------------------------------------------------------------------------------------------- */

static void mistake_tell(void *context, const larder_traffic_mistake *mistake) {
  const cli_call *call = context;
  cli_buf line = {0};
  if (call->globals->json) return;
  cli_buf_printf(&line, "%s:%d:%d: %s", mistake->file, mistake->line, mistake->column, mistake->message);
  cli_line_print(stderr, cli_buf_str(&line));
  cli_buf_fini(&line);
}

static cli_exit spec_read(const cli_call *call, const char *file, larder_traffic **out) {
  larder_error error = {0};
  larder_err result = larder_traffic_open(file, mistake_tell, (void *)call, out, &error);
  return result == LARDER_OK ? CLI_DONE : refuse(call, result, &error, "cannot read the traffic");
}

/* --- contestants ---------------------------------------------------------------------------------------------------------- */

/* NULL, and refused: there is none of that name. */
static const char *contestant_find(const cli_call *call, const char *name) {
  larder_nearest nearest = {.wanted = name};
  const char *known;
  for (size_t n = 0; (known = larder_traffic_contestant(n)) != NULL; n++) {
    if (strcmp(known, name) == 0) return known;
    larder_nearest_offer(&nearest, known);
  }
  const char *meant = larder_nearest_best(&nearest);
  (void)cli_refuse(call, CLI_USAGE, meant ? meant : "`larder simulate --help` names them", "there is no contestant '%s'%s",
                   name, meant ? "; did you mean" : "");
  return NULL;
}

static cli_exit contestant_add(const cli_call *call, cli_sessions_done *done, const char *name) {
  const char *found = contestant_find(call, name);
  if (found == NULL) return CLI_USAGE;
  for (size_t i = 0; i < done->names_len; i++)
    if (done->names[i] == found) return CLI_DONE;
  if (done->names_len < LARDER_TRAFFIC_CONTESTANTS_MAX) done->names[done->names_len++] = found;
  return CLI_DONE;
}

static cli_exit contestants_read(const cli_call *call, const char *list, cli_sessions_done *done) {
  const char *name;
  if (strcmp(list, "all") == 0) {
    for (size_t n = 0; (name = larder_traffic_contestant(n)) != NULL; n++) done->names[done->names_len++] = name;
    return CLI_DONE;
  }
  for (const char *at = list;; at++) {
    char word[LARDER_TRAFFIC_NAME_MAX];
    size_t len = strcspn(at, ",");
    snprintf(word, sizeof word, "%.*s", (int)len, at);
    cli_exit code = contestant_add(call, done, word);
    at += len;
    if (code != CLI_DONE || *at == '\0') return code;
  }
}

/* Who the others are compared with. */
static cli_exit against_read(const cli_call *call, const char *name, cli_sessions_done *done) {
  const char *wanted = name ? contestant_find(call, name) : LARDER_TRAFFIC_TUNED;
  if (wanted == NULL) return CLI_USAGE;
  for (done->against = 0; done->against < done->names_len; done->against++)
    if (strcmp(done->names[done->against], wanted) == 0) return CLI_DONE;
  if (name == NULL) return CLI_DONE;
  return cli_refuse(call, CLI_USAGE, "name it in --contestant, too", "--against %s is none of the contestants", name);
}

static cli_exit plan_read(const cli_call *call, const cli_sessions_args *args, cli_sessions_done *done) {
  done->first_seed = 1;
  if (args->seed != NULL && !cli_parse_count(args->seed, &done->first_seed))
    return cli_refuse(call, CLI_USAGE, "give a whole number, such as 7", "--seed cannot be '%s'", args->seed);
  if (args->seeds == 0 || args->seeds > LARDER_TRAFFIC_SEEDS_MAX)
    return cli_refuse(call, CLI_USAGE, "ten show a difference of a few per cent", "--seeds must be from 1 to %u",
                      LARDER_TRAFFIC_SEEDS_MAX);
  done->seeds = (size_t)args->seeds;
  if (done->first_seed > LARDER_TRAFFIC_SEED_MAX || done->seeds - 1 > LARDER_TRAFFIC_SEED_MAX - done->first_seed)
    return cli_refuse(call, CLI_USAGE, "give a smaller --seed", "seeds from 2^62 on are those of tuning and training");
  cli_exit code = contestants_read(call,
                                   args->contestants  ? args->contestants
                                   : args->save_agent ? "agent"
                                                      : CLI_SESSIONS_CONTESTANTS,
                                   done);
  return code == CLI_DONE ? against_read(call, args->against, done) : code;
}

/* --- doing it ------------------------------------------------------------------------------------------------------------- */

static bool lines_take(void *context, const void *data, size_t len) {
  cli_buf_add(context, data, len);
  return !cli_interrupted();
}

static cli_exit requests_write(const cli_call *call, const larder_traffic *traffic, uint64_t seed, const char *path) {
  char why[256];
  cli_buf lines = {0};
  larder_error error = {0};
  larder_err result = larder_traffic_write(traffic, seed, lines_take, &lines, &error);
  cli_exit code = result == LARDER_OK ? CLI_DONE : refuse(call, result, &error, "cannot make the traffic");
  bool to_us = strcmp(path, "-") == 0;
  if (code == CLI_DONE && to_us) fwrite(lines.data, 1, lines.len, stdout);
  if (code == CLI_DONE && !to_us && !cli_file_write(path, cli_buf_str(&lines), lines.len, why, sizeof why))
    code = cli_refuse(call, CLI_FAILED, "check --write", "cannot write %s: %s", path, why);
  cli_buf_fini(&lines);
  return code;
}

static void options_of(const cli_sessions_args *args, const cli_buf *learned, sessions_work *work,
                       larder_traffic_options *out) {
  *out = (larder_traffic_options){.size = sizeof *out,
                                  .parallel = args->parallel > 64 ? 64 : (unsigned)args->parallel,
                                  .progress = trial_progress,
                                  .context = work,
                                  .learned = learned->data,
                                  .learned_len = learned->len};
}

static cli_exit trial_refuse(const cli_call *call, larder_err result, const larder_error *error) {
  if (result == LARDER_EFORMAT)
    return cli_refuse(call, CLI_USAGE, "name in --contestant only such as learn by the method of --load-agent", "%s",
                      error->message);
  if (result == LARDER_EINVAL) return cli_refuse(call, CLI_USAGE, "", "%s", error->message);
  return refuse(call, result, error, "cannot try it");
}

static cli_exit trial_do(const cli_call *call, const larder_traffic *traffic, const cli_sessions_args *args,
                         const cli_buf *learned, cli_sessions_done *done) {
  sessions_work work = {.call = call};
  larder_error error = {0};
  larder_traffic_options how;
  size_t count = done->names_len * done->seeds;
  options_of(args, learned, &work, &how);
  done->runs = cli_alloc(count * sizeof *done->runs);
  for (size_t i = 0; i < count; i++)
    done->runs[i] =
        (larder_traffic_run){.contestant = done->names[i / done->seeds], .seed = done->first_seed + i % done->seeds};
  cli_progress_begin(call, &work.progress);
  larder_err result = larder_traffic_trial(traffic, &how, done->runs, count, &error);
  (void)cli_progress_end(&work.progress);
  return result == LARDER_OK ? CLI_DONE : trial_refuse(call, result, &error);
}

static cli_exit training_do(const cli_call *call, const larder_traffic *traffic, const cli_sessions_args *args,
                            const cli_buf *learned, const cli_sessions_done *done) {
  sessions_work work = {.call = call};
  larder_error error = {0};
  larder_traffic_options how;
  void *data = NULL;
  size_t len = 0;
  if (done->names_len != 1)
    return cli_refuse(call, CLI_USAGE, "such as --contestant agent", "--save-agent needs one contestant, who learns");
  cli_exit code = cli_sessions_agent_place(call, args->save_agent);
  if (code != CLI_DONE) return code;
  options_of(args, learned, &work, &how);
  cli_progress_begin(call, &work.progress);
  larder_err result =
      larder_traffic_train(traffic, &how, done->names[0], done->first_seed, (unsigned)done->seeds, &data, &len, &error);
  (void)cli_progress_end(&work.progress);
  if (result != LARDER_OK) return trial_refuse(call, result, &error);
  code = cli_sessions_agent_write(call, done, args->save_agent, data, len);
  larder_agent_bytes_free(data);
  return code;
}

static cli_exit trial_tell(const cli_call *call, const cli_sessions_args *args, const cli_sessions_done *done) {
  if (call->globals->json)
    cli_sessions_json(done);
  else
    cli_sessions_show(call, done);
  return args->plot ? cli_sessions_draw(call, done, args->plot) : CLI_DONE;
}

cli_exit cli_simulate_sessions(const cli_call *call, const cli_sessions_args *args) {
  larder_traffic *traffic = NULL;
  cli_sessions_done done = {.file = args->file};
  cli_buf learned = {0};
  cli_exit code = plan_read(call, args, &done);
  if (code == CLI_DONE && args->load_agent) code = cli_sessions_agent_read(call, args->load_agent, &learned);
  if (code == CLI_DONE) code = spec_read(call, args->file, &traffic);
  if (code == CLI_DONE) {
    larder_traffic_facts_get(traffic, &done.facts);
    cli_interrupt_catch();
    if (args->write != NULL) {
      code = requests_write(call, traffic, done.first_seed, args->write);
    } else if (args->save_agent != NULL) {
      code = training_do(call, traffic, args, &learned, &done);
    } else {
      code = trial_do(call, traffic, args, &learned, &done);
      if (code == CLI_DONE) code = trial_tell(call, args, &done);
    }
  }
  free(done.runs);
  cli_buf_fini(&learned);
  larder_traffic_close(&traffic);
  return code;
}
