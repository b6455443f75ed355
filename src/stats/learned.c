/* SPDX-License-Identifier: Apache-2.0 */
#include "learned.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define COUNTS(X)                                                                                                              \
  X(agents)                                                                                                                    \
  X(aside)                                                                                                                     \
  X(compared)                                                                                                                  \
  X(cascades) X(averted) X(agent.decisions) X(agent.explored) X(agent.windows) X(agent.stepped_aside) X(agent.windows_aside)
#define NUMBERS(X) X(ms) X(plain_ms) X(origin) X(plain_origin) X(agent.epsilon)

static uint64_t bits_of(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

static double number_of(uint64_t bits) {
  double number;
  memcpy(&number, &bits, sizeof number);
  return isfinite(number) ? number : 0;
}

void lrd_learned_pack(const larder_learning_figures *f, uint64_t out[STATS_LEARNED_WORDS]) {
  uint64_t *at = out;
#define PACK_COUNT(field)  *at++ = f->field;
#define PACK_NUMBER(field) *at++ = bits_of(f->field);
  COUNTS(PACK_COUNT)
  NUMBERS(PACK_NUMBER)
#undef PACK_COUNT
#undef PACK_NUMBER
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    *at++ = f->agent.taken[a];
    *at++ = f->agent.learned[a];
    *at++ = bits_of(f->agent.reward[a]);
  }
  for (unsigned e = 0; e < LARDER_AGENT_EVENTS; e++) *at++ = bits_of(f->agent.told[e]);
  while (at < out + STATS_LEARNED_WORDS) *at++ = 0;
}

void lrd_learned_unpack(const uint64_t words[STATS_LEARNED_WORDS], larder_learning_figures *out) {
  const uint64_t *at = words;
  *out = (larder_learning_figures){0};
#define TAKE_COUNT(field)  out->field = *at++;
#define TAKE_NUMBER(field) out->field = number_of(*at++);
  COUNTS(TAKE_COUNT)
  NUMBERS(TAKE_NUMBER)
#undef TAKE_COUNT
#undef TAKE_NUMBER
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    out->agent.taken[a] = *at++;
    out->agent.learned[a] = *at++;
    out->agent.reward[a] = number_of(*at++);
  }
  for (unsigned e = 0; e < LARDER_AGENT_EVENTS; e++) out->agent.told[e] = number_of(*at++);
  out->agent.aside = out->aside > 0;
}

void lrd_learned_add(larder_learning_figures *to, const larder_learning_figures *from) {
  double agents = (double)to->agents + (double)from->agents;
  double epsilon = (double)to->agents * to->agent.epsilon + (double)from->agents * from->agent.epsilon;
#define ADD(field) to->field += from->field;
  COUNTS(ADD)
  NUMBERS(ADD)
#undef ADD
  to->agent.epsilon = agents > 0 ? epsilon / agents : 0;
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    to->agent.taken[a] += from->agent.taken[a];
    to->agent.learned[a] += from->agent.learned[a];
    to->agent.reward[a] += from->agent.reward[a];
  }
  for (unsigned e = 0; e < LARDER_AGENT_EVENTS; e++) to->agent.told[e] += from->agent.told[e];
  to->agent.aside = to->aside > 0;
}
