/* SPDX-License-Identifier: Apache-2.0 */
/* What agents have come to, as rows of several processes tell it. */
#include "rows_fixture.h"

#include "stats/learned.h"
#include <math.h>
#include <string.h>

static lrd_stats *row_open_alive(const char *folder, uint32_t row) {
  rows_alive[row] = true;
  return row_open(folder, row);
}

/* No two fields alike. */
static larder_learning_figures figures_of(uint64_t scale, bool aside) {
  larder_learning_figures f = {.agents = 1,
                               .aside = aside,
                               .compared = 3 * scale,
                               .ms = 0.5 * (double)scale,
                               .plain_ms = 0.25 * (double)scale,
                               .origin = 5 * (double)scale,
                               .plain_origin = 6 * (double)scale,
                               .cascades = 7 * scale,
                               .averted = 8 * scale};
  f.agent.decisions = 9 * scale;
  f.agent.explored = 10 * scale;
  f.agent.windows = 11 * scale;
  f.agent.stepped_aside = 12 * scale;
  f.agent.windows_aside = 13 * scale;
  f.agent.epsilon = 0.01 * (double)scale;
  f.agent.aside = aside;
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    f.agent.taken[a] = (20 + a) * scale;
    f.agent.learned[a] = (30 + a) * scale;
    f.agent.reward[a] = -(40.0 + a) * (double)scale;
  }
  for (unsigned e = 0; e < LARDER_AGENT_EVENTS; e++) f.agent.told[e] = (50.5 + e) * (double)scale;
  return f;
}

static void assert_same(const larder_learning_figures *one, const larder_learning_figures *other) {
  assert_true(one->agents == other->agents && one->aside == other->aside && one->compared == other->compared);
  assert_true(one->ms == other->ms && one->plain_ms == other->plain_ms);
  assert_true(one->origin == other->origin && one->plain_origin == other->plain_origin);
  assert_true(one->cascades == other->cascades && one->averted == other->averted);
  const larder_agent_figures *a = &one->agent, *b = &other->agent;
  assert_true(a->decisions == b->decisions && a->explored == b->explored && a->windows == b->windows);
  assert_true(a->stepped_aside == b->stepped_aside && a->windows_aside == b->windows_aside && a->aside == b->aside);
  assert_true(fabs(a->epsilon - b->epsilon) < 1e-12);
  assert_memory_equal(a->taken, b->taken, sizeof a->taken);
  assert_memory_equal(a->learned, b->learned, sizeof a->learned);
  assert_memory_equal(a->reward, b->reward, sizeof a->reward);
  assert_memory_equal(a->told, b->told, sizeof a->told);
}

static bool seen(lrd_stats *stats, const char *ns, larder_learning_figures *out) {
  larder_stats *shot = NULL;
  assert_ok(lrd_stats_snapshot(stats, &shot));
  bool known = larder_stats_learning_of(shot, ns, out);
  larder_stats_free(&shot);
  return known;
}

static void agents_of_all_processes_add_up(void **state) {
  (void)state;
  char *folder = support_dir_make();
  larder_learning_figures sum, one = figures_of(1, false), two = figures_of(2, true), three = figures_of(3, true);
  rows_clear();
  lrd_stats *first = row_open_alive(folder, 1), *other = row_open_alive(folder, 2), *reader = row_open_alive(folder, 3);
  assert_false(seen(reader, "api", &sum));
  lrd_stats_set_learning(lrd_stats_cell_of(first, "api", LRD_STATS_ALL), &two); /* is replaced */
  lrd_stats_set_learning(lrd_stats_cell_of(first, "api", LRD_STATS_ALL), &one);
  assert_true(seen(reader, "api", &sum));
  assert_same(&sum, &one);
  lrd_stats_set_learning(lrd_stats_cell_of(other, "api", LRD_STATS_ALL), &two);
  assert_true(seen(reader, "api", &sum));
  three.agents = 2;
  three.aside = 1;
  three.agent.epsilon = 0.015; /* the mean */
  assert_same(&sum, &three);
  assert_false(seen(reader, "other", &sum));
  assert_ok(lrd_stats_reset(reader)); /* it is about now */
  assert_true(seen(reader, "api", &sum));
  assert_int_equal(sum.agents, 2);
  lrd_buf kept = {0};
  assert_int_equal(lrd_stats_take_row(other, 2, &kept), LARDER_MISS); /* there is nothing to keep of it */
  lrd_stats_close(other);
  lrd_buf_fini(&kept);
  assert_true(seen(reader, "api", &sum));
  assert_same(&sum, &one);
  lrd_stats_close(first);
  lrd_stats_close(reader);
  support_dir_remove(&folder);
}

/* They lie in memory that others could write. */
static void what_is_no_number_is_not_believed(void **state) {
  (void)state;
  uint64_t words[STATS_LEARNED_WORDS];
  larder_learning_figures read;
  memset(words, 0xff, sizeof words);
  lrd_learned_unpack(words, &read);
  assert_true(read.ms == 0 && read.plain_origin == 0 && read.agent.epsilon == 0 && read.agent.reward[3] == 0);
  assert_true(read.agent.told[LARDER_AGENT_EVENTS - 1] == 0 && read.agents == UINT64_MAX && read.agent.aside);
}

static void a_place_out_of_bounds_is_not_believed(void **state) {
  (void)state;
  char *folder = support_dir_make();
  larder_learning_figures sum, one = figures_of(1, false);
  rows_clear();
  lrd_stats *stats = row_open_alive(folder, 1);
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "api", LRD_STATS_ALL);
  lrd_stats_set_learning(cell, &one);
  row_place_spoil(folder, 1, cell, STATS_OP_LEARNED);
  assert_false(seen(stats, "api", &sum));
  lrd_stats_set_learning(cell, &one);
  assert_false(seen(stats, "api", &sum));
  lrd_stats_close(stats);
  support_dir_remove(&folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agents_of_all_processes_add_up),
      cmocka_unit_test(what_is_no_number_is_not_believed),
      cmocka_unit_test(a_place_out_of_bounds_is_not_believed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
