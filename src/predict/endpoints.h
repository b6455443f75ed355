/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints and their numbers. When all numbers are taken, the eighth that was asked for least gives theirs back, and all
 * counts are halved. */
#ifndef LRD_PREDICT_ENDPOINTS_H
#define LRD_PREDICT_ENDPOINTS_H

#include "base/bytes.h"
#include "transitions.h"

typedef struct lrd_endpoint {
  char *text; /* own; NULL: a free number */
  uint32_t len;
  uint32_t hash;        /* its lower half */
  uint64_t seen;        /* number of the event that was last for it */
  uint64_t contexts[2]; /* bits: where it was followed by something */
} lrd_endpoint;

typedef struct lrd_endpoints {
  lrd_endpoint *of;
  uint32_t *counts; /* how often each came, apart so that they lie close */
  uint32_t *cells;  /* number + 1; 0: empty. A power of two, twice as many as endpoints at least */
  uint64_t *ranks;  /* for choosing who goes */
  uint32_t cells_mask;
  uint32_t max;
  uint32_t slots;             /* numbers below have been given */
  uint32_t len;               /* of these, those that are taken */
  uint32_t free_from;         /* below it none is free */
  uint64_t total;             /* sum of counts */
  uint32_t top[LRD_NEXT_MAX]; /* those that came most often; of equals the lower number first */
  uint32_t top_len;
  uint64_t replaced;
} lrd_endpoints;

LARDER_MUST_CHECK larder_err lrd_endpoints_init(lrd_endpoints *endpoints, uint32_t max);
void lrd_endpoints_fini(lrd_endpoints *endpoints);
void lrd_endpoints_clear(lrd_endpoints *endpoints);
uint64_t lrd_endpoints_bytes(const lrd_endpoints *endpoints);

/* When all counts add up to so many, they are halved. */
static inline uint64_t lrd_endpoints_total_max(const lrd_endpoints *endpoints) {
  return (UINT64_C(1) << 20) + (uint64_t)endpoints->max * 16;
}

/* LRD_NO_ENDPOINT: not known. */
uint32_t lrd_endpoints_find(const lrd_endpoints *endpoints, const char *text, size_t len);
static inline bool lrd_endpoints_full(const lrd_endpoints *endpoints) { return endpoints->len == endpoints->max; }
/* One that is not known, by the least free number; there is one. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_endpoints_add(lrd_endpoints *endpoints, const char *text, size_t len, uint32_t *out);
/* The same by a number of the caller's, which is free; from a file. */
LARDER_MUST_CHECK larder_err lrd_endpoints_add_at(lrd_endpoints *endpoints, uint32_t number, const char *text, size_t len);
/* `by` more of it. */
void lrd_endpoints_count(lrd_endpoints *endpoints, uint32_t number, uint64_t event, uint32_t by);
/* Finds the top anew. */
void lrd_endpoints_rank(lrd_endpoints *endpoints);
/* Makes room. What is known of the endpoints that went has to be forgotten: those whose text is NULL now. */
void lrd_endpoints_make_room(lrd_endpoints *endpoints);
static inline bool lrd_endpoints_gone(const void *endpoints, uint32_t number) {
  return ((const lrd_endpoints *)endpoints)->of[number].text == NULL;
}

#endif
