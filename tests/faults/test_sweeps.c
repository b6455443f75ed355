/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One short session of the whole cache (open, put, get, list, delete, close), with the first, second, third … allocation
 * failing, then each file operation in turn, then the process ending at each file operation. Every call answers, nothing
 * leaks, and whoever opens the root afterwards finds whole values: what was acknowledged, after an end of the process too.
 */
#include "support/support.h"

#include "larder_testing.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CONFIG "cache:\n  slots: 1024\n  memory: {size_mb: 2}\n  namespaces:\n    n: {tiers: [memory, sqlite], ttl: 1h}\n"
#define KEYS   3u
#define BIG    70000u

typedef struct session {
  const char *root;
  lrd_fs_op op;
  uint64_t n;
  bool opened;
  _Atomic bool *kept; /* acknowledged as LARDER_OK, by key */
} session;

static char big[BIG];
static uint64_t step = 8; /* the later ones are thinned out, save with LARDER_LONG=1 */

static void value_of(unsigned key, const char **value, size_t *len) {
  static const char *const small[] = {"one", "two"};
  *value = key < 2 ? small[key] : big;
  *len = key < 2 ? 3 : BIG;
}

static larder *open_cache(const char *root, lrd_clock_moved *clock) {
  larder *cache = NULL;
  larder_error err;
  larder_options options = {.size = sizeof options, .root = root, .config_text = CONFIG};
  lrd_clock_moved_init(clock, INT64_C(1700000000000));
  return lrd_larder_open_with_clock(&options, &clock->clock, &cache, &err) == LARDER_OK ? cache : NULL;
}

static bool count_one(void *context, const larder_listed *entry) {
  (void)entry;
  (*(unsigned *)context)++;
  return true;
}

/* A found value is whole; with `must`, it is found. */
static bool whole(larder_ns *ns, unsigned key, bool must) {
  const char *wanted;
  size_t len;
  char name[8];
  larder_value value = {0};
  int name_len = snprintf(name, sizeof name, "k%u", key);
  value_of(key, &wanted, &len);
  if (larder_get(ns, name, (size_t)name_len, NULL, &value) != LARDER_OK) return !must;
  bool same = value.len == len && memcmp(value.data, wanted, len) == 0;
  larder_value_release(&value);
  return same;
}

static void run_session(session *s) {
  lrd_clock_moved clock;
  larder_ns *ns = NULL;
  larder *cache = open_cache(s->root, &clock);
  s->opened = cache != NULL;
  if (!cache) return;
  if (larder_ns_open(cache, "n", &ns, NULL) == LARDER_OK) {
    unsigned listed = 0;
    for (unsigned k = 0; k < KEYS; k++) {
      const char *value;
      size_t len;
      char name[8];
      int name_len = snprintf(name, sizeof name, "k%u", k);
      value_of(k, &value, &len);
      atomic_store(&s->kept[k], larder_put(ns, name, (size_t)name_len, value, len, NULL) == LARDER_OK);
      if (!whole(ns, k, false)) abort();
    }
    (void)!larder_list(ns, NULL, true, 0, NULL, count_one, &listed);
    (void)!larder_put(ns, "gone", 4, "x", 1, NULL);
    (void)!larder_delete(ns, "gone", 4);
    lrd_larder_tick(cache);
  }
  (void)larder_close(&cache);
}

static void check_root(const session *s, bool all_kept) {
  lrd_clock_moved clock;
  larder_ns *ns = NULL;
  larder *cache = open_cache(s->root, &clock);
  assert_non_null(cache);
  assert_ok(larder_ns_open(cache, "n", &ns, NULL));
  for (unsigned k = 0; k < KEYS; k++)
    if (!whole(ns, k, all_kept && atomic_load(&s->kept[k])))
      fail_msg("operation %d, number %llu: key %u is not what was put", s->op, (unsigned long long)s->n, k);
  assert_ok(larder_close(&cache));
}

static session begin(const char *folder, const char *stem, uint64_t n, _Atomic bool *kept) {
  char name[40];
  (void)snprintf(name, sizeof name, "%s-%llu", stem, (unsigned long long)n);
  for (unsigned k = 0; k < KEYS; k++) atomic_store(&kept[k], false);
  return (session){.root = support_path(folder, name), .n = n, .kept = kept};
}

static void end(session *s) {
  char *root = (char *)s->root;
  support_dir_remove(&root);
}

static void any_allocation_may_fail(void **state) {
  _Atomic bool kept[KEYS];
  for (uint64_t n = 1;; n++) {
    session s = begin(*state, "alloc", n, kept);
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    run_session(&s);
    bool failed = support_alloc_end() >= n;
    assert_int_equal(support_alloc_live(), live);
    if (n % 8 == 0) check_root(&s, true);
    end(&s);
    assert_true(n < 5000);
    if (!failed) {
      assert_true(s.opened && kept[0] && kept[1] && kept[2]);
      return;
    }
  }
}

static void any_file_operation_may_fail(void **state) {
  static const int codes[] = {ENOSPC, EIO, EACCES};
  _Atomic bool kept[KEYS];
  for (uint64_t n = 1;; n += 1 + n / step) {
    session s = begin(*state, "file", n, kept);
    int64_t live = support_alloc_live();
    support_fs_fail_at(SUPPORT_ANY_OP, n, codes[n % 3]);
    run_session(&s);
    bool failed = support_fs_end() >= n;
    assert_int_equal(support_alloc_live(), live);
    check_root(&s, false);
    end(&s);
    if (!failed) {
      assert_true(s.opened && kept[0] && kept[1] && kept[2]);
      return;
    }
  }
}

static void crash_in_session(void *context) {
  session *s = context;
  support_fs_crash_at(s->op, s->n);
  run_session(s);
  (void)support_fs_end();
}

static void the_process_may_end_at_any_file_operation(void **state) {
  static const lrd_fs_op ops[] = {LRD_FS_WRITE, LRD_FS_SYNC, LRD_FS_RENAME, LRD_FS_OPEN, LRD_FS_TRUNCATE, LRD_FS_UNLINK};
  _Atomic bool *kept = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  unsigned crashes = 0;
  assert_true(kept != MAP_FAILED);
  for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
    for (uint64_t n = 1;; n += 1 + n / step) {
      session s = begin(*state, "crash", n, kept);
      s.op = ops[o];
      int status = support_in_child(crash_in_session, &s);
      assert_true(status == 0 || status == SUPPORT_CRASHED);
      check_root(&s, true);
      end(&s);
      if (status == 0) break;
      crashes++;
    }
  }
  print_message("%u ends of the process\n", crashes);
  assert_true(crashes > 20);
  (void)munmap(kept, 4096);
}

int main(void) {
  if (getenv("LARDER_LONG")) step = UINT64_MAX;
  memset(big, 'b', sizeof big);
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(any_allocation_may_fail),
      SUPPORT_DIR_TEST(any_file_operation_may_fail),
      SUPPORT_DIR_TEST(the_process_may_end_at_any_file_operation),
  };
  return cmocka_run_group_tests_name("sweeps", tests, NULL, NULL);
}
