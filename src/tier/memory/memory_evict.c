/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction before there is need. A shard is told how many by its part of what is left in the shards to come, so that the sum is
 * what was asked for wherever the entries lie; who asks for few again and again begins at another shard each time.
 */
#include "memory_open.h"

#include <stdlib.h>

typedef struct evict_run {
  lrd_memory *memory;
  uint32_t space;
  const uint64_t *but;
  size_t but_len;
} evict_run;

static int hash_compare(const void *a, const void *b) {
  uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
  return one < other ? -1 : one > other;
}

static bool stays(const evict_run *run, uint64_t hash) {
  return run->but_len > 0 && bsearch(&hash, run->but, run->but_len, sizeof hash, hash_compare) != NULL;
}

static uint64_t shard_entries(lrd_shard *shard, uint32_t space) {
  lrd_lock(&shard->lock);
  uint64_t entries = space < shard->spaces_len ? shard->spaces[space].entries : 0;
  lrd_unlock(&shard->lock);
  return entries;
}

/* Under the lock, until the events are full. Fewer than `most` with room for events left: there is nobody else to go. */
static uint64_t shard_evict_some(const evict_run *run, lrd_shard *shard, uint64_t most, lrd_events *events) {
  lrd_policy *policy = shard->spaces[run->space].policy;
  uint64_t gone = 0, took;
  if (run->but_len == 0) {
    while (gone < most && !lrd_events_full(events) &&
           lrd_shard_evict_next(run->memory, shard, run->space, LARDER_EVICT_ASKED, events, &took))
      gone++;
    return gone;
  }
  lrd_shard_drain(run->memory, shard);
  uint32_t next;
  for (uint32_t at = lrd_policy_after(policy, 0); at && gone < most && !lrd_events_full(events); at = next) {
    next = lrd_policy_after(policy, at);
    if (stays(run, lrd_memory_hash_of(run->memory, lrd_arena_at(&shard->arena, at)))) continue;
    lrd_shard_evict(run->memory, shard, at, LARDER_EVICT_ASKED, events);
    gone++;
  }
  return gone;
}

static uint64_t shard_evict(const evict_run *run, lrd_shard *shard, uint64_t most) {
  uint64_t gone = 0;
  lrd_events events;
  events.tallies_len = events.demoted_len = 0;
  for (bool more = true, settled = true; !settled || (more && gone < most);) {
    lrd_lock(&shard->lock);
    if (run->space < shard->spaces_len && shard->spaces[run->space].policy && gone < most)
      gone += shard_evict_some(run, shard, most - gone, &events);
    more = lrd_events_full(&events);
    settled = lrd_shard_settled(run->memory, shard, run->space, &events);
    lrd_shard_tidy(run->memory, shard);
    lrd_unlock(&shard->lock);
    lrd_events_tell(run->memory, &events);
  }
  return gone;
}

uint64_t lrd_memory_evict(lrd_memory *memory, uint32_t space, uint64_t count, const uint64_t *but, size_t but_len) {
  static _Atomic uint32_t turn;
  evict_run run = {memory, space, but, but_len};
  uint32_t shards = lrd_memory_shards(memory), from = atomic_fetch_add(&turn, 1);
  uint64_t present = 0, gone = 0;
  for (uint32_t i = 0; i < shards; i++) present += shard_entries(&memory->shards[i], space);
  for (uint32_t i = 0; i < shards && gone < count && present > 0; i++) {
    lrd_shard *shard = &memory->shards[(from + i) % shards];
    uint64_t here = shard_entries(shard, space), left = count - gone;
    if (here == 0) continue;
    if (here > present) here = present;
    uint64_t part = left >= present ? here : (left * here + present - 1) / present;
    gone += shard_evict(&run, shard, part);
    present -= here;
  }
  return gone;
}

typedef struct evict_one {
  uint32_t space;
  uint64_t hash;
  const uint64_t *stamp; /* NULL: of any */
  uint64_t gone;
  lrd_events events;
} evict_one;

static void evict_visit(void *context, lrd_memory *memory, lrd_shard *shard, uint32_t handle) {
  evict_one *one = context;
  const lrd_record *record = lrd_arena_at(&shard->arena, handle);
  if (record->space != one->space || lrd_memory_hash_of(memory, record) != one->hash || lrd_events_full(&one->events)) return;
  if (one->stamp && record->stamp != *one->stamp) return;
  lrd_shard_evict(memory, shard, handle, LARDER_EVICT_ASKED, &one->events);
  one->gone++;
}

static uint64_t evict_them(lrd_memory *memory, evict_one *one) {
  lrd_shard *shard = lrd_memory_shard(memory, one->hash);
  lrd_lock(&shard->lock);
  lrd_shard_each_in(memory, shard, one->hash, one->hash, evict_visit, one);
  bool settled = one->gone == 0 || lrd_shard_settled(memory, shard, one->space, &one->events);
  lrd_shard_tidy(memory, shard);
  lrd_unlock(&shard->lock);
  lrd_events_tell(memory, &one->events);
  if (!settled) lrd_shard_settle(memory, shard, one->space, &one->events);
  return one->gone;
}

uint64_t lrd_memory_evict_hash(lrd_memory *memory, uint32_t space, uint64_t hash) {
  return evict_them(memory, &(evict_one){.space = space, .hash = hash});
}

uint64_t lrd_memory_evict_stamp(lrd_memory *memory, uint32_t space, uint64_t hash, uint64_t stamp) {
  return evict_them(memory, &(evict_one){.space = space, .hash = hash, .stamp = &stamp});
}
