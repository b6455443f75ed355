/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache of so many entries for trials: who goes for lack of room is said by a policy of the memory tier's own code
 * (tier/memory/policy.h), or by the caller: what was not asked for longest, or what is least likely to be asked for.
 */
#ifndef LRD_TRAFFIC_TRIAL_CACHE_H
#define LRD_TRAFFIC_TRIAL_CACHE_H

#include "agent/worth.h"
#include "random_draw.h"
#include "traffic_spec.h"

/* What is known of a key, here or not. */
typedef struct lrd_item {
  double from_ms;  /* asked for then, */
  double ready_ms; /* on its way until then */
  double expires_ms;
  uint64_t ticket;   /* the decision that put it here */
  uint64_t gone_by;  /* the decision for which it had to go; 0: none */
  double likelihood; /* logarithm, at base 2, of what is expected of it, as if its half-lives had not passed */
  uint32_t handle;   /* of its record; 0: not here */
  uint32_t older;    /* keys by their last use */
  uint32_t newer;
  uint32_t place;  /* among those that are here */
  bool prefetched; /* and not asked for yet */
} lrd_item;

typedef enum lrd_gone { LRD_GONE_ROOM, LRD_GONE_OLD } lrd_gone;

typedef struct lrd_trial_cache lrd_trial_cache;

/* `gone` hears of all that go, before they do; may be NULL. Own. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_trial_cache_open(const char *policy, uint64_t entries, uint32_t keys, uint64_t seed,
                                                  void (*gone)(void *context, uint32_t key, lrd_item *item, lrd_gone why),
                                                  void *context, lrd_trial_cache **out);
/* NULL is fine. */
void lrd_trial_cache_close(lrd_trial_cache *cache);
lrd_item *lrd_trial_cache_item(lrd_trial_cache *cache, uint32_t key);
/* What is here and not too old; what is too old goes. NULL: not here. */
lrd_item *lrd_trial_cache_find(lrd_trial_cache *cache, uint32_t key, double now_ms);
/* It was asked for. */
void lrd_trial_cache_touch(lrd_trial_cache *cache, uint32_t key);
/* What is not here, by making room as the policy says. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_trial_cache_put(lrd_trial_cache *cache, uint32_t key);
uint64_t lrd_trial_cache_count(const lrd_trial_cache *cache);
uint64_t lrd_trial_cache_evictions(const lrd_trial_cache *cache);
bool lrd_trial_cache_full(const lrd_trial_cache *cache);
/* So many go, if there are so many: those not used for longest; the least likely of some that are drawn for each, where what
 * was made ahead is spared for LRD_SPARED_MS: it is wanted soon or not at all. */
#define LRD_SPARED_MS 20000.0
void lrd_trial_cache_evict_lru(lrd_trial_cache *cache, unsigned count);
void lrd_trial_cache_evict_unlikely(lrd_trial_cache *cache, unsigned count, double now_ms);
/* From now on what has been learned says who is least likely, by the keys' numbers. Borrowed. */
void lrd_trial_cache_learn(lrd_trial_cache *cache, const lrd_worth *worth);
/* As far as it is known at a moment. */
lrd_worth_entry lrd_item_entry(const lrd_item *item, double now_ms);
/* Any that is here; it is not empty. */
uint32_t lrd_trial_cache_draw(lrd_trial_cache *cache);
/* Something of a key was seen at a moment: it is expected by so much more; what was seen earlier counts half after
 * half_life_ms. */
void lrd_item_expect(lrd_item *item, double now_ms, double half_life_ms, double more);
/* What is expected of it at a moment. */
double lrd_item_expected(const lrd_item *item, double now_ms, double half_life_ms);

#endif
