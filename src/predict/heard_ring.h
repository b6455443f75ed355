/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was asked for, from any thread to one: a ring without locks. Who puts never waits and tries a few times only; who takes
 * is one at a time. Each place has a turn: that of its number when it is free, one more when it is full.
 */
#ifndef LRD_PREDICT_HEARD_RING_H
#define LRD_PREDICT_HEARD_RING_H

#include "core/cache.h"
#include <larder/predict.h>
#include <stdatomic.h>

#define LRD_HEARD_PLACES 1024u

typedef struct lrd_heard {
  lrd_news_what what;
  uint64_t hash; /* of what has no key here */
  uint64_t bytes;
  int64_t took_ns;
  int64_t expires_ms;
  uint64_t stamp;
  uint64_t session;
  uint16_t key_len;
  char user_type[LARDER_USER_TYPE_MAX + 1];
  char key[LARDER_ENDPOINT_MAX];
} lrd_heard;

typedef struct lrd_heard_place {
  _Atomic uint64_t turn;
  lrd_heard heard;
} lrd_heard_place;

typedef struct lrd_heard_ring {
  lrd_heard_place *places;
  _Atomic uint64_t puts;
  uint64_t takes; /* the one taker's */
} lrd_heard_ring;

LARDER_MUST_CHECK larder_err lrd_heard_ring_init(lrd_heard_ring *ring);
void lrd_heard_ring_fini(lrd_heard_ring *ring);
/* False: there is no room. The key is at most LARDER_ENDPOINT_MAX bytes. */
bool lrd_heard_ring_put(lrd_heard_ring *ring, uint64_t session, const char *user_type, const lrd_news *news);
/* False: there is nothing. */
bool lrd_heard_ring_take(lrd_heard_ring *ring, lrd_heard *out);

#endif
