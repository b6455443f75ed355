/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people: growing buffers, escaping of what a terminal must not see, sizes, spans of time and dates. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <larder/error.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Text that grows. Zero-initialise; `data` is NUL-terminated once anything was added. Ends the program when memory does. */
typedef struct cli_buf {
  char *data;
  size_t len;
  size_t room;
} cli_buf;

void cli_buf_add(cli_buf *buf, const void *data, size_t len);
void cli_buf_text(cli_buf *buf, const char *text);
void cli_buf_vprintf(cli_buf *buf, const char *format, va_list args) LARDER_PRINTF(2, 0);
void cli_buf_printf(cli_buf *buf, const char *format, ...) LARDER_PRINTF(2, 3);
void cli_buf_clear(cli_buf *buf);
void cli_buf_fini(cli_buf *buf);
/* Never NULL. */
const char *cli_buf_str(const cli_buf *buf);

/* Memory or the end of the program with exit code 4. */
void *cli_alloc(size_t size);
char *cli_copy(const char *text);

/* Adds bytes so that a terminal can show them: control characters and what is no UTF-8 as \xNN, a backslash doubled. */
void cli_escape(cli_buf *out, const void *data, size_t len);
/* A message of ours with somebody's words in it, and a newline: what would move a terminal's cursor is escaped. */
void cli_line_print(FILE *to, const char *text);
/* Length of the UTF-8 sequence at data, or 0 when there is none. */
size_t cli_utf8_step(const unsigned char *data, size_t len);
bool cli_utf8_valid(const void *data, size_t len);
/* UTF-8 with nothing in it but text, tabs and line ends. */
bool cli_printable(const void *data, size_t len);
/* Columns that a text takes on a terminal; a sequence of UTF-8 counts as one. */
size_t cli_columns(const char *text);
/* Cuts a text to so many columns, the last one an ellipsis where something was cut off. */
void cli_shorten(cli_buf *text, size_t columns);

/* `1.2 KiB`; `6d 23h`; `1,234,567`; `2026-11-21 05:32:09` in local time. Each returns out. */
char *cli_size_text(uint64_t bytes, char *out, size_t room);
char *cli_span_text(int64_t ms, char *out, size_t room);
char *cli_count_text(uint64_t count, char *out, size_t room);
char *cli_date_text(int64_t wall_ms, char *out, size_t room);
char *cli_nanos_text(uint64_t ns, char *out, size_t room);
#define CLI_SHORT 40

int64_t cli_wall_ms(void);
uint64_t cli_mono_ns(void);

/* `entry` or `entries`. */
const char *cli_plural(uint64_t count, const char *one, const char *many);

/* Colour, where stdout is a terminal and NO_COLOR is not set; else the empty string. */
typedef enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW } cli_style;
const char *cli_style_on(FILE *stream, cli_style style);
const char *cli_style_off(FILE *stream);

#endif
