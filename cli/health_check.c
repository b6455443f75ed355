/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys are gathered first, since a listing is not to wait for tries; then some threads take one after the other. What came
 * of each is printed when all are done, in the order of the listing.
 */
#include "health_check.h"

#include "cli_table.h"
#include "health_show.h"
#include "progress_bar.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct tried {
  size_t at; /* of the key, in the keys */
  size_t len;
  larder_err result;
  bool begun;
  bool worked;
  larder_health health;
  char why[256]; /* of a failure, or why it could not be found out */
} tried;

typedef struct round_run {
  const cli_call *call;
  larder_ns *ns;
  cli_buf keys;
  tried *items;
  size_t len;
  size_t room;
  _Atomic size_t next;
} round_run;

static bool add(round_run *r, const void *key, size_t len) {
  if (r->len == r->room) {
    size_t const room = r->room == 0 ? 64 : r->room * 2;
    tried *items = cli_alloc(room * sizeof *items);
    if (r->len > 0) memcpy(items, r->items, r->len * sizeof *items);
    free(r->items);
    r->items = items;
    r->room = room;
  }
  r->items[r->len++] = (tried){.at = r->keys.len, .len = len, .health = {.size = sizeof(larder_health)}};
  cli_buf_add(&r->keys, key, len);
  return true;
}

static bool entry_visit(void *context, const larder_listed *entry) { return add(context, entry->key, entry->key_len); }

/* Those that are still kept have been listed. */
static bool has(const round_run *r, const void *key, size_t len) {
  for (size_t i = 0; i < r->len; i++)
    if (r->items[i].len == len && memcmp(r->keys.data + r->items[i].at, key, len) == 0) return true;
  return false;
}

static bool health_visit(void *context, const void *key, size_t len, const larder_health *health) {
  (void)health;
  return has(context, key, len) || add(context, key, len);
}

static larder_err gather(round_run *r) {
  larder_err const result = larder_list(r->ns, NULL, false, 0, NULL, entry_visit, r);
  return result < 0 ? result : larder_health_each(r->ns, LARDER_HEALTH_BIT(LARDER_HEALTH_UNHEALTHY), 0, NULL, health_visit, r);
}

static void *try_some(void *context) {
  round_run *r = context;
  for (size_t i = atomic_fetch_add(&r->next, 1); i < r->len && !cli_interrupted(); i = atomic_fetch_add(&r->next, 1)) {
    tried *one = &r->items[i];
    larder_error why = {0};
    one->begun = true;
    one->result = larder_health_check(r->ns, r->keys.data + one->at, one->len, &one->worked, &one->health, &why);
    snprintf(one->why, sizeof one->why, "%.255s", why.message);
  }
  return NULL;
}

static void try_all(round_run *r, uint64_t parallel) {
  pthread_t threads[CLI_CHECK_PARALLEL_MAX];
  size_t more = 0;
  while (more + 1 < parallel && more + 1 < r->len && more < CLI_CHECK_PARALLEL_MAX &&
         pthread_create(&threads[more], NULL, try_some, r) == 0)
    more++;
  (void)try_some(r);
  while (more > 0) (void)pthread_join(threads[--more], NULL);
}

typedef struct sums {
  uint64_t worked;
  uint64_t failed;
  uint64_t evicted;
  uint64_t unknown; /* not tried, or not to be found out */
} sums;

static sums sums_of(const round_run *r) {
  sums s = {0};
  for (size_t i = 0; i < r->len; i++) {
    const tried *one = &r->items[i];
    bool const known = one->begun && one->result >= 0;
    s.unknown += !known;
    s.worked += known && one->worked;
    s.failed += known && !one->worked;
    s.evicted += known && one->health.evicted;
  }
  return s;
}

static void told_json(const round_run *r, const sums *s) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "ns", larder_ns_name(r->ns));
  cli_json_uint(&json, "worked", s->worked);
  cli_json_uint(&json, "failed", s->failed);
  cli_json_uint(&json, "evicted", s->evicted);
  cli_json_uint(&json, "not_known", s->unknown);
  cli_json_array(&json, "entries");
  for (size_t i = 0; i < r->len; i++) {
    const tried *one = &r->items[i];
    cli_json_object(&json, NULL);
    cli_json_bytes(&json, "key", "key_encoding", r->keys.data + one->at, one->len);
    cli_json_text(&json, "result", !one->begun || one->result < 0 ? "not known" : one->worked ? "worked" : "failed");
    cli_json_text(&json, "message", one->why[0] != '\0' ? one->why : NULL);
    cli_json_text(&json, "status", larder_health_status_name(one->health.status));
    cli_json_bool(&json, "evicted", one->health.evicted);
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static void told_text(const round_run *r, const sums *s) {
  static const char *const heads[] = {"KEY", "TRIED", "HEALTH", "ERROR", NULL};
  cli_table table;
  cli_table_init(&table, heads);
  for (size_t i = 0; i < r->len; i++) {
    const tried *one = &r->items[i];
    bool const known = one->begun && one->result >= 0;
    cli_buf cell = {0};
    cli_escape(&cell, r->keys.data + one->at, one->len);
    cli_shorten(&cell, 48);
    cli_table_add_styled(&table, cli_buf_str(&cell), CLI_BOLD);
    cli_table_add_styled(&table,
                         !known        ? "not known"
                         : one->worked ? "worked"
                                       : "failed",
                         !known        ? CLI_YELLOW
                         : one->worked ? CLI_GREEN
                                       : CLI_RED);
    cli_buf_clear(&cell);
    if (known) cli_health_text(&cell, &one->health);
    if (one->health.evicted) cli_buf_text(&cell, "; evicted");
    cli_table_add(&table, cli_buf_str(&cell));
    cli_buf_clear(&cell);
    cli_escape(&cell, one->why, strlen(one->why));
    cli_table_add_styled(&table, cli_buf_str(&cell), CLI_DIM);
    cli_buf_fini(&cell);
  }
  if (!r->call->globals->quiet && r->len > 0) cli_table_print(&table, stdout, true);
  cli_table_fini(&table);
  cli_note(r->call, "%" PRIu64 " worked, %" PRIu64 " failed, %" PRIu64 " evicted, %" PRIu64 " not known", s->worked, s->failed,
           s->evicted, s->unknown);
}

cli_exit cli_health_check(const cli_call *call, larder *cache, larder_ns *ns, const cli_key *key, uint64_t parallel) {
  round_run r = {.call = call, .ns = ns};
  cli_exit code = CLI_DONE;
  larder_err result = LARDER_OK;
  larder_policy policy = {0};
  larder_ns_policy(ns, &policy);
  if (!policy.checked) {
    return cli_refuse(call, CLI_USAGE, "in the configuration: health: {check: {command: [PROGRAM, \"{key}\"]}} or {http: URL}",
                      "namespace %s has no check", larder_ns_name(ns));
  }
  if (key != NULL) {
    (void)add(&r, key->data, key->len);
  } else {
    result = gather(&r);
  }
  if (result < 0) {
    code = cli_refuse_result(call, result, NULL, "cannot list what is to be tried");
  } else {
    cli_interrupt_catch();
    cli_interrupt_cancels(cache, true);
    try_all(&r, parallel);
    cli_interrupt_cancels(NULL, true);
  }
  if (code == CLI_DONE) {
    sums const s = sums_of(&r);
    if (call->globals->json) {
      told_json(&r, &s);
    } else {
      told_text(&r, &s);
    }
    code = s.unknown > 0 ? CLI_FAILED : s.failed > 0 ? CLI_NOT_FOUND : CLI_DONE;
  }
  free(r.items);
  cli_buf_fini(&r.keys);
  return code;
}
