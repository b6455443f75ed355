/* SPDX-License-Identifier: Apache-2.0 */
/* Who a slow or overrun origin is laid at the door of, and figures that are "lately". */
#include "support/support.h"

#include "agent/blame.h"
#include "agent/lately.h"
#include <math.h>

static lrd_blame blame;

typedef struct rig {
  larder_agent *agent;
  lrd_cascade_watch watch;
} rig;

static void rig_open(rig *r) {
  assert_ok(larder_agent_open(NULL, &r->agent, NULL));
  lrd_cascade_init(&r->watch, &(lrd_cascade_options){0}, 0);
  blame = (lrd_blame){0};
}

static void decide(const rig *r, double at_ms, bool ahead, bool could) {
  larder_agent_decision decision;
  larder_agent_decide(r->agent, &(larder_agent_state){0}, 0x7f, &decision);
  lrd_blame_remember(&blame, (lrd_blame_decision){at_ms, decision.ticket, ahead, could});
}

static double told(const rig *r, larder_agent_event event) {
  larder_agent_figures now;
  larder_agent_figures_get(r->agent, &now);
  return now.told[event];
}

static void slowness_is_shared_by_what_was_made_ahead_lately(void **state) {
  rig r;
  (void)state;
  rig_open(&r);
  lrd_blame_slow(&blame, r.agent, 0, 100);
  decide(&r, 0, true, true); /* long ago */
  decide(&r, 6000, true, true);
  decide(&r, 7000, false, true);
  decide(&r, 8000, true, true);
  lrd_blame_slow(&blame, r.agent, 10000, 100);
  assert_true(told(&r, LARDER_AGENT_LOST_MS) == 100);
  lrd_blame_slow(&blame, r.agent, 20000, 100);
  assert_true(told(&r, LARDER_AGENT_LOST_MS) == 100); /* nobody was near */
  larder_agent_close(&r.agent);
}

/* A second of answers. */
static void second(rig *r, double *now_ms, double latency_ms, unsigned answers, bool failed) {
  for (unsigned i = 0; i < answers; i++) lrd_cascade_tell(&r->watch, *now_ms, latency_ms, failed);
  *now_ms += 1000;
  lrd_cascade_look(&r->watch, *now_ms);
  lrd_blame_look(&blame, r->agent, &r->watch, *now_ms);
}

static void cascades_and_threats_find_their_decisions(void **state) {
  rig r;
  double now_ms = 0;
  (void)state;
  rig_open(&r);
  for (int i = 0; i < 10; i++) second(&r, &now_ms, 10, 10, false);
  decide(&r, now_ms, true, true);
  decide(&r, now_ms, false, true);
  decide(&r, now_ms, false, false);
  for (int i = 0; i < 2; i++) second(&r, &now_ms, 50, 30, true);
  assert_int_equal(r.watch.cascades, 1);
  assert_true(told(&r, LARDER_AGENT_OCCURRED) == 1);
  for (int i = 0; i < 10; i++) second(&r, &now_ms, 10, 10, false);
  assert_true(told(&r, LARDER_AGENT_PREVENTED) == 0); /* that was no mere threat */
  decide(&r, now_ms - 1, false, true);                /* too early */
  decide(&r, now_ms, false, true);                    /* in the second in which it begins */
  second(&r, &now_ms, 50, 30, false);
  assert_int_equal(r.watch.state, LRD_CASCADE_THREAT);
  decide(&r, now_ms, false, true);
  decide(&r, now_ms, true, true);
  for (int i = 0; i < 10; i++) second(&r, &now_ms, 10, 10, false);
  assert_int_equal(r.watch.averted, 1);
  assert_true(told(&r, LARDER_AGENT_PREVENTED) == 2);
  assert_true(told(&r, LARDER_AGENT_OCCURRED) == 1);
  larder_agent_close(&r.agent);
}

static void only_so_many_are_remembered(void **state) {
  rig r;
  (void)state;
  rig_open(&r);
  for (unsigned i = 0; i < 2 * LRD_BLAME_REMEMBERED; i++)
    lrd_blame_remember(&blame, (lrd_blame_decision){.at_ms = 1, .ticket = i + 1, .ahead = true});
  lrd_blame_slow(&blame, r.agent, 2, 100); /* their tickets are of nobody */
  assert_true(told(&r, LARDER_AGENT_LOST_MS) == 0);
  larder_agent_close(&r.agent);
}

static void figures_move_with_what_happens(void **state) {
  static lrd_lately lately;
  larder_agent_state out = {0};
  (void)state;
  lately = (lrd_lately){0};
  for (unsigned i = 0; i < 1000; i++) {
    lrd_lately_request(&lately, i % 2 == 0, 1, i % 64);
    lrd_lately_answer(&lately, i % 4 == 0);
  }
  lrd_lately_fill(&lately, &out);
  assert_true(fabs(out.hit_rate - 0.5) < 0.02 && fabs(out.error_rate - 0.25) < 0.02 && out.eviction_rate > 0.99);
  assert_true(out.p50_ms == 31 && out.p95_ms == 60 && out.p99_ms == 63);
}

static void what_is_usual_moves_while_it_is_calm(void **state) {
  lrd_pace pace = {0};
  (void)state;
  assert_false(lrd_pace_slow(&pace));
  for (int i = 0; i < 20; i++) lrd_pace_move(&pace, 10, true);
  assert_true(fabs(pace.usual_ms - 10) < 1e-9 && !lrd_pace_slow(&pace));
  assert_true(lrd_pace_too_long(&pace, 20) == 0 && fabs(lrd_pace_too_long(&pace, 30) - 5) < 1e-9);
  for (int i = 0; i < 50; i++) lrd_pace_move(&pace, 100, false);
  assert_true(lrd_pace_slow(&pace) && fabs(pace.usual_ms - 10) < 1e-9);
  for (int i = 0; i < 5000; i++) lrd_pace_move(&pace, 100, true);
  assert_true(!lrd_pace_slow(&pace) && pace.usual_ms > 90); /* it is usual now */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slowness_is_shared_by_what_was_made_ahead_lately),
      cmocka_unit_test(cascades_and_threats_find_their_decisions),
      cmocka_unit_test(only_so_many_are_remembered),
      cmocka_unit_test(figures_move_with_what_happens),
      cmocka_unit_test(what_is_usual_moves_while_it_is_calm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
