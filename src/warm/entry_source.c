/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window grows by doubling while one entry does not fit, and moves to its front when most of it is used. A file is
 * read by offset, so that nobody else's position matters.
 */
#include "entry_source.h"

#include "base/fail.h"
#include "base/fs.h"
#include <errno.h>
#include <fcntl.h>

#define ROOM       "warm"
#define READ_BYTES ((size_t)256 << 10)

larder_err lrd_source_init(lrd_source *source, int fd, int64_t (*read)(void *context, void *out, size_t room), void *context) {
  *source = (lrd_source){.fd = fd, .read = read, .read_context = context, .line = 1};
  return fd >= 0 ? LARDER_OK : lrd_summing_new(&source->sum);
}

static int64_t opened_read(void *context, void *out, size_t room) {
  const int *opened = context;
  return lrd_fs_read_next(*opened, out, room);
}

larder_err lrd_source_open(lrd_source *source, const char *path, larder_error *err) {
  struct stat info;
  *source = (lrd_source){.fd = -1};
  bool there = lrd_fs_stat(path, &info) == 0;
  if (there && S_ISDIR(info.st_mode)) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "%s is a folder; name a file in it", path);
  int fd = there ? lrd_fs_open(path, O_RDONLY | O_NOCTTY, 0) : -1;
  if (fd < 0) {
    int os_errno = errno;
    larder_err result = os_errno == ENOENT ? LARDER_MISS : lrd_err_from_errno(os_errno);
    return lrd_fail(err, result, os_errno, ROOM, "%s can't be read: %s", path, strerror(os_errno));
  }
  larder_err result = S_ISREG(info.st_mode) ? lrd_source_init(source, fd, NULL, NULL)
                                            : lrd_source_init(source, -1, opened_read, &source->opened);
  source->owns = true;
  source->opened = fd;
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, ROOM, "out of memory");
}

void lrd_source_fini(lrd_source *source) {
  if (source->owns) lrd_fs_close(source->opened);
  lrd_buf_fini(&source->window);
  lrd_summing_free(source->sum);
  *source = (lrd_source){.fd = -1};
}

void lrd_source_seek(lrd_source *source, uint64_t offset, uint64_t line) {
  lrd_buf_clear(&source->window);
  source->at = 0;
  source->offset = offset;
  source->line = line;
  source->ended = false;
}

static void window_move(lrd_source *source) {
  size_t left = lrd_source_left(source);
  if (source->at == 0) return;
  if (left > 0) memmove(source->window.data, source->window.data + source->at, left);
  source->window.len = left;
  source->offset += source->at;
  source->at = 0;
}

larder_err lrd_source_more(lrd_source *source, size_t most) {
  size_t got = 0;
  window_move(source);
  if (source->window.len >= most) return LARDER_ETOOBIG;
  size_t want = source->window.len > READ_BYTES ? source->window.len : READ_BYTES;
  larder_err err = lrd_buf_reserve(&source->window, want);
  if (err != LARDER_OK) return err;
  uint8_t *to = source->window.data + source->window.len;
  if (source->fd >= 0) {
    if (lrd_fs_read_full(source->fd, to, want, (int64_t)(source->offset + source->window.len), &got) != 0)
      return lrd_err_from_errno(errno);
    source->ended = got < want;
  } else {
    int64_t answer = source->read(source->read_context, to, want);
    if (answer < 0 || (uint64_t)answer > want) return LARDER_EIO;
    got = (size_t)answer;
    source->ended = got == 0;
  }
  source->window.len += got;
  return LARDER_OK;
}

void lrd_source_use(lrd_source *source, size_t len) {
  const char *at = lrd_source_text(source), *end = at + len;
  LRD_ASSERT(len <= lrd_source_left(source));
  if (source->sum) lrd_summing_add(source->sum, at, len);
  while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
    source->line++;
    at++;
  }
  source->at += len;
}

larder_err lrd_source_line(lrd_source *source, size_t most, size_t *len_out, size_t *end_out) {
  size_t seen = 0;
  for (;;) {
    const char *text = lrd_source_text(source);
    size_t left = lrd_source_left(source);
    const char *end = left > seen ? memchr(text + seen, '\n', left - seen) : NULL;
    if (end || source->ended) {
      *len_out = end ? (size_t)(end - text) : left;
      *end_out = end ? *len_out + 1 : left;
      return LARDER_OK;
    }
    seen = left;
    larder_err err = lrd_source_more(source, most);
    if (err != LARDER_OK) return err;
  }
}

larder_err lrd_source_line_skip(lrd_source *source) {
  for (;;) {
    size_t left = lrd_source_left(source);
    const char *text = lrd_source_text(source);
    const char *end = left > 0 ? memchr(text, '\n', left) : NULL;
    lrd_source_use(source, end ? (size_t)(end - text) + 1 : left);
    if (end || source->ended) return LARDER_OK;
    larder_err err = lrd_source_more(source, READ_BYTES);
    if (err != LARDER_OK) return err;
  }
}

larder_err lrd_source_record(lrd_source *source, size_t most, size_t *len_out, size_t *end_out) {
  bool quoted = false, begins = true; /* a field */
  size_t at = 0;
  for (;;) {
    const char *text = lrd_source_text(source);
    size_t left = lrd_source_left(source);
    for (; at < left && (quoted || text[at] != '\n'); at++) {
      /* A quote elsewhere is a mistake of its record, and must not take the next ones along. */
      if (text[at] == '"' && (quoted || begins)) quoted = !quoted;
      begins = quoted || text[at] == ',' || text[at] == '"';
    }
    if (at < left || source->ended) {
      *end_out = at < left ? at + 1 : left;
      /* At the end of the file too: it may have been cut between CR and LF. */
      *len_out = at > 0 && text[at - 1] == '\r' ? at - 1 : at;
      return LARDER_OK;
    }
    larder_err err = lrd_source_more(source, most);
    if (err != LARDER_OK) return err;
  }
}

larder_err lrd_source_mark_skip(lrd_source *source) {
  larder_err err = LARDER_OK;
  while (err == LARDER_OK && lrd_source_left(source) < 3 && !source->ended) err = lrd_source_more(source, READ_BYTES);
  if (err != LARDER_OK) return err;
  if (lrd_source_left(source) >= 3 && memcmp(lrd_source_text(source), "\xEF\xBB\xBF", 3) == 0) lrd_source_use(source, 3);
  return LARDER_OK;
}
