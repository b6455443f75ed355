/* SPDX-License-Identifier: Apache-2.0 */
#include "blame.h"

void lrd_blame_remember(lrd_blame *blame, lrd_blame_decision decision) {
  blame->last[blame->len++ % LRD_BLAME_REMEMBERED] = decision;
}

/* The n-th before now, from 1; NULL: it is older than that, or forgotten. */
static const lrd_blame_decision *before(const lrd_blame *blame, uint64_t n, double from_ms) {
  if (n > blame->len || n > LRD_BLAME_REMEMBERED) return NULL;
  const lrd_blame_decision *one = &blame->last[(blame->len - n) % LRD_BLAME_REMEMBERED];
  return one->at_ms < from_ms ? NULL : one;
}

void lrd_blame_slow(const lrd_blame *blame, larder_agent *agent, double now_ms, double too_long_ms) {
  double from_ms = now_ms - LRD_BLAME_MS, aheads = 0;
  const lrd_blame_decision *one;
  for (uint64_t n = 1; (one = before(blame, n, from_ms)) != NULL; n++) aheads += one->ahead;
  for (uint64_t n = 1; (one = before(blame, n, from_ms)) != NULL; n++)
    if (one->ahead) larder_agent_tell(agent, one->ticket, LARDER_AGENT_LOST_MS, too_long_ms / aheads);
}

/* To the decisions from a moment on that made something ahead, or that did not though they could. */
static void tell_since(const lrd_blame *blame, larder_agent *agent, double from_ms, bool ahead, larder_agent_event event) {
  const lrd_blame_decision *one;
  for (uint64_t n = 1; (one = before(blame, n, from_ms)) != NULL; n++)
    if (ahead ? one->ahead : one->could && !one->ahead) larder_agent_tell(agent, one->ticket, event, 1);
}

/* It shows at the end of a window, and began within that: later, hosts let nothing be made ahead. */
void lrd_blame_look(lrd_blame *blame, larder_agent *agent, const lrd_cascade_watch *watch, double now_ms) {
  if (watch->state != LRD_CASCADE_CALM && blame->state == LRD_CASCADE_CALM)
    blame->threat_from_ms = watch->ends_ms - 2 * watch->how.window_ms;
  blame->state = watch->state;
  if (watch->cascades > blame->cascades) tell_since(blame, agent, now_ms - LRD_BLAME_MS, true, LARDER_AGENT_OCCURRED);
  if (watch->averted > blame->averted) tell_since(blame, agent, blame->threat_from_ms, false, LARDER_AGENT_PREVENTED);
  blame->cascades = watch->cascades;
  blame->averted = watch->averted;
}
