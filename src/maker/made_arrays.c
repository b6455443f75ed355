/* SPDX-License-Identifier: Apache-2.0 */
#include "maker/made_arrays.h"

#include "base/fail.h"

/* What headers and the archive's directory take is far below this. */
#define HEAD_ROOM ((uint64_t)1 << 16)

uint64_t lrd_made_bytes(uint64_t width, unsigned dims, const uint64_t *shape) {
  uint64_t bytes = width;
  for (unsigned i = 0; i < dims; i++) {
    if (__builtin_mul_overflow(bytes, shape[i], &bytes)) return UINT64_MAX;
  }
  return bytes;
}

void lrd_made_set_fini(lrd_made_set *made) {
  for (size_t i = 0; i < made->count; i++) lrd_dealloc(made->data[i]);
  *made = (lrd_made_set){0};
}

larder_err lrd_made_set_add(lrd_made_set *made, const char *name, const char *dtype, size_t width, unsigned dims,
                            const uint64_t *shape, void **data_out) {
  LRD_ASSERT(made->count < LRD_MADE_ARRAYS_MAX && dims <= 3);
  larder_array array = {.name = name, .dtype = dtype, .dims = dims};
  uint64_t const bytes = lrd_made_bytes(width, dims, shape);
  for (unsigned i = 0; i < dims; i++) array.shape[i] = shape[i];
  if (bytes > LARDER_VALUE_MAX - HEAD_ROOM || made->bytes + bytes > LARDER_VALUE_MAX - HEAD_ROOM) return LARDER_ETOOBIG;
  void *data = lrd_alloc_zero(1, bytes > 0 ? (size_t)bytes : 1);
  if (data == NULL) return LARDER_ENOMEM;
  array.data = data;
  array.len = (size_t)bytes;
  made->data[made->count] = data;
  made->arrays[made->count++] = array;
  made->bytes += bytes;
  *data_out = data;
  return LARDER_OK;
}

void lrd_made_set_shorten(lrd_made_set *made, size_t index, uint64_t count) {
  larder_array *array = &made->arrays[index];
  LRD_ASSERT(index < made->count && array->dims == 1 && count <= array->shape[0]);
  if (array->shape[0] > 0) array->len = (size_t)(array->len / array->shape[0] * count);
  array->shape[0] = count;
}

larder_err lrd_made_set_write(const lrd_made_set *made, lrd_buf *out, larder_error *err) {
  LRD_ASSERT(out->data == NULL);
  void *built = NULL;
  size_t len = 0;
  larder_err result = larder_array_build(made->arrays, made->count, NULL, &built, &len, err);
  if (result == LARDER_OK) *out = (lrd_buf){.data = built, .len = len, .cap = len};
  return result;
}
