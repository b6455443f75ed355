/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a get does when the straight look into memory (hit.c) did not answer: the unusual hit, the queue, the way below
 * (read.c). In a `behind` namespace with something queued, the queue is looked at first: a queued value counts while its slot
 * has not moved since and nobody owns it, else the newer of it and what is stored.
 *
 * A handed-out value remembers its namespace in pin[0]; the low bit tells a value found below (pin[1] is the lrd_found)
 * from one pinned in memory (pin[1] and pin[2] are the memory tier's pin).
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include "hit.h"

#define MANY_MAX 64u

larder_err lrd_op_begin(larder_ns *ns, const void *key, size_t key_len, lrd_op *op) {
  if (!ns || !key || key_len - 1 >= LARDER_KEY_MAX) { /* 1 to LARDER_KEY_MAX, in one comparison */
    return LARDER_EINVAL;
  }
  if (atomic_load_explicit(&ns->cache->forked, memory_order_relaxed)) {
    return LARDER_EFORKED;
  }
  *op = (lrd_op){ns, key, key_len, lrd_hash64(key, key_len, ns->seed)};
  return LARDER_OK;
}

static void count_lookup(larder_ns *ns, larder_err result) {
  lrd_stats_add(ns->cell, LRD_STAT_LOOKUPS, 1);
  lrd_stats_add(ns->cell, result == LARDER_OK ? LRD_STAT_HITS : LRD_STAT_MISSES, 1);
}

void lrd_value_from_found(lrd_found *found, bool stale, larder_value *out) {
  *out = (larder_value){.data = found->entry.value,
                        .len = (size_t)found->entry.facts.value_len,
                        .stale = stale,
                        .tier = found->flight ? "made"
                                : found->link ? found->link->instance->tier.name
                                              : "memory",
                        .pin = {(void *)((uintptr_t)found->ns | LRD_VALUE_FOUND), found, NULL}};
}

#define QUEUE_LOOKS 16u

/*
 * Nothing is stored, and the slot has moved: either nothing was ever stored, or another process deleted the key after our
 * put was queued. Only writing the queued value tells: it loses to the other's tombstone. LARDER_OLDER: look again, it was
 * written, overtaken or replaced meanwhile.
 */
static larder_err write_queued(const lrd_op *op, lrd_found *pending, uint64_t token, lrd_found **out) {
  lrd_change change = {.verb = LRD_CHANGE_PUT,
                       .op = *op,
                       .value = pending->entry.value,
                       .facts = pending->entry.facts,
                       .keep_stamp = pending->entry.facts.stamp,
                       .token = token};
  larder_err result = lrd_write_batch(op->ns, &change, 1);
  if (result == LARDER_OK && change.result == LARDER_OK) {
    *out = pending;
    return LARDER_OK;
  }
  lrd_found_free(pending);
  return result == LARDER_OK && change.result == LARDER_OLDER ? LARDER_OLDER : LARDER_MISS;
}

/* The newer of a queued value and what is stored. Frees what it does not hand on. */
static larder_err newer_of_pending(const lrd_op *op, lrd_found *pending, uint64_t token, lrd_found **out) {
  lrd_found *stored = NULL;
  uint64_t word = atomic_load_explicit(lrd_ns_word(op->ns, op->hash), memory_order_acquire);
  if (token == word || LRD_MUTATED(LRD_MUTATE_PENDING_UNCHECKED)) {
    *out = pending;
    return LARDER_OK;
  }
  larder_err result = lrd_read_below(op, false, &stored);
  if (result != LARDER_OK) {
    return write_queued(op, pending, token, out);
  }
  bool stored_wins = stored->entry.facts.stamp > pending->entry.facts.stamp;
  lrd_found_free(stored_wins ? pending : stored);
  *out = stored_wins ? stored : pending;
  return LARDER_OK;
}

/* What is queued for the key, or what is stored where that is newer. *queued_out: something was queued, so this is final. */
static larder_err find_queued(const lrd_op *op, lrd_found **out, bool *queued_out) {
  larder_err result = LARDER_OLDER;
  *queued_out = true;
  for (unsigned look = 0; look < QUEUE_LOOKS && result == LARDER_OLDER; look++) {
    lrd_found *found = NULL;
    uint64_t token;
    result = lrd_pending_find(op->ns->cache->pending, op, &found, &token);
    if (result != LARDER_OK) { /* without room for a copy what is stored may be too old to be shown */
      *queued_out = result != LARDER_MISS;
      return LARDER_MISS;
    }
    result = newer_of_pending(op, found, token, out);
  }
  return result == LARDER_OLDER ? LARDER_MISS : result;
}

static larder_err hand_out(larder_ns *ns, lrd_found *found, bool allow_stale, larder_value *out) {
  int64_t now_ms = lrd_wall_ms(ns->cache->clock);
  int64_t hard_ms = found->entry.facts.expires_hard_ms; /* tiers see to it, the queue does not */
  bool stale = lrd_facts_stale(ns->cache, &found->entry.facts, now_ms);
  bool absent = found->entry.facts.kind == LARDER_KIND_ABSENT;
  if (absent || (stale && !allow_stale) || (hard_ms != 0 && now_ms >= hard_ms)) {
    lrd_found_free(found);
    return LARDER_MISS;
  }
  if (stale) {
    lrd_stats_add(ns->cell, LRD_STAT_STALE_HITS, 1);
  }
  lrd_value_from_found(found, stale, out);
  return LARDER_OK;
}

/* For `monitoring.log_cache_hits`. A long key keeps its front. */
static __attribute__((noinline)) void log_hit(const lrd_op *op, const char *tier) {
  lrd_log_write(&op->ns->cache->log, LRD_LOG_DEBUG, "cache.hit", "%.*s in %s, from %s",
                (int)(op->key_len < 256 ? op->key_len : 256), (const char *)op->key, op->ns->name, tier);
}

static bool something_queued(const larder_ns *ns) {
  return ns->queued && atomic_load_explicit(ns->queued, memory_order_acquire) != 0;
}

static larder_err get_queued(const lrd_op *op, bool allow_stale, larder_value *out, bool *queued_out) {
  lrd_found *found = NULL;
  larder_err result = find_queued(op, &found, queued_out);
  if (result == LARDER_OK) {
    result = hand_out(op->ns, found, allow_stale, out);
  }
  if (op->ns->log_hits && result == LARDER_OK) {
    log_hit(op, out->tier);
  }
  return result;
}

static larder_err get_below(const lrd_op *op, bool allow_stale, larder_value *out) {
  lrd_found *found = NULL;
  if (op->ns->links_len == 0) {
    return LARDER_MISS;
  }
  int64_t began_ns = lrd_mono_ns(op->ns->cache->clock);
  larder_err result = lrd_read_below(op, false, &found);
  lrd_stats_time(op->ns->cell, LRD_OP_GET, lrd_mono_ns(op->ns->cache->clock) - began_ns);
  if (result == LARDER_OK) {
    result = hand_out(op->ns, found, allow_stale, out);
  }
  if (op->ns->log_hits && result == LARDER_OK) {
    log_hit(op, out->tier);
  }
  return result;
}

static void value_from_memory(larder_ns *ns, const lrd_memory_pin *pin, larder_value *out) {
  *out = (larder_value){.data = pin->value, .len = pin->len, .tier = "memory", .pin = {ns, pin->pin[0], pin->pin[1]}};
}

/* A sampled hit stands for the others. */
static void memory_hit_timed(larder_ns *ns, int64_t began_ns) {
  int64_t ns_taken = lrd_mono_ns(ns->cache->clock) - began_ns;
  lrd_stats_time_n(ns->memory_cell, LRD_OP_GET, ns_taken, LRD_STATS_SAMPLE_EVERY);
  lrd_stats_time_n(ns->cell, LRD_OP_GET, ns_taken, LRD_STATS_SAMPLE_EVERY);
}

static bool wants_fresh(const larder_get_options *options) { return options && options->fresh; }
static bool wants_stale(const larder_get_options *options) { return options && options->allow_stale; }

void lrd_get_answer(larder_ns *ns, const lrd_memory_pin *pin, bool allow_stale, larder_value *out) {
  value_from_memory(ns, pin, out);
  if (allow_stale && pin->expires_soft_ms != 0 && lrd_wall_ms(ns->cache->clock) >= pin->expires_soft_ms) {
    out->stale = true;
    lrd_stats_add(ns->cell, LRD_STAT_STALE_HITS, 1);
  }
  lrd_stats_add_hits(ns->cell, 1);
}

static larder_err memory_get(const lrd_op *op, bool allow_stale, bool timed, larder_value *out) {
  larder_ns *ns = op->ns;
  lrd_memory_pin pin;
  _Atomic uint64_t scratch;
  larder_tier_key key = lrd_op_memory_key(op);
  int64_t began_ns = timed ? lrd_mono_ns(ns->cache->clock) : 0;
  larder_err result = lrd_memory_pin_get(ns->memory, &key, lrd_hit_word(ns, op->hash, &scratch), allow_stale, &pin);
  if (result != LARDER_OK) {
    return result;
  }
  if (timed) {
    memory_hit_timed(ns, began_ns);
  }
  lrd_get_answer(ns, &pin, allow_stale, out);
  if (ns->log_hits) {
    log_hit(op, "memory");
  }
  return LARDER_OK;
}

larder_err lrd_get_slowly(const lrd_op *op, lrd_look look, bool allow_stale, larder_value *out) {
  larder_ns *ns = op->ns;
  larder_err result = LARDER_MISS;
  bool queued = false;
  if (look == LRD_LOOK_TIMED) {
    lrd_stats_sample_next();
  }
  if (something_queued(ns)) {
    result = get_queued(op, allow_stale, out, &queued);
  }
  if (!queued && ns->memory) {
    if (look != LRD_LOOKED && memory_get(op, allow_stale, look == LRD_LOOK_TIMED, out) == LARDER_OK) {
      lrd_foreseen_read(op);
      return LARDER_OK;
    }
    lrd_stats_add(ns->memory_cell, LRD_STAT_MISSES, 1);
  }
  if (!queued) {
    result = get_below(op, allow_stale, out);
  }
  count_lookup(ns, result);
  if (result == LARDER_OK) {
    lrd_foreseen_read(op);
  }
  return result;
}

/* Whether something is past its hard limit now, or was never there. */
static larder_err looked(larder_ns *ns, larder_value *value, larder_facts *facts_out) {
  larder_err result = larder_value_facts(value, facts_out);
  int64_t now_ms = lrd_wall_ms(ns->cache->clock);
  if (result == LARDER_OK && facts_out->expires_hard_ms != 0 && now_ms >= facts_out->expires_hard_ms) {
    result = LARDER_MISS;
  }
  if (result != LARDER_OK) {
    larder_value_release(value);
    return result;
  }
  value->stale = lrd_facts_stale(ns->cache, facts_out, now_ms);
  return LARDER_OK;
}

larder_err lrd_look_up_asking(const lrd_op *op, larder_value *out, larder_facts *facts_out) {
  larder_ns *ns = op->ns;
  larder_tier_key key = lrd_op_memory_key(op);
  lrd_found *found = NULL;
  lrd_memory_pin pin;
  _Atomic uint64_t scratch;
  bool queued = false;
  larder_err result = something_queued(ns) ? find_queued(op, &found, &queued) : LARDER_MISS;
  if (!queued && ns->memory &&
      lrd_memory_pin_get(ns->memory, &key, lrd_hit_word(ns, op->hash, &scratch), LRD_WANT_STALE | LRD_WANT_ABSENT, &pin) ==
          LARDER_OK) {
    value_from_memory(ns, &pin, out);
    return looked(ns, out, facts_out);
  }
  if (!queued && ns->links_len > 0) {
    result = lrd_read_asking(op, false, &found);
  }
  if (result != LARDER_OK) {
    return result;
  }
  lrd_value_from_found(found, false, out);
  return looked(ns, out, facts_out);
}

larder_err lrd_look_up(const lrd_op *op, larder_value *out, larder_facts *facts_out) {
  larder_err result = lrd_look_up_asking(op, out, facts_out);
  return result == LARDER_EAWAY ? LARDER_MISS : result;
}

static void tell_found(const lrd_op *op, const larder_value *value) {
  bool below = (uintptr_t)value->pin[0] & LRD_VALUE_FOUND;
  op->ns->heard(op->ns, &(lrd_news){.what = below ? LRD_NEWS_BELOW : LRD_NEWS_HIT,
                                    .key = op->key,
                                    .key_len = op->key_len,
                                    .hash = op->hash,
                                    .bytes = value->len});
}

/* What there is to tell of a get, where somebody hears. */
static void tell_got(const lrd_op *op, larder_err result, const larder_value *value) {
  if (result == LARDER_OK) {
    tell_found(op, value);
  } else if (result == LARDER_MISS && op->ns->hears_all) {
    op->ns->heard(op->ns, &(lrd_news){.what = LRD_NEWS_MISSED, .key = op->key, .key_len = op->key_len, .hash = op->hash});
  }
}

/* The straight way is tried first where it was not since it is heard. */
static larder_err get_heard(const lrd_op *op, lrd_look look, bool allow_stale, larder_value *out) {
  larder_ns *ns = op->ns;
  larder_err result = LARDER_OK;
  if (!ns->heard) {
    return lrd_get_slowly(op, look, allow_stale, out);
  }
  if (look == LRD_LOOK_TIMED || !lrd_get_straight(ns, op->key, op->key_len, out)) {
    result = lrd_get_slowly(op, look, allow_stale, out);
  }
  tell_got(op, result, out);
  return result;
}

larder_err lrd_get_any(larder_ns *ns, const void *key, size_t key_len, lrd_look look, const larder_get_options *options,
                       larder_value *out) {
  lrd_op op;
  larder_err result = lrd_op_begin(ns, key, key_len, &op);
  if (result != LARDER_OK || !out) {
    return result != LARDER_OK ? result : LARDER_EINVAL;
  }
  if (wants_fresh(options)) {
    count_lookup(ns, LARDER_MISS);
    return LARDER_MISS;
  }
  return get_heard(&op, look, wants_stale(options), out);
}

larder_err lrd_get_copied(larder_err result, larder_value *value, void *out, size_t room, size_t *len_out) {
  if (result != LARDER_OK) {
    return result;
  }
  *len_out = value->len;
  if (value->len > room) {
    result = LARDER_ETOOBIG;
  } else if (value->len > 0) {
    memcpy(out, value->data, value->len);
  }
  larder_value_release(value);
  return result;
}

larder_err lrd_get_into_any(larder_ns *ns, const void *key, size_t key_len, lrd_look look, void *out, size_t room,
                            size_t *len_out) {
  lrd_op op;
  larder_value value;
  larder_err result = lrd_op_begin(ns, key, key_len, &op);
  if (result != LARDER_OK || (!out && room > 0) || !len_out) {
    return result != LARDER_OK ? result : LARDER_EINVAL;
  }
  return lrd_get_copied(get_heard(&op, look, false, &value), &value, out, room, len_out);
}

void lrd_value_free_found(larder_value *value) { lrd_found_free(value->pin[1]); }

larder_err larder_value_facts(const larder_value *value, larder_facts *out) {
  if (!value || !out || !value->pin[0]) {
    return LARDER_EINVAL;
  }
  if ((uintptr_t)value->pin[0] & LRD_VALUE_FOUND) {
    *out = ((const lrd_found *)value->pin[1])->entry.facts;
  } else {
    lrd_memory_pin pin = {.value = value->data, .len = value->len, .pin = {value->pin[1], value->pin[2]}};
    lrd_memory_pin_facts(&pin, out);
  }
  return LARDER_OK;
}

/* --- many ----------------------------------------------------------------------------------------------------------- */

/* One run of at most MANY_MAX valid items; those that memory lacks go the slow way one by one. */
static void get_run(larder_ns *ns, larder_item *items, const lrd_op *ops, const size_t *at, size_t count, bool allow_stale) {
  larder_tier_key keys[MANY_MAX];
  const _Atomic uint64_t *words[MANY_MAX];
  lrd_memory_pin pins[MANY_MAX];
  larder_err results[MANY_MAX];
  size_t filled = 0;
  do { /* at least one, which the compiler could not see in a for */
    keys[filled] = lrd_op_memory_key(&ops[filled]);
    words[filled] = lrd_ns_word(ns, ops[filled].hash);
  } while (++filled < count);
  lrd_memory_pin_many(ns->memory, keys, ns->words ? words : NULL, count, allow_stale, pins, results);
  uint64_t hits = 0;
  for (size_t i = 0; i < count; i++) {
    larder_item *item = &items[at[i]];
    item->result = results[i];
    if (results[i] == LARDER_OK) {
      value_from_memory(ns, &pins[i], &item->found);
      item->found.stale =
          allow_stale && pins[i].expires_soft_ms != 0 && lrd_wall_ms(ns->cache->clock) >= pins[i].expires_soft_ms;
      hits++;
      lrd_foreseen_read(&ops[i]);
      continue;
    }
    item->result = get_below(&ops[i], allow_stale, &item->found);
    if (item->result == LARDER_OK) {
      lrd_foreseen_read(&ops[i]);
    }
    count_lookup(ns, item->result);
  }
  for (size_t i = 0; ns->heard && i < count; i++) {
    tell_got(&ops[i], items[at[i]].result, &items[at[i]].found);
  }
  lrd_stats_add_hits(ns->cell, hits);
  if (hits < count) {
    lrd_stats_add(ns->memory_cell, LRD_STAT_MISSES, count - hits);
  }
}

larder_err larder_get_many(larder_ns *ns, larder_item *items, size_t count, const larder_get_options *options) {
  lrd_op ops[MANY_MAX];
  size_t at[MANY_MAX];
  size_t run = 0;
  if (!ns || (!items && count > 0)) {
    return LARDER_EINVAL;
  }
  if (atomic_load_explicit(&ns->cache->forked, memory_order_relaxed)) {
    return LARDER_EFORKED;
  }
  bool together = ns->memory && !ns->log_hits && !something_queued(ns) && !wants_fresh(options);
  for (size_t i = 0; i < count; i++) {
    if (!together) {
      items[i].result = larder_get(ns, items[i].key, items[i].key_len, options, &items[i].found);
      continue;
    }
    items[i].result = lrd_op_begin(ns, items[i].key, items[i].key_len, &ops[run]);
    if (items[i].result != LARDER_OK) {
      continue;
    }
    at[run++] = i;
    if (run == MANY_MAX) {
      get_run(ns, items, ops, at, run, wants_stale(options));
      run = 0;
    }
  }
  if (run > 0) {
    get_run(ns, items, ops, at, run, wants_stale(options));
  }
  return LARDER_OK;
}

/* --- facts alone ----------------------------------------------------------------------------------------------------- */

larder_err larder_stat_get(larder_ns *ns, const void *key, size_t key_len, larder_stat *out) {
  lrd_op op;
  lrd_found *found = NULL;
  bool queued = false;
  if (!out) {
    return LARDER_EINVAL;
  }
  larder_err result = lrd_op_begin(ns, key, key_len, &op);
  if (result != LARDER_OK) {
    return result;
  }
  int64_t now_ms = lrd_wall_ms(ns->cache->clock);
  if (ns->behind && lrd_pending_any(ns->cache->pending)) {
    result = find_queued(&op, &found, &queued);
  }
  if (!queued && ns->memory) {
    larder_value *value = lrd_alloc_zero(1, sizeof *value);
    lrd_memory_pin pin;
    larder_tier_key memory_key = lrd_op_memory_key(&op);
    if (!value) {
      return LARDER_ENOMEM;
    }
    if (lrd_memory_pin_get(ns->memory, &memory_key, lrd_ns_word(ns, op.hash), true, &pin) == LARDER_OK) {
      value_from_memory(ns, &pin, value);
      *out = (larder_stat){.tier = "memory", .own = value};
      lrd_memory_pin_facts(&pin, &out->facts);
      out->stored_len = out->facts.value_len;
      out->stale = lrd_facts_stale(ns->cache, &out->facts, now_ms);
      return LARDER_OK;
    }
    lrd_dealloc(value);
    result = LARDER_MISS;
  }
  if (!queued && ns->links_len > 0) {
    result = lrd_read_below(&op, true, &found);
  }
  if (result == LARDER_OK && found && found->entry.facts.kind == LARDER_KIND_ABSENT) {
    lrd_found_free(found);
    result = LARDER_MISS;
  }
  if (result != LARDER_OK || !found) {
    return result == LARDER_OK ? LARDER_MISS : result;
  }
  larder_value *value = lrd_alloc_zero(1, sizeof *value);
  if (!value) {
    lrd_found_free(found);
    return LARDER_ENOMEM;
  }
  lrd_value_from_found(found, false, value);
  *out = (larder_stat){.facts = found->entry.facts,
                       .stored_len = found->link ? found->stored_len : found->entry.facts.value_len,
                       .tier = value->tier,
                       .own = value};
  out->stale = lrd_facts_stale(ns->cache, &out->facts, now_ms);
  return LARDER_OK;
}

void larder_stat_free(larder_stat *stat) {
  if (!stat || !stat->own) {
    return;
  }
  larder_value_release(stat->own);
  lrd_dealloc(stat->own);
  *stat = (larder_stat){0};
}

larder_err larder_exists(larder_ns *ns, const void *key, size_t key_len) {
  larder_stat stat;
  larder_err result = larder_stat_get(ns, key, key_len, &stat);
  if (result != LARDER_OK) {
    return result;
  }
  result = stat.stale ? LARDER_MISS : LARDER_OK;
  larder_stat_free(&stat);
  return result;
}
