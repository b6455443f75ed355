/* SPDX-License-Identifier: Apache-2.0 */
#include "progress_bar.h"
#include "warm_args.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct warming {
  const cli_call *call;
  cli_progress progress;
  cli_warm_failure failures[CLI_WARM_TOLD_MAX]; /* the first ones */
  size_t failures_len;
} warming;

static void line_write(const larder_warm_progress *p, cli_buf *out) {
  char size[CLI_SHORT];
  if (p->result == LARDER_MISS) {
    cli_buf_printf(out, "there    %s %s", p->ns, p->key);
  } else if (p->result == LARDER_OK || p->result == LARDER_DEGRADED) {
    cli_buf_printf(out, "made     %s %s (%s)", p->ns, p->key, cli_size_text(p->bytes, size, sizeof size));
  } else {
    cli_buf_printf(out, "failed   %s %s: %s", p->ns, p->key, p->reason);
  }
}

static bool warm_progress(void *context, const larder_warm_progress *p) {
  warming *w = context;
  cli_buf says = {0};
  cli_buf line = {0};
  bool bad = p->key != NULL && p->result != LARDER_OK && p->result != LARDER_MISS && p->result != LARDER_DEGRADED;
  if (bad && w->failures_len < CLI_WARM_TOLD_MAX)
    w->failures[w->failures_len++] = (cli_warm_failure){cli_copy(p->ns), cli_copy(p->key), strlen(p->key), cli_copy(p->reason)};
  cli_buf_printf(&says, "made %" PRIu64 "  there %" PRIu64 "  failed %" PRIu64 "  %s", p->made, p->there, p->failed,
                 p->key != NULL ? p->key : "");
  if (p->key != NULL) line_write(p, &line);
  cli_progress_step(&w->progress, p->made + p->there + p->failed, p->total, cli_buf_str(&says),
                    p->key != NULL ? cli_buf_str(&line) : NULL);
  cli_buf_fini(&says);
  cli_buf_fini(&line);
  return !cli_interrupted();
}

static void told_json(const cli_warm_args *args, const warming *w, const larder_warmed *done, uint64_t ms) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "ns", args->from.ns);
  cli_json_text(&json, "recipe", args->recipe);
  cli_json_uint(&json, "total", done->total);
  cli_json_uint(&json, "made", done->made);
  cli_json_uint(&json, "there", done->there);
  cli_json_uint(&json, "failed", done->failed);
  cli_json_uint(&json, "bytes", done->bytes);
  cli_json_uint(&json, "ms", ms);
  cli_json_bool(&json, "stopped", done->stopped);
  cli_json_array(&json, "failures");
  for (size_t i = 0; i < w->failures_len; i++) {
    cli_json_object(&json, NULL);
    cli_json_text(&json, "ns", w->failures[i].ns);
    cli_json_text(&json, "key", w->failures[i].key);
    cli_json_text(&json, "message", w->failures[i].reason);
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static void warned(const char *ns, const char *key, const char *reason) {
  cli_buf line = {0};
  cli_buf_printf(&line, "larder: %s %s failed: %s", ns, key, reason);
  cli_line_print(stderr, cli_buf_str(&line));
  cli_buf_fini(&line);
}

static cli_exit told(const cli_call *call, const cli_warm_args *args, warming *w, const larder_warmed *done) {
  char size[CLI_SHORT];
  char time[CLI_SHORT];
  uint64_t ms = cli_progress_end(&w->progress);
  if (call->globals->json) {
    told_json(args, w, done, ms);
  } else {
    for (size_t i = 0; i < w->failures_len && !w->progress.lines; i++)
      warned(w->failures[i].ns, w->failures[i].key, w->failures[i].reason);
    if (!call->globals->quiet)
      printf("made %" PRIu64 " (%s), there already %" PRIu64 ", failed %" PRIu64 ", in %s\n", done->made,
             cli_size_text(done->bytes, size, sizeof size), done->there, done->failed,
             cli_nanos_text(ms * 1000000, time, sizeof time));
    if (done->stopped)
      fprintf(stderr, "larder: stopped with %" PRIu64 " left; the same command goes on from here\n",
              done->total - done->made - done->there - done->failed);
  }
  for (size_t i = 0; i < w->failures_len; i++) {
    free(w->failures[i].ns);
    free(w->failures[i].key);
    free(w->failures[i].reason);
  }
  return done->failed > 0 || done->stopped ? CLI_FAILED : CLI_DONE;
}

cli_exit cli_warm_recipes(const cli_call *call, const cli_warm_args *args, const larder_param *params, size_t count,
                          larder *cache, larder_ns *ns) {
  warming w = {.call = call};
  larder_warmed done = {0};
  larder_error error = {0};
  larder_warm_options how = {.size = sizeof how,
                             .parallel = args->parallel > 256 ? 256 : (unsigned)args->parallel,
                             .fresh = args->fresh,
                             .ttl_ms = args->from.ttl_ms,
                             .progress = warm_progress,
                             .context = &w};
  cli_interrupt_catch();
  cli_progress_begin(call, &w.progress);
  larder_err result = args->recipe != NULL ? larder_warm_recipe(ns, args->recipe, params, count, &how, &done, &error)
                                           : larder_warm_configured(cache, ns, &how, &done, &error);
  if (result == LARDER_OK) return told(call, args, &w, &done);
  (void)cli_progress_end(&w.progress);
  return cli_refuse_result(call, result, &error, "cannot warm");
}
