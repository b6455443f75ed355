/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused is gathered and written a piece at a time: the root is told first what the file will be (`reject_note.h`), so
 * that all of it is known by its content whenever the import dies. Where that note can't be written the next import refuses
 * the file.
 */
#include "rejects.h"

#include "base/fail.h"
#include "base/fs.h"
#include "reject_note.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM           "warm"
#define GATHERED_BYTES ((size_t)256 << 10)
#define READ_BYTES     ((size_t)64 << 10)
#define OPEN_TRIES     5u

/* --- what is in it ---------------------------------------------------------------------------------------------------------
 */

/* Adds the bytes from `at` up to `end`, or the end of the file. */
static larder_err content_add(lrd_summing *summing, int fd, uint64_t at, uint64_t end) {
  larder_err err = LARDER_OK;
  uint8_t *bytes = lrd_alloc(READ_BYTES);
  if (!bytes) return LARDER_ENOMEM;
  for (size_t got = 1; err == LARDER_OK && got > 0 && at < end; at += got) {
    size_t const len = end - at < READ_BYTES ? (size_t)(end - at) : READ_BYTES;
    if (lrd_fs_read_full(fd, bytes, len, (int64_t)at, &got) != 0)
      err = lrd_err_from_errno(errno);
    else
      lrd_summing_add(summing, bytes, got);
  }
  lrd_dealloc(bytes);
  return err;
}

static lrd_reject_state state_of(const lrd_rejects *rejects) {
  return (lrd_reject_state){rejects->len, lrd_summing_sum(rejects->summing).low};
}

/* An empty file needs no note. */
static void tell(const lrd_rejects *rejects, lrd_reject_state is, lrd_reject_state will_be) {
  struct stat info;
  if (fstat(rejects->fd, &info) != 0) return;
  lrd_reject_note const note = {rejects->import, (uint64_t)info.st_ino, is, will_be, rejects->kept};
  if (is.size == 0 && will_be.size == 0)
    lrd_reject_note_remove(rejects->root, rejects->path);
  else
    lrd_reject_note_save(rejects->root, rejects->path, &note);
}

/* What is known of a file that is there. */
typedef struct looked {
  bool noted; /* an import has written into it */
  bool same;  /* and it is exactly as that left it */
  lrd_reject_state is;
  lrd_reject_note note;
} looked;

static bool states_equal(const lrd_reject_state *a, const lrd_reject_state *b) {
  return a->size == b->size && a->sum == b->sum;
}

static larder_err look(const lrd_rejects *rejects, const struct stat *info, looked *out) {
  lrd_summing *summing = NULL;
  int fd = -1;
  *out = (looked){.is.size = (uint64_t)info->st_size};
  larder_err err = lrd_reject_note_load(rejects->root, rejects->path, &out->note);
  if (err != LARDER_OK) return err == LARDER_MISS ? LARDER_OK : err;
  out->noted = true;
  if (out->note.inode != (uint64_t)info->st_ino ||
      (out->is.size != out->note.is.size && out->is.size != out->note.will_be.size))
    return LARDER_OK;
  fd = lrd_fs_open(rejects->path, O_RDONLY, 0);
  if (fd < 0) return lrd_err_from_errno(errno);
  err = lrd_summing_new(&summing);
  if (err == LARDER_OK) err = content_add(summing, fd, 0, out->is.size);
  if (err == LARDER_OK) {
    out->is.sum = lrd_summing_sum(summing).low;
    out->same = states_equal(&out->is, &out->note.is) || states_equal(&out->is, &out->note.will_be);
  }
  lrd_summing_free(summing);
  lrd_fs_close(fd);
  return err;
}

/* --- before it -------------------------------------------------------------------------------------------------------------
 */

static larder_err unusable(const lrd_rejects *rejects, const char *doing, larder_error *err) {
  int os_errno = errno;
  return lrd_fail(err, lrd_err_from_errno(os_errno), os_errno, ROOM, "%s can't be %s: %s", rejects->path, doing,
                  strerror(os_errno));
}

static larder_err failed(const lrd_rejects *rejects, larder_err result, larder_error *err) {
  return lrd_fail(err, result, errno, ROOM, "%s can't be looked at: %s", rejects->path, larder_err_text(result));
}

static larder_err replace_check(const lrd_rejects *rejects, const struct stat *info, larder_error *err) {
  looked found = {0};
  if (info->st_size == 0) return LARDER_OK;
  larder_err result = look(rejects, info, &found);
  if (result != LARDER_OK) return failed(rejects, result, err);
  if (found.same && found.note.kept == 0) return LARDER_OK;
  return lrd_fail(
      err, LARDER_EINVAL, 0, ROOM,
      "%s is not empty, and is not as an import left its rejects there: import what was mended in it, move it away, "
      "or name another file",
      rejects->path);
}

larder_err lrd_rejects_check(const lrd_rejects *rejects, const struct stat *imported, const char *checkpoint, bool fresh,
                             larder_error *err) {
  const char *path = rejects->path;
  struct stat info, other;
  if (checkpoint && strcmp(path, checkpoint) == 0)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the rejects and the checkpoint can't go into one file");
  if (lrd_fs_stat(path, &info) != 0) return errno == ENOENT ? LARDER_OK : unusable(rejects, "read", err);
  if (!S_ISREG(info.st_mode))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "%s is no ordinary file, so no rejects can go into it", path);
  if (imported && info.st_dev == imported->st_dev && info.st_ino == imported->st_ino)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the rejects can't go into the file that is imported");
  if (checkpoint && lrd_fs_stat(checkpoint, &other) == 0 && info.st_dev == other.st_dev && info.st_ino == other.st_ino)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the rejects and the checkpoint can't go into one file");
  return fresh ? replace_check(rejects, &info, err) : LARDER_OK;
}

/* Of another import, since it is ours as long as it is open. */
static larder_err taken(const lrd_rejects *rejects, larder_error *err) {
  return lrd_fail(err, LARDER_EBUSY, 0, ROOM, "another import writes its rejects to %s: wait for its end, or name another file",
                  rejects->path);
}

/* Whether the path still leads to what is open: who made the file may have taken it away while it was opened. LARDER_MISS:
 * it does not. */
static larder_err names_it(const lrd_rejects *rejects) {
  struct stat named, opened;
  if (lrd_fs_stat(rejects->path, &named) != 0) return errno == ENOENT ? LARDER_MISS : lrd_err_from_errno(errno);
  if (fstat(rejects->fd, &opened) != 0) return lrd_err_from_errno(errno);
  return named.st_dev == opened.st_dev && named.st_ino == opened.st_ino ? LARDER_OK : LARDER_MISS;
}

/* LARDER_MISS: what was opened is no longer what is there. */
static larder_err open_locked(lrd_rejects *rejects, larder_error *err) {
  rejects->fd = lrd_fs_open(rejects->path, O_RDWR, 0);
  rejects->made = rejects->fd < 0 && errno == ENOENT;
  if (rejects->made) rejects->fd = lrd_fs_open(rejects->path, O_RDWR | O_CREAT, 0600);
  if (rejects->fd < 0) return unusable(rejects, "written", err);
  /* Where a file system has no locks there is nothing to be held against. */
  if (lrd_fs_lock_try(rejects->fd, 0, 1, LRD_FS_EXCLUSIVE) != 0 && errno == EAGAIN) return taken(rejects, err);
  larder_err result = names_it(rejects);
  return result == LARDER_OK || result == LARDER_MISS ? result : unusable(rejects, "looked at", err);
}

/* Whether it could be opened; none is made. */
static larder_err open_dry(lrd_rejects *rejects, larder_error *err) {
  lrd_buf folder = {0};
  rejects->fd = lrd_fs_open(rejects->path, O_RDWR, 0);
  if (rejects->fd >= 0) return lrd_fs_lock_held(rejects->fd, 0, 1) ? taken(rejects, err) : LARDER_OK;
  if (errno != ENOENT) return unusable(rejects, "written", err);
  const char *slash = strrchr(rejects->path, '/');
  larder_err result = lrd_buf_append(&folder, rejects->path, slash ? (size_t)(slash - rejects->path) + 1 : 0);
  if (result == LARDER_OK) result = lrd_buf_append_str(&folder, ".");
  if (result == LARDER_OK) result = lrd_buf_terminate(&folder);
  if (result != LARDER_OK)
    result = failed(rejects, result, err);
  else if (access((const char *)folder.data, W_OK | X_OK) != 0)
    result = unusable(rejects, "written", err);
  lrd_buf_fini(&folder);
  return result;
}

larder_err lrd_rejects_open(lrd_rejects *rejects, larder_error *err) {
  if (rejects->dry_run) return open_dry(rejects, err);
  for (unsigned tries = 0; tries < OPEN_TRIES; tries++) {
    larder_err result = open_locked(rejects, err);
    if (result == LARDER_OK) return LARDER_OK;
    lrd_fs_close(rejects->fd);
    rejects->fd = -1;
    if (result != LARDER_MISS) return result;
  }
  return taken(rejects, err);
}

/* --- in it -----------------------------------------------------------------------------------------------------------------
 */

/* What is written next goes behind the first `len` bytes. */
static larder_err end_set(lrd_rejects *rejects, uint64_t len) {
  char last = '\n';
  size_t got = 0;
  lrd_summing_free(rejects->summing);
  rejects->summing = NULL;
  larder_err err = lrd_summing_new(&rejects->summing);
  if (err == LARDER_OK) err = content_add(rejects->summing, rejects->fd, 0, len);
  if (err == LARDER_OK && len > 0 && lrd_fs_read_full(rejects->fd, &last, 1, (int64_t)len - 1, &got) != 0)
    err = lrd_err_from_errno(errno);
  if (err != LARDER_OK) return err;
  rejects->unbroken = last != '\n';
  rejects->len = len;
  return LARDER_OK;
}

/* From what it is. */
static larder_err cut(lrd_rejects *rejects, lrd_reject_state is, uint64_t len, larder_error *err) {
  larder_err result = end_set(rejects, len);
  if (result != LARDER_OK) return failed(rejects, result, err);
  if (len > 0) tell(rejects, is, state_of(rejects));
  if (lrd_fs_truncate(rejects->fd, rejects->path, (int64_t)len) != 0) return unusable(rejects, "written", err);
  rejects->begun = true;
  if (len == 0) tell(rejects, state_of(rejects), state_of(rejects));
  return LARDER_OK;
}

larder_err lrd_rejects_begin(lrd_rejects *rejects, larder_error *err) {
  struct stat info;
  if (fstat(rejects->fd, &info) != 0) return unusable(rejects, "read", err);
  larder_err result = replace_check(rejects, &info, err);
  return result == LARDER_OK && !rejects->dry_run ? cut(rejects, (lrd_reject_state){0}, 0, err) : result;
}

/* Behind what somebody made of it, which nothing replaces from here on. */
static larder_err end_take(lrd_rejects *rejects, uint64_t size) {
  larder_err err = end_set(rejects, size);
  if (err != LARDER_OK) return err;
  rejects->kept = size;
  tell(rejects, state_of(rejects), state_of(rejects));
  return LARDER_OK;
}

larder_err lrd_rejects_resume(lrd_rejects *rejects, uint64_t len, larder_error *err) {
  struct stat info;
  looked found = {0};
  if (fstat(rejects->fd, &info) != 0) return unusable(rejects, "read", err);
  if (info.st_size == 0) return rejects->dry_run ? LARDER_OK : cut(rejects, (lrd_reject_state){0}, 0, err);
  larder_err result = look(rejects, &info, &found);
  if (result != LARDER_OK) return failed(rejects, result, err);
  if (!found.noted || found.note.import != rejects->import)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "%s is not empty, and holds no rejects of this import: move it away, or name another file", rejects->path);
  if (rejects->dry_run) return LARDER_OK;
  rejects->kept = found.note.kept;
  if (len < found.note.kept) len = found.note.kept;
  if (found.same && len <= found.is.size) return cut(rejects, found.is, len, err);
  result = end_take(rejects, (uint64_t)info.st_size);
  if (result != LARDER_OK) return failed(rejects, result, err);
  rejects->begun = true;
  return LARDER_OK;
}

larder_err lrd_rejects_add(lrd_rejects *rejects, lrd_span header, lrd_span text, bool one_line) {
  lrd_buf *line = &rejects->gathered;
  size_t const before = line->len;
  larder_err err = LARDER_OK;
  if (rejects->len == 0 && before == 0 && header.len > 0) {
    err = lrd_buf_append(line, header.data, header.len);
    if (err == LARDER_OK) err = lrd_buf_append_byte(line, '\n');
  }
  size_t const at = line->len;
  if (err == LARDER_OK) err = lrd_buf_append(line, text.data, text.len);
  for (size_t i = at; err == LARDER_OK && one_line && i < line->len; i++)
    if (line->data[i] == '\n' || line->data[i] == '\r') line->data[i] = ' ';
  if (err == LARDER_OK) err = lrd_buf_append_byte(line, '\n');
  if (err != LARDER_OK) line->len = before;
  return err == LARDER_OK && line->len >= GATHERED_BYTES ? lrd_rejects_flush(rejects) : err;
}

/* After a failure nothing more is written: the import ends. */
static larder_err append(lrd_rejects *rejects, const void *data, size_t len) {
  lrd_reject_state const is = state_of(rejects);
  lrd_summing_add(rejects->summing, data, len);
  rejects->len += len;
  tell(rejects, is, state_of(rejects));
  if (lrd_fs_write_full(rejects->fd, rejects->path, data, len, (int64_t)is.size) == 0) return LARDER_OK;
  larder_err err = lrd_err_from_errno(errno);
  (void)lrd_fs_truncate(rejects->fd, rejects->path, (int64_t)is.size); /* a piece of it may be there */
  rejects->begun = false;
  return err;
}

larder_err lrd_rejects_flush(lrd_rejects *rejects) {
  struct stat info;
  larder_err err = LARDER_OK;
  if (!rejects->begun || rejects->gathered.len == 0) return LARDER_OK;
  /* Somebody may write into it meanwhile. */
  if (fstat(rejects->fd, &info) == 0 && (uint64_t)info.st_size != rejects->len) err = end_take(rejects, (uint64_t)info.st_size);
  if (err == LARDER_OK && rejects->unbroken) err = append(rejects, "\n", 1);
  rejects->unbroken = false;
  if (err == LARDER_OK) err = append(rejects, rejects->gathered.data, rejects->gathered.len);
  lrd_buf_fini(&rejects->gathered);
  return err;
}

larder_err lrd_rejects_sync(lrd_rejects *rejects) {
  if (!rejects->begun) return LARDER_OK;
  larder_err err = lrd_rejects_flush(rejects);
  if (err == LARDER_OK && lrd_fs_sync(rejects->fd, rejects->path) != 0) err = lrd_err_from_errno(errno);
  return err;
}

/* By where it really is, so that a link to it stays. */
static void made_remove(const lrd_rejects *rejects) {
  struct stat info;
  char *whole = realpath(rejects->path, NULL);
  if (whole && fstat(rejects->fd, &info) == 0 && info.st_size == 0 && names_it(rejects) == LARDER_OK)
    (void)lrd_fs_unlink(whole);
  free(whole);
}

void lrd_rejects_close(lrd_rejects *rejects) {
  if (rejects->fd < 0) return;
  (void)!lrd_rejects_flush(rejects); /* of an import that has failed: what it did tell is there */
  if (rejects->made) made_remove(rejects);
  lrd_buf_fini(&rejects->gathered);
  lrd_summing_free(rejects->summing);
  rejects->summing = NULL;
  lrd_fs_close(rejects->fd);
  rejects->fd = -1;
}
