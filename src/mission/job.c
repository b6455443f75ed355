/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digested text of a key: items of one tag byte, the length in 8 little-endian bytes, and the bytes; always in this
 * order. Lengths make it injective: no two jobs share a text.
 *
 *   L  "larder job 1"
 *   T  type                       P  parameters, canonical JSON          (a step)
 *   R  argument                   one for each, in order
 *   F  folder                     absolute, where it counts
 *   E  name                       V  value, unless it is not set         (for each variable)
 *   I  name                       H  32 bytes of digest                  Z  8 bytes of length       (for each input)
 *   O  name                       (for each output)
 *   A  32 bytes of key            (for each dependency)
 */
#include "mission/job.h"

#include "base/fail.h"
#include "base/fs.h"
#include "base/path.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM  "mission"
#define PIECE ((size_t)256 << 10)

static int name_order(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

void lrd_names_sort(lrd_names *names) {
  if (names->len == 0) return;
  qsort(names->items, names->len, sizeof *names->items, name_order);
  size_t kept = 1;
  for (size_t i = 1; i < names->len; i++)
    if (strcmp(names->items[i], names->items[kept - 1]) != 0) names->items[kept++] = names->items[i];
  names->len = kept;
}

char *lrd_job_path(const char *folder, const char *name) {
  return name[0] == '/' || !folder ? lrd_strdup(name) : lrd_path_join(folder, name);
}

static int content_sum(int fd, uint8_t *piece, lrd_file_sum *out) {
  lrd_sha256 sum = {0};
  uint64_t len = 0;
  lrd_sha256_begin(&sum);
  for (size_t got = PIECE; got == PIECE; len += got) {
    if (lrd_fs_read_full(fd, piece, PIECE, (int64_t)len, &got)) return -1;
    lrd_sha256_add(&sum, piece, got);
  }
  lrd_sha256_end(&sum, out->digest);
  out->len = len;
  return 0;
}

int lrd_file_look(const char *path, struct stat *out) {
  if (lrd_fs_stat(path, out)) return -1;
  if (S_ISREG(out->st_mode)) return 0;
  errno = S_ISDIR(out->st_mode) ? EISDIR : ENXIO;
  return -1;
}

int lrd_file_sum_of(const char *path, lrd_file_sum *out) {
  struct stat found;
  if (lrd_file_look(path, &found)) return -1; /* a pipe would be waited for */
  int fd = lrd_fs_open(path, O_RDONLY | O_NONBLOCK, 0);
  if (fd < 0) return -1;
  uint8_t *piece = lrd_alloc(PIECE);
  int result = -1;
  if (piece)
    result = content_sum(fd, piece, out);
  else
    errno = ENOMEM;
  lrd_dealloc(piece);
  lrd_fs_close(fd);
  return result;
}

/* --- the key -------------------------------------------------------------------------------------------------------------- */

static void item(lrd_sha256 *sum, char tag, const void *data, size_t len) {
  uint8_t head[9] = {(uint8_t)tag};
  lrd_put_u64(head + 1, len);
  lrd_sha256_add(sum, head, sizeof head);
  lrd_sha256_add(sum, data, len);
}

static void item_text(lrd_sha256 *sum, char tag, const char *text) { item(sum, tag, text, strlen(text)); }

static larder_err item_folder(lrd_sha256 *sum, const lrd_job *job, larder_error *err) {
  char *path = realpath(job->folder ? job->folder : ".", NULL);
  if (!path)
    return lrd_fail(err, errno == ENOMEM ? LARDER_ENOMEM : LARDER_EINVAL, errno, ROOM, "the folder %s can't be used: %s",
                    job->folder ? job->folder : ".", strerror(errno));
  item_text(sum, 'F', path);
  free(path);
  return LARDER_OK;
}

larder_err lrd_job_input_sum(const char *folder, const char *name, lrd_file_sum *out, larder_error *err) {
  char *path = lrd_job_path(folder, name);
  int failed = path ? lrd_file_sum_of(path, out) : -1;
  int failure = path ? errno : ENOMEM;
  lrd_dealloc(path);
  if (!failed) return LARDER_OK;
  if (failure == ENOMEM) return lrd_fail(err, LARDER_ENOMEM, failure, ROOM, "out of memory");
  return lrd_fail(err, LARDER_EINVAL, failure, ROOM, "the input %s can't be read: %s", name,
                  failure == ENXIO ? "it is no ordinary file" : strerror(failure));
}

static larder_err items_inputs(lrd_sha256 *sum, const lrd_job *job, const lrd_file_sum *sums, lrd_file_sum *sums_out,
                               larder_error *err) {
  for (size_t i = 0; i < job->inputs.len; i++) {
    lrd_file_sum own = {0};
    larder_err result = LARDER_OK;
    uint8_t len[8];
    if (sums)
      own = sums[i];
    else
      result = lrd_job_input_sum(job->folder, job->inputs.items[i], &own, err);
    if (result != LARDER_OK) return result;
    if (sums_out) sums_out[i] = own;
    lrd_put_u64(len, own.len);
    item_text(sum, 'I', job->inputs.items[i]);
    item(sum, 'H', own.digest, sizeof own.digest);
    item(sum, 'Z', len, sizeof len);
  }
  return LARDER_OK;
}

larder_err lrd_job_key_of(const lrd_job *job, const lrd_file_sum *sums, lrd_file_sum *sums_out, lrd_job_key *out,
                          larder_error *err) {
  lrd_sha256 sum = {0};
  larder_err result = LARDER_OK;
  lrd_sha256_begin(&sum);
  item_text(&sum, 'L', "larder job 1");
  if (job->type) {
    item_text(&sum, 'T', job->type);
    item(&sum, 'P', job->params.data, job->params.len);
  }
  for (size_t i = 0; job->argv && job->argv[i]; i++) item_text(&sum, 'R', job->argv[i]);
  if (job->folder_counts) result = item_folder(&sum, job, err);
  for (size_t i = 0; i < job->environment.len; i++) {
    const char *value = getenv(job->environment.items[i]);
    item_text(&sum, 'E', job->environment.items[i]);
    if (value) item_text(&sum, 'V', value);
  }
  if (result == LARDER_OK) result = items_inputs(&sum, job, sums, sums_out, err);
  if (result != LARDER_OK) return result;
  for (size_t i = 0; i < job->outputs.len; i++) item_text(&sum, 'O', job->outputs.items[i]);
  for (size_t i = 0; i < job->after_len; i++) item(&sum, 'A', job->after[i].digest, sizeof job->after[i].digest);
  lrd_sha256_end(&sum, out->digest);
  return LARDER_OK;
}
