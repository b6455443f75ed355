/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of somebody else's bytes that may be compressed as a whole: zstd, gzip or neither, as its first bytes say. Several
 * frames or members in a row are one stream, as `cat` makes it. Memory is bounded: two pieces of 64 KiB and the window of the
 * format, at most 128 MiB for zstd.
 */
#ifndef LRD_CODEC_UNPACK_STREAM_H
#define LRD_CODEC_UNPACK_STREAM_H

#include <larder/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lrd_unpacking lrd_unpacking;

/* `read` gives up to `room` bytes, 0 at the end, below 0 a failure; borrowed with its context. Own. */
LARDER_MUST_CHECK larder_err lrd_unpacking_new(int64_t (*read)(void *context, void *out, size_t room), void *context,
                                               lrd_unpacking **out);
/* NULL is fine. */
void lrd_unpacking_free(lrd_unpacking *unpacking);
/* Up to `room` bytes of the content; 0 at its end; below 0 a failure, which lrd_unpacking_failure tells. The context is an
 * lrd_unpacking. */
int64_t lrd_unpacking_read(void *unpacking, void *out, size_t room);
/* LARDER_OK; LARDER_EIO: the source failed; LARDER_EFORMAT: damaged or cut short, or a window above 128 MiB; LARDER_ENOMEM.
 * *why_out gets a static phrase. */
larder_err lrd_unpacking_failure(const lrd_unpacking *unpacking, const char **why_out);

#endif
