/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is making what, for all processes of a root: <root>/leases.map, a table of places that are found by a key's hash. A place
 * is one key's while somebody makes it. Afterwards, where that failed, it remembers why for a while, so that what can't be made
 * now is not tried by everybody in turn.
 *
 * A holder is a row of the process table. When its process has died the next who wants the key takes over; those who wait look
 * at least every LRD_LEASE_LOOK_NS. A holder that lives is never robbed, not even past its deadline: that tells who waits when
 * to stop waiting. Two keys of one hash only make one after the other.
 *
 * Whoever changes a key tells its lease (lrd_leases_overtake) while he owns the key's slot, and what was made since is not
 * stored any more.
 */
#ifndef LRD_MAKER_LEASE_H
#define LRD_MAKER_LEASE_H

#include "base/clock.h"
#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LRD_LEASES_FILE    "leases.map"
#define LRD_LEASE_LOOK_NS  INT64_C(50000000)
#define LRD_LEASE_REASON   176u /* bytes of a reason, its NUL among them */
#define LRD_LEASE_NO_LIMIT INT64_MAX

typedef struct lrd_leases lrd_leases;

typedef struct lrd_leases_params {
  const char *root;
  uint32_t row; /* ours, below 65,535 */
  bool (*row_lives)(void *context, uint32_t row);
  void *context;
  const lrd_clock *clock;
} lrd_leases_params;

/* Maps the table, and makes it where there is none of this boot. By one process of the root at a time. */
LARDER_MUST_CHECK larder_err lrd_leases_open(const lrd_leases_params *params, lrd_leases **out, larder_error *err);
/* Tells this table from others of the same name. */
uint64_t lrd_leases_inode(const lrd_leases *leases);
/* No lease is held any more. Also in a forked child, where the parent's stay as they are. */
void lrd_leases_close(lrd_leases *leases);

typedef enum lrd_lease_answer {
  LRD_LEASE_TAKEN,  /* ours, until lrd_lease_end */
  LRD_LEASE_HELD,   /* somebody makes the key */
  LRD_LEASE_FAILED, /* it was tried just now, and failed */
  LRD_LEASE_NONE    /* too many keys are being made: make it without one */
} lrd_lease_answer;

/* What there is about a key. */
typedef struct lrd_lease {
  uint64_t hash;
  uint32_t place;
  uint64_t ticket;
  uint32_t turn;           /* HELD: for lrd_lease_wait */
  int64_t deadline_ns;     /* HELD: the holder's, by boot time; LRD_LEASE_NO_LIMIT: none */
  larder_err failure;      /* FAILED */
  int64_t failed_until_ns; /* FAILED: by boot time */
  char reason[LRD_LEASE_REASON];
} lrd_lease;

/* deadline_ns: by boot time. Never waits for a holder. again: also where it has failed just now. */
lrd_lease_answer lrd_lease_take(lrd_leases *leases, uint64_t hash, int64_t deadline_ns, bool again, lrd_lease *out);
/* Until the lease that was HELD has ended, or ns have passed, at most LRD_LEASE_LOOK_NS. */
void lrd_lease_wait(lrd_leases *leases, const lrd_lease *held, int64_t ns);
/* Gives it back. failed_until_ns not 0: it failed, and until then (boot time) others are told so. */
void lrd_lease_end(lrd_leases *leases, const lrd_lease *mine, larder_err failure, const char *reason, int64_t failed_until_ns);
/* Whether the key was changed since the lease was taken. */
bool lrd_lease_overtaken(const lrd_leases *leases, const lrd_lease *mine);
/* The key has been changed. A load where nobody makes anything. */
void lrd_leases_overtake(lrd_leases *leases, uint64_t hash);
/* Any key may have been. */
void lrd_leases_overtake_all(lrd_leases *leases);
/* Whether the key was tried just now, and failed. A hint: takes no lock. */
bool lrd_lease_failed(const lrd_leases *leases, uint64_t hash);
/* What there is about a key now: a holder that lives, or a failure that still counts. False: neither. A hint, too. */
typedef struct lrd_lease_seen {
  bool held;
  uint32_t row;        /* held: the holder's */
  bool overtaken;      /* held: the key was changed since */
  int64_t deadline_ns; /* held: by boot time */
  larder_err failure;  /* not held */
  int64_t failed_until_ns;
  char reason[LRD_LEASE_REASON];
} lrd_lease_seen;
bool lrd_lease_look(const lrd_leases *leases, uint64_t hash, lrd_lease_seen *out);
/* Frees the places of the dead, which are otherwise freed when somebody wants their key. */
void lrd_leases_clean(lrd_leases *leases);
/* How many are held now, as far as is known. */
uint64_t lrd_leases_held(const lrd_leases *leases);

#endif
