/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The note is `<root>/rejects-….json`, named by the file's path: which import wrote it, and the file's inode, size, time and
 * sum of its beginning. It is written whenever a batch has added something, so that a killed import's file is mostly known
 * too. A note that could not be written costs only that the next import refuses the file.
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
#define OPEN_TRIES      5u

typedef struct note {
  uint64_t import;
  uint64_t inode;
  uint64_t size;
  int64_t modified_ns;
  uint64_t beginning; /* of so many bytes, at most the size */
  uint64_t kept;      /* so many bytes stay, whoever goes on: in them is work of somebody's */
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
  return lrd_json_u64_of(doc, lrd_json_member(doc, 0, "import"), &out->import) &&
         lrd_json_u64_of(doc, lrd_json_member(doc, 0, "inode"), &out->inode) &&
         lrd_json_u64_of(doc, lrd_json_member(doc, 0, "size"), &out->size) &&
         lrd_json_u64_of(doc, lrd_json_member(doc, 0, "kept"), &out->kept) && out->kept <= out->size &&
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
  lrd_json_key(&json, "import");
  lrd_json_u64(&json, made->import);
  lrd_json_key(&json, "inode");
  lrd_json_u64(&json, made->inode);
  lrd_json_key(&json, "size");
  lrd_json_u64(&json, made->size);
  lrd_json_key(&json, "modified_ns");
  lrd_json_i64(&json, made->modified_ns);
  lrd_json_key(&json, "beginning");
  lrd_json_u64(&json, made->beginning);
  lrd_json_key(&json, "kept");
  lrd_json_u64(&json, made->kept);
  lrd_json_object_end(&json);
  larder_err err = json.err;
  if (err == LARDER_OK && lrd_fs_publish(path, text.data, text.len, 0600, false) != 0) err = lrd_err_from_errno(errno);
  lrd_buf_fini(&text);
  return err;
}

/* Best effort: see above. An empty file needs none. */
static void note_write(lrd_rejects *rejects) {
  char *path = NULL;
  struct stat info;
  if (!rejects->root || fstat(rejects->fd, &info) != 0 || note_path(rejects, &path) != LARDER_OK) return;
  note made = {.import = rejects->import,
               .inode = (uint64_t)info.st_ino,
               .size = (uint64_t)info.st_size,
               .modified_ns = modified_ns_of(&info),
               .kept = (uint64_t)info.st_size != rejects->len ? (uint64_t)info.st_size : rejects->kept};
  if (made.size == 0)
    (void)lrd_fs_unlink(path);
  else if (beginning_sum(rejects->fd, made.size, &made.beginning) == LARDER_OK)
    (void)note_save(path, &made);
  rejects->noted = rejects->len;
  lrd_dealloc(path);
}

/* What is known of a file that is there. */
typedef struct looked {
  bool noted; /* an import has written into it */
  bool same;  /* and it is exactly as that left it */
  note note;
} looked;

static larder_err look(const lrd_rejects *rejects, const struct stat *info, looked *out) {
  uint64_t beginning = 0;
  *out = (looked){0};
  larder_err err = note_read(rejects, &out->note);
  if (err != LARDER_OK) return err == LARDER_MISS ? LARDER_OK : err;
  out->noted = true;
  if (out->note.inode != (uint64_t)info->st_ino || out->note.size != (uint64_t)info->st_size ||
      out->note.modified_ns != modified_ns_of(info))
    return LARDER_OK;
  int fd = lrd_fs_open(rejects->path, O_RDONLY, 0);
  if (fd < 0) return lrd_err_from_errno(errno);
  err = beginning_sum(fd, out->note.size, &beginning);
  lrd_fs_close(fd);
  if (err == LARDER_OK) out->same = beginning == out->note.beginning;
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

larder_err lrd_rejects_open(lrd_rejects *rejects, larder_error *err) {
  for (unsigned tries = 0; tries < OPEN_TRIES; tries++) {
    larder_err result = open_locked(rejects, err);
    if (result == LARDER_OK) return LARDER_OK;
    lrd_fs_close(rejects->fd);
    rejects->fd = -1;
    if (result != LARDER_MISS) return result;
  }
  return taken(rejects, err);
}

/* What is written next goes behind the first `len` bytes. */
static larder_err end_set(lrd_rejects *rejects, uint64_t len) {
  char last = '\n';
  size_t got = 0;
  if (len > 0 && lrd_fs_read_full(rejects->fd, &last, 1, (int64_t)len - 1, &got) != 0) return lrd_err_from_errno(errno);
  rejects->unbroken = last != '\n';
  rejects->len = len;
  return LARDER_OK;
}

static larder_err cut(lrd_rejects *rejects, uint64_t len, larder_error *err) {
  if (end_set(rejects, len) != LARDER_OK) return unusable(rejects, "read", err);
  if (lrd_fs_truncate(rejects->fd, rejects->path, (int64_t)len) != 0) return unusable(rejects, "written", err);
  rejects->begun = true;
  note_write(rejects);
  return LARDER_OK;
}

larder_err lrd_rejects_begin(lrd_rejects *rejects, larder_error *err) {
  struct stat info;
  if (fstat(rejects->fd, &info) != 0) return unusable(rejects, "read", err);
  larder_err result = replace_check(rejects, &info, err);
  return result == LARDER_OK ? cut(rejects, 0, err) : result;
}

/* Behind what somebody made of it, which nothing replaces from here on. */
static larder_err end_take(lrd_rejects *rejects, uint64_t size) {
  larder_err err = end_set(rejects, size);
  if (err == LARDER_OK) rejects->kept = size;
  return err;
}

larder_err lrd_rejects_resume(lrd_rejects *rejects, uint64_t len, larder_error *err) {
  struct stat info;
  looked found = {0};
  if (fstat(rejects->fd, &info) != 0) return unusable(rejects, "read", err);
  if (info.st_size == 0) return cut(rejects, 0, err);
  larder_err result = look(rejects, &info, &found);
  if (result != LARDER_OK) return failed(rejects, result, err);
  if (!found.noted || found.note.import != rejects->import)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "%s is not empty, and holds no rejects of this import: move it away, or name another file", rejects->path);
  rejects->kept = found.note.kept;
  if (len < found.note.kept) len = found.note.kept;
  if (found.same && len <= (uint64_t)info.st_size) return cut(rejects, len, err);
  if (end_take(rejects, (uint64_t)info.st_size) != LARDER_OK) return unusable(rejects, "read", err);
  rejects->begun = true;
  note_write(rejects);
  return LARDER_OK;
}

larder_err lrd_rejects_add(lrd_rejects *rejects, lrd_span header, lrd_span text, bool one_line) {
  lrd_buf line = {0};
  struct stat info;
  larder_err err = LARDER_OK;
  /* Somebody may write into it meanwhile. */
  if (fstat(rejects->fd, &info) == 0 && (uint64_t)info.st_size != rejects->len) err = end_take(rejects, (uint64_t)info.st_size);
  if (err == LARDER_OK && rejects->unbroken) err = lrd_buf_append_byte(&line, '\n');
  if (err == LARDER_OK && rejects->len == 0 && header.len > 0) {
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
  if (err == LARDER_OK) {
    rejects->len += line.len;
    rejects->unbroken = false;
  } else if (err != LARDER_ENOMEM) {
    (void)lrd_fs_truncate(rejects->fd, rejects->path, (int64_t)rejects->len); /* a piece of it may be there */
  }
  lrd_buf_fini(&line);
  return err;
}

void lrd_rejects_note(lrd_rejects *rejects) {
  if (rejects->begun && rejects->noted != rejects->len) note_write(rejects);
}

larder_err lrd_rejects_sync(lrd_rejects *rejects) {
  if (!rejects->begun) return LARDER_OK;
  if (lrd_fs_sync(rejects->fd, rejects->path) != 0) return lrd_err_from_errno(errno);
  note_write(rejects);
  return LARDER_OK;
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
  if (rejects->begun) note_write(rejects);
  if (rejects->made) made_remove(rejects);
  lrd_fs_close(rejects->fd);
  rejects->fd = -1;
}
