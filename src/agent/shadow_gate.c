/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting and requests to the origin count alike, each as a part of what the plain default has. */
#include "shadow_gate.h"

#include <math.h>

void lrd_shadow_gate_init(lrd_shadow_gate *gate, uint32_t window, double margin, uint32_t pause_most) {
  *gate = (lrd_shadow_gate){.window = window, .margin = margin, .pause_most = pause_most, .pause = 1, .warm = 1};
}

static bool window_lost(const lrd_shadow_gate *gate) {
  double ms = gate->plain_ms > 0 ? gate->ms / gate->plain_ms : 1;
  double origin = gate->plain_origin > 0 ? gate->origin / gate->plain_origin : 1;
  return (ms + origin) / 2 > 1 + gate->margin;
}

static void window_close(lrd_shadow_gate *gate) {
  gate->windows++;
  if (gate->left > 0) {
    gate->windows_aside++;
    if (--gate->left == 0) gate->warm = 1;
  } else if (gate->warm > 0) {
    gate->warm--;
  } else if (window_lost(gate)) {
    gate->stepped_aside++;
    gate->left = gate->pause;
    gate->pause = gate->pause * 2 < gate->pause_most ? gate->pause * 2 : gate->pause_most;
  } else if (gate->pause > 1) {
    gate->pause /= 2;
  }
  gate->requests = 0;
  gate->ms = gate->origin = gate->plain_ms = gate->plain_origin = 0;
}

void lrd_shadow_gate_tell(lrd_shadow_gate *gate, double ms, double origin, double plain_ms, double plain_origin) {
  if (!isfinite(ms) || !isfinite(origin) || !isfinite(plain_ms) || !isfinite(plain_origin)) return;
  gate->ms += ms;
  gate->origin += origin;
  gate->plain_ms += plain_ms;
  gate->plain_origin += plain_origin;
  if (++gate->requests >= gate->window) window_close(gate);
}
