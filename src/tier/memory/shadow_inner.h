/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the shadows share: nodes, and one expert's queues over them. */
#ifndef LRD_TIER_MEMORY_SHADOW_INNER_H
#define LRD_TIER_MEMORY_SHADOW_INNER_H

#include "policy.h"
#include "shadow.h"
#include <emmintrin.h>

struct lrd_shadow_node {
  uint64_t hash;
  uint32_t weight;             /* 0: deleted; goes as soon as it is a queue's oldest */
  uint32_t handle;             /* in the true cache; 0: it is not there */
  uint8_t places[LRD_EXPERTS]; /* in which queue it is (3 bits), how often read there (2 bits) */
  uint16_t newer[LRD_EXPERTS]; /* the next one in that queue; of a ghost: the expert's time of its eviction */
  uint16_t chain;              /* the next of its bucket, or the next spare one */
  uint16_t next;               /* the node that is expected after it, if its hash ends as this says */
  uint8_t next_tag;
  uint8_t next_sure; /* how often it came, less how often another did, up to three */
  uint8_t count;     /* how often asked for */
  uint8_t seen : 2;  /* of the true cache's touches of it, where that one uses them up itself */
  uint8_t used : 1;
};

#define LRD_SHADOW_COUNT 15u /* how often asked for, at most */
#define LRD_SHADOW_QUEUE 7u  /* of a place */
#define LRD_SHADOW_TOUCH 8u  /* one reading in it */
#define LRD_SHADOW_READ  24u

/* Of every place of a node, at once. */
#define LRD_EACH_EXPERT UINT64_C(0x0101010101010101)
_Static_assert(LRD_EXPERTS == sizeof(uint64_t), "a byte for each expert");

/* 1 in the bytes of those that hold it: in the window, on trial or in main. */
static inline uint64_t lrd_places_held(uint64_t places) { return (places | places >> 1) & LRD_EACH_EXPERT; }
static inline uint64_t lrd_places_ghosts(uint64_t places) { return places / LRD_SHADOW_GHOSTS & LRD_EACH_EXPERT; }

/* One more reading for all that hold it, up to three. */
static inline void lrd_shadow_touch(lrd_shadow_node *node) {
  uint64_t places = lrd_get_u64(node->places), full = places >> 3 & places >> 4;
  lrd_put_u64(node->places, places + ((lrd_places_held(places) & ~full) << 3));
}

static inline unsigned lrd_place_queue(uint8_t place) { return place & LRD_SHADOW_QUEUE; }
static inline unsigned lrd_place_touches(uint8_t place) { return place / LRD_SHADOW_TOUCH; }

/* Who still remembers the node among its ghosts: whose time has not passed since by more than what it holds. */
static inline uint64_t lrd_shadow_remembering(const lrd_shadow *shadow, const lrd_shadow_node *node) {
  uint64_t ghosts = lrd_places_ghosts(lrd_get_u64(node->places));
  if (ghosts == 0) return 0;
  __m128i age = _mm_sub_epi16(_mm_loadu_si128((const __m128i *)(const void *)shadow->times),
                              _mm_loadu_si128((const __m128i *)(const void *)node->newer));
  __m128i most = _mm_add_epi16(_mm_loadu_si128((const __m128i *)(const void *)shadow->counts), _mm_set1_epi16(1));
  __m128i within = _mm_cmpeq_epi16(_mm_subs_epu16(age, most), _mm_setzero_si128());
  return ghosts & (uint64_t)_mm_cvtsi128_si64(_mm_packs_epi16(within, within));
}

/* These experts (a byte for each) do not have it, and some of them remember it. Who has to go for it goes. */
void lrd_shadow_take(lrd_shadow *shadow, uint16_t at, uint64_t missing, uint64_t back);
/* Who goes next, by the expert's rules, goes: its node; 0: it holds nothing. `tells`: calls `left`, if the expert leads. */
uint16_t lrd_shadow_evict(lrd_shadow *shadow, unsigned expert, bool tells);
/* What follows from another room. */
void lrd_shadow_fit(lrd_shadow *shadow, uint64_t room);
void lrd_shadow_push(lrd_shadow *shadow, unsigned expert, unsigned queue, uint16_t at, unsigned touches);
/* The expert remembers it from now on. */
void lrd_shadow_haunt(lrd_shadow *shadow, unsigned expert, uint16_t at);
/* The key was asked for, after what was asked for before: what is expected after it counts as read. */
void lrd_shadow_expect(lrd_shadow *shadow, uint16_t at);
/* How often the record was read since its touches were used up: of this policy's all count up to three. */
static inline unsigned lrd_shadow_read(const lrd_record *record) {
  return LRD_TOUCH_LEFT & ~(unsigned)atomic_load_explicit(&record->touch, memory_order_relaxed);
}
/* About how many keys of the sample fit. */
static inline uint32_t lrd_shadow_held(const lrd_shadow *shadow) { return shadow->counts[shadow->chosen]; }
/* So many regrets say something: some, and one for each entry that fits. */
static inline uint32_t lrd_shadow_horizon(const lrd_shadow *shadow) { return 200 + lrd_shadow_held(shadow); }
/* Whether readings of what the true cache has of it are to be logged. */
static inline void lrd_shadow_log(const lrd_shadow *shadow, const lrd_shadow_node *node, bool logged) {
  if (shadow->arena && node->handle) lrd_touch_log(lrd_arena_at(shadow->arena, node->handle), logged);
}
/* They are, if not all experts hold it. */
static inline void lrd_shadow_log_fit(const lrd_shadow *shadow, const lrd_shadow_node *node) {
  lrd_shadow_log(shadow, node, shadow->logs && lrd_places_held(lrd_get_u64(node->places)) != LRD_EACH_EXPERT);
}
/* Readings that were not logged. */
void lrd_shadow_settle(lrd_shadow *shadow, lrd_shadow_node *node);
/* The expert holds nothing and remembers nothing; the places of the nodes are left to the caller. */
void lrd_shadow_empty(lrd_shadow *shadow, unsigned expert);
/* The expert has what the leading one has. */
void lrd_shadow_copy(lrd_shadow *shadow, unsigned expert);
/* Unlinks all that is not `kept` from the expert's queues; the places of these are left to the caller. */
void lrd_shadow_thin(lrd_shadow *shadow, unsigned expert, bool (*kept)(const lrd_shadow *, const lrd_shadow_node *));

#endif
