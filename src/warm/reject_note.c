/* SPDX-License-Identifier: Apache-2.0 */
#include "reject_note.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/json_read.h"
#include "stats/json_writer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define NOTE_BYTES_MAX 1024u

typedef struct member {
  const char *name;
  size_t offset;
} member;

static const member members[] = {{"import", offsetof(lrd_reject_note, import)},
                                 {"inode", offsetof(lrd_reject_note, inode)},
                                 {"size", offsetof(lrd_reject_note, is.size)},
                                 {"sum", offsetof(lrd_reject_note, is.sum)},
                                 {"next_size", offsetof(lrd_reject_note, will_be.size)},
                                 {"next_sum", offsetof(lrd_reject_note, will_be.sum)},
                                 {"kept", offsetof(lrd_reject_note, kept)}};

/* By where the file really is, so it has to be there. */
static larder_err note_path(const char *root, const char *file, char **out) {
  lrd_buf name = {0};
  if (!root) return LARDER_MISS;
  char *whole = realpath(file, NULL);
  if (!whole) return errno == ENOMEM ? LARDER_ENOMEM : LARDER_MISS;
  larder_err err = lrd_buf_printf(&name, "%s/rejects-%016" PRIx64 ".json", root, lrd_hash64(whole, strlen(whole), 0));
  if (err == LARDER_OK) err = lrd_buf_terminate(&name);
  free(whole);
  if (err == LARDER_OK)
    *out = (char *)name.data;
  else
    lrd_buf_fini(&name);
  return err;
}

static bool note_fill(lrd_reject_note *out, const lrd_json_doc *doc) {
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    uint64_t *field = (uint64_t *)(void *)((char *)out + members[i].offset);
    if (!lrd_json_u64_of(doc, lrd_json_member(doc, 0, members[i].name), field)) return false;
  }
  return true;
}

larder_err lrd_reject_note_load(const char *root, const char *file, lrd_reject_note *out) {
  char *path = NULL, *text = NULL;
  size_t len = 0;
  lrd_json_doc doc = {0};
  larder_err err = note_path(root, file, &path);
  if (err == LARDER_OK && lrd_fs_slurp(path, NOTE_BYTES_MAX, &text, &len) != 0)
    err = errno == ENOMEM ? LARDER_ENOMEM : LARDER_MISS;
  if (err == LARDER_OK) err = lrd_json_parse(&doc, text, len);
  if (err == LARDER_OK && !note_fill(out, &doc)) err = LARDER_MISS;
  lrd_json_doc_fini(&doc);
  lrd_dealloc(text);
  lrd_dealloc(path);
  return err == LARDER_OK || err == LARDER_ENOMEM ? err : LARDER_MISS;
}

void lrd_reject_note_save(const char *root, const char *file, const lrd_reject_note *note) {
  char *path = NULL;
  lrd_buf text = {0};
  lrd_json json;
  if (note_path(root, file, &path) != LARDER_OK) return;
  lrd_json_init(&json, &text, false);
  lrd_json_object_begin(&json);
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    lrd_json_key(&json, members[i].name);
    lrd_json_u64(&json, *(const uint64_t *)(const void *)((const char *)note + members[i].offset));
  }
  lrd_json_object_end(&json);
  if (json.err == LARDER_OK) (void)lrd_fs_publish(path, text.data, text.len, 0600, false);
  lrd_buf_fini(&text);
  lrd_dealloc(path);
}

void lrd_reject_note_remove(const char *root, const char *file) {
  char *path = NULL;
  if (note_path(root, file, &path) != LARDER_OK) return;
  (void)lrd_fs_unlink(path);
  lrd_dealloc(path);
}
