/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refresh: what is kept is made anew, from a timer or by hand. The job runs on threads of its own; this one looks ten times a
 * second how far it is. What is told one by one is gathered by the job's threads and printed at the end.
 */
#include "commands.h"
#include "progress_bar.h"
#include "session.h"

#include <inttypes.h>
#include <larder/refresh.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS   100
#define TOLD_MAX  20u    /* failures and versions, each */
#define KEYS_MAX  10000u /* of a dry run */
#define LINE_EACH UINT64_C(5000000000)

typedef struct refresh_args {
  const char *ns;
  bool due;
  bool dry_run;
  uint64_t parallel;
  uint64_t limit;
  double per_second;
} refresh_args;

#define AT(field) offsetof(refresh_args, field)

static const cli_option options[] = {
    {"due", 0, CLI_FLAG, AT(due), NULL, NULL, NULL, "only what is due by the namespace's `refresh`; without it all"},
    {"parallel", 0, CLI_COUNT, AT(parallel), "N", NULL, NULL, "threads; without it 5"},
    {"rate", 0, CLI_RATE, AT(per_second), "N/s", NULL, NULL, "begin at most so many makings in a time: 5/s, 300/min, 1000/h"},
    {"limit", 0, CLI_COUNT, AT(limit), "N", NULL, NULL, "at most so many entries; the rest is due the next time"},
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, NULL, NULL, "make nothing, list what would be made"},
    {0}};

static const cli_operand operands[] = {
    {"NS", CLI_TEXT, AT(ns), true, NULL, "the namespace; without it all that have a maker and a `refresh`"}, {0}};

static const cli_example examples[] = {{"larder refresh --due", "for a timer: makes what is due in all namespaces"},
                                       {"larder refresh census --due --parallel 5 --rate 10/s", "in one, gently"},
                                       {"larder refresh census --due --dry-run", "lists what is due"},
                                       {"larder refresh census", "makes all that is kept there anew"},
                                       {0}};

/* An entry that is told. */
typedef struct told_entry {
  char *ns;
  char *key;
  size_t key_len;
  char *first; /* the reason, or the version that it had */
  char *second;
  int64_t made_ms;
} told_entry;

typedef struct told_list {
  told_entry *entries;
  size_t len;
  size_t max;
  uint64_t all;
} told_list;

typedef struct refresh_run {
  const cli_call *call;
  const refresh_args *args;
  pthread_mutex_t mutex; /* of the lists */
  told_list failures;
  told_list versions;
  told_list keys; /* of a dry run */
  cli_progress progress;
  bool stopping;
} refresh_run;

static void told_add(told_list *list, const larder_refresh_result *result, const char *first, const char *second) {
  list->all++;
  if (list->len == list->max) return;
  if (list->entries == NULL) list->entries = cli_alloc(list->max * sizeof *list->entries);
  char *key = cli_alloc(result->key_len + 1);
  memcpy(key, result->key, result->key_len);
  key[result->key_len] = '\0';
  list->entries[list->len++] =
      (told_entry){cli_copy(result->ns), key, result->key_len, cli_copy(first), cli_copy(second), result->made_ms};
}

static void told_fini(told_list *list) {
  for (size_t i = 0; i < list->len; i++) {
    free(list->entries[i].ns);
    free(list->entries[i].key);
    free(list->entries[i].first);
    free(list->entries[i].second);
  }
  free(list->entries);
}

static void entry_dealt(void *context, const larder_refresh_result *result) {
  refresh_run *run = context;
  pthread_mutex_lock(&run->mutex);
  if (result->what == LARDER_REFRESH_FAILED) told_add(&run->failures, result, result->reason, "");
  if (result->what == LARDER_REFRESH_NOTHING) told_add(&run->keys, result, "", "");
  if (result->version_changed) told_add(&run->versions, result, result->version_from, result->version_to);
  pthread_mutex_unlock(&run->mutex);
}

/* --- how far it is -------------------------------------------------------------------------------------------------------- */

static void progress_show(refresh_run *run, larder_job *job, uint64_t *line_ns) {
  larder_job_progress p;
  larder_refresh_counts c;
  char left[CLI_SHORT];
  cli_buf says = {0}, line = {0};
  uint64_t now = cli_mono_ns();
  larder_job_progress_get(job, &p);
  if (larder_refresh_counts_get(job, &c) != LARDER_OK) return;
  cli_buf_printf(&says, "made %" PRIu64 "  unchanged %" PRIu64, c.made, c.unchanged);
  if (c.errors > 0) cli_buf_printf(&says, "  failed %" PRIu64, c.errors);
  cli_buf_printf(&says, "  %.3g/s", p.per_second);
  if (p.left_ms > 0) cli_buf_printf(&says, "  %s left", cli_span_text(p.left_ms, left, sizeof left));
  if (run->stopping) cli_buf_text(&says, "  stopping");
  bool due = run->progress.lines && now - *line_ns >= LINE_EACH;
  if (due) {
    cli_buf_printf(&line, "%" PRIu64 " of %" PRIu64 ": %s", p.done, p.total, cli_buf_str(&says));
    *line_ns = now;
  }
  cli_progress_step(&run->progress, p.done, p.total, cli_buf_str(&says), due ? cli_buf_str(&line) : NULL);
  cli_buf_fini(&says);
  cli_buf_fini(&line);
}

static void wait_for_end(refresh_run *run, larder_job *job) {
  uint64_t line_ns = cli_mono_ns();
  while (!larder_job_wait(job, LOOK_MS)) {
    if (cli_interrupted() && !run->stopping) {
      run->stopping = true;
      larder_job_cancel(job);
    }
    progress_show(run, job, &line_ns);
  }
}

/* --- what came of it -------------------------------------------------------------------------------------------------------
 */

static void list_json(cli_json *json, const char *name, const told_list *list, const char *first, const char *second,
                      bool made) {
  cli_json_array(json, name);
  for (size_t i = 0; i < list->len; i++) {
    const told_entry *entry = &list->entries[i];
    cli_json_object(json, NULL);
    cli_json_text(json, "ns", entry->ns);
    cli_json_bytes(json, "key", "key_encoding", entry->key, entry->key_len);
    if (first != NULL) cli_json_text(json, first, entry->first);
    if (second != NULL) cli_json_text(json, second, entry->second);
    if (made) cli_json_int(json, "made_ms", entry->made_ms);
    cli_json_object_end(json);
  }
  cli_json_array_end(json);
}

static void told_json(const refresh_run *run, const larder_refresh_counts *c, const larder_job_progress *p) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "ns", run->args->ns);
  cli_json_bool(&json, "dry_run", run->args->dry_run);
  cli_json_uint(&json, "looked", c->looked);
  cli_json_uint(&json, "due", c->due);
  cli_json_uint(&json, "made", c->made);
  cli_json_uint(&json, "unchanged", c->unchanged);
  cli_json_uint(&json, "fresh", c->fresh);
  cli_json_uint(&json, "gone", c->gone);
  cli_json_uint(&json, "absent", c->absent);
  cli_json_uint(&json, "errors", c->errors);
  cli_json_uint(&json, "versions", c->versions);
  cli_json_uint(&json, "bytes", p->bytes);
  cli_json_int(&json, "ms", p->took_ms);
  cli_json_bool(&json, "stopped", p->state == LARDER_JOB_CANCELLED);
  list_json(&json, "failures", &run->failures, "message", NULL, false);
  list_json(&json, "changed", &run->versions, "from", "to", false);
  list_json(&json, "would_make", &run->keys, NULL, NULL, true);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

/* `census acs:2022` with what makes it unfit for a terminal escaped, of the key at most so much. */
static void entry_text(const told_entry *entry, size_t key_max, cli_buf *out) {
  cli_buf_printf(out, "%s ", entry->ns);
  cli_escape(out, entry->key, entry->key_len < key_max ? entry->key_len : key_max);
}

static void failures_tell(const refresh_run *run) {
  for (size_t i = 0; i < run->failures.len; i++) {
    cli_buf line = {0};
    cli_buf_text(&line, "larder: ");
    entry_text(&run->failures.entries[i], 80, &line);
    cli_buf_printf(&line, " failed: %s", run->failures.entries[i].first);
    cli_line_print(stderr, cli_buf_str(&line));
    cli_buf_fini(&line);
  }
  if (run->failures.all > run->failures.len)
    cli_note(run->call, "larder: and %" PRIu64 " more", run->failures.all - run->failures.len);
}

static void keys_print(const refresh_run *run) {
  for (size_t i = 0; i < run->keys.len; i++) {
    cli_buf line = {0};
    entry_text(&run->keys.entries[i], SIZE_MAX, &line);
    puts(cli_buf_str(&line));
    cli_buf_fini(&line);
  }
  if (run->keys.all > run->keys.len) cli_note(run->call, "larder: and %" PRIu64 " more", run->keys.all - run->keys.len);
}

static void versions_print(const refresh_run *run) {
  for (size_t i = 0; i < run->versions.len; i++) {
    cli_buf line = {0};
    entry_text(&run->versions.entries[i], 80, &line);
    cli_buf_text(&line, ": ");
    cli_escape(&line, run->versions.entries[i].first, strlen(run->versions.entries[i].first));
    cli_buf_text(&line, " became ");
    cli_escape(&line, run->versions.entries[i].second, strlen(run->versions.entries[i].second));
    puts(cli_buf_str(&line));
    cli_buf_fini(&line);
  }
  if (run->versions.all > run->versions.len)
    printf("and %" PRIu64 " more have another version\n", run->versions.all - run->versions.len);
}

static void told_text(const refresh_run *run, const larder_refresh_counts *c, const larder_job_progress *p) {
  char time[CLI_SHORT];
  bool quiet = run->call->globals->quiet;
  failures_tell(run);
  keys_print(run);
  if (!quiet) versions_print(run);
  if (run->args->dry_run) {
    cli_note(run->call, "of %" PRIu64 " %s %" PRIu64 " would be made", c->looked, cli_plural(c->looked, "entry", "entries"),
             c->due);
  } else if (!quiet) {
    printf("of %" PRIu64 " %s %" PRIu64 " %s due: made %" PRIu64 ", unchanged %" PRIu64 ", absent %" PRIu64 ", failed %" PRIu64
           ", in %s\n",
           c->looked, cli_plural(c->looked, "entry", "entries"), c->due, cli_plural(c->due, "was", "were"), c->made,
           c->unchanged, c->absent, c->errors, cli_nanos_text((uint64_t)p->took_ms * 1000000, time, sizeof time));
  }
  if (p->state == LARDER_JOB_CANCELLED)
    cli_note(run->call, "larder: stopped with %" PRIu64 " left; the same command goes on with --due", p->total - p->done);
}

static cli_exit told(refresh_run *run, const larder_job *job, const larder_job_progress *p) {
  larder_refresh_counts c = {0};
  larder_err result = larder_refresh_counts_get(job, &c);
  (void)cli_progress_end(&run->progress);
  if (result != LARDER_OK) return cli_refuse_result(run->call, result, NULL, "cannot refresh");
  if (run->call->globals->json)
    told_json(run, &c, p);
  else
    told_text(run, &c, p);
  return c.errors > 0 || p->state == LARDER_JOB_CANCELLED ? CLI_FAILED : CLI_DONE;
}

/* --- the run ----------------------------------------------------------------------------------------------------------------
 */

static cli_exit job_run(refresh_run *run, larder *cache, larder_ns *ns) {
  const refresh_args *args = run->args;
  larder_job *job = NULL;
  larder_job_progress p = {0};
  larder_error error = {0};
  larder_refresh_options how = {.size = sizeof how,
                                .all = !args->due,
                                .dry_run = args->dry_run,
                                .parallel = args->parallel > LARDER_JOB_PARALLEL_MAX ? LARDER_JOB_PARALLEL_MAX
                                                                                     : (unsigned)args->parallel,
                                .per_second = args->per_second,
                                .limit = args->limit,
                                .dealt = entry_dealt,
                                .context = run};
  larder_err result = larder_refresh_due(cache, ns, &how, &job, &error);
  if (result != LARDER_OK) {
    cli_exit code = result == LARDER_EINVAL || result == LARDER_EUNSUPPORTED ? CLI_USAGE : CLI_FAILED;
    return error.message[0] != '\0' ? cli_refuse(run->call, code, NULL, "cannot refresh: %s", error.message)
                                    : cli_refuse_result(run->call, result, &error, "cannot refresh");
  }
  cli_progress_begin(run->call, &run->progress);
  cli_interrupt_cancels(cache, false);
  wait_for_end(run, job);
  cli_interrupt_cancels(NULL, false);
  larder_job_progress_get(job, &p);
  cli_exit code = told(run, job, &p);
  larder_job_free(&job);
  return code;
}

static cli_exit run(const cli_call *call, void *given) {
  refresh_run run = {
      .call = call, .args = given, .failures = {.max = TOLD_MAX}, .versions = {.max = TOLD_MAX}, .keys = {.max = KEYS_MAX}};
  larder *cache = NULL;
  larder_ns *ns = NULL;
  pthread_mutex_init(&run.mutex, NULL);
  cli_interrupt_catch();
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE && run.args->ns != NULL) code = cli_ns_known(call, cache, run.args->ns, &ns);
  if (code == CLI_DONE) code = job_run(&run, cache, ns);
  told_fini(&run.failures);
  told_fini(&run.versions);
  told_fini(&run.keys);
  pthread_mutex_destroy(&run.mutex);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_refresh = {
    .name = "refresh",
    .summary = "Make what is kept anew, by its namespace's maker.",
    .text =
        "With --due it makes what the namespace's `refresh` says is due: made longer ago than that, or before the last of its "
        "times. An entry that the maker finds unchanged only begins a new lifetime. What has been evicted is not made, and "
        "what fails stays as it is and is due the next time.\n\n"
        "Programs that have the cache open do the same behind; who makes an entry first makes it for all.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(refresh_args),
    .run = run};
