/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adaptive: in charge is that expert (expert.h) whose shadow (shadow.h) regrets least. The entries of the shadows' sample have
 * their readings logged, all others only raise their touch byte.
 *
 * As long as the sample is *whole*, the leader's shadow says who goes, and the queues here only part what it has (A_WINDOW)
 * from what it has not: strays, who go first. When it has become too large, the queues are made from that shadow, and the
 * leader's rules move them from then on. Whoever is in charge, ghosts of what main did not have and a sketch of the readings
 * that were used up are kept then, so that the next one finds them.
 */
#include "policy_adaptive.h"
#include "ghost.h"
#include "shadow.h"
#include "sketch.h"

enum { A_WINDOW, A_TRIAL, A_MAIN, A_STRAYS };

#define A_TOUCH LRD_TOUCH_CAP(3)
#define A_PART  128u /* of the shard: a part for the sketches of all spaces and one for their shadows, at most */

typedef struct a_state {
  lrd_ghost ghost;
  lrd_sketch sketch;
  lrd_shadow shadow;
  uint32_t among; /* how many spaces go shares, as a power of two; 0: not told */
  bool ready;
  uint32_t going; /* what the leader's shadow evicted for who asked for a victim; 0: it went */
  bool awake;     /* somebody had to go: readings are logged from then on */
} a_state;

static bool a_whole(const a_state *state) { return state->shadow.left != NULL; }

static const lrd_expert *a_rules(const a_state *state) { return &lrd_experts[state->shadow.chosen]; }

/* As many are remembered as fit. */
static uint64_t a_entries(const lrd_policy *policy) { return policy->by_count ? policy->room : lrd_policy_count(policy); }

static void a_tell_bytes(lrd_policy *policy, const a_state *state) {
  lrd_policy_set_bytes(policy,
                       lrd_ghost_bytes(&state->ghost) + lrd_sketch_bytes(&state->sketch) + lrd_shadow_bytes(&state->shadow));
}

static uint64_t a_part(lrd_policy *policy) {
  const a_state *state = lrd_policy_state(policy);
  uint64_t all = (uint64_t)policy->arena->cap * LRD_UNIT / A_PART;
  return state->among ? all / state->among : all;
}

/* The leader's shadow evicted it. */
static void a_left(void *context, uint32_t handle) { lrd_queue_move(context, A_STRAYS, handle); }

/* Whoever asked for a victim did not take it. */
static void a_keep_going(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  if (state->going) lrd_queue_move(policy, A_STRAYS, state->going);
  state->going = 0;
}

static void a_fit_sketch(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  uint64_t entries = policy->by_count ? policy->room : lrd_policy_count(policy) + 1, most = policy->arena->cap / LRD_UNIT;
  lrd_sketch_fit(&state->sketch, entries < most ? entries : most, a_part(policy) / sizeof *state->sketch.table);
}

static bool a_prepare(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  if (!state->ready) {
    lrd_shadow_init(&state->shadow, a_part(policy));
    lrd_shadow_lead(&state->shadow, a_left, policy, policy->arena);
    state->ready = true;
  }
  if (a_whole(state)) return true;
  uint32_t words = state->sketch.mask;
  a_fit_sketch(policy);
  if (state->sketch.mask != words) a_tell_bytes(policy, state);
  return true;
}

/* All that an expert's shadow has, in its order, goes to the end of a queue; `apart`: of that which is there. */
static void a_gather(lrd_policy *policy, unsigned expert, uint32_t queue, bool apart) {
  const a_state *state = lrd_policy_state(policy);
  for (unsigned place = LRD_SHADOW_WINDOW; place <= LRD_SHADOW_MAIN; place++) {
    lrd_shadow_row row = {0};
    while (lrd_shadow_next(&state->shadow, expert, place, &row)) {
      lrd_queue_move(policy, apart ? queue + place - LRD_SHADOW_WINDOW : queue, row.handle);
      if (apart) lrd_touch_set(lrd_policy_at(policy, row.handle), row.touches);
    }
  }
}

/* Another expert leads. What its shadow has not is strayed, in the order in which the last leader would have had it go. */
static void a_follow(lrd_policy *policy, unsigned last) {
  const a_state *state = lrd_policy_state(policy);
  a_gather(policy, last, A_STRAYS, false);
  a_gather(policy, state->shadow.chosen, A_WINDOW, false);
}

/* The sample has to be halved: from now on the queues are our own, and so is what is remembered of others. */
static void a_unfold(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  a_gather(policy, state->shadow.chosen, A_WINDOW, true);
  a_fit_sketch(policy);
  for (lrd_shadow_row row = {0}; lrd_shadow_each(&state->shadow, &row);) {
    for (unsigned i = 0; i < row.count; i++) lrd_sketch_add(&state->sketch, row.hash);
    if (lrd_shadow_place(&state->shadow, row.hash) == LRD_SHADOW_GHOSTS)
      lrd_ghost_add(&state->ghost, row.hash, a_entries(policy), policy->by_count);
  }
  lrd_shadow_lead(&state->shadow, NULL, NULL, policy->arena);
  a_tell_bytes(policy, state);
}

/* The next stray to go; 0: there is none. The leading shadow may have taken it in since. */
static uint32_t a_stray(lrd_policy *policy) {
  const a_state *state = lrd_policy_state(policy);
  for (;;) {
    uint32_t at = policy->queues[A_STRAYS].oldest;
    if (at == 0 || a_whole(state)) return at;
    unsigned place = lrd_shadow_place(&state->shadow, lrd_policy_hash(policy, at));
    if (place == LRD_SHADOW_NONE || place == LRD_SHADOW_GHOSTS) return at;
    lrd_queue_move(policy, place - LRD_SHADOW_WINDOW, at);
  }
}

/* The shadows are to rest, or to go on. While they rest, the sample's readings cost what they cost s3-fifo. */
static void a_turn(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  uint32_t at = 0, handle;
  bool wakes = state->shadow.resting;
  if (wakes && a_whole(state)) lrd_shadow_wake(&state->shadow);
  while (wakes && !a_whole(state) && (handle = lrd_shadow_next_held(&state->shadow, &at)) != 0) {
    lrd_record *record = lrd_policy_at(policy, handle);
    uint32_t queue = lrd_queue_of(record);
    unsigned place = queue == A_STRAYS ? LRD_SHADOW_NONE : queue + LRD_SHADOW_WINDOW;
    lrd_shadow_seed(&state->shadow, at, place, lrd_touch_freq(record));
  }
  if (wakes && !a_whole(state)) lrd_shadow_wake(&state->shadow);
  if (!wakes) lrd_shadow_rest(&state->shadow);
}

/* What fits. policy->room becomes less with each eviction that makes place for one large entry. */
static uint64_t a_room(const lrd_policy *policy) {
  uint64_t total = policy->by_count ? 0 : lrd_policy_total(policy);
  return total > policy->room ? total : policy->room;
}

static void a_learn(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  a_state *state = lrd_policy_state(policy);
  lrd_record *record = lrd_policy_at(policy, handle);
  a_keep_going(policy);
  bool sampled = lrd_shadow_samples(&state->shadow, hash);
  if (!sampled) {
    lrd_touch_log(record, false);
    return;
  }
  unsigned last = state->shadow.chosen;
  uint64_t weight = lrd_policy_weight(policy, handle), room = a_room(policy);
  lrd_shadow_told told = lrd_shadow_access(&state->shadow, hash, weight, room, handle);
  if (told == LRD_SHADOW_FULL) {
    if (state->shadow.resting) a_turn(policy);
    a_unfold(policy);
    (void)lrd_shadow_access(&state->shadow, hash, weight, room, handle);
    return;
  }
  if (lrd_shadow_turn_due(&state->shadow)) a_turn(policy);
  if (!a_whole(state)) return;
  if (told == LRD_SHADOW_CHANGED) a_follow(policy, last);
  uint32_t queue = told == LRD_SHADOW_STRAY ? A_STRAYS : A_WINDOW;
  if (told != LRD_SHADOW_CHANGED && lrd_queue_of(record) != queue) lrd_queue_move(policy, queue, handle);
}

/* A reading of the sample, or a key that comes. */
static void a_watch(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  const a_state *state = lrd_policy_state(policy);
  uint32_t nodes = state->shadow.nodes_len;
  a_learn(policy, handle, hash);
  if (nodes != state->shadow.nodes_len) a_tell_bytes(policy, state);
}

static void a_insert(lrd_policy *policy, uint32_t handle, uint64_t hash) {
  a_state *state = lrd_policy_state(policy);
  if (a_whole(state)) {
    lrd_queue_push(policy, A_WINDOW, handle);
    a_watch(policy, handle, hash);
    return;
  }
  const lrd_expert *rules = a_rules(state);
  bool remembered = lrd_ghost_take(&state->ghost, hash, a_entries(policy));
  lrd_sketch_add(&state->sketch, hash);
  lrd_queue_push(policy, remembered && rules->ghosts ? A_MAIN : A_WINDOW, handle);
  uint64_t window = lrd_expert_window(rules, policy->room);
  for (unsigned i = 0; rules->contest && i < LRD_EXPERT_MOVES && policy->queues[A_WINDOW].weight > window; i++) {
    if (policy->queues[A_WINDOW].count > 1) lrd_queue_move(policy, A_TRIAL, policy->queues[A_WINDOW].oldest);
  }
  a_watch(policy, handle, hash);
}

static void a_access(lrd_policy *policy, uint32_t handle) {
  if (!a_whole(lrd_policy_state(policy))) lrd_touch_raise(lrd_policy_at(policy, handle));
  a_watch(policy, handle, lrd_policy_hash(policy, handle));
}

static void a_replace(lrd_policy *policy, uint32_t old, uint32_t fresh) {
  a_keep_going(policy);
  lrd_queue_replace(policy, old, fresh);
  lrd_touch_set(lrd_policy_at(policy, fresh), lrd_touch_freq(lrd_policy_at(policy, old)));
  if (!a_whole(lrd_policy_state(policy))) lrd_touch_raise(lrd_policy_at(policy, fresh));
  a_watch(policy, fresh, lrd_policy_hash(policy, fresh));
}

/* While all fits nobody has to choose, and readings cost what they cost s3-fifo. The shadows know who came, and now learn from
 * the touch bytes what was read. */
static void a_wake(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  state->awake = true;
  lrd_shadow_count_anew(&state->shadow);
  lrd_shadow_begin(&state->shadow);
}

/* Takes so many of an entry's readings and counts them. */
static void a_use_up(lrd_policy *policy, uint32_t handle, unsigned freq, unsigned left) {
  a_state *state = lrd_policy_state(policy);
  if (freq == left) return;
  uint64_t hash = lrd_policy_hash(policy, handle);
  for (unsigned i = left; i < freq; i++) lrd_sketch_add(&state->sketch, hash);
  if (!a_whole(state) && lrd_shadow_samples(&state->shadow, hash)) lrd_shadow_used(&state->shadow, hash, left);
  lrd_touch_set(lrd_policy_at(policy, handle), left);
}

/* Main's next to go, after rounds for what was read. 0: main is empty. */
static uint32_t a_main_next(lrd_policy *policy) {
  for (;;) {
    uint32_t at = policy->queues[A_MAIN].oldest;
    unsigned freq = at ? lrd_touch_freq(lrd_policy_at(policy, at)) : 0;
    if (freq == 0) return at;
    a_use_up(policy, at, freq, freq - 1);
    lrd_queue_move(policy, A_MAIN, at);
  }
}

/* The next to go of those on trial, when what was read has moved to main; else main's. 0: there is neither. */
static uint32_t a_trial_next(lrd_policy *policy, uint64_t main_max) {
  for (unsigned i = 0; i < LRD_EXPERT_MOVES && policy->queues[A_MAIN].weight > main_max; i++) {
    lrd_queue_move(policy, A_TRIAL, a_main_next(policy));
  }
  for (;;) {
    uint32_t at = policy->queues[A_TRIAL].oldest;
    if (at == 0) return a_main_next(policy);
    unsigned freq = lrd_touch_freq(lrd_policy_at(policy, at));
    if (freq == 0) return at;
    a_use_up(policy, at, freq, 0);
    lrd_queue_move(policy, A_MAIN, at);
  }
}

static uint32_t a_victim_by_contest(lrd_policy *policy, const lrd_expert *rules) {
  const a_state *state = lrd_policy_state(policy);
  uint64_t window = lrd_expert_window(rules, policy->room);
  uint32_t next = a_trial_next(policy, lrd_expert_main(policy->room - window)), candidate = policy->queues[A_WINDOW].oldest;
  if (candidate == 0 || next == 0) return candidate ? candidate : next;
  if (policy->queues[A_WINDOW].weight < window) return next;
  a_use_up(policy, candidate, lrd_touch_freq(lrd_policy_at(policy, candidate)), 0);
  unsigned asked = lrd_sketch_count(&state->sketch, lrd_policy_hash(policy, candidate));
  unsigned asked_there = lrd_sketch_count(&state->sketch, lrd_policy_hash(policy, next));
  if (!lrd_expert_wins(asked, lrd_policy_weight(policy, candidate), asked_there, lrd_policy_weight(policy, next)))
    return candidate;
  lrd_queue_move(policy, A_TRIAL, candidate);
  return next;
}

/* Those that other rules left on trial leave as if they were the window's oldest. */
static uint32_t a_victim_by_touches(lrd_policy *policy, const lrd_expert *rules) {
  uint64_t main_max = policy->room - lrd_expert_window(rules, policy->room);
  for (;;) {
    uint32_t trial = policy->queues[A_TRIAL].oldest, at = trial ? trial : policy->queues[A_WINDOW].oldest;
    if (at == 0 || policy->queues[A_MAIN].weight > main_max) return a_main_next(policy);
    unsigned freq = lrd_touch_freq(lrd_policy_at(policy, at));
    if (freq < rules->moves_at) return at;
    bool stays = rules->window_percent == 100;
    a_use_up(policy, at, freq, stays ? freq - 1 : 0);
    lrd_queue_move(policy, stays ? A_WINDOW : A_MAIN, at);
  }
}

static uint32_t a_victim(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  if (!state->awake) a_wake(policy);
  uint32_t stray = a_stray(policy);
  if (stray == 0 && state->going == 0 && a_whole(state)) state->going = lrd_shadow_evict_one(&state->shadow);
  if (stray == 0) stray = state->going;
  if (stray) return stray;
  const lrd_expert *rules = a_rules(state);
  return rules->contest ? a_victim_by_contest(policy, rules) : a_victim_by_touches(policy, rules);
}

static void a_remove(lrd_policy *policy, uint32_t handle, bool evicted) {
  a_state *state = lrd_policy_state(policy);
  if (handle == state->going) {
    state->going = 0;
    if (evicted) {
      lrd_shadow_leave_evicted(&state->shadow);
      lrd_queue_remove(policy, handle);
      return;
    }
  }
  uint64_t hash = lrd_policy_hash(policy, handle);
  bool main = !a_whole(state) && lrd_queue_of(lrd_policy_at(policy, handle)) == A_MAIN;
  if (evicted && !a_whole(state) && !main) {
    uint32_t lines = state->ghost.lines;
    lrd_ghost_add(&state->ghost, hash, a_entries(policy), policy->by_count);
    if (state->ghost.lines != lines) a_tell_bytes(policy, state);
  }
  bool forgotten = state->shadow.mirrors && main && a_rules(state)->ghosts;
  if (lrd_shadow_samples(&state->shadow, hash)) lrd_shadow_leave(&state->shadow, hash, !evicted || forgotten);
  lrd_queue_remove(policy, handle);
}

/* The shadows learn from nothing, with as many nodes as the part allows now. */
static void a_learn_anew(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  lrd_shadow *shadow = &state->shadow;
  a_keep_going(policy);
  if (a_whole(state)) {
    if (shadow->resting) a_turn(policy);
    a_unfold(policy);
  }
  lrd_shadow last = *shadow;
  lrd_shadow_fini(shadow);
  lrd_shadow_init(shadow, a_part(policy));
  lrd_shadow_lead(shadow, NULL, NULL, policy->arena);
  shadow->chosen = last.chosen;
  shadow->logs = state->awake;
  shadow->rate_shift = last.rate_shift;
  shadow->asked = last.asked;
  shadow->switches = last.switches;
  memcpy(shadow->missed, last.missed, sizeof shadow->missed);
  memcpy(shadow->led, last.led, sizeof shadow->led);
  for (uint32_t queue = A_WINDOW; queue <= A_STRAYS; queue++) {
    for (uint32_t at = policy->queues[queue].oldest; at; at = lrd_queue_newer(policy, at))
      lrd_touch_log(lrd_policy_at(policy, at), state->awake && lrd_shadow_samples(shadow, lrd_policy_hash(policy, at)));
  }
}

static void a_share(lrd_policy *policy, uint32_t among) {
  a_state *state = lrd_policy_state(policy);
  state->among = lrd_policy_shares(state->among, among);
  if (lrd_shadow_bytes(&state->shadow) > a_part(policy)) a_learn_anew(policy);
  if (lrd_sketch_bytes(&state->sketch) > a_part(policy)) {
    lrd_sketch_fini(&state->sketch);
    a_fit_sketch(policy);
  }
  a_tell_bytes(policy, state);
}

static uint32_t a_after(lrd_policy *policy, uint32_t handle) {
  const a_state *state = lrd_policy_state(policy);
  if (handle == 0) a_keep_going(policy);
  uint32_t queue = handle ? lrd_queue_of(lrd_policy_at(policy, handle)) : A_STRAYS;
  uint32_t next = handle ? lrd_queue_newer(policy, handle) : policy->queues[A_STRAYS].oldest;
  if (queue == A_STRAYS && next) return next;
  bool first = queue == A_STRAYS;
  if (a_whole(state)) return lrd_shadow_after(&state->shadow, first ? 0 : lrd_policy_hash(policy, handle), first);
  for (queue = first ? A_WINDOW : queue + 1, next = first ? 0 : next; next == 0 && queue <= A_MAIN; queue++)
    next = policy->queues[queue].oldest;
  return next;
}

static const char *a_verify(lrd_policy *policy) {
  const char *wrong = lrd_queues_verify(policy);
  return wrong ? wrong : lrd_shadow_verify(&((a_state *)lrd_policy_state(policy))->shadow);
}

static void a_fini(lrd_policy *policy) {
  a_state *state = lrd_policy_state(policy);
  lrd_ghost_fini(&state->ghost);
  lrd_sketch_fini(&state->sketch);
  lrd_shadow_fini(&state->shadow);
}

bool lrd_policy_adaptive_look(lrd_policy *policy, larder_adaptive *sums) {
  if (policy->ops != &lrd_policy_adaptive) return false;
  const a_state *state = lrd_policy_state(policy);
  const lrd_shadow *shadow = &state->shadow;
  sums->experts[shadow->chosen].entries += lrd_policy_count(policy);
  if (!state->awake) return true;
  sums->asked += shadow->asked;
  sums->switches += shadow->switches;
  for (unsigned expert = 0; expert < LRD_EXPERTS; expert++) {
    sums->experts[expert].led += shadow->led[expert];
    sums->experts[expert].missed += shadow->missed[expert];
  }
  return true;
}

bool lrd_policy_adaptive_expert(lrd_policy *policy, unsigned *expert_out) {
  if (policy->ops != &lrd_policy_adaptive) return false;
  *expert_out = ((const a_state *)lrd_policy_state(policy))->shadow.chosen;
  return true;
}

const lrd_policy_ops lrd_policy_adaptive = {
    .name = "adaptive",
    .touch = A_TOUCH,
    .state_size = sizeof(a_state),
    .prepare = a_prepare,
    .insert = a_insert,
    .access = a_access,
    .replace = a_replace,
    .victim = a_victim,
    .remove = a_remove,
    .after = a_after,
    .verify = a_verify,
    .share = a_share,
    .fini = a_fini,
};
