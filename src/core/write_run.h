/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of lrd_write_batch over changes to a namespace with shared tiers, and its steps, in the order in which write.c takes
 * them. All but lrd_run_own want the slots owned.
 */
#ifndef LRD_CORE_WRITE_RUN_H
#define LRD_CORE_WRITE_RUN_H

#include "cache.h"

typedef struct lrd_owned_slot {
  uint64_t slot;
  uint64_t version;
  bool owned;
  bool cleaned; /* a tier has forgotten its range: what memory has beside the batch is in no tier now */
} lrd_owned_slot;

/* Parallel arrays over the changes, ordered by slot. */
typedef struct lrd_write_run {
  larder_ns *ns;
  lrd_change **changes;     /* ascending by slot */
  larder_tier_write *items; /* for the tiers */
  uint32_t *item_at;        /* items[i] is of changes[item_at[i]] */
  lrd_owned_slot *slots;
  uint32_t *slot_of;        /* changes[i] lies in slots[slot_of[i]] */
  larder_tier_key *changed; /* memory's keys, of one slot at a time */
  bool *unsafe;             /* of a slot: the authoritative tier could not take the change */
  size_t count;
  size_t slots_len;
} lrd_write_run;

/* An item's change, and which of the run's slots it lies in. */
static inline lrd_change *lrd_run_change(const lrd_write_run *run, size_t item) { return run->changes[run->item_at[item]]; }
static inline size_t lrd_run_slot(const lrd_write_run *run, size_t item) { return run->slot_of[run->item_at[item]]; }

/* --- write_slots.c ------------------------------------------------------------------------------------------------------- */

/* Sorts the changes and owns their slots; a change whose slot could not be owned has its result. */
void lrd_run_own(lrd_write_run *run);
/* Each moved on by one. */
void lrd_run_release(lrd_write_run *run);
/* Whether the tier has forgotten what it could not be told before about the slot; tries to have it so. */
bool lrd_run_clean(lrd_write_run *run, size_t at, lrd_link *link);
/* Nobody reads the slot from the tier until its range has been deleted there. */
void lrd_run_mark_dirty(lrd_write_run *run, lrd_link *link, size_t slot_index);

/* --- write_queued.c: puts of `behind` namespaces ------------------------------------------------------------------------- */

/* A change from the queue is only carried out while it is queued still, and while stamps tell what is newer. */
void lrd_run_queued_judge(lrd_write_run *run, size_t at, lrd_link *lowest);
/* A change that looks at what is stored has to find what is queued there: it is written first, under the same ownership. */
LARDER_MUST_CHECK larder_err lrd_run_queued_first(lrd_write_run *run, size_t at, lrd_link *lowest);
/* What is queued under a key has been overtaken, now that the change is committed. */
void lrd_run_queued_drop(lrd_write_run *run);
/* A slot in which nothing but failing puts of the queue have been tried has not changed. */
void lrd_run_queue_counts_on(lrd_write_run *run);

/* --- write_tiers.c ------------------------------------------------------------------------------------------------------- */

void lrd_run_upper_forgets(lrd_write_run *run, lrd_link *link);
/* The authoritative tier. Items that lost to a stored stamp ahead of our clock are stamped anew above it. */
void lrd_run_commit(lrd_write_run *run, lrd_link *link, larder_durability durability);
/* Marks where it failed, and what that means for the caller. */
void lrd_run_judge_unsafe(lrd_write_run *run, lrd_link *lowest);
void lrd_run_upper_takes(lrd_write_run *run, lrd_link *link);

/* --- write_retag.c ------------------------------------------------------------------------------------------------------- */

/* What memory has of the slots counts under the versions they will have, and takes or forgets the changed keys. */
void lrd_run_memory_in_step(lrd_write_run *run);

/* --- write_count.c: of every namespace ----------------------------------------------------------------------------------- */

/* Counts them, tells of them, and turns the deletion of what was not there into LARDER_MISS. */
void lrd_changes_count(larder_ns *ns, lrd_change *changes, size_t count);

#endif
