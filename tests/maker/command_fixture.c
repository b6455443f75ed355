/* SPDX-License-Identifier: Apache-2.0 */
#include "command_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fixture_setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  f->dir = support_dir_make();
  *state = f;
  return 0;
}

int fixture_teardown(void **state) {
  fixture *f = *state;
  fixture_forget_seen(f);
  support_dir_remove(&f->dir);
  free(f);
  return 0;
}

bool fixture_take(void *context, int stream, const void *data, size_t len) {
  fixture *f = context;
  /* Not lrd_buf's own growing: tests that fail allocations have none to spare here. */
  lrd_buf *seen = &f->seen[stream - 1];
  uint8_t *grown = realloc(seen->data, seen->len + len + 1);
  if (!grown) abort();
  memcpy(grown + seen->len, data, len);
  seen->data = grown;
  seen->len += len;
  grown[seen->len] = '\0';
  return true;
}

void fixture_forget_seen(fixture *f) {
  for (int i = 0; i < 2; i++) {
    free(f->seen[i].data);
    f->seen[i] = (lrd_buf){0};
  }
}

static bool is_zombie(long pid) {
  char path[64];
  char text[256] = "";
  (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return true;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  return got > 0 && strstr(text, ") Z") != NULL;
}

void fixture_expect_gone(long pid) {
  assert_true(pid > 1);
  for (int i = 0; kill((pid_t)pid, 0) == 0 && !is_zombie(pid); i++)
    if (i > 1000000) fail_msg("process %ld is still there", pid);
}

char *fixture_read(const fixture *f, const char *name) {
  char *path = support_path(f->dir, name);
  char *text = access(path, F_OK) == 0 ? support_file_read(path, NULL) : calloc(1, 1);
  assert_non_null(text);
  free(path);
  return text;
}
