/* SPDX-License-Identifier: Apache-2.0 */
/* Between hit.c, the straight way of a get that memory answers, and get.c, all other ways. */
#ifndef LRD_CORE_HIT_H
#define LRD_CORE_HIT_H

#include "cache.h"
#include "mutation.h"

/* In pin[0] of a value, beside its namespace: found below memory, and pin[1] is the lrd_found. */
#define LRD_VALUE_FOUND ((uintptr_t)1)

/* What is left to do about memory: look, look and time it, or nothing because that was a miss. */
typedef enum lrd_look { LRD_LOOK, LRD_LOOK_TIMED, LRD_LOOKED } lrd_look;

/* A fresh value from memory by the straight way, counted as a hit; false: nothing is counted, and another way is to be tried.
 */
bool lrd_get_straight(larder_ns *ns, const void *key, size_t key_len, larder_value *out);
/* larder_get and larder_get_into by any way, arguments not checked yet. */
larder_err lrd_get_any(larder_ns *ns, const void *key, size_t key_len, lrd_look look, const larder_get_options *options,
                       larder_value *out);
larder_err lrd_get_into_any(larder_ns *ns, const void *key, size_t key_len, lrd_look look, void *out, size_t room,
                            size_t *len_out);
/* The same once they are. */
larder_err lrd_get_slowly(const lrd_op *op, lrd_look look, bool allow_stale, larder_value *out);
/* Copies a value out and releases it, if the result is LARDER_OK. */
larder_err lrd_get_copied(larder_err result, larder_value *value, void *out, size_t room, size_t *len_out);
/* Counts a pinned memory hit and hands it out, told stale or not. */
void lrd_get_answer(larder_ns *ns, const lrd_memory_pin *pin, bool allow_stale, larder_value *out);
void lrd_value_free_found(larder_value *value);

/* The slot's word that a hit has to find; with the protocol broken on purpose, another (in scratch) or none. */
static inline const _Atomic uint64_t *lrd_hit_word(const larder_ns *ns, uint64_t hash, _Atomic uint64_t *scratch) {
  if (LRD_MUTATED(LRD_MUTATE_HIT_IGNORES_VERSION)) {
    return NULL;
  }
  if (LRD_MUTATED(LRD_MUTATE_HIT_IGNORES_OWNER) && ns->words) {
    atomic_init(scratch, atomic_load(lrd_ns_word(ns, hash)) & LRD_SLOT_VERSION_MASK);
    return scratch;
  }
  return lrd_ns_word(ns, hash);
}

#endif
