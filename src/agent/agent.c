/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions stand in a ring until their horizon has passed; then the one that is oldest is learned from. Rewards are divided by
 * ten for learners, whose values are about 1 then.
 *
 * What was decided aside, or could not have been otherwise, is not learned from: it says nothing about a choice.
 */
#include "agent_inner.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include <math.h>

#define REPLAY_ROOM  4096u
#define REPLAY_EACH  4u
#define REWARD_SCALE 0.1
#define WORTH_MAX    1e15 /* of one event, beyond each clip: sums stay numbers */

static const double usual_weights[] = {
#define WEIGHT(id, name, value, says) value,
    LARDER_AGENT_EVENTS_TABLE(WEIGHT)
#undef WEIGHT
};

/* --- options -------------------------------------------------------------------------------------------------------------- */

static double usual(double given, double otherwise) { return given != 0 ? given : otherwise; }
static uint32_t usual_count(uint32_t given, uint32_t otherwise) { return given ? given : otherwise; }

static void options_fill(larder_agent_options *how) {
  how->clip = usual(how->clip, 100);
  how->epsilon = usual(how->epsilon, LARDER_AGENT_EPSILON);
  how->epsilon_last = usual(how->epsilon_last, LARDER_AGENT_EPSILON_LAST);
  how->epsilon_half = usual_count(how->epsilon_half, 2000);
  how->horizon = usual_count(how->horizon, 1024);
  how->discount = usual(how->discount, 0.9);
  how->rate = usual(how->rate, 0.01);
  how->ridge = usual(how->ridge, 1);
  how->forget = usual(how->forget, 0.9998);
  how->window = usual_count(how->window, 2000);
  how->margin = usual(how->margin, 0.01);
  how->pause_most = usual_count(how->pause_most, 32);
}

static bool within(double value, double least, double most) { return value >= least && value <= most; }

static bool options_valid(const larder_agent_options *how) {
  for (unsigned i = 0; how->weights && i < LARDER_AGENT_EVENTS; i++)
    if (!within(how->weights[i], -1e6, 1e6)) return false;
  return how->method <= LARDER_AGENT_NETWORK_Q && within(how->clip, 1e-6, 1e9) && within(how->epsilon, 0, 1) &&
         within(how->epsilon_last, 0, how->epsilon) && how->horizon <= LARDER_AGENT_HORIZON_MAX &&
         within(how->discount, 0, 0.999) && within(how->rate, 1e-9, 1) && within(how->ridge, 1e-6, 1e6) &&
         within(how->forget, 0.9, 1) && within(how->margin, 0, 10) && how->pause_most <= LRD_PAUSE_MAX;
}

/* --- lifecycle ------------------------------------------------------------------------------------------------------------ */

void larder_agent_close(larder_agent **agent) {
  if (agent == NULL || *agent == NULL) return;
  lrd_dealloc((*agent)->learned);
  lrd_dealloc((*agent)->pending);
  lrd_dealloc((*agent)->replay);
  lrd_dealloc((*agent)->replay_next);
  lrd_dealloc(*agent);
  *agent = NULL;
}

larder_err larder_agent_open(const larder_agent_options *options, larder_agent **out, larder_error *err) {
  static const lrd_learner_ops *const learners[] = {&lrd_learner_ridge, &lrd_learner_linear, &lrd_learner_network};
  larder_agent_options how = {.size = sizeof how};
  if (options) how = *options;
  options_fill(&how);
  if (out == NULL || how.size != sizeof how || !options_valid(&how))
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_AGENT_ROOM, "an option of the agent is out of its bounds: see larder/agent.h");
  larder_agent *agent = lrd_alloc_zero(1, sizeof *agent);
  if (agent == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, LRD_AGENT_ROOM, "out of memory");
  agent->ops = learners[how.method];
  memcpy(agent->weights, how.weights ? how.weights : usual_weights, sizeof agent->weights);
  how.weights = NULL;
  agent->how = how;
  agent->learned = lrd_alloc_zero(agent->ops->doubles, sizeof *agent->learned);
  agent->pending = lrd_alloc_zero(how.horizon + (size_t)1, sizeof *agent->pending);
  if (agent->ops->follows) {
    agent->replay = lrd_alloc_zero(REPLAY_ROOM, sizeof *agent->replay);
    agent->replay_next = lrd_alloc_zero(REPLAY_ROOM, sizeof *agent->replay_next);
  }
  bool whole = agent->learned && agent->pending && (!agent->ops->follows || (agent->replay && agent->replay_next));
  if (!whole) {
    larder_agent_close(&agent);
    return lrd_fail(err, LARDER_ENOMEM, 0, LRD_AGENT_ROOM, "out of memory");
  }
  agent->ops->init(agent->learned, &how);
  lrd_shadow_gate_init(&agent->gate, how.window, how.margin, how.pause_most);
  *out = agent;
  return LARDER_OK;
}

/* --- learning ------------------------------------------------------------------------------------------------------------- */

static double best_value(const larder_agent *agent, const lrd_pending *at) {
  double best = -INFINITY;
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    if (!(at->possible & 1u << a)) continue;
    double value = agent->ops->value(agent->learned, a, at->state);
    best = value > best ? value : best;
  }
  return best;
}

static uint64_t draw(larder_agent *agent) {
  uint64_t number = agent->draws++;
  return lrd_hash64(&number, sizeof number, agent->how.seed);
}
static double draw_part(larder_agent *agent) { return (double)(draw(agent) >> 11) * 0x1p-53; }

static void replay_learn(larder_agent *agent, const lrd_pending *done, const lrd_pending *next) {
  agent->replay[agent->replayed % REPLAY_ROOM] = *done;
  agent->replay_next[agent->replayed++ % REPLAY_ROOM] = *next;
  if (agent->replay_len < REPLAY_ROOM) agent->replay_len++;
  for (unsigned i = 0; i < REPLAY_EACH; i++) {
    uint64_t at = i == 0 ? (agent->replayed - 1) % REPLAY_ROOM : draw(agent) % agent->replay_len;
    const lrd_pending *one = &agent->replay[at];
    double target = one->reward * REWARD_SCALE + agent->how.discount * best_value(agent, &agent->replay_next[at]);
    agent->ops->learn(agent->learned, &agent->how, one->action, one->state, target);
  }
}

static lrd_pending *pending_of(const larder_agent *agent, uint64_t ticket) {
  return &agent->pending[ticket % (agent->how.horizon + 1)];
}

/* The oldest decision; another one has come after it. */
static void settle(larder_agent *agent) {
  lrd_pending *done = pending_of(agent, ++agent->settled);
  done->reward = lrd_within(done->reward, agent->how.clip);
  agent->figures.learned[done->action]++;
  agent->figures.reward[done->action] += done->reward;
  if (done->aside || (done->possible & (done->possible - 1u)) == 0) return;
  if (agent->ops->follows)
    replay_learn(agent, done, pending_of(agent, agent->settled + 1));
  else
    agent->ops->learn(agent->learned, &agent->how, done->action, done->state, done->reward * REWARD_SCALE);
}

/* --- deciding ------------------------------------------------------------------------------------------------------------- */

static double epsilon_now(const larder_agent *agent) {
  const larder_agent_options *how = &agent->how;
  return how->epsilon_last + (how->epsilon - how->epsilon_last) * exp2(-(double)agent->decisions / how->epsilon_half);
}

bool larder_agent_aside(const larder_agent *agent) { return agent && lrd_shadow_gate_aside(&agent->gate); }

/* Keeping, if that is possible. */
static larder_agent_action plain_of(unsigned possible) {
  static const larder_agent_action keeping[] = {LARDER_AGENT_CACHE, LARDER_AGENT_EVICT_LRU, LARDER_AGENT_EVICT_UNLIKELY};
  for (size_t i = 0; i < sizeof keeping / sizeof *keeping; i++)
    if (possible & 1u << keeping[i]) return keeping[i];
  return LARDER_AGENT_NOTHING;
}

/* The possible action of the greatest value; among equals the plain one, then the first. */
static larder_agent_action greedy(const larder_agent *agent, const lrd_pending *at) {
  unsigned best = plain_of(at->possible);
  double most = agent->ops->value(agent->learned, best, at->state);
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    if (!(at->possible & 1u << a)) continue;
    double value = agent->ops->value(agent->learned, a, at->state);
    if (!(value > most)) continue;
    most = value;
    best = a;
  }
  return (larder_agent_action)best;
}

static larder_agent_action any(larder_agent *agent, unsigned possible) {
  unsigned count = 0, at = 0;
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) count += possible >> a & 1u;
  for (uint64_t left = draw(agent) % count; left > 0 || !(possible >> at & 1u); at++) left -= possible >> at & 1u;
  return (larder_agent_action)at;
}

void larder_agent_decide(larder_agent *agent, const larder_agent_state *state, unsigned possible, larder_agent_decision *out) {
  static const larder_agent_state unknown = {0};
  if (out) *out = (larder_agent_decision){.action = LARDER_AGENT_NOTHING};
  if (agent == NULL || out == NULL) return;
  if (agent->tickets - agent->settled > agent->how.horizon) settle(agent);
  lrd_pending *now = pending_of(agent, ++agent->tickets);
  possible = (possible | 1u << LARDER_AGENT_NOTHING) & ((1u << LARDER_AGENT_ACTIONS) - 1);
  *now = (lrd_pending){.possible = (uint8_t)possible, .aside = lrd_shadow_gate_aside(&agent->gate)};
  lrd_features_of(state ? state : &unknown, now->state);
  *out = (larder_agent_decision){.ticket = agent->tickets, .aside = now->aside};
  bool choice = (possible & (possible - 1)) != 0;
  out->explored = choice && !now->aside && draw_part(agent) < epsilon_now(agent);
  out->action = now->aside ? plain_of(possible) : out->explored ? any(agent, possible) : greedy(agent, now);
  now->action = (uint8_t)out->action;
  agent->decisions += !now->aside;
  agent->figures.decisions++;
  agent->figures.explored += out->explored;
  agent->figures.taken[out->action]++;
}

void larder_agent_tell(larder_agent *agent, uint64_t ticket, larder_agent_event event, double amount) {
  if (agent == NULL || (unsigned)event >= LARDER_AGENT_EVENTS || !isfinite(amount)) return;
  if (ticket <= agent->settled || ticket > agent->tickets) return;
  pending_of(agent, ticket)->reward += lrd_within(agent->weights[event] * amount, WORTH_MAX);
  agent->figures.told[event] += lrd_within(amount, WORTH_MAX);
}

void larder_agent_compare(larder_agent *agent, double ms, double origin, double plain_ms, double plain_origin) {
  if (agent) lrd_shadow_gate_tell(&agent->gate, ms, origin, plain_ms, plain_origin);
}

void larder_agent_figures_get(const larder_agent *agent, larder_agent_figures *out) {
  if (out) *out = agent ? agent->figures : (larder_agent_figures){0};
  if (agent == NULL || out == NULL) return;
  out->epsilon = epsilon_now(agent);
  out->windows = agent->gate.windows;
  out->stepped_aside = agent->gate.stepped_aside;
  out->windows_aside = agent->gate.windows_aside;
  out->aside = lrd_shadow_gate_aside(&agent->gate);
}
