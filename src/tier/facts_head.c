/* SPDX-License-Identifier: Apache-2.0 */
#include "facts_head.h"

#include <larder/larder.h>

larder_err lrd_facts_head_pack(const larder_facts *facts, uint8_t **out, size_t *len_out) {
  *out = NULL;
  *len_out = 0;
  if (facts->version_len > LARDER_VERSION_MAX || facts->meta_len > LARDER_META_MAX) return LARDER_EINVAL;
  if (facts->tags_len > LARDER_TAGS_MAX * (LARDER_TAG_MAX + 1u)) return LARDER_EINVAL;
  if (facts->version_len + facts->meta_len + facts->tags_len == 0) return LARDER_OK;
  size_t const len = 3 + facts->version_len + facts->meta_len + facts->tags_len;
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
  *out = head;
  *len_out = len;
  return LARDER_OK;
}

bool lrd_facts_head_unpack(const void *head, size_t len, larder_facts *facts) {
  facts->version = facts->tags = NULL;
  facts->meta = NULL;
  facts->version_len = facts->meta_len = facts->tags_len = 0;
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
  facts->tags_len = (size_t)(end - at);
  if (facts->tags_len != 0) facts->tags = (const char *)at;
  for (size_t tag = 0; tag < facts->tags_len; tag += 1u + (uint8_t)facts->tags[tag])
    if ((uint8_t)facts->tags[tag] == 0 || tag + 1u + (uint8_t)facts->tags[tag] > facts->tags_len) return false;
  return true;
}
