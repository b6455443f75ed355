/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What need not keep a caller waiting: values on their way to a shared tier that lacks them. A promotion carries what was
 * found in a lower tier to those above it; a demotion carries what memory evicts to the first shared tier that lacks it
 * (it may, when that tier was away at the put). Both own the slot only if it has not moved since the value was seen, and
 * never wait: an errand whose slot has moved is dropped. The queue is bounded; what does not fit is dropped and counted.
 * What a get found damaged is forgotten the same way.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "cache.h"
#include "mutation.h"

#define ERRANDS_MAX      512u
#define ERRAND_BYTES_MAX ((size_t)16 << 20)

typedef enum errand_kind { PROMOTE, DEMOTE, FORGET } errand_kind;

typedef struct errand {
  larder_ns *ns;
  errand_kind kind;
  size_t link; /* PROMOTE: links above this one may take it; FORGET: of which it is */
  uint64_t hash;
  uint64_t token;
  larder_facts facts;
  size_t key_len;
  size_t size;
  uint8_t bytes[]; /* key, value, version, meta, tags */
} errand;

struct lrd_errands {
  larder *cache;
  lrd_mutex mutex;
  errand *queue[ERRANDS_MAX];
  size_t first;
  _Atomic size_t len;
  size_t bytes;
};

larder_err lrd_errands_new(larder *cache, lrd_errands **out) {
  lrd_errands *errands = lrd_alloc_zero(1, sizeof *errands);
  if (!errands) {
    return LARDER_ENOMEM;
  }
  errands->cache = cache;
  lrd_mutex_init(&errands->mutex);
  *out = errands;
  return LARDER_OK;
}

void lrd_errands_free(lrd_errands *errands) {
  if (!errands) {
    return;
  }
  for (size_t i = 0; i < errands->len; i++) {
    lrd_dealloc(errands->queue[(errands->first + i) % ERRANDS_MAX]);
  }
  lrd_mutex_fini(&errands->mutex);
  lrd_dealloc(errands);
}

static void errand_queue(lrd_errands *errands, larder_ns *ns, errand_kind kind, size_t link, const larder_tier_key *key,
                         const void *value, const larder_facts *facts, uint64_t token) {
  if (lrd_cache_onlooker(errands->cache)) {
    return;
  }
  size_t size = key->len + (size_t)facts->value_len + facts->version_len + facts->meta_len + facts->tags_len;
  bool fits = false;
  errand *one = size <= ERRAND_BYTES_MAX / 4 ? lrd_alloc(sizeof *one + size) : NULL;
  if (one) {
    *one = (errand){ns, kind, link, key->hash, token, *facts, key->len, size};
    uint8_t *at = one->bytes;
    (void)lrd_bytes_pack(&at, key->data, key->len);
    (void)lrd_bytes_pack(&at, value, (size_t)facts->value_len);
    lrd_facts_pack(&one->facts, &at);
    lrd_lock(&errands->mutex);
    fits = errands->len < ERRANDS_MAX && errands->bytes + size <= ERRAND_BYTES_MAX;
    if (fits) {
      errands->queue[(errands->first + errands->len) % ERRANDS_MAX] = one;
      errands->len++;
      errands->bytes += size;
    }
    lrd_unlock(&errands->mutex);
  }
  if (!fits) {
    lrd_stats_add(ns->cell, LRD_STAT_REFUSED_FILLS, 1);
    lrd_dealloc(one);
    return;
  }
  if (errands->len == 1 && errands->cache->keeper) {
    lrd_ticker_wake(errands->cache->keeper);
  }
}

void lrd_errand_promote(larder *cache, const lrd_op *op, size_t below, const lrd_found *found, uint64_t token) {
  larder_tier_key key = {op->key, op->key_len, op->hash, 0};
  /* As the tier below has it, frame and all. */
  errand_queue(cache->errands, op->ns, PROMOTE, below, &key, found->held.value, &found->held.facts, token);
}

void lrd_errand_forget(larder *cache, const lrd_op *op, size_t link, uint64_t stamp, uint64_t token) {
  larder_tier_key key = {op->key, op->key_len, op->hash, 0};
  larder_facts facts = {.stamp = stamp};
  if (token != LRD_TOKEN_NONE) {
    errand_queue(cache->errands, op->ns, FORGET, link, &key, NULL, &facts, token);
  }
}

void lrd_errand_demote(larder *cache, const larder_tier_key *key, const void *value, const larder_facts *facts,
                       uint64_t token) {
  larder_ns *ns = key->space < LRD_NS_MAX ? atomic_load(&cache->memory_by_space[key->space]) : NULL;
  /* Write-through has put it below already, unless a tier was away when it was put. */
  if (!ns || ns->links_len == 0 || atomic_load_explicit(&cache->degraded_puts, memory_order_relaxed) == 0 ||
      lrd_facts_outdated(facts)) { /* memory does not know of which version that is */
    return;
  }
  larder_facts known = *facts;
  known.ns_version = ns->version;
  errand_queue(cache->errands, ns, DEMOTE, 0, key, value, &known, token);
}

/* Whether the tier lacks the key. The slot is owned. */
static bool lacks(const lrd_op *op, lrd_link *link) {
  larder_tier_entry entry;
  larder_tier_key key = lrd_op_link_key(op, link);
  larder_err result = lrd_tier_get(&link->instance->tier, link->cell, &key, true, NULL, &entry);
  if (result == LARDER_OK) {
    lrd_tier_release(&link->instance->tier, &entry);
  }
  return result == LARDER_MISS;
}

static bool sealed_as_wanted(const errand *one, lrd_span key, const larder_tier_write *item) {
  lrd_sealed sealed;
  return one->ns->coding.policy.seal == LRD_SEAL_NONE ||
         (lrd_sealed_look(one->ns, key, item->value, &item->facts, &sealed) == LARDER_OK && sealed.right);
}

/* Into the form that the tier wants: memory has a value as it was put, a shared tier may have packed it. */
static larder_err item_code(const errand *one, const lrd_op *op, const lrd_link *link, larder_tier_write *item,
                            lrd_coded *coded, uint8_t **opened) {
  lrd_span key = lrd_span_of(op->key, op->key_len);
  larder_err result = LARDER_OK;
  size_t len = 0;
  if (one->kind == DEMOTE) {
    result = lrd_code_value(one->ns, key, item->value, &item->facts, coded);
    lrd_coded_apply(coded, link, item);
  } else if (!sealed_as_wanted(one, key, item)) {
    result = LARDER_EKEY; /* from before it was sealed: rotation mends it, and until then it goes nowhere else */
  } else if (item->facts.framed && lrd_tier_has(&link->instance->tier, LARDER_TIER_READABLE)) {
    result = lrd_unpack_for_readers(one->ns, key, item->value, &item->facts, opened, &len);
    if (result == LARDER_OK) {
      item->value = *opened;
      item->facts.framed = false;
      item->facts.value_len = item->facts.raw_len = len;
    }
  }
  return result == LARDER_NOT_KEPT ? LARDER_OK : result;
}

static bool hand_to(const errand *one, const lrd_op *op, lrd_link *link, bool *cleaned) {
  lrd_instance *instance = link->instance;
  uint64_t slot = lrd_slot_of(one->ns->cache->slots, one->hash);
  if (!lrd_instance_answers(instance) || !lrd_instance_clean(instance, slot, cleaned)) {
    return false;
  }
  if (!lacks(op, link)) {
    return false;
  }
  larder_tier_write item = {
      .verb = LARDER_TIER_PUT, .key = lrd_op_link_key(op, link), .value = one->bytes + one->key_len, .facts = one->facts};
  lrd_coded coded = {0};
  uint8_t *opened = NULL;
  bool done = item_code(one, op, link, &item, &coded, &opened) == LARDER_OK &&
              lrd_tier_write(&instance->tier, link->cell, &item, 1, LARDER_DURABILITY_COMMIT) == LARDER_OK &&
              item.result == LARDER_OK;
  lrd_coded_fini(&coded);
  lrd_dealloc(opened);
  return done;
}

/* The slot is owned. */
static void forget_damaged(const errand *one, const lrd_op *op, lrd_link *link, bool *cleaned) {
  lrd_instance *instance = link->instance;
  if (!lrd_instance_answers(instance) ||
      !lrd_instance_clean(instance, lrd_slot_of(one->ns->cache->slots, one->hash), cleaned)) {
    return;
  }
  larder_tier_write item = {
      .verb = LARDER_TIER_FORGET, .key = lrd_op_link_key(op, link), .facts = one->facts, .only_stamp = one->facts.stamp};
  if (lrd_tier_write(&instance->tier, link->cell, &item, 1, LARDER_DURABILITY_COMMIT) == LARDER_OK &&
      item.result == LARDER_OK && item.existed) {
    lrd_stats_add(link->cell, LRD_STAT_EVICTED_CORRUPTION, 1);
    lrd_note(op, LRD_EVENT_DAMAGED, instance->tier.name, NULL);
  }
}

static void errand_run(const errand *one) {
  larder_ns *ns = one->ns;
  lrd_slots *slots = ns->cache->slots;
  uint64_t slot = lrd_slot_of(slots, one->hash);
  lrd_op op = {ns, one->bytes, one->key_len, one->hash};
  bool cleaned = false;
  bool owned = lrd_slot_own_unmoved(slots, slot, one->token);
  if (!owned && !LRD_MUTATED(LRD_MUTATE_DEMOTE_UNCHECKED)) {
    lrd_stats_add(ns->cell, LRD_STAT_REFUSED_FILLS, 1);
    lrd_note(&op, LRD_EVENT_REFUSED, NULL, NULL);
    return;
  }
  if (one->kind == FORGET) {
    forget_damaged(one, &op, &ns->links[one->link], &cleaned);
  } else if (one->kind == PROMOTE) {
    for (size_t i = one->link; i-- > 0;) {
      if (hand_to(one, &op, &ns->links[i], &cleaned)) {
        lrd_stats_add(ns->links[i].cell, LRD_STAT_PROMOTIONS, 1);
      }
    }
  } else {
    /* The authoritative tier: only there is it safe from the next eviction. */
    lrd_link *lowest = &ns->links[ns->links_len - 1];
    if (hand_to(one, &op, lowest, &cleaned)) {
      lrd_stats_add(lowest->cell, LRD_STAT_DEMOTIONS, 1);
    }
  }
  if (owned) {
    (void)lrd_slot_release(slots, slot, cleaned);
  }
}

void lrd_errands_run(lrd_errands *errands) {
  if (!errands) {
    return;
  }
  for (;;) {
    errand *one = NULL;
    lrd_lock(&errands->mutex);
    if (errands->len > 0) {
      one = errands->queue[errands->first];
      errands->first = (errands->first + 1) % ERRANDS_MAX;
      errands->len--;
      errands->bytes -= one->size;
    }
    lrd_unlock(&errands->mutex);
    if (!one) {
      return;
    }
    errand_run(one);
    lrd_dealloc(one);
  }
}
