/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of a listing become text in a buffer, and the buffer goes to a temporary file between pages: the disk is never
 * waited for inside a listing, which would hold a snapshot open. At the end the file is synced and renamed. Of a CSV the new
 * checksum is on the disk before anything of the old export is touched; then the old one goes first and the new one comes
 * last, so that at no moment a wrong one stands beside the file.
 */
#include "base/fail.h"
#include "base/fs.h"
#include "core/cache.h"
#include "file_sum.h"
#include "write_entry.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define ROOM         "warm"
#define PAGE_ENTRIES 256u
#define PAGE_BYTES   ((size_t)4 << 20)

typedef struct export_run {
  larder *cache;
  larder_ns *ns;
  const larder_export_options *options;
  larder_format format;
  larder_transfer_counts counts;
  lrd_entry_writer writer;
  bool hide_values;  /* the namespace is sealed */
  char *field_names; /* names of secrets, with those of the members that the namespace seals */
  lrd_buf page;
  lrd_summing *sum;
  const char *path;                /* NULL: to options->write */
  char *resolved;                  /* what path points to, when it is a link */
  char *temporary, *sum_temporary; /* NULL once they are in their places */
  int fd;
  char **names;
  size_t names_len, names_cap;
  larder_err failure; /* of a visit */
} export_run;

static larder_err file_failed(const char *path, const char *doing, larder_error *err) {
  int os_errno = errno;
  return lrd_fail(err, lrd_err_from_errno(os_errno), os_errno, ROOM, "%s can't be %s: %s", path, doing, strerror(os_errno));
}

/* --- the file ---------------------------------------------------------------------------------------------------------- */

/* What is renamed over is an ordinary file or nothing: never a device, a pipe or a link. */
static larder_err target_check(export_run *run, larder_error *err) {
  struct stat info;
  run->resolved = realpath(run->path, NULL);
  if (run->resolved) run->path = run->resolved;
  if (lrd_fs_stat(run->path, &info) != 0) return errno == ENOENT ? LARDER_OK : file_failed(run->path, "written", err);
  if (S_ISREG(info.st_mode)) return LARDER_OK;
  return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "%s is no ordinary file; export to standard output instead", run->path);
}

static larder_err file_open(export_run *run, larder_error *err) {
  uint64_t mark;
  lrd_buf name = {0};
  if (!run->path) return LARDER_OK;
  larder_err fits = target_check(run, err);
  if (fits != LARDER_OK) return fits;
  if (lrd_random(&mark, sizeof mark) != 0) return lrd_fail(err, LARDER_EIO, errno, ROOM, "the kernel gave no random bytes");
  larder_err result = lrd_buf_printf(&name, "%s.%016llx.tmp", run->path, (unsigned long long)mark);
  if (result == LARDER_OK) result = lrd_buf_terminate(&name);
  if (result != LARDER_OK) {
    lrd_buf_fini(&name);
    return lrd_fail(err, result, 0, ROOM, "out of memory");
  }
  run->temporary = (char *)name.data;
  run->fd = lrd_fs_open(run->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  return run->fd >= 0 ? LARDER_OK : file_failed(run->path, "written", err);
}

static larder_err page_write(export_run *run, larder_error *err) {
  lrd_buf *page = &run->page;
  if (page->len == 0) return LARDER_OK;
  lrd_summing_add(run->sum, page->data, page->len);
  if (!run->path && !run->options->write(run->options->write_context, page->data, page->len))
    return lrd_fail(err, LARDER_EIO, 0, ROOM, "the export could not be written on");
  if (run->path && lrd_fs_write_full(run->fd, run->temporary, page->data, page->len, (int64_t)run->counts.bytes) != 0)
    return file_failed(run->path, "written", err);
  run->counts.bytes += page->len;
  if (page->cap > 4 * PAGE_BYTES) lrd_buf_fini(page);
  lrd_buf_clear(page);
  return LARDER_OK;
}

static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return lrd_strdup(".");
  return lrd_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* The checksum of a CSV, written and synced beside the temporary file. */
static larder_err sum_write(export_run *run, larder_error *err) {
  lrd_buf text = {0};
  larder_err result = lrd_sum_path(run->temporary, &run->sum_temporary);
  if (result == LARDER_OK) result = lrd_sum_file_text(run->path, lrd_summing_sum(run->sum), &text);
  if (result != LARDER_OK) {
    (void)lrd_fail(err, result, 0, ROOM, "out of memory");
  } else {
    const char *path = run->sum_temporary;
    int fd = lrd_fs_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0 || lrd_fs_write_full(fd, path, text.data, text.len, 0) != 0 || lrd_fs_sync(fd, path) != 0)
      result = file_failed(path, "written", err);
    lrd_fs_close(fd);
  }
  lrd_buf_fini(&text);
  return result;
}

/* Renames a temporary file, which is none any more then. */
static larder_err put_in_place(char **temporary, const char *path, larder_error *err) {
  if (lrd_fs_rename(*temporary, path) != 0) return file_failed(path, "put in its place", err);
  lrd_dealloc(*temporary);
  *temporary = NULL;
  return LARDER_OK;
}

static larder_err file_publish(export_run *run, larder_error *err) {
  char *folder = folder_of(run->path), *beside = NULL;
  bool csv = run->format == LARDER_FORMAT_CSV;
  larder_err result = folder ? lrd_sum_path(run->path, &beside) : LARDER_ENOMEM;
  if (result != LARDER_OK)
    (void)lrd_fail(err, result, 0, ROOM, "out of memory");
  else if (lrd_fs_sync(run->fd, run->temporary) != 0)
    result = file_failed(run->path, "synced", err);
  if (result == LARDER_OK && csv) result = sum_write(run, err);
  if (result == LARDER_OK && csv && lrd_fs_unlink(beside) != 0 && errno != ENOENT)
    result = file_failed(beside, "replaced", err);
  if (result == LARDER_OK) result = put_in_place(&run->temporary, run->path, err);
  if (result == LARDER_OK && csv) result = put_in_place(&run->sum_temporary, beside, err);
  if (result == LARDER_OK && lrd_fs_sync_dir(folder) != 0) result = file_failed(run->path, "synced", err);
  lrd_dealloc(folder);
  lrd_dealloc(beside);
  return result;
}

/* --- entries ----------------------------------------------------------------------------------------------------------- */

static void entry_failed(export_run *run, const larder_listed *entry, const char *reason) {
  run->counts.failed++;
  if (run->options->failed) run->options->failed(run->options->context, 0, entry->key, entry->key_len, reason);
}

static bool entry_visit(void *context, const larder_listed *entry) {
  export_run *run = context;
  lrd_buf *page = &run->page;
  size_t before = page->len;
  bool redacted = false;
  run->counts.entries++;
  if (run->format == LARDER_FORMAT_JSON) run->failure = lrd_buf_append_str(page, run->counts.done > 0 ? ",\n" : "\n");
  if (run->failure == LARDER_OK)
    run->failure = lrd_entry_write(&run->writer, larder_ns_name(run->ns), run->hide_values, entry, page, &redacted);
  if (run->failure == LARDER_OK && run->format == LARDER_FORMAT_JSONL) run->failure = lrd_buf_append_byte(page, '\n');
  if (run->failure == LARDER_OK) {
    run->counts.done++;
    run->counts.redacted += redacted;
  } else {
    page->len = before;
  }
  if (run->failure == LARDER_ETOOBIG) {
    entry_failed(run, entry, "its value is larger than 128 MiB, which an entry file does not carry");
    run->failure = LARDER_OK;
  }
  return run->failure == LARDER_OK && page->len < PAGE_BYTES;
}

/* Of a sealed namespace no value leaves; where members are sealed, these do not, nor a value that has none and is sealed
 * whole. A name that is none hides the whole. */
static larder_err sealed_hide(export_run *run) {
  larder_policy policy;
  lrd_buf given = {0};
  larder_err result = LARDER_OK;
  larder_ns_policy(run->ns, &policy);
  lrd_dealloc(run->field_names);
  run->field_names = NULL;
  run->writer.secrets = run->cache->secrets;
  run->hide_values = policy.seal && !policy.seal_fields;
  run->writer.hide_unless_json = policy.seal && policy.seal_fields;
  if (!policy.seal_fields) return LARDER_OK;
  if (run->cache->config->secrets) result = lrd_buf_append_str(&given, run->cache->config->secrets);
  for (const char *at = policy.seal_fields; *at && result == LARDER_OK; at += strcspn(at, "\n") + 1)
    result = lrd_buf_printf(&given, "=%.*s\n", (int)strcspn(at, "\n"), at);
  if (result == LARDER_OK) result = lrd_buf_terminate(&given);
  if (result == LARDER_OK) result = lrd_secrets_make((const char *)given.data, &run->field_names);
  lrd_buf_fini(&given);
  if (result == LARDER_OK) run->writer.secrets = run->field_names;
  if (result == LARDER_EINVAL) run->hide_values = true;
  return result == LARDER_EINVAL ? LARDER_OK : result;
}

/* What stands in the way of one namespace is told, and the others are written; of the only one it is the export's failure. */
static larder_err ns_left_out(export_run *run, larder_err result, larder_error *why, larder_error *err) {
  if (run->options->ns || !run->options->failed || result == LARDER_ENOMEM)
    return lrd_fail(err, result, why->os_errno, ROOM, "%s", why->message);
  run->counts.failed++;
  run->options->failed(run->options->context, 0, NULL, 0, why->message);
  return LARDER_OK;
}

static larder_err ns_export(export_run *run, const char *name, larder_error *err) {
  larder_cursor cursor = {{0}};
  larder_error why = {0};
  larder_err result = larder_ns_open(run->cache, name, &run->ns, &why);
  if (result != LARDER_OK) return ns_left_out(run, result, &why, err);
  result = sealed_hide(run);
  if (result != LARDER_OK) return lrd_fail(err, result, 0, ROOM, "out of memory");
  while (result == LARDER_OK) {
    result = larder_list(run->ns, run->options->match, true, PAGE_ENTRIES, &cursor, entry_visit, run);
    if (run->failure != LARDER_OK) return lrd_fail(err, run->failure, 0, ROOM, "out of memory");
    if (result < 0)
      return ns_left_out(run, lrd_fail(&why, result, 0, ROOM, "%s can't be listed: %s", name, larder_err_text(result)), &why,
                         err);
    larder_err written = page_write(run, err);
    if (written != LARDER_OK) return written;
    if (run->options->progress && !run->options->progress(run->options->context, &run->counts))
      return lrd_fail(err, LARDER_ECANCELLED, 0, ROOM, "cancelled; nothing was published");
  }
  return LARDER_OK;
}

static bool name_visit(void *context, const char *name) {
  export_run *run = context;
  if (run->names_len == run->names_cap) {
    size_t cap = run->names_cap ? 2 * run->names_cap : 16;
    char **names = lrd_realloc(run->names, cap * sizeof *names);
    if (!names) run->failure = LARDER_ENOMEM;
    if (!names) return false;
    run->names = names;
    run->names_cap = cap;
  }
  run->names[run->names_len] = lrd_strdup(name);
  if (run->names[run->names_len])
    run->names_len++;
  else
    run->failure = LARDER_ENOMEM;
  return run->failure == LARDER_OK;
}

static int name_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static larder_err names_collect(export_run *run, larder_error *err) {
  larder_err result = LARDER_OK;
  if (run->options->ns)
    (void)name_visit(run, run->options->ns);
  else
    result = larder_ns_each(run->cache, name_visit, run);
  if (result == LARDER_OK) result = run->failure;
  if (result < 0) return lrd_fail(err, result, 0, ROOM, "the namespaces can't be listed: %s", larder_err_text(result));
  if (run->names_len > 1) qsort(run->names, run->names_len, sizeof *run->names, name_order);
  return LARDER_OK;
}

static larder_err begin_write(export_run *run) {
  if (run->format == LARDER_FORMAT_CSV) return lrd_entry_write_header(&run->page);
  return run->format == LARDER_FORMAT_JSON ? lrd_buf_append_str(&run->page, "{\"entries\":[") : LARDER_OK;
}

/* The trailer's sum is of all before its line, so what is gathered goes out first. */
static larder_err end_write(export_run *run, larder_error *err) {
  larder_err result = LARDER_OK;
  if (run->format == LARDER_FORMAT_JSON) result = lrd_buf_append_str(&run->page, "\n],\n");
  if (result == LARDER_OK) result = page_write(run, err);
  if (result == LARDER_OK && run->format != LARDER_FORMAT_CSV) {
    result = lrd_trailer_write(&run->page, run->format, &run->counts, lrd_summing_sum(run->sum));
    if (result == LARDER_OK) result = page_write(run, err);
  }
  return result;
}

static larder_err run_all(export_run *run, larder_error *err) {
  larder_err result = names_collect(run, err);
  if (result != LARDER_OK) return result;
  result = lrd_summing_new(&run->sum);
  if (result == LARDER_OK) result = begin_write(run);
  if (result != LARDER_OK) return lrd_fail(err, result, 0, ROOM, "out of memory");
  result = file_open(run, err);
  for (size_t i = 0; i < run->names_len && result == LARDER_OK; i++) result = ns_export(run, run->names[i], err);
  if (result == LARDER_OK) result = end_write(run, err);
  if (result == LARDER_OK && run->path) result = file_publish(run, err);
  return result;
}

static larder_format format_of(larder_format format, const char *path) {
  const char *dot = path ? strrchr(path, '.') : NULL;
  if (format != LARDER_FORMAT_AUTO) return format;
  if (dot && strcmp(dot, ".json") == 0) return LARDER_FORMAT_JSON;
  return dot && strcmp(dot, ".csv") == 0 ? LARDER_FORMAT_CSV : LARDER_FORMAT_JSONL;
}

larder_err larder_export(larder *cache, const char *path, const larder_export_options *options, larder_transfer_counts *counts,
                         larder_error *err) {
  static const larder_export_options defaults = {.size = sizeof defaults};
  if (!options) options = &defaults;
  if (!cache || options->size != sizeof *options || (unsigned)options->format > LARDER_FORMAT_CSV ||
      (path != NULL) == (options->write != NULL))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "an export needs a cache, options with their size, and a path or a writer");
  if (atomic_load(&cache->forked)) return lrd_fail(err, LARDER_EFORKED, 0, ROOM, "%s", larder_err_text(LARDER_EFORKED));
  export_run run = {.cache = cache, .options = options, .format = format_of(options->format, path), .path = path, .fd = -1};
  run.writer = (lrd_entry_writer){.format = run.format, .secrets = cache->secrets, .include_secrets = options->include_secrets};
  larder_err result = run_all(&run, err);
  lrd_fs_close(run.fd);
  if (run.temporary) (void)lrd_fs_unlink(run.temporary);
  if (run.sum_temporary) (void)lrd_fs_unlink(run.sum_temporary);
  for (size_t i = 0; i < run.names_len; i++) lrd_dealloc(run.names[i]);
  lrd_dealloc(run.names);
  lrd_dealloc(run.temporary);
  lrd_dealloc(run.sum_temporary);
  free(run.resolved);
  lrd_summing_free(run.sum);
  lrd_buf_fini(&run.page);
  lrd_entry_writer_fini(&run.writer);
  lrd_dealloc(run.field_names);
  if (counts) *counts = run.counts;
  return result;
}
