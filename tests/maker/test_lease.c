/* SPDX-License-Identifier: Apache-2.0 */
/* One making of a key on the host, and what is known of it when it ends well, ends badly, or with its process. */
#include "maker/lease.h"

#include "support/support.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACES    8u
#define BUCKETS   1024u
#define PROCESSES 8u
#define MAKINGS   300u
#define SECOND    INT64_C(1000000000)

typedef struct rig {
  char *dir;
  lrd_clock_moved clock;
  bool dead[4]; /* by row */
  lrd_leases *of[4];
} rig;

static bool row_lives(void *context, uint32_t row) { return !((rig *)context)->dead[row]; }

static lrd_leases *open_row(rig *r, uint32_t row) {
  lrd_leases_params const params = {.root = r->dir, .row = row, .row_lives = row_lives, .context = r, .clock = &r->clock.clock};
  lrd_leases *leases = NULL;
  larder_error err = {0};
  if (lrd_leases_open(&params, &leases, &err) != LARDER_OK) fail_msg("%s", err.message);
  return leases;
}

static int setup(void **state) {
  rig *r = calloc(1, sizeof *r);
  if (r == NULL) return -1;
  r->dir = support_dir_make();
  lrd_clock_moved_init(&r->clock, 1000);
  for (uint32_t row = 0; row < 2; row++) r->of[row] = open_row(r, row);
  *state = r;
  return 0;
}

static int teardown(void **state) {
  rig *r = *state;
  for (uint32_t row = 0; row < 4; row++) lrd_leases_close(r->of[row]);
  support_dir_remove(&r->dir);
  free(r);
  return 0;
}

static lrd_lease take(rig *r, uint32_t row, uint64_t hash, lrd_lease_answer wanted) {
  lrd_lease lease;
  assert_int_equal(lrd_lease_take(r->of[row], hash, 7 * SECOND, false, &lease), wanted);
  return lease;
}

static void end_well(rig *r, uint32_t row, const lrd_lease *lease) { lrd_lease_end(r->of[row], lease, LARDER_OK, NULL, 0); }

static void a_key_is_made_once_at_a_time(void **state) {
  rig *r = *state;
  lrd_lease const mine = take(r, 0, 5, LRD_LEASE_TAKEN);
  assert_int_equal(take(r, 1, 5, LRD_LEASE_HELD).deadline_ns, 7 * SECOND);
  (void)take(r, 0, 5, LRD_LEASE_HELD); /* also by our own */
  lrd_lease const another = take(r, 1, 6, LRD_LEASE_TAKEN);
  assert_int_equal(lrd_leases_held(r->of[0]), 2);
  end_well(r, 0, &mine);
  lrd_lease const next = take(r, 1, 5, LRD_LEASE_TAKEN);
  assert_int_not_equal(next.ticket, mine.ticket);
  end_well(r, 1, &next);
  end_well(r, 1, &another);
  end_well(r, 1, &another); /* once is enough */
  assert_int_equal(lrd_leases_held(r->of[0]), 0);
}

static void who_waits_sees_the_end(void **state) {
  rig *r = *state;
  lrd_lease const mine = take(r, 0, 5, LRD_LEASE_TAKEN);
  lrd_lease const seen = take(r, 1, 5, LRD_LEASE_HELD);
  int64_t const begin_ns = lrd_mono_ns(lrd_clock_real());
  lrd_lease_wait(r->of[1], &seen, SECOND);
  assert_true(lrd_mono_ns(lrd_clock_real()) - begin_ns >= LRD_LEASE_LOOK_NS / 2); /* nobody has ended it */
  end_well(r, 0, &mine);
  lrd_lease_wait(r->of[1], &seen,
                 SECOND); /* comes back at once, since it has; whoever waits for ever is stopped by the runner */
  (void)take(r, 1, 5, LRD_LEASE_TAKEN);
}

static void a_failure_is_told_for_a_while(void **state) {
  rig *r = *state;
  lrd_lease const mine = take(r, 0, 5, LRD_LEASE_TAKEN);
  int64_t const now_ns = lrd_boot_ns(&r->clock.clock);
  char reason[400];
  memset(reason, 'x', sizeof reason);
  reason[sizeof reason - 1] = '\0';
  lrd_lease_end(r->of[0], &mine, LARDER_EAWAY, "the origin is down", now_ns + SECOND);
  lrd_lease told = take(r, 1, 5, LRD_LEASE_FAILED);
  assert_int_equal(told.failure, LARDER_EAWAY);
  assert_string_equal(told.reason, "the origin is down");
  assert_int_equal(told.failed_until_ns, now_ns + SECOND);
  assert_int_equal(lrd_lease_take(r->of[1], 5, SECOND, true, &told), LRD_LEASE_TAKEN); /* who insists */
  lrd_lease_end(r->of[1], &told, LARDER_EIO, reason, now_ns + SECOND);
  told = take(r, 0, 5, LRD_LEASE_FAILED);
  assert_int_equal(strlen(told.reason), LRD_LEASE_REASON - 1);
  lrd_clock_moved_advance_ms(&r->clock, 1001);
  lrd_lease const again = take(r, 0, 5, LRD_LEASE_TAKEN);
  end_well(r, 0, &again);
  lrd_lease const good = take(r, 1, 5, LRD_LEASE_TAKEN); /* nothing is left of it */
  end_well(r, 1, &good);
}

static void a_change_overtakes_who_makes(void **state) {
  rig *r = *state;
  lrd_leases_overtake(r->of[1], 5); /* before it began */
  lrd_lease const mine = take(r, 0, 5, LRD_LEASE_TAKEN);
  lrd_lease const other = take(r, 0, 5 + BUCKETS, LRD_LEASE_TAKEN); /* in the same bucket */
  assert_false(lrd_lease_overtaken(r->of[0], &mine));
  lrd_leases_overtake(r->of[1], 5);
  assert_true(lrd_lease_overtaken(r->of[0], &mine));
  assert_false(lrd_lease_overtaken(r->of[0], &other));
  end_well(r, 0, &mine);
  lrd_lease const next = take(r, 1, 5, LRD_LEASE_TAKEN);
  assert_false(lrd_lease_overtaken(r->of[1], &next));
  assert_true(lrd_lease_overtaken(r->of[0], &mine)); /* somebody else's by now */
  end_well(r, 0, &mine);
  assert_int_equal(lrd_leases_held(r->of[0]), 2); /* which does not end his */
}

static void a_bulk_change_overtakes_everybody(void **state) {
  rig *r = *state;
  lrd_leases_overtake_all(r->of[1]); /* nobody */
  lrd_lease const one = take(r, 0, 5, LRD_LEASE_TAKEN);
  lrd_lease const two = take(r, 1, 900, LRD_LEASE_TAKEN);
  assert_false(lrd_lease_overtaken(r->of[0], &one));
  lrd_leases_overtake_all(r->of[1]);
  assert_true(lrd_lease_overtaken(r->of[0], &one));
  assert_true(lrd_lease_overtaken(r->of[1], &two));
}

static void whether_it_failed_can_be_asked_without_trying(void **state) {
  rig *r = *state;
  assert_false(lrd_lease_failed(r->of[1], 5));
  lrd_lease const mine = take(r, 0, 5, LRD_LEASE_TAKEN);
  lrd_lease_end(r->of[0], &mine, LARDER_EAWAY, "down", lrd_boot_ns(&r->clock.clock) + SECOND);
  assert_true(lrd_lease_failed(r->of[1], 5));
  assert_false(lrd_lease_failed(r->of[1], 5 + BUCKETS));
  lrd_clock_moved_advance_ms(&r->clock, 1001);
  assert_false(lrd_lease_failed(r->of[1], 5));
}

static void places_of_the_dead_are_freed(void **state) {
  rig *r = *state;
  (void)take(r, 1, 5, LRD_LEASE_TAKEN);
  lrd_lease const mine = take(r, 0, 6, LRD_LEASE_TAKEN);
  lrd_leases_clean(r->of[0]);
  assert_int_equal(lrd_leases_held(r->of[0]), 2);
  r->dead[1] = true;
  lrd_leases_clean(r->of[0]);
  assert_int_equal(lrd_leases_held(r->of[0]), 1);
  end_well(r, 0, &mine);
  lrd_leases_clean(r->of[0]);
  assert_int_equal(lrd_leases_held(r->of[0]), 0);
}

static void the_dead_are_taken_over(void **state) {
  rig *r = *state;
  lrd_lease const dying = take(r, 1, 5, LRD_LEASE_TAKEN);
  (void)take(r, 0, 5, LRD_LEASE_HELD);
  r->dead[1] = true;
  lrd_lease const mine = take(r, 0, 5, LRD_LEASE_TAKEN);
  assert_int_equal(lrd_leases_held(r->of[0]), 1);
  assert_true(lrd_lease_overtaken(r->of[1], &dying));
  end_well(r, 0, &mine);
}

static void who_gets_the_row_of_the_dead_frees_what_he_held(void **state) {
  rig *r = *state;
  (void)take(r, 0, 5, LRD_LEASE_TAKEN);
  lrd_lease const other = take(r, 1, 6, LRD_LEASE_TAKEN);
  lrd_leases_close(r->of[0]); /* it died without giving back, and its row lives again */
  r->of[0] = open_row(r, 0);
  assert_int_equal(lrd_leases_held(r->of[1]), 1);
  lrd_lease const mine = take(r, 1, 5, LRD_LEASE_TAKEN);
  end_well(r, 1, &mine);
  (void)take(r, 0, 6, LRD_LEASE_HELD);
  end_well(r, 1, &other);
}

static void a_full_bucket_has_no_lease(void **state) {
  rig *r = *state;
  lrd_lease taken[PLACES];
  for (uint64_t i = 0; i < PLACES; i++) taken[i] = take(r, i % 2, 5 + i * BUCKETS, LRD_LEASE_TAKEN);
  (void)take(r, 0, 5 + PLACES * BUCKETS, LRD_LEASE_NONE);
  (void)take(r, 0, 5, LRD_LEASE_HELD);
  (void)take(r, 0, 6, LRD_LEASE_TAKEN); /* another bucket */
  /* Failures give way, the one that tells shortest first. */
  int64_t const now_ns = lrd_boot_ns(&r->clock.clock);
  for (uint64_t i = 0; i < PLACES; i++)
    lrd_lease_end(r->of[i % 2], &taken[i], LARDER_EIO, "why", now_ns + (i == 3 ? 1 : 2) * SECOND);
  (void)take(r, 1, 5 + PLACES * BUCKETS, LRD_LEASE_TAKEN);
  for (uint64_t i = 0; i < PLACES; i++)
    if (i != 3) (void)take(r, 0, 5 + i * BUCKETS, LRD_LEASE_FAILED);
}

static void a_file_that_is_none_of_ours_is_made_anew(void **state) {
  rig *r = *state;
  char *path = support_path(r->dir, LRD_LEASES_FILE);
  (void)take(r, 0, 5, LRD_LEASE_TAKEN);
  for (int how = 0; how < 3; how++) {
    size_t len = 0;
    char *bytes = support_file_read(path, &len);
    if (how == 0) bytes[40] ^= 1; /* another boot */
    support_file_write(path, bytes, how == 1 ? len / 2 : how == 2 ? 0 : len);
    r->of[2] = open_row(r, 2);
    assert_int_equal(lrd_leases_held(r->of[2]), 0);
    (void)take(r, 2, 5, LRD_LEASE_TAKEN);
    lrd_leases_close(r->of[2]);
    r->of[2] = NULL;
    free(bytes);
  }
  r->of[3] = open_row(r, 3); /* and one that is ours is not */
  assert_int_equal(lrd_leases_held(r->of[3]), 1);
  free(path);
}

/* --- processes ---------------------------------------------------------------------------------------------------------- */

typedef struct crowd {
  _Atomic pid_t pid[PROCESSES]; /* 0: dead */
  _Atomic int inside;
  _Atomic int made;
  _Atomic int too_many;
  const char *dir;
} crowd;

static bool process_lives(void *context, uint32_t row) { return atomic_load(&((crowd *)context)->pid[row]) != 0; }

static void make_and_make(crowd *all, uint32_t row) {
  lrd_leases_params const params = {
      .root = all->dir, .row = row, .row_lives = process_lives, .context = all, .clock = lrd_clock_real()};
  lrd_leases *leases = NULL;
  lrd_lease lease;
  (void)alarm(100);
  if (lrd_leases_open(&params, &leases, NULL) != LARDER_OK) _exit(3);
  while (atomic_load(&all->made) < (int)MAKINGS) {
    if (lrd_lease_take(leases, 5, LRD_LEASE_NO_LIMIT, false, &lease) != LRD_LEASE_TAKEN) {
      lrd_lease_wait(leases, &lease, SECOND);
      continue;
    }
    if (atomic_fetch_add(&all->inside, 1) != 0) atomic_fetch_add(&all->too_many, 1);
    usleep(200);
    if (atomic_fetch_add(&all->made, 1) % 40 == 39) {
      atomic_fetch_sub(&all->inside, 1);
      (void)raise(SIGKILL);
    }
    atomic_fetch_sub(&all->inside, 1);
    lrd_lease_end(leases, &lease, LARDER_OK, NULL, 0);
  }
  _exit(0);
}

static void process_start(crowd *all, uint32_t row) {
  pid_t const pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) make_and_make(all, row);
  atomic_store(&all->pid[row], pid);
}

static void processes_that_are_killed_free_the_others(void **state) {
  rig *r = *state;
  crowd *all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(all, MAP_FAILED);
  all->dir = r->dir;
  unsigned killed = 0;
  for (uint32_t row = 0; row < PROCESSES; row++) process_start(all, row);
  for (unsigned left = PROCESSES; left > 0; left--) {
    int status = 0;
    pid_t const gone = wait(&status);
    for (uint32_t row = 0; row < PROCESSES; row++)
      if (atomic_load(&all->pid[row]) == gone) atomic_store(&all->pid[row], 0);
    if (WIFSIGNALED(status))
      killed++;
    else
      assert_int_equal(WEXITSTATUS(status), 0);
  }
  assert_int_equal(killed, MAKINGS / 40);
  assert_int_equal(atomic_load(&all->too_many), 0);
  assert_true(atomic_load(&all->made) >= (int)MAKINGS);
  (void)munmap(all, sizeof *all);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(a_key_is_made_once_at_a_time),
      CASE(who_waits_sees_the_end),
      CASE(a_failure_is_told_for_a_while),
      CASE(a_change_overtakes_who_makes),
      CASE(a_bulk_change_overtakes_everybody),
      CASE(whether_it_failed_can_be_asked_without_trying),
      CASE(places_of_the_dead_are_freed),
      CASE(the_dead_are_taken_over),
      CASE(who_gets_the_row_of_the_dead_frees_what_he_held),
      CASE(a_full_bucket_has_no_lease),
      CASE(a_file_that_is_none_of_ours_is_made_anew),
      CASE(processes_that_are_killed_free_the_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
