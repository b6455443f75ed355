/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One expert of the shadows. Its queues are linked one way, from the oldest on, since all leave at that end; a deleted node
 * stays linked, without weight, until it gets there. Ghosts are in no queue: a node says when it was evicted, by the
 * expert's own time, which passes by evictions, half as fast for those that came back.
 */
#include "base/fail.h"
#include "shadow_inner.h"

#define INLINE      static inline __attribute__((always_inline)) /* calls took as long as what they do */
#define ROOM_WAVERS 16u                                          /* by a part of it, while many go for one */
#define TIME_SWEPT  16384u /* long before the time of a ghost that was not swept away comes round again */

/* --- queues -------------------------------------------------------------------------------------------------------------- */

INLINE void queue_push(lrd_shadow *shadow, unsigned expert, unsigned queue, uint16_t at, unsigned touches) {
  lrd_shadow_queue *list = &shadow->sides[expert].queues[queue];
  lrd_shadow_node *node = &shadow->nodes[at];
  node->places[expert] = (uint8_t)(queue + touches * LRD_SHADOW_TOUCH);
  node->newer[expert] = 0;
  if (list->newest)
    shadow->nodes[list->newest].newer[expert] = at;
  else
    list->oldest = at;
  list->newest = at;
  list->weight += node->weight;
}

/* Unlinks the oldest. */
INLINE void queue_pop(lrd_shadow *shadow, unsigned expert, unsigned queue) {
  lrd_shadow_queue *list = &shadow->sides[expert].queues[queue];
  const lrd_shadow_node *node = &shadow->nodes[list->oldest];
  list->oldest = node->newer[expert];
  if (list->oldest == 0) list->newest = 0;
  list->weight -= node->weight;
}

/* The oldest moves on. */
INLINE void queue_move(lrd_shadow *shadow, unsigned expert, unsigned from, unsigned to, unsigned touches) {
  uint16_t at = shadow->sides[expert].queues[from].oldest;
  queue_pop(shadow, expert, from);
  queue_push(shadow, expert, to, at, touches);
}

/* Who does not hold it has its readings logged; so those that were not are readings of all. */
static void read_by_all(lrd_shadow *shadow, lrd_shadow_node *node, lrd_record *record, unsigned touches) {
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

INLINE void settle(lrd_shadow *shadow, lrd_shadow_node *node) {
  if (shadow->arena == NULL || node->handle == 0) return;
  lrd_record *record = lrd_arena_at(shadow->arena, node->handle);
  unsigned touches = lrd_touch_freq(record);
  if (touches != node->seen) read_by_all(shadow, node, record, touches);
}

void lrd_shadow_settle(lrd_shadow *shadow, lrd_shadow_node *node) { settle(shadow, node); }

INLINE unsigned touches_of(lrd_shadow *shadow, unsigned expert, uint16_t at) {
  lrd_shadow_node *node = &shadow->nodes[at];
  settle(shadow, node);
  return lrd_place_touches(node->places[expert]);
}

/* The oldest that was not deleted; 0: there is none. */
INLINE uint16_t queue_oldest(lrd_shadow *shadow, unsigned expert, unsigned queue) {
  lrd_shadow_side *side = &shadow->sides[expert];
  for (;;) {
    uint16_t at = side->queues[queue].oldest;
    if (at == 0 || shadow->nodes[at].weight) return at;
    queue_pop(shadow, expert, queue);
    side->count--;
    shadow->nodes[at].places[expert] = LRD_SHADOW_NONE;
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
        queue_push(shadow, expert, queue, at, lrd_place_touches(node->places[expert]));
        continue;
      }
      side->count--;
      side->weight -= node->weight;
    }
  }
}

void lrd_shadow_empty(lrd_shadow *shadow, unsigned expert) {
  lrd_shadow_side *side = &shadow->sides[expert];
  *side = (lrd_shadow_side){.window_max = side->window_max, .main_max = side->main_max, .time = side->time};
}

/* Who is on trial leaves as the window's oldest where there is no trial. */
void lrd_shadow_copy(lrd_shadow *shadow, unsigned expert) {
  unsigned from = shadow->chosen;
  lrd_shadow_side *side = &shadow->sides[expert], own = *side;
  *side = shadow->sides[from];
  side->window_max = own.window_max;
  side->main_max = own.main_max;
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
INLINE uint16_t main_next(lrd_shadow *shadow, unsigned expert) {
  for (;;) {
    uint16_t at = queue_oldest(shadow, expert, LRD_SHADOW_MAIN);
    unsigned touches = at ? touches_of(shadow, expert, at) : 0;
    if (touches == 0) return at;
    queue_move(shadow, expert, LRD_SHADOW_MAIN, LRD_SHADOW_MAIN, touches - 1);
  }
}

/* The next to go of those on trial, when what was read has moved to main; else main's. 0: there is neither. */
INLINE uint16_t trial_next(lrd_shadow *shadow, unsigned expert) {
  const lrd_shadow_side *side = &shadow->sides[expert];
  for (unsigned i = 0; i < LRD_EXPERT_MOVES && side->queues[LRD_SHADOW_MAIN].weight > side->main_max; i++) {
    (void)main_next(shadow, expert);
    queue_move(shadow, expert, LRD_SHADOW_MAIN, LRD_SHADOW_TRIAL, 0);
  }
  for (;;) {
    uint16_t at = queue_oldest(shadow, expert, LRD_SHADOW_TRIAL);
    if (at == 0) return main_next(shadow, expert);
    if (touches_of(shadow, expert, at) == 0) return at;
    queue_move(shadow, expert, LRD_SHADOW_TRIAL, LRD_SHADOW_MAIN, 0);
  }
}

INLINE uint16_t victim_by_contest(lrd_shadow *shadow, unsigned expert) {
  const lrd_shadow_side *side = &shadow->sides[expert];
  uint16_t next = trial_next(shadow, expert), candidate = queue_oldest(shadow, expert, LRD_SHADOW_WINDOW);
  if (candidate == 0 || next == 0) return candidate ? candidate : next;
  if (side->queues[LRD_SHADOW_WINDOW].weight < side->window_max) return next;
  (void)touches_of(shadow, expert, candidate);
  const lrd_shadow_node *one = &shadow->nodes[candidate], *other = &shadow->nodes[next];
  if (!lrd_expert_wins(one->count, one->weight, other->count, other->weight)) return candidate;
  queue_move(shadow, expert, LRD_SHADOW_WINDOW, LRD_SHADOW_TRIAL, 0);
  return next;
}

INLINE uint16_t victim_by_touches(lrd_shadow *shadow, unsigned expert) {
  const lrd_expert *rules = &lrd_experts[expert];
  const lrd_shadow_side *side = &shadow->sides[expert];
  for (;;) {
    uint16_t at = queue_oldest(shadow, expert, LRD_SHADOW_WINDOW);
    if (at == 0 || side->queues[LRD_SHADOW_MAIN].weight > side->main_max) return main_next(shadow, expert);
    unsigned touches = touches_of(shadow, expert, at);
    if (touches < rules->moves_at) return at;
    bool stays = rules->window_percent == 100;
    queue_move(shadow, expert, LRD_SHADOW_WINDOW, stays ? LRD_SHADOW_WINDOW : LRD_SHADOW_MAIN, stays ? touches - 1 : 0);
  }
}

INLINE void ghost_add(lrd_shadow *shadow, unsigned expert, lrd_shadow_node *node) {
  lrd_shadow_side *side = &shadow->sides[expert];
  node->places[expert] = LRD_SHADOW_GHOSTS;
  node->newer[expert] = side->time;
  if (side->back >= 2) {
    side->back -= 2;
    return;
  }
  side->time++;
  if (side->time % TIME_SWEPT == 0) shadow->sweep_due = true;
}

INLINE uint16_t expert_evict(lrd_shadow *shadow, unsigned expert) {
  const lrd_expert *rules = &lrd_experts[expert];
  lrd_shadow_side *side = &shadow->sides[expert];
  uint16_t at = rules->contest ? victim_by_contest(shadow, expert) : victim_by_touches(shadow, expert);
  if (at == 0) return 0;
  lrd_shadow_node *node = &shadow->nodes[at];
  unsigned queue = lrd_place_queue(node->places[expert]);
  queue_pop(shadow, expert, queue);
  side->count--;
  side->weight -= node->weight;
  if (queue == LRD_SHADOW_MAIN && rules->ghosts)
    node->places[expert] = LRD_SHADOW_NONE;
  else
    ghost_add(shadow, expert, node);
  if (shadow->logs) lrd_shadow_log(shadow, node, true);
  if (expert == shadow->chosen && shadow->left && node->handle) shadow->left(shadow->context, node->handle);
  return at;
}

void lrd_shadow_haunt(lrd_shadow *shadow, unsigned expert, uint16_t at) { ghost_add(shadow, expert, &shadow->nodes[at]); }

void lrd_shadow_push(lrd_shadow *shadow, unsigned expert, unsigned queue, uint16_t at, unsigned touches) {
  queue_push(shadow, expert, queue, at, touches);
  shadow->sides[expert].weight += shadow->nodes[at].weight;
  shadow->sides[expert].count++;
}

uint16_t lrd_shadow_evict(lrd_shadow *shadow, unsigned expert) { return expert_evict(shadow, expert); }

/* Where there is much less room than there was, whoever has all that is asked for would keep what cannot be kept. */
void lrd_shadow_fit(lrd_shadow *shadow, uint64_t room) {
  room >>= shadow->rate_shift;
  if (room == 0) room = 1;
  if (room == shadow->room) return;
  shadow->room = room;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    lrd_shadow_side *side = &shadow->sides[expert];
    side->window_max = lrd_expert_window(&lrd_experts[expert], room);
    side->main_max = room - side->window_max;
    if (lrd_experts[expert].contest) side->main_max = lrd_expert_main(side->main_max);
    while (side->weight > room + room / ROOM_WAVERS && lrd_shadow_evict(shadow, expert) != 0) {
    }
  }
}

void lrd_shadow_take(lrd_shadow *shadow, unsigned expert, uint16_t at, bool back) {
  const lrd_expert *rules = &lrd_experts[expert];
  lrd_shadow_side *side = &shadow->sides[expert];
  uint32_t weight = shadow->nodes[at].weight;
  shadow->nodes[at].places[expert] = LRD_SHADOW_NONE;
  if (back && side->back < UINT8_MAX) side->back++;
  if (weight > shadow->room) return;
  while (side->weight + weight > shadow->room) {
    uint16_t gone = expert_evict(shadow, expert);
    LRD_ASSERT(gone);
  }
  side->weight += weight;
  side->count++;
  queue_push(shadow, expert, back && rules->ghosts ? LRD_SHADOW_MAIN : LRD_SHADOW_WINDOW, at, 0);
  if (!rules->contest) return;
  const lrd_shadow_queue *window = &side->queues[LRD_SHADOW_WINDOW];
  for (unsigned i = 0; i < LRD_EXPERT_MOVES && window->weight > side->window_max && window->oldest != window->newest; i++) {
    if (queue_oldest(shadow, expert, LRD_SHADOW_WINDOW) == at) return;
    unsigned touches = touches_of(shadow, expert, window->oldest);
    queue_move(shadow, expert, LRD_SHADOW_WINDOW, LRD_SHADOW_TRIAL, touches);
  }
}
