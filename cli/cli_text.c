/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_text.h"

#include "command.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void *cli_alloc(size_t size) {
  void *memory = calloc(1, size > 0 ? size : 1);
  if (memory == NULL) {
    fputs("larder: out of memory\n", stderr);
    exit(CLI_FAILED);
  }
  return memory;
}

char *cli_copy(const char *text) {
  size_t len = strlen(text) + 1;
  return memcpy(cli_alloc(len), text, len);
}

static void buf_reserve(cli_buf *buf, size_t more) {
  size_t wanted = buf->len + more + 1;
  if (wanted <= buf->room) return;
  size_t room = buf->room < 64 ? 64 : buf->room;
  while (room < wanted) room *= 2;
  char *data = realloc(buf->data, room);
  if (data == NULL) {
    fputs("larder: out of memory\n", stderr);
    exit(CLI_FAILED);
  }
  buf->data = data;
  buf->room = room;
}

void cli_buf_add(cli_buf *buf, const void *data, size_t len) {
  buf_reserve(buf, len);
  if (len > 0) memcpy(buf->data + buf->len, data, len);
  buf->len += len;
  buf->data[buf->len] = '\0';
}

void cli_buf_text(cli_buf *buf, const char *text) { cli_buf_add(buf, text, strlen(text)); }

void cli_buf_vprintf(cli_buf *buf, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  if (len > 0) {
    buf_reserve(buf, (size_t)len);
    vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
    buf->len += (size_t)len;
  }
  va_end(again);
}

void cli_buf_printf(cli_buf *buf, const char *format, ...) {
  va_list args;
  va_start(args, format);
  cli_buf_vprintf(buf, format, args);
  va_end(args);
}

void cli_buf_clear(cli_buf *buf) {
  buf->len = 0;
  if (buf->data != NULL) buf->data[0] = '\0';
}

void cli_buf_fini(cli_buf *buf) {
  free(buf->data);
  *buf = (cli_buf){0};
}

const char *cli_buf_str(const cli_buf *buf) { return buf->data != NULL ? buf->data : ""; }

/* Refuses overlong forms, surrogates and what is above U+10FFFF, as RFC 3629 does. */
size_t cli_utf8_step(const unsigned char *data, size_t len) {
  if (len == 0) return 0;
  unsigned char first = data[0];
  if (first < 0x80) return 1;
  size_t want = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (want == 0 || want > len) return 0;
  for (size_t i = 1; i < want; i++) {
    if ((data[i] & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && data[1] < 0xa0) return 0;
  if (first == 0xed && data[1] > 0x9f) return 0;
  if (first == 0xf0 && data[1] < 0x90) return 0;
  if (first == 0xf4 && data[1] > 0x8f) return 0;
  return want;
}

bool cli_utf8_valid(const void *data, size_t len) {
  const unsigned char *at = data;
  while (len > 0) {
    size_t step = cli_utf8_step(at, len);
    if (step == 0) return false;
    at += step;
    len -= step;
  }
  return true;
}

/* C0, DEL and C1: what moves a terminal's cursor. */
static bool is_control(const unsigned char *at, size_t step) {
  return (step == 1 && (at[0] < 0x20 || at[0] == 0x7f)) || (step == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

bool cli_printable(const void *data, size_t len) {
  const unsigned char *at = data;
  while (len > 0) {
    size_t step = cli_utf8_step(at, len);
    bool space = at[0] == '\t' || at[0] == '\n' || at[0] == '\r';
    if (step == 0 || (is_control(at, step) && !space)) return false;
    at += step;
    len -= step;
  }
  return true;
}

/* With `lines`, lines stay lines and a backslash is one. */
static void escape(cli_buf *out, const void *data, size_t len, bool lines) {
  const unsigned char *at = data;
  while (len > 0) {
    size_t step = cli_utf8_step(at, len);
    if (lines && (at[0] == '\n' || at[0] == '\t' || at[0] == '\\')) {
      cli_buf_add(out, at, step);
    } else if (step == 0 || is_control(at, step)) {
      size_t bytes = step == 0 ? 1 : step;
      if (at[0] == '\n') {
        cli_buf_text(out, "\\n");
      } else if (at[0] == '\t') {
        cli_buf_text(out, "\\t");
      } else {
        for (size_t i = 0; i < bytes; i++) cli_buf_printf(out, "\\x%02x", at[i]);
      }
      step = bytes;
    } else if (at[0] == '\\') {
      cli_buf_text(out, "\\\\");
    } else {
      cli_buf_add(out, at, step);
    }
    at += step;
    len -= step;
  }
}

void cli_escape(cli_buf *out, const void *data, size_t len) { escape(out, data, len, false); }

void cli_line_print(FILE *to, const char *text) {
  cli_buf line = {0};
  escape(&line, text, strlen(text), true);
  fprintf(to, "%s\n", cli_buf_str(&line));
  cli_buf_fini(&line);
}

size_t cli_columns(const char *text) {
  size_t columns = 0;
  for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
    if ((*at & 0xc0) != 0x80) columns++;
  }
  return columns;
}

void cli_shorten(cli_buf *text, size_t columns) {
  if (columns == 0 || cli_columns(cli_buf_str(text)) <= columns) return;
  size_t seen = 0;
  size_t at = 0;
  while (at < text->len && seen < columns - 1) {
    at += cli_utf8_step((const unsigned char *)text->data + at, text->len - at);
    seen++;
  }
  text->len = at;
  cli_buf_text(text, "…");
}

char *cli_size_text(uint64_t bytes, char *out, size_t room) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) {
    snprintf(out, room, "%" PRIu64 " B", bytes);
    return out;
  }
  double amount = (double)bytes;
  size_t unit = 0;
  while (amount >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]) {
    amount /= 1024;
    unit++;
  }
  snprintf(out, room, "%.1f %s", amount, units[unit]);
  return out;
}

char *cli_span_text(int64_t ms, char *out, size_t room) {
  static const struct {
    int64_t ms;
    const char *name;
  } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}};
  if (ms < 0) ms = 0;
  if (ms < 1000) {
    snprintf(out, room, "%" PRId64 "ms", ms);
    return out;
  }
  for (size_t i = 0; i < 4; i++) {
    if (ms < units[i].ms) continue;
    int64_t whole = ms / units[i].ms;
    int64_t rest = i < 3 ? ms % units[i].ms / units[i + 1].ms : 0;
    if (rest > 0) {
      snprintf(out, room, "%" PRId64 "%s %" PRId64 "%s", whole, units[i].name, rest, units[i + 1].name);
    } else {
      snprintf(out, room, "%" PRId64 "%s", whole, units[i].name);
    }
    break;
  }
  return out;
}

char *cli_count_text(uint64_t count, char *out, size_t room) {
  char digits[24];
  int len = snprintf(digits, sizeof digits, "%" PRIu64, count);
  size_t at = 0;
  for (int i = 0; i < len && at + 2 < room; i++) {
    if (i > 0 && (len - i) % 3 == 0) out[at++] = ',';
    out[at++] = digits[i];
  }
  out[at] = '\0';
  return out;
}

char *cli_date_text(int64_t wall_ms, char *out, size_t room) {
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm local;
  if (localtime_r(&seconds, &local) == NULL || strftime(out, room, "%Y-%m-%d %H:%M:%S", &local) == 0) snprintf(out, room, "?");
  return out;
}

char *cli_nanos_text(uint64_t ns, char *out, size_t room) {
  if (ns < 1000) {
    snprintf(out, room, "%" PRIu64 " ns", ns);
  } else if (ns < 1000000) {
    snprintf(out, room, "%.1f µs", (double)ns / 1e3);
  } else if (ns < 1000000000) {
    snprintf(out, room, "%.1f ms", (double)ns / 1e6);
  } else {
    snprintf(out, room, "%.1f s", (double)ns / 1e9);
  }
  return out;
}

int64_t cli_wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t cli_mono_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const char *cli_plural(uint64_t count, const char *one, const char *many) { return count == 1 ? one : many; }

static bool coloured(FILE *stream) {
  const char *off = getenv("NO_COLOR");
  const char *term = getenv("TERM");
  if (off != NULL && off[0] != '\0') return false;
  return isatty(fileno(stream)) && term != NULL && strcmp(term, "dumb") != 0;
}

const char *cli_style_on(FILE *stream, cli_style style) {
  static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m"};
  return coloured(stream) ? codes[style] : "";
}

const char *cli_style_off(FILE *stream) { return coloured(stream) ? "\033[0m" : ""; }
