/* SPDX-License-Identifier: Apache-2.0 */
/* Where a root may lie: a file system that more than one kernel may write to is refused, unless the configuration allows it. */
#include "support/support.h"

#include <larder/larder.h>
#include <stdlib.h>
#include <string.h>

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

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(a_root_that_hosts_may_share_is_refused_by_name),
      SUPPORT_DIR_TEST(the_configuration_may_allow_it),
      SUPPORT_DIR_TEST(a_local_root_needs_no_leave),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
