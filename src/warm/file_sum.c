/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a file against its sum costs a fraction of importing it, and comes before anything is stored. */
#include "file_sum.h"

#include "base/fail.h"
#include "base/fs.h"
#include "stats/json_writer.h"
#include <errno.h>

#define TAIL_BYTES  1024u
#define PIECE_BYTES ((size_t)1 << 20)
#define SUM_DIGITS  32u

larder_err lrd_trailer_write(lrd_buf *out, larder_format format, const larder_transfer_counts *counts, lrd_sum sum) {
  char digits[LRD_SUM_TEXT];
  lrd_json json;
  lrd_sum_format(sum, digits);
  larder_err err = format == LARDER_FORMAT_JSONL ? lrd_buf_append_str(out, "{") : LARDER_OK;
  if (err == LARDER_OK) err = lrd_buf_append_str(out, "\"larder_export\":");
  if (err != LARDER_OK) return err;
  lrd_json_init(&json, out, false);
  lrd_json_object_begin(&json);
  lrd_json_key(&json, "version");
  lrd_json_u64(&json, 1);
  lrd_json_key(&json, "entries");
  lrd_json_u64(&json, counts->done);
  lrd_json_key(&json, "redacted");
  lrd_json_u64(&json, counts->redacted);
  lrd_json_key(&json, "xxh128");
  lrd_json_string(&json, digits);
  lrd_json_object_end(&json);
  return json.err == LARDER_OK ? lrd_buf_append_str(out, "}\n") : json.err;
}

larder_err lrd_sum_path(const char *path, char **out) {
  lrd_buf name = {0};
  larder_err err = lrd_buf_printf(&name, "%s.xxh128", path);
  if (err == LARDER_OK) err = lrd_buf_terminate(&name);
  if (err == LARDER_OK)
    *out = (char *)name.data;
  else
    lrd_buf_fini(&name);
  return err;
}

larder_err lrd_sum_file_text(const char *path, lrd_sum sum, lrd_buf *out) {
  char digits[LRD_SUM_TEXT];
  const char *slash = strrchr(path, '/');
  lrd_sum_format(sum, digits);
  return lrd_buf_printf(out, "%s  %s\n", digits, slash ? slash + 1 : path);
}

static larder_err file_sum(int fd, uint64_t len, char out[LRD_SUM_TEXT]) {
  lrd_summing *summing = NULL;
  uint8_t *piece = lrd_alloc(PIECE_BYTES);
  larder_err err = piece ? lrd_summing_new(&summing) : LARDER_ENOMEM;
  for (uint64_t at = 0; err == LARDER_OK && at < len;) {
    size_t want = len - at < PIECE_BYTES ? (size_t)(len - at) : PIECE_BYTES, got = 0;
    if (lrd_fs_read_full(fd, piece, want, (int64_t)at, &got) != 0)
      err = lrd_err_from_errno(errno);
    else if (got < want)
      err = LARDER_ECORRUPT; /* it shrinks while it is read */
    else
      lrd_summing_add(summing, piece, got);
    at += got;
  }
  if (err == LARDER_OK) lrd_sum_format(lrd_summing_sum(summing), out);
  lrd_summing_free(summing);
  lrd_dealloc(piece);
  return err;
}

/* The last line that holds anything, when it is a trailer: where it begins, and its digits. */
static bool trailer_find(const char *tail, size_t len, size_t *at_out, char digits[LRD_SUM_TEXT]) {
  static const char name[] = "\"larder_export\"", member[] = "\"xxh128\":\"";
  size_t end = len;
  while (end > 0 && (tail[end - 1] == '\n' || tail[end - 1] == '\r')) end--;
  size_t begin = end;
  while (begin > 0 && tail[begin - 1] != '\n') begin--;
  size_t brace = begin < end && tail[begin] == '{' ? 1 : 0;
  if (end - begin - brace < sizeof name || memcmp(tail + begin + brace, name, sizeof name - 1) != 0) return false;
  const char *found = memmem(tail + begin, end - begin, member, sizeof member - 1);
  if (!found || (size_t)(tail + end - found) < sizeof member - 1 + SUM_DIGITS) return false;
  memcpy(digits, found + sizeof member - 1, SUM_DIGITS);
  digits[SUM_DIGITS] = '\0';
  *at_out = begin;
  return true;
}

static larder_err lines_check(int fd, uint64_t len, lrd_file_state *out) {
  char tail[TAIL_BYTES], wanted[LRD_SUM_TEXT], found[LRD_SUM_TEXT];
  size_t want = len < sizeof tail ? (size_t)len : sizeof tail, got = 0, at = 0;
  if (lrd_fs_read_full(fd, tail, want, (int64_t)(len - want), &got) != 0) return lrd_err_from_errno(errno);
  if (!trailer_find(tail, got, &at, wanted)) return LARDER_OK;
  larder_err err = file_sum(fd, len - want + at, found);
  if (err == LARDER_OK) *out = strcmp(found, wanted) == 0 ? LRD_FILE_WHOLE : LRD_FILE_CHANGED;
  return err;
}

static larder_err beside_check(int fd, const char *path, uint64_t len, lrd_file_state *out) {
  char *beside = NULL, *text = NULL, found[LRD_SUM_TEXT];
  size_t text_len = 0;
  larder_err err = lrd_sum_path(path, &beside);
  if (err == LARDER_OK && lrd_fs_slurp(beside, TAIL_BYTES * 8, &text, &text_len) != 0) {
    err = errno == ENOENT ? LARDER_MISS : errno == EFBIG ? LARDER_OK : lrd_err_from_errno(errno);
    if (err == LARDER_OK) *out = LRD_FILE_CHANGED;
  }
  if (err == LARDER_OK && text) err = file_sum(fd, len, found);
  if (err == LARDER_OK && text)
    *out = text_len > SUM_DIGITS && memcmp(text, found, SUM_DIGITS) == 0 ? LRD_FILE_WHOLE : LRD_FILE_CHANGED;
  lrd_dealloc(beside);
  lrd_dealloc(text);
  return err == LARDER_MISS ? LARDER_OK : err;
}

larder_err lrd_file_check(int fd, const char *path, uint64_t len, larder_format format, lrd_file_state *state_out) {
  lrd_file_state state = LRD_FILE_UNSUMMED;
  larder_err err = format == LARDER_FORMAT_CSV ? LARDER_OK : lines_check(fd, len, &state);
  if (err == LARDER_OK && state == LRD_FILE_UNSUMMED) err = beside_check(fd, path, len, &state);
  if (err == LARDER_OK) *state_out = state;
  return err;
}
