/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/ending.h"

#include <string.h>

static const struct {
  const char *text;
  larder_kind kind;
} endings[LRD_ENDING_COUNT] = {
    [LRD_ENDING_DAT] = {".dat", LARDER_KIND_BYTES},        [LRD_ENDING_NPY] = {".npy", LARDER_KIND_ARRAY},
    [LRD_ENDING_NPZ] = {".npz", LARDER_KIND_ARRAY},        [LRD_ENDING_JSON] = {".json", LARDER_KIND_JSON},
    [LRD_ENDING_TXT] = {".txt", LARDER_KIND_TEXT},         [LRD_ENDING_PT] = {".pt", LARDER_KIND_MODEL},
    [LRD_ENDING_SEALED] = {".sealed", LARDER_KIND_BYTES},  [LRD_ENDING_SAFETENSORS] = {".safetensors", LARDER_KIND_MODEL},
    [LRD_ENDING_ABSENT] = {".absent", LARDER_KIND_ABSENT},
};

const char *lrd_ending_text(lrd_ending ending) { return endings[ending].text; }

larder_kind lrd_ending_kind(lrd_ending ending) { return endings[ending].kind; }

static bool begins(const void *value, size_t len, const char *with, size_t with_len) {
  return len >= with_len && memcmp(value, with, with_len) == 0;
}

/* Eight bytes of header length, then the header, a JSON object. */
static bool is_safetensors(const uint8_t *value, size_t len) {
  if (len < 10 || value[8] != '{') return false;
  uint64_t header = 0;
  for (int i = 7; i >= 0; i--) header = header << 8 | value[i];
  return header >= 2 && header <= len - 8;
}

static lrd_ending model_ending(const void *value, size_t len) {
  if (is_safetensors(value, len)) return LRD_ENDING_SAFETENSORS;
  return begins(value, len, "{", 1) ? LRD_ENDING_JSON : LRD_ENDING_PT;
}

lrd_ending lrd_ending_of(larder_kind kind, bool framed, const void *value, size_t len) {
  if (framed) return LRD_ENDING_SEALED;
  switch (kind) {
  case LARDER_KIND_ARRAY:
    if (begins(value, len, "\x93NUMPY", 6)) return LRD_ENDING_NPY;
    return begins(value, len, "PK", 2) ? LRD_ENDING_NPZ : LRD_ENDING_DAT;
  case LARDER_KIND_JSON:
    return LRD_ENDING_JSON;
  case LARDER_KIND_TEXT:
    return LRD_ENDING_TXT;
  case LARDER_KIND_MODEL:
    return model_ending(value, len);
  case LARDER_KIND_ABSENT:
    return LRD_ENDING_ABSENT;
  case LARDER_KIND_BYTES:
  case LARDER_KIND_WISDOM:
    break;
  }
  return LRD_ENDING_DAT;
}

bool lrd_ending_find(const char *name, size_t len, lrd_ending *ending_out, size_t *stem_len_out) {
  for (int ending = 0; ending < LRD_ENDING_COUNT; ending++) {
    size_t const text_len = strlen(endings[ending].text);
    if (len <= text_len || memcmp(name + len - text_len, endings[ending].text, text_len) != 0) continue;
    *ending_out = (lrd_ending)ending;
    *stem_len_out = len - text_len;
    return true;
  }
  return false;
}
