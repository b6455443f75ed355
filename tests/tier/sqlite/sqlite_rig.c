/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_rig.h"

#include "tier/sqlite/sqlite_inner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t host_wall_ms(void *context) {
  sqlite_rig *rig = context;
  return lrd_wall_ms(&rig->clock.clock);
}

static int64_t host_mono_ns(void *context) {
  sqlite_rig *rig = context;
  return lrd_mono_ns(&rig->clock.clock);
}

static bool host_try_own(void *context, uint64_t hash) {
  sqlite_rig *rig = context;
  if (rig->refuse_all) return false;
  for (size_t i = 0; i < rig->held_count; i++)
    if (rig->held[i] == hash) return false;
  atomic_fetch_add(&rig->owned, 1);
  atomic_fetch_add(&rig->owned_ever, 1);
  return true;
}

static void host_release(void *context, uint64_t hash) {
  sqlite_rig *rig = context;
  (void)hash;
  atomic_fetch_sub(&rig->owned, 1);
}

static void host_evicted(void *context, uint32_t space, larder_evict_reason reason, uint64_t count, uint64_t bytes) {
  sqlite_rig *rig = context;
  (void)space;
  (void)bytes;
  atomic_fetch_add(&rig->evicted[reason], count);
}

static void host_log(void *context, int level, const char *id, const char *message) {
  (void)context;
  (void)level;
  if (getenv("RIG_VERBOSE") != NULL) (void)fprintf(stderr, "%s: %s\n", id, message);
}

static void host_distrust(void *context, larder_err why, const char *message) {
  sqlite_rig *rig = context;
  (void)message;
  atomic_store(&rig->distrust_why, why);
  atomic_fetch_add(&rig->distrusts, 1);
}

void rig_init(sqlite_rig *rig) {
  memset(rig, 0, sizeof *rig);
  rig->dir = support_dir_make();
  (void)snprintf(rig->path, sizeof rig->path, "%s/larder.db", rig->dir);
  lrd_clock_moved_init(&rig->clock, 1700000000000);
  rig->seed = 42;
}

void rig_fini(sqlite_rig *rig) {
  rig_close(rig);
  support_dir_remove(&rig->dir);
}

larder_err rig_open(sqlite_rig *rig) {
  larder_tier_params const params = {.size = sizeof params,
                                     .root = rig->dir,
                                     .path = rig->path,
                                     .seed = rig->seed,
                                     .bytes_max = rig->bytes_max,
                                     .entries_max = rig->entries_max,
                                     .generation = rig->generation,
                                     .read_only = rig->read_only,
                                     .options = rig->options,
                                     .host = {.context = rig,
                                              .wall_ms = host_wall_ms,
                                              .mono_ns = host_mono_ns,
                                              .slot_try_own = host_try_own,
                                              .slot_release = host_release,
                                              .evicted = host_evicted,
                                              .log = host_log,
                                              .distrust = host_distrust}};
  void *tier = NULL;
  larder_err err = lrd_sqlite_tier.open(&params, &tier, &rig->error);
  if (err != LARDER_OK) return err;
  rig->tier = tier;
  larder_tier_space const space = {
      .size = sizeof space, .name = "things", .bytes_max = rig->space_bytes_max, .entries_max = rig->space_entries_max};
  err = lrd_sqlite_tier.bind(tier, &space, &rig->space);
  if (err != LARDER_OK) rig_close(rig);
  return err;
}

void rig_must_open(sqlite_rig *rig) {
  larder_err const err = rig_open(rig);
  if (err != LARDER_OK) print_error("open: %s\n", rig->error.message);
  assert_ok(err);
}

void rig_close(sqlite_rig *rig) {
  if (rig->tier != NULL) lrd_sqlite_tier.close(rig->tier);
  rig->tier = NULL;
}

uint64_t rig_hash(const char *key) {
  uint64_t hash = 1469598103934665603ull;
  for (; *key != 0; key++) hash = (hash ^ (uint8_t)*key) * 1099511628211ull;
  return hash ^ hash << 29;
}

larder_tier_key rig_key(const sqlite_rig *rig, const char *key) {
  return (larder_tier_key){.data = key, .len = strlen(key), .hash = rig_hash(key), .space = rig->space};
}

uint64_t rig_stamp(sqlite_rig *rig, uint64_t counter) {
  return lrd_stamp_from_wall_ms(lrd_wall_ms(&rig->clock.clock)) + counter;
}

larder_tier_write rig_write(const sqlite_rig *rig, larder_tier_verb verb, const char *key, uint64_t stamp, const void *value,
                            size_t len) {
  return (larder_tier_write){
      .verb = verb, .key = rig_key(rig, key), .value = value, .facts = {.stamp = stamp, .value_len = len}};
}

larder_err rig_do(sqlite_rig *rig, larder_tier_write *item, larder_durability durability) {
  larder_err const err = lrd_sqlite_tier.write(rig->tier, item, 1, durability);
  return err == LARDER_OK ? item->result : err;
}

larder_err rig_put_result(sqlite_rig *rig, const char *key, uint64_t stamp, const void *value, size_t len) {
  larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, stamp, value, len);
  return rig_do(rig, &item, LARDER_DURABILITY_COMMIT);
}

void rig_put(sqlite_rig *rig, const char *key, uint64_t stamp, const char *text) {
  assert_ok(rig_put_result(rig, key, stamp, text, strlen(text)));
}

larder_err rig_delete(sqlite_rig *rig, const char *key, uint64_t stamp) {
  larder_tier_write item = rig_write(rig, LARDER_TIER_DELETE, key, stamp, NULL, 0);
  return rig_do(rig, &item, LARDER_DURABILITY_COMMIT);
}

larder_err rig_get_err(sqlite_rig *rig, const char *key) {
  larder_tier_key const at = rig_key(rig, key);
  larder_tier_entry entry;
  larder_err const err = lrd_sqlite_tier.get(rig->tier, &at, false, NULL, &entry);
  if (err == LARDER_OK) lrd_sqlite_tier.release(rig->tier, &entry);
  return err;
}

char *rig_get(sqlite_rig *rig, const char *key) {
  larder_tier_key const at = rig_key(rig, key);
  larder_tier_entry entry;
  larder_err const err = lrd_sqlite_tier.get(rig->tier, &at, false, NULL, &entry);
  if (err == LARDER_MISS) return NULL;
  assert_ok(err);
  char *text = malloc((size_t)entry.facts.value_len + 1);
  assert_non_null(text);
  if (entry.facts.value_len != 0) memcpy(text, entry.value, (size_t)entry.facts.value_len);
  text[entry.facts.value_len] = 0;
  lrd_sqlite_tier.release(rig->tier, &entry);
  return text;
}

void rig_assert_value(sqlite_rig *rig, const char *key, const char *text) {
  char *found = rig_get(rig, key);
  assert_non_null(found);
  assert_string_equal(found, text);
  free(found);
}

void rig_assert_miss(sqlite_rig *rig, const char *key) {
  char *found = rig_get(rig, key);
  assert_null(found);
}

larder_tier_usage rig_usage(sqlite_rig *rig) {
  larder_tier_usage usage;
  assert_ok(lrd_sqlite_tier.usage(rig->tier, LARDER_TIER_ALL_SPACES, &usage));
  return usage;
}

void rig_tick(sqlite_rig *rig) {
  sqlite_tier *tier = rig->tier;
  uint64_t const wanted = atomic_load(&tier->ticks) + 2; /* the first to end may have begun before */
  for (int i = 0; i < 120000 && atomic_load(&tier->ticks) < wanted; i++) {
    lrd_ticker_wake(tier->ticker);
    (void)nanosleep(&(struct timespec){0, 1000 * 1000}, NULL);
  }
  assert_true(atomic_load(&tier->ticks) >= wanted);
}

int64_t rig_sql(const char *path, const char *sql) {
  int pipes[2];
  assert_int_equal(pipe(pipes), 0);
  pid_t const child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    /* exec, so that nothing of the parent's SQLite lives on here. */
    (void)dup2(pipes[1], 1);
    (void)execlp("sqlite3", "sqlite3", "-cmd", ".timeout 3000", path, sql, (char *)NULL);
    _exit(127);
  }
  (void)close(pipes[1]);
  char text[64] = "";
  size_t len = 0;
  ssize_t got = 0;
  while (len < sizeof text - 1 && (got = read(pipes[0], text + len, sizeof text - 1 - len)) > 0) len += (size_t)got;
  (void)close(pipes[0]);
  int status = 0;
  (void)waitpid(child, &status, 0);
  return status == 0 && len > 0 ? strtoll(text, NULL, 10) : status == 0 ? 0 : -1;
}

char *rig_value(uint64_t seed, size_t len) {
  char *value = malloc(len + 1);
  assert_non_null(value);
  support_random random = {seed * 2654435761u + 1};
  for (size_t i = 0; i < len; i++) value[i] = (char)('a' + support_random_below(&random, 26));
  value[len] = 0;
  return value;
}
