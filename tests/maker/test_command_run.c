/* SPDX-License-Identifier: Apache-2.0 */
/* Commands as they run: exit codes, both streams byte for byte, what they inherit, and how their group is ended. */
#include "command_fixture.h"

#include "maker/command_run.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static lrd_command command_of(fixture *f, const char *const *argv) {
  fixture_forget_seen(f);
  return (lrd_command){.argv = argv, .folder = f->dir, .stop_fd = -1, .signal_fd = -1, .take = fixture_take, .context = f};
}

static void expect(const lrd_command *command, lrd_command_end end, int code) {
  lrd_command_result result = {0};
  assert_ok(lrd_command_run(command, &result));
  assert_int_equal(result.end, end);
  assert_int_equal(result.code, code);
}

static void exit_codes_and_signals_are_told(void **state) {
  FIXTURE_SCRIPT(zero, "exit 0");
  FIXTURE_SCRIPT(seven, "exit 7");
  FIXTURE_SCRIPT(killed, "kill -9 $$");
  const char *const absent[] = {"larder-no-such-program", NULL};
  const char *const folder[] = {"/tmp", NULL};
  lrd_command command = command_of(*state, zero);
  expect(&command, LRD_COMMAND_EXITED, 0);
  command.argv = seven;
  expect(&command, LRD_COMMAND_EXITED, 7);
  command.argv = killed;
  expect(&command, LRD_COMMAND_SIGNALLED, SIGKILL);
  command.argv = absent;
  expect(&command, LRD_COMMAND_NOT_STARTED, ENOENT);
  command.argv = folder;
  expect(&command, LRD_COMMAND_NOT_STARTED, EACCES);
  command.argv = zero;
  command.folder = "/nonexistent";
  expect(&command, LRD_COMMAND_NOT_STARTED, ENOENT);
}

static void both_streams_come_byte_for_byte(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "printf 'a\\000b\\377'; head -c 300000 /dev/zero; printf end >&2");
  lrd_command command = command_of(f, script);
  expect(&command, LRD_COMMAND_EXITED, 0);
  assert_int_equal(f->seen[0].len, 300004);
  assert_memory_equal(f->seen[0].data, "a\0b\377\0\0", 6);
  assert_int_equal(f->seen[1].len, 3);
  assert_memory_equal(f->seen[1].data, "end", 3);
}

static void what_a_command_inherits(void **state) {
  fixture *f = *state;
  const char *const added[] = {"LARDER_TEST_ADDED=new", "LARDER_TEST_OURS=theirs", NULL};
  FIXTURE_SCRIPT(script, "cat; echo $LARDER_TEST_ADDED $LARDER_TEST_OURS $LARDER_TEST_KEPT; pwd");
  lrd_command command = command_of(f, script);
  command.environment = added;
  assert_int_equal(setenv("LARDER_TEST_OURS", "ours", 1), 0);
  assert_int_equal(setenv("LARDER_TEST_KEPT", "kept", 1), 0);
  expect(&command, LRD_COMMAND_EXITED, 0);
  char *real = realpath(f->dir, NULL);
  char wanted[400];
  (void)snprintf(wanted, sizeof wanted, "new theirs kept\n%s\n", real);
  assert_string_equal((char *)f->seen[0].data, wanted); /* and nothing from standard input */
  free(real);
}

static void a_clean_environment_has_what_is_harmless(void **state) {
  fixture *f = *state;
  const char *const added[] = {"LARDER_TEST_ADDED=new", "TZ=UTC", NULL};
  FIXTURE_SCRIPT(script, "env | grep -v '^PWD=\\|^OLDPWD=\\|^SHLVL=\\|^_=' | sort");
  lrd_command command = command_of(f, script);
  command.environment = added;
  command.environment_clean = true;
  static const char *const ours[][2] = {{"PATH", NULL},        {"HOME", "/nowhere"}, {"LANG", "C"},       {"LC_ALL", "C"},
                                        {"TZ", "Europe/Rome"}, {"TMPDIR", "/tmp"},   {"PATHS", "no"},     {"LC_TIME", "no"},
                                        {"API_TOKEN", "no"},   {"LD_PRELOAD", ""},   {"LARDER_KEY", "no"}};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    if (ours[i][1] != NULL) assert_int_equal(setenv(ours[i][0], ours[i][1], 1), 0);
  }
  expect(&command, LRD_COMMAND_EXITED, 0);
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    if (ours[i][1] != NULL) assert_int_equal(unsetenv(ours[i][0]), 0);
  }
  char wanted[4096];
  (void)snprintf(wanted, sizeof wanted,
                 "HOME=/nowhere\nLANG=C\nLARDER_TEST_ADDED=new\nLC_ALL=C\nPATH=%s\nTMPDIR=/tmp\nTZ=UTC\n", getenv("PATH"));
  assert_string_equal((char *)f->seen[0].data, wanted);
}

typedef struct looking {
  fixture *f;
  unsigned looks;
} looking;

/* Wanted until the command has written, and then for two more looks. */
static bool cancelled_when_it_has_written(void *context) {
  looking *l = context;
  return l->f->seen[0].len > 0 && ++l->looks > 2;
}

static bool take_for_looking(void *context, int stream, const void *data, size_t len) {
  return fixture_take(((looking *)context)->f, stream, data, len);
}

static void a_broken_pipe_ends_a_command_even_where_we_ignore_it(void **state) {
  FIXTURE_SCRIPT(script, "kill -PIPE $$; exit 0");
  lrd_command command = command_of(*state, script);
  void (*before)(int) = signal(SIGPIPE, SIG_IGN);
  expect(&command, LRD_COMMAND_SIGNALLED, SIGPIPE);
  (void)signal(SIGPIPE, before);
}

static bool take_none(void *context, int stream, const void *data, size_t len) {
  (void)context;
  (void)data;
  (void)len;
  return stream == 2;
}

static void output_that_nobody_wants_ends_the_command(void **state) {
  const char *const endless[] = {"yes", NULL};
  lrd_command command = command_of(*state, endless);
  command.take = take_none;
  expect(&command, LRD_COMMAND_SIGNALLED, SIGPIPE);
}

/* The group is a shell that waits and a sleeper that holds the output: only ending both ends the reading. */
static FIXTURE_SCRIPT(sleepers, "sleep 1000 & echo $!; wait");

static void expect_gone(const fixture *f) { fixture_expect_gone(strtol((const char *)f->seen[0].data, NULL, 10)); }

static void a_time_limit_ends_the_whole_group(void **state) {
  fixture *f = *state;
  lrd_command command = command_of(f, sleepers);
  command.timeout_ms = 300;
  expect(&command, LRD_COMMAND_TIMED_OUT, 0);
  expect_gone(f);
}

typedef struct telling {
  fixture *f;
  int ends[2];
} telling;

static bool take_and_tell(void *context, int stream, const void *data, size_t len) {
  telling *t = context;
  uint8_t number = SIGINT;
  (void)fixture_take(t->f, stream, data, len);
  return write(t->ends[1], &number, 1) == 1;
}

/* What the command writes is answered through the pipe, so it is running by then. */
static void run_and_tell(fixture *f, const char *const *argv, bool stop, lrd_command_end end, int code) {
  telling t = {.f = f};
  lrd_command command = command_of(f, argv);
  assert_int_equal(pipe(t.ends), 0);
  command.take = take_and_tell;
  command.context = &t;
  if (stop) {
    command.stop_fd = t.ends[0];
  } else {
    command.signal_fd = t.ends[0];
  }
  expect(&command, end, code);
  close(t.ends[0]);
  close(t.ends[1]);
  expect_gone(f);
}

/* A lease on the program's file keeps exec waiting for the lease's holder, for 45 s as the kernel is set: so does a file system
 * that is gone. */
static void a_program_that_cannot_be_loaded_is_ended_by_the_time_limit(void **state) {
  fixture *f = *state;
  char *program = support_path(f->dir, "program");
  char copying[400];
  (void)snprintf(copying, sizeof copying, "cp /bin/true '%s'", program);
  assert_int_equal(system(copying), 0);
  struct sigaction ignored = {.sa_handler = SIG_IGN}, before;
  assert_int_equal(sigaction(SIGIO, &ignored, &before), 0);
  int const holder = open(program, O_RDONLY | O_CLOEXEC);
  assert_true(holder >= 0);
  bool const held = fcntl(holder, F_SETLEASE, F_WRLCK) == 0;
  if (held) {
    const char *const argv[] = {program, NULL};
    lrd_command command = command_of(f, argv);
    command.timeout_ms = 200;
    expect(&command, LRD_COMMAND_TIMED_OUT, 0);
  }
  assert_int_equal(close(holder), 0);
  assert_int_equal(sigaction(SIGIO, &before, NULL), 0);
  free(program);
  if (!held) skip(); /* a file system without leases */
}

static void stopping_ends_the_whole_group(void **state) { run_and_tell(*state, sleepers, true, LRD_COMMAND_STOPPED, 0); }

static bool take_and_stop(void *context, int stream, const void *data, size_t len) {
  telling *t = context;
  (void)fixture_take(t->f, stream, data, len);
  return write(t->ends[1], "", 1) == 1;
}

static void all_of_the_group_are_asked_before_they_are_ended(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "sh -c 'trap \"echo asked; exit\" TERM; echo ready; while :; do sleep 0.01; done' & wait");
  telling t = {.f = f};
  lrd_command command = command_of(f, script);
  assert_int_equal(pipe(t.ends), 0);
  command.take = take_and_stop;
  command.context = &t;
  command.stop_fd = t.ends[0];
  expect(&command, LRD_COMMAND_STOPPED, 0);
  close(t.ends[0]);
  close(t.ends[1]);
  assert_string_equal((char *)f->seen[0].data, "ready\nasked\n");
}

static void who_is_not_wanted_any_more_is_ended(void **state) {
  looking l = {.f = *state};
  lrd_command command = command_of(*state, sleepers);
  command.take = take_for_looking;
  command.cancelled = cancelled_when_it_has_written;
  command.context = &l;
  expect(&command, LRD_COMMAND_STOPPED, 0);
  assert_int_equal(l.looks, 3); /* and not asked again */
  expect_gone(*state);
}

static void signals_are_passed_on(void **state) {
  FIXTURE_SCRIPT(script, "trap 'kill $!; exit 42' INT; sleep 1000 & echo $!; wait");
  run_and_tell(*state, script, false, LRD_COMMAND_EXITED, 42);
}

static void who_ignores_being_asked_is_ended(void **state) {
  FIXTURE_SCRIPT(stubborn, "trap '' TERM; while :; do sleep 1000; done");
  lrd_command command = command_of(*state, stubborn);
  command.timeout_ms = 100;
  expect(&command, LRD_COMMAND_TIMED_OUT, 0);
}

static void how_it_ended_is_lost_where_the_application_reaps_its_children(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "echo whole");
  lrd_command command = command_of(f, script);
  void (*before)(int) = signal(SIGCHLD, SIG_IGN);
  expect(&command, LRD_COMMAND_LOST, 0);
  (void)signal(SIGCHLD, before);
  assert_string_equal((char *)f->seen[0].data, "whole\n");
  command = command_of(f, script);
  expect(&command, LRD_COMMAND_EXITED, 0);
}

/* What it had said by then is heard; the time limit is for who waits all the same. */
static void who_holds_the_errors_alone_is_not_waited_for(void **state) {
  fixture *f = *state;
  FIXTURE_SCRIPT(script, "sleep 1000 >/dev/null & echo $!; echo told >&2");
  lrd_command command = command_of(f, script);
  command.timeout_ms = 20000;
  command.errors_end_with_it = true;
  expect(&command, LRD_COMMAND_EXITED, 0);
  assert_string_equal((char *)f->seen[1].data, "told\n");
  pid_t const sleeper = (pid_t)strtol((const char *)f->seen[0].data, NULL, 10);
  assert_true(sleeper > 1);
  assert_int_equal(kill(sleeper, SIGKILL), 0);
  expect_gone(f);
}

static void any_allocation_may_fail(void **state) {
  FIXTURE_SCRIPT(script, "exit 3");
  lrd_command command = command_of(*state, script);
  for (uint64_t n = 1;; n++) {
    lrd_command_result result = {0};
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = lrd_command_run(&command, &result);
    bool failed = support_alloc_end() >= n;
    assert_err(err, failed ? LARDER_ENOMEM : LARDER_OK);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

int main(void) {
  (void)signal(SIGINT, SIG_DFL); /* whoever starts the tests in the background may have it ignored, which is inherited */
  const struct CMUnitTest tests[] = {
      FIXTURE_TEST(exit_codes_and_signals_are_told),
      FIXTURE_TEST(both_streams_come_byte_for_byte),
      FIXTURE_TEST(what_a_command_inherits),
      FIXTURE_TEST(a_clean_environment_has_what_is_harmless),
      FIXTURE_TEST(a_broken_pipe_ends_a_command_even_where_we_ignore_it),
      FIXTURE_TEST(output_that_nobody_wants_ends_the_command),
      FIXTURE_TEST(a_time_limit_ends_the_whole_group),
      FIXTURE_TEST(a_program_that_cannot_be_loaded_is_ended_by_the_time_limit),
      FIXTURE_TEST(stopping_ends_the_whole_group),
      FIXTURE_TEST(all_of_the_group_are_asked_before_they_are_ended),
      FIXTURE_TEST(who_is_not_wanted_any_more_is_ended),
      FIXTURE_TEST(signals_are_passed_on),
      FIXTURE_TEST(who_ignores_being_asked_is_ended),
      FIXTURE_TEST(how_it_ended_is_lost_where_the_application_reaps_its_children),
      FIXTURE_TEST(who_holds_the_errors_alone_is_not_waited_for),
      FIXTURE_TEST(any_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
