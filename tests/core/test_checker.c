/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of entries: by a command, and by HTTP against a server of the test's own. On a clock that the test moves, where a
 * tick does what is due; and with threads, where the test waits on counts of what was asked.
 */
#include "support/support.h"

#include "core/checker.h"
#include "larder_testing.h"
#include <larder/health.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS    INT64_C(1700000000000)
#define PATIENCE_MS 20000

/* --- a server: /a/…: 200; /b/…: 503; /r/…: a redirect; /l/…: a long body; /h/…: no answer --------------------------------- */

typedef struct server {
  int fd;
  int port;
  pthread_t thread;
  _Atomic bool ending;
  _Atomic unsigned answering;
  _Atomic unsigned heads;
  _Atomic unsigned gets;
  _Atomic unsigned by_letter[26];
  void (*amid)(void *context); /* before an answer; NULL: nothing */
  void *context;
} server;

static void answer(server *s, int fd) {
  static const char long_body[4096] = {0};
  char text[2048] = {0};
  size_t len = 0;
  while (len + 1 < sizeof text && !strstr(text, "\r\n\r\n")) {
    ssize_t const got = read(fd, text + len, sizeof text - 1 - len);
    if (got <= 0) return;
    len += (size_t)got;
  }
  const char *path = strchr(text, ' ');
  char const letter = path ? path[2] : 'z';
  bool const head = strncmp(text, "HEAD ", 5) == 0;
  atomic_fetch_add(head ? &s->heads : &s->gets, 1);
  if (letter >= 'a' && letter <= 'z') atomic_fetch_add(&s->by_letter[letter - 'a'], 1);
  if (letter == 'h') {
    while (!atomic_load(&s->ending) && recv(fd, text, 1, MSG_DONTWAIT) != 0) usleep(1000);
    return;
  }
  if (s->amid) s->amid(s->context);
  char reply[256];
  int const reply_len = snprintf(reply, sizeof reply, "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n",
                                 letter == 'b'   ? "503 Away"
                                 : letter == 'r' ? "302 Elsewhere"
                                                 : "200 OK",
                                 letter == 'l' ? 1 << 20 : 0, letter == 'r' ? "Location: /a/1\r\n" : "");
  (void)!write(fd, reply, (size_t)reply_len);
  for (int i = 0; letter == 'l' && !head && i < 256; i++) {
    if (send(fd, long_body, sizeof long_body, MSG_NOSIGNAL) < 0) break;
  }
}

static void *serve_one(void *context) {
  struct {
    server *s;
    int fd;
  } *one = context;
  answer(one->s, one->fd);
  (void)close(one->fd);
  atomic_fetch_sub(&one->s->answering, 1);
  free(one);
  return NULL;
}

static void *serve(void *context) {
  server *s = context;
  for (;;) {
    int const fd = accept(s->fd, NULL, NULL);
    if (fd < 0 || atomic_load(&s->ending)) {
      if (fd >= 0) (void)close(fd);
      return NULL;
    }
    struct {
      server *s;
      int fd;
    } *one = malloc(sizeof *one);
    pthread_t thread;
    one->s = s;
    one->fd = fd;
    atomic_fetch_add(&s->answering, 1);
    if (pthread_create(&thread, NULL, serve_one, one) == 0) (void)pthread_detach(thread);
  }
}

static void server_start(server *s) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;
  memset(s, 0, sizeof *s);
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(s->fd >= 0);
  assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(listen(s->fd, 64), 0);
  assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
  s->port = ntohs(at.sin_port);
  assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(server *s) {
  atomic_store(&s->ending, true);
  (void)shutdown(s->fd, SHUT_RDWR);
  (void)pthread_join(s->thread, NULL);
  for (unsigned i = 0; atomic_load(&s->answering) > 0; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
  (void)close(s->fd);
}

/* --- a cache ----------------------------------------------------------------------------------------------------------------
 */

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  char logged[400];
} fixture;

static void keep_log(void *context, int level, const char *id, const char *message) {
  fixture *f = context;
  (void)level;
  (void)snprintf(f->logged, sizeof f->logged, "%s: %s", id, message);
}

/* policy: of namespace n. moved: on the test's clock, without threads. */
static larder_err try_open(fixture *f, const char *policy, bool moved, larder_error *err) {
  char text[1200];
  (void)snprintf(text, sizeof text, "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n    n: {%s}\n", policy);
  larder_options options = {.size = sizeof options,
                            .root = f->root,
                            .config_text = text,
                            .log = keep_log,
                            .log_context = f,
                            .log_level = LARDER_LOG_WARN};
  larder_err result =
      moved ? lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, err) : larder_open(&options, &f->cache, err);
  return result == LARDER_OK ? larder_ns_open(f->cache, "n", &f->ns, err) : result;
}

static void begin(fixture *f) {
  memset(f, 0, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, START_MS);
}

static void open_with(fixture *f, const char *policy, bool moved) {
  larder_error err = {0};
  larder_err const result = try_open(f, policy, moved, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
}

static void end(fixture *f) {
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

static void put(fixture *f, const char *key) { assert_ok(larder_put(f->ns, key, strlen(key), "v", 1, NULL)); }

static larder_health health_of(fixture *f, const char *key) {
  larder_health health = {.size = sizeof health};
  larder_err const found = larder_health_get(f->ns, key, strlen(key), &health);
  assert_true(found == LARDER_OK || found == LARDER_MISS);
  return health;
}

static void tick(fixture *f, int64_t after_ms) {
  lrd_clock_moved_advance_ms(&f->clock, after_ms);
  lrd_larder_tick(f->cache);
}

static const char *const tiers[] = {"[memory]", "[memory, sqlite]", "[files]"};
#define TIERS (sizeof tiers / sizeof *tiers)

/* --- commands ---------------------------------------------------------------------------------------------------------------
 */

static void a_command_finds_out_what_fails_and_it_is_evicted(void **state) {
  (void)state;
  for (size_t i = 0; i < TIERS; i++) {
    fixture f;
    char policy[400];
    begin(&f);
    (void)snprintf(
        policy, sizeof policy,
        "tiers: %s, health: {failures: 2, check: {command: [sh, -c, 'echo \"no $1\" >&2; test $1 = good', x, '{1}'], "
        "every: 1m, jitter: 0}}",
        tiers[i]);
    open_with(&f, policy, true);
    put(&f, "good:1");
    put(&f, "bad:1");
    tick(&f, 0);
    assert_int_equal(health_of(&f, "good:1").successes + health_of(&f, "bad:1").failures, 0); /* nobody's turn yet */
    tick(&f, 60000);
    assert_int_equal(health_of(&f, "good:1").successes, 1);
    larder_health health = health_of(&f, "bad:1");
    assert_true(health.status == LARDER_HEALTH_DEGRADED && health.failures == 1);
    assert_string_equal(health.error, "exit code 1: no bad");
    assert_ok(larder_exists(f.ns, "bad:1", 5));
    tick(&f, 0);
    tick(&f, 60000);
    assert_err(larder_exists(f.ns, "bad:1", 5), LARDER_MISS);
    assert_ok(larder_exists(f.ns, "good:1", 6));
    assert_int_equal(health_of(&f, "bad:1").status, LARDER_HEALTH_UNHEALTHY);
    assert_int_equal(health_of(&f, "good:1").successes_in_row, 2);
    end(&f);
  }
}

/* 40 entries in 40 s: at each second one. */
static void turns_are_spread_over_the_round(void **state) {
  (void)state;
  fixture f;
  char key[16];
  begin(&f);
  open_with(&f, "tiers: [sqlite], health: {check: {command: ['true'], every: 40s, jitter: 0}}", true);
  for (int i = 0; i < 40; i++) {
    (void)snprintf(key, sizeof key, "k%d", i);
    put(&f, key);
  }
  tick(&f, 0);
  uint64_t done = 0;
  for (uint64_t second = 1; second <= 40; second++) {
    tick(&f, 1000);
    done = 0;
    for (int i = 0; i < 40; i++) {
      (void)snprintf(key, sizeof key, "k%d", i);
      done += health_of(&f, key).successes;
    }
    assert_true(done + 1 >= second && done <= second + 1);
  }
  assert_int_equal(done, 40);
  end(&f);
}

static void what_is_unhealthy_is_tried_again_when_its_next_check_is_due(void **state) {
  (void)state;
  fixture f;
  char policy[700], flag[400];
  begin(&f);
  (void)snprintf(flag, sizeof flag, "%s/works", f.root);
  (void)snprintf(
      policy, sizeof policy,
      "tiers: [memory, sqlite], health: {failures: 1, retry: 10s, retry_max: 40s, check: {command: [test, -e, '%s'], "
      "every: 1h, jitter: 0}}",
      flag);
  open_with(&f, policy, true);
  put(&f, "k");
  assert_ok(larder_health_report(f.ns, "k", 1, false, "refused", NULL));
  assert_err(larder_exists(f.ns, "k", 1), LARDER_MISS);
  for (unsigned attempt = 1; attempt <= 4; attempt++) {
    int64_t const due_ms = health_of(&f, "k").next_check_ms;
    tick(&f, due_ms - 1 - lrd_wall_ms(&f.clock.clock));
    assert_int_equal(health_of(&f, "k").recovery_attempts, attempt - 1);
    /* the records are looked through every 2.5 s */
    tick(&f, 2501);
    assert_int_equal(health_of(&f, "k").recovery_attempts, attempt);
    assert_string_equal(health_of(&f, "k").error, "exit code 1");
  }
  support_file_write(flag, "", 0);
  tick(&f, 51000);
  larder_health const health = health_of(&f, "k");
  assert_true(health.status == LARDER_HEALTH_HEALTHY && health.recovery_attempts == 0 && health.next_check_ms == 0);
  end(&f);
}

static void an_unhealthy_entry_that_stays_is_left_alone_until_then(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f,
            "tiers: [memory, sqlite], health: {failures: 1, evict: no, retry: 10m, check: {command: ['false'], every: 1m, "
            "jitter: 0}}",
            true);
  put(&f, "k");
  tick(&f, 0);
  for (int i = 0; i < 10; i++) tick(&f, 30000);
  assert_int_equal(health_of(&f, "k").failures, 1);
  assert_ok(larder_exists(f.ns, "k", 1));
  for (int i = 0; i < 20; i++) tick(&f, 30000); /* 12 minutes at the latest */
  assert_int_equal(health_of(&f, "k").failures, 2);
  assert_int_equal(health_of(&f, "k").recovery_attempts, 1);
  end(&f);
}

static void a_key_that_has_not_the_part_is_not_checked(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "tiers: [sqlite], health: {failures: 1, check: {command: [test, '{3}', '=', c], every: 1m, jitter: 0}}", true);
  put(&f, "a:b:c");
  put(&f, "short");
  tick(&f, 0);
  tick(&f, 60000);
  assert_int_equal(health_of(&f, "a:b:c").successes, 1);
  assert_int_equal(health_of(&f, "short").failures, 0);
  assert_ok(larder_exists(f.ns, "short", 5));
  assert_non_null(strstr(f.logged, "check.impossible"));
  assert_null(strstr(f.logged, "short"));
  end(&f);
}

static void a_command_whose_end_is_lost_evicts_nothing(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "tiers: [sqlite], health: {failures: 1, check: {command: ['true'], every: 1m, jitter: 0}}", true);
  put(&f, "k");
  void (*before)(int) = signal(SIGCHLD, SIG_IGN);
  tick(&f, 0);
  tick(&f, 60000);
  (void)signal(SIGCHLD, before);
  assert_ok(larder_exists(f.ns, "k", 1));
  assert_int_equal(health_of(&f, "k").failures, 0);
  assert_non_null(strstr(f.logged, "check.impossible"));
  assert_non_null(strstr(f.logged, "SIGCHLD"));
  end(&f);
}

static void a_command_that_is_not_there_evicts_nothing(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  open_with(&f, "tiers: [sqlite], health: {failures: 1, check: {command: [/nowhere/at/all], every: 1m, jitter: 0}}", true);
  put(&f, "k");
  tick(&f, 0);
  tick(&f, 60000);
  assert_ok(larder_exists(f.ns, "k", 1));
  assert_non_null(strstr(f.logged, "cannot be started"));
  end(&f);
}

/* It is the configuration that is wrong, not every entry there is. */
static void authorities_that_can_not_be_read_evict_nothing(void **state) {
  (void)state;
  server s;
  fixture f;
  char policy[300];
  server_start(&s);
  begin(&f);
  (void)snprintf(policy, sizeof policy,
                 "tiers: [sqlite], health: {failures: 1, check: {http: 'https://127.0.0.1:%d/{1}', ca_file: /nowhere/ca.pem, "
                 "every: 1m, jitter: 0}}",
                 s.port);
  open_with(&f, policy, true);
  put(&f, "k");
  tick(&f, 0);
  tick(&f, 60000);
  assert_ok(larder_exists(f.ns, "k", 1));
  assert_int_equal(health_of(&f, "k").failures, 0);
  assert_non_null(strstr(f.logged, "check.impossible"));
  assert_non_null(strstr(f.logged, "/nowhere/ca.pem"));
  end(&f);
  server_stop(&s);
}

static void templates_that_can_not_be_do_not_open(void **state) {
  (void)state;
  static const char *const policies[] = {"health: {check: {http: 'ftp://{1}/'}}", "health: {check: {http: 'http://h/{'}}",
                                         "health: {check: {command: [x, '{']}}",
                                         "health: {check: {http: 'http://h/', headers: {Range: bytes=0-1}}}",
                                         "health: {check: {http: 'http://h/', proxy: 'http://us:hunter2@h:port'}}"};
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
    fixture f;
    larder_error err = {0};
    begin(&f);
    assert_err(try_open(&f, policies[i], true, &err), LARDER_ECONFIG);
    assert_non_null(strstr(err.message, "health.check"));
    assert_null(strstr(err.message, "hunter2"));
    end(&f);
  }
}

/* --- http -------------------------------------------------------------------------------------------------------------------
 */

static void a_status_tells_whether_an_entry_is_well(void **state) {
  (void)state;
  static const struct {
    const char *method;
    const char *key;
    const char *error; /* behind the host; NULL: it is well */
  } cases[] = {{"HEAD", "a", NULL},
               {"GET", "a", NULL},
               {"HEAD", "l", NULL},
               {"GET", "l", NULL},
               {"HEAD", "b", " answered with status 503"},
               {"GET", "b", " answered with status 503"},
               {"GET", "r", " answered with status 302"}};
  server s;
  server_start(&s);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture f;
    char policy[300], where[100];
    unsigned const heads = atomic_load(&s.heads), gets = atomic_load(&s.gets);
    begin(&f);
    (void)snprintf(policy, sizeof policy,
                   "tiers: [memory, sqlite], health: {check: {http: 'http://127.0.0.1:%d/{1}/x?token=hunter2', method: %s, "
                   "every: 1m, jitter: 0}}",
                   s.port, cases[i].method);
    open_with(&f, policy, true);
    put(&f, cases[i].key);
    tick(&f, 0);
    tick(&f, 60000);
    larder_health const health = health_of(&f, cases[i].key);
    assert_int_equal(health.successes, cases[i].error ? 0 : 1);
    assert_int_equal(health.failures, cases[i].error ? 1 : 0);
    (void)snprintf(where, sizeof where, "http://127.0.0.1:%d%s", s.port, cases[i].error ? cases[i].error : "");
    assert_string_equal(health.error, cases[i].error ? where : "");
    bool const head = strcmp(cases[i].method, "HEAD") == 0;
    assert_int_equal(atomic_load(&s.heads) - heads, head ? 1 : 0);
    assert_int_equal(atomic_load(&s.gets) - gets, head ? 0 : 1);
    end(&f);
  }
  server_stop(&s);
}

static void who_does_not_answer_has_failed(void **state) {
  (void)state;
  server s;
  fixture f;
  char policy[300];
  server_start(&s);
  begin(&f);
  (void)snprintf(policy, sizeof policy,
                 "tiers: [sqlite], health: {check: {http: 'http://127.0.0.1:%d/{1}', timeout: 200ms, every: 1m, jitter: 0}}",
                 s.port);
  open_with(&f, policy, true);
  put(&f, "h");
  tick(&f, 0);
  tick(&f, 60000);
  assert_non_null(strstr(health_of(&f, "h").error, "timed out"));
  end(&f);
  server_stop(&s);
  /* the port is nobody's now */
  begin(&f);
  open_with(&f, policy, true);
  put(&f, "a");
  tick(&f, 0);
  tick(&f, 60000);
  assert_int_equal(health_of(&f, "a").failures, 1);
  end(&f);
}

static void put_anew(void *context) {
  fixture *f = context;
  larder_err const result = larder_put(f->ns, "b:1", 3, "new", 3, NULL);
  if (result != LARDER_OK) print_error("put: %s\n", larder_err_name(result));
}

/* The check that was due began while nothing was there. */
static void what_is_put_while_its_predecessor_is_tried_stays(void **state) {
  (void)state;
  server s;
  fixture f;
  char policy[300];
  server_start(&s);
  begin(&f);
  (void)snprintf(
      policy, sizeof policy,
      "tiers: [memory, sqlite], health: {failures: 1, retry: 10s, check: {http: 'http://127.0.0.1:%d/{1}/{2}', every: "
      "1h, jitter: 0}}",
      s.port);
  open_with(&f, policy, true);
  put(&f, "b:1");
  assert_ok(larder_health_report(f.ns, "b:1", 3, false, "refused", NULL));
  assert_err(larder_exists(f.ns, "b:1", 3), LARDER_MISS);
  s.context = &f;
  s.amid = put_anew;
  tick(&f, health_of(&f, "b:1").next_check_ms - lrd_wall_ms(&f.clock.clock) + 2501);
  assert_int_equal(health_of(&f, "b:1").failures, 2);
  assert_ok(larder_exists(f.ns, "b:1", 3));
  s.amid = NULL;
  /* what has been tried itself goes */
  tick(&f, health_of(&f, "b:1").next_check_ms - lrd_wall_ms(&f.clock.clock) + 2501);
  assert_int_equal(health_of(&f, "b:1").failures, 3);
  assert_err(larder_exists(f.ns, "b:1", 3), LARDER_MISS);
  end(&f);
  server_stop(&s);
}

/* --- with threads ------------------------------------------------------------------------------------------------------------
 */

static void wait_for(const _Atomic unsigned *count, unsigned wanted) {
  for (unsigned i = 0; atomic_load(count) < wanted; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
}

static void a_thread_checks_while_the_namespace_is_open(void **state) {
  (void)state;
  server s;
  fixture f;
  char policy[300];
  server_start(&s);
  begin(&f);
  (void)snprintf(policy, sizeof policy,
                 "tiers: [memory, sqlite], health: {failures: 2, check: {http: 'http://127.0.0.1:%d/{1}/{2}', every: 100ms, "
                 "timeout: 10s}}",
                 s.port);
  open_with(&f, policy, false);
  put(&f, "a:1");
  put(&f, "a:2");
  put(&f, "b:1");
  wait_for(&s.by_letter['a' - 'a'], 6);
  wait_for(&s.by_letter['b' - 'a'], 2);
  for (unsigned i = 0; larder_exists(f.ns, "b:1", 3) != LARDER_MISS; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
  assert_ok(larder_exists(f.ns, "a:1", 3));
  assert_int_equal(health_of(&f, "b:1").status, LARDER_HEALTH_UNHEALTHY);
  /* closing does not wait for who does not answer */
  put(&f, "h:1");
  wait_for(&s.by_letter['h' - 'a'], 1);
  end(&f);
  server_stop(&s);
}

static void one_is_tried_when_asked_for(void **state) {
  (void)state;
  fixture f;
  larder_error err = {0};
  larder_health health = {.size = sizeof health};
  bool worked = false;
  begin(&f);
  open_with(
      &f,
      "tiers: [memory, sqlite], health: {failures: 1, check: {command: [sh, -c, 'test $1 = good || (echo no >&2; exit 1)', "
      "sh, '{2}'], every: 1h}}",
      true);
  put(&f, "1:good");
  put(&f, "1:bad");
  assert_ok(larder_health_check(f.ns, "1:good", 6, &worked, &health, &err));
  assert_true(worked);
  assert_int_equal(health.status, LARDER_HEALTH_HEALTHY);
  assert_ok(larder_health_check(f.ns, "1:bad", 5, &worked, &health, &err));
  assert_false(worked);
  assert_true(health.evicted && health.failures_in_row == 1);
  assert_non_null(strstr(err.message, "no"));
  assert_err(larder_exists(f.ns, "1:bad", 5), LARDER_MISS);
  assert_ok(larder_health_check(f.ns, "1:bad", 5, &worked, NULL, NULL)); /* also what is gone */
  assert_err(larder_health_check(f.ns, "1:bad", 5, NULL, NULL, NULL), LARDER_EINVAL);
  assert_err(larder_health_check(f.ns, "k", 1, &worked, NULL, &err), LARDER_EINVAL);
  assert_err(larder_health_check(NULL, "k", 1, &worked, NULL, NULL), LARDER_EINVAL);
  assert_ok(larder_close(&f.cache));
  open_with(&f, "tiers: [memory, sqlite]", true);
  assert_err(larder_health_check(f.ns, "1:good", 6, &worked, NULL, &err), LARDER_EUNSUPPORTED);
  assert_string_equal(err.message, "namespace n has no check: configure its `health.check`");
  end(&f);
}

#define TOUCHES "tiers: [sqlite], health: {check: {command: [touch, '%s'], every: 1m, jitter: 0}}"

/* Two caches of a host: the second begins when the first has ended. */
static void one_of_a_host_checks(void **state) {
  (void)state;
  fixture f, g;
  char policy[900], first[300], second[300];
  begin(&f);
  g = f;
  (void)snprintf(first, sizeof first, "%s/first", f.root);
  (void)snprintf(second, sizeof second, "%s/second", f.root);
  (void)snprintf(policy, sizeof policy, TOUCHES, first);
  open_with(&f, policy, true);
  (void)snprintf(policy, sizeof policy, TOUCHES, second);
  open_with(&g, policy, true);
  put(&f, "k");
  for (int i = 0; i < 4; i++) {
    tick(&f, 61000);
    lrd_clock_moved_advance_ms(&g.clock, 61000);
    lrd_larder_tick(g.cache);
  }
  assert_int_equal(access(first, F_OK), 0);
  assert_int_not_equal(access(second, F_OK), 0);
  assert_ok(larder_close(&f.cache));
  for (int i = 0; i < 3; i++) {
    lrd_clock_moved_advance_ms(&g.clock, 61000);
    lrd_larder_tick(g.cache);
  }
  assert_int_equal(access(second, F_OK), 0);
  assert_ok(larder_close(&g.cache));
  support_dir_remove(&f.root);
}

static void who_could_not_close_goes_on_checking(void **state) {
  (void)state;
  server s;
  fixture f;
  char policy[300];
  larder_value value;
  server_start(&s);
  begin(&f);
  (void)snprintf(policy, sizeof policy,
                 "tiers: [sqlite], health: {check: {http: 'http://127.0.0.1:%d/{1}', every: 50ms, timeout: 10s}}", s.port);
  open_with(&f, policy, false);
  put(&f, "a");
  wait_for(&s.by_letter['a' - 'a'], 1);
  assert_ok(larder_get(f.ns, "a", 1, NULL, &value));
  if (larder_close(&f.cache) == LARDER_EBUSY) {
    assert_non_null(f.cache);
    wait_for(&s.by_letter['a' - 'a'], atomic_load(&s.by_letter['a' - 'a']) + 3);
    larder_value_release(&value);
    end(&f);
  } else {
    fail_msg("closed while a value was handed out");
  }
  server_stop(&s);
}

static void close_in_the_child(void *context) {
  fixture *f = context;
  assert_err(larder_exists(f->ns, "h:1", 3), LARDER_EFORKED);
  if (larder_close(&f->cache) != LARDER_OK) _exit(9);
}

static void a_fork_amid_checks_leaves_both_sides_whole(void **state) {
  (void)state;
  server s;
  fixture f;
  char policy[300];
  server_start(&s);
  begin(&f);
  (void)snprintf(
      policy, sizeof policy,
      "tiers: [memory, sqlite], health: {check: {http: 'http://127.0.0.1:%d/{1}/{2}', every: 50ms, timeout: 5s, parallel: 4}}",
      s.port);
  open_with(&f, policy, false);
  put(&f, "a:1");
  put(&f, "h:1");
  put(&f, "h:2");
  wait_for(&s.by_letter['h' - 'a'], 2);
  for (int i = 0; i < 5; i++) assert_int_equal(support_in_child(close_in_the_child, &f), 0);
  end(&f);
  server_stop(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_command_finds_out_what_fails_and_it_is_evicted),
      cmocka_unit_test(turns_are_spread_over_the_round),
      cmocka_unit_test(what_is_unhealthy_is_tried_again_when_its_next_check_is_due),
      cmocka_unit_test(an_unhealthy_entry_that_stays_is_left_alone_until_then),
      cmocka_unit_test(a_key_that_has_not_the_part_is_not_checked),
      cmocka_unit_test(a_command_whose_end_is_lost_evicts_nothing),
      cmocka_unit_test(a_command_that_is_not_there_evicts_nothing),
      cmocka_unit_test(authorities_that_can_not_be_read_evict_nothing),
      cmocka_unit_test(templates_that_can_not_be_do_not_open),
      cmocka_unit_test(a_status_tells_whether_an_entry_is_well),
      cmocka_unit_test(who_does_not_answer_has_failed),
      cmocka_unit_test(what_is_put_while_its_predecessor_is_tried_stays),
      cmocka_unit_test(a_thread_checks_while_the_namespace_is_open),
      cmocka_unit_test(who_could_not_close_goes_on_checking),
      cmocka_unit_test(one_is_tried_when_asked_for),
      cmocka_unit_test(one_of_a_host_checks),
      cmocka_unit_test(a_fork_amid_checks_leaves_both_sides_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
