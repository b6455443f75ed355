/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source is read by pieces; a decompressor takes from the piece in front and gives into the caller's room. Between two
 * frames, and nowhere else, the source may end.
 */
#include "unpack_stream.h"

#include "base/bytes.h"
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define PIECE           ((size_t)64 << 10)
#define ZSTD_WINDOW_LOG 27               /* `zstd --long=27` */
#define GZIP_ONLY       (16 + MAX_WBITS) /* zlib's number for it */
#define MAGIC_LEN       4u

typedef enum unpacking_kind { KIND_UNKNOWN, KIND_PLAIN, KIND_ZSTD, KIND_GZIP } unpacking_kind;

struct lrd_unpacking {
  int64_t (*read)(void *context, void *out, size_t room);
  void *context;
  unpacking_kind kind;
  bool ended;    /* the source */
  bool in_frame; /* a frame has begun and not ended */
  larder_err failure;
  const char *why;
  ZSTD_DCtx *zstd;
  z_stream gzip;
  bool gzip_ready;
  size_t at;
  size_t len;
  uint8_t piece[PIECE];
};

larder_err lrd_unpacking_new(int64_t (*read)(void *context, void *out, size_t room), void *context, lrd_unpacking **out) {
  lrd_unpacking *made = lrd_alloc_zero(1, sizeof *made);
  if (made == NULL) return LARDER_ENOMEM;
  made->read = read;
  made->context = context;
  *out = made;
  return LARDER_OK;
}

void lrd_unpacking_free(lrd_unpacking *unpacking) {
  if (unpacking == NULL) return;
  (void)ZSTD_freeDCtx(unpacking->zstd);
  if (unpacking->gzip_ready) (void)inflateEnd(&unpacking->gzip);
  lrd_dealloc(unpacking);
}

larder_err lrd_unpacking_failure(const lrd_unpacking *unpacking, const char **why_out) {
  *why_out = unpacking->why;
  return unpacking->failure;
}

static bool failed(lrd_unpacking *u, larder_err failure, const char *why) {
  u->failure = failure;
  u->why = why;
  return false;
}

/* More of the source behind what the piece still holds. */
static bool piece_more(lrd_unpacking *u) {
  if (u->at > 0) {
    memmove(u->piece, u->piece + u->at, u->len - u->at);
    u->len -= u->at;
    u->at = 0;
  }
  int64_t got = u->read(u->context, u->piece + u->len, PIECE - u->len);
  if (got < 0 || (uint64_t)got > PIECE - u->len) return failed(u, LARDER_EIO, "it can't be read");
  u->len += (size_t)got;
  u->ended = got == 0;
  return true;
}

static voidpf gzip_alloc(voidpf context, uInt items, uInt size) {
  (void)context;
  return lrd_alloc_zero(items, size);
}

static void gzip_free(voidpf context, voidpf block) {
  (void)context;
  lrd_dealloc(block);
}

static bool gzip_begin(lrd_unpacking *u) {
  u->gzip.zalloc = gzip_alloc;
  u->gzip.zfree = gzip_free;
  if (inflateInit2(&u->gzip, GZIP_ONLY) != Z_OK) return failed(u, LARDER_ENOMEM, "out of memory");
  u->gzip_ready = true;
  return true;
}

static bool zstd_begin(lrd_unpacking *u) {
  u->zstd = ZSTD_createDCtx();
  if (u->zstd == NULL) return failed(u, LARDER_ENOMEM, "out of memory");
  (void)ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG); /* a number that it takes */
  return true;
}

/* What the first bytes say. */
static bool kind_find(lrd_unpacking *u) {
  static const uint8_t zstd[MAGIC_LEN] = {0x28, 0xb5, 0x2f, 0xfd};
  while (u->len < MAGIC_LEN && !u->ended)
    if (!piece_more(u)) return false;
  u->kind = u->len >= MAGIC_LEN && memcmp(u->piece, zstd, MAGIC_LEN) == 0                   ? KIND_ZSTD
            : u->len >= 3 && u->piece[0] == 0x1f && u->piece[1] == 0x8b && u->piece[2] == 8 ? KIND_GZIP
                                                                                            : KIND_PLAIN;
  if (u->kind == KIND_ZSTD) return zstd_begin(u);
  return u->kind == KIND_PLAIN || gzip_begin(u);
}

static bool zstd_take(lrd_unpacking *u, void *out, size_t room, size_t *got) {
  ZSTD_inBuffer in = {u->piece, u->len, u->at};
  ZSTD_outBuffer to = {out, room, 0};
  size_t left = ZSTD_decompressStream(u->zstd, &to, &in);
  u->at = in.pos;
  *got = to.pos;
  if (!ZSTD_isError(left)) {
    u->in_frame = left != 0;
    return true;
  }
  switch (ZSTD_getErrorCode(left)) {
  case ZSTD_error_memory_allocation:
    return failed(u, LARDER_ENOMEM, "out of memory");
  case ZSTD_error_frameParameter_windowTooLarge:
    return failed(u, LARDER_EFORMAT, "its zstd window is above 128 MiB; compress it with --long=27 or less");
  default:
    return failed(u, LARDER_EFORMAT, "its zstd data is damaged");
  }
}

static bool gzip_take(lrd_unpacking *u, void *out, size_t room, size_t *got) {
  uInt most = room < UINT32_MAX / 2 ? (uInt)room : UINT32_MAX / 2; /* zlib counts in 32 bits */
  u->gzip.next_in = u->piece + u->at;
  u->gzip.avail_in = (uInt)(u->len - u->at);
  u->gzip.next_out = out;
  u->gzip.avail_out = most;
  int state = inflate(&u->gzip, Z_NO_FLUSH);
  u->at = u->len - u->gzip.avail_in;
  *got = most - u->gzip.avail_out;
  if (state == Z_MEM_ERROR) return failed(u, LARDER_ENOMEM, "out of memory");
  if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
    return failed(u, LARDER_EFORMAT, "its gzip data is damaged");
  u->in_frame = state != Z_STREAM_END;
  if (state == Z_STREAM_END) (void)inflateReset(&u->gzip); /* fails only for a stream that is none */
  return true;
}

static bool plain_take(lrd_unpacking *u, void *out, size_t room, size_t *got) {
  *got = u->len - u->at < room ? u->len - u->at : room;
  memcpy(out, u->piece + u->at, *got);
  u->at += *got;
  return true;
}

int64_t lrd_unpacking_read(void *unpacking, void *out, size_t room) {
  lrd_unpacking *u = unpacking;
  size_t got = 0;
  if (u->failure != LARDER_OK || room == 0 || (u->kind == KIND_UNKNOWN && !kind_find(u)))
    return u->failure == LARDER_OK ? 0 : -1;
  while (got == 0) {
    bool starved = u->at == u->len;
    if (starved && !u->ended) {
      if (!piece_more(u)) return -1;
      continue;
    }
    /* At the end of the source, too: there may be more in the decompressor than there was room for. */
    if (starved && !u->in_frame) return 0;
    size_t before = u->at;
    bool fine = u->kind == KIND_ZSTD   ? zstd_take(u, out, room, &got)
                : u->kind == KIND_GZIP ? gzip_take(u, out, room, &got)
                                       : plain_take(u, out, room, &got);
    if (!fine) return -1;
    if (got == 0 && u->at == before) {
      (void)failed(u, LARDER_EFORMAT, "it breaks off within its compressed data");
      return -1;
    }
  }
  return (int64_t)got;
}
