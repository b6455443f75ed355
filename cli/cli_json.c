/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_json_init(cli_json *json, FILE *stream) { *json = (cli_json){.stream = stream}; }

void cli_json_flush(cli_json *json) {
  fwrite(cli_buf_str(&json->text), 1, json->text.len, json->stream);
  cli_buf_clear(&json->text);
}

void cli_json_end(cli_json *json) {
  cli_buf_text(&json->text, "\n");
  cli_json_flush(json);
  fflush(json->stream);
  cli_buf_fini(&json->text);
}

static void quoted(cli_buf *out, const char *text, size_t len) {
  const unsigned char *at = (const unsigned char *)text;
  cli_buf_text(out, "\"");
  while (len > 0) {
    size_t step = cli_utf8_step(at, len);
    if (step == 0) {
      cli_buf_text(out, "\xef\xbf\xbd");
      step = 1;
    } else if (at[0] == '"' || at[0] == '\\') {
      cli_buf_printf(out, "\\%c", at[0]);
    } else if (at[0] == '\n') {
      cli_buf_text(out, "\\n");
    } else if (at[0] == '\t') {
      cli_buf_text(out, "\\t");
    } else if (at[0] < 0x20 || at[0] == 0x7f) {
      cli_buf_printf(out, "\\u%04x", at[0]);
    } else {
      cli_buf_add(out, at, step);
    }
    at += step;
    len -= step;
  }
  cli_buf_text(out, "\"");
}

static void line_begin(cli_json *json) {
  if (json->one_line) return;
  cli_buf_text(&json->text, "\n");
  for (int i = 0; i < json->depth; i++) cli_buf_text(&json->text, "  ");
}

/* What stands before every value: a comma, a new line, the name. */
static void lead(cli_json *json, const char *name) {
  if (json->depth > 0) {
    if (json->some[json->depth]) cli_buf_text(&json->text, json->one_line ? ", " : ",");
    line_begin(json);
    json->some[json->depth] = true;
  }
  if (name != NULL) {
    quoted(&json->text, name, strlen(name));
    cli_buf_text(&json->text, ": ");
  }
}

static void open_level(cli_json *json, const char *name, const char *bracket) {
  lead(json, name);
  cli_buf_text(&json->text, bracket);
  if (json->depth + 1 >= CLI_JSON_DEPTH_MAX) abort();
  json->some[++json->depth] = false;
}

static void close_level(cli_json *json, const char *bracket) {
  bool some = json->some[json->depth--];
  if (some) line_begin(json);
  cli_buf_text(&json->text, bracket);
}

void cli_json_object(cli_json *json, const char *name) { open_level(json, name, "{"); }
void cli_json_object_end(cli_json *json) { close_level(json, "}"); }
void cli_json_array(cli_json *json, const char *name) { open_level(json, name, "["); }
void cli_json_array_end(cli_json *json) { close_level(json, "]"); }

void cli_json_text_n(cli_json *json, const char *name, const char *text, size_t len) {
  lead(json, name);
  quoted(&json->text, text, len);
}

void cli_json_text(cli_json *json, const char *name, const char *text) {
  if (text == NULL) {
    cli_json_null(json, name);
  } else {
    cli_json_text_n(json, name, text, strlen(text));
  }
}

void cli_json_int(cli_json *json, const char *name, int64_t number) {
  lead(json, name);
  cli_buf_printf(&json->text, "%" PRId64, number);
}

void cli_json_uint(cli_json *json, const char *name, uint64_t number) {
  lead(json, name);
  cli_buf_printf(&json->text, "%" PRIu64, number);
}

void cli_json_double(cli_json *json, const char *name, double number) {
  lead(json, name);
  if (isfinite(number)) {
    cli_buf_printf(&json->text, "%.6g", number);
  } else {
    cli_buf_text(&json->text, "null");
  }
}

void cli_json_bool(cli_json *json, const char *name, bool yes) {
  lead(json, name);
  cli_buf_text(&json->text, yes ? "true" : "false");
}

void cli_json_null(cli_json *json, const char *name) {
  lead(json, name);
  cli_buf_text(&json->text, "null");
}

void cli_json_raw(cli_json *json, const char *name, const char *text, size_t len) {
  lead(json, name);
  while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' ')) len--;
  cli_buf_add(&json->text, text, len);
}

static void base64(cli_buf *out, const unsigned char *data, size_t len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < len; i += 3) {
    uint32_t bits = (uint32_t)data[i] << 16;
    if (i + 1 < len) bits |= (uint32_t)data[i + 1] << 8;
    if (i + 2 < len) bits |= data[i + 2];
    char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], i + 1 < len ? digits[bits >> 6 & 63] : '=',
                    i + 2 < len ? digits[bits & 63] : '='};
    cli_buf_add(out, four, 4);
  }
}

void cli_json_bytes(cli_json *json, const char *name, const char *encoding_name, const void *data, size_t len) {
  bool plain = cli_utf8_valid(data, len);
  if (plain) {
    cli_json_text_n(json, name, len > 0 ? data : "", len);
  } else {
    lead(json, name);
    cli_buf_text(&json->text, "\"");
    base64(&json->text, data, len);
    cli_buf_text(&json->text, "\"");
  }
  cli_json_text(json, encoding_name, plain ? "utf-8" : "base64");
}
