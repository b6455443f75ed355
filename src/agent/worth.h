/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How likely entries are to be asked for again, learned from what becomes of some that are watched: which of them are worth
 * their room. Entries are known by numbers that the host gives; moments are the host's, and only go on.
 */
#ifndef LRD_AGENT_WORTH_H
#define LRD_AGENT_WORTH_H

#include <larder/error.h>
#include <stdbool.h>
#include <stdint.h>

#define LRD_WORTH_KINDS 8u /* of entries, that are told apart; others are taken for one of them */

typedef struct lrd_worth lrd_worth;

/* What is known of an entry that is in the cache. */
typedef struct lrd_worth_entry {
  double expires_ms; /* INFINITY: never */
  bool ahead;        /* it was made ahead, and not asked for yet */
} lrd_worth_entry;

/* Of so many numbers; an entry that goes for lack of room is asked for again after about `life` requests, if ever. Own.
 * LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_worth_open(uint32_t numbers, uint64_t life, lrd_worth **out);
/* They live for so many from now on. */
void lrd_worth_live(lrd_worth *worth, uint64_t life);
/* NULL is fine. */
void lrd_worth_close(lrd_worth *worth);
/* It was asked for, whether it was there or not. */
void lrd_worth_asked(lrd_worth *worth, uint32_t number, unsigned kind, double now_ms);
/* Somebody is expected to ask for it next. */
void lrd_worth_guessed(lrd_worth *worth, uint32_t number, unsigned kind, double probability);
/* To be called with an entry drawn by chance: it is learned from once it is asked for, or was not for too long. Not all are
 * taken where that takes long. */
void lrd_worth_watch(lrd_worth *worth, uint32_t number, const lrd_worth_entry *entry, double now_ms);
/* The number is another entry's: what was known of it, and is watched of it, is forgotten. */
void lrd_worth_forget(lrd_worth *worth, uint32_t number);
/* The more, the likelier; to be compared with others of the same moment. Before anything is learned it goes by how often it
 * was asked for and guessed. */
double lrd_worth_of(const lrd_worth *worth, uint32_t number, const lrd_worth_entry *entry, double now_ms);

#endif
