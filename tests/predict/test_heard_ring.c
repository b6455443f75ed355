/* SPDX-License-Identifier: Apache-2.0 */
/* The ring between who asks and who learns: in order, bounded, and nothing that was let in is lost or torn. */
#include "support/support.h"

#include "predict/heard_ring.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void in_order_and_bounded(void **state) {
  (void)state;
  lrd_heard_ring ring;
  lrd_heard heard;
  assert_ok(lrd_heard_ring_init(&ring));
  assert_false(lrd_heard_ring_take(&ring, &heard));
  for (unsigned round = 0; round < 3; round++) {
    for (unsigned i = 0; i < LRD_HEARD_PLACES; i++)
      assert_true(lrd_heard_ring_put(&ring, i, "guest",
                                     &(lrd_news){.what = LRD_NEWS_MADE, .key = &i, .key_len = sizeof i, .bytes = i}));
    assert_false(lrd_heard_ring_put(&ring, 0, "", &(lrd_news){.key = "x", .key_len = 1}));
    for (unsigned i = 0; i < LRD_HEARD_PLACES; i++) {
      assert_true(lrd_heard_ring_take(&ring, &heard));
      assert_true(heard.session == i && heard.key_len == sizeof i && memcmp(heard.key, &i, sizeof i) == 0);
      assert_string_equal(heard.user_type, "guest");
      assert_true(heard.what == LRD_NEWS_MADE && heard.bytes == i && heard.took_ns == 0 && heard.expires_ms == 0);
    }
    assert_false(lrd_heard_ring_take(&ring, &heard));
  }
  lrd_heard_ring_fini(&ring);
  support_alloc_fail_at(1);
  assert_err(lrd_heard_ring_init(&ring), LARDER_ENOMEM);
  support_alloc_end();
}

#define PUTTERS 4u
#define EACH    20000u

static lrd_heard_ring shared;
static unsigned kept[PUTTERS];

static void *put_many(void *context) {
  unsigned number = *(const unsigned *)context;
  for (unsigned i = 0; i < EACH; i++) {
    char key[LARDER_ENDPOINT_MAX];
    size_t len = 8 + i % 200;
    memset(key, 'a' + (int)(i % 26), len);
    memcpy(key, &i, sizeof i);
    kept[number] += lrd_heard_ring_put(&shared, number, "member", &(lrd_news){.key = key, .key_len = len});
  }
  return NULL;
}

static void by_many_threads_at_once(void **state) {
  (void)state;
  pthread_t threads[PUTTERS];
  unsigned numbers[PUTTERS], taken[PUTTERS] = {0}, last[PUTTERS] = {0}, running = PUTTERS;
  assert_ok(lrd_heard_ring_init(&shared));
  for (unsigned i = 0; i < PUTTERS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&threads[i], NULL, put_many, &numbers[i]), 0);
  }
  for (bool more = true; more || running > 0;) {
    lrd_heard heard;
    more = lrd_heard_ring_take(&shared, &heard);
    if (!more && running > 0) {
      pthread_join(threads[--running], NULL); /* it does not wait for us: what is full is let go */
      more = true;                            /* what it has put meanwhile */
      continue;
    }
    if (!more) break;
    unsigned i;
    memcpy(&i, heard.key, sizeof i);
    assert_in_range(heard.session, 0, PUTTERS - 1);
    assert_int_equal(heard.key_len, 8 + i % 200);
    for (size_t at = sizeof i; at < heard.key_len; at++) assert_int_equal(heard.key[at], 'a' + (int)(i % 26));
    assert_true(taken[heard.session] == 0 || i > last[heard.session]); /* each thread's in its order */
    last[heard.session] = i;
    taken[heard.session]++;
  }
  for (unsigned i = 0; i < PUTTERS; i++) assert_int_equal(taken[i], kept[i]);
  lrd_heard_ring_fini(&shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(in_order_and_bounded), cmocka_unit_test(by_many_threads_at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
