/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises 3 and 4 under kill -9: a process with two writing threads is killed at a random moment, the root is opened anew,
 * and each durability's word is checked.
 *
 *   commit, sync   every acknowledged put is there, or a newer one that was under way; every acknowledged delete holds
 *   behind         per key what is there was put; a put that was followed by flush is there, or a newer one; every
 *                  acknowledged delete holds
 *   all            no half entry: a value is one that was put, whole; the facts belong to it; the root validates clean
 *
 * Keys belong to one thread each, so their order is known. 20 kills in all by default; LARDER_LONG=1 or a number as the
 * argument: that many for each durability. A tier that acknowledges before it has committed fails here.
 */
#include "support/support.h"

#include "base/hash.h"
#include <larder/larder.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEYS    40u
#define THREADS 2u
#define HISTORY 4096u

static unsigned kills = 7;
static const char *tiers = "memory, sqlite";

typedef struct key_log {
  _Atomic uint64_t begun;         /* sequence of the last write that began */
  _Atomic uint64_t acknowledged;  /* of the last that was acknowledged */
  _Atomic uint64_t sure;          /* of the last that is safe also `behind`: deleted, or covered by a later flush */
  _Atomic bool deletion[HISTORY]; /* by sequence modulo HISTORY */
} key_log;

typedef struct arena {
  _Atomic uint64_t writes;
  key_log keys[KEYS];
} arena;

typedef struct value_head {
  uint64_t sum;
  uint64_t sequence;
  uint32_t key;
  uint32_t len;
} value_head;

typedef struct writer {
  arena *arena;
  larder *cache;
  larder_ns *ns;
  unsigned thread;
  uint64_t seed;
  bool behind;
} writer;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void config_of(const char *durability, char *out, size_t room) {
  (void)snprintf(out, room, "cache:\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: [%s], ttl: 1h, durability: %s}\n",
                 tiers, durability);
}

static larder *open_root(const char *root, const char *durability, larder_ns **ns) {
  char config[300];
  larder *cache = NULL;
  larder_error err = {0};
  config_of(durability, config, sizeof config);
  larder_options options = {.size = sizeof options, .root = root, .config_text = config};
  if (larder_open(&options, &cache, &err) != LARDER_OK || larder_ns_open(cache, "n", ns, &err) != LARDER_OK) {
    (void)fprintf(stderr, "open: %s\n", err.message);
    return NULL;
  }
  return cache;
}

/* Mostly small values, now and then one that becomes a blob file. */
static size_t fill_value(uint8_t *out, unsigned key, uint64_t sequence) {
  value_head head = {.sequence = sequence, .key = key};
  head.len = (uint32_t)(sizeof head + sequence % 700 + (sequence % 37 == 0 ? 70000 : 0));
  memset(out, (int)(sequence & 0xff), head.len);
  memcpy(out, &head, sizeof head);
  head.sum = lrd_sum64(out + 8, head.len - 8);
  memcpy(out, &head, sizeof head);
  return head.len;
}

static void *write_for_ever(void *context) {
  writer *w = context;
  support_random random = {w->seed + w->thread};
  uint8_t *value = malloc(80000);
  char name[16];
  if (!value) _exit(5);
  for (;;) {
    unsigned key = (unsigned)support_random_below(&random, KEYS / THREADS) * THREADS + w->thread;
    key_log *log = &w->arena->keys[key];
    uint64_t sequence = atomic_load(&log->begun) + 1;
    bool deletion = support_random_below(&random, 10) == 0;
    int name_len = snprintf(name, sizeof name, "key-%u", key);
    atomic_store(&log->deletion[sequence % HISTORY], deletion);
    atomic_store(&log->begun, sequence);
    larder_err result;
    if (deletion) {
      result = larder_delete(w->ns, name, (size_t)name_len);
    } else {
      result = larder_put(w->ns, name, (size_t)name_len, value, fill_value(value, key, sequence), NULL);
    }
    if (result == LARDER_OK || (deletion && result == LARDER_MISS)) {
      atomic_store(&log->acknowledged, sequence);
      if (deletion) atomic_store(&log->sure, sequence);
      atomic_fetch_add(&w->arena->writes, 1);
    }
    if (w->behind && support_random_below(&random, 300) == 0 && larder_flush(w->cache) == LARDER_OK) {
      for (unsigned k = w->thread; k < KEYS; k += THREADS)
        atomic_store(&w->arena->keys[k].sure, atomic_load(&w->arena->keys[k].acknowledged));
    }
  }
  return NULL;
}

static void run_victim(arena *a, const char *root, const char *durability, uint64_t seed) {
  writer writers[THREADS];
  pthread_t threads[THREADS];
  larder_ns *ns = NULL;
  larder *cache = open_root(root, durability, &ns);
  if (!cache) _exit(3);
  for (unsigned t = 0; t < THREADS; t++) {
    writers[t] = (writer){a, cache, ns, t, seed, strcmp(durability, "behind") == 0};
    if (pthread_create(&threads[t], NULL, write_for_ever, &writers[t]) != 0) _exit(4);
  }
  for (;;) pause();
}

/* The oldest sequence that may be found: all that the durability promised, or later. */
static uint64_t least_of(const key_log *log, bool behind) { return atomic_load(behind ? &log->sure : &log->acknowledged); }

static void check_key(larder_ns *ns, const key_log *log, unsigned key, bool behind) {
  static uint8_t wanted[80000];
  char name[16];
  larder_value value = {0};
  int name_len = snprintf(name, sizeof name, "key-%u", key);
  uint64_t least = least_of(log, behind);
  uint64_t most = atomic_load(&log->begun);
  larder_err result = larder_get(ns, name, (size_t)name_len, NULL, &value);
  if (result == LARDER_MISS) {
    bool explained = least == 0;
    for (uint64_t s = least; s <= most && !explained; s++) explained = atomic_load(&log->deletion[s % HISTORY]);
    if (!explained) fail_msg("key %u: nothing there, but put %llu was promised", key, (unsigned long long)least);
    return;
  }
  assert_ok(result);
  value_head head = {0};
  assert_true(value.len >= sizeof head);
  memcpy(&head, value.data, sizeof head);
  if (head.key != key || head.sequence > most || head.sequence < least)
    fail_msg("key %u: found write %llu of key %u, promised %llu to %llu", key, (unsigned long long)head.sequence, head.key,
             (unsigned long long)least, (unsigned long long)most);
  assert_int_equal(value.len, fill_value(wanted, key, head.sequence));
  assert_memory_equal(value.data, wanted, value.len);
  larder_value_release(&value);
}

static void check_root(const char *root, const char *durability, const arena *a) {
  larder_ns *ns = NULL;
  larder_validation report = {0};
  larder *cache = open_root(root, durability, &ns);
  assert_non_null(cache);
  for (unsigned k = 0; k < KEYS; k++) check_key(ns, &a->keys[k], k, strcmp(durability, "behind") == 0);
  assert_ok(larder_validate(cache, NULL, false, &report, NULL, NULL));
  assert_int_equal(report.damaged, 0);
  assert_ok(larder_close(&cache));
}

/* What the next victim starts from: what is there now counts as flushed and acknowledged. */
static void log_settle(const char *root, const char *durability, arena *a) {
  larder_ns *ns = NULL;
  larder *cache = open_root(root, durability, &ns);
  assert_non_null(cache);
  for (unsigned k = 0; k < KEYS; k++) {
    key_log *log = &a->keys[k];
    char name[16];
    int name_len = snprintf(name, sizeof name, "key-%u", k);
    uint64_t sequence = atomic_load(&log->begun) + 1;
    static uint8_t value[80000];
    assert_ok(larder_put(ns, name, (size_t)name_len, value, fill_value(value, k, sequence), NULL));
    atomic_store(&log->deletion[sequence % HISTORY], false);
    atomic_store(&log->begun, sequence);
    atomic_store(&log->acknowledged, sequence);
    atomic_store(&log->sure, sequence);
  }
  assert_ok(larder_close(&cache));
}

static void campaign(const char *root, const char *durability) {
  support_random random = {(uint64_t)now_ns()};
  arena *a = mmap(NULL, sizeof *a, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(a != MAP_FAILED);
  for (unsigned n = 0; n < kills; n++) {
    uint64_t seed = support_random_next(&random);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) run_victim(a, root, durability, seed);
    uint64_t before = atomic_load(&a->writes);
    for (unsigned waited = 0; atomic_load(&a->writes) < before + 2 && waited < 120000; waited++)
      nanosleep(&(struct timespec){0, 1000000}, NULL);
    assert_true(atomic_load(&a->writes) >= before + 2);
    nanosleep(&(struct timespec){0, (long)support_random_below(&random, 250000000)}, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    check_root(root, durability, a);
    log_settle(root, durability, a);
  }
  print_message("%s: %u kills, %llu acknowledged writes\n", durability, kills, (unsigned long long)atomic_load(&a->writes));
  (void)munmap(a, sizeof *a);
}

static void commit_keeps_its_promise(void **state) { campaign(*state, "commit"); }
static void sync_keeps_its_promise(void **state) { campaign(*state, "sync"); }
static void behind_keeps_its_promise(void **state) { campaign(*state, "behind"); }

static void campaign_over_files(const char *root, const char *durability) {
  tiers = "memory, files";
  campaign(root, durability);
}
static void commit_to_files_keeps_its_promise(void **state) { campaign_over_files(*state, "commit"); }
static void sync_to_files_keeps_its_promise(void **state) { campaign_over_files(*state, "sync"); }

int main(int argc, char **argv) {
  if (getenv("LARDER_LONG")) kills = 67;
  if (argc > 1) kills = (unsigned)atoi(argv[1]);
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(commit_keeps_its_promise),        SUPPORT_DIR_TEST(sync_keeps_its_promise),
      SUPPORT_DIR_TEST(behind_keeps_its_promise),        SUPPORT_DIR_TEST(commit_to_files_keeps_its_promise),
      SUPPORT_DIR_TEST(sync_to_files_keeps_its_promise),
  };
  return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
