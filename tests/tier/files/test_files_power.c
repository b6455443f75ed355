/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts. `sync`: what was acknowledged is there. `commit`: what was acknowledged before the last tick is there. Either
 * way nothing half-written is served, deletes that are on disk stay deletes, and the cache goes on.
 *
 * usage: test_files_power [HOW MANY SEEDS]
 */
#include "files_rig.h"
#include "journal_disk.h"

#include "tier/files/files_inner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEYS = 12, STEPS = 150 };
/* Stamps are younger than the files of an image, as a delete is than the file that it unlinks. */
#define LATER_MS 4102444800000

static uint64_t seeds = 4;

typedef struct belief {
  uint64_t sure;   /* the step that must be there at least; 0: nothing must */
  uint64_t latest; /* the last step that wrote it */
  bool deleted[STEPS + 1];
} belief;

static size_t length_of(uint64_t step) { return step % 7 == 0 ? 20000 : 20 + (size_t)(step * 37 % 3000); }

static char *value_of(uint64_t step, int key) { return rig_value(step * 1000 + (uint64_t)key, length_of(step)); }

static void assert_allowed(files_rig *rig, int key, const belief *b) {
  char name[24];
  (void)snprintf(name, sizeof name, "key-%d", key);
  larder_tier_key const at = rig_key(rig, name);
  larder_tier_entry entry;
  larder_err const err = lrd_files_tier.get(rig->tier, &at, false, NULL, &entry);
  if (err == LARDER_MISS) {
    bool may = b->sure == 0;
    for (uint64_t s = b->sure; s != 0 && s <= b->latest; s++) may = may || b->deleted[s];
    if (!may) print_error("%s is lost: step %llu was sure\n", name, (unsigned long long)b->sure);
    assert_true(may);
    return;
  }
  assert_ok(err);
  uint64_t const step = entry.facts.stamp - rig_stamp(rig, 0);
  if (step < b->sure || step > b->latest || b->deleted[step])
    print_error("%s is of step %llu; %llu was sure, %llu the last\n", name, (unsigned long long)step,
                (unsigned long long)b->sure, (unsigned long long)b->latest);
  assert_true(step >= b->sure && step <= b->latest && !b->deleted[step]);
  char *value = value_of(step, key);
  bool const right = entry.facts.value_len == strlen(value) && memcmp(entry.value, value, strlen(value)) == 0;
  if (!right) print_error("%s: its value is not that of step %llu\n", name, (unsigned long long)step);
  assert_true(right);
  free(value);
  lrd_files_tier.release(rig->tier, &entry);
}

/* The board as after a boot: of another one. */
static void boot(const files_rig *rig) {
  const char *path = rig_path(rig, ".files/board");
  size_t len = 0;
  if (access(path, F_OK) != 0) return;
  char *board = support_file_read(path, &len);
  if (len > offsetof(files_board, boot_id)) board[offsetof(files_board, boot_id)] ^= 1;
  support_file_write(path, board, len);
  free(board);
}

/* What comes after an orderly close must not be taken for one that ended orderly. */
static void the_first_change_after_an_orderly_close_is_told_to_the_disk(void **state) {
  (void)state;
  files_rig rig;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "one");
  rig_close(&rig);
  rig_must_open(&rig);
  for (uint64_t change = 2; change < 4; change++) {
    support_fs_count(LRD_FS_SYNC);
    support_fs_only_path(".files/board");
    rig_put(&rig, "k", rig_stamp(&rig, change), "another");
    assert_int_equal(support_fs_end(), change == 2);
  }
  rig_fini(&rig);
}

static void date_all(const files_rig *rig, const char *within, int64_t seconds) {
  char command[1300];
  (void)snprintf(command, sizeof command, "find %s -exec touch -d @%lld {} +", rig_path(rig, within), (long long)seconds);
  assert_int_equal(system(command), 0);
}

/* A file that was being written when the power went, and of which the log knows nothing, is no gift. */
static void what_may_be_torn_is_not_adopted(void **state) {
  (void)state;
  int64_t const boot_s = (lrd_wall_ms(lrd_clock_real()) - lrd_boot_ns(lrd_clock_real()) / 1000000) / 1000;
  files_rig rig;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_close(&rig);
  assert_int_equal(unlink(rig_path(&rig, ".files/board")), 0); /* nobody says that it was orderly */
  support_file_write(rig_path(&rig, "things/torn.dat"), "ha", 2);
  support_file_write(rig_path(&rig, "things/old.dat"), "old", 3);
  date_all(&rig, ".", boot_s - 10);
  date_all(&rig, "things/old.dat", boot_s - 86400);
  rig_must_open(&rig);
  support_file_write(rig_path(&rig, "things/gift.dat"), "gift", 4);
  (void)rig_check(&rig, true);
  rig_assert_miss(&rig, "torn");
  assert_false(rig_there(&rig, "things/torn.dat"));
  rig_assert_value(&rig, "old", "old");
  rig_assert_value(&rig, "gift", "gift");
  /* Nor in a later boot. */
  rig_close(&rig);
  boot(&rig);
  support_file_write(rig_path(&rig, "things/torn.dat"), "ha", 2);
  date_all(&rig, "things/torn.dat", boot_s - 10);
  rig_must_open(&rig);
  (void)rig_check(&rig, true);
  rig_assert_miss(&rig, "torn");
  rig_fini(&rig);
}

static void put_and_die(void *context) {
  files_rig *rig = context;
  rig_must_open(rig);
  rig_put(rig, "k", rig_stamp(rig, 1), "value");
  _exit(9);
}

typedef struct watch {
  const char *folder;
  bool opened; /* to be synced by itself, if that comes next */
  unsigned whole;
} watch;

static int count_whole(void *context, lrd_fs_op op, const char *path, size_t *len) {
  watch *w = context;
  (void)len;
  bool const ours = path != NULL && strcmp(path, w->folder) == 0;
  if (op == LRD_FS_SYNC && ours && !w->opened) w->whole++;
  w->opened = op == LRD_FS_OPEN && ours;
  return 0;
}

/* Files of somebody who died before his tick are not taken for synced because the log was. */
static void what_the_dead_have_written_is_synced_before_it_is_called_so(void **state) {
  (void)state;
  files_rig rig;
  rig_init(&rig);
  assert_int_equal(support_in_child(put_and_die, &rig), 9);
  rig_must_open(&rig);
  watch w = {.folder = rig.dir};
  files_board *board = ((files_tier *)rig.tier)->board;
  assert_true(atomic_load(&board->synced) != atomic_load(&board->state));
  lrd_fs_set_gate(count_whole, &w);
  lrd_files_tick(rig.tier);
  lrd_fs_set_gate(NULL, NULL);
  assert_int_equal(w.whole, 1);
  assert_true(atomic_load(&board->synced) == atomic_load(&board->state));
  rig_fini(&rig);
}

/* Opens what the cut left, in a folder of its own. Whether something was taken back. */
static bool verify(const files_rig *live, const belief *beliefs, support_random *random) {
  files_rig rig;
  rig_init(&rig);
  rig.options = live->options;
  lrd_clock_moved_init(&rig.clock, LATER_MS);
  journal_disk_image(rig.dir, random);
  journal_disk_rest();
  boot(&rig);
  rig_must_open(&rig);
  for (int i = 0; i < KEYS; i++) assert_allowed(&rig, i, &beliefs[i]);
  (void)rig_check(&rig, true);
  for (int i = 0; i < KEYS; i++) assert_allowed(&rig, i, &beliefs[i]);
  rig_put(&rig, "life goes on", STEPS + 1, "yes");
  rig_assert_value(&rig, "life goes on", "yes");
  bool const taken_back = atomic_load(&rig.taken_back) != 0;
  rig_fini(&rig);
  journal_disk_go_on();
  return taken_back;
}

/* The simulated disk gives every file a second name. */
static void live_open(files_rig *rig) {
  rig_must_open(rig);
  ((files_tier *)rig->tier)->spare_names = 2;
}

/* sync_share of ten writes ask for `sync`; a tick comes now and then, a cut often. How many images had something taken back. */
static size_t campaign(uint64_t seed, uint64_t sync_share, const char *options) {
  belief beliefs[KEYS] = {0};
  support_random random = {seed};
  files_rig rig;
  rig_init(&rig);
  rig.options = options;
  lrd_clock_moved_init(&rig.clock, LATER_MS);
  journal_disk_begin(rig.dir);
  live_open(&rig);
  size_t choices = 0, taken_back = 0;
  for (uint64_t step = 1; step <= STEPS; step++) {
    int const i = (int)support_random_below(&random, KEYS);
    belief *b = &beliefs[i];
    char name[24];
    (void)snprintf(name, sizeof name, "key-%d", i);
    bool const sync = support_random_below(&random, 10) < sync_share;
    bool const deletes = support_random_below(&random, 6) == 0;
    char *value = value_of(step, i);
    larder_tier_write item = rig_write(&rig, deletes ? LARDER_TIER_DELETE : LARDER_TIER_PUT, name, rig_stamp(&rig, step), value,
                                       deletes ? 0 : strlen(value));
    b->deleted[step] = deletes;
    b->latest = step;
    assert_ok(rig_do(&rig, &item, sync ? LARDER_DURABILITY_SYNC : LARDER_DURABILITY_COMMIT));
    free(value);
    if (sync) b->sure = step;
    if (support_random_below(&random, 12) == 0) {
      ((files_tier *)rig.tier)->log_damaged = support_random_below(&random, 4) == 0; /* then it is written anew */
      lrd_files_tick(rig.tier);
      for (int k = 0; k < KEYS; k++) beliefs[k].sure = beliefs[k].latest;
    }
    if (support_random_below(&random, 40) == 0) {
      rig_close(&rig);
      live_open(&rig);
      for (int k = 0; k < KEYS; k++) beliefs[k].sure = beliefs[k].latest;
    }
    choices += journal_disk_moments() > 1;
    if (support_random_below(&random, 4) == 0) taken_back += verify(&rig, beliefs, &random);
  }
  assert_true(choices > STEPS / 4);
  journal_disk_end();
  rig_fini(&rig);
  return taken_back;
}

static void sync_survives_a_power_cut(void **state) {
  (void)state;
  size_t taken_back = 0;
  for (uint64_t seed = 1; seed <= seeds; seed++) taken_back += campaign(seed, 5, "sync_ms=60000");
  assert_true(taken_back != 0);
}

static void commit_survives_from_the_last_tick_on(void **state) {
  (void)state;
  size_t taken_back = 0;
  for (uint64_t seed = 1; seed <= seeds; seed++) taken_back += campaign(1000000 + seed, 0, "sync_ms=60000");
  assert_true(taken_back != 0);
}

int main(int argc, char **argv) {
  if (argc > 1) seeds = strtoull(argv[1], NULL, 10);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_change_after_an_orderly_close_is_told_to_the_disk),
      cmocka_unit_test(what_the_dead_have_written_is_synced_before_it_is_called_so),
      cmocka_unit_test(what_may_be_torn_is_not_adopted),
      cmocka_unit_test(sync_survives_a_power_cut),
      cmocka_unit_test(commit_survives_from_the_last_tick_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
