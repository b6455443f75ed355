/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The note is `<root>/rejects-….json`, named by the file's path: its size, time and the sum of its beginning. While an import
 * writes, more may stand behind that size. A note that could not be written costs only that the next import refuses the file.
 */
#include "rejects.h"

#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json_read.h"
#include "stats/json_writer.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#define ROOM            "warm"
#define BEGINNING_BYTES ((size_t)64 << 10)
#define NOTE_BYTES_MAX  1024u

typedef struct note {
  uint64_t size;
  int64_t modified_ns;
  uint64_t beginning; /* of so many bytes, at most the size */
  bool writing;
} note;

static int64_t modified_ns_of(const struct stat *info) {
  return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
}

/* By where the file really is, so it has to be there. */
static larder_err note_path(const lrd_rejects *rejects, char **out) {
  lrd_buf name = {0};
  char *whole = realpath(rejects->path, NULL);
  if (!whole) return errno == ENOMEM ? LARDER_ENOMEM : LARDER_MISS;
  larder_err err = lrd_buf_printf(&name, "%s/rejects-%016" PRIx64 ".json", rejects->root, lrd_hash64(whole, strlen(whole), 0));
  if (err == LARDER_OK) err = lrd_buf_terminate(&name);
  free(whole);
  if (err == LARDER_OK)
    *out = (char *)name.data;
  else
    lrd_buf_fini(&name);
  return err;
}

static larder_err beginning_sum(int fd, uint64_t size, uint64_t *out) {
  size_t got = 0, len = size < BEGINNING_BYTES ? (size_t)size : BEGINNING_BYTES;
  uint8_t *bytes = lrd_alloc(len + 1);
  if (!bytes) return LARDER_ENOMEM;
  larder_err err = lrd_fs_read_full(fd, bytes, len, 0, &got) == 0 ? LARDER_OK : lrd_err_from_errno(errno);
  if (err == LARDER_OK) *out = lrd_sum64(bytes, got);
  lrd_dealloc(bytes);
  return err;
}

static bool note_fill(note *out, const lrd_json_doc *doc) {
  out->writing = lrd_json_type_of(doc, lrd_json_member(doc, 0, "writing")) == LRD_JSON_TRUE;
  return lrd_json_u64_of(doc, lrd_json_member(doc, 0, "size"), &out->size) &&
         lrd_json_i64_of(doc, lrd_json_member(doc, 0, "modified_ns"), &out->modified_ns) &&
         lrd_json_u64_of(doc, lrd_json_member(doc, 0, "beginning"), &out->beginning);
}

/* LARDER_MISS: there is none that can be read. */
static larder_err note_read(const lrd_rejects *rejects, note *out) {
  char *path = NULL, *text = NULL;
  size_t len = 0;
  lrd_json_doc doc = {0};
  if (!rejects->root) return LARDER_MISS;
  larder_err err = note_path(rejects, &path);
  if (err == LARDER_OK && lrd_fs_slurp(path, NOTE_BYTES_MAX, &text, &len) != 0)
    err = errno == ENOMEM ? LARDER_ENOMEM : LARDER_MISS;
  if (err == LARDER_OK) err = lrd_json_parse(&doc, text, len);
  if (err == LARDER_OK && !note_fill(out, &doc)) err = LARDER_MISS;
  lrd_json_doc_fini(&doc);
  lrd_dealloc(text);
  lrd_dealloc(path);
  return err == LARDER_OK || err == LARDER_ENOMEM ? err : LARDER_MISS;
}

static larder_err note_save(const char *path, const note *made) {
  lrd_buf text = {0};
  lrd_json json;
  lrd_json_init(&json, &text, false);
  lrd_json_object_begin(&json);
  lrd_json_key(&json, "size");
  lrd_json_u64(&json, made->size);
  lrd_json_key(&json, "modified_ns");
  lrd_json_i64(&json, made->modified_ns);
  lrd_json_key(&json, "beginning");
  lrd_json_u64(&json, made->beginning);
  lrd_json_key(&json, "writing");
  lrd_json_bool(&json, made->writing);
  lrd_json_object_end(&json);
  larder_err err = json.err;
  if (err == LARDER_OK && lrd_fs_publish(path, text.data, text.len, 0600, false) != 0) err = lrd_err_from_errno(errno);
  lrd_buf_fini(&text);
  return err;
}

/* Best effort: see above. An empty file needs none. */
static void note_write(const lrd_rejects *rejects, bool writing) {
  char *path = NULL;
  struct stat info;
  note made = {.writing = writing};
  if (!rejects->root || fstat(rejects->fd, &info) != 0 || note_path(rejects, &path) != LARDER_OK) return;
  made.size = (uint64_t)info.st_size;
  made.modified_ns = modified_ns_of(&info);
  if (made.size == 0 && !writing)
    (void)lrd_fs_unlink(path);
  else if (beginning_sum(rejects->fd, made.size, &made.beginning) == LARDER_OK)
    (void)note_save(path, &made);
  lrd_dealloc(path);
}

/* Whether the file is as an import left it, or it or more of it. */
static larder_err is_ours(const lrd_rejects *rejects, const struct stat *info, bool grown_too, bool *ours_out) {
  note noted = {0};
  uint64_t beginning = 0;
  *ours_out = false;
  larder_err err = note_read(rejects, &noted);
  if (err != LARDER_OK) return err == LARDER_MISS ? LARDER_OK : err;
  bool const same = noted.size == (uint64_t)info->st_size && noted.modified_ns == modified_ns_of(info);
  if (!same && !((grown_too || noted.writing) && noted.size <= (uint64_t)info->st_size)) return LARDER_OK;
  int fd = lrd_fs_open(rejects->path, O_RDONLY, 0);
  if (fd < 0) return lrd_err_from_errno(errno);
  err = beginning_sum(fd, noted.size, &beginning);
  lrd_fs_close(fd);
  if (err == LARDER_OK) *ours_out = beginning == noted.beginning;
  return err;
}

static larder_err unusable(const lrd_rejects *rejects, const char *doing, larder_error *err) {
  int os_errno = errno;
  return lrd_fail(err, lrd_err_from_errno(os_errno), os_errno, ROOM, "%s can't be %s: %s", rejects->path, doing,
                  strerror(os_errno));
}

static larder_err failed(const lrd_rejects *rejects, larder_err result, larder_error *err) {
  return lrd_fail(err, result, errno, ROOM, "%s can't be looked at: %s", rejects->path, larder_err_text(result));
}

static larder_err replace_check(const lrd_rejects *rejects, const struct stat *info, larder_error *err) {
  bool ours = false;
  if (info->st_size == 0) return LARDER_OK;
  larder_err result = is_ours(rejects, info, false, &ours);
  if (result != LARDER_OK) return failed(rejects, result, err);
  if (ours) return LARDER_OK;
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

larder_err lrd_rejects_resume(lrd_rejects *rejects, uint64_t len, larder_error *err) {
  struct stat info;
  bool ours = false;
  rejects->len = 0;
  if (lrd_fs_stat(rejects->path, &info) != 0) return errno == ENOENT ? LARDER_OK : unusable(rejects, "read", err);
  larder_err result = is_ours(rejects, &info, true, &ours);
  if (result != LARDER_OK) return failed(rejects, result, err);
  rejects->len = ours && len < (uint64_t)info.st_size ? len : (uint64_t)info.st_size;
  return LARDER_OK;
}

larder_err lrd_rejects_open(lrd_rejects *rejects, larder_error *err) {
  if (rejects->fd >= 0) return LARDER_OK;
  rejects->fd = lrd_fs_open(rejects->path, O_RDWR | O_CREAT, 0600);
  if (rejects->fd < 0 || lrd_fs_truncate(rejects->fd, rejects->path, (int64_t)rejects->len) != 0)
    return unusable(rejects, "written", err);
  note_write(rejects, true);
  return LARDER_OK;
}

larder_err lrd_rejects_add(lrd_rejects *rejects, lrd_span header, lrd_span text, bool one_line) {
  lrd_buf line = {0};
  larder_err err = LARDER_OK;
  if (rejects->len == 0 && header.len > 0) {
    err = lrd_buf_append(&line, header.data, header.len);
    if (err == LARDER_OK) err = lrd_buf_append_byte(&line, '\n');
  }
  size_t at = line.len;
  if (err == LARDER_OK) err = lrd_buf_append(&line, text.data, text.len);
  for (size_t i = at; err == LARDER_OK && one_line && i < line.len; i++)
    if (line.data[i] == '\n' || line.data[i] == '\r') line.data[i] = ' ';
  if (err == LARDER_OK) err = lrd_buf_append_byte(&line, '\n');
  if (err == LARDER_OK && lrd_fs_write_full(rejects->fd, rejects->path, line.data, line.len, (int64_t)rejects->len) != 0)
    err = lrd_err_from_errno(errno);
  if (err == LARDER_OK) rejects->len += line.len;
  lrd_buf_fini(&line);
  return err;
}

larder_err lrd_rejects_sync(lrd_rejects *rejects) {
  if (rejects->fd < 0) return LARDER_OK;
  if (lrd_fs_sync(rejects->fd, rejects->path) != 0) return lrd_err_from_errno(errno);
  note_write(rejects, true);
  return LARDER_OK;
}

void lrd_rejects_close(lrd_rejects *rejects) {
  if (rejects->fd < 0) return;
  note_write(rejects, false);
  lrd_fs_close(rejects->fd);
  rejects->fd = -1;
}
