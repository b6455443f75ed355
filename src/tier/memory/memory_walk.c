/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks in the order of the hash: scan, sweep, removal of a range, clear. The position of a scan is a hash, so it stays
 * good while segments grow: the next line to look at is the home of that hash in whatever the segment is then.
 */
#include "memory_open.h"

#define SCAN_AT_ONCE 64u

/* The first hash whose home is line `line` of `lines` in the segment; of the next segment when line == lines. */
static uint64_t walk_hash_of(const lrd_index *index, size_t segment, uint32_t line, uint32_t lines, bool *ended) {
  uint64_t fraction = line == lines ? (uint64_t)1 << 32 : (((uint64_t)line << 32) + lines - 1) / lines;
  if (fraction >> 32) {
    segment++;
    fraction = 0;
  }
  *ended = segment >> index->bits != 0;
  if (*ended) return 0;
  return (index->bits ? (uint64_t)segment << (64 - index->bits) : 0) | fraction << 32 >> index->bits;
}

typedef struct scan_row {
  uint64_t hash;
  lrd_record *record;
} scan_row;

typedef struct scan_gather {
  scan_row rows[SCAN_AT_ONCE];
  uint32_t len;
  uint64_t from;
  uint32_t space;
  int64_t now_ms;
  uint64_t examined;
} scan_gather;

/* Keeps the lowest hashes from `from` on, in order; each held by a pin. Entries of one same hash are kept together as far
 * as there is room for them. */
static void scan_take(void *context, lrd_memory *memory, lrd_shard *shard, uint32_t handle) {
  scan_gather *gather = context;
  lrd_record *record = lrd_arena_at(&shard->arena, handle);
  gather->examined++;
  if (record->space != gather->space || lrd_record_expired(record, gather->now_ms)) return;
  if (lrd_record_pins(record) >= LRD_PINS_MAX) return;
  uint64_t hash = lrd_memory_hash_of(memory, record);
  uint32_t at = gather->len;
  while (at > 0 && gather->rows[at - 1].hash > hash) at--;
  if (at == SCAN_AT_ONCE) return;
  if (gather->len == SCAN_AT_ONCE) {
    atomic_fetch_sub_explicit(&gather->rows[--gather->len].record->token_pins, LRD_PIN_ONE, memory_order_release);
  }
  memmove(&gather->rows[at + 1], &gather->rows[at], (gather->len - at) * sizeof *gather->rows);
  gather->rows[at] = (scan_row){.hash = hash, .record = record};
  gather->len++;
  atomic_fetch_add_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_relaxed);
}

/* The rows of one home line from gather->from on. Returns where to go on. */
static uint64_t scan_line(lrd_memory *memory, scan_gather *gather, bool *ended) {
  lrd_shard *shard = lrd_memory_shard(memory, gather->from);
  size_t segment = lrd_index_segment(&memory->index, gather->from);
  lrd_lock(&shard->lock);
  uint64_t entry = atomic_load_explicit(&memory->index.directory[segment], memory_order_relaxed);
  uint32_t lines = entry ? lrd_directory_count(entry) : 1;
  uint32_t home = lrd_line_home(lrd_index_fraction(&memory->index, gather->from), lines);
  uint64_t next = walk_hash_of(&memory->index, segment, home + 1, lines, ended);
  uint64_t last = *ended ? UINT64_MAX : next - 1;
  if (entry) lrd_shard_each_in(memory, shard, gather->from, last, scan_take, gather);
  lrd_unlock(&shard->lock);
  if (gather->len < SCAN_AT_ONCE) return next;
  /* More than fit: go on behind the last, unless it may have a twin of its hash that did not fit any more. */
  *ended = false;
  uint64_t highest = gather->rows[gather->len - 1].hash;
  while (gather->len > 1 && gather->rows[gather->len - 1].hash == highest && gather->rows[0].hash != highest) {
    atomic_fetch_sub_explicit(&gather->rows[--gather->len].record->token_pins, LRD_PIN_ONE, memory_order_release);
  }
  return gather->rows[0].hash == highest ? highest + 1 : highest;
}

/* Visits what was gathered, `limit` at most; false when it stopped amid it, with the position to resume at. */
static bool scan_show(scan_gather *gather, uint64_t limit, bool values, larder_tier_visit visit, void *context, uint64_t *next,
                      bool *ended) {
  bool going = true;
  uint64_t shown = 0;
  for (uint32_t i = 0; i < gather->len; i++) {
    lrd_record *record = gather->rows[i].record;
    if (going) {
      larder_facts facts;
      lrd_record_facts(record, &facts);
      larder_tier_key key = {.data = lrd_record_key(record),
                             .len = lrd_record_key_len(record),
                             .hash = gather->rows[i].hash,
                             .space = record->space};
      going = visit(context, &key, &facts, values ? lrd_record_value(record).data : NULL);
      /* Entries of one hash have one position, so they are shown together. */
      if (++shown >= limit && i + 1 < gather->len && gather->rows[i + 1].hash != key.hash) going = false;
      if (!going && i + 1 < gather->len) {
        *next = gather->rows[i + 1].hash;
        *ended = false;
      }
    }
    atomic_fetch_sub_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_release);
  }
  gather->len = 0;
  return going;
}

larder_err lrd_memory_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                           larder_tier_visit visit, void *context) {
  lrd_memory *memory = lrd_memory_of(self);
  if (space >= atomic_load_explicit(&memory->spaces_len, memory_order_acquire)) return LARDER_EINVAL;
  scan_gather gather = {.from = cursor->position, .space = space, .now_ms = lrd_memory_now(memory)};
  bool ended = cursor->ended;
  uint64_t left = limit ? limit : UINT64_MAX;
  while (!ended && left != 0) {
    gather.examined = 0;
    uint64_t next = scan_line(memory, &gather, &ended);
    bool going = scan_show(&gather, left, values, visit, context, &next, &ended);
    left -= gather.examined < left ? gather.examined : left;
    gather.from = next;
    if (!going) break;
  }
  cursor->position = gather.from;
  cursor->ended = ended;
  return ended ? LARDER_END : LARDER_OK;
}

typedef struct sweep_run {
  int64_t now_ms;
  uint64_t examined;
  uint64_t removed;
  lrd_events *events;
} sweep_run;

static void sweep_one(void *context, lrd_memory *memory, lrd_shard *shard, uint32_t handle) {
  sweep_run *run = context;
  const lrd_record *record = lrd_arena_at(&shard->arena, handle);
  run->examined++;
  if (lrd_record_life(record) == LRD_LIFE_NEVER || !lrd_record_expired(record, run->now_ms)) return;
  if (lrd_events_full(run->events)) return; /* the next sweep comes by */
  lrd_shard_evict(memory, shard, handle, LARDER_EVICT_EXPIRED, run->events);
  run->removed++;
}

larder_err lrd_memory_sweep(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out) {
  lrd_memory *memory = lrd_memory_of(self);
  lrd_events events = {0};
  sweep_run run = {.now_ms = lrd_memory_now(memory), .events = &events};
  uint64_t at = atomic_load_explicit(&memory->sweep_at, memory_order_relaxed);
  size_t segments = (size_t)1 << memory->index.bits;
  /* Limits are kept by every write, so expiry is all there is to do. Once around at most. */
  for (size_t i = 0; expire_physically && i < segments && run.examined < limit; i++) {
    bool ended;
    size_t segment = lrd_index_segment(&memory->index, at);
    lrd_shard *shard = lrd_memory_shard(memory, at);
    uint64_t next = walk_hash_of(&memory->index, segment, 1, 1, &ended);
    lrd_lock(&shard->lock);
    lrd_shard_each_in(memory, shard, at, ended ? UINT64_MAX : next - 1, sweep_one, &run);
    lrd_shard_index_shrink(memory, shard, segment);
    (void)lrd_shard_reclaim(memory, shard, false);
    bool again = lrd_events_full(&events);
    lrd_unlock(&shard->lock);
    lrd_events_tell(memory, &events);
    if (!again) at = next;
  }
  atomic_store_explicit(&memory->sweep_at, at, memory_order_relaxed);
  *removed_out = run.removed;
  return LARDER_OK;
}

static void forget_one(void *context, lrd_memory *memory, lrd_shard *shard, uint32_t handle) {
  lrd_shard_drop(memory, shard, handle, false);
  ++*(uint64_t *)context;
}

larder_err lrd_memory_forget_range(void *self, uint64_t first, uint64_t last, uint64_t *removed_out) {
  lrd_memory *memory = lrd_memory_of(self);
  if (first > last) return LARDER_EINVAL;
  uint64_t removed = 0;
  lrd_shard *shard = lrd_memory_shard(memory, first), *end = lrd_memory_shard(memory, last);
  for (; shard <= end; shard++) {
    lrd_lock(&shard->lock);
    lrd_shard_each_in(memory, shard, first, last, forget_one, &removed);
    (void)lrd_shard_reclaim(memory, shard, false);
    lrd_unlock(&shard->lock);
  }
  *removed_out = removed;
  return LARDER_OK;
}

typedef struct clear_run {
  uint32_t space;
  uint64_t entries;
  uint64_t bytes;
} clear_run;

static void clear_one(void *context, lrd_memory *memory, lrd_shard *shard, uint32_t handle) {
  clear_run *run = context;
  const lrd_record *record = lrd_arena_at(&shard->arena, handle);
  if (record->space != run->space) return;
  run->entries++;
  run->bytes += lrd_record_key_len(record) + lrd_record_value(record).len;
  lrd_shard_drop(memory, shard, handle, false);
}

void lrd_memory_clear(lrd_memory *memory, uint32_t space, uint64_t *entries_out, uint64_t *bytes_out) {
  clear_run run = {.space = space};
  size_t segments = (size_t)1 << memory->index.bits;
  for (size_t segment = 0; segment < segments; segment++) {
    bool ended;
    uint64_t first = walk_hash_of(&memory->index, segment, 0, 1, &ended);
    uint64_t next = walk_hash_of(&memory->index, segment, 1, 1, &ended);
    lrd_shard *shard = lrd_memory_shard(memory, first);
    lrd_lock(&shard->lock);
    bool any = space < shard->spaces_len && shard->spaces[space].entries != 0;
    if (any) lrd_shard_each_in(memory, shard, first, ended ? UINT64_MAX : next - 1, clear_one, &run);
    if (any) lrd_shard_index_shrink(memory, shard, segment);
    lrd_shard_tidy(memory, shard);
    lrd_unlock(&shard->lock);
  }
  if (entries_out) *entries_out = run.entries;
  if (bytes_out) *bytes_out = run.bytes;
}
