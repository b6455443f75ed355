/* SPDX-License-Identifier: Apache-2.0 */
/* What a recipe may cost: told before it is computed, and ended when nobody waits for it any more. */
#include "support/support.h"

#include "maker/making.h"
#include "maker/recipe/recipe_maker.h"
#include "maker/recipe/recipes.h"
#include <stdio.h>
#include <string.h>

#define FORMAT_BYTES 8192u /* of heads and directories, at most */
#define MOST_LOOKS   64u

/* A recipe, a key that takes it little time, and how often it looks whether it is wanted, at least. */
typedef struct one {
  const lrd_maker *recipe;
  const char *key;
  unsigned looks;
} one;

static const one ones[] = {
    {&lrd_recipe_kernel, "|alpha=1.5&dt=0.01&n=50000", 10},
    {&lrd_recipe_laplacian, "|dim=2&spacing=1&boundary=periodic", 0},
    {&lrd_recipe_laplacian, "|dim=2&spacing=1&boundary=periodic&form=matrix&n=150x150", 5},
    {&lrd_recipe_laplacian, "|dim=2&spacing=1&boundary=dirichlet&form=matrix&n=1x7", 1},
    {&lrd_recipe_laplacian, "|dim=3&spacing=1&boundary=neumann&form=matrix&n=2x3x20", 1},
    {&lrd_recipe_laplacian, "|dim=3&spacing=1&boundary=periodic&form=matrix&n=2x1x20", 1},
    {&lrd_recipe_laplacian, "|dim=3&spacing=1&boundary=dirichlet&form=matrix&n=5", 1},
    {&lrd_recipe_echo, "|alpha=0.5&tau0=1&count=20000", 8},
    {&lrd_recipe_profile, "|shape=gaussian&n=150x150&width=9", 5},
    {&lrd_recipe_profile, "|shape=random&n=100x100&width=300", 10},
    {&lrd_recipe_sources, "|n=150x150&zones=circle:8:8:4:1", 5},
    {&lrd_recipe_sources, "|n=64x64&zones=circle:8:8:4:1&smoothing=500", 10},
};
#define ONES (sizeof ones / sizeof *ones)

static lrd_params params_of(const one *o) {
  lrd_params params;
  larder_error err = {0};
  if (lrd_recipe_key_read(o->recipe, o->key, strlen(o->key), &params, &err) != LARDER_OK) fail_msg("%s", err.message);
  return params;
}

/* --- before --------------------------------------------------------------------------------------------------------------- */

static void what_a_value_takes_is_known_before(void **state) {
  (void)state;
  for (size_t i = 0; i < ONES; i++) {
    lrd_params const params = params_of(&ones[i]);
    lrd_buf value = {0}, version = {0}, meta = {0};
    uint64_t const told = ones[i].recipe->bytes(&params);
    assert_ok(ones[i].recipe->make(&params, NULL, &value, &version, &meta, NULL));
    if (told > value.len || told + FORMAT_BYTES < value.len) fail_msg("%s: %llu", ones[i].key, (unsigned long long)told);
    lrd_buf_fini(&value);
    lrd_buf_fini(&version);
    lrd_buf_fini(&meta);
  }
}

static lrd_recipe_maker *maker_of(const lrd_maker *recipe, uint64_t bytes_max, const lrd_clock *clock) {
  lrd_config_maker const config = {
      .type = LRD_MAKER_RECIPE, .what = recipe->shown.name, .value_bytes_max = bytes_max, .burst = 1, .retry_delay_ms = 1};
  lrd_recipe_maker *maker = NULL;
  assert_ok(lrd_recipe_maker_new(&config, "grids", NULL, clock, &maker, NULL));
  return maker;
}

static void what_is_above_max_size_is_refused_with_its_figure(void **state) {
  (void)state;
  static const struct {
    const lrd_maker *recipe;
    const char *key;
    const char *part;
  } cases[] = {
      {&lrd_recipe_kernel, "|alpha=1.5&dt=0.01&n=200000000",
       "kernel would make 1600000000 bytes (1.5 GiB) of it, above the maker's max_size of 64MiB"},
      {&lrd_recipe_echo, "|alpha=1&tau0=1&count=5000000", "echo would make "},
      {&lrd_recipe_profile, "|shape=gaussian&n=200000000x200000000x200000000&width=1", "more bytes than can be counted"},
      {&lrd_recipe_sources, "|n=1000000x1000000&zones=box:0:0:1:1:1", "sources would make "},
      {&lrd_recipe_laplacian, "|dim=3&spacing=1&boundary=periodic&form=matrix&n=1000000", "more bytes than can be counted"},
      {&lrd_recipe_laplacian, "|dim=2&spacing=1&boundary=periodic&form=matrix&n=3000", "laplacian would make "}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lrd_recipe_maker *maker = maker_of(cases[i].recipe, 64 << 20, lrd_clock_real());
    larder_making const making = {
        .size = sizeof making, .key = cases[i].key, .key_len = strlen(cases[i].key), .deadline_ns = INT64_MAX};
    larder_made made = {.size = sizeof made};
    larder_error err = {0};
    larder_err const result = lrd_recipe_maker_make(maker, &making, &made, &err);
    if (result != LARDER_ETOOBIG || !strstr(err.message, cases[i].part)) fail_msg("%s: %s", cases[i].key, err.message);
    assert_non_null(strstr(err.message, "64MiB"));
    lrd_recipe_maker_free(maker);
  }
}

/* --- while ---------------------------------------------------------------------------------------------------------------- */

typedef struct looking {
  unsigned looks;
  unsigned refuse_at; /* 0: never */
} looking;

static larder_err look(void *context) {
  looking *l = context;
  return ++l->looks == l->refuse_at ? LARDER_ECANCELLED : LARDER_OK;
}

/* Makes it; how often it looked, if it was let. */
static unsigned made_until(const one *o, unsigned refuse_at) {
  lrd_params const params = params_of(o);
  lrd_buf value = {0}, version = {0}, meta = {0};
  looking l = {.refuse_at = refuse_at};
  int64_t const live = support_alloc_live();
  larder_err const result = o->recipe->make(&params, &(lrd_patience){look, &l}, &value, &version, &meta, NULL);
  if (refuse_at > 0 && l.looks >= refuse_at) {
    assert_err(result, LARDER_ECANCELLED);
    assert_int_equal(l.looks, refuse_at); /* and at once */
    assert_null(value.data);
    assert_int_equal(support_alloc_live(), live);
  } else {
    assert_ok(result);
  }
  lrd_buf_fini(&value);
  return l.looks;
}

static void a_recipe_ends_at_whatever_look_it_is_not_wanted(void **state) {
  (void)state;
  for (size_t i = 0; i < ONES; i++) {
    unsigned const looks = made_until(&ones[i], 0);
    if (looks < ones[i].looks) fail_msg("%s: %u looks", ones[i].key, looks);
    for (unsigned at = 1; at <= looks && at <= MOST_LOOKS; at++) (void)made_until(&ones[i], at);
  }
}

static larder_err make(const lrd_clock *clock, const lrd_cancel *cancel, int64_t deadline_ns, larder_error *err) {
  lrd_recipe_maker *maker = maker_of(&lrd_recipe_kernel, 64 << 20, clock);
  larder_making const making = {
      .size = sizeof making, .key = "|alpha=1.5&dt=0.01&n=50000", .key_len = 26, .deadline_ns = deadline_ns, .cancel = cancel};
  larder_made made = {.size = sizeof made};
  larder_err const result = lrd_recipe_maker_make(maker, &making, &made, err);
  if (result == LARDER_OK) made.release(made.release_context, made.value);
  lrd_recipe_maker_free(maker);
  return result;
}

/* A clock that is moved by each look at it. */
static lrd_clock_moved moved;

static int64_t moving_boot(const lrd_clock *clock) {
  lrd_clock_moved_advance_ms(&moved, 1);
  return lrd_mono_ns(clock);
}

static void a_making_ends_at_its_deadline_amid_the_computation(void **state) {
  (void)state;
  const lrd_clock *clock = &moved.clock;
  larder_error err = {0};
  lrd_clock_moved_init(&moved, 1000);
  moved.clock.boot_ns = moving_boot;
  lrd_cancel cancel = {.clock = clock};
  assert_ok(make(clock, &cancel, lrd_mono_ns(clock) + INT64_C(1000000000), &err));
  assert_err(make(clock, &cancel, lrd_mono_ns(clock) + INT64_C(8000000), &err), LARDER_EAWAY);
  assert_non_null(strstr(err.message, "its time was over before it was computed"));
  atomic_store(&cancel.closing, true);
  assert_err(make(clock, &cancel, INT64_MAX, &err), LARDER_ECANCELLED);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_a_value_takes_is_known_before),
                                     cmocka_unit_test(what_is_above_max_size_is_refused_with_its_figure),
                                     cmocka_unit_test(a_recipe_ends_at_whatever_look_it_is_not_wanted),
                                     cmocka_unit_test(a_making_ends_at_its_deadline_amid_the_computation)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
