/* SPDX-License-Identifier: Apache-2.0 */
#include "child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 24

extern char **environ;

static bool input_fill(int fd, const char *input) {
  size_t len = strlen(input);
  return len <= 65536 && write(fd, input, len) == (ssize_t)len;
}

bool cli_child_start(const char *const *args, const char *input, cli_child *out) {
  char *argv[ARGS_MAX] = {(char *)"larder"};
  int in[2] = {-1, -1};
  int from[2] = {-1, -1};
  posix_spawn_file_actions_t actions;
  for (size_t i = 0; args[i] != NULL && i + 2 < ARGS_MAX; i++) argv[i + 1] = (char *)args[i];
  if (posix_spawn_file_actions_init(&actions) != 0) return false;
  bool ok = pipe2(in, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0 && input_fill(in[1], input != NULL ? input : "");
  ok = ok && posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO) == 0 &&
       posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO) == 0;
  if (ok) {
    errno = posix_spawn(&out->pid, "/proc/self/exe", &actions, NULL, argv, environ);
    ok = errno == 0;
  }
  int failure = errno;
  posix_spawn_file_actions_destroy(&actions);
  if (in[0] >= 0) close(in[0]);
  if (in[1] >= 0) close(in[1]);
  if (from[1] >= 0) close(from[1]);
  if (!ok && from[0] >= 0) close(from[0]);
  out->output = ok ? from[0] : -1;
  errno = failure;
  return ok;
}

int cli_child_wait(cli_child *child) {
  int status = 0;
  while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
  }
  close(child->output);
  child->output = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int cli_child_run(const char *const *args, const char *input, cli_buf *output) {
  cli_child child = {0};
  char chunk[4096];
  ssize_t got = 0;
  if (!cli_child_start(args, input, &child)) return -1;
  while ((got = read(child.output, chunk, sizeof chunk)) > 0 || (got < 0 && errno == EINTR)) {
    if (got > 0) cli_buf_add(output, chunk, (size_t)got);
  }
  return cli_child_wait(&child);
}
