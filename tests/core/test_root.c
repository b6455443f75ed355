/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a root may lie: a file system that more than one kernel may write to is refused, unless the configuration allows it.
 * And what is left of a root that was removed under a process that was killed: nothing, once another root was opened.
 */
#include "support/support.h"

#include "core/cache.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NFS  0x6969u
#define FUSE 0x65735546u
#define XFS  0x58465342u

/* Opens a root in the folder, on a file system of that number as far as the library can see; a put and a get where it opens. */
static larder_err open_on(const char *folder, uint64_t magic, const char *config, larder_error *err) {
  char *root = support_path(folder, "root");
  larder *cache = NULL;
  larder_ns *ns = NULL;
  larder_value value = {0};
  larder_options const options = {.size = sizeof options, .root = root, .config_text = config};
  support_fs_claim(magic);
  support_fs_only_path(root);
  larder_err const result = larder_open(&options, &cache, err);
  assert_true(support_fs_end() > 0);
  if (result == LARDER_OK) {
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    assert_ok(larder_put(ns, "k", 1, "v", 1, NULL));
    assert_ok(larder_get(ns, "k", 1, NULL, &value));
    larder_value_release(&value);
  }
  assert_ok(larder_close(&cache));
  free(root);
  return result;
}

static void a_root_that_hosts_may_share_is_refused_by_name(void **state) {
  static const struct {
    uint64_t magic;
    const char *name;
  } cases[] = {{NFS, "lies on nfs,"}, {FUSE, "lies on fuse,"}, {0x12345678, "lies on an unknown file system,"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    larder_error err = {0};
    assert_err(open_on(*state, cases[i].magic, "cache: {}\n", &err), LARDER_EUNSUPPORTED);
    assert_int_equal(err.code, LARDER_EUNSUPPORTED);
    assert_non_null(strstr(err.message, cases[i].name));
    assert_non_null(strstr(err.message, "/root "));
    assert_non_null(strstr(err.message, "shared_filesystem: allow"));
  }
}

static void the_configuration_may_allow_it(void **state) {
  assert_ok(open_on(*state, NFS, "cache: {shared_filesystem: allow}\n", NULL));
  assert_ok(open_on(*state, FUSE, "cache: {shared_filesystem: allow}\n", NULL));
}

static void a_local_root_needs_no_leave(void **state) { assert_ok(open_on(*state, XFS, "cache: {}\n", NULL)); }

/* Opens the root, tells where its figures lie, and waits to be killed. */
static void victim_run(const char *root, int told) {
  larder *cache = NULL;
  char path[128] = {0};
  char here[LRD_ROOT_HERE_MAX + 1];
  larder_options const options = {.size = sizeof options, .root = root, .config_text = "cache: {}\n"};
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (larder_open(&options, &cache, NULL) != LARDER_OK) _exit(1);
  lrd_slots_root_here(cache->slots, here);
  if (lrd_stats_is_shared(cache->stats))
    (void)snprintf(path, sizeof path, "/dev/shm/larder-%lu-%s-%u", (unsigned long)geteuid(), here, lrd_slots_row(cache->slots));
  if (write(told, path, sizeof path) != sizeof path) _exit(1);
  for (;;) pause();
}

static void figures_of_a_removed_root_are_removed_by_the_next_opening_of_any(void **state) {
  char *root = support_path(*state, "victim");
  char path[128];
  int told[2];
  assert_int_equal(pipe(told), 0);
  pid_t const victim = fork();
  if (victim == 0) victim_run(root, told[1]);
  assert_int_equal(read(told[0], path, sizeof path), sizeof path);
  assert_int_equal(kill(victim, SIGKILL), 0);
  assert_int_equal(waitpid(victim, NULL, 0), victim);
  close(told[0]);
  close(told[1]);
  if (path[0] == 0) { /* no shared memory here, and nothing left in it */
    support_dir_remove(&root);
    return;
  }
  assert_ok(open_on(*state, XFS, "cache: {}\n", NULL));
  assert_int_equal(access(path, F_OK), 0);
  support_dir_remove(&root);
  /* an opening looks at a few of all files that this user has there */
  for (unsigned tries = 0; tries < 2000 && access(path, F_OK) == 0; tries++)
    assert_ok(open_on(*state, XFS, "cache: {}\n", NULL));
  assert_int_equal(access(path, F_OK), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(a_root_that_hosts_may_share_is_refused_by_name),
      SUPPORT_DIR_TEST(the_configuration_may_allow_it),
      SUPPORT_DIR_TEST(a_local_root_needs_no_leave),
      SUPPORT_DIR_TEST(figures_of_a_removed_root_are_removed_by_the_next_opening_of_any),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
