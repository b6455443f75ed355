/* SPDX-License-Identifier: Apache-2.0 */
/* The table of states. Nothing moves but within its set, and sets have no holes, so that a table read from a file is the one
 * that was written and goes on as that would. */
#include "transitions.h"

#define LINE 64u

_Static_assert(sizeof(lrd_state) == 2 * LINE, "a state is two cache lines");

/* --- the block ------------------------------------------------------------------------------------------------------------ */

larder_err lrd_transitions_init(lrd_transitions *table, uint32_t states_max, uint32_t age_at) {
  *table = (lrd_transitions){.age_at = age_at};
  while (lrd_transitions_room(table) < states_max) table->sets_bits++;
  table->block = lrd_alloc_zero((size_t)lrd_transitions_bytes(table), 1);
  if (table->block == NULL) return LARDER_ENOMEM;
  uint8_t *base = table->block;
  base += -(uintptr_t)base & (LINE - 1);
  table->keys = (uint64_t *)(void *)base;
  table->heats = (uint32_t *)(void *)(table->keys + lrd_transitions_room(table));
  table->states = (lrd_state *)(void *)(table->heats + lrd_transitions_room(table));
  return LARDER_OK;
}

void lrd_transitions_fini(lrd_transitions *table) {
  lrd_dealloc(table->block);
  *table = (lrd_transitions){0};
}

void lrd_transitions_clear(lrd_transitions *table) {
  memset(table->block, 0, (size_t)lrd_transitions_bytes(table));
  table->len = table->replaced = 0;
}

uint64_t lrd_transitions_bytes(const lrd_transitions *table) {
  return lrd_transitions_room(table) * (sizeof *table->keys + sizeof *table->heats + sizeof *table->states) + LINE;
}

/* --- states -----------------------------------------------------------------------------------------------------------------
 */

static unsigned coldest_of(const uint32_t *heats) {
  unsigned coldest = 0;
  for (unsigned way = 1; way < LRD_SET_WAYS; way++) coldest = heats[way] < heats[coldest] ? way : coldest;
  return coldest;
}

uint64_t lrd_transitions_place(lrd_transitions *table, uint64_t key) {
  uint64_t set = lrd_transitions_set(table, key);
  unsigned way = lrd_set_find(table->keys + set, key);
  if (way < LRD_SET_WAYS) return set + way;
  way = lrd_set_find(table->keys + set, 0);
  if (way < LRD_SET_WAYS) {
    table->len++;
  } else {
    way = coldest_of(table->heats + set);
    table->replaced++;
  }
  lrd_state *state = &table->states[set + way];
  state->len = state->total = state->named = 0;
  table->keys[set + way] = key;
  return set + way;
}

static void next_take(lrd_state *to, unsigned at, const lrd_state *from, unsigned from_at) {
  to->ids[at] = from->ids[from_at];
  to->counts[at] = from->counts[from_at];
  to->errors[at] = from->errors[from_at];
}

void lrd_state_name(lrd_state *state) {
  unsigned sum = 0;
  for (unsigned i = 0; i < state->len; i++) sum += lrd_state_certain(state, i);
  state->named = (uint16_t)sum;
}

/* Rounded up, and never more than its count has become: so what is certain rounds down, and to nothing at least. */
static unsigned error_halved(unsigned error, unsigned count) { return (error + 1) / 2 < count ? (error + 1) / 2 : count; }

/* Halves, rounding counts down. */
static void age(lrd_state *state) {
  unsigned len = 0;
  state->total /= 2;
  for (unsigned i = 0; i < state->len; i++) {
    next_take(state, len, state, i);
    state->counts[len] /= 2;
    state->errors[len] = (uint16_t)error_halved(state->errors[len], state->counts[len]);
    len += state->counts[len] > 0;
  }
  state->len = len;
  lrd_state_name(state);
}

/* How many successors there are with more than that, which is 0xffff at most. */
static unsigned more_than(const lrd_state *state, unsigned count) {
  const __m128i *counts = (const __m128i *)(const void *)state->counts; /* 15, and an error that does not matter */
  const __m128i that = _mm_set1_epi16((short)count), zero = _mm_setzero_si128();
  __m128i a = _mm_cmpeq_epi16(_mm_subs_epu16(_mm_loadu_si128(counts), that), zero);
  __m128i b = _mm_cmpeq_epi16(_mm_subs_epu16(_mm_loadu_si128(counts + 1), that), zero);
  return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(_mm_packs_epi16(a, b)) | 1u << LRD_NEXT_MAX);
}

/* Who it is and where it goes, nobody foresees: so there are few branches. One more for it; it changes places with the first of
 * those that it overtakes. */
void lrd_state_add(const lrd_transitions *table, lrd_state *state, uint32_t endpoint) {
  unsigned at = lrd_state_at(state, endpoint), is_new = at == LRD_NEXT_MAX, has_room = state->len < LRD_NEXT_MAX;
  unsigned weakest = has_room ? state->len : LRD_NEXT_MAX - 1;
  at = is_new ? weakest : at;
  unsigned goes = is_new & !has_room, comes = is_new & has_room;
  unsigned count = state->counts[at] & (comes - 1), error = state->errors[at] & (comes - 1);
  unsigned gone = (count - error) & -goes;
  error = goes ? count : error;
  state->len += comes;
  unsigned to = more_than(state, count);
  to = to < at ? to : at;
  next_take(state, at, state, to);
  state->ids[to] = endpoint;
  state->counts[to] = (uint16_t)(count + 1);
  state->errors[to] = (uint16_t)error;
  state->named = (uint16_t)(state->named + 1 - gone);
  if (++state->total >= table->age_at) age(state);
}

/* Nothing of what stood there is read, since it is far away mostly. */
static void state_begin(lrd_state *state, uint32_t endpoint) {
  state->len = state->total = state->named = 1;
  state->ids[0] = endpoint;
  state->counts[0] = 1;
  state->errors[0] = 0;
}

void lrd_transitions_learn(lrd_transitions *table, uint64_t key, uint32_t place, uint32_t endpoint) {
  uint64_t at = table->keys[place] == key ? place : lrd_transitions_place(table, key);
  lrd_state *state = &table->states[at];
  lrd_transitions_warm(table, at, 1);
  if (state->total == 0)
    state_begin(state, endpoint);
  else
    lrd_state_add(table, state, endpoint);
}

/* --- merging ------------------------------------------------------------------------------------------------------------- */

typedef struct gathered {
  uint32_t ids[2 * LRD_NEXT_MAX];
  uint32_t counts[2 * LRD_NEXT_MAX];
  uint32_t errors[2 * LRD_NEXT_MAX];
  unsigned len;
  uint32_t total;
} gathered;

static void gather(gathered *all, const lrd_state *state, const uint32_t *ids) {
  all->total += state->total;
  for (unsigned i = 0; i < state->len; i++) {
    uint32_t id = ids ? ids[state->ids[i]] : state->ids[i];
    unsigned at = 0;
    if (id == LRD_NO_ENDPOINT) continue;
    while (at < all->len && all->ids[at] != id) at++;
    if (at == all->len) {
      all->ids[all->len] = id;
      all->counts[all->len] = all->errors[all->len] = 0;
      all->len++;
    }
    all->counts[at] += state->counts[i];
    all->errors[at] += state->errors[i];
  }
}

/* Before equals: the one that was gathered first. */
static unsigned strongest_left(const gathered *all) {
  unsigned best = 0;
  for (unsigned i = 1; i < all->len; i++)
    if (all->counts[i] > all->counts[best]) best = i;
  return best;
}

void lrd_state_merge(const lrd_transitions *table, lrd_state *state, const lrd_state *other, const uint32_t *ids) {
  gathered all = {.len = 0};
  gather(&all, state, NULL);
  gather(&all, other, ids);
  while (all.total >= table->age_at) {
    all.total /= 2;
    for (unsigned i = 0; i < all.len; i++) {
      all.counts[i] /= 2;
      all.errors[i] = error_halved(all.errors[i], all.counts[i]);
    }
  }
  *state = (lrd_state){.total = (uint16_t)all.total};
  while (state->len < LRD_NEXT_MAX && all.len > 0) {
    unsigned best = strongest_left(&all);
    if (all.counts[best] == 0) break;
    state->ids[state->len] = all.ids[best];
    state->counts[state->len] = (uint16_t)all.counts[best];
    state->errors[state->len] = (uint16_t)all.errors[best];
    state->len++;
    all.counts[best] = 0;
  }
  lrd_state_name(state);
}

/* --- purging ---------------------------------------------------------------------------------------------------------------
 */

typedef bool (*gone_fn)(const void *context, uint32_t endpoint);

static bool key_gone(uint64_t key, gone_fn gone, const void *context) {
  return gone(context, LRD_KEY_LAST(key)) || (LRD_KEY_KIND(key) == LRD_STATE_SECOND && gone(context, LRD_KEY_BEFORE(key)));
}

static void next_purge(lrd_state *state, gone_fn gone, const void *context) {
  unsigned len = 0;
  for (unsigned i = 0; i < state->len; i++) {
    if (gone(context, state->ids[i])) continue;
    next_take(state, len++, state, i);
  }
  state->len = len;
  lrd_state_name(state);
}

void lrd_transitions_purge(lrd_transitions *table, gone_fn gone, const void *context) {
  for (uint64_t set = 0; set < lrd_transitions_room(table); set += LRD_SET_WAYS) {
    uint64_t to = set;
    for (uint64_t at = set; at < set + LRD_SET_WAYS && table->keys[at] != 0; at++) {
      if (key_gone(table->keys[at], gone, context)) continue;
      table->keys[to] = table->keys[at];
      if (to != at) {
        table->heats[to] = table->heats[at];
        table->states[to] = table->states[at];
      }
      next_purge(&table->states[to++], gone, context);
    }
    for (; to < set + LRD_SET_WAYS && table->keys[to] != 0; to++) {
      table->keys[to] = 0;
      table->heats[to] = 0;
      table->states[to] = (lrd_state){0};
      table->len--;
    }
  }
}
