/* SPDX-License-Identifier: Apache-2.0 */
/* The table of flights from inside: of flight.c and flight_change.c. */
#ifndef LRD_CORE_FLIGHT_CHAIN_H
#define LRD_CORE_FLIGHT_CHAIN_H

#include "flight.h"

#define LRD_CHAINS         64u
#define LRD_CHAIN_FAILURES 8u
#define LRD_CHAIN_QUICK    (UINT64_C(1) << 32)

typedef struct lrd_failure {
  uint64_t hash;
  int64_t until_ns; /* by boot time */
  larder_err result;
  char reason[LRD_LEASE_REASON];
} lrd_failure;

typedef struct lrd_chain {
  /* Its flights, changed under the lock, and LRD_CHAIN_QUICK for each change that does without. */
  _Atomic uint64_t word;
  lrd_mutex mutex;
  lrd_cond landed; /* a flight has, or one has been let go, or a change has ended */
  lrd_flight *first;
  lrd_changing *changing;
  lrd_failure failures[LRD_CHAIN_FAILURES];
} lrd_chain;

struct lrd_flights {
  const lrd_clock *clock;
  lrd_leases *leases; /* NULL: none */
  lrd_chain chains[LRD_CHAINS];
  lrd_mutex waits_mutex;
  _Atomic size_t under_way;
  _Atomic size_t kept; /* flights that are not freed */
};

struct lrd_flight {
  lrd_flights *of;
  lrd_chain *chain;
  lrd_flight *next;
  larder_ns *ns;
  uint64_t hash;
  int64_t deadline_ns;
  unsigned aboard;
  bool landed;
  _Atomic bool overtaken;
  bool storing; /* held: who would change the key waits */
  bool leased;
  bool goes_without; /* no lease was to be had: the slot's token tells instead */
  lrd_lease lease;
  uint64_t token;
  lrd_flight *outer;     /* the one that its leader led before */
  lrd_flight *waits_for; /* under waits_mutex */
  uint8_t *value;
  uint8_t *packed; /* what the facts point to */
  char *reason;
  lrd_landing landing;
  size_t key_len;
  uint8_t key[];
};

static inline lrd_chain *lrd_chain_of(lrd_flights *flights, uint64_t hash) { return &flights->chains[hash % LRD_CHAINS]; }

/* Under the chain's lock. */
static inline lrd_flight *lrd_chain_find(const lrd_chain *of, const lrd_op *op) {
  lrd_flight *at = of->first;
  while (at && !(at->hash == op->hash && at->ns == op->ns && at->key_len == op->key_len &&
                 memcmp(at->key, op->key, op->key_len) == 0)) {
    at = at->next;
  }
  return at;
}

#endif
