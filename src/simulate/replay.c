/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record is 64 bytes, one line of the processor's cache: a head as every record has it, the key (its number in the trace),
 * extras. By bytes, an entry weighs what the trace says of its key and nothing else: the record says that it has a large value,
 * whose length is what the record's own 64 bytes leave of the size. Nobody follows its pointer.
 *
 * Records lie in a row and are handed out from its front; those of evicted entries are handed out again first.
 */
#include "replay.h"

#include "base/fail.h"
#include "base/hash.h"
#include "tier/memory/policy.h"

#define RECORD_BYTES 64u
#define RECORD_UNITS (RECORD_BYTES / LRD_UNIT)
#define KEY_LEN      4u
#define AHEAD        12u /* requests whose records are fetched beforehand */

_Static_assert((LRD_REPLAY_ENTRIES_MAX + 1) * RECORD_UNITS <= LRD_HANDLE_MASK, "every record has a handle");

typedef struct replay {
  const larder_trace *trace;
  const lrd_policy_ops *ops;
  lrd_policy *policy;
  lrd_arena arena;
  uint64_t policy_bytes;
  uint64_t seed;
  uint32_t *handles; /* by key; 0: not there */
  void *raw;         /* the records, before alignment */
  uint32_t spare;    /* handles of evicted records, linked by next */
  uint32_t fresh;    /* the next handle that was never used */
  uint64_t capacity; /* entries or bytes */
  uint64_t used;
  bool by_bytes;
} replay;

static uint64_t replay_hash_of(void *context, const lrd_record *record) {
  return lrd_hash64(lrd_record_key(record), KEY_LEN, ((const replay *)context)->seed);
}

static uint64_t replay_weight(const replay *r, uint32_t id) { return r->by_bytes ? r->trace->sizes[id] : 1; }

/* How many entries can be there at once. */
static uint64_t replay_most(const replay *r) {
  uint64_t unique = r->trace->unique;
  return !r->by_bytes && r->capacity < unique ? r->capacity : unique;
}

static void replay_fini(replay *r) {
  lrd_policy_free(r->policy);
  lrd_dealloc(r->handles);
  lrd_dealloc(r->raw);
}

static larder_err replay_init(replay *r, const larder_trace *trace, uint64_t seed, const larder_simulate_run *run) {
  *r = (replay){.trace = trace,
                .ops = lrd_policy_find(run->policy),
                .seed = seed,
                .fresh = RECORD_UNITS, /* handle 0 is none */
                .capacity = run->bytes ? run->bytes : run->objects,
                .by_bytes = run->bytes != 0};
  uint64_t records = replay_most(r) + 1;
  LRD_ASSERT(r->ops && records <= LRD_REPLAY_ENTRIES_MAX + 1);
  r->raw = lrd_alloc((size_t)(records * RECORD_BYTES) + 63);
  r->handles = lrd_alloc_zero(trace->unique + (size_t)1, sizeof *r->handles);
  if (r->raw && r->handles) {
    void *base = (void *)(((uintptr_t)r->raw + 63) & ~(uintptr_t)63);
    lrd_arena_init(&r->arena, base, LRD_HANDLE_MASK);
    r->policy = lrd_policy_new(r->ops, &r->arena, replay_hash_of, r, &r->policy_bytes, !r->by_bytes, r->capacity);
  }
  if (r->policy) return LARDER_OK;
  replay_fini(r);
  return LARDER_ENOMEM;
}

static uint32_t record_new(replay *r, uint32_t id) {
  uint32_t handle = r->spare;
  if (handle)
    r->spare = lrd_arena_at(&r->arena, handle)->next;
  else {
    handle = r->fresh;
    r->fresh += RECORD_UNITS;
  }
  lrd_extras extras = {.mask = (r->ops->record_word ? LRD_EXTRA_WORD : 0u) | (r->by_bytes ? LRD_EXTRA_LARGE : 0u),
                       .large_len = replay_weight(r, id) - RECORD_BYTES};
  lrd_record *record = lrd_arena_at(&r->arena, handle);
  memset(record, 0, RECORD_BYTES);
  atomic_store_explicit(&record->touch, r->ops->touch, memory_order_relaxed);
  record->shape = (uint16_t)(KEY_LEN | (extras.mask ? LRD_SHAPE_EXTRAS : 0) | (r->by_bytes ? LRD_SHAPE_LARGE : 0));
  lrd_put_u32(record->body, id);
  lrd_extras_write(&extras, record->body + KEY_LEN);
  return handle;
}

static void replay_evict(replay *r, uint32_t handle) {
  lrd_record *record = lrd_arena_at(&r->arena, handle);
  uint32_t id = lrd_get_u32(record->body);
  r->ops->remove(r->policy, handle, true);
  r->used -= replay_weight(r, id);
  r->handles[id] = 0;
  record->next = r->spare;
  r->spare = handle;
}

/* As change.c puts: the limit first, then the policy's own room, then the entry. */
static larder_err replay_put(replay *r, uint32_t id, uint64_t weight, larder_simulate_run *run) {
  while (r->used + weight > r->capacity) {
    r->policy->room = lrd_policy_total(r->policy);
    uint32_t victim = r->ops->victim(r->policy);
    LRD_ASSERT(victim);
    replay_evict(r, victim);
    run->evictions++;
  }
  if (r->ops->prepare && !r->ops->prepare(r->policy)) return LARDER_ENOMEM;
  uint32_t handle = record_new(r, id);
  r->ops->insert(r->policy, handle, replay_hash_of(r, lrd_arena_at(&r->arena, handle)));
  r->handles[id] = handle;
  r->used += weight;
  return LARDER_OK;
}

static void replay_hit(replay *r, uint32_t handle) {
  lrd_record *record = lrd_arena_at(&r->arena, handle);
  if (!(atomic_load_explicit(&record->touch, memory_order_relaxed) & LRD_TOUCH_LOG))
    lrd_touch_raise(record);
  else if (r->ops->access)
    r->ops->access(r->policy, handle);
}

/* Requests [at, end) of the trace. */
static larder_err replay_stretch(replay *r, uint64_t at, uint64_t end, larder_simulate_run *run) {
  const uint32_t *ids = r->trace->ids;
  for (; at < end; at++) {
    if (at + AHEAD * 2 < end) {
      __builtin_prefetch(&r->handles[ids[at + AHEAD * 2]]);
      __builtin_prefetch(lrd_arena_at(&r->arena, r->handles[ids[at + AHEAD]]));
    }
    uint32_t id = ids[at], handle = r->handles[id];
    if (handle) {
      replay_hit(r, handle);
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
