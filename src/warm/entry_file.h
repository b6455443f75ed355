/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry as it stands in a file, and the three formats it is read from. A reader cuts a source into entries; each is
 * copied into the scratch of the lrd_entry it is read into, so that a batch of them can be gathered.
 *
 * Members, or columns: `key` and `value`, and optionally `ns key_encoding value_encoding kind version tags meta
 * meta_encoding ttl fresh_until_ms keep_until_ms stamp modified redacted`. Others are passed over.
 */
#ifndef LRD_WARM_ENTRY_FILE_H
#define LRD_WARM_ENTRY_FILE_H

#include "base/json_read.h"
#include "entry_source.h"
#include "record_picks.h"
#include <larder/transfer.h>

#define LRD_ENTRY_TEXT_MAX ((size_t)1 << 30) /* of one entry in a file */
#define LRD_FILE_FIELDS    1024u             /* columns of a CSV */

typedef struct lrd_entry {
  uint64_t line;
  lrd_buf scratch; /* holds all that is pointed to */
  lrd_span raw;    /* as it stands in the file; only when wanted */
  lrd_span ns, key, value, meta;
  const char *version; /* NUL-terminated; NULL: none */
  const char *tags[LARDER_TAGS_MAX];
  size_t tags_count;
  larder_kind kind;
  bool kind_given;
  bool redacted;
  bool redacted_given;
  uint8_t base64;         /* which of key, value and meta are base64 still */
  int64_t ttl_ms;         /* 0: not given; LARDER_TTL_NEVER */
  int64_t fresh_until_ms; /* 0: not given */
  int64_t keep_until_ms;  /* 0: not given */
  uint64_t stamp;         /* of an exported entry; 0: not given */
  int64_t modified_ms;    /* when its source says that it was changed; 0: not given */
  char problem[192];      /* what is wrong with it; "": nothing */
} lrd_entry;

void lrd_entry_fini(lrd_entry *entry);
/* Empty, for the next; keeps the scratch unless it has grown large. */
void lrd_entry_clear(lrd_entry *entry);
/* Room for what an entry of so much text can need: nothing that is added afterwards moves. */
LARDER_MUST_CHECK larder_err lrd_entry_room(lrd_entry *entry, size_t text_len);
/* Room for so much more, in an entry of which nothing but the raw text is filled. */
LARDER_MUST_CHECK larder_err lrd_entry_grow(lrd_entry *entry, size_t more);
/* Appends to the scratch, a NUL behind it. Room has been made. */
LARDER_MUST_CHECK larder_err lrd_entry_copy(lrd_entry *entry, const void *text, size_t len, const char **out);
/* Keeps the text of an empty entry as `raw`, and makes room for the rest. */
LARDER_MUST_CHECK larder_err lrd_entry_keep_raw(lrd_entry *entry, const char *text, size_t len);
/* Formats the entry's problem, if it has none yet. */
LARDER_PRINTF(2, 3) void lrd_entry_problem(lrd_entry *entry, const char *format, ...);

/* One field by its name, from JSON or from a cell. Room has been made. */
LARDER_MUST_CHECK larder_err lrd_entry_set_json(lrd_entry *entry, const lrd_json_doc *doc, uint32_t name, uint32_t value);
LARDER_MUST_CHECK larder_err lrd_entry_set_cell(lrd_entry *entry, const char *name, const char *cell, size_t len);
/* As the field `ttl`. */
void lrd_entry_set_ttl(lrd_entry *entry, const char *text);
/* Every member of an object; then what an entry must have, and base64 undone. */
LARDER_MUST_CHECK larder_err lrd_entry_from_object(lrd_entry *entry, const lrd_json_doc *doc, uint32_t object);
LARDER_MUST_CHECK larder_err lrd_entry_finish(lrd_entry *entry);

/* The trailer of an export. */
typedef struct lrd_trailer {
  bool met;
  uint64_t entries;
  char sum[33];
  char sum_found[33]; /* of what was read before it, where the source keeps a sum */
} lrd_trailer;

/* Where a reader stands, between two entries. */
typedef enum lrd_read_state {
  LRD_READ_BEGIN,
  LRD_READ_LINES,
  LRD_READ_ROWS,
  LRD_READ_ARRAY,   /* the document is an array of entries */
  LRD_READ_ENTRIES, /* in the member `entries` of the document */
  LRD_READ_OBJECT,  /* in the document, an object */
  LRD_READ_END
} lrd_read_state;

typedef struct lrd_reader_file {
  lrd_source *source; /* borrowed */
  larder_format format;
  bool keep_raw;
  lrd_picks *picks; /* borrowed: what to gather instead of an entry's members; NULL: nothing */
  lrd_read_state state;
  bool first;       /* no entry of the container has been met yet */
  bool entries_met; /* the member `entries` of the document has been read */
  lrd_json_doc doc;
  lrd_trailer trailer;
  lrd_buf cell;                      /* a name or a field without its quotes */
  lrd_buf header;                    /* CSV: the row of names as it stands */
  lrd_buf names;                     /* NUL-terminated, one after the other */
  uint32_t columns[LRD_FILE_FIELDS]; /* offsets in names */
  size_t columns_len;
  char mistake[224]; /* after LARDER_EFORMAT: what is wrong with the whole */
} lrd_reader_file;

/* By a path's ending where none is given; path may be NULL. */
larder_format lrd_format_of_path(larder_format format, const char *path);
void lrd_reader_init(lrd_reader_file *reader, lrd_source *source, larder_format format, bool keep_raw);
void lrd_reader_fini(lrd_reader_file *reader);
/* Reads what comes before the first entry (a CSV's names) and finds out the format. */
LARDER_MUST_CHECK larder_err lrd_reader_begin(lrd_reader_file *reader);
/*
 * The next entry, good or with its problem; LARDER_END. Else a failure of the source, LARDER_ENOMEM, or LARDER_EFORMAT with
 * `mistake`: then there is no telling where the next entry begins.
 */
LARDER_MUST_CHECK larder_err lrd_reader_next(lrd_reader_file *reader, lrd_entry *entry);
/* Before begin: gathers these fields of each record, whose finish makes the entry. JSON is an array then, of itself or in
 * `entries`. Borrowed. */
void lrd_reader_pick(lrd_reader_file *reader, lrd_picks *picks);
/* An object of the reader's document, as an entry or as picks. */
LARDER_MUST_CHECK larder_err lrd_reader_object(lrd_reader_file *reader, lrd_entry *entry, size_t text_len);
/* Tells the whole wrong. */
LARDER_PRINTF(2, 3) larder_err lrd_reader_mistaken(lrd_reader_file *reader, const char *format, ...);

/* The formats' own parts of the above. */
larder_err lrd_jsonl_next(lrd_reader_file *reader, lrd_entry *entry);
larder_err lrd_json_begin(lrd_reader_file *reader);
larder_err lrd_json_next(lrd_reader_file *reader, lrd_entry *entry);
larder_err lrd_csv_begin(lrd_reader_file *reader);
larder_err lrd_csv_next(lrd_reader_file *reader, lrd_entry *entry);
/* The facts of a trailer: doc's object. */
void lrd_trailer_read(lrd_reader_file *reader, uint32_t object);

#endif
