/* SPDX-License-Identifier: Apache-2.0 */
#include "file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool all_written(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t wrote = write(fd, data, len);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    data += wrote;
    len -= (size_t)wrote;
  }
  return true;
}

static bool failed(char *why, size_t room) {
  snprintf(why, room, "%s", strerror(errno));
  return false;
}

static bool written_directly(const char *path, const void *data, size_t len, char *why, size_t room) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool ok = fd >= 0 && all_written(fd, data, len);
  if (!ok) failed(why, room);
  if (fd >= 0) close(fd);
  return ok;
}

/* The mode that a new file would have: the umask can only be asked for by setting it. */
static mode_t mode_new(void) {
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

bool cli_file_write(const char *path, const void *data, size_t len, char *why, size_t room) {
  struct stat info;
  bool there = stat(path, &info) == 0;
  if (there && !S_ISREG(info.st_mode)) return written_directly(path, data, len, why, room);
  cli_buf beside = {0};
  cli_buf_printf(&beside, "%s.XXXXXX", path);
  int fd = mkostemp(beside.data, O_CLOEXEC);
  bool ok = fd >= 0;
  ok = ok && all_written(fd, data, len) && fchmod(fd, there ? info.st_mode & 0777 : mode_new()) == 0 && fsync(fd) == 0;
  ok = ok && rename(beside.data, path) == 0;
  if (!ok) {
    failed(why, room);
    if (fd >= 0) unlink(beside.data);
  }
  if (fd >= 0) close(fd);
  cli_buf_fini(&beside);
  return ok;
}

bool cli_file_read(const char *path, size_t most, cli_buf *out, char *why, size_t room) {
  static char chunk[65536];
  int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  bool ok = fd >= 0 || failed(why, room);
  while (ok) {
    ssize_t got = read(fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ok = failed(why, room);
    if (got <= 0) break;
    if (out->len + (size_t)got > most) {
      snprintf(why, room, "it has more than %zu bytes", most);
      ok = false;
    } else {
      cli_buf_add(out, chunk, (size_t)got);
    }
  }
  if (fd > STDIN_FILENO) close(fd);
  return ok;
}
