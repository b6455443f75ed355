/* SPDX-License-Identifier: Apache-2.0 */
/*
 * _Fork rather than fork: the handlers of pthread_atfork would shut a cache down in a child that only wants to become
 * another program; and rather than posix_spawn, which knows no parent-death signal. What hinders exec comes back through a
 * pipe that exec closes; it is not waited for alone, since a program on a file system that is gone may keep exec waiting.
 *
 * Between _Fork and execvpe the child calls the system and nothing between: what stands in for functions of libc, such as a
 * sanitizer, may have been forked with a lock held.
 *
 * One loop polls both outputs, the way to exec, the child's end, and what may interrupt it. The child stays a zombie until the
 * loop is over, so that its group's number cannot have passed to strangers when the group is signalled.
 */
#include "command_run.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK               65536u
#define DRAIN_READS         4u
#define TICK_MS             20 /* where the kernel has no pidfd */
#define KERNEL_SIGSET_BYTES ((NSIG - 1) / 8)

extern char **environ;

typedef enum watched { WATCH_OUT, WATCH_ERR, WATCH_EXEC, WATCH_CHILD, WATCH_STOP, WATCH_SIGNAL, WATCH_COUNT } watched;

typedef struct running {
  const lrd_command *command;
  const char **environment; /* ours and the command's, with the names that it replaces left out */
  pid_t pid;
  int in; /* /dev/null */
  int out[2];
  int err[2];
  int exec_failed[2];
  int exec_errno;   /* why it became nothing */
  bool reset[NSIG]; /* signals whose disposition here is not to be the command's */
  int pidfd;
  int signal_fd; /* -1 once nothing more comes */
  bool exited;
  bool killed;        /* the group has been ended the hard way */
  int64_t kill_at_ns; /* 0: it has not been asked to end */
  int64_t timeout_at_ns;
  lrd_command_end asked; /* why it was asked */
  uint8_t *chunk;
} running;

static int64_t now_ns(void) { return lrd_mono_ns(lrd_clock_real()); }

/* Descriptors here are above the standard streams, so that they can be put there in any order. */
static int raised(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  lrd_fs_close(fd);
  return above;
}

static int pipe_make(int ends[2]) {
  int low[2];
  if (pipe2(low, O_CLOEXEC)) return -1;
  ends[0] = raised(low[0]);
  ends[1] = raised(low[1]);
  return ends[0] >= 0 && ends[1] >= 0 ? 0 : -1;
}

static bool same_name(const char *a, const char *b) {
  size_t len = strcspn(a, "=");
  return strncmp(a, b, len + 1) == 0;
}

/* Where programs are, whose they are, and how they write: no secret is among these. */
static bool harmless(const char *pair) {
  static const char *const names[] = {"PATH=", "HOME=", "LANG=", "LC_ALL=", "TZ=", "TMPDIR="};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (same_name(names[i], pair)) return true;
  }
  return false;
}

static larder_err environment_make(running *r) {
  size_t ours = 0, added = 0, len = 0;
  const char *const *more = r->command->environment;
  while (environ && environ[ours]) ours++;
  while (more && more[added]) added++;
  r->environment = lrd_alloc((ours + added + 1) * sizeof *r->environment);
  if (!r->environment) return LARDER_ENOMEM;
  for (size_t i = 0; i < ours; i++) {
    bool replaced = r->command->environment_clean && !harmless(environ[i]);
    for (size_t j = 0; j < added; j++) replaced |= same_name(more[j], environ[i]);
    if (!replaced) r->environment[len++] = environ[i];
  }
  for (size_t j = 0; j < added; j++) r->environment[len++] = more[j];
  r->environment[len] = NULL;
  return LARDER_OK;
}

/* --- the child ---------------------------------------------------------------------------------------------------------- */

/* Handlers must not run in the child, and a broken pipe must end the command as it does everywhere. */
static void signals_look(running *r) {
  for (int number = 1; number < NSIG; number++) {
    struct sigaction found;
    r->reset[number] = sigaction(number, NULL, &found) == 0 && found.sa_handler != SIG_DFL &&
                       (found.sa_handler != SIG_IGN || number == SIGPIPE);
  }
}

static void child_signals_reset(const running *r) {
  static const uint8_t nothing[256]; /* the kernel's form of the default, of no flags, and of an empty set */
  for (int number = 1; number < NSIG; number++) {
    if (r->reset[number]) (void)syscall(SYS_rt_sigaction, number, nothing, NULL, KERNEL_SIGSET_BYTES);
  }
  (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, nothing, NULL, KERNEL_SIGSET_BYTES);
}

static bool child_puts(int fd, int as) { return syscall(SYS_dup3, fd, as, 0) >= 0; }

static _Noreturn void child_become(const running *r, pid_t parent) {
  (void)syscall(SYS_setpgid, 0, 0);
  /* The parent may have gone before it could be followed. */
  if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && syscall(SYS_getppid) == parent &&
      child_puts(r->in, STDIN_FILENO) && child_puts(r->out[1], STDOUT_FILENO) && child_puts(r->err[1], STDERR_FILENO) &&
      (!r->command->folder || syscall(SYS_chdir, r->command->folder) == 0)) {
    child_signals_reset(r);
    if (r->command->held_fd > 0) (void)syscall(SYS_fcntl, r->command->held_fd, F_SETFD, 0);
    (void)execvpe(r->command->argv[0], (char *const *)(void *)r->command->argv, (char *const *)(void *)r->environment);
  }
  int failure = errno;
  (void)syscall(SYS_write, r->exec_failed[1], &failure, sizeof failure);
  for (;;) (void)syscall(SYS_exit_group, 127);
}

/* --- the parent --------------------------------------------------------------------------------------------------------- */

static void group_signal(const running *r, int number) { (void)kill(-r->pid, number); }

static void close_end(int *fd) {
  lrd_fs_close(*fd);
  *fd = -1;
}

/* Starts the child; -1 and errno when there is none. */
static int child_start(running *r) {
  sigset_t all, before;
  pid_t parent = getpid();
  signals_look(r);
  sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  r->pid = _Fork();
  if (r->pid == 0) child_become(r, parent);
  int failure = errno;
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = failure;
  if (r->pid < 0) return -1;
  (void)setpgid(r->pid, r->pid); /* the child does so too: whoever is first */
  close_end(&r->in);
  close_end(&r->out[1]);
  close_end(&r->err[1]);
  close_end(&r->exec_failed[1]);
  return 0;
}

/* By now the child has become its program, or tells why it has not, or is gone. */
static void exec_look(running *r) {
  int failure = 0;
  ssize_t got = read(r->exec_failed[0], &failure, sizeof failure);
  if (got < 0 && errno == EINTR) return;
  if (got == (ssize_t)sizeof failure) r->exec_errno = failure;
  close_end(&r->exec_failed[0]);
}

static void ask_to_end(running *r, lrd_command_end why) {
  if (r->kill_at_ns) return;
  r->asked = why;
  r->kill_at_ns = now_ns() + LRD_COMMAND_GRACE_NS;
  group_signal(r, SIGTERM);
}

static void stream_read(running *r, int *fd, int stream) {
  ssize_t got = read(*fd, r->chunk, CHUNK);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0 || !r->command->take(r->command->context, stream, r->chunk, (size_t)got)) close_end(fd);
}

static void signals_pass(running *r) {
  uint8_t numbers[16];
  ssize_t got = read(r->signal_fd, numbers, sizeof numbers);
  if (got == 0) r->signal_fd = -1;
  for (ssize_t i = 0; i < got; i++) group_signal(r, numbers[i]);
}

static void exit_look(running *r) {
  siginfo_t info = {0};
  if (r->exited) return;
  int result = waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT);
  /* No such child: the application lets the kernel reap its children. */
  r->exited = (result == 0 && info.si_pid == r->pid) || (result < 0 && errno == ECHILD);
}

static int wait_ms(const running *r) {
  int64_t at_ns = r->kill_at_ns && !r->killed ? r->kill_at_ns : r->kill_at_ns ? 0 : r->timeout_at_ns;
  int64_t left_ms = at_ns == 0 ? -1 : (at_ns - now_ns()) / 1000000 + 1;
  if (at_ns && left_ms < 0) left_ms = 0;
  if (!r->exited && r->pidfd < 0 && (left_ms < 0 || left_ms > TICK_MS)) left_ms = TICK_MS;
  if (r->killed && !r->exited) left_ms = TICK_MS;
  if (r->command->cancelled && !r->kill_at_ns && (left_ms < 0 || left_ms > LRD_COMMAND_LOOK_MS)) left_ms = LRD_COMMAND_LOOK_MS;
  return left_ms > 60000 ? 60000 : (int)left_ms;
}

static void time_look(running *r) {
  int64_t now = now_ns();
  if (r->timeout_at_ns && now >= r->timeout_at_ns) ask_to_end(r, LRD_COMMAND_TIMED_OUT);
  if (!r->kill_at_ns || r->killed || now < r->kill_at_ns) return;
  group_signal(r, SIGKILL);
  r->killed = true;
}

/* Who left the group and still holds the output is not waited for once the group was ended. */
static bool goes_on(const running *r) {
  if (!r->exited) return true;
  return !r->killed && (r->out[0] >= 0 || (r->err[0] >= 0 && !r->command->errors_end_with_it));
}

/* Now. Somebody who was forked beside the child may hold the other end of its pipes. */
static bool readable(int fd) {
  struct pollfd one = {.fd = fd, .events = POLLIN};
  return fd >= 0 && poll(&one, 1, 0) > 0;
}

/* What it had written by its end: as much as a pipe holds, whoever goes on writing there. */
static void errors_drain(running *r) {
  for (unsigned reads = 0; reads < DRAIN_READS && readable(r->err[0]); reads++) {
    stream_read(r, &r->err[0], STDERR_FILENO);
  }
}

static void child_follow(running *r) {
  while (goes_on(r)) {
    struct pollfd fds[WATCH_COUNT] = {
        [WATCH_OUT] = {.fd = r->out[0], .events = POLLIN},
        [WATCH_ERR] = {.fd = r->err[0], .events = POLLIN},
        [WATCH_EXEC] = {.fd = r->exec_failed[0], .events = POLLIN},
        [WATCH_CHILD] = {.fd = r->exited ? -1 : r->pidfd, .events = POLLIN},
        [WATCH_STOP] = {.fd = r->kill_at_ns ? -1 : r->command->stop_fd, .events = POLLIN},
        [WATCH_SIGNAL] = {.fd = r->signal_fd, .events = POLLIN},
    };
    int ready = poll(fds, WATCH_COUNT, wait_ms(r));
    if (ready > 0) {
      if (fds[WATCH_OUT].revents) stream_read(r, &r->out[0], STDOUT_FILENO);
      if (fds[WATCH_ERR].revents) stream_read(r, &r->err[0], STDERR_FILENO);
      if (fds[WATCH_EXEC].revents) exec_look(r);
      if (fds[WATCH_STOP].revents) ask_to_end(r, LRD_COMMAND_STOPPED);
      if (fds[WATCH_SIGNAL].revents) signals_pass(r);
    }
    exit_look(r);
    if (!r->kill_at_ns && r->command->cancelled && r->command->cancelled(r->command->context)) {
      ask_to_end(r, LRD_COMMAND_STOPPED);
    }
    time_look(r);
  }
  if (readable(r->exec_failed[0])) exec_look(r);
  if (r->kill_at_ns && !r->killed) group_signal(r, SIGKILL); /* whoever of the group closed its output and stayed */
}

static void result_of(const running *r, lrd_command_result *out) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(r->pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  if (r->exec_errno) {
    *out = (lrd_command_result){LRD_COMMAND_NOT_STARTED, r->exec_errno};
  } else if (r->kill_at_ns) {
    *out = (lrd_command_result){r->asked, 0};
  } else if (got != r->pid) {
    *out = (lrd_command_result){LRD_COMMAND_LOST, 0}; /* so it is no success */
  } else if (WIFSIGNALED(status)) {
    *out = (lrd_command_result){LRD_COMMAND_SIGNALLED, WTERMSIG(status)};
  } else {
    *out = (lrd_command_result){LRD_COMMAND_EXITED, WEXITSTATUS(status)};
  }
}

static void running_fini(running *r) {
  int before = errno;
  int *all[] = {&r->in, &r->out[0], &r->out[1], &r->err[0], &r->err[1], &r->exec_failed[0], &r->exec_failed[1], &r->pidfd};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) close_end(all[i]);
  lrd_dealloc(r->environment);
  lrd_dealloc(r->chunk);
  errno = before;
}

larder_err lrd_command_run(const lrd_command *command, lrd_command_result *out) {
  running r = {.command = command, .in = -1, .out = {-1, -1}, .err = {-1, -1}, .exec_failed = {-1, -1}, .pidfd = -1};
  r.signal_fd = command->signal_fd;
  larder_err result = environment_make(&r);
  if (result == LARDER_OK && !(r.chunk = lrd_alloc(CHUNK))) result = LARDER_ENOMEM;
  if (result != LARDER_OK) goto out;
  result = LARDER_EIO;
  r.in = raised(lrd_fs_open("/dev/null", O_RDONLY, 0));
  if (r.in < 0 || pipe_make(r.out) || pipe_make(r.err) || pipe_make(r.exec_failed)) goto out;
  if (child_start(&r)) goto out;
  if (command->timeout_ms > 0) {
    int64_t now = now_ns(), lasts_ns = command->timeout_ms * 1000000;
    r.timeout_at_ns = lasts_ns > INT64_MAX - now ? INT64_MAX : now + lasts_ns;
  }
  r.pidfd = pidfd_open(r.pid, 0);
  child_follow(&r);
  if (command->errors_end_with_it && !r.killed) errors_drain(&r);
  result_of(&r, out);
  result = LARDER_OK;
out:
  running_fini(&r);
  return result;
}
