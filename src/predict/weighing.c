/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers are looked at from the last one down, each from its strongest successor on, until there are as many as are asked for.
 * Then the least of them is what others have to pass. What is left of each layer can give so much at most: from that it is
 * found how deep each has to be looked at, and mostly some eight endpoints are weighed, not forty-five.
 *
 * How probable an endpoint is takes long to come out, and nobody foresees it: so nothing waits for it before all are weighed;
 * they are sorted at the end.
 */
#include "weighing.h"

#define SHORT       10u /* successors of a layer that is looked at as a whole rather than others deeper */
#define WEIGHED_MAX (LRD_LAYERS_MAX * LRD_NEXT_MAX)

/* The loops over layers are short and hot: their length is a constant wherever they are compiled in. */
#define INLINE static inline __attribute__((always_inline))

typedef struct best {
  const lrd_evidence *e;
  uint32_t *numbers;
  double *probabilities;
  size_t len, most;
} best;

static bool best_full_above(const best *all, double p) {
  return all->len == all->most && all->probabilities[all->len - 1] >= p;
}

/* Of equals the one comes first that stands nearer to the front of a layer, then in a later layer; then what no layer names. */
static unsigned turn_of(const lrd_evidence *e, uint32_t number) {
  unsigned turn = UINT8_MAX;
  for (unsigned i = 0; i < e->len; i++) {
    unsigned at = lrd_state_at(e->layers[i].state, number), mine = at * LRD_LAYERS_MAX + e->len - 1 - i;
    if (at != LRD_NEXT_MAX && mine < turn) turn = mine;
  }
  return turn;
}

INLINE bool comes_behind(const best *all, size_t at, uint32_t number, double p, bool in_turn) {
  double other = all->probabilities[at];
  return other < p || (!in_turn && other == p && turn_of(all->e, all->numbers[at]) > turn_of(all->e, number));
}

/* `in_turn`: whatever is there already comes before its equals. */
INLINE void best_keep(best *all, uint32_t number, double p, bool in_turn) {
  size_t at = all->len;
  if (at == all->most) {
    if (!comes_behind(all, at - 1, number, p, in_turn)) return;
    at--;
  } else {
    all->len++;
  }
  for (; at > 0 && comes_behind(all, at - 1, number, p, in_turn); at--) {
    all->numbers[at] = all->numbers[at - 1];
    all->probabilities[at] = all->probabilities[at - 1];
  }
  all->numbers[at] = number;
  all->probabilities[at] = p;
}

typedef struct looking {
  const lrd_evidence *e;
  unsigned named[LRD_LAYERS_MAX];                       /* bits of each layer's successors */
  unsigned seen[LRD_LAYERS_MAX];                        /* successors of each layer, from its strongest on */
  double gives[LRD_LAYERS_MAX][LRD_NEXT_MAX + 1];       /* what it has surely seen of them, scaled; at the end nothing */
  uint16_t deepest[LRD_LAYERS_MAX][LRD_NEXT_MAX + 1];   /* of what stands there and behind it the greatest */
  double reach[LRD_LAYERS_MAX], needed[LRD_LAYERS_MAX]; /* what comes of one of these in the end; how many make one */
  double base;                                          /* what comes of being asked for most at all */
  unsigned len;                                         /* what was weighed */
  uint32_t numbers[WEIGHED_MAX + 1];
  double probabilities[WEIGHED_MAX + 1];
} looking;

/* --- how far to look ------------------------------------------------------------------------------------------------------ */

INLINE __m128i greater(__m128i a, __m128i b) { return _mm_add_epi16(a, _mm_subs_epu16(b, a)); }

/* The greatest from each on. */
INLINE __m128i greatest_behind(__m128i values) {
  values = greater(values, _mm_srli_si128(values, 2));
  values = greater(values, _mm_srli_si128(values, 4));
  return greater(values, _mm_srli_si128(values, 8));
}

/* What is seen of eight, scaled. */
INLINE void gives_store(double *to, __m128i certain, double scale) {
  const __m128d each = _mm_set1_pd(scale);
  __m128i low = _mm_unpacklo_epi16(certain, _mm_setzero_si128()), high = _mm_unpackhi_epi16(certain, _mm_setzero_si128());
  _mm_storeu_pd(to, _mm_mul_pd(_mm_cvtepi32_pd(low), each));
  _mm_storeu_pd(to + 2, _mm_mul_pd(_mm_cvtepi32_pd(_mm_srli_si128(low, 8)), each));
  _mm_storeu_pd(to + 4, _mm_mul_pd(_mm_cvtepi32_pd(high), each));
  _mm_storeu_pd(to + 6, _mm_mul_pd(_mm_cvtepi32_pd(_mm_srli_si128(high, 8)), each));
}

static void layer_read(looking *l, unsigned layer) {
  const lrd_state *state = l->e->layers[layer].state;
  const __m128i len = _mm_set1_epi16((short)state->len);
  __m128i *deepest = (__m128i *)(void *)l->deepest[layer];
#define EIGHT(from) _mm_loadu_si128((const __m128i *)(const void *)(from))
  /* The last seven of the errors are taken one further to the left, so as not to read behind the state. */
  __m128i low = _mm_and_si128(_mm_sub_epi16(EIGHT(state->counts), EIGHT(state->errors)),
                              _mm_cmpgt_epi16(len, _mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7)));
  __m128i errors = _mm_srli_si128(EIGHT(state->errors + 7), 2);
  __m128i high = _mm_and_si128(_mm_sub_epi16(EIGHT(state->counts + 8), errors),
                               _mm_cmpgt_epi16(len, _mm_setr_epi16(8, 9, 10, 11, 12, 13, 14, 15)));
#undef EIGHT
  gives_store(l->gives[layer], low, l->e->layers[layer].scale);
  gives_store(l->gives[layer] + 8, high, l->e->layers[layer].scale);
  high = greatest_behind(high);
  __m128i first = _mm_shuffle_epi32(_mm_shufflelo_epi16(high, 0), 0);
  _mm_storeu_si128(deepest, greater(greatest_behind(low), first));
  _mm_storeu_si128(deepest + 1, high);
}

INLINE void looking_init(looking *l, const lrd_evidence *e, unsigned layers) {
  const lrd_endpoints *endpoints = e->endpoints;
  double carry = 1;
  l->e = e;
  l->len = 0;
#pragma GCC unroll 3
  for (unsigned i = layers; i-- > 0;) {
    layer_read(l, i);
    l->named[i] = lrd_state_bits(e->layers[i].state);
    l->seen[i] = 0;
    l->reach[i] = carry * e->layers[i].scale;
    l->needed[i] = 1 / l->reach[i];
    carry *= e->layers[i].carry;
  }
  l->base = carry * ((endpoints->top_len > 0 ? endpoints->counts[endpoints->top[0]] : 0) * e->base_scale + e->base);
}

/* --- looking -------------------------------------------------------------------------------------------------------------- */

/* Of what came so often at all, and surely so often in each layer. */
INLINE double weigh(const lrd_evidence *e, unsigned layers, uint32_t count, const unsigned certain[LRD_LAYERS_MAX]) {
  double p = count * e->base_scale + e->base;
#pragma GCC unroll 3
  for (unsigned i = 0; i < layers && i < LRD_LAYERS_MAX; i++) p = certain[i] * e->layers[i].scale + e->layers[i].carry * p;
  return p;
}

/* The next one of a layer, unless it was seen in another one. */
INLINE void look_at(looking *l, unsigned layers, unsigned mine) {
  const lrd_evidence *e = l->e;
  unsigned met = 0;
  uint32_t number = e->layers[mine].state->ids[l->seen[mine]];
  double p = e->endpoints->counts[number] * e->base_scale + e->base;
#pragma GCC unroll 3
  for (unsigned i = 0; i < layers; i++) {
    unsigned at = i == mine ? l->seen[i] : lrd_state_at_among(e->layers[i].state, l->named[i], number);
    met |= at < l->seen[i];
    p = l->gives[i][at] + e->layers[i].carry * p;
  }
  l->seen[mine]++;
  l->numbers[l->len] = number;
  l->probabilities[l->len] = p;
  l->len += !met;
}

/* How many stand before the last one of a layer with so much. */
INLINE unsigned depth_of(const looking *l, unsigned layer, double share) {
  double least = share * l->needed[layer];
  if (!(least < UINT16_MAX)) return 0;
  const __m128i *deepest = (const __m128i *)(const void *)l->deepest[layer];
  __m128i wanted = _mm_set1_epi16((short)(uint16_t)least), zero = _mm_setzero_si128();
  __m128i a = _mm_cmpeq_epi16(_mm_subs_epu16(wanted, _mm_loadu_si128(deepest)), zero);
  __m128i b = _mm_cmpeq_epi16(_mm_subs_epu16(wanted, _mm_loadu_si128(deepest + 1)), zero);
  unsigned len = l->e->layers[layer].state->len;
  unsigned depth = (unsigned)__builtin_ctz(~(unsigned)_mm_movemask_epi8(_mm_packs_epi16(a, b)));
  return depth < len ? depth : len;
}

/*
 * Who is to have `least` and is not among those that are looked at has less than a share from each layer; shares add up to it,
 * but for what rounding may do.
 * Mostly the layers below give little behind their first one, and the last one has all that is left. Or the last one is short,
 * and looked at as a whole. Else all have the same.
 */
INLINE void depths_find(const looking *l, unsigned layers, double least, unsigned depths[LRD_LAYERS_MAX]) {
  const unsigned last = layers - 1;
  double all = least * (1 - 1e-12) - l->base, lowest = l->deepest[0][1] * l->reach[0];
  double below = layers == 2 ? lowest : lowest + l->deepest[1][1] * l->reach[1];
  for (unsigned i = 0; i < layers; i++) depths[i] = l->e->layers[i].state->len > 0;
  if (all > 0 && below < all / 2) {
    depths[last] = depth_of(l, last, all - below);
  } else if (l->e->layers[last].state->len <= SHORT && all > 0 && (layers == 2 || lowest < all / 2)) {
    depths[last] = l->e->layers[last].state->len;
    depths[last - 1] = depth_of(l, last - 1, layers == 2 ? all : all - lowest);
  } else {
    for (unsigned i = 0; i < layers; i++) depths[i] = depth_of(l, i, all > 0 ? all / layers : 0);
  }
}

/* One layer alone: until nothing deeper can be among the best, as it is sorted and nothing was surely seen more often than
 * counted. */
static void look_along(const lrd_evidence *e, best *out) {
  const lrd_endpoints *endpoints = e->endpoints;
  const lrd_state *state = e->layers[0].state;
  uint32_t count_max = endpoints->top_len > 0 ? endpoints->counts[endpoints->top[0]] : 0;
  for (unsigned depth = 0; depth < state->len; depth++) {
    const unsigned counted[LRD_LAYERS_MAX] = {state->counts[depth]};
    const unsigned certain[LRD_LAYERS_MAX] = {lrd_state_certain(state, depth)};
    if (out->len == out->most && best_full_above(out, weigh(e, 1, count_max, counted))) return;
    best_keep(out, state->ids[depth], weigh(e, 1, endpoints->counts[state->ids[depth]], certain), true);
  }
}

INLINE void look_down(const lrd_evidence *e, unsigned layers, best *out) {
  looking l;
  looking_init(&l, e, layers);
#pragma GCC unroll 3
  for (unsigned i = layers; i-- > 0;)
    for (unsigned len = e->layers[i].state->len; l.seen[i] < len && l.len < out->most;) look_at(&l, layers, i);
  if (l.len > 0 && l.len == out->most) {
    unsigned depths[LRD_LAYERS_MAX];
    double least = l.probabilities[0];
    for (unsigned i = 1; i < l.len; i++) least = l.probabilities[i] < least ? l.probabilities[i] : least;
    depths_find(&l, layers, least, depths);
#pragma GCC unroll 3
    for (unsigned i = layers; i-- > 0;)
      while (l.seen[i] < depths[i]) look_at(&l, layers, i);
  }
  for (unsigned i = 0; i < l.len; i++) best_keep(out, l.numbers[i], l.probabilities[i], false);
}

/* What comes at all, as far as it stands in no layer. */
static void look_at_any(const lrd_evidence *e, best *out) {
  static const unsigned nowhere[LRD_LAYERS_MAX] = {0};
  const lrd_endpoints *endpoints = e->endpoints;
  for (unsigned i = 0; i < endpoints->top_len; i++) {
    uint32_t number = endpoints->top[i];
    double p = weigh(e, e->len, endpoints->counts[number], nowhere);
    if (best_full_above(out, p)) return;
    bool met = false;
    for (unsigned l = 0; l < e->len; l++) met |= lrd_state_at(e->layers[l].state, number) != LRD_NEXT_MAX;
    if (!met) best_keep(out, number, p, true);
  }
}

size_t lrd_weigh_best(const lrd_evidence *evidence, size_t most, uint32_t *numbers, double *probabilities) {
  best out = {evidence, numbers, probabilities, 0, most};
  switch (evidence->len) {
  case 0:
    break;
  case 1:
    look_along(evidence, &out);
    break;
  case 2:
    look_down(evidence, 2, &out);
    break;
  default:
    look_down(evidence, 3, &out);
  }
  if (evidence->any) look_at_any(evidence, &out);
  return out.len;
}

double lrd_weigh_one(const lrd_evidence *evidence, uint32_t number) {
  unsigned certain[LRD_LAYERS_MAX] = {0};
  for (unsigned i = 0; i < evidence->len; i++) {
    unsigned at = lrd_state_at(evidence->layers[i].state, number);
    if (at != LRD_NEXT_MAX) certain[i] = lrd_state_certain(evidence->layers[i].state, at);
  }
  return weigh(evidence, evidence->len, number == LRD_NO_ENDPOINT ? 0 : evidence->endpoints->counts[number], certain);
}
