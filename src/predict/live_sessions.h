/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each session stands. A session is known by the 64-bit hash of its id, in one set of 8 only; where that is full, the one
 * goes that has been quiet for longest.
 */
#ifndef LRD_PREDICT_LIVE_SESSIONS_H
#define LRD_PREDICT_LIVE_SESSIONS_H

#include "transitions.h"

/* Where a session stands, and where the states that lead on from there stood in the table when it came there: looking for them
 * begins there. */
typedef struct lrd_standing {
  uint32_t before, last; /* LRD_NO_ENDPOINT: none */
  unsigned context;
  uint32_t places[LRD_WAYS_ON];
} lrd_standing;

typedef struct lrd_live_session {
  uint64_t used; /* number of the event that was its last */
  int64_t wall_ms;
  lrd_standing standing;
  uint32_t asked; /* so often */
} lrd_live_session;

typedef struct lrd_live_sessions {
  uint64_t *hashes; /* a set's are one cache line; 0: free */
  lrd_live_session *of;
  void *block;
  uint32_t sets_bits;
  uint64_t len;
  uint64_t replaced;
} lrd_live_sessions;

LARDER_MUST_CHECK larder_err lrd_live_sessions_init(lrd_live_sessions *sessions, uint32_t max);
void lrd_live_sessions_fini(lrd_live_sessions *sessions);
void lrd_live_sessions_clear(lrd_live_sessions *sessions);
uint64_t lrd_live_sessions_bytes(const lrd_live_sessions *sessions);

static inline uint64_t lrd_live_sessions_room(const lrd_live_sessions *sessions) {
  return (uint64_t)LRD_SET_WAYS << sessions->sets_bits;
}

/* Never 0. */
uint64_t lrd_live_session_hash(const void *id, size_t len);
/* It will be looked for. */
void lrd_live_session_await(const lrd_live_sessions *sessions, uint64_t hash);
/* NULL: not known. */
lrd_live_session *lrd_live_session_find(const lrd_live_sessions *sessions, uint64_t hash);
/* A new one stands nowhere yet. */
lrd_live_session *lrd_live_session_place(lrd_live_sessions *sessions, uint64_t hash);
bool lrd_live_session_end(lrd_live_sessions *sessions, uint64_t hash);
/* Where endpoints went, sessions begin anew. */
void lrd_live_sessions_purge(lrd_live_sessions *sessions, bool (*gone)(const void *context, uint32_t endpoint),
                             const void *context);

#endif
