/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of statistics of one root, as if other processes had them: who is alive is said by the test. */
#ifndef LRD_TESTS_ROWS_FIXTURE_H
#define LRD_TESTS_ROWS_FIXTURE_H

#include "support/support.h"

#include "stats/segment.h"
#include "stats/stats.h"

#define ROOT "0123456789abcdef0123456789abcdef"

extern bool rows_alive[LRD_STATS_ROWS];

bool row_lives(void *context, uint32_t row);
/* Nobody is alive any more. */
void rows_clear(void);
lrd_stats *row_open(const char *folder, uint32_t row);
/* Own. */
char *row_path(const char *folder, uint32_t row);
/* In the row's file the cell's place for `op` is beyond all places: it lies in memory that others could write. */
void row_place_spoil(const char *folder, uint32_t row, const lrd_stats_cell *cell, unsigned op);

#endif
