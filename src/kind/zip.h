/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zip archives (PKWARE's APPNOTE 6.3: stored and deflated members, zip64, data descriptors) in memory: what `.npz` and
 * PyTorch's `.pt` are made of. Opening one checks that its central directory and the local headers agree, that every member
 * lies within the archive and on no other one, and that no name repeats or leads out of a folder. Contents are checked when
 * they are extracted or verified.
 */
#ifndef LRD_KIND_ZIP_H
#define LRD_KIND_ZIP_H

#include "base/bytes.h"

#define LRD_ZIP_STORED   0u
#define LRD_ZIP_DEFLATED 8u

typedef struct lrd_zip_member {
  const char *name; /* borrowed from the archive, as is the next */
  const uint8_t *packed;
  uint64_t packed_len;
  uint64_t len;   /* unpacked; believed only once it was extracted */
  uint64_t begin; /* of its local header */
  uint64_t end;   /* behind its content and its data descriptor */
  uint32_t crc;
  uint16_t name_len;
  uint16_t method; /* LRD_ZIP_STORED or LRD_ZIP_DEFLATED */
} lrd_zip_member;

typedef struct lrd_zip {
  lrd_zip_member *members; /* as the central directory lists them */
  size_t members_len;
} lrd_zip;

bool lrd_zip_is(const void *data, size_t len);
/* Zero-initialise; fini. data is borrowed until then. LARDER_EFORMAT with a sentence, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_zip_open(lrd_zip *zip, const void *data, size_t len, larder_error *err);
void lrd_zip_fini(lrd_zip *zip);
/* NULL when there is none. */
const lrd_zip_member *lrd_zip_find(const lrd_zip *zip, const char *name, size_t name_len);

/* Unpacks into member->len bytes at out and compares the checksum. Refuses first, LARDER_EFORMAT, a length that no stream of
 * the packed one unpacks to, so that a caller may allocate what lrd_zip_len_check lets pass. */
LARDER_MUST_CHECK larder_err lrd_zip_extract(const lrd_zip_member *member, uint8_t *out, larder_error *err);
LARDER_MUST_CHECK larder_err lrd_zip_len_check(const lrd_zip_member *member, larder_error *err);
/* Checksums of all members; unpacks one after the other. */
LARDER_MUST_CHECK larder_err lrd_zip_verify(const lrd_zip *zip, larder_error *err);

/* --- writing ------------------------------------------------------------------------------------------------------------ */

/*
 * An archive that grows in a buffer. Never needs zip64: the archive stays below LARDER_VALUE_MAX and 65,536 members. The
 * content of a stored member begins at a multiple of 64 from the archive's start.
 */
typedef struct lrd_zip_writer {
  lrd_buf out;
  lrd_buf directory;
  uint32_t members;
} lrd_zip_writer;

void lrd_zip_writer_fini(lrd_zip_writer *writer);
/* A member of two pieces, deflated at `deflate` (1 to 12) where that makes it smaller, or stored (0). LARDER_ETOOBIG. */
LARDER_MUST_CHECK larder_err lrd_zip_add(lrd_zip_writer *writer, const char *name, size_t name_len, lrd_span head,
                                         lrd_span body, unsigned deflate);
/* The archive is then in writer->out. */
LARDER_MUST_CHECK larder_err lrd_zip_finish(lrd_zip_writer *writer);
/* True for a name that unpacks beside its archive: no .., no leading slash, no backslash, no control characters. */
bool lrd_zip_name_stays(const char *name, size_t len);

#endif
