/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the shadows of all but the leading expert rest, and for how long. While nobody else comes to lead, more and more; where
 * leaders change again and again, for a part of the time nevertheless, so that what learning costs has a bound.
 */
#include "shadow_inner.h"

#define SHARE_ONE     1024u
#define REST_AFTER    4u  /* horizons that the leader regretted without being replaced */
#define REST_AGAIN    2u  /* after a rest */
#define REST_FIRST    4u  /* a rest is so many times the misses that this took, */
#define REST_TIMES    16u /* after another rest */
#define REST_ALWAYS   4u  /* horizons of regrets, whoever led; then there is a rest of */
#define REST_PART     4u  /* a part of the misses that this took */
#define SHARE_UNKNOWN UINT32_MAX
#define STRETCH_PART  4u /* of a horizon, after which a resting leader's misses are looked at */
#define DIFFERS_PART  16 /* of the misses: by so many more or less than expected it remembers, */
#define DIFFERS_ROOT  1  /* and by this times their root, and the rest is over */

/* Of a stretch of the rest: whether the leader regrets another share of its misses than before, by more than chance. */
static bool stretch_differs(const lrd_shadow *shadow) {
  if (shadow->share == SHARE_UNKNOWN) return false;
  int64_t misses = shadow->misses, differs = (int64_t)shadow->backs * SHARE_ONE - misses * shadow->share;
  int64_t beyond = (differs < 0 ? -differs : differs) / SHARE_ONE - misses / DIFFERS_PART;
  return beyond > 0 && beyond * beyond > misses * DIFFERS_ROOT;
}

/* Whether the leader has not been replaced for long. */
static bool shadow_calm(const lrd_shadow *shadow) {
  return shadow->regrets >= lrd_shadow_horizon(shadow) * (shadow->settled ? REST_AGAIN : REST_AFTER);
}

bool lrd_shadow_turn_due(lrd_shadow *shadow) {
  uint32_t horizon = lrd_shadow_horizon(shadow);
  if (!shadow->resting) return shadow_calm(shadow) || shadow->paid >= horizon * REST_ALWAYS;
  if (shadow->misses < horizon / STRETCH_PART) return false;
  bool differs = stretch_differs(shadow), over = differs || shadow->misses >= shadow->rest;
  if (differs) shadow->settled = false;
  shadow->rest -= over ? 0 : shadow->misses;
  shadow->misses = shadow->regrets = shadow->backs = 0;
  return over;
}

void lrd_shadow_rest(lrd_shadow *shadow) {
  bool mirrors = shadow->left == NULL, calm = shadow_calm(shadow);
  bool known = shadow->misses >= lrd_shadow_horizon(shadow) / STRETCH_PART;
  shadow->logs = false;
  uint64_t own = UINT64_C(0xff) << shadow->chosen * 8;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    if (expert != shadow->chosen || mirrors) lrd_shadow_empty(shadow, expert);
  }
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    lrd_shadow_node *node = &shadow->nodes[at];
    uint64_t places = lrd_get_u64(node->places) & own;
    bool mirrored = mirrors && (lrd_places_held(places) || node->handle);
    lrd_put_u64(node->places, mirrored ? 0 : places);
    lrd_shadow_log(shadow, node, false);
    shadow->counts[shadow->chosen] += mirrors && node->handle;
  }
  shadow->rest = calm ? shadow->misses * (shadow->settled ? REST_TIMES : REST_FIRST) : shadow->learned / REST_PART;
  shadow->share = known ? (uint32_t)(shadow->backs * SHARE_ONE / shadow->misses) : SHARE_UNKNOWN;
  shadow->settled = calm;
  shadow->misses = shadow->regrets = shadow->backs = shadow->learned = shadow->paid = 0;
  shadow->resting = true;
  shadow->mirrors = mirrors;
}

void lrd_shadow_seed(lrd_shadow *shadow, uint32_t at, unsigned place, unsigned touches) {
  if (place != LRD_SHADOW_NONE) lrd_shadow_push(shadow, shadow->chosen, place, (uint16_t)at, touches);
  shadow->nodes[at].seen = touches & 3;
  shadow->counts[shadow->chosen]--; /* it was mirrored */
}

void lrd_shadow_wake(lrd_shadow *shadow) {
  for (uint32_t at = 1; at < shadow->nodes_next; at++) lrd_shadow_settle(shadow, &shadow->nodes[at]);
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    if (expert != shadow->chosen) lrd_shadow_copy(shadow, expert);
  }
  shadow->misses = shadow->regrets = shadow->backs = shadow->learned = shadow->paid = 0;
  shadow->resting = shadow->mirrors = false;
  lrd_shadow_begin(shadow);
}

void lrd_shadow_begin(lrd_shadow *shadow) {
  shadow->logs = true;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    lrd_shadow_settle(shadow, &shadow->nodes[at]);
    lrd_shadow_log_fit(shadow, &shadow->nodes[at]);
  }
}
