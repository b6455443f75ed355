/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   offset 0  "\x93NUMPY"
 *          6  version: 1.0, 2.0 or 3.0
 *          8  length of the text: u16 in version 1, else u32, little-endian
 *             {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }   and blanks up to a line end
 *          …  the elements
 *
 * Versions 1 and 2 hold Latin-1, version 3 UTF-8. The text is bounded, and the elements must be exactly as many bytes as
 * shape and type say.
 */
#include "npy.h"

#include "base/fail.h"
#include "dtype.h"

#define ROOM         "kind"
#define MAGIC        "\x93NUMPY"
#define MAGIC_LEN    6u
#define TEXT_LEN_MAX ((size_t)1 << 20)

bool lrd_npy_is(const void *data, size_t len) { return len >= MAGIC_LEN && memcmp(data, MAGIC, MAGIC_LEN) == 0; }

static bool bool_read(lrd_literal *text, bool *out) {
  lrd_literal_blanks(text);
  size_t left = (size_t)(text->end - text->at);
  if (left >= 4 && memcmp(text->at, "True", 4) == 0) {
    *out = true;
    text->at += 4;
    return true;
  }
  if (left >= 5 && memcmp(text->at, "False", 5) == 0) {
    *out = false;
    text->at += 5;
    return true;
  }
  return lrd_literal_wrong(text, "True or False is expected");
}

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

static bool key_is(const char *key, size_t len, const char *name) { return len == strlen(name) && memcmp(key, name, len) == 0; }

/* One `'key': value` of the dictionary. */
static bool item_read(lrd_literal *text, unsigned *seen, larder_array *out) {
  const char *key;
  size_t len;
  if (!lrd_literal_string(text, &key, &len)) return false;
  unsigned which = key_is(key, len, "descr")           ? SEEN_DESCR
                   : key_is(key, len, "fortran_order") ? SEEN_ORDER
                   : key_is(key, len, "shape")         ? SEEN_SHAPE
                                                       : 0;
  if (which == 0) return lrd_literal_wrong(text, "a key other than descr, fortran_order and shape is there");
  if (*seen & which) return lrd_literal_wrong(text, "a key is there twice");
  *seen |= which;
  if (!lrd_literal_take(text, ':')) return lrd_literal_wrong(text, "a colon is expected");
  if (which == SEEN_DESCR) return lrd_dtype_read(text, out);
  return which == SEEN_ORDER ? bool_read(text, &out->fortran) : lrd_literal_shape(text, false, out->shape, &out->dims);
}

static bool text_read(lrd_literal *text, larder_array *out) {
  unsigned seen = 0;
  bool comma = true;
  if (!lrd_literal_take(text, '{')) return lrd_literal_wrong(text, "the header does not begin with {");
  while (!lrd_literal_take(text, '}')) {
    if (!comma) return lrd_literal_wrong(text, "a comma or } is expected");
    if (!item_read(text, &seen, out)) return false;
    comma = lrd_literal_take(text, ',');
  }
  if (seen != SEEN_ALL) return lrd_literal_wrong(text, "descr, fortran_order or shape is missing");
  lrd_literal_blanks(text);
  return text->at == text->end || lrd_literal_wrong(text, "something follows the header's }");
}

/* Elements and bytes that shape and type ask for; numpy too wants the product without zeros to fit. */
static bool extent(larder_array *array, uint64_t *bytes_out) {
  uint64_t sparse = 1; /* the product that leaves zeros out */
  array->count = 1;
  for (unsigned i = 0; i < array->dims; i++) {
    if (array->shape[i] > 0 && !lrd_product(sparse, array->shape[i], &sparse)) return false;
    array->count *= array->shape[i];
  }
  return sparse <= INT64_MAX && lrd_product(array->count, array->itemsize, bytes_out) && *bytes_out <= INT64_MAX;
}

#define TOLD(label) (int)((label).len < 80 ? (label).len : 80), (const char *)(label).data

static larder_err broken(larder_error *err, lrd_span label, const char *why) {
  return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "%.*s is no whole .npy: %s", TOLD(label), why);
}

/* Where the text and the elements begin. */
static const char *frame_read(const uint8_t *bytes, size_t len, size_t *text_at, size_t *text_len) {
  if (!lrd_npy_is(bytes, len)) return "it does not begin as one";
  if (len < 10) return "it ends within its first bytes";
  if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) return "its format version is none of 1.0, 2.0 and 3.0";
  bool wide = bytes[6] > 1;
  *text_at = wide ? 12 : 10;
  if (len < *text_at) return "it ends within its first bytes";
  *text_len = wide ? lrd_get_u32(bytes + 8) : lrd_get_u16(bytes + 8);
  if (*text_len > TEXT_LEN_MAX) return "its header is larger than 1 MiB";
  if (*text_len > len - *text_at) return "it ends within its header";
  return NULL;
}

larder_err lrd_npy_read(const void *data, size_t len, bool whole, lrd_span label, larder_array *out, larder_error *err) {
  const uint8_t *bytes = data;
  size_t at = 0;
  size_t text_len = 0;
  uint64_t wanted = 0;
  larder_array read = {.name = out->name, .name_len = out->name_len, .own = out->own};
  const char *why = frame_read(bytes, len, &at, &text_len);
  if (why) return broken(err, label, why);
  lrd_literal text = {(const char *)bytes + at, (const char *)bytes + at + text_len, NULL};
  if (!text_read(&text, &read))
    return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "%.*s is no whole .npy: at byte %zu of it: %s", TOLD(label),
                    (size_t)(text.at - (const char *)bytes), text.mistake);
  read.dtype_latin1 = bytes[6] < 3;
  if (!extent(&read, &wanted)) return broken(err, label, "its shape speaks of more than any memory holds");
  read.data = bytes + at + text_len;
  read.len = len - at - text_len;
  if (whole && read.len != wanted)
    return lrd_fail(err, LARDER_EFORMAT, 0, ROOM,
                    "%.*s is no whole .npy: its header speaks of %llu bytes of elements, and %zu are there", TOLD(label),
                    (unsigned long long)wanted, read.len);
  *out = read;
  return LARDER_OK;
}

larder_err lrd_npy_complete(larder_array *array, larder_error *err) {
  uint64_t wanted = 0;
  if (array->name && array->name_len == 0) array->name_len = strlen(array->name);
  if (!array->dtype) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "an array needs a dtype, such as <f8");
  if (array->dtype_len == 0) array->dtype_len = strlen(array->dtype);
  lrd_literal text = {array->dtype, array->dtype + array->dtype_len, NULL};
  if (array->dtype_len > TEXT_LEN_MAX / 2) return lrd_fail(err, LARDER_ETOOBIG, 0, ROOM, "a dtype has at most 512 KiB");
  if (!lrd_dtype_parse(&text, array))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the dtype %.*s can't be written: %s",
                    TOLD(lrd_span_of(array->dtype, array->dtype_len)), text.mistake);
  if (array->dims > LARDER_ARRAY_DIMS_MAX || !extent(array, &wanted))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "an array has at most %u dimensions, and bytes that a memory holds",
                    LARDER_ARRAY_DIMS_MAX);
  if (wanted != array->len || (!array->data && array->len > 0))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "shape and dtype speak of %llu bytes, and %zu are given",
                    (unsigned long long)wanted, array->len);
  return LARDER_OK;
}

static larder_err text_append(lrd_buf *out, const larder_array *array) {
  const char *quote = array->dtype[0] == '[' ? "" : "'";
  larder_err result;
  if ((result = lrd_buf_printf(out, "{'descr': %s", quote)) != LARDER_OK ||
      (result = lrd_buf_append(out, array->dtype, array->dtype_len)) != LARDER_OK ||
      (result = lrd_buf_printf(out, "%s, 'fortran_order': %s, 'shape': (", quote, array->fortran ? "True" : "False")) !=
          LARDER_OK)
    return result;
  for (unsigned i = 0; i < array->dims; i++) {
    bool last = i + 1 == array->dims;
    result = lrd_buf_printf(out, "%llu%s", (unsigned long long)array->shape[i], !last ? ", " : array->dims == 1 ? "," : "");
    if (result != LARDER_OK) return result;
  }
  return lrd_buf_append_str(out, "), }");
}

static bool is_ascii(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)text[i] > 127) return false;
  return true;
}

larder_err lrd_npy_head_append(lrd_buf *out, const larder_array *array) {
  lrd_buf text = {0};
  uint8_t head[12] = MAGIC;
  larder_err result = text_append(&text, array);
  if (result != LARDER_OK) goto out;
  bool utf8 = !array->dtype_latin1 && !is_ascii(array->dtype, array->dtype_len);
  /* The elements' own alignment is that of the file when the head is a multiple of it. */
  bool wide = utf8 || text.len + 1 + 10 + LARDER_ARRAY_ALIGNMENT > UINT16_MAX;
  size_t head_len = wide ? 12 : 10;
  while ((head_len + text.len + 1) % LARDER_ARRAY_ALIGNMENT != 0)
    if ((result = lrd_buf_append_byte(&text, ' ')) != LARDER_OK) goto out;
  if ((result = lrd_buf_append_byte(&text, '\n')) != LARDER_OK) goto out;
  head[6] = utf8 ? 3 : wide ? 2 : 1;
  if (wide)
    lrd_put_u32(head + 8, (uint32_t)text.len);
  else
    lrd_put_u16(head + 8, (uint16_t)text.len);
  result = lrd_buf_append(out, head, head_len);
  if (result == LARDER_OK) result = lrd_buf_append(out, text.data, text.len);
out:
  lrd_buf_fini(&text);
  return result;
}

uint64_t lrd_array_itemsize(const void *value, size_t len) {
  larder_array array = {0};
  return lrd_npy_read(value, len, true, lrd_span_str("it"), &array, NULL) == LARDER_OK ? array.itemsize : 0;
}
