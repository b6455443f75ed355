/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent knows of keys, by their hashes: by which decision each is in memory, was wished for or had to go, and how much
 * it is expected. Bounded: the key that was met longest ago is forgotten, of those that are not in memory first.
 *
 * What is expected of a key falls by half in a half-life, counted in requests. It is kept as log2(value) + now / half-life,
 * which stays as it is while time passes.
 */
#ifndef LRD_PREDICT_KNOWN_KEYS_H
#define LRD_PREDICT_KNOWN_KEYS_H

#include "agent/worth.h"
#include "base/bytes.h"
#include "key_shadow.h"
#include <larder/error.h>

typedef struct lrd_known_key {
  uint64_t hash;
  uint64_t ticket;     /* of the decision by which it was kept; 0: none, or all has been told */
  uint64_t wish;       /* of the one by which it was made ahead, likewise */
  uint64_t gone_by;    /* of the one for whose sake it had to go, likewise */
  int64_t expires_ms;  /* wall; 0: never, or not known */
  int64_t ttl_ms;      /* what was left of it when it was heard of; 0: as above */
  double likelihood;   /* -INFINITY: nobody expects it */
  double wished_ms;    /* when */
  double spared_to_ms; /* what was made ahead does not go before that as the least likely */
  bool here;           /* in memory, as far as was heard */
  bool gone;           /* it had to go for lack of room, or was not kept on purpose */
  bool made;           /* ahead, as was wished; else it may come yet, or the wish was dropped */
  bool used;           /* what was made ahead was asked for */
  uint32_t newer, older, next, place;
} lrd_known_key;

typedef struct lrd_known_list {
  uint32_t newest, oldest;
} lrd_known_list;

typedef struct lrd_known_keys {
  lrd_known_key *of; /* from 1 */
  uint32_t *heads;
  uint32_t *here; /* a row of those that are in memory */
  uint32_t here_len;
  uint32_t mask, most, len;
  lrd_known_list lists[2]; /* by `here`, each by when it was met last */
  double half_life;        /* requests */
  uint64_t seed, draws;
  lrd_worth *worth; /* borrowed: says by their numbers who is least likely; NULL: likelihoods do */
  double now_ms;    /* the moment; only goes on */
  int64_t wall_ms;
} lrd_known_keys;

/* So many in memory, and as many that are not. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_known_keys_init(lrd_known_keys *keys, uint32_t most, uint64_t seed);
void lrd_known_keys_fini(lrd_known_keys *keys);
/* NULL: not known. */
lrd_known_key *lrd_known_find(lrd_known_keys *keys, uint64_t hash);
/* Made where it is not known; somebody else's may go for that. Pointers of before are not valid any more. */
lrd_known_key *lrd_known_meet(lrd_known_keys *keys, uint64_t hash);
/* Likewise, but one of them stays. */
lrd_known_key *lrd_known_meet_beside(lrd_known_keys *keys, uint64_t hash, const lrd_known_key *stays);
void lrd_known_set_here(lrd_known_keys *keys, lrd_known_key *key, bool here);

void lrd_known_expect(lrd_known_keys *keys, lrd_known_key *key, uint64_t now, double more);
double lrd_known_expected(const lrd_known_keys *keys, const lrd_known_key *key, uint64_t now);
/* What was expected until now falls by this from now on. */
void lrd_known_half_life(lrd_known_keys *keys, uint64_t now, double half_life);

/* Of those in memory the one that was met longest ago; NULL: there is none. */
lrd_known_key *lrd_known_oldest(lrd_known_keys *keys);
/* Likewise the least likely of some that are drawn; one whose time to be spared has not passed only if there is no other. */
lrd_known_key *lrd_known_unlikely(lrd_known_keys *keys);
/* Of so many hashes, which a shadow has, the least likely of some that are drawn. */
uint64_t lrd_known_unlikely_of(lrd_known_keys *keys, const lrd_key_shadow *shadow, const uint64_t *hashes, size_t len);

/* With `worth`: it is asked for; and somebody is expected to ask for it. */
void lrd_known_worth_asked(lrd_known_keys *keys, const lrd_known_key *key);
void lrd_known_worth_guessed(lrd_known_keys *keys, const lrd_known_key *key, double probability);
/* One of those in memory is watched. */
void lrd_known_worth_watch(lrd_known_keys *keys);

#endif
