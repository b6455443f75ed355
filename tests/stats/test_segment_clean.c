/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of the rows of the dead. Processes are real ones, killed; roots are folders, removed; the clock is moved. A
 * row is looked at by whoever opens a row of another root.
 */
#include "support/support.h"

#include "stats/segment.h"
#include "stats/stats.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT  "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define ROW   3u
#define DAY   INT64_C(86400000)

typedef struct fixture {
  char *dir;
  char *rows; /* stands for /dev/shm */
  char *root;
  char *path; /* of the row */
  lrd_clock_moved clock;
  bool unshare; /* the writer sees files of its own */
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->dir = support_dir_make();
  f->rows = support_path(f->dir, "rows");
  f->root = support_path(f->dir, "root");
  assert_int_equal(mkdir(f->rows, 0700) | mkdir(f->root, 0700), 0);
  f->path = lrd_segment_path(f->rows, ROOT, ROW);
  assert_non_null(f->path);
  lrd_clock_moved_init(&f->clock, lrd_wall_ms(lrd_clock_real()));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  support_dir_remove(&f->dir);
  free(f->rows);
  free(f->root);
  lrd_dealloc(f->path);
  free(f);
  return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static lrd_stats *open_row(fixture *f, const char *id, const char *root) {
  lrd_stats *stats = NULL;
  lrd_stats_params params = {.root_id_hex = id, .row = ROW, .folder = f->rows, .root = root, .clock = &f->clock.clock};
  assert_ok(lrd_stats_open(&params, &stats, NULL));
  assert_true(lrd_stats_is_shared(stats));
  return stats;
}

/* Opens a row of another root, which is when others' are looked at, and takes it away again. */
static void look_round_from(fixture *f, const char *root) {
  lrd_buf blob = {0};
  lrd_stats *stats = open_row(f, OTHER, root);
  assert_true(lrd_stats_take_row(stats, ROW, &blob) >= 0);
  lrd_stats_close(stats);
  lrd_buf_fini(&blob);
}
static void look_round(fixture *f) { look_round_from(f, f->dir); }

static bool there(fixture *f) { return access(f->path, F_OK) == 0; }

/* A fork that does not outlive a test that failed. */
static pid_t fork_bound(void) {
  pid_t const child = fork();
  assert_true(child >= 0);
  if (child == 0) (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  return child;
}

/* A process that has the root open and counts; 0 where it cannot have files of its own. */
static pid_t writer_start(fixture *f) {
  int ready[2];
  char byte = 0;
  assert_int_equal(pipe(ready), 0);
  pid_t const child = fork_bound();
  if (child == 0) {
    if (f->unshare && unshare(CLONE_NEWNS) != 0) _exit(1);
    lrd_stats *stats = open_row(f, ROOT, f->root);
    lrd_stats_add(lrd_stats_cell_of(stats, "ns", "memory"), LRD_STAT_HITS, 7);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  close(ready[1]);
  bool const began = read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  if (!began) assert_int_equal(waitpid(child, NULL, 0), child);
  return began ? child : 0;
}

static void writer_kill(pid_t writer) {
  int status;
  assert_int_equal(kill(writer, SIGKILL), 0);
  assert_int_equal(waitpid(writer, &status, 0), writer);
  assert_true(WIFSIGNALED(status));
}

static void root_remove(fixture *f) { assert_int_equal(rmdir(f->root), 0); }

static void the_row_of_a_killed_process_goes_with_its_root(void **state) {
  fixture *f = *state;
  char *marks = lrd_segment_path(f->rows, ROOT, LRD_STATS_ROWS);
  pid_t const writer = writer_start(f);
  support_file_write(marks, "marks", 5);
  writer_kill(writer);
  look_round(f);
  assert_true(there(f) && access(marks, F_OK) == 0); /* its counts are for the next one who opens the root */
  root_remove(f);
  look_round(f);
  assert_false(there(f) || access(marks, F_OK) == 0);
  lrd_dealloc(marks);
}

static void the_row_of_a_living_process_stays_whatever_became_of_its_root(void **state) {
  fixture *f = *state;
  pid_t const writer = writer_start(f);
  root_remove(f);
  lrd_clock_moved_advance_ms(&f->clock, 30 * DAY);
  look_round(f);
  assert_true(there(f));
  assert_int_equal(kill(writer, SIGSTOP), 0);
  look_round(f);
  assert_true(there(f));
  writer_kill(writer);
  look_round(f);
  assert_false(there(f));
}

static void a_row_stays_as_long_as_its_root_does(void **state) {
  fixture *f = *state;
  writer_kill(writer_start(f));
  lrd_clock_moved_advance_ms(&f->clock, 30 * DAY);
  look_round(f);
  assert_true(there(f));
  lrd_buf left = {0}; /* and is for whoever opens it next */
  lrd_stats *stats = open_row(f, ROOT, f->root);
  assert_ok(lrd_stats_take_left(stats, &left));
  lrd_stats_close(stats);
  lrd_buf_fini(&left);
}

static void the_row_of_a_root_that_another_replaced_goes(void **state) {
  fixture *f = *state;
  writer_kill(writer_start(f));
  root_remove(f);
  assert_int_equal(mkdir(f->root, 0700), 0);
  look_round(f);
  assert_true(there(f)); /* by the path alone it may be the same one */
  look_round_from(f, f->root);
  assert_false(there(f));
}

/* What cannot be known is left for a week after the last word of the writer. */
static void expect_left_for_a_week(fixture *f) {
  look_round(f);
  assert_true(there(f));
  lrd_clock_moved_advance_ms(&f->clock, 7 * DAY - 60000);
  look_round(f);
  assert_true(there(f));
  lrd_clock_moved_advance_ms(&f->clock, 120000);
  look_round(f);
  assert_false(there(f));
}

static void a_root_that_only_other_namespaces_see_is_not_called_gone(void **state) {
  fixture *f = *state;
  f->unshare = true;
  pid_t const writer = writer_start(f);
  if (writer == 0) skip(); /* no right to have a mount namespace */
  root_remove(f);
  writer_kill(writer);
  expect_left_for_a_week(f);
}

static void a_root_whose_file_system_is_not_there_is_not_called_gone(void **state) {
  fixture *f = *state;
  uint64_t const elsewhere = UINT64_MAX;
  writer_kill(writer_start(f));
  int const fd = open(f->path, O_RDWR);
  assert_int_equal(pwrite(fd, &elsewhere, 8, offsetof(stats_head, device)), 8);
  close(fd);
  look_round(f); /* something else lies at its path */
  assert_true(there(f));
  root_remove(f);
  expect_left_for_a_week(f);
}

static void a_row_without_a_path_is_left_for_a_week(void **state) {
  fixture *f = *state;
  lrd_stats *stats = open_row(f, ROOT, NULL);
  lrd_clock_moved_advance_ms(&f->clock, 30 * DAY);
  look_round(f);
  assert_true(there(f)); /* its writer lives */
  lrd_stats_tick(stats);
  lrd_stats_close(stats);
  expect_left_for_a_week(f); /* from its last tick on */
}

static void what_was_never_finished_goes_after_a_week(void **state) {
  fixture *f = *state;
  stats_segment half;
  assert_int_equal(lrd_segment_make(&half, f->path), 0);
  lrd_clock_moved_advance_ms(&f->clock, 30 * DAY);
  look_round(f);
  assert_true(there(f)); /* it is being made, by somebody very slow */
  lrd_segment_fini(&half);
  look_round(f);
  assert_false(there(f));
  assert_int_equal(lrd_segment_make(&half, f->path), 0);
  lrd_segment_fini(&half);
  lrd_clock_moved_init(&f->clock, lrd_wall_ms(lrd_clock_real()));
  look_round(f);
  assert_true(there(f));
}

static void marks_without_rows_go_and_what_is_not_ours_stays(void **state) {
  fixture *f = *state;
  static const char *const kept[] = {"larder", "larder-", "larder-x-1", "other-0-abc-1"};
  char own[2][64];
  for (size_t i = 0; i < 4; i++) {
    char *path = support_path(f->rows, kept[i]);
    support_file_write(path, "x", 1);
    free(path);
  }
  (void)snprintf(own[0], sizeof own[0], "larder-%lu-5", (unsigned long)geteuid());
  (void)snprintf(own[1], sizeof own[1], "larder-%lu-abc-reset", (unsigned long)geteuid());
  for (size_t i = 0; i < 2; i++) {
    char *path = support_path(f->rows, own[i]);
    support_file_write(path, "x", 1);
    free(path);
  }
  lrd_clock_moved_advance_ms(&f->clock, 30 * DAY);
  look_round(f);
  for (size_t i = 0; i < 6; i++) {
    char *path = support_path(f->rows, i < 4 ? kept[i] : own[i - 4]);
    assert_int_equal(access(path, F_OK) == 0, i < 5);
    free(path);
  }
}

/* More names than are looked at in one go: openings get round to all of them. */
static void among_many_names_each_is_met_in_time(void **state) {
  enum { MANY = 200 };
  fixture *f = *state;
  char id[8];
  unsigned left = MANY, rounds = 0;
  for (unsigned i = 0; i < MANY; i++) {
    (void)snprintf(id, sizeof id, "dead%u", i);
    char *root = support_path(f->root, id);
    assert_int_equal(mkdir(root, 0700), 0);
    lrd_stats_close(open_row(f, id, root));
    free(root);
  }
  support_dir_remove(&f->root);
  for (; left > 0 && rounds < 1000; rounds++) {
    look_round(f);
    unsigned now = 0;
    for (unsigned i = 0; i < MANY; i++) {
      (void)snprintf(id, sizeof id, "dead%u", i);
      char *path = lrd_segment_path(f->rows, id, ROW);
      now += access(path, F_OK) == 0;
      lrd_dealloc(path);
    }
    assert_true(left - now <= 32);
    left = now;
  }
  assert_int_equal(left, 0);
  assert_true(rounds > 1);
}

/* --- races ------------------------------------------------------------------------------------------------------------- */

/*
 * The worst moment: a row was found to be left, its lock is held, the next thing is its unlinking; now the root's next user
 * comes, under another path, and makes its row. It has to wait for the lock of the old one, or its new one would be unlinked.
 */
typedef struct meeting {
  fixture *f;
  const char *moved;
  pthread_t opener;
  bool met;
  _Atomic unsigned tries; /* of the opener, for the old row's lock */
  _Atomic bool opened;
  lrd_stats *stats;
} meeting;

static _Thread_local bool is_opener;

static void *opener_run(void *context) {
  meeting *m = context;
  is_opener = true;
  m->stats = open_row(m->f, ROOT, m->moved);
  atomic_store(&m->opened, true);
  return NULL;
}

static int meet_gate(void *context, lrd_fs_op op, const char *path, size_t *len) {
  meeting *m = context;
  (void)len;
  if (is_opener) {
    if (op == LRD_FS_LOCK) atomic_fetch_add(&m->tries, 1);
  } else if (op == LRD_FS_UNLINK && strcmp(path, m->f->path) == 0 && !m->met) {
    m->met = true;
    if (pthread_create(&m->opener, NULL, opener_run, m) != 0) abort();
    while (atomic_load(&m->tries) < 2 && !atomic_load(&m->opened)) (void)sched_yield();
  }
  return 0;
}

static void a_row_that_is_made_while_the_old_one_goes_is_not_taken_along(void **state) {
  fixture *f = *state;
  char *moved = support_path(f->dir, "moved");
  meeting m = {.f = f, .moved = moved};
  writer_kill(writer_start(f));
  assert_int_equal(rename(f->root, moved), 0);
  lrd_fs_set_gate(meet_gate, &m);
  look_round(f);
  assert_true(m.met);
  assert_int_equal(pthread_join(m.opener, NULL), 0);
  lrd_fs_set_gate(NULL, NULL);
  assert_true(there(f));
  lrd_stats_close(m.stats);
  free(moved);
}

/* The moment before: it was found to be left, and is replaced before its lock is asked for. The old one's is to be had. */
static int replace_gate(void *context, lrd_fs_op op, const char *path, size_t *len) {
  meeting *m = context;
  (void)path;
  (void)len;
  if (op == LRD_FS_LOCK && !m->met) {
    m->met = true;
    m->stats = open_row(m->f, ROOT, m->moved);
  }
  return 0;
}

static void a_row_that_was_made_after_the_old_one_was_judged_is_not_taken_along(void **state) {
  fixture *f = *state;
  char *moved = support_path(f->dir, "moved");
  meeting m = {.f = f, .moved = moved};
  writer_kill(writer_start(f));
  assert_int_equal(rename(f->root, moved), 0);
  lrd_fs_set_gate(replace_gate, &m);
  look_round(f);
  lrd_fs_set_gate(NULL, NULL);
  assert_true(m.met && there(f));
  lrd_stats_close(m.stats);
  free(moved);
}

/* The same without stage directions: one process opens and dies again and again, others look round. */
static void looking_round_never_takes_a_living_row(void **state) {
  enum { LOOKERS = 2, ROUNDS = 300 };
  fixture *f = *state;
  pid_t lookers[LOOKERS];
  root_remove(f); /* so that a dead row is always one to be removed */
  for (size_t i = 0; i < LOOKERS; i++) {
    lookers[i] = fork_bound();
    if (lookers[i] != 0) continue;
    char id[8];
    (void)snprintf(id, sizeof id, "look%zu", i);
    for (;;) lrd_stats_close(open_row(f, id, f->dir));
  }
  unsigned taken = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    assert_int_equal(mkdir(f->root, 0700), 0);
    lrd_stats *stats = open_row(f, ROOT, f->root);
    root_remove(f);
    for (unsigned i = 0; i < 20; i++) (void)sched_yield();
    assert_true(there(f));
    lrd_stats_close(stats); /* leaves the row, as kill -9 does */
    for (unsigned i = 0; i < 20; i++) (void)sched_yield();
    taken += !there(f);
  }
  for (size_t i = 0; i < LOOKERS; i++) writer_kill(lookers[i]);
  assert_true(taken > 0);
}

/* A child that the dead writer forked has its descriptor, and so its lock: the next holder of the row does not wait for it. */
static void a_child_of_the_dead_writer_blocks_nobody(void **state) {
  fixture *f = *state;
  lrd_stats *stats = open_row(f, ROOT, f->root);
  int const fd = lrd_segment_open_file(f->path, true);
  assert_false(lrd_segment_lock(fd, f->path));
  pid_t const child = fork_bound();
  if (child == 0) {
    for (;;) pause();
  }
  lrd_stats_close(stats);
  assert_false(lrd_segment_lock(fd, f->path)); /* the child's */
  lrd_fs_close(fd);
  stats = open_row(f, ROOT, f->root);
  lrd_stats_close(stats);
  writer_kill(child);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_row_of_a_killed_process_goes_with_its_root),
      TEST(the_row_of_a_living_process_stays_whatever_became_of_its_root),
      TEST(a_row_stays_as_long_as_its_root_does),
      TEST(the_row_of_a_root_that_another_replaced_goes),
      TEST(a_root_that_only_other_namespaces_see_is_not_called_gone),
      TEST(a_root_whose_file_system_is_not_there_is_not_called_gone),
      TEST(a_row_without_a_path_is_left_for_a_week),
      TEST(what_was_never_finished_goes_after_a_week),
      TEST(marks_without_rows_go_and_what_is_not_ours_stays),
      TEST(among_many_names_each_is_met_in_time),
      TEST(a_row_that_is_made_while_the_old_one_goes_is_not_taken_along),
      TEST(a_row_that_was_made_after_the_old_one_was_judged_is_not_taken_along),
      TEST(looking_round_never_takes_a_living_row),
      TEST(a_child_of_the_dead_writer_blocks_nobody),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
