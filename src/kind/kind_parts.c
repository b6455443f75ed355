/* SPDX-License-Identifier: Apache-2.0 */
/* Values taken apart for a look: arrays with their figures, tensors, files of an archive. */
#include "array_member.h"
#include "base/fail.h"
#include "formats.h"
#include "npy.h"

#define ROOM "kind"

typedef struct looking {
  uint64_t stats_bytes_max;
  lrd_part_visit visit;
  void *context;
} looking;

static larder_part part_of(const larder_array *array) {
  larder_part part = {.name = array->name,
                      .name_len = array->name_len,
                      .dtype = array->dtype,
                      .dtype_len = array->dtype_len,
                      .fortran = array->fortran,
                      .dims = array->dims,
                      .bytes = array->len,
                      .figures = LARDER_FIGURES_NOT_ASKED};
  memcpy(part.shape, array->shape, sizeof part.shape);
  return part;
}

static bool array_visit(const looking *l, const larder_array *array) {
  larder_part part = part_of(array);
  if (array->len <= l->stats_bytes_max) lrd_figures_make(array, &part);
  return l->visit(l->context, &part);
}

static larder_err npy_parts(const looking *l, const void *value, size_t len, larder_error *err) {
  larder_array array = {0};
  larder_err result = lrd_npy_read(value, len, true, lrd_span_str("the value"), &array, err);
  if (result == LARDER_OK) (void)array_visit(l, &array);
  return result;
}

static bool all_arrays(const lrd_zip *zip) {
  lrd_span name;
  for (size_t i = 0; i < zip->members_len; i++)
    if (!lrd_array_member_name(&zip->members[i], &name)) return false;
  return true;
}

static larder_err npz_parts(const looking *l, const lrd_zip *zip, larder_error *err) {
  larder_err result = LARDER_OK;
  bool more = true;
  for (size_t i = 0; i < zip->members_len && more && result == LARDER_OK; i++) {
    const lrd_zip_member *member = &zip->members[i];
    lrd_span name = {0};
    larder_array array = {0};
    if (!lrd_array_member_name(member, &name))
      return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "the archive holds what is no .npy");
    if (member->method == LRD_ZIP_DEFLATED && member->len > l->stats_bytes_max) {
      larder_part part = {.name = name.data, .name_len = name.len, .bytes = member->len, .figures = LARDER_FIGURES_NOT_ASKED};
      more = l->visit(l->context, &part);
      continue;
    }
    result = lrd_array_member_view(member, false, &array, err);
    if (result == LARDER_OK) more = array_visit(l, &array);
    larder_array_release(&array);
  }
  return result;
}

static larder_err torch_parts(const looking *l, const lrd_zip *zip, larder_error *err) {
  larder_err result = lrd_torch_check(zip, err);
  for (size_t i = 0; i < zip->members_len && result == LARDER_OK; i++) {
    const lrd_zip_member *member = &zip->members[i];
    larder_part part = {
        .name = member->name, .name_len = member->name_len, .bytes = member->len, .figures = LARDER_FIGURES_NOT_ASKED};
    if (!l->visit(l->context, &part)) break;
  }
  return result;
}

/* A zip may be either; what was put as plain bytes and is neither has no parts. */
static larder_err zip_parts(const looking *l, larder_kind kind, const void *value, size_t len, larder_format *out,
                            larder_error *err) {
  lrd_zip zip = {0};
  larder_err result = lrd_zip_open(&zip, value, len, err);
  if (result == LARDER_OK && (kind == LARDER_KIND_ARRAY || (kind != LARDER_KIND_MODEL && all_arrays(&zip)))) {
    *out = LARDER_FORMAT_NPZ;
    result = npz_parts(l, &zip, err);
  } else if (result == LARDER_OK && (kind == LARDER_KIND_MODEL || lrd_torch_check(&zip, NULL) == LARDER_OK)) {
    *out = LARDER_FORMAT_TORCH;
    result = torch_parts(l, &zip, err);
  }
  lrd_zip_fini(&zip);
  return result;
}

larder_err larder_parts(larder_kind kind, const void *value, size_t len, uint64_t stats_bytes_max,
                        bool (*visit)(void *context, const larder_part *part), void *context, larder_format *out,
                        larder_error *err) {
  looking l = {stats_bytes_max, visit, context};
  larder_format format = LARDER_FORMAT_BYTES;
  larder_err result = LARDER_OK;
  if (!visit || (!value && len > 0)) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a value and a visit are needed");
  bool of_parts = kind == LARDER_KIND_ARRAY || kind == LARDER_KIND_MODEL;
  if (kind == LARDER_KIND_TEXT || kind == LARDER_KIND_JSON || kind == LARDER_KIND_WISDOM) {
    format = LARDER_FORMAT_BYTES;
  } else if (lrd_zip_is(value, len)) {
    result = zip_parts(&l, kind, value, len, &format, err);
  } else if (lrd_npy_is(value, len) || kind == LARDER_KIND_ARRAY) {
    format = LARDER_FORMAT_NPY;
    result = npy_parts(&l, value, len, err);
  } else if (kind == LARDER_KIND_MODEL && lrd_pickle_is(value, len)) {
    format = LARDER_FORMAT_PICKLE;
  } else if (kind == LARDER_KIND_MODEL || lrd_safetensors_is(value, len)) {
    format = LARDER_FORMAT_SAFETENSORS;
    result = lrd_safetensors_read(value, len, visit, context, err);
  }
  if (result == LARDER_EFORMAT && !of_parts) { /* plain bytes that only begin as something */
    format = LARDER_FORMAT_BYTES;
    result = LARDER_OK;
  }
  if (result == LARDER_OK && out) *out = format;
  return result;
}
