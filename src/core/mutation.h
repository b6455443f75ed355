/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol broken on purpose, one step at a time: the race tests switch a mutation on and must then fail. Exists only
 * in the testing build; elsewhere LRD_MUTATED is the constant false. A test that needs a certain moment has itself called at
 * it, on the thread that passes there.
 */
#ifndef LRD_CORE_MUTATION_H
#define LRD_CORE_MUTATION_H

enum {
  LRD_MUTATE_HIT_IGNORES_OWNER = 1u << 0,   /* a memory hit does not care whether the slot is owned */
  LRD_MUTATE_HIT_IGNORES_VERSION = 1u << 1, /* nor which version it has */
  LRD_MUTATE_FILL_UNCHECKED = 1u << 2,      /* what was read below goes into memory under the slot's present version */
  LRD_MUTATE_NO_SLOT_MOVE = 1u << 3,        /* a writer gives the slot back as it was */
  LRD_MUTATE_UPPER_NOT_FORGOTTEN = 1u << 4, /* the upper shared tier keeps the old value */
  LRD_MUTATE_NO_DIRTY_MARK = 1u << 5,       /* a tier that could not be written is not marked */
  LRD_MUTATE_PENDING_UNCHECKED = 1u << 6,   /* a pending value counts although its slot has moved */
  LRD_MUTATE_OWNER_STOLEN = 1u << 7,        /* a slot is taken from a living owner */
  LRD_MUTATE_DEMOTE_UNCHECKED = 1u << 8,    /* an evicted copy is handed down without owning its slot unmoved */
  LRD_MUTATE_RETAG_OWN = 1u << 9,           /* a writer re-tags also what its own keys had before */
  LRD_MUTATE_MADE_UNCHECKED = 1u << 11,     /* a made value is stored although its key was changed meanwhile */
  LRD_MUTATE_FORMER_UNCHECKED = 1u << 12,   /* what a put replaces is not the value that went into the history */
  LRD_MUTATE_NO_TRACE = 1u << 10            /* a tier removes rows without a trace although something older is queued */
};

typedef enum lrd_moment {
  LRD_MOMENT_HIT_FOUND,  /* a hit has found its entry and has not looked at its version */
  LRD_MOMENT_COMMITTED,  /* a writer has committed, and owns the slot still */
  LRD_MOMENT_FORMER_KEPT /* a former value is in the history, and has not been replaced */
} lrd_moment;

#ifdef LARDER_TESTING
#include <stdatomic.h>
extern _Atomic unsigned lrd_mutations;
extern void (*_Atomic lrd_moment_hook)(lrd_moment moment);
#define LRD_MOMENT(moment)                                                                                                     \
  do {                                                                                                                         \
    void (*hook)(lrd_moment) = atomic_load_explicit(&lrd_moment_hook, memory_order_acquire);                                   \
    if (hook) hook(moment);                                                                                                    \
  } while (0)
#define LRD_MUTATED(flag) ((atomic_load_explicit(&lrd_mutations, memory_order_relaxed) & (flag)) != 0)
#else
#define LRD_MUTATED(flag)  0
#define LRD_MOMENT(moment) ((void)0)
#endif

#endif
