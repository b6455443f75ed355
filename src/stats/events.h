/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened lately to which key: <root>/events.map, rings of fixed size that all processes of a root write to and that
 * outlive them until the next start of the machine. What happens often (puts, evictions) and what happens rarely (failures)
 * have a ring each, so that the many do not push out the few.
 *
 * A key is found by its hash; a text is a few words of the library's, or the front of a maker's reason, which may name the key.
 */
#ifndef LRD_STATS_EVENTS_H
#define LRD_STATS_EVENTS_H

#include "base/clock.h"
#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LRD_EVENTS_FILE "events.map"
#define LRD_EVENT_TEXT  136u /* NUL included */
#define LRD_EVENT_TIER  16u

/* constant, name, whether it happens often, sentence */
#define LRD_EVENTS(X)                                                                                                          \
  X(PUT, "put", 1, "Its value was stored.")                                                                                    \
  X(DELETED, "deleted", 1, "It was deleted by a caller.")                                                                      \
  X(EXPIRED, "expired", 1, "It was made stale by a caller.")                                                                   \
  X(TOUCHED, "touched", 1, "Its lifetime was renewed.")                                                                        \
  X(EVICTED, "evicted", 1, "A tier removed it, for the reason given.")                                                         \
  X(MADE, "made", 1, "A maker brought its value.")                                                                             \
  X(UNCHANGED, "unchanged", 1, "A maker found it still good.")                                                                 \
  X(ABSENT, "absent", 1, "A maker said that there is no such thing.")                                                          \
  X(FAILED, "make failed", 0, "A making failed, for the reason given.")                                                        \
  X(CUT, "make cut", 0, "A making took longer than the hard time-out.")                                                        \
  X(OVERTAKEN, "made too late", 0, "What was made was not stored, since the key was changed meanwhile.")                       \
  X(REFUSED, "fill refused", 1, "A tier did not take a copy, since the key may have changed meanwhile.")                       \
  X(DEGRADED, "degraded", 0, "A write was carried out without a tier that should have taken part.")                            \
  X(NOT_KEPT, "not kept", 0, "A value was above a limit and is kept nowhere.")                                                 \
  X(DAMAGED, "damaged", 0, "A tier had it damaged, and forgot it.")

typedef enum lrd_event_what {
#define LRD_EVENT_ENUM(constant, name, often, sentence) LRD_EVENT_##constant,
  LRD_EVENTS(LRD_EVENT_ENUM)
#undef LRD_EVENT_ENUM
      LRD_EVENT_COUNT
} lrd_event_what;

typedef struct lrd_event {
  uint64_t number; /* of its ring: later is higher */
  int64_t wall_ms;
  uint64_t hash;
  lrd_event_what what;
  int64_t pid;
  char tier[LRD_EVENT_TIER]; /* empty: of no one tier */
  char text[LRD_EVENT_TEXT];
} lrd_event;

typedef struct lrd_events lrd_events;

/* Makes the file where there is none of this boot. read_only: LARDER_MISS where there is none. By one process at a time. */
LARDER_MUST_CHECK larder_err lrd_events_open(const char *root, bool read_only, const lrd_clock *clock, lrd_events **out,
                                             larder_error *err);
void lrd_events_close(lrd_events *events);
/* Takes no lock and never fails; nothing where it was opened to be read. events, tier and text may be NULL. */
void lrd_events_note(lrd_events *events, uint64_t hash, lrd_event_what what, const char *tier, const char *text);
/* The latest of a key, newest first; how many. */
size_t lrd_events_of(const lrd_events *events, uint64_t hash, lrd_event *out, size_t room);
const char *lrd_event_name(lrd_event_what what);

#endif
