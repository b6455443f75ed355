/* SPDX-License-Identifier: Apache-2.0 */
#include "files_rig.h"

#include "base/hash.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t host_wall_ms(void *context) {
  files_rig *rig = context;
  return lrd_wall_ms(&rig->clock.clock);
}

static int64_t host_mono_ns(void *context) {
  files_rig *rig = context;
  return lrd_mono_ns(&rig->clock.clock);
}

static bool host_try_own(void *context, uint64_t hash) {
  files_rig *rig = context;
  if (rig->refuse_all) return false;
  for (size_t i = 0; i < rig->held_count; i++)
    if (rig->held[i] == hash) return false;
  atomic_fetch_add(&rig->owned, 1);
  return true;
}

static void host_release(void *context, uint64_t hash) {
  files_rig *rig = context;
  (void)hash;
  atomic_fetch_sub(&rig->owned, 1);
}

static void host_evicted(void *context, uint32_t space, larder_evict_reason reason, uint64_t count, uint64_t bytes) {
  files_rig *rig = context;
  (void)space;
  (void)bytes;
  atomic_fetch_add(&rig->evicted[reason], count);
}

static void host_log(void *context, int level, const char *id, const char *message) {
  files_rig *rig = context;
  (void)level;
  if (strcmp(id, "files.taken_back") == 0) atomic_fetch_add(&rig->taken_back, 1);
  if (getenv("RIG_VERBOSE") != NULL) (void)fprintf(stderr, "%s: %s\n", id, message);
}

static void host_distrust(void *context, larder_err why, const char *message) {
  files_rig *rig = context;
  (void)why;
  (void)message;
  atomic_fetch_add(&rig->distrusts, 1);
}

void rig_init(files_rig *rig) {
  memset(rig, 0, sizeof *rig);
  rig->dir = support_dir_make();
  lrd_clock_moved_init(&rig->clock, RIG_START_MS);
  rig->seed = 42;
  rig->space_name = "things";
  rig->options = "sync_ms=60000";
}

void rig_init_beside(files_rig *rig, const files_rig *first) {
  memset(rig, 0, sizeof *rig);
  rig->dir = strdup(first->dir);
  assert_non_null(rig->dir);
  lrd_clock_moved_init(&rig->clock, RIG_START_MS);
  rig->seed = first->seed;
  rig->space_name = first->space_name;
  rig->options = first->options;
}

void rig_fini(files_rig *rig) {
  rig_close(rig);
  support_dir_remove(&rig->dir);
}

larder_err rig_open(files_rig *rig) {
  larder_tier_params const params = {.size = sizeof params,
                                     .root = rig->dir,
                                     .path = rig->dir,
                                     .seed = rig->seed,
                                     .bytes_max = rig->bytes_max,
                                     .entries_max = rig->entries_max,
                                     .options = rig->options,
                                     .host = {.context = rig,
                                              .wall_ms = host_wall_ms,
                                              .mono_ns = host_mono_ns,
                                              .slot_try_own = host_try_own,
                                              .slot_release = host_release,
                                              .evicted = host_evicted,
                                              .log = host_log,
                                              .distrust = host_distrust},
                                     .read_only = rig->read_only};
  void *tier = NULL;
  larder_err err = lrd_files_tier.open(&params, &tier, &rig->error);
  if (err != LARDER_OK) return err;
  rig->tier = tier;
  larder_tier_space const space = {
      .size = sizeof space, .name = rig->space_name, .bytes_max = rig->space_bytes_max, .entries_max = rig->space_entries_max};
  err = lrd_files_tier.bind(tier, &space, &rig->space);
  if (err == LARDER_EACCES && rig->read_only) return LARDER_OK; /* it is nowhere yet, and is not made here */
  if (err != LARDER_OK) rig_close(rig);
  return err;
}

void rig_must_open(files_rig *rig) {
  larder_err const err = rig_open(rig);
  if (err != LARDER_OK) print_error("open: %s\n", rig->error.message);
  assert_ok(err);
}

void rig_close(files_rig *rig) {
  if (rig->tier != NULL) lrd_files_tier.close(rig->tier);
  rig->tier = NULL;
}

larder_tier_key rig_key_of(const files_rig *rig, const void *key, size_t len) {
  uint64_t const seed = lrd_hash_seed_for(rig->seed, rig->space_name);
  return (larder_tier_key){.data = key, .len = len, .hash = lrd_hash64(key, len, seed), .space = rig->space};
}

larder_tier_key rig_key(const files_rig *rig, const char *key) { return rig_key_of(rig, key, strlen(key)); }

uint64_t rig_stamp(files_rig *rig, uint64_t counter) {
  return lrd_stamp_from_wall_ms(lrd_wall_ms(&rig->clock.clock)) + counter;
}

larder_tier_write rig_write(const files_rig *rig, larder_tier_verb verb, const char *key, uint64_t stamp, const void *value,
                            size_t len) {
  return (larder_tier_write){
      .verb = verb, .key = rig_key(rig, key), .value = value, .facts = {.stamp = stamp, .value_len = len}};
}

larder_err rig_do(files_rig *rig, larder_tier_write *item, larder_durability durability) {
  larder_err const err = lrd_files_tier.write(rig->tier, item, 1, durability);
  return err == LARDER_OK ? item->result : err;
}

void rig_put_kind(files_rig *rig, const char *key, uint64_t stamp, larder_kind kind, const void *value, size_t len) {
  larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, stamp, value, len);
  item.facts.kind = kind;
  assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
}

void rig_put(files_rig *rig, const char *key, uint64_t stamp, const char *text) {
  rig_put_kind(rig, key, stamp, LARDER_KIND_BYTES, text, strlen(text));
}

larder_err rig_delete(files_rig *rig, const char *key, uint64_t stamp) {
  larder_tier_write item = rig_write(rig, LARDER_TIER_DELETE, key, stamp, NULL, 0);
  return rig_do(rig, &item, LARDER_DURABILITY_COMMIT);
}

char *rig_get(files_rig *rig, const char *key) {
  larder_tier_key const at = rig_key(rig, key);
  larder_tier_entry entry;
  larder_err const err = lrd_files_tier.get(rig->tier, &at, false, NULL, &entry);
  if (err == LARDER_MISS) return NULL;
  assert_ok(err);
  char *text = malloc((size_t)entry.facts.value_len + 1);
  assert_non_null(text);
  if (entry.facts.value_len != 0) memcpy(text, entry.value, (size_t)entry.facts.value_len);
  text[entry.facts.value_len] = 0;
  lrd_files_tier.release(rig->tier, &entry);
  return text;
}

void rig_assert_value(files_rig *rig, const char *key, const char *text) {
  char *found = rig_get(rig, key);
  assert_non_null(found);
  assert_string_equal(found, text);
  free(found);
}

void rig_assert_miss(files_rig *rig, const char *key) {
  char *found = rig_get(rig, key);
  assert_null(found);
}

larder_tier_usage rig_usage(files_rig *rig) {
  larder_tier_usage usage;
  assert_ok(lrd_files_tier.usage(rig->tier, LARDER_TIER_ALL_SPACES, &usage));
  return usage;
}

static void finding(void *context, const larder_tier_key *key, const char *sentence) {
  (void)context;
  (void)key;
  if (getenv("RIG_VERBOSE") != NULL) (void)fprintf(stderr, "found: %s\n", sentence);
}

larder_tier_report rig_check(files_rig *rig, bool repair) {
  larder_tier_report report = {0};
  assert_ok(lrd_files_tier.check(rig->tier, repair, &report, finding, NULL, NULL));
  return report;
}

const char *rig_path(const files_rig *rig, const char *within) {
  static char paths[8][600];
  static unsigned next;
  char *path = paths[next++ % 8];
  (void)snprintf(path, sizeof paths[0], "%s/%s", rig->dir, within);
  return path;
}

bool rig_there(const files_rig *rig, const char *within) { return access(rig_path(rig, within), F_OK) == 0; }

static unsigned count_below(const char *folder, const char *begins) {
  unsigned count = 0;
  DIR *dir = opendir(folder);
  if (dir == NULL) return 0;
  for (struct dirent *at = NULL; (at = readdir(dir)) != NULL;) {
    char path[800];
    struct stat facts;
    if (strcmp(at->d_name, ".") == 0 || strcmp(at->d_name, "..") == 0) continue;
    (void)snprintf(path, sizeof path, "%.500s/%.255s", folder, at->d_name);
    if (lstat(path, &facts) != 0) continue;
    if (S_ISDIR(facts.st_mode))
      count += count_below(path, begins);
    else
      count += strncmp(at->d_name, begins, strlen(begins)) == 0;
  }
  (void)closedir(dir);
  return count;
}

unsigned rig_files(const files_rig *rig, const char *begins) { return count_below(rig->dir, begins); }

char *rig_value(uint64_t seed, size_t len) {
  char *value = malloc(len + 1);
  assert_non_null(value);
  support_random random = {seed * 2654435761u + 1};
  for (size_t i = 0; i < len; i++) value[i] = (char)('a' + support_random_below(&random, 26));
  value[len] = 0;
  return value;
}
