/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wisdom with the real FFTW at tiny sizes. Proves: what one process searched for serves another one's plans, for every
 * transform and place that was asked for and no other; an ESTIMATE plan is then the one that was found; what is damaged, of
 * another FFTW or of another processor never reaches FFTW and is made anew; threads that race search once; nothing that the
 * process knew is lost; failed allocations and a full disk are survived.
 *
 * FFTW's wisdom belongs to the process, so each scene that learns runs in a child of its own.
 */
#include "support/support.h"

#include "kind/wisdom.h"
#include <errno.h>
#include <fftw3.h>
#include <larder/recipe.h>
#include <larder/wisdom.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct scene {
  const char *root;
  void (*act)(larder *cache);
} scene;

static void scene_run(void *context) {
  const scene *s = context;
  larder_options options = {.size = sizeof options, .root = s->root, .config_text = "cache: {}", .memory_bytes_max = 8 << 20};
  larder *cache = NULL;
  assert_ok(larder_open(&options, &cache, NULL));
  s->act(cache);
  assert_ok(larder_close(&cache));
}

static void act(void **state, void (*body)(larder *cache)) {
  scene s = {*state, body};
  assert_int_equal(support_in_child(scene_run, &s), 0);
}

/* --- plans ------------------------------------------------------------------------------------------------------------- */

typedef enum wanted { FORWARD, BACKWARD, R2C, C2R } wanted;

/* A plan of doubles, from wisdom or not; NULL when flags ask for wisdom only and there is none. Kept for its text alone. */
static char *plan_text(int rank, const int *n, wanted what, bool in_place, unsigned flags) {
  static fftw_complex *a;
  static fftw_complex *b;
  if (a == NULL) a = fftw_malloc(1024 * sizeof *a);
  if (b == NULL) b = fftw_malloc(1024 * sizeof *b);
  fftw_complex *to = in_place ? a : b;
  fftw_plan plan = what == R2C   ? fftw_plan_dft_r2c(rank, n, (double *)a, to, flags)
                   : what == C2R ? fftw_plan_dft_c2r(rank, n, a, (double *)to, flags)
                                 : fftw_plan_dft(rank, n, a, to, what == FORWARD ? FFTW_FORWARD : FFTW_BACKWARD, flags);
  if (plan == NULL) return NULL;
  char *text = fftw_sprint_plan(plan);
  fftw_destroy_plan(plan);
  return text;
}

static bool known(int rank, const int *n, wanted what, bool in_place, unsigned flags) {
  char *text = plan_text(rank, n, what, in_place, flags | FFTW_WISDOM_ONLY);
  bool yes = text != NULL;
  free(text);
  return yes;
}

static bool known_single(int n, unsigned flags) {
  fftwf_complex *a = fftwf_malloc((size_t)n * sizeof *a);
  fftwf_plan plan = fftwf_plan_dft_1d(n, a, a, FFTW_FORWARD, flags | FFTW_WISDOM_ONLY);
  bool yes = plan != NULL;
  if (plan != NULL) fftwf_destroy_plan(plan);
  fftwf_free(a);
  return yes;
}

static larder_wisdom_done ensure(larder *cache, const char *sizes, larder_wisdom_options how) {
  uint64_t n[3] = {0};
  larder_wisdom_done done;
  larder_error err = {0};
  how.size = sizeof how;
  int axes = sscanf(sizes, "%lux%lux%lu", &n[0], &n[1], &n[2]);
  larder_err result = larder_wisdom_ensure(cache, n, (unsigned)axes, &how, &done, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  return done;
}

/* --- what one learned serves another ------------------------------------------------------------------------------------ */

static const int n8[] = {8};
static const int n8x8[] = {8, 8};
static const int n16x4x2[] = {16, 4, 2};

static void learn_three(larder *cache) {
  static const char *const sizes[] = {"8", "8x8", "16x4x2"};
  for (int i = 0; i < 3; i++) {
    larder_wisdom_done done = ensure(cache, sizes[i], (larder_wisdom_options){0});
    assert_true(done.made);
    assert_int_equal(done.plans, 4);
    assert_string_equal(done.reason, "not found");
  }
  assert_true(known(1, n8, FORWARD, true, FFTW_PATIENT));
}

static void use_three(larder *cache) {
  const struct {
    const char *text;
    int rank;
    const int *n;
  } all[] = {{"8", 1, n8}, {"8x8", 2, n8x8}, {"16x4x2", 3, n16x4x2}};
  (void)fftw_init_threads();
  for (int i = 0; i < 3; i++) {
    assert_false(known(all[i].rank, all[i].n, FORWARD, false, FFTW_ESTIMATE));
    larder_wisdom_done done = ensure(cache, all[i].text, (larder_wisdom_options){0});
    assert_false(done.made);
    assert_true(done.bytes > 100);
    for (int in_place = 0; in_place < 2; in_place++) {
      assert_true(known(all[i].rank, all[i].n, FORWARD, in_place, FFTW_PATIENT));
      assert_true(known(all[i].rank, all[i].n, BACKWARD, in_place, FFTW_PATIENT));
      assert_false(known(all[i].rank, all[i].n, R2C, in_place, FFTW_PATIENT));
      assert_false(known(all[i].rank, all[i].n, C2R, in_place, FFTW_PATIENT));
      char *estimate = plan_text(all[i].rank, all[i].n, FORWARD, in_place, FFTW_ESTIMATE);
      char *patient = plan_text(all[i].rank, all[i].n, FORWARD, in_place, FFTW_PATIENT);
      assert_string_equal(estimate, patient);
      free(estimate);
      free(patient);
    }
  }
}

static void another_process_plans_from_what_the_first_one_learned(void **state) {
  act(state, learn_three);
  act(state, use_three);
}

static void learn_kinds(larder *cache) {
  for (unsigned transforms = 1; transforms < 8; transforms++) {
    for (int place = 0; place < 3; place++)
      assert_true(
          ensure(cache, "8x8", (larder_wisdom_options){.transforms = transforms, .place = (larder_wisdom_place)place}).made);
  }
  for (int way = 1; way < 3; way++)
    assert_true(ensure(cache, "8x8", (larder_wisdom_options){.direction = (larder_wisdom_direction)way}).made);
}

static void use_kinds(larder *cache) {
  (void)fftw_init_threads();
  for (unsigned transforms = 1; transforms < 8; transforms++) {
    for (int place = 0; place < 3; place++) {
      fftw_forget_wisdom();
      larder_wisdom_done done =
          ensure(cache, "8x8", (larder_wisdom_options){.transforms = transforms, .place = (larder_wisdom_place)place});
      assert_false(done.made);
      for (int in_place = 0; in_place < 2; in_place++) {
        bool here = place == LARDER_WISDOM_ANY_PLACE || (place == LARDER_WISDOM_IN_PLACE) == (in_place != 0);
        assert_int_equal(known(2, n8x8, FORWARD, in_place, FFTW_PATIENT), here && (transforms & LARDER_WISDOM_C2C) != 0);
        assert_int_equal(known(2, n8x8, R2C, in_place, FFTW_PATIENT), here && (transforms & LARDER_WISDOM_R2C) != 0);
        assert_int_equal(known(2, n8x8, C2R, in_place, FFTW_PATIENT), here && (transforms & LARDER_WISDOM_C2R) != 0);
      }
    }
  }
  fftw_forget_wisdom();
  assert_false(ensure(cache, "8x8", (larder_wisdom_options){.direction = LARDER_WISDOM_FORWARD}).made);
  assert_true(known(2, n8x8, FORWARD, true, FFTW_PATIENT));
  assert_false(known(2, n8x8, BACKWARD, true, FFTW_PATIENT));
}

static void each_transform_and_place_is_learned_when_it_is_asked_for(void **state) {
  act(state, learn_kinds);
  act(state, use_kinds);
}

static void learn_single(larder *cache) {
  assert_true(ensure(cache, "16", (larder_wisdom_options){.single = true, .effort = LARDER_WISDOM_MEASURE}).made);
  assert_true(ensure(cache, "16", (larder_wisdom_options){.threads = 2}).made);
  assert_int_equal(fftw_planner_nthreads(), 1);
}

static void use_single(larder *cache) {
  (void)fftwf_init_threads();
  (void)fftw_init_threads();
  const int n[] = {16};
  larder_wisdom_done done = ensure(cache, "16", (larder_wisdom_options){.single = true, .effort = LARDER_WISDOM_MEASURE});
  assert_false(done.made);
  assert_non_null(strstr(done.key, "fftw_16_1_1_"));
  assert_non_null(strstr(done.key, "_float_measure"));
  assert_true(known_single(16, FFTW_MEASURE));
  assert_false(known_single(16, FFTW_PATIENT));
  assert_false(known(1, n, FORWARD, true, FFTW_MEASURE));
  done = ensure(cache, "16", (larder_wisdom_options){.threads = 2});
  assert_false(done.made);
  assert_non_null(strstr(done.key, "_t2"));
  fftw_plan_with_nthreads(2);
  assert_true(known(1, n, FORWARD, true, FFTW_PATIENT));
}

static void precision_effort_and_threads_are_kept_apart(void **state) {
  act(state, learn_single);
  act(state, use_single);
}

static void force(larder *cache) {
  larder_wisdom_done done = ensure(cache, "8", (larder_wisdom_options){.force = true});
  assert_true(done.made);
  assert_string_equal(done.reason, "asked for");
  assert_false(ensure(cache, "8", (larder_wisdom_options){0}).made);
}

static void a_search_can_be_forced(void **state) {
  act(state, force);
  act(state, force);
}

/* --- what is not of use ----------------------------------------------------------------------------------------------------
 */

/* The entry of ensure("8"), changed. */
static void entry_put(larder *cache, const char *key, const void *value, size_t len, const char *version) {
  larder_ns *ns = NULL;
  larder_put_options how = {.size = sizeof how, .kind_given = true, .version = version}; /* as bytes, unchecked */
  assert_ok(larder_ns_open(cache, LARDER_WISDOM_NS, &ns, NULL));
  assert_ok(larder_put(ns, key, strlen(key), value, len, &how));
}

static char *entry_get(larder *cache, const char *key, size_t *len_out, char version[256]) {
  larder_ns *ns = NULL;
  larder_value value = {0};
  larder_facts facts;
  assert_ok(larder_ns_open(cache, LARDER_WISDOM_NS, &ns, NULL));
  assert_ok(larder_get(ns, key, strlen(key), NULL, &value));
  assert_ok(larder_value_facts(&value, &facts));
  assert_int_equal(facts.kind, LARDER_KIND_WISDOM);
  memcpy(version, facts.version, facts.version_len);
  version[facts.version_len] = '\0';
  char *copy = malloc(value.len + 1);
  memcpy(copy, value.data, value.len);
  copy[value.len] = '\0';
  *len_out = value.len;
  larder_value_release(&value);
  return copy;
}

static void damage(larder *cache) {
  static const char *const hostile[] = {
      "",
      "(",
      "()\n",
      "(fftw-3.3.10 fftw_wisdom",
      "\x80\x02}q\x00.",
      "(fftw-3.3.10 fftw_wisdom #x00000000 #x00000000 #x00000000 #x00000000\n)\n",
  };
  char version[256];
  size_t len = 0;
  larder_wisdom_done done = ensure(cache, "8", (larder_wisdom_options){0});
  char *whole = entry_get(cache, done.key, &len, version);
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
    entry_put(cache, done.key, hostile[i], strlen(hostile[i]), version);
    done = ensure(cache, "8", (larder_wisdom_options){0});
    assert_true(done.made);
    assert_true(done.reason[0] != '\0');
    assert_false(ensure(cache, "8", (larder_wisdom_options){0}).made);
  }
  for (size_t cut = 1; cut < len; cut += 97) {
    entry_put(cache, done.key, whole, cut, version);
    assert_true(ensure(cache, "8", (larder_wisdom_options){0}).made);
  }
  /* Flags that FFTW's own reader would assert on. */
  char *flags = strstr(whole, " 0 #x");
  assert_non_null(flags);
  char changed[8192];
  int front = (int)(flags - whole);
  snprintf(changed, sizeof changed, "%.*s 0 #xfff%s", front, whole, flags + 5);
  entry_put(cache, done.key, changed, strlen(changed), version);
  done = ensure(cache, "8", (larder_wisdom_options){0});
  assert_true(done.made);
  assert_non_null(strstr(done.reason, "flags are larger"));
  free(whole);
}

static void damaged_wisdom_never_reaches_fftw(void **state) { act(state, damage); }

static void strangers(larder *cache) {
  char version[256];
  char other[300];
  size_t len = 0;
  larder_wisdom_done done = ensure(cache, "8", (larder_wisdom_options){0});
  char *whole = entry_get(cache, done.key, &len, version);
  assert_non_null(strstr(version, fftw_version));
  snprintf(other, sizeof other, "%s II", version);
  entry_put(cache, done.key, whole, len, other); /* another processor */
  done = ensure(cache, "8", (larder_wisdom_options){0});
  assert_true(done.made);
  assert_non_null(strstr(done.reason, "made by"));
  snprintf(other, sizeof other, "fftw-3.2.2 on %s", strstr(version, " on ") + 4);
  entry_put(cache, done.key, whole, len, other); /* another version */
  assert_true(ensure(cache, "8", (larder_wisdom_options){0}).made);
  entry_put(cache, done.key, whole, len, NULL); /* nobody knows whose */
  assert_true(ensure(cache, "8", (larder_wisdom_options){0}).made);
  char *digit = strstr(whole, "#x") + 2;
  *digit = *digit == '0' ? '1' : '0';
  entry_put(cache, done.key, whole, len, version); /* another set of solvers */
  done = ensure(cache, "8", (larder_wisdom_options){0});
  assert_true(done.made);
  assert_non_null(strstr(done.reason, "another FFTW"));
  assert_false(ensure(cache, "8", (larder_wisdom_options){0}).made);
  free(whole);
}

static void wisdom_of_another_processor_or_fftw_is_made_anew(void **state) { act(state, strangers); }

/* --- stopping, forgetting, keeping ------------------------------------------------------------------------------------------
 */

typedef struct counted {
  unsigned calls;
  unsigned stop_at;
} counted;

static bool count_steps(void *context, unsigned done, unsigned total) {
  counted *c = context;
  assert_int_equal(total, 4);
  assert_int_equal(done, c->calls);
  c->calls++;
  return c->calls != c->stop_at;
}

static void stop(larder *cache) {
  const uint64_t n[] = {8};
  for (unsigned at = 1; at <= 4; at++) {
    counted c = {.stop_at = at};
    larder_wisdom_options how = {.size = sizeof how, .progress = count_steps, .context = &c};
    larder_wisdom_done done;
    assert_err(larder_wisdom_ensure(cache, n, 1, &how, &done, NULL), LARDER_END);
    assert_int_equal(c.calls, at);
    assert_false(done.made);
  }
  counted all = {0};
  assert_true(ensure(cache, "8", (larder_wisdom_options){.progress = count_steps, .context = &all}).made);
  assert_int_equal(all.calls, 5);
  assert_false(ensure(cache, "8", (larder_wisdom_options){.progress = count_steps, .context = &all}).made);
  assert_int_equal(all.calls, 5);
}

static void a_search_stops_between_plans_and_keeps_nothing(void **state) { act(state, stop); }

static void clear_all(larder *cache) {
  const uint64_t n[] = {8};
  uint64_t deleted = 99;
  (void)ensure(cache, "8", (larder_wisdom_options){0});
  (void)ensure(cache, "8x8", (larder_wisdom_options){0});
  (void)ensure(cache, "16", (larder_wisdom_options){.single = true});
  assert_true(known(1, n8, FORWARD, true, FFTW_PATIENT) && known_single(16, FFTW_PATIENT));
  assert_ok(larder_wisdom_clear(cache, n, 1, NULL, &deleted, NULL));
  assert_int_equal(deleted, 1);
  assert_false(known(1, n8, FORWARD, true, FFTW_PATIENT) || known_single(16, FFTW_PATIENT));
  assert_false(ensure(cache, "8x8", (larder_wisdom_options){0}).made);
  assert_true(ensure(cache, "8", (larder_wisdom_options){0}).made);
  assert_ok(larder_wisdom_clear(cache, NULL, 0, NULL, &deleted, NULL));
  assert_int_equal(deleted, 3);
  assert_ok(larder_wisdom_clear(cache, n, 1, NULL, &deleted, NULL));
  assert_int_equal(deleted, 0);
  assert_false(known(2, n8x8, FORWARD, true, FFTW_PATIENT));
}

static void clearing_deletes_and_forgets(void **state) { act(state, clear_all); }

static void know_before(larder *cache) {
  const int n[] = {32};
  (void)fftw_init_threads();
  free(plan_text(1, n, FORWARD, true, FFTW_PATIENT));
  (void)ensure(cache, "8", (larder_wisdom_options){0});
  assert_true(known(1, n, FORWARD, true, FFTW_PATIENT));
  /* And what is kept is of its own size alone. */
  (void)fftw_forget_wisdom();
  assert_false(ensure(cache, "8", (larder_wisdom_options){0}).made);
  assert_false(known(1, n, FORWARD, true, FFTW_PATIENT));
  assert_true(known(1, n8, FORWARD, true, FFTW_PATIENT));
}

static void what_the_process_knew_stays_and_is_not_kept(void **state) { act(state, know_before); }

static void in_warm(larder *cache) {
  larder_ns *ns = NULL;
  larder_warmed done;
  const larder_param params[] = {{"n", "8,8x8"}, {"effort", "measure"}};
  assert_ok(larder_ns_open(cache, LARDER_WISDOM_NS, &ns, NULL));
  assert_ok(larder_warm_recipe(ns, "wisdom", params, 2, NULL, &done, NULL));
  assert_int_equal(done.made, 2);
  assert_false(ensure(cache, "8x8", (larder_wisdom_options){.effort = LARDER_WISDOM_MEASURE}).made);
}

static void a_warm_makes_the_same_entries(void **state) { act(state, in_warm); }

static void wrong_arguments(larder *cache) {
  const uint64_t n[] = {8, 8, 8, 8};
  const uint64_t zero[] = {0};
  const uint64_t huge[] = {1 << 20, 1 << 20};
  larder_wisdom_options how = {.size = sizeof how, .transforms = 8};
  larder_error err;
  assert_err(larder_wisdom_ensure(NULL, n, 1, NULL, NULL, &err), LARDER_EINVAL);
  assert_err(larder_wisdom_ensure(cache, NULL, 1, NULL, NULL, &err), LARDER_EINVAL);
  assert_err(larder_wisdom_ensure(cache, n, 0, NULL, NULL, &err), LARDER_EINVAL);
  assert_err(larder_wisdom_ensure(cache, n, 4, NULL, NULL, &err), LARDER_EINVAL);
  assert_err(larder_wisdom_ensure(cache, zero, 1, NULL, NULL, &err), LARDER_EINVAL);
  assert_err(larder_wisdom_ensure(cache, huge, 2, NULL, NULL, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "2^28"));
  assert_err(larder_wisdom_ensure(cache, n, 1, &how, NULL, &err), LARDER_EINVAL);
  how = (larder_wisdom_options){.size = sizeof how, .threads = 257};
  assert_err(larder_wisdom_ensure(cache, n, 1, &how, NULL, &err), LARDER_EINVAL);
  assert_true(err.message[0] != '\0');
}

static void wrong_arguments_are_refused(void **state) { act(state, wrong_arguments); }

/* --- threads, memory, disk
 * ------------------------------------------------------------------------------------------------------ */

#define THREADS 6

typedef struct racer {
  larder *cache;
  bool made[3];
} racer;

static void *race(void *context) {
  static const char *const sizes[] = {"8", "8x8", "16"};
  racer *r = context;
  for (int i = 0; i < 3; i++)
    r->made[i] = ensure(r->cache, sizes[i], (larder_wisdom_options){.single = i == 2, .effort = LARDER_WISDOM_MEASURE}).made;
  larder_wisdom_planner_lock();
  assert_true(known(1, n8, FORWARD, true, FFTW_MEASURE));
  larder_wisdom_planner_unlock();
  return NULL;
}

static void race_all(larder *cache) {
  racer racers[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    racers[i] = (racer){.cache = cache};
    assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
  }
  int made[3] = {0};
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    for (int j = 0; j < 3; j++) made[j] += racers[i].made[j];
  }
  for (int j = 0; j < 3; j++) assert_int_equal(made[j], 1);
}

static void threads_that_race_search_once(void **state) { act(state, race_all); }

static void allocations(larder *cache) {
  const uint64_t n[] = {8};
  larder_wisdom_options how = {.size = sizeof how, .effort = LARDER_WISDOM_MEASURE};
  for (int forced = 1; forced >= 0; forced--) {
    how.force = forced != 0;
    for (uint64_t at = 1;; at++) {
      larder_wisdom_done done;
      support_alloc_fail_at(at);
      larder_err result = larder_wisdom_ensure(cache, n, 1, &how, &done, NULL);
      bool failed = support_alloc_end() >= at;
      assert_true(result == LARDER_OK || result == LARDER_ENOMEM || result == LARDER_DEGRADED || result == LARDER_NOT_KEPT);
      if (!failed) break;
    }
  }
  assert_true(known(1, n8, FORWARD, true, FFTW_MEASURE));
}

static void every_failed_allocation_is_survived(void **state) { act(state, allocations); }

static void full_disk(larder *cache) {
  const uint64_t n[] = {8};
  larder_wisdom_options how = {.size = sizeof how, .effort = LARDER_WISDOM_MEASURE};
  larder_wisdom_done done = {0};
  support_fs_fail_from(LRD_FS_WRITE, 1, ENOSPC);
  larder_err result = larder_wisdom_ensure(cache, n, 1, &how, &done, NULL);
  (void)support_fs_end();
  assert_true(result == LARDER_DEGRADED || result == LARDER_NOT_KEPT || result == LARDER_OK);
  assert_true(done.made);
  assert_true(known(1, n8, FORWARD, true, FFTW_MEASURE));
}

static void a_full_disk_costs_the_keeping_and_not_the_plan(void **state) { act(state, full_disk); }

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(another_process_plans_from_what_the_first_one_learned),
      SUPPORT_DIR_TEST(each_transform_and_place_is_learned_when_it_is_asked_for),
      SUPPORT_DIR_TEST(precision_effort_and_threads_are_kept_apart),
      SUPPORT_DIR_TEST(a_search_can_be_forced),
      SUPPORT_DIR_TEST(damaged_wisdom_never_reaches_fftw),
      SUPPORT_DIR_TEST(wisdom_of_another_processor_or_fftw_is_made_anew),
      SUPPORT_DIR_TEST(a_search_stops_between_plans_and_keeps_nothing),
      SUPPORT_DIR_TEST(clearing_deletes_and_forgets),
      SUPPORT_DIR_TEST(what_the_process_knew_stays_and_is_not_kept),
      SUPPORT_DIR_TEST(a_warm_makes_the_same_entries),
      SUPPORT_DIR_TEST(wrong_arguments_are_refused),
      SUPPORT_DIR_TEST(threads_that_race_search_once),
      SUPPORT_DIR_TEST(every_failed_allocation_is_survived),
      SUPPORT_DIR_TEST(a_full_disk_costs_the_keeping_and_not_the_plan),
  };
  return cmocka_run_group_tests_name("wisdom", tests, NULL, NULL);
}
