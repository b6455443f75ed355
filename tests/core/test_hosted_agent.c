/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A namespace with an agent: what is decided, what is told to decisions, that it steps aside, and what is kept of it. Time is
 * moved by hand, also by the origin.
 */
#include "hosted_rig.h"

#include "base/fail.h"
#include "larder_testing.h"
#include <errno.h>
#include <larder/foretell.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- what is decided, and what is told ----------------------------------------------------------------------------------- */

static void each_request_is_decided_about_and_hits_are_told(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = ", epsilon: 0.01%, epsilon_last: 0.01%"});
  for (unsigned i = 0; i < 10; i++) ask_number(&f, i);
  settle(&f);
  larder_learning_figures now = figures(&f);
  assert_int_equal(now.agents, 1);
  assert_int_equal(now.agent.decisions, 10);
  assert_int_equal(now.agent.taken[LARDER_AGENT_CACHE], 10); /* with nothing learned it does what is plain */
  assert_true(now.agent.told[LARDER_AGENT_HIT] == 0);
  for (unsigned round = 0; round < 2; round++)
    for (unsigned i = 0; i < 10; i++) ask_number(&f, i);
  settle(&f);
  now = figures(&f);
  assert_int_equal(now.agent.decisions, 30);
  assert_int_equal(now.agent.taken[LARDER_AGENT_NOTHING], 20); /* a hit leaves nothing else */
  assert_true(now.agent.told[LARDER_AGENT_HIT] == 10);         /* the first time that each was asked for again */
  assert_true(now.agent.told[LARDER_AGENT_SAVED_MS] == 10 * TAKES_MS);
  assert_true(now.agent.told[LARDER_AGENT_MISS] == 0 && now.agent.told[LARDER_AGENT_KB] == 0);
  assert_int_equal(now.compared, 30);
  assert_true(now.origin == 10 && now.plain_origin == 10 && now.ms == now.plain_ms);
  hosted_shut(&f);
}

static void what_has_to_go_is_told_to_who_pushed_it_out(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.entries = 8, .agent = ", epsilon: 0.01%, epsilon_last: 0.01%, horizon: 1000"});
  for (unsigned i = 0; i < 9; i++) ask_number(&f, i);
  settle(&f);
  assert_true(told(&f, LARDER_AGENT_MISS) == 0);
  for (unsigned i = 0; i < 9; i++) ask_number(&f, i); /* one of them has gone, and others will */
  settle(&f);
  larder_learning_figures now = figures(&f);
  assert_true(now.agent.told[LARDER_AGENT_MISS] >= 1);
  assert_true(now.agent.told[LARDER_AGENT_FULL] == now.agent.told[LARDER_AGENT_MISS]);
  assert_true(now.agent.told[LARDER_AGENT_LOST_MS] == TAKES_MS * now.agent.told[LARDER_AGENT_MISS]);
  assert_true(atomic_load(&f.made) == 9 + (unsigned)now.agent.told[LARDER_AGENT_MISS]);
  hosted_shut(&f);
}

static void nothing_is_taken_out_of_memory_and_kept_below(void **state) {
  static const char *const tiers[] = {"memory", "memory, sqlite"};
  (void)state;
  for (size_t t = 0; t < 2; t++) {
    fixture f;
    unsigned memory = 0, below = 0;
    hosted_open(&f, &(setting){.tiers = tiers[t], .agent = ", epsilon: 100%, epsilon_last: 100%"});
    for (unsigned i = 0; i < 100; i++) ask_number(&f, i);
    settle(&f);
    uint64_t nothing = taken(&f, LARDER_AGENT_NOTHING);
    assert_in_range(nothing, 20, 80);
    assert_int_equal(nothing + taken(&f, LARDER_AGENT_CACHE), 100);
    for (unsigned i = 0; i < 100; i++) {
      char key[16];
      snprintf(key, sizeof key, "k%u", i);
      memory += strcmp(tier_of(&f, key), "memory") == 0;
      below += strcmp(tier_of(&f, key), "sqlite") == 0;
    }
    assert_int_equal(memory, 100 - nothing);
    assert_int_equal(below, t == 0 ? 0 : nothing);
    for (unsigned i = 0; i < 100; i++) ask_number(&f, i);
    settle(&f);
    assert_int_equal(atomic_load(&f.made), t == 0 ? 100 + nothing : 100);
    assert_true(told(&f, LARDER_AGENT_HIT) == 100.0 - (double)nothing);
    assert_true(told(&f, LARDER_AGENT_MISS) == 0); /* nobody pushed it out */
    larder_learning_figures now = figures(&f);
    assert_true(now.plain_origin == 100 && now.origin == (t == 0 ? 100.0 + (double)nothing : 100));
    hosted_shut(&f);
  }
}

/* --- stepping aside ------------------------------------------------------------------------------------------------------- */

static void where_it_does_worse_it_steps_aside_and_tries_again(void **state) {
  fixture f;
  (void)state;
  /* By chance alone it keeps every other value that it had to make. */
  hosted_open(&f, &(setting){.agent = ", epsilon: 100%, epsilon_last: 100%, window: 100"});
  unsigned rounds = 0;
  for (; atomic_load(&f.aside) == 0 && rounds < 20; rounds++) {
    for (unsigned i = 0; i < 100; i++) ask_number(&f, i + 50 * rounds);
    settle(&f);
  }
  assert_int_equal(atomic_load(&f.aside), 1);
  larder_learning_figures now = figures(&f);
  assert_true(now.aside == 1 && now.agent.aside && now.agent.stepped_aside == 1);
  assert_true(now.origin > now.plain_origin && now.ms > now.plain_ms);
  uint64_t nothing = now.agent.taken[LARDER_AGENT_NOTHING];
  for (unsigned i = 0; i < 50; i++) ask_number(&f, i + 100000); /* within the window it plays what is plain */
  settle(&f);
  assert_int_equal(taken(&f, LARDER_AGENT_NOTHING), nothing);
  for (unsigned i = 0; i < 60; i++) ask_number(&f, i + 200000);
  settle(&f);
  assert_int_equal(atomic_load(&f.back), 1);
  assert_int_equal(figures(&f).aside, 0);
  for (rounds = 0; atomic_load(&f.aside) == 1 && rounds < 20; rounds++) {
    for (unsigned i = 0; i < 100; i++) ask_number(&f, i + 50 * rounds + 300000);
    settle(&f);
  }
  assert_int_equal(atomic_load(&f.aside), 2);
  for (unsigned i = 0; i < 150; i++) ask_number(&f, i + 400000); /* twice as long */
  settle(&f);
  assert_int_equal(figures(&f).aside, 1);
  hosted_shut(&f);
}

/* By a table that memory fills nearly: what is guessed takes no place of what is asked for. */
static void with_more_keys_than_are_known_each_decision_is_its_own(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = ", epsilon: 50%, epsilon_last: 50%, max_keys: 64"});
  for (unsigned i = 0; i < 1200; i++) {
    ask_number(&f, i % 400);
    if (i % 50 == 49) settle(&f);
  }
  assert_int_equal(figures(&f).agent.decisions, 1200);
  hosted_shut(&f);
}

static void what_others_delete_or_what_is_over_is_nobodys_fault(void **state) {
  fixture f;
  (void)state;
  hosted_open(&f, &(setting){.agent = ", epsilon: 0.01%, epsilon_last: 0.01%, window: 50"});
  for (unsigned round = 0; round < 10; round++) {
    session(&f, "abcdefghij");
    settle(&f);
    if (round % 2 == 0)
      forget(&f, "abcdefghij");
    else
      lrd_clock_moved_advance_ms(&f.clock, 3700000);
  }
  larder_learning_figures now = figures(&f);
  assert_true(now.origin == now.plain_origin && now.ms == now.plain_ms && now.origin == 100);
  assert_int_equal(now.agent.stepped_aside, 0);
  hosted_shut(&f);
}

/* --- the same again ------------------------------------------------------------------------------------------------------- */

static larder_learning_figures by_seed(unsigned seed) {
  fixture f;
  char agent[128];
  snprintf(agent, sizeof agent, ", epsilon: 30%%, seed: %u, window: 200, horizon: 100", seed);
  hosted_open(&f, &(setting){.agent = agent}); /* whose turn it is to go depends on the folder's hashes */
  for (uint64_t i = 0; i < 1500; i++) {
    uint64_t who = i % 3 + 1;
    larder_foretell_session(&who, sizeof who, "guest");
    ask_number(&f, (unsigned)(i / 3 % 7 + 10 * who + (i * i % 11 == 0)));
    settle(&f);
    char key[16];
    snprintf(key, sizeof key, "k%u", (unsigned)(i % 40));
    lrd_ignore(larder_delete(f.ns, key, strlen(key)));
  }
  larder_learning_figures now = figures(&f);
  hosted_shut(&f);
  return now;
}

static void the_same_seed_decides_the_same(void **state) {
  (void)state;
  larder_learning_figures one = by_seed(1), again = by_seed(1), other = by_seed(2);
  assert_memory_equal(one.agent.taken, again.agent.taken, sizeof one.agent.taken);
  assert_memory_equal(one.agent.reward, again.agent.reward, sizeof one.agent.reward);
  assert_memory_equal(one.agent.told, again.agent.told, sizeof one.agent.told);
  assert_true(one.ms == again.ms && one.plain_ms == again.plain_ms && one.origin == again.origin);
  assert_memory_not_equal(one.agent.taken, other.agent.taken, sizeof one.agent.taken);
}

/* --- what was learned ----------------------------------------------------------------------------------------------------- */

static void what_was_learned_is_saved_and_loaded(void **state) {
  fixture f;
  larder_ns *plain = NULL;
  (void)state;
  hosted_open(&f, &(setting){0});
  for (unsigned i = 0; i < 100; i++) ask_number(&f, i % 50);
  settle(&f);
  double epsilon = figures(&f).agent.epsilon;
  assert_true(epsilon < 0.0999);
  char *path = support_path(f.root, "learned");
  char *away = support_path(f.root, "no/where");
  assert_err(larder_learning_load(f.ns, path, NULL), LARDER_MISS);
  assert_ok(larder_learning_save(f.ns, path, NULL));
  assert_err(larder_learning_save(f.ns, away, NULL), LARDER_EIO);
  support_fs_fail_from(SUPPORT_ANY_OP, 1, ENOSPC);
  assert_true(larder_learning_save(f.ns, path, NULL) < 0);
  (void)support_fs_end();
  assert_ok(larder_ns_open(f.cache, "plain", &plain, NULL));
  assert_err(larder_learning_save(plain, path, NULL), LARDER_EUNSUPPORTED);
  assert_err(larder_learning_load(plain, path, NULL), LARDER_EUNSUPPORTED);
  larder_learning_figures now;
  assert_err(larder_learning_figures_get(plain, &now), LARDER_EUNSUPPORTED);
  assert_err(larder_learning_figures_get(NULL, &now), LARDER_EINVAL);
  assert_err(larder_learning_figures_get(f.ns, NULL), LARDER_EINVAL);
  assert_err(larder_learning_save(NULL, path, NULL), LARDER_EINVAL);
  assert_err(larder_learning_load(f.ns, NULL, NULL), LARDER_EINVAL);
  fixture other;
  hosted_open(&other, &(setting){0});
  assert_true(figures(&other).agent.epsilon > epsilon);
  assert_ok(larder_learning_load(other.ns, path, NULL));
  ask_number(&other, 1);
  settle(&other);
  assert_true(figures(&other).agent.epsilon < epsilon);
  support_file_write(path, "nothing", 7);
  assert_err(larder_learning_load(other.ns, path, NULL), LARDER_EFORMAT);
  hosted_shut(&other);
  free(away);
  free(path);
  hosted_shut(&f);
}

static void a_file_of_the_configuration_is_read_and_written(void **state) {
  char *folder = support_dir_make(), *path = support_path(folder, "agent");
  char agent[512];
  double epsilon = 0;
  (void)state;
  snprintf(agent, sizeof agent, ", file: %s", path);
  for (unsigned round = 0; round < 3; round++) {
    fixture f;
    if (round == 2) support_file_write(path, "damaged", 7);
    hosted_open(&f, &(setting){.agent = agent});
    assert_int_equal(atomic_load(&f.files), round == 2);
    for (unsigned i = 0; i < 50; i++) ask_number(&f, i);
    settle(&f);
    if (round == 1) assert_true(figures(&f).agent.epsilon < epsilon);
    if (round == 2) assert_true(figures(&f).agent.epsilon == epsilon);
    if (round == 0) {
      epsilon = figures(&f).agent.epsilon;
      lrd_clock_moved_advance_ms(&f.clock, 600000); /* also while it goes on */
      lrd_larder_tick(f.cache);
      assert_int_equal(access(path, R_OK), 0);
    }
    hosted_shut(&f);
  }
  char *there = support_file_read(path, NULL);
  assert_string_equal(there, "damaged"); /* who names a file by mistake keeps it */
  free(there);
  for (unsigned way = 0; way < 3; way++) { /* once it is another's no more, it is written */
    fixture f;
    support_file_write(path, "damaged", 7);
    hosted_open(&f, &(setting){.agent = agent});
    if (way == 0) assert_int_equal(unlink(path), 0);
    if (way == 1) assert_ok(larder_learning_save(f.ns, path, NULL));
    epsilon = figures(&f).agent.epsilon;
    if (way == 2) support_file_write(path, "damaged again", 13);
    for (unsigned i = 0; i < 50; i++) ask_number(&f, i);
    settle(&f);
    hosted_shut(&f);
    there = access(path, R_OK) == 0 ? support_file_read(path, NULL) : NULL;
    if (way == 2) assert_string_equal(there, "damaged again");
    free(there);
    if (way == 2) break;
    hosted_open(&f, &(setting){.agent = agent});
    assert_int_equal(atomic_load(&f.files), 0);
    assert_true(figures(&f).agent.epsilon < epsilon);
    hosted_shut(&f);
  }
  free(path);
  support_dir_remove(&folder);
}

/* --- with threads of its own ---------------------------------------------------------------------------------------------- */

#define THREADS 8u
#define EACH    3000u

static fixture crowd;
static atomic_bool crowd_goes;

static void *crowd_ask(void *context) {
  uint64_t who = (uint64_t)(uintptr_t)context;
  larder_foretell_session(&who, sizeof who, who % 2 ? "guest" : "member");
  for (unsigned i = 0; i < EACH || atomic_load(&crowd_goes); i++) ask_number(&crowd, (unsigned)(i * (who + 1) % 97));
  larder_foretell_session(NULL, 0, NULL);
  return NULL;
}

static void in_a_child(void *context) {
  fixture *f = context;
  larder_learning_figures now;
  bool well = larder_learning_figures_get(f->ns, &now) == LARDER_EFORKED &&
              larder_learning_save(f->ns, "x", NULL) == LARDER_EFORKED &&
              larder_learning_load(f->ns, "x", NULL) == LARDER_EFORKED;
  well = larder_close(&f->cache) == LARDER_OK && well;
  _exit(well ? 0 : 1);
}

static void by_itself_and_with_many_threads(void **state) {
  pthread_t threads[THREADS];
  (void)state;
  hosted_open(&crowd,
              &(setting){.by_itself = true, .entries = 60, .tiers = "memory, sqlite", .agent = ", epsilon: 50%, window: 50"});
  atomic_store(&crowd_goes, true);
  for (uintptr_t i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, crowd_ask, (void *)i), 0);
  for (unsigned naps = 0; figures(&crowd).agent.decisions < 2000 && naps < 20000; naps++) nap();
  char *path = support_path(crowd.root, "learned");
  assert_ok(larder_learning_save(crowd.ns, path, NULL));
  assert_ok(larder_learning_load(crowd.ns, path, NULL));
  free(path);
  atomic_store(&crowd_goes, false);
  for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  assert_true(figures(&crowd).agent.decisions >= 2000);
  assert_int_equal(support_in_child(in_a_child, &crowd), 0);
  hosted_shut(&crowd); /* while it decides, and what it wished for is being made */
}

/* --- without memory ------------------------------------------------------------------------------------------------------- */

static void without_memory_it_is_not_opened_and_nothing_is_left(void **state) {
  (void)state;
  char *root = support_dir_make();
  bool opened = false;
  for (uint64_t n = 1; !opened; n += 3) {
    fixture f;
    larder_error err = {0};
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = hosted_open_in(&f, root, &(setting){.agent = ", max_keys: 64"}, &err);
    bool failed = support_alloc_end() >= n;
    if (result == LARDER_OK) {
      assert_ok(larder_close(&f.cache));
      opened = !failed;
    } else {
      assert_int_equal(result, LARDER_ENOMEM);
    }
    assert_int_equal(support_alloc_live(), live);
  }
  support_dir_remove(&root);
}

static void off_is_off(void **state) {
  (void)state;
  fixture f;
  larder_learning_figures now;
  hosted_open(&f, &(setting){.tiers = "sqlite"});
  ask_number(&f, 1);
  lrd_larder_tick(f.cache);
  assert_err(larder_learning_figures_get(f.ns, &now), LARDER_EUNSUPPORTED);
  hosted_shut(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_request_is_decided_about_and_hits_are_told),
      cmocka_unit_test(what_has_to_go_is_told_to_who_pushed_it_out),
      cmocka_unit_test(nothing_is_taken_out_of_memory_and_kept_below),
      cmocka_unit_test(where_it_does_worse_it_steps_aside_and_tries_again),
      cmocka_unit_test(with_more_keys_than_are_known_each_decision_is_its_own),
      cmocka_unit_test(what_others_delete_or_what_is_over_is_nobodys_fault),
      cmocka_unit_test(the_same_seed_decides_the_same),
      cmocka_unit_test(what_was_learned_is_saved_and_loaded),
      cmocka_unit_test(a_file_of_the_configuration_is_read_and_written),
      cmocka_unit_test(by_itself_and_with_many_threads),
      cmocka_unit_test(without_memory_it_is_not_opened_and_nothing_is_left),
      cmocka_unit_test(off_is_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
