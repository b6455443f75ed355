/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification: every entry's file is read and compared with its XXH3-128 and, where it is known, its SHA-256, and shown to the
 * judge; then the folders are looked through for files that are no entry's. An entry is looked at again before it is called
 * damaged, since it may have been replaced meanwhile.
 */
#include "files_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WINDOW 128
#define LOOKS  3

/* What is compared, copied out of the index; the file is open. */
typedef struct subject {
  larder_tier_key key;
  larder_facts facts; /* what a judge is shown */
  uint64_t put_stamp;
  uint32_t nonce;
  lrd_sum sum;
  size_t len;
  bool sha_known;
  uint8_t sha[LRD_SHA256_LEN];
  uint8_t key_bytes[LARDER_KEY_MAX];
  int fd;
  int why;     /* errno when it could not be opened */
  bool judged; /* the file is whole; what it holds is not */
} subject;

/* LARDER_MISS when nothing lives at the hash. */
static larder_err subject_take(files_tier *tier, uint64_t hash, subject *out) {
  larder_err err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err;
  const files_entry *entry = lrd_files_find(&tier->index, hash);
  if (entry != NULL && !files_dead(entry)) {
    memcpy(out->key_bytes, files_key(entry), entry->key_len);
    out->key = (larder_tier_key){.data = out->key_bytes, .len = entry->key_len, .hash = hash, .space = entry->space};
    out->facts = (larder_facts){.stamp = entry->stamp,
                                .value_len = entry->value_len,
                                .kind = (larder_kind)entry->kind,
                                .framed = (entry->flags & FILES_FRAMED) != 0,
                                .raw_len = entry->raw_len};
    out->judged = false;
    out->put_stamp = entry->put_stamp;
    out->nonce = entry->nonce;
    out->sum = entry->sum;
    out->len = (size_t)entry->value_len;
    out->sha_known = (entry->flags & FILES_SHA_KNOWN) != 0;
    memcpy(out->sha, entry->sha, sizeof out->sha);
    int const folder = tier->index.spaces[entry->space].fd;
    errno = ENOENT;
    out->fd = folder < 0 ? -1 : lrd_fs_open_at(folder, files_name(entry), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    out->why = errno;
  } else {
    err = LARDER_MISS;
  }
  pthread_rwlock_unlock(&tier->lock);
  return err;
}

/* What is wrong with the open file, or NULL; *err for what says nothing about it. */
static const char *file_fault(subject *of, larder_err *err, larder_tier_judge judge, void *context) {
  static const char missing[] = "its file is missing";
  if (of->fd < 0) {
    if (of->why != ENOENT && of->why != ENOTDIR && of->why != ELOOP) *err = lrd_err_from_errno(of->why);
    return of->why == ELOOP ? "its file is a link" : *err == LARDER_OK ? missing : NULL;
  }
  const char *fault = NULL;
  size_t got = 0;
  uint8_t *data = lrd_alloc(of->len + 1);
  if (data == NULL) {
    *err = LARDER_ENOMEM;
  } else if (lrd_fs_read_full(of->fd, data, of->len + 1, 0, &got) != 0) {
    if (errno == EISDIR)
      fault = "its file is a folder";
    else
      *err = lrd_err_from_errno(errno);
  } else if (got != of->len) {
    fault = "its file has another size than was stored";
  } else {
    lrd_sum const sum = lrd_sum128(data, of->len);
    uint8_t sha[LRD_SHA256_LEN];
    if (sum.low != of->sum.low || sum.high != of->sum.high) fault = "the checksum of its file is wrong";
    if (fault == NULL && of->sha_known) {
      lrd_sha256_of(data, of->len, sha);
      if (memcmp(sha, of->sha, sizeof sha) != 0) fault = "the SHA-256 of its file is wrong";
    }
    if (fault == NULL && judge != NULL) of->judged = (fault = judge(context, &of->key, &of->facts, data)) != NULL;
  }
  lrd_dealloc(data);
  return fault;
}

static larder_err entry_judge(files_tier *tier, uint64_t hash, bool repair, larder_tier_report *report,
                              larder_tier_finding finding, larder_tier_judge judge, void *context) {
  subject of;
  const char *fault = NULL;
  uint64_t stamp = 0;
  uint32_t nonce = 0;
  for (int looks = 0; looks < LOOKS; looks++) {
    larder_err err = subject_take(tier, hash, &of);
    if (err != LARDER_OK) return err == LARDER_MISS ? LARDER_OK : err;
    fault = file_fault(&of, &err, judge, context);
    lrd_fs_close(of.fd);
    if (err != LARDER_OK) return err;
    if (fault == NULL || of.judged) break;
    if (stamp != of.put_stamp || nonce != of.nonce) looks = 0; /* another one: it has all its looks before it */
    stamp = of.put_stamp;
    nonce = of.nonce;
    lrd_files_turn_pass(tier);
  }
  report->examined++;
  if (fault == NULL) return LARDER_OK;
  report->damaged++;
  if (finding != NULL) finding(context, &of.key, fault);
  if (!repair) return LARDER_OK;
  if (tier->host.slot_try_own != NULL && !tier->host.slot_try_own(tier->host.context, hash)) return LARDER_OK;
  bool removed = false;
  larder_err const err = of.judged ? lrd_files_remove_judged(tier, hash, of.put_stamp, of.nonce, &removed)
                                   : lrd_files_remove_damaged(tier, hash, true, &removed);
  if (tier->host.slot_release != NULL) tier->host.slot_release(tier->host.context, hash);
  report->repaired += err == LARDER_OK && (removed || !of.judged); /* mended counts too */
  return err;
}

/* Hashes of live entries from `from` on. */
static larder_err window_take(files_tier *tier, uint64_t from, uint64_t out[WINDOW], size_t *count_out) {
  larder_err const err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err;
  size_t count = 0;
  for (const files_entry *entry = lrd_files_find_from(&tier->index, from); entry != NULL && count < WINDOW;) {
    out[count++] = entry->hash;
    entry = entry->hash == UINT64_MAX ? NULL : lrd_files_find_from(&tier->index, entry->hash + 1);
  }
  pthread_rwlock_unlock(&tier->lock);
  *count_out = count;
  return LARDER_OK;
}

static larder_err check_entries(files_tier *tier, bool repair, larder_tier_report *report, larder_tier_finding finding,
                                larder_tier_judge judge, void *context) {
  uint64_t from = 0;
  for (bool ended = false; !ended;) {
    uint64_t window[WINDOW];
    size_t count = 0;
    larder_err err = window_take(tier, from, window, &count);
    for (size_t i = 0; i < count && err == LARDER_OK; i++)
      err = entry_judge(tier, window[i], repair, report, finding, judge, context);
    if (err != LARDER_OK) return err;
    ended = count < WINDOW || window[count - 1] == UINT64_MAX;
    if (!ended) from = window[count - 1] + 1;
  }
  return LARDER_OK;
}

larder_err lrd_files_check(void *self, bool repair, larder_tier_report *out, larder_tier_finding finding,
                           larder_tier_judge judge, void *context) {
  files_tier *tier = lrd_files_tier_of(self);
  larder_tier_report report = {0};
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (repair && tier->read_only) return LARDER_EACCES;
  lrd_files_folders_open(tier);
  larder_err err = check_entries(tier, repair, &report, finding, judge, context);
  for (uint32_t space = 1; space < LRD_FILES_SPACES_MAX && err == LARDER_OK; space++)
    err = lrd_files_strays(tier, space, repair, &report, finding, context);
  if (err == LARDER_OK && repair) err = lrd_files_sweep_temporary(tier);
  if (err == LARDER_OK || report.damaged != 0) *out = report;
  return err;
}
