/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was asked for, from any thread to one: a ring without locks. Who puts never waits and tries a few times only; who takes
 * is one at a time. Each place has a turn: that of its number when it is free, one more when it is full.
 */
#ifndef LRD_PREDICT_HEARD_RING_H
#define LRD_PREDICT_HEARD_RING_H

#include "base/bytes.h"
#include <larder/predict.h>
#include <stdatomic.h>

#define LRD_HEARD_PLACES 1024u

typedef struct lrd_heard {
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
/* False: there is no room. */
bool lrd_heard_ring_put(lrd_heard_ring *ring, uint64_t session, const char *user_type, const void *key, size_t key_len);
/* False: there is nothing. */
bool lrd_heard_ring_take(lrd_heard_ring *ring, lrd_heard *out);

#endif
