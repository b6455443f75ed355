/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One expert of the shadows. Its queues are linked one way, from the oldest on, since all leave at that end; a deleted node
 * stays linked, without weight, until it gets there. Ghosts are in no queue: a node says when it was evicted, by the
 * expert's own time, which passes by evictions, half as fast for those that came back.
 *
 * Eight experts take and evict for each key that is missing, so all of that is compiled once for each expert, with its rules
 * known, and what is the same for all its steps is held in a *hand*.
 */
#include "base/fail.h"
#include "shadow_inner.h"

#define INLINE      static inline __attribute__((always_inline)) /* calls took as long as what they do */
#define ROOM_WAVERS 16u                                          /* by a part of it, while many go for one */
#define TIME_SWEPT  16384u /* long before the time of a ghost that was not swept away comes round again */

const lrd_expert lrd_experts[LRD_EXPERTS] = {
    [LARDER_EXPERT_S3_FIFO] = {10, 2, false, true, false},  [LARDER_EXPERT_MARKOV] = {10, 2, false, true, true},
    [LARDER_EXPERT_S3_30] = {30, 1, false, true, false},    [LARDER_EXPERT_RECENCY] = {60, 2, false, true, false},
    [LARDER_EXPERT_CLOCK] = {100, 1, false, false, false},  [LARDER_EXPERT_LIRS_LIKE] = {1, 1, false, true, false},
    [LARDER_EXPERT_TINYLFU_1] = {1, 0, true, false, false}, [LARDER_EXPERT_TINYLFU_20] = {20, 0, true, false, false},
};

typedef struct hand {
  lrd_shadow *shadow;
  lrd_shadow_node *nodes;
  lrd_shadow_side *side;
  const lrd_arena *arena;
  unsigned expert;
} hand;

INLINE hand hand_of(lrd_shadow *shadow, unsigned expert) {
  return (hand){shadow, shadow->nodes, &shadow->sides[expert], shadow->arena, expert};
}

/* --- queues -------------------------------------------------------------------------------------------------------------- */

INLINE void queue_push(hand h, unsigned queue, uint16_t at, unsigned touches) {
  lrd_shadow_queue *list = &h.side->queues[queue];
  lrd_shadow_node *node = &h.nodes[at];
  uint16_t newest = list->newest;
  list->newest = at;
  list->weight += node->weight;
  if (newest)
    h.nodes[newest].newer[h.expert] = at;
  else
    list->oldest = at;
  node->newer[h.expert] = 0;
  node->places[h.expert] = (uint8_t)(queue + touches * LRD_SHADOW_TOUCH);
}

/* Unlinks the oldest. */
INLINE void queue_pop(hand h, unsigned queue, const lrd_shadow_node *oldest) {
  lrd_shadow_queue *list = &h.side->queues[queue];
  list->oldest = oldest->newer[h.expert];
  if (list->oldest == 0) list->newest = 0;
  list->weight -= oldest->weight;
}

/* The oldest moves on. */
INLINE void queue_move(hand h, unsigned from, unsigned to, unsigned touches) {
  uint16_t at = h.side->queues[from].oldest;
  queue_pop(h, from, &h.nodes[at]);
  queue_push(h, to, at, touches);
}

/* Who does not hold it has its readings logged; so those that were not are readings of all. */
static __attribute__((noinline)) void read_by_all(lrd_shadow *shadow, lrd_shadow_node *node, lrd_record *record,
                                                  unsigned touches) {
  unsigned read = touches > node->seen ? touches - node->seen : 0;
  if (shadow->left)
    lrd_touch_set(record, 0);
  else
    node->seen = touches & 3;
  for (unsigned i = 0; i < read; i++) lrd_shadow_touch(node);
  node->count = (uint8_t)(node->count + read < LRD_SHADOW_COUNT ? node->count + read : LRD_SHADOW_COUNT);
  if (shadow->resting) return;
  shadow->asked += read;
  shadow->led[shadow->chosen] += read;
  shadow->counted += read;
}

INLINE void settle(lrd_shadow *shadow, const lrd_arena *arena, lrd_shadow_node *node) {
  if (arena == NULL || node->handle == 0) return;
  lrd_record *record = lrd_arena_at(arena, node->handle);
  unsigned touches = lrd_shadow_read(record);
  if (touches != node->seen) read_by_all(shadow, node, record, touches);
}

void lrd_shadow_settle(lrd_shadow *shadow, lrd_shadow_node *node) { settle(shadow, shadow->arena, node); }

INLINE unsigned touches_of(hand h, uint16_t at) {
  settle(h.shadow, h.arena, &h.nodes[at]);
  return lrd_place_touches(h.nodes[at].places[h.expert]);
}

/* The oldest that was not deleted; 0: there is none. */
INLINE uint16_t queue_oldest(hand h, unsigned queue) {
  for (;;) {
    uint16_t at = h.side->queues[queue].oldest;
    if (at == 0 || h.nodes[at].weight) return at;
    queue_pop(h, queue, &h.nodes[at]);
    h.shadow->counts[h.expert]--;
    h.nodes[at].places[h.expert] = LRD_SHADOW_NONE;
  }
}

void lrd_shadow_thin(lrd_shadow *shadow, unsigned expert, bool (*kept)(const lrd_shadow *, const lrd_shadow_node *)) {
  lrd_shadow_side *side = &shadow->sides[expert];
  for (unsigned queue = LRD_SHADOW_WINDOW; queue <= LRD_SHADOW_MAIN; queue++) {
    lrd_shadow_queue all = side->queues[queue];
    side->queues[queue] = (lrd_shadow_queue){0};
    for (uint16_t at = all.oldest, next; at; at = next) {
      const lrd_shadow_node *node = &shadow->nodes[at];
      next = node->newer[expert];
      if (kept(shadow, node)) {
        queue_push(hand_of(shadow, expert), queue, at, lrd_place_touches(node->places[expert]));
        continue;
      }
      shadow->counts[expert]--;
      side->weight -= node->weight;
    }
  }
}

void lrd_shadow_empty(lrd_shadow *shadow, unsigned expert) {
  lrd_shadow_side *side = &shadow->sides[expert];
  *side = (lrd_shadow_side){.window_max = side->window_max, .main_max = side->main_max};
  shadow->counts[expert] = 0;
}

/* Who is on trial leaves as the window's oldest where there is no trial. */
void lrd_shadow_copy(lrd_shadow *shadow, unsigned expert) {
  unsigned from = shadow->chosen;
  lrd_shadow_side *side = &shadow->sides[expert], own = *side;
  *side = shadow->sides[from];
  side->window_max = own.window_max;
  side->main_max = own.main_max;
  shadow->counts[expert] = shadow->counts[from];
  shadow->times[expert] = shadow->times[from];
  lrd_shadow_queue *window = &side->queues[LRD_SHADOW_WINDOW], trial = side->queues[LRD_SHADOW_TRIAL];
  bool joins = trial.oldest && !lrd_experts[expert].contest;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    lrd_shadow_node *node = &shadow->nodes[at];
    node->places[expert] = node->places[from];
    node->newer[expert] = node->newer[from];
    if (joins && lrd_place_queue(node->places[from]) == LRD_SHADOW_TRIAL)
      node->places[expert] -= LRD_SHADOW_TRIAL - LRD_SHADOW_WINDOW;
  }
  if (!joins) return;
  shadow->nodes[trial.newest].newer[expert] = window->oldest;
  window->oldest = trial.oldest;
  if (window->newest == 0) window->newest = trial.newest;
  window->weight += trial.weight;
  side->queues[LRD_SHADOW_TRIAL] = (lrd_shadow_queue){0};
}

/* --- who goes ------------------------------------------------------------------------------------------------------------ */

/* Main's next to go, after rounds for what was read. 0: main is empty. */
INLINE uint16_t main_next(hand h) {
  for (;;) {
    uint16_t at = queue_oldest(h, LRD_SHADOW_MAIN);
    unsigned touches = at ? touches_of(h, at) : 0;
    if (touches == 0) return at;
    queue_move(h, LRD_SHADOW_MAIN, LRD_SHADOW_MAIN, touches - 1);
  }
}

/* The next to go of those on trial, when what was read has moved to main; else main's. 0: there is neither. */
INLINE uint16_t trial_next(hand h) {
  for (unsigned i = 0; i < LRD_EXPERT_MOVES && h.side->queues[LRD_SHADOW_MAIN].weight > h.side->main_max; i++) {
    (void)main_next(h);
    queue_move(h, LRD_SHADOW_MAIN, LRD_SHADOW_TRIAL, 0);
  }
  for (;;) {
    uint16_t at = queue_oldest(h, LRD_SHADOW_TRIAL);
    if (at == 0) return main_next(h);
    if (touches_of(h, at) == 0) return at;
    queue_move(h, LRD_SHADOW_TRIAL, LRD_SHADOW_MAIN, 0);
  }
}

INLINE uint16_t victim_by_contest(hand h) {
  uint16_t next = trial_next(h), candidate = queue_oldest(h, LRD_SHADOW_WINDOW);
  if (candidate == 0 || next == 0) return candidate ? candidate : next;
  if (h.side->queues[LRD_SHADOW_WINDOW].weight < h.side->window_max) return next;
  (void)touches_of(h, candidate);
  const lrd_shadow_node *one = &h.nodes[candidate], *other = &h.nodes[next];
  if (!lrd_expert_wins(one->count, one->weight, other->count, other->weight)) return candidate;
  queue_move(h, LRD_SHADOW_WINDOW, LRD_SHADOW_TRIAL, 0);
  return next;
}

INLINE uint16_t victim_by_touches(hand h, const lrd_expert *rules) {
  for (;;) {
    uint16_t at = queue_oldest(h, LRD_SHADOW_WINDOW);
    if (at == 0 || h.side->queues[LRD_SHADOW_MAIN].weight > h.side->main_max) return main_next(h);
    unsigned touches = touches_of(h, at);
    if (touches < rules->moves_at) return at;
    bool stays = rules->window_percent == 100;
    queue_move(h, LRD_SHADOW_WINDOW, stays ? LRD_SHADOW_WINDOW : LRD_SHADOW_MAIN, stays ? touches - 1 : 0);
  }
}

INLINE void ghost_add(hand h, lrd_shadow_node *node) {
  lrd_shadow_side *side = h.side;
  node->newer[h.expert] = h.shadow->times[h.expert];
  node->places[h.expert] = LRD_SHADOW_GHOSTS;
  if (side->back >= 2) {
    side->back -= 2;
    return;
  }
  h.shadow->times[h.expert]++;
  if (h.shadow->times[h.expert] % TIME_SWEPT == 0) h.shadow->sweep_due = true;
}

INLINE uint16_t evict(hand h, const lrd_expert *rules, bool tells) {
  uint16_t at = rules->contest ? victim_by_contest(h) : victim_by_touches(h, rules);
  if (at == 0) return 0;
  lrd_shadow_node *node = &h.nodes[at];
  unsigned queue = lrd_place_queue(node->places[h.expert]);
  queue_pop(h, queue, node);
  h.shadow->counts[h.expert]--;
  h.side->weight -= node->weight;
  if (queue == LRD_SHADOW_MAIN && rules->ghosts)
    node->places[h.expert] = LRD_SHADOW_NONE;
  else
    ghost_add(h, node);
  if (node->handle == 0) return at;
  if (h.shadow->logs) lrd_shadow_log(h.shadow, node, true);
  if (tells && h.expert == h.shadow->chosen && h.shadow->left) h.shadow->left(h.shadow->context, node->handle);
  return at;
}

/* `most`: of the room, what it leaves. */
INLINE void take(hand h, const lrd_expert *rules, uint16_t at, uint64_t most, bool back) {
  lrd_shadow_side *side = h.side;
  while (side->weight > most) {
    uint16_t gone = evict(h, rules, true);
    LRD_ASSERT(gone);
  }
  side->weight += h.nodes[at].weight;
  h.shadow->counts[h.expert]++;
  queue_push(h, back && rules->ghosts ? LRD_SHADOW_MAIN : LRD_SHADOW_WINDOW, at, 0);
  if (!rules->contest) return;
  const lrd_shadow_queue *window = &side->queues[LRD_SHADOW_WINDOW];
  for (unsigned i = 0; i < LRD_EXPERT_MOVES && window->weight > side->window_max && window->oldest != window->newest; i++) {
    if (queue_oldest(h, LRD_SHADOW_WINDOW) == at) return;
    unsigned touches = touches_of(h, window->oldest);
    queue_move(h, LRD_SHADOW_WINDOW, LRD_SHADOW_TRIAL, touches);
  }
}

#define EACH_EXPERT(each) each(0) each(1) each(2) each(3) each(4) each(5) each(6) each(7)
#define TAKE(n)                                                                                                                \
  if (missing >> n * 8 & 1) take(hand_of(shadow, n), &lrd_experts[n], at, most, back >> n * 8 & 1);
#define EVICT(n)                                                                                                               \
  case n:                                                                                                                      \
    return evict(hand_of(shadow, n), &lrd_experts[n], tells);

void lrd_shadow_take(lrd_shadow *shadow, uint16_t at, uint64_t missing, uint64_t back) {
  lrd_shadow_node *node = &shadow->nodes[at];
  lrd_put_u64(node->places, lrd_get_u64(node->places) & ~(missing * UINT8_MAX));
  for (uint64_t left = back; left; left &= left - 1) {
    lrd_shadow_side *side = &shadow->sides[__builtin_ctzll(left) / 8];
    if (side->back < UINT8_MAX) side->back++;
  }
  if (node->weight > shadow->room) return;
  uint64_t most = shadow->room - node->weight;
  EACH_EXPERT(TAKE)
}

uint16_t lrd_shadow_evict(lrd_shadow *shadow, unsigned expert, bool tells) {
  switch (expert) {
    EACH_EXPERT(EVICT)
  default:
    return 0;
  }
}

void lrd_shadow_haunt(lrd_shadow *shadow, unsigned expert, uint16_t at) {
  ghost_add(hand_of(shadow, expert), &shadow->nodes[at]);
}

void lrd_shadow_push(lrd_shadow *shadow, unsigned expert, unsigned queue, uint16_t at, unsigned touches) {
  queue_push(hand_of(shadow, expert), queue, at, touches);
  shadow->sides[expert].weight += shadow->nodes[at].weight;
  shadow->counts[expert]++;
}

/* Where there is much less room than there was, whoever has all that is asked for would keep what cannot be kept. */
void lrd_shadow_fit(lrd_shadow *shadow, uint64_t room) {
  shadow->room = room;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    lrd_shadow_side *side = &shadow->sides[expert];
    side->window_max = lrd_expert_window(&lrd_experts[expert], room);
    side->main_max = room - side->window_max;
    if (lrd_experts[expert].contest) side->main_max = lrd_expert_main(side->main_max);
    while (side->weight > room + room / ROOM_WAVERS && lrd_shadow_evict(shadow, expert, true) != 0) {
    }
  }
}
