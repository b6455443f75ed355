/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records on their way out: dropped from index and policy, retired, reclaimed.
 *
 * A retired block waits in `fresh`. One barrier for a batch moves it to `waiting`; when its epoch has passed no lookup can
 * see it any more, and it is freed, or, while somebody holds a pin, kept in `pinned`. The readers' log is drained before
 * anything is freed, so that no handle in it can come to mean another record.
 */
#include "shard.h"
#include "base/fail.h"
#include "base/hash.h"

uint64_t lrd_memory_hash_of(void *context, const lrd_record *record) {
  const lrd_memory *memory = context;
  if (record->shape & LRD_SHAPE_EXTRAS) {
    lrd_extras extras;
    (void)lrd_extras_read(record, &extras);
    if (extras.mask & LRD_EXTRA_HASH) return extras.hash;
  }
  return lrd_hash64(lrd_record_key(record), lrd_record_key_len(record), lrd_memory_space(memory, record->space)->seed);
}

uint64_t lrd_large_cost(uint64_t len) {
  const uint64_t page = 4096;
  return len < 32 * page ? (len + 8 + 15) / 16 * 16 : (len + 16 + page - 1) / page * page;
}

uint64_t lrd_record_charge(const lrd_record *record) {
  uint64_t charge = (uint64_t)lrd_record_units(record) * LRD_UNIT + LRD_ENTRY_INDEX_COST;
  return record->shape & LRD_SHAPE_LARGE ? charge + lrd_large_cost(lrd_record_value(record).len) : charge;
}

uint64_t lrd_shard_charge(const lrd_shard *shard) { return (uint64_t)shard->arena.used * LRD_UNIT + shard->policy_bytes; }

uint64_t lrd_shard_quota(const lrd_memory *memory) {
  uint64_t apart = atomic_load_explicit(&memory->apart, memory_order_relaxed);
  return apart < memory->budget ? (memory->budget - apart) >> memory->shard_bits : 0;
}

void lrd_events_tell(lrd_memory *memory, lrd_events *events) {
  const larder_tier_host *host = &memory->host;
  for (uint32_t i = 0; i < events->demoted_len; i++) {
    lrd_record *record = events->demoted[i];
    larder_facts facts;
    lrd_record_facts(record, &facts);
    larder_tier_key key = {.data = lrd_record_key(record),
                           .len = lrd_record_key_len(record),
                           .hash = lrd_memory_hash_of(memory, record),
                           .space = record->space};
    host->demote(host->context, &key, lrd_record_value(record).data, &facts, lrd_record_token(record), events->demoted_for[i]);
    atomic_fetch_sub_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_release);
  }
  for (uint32_t i = 0; host->evicted && i < events->tallies_len; i++) {
    host->evicted(host->context, events->tallies[i].space, events->tallies[i].reason, events->tallies[i].count,
                  events->tallies[i].bytes);
  }
  events->demoted_len = 0;
  events->tallies_len = 0;
}

static void events_tally(lrd_events *events, uint32_t space, larder_evict_reason reason, uint64_t bytes) {
  uint32_t i = 0;
  while (i < events->tallies_len && (events->tallies[i].space != space || events->tallies[i].reason != reason)) i++;
  if (i == events->tallies_len) {
    LRD_ASSERT(i < LRD_TALLIES_MAX);
    events->tallies_len++;
    events->tallies[i].space = space;
    events->tallies[i].reason = reason;
    events->tallies[i].count = 0;
    events->tallies[i].bytes = 0;
  }
  events->tallies[i].count++;
  events->tallies[i].bytes += bytes;
}

/* So many cells of the ring, from the tail on. */
static void log_take(lrd_shard *shard, uint32_t head, uint32_t cells) {
  for (uint32_t i = 0; i < cells; i++) {
    _Atomic uint32_t *cell = &shard->log[(shard->log_tail + i) % LRD_LOG_LEN];
    if (atomic_load_explicit(cell, memory_order_relaxed) == 0) continue;
    uint32_t handle = atomic_exchange_explicit(cell, 0, memory_order_acquire);
    const lrd_record *record = lrd_arena_at(&shard->arena, handle);
    if (handle == 0 || lrd_record_retired(record)) continue;
    lrd_policy *policy = shard->spaces[record->space].policy;
    if (policy->ops->access) policy->ops->access(policy, handle);
  }
  shard->log_tail = head;
}

void lrd_shard_drain(lrd_memory *memory, lrd_shard *shard) {
  (void)memory;
  uint32_t head = atomic_load_explicit(&shard->log_head, memory_order_acquire), cells = head - shard->log_tail;
  log_take(shard, head, cells < LRD_LOG_LEN ? cells : LRD_LOG_LEN);
}

static void list_push(lrd_shard *shard, lrd_block_list *list, uint32_t handle) {
  lrd_record *block = lrd_arena_at(&shard->arena, handle);
  block->next = (block->next & ~LRD_HANDLE_MASK) | list->first;
  list->first = handle;
  list->count++;
}

static uint32_t list_pop(lrd_shard *shard, lrd_block_list *list) {
  uint32_t handle = list->first;
  if (handle == 0) return 0;
  list->first = lrd_arena_at(&shard->arena, handle)->next & LRD_HANDLE_MASK;
  list->count--;
  return handle;
}

void lrd_shard_retire(lrd_shard *shard, uint32_t handle) {
  lrd_record *block = lrd_arena_at(&shard->arena, handle);
  LRD_DASSERT(!(block->prev & LRD_BLOCK_RETIRED));
  block->prev |= LRD_BLOCK_RETIRED;
  list_push(shard, &shard->fresh, handle);
  shard->fresh_units += lrd_arena_block_units(&shard->arena, handle);
}

void lrd_shard_tidy(lrd_memory *memory, lrd_shard *shard) {
  if (shard->fresh.count < LRD_LIMBO_BATCH && shard->fresh_units < LRD_LIMBO_UNITS) return;
  (void)lrd_shard_reclaim(memory, shard, shard->fresh.count >= LRD_LIMBO_MAX);
}

static void shard_free(lrd_memory *memory, lrd_shard *shard, uint32_t handle) {
  lrd_record *record = lrd_arena_at(&shard->arena, handle);
  if (!(record->next & LRD_BLOCK_PLAIN) && record->shape & LRD_SHAPE_LARGE) {
    lrd_span large = lrd_record_value(record);
    atomic_fetch_sub_explicit(&memory->apart, lrd_large_cost(large.len), memory_order_relaxed);
    lrd_dealloc((void *)(uintptr_t)large.data);
  }
  lrd_arena_free(&shard->arena, handle);
}

bool lrd_block_pinned(const lrd_record *block, const lrd_held *held) {
  if (block->next & LRD_BLOCK_PLAIN) return false;
  return lrd_record_pins(block) != 0 || (lrd_held_maybe(held, block) && lrd_epoch_holds(block));
}

/* Frees what nobody pins; the rest goes to the pinned ones. */
static uint32_t shard_free_list(lrd_memory *memory, lrd_shard *shard, lrd_block_list list) {
  uint32_t freed = 0;
  if (list.count == 0) return 0;
  lrd_held held;
  lrd_epoch_held(&held);
  for (uint32_t handle; (handle = list_pop(shard, &list)) != 0;) {
    if (lrd_block_pinned(lrd_arena_at(&shard->arena, handle), &held)) {
      list_push(shard, &shard->pinned, handle);
    } else {
      shard_free(memory, shard, handle);
      freed++;
    }
  }
  return freed;
}

uint32_t lrd_shard_reclaim(lrd_memory *memory, lrd_shard *shard, bool wait) {
  lrd_block_list pinned = shard->pinned;
  shard->pinned = (lrd_block_list){0};
  uint32_t freed = shard_free_list(memory, shard, pinned);
  for (int round = 0; round < 2; round++) {
    if (shard->waiting.count == 0 && shard->fresh.count != 0) {
      shard->waiting = shard->fresh;
      shard->fresh = (lrd_block_list){0};
      shard->fresh_units = 0;
      shard->waiting_epoch = lrd_epoch_advance();
    }
    if (shard->waiting.count == 0) break;
    if (wait)
      lrd_epoch_wait(shard->waiting_epoch);
    else if (!lrd_epoch_passed(shard->waiting_epoch))
      break;
    /* The whole ring: who took a place before the last draining may have written into it only since. */
    log_take(shard, atomic_load_explicit(&shard->log_head, memory_order_acquire), LRD_LOG_LEN);
    lrd_block_list waiting = shard->waiting;
    shard->waiting = (lrd_block_list){0};
    freed += shard_free_list(memory, shard, waiting);
  }
  return freed;
}

void lrd_shard_drop(lrd_memory *memory, lrd_shard *shard, uint32_t handle, bool evicted) {
  lrd_record *record = lrd_arena_at(&shard->arena, handle);
  uint64_t hash = lrd_memory_hash_of(memory, record), charge = lrd_record_charge(record);
  lrd_place place;
  bool found = lrd_index_find_handle(&memory->index, hash, handle, &place);
  LRD_ASSERT(found);
  lrd_index_remove(&memory->index, hash, &place);
  lrd_shard_space *own = &shard->spaces[record->space];
  own->policy->ops->remove(own->policy, handle, evicted);
  own->entries--;
  own->bytes -= charge;
  own->payload -= lrd_record_key_len(record) + lrd_record_value(record).len;
  lrd_space *space = lrd_memory_space(memory, record->space);
  if (space->entries_max) atomic_fetch_sub_explicit(&space->entries, 1, memory_order_relaxed);
  if (space->bytes_max) atomic_fetch_sub_explicit(&space->bytes, charge, memory_order_relaxed);
  if (memory->entries_max) atomic_fetch_sub_explicit(&memory->entries, 1, memory_order_relaxed);
  shard->drops++;
  lrd_shard_retire(shard, handle);
}

void lrd_shard_evict(lrd_memory *memory, lrd_shard *shard, uint32_t handle, larder_evict_reason reason, lrd_events *events) {
  lrd_record *record = lrd_arena_at(&shard->arena, handle);
  bool for_room = reason == LARDER_EVICT_CAPACITY || reason == LARDER_EVICT_ENTRIES || reason == LARDER_EVICT_ASKED;
  if (for_room && lrd_record_life(record) != LRD_LIFE_NEVER && lrd_record_expired(record, lrd_memory_now(memory))) {
    reason = LARDER_EVICT_EXPIRED;
    for_room = false;
  }
  if (reason == LARDER_EVICT_ASKED) { /* nobody asked the policy, that expects more room than there may be */
    lrd_policy *policy = shard->spaces[record->space].policy;
    policy->room = lrd_policy_total(policy);
  }
  events_tally(events, record->space, reason, lrd_record_charge(record));
  if (for_room && memory->host.demote && lrd_record_pins(record) < LRD_PINS_MAX) {
    LRD_ASSERT(events->demoted_len < LRD_EVENTS_MAX);
    atomic_fetch_add_explicit(&record->token_pins, LRD_PIN_ONE, memory_order_relaxed);
    events->demoted_for[events->demoted_len] = reason;
    events->demoted[events->demoted_len++] = record;
  }
  lrd_shard_drop(memory, shard, handle, for_room);
}

bool lrd_shard_evict_next(lrd_memory *memory, lrd_shard *shard, uint32_t space, larder_evict_reason reason, lrd_events *events,
                          uint64_t *bytes_out) {
  lrd_policy *policy = shard->spaces[space].policy;
  lrd_shard_drain(memory, shard);
  policy->room = lrd_policy_total(policy);
  uint32_t handle = policy->ops->victim(policy);
  if (handle == 0) return false;
  *bytes_out = lrd_record_charge(lrd_arena_at(&shard->arena, handle));
  lrd_shard_evict(memory, shard, handle, reason, events);
  return true;
}
