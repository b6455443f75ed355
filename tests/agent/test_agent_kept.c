/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes that what was learned is kept as: whatever an agent went through it can be saved and loads again, and nothing else
 * is loaded. */
#include "agent_fixture.h"

#include "base/bytes.h"
#include <math.h>

static void what_was_learned_is_kept(void **state) {
  (void)state;
  for (unsigned method = 0; method <= LARDER_AGENT_NETWORK_Q; method++) {
    const larder_agent_options how = {.method = (larder_agent_method)method, .horizon = 50, .seed = 4};
    larder_agent *one = agent_of(&how), *two = agent_of(&how);
    void *data = NULL, *again = NULL;
    size_t len = 0, again_len = 0;
    (void)live(one, 1, 2000);
    assert_int_equal(larder_agent_save(one, &data, &len), LARDER_OK);
    assert_int_equal(larder_agent_load(two, data, len, NULL), LARDER_OK);
    assert_int_equal(larder_agent_save(two, &again, &again_len), LARDER_OK);
    assert_int_equal(len, again_len);
    assert_memory_equal(data, again, len);
    larder_agent_figures one_figures, two_figures;
    larder_agent_figures_get(one, &one_figures);
    larder_agent_figures_get(two, &two_figures);
    assert_true(one_figures.epsilon == two_figures.epsilon);
    larder_agent_bytes_free(data);
    larder_agent_bytes_free(again);
    larder_agent_close(&one);
    larder_agent_close(&two);
  }
}

static void damaged_bytes_are_refused_and_change_nothing(void **state) {
  (void)state;
  larder_agent *agent = agent_of(&(larder_agent_options){.method = LARDER_AGENT_LINEAR_Q}),
               *other = agent_of(&(larder_agent_options){0});
  larder_error err = {0};
  void *data = NULL, *now = NULL;
  size_t len = 0, now_len = 0;
  (void)live(agent, 1, 2000);
  assert_int_equal(larder_agent_save(agent, &data, &len), LARDER_OK);
  assert_int_equal(larder_agent_load(other, data, len, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "another method"));
  assert_int_equal(larder_agent_load(agent, "hello", 5, &err), LARDER_EFORMAT);
  assert_int_equal(larder_agent_load(agent, NULL, 0, &err), LARDER_EINVAL);
  for (size_t cut = 0; cut < len; cut += 97) assert_int_equal(larder_agent_load(agent, data, cut, &err), LARDER_EFORMAT);
  for (size_t at = 0; at < len; at += 13) {
    ((uint8_t *)data)[at] ^= 4;
    assert_int_equal(larder_agent_load(agent, data, len, &err), LARDER_EFORMAT);
    ((uint8_t *)data)[at] ^= 4;
  }
  double huge = 1e300;
  memcpy((uint8_t *)data + 40, &huge, sizeof huge);
  lrd_put_u64((uint8_t *)data + len - 8, lrd_sum64(data, len - 8));
  assert_int_equal(larder_agent_load(agent, data, len, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "out of bounds"));
  assert_int_equal(larder_agent_save(agent, &now, &now_len), LARDER_OK);
  assert_memory_not_equal(now, data, len);
  assert_int_equal(larder_agent_load(agent, now, now_len, &err), LARDER_OK);
  larder_agent_bytes_free(data);
  larder_agent_bytes_free(now);
  larder_agent_close(&agent);
  larder_agent_close(&other);
}

/* Decisions of a state that is all one number, one of them told as much of everything. */
static void wild_life(larder_agent *agent, double wild, double amount, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    larder_agent_decision d;
    uint64_t chance = lrd_hash64(&i, sizeof i, 3);
    larder_agent_decide(agent, &(larder_agent_state){.guesses = {wild, wild}, .kb = wild, .cpu = wild, .user = chance & 7}, ALL,
                        &d);
    larder_agent_tell(agent, d.ticket, LARDER_AGENT_HIT, chance & 8 ? amount : -amount);
    larder_agent_tell(agent, d.ticket, LARDER_AGENT_OCCURRED, amount);
    larder_agent_compare(agent, wild, wild, 1, 1);
  }
}

static void assert_kept(const larder_agent *agent, const larder_agent_options *how) {
  larder_agent *other = agent_of(how);
  larder_error err = {0};
  void *data = NULL;
  size_t len = 0;
  assert_int_equal(larder_agent_save(agent, &data, &len), LARDER_OK);
  if (larder_agent_load(other, data, len, &err) != LARDER_OK) fail_msg("%s", err.message);
  larder_agent_bytes_free(data);
  larder_agent_close(&other);
}

static void wild_numbers_do_not_break_an_agent(void **state) {
  (void)state;
  const double wild[] = {NAN, INFINITY, 1e308, 0.5};
  for (unsigned method = 0; method <= LARDER_AGENT_NETWORK_Q; method++) {
    const larder_agent_options how[] = {{.method = (larder_agent_method)method, .horizon = 4, .seed = 1},
                                        {.method = (larder_agent_method)method,
                                         .horizon = 4,
                                         .seed = 1,
                                         .epsilon = 0.5,
                                         .clip = 1e9,
                                         .ridge = 1e-6,
                                         .rate = 1,
                                         .forget = 0.9}};
    for (size_t h = 0; h < 2; h++) {
      for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        larder_agent *agent = agent_of(&how[h]);
        larder_agent_figures figures;
        wild_life(agent, wild[i], 1e308, 600);
        larder_agent_figures_get(agent, &figures);
        for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) assert_true(isfinite(figures.reward[a]));
        for (unsigned e = 0; e < LARDER_AGENT_EVENTS; e++) assert_true(isfinite(figures.told[e]));
        for (size_t n = 0; n < agent->ops->doubles; n++) assert_true(fabs(agent->learned[n]) <= LRD_LEARNED_MAX);
        assert_kept(agent, &how[h]);
        larder_agent_close(&agent);
      }
    }
  }
}

/* Rounding takes an inverse apart where states are all but the same, for long and with little ridge. */
static void what_is_saved_can_always_be_loaded(void **state) {
  (void)state;
  const larder_agent_options how = {.horizon = 1, .clip = 1e9, .ridge = 1e-6, .forget = 0.9, .epsilon = 1, .epsilon_last = 1};
  larder_agent *agent = agent_of(&how);
  for (unsigned i = 0; i < 30000; i++) {
    larder_agent_decision d;
    uint64_t chance = lrd_hash64(&i, sizeof i, 5);
    double nearly = 0.5 + (double)(chance & 3) * 1e-13;
    larder_agent_decide(agent, &(larder_agent_state){.cpu = nearly, .memory = 1 - nearly, .hit_rate = nearly * 1e-9},
                        BIT(LARDER_AGENT_CACHE), &d);
    larder_agent_tell(agent, d.ticket, LARDER_AGENT_HIT, chance & 4 ? 1e9 : -1e9);
    if (i % 1000 == 999) assert_kept(agent, &how);
  }
  agent->learned[LRD_FEATURES] = -1e-9; /* as rounding may */
  assert_kept(agent, &how);
  larder_agent_close(&agent);
}

/* A file with the right checksum whose numbers no learning leaves behind. */
static void a_crafted_inverse_is_refused(void **state) {
  (void)state;
  const size_t inverse = 40 + LRD_FEATURES * sizeof(double); /* of the first action */
  const struct {
    size_t row, column;
    double number;
  } wrong[] = {{0, 0, -1}, {0, 0, 0}, {3, 4, 0.5}, {7, 7, -1e-3}, {43, 42, 2}};
  const larder_agent_options how = {.seed = 1};
  larder_agent *agent = agent_of(&how);
  void *data = NULL;
  size_t len = 0;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    larder_error err = {0};
    assert_int_equal(larder_agent_save(agent, &data, &len), LARDER_OK);
    memcpy((uint8_t *)data + inverse + (wrong[i].row * LRD_FEATURES + wrong[i].column) * 8, &wrong[i].number, 8);
    lrd_put_u64((uint8_t *)data + len - 8, lrd_sum64(data, len - 8));
    assert_int_equal(larder_agent_load(agent, data, len, &err), LARDER_EFORMAT);
    assert_non_null(strstr(err.message, "no learning"));
    larder_agent_bytes_free(data);
  }
  /* Symmetric and still not positive definite. */
  larder_error err = {0};
  double two = 2;
  assert_int_equal(larder_agent_save(agent, &data, &len), LARDER_OK);
  memcpy((uint8_t *)data + inverse + 1 * 8, &two, 8);
  memcpy((uint8_t *)data + inverse + LRD_FEATURES * 8, &two, 8);
  lrd_put_u64((uint8_t *)data + len - 8, lrd_sum64(data, len - 8));
  assert_int_equal(larder_agent_load(agent, data, len, &err), LARDER_EFORMAT);
  larder_agent_bytes_free(data);
  larder_agent_close(&agent);
}

static void the_gates_pause_is_kept(void **state) {
  (void)state;
  const larder_agent_options how = {.window = 2, .pause_most = 8};
  larder_agent *one = agent_of(&how), *two = agent_of(&how), *three = agent_of(&(larder_agent_options){.pause_most = 2});
  void *data = NULL;
  size_t len = 0;
  for (unsigned i = 0; i < 4; i++) larder_agent_compare(one, 9, 9, 1, 1);
  assert_int_equal(one->gate.pause, 2);
  for (unsigned i = 0; i < 6; i++) larder_agent_compare(one, 9, 9, 1, 1);
  assert_int_equal(one->gate.pause, 4);
  assert_int_equal(larder_agent_save(one, &data, &len), LARDER_OK);
  assert_int_equal(larder_agent_load(two, data, len, NULL), LARDER_OK);
  assert_int_equal(two->gate.pause, 4);
  assert_false(larder_agent_aside(two)); /* it tries, and is soon seen to fail */
  assert_int_equal(larder_agent_load(three, data, len, NULL), LARDER_OK);
  assert_int_equal(three->gate.pause, 2);
  lrd_put_u32((uint8_t *)data + 32, 0);
  lrd_put_u64((uint8_t *)data + len - 8, lrd_sum64(data, len - 8));
  assert_int_equal(larder_agent_load(two, data, len, NULL), LARDER_EFORMAT);
  larder_agent_bytes_free(data);
  larder_agent_close(&one);
  larder_agent_close(&two);
  larder_agent_close(&three);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_learned_is_kept),           cmocka_unit_test(damaged_bytes_are_refused_and_change_nothing),
      cmocka_unit_test(wild_numbers_do_not_break_an_agent), cmocka_unit_test(what_is_saved_can_always_be_loaded),
      cmocka_unit_test(a_crafted_inverse_is_refused),       cmocka_unit_test(the_gates_pause_is_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
