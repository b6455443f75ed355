/* SPDX-License-Identifier: Apache-2.0 */
/* A window over a file or a stream: what is read and not yet used, with its place. Never more of a file than that. */
#ifndef LRD_WARM_ENTRY_SOURCE_H
#define LRD_WARM_ENTRY_SOURCE_H

#include "base/bytes.h"
#include "base/hash.h"

typedef struct lrd_source {
  int fd; /* -1: a stream */
  int64_t (*read)(void *context, void *out, size_t room);
  void *read_context;
  bool owns;  /* what lrd_source_open has opened */
  int opened; /* that */
  lrd_buf window;
  size_t at;        /* of the window: the first byte not used yet */
  uint64_t offset;  /* in the file, of the window's first byte */
  uint64_t line;    /* of `at`, from 1 */
  bool ended;       /* nothing is behind the window */
  lrd_summing *sum; /* of all bytes used, or NULL */
} lrd_source;

/* A file that is open (its descriptor is borrowed), or a stream, which keeps a sum. */
LARDER_MUST_CHECK larder_err lrd_source_init(lrd_source *source, int fd, int64_t (*read)(void *context, void *out, size_t room),
                                             void *context);
/*
 * Opens what bears that name, as a file where it is one, else (a pipe, a terminal) as a stream, which waits for whoever writes.
 * LARDER_MISS: it is not there; LARDER_EINVAL: a folder. The source must not be moved from then on, and is to be ended also
 * when this fails.
 */
LARDER_MUST_CHECK larder_err lrd_source_open(lrd_source *source, const char *path, larder_error *err);
void lrd_source_fini(lrd_source *source);
/* A file only: goes on at an offset, which is on that line. */
void lrd_source_seek(lrd_source *source, uint64_t offset, uint64_t line);

static inline const char *lrd_source_text(const lrd_source *source) {
  return source->window.data ? (const char *)source->window.data + source->at : "";
}
static inline size_t lrd_source_left(const lrd_source *source) { return source->window.len - source->at; }
static inline uint64_t lrd_source_offset(const lrd_source *source) { return source->offset + source->at; }

/* Reads more behind the window; `ended` when there is none. LARDER_ETOOBIG when the window holds `most` bytes already. */
LARDER_MUST_CHECK larder_err lrd_source_more(lrd_source *source, size_t most);
/*
 * The line in front: its length without and with its LF; both 0 at the end. LARDER_ETOOBIG: it has more than `most` bytes,
 * and lrd_source_line_skip passes over it.
 */
LARDER_MUST_CHECK larder_err lrd_source_line(lrd_source *source, size_t most, size_t *len_out, size_t *end_out);
LARDER_MUST_CHECK larder_err lrd_source_line_skip(lrd_source *source);
/* The record of CSV in front, whose quotes may hold line ends: its length without and with its LF or CRLF; both 0 at the end.
 * LARDER_ETOOBIG: it has more than `most` bytes. */
LARDER_MUST_CHECK larder_err lrd_source_record(lrd_source *source, size_t most, size_t *len_out, size_t *end_out);
/* Passes over a byte order mark at the beginning. */
LARDER_MUST_CHECK larder_err lrd_source_mark_skip(lrd_source *source);
/* Counts `len` bytes as used. */
void lrd_source_use(lrd_source *source, size_t len);

#endif
