/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flight is one making of one key in this process. Who comes first leads it; everybody else who wants the key joins it and is
 * handed what it brings, also where that is kept nowhere. It is in the table from its beginning until it lands; what it brought
 * lives as long as somebody is aboard.
 *
 * Whoever changes a key overtakes its flight: what that brings is still handed to who was aboard then, but stored no more, and
 * who comes later waits until it has landed and begins another. In namespaces with shared tiers the lease of the key
 * (maker/lease.h) says so for all processes, and the owner of the slot looks at it; in memory-only ones this table does, and
 * storing happens under lrd_flight_hold.
 *
 * A flight that is past its deadline may be cut by anybody: it lands with a failure, and what its leader brings later is
 * dropped.
 */
#ifndef LRD_CORE_FLIGHT_H
#define LRD_CORE_FLIGHT_H

#include "cache.h"
#include "maker/lease.h"

#define LRD_FLIGHT_REASON 504u
#define LRD_NO_DEADLINE   INT64_MAX

LARDER_MUST_CHECK larder_err lrd_flights_new(const lrd_clock *clock, lrd_leases *leases, lrd_flights **out);
/* None is under way. */
void lrd_flights_free(lrd_flights *flights);
/* Whether something is under way, or what it brought is in somebody's hands. */
bool lrd_flights_any(const lrd_flights *flights);
/* In a forked child: what is under way is the parent's. */
void lrd_flights_abandon(lrd_flights *flights);

/* What a flight brought. */
typedef struct lrd_landing {
  larder_err result;    /* LARDER_OK with a value or `look`; LARDER_MISS: there is no such thing; or why it failed */
  bool look;            /* it is kept: look for it */
  bool held_elsewhere;  /* another process makes it, and the leader would not wait: LARDER_EBUSY to who says so, too */
  bool told;            /* it failed a moment ago already, and was not tried again */
  bool cut;             /* its deadline passed */
  const uint8_t *value; /* borrowed while aboard */
  size_t len;
  larder_facts facts; /* of the value; what it points to is borrowed, too */
  const char *reason; /* of a failure */
} lrd_landing;

typedef enum lrd_boarding {
  LRD_FLIGHT_LEADS,
  LRD_FLIGHT_JOINS,
  LRD_FLIGHT_OVERTAKEN /* one that is of no use any more: wait until it has landed, and board again */
} lrd_boarding;

/* Aboard the key's flight, which begins if there is none. deadline_ns: by boot time; whoever joins may make it later. */
LARDER_MUST_CHECK larder_err lrd_flight_board(lrd_flights *flights, const lrd_op *op, int64_t deadline_ns, lrd_flight **out,
                                              lrd_boarding *how_out);
/* Aboard the key's flight if there is one; NULL else. */
lrd_flight *lrd_flight_find(lrd_flights *flights, const lrd_op *op);
/* By who is aboard: once more, for somebody else. */
void lrd_flight_again(lrd_flight *flight);
void lrd_flight_leave(lrd_flight *flight);

typedef enum lrd_flight_end { LRD_FLIGHT_LANDED, LRD_FLIGHT_WAITED, LRD_FLIGHT_CIRCLE } lrd_flight_end;
/*
 * Waits until the flight has landed, or for ns (INT64_MAX: for ever). LRD_FLIGHT_CIRCLE: it waits for one that this thread
 * leads. Cuts it at its deadline.
 */
lrd_flight_end lrd_flight_wait(lrd_flight *flight, int64_t ns);
/* Of one that has landed. */
const lrd_landing *lrd_flight_landing(const lrd_flight *flight);

/* --- by its leader ------------------------------------------------------------------------------------------------------- */

/* Between these the calling thread leads it: a making under way. Nested. */
void lrd_flight_lead(lrd_flight *flight);
void lrd_flight_lead_end(lrd_flight *flight);
/* The innermost that this thread leads, or NULL. */
lrd_flight *lrd_flight_led(void);

/* Hands it the lease of its key, or NULL where it has to do without, and the slot's token. False: it was cut. */
bool lrd_flight_take_lease(lrd_flight *flight, const lrd_lease *lease, uint64_t token);
int64_t lrd_flight_deadline(lrd_flight *flight);
/* Whether it was cut, or given up. */
bool lrd_flight_has_landed(lrd_flight *flight);
/*
 * Takes over the value (from lrd_alloc; NULL: none) and copies facts and reason of the landing. The flight is out of the table
 * before those who wait are told, and its lease ends after that; a failure is kept until failed_until_ns (boot time; 0: not).
 * False: it had been cut, and nothing of this is of use. The leader is still aboard.
 */
bool lrd_flight_land(lrd_flight *flight, const lrd_landing *landing, uint8_t *value, int64_t failed_until_ns);
/* Whether the key was changed since: by the owner of its slot, who stands at `version`. */
bool lrd_flight_overtaken(const lrd_flight *flight, uint64_t version);
/*
 * Of a memory-only namespace: false when it was overtaken, or its key is being changed; else who wants to change it waits for
 * lrd_flight_let_go.
 */
bool lrd_flight_hold(lrd_flight *flight);
void lrd_flight_let_go(lrd_flight *flight);

/* --- by others ----------------------------------------------------------------------------------------------------------- */

/* The key was changed, or is about to be. A load where nothing is under way. */
void lrd_flights_overtake(lrd_flights *flights, const lrd_op *op);
/* A change of a key of a memory-only namespace under way: between these none of its makings is stored. No lock is taken where
 * nothing is under way. */
typedef struct lrd_changing {
  struct lrd_changing *next;
  const lrd_op *op;
  bool quick; /* nothing flew when it began: it is only counted */
} lrd_changing;
void lrd_flights_change_begin(lrd_flights *flights, const lrd_op *op, lrd_changing *changing);
void lrd_flights_change_end(lrd_flights *flights, lrd_changing *changing);
/* Everything in the namespace is. */
void lrd_flights_overtake_all(lrd_flights *flights, const larder_ns *ns);
/* Cuts what is past its deadline; how many. */
unsigned lrd_flights_cut(lrd_flights *flights);
/* What failed a moment ago, for namespaces without leases: LARDER_OK, or the failure, its reason (room LRD_LEASE_REASON), and
 * until when that counts (boot time). */
larder_err lrd_flights_failure(lrd_flights *flights, const lrd_op *op, char *reason, int64_t *until_ns_out);

#endif
