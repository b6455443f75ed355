/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory tier behind the tier contract. Gets pin; the entry's one word is the record counted in, or, marked in its lowest
 * bits, an owned copy or the place in a thread's row that names the record.
 */
#include "memory_open.h"

#define PIN_IS_COPY  ((uintptr_t)1)
#define PIN_IS_PLACE ((uintptr_t)2)

static larder_err tier_get(void *self, const larder_tier_key *key, bool facts_only, const void *slot, larder_tier_entry *out) {
  lrd_memory *memory = lrd_memory_of(self);
  larder_err result = lrd_memory_check_key(memory, key);
  if (result != LARDER_OK) return result;
  lrd_memory_pin pin;
  result = lrd_memory_pin_get(memory, key, slot, true, &pin);
  if (result != LARDER_OK) return result;
  lrd_memory_pin_facts(&pin, &out->facts);
  out->value = facts_only || pin.len == 0 ? NULL : pin.value;
  uintptr_t word = (uintptr_t)pin.pin[0];
  if (pin.pin[1] == pin.pin[0])
    word |= PIN_IS_COPY;
  else if (pin.pin[1])
    word = (uintptr_t)pin.pin[1] | PIN_IS_PLACE;
  out->pin = (void *)word;
  return LARDER_OK;
}

static void tier_release(void *self, larder_tier_entry *entry) {
  if (entry->pin == NULL) return;
  uintptr_t word = (uintptr_t)entry->pin;
  void *at = (void *)(word & ~(PIN_IS_COPY | PIN_IS_PLACE));
  lrd_memory_pin pin = {.pin = {at, word & PIN_IS_COPY ? at : NULL}};
  if (word & PIN_IS_PLACE) {
    pin.pin[0] = (void *)atomic_load_explicit((_Atomic uintptr_t *)at, memory_order_relaxed);
    pin.pin[1] = at;
  }
  lrd_memory_pin_release(lrd_memory_of(self), &pin);
  *entry = (larder_tier_entry){0};
}

static larder_err tier_write(void *self, larder_tier_write *items, size_t count, larder_durability durability) {
  (void)durability; /* memory is as durable as it will ever be at once */
  lrd_memory *memory = lrd_memory_of(self);
  for (size_t i = 0; i < count; i++) {
    if (lrd_memory_check_key(memory, &items[i].key) != LARDER_OK) return LARDER_EINVAL;
  }
  for (size_t i = 0; i < count; i++) {
    larder_tier_write *item = &items[i];
    lrd_record_change change = {.key = &item->key,
                                .value = item->value,
                                .facts = &item->facts,
                                .token = item->token,
                                .only_stamp = item->only_stamp,
                                .verb = item->verb,
                                .equal_loses = true};
    /* No tombstones are kept here: one that is put removes. */
    if (item->verb == LARDER_TIER_PUT && item->facts.tombstone) change.verb = LARDER_TIER_DELETE;
    if (change.verb != LARDER_TIER_PUT) change.equal_loses = false;
    item->result = lrd_memory_change(memory, &change);
    item->existed = change.existed;
    if (item->result == LARDER_OLDER) item->stored_stamp = change.stored_stamp;
  }
  return LARDER_OK;
}

static larder_err tier_flush(void *self) {
  (void)lrd_memory_of(self);
  return LARDER_OK;
}

static larder_err tier_usage(void *self, uint32_t space, larder_tier_usage *out) {
  lrd_memory *memory = lrd_memory_of(self);
  bool all = space == LARDER_TIER_ALL_SPACES;
  if (!all && space >= atomic_load_explicit(&memory->spaces_len, memory_order_acquire)) return LARDER_EINVAL;
  larder_tier_usage usage = {.bytes_max = all ? memory->budget : lrd_memory_space(memory, space)->bytes_max,
                             .entries_max = all ? memory->entries_max : lrd_memory_space(memory, space)->entries_max};
  for (uint32_t i = 0; i < lrd_memory_shards(memory); i++) {
    lrd_shard *shard = &memory->shards[i];
    lrd_lock(&shard->lock);
    for (uint32_t s = all ? 0 : space; s < (all ? shard->spaces_len : space + 1); s++) {
      usage.entries += shard->spaces[s].entries;
      usage.payload_bytes += shard->spaces[s].payload;
      if (!all) usage.bytes += shard->spaces[s].bytes;
    }
    if (all) usage.bytes += lrd_shard_charge(shard);
    lrd_unlock(&shard->lock);
  }
  if (all) usage.bytes += atomic_load_explicit(&memory->apart, memory_order_relaxed);
  *out = usage;
  return LARDER_OK;
}

const larder_tier_ops lrd_memory_tier = {
    .name = "memory",
    .version = LARDER_TIER_VERSION,
    .capabilities = LARDER_TIER_ENUMERABLE,
    .open = lrd_memory_open,
    .close = lrd_memory_close,
    .abandon = lrd_memory_abandon,
    .bind = lrd_memory_bind,
    .get = tier_get,
    .release = tier_release,
    .write = tier_write,
    .scan = lrd_memory_scan,
    .forget_range = lrd_memory_forget_range,
    .sweep = lrd_memory_sweep,
    .flush = tier_flush,
    .usage = tier_usage,
    .check = lrd_memory_check,
};
