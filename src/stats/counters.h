/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every figure that Larder keeps, in three tables. The segment's layout, JSON, Prometheus, the public look-up by name and
 * the reference page all derive from them. A figure's place is its number in stored sums, so new ones go to the end of
 * their table and none is ever taken out.
 */
#ifndef LRD_STATS_COUNTERS_H
#define LRD_STATS_COUNTERS_H

/* Counters only grow. constant, name, unit, stability, sentence */
#define LRD_STATS_COUNTERS(X)                                                                                                  \
  X(LOOKUPS, "lookups", "lookups", stable, "Lookups that began; hits and misses add up to it.")                                \
  X(HITS, "hits", "lookups", stable, "Lookups answered, stale answers included.")                                              \
  X(STALE_HITS, "stale_hits", "lookups", stable, "Of the hits, those past their soft expiry.")                                 \
  X(MISSES, "misses", "lookups", stable, "Lookups without an answer.")                                                         \
  X(PUTS, "puts", "writes", stable, "Values stored.")                                                                          \
  X(DELETES, "deletes", "writes", stable, "Entries deleted by the caller.")                                                    \
  X(EXPIRES, "expires", "writes", stable, "Entries made stale by the caller.")                                                 \
  X(TOUCHES, "touches", "writes", stable, "Lifetimes renewed by the caller.")                                                  \
  X(EVICTED_CAPACITY, "evicted_capacity", "entries", stable, "Entries removed for lack of bytes.")                             \
  X(EVICTED_ENTRIES, "evicted_entries", "entries", stable, "Entries removed because there were too many.")                     \
  X(EVICTED_TTL, "evicted_ttl", "entries", stable, "Entries removed because their lifetime was over.")                         \
  X(EVICTED_HEALTH, "evicted_health", "entries", stable, "Entries removed because they failed in use.")                        \
  X(EVICTED_CORRUPTION, "evicted_corruption", "entries", stable, "Entries removed because they were damaged.")                 \
  X(EVICTED_STALE, "evicted_stale", "entries", stable, "Entries removed because another process changed them.")                \
  X(EVICTED_ASKED, "evicted_asked", "entries", stable, "Entries removed from memory because the program asked for it.")        \
  X(PROMOTIONS, "promotions", "entries", stable, "Entries copied into this tier from a lower one.")                            \
  X(DEMOTIONS, "demotions", "entries", stable, "Entries handed from this tier to a lower one.")                                \
  X(REFUSED_FILLS, "refused_fills", "entries", stable, "Fills given up because the key may have changed meanwhile.")           \
  X(NOT_KEPT, "not_kept", "entries", stable, "Values above a limit, handed back but not kept.")                                \
  X(ERRORS, "errors", "calls", stable, "Calls in which the tier failed.")                                                      \
  X(DEGRADED, "degraded", "calls", stable, "Calls carried out without a tier that should have taken part.")                    \
  X(BUSY, "busy", "calls", stable, "Writes given up because somebody else held the key.")                                      \
  X(CORRUPT, "corrupt", "entries", stable, "Entries found damaged.")                                                           \
  X(BREAKER_OPENED, "breaker_opened", "times", stable, "Times that the tier was switched off after failures in a row.")        \
  X(OWNERS_REPLACED, "owners_replaced", "slots", debug, "Slots taken over from a process that died.")                          \
  X(DIRTY_MARKED, "dirty_marked", "slots", debug, "Slots marked because a tier missed a write.")                               \
  X(DIRTY_CLEARED, "dirty_cleared", "slots", debug, "Marked slots put in order again.")                                        \
  X(BYTES_READ, "bytes_read", "bytes", stable, "Bytes of values read from the tier; those found in memory are not counted.")   \
  X(BYTES_WRITTEN, "bytes_written", "bytes", stable, "Bytes of keys and values stored.")                                       \
  X(CODEC_BYTES_IN, "codec_bytes_in", "bytes", stable, "Bytes of values handed to compression or sealing.")                    \
  X(CODEC_BYTES_OUT, "codec_bytes_out", "bytes", stable, "Bytes of what was stored of them.")                                  \
  X(CODEC_FAILURES, "codec_failures", "values", stable, "Values that could not be compressed, or not sealed.")                 \
  X(MADE, "made", "makings", stable, "Makings that brought a value.")                                                          \
  X(MADE_UNCHANGED, "made_unchanged", "makings", stable, "Makings that found what was kept still good.")                       \
  X(MADE_ABSENT, "made_absent", "makings", stable, "Makings that found that there is no such thing.")                          \
  X(MAKE_FAILED, "make_failed", "makings", stable, "Makings that failed.")                                                     \
  X(MAKE_CUT, "make_cut", "makings", stable, "Makings not waited for beyond the hard time-out.")                               \
  X(MAKE_OVERTAKEN, "make_overtaken", "makings", stable, "Made values not stored since the key was changed meanwhile.")        \
  X(MAKE_BEHIND, "make_behind", "makings", stable, "Makings that began while something kept was served.")                      \
  X(MAKE_EARLY, "make_early", "makings", stable, "Of these, those that began before the lifetime was over.")                   \
  X(MAKE_DROPPED, "make_dropped", "makings", stable, "Makings behind given up since too many were waiting.")                   \
  X(MAKE_JOINED, "make_joined", "lookups", stable, "Lookups that waited for a making that somebody else had begun.")           \
  X(FAILURES_TOLD, "failures_told", "lookups", stable, "Lookups answered by a failure of a moment ago.")                       \
  X(ABSENT_TOLD, "absent_told", "lookups", stable, "Lookups answered by what a maker had said before: there is none.")         \
  X(STALE_ON_ERROR, "stale_on_error", "lookups", stable, "Stale answers given because the making failed or took too long.")    \
  X(ORIGIN_REQUESTS, "origin_requests", "requests", stable, "Requests sent to origins, redirects and repetitions too.")        \
  X(ORIGIN_BYTES, "origin_bytes", "bytes", stable, "Bytes of bodies that came from origins.")                                  \
  X(ORIGIN_RETRIES, "origin_retries", "requests", stable, "Of the requests, those sent again after a failure.")                \
  X(ORIGIN_NOT_MODIFIED, "origin_not_modified", "requests", stable, "Requests that an origin answered by: not modified.")      \
  X(ORIGIN_WAITS, "origin_waits", "requests", stable, "Requests that had to wait for their turn, because of a rate.")          \
  X(PREFETCH_ASKED, "prefetch_asked", "wishes", stable, "Wishes to make a key ahead of time.")                                 \
  X(PREFETCH_DROPPED, "prefetch_dropped", "wishes", stable, "Of these, those not queued, thrown out or too old.")              \
  X(PREFETCH_MADE, "prefetch_made", "makings", stable, "Makings ahead of time that brought a value.")                          \
  X(PREFETCH_USED, "prefetch_used", "entries", stable, "Of what was made ahead of time, what was read before it was gone.")    \
  X(PREFETCH_USED_BYTES, "prefetch_used_bytes", "bytes", stable, "Bytes of what was made ahead of time and read.")             \
  X(PREFETCH_WASTED, "prefetch_wasted", "entries", stable,                                                                     \
    "Of what was made ahead of time, what was gone before it was read.")                                                       \
  X(PREFETCH_WASTED_BYTES, "prefetch_wasted_bytes", "bytes", stable, "Bytes of what was made ahead of time and gone unread.")  \
  X(PREFETCH_LATE, "prefetch_late", "entries", stable, "Of what was wished for, what somebody asked for before it was made.")  \
  X(PREFETCH_LATE_BYTES, "prefetch_late_bytes", "bytes", stable, "Bytes of what was asked for before it was made.")

/* Gauges move both ways. */
#define LRD_STATS_GAUGES(X)                                                                                                    \
  X(ENTRIES, "entries", "entries", stable, "Entries kept now.")                                                                \
  X(BYTES, "bytes", "bytes", stable, "Bytes used now, everything counted.")                                                    \
  X(BYTES_MAX, "bytes_max", "bytes", stable, "Limit of the bytes; 0 without one.")

/* Operations with a latency histogram. */
#define LRD_STATS_OPS(X)                                                                                                       \
  X(GET, "get", "seconds", stable, "Time of lookups; a hit in memory that is measured counts for about a thousand.")           \
  X(PUT, "put", "seconds", stable, "Time of writes of values.")                                                                \
  X(DELETE, "delete", "seconds", stable, "Time of deletes, expires and touches.")                                              \
  X(SCAN, "scan", "seconds", stable, "Time of listings, per page.")                                                            \
  X(SWEEP, "sweep", "seconds", stable, "Time of sweeps.")                                                                      \
  X(FLUSH, "flush", "seconds", stable, "Time of flushes.")                                                                     \
  X(ENCODE, "encode", "seconds", stable, "Time of compressing and sealing a value.")                                           \
  X(DECODE, "decode", "seconds", stable, "Time of opening a value that is stored compressed or sealed.")                       \
  X(MAKE, "make", "seconds", stable, "Time of makings, by their maker alone.")

#define LRD_STATS_ENUM_COUNTER(constant, name, unit, stability, sentence) LRD_STAT_##constant,
#define LRD_STATS_ENUM_GAUGE(constant, name, unit, stability, sentence)   LRD_GAUGE_##constant,
#define LRD_STATS_ENUM_OP(constant, name, unit, stability, sentence)      LRD_OP_##constant,

typedef enum lrd_counter { LRD_STATS_COUNTERS(LRD_STATS_ENUM_COUNTER) LRD_STAT_COUNT } lrd_counter;
typedef enum lrd_gauge { LRD_STATS_GAUGES(LRD_STATS_ENUM_GAUGE) LRD_GAUGE_COUNT } lrd_gauge;
typedef enum lrd_stat_op { LRD_STATS_OPS(LRD_STATS_ENUM_OP) LRD_OP_COUNT } lrd_stat_op;

/* The order of the six is the order of larder_evict_reason. */
#define LRD_STAT_EVICTED_FIRST LRD_STAT_EVICTED_CAPACITY

/* What a counter is of: in the cells of anything else it stays 0. */
typedef enum lrd_stats_scope {
  LRD_STATS_OF_BOTH,
  LRD_STATS_OF_NAMESPACES, /* counted once for all tiers, in the tier "all" */
  LRD_STATS_OF_TIERS
} lrd_stats_scope;
lrd_stats_scope lrd_stats_scope_of(lrd_counter counter);

/* The tables as data, for whoever writes figures out. */
typedef struct lrd_stats_info {
  const char *name;
  const char *unit;
  const char *sentence;
  int debug; /* not 0: may change from version to version */
} lrd_stats_info;

extern const lrd_stats_info lrd_stats_counter_info[LRD_STAT_COUNT];
extern const lrd_stats_info lrd_stats_gauge_info[LRD_GAUGE_COUNT];
extern const lrd_stats_info lrd_stats_op_info[LRD_OP_COUNT];

#endif
