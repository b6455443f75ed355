/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of chains by hash, each with a lock of its own; under it are its flights' states and counts, and a few failures that
 * are remembered, the one that counts longest pushing out the one that counts shortest.
 *
 * A thread that makes something may want something else for it, so that flights wait for flights. Each says for which, under
 * one lock for all: a chain of these that leads back to a flight of the waiting thread is a circle.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "flight_chain.h"

static _Thread_local lrd_flight *led; /* the innermost */

larder_err lrd_flights_new(const lrd_clock *clock, lrd_leases *leases, lrd_flights **out) {
  lrd_flights *flights = lrd_alloc_zero(1, sizeof *flights);
  if (!flights) {
    return LARDER_ENOMEM;
  }
  flights->clock = clock;
  flights->leases = leases;
  lrd_mutex_init(&flights->waits_mutex);
  for (size_t i = 0; i < LRD_CHAINS; i++) {
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
  for (size_t i = 0; i < LRD_CHAINS; i++) {
    lrd_cond_fini(&flights->chains[i].landed);
    lrd_mutex_fini(&flights->chains[i].mutex);
  }
  lrd_mutex_fini(&flights->waits_mutex);
  lrd_dealloc(flights);
}

bool lrd_flights_any(const lrd_flights *flights) { return atomic_load(&flights->kept) > 0; }

void lrd_flights_abandon(lrd_flights *flights) {
  lrd_dealloc(flights); /* its locks may be held by threads that the child does not have */
}

/* --- boarding ------------------------------------------------------------------------------------------------------------ */

static lrd_flight *flight_new(lrd_flights *flights, lrd_chain *of, const lrd_op *op, int64_t deadline_ns) {
  lrd_flight *flight = lrd_alloc(sizeof *flight + op->key_len);
  if (flight) {
    *flight = (lrd_flight){.of = flights,
                           .chain = of,
                           .next = of->first,
                           .ns = op->ns,
                           .hash = op->hash,
                           .deadline_ns = deadline_ns,
                           .key_len = op->key_len};
    memcpy(flight->key, op->key, op->key_len);
    of->first = flight;
    atomic_fetch_add(&of->word, 1);
    atomic_fetch_add(&flights->under_way, 1);
    atomic_fetch_add(&flights->kept, 1);
  }
  return flight;
}

bool lrd_flight_overtaken(const lrd_flight *flight, uint64_t version) {
  if (atomic_load(&flight->overtaken)) {
    return true;
  }
  if (flight->leased && lrd_lease_overtaken(flight->of->leases, &flight->lease)) {
    return true;
  }
  /* Where not everybody tells this table the slot does, though neighbours move that, too. */
  bool const told_by_all = flight->leased && lrd_slots_leases_shared(flight->ns->cache->slots);
  return (flight->leased || flight->goes_without) && !told_by_all && version != flight->token;
}

/* Whether what it brings may be handed to who comes now. Under the chain's lock. */
static bool of_use(const lrd_flight *flight) {
  const _Atomic uint64_t *word = lrd_ns_word(flight->ns, flight->hash);
  return !lrd_flight_overtaken(flight, word ? atomic_load_explicit(word, memory_order_acquire) : 0);
}

/* What is being stored will have landed in a moment, and must not leave the table before: changes wait for it there. */
static bool overdue(const lrd_flight *flight) {
  return !flight->storing && flight->deadline_ns != LRD_NO_DEADLINE && lrd_boot_ns(flight->of->clock) >= flight->deadline_ns;
}

/* Of several that count equally long any may go. Under the chain's lock. */
static void failure_note(lrd_flight *flight, const lrd_landing *landing, int64_t until_ns) {
  lrd_failure *best = NULL;
  for (size_t i = 0; i < LRD_CHAIN_FAILURES; i++) {
    lrd_failure *at = &flight->chain->failures[i];
    if (at->until_ns != 0 && at->hash == flight->hash) {
      best = at;
      break;
    }
    if (!best || at->until_ns < best->until_ns) {
      best = at;
    }
  }
  *best = (lrd_failure){.hash = flight->hash, .until_ns = until_ns, .result = landing->result};
  memcpy(best->reason, landing->reason, strnlen(landing->reason, sizeof best->reason - 1));
}

/* It could be made after all. Under the chain's lock. */
static void failure_forget(const lrd_flight *flight) {
  for (size_t i = 0; i < LRD_CHAIN_FAILURES; i++) {
    lrd_failure *at = &flight->chain->failures[i];
    if (at->hash == flight->hash) {
      at->until_ns = 0;
    }
  }
}

/* The lease of a flight that has landed; it ends once its chain is unlocked. */
typedef struct ending {
  bool leased;
  lrd_lease lease;
  const lrd_landing *landing;
  int64_t failed_until_ns;
} ending;

/* Under the chain's lock; `landing` is written. */
static ending land(lrd_flight *flight, int64_t failed_until_ns) {
  ending end = {.leased = flight->leased, .failed_until_ns = failed_until_ns, .landing = &flight->landing};
  if (end.leased) {
    end.lease = flight->lease;
  } else if (failed_until_ns != 0) {
    failure_note(flight, &flight->landing, failed_until_ns);
  }
  if (flight->landing.result >= 0 && !flight->landing.look) {
    failure_forget(flight);
  }
  lrd_flight **at = &flight->chain->first;
  while (*at != flight) {
    at = &(*at)->next;
  }
  *at = flight->next;
  flight->landed = true;
  atomic_fetch_sub(&flight->chain->word, 1);
  atomic_fetch_sub(&flight->of->under_way, 1);
  pthread_cond_broadcast(&flight->chain->landed);
  return end;
}

static void end_lease(lrd_flights *flights, const ending *end) {
  if (end->leased) {
    lrd_lease_end(flights->leases, &end->lease, end->landing->result, end->landing->reason, end->failed_until_ns);
  }
}

static const lrd_landing cut_landing = {
    .result = LARDER_EAWAY, .cut = true, .reason = "it was not made within the hard time-out"};

/* Under the chain's lock. */
static ending cut(lrd_flight *flight) {
  int64_t const told_ms = flight->ns->policy.error_ttl_ms;
  flight->landing = cut_landing;
  lrd_stats_add(flight->ns->cell, LRD_STAT_MAKE_CUT, 1);
  lrd_events_note(flight->ns->cache->events, flight->hash, LRD_EVENT_CUT, NULL, NULL);
  ending end = land(flight, told_ms == 0 ? 0 : lrd_boot_ns(flight->of->clock) + told_ms * 1000000);
  end.landing = &cut_landing; /* the flight may be gone by then */
  return end;
}

larder_err lrd_flight_board(lrd_flights *flights, const lrd_op *op, int64_t deadline_ns, lrd_flight **out,
                            lrd_boarding *how_out) {
  lrd_chain *of = lrd_chain_of(flights, op->hash);
  ending end = {0};
  lrd_lock(&of->mutex);
  lrd_flight *flight = lrd_chain_find(of, op);
  if (flight && overdue(flight)) {
    end = cut(flight);
    flight = NULL;
  }
  *how_out = !flight ? LRD_FLIGHT_LEADS : of_use(flight) ? LRD_FLIGHT_JOINS : LRD_FLIGHT_OVERTAKEN;
  if (flight && deadline_ns > flight->deadline_ns) {
    flight->deadline_ns = deadline_ns;
  }
  if (!flight) {
    flight = flight_new(flights, of, op, deadline_ns);
  }
  if (flight) {
    flight->aboard++;
    *out = flight;
  }
  lrd_unlock(&of->mutex);
  end_lease(flights, &end);
  return flight ? LARDER_OK : LARDER_ENOMEM;
}

lrd_flight *lrd_flight_find(lrd_flights *flights, const lrd_op *op) {
  if (atomic_load(&flights->under_way) == 0) {
    return NULL;
  }
  lrd_chain *of = lrd_chain_of(flights, op->hash);
  lrd_lock(&of->mutex);
  lrd_flight *flight = lrd_chain_find(of, op);
  if (flight) {
    flight->aboard++;
  }
  lrd_unlock(&of->mutex);
  return flight;
}

void lrd_flight_again(lrd_flight *flight) {
  lrd_lock(&flight->chain->mutex);
  flight->aboard++;
  lrd_unlock(&flight->chain->mutex);
}

void lrd_flight_leave(lrd_flight *flight) {
  lrd_chain *of = flight->chain;
  lrd_lock(&of->mutex);
  bool const last = --flight->aboard == 0;
  LRD_ASSERT(!last || flight->landed); /* the leader lands before it leaves */
  lrd_unlock(&of->mutex);
  if (last) {
    atomic_fetch_sub(&flight->of->kept, 1);
    lrd_dealloc(flight->value);
    lrd_dealloc(flight->packed);
    lrd_dealloc(flight->reason);
    lrd_dealloc(flight);
  }
}

/* --- waiting ------------------------------------------------------------------------------------------------------------- */

lrd_flight *lrd_flight_led(void) { return led; }

void lrd_flight_lead(lrd_flight *flight) {
  flight->outer = led;
  if (led && led->of == flight->of) {
    lrd_lock(&flight->of->waits_mutex);
    led->waits_for = flight;
    lrd_unlock(&flight->of->waits_mutex);
  }
  led = flight;
}

void lrd_flight_lead_end(lrd_flight *flight) {
  LRD_ASSERT(led == flight);
  led = flight->outer;
  if (led && led->of == flight->of) {
    lrd_lock(&flight->of->waits_mutex);
    led->waits_for = NULL;
    lrd_unlock(&flight->of->waits_mutex);
  }
}

static bool is_mine(const lrd_flight *flight) {
  const lrd_flight *mine = led;
  while (mine && mine != flight) {
    mine = mine->outer;
  }
  return mine != NULL;
}

/* Says that the innermost flight of this thread waits for this one. False: that would be for ever. */
static bool wait_begin(lrd_flight *flight) {
  lrd_mutex *mutex = &flight->of->waits_mutex;
  if (!led || led->of != flight->of) { /* circles through several caches are not noticed */
    return true;
  }
  lrd_lock(mutex);
  const lrd_flight *at = flight;
  while (at && !is_mine(at)) {
    at = at->waits_for;
  }
  if (!at) {
    led->waits_for = flight;
  }
  lrd_unlock(mutex);
  return !at;
}

static void wait_end(const lrd_flight *flight) {
  if (led && led->of == flight->of) {
    lrd_lock(&flight->of->waits_mutex);
    led->waits_for = NULL;
    lrd_unlock(&flight->of->waits_mutex);
  }
}

/* What is left of a span that began then; INT64_MAX is for ever. */
static int64_t left_of(int64_t ns, int64_t began_ns, int64_t now_ns) {
  return ns == INT64_MAX ? INT64_MAX : ns - (now_ns - began_ns);
}

lrd_flight_end lrd_flight_wait(lrd_flight *flight, int64_t ns) {
  lrd_chain *of = flight->chain;
  const lrd_clock *clock = flight->of->clock;
  int64_t const began_ns = lrd_mono_ns(clock);
  ending end = {0};
  if (!wait_begin(flight)) {
    return LRD_FLIGHT_CIRCLE;
  }
  lrd_lock(&of->mutex);
  for (int64_t left = ns; !flight->landed && left > 0; left = left_of(ns, began_ns, lrd_mono_ns(clock))) {
    bool const never = flight->deadline_ns == LRD_NO_DEADLINE || flight->storing;
    int64_t const deadline = never ? INT64_MAX : flight->deadline_ns - lrd_boot_ns(clock);
    if (deadline <= 0) {
      end = cut(flight);
      break;
    }
    left = left < deadline ? left : deadline;
    if (left == INT64_MAX) {
      (void)pthread_cond_wait(&of->landed, &of->mutex);
    } else {
      (void)lrd_cond_wait_ns(&of->landed, &of->mutex, left);
    }
  }
  bool const landed = flight->landed;
  lrd_unlock(&of->mutex);
  end_lease(flight->of, &end);
  wait_end(flight);
  return landed ? LRD_FLIGHT_LANDED : LRD_FLIGHT_WAITED;
}

const lrd_landing *lrd_flight_landing(const lrd_flight *flight) { return &flight->landing; }

/* --- the leader's -------------------------------------------------------------------------------------------------------- */

bool lrd_flight_take_lease(lrd_flight *flight, const lrd_lease *lease, uint64_t token) {
  lrd_lock(&flight->chain->mutex);
  bool const goes_on = !flight->landed;
  flight->token = token;
  if (goes_on && lease) {
    flight->lease = *lease;
    flight->leased = true;
  } else if (goes_on) {
    flight->goes_without = true;
  }
  lrd_unlock(&flight->chain->mutex);
  return goes_on;
}

int64_t lrd_flight_deadline(lrd_flight *flight) {
  lrd_lock(&flight->chain->mutex);
  int64_t const deadline_ns = flight->deadline_ns;
  lrd_unlock(&flight->chain->mutex);
  return deadline_ns;
}

bool lrd_flight_has_landed(lrd_flight *flight) {
  lrd_lock(&flight->chain->mutex);
  bool const landed = flight->landed;
  lrd_unlock(&flight->chain->mutex);
  return landed;
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

bool lrd_flight_land(lrd_flight *flight, const lrd_landing *landing, uint8_t *value, int64_t failed_until_ns) {
  char *reason = landing->reason ? lrd_strndup(landing->reason, strnlen(landing->reason, LRD_FLIGHT_REASON)) : NULL;
  lrd_lock(&flight->chain->mutex);
  if (flight->landed) {
    lrd_unlock(&flight->chain->mutex);
    lrd_dealloc(value);
    lrd_dealloc(reason);
    return false;
  }
  flight->landing = *landing;
  flight->landing.value = flight->value = value;
  flight->reason = reason;
  flight->landing.reason = reason ? reason : "";
  if (value) {
    flight->landing.facts = facts_own(flight, &landing->facts);
  }
  ending const end = land(flight, failed_until_ns);
  lrd_unlock(&flight->chain->mutex);
  end_lease(flight->of, &end);
  return true;
}

/* --- others -------------------------------------------------------------------------------------------------------------- */

/* One of the chain that is past its deadline; false when there is none. */
static bool chain_cut_one(lrd_flights *flights, lrd_chain *of) {
  ending end = {0};
  lrd_lock(&of->mutex);
  lrd_flight *at = of->first;
  while (at && !overdue(at)) {
    at = at->next;
  }
  if (at) {
    end = cut(at);
  }
  bool const done = at != NULL;
  lrd_unlock(&of->mutex);
  end_lease(flights, &end);
  return done;
}

unsigned lrd_flights_cut(lrd_flights *flights) {
  unsigned done = 0;
  if (atomic_load_explicit(&flights->under_way, memory_order_acquire) == 0) {
    return 0;
  }
  for (size_t i = 0; i < LRD_CHAINS; i++) {
    while (chain_cut_one(flights, &flights->chains[i])) {
      done++;
    }
  }
  return done;
}

larder_err lrd_flights_failure(lrd_flights *flights, const lrd_op *op, char *reason, int64_t *until_ns_out) {
  lrd_chain *of = lrd_chain_of(flights, op->hash);
  larder_err result = LARDER_OK;
  lrd_lock(&of->mutex);
  for (size_t i = 0; i < LRD_CHAIN_FAILURES && result == LARDER_OK; i++) {
    const lrd_failure *at = &of->failures[i];
    if (at->hash == op->hash && at->until_ns != 0 && at->until_ns > lrd_boot_ns(flights->clock)) {
      result = at->result;
      *until_ns_out = at->until_ns;
      memcpy(reason, at->reason, sizeof at->reason);
    }
  }
  lrd_unlock(&of->mutex);
  return result;
}
