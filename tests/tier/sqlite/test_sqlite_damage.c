/* SPDX-License-Identifier: Apache-2.0 */
/* Damage at rest and in use, replaced files, formats old, new and foreign, files of large values gone astray. */
#include "sqlite_rig.h"

#include "base/hash.h"
#include "tier/sqlite/sqlite_inner.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utime.h>

#define MANY 200

static int setup(void **state) {
  sqlite_rig *rig = calloc(1, sizeof *rig);
  if (rig == NULL) return -1;
  rig_init(rig);
  rig->options = "sync_ms=60000\ncache_bytes=65536";
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  sqlite_rig *rig = *state;
  rig_fini(rig);
  free(rig);
  return 0;
}

static void beside(const sqlite_rig *rig, const char *suffix, char out[600]) {
  (void)snprintf(out, 600, "%s%s", rig->path, suffix);
}

static size_t size_of(int i) { return i % 20 == 0 ? 70000 : (size_t)(i * 37 % 3000); }

static void fill(sqlite_rig *rig, int first, int end) {
  for (int i = first; i < end; i++) {
    char key[24];
    (void)snprintf(key, sizeof key, "key-%d", i);
    char *value = rig_value((uint64_t)i, size_of(i));
    assert_ok(rig_put_result(rig, key, rig_stamp(rig, 1), value, size_of(i)));
    free(value);
  }
}

/* How many are there; what is there must be right. */
static int count_right(sqlite_rig *rig, int first, int end) {
  int there = 0;
  for (int i = first; i < end; i++) {
    char key[24];
    (void)snprintf(key, sizeof key, "key-%d", i);
    larder_tier_key const at = rig_key(rig, key);
    larder_tier_entry entry;
    larder_err const err = lrd_sqlite_tier.get(rig->tier, &at, false, NULL, &entry);
    if (err != LARDER_OK) continue;
    char *value = rig_value((uint64_t)i, size_of(i));
    assert_int_equal(entry.facts.value_len, size_of(i));
    if (size_of(i) != 0) assert_memory_equal(entry.value, value, size_of(i));
    assert_int_equal(entry.facts.stamp, rig_stamp(rig, 1));
    free(value);
    lrd_sqlite_tier.release(rig->tier, &entry);
    there++;
  }
  return there;
}

typedef struct overwrite {
  const char *path;
  off_t at; /* below 0: from the end of the file */
  size_t len;
} overwrite;

/* In a child: the parent's POSIX locks must not drop. */
static void overwrite_in_child(void *context) {
  const overwrite *what = context;
  int const fd = open(what->path, O_RDWR | O_CLOEXEC);
  char junk[4096];
  memset(junk, 0xa5, sizeof junk);
  for (size_t done = 0; done < what->len; done += sizeof junk) {
    size_t const len = what->len - done < sizeof junk ? what->len - done : sizeof junk;
    if (pwrite(fd, junk, len, what->at + (off_t)done) != (ssize_t)len) _exit(1);
  }
  _exit(0);
}

static void spoil(const char *path, off_t at, size_t len) {
  overwrite what = {path, at, len};
  assert_int_equal(support_in_child(overwrite_in_child, &what), 0);
}

static void spoil_with(const char *path, const void *bytes, size_t len) {
  int const fd = open(path, O_WRONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, bytes, len, 0), len);
  assert_int_equal(close(fd), 0);
}

static void flip_one_bit(const char *path, support_random *random) {
  int const fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  off_t const len = lseek(fd, 0, SEEK_END);
  if (len > 0) {
    off_t const at = (off_t)support_random_below(random, (uint64_t)len);
    uint8_t byte = 0;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (uint8_t)(1u << support_random_below(random, 8));
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
  }
  (void)close(fd);
}

static int files_under(const char *folder) {
  int count = 0;
  DIR *dir = opendir(folder);
  if (dir == NULL) return 0;
  struct dirent *at = NULL;
  while ((at = readdir(dir)) != NULL) {
    if (at->d_name[0] == '.') continue;
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, at->d_name);
    count += at->d_type == DT_DIR ? files_under(path) : 1;
  }
  (void)closedir(dir);
  return count;
}

#define HEADER 100
#define IN_ALL 60

/* Opens what has had its header damaged; all rows are there, puts work, and it opens again. What is wrong, or NULL. */
static const char *header_outlived(sqlite_rig *rig) {
  uint64_t const lost = atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]);
  for (int tries = 0; tries < 2; tries++) { /* what is first met in use is salvaged by the next opening */
    if (rig_open(rig) != LARDER_OK) return "cannot be opened";
    if (count_right(rig, 0, IN_ALL) != IN_ALL && !atomic_load(&((sqlite_tier *)rig->tier)->away)) return "has lost entries";
    (void)rig_put_result(rig, "more", rig_stamp(rig, 2), "x", 1);
    if (!atomic_load(&((sqlite_tier *)rig->tier)->away)) break;
    rig_close(rig);
  }
  if (rig->tier == NULL) return "is damaged still";
  if (count_right(rig, 0, IN_ALL) != IN_ALL) return "has lost entries, found late";
  if (rig_get_err(rig, "more") != LARDER_OK) return "takes no puts";
  larder_tier_report report = {0};
  if (lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL) != LARDER_OK || report.damaged != 0)
    return "does not pass its check";
  if (atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]) != lost) return "counts losses that were none";
  rig_close(rig);
  if (rig_open(rig) != LARDER_OK || count_right(rig, 0, IN_ALL) != IN_ALL) return "does not open twice";
  return NULL;
}

static int folders_in(const char *path) {
  int count = 0;
  DIR *dir = opendir(path);
  struct dirent *at = NULL;
  while (dir != NULL && (at = readdir(dir)) != NULL) count += at->d_name[0] != '.';
  if (dir != NULL) (void)closedir(dir);
  return count;
}

/* Whether one of what lies in quarantine has these bytes beside it. */
static bool header_kept(sqlite_rig *rig, const uint8_t *bytes) {
  char path[1100];
  (void)snprintf(path, sizeof path, "%s/quarantine", rig->dir);
  DIR *dir = opendir(path);
  struct dirent *at = NULL;
  bool found = false;
  while (dir != NULL && !found && (at = readdir(dir)) != NULL) {
    (void)snprintf(path, sizeof path, "%s/quarantine/%s/larder.db-header", rig->dir, at->d_name);
    if (access(path, F_OK) != 0) continue;
    size_t len = 0;
    char *kept = support_file_read(path, &len);
    found = len == HEADER && memcmp(kept, bytes, HEADER) == 0;
    free(kept);
  }
  if (dir != NULL) (void)closedir(dir);
  return found;
}

static void any_byte_of_the_header_may_be_damaged(void **state) {
  sqlite_rig *rig = *state;
  rig->options = "sync_ms=60000\naccess_ms=3600000";
  rig_must_open(rig);
  fill(rig, 0, IN_ALL);
  rig_close(rig);
  size_t len = 0;
  uint8_t *sound = (uint8_t *)support_file_read(rig->path, &len);
  assert_true(len > 10 * LRD_SQLITE_PAGE_BYTES);
  char queue[600];
  beside(rig, ".queue", queue);
  int worse = 0;
  int const step = getenv("LARDER_UNDER_VALGRIND") ? 20 : 1;
  for (int i = 0; i <= HEADER; i += step)
    for (int how = 0; how < 10; how++) {
      uint8_t damaged[HEADER];
      memcpy(damaged, sound, HEADER);
      if (i == HEADER)
        memset(damaged, how == 0 ? 0 : 0xa0 + how, HEADER);
      else if (how < 8)
        damaged[i] ^= (uint8_t)(1u << how);
      else
        damaged[i] = how == 8 ? 0 : (uint8_t)~damaged[i];
      support_file_write(rig->path, sound, len);
      assert_int_equal(unlink(queue), 0); /* the totals of the round before */
      spoil_with(rig->path, damaged, HEADER);
      const char *wrong = header_outlived(rig);
      if (i == HEADER && !header_kept(rig, damaged)) wrong = "has its header nowhere";
      if (wrong != NULL) print_error("byte %d damaged in way %d: the database %s (%s)\n", i, how, wrong, rig->error.message);
      worse += wrong != NULL;
      rig_close(rig);
    }
  free(sound);
  char folder[600];
  (void)snprintf(folder, sizeof folder, "%s/quarantine", rig->dir);
  print_message("%d of %d went through quarantine\n", folders_in(folder), 10 * (HEADER / step + 1));
  assert_int_equal(worse, 0);
}

/* By another program, or a backup by VACUUM INTO: sound, and turned on again by opening. */
static void a_database_whose_log_was_turned_off_is_sound(void **state) {
  sqlite_rig *rig = *state;
  char folder[600];
  rig_must_open(rig);
  fill(rig, 0, IN_ALL);
  rig_close(rig);
  (void)rig_sql(rig->path, "PRAGMA journal_mode = DELETE");
  size_t len = 0;
  char *content = support_file_read(rig->path, &len);
  assert_true(content[18] == 1 && content[19] == 1);
  free(content);
  rig_must_open(rig);
  (void)snprintf(folder, sizeof folder, "%s/quarantine", rig->dir);
  assert_int_equal(folders_in(folder), 0);
  assert_int_equal(count_right(rig, 0, IN_ALL), IN_ALL);
  rig_put(rig, "more", rig_stamp(rig, 3), "x");
}

static void garbage_goes_to_quarantine_and_a_fresh_one_opens(void **state) {
  sqlite_rig *rig = *state;
  char junk[50000];
  memset(junk, 'x', sizeof junk);
  support_file_write(rig->path, junk, sizeof junk);
  rig_must_open(rig);
  rig_put(rig, "k", 1, "v");
  rig_assert_value(rig, "k", "v");
  char folder[600];
  (void)snprintf(folder, sizeof folder, "%s/quarantine", rig->dir);
  assert_int_equal(files_under(folder), 2); /* and its header as it was */
}

static void a_damaged_database_is_salvaged(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  fill(rig, 0, MANY);
  rig_close(rig);
  /* Junk over an inner piece, and the mark of an unclean stop so that opening looks. */
  assert_int_equal(rig_sql(rig->path, "UPDATE meta SET value = 0 WHERE name = 'clean'"), 0);
  spoil(rig->path, 20 * 8192, 3 * 8192);
  rig->generation = 7;
  rig_must_open(rig);
  int const saved = count_right(rig, 0, MANY);
  print_message("%d of %d saved\n", saved, MANY);
  assert_in_range(saved, MANY / 2, MANY - 1);
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]), MANY - saved); /* every loss is counted */
  assert_int_equal(rig_usage(rig).entries, saved);
  char folder[600];
  (void)snprintf(folder, sizeof folder, "%s/quarantine/20231114T221320Z-7/larder.db", rig->dir);
  assert_int_equal(access(folder, F_OK), 0);
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
  assert_int_equal(report.damaged, 0);
  fill(rig, MANY, MANY + 5);
}

/* Whether the log can begin anew: not while somebody reads what is in it. */
static const char *log_restarts(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  sqlite_rig *rig = context;
  char name[24], *wanted = NULL;
  for (int i = 0; i < MANY && wanted == NULL; i++) {
    int const len = snprintf(name, sizeof name, "key-%d", i);
    if ((size_t)len == key->len && memcmp(name, key->data, key->len) == 0) wanted = rig_value((uint64_t)i, size_of(i));
  }
  assert_non_null(wanted);
  assert_int_equal(rig_sql(rig->path, "PRAGMA wal_checkpoint(RESTART)"), 0);
  assert_memory_equal(value, wanted, facts->value_len);
  free(wanted);
  return facts->value_len == 70000 ? "it is large" : NULL;
}

static void the_judge_of_a_check_holds_nothing_back(void **state) {
  sqlite_rig *rig = *state;
  rig->options = "sync_ms=60000\nblob_bytes_min=50000";
  rig_must_open(rig);
  fill(rig, 19, 22); /* the middle one in a file */
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, true, &report, NULL, log_restarts, rig));
  assert_int_equal(report.examined, 3);
  assert_int_equal(report.damaged, 1);
  assert_int_equal(report.repaired, 1);
  rig_assert_miss(rig, "key-20");
  assert_int_equal(count_right(rig, 19, 22), 2);
}

static void damage_met_in_use_takes_the_tier_away_until_reopened(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  fill(rig, 0, MANY);
  assert_ok(lrd_sqlite_tier.flush(rig->tier));
  rig_close(rig);
  rig_must_open(rig); /* nothing cached */
  spoil(rig->path, 10 * 8192, 30 * 8192);
  (void)count_right(rig, 0, MANY);
  assert_int_equal(atomic_load(&rig->distrusts), 1);
  assert_err(atomic_load(&rig->distrust_why), LARDER_ECORRUPT);
  assert_err(rig_get_err(rig, "key-1"), LARDER_EAWAY);
  assert_err(rig_put_result(rig, "key-1", rig_stamp(rig, 9), "x", 1), LARDER_EAWAY);
  rig_close(rig);
  uint64_t const counted = atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]);
  rig_must_open(rig);
  int const saved = count_right(rig, 0, MANY);
  assert_in_range(saved, 1, MANY - 1);
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]) - counted, MANY - saved);
  fill(rig, MANY, MANY + 5);
  assert_int_equal(count_right(rig, MANY, MANY + 5), 5);
}

static void a_spoilt_value_is_a_miss_and_is_counted_and_removed(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  fill(rig, 1, 5);
  rig_close(rig);
  assert_int_equal(rig_sql(rig->path, "UPDATE entries SET value = zeroblob(length(value)) WHERE key = CAST('key-2' AS BLOB);"
                                      "UPDATE entries SET hard = hard + 1 WHERE key = CAST('key-3' AS BLOB)"),
                   0);
  rig_must_open(rig);
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
  assert_int_equal(report.damaged, 2);
  assert_int_equal(report.repaired, 0);
  rig_assert_miss(rig, "key-2");
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]), 1);
  assert_ok(lrd_sqlite_tier.check(rig->tier, true, &report, NULL, NULL, NULL));
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
  assert_int_equal(report.damaged, 0);
  assert_int_equal(count_right(rig, 1, 5), 2);
  assert_int_equal(rig_usage(rig).entries, 2);
  assert_int_equal(atomic_load(&rig->distrusts), 0);
}

static void a_write_over_a_spoilt_row_counts_it(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  rig_put(rig, "k", 100, "v");
  rig_close(rig);
  assert_int_equal(rig_sql(rig->path, "UPDATE entries SET stamp = 1 << 60"), 0);
  rig_must_open(rig);
  rig_put(rig, "k", 200, "w"); /* the spoilt stamp decides nothing */
  rig_assert_value(rig, "k", "w");
  assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]), 1);
  assert_int_equal(atomic_load(&rig->owned), 0);
  assert_int_equal(rig_usage(rig).entries, 1);
}

static void random_flips_never_give_a_wrong_value(void **state) {
  sqlite_rig *rig = *state;
  support_random random = {20260101};
  const char *rounds_text = getenv("LARDER_FLIPS");
  int const rounds = rounds_text != NULL ? atoi(rounds_text) : 30;
  int lost = 0;
  for (int round = 0; round < rounds; round++) {
    rig_must_open(rig);
    fill(rig, 0, 60);
    rig_close(rig);
    for (int i = 0; i < 1 + round % 4; i++) flip_one_bit(rig->path, &random);
    larder_err const err = rig_open(rig);
    if (err == LARDER_OK) {
      int const there = count_right(rig, 0, 60);
      lost += 60 - there;
      larder_tier_report report = {0};
      larder_err const checked = lrd_sqlite_tier.check(rig->tier, true, &report, NULL, NULL, NULL);
      assert_true(checked == LARDER_OK || checked == LARDER_EAWAY);
      (void)count_right(rig, 0, 60);
      rig_close(rig);
    } else {
      print_message("round %d: %s\n", round, rig->error.message);
      assert_true(err == LARDER_EFORMAT || err == LARDER_ECORRUPT || err == LARDER_EAWAY);
    }
    support_dir_remove(&rig->dir);
    rig->dir = support_dir_make();
    (void)snprintf(rig->path, sizeof rig->path, "%s/larder.db", rig->dir);
  }
  print_message("%d entries lost in %d rounds\n", lost, rounds);
}

typedef struct crash {
  sqlite_rig *rig;
} crash;

static void fill_and_die(void *context) {
  crash *what = context;
  rig_must_open(what->rig);
  fill(what->rig, 0, 60);
  _exit(9); /* no close: the log stays */
}

/* The log has one put alone, and so no page 1: it replaced one of the same size, for which the file did not grow. */
static void fill_restart_and_die(void *context) {
  const crash *what = context;
  rig_must_open(what->rig);
  fill(what->rig, 0, 60);
  rig_put(what->rig, "more", 1, "old");
  sqlite_tier *tier = what->rig->tier;
  assert_ok(lrd_sqlite_turn_lock(tier));
  lrd_sqlite_wal_restart(tier);
  lrd_sqlite_turn_unlock(tier);
  rig_put(what->rig, "more", 2, "new");
  _exit(9);
}

static void a_damaged_header_beside_a_log_costs_nothing(void **state) {
  sqlite_rig *rig = *state;
  crash what = {rig};
  void (*const ways[])(void *context) = {fill_and_die, fill_restart_and_die};
  for (int way = 0; way < 2; way++) {
    assert_int_equal(support_in_child(ways[way], &what), 9);
    uint8_t const zero[HEADER] = {0};
    spoil_with(rig->path, zero, HEADER);
    rig_must_open(rig);
    assert_int_equal(count_right(rig, 0, 60), 60);
    if (way == 1) rig_assert_value(rig, "more", "new");
    assert_int_equal(rig_usage(rig).entries, 60 + way);
    assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]), 0);
    rig_close(rig);
    support_dir_remove(&rig->dir);
    rig->dir = support_dir_make();
    (void)snprintf(rig->path, sizeof rig->path, "%s/larder.db", rig->dir);
  }
}

static void flips_in_the_log_cost_what_a_power_cut_may(void **state) {
  sqlite_rig *rig = *state;
  support_random random = {777};
  for (int round = 0; round < 15; round++) {
    crash what = {rig};
    assert_int_equal(support_in_child(fill_and_die, &what), 9);
    char log[600];
    beside(rig, "-wal", log);
    for (int i = 0; i < 3; i++) flip_one_bit(log, &random);
    rig_must_open(rig);
    (void)count_right(rig, 0, 60);
    fill(rig, 60, 65);
    assert_int_equal(count_right(rig, 60, 65), 5);
    rig_close(rig);
    support_dir_remove(&rig->dir);
    rig->dir = support_dir_make();
    (void)snprintf(rig->path, sizeof rig->path, "%s/larder.db", rig->dir);
  }
}

static void what_a_killed_process_committed_is_there(void **state) {
  sqlite_rig *rig = *state;
  crash what = {rig};
  assert_int_equal(support_in_child(fill_and_die, &what), 9);
  rig_must_open(rig);
  assert_int_equal(count_right(rig, 0, 60), 60);
  assert_int_equal(rig_usage(rig).entries, 60);
}

static void a_replaced_database_is_distrusted(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  rig_put(rig, "k", 1, "v");
  sqlite_tier *tier = rig->tier;
  char moved[600];
  beside(rig, ".away", moved);
  assert_int_equal(rename(rig->path, moved), 0);
  support_file_write(rig->path, "", 0);
  atomic_store(&tier->looked_ns, INT64_MIN / 2);
  rig_tick(rig);
  assert_int_equal(atomic_load(&rig->distrusts), 1);
  assert_err(rig_get_err(rig, "k"), LARDER_EAWAY);
  /* Closing leaves alone what lies there now. */
  char log[600];
  beside(rig, "-wal", log);
  support_file_write(log, "other", 5);
  rig_close(rig);
  assert_int_equal(access(log, F_OK), 0);
  assert_int_equal(unlink(log), 0);
  rig_must_open(rig);
  rig_assert_miss(rig, "k");
}

static void a_replaced_queue_file_is_distrusted(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  char queue[600];
  beside(rig, ".queue", queue);
  assert_int_equal(unlink(queue), 0); /* who opens now would not queue behind us */
  atomic_store(&((sqlite_tier *)rig->tier)->looked_ns, INT64_MIN / 2);
  rig_tick(rig);
  assert_int_equal(atomic_load(&rig->distrusts), 1);
  rig_close(rig);
  rig_must_open(rig);
  rig_put(rig, "k", 1, "v");
}

/* Under an alarm, since what goes wrong here would go on for ever. */
static void live_with_a_damaged_board(void *context) {
  sqlite_rig *rig = context;
  (void)alarm(60);
  rig_must_open(rig);
  char *large = rig_value(1, 70000);
  sqlite_board *board = ((sqlite_tier *)rig->tier)->board;
  assert_ok(rig_put_result(rig, "a", 10, large, 70000));
  atomic_store(&board->paused_until_ns, INT64_MAX);
  rig_assert_value(rig, "a", large);
  atomic_fetch_add(&board->ring_head, UINT64_C(1) << 50);
  assert_ok(lrd_sqlite_tier.flush(rig->tier));
  atomic_fetch_add(&board->ring_synced, UINT64_C(1) << 51);
  assert_ok(lrd_sqlite_tier.flush(rig->tier));
  assert_ok(rig_put_result(rig, "a", 20, large, 70000));
  atomic_store(&board->spaces_end, UINT64_C(1) << 31);
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
  rig_assert_value(rig, "a", large);
  rig_close(rig);
  free(large);
  _exit(7);
}

static void a_damaged_board_neither_hangs_nor_crashes(void **state) {
  assert_int_equal(support_in_child(live_with_a_damaged_board, *state), 7);
}

static void a_newer_format_is_refused_untouched(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  rig_put(rig, "k", 1, "v");
  rig_close(rig);
  assert_int_equal(rig_sql(rig->path, "PRAGMA user_version = 99; UPDATE meta SET value = 99 WHERE name = 'format'"), 0);
  size_t len = 0, len_after = 0;
  char *before = support_file_read(rig->path, &len);
  assert_err(rig_open(rig), LARDER_EFORMAT);
  assert_non_null(strstr(rig->error.message, "99"));
  char *after = support_file_read(rig->path, &len_after);
  assert_int_equal(len, len_after);
  assert_memory_equal(before, after, len);
  free(before);
  free(after);
}

static void somebody_elses_database_is_refused_untouched(void **state) {
  sqlite_rig *rig = *state;
  assert_int_equal(rig_sql(rig->path, "CREATE TABLE t(x); INSERT INTO t VALUES(5)"), 0);
  assert_err(rig_open(rig), LARDER_EFORMAT);
  assert_int_equal(rig_sql(rig->path, "SELECT x FROM t"), 5);
  assert_int_equal(rig_sql(rig->path, "SELECT count(*) FROM sqlite_schema"), 1);
}

/* A database as version 1 wrote it, with three entries, the last one a file. */
static void golden_v1(sqlite_rig *rig) {
  char sql[4000];
  char *large = rig_value(3, 70000);
  uint64_t const hash[3] = {rig_hash("one"), rig_hash("two"), rig_hash("file")};
  char name[LRD_SQLITE_BLOB_NAME_MAX], path[700], folder[700];
  lrd_sqlite_blob_name(hash[2], 300, name);
  (void)snprintf(path, sizeof path, "%s/blobs/%s", rig->dir, name);
  (void)snprintf(folder, sizeof folder, "%s", path);
  *strrchr(folder, '/') = 0;
  assert_int_equal(lrd_fs_mkdirs(folder, 0700), 0);
  support_file_write(path, large, 70000);
  (void)snprintf(
      sql, sizeof sql,
      "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;"
      "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
      "CREATE TABLE spaces(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
      "CREATE TABLE entries(hash INTEGER PRIMARY KEY, space INT NOT NULL, stamp INT NOT NULL, soft INT NOT NULL,"
      " hard INT NOT NULL, flags INT NOT NULL, used INT NOT NULL, sum INT NOT NULL, vlen INT NOT NULL,"
      " key BLOB NOT NULL, head BLOB, value BLOB);"
      "CREATE TABLE tags(space INT NOT NULL, tag BLOB NOT NULL, hash INT NOT NULL,"
      " PRIMARY KEY(space, tag, hash)) WITHOUT ROWID;"
      "INSERT INTO meta VALUES('format', 1), ('seed', 42), ('clean', 1);"
      "INSERT INTO spaces VALUES(5, 'things');"
      "INSERT INTO entries VALUES(%lld, 5, 100, 0, 0, 1, 0, %lld, 5, CAST('one' AS BLOB), NULL, CAST('value' AS BLOB));"
      "INSERT INTO entries VALUES(%lld, 5, 200, 0, 0, 256, 0, %lld, 0, CAST('two' AS BLOB), NULL, NULL);"
      "INSERT INTO entries VALUES(%lld, 5, 300, 0, 0, 512, 0, %lld, 70000, CAST('file' AS BLOB), NULL, NULL);"
      "PRAGMA application_id = 1282565234; PRAGMA user_version = 1;",
      (long long)key64_of(hash[0]), (long long)lrd_sum64("value", 5), (long long)key64_of(hash[1]),
      (long long)lrd_sum64(NULL, 0), (long long)key64_of(hash[2]), (long long)lrd_sum64(large, 70000));
  assert_int_not_equal(rig_sql(rig->path, sql), -1);
  free(large);
}

static void version_1_is_migrated_with_a_backup(void **state) {
  sqlite_rig *rig = *state;
  golden_v1(rig);
  rig_must_open(rig);
  assert_int_equal(rig->space, 5);
  rig_assert_value(rig, "one", "value");
  rig_assert_miss(rig, "two");
  assert_err(rig_put_result(rig, "two", 199, "late", 4), LARDER_OLDER);
  char *large = rig_value(3, 70000);
  rig_assert_value(rig, "file", large);
  free(large);
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
  assert_int_equal(report.damaged, 0);
  assert_int_equal(report.examined, 3);
  assert_int_equal(rig_usage(rig).entries, 2);
  rig_close(rig);
  char copy[600];
  beside(rig, ".v1-backup", copy);
  assert_int_equal(rig_sql(copy, "PRAGMA user_version"), 1);
  assert_int_equal(rig_sql(copy, "SELECT count(*) FROM entries"), 3);
  assert_int_equal(rig_sql(rig->path, "PRAGMA user_version"), LRD_SQLITE_FORMAT);
  rig_must_open(rig);
  rig_assert_value(rig, "one", "value");
}

/* What version 2 wrote means the same now: only the number tells it apart. */
static void version_2_is_taken_over_as_it_is(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  rig_put(rig, "k", 1, "v");
  rig_close(rig);
  assert_int_equal(rig_sql(rig->path, "PRAGMA user_version = 2; UPDATE meta SET value = 2 WHERE name = 'format'"), 0);
  rig_must_open(rig);
  rig_assert_value(rig, "k", "v");
  rig_close(rig);
  char copy[600];
  beside(rig, ".v2-backup", copy);
  assert_int_not_equal(access(copy, F_OK), 0);
  assert_int_equal(rig_sql(rig->path, "PRAGMA user_version"), LRD_SQLITE_FORMAT);
  assert_int_equal(rig_sql(rig->path, "SELECT value FROM meta WHERE name = 'format'"), LRD_SQLITE_FORMAT);
}

static void a_frame_is_salvaged_as_one(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, "k", 5, "packed", 6);
  item.facts.framed = true;
  item.facts.raw_len = LARDER_VALUE_MAX;
  assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
  item.facts.raw_len = LARDER_VALUE_MAX + 1;
  item.facts.stamp = 6;
  assert_err(rig_do(rig, &item, LARDER_DURABILITY_COMMIT), LARDER_ETOOBIG);
  rig_close(rig);
  /* A damaged header: quarantined, and what it held comes over. */
  assert_int_equal(rig_sql(rig->path, "PRAGMA user_version = 1"), 0);
  rig_must_open(rig);
  larder_tier_entry entry;
  assert_ok(lrd_sqlite_tier.get(rig->tier, &item.key, false, NULL, &entry));
  assert_true(entry.facts.framed);
  assert_int_equal(entry.facts.raw_len, LARDER_VALUE_MAX);
  assert_int_equal(entry.facts.value_len, 6);
  lrd_sqlite_tier.release(rig->tier, &entry);
}

static void a_migration_that_fails_leaves_version_1(void **state) {
  sqlite_rig *rig = *state;
  golden_v1(rig);
  uint64_t n = 1;
  for (;; n++) {
    support_fs_fail_at(LRD_FS_WRITE, n, ENOSPC);
    larder_err const err = rig_open(rig);
    bool const reached = support_fs_end() >= n;
    rig_close(rig);
    if (!reached || err == LARDER_OK) break;
    int64_t const version = rig_sql(rig->path, "PRAGMA user_version");
    int64_t const columns = rig_sql(rig->path, "SELECT count(*) FROM pragma_table_info('entries')");
    assert_true((version == 1 && columns == 12) || (version == LRD_SQLITE_FORMAT && columns == 15));
  }
  assert_true(n > 2);
  rig_must_open(rig);
  rig_assert_value(rig, "one", "value");
}

static char *file_of(sqlite_rig *rig, const char *key, uint64_t stamp) {
  char name[LRD_SQLITE_BLOB_NAME_MAX];
  char path[700];
  lrd_sqlite_blob_name(rig_hash(key), stamp, name);
  (void)snprintf(path, sizeof path, "%s/blobs/%s", rig->dir, name);
  return strdup(path);
}

static void files_come_and_go_with_their_rows(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  char *large = rig_value(1, 70000);
  assert_ok(rig_put_result(rig, "a", 10, large, 70000));
  char *first = file_of(rig, "a", 10);
  assert_int_equal(access(first, F_OK), 0);
  larder_tier_write touch = rig_write(rig, LARDER_TIER_TOUCH, "a", 15, NULL, 0);
  assert_ok(rig_do(rig, &touch, LARDER_DURABILITY_COMMIT));
  rig_assert_value(rig, "a", large); /* the file keeps its name */
  assert_ok(rig_put_result(rig, "a", 20, large, 70000));
  assert_int_equal(access(first, F_OK), 0); /* the commit could be lost yet */
  rig_tick(rig);
  assert_int_not_equal(access(first, F_OK), 0);
  assert_err(rig_put_result(rig, "a", 11, large, 70000), LARDER_OLDER);
  assert_err(rig_put_result(rig, "a", 20, large, 70000), LARDER_OLDER); /* must not take the stored one's file along */
  rig_assert_value(rig, "a", large);
  assert_int_equal(rig_delete(rig, "a", 30), LARDER_OK);
  assert_ok(lrd_sqlite_tier.flush(rig->tier));
  char folder[600];
  (void)snprintf(folder, sizeof folder, "%s/blobs", rig->dir);
  assert_int_equal(files_under(folder), 0);
  free(first);
  free(large);
}

static void a_lost_or_spoilt_file_is_a_counted_miss(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  char *large = rig_value(1, 70000);
  const char *const keys[] = {"a", "b", "c"};
  for (int i = 0; i < 3; i++) {
    assert_ok(rig_put_result(rig, keys[i], 10, large, 70000));
    char *path = file_of(rig, keys[i], 10);
    if (i == 0) assert_int_equal(unlink(path), 0);
    if (i == 1) assert_int_equal(truncate(path, 69999), 0);
    if (i == 2) spoil(path, 30000, 1);
    free(path);
    rig_assert_miss(rig, keys[i]);
    assert_int_equal(atomic_load(&rig->evicted[LARDER_EVICT_CORRUPTION]), i + 1);
  }
  rig_tick(rig); /* removes the rows */
  assert_int_equal(rig_usage(rig).entries, 0);
  free(large);
}

static void orphans_are_swept_when_old_and_owned(void **state) {
  sqlite_rig *rig = *state;
  rig_must_open(rig);
  char *large = rig_value(1, 70000);
  assert_ok(rig_put_result(rig, "kept", 10, large, 70000));
  assert_ok(rig_put_result(rig, "lost", 10, large, 70000));
  char *kept = file_of(rig, "kept", 10);
  char *lost = file_of(rig, "lost", 10);
  char *held = file_of(rig, "lost", 5);
  assert_int_equal(rig_sql(rig->path, "DELETE FROM entries WHERE key = CAST('lost' AS BLOB)"), 0);
  support_file_write(held, "x", 1);
  uint64_t removed = 0;
  struct utimbuf const young = {1700000000 - 1, 1700000000 - 1}, old = {1699990000, 1699990000};
  assert_int_equal(utime(kept, &old), 0);
  assert_int_equal(utime(lost, &young), 0);
  assert_int_equal(utime(held, &young), 0);
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
  assert_int_equal(access(lost, F_OK), 0); /* perhaps its row is about to be written */
  assert_int_equal(utime(lost, &old), 0);
  assert_int_equal(utime(held, &old), 0);
  rig->refuse_all = true;
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
  assert_int_equal(access(lost, F_OK), 0);
  rig->refuse_all = false;
  larder_tier_report report = {0};
  assert_ok(lrd_sqlite_tier.check(rig->tier, false, &report, NULL, NULL, NULL));
  assert_int_equal(report.orphans, 2);
  assert_ok(lrd_sqlite_tier.sweep(rig->tier, 1000, true, &removed));
  assert_int_not_equal(access(lost, F_OK), 0);
  assert_int_not_equal(access(held, F_OK), 0);
  assert_int_equal(access(kept, F_OK), 0);
  assert_int_equal(atomic_load(&rig->owned), 0);
  free(kept);
  free(lost);
  free(held);
  free(large);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(garbage_goes_to_quarantine_and_a_fresh_one_opens),
      TEST(any_byte_of_the_header_may_be_damaged),
      TEST(a_database_whose_log_was_turned_off_is_sound),
      TEST(a_damaged_database_is_salvaged),
      TEST(damage_met_in_use_takes_the_tier_away_until_reopened),
      TEST(a_spoilt_value_is_a_miss_and_is_counted_and_removed),
      TEST(a_write_over_a_spoilt_row_counts_it),
      TEST(random_flips_never_give_a_wrong_value),
      TEST(a_damaged_header_beside_a_log_costs_nothing),
      TEST(flips_in_the_log_cost_what_a_power_cut_may),
      TEST(what_a_killed_process_committed_is_there),
      TEST(a_replaced_database_is_distrusted),
      TEST(a_replaced_queue_file_is_distrusted),
      TEST(a_damaged_board_neither_hangs_nor_crashes),
      TEST(a_newer_format_is_refused_untouched),
      TEST(somebody_elses_database_is_refused_untouched),
      TEST(version_1_is_migrated_with_a_backup),
      TEST(version_2_is_taken_over_as_it_is),
      TEST(a_frame_is_salvaged_as_one),
      TEST(a_migration_that_fails_leaves_version_1),
      TEST(files_come_and_go_with_their_rows),
      TEST(the_judge_of_a_check_holds_nothing_back),
      TEST(a_lost_or_spoilt_file_is_a_counted_miss),
      TEST(orphans_are_swept_when_old_and_owned),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
