/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a value is what its kind says, whole. Checksums are computed, so everything packed is unpacked once, one member
 * after the other. */
#include "array_member.h"
#include "base/fail.h"
#include "base/json_read.h"
#include "formats.h"
#include "npy.h"
#include "wisdom.h"

#define ROOM "kind"

const char *larder_format_name(larder_format format) {
  static const char *const names[] = {"bytes", "text", "json", "npy", "npz", "safetensors", "torch", "pickle"};
  return (unsigned)format < sizeof names / sizeof *names ? names[format] : "bytes";
}

static larder_err json_check(const void *value, size_t len, larder_error *err) {
  size_t at = 0;
  const char *why = "";
  unsigned line = 0, column = 0;
  larder_err result = lrd_json_check(value ? value : "", len, &at, &why);
  if (result == LARDER_OK) return LARDER_OK;
  if (result != LARDER_EFORMAT) return lrd_fail(err, result, 0, ROOM, "the JSON can't be checked: %s", larder_err_text(result));
  lrd_json_place(value ? value : "", len, at, &line, &column);
  return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "it is no JSON: line %u, column %u: %s", line, column, why);
}

static larder_err npz_check(const void *value, size_t len, larder_error *err) {
  lrd_zip zip = {0};
  larder_err result = lrd_zip_open(&zip, value, len, err);
  for (size_t i = 0; i < zip.members_len && result == LARDER_OK; i++) {
    larder_array array = {0};
    result = lrd_array_member_view(&zip.members[i], true, &array, err);
    larder_array_release(&array);
  }
  lrd_zip_fini(&zip);
  return result;
}

static larder_err array_check(const void *value, size_t len, larder_format *out, larder_error *err) {
  larder_array array = {0};
  *out = lrd_zip_is(value, len) ? LARDER_FORMAT_NPZ : LARDER_FORMAT_NPY;
  if (*out == LARDER_FORMAT_NPZ) return npz_check(value, len, err);
  return lrd_npy_read(value, len, true, lrd_span_str("the value"), &array, err);
}

static larder_err torch_check(const void *value, size_t len, larder_error *err) {
  lrd_zip zip = {0};
  larder_err result = lrd_zip_open(&zip, value, len, err);
  if (result == LARDER_OK) result = lrd_torch_check(&zip, err);
  if (result == LARDER_OK) result = lrd_zip_verify(&zip, err);
  lrd_zip_fini(&zip);
  return result;
}

static larder_err model_check(const void *value, size_t len, larder_format *out, larder_error *err) {
  if (lrd_zip_is(value, len)) {
    *out = LARDER_FORMAT_TORCH;
    return torch_check(value, len, err);
  }
  if (lrd_safetensors_is(value, len)) {
    *out = LARDER_FORMAT_SAFETENSORS;
    return lrd_safetensors_read(value, len, NULL, NULL, err);
  }
  *out = LARDER_FORMAT_PICKLE;
  if (lrd_pickle_is(value, len)) return LARDER_OK;
  return lrd_fail(err, LARDER_EFORMAT, 0, ROOM,
                  "it is no model: neither a zip of PyTorch's (.pt), nor .safetensors, nor a pickle; other formats are of kind "
                  "bytes");
}

larder_err larder_kind_check(larder_kind kind, const void *value, size_t len, larder_format *out, larder_error *err) {
  larder_format format = LARDER_FORMAT_BYTES;
  larder_err result = LARDER_OK;
  lrd_wisdom_head wisdom;
  if (!value && len > 0) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a value is needed");
  switch (kind) {
  case LARDER_KIND_JSON:
    format = LARDER_FORMAT_JSON;
    result = json_check(value, len, err);
    break;
  case LARDER_KIND_ARRAY:
    result = array_check(value, len, &format, err);
    break;
  case LARDER_KIND_MODEL:
    result = model_check(value, len, &format, err);
    break;
  case LARDER_KIND_WISDOM:
    format = LARDER_FORMAT_TEXT;
    result = lrd_wisdom_check(value, len, &wisdom, err);
    break;
  case LARDER_KIND_TEXT:
  case LARDER_KIND_BYTES:
    format = lrd_text_is(value, len) ? LARDER_FORMAT_TEXT : LARDER_FORMAT_BYTES;
    break;
  case LARDER_KIND_ABSENT:
    result = lrd_fail(err, LARDER_EINVAL, 0, ROOM, "no value is of that kind");
    break;
  }
  if (result == LARDER_OK && out) *out = format;
  return result;
}
