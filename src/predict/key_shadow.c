/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records are what those of the memory tier are, 64 bytes each, so that the policies' own code runs over them (as in
 * simulate/replay.c). Beside them: chains by hash, and a row of those that are there.
 */
#include "key_shadow.h"

#include "base/fail.h"
#include "tier/memory/policy.h"

#define RECORD_BYTES 64u
#define RECORD_UNITS (RECORD_BYTES / LRD_UNIT)
#define KEY_LEN      8u
#define NONE         0u

/* Of the record of the same number, from 1. */
typedef struct place {
  int64_t expires_ms;
  uint32_t next; /* of the chain, or of what is spare */
  uint32_t here; /* where it stands in the row */
} place;

struct lrd_key_shadow {
  const lrd_policy_ops *ops;
  lrd_policy *policy;
  lrd_arena arena;
  uint64_t policy_bytes;
  void *raw;
  place *places;
  uint32_t *heads;
  uint32_t mask;
  uint64_t *here;
  uint32_t count, limit, most;
  uint32_t spare, fresh;
  lrd_key_shadow_choose choose;
  void *context;
};

static uint64_t record_hash(void *context, const lrd_record *record) {
  (void)context;
  return lrd_get_u64(record->body);
}

static uint32_t handle_of(uint32_t number) { return number * RECORD_UNITS; }
static uint32_t number_of(uint32_t handle) { return handle / RECORD_UNITS; }
static uint64_t hash_of(const lrd_key_shadow *s, uint32_t number) {
  return lrd_get_u64(lrd_arena_at(&s->arena, handle_of(number))->body);
}
static uint32_t *head_of(const lrd_key_shadow *s, uint64_t hash) { return &s->heads[(uint32_t)(hash >> 8) & s->mask]; }

static uint32_t find(const lrd_key_shadow *s, uint64_t hash) {
  uint32_t number = *head_of(s, hash);
  while (number != NONE && hash_of(s, number) != hash) number = s->places[number].next;
  return number;
}

void lrd_key_shadow_close(lrd_key_shadow *s) {
  if (s == NULL) return;
  lrd_policy_free(s->policy);
  lrd_dealloc(s->raw);
  lrd_dealloc(s->places);
  lrd_dealloc(s->heads);
  lrd_dealloc(s->here);
  lrd_dealloc(s);
}

larder_err lrd_key_shadow_open(const char *policy, uint32_t entries_max, lrd_key_shadow_choose choose, void *context,
                               lrd_key_shadow **out) {
  lrd_key_shadow *s = lrd_alloc_zero(1, sizeof *s);
  if (s == NULL) return LARDER_ENOMEM;
  *s = (lrd_key_shadow){.ops = lrd_policy_find(policy),
                        .limit = entries_max,
                        .most = entries_max,
                        .fresh = 1,
                        .mask = 63,
                        .choose = choose,
                        .context = context};
  LRD_ASSERT(s->ops && entries_max > 0);
  while (s->mask < entries_max) s->mask = s->mask * 2 + 1;
  s->raw = lrd_alloc((entries_max + (size_t)1) * RECORD_BYTES + 63);
  s->places = lrd_alloc_zero(entries_max + (size_t)1, sizeof *s->places);
  s->heads = lrd_alloc_zero(s->mask + (size_t)1, sizeof *s->heads);
  s->here = lrd_alloc_zero(entries_max, sizeof *s->here);
  if (s->raw && s->places && s->heads && s->here) {
    lrd_arena_init(&s->arena, (void *)(((uintptr_t)s->raw + 63) & ~(uintptr_t)63), LRD_HANDLE_MASK);
    s->policy = lrd_policy_new(s->ops, &s->arena, record_hash, s, &s->policy_bytes, true, entries_max);
  }
  if (s->policy == NULL) {
    lrd_key_shadow_close(s);
    return LARDER_ENOMEM;
  }
  *out = s;
  return LARDER_OK;
}

static void drop(lrd_key_shadow *s, uint32_t number, bool evicted) {
  uint32_t *at = head_of(s, hash_of(s, number));
  while (*at != number) at = &s->places[*at].next;
  *at = s->places[number].next;
  s->ops->remove(s->policy, handle_of(number), evicted);
  uint32_t gap = s->places[number].here;
  s->here[gap] = s->here[--s->count];
  if (gap < s->count) s->places[find(s, s->here[gap])].here = gap;
  s->places[number].next = s->spare;
  s->spare = number;
}

static void evict(lrd_key_shadow *s) {
  uint32_t number;
  if (s->choose) {
    number = find(s, s->choose(s->context, s->here, s->count));
  } else {
    s->policy->room = lrd_policy_total(s->policy);
    number = number_of(s->ops->victim(s->policy));
  }
  LRD_ASSERT(number != NONE);
  drop(s, number, true);
}

void lrd_key_shadow_limit(lrd_key_shadow *s, uint32_t entries) {
  s->limit = entries == 0 ? 1 : entries < s->most ? entries : s->most;
  while (s->count > s->limit) evict(s);
}

bool lrd_key_shadow_has(const lrd_key_shadow *s, uint64_t hash, int64_t now_ms) {
  uint32_t number = find(s, hash);
  return number != NONE && (s->places[number].expires_ms == 0 || now_ms < s->places[number].expires_ms);
}

int64_t lrd_key_shadow_expires_ms(const lrd_key_shadow *s, uint64_t hash) { return s->places[find(s, hash)].expires_ms; }

void lrd_key_shadow_touch(lrd_key_shadow *s, uint64_t hash) {
  uint32_t number = find(s, hash);
  if (number == NONE) return;
  lrd_record *record = lrd_arena_at(&s->arena, handle_of(number));
  if (!(atomic_load_explicit(&record->touch, memory_order_relaxed) & LRD_TOUCH_LOG))
    lrd_touch_raise(record);
  else if (s->ops->access)
    s->ops->access(s->policy, handle_of(number));
}

static uint32_t record_new(lrd_key_shadow *s, uint64_t hash) {
  uint32_t number = s->spare;
  if (number != NONE)
    s->spare = s->places[number].next;
  else
    number = s->fresh++;
  lrd_extras extras = {.mask = s->ops->record_word ? LRD_EXTRA_WORD : 0u};
  lrd_record *record = lrd_arena_at(&s->arena, handle_of(number));
  memset(record, 0, RECORD_BYTES);
  atomic_store_explicit(&record->touch, s->ops->touch, memory_order_relaxed);
  record->shape = (uint16_t)(KEY_LEN | (extras.mask ? LRD_SHAPE_EXTRAS : 0));
  lrd_put_u64((uint8_t *)record + LRD_RECORD_HEAD, hash);
  lrd_extras_write(&extras, (uint8_t *)record + LRD_RECORD_HEAD + KEY_LEN);
  return number;
}

larder_err lrd_key_shadow_put(lrd_key_shadow *s, uint64_t hash, int64_t expires_ms) {
  uint32_t there = find(s, hash);
  if (there != NONE) {
    s->places[there].expires_ms = expires_ms;
    lrd_key_shadow_touch(s, hash);
    return LARDER_OK;
  }
  while (s->count >= s->limit) evict(s);
  if (s->ops->prepare && !s->ops->prepare(s->policy)) return LARDER_ENOMEM;
  uint32_t number = record_new(s, hash), *head = head_of(s, hash);
  s->places[number] = (place){.expires_ms = expires_ms, .next = *head, .here = s->count};
  *head = number;
  s->here[s->count++] = hash;
  s->ops->insert(s->policy, handle_of(number), hash);
  return LARDER_OK;
}

void lrd_key_shadow_forget(lrd_key_shadow *s, uint64_t hash) {
  uint32_t number = find(s, hash);
  if (number != NONE) drop(s, number, false);
}

void lrd_key_shadow_keep(lrd_key_shadow *s, bool (*stays)(const void *context, uint64_t hash), const void *context) {
  for (uint32_t i = s->count; i-- > 0;)
    if (!stays(context, s->here[i])) drop(s, find(s, s->here[i]), false);
}

bool lrd_key_shadow_holds(const lrd_key_shadow *s, uint64_t hash) { return find(s, hash) != NONE; }

uint32_t lrd_key_shadow_count(const lrd_key_shadow *s) { return s->count; }
