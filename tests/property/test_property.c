/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sequences of operations on two handles of one root (two processes, as far as the slots are concerned) against the
 * model, on a clock that is moved to just before and exactly onto expiries. Without faults and limits every answer is known
 * exactly; with faults (allocations, files) a miss is allowed, an old or foreign value never. Each seed is a test of its
 * own; a failure prints it. What breaks it: any of the protocol's mutations, an expiry off by one, a tag forgotten, a clear
 * that leaves something, a fault that loses the dirty mark.
 */
#include "support/support.h"

#include "larder_testing.h"
#include "model_cache.h"
#include <errno.h>
#include <larder/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS    700u
#define START_MS INT64_C(1700000000000)
#define TTL_MS   10000
#define STALE_MS 5000

typedef struct world {
  const char *chain;
  const char *durability;
  char *root;
  uint64_t seed;
  unsigned step;
  const char *doing;
  support_random random;
  lrd_clock_moved clock;
  larder *cache[2];
  larder_ns *ns[2][MODEL_SPACES];
  model_cache model;
  uint32_t last_id;
  bool faults;  /* allowed at all */
  bool faulty;  /* one is in force now */
  bool faulted; /* one was: a tier may be switched off, or have lost something, so misses are allowed */
  uint64_t lookups[2];
} world;

#define HOLDS(w, condition)                                                                                                    \
  do {                                                                                                                         \
    if (!(condition))                                                                                                          \
      fail_msg("seed %llu, step %u (%s), chain [%s]: not %s", (unsigned long long)(w)->seed, (w)->step, (w)->doing,            \
               (w)->chain, #condition);                                                                                        \
  } while (0)

static int64_t now_ms(const world *w) { return atomic_load(&w->clock.now_wall_ms); }
static unsigned below(world *w, unsigned n) { return (unsigned)support_random_below(&w->random, n); }

static void open_handle(world *w, unsigned h) {
  char config[600];
  larder_error err = {0};
  (void)snprintf(config, sizeof config,
                 "cache:\n  memory: {size_mb: 4}\n  namespaces:\n"
                 "    s0: {tiers: [%s], ttl: 10s, stale_if_error: 5s, durability: %s}\n"
                 "    s1: {tiers: [%s], ttl: 10s, stale_if_error: 5s, durability: %s}\n",
                 w->chain, w->durability, w->chain, w->durability);
  larder_options options = {.size = sizeof options, .root = w->root, .config_text = config};
  larder_err result = lrd_larder_open_with_clock(&options, &w->clock.clock, &w->cache[h], &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  HOLDS(w, result == LARDER_OK);
  HOLDS(w, larder_ns_open(w->cache[h], "s0", &w->ns[h][0], NULL) == LARDER_OK);
  HOLDS(w, larder_ns_open(w->cache[h], "s1", &w->ns[h][1], NULL) == LARDER_OK);
}

static size_t key_of(unsigned key, char *out) { return (size_t)snprintf(out, 24, "key:%u:%02u", key % 4, key); }

static size_t value_of(uint32_t id, char *out, size_t room) {
  int len = snprintf(out, room, "value-%u-", id);
  size_t want = 12 + id % 90;
  while ((size_t)len < want) out[len++] = (char)('a' + id % 26);
  return (size_t)len;
}

static bool is_value(const void *data, size_t len, uint32_t id) {
  char wanted[200];
  return id != 0 && value_of(id, wanted, sizeof wanted) == len && memcmp(wanted, data, len) == 0;
}

/* --- what an answer may be ---------------------------------------------------------------------------------------------- */

static void judge(world *w, unsigned s, unsigned k, bool allow_stale, larder_err result, const void *data, size_t len,
                  bool stale) {
  model_entry *e = &w->model.entries[s][k];
  int64_t now = now_ms(w);
  bool expected = allow_stale ? model_kept(e, now) : model_fresh(e, now);
  if (result == LARDER_MISS) {
    HOLDS(w, !expected || e->may_miss || w->faulted);
    return;
  }
  if (w->faulty && result < 0) return;
  HOLDS(w, result == LARDER_OK);
  if (e->open_id != 0 && is_value(data, len, e->open_id)) return;
  HOLDS(w, is_value(data, len, e->id));
  HOLDS(w, expected);
  HOLDS(w, stale == !model_fresh(e, now));
}

static void settle(world *w, unsigned s, unsigned k, larder_err result, const model_entry *after) {
  model_entry *e = &w->model.entries[s][k];
  if (result == LARDER_OK || result == LARDER_MISS) {
    *e = *after;
  } else if (result == LARDER_DEGRADED || result == LARDER_NOT_KEPT) {
    *e = *after; /* nothing old is served; the new one may be lost */
    e->may_miss = true;
  } else { /* a failure: it happened or not */
    HOLDS(w, w->faulted);
    e->open_id = after->id ? after->id : e->id;
    if (after->id == 0) e->open_id = e->id;
    e->may_miss = true;
    if (e->id == 0) {
      *e = *after;
      e->may_miss = true;
    }
  }
  if (w->faulty) e->may_miss = true;
}

/* --- operations ------------------------------------------------------------------------------------------------------------
 */

static void do_put(world *w, unsigned h, unsigned s, unsigned k) {
  static const char *const names[MODEL_TAGS] = {"red", "green", "blue"};
  char key[24];
  char value[200];
  const char *tags[MODEL_TAGS];
  larder_put_options options = {.size = sizeof options, .tags = tags};
  model_entry after = {.id = ++w->last_id};
  size_t len = value_of(after.id, value, sizeof value);
  int64_t ttl = TTL_MS;
  int64_t stale = STALE_MS;
  w->doing = "put";
  switch (below(w, 4)) {
  case 0:
    options.ttl_ms = ttl = 1 + below(w, 3000);
    break;
  case 1:
    options.ttl_ms = LARDER_TTL_NEVER;
    break;
  default:
    break;
  }
  if (below(w, 3) == 0) {
    options.stale_ms = -1;
    stale = 0;
  }
  for (unsigned t = 0; t < MODEL_TAGS; t++) {
    if (below(w, 3) != 0) continue;
    tags[options.tags_count++] = names[t];
    after.tags |= (uint8_t)(1u << t);
  }
  if (options.ttl_ms != LARDER_TTL_NEVER) {
    after.soft_ms = now_ms(w) + ttl;
    after.hard_ms = after.soft_ms + stale;
  }
  settle(w, s, k, larder_put(w->ns[h][s], key, key_of(k, key), value, len, &options), &after);
}

static void do_get(world *w, unsigned h, unsigned s, unsigned k) {
  char key[24];
  char room[256];
  size_t len = 0;
  larder_get_options options = {.size = sizeof options, .allow_stale = below(w, 3) == 0};
  larder_value value = {0};
  size_t key_len = key_of(k, key);
  w->doing = options.allow_stale ? "get stale" : "get";
  if (below(w, 2)) {
    larder_err result = larder_get(w->ns[h][s], key, key_len, &options, &value);
    judge(w, s, k, options.allow_stale, result, value.data, value.len, value.stale);
    larder_value_release(&value);
  } else {
    larder_err result = larder_get_into(w->ns[h][s], key, key_len, room, sizeof room, &len);
    judge(w, s, k, false, result, room, len, false);
  }
  w->lookups[h]++;
}

static void do_get_many(world *w, unsigned h, unsigned s) {
  char keys[16][24];
  larder_item items[16] = {0};
  unsigned first = below(w, MODEL_KEYS - 16);
  w->doing = "get_many";
  for (unsigned i = 0; i < 16; i++) {
    items[i].key_len = key_of(first + i, keys[i]);
    items[i].key = keys[i];
  }
  larder_err result = larder_get_many(w->ns[h][s], items, 16, NULL);
  HOLDS(w, result == LARDER_OK || w->faulty);
  if (result != LARDER_OK) return;
  for (unsigned i = 0; i < 16; i++) {
    judge(w, s, first + i, false, items[i].result, items[i].found.data, items[i].found.len, false);
    larder_value_release(&items[i].found);
  }
  w->lookups[h] += 16;
}

static void do_delete(world *w, unsigned h, unsigned s, unsigned k) {
  char key[24];
  bool kept = model_kept(&w->model.entries[s][k], now_ms(w)) && !w->model.entries[s][k].may_miss;
  w->doing = "delete";
  larder_err result = larder_delete(w->ns[h][s], key, key_of(k, key));
  if (!w->faulted && kept) HOLDS(w, result == LARDER_OK);
  settle(w, s, k, result, &(model_entry){0});
}

static void do_expire(world *w, unsigned h, unsigned s, unsigned k) {
  char key[24];
  model_entry after = w->model.entries[s][k];
  w->doing = "expire";
  larder_err result = larder_expire(w->ns[h][s], key, key_of(k, key));
  int64_t now = now_ms(w);
  if (model_fresh(&after, now)) after.soft_ms = now;
  settle(w, s, k, result, &after);
  if (result == LARDER_DEGRADED) w->model.entries[s][k].may_miss = true;
}

static void do_touch(world *w, unsigned h, unsigned s, unsigned k) {
  char key[24];
  model_entry after = w->model.entries[s][k];
  int64_t now = now_ms(w);
  int64_t ttl = 1 + below(w, 5000);
  w->doing = "touch";
  bool fresh = model_fresh(&after, now);
  larder_err result = larder_touch(w->ns[h][s], key, key_of(k, key), ttl);
  if (!w->faulted && !after.may_miss) HOLDS(w, result == (fresh ? LARDER_OK : LARDER_MISS));
  if (result == LARDER_OK) {
    after.soft_ms = now + ttl;
    after.hard_ms = after.soft_ms + STALE_MS;
    w->model.entries[s][k] = after;
  } else if (result != LARDER_MISS) {
    /* Either lifetime: take the key out of the game until it is put anew. */
    w->doing = "delete after touch";
    settle(w, s, k, larder_delete(w->ns[h][s], key, key_of(k, key)), &(model_entry){0});
  }
}

static void do_exists(world *w, unsigned h, unsigned s, unsigned k) {
  char key[24];
  larder_stat stat;
  model_entry *e = &w->model.entries[s][k];
  int64_t now = now_ms(w);
  w->doing = "exists";
  larder_err result = larder_exists(w->ns[h][s], key, key_of(k, key));
  if (e->open_id == 0 && !w->faulty) {
    if (result == LARDER_OK) HOLDS(w, model_fresh(e, now));
    if (result == LARDER_MISS) HOLDS(w, !model_fresh(e, now) || e->may_miss || w->faulted);
  }
  w->doing = "stat";
  result = larder_stat_get(w->ns[h][s], key, key_of(k, key), &stat);
  if (result != LARDER_OK) return;
  if (e->open_id == 0 && !w->faulty) {
    HOLDS(w, model_kept(e, now));
    HOLDS(w, stat.facts.expires_soft_ms == e->soft_ms && stat.facts.expires_hard_ms == e->hard_ms);
  }
  larder_stat_free(&stat);
}

typedef struct listing {
  world *w;
  unsigned space;
  uint8_t seen[MODEL_KEYS];
} listing;

static bool listed(void *context, const larder_listed *entry) {
  listing *l = context;
  unsigned four;
  unsigned k = MODEL_KEYS;
  char text[32] = {0};
  memcpy(text, entry->key, entry->key_len < 31 ? entry->key_len : 31);
  HOLDS(l->w, sscanf(text, "key:%u:%u", &four, &k) == 2 && k < MODEL_KEYS);
  l->seen[k] = 1;
  return true;
}

static void do_list(world *w, unsigned h, unsigned s) {
  listing l = {.w = w, .space = s};
  larder_match match = {.size = sizeof match};
  int64_t now = now_ms(w);
  unsigned group = below(w, 4);
  char prefix[16];
  w->doing = "list";
  match.prefix_len = (size_t)snprintf(prefix, sizeof prefix, "key:%u:", group);
  match.prefix = prefix;
  larder_err result = larder_list(w->ns[h][s], &match, false, 0, NULL, listed, &l);
  HOLDS(w, result == LARDER_OK || result == LARDER_END || w->faulty);
  if (w->faulty) return;
  for (unsigned k = 0; k < MODEL_KEYS; k++) {
    const model_entry *e = &w->model.entries[s][k];
    if (l.seen[k] && !model_fresh(e, now) && e->open_id == 0)
      print_error("key %u of s%u: id %u soft %lld hard %lld now %lld may miss %d\n", k, s, e->id, (long long)(e->soft_ms - now),
                  (long long)(e->hard_ms - now), (long long)now, e->may_miss);
    if (l.seen[k]) HOLDS(w, k % 4 == group && (model_fresh(e, now) || e->open_id != 0));
    if (model_fresh(e, now) && k % 4 == group) HOLDS(w, l.seen[k] || e->may_miss || w->faulted);
  }
}

static void do_bulk(world *w, unsigned h, unsigned s) {
  static const char *const names[MODEL_TAGS] = {"red", "green", "blue"};
  larder_match match = {.size = sizeof match};
  larder_bulk bulk = {0};
  unsigned what = below(w, 12);
  unsigned tag = below(w, MODEL_TAGS);
  if (w->faulted) return; /* what a tier that is away did not take is told in numbers only */
  if (what < 6) match.tag = names[tag];
  if (what >= 6 && what < 11) match.glob = "key:[02]:*";
  w->doing = what < 6 ? "delete by tag" : what < 11 ? "delete by glob" : "clear";
  larder_err result = what < 11 ? larder_delete_matching(w->ns[h][s], &match, &bulk) : larder_clear(w->ns[h][s], &bulk);
  HOLDS(w, result == LARDER_OK && bulk.failed == 0);
  for (unsigned k = 0; k < MODEL_KEYS; k++) {
    model_entry *e = &w->model.entries[s][k];
    bool hit = what < 6 ? (e->tags & (1u << tag)) != 0 : what < 11 ? k % 2 == 0 : true;
    /* What lives nowhere but in one process' memory (a degraded put) the other's bulk change does not find. */
    if (hit && e->may_miss && what != 11) {
      char key[24];
      settle(w, s, k, larder_delete(w->ns[h][s], key, key_of(k, key)), &(model_entry){0});
    } else if (hit) {
      *e = (model_entry){0};
    }
  }
}

static void move_clock(world *w) {
  w->doing = "clock";
  int64_t now = now_ms(w);
  int64_t by = below(w, 400);
  const model_entry *e = &w->model.entries[below(w, MODEL_SPACES)][below(w, MODEL_KEYS)];
  int64_t at = below(w, 2) ? e->soft_ms : e->hard_ms;
  if (e->id != 0 && at > now + 1) by = at - now - (int64_t)below(w, 2); /* onto the boundary, or just before it */
  lrd_clock_moved_advance_ms(&w->clock, by > 0 ? by : 1);
}

static void turn_faults(world *w) {
  w->doing = "faults";
  if (!w->faults) return;
  if (w->faulty) {
    (void)support_fs_end();
    (void)support_alloc_end();
    w->faulty = false;
    return;
  }
  w->faulty = true;
  w->faulted = true;
  switch (below(w, 4)) {
  case 0:
    support_fs_fail_from(LRD_FS_WRITE, 1 + below(w, 6), ENOSPC);
    break;
  case 1:
    support_fs_fail_from(LRD_FS_SYNC, 1 + below(w, 3), EIO);
    break;
  case 2:
    support_fs_fail_at(SUPPORT_ANY_OP, 1 + below(w, 10), EIO);
    break;
  default:
    support_alloc_fail_at(1 + below(w, 40));
    break;
  }
}

static void reopen(world *w, unsigned h) {
  w->doing = "close and open";
  if (w->faulty) turn_faults(w);
  (void)larder_close(&w->cache[h]);
  w->lookups[h] = 0;
  open_handle(w, h);
  /* What lived in that process' memory alone, since a tier was away, went with it. */
}

static void step(world *w) {
  unsigned h = below(w, 2);
  unsigned s = below(w, MODEL_SPACES);
  unsigned k = below(w, MODEL_KEYS);
  unsigned dice = below(w, 100);
  if (dice < 30)
    do_put(w, h, s, k);
  else if (dice < 62)
    do_get(w, h, s, k);
  else if (dice < 66)
    do_get_many(w, h, s);
  else if (dice < 72)
    do_delete(w, h, s, k);
  else if (dice < 76)
    do_expire(w, h, s, k);
  else if (dice < 80)
    do_touch(w, h, s, k);
  else if (dice < 84)
    do_exists(w, h, s, k);
  else if (dice < 87)
    do_list(w, h, s);
  else if (dice < 89)
    do_bulk(w, h, s);
  else if (dice < 95)
    move_clock(w);
  else if (dice < 97)
    lrd_larder_tick(w->cache[h]);
  else if (dice < 98)
    (void)!larder_sweep(w->cache[h], NULL);
  else if (dice < 99)
    turn_faults(w);
  else
    reopen(w, h);
}

/* --- the whole at the end ----------------------------------------------------------------------------------------------- */

static void figures_add_up(world *w) {
  larder_stats *stats = NULL;
  uint64_t lookups = 0, hits = 0, misses = 0;
  w->doing = "statistics";
  if (w->faulty) turn_faults(w);
  HOLDS(w, larder_stats_take(w->cache[0], &stats, NULL) == LARDER_OK);
  HOLDS(w, larder_stats_value(stats, NULL, "all", "lookups", &lookups));
  HOLDS(w, larder_stats_value(stats, NULL, "all", "hits", &hits));
  HOLDS(w, larder_stats_value(stats, NULL, "all", "misses", &misses));
  HOLDS(w, hits + misses == lookups && lookups > 0);
  larder_stats_free(&stats);
}

static void everything_is_answered_after_close(world *w) {
  if (w->faulty) turn_faults(w);
  for (unsigned h = 0; h < 2; h++) HOLDS(w, larder_close(&w->cache[h]) == LARDER_OK || w->faults);
  for (unsigned h = 0; h < 2; h++) open_handle(w, h);
  for (unsigned s = 0; s < MODEL_SPACES; s++) {
    for (unsigned k = 0; k < MODEL_KEYS; k++) {
      char key[24];
      larder_value value = {0};
      w->doing = "get after close";
      larder_err result = larder_get(w->ns[k % 2][s], key, key_of(k, key), NULL, &value);
      judge(w, s, k, false, result, value.data, value.len, value.stale);
      larder_value_release(&value);
    }
  }
}

static void one_seed(const char *root, const char *chain, const char *durability, uint64_t seed, bool faults) {
  world *w = calloc(1, sizeof *w);
  char name[32];
  assert_non_null(w);
  (void)snprintf(name, sizeof name, "seed-%llu", (unsigned long long)seed);
  w->root = support_path(root, name);
  w->chain = chain;
  w->durability = durability;
  w->seed = seed;
  w->random.state = seed;
  w->faults = faults;
  lrd_clock_moved_init(&w->clock, START_MS);
  for (unsigned h = 0; h < 2; h++) open_handle(w, h);
  for (w->step = 0; w->step < STEPS; w->step++) step(w);
  figures_add_up(w);
  everything_is_answered_after_close(w);
  for (unsigned h = 0; h < 2; h++) (void)larder_close(&w->cache[h]);
  free(w->root);
  free(w);
}

static unsigned seeds = 6;

static void all_seeds(const char *root, const char *chain, const char *durability, bool faults) {
  for (uint64_t seed = 1; seed <= seeds; seed++) one_seed(root, chain, durability, seed * 7919, faults);
}

#define WARM_COLD "memory, {sqlite: {path: warm.db}}, {sqlite: {path: cold.db}}"

static void memory_over_sqlite_is_the_model(void **state) { all_seeds(*state, "memory, sqlite", "commit", false); }
static void memory_over_files_is_the_model(void **state) { all_seeds(*state, "memory, files", "commit", false); }
static void files_alone_are_the_model(void **state) { all_seeds(*state, "files", "commit", false); }
static void files_over_sqlite_are_the_model(void **state) { all_seeds(*state, "memory, files, sqlite", "commit", false); }
static void faults_over_files_cost_misses_only(void **state) { all_seeds(*state, "memory, files", "commit", true); }
static void sqlite_alone_is_the_model(void **state) { all_seeds(*state, "sqlite", "commit", false); }
static void three_tiers_are_the_model(void **state) { all_seeds(*state, WARM_COLD, "commit", false); }
static void faults_cost_misses_only(void **state) { all_seeds(*state, "memory, sqlite", "commit", true); }
static void faults_over_two_tiers_cost_misses_only(void **state) { all_seeds(*state, WARM_COLD, "commit", true); }

int main(int argc, char **argv) {
  if (getenv("LARDER_LONG")) seeds = 200;
  if (argc > 1) seeds = (unsigned)atoi(argv[1]);
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(memory_over_sqlite_is_the_model),
      SUPPORT_DIR_TEST(sqlite_alone_is_the_model),
      SUPPORT_DIR_TEST(memory_over_files_is_the_model),
      SUPPORT_DIR_TEST(files_alone_are_the_model),
      SUPPORT_DIR_TEST(files_over_sqlite_are_the_model),
      SUPPORT_DIR_TEST(faults_over_files_cost_misses_only),
      SUPPORT_DIR_TEST(three_tiers_are_the_model),
      SUPPORT_DIR_TEST(faults_cost_misses_only),
      SUPPORT_DIR_TEST(faults_over_two_tiers_cost_misses_only),
  };
  return cmocka_run_group_tests_name("property", tests, NULL, NULL);
}
