/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy adaptive decided, as rows of several processes tell it. */
#include "support/support.h"

#include "stats/segment.h"
#include "stats/stats.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ROOT "0123456789abcdef0123456789abcdef"

static bool rows_alive[LRD_STATS_ROWS];

static bool row_lives(void *context, uint32_t row) {
  (void)context;
  return rows_alive[row];
}

static lrd_stats *open_row(const char *folder, uint32_t row) {
  lrd_stats *stats = NULL;
  lrd_stats_params params = {.root_id_hex = ROOT, .row = row, .program = "program", .folder = folder, .row_lives = row_lives};
  assert_ok(lrd_stats_open(&params, &stats, NULL));
  return stats;
}

static lrd_stats *row_that_decided(const char *folder, uint32_t row, uint64_t asked, unsigned leader) {
  lrd_stats *stats = open_row(folder, row);
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
  memset(rows_alive, 0, sizeof rows_alive);
  lrd_stats *first = row_that_decided(folder, 1, 1000, LARDER_EXPERT_CLOCK);
  lrd_stats *other = row_that_decided(folder, 2, 4000, LARDER_EXPERT_S3_30);
  lrd_stats *reader = open_row(folder, 3);
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

/* The number of the place lies in memory that others could write. */
static void a_place_out_of_bounds_is_not_believed(void **state) {
  (void)state;
  char *folder = support_dir_make();
  larder_adaptive sum;
  memset(rows_alive, 0, sizeof rows_alive);
  lrd_stats *stats = row_that_decided(folder, 1, 1000, LARDER_EXPERT_CLOCK);
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "census", "memory");
  char *path = lrd_segment_path(folder, ROOT, 1);
  uint32_t const wrong = STATS_HISTOGRAMS + 1;
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  off_t const at =
      (off_t)(STATS_CELLS_AT + cell->index * sizeof(stats_cell) + offsetof(stats_cell, histogram[STATS_OP_DECIDED]));
  assert_int_equal(pwrite(fd, &wrong, sizeof wrong, at), sizeof wrong);
  close(fd);
  assert_false(decided(stats, &sum));
  lrd_stats_set_adaptive(cell, &(larder_adaptive){.asked = 5});
  assert_false(decided(stats, &sum));
  lrd_dealloc(path);
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
