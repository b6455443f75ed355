/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing, and changes to everything that matches. The authoritative tier is read page by page (memory, where there is no
 * other); nothing is held between pages. A bulk change collects a page of keys with their stamps, then writes it as a
 * batch on condition of the stamps, so a newer value is never taken along.
 *
 * No memory tier of any process has what the authoritative tier lacks, save under slots that are dirty there: evicting
 * moves the slot. So a bulk change also moves the dirty slots, and nothing that it speaks of is left anywhere.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/glob.h"
#include "base/hash.h"
#include "cache.h"
#include "flight.h"
#include "health.h"
#include "history.h"
#include <stdio.h>

#define PAGE_ROWS 1024u

bool lrd_match_takes(const larder *cache, const larder_match *match, const void *key, size_t key_len, const larder_facts *facts,
                     int64_t now_ms) {
  bool stale = lrd_facts_stale(cache, facts, now_ms);
  if (!match) {
    return !stale;
  }
  if (match->expired_only ? !stale : stale && !match->stale_too) {
    return false;
  }
  if (match->prefix_len > 0 && (key_len < match->prefix_len || memcmp(key, match->prefix, match->prefix_len) != 0)) {
    return false;
  }
  if (match->glob && !lrd_glob_match(match->glob, strlen(match->glob), key, key_len)) {
    return false;
  }
  if (match->tag && !lrd_facts_has_tag(facts, match->tag)) {
    return false;
  }
  int64_t written_ms = lrd_stamp_wall_ms(facts->stamp);
  int64_t used_ms = facts->accessed_ms > written_ms ? facts->accessed_ms : written_ms;
  return (match->before_ms == 0 || written_ms < match->before_ms) && (match->unused_ms == 0 || used_ms < match->unused_ms);
}

static larder_err match_check(const larder_match *match) {
  if (!match) {
    return LARDER_OK;
  }
  if (match->prefix_len > 0 && !match->prefix) {
    return LARDER_EINVAL;
  }
  if (match->glob && lrd_glob_check(match->glob, strlen(match->glob)) != LARDER_OK) {
    return LARDER_EINVAL;
  }
  return LARDER_OK;
}

/* Where a listing reads: the lowest tier that answers and can be enumerated, else memory. */
typedef struct list_source {
  lrd_tier *tier;
  lrd_link *link; /* NULL: memory */
  uint32_t space;
} list_source;

static larder_err source_of(larder_ns *ns, list_source *out) {
  for (size_t i = ns->links_len; i-- > 0;) {
    lrd_link *link = &ns->links[i];
    if (!lrd_instance_answers(link->instance) || !lrd_tier_usable(&link->instance->tier) ||
        !lrd_tier_has(&link->instance->tier, LARDER_TIER_ENUMERABLE)) {
      continue;
    }
    *out = (list_source){&link->instance->tier, link, atomic_load(&link->space)};
    return LARDER_OK;
  }
  if (!ns->memory) {
    return LARDER_EAWAY;
  }
  *out = (list_source){&ns->cache->memory_tier, NULL, ns->memory_space};
  return LARDER_OK;
}

typedef struct list_walk {
  larder_ns *ns;
  const list_source *source;
  const larder_match *match;
  int64_t now_ms;
  uint64_t limit; /* 0: all */
  uint64_t seen;
  bool values;
  bool absent_too; /* also what a maker said is not there */
  bool stopped;
  larder_err failed; /* LARDER_OK, or what stopped it */
  bool (*visit)(void *context, const larder_listed *entry);
  void *context;
} list_walk;

/* Whether memory would answer a get with this very entry: its slot has not moved since, and nobody owns it. */
static bool memory_vouches(larder_ns *ns, const larder_tier_key *key, const larder_facts *facts) {
  lrd_memory_pin pin;
  larder_facts now;
  larder_tier_key asked = {key->data, key->len, lrd_hash64(key->data, key->len, ns->seed), ns->memory_space};
  if (lrd_memory_pin_get(ns->memory, &asked, lrd_ns_word(ns, asked.hash), LRD_WANT_STALE | LRD_WANT_ABSENT, &pin) !=
      LARDER_OK) {
    return false;
  }
  lrd_memory_pin_facts(&pin, &now);
  bool same = now.stamp == facts->stamp;
  lrd_memory_pin_release(ns->memory, &pin);
  return same;
}

/* Shows an entry with its value as it was put. False: it is passed over. */
static bool row_open(list_walk *walk, larder_listed *listed, larder_facts *facts, uint8_t **opened) {
  lrd_link *link = walk->source->link;
  size_t len = 0;
  larder_err result = !walk->values || !link ? LARDER_NOT_KEPT
                                             : lrd_decode_value(walk->ns, link, lrd_span_of(listed->key, listed->key_len),
                                                                listed->value, listed->facts, opened, &len);
  *facts = *listed->facts;
  facts->value_len = result == LARDER_OK ? len : lrd_raw_len(listed->facts);
  facts->raw_len = facts->value_len;
  facts->framed = false;
  listed->facts = facts;
  if (result == LARDER_OK) {
    listed->value = *opened;
  }
  if (result == LARDER_EKEY || result == LARDER_EFORMAT || result == LARDER_ENOMEM) {
    walk->failed = result;
    walk->stopped = true;
  }
  return result == LARDER_OK || result == LARDER_NOT_KEPT;
}

static bool list_row(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  list_walk *walk = context;
  larder_facts judged = *facts;
  larder *cache = walk->ns->cache;
  const list_source *source = walk->source;
  if (source->link) {
    uint64_t hash = lrd_hash64(key->data, key->len, walk->ns->seed);
    if (!lrd_instance_answers(source->link->instance)) { /* since the walk began */
      walk->failed = LARDER_EAWAY;
      walk->stopped = true;
      return false;
    }
    if (lrd_slot_dirty(cache->slots, source->link->instance->number, lrd_slot_of(cache->slots, hash))) {
      return true;
    }
  }
  if (!source->link && lrd_ns_coherent(walk->ns) && !memory_vouches(walk->ns, key, facts)) {
    return true;
  }
  if (facts->kind == LARDER_KIND_ABSENT && !walk->absent_too) {
    return true;
  }
  if (source->link) {
    lrd_facts_judge_version(walk->ns, &judged);
  }
  if (!lrd_match_takes(cache, walk->match, key->data, key->len, &judged, walk->now_ms)) {
    return true;
  }
  larder_listed listed = {key->data, key->len, &judged, value, source->tier->name, facts->value_len};
  larder_facts shown;
  uint8_t *opened = NULL;
  if (row_open(walk, &listed, &shown, &opened)) {
    walk->seen++;
    walk->stopped = !walk->visit(walk->context, &listed) || walk->seen == walk->limit;
  }
  lrd_dealloc(opened);
  return !walk->stopped;
}

static larder_err cursor_read(const larder_cursor *cursor, const list_source *source, larder_tier_cursor *out) {
  unsigned long long position = 0;
  char ended = 0;
  char name[48];
  *out = (larder_tier_cursor){0};
  if (!cursor || cursor->at[0] == 0) {
    return LARDER_OK;
  }
  if (sscanf(cursor->at, "%47[^ ] %llx %c", name, &position, &ended) != 3 || (ended != 'e' && ended != 'm')) {
    return LARDER_EINVAL;
  }
  /* that tier is away: begin anew in this one */
  if (strncmp(name, source->tier->name, 47) != 0) {
    return LARDER_OK;
  }
  *out = (larder_tier_cursor){position, ended == 'e'};
  return LARDER_OK;
}

static void cursor_write(larder_cursor *cursor, const list_source *source, const larder_tier_cursor *at) {
  (void)snprintf(cursor->at, sizeof cursor->at, "%.47s %llx %c", source->tier->name, (unsigned long long)at->position,
                 at->ended ? 'e' : 'm');
}

static larder_err list_walk_run(list_walk *walk, bool values, larder_tier_cursor *at) {
  const char *tag = walk->match ? walk->match->tag : NULL;
  const list_source *source = walk->source;
  /* the match tests it all the same */
  if (tag && !lrd_tier_has(source->tier, LARDER_TIER_TAGS)) {
    tag = NULL;
  }
  larder_err result = at->ended ? LARDER_END : LARDER_OK;
  walk->values = values;
  while (result == LARDER_OK && !walk->stopped) {
    result = lrd_tier_scan(source->tier, source->space, tag, at, PAGE_ROWS, values, list_row, walk);
  }
  if (walk->failed != LARDER_OK) {
    return walk->failed;
  }
  if (result == LARDER_END) {
    at->ended = !walk->stopped || at->ended;
  }
  return result < 0 ? result : walk->stopped && !at->ended ? LARDER_OK : LARDER_END;
}

/* What is queued is written first. `all`: of this namespace nothing may be left, also where its tier is away. */
static larder_err settle_queue(larder_ns *ns, bool all) {
  if (!ns->behind || !lrd_pending_any(ns->cache->pending)) {
    return LARDER_OK;
  }
  larder_err result = lrd_pending_settle(ns->cache->pending);
  return result == LARDER_OK && all && lrd_pending_any_of(ns->cache->pending, ns) ? LARDER_EAWAY : result;
}

larder_err larder_list(larder_ns *ns, const larder_match *match, bool values, uint64_t limit, larder_cursor *cursor,
                       bool (*visit)(void *context, const larder_listed *entry), void *context) {
  list_source source;
  larder_tier_cursor at;
  if (!ns || !visit) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&ns->cache->forked)) {
    return LARDER_EFORKED;
  }
  larder_err result = match_check(match);
  if (result == LARDER_OK) {
    result = settle_queue(ns, false);
  }
  if (result == LARDER_OK) {
    result = source_of(ns, &source);
  }
  if (result == LARDER_OK) {
    result = cursor_read(cursor, &source, &at);
  }
  if (result != LARDER_OK) {
    return result;
  }
  list_walk walk = {.ns = ns,
                    .source = &source,
                    .match = match,
                    .now_ms = lrd_wall_ms(ns->cache->clock),
                    .limit = limit,
                    .absent_too = match && match->absent_too,
                    .visit = visit,
                    .context = context};
  int64_t began_ns = lrd_mono_ns(ns->cache->clock);
  result = list_walk_run(&walk, values, &at);
  lrd_stats_time(ns->cell, LRD_OP_SCAN, lrd_mono_ns(ns->cache->clock) - began_ns);
  if (cursor && result >= 0) {
    cursor_write(cursor, &source, &at);
  }
  if (result == LARDER_END && !cursor) {
    return LARDER_OK;
  }
  return result;
}

/* --- bulk ------------------------------------------------------------------------------------------------------------ */

typedef struct bulk_page {
  larder_ns *ns;
  lrd_change changes[LRD_BATCH_MAX];
  uint64_t sizes[LRD_BATCH_MAX];
  lrd_buf keys;
  size_t offsets[LRD_BATCH_MAX];
  size_t len;
  lrd_change_verb verb;
  bool health_too; /* the records of health go with what is deleted */
  bool former_too; /* one by one; else they go all together */
  larder_err result;
} bulk_page;

static bool bulk_collect(void *context, const larder_listed *entry) {
  bulk_page *page = context;
  page->offsets[page->len] = page->keys.len;
  page->result = lrd_buf_append(&page->keys, entry->key, entry->key_len);
  if (page->result != LARDER_OK) {
    return false;
  }
  page->sizes[page->len] = entry->key_len + entry->facts->value_len;
  page->changes[page->len] = (lrd_change){.verb = page->verb, .only_stamp = entry->facts->stamp};
  page->changes[page->len++].op.key_len = entry->key_len;
  return page->len < LRD_BATCH_MAX;
}

static larder_err bulk_write(bulk_page *page, larder_bulk *done) {
  if (page->result != LARDER_OK) {
    return page->result;
  }
  if (page->len == 0) {
    return LARDER_OK;
  }
  for (size_t i = 0; i < page->len; i++) {
    lrd_op *op = &page->changes[i].op;
    *op = (lrd_op){page->ns, page->keys.data + page->offsets[i], op->key_len, 0};
    op->hash = lrd_hash64(op->key, op->key_len, page->ns->seed);
  }
  larder_err result = lrd_write_batch(page->ns, page->changes, page->len);
  for (size_t i = 0; i < page->len && result == LARDER_OK; i++) {
    larder_err one = page->changes[i].result;
    if (one == LARDER_OK || one == LARDER_DEGRADED) { /* a tier that is away forgets it before it is read again */
      done->entries++;
      done->bytes += page->sizes[i];
      if (page->former_too) {
        lrd_history_forget(&page->changes[i].op, page->changes[i].facts.stamp, true);
      }
    } else if (one < 0) {
      done->failed++;
    }
  }
  if (result == LARDER_OK && page->health_too) {
    done->failed += lrd_health_forget(page->ns, page->changes, page->len);
  }
  page->len = 0;
  lrd_buf_clear(&page->keys);
  return result;
}

/* Slots that a tier could not follow: memory may have more than the tier does. One version on. */
static void move_dirty_slots(larder_ns *ns, larder_bulk *done) {
  lrd_slots *slots = ns->cache->slots;
  int64_t until_ns = lrd_mono_ns(ns->cache->clock) + LRD_SLOT_WAIT_NS; /* for all of them */
  for (size_t i = 0; i < ns->links_len; i++) {
    unsigned number = ns->links[i].instance->number;
    uint64_t slot = 0;
    if (lrd_slots_dirty_count(slots, number) == 0) {
      continue;
    }
    for (; lrd_slots_dirty_next(slots, number, slot, &slot); slot++) {
      uint64_t version;
      int64_t left_ns = until_ns - lrd_mono_ns(ns->cache->clock);
      if (lrd_slot_own(slots, slot, left_ns > 0 ? left_ns : 0, &version) == LARDER_OK) {
        (void)lrd_slot_release(slots, slot, true);
      } else {
        done->failed++;
      }
    }
  }
}

static larder_err bulk_source(larder_ns *ns, const list_source *source, const larder_match *match, bulk_page *page,
                              larder_bulk *done) {
  larder_tier_cursor at = {0};
  larder_match all = {.size = sizeof all};
  larder_err result = LARDER_OK;
  if (match) {
    all = *match;
  }
  all.stale_too = true;
  while (result == LARDER_OK) {
    list_walk walk = {.ns = ns,
                      .source = source,
                      .match = &all,
                      .now_ms = lrd_wall_ms(ns->cache->clock),
                      .absent_too = true,
                      .visit = bulk_collect,
                      .context = page};
    result = list_walk_run(&walk, false, &at);
    larder_err written = bulk_write(page, done);
    if (written != LARDER_OK) {
      result = written;
    }
  }
  return result == LARDER_END ? LARDER_OK : result;
}

static larder_err bulk_run(larder_ns *ns, const larder_match *match, lrd_change_verb verb, larder_bulk *out) {
  larder_bulk done = {0};
  if (!ns) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&ns->cache->forked)) {
    return LARDER_EFORKED;
  }
  if (ns->links_len > 0 && lrd_cache_onlooker(ns->cache)) {
    return LARDER_EACCES;
  }
  larder_err result = match_check(match);
  if (result == LARDER_OK) {
    result = settle_queue(ns, true);
  }
  if (result != LARDER_OK) {
    return result;
  }
  if (ns->cache->leases && lrd_ns_coherent(ns)) { /* what is being made is listed nowhere */
    lrd_leases_overtake_all(ns->cache->leases);
  }
  lrd_flights_overtake_all(ns->cache->flights, ns);
  bulk_page *page = lrd_alloc_zero(1, sizeof *page);
  if (!page) {
    return LARDER_ENOMEM;
  }
  page->ns = ns;
  page->verb = verb;
  page->health_too = verb == LRD_CHANGE_DELETE && !(match && match->expired_only); /* expiry leaves them */
  page->former_too = match && verb == LRD_CHANGE_DELETE && lrd_history_kept(ns);
  if (ns->links_len > 0) {
    move_dirty_slots(ns, &done);
  }
  for (size_t i = ns->links_len; i-- > 0 && result == LARDER_OK;) {
    lrd_link *link = &ns->links[i];
    list_source source = {&link->instance->tier, link, atomic_load(&link->space)};
    result = bulk_source(ns, &source, match, page, &done);
    /* an upper one away has dirty slots only */
    if (result == LARDER_EAWAY && i + 1 < ns->links_len) {
      result = LARDER_OK;
    }
  }
  if (ns->memory && result == LARDER_OK) {
    list_source source = {&ns->cache->memory_tier, NULL, ns->memory_space};
    larder_bulk there = {0};
    result = bulk_source(ns, &source, match, page, ns->links_len > 0 ? &there : &done);
  }
  lrd_buf_fini(&page->keys);
  lrd_dealloc(page);
  if (out) {
    *out = done;
  }
  return result;
}

/* Records of health, which lie under the keys of entries, also of those that are gone. */
static bool about_keys_alone(const larder_match *match) {
  return !match || (!match->tag && match->before_ms == 0 && match->unused_ms == 0 && !match->expired_only);
}

static bool match_is_all(const larder_match *match) {
  return !match || (about_keys_alone(match) && match->prefix_len == 0 && !match->glob);
}

larder_err larder_delete_matching(larder_ns *ns, const larder_match *match, larder_bulk *out) {
  larder_err result = bulk_run(ns, match_is_all(match) ? NULL : match, LRD_CHANGE_DELETE, out);
  larder_ns *records = ns ? atomic_load(&ns->health) : NULL;
  if (result == LARDER_OK && match_is_all(match)) {
    result = lrd_history_clear(ns);
  }
  if (result == LARDER_OK && records && about_keys_alone(match)) {
    result = bulk_run(records, match, LRD_CHANGE_DELETE, NULL);
  }
  return result;
}

larder_err larder_expire_matching(larder_ns *ns, const larder_match *match, larder_bulk *out) {
  return bulk_run(ns, match, LRD_CHANGE_EXPIRE, out);
}

larder_err larder_clear(larder_ns *ns, larder_bulk *out) { return larder_delete_matching(ns, NULL, out); }

typedef struct clear_all {
  larder *cache;
  larder_bulk done;
  larder_err result;
} clear_all;

static bool clear_named(void *context, const char *name) {
  clear_all *all = context;
  larder_ns *ns;
  larder_bulk one = {0};
  larder_err result = larder_ns_open(all->cache, name, &ns, NULL);
  if (result == LARDER_OK) {
    result = larder_clear(ns, &one);
  }
  all->done.entries += one.entries;
  all->done.bytes += one.bytes;
  all->done.failed += one.failed;
  if (result != LARDER_OK && all->result == LARDER_OK) {
    all->result = result;
  }
  return true;
}

larder_err larder_clear_all(larder *cache, larder_bulk *out) {
  clear_all all = {.cache = cache};
  larder_err result = larder_ns_each(cache, clear_named, &all);
  if (out) {
    *out = all.done;
  }
  return result != LARDER_OK ? result : all.result;
}
