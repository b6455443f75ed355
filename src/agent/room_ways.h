/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to make room for what is kept. A host runs a cache beside its own by each of them; the one that misses least lately is
 * what the agent may do.
 */
#ifndef LRD_AGENT_ROOM_WAYS_H
#define LRD_AGENT_ROOM_WAYS_H

#include <larder/agent.h>

/* Who goes when there is no room. */
typedef enum lrd_room { LRD_ROOM_POLICY, LRD_ROOM_LRU, LRD_ROOM_UNLIKELY, LRD_ROOMS } lrd_room;

typedef struct lrd_room_misses {
  double of[LRD_ROOMS]; /* lately: they fade */
} lrd_room_misses;      /* zeros at first */

/* A request was served by that way's cache, or could not be. */
void lrd_room_tell(lrd_room_misses *misses, lrd_room room, bool hit);
/* The way that missed least; of equals the first. */
lrd_room lrd_room_best(const lrd_room_misses *misses);
/* The action that keeps what was fetched and makes room that way. */
larder_agent_action lrd_room_action(lrd_room room);

#endif
