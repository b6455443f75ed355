/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression by zlib's format (libdeflate), zstd and lz4 (block format). A packer is the workspace of one thread at a
 * time; it makes what it needs on first use and keeps it.
 *
 * Level 0 means no compression for all three. zlib: 1 to 9, as zlib's users know them. zstd: its own levels, 1 to 22.
 * lz4: 1 to 6 is its fast one, 7 to 9 its thorough one.
 */
#ifndef LRD_CODEC_PACK_H
#define LRD_CODEC_PACK_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers stand in frames. */
typedef enum lrd_pack_method {
  LRD_PACK_PLAIN,
  LRD_PACK_ZLIB,
  LRD_PACK_ZSTD,
  LRD_PACK_LZ4,
  LRD_PACK_METHOD_COUNT
} lrd_pack_method;

/* Zero-initialise; fini. */
typedef struct lrd_packer {
  struct libdeflate_compressor *deflate;
  int deflate_level;
  struct libdeflate_decompressor *inflate;
  struct ZSTD_CCtx_s *zstd;
  struct ZSTD_DCtx_s *unzstd;
  void *lz4;
} lrd_packer;

void lrd_packer_fini(lrd_packer *packer);

/*
 * LARDER_OK with *len_out; LARDER_NOT_KEPT when it does not fit into `room`, or when samples of a large value say that it
 * would not; LARDER_ENOMEM or LARDER_EUNSUPPORTED when the compressor failed.
 */
LARDER_MUST_CHECK larder_err lrd_pack(lrd_packer *packer, lrd_pack_method method, unsigned level, const void *in, size_t len,
                                      void *out, size_t room, size_t *len_out);
/* Exactly raw_len bytes, from exactly len; else LARDER_ECORRUPT. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_unpack(lrd_packer *packer, lrd_pack_method method, const void *in, size_t len, void *out,
                                        size_t raw_len);
/* Whether len packed bytes can stand for raw_len at all: asked before room for them is made. */
bool lrd_pack_plausible(lrd_pack_method method, uint64_t len, uint64_t raw_len);

#endif
