/* SPDX-License-Identifier: Apache-2.0 */
#include "room_ways.h"

#define FADE 0.0002

void lrd_room_tell(lrd_room_misses *misses, lrd_room room, bool hit) {
  misses->of[room] += (hit ? 0.0 : 1.0) - FADE * misses->of[room];
}

lrd_room lrd_room_best(const lrd_room_misses *misses) {
  unsigned best = LRD_ROOM_POLICY;
  for (unsigned room = 0; room < LRD_ROOMS; room++)
    if (misses->of[room] < misses->of[best]) best = room;
  return (lrd_room)best;
}

larder_agent_action lrd_room_action(lrd_room room) {
  static const larder_agent_action actions[LRD_ROOMS] = {[LRD_ROOM_POLICY] = LARDER_AGENT_CACHE,
                                                         [LRD_ROOM_LRU] = LARDER_AGENT_EVICT_LRU,
                                                         [LRD_ROOM_UNLIKELY] = LARDER_AGENT_EVICT_UNLIKELY};
  return actions[room];
}
