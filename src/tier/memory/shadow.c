/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node for each key that some expert holds or remembers, found by a chained table; in it, for each expert, in which queue
 * it is, how often it was read there, and its neighbours. A node goes when the last expert has forgotten it. Without a free
 * node the sample is halved, which frees about half of them.
 */
#include "shadow.h"

#define NODES_FIRST    256u
#define NODES_MOST     8192u
#define RATE_SHIFT_MAX 31u
#define COUNT_MAX      15u
#define COUNT_AGE      10u /* accesses for each entry that fits, after which counts are halved */
#define REGRET_ONE     1024u
#define REGRET_PART    33u  /* of its own regret, that the leader may have more than the best */
#define REGRET_FADES   8u   /* a part of it, when the least is above */
#define REGRETS_LEAST  200u /* and one for each entry that fits */

const lrd_expert lrd_experts[LRD_EXPERTS] = {
    [LARDER_EXPERT_S3_FIFO] = {10, 2, false, true, false},  [LARDER_EXPERT_S3_FIFO_2] = {10, 2, false, true, true},
    [LARDER_EXPERT_S3_30] = {30, 1, false, true, false},    [LARDER_EXPERT_RECENCY] = {60, 2, false, true, false},
    [LARDER_EXPERT_CLOCK] = {100, 1, false, false, false},  [LARDER_EXPERT_LIRS_LIKE] = {1, 1, false, true, false},
    [LARDER_EXPERT_TINYLFU_1] = {1, 0, true, false, false}, [LARDER_EXPERT_TINYLFU_20] = {20, 0, true, false, false},
};

struct lrd_shadow_node {
  uint64_t hash;
  uint32_t weight;
  uint32_t handle; /* in the true cache; 0: it is not there */
  uint16_t chain;  /* the next of its bucket, or the next spare one */
  uint8_t count;   /* how often asked for */
  uint8_t refs;    /* experts that hold or remember it; 0: spare */
  uint64_t places; /* a byte for each expert: in which queue it is (3 bits), how often read there (2 bits) */
  uint16_t newer[LRD_EXPERTS];
  uint16_t older[LRD_EXPERTS];
};

void lrd_shadow_init(lrd_shadow *shadow, uint64_t bytes_max) {
  uint64_t most = bytes_max / (sizeof(lrd_shadow_node) + sizeof *shadow->buckets * 2);
  *shadow = (lrd_shadow){.nodes_max = (uint32_t)(most < NODES_MOST ? most : NODES_MOST), .nodes_next = 1};
}

void lrd_shadow_fini(lrd_shadow *shadow) {
  lrd_dealloc(shadow->nodes);
  lrd_dealloc(shadow->buckets);
  *shadow = (lrd_shadow){0};
}

uint64_t lrd_shadow_bytes(const lrd_shadow *shadow) {
  if (shadow->nodes == NULL) return 0;
  return shadow->nodes_len * sizeof *shadow->nodes + (shadow->buckets_mask + 1) * sizeof *shadow->buckets;
}

/* Of every byte of `places`, at once. */
#define EACH_EXPERT UINT64_C(0x0101010101010101)
_Static_assert(LRD_EXPERTS == sizeof(uint64_t), "a byte for each expert");

/* 1 in the bytes of those that hold it: in the window, on trial or in main. */
static uint64_t places_held(uint64_t places) { return (places | places >> 1) & EACH_EXPERT; }

static uint8_t queue_of(const lrd_shadow_node *node, unsigned expert) { return node->places >> expert * 8 & 7; }

static unsigned touches_of(const lrd_shadow_node *node, unsigned expert) { return node->places >> (expert * 8 + 3) & 3; }

static void queue_set(lrd_shadow_node *node, unsigned expert, uint8_t queue) {
  node->places = (node->places & ~(UINT64_C(7) << expert * 8)) | (uint64_t)queue << expert * 8;
}

static void touches_set(lrd_shadow_node *node, unsigned expert, unsigned touches) {
  node->places = (node->places & ~(UINT64_C(24) << expert * 8)) | (uint64_t)touches << (expert * 8 + 3);
}

/* --- nodes --------------------------------------------------------------------------------------------------------------- */

static uint16_t *bucket_of(const lrd_shadow *shadow, uint64_t hash) {
  return &shadow->buckets[(hash * UINT64_C(0x9e3779b97f4a7c15) >> 40) & shadow->buckets_mask];
}

static uint16_t node_find(const lrd_shadow *shadow, uint64_t hash) {
  if (shadow->buckets == NULL) return 0;
  uint16_t at = *bucket_of(shadow, hash);
  while (at && shadow->nodes[at].hash != hash) at = shadow->nodes[at].chain;
  return at;
}

/* More nodes, up to nodes_max. False: there are none, or no memory. */
static bool nodes_grow(lrd_shadow *shadow) {
  uint32_t len = shadow->nodes_len ? shadow->nodes_len * 2 : NODES_FIRST, buckets = 1;
  if (len > shadow->nodes_max) len = shadow->nodes_max;
  if (len <= shadow->nodes_len || len < 2) return false;
  while (buckets * 2 <= len) buckets *= 2;
  uint16_t *fresh = lrd_alloc_zero(buckets, sizeof *fresh);
  lrd_shadow_node *nodes = fresh ? lrd_realloc(shadow->nodes, len * sizeof *nodes) : NULL;
  if (nodes == NULL) {
    lrd_dealloc(fresh);
    return false;
  }
  lrd_dealloc(shadow->buckets);
  shadow->buckets = fresh;
  shadow->buckets_mask = buckets - 1;
  shadow->nodes = nodes;
  shadow->nodes_len = len;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    if (nodes[at].refs == 0) continue;
    uint16_t *bucket = bucket_of(shadow, nodes[at].hash);
    nodes[at].chain = *bucket;
    *bucket = (uint16_t)at;
  }
  return true;
}

static void node_unref(lrd_shadow *shadow, uint16_t at) {
  lrd_shadow_node *node = &shadow->nodes[at];
  if (--node->refs) return;
  uint16_t *from = bucket_of(shadow, node->hash);
  while (*from != at) from = &shadow->nodes[*from].chain;
  *from = node->chain;
  node->chain = shadow->spare;
  shadow->spare = at;
  shadow->nodes_used--;
}

/* A node that no expert knows yet; 0: there is none to be had. */
static uint16_t node_new(lrd_shadow *shadow, uint64_t hash) {
  uint16_t at = shadow->spare;
  if (at)
    shadow->spare = shadow->nodes[at].chain;
  else if (shadow->nodes_next < shadow->nodes_len || nodes_grow(shadow))
    at = (uint16_t)shadow->nodes_next++;
  else
    return 0;
  uint16_t *bucket = bucket_of(shadow, hash);
  shadow->nodes[at] = (lrd_shadow_node){.hash = hash, .chain = *bucket};
  *bucket = at;
  shadow->nodes_used++;
  return at;
}

/* --- queues -------------------------------------------------------------------------------------------------------------- */

static void queue_push(lrd_shadow *shadow, unsigned expert, uint8_t queue, uint16_t at) {
  lrd_shadow_queue *list = &shadow->queues[expert][queue];
  lrd_shadow_node *node = &shadow->nodes[at];
  queue_set(node, expert, queue);
  node->newer[expert] = 0;
  node->older[expert] = list->newest;
  if (list->newest) shadow->nodes[list->newest].newer[expert] = at;
  list->newest = at;
  if (list->oldest == 0) list->oldest = at;
  list->count++;
  list->weight += node->weight;
}

static void queue_remove(lrd_shadow *shadow, unsigned expert, uint16_t at) {
  lrd_shadow_node *node = &shadow->nodes[at];
  lrd_shadow_queue *list = &shadow->queues[expert][queue_of(node, expert)];
  uint16_t newer = node->newer[expert], older = node->older[expert];
  if (newer)
    shadow->nodes[newer].older[expert] = older;
  else
    list->newest = older;
  if (older)
    shadow->nodes[older].newer[expert] = newer;
  else
    list->oldest = newer;
  list->count--;
  list->weight -= node->weight;
  queue_set(node, expert, LRD_SHADOW_NONE);
}

static void queue_move(lrd_shadow *shadow, unsigned expert, uint8_t queue, uint16_t at) {
  queue_remove(shadow, expert, at);
  queue_push(shadow, expert, queue, at);
}

static void node_drop(lrd_shadow *shadow, uint16_t at) {
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    if (queue_of(&shadow->nodes[at], expert) == LRD_SHADOW_NONE) continue;
    queue_remove(shadow, expert, at);
    node_unref(shadow, at);
  }
}

static void node_weigh(lrd_shadow *shadow, uint16_t at, uint32_t weight) {
  lrd_shadow_node *node = &shadow->nodes[at];
  for (unsigned expert = 0; expert < LRD_EXPERTS && weight != node->weight; expert++) {
    if (queue_of(node, expert) != LRD_SHADOW_NONE)
      shadow->queues[expert][queue_of(node, expert)].weight += (uint64_t)weight - node->weight;
  }
  node->weight = weight;
}

/* --- one expert ---------------------------------------------------------------------------------------------------------- */

static uint64_t shadow_room(const lrd_shadow *shadow, uint64_t room) {
  room >>= shadow->rate_shift;
  return room ? room : 1;
}

/* Main's next to go, after rounds for what was read. 0: main is empty. */
static uint16_t main_next(lrd_shadow *shadow, unsigned expert) {
  for (;;) {
    uint16_t at = shadow->queues[expert][LRD_SHADOW_MAIN].oldest;
    unsigned touches = at ? touches_of(&shadow->nodes[at], expert) : 0;
    if (touches == 0) return at;
    touches_set(&shadow->nodes[at], expert, touches - 1);
    queue_move(shadow, expert, LRD_SHADOW_MAIN, at);
  }
}

/* The next to go of those on trial, when what was read has moved to main; else main's. 0: there is neither. */
static uint16_t trial_next(lrd_shadow *shadow, unsigned expert, uint64_t main_max) {
  const lrd_shadow_queue *queues = shadow->queues[expert];
  for (unsigned i = 0; i < LRD_EXPERT_MOVES && queues[LRD_SHADOW_MAIN].weight > main_max; i++) {
    queue_move(shadow, expert, LRD_SHADOW_TRIAL, main_next(shadow, expert));
  }
  for (;;) {
    uint16_t at = queues[LRD_SHADOW_TRIAL].oldest;
    if (at == 0) return main_next(shadow, expert);
    if (touches_of(&shadow->nodes[at], expert) == 0) return at;
    touches_set(&shadow->nodes[at], expert, 0);
    queue_move(shadow, expert, LRD_SHADOW_MAIN, at);
  }
}

static uint16_t victim_by_contest(lrd_shadow *shadow, unsigned expert, uint64_t room) {
  const lrd_shadow_queue *window = &shadow->queues[expert][LRD_SHADOW_WINDOW];
  uint64_t window_max = lrd_expert_window(&lrd_experts[expert], room);
  uint16_t next = trial_next(shadow, expert, lrd_expert_main(room - window_max)), candidate = window->oldest;
  if (candidate == 0 || next == 0) return candidate ? candidate : next;
  if (window->weight < window_max) return next;
  const lrd_shadow_node *one = &shadow->nodes[candidate], *other = &shadow->nodes[next];
  if (!lrd_expert_wins(one->count, one->weight, other->count, other->weight)) return candidate;
  touches_set(&shadow->nodes[candidate], expert, 0);
  queue_move(shadow, expert, LRD_SHADOW_TRIAL, candidate);
  return next;
}

static uint16_t expert_victim(lrd_shadow *shadow, unsigned expert, uint64_t room) {
  const lrd_expert *rules = &lrd_experts[expert];
  const lrd_shadow_queue *queues = shadow->queues[expert];
  uint64_t window = lrd_expert_window(rules, room);
  if (rules->contest) return victim_by_contest(shadow, expert, room);
  for (;;) {
    uint16_t at = queues[LRD_SHADOW_WINDOW].oldest;
    if (at == 0 || queues[LRD_SHADOW_MAIN].weight > room - window) return main_next(shadow, expert);
    if (touches_of(&shadow->nodes[at], expert) < rules->moves_at) return at;
    if (rules->window_percent == 100) {
      touches_set(&shadow->nodes[at], expert, touches_of(&shadow->nodes[at], expert) - 1);
      queue_move(shadow, expert, LRD_SHADOW_WINDOW, at);
      continue;
    }
    touches_set(&shadow->nodes[at], expert, 0);
    queue_move(shadow, expert, LRD_SHADOW_MAIN, at);
  }
}

static void expert_evict(lrd_shadow *shadow, unsigned expert, uint64_t room) {
  lrd_shadow_queue *queues = shadow->queues[expert];
  uint16_t at = expert_victim(shadow, expert, room);
  touches_set(&shadow->nodes[at], expert, queue_of(&shadow->nodes[at], expert) == LRD_SHADOW_MAIN);
  if (touches_of(&shadow->nodes[at], expert) && lrd_experts[expert].ghosts && !lrd_experts[expert].ghosts_of_main) {
    queue_remove(shadow, expert, at);
    node_unref(shadow, at);
    return;
  }
  queue_move(shadow, expert, LRD_SHADOW_GHOSTS, at);
  uint32_t held = queues[LRD_SHADOW_WINDOW].count + queues[LRD_SHADOW_TRIAL].count + queues[LRD_SHADOW_MAIN].count;
  while (queues[LRD_SHADOW_GHOSTS].count > held + 1) {
    uint16_t oldest = queues[LRD_SHADOW_GHOSTS].oldest;
    queue_remove(shadow, expert, oldest);
    node_unref(shadow, oldest);
  }
}

static uint64_t expert_weight(const lrd_shadow *shadow, unsigned expert) {
  const lrd_shadow_queue *queues = shadow->queues[expert];
  return queues[LRD_SHADOW_WINDOW].weight + queues[LRD_SHADOW_TRIAL].weight + queues[LRD_SHADOW_MAIN].weight;
}

/* The expert does not have it. The node is held by the caller. */
static void expert_take(lrd_shadow *shadow, unsigned expert, uint16_t at, uint64_t room) {
  const lrd_expert *rules = &lrd_experts[expert];
  const lrd_shadow_queue *queues = shadow->queues[expert];
  lrd_shadow_node *node = &shadow->nodes[at];
  bool ghost = queue_of(node, expert) == LRD_SHADOW_GHOSTS;
  if (ghost) {
    queue_remove(shadow, expert, at);
    node_unref(shadow, at);
  }
  if (node->weight > room) return;
  while (expert_weight(shadow, expert) + node->weight > room) expert_evict(shadow, expert, room);
  touches_set(node, expert, 0);
  node->refs++;
  queue_push(shadow, expert, ghost && rules->ghosts ? LRD_SHADOW_MAIN : LRD_SHADOW_WINDOW, at);
  uint64_t window = lrd_expert_window(rules, room);
  for (int i = 0; rules->contest && i < LRD_EXPERT_MOVES && queues[LRD_SHADOW_WINDOW].weight > window; i++) {
    if (queues[LRD_SHADOW_WINDOW].count > 1) queue_move(shadow, expert, LRD_SHADOW_TRIAL, queues[LRD_SHADOW_WINDOW].oldest);
  }
}

/* --- all of them --------------------------------------------------------------------------------------------------------- */

/* About how many keys of the sample fit. */
static uint32_t shadow_held(const lrd_shadow *shadow) {
  return shadow->queues[0][LRD_SHADOW_WINDOW].count + shadow->queues[0][LRD_SHADOW_MAIN].count;
}

/* Half as many keys from now on. */
static void sample_halve(lrd_shadow *shadow) {
  shadow->rate_shift++;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    if (shadow->nodes[at].refs && !lrd_shadow_samples(shadow, shadow->nodes[at].hash)) node_drop(shadow, (uint16_t)at);
  }
}

/* Another one leads if it regrets less by more than chance would have it: a part, and the root of what was counted. */
static void shadow_choose(lrd_shadow *shadow) {
  unsigned best = 0;
  for (unsigned expert = 1; expert < LRD_EXPERTS; expert++) {
    if (shadow->regret[expert] < shadow->regret[best]) best = expert;
  }
  uint64_t own = shadow->regret[shadow->chosen], least = shadow->regret[best], part = own / REGRET_PART;
  uint64_t beyond = own - least > part ? own - least - part : 0;
  if (beyond * beyond > own * REGRET_ONE) {
    shadow->chosen = (uint8_t)best;
    shadow->switches++;
  }
  if (least < (REGRETS_LEAST + shadow_held(shadow)) * REGRET_ONE) return;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) shadow->regret[expert] -= shadow->regret[expert] / REGRET_FADES;
}

static void count_age(lrd_shadow *shadow) {
  if (++shadow->counted < (shadow_held(shadow) + 1) * COUNT_AGE) return;
  shadow->counted /= 2;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) shadow->nodes[at].count /= 2;
}

bool lrd_shadow_access(lrd_shadow *shadow, uint64_t hash, uint64_t weight, uint64_t room, uint32_t handle) {
  uint16_t at = node_find(shadow, hash);
  bool known = at != 0;
  while (at == 0 && (at = node_new(shadow, hash)) == 0) {
    if (shadow->nodes_used == 0 || shadow->rate_shift == RATE_SHIFT_MAX) return false; /* no memory at all */
    sample_halve(shadow);
    if (!lrd_shadow_samples(shadow, hash)) return false;
  }
  room = shadow_room(shadow, room);
  lrd_shadow_node *node = &shadow->nodes[at];
  node->refs++; /* ours, until the end */
  node_weigh(shadow, at, (uint32_t)(weight < UINT32_MAX ? weight : UINT32_MAX));
  if (node->count < COUNT_MAX) node->count++;
  node->handle = handle;
  uint64_t held = places_held(node->places), full = node->places >> 3 & node->places >> 4;
  node->places += (held & ~full) << 3;
  for (uint64_t missing = ~held & EACH_EXPERT; missing; missing &= missing - 1) {
    unsigned expert = (unsigned)__builtin_ctzll(missing) / 8;
    expert_take(shadow, expert, at, room);
    shadow->missed[expert]++;
    if (known) shadow->regret[expert] += REGRET_ONE;
  }
  node_unref(shadow, at);
  shadow->asked++;
  shadow->led[shadow->chosen]++;
  count_age(shadow);
  uint8_t led_by = shadow->chosen;
  if (held != EACH_EXPERT) shadow_choose(shadow);
  return led_by != shadow->chosen;
}

void lrd_shadow_leave(lrd_shadow *shadow, uint64_t hash, bool deleted) {
  uint16_t at = node_find(shadow, hash);
  if (at == 0) return;
  shadow->nodes[at].handle = 0;
  if (deleted) node_drop(shadow, at);
}

uint8_t lrd_shadow_place(const lrd_shadow *shadow, uint64_t hash) {
  uint16_t at = node_find(shadow, hash);
  return at ? queue_of(&shadow->nodes[at], shadow->chosen) : LRD_SHADOW_NONE;
}

uint32_t lrd_shadow_next_held(const lrd_shadow *shadow, uint32_t *at) {
  while (++*at < shadow->nodes_next) {
    if (shadow->nodes[*at].refs && shadow->nodes[*at].handle) return shadow->nodes[*at].handle;
  }
  return 0;
}

void lrd_shadow_catch_up(lrd_shadow *shadow, uint32_t at, unsigned touches) {
  lrd_shadow_node *node = &shadow->nodes[at];
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    if (touches > touches_of(node, expert)) touches_set(node, expert, touches);
  }
  node->count = (uint8_t)(node->count + touches < COUNT_MAX ? node->count + touches : COUNT_MAX);
}

bool lrd_shadow_next(const lrd_shadow *shadow, uint8_t queue, lrd_shadow_row *row) {
  uint16_t at = row->at ? shadow->nodes[row->at].newer[shadow->chosen] : shadow->queues[shadow->chosen][queue].oldest;
  while (at && shadow->nodes[at].handle == 0) at = shadow->nodes[at].newer[shadow->chosen];
  if (at) *row = (lrd_shadow_row){at, shadow->nodes[at].handle, touches_of(&shadow->nodes[at], shadow->chosen)};
  return at != 0;
}

void lrd_shadow_count_anew(lrd_shadow *shadow) {
  shadow->asked = shadow->switches = 0;
  memset(shadow->missed, 0, sizeof shadow->missed);
  memset(shadow->led, 0, sizeof shadow->led);
}

const char *lrd_shadow_verify(const lrd_shadow *shadow) {
  uint32_t refs = 0, linked = 0;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) refs += shadow->nodes[at].refs;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    for (unsigned queue = LRD_SHADOW_WINDOW; queue < LRD_SHADOW_QUEUES; queue++) {
      const lrd_shadow_queue *list = &shadow->queues[expert][queue];
      uint32_t count = 0;
      uint64_t weight = 0;
      for (uint16_t at = list->newest; at; at = shadow->nodes[at].older[expert]) {
        if (queue_of(&shadow->nodes[at], expert) != queue) return "a node of a shadow is in another queue than it says";
        if (count++ > list->count) return "a shadow's queue runs in a circle";
        weight += shadow->nodes[at].weight;
      }
      if (count != list->count || weight != list->weight) return "the sums of a shadow's queue are wrong";
      linked += count;
    }
  }
  return refs == linked ? NULL : "the nodes of the shadows are referred to by others than their experts";
}
