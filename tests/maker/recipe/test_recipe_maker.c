/* SPDX-License-Identifier: Apache-2.0 */
/* Values from recipes by their keys: the same as the recipe makes, and no key that says two things. */
#include "support/support.h"

#include "config/options.h"
#include "maker/making.h"
#include "maker/recipe/recipe_maker.h"
#include "maker/recipe/recipes.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 32u

static lrd_config_maker config_of(const char *recipe) {
  return (lrd_config_maker){
      .type = LRD_MAKER_RECIPE, .what = recipe, .value_bytes_max = 64 << 20, .burst = 1, .retry_delay_ms = 1};
}

static lrd_recipe_maker *maker_of(const char *recipe) {
  lrd_config_maker const config = config_of(recipe);
  lrd_recipe_maker *maker = NULL;
  assert_ok(lrd_recipe_maker_new(&config, "grids", NULL, lrd_clock_real(), &maker, NULL));
  return maker;
}

static larder_err make(lrd_recipe_maker *maker, const char *key, larder_made *made, larder_error *err) {
  larder_making const making = {.size = sizeof making, .key = key, .key_len = strlen(key), .deadline_ns = INT64_MAX};
  *made = (larder_made){.size = sizeof *made};
  return lrd_recipe_maker_make(maker, &making, made, err);
}

static void release(const larder_made *made) {
  if (made->release) made->release(made->release_context, made->value);
}

static void refused(lrd_recipe_maker *maker, const char *key, const char *part) {
  larder_error err = {0};
  larder_made made;
  larder_err result = make(maker, key, &made, &err);
  if (result != LARDER_EINVAL || !strstr(err.message, part))
    fail_msg("%s: %s: %s; wanted: %s", key, larder_err_name(result), err.message, part);
  assert_int_equal(strncmp(err.message, "grids: `", 8), 0);
  assert_null(made.value);
}

static void pairs_and_spelling_make_the_same(void **state) {
  (void)state;
  static const char *const keys[] = {"kernel_alpha1.5_dt0.01_n1000", "|alpha=1.5&dt=0.01&n=1000",
                                     "any:path|n=1000&dt=1e-2&alpha=1.50", "kernel|n=1000&dt=.01&scale=simulation&alpha=%31.5"};
  lrd_recipe_maker *maker = maker_of("kernel");
  const larder_param params[] = {{"alpha", "1.5"}, {"dt", "0.01"}, {"n", "1000"}};
  lrd_params read;
  lrd_buf direct = {0}, none = {0};
  assert_ok(lrd_maker_params_read(&lrd_recipe_kernel, params, 3, &read, NULL));
  assert_ok(lrd_recipe_kernel.make(&read, NULL, &direct, &none, &none, NULL));
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    larder_made made;
    larder_error err = {0};
    if (make(maker, keys[i], &made, &err) != LARDER_OK) fail_msg("%s", err.message);
    assert_int_equal(made.what, LARDER_MADE_VALUE);
    assert_int_equal(made.len, direct.len);
    assert_memory_equal(made.value, direct.data, direct.len);
    assert_int_equal(made.put.kind, LARDER_KIND_ARRAY);
    assert_int_equal(made.put.size, sizeof made.put);
    assert_null(made.put.version);
    release(&made);
  }
  lrd_buf_fini(&direct);
  lrd_recipe_maker_free(maker);
}

static void a_key_that_is_none_is_told(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"kernel", "alpha must be given"},
      {"kernel_alpha1.5", "dt must be given"},
      {"", "the key is none of the recipe kernel; give the parameters behind a `|`, as in `kernel|alpha=…`, or spell it"},
      {"kernels_alpha1.5_dt0.01_n1000", "the key is none"},
      {"profile_alpha1.5_dt0.01_n1000", "the key is none"},
      {"kernel_alpha1.5_dt0.01_n1000_", "the key is none"},
      {"kernel__alpha1.5_dt0.01_n1000", "the key is none"},
      {"kernel_dt0.01_alpha1.5_n1000", "the key is none"}, /* not in the table's order */
      {"kernel_alpha1.5_alpha1.5_dt0.01_n1000", "the key is none"},
      {"kernel_alphaone_dt0.01_n1000", "the key is none"},
      {"kernel_alpha1.50_dt0.01_n1000", "spells this key otherwise: `kernel_alpha1.5_dt0.01_n1000`"},
      {"kernel_alpha1.5_dt0.01_n1000_scalesimulation", "otherwise: `kernel_alpha1.5_dt0.01_n1000`"}, /* the default */
      {"kernel_alpha%31.5_dt0.01_n1000", "otherwise"},
      {"a|alpha=1.5&dt=0.01", "n must be given"},
      {"a|alpha=1.5&dt=0.01&n=1000&beta=2", "kernel has no parameter 'beta'"},
      {"a|alpha=1.5&dt=0.01&n=1000&n=1000", "n is given twice"},
      {"a|alpha=1.5&dt=0.01&n=-1", "n cannot be '-1'"},
      {"a|alpha=1.5&dt=0.01&n=1%00", "or a NUL"},
      {"a|n%00=1", "or a NUL"},
      {"a|a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1", "more pairs than there are parameters"},
      {"a|=1", "has no parameter ''"},
  };
  lrd_recipe_maker *maker = maker_of("kernel");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refused(maker, cases[i][0], cases[i][1]);
  lrd_recipe_maker_free(maker);
  maker = maker_of("wisdom");
  refused(maker, "fftw_64_1_1_cpu", "as in `wisdom|n=…`");
  lrd_recipe_maker_free(maker);
}

static larder_err make_nothing(const lrd_params *params, const lrd_patience *patience, lrd_buf *out, lrd_buf *version_out,
                               lrd_buf *meta_out, larder_error *err) {
  (void)params;
  (void)patience;
  (void)out;
  (void)version_out;
  (void)meta_out;
  (void)err;
  return LARDER_OK;
}

static void a_spelling_that_says_two_things_is_none(void **state) {
  (void)state;
  static const larder_recipe_param rows[] = {{.name = "a", .type = LARDER_RECIPE_TEXT, .fallback = ""},
                                             {.name = "ab", .type = LARDER_RECIPE_TEXT, .fallback = ""}};
  lrd_maker const recipe = {.shown = {.name = "x", .params = rows, .params_count = 2}, .make = make_nothing};
  lrd_params params;
  larder_error err = {0};
  assert_ok(lrd_recipe_key_read(&recipe, "x_ac", 4, &params, &err));
  assert_string_equal(params.at[0].text, "c");
  assert_ok(lrd_recipe_key_read(&recipe, "x", 1, &params, &err));
  assert_ok(lrd_recipe_key_read(&recipe, "x_ac_abd%5F", 11, &params, &err)); /* behind a, only ab is left */
  assert_string_equal(params.at[1].text, "d_");
  assert_err(lrd_recipe_key_read(&recipe, "x_abc", 5, &params, &err), LARDER_EINVAL); /* a is bc, or ab is c */
  assert_non_null(strstr(err.message, "the key is none of the recipe x"));
}

/* Values that a row takes, few of them the default. */
static const char *value_at(const larder_recipe_param *row, support_random *random, char *out, size_t room) {
  static const char *const texts[] = {"", "16,16,4,1", "8,8,2,0.5;3,3,1,2", "a_b%c d"};
  static const char *const sizes[] = {"64", "16x16", "8x8x8", "2x3"};
  unsigned choices = 1;
  const char *at = row->choices;
  switch (row->type) {
  case LARDER_RECIPE_REAL:
    (void)snprintf(out, room, "%.17g",
                   row->min > -10 ? (row->min > 0 ? row->min : 0) + (double)support_random_below(random, 9) / 7
                                  : (double)support_random_below(random, 100) / 7 - 5);
    return out;
  case LARDER_RECIPE_WHOLE:
    (void)snprintf(out, room, "%.0f", row->min + (double)support_random_below(random, 3));
    return out;
  case LARDER_RECIPE_CHOICE:
    for (const char *c = at; *c; c++) choices += *c == ' ';
    for (uint64_t skip = support_random_below(random, choices); skip > 0; skip--) at = strchr(at, ' ') + 1;
    (void)snprintf(out, room, "%.*s", (int)strcspn(at, " "), at);
    return out;
  case LARDER_RECIPE_SIZES:
    return sizes[support_random_below(random, 4)];
  case LARDER_RECIPE_TEXT:
    break;
  }
  return texts[support_random_below(random, 4)];
}

static void what_a_recipe_spells_is_read_as_it_was_meant(void **state) {
  (void)state;
  support_random random = {7};
  unsigned read_back = 0;
  for (size_t r = 0; lrd_recipe_at(r); r++) {
    const lrd_maker *recipe = lrd_recipe_at(r);
    for (unsigned round = 0; round < 3000 && !recipe->key; round++) {
      char room[LARDER_RECIPE_PARAMS_MAX][64];
      larder_param given[LARDER_RECIPE_PARAMS_MAX];
      size_t count = 0;
      lrd_params meant, found;
      lrd_buf key = {0}, again = {0};
      larder_error err = {0};
      for (size_t i = 0; i < recipe->shown.params_count; i++) {
        const larder_recipe_param *row = &recipe->shown.params[i];
        if (row->fallback && support_random_below(&random, 2)) continue;
        given[count].name = row->name;
        given[count].value = value_at(row, &random, room[count], sizeof room[count]);
        count++;
      }
      if (lrd_maker_params_read(recipe, given, count, &meant, NULL) != LARDER_OK) continue;
      assert_ok(lrd_maker_key(recipe, &meant, &key));
      if (lrd_recipe_key_read(recipe, key.data, key.len, &found, &err) != LARDER_OK)
        fail_msg("%.*s: %s", (int)key.len, (const char *)key.data, err.message);
      assert_ok(lrd_maker_key(recipe, &found, &again));
      assert_int_equal(key.len, again.len);
      assert_memory_equal(key.data, again.data, key.len);
      lrd_buf_fini(&key);
      lrd_buf_fini(&again);
      read_back++;
    }
  }
  assert_true(read_back > 3000);
}

static void version_and_metadata_come_along(void **state) {
  (void)state;
  lrd_recipe_maker *maker = maker_of("wisdom");
  larder_made made;
  larder_error err = {0};
  larder_err result = make(maker, "w|n=16&effort=measure&transforms=r2c", &made, &err);
  if (result == LARDER_EUNSUPPORTED) { /* a build without FFTW says so */
    assert_non_null(strstr(err.message, "FFTW"));
  } else {
    if (result != LARDER_OK) fail_msg("%s", err.message);
    assert_int_equal(made.put.kind, LARDER_KIND_WISDOM);
    assert_true(strlen(made.put.version) > 0 && made.put.meta_len > 0);
    release(&made);
  }
  lrd_recipe_maker_free(maker);
}

static void a_value_above_the_limit_is_refused(void **state) {
  (void)state;
  lrd_config_maker config = config_of("kernel");
  lrd_recipe_maker *maker = NULL;
  larder_made made;
  larder_error err = {0};
  config.value_bytes_max = 8128;
  assert_ok(lrd_recipe_maker_new(&config, "grids", NULL, lrd_clock_real(), &maker, NULL));
  assert_ok(make(maker, "k|alpha=1&dt=1&n=1000", &made, &err));
  assert_int_equal(made.len, 8128);
  release(&made);
  assert_err(make(maker, "k|alpha=1&dt=1&n=1001", &made, &err), LARDER_ETOOBIG);
  assert_string_equal(err.message,
                      "grids: `k|alpha=1&dt=1&n=1001`: kernel makes 8136 bytes of it, above the max_size of 8128 bytes");
  lrd_recipe_maker_free(maker);
}

static void a_recipe_that_is_none_is_told(void **state) {
  (void)state;
  lrd_config_maker const config = config_of("kernle");
  lrd_recipe_maker *maker = NULL;
  larder_error err = {0};
  assert_err(lrd_recipe_maker_new(&config, "grids", NULL, lrd_clock_real(), &maker, &err), LARDER_EINVAL);
  assert_string_equal(err.message, "grids: maker.recipe: found \"kernle\"; expected one of kernel, laplacian, echo, profile, "
                                   "sources, wisdom; the nearest is kernel");
  assert_null(maker);
  lrd_recipe_maker_free(NULL);
}

static void who_is_not_wanted_makes_nothing(void **state) {
  (void)state;
  lrd_recipe_maker *maker = maker_of("kernel");
  lrd_cancel const cancel = {.clock = lrd_clock_real(), .closing = true};
  larder_making const making = {
      .size = sizeof making, .key = "k|alpha=1&dt=1&n=10", .key_len = 19, .deadline_ns = INT64_MAX, .cancel = &cancel};
  larder_made made = {.size = sizeof made};
  assert_err(lrd_recipe_maker_make(maker, &making, &made, NULL), LARDER_ECANCELLED);
  lrd_recipe_maker_free(maker);
}

typedef struct one_of_many {
  lrd_recipe_maker *maker;
  unsigned number;
  unsigned failed;
} one_of_many;

static void *make_several(void *argument) {
  one_of_many *o = argument;
  for (unsigned i = 1; i <= 20; i++) {
    char key[64];
    larder_made made;
    (void)snprintf(key, sizeof key, "k|alpha=0.%u&dt=1&n=%u", o->number + 1, i * 10);
    o->failed += make(o->maker, key, &made, NULL) != LARDER_OK || made.len != 128 + (size_t)i * 80;
    release(&made);
  }
  return NULL;
}

static void many_threads_compute_at_once(void **state) {
  (void)state;
  lrd_recipe_maker *maker = maker_of("kernel");
  pthread_t threads[THREADS];
  one_of_many ones[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    ones[i] = (one_of_many){.maker = maker, .number = i};
    assert_int_equal(pthread_create(&threads[i], NULL, make_several, &ones[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(ones[i].failed, 0);
  }
  lrd_recipe_maker_free(maker);
}

static void any_allocation_may_fail(void **state) {
  (void)state;
  static const char *const keys[] = {"k|alpha=1.5&dt=0.01&n=10&scale=none", "kernel_alpha1.5_dt0.01_n10_scalenone",
                                     "kernel_alpha1.50"};
  lrd_config_maker const config = config_of("kernel");
  for (size_t k = 0; k < 3; k++) {
    for (uint64_t n = 1;; n++) {
      lrd_recipe_maker *maker = NULL;
      larder_made made = {0};
      larder_error err = {0};
      int64_t live = support_alloc_live();
      support_alloc_fail_at(n);
      larder_err result = lrd_recipe_maker_new(&config, "grids", NULL, lrd_clock_real(), &maker, &err);
      if (result == LARDER_OK) {
        result = make(maker, keys[k], &made, &err);
        release(&made);
      }
      lrd_recipe_maker_free(maker);
      bool failed = support_alloc_end() >= n;
      if (!failed) assert_err(result, k == 2 ? LARDER_EINVAL : LARDER_OK);
      if (failed && result != LARDER_EINVAL) assert_err(result, LARDER_ENOMEM);
      if (result != LARDER_OK) assert_int_equal(err.code, result);
      assert_int_equal(support_alloc_live(), live);
      if (!failed) break;
    }
  }
}

/* The configuration is read below the room that has the registry. */
static void the_configuration_knows_the_recipes_that_there_are(void **state) {
  size_t count = 0;
  (void)state;
  for (; lrd_recipe_at(count) && lrd_recipe_names[count]; count++)
    assert_string_equal(lrd_recipe_at(count)->shown.name, lrd_recipe_names[count]);
  assert_null(lrd_recipe_at(count));
  assert_null(lrd_recipe_names[count]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_configuration_knows_the_recipes_that_there_are),
      cmocka_unit_test(pairs_and_spelling_make_the_same),
      cmocka_unit_test(a_key_that_is_none_is_told),
      cmocka_unit_test(a_spelling_that_says_two_things_is_none),
      cmocka_unit_test(what_a_recipe_spells_is_read_as_it_was_meant),
      cmocka_unit_test(version_and_metadata_come_along),
      cmocka_unit_test(a_value_above_the_limit_is_refused),
      cmocka_unit_test(a_recipe_that_is_none_is_told),
      cmocka_unit_test(who_is_not_wanted_makes_nothing),
      cmocka_unit_test(many_threads_compute_at_once),
      cmocka_unit_test(any_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
