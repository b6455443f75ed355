/* SPDX-License-Identifier: Apache-2.0 */
/* A table of chains by hash, each with a lock of its own; under it are its flights' states and counts. */
#include "flight.h"

#include "base/bytes.h"
#include "base/fail.h"

#define CHAINS 64u

typedef struct chain {
  lrd_mutex mutex;
  lrd_cond landed;
  lrd_flight *first;
} chain;

struct lrd_flights {
  chain chains[CHAINS];
  _Atomic size_t under_way;
};

struct lrd_flight {
  lrd_flights *of;
  chain *chain;
  lrd_flight *next;
  const larder_ns *ns;
  uint64_t hash;
  unsigned aboard;
  bool landed;
  bool overtaken;
  bool held; /* the chain's mutex is the leader's */
  uint8_t *value;
  uint8_t *packed; /* what the facts point to */
  char *reason;
  lrd_landing landing;
  size_t key_len;
  uint8_t key[];
};

larder_err lrd_flights_new(lrd_flights **out) {
  lrd_flights *flights = lrd_alloc_zero(1, sizeof *flights);
  if (!flights) {
    return LARDER_ENOMEM;
  }
  for (size_t i = 0; i < CHAINS; i++) {
    lrd_mutex_init(&flights->chains[i].mutex);
    lrd_cond_init(&flights->chains[i].landed);
  }
  *out = flights;
  return LARDER_OK;
}

void lrd_flights_free(lrd_flights *flights) {
  if (!flights) {
    return;
  }
  LRD_ASSERT(atomic_load(&flights->under_way) == 0);
  for (size_t i = 0; i < CHAINS; i++) {
    lrd_cond_fini(&flights->chains[i].landed);
    lrd_mutex_fini(&flights->chains[i].mutex);
  }
  lrd_dealloc(flights);
}

static chain *chain_of(lrd_flights *flights, uint64_t hash) { return &flights->chains[hash % CHAINS]; }

/* Under the chain's lock. */
static lrd_flight *find(const chain *of, const lrd_op *op) {
  lrd_flight *at = of->first;
  while (at && !(at->hash == op->hash && at->ns == op->ns && at->key_len == op->key_len &&
                 memcmp(at->key, op->key, op->key_len) == 0)) {
    at = at->next;
  }
  return at;
}

static lrd_flight *flight_new(lrd_flights *flights, chain *of, const lrd_op *op) {
  lrd_flight *flight = lrd_alloc(sizeof *flight + op->key_len);
  if (flight) {
    *flight =
        (lrd_flight){.of = flights, .chain = of, .next = of->first, .ns = op->ns, .hash = op->hash, .key_len = op->key_len};
    memcpy(flight->key, op->key, op->key_len);
    of->first = flight;
    atomic_fetch_add(&flights->under_way, 1);
  }
  return flight;
}

larder_err lrd_flight_board(lrd_flights *flights, const lrd_op *op, lrd_flight **out, bool *leads_out) {
  chain *of = chain_of(flights, op->hash);
  lrd_lock(&of->mutex);
  lrd_flight *flight = find(of, op);
  *leads_out = !flight;
  if (!flight) {
    flight = flight_new(flights, of, op);
  }
  if (flight) {
    flight->aboard++;
    *out = flight;
  }
  lrd_unlock(&of->mutex);
  return flight ? LARDER_OK : LARDER_ENOMEM;
}

lrd_flight *lrd_flight_find(lrd_flights *flights, const lrd_op *op) {
  if (atomic_load(&flights->under_way) == 0) {
    return NULL;
  }
  chain *of = chain_of(flights, op->hash);
  lrd_lock(&of->mutex);
  lrd_flight *flight = find(of, op);
  if (flight) {
    flight->aboard++;
  }
  lrd_unlock(&of->mutex);
  return flight;
}

bool lrd_flight_wait(lrd_flight *flight, int64_t ns) {
  chain *of = flight->chain;
  const lrd_clock *clock = flight->ns->cache->clock;
  int64_t const begin_ns = lrd_mono_ns(clock);
  lrd_lock(&of->mutex);
  for (int64_t left = ns; !flight->landed && left > 0; left = ns == INT64_MAX ? ns : begin_ns + ns - lrd_mono_ns(clock)) {
    if (left == INT64_MAX) {
      (void)pthread_cond_wait(&of->landed, &of->mutex);
    } else {
      (void)lrd_cond_wait_ns(&of->landed, &of->mutex, left);
    }
  }
  bool const landed = flight->landed;
  lrd_unlock(&of->mutex);
  return landed;
}

const lrd_landing *lrd_flight_landing(const lrd_flight *flight) { return &flight->landing; }

void lrd_flight_leave(lrd_flight *flight) {
  chain *of = flight->chain;
  lrd_lock(&of->mutex);
  bool const last = --flight->aboard == 0;
  LRD_ASSERT(!last || flight->landed); /* the leader lands before it leaves */
  lrd_unlock(&of->mutex);
  if (last) {
    lrd_dealloc(flight->value);
    lrd_dealloc(flight->packed);
    lrd_dealloc(flight->reason);
    lrd_dealloc(flight);
  }
}

/* Facts whose version, metadata and tags are the flight's own; without them where there is no memory. */
static larder_facts facts_own(lrd_flight *flight, const larder_facts *facts) {
  larder_facts own = *facts;
  flight->packed = lrd_alloc(facts->version_len + facts->meta_len + facts->tags_len);
  if (flight->packed) {
    uint8_t *at = flight->packed;
    lrd_facts_pack(&own, &at);
  } else {
    own.version = own.tags = NULL;
    own.meta = NULL;
    own.version_len = own.meta_len = own.tags_len = 0;
  }
  return own;
}

void lrd_flight_land(lrd_flight *flight, larder_err result, uint8_t *value, const larder_facts *facts, const char *reason) {
  chain *of = flight->chain;
  flight->value = value;
  flight->reason = reason ? lrd_strndup(reason, strnlen(reason, LRD_FLIGHT_REASON)) : NULL;
  flight->landing = (lrd_landing){.result = result, .value = value, .reason = flight->reason ? flight->reason : ""};
  if (facts) {
    flight->landing.facts = facts_own(flight, facts);
    flight->landing.len = (size_t)facts->value_len;
  }
  lrd_lock(&of->mutex);
  lrd_flight **at = &of->first;
  while (*at != flight) {
    at = &(*at)->next;
  }
  *at = flight->next;
  flight->landed = true;
  atomic_fetch_sub(&flight->of->under_way, 1);
  pthread_cond_broadcast(&of->landed);
  lrd_unlock(&of->mutex);
}

void lrd_flights_overtake(lrd_flights *flights, const lrd_op *op) {
  if (atomic_load_explicit(&flights->under_way, memory_order_acquire) == 0) {
    return;
  }
  chain *of = chain_of(flights, op->hash);
  lrd_lock(&of->mutex);
  lrd_flight *flight = find(of, op);
  if (flight) {
    flight->overtaken = true;
  }
  lrd_unlock(&of->mutex);
}

bool lrd_flight_hold(lrd_flight *flight) {
  lrd_lock(&flight->chain->mutex);
  if (!flight->overtaken) {
    flight->held = true;
    return true;
  }
  lrd_unlock(&flight->chain->mutex);
  return false;
}

void lrd_flight_let_go(lrd_flight *flight) {
  LRD_ASSERT(flight->held);
  flight->held = false;
  lrd_unlock(&flight->chain->mutex);
}
