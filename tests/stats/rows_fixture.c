/* SPDX-License-Identifier: Apache-2.0 */
#include "rows_fixture.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool rows_alive[LRD_STATS_ROWS];

bool row_lives(void *context, uint32_t row) {
  (void)context;
  return rows_alive[row];
}

void rows_clear(void) { memset(rows_alive, 0, sizeof rows_alive); }

lrd_stats *row_open(const char *folder, uint32_t row) {
  lrd_stats *stats = NULL;
  lrd_stats_params params = {.root_id_hex = ROOT, .row = row, .program = "program", .folder = folder, .row_lives = row_lives};
  assert_ok(lrd_stats_open(&params, &stats, NULL));
  return stats;
}

char *row_path(const char *folder, uint32_t row) {
  char *path = lrd_segment_path(folder, ROOT, row);
  assert_non_null(path);
  return path;
}

void row_place_spoil(const char *folder, uint32_t row, const lrd_stats_cell *cell, unsigned op) {
  char *path = row_path(folder, row);
  uint32_t const wrong = STATS_HISTOGRAMS + 1;
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  size_t const at = STATS_CELLS_AT + cell->index * sizeof(stats_cell) + offsetof(stats_cell, histogram) + op * sizeof wrong;
  assert_int_equal(pwrite(fd, &wrong, sizeof wrong, (off_t)at), sizeof wrong);
  close(fd);
  lrd_dealloc(path);
}
