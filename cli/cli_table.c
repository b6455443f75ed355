/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_table.h"

#include <stdlib.h>
#include <string.h>

void cli_table_init(cli_table *table, const char *const *heads) {
  *table = (cli_table){0};
  for (; heads[table->columns] != NULL && table->columns < CLI_TABLE_COLUMNS_MAX; table->columns++) {
    const char *head = heads[table->columns];
    table->right[table->columns] = head[0] == '>';
    table->heads[table->columns] = head[0] == '>' ? head + 1 : head;
    table->widths[table->columns] = cli_columns(table->heads[table->columns]);
  }
}

void cli_table_add_styled(cli_table *table, const char *cell, cli_style style) {
  if (table->cells_len == table->cells_room) {
    size_t room = table->cells_room == 0 ? 64 : table->cells_room * 2;
    char **cells = cli_alloc(room * sizeof *cells);
    cli_style *styles = cli_alloc(room * sizeof *styles);
    for (size_t i = 0; i < table->cells_len; i++) {
      cells[i] = table->cells[i];
      styles[i] = table->styles[i];
    }
    free(table->cells);
    free(table->styles);
    table->cells = cells;
    table->styles = styles;
    table->cells_room = room;
  }
  size_t column = table->cells_len % table->columns;
  size_t width = cli_columns(cell);
  if (width > table->widths[column]) table->widths[column] = width;
  table->styles[table->cells_len] = style;
  table->cells[table->cells_len++] = cli_copy(cell);
}

void cli_table_add(cli_table *table, const char *cell) { cli_table_add_styled(table, cell, CLI_PLAIN); }

static void cell_print(const cli_table *table, FILE *stream, size_t column, const char *cell, cli_style style, bool last) {
  int pad = (int)(table->widths[column] - cli_columns(cell));
  if (table->right[column]) fprintf(stream, "%*s", pad, "");
  fprintf(stream, "%s%s%s", cli_style_on(stream, style), cell, style == CLI_PLAIN ? "" : cli_style_off(stream));
  if (!table->right[column] && !last) fprintf(stream, "%*s", pad, "");
  fputs(last ? "\n" : "  ", stream);
}

/* No blanks behind the last cell that says something: lines stay clean when they are copied or compared. */
static void row_print(const cli_table *table, FILE *stream, char *const *cells, const cli_style *styles) {
  size_t count = table->columns;
  while (count > 1 && cells[count - 1][0] == '\0') count--;
  for (size_t i = 0; i < count; i++) cell_print(table, stream, i, cells[i], styles[i], i + 1 == count);
}

void cli_table_print(cli_table *table, FILE *stream, bool heads) {
  if (heads && !table->headed) {
    for (size_t i = 0; i < table->columns; i++)
      cell_print(table, stream, i, table->heads[i], CLI_BOLD, i + 1 == table->columns);
    table->headed = true;
  }
  for (size_t i = 0; i < table->cells_len; i += table->columns) row_print(table, stream, table->cells + i, table->styles + i);
  for (size_t i = 0; i < table->cells_len; i++) free(table->cells[i]);
  table->cells_len = 0;
}

void cli_table_fini(cli_table *table) {
  for (size_t i = 0; i < table->cells_len; i++) free(table->cells[i]);
  free(table->cells);
  free(table->styles);
  *table = (cli_table){0};
}
