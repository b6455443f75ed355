/* SPDX-License-Identifier: Apache-2.0 */
/* What a put stores and a get hands out: facts, stamps, expiry to its boundary, tokens, pins, values of every size. */
#include "memory_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fixture_plain(fixture *fix) { fixture_open(fix, &(fixture_options){0}); }

static larder_err put_facts(fixture *fix, const char *key, const void *value, const larder_facts *facts, uint64_t token) {
  larder_tier_key at = fixture_key(fix, key);
  return lrd_memory_put(fix->memory, &at, value, facts, token);
}

static void all_facts_come_back(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  larder_facts facts = {.stamp = (UINT64_C(1000000) << 16) + 7,
                        .expires_soft_ms = 1000500,
                        .expires_hard_ms = 1000900,
                        .value_len = 5,
                        .kind = LARDER_KIND_JSON,
                        .version = "v1",
                        .version_len = 2,
                        .meta = "meta!",
                        .meta_len = 5,
                        .tags = "\3abc",
                        .tags_len = 4};
  assert_int_equal(put_facts(&fix, "key", "12345", &facts, 99), LARDER_OK);
  larder_tier_key key = fixture_key(&fix, "key");
  _Atomic uint64_t slot = 99;
  lrd_memory_pin pin;
  assert_int_equal(lrd_memory_pin_get(fix.memory, &key, &slot, false, &pin), LARDER_OK);
  larder_facts back;
  lrd_memory_pin_facts(&pin, &back);
  assert_int_equal(back.stamp, facts.stamp);
  assert_int_equal(back.expires_soft_ms, facts.expires_soft_ms);
  assert_int_equal(back.expires_hard_ms, facts.expires_hard_ms);
  assert_int_equal(back.kind, facts.kind);
  assert_int_equal(back.value_len, 5);
  assert_memory_equal(pin.value, "12345", 5);
  assert_int_equal(pin.expires_soft_ms, 1000500);
  assert_int_equal(back.version_len, 2);
  assert_memory_equal(back.version, "v1", 2);
  assert_int_equal(back.meta_len, 5);
  assert_memory_equal(back.meta, "meta!", 5);
  assert_int_equal(back.tags_len, 4);
  assert_memory_equal(back.tags, "\3abc", 4);
  lrd_memory_pin_release(fix.memory, &pin);
  fixture_close(&fix);
}

static larder_err get_at(fixture *fix, const char *key, int64_t now_ms, bool allow_stale) {
  larder_tier_key at = fixture_key(fix, key);
  char out[64];
  size_t len;
  atomic_store(&fix->now_ms, now_ms);
  return lrd_memory_copy(fix->memory, &at, NULL, allow_stale, out, sizeof out, &len);
}

static void expiry_is_exact_to_the_millisecond(void **state) {
  (void)state;
  static const struct {
    int64_t soft, hard;
  } cases[] = {
      {1000100, 1000200},                       /* soft before hard */
      {1000100, 1000100},                       /* the same */
      {1000100, 0},                             /* stale for ever */
      {900000, 1000200},                        /* soft before the stamp */
      {1000001, (INT64_C(1) << 41) + 1000000},  /* hard beyond what the head holds */
      {(INT64_C(1) << 41), (INT64_C(1) << 42)}, /* both */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture fix;
    fixture_plain(&fix);
    larder_facts facts = {.stamp = UINT64_C(1000000) << 16, .value_len = 1};
    facts.expires_soft_ms = cases[i].soft;
    facts.expires_hard_ms = cases[i].hard;
    assert_int_equal(put_facts(&fix, "key", "x", &facts, 0), LARDER_OK);
    int64_t soft = cases[i].soft, hard = cases[i].hard ? cases[i].hard : INT64_MAX - 1;
    assert_int_equal(get_at(&fix, "key", soft - 1, false), LARDER_OK);
    assert_int_equal(get_at(&fix, "key", soft, false), LARDER_MISS);
    assert_int_equal(get_at(&fix, "key", hard - 1, true), LARDER_OK);
    if (cases[i].hard) assert_int_equal(get_at(&fix, "key", hard, true), LARDER_MISS);
    atomic_store(&fix.now_ms, 1000000);
    fixture_close(&fix);
  }
}

static void a_hard_expiry_before_the_stamp_is_kept_and_over(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  larder_facts facts = {.stamp = UINT64_C(1000000) << 16, .value_len = 1, .expires_soft_ms = 999000, .expires_hard_ms = 999500};
  assert_int_equal(put_facts(&fix, "key", "x", &facts, 0), LARDER_OK);
  assert_int_equal(get_at(&fix, "key", 999499, true), LARDER_OK);
  assert_int_equal(get_at(&fix, "key", 999500, true), LARDER_MISS);
  assert_int_equal(get_at(&fix, "key", 998999, false), LARDER_OK);
  fixture_close(&fix);
}

static void what_never_expires_never_asks_the_clock(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  assert_int_equal(fixture_put(&fix, "key", "x"), LARDER_OK);
  assert_int_equal(get_at(&fix, "key", INT64_MAX, false), LARDER_OK);
  fixture_close(&fix);
}

static void the_higher_stamp_wins_under_one_token(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  larder_facts newer = {.stamp = 50, .value_len = 3}, older = {.stamp = 49, .value_len = 3};
  assert_int_equal(put_facts(&fix, "key", "new", &newer, 7), LARDER_OK);
  assert_int_equal(put_facts(&fix, "key", "old", &older, 7), LARDER_OLDER);
  assert_int_equal(put_facts(&fix, "key", "sam", &newer, 7), LARDER_OK); /* the same stamp may come again */
  assert_int_equal(put_facts(&fix, "key", "oth", &older, 8), LARDER_OK); /* under another token the old one is void */
  larder_tier_key key = fixture_key(&fix, "key");
  char out[8];
  size_t len;
  assert_int_equal(lrd_memory_copy(fix.memory, &key, NULL, false, out, sizeof out, &len), LARDER_OK);
  assert_memory_equal(out, "oth", 3);
  assert_int_equal(fixture_usage(&fix, fix.space).entries, 1);
  fixture_close(&fix);
}

static void a_hit_needs_the_slots_word(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  larder_facts facts = {.stamp = 1, .value_len = 1};
  const uint64_t token = (UINT64_C(1) << 48) - 1;
  assert_int_equal(put_facts(&fix, "key", "x", &facts, token), LARDER_OK);
  larder_tier_key key = fixture_key(&fix, "key");
  _Atomic uint64_t slot = token;
  char out[4];
  size_t len;
  assert_int_equal(lrd_memory_copy(fix.memory, &key, &slot, false, out, sizeof out, &len), LARDER_OK);
  atomic_store(&slot, token - 1);
  assert_int_equal(lrd_memory_copy(fix.memory, &key, &slot, false, out, sizeof out, &len), LARDER_MISS);
  atomic_store(&slot, token | UINT64_C(3) << 48); /* somebody owns it */
  assert_int_equal(lrd_memory_copy(fix.memory, &key, &slot, false, out, sizeof out, &len), LARDER_MISS);
  lrd_memory_pin pin;
  assert_int_equal(lrd_memory_pin_get(fix.memory, &key, &slot, true, &pin), LARDER_MISS);
  fixture_close(&fix);
}

static void retagging_reaches_the_range_and_only_what_had_the_token(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  larder_facts facts = {.stamp = 1, .value_len = 1};
  enum { KEYS = 3000 };
  static char names[KEYS][8];
  for (uint32_t i = 0; i < KEYS; i++) {
    memcpy(names[i], "key", 3);
    memcpy(names[i] + 3, &i, 4);
    larder_tier_key key = fixture_key_in(fix.space, "main", names[i], 7);
    assert_int_equal(lrd_memory_put(fix.memory, &key, "x", &facts, i % 3 == 0 ? 11 : 10), LARDER_OK);
  }
  /* A range that begins and ends inside tags, and one that does not. */
  static const uint64_t ranges[][2] = {{UINT64_C(0x2000000000001234), UINT64_C(0x6fffffffffff4321)},
                                       {UINT64_C(0x8000000000000000), UINT64_C(0xbfffffffffffffff)}};
  /* Some keys are left out, one of them by its name in another space. */
  enum { LEFT_OUT = 40 };
  larder_tier_key but[LEFT_OUT + 1];
  for (uint32_t i = 0; i < LEFT_OUT; i++) but[i] = fixture_key_in(fix.space, "main", names[i], 7);
  but[LEFT_OUT] = fixture_key_in(fix.space, "main", names[LEFT_OUT], 7);
  but[LEFT_OUT].space++;
  for (int r = 0; r < 2; r++) lrd_memory_retag(fix.memory, ranges[r][0], ranges[r][1], 10, 5, but, LEFT_OUT + 1);
  for (uint32_t i = 0; i < KEYS; i++) {
    larder_tier_key key = fixture_key_in(fix.space, "main", names[i], 7);
    bool in = false;
    for (int r = 0; r < 2; r++) in = in || (key.hash >= ranges[r][0] && key.hash <= ranges[r][1]);
    _Atomic uint64_t slot = i % 3 == 0 ? 11 : in && i >= LEFT_OUT ? 5 : 10;
    char out[4];
    size_t len;
    assert_int_equal(lrd_memory_copy(fix.memory, &key, &slot, false, out, sizeof out, &len), LARDER_OK);
  }
  fixture_close(&fix);
}

static void a_pinned_value_outlives_its_replacement_and_removal(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = 1 << 20});
  enum { PINS = 100 }; /* more than a thread's row has places */
  lrd_memory_pin pins[PINS];
  assert_int_equal(fixture_put(&fix, "key", "the first value"), LARDER_OK);
  larder_tier_key key = fixture_key(&fix, "key");
  for (int i = 0; i < PINS; i++) assert_int_equal(lrd_memory_pin_get(fix.memory, &key, NULL, false, &pins[i]), LARDER_OK);
  assert_int_equal(fixture_put(&fix, "key", "another"), LARDER_OK);
  assert_int_equal(lrd_memory_forget(fix.memory, &key), LARDER_OK);
  char name[16], filler[800];
  memset(filler, 'f', sizeof filler - 1);
  filler[sizeof filler - 1] = '\0';
  for (int i = 0; i < 5000; i++) {
    (void)snprintf(name, sizeof name, "filler%d", i);
    assert_int_equal(fixture_put(&fix, name, filler), LARDER_OK);
  }
  for (int i = 0; i < PINS; i++) {
    assert_int_equal(pins[i].len, 15);
    assert_memory_equal(pins[i].value, "the first value", 15);
    lrd_memory_pin_release(fix.memory, &pins[i]);
  }
  for (int i = 0; i < 500; i++) assert_int_equal(fixture_put(&fix, "key", filler), LARDER_OK); /* its block is used again */
  fixture_close(&fix);
}

static void above_half_the_budget_pinned_gets_copy_and_puts_are_not_kept(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = 1 << 20});
  enum { VALUES = 90, LEN = 8000 };
  static uint8_t value[LEN];
  static lrd_memory_pin pins[VALUES];
  char name[16];
  unsigned copies = 0, kept = 0;
  for (int i = 0; i < VALUES; i++) {
    (void)snprintf(name, sizeof name, "big%d", i);
    larder_facts facts = {.stamp = 1, .value_len = LEN};
    larder_tier_key key = fixture_key(&fix, name);
    memset(value, i, LEN);
    larder_err result = lrd_memory_put(fix.memory, &key, value, &facts, 0);
    pins[i].pin[0] = NULL;
    if (result == LARDER_NOT_KEPT) continue;
    assert_int_equal(result, LARDER_OK);
    kept++;
    assert_int_equal(lrd_memory_pin_get(fix.memory, &key, NULL, false, &pins[i]), LARDER_OK);
  }
  assert_in_range(kept, 60, 70); /* half of a mebibyte, and the one that crossed it */
  for (int i = 0; i < 5; i++) {
    larder_tier_key key = fixture_key(&fix, "big0");
    lrd_memory_pin copy;
    assert_int_equal(lrd_memory_pin_get(fix.memory, &key, NULL, false, &copy), LARDER_OK);
    copies += copy.value != pins[0].value;
    larder_facts facts;
    lrd_memory_pin_facts(&copy, &facts);
    assert_int_equal(facts.value_len, LEN);
    assert_memory_equal(copy.value, pins[0].value, LEN);
    lrd_memory_pin_release(fix.memory, &copy);
  }
  assert_int_equal(copies, 5);
  /* A put that is not kept does not leave the older value behind. */
  assert_int_equal(fixture_put(&fix, "big0", "newer"), LARDER_NOT_KEPT);
  assert_false(fixture_get(&fix, "big0"));
  for (int i = 0; i < VALUES; i++) {
    if (pins[i].pin[0] == NULL) continue;
    for (int at = 0; at < LEN; at += 997) assert_int_equal(((const uint8_t *)pins[i].value)[at], (uint8_t)i);
    lrd_memory_pin_release(fix.memory, &pins[i]);
  }
  assert_int_equal(fixture_put(&fix, "big0", "newer"), LARDER_OK);
  fixture_close(&fix);
}

static void values_of_every_size_come_back(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.bytes_max = (uint64_t)16 << 20});
  static const size_t lens[] = {0, 1, 7, 8, 100, 4095, 8191, 8192, 8193, 65535, 65536, 200000, 3 << 20};
  uint8_t *value = malloc(3 << 20), *out = malloc(3 << 20);
  char name[LARDER_KEY_MAX];
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
    size_t key_len = i % 2 ? LARDER_KEY_MAX : i + 1;
    memset(name, 'a' + (int)i, sizeof name);
    memset(value, (int)i + 1, lens[i]);
    larder_tier_key key = fixture_key_in(fix.space, "main", name, key_len);
    larder_facts facts = {.stamp = 1, .value_len = lens[i], .meta = "m", .meta_len = 1};
    assert_int_equal(lrd_memory_put(fix.memory, &key, value, &facts, 0), LARDER_OK);
    size_t len = 77;
    assert_int_equal(lrd_memory_copy(fix.memory, &key, NULL, false, out, 3 << 20, &len), LARDER_OK);
    assert_int_equal(len, lens[i]);
    if (len) assert_memory_equal(out, value, len);
    if (len) assert_int_equal(lrd_memory_copy(fix.memory, &key, NULL, false, out, len - 1, &len), LARDER_ETOOBIG);
    assert_int_equal(len, lens[i]);
    fixture_check(&fix);
  }
  free(value);
  free(out);
  fixture_close(&fix);
}

static void many_are_got_as_one_by_one(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  enum { KEYS = 40 };
  static char names[KEYS][8];
  larder_tier_key keys[KEYS];
  lrd_memory_pin pins[KEYS];
  larder_err results[KEYS];
  const _Atomic uint64_t *slots[KEYS];
  _Atomic uint64_t good = 3, bad = 4;
  for (int i = 0; i < KEYS; i++) {
    (void)snprintf(names[i], sizeof names[i], "k%d", i);
    keys[i] = fixture_key(&fix, names[i]);
    slots[i] = i % 5 == 0 ? &bad : &good;
    larder_facts facts = {.stamp = 1, .value_len = strlen(names[i])};
    if (i % 7 != 0) assert_int_equal(lrd_memory_put(fix.memory, &keys[i], names[i], &facts, 3), LARDER_OK);
  }
  for (int round = 0; round < 2; round++) {
    lrd_memory_pin_many(fix.memory, keys, round ? slots : NULL, KEYS, false, pins, results);
    for (int i = 0; i < KEYS; i++) {
      bool there = i % 7 != 0 && (round == 0 || i % 5 != 0);
      assert_int_equal(results[i], there ? LARDER_OK : LARDER_MISS);
      if (!there) continue;
      assert_memory_equal(pins[i].value, names[i], strlen(names[i]));
      lrd_memory_pin_release(fix.memory, &pins[i]);
    }
  }
  fixture_close(&fix);
}

static void keys_of_one_hash_do_not_mix(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.options = "shards=1"});
  enum { KEYS = 60 };
  char name[16], out[16];
  size_t len;
  for (int turn = 0; turn < 2; turn++) {
    for (int i = 0; i < KEYS; i++) {
      (void)snprintf(name, sizeof name, "same%d", i);
      larder_tier_key key = {.data = name, .len = strlen(name), .hash = UINT64_C(0xfedcba9876543210), .space = fix.space};
      larder_facts facts = {.stamp = 1, .value_len = key.len};
      if (turn == 0)
        assert_int_equal(lrd_memory_put(fix.memory, &key, name, &facts, 0), LARDER_OK);
      else
        assert_int_equal(lrd_memory_copy(fix.memory, &key, NULL, false, out, sizeof out, &len), LARDER_OK);
      if (turn == 1) assert_memory_equal(out, name, len);
    }
  }
  fixture_close(&fix);
}

static void keys_of_one_hash_are_told_apart_by_any_byte(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  larder_facts facts = {.stamp = 1, .value_len = 1};
  for (size_t len = 1; len <= 80; len++) {
    uint8_t stored[80] = {0}, asked[80] = {0};
    larder_tier_key key = {stored, len, UINT64_C(0x123456789abcdef), fix.space}, other = {asked, len, key.hash, fix.space};
    char out[1];
    size_t got;
    facts.stamp++;
    assert_ok(lrd_memory_put(fix.memory, &key, "x", &facts, 0));
    assert_ok(lrd_memory_copy(fix.memory, &other, NULL, false, out, 1, &got));
    for (size_t at = 0; at < len; at++) {
      asked[at] = 1;
      assert_err(lrd_memory_copy(fix.memory, &other, NULL, false, out, 1, &got), LARDER_MISS);
      asked[at] = 0;
    }
    assert_ok(lrd_memory_forget(fix.memory, &key));
  }
  fixture_close(&fix);
}

static void bad_keys_are_refused(void **state) {
  (void)state;
  fixture fix;
  fixture_plain(&fix);
  larder_facts facts = {.stamp = 1};
  static char long_key[LARDER_KEY_MAX + 1];
  larder_tier_key empty = {.data = "", .len = 0, .space = fix.space};
  larder_tier_key too_long = {.data = long_key, .len = sizeof long_key, .space = fix.space};
  larder_tier_key nowhere = {.data = "x", .len = 1, .space = 9};
  assert_int_equal(lrd_memory_put(fix.memory, &empty, "", &facts, 0), LARDER_EINVAL);
  assert_int_equal(lrd_memory_put(fix.memory, &too_long, "", &facts, 0), LARDER_EINVAL);
  assert_int_equal(lrd_memory_put(fix.memory, &nowhere, "", &facts, 0), LARDER_EINVAL);
  assert_int_equal(lrd_memory_forget(fix.memory, &nowhere), LARDER_EINVAL);
  fixture_close(&fix);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_facts_come_back),
      cmocka_unit_test(expiry_is_exact_to_the_millisecond),
      cmocka_unit_test(a_hard_expiry_before_the_stamp_is_kept_and_over),
      cmocka_unit_test(what_never_expires_never_asks_the_clock),
      cmocka_unit_test(the_higher_stamp_wins_under_one_token),
      cmocka_unit_test(a_hit_needs_the_slots_word),
      cmocka_unit_test(retagging_reaches_the_range_and_only_what_had_the_token),
      cmocka_unit_test(a_pinned_value_outlives_its_replacement_and_removal),
      cmocka_unit_test(above_half_the_budget_pinned_gets_copy_and_puts_are_not_kept),
      cmocka_unit_test(values_of_every_size_come_back),
      cmocka_unit_test(many_are_got_as_one_by_one),
      cmocka_unit_test(keys_of_one_hash_do_not_mix),
      cmocka_unit_test(keys_of_one_hash_are_told_apart_by_any_byte),
      cmocka_unit_test(bad_keys_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
