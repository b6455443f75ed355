/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States and what came after them: one block, 8 states a set, a state two cache lines. A state's key says all about it (below);
 * it can live in one set only. Successors stand sorted, the strongest first.
 *
 * Where a state has no room for another successor, the weakest makes room and leaves its count as the newcomer's error: count
 * minus error is never more than what was seen. `total` counts every event, so what has gone is still known to have been.
 */
#ifndef LRD_PREDICT_TRANSITIONS_H
#define LRD_PREDICT_TRANSITIONS_H

#include "base/bytes.h"
#include <emmintrin.h>
#include <larder/predict.h>

#define LRD_NEXT_MAX    LARDER_PREDICT_SUCCESSORS
#define LRD_SET_WAYS    8u
#define LRD_NO_ENDPOINT ((UINT32_C(1) << 20) - 1)

/* The states that lead on from where a session stands: of the last endpoint, the last two, and the last one in its context. */
typedef enum lrd_way_on { LRD_ON_FIRST, LRD_ON_SECOND, LRD_ON_CONTEXT, LRD_WAYS_ON } lrd_way_on;

typedef enum lrd_state_kind { LRD_STATE_FIRST = 1, LRD_STATE_SECOND, LRD_STATE_CONTEXT } lrd_state_kind;

#define LRD_HEAT_MAX ((UINT32_C(1) << 28) - 1)

/* What stands behind `len` does not matter. */
typedef struct lrd_state {
  uint32_t len;
  uint16_t total;
  uint16_t named; /* of these, those that certainly were of a successor that is named */
  uint32_t ids[LRD_NEXT_MAX];
  uint16_t counts[LRD_NEXT_MAX];
  uint16_t errors[LRD_NEXT_MAX];
} lrd_state;

typedef struct lrd_transitions {
  uint64_t *keys;    /* a set's are one cache line; 0: free, and so are those behind it in the set */
  uint32_t *heats;   /* by the same index: events, and those of whom it replaced; apart, as who goes is found by all of a set */
  lrd_state *states; /* by the same index */
  void *block;
  uint32_t sets_bits;
  uint32_t age_at;
  uint64_t len;
  uint64_t replaced;
} lrd_transitions;

/* Which of a set's eight words is that one; LRD_SET_WAYS: none. Where it stands nobody foresees, so there is no branch. */
static inline unsigned lrd_set_find(const uint64_t *words, uint64_t word) {
  const __m128i wanted = _mm_set1_epi64x((long long)word);
  const __m128i *at = (const __m128i *)(const void *)words;
#define HALVES(i) _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_load_si128(at + (i)), wanted)) /* of two words */
  __m128 a = HALVES(0), b = HALVES(1), c = HALVES(2), d = HALVES(3);
#undef HALVES
  __m128 low = _mm_and_ps(_mm_shuffle_ps(a, b, 0x88), _mm_shuffle_ps(a, b, 0xdd));
  __m128 high = _mm_and_ps(_mm_shuffle_ps(c, d, 0x88), _mm_shuffle_ps(c, d, 0xdd));
  unsigned found = (unsigned)_mm_movemask_ps(low) | (unsigned)_mm_movemask_ps(high) << 4;
  return (unsigned)__builtin_ctz(found | 1u << LRD_SET_WAYS);
}

static inline uint64_t lrd_state_key(lrd_state_kind kind, unsigned context, uint32_t before, uint32_t last) {
  return (uint64_t)kind << 48 | (uint64_t)context << 40 | (uint64_t)before << 20 | last;
}
static inline uint64_t lrd_key_first(uint32_t last) { return lrd_state_key(LRD_STATE_FIRST, 0, 0, last); }
static inline uint64_t lrd_key_second(uint32_t before, uint32_t last) {
  return lrd_state_key(LRD_STATE_SECOND, 0, before, last);
}
static inline uint64_t lrd_key_context(unsigned context, uint32_t last) {
  return lrd_state_key(LRD_STATE_CONTEXT, context, 0, last);
}
/* Kind, context, before and last again. */
#define LRD_KEY_KIND(key)    ((unsigned)((key) >> 48))
#define LRD_KEY_CONTEXT(key) ((unsigned)((key) >> 40 & 0xff))
#define LRD_KEY_BEFORE(key)  ((uint32_t)((key) >> 20 & LRD_NO_ENDPOINT))
#define LRD_KEY_LAST(key)    ((uint32_t)((key)&LRD_NO_ENDPOINT))

/* Bits: the successors that there are. */
static inline unsigned lrd_state_bits(const lrd_state *state) { return (1u << state->len) - 1; }
/* Where a successor stands among these; LRD_NEXT_MAX: nowhere. */
static inline unsigned lrd_state_at_among(const lrd_state *state, unsigned bits, uint32_t endpoint) {
  const __m128i wanted = _mm_set1_epi32((int)endpoint);
  const __m128i *ids = (const __m128i *)(const void *)state->ids; /* 15, and two counts that do not matter */
  __m128i a = _mm_cmpeq_epi32(_mm_loadu_si128(ids), wanted), b = _mm_cmpeq_epi32(_mm_loadu_si128(ids + 1), wanted);
  __m128i c = _mm_cmpeq_epi32(_mm_loadu_si128(ids + 2), wanted), d = _mm_cmpeq_epi32(_mm_loadu_si128(ids + 3), wanted);
  __m128i all = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));
  return (unsigned)__builtin_ctz(((unsigned)_mm_movemask_epi8(all) & bits) | 1u << LRD_NEXT_MAX);
}
static inline unsigned lrd_state_at(const lrd_state *state, uint32_t endpoint) {
  return lrd_state_at_among(state, lrd_state_bits(state), endpoint);
}
/* How often it was certainly seen. */
static inline unsigned lrd_state_certain(const lrd_state *state, unsigned at) {
  return (unsigned)state->counts[at] - state->errors[at];
}

/* states_max is rounded up to a power of two. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_transitions_init(lrd_transitions *table, uint32_t states_max, uint32_t age_at);
void lrd_transitions_fini(lrd_transitions *table);
void lrd_transitions_clear(lrd_transitions *table);
uint64_t lrd_transitions_bytes(const lrd_transitions *table);
static inline uint64_t lrd_transitions_room(const lrd_transitions *table) { return (uint64_t)LRD_SET_WAYS << table->sets_bits; }

/* The first index of the key's set. */
static inline uint64_t lrd_transitions_set(const lrd_transitions *table, uint64_t key) {
  key *= UINT64_C(0x9e3779b97f4a7c15);
  key ^= key >> 29;
  key *= UINT64_C(0xbf58476d1ce4e5b9);
  return (key >> 32 & ((UINT64_C(1) << table->sets_bits) - 1)) * LRD_SET_WAYS;
}
/* NULL: not there. */
static inline lrd_state *lrd_transitions_find(const lrd_transitions *table, uint64_t key) {
  uint64_t set = lrd_transitions_set(table, key);
  unsigned way = lrd_set_find(table->keys + set, key);
  return way < LRD_SET_WAYS ? &table->states[set + way] : NULL;
}
/* Begins where it may stand; any index of the table. */
static inline lrd_state *lrd_transitions_find_near(const lrd_transitions *table, uint64_t key, uint32_t place) {
  return table->keys[place] == key ? &table->states[place] : lrd_transitions_find(table, key);
}
/* The state's index; made where it is not there, in the place of the set's coldest where that is full. */
uint64_t lrd_transitions_place(lrd_transitions *table, uint64_t key);
static inline void lrd_transitions_warm(lrd_transitions *table, uint64_t at, uint32_t by) {
  uint32_t room = LRD_HEAT_MAX - table->heats[at];
  table->heats[at] += by < room ? by : room;
}
/* Another event of the state, which is made where it is not there; it may stand there. */
void lrd_transitions_learn(lrd_transitions *table, uint64_t key, uint32_t place, uint32_t endpoint);
/* `named` of what stands there. */
void lrd_state_name(lrd_state *state);
/* Another event of the state, but for its heat. */
void lrd_state_add(const lrd_transitions *table, lrd_state *state, uint32_t endpoint);
/* What another predictor has learned of the same state; its successors numbered as here, LRD_NO_ENDPOINT: not known here. */
void lrd_state_merge(const lrd_transitions *table, lrd_state *state, const lrd_state *other, const uint32_t *ids);
/* Forgets what `gone` says of: states of such endpoints, and such endpoints as successors. */
void lrd_transitions_purge(lrd_transitions *table, bool (*gone)(const void *context, uint32_t endpoint), const void *context);

#endif
