/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_fixture.h"

#include "agent/hosting.h"
#include <math.h>

static void a_guess_is_made_ahead_by_whoever_dares(void **state) {
  (void)state;
  unsigned aggressive = BIT(LARDER_AGENT_AGGRESSIVE), moderate = aggressive | BIT(LARDER_AGENT_MODERATE);
  assert_int_equal(lrd_hosting_aheads(0), 0);
  assert_int_equal(lrd_hosting_aheads(0.3), 0); /* above it, not at it */
  assert_int_equal(lrd_hosting_aheads(0.31), aggressive);
  assert_int_equal(lrd_hosting_aheads(0.5), aggressive);
  assert_int_equal(lrd_hosting_aheads(0.51), moderate);
  assert_int_equal(lrd_hosting_aheads(0.7), moderate);
  assert_int_equal(lrd_hosting_aheads(0.71), LRD_HOSTING_AHEADS);
  assert_int_equal(lrd_hosting_aheads(1), LRD_HOSTING_AHEADS);
  assert_int_equal(lrd_hosting_aheads(NAN), 0);
}

static void decisions_are_waited_for_as_long_as_entries_stay(void **state) {
  (void)state;
  assert_int_equal(lrd_hosting_horizon(0), 64);
  assert_int_equal(lrd_hosting_horizon(42), 64);
  assert_int_equal(lrd_hosting_horizon(1001), 1501);
  assert_int_equal(lrd_hosting_horizon(43690), LARDER_AGENT_HORIZON_MAX - 1);
  assert_int_equal(lrd_hosting_horizon(43692), LARDER_AGENT_HORIZON_MAX);
  assert_int_equal(lrd_hosting_horizon(UINT64_MAX), LARDER_AGENT_HORIZON_MAX);
}

static void what_came_is_told_to_its_decision(void **state) {
  (void)state;
  larder_agent *agent = agent_of(&(larder_agent_options){.horizon = 8});
  larder_agent_decision d;
  larder_agent_figures figures;
  larder_agent_decide(agent, &(larder_agent_state){0}, ALL, &d);
  lrd_hosting_wanted(agent, d.ticket, 40);
  lrd_hosting_ahead(agent, d.ticket, true, 12);
  lrd_hosting_ahead(agent, d.ticket, false, 99); /* it has no KB */
  lrd_hosting_wanted(agent, d.ticket + 1, 7);    /* nobody's */
  larder_agent_figures_get(agent, &figures);
  const double told[LARDER_AGENT_EVENTS] = {[LARDER_AGENT_MISS] = 1,
                                            [LARDER_AGENT_FULL] = 1,
                                            [LARDER_AGENT_LOST_MS] = 40,
                                            [LARDER_AGENT_KB] = 12,
                                            [LARDER_AGENT_WASTED] = 1};
  for (unsigned e = 0; e < LARDER_AGENT_EVENTS; e++) assert_true(figures.told[e] == told[e]);
  larder_agent_close(&agent);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_guess_is_made_ahead_by_whoever_dares),
      cmocka_unit_test(decisions_are_waited_for_as_long_as_entries_stay),
      cmocka_unit_test(what_came_is_told_to_its_decision),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
