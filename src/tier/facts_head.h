/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an entry's facts has no fixed length, as durable tiers keep it: one byte of version length, the version, two bytes
 * of metadata length, the metadata, then the tags as they come. Behind them, where the source's time of change or the
 * namespace's version is known: a zero byte, which no tag begins with, a byte that says which of the two follow (1 and 2), then
 * eight bytes of the one and four of the other. Nothing at all where everything is empty.
 */
#ifndef LRD_TIER_FACTS_HEAD_H
#define LRD_TIER_FACTS_HEAD_H

#include "base/bytes.h"
#include <larder/ext/tier.h>

/* Own; *out NULL and *len_out 0 for nothing. LARDER_EINVAL beyond the public limits. */
LARDER_MUST_CHECK larder_err lrd_facts_head_pack(const larder_facts *facts, uint8_t **out, size_t *len_out);
/*
 * Fills version, meta and tags with pointers into head, and modified_ms and ns_version; false when its lengths do not fit, or
 * it says more than is known here.
 */
bool lrd_facts_head_unpack(const void *head, size_t len, larder_facts *facts);

#endif
