/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coherence map: <root>/coherence.map, shared by every process on the root, and <root>/LOCK, whose bytes say who is
 * alive. A slot is one word: 48 bits version, 16 bits owner (a process's row + 1, or 0). Whatever changes a shared tier
 * is done by the owner of the key's slot; releasing it one version further invalidates every memory tier's copy.
 *
 * A *token* is a slot's word seen without an owner. Slots are owned in ascending order by who needs several.
 *
 * Who may only read the root is an *onlooker*: it maps the map read-only, has no row and owns no slot (LARDER_EACCES), and
 * what it keeps in memory is as true as anybody's, since a token needs reading alone. Where there is no map nothing is kept in
 * memory until somebody makes one.
 */
#ifndef LRD_CORE_SLOTS_H
#define LRD_CORE_SLOTS_H

#include "base/clock.h"
#include "base/log.h"
#include "base/stamp.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LRD_ROWS_MAX          256u
#define LRD_SHARED_TIERS_MAX  8u
#define LRD_SLOT_VERSION_BITS 48
#define LRD_SLOT_VERSION_MASK ((UINT64_C(1) << LRD_SLOT_VERSION_BITS) - 1)
#define LRD_TOKEN_NONE        UINT64_MAX /* never a slot's word: its owner field names no row */

typedef struct lrd_slots lrd_slots;

/* State of a shared tier, for all processes. One that nobody has joined with yet is broken to an onlooker. */
typedef enum lrd_tier_trust {
  LRD_TRUST_OK,
  LRD_TRUST_BROKEN /* found damaged, replaced or foreign: everybody closes it, then one replaces it alone */
} lrd_tier_trust;

typedef struct lrd_slots_params {
  const char *root;
  uint64_t slots; /* a power of two; an existing map keeps its own number */
  const lrd_clock *clock;
  const lrd_log *log;
  const char *const *tiers; /* names of the shared tiers, in the order of their numbers */
  size_t tiers_len;
} lrd_slots_params;

/*
 * Joins the root: makes map and LOCK where they are absent, claims a row; as an onlooker where LOCK can't be written. Blocks
 * while another process is joining (60 s, then LARDER_EBUSY). After it returns the caller holds the joining lock, so that tiers
 * can be opened or migrated by one process at a time; lrd_slots_joined gives it back.
 */
LARDER_MUST_CHECK larder_err lrd_slots_open(const lrd_slots_params *params, lrd_slots **out, larder_error *err);
void lrd_slots_joined(lrd_slots *slots);
/* Orderly: every slot this process owned has been released. */
void lrd_slots_close(lrd_slots *slots);
/* In a forked child: unmaps and closes only; the locks are the parent's. */
void lrd_slots_abandon(lrd_slots *slots);

bool lrd_slots_onlooker(const lrd_slots *slots);
uint64_t lrd_slots_seed(const lrd_slots *slots);
/* Of this very root on this host: a copy of a root has the identity of the first, and is another one. */
#define LRD_ROOT_HERE_MAX 48
void lrd_slots_root_here(const lrd_slots *slots, char out[LRD_ROOT_HERE_MAX + 1]);
unsigned lrd_slots_row(const lrd_slots *slots); /* LRD_ROWS_MAX: an onlooker, who has none */
bool lrd_slots_row_alive(lrd_slots *slots, unsigned row);
/* Which table of leases this process has, by its inode (0: none), and whether every process that has a row has the same. */
void lrd_slots_leases_tell(lrd_slots *slots, uint64_t inode);
bool lrd_slots_leases_shared(lrd_slots *slots);
/* Of the process that has the row, as it sees itself; 0: not known. */
int64_t lrd_slots_row_pid(const lrd_slots *slots, unsigned row);
/* Whether a process died holding the row, and nobody has it now. */
bool lrd_slots_row_died(lrd_slots *slots, unsigned row);
/* The shared word behind stamps. */
_Atomic uint64_t *lrd_slots_clock(lrd_slots *slots);

/* Number of the slot of a key's hash, and the first and last hash of a slot. */
uint64_t lrd_slot_of(const lrd_slots *slots, uint64_t hash);
void lrd_slot_range(const lrd_slots *slots, uint64_t slot, uint64_t *first_out, uint64_t *last_out);
uint64_t lrd_slot_count(const lrd_slots *slots);
/* The words themselves, for the hot path: `base[hash >> shift]`. They stay where they are until close. */
_Atomic uint64_t *lrd_slots_base(lrd_slots *slots, unsigned *shift_out);

/* The slot's word when nobody owns it, else LRD_TOKEN_NONE. Replaces a dead owner on the way. */
uint64_t lrd_slot_token(lrd_slots *slots, uint64_t slot);
/*
 * Owns the slot; *version_out is the version it stood at. Waits at most wait_ns for a living owner, then LARDER_EBUSY.
 * LARDER_EACCES to an onlooker.
 * A dead owner is replaced. The version is one that no memory tier but the owner's may tag with.
 */
LARDER_MUST_CHECK larder_err lrd_slot_own(lrd_slots *slots, uint64_t slot, int64_t wait_ns, uint64_t *version_out);
/* Owns it only if its word is still `token`; never waits. */
bool lrd_slot_own_unmoved(lrd_slots *slots, uint64_t slot, uint64_t token);
/* How many owners were replaced here since the last call. */
uint64_t lrd_slots_replaced_take(lrd_slots *slots);
/* Gives it back, one version further when moved. The token that is valid from now on, for what the owner knows. */
uint64_t lrd_slot_release(lrd_slots *slots, uint64_t slot, bool moved);
/* One version further for every slot, whoever owns it: all memory tiers' copies are void. */
void lrd_slots_move_all(lrd_slots *slots);

/* Dirty marks: the tier may hold something old under the slot. Marked and cleared by the slot's owner. */
void lrd_slot_mark_dirty(lrd_slots *slots, unsigned tier, uint64_t slot);
void lrd_slot_clear_dirty(lrd_slots *slots, unsigned tier, uint64_t slot);
bool lrd_slot_dirty(const lrd_slots *slots, unsigned tier, uint64_t slot);
uint64_t lrd_slots_dirty_count(const lrd_slots *slots, unsigned tier);
/* The first dirty slot at or after `from`; false when there is none. */
bool lrd_slots_dirty_next(const lrd_slots *slots, unsigned tier, uint64_t from, uint64_t *slot_out);

/* Trust in a shared tier and how often it was replaced. */
lrd_tier_trust lrd_slots_trust(const lrd_slots *slots, unsigned tier, uint64_t *generation_out);
void lrd_slots_distrust(lrd_slots *slots, unsigned tier);
/*
 * Puts that wait in a queue of their process. They are written under the stamp they were given, so what removes a row of a
 * higher one has to leave its stamp behind, a tombstone, or the older value would come back where nothing is stored.
 * queue_from tells the others, before the first stamp is given, from where on this process may have something queued (0:
 * nothing); queued_below says whether any living process may have something queued of a stamp up to this one.
 */
void lrd_slots_queue_from(lrd_slots *slots, lrd_stamp stamp);
bool lrd_slots_queued_below(lrd_slots *slots, lrd_stamp stamp);
/* What a tier had to remove without a trace all the same: the highest such stamp of the slot, or of others beside it. */
void lrd_slots_traceless_raise(lrd_slots *slots, unsigned tier, uint64_t slot, lrd_stamp stamp);
lrd_stamp lrd_slots_traceless(const lrd_slots *slots, unsigned tier, uint64_t slot);

/* Held shared while the tier is open here; `alone` tries for it exclusively. False when it is not to be had. */
bool lrd_slots_tier_enter(lrd_slots *slots, unsigned tier, bool alone);
void lrd_slots_tier_leave(lrd_slots *slots, unsigned tier);
/* An onlooker's: in the map it has now the tier has another number than when it was entered: leave it and enter again. */
bool lrd_slots_tier_moved(const lrd_slots *slots, unsigned tier);
/* By the one who holds it alone, after replacing it: a new generation, every slot moved, trusted; dirty marks stay;
 * tombstones are lost. */
void lrd_slots_tier_replaced(lrd_slots *slots, unsigned tier);

/*
 * Once a second: whether map and LOCK are still the files that we opened. A map that was replaced is mapped anew in
 * place. False when the root is gone: nothing shared can be trusted any more.
 */
bool lrd_slots_still_there(lrd_slots *slots);

#endif
