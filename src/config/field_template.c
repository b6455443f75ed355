/* SPDX-License-Identifier: Apache-2.0 */
/* A template is pieces: the text before a field, and the field's number; the last piece has none. */
#include "config/field_template.h"

#include "base/fail.h"

#define ROOM     "config"
#define NO_FIELD UINT32_MAX

typedef struct piece {
  size_t at, len; /* in texts */
  uint32_t field;
} piece;

struct lrd_field_template {
  lrd_buf texts;  /* of the pieces, one behind the other */
  lrd_buf pieces; /* piece[] */
  char *names[LRD_FIELD_TEMPLATE_NAMES];
  size_t names_len;
};

void lrd_field_template_free(lrd_field_template *plate) {
  if (plate == NULL) return;
  for (size_t i = 0; i < plate->names_len; i++) lrd_dealloc(plate->names[i]);
  lrd_buf_fini(&plate->texts);
  lrd_buf_fini(&plate->pieces);
  lrd_dealloc(plate);
}

size_t lrd_field_template_count(const lrd_field_template *plate) { return plate->names_len; }

const char *lrd_field_template_name(const lrd_field_template *plate, size_t index) { return plate->names[index]; }

/* LARDER_ETOOBIG: one name too many. */
static larder_err name_add(lrd_field_template *plate, const char *name, size_t len, uint32_t *index_out) {
  size_t i = 0;
  while (i < plate->names_len && (strlen(plate->names[i]) != len || memcmp(plate->names[i], name, len) != 0)) i++;
  if (i == LRD_FIELD_TEMPLATE_NAMES) return LARDER_ETOOBIG;
  if (i == plate->names_len) {
    plate->names[i] = lrd_strndup(name, len);
    if (plate->names[i] == NULL) return LARDER_ENOMEM;
    plate->names_len++;
  }
  *index_out = (uint32_t)i;
  return LARDER_OK;
}

/* The text since the last piece becomes one. */
static larder_err piece_add(lrd_field_template *plate, size_t *begin, uint32_t field) {
  piece next = {*begin, plate->texts.len - *begin, field};
  *begin = plate->texts.len;
  return lrd_buf_append(&plate->pieces, &next, sizeof next);
}

static larder_err mistaken(larder_error *err, const char *text, size_t at, const char *what) {
  return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "key template \"%.80s\": at character %zu: %s", text, at + 1, what);
}

/* The field in braces at `at`, which moves behind it. */
static larder_err field_read(lrd_field_template *plate, const char *text, size_t *at, size_t *begin, larder_error *err) {
  const char *name = text + *at + 1;
  size_t len = strcspn(name, "{}");
  uint32_t field = 0;
  if (name[len] != '}') return mistaken(err, text, *at, "a { without its }; write {{ for a brace");
  if (len == 0) return mistaken(err, text, *at, "the name of a field stands between the braces");
  larder_err result = name_add(plate, name, len, &field);
  if (result == LARDER_ETOOBIG) return mistaken(err, text, *at, "more than 16 different fields");
  if (result == LARDER_OK) result = piece_add(plate, begin, field);
  *at += len + 2;
  return result;
}

static larder_err text_read(lrd_field_template *plate, const char *text, larder_error *err) {
  size_t begin = 0;
  larder_err result = LARDER_OK;
  for (size_t at = 0; text[at] != '\0' && result == LARDER_OK;) {
    bool brace = text[at] == '{' || text[at] == '}';
    bool doubled = brace && text[at + 1] == text[at];
    if (brace && !doubled && text[at] == '}') return mistaken(err, text, at, "a } without its {; write }} for a brace");
    if (brace && !doubled) {
      result = field_read(plate, text, &at, &begin, err);
      continue;
    }
    result = lrd_buf_append_byte(&plate->texts, (uint8_t)text[at]);
    at += doubled ? 2 : 1;
  }
  return result == LARDER_OK ? piece_add(plate, &begin, NO_FIELD) : result;
}

larder_err lrd_field_template_new(const char *text, lrd_field_template **out, larder_error *err) {
  lrd_field_template *plate = lrd_alloc_zero(1, sizeof *plate);
  larder_err result = plate != NULL ? text_read(plate, text, err) : LARDER_ENOMEM;
  if (result == LARDER_ENOMEM) lrd_ignore(lrd_fail(err, result, 0, ROOM, "out of memory"));
  if (result == LARDER_OK)
    *out = plate;
  else
    lrd_field_template_free(plate);
  return result;
}

larder_err lrd_field_template_single(const char *name, lrd_field_template **out) {
  lrd_field_template *plate = lrd_alloc_zero(1, sizeof *plate);
  size_t begin = 0;
  uint32_t field = 0;
  larder_err result = plate != NULL ? name_add(plate, name, strlen(name), &field) : LARDER_ENOMEM;
  if (result == LARDER_OK) result = piece_add(plate, &begin, field);
  if (result == LARDER_OK) result = piece_add(plate, &begin, NO_FIELD);
  if (result == LARDER_OK)
    *out = plate;
  else
    lrd_field_template_free(plate);
  return result;
}

larder_err lrd_field_template_fill(const lrd_field_template *plate, const lrd_span *values, lrd_buf *out) {
  larder_err err = LARDER_OK;
  for (size_t at = 0; at < plate->pieces.len && err == LARDER_OK; at += sizeof(piece)) {
    piece one;
    memcpy(&one, plate->pieces.data + at, sizeof one);
    if (one.len > 0) err = lrd_buf_append(out, plate->texts.data + one.at, one.len);
    if (err == LARDER_OK && one.field != NO_FIELD) err = lrd_buf_append(out, values[one.field].data, values[one.field].len);
  }
  return err;
}
