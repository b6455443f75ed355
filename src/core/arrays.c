/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays in a namespace: built and put, got and viewed where the cache holds them. */
#include "base/bytes.h"
#include "base/fail.h"
#include "cache.h"

#include <larder/array.h>

#define ROOM "arrays"

larder_err larder_array_put(larder_ns *ns, const void *key, size_t key_len, const larder_array *arrays, size_t count,
                            const larder_array_options *options, larder_error *err) {
  void *built = NULL;
  size_t len = 0;
  larder_put_options how = {.size = sizeof how};
  if (!ns) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a namespace is needed");
  larder_err result = larder_array_build(arrays, count, options, &built, &len, err);
  if (result != LARDER_OK) return result;
  if (options && options->put) how = *options->put;
  how.kind = LARDER_KIND_ARRAY;
  result = lrd_put_whole(ns, key, key_len, built, len, &how);
  larder_array_free(built);
  return result < 0 ? lrd_fail(err, result, 0, ROOM, "the array can't be put: %s", larder_err_text(result)) : result;
}

/* The largest power of two, up to 16, that the elements' type may ask of an address. */
static size_t alignment_of(const larder_array *array) {
  size_t of = array->kind == 'U' ? 4 : array->kind == 'c' ? (size_t)array->itemsize / 2 : (size_t)array->itemsize;
  if (array->kind == 'S') return 1;
  of &= -of;
  return of == 0 || of > 16 ? 16 : of;
}

/* Elements at an address they can't be read from get one of their own. */
static larder_err elements_align(larder_array *array, larder_error *err) {
  if (array->len == 0 || (uintptr_t)array->data % alignment_of(array) == 0) return LARDER_OK;
  uint8_t *own = lrd_alloc(array->len + LARDER_ARRAY_ALIGNMENT + array->dtype_len);
  if (!own) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  uint8_t *at = own + (-(uintptr_t)own & (LARDER_ARRAY_ALIGNMENT - 1));
  memcpy(at, array->data, array->len);
  if (array->own) { /* unpacked, and not padded by whoever wrote it: the type's text lies there too */
    memcpy(at + array->len, array->dtype, array->dtype_len);
    array->dtype = (const char *)at + array->len;
    lrd_dealloc(array->own);
  }
  array->data = at;
  array->own = own;
  return LARDER_OK;
}

larder_err larder_array_get(larder_ns *ns, const void *key, size_t key_len, const char *name, larder_array_pin *out,
                            larder_error *err) {
  larder_array_pin pin = {0};
  if (!out) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a place for the array is needed");
  larder_err result = larder_get(ns, key, key_len, NULL, &pin.value);
  if (result != LARDER_OK)
    return result < 0 ? lrd_fail(err, result, 0, ROOM, "the array can't be got: %s", larder_err_text(result)) : result;
  result = larder_array_view(pin.value.data, pin.value.len, name, false, &pin.array, err);
  if (result == LARDER_OK) result = elements_align(&pin.array, err);
  if (result != LARDER_OK) {
    larder_array_unpin(&pin);
    return result;
  }
  *out = pin;
  return LARDER_OK;
}

void larder_array_unpin(larder_array_pin *pin) {
  if (!pin) return;
  larder_array_release(&pin->array);
  larder_value_release(&pin->value);
  *pin = (larder_array_pin){0};
}
