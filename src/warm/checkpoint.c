/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include "base/fail.h"
#include "base/fs.h"
#include "stats/json_writer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BEGINNING_BYTES ((size_t)64 << 10)
#define FILE_BYTES_MAX  8192u

typedef struct member {
  const char *name;
  size_t offset;
} member;

#define MEMBER(field)                                                                                                          \
  { #field, offsetof(lrd_checkpoint, field) }
#define COUNT(field)                                                                                                           \
  { #field, offsetof(lrd_checkpoint, counts.field) }
static const member members[] = {MEMBER(size),   MEMBER(beginning),   MEMBER(fields), MEMBER(offset),
                                 MEMBER(line),   MEMBER(rejects_len), COUNT(entries), COUNT(done),
                                 COUNT(skipped), COUNT(failed),       COUNT(expired)};

/* Of older versions they have not. */
static const member targets[] = {MEMBER(root), MEMBER(into)};

static uint64_t *field_of(lrd_checkpoint *checkpoint, const member *which) {
  return (uint64_t *)(void *)((char *)checkpoint + which->offset);
}

larder_err lrd_checkpoint_path(const char *root, const char *file, const char *ns, char **out) {
  lrd_buf name = {0};
  char *whole = realpath(file, NULL);
  uint64_t into = ns ? lrd_sum64(ns, strlen(ns)) : 0;
  const char *of = whole ? whole : file;
  larder_err err = lrd_buf_printf(&name, "%s/import-%016" PRIx64 ".json", root, lrd_hash64(of, strlen(of), into));
  if (err == LARDER_OK) err = lrd_buf_terminate(&name);
  free(whole);
  if (err == LARDER_OK)
    *out = (char *)name.data;
  else
    lrd_buf_fini(&name);
  return err;
}

void lrd_checkpoint_target(lrd_checkpoint *checkpoint, const larder *cache, const char *ns, bool named) {
  char here[LRD_ROOT_HERE_MAX + 1] = "";
  if (named && cache->slots) lrd_slots_root_here(cache->slots, here);
  checkpoint->root = lrd_hash64(here, strlen(here), cache->seed) | 1;
  checkpoint->into = lrd_hash64(ns ? ns : "", ns ? strlen(ns) : 0, 0) | 1;
}

larder_err lrd_checkpoint_identify(lrd_checkpoint *checkpoint, int fd, const char *file) {
  struct stat info;
  size_t got = 0;
  if (lrd_fs_stat(file, &info) != 0) return lrd_err_from_errno(errno);
  uint8_t *beginning = lrd_alloc(BEGINNING_BYTES);
  if (!beginning) return LARDER_ENOMEM;
  larder_err err = LARDER_OK;
  if (lrd_fs_read_full(fd, beginning, BEGINNING_BYTES, 0, &got) != 0) err = lrd_err_from_errno(errno);
  checkpoint->size = (uint64_t)info.st_size;
  checkpoint->modified_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
  if (err == LARDER_OK) checkpoint->beginning = lrd_sum64(beginning, got);
  lrd_dealloc(beginning);
  return err;
}

static bool members_read(lrd_checkpoint *out, const lrd_json_doc *doc) {
  uint64_t state = 0;
  for (size_t i = 0; i < sizeof members / sizeof *members; i++)
    if (!lrd_json_u64_of(doc, lrd_json_member(doc, 0, members[i].name), field_of(out, &members[i]))) return false;
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    if (!lrd_json_u64_of(doc, lrd_json_member(doc, 0, targets[i].name), field_of(out, &targets[i])))
      *field_of(out, &targets[i]) = 0;
  if (!lrd_json_i64_of(doc, lrd_json_member(doc, 0, "modified_ns"), &out->modified_ns)) return false;
  if (!lrd_json_u64_of(doc, lrd_json_member(doc, 0, "state"), &state)) return false;
  if (state < LRD_READ_LINES || state > LRD_READ_END || out->offset > out->size || out->line == 0) return false;
  out->state = (lrd_read_state)state;
  out->first = lrd_json_type_of(doc, lrd_json_member(doc, 0, "first")) == LRD_JSON_TRUE;
  return true;
}

static lrd_checkpoint_other other_of(const lrd_checkpoint *wanted, const lrd_checkpoint *found) {
  if (found->root == 0 || found->into == 0) return LRD_CHECKPOINT_OLD;
  if (found->root != wanted->root) return LRD_CHECKPOINT_ROOT;
  if (found->into != wanted->into) return LRD_CHECKPOINT_INTO;
  if (found->size != wanted->size || found->modified_ns != wanted->modified_ns || found->beginning != wanted->beginning)
    return LRD_CHECKPOINT_FILE;
  return found->fields == wanted->fields ? LRD_CHECKPOINT_SAME : LRD_CHECKPOINT_FIELDS;
}

larder_err lrd_checkpoint_load(lrd_checkpoint *checkpoint, const char *path, lrd_checkpoint_other *other_out) {
  char *text = NULL;
  size_t len = 0;
  lrd_checkpoint found = {0};
  lrd_json_doc doc = {0};
  *other_out = LRD_CHECKPOINT_SAME;
  if (lrd_fs_slurp(path, FILE_BYTES_MAX, &text, &len) != 0) return errno == ENOMEM ? LARDER_ENOMEM : LARDER_MISS;
  larder_err err = lrd_json_parse(&doc, text, len);
  if (err == LARDER_OK && !members_read(&found, &doc)) err = LARDER_MISS;
  if (err == LARDER_OK) *other_out = other_of(checkpoint, &found);
  if (err == LARDER_OK && *other_out != LRD_CHECKPOINT_SAME) err = LARDER_MISS;
  if (err == LARDER_OK) *checkpoint = found;
  lrd_json_doc_fini(&doc);
  lrd_dealloc(text);
  return err == LARDER_OK || err == LARDER_ENOMEM ? err : LARDER_MISS;
}

static bool is_checkpoint(const char *text, size_t len) {
  lrd_checkpoint found = {0};
  lrd_json_doc doc = {0};
  bool const one = lrd_json_parse(&doc, text, len) == LARDER_OK && members_read(&found, &doc);
  lrd_json_doc_fini(&doc);
  return one;
}

bool lrd_checkpoint_may_write(const char *path) {
  char *text = NULL;
  size_t len = 0;
  if (lrd_fs_slurp(path, FILE_BYTES_MAX, &text, &len) != 0) return errno == ENOENT;
  bool const may = len == 0 || is_checkpoint(text, len);
  lrd_dealloc(text);
  return may;
}

void lrd_checkpoint_touch(const char *path) {
  char *text = NULL;
  size_t len = 0;
  if (lrd_fs_slurp(path, FILE_BYTES_MAX, &text, &len) != 0) return;
  if (is_checkpoint(text, len)) (void)lrd_fs_publish(path, text, len, 0600, true);
  lrd_dealloc(text);
}

larder_err lrd_checkpoint_save(const lrd_checkpoint *checkpoint, const char *path) {
  lrd_buf text = {0};
  lrd_json json;
  lrd_checkpoint copy = *checkpoint;
  lrd_json_init(&json, &text, false);
  lrd_json_object_begin(&json);
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    lrd_json_key(&json, members[i].name);
    lrd_json_u64(&json, *field_of(&copy, &members[i]));
  }
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    lrd_json_key(&json, targets[i].name);
    lrd_json_u64(&json, *field_of(&copy, &targets[i]));
  }
  lrd_json_key(&json, "modified_ns");
  lrd_json_i64(&json, copy.modified_ns);
  lrd_json_key(&json, "state");
  lrd_json_u64(&json, copy.state);
  lrd_json_key(&json, "first");
  lrd_json_bool(&json, copy.first);
  lrd_json_object_end(&json);
  larder_err err = json.err;
  if (err == LARDER_OK && lrd_fs_publish(path, text.data, text.len, 0600, true) != 0) err = lrd_err_from_errno(errno);
  lrd_buf_fini(&text);
  return err;
}

void lrd_checkpoint_remove(const char *path) { (void)lrd_fs_unlink(path); }
