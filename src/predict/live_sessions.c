/* SPDX-License-Identifier: Apache-2.0 */
#include "live_sessions.h"

#include "base/hash.h"

#define LINE 64u

larder_err lrd_live_sessions_init(lrd_live_sessions *sessions, uint32_t max) {
  *sessions = (lrd_live_sessions){0};
  while (lrd_live_sessions_room(sessions) < max) sessions->sets_bits++;
  sessions->block = lrd_alloc_zero((size_t)lrd_live_sessions_bytes(sessions), 1);
  if (sessions->block == NULL) return LARDER_ENOMEM;
  uint8_t *base = sessions->block;
  base += -(uintptr_t)base & (LINE - 1);
  sessions->hashes = (uint64_t *)(void *)base;
  sessions->of = (lrd_live_session *)(void *)(base + lrd_live_sessions_room(sessions) * sizeof *sessions->hashes);
  return LARDER_OK;
}

void lrd_live_sessions_fini(lrd_live_sessions *sessions) {
  lrd_dealloc(sessions->block);
  *sessions = (lrd_live_sessions){0};
}

void lrd_live_sessions_clear(lrd_live_sessions *sessions) {
  memset(sessions->block, 0, (size_t)lrd_live_sessions_bytes(sessions));
  sessions->len = sessions->replaced = 0;
}

uint64_t lrd_live_sessions_bytes(const lrd_live_sessions *sessions) {
  return lrd_live_sessions_room(sessions) * (sizeof *sessions->hashes + sizeof *sessions->of) + LINE;
}

uint64_t lrd_live_session_hash(const void *id, size_t len) {
  uint64_t hash = lrd_hash64(id, len, 0);
  return hash ? hash : 1;
}

static uint64_t set_of(const lrd_live_sessions *sessions, uint64_t hash) {
  return (hash >> 32 & ((UINT64_C(1) << sessions->sets_bits) - 1)) * LRD_SET_WAYS;
}

void lrd_live_session_await(const lrd_live_sessions *sessions, uint64_t hash) {
  uint64_t set = set_of(sessions, hash);
  __builtin_prefetch(sessions->hashes + set);
  __builtin_prefetch(sessions->of + set);
}

lrd_live_session *lrd_live_session_find(const lrd_live_sessions *sessions, uint64_t hash) {
  uint64_t set = set_of(sessions, hash);
  unsigned way = lrd_set_find(sessions->hashes + set, hash);
  return way < LRD_SET_WAYS ? &sessions->of[set + way] : NULL;
}

static unsigned quietest(const lrd_live_session *set) {
  unsigned oldest = 0;
  for (unsigned way = 1; way < LRD_SET_WAYS; way++)
    if (set[way].used < set[oldest].used) oldest = way;
  return oldest;
}

lrd_live_session *lrd_live_session_place(lrd_live_sessions *sessions, uint64_t hash) {
  uint64_t set = set_of(sessions, hash);
  unsigned way = lrd_set_find(sessions->hashes + set, hash);
  if (way < LRD_SET_WAYS) return &sessions->of[set + way];
  way = lrd_set_find(sessions->hashes + set, 0);
  if (way < LRD_SET_WAYS) {
    sessions->len++;
  } else {
    way = quietest(sessions->of + set);
    sessions->replaced++;
  }
  sessions->hashes[set + way] = hash;
  sessions->of[set + way] = (lrd_live_session){.standing = {.last = LRD_NO_ENDPOINT, .before = LRD_NO_ENDPOINT}};
  return &sessions->of[set + way];
}

bool lrd_live_session_end(lrd_live_sessions *sessions, uint64_t hash) {
  lrd_live_session *session = lrd_live_session_find(sessions, hash);
  if (session == NULL) return false;
  sessions->hashes[session - sessions->of] = 0;
  sessions->len--;
  return true;
}

void lrd_live_sessions_purge(lrd_live_sessions *sessions, bool (*gone)(const void *context, uint32_t endpoint),
                             const void *context) {
  for (uint64_t at = 0; at < lrd_live_sessions_room(sessions); at++) {
    lrd_standing *standing = &sessions->of[at].standing;
    if (sessions->hashes[at] == 0) continue;
    if (standing->last != LRD_NO_ENDPOINT && gone(context, standing->last))
      standing->last = standing->before = LRD_NO_ENDPOINT;
    else if (standing->before != LRD_NO_ENDPOINT && gone(context, standing->before))
      standing->before = LRD_NO_ENDPOINT;
  }
}
