/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flight is one making of one key in this process. Who comes first leads it; everybody else who wants the key joins it and is
 * handed what it brings, also where that is kept nowhere. It is in the table from its beginning until it lands; what it brought
 * lives as long as somebody is aboard.
 *
 * Whoever changes a key overtakes its flight: what that brings is still handed to who waits, but stored no more. In namespaces
 * with shared tiers the lease of the key says so for all processes (maker/lease.h), and the owner of the slot looks at it; in
 * memory-only ones this table does, and storing happens under lrd_flight_hold.
 */
#ifndef LRD_CORE_FLIGHT_H
#define LRD_CORE_FLIGHT_H

#include "cache.h"

#define LRD_FLIGHT_REASON 504u

typedef struct lrd_flights lrd_flights;
typedef struct lrd_flight lrd_flight;

LARDER_MUST_CHECK larder_err lrd_flights_new(lrd_flights **out);
/* None is under way. */
void lrd_flights_free(lrd_flights *flights);

/* What a flight brought. */
typedef struct lrd_landing {
  larder_err result;    /* LARDER_OK with a value, LARDER_MISS: there is no such thing, or why it failed */
  const uint8_t *value; /* borrowed while aboard */
  size_t len;
  larder_facts facts; /* of the value; what it points to is borrowed, too */
  const char *reason; /* of a failure */
} lrd_landing;

/* Aboard the key's flight, which begins if there is none: then *leads_out. */
LARDER_MUST_CHECK larder_err lrd_flight_board(lrd_flights *flights, const lrd_op *op, lrd_flight **out, bool *leads_out);
/* Aboard the key's flight if there is one; NULL else. */
lrd_flight *lrd_flight_find(lrd_flights *flights, const lrd_op *op);
/* False when it has not landed within ns; INT64_MAX: waits for ever. */
bool lrd_flight_wait(lrd_flight *flight, int64_t ns);
/* Of one that has landed. */
const lrd_landing *lrd_flight_landing(const lrd_flight *flight);
void lrd_flight_leave(lrd_flight *flight);

/*
 * By the leader: takes over the value (from lrd_alloc; NULL: none) and copies facts and reason. The flight is out of the table
 * before those who wait are told, so that who comes later begins another. The leader is still aboard.
 */
void lrd_flight_land(lrd_flight *flight, larder_err result, uint8_t *value, const larder_facts *facts, const char *reason);

/* The key was changed. A load where nothing is under way. */
void lrd_flights_overtake(lrd_flights *flights, const lrd_op *op);
/* By the leader, of a memory-only namespace: false when it was overtaken; else nobody overtakes it before lrd_flight_let_go. */
bool lrd_flight_hold(lrd_flight *flight);
void lrd_flight_let_go(lrd_flight *flight);

#endif
