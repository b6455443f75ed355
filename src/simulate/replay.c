/* SPDX-License-Identifier: Apache-2.0 */
/* By bytes, an entry weighs what the trace says of its key and nothing else. A record's key is its number in the trace. */
#include "replay.h"

#include "base/fail.h"
#include "base/hash.h"
#include "tier/memory/policy_row.h"

#define AHEAD 12u /* requests whose records are fetched beforehand */

_Static_assert((LRD_REPLAY_ENTRIES_MAX + 1) * LRD_ROW_UNITS <= LRD_HANDLE_MASK, "every record has a handle");

typedef struct replay {
  const larder_trace *trace;
  lrd_policy_row row;
  uint64_t seed;
  uint32_t *handles; /* by key; 0: not there */
  uint64_t capacity; /* entries or bytes */
  uint64_t used;
  bool by_bytes;
} replay;

static uint64_t replay_hash_of(void *context, const lrd_record *record) {
  return lrd_hash64(lrd_record_key(record), sizeof(uint32_t), ((const replay *)context)->seed);
}

static uint64_t replay_weight(const replay *r, uint32_t id) { return r->by_bytes ? r->trace->sizes[id] : 1; }

/* How many entries can be there at once. */
static uint64_t replay_most(const replay *r) {
  uint64_t unique = r->trace->unique;
  return !r->by_bytes && r->capacity < unique ? r->capacity : unique;
}

static void replay_fini(replay *r) {
  lrd_policy_row_fini(&r->row);
  lrd_dealloc(r->handles);
}

static larder_err replay_init(replay *r, const larder_trace *trace, uint64_t seed, const larder_simulate_run *run) {
  *r = (replay){.trace = trace, .seed = seed, .capacity = run->bytes ? run->bytes : run->objects, .by_bytes = run->bytes != 0};
  LRD_ASSERT(replay_most(r) <= LRD_REPLAY_ENTRIES_MAX);
  r->handles = lrd_alloc_zero(trace->unique + (size_t)1, sizeof *r->handles);
  const lrd_policy_row_options how = {.policy = run->policy,
                                      .records = replay_most(r),
                                      .key_len = sizeof(uint32_t),
                                      .by_bytes = r->by_bytes,
                                      .room = r->capacity,
                                      .hash_of = replay_hash_of,
                                      .context = r};
  larder_err err = r->handles ? lrd_policy_row_init(&r->row, &how) : LARDER_ENOMEM;
  if (err != LARDER_OK) replay_fini(r);
  return err;
}

static void replay_evict(replay *r, uint32_t handle) {
  uint32_t id = lrd_get_u32(lrd_record_key(lrd_arena_at(&r->row.arena, handle)));
  lrd_policy_row_drop(&r->row, handle, true);
  r->used -= replay_weight(r, id);
  r->handles[id] = 0;
}

/* As change.c puts: the limit first, then the policy's own room, then the entry. */
static larder_err replay_put(replay *r, uint32_t id, uint64_t weight, larder_simulate_run *run) {
  while (r->used + weight > r->capacity) {
    replay_evict(r, lrd_policy_row_victim(&r->row));
    run->evictions++;
  }
  r->handles[id] = lrd_policy_row_put(&r->row, id, weight);
  if (r->handles[id] == 0) return LARDER_ENOMEM;
  r->used += weight;
  return LARDER_OK;
}

/* Requests [at, end) of the trace. */
static larder_err replay_stretch(replay *r, uint64_t at, uint64_t end, larder_simulate_run *run) {
  const uint32_t *ids = r->trace->ids;
  for (; at < end; at++) {
    if (at + AHEAD * 2 < end) {
      __builtin_prefetch(&r->handles[ids[at + AHEAD * 2]]);
      __builtin_prefetch(lrd_arena_at(&r->row.arena, r->handles[ids[at + AHEAD]]));
    }
    uint32_t id = ids[at], handle = r->handles[id];
    if (handle) {
      lrd_policy_row_touch(&r->row, handle);
      continue;
    }
    uint64_t weight = replay_weight(r, id);
    run->misses++;
    run->miss_bytes += r->trace->sizes ? r->trace->sizes[id] : 0;
    larder_err err = weight <= r->capacity ? replay_put(r, id, weight, run) : LARDER_OK;
    if (err != LARDER_OK) return err;
  }
  return LARDER_OK;
}

larder_err lrd_replay(const larder_trace *trace, uint64_t seed, larder_simulate_run *run, lrd_run_watch *watch) {
  replay r;
  larder_err err = replay_init(&r, trace, seed, run);
  if (err != LARDER_OK) return err;
  for (uint64_t at = 0; at < trace->requests && err == LARDER_OK;) {
    uint64_t left = trace->requests - at, now = left < LRD_RUN_TELL ? left : LRD_RUN_TELL;
    err = replay_stretch(&r, at, at + now, run);
    at += now;
    if (!lrd_run_told(watch, now) && err == LARDER_OK) err = LARDER_ECANCELLED;
  }
  replay_fini(&r);
  return err;
}
