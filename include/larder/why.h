/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a key hits, misses or is stale: where it is kept and how fresh, which window it is in, its slot, who makes it, and what
 * happened to it lately. A look that changes and counts nothing.
 *
 * Events are kept by the root for all processes, in rings of fixed size until the machine starts again: of a key of which
 * nothing is told, nothing is known any more. Memory is the asking process's own.
 */
#ifndef LARDER_WHY_H
#define LARDER_WHY_H

#include <larder/health.h>
#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_WHY_TIERS  9
#define LARDER_WHY_EVENTS 32

typedef enum larder_why_state {
  LARDER_WHY_NOTHING, /* nothing is kept */
  LARDER_WHY_FRESH,
  LARDER_WHY_REVALIDATE, /* stale, and served while it is made anew */
  LARDER_WHY_ON_ERROR,   /* stale, and served only where it can't be made */
  LARDER_WHY_STALE,      /* stale, and only served to who asks for stale values */
  LARDER_WHY_ABSENT      /* a maker said that there is none, and that counts still */
} larder_why_state;

/* Why it is stale. */
typedef enum larder_why_stale {
  LARDER_STALE_NOT,
  LARDER_STALE_LIFETIME, /* its lifetime is over */
  LARDER_STALE_EXPIRED,  /* a caller made it stale, by its key or with others (events tell when) */
  LARDER_STALE_VERSION,  /* it was written under another `version` of the namespace */
  LARDER_STALE_CLOCK     /* the clock was set back: it was written at a time that is still to come */
} larder_why_stale;

/* One tier of the namespace's chain, uppermost first. */
typedef struct larder_why_tier {
  char name[72];
  /* "here", "not here", "away" (switched off or distrusted), "behind" (it missed a change, and is not read until it has
   * forgotten the key), "moved on" (memory: the key may have changed since), "unreadable" (sealed, or of a newer Larder) */
  const char *state;
  bool here;
  bool absent; /* that there is none */
  uint64_t stamp;
  int64_t written_ms;
  int64_t expires_soft_ms; /* 0: never */
  int64_t expires_hard_ms;
  uint64_t len;
  uint64_t stored_len;
  char version[LARDER_VERSION_MAX + 1];
} larder_why_tier;

typedef struct larder_why_event {
  int64_t wall_ms;
  int64_t pid;
  const char *what; /* a static string: "put", "evicted", "make failed", … */
  char tier[16];    /* empty: of no one tier */
  char text[136];   /* a reason, or the front of one, or empty */
} larder_why_event;

typedef struct larder_why {
  size_t size; /* sizeof(larder_why), set by the caller */
  larder_why_state state;
  int64_t now_ms;
  larder_why_tier tiers[LARDER_WHY_TIERS];
  size_t tiers_len;
  bool queued; /* this process has a value of it that is not written yet */
  /* The slot; false without shared tiers. */
  bool has_slot;
  uint64_t slot;
  uint64_t slot_version;
  int64_t slot_owner; /* pid of who is changing it or a neighbour; 0: nobody */
  /* Making. */
  const char *maker;   /* "http", "command", "recipe", "callback"; NULL: none is configured */
  bool made_here;      /* by this process, now */
  int64_t made_by;     /* pid of who makes it on this host; 0: nobody */
  bool made_overtaken; /* it was changed since that began, so what is made will not be kept */
  larder_err failure;  /* of the last making, while it is told instead of trying again; LARDER_OK: none */
  int64_t failure_ms;  /* for how long still */
  char failure_text[176];
  int64_t making_takes_ms;                    /* lately, in this process; 0: not known */
  larder_why_event events[LARDER_WHY_EVENTS]; /* newest first */
  size_t events_len;
  larder_why_stale stale;
  bool has_health; /* something was reported on it */
  larder_health health;
  /* Where the namespace's policy in memory is `adaptive`: the expert that chooses who has to go where the key is or would be,
   * in this process's memory; NULL: it is another policy, or there is no memory. Static. */
  const char *expert;
} larder_why;

/* LARDER_OK and *out, also where nothing is kept. Blocks on disk. */
LARDER_API LARDER_MUST_CHECK larder_err larder_why_look(larder_ns *ns, const void *key, size_t key_len, larder_why *out);
/* A sentence that says what a get would do now, and why. */
LARDER_API const char *larder_why_sentence(const larder_why *why);

#ifdef __cplusplus
}
#endif
#endif
