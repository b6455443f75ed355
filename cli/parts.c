/* SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_JSON_MAX 1000u

/* numpy's own name of a plain type, `float64` for `<f8`; anything else as it is written. */
static void dtype_add(cli_buf *out, const char *dtype, size_t len) {
  static const struct {
    char letter;
    const char *name;
    unsigned bits; /* for each of the number; 0: the number counts characters */
  } names[] = {{'b', "bool", 0},  {'i', "int", 8}, {'u', "uint", 8},       {'f', "float", 8},       {'c', "complex", 8},
               {'S', "bytes", 0}, {'U', "str", 0}, {'M', "datetime64", 0}, {'m', "timedelta64", 0}, {'V', "void", 0}};
  bool marked = len > 0 && memchr("<>|=", dtype[0], 4) != NULL;
  const char *letter = dtype + (marked ? 1 : 0);
  size_t left = len - (marked ? 1 : 0);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (left < 2 || *letter != names[i].letter || letter[1] < '0' || letter[1] > '9') continue;
    unsigned number = 0;
    size_t at = 1;
    for (; at < left && letter[at] >= '0' && letter[at] <= '9' && number < 100000000; at++)
      number = number * 10 + (unsigned)(letter[at] - '0');
    cli_buf_text(out, names[i].name);
    if (names[i].bits > 0) cli_buf_printf(out, "%u", number * names[i].bits);
    if (*letter == 'S' || *letter == 'U' || *letter == 'V') cli_buf_printf(out, "%u", number);
    if (at < left) cli_escape(out, letter + at, left - at);
    if (marked && dtype[0] == '>' && number > 1) cli_buf_text(out, " big-endian");
    return;
  }
  cli_escape(out, dtype, len);
}

static void shape_add(cli_buf *out, const larder_part *part) {
  cli_buf_text(out, " (");
  for (unsigned i = 0; i < part->dims; i++) cli_buf_printf(out, "%s%" PRIu64, i > 0 ? ", " : "", part->shape[i]);
  cli_buf_text(out, part->dims == 1 ? ",)" : ")");
  if (part->fortran && part->dims > 1) cli_buf_text(out, " Fortran order");
}

static void figures_add(cli_buf *out, const larder_part *part, uint64_t figures_max) {
  char size[CLI_SHORT];
  if (part->figures == LARDER_FIGURES_MADE)
    cli_buf_printf(out, ", min %.6g, max %.6g, mean %.6g", part->min, part->max, part->mean);
  if (part->figures != LARDER_FIGURES_NOT_ASKED && part->nans > 0) cli_buf_printf(out, ", %" PRIu64 " NaN", part->nans);
  if (part->figures != LARDER_FIGURES_NOT_ASKED && part->infinities > 0)
    cli_buf_printf(out, ", %" PRIu64 " infinite", part->infinities);
  if (part->figures == LARDER_FIGURES_NOT_ASKED && part->bytes > figures_max)
    cli_buf_printf(out, ", min, max and mean not computed above %s", cli_size_text(figures_max, size, sizeof size));
}

typedef struct telling {
  cli_buf *out;
  const char *separator;
  size_t most, count;
  uint64_t figures_max;
  bool array; /* figures are spoken of */
} telling;

static bool part_tell(void *context, const larder_part *part) {
  telling *t = context;
  char size[CLI_SHORT];
  if (t->count++ >= t->most) return true;
  if (t->count > 1) cli_buf_text(t->out, t->separator);
  if (part->name != NULL) {
    cli_escape(t->out, part->name, part->name_len);
    cli_buf_text(t->out, ": ");
  }
  if (part->dtype != NULL) {
    dtype_add(t->out, part->dtype, part->dtype_len);
    shape_add(t->out, part);
  } else {
    cli_buf_text(t->out, cli_size_text(part->bytes, size, sizeof size));
  }
  if (t->array) figures_add(t->out, part, t->figures_max);
  return true;
}

static bool is_model(larder_format format) {
  return format == LARDER_FORMAT_SAFETENSORS || format == LARDER_FORMAT_TORCH || format == LARDER_FORMAT_PICKLE;
}

bool cli_parts_text(cli_buf *out, const void *value, size_t len, larder_kind kind, uint64_t figures_max, size_t most,
                    const char *separator, const char **how_out) {
  cli_buf told = {0};
  larder_format format = LARDER_FORMAT_BYTES;
  larder_error why = {0};
  telling t = {&told, separator, most, 0, figures_max, kind != LARDER_KIND_MODEL};
  larder_err result = larder_parts(kind, value, len, figures_max, part_tell, &t, &format, &why);
  bool told_so = result == LARDER_OK && format != LARDER_FORMAT_BYTES;
  if (told_so) {
    *how_out = is_model(format) ? "model" : "array";
    cli_buf_printf(out, "%s", larder_format_name(format));
    if (told.len > 0) cli_buf_printf(out, "%s%s", strcmp(separator, "; ") == 0 ? " " : separator, cli_buf_str(&told));
    if (t.count > most) cli_buf_printf(out, "%sand %zu more", separator, t.count - most);
  } else if (result != LARDER_OK) {
    *how_out = kind == LARDER_KIND_MODEL ? "model" : "array";
    cli_buf_printf(out, "broken: ");
    cli_escape(out, why.message, strlen(why.message));
  }
  cli_buf_fini(&told);
  return told_so || result != LARDER_OK;
}

typedef struct writing {
  cli_json *json;
  size_t count;
} writing;

static bool part_write(void *context, const larder_part *part) {
  writing *w = context;
  cli_json *json = w->json;
  bool made = part->figures == LARDER_FIGURES_MADE;
  if (w->count++ >= PARTS_JSON_MAX) return true;
  cli_json_object(json, NULL);
  if (part->name != NULL)
    cli_json_text_n(json, "name", part->name, part->name_len);
  else
    cli_json_null(json, "name");
  if (part->dtype != NULL)
    cli_json_text_n(json, "dtype", part->dtype, part->dtype_len);
  else
    cli_json_null(json, "dtype");
  cli_json_array(json, "shape");
  for (unsigned i = 0; i < part->dims; i++) cli_json_uint(json, NULL, part->shape[i]);
  cli_json_array_end(json);
  cli_json_bool(json, "fortran", part->fortran);
  cli_json_uint(json, "bytes", part->bytes);
  const char *const names[] = {"min", "max", "mean"};
  const double figures[] = {part->min, part->max, part->mean};
  for (size_t i = 0; i < 3; i++) {
    if (made)
      cli_json_double(json, names[i], figures[i]);
    else
      cli_json_null(json, names[i]);
  }
  if (part->figures == LARDER_FIGURES_NOT_ASKED) {
    cli_json_null(json, "nans");
    cli_json_null(json, "infinities");
  } else {
    cli_json_uint(json, "nans", part->nans);
    cli_json_uint(json, "infinities", part->infinities);
  }
  cli_json_object_end(json);
  return true;
}

void cli_parts_json(cli_json *json, const void *value, size_t len, larder_kind kind, uint64_t figures_max) {
  writing w = {json, 0};
  cli_json_array(json, "parts");
  if (value != NULL) {
    /* What is broken is told by the preview. */
    larder_err result = larder_parts(kind, value, len, figures_max, part_write, &w, NULL, NULL);
    (void)result;
  }
  cli_json_array_end(json);
  cli_json_uint(json, "parts_total", w.count);
}
