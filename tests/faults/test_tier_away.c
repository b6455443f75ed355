/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN's dirty-slot rule through the public API: the authoritative tier is taken away and given back between puts,
 * deletes and expiries, in each way that happens. While it is away a put answers LARDER_DEGRADED at worst; whatever is shown
 * by anybody, then or later, is never the old value; in the end it works again. Breaks without the dirty mark
 * (LRD_MUTATE_NO_DIRTY_MARK: test_race_mutations), without distrust, or when a recovered tier is read before it is cleaned.
 */
#include "support/support.h"

#include "larder_testing.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG(tier, limits)                                                                                                   \
  "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  " tier ": " limits "\n  namespaces:\n"                                     \
  "    n: {tiers: [memory, " tier "], ttl: 1h, stale_if_error: 1h}\n"

typedef struct scene {
  char *root;
  const char *config;
  char *db; /* of sqlite */
  lrd_clock_moved clock;
  larder *cache[3];
  larder_ns *ns[3];
  sqlite3 *stranger;
  int stranger_fd;
} scene;

/* False where the database is refused as a stranger's: it is not ours to put aside. */
static bool handle_open(scene *s, unsigned h) {
  larder_error err = {0};
  larder_options options = {.size = sizeof options, .root = s->root, .config_text = s->config};
  larder_err result = lrd_larder_open_with_clock(&options, &s->clock.clock, &s->cache[h], &err);
  if (result == LARDER_EFORMAT) return false;
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  assert_ok(larder_ns_open(s->cache[h], "n", &s->ns[h], NULL));
  return true;
}

static void scene_open(scene *s, const char *root, const char *config) {
  memset(s, 0, sizeof *s);
  s->config = config;
  s->root = support_path(root, "root");
  s->db = support_path(s->root, "larder.db");
  lrd_clock_moved_init(&s->clock, INT64_C(1700000000000));
  assert_true(handle_open(s, 0) && handle_open(s, 1));
}

static void scene_close(scene *s) {
  for (unsigned h = 0; h < 3; h++)
    if (s->cache[h]) (void)larder_close(&s->cache[h]);
  free(s->root);
  free(s->db);
}

static larder_err put(scene *s, unsigned h, const char *key, const char *value) {
  return larder_put(s->ns[h], key, strlen(key), value, strlen(value), NULL);
}

/* Nothing, or exactly this (NULL: nothing at all). */
static void never_but(scene *s, unsigned h, const char *key, const char *value) {
  larder_value found = {0};
  larder_err result = larder_get(s->ns[h], key, strlen(key), NULL, &found);
  if (result == LARDER_MISS) return;
  assert_ok(result);
  if (!value || found.len != strlen(value) || memcmp(found.data, value, found.len) != 0)
    fail_msg("key %s, handle %u: found %.*s", key, h, (int)found.len, (const char *)found.data);
  larder_value_release(&found);
}

static void nothing_old_is_shown(scene *s) {
  for (unsigned h = 0; h < 3; h++) {
    if (!s->cache[h]) continue;
    never_but(s, h, "replaced", "new");
    never_but(s, h, "deleted", NULL);
    never_but(s, h, "expired", NULL);
  }
}

static void acknowledged(larder_err result) {
  if (result != LARDER_OK && result != LARDER_DEGRADED && result != LARDER_MISS)
    fail_msg("a change answered %s", larder_err_name(result));
}

static bool all_see_a_put(scene *s) {
  bool seen = true;
  acknowledged(put(s, 1, "after", "all"));
  for (unsigned h = 0; h < 3; h++) {
    larder_value found = {0};
    seen = larder_get(s->ns[h], "after", 5, NULL, &found) == LARDER_OK && seen;
    larder_value_release(&found);
  }
  return seen;
}

typedef struct way {
  const char *config;
  void (*take)(scene *s);
  void (*give)(scene *s);
} way;

static void away_and_back(const char *root, way w) {
  scene s;
  scene_open(&s, root, w.config);
  static const char *const keys[] = {"replaced", "deleted", "expired", "kept"};
  for (unsigned i = 0; i < 4; i++) {
    assert_ok(put(&s, 0, keys[i], "old"));
    larder_value found = {0};
    assert_ok(larder_get(s.ns[1], keys[i], strlen(keys[i]), NULL, &found));
    larder_value_release(&found);
  }
  w.take(&s);
  acknowledged(put(&s, 0, "replaced", "new"));
  acknowledged(larder_delete(s.ns[0], "deleted", 7));
  acknowledged(larder_expire(s.ns[0], "expired", 7));
  nothing_old_is_shown(&s);
  w.give(&s);
  nothing_old_is_shown(&s);
  bool ours = handle_open(&s, 2); /* somebody who knows nothing but what is on disk and in the map */
  nothing_old_is_shown(&s);
  for (unsigned second = 0; second < 12; second++) {
    lrd_clock_moved_advance_ms(&s.clock, 1000);
    for (unsigned h = 0; h < (ours ? 3u : 2u); h++) {
      lrd_larder_tick(s.cache[h]);
      nothing_old_is_shown(&s);
      never_but(&s, h, "kept", "old");
    }
  }
  for (unsigned tries = 0; ours && !all_see_a_put(&s); tries++) {
    assert_true(tries < 300); /* the tier's own thread looks each second whether it is still what was opened */
    (void)usleep(100 * 1000);
    lrd_clock_moved_advance_ms(&s.clock, 1000);
    for (unsigned h = 0; h < 3; h++) lrd_larder_tick(s.cache[h]);
  }
  nothing_old_is_shown(&s);
  scene_close(&s);
}

/* --- the ways ---------------------------------------------------------------------------------------------------------- */

static void lock_it(scene *s) {
  assert_int_equal(sqlite3_open(s->db, &s->stranger), SQLITE_OK);
  assert_int_equal(sqlite3_exec(s->stranger, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
}
static void unlock_it(scene *s) {
  (void)sqlite3_exec(s->stranger, "ROLLBACK", NULL, NULL, NULL);
  (void)sqlite3_close(s->stranger);
}

static void make_read_only(scene *s) {
  (void)s;
  support_fs_fail_from(LRD_FS_WRITE, 1, EROFS);
}
static void fill_the_disk(scene *s) {
  (void)s;
  support_fs_fail_from(LRD_FS_WRITE, 1, ENOSPC);
}
static void break_the_sync(scene *s) {
  (void)s;
  support_fs_fail_from(LRD_FS_SYNC, 1, EIO);
}
static void seam_open(scene *s) {
  (void)s;
  (void)support_fs_end();
}

static void overwrite(const char *path, const void *data, size_t len) {
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, len, file), len);
  assert_int_equal(fclose(file), 0);
}

static void corrupt_it(scene *s) {
  static char garbage[40000];
  char *wal = support_path(s->root, "larder.db-wal");
  memset(garbage, 0x5a, sizeof garbage);
  overwrite(s->db, garbage, sizeof garbage);
  if (access(wal, F_OK) == 0) overwrite(wal, garbage, 4096);
  free(wal);
}

static void replace_it(scene *s) {
  static const char *const endings[] = {"", "-wal", "-shm"};
  char from[600];
  char to[600];
  for (unsigned i = 0; i < 3; i++) {
    (void)snprintf(from, sizeof from, "%s%s", s->db, endings[i]);
    (void)snprintf(to, sizeof to, "%s.away%s", s->db, endings[i]);
    if (access(from, F_OK) == 0) assert_int_equal(rename(from, to), 0);
  }
  sqlite3 *other = NULL; /* a stranger's database in its place */
  assert_int_equal(sqlite3_open(s->db, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "CREATE TABLE t(a); INSERT INTO t VALUES(1)", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static char *in_root(const scene *s, const char *name) { return support_path(s->root, name); }

/* A program that stands still in the middle of a change. */
static void hold_the_turn(scene *s) {
  char *board = in_root(s, ".files/board");
  s->stranger_fd = lrd_fs_open(board, O_RDWR, 0);
  assert_true(s->stranger_fd >= 0);
  assert_int_equal(lrd_fs_lock_wait(s->stranger_fd, 0, 1, LRD_FS_EXCLUSIVE), 0);
  free(board);
}
static void leave_the_turn(scene *s) { lrd_fs_close(s->stranger_fd); }

static void corrupt_files(scene *s) {
  static char garbage[40000];
  static const char *const names[] = {".files/log", "n/replaced.dat", "n/deleted.dat", "n/expired.dat", "n/kept.dat"};
  memset(garbage, 0x5a, sizeof garbage);
  for (unsigned i = 0; i < 5; i++) {
    char *path = in_root(s, names[i]);
    overwrite(path, garbage, i == 0 ? sizeof garbage : 3);
    free(path);
  }
}

static void replace_files(scene *s) {
  static const char *const names[] = {".files", "n"};
  for (unsigned i = 0; i < 2; i++) {
    char *from = in_root(s, names[i]), *to = in_root(s, i == 0 ? ".files.away" : "n.away");
    assert_int_equal(rename(from, to), 0);
    free(from);
    free(to);
  }
}

static void leave_it(scene *s) { (void)s; }

#define SQLITE(take, give) away_and_back(*state, (way){CONFIG("sqlite", "{busy_timeout: 20ms}"), take, give})
#define FILES(take, give)  away_and_back(*state, (way){CONFIG("files", "{max_mb: 100}"), take, give})

static void locked(void **state) { SQLITE(lock_it, unlock_it); }
static void read_only(void **state) { SQLITE(make_read_only, seam_open); }
static void full(void **state) { SQLITE(fill_the_disk, seam_open); }
static void unsyncable(void **state) { SQLITE(break_the_sync, seam_open); }
static void corrupted(void **state) { SQLITE(corrupt_it, leave_it); }
static void replaced(void **state) { SQLITE(replace_it, leave_it); }
static void files_locked(void **state) { FILES(hold_the_turn, leave_the_turn); }
static void files_read_only(void **state) { FILES(make_read_only, seam_open); }
static void files_full(void **state) { FILES(fill_the_disk, seam_open); }
static void files_unsyncable(void **state) { FILES(break_the_sync, seam_open); }
static void files_corrupted(void **state) { FILES(corrupt_files, leave_it); }
static void files_replaced(void **state) { FILES(replace_files, leave_it); }

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(locked),           SUPPORT_DIR_TEST(read_only),       SUPPORT_DIR_TEST(full),
      SUPPORT_DIR_TEST(unsyncable),       SUPPORT_DIR_TEST(corrupted),       SUPPORT_DIR_TEST(replaced),
      SUPPORT_DIR_TEST(files_locked),     SUPPORT_DIR_TEST(files_read_only), SUPPORT_DIR_TEST(files_full),
      SUPPORT_DIR_TEST(files_unsyncable), SUPPORT_DIR_TEST(files_corrupted), SUPPORT_DIR_TEST(files_replaced),
  };
  return cmocka_run_group_tests_name("tier_away", tests, NULL, NULL);
}
