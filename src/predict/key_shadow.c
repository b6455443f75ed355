/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies' own code runs over records of the hashes (tier/memory/policy_row.h). Beside them: chains by hash, and a row of
 * those that are there.
 */
#include "key_shadow.h"

#include "base/fail.h"
#include "tier/memory/policy_row.h"

#define NONE 0u

/* Of the record of the same number, from 1. */
typedef struct place {
  int64_t expires_ms;
  uint32_t next; /* of the chain */
  uint32_t here; /* where it stands in the row */
} place;

struct lrd_key_shadow {
  lrd_policy_row row;
  place *places;
  uint32_t *heads;
  uint32_t mask;
  uint64_t *here;
  uint32_t count, limit, most;
  lrd_key_shadow_choose choose;
  void *context;
};

static uint64_t record_hash(void *context, const lrd_record *record) {
  (void)context;
  return lrd_get_u64(lrd_record_key(record));
}

static uint32_t handle_of(uint32_t number) { return number * LRD_ROW_UNITS; }
static uint32_t number_of(uint32_t handle) { return handle / LRD_ROW_UNITS; }
static uint64_t hash_of(const lrd_key_shadow *s, uint32_t number) {
  return lrd_get_u64(lrd_record_key(lrd_arena_at(&s->row.arena, handle_of(number))));
}
static uint32_t *head_of(const lrd_key_shadow *s, uint64_t hash) { return &s->heads[(uint32_t)(hash >> 8) & s->mask]; }

static uint32_t find(const lrd_key_shadow *s, uint64_t hash) {
  uint32_t number = *head_of(s, hash);
  while (number != NONE && hash_of(s, number) != hash) number = s->places[number].next;
  return number;
}

void lrd_key_shadow_close(lrd_key_shadow *s) {
  if (s == NULL) return;
  lrd_policy_row_fini(&s->row);
  lrd_dealloc(s->places);
  lrd_dealloc(s->heads);
  lrd_dealloc(s->here);
  lrd_dealloc(s);
}

larder_err lrd_key_shadow_open(const char *policy, uint32_t entries_max, lrd_key_shadow_choose choose, void *context,
                               lrd_key_shadow **out) {
  lrd_key_shadow *s = lrd_alloc_zero(1, sizeof *s);
  if (s == NULL) return LARDER_ENOMEM;
  *s = (lrd_key_shadow){.limit = entries_max, .most = entries_max, .mask = 63, .choose = choose, .context = context};
  LRD_ASSERT(entries_max > 0);
  while (s->mask < entries_max) s->mask = s->mask * 2 + 1;
  s->places = lrd_alloc_zero(entries_max + (size_t)1, sizeof *s->places);
  s->heads = lrd_alloc_zero(s->mask + (size_t)1, sizeof *s->heads);
  s->here = lrd_alloc_zero(entries_max, sizeof *s->here);
  const lrd_policy_row_options how = {
      .policy = policy, .records = entries_max, .key_len = sizeof(uint64_t), .room = entries_max, .hash_of = record_hash};
  larder_err err = s->places && s->heads && s->here ? lrd_policy_row_init(&s->row, &how) : LARDER_ENOMEM;
  if (err == LARDER_OK)
    *out = s;
  else
    lrd_key_shadow_close(s);
  return err;
}

static void drop(lrd_key_shadow *s, uint32_t number, bool evicted) {
  uint32_t *at = head_of(s, hash_of(s, number));
  while (*at != number) at = &s->places[*at].next;
  *at = s->places[number].next;
  lrd_policy_row_drop(&s->row, handle_of(number), evicted);
  uint32_t gap = s->places[number].here;
  s->here[gap] = s->here[--s->count];
  if (gap < s->count) s->places[find(s, s->here[gap])].here = gap;
}

static void evict(lrd_key_shadow *s) {
  uint32_t number = s->choose ? find(s, s->choose(s->context, s->here, s->count)) : number_of(lrd_policy_row_victim(&s->row));
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
  if (number != NONE) lrd_policy_row_touch(&s->row, handle_of(number));
}

larder_err lrd_key_shadow_put(lrd_key_shadow *s, uint64_t hash, int64_t expires_ms) {
  uint32_t there = find(s, hash);
  if (there != NONE) {
    s->places[there].expires_ms = expires_ms;
    lrd_key_shadow_touch(s, hash);
    return LARDER_OK;
  }
  while (s->count >= s->limit) evict(s);
  uint32_t number = number_of(lrd_policy_row_put(&s->row, hash, 1)), *head = head_of(s, hash);
  if (number == NONE) return LARDER_ENOMEM;
  s->places[number] = (place){.expires_ms = expires_ms, .next = *head, .here = s->count};
  *head = number;
  s->here[s->count++] = hash;
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
