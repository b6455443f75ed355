/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers and writers at once: what is there throughout is found by every lookup while the index grows, a value read is
 * always one that was put whole, and a mix of everything leaves the tier consistent. Meant for the sanitizers as well.
 */
#include "memory_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READERS 3

typedef struct crowd {
  fixture fix;
  _Atomic bool stop;
  _Atomic uint64_t misses;
  _Atomic uint64_t torn;
  _Atomic uint64_t reads;
} crowd;

typedef struct member {
  crowd *crowd;
  uint32_t random;
} member;

static larder_tier_key number_key(crowd *c, uint32_t n, char *room) {
  memcpy(room, "number--", 8);
  memcpy(room + 8, &n, sizeof n);
  larder_tier_key key = fixture_key_in(c->fix.space, "main", room, 12);
  return key;
}

static void put_number(crowd *c, uint32_t n, uint64_t stamp, size_t len, uint8_t fill) {
  char room[16];
  uint8_t value[600];
  larder_tier_key key = number_key(c, n, room);
  memset(value, fill, len);
  larder_facts facts = {.stamp = stamp, .value_len = len};
  larder_err result = lrd_memory_put(c->fix.memory, &key, value, &facts, 0);
  assert_true(result == LARDER_OK || result == LARDER_OLDER);
}

/* Reads what was put before it began; every miss is a false one. */
static void *read_the_first_thousand(void *context) {
  member *m = context;
  crowd *c = m->crowd;
  while (!atomic_load_explicit(&c->stop, memory_order_relaxed)) {
    char room[16];
    uint8_t out[600];
    size_t len;
    m->random = m->random * 1664525 + 1013904223;
    larder_tier_key key = number_key(c, (m->random >> 8) % 1000, room);
    larder_err result = lrd_memory_copy(c->fix.memory, &key, NULL, false, out, sizeof out, &len);
    atomic_fetch_add_explicit(&c->reads, 1, memory_order_relaxed);
    if (result != LARDER_OK)
      atomic_fetch_add(&c->misses, 1);
    else if (len == 0 || memcmp(out, out + 1, len - 1) != 0)
      atomic_fetch_add(&c->torn, 1);
  }
  return NULL;
}

static void what_is_present_is_found_while_the_index_grows_and_values_are_replaced(void **state) {
  (void)state;
  static crowd c;
  memset(&c, 0, sizeof c);
  fixture_open(&c.fix, &(fixture_options){.bytes_max = (uint64_t)64 << 20, .options = "shards=2"});
  for (uint32_t n = 0; n < 1000; n++) put_number(&c, n, 1, 100, (uint8_t)n);
  pthread_t threads[READERS];
  member members[READERS];
  for (int i = 0; i < READERS; i++) {
    members[i] = (member){.crowd = &c, .random = (uint32_t)i};
    assert_int_equal(pthread_create(&threads[i], NULL, read_the_first_thousand, &members[i]), 0);
  }
  while (atomic_load(&c.reads) == 0) {
  }
  for (uint32_t n = 1000; n < 60000; n++) {
    put_number(&c, n, 1, 40, (uint8_t)n);
    if (n % 3 == 0) put_number(&c, n % 1000, n, 50 + n % 400, (uint8_t)n);
  }
  atomic_store(&c.stop, true);
  for (int i = 0; i < READERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(atomic_load(&c.misses), 0);
  assert_int_equal(atomic_load(&c.torn), 0);
  assert_int_equal(fixture_usage(&c.fix, c.fix.space).entries, 60000);
  fixture_close(&c.fix);
}

static void mixed_one(member *m, uint32_t n, uint32_t kind, uint64_t stamp) {
  crowd *c = m->crowd;
  char room[16];
  larder_tier_key key = number_key(c, n, room);
  lrd_memory_pin pin;
  uint64_t removed;
  if (kind < 20) {
    uint8_t fill = (uint8_t)m->random;
    put_number(c, n, stamp, 1 + m->random % 500, fill);
  } else if (kind < 25) {
    (void)lrd_memory_forget(c->fix.memory, &key);
  } else if (kind == 25) {
    lrd_memory_retag(c->fix.memory, key.hash >> 43 << 43, key.hash | ((UINT64_C(1) << 43) - 1), 0, 0, NULL, 0);
  } else if (kind == 26) {
    assert_int_equal(lrd_memory_sweep(c->fix.memory, 50, true, &removed), LARDER_OK);
  } else if (kind < 60) {
    if (lrd_memory_pin_get(c->fix.memory, &key, NULL, false, &pin) != LARDER_OK) return;
    larder_facts facts;
    lrd_memory_pin_facts(&pin, &facts);
    const uint8_t *bytes = pin.value;
    if (facts.value_len != pin.len || memcmp(bytes, bytes + 1, pin.len - 1) != 0) atomic_fetch_add(&c->torn, 1);
    lrd_memory_pin_release(c->fix.memory, &pin);
  } else {
    uint8_t out[600];
    size_t len = 0;
    larder_err result = lrd_memory_copy(c->fix.memory, &key, NULL, false, out, sizeof out, &len);
    if (result == LARDER_OK && memcmp(out, out + 1, len - 1) != 0) atomic_fetch_add(&c->torn, 1);
  }
}

static void *mix(void *context) {
  member *m = context;
  for (uint64_t i = 0; i < 100000; i++) {
    m->random = m->random * 1664525 + 1013904223;
    mixed_one(m, (m->random >> 8) % 5000, (m->random >> 16) % 100, i);
  }
  return NULL;
}

static void four_threads_of_everything_leave_it_consistent(void **state) {
  (void)state;
  for (size_t policy = 0; lrd_memory_policy_name(policy); policy++) {
    static crowd c;
    memset(&c, 0, sizeof c);
    fixture_open(&c.fix, &(fixture_options){.bytes_max = (uint64_t)1 << 20, .policy = lrd_memory_policy_name(policy)});
    pthread_t threads[4];
    member members[4];
    for (uint32_t i = 0; i < 4; i++) {
      members[i] = (member){.crowd = &c, .random = i * 77 + 1};
      assert_int_equal(pthread_create(&threads[i], NULL, mix, &members[i]), 0);
    }
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&c.torn), 0);
    assert_true(atomic_load(&c.fix.evicted[LARDER_EVICT_CAPACITY]) > 0);
    fixture_close(&c.fix);
  }
}

/* A reader between taking its place in the log and writing to it, while a writer drains, drops and frees. */
static void a_reading_that_is_logged_late_names_nothing_freed(void **state) {
  (void)state;
  fixture fix;
  fixture_open(&fix, &(fixture_options){.policy = "lru", .options = "shards=1"});
  assert_int_equal(fixture_put(&fix, "key", "value"), LARDER_OK);
  lrd_shard *shard = &fix.memory->shards[0];
  larder_tier_key key = fixture_key(&fix, "key");
  lrd_place place;
  lrd_lock(&shard->lock);
  assert_true(lrd_index_find(&fix.memory->index, &shard->arena, key.hash, key.space, key.data, key.len, &place));
  uint32_t at = atomic_fetch_add(&shard->log_head, 1) % LRD_LOG_LEN;
  lrd_shard_drain(fix.memory, shard);
  atomic_store(&shard->log[at], place.handle);
  lrd_shard_drop(fix.memory, shard, place.handle, false);
  assert_int_equal(lrd_shard_reclaim(fix.memory, shard, true), 1);
  assert_int_equal(atomic_load(&shard->log[at]), 0);
  lrd_unlock(&shard->lock);
  fixture_close(&fix);
}

/* More threads than rows take turns; each holds its value over the exit of others. */
static void *pin_and_leave(void *context) {
  crowd *c = context;
  char room[16];
  larder_tier_key key = number_key(c, 1, room);
  lrd_memory_pin pin;
  if (lrd_memory_pin_get(c->fix.memory, &key, NULL, false, &pin) != LARDER_OK)
    atomic_fetch_add(&c->misses, 1);
  else
    lrd_memory_pin_release(c->fix.memory, &pin);
  return NULL;
}

static void rows_of_threads_are_given_back(void **state) {
  (void)state;
  static crowd c;
  memset(&c, 0, sizeof c);
  fixture_open(&c.fix, &(fixture_options){0});
  put_number(&c, 1, 1, 10, 1);
  for (int i = 0; i < LRD_READERS_MAX + 50; i++) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, pin_and_leave, &c), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
  }
  assert_int_equal(atomic_load(&c.misses), 0);
  fixture_close(&c.fix);
}

typedef struct waiting {
  crowd *crowd;
  pthread_barrier_t *all;
} waiting;

static void *pin_with_all_others(void *context) {
  waiting *w = context;
  char room[16];
  larder_tier_key key = number_key(w->crowd, 1, room);
  lrd_memory_pin pin;
  larder_err result = lrd_memory_pin_get(w->crowd->fix.memory, &key, NULL, false, &pin);
  (void)pthread_barrier_wait(w->all);
  (void)pthread_barrier_wait(w->all);
  if (result != LARDER_OK || ((const uint8_t *)pin.value)[9] != 1)
    atomic_fetch_add(&w->crowd->misses, 1);
  else
    lrd_memory_pin_release(w->crowd->fix.memory, &pin);
  return NULL;
}

static void threads_beyond_the_rows_are_served_too(void **state) {
  (void)state;
  if (getenv("LARDER_UNDER_VALGRIND")) skip(); /* it takes 500 threads at most */
  enum { CROWD = LRD_READERS_MAX + 20 };
  static crowd c;
  static pthread_t threads[CROWD];
  pthread_barrier_t all;
  pthread_attr_t small;
  memset(&c, 0, sizeof c);
  fixture_open(&c.fix, &(fixture_options){0});
  put_number(&c, 1, 1, 10, 1);
  assert_int_equal(pthread_barrier_init(&all, NULL, CROWD + 1), 0);
  assert_int_equal(pthread_attr_init(&small), 0);
  assert_int_equal(pthread_attr_setstacksize(&small, 128 << 10), 0);
  waiting w = {.crowd = &c, .all = &all};
  for (int i = 0; i < CROWD; i++) assert_int_equal(pthread_create(&threads[i], &small, pin_with_all_others, &w), 0);
  (void)pthread_barrier_wait(&all);
  put_number(&c, 1, 2, 10, 2); /* the old value stays for those who hold it */
  for (uint32_t n = 0; n < 2000; n++) put_number(&c, n + 10, 1, 100, 3);
  (void)pthread_barrier_wait(&all);
  for (int i = 0; i < CROWD; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(atomic_load(&c.misses), 0);
  (void)pthread_attr_destroy(&small);
  (void)pthread_barrier_destroy(&all);
  fixture_close(&c.fix);
}

/* Reads by a power law of sorts, then a loop, and puts what is missing. */
static void *ask_for_what_changes(void *context) {
  member *m = context;
  crowd *c = m->crowd;
  for (uint32_t i = 0; i < 30000; i++) {
    char room[16];
    uint8_t out[600];
    size_t len;
    m->random = m->random * 1664525 + 1013904223;
    uint32_t one = m->random >> 8, drawn = one % 300 < one / 300 % 300 ? one % 300 : one / 300 % 300;
    uint32_t n = i / 5000 % 2 ? i % 150 : drawn;
    larder_tier_key key = number_key(c, n, room);
    larder_err result = lrd_memory_copy(c->fix.memory, &key, NULL, false, out, sizeof out, &len);
    if (result != LARDER_OK)
      put_number(c, n, 1, 40, (uint8_t)n);
    else if (len != 40 || out[0] != (uint8_t)n)
      atomic_fetch_add(&c->torn, 1);
    if (i % 500 == 0) (void)lrd_memory_forget(c->fix.memory, &key);
    atomic_fetch_add_explicit(&c->reads, 1, memory_order_relaxed);
  }
  return NULL;
}

static void what_adaptive_tells_is_true_while_it_decides(void **state) {
  (void)state;
  static crowd c;
  memset(&c, 0, sizeof c);
  fixture_open(&c.fix, &(fixture_options){.policy = "adaptive", .space_entries_max = 100, .options = "shards=2"});
  pthread_t threads[READERS];
  member members[READERS];
  for (int i = 0; i < READERS; i++) {
    members[i] = (member){.crowd = &c, .random = (uint32_t)i};
    assert_int_equal(pthread_create(&threads[i], NULL, ask_for_what_changes, &members[i]), 0);
  }
  for (uint64_t asked = 0; atomic_load(&c.reads) < READERS * UINT64_C(30000);) {
    larder_adaptive sums = {.size = sizeof sums};
    unsigned expert = LARDER_EXPERT_COUNT;
    uint64_t entries = 0, led = 0;
    assert_true(lrd_memory_adaptive(c.fix.memory, c.fix.space, &sums));
    assert_true(lrd_memory_expert(c.fix.memory, c.fix.space, 0, &expert) && expert < LARDER_EXPERT_COUNT);
    for (unsigned i = 0; i < LARDER_EXPERT_COUNT; i++) {
      entries += sums.experts[i].entries;
      led += sums.experts[i].led;
    }
    assert_true(entries <= 2 * 100); /* the shards are asked one after the other */
    assert_true(led == sums.asked && sums.asked >= asked);
    asked = sums.asked;
    (void)lrd_memory_evict(c.fix.memory, c.fix.space, 1, NULL, 0);
  }
  for (int i = 0; i < READERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(atomic_load(&c.torn), 0);
  fixture_check(&c.fix);
  fixture_close(&c.fix);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_present_is_found_while_the_index_grows_and_values_are_replaced),
      cmocka_unit_test(four_threads_of_everything_leave_it_consistent),
      cmocka_unit_test(a_reading_that_is_logged_late_names_nothing_freed),
      cmocka_unit_test(what_adaptive_tells_is_true_while_it_decides),
      cmocka_unit_test(rows_of_threads_are_given_back),
      cmocka_unit_test(threads_beyond_the_rows_are_served_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
