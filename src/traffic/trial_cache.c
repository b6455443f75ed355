/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies' own code runs over records of the keys' numbers (tier/memory/policy_row.h). Beside them stands a list of all by
 * their last use, and a row of those that are here to draw from.
 *
 * What is expected of a key decays by half in each half-life. It is kept as log2(value) + now / half-life, which does not
 * change while time passes, so that two keys can be compared without a look at the clock.
 */
#include "trial_cache.h"

#include "base/fail.h"
#include "base/hash.h"
#include "tier/memory/policy_row.h"

#define DRAWN 48u

struct lrd_trial_cache {
  lrd_policy_row row;
  uint64_t seed;
  uint64_t capacity;
  uint64_t count;
  uint64_t evictions;
  uint32_t keys;
  lrd_item *items;
  const lrd_worth *worth; /* says who is least likely; NULL: likelihoods do */
  uint32_t *here;         /* keys */
  uint32_t oldest;
  uint32_t newest;
  lrd_draw draw;
  void (*gone)(void *context, uint32_t key, lrd_item *item, lrd_gone why);
  void *context;
};

static uint64_t record_hash(void *context, const lrd_record *record) {
  return lrd_hash64(lrd_record_key(record), sizeof(uint32_t), ((const lrd_trial_cache *)context)->seed);
}

larder_err lrd_trial_cache_open(const char *policy, uint64_t entries, uint32_t keys, uint64_t seed,
                                void (*gone)(void *context, uint32_t key, lrd_item *item, lrd_gone why), void *context,
                                lrd_trial_cache **out) {
  lrd_trial_cache *c = lrd_alloc_zero(1, sizeof *c);
  if (c == NULL) return LARDER_ENOMEM;
  if (entries > keys) entries = keys;
  *c = (lrd_trial_cache){.seed = seed,
                         .capacity = entries,
                         .keys = keys,
                         .oldest = LRD_TRAFFIC_NONE,
                         .newest = LRD_TRAFFIC_NONE,
                         .gone = gone,
                         .context = context};
  LRD_ASSERT(entries > 0);
  c->draw = lrd_draw_of(seed, 3);
  c->items = lrd_alloc_zero(keys, sizeof *c->items);
  c->here = lrd_alloc_zero(entries, sizeof *c->here);
  const lrd_policy_row_options how = {
      .policy = policy, .records = entries, .key_len = sizeof(uint32_t), .room = entries, .hash_of = record_hash, .context = c};
  larder_err err = c->items && c->here ? lrd_policy_row_init(&c->row, &how) : LARDER_ENOMEM;
  for (uint32_t i = 0; err == LARDER_OK && i < keys; i++) c->items[i].likelihood = -INFINITY;
  if (err == LARDER_OK)
    *out = c;
  else
    lrd_trial_cache_close(c);
  return err;
}

void lrd_trial_cache_close(lrd_trial_cache *c) {
  if (c == NULL) return;
  lrd_policy_row_fini(&c->row);
  lrd_dealloc(c->items);
  lrd_dealloc(c->here);
  lrd_dealloc(c);
}

lrd_item *lrd_trial_cache_item(lrd_trial_cache *c, uint32_t key) { return &c->items[key]; }
uint64_t lrd_trial_cache_count(const lrd_trial_cache *c) { return c->count; }
uint64_t lrd_trial_cache_evictions(const lrd_trial_cache *c) { return c->evictions; }
bool lrd_trial_cache_full(const lrd_trial_cache *c) { return c->count == c->capacity; }

/* --- by last use ---------------------------------------------------------------------------------------------------------- */

static void use_unlink(lrd_trial_cache *c, uint32_t key) {
  const lrd_item *item = &c->items[key];
  if (item->older != LRD_TRAFFIC_NONE)
    c->items[item->older].newer = item->newer;
  else
    c->oldest = item->newer;
  if (item->newer != LRD_TRAFFIC_NONE)
    c->items[item->newer].older = item->older;
  else
    c->newest = item->older;
}

static void use_push(lrd_trial_cache *c, uint32_t key) {
  c->items[key].older = c->newest;
  c->items[key].newer = LRD_TRAFFIC_NONE;
  if (c->newest != LRD_TRAFFIC_NONE)
    c->items[c->newest].newer = key;
  else
    c->oldest = key;
  c->newest = key;
}

/* --- coming and going ----------------------------------------------------------------------------------------------------- */

static void drop(lrd_trial_cache *c, uint32_t key, lrd_gone why) {
  lrd_item *item = &c->items[key];
  if (c->gone) c->gone(c->context, key, item, why);
  lrd_policy_row_drop(&c->row, item->handle, why == LRD_GONE_ROOM);
  item->handle = 0;
  item->prefetched = false;
  use_unlink(c, key);
  c->here[item->place] = c->here[--c->count];
  c->items[c->here[item->place]].place = item->place;
  c->evictions += why == LRD_GONE_ROOM;
}

lrd_item *lrd_trial_cache_find(lrd_trial_cache *c, uint32_t key, double now_ms) {
  lrd_item *item = &c->items[key];
  if (item->handle == 0) return NULL;
  if (now_ms < item->expires_ms) return item;
  drop(c, key, LRD_GONE_OLD);
  return NULL;
}

void lrd_trial_cache_touch(lrd_trial_cache *c, uint32_t key) {
  lrd_policy_row_touch(&c->row, c->items[key].handle);
  use_unlink(c, key);
  use_push(c, key);
}

larder_err lrd_trial_cache_put(lrd_trial_cache *c, uint32_t key) {
  lrd_item *item = &c->items[key];
  LRD_ASSERT(item->handle == 0);
  while (c->count >= c->capacity) {
    const lrd_record *victim = lrd_arena_at(&c->row.arena, lrd_policy_row_victim(&c->row));
    drop(c, lrd_get_u32(lrd_record_key(victim)), LRD_GONE_ROOM);
  }
  item->handle = lrd_policy_row_put(&c->row, key, 1);
  if (item->handle == 0) return LARDER_ENOMEM;
  item->place = (uint32_t)c->count;
  c->here[c->count++] = key;
  item->gone_by = 0;
  use_push(c, key);
  return LARDER_OK;
}

void lrd_trial_cache_evict_lru(lrd_trial_cache *c, unsigned count) {
  for (; count > 0 && c->count > 0; count--) drop(c, c->oldest, LRD_GONE_ROOM);
}

void lrd_trial_cache_learn(lrd_trial_cache *c, const lrd_worth *worth) { c->worth = worth; }

uint32_t lrd_trial_cache_draw(lrd_trial_cache *c) {
  LRD_ASSERT(c->count > 0);
  return c->here[lrd_draw_below(&c->draw, c->count)];
}

lrd_worth_entry lrd_item_entry(const lrd_item *item, double now_ms) {
  double under_way_ms = now_ms < item->ready_ms ? item->ready_ms - item->from_ms : 0;
  return (lrd_worth_entry){.expires_ms = item->expires_ms - under_way_ms, .ahead = item->prefetched};
}

static double likelihood_of(const lrd_trial_cache *c, uint32_t key, double now_ms) {
  const lrd_item *item = &c->items[key];
  if (item->prefetched && now_ms < item->ready_ms + LRD_SPARED_MS) return INFINITY;
  if (c->worth == NULL) return item->likelihood;
  lrd_worth_entry entry = lrd_item_entry(item, now_ms);
  return lrd_worth_of(c->worth, key, &entry, now_ms);
}

void lrd_trial_cache_evict_unlikely(lrd_trial_cache *c, unsigned count, double now_ms) {
  for (; count > 0 && c->count > 0; count--) {
    uint32_t worst = c->oldest;
    double least = likelihood_of(c, worst, now_ms);
    for (unsigned i = 0; i < DRAWN; i++) {
      uint32_t key = lrd_trial_cache_draw(c);
      double likelihood = likelihood_of(c, key, now_ms);
      if (!(likelihood < least)) continue;
      worst = key;
      least = likelihood;
    }
    drop(c, worst, LRD_GONE_ROOM);
  }
}

/* --- likelihood ----------------------------------------------------------------------------------------------------------- */

void lrd_item_expect(lrd_item *item, double now_ms, double half_life_ms, double more) {
  double lives = now_ms / half_life_ms;
  item->likelihood = log2(exp2(item->likelihood - lives) + more) + lives;
}

double lrd_item_expected(const lrd_item *item, double now_ms, double half_life_ms) {
  return exp2(item->likelihood - now_ms / half_life_ms);
}
