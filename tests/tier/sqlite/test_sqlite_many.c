/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads and processes on one database: the queue, the log under looping readers, death in the middle, fork. */
#include "sqlite_rig.h"

#include "tier/sqlite/sqlite_inner.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state) {
  sqlite_rig *rig = calloc(1, sizeof *rig);
  if (rig == NULL) return -1;
  rig_init(rig);
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  sqlite_rig *rig = *state;
  rig_fini(rig);
  free(rig);
  return 0;
}

enum { THREADS = 4, KEYS = 50 };

/* How much of `full` is done where everything takes fifty times as long and one thread runs at a time. */
static uint64_t share(uint64_t full) { return getenv("LARDER_UNDER_VALGRIND") ? full / 5 : full; }
static uint64_t rounds(void) { return share(40); }

typedef struct worker {
  sqlite_rig *rig;
  int number;
  _Atomic bool *stop;
  uint64_t done;
  bool failed;
} worker;

static void key_of(int i, char out[24]) { (void)snprintf(out, 24, "key-%d", i); }

/* Each value names its stamp; each thread has stamps of its own, interleaved with the others'. */
static void *write_all(void *context) {
  worker *me = context;
  for (uint64_t round = 1; round <= rounds(); round++) {
    for (int i = 0; i < KEYS; i++) {
      char key[24], value[32];
      uint64_t const stamp = round * 64 + (uint64_t)me->number;
      key_of(i, key);
      (void)snprintf(value, sizeof value, "%llu", (unsigned long long)stamp);
      larder_tier_write item = rig_write(me->rig, LARDER_TIER_PUT, key, stamp, value, strlen(value));
      larder_err const err =
          rig_do(me->rig, &item, me->number == 0 && i == 0 ? LARDER_DURABILITY_SYNC : LARDER_DURABILITY_COMMIT);
      if (err != LARDER_OK && err != LARDER_OLDER) {
        me->failed = true;
        return NULL;
      }
    }
  }
  return NULL;
}

/* No key may ever go back. */
static void *read_all(void *context) {
  worker *me = context;
  uint64_t last[KEYS] = {0};
  while (!atomic_load(me->stop)) {
    for (int i = 0; i < KEYS; i++) {
      char key[24];
      key_of(i, key);
      larder_tier_key const at = rig_key(me->rig, key);
      larder_tier_entry entry;
      larder_err const err = lrd_sqlite_tier.get(me->rig->tier, &at, false, NULL, &entry);
      if (err == LARDER_MISS && last[i] == 0) continue;
      if (err != LARDER_OK) {
        me->failed = true;
        return NULL;
      }
      char text[32] = "";
      memcpy(text, entry.value, (size_t)entry.facts.value_len);
      uint64_t const now = strtoull(text, NULL, 10);
      if (now != entry.facts.stamp || now < last[i]) me->failed = true;
      last[i] = now;
      lrd_sqlite_tier.release(me->rig->tier, &entry);
      me->done++;
    }
  }
  return NULL;
}

static void write_with_threads(sqlite_rig *rig, int first_number) {
  pthread_t writers[THREADS], readers[2];
  worker w[THREADS], r[2];
  _Atomic bool stop = false;
  for (int i = 0; i < 2; i++) {
    r[i] = (worker){.rig = rig, .stop = &stop};
    assert_int_equal(pthread_create(&readers[i], NULL, read_all, &r[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    w[i] = (worker){.rig = rig, .number = first_number + i};
    assert_int_equal(pthread_create(&writers[i], NULL, write_all, &w[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    (void)pthread_join(writers[i], NULL);
    assert_false(w[i].failed);
  }
  atomic_store(&stop, true);
  for (int i = 0; i < 2; i++) {
    (void)pthread_join(readers[i], NULL);
    assert_false(r[i].failed);
  }
}

static void assert_last_won(sqlite_rig *rig, uint64_t stamp) {
  char value[32];
  (void)snprintf(value, sizeof value, "%llu", (unsigned long long)stamp);
  for (int i = 0; i < KEYS; i++) {
    char key[24];
    key_of(i, key);
    rig_assert_value(rig, key, value);
  }
  assert_int_equal(rig_usage(rig).entries, KEYS);
}

static void threads_share_commits_and_the_newest_wins(void **state) {
  sqlite_rig *rig = *state;
  rig->options = "readers_max=2"; /* fewer than threads: they wait for one */
  rig_must_open(rig);
  write_with_threads(rig, 0);
  assert_last_won(rig, rounds() * 64 + THREADS - 1);
}

static pid_t start_child(void (*body)(sqlite_rig *rig, int number), sqlite_rig *rig, int number) {
  pid_t const child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    body(rig, number);
    _exit(0);
  }
  return child;
}

static void child_writes(sqlite_rig *rig, int number) {
  rig_must_open(rig);
  write_with_threads(rig, number * THREADS);
  rig_close(rig);
}

static void processes_take_turns_and_totals_stay_exact(void **state) {
  sqlite_rig *rig = *state;
  pid_t child[4];
  for (int i = 0; i < 4; i++) child[i] = start_child(child_writes, rig, i);
  for (int i = 0; i < 4; i++) {
    int status = 0;
    assert_int_equal(waitpid(child[i], &status, 0), child[i]);
    assert_int_equal(status, 0);
  }
  rig_must_open(rig);
  assert_last_won(rig, rounds() * 64 + 4 * THREADS - 1);
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
  assert_int_equal(report.damaged, 0);
}

static void child_writes_until_killed(sqlite_rig *rig, int number) {
  rig_must_open(rig);
  char *large = rig_value(9, 70000);
  for (uint64_t n = 1;; n++) {
    char key[24], value[32];
    (void)snprintf(key, sizeof key, "c%d-%llu", number, (unsigned long long)n % 500);
    (void)snprintf(value, sizeof value, "%llu", (unsigned long long)n);
    if (n % 20 == 0)
      (void)rig_put_result(rig, key, n, large, 70000);
    else
      (void)rig_put_result(rig, key, n, value, strlen(value));
  }
}

static void the_death_of_writers_leaves_queue_and_totals_sound(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  support_random random = {5};
  for (int round = 0; round < 12; round++) {
    /* The children open anew: a handle may not be used across fork. */
    sqlite_rig fresh = *rig;
    fresh.tier = NULL;
    pid_t const a = start_child(child_writes_until_killed, &fresh, 1);
    pid_t const b = start_child(child_writes_until_killed, &fresh, 2);
    (void)usleep(20000 + (useconds_t)support_random_below(&random, 20000));
    (void)kill(a, SIGKILL);
    (void)kill(b, SIGKILL);
    (void)waitpid(a, NULL, 0);
    (void)waitpid(b, NULL, 0);
    rig_put(rig, "after", (uint64_t)round + 1, "still fine");
    larder_tier_report report = {0};
    assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
    assert_int_equal(report.damaged, 0);
  }
}

static void a_commit_whose_writer_died_is_counted_anew(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  rig_put(rig, "a", 1, "x");
  sqlite_tier *tier = rig->tier;
  larder_tier_usage const before = rig_usage(rig);
  /* Another died between COMMIT and the totals. */
  atomic_fetch_add(&tier->board->commits, 1);
  sqlite_totals wrong = {77, 0, 1, 1};
  lrd_sqlite_totals_write(tier, rig->space, &wrong);
  rig_put(rig, "a", 2, "y");
  larder_tier_usage const after = rig_usage(rig);
  assert_memory_equal(&before, &after, sizeof before);
  assert_int_equal(atomic_load(&tier->board->commits) & 1, 0);
}

static void a_stopped_writer_costs_ebusy_and_no_more(void **state) {
  sqlite_rig *rig = *state;
  rig->options = "queue_ms=50";
  rig_must_open(rig);
  rig_put(rig, "k", 1, "old");
  /* Another instance of this process stands for the stopped one: OFD locks exclude it the same. */
  int const fd = lrd_fs_open(((sqlite_tier *)rig->tier)->queue_path, 2, 0);
  assert_int_equal(lrd_fs_lock_try(fd, 0, 1, LRD_FS_EXCLUSIVE), 0);
  assert_err(rig_put_result(rig, "k", 2, "new", 3), LARDER_EBUSY);
  rig_assert_value(rig, "k", "old");
  lrd_fs_close(fd);
  rig_put(rig, "k", 2, "new");
}

static uint64_t file_size(const char *path, const char *suffix) {
  char name[600];
  struct stat facts;
  (void)snprintf(name, sizeof name, "%s%s", path, suffix);
  return stat(name, &facts) == 0 ? (uint64_t)facts.st_size : 0;
}

static void *read_looping(void *context) {
  worker *me = context;
  uint64_t i = 0;
  do { /* once at least, however late it is let run */
    char key[24];
    key_of((int)(i++ * 7 % 400), key);
    larder_err const err = rig_get_err(me->rig, key);
    if (err != LARDER_OK && err != LARDER_MISS) me->failed = true;
    me->done++;
  } while (!atomic_load(me->stop));
  return NULL;
}

static void child_reads(sqlite_rig *rig, int number) {
  (void)number;
  _Atomic bool stop = false;
  pthread_t thread[2];
  worker w[2];
  rig_must_open(rig);
  for (int i = 0; i < 2; i++) {
    w[i] = (worker){.rig = rig, .stop = &stop};
    if (pthread_create(&thread[i], NULL, read_looping, &w[i]) != 0) _exit(1);
  }
  char byte = 0;
  (void)!read(0, &byte, 1); /* until the parent closes the pipe */
  atomic_store(&stop, true);
  for (int i = 0; i < 2; i++) {
    (void)pthread_join(thread[i], NULL);
    if (w[i].failed || w[i].done == 0) _exit(1);
  }
  rig_close(rig);
}

static void four_looping_readers_do_not_let_the_log_grow(void **state) {
  sqlite_rig *rig = *state;
  rig->options = "wal_bytes_max=4194304\nwal_bytes_hard=8388608\naccess_ms=3600000";
  int stop_child[2];
  assert_int_equal(pipe(stop_child), 0);
  sqlite_rig fresh = *rig;
  pid_t const child = fork(); /* before there is anything to abandon */
  if (child == 0) {
    (void)dup2(stop_child[0], 0);
    (void)close(stop_child[1]);
    child_reads(&fresh, 0);
    _exit(0);
  }
  (void)close(stop_child[0]);
  rig_must_open(rig);
  _Atomic bool stop = false;
  pthread_t thread[2];
  worker w[2];
  for (int i = 0; i < 2; i++) {
    w[i] = (worker){.rig = rig, .stop = &stop};
    assert_int_equal(pthread_create(&thread[i], NULL, read_looping, &w[i]), 0);
  }
  char *value = rig_value(1, 6000);
  uint64_t largest = 0, written = 0, busy = 0;
  for (uint64_t n = 1; n <= share(8000); n++) {
    char key[24];
    key_of((int)(n % 400), key);
    larder_err err = LARDER_EBUSY;
    /* A reader that is not let run holds the log back; whoever waits gets through. */
    for (int tries = 0; err == LARDER_EBUSY && tries < 60000; tries++) {
      err = rig_put_result(rig, key, n, value, 6000);
      if (err != LARDER_EBUSY) break;
      busy++;
      (void)usleep(2000);
    }
    assert_ok(err);
    written += 6000;
    uint64_t const size = file_size(rig->path, "-wal");
    if (size > largest) largest = size;
  }
  free(value);
  atomic_store(&stop, true);
  for (int i = 0; i < 2; i++) {
    (void)pthread_join(thread[i], NULL);
    assert_false(w[i].failed);
    assert_true(w[i].done > 0);
  }
  (void)close(stop_child[1]);
  int status = 0;
  (void)waitpid(child, &status, 0);
  print_message("largest log %llu KiB for %llu MiB written, %llu refused\n", (unsigned long long)largest >> 10,
                (unsigned long long)written >> 20, (unsigned long long)busy);
  assert_int_equal(status, 0);
  assert_true(largest <= 8388608 + 300000);
}

static void an_old_snapshot_elsewhere_meets_the_hard_cap(void **state) {
  sqlite_rig *rig = *state;
  rig->options = "wal_bytes_max=1048576\nwal_bytes_hard=2097152\nbusy_ms=20";
  rig_must_open(rig);
  char *value = rig_value(1, 6000);
  rig_put(rig, "first", 1, "x");
  int ready[2], leave[2];
  assert_int_equal(pipe(ready), 0);
  assert_int_equal(pipe(leave), 0);
  pid_t const child = fork();
  if (child == 0) {
    char script[900];
    (void)close(leave[1]);
    (void)dup2(leave[0], 9);
    (void)dup2(ready[1], 8);
    (void)snprintf(
        script, sizeof script,
        "exec /usr/bin/python3 -c \"import sqlite3,os; c=sqlite3.connect('%s',isolation_level=None); c.execute('BEGIN'); "
        "c.execute('SELECT count(*) FROM entries').fetchall(); os.write(8,b'x'); os.read(9,1)\"",
        rig->path);
    (void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
    _exit(127);
  }
  (void)close(ready[1]);
  (void)close(leave[0]);
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) skip();
  larder_err err = LARDER_OK;
  uint64_t n = 2;
  for (; n < 2000 && err == LARDER_OK; n++) {
    char key[24];
    key_of((int)(n % 400), key);
    err = rig_put_result(rig, key, n, value, 6000);
  }
  assert_err(err, LARDER_EBUSY);
  assert_true(file_size(rig->path, "-wal") <= 2097152 + 300000);
  rig_assert_value(rig, "first", "x");
  (void)close(leave[1]);
  (void)close(ready[0]);
  (void)waitpid(child, NULL, 0);
  sqlite_tier *tier = rig->tier;
  tier->restart_ns = 0;
  assert_ok(rig_put_result(rig, "after", 5, value, 6000));
  assert_true(file_size(rig->path, "-wal") < 200000);
  free(value);
}

static void abandon_and_open_anew(sqlite_rig *rig, int number) {
  (void)number;
  lrd_sqlite_tier.abandon(rig->tier);
  rig->tier = NULL;
  rig_must_open(rig);
  rig_assert_value(rig, "k", "of the parent");
  rig_put(rig, "c", 5, "of the child");
  rig_close(rig);
}

static void a_forked_child_abandons_and_opens_its_own(void **state) {
#ifdef __SANITIZE_THREAD__
  skip(); /* it cannot follow threads started in a child of a process that had some */
#endif
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  rig_put(rig, "k", 5, "of the parent");
  pid_t const child = start_child(abandon_and_open_anew, rig, 0);
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  rig_assert_value(rig, "c", "of the child");
  rig_put(rig, "k", 6, "still writes");
  assert_int_equal(rig_sql(rig->path, "PRAGMA quick_check") != -1, 1);
  rig_assert_value(rig, "k", "still writes");
}

static void two_instances_of_one_process_share_a_database(void **state) {
  sqlite_rig *rig = *state;
  sqlite_rig other = *rig;
  rig_must_open(rig);
  rig_must_open(&other);
  assert_int_equal(rig->space, other.space);
  for (uint64_t n = 1; n < 50; n++) {
    rig_put(n % 2 ? rig : &other, "k", n, n % 2 ? "odd" : "even");
    rig_assert_value(n % 2 ? &other : rig, "k", n % 2 ? "odd" : "even");
  }
  assert_int_equal(rig_usage(&other).entries, 1);
  rig_close(&other);
  rig_put(rig, "k", 99, "alone");
  rig_assert_value(rig, "k", "alone");
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(threads_share_commits_and_the_newest_wins),          TEST(processes_take_turns_and_totals_stay_exact),
      TEST(the_death_of_writers_leaves_queue_and_totals_sound), TEST(a_commit_whose_writer_died_is_counted_anew),
      TEST(a_stopped_writer_costs_ebusy_and_no_more),           TEST(four_looping_readers_do_not_let_the_log_grow),
      TEST(an_old_snapshot_elsewhere_meets_the_hard_cap),       TEST(a_forked_child_abandons_and_opens_its_own),
      TEST(two_instances_of_one_process_share_a_database),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
