/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes on one root. They take turns: each puts a number and the other must get exactly that number at once, although
 * it has the one before in its own memory. Each opens the cache for itself: a handle does not survive a fork.
 */
#include <ftw.h>
#include <larder/larder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 200

static const char key[] = "counter";

static bool number_put(larder_ns *ns, int number) {
  return larder_put(ns, key, strlen(key), &number, sizeof number, NULL) == LARDER_OK;
}

static bool number_is(larder_ns *ns, int expected) {
  larder_value found = {0};
  int number = -1;
  if (larder_get(ns, key, strlen(key), NULL, &found) == LARDER_OK && found.len == sizeof number)
    memcpy(&number, found.data, sizeof number);
  larder_value_release(&found);
  if (number != expected) fprintf(stderr, "two_processes: %d instead of %d\n", number, expected);
  return number == expected;
}

/* One side: on each turn it waits for a byte from the other, checks the other's number and puts the next one. */
static int side_run(const char *root, int first, int from, int to) {
  larder_options options = {.size = sizeof options, .root = root, .read_config_only_given = true};
  larder_error error = {0};
  larder *cache = NULL;
  larder_ns *ns = NULL;
  larder_err result = larder_open(&options, &cache, &error);
  if (result == LARDER_OK) result = larder_ns_open(cache, "demo", &ns, &error);
  bool ok = result == LARDER_OK;
  if (!ok) fprintf(stderr, "two_processes: %s\n", error.message);
  for (int number = first; ok && number <= TURNS; number += 2) {
    char turn = 0;
    if (number > 1) ok = read(from, &turn, 1) == 1 && number_is(ns, number - 1);
    ok = ok && number_put(ns, number) && number_is(ns, number); /* now it is in this process's memory */
    ok = ok && (number == TURNS || write(to, &turn, 1) == 1);
  }
  larder_err closed = larder_close(&cache);
  close(to);
  return ok && closed >= 0 ? 0 : 1;
}

static int path_remove(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)type, (void)walk;
  return remove(path);
}

int main(void) {
  char root[] = "/tmp/larder-example-XXXXXX";
  int there[2];
  int back[2];
  int status = 1;
  if (mkdtemp(root) == NULL || pipe(there) != 0 || pipe(back) != 0) {
    perror("two_processes");
    return 1;
  }
  pid_t child = fork();
  if (child == 0) {
    close(there[1]);
    close(back[0]);
    _exit(side_run(root, 2, there[0], back[1]));
  }
  close(there[0]);
  close(back[1]);
  int ours = child < 0 ? 1 : side_run(root, 1, back[0], there[1]);
  if (child > 0) waitpid(child, &status, 0);
  nftw(root, path_remove, 8, FTW_DEPTH | FTW_PHYS);
  if (ours != 0 || status != 0) return 1;
  printf("two processes took %d turns; each saw the other's number every time\n", TURNS);
  return 0;
}
