/* SPDX-License-Identifier: Apache-2.0 */
/* Values from programs: what counts as one, how failures are told, and that nothing of a program is left behind. */
#include "command_fixture.h"

#include "maker/attempts.h"
#include "maker/command_maker.h"
#include "maker/command_said.h"
#include "maker/making.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 32u
#define SECOND  INT64_C(1000000000)

/* One making, from config to what came of it. */
typedef struct rig {
  fixture *f;
  lrd_config_maker config;
  const lrd_clock *clock;
  lrd_cancel cancel;
  larder_making making;
  larder_facts facts;
  larder_made made;
  larder_error err;
  char *value; /* with a NUL behind it */
  larder_err result;
} rig;

static rig rig_of(fixture *f, const char *const *argv) {
  rig r = {.f = f,
           .config = {.type = LRD_MAKER_COMMAND,
                      .argv = argv,
                      .separator = ':',
                      .value_bytes_max = 1 << 20,
                      .burst = 1,
                      .retry_delay_ms = 1,
                      .folder = f->dir},
           .clock = lrd_clock_real()};
  r.making = (larder_making){.size = sizeof r.making, .key = "a:b|x=1", .key_len = 7, .deadline_ns = INT64_MAX};
  return r;
}

static void rig_fini(rig *r) {
  free(r->value);
  r->value = NULL;
}

static void made_keep(rig *r) {
  free(r->value);
  r->value = NULL;
  if (r->result != LARDER_OK || r->made.what != LARDER_MADE_VALUE) return;
  assert_non_null(r->made.value);
  r->value = malloc(r->made.len + 1);
  assert_non_null(r->value);
  memcpy(r->value, r->made.value, r->made.len);
  r->value[r->made.len] = '\0';
  if (r->made.release) r->made.release(r->made.release_context, r->made.value);
}

static larder_err run(rig *r) {
  lrd_command_maker *maker = NULL;
  int64_t live = support_alloc_live();
  r->err = (larder_error){0};
  r->made = (larder_made){.size = sizeof r->made};
  r->cancel.clock = r->clock;
  r->making.cancel = &r->cancel;
  if (lrd_command_maker_new(&r->config, "pictures", NULL, r->clock, &maker, &r->err) != LARDER_OK)
    fail_msg("%s", r->err.message);
  r->result = lrd_command_make(maker, &r->making, &r->made, &r->err);
  made_keep(r);
  lrd_command_maker_free(maker);
  assert_int_equal(support_alloc_live(), live);
  if (r->result != LARDER_OK) assert_int_equal(r->err.code, r->result);
  return r->result;
}

static void expect_told(const rig *r, larder_err code, const char *part) {
  if (r->result != code || !strstr(r->err.message, part))
    fail_msg("%s: %s; wanted %s: %s", larder_err_name(r->result), r->err.message, larder_err_name(code), part);
}

#define RIG(name, text)                                                                                                        \
  FIXTURE_SCRIPT(name##_script, text);                                                                                         \
  rig name = rig_of(*state, name##_script)

static void output_is_the_value_byte_for_byte(void **state) {
  RIG(r, "printf 'a\\000b\\377\\n'; echo noise >&2");
  assert_ok(run(&r));
  assert_int_equal(r.made.len, 5);
  assert_memory_equal(r.value, "a\0b\377\n", 5);
  const char *const nothing[] = {"true", NULL};
  r.config.argv = nothing;
  assert_ok(run(&r));
  assert_int_equal(r.made.len, 0);
  assert_int_equal(r.made.what, LARDER_MADE_VALUE);
  const char *const python[] = {"/usr/bin/python3", "-c", "import sys; sys.stdout.buffer.write(bytes(range(256)) * 3000)",
                                NULL};
  r.config.argv = python;
  assert_ok(run(&r));
  assert_int_equal(r.made.len, 768000);
  for (size_t i = 0; i < r.made.len; i++) assert_int_equal((uint8_t)r.value[i], i % 256);
  rig_fini(&r);
}

static void arguments_are_filled_and_no_shell_reads_them(void **state) {
  const char *const argv[] = {"printf", "%s\\n", "{1}/{2}", "{x}", "$(touch hacked)", "{key}", "`id`; {{}}", NULL};
  rig r = rig_of(*state, argv);
  r.making.key = "a:b c;$HOME|x=%26*";
  r.making.key_len = strlen(r.making.key);
  assert_ok(run(&r));
  assert_string_equal(r.value, "a/b c;$HOME\n&*\n$(touch hacked)\na:b c;$HOME|x=%26*\n`id`; {}\n");
  char *none = fixture_read(r.f, "hacked");
  assert_string_equal(none, "");
  free(none);
  const char *const by_key[] = {"{1}", "-c", "echo $0", NULL};
  r.config.argv = by_key;
  r.making.key = "sh";
  r.making.key_len = 2;
  assert_ok(run(&r));
  assert_string_equal(r.value, "sh\n");
  r.making.key = ":";
  r.making.key_len = 1;
  (void)run(&r);
  expect_told(&r, LARDER_EINVAL, "pictures: `:`: with this key the command has no name");
  const char *const third[] = {"echo", "{3}", NULL};
  r.config.argv = third;
  (void)run(&r);
  expect_told(&r, LARDER_EINVAL, "the key has no part {3}");
  const char *const option[] = {"sort", "{key}", NULL};
  r.config.argv = option;
  r.making.key = "-opwned";
  r.making.key_len = strlen(r.making.key);
  (void)run(&r);
  expect_told(&r, LARDER_EINVAL, "be read as an option");
  char *pwned = fixture_read(r.f, "pwned");
  assert_string_equal(pwned, "");
  free(pwned);
  const char *const whole[] = {"echo", "{key}", NULL};
  r.config.argv = whole;
  r.making.key = "a\0b";
  r.making.key_len = 3;
  (void)run(&r);
  expect_told(&r, LARDER_EINVAL, "pictures: `a\\x00b`: the key has a NUL");
  rig_fini(&r);
}

static void an_end_that_somebody_else_has_reaped_is_told_as_such(void **state) {
  RIG(r, "echo value");
  void (*before)(int) = signal(SIGCHLD, SIG_IGN);
  (void)run(&r);
  (void)signal(SIGCHLD, before);
  expect_told(&r, LARDER_EUNSUPPORTED, "this process ignores SIGCHLD or reaps every child");
  rig_fini(&r);
}

static void the_environment_is_what_was_given(void **state) {
  RIG(r, "cat; env | grep '^LARDER_MAKE\\|^LARDER_KEY\\|^OURS\\|^GIVEN\\|^EMPTY' | sort; pwd");
  assert_int_equal(setenv("OURS", "ours", 1), 0);
  assert_int_equal(setenv("LARDER_KEY", "sealing", 1), 0);
  r.config.environment = "GIVEN=a = b\nEMPTY=\n";
  r.making.kept = "old";
  r.making.kept_len = 3;
  r.facts = (larder_facts){.version = "v7-and-more", .version_len = 2};
  r.making.kept_facts = &r.facts;
  char *real = realpath(r.f->dir, NULL), wanted[512];
  assert_ok(run(&r));
  (void)snprintf(wanted, sizeof wanted,
                 "EMPTY=\nGIVEN=a = b\nLARDER_MAKE_KEPT_VERSION=v7\nLARDER_MAKE_KEY=a:b|x=1\nLARDER_MAKE_NS=pictures\n%s\n",
                 real);
  assert_string_equal(r.value, wanted);
  r.config.inherit_environment = true;
  r.config.environment = NULL;
  r.making.kept = NULL;
  r.making.key = "a\0b"; /* cannot stand in a variable */
  r.making.key_len = 3;
  assert_ok(run(&r));
  (void)snprintf(wanted, sizeof wanted, "LARDER_KEY=sealing\nLARDER_MAKE_NS=pictures\nOURS=ours\n%s\n", real);
  assert_string_equal(strstr(r.value, "LARDER_KEY="), wanted);
  assert_int_equal(unsetenv("OURS"), 0);
  assert_int_equal(unsetenv("LARDER_KEY"), 0);
  free(real);
  rig_fini(&r);
}

static void an_exit_code_says_that_there_is_none(void **state) {
  RIG(r, "echo half; exit 44");
  r.config.absent_exit = 44;
  assert_ok(run(&r));
  assert_int_equal(r.made.what, LARDER_MADE_ABSENT);
  assert_null(r.made.value);
  r.config.absent_exit = 0;
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "pictures: `a:b|x=1`: the command `sh` exited with 44");
  rig_fini(&r);
}

static void failures_are_told_with_what_was_said(void **state) {
  RIG(r, "echo first >&2; printf '\\033[31mno such\\033[0m\\tpicture\\r\\n\\377\\001\\n\\n' >&2; exit 3");
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "`sh` exited with 3: first no such picture");
  assert_null(strpbrk(r.err.message, "\n\r\t\033\001\377"));
  FIXTURE_SCRIPT(killed, "echo dying >&2; kill -9 $$");
  r.config.argv = killed;
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "`sh` was ended by signal 9: dying");
  const char *const absent[] = {"larder-no-such-program", NULL};
  r.config.argv = absent;
  (void)run(&r);
  expect_told(&r, LARDER_EUNSUPPORTED, "the command `larder-no-such-program` cannot be started: No such file");
  assert_int_equal(r.err.os_errno, ENOENT);
  const char *const folder[] = {"/tmp", NULL};
  r.config.argv = folder;
  (void)run(&r);
  expect_told(&r, LARDER_EACCES, "cannot be started: Permission denied");
  FIXTURE_SCRIPT(silent, "exit 5");
  r.config.argv = silent;
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "exited with 5");
  assert_string_equal(r.err.message + strlen(r.err.message) - 1, "5");
  rig_fini(&r);
}

static void of_much_noise_the_end_is_told(void **state) {
  RIG(r, "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1");
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "line 2998 line 2999");
  assert_non_null(strstr(r.err.message, "exited with 1: ..."));
  const char *const flood[] = {"/usr/bin/python3", "-c", "import sys; sys.stderr.write('x' * 3000000); sys.exit(1)", NULL};
  r.config.argv = flood;
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "exited with 1"); /* one line, of which the beginning is gone: nothing of it is sure */
  assert_null(strstr(r.err.message, "xx"));
  rig_fini(&r);
}

static void secrets_are_not_shown(void **state) {
  RIG(r, "printf '\\033[1mtoken=\\033[0mhunter2\\nurl https://u:hunter2@h/\\n' >&2; echo \"it said $WORD; $WORD\" >&2; exit 1");
  r.config.environment = "WORD=open sesame\nSHORT=it\n";
  r.making.key = "a|password=hunter2";
  r.making.key_len = strlen(r.making.key);
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "pictures: `a|password=***`: ");
  expect_told(&r, LARDER_EIO, "token=*** url https://u:***@h/ it said ***; ***");
  /* The name of this secret is gone, so its value must go too. */
  RIG(long_one,
      "printf 'password='; exec 1>&2; printf 'password='; head -c 2500 /dev/zero | tr '\\0' s; echo; echo end; exit 1");
  (void)run(&long_one);
  expect_told(&long_one, LARDER_EIO, "exited with 1: end");
  assert_null(strstr(long_one.err.message, "ss"));
  rig_fini(&r);
  rig_fini(&long_one);
}

static void what_came_from_a_variable_is_not_said(void **state) {
  static const char *const argv[] = {"sh", "-c", "echo \"cannot log in with $0, $GIVEN\" >&2; exit 1", "hunter2 of ours", NULL},
                           *const absent[] = {"/nowhere/hunter2 of ours", NULL},
                           *const held[] = {"PW=hunter2 of ours", "SHORT=log", NULL};
  rig r = rig_of(*state, argv);
  r.config.variables = held;
  r.config.environment = "GIVEN=given\n";
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "exited with 1: cannot log in with ***, ***");
  r.config.argv = absent;
  (void)run(&r);
  expect_told(&r, LARDER_EUNSUPPORTED, "`/nowhere/***` cannot be started");
  rig_fini(&r);
}

static void of_a_long_end_the_last_of_it_is_said(void **state) {
  (void)state;
  static const char *const pairs[] = {"A=none", NULL};
  char out[LRD_SAID_ROOM], line[5000];
  for (size_t len = 0; len < 2200; len += 7) {
    lrd_said said = {0};
    size_t at = 0;
    while (at + 3 <= len) at += (size_t)snprintf(line + at, sizeof line - at, "\xc3\xbc\n");
    for (size_t i = 0; i < at; i += 100) lrd_said_add(&said, line + i, at - i < 100 ? at - i : 100);
    lrd_said_write(&said, NULL, pairs, NULL, out);
    assert_true(strlen(out) < LRD_SAID_ROOM);
    if (at > 0) assert_string_equal(out + strlen(out) - 2, "\xc3\xbc");
    if (strstr(out, "...")) assert_int_not_equal((uint8_t)out[5], 0xbc); /* not within a character */
  }
  lrd_said whole = {0};
  memset(line, 'y', sizeof line);
  lrd_said_add(&whole, line, LRD_SAID_TAIL);
  lrd_said_write(&whole, NULL, pairs, NULL, out);
  assert_non_null(strstr(out, "...yyy"));
  lrd_said_add(&whole, line, sizeof line);
  lrd_said_write(&whole, NULL, pairs, NULL, out);
  assert_string_equal(out, "");
}

static void a_flood_ends_the_group(void **state) {
  RIG(r, "echo $$ > pid; (trap '' PIPE; echo $! >> pid; while :; do echo y; sleep 0; done) & echo $! >> pid; yes; sleep 1000");
  r.config.value_bytes_max = 100000;
  (void)run(&r);
  expect_told(&r, LARDER_ETOOBIG, "the command `sh` writes more than the max_size of 100000 bytes");
  char *pids = fixture_read(r.f, "pid");
  for (char *at = pids; *at;) {
    long pid = strtol(at, &at, 10);
    if (pid > 0) fixture_expect_gone(pid);
    while (*at == '\n') at++;
  }
  free(pids);
  RIG(exact, "head -c 1000 /dev/zero");
  exact.config.value_bytes_max = 1000;
  assert_ok(run(&exact));
  exact.config.value_bytes_max = 999;
  assert_int_equal(run(&exact), LARDER_ETOOBIG);
  rig_fini(&exact);
  rig_fini(&r);
}

/* A shell that waits for a grandchild which ignores being asked, and tells both. */
#define STUBBORN "sh -c 'trap \"\" TERM; echo $$ > grandchild; while :; do sleep 1000; done' & echo $$ > child; wait"

static void expect_family_gone(const rig *r) {
  static const char *const names[] = {"child", "grandchild"};
  for (size_t i = 0; i < 2; i++) {
    char *pid = fixture_read(r->f, names[i]);
    fixture_expect_gone(strtol(pid, NULL, 10));
    free(pid);
  }
}

/* Looks that the family is there, and then says that the deadline is over or the cache closing. */
typedef struct ending {
  lrd_clock clock; /* first */
  rig *r;
  bool closing;
} ending;

static bool family_is_there(const rig *r) {
  char *child = fixture_read(r->f, "child"), *grandchild = fixture_read(r->f, "grandchild");
  bool there = strchr(child, '\n') && strchr(grandchild, '\n');
  free(child);
  free(grandchild);
  return there;
}

static int64_t boot_until_there(const lrd_clock *clock) {
  const ending *e = (const ending *)(const void *)clock;
  if (e->r->making.deadline_ns == 0 || !family_is_there(e->r)) return 1;
  if (e->closing) {
    e->r->cancel.closing = true;
    return 1;
  }
  return INT64_MAX - 1;
}

static int64_t mono_of(const lrd_clock *clock) {
  (void)clock;
  return lrd_mono_ns(lrd_clock_real());
}

static void ends_with(void **state, bool closing, larder_err code, const char *part) {
  RIG(r, STUBBORN);
  ending e = {.clock = {.mono_ns = mono_of, .boot_ns = boot_until_there}, .r = &r, .closing = closing};
  r.clock = &e.clock;
  r.making.deadline_ns = INT64_MAX - 2;
  (void)run(&r);
  expect_told(&r, code, part);
  expect_family_gone(&r);
  rig_fini(&r);
}

static void a_deadline_ends_the_group(void **state) {
  ends_with(state, false, LARDER_EAWAY, "the command `sh` took too long and was ended");
}

static void a_closing_cache_ends_the_group(void **state) {
  ends_with(state, true, LARDER_ECANCELLED, "the command `sh` was ended, since nobody waits any more");
}

static void a_deadline_of_the_real_clock_is_kept(void **state) {
  RIG(r, "echo on it >&2; exec sleep 1000");
  int64_t begin_ns = lrd_mono_ns(lrd_clock_real());
  r.making.deadline_ns = lrd_boot_ns(lrd_clock_real()) + 300000000;
  (void)run(&r);
  expect_told(&r, LARDER_EAWAY, "took too long and was ended: on it");
  assert_true(lrd_mono_ns(lrd_clock_real()) - begin_ns >= 290000000);
  (void)run(&r); /* it is over now */
  expect_told(&r, LARDER_EAWAY, "its time was over before it could be tried");
  rig_fini(&r);
}

static void failures_that_may_pass_are_tried_again(void **state) {
  RIG(r, "echo . >> tries; [ $(wc -l < tries) -ge 3 ] && echo made || exit 9");
  r.config.retries = 1;
  (void)run(&r);
  expect_told(&r, LARDER_EIO, "exited with 9");
  assert_ok(run(&r)); /* the third */
  assert_string_equal(r.value, "made\n");
  RIG(never, "echo . >> never; exit 9");
  never.config.retries = 3;
  assert_int_equal(run(&never), LARDER_EIO);
  char *tries = fixture_read(r.f, "never");
  assert_string_equal(tries, ".\n.\n.\n.\n");
  free(tries);
  RIG(big, "echo . >> big; yes");
  big.config.retries = 3;
  assert_int_equal(run(&big), LARDER_ETOOBIG); /* it would be again */
  tries = fixture_read(r.f, "big");
  assert_string_equal(tries, ".\n");
  free(tries);
  rig_fini(&r);
}

static void the_rate_is_kept(void **state) {
  RIG(r, "echo made");
  lrd_clock_moved moved;
  lrd_clock_moved_init(&moved, 1000);
  lrd_command_maker *maker = NULL;
  r.config.rate_per_s = 2;
  r.cancel.clock = r.clock = &moved.clock;
  assert_ok(lrd_command_maker_new(&r.config, "pictures", NULL, r.clock, &maker, NULL));
  int64_t begin_ns = lrd_boot_ns(r.clock);
  for (int i = 0; i < 5; i++) {
    r.made = (larder_made){.size = sizeof r.made};
    assert_ok(lrd_command_make(maker, &r.making, &r.made, NULL));
    r.made.release(r.made.release_context, r.made.value);
  }
  assert_int_equal(lrd_boot_ns(r.clock) - begin_ns, 2 * SECOND); /* the clock moves only where somebody waits */
  r.making.deadline_ns = lrd_boot_ns(r.clock) + SECOND / 10;
  r.result = lrd_command_make(maker, &r.making, &r.made, &r.err);
  expect_told(&r, LARDER_EAWAY, "the maker may be asked again in 500 ms only");
  assert_int_equal(r.made.retry_after_ms, 500);
  assert_int_equal(lrd_boot_ns(r.clock) - begin_ns, 2 * SECOND); /* told at once */
  r.making.deadline_ns = INT64_MAX;
  r.cancel.closing = true;
  r.making.cancel = &r.cancel;
  r.result = lrd_command_make(maker, &r.making, &r.made, &r.err);
  expect_told(&r, LARDER_ECANCELLED, "it was not wanted any more");
  lrd_command_maker_free(maker);
}

typedef struct one_of_many {
  lrd_command_maker *maker;
  unsigned number;
  unsigned failed;
} one_of_many;

static void *make_several(void *argument) {
  one_of_many *o = argument;
  for (unsigned i = 0; i < 3; i++) {
    char key[32], wanted[80];
    larder_making const making = {.size = sizeof making,
                                  .key = key,
                                  .key_len = (size_t)snprintf(key, sizeof key, "t:%u:%u", o->number, i),
                                  .deadline_ns = INT64_MAX};
    larder_made made = {.size = sizeof made};
    (void)snprintf(wanted, sizeof wanted, "%s %s\n", key, key);
    if (lrd_command_make(o->maker, &making, &made, NULL) != LARDER_OK || made.len != strlen(wanted) ||
        memcmp(made.value, wanted, made.len) != 0) {
      o->failed++;
    }
    if (made.release) made.release(made.release_context, made.value);
  }
  return NULL;
}

static void many_threads_run_commands_at_once(void **state) {
  const char *const argv[] = {"sh", "-c", "echo \"$1 $LARDER_MAKE_KEY\"", "sh", "{key}", NULL};
  rig r = rig_of(*state, argv);
  lrd_command_maker *maker = NULL;
  pthread_t threads[THREADS];
  one_of_many ones[THREADS];
  assert_ok(lrd_command_maker_new(&r.config, "pictures", NULL, r.clock, &maker, NULL));
  for (unsigned i = 0; i < THREADS; i++) {
    ones[i] = (one_of_many){.maker = maker, .number = i};
    assert_int_equal(pthread_create(&threads[i], NULL, make_several, &ones[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(ones[i].failed, 0);
  }
  lrd_command_maker_free(maker);
}

static void a_killed_process_leaves_no_command(void **state) {
  RIG(r, "echo $$ > child; exec sleep 1000");
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    (void)run(&r);
    _exit(1);
  }
  char *child = fixture_read(r.f, "child");
  for (int i = 0; !strchr(child, '\n'); i++) {
    free(child);
    if (i > 1000000) fail_msg("the command did not begin");
    child = fixture_read(r.f, "child");
  }
  assert_int_equal(kill(pid, SIGKILL), 0);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  fixture_expect_gone(strtol(child, NULL, 10));
  free(child);
}

static void places_that_are_none_are_told(void **state) {
  (void)state;
  const char *const argv[] = {"convert", "{1}", "{Path}", NULL};
  lrd_config_maker const config = {.argv = argv, .separator = ':'};
  lrd_command_maker *maker = NULL;
  larder_error err = {0};
  assert_err(lrd_command_maker_new(&config, "pictures", NULL, lrd_clock_real(), &maker, &err), LARDER_EINVAL);
  assert_string_equal(err.message,
                      "pictures: maker.command, element 3: at character 1: found the place \"Path\"; the nearest is {path}");
  assert_null(maker);
}

static void any_allocation_may_fail(void **state) {
  RIG(r, "echo made; echo noise >&2");
  FIXTURE_SCRIPT(failing, "echo noise >&2; exit 3");
  for (int round = 0; round < 2; round++) {
    for (uint64_t n = 1;; n++) {
      lrd_command_maker *maker = NULL;
      larder_error err = {0};
      int64_t live = support_alloc_live();
      r.config.argv = round == 0 ? r_script : failing;
      r.config.environment = "A=b\nC=d\n";
      r.made = (larder_made){.size = sizeof r.made};
      support_alloc_fail_at(n);
      larder_err result = lrd_command_maker_new(&r.config, "pictures", NULL, r.clock, &maker, &err);
      if (result == LARDER_OK) {
        result = lrd_command_make(maker, &r.making, &r.made, &err);
        if (r.made.release) r.made.release(r.made.release_context, r.made.value);
      }
      lrd_command_maker_free(maker);
      bool failed = support_alloc_end() >= n;
      larder_err wanted = round == 0 ? LARDER_OK : LARDER_EIO;
      if (!failed) assert_err(result, wanted);
      if (result != wanted) assert_int_equal(result, LARDER_ENOMEM); /* without memory to show what was said it still failed */
      if (result != LARDER_OK) assert_int_equal(err.code, result);
      assert_int_equal(support_alloc_live(), live);
      if (!failed) break;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(output_is_the_value_byte_for_byte),
      FIXTURE_TEST(arguments_are_filled_and_no_shell_reads_them),
      FIXTURE_TEST(an_end_that_somebody_else_has_reaped_is_told_as_such),
      FIXTURE_TEST(the_environment_is_what_was_given),
      FIXTURE_TEST(an_exit_code_says_that_there_is_none),
      FIXTURE_TEST(failures_are_told_with_what_was_said),
      FIXTURE_TEST(of_much_noise_the_end_is_told),
      FIXTURE_TEST(secrets_are_not_shown),
      cmocka_unit_test(of_a_long_end_the_last_of_it_is_said),
      FIXTURE_TEST(what_came_from_a_variable_is_not_said),
      FIXTURE_TEST(a_flood_ends_the_group),
      FIXTURE_TEST(a_deadline_ends_the_group),
      FIXTURE_TEST(a_closing_cache_ends_the_group),
      FIXTURE_TEST(a_deadline_of_the_real_clock_is_kept),
      FIXTURE_TEST(failures_that_may_pass_are_tried_again),
      FIXTURE_TEST(the_rate_is_kept),
      FIXTURE_TEST(many_threads_run_commands_at_once),
      FIXTURE_TEST(a_killed_process_leaves_no_command),
      cmocka_unit_test(places_that_are_none_are_told),
      FIXTURE_TEST(any_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
