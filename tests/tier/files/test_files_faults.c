/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that can fail, one after the other: each file operation with EIO, with ENOSPC from some point on, with the
 * death of the process; each allocation. What was acknowledged holds, what was not is old or new, and the tier works on.
 */
#include "files_rig.h"

#include "base/fail.h"
#include "tier/files/files_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#define CHANGES 6
#define META    "{\"epoch\": 1}"

/* What the changes below leave and what was there before; NULL: nothing. */
static const char *const keys[CHANGES + 1] = {"a", "b", "c", "d", "e", "m", "other"};
static const char *const before[CHANGES + 1] = {"old a", NULL, "old c", "old d", NULL, "old m", "other"};
static const char *const after[CHANGES + 1] = {"new a", "new b", NULL, "new d", "new e", "new m", "other"};

static larder_err put_durable(files_rig *rig, const char *key, const char *value, larder_durability durability) {
  larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, rig_stamp(rig, 10), value, strlen(value));
  return rig_do(rig, &item, durability);
}

static void setting_out(files_rig *rig) {
  rig_must_open(rig);
  for (size_t i = 0; i <= CHANGES; i++)
    if (before[i] != NULL && i != 5) rig_put(rig, keys[i], rig_stamp(rig, 1), before[i]);
  rig_put_kind(rig, "m", rig_stamp(rig, 1), LARDER_KIND_MODEL, "old m", 5);
  rig_close(rig);
}

/* The n-th change; d and e are one. From the third on a spare is there to be written anew. */
static larder_err change(files_rig *rig, int n) {
  if (n == 3) lrd_files_tick(rig->tier);
  switch (n) {
  case 0:
    return put_durable(rig, "a", "new a", LARDER_DURABILITY_COMMIT);
  case 1:
    return put_durable(rig, "b", "new b", LARDER_DURABILITY_SYNC);
  case 2:
    return rig_delete(rig, "c", rig_stamp(rig, 10));
  case 3: {
    larder_tier_write both[2] = {rig_write(rig, LARDER_TIER_PUT, "d", rig_stamp(rig, 10), "new d", 5),
                                 rig_write(rig, LARDER_TIER_PUT, "e", rig_stamp(rig, 11), "new e", 5)};
    return lrd_files_tier.write(rig->tier, both, 2, LARDER_DURABILITY_COMMIT);
  }
  case 5: {
    larder_tier_write model = rig_write(rig, LARDER_TIER_PUT, "m", rig_stamp(rig, 10), "new m", 5);
    model.facts.kind = LARDER_KIND_MODEL;
    model.facts.meta = META;
    model.facts.meta_len = strlen(META);
    return rig_do(rig, &model, LARDER_DURABILITY_SYNC);
  }
  default:
    return LARDER_OK;
  }
}

static bool is(const char *found, const char *wanted) {
  return found == NULL || wanted == NULL ? found == wanted : strcmp(found, wanted) == 0;
}

/* done[i]: LARDER_OK for a change that was acknowledged, LARDER_EUNKNOWN for one that may have been made, else not made. */
static void judge(files_rig *rig, const larder_err *done, uint64_t n) {
  char *found[CHANGES + 1];
  for (size_t i = 0; i <= CHANGES; i++) found[i] = rig_get(rig, keys[i]);
  for (size_t i = 0; i <= CHANGES; i++) {
    bool const old = is(found[i], before[i]), new = is(found[i], after[i]);
    bool const right = done[i] == LARDER_OK ? new : done[i] == LARDER_EUNKNOWN ? old || new : old;
    if (!right) fail_msg("at %llu: %s is %s", (unsigned long long)n, keys[i], found[i] == NULL ? "nothing" : found[i]);
  }
  if (is(found[3], "new d") != is(found[4], "new e")) fail_msg("at %llu: half of a batch", (unsigned long long)n);
  for (size_t i = 0; i <= CHANGES; i++) free(found[i]);
}

/* Before a get has mended anything. */
static void is_sound(files_rig *rig, uint64_t n) {
  larder_tier_report const report = rig_check(rig, false);
  if (report.damaged + report.orphans != 0)
    fail_msg("at %llu: %llu damaged, %llu orphaned", (unsigned long long)n, (unsigned long long)report.damaged,
             (unsigned long long)report.orphans);
}

static void works_on(files_rig *rig, uint64_t n) {
  is_sound(rig, n);
  for (size_t i = 0; i < CHANGES; i++) {
    rig_put(rig, keys[i], rig_stamp(rig, 100), "last");
    rig_assert_value(rig, keys[i], "last");
  }
  assert_int_equal(atomic_load(&rig->owned), 0);
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]), 0);
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_STALE]), 0);
}

/* --- failing operations -------------------------------------------------------------------------------------------------- */

static bool fail_once(uint64_t n, int os_errno, bool from) {
  files_rig rig;
  larder_err done[CHANGES + 1];
  rig_init(&rig);
  setting_out(&rig);
  for (size_t i = 0; i <= CHANGES; i++) done[i] = LARDER_EIO;
  if (from)
    support_fs_fail_from(SUPPORT_ANY_OP, n, os_errno);
  else
    support_fs_fail_at(SUPPORT_ANY_OP, n, os_errno);
  larder_err const opened = rig_open(&rig);
  for (int i = 0; i < CHANGES && opened == LARDER_OK; i++) {
    if (i == 4) continue;
    done[i] = change(&rig, i);
    if (i == 3) done[4] = done[3];
  }
  if (opened == LARDER_OK) lrd_ignore(lrd_files_tier.flush(rig.tier)); /* may fail as well */
  bool const reached = support_fs_end() >= n;
  if (opened == LARDER_OK) judge(&rig, done, n);
  rig_close(&rig);
  rig_must_open(&rig);
  judge(&rig, done, n);
  works_on(&rig, n);
  rig_fini(&rig);
  return reached;
}

static void any_file_operation_may_fail(void **state) {
  (void)state;
  for (uint64_t n = 1; fail_once(n, EIO, false); n++) continue;
}

static void a_disk_that_is_full_from_some_point_on_loses_nothing(void **state) {
  (void)state;
  for (uint64_t n = 1; n < 400 && fail_once(n, ENOSPC, true); n++) continue;
}

/* --- death --------------------------------------------------------------------------------------------------------------- */

typedef struct dying {
  files_rig *rig;
  uint64_t n;
  larder_err *done; /* shared */
  _Atomic int *begun;
} dying;

static void dies(void *context) {
  dying *d = context;
  support_fs_crash_at(SUPPORT_ANY_OP, d->n);
  if (rig_open(d->rig) != LARDER_OK) _exit(2);
  for (int i = 0; i < CHANGES; i++) {
    if (i == 4) continue;
    d->done[i] = LARDER_EUNKNOWN;
    if (i == 3) d->done[4] = LARDER_EUNKNOWN;
    d->done[i] = change(d->rig, i);
    if (i == 3) d->done[4] = d->done[3];
  }
  lrd_ignore(lrd_files_tier.flush(d->rig->tier)); /* to die in it */
  support_fs_end();
  _exit(0);
}

static void death_at_any_operation_leaves_old_or_new(void **state) {
  (void)state;
  larder_err *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(done, MAP_FAILED);
  int status = SUPPORT_CRASHED;
  for (uint64_t n = 1; status == SUPPORT_CRASHED; n++) {
    files_rig rig;
    rig_init(&rig);
    setting_out(&rig);
    for (size_t i = 0; i <= CHANGES; i++) done[i] = LARDER_EIO;
    dying d = {.rig = &rig, .n = n, .done = done};
    status = support_in_child(dies, &d);
    assert_true(status == SUPPORT_CRASHED || status == 0);
    rig_must_open(&rig);
    is_sound(&rig, n);
    judge(&rig, done, n);
    works_on(&rig, n);
    rig_fini(&rig);
  }
  (void)munmap(done, 4096);
}

/* The survivor has the tier open while another dies in it, and finishes what that has begun. */
static void the_living_finish_what_the_dead_began(void **state) {
  (void)state;
  larder_err *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(done, MAP_FAILED);
  int status = SUPPORT_CRASHED;
  for (uint64_t n = 1; status == SUPPORT_CRASHED; n++) {
    files_rig rig, other;
    rig_init(&rig);
    setting_out(&rig);
    rig_must_open(&rig);
    rig_assert_value(&rig, "a", "old a");
    rig_init_beside(&other, &rig);
    for (size_t i = 0; i <= CHANGES; i++) done[i] = LARDER_EIO;
    dying d = {.rig = &other, .n = n, .done = done};
    status = support_in_child(dies, &d);
    is_sound(&rig, n);
    judge(&rig, done, n);
    works_on(&rig, n);
    free(other.dir);
    rig_fini(&rig);
  }
  (void)munmap(done, 4096);
}

/* --- memory --------------------------------------------------------------------------------------------------------------- */

static void any_allocation_may_fail(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    files_rig rig;
    rig_init(&rig);
    setting_out(&rig);
    int64_t const live = support_alloc_live();
    larder_err done[CHANGES + 1];
    for (size_t i = 0; i <= CHANGES; i++) done[i] = LARDER_EIO;
    support_alloc_fail_at(n);
    larder_err const opened = rig_open(&rig);
    for (int i = 0; i < CHANGES && opened == LARDER_OK; i++) {
      if (i == 4) continue;
      done[i] = change(&rig, i);
      if (i == 3) done[4] = done[3];
    }
    bool const reached = support_alloc_end() >= n;
    if (opened != LARDER_OK) assert_int_equal(opened, LARDER_ENOMEM);
    rig_close(&rig);
    assert_int_equal(support_alloc_live(), live);
    rig_must_open(&rig);
    judge(&rig, done, n);
    works_on(&rig, n);
    rig_fini(&rig);
    if (!reached) break;
  }
}

/* --- real disks ------------------------------------------------------------------------------------------------------------
 */

static void a_disk_that_is_really_full_loses_nothing(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  if (mount("tmpfs", rig.dir, "tmpfs", 0, "size=2m") != 0) {
    rig_fini(&rig);
    skip();
  }
  rig_must_open(&rig);
  char *value = rig_value(1, 20000);
  char key[16];
  unsigned kept = 0;
  larder_err last = LARDER_OK;
  for (unsigned i = 0; i < 300; i++) {
    (void)snprintf(key, sizeof key, "k%u", i);
    last = put_durable(&rig, key, value, LARDER_DURABILITY_COMMIT);
    if (last != LARDER_OK) break;
    kept++;
  }
  assert_err(last, LARDER_ENOSPC);
  assert_true(kept > 50);
  for (unsigned i = 0; i < kept; i++) {
    (void)snprintf(key, sizeof key, "k%u", i);
    rig_assert_value(&rig, key, value);
  }
  assert_ok(rig_delete(&rig, "k0", rig_stamp(&rig, 20)));
  assert_ok(put_durable(&rig, "again", value, LARDER_DURABILITY_COMMIT));
  assert_int_equal(rig_check(&rig, false).damaged, 0);
  free(value);
  rig_close(&rig);
  assert_int_equal(umount(rig.dir), 0);
  rig_fini(&rig);
}

static void read_only_media_serve_gets(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  if (mount("tmpfs", rig.dir, "tmpfs", 0, "size=4m") != 0) {
    rig_fini(&rig);
    skip();
  }
  setting_out(&rig);
  assert_int_equal(mount("tmpfs", rig.dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=4m"), 0);
  rig_must_open(&rig);
  rig_assert_value(&rig, "a", "old a");
  assert_err(put_durable(&rig, "a", "new a", LARDER_DURABILITY_COMMIT), LARDER_EACCES);
  rig_assert_value(&rig, "a", "old a");
  assert_int_equal(rig_check(&rig, false).damaged, 0);
  assert_ok(lrd_files_tier.flush(rig.tier));
  rig_close(&rig);
  assert_int_equal(umount(rig.dir), 0);
  rig_fini(&rig);
}

/* As the board is after a boot: of another one. */
static void boot_pass(const files_rig *rig) {
  char *control = support_path(rig->dir, ".files");
  char *path = support_path(control, "board");
  size_t len = 0;
  char *board = support_file_read(path, &len);
  board[16] ^= 1; /* the boot id's first letter */
  support_file_write(path, board, len);
  free(board);
  free(path);
  free(control);
}

/* Another one on the same folder, that may only read. */
static void look_on(const files_rig *writer, files_rig *out) {
  *out = *writer;
  out->tier = NULL;
  out->read_only = true;
  rig_must_open(out);
}

static void who_only_reads_follows_who_writes(void **state) {
  files_rig rig;
  files_rig onlooker;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "a", 1, "old a");
  look_on(&rig, &onlooker);
  rig_assert_value(&onlooker, "a", "old a");
  rig_put(&rig, "a", 2, "new a");
  rig_assert_value(&onlooker, "a", "new a");
  assert_err(rig_delete(&onlooker, "a", 3), LARDER_EACCES);
  rig_close(&rig);
  rig_assert_value(&onlooker, "a", "new a");
  rig_must_open(&rig);
  rig_put(&rig, "a", 4, "newest a");
  rig_assert_value(&onlooker, "a", "newest a");
  rig_close(&onlooker);
  rig_close(&rig);
  rig_fini(&rig);
}

/* Until a writer comes nobody keeps the board of this boot; from then on what was read without it may be old. */
static void who_reads_after_a_boot_notices_the_first_writer(void **state) {
  files_rig rig;
  files_rig onlooker;
  larder_tier_entry entry;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "a", 1, "old a");
  rig_close(&rig);
  boot_pass(&rig);
  look_on(&rig, &onlooker);
  rig_assert_value(&onlooker, "a", "old a");
  int const so_far = atomic_load(&onlooker.distrusts);
  rig_must_open(&rig);
  rig_put(&rig, "a", 2, "new a");
  larder_tier_key const key = rig_key(&onlooker, "a");
  assert_err(lrd_files_tier.get(onlooker.tier, &key, false, NULL, &entry), LARDER_EAWAY);
  assert_int_equal(atomic_load(&onlooker.distrusts), so_far + 1); /* once: the core opens it anew */
  rig_close(&onlooker);
  rig_must_open(&onlooker);
  rig_assert_value(&onlooker, "a", "new a");
  rig_close(&onlooker);
  rig_close(&rig);
  rig_fini(&rig);
}

/* The folder was empty when it was opened. */
static void who_reads_nothing_yet_notices_the_first_writer(void **state) {
  files_rig rig;
  files_rig onlooker;
  (void)state;
  rig_init(&rig);
  onlooker = rig;
  onlooker.read_only = true;
  onlooker.options = "sync_ms=20";
  rig_must_open(&onlooker);
  rig_must_open(&rig);
  rig_put(&rig, "a", 1, "first a");
  for (int tries = 0; atomic_load(&onlooker.distrusts) == 0 && tries < 1000; tries++) (void)usleep(10000);
  assert_int_equal(atomic_load(&onlooker.distrusts), 1);
  rig_close(&onlooker);
  rig_must_open(&onlooker);
  rig_assert_value(&onlooker, "a", "first a");
  rig_close(&onlooker);
  rig_close(&rig);
  rig_fini(&rig);
}

int main(void) {
  (void)setenv("TMPDIR", "/dev/shm", 0); /* some hundred openings, each with its syncs */
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_file_operation_may_fail),
      cmocka_unit_test(a_disk_that_is_full_from_some_point_on_loses_nothing),
      cmocka_unit_test(death_at_any_operation_leaves_old_or_new),
      cmocka_unit_test(the_living_finish_what_the_dead_began),
      cmocka_unit_test(any_allocation_may_fail),
      cmocka_unit_test(a_disk_that_is_really_full_loses_nothing),
      cmocka_unit_test(read_only_media_serve_gets),
      cmocka_unit_test(who_only_reads_follows_who_writes),
      cmocka_unit_test(who_reads_after_a_boot_notices_the_first_writer),
      cmocka_unit_test(who_reads_nothing_yet_notices_the_first_writer),
  };
  return cmocka_run_group_tests_name("files faults", tests, NULL, NULL);
}
