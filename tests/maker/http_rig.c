/* SPDX-License-Identifier: Apache-2.0 */
#include "http_rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void http_rig_origin_start(origin *o, char **dir, bool tls) {
  /* Nobody stands between us and our own machine. */
  static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) unsetenv(proxies[i]);
  (void)signal(SIGPIPE, SIG_IGN); /* of the pipes to the origin, should it die */
  *dir = support_dir_make();
  support_origin_start(o, tls ? *dir : NULL);
}

void http_rig_origin_stop(origin *o, char **dir) {
  support_origin_stop(o);
  support_dir_remove(dir);
}

static void rig_count(void *context, lrd_http_count which, uint64_t n) {
  http_rig *rig = context;
  atomic_fetch_add(&rig->counts[which], n);
}

http_rig *http_rig_new(const origin *o, const char *dir) {
  http_rig *rig = calloc(1, sizeof *rig);
  if (!rig) abort();
  if (o) rig->origin = *o;
  rig->dir = dir ? strdup(dir) : NULL;
  lrd_clock_moved_init(&rig->moved, HTTP_RIG_WALL_MS);
  rig->clock = &rig->moved.clock;
  rig->cancel.clock = rig->clock;
  rig->config = (lrd_config_maker){.type = LRD_MAKER_HTTP,
                                   .separator = ':',
                                   .value_bytes_max = 64 << 20,
                                   .burst = 1,
                                   .retry_delay_ms = 200,
                                   .connect_timeout_ms = 60000,
                                   .attempt_timeout_ms = 60000,
                                   .redirects = 5};
  http_rig_url(rig, "/{+key}");
  larder_error err = {0};
  if (lrd_http_engine_new(rig->clock, &rig->engine, &err) != LARDER_OK) fail_msg("%s", err.message);
  return rig;
}

void http_rig_free(http_rig *rig) {
  lrd_http_engine_free(rig->engine);
  free(rig->dir);
  free(rig);
}

void http_rig_url(http_rig *rig, const char *rest) {
  snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d%s", rig->origin.port, rest);
  rig->config.what = rig->url;
}

lrd_http_maker *http_rig_maker(http_rig *rig) {
  lrd_http_maker *maker = NULL;
  larder_error err = {0};
  lrd_http_maker_params const params = {
      .config = &rig->config, .ns = "reports", .engine = rig->engine, .count = rig_count, .context = rig};
  if (lrd_http_maker_new(&params, &maker, &err) != LARDER_OK) fail_msg("%s", err.message);
  return maker;
}

uint64_t http_rig_counted(http_rig *rig, lrd_http_count which) { return atomic_load(&rig->counts[which]); }

http_asked http_rig_make(http_rig *rig, lrd_http_maker *maker, const char *key, const char *kept_version, int64_t deadline_ns) {
  http_asked asked = {.made.size = sizeof asked.made};
  larder_facts facts = rig->kept;
  facts.version = kept_version;
  facts.version_len = kept_version ? strlen(kept_version) : 0;
  larder_making const making = {.size = sizeof making,
                                .key = key,
                                .key_len = strlen(key),
                                .kept = kept_version ? "kept" : NULL,
                                .kept_len = kept_version ? 4 : 0,
                                .kept_facts = kept_version ? &facts : NULL,
                                .deadline_ns = deadline_ns ? lrd_boot_ns(rig->clock) + deadline_ns : INT64_MAX,
                                .cancel = &rig->cancel};
  asked.code = lrd_http_make(maker, &making, &asked.made, &asked.err);
  return asked;
}

http_asked http_rig_ask(http_rig *rig, const char *key) {
  lrd_http_maker *maker = http_rig_maker(rig);
  http_asked asked = http_rig_make(rig, maker, key, NULL, 0);
  lrd_http_maker_free(maker);
  return asked;
}

void http_asked_release(http_asked *asked) {
  if (asked->made.release) asked->made.release(asked->made.release_context, asked->made.value);
  asked->made.release = NULL;
}

void http_asked_value(http_asked *asked, const char *value) {
  if (asked->code != LARDER_OK) fail_msg("%s: %s", larder_err_name(asked->code), asked->err.message);
  assert_int_equal(asked->made.what, LARDER_MADE_VALUE);
  assert_int_equal(asked->made.len, strlen(value));
  assert_memory_equal(asked->made.value, value, asked->made.len);
  http_asked_release(asked);
}

void http_asked_failed(http_asked *asked, larder_err code, const char *part) {
  if (asked->code != code || !strstr(asked->err.message, part))
    fail_msg("%s: `%s`, wanted were %s and `%s`", larder_err_name(asked->code), asked->err.message, larder_err_name(code),
             part);
  assert_non_null(strstr(asked->err.message, "reports"));
  http_asked_release(asked);
}
