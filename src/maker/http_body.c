/* SPDX-License-Identifier: Apache-2.0 */
/* A gzip file is one member or several in a row. The window between them is where it may end. */
#include "http_body.h"

#include <zlib.h>

#define GZIP_ONLY    (16 + MAX_WBITS) /* zlib's number for it */
#define PIECE        16384u
#define EXPECT_FIRST ((uint64_t)1 << 20) /* a length that an origin names costs no more than this before it has come */

struct gunzip {
  z_stream stream;
  bool in_member; /* a member has begun and not ended */
  bool any;       /* one has ended */
};

static voidpf zip_alloc(voidpf context, uInt items, uInt size) {
  (void)context;
  return lrd_alloc_zero(items, size);
}

static void zip_free(voidpf context, voidpf block) {
  (void)context;
  lrd_dealloc(block);
}

static larder_err failed(lrd_http_body *body, larder_err failure, const char *why) {
  body->failure = failure;
  body->why = why;
  return failure;
}

larder_err lrd_http_body_begin(lrd_http_body *body, bool gzip, uint64_t bytes_max) {
  body->bytes_max = bytes_max;
  if (!gzip) {
    return LARDER_OK;
  }
  body->zip = lrd_alloc_zero(1, sizeof *body->zip);
  if (!body->zip) {
    return failed(body, LARDER_ENOMEM, "out of memory");
  }
  body->zip->stream.zalloc = zip_alloc;
  body->zip->stream.zfree = zip_free;
  if (inflateInit2(&body->zip->stream, GZIP_ONLY) != Z_OK) {
    lrd_dealloc(body->zip);
    body->zip = NULL;
    return failed(body, LARDER_ENOMEM, "out of memory");
  }
  return LARDER_OK;
}

void lrd_http_body_expect(lrd_http_body *body, uint64_t bytes) {
  uint64_t most = body->bytes_max < EXPECT_FIRST ? body->bytes_max : EXPECT_FIRST;
  larder_err result = lrd_buf_reserve(&body->data, (size_t)(bytes < most ? bytes : most));
  (void)result; /* what does not come needs no room, and what comes is told where it has none */
}

static larder_err take(lrd_http_body *body, const void *data, size_t len) {
  if (len > body->bytes_max - body->data.len) {
    return failed(body, LARDER_ETOOBIG, "it is larger than max_size allows");
  }
  if (lrd_buf_append(&body->data, data, len) != LARDER_OK) {
    return failed(body, LARDER_ENOMEM, "out of memory");
  }
  return LARDER_OK;
}

static larder_err unpack(lrd_http_body *body) {
  struct gunzip *zip = body->zip;
  uint8_t piece[PIECE];
  zip->stream.next_out = piece;
  zip->stream.avail_out = sizeof piece;
  int state = inflate(&zip->stream, Z_NO_FLUSH);
  if (state == Z_MEM_ERROR) {
    return failed(body, LARDER_ENOMEM, "out of memory");
  }
  if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
    return failed(body, LARDER_EFORMAT, "what came as gzip is damaged");
  }
  zip->in_member = state != Z_STREAM_END;
  if (state == Z_STREAM_END) {
    zip->any = true;
    (void)inflateReset(&zip->stream); /* fails only for a stream that is none */
  }
  return take(body, piece, sizeof piece - zip->stream.avail_out);
}

larder_err lrd_http_body_add(lrd_http_body *body, const void *data, size_t len) {
  if (body->failure != LARDER_OK) {
    return body->failure;
  }
  if (!body->zip) {
    return take(body, data, len);
  }
  z_stream *stream = &body->zip->stream;
  stream->next_in = (z_const Bytef *)data;
  while (len > 0) {
    /* zlib counts in 32 bits */
    uInt now = len < UINT32_MAX / 2 ? (uInt)len : UINT32_MAX / 2;
    stream->avail_in = now;
    larder_err result = LARDER_OK;
    /* Once more after the last byte has gone in: it may stand for more than one piece. */
    do {
      result = unpack(body);
    } while (result == LARDER_OK && (stream->avail_in > 0 || (stream->avail_out == 0 && body->zip->in_member)));
    if (result != LARDER_OK) {
      return result;
    }
    len -= now;
  }
  return LARDER_OK;
}

larder_err lrd_http_body_end(lrd_http_body *body) {
  if (body->failure == LARDER_OK && body->zip && (body->zip->in_member || !body->zip->any)) {
    return failed(body, LARDER_EFORMAT, "what came as gzip breaks off");
  }
  return body->failure;
}

void lrd_http_body_fini(lrd_http_body *body) {
  if (body->zip) {
    (void)inflateEnd(&body->zip->stream);
    lrd_dealloc(body->zip);
    body->zip = NULL;
  }
  lrd_buf_fini(&body->data);
}
