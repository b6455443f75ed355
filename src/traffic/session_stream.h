/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of one seed, in the order of time: sessions begin by a rate that the day and bursts move, go their ways and
 * end. What the cache does changes none of it.
 */
#ifndef LRD_TRAFFIC_SESSION_STREAM_H
#define LRD_TRAFFIC_SESSION_STREAM_H

#include "traffic_spec.h"

typedef struct lrd_request {
  double at_ms;
  uint32_t key;
  uint32_t session; /* in the order in which they begin */
  uint32_t before;  /* the session's key before this one; LRD_TRAFFIC_NONE: it begins */
  uint16_t place;   /* requests of the session before this one, at most 65535 */
  uint8_t user;     /* its kind */
  uint8_t endpoint;
} lrd_request;

typedef struct lrd_request_list {
  lrd_request *items;
  uint64_t len;
  uint64_t room;
} lrd_request_list;

/*
 * goes_on is asked at the beginning and now and then; NULL: nobody is asked. Own: lrd_requests_fini. LARDER_ENOMEM;
 * LARDER_ECANCELLED: it said no; LARDER_ETOOBIG: more than LRD_TRAFFIC_REQUESTS_MAX, or than LRD_TRAFFIC_DRAWS_MAX draws.
 */
LARDER_MUST_CHECK larder_err lrd_requests_make(const larder_traffic *traffic, uint64_t seed, bool (*goes_on)(void *context),
                                               void *context, lrd_request_list *out);
void lrd_requests_fini(lrd_request_list *list);
/* `/product/17`, or `/home` of an endpoint that is one key. */
void lrd_request_path(const larder_traffic *traffic, const lrd_request *request, char *out, size_t room);

#endif
