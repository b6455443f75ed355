/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Corruption at rest: one random bit of one random file of a root is turned over (database, log, blobs, map, queue file,
 * lock), then a process of its own opens the root and reads everything. Never a crash; never a value that was not put under
 * that key; never an old one, save where the log was hit, which may cost what a power cut may; what is lost is told, by a
 * counter, a log message or the quarantine. 100 flips by default; LARDER_LONG=1: 1000; or a number as the argument.
 * Breaks when the row's checksum leaves the facts out, or a damaged map is believed.
 */
#include "support/support.h"

#include "base/hash.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <larder/larder.h>
#include <larder/stats.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS      120u
#define FILES_MAX 256u
#define CONFIG(tier)                                                                                                           \
  "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: [memory, " tier "], ttl: 1000h}\n"

static unsigned flips = 100;
static const char *config = CONFIG("sqlite");
static const char *tier = "sqlite";
static unsigned told_messages;

static void count_message(void *context, int level, const char *id, const char *message) {
  (void)context;
  (void)id;
  (void)message;
  if (level <= LARDER_LOG_WARN) told_messages++;
}

static size_t value_of(unsigned key, unsigned version, char *out, size_t room) {
  int len = snprintf(out, room, "key %u version %u ", key, version);
  size_t want = key % 10 == 0 ? 70000 : 40 + key * 3;
  memset(out + len, 'a' + (int)(key % 26), want - (size_t)len);
  return want;
}

/* Even keys have a second version, every seventh is deleted; the second half of it lies in the log. */
static unsigned version_of(unsigned key) { return key % 7 == 3 ? 0 : key % 2 == 0 ? 2 : 1; }

static larder *open_root(const char *root, larder_ns **ns) {
  larder *cache = NULL;
  larder_options options = {
      .size = sizeof options, .root = root, .config_text = config, .log = count_message, .log_level = LARDER_LOG_WARN};
  if (larder_open(&options, &cache, NULL) != LARDER_OK) return NULL;
  if (larder_ns_open(cache, "n", ns, NULL) != LARDER_OK) _exit(9);
  return cache;
}

static void put_version(larder_ns *ns, unsigned key, unsigned version) {
  static char value[80000];
  char name[32];
  int len = snprintf(name, sizeof name, "key-%u", key);
  if (larder_put(ns, name, (size_t)len, value, value_of(key, version, value, sizeof value), NULL) != LARDER_OK) _exit(10);
}

static void make_root(void *context) {
  const char *root = context;
  larder_ns *ns = NULL;
  larder *cache = open_root(root, &ns);
  if (!cache) _exit(8);
  for (unsigned k = 0; k < KEYS; k++) put_version(ns, k, 1);
  (void)larder_close(&cache);
  cache = open_root(root, &ns);
  if (!cache) _exit(8);
  for (unsigned k = 0; k < KEYS; k++) {
    char name[32];
    int len = snprintf(name, sizeof name, "key-%u", k);
    if (version_of(k) == 0 && larder_delete(ns, name, (size_t)len) != LARDER_OK) _exit(11);
    if (version_of(k) == 2) put_version(ns, k, 2);
  }
  if (larder_flush(cache) != LARDER_OK) _exit(12);
  _exit(0); /* no close: the log stays */
}

/* --- copies of a folder -------------------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to) {
  size_t len;
  char *data = support_file_read(from, &len);
  support_file_write(to, data, len);
  free(data);
}

static void copy_folder(const char *from, const char *to, char (*files)[512], unsigned *files_len) {
  struct dirent *entry;
  DIR *dir = opendir(from);
  assert_non_null(dir);
  assert_int_equal(mkdir(to, 0700), 0);
  while ((entry = readdir(dir))) {
    char a[512];
    char b[512];
    struct stat found;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    assert_true(snprintf(a, sizeof a, "%s/%s", from, entry->d_name) < 512);
    assert_true(snprintf(b, sizeof b, "%s/%s", to, entry->d_name) < 512);
    assert_int_equal(stat(a, &found), 0);
    if (S_ISDIR(found.st_mode)) {
      copy_folder(a, b, files, files_len);
    } else {
      copy_file(a, b);
      if (found.st_size > 0 && *files_len < FILES_MAX) memcpy(files[(*files_len)++], b, sizeof b);
    }
  }
  (void)closedir(dir);
}

static void flip(const char *path, support_random *random) {
  struct stat found;
  uint8_t byte;
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0 && fstat(fd, &found) == 0);
  off_t at = (off_t)support_random_below(random, (uint64_t)found.st_size);
  /* Half of them at the front, where the heads are. */
  if (support_random_below(random, 2) && at > 512) at %= 512;
  assert_int_equal(pread(fd, &byte, 1, at), 1);
  byte ^= (uint8_t)(1u << support_random_below(random, 8));
  assert_int_equal(pwrite(fd, &byte, 1, at), 1);
  (void)close(fd);
}

/* --- reading what is left --------------------------------------------------------------------------------------------------
 */

typedef struct reading {
  const char *root;
  bool log_hit; /* an older version is what a power cut may cost */
} reading;

static bool loss_is_told(larder *cache, const char *root) {
  larder_stats *stats = NULL;
  uint64_t corrupt = 0, errors = 0, evicted = 0, degraded = 0;
  char quarantine[600];
  struct stat found;
  (void)snprintf(quarantine, sizeof quarantine, "%s/quarantine", root);
  if (told_messages > 0 || stat(quarantine, &found) == 0) return true;
  if (larder_stats_take(cache, &stats, NULL) != LARDER_OK) return false;
  (void)larder_stats_value(stats, NULL, tier, "corrupt", &corrupt);
  (void)larder_stats_value(stats, NULL, tier, "errors", &errors);
  (void)larder_stats_value(stats, NULL, tier, "evicted_corruption", &evicted);
  (void)larder_stats_value(stats, NULL, tier, "degraded", &degraded);
  larder_stats_free(&stats);
  return corrupt + errors + evicted + degraded > 0;
}

#define WRONG(status, ...)                                                                                                     \
  do {                                                                                                                         \
    (void)fprintf(stderr, __VA_ARGS__);                                                                                        \
    _exit(status);                                                                                                             \
  } while (0)

static bool shows_version(const larder_value *value, unsigned key, unsigned version) {
  static char wanted[80000];
  return value->len == value_of(key, version, wanted, sizeof wanted) && memcmp(value->data, wanted, value->len) == 0;
}

static void read_all(void *context) {
  reading *r = context;
  larder_ns *ns = NULL;
  unsigned lost = 0;
  alarm(60);
  larder *cache = open_root(r->root, &ns);
  if (!cache) _exit(0); /* refused with a reason: nothing wrong is shown */
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned k = 0; k < KEYS; k++) {
      char name[32];
      larder_value value = {0};
      int len = snprintf(name, sizeof name, "key-%u", k);
      larder_err result = larder_get(ns, name, (size_t)len, NULL, &value);
      if (result == LARDER_MISS) {
        lost += version_of(k) != 0 && round == 0;
        continue;
      }
      if (result != LARDER_OK) WRONG(20, "get: %s\n", larder_err_name(result));
      bool newest = version_of(k) != 0 && shows_version(&value, k, version_of(k));
      bool older = r->log_hit && shows_version(&value, k, 1);
      if (!newest && !older) WRONG(21, "key %u: found %.40s\n", k, (const char *)value.data);
      larder_value_release(&value);
    }
  }
  if (lost > 0 && !r->log_hit && !loss_is_told(cache, r->root)) WRONG(22, "%u lost in silence\n", lost);
  larder_err after = larder_put(ns, "after", 5, "x", 1, NULL); /* and it goes on, in memory alone while the tier is replaced */
  if (after != LARDER_OK && after != LARDER_DEGRADED) WRONG(23, "put: %s\n", larder_err_name(after));
  (void)larder_close(&cache);
  _exit(0);
}

/* `heart`, or `other` now and then: parts of the names of the files that matter most. */
static void flip_and_read(const char *folder, const char *heart, const char *other) {
  static char files[FILES_MAX][512];
  char *whole = support_path(folder, "whole");
  unsigned failed = 0;
  assert_int_equal(support_in_child(make_root, whole), 0);
  for (unsigned n = 0; n < flips; n++) {
    support_random random = {n + 1};
    char *root = support_path(folder, "root");
    unsigned files_len = 0;
    copy_folder(whole, root, files, &files_len);
    const char *victim = files[support_random_below(&random, files_len)];
    if (n % 3 == 0) { /* the database itself, not only the many blobs */
      for (unsigned f = 0; f < files_len; f++)
        if (strstr(files[f], n % 2 ? other : heart)) victim = files[f];
    }
    flip(victim, &random);
    reading r = {root, strstr(victim, "-wal") != NULL};
    int status = support_in_child(read_all, &r);
    if (status != 0) {
      print_message("flip %u in %s: status %d\n", n, victim + strlen(root), status);
      failed++;
    }
    support_dir_remove(&root);
  }
  free(whole);
  assert_int_equal(failed, 0);
}

static void a_flipped_bit_costs_entries_at_most(void **state) { flip_and_read(*state, ".db", ".db-wal"); }

static void a_flipped_bit_of_files_costs_entries_at_most(void **state) {
  config = CONFIG("files");
  tier = "files";
  flip_and_read(*state, ".files/log", ".files/board");
}

int main(int argc, char **argv) {
  if (getenv("LARDER_LONG")) flips = 1000;
  if (argc > 1) flips = (unsigned)atoi(argv[1]);
  const struct CMUnitTest tests[] = {SUPPORT_DIR_TEST(a_flipped_bit_costs_entries_at_most),
                                     SUPPORT_DIR_TEST(a_flipped_bit_of_files_costs_entries_at_most)};
  return cmocka_run_group_tests_name("corruption", tests, NULL, NULL);
}
