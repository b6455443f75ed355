/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what learns may go on. Costs of its way and of the plain default are summed over windows. After a window in which it
 * did worse by more than the margin it steps aside for some windows, then tries again for two, whose first is not judged: what
 * it did aside is still in the cache. Each time that it fails soon again the pause doubles; a window that is won halves it.
 */
#ifndef LRD_AGENT_SHADOW_GATE_H
#define LRD_AGENT_SHADOW_GATE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lrd_shadow_gate {
  uint32_t window; /* requests */
  double margin;
  uint32_t pause_most; /* windows */
  uint32_t pause;      /* how long the next one is */
  uint32_t left;       /* of this one; 0: it goes on */
  uint32_t warm;       /* windows that are not judged yet */
  uint32_t requests;   /* of the window under way */
  double ms, origin, plain_ms, plain_origin;
  uint64_t windows, stepped_aside, windows_aside;
} lrd_shadow_gate;

void lrd_shadow_gate_init(lrd_shadow_gate *gate, uint32_t window, double margin, uint32_t pause_most);
/* One request; nothing where a number is none. */
void lrd_shadow_gate_tell(lrd_shadow_gate *gate, double ms, double origin, double plain_ms, double plain_origin);
static inline bool lrd_shadow_gate_aside(const lrd_shadow_gate *gate) { return gate->left > 0; }

#endif
