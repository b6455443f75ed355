/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache of nothing but hashes of keys, kept by a policy's own code: what memory would have by another way. It holds as many
 * entries as it is told to, up to a bound for which it has memory from the beginning.
 */
#ifndef LRD_PREDICT_KEY_SHADOW_H
#define LRD_PREDICT_KEY_SHADOW_H

#include "base/bytes.h"
#include <larder/error.h>

typedef struct lrd_key_shadow lrd_key_shadow;

/* Whoever is to go instead of the policy's choice, among so many; NULL: the policy's. */
typedef uint64_t (*lrd_key_shadow_choose)(void *context, const uint64_t *hashes, size_t len);

/* A policy that the memory tier knows. Own. LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_key_shadow_open(const char *policy, uint32_t entries_max, lrd_key_shadow_choose choose,
                                                 void *context, lrd_key_shadow **out);
/* NULL is fine. */
void lrd_key_shadow_close(lrd_key_shadow *shadow);
/* At least 1; those beyond it go. */
void lrd_key_shadow_limit(lrd_key_shadow *shadow, uint32_t entries);
/* Whether it is there and has not expired. */
bool lrd_key_shadow_has(const lrd_key_shadow *shadow, uint64_t hash, int64_t now_ms);
/* When one that is there expires (0: never). */
int64_t lrd_key_shadow_expires_ms(const lrd_key_shadow *shadow, uint64_t hash);
/* Whether it is there, or has expired and was not replaced. */
bool lrd_key_shadow_holds(const lrd_key_shadow *shadow, uint64_t hash);
/* One that is there is read. */
void lrd_key_shadow_touch(lrd_key_shadow *shadow, uint64_t hash);
/* It is kept until a moment (0: for ever), and others may go; what is there, and may have expired, stays in its place and is
 * read. LARDER_ENOMEM: it is not kept. */
LARDER_MUST_CHECK larder_err lrd_key_shadow_put(lrd_key_shadow *shadow, uint64_t hash, int64_t expires_ms);
/* It is not there any more, and not for lack of room. */
void lrd_key_shadow_forget(lrd_key_shadow *shadow, uint64_t hash);
/* Forgets all that is not in a sample. */
void lrd_key_shadow_keep(lrd_key_shadow *shadow, bool (*stays)(const void *context, uint64_t hash), const void *context);
uint32_t lrd_key_shadow_count(const lrd_key_shadow *shadow);

#endif
