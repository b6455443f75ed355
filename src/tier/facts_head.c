/* SPDX-License-Identifier: Apache-2.0 */
#include "facts_head.h"

#include <larder/larder.h>

enum { TRAILER_MODIFIED = 1, TRAILER_NS_VERSION = 2, TRAILER_KNOWN = 3 };

static size_t trailer_len(unsigned flags) {
  return (flags ? 2u : 0u) + (flags & TRAILER_MODIFIED ? 8u : 0u) + (flags & TRAILER_NS_VERSION ? 4u : 0u);
}

static unsigned trailer_flags(const larder_facts *facts) {
  return (facts->modified_ms != 0 ? TRAILER_MODIFIED : 0u) | (facts->ns_version != 0 ? TRAILER_NS_VERSION : 0u);
}

static void trailer_write(const larder_facts *facts, unsigned flags, uint8_t *at) {
  if (flags == 0) return;
  *at++ = 0;
  *at++ = (uint8_t)flags;
  if (flags & TRAILER_MODIFIED) {
    lrd_put_u64(at, (uint64_t)facts->modified_ms);
    at += 8;
  }
  if (flags & TRAILER_NS_VERSION) lrd_put_u32(at, facts->ns_version);
}

static bool trailer_read(const uint8_t *at, size_t len, larder_facts *facts) {
  if (len < 2 || at[0] != 0 || at[1] == 0 || (at[1] & ~TRAILER_KNOWN) != 0 || len != trailer_len(at[1])) return false;
  unsigned const flags = at[1];
  at += 2;
  if (flags & TRAILER_MODIFIED) {
    facts->modified_ms = (int64_t)lrd_get_u64(at);
    at += 8;
  }
  if (flags & TRAILER_NS_VERSION) facts->ns_version = lrd_get_u32(at);
  return true;
}

larder_err lrd_facts_head_pack(const larder_facts *facts, uint8_t **out, size_t *len_out) {
  *out = NULL;
  *len_out = 0;
  if (facts->version_len > LARDER_VERSION_MAX || facts->meta_len > LARDER_META_MAX) return LARDER_EINVAL;
  if (facts->tags_len > LARDER_TAGS_MAX * (LARDER_TAG_MAX + 1u)) return LARDER_EINVAL;
  unsigned const flags = trailer_flags(facts);
  if (facts->version_len + facts->meta_len + facts->tags_len == 0 && flags == 0) return LARDER_OK;
  size_t const len = 3 + facts->version_len + facts->meta_len + facts->tags_len + trailer_len(flags);
  uint8_t *head = lrd_alloc(len);
  if (head == NULL) return LARDER_ENOMEM;
  uint8_t *at = head;
  *at++ = (uint8_t)facts->version_len;
  if (facts->version_len != 0) memcpy(at, facts->version, facts->version_len);
  at += facts->version_len;
  lrd_put_u16(at, (uint16_t)facts->meta_len);
  at += 2;
  if (facts->meta_len != 0) memcpy(at, facts->meta, facts->meta_len);
  at += facts->meta_len;
  if (facts->tags_len != 0) memcpy(at, facts->tags, facts->tags_len);
  trailer_write(facts, flags, at + facts->tags_len);
  *out = head;
  *len_out = len;
  return LARDER_OK;
}

bool lrd_facts_head_unpack(const void *head, size_t len, larder_facts *facts) {
  facts->version = facts->tags = NULL;
  facts->meta = NULL;
  facts->version_len = facts->meta_len = facts->tags_len = 0;
  facts->modified_ms = 0;
  facts->ns_version = 0;
  if (len == 0) return true;
  const uint8_t *at = head;
  const uint8_t *end = at + len;
  if (len < 3 || (size_t)at[0] + 3 > len) return false;
  facts->version_len = at[0];
  if (facts->version_len != 0) facts->version = (const char *)at + 1;
  at += 1 + facts->version_len;
  facts->meta_len = lrd_get_u16(at);
  at += 2;
  if (facts->meta_len > LARDER_META_MAX || facts->meta_len > (size_t)(end - at)) return false;
  if (facts->meta_len != 0) facts->meta = at;
  at += facts->meta_len;
  size_t const left = (size_t)(end - at);
  size_t tags_len = 0;
  while (tags_len < left && at[tags_len] != 0) tags_len += 1u + at[tags_len];
  if (tags_len > left) return false;
  facts->tags_len = tags_len;
  if (tags_len != 0) facts->tags = (const char *)at;
  return tags_len == left || trailer_read(at + tags_len, left - tags_len, facts);
}
