/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed run of bytes, a growable buffer, and little-endian and varint coding. Every allocation of the library goes
 * through lrd_alloc and its kin, so that tests can fail the Nth one (tests/support) and count what is live.
 */
#ifndef LRD_BASE_BYTES_H
#define LRD_BASE_BYTES_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct lrd_span {
  const void *data;
  size_t len;
} lrd_span;

static inline lrd_span lrd_span_of(const void *data, size_t len) { return (lrd_span){data, len}; }
static inline lrd_span lrd_span_str(const char *text) { return (lrd_span){text, strlen(text)}; }
static inline bool lrd_span_equal(lrd_span a, lrd_span b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* malloc's family; NULL means out of memory. lrd_dealloc accepts NULL. */
void *lrd_alloc(size_t size);
void *lrd_alloc_zero(size_t count, size_t size);
void *lrd_realloc(void *old, size_t size);
char *lrd_strdup(const char *text);
char *lrd_strndup(const char *text, size_t len);
void lrd_dealloc(void *ptr);

/* Test hook: called before each allocation when set; returning false makes it fail. NULL in production. */
typedef bool (*lrd_alloc_gate)(void *context, size_t size);
void lrd_alloc_set_gate(lrd_alloc_gate gate, void *context);
/* Test hook: blocks that are allocated now; -1 in builds that do not count. */
int64_t lrd_alloc_live(void);

/* A growable byte buffer. Zero-initialised is empty. */
typedef struct lrd_buf {
  uint8_t *data;
  size_t len;
  size_t cap;
} lrd_buf;

void lrd_buf_fini(lrd_buf *buf);
void lrd_buf_clear(lrd_buf *buf);
LARDER_MUST_CHECK larder_err lrd_buf_reserve(lrd_buf *buf, size_t more);
LARDER_MUST_CHECK larder_err lrd_buf_append(lrd_buf *buf, const void *data, size_t len);
LARDER_MUST_CHECK larder_err lrd_buf_append_str(lrd_buf *buf, const char *text);
LARDER_MUST_CHECK larder_err lrd_buf_append_byte(lrd_buf *buf, uint8_t byte);
LARDER_PRINTF(2, 3) LARDER_MUST_CHECK larder_err lrd_buf_printf(lrd_buf *buf, const char *format, ...);
/* A NUL after the content that len does not count, so that data is a C string. */
LARDER_MUST_CHECK larder_err lrd_buf_terminate(lrd_buf *buf);

static inline void lrd_put_u16(void *at, uint16_t v) { memcpy(at, &v, sizeof v); }
static inline void lrd_put_u32(void *at, uint32_t v) { memcpy(at, &v, sizeof v); }
static inline void lrd_put_u64(void *at, uint64_t v) { memcpy(at, &v, sizeof v); }
static inline uint16_t lrd_get_u16(const void *at) {
  uint16_t v;
  memcpy(&v, at, sizeof v);
  return v;
}
static inline uint32_t lrd_get_u32(const void *at) {
  uint32_t v;
  memcpy(&v, at, sizeof v);
  return v;
}
static inline uint64_t lrd_get_u64(const void *at) {
  uint64_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

static inline uint64_t lrd_rotl64(uint64_t v, uint32_t bits) { return v << (bits & 63) | v >> (-bits & 63); }

/* memcpy of at most LRD_COPY_SHORT bytes for hot paths: blocks that overlap, all read before the first is written, no call. */
#define LRD_COPY_SHORT 128u
typedef struct lrd_block16 {
  uint64_t word[2];
} lrd_block16;
static inline lrd_block16 lrd_get_block16(const uint8_t *at) {
  lrd_block16 block;
  memcpy(&block, at, sizeof block);
  return block;
}
static inline __attribute__((always_inline)) void lrd_copy_short(void *to, const void *from, size_t len) {
  const uint8_t *in = (const uint8_t *)from, *in_end = in + len;
  uint8_t *out = (uint8_t *)to, *out_end = out + len;
  if (len >= 16) {
    /* Pairs from both ends towards the middle: 1 for up to 32 bytes, 2 for 64, 4 for 128. */
    lrd_block16 a = lrd_get_block16(in), z = lrd_get_block16(in_end - 16);
    if (len > 32) {
      lrd_block16 b = lrd_get_block16(in + 16), y = lrd_get_block16(in_end - 32);
      if (len > 64) {
        lrd_block16 c = lrd_get_block16(in + 32), d = lrd_get_block16(in + 48);
        lrd_block16 x = lrd_get_block16(in_end - 48), w = lrd_get_block16(in_end - 64);
        memcpy(out + 32, &c, 16);
        memcpy(out + 48, &d, 16);
        memcpy(out_end - 64, &w, 16);
        memcpy(out_end - 48, &x, 16);
      }
      memcpy(out + 16, &b, 16);
      memcpy(out_end - 32, &y, 16);
    }
    memcpy(out, &a, 16);
    memcpy(out_end - 16, &z, 16);
  } else if (len >= 8) {
    uint64_t a = lrd_get_u64(in), z = lrd_get_u64(in_end - 8);
    lrd_put_u64(out, a);
    lrd_put_u64(out_end - 8, z);
  } else if (len >= 4) {
    uint32_t a = lrd_get_u32(in), z = lrd_get_u32(in_end - 4);
    memcpy(out, &a, 4);
    memcpy(out_end - 4, &z, 4);
  } else {
    for (size_t i = 0; i < len; i++) out[i] = in[i];
  }
}

/* LEB128. Append to a buffer; read from *at, which moves on; LARDER_ECORRUPT when it is cut short or over 64 bits. */
LARDER_MUST_CHECK larder_err lrd_varint_append(lrd_buf *buf, uint64_t value);
LARDER_MUST_CHECK larder_err lrd_varint_read(const uint8_t **at, const uint8_t *end, uint64_t *out);

#endif
