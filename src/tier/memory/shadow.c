/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node for each key that some expert holds or remembers, found by a chained table; in it, for each expert, in which queue
 * it is, how often it was read there, and its neighbour. Nodes that every expert has forgotten are swept up when a free one is
 * wanted. Where few are found there are to be more of them, and where there may be no more the sample is halved, which frees
 * about half of them.
 */
#include "shadow_inner.h"

#define NODES_FIRST      256u
#define NODES_MOST       8192u
#define RATE_SHIFT_FIRST 2u /* of a sample that is not all there is: a fourth is as good as a half */
#define RATE_SHIFT_MAX   31u
#define COUNT_AGE        10u /* accesses for each entry that fits, after which counts are halved */
#define SWEEP_WORTH      4u  /* a part of the nodes that a sweep has to find, or there are to be more */
#define SWEEP_LEAST      16u /* or the sample is to be halved */
#define REGRET_ONE       1024u
#define REGRET_PART      33u /* of its own regret, that the leader may have more than the best */
#define REGRET_FADES     8u  /* a part of it, when the least is above the horizon */

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

static void leader_change(lrd_shadow *shadow, unsigned expert) {
  shadow->chosen = (uint8_t)expert;
  shadow->switches++;
  shadow->settled = false;
  shadow->misses = shadow->regrets = shadow->backs = 0;
}

void lrd_shadow_lead(lrd_shadow *shadow, void (*left)(void *context, uint32_t handle), void *context, const lrd_arena *arena) {
  if (left == NULL && lrd_experts[shadow->chosen].expects) leader_change(shadow, LARDER_EXPERT_S3_FIFO);
  if (shadow->left && !left) { /* from now on touches are the true cache's */
    for (uint32_t at = 1; at < shadow->nodes_next && arena; at++) {
      lrd_shadow_node *node = &shadow->nodes[at];
      node->seen = node->handle ? lrd_shadow_read(lrd_arena_at(arena, node->handle)) & 3 : 0;
    }
  }
  shadow->left = left;
  shadow->context = context;
  shadow->arena = arena;
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
  lrd_shadow_node *nodes = fresh ? lrd_alloc(len * sizeof *nodes) : NULL;
  if (nodes == NULL) {
    lrd_dealloc(fresh);
    return false;
  }
  lrd_shadow_node *nodes_before = shadow->nodes;
  uint16_t *buckets_before = shadow->buckets;
  if (nodes_before) memcpy(nodes, nodes_before, shadow->nodes_next * sizeof *nodes);
  shadow->buckets = fresh;
  shadow->buckets_mask = buckets - 1;
  shadow->nodes = nodes;
  shadow->nodes_len = len;
  lrd_dealloc(buckets_before); /* last: what a thread forks meanwhile frees them, too */
  lrd_dealloc(nodes_before);
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    if (!nodes[at].used) continue;
    uint16_t *bucket = bucket_of(shadow, nodes[at].hash);
    nodes[at].chain = *bucket;
    *bucket = (uint16_t)at;
  }
  return true;
}

static void node_free(lrd_shadow *shadow, uint16_t at) {
  lrd_shadow_node *node = &shadow->nodes[at];
  uint16_t *from = bucket_of(shadow, node->hash);
  while (*from != at) from = &shadow->nodes[*from].chain;
  *from = node->chain;
  *node = (lrd_shadow_node){.chain = shadow->spare};
  shadow->spare = at;
  shadow->nodes_used--;
}

/* Whether somebody remembers it; those who do not any more are noted. */
static bool node_haunts(const lrd_shadow *shadow, lrd_shadow_node *node) {
  uint64_t places = lrd_get_u64(node->places), remembering = lrd_shadow_remembering(shadow, node);
  lrd_put_u64(node->places, places & ~((lrd_places_ghosts(places) & ~remembering) * LRD_SHADOW_GHOSTS));
  return remembering != 0;
}

/* Frees the nodes that no expert holds or remembers, but for `spared`; how many. */
static uint32_t nodes_sweep(lrd_shadow *shadow, uint16_t spared) {
  uint32_t before = shadow->nodes_used;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    lrd_shadow_node *node = &shadow->nodes[at];
    bool held = lrd_places_held(lrd_get_u64(node->places)) != 0 || (shadow->mirrors && node->handle);
    if (!node->used || at == spared || (held && !shadow->sweep_due)) continue;
    if (!node_haunts(shadow, node) && !held) node_free(shadow, (uint16_t)at);
  }
  shadow->sweep_due = false;
  return before - shadow->nodes_used;
}

static bool node_is_there(const lrd_shadow *shadow, const lrd_shadow_node *node) {
  (void)shadow;
  return node->weight != 0;
}

/* Frees the nodes of deleted keys that no queue has come to. */
static uint32_t nodes_purge(lrd_shadow *shadow) {
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) lrd_shadow_thin(shadow, expert, node_is_there);
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    if (shadow->nodes[at].used && shadow->nodes[at].weight == 0) lrd_put_u64(shadow->nodes[at].places, 0);
  }
  return nodes_sweep(shadow, 0);
}

/* Makes room for one more node. False: there is none to be had. */
static bool nodes_more(lrd_shadow *shadow) {
  if (shadow->nodes_next < shadow->nodes_len) return true;
  uint32_t swept = shadow->nodes_len ? nodes_sweep(shadow, 0) : 0;
  if (swept > shadow->nodes_len / SWEEP_WORTH || nodes_grow(shadow)) return true;
  if (swept <= shadow->nodes_len / SWEEP_LEAST && shadow->nodes_len) swept += nodes_purge(shadow);
  return swept > shadow->nodes_len / SWEEP_LEAST;
}

/* A node that no expert knows yet; 0: there is none to be had. */
static uint16_t node_new(lrd_shadow *shadow, uint64_t hash) {
  if (shadow->spare == 0 && !nodes_more(shadow)) return 0;
  uint16_t at = shadow->spare;
  if (at)
    shadow->spare = shadow->nodes[at].chain;
  else
    at = (uint16_t)shadow->nodes_next++;
  uint16_t *bucket = bucket_of(shadow, hash);
  shadow->nodes[at] = (lrd_shadow_node){.hash = hash, .chain = *bucket, .used = true};
  *bucket = at;
  shadow->nodes_used++;
  return at;
}

static void node_weigh(lrd_shadow *shadow, lrd_shadow_node *node, uint32_t weight) {
  for (uint64_t left = lrd_places_held(lrd_get_u64(node->places)); left; left &= left - 1) {
    unsigned expert = (unsigned)__builtin_ctzll(left) / 8;
    lrd_shadow_side *side = &shadow->sides[expert];
    side->queues[lrd_place_queue(node->places[expert])].weight += (uint64_t)weight - node->weight;
    side->weight += (uint64_t)weight - node->weight;
  }
  node->weight = weight;
}

static bool node_is_sampled(const lrd_shadow *shadow, const lrd_shadow_node *node) {
  return lrd_shadow_samples(shadow, node->hash);
}

/* Half as many keys from now on. */
static void sample_halve(lrd_shadow *shadow) {
  shadow->rate_shift = (uint8_t)(shadow->rate_shift ? shadow->rate_shift + 1u : RATE_SHIFT_FIRST);
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) lrd_shadow_thin(shadow, expert, node_is_sampled);
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    lrd_shadow_node *node = &shadow->nodes[at];
    if (!node->used || node_is_sampled(shadow, node)) continue;
    if (shadow->mirrors && node->handle) shadow->counts[shadow->chosen]--;
    node_free(shadow, (uint16_t)at);
  }
}

/* --- learning ------------------------------------------------------------------------------------------------------------ */

/* Another one leads if it regrets less by more than chance would have it: a part, and the root of what was counted. */
static void shadow_choose(lrd_shadow *shadow) {
  unsigned best = 0;
  for (unsigned expert = 1; expert < LRD_EXPERTS; expert++) {
    bool may = shadow->left || !lrd_experts[expert].expects;
    if (may && shadow->regret[expert] < shadow->regret[best]) best = expert;
  }
  uint64_t own = shadow->regret[shadow->chosen], least = shadow->regret[best], part = own / REGRET_PART;
  uint64_t beyond = own - least > part ? own - least - part : 0;
  if (beyond * beyond > own * REGRET_ONE) {
    leader_change(shadow, best);
  }
  if (least < (uint64_t)lrd_shadow_horizon(shadow) * REGRET_ONE) return;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) shadow->regret[expert] -= shadow->regret[expert] / REGRET_FADES;
}

static void count_age(lrd_shadow *shadow) {
  if (++shadow->counted < (lrd_shadow_held(shadow) + 1) * COUNT_AGE) return;
  shadow->counted /= 2;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) shadow->nodes[at].count /= 2;
}

/* The experts that do not have it take it, and regret it if anybody could have had it. */
static void node_missed(lrd_shadow *shadow, uint16_t at, uint64_t missing, bool again) {
  lrd_shadow_node *node = &shadow->nodes[at];
  uint64_t back = lrd_shadow_remembering(shadow, node) & missing;
  bool known = (missing != LRD_EACH_EXPERT && !shadow->resting) || back;
  uint64_t regret = known && !again ? REGRET_ONE : 0;
  if (!known) node->count = 1;
  if (missing >> shadow->chosen * 8 & 1) {
    shadow->misses++;
    shadow->learned++;
    if (regret) {
      shadow->regrets++;
      shadow->paid++;
    }
    if (back >> shadow->chosen * 8 & 1) shadow->backs++;
  }
  lrd_shadow_take(shadow, at, missing, back);
  if (shadow->resting) return;
  for (unsigned expert = 0; missing == LRD_EACH_EXPERT && expert < LRD_EXPERTS; expert++) shadow->missed[expert]++;
  for (uint64_t left = missing == LRD_EACH_EXPERT ? 0 : missing; left; left &= left - 1)
    shadow->missed[__builtin_ctzll(left) / 8]++;
  for (uint64_t left = regret ? missing : 0; left; left &= left - 1) shadow->regret[__builtin_ctzll(left) / 8] += regret;
  if (regret) shadow_choose(shadow);
}

/* A deleted key is there again: nobody had it. */
static void node_again(lrd_shadow *shadow, lrd_shadow_node *node, uint64_t held) {
  lrd_put_u64(node->places, lrd_get_u64(node->places) & held * LRD_SHADOW_QUEUE);
  node->count = 0;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) shadow->missed[expert] += held >> expert * 8 & 1;
}

/* The true cache has it, and had it not if it had no handle. */
static void node_mirrored(lrd_shadow *shadow, lrd_shadow_node *node, uint32_t weight, uint32_t handle) {
  uint8_t *place = &node->places[shadow->chosen];
  if (node->handle == 0) {
    shadow->misses++;
    shadow->backs += lrd_shadow_remembering(shadow, node) >> shadow->chosen * 8 & 1;
    shadow->counts[shadow->chosen]++;
  }
  *place = LRD_SHADOW_NONE;
  node->weight = weight;
  node->handle = handle;
  if (node->count < LRD_SHADOW_COUNT) node->count++;
}

/* The true cache has it by this handle; before anybody goes: it may be this one, and `left` is told of it. The reading that is
 * told has raised its touches, unless they are used up here. */
static void node_told(lrd_shadow *shadow, lrd_shadow_node *node, uint32_t handle) {
  node->handle = handle;
  if (shadow->arena == NULL) return;
  unsigned touches = lrd_shadow_read(lrd_arena_at(shadow->arena, handle));
  if (touches > node->seen && shadow->left == NULL) node->seen++;
  if (touches != node->seen) lrd_shadow_settle(shadow, node);
}

lrd_shadow_told lrd_shadow_access(lrd_shadow *shadow, uint64_t hash, uint64_t weight, uint64_t room, uint32_t handle) {
  uint16_t at = node_find(shadow, hash);
  while (at == 0 && (at = node_new(shadow, hash)) == 0) {
    if (shadow->left) return LRD_SHADOW_FULL;
    if (shadow->nodes_used == 0 || shadow->rate_shift == RATE_SHIFT_MAX) return LRD_SHADOW_STRAY; /* no memory at all */
    sample_halve(shadow);
    if (!lrd_shadow_samples(shadow, hash)) return LRD_SHADOW_STRAY;
  }
  lrd_shadow_node *node = &shadow->nodes[at];
  if (!shadow->mirrors) node_told(shadow, node, handle);
  room >>= shadow->rate_shift;
  if (room == 0) room = 1;
  if (room != shadow->room) lrd_shadow_fit(shadow, room);
  if (shadow->mirrors) {
    node_mirrored(shadow, node, (uint32_t)(weight < UINT32_MAX ? weight : UINT32_MAX), handle);
    if (shadow->sweep_due) (void)nodes_sweep(shadow, at);
    return LRD_SHADOW_KEPT;
  }
  uint64_t held = lrd_places_held(lrd_get_u64(node->places));
  bool again = node->weight == 0 && held;
  if (again)
    node_again(shadow, node, held);
  else
    lrd_shadow_touch(node);
  if (weight != node->weight) node_weigh(shadow, node, (uint32_t)(weight < UINT32_MAX ? weight : UINT32_MAX));
  if (node->count < LRD_SHADOW_COUNT) node->count++;
  uint64_t missing = ~held & (shadow->resting ? UINT64_C(1) << shadow->chosen * 8 : LRD_EACH_EXPERT);
  uint8_t led_by = shadow->chosen;
  if (missing) node_missed(shadow, at, missing, again);
  if (shadow->sweep_due) (void)nodes_sweep(shadow, at);
  if (!shadow->resting) {
    shadow->asked++;
    shadow->led[led_by]++;
    lrd_shadow_expect(shadow, at);
    count_age(shadow);
    lrd_shadow_log_fit(shadow, node);
  }
  if (led_by != shadow->chosen) return LRD_SHADOW_CHANGED;
  return lrd_places_held(node->places[led_by]) ? LRD_SHADOW_KEPT : LRD_SHADOW_STRAY;
}

void lrd_shadow_used(lrd_shadow *shadow, uint64_t hash, unsigned left) {
  uint16_t at = shadow->mirrors ? 0 : node_find(shadow, hash);
  if (at == 0) return;
  lrd_shadow_settle(shadow, &shadow->nodes[at]);
  shadow->nodes[at].seen = left & 3;
}

static void node_leave(lrd_shadow *shadow, uint16_t at, bool deleted) {
  if (at == 0) return;
  lrd_shadow_node *node = &shadow->nodes[at];
  if (shadow->mirrors && node->handle) {
    shadow->counts[shadow->chosen]--;
    if (!deleted) lrd_shadow_haunt(shadow, shadow->chosen, at);
  }
  if (!shadow->mirrors) lrd_shadow_settle(shadow, node);
  node->handle = 0;
  node->seen = 0;
  if (!deleted) return;
  uint64_t places = lrd_get_u64(node->places), held = lrd_places_held(places);
  node_weigh(shadow, node, 0);
  lrd_put_u64(node->places, places & held * LRD_SHADOW_QUEUE); /* no ghosts, and nothing read */
  node->count = 0;
}

void lrd_shadow_leave(lrd_shadow *shadow, uint64_t hash, bool deleted) { node_leave(shadow, node_find(shadow, hash), deleted); }

void lrd_shadow_leave_evicted(lrd_shadow *shadow) { node_leave(shadow, shadow->evicted, false); }

unsigned lrd_shadow_place(const lrd_shadow *shadow, uint64_t hash) {
  uint16_t at = node_find(shadow, hash);
  return at ? lrd_place_queue(shadow->nodes[at].places[shadow->chosen]) : LRD_SHADOW_NONE;
}

uint32_t lrd_shadow_evict_one(lrd_shadow *shadow) {
  for (;;) {
    uint16_t at = lrd_shadow_evict(shadow, shadow->chosen, false);
    shadow->evicted = at;
    if (at == 0) return 0;
    if (shadow->nodes[at].handle) return shadow->nodes[at].handle;
  }
}

uint32_t lrd_shadow_next_held(const lrd_shadow *shadow, uint32_t *at) {
  while (++*at < shadow->nodes_next) {
    if (shadow->nodes[*at].handle) return shadow->nodes[*at].handle;
  }
  return 0;
}

static bool row_fill(const lrd_shadow *shadow, unsigned expert, uint16_t at, lrd_shadow_row *row) {
  const lrd_shadow_node *node = &shadow->nodes[at];
  *row = (lrd_shadow_row){.at = at,
                          .handle = node->handle,
                          .touches = lrd_place_touches(node->places[expert]),
                          .count = node->count,
                          .hash = node->hash};
  return at != 0;
}

bool lrd_shadow_next(const lrd_shadow *shadow, unsigned expert, unsigned queue, lrd_shadow_row *row) {
  uint16_t at = row->at ? shadow->nodes[row->at].newer[expert] : shadow->sides[expert].queues[queue].oldest;
  while (at && shadow->nodes[at].handle == 0) at = shadow->nodes[at].newer[expert];
  return at != 0 && row_fill(shadow, expert, at, row);
}

uint32_t lrd_shadow_after(const lrd_shadow *shadow, uint64_t hash, bool first) {
  lrd_shadow_row row = {.at = first ? 0 : node_find(shadow, hash)};
  unsigned queue = row.at ? lrd_place_queue(shadow->nodes[row.at].places[shadow->chosen]) : LRD_SHADOW_WINDOW;
  for (; queue > LRD_SHADOW_NONE && queue < LRD_SHADOW_GHOSTS; queue++) {
    if (lrd_shadow_next(shadow, shadow->chosen, queue, &row)) return row.handle;
    row.at = 0;
  }
  return 0;
}

bool lrd_shadow_each(const lrd_shadow *shadow, lrd_shadow_row *row) {
  uint32_t at = row->at + 1u;
  while (at < shadow->nodes_next && !shadow->nodes[at].used) at++;
  return at < shadow->nodes_next && row_fill(shadow, shadow->chosen, (uint16_t)at, row);
}

void lrd_shadow_count_anew(lrd_shadow *shadow) {
  shadow->asked = shadow->switches = 0;
  memset(shadow->missed, 0, sizeof shadow->missed);
  memset(shadow->led, 0, sizeof shadow->led);
}

const char *lrd_shadow_verify(const lrd_shadow *shadow) {
  uint64_t placed = 0, linked = 0, mirrored = 0;
  for (uint32_t at = 1; at < shadow->nodes_next; at++) {
    mirrored += shadow->mirrors && shadow->nodes[at].handle;
    placed += (uint64_t)__builtin_popcountll(lrd_places_held(lrd_get_u64(shadow->nodes[at].places)));
    if (shadow->nodes[at].used ? node_find(shadow, shadow->nodes[at].hash) != at : shadow->nodes[at].handle != 0)
      return "a node of the shadows is not found by its hash";
  }
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    const lrd_shadow_side *side = &shadow->sides[expert];
    uint64_t all = 0, weights = 0;
    for (unsigned queue = LRD_SHADOW_WINDOW; queue < LRD_SHADOW_GHOSTS; queue++) {
      const lrd_shadow_queue *list = &side->queues[queue];
      uint32_t count = 0;
      uint64_t weight = 0;
      uint16_t newest = 0;
      for (uint16_t at = list->oldest; at; at = shadow->nodes[at].newer[expert]) {
        if (lrd_place_queue(shadow->nodes[at].places[expert]) != queue)
          return "a node of a shadow is in another queue than it says";
        if (count++ > shadow->counts[expert]) return "a shadow's queue runs in a circle";
        weight += shadow->nodes[at].weight;
        newest = at;
      }
      if (weight != list->weight || newest != list->newest) return "the sums of a shadow's queue are wrong";
      all += count;
      weights += weight;
    }
    if (all + (expert == shadow->chosen ? mirrored : 0) != shadow->counts[expert] || weights != side->weight)
      return "the sums of a shadow are wrong";
    linked += all;
  }
  return placed == linked ? NULL : "a node of the shadows is in a queue and does not say so, or the other way round";
}
