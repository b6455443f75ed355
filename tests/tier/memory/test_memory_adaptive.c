/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy adaptive: small cases by hand, who comes to lead on requests that are made for one expert, and what holds
 * whoever leads: limits, bytes, consistency, what is stored.
 */
#include "memory_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "tier/memory/policy.h"
#include "tier/memory/shadow.h"

#define ROOM  100u
#define BYTES ((uint64_t)4 << 20)

static uint64_t hash_of(uint64_t key) { return (key + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (key * key + 7) << 21; }

static const lrd_expert *leader(const lrd_shadow *shadow) { return &lrd_experts[shadow->chosen]; }

static void ask(lrd_shadow *shadow, uint64_t key) { (void)lrd_shadow_access(shadow, hash_of(key), 1, ROOM, 1); }

/* --- by hand -------------------------------------------------------------------------------------------------------------- */

static void expect(uint64_t entries, const char *script, const char *left) {
  fixture fix;
  fixture_open(&fix, &(fixture_options){.policy = "adaptive", .space_entries_max = entries, .options = "shards=1"});
  for (; *script; script++) {
    char key[2] = {*script, '\0'};
    if (*script >= 'A' && *script <= 'Z') {
      key[0] = (char)(*script - 'A' + 'a');
      (void)fixture_get(&fix, key);
    } else {
      assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
    }
  }
  assert_string_equal(fixture_letters(&fix), left);
  fixture_close(&fix);
}

static void it_begins_as_s3_fifo(void **state) {
  (void)state;
  expect(10, "abcdefghijk", "bcdefghijk");
  expect(10, "abcdefghijAk", "bcdefghijk");
  expect(10, "abcdefghijAAk", "acdefghijk");
  expect(10, "abcdefghijkla", "adefghijkl"); /* a is remembered, and enters main */
  expect(10, "abcdefghijklamnopqrstu", "amnopqrstu");
}

/* --- who leads ------------------------------------------------------------------------------------------------------------ */

static void a_loop_that_is_too_long_is_for_experts_that_keep_the_old(void **state) {
  (void)state;
  lrd_shadow shadow;
  lrd_shadow_init(&shadow, BYTES);
  for (uint64_t i = 0; i < 100000; i++) ask(&shadow, i % (ROOM * 3 / 2));
  assert_null(lrd_shadow_verify(&shadow));
  assert_true(leader(&shadow)->window_percent <= 10);
  /* Whoever throws out the oldest never hits; two thirds could stay. */
  assert_true(shadow.missed[shadow.chosen] < 60000);
  assert_true(shadow.missed[4] > 90000); /* clock */
  assert_in_range(shadow.switches, 1, 10);
  lrd_shadow_fini(&shadow);
}

/* Main is full of what was asked for often once, and s3-fifo's tenth is too small for the distance of 80. */
static void keys_that_come_twice_soon_and_never_again_are_for_experts_of_recency(void **state) {
  (void)state;
  lrd_shadow shadow;
  lrd_shadow_init(&shadow, BYTES);
  for (uint64_t i = 0; i < 10000; i++) ask(&shadow, i % 95);
  for (uint64_t i = 1000; i < 31000; i++) {
    ask(&shadow, i);
    if (i >= 1040) ask(&shadow, i - 40);
  }
  assert_null(lrd_shadow_verify(&shadow));
  assert_true(leader(&shadow)->window_percent >= 60);
  assert_true(shadow.missed[shadow.chosen] < 32000);
  assert_true(shadow.missed[0] > 50000);
  lrd_shadow_fini(&shadow);
}

static void what_changes_is_followed(void **state) {
  (void)state;
  lrd_shadow shadow;
  lrd_shadow_init(&shadow, BYTES);
  for (uint64_t round = 0; round < 3; round++) {
    for (uint64_t i = 0; i < 60000; i++) ask(&shadow, i % (ROOM * 3 / 2));
    assert_true(leader(&shadow)->window_percent <= 10);
    for (uint64_t i = 1000; i < 40000; i++) {
      ask(&shadow, round * 100000 + i);
      if (i >= 1040) ask(&shadow, round * 100000 + i - 40);
    }
    assert_true(leader(&shadow)->window_percent >= 40);
  }
  uint64_t led = 0;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) led += shadow.led[expert];
  assert_int_equal(led, shadow.asked);
  lrd_shadow_fini(&shadow);
}

static void equal_experts_do_not_take_turns(void **state) {
  (void)state;
  lrd_shadow shadow;
  uint32_t random = 1;
  lrd_shadow_init(&shadow, BYTES);
  for (uint64_t i = 0; i < 200000; i++) { /* no key is better than another */
    random = random * 1664525 + 1013904223;
    ask(&shadow, (random >> 8) % 1000);
  }
  assert_in_range(shadow.switches, 0, 20);
  lrd_shadow_fini(&shadow);
}

/* How often an expert's shadow has it as read in its window. */
static unsigned read_in(const lrd_shadow *shadow, unsigned expert, uint64_t key) {
  lrd_shadow_row row = {0};
  while (lrd_shadow_next(shadow, expert, LRD_SHADOW_WINDOW, &row)) {
    if (row.hash == hash_of(key)) return row.touches;
  }
  fail();
  return 0;
}

static void what_came_after_it_before_is_expected(void **state) {
  (void)state;
  enum { A = 1, B, C };
  static const struct {
    uint64_t asked;
    unsigned b_read, c_read;
  } steps[] = {
      {B, 1, 0}, {A, 2, 0},                       /* b is expected after a */
      {B, 3, 0}, {A, 3, 0}, {C, 3, 1}, {A, 3, 1}, /* once after it is not enough to be expected instead of b, that came twice */
      {C, 3, 2}, {A, 3, 3},
  };
  lrd_shadow shadow;
  lrd_shadow_init(&shadow, BYTES);
  for (uint64_t key = C; key >= A; key--) ask(&shadow, key);
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    ask(&shadow, steps[i].asked);
    assert_int_equal(read_in(&shadow, LARDER_EXPERT_MARKOV, B), steps[i].b_read);
    assert_int_equal(read_in(&shadow, LARDER_EXPERT_MARKOV, C), steps[i].c_read);
  }
  assert_int_equal(read_in(&shadow, LARDER_EXPERT_S3_FIFO, B), 2);
  assert_int_equal(read_in(&shadow, LARDER_EXPERT_S3_FIFO, C), 2);
  lrd_shadow_fini(&shadow);
}

static void nobody_left(void *context, uint32_t handle) {
  (void)context;
  (void)handle;
}

static void who_expects_leads_only_where_all_keys_are_followed(void **state) {
  (void)state;
  lrd_shadow shadow;
  lrd_shadow_init(&shadow, BYTES);
  for (uint64_t key = 0; key < 3 * ROOM; key++) ask(&shadow, key);
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++)
    shadow.regret[expert] = expert == LARDER_EXPERT_MARKOV ? 0 : UINT64_C(1000) << 10;
  ask(&shadow, 2 * ROOM - 1); /* some remember it */
  assert_int_equal(shadow.chosen, LARDER_EXPERT_S3_FIFO);
  lrd_shadow_lead(&shadow, nobody_left, NULL, NULL);
  ask(&shadow, 2 * ROOM - 2);
  assert_int_equal(shadow.chosen, LARDER_EXPERT_MARKOV);
  assert_int_equal(shadow.switches, 1);
  lrd_shadow_lead(&shadow, NULL, NULL, NULL); /* the same rules, without what needs all keys */
  assert_int_equal(shadow.chosen, LARDER_EXPERT_S3_FIFO);
  assert_int_equal(shadow.switches, 2);
  lrd_shadow_fini(&shadow);
}

static void what_is_told_of_the_experts_is_so(void **state) {
  (void)state;
  static const struct {
    const char *stays;
    int number;
  } told[] = {
#define TOLD(name, text, stays) {stays, LARDER_EXPERT_##name},
      LARDER_ADAPTIVE_EXPERTS(TOLD)
#undef TOLD
  };
  for (size_t i = 0; i < LRD_EXPERTS; i++) {
    const lrd_expert *rules = &lrd_experts[told[i].number];
    char window[32];
    (void)snprintf(window, sizeof window, "a window of %u %%", rules->window_percent);
    assert_int_equal(strstr(told[i].stays, window) != NULL, rules->window_percent < 100);
    assert_int_equal(strstr(told[i].stays, "read twice") != NULL, rules->moves_at == 2);
    assert_int_equal(strstr(told[i].stays, "more often") != NULL, rules->contest);
    assert_int_equal(strstr(told[i].stays, "back soon") != NULL, rules->ghosts);
    assert_int_equal(strstr(told[i].stays, "expected") != NULL, rules->expects);
  }
}

static void what_the_shards_decided_adds_up(void **state) {
  (void)state;
  fixture fix;
  larder_adaptive sums = {.size = sizeof sums};
  uint64_t entries = 0, led = 0, chosen_here = 0;
  char key[16];
  fixture_open(&fix, &(fixture_options){.policy = "adaptive", .space_entries_max = 400, .options = "shards=4"});
  assert_int_equal(lrd_memory_shards(fix.memory), 4);
  for (unsigned i = 0; i < 20000; i++) {
    (void)snprintf(key, sizeof key, "k%u", i % 600);
    if (!fixture_get(&fix, key)) assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
  }
  assert_true(lrd_memory_adaptive(fix.memory, fix.space, &sums));
  for (unsigned i = 0; i < LRD_EXPERTS; i++) {
    entries += sums.experts[i].entries;
    led += sums.experts[i].led;
    assert_in_range(sums.experts[i].missed, 1, sums.asked);
  }
  assert_int_equal(entries, fixture_usage(&fix, fix.space).entries);
  assert_int_equal(led, sums.asked);
  assert_in_range(sums.asked, 10000, 20000);
  for (uint64_t shard = 0; shard < 4; shard++) { /* by a hash in each of them */
    unsigned expert = LRD_EXPERTS;
    assert_ptr_equal(lrd_memory_shard(fix.memory, shard << 62), &fix.memory->shards[shard]);
    assert_true(lrd_memory_expert(fix.memory, fix.space, shard << 62, &expert));
    assert_true(sums.experts[expert].entries >= fix.memory->shards[shard].spaces[fix.space].entries);
    chosen_here += fix.memory->shards[shard].spaces[fix.space].entries;
  }
  assert_int_equal(chosen_here, entries);
  fixture_close(&fix);
  fixture_open(&fix, &(fixture_options){.policy = "lru", .options = "shards=4"});
  assert_false(lrd_memory_adaptive(fix.memory, fix.space, &sums));
  assert_false(lrd_memory_expert(fix.memory, fix.space, 1, &(unsigned){0}));
  fixture_close(&fix);
}

/* --- bounds --------------------------------------------------------------------------------------------------------------- */

static void the_sample_is_halved_to_keep_within_its_bytes(void **state) {
  (void)state;
  for (uint64_t bytes = 0; bytes < BYTES; bytes = bytes * 3 + 1) {
    lrd_shadow shadow;
    uint32_t random = 7;
    lrd_shadow_init(&shadow, bytes);
    for (uint64_t i = 0; i < 50000; i++) {
      random = random * 1664525 + 1013904223;
      uint64_t hash = hash_of((random >> 8) % 30000);
      if (lrd_shadow_samples(&shadow, hash)) (void)lrd_shadow_access(&shadow, hash, 1, 10000, 1);
      if (i % 5 == 0 && lrd_shadow_samples(&shadow, hash)) lrd_shadow_leave(&shadow, hash, i % 2 == 0);
    }
    assert_true(lrd_shadow_bytes(&shadow) <= bytes);
    assert_null(lrd_shadow_verify(&shadow));
    lrd_shadow_fini(&shadow);
  }
}

static void without_memory_the_first_expert_goes_on(void **state) {
  (void)state;
  lrd_shadow shadow;
  lrd_shadow_init(&shadow, BYTES);
  support_alloc_fail_from(1);
  for (uint64_t i = 0; i < 10000; i++) ask(&shadow, i % 300);
  (void)support_alloc_end();
  assert_int_equal(shadow.chosen, 0);
  assert_int_equal(lrd_shadow_bytes(&shadow), 0);
  for (uint64_t n = 1; n < 12; n++) {
    support_alloc_fail_from(n);
    for (uint64_t i = 0; i < 3000; i++)
      if (lrd_shadow_samples(&shadow, hash_of(i))) ask(&shadow, i);
    (void)support_alloc_end();
    assert_null(lrd_shadow_verify(&shadow));
  }
  lrd_shadow_fini(&shadow);
}

/* Also in a memory: whoever gets none is no worse than s3-fifo, and nothing is lost or exceeded. */
static void a_memory_goes_on_when_the_shadows_get_none(void **state) {
  (void)state;
  for (uint64_t n = 1; n < 12; n++) {
    fixture fix;
    char key[16];
    unsigned hits = 0;
    fixture_open(&fix, &(fixture_options){.policy = "adaptive", .space_entries_max = 100, .options = "shards=1"});
    support_alloc_fail_from(n);
    for (unsigned i = 0; i < 20000; i++) {
      (void)snprintf(key, sizeof key, "k%u", i % 3 ? i * i % 7919 % 80 : 1000 + i % 5000);
      if (fixture_get(&fix, key))
        hits++;
      else
        assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
      assert_true(fixture_usage(&fix, fix.space).entries <= 100);
    }
    (void)support_alloc_end();
    assert_true(hits > 8000);
    fixture_check(&fix);
    fixture_close(&fix);
  }
}

/* Readings go the straight way until somebody has to go; from then on those are logged of what not all experts hold. */
static void while_all_fits_no_reading_is_logged(void **state) {
  (void)state;
  fixture fix;
  char key[16];
  fixture_open(&fix, &(fixture_options){.policy = "adaptive", .space_entries_max = 50, .options = "shards=1"});
  const lrd_shard *shard = &fix.memory->shards[0];
  for (int i = 0; i < 50; i++) {
    (void)snprintf(key, sizeof key, "k%d", i);
    assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
    for (int n = 0; n < i % 4; n++) assert_true(fixture_get(&fix, key));
  }
  assert_int_equal(atomic_load(&shard->log_head), 0);
  assert_int_equal(fixture_put(&fix, "one too many", "value"), LARDER_OK);
  assert_false(fixture_has(&fix, "k0"));
  assert_true(fixture_get(&fix, "k3"));
  assert_int_equal(atomic_load(&shard->log_head), 0); /* all experts have it */
  /* What was read before was not forgotten: of ten more that go, none was read twice. */
  for (int i = 0; i < 10; i++) {
    (void)snprintf(key, sizeof key, "more%d", i);
    assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
  }
  for (int i = 0; i < 50; i++) {
    (void)snprintf(key, sizeof key, "k%d", i);
    if (i % 4 >= 2) assert_true(fixture_has(&fix, key));
    (void)fixture_get(&fix, key);
  }
  assert_in_range(atomic_load(&shard->log_head), 1, 49); /* what some of them would have let go by now */
  fixture_close(&fix);
}

static bool logs(const fixture *fix, const char *key) {
  const lrd_shard *shard = &fix->memory->shards[0];
  uint32_t before = atomic_load(&shard->log_head);
  (void)fixture_get((fixture *)(uintptr_t)fix, key);
  return atomic_load(&shard->log_head) != before;
}

static unsigned expert_of(const fixture *fix) {
  unsigned expert = LRD_EXPERTS;
  assert_true(lrd_memory_expert(fix->memory, fix->space, 0, &expert));
  return expert;
}

/* Where nobody else would be better for long, the shadows rest, and readings are told by touch bytes alone. What is asked for
 * differently then has them go on, and another one lead. */
static void shadows_rest_until_the_requests_change(void **state) {
  (void)state;
  static const uint64_t sizes[] = {100, 6000}; /* followed all of them, and an eighth */
  for (size_t s = 0; s < 2; s++) {
    fixture fix;
    uint64_t size = sizes[s], asked = 0;
    uint32_t random = 1;
    bool rested = false;
    char key[24];
    fixture_open(&fix, &(fixture_options){.policy = "adaptive", .space_entries_max = size, .options = "shards=1"});
    for (uint64_t i = 0; i < 700 * size && !rested; i++) {
      random = random * 1664525 + 1013904223;
      uint64_t number = (random >> 8) % (size * 2), other = (random >> 4) % (size * 2);
      (void)snprintf(key, sizeof key, "k%u", (unsigned)(number < other ? number : other));
      if (!fixture_get(&fix, key)) assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
      if (i % size) continue;
      larder_adaptive sums = {.size = sizeof sums};
      assert_true(lrd_memory_adaptive(fix.memory, fix.space, &sums));
      rested = i > size * 10 && sums.asked == asked;
      asked = sums.asked;
    }
    assert_true(rested);
    fixture_check(&fix);
    for (unsigned i = 0; i < size * 2; i++) {
      (void)snprintf(key, sizeof key, "k%u", i);
      assert_false(logs(&fix, key));
    }
    unsigned led_by = expert_of(&fix);
    for (uint64_t i = 0; i < 200 * size && expert_of(&fix) == led_by; i++) { /* twice soon, and never again */
      for (uint64_t n = i; n + size / 5 * 2 >= i && n <= i; n -= size / 5 * 2) {
        (void)snprintf(key, sizeof key, "new%u", (unsigned)n);
        if (!fixture_get(&fix, key)) assert_int_equal(fixture_put(&fix, key, "value"), LARDER_OK);
        if (n < size) break;
      }
    }
    assert_true(expert_of(&fix) != led_by);
    fixture_check(&fix);
    fixture_close(&fix);
  }
}

/* What is there is what was put last, and no limit is ever exceeded; a plain table is the model. */
static void limits_hold_and_values_are_true_under_random_operations(void **state) {
  (void)state;
  enum { KEYS = 400 };
  static char value[6000];
  memset(value, 'v', sizeof value - 1);
  for (uint32_t seed = 1; seed <= 6; seed++) {
    bool by_entries = seed % 2 == 0;
    unsigned lengths[KEYS] = {0}; /* 0: not there, whatever the cache may have evicted */
    fixture fix;
    fixture_open(&fix, &(fixture_options){.policy = "adaptive",
                                          .bytes_max = (uint64_t)1 << 20,
                                          .space_entries_max = by_entries ? 60 : 0,
                                          .space_bytes_max = by_entries ? 0 : 100000,
                                          .options = "shards=1"});
    uint32_t random = seed;
    for (int i = 0; i < 30000; i++) {
      char key[16];
      random = random * 1664525 + 1013904223;
      unsigned number = (random >> 8) % (i / 3000 % 2 ? KEYS : 80);
      (void)snprintf(key, sizeof key, "k%u", number);
      larder_tier_key at = fixture_key(&fix, key);
      lrd_memory_pin pin;
      if (random >> 29 == 0) {
        (void)lrd_memory_forget(fix.memory, &at);
        lengths[number] = 0;
      } else if (random >> 20 & 1 && i / 5000 % 2) {
        (void)lrd_memory_evict_hash(fix.memory, fix.space, at.hash);
      } else if (lrd_memory_pin_get(fix.memory, &at, NULL, 0, &pin) == LARDER_OK) {
        assert_int_equal(pin.len, lengths[number]);
        lrd_memory_pin_release(fix.memory, &pin);
      }
      if (random >> 29 >= 4) {
        lengths[number] = 1 + (random >> 5) % (number % 7 ? 300 : 5000);
        value[lengths[number]] = '\0';
        larder_err put = fixture_put(&fix, key, value);
        value[lengths[number]] = 'v';
        if (put != LARDER_OK) lengths[number] = 0;
      }
      larder_tier_usage usage = fixture_usage(&fix, fix.space);
      assert_true(by_entries ? usage.entries <= 60 : usage.bytes <= 100000);
      if (i % 1000) continue;
      fixture_check(&fix);
      lrd_policy *policy = fix.memory->shards[0].spaces[fix.space].policy;
      uint64_t passed = 0;
      for (uint32_t next = lrd_policy_after(policy, 0); next; next = lrd_policy_after(policy, next)) passed++;
      assert_int_equal(passed, usage.entries);
    }
    fixture_close(&fix);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_begins_as_s3_fifo),
      cmocka_unit_test(a_loop_that_is_too_long_is_for_experts_that_keep_the_old),
      cmocka_unit_test(keys_that_come_twice_soon_and_never_again_are_for_experts_of_recency),
      cmocka_unit_test(what_changes_is_followed),
      cmocka_unit_test(equal_experts_do_not_take_turns),
      cmocka_unit_test(what_came_after_it_before_is_expected),
      cmocka_unit_test(who_expects_leads_only_where_all_keys_are_followed),
      cmocka_unit_test(what_is_told_of_the_experts_is_so),
      cmocka_unit_test(what_the_shards_decided_adds_up),
      cmocka_unit_test(the_sample_is_halved_to_keep_within_its_bytes),
      cmocka_unit_test(without_memory_the_first_expert_goes_on),
      cmocka_unit_test(a_memory_goes_on_when_the_shadows_get_none),
      cmocka_unit_test(while_all_fits_no_reading_is_logged),
      cmocka_unit_test(shadows_rest_until_the_requests_change),
      cmocka_unit_test(limits_hold_and_values_are_true_under_random_operations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
