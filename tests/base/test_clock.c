/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/hash_inline.h"
#include "base/log.h"
#include "base/stamp.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void the_moved_clock_moves_only_when_told(void **state) {
  (void)state;
  lrd_clock_moved moved;
  lrd_clock_moved_init(&moved, 5000);
  const lrd_clock *clock = &moved.clock;
  int64_t mono = lrd_mono_ns(clock);
  assert_int_equal(lrd_wall_ms(clock), 5000);
  assert_int_equal(lrd_boot_ns(clock), mono);
  lrd_clock_moved_advance_ms(&moved, 7);
  assert_int_equal(lrd_wall_ms(clock), 5007);
  assert_int_equal(lrd_mono_ns(clock) - mono, 7000000);
  lrd_clock_moved_step_wall_ms(&moved, -3000);
  assert_int_equal(lrd_wall_ms(clock), 2007);
  assert_int_equal(lrd_mono_ns(clock) - mono, 7000000);
  clock->sleep_ns(clock, 600000);
  clock->sleep_ns(clock, 600000);
  clock->sleep_ns(clock, -5);
  assert_int_equal(lrd_mono_ns(clock) - mono, 8200000);
  assert_int_equal(lrd_wall_ms(clock), 2008);
}

static void the_real_clocks_are_the_machines(void **state) {
  (void)state;
  const lrd_clock *clock = lrd_clock_real();
  int64_t wall_ms = lrd_wall_ms(clock);
  assert_true(llabs(wall_ms - (int64_t)time(NULL) * 1000) < 3000);
  int64_t before = lrd_mono_ns(clock);
  clock->sleep_ns(clock, 2000000);
  assert_true(lrd_mono_ns(clock) - before >= 2000000);
  assert_true(lrd_boot_ns(clock) >= lrd_mono_ns(clock) - 1000000000);
}

static void stamps_rise_whatever_the_clock_does(void **state) {
  (void)state;
  _Atomic uint64_t last = 0;
  lrd_stamp first = lrd_stamp_next(&last, 1000, 0);
  assert_true(first == lrd_stamp_from_wall_ms(1000));
  assert_true(lrd_stamp_next(&last, 1000, 0) == first + 1);
  assert_true(lrd_stamp_next(&last, 1, 0) == first + 2);
  assert_true(lrd_stamp_next(&last, -5, 0) == first + 3);
  assert_true(lrd_stamp_next(&last, 1000, first + 900) == first + 900);
  assert_true(lrd_stamp_next(&last, 2000, 0) == lrd_stamp_from_wall_ms(2000));
  assert_int_equal(lrd_stamp_wall_ms(lrd_stamp_from_wall_ms(2000) + 65535), 2000);
  /* 65,536 in one millisecond run into the next one. */
  last = lrd_stamp_from_wall_ms(3000) + 65535;
  assert_true(lrd_stamp_next(&last, 3000, 0) == lrd_stamp_from_wall_ms(3001));
  last = UINT64_MAX;
  assert_true(lrd_stamp_next(&last, 3000, 0) == UINT64_MAX);
}

#define STAMP_THREADS 4
#define STAMPS_EACH   20000
static _Atomic uint64_t stamp_word;
static uint64_t stamps[STAMP_THREADS][STAMPS_EACH];

static void *stamps_take(void *argument) {
  uint64_t *out = argument;
  for (size_t i = 0; i < STAMPS_EACH; i++) out[i] = lrd_stamp_next(&stamp_word, 5, 0);
  return NULL;
}

static int stamp_order(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

static void no_two_threads_get_the_same_stamp(void **state) {
  (void)state;
  pthread_t threads[STAMP_THREADS];
  for (size_t i = 0; i < STAMP_THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, stamps_take, stamps[i]), 0);
  for (size_t i = 0; i < STAMP_THREADS; i++) pthread_join(threads[i], NULL);
  for (size_t t = 0; t < STAMP_THREADS; t++)
    for (size_t i = 1; i < STAMPS_EACH; i++) assert_true(stamps[t][i] > stamps[t][i - 1]);
  uint64_t *all = &stamps[0][0];
  qsort(all, STAMP_THREADS * STAMPS_EACH, sizeof *all, stamp_order);
  for (size_t i = 1; i < STAMP_THREADS * STAMPS_EACH; i++) assert_true(all[i] != all[i - 1]);
}

static void hashes_depend_on_seed_and_every_byte(void **state) {
  (void)state;
  char data[300];
  memset(data, 'x', sizeof data);
  for (size_t len = 1; len <= sizeof data; len += 7) {
    uint64_t before = lrd_hash64(data, len, 1);
    assert_true(before == lrd_hash64(data, len, 1));
    if (len <= LRD_HASH_SHORT) assert_true(before == lrd_hash64_short(data, len, 1));
    assert_true(before != lrd_hash64(data, len, 2));
    assert_true(before != lrd_hash64(data, len - 1, 1));
    uint64_t sum = lrd_sum64(data, len);
    lrd_sum wide = lrd_sum128(data, len);
    data[len / 2] ^= 1;
    assert_true(before != lrd_hash64(data, len, 1));
    assert_true(sum != lrd_sum64(data, len));
    assert_true(wide.low != lrd_sum128(data, len).low || wide.high != lrd_sum128(data, len).high);
    data[len / 2] ^= 1;
  }
  assert_true(lrd_hash_seed_for(1, "a") != lrd_hash_seed_for(1, "b"));
  assert_true(lrd_hash_seed_for(1, "a") != lrd_hash_seed_for(2, "a"));
  /* XXH3's published values: what is on disk must be read by the next release too. */
  assert_true(lrd_sum64("", 0) == UINT64_C(0x2D06800538D394C2));
  assert_true(lrd_sum128("", 0).low == UINT64_C(0x6001C324468D497F));
}

static void random_bytes_differ(void **state) {
  (void)state;
  uint8_t a[600] = {0}, b[600] = {0};
  assert_int_equal(lrd_random(a, sizeof a), 0);
  assert_int_equal(lrd_random(b, sizeof b), 0);
  assert_memory_not_equal(a, b, sizeof a);
  assert_memory_not_equal(a + 300, b + 300, 300);
}

static char seen_line[2000];
static int seen_level, seen_count;

static void sink(void *context, int level, const char *id, const char *message) {
  assert_ptr_equal(context, &seen_count);
  assert_string_equal(id, "test.id");
  seen_level = level;
  seen_count++;
  snprintf(seen_line, sizeof seen_line, "%s", message);
}

static void events_are_one_line_within_their_level(void **state) {
  (void)state;
  lrd_log log = {.sink = sink, .context = &seen_count, .level_max = LRD_LOG_INFO};
  lrd_log_write(&log, LRD_LOG_DEBUG, "test.id", "unheard");
  assert_int_equal(seen_count, 0);
  lrd_log_write(&log, LRD_LOG_WARN, "test.id", "two\nlines %d\t\x7f", 5);
  assert_int_equal(seen_count, 1);
  assert_int_equal(seen_level, LRD_LOG_WARN);
  assert_string_equal(seen_line, "two lines 5  ");
  lrd_log_write(&log, LRD_LOG_ERROR, "test.id", "%01500d", 1);
  assert_int_equal(strlen(seen_line), 1023);
  lrd_log_write(NULL, LRD_LOG_ERROR, "test.id", "nobody");
  log.sink = NULL;
  lrd_log_write(&log, LRD_LOG_ERROR, "test.id", "nobody");
  assert_int_equal(seen_count, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_moved_clock_moves_only_when_told),   cmocka_unit_test(the_real_clocks_are_the_machines),
      cmocka_unit_test(stamps_rise_whatever_the_clock_does),    cmocka_unit_test(no_two_threads_get_the_same_stamp),
      cmocka_unit_test(hashes_depend_on_seed_and_every_byte),   cmocka_unit_test(random_bytes_differ),
      cmocka_unit_test(events_are_one_line_within_their_level),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
