/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes into a namespace. Proves: a warm makes each value of the product once, skips what is there, counts what fails,
 * stops when it is told to, checks everything before it begins, and survives failed allocations and a full disk; the lists
 * of the configuration are made, and mistakes in them are told by their place.
 */
#include "support/support.h"

#include <errno.h>
#include <larder/array.h>
#include <larder/config.h>
#include <larder/recipe.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char config_text[] = "cache:\n"
                                  "  namespaces:\n"
                                  "    kernels:\n"
                                  "      kind: array\n"
                                  "      warm:\n"
                                  "        - {recipe: kernel, alpha: [1.5, 1.8], dt: 0.01, n: [10, 20]}\n"
                                  "        - recipe: kernel\n"
                                  "          alpha: 0.5\n"
                                  "          dt: 1\n"
                                  "          n: 5\n"
                                  "          scale: none\n"
                                  "    stencils: {warm: [{recipe: laplacian, dim: [2, 3]}]}\n"
                                  "    small: {max_entry: 1KiB}\n";

static larder *cache_open(const char *root, const char *text) {
  larder_options options = {.size = sizeof options, .root = root, .config_text = text, .memory_bytes_max = 8 << 20};
  larder *cache = NULL;
  larder_error err = {0};
  larder_err result = larder_open(&options, &cache, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  return cache;
}

static larder_ns *ns_of(larder *cache, const char *name) {
  larder_ns *ns = NULL;
  assert_ok(larder_ns_open(cache, name, &ns, NULL));
  return ns;
}

static const larder_param product[] = {{"alpha", "1.5,1.8"}, {"dt", "0.01"}, {"n", "100,200,300"}};

typedef struct heard {
  size_t keys;
  size_t failed;
  uint64_t stop_after;
  char last_reason[504];
} heard;

static bool listen(void *context, const larder_warm_progress *p) {
  heard *h = context;
  if (p->key == NULL) return true;
  h->keys++;
  assert_true(p->made + p->there + p->failed <= p->total);
  if (p->result < 0 || p->result == LARDER_NOT_KEPT) {
    h->failed++;
    memcpy(h->last_reason, p->reason, strlen(p->reason) + 1);
  }
  return h->stop_after == 0 || h->keys < h->stop_after;
}

static void the_product_is_made_once_and_skipped_the_next_time(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  larder_ns *ns = ns_of(cache, "kernels");
  heard h = {0};
  larder_warmed done = {0};
  larder_warm_options how = {.size = sizeof how, .parallel = 4, .progress = listen, .context = &h};
  assert_ok(larder_warm_recipe(ns, "kernel", product, 3, &how, &done, NULL));
  assert_int_equal(done.total, 6);
  assert_int_equal(done.made, 6);
  assert_int_equal(done.there + done.failed, 0);
  assert_int_equal(h.keys, 6);
  assert_false(done.stopped);
  assert_true(done.bytes > 2 * 600 * 8);
  assert_ok(larder_warm_recipe(ns, "kernel", product, 3, NULL, &done, NULL));
  assert_int_equal(done.there, 6);
  assert_int_equal(done.made, 0);
  how.fresh = true;
  assert_ok(larder_warm_recipe(ns, "kernel", product, 3, &how, &done, NULL));
  assert_int_equal(done.made, 6);
  larder_array_pin pin;
  assert_ok(larder_array_get(ns, "kernel_alpha1.8_dt0.01_n200", 27, NULL, &pin, NULL));
  assert_int_equal(pin.array.count, 200);
  assert_true(fabs(((const double *)pin.array.data)[1] + 1.8 * pow(0.01, 1.8)) < 1e-18);
  larder_facts facts;
  assert_ok(larder_value_facts(&pin.value, &facts));
  assert_int_equal(facts.kind, LARDER_KIND_ARRAY);
  larder_array_unpin(&pin);
  assert_ok(larder_close(&cache));
}

static void a_warm_stops_when_it_is_told_to(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  larder_ns *ns = ns_of(cache, "kernels");
  heard h = {.stop_after = 1};
  larder_warmed done = {0};
  larder_warm_options how = {.size = sizeof how, .parallel = 1, .progress = listen, .context = &h};
  char many[4000] = "1";
  for (int i = 2; i <= 500; i++) snprintf(many + strlen(many), sizeof many - strlen(many), ",%d", i);
  const larder_param params[] = {{"alpha", "0.5"}, {"dt", "1"}, {"n", many}};
  assert_ok(larder_warm_recipe(ns, "kernel", params, 3, &how, &done, NULL));
  assert_true(done.stopped);
  assert_true(done.made >= 1 && done.made < 500);
  assert_int_equal(done.failed, 0);
  uint64_t made = done.made;
  assert_ok(larder_warm_recipe(ns, "kernel", params, 3, NULL, &done, NULL));
  assert_int_equal(done.there, made);
  assert_int_equal(done.made, 500 - made);
  assert_ok(larder_close(&cache));
}

static void nothing_is_made_when_any_value_is_wrong(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  larder_ns *ns = ns_of(cache, "kernels");
  larder_error err;
  larder_warmed done = {.total = 77};
  const larder_param bad[] = {{"alpha", "1.5,eleven"}, {"dt", "0.01"}, {"n", "100"}};
  assert_err(larder_warm_recipe(ns, "kernel", bad, 3, NULL, &done, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "alpha cannot be 'eleven'"));
  assert_int_equal(done.total, 77);
  assert_err(larder_exists(ns, "kernel_alpha1.5_dt0.01_n100", 27), LARDER_MISS);
  const larder_param gap[] = {{"alpha", "1.5,,1"}, {"dt", "0.01"}, {"n", "100"}};
  assert_err(larder_warm_recipe(ns, "kernel", gap, 3, NULL, &done, &err), LARDER_EINVAL);
  assert_err(larder_warm_recipe(ns, "kernels", product, 3, NULL, &done, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "there are: kernel, laplacian"));
  assert_err(larder_warm_recipe(NULL, "kernel", product, 3, NULL, &done, &err), LARDER_EINVAL);
  const larder_param together[] = {{"dim", "2"}, {"form", "stencil"}, {"n", "4x4"}};
  assert_err(larder_warm_recipe(ns, "laplacian", together, 3, NULL, &done, &err), LARDER_EINVAL);
  const larder_param apart[] = {{"dim", "3"}, {"form", "matrix"}, {"n", "4x4"}};
  assert_err(larder_warm_recipe(ns, "laplacian", apart, 3, NULL, &done, &err), LARDER_EINVAL);
  assert_ok(larder_close(&cache));
}

static void more_values_than_the_limit_are_refused(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  char *many = test_malloc(2 * 400);
  for (size_t i = 0; i < 400; i++) memcpy(many + 2 * i, "1,", 2);
  many[2 * 400 - 1] = '\0';
  const larder_param params[] = {{"alpha", many}, {"dt", many}, {"n", "1"}};
  larder_warmed done;
  larder_error err;
  assert_err(larder_warm_recipe(ns_of(cache, "k"), "kernel", params, 3, NULL, &done, &err), LARDER_ETOOBIG);
  test_free(many);
  assert_ok(larder_close(&cache));
}

static void a_value_that_is_not_kept_is_counted_with_its_reason(void **state) {
  larder *cache = cache_open(*state, config_text);
  heard h = {0};
  larder_warmed done = {0};
  larder_warm_options how = {.size = sizeof how, .progress = listen, .context = &h};
  const larder_param params[] = {{"alpha", "1"}, {"dt", "1"}, {"n", "10,1000"}};
  assert_ok(larder_warm_recipe(ns_of(cache, "small"), "kernel", params, 3, &how, &done, NULL));
  assert_int_equal(done.made, 1);
  assert_int_equal(done.failed, 1);
  assert_int_equal(h.failed, 1);
  assert_non_null(strstr(h.last_reason, "max_entry"));
  const larder_param large[] = {{"shape", "gaussian"}, {"width", "1"}, {"n", "100000x100000"}};
  larder_error err;
  assert_err(larder_recipe_make(ns_of(cache, "small"), "profile", large, 3, &err), LARDER_ETOOBIG);
  assert_true(err.message[0] != '\0');
  assert_ok(larder_close(&cache));
}

static void what_the_configuration_lists_is_made(void **state) {
  larder *cache = cache_open(*state, config_text);
  larder_warmed done = {0};
  larder_error err;
  assert_ok(larder_warm_configured(cache, ns_of(cache, "stencils"), NULL, &done, &err));
  assert_int_equal(done.made, 2);
  assert_ok(larder_warm_configured(cache, NULL, NULL, &done, &err));
  assert_int_equal(done.total, 7);
  assert_int_equal(done.there, 2);
  assert_int_equal(done.made, 5);
  assert_ok(larder_exists(ns_of(cache, "kernels"), "kernel_alpha0.5_dt1_n5_scalenone", 32));
  assert_ok(larder_exists(ns_of(cache, "stencils"), "laplacian_dim3", 14));
  assert_err(larder_warm_configured(cache, ns_of(cache, "small"), NULL, &done, &err), LARDER_MISS);
  assert_ok(larder_close(&cache));
}

static void mistakes_in_the_list_are_told_by_their_place(void **state) {
  larder *cache = cache_open(*state, "cache:\n  namespaces:\n    k:\n      warm:\n      - {recipe: kernel, alpha: 1}\n");
  larder_warmed done;
  larder_error err;
  assert_err(larder_warm_configured(cache, NULL, NULL, &done, &err), LARDER_ECONFIG);
  assert_non_null(strstr(err.message, ":5:9: kernel: dt must be given"));
  assert_ok(larder_close(&cache));
}

static void lists_that_are_none_are_refused_when_the_file_is_read(void **state) {
  static const char *const bad[] = {
      "cache: {namespaces: {k: {warm: kernel}}}",
      "cache: {namespaces: {k: {warm: [kernel]}}}",
      "cache: {namespaces: {k: {warm: [{alpha: 1}]}}}",
      "cache: {namespaces: {k: {warm: [{recipe: [a], b: {c: 1}}]}}}",
      "cache: {namespaces: {k: {warm: [{recipe: a, b: []}]}}}",
      "cache: {defaults: {warm: [{recipe: kernel}]}}",
      "cache: {namespaces: {k: {warm: [{recipe: a, b: 1, b: 2}]}}}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    larder_options options = {.size = sizeof options, .root = *state, .config_text = bad[i]};
    larder *cache = NULL;
    larder_error err = {0};
    assert_err(larder_open(&options, &cache, &err), LARDER_ECONFIG);
    assert_non_null(strstr(err.message, "expected"));
  }
}

static void making_survives_every_failed_allocation(void **state) {
  larder *cache = cache_open(*state, "cache: {}");
  larder_ns *ns = ns_of(cache, "n");
  static const larder_param kernel[] = {{"alpha", "1"}, {"dt", "1"}, {"n", "9"}};
  static const larder_param stencil[] = {{"dim", "2"}, {"form", "matrix"}, {"n", "3"}};
  static const larder_param echo[] = {{"alpha", "1"}, {"tau0", "1"}, {"count", "9"}};
  static const larder_param random[] = {{"shape", "random"}, {"n", "9x9"}, {"width", "1"}};
  static const larder_param zones[] = {{"n", "9x9"}, {"zones", "box:0:0:3:3:1"}, {"smoothing", "1"}};
  const struct {
    const char *recipe;
    const larder_param *params;
  } all[] = {{"kernel", kernel}, {"laplacian", stencil}, {"echo", echo}, {"profile", random}, {"sources", zones}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    for (uint64_t n = 1;; n++) {
      larder_error err = {0};
      support_alloc_fail_at(n);
      larder_err result = larder_recipe_make(ns, all[i].recipe, all[i].params, 3, &err);
      bool failed = support_alloc_end() >= n;
      /* The tiers work around theirs. */
      assert_true(result == LARDER_ENOMEM || result == LARDER_OK || result == LARDER_DEGRADED || result == LARDER_NOT_KEPT);
      if (result == LARDER_ENOMEM) assert_true(err.message[0] != '\0');
      if (!failed) break;
    }
  }
  assert_ok(larder_close(&cache));
}

static void a_warm_survives_every_failed_allocation(void **state) {
  larder *cache = cache_open(*state, config_text);
  larder_ns *ns = ns_of(cache, "stencils");
  assert_ok(larder_warm_configured(cache, ns, NULL, NULL, NULL));
  for (uint64_t n = 1;; n++) {
    larder_warmed done = {0};
    larder_warm_options how = {.size = sizeof how, .parallel = 1};
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = larder_warm_configured(cache, ns, &how, &done, NULL);
    bool failed = support_alloc_end() >= n;
    assert_int_equal(support_alloc_live(), live);
    assert_true(result == LARDER_OK || result == LARDER_ENOMEM);
    if (!failed) {
      assert_int_equal(done.there, 2);
      break;
    }
  }
  assert_ok(larder_close(&cache));
}

static void a_full_disk_fails_values_and_not_the_warm(void **state) {
  larder *cache = cache_open(*state, "cache: {sqlite: {blob_threshold: 1KiB}, memory: {enable: false}}");
  larder_ns *ns = ns_of(cache, "kernels");
  larder_warmed done = {0};
  support_fs_fail_from(LRD_FS_WRITE, 1, ENOSPC);
  larder_err result = larder_warm_recipe(ns, "kernel", product, 3, NULL, &done, NULL);
  (void)support_fs_end();
  assert_ok(result);
  assert_int_equal(done.total, 6);
  assert_int_equal(done.made + done.failed, 6);
  larder_value value = {0};
  assert_ok(larder_warm_recipe(ns, "kernel", product, 3, NULL, &done, NULL));
  assert_int_equal(done.failed, 0);
  assert_ok(larder_get(ns, "kernel_alpha1.8_dt0.01_n300", 27, NULL, &value));
  larder_value_release(&value);
  assert_ok(larder_close(&cache));
}

static void every_recipe_is_described_whole(void **state) {
  (void)state;
  char *page = NULL;
  const larder_recipe *recipe = NULL;
  assert_ok(larder_recipe_reference(&page));
  for (size_t i = 0; (recipe = larder_recipe_at(i)) != NULL; i++) {
    assert_ptr_equal(larder_recipe_find(recipe->name), recipe);
    assert_true(recipe->params_count <= LARDER_RECIPE_PARAMS_MAX);
    for (size_t j = 0; j < recipe->params_count; j++) {
      assert_non_null(strstr(page, recipe->params[j].sentence));
      assert_null(strchr(recipe->params[j].name, '_'));
    }
  }
  assert_null(larder_recipe_find("nothing"));
  assert_null(larder_recipe_find(NULL));
  larder_text_free(page);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(the_product_is_made_once_and_skipped_the_next_time),
      SUPPORT_DIR_TEST(a_warm_stops_when_it_is_told_to),
      SUPPORT_DIR_TEST(nothing_is_made_when_any_value_is_wrong),
      SUPPORT_DIR_TEST(more_values_than_the_limit_are_refused),
      SUPPORT_DIR_TEST(a_value_that_is_not_kept_is_counted_with_its_reason),
      SUPPORT_DIR_TEST(what_the_configuration_lists_is_made),
      SUPPORT_DIR_TEST(mistakes_in_the_list_are_told_by_their_place),
      SUPPORT_DIR_TEST(lists_that_are_none_are_refused_when_the_file_is_read),
      SUPPORT_DIR_TEST(making_survives_every_failed_allocation),
      SUPPORT_DIR_TEST(a_warm_survives_every_failed_allocation),
      SUPPORT_DIR_TEST(a_full_disk_fails_values_and_not_the_warm),
      cmocka_unit_test(every_recipe_is_described_whole),
  };
  return cmocka_run_group_tests_name("recipe_warm", tests, NULL, NULL);
}
