/* SPDX-License-Identifier: Apache-2.0 */
/* Columns that align. Rows are kept until they are printed, so that a column is as wide as its widest cell. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli_text.h"

#define CLI_TABLE_COLUMNS_MAX 12

typedef struct cli_table {
  size_t columns;
  const char *heads[CLI_TABLE_COLUMNS_MAX];
  bool right[CLI_TABLE_COLUMNS_MAX];
  size_t widths[CLI_TABLE_COLUMNS_MAX];
  char **cells;
  cli_style *styles; /* one per cell */
  size_t cells_len;
  size_t cells_room;
  bool headed; /* the heads are printed */
} cli_table;

/* heads: texts ended by NULL; one that begins with '>' heads a column whose cells stand at its right edge. */
void cli_table_init(cli_table *table, const char *const *heads);
/* Cells are added from left to right, row after row; copied. */
void cli_table_add(cli_table *table, const char *cell);
void cli_table_add_styled(cli_table *table, const char *cell, cli_style style);
/* Prints the rows gathered, the heads before the first ones, and forgets them; widths only grow. */
void cli_table_print(cli_table *table, FILE *stream, bool heads);
void cli_table_fini(cli_table *table);

#endif
