/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An `.npy` of a stranger: what is accepted has as many bytes as it claims, within the input, and is written anew to the
 * same array. The second half of the inputs are a header's text only, with the frame and the elements made to fit.
 */
#include "kind/formats.h"
#include "kind/npy.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static void try_value(const uint8_t *data, size_t size) {
  larder_array array = {0}, again = {0};
  larder_part part = {0};
  void *built = NULL;
  size_t len = 0;
  if (larder_array_view(data, size, NULL, true, &array, NULL) != LARDER_OK) {
    larder_array_release(&array);
    return;
  }
  HOLDS(array.own || ((const uint8_t *)array.data >= data && (const uint8_t *)array.data + array.len <= data + size));
  HOLDS(array.len == array.count * array.itemsize);
  lrd_figures_make(&array, &part);
  HOLDS(part.figures != LARDER_FIGURES_MADE || part.min <= part.max);
  HOLDS(larder_array_build(&array, 1, NULL, &built, &len, NULL) == LARDER_OK);
  HOLDS(larder_array_view(built, len, NULL, true, &again, NULL) == LARDER_OK);
  HOLDS(again.dims == array.dims && again.fortran == array.fortran && again.kind == array.kind && again.order == array.order);
  HOLDS(memcmp(again.shape, array.shape, sizeof array.shape) == 0 && again.len == array.len);
  HOLDS(again.dtype_len == array.dtype_len && memcmp(again.dtype, array.dtype, array.dtype_len) == 0);
  HOLDS(array.len == 0 || memcmp(again.data, array.data, array.len) == 0);
  larder_array_release(&again);
  larder_array_free(built);
  larder_array_release(&array);
}

static void try_text(const uint8_t *text, size_t len) {
  lrd_buf value = {0};
  larder_array array = {0};
  uint8_t head[12] = "\x93NUMPY\x03";
  lrd_put_u32(head + 8, (uint32_t)len);
  HOLDS(lrd_buf_append(&value, head, sizeof head) == LARDER_OK && lrd_buf_append(&value, text, len) == LARDER_OK);
  if (lrd_npy_read(value.data, value.len, false, lrd_span_str("it"), &array, NULL) == LARDER_OK && array.count <= 4096 &&
      array.itemsize <= 4096) {
    for (uint64_t i = array.count * array.itemsize; i > 0; i--) HOLDS(lrd_buf_append_byte(&value, (uint8_t)i) == LARDER_OK);
    HOLDS(larder_array_view(value.data, value.len, NULL, true, &array, NULL) == LARDER_OK);
    try_value(value.data, value.len);
  }
  lrd_buf_fini(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 0 && data[0] == 't')
    try_text(data + 1, size - 1);
  else
    try_value(data, size);
  return 0;
}
