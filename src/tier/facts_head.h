/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an entry's facts has no fixed length, as durable tiers keep it: one byte of version length, the version, two bytes
 * of metadata length, the metadata, then the tags as they come. Nothing at all where all three are empty.
 */
#ifndef LRD_TIER_FACTS_HEAD_H
#define LRD_TIER_FACTS_HEAD_H

#include "base/bytes.h"
#include <larder/ext/tier.h>

/* Own; *out NULL and *len_out 0 for nothing. LARDER_EINVAL beyond the public limits. */
LARDER_MUST_CHECK larder_err lrd_facts_head_pack(const larder_facts *facts, uint8_t **out, size_t *len_out);
/* Fills version, meta and tags with pointers into head; false when its lengths do not fit. */
bool lrd_facts_head_unpack(const void *head, size_t len, larder_facts *facts);

#endif
