/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "origin.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PYTHON "/usr/bin/python3"

pid_t support_spawn(const char *const *argv, int *in_fd, int *out_fd) {
  int in[2] = {-1, -1}, out[2] = {-1, -1};
  pid_t const parent = getpid();
  if ((in_fd && pipe2(in, O_CLOEXEC)) || (out_fd && pipe2(out, O_CLOEXEC))) fail_msg("pipe: %s", strerror(errno));
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) fail_msg("fork: %s", strerror(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nginx hands it on to its worker */
    if (getppid() != parent || (in_fd && dup2(in[0], 0) < 0) || (out_fd && dup2(out[1], 1) < 0)) _exit(126);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  if (in_fd) {
    close(in[0]);
    *in_fd = in[1];
  }
  if (out_fd) {
    close(out[1]);
    *out_fd = out[0];
  }
  return pid;
}

void support_spawn_end(pid_t pid, int signal_number) {
  int status;
  if (pid <= 0) return;
  kill(pid, signal_number);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
}

static void start(origin *o, const char *name, const char *folder, int ports) {
  const char *source = getenv("LARDER_SOURCE_DIR");
  if (!source) fail_msg("LARDER_SOURCE_DIR is not set");
  char *script = support_path(source, name);
  const char *argv[] = {PYTHON, script, folder, NULL};
  char line[100];
  int in, out;
  *o = (origin){.pid = support_spawn(argv, &in, &out)};
  o->ask = fdopen(in, "w");
  o->answers = fdopen(out, "r");
  free(script);
  if (!o->ask || !o->answers || !fgets(line, sizeof line, o->answers) ||
      sscanf(line, "ready %d %d %d", &o->port, &o->tls_port, &o->wrong_port) != ports)
    fail_msg("%s did not start", name);
}

void support_origin_start(origin *o, const char *folder) { start(o, "tests/support/origin.py", folder, folder ? 3 : 1); }

void support_proxy_start(origin *o, const char *folder) { start(o, "tests/support/proxy.py", folder, 2); }

void support_origin_stop(origin *o) {
  if (o->ask) fclose(o->ask);
  if (o->answers) fclose(o->answers);
  support_spawn_end(o->pid, SIGKILL);
  *o = (origin){0};
}

const char *support_origin_ask(origin *o, const char *format, ...) {
  static char answer[4096];
  va_list args;
  va_start(args, format);
  int written = vfprintf(o->ask, format, args);
  va_end(args);
  if (written < 0 || fputc('\n', o->ask) == EOF || fflush(o->ask) != 0 || !fgets(answer, sizeof answer, o->answers))
    fail_msg("the origin does not answer");
  answer[strcspn(answer, "\n")] = '\0';
  return answer;
}

long support_origin_count(origin *o, const char *path) { return strtol(support_origin_ask(o, "count %s", path), NULL, 10); }

void support_origin_await(origin *o, long waiting) {
  struct timespec const pause = {.tv_nsec = 5000000};
  for (int i = 0; i < 4000; i++) {
    if (strtol(support_origin_ask(o, "waiting"), NULL, 10) == waiting) return;
    nanosleep(&pause, NULL);
  }
  fail_msg("the origin has %s requests waiting, not %ld", support_origin_ask(o, "waiting"), waiting);
}
