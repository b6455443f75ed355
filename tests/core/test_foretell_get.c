/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever hands out a value of a namespace that predicts is heard, once and in its order: by memory's straight way and by all
 * others. What hands out nothing is not. A word that was read thus is learned from, so the letters that follow tell.
 */
#include "support/support.h"

#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <larder/foretell.h>
#include <larder/stats.h>
#include <larder/transfer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_KEY 200u /* does not go the straight way */

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns, *plain;
} fixture;

static larder_err origin_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  larder_value part = {0};
  (void)context;
  (void)err;
  if (*(const char *)making->key == 'M') { /* made of another one */
    assert_ok(larder_get(making->ns, "a", 1, NULL, &part));
    larder_value_release(&part);
  }
  made->value = "made";
  made->len = 4;
  return LARDER_OK;
}

static void open_with(fixture *f, const char *monitoring, const char *tiers) {
  char text[768];
  larder_error err = {0};
  *f = (fixture){.root = support_dir_make()};
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  snprintf(text, sizeof text,
           "%scache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: [%s], maker: {callback: origin}, "
           "predict: {enable: true, chain: first}}\n    plain: {tiers: [%s], maker: {callback: origin}}\n",
           monitoring, tiers, tiers);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text};
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_ok(larder_maker_register(f->cache, "origin", origin_make, f));
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
  assert_ok(larder_ns_open(f->cache, "plain", &f->plain, NULL));
  for (unsigned i = 0; i < 5; i++) {
    const char key = "abcde"[i];
    assert_ok(larder_put(f->ns, &key, 1, "value", 5, NULL));
    assert_ok(larder_put(f->plain, &key, 1, "value", 5, NULL));
  }
}

static void shut(fixture *f) {
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

static uint64_t heard(fixture *f) {
  larder_foretell_figures now = {0};
  lrd_larder_tick(f->cache);
  assert_ok(larder_foretell_figures_get(f->ns, &now));
  assert_int_equal(now.missed, 0);
  return now.heard;
}

static void get(larder_ns *ns, const char *key, size_t len) {
  larder_value value = {0};
  assert_ok(larder_get(ns, key, len, NULL, &value));
  assert_int_equal(value.len, 5);
  larder_value_release(&value);
}

static void get_into(larder_ns *ns, const char *key) {
  char room[8];
  size_t len = 0;
  assert_ok(larder_get_into(ns, key, 1, room, sizeof room, &len));
  assert_int_equal(len, 5);
}

/* What is learned to follow a key of one letter, '-': nothing. */
static char after(fixture *f, char key) {
  char path[512];
  larder_predictor *learned = NULL;
  larder_predict_guess guess;
  larder_predict_past past = {.last = &key, .last_len = 1};
  size_t count = 1;
  lrd_larder_tick(f->cache);
  snprintf(path, sizeof path, "%s/learned", f->root);
  assert_ok(larder_foretell_save(f->ns, path, LARDER_PREDICT_BINARY, NULL));
  assert_ok(larder_predict_load(path, &learned, NULL));
  assert_ok(larder_predict_after(learned, &past, LARDER_PREDICT_FIRST, &guess, &count));
  larder_predictor_free(&learned);
  return count ? guess.endpoint[0] : '-';
}

static void every_way_is_heard(const char *monitoring, const char *tiers) {
  fixture f;
  char long_key[LONG_KEY];
  larder_item items[] = {{.key = "c", .key_len = 1},
                         {.key = "absent", .key_len = 6},
                         {.key = "", .key_len = 0},
                         {.key = "d", .key_len = 1},
                         {.key = "e", .key_len = 1}};
  larder_value value = {0};
  open_with(&f, monitoring, tiers);
  memset(long_key, 'x', sizeof long_key);
  assert_ok(larder_put(f.ns, long_key, sizeof long_key, "value", 5, NULL));
  get(f.ns, "a", 1);
  get_into(f.ns, "b");
  assert_int_equal(heard(&f), 2);
  assert_ok(larder_get_many(f.ns, items, sizeof items / sizeof *items, NULL));
  for (size_t i = 0; i < sizeof items / sizeof *items; i++) larder_value_release(&items[i].found);
  assert_int_equal(heard(&f), 5);
  assert_ok(larder_get_or_make(f.ns, "a", 1, NULL, &value, NULL));
  larder_value_release(&value);
  get(f.ns, long_key, sizeof long_key);
  assert_int_equal(heard(&f), 7);
  assert_int_equal(after(&f, 'a'), 'b');
  assert_int_equal(after(&f, 'b'), 'c');
  assert_int_equal(after(&f, 'c'), 'd');
  assert_int_equal(after(&f, 'd'), 'e');
  assert_int_equal(after(&f, 'e'), 'a');
  shut(&f);
}

static void memory_and_what_is_below_it_are_heard(void **state) {
  (void)state;
  every_way_is_heard("", "memory");
  every_way_is_heard("", "memory, sqlite");
  every_way_is_heard("", "sqlite");
  every_way_is_heard("monitoring: {log_cache_hits: true}\n", "memory");
}

static void what_hands_out_nothing_is_not_heard(void **state) {
  fixture f;
  larder_value value = {0};
  larder_get_options fresh = {.size = sizeof fresh, .fresh = true};
  size_t len;
  (void)state;
  open_with(&f, "", "memory, sqlite");
  assert_int_equal(larder_get(f.ns, "absent", 6, NULL, &value), LARDER_MISS);
  assert_int_equal(larder_get_into(f.ns, "absent", 6, NULL, 0, &len), LARDER_MISS);
  assert_int_equal(larder_get(f.ns, "a", 1, &fresh, &value), LARDER_MISS);
  assert_err(larder_get(f.ns, "", 0, NULL, &value), LARDER_EINVAL);
  assert_ok(larder_exists(f.ns, "a", 1));
  get(f.plain, "a", 1);
  get_into(f.plain, "a");
  assert_int_equal(heard(&f), 0);
  shut(&f);
}

static void what_a_maker_gets_is_nobodys_step(void **state) {
  fixture f;
  larder_value value = {0};
  (void)state;
  open_with(&f, "", "memory");
  assert_ok(larder_get_or_make(f.ns, "M", 1, NULL, &value, NULL));
  larder_value_release(&value);
  assert_int_equal(heard(&f), 1);
  shut(&f);
}

static void what_an_import_looks_at_is_nobodys_step(void **state) {
  fixture f;
  char path[512];
  larder_transfer_counts counts = {0};
  larder_import_options in = {.size = sizeof in, .ns = "n"};
  (void)state;
  open_with(&f, "", "memory, sqlite");
  snprintf(path, sizeof path, "%s/in.jsonl", f.root);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_true(fputs("{\"key\": \"a\", \"value\": \"value\"}\n{\"key\": \"b\", \"value\": \"other\"}\n", file) >= 0);
  assert_int_equal(fclose(file), 0);
  assert_ok(larder_import(f.cache, path, &in, &counts, NULL));
  assert_int_equal(counts.done, 1);
  assert_int_equal(counts.skipped, 1); /* it was compared */
  assert_int_equal(heard(&f), 0);
  shut(&f);
}

/* As in a predictor: a type of user whose name is too long is none, and not another one that begins like it. */
static void a_user_type_that_is_too_long_is_none(void **state) {
  fixture f;
  char long_type[LARDER_USER_TYPE_MAX + 2], path[512];
  larder_predictor *learned = NULL;
  larder_predictor_figures figures;
  (void)state;
  open_with(&f, "", "memory");
  memset(long_type, 't', sizeof long_type - 1);
  long_type[sizeof long_type - 1] = '\0';
  larder_foretell_session("s", 1, long_type);
  get(f.ns, "a", 1);
  long_type[1] = 'u';
  larder_foretell_session("s", 1, long_type + 1);
  get(f.ns, "b", 1);
  larder_foretell_session(NULL, 0, NULL);
  assert_int_equal(heard(&f), 2);
  snprintf(path, sizeof path, "%s/learned", f.root);
  assert_ok(larder_foretell_save(f.ns, path, LARDER_PREDICT_BINARY, NULL));
  assert_ok(larder_predict_load(path, &learned, NULL));
  larder_predictor_figures_get(learned, &figures);
  assert_int_equal(figures.user_types, 1);
  larder_predictor_free(&learned);
  shut(&f);
}

/* Nothing else is different: counted once, and told stale. */
static void what_is_heard_is_counted_once(void **state) {
  fixture f;
  larder_stats *stats = NULL;
  uint64_t hits = 0, lookups = 0;
  larder_value value = {0};
  larder_put_options how = {.size = sizeof how, .ttl_ms = 1000, .stale_ms = 1000};
  larder_get_options stale = {.size = sizeof stale, .allow_stale = true};
  (void)state;
  open_with(&f, "", "memory");
  for (int i = 0; i < 3000; i++) get(f.ns, "a", 1); /* more than the ring has room for, and than are sampled */
  for (int i = 0; i < 5; i++) get_into(f.ns, "b");
  assert_ok(larder_put(f.ns, "s", 1, "value", 5, &how));
  lrd_clock_moved_advance_ms(&f.clock, 1500);
  assert_int_equal(larder_get(f.ns, "s", 1, NULL, &value), LARDER_MISS);
  assert_ok(larder_get(f.ns, "s", 1, &stale, &value));
  assert_true(value.stale);
  larder_value_release(&value);
  assert_ok(larder_stats_take(f.cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "n", "all", "hits", &hits));
  assert_true(larder_stats_value(stats, "n", "all", "lookups", &lookups));
  assert_int_equal(hits, 3006);
  assert_int_equal(lookups, 3007);
  larder_stats_free(&stats);
  shut(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_and_what_is_below_it_are_heard), cmocka_unit_test(what_hands_out_nothing_is_not_heard),
      cmocka_unit_test(what_a_maker_gets_is_nobodys_step),     cmocka_unit_test(what_an_import_looks_at_is_nobodys_step),
      cmocka_unit_test(what_is_heard_is_counted_once),         cmocka_unit_test(a_user_type_that_is_too_long_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
