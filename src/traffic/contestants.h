/* SPDX-License-Identifier: Apache-2.0 */
/* The ways of caching that stand in trials. */
#ifndef LRD_TRAFFIC_CONTESTANTS_H
#define LRD_TRAFFIC_CONTESTANTS_H

#include "agent/room_ways.h"
#include "traffic_spec.h"

/* What is made ahead: as an action of that name does (larder_agent_ahead), or nothing. */
typedef enum lrd_ahead {
  LRD_AHEAD_NONE = LARDER_AGENT_NOTHING,
  LRD_AHEAD_CONSERVATIVE = LARDER_AGENT_CONSERVATIVE,
  LRD_AHEAD_MODERATE = LARDER_AGENT_MODERATE,
  LRD_AHEAD_AGGRESSIVE = LARDER_AGENT_AGGRESSIVE
} lrd_ahead;

/* What is done about one request. */
typedef struct lrd_play {
  bool keep; /* what had to be fetched */
  lrd_room room;
  lrd_ahead ahead;
} lrd_play;

/* Always the same play, or an agent. */
typedef struct lrd_rule {
  const char *name;
  const char *says;
  const char *policy; /* NULL: no cache at all */
  lrd_play play;
  bool learns;  /* an agent says what is played */
  bool trained; /* on the seeds that LARDER_TRAFFIC_TUNED is found on */
  larder_agent_method method;
} lrd_rule;

/* NULL beyond the last. Those that LARDER_TRAFFIC_TUNED chooses among are all but the first and those that learn,
 * which come last. */
const lrd_rule *lrd_rule_at(size_t n);
/* NULL: none of that name. */
const lrd_rule *lrd_rule_find(const char *name);

#endif
