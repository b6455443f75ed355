/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries into files and back: JSON Lines, JSON and CSV, for people, other programs and other machines.
 *
 * An export is published whole or not at all, readable by its owner only, with secrets hidden (larder/redact.h) unless
 * they are asked for, and with a checksum, so that an import sees what was cut short or changed. Times of expiry are kept
 * as they are. An import reads such files and those of other programs, of any size in bounded memory, entry by entry: what
 * is wrong with one costs that one. It remembers how far it came and can go on there.
 *
 * The files are described in docs/transfer.md.
 */
#ifndef LARDER_TRANSFER_H
#define LARDER_TRANSFER_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum larder_format {
  LARDER_FORMAT_AUTO,  /* by the ending of the path: .json, .csv, else JSON Lines; reading a stream: by its first byte */
  LARDER_FORMAT_JSONL, /* an object a line */
  LARDER_FORMAT_JSON,  /* one document; reading: an array of entries, or an object of values by key */
  LARDER_FORMAT_CSV    /* RFC 4180 with a row of names */
} larder_format;

/* How far a transfer is, and what came of it. */
typedef struct larder_transfer_counts {
  uint64_t entries;     /* met so far */
  uint64_t done;        /* written to the file, or stored */
  uint64_t skipped;     /* import: there already, the same */
  uint64_t expired;     /* import: past the time that they were to be kept */
  uint64_t failed;      /* not transferred; each has been told */
  uint64_t redacted;    /* export: entries of which something was hidden */
  uint64_t bytes;       /* of the file, so far */
  uint64_t bytes_total; /* import: of the file; 0: not known */
  uint64_t resumed;     /* import: entries that an earlier, broken off import had dealt with */
  bool verified;        /* import: the checksum of the export was there and right */
} larder_transfer_counts;

/* Called between batches; false ends the transfer with LARDER_ECANCELLED. */
typedef bool (*larder_transfer_progress)(void *context, const larder_transfer_counts *counts);
/* One entry that was not transferred. `line` is where it begins in the file, 0 in an export. Borrowed for the call. */
typedef void (*larder_transfer_failed)(void *context, uint64_t line, const void *key, size_t key_len, const char *reason);

typedef struct larder_export_options {
  size_t size;
  larder_format format;
  const char *ns;            /* NULL: every namespace */
  const larder_match *match; /* NULL: all that is fresh; borrowed */
  bool include_secrets;      /* nothing is hidden */
  /* Instead of a path: takes the pieces in order; false is a failure. No checksum file beside a CSV then. */
  bool (*write)(void *context, const void *data, size_t len);
  void *write_context;
  larder_transfer_progress progress;
  larder_transfer_failed failed;
  void *context;
} larder_export_options;

/*
 * Writes entries to the file at `path` (NULL with `write`). Blocks on disk. The file appears whole at the end, over an old
 * one, mode 0600; on failure the old one is untouched. A CSV's checksum is `PATH.xxh128` beside it (`xxh128sum -c`); a crash
 * between the renames of the two may cost the CSV, old or new, its checksum file, as may a rename that fails.
 * LARDER_EINVAL, LARDER_ECANCELLED, LARDER_ENOSPC and its kin. Of all namespaces one that can't be opened or listed is told by
 * `failed`, without a key, and left out from there on; without that, or when it is the only one asked for, the export fails.
 * options may be NULL, counts and err too.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_export(larder *cache, const char *path, const larder_export_options *options,
                                                      larder_transfer_counts *counts, larder_error *err);

typedef struct larder_import_options {
  size_t size;
  larder_format format;
  const char *ns; /* where all entries go; NULL: where each says */
  int64_t ttl_ms; /* instead of what the entries say; LARDER_TTL_NEVER; 0: as they say */
  /* File for what was not transferred, as it stands in the input; NULL: none. What an import left in it is replaced, or gone on
   * with. LARDER_EINVAL, before anything is done, where it holds something else, or has been changed since; LARDER_EBUSY while
   * another import has it. */
  const char *rejects;
  /* Go on where a broken off import of the same file ended, if there was one. LARDER_EINVAL when that had other fields, or the
   * checkpoint named below is of another file, namespace or root; nothing of it is lost then. */
  bool resume;
  bool dry_run; /* read and compare, store nothing and write no file; what would be refused is */
  bool force;   /* go on although the file is an export that was cut short or changed */
  /* Instead of a path: up to `room` bytes; 0 at the end, below 0 a failure. */
  int64_t (*read)(void *context, void *out, size_t room);
  void *read_context;
  larder_transfer_progress progress;
  larder_transfer_failed failed;
  void *context;
  /*
   * For files of records that are no entries: which fields, by name, hold what. As soon as one is named no other field says
   * anything, `ns` must be given, and JSON is an array of objects, or an object with such an array `entries`. What is not
   * named here is as `import` of the namespace's configuration names it; a key or a value that is named here, in either way,
   * stands before both ways there. Where nothing is named here, an export of Larder's own is read as one all the same.
   */
  const char *key_field;     /* NULL: `key` */
  const char *key_template;  /* instead: a text with fields in braces, `county:{state}:{fips}`; `{{` and `}}` are braces */
  const char *value_field;   /* NULL: `value` */
  bool value_row;            /* instead: the whole record as a JSON object; cells of a table are texts in it */
  const char *ttl_field;     /* NULL: none. An empty one leaves the namespace's */
  const char *version_field; /* NULL: none */
  const char *tags_field;    /* NULL: none. A list of texts, or one text `a;b` */
  bool entries;              /* none of them: the file has entries, whatever the configuration says */
  const char *const *tags;   /* beside those that entries have */
  size_t tags_count;
  const char *checkpoint; /* file to remember in how far it came, instead of one on the root */
  /* At the end, once for each: a field for lifetime, version or tags that none of the records had. Not of an import that was
   * gone on with. Borrowed for the call; what a variable of the configuration holds is hidden in it. NULL: nobody asks. */
  void (*missing)(void *context, const char *field);
} larder_import_options;

/*
 * Reads entries from the file at `path` (NULL with `read`) and stores them in batches. Blocks on disk. What is there already
 * with the same content and expiry is skipped. LARDER_OK also when entries failed: see counts. LARDER_ECORRUPT when an
 * export was cut short or changed (nothing is stored then, save from a stream), LARDER_EFORMAT when the file as a whole is
 * none that can be read, LARDER_ECANCELLED. After a failure `resume` goes on where it ended. options may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_import(larder *cache, const char *path, const larder_import_options *options,
                                                      larder_transfer_counts *counts, larder_error *err);

#ifdef __cplusplus
}
#endif
#endif
