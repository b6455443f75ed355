/* SPDX-License-Identifier: Apache-2.0 */
/* The rings of events: what is found of a key, in which order, for how long, and what of a file that is not ours. */
#include "support/support.h"

#include "stats/events.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
  lrd_clock_moved clock;
  lrd_events *events;
} fixture;

static void open_in(fixture *f, const char *dir) {
  lrd_clock_moved_init(&f->clock, 1000);
  assert_ok(lrd_events_open(dir, false, &f->clock.clock, &f->events, NULL));
}

static void a_key_s_events_come_newest_first(void **state) {
  fixture f;
  lrd_event found[8];
  open_in(&f, *state);
  lrd_events_note(f.events, 7, LRD_EVENT_PUT, "sqlite", NULL);
  lrd_clock_moved_advance_ms(&f.clock, 10);
  lrd_events_note(f.events, 7, LRD_EVENT_FAILED, NULL, "it answered 503");
  lrd_events_note(f.events, 8, LRD_EVENT_PUT, NULL, NULL);
  lrd_clock_moved_advance_ms(&f.clock, 10);
  lrd_events_note(f.events, 7, LRD_EVENT_EVICTED, "memory", "capacity");
  assert_int_equal(lrd_events_of(f.events, 7, found, 8), 3);
  assert_int_equal(found[0].what, LRD_EVENT_EVICTED);
  assert_string_equal(found[0].tier, "memory");
  assert_string_equal(found[0].text, "capacity");
  assert_int_equal(found[0].wall_ms, 1020);
  assert_int_equal(found[0].pid, getpid());
  assert_int_equal(found[1].what, LRD_EVENT_FAILED);
  assert_string_equal(found[1].text, "it answered 503");
  assert_int_equal(found[2].what, LRD_EVENT_PUT);
  assert_string_equal(lrd_event_name(found[2].what), "put");
  assert_int_equal(lrd_events_of(f.events, 7, found, 2), 2); /* the newest two */
  assert_int_equal(found[0].what, LRD_EVENT_EVICTED);
  assert_int_equal(found[1].what, LRD_EVENT_FAILED);
  assert_int_equal(lrd_events_of(f.events, 9, found, 8), 0);
  lrd_events_close(f.events);
}

static void the_many_do_not_push_out_the_few(void **state) {
  fixture f;
  lrd_event found[4];
  open_in(&f, *state);
  lrd_events_note(f.events, 7, LRD_EVENT_FAILED, NULL, "down");
  for (uint64_t i = 0; i < 20000; i++) lrd_events_note(f.events, 100 + i, LRD_EVENT_PUT, NULL, NULL);
  assert_int_equal(lrd_events_of(f.events, 7, found, 4), 1);
  assert_int_equal(lrd_events_of(f.events, 100, found, 4), 0);
  assert_int_equal(lrd_events_of(f.events, 100 + 19999, found, 4), 1);
  lrd_events_close(f.events);
}

static void they_outlive_who_wrote_them(void **state) {
  fixture f;
  lrd_event found[4];
  char text[200];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = 0;
  open_in(&f, *state);
  lrd_events_note(f.events, 7, LRD_EVENT_FAILED, "a tier of a long name", text);
  lrd_events_close(f.events);
  lrd_events *again = NULL;
  assert_ok(lrd_events_open(*state, true, &f.clock.clock, &again, NULL));
  assert_int_equal(lrd_events_of(again, 7, found, 4), 1);
  assert_int_equal(strlen(found[0].text), LRD_EVENT_TEXT - 1);
  assert_int_equal(strlen(found[0].tier), LRD_EVENT_TIER - 1);
  lrd_events_close(again);
}

static void a_file_that_is_none_of_ours_is_made_anew(void **state) {
  fixture f;
  lrd_event found[4];
  char *path = support_path(*state, LRD_EVENTS_FILE);
  lrd_events *reader = NULL;
  open_in(&f, *state);
  lrd_events_note(f.events, 7, LRD_EVENT_PUT, NULL, NULL);
  lrd_events_close(f.events);
  for (int how = 0; how < 3; how++) {
    size_t len = 0;
    char *bytes = support_file_read(path, &len);
    if (how == 0) bytes[30] ^= 1; /* another boot */
    support_file_write(path, bytes, how == 1 ? len / 2 : how == 2 ? 0 : len);
    assert_err(lrd_events_open(*state, true, &f.clock.clock, &reader, NULL), LARDER_MISS);
    open_in(&f, *state);
    assert_int_equal(lrd_events_of(f.events, 7, found, 4), 0);
    lrd_events_close(f.events);
    free(bytes);
  }
  free(path);
}

static void a_place_that_is_damaged_is_passed_over(void **state) {
  fixture f;
  lrd_event found[4];
  char *path = support_path(*state, LRD_EVENTS_FILE);
  open_in(&f, *state);
  lrd_events_note(f.events, 7, LRD_EVENT_FAILED, NULL, "down");
  lrd_events_close(f.events);
  size_t len = 0;
  char *bytes = support_file_read(path, &len);
  bytes[4096 + 60] ^= 1; /* in its text */
  support_file_write(path, bytes, len);
  open_in(&f, *state);
  assert_int_equal(lrd_events_of(f.events, 7, found, 4), 0);
  lrd_events_close(f.events);
  free(bytes);
  free(path);
}

static void *write_many(void *context) {
  lrd_events *events = context;
  for (uint64_t i = 0; i < 20000; i++)
    lrd_events_note(events, i % 16, i % 2 ? LRD_EVENT_PUT : LRD_EVENT_FAILED, "memory", "why");
  return NULL;
}

static void reading_while_many_write_shows_whole_events(void **state) {
  fixture f;
  pthread_t threads[4];
  lrd_event found[64];
  open_in(&f, *state);
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_many, f.events), 0);
  for (int round = 0; round < 50; round++) {
    size_t const len = lrd_events_of(f.events, (uint64_t)(round % 16), found, 64);
    for (size_t i = 0; i < len; i++) {
      assert_string_equal(found[i].tier, "memory");
      assert_string_equal(found[i].text, "why");
      assert_int_equal(found[i].what, round % 2 ? LRD_EVENT_PUT : LRD_EVENT_FAILED);
    }
  }
  for (int i = 0; i < 4; i++) (void)pthread_join(threads[i], NULL);
  lrd_events_close(f.events);
}

static void any_file_operation_may_fail(void **state) {
  lrd_clock_moved clock;
  lrd_clock_moved_init(&clock, 1000);
  for (uint64_t n = 1;; n++) {
    lrd_events *events = NULL;
    larder_error err = {0};
    int64_t const live = support_alloc_live();
    support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
    larder_err const result = lrd_events_open(*state, false, &clock.clock, &events, &err);
    bool const failed = support_fs_end() >= n;
    if (result == LARDER_OK) lrd_events_close(events);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(a_key_s_events_come_newest_first),
      SUPPORT_DIR_TEST(the_many_do_not_push_out_the_few),
      SUPPORT_DIR_TEST(they_outlive_who_wrote_them),
      SUPPORT_DIR_TEST(a_file_that_is_none_of_ours_is_made_anew),
      SUPPORT_DIR_TEST(a_place_that_is_damaged_is_passed_over),
      SUPPORT_DIR_TEST(reading_while_many_write_shows_whole_events),
      SUPPORT_DIR_TEST(any_file_operation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
