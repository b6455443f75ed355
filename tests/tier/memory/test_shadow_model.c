/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shadows against a model: what each expert without a contest holds and remembers, by its rules written down once more, in
 * plain arrays and with a time that never comes round. Both see the same random requests and have to miss the same ones.
 */
#include "memory_fixture.h"

#include <stdlib.h>

#include "tier/memory/shadow.h"

#define ROOM 120u
#define KEYS 3000u

typedef struct model_queue {
  unsigned keys[ROOM];
  unsigned len;
} model_queue;

typedef struct model {
  const lrd_expert *rules;
  model_queue window;
  model_queue main;
  unsigned read[KEYS];
  uint64_t gone_at[KEYS]; /* 0: no ghost */
  uint64_t time;
  unsigned back;
} model;

static bool queue_has(const model_queue *queue, unsigned key) {
  for (unsigned i = 0; i < queue->len; i++)
    if (queue->keys[i] == key) return true;
  return false;
}

static unsigned queue_pop(model_queue *queue) {
  unsigned key = queue->keys[0];
  memmove(queue->keys, queue->keys + 1, --queue->len * sizeof *queue->keys);
  return key;
}

static void queue_push(model_queue *queue, unsigned key) { queue->keys[queue->len++] = key; }

static void model_remember(model *m, unsigned key) {
  m->gone_at[key] = m->time;
  if (m->back >= 2)
    m->back -= 2;
  else
    m->time++;
}

static void model_evict(model *m) {
  unsigned window_max = (unsigned)lrd_expert_window(m->rules, ROOM);
  for (;;) {
    bool from_main = m->window.len == 0 || m->main.len > ROOM - window_max;
    unsigned key = queue_pop(from_main ? &m->main : &m->window);
    if (from_main && m->read[key] == 0) {
      if (!m->rules->ghosts) model_remember(m, key);
      return;
    }
    if (!from_main && m->read[key] < m->rules->moves_at) {
      model_remember(m, key);
      return;
    }
    bool again = from_main || m->rules->window_percent == 100;
    m->read[key] = again ? m->read[key] - 1 : 0;
    queue_push(from_main || !again ? &m->main : &m->window, key);
  }
}

/* Whether it was there. */
static bool model_ask(model *m, unsigned key) {
  if (queue_has(&m->window, key) || queue_has(&m->main, key)) {
    if (m->read[key] < 3) m->read[key]++;
    return true;
  }
  unsigned count = m->window.len + m->main.len;
  bool remembered = m->gone_at[key] != 0 && m->time - m->gone_at[key] <= count + 1;
  m->gone_at[key] = 0;
  if (remembered) m->back++;
  if (count == ROOM) model_evict(m);
  m->read[key] = 0;
  queue_push(remembered && m->rules->ghosts ? &m->main : &m->window, key);
  return false;
}

static uint64_t hash_of(uint64_t key) { return (key + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (key * key + 7) << 21; }

static unsigned key_next(uint32_t *random, unsigned i) {
  *random = *random * 1664525 + 1013904223;
  unsigned one = *random >> 8;
  *random = *random * 1664525 + 1013904223;
  unsigned other = *random >> 8;
  switch (i / 20000 % 4) {
  case 0:
    return one % 400 < other % 400 ? one % 400 : other % 400; /* some more often than others */
  case 1:
    return i % (ROOM * 3 / 2); /* a loop */
  case 2:
    return one % 3 ? other % 90 : i % KEYS; /* few, and a scan */
  default:
    return i % 2 ? i % KEYS : (i - 81) % KEYS; /* twice soon */
  }
}

static void every_expert_without_a_contest_misses_what_its_rules_say(void **state) {
  (void)state;
  static const unsigned experts[] = {LARDER_EXPERT_S3_FIFO, LARDER_EXPERT_S3_30, LARDER_EXPERT_RECENCY, LARDER_EXPERT_CLOCK,
                                     LARDER_EXPERT_LIRS_LIKE};
  enum { EXPERTS = sizeof experts / sizeof *experts };
  static model models[EXPERTS];
  lrd_shadow shadow;
  uint32_t random = 1;
  lrd_shadow_init(&shadow, (uint64_t)4 << 20);
  for (unsigned e = 0; e < EXPERTS; e++) models[e] = (model){.rules = &lrd_experts[experts[e]], .time = 1};
  for (unsigned i = 0; i < 400000; i++) {
    unsigned key = key_next(&random, i);
    uint64_t before[LRD_EXPERTS];
    memcpy(before, shadow.missed, sizeof before);
    (void)lrd_shadow_access(&shadow, hash_of(key), 1, ROOM, 1);
    for (unsigned e = 0; e < EXPERTS; e++)
      assert_int_equal(shadow.missed[experts[e]] - before[experts[e]], !model_ask(&models[e], key));
  }
  assert_null(lrd_shadow_verify(&shadow));
  assert_int_equal(shadow.rate_shift, 0);
  for (unsigned e = 0; e < EXPERTS; e++) assert_true(models[e].time > 70000); /* the shadows' time came round */
  lrd_shadow_fini(&shadow);
}

/* Whoever has all that is asked for would else go on having it. */
static void where_there_is_less_room_all_hold_less(void **state) {
  (void)state;
  lrd_shadow shadow;
  lrd_shadow_init(&shadow, (uint64_t)4 << 20);
  for (unsigned key = 0; key < KEYS; key++) (void)lrd_shadow_access(&shadow, hash_of(key), 1, KEYS, 1);
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) assert_int_equal(shadow.sides[expert].weight, KEYS);
  for (unsigned i = 0; i < KEYS; i++) (void)lrd_shadow_access(&shadow, hash_of(i % (ROOM * 4)), 1, ROOM, 1);
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    assert_in_range(shadow.sides[expert].weight, ROOM / 2, ROOM);
    assert_true(shadow.missed[expert] > KEYS + KEYS / 2); /* a fourth of the keys fit */
  }
  assert_null(lrd_shadow_verify(&shadow));
  lrd_shadow_fini(&shadow);
}

static void left(void *context, uint32_t handle) {
  unsigned *count = context;
  *count += handle != 0;
}

/* What one leader held is what all begin with after a rest; and what is deleted is nobody's. */
static void after_a_rest_all_hold_the_same(void **state) {
  (void)state;
  lrd_shadow shadow;
  uint32_t random = 3;
  unsigned gone = 0;
  lrd_shadow_init(&shadow, (uint64_t)4 << 20);
  for (unsigned round = 0; round < 20; round++) {
    for (unsigned i = 0; i < 3000; i++) {
      unsigned key = key_next(&random, i + round * 20000);
      (void)lrd_shadow_access(&shadow, hash_of(key), 1 + key % 5, ROOM * 3, 1 + key);
      if (random % 16 == 0) lrd_shadow_leave(&shadow, hash_of(random % 400), random % 32 == 0);
    }
    assert_null(lrd_shadow_verify(&shadow));
    shadow.chosen = (uint8_t)(round % LRD_EXPERTS);
    shadow.misses = 1;                           /* some were seen */
    lrd_shadow_lead(&shadow, left, &gone, NULL); /* else a true cache would have to stand in */
    lrd_shadow_rest(&shadow);
    assert_null(lrd_shadow_verify(&shadow));
    lrd_shadow_wake(&shadow);
    assert_null(lrd_shadow_verify(&shadow));
    uint64_t weight = shadow.sides[shadow.chosen].weight;
    for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) assert_int_equal(shadow.sides[expert].weight, weight);
  }
  assert_true(gone > 1000);
  lrd_shadow_fini(&shadow);
}

/* However often another one comes to lead, the others rest for a part of the misses. */
static void they_rest_also_where_leaders_change_again_and_again(void **state) {
  (void)state;
  enum { MISSES = 20000 };
  lrd_shadow shadow;
  unsigned gone = 0, rested = 0, asked = 0;
  lrd_shadow_init(&shadow, (uint64_t)4 << 20);
  lrd_shadow_lead(&shadow, left, &gone, NULL);
  for (; asked < MISSES; asked++) { /* a loop that is longer than fits, but short enough to be remembered */
    (void)lrd_shadow_access(&shadow, hash_of(asked % (ROOM * 5 / 4)), 1, ROOM, 1 + asked);
    if (asked % 100 == 0 && !shadow.resting) shadow.misses = shadow.regrets = shadow.backs = 0; /* as after a change */
    rested += shadow.resting;
    if (!lrd_shadow_turn_due(&shadow)) continue;
    if (shadow.resting)
      lrd_shadow_wake(&shadow);
    else
      lrd_shadow_rest(&shadow);
    assert_null(lrd_shadow_verify(&shadow));
  }
  assert_in_range(rested, MISSES / 20, MISSES / 3);
  lrd_shadow_fini(&shadow);
}

/* While the true cache stands in for the leader, it may have some in no queue of the leader's. */
static void what_is_in_no_queue_is_nobodys_after_a_rest(void **state) {
  (void)state;
  enum { COUNT = 40 };
  lrd_shadow shadow;
  uint32_t at = 0, handle, queued = 0;
  lrd_shadow_init(&shadow, (uint64_t)4 << 20);
  for (unsigned key = 0; key < COUNT; key++) (void)lrd_shadow_access(&shadow, hash_of(key), 1, ROOM, 1 + key);
  lrd_shadow_rest(&shadow);
  assert_null(lrd_shadow_verify(&shadow));
  assert_int_equal(shadow.counts[shadow.chosen], COUNT);
  while ((handle = lrd_shadow_next_held(&shadow, &at)) != 0) {
    unsigned place = handle % 4; /* the first is LRD_SHADOW_NONE */
    queued += place != LRD_SHADOW_NONE;
    lrd_shadow_seed(&shadow, at, place, 0);
  }
  lrd_shadow_wake(&shadow);
  assert_null(lrd_shadow_verify(&shadow));
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) assert_int_equal(shadow.counts[expert], queued);
  assert_int_equal(queued, COUNT / 4 * 3);
  lrd_shadow_fini(&shadow);
}

enum { ASKED = 60000 };

typedef struct true_cache {
  unsigned keys[ASKED + 1]; /* by handle */
  uint32_t handles[KEYS];   /* as last told; 0: it is not there */
  unsigned went;
} true_cache;

static void leave_true(void *context, uint32_t handle) {
  true_cache *cache = context;
  assert_int_equal(cache->handles[cache->keys[handle]], handle);
  cache->went++;
}

/* Each access has another handle, as a put has; what leaves is told by the last one, also where the key that is asked for has
 * to go itself, because others went that the shadow still had and there is less room. */
static void who_leaves_is_told_by_its_last_handle(void **state) {
  (void)state;
  static true_cache cache;
  lrd_shadow shadow;
  uint32_t random = 5;
  uint64_t room = ROOM;
  lrd_shadow_init(&shadow, (uint64_t)4 << 20);
  lrd_shadow_lead(&shadow, leave_true, &cache, NULL);
  for (uint32_t i = 1; i <= ASKED; i++) {
    unsigned key = key_next(&random, i);
    if (i % 50 == 0) room = ROOM / 8 + random % ROOM;
    cache.keys[i] = key;
    cache.handles[key] = i;
    assert_int_not_equal(lrd_shadow_access(&shadow, hash_of(key), 1, room, i), LRD_SHADOW_FULL);
    if (i % 7) continue;
    unsigned other = random / 64 % KEYS;
    cache.handles[other] = 0;
    lrd_shadow_leave(&shadow, hash_of(other), i % 2 == 0);
  }
  assert_true(cache.went > ASKED / 4);
  assert_null(lrd_shadow_verify(&shadow));
  lrd_shadow_fini(&shadow);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_expert_without_a_contest_misses_what_its_rules_say),
      cmocka_unit_test(where_there_is_less_room_all_hold_less),
      cmocka_unit_test(after_a_rest_all_hold_the_same),
      cmocka_unit_test(they_rest_also_where_leaders_change_again_and_again),
      cmocka_unit_test(what_is_in_no_queue_is_nobodys_after_a_rest),
      cmocka_unit_test(who_leaves_is_told_by_its_last_handle),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
