/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file of traffic says (docs/traffic.md): services that answer slowly, endpoints that they answer for, kinds of users
 * and the ways they go, and what the day, bursts and failures do to it. Times are milliseconds, shares 0 to 1.
 *
 * Keys are dense numbers: those of an endpoint lie from first_key on, its ids in their order.
 */
#ifndef LRD_TRAFFIC_SPEC_H
#define LRD_TRAFFIC_SPEC_H

#include "base/bytes.h"
#include "config/yaml_tree.h"
#include <larder/agent.h>
#include <larder/traffic.h>

#define LRD_TRAFFIC_ROOM          "traffic"
#define LRD_TRAFFIC_SERVICES_MAX  32u
#define LRD_TRAFFIC_ENDPOINTS_MAX 64u
#define LRD_TRAFFIC_USERS_MAX     16u
#define LRD_TRAFFIC_FAILURES_MAX  64u
#define LRD_TRAFFIC_KEYS_MAX      ((uint64_t)1 << 20)
#define LRD_TRAFFIC_REQUESTS_MAX  ((uint64_t)1 << 22)
#define LRD_TRAFFIC_DRAWS_MAX     ((uint64_t)1 << 25) /* of moments at which sessions and bursts may begin */
#define LRD_TRAFFIC_NONE          UINT32_MAX
#define LRD_TRAFFIC_TOO_MUCH                                                                                                   \
  "the traffic comes to more than 2^22 requests, or to more bursts than can be made: make `length` or `sessions` smaller"

typedef struct lrd_traffic_service {
  const char *name;
  double latency_ms; /* the median of an answer by a service that is idle */
  double spread;     /* of its logarithm */
  double capacity;   /* answers a second; 0: as many as are wanted */
  double timeout_ms; /* of who asks */
  double errors;     /* part of the answers */
  uint64_t retries;  /* by who asks */
  uint32_t needs;    /* a service asked for each answer, one above it; LRD_TRAFFIC_NONE */
} lrd_traffic_service;

typedef struct lrd_traffic_endpoint {
  const char *name;
  uint32_t service;
  uint32_t same;  /* an endpoint whose last id the session asks for; LRD_TRAFFIC_NONE */
  bool own;       /* an id for each user */
  uint64_t ids;   /* as they were given; 1: the endpoint is one key */
  double skew;    /* exponent of Zipf's law over ids; 0: all alike */
  uint64_t bytes; /* of an answer */
  double ttl_ms;  /* 0: for good */
  uint32_t first_key;
  uint32_t keys;
} lrd_traffic_endpoint;

typedef struct lrd_traffic_user {
  const char *name;
  double share; /* of the sessions, in proportion to the others' */
  uint64_t count;
  uint32_t first; /* number of its first user, of all users */
  double think_ms;
  bool walks; /* ids one after the other, from anywhere on */
  /* Sums: a draw below [e] and not below [e - 1] is endpoint e; beyond the last one the session ends. */
  double start[LRD_TRAFFIC_ENDPOINTS_MAX];
  double moves[LRD_TRAFFIC_ENDPOINTS_MAX][LRD_TRAFFIC_ENDPOINTS_MAX];
} lrd_traffic_user;

typedef struct lrd_traffic_failure {
  uint32_t service;
  double at_ms;
  double length_ms;
  double slower; /* latency times so much, capacity divided by it */
  double errors; /* part of the answers */
} lrd_traffic_failure;

struct larder_traffic {
  lrd_config_arena arena;
  double length_ms;
  double sessions; /* that begin in a second, in the mean over a day without bursts */
  uint64_t cache_entries;
  double hit_ms;
  double day_ms; /* 0: no hour is unlike another */
  double day_depth;
  double burst_every_ms; /* in the mean; 0: none */
  double burst_length_ms;
  double burst_times;
  lrd_traffic_service services[LRD_TRAFFIC_SERVICES_MAX];
  uint32_t services_len;
  lrd_traffic_endpoint endpoints[LRD_TRAFFIC_ENDPOINTS_MAX];
  uint32_t endpoints_len;
  lrd_traffic_user users[LRD_TRAFFIC_USERS_MAX];
  uint32_t users_len;
  lrd_traffic_failure failures[LRD_TRAFFIC_FAILURES_MAX];
  uint32_t failures_len;
  uint32_t keys; /* of all endpoints */
  double agent_weights[LARDER_AGENT_EVENTS];
  double agent_epsilon, agent_epsilon_last, agent_margin; /* 0: the agent's own */
  uint64_t agent_horizon, agent_window;
};

/* Zero but for its defaults; NULL when out of memory. Own: larder_traffic_close. */
larder_traffic *lrd_traffic_new(void);
/* A text; mistakes are collected, each with its place. LARDER_OK also with mistakes; LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_traffic_read(larder_traffic *traffic, const char *text, size_t len, lrd_mistakes *mistakes);

#endif
