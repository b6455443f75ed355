/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A `.safetensors` header of a stranger. The input is the JSON text; its first byte says how many bytes stand behind it. What
 * is accepted has tensors that fill exactly those.
 */
#include "kind/formats.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static bool part_sum(void *context, const larder_part *part) {
  *(uint64_t *)context += part->bytes;
  HOLDS(part->dims <= LARDER_ARRAY_DIMS_MAX && part->dtype && part->dtype_len > 0);
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  size_t behind = data[0], header = size - 1;
  uint64_t sum = 0;
  uint8_t *value = calloc(1, 8 + header + behind);
  HOLDS(value);
  lrd_put_u64(value, header);
  memcpy(value + 8, data + 1, header);
  if (lrd_safetensors_read(value, 8 + header + behind, part_sum, &sum, NULL) == LARDER_OK) HOLDS(sum == behind);
  free(value);
  return 0;
}
