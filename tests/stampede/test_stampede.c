/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promise 7 with real processes: 1000 threads of 8 processes ask for one key that nobody has, and the maker counts. Then the
 * process that makes it is killed, and somebody else makes it. What is counted lies in memory that all of them share; how long
 * the next maker took to begin is printed, and is no verdict.
 */
#include "support/support.h"

#include <errno.h>
#include <larder/ext/maker.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES   8u
#define THREADS     1000u
#define PATIENCE_MS 60000u

typedef struct board {
  _Atomic unsigned ready;
  _Atomic unsigned began;
  _Atomic unsigned ended;
  _Atomic unsigned at_once; /* makings under way */
  _Atomic unsigned at_once_most;
  _Atomic unsigned right;
  _Atomic unsigned wrong;
  _Atomic int maker_pid;
  _Atomic int64_t began_ns;
  _Atomic bool hold; /* a making goes on once this is false */
} board;

static board *shared;
static int gate[2]; /* a pipe: who reads it goes on once its other end is closed */
static const char *root;
static const char *chain;
static unsigned threads_each;
static unsigned waiting_ms; /* what a making takes */

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static larder_err make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  static const char value[] = "made with much effort";
  (void)context;
  (void)making;
  (void)err;
  unsigned const now = atomic_fetch_add(&shared->at_once, 1) + 1;
  if (now > atomic_load(&shared->at_once_most)) atomic_store(&shared->at_once_most, now);
  atomic_store(&shared->began_ns, now_ns());
  atomic_store(&shared->maker_pid, (int)getpid());
  atomic_fetch_add(&shared->began, 1);
  usleep(waiting_ms * 1000);
  while (atomic_load(&shared->hold)) usleep(1000);
  made->value = value;
  made->len = strlen(value);
  atomic_fetch_sub(&shared->at_once, 1);
  atomic_fetch_add(&shared->ended, 1);
  return LARDER_OK;
}

static void *ask(void *context) {
  larder_value value = {0};
  larder_error err = {0};
  larder_make_options options = {.size = sizeof options, .make = make};
  char nothing;
  while (read(gate[0], &nothing, 1) < 0 && errno == EINTR) {
  }
  larder_err result = larder_get_or_make(context, "the key", 7, &options, &value, &err);
  bool const right = result == LARDER_OK && value.len == 21 && memcmp(value.data, "made with much effort", 21) == 0;
  if (!right) (void)fprintf(stderr, "%s: %s\n", larder_err_name(result), err.message);
  atomic_fetch_add(right ? &shared->right : &shared->wrong, 1);
  larder_value_release(&value);
  return NULL;
}

/* A process of the crowd; never returns. */
static void process_run(void) {
  char text[256];
  larder *cache = NULL;
  larder_ns *ns = NULL;
  larder_error err = {0};
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* or a failure would leave them waiting, and the runner for them */
  (void)close(gate[1]);
  pthread_t *threads = calloc(threads_each, sizeof *threads);
  pthread_attr_t small;
  (void)snprintf(text, sizeof text, "cache:\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: %s, ttl: 1h}\n", chain);
  larder_options options = {.size = sizeof options, .root = root, .config_text = text};
  bool well = threads && larder_open(&options, &cache, &err) == LARDER_OK && larder_ns_open(cache, "n", &ns, &err) == LARDER_OK;
  if (!well) {
    (void)fprintf(stderr, "a process of the crowd could not begin: %s\n", err.message);
    _exit(2);
  }
  (void)pthread_attr_init(&small);
  (void)pthread_attr_setstacksize(&small, 256 << 10);
  for (unsigned i = 0; i < threads_each; i++) {
    if (pthread_create(&threads[i], &small, ask, ns) != 0) _exit(3);
  }
  atomic_fetch_add(&shared->ready, 1);
  for (unsigned i = 0; i < threads_each; i++) (void)pthread_join(threads[i], NULL);
  free(threads);
  _exit(larder_close(&cache) == LARDER_OK ? 0 : 4);
}

static void wait_for(_Atomic unsigned *count, unsigned wanted) {
  for (unsigned i = 0; atomic_load(count) < wanted; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
}

static void crowd_start(pid_t *pids, unsigned processes) {
  threads_each = THREADS / processes;
  assert_int_equal(pipe(gate), 0);
  (void)fflush(NULL);
  for (unsigned i = 0; i < processes; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] == 0) process_run();
  }
  wait_for(&shared->ready, processes);
  (void)close(gate[1]);
}

/* How many ended well. */
static unsigned crowd_join(const pid_t *pids, unsigned processes) {
  unsigned well = 0;
  (void)close(gate[0]);
  for (unsigned i = 0; i < processes; i++) {
    int status = 0;
    while (waitpid(pids[i], &status, 0) < 0) assert_int_equal(errno, EINTR);
    well += WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  return well;
}

static void begin(char **dir, const char *tiers) {
  *dir = support_dir_make();
  root = *dir;
  chain = tiers;
  memset(shared, 0, sizeof *shared);
}

static void a_thousand_who_ask_make_it_once(void **state) {
  static const struct {
    const char *tiers;
    unsigned processes;
  } crowds[] = {{"[memory, sqlite]", PROCESSES}, {"[memory, files]", PROCESSES}, {"[memory, sqlite]", 1}, {"[memory]", 1}};
  pid_t pids[PROCESSES];
  char *dir;
  (void)state;
  waiting_ms = 500;
  for (size_t i = 0; i < sizeof crowds / sizeof *crowds; i++) {
    begin(&dir, crowds[i].tiers);
    crowd_start(pids, crowds[i].processes);
    assert_int_equal(crowd_join(pids, crowds[i].processes), crowds[i].processes);
    assert_int_equal(shared->right, THREADS);
    assert_int_equal(shared->wrong, 0);
    assert_int_equal(shared->began, 1);
    support_dir_remove(&dir);
  }
}

static void the_death_of_the_maker_frees_the_others(void **state) {
  pid_t pids[PROCESSES];
  char *dir;
  (void)state;
  waiting_ms = 0;
  for (int round = 0; round < 3; round++) {
    begin(&dir, "[memory, sqlite]");
    atomic_store(&shared->hold, true);
    crowd_start(pids, PROCESSES);
    wait_for(&shared->began, 1);
    usleep(100000); /* so that others wait for it; whoever does not yet asks later */
    pid_t const maker = shared->maker_pid;
    int64_t const killed_ns = now_ns();
    assert_int_equal(kill(maker, SIGKILL), 0);
    wait_for(&shared->began, 2);
    print_message("the next maker began %.1f ms after the kill\n", (double)(shared->began_ns - killed_ns) / 1e6);
    assert_int_not_equal(shared->maker_pid, maker);
    atomic_store(&shared->hold, false);
    assert_int_equal(crowd_join(pids, PROCESSES), PROCESSES - 1);
    assert_int_equal(shared->right, THREADS / PROCESSES * (PROCESSES - 1));
    assert_int_equal(shared->wrong, 0);
    assert_int_equal(shared->began, 2);
    assert_int_equal(shared->ended, 1);
    support_dir_remove(&dir);
  }
}

int main(void) {
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_thousand_who_ask_make_it_once),
      cmocka_unit_test(the_death_of_the_maker_frees_the_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
