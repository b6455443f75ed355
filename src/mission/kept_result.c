/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record: {"larder": 1, "type", "run", "exit", "took_ms", "made_ms", "parts": [{"name", "bytes", "sha256", "mode"}]}.
 * type, run and names are for people who look at it; what is read back is checked against the job and never says where a file
 * goes: that is the job's business alone.
 *
 * A new result for a key replaces the record in one put. Parts that only the old one had are deleted after that.
 */
#include "mission/kept_result.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/json_read.h"
#include "stats/json_writer.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD_BYTES_MAX ((size_t)1 << 20)
#define PART_KEY_MAX     (2 * LRD_SHA256_HEX_LEN + 2)
#define MODE_BITS        0777u /* never set-user-id and its like */

void lrd_made_fini(lrd_made *made) {
  lrd_buf_fini(&made->streams[0]);
  lrd_buf_fini(&made->streams[1]);
}

static void part_key(const char *hex, const lrd_file_sum *sum, char out[PART_KEY_MAX]) {
  memcpy(out, hex, LRD_SHA256_HEX_LEN);
  out[LRD_SHA256_HEX_LEN] = '/';
  lrd_sha256_hex(sum->digest, out + LRD_SHA256_HEX_LEN + 1);
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

static int nibble(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool lrd_digest_read(const char *text, size_t len, uint8_t out[LRD_SHA256_LEN]) {
  if (len != LRD_SHA256_HEX_LEN) return false;
  for (size_t i = 0; i < LRD_SHA256_LEN; i++) {
    int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = (uint8_t)(high * 16 + low);
  }
  return true;
}

static bool digest_read(const lrd_json_doc *doc, uint32_t node, uint8_t out[LRD_SHA256_LEN]) {
  return node != 0 && lrd_json_type_of(doc, node) == LRD_JSON_STRING &&
         lrd_digest_read(doc->text + doc->nodes[node].at, doc->nodes[node].len, out);
}

static bool part_read(const lrd_json_doc *doc, uint32_t node, lrd_part *out) {
  uint64_t mode = 0;
  if (!digest_read(doc, lrd_json_member(doc, node, "sha256"), out->sum.digest)) return false;
  if (!lrd_json_u64_of(doc, lrd_json_member(doc, node, "bytes"), &out->sum.len)) return false;
  if (!lrd_json_u64_of(doc, lrd_json_member(doc, node, "mode"), &mode)) return false;
  out->mode = (mode_t)(mode & MODE_BITS);
  return true;
}

static bool record_read(const lrd_json_doc *doc, lrd_kept *kept) {
  int64_t format = 0, code = 0;
  uint32_t parts = lrd_json_member(doc, 0, "parts");
  if (!lrd_json_i64_of(doc, lrd_json_member(doc, 0, "larder"), &format) || format != 1) return false;
  if (!lrd_json_i64_of(doc, lrd_json_member(doc, 0, "exit"), &code) || code < 0 || code > 255) return false;
  if (!lrd_json_i64_of(doc, lrd_json_member(doc, 0, "took_ms"), &kept->took_ms)) return false;
  if (!lrd_json_i64_of(doc, lrd_json_member(doc, 0, "made_ms"), &kept->made_ms)) return false;
  if (parts == 0 || lrd_json_type_of(doc, parts) != LRD_JSON_ARRAY || doc->nodes[parts].count != kept->parts_len) return false;
  kept->exit_code = (int)code;
  uint32_t at = lrd_json_first(doc, parts);
  for (size_t i = 0; i < kept->parts_len; i++, at = doc->nodes[at].next)
    if (!part_read(doc, at, &kept->parts[i])) return false;
  return true;
}

void lrd_kept_free(lrd_kept *kept) {
  if (!kept) return;
  lrd_dealloc(kept->parts);
  lrd_dealloc(kept);
}

static lrd_kept *kept_new(size_t parts_len, const lrd_job_key *key) {
  lrd_kept *kept = lrd_alloc_zero(1, sizeof *kept);
  if (!kept) return NULL;
  kept->parts_len = parts_len;
  lrd_sha256_hex(key->digest, kept->hex);
  kept->parts = lrd_alloc_zero(parts_len, sizeof *kept->parts);
  if (kept->parts) return kept;
  lrd_dealloc(kept);
  return NULL;
}

/* The record as it stands, whether its parts are there or not. parts_len 0: whatever it has. */
static larder_err kept_load(larder_ns *ns, const lrd_job_key *key, size_t parts_len, lrd_kept **out) {
  char hex[LRD_SHA256_HEX_LEN + 1];
  lrd_json_doc doc = {0};
  larder_value value = {0};
  lrd_sha256_hex(key->digest, hex);
  larder_err result = larder_get(ns, hex, LRD_SHA256_HEX_LEN, NULL, &value);
  if (result != LARDER_OK) return result;
  lrd_kept *kept = NULL;
  result = LARDER_MISS;
  if (value.len <= RECORD_BYTES_MAX) {
    result = lrd_json_parse(&doc, value.data, value.len);
    /* Somebody else's entry under our key is no record of ours. */
    if (result != LARDER_OK && result != LARDER_ENOMEM) result = LARDER_MISS;
  }
  if (result == LARDER_OK && parts_len == 0) {
    uint32_t parts = lrd_json_member(&doc, 0, "parts");
    if (parts && lrd_json_type_of(&doc, parts) == LRD_JSON_ARRAY) parts_len = doc.nodes[parts].count;
    if (parts_len < LRD_PART_FILES) result = LARDER_MISS;
  }
  if (result == LARDER_OK && !(kept = kept_new(parts_len, key))) result = LARDER_ENOMEM;
  if (result == LARDER_OK && !record_read(&doc, kept)) result = LARDER_MISS;
  if (result == LARDER_OK)
    *out = kept;
  else
    lrd_kept_free(kept);
  lrd_json_doc_fini(&doc);
  larder_value_release(&value);
  return result;
}

larder_err lrd_kept_find(larder_ns *ns, const lrd_job *job, const lrd_job_key *key, lrd_kept **out) {
  lrd_kept *kept = NULL;
  larder_err result = kept_load(ns, key, LRD_PART_FILES + job->outputs.len, &kept);
  for (size_t i = 0; result == LARDER_OK && i < kept->parts_len; i++) {
    char name[PART_KEY_MAX];
    part_key(kept->hex, &kept->parts[i].sum, name);
    if (kept->parts[i].sum.len > 0) result = larder_exists(ns, name, PART_KEY_MAX - 1);
  }
  if (result == LARDER_OK)
    *out = kept;
  else
    lrd_kept_free(kept);
  return result;
}

larder_err lrd_kept_value(larder_ns *ns, const lrd_kept *kept, size_t part, larder_value *out) {
  char name[PART_KEY_MAX];
  const lrd_part *wanted = &kept->parts[part];
  if (wanted->sum.len == 0) {
    *out = (larder_value){.data = ""};
    return LARDER_OK;
  }
  part_key(kept->hex, &wanted->sum, name);
  larder_value value = {0};
  larder_err result = larder_get(ns, name, PART_KEY_MAX - 1, NULL, &value);
  if (result != LARDER_OK) return result;
  if (value.len != wanted->sum.len) { /* not what the record speaks of */
    larder_value_release(&value);
    return LARDER_MISS;
  }
  *out = value;
  return LARDER_OK;
}

/* --- files back --------------------------------------------------------------------------------------------------------- */

static bool file_is(const char *path, const lrd_part *part) {
  struct stat found;
  lrd_file_sum sum;
  return lrd_fs_stat(path, &found) == 0 && S_ISREG(found.st_mode) && (uint64_t)found.st_size == part->sum.len &&
         (found.st_mode & MODE_BITS) == part->mode && lrd_file_sum_of(path, &sum) == 0 &&
         memcmp(sum.digest, part->sum.digest, sizeof sum.digest) == 0;
}

static int folder_make(char *path) {
  char *slash = strrchr(path, '/');
  if (!slash || slash == path) return 0;
  *slash = '\0';
  int result = lrd_fs_mkdirs(path, 0777);
  *slash = '/';
  return result;
}

static larder_err file_restore(larder_ns *ns, const lrd_kept *kept, size_t part, char *path, char why[LRD_WHY_MAX]) {
  larder_value value = {0};
  larder_err result = lrd_kept_value(ns, kept, part, &value);
  if (result != LARDER_OK) return result;
  if (folder_make(path) || lrd_fs_publish_as(path, value.data, value.len, kept->parts[part].mode)) {
    (void)snprintf(why, LRD_WHY_MAX, "%s can't be put back: %s", path, strerror(errno));
    result = errno == ENOMEM ? LARDER_ENOMEM : LARDER_EIO;
  }
  larder_value_release(&value);
  return result;
}

larder_err lrd_kept_restore(larder_ns *ns, const lrd_kept *kept, const lrd_job *job, char why[LRD_WHY_MAX]) {
  larder_err result = LARDER_OK;
  for (size_t i = 0; i < job->outputs.len && result == LARDER_OK; i++) {
    char *path = lrd_job_path(job->folder, job->outputs.items[i]);
    if (!path) return LARDER_ENOMEM;
    if (!file_is(path, &kept->parts[LRD_PART_FILES + i])) result = file_restore(ns, kept, LRD_PART_FILES + i, path, why);
    lrd_dealloc(path);
  }
  return result;
}

/* --- keeping ------------------------------------------------------------------------------------------------------------ */

typedef struct keeping {
  larder_ns *ns;
  const lrd_job *job;
  lrd_kept *kept;
  uint64_t bytes_max;
  larder_put_options how;
  char *why;
} keeping;

static larder_err not_kept(const keeping *k, const char *name, larder_err result) {
  const char *text =
      result == LARDER_NOT_KEPT ? "is larger than the namespace takes, or its tiers have no room" : larder_err_text(result);
  (void)snprintf(k->why, LRD_WHY_MAX, "not kept: %s: %s", name, text);
  return result;
}

static larder_err part_put(const keeping *k, lrd_part *part, const char *name, const void *data, size_t len) {
  char key[PART_KEY_MAX];
  lrd_sha256_of(data, len, part->sum.digest);
  part->sum.len = len;
  if (len == 0) return LARDER_OK;
  part_key(k->kept->hex, &part->sum, key);
  larder_err result = larder_put(k->ns, key, PART_KEY_MAX - 1, data, len, &k->how);
  return result == LARDER_OK ? LARDER_OK : not_kept(k, name, result);
}

static larder_err file_put(const keeping *k, size_t index) {
  const char *name = k->job->outputs.items[index];
  lrd_part *part = &k->kept->parts[LRD_PART_FILES + index];
  char *path = lrd_job_path(k->job->folder, name);
  char *content = NULL;
  size_t len = 0;
  struct stat found;
  larder_err result = LARDER_OK;
  if (!path) return not_kept(k, name, LARDER_ENOMEM);
  if (lrd_file_look(path, &found)) {
    (void)snprintf(k->why, LRD_WHY_MAX, "the output %s was not made: %s", name,
                   errno == ENXIO ? "it is no ordinary file" : strerror(errno));
    result = LARDER_MISS;
  } else if (lrd_fs_slurp(path, k->bytes_max, &content, &len)) {
    result = not_kept(k, name, errno == EFBIG ? LARDER_NOT_KEPT : errno == ENOMEM ? LARDER_ENOMEM : LARDER_EIO);
  } else {
    part->mode = found.st_mode & MODE_BITS;
    result = part_put(k, part, name, content, len);
  }
  lrd_dealloc(content);
  lrd_dealloc(path);
  return result;
}

static void record_part(lrd_json *json, const char *name, const lrd_part *part) {
  char hex[LRD_SHA256_HEX_LEN + 1];
  lrd_sha256_hex(part->sum.digest, hex);
  lrd_json_object_begin(json);
  lrd_json_key(json, "name");
  lrd_json_string(json, name);
  lrd_json_key(json, "bytes");
  lrd_json_u64(json, part->sum.len);
  lrd_json_key(json, "sha256");
  lrd_json_string(json, hex);
  lrd_json_key(json, "mode");
  lrd_json_u64(json, part->mode);
  lrd_json_object_end(json);
}

static larder_err record_text(const keeping *k, lrd_buf *out) {
  lrd_json json;
  lrd_json_init(&json, out, false);
  lrd_json_object_begin(&json);
  lrd_json_key(&json, "larder");
  lrd_json_u64(&json, 1);
  if (k->job->type) {
    lrd_json_key(&json, "type");
    lrd_json_string(&json, k->job->type);
  }
  lrd_json_key(&json, "run");
  lrd_json_array_begin(&json);
  for (size_t i = 0; k->job->argv && k->job->argv[i]; i++) lrd_json_string(&json, k->job->argv[i]);
  lrd_json_array_end(&json);
  lrd_json_key(&json, "exit");
  lrd_json_i64(&json, k->kept->exit_code);
  lrd_json_key(&json, "took_ms");
  lrd_json_i64(&json, k->kept->took_ms);
  lrd_json_key(&json, "made_ms");
  lrd_json_i64(&json, k->kept->made_ms);
  lrd_json_key(&json, "parts");
  lrd_json_array_begin(&json);
  record_part(&json, "(stdout)", &k->kept->parts[LRD_PART_STDOUT]);
  record_part(&json, "(stderr)", &k->kept->parts[LRD_PART_STDERR]);
  for (size_t i = 0; i < k->job->outputs.len; i++)
    record_part(&json, k->job->outputs.items[i], &k->kept->parts[LRD_PART_FILES + i]);
  lrd_json_array_end(&json);
  lrd_json_object_end(&json);
  return json.err;
}

static larder_err record_put(keeping *k) {
  lrd_buf text = {0};
  larder_err result = record_text(k, &text);
  if (result == LARDER_OK && text.len > RECORD_BYTES_MAX) result = LARDER_NOT_KEPT;
  k->how.kind = LARDER_KIND_JSON;
  if (result == LARDER_OK) result = larder_put(k->ns, k->kept->hex, LRD_SHA256_HEX_LEN, text.data, text.len, &k->how);
  lrd_buf_fini(&text);
  return result == LARDER_OK ? LARDER_OK : not_kept(k, "the record", result);
}

/* Deletes parts of `of` that `but` (may be NULL) does not have. */
static void parts_delete(larder_ns *ns, const lrd_kept *of, const lrd_kept *but) {
  for (size_t i = 0; i < of->parts_len; i++) {
    bool needed = of->parts[i].sum.len == 0;
    for (size_t j = 0; but && j < but->parts_len && !needed; j++)
      needed = memcmp(of->parts[i].sum.digest, but->parts[j].sum.digest, LRD_SHA256_LEN) == 0;
    char key[PART_KEY_MAX];
    part_key(of->hex, &of->parts[i].sum, key);
    if (!needed) (void)!larder_delete(ns, key, PART_KEY_MAX - 1); /* left over it only takes room until it expires */
  }
}

larder_err lrd_kept_write(larder_ns *ns, const lrd_job *job, const lrd_job_key *key, const lrd_made *made, int64_t ttl_ms,
                          char why[LRD_WHY_MAX]) {
  static const char *const stream_names[] = {"standard output", "standard error"};
  larder_policy policy;
  larder_ns_policy(ns, &policy);
  lrd_kept *old = NULL;
  keeping k = {.ns = ns, .job = job, .bytes_max = policy.max_entry_bytes, .why = why};
  k.how = (larder_put_options){.size = sizeof k.how, .ttl_ms = ttl_ms, .kind_given = true};
  k.kept = kept_new(LRD_PART_FILES + job->outputs.len, key);
  if (!k.kept) return not_kept(&k, "the record", LARDER_ENOMEM);
  k.kept->exit_code = made->exit_code;
  k.kept->took_ms = made->took_ms;
  k.kept->made_ms = lrd_wall_ms(lrd_clock_real());
  larder_err result = kept_load(ns, key, 0, &old); /* without an old record nothing is left over */
  if (result == LARDER_EKEY || result == LARDER_EFORMAT) {
    result = not_kept(&k, "the record that is there can't be opened here", result);
    lrd_kept_free(k.kept);
    return result;
  }
  result = LARDER_OK;
  for (size_t i = 0; i < LRD_PART_FILES && result == LARDER_OK; i++) {
    if (made->cut[i])
      result = not_kept(&k, stream_names[i], LARDER_NOT_KEPT);
    else
      result = part_put(&k, &k.kept->parts[i], stream_names[i], made->streams[i].data, made->streams[i].len);
  }
  for (size_t i = 0; i < job->outputs.len && result == LARDER_OK; i++) result = file_put(&k, i);
  if (result == LARDER_OK) result = record_put(&k);
  if (result == LARDER_OK && old) parts_delete(ns, old, k.kept);
  if (result != LARDER_OK) parts_delete(ns, k.kept, old);
  lrd_kept_free(old);
  lrd_kept_free(k.kept);
  return result;
}

larder_err lrd_kept_forget(larder_ns *ns, const lrd_job_key *key) {
  lrd_kept *kept = NULL;
  char hex[LRD_SHA256_HEX_LEN + 1];
  lrd_sha256_hex(key->digest, hex);
  larder_err found = kept_load(ns, key, 0, &kept);
  larder_err result = larder_delete(ns, hex, LRD_SHA256_HEX_LEN);
  if (found == LARDER_OK && (result == LARDER_OK || result == LARDER_MISS)) parts_delete(ns, kept, NULL);
  lrd_kept_free(kept);
  return result;
}
