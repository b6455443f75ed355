/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy adaptive decided, as rows of several processes tell it. */
#include "rows_fixture.h"

static lrd_stats *row_that_decided(const char *folder, uint32_t row, uint64_t asked, unsigned leader) {
  lrd_stats *stats = row_open(folder, row);
  larder_adaptive now = {.size = sizeof now, .asked = asked, .switches = 1};
  rows_alive[row] = true;
  now.experts[leader] = (larder_adaptive_expert){.entries = asked / 10, .led = asked, .missed = asked / 4};
  lrd_stats_set_adaptive(lrd_stats_cell_of(stats, "census", "memory"), &(larder_adaptive){.asked = 1}); /* is replaced */
  lrd_stats_set_adaptive(lrd_stats_cell_of(stats, "census", "memory"), &now);
  return stats;
}

static bool decided(lrd_stats *stats, larder_adaptive *out) {
  larder_stats *shot = NULL;
  *out = (larder_adaptive){.size = sizeof *out};
  assert_ok(lrd_stats_snapshot(stats, &shot));
  bool known = larder_stats_adaptive_of(shot, "census", out);
  larder_stats_free(&shot);
  return known;
}

static void decisions_of_all_processes_add_up(void **state) {
  (void)state;
  char *folder = support_dir_make();
  larder_adaptive sum;
  rows_clear();
  lrd_stats *first = row_that_decided(folder, 1, 1000, LARDER_EXPERT_CLOCK);
  lrd_stats *other = row_that_decided(folder, 2, 4000, LARDER_EXPERT_S3_30);
  lrd_stats *reader = row_open(folder, 3);
  rows_alive[3] = true;
  assert_true(decided(reader, &sum));
  assert_int_equal(sum.asked, 5000);
  assert_int_equal(sum.switches, 2);
  assert_int_equal(sum.leader, LARDER_EXPERT_S3_30);
  assert_string_equal(sum.experts[sum.leader].name, "s3-30");
  assert_int_equal(sum.experts[LARDER_EXPERT_CLOCK].entries, 100);
  assert_int_equal(sum.experts[LARDER_EXPERT_CLOCK].led, 1000);
  assert_int_equal(sum.experts[LARDER_EXPERT_CLOCK].missed, 250);
  assert_int_equal(sum.experts[LARDER_EXPERT_S3_30].missed, 1000);
  /* It is about now: a reset takes nothing away. Who is gone has decided nothing. */
  assert_ok(lrd_stats_reset(reader));
  assert_true(decided(reader, &sum));
  assert_int_equal(sum.asked, 5000);
  lrd_buf kept = {0};
  assert_int_equal(lrd_stats_take_row(other, 2, &kept), LARDER_MISS); /* there is nothing to keep of it */
  lrd_stats_close(other);
  lrd_buf_fini(&kept);
  assert_true(decided(reader, &sum));
  assert_int_equal(sum.asked, 1000);
  lrd_stats_close(first);
  lrd_stats_close(reader);
  support_dir_remove(&folder);
}

static void a_place_out_of_bounds_is_not_believed(void **state) {
  (void)state;
  char *folder = support_dir_make();
  larder_adaptive sum;
  rows_clear();
  lrd_stats *stats = row_that_decided(folder, 1, 1000, LARDER_EXPERT_CLOCK);
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "census", "memory");
  row_place_spoil(folder, 1, cell, STATS_OP_DECIDED);
  assert_false(decided(stats, &sum));
  lrd_stats_set_adaptive(cell, &(larder_adaptive){.asked = 5});
  assert_false(decided(stats, &sum));
  lrd_stats_close(stats);
  support_dir_remove(&folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decisions_of_all_processes_add_up),
      cmocka_unit_test(a_place_out_of_bounds_is_not_believed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
