/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is expected: a Markov chain of order one over the keys of the sample, as they are asked for. Each node has room for one
 * successor, which another one takes the place of when it came as often; so the chain is as large as the nodes are, and forgets
 * with them. A node may have become another key's since; the end of its hash tells, mostly.
 */
#include "shadow_inner.h"

#define SURE_MAX 3u

static void link_learn(lrd_shadow *shadow, uint16_t at) {
  lrd_shadow_node *was = &shadow->nodes[shadow->last];
  uint8_t tag = (uint8_t)shadow->nodes[at].hash;
  if (was->next == at && was->next_tag == tag) {
    if (was->next_sure < SURE_MAX) was->next_sure++;
  } else if (was->next_sure > 1) {
    was->next_sure--;
  } else {
    was->next = at;
    was->next_tag = tag;
    was->next_sure = 1;
  }
}

void lrd_shadow_expect(lrd_shadow *shadow, uint16_t at) {
  const lrd_shadow_node *node = &shadow->nodes[at];
  if (shadow->last && shadow->last != at) link_learn(shadow, at);
  shadow->last = at;
  lrd_shadow_node *next = &shadow->nodes[node->next];
  if (node->next == 0 || !next->used || node->next_tag != (uint8_t)next->hash) return;
  uint8_t *place = &next->places[LARDER_EXPERT_MARKOV];
  bool held = lrd_places_held(*place) != 0;
  if (held && *place < LRD_SHADOW_READ) *place += LRD_SHADOW_TOUCH;
}
