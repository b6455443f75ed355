/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model, and as each kind: checks answer, and what passed a check can be taken apart. */
#include "kind/formats.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

#define UNPACKED_MAX ((uint64_t)1 << 22)

static bool part_see(void *context, const larder_part *part) {
  (void)context;
  HOLDS(part->dims <= LARDER_ARRAY_DIMS_MAX);
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (larder_kind kind = LARDER_KIND_BYTES; kind <= LARDER_KIND_WISDOM; kind++) {
    larder_format checked = LARDER_FORMAT_BYTES, seen = LARDER_FORMAT_BYTES;
    larder_error err = {0};
    larder_err result = larder_kind_check(kind, data, size, &checked, &err);
    HOLDS(result == LARDER_OK || (err.code == result && err.message[0] != '\0'));
    larder_err parts = larder_parts(kind, data, size, UNPACKED_MAX, part_see, NULL, &seen, NULL);
    if (result == LARDER_OK) HOLDS(parts == LARDER_OK);
    if (result == LARDER_OK && (kind == LARDER_KIND_ARRAY || kind == LARDER_KIND_MODEL)) HOLDS(seen == checked);
  }
  return 0;
}
