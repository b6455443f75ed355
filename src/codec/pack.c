/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three compressors behind one pair of functions.
 *
 * Deflating a large value that does not get smaller costs seconds and gives nothing, so of a value above PROBE_MIN sixteen
 * samples spread evenly are deflated first, fast. A shuffled value has its bytes in planes, good ones and bad ones: that is
 * why the samples are many and small. zstd and fast lz4 see by themselves that nothing is to be had, and hurry on.
 */
#include "pack.h"

#include "base/bytes.h"
#include <libdeflate.h>
#include <lz4.h>
#include <lz4hc.h>
#include <zstd.h>
#include <zstd_errors.h>

#define PROBE_MIN     ((size_t)1 << 20)
#define PROBE_SAMPLES 16u
#define PROBE_EACH    ((size_t)4096)

/* What the formats can expand to at most, by the shortest code that they have for a run. */
#define ZLIB_RATIO_MAX 1032u
#define ZSTD_RATIO_MAX (131072u / 4)
#define LZ4_RATIO_MAX  255u

/* libdeflate's levels that take about as long, and get as small, as zlib's. */
static const int deflate_levels[10] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 12};
static const int lz4_thorough[10] = {[7] = 4, [8] = 9, [9] = 12};

void lrd_packer_fini(lrd_packer *packer) {
  libdeflate_free_compressor(packer->deflate);
  libdeflate_free_decompressor(packer->inflate);
  (void)ZSTD_freeCCtx(packer->zstd);
  (void)ZSTD_freeDCtx(packer->unzstd);
  lrd_dealloc(packer->lz4);
  *packer = (lrd_packer){0};
}

static larder_err deflate_ready(lrd_packer *packer, int level) {
  if (packer->deflate != NULL && packer->deflate_level == level) return LARDER_OK;
  libdeflate_free_compressor(packer->deflate);
  packer->deflate = libdeflate_alloc_compressor(level);
  packer->deflate_level = level;
  return packer->deflate == NULL ? LARDER_ENOMEM : LARDER_OK;
}

/* Whether samples of the value get smaller by a sixteenth, as the whole has to. */
static larder_err probe(lrd_packer *packer, const uint8_t *in, size_t len) {
  uint8_t samples[PROBE_SAMPLES * PROBE_EACH];
  uint8_t packed[sizeof samples - sizeof samples / 16];
  size_t const stride = len / PROBE_SAMPLES;
  for (size_t i = 0; i < PROBE_SAMPLES; i++)
    memcpy(samples + i * PROBE_EACH, in + i * stride + (stride - PROBE_EACH) / 2, PROBE_EACH);
  larder_err const err = deflate_ready(packer, 1);
  if (err != LARDER_OK) return err;
  return libdeflate_zlib_compress(packer->deflate, samples, sizeof samples, packed, sizeof packed) == 0 ? LARDER_NOT_KEPT
                                                                                                        : LARDER_OK;
}

static larder_err zlib_pack(lrd_packer *packer, unsigned level, const void *in, size_t len, void *out, size_t room,
                            size_t *len_out) {
  larder_err err = len >= PROBE_MIN ? probe(packer, in, len) : LARDER_OK;
  if (err == LARDER_OK) err = deflate_ready(packer, deflate_levels[level < 9 ? level : 9]);
  if (err != LARDER_OK) return err;
  size_t const packed = libdeflate_zlib_compress(packer->deflate, in, len, out, room);
  if (packed == 0) return LARDER_NOT_KEPT;
  *len_out = packed;
  return LARDER_OK;
}

static larder_err zstd_pack(lrd_packer *packer, unsigned level, const void *in, size_t len, void *out, size_t room,
                            size_t *len_out) {
  if (packer->zstd == NULL) packer->zstd = ZSTD_createCCtx();
  if (packer->zstd == NULL) return LARDER_ENOMEM;
  size_t const packed = ZSTD_compressCCtx(packer->zstd, out, room, in, len, (int)level);
  if (!ZSTD_isError(packed)) {
    *len_out = packed;
    return LARDER_OK;
  }
  ZSTD_ErrorCode const code = ZSTD_getErrorCode(packed);
  return code == ZSTD_error_dstSize_tooSmall    ? LARDER_NOT_KEPT
         : code == ZSTD_error_memory_allocation ? LARDER_ENOMEM
                                                : LARDER_EUNSUPPORTED;
}

static larder_err lz4_pack(lrd_packer *packer, unsigned level, const void *in, size_t len, void *out, size_t room,
                           size_t *len_out) {
  int const thorough = lz4_thorough[level < 9 ? level : 9];
  if (len > LZ4_MAX_INPUT_SIZE) return LARDER_NOT_KEPT;
  if (packer->lz4 == NULL) {
    int const fast = LZ4_sizeofState(), slow = LZ4_sizeofStateHC();
    packer->lz4 = lrd_alloc((size_t)(fast > slow ? fast : slow));
  }
  if (packer->lz4 == NULL) return LARDER_ENOMEM;
  int const limit = (int)(room < LZ4_MAX_INPUT_SIZE ? room : LZ4_MAX_INPUT_SIZE);
  int const packed = thorough == 0 ? LZ4_compress_fast_extState(packer->lz4, in, out, (int)len, limit, 1)
                                   : LZ4_compress_HC_extStateHC(packer->lz4, in, out, (int)len, limit, thorough);
  if (packed <= 0) return LARDER_NOT_KEPT;
  *len_out = (size_t)packed;
  return LARDER_OK;
}

larder_err lrd_pack(lrd_packer *packer, lrd_pack_method method, unsigned level, const void *in, size_t len, void *out,
                    size_t room, size_t *len_out) {
  if (level == 0 || len == 0) return LARDER_NOT_KEPT;
  switch (method) {
  case LRD_PACK_ZLIB:
    return zlib_pack(packer, level, in, len, out, room, len_out);
  case LRD_PACK_ZSTD:
    return zstd_pack(packer, level, in, len, out, room, len_out);
  case LRD_PACK_LZ4:
    return lz4_pack(packer, level, in, len, out, room, len_out);
  default:
    return LARDER_NOT_KEPT;
  }
}

static larder_err zlib_unpack(lrd_packer *packer, const void *in, size_t len, void *out, size_t raw_len) {
  size_t used = 0;
  if (packer->inflate == NULL) packer->inflate = libdeflate_alloc_decompressor();
  if (packer->inflate == NULL) return LARDER_ENOMEM;
  enum libdeflate_result const result = libdeflate_zlib_decompress_ex(packer->inflate, in, len, out, raw_len, &used, NULL);
  return result == LIBDEFLATE_SUCCESS && used == len ? LARDER_OK : LARDER_ECORRUPT;
}

static larder_err zstd_unpack(lrd_packer *packer, const void *in, size_t len, void *out, size_t raw_len) {
  if (packer->unzstd == NULL) packer->unzstd = ZSTD_createDCtx();
  if (packer->unzstd == NULL) return LARDER_ENOMEM;
  size_t const unpacked = ZSTD_decompressDCtx(packer->unzstd, out, raw_len, in, len);
  if (ZSTD_isError(unpacked) && ZSTD_getErrorCode(unpacked) == ZSTD_error_memory_allocation) return LARDER_ENOMEM;
  return !ZSTD_isError(unpacked) && unpacked == raw_len ? LARDER_OK : LARDER_ECORRUPT;
}

larder_err lrd_unpack(lrd_packer *packer, lrd_pack_method method, const void *in, size_t len, void *out, size_t raw_len) {
  switch (method) {
  case LRD_PACK_ZLIB:
    return zlib_unpack(packer, in, len, out, raw_len);
  case LRD_PACK_ZSTD:
    return zstd_unpack(packer, in, len, out, raw_len);
  case LRD_PACK_LZ4:
    if (len > INT32_MAX || raw_len > INT32_MAX) return LARDER_ECORRUPT;
    return LZ4_decompress_safe(in, out, (int)len, (int)raw_len) == (int)raw_len ? LARDER_OK : LARDER_ECORRUPT;
  default:
    return LARDER_ECORRUPT;
  }
}

bool lrd_pack_plausible(lrd_pack_method method, uint64_t len, uint64_t raw_len) {
  switch (method) {
  case LRD_PACK_PLAIN:
    return len == raw_len;
  case LRD_PACK_ZLIB:
    return raw_len / ZLIB_RATIO_MAX <= len;
  case LRD_PACK_ZSTD:
    return raw_len / ZSTD_RATIO_MAX <= len;
  case LRD_PACK_LZ4:
    return raw_len / LZ4_RATIO_MAX <= len;
  default:
    return false;
  }
}
