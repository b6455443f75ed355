/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each member: a local header, its name, an extra field that pads, the content. The padding is what Android's zipalign uses
 * (id 0xd935: the alignment, then zeros), which every reader skips. Times are the first that the format can tell, so that
 * the same arrays make the same bytes.
 */
#include "base/fail.h"
#include "zip.h"

#include <larder/array.h>
#include <libdeflate.h>

#define LOCAL_LEN   30u
#define CENTRAL_LEN 46u
#define END_LEN     22u
#define EXTRA_ALIGN 0xd935u
#define EXTRA_LEAST 6u  /* id, length, alignment */
#define NEEDS       20u /* version 2.0 of the format: deflate */
#define FLAG_UTF8   0x0800u
#define MADE_BY     0x0314u /* by a Unix system, so that the mode below counts */
#define MODE        0100600u
#define FIRST_DATE  0x0021u /* 1980-01-01 */

void lrd_zip_writer_fini(lrd_zip_writer *writer) {
  lrd_buf_fini(&writer->out);
  lrd_buf_fini(&writer->directory);
  *writer = (lrd_zip_writer){0};
}

/* What both headers hold, from the version on: 26 bytes. */
static void heads_fill(uint8_t *at, const lrd_zip_member *member, size_t extra_len) {
  lrd_put_u16(at, NEEDS);
  lrd_put_u16(at + 2, FLAG_UTF8);
  lrd_put_u16(at + 4, member->method);
  lrd_put_u16(at + 6, 0);
  lrd_put_u16(at + 8, FIRST_DATE);
  lrd_put_u32(at + 10, member->crc);
  lrd_put_u32(at + 14, (uint32_t)member->packed_len);
  lrd_put_u32(at + 18, (uint32_t)member->len);
  lrd_put_u16(at + 22, member->name_len);
  lrd_put_u16(at + 24, (uint16_t)extra_len);
}

static size_t extra_len_for(size_t content_at) {
  size_t pad = (LARDER_ARRAY_ALIGNMENT - content_at % LARDER_ARRAY_ALIGNMENT) % LARDER_ARRAY_ALIGNMENT;
  if (pad == 0) return 0;
  return pad < EXTRA_LEAST ? pad + LARDER_ARRAY_ALIGNMENT : pad;
}

static void local_fill(uint8_t *at, const lrd_zip_member *member, size_t extra_len) {
  memcpy(at, "PK\x03\x04", 4);
  heads_fill(at + 4, member, extra_len);
  memcpy(at + LOCAL_LEN, member->name, member->name_len);
  uint8_t *extra = at + LOCAL_LEN + member->name_len;
  memset(extra, 0, extra_len);
  if (extra_len == 0) return;
  lrd_put_u16(extra, EXTRA_ALIGN);
  lrd_put_u16(extra + 2, (uint16_t)(extra_len - 4));
  lrd_put_u16(extra + 4, LARDER_ARRAY_ALIGNMENT);
}

static larder_err central_append(lrd_buf *directory, const lrd_zip_member *member) {
  uint8_t entry[CENTRAL_LEN] = "PK\x01\x02";
  lrd_put_u16(entry + 4, MADE_BY);
  heads_fill(entry + 6, member, 0);
  lrd_put_u32(entry + 38, (uint32_t)MODE << 16);
  lrd_put_u32(entry + 42, (uint32_t)member->begin);
  larder_err result = lrd_buf_append(directory, entry, sizeof entry);
  return result == LARDER_OK ? lrd_buf_append(directory, member->name, member->name_len) : result;
}

/* Deflates both pieces as one to the buffer's end. False when it would not become smaller, or memory is short. */
static bool deflate_append(lrd_buf *out, lrd_span head, lrd_span body, unsigned level, uint64_t *packed_len) {
  size_t len = head.len + body.len;
  size_t packed = 0;
  uint8_t *whole = lrd_alloc(len);
  struct libdeflate_compressor *deflate = libdeflate_alloc_compressor((int)level);
  if (whole && deflate && lrd_buf_reserve(out, len) == LARDER_OK) {
    memcpy(whole, head.data, head.len);
    if (body.len > 0) memcpy(whole + head.len, body.data, body.len);
    packed = libdeflate_deflate_compress(deflate, whole, len, out->data + out->len, len);
  }
  libdeflate_free_compressor(deflate);
  lrd_dealloc(whole);
  out->len += packed;
  *packed_len = packed;
  return packed > 0;
}

larder_err lrd_zip_add(lrd_zip_writer *writer, const char *name, size_t name_len, lrd_span head, lrd_span body,
                       unsigned deflate) {
  lrd_buf *out = &writer->out;
  size_t len = head.len + body.len;
  size_t begin = out->len;
  if (name_len > UINT16_MAX || writer->members >= LARDER_ARRAY_MEMBERS_MAX - 1 || len > LARDER_VALUE_MAX ||
      begin + len + LOCAL_LEN + name_len > LARDER_VALUE_MAX)
    return LARDER_ETOOBIG;
  lrd_zip_member member = {.name = name, .name_len = (uint16_t)name_len, .len = len, .packed_len = len, .begin = begin};
  member.crc = libdeflate_crc32(libdeflate_crc32(0, head.data, head.len), body.data, body.len);
  size_t extra_len = extra_len_for(begin + LOCAL_LEN + name_len);
  larder_err result = lrd_buf_reserve(out, LOCAL_LEN + name_len + extra_len + len);
  if (result != LARDER_OK) return result;
  out->len += LOCAL_LEN + name_len + extra_len;
  if (deflate > 0 && deflate_append(out, head, body, deflate, &member.packed_len)) {
    member.method = LRD_ZIP_DEFLATED;
  } else {
    member.packed_len = len;
    result = lrd_buf_append(out, head.data, head.len);
    if (result == LARDER_OK) result = lrd_buf_append(out, body.data, body.len);
  }
  if (result == LARDER_OK) result = central_append(&writer->directory, &member);
  if (result != LARDER_OK) return result;
  local_fill(out->data + begin, &member, extra_len);
  writer->members++;
  return LARDER_OK;
}

larder_err lrd_zip_finish(lrd_zip_writer *writer) {
  uint8_t end[END_LEN] = "PK\x05\x06";
  size_t at = writer->out.len;
  if (at + writer->directory.len + END_LEN > LARDER_VALUE_MAX) return LARDER_ETOOBIG;
  lrd_put_u16(end + 8, (uint16_t)writer->members);
  lrd_put_u16(end + 10, (uint16_t)writer->members);
  lrd_put_u32(end + 12, (uint32_t)writer->directory.len);
  lrd_put_u32(end + 16, (uint32_t)at);
  larder_err result = lrd_buf_append(&writer->out, writer->directory.data, writer->directory.len);
  return result == LARDER_OK ? lrd_buf_append(&writer->out, end, sizeof end) : result;
}
