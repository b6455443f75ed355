/* SPDX-License-Identifier: Apache-2.0 */
#include "known_keys.h"

#include "base/fail.h"
#include "base/hash.h"
#include <math.h>

#define DRAWN 48u
#define NONE  0u

#define WATCHED_FROM 64u /* in memory */

larder_err lrd_known_keys_init(lrd_known_keys *keys, uint32_t most, uint64_t seed) {
  *keys = (lrd_known_keys){.most = most * 2, .mask = 63, .half_life = 4.0 * most, .seed = seed};
  while (keys->mask < keys->most) keys->mask = keys->mask * 2 + 1;
  keys->of = lrd_alloc_zero(keys->most + (size_t)1, sizeof *keys->of);
  keys->heads = lrd_alloc_zero(keys->mask + (size_t)1, sizeof *keys->heads);
  keys->here = lrd_alloc_zero(keys->most, sizeof *keys->here);
  if (keys->of && keys->heads && keys->here) return LARDER_OK;
  lrd_known_keys_fini(keys);
  return LARDER_ENOMEM;
}

void lrd_known_keys_fini(lrd_known_keys *keys) {
  lrd_dealloc(keys->of);
  lrd_dealloc(keys->heads);
  lrd_dealloc(keys->here);
  keys->of = NULL;
  keys->heads = keys->here = NULL;
}

/* --- finding -------------------------------------------------------------------------------------------------------------- */

static uint32_t number_of(const lrd_known_keys *keys, const lrd_known_key *key) { return (uint32_t)(key - keys->of); }
static uint32_t *head_of(const lrd_known_keys *keys, uint64_t hash) { return &keys->heads[(uint32_t)(hash >> 8) & keys->mask]; }

lrd_known_key *lrd_known_find(lrd_known_keys *keys, uint64_t hash) {
  uint32_t number = *head_of(keys, hash);
  while (number != NONE && keys->of[number].hash != hash) number = keys->of[number].next;
  return number == NONE ? NULL : &keys->of[number];
}

static void unlink_from(lrd_known_keys *keys, lrd_known_key *key) {
  lrd_known_list *list = &keys->lists[key->here];
  *(key->newer != NONE ? &keys->of[key->newer].older : &list->newest) = key->older;
  *(key->older != NONE ? &keys->of[key->older].newer : &list->oldest) = key->newer;
}

static void push(lrd_known_keys *keys, lrd_known_key *key) {
  lrd_known_list *list = &keys->lists[key->here];
  uint32_t number = number_of(keys, key);
  key->older = list->newest;
  key->newer = NONE;
  *(key->older != NONE ? &keys->of[key->older].newer : &list->oldest) = number;
  list->newest = number;
}

void lrd_known_set_here(lrd_known_keys *keys, lrd_known_key *key, bool here) {
  if (key->here == here) return;
  unlink_from(keys, key);
  key->here = here;
  push(keys, key);
  if (here) {
    key->place = keys->here_len;
    keys->here[keys->here_len++] = number_of(keys, key);
  } else {
    keys->here[key->place] = keys->here[--keys->here_len];
    keys->of[keys->here[key->place]].place = key->place;
  }
}

static uint32_t oldest_but(const lrd_known_keys *keys, bool here, uint32_t stays) {
  uint32_t number = keys->lists[here].oldest;
  return number != NONE && number == stays ? keys->of[number].newer : number;
}

/* The place of somebody who is forgotten. */
static lrd_known_key *forget_one(lrd_known_keys *keys, uint32_t stays) {
  uint32_t number = oldest_but(keys, false, stays);
  if (number == NONE) number = oldest_but(keys, true, stays);
  lrd_known_key *key = &keys->of[number];
  lrd_known_set_here(keys, key, false);
  unlink_from(keys, key);
  uint32_t *at = head_of(keys, key->hash);
  while (*at != number) at = &keys->of[*at].next;
  *at = key->next;
  if (keys->worth) lrd_worth_forget(keys->worth, number);
  return key;
}

lrd_known_key *lrd_known_meet(lrd_known_keys *keys, uint64_t hash) { return lrd_known_meet_beside(keys, hash, NULL); }

lrd_known_key *lrd_known_meet_beside(lrd_known_keys *keys, uint64_t hash, const lrd_known_key *stays) {
  lrd_known_key *key = lrd_known_find(keys, hash);
  if (key) {
    unlink_from(keys, key);
  } else {
    key = keys->len < keys->most ? &keys->of[++keys->len] : forget_one(keys, stays ? number_of(keys, stays) : NONE);
    uint32_t *head = head_of(keys, hash);
    *key = (lrd_known_key){.hash = hash, .likelihood = -INFINITY, .next = *head};
    *head = number_of(keys, key);
  }
  push(keys, key);
  return key;
}

/* --- likelihood ----------------------------------------------------------------------------------------------------------- */

void lrd_known_expect(lrd_known_keys *keys, lrd_known_key *key, uint64_t now, double more) {
  double lives = (double)now / keys->half_life;
  key->likelihood = log2(exp2(key->likelihood - lives) + more) + lives;
}

double lrd_known_expected(const lrd_known_keys *keys, const lrd_known_key *key, uint64_t now) {
  return exp2(key->likelihood - (double)now / keys->half_life);
}

void lrd_known_half_life(lrd_known_keys *keys, uint64_t now, double half_life) {
  double shift = (double)now / half_life - (double)now / keys->half_life;
  for (uint32_t i = 1; i <= keys->len; i++) keys->of[i].likelihood += shift;
  keys->half_life = half_life;
}

/* --- who goes ------------------------------------------------------------------------------------------------------------- */

lrd_known_key *lrd_known_oldest(lrd_known_keys *keys) {
  uint32_t number = keys->lists[true].oldest;
  return number == NONE ? NULL : &keys->of[number];
}

static size_t draw(lrd_known_keys *keys, size_t below) {
  uint64_t number = keys->draws++;
  return (size_t)(lrd_hash64(&number, sizeof number, keys->seed) % below);
}

static lrd_known_key *drawn_here(lrd_known_keys *keys) { return &keys->of[keys->here[draw(keys, keys->here_len)]]; }

static bool is_ahead(const lrd_known_key *key) { return key->wish != 0 && !key->used; }

static lrd_worth_entry entry_of(const lrd_known_keys *keys, int64_t expires_ms, bool ahead) {
  double left_ms = expires_ms == 0 ? INFINITY : (double)(expires_ms - keys->wall_ms);
  return (lrd_worth_entry){.expires_ms = keys->now_ms + left_ms, .ahead = ahead};
}

/* Of one in memory, or in a shadow. */
static double worth_of(const lrd_known_keys *keys, const lrd_known_key *key, const lrd_key_shadow *shadow) {
  if (keys->worth == NULL) return key->likelihood;
  int64_t expires_ms = shadow ? lrd_key_shadow_expires_ms(shadow, key->hash) : key->expires_ms;
  bool ahead = shadow == NULL && is_ahead(key);
  const lrd_worth_entry entry = entry_of(keys, expires_ms, ahead);
  return lrd_worth_of(keys->worth, number_of(keys, key), &entry, keys->now_ms);
}

lrd_known_key *lrd_known_unlikely(lrd_known_keys *keys) {
  lrd_known_key *worst = lrd_known_oldest(keys);
  if (worst == NULL) return NULL;
  double least = worth_of(keys, worst, NULL);
  for (unsigned i = 0; i < DRAWN; i++) {
    lrd_known_key *one = drawn_here(keys);
    bool spared = keys->now_ms < one->spared_to_ms, worst_spared = keys->now_ms < worst->spared_to_ms;
    if (spared && !worst_spared) continue;
    double worth = worth_of(keys, one, NULL);
    if (spared == worst_spared && worth >= least) continue;
    worst = one;
    least = worth;
  }
  return worst;
}

uint64_t lrd_known_unlikely_of(lrd_known_keys *keys, const lrd_key_shadow *shadow, const uint64_t *hashes, size_t len) {
  uint64_t worst = hashes[0];
  double least = INFINITY;
  for (unsigned i = 0; i < DRAWN; i++) {
    uint64_t hash = hashes[draw(keys, len)];
    const lrd_known_key *key = lrd_known_find(keys, hash);
    double worth = key ? worth_of(keys, key, shadow) : -INFINITY;
    if (worth >= least) continue;
    least = worth;
    worst = hash;
  }
  return worst;
}

/* --- what they are worth -------------------------------------------------------------------------------------------------- */

void lrd_known_worth_asked(lrd_known_keys *keys, const lrd_known_key *key) {
  lrd_worth_asked(keys->worth, number_of(keys, key), 0, keys->now_ms);
}

void lrd_known_worth_guessed(lrd_known_keys *keys, const lrd_known_key *key, double probability) {
  lrd_worth_guessed(keys->worth, number_of(keys, key), 0, probability);
}

void lrd_known_worth_watch(lrd_known_keys *keys) {
  if (keys->here_len < WATCHED_FROM) return;
  const lrd_known_key *key = drawn_here(keys);
  const lrd_worth_entry entry = entry_of(keys, key->expires_ms, is_ahead(key));
  lrd_worth_watch(keys->worth, number_of(keys, key), &entry, keys->now_ms);
}
