/* SPDX-License-Identifier: Apache-2.0 */
/* The quick ways beside the plain ones, on states by chance: what is found has to be the same to the last bit. */
#include "predict_fixture.h"

#include "predict/weighing.h"
#include <stdlib.h>
#include <string.h>

#define ENDPOINTS 40u
#define ROUNDS    60000u

static unsigned below(support_random *random, unsigned limit) { return (unsigned)support_random_below(random, limit); }

/* --- the most probable -----------------------------------------------------------------------------------------------------
 */

/* Sorted, no endpoint twice, with equals and errors, and anything behind its end. */
static void state_make(support_random *random, lrd_state *state, unsigned endpoints) {
  bool taken[ENDPOINTS] = {false};
  unsigned greatest = 1u << (1 + below(random, 12)), count = 0;
  memset(state, (int)below(random, 256), sizeof *state);
  state->len = below(random, LRD_NEXT_MAX + 1);
  state->total = (uint16_t)(1 + below(random, 20));
  for (unsigned i = state->len; i-- > 0;) {
    unsigned id = below(random, endpoints);
    while (taken[id]) id = (id + 1) % endpoints;
    taken[id] = true;
    count += i + 1 == state->len ? 1 + below(random, 2) : below(random, 3) ? 0 : below(random, greatest);
    state->ids[i] = id;
    state->counts[i] = (uint16_t)count;
    state->errors[i] = (uint16_t)(below(random, 3) ? 0 : below(random, count + 1));
    state->total = (uint16_t)(state->total + count);
  }
  lrd_state_name(state);
}

static void evidence_make(support_random *random, lrd_evidence *e, const lrd_endpoints *endpoints, const lrd_state *states) {
  *e = (lrd_evidence){.endpoints = endpoints, .len = below(random, LRD_LAYERS_MAX + 1), .any = below(random, 2)};
  e->base = 1.0 / (1 + below(random, 5000));
  e->base_scale = e->any ? 1.0 / (1 + below(random, 100000)) : 0;
  for (unsigned i = 0; i < e->len; i++) {
    const lrd_state *state = &states[i];
    double scale = 1.0 / (state->total + state->len + below(random, 3));
    e->layers[i] = (lrd_layer){state, scale, (state->total - state->named + 1 + below(random, 15)) * scale};
  }
}

static double plainly(const lrd_evidence *e, uint32_t number) {
  double p = e->endpoints->counts[number] * e->base_scale + e->base;
  for (unsigned i = 0; i < e->len; i++) {
    unsigned certain = 0;
    for (unsigned at = 0; at < e->layers[i].state->len; at++)
      if (e->layers[i].state->ids[at] == number) certain = e->layers[i].state->counts[at] - e->layers[i].state->errors[at];
    p = certain * e->layers[i].scale + e->layers[i].carry * p;
  }
  return p;
}

typedef struct all_of_them {
  uint32_t numbers[3 * LRD_NEXT_MAX + LRD_NEXT_MAX];
  size_t len;
} all_of_them;

static void once(all_of_them *all, uint32_t number) {
  for (size_t i = 0; i < all->len; i++)
    if (all->numbers[i] == number) return;
  all->numbers[all->len++] = number;
}

/* In the order in which equals come: by depth, the last layer first, then what comes at all; then sorted, the stable way. */
static void everything(const lrd_evidence *e, all_of_them *all) {
  all->len = 0;
  for (unsigned depth = 0; depth < LRD_NEXT_MAX; depth++)
    for (unsigned i = e->len; i-- > 0;)
      if (depth < e->layers[i].state->len) once(all, e->layers[i].state->ids[depth]);
  for (unsigned i = 0; e->any && i < e->endpoints->top_len; i++) once(all, e->endpoints->top[i]);
  for (size_t i = 1; i < all->len; i++) {
    uint32_t number = all->numbers[i];
    size_t at = i;
    for (; at > 0 && plainly(e, all->numbers[at - 1]) < plainly(e, number); at--) all->numbers[at] = all->numbers[at - 1];
    all->numbers[at] = number;
  }
}

static void endpoints_make(support_random *random, lrd_endpoints *endpoints, uint32_t *counts) {
  unsigned most = 1u << below(random, 16);
  *endpoints = (lrd_endpoints){.counts = counts, .slots = ENDPOINTS, .len = ENDPOINTS};
  for (uint32_t i = 0; i < ENDPOINTS; i++) counts[i] = below(random, most);
  for (uint32_t i = 0; i < ENDPOINTS; i++) {
    uint32_t at = endpoints->top_len < LRD_NEXT_MAX ? endpoints->top_len++ : LRD_NEXT_MAX;
    for (; at > 0 && counts[endpoints->top[at - 1]] < counts[i]; at--)
      if (at < LRD_NEXT_MAX) endpoints->top[at] = endpoints->top[at - 1];
    if (at < LRD_NEXT_MAX) endpoints->top[at] = i;
  }
}

static void the_best_are_those_of_all(void **state) {
  (void)state;
  support_random random = {4711};
  uint32_t counts[ENDPOINTS];
  lrd_endpoints endpoints;
  lrd_state *states = malloc(LRD_LAYERS_MAX * sizeof *states); /* of its own, so that a byte too far is seen */
  assert_non_null(states);
  for (unsigned round = 0; round < ROUNDS; round++) {
    uint32_t numbers[LARDER_PREDICT_TOP_MAX];
    double probabilities[LARDER_PREDICT_TOP_MAX];
    lrd_evidence e;
    all_of_them all;
    if (round % 50 == 0) endpoints_make(&random, &endpoints, counts);
    for (unsigned i = 0; i < LRD_LAYERS_MAX; i++) state_make(&random, &states[i], 16 + below(&random, 24));
    evidence_make(&random, &e, &endpoints, states);
    size_t most = below(&random, 2) ? 5 : 1 + below(&random, LARDER_PREDICT_TOP_MAX);
    size_t len = lrd_weigh_best(&e, most, numbers, probabilities);
    everything(&e, &all);
    assert_int_equal(len, all.len < most ? all.len : most);
    for (size_t i = 0; i < len; i++) {
      double p = plainly(&e, all.numbers[i]);
      assert_int_equal(numbers[i], all.numbers[i]);
      assert_memory_equal(&probabilities[i], &p, sizeof p);
      p = lrd_weigh_one(&e, numbers[i]);
      assert_memory_equal(&probabilities[i], &p, sizeof p);
    }
  }
  free(states);
}

/* --- adding ----------------------------------------------------------------------------------------------------------------
 */

typedef struct successor {
  unsigned id, count, error;
} successor;

typedef struct plain_state {
  successor next[LRD_NEXT_MAX];
  unsigned len, total;
} plain_state;

static successor halved(const successor *of) {
  unsigned count = of->count / 2, error = (of->error + 1) / 2;
  return (successor){of->id, count, error < count ? error : count};
}

static void plainly_add(plain_state *state, unsigned age_at, unsigned id) {
  unsigned at = 0;
  while (at < state->len && state->next[at].id != id) at++;
  if (at == state->len && state->len < LRD_NEXT_MAX) {
    state->next[state->len++] = (successor){.id = id};
  } else if (at == state->len) {
    at--;
    state->next[at] = (successor){id, state->next[at].count, state->next[at].count};
  }
  state->next[at].count++;
  for (unsigned to = 0; to < at; to++) {
    if (state->next[to].count >= state->next[at].count) continue;
    successor overtaken = state->next[to];
    state->next[to] = state->next[at];
    state->next[at] = overtaken;
    break;
  }
  if (++state->total < age_at) return;
  unsigned len = 0;
  state->total /= 2;
  for (unsigned i = 0; i < state->len; i++)
    if (state->next[i].count / 2 > 0) state->next[len++] = halved(&state->next[i]);
  state->len = len;
}

static void a_state_grows_as_the_plain_one(void **state) {
  (void)state;
  static const unsigned ages[] = {16, 300, 60000};
  support_random random = {17};
  for (unsigned round = 0; round < 30; round++) {
    const lrd_transitions table = {.age_at = ages[round % 3]};
    unsigned endpoints = 1 + below(&random, 60);
    lrd_state quick = {0};
    plain_state plain = {.len = 0};
    for (unsigned event = 0; event < (round % 3 == 2 ? 70000u : 3000u); event++) {
      unsigned id = below(&random, 1 + below(&random, endpoints)), named = 0;
      lrd_state_add(&table, &quick, id);
      plainly_add(&plain, table.age_at, id);
      assert_int_equal(quick.len, plain.len);
      assert_int_equal(quick.total, plain.total);
      for (unsigned i = 0; i < plain.len; i++) {
        assert_true(quick.ids[i] == plain.next[i].id && quick.counts[i] == plain.next[i].count &&
                    quick.errors[i] == plain.next[i].error);
        assert_int_equal(lrd_state_at(&quick, plain.next[i].id), i);
        assert_true(plain.next[i].error <= plain.next[i].count);
        named += plain.next[i].count - plain.next[i].error;
      }
      assert_int_equal(quick.named, named);
    }
  }
}

/* --- sets ------------------------------------------------------------------------------------------------------------------
 */

static void a_word_is_found_where_it_stands_first(void **state) {
  (void)state;
  support_random random = {3};
  for (unsigned round = 0; round < 20000; round++) {
    _Alignas(64) uint64_t words[LRD_SET_WAYS];
    uint64_t wanted = (uint64_t)below(&random, 3) << 32 | below(&random, 3); /* halves that are alike */
    unsigned first = LRD_SET_WAYS;
    for (unsigned i = 0; i < LRD_SET_WAYS; i++) words[i] = (uint64_t)below(&random, 3) << 32 | below(&random, 3);
    for (unsigned i = LRD_SET_WAYS; i-- > 0;)
      if (words[i] == wanted) first = i;
    assert_int_equal(lrd_set_find(words, wanted), first);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_best_are_those_of_all),
      cmocka_unit_test(a_state_grows_as_the_plain_one),
      cmocka_unit_test(a_word_is_found_where_it_stands_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
