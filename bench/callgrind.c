/* SPDX-License-Identifier: Apache-2.0 */
#include "callgrind.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 8u

bool bench_program_run(const char *const argv[]) {
  pid_t child = fork();
  if (child == 0) {
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0 && !getenv("BENCH_LOUD")) {
      dup2(null, 1);
      dup2(null, 2);
    }
    execvp(argv[0], (char *const *)argv);
    _exit(127);
  }
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

double bench_instructions(const char *folder, const char *name, const char *function, const char *const argv[]) {
  char out[400], out_option[440], toggle[128], line[256];
  snprintf(out, sizeof out, "%s/callgrind.%s", folder, name);
  snprintf(out_option, sizeof out_option, "--callgrind-out-file=%s", out);
  snprintf(toggle, sizeof toggle, "--toggle-collect=%s", function);
  const char *all[4 + WORDS_MAX + 1] = {"valgrind", "--tool=callgrind", out_option, toggle};
  for (size_t i = 0; i < WORDS_MAX && argv[i]; i++) all[4 + i] = argv[i];
  if (!bench_program_run(all)) return -1;
  FILE *file = fopen(out, "re");
  double total = -1;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "totals: %lf", &total) == 1) break;
  if (file) fclose(file);
  return total;
}
