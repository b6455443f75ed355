/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocation seam, the growable buffer and varints. The gate is two atomic words, so that a test may set it while
 * other threads allocate. The testing build also counts live blocks; production pays for neither.
 */
#include "bytes.h"

#include "fail.h"
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Larder's formats are little-endian and their codecs copy words as they are; a big-endian machine needs swaps here"
#endif

#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_FROM ((size_t)4 << 20)

static _Atomic(lrd_alloc_gate) alloc_gate;
static _Atomic(void *) alloc_gate_context;

#if defined(LARDER_TESTING)
static _Atomic int64_t alloc_live;
#define ALLOC_COUNT(change) ((void)atomic_fetch_add_explicit(&alloc_live, (change), memory_order_relaxed))
int64_t lrd_alloc_live(void) { return atomic_load(&alloc_live); }
#else
#define ALLOC_COUNT(change) ((void)0)
int64_t lrd_alloc_live(void) { return -1; }
#endif

void lrd_alloc_set_gate(lrd_alloc_gate gate, void *context) {
  /* Closed while the context changes, so that no call meets the new gate with the old context. */
  atomic_store(&alloc_gate, NULL);
  atomic_store(&alloc_gate_context, context);
  atomic_store(&alloc_gate, gate);
}

static bool alloc_passes(size_t size) {
  lrd_alloc_gate gate = atomic_load_explicit(&alloc_gate, memory_order_acquire);
  return !gate || gate(atomic_load_explicit(&alloc_gate_context, memory_order_relaxed), size);
}

/*
 * A block so large is about to be filled, and in small pages the kernel takes longer to hand it out than filling it takes.
 * Advice only. Below 32 MiB the block may be a part of malloc's heap, which then keeps the advice for that stretch.
 */
static void *with_huge_pages(void *ptr, size_t size) {
  if (ptr && size >= HUGE_FROM) {
    uintptr_t const begin = ((uintptr_t)ptr + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    uintptr_t const end = ((uintptr_t)ptr + size) & ~(uintptr_t)(HUGE_PAGE - 1);
    int const before = errno;
    (void)madvise((uint8_t *)ptr + (begin - (uintptr_t)ptr), end - begin, MADV_HUGEPAGE);
    errno = before;
  }
  return ptr;
}

void *lrd_alloc(size_t size) {
  if (!alloc_passes(size)) return NULL;
  void *ptr = with_huge_pages(malloc(size ? size : 1), size);
  if (ptr) ALLOC_COUNT(1);
  return ptr;
}

void *lrd_alloc_zero(size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  if (!alloc_passes(total)) return NULL;
  void *ptr = calloc(1, total ? total : 1);
  if (ptr) ALLOC_COUNT(1);
  return ptr;
}

void *lrd_realloc(void *old, size_t size) {
  if (!alloc_passes(size)) return NULL;
  void *ptr = with_huge_pages(realloc(old, size ? size : 1), size);
  if (ptr && !old) ALLOC_COUNT(1);
  return ptr;
}

char *lrd_strndup(const char *text, size_t len) {
  if (len == SIZE_MAX) return NULL;
  char *copy = lrd_alloc(len + 1);
  if (!copy) return NULL;
  if (len) memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

char *lrd_strdup(const char *text) { return lrd_strndup(text, strlen(text)); }

void lrd_dealloc(void *ptr) {
  if (!ptr) return;
  ALLOC_COUNT(-1);
  free(ptr);
}

void lrd_buf_fini(lrd_buf *buf) {
  lrd_dealloc(buf->data);
  *buf = (lrd_buf){0};
}

void lrd_buf_clear(lrd_buf *buf) { buf->len = 0; }

larder_err lrd_buf_reserve(lrd_buf *buf, size_t more) {
  LRD_ASSERT(buf->len <= buf->cap);
  if (more <= buf->cap - buf->len) return LARDER_OK;
  size_t need;
  if (__builtin_add_overflow(buf->len, more, &need)) return LARDER_ENOMEM;
  size_t cap = buf->cap < 32 ? 64 : buf->cap;
  while (cap < need) {
    if (cap > SIZE_MAX / 2) {
      cap = need;
      break;
    }
    cap += cap / 2;
  }
  uint8_t *data = lrd_realloc(buf->data, cap);
  if (!data) return LARDER_ENOMEM;
  buf->data = data;
  buf->cap = cap;
  return LARDER_OK;
}

larder_err lrd_buf_append(lrd_buf *buf, const void *data, size_t len) {
  larder_err err = lrd_buf_reserve(buf, len);
  if (err != LARDER_OK) return err;
  if (len) memcpy(buf->data + buf->len, data, len);
  buf->len += len;
  return LARDER_OK;
}

larder_err lrd_buf_append_str(lrd_buf *buf, const char *text) { return lrd_buf_append(buf, text, strlen(text)); }

larder_err lrd_buf_append_byte(lrd_buf *buf, uint8_t byte) { return lrd_buf_append(buf, &byte, 1); }

larder_err lrd_buf_printf(lrd_buf *buf, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (len < 0) return LARDER_EINVAL;
  /* vsnprintf writes a NUL that the buffer's length does not count. */
  larder_err err = lrd_buf_reserve(buf, (size_t)len + 1);
  if (err != LARDER_OK) return err;
  va_start(args, format);
  (void)vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
  va_end(args);
  buf->len += (size_t)len;
  return LARDER_OK;
}

larder_err lrd_buf_terminate(lrd_buf *buf) {
  larder_err err = lrd_buf_reserve(buf, 1);
  if (err == LARDER_OK) buf->data[buf->len] = '\0';
  return err;
}

larder_err lrd_varint_append(lrd_buf *buf, uint64_t value) {
  uint8_t bytes[10];
  size_t len = 0;
  do {
    uint8_t low = (uint8_t)(value & 0x7f);
    value >>= 7;
    bytes[len++] = (uint8_t)(low | (value ? 0x80 : 0));
  } while (value);
  return lrd_buf_append(buf, bytes, len);
}

larder_err lrd_varint_read(const uint8_t **at, const uint8_t *end, uint64_t *out) {
  uint64_t value = 0;
  const uint8_t *p = *at;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (p == end) return LARDER_ECORRUPT;
    uint8_t byte = *p++;
    if (shift == 63 && byte > 1) return LARDER_ECORRUPT;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) {
      *at = p;
      *out = value;
      return LARDER_OK;
    }
  }
  return LARDER_ECORRUPT;
}
