/* SPDX-License-Identifier: Apache-2.0 */
/* What is known only later: answers that are under way, by the moment at which they come. */
#ifndef LRD_TRAFFIC_ARRIVALS_H
#define LRD_TRAFFIC_ARRIVALS_H

#include <larder/error.h>
#include <stdbool.h>
#include <stdint.h>

/* What a request came to. */
typedef struct lrd_compared {
  double ms, origin;             /* with us, */
  double plain_ms, plain_origin; /* and with the plain default */
} lrd_compared;

typedef enum lrd_arrival_kind {
  LRD_ARRIVAL_TRY,    /* one try came to its end */
  LRD_ARRIVAL_ANSWER, /* all tries of who fetched did */
  LRD_ARRIVAL_WAIT    /* a user has what he asked for, or knows that he won't get it */
} lrd_arrival_kind;

typedef struct lrd_arrival {
  double at_ms;
  double took_ms;
  uint64_t order; /* set by lrd_arrivals_add */
  lrd_arrival_kind kind;
  uint32_t service;
  uint64_t ticket; /* of an answer: the decision that had it made ahead; of a wait: the one that kept it; 0: none */
  double kb;       /* of what was made ahead */
  lrd_compared compared;
  bool failed;
  bool hit; /* of a wait, as is `compared` */
} lrd_arrival;

typedef struct lrd_arrivals {
  lrd_arrival *items; /* a heap: the first is the next */
  uint64_t len, room;
  uint64_t added;
} lrd_arrivals;

void lrd_arrivals_fini(lrd_arrivals *arrivals);
/* LARDER_ENOMEM: nothing is added. */
LARDER_MUST_CHECK larder_err lrd_arrivals_add(lrd_arrivals *arrivals, const lrd_arrival *arrival);
/* The next that has come by a moment; those of the same moment in the order in which they were added. False: none. */
bool lrd_arrivals_take(lrd_arrivals *arrivals, double now_ms, lrd_arrival *out);

#endif
