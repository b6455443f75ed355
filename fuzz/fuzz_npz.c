/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zip of a stranger, taken as an `.npz`. Members lie within the input and not on each other; what verifies extracts; what
 * is checked as an array can be viewed. The first byte says whether checksums are mended first, so that what lies behind
 * them is reached.
 */
#include "kind/formats.h"
#include <libdeflate.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

#define UNPACKED_MAX ((uint64_t)1 << 22)

/* Writes the right checksums of stored members into both headers. */
static void checksums_mend(uint8_t *data, size_t size) {
  lrd_zip zip = {0};
  if (lrd_zip_open(&zip, data, size, NULL) != LARDER_OK) return;
  for (size_t i = 0; i < zip.members_len; i++) {
    const lrd_zip_member *member = &zip.members[i];
    if (member->method != LRD_ZIP_STORED || member->end != (uint64_t)(member->packed - data) + member->packed_len) continue;
    uint32_t crc = libdeflate_crc32(0, member->packed, member->len);
    uint8_t *central = (uint8_t *)(uintptr_t)member->name - 46;
    lrd_put_u32(data + member->begin + 14, crc);
    lrd_put_u32(central + 16, crc);
  }
  lrd_zip_fini(&zip);
}

static bool part_count(void *context, const larder_part *part) {
  HOLDS(part->dims <= LARDER_ARRAY_DIMS_MAX);
  ++*(size_t *)context;
  return true;
}

static bool name_view(void *context, const char *name, size_t len, uint64_t bytes) {
  const lrd_span *value = context;
  larder_array array = {0};
  char *text = malloc(len + 1);
  HOLDS(text);
  if (len > 0) memcpy(text, name, len);
  text[len] = '\0';
  if (bytes <= UNPACKED_MAX && strlen(text) == len)
    HOLDS(larder_array_view(value->data, value->len, name ? text : NULL, true, &array, NULL) == LARDER_OK);
  HOLDS(array.len == array.count * array.itemsize);
  larder_array_release(&array);
  free(text);
  return true;
}

static void try_zip(const uint8_t *data, size_t size) {
  lrd_zip zip = {0};
  bool small = true;
  if (lrd_zip_open(&zip, data, size, NULL) != LARDER_OK) return;
  for (size_t i = 0; i < zip.members_len; i++) {
    const lrd_zip_member *member = &zip.members[i];
    HOLDS(member->packed >= data && member->packed_len <= size && member->packed + member->packed_len <= data + size);
    HOLDS(member->begin < member->end && member->end <= size);
    HOLDS(lrd_zip_name_stays(member->name, member->name_len));
    HOLDS(lrd_zip_find(&zip, member->name, member->name_len) == member);
    small = small && member->len <= UNPACKED_MAX;
  }
  if (small) {
    size_t parts = 0;
    lrd_span value = {data, size};
    bool whole = lrd_zip_verify(&zip, NULL) == LARDER_OK;
    bool arrays = larder_kind_check(LARDER_KIND_ARRAY, data, size, NULL, NULL) == LARDER_OK;
    HOLDS(whole || !arrays);
    if (arrays && lrd_zip_is(data, size)) {
      HOLDS(larder_array_names(data, size, name_view, &value, NULL) == LARDER_OK);
      HOLDS(larder_parts(LARDER_KIND_ARRAY, data, size, UNPACKED_MAX, part_count, &parts, NULL, NULL) == LARDER_OK);
      HOLDS(parts == zip.members_len);
    }
  }
  lrd_zip_fini(&zip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  uint8_t *copy = malloc(size);
  HOLDS(copy);
  memcpy(copy, data + 1, size - 1);
  if (data[0] & 1) checksums_mend(copy, size - 1);
  try_zip(copy, size - 1);
  free(copy);
  return 0;
}
