/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes: put, delete, touch, forget of one key.
 *
 * A put, under the shard's lock: who is there now and does it win; the limits of the space and of the instance, evicting;
 * room in the index; a block, evicting; fill it; publish it by one store of its handle over the old one's, or into an empty
 * lane. Whatever had to be evicted may have been the very record that is replaced, so after evictions it is looked up
 * anew. What must happen without the lock (telling the host, evicting in another shard) makes the put come round again.
 */
#include "base/fail.h"
#include "base/hash.h"
#include "shard.h"

typedef struct change_run {
  lrd_memory *memory;
  lrd_record_change *change;
  lrd_shard *shard;
  lrd_space *space;
  lrd_extras extras;
  uint64_t life;
  uint32_t units;
  uint64_t charge;
  void *large;        /* own until it is in a record */
  bool elsewhere;     /* another shard must give up an entry of the space first */
  bool elsewhere_any; /* or of any space */
  lrd_events events;
} change_run;

larder_err lrd_memory_check_key(const lrd_memory *memory, const larder_tier_key *key) {
  if (key->data == NULL || key->len == 0 || key->len > LARDER_KEY_MAX) return LARDER_EINVAL;
  return key->space < atomic_load_explicit(&memory->spaces_len, memory_order_acquire) ? LARDER_OK : LARDER_EINVAL;
}

static void change_layout(change_run *run) {
  const larder_facts *facts = run->change->facts;
  const larder_tier_key *key = run->change->key;
  lrd_extras *extras = &run->extras;
  int64_t delta = facts->expires_hard_ms - (int64_t)(facts->stamp >> 16);
  *extras = (lrd_extras){.soft_ms = facts->expires_soft_ms,
                         .hard_ms = facts->expires_hard_ms,
                         .hash = key->hash,
                         .large = run->large,
                         .large_len = facts->value_len,
                         .version = {facts->version, facts->version_len},
                         .modified_ms = facts->modified_ms,
                         .meta = {facts->meta, facts->meta_len},
                         .tags = {facts->tags, facts->tags_len}};
  run->life = facts->expires_hard_ms == 0 ? LRD_LIFE_NEVER : (uint64_t)delta;
  if (run->life != LRD_LIFE_NEVER && (delta < 0 || (uint64_t)delta >= LRD_LIFE_APART)) {
    run->life = LRD_LIFE_APART;
    extras->mask |= LRD_EXTRA_HARD;
  }
  if (run->space->policy->record_word) extras->mask |= LRD_EXTRA_WORD;
  /* What is absent has extras always, so that a hit by the straight way never meets it. */
  if (facts->expires_soft_ms != facts->expires_hard_ms || facts->kind == LARDER_KIND_ABSENT) extras->mask |= LRD_EXTRA_SOFT;
  if (lrd_hash64(key->data, key->len, run->space->seed) != key->hash) extras->mask |= LRD_EXTRA_HASH;
  if (run->large) extras->mask |= LRD_EXTRA_LARGE;
  if (facts->version_len || facts->modified_ms) extras->mask |= LRD_EXTRA_VERSION;
  if (facts->meta_len) extras->mask |= LRD_EXTRA_META;
  if (facts->tags_len) extras->mask |= LRD_EXTRA_TAGS;
  size_t bytes = LRD_RECORD_HEAD + key->len + (run->large ? 0 : facts->value_len) + lrd_extras_size(extras);
  run->units = (uint32_t)((bytes + LRD_UNIT - 1) / LRD_UNIT);
  if (run->units < LRD_BLOCK_MIN) run->units = LRD_BLOCK_MIN;
  run->charge = (uint64_t)run->units * LRD_UNIT + LRD_ENTRY_INDEX_COST + (run->large ? lrd_large_cost(facts->value_len) : 0);
}

static void change_fill(const change_run *run, lrd_record *record, uint32_t got_units) {
  const larder_facts *facts = run->change->facts;
  const larder_tier_key *key = run->change->key;
  size_t bytes = LRD_RECORD_HEAD + key->len + (run->large ? 0 : facts->value_len) + lrd_extras_size(&run->extras);
  uint64_t slack = got_units - (bytes + LRD_UNIT - 1) / LRD_UNIT;
  LRD_ASSERT(slack <= LRD_SLACK_MAX);
  atomic_store_explicit(&record->token_pins, (run->change->token & LRD_TOKEN_MASK) | slack << LRD_SLACK_SHIFT,
                        memory_order_relaxed);
  record->stamp = facts->stamp;
  record->life_low = (uint32_t)run->life;
  record->life_high = (uint8_t)(run->life >> 32);
  atomic_store_explicit(&record->touch, run->space->policy->touch, memory_order_relaxed);
  record->space = (uint16_t)key->space;
  record->value_len = run->large ? 0 : (uint16_t)facts->value_len;
  record->shape = (uint16_t)(key->len | (unsigned)facts->kind << LRD_SHAPE_KIND | (run->large ? LRD_SHAPE_LARGE : 0) |
                             (run->extras.mask ? LRD_SHAPE_EXTRAS : 0));
  uint8_t *at = (uint8_t *)record + LRD_RECORD_HEAD;
  memcpy(at, key->data, key->len);
  at += key->len;
  if (!run->large && facts->value_len) memcpy(at, run->change->value, facts->value_len);
  lrd_extras_write(&run->extras, at + record->value_len);
}

/* Adds to a sum that has a limit, if it fits. */
static bool limit_take(_Atomic uint64_t *sum, uint64_t max, uint64_t more) {
  if (max == 0 || more == 0) return true;
  uint64_t now = atomic_load_explicit(sum, memory_order_relaxed);
  do {
    if (more > max || now > max - more) return false;
  } while (!atomic_compare_exchange_weak_explicit(sum, &now, now + more, memory_order_relaxed, memory_order_relaxed));
  return true;
}

static void limit_give(_Atomic uint64_t *sum, uint64_t max, uint64_t less) {
  if (max != 0 && less != 0) atomic_fetch_sub_explicit(sum, less, memory_order_relaxed);
}

/* One more eviction for the space's limit, here or, if it has nothing here, elsewhere. */
static larder_err limit_evict(change_run *run, larder_evict_reason reason) {
  uint64_t bytes;
  if (lrd_events_full(&run->events)) return LARDER_EBUSY;
  if (lrd_shard_evict_next(run->memory, run->shard, run->change->key->space, reason, &run->events, &bytes)) return LARDER_OK;
  run->elsewhere = true;
  return LARDER_EBUSY;
}

static larder_err limit_evict_any(change_run *run) {
  uint64_t bytes;
  if (lrd_events_full(&run->events)) return LARDER_EBUSY;
  uint32_t biggest = 0;
  for (uint32_t i = 1; i < run->shard->spaces_len; i++) {
    if (run->shard->spaces[i].entries > run->shard->spaces[biggest].entries) biggest = i;
  }
  if (lrd_shard_evict_next(run->memory, run->shard, biggest, LARDER_EVICT_ENTRIES, &run->events, &bytes)) return LARDER_OK;
  run->elsewhere = run->elsewhere_any = true;
  return LARDER_EBUSY;
}

/* Takes one entry (if it is new) and some bytes from the limits, evicting until it can. */
static larder_err limits_take(change_run *run, uint64_t entries, uint64_t bytes) {
  lrd_space *space = run->space;
  if (space->bytes_max && run->charge > space->bytes_max) return LARDER_NOT_KEPT;
  while (!limit_take(&space->entries, space->entries_max, entries)) {
    larder_err evicted = limit_evict(run, LARDER_EVICT_ENTRIES);
    if (evicted != LARDER_OK) return evicted;
  }
  while (!limit_take(&space->bytes, space->bytes_max, bytes)) {
    larder_err evicted = limit_evict(run, LARDER_EVICT_CAPACITY);
    if (evicted == LARDER_OK) continue;
    limit_give(&space->entries, space->entries_max, entries);
    return evicted;
  }
  while (!limit_take(&run->memory->entries, run->memory->entries_max, entries)) {
    larder_err evicted = limit_evict_any(run);
    if (evicted == LARDER_OK) continue;
    limit_give(&space->entries, space->entries_max, entries);
    limit_give(&space->bytes, space->bytes_max, bytes);
    return evicted;
  }
  return LARDER_OK;
}

static void limits_give(change_run *run, uint64_t entries, uint64_t bytes) {
  limit_give(&run->space->entries, run->space->entries_max, entries);
  limit_give(&run->space->bytes, run->space->bytes_max, bytes);
  limit_give(&run->memory->entries, run->memory->entries_max, entries);
}

static bool change_find(const change_run *run, lrd_place *place) {
  const larder_tier_key *key = run->change->key;
  return lrd_index_find(&run->memory->index, &run->shard->arena, key->hash, key->space, key->data, key->len, place);
}

/* Whether the stored record stands in the way. */
static larder_err change_judge(change_run *run, const lrd_record *old, bool live) {
  lrd_record_change *change = run->change;
  if (change->only_stamp) {
    if (live && old->stamp == change->only_stamp) return LARDER_OK;
    change->stored_stamp = live ? old->stamp : 0;
    return LARDER_OLDER;
  }
  if (!live || change->verb == LARDER_TIER_FORGET) return LARDER_OK;
  bool same = lrd_record_token(old) == (change->token & LRD_TOKEN_MASK) || change->verb != LARDER_TIER_PUT;
  if (!same || old->stamp < change->facts->stamp) return LARDER_OK;
  if (old->stamp == change->facts->stamp && !change->equal_loses) return LARDER_OK;
  change->stored_stamp = old->stamp;
  return LARDER_OLDER;
}

static void change_count(change_run *run, uint32_t handle, bool add) {
  lrd_shard_space *own = &run->shard->spaces[run->change->key->space];
  const lrd_record *record = lrd_arena_at(&run->shard->arena, handle);
  uint64_t charge = lrd_record_charge(record), payload = lrd_record_key_len(record) + lrd_record_value(record).len;
  own->bytes += add ? charge : (uint64_t)0 - charge;
  own->payload += add ? payload : (uint64_t)0 - payload;
}

static void change_publish(change_run *run, uint32_t handle, const lrd_place *old) {
  lrd_shard *shard = run->shard;
  lrd_shard_space *own = &shard->spaces[run->change->key->space];
  lrd_policy *policy = own->policy;
  lrd_shard_drain(run->memory, shard);
  if (old) {
    policy->ops->replace(policy, old->handle, handle);
    lrd_index_replace(old, handle);
    change_count(run, old->handle, false);
    lrd_shard_retire(shard, old->handle);
  } else {
    policy->ops->insert(policy, handle, run->change->key->hash);
    lrd_index_insert(&run->memory->index, run->change->key->hash, handle);
    own->entries++;
  }
  change_count(run, handle, true);
  run->large = NULL;
}

/* Limits taken: room, block, publication. `place` is good as long as nothing was dropped. */
static larder_err put_into_room(change_run *run, lrd_place *place, bool replaces, uint64_t taken_bytes) {
  lrd_memory *memory = run->memory;
  lrd_shard *shard = run->shard;
  uint32_t space = run->change->key->space, handle, got;
  lrd_policy *policy = shard->spaces[space].policy;
  uint64_t drops = shard->drops;
  larder_err result = policy->ops->prepare && !policy->ops->prepare(policy) ? LARDER_NOT_KEPT : LARDER_OK;
  if (result == LARDER_OK && !replaces)
    result = lrd_shard_index_room(memory, shard, space, run->change->key->hash, &run->events);
  if (result == LARDER_OK) result = lrd_shard_alloc(memory, shard, space, run->units, &run->events, &handle, &got);
  if (result != LARDER_OK) goto out;
  change_fill(run, lrd_arena_at(&shard->arena, handle), got);
  uint64_t more = lrd_record_charge(lrd_arena_at(&shard->arena, handle)) - run->charge; /* slack */
  bool still = replaces && (drops == shard->drops || change_find(run, place));
  if (still != replaces || !limit_take(&run->space->bytes, run->space->bytes_max, more)) {
    lrd_arena_free(&shard->arena, handle); /* never published */
    /* To come again, there has to be one less: it is gone, or another goes. */
    result = still != replaces ? LARDER_EBUSY : limit_evict(run, LARDER_EVICT_CAPACITY);
    if (result == LARDER_OK) result = LARDER_EBUSY;
    goto out;
  }
  uint64_t old_charge = still ? lrd_record_charge(lrd_arena_at(&shard->arena, place->handle)) : 0;
  change_publish(run, handle, still ? place : NULL);
  uint64_t had = old_charge + taken_bytes + more, needs = run->charge + more;
  limit_give(&run->space->bytes, run->space->bytes_max, had - needs);
out:
  if (result != LARDER_OK) limits_give(run, replaces ? 0 : 1, taken_bytes);
  return result;
}

/* LARDER_EBUSY: tell the events, help elsewhere and come again. */
static larder_err put_locked(change_run *run) {
  lrd_memory *memory = run->memory;
  lrd_place place;
  bool found = change_find(run, &place);
  const lrd_record *old = found ? lrd_arena_at(&run->shard->arena, place.handle) : NULL;
  bool live = found && (lrd_record_life(old) == LRD_LIFE_NEVER || !lrd_record_expired(old, lrd_memory_now(memory)));
  larder_err result = change_judge(run, old, live);
  if (result != LARDER_OK) return result;
  run->change->existed = live;
  change_layout(run);
  result = atomic_load_explicit(&memory->pinned, memory_order_relaxed) > memory->pin_max ? LARDER_NOT_KEPT : LARDER_OK;
  uint64_t old_charge = found ? lrd_record_charge(old) : 0;
  uint64_t bytes = run->charge > old_charge ? run->charge - old_charge : 0, drops = run->shard->drops;
  if (result == LARDER_OK) result = limits_take(run, found ? 0 : 1, bytes);
  if (result == LARDER_OK && found && drops != run->shard->drops && !change_find(run, &place)) {
    limits_give(run, 0, bytes);
    return LARDER_EBUSY; /* it was evicted to make room for its successor */
  }
  if (result == LARDER_OK) result = put_into_room(run, &place, found, bytes);
  /* What is not kept must not leave the older value behind. */
  if (result == LARDER_NOT_KEPT && change_find(run, &place)) lrd_shard_drop(memory, run->shard, place.handle, false);
  lrd_shard_tidy(memory, run->shard);
  return result;
}

/* Has any other shard give up one entry of the space (or of any). False: none has one. */
static bool change_evict_elsewhere(change_run *run) {
  lrd_memory *memory = run->memory;
  size_t own = (size_t)(run->shard - memory->shards), count = lrd_memory_shards(memory);
  bool evicted = false;
  for (size_t i = 0; i < count && !evicted; i++) {
    lrd_shard *shard = &memory->shards[(own + i) & (count - 1)];
    uint64_t bytes;
    lrd_lock(&shard->lock);
    larder_evict_reason reason = run->space->entries_max || run->elsewhere_any ? LARDER_EVICT_ENTRIES : LARDER_EVICT_CAPACITY;
    for (uint32_t space = 0; space < shard->spaces_len && !evicted; space++) {
      if (!run->elsewhere_any && space != run->change->key->space) continue;
      evicted = lrd_shard_evict_next(memory, shard, space, reason, &run->events, &bytes);
    }
    lrd_unlock(&shard->lock);
  }
  lrd_events_tell(memory, &run->events);
  return evicted;
}

static larder_err change_remove_locked(change_run *run) {
  lrd_place place;
  if (!change_find(run, &place)) return LARDER_MISS;
  const lrd_record *old = lrd_arena_at(&run->shard->arena, place.handle);
  bool live = lrd_record_life(old) == LRD_LIFE_NEVER || !lrd_record_expired(old, lrd_memory_now(run->memory));
  larder_err result = change_judge(run, old, live);
  if (result != LARDER_OK) return live ? result : LARDER_MISS;
  run->change->existed = live;
  lrd_shard_drop(run->memory, run->shard, place.handle, false);
  lrd_shard_tidy(run->memory, run->shard);
  return live ? LARDER_OK : LARDER_MISS;
}

/* Memory for a large value, charged to the whole instance: every shard makes room for its part. */
static larder_err large_take(change_run *run) {
  lrd_memory *memory = run->memory;
  uint64_t len = run->change->facts->value_len, cost = lrd_large_cost(len);
  if (cost > memory->budget / 4 * 3) return LARDER_NOT_KEPT;
  atomic_fetch_add_explicit(&memory->apart, cost, memory_order_relaxed);
  larder_err result = LARDER_OK;
  size_t own = (size_t)(run->shard - memory->shards), count = lrd_memory_shards(memory);
  for (size_t i = 0; i < count && result == LARDER_OK; i++) {
    lrd_shard *shard = &memory->shards[(own + i) & (count - 1)];
    do {
      lrd_lock(&shard->lock);
      result = lrd_shard_quota(memory) == 0 && lrd_shard_charge(shard) == 0
                   ? LARDER_NOT_KEPT
                   : lrd_shard_fit(memory, shard, run->change->key->space, 0, &run->events);
      lrd_unlock(&shard->lock);
      lrd_events_tell(memory, &run->events);
    } while (result == LARDER_EBUSY);
  }
  run->large = result == LARDER_OK ? lrd_alloc(len) : NULL;
  if (run->large == NULL) {
    atomic_fetch_sub_explicit(&memory->apart, cost, memory_order_relaxed);
    return LARDER_NOT_KEPT;
  }
  memcpy(run->large, run->change->value, len);
  return LARDER_OK;
}

static void large_give(change_run *run) {
  if (run->large == NULL) return;
  atomic_fetch_sub_explicit(&run->memory->apart, lrd_large_cost(run->change->facts->value_len), memory_order_relaxed);
  lrd_dealloc(run->large);
  run->large = NULL;
}

static larder_err change_put(change_run *run) {
  larder_err result;
  if (run->change->facts->value_len > run->memory->inline_max && large_take(run) != LARDER_OK) {
    lrd_record_change forget = *run->change;
    forget.verb = LARDER_TIER_DELETE; /* by the same rules of stamps */
    change_run removal = {.memory = run->memory, .change = &forget, .shard = run->shard, .space = run->space};
    lrd_lock(&run->shard->lock);
    result = change_remove_locked(&removal);
    lrd_unlock(&run->shard->lock);
    run->change->existed = forget.existed;
    run->change->stored_stamp = forget.stored_stamp;
    return result == LARDER_OLDER ? LARDER_OLDER : LARDER_NOT_KEPT;
  }
  bool over;
  do {
    run->elsewhere = run->elsewhere_any = false;
    lrd_lock(&run->shard->lock);
    result = put_locked(run);
    over = result == LARDER_OK && !lrd_shard_settled(run->memory, run->shard, run->change->key->space, &run->events);
    void *filled = lrd_shard_filled_page(run->shard);
    lrd_unlock(&run->shard->lock);
    if (filled) lrd_page_make_huge(filled);
    lrd_events_tell(run->memory, &run->events);
    if (run->elsewhere && !change_evict_elsewhere(run)) result = LARDER_NOT_KEPT;
  } while (result == LARDER_EBUSY);
  if (over) lrd_shard_settle(run->memory, run->shard, run->change->key->space, &run->events);
  large_give(run);
  return result;
}

/* Touch is a put of what is there with new facts, on condition that it is still there. */
static larder_err change_touch(change_run *run) {
  lrd_record_change *change = run->change;
  for (;;) {
    lrd_place place;
    larder_facts facts;
    larder_err result = LARDER_MISS;
    lrd_record *old = NULL;
    lrd_lock(&run->shard->lock);
    if (change_find(run, &place)) {
      old = lrd_arena_at(&run->shard->arena, place.handle);
      bool live = lrd_record_life(old) == LRD_LIFE_NEVER || !lrd_record_expired(old, lrd_memory_now(run->memory));
      result = live ? change_judge(run, old, true) : LARDER_MISS;
      if (result == LARDER_OK && lrd_record_pins(old) >= LRD_PINS_MAX) result = LARDER_ENOMEM;
      if (result == LARDER_OK) atomic_fetch_add_explicit(&old->token_pins, LRD_PIN_ONE, memory_order_relaxed);
    }
    lrd_unlock(&run->shard->lock);
    if (result != LARDER_OK) return result;
    lrd_record_facts(old, &facts);
    lrd_record_change put = {.key = change->key,
                             .value = lrd_record_value(old).data,
                             .facts = &facts,
                             .token = lrd_record_token(old),
                             .only_stamp = old->stamp,
                             .verb = LARDER_TIER_PUT};
    facts.stamp = change->facts->stamp;
    facts.expires_soft_ms = change->facts->expires_soft_ms;
    facts.expires_hard_ms = change->facts->expires_hard_ms;
    change_run again = {.memory = run->memory, .change = &put, .shard = run->shard, .space = run->space};
    result = change_put(&again);
    atomic_fetch_sub_explicit(&old->token_pins, LRD_PIN_ONE, memory_order_release);
    change->existed = true;
    if (result != LARDER_OLDER) return result;
  }
}

larder_err lrd_memory_change(lrd_memory *memory, lrd_record_change *change) {
  larder_err result = lrd_memory_check_key(memory, change->key);
  if (result != LARDER_OK) return result;
  change_run run = {.memory = memory,
                    .change = change,
                    .shard = lrd_memory_shard(memory, change->key->hash),
                    .space = lrd_memory_space(memory, change->key->space)};
  switch (change->verb) {
  case LARDER_TIER_PUT:
    return change_put(&run);
  case LARDER_TIER_TOUCH:
    return change_touch(&run);
  case LARDER_TIER_DELETE:
  case LARDER_TIER_FORGET:
    break;
  }
  lrd_lock(&run.shard->lock);
  result = change_remove_locked(&run);
  lrd_unlock(&run.shard->lock);
  return result;
}
