/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays put into a namespace and got as views that stay, from memory and from below. */
#include "support/support.h"

#include "base/clock.h"
#include "larder_testing.h"
#include <larder/array.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *both, *below;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  larder_options options = {.size = sizeof options,
                            .root = f->root,
                            .config_text = "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    both: {kind: array}\n"
                                           "    below: {tiers: [sqlite]}\n"};
  assert_ok(lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, NULL));
  assert_ok(larder_ns_open(f->cache, "both", &f->both, NULL));
  assert_ok(larder_ns_open(f->cache, "below", &f->below, NULL));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  int bad = larder_close(&f->cache) != LARDER_OK;
  support_dir_remove(&f->root);
  free(f);
  return bad;
}

static const double SOME[6] = {1, 2, 3, 4, 5, 6};
static larder_array some(const char *name) {
  return (larder_array){.name = name, .dtype = "<f8", .dims = 2, .shape = {2, 3}, .data = SOME, .len = sizeof SOME};
}

static void an_array_comes_back_from_every_tier_where_it_can_be_read(void **state) {
  fixture *f = *state;
  larder_array array = some(NULL);
  /* Keys of every length: the value lies at every address modulo 8. */
  for (size_t len = 1; len <= 16; len++) {
    larder_ns *spaces[] = {f->both, f->below};
    for (size_t i = 0; i < 2; i++) {
      larder_array_pin pin = {0};
      assert_ok(larder_array_put(spaces[i], "a key of 16 byte", len, &array, 1, NULL, NULL));
      assert_ok(larder_array_get(spaces[i], "a key of 16 byte", len, NULL, &pin, NULL));
      assert_string_equal(pin.value.tier, i ? "sqlite" : "memory");
      assert_int_equal((uintptr_t)pin.array.data % 8, 0);
      assert_memory_equal(pin.array.data, SOME, sizeof SOME);
      assert_int_equal(pin.array.shape[1], 3);
      larder_facts facts = {0};
      assert_ok(larder_value_facts(&pin.value, &facts));
      assert_int_equal(facts.kind, LARDER_KIND_ARRAY);
      larder_array_unpin(&pin);
      larder_array_unpin(&pin);
    }
  }
}

static void a_large_array_is_not_copied_out_of_memory(void **state) {
  fixture *f = *state;
  double *large = calloc(100000, sizeof *large);
  assert_non_null(large);
  larder_array array = {.dtype = "<f8", .dims = 1, .shape = {100000}, .data = large, .len = 100000 * sizeof *large};
  larder_array_pin one = {0}, two = {0};
  assert_ok(larder_array_put(f->both, "k", 1, &array, 1, NULL, NULL));
  assert_ok(larder_array_get(f->both, "k", 1, NULL, &one, NULL));
  assert_ok(larder_array_get(f->both, "k", 1, NULL, &two, NULL));
  assert_ptr_equal(one.array.data, two.array.data);
  assert_null(one.array.own);
  /* What is pinned stays, whatever happens to its entry. */
  assert_ok(larder_delete(f->both, "k", 1));
  assert_memory_equal(one.array.data, large, array.len);
  larder_array_unpin(&one);
  larder_array_unpin(&two);
  free(large);
}

static void members_are_got_by_name_with_the_options_of_the_put(void **state) {
  fixture *f = *state;
  static const char *const tags[] = {"run7"};
  larder_array arrays[2] = {some("a"), some("b")};
  larder_put_options how = {.size = sizeof how, .kind = LARDER_KIND_TEXT, .version = "3", .tags = tags, .tags_count = 1};
  for (unsigned deflate = 0; deflate < 2; deflate++) {
    larder_array_options options = {.size = sizeof options, .deflate = deflate, .put = &how};
    larder_array_pin pin = {0};
    larder_facts facts = {0};
    larder_error err = {0};
    assert_ok(larder_array_put(f->both, "k", 1, arrays, 2, &options, &err));
    assert_ok(larder_array_get(f->both, "k", 1, "b", &pin, &err));
    assert_memory_equal(pin.array.data, SOME, sizeof SOME);
    assert_ok(larder_value_facts(&pin.value, &facts));
    assert_int_equal(facts.kind, LARDER_KIND_ARRAY);
    assert_int_equal(facts.version_len, 1);
    larder_array_unpin(&pin);
    assert_err(larder_array_get(f->both, "k", 1, "c", &pin, &err), LARDER_MISS);
    assert_err(larder_array_get(f->both, "k", 1, NULL, &pin, &err), LARDER_EINVAL);
    assert_err(larder_array_get(f->both, "none", 4, "b", &pin, &err), LARDER_MISS);
  }
}

static void what_is_no_array_is_told(void **state) {
  fixture *f = *state;
  larder_error err = {0};
  larder_array_pin pin = {0};
  larder_array array = some(NULL);
  assert_ok(larder_put(f->below, "k", 1, "hello", 5, NULL));
  assert_err(larder_array_get(f->below, "k", 1, NULL, &pin, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "is no whole .npy"));
  assert_err(larder_array_put(NULL, "k", 1, &array, 1, NULL, &err), LARDER_EINVAL);
  assert_err(larder_array_put(f->both, "", 0, &array, 1, NULL, &err), LARDER_EINVAL);
  assert_err(larder_array_get(f->both, "", 0, NULL, &pin, &err), LARDER_EINVAL);
  assert_err(larder_array_get(f->both, "k", 1, NULL, NULL, &err), LARDER_EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_array_comes_back_from_every_tier_where_it_can_be_read, setup, teardown),
      cmocka_unit_test_setup_teardown(a_large_array_is_not_copied_out_of_memory, setup, teardown),
      cmocka_unit_test_setup_teardown(members_are_got_by_name_with_the_options_of_the_put, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_no_array_is_told, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
