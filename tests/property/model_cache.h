/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cache has to answer, in the simplest form: an array of keys. After an operation whose outcome a fault left open, a
 * key is *open*: the old state or the new one is right, and the first answer does not settle it, since a tier may come back.
 */
#ifndef LRD_TESTS_MODEL_CACHE_H
#define LRD_TESTS_MODEL_CACHE_H

#include <larder/larder.h>
#include <stdbool.h>
#include <stdint.h>

#define MODEL_KEYS   48u
#define MODEL_SPACES 2u
#define MODEL_TAGS   3u

typedef struct model_entry {
  uint32_t id; /* of the value; 0: nothing there */
  int64_t soft_ms;
  int64_t hard_ms;
  uint8_t tags;     /* bits */
  uint32_t open_id; /* another value that may be there instead, 0 none */
  bool may_miss;    /* a fault or a limit may have taken it */
} model_entry;

typedef struct model_cache {
  model_entry entries[MODEL_SPACES][MODEL_KEYS];
} model_cache;

static inline bool model_kept(const model_entry *e, int64_t now_ms) {
  return e->id != 0 && (e->hard_ms == 0 || now_ms < e->hard_ms);
}
static inline bool model_fresh(const model_entry *e, int64_t now_ms) {
  return model_kept(e, now_ms) && (e->soft_ms == 0 || now_ms < e->soft_ms);
}

#endif
