/* SPDX-License-Identifier: Apache-2.0 */
#include "known_keys.h"

#include "base/fail.h"
#include "base/hash.h"
#include <math.h>

#define DRAWN 48u
#define NONE  0u

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

/* The place of somebody who is forgotten. */
static lrd_known_key *forget_one(lrd_known_keys *keys) {
  uint32_t number = keys->lists[false].oldest != NONE ? keys->lists[false].oldest : keys->lists[true].oldest;
  lrd_known_key *key = &keys->of[number];
  lrd_known_set_here(keys, key, false);
  unlink_from(keys, key);
  uint32_t *at = head_of(keys, key->hash);
  while (*at != number) at = &keys->of[*at].next;
  *at = key->next;
  return key;
}

lrd_known_key *lrd_known_meet(lrd_known_keys *keys, uint64_t hash) {
  lrd_known_key *key = lrd_known_find(keys, hash);
  if (key) {
    unlink_from(keys, key);
  } else {
    key = keys->len < keys->most ? &keys->of[++keys->len] : forget_one(keys);
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

static bool less_likely(const lrd_known_key *one, const lrd_known_key *other, double now_ms) {
  bool spared = now_ms < one->spared_to_ms, other_spared = now_ms < other->spared_to_ms;
  return spared == other_spared ? one->likelihood < other->likelihood : other_spared;
}

lrd_known_key *lrd_known_unlikely(lrd_known_keys *keys, double now_ms) {
  lrd_known_key *worst = lrd_known_oldest(keys);
  for (unsigned i = 0; worst && i < DRAWN; i++) {
    lrd_known_key *one = &keys->of[keys->here[draw(keys, keys->here_len)]];
    if (less_likely(one, worst, now_ms)) worst = one;
  }
  return worst;
}

uint64_t lrd_known_unlikely_of(lrd_known_keys *keys, const uint64_t *hashes, size_t len) {
  uint64_t worst = hashes[0];
  double least = INFINITY;
  for (unsigned i = 0; i < DRAWN; i++) {
    uint64_t hash = hashes[draw(keys, len)];
    const lrd_known_key *key = lrd_known_find(keys, hash);
    double likelihood = key ? key->likelihood : -INFINITY;
    if (likelihood >= least) continue;
    least = likelihood;
    worst = hash;
  }
  return worst;
}
