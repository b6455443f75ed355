/* SPDX-License-Identifier: Apache-2.0 */
/* The engine with many at once, and what ends a transfer in the middle: nobody wants it, its time is over, the cache closes, a
 * fork. */
#include "maker/http_engine.h"

#include "http_rig.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 64
#define TURNS   8

static origin shared;
static char *shared_dir;

static int group_begin(void **state) {
  (void)state;
  http_rig_origin_start(&shared, &shared_dir, false);
  return 0;
}

static int group_end(void **state) {
  (void)state;
  http_rig_origin_stop(&shared, &shared_dir);
  return 0;
}

static int begin(void **state) {
  *state = http_rig_new(&shared, shared_dir);
  return 0;
}

/* The origin notices a little later that a connection has ended; the next test counts from none. */
static int end(void **state) {
  http_rig_free(*state);
  support_origin_await(&shared, 0);
  return 0;
}

/* Somebody who asks in a thread of his own. */
typedef struct asker {
  pthread_t thread;
  http_rig *rig;
  lrd_http_maker *maker;
  const char *key;
  int64_t deadline_ns;
  http_asked asked;
} asker;

static void *asker_run(void *argument) {
  asker *a = argument;
  a->asked = http_rig_make(a->rig, a->maker, a->key, NULL, a->deadline_ns);
  return NULL;
}

static void asker_start(asker *a, http_rig *rig, lrd_http_maker *maker, const char *key, int64_t deadline_ns) {
  *a = (asker){.rig = rig, .maker = maker, .key = key, .deadline_ns = deadline_ns};
  assert_int_equal(pthread_create(&a->thread, NULL, asker_run, a), 0);
}

static http_asked *asker_join(asker *a) {
  assert_int_equal(pthread_join(a->thread, NULL), 0);
  return &a->asked;
}

static void await_busy(http_rig *rig, size_t wanted) {
  for (int i = 0; i < 4000; i++) {
    if (lrd_http_engine_busy(rig->engine) == wanted) return;
    usleep(5000);
  }
  fail_msg("%zu transfers, not %zu", lrd_http_engine_busy(rig->engine), wanted);
}

static void a_transfer_that_nobody_wants_ends(void **state) {
  http_rig *rig = *state;
  static const char *const keys[] = {"drip/cancel", "hang/cancel"};
  for (size_t i = 0; i < 2; i++) {
    asker a;
    lrd_http_maker *maker = http_rig_maker(rig);
    atomic_store(&rig->cancel.closing, false);
    asker_start(&a, rig, maker, keys[i], 0);
    support_origin_await(&shared, 1);
    atomic_store(&rig->cancel.closing, true);
    http_asked_failed(asker_join(&a), LARDER_ECANCELLED, "nobody wants it");
    lrd_http_maker_free(maker); /* at once, whether libcurl has let go of the transfer or not */
    support_origin_await(&shared, 0);
    await_busy(rig, 0);
  }
}

static void the_deadline_ends_a_transfer(void **state) {
  http_rig *rig = *state;
  asker a;
  lrd_http_maker *maker = http_rig_maker(rig);
  rig->config.retries = 5;
  asker_start(&a, rig, maker, "drip/deadline", 60 * HTTP_RIG_SECOND);
  support_origin_await(&shared, 1);
  lrd_clock_moved_advance_ms(&rig->moved, 60000);
  http_asked_failed(asker_join(&a), LARDER_EAWAY, "time ran out");
  support_origin_await(&shared, 0);
  lrd_http_maker_free(maker);
}

static void an_attempt_has_its_time(void **state) {
  http_rig *rig = *state;
  rig->config.attempt_timeout_ms = 150;
  rig->config.retries = 1;
  http_asked asked = http_rig_ask(rig, "hang/attempt");
  http_asked_failed(&asked, LARDER_EAWAY, "timed out");
  assert_int_equal(support_origin_count(&shared, "/hang/attempt"), 2);
  support_origin_await(&shared, 0);
}

static void stopping_ends_all_transfers(void **state) {
  http_rig *rig = *state;
  enum { COUNT = 8 };
  asker a[COUNT];
  lrd_http_maker *maker = http_rig_maker(rig);
  for (int i = 0; i < COUNT; i++) asker_start(&a[i], rig, maker, i % 2 ? "drip/stop" : "hang/stop", 0);
  support_origin_await(&shared, COUNT);
  lrd_http_engine_stop(rig->engine);
  for (int i = 0; i < COUNT; i++) http_asked_failed(asker_join(&a[i]), LARDER_ECANCELLED, "nobody wants it");
  http_asked asked = http_rig_make(rig, maker, "echo/later", NULL, 0);
  http_asked_failed(&asked, LARDER_ECANCELLED, "nobody wants it");
  lrd_http_engine_stop(rig->engine); /* once more changes nothing */
  lrd_http_maker_free(maker);
  assert_int_equal(lrd_http_engine_busy(rig->engine), 0);
}

static void freeing_waits_for_who_is_inside(void **state) {
  (void)state;
  enum { COUNT = 8 };
  asker a[COUNT];
  http_rig *rig = http_rig_new(&shared, shared_dir);
  lrd_http_maker *maker = http_rig_maker(rig);
  for (int i = 0; i < COUNT; i++) asker_start(&a[i], rig, maker, "drip/free", 0);
  support_origin_await(&shared, COUNT);
  lrd_http_engine_free(rig->engine);
  rig->engine = NULL;
  support_origin_await(&shared, 0); /* its connections are closed */
  for (int i = 0; i < COUNT; i++) http_asked_failed(asker_join(&a[i]), LARDER_ECANCELLED, "nobody wants it");
  lrd_http_maker_free(maker);
  http_rig_free(rig);
}

static _Atomic bool asleep;

static void sleep_really(const lrd_clock *clock, int64_t ns) {
  (void)clock;
  atomic_store(&asleep, true);
  lrd_clock_real()->sleep_ns(lrd_clock_real(), ns);
}

static void who_waits_for_a_token_is_inside_too(void **state) {
  (void)state;
  asker a;
  http_rig *rig = http_rig_new(&shared, shared_dir);
  rig->moved.clock.sleep_ns = sleep_really;
  lrd_http_maker *maker = http_rig_maker(rig);
  char host[40];
  snprintf(host, sizeof host, "127.0.0.1:%d", shared.port);
  lrd_http_hosts_pause(lrd_http_engine_hosts(rig->engine), host, HTTP_RIG_SECOND);
  asker_start(&a, rig, maker, "echo/token", 0);
  while (!atomic_load(&asleep)) usleep(1000);
  lrd_http_engine_free(rig->engine);
  rig->engine = NULL;
  http_asked_failed(asker_join(&a), LARDER_ECANCELLED, "nobody wants it");
  lrd_http_maker_free(maker);
  http_rig_free(rig);
}

static void *ask_much(void *argument) {
  asker *a = argument;
  for (int i = 0; i < TURNS; i++) {
    http_asked asked = http_rig_make(a->rig, a->maker, a->key, NULL, 0);
    if (asked.code != LARDER_OK || asked.made.len != strlen(a->key + 5) ||
        memcmp(asked.made.value, a->key + 5, asked.made.len) != 0) {
      a->asked.code = LARDER_EIO;
      a->asked.err = asked.err;
    }
    http_asked_release(&asked);
  }
  return NULL;
}

static void many_ask_at_once(void **state) {
  http_rig *rig = *state;
  asker a[THREADS];
  char keys[THREADS][24];
  lrd_http_maker *maker = http_rig_maker(rig);
  for (int i = 0; i < THREADS; i++) {
    snprintf(keys[i], sizeof keys[i], "echo/thread-%d", i);
    a[i] = (asker){.rig = rig, .maker = maker, .key = keys[i]};
    assert_int_equal(pthread_create(&a[i].thread, NULL, ask_much, &a[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    http_asked const *asked = asker_join(&a[i]);
    if (asked->code != LARDER_OK) fail_msg("%s", asked->err.message);
  }
  for (int i = 0; i < THREADS; i++) {
    char path[32];
    snprintf(path, sizeof path, "/echo/thread-%d", i);
    assert_int_equal(support_origin_count(&shared, path), TURNS);
  }
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_REQUESTS), THREADS * TURNS);
  lrd_http_maker_free(maker);
}

static void more_than_may_run_wait_their_turn(void **state) {
  http_rig *rig = *state;
  enum { COUNT = LRD_HTTP_RUNNING_MAX + 4 };
  asker *a = calloc(COUNT, sizeof *a);
  assert_non_null(a);
  rig->config.attempt_timeout_ms = 120000;
  lrd_http_maker *maker = http_rig_maker(rig), *other = http_rig_maker(rig);
  for (int i = 0; i < COUNT; i++) asker_start(&a[i], rig, maker, "hang/queue", 0);
  await_busy(rig, COUNT);
  support_origin_await(&shared, LRD_HTTP_RUNNING_MAX);
  /* Who is still in the queue can be cancelled as well: by his deadline, which the others have not. */
  asker late;
  asker_start(&late, rig, other, "echo/never", HTTP_RIG_SECOND);
  await_busy(rig, COUNT + 1);
  lrd_clock_moved_advance_ms(&rig->moved, 1000);
  http_asked_failed(asker_join(&late), LARDER_EAWAY, "time ran out");
  assert_int_equal(support_origin_count(&shared, "/echo/never"), 0);
  assert_int_equal(lrd_http_engine_busy(rig->engine), COUNT);
  lrd_http_engine_stop(rig->engine);
  for (int i = 0; i < COUNT; i++) http_asked_failed(asker_join(&a[i]), LARDER_ECANCELLED, "nobody wants it");
  lrd_http_maker_free(maker);
  lrd_http_maker_free(other);
  free(a);
}

/* --- forking ------------------------------------------------------------------------------------------------------------ */

/* Descriptors of this process that are sockets of IP: libcurl has others, between its own threads. */
static int ip_sockets(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0 && address.ss_family == AF_INET) count++;
  }
  return count;
}

static void child_abandons(void *context) {
  http_rig *rig = context;
  if (ip_sockets() != 1) _exit(1);
  lrd_http_engine_abandon(rig->engine);
  if (ip_sockets() != 0) _exit(2);
  lrd_http_maker *maker = http_rig_maker(rig);
  http_asked asked = http_rig_make(rig, maker, "echo/child", NULL, 0);
  if (asked.code != LARDER_ECANCELLED) _exit(3);
  lrd_http_maker_free(maker);
  lrd_http_engine_free(rig->engine);
}

static void a_forked_child_leaves_the_connections_alone(void **state) {
  http_rig *rig = *state;
  asker a;
  lrd_http_maker *maker = http_rig_maker(rig);
  asker_start(&a, rig, maker, "drip/fork", 0);
  support_origin_await(&shared, 1);
  assert_int_equal(support_in_child(child_abandons, rig), 0);
  support_origin_await(&shared, 1); /* it goes on */
  /* A child that lives on keeps no connection open. */
  pid_t const child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    lrd_http_engine_abandon(rig->engine);
    for (;;) pause();
  }
  atomic_store(&rig->cancel.closing, true);
  http_asked_failed(asker_join(&a), LARDER_ECANCELLED, "nobody wants it");
  support_origin_await(&shared, 0);
  kill(child, SIGKILL);
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
  }
  lrd_http_maker_free(maker);
}

/* --- beginning ---------------------------------------------------------------------------------------------------------- */

static int threads_named_ours(void) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  assert_non_null(tasks);
  for (const struct dirent *entry = readdir(tasks); entry; entry = readdir(tasks)) {
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    if (fgets(name, sizeof name, file) && strcmp(name, "larder-http\n") == 0) count++;
    fclose(file);
  }
  closedir(tasks);
  return count;
}

/* The kernel may show a joined thread a little longer. */
static void await_no_thread(void) {
  for (int i = 0; i < 4000 && threads_named_ours() > 0; i++) usleep(5000);
  assert_int_equal(threads_named_ours(), 0);
}

static void the_thread_begins_with_the_first_transfer(void **state) {
  http_rig *rig = *state;
  await_no_thread();
  http_asked asked = http_rig_ask(rig, "echo/first");
  http_asked_value(&asked, "first");
  assert_int_equal(threads_named_ours(), 1);
  lrd_http_engine_stop(rig->engine);
  await_no_thread();
}

static void no_memory_for_an_engine_is_told(void **state) {
  (void)state;
  for (uint64_t n = 1;; n++) {
    int64_t const live = support_alloc_live();
    lrd_http_engine *engine = NULL;
    support_alloc_fail_at(n);
    larder_err result = lrd_http_engine_new(lrd_clock_real(), &engine, NULL);
    bool const failed = support_alloc_end() >= n;
    if (result == LARDER_OK)
      lrd_http_engine_free(engine);
    else
      assert_err(result, LARDER_ENOMEM);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  lrd_http_engine_free(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(a_transfer_that_nobody_wants_ends),
                                     TEST(the_deadline_ends_a_transfer),
                                     TEST(an_attempt_has_its_time),
                                     TEST(stopping_ends_all_transfers),
                                     cmocka_unit_test(freeing_waits_for_who_is_inside),
                                     cmocka_unit_test(who_waits_for_a_token_is_inside_too),
                                     TEST(many_ask_at_once),
                                     TEST(more_than_may_run_wait_their_turn),
                                     TEST(a_forked_child_leaves_the_connections_alone),
                                     TEST(the_thread_begins_with_the_first_transfer),
                                     cmocka_unit_test(no_memory_for_an_engine_is_told)};
  return cmocka_run_group_tests(tests, group_begin, group_end);
}
