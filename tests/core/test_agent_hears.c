/* SPDX-License-Identifier: Apache-2.0 */
/* What of a namespace with an agent is a request: gets, also those that miss; not what a job asks for. Time is moved by hand.
 */
#include "support/support.h"

#include "base/clock.h"
#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <larder/foretell.h>
#include <larder/learning.h>
#include <larder/refresh.h>
#include <larder/warm.h>
#include <stdio.h>
#include <string.h>

#define TAKES_MS    40
#define PLAIN       ", epsilon: 0.01%, epsilon_last: 0.01%, horizon: 1000"
#define BY_CHANCE   ", epsilon: 100%, epsilon_last: 100%, window: 100"
#define WARMED      100u
#define KEY_MAX_LEN 16

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  unsigned made;
  unsigned listed; /* lines of the list of keys that were read */
} fixture;

static larder_err origin_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  fixture *f = context;
  (void)making, (void)err;
  lrd_clock_moved_advance_ms(&f->clock, TAKES_MS);
  f->made++;
  made->value = "v";
  made->len = 1;
  return LARDER_OK;
}

static void open_with(fixture *f, unsigned entries, const char *agent) {
  char text[600];
  larder_error err = {0};
  *f = (fixture){.root = support_dir_make()};
  snprintf(text, sizeof text,
           "cache:\n  memory: {size_mb: 8}\n  namespaces:\n"
           "    n: {tiers: [memory], limits: {memory: %u}, ttl: 1h, maker: {callback: origin}, "
           "predict: {enable: true, chain: first, rate: 0}, agent: {enable: true%s}}\n"
           "    predicts: {tiers: [memory], maker: {callback: origin}, predict: {enable: true}}\n",
           entries, agent);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_ok(larder_maker_register(f->cache, "origin", origin_make, f));
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, &err));
}

static void shut(fixture *f) {
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

static larder_learning_figures figures(const fixture *f) {
  larder_learning_figures now = {0};
  assert_ok(larder_learning_figures_get(f->ns, &now));
  return now;
}

static uint64_t requests_heard(larder_ns *ns) {
  larder_foretell_figures now = {0};
  assert_ok(larder_foretell_figures_get(ns, &now));
  return now.heard + now.missed;
}

static void make(fixture *f, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    char key[KEY_MAX_LEN];
    larder_value value = {0};
    snprintf(key, sizeof key, "k%u", i);
    assert_ok(larder_get_or_make(f->ns, key, strlen(key), NULL, &value, NULL));
    larder_value_release(&value);
  }
  lrd_larder_tick(f->cache);
}

/* How many of them missed, got one by one, copied, or all at once. */
typedef enum by { BY_GET, BY_GET_INTO, BY_GET_MANY, BYS } by;

static unsigned get(larder_ns *ns, by how, unsigned count) {
  char keys[WARMED][KEY_MAX_LEN];
  larder_item items[WARMED] = {0};
  unsigned missed = 0;
  for (unsigned i = 0; i < count; i++) {
    char room[8];
    size_t len;
    snprintf(keys[i], sizeof keys[i], "k%u", i);
    items[i].key = keys[i];
    items[i].key_len = strlen(keys[i]);
    if (how == BY_GET) items[i].result = larder_get(ns, keys[i], items[i].key_len, NULL, &items[i].found);
    if (how == BY_GET_INTO) items[i].result = larder_get_into(ns, keys[i], items[i].key_len, room, sizeof room, &len);
  }
  if (how == BY_GET_MANY) assert_ok(larder_get_many(ns, items, count, NULL));
  for (unsigned i = 0; i < count; i++) {
    assert_true(items[i].result == LARDER_OK || items[i].result == LARDER_MISS);
    missed += items[i].result == LARDER_MISS;
    if (how != BY_GET_INTO && items[i].result == LARDER_OK) larder_value_release(&items[i].found);
  }
  return missed;
}

/* --- gets that miss ------------------------------------------------------------------------------------------------------- */

static void a_get_that_misses_is_told_to_who_pushed_it_out(void **state) {
  (void)state;
  for (by how = BY_GET; how < BYS; how++) {
    fixture f;
    open_with(&f, 8, PLAIN);
    make(&f, 8);
    make(&f, 20); /* they push out each other, and are told of those that are made again */
    larder_learning_figures before = figures(&f);
    unsigned missed = get(f.ns, how, 20);
    lrd_larder_tick(f.cache);
    larder_learning_figures now = figures(&f);
    double more = now.agent.told[LARDER_AGENT_MISS] - before.agent.told[LARDER_AGENT_MISS];
    assert_int_equal(missed, 12);
    assert_true(more >= 1 && more <= 12);
    assert_true(now.agent.told[LARDER_AGENT_FULL] == now.agent.told[LARDER_AGENT_MISS]);
    assert_true(now.agent.told[LARDER_AGENT_LOST_MS] == TAKES_MS * now.agent.told[LARDER_AGENT_MISS]);
    assert_int_equal(now.compared - before.compared, 20);
    assert_true(now.origin == before.origin); /* a get asks nobody */
    assert_int_equal(now.agent.decisions - before.agent.decisions, 8);
    (void)get(f.ns, how, 20); /* once is enough */
    lrd_larder_tick(f.cache);
    assert_true(figures(&f).agent.told[LARDER_AGENT_MISS] == now.agent.told[LARDER_AGENT_MISS]);
    shut(&f);
  }
}

static void what_it_lets_go_is_not_free_where_it_is_only_got(void **state) {
  fixture f;
  (void)state;
  open_with(&f, 1000, BY_CHANCE);
  make(&f, WARMED);
  larder_learning_figures before = figures(&f);
  unsigned missed = get(f.ns, BY_GET, WARMED);
  lrd_larder_tick(f.cache);
  larder_learning_figures now = figures(&f);
  assert_in_range(missed, WARMED / 5, WARMED * 4 / 5);
  double waited = now.ms - before.ms, plain_waited = now.plain_ms - before.plain_ms;
  assert_true(waited > missed * (TAKES_MS - 1)); /* memory would have had each of them */
  assert_true(plain_waited < TAKES_MS);
  assert_true(now.origin == before.origin && now.plain_origin == before.plain_origin);
  assert_int_equal(now.agent.stepped_aside, 1);
  shut(&f);
}

/* A miss of what nobody has ever kept, of what was deleted, and of what is over, is one on both sides. */
static void a_miss_that_is_nobodys_fault_is_one_of_both(void **state) {
  fixture f;
  (void)state;
  open_with(&f, 1000, PLAIN);
  assert_int_equal(get(f.ns, BY_GET, 20), 20);
  make(&f, 20);
  for (unsigned i = 0; i < 10; i++) {
    char key[KEY_MAX_LEN];
    snprintf(key, sizeof key, "k%u", i);
    assert_ok(larder_delete(f.ns, key, strlen(key)));
  }
  assert_int_equal(get(f.ns, BY_GET, 20), 10);
  lrd_larder_tick(f.cache);
  lrd_clock_moved_advance_ms(&f.clock, 3601000);
  assert_int_equal(get(f.ns, BY_GET, 20), 20);
  lrd_larder_tick(f.cache);
  larder_learning_figures now = figures(&f);
  assert_int_equal(now.compared, 80);
  assert_true(now.ms == now.plain_ms && now.origin == 20 && now.plain_origin == 20);
  assert_true(now.agent.told[LARDER_AGENT_MISS] == 0);
  for (unsigned i = 0; i < 20; i++) { /* what is put again is there for both */
    char key[KEY_MAX_LEN];
    snprintf(key, sizeof key, "k%u", i);
    assert_ok(larder_put(f.ns, key, strlen(key), "v", 1, NULL));
  }
  assert_int_equal(get(f.ns, BY_GET, 20), 0);
  lrd_larder_tick(f.cache);
  now = figures(&f);
  assert_true(now.ms == now.plain_ms);
  shut(&f);
}

static void who_only_predicts_hears_of_what_is_handed_out(void **state) {
  fixture f;
  larder_ns *predicts;
  larder_error err = {0};
  (void)state;
  open_with(&f, 1000, PLAIN);
  assert_ok(larder_ns_open(f.cache, "predicts", &predicts, &err));
  for (by how = BY_GET; how < BYS; how++) assert_int_equal(get(predicts, how, 20), 20);
  lrd_larder_tick(f.cache);
  assert_int_equal(requests_heard(predicts), 0);
  shut(&f);
}

/* What has no room in the ring and is no request of somebody who is answered is not counted as one. */
static void only_requests_are_missed(void **state) {
  fixture f;
  larder_foretell_figures now;
  (void)state;
  open_with(&f, 1000, PLAIN);
  for (unsigned i = 0; i < 20; i++) (void)get(f.ns, BY_GET, WARMED);
  assert_ok(larder_foretell_figures_get(f.ns, &now));
  assert_int_equal(now.missed, 0);
  make(&f, WARMED); /* there is no room for them now */
  assert_ok(larder_foretell_figures_get(f.ns, &now));
  assert_int_equal(now.missed, WARMED);
  shut(&f);
}

/* --- jobs ----------------------------------------------------------------------------------------------------------------- */

static int64_t list_read(void *context, void *out, size_t room) {
  fixture *f = context;
  if (f->listed >= WARMED || room < KEY_MAX_LEN) return 0;
  return snprintf(out, room, "k%u\n", f->listed++);
}

static void done(larder_job **job, uint64_t made) {
  larder_job_progress now;
  larder_job_wait(*job, -1);
  larder_job_progress_get(*job, &now);
  assert_int_equal(now.made, made);
  larder_job_free(job);
}

/* Keys of a list are no user's steps, and what was warmed is not let go. */
static void what_jobs_ask_for_is_no_request(void **state) {
  fixture f;
  larder_error err = {0};
  larder_job *job = NULL;
  (void)state;
  open_with(&f, 1000, BY_CHANCE);
  larder_warm_plan plan = {.size = sizeof plan,
                           .namespaces = (const char *const[]){"n"},
                           .namespaces_count = 1,
                           .keys_read = list_read,
                           .context = &f,
                           .parallel = 1};
  if (larder_warm_start(f.cache, &plan, &job, &err) != LARDER_OK) fail_msg("%s", err.message);
  done(&job, WARMED);
  lrd_larder_tick(f.cache);
  lrd_clock_moved_advance_ms(&f.clock, 1000);
  larder_refresh_options refresh = {.size = sizeof refresh, .all = true, .parallel = 1};
  if (larder_refresh_due(f.cache, f.ns, &refresh, &job, &err) != LARDER_OK) fail_msg("%s", err.message);
  done(&job, WARMED);
  lrd_larder_tick(f.cache);
  assert_int_equal(f.made, 2 * WARMED);
  assert_int_equal(requests_heard(f.ns), 0);
  assert_int_equal(figures(&f).agent.decisions, 0);
  assert_int_equal(get(f.ns, BY_GET, WARMED), 0); /* and who asks now is heard */
  lrd_larder_tick(f.cache);
  assert_int_equal(figures(&f).agent.decisions, WARMED);
  shut(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_get_that_misses_is_told_to_who_pushed_it_out),
      cmocka_unit_test(what_it_lets_go_is_not_free_where_it_is_only_got),
      cmocka_unit_test(a_miss_that_is_nobodys_fault_is_one_of_both),
      cmocka_unit_test(who_only_predicts_hears_of_what_is_handed_out),
      cmocka_unit_test(only_requests_are_missed),
      cmocka_unit_test(what_jobs_ask_for_is_no_request),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
