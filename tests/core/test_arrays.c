/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays put into a namespace and got as views that stay, from memory and from below; what a put refuses by its kind. */
#include "support/support.h"

#include "base/clock.h"
#include "larder_testing.h"
#include <larder/array.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *both, *below, *queued, *filed;
  char warned[64];
} fixture;

static void warning_note(void *context, int level, const char *id, const char *message) {
  fixture *f = context;
  (void)message;
  if (level == LARDER_LOG_WARN) (void)snprintf(f->warned, sizeof f->warned, "%s", id);
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  larder_options options = {.size = sizeof options,
                            .root = f->root,
                            .log = warning_note,
                            .log_context = f,
                            .log_level = LARDER_LOG_WARN,
                            .config_text = "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    both: {kind: array}\n"
                                           "    below: {tiers: [sqlite]}\n"
                                           "    queued: {kind: json, durability: behind}\n"
                                           "    filed: {tiers: [files]}\n"};
  assert_ok(lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, NULL));
  assert_ok(larder_ns_open(f->cache, "both", &f->both, NULL));
  assert_ok(larder_ns_open(f->cache, "below", &f->below, NULL));
  assert_ok(larder_ns_open(f->cache, "queued", &f->queued, NULL));
  assert_ok(larder_ns_open(f->cache, "filed", &f->filed, NULL));
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

/* Of a plain file and of a stored archive, whose members lie one behind the other. */
static void a_large_array_in_a_file_is_mapped_and_aligned(void **state) {
  fixture *f = *state;
  double *large = calloc(100000, sizeof *large);
  assert_non_null(large);
  large[99999] = 7;
  larder_array array = {.dtype = "<f8", .dims = 1, .shape = {100000}, .data = large, .len = 100000 * sizeof *large};
  larder_array members[2] = {array, array};
  members[0].name = "a";
  members[1].name = "another";
  assert_ok(larder_array_put(f->filed, "one", 3, &array, 1, NULL, NULL));
  assert_ok(larder_array_put(f->filed, "two", 3, members, 2, NULL, NULL));
  for (size_t i = 0; i < 3; i++) {
    static const char *const names[] = {NULL, "a", "another"};
    larder_array_pin pin = {0};
    assert_ok(larder_array_get(f->filed, i ? "two" : "one", 3, names[i], &pin, NULL));
    assert_string_equal(pin.value.tier, "files");
    assert_int_equal((uintptr_t)pin.array.data % LARDER_ARRAY_ALIGNMENT, 0);
    assert_null(pin.array.own);
    assert_memory_equal(pin.array.data, large, array.len);
    larder_array_unpin(&pin);
  }
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

static void a_put_refuses_what_is_not_what_its_kind_says_and_changes_nothing(void **state) {
  fixture *f = *state;
  larder_put_options json = {.size = sizeof json, .kind = LARDER_KIND_JSON};
  larder_value value = {0};
  larder_ns *spaces[] = {f->below, f->queued};
  for (size_t i = 0; i < 2; i++) {
    assert_ok(larder_put(spaces[i], "k", 1, "[1]", 3, &json));
    assert_err(larder_put(spaces[i], "k", 1, "[1", 2, i ? NULL : &json), LARDER_EFORMAT);
    larder_item items[3] = {{.key = "a", .key_len = 1, .value = "{}", .value_len = 2, .options = &json},
                            {.key = "k", .key_len = 1, .value = "{", .value_len = 1, .options = &json},
                            {.key = "b", .key_len = 1, .value = "true", .value_len = 4, .options = &json}};
    assert_ok(larder_put_many(spaces[i], items, 3));
    assert_ok(items[0].result);
    assert_err(items[1].result, LARDER_EFORMAT);
    assert_ok(items[2].result);
    assert_ok(larder_get(spaces[i], "k", 1, NULL, &value));
    assert_int_equal(value.len, 3);
    larder_value_release(&value);
  }
  assert_err(larder_put(f->both, "k", 1, "no array", 8, NULL), LARDER_EFORMAT);
  larder_policy policy = {0};
  larder_ns_policy(f->queued, &policy);
  assert_int_equal(policy.kind, LARDER_KIND_JSON);
}

static void a_pickle_is_kept_with_a_warning(void **state) {
  fixture *f = *state;
  larder_put_options model = {.size = sizeof model, .kind = LARDER_KIND_MODEL};
  assert_ok(larder_put(f->below, "k", 1, "\x80\x02}.", 4, &model));
  assert_string_equal(f->warned, "kind.pickle");
  assert_err(larder_put(f->below, "k", 1, "GIF89a", 6, &model), LARDER_EFORMAT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_array_comes_back_from_every_tier_where_it_can_be_read, setup, teardown),
      cmocka_unit_test_setup_teardown(a_large_array_is_not_copied_out_of_memory, setup, teardown),
      cmocka_unit_test_setup_teardown(a_large_array_in_a_file_is_mapped_and_aligned, setup, teardown),
      cmocka_unit_test_setup_teardown(members_are_got_by_name_with_the_options_of_the_put, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_no_array_is_told, setup, teardown),
      cmocka_unit_test_setup_teardown(a_put_refuses_what_is_not_what_its_kind_says_and_changes_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(a_pickle_is_kept_with_a_warning, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
