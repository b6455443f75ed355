/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file is read against its checksum first, if it has one, so that nothing of a damaged export is stored. Then entries
 * are gathered and stored batch by batch. Every so many, and when the import ends early, everything is flushed and a
 * checkpoint is written: what it says is stored is stored. What was stored after the last one is met again when the import
 * goes on, and skipped, since it is there already.
 */
#include "base/fail.h"
#include "base/fs.h"
#include "checkpoint.h"
#include "core/cache.h"
#include "field_map.h"
#include "file_sum.h"
#include "import_batch.h"
#include "leftovers.h"
#include "own_export.h"
#include "rejects.h"
#include <errno.h>
#include <fcntl.h>

#define ROOM               "warm"
#define CHECKPOINT_ENTRIES 16384u

typedef struct import_run {
  larder *cache;
  const larder_import_options *options; /* what the configuration says of fields is in them, from its beginning on */
  larder_import_options completed;
  const char *path; /* NULL: from options->read */
  larder_format format;
  larder_transfer_counts counts;
  int fd;
  lrd_source source;
  lrd_read_ahead ahead; /* of a stream */
  lrd_reader_file reader;
  lrd_import_batch *batch;
  lrd_field_map map;
  lrd_checkpoint checkpoint;
  char *checkpoint_path; /* NULL: none is kept */
  uint64_t checkpoint_entries;
  lrd_rejects rejects;
  bool exported; /* an entry of an export was met */
  larder_error *err;
} import_run;

static larder_err failed_with(import_run *run, larder_err result, const char *doing) {
  if (result == LARDER_ENOMEM) return lrd_fail(run->err, result, 0, ROOM, "out of memory");
  return lrd_fail(run->err, result, errno, ROOM, "%s %s: %s", run->path ? run->path : "the stream", doing,
                  larder_err_text(result));
}

static larder_err unreadable(import_run *run, const char *path) {
  int os_errno = errno;
  larder_err err = os_errno == ENOENT ? LARDER_MISS : lrd_err_from_errno(os_errno);
  return lrd_fail(run->err, err, os_errno, ROOM, "%s can't be read: %s", path, strerror(os_errno));
}

static larder_err entry_refused(void *context, const lrd_entry *entry) {
  import_run *run = context;
  if (run->options->failed)
    run->options->failed(run->options->context, entry->line, entry->key.data, entry->key.len, entry->problem);
  if (!run->rejects.begun || !entry->raw.data) return LARDER_OK;
  lrd_span header = {0};
  if (run->reader.format == LARDER_FORMAT_CSV) header = lrd_span_of(run->reader.header.data, run->reader.header.len);
  /* An element of a document becomes a line of its own. */
  return lrd_rejects_add(&run->rejects, header, entry->raw, run->reader.format == LARDER_FORMAT_JSON);
}

/* --- beginning ----------------------------------------------------------------------------------------------------------- */

static larder_err changed(import_run *run, const char *how) {
  return lrd_fail(run->err, LARDER_ECORRUPT, 0, ROOM,
                  "%s is an export that was %s; export it anew, or take what is there with --force",
                  run->path ? run->path : "the stream", how);
}

/* What there is to check before the first entry. */
static larder_err file_verify(import_run *run) {
  lrd_file_state state = LRD_FILE_UNSUMMED;
  larder_err err = lrd_checkpoint_identify(&run->checkpoint, run->fd, run->path);
  if (err == LARDER_OK) err = lrd_file_check(run->fd, run->path, run->checkpoint.size, run->format, &state);
  if (err != LARDER_OK) return failed_with(run, err, "can't be read");
  run->counts.bytes_total = run->checkpoint.size;
  run->counts.verified = state == LRD_FILE_WHOLE;
  return state == LRD_FILE_CHANGED && !run->options->force ? changed(run, "changed since it was written") : LARDER_OK;
}

static larder_err rejects_open(import_run *run, const struct stat *imported) {
  const larder_import_options *options = run->options;
  if (!options->rejects) return LARDER_OK;
  bool const fresh = !options->resume;
  larder_err err = lrd_rejects_check(&run->rejects, imported, options->checkpoint, false, run->err);
  if (err == LARDER_OK) err = lrd_rejects_open(&run->rejects, run->err);
  /* While another import has it, it is not looked at. */
  return err == LARDER_OK ? lrd_rejects_check(&run->rejects, imported, options->checkpoint, fresh, run->err) : err;
}

/* Known again by its file, its fields and where its entries go. */
static uint64_t identity_of(const import_run *run) {
  const lrd_checkpoint *file = &run->checkpoint;
  const uint64_t facts[] = {file->size, (uint64_t)file->modified_ns, file->beginning, file->fields};
  const char *ns = run->options->ns ? run->options->ns : "";
  return lrd_hash64(ns, strlen(ns), lrd_hash64(facts, sizeof facts, 0));
}

/* What an import that is not gone on with refused is no reject of this one. */
static larder_err rejects_begin(import_run *run) {
  if (run->rejects.fd < 0) return LARDER_OK;
  run->rejects.import = identity_of(run);
  if (run->counts.resumed > 0) return lrd_rejects_resume(&run->rejects, run->checkpoint.rejects_len, run->err);
  return lrd_rejects_begin(&run->rejects, run->err);
}

/* Where it is remembered how far the import came; NULL: nowhere. */
static larder_err checkpoint_name(import_run *run) {
  const char *given = run->options->checkpoint;
  if (!run->path) return LARDER_OK;
  if (!given && !run->cache->root) return LARDER_OK;
  if (!given) return lrd_checkpoint_path(run->cache->root, run->path, run->options->ns, &run->checkpoint_path);
  if (!lrd_checkpoint_may_write(given))
    return lrd_fail(run->err, LARDER_EINVAL, 0, ROOM, "%s is there and is no checkpoint; it stays as it is", given);
  run->checkpoint_path = lrd_strdup(given);
  return run->checkpoint_path ? LARDER_OK : LARDER_ENOMEM;
}

static larder_err checkpoint_begin(import_run *run) {
  larder_err err = checkpoint_name(run);
  bool const goes_on = run->options->resume && !run->options->dry_run;
  if (err == LARDER_OK && run->checkpoint_path && goes_on) lrd_checkpoint_touch(run->checkpoint_path);
  return err == LARDER_OK || err == LARDER_EINVAL ? err : failed_with(run, err, "can't be remembered");
}

static larder_err file_open(import_run *run) {
  struct stat info;
  if (!run->path) return rejects_open(run, NULL);
  /* Looked at first: opening a pipe would wait for its writer. */
  if (lrd_fs_stat(run->path, &info) != 0) return unreadable(run, run->path);
  if (!S_ISREG(info.st_mode))
    return lrd_fail(run->err, LARDER_EINVAL, 0, ROOM, "%s is no ordinary file; pipe it in instead", run->path);
  larder_err err = rejects_open(run, &info);
  if (err == LARDER_OK) err = checkpoint_begin(run);
  if (err != LARDER_OK) return err;
  run->fd = lrd_fs_open(run->path, O_RDONLY, 0);
  return run->fd >= 0 ? file_verify(run) : unreadable(run, run->path);
}

/* What is on the root under the path of a file that has changed since, or is of an older version, is of no use to anybody. */
static larder_err other_refused(import_run *run, lrd_checkpoint_other other) {
  static const char *const what[] = {[LRD_CHECKPOINT_OLD] = "of an older version",
                                     [LRD_CHECKPOINT_ROOT] = "of an import into another root",
                                     [LRD_CHECKPOINT_INTO] = "of an import into another namespace",
                                     [LRD_CHECKPOINT_FILE] = "of another file, or of this one before it was changed",
                                     [LRD_CHECKPOINT_FIELDS] = "of an import with other fields"};
  bool const named = run->options->checkpoint != NULL;
  if (other == LRD_CHECKPOINT_SAME || (!named && other != LRD_CHECKPOINT_FIELDS)) return LARDER_OK;
  return lrd_fail(run->err, LARDER_EINVAL, 0, ROOM, "%s is the checkpoint %s: %s, or begin anew without --resume",
                  run->checkpoint_path, what[other], named ? "name another one" : "name the same fields");
}

/* Goes on where a checkpoint says. A CSV's names have been read by then. */
static larder_err resume(import_run *run) {
  lrd_checkpoint_other other = LRD_CHECKPOINT_SAME;
  if (!run->checkpoint_path) return LARDER_OK;
  run->checkpoint.fields = lrd_field_map_sum(run->options);
  lrd_checkpoint_target(&run->checkpoint, run->cache, run->options->ns, run->options->checkpoint != NULL);
  if (!run->options->resume) return LARDER_OK;
  larder_err err = lrd_checkpoint_load(&run->checkpoint, run->checkpoint_path, &other);
  if (err == LARDER_MISS) return other_refused(run, other);
  if (err != LARDER_OK) return failed_with(run, err, "can't be gone on with");
  const lrd_checkpoint *from = &run->checkpoint;
  larder_transfer_counts before = run->counts;
  lrd_source_seek(&run->source, from->offset, from->line);
  run->reader.state = from->state;
  run->reader.first = from->first;
  run->counts = from->counts;
  run->counts.bytes_total = before.bytes_total;
  run->counts.verified = before.verified;
  run->counts.resumed = from->counts.entries;
  run->checkpoint_entries = from->counts.entries;
  return LARDER_OK;
}

static larder_err reader_failed(import_run *run, larder_err err) {
  if (err == LARDER_EFORMAT)
    return lrd_fail(run->err, err, 0, ROOM, "%s: %s", run->path ? run->path : "the stream", run->reader.mistake);
  return failed_with(run, err, "can't be read");
}

/* What the configuration says of the fields of records does not concern an export that goes into the same namespace. */
static larder_err export_look(import_run *run, const larder_import_options *given) {
  bool own = false;
  if (lrd_field_map_wanted(given) || !lrd_field_map_wanted(run->options)) return LARDER_OK;
  larder_err err = lrd_own_export_check(run->fd, run->path ? NULL : &run->ahead, run->format, &own);
  if (err != LARDER_OK) return failed_with(run, err, "can't be read");
  if (own) {
    run->completed = *given;
    run->completed.entries = true;
  }
  return LARDER_OK;
}

static larder_err begin(import_run *run) {
  const lrd_config_import *configured = NULL;
  larder_ns *ns = NULL;
  larder_err err = run->options->ns ? larder_ns_open(run->cache, run->options->ns, &ns, run->err) : LARDER_OK;
  const larder_import_options *given = run->options;
  run->completed = *given;
  run->options = &run->completed;
  if (ns) configured = &ns->policy.import;
  if (err == LARDER_OK) err = lrd_field_map_complete(&run->completed, configured, run->err);
  if (err == LARDER_OK && lrd_field_map_wanted(run->options))
    err = lrd_field_map_init(&run->map, run->options, configured, run->err);
  if (err == LARDER_OK) err = file_open(run);
  if (err == LARDER_OK) err = export_look(run, given);
  if (err != LARDER_OK) return err;
  err = lrd_source_init(&run->source, run->fd, lrd_read_ahead_next, &run->ahead);
  if (err != LARDER_OK) return failed_with(run, err, "can't be read");
  lrd_reader_init(&run->reader, &run->source, run->format, run->options->rejects != NULL);
  if (lrd_field_map_wanted(run->options)) lrd_reader_pick(&run->reader, &run->map.picks);
  err = lrd_reader_begin(&run->reader);
  if (err != LARDER_OK) return reader_failed(run, err);
  run->batch = lrd_import_batch_new();
  if (!run->batch) return failed_with(run, LARDER_ENOMEM, "");
  run->batch->cache = run->cache;
  run->batch->ns = run->options->ns;
  run->batch->ttl_ms = run->options->ttl_ms;
  run->batch->tags = run->options->tags;
  run->batch->tags_count = run->options->tags_count;
  run->batch->dry_run = run->options->dry_run;
  run->batch->now_ms = lrd_wall_ms(run->cache->clock);
  run->batch->counts = &run->counts;
  run->batch->refused = entry_refused;
  run->batch->context = run;
  err = resume(run);
  if (err == LARDER_OK) err = rejects_begin(run);
  if (err != LARDER_OK || run->options->dry_run) return err;
  if (run->checkpoint_path && run->counts.resumed == 0) lrd_checkpoint_remove(run->checkpoint_path);
  lrd_leftovers_tick(run->cache);
  return LARDER_OK;
}

/* --- going --------------------------------------------------------------------------------------------------------------- */

/* Between batches: all that was read is stored or told. */
static larder_err checkpoint_write(import_run *run) {
  if (!run->checkpoint_path || run->options->dry_run || run->counts.entries == run->checkpoint_entries) return LARDER_OK;
  larder_err err = larder_flush(run->cache);
  /* What is away has been told as degraded, and is written when it is back. */
  if (err != LARDER_OK && err != LARDER_EAWAY) return failed_with(run, err, "is not stored durably");
  /* What is not met again must not be lost. */
  err = lrd_rejects_sync(&run->rejects);
  if (err != LARDER_OK) return failed_with(run, err, "has rejects that could not be synced");
  run->checkpoint.offset = lrd_source_offset(&run->source);
  run->checkpoint.line = run->source.line;
  run->checkpoint.state = run->reader.state;
  run->checkpoint.first = run->reader.first;
  run->checkpoint.rejects_len = run->rejects.len;
  run->checkpoint.counts = run->counts;
  err = lrd_checkpoint_save(&run->checkpoint, run->checkpoint_path);
  if (err != LARDER_OK) return failed_with(run, err, "could not be remembered to go on with");
  run->checkpoint_entries = run->counts.entries;
  return LARDER_OK;
}

static larder_err batch_store(import_run *run) {
  larder_err err = lrd_import_batch_store(run->batch);
  if (err != LARDER_OK) return failed_with(run, err, "can't be stored");
  err = lrd_rejects_flush(&run->rejects);
  if (err != LARDER_OK) return failed_with(run, err, "has rejects that could not be written");
  run->counts.bytes = lrd_source_offset(&run->source);
  if (run->options->progress && !run->options->progress(run->options->context, &run->counts)) {
    err = checkpoint_write(run);
    return err == LARDER_OK ? lrd_fail(run->err, LARDER_ECANCELLED, 0, ROOM, "cancelled; --resume goes on here") : err;
  }
  return run->counts.entries - run->checkpoint_entries >= CHECKPOINT_ENTRIES ? checkpoint_write(run) : LARDER_OK;
}

static larder_err entries_read(import_run *run) {
  uint64_t met = run->counts.entries;
  for (;;) {
    lrd_entry *entry = lrd_import_batch_next(run->batch);
    larder_err err = lrd_reader_next(&run->reader, entry);
    if (err == LARDER_END) return batch_store(run);
    if (err != LARDER_OK) {
      larder_err stored = batch_store(run);
      return stored == LARDER_OK ? reader_failed(run, err) : stored;
    }
    if (entry->stamp != 0) run->exported = true;
    /* A stream's end can't be seen from here; a file's has been looked at. */
    if (run->exported && run->path && !run->counts.verified && !run->options->force && run->reader.format != LARDER_FORMAT_CSV)
      return changed(run, "cut short");
    err = lrd_import_batch_take(run->batch);
    if (err != LARDER_OK) return run->err && run->err->code != LARDER_OK ? err : failed_with(run, err, "can't be imported");
    /* A long run of what is there already, or is refused, fills no batch. */
    if (lrd_import_batch_full(run->batch) || run->counts.entries - met >= 4 * LRD_IMPORT_BATCH) {
      met = run->counts.entries;
      err = batch_store(run);
      if (err != LARDER_OK) return err;
    }
  }
}

/* A stream is known to be whole only at its end. */
static larder_err stream_verify(import_run *run) {
  const lrd_trailer *trailer = &run->reader.trailer;
  if (run->path || run->reader.format == LARDER_FORMAT_CSV) return LARDER_OK;
  run->counts.verified = trailer->met && strcmp(trailer->sum, trailer->sum_found) == 0;
  if (run->counts.verified || run->options->force) return LARDER_OK;
  if (trailer->met) return changed(run, "changed since it was written; what came of it is stored");
  return run->exported ? changed(run, "cut short; what came of it is stored") : LARDER_OK;
}

static larder_err run_all(import_run *run) {
  larder_err err = begin(run);
  if (err == LARDER_OK) err = entries_read(run);
  if (err == LARDER_OK && !run->options->dry_run) {
    err = larder_flush(run->cache);
    if (err == LARDER_EAWAY) err = LARDER_OK;
    if (err != LARDER_OK) err = failed_with(run, err, "is not stored durably");
  }
  if (err == LARDER_OK) {
    err = lrd_rejects_sync(&run->rejects);
    if (err != LARDER_OK) err = failed_with(run, err, "has rejects that could not be synced");
  }
  if (err == LARDER_OK && run->checkpoint_path && !run->options->dry_run) lrd_checkpoint_remove(run->checkpoint_path);
  return err == LARDER_OK ? stream_verify(run) : err;
}

/* What was met before a break is not known any more. */
static void missing_tell(const import_run *run) {
  const larder_import_options *options = run->options;
  if (!options->missing || !lrd_field_map_wanted(options) || run->counts.entries == 0 || run->counts.resumed > 0) return;
  const char *field;
  for (size_t i = 0; (field = lrd_field_map_missing(&run->map, i)) != NULL; i++) options->missing(options->context, field);
}

static bool tags_valid(const larder_import_options *options) {
  if (options->tags_count > LARDER_TAGS_MAX || (options->tags_count > 0 && !options->tags)) return false;
  for (size_t i = 0; i < options->tags_count; i++) {
    size_t len = options->tags[i] ? strlen(options->tags[i]) : 0;
    if (len == 0 || len > LARDER_TAG_MAX) return false;
  }
  return true;
}

larder_err larder_import(larder *cache, const char *path, const larder_import_options *options, larder_transfer_counts *counts,
                         larder_error *err) {
  static const larder_import_options defaults = {.size = sizeof defaults};
  larder_error own = {0};
  if (!options) options = &defaults;
  if (!cache || options->size != sizeof *options || (unsigned)options->format > LARDER_FORMAT_CSV || options->ttl_ms < 0 ||
      (path != NULL) == (options->read != NULL))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "an import needs a cache, options with their size, and a path or a reader");
  if (!tags_valid(options))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "at most %u tags, each of 1 to %u bytes", LARDER_TAGS_MAX, LARDER_TAG_MAX);
  if (atomic_load(&cache->forked)) return lrd_fail(err, LARDER_EFORKED, 0, ROOM, "%s", larder_err_text(LARDER_EFORKED));
  import_run run = {.cache = cache,
                    .options = options,
                    .path = path,
                    .format = lrd_format_of_path(options->format, path),
                    .fd = -1,
                    .rejects = {.path = options->rejects, .root = cache->root, .dry_run = options->dry_run, .fd = -1},
                    .source = {.fd = -1},
                    .ahead = {.read = options->read, .context = options->read_context},
                    .err = &own};
  larder_err result = run_all(&run);
  if (result == LARDER_OK) missing_tell(&run);
  run.counts.bytes = lrd_source_offset(&run.source);
  lrd_reader_fini(&run.reader);
  lrd_field_map_fini(&run.map);
  lrd_source_fini(&run.source);
  lrd_read_ahead_fini(&run.ahead);
  lrd_import_batch_free(run.batch);
  lrd_fs_close(run.fd);
  lrd_rejects_close(&run.rejects);
  lrd_dealloc(run.checkpoint_path);
  if (counts) *counts = run.counts;
  if (err && result != LARDER_OK) *err = own;
  return result;
}
