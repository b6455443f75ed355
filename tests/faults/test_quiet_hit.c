/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory hit makes no system call and no allocation: counted by strace between two marks, and by the allocation gate.
 * Breaks with a lock that sleeps, a clock that is no vDSO call, a copy that is allocated. And what fork leaves working.
 */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <larder/larder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HITS    20000u
#define MARK_FD 1023 /* closed: fcntl on it fails, and stands in the trace */
#define CONFIG  "cache:\n  slots: 1024\n  sweep_interval: 1h\n  namespaces:\n    n: {tiers: [memory, sqlite], ttl: 1h}\n"

static const char *program;

static larder *open_root(const char *root, larder_ns **ns) {
  larder *cache = NULL;
  larder_options options = {.size = sizeof options, .root = root, .config_text = CONFIG};
  if (larder_open(&options, &cache, NULL) != LARDER_OK || larder_ns_open(cache, "n", ns, NULL) != LARDER_OK) return NULL;
  return cache;
}

static unsigned hit_many(larder_ns *ns) {
  unsigned hits = 0;
  for (unsigned i = 0; i < HITS; i++) {
    char room[64];
    size_t len;
    larder_value value = {0};
    hits += larder_get_into(ns, "key", 3, room, sizeof room, &len) == LARDER_OK;
    hits += larder_get(ns, "key", 3, NULL, &value) == LARDER_OK;
    larder_value_release(&value);
  }
  return hits;
}

/* Under strace: the thread that hits sees no call but the two marks. */
static int traced(const char *root) {
  larder_ns *ns = NULL;
  larder *cache = open_root(root, &ns);
  if (!cache || larder_put(ns, "key", 3, "value", 5, NULL) != LARDER_OK) return 3;
  if (hit_many(ns) != 2 * HITS) return 4;
  (void)fcntl(MARK_FD, F_GETFD);
  unsigned hits = hit_many(ns);
  (void)fcntl(MARK_FD, F_GETFD);
  (void)larder_close(&cache);
  return hits == 2 * HITS ? 0 : 5;
}

static int run_strace(const char *root, const char *out) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDERR_FILENO);
    (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* the leak sanitizer traces, too, and one tracer is all */
    /* Without -f: the main thread only, which is the one that hits. */
    execlp("strace", "strace", "-o", out, program, "traced", root, (char *)NULL);
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 127;
  return WEXITSTATUS(status);
}

static void a_hit_makes_no_system_call(void **state) {
  char *root = support_path(*state, "root");
  char *out = support_path(*state, "trace");
  int status = run_strace(root, out);
  if (status == 127 || access(out, R_OK) != 0) {
    print_message("no strace here: not measured\n");
    free(root);
    free(out);
    skip();
  }
  char *trace = support_file_read(out, NULL);
  if (status != 0 && !strstr(trace, "fcntl(1023")) {
    print_message("strace may not trace here: not measured\n");
    free(trace);
    free(root);
    free(out);
    skip();
  }
  assert_int_equal(status, 0);
  char *first = strstr(trace, "fcntl(1023");
  assert_non_null(first);
  char *line = strchr(first, '\n');
  assert_non_null(line);
  if (strncmp(line + 1, "fcntl(1023", 10) != 0) fail_msg("between the marks: %.200s", line + 1);
  free(trace);
  free(root);
  free(out);
}

static void a_hit_allocates_nothing(void **state) {
  larder_ns *ns = NULL;
  larder *cache = open_root(*state, &ns);
  assert_non_null(cache);
  assert_ok(larder_put(ns, "key", 3, "value", 5, NULL));
  assert_int_equal(hit_many(ns), 2 * HITS);
  uint64_t least = UINT64_MAX; /* background threads may allocate meanwhile: a quiet round is proof enough */
  for (unsigned round = 0; round < 20 && least > 0; round++) {
    support_alloc_count();
    assert_int_equal(hit_many(ns), 2 * HITS);
    uint64_t asked = support_alloc_end();
    if (asked < least) least = asked;
  }
  assert_int_equal(least, 0);
  assert_ok(larder_close(&cache));
}

static void child_of_fork(void *context) {
  larder **cache = context;
  larder_ns *ns = NULL;
  larder_value value = {0};
  if (larder_ns_open(*cache, "n", &ns, NULL) == LARDER_OK) {
    if (larder_get(ns, "key", 3, NULL, &value) != LARDER_EFORKED) _exit(31);
    if (larder_put(ns, "key", 3, "child", 5, NULL) != LARDER_EFORKED) _exit(32);
    if (larder_delete(ns, "key", 3) != LARDER_EFORKED) _exit(33);
  }
  char root[500];
  (void)snprintf(root, sizeof root, "%s", larder_root(*cache));
  (void)larder_close(cache);
  larder *mine = open_root(root, &ns);
  if (!mine) _exit(34);
  if (larder_get(ns, "key", 3, NULL, &value) != LARDER_OK || memcmp(value.data, "value", 5) != 0) _exit(35);
  larder_value_release(&value);
  if (larder_put(ns, "from the child", 14, "x", 1, NULL) != LARDER_OK) _exit(36);
  (void)larder_close(&mine);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif

static void a_forked_child_leaves_the_parent_whole(void **state) {
#ifdef UNDER_TSAN
  print_message("the thread sanitizer allows no threads after such a fork: not run\n");
  skip();
#endif
  larder_ns *ns = NULL;
  larder *cache = open_root(*state, &ns);
  larder_value value = {0};
  assert_non_null(cache);
  assert_ok(larder_put(ns, "key", 3, "value", 5, NULL));
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(support_in_child(child_of_fork, &cache), 0);
    assert_ok(larder_get(ns, "from the child", 14, NULL, &value));
    larder_value_release(&value);
    assert_ok(larder_put(ns, "key", 3, "value", 5, NULL));
    assert_ok(larder_delete(ns, "from the child", 14));
  }
  assert_ok(larder_close(&cache));
}

static void two_caches_in_one_process_are_two(void **state) {
  larder_ns *ns[2];
  larder *cache[2];
  larder_value value = {0};
  for (unsigned i = 0; i < 2; i++) {
    char *root = support_path(*state, i ? "b" : "a");
    cache[i] = open_root(root, &ns[i]);
    assert_non_null(cache[i]);
    free(root);
  }
  assert_ok(larder_put(ns[0], "key", 3, "of a", 4, NULL));
  assert_err(larder_get(ns[1], "key", 3, NULL, &value), LARDER_MISS);
  assert_ok(larder_put(ns[1], "key", 3, "of b", 4, NULL));
  assert_ok(larder_close(&cache[0]));
  assert_ok(larder_get(ns[1], "key", 3, NULL, &value));
  assert_memory_equal(value.data, "of b", 4);
  larder_value_release(&value);
  assert_ok(larder_close(&cache[1]));
}

int main(int argc, char **argv) {
  program = argv[0];
  if (argc == 3 && strcmp(argv[1], "traced") == 0) return traced(argv[2]);
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(a_hit_makes_no_system_call),
      SUPPORT_DIR_TEST(a_hit_allocates_nothing),
      SUPPORT_DIR_TEST(a_forked_child_leaves_the_parent_whole),
      SUPPORT_DIR_TEST(two_caches_in_one_process_are_two),
  };
  return cmocka_run_group_tests_name("quiet_hit", tests, NULL, NULL);
}
