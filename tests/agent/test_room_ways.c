/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "agent/room_ways.h"

static void who_misses_least_lately_is_best(void **state) {
  (void)state;
  lrd_room_misses misses = {{0}};
  assert_int_equal(lrd_room_best(&misses), LRD_ROOM_POLICY); /* of equals the first */
  lrd_room_tell(&misses, LRD_ROOM_POLICY, false);
  assert_int_equal(lrd_room_best(&misses), LRD_ROOM_LRU);
  lrd_room_tell(&misses, LRD_ROOM_LRU, false);
  lrd_room_tell(&misses, LRD_ROOM_LRU, true);
  lrd_room_tell(&misses, LRD_ROOM_UNLIKELY, false);
  assert_int_equal(lrd_room_best(&misses), LRD_ROOM_LRU); /* its miss is the oldest */
  for (unsigned i = 0; i < 50000; i++) {
    lrd_room_tell(&misses, LRD_ROOM_LRU, i % 4 != 0);
    lrd_room_tell(&misses, LRD_ROOM_UNLIKELY, i % 4 == 0);
    lrd_room_tell(&misses, LRD_ROOM_POLICY, false);
  }
  assert_int_equal(lrd_room_best(&misses), LRD_ROOM_LRU);
  for (unsigned i = 0; i < 50000; i++) {
    lrd_room_tell(&misses, LRD_ROOM_LRU, false);
    lrd_room_tell(&misses, LRD_ROOM_UNLIKELY, false);
    lrd_room_tell(&misses, LRD_ROOM_POLICY, true);
  }
  assert_int_equal(lrd_room_best(&misses), LRD_ROOM_POLICY); /* what was long ago is forgotten */
}

static void each_way_is_an_action(void **state) {
  (void)state;
  assert_int_equal(lrd_room_action(LRD_ROOM_POLICY), LARDER_AGENT_CACHE);
  assert_int_equal(lrd_room_action(LRD_ROOM_LRU), LARDER_AGENT_EVICT_LRU);
  assert_int_equal(lrd_room_action(LRD_ROOM_UNLIKELY), LARDER_AGENT_EVICT_UNLIKELY);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_misses_least_lately_is_best),
      cmocka_unit_test(each_way_is_an_action),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
