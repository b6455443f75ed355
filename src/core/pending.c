/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of `behind` puts: a small hash table under one lock, bounded in entries and bytes. A reader of the process
 * looks here before memory. The flusher writes entries as batches that own their slots; an entry stays visible until its
 * write has committed, and leaves only if it is still the one that was written. Deletes and direct puts, owning the slot,
 * drop what is queued for their key.
 *
 * How long an entry may wait is not bounded: a disk can be slow, full or away, and then the entry stays here. The process
 * tells in the coherence map from which stamp on it may have something queued, before it takes the stamp, and no tier removes
 * anything newer without leaving its stamp or saying so. So when an entry is written at last, by the owner of its slot, who
 * looks whether it is queued still, it wins or loses by stamps (write.c).
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "cache.h"

#define BUCKETS     4096u
#define ENTRIES_MAX 16384u
#define BYTES_MAX   ((size_t)32 << 20)

typedef struct pending_entry pending_entry;
struct pending_entry {
  pending_entry *next;
  larder_ns *ns;
  uint64_t hash;
  uint64_t token;
  uint64_t serial;    /* order of arrival */
  larder_facts facts; /* pointers into bytes */
  size_t key_len;
  size_t size;
  uint64_t busy_round; /* the flush in which its slot was not to be had */
  uint8_t bytes[];     /* key, value, version, meta, tags */
};

struct lrd_pending {
  larder *cache;
  lrd_mutex mutex;
  lrd_mutex flush_mutex;
  pending_entry *buckets[BUCKETS];
  _Atomic size_t count;
  size_t bytes;
  uint64_t serial;
  uint64_t round;            /* of flushes; under flush_mutex */
  lrd_stamp from;            /* no entry has a lower stamp; 0: there is none */
  _Atomic uint64_t given_up; /* since larder_flush last told */
};

larder_err lrd_pending_new(larder *cache, lrd_pending **out) {
  lrd_pending *pending = lrd_alloc_zero(1, sizeof *pending);
  if (!pending) {
    return LARDER_ENOMEM;
  }
  pending->cache = cache;
  lrd_mutex_init(&pending->mutex);
  lrd_mutex_init(&pending->flush_mutex);
  *out = pending;
  return LARDER_OK;
}

void lrd_pending_free(lrd_pending *pending) {
  if (!pending) {
    return;
  }
  for (size_t b = 0; b < BUCKETS; b++) {
    for (pending_entry *entry = pending->buckets[b]; entry;) {
      pending_entry *next = entry->next;
      lrd_dealloc(entry);
      entry = next;
    }
  }
  lrd_mutex_fini(&pending->mutex);
  lrd_mutex_fini(&pending->flush_mutex);
  lrd_dealloc(pending);
}

bool lrd_pending_any(const lrd_pending *pending) { return atomic_load_explicit(&pending->count, memory_order_acquire) != 0; }

const _Atomic size_t *lrd_pending_count(const lrd_pending *pending) { return &pending->count; }

/* Where the pointer to the key's entry is, or to the NULL where it would be. */
static pending_entry **place_of(lrd_pending *pending, const larder_ns *ns, uint64_t hash, const void *key, size_t key_len) {
  pending_entry **at = &pending->buckets[hash % BUCKETS];
  while (*at &&
         !((*at)->ns == ns && (*at)->hash == hash && (*at)->key_len == key_len && memcmp((*at)->bytes, key, key_len) == 0)) {
    at = &(*at)->next;
  }
  return at;
}

static void tell_from(lrd_pending *pending, lrd_stamp from) {
  pending->from = from;
  lrd_slots_queue_from(pending->cache->slots, from);
}

/* After a flush: what is left may be newer than what was told. */
static void tell_least(lrd_pending *pending) {
  lrd_stamp least = UINT64_MAX;
  lrd_lock(&pending->mutex);
  for (size_t b = 0; b < BUCKETS && pending->from != 0; b++) {
    for (const pending_entry *entry = pending->buckets[b]; entry; entry = entry->next) {
      least = entry->facts.stamp < least ? entry->facts.stamp : least;
    }
  }
  if (pending->from != 0) {
    tell_from(pending, least);
  }
  lrd_unlock(&pending->mutex);
}

static void unlink_at(lrd_pending *pending, pending_entry **at) {
  pending_entry *entry = *at;
  *at = entry->next;
  pending->bytes -= entry->size;
  if (atomic_fetch_sub(&pending->count, 1) == 1) {
    tell_from(pending, 0);
  }
  lrd_dealloc(entry);
}

larder_err lrd_pending_put(lrd_pending *pending, const lrd_op *op, const void *value, const larder_facts *facts,
                           uint64_t token) {
  larder *cache = pending->cache;
  size_t size = op->key_len + (size_t)facts->value_len + facts->version_len + facts->meta_len + facts->tags_len;
  if (size > BYTES_MAX / 16) {
    return LARDER_NOT_KEPT;
  }
  pending_entry *entry = lrd_alloc(sizeof *entry + size);
  if (!entry) {
    return LARDER_NOT_KEPT;
  }
  *entry =
      (pending_entry){.ns = op->ns, .hash = op->hash, .token = token, .facts = *facts, .key_len = op->key_len, .size = size};
  uint8_t *at = entry->bytes;
  (void)lrd_bytes_pack(&at, op->key, op->key_len);
  (void)lrd_bytes_pack(&at, value, (size_t)facts->value_len);
  lrd_facts_pack(&entry->facts, &at);
  lrd_lock(&pending->mutex);
  pending_entry **place = place_of(pending, op->ns, op->hash, op->key, op->key_len);
  if (pending->bytes - (*place ? (*place)->size : 0) + size > BYTES_MAX ||
      (!*place && atomic_load(&pending->count) >= ENTRIES_MAX)) {
    lrd_unlock(&pending->mutex);
    lrd_dealloc(entry);
    return LARDER_NOT_KEPT;
  }
  atomic_fetch_add(&pending->count, 1); /* first, so that nobody sees 0 while the one is replaced by the other */
  if (*place) {
    unlink_at(pending, place);
  }
  tell_from(pending, pending->from ? pending->from : lrd_cache_stamp(cache, 0));
  entry->facts.stamp = lrd_cache_stamp(cache, 0);
  entry->serial = ++pending->serial;
  pending_entry **head = &pending->buckets[op->hash % BUCKETS];
  entry->next = *head;
  *head = entry;
  pending->bytes += size;
  lrd_unlock(&pending->mutex);
  return LARDER_OK;
}

larder_err lrd_pending_find(lrd_pending *pending, const lrd_op *op, lrd_found **out, uint64_t *token_out) {
  larder_err result = LARDER_MISS;
  lrd_lock(&pending->mutex);
  pending_entry *entry = *place_of(pending, op->ns, op->hash, op->key, op->key_len);
  if (entry) {
    lrd_found *found = lrd_alloc_zero(1, sizeof *found);
    uint8_t *own = lrd_alloc(entry->size + 1);
    result = LARDER_ENOMEM;
    if (found && own) {
      uint8_t *at = own;
      found->ns = op->ns;
      found->own = own;
      found->entry.facts = entry->facts;
      found->entry.value = lrd_bytes_pack(&at, entry->bytes + entry->key_len, (size_t)entry->facts.value_len);
      lrd_facts_pack(&found->entry.facts, &at);
      *token_out = entry->token;
      *out = found;
      result = LARDER_OK;
    } else {
      lrd_dealloc(found);
      lrd_dealloc(own);
    }
  }
  lrd_unlock(&pending->mutex);
  return result;
}

bool lrd_pending_drop(lrd_pending *pending, const lrd_op *op, uint64_t stamp_max) {
  lrd_lock(&pending->mutex);
  pending_entry **place = place_of(pending, op->ns, op->hash, op->key, op->key_len);
  bool there = *place && (*place)->facts.stamp <= stamp_max;
  if (there) {
    unlink_at(pending, place);
  }
  lrd_unlock(&pending->mutex);
  return there;
}

/* One batch of one namespace, copied out so that the lock is free while it is written. */
typedef struct flush_batch {
  lrd_change changes[LRD_BATCH_MAX];
  uint8_t *copies[LRD_BATCH_MAX];
  size_t len;
  size_t bytes;
} flush_batch;

static larder_err batch_take(flush_batch *batch, const pending_entry *entry) {
  uint8_t *copy = lrd_alloc(entry->size + 1);
  if (!copy) {
    return LARDER_ENOMEM;
  }
  uint8_t *at = copy;
  lrd_change *change = &batch->changes[batch->len];
  *change =
      (lrd_change){.verb = LRD_CHANGE_PUT, .facts = entry->facts, .keep_stamp = entry->facts.stamp, .token = entry->token};
  change->op = (lrd_op){entry->ns, lrd_bytes_pack(&at, entry->bytes, entry->key_len), entry->key_len, entry->hash};
  change->value = lrd_bytes_pack(&at, entry->bytes + entry->key_len, (size_t)entry->facts.value_len);
  lrd_facts_pack(&change->facts, &at);
  batch->copies[batch->len++] = copy;
  batch->bytes += entry->size;
  return LARDER_OK;
}

bool lrd_pending_has(lrd_pending *pending, const lrd_op *op, lrd_stamp stamp) {
  lrd_lock(&pending->mutex);
  const pending_entry *entry = *place_of(pending, op->ns, op->hash, op->key, op->key_len);
  bool has = entry && entry->facts.stamp == stamp;
  lrd_unlock(&pending->mutex);
  return has;
}

bool lrd_pending_any_of(lrd_pending *pending, const larder_ns *ns) {
  bool any = false;
  lrd_lock(&pending->mutex);
  for (size_t b = 0; b < BUCKETS && !any; b++) {
    for (const pending_entry *entry = pending->buckets[b]; entry && !any; entry = entry->next) {
      any = entry->ns == ns;
    }
  }
  lrd_unlock(&pending->mutex);
  return any;
}

void lrd_pending_moved(lrd_pending *pending, uint64_t slot, uint64_t version) {
  lrd_lock(&pending->mutex);
  for (size_t b = 0; b < BUCKETS; b++) {
    for (pending_entry *entry = pending->buckets[b]; entry; entry = entry->next) {
      if (entry->token == version && lrd_slot_of(pending->cache->slots, entry->hash) == slot) {
        entry->token = (version + 1) & LRD_SLOT_VERSION_MASK;
      }
    }
  }
  lrd_unlock(&pending->mutex);
}

void lrd_pending_give_up(lrd_pending *pending, const lrd_op *op, lrd_stamp stamp) {
  lrd_lock(&pending->mutex);
  pending_entry **place = place_of(pending, op->ns, op->hash, op->key, op->key_len);
  if (*place && (*place)->facts.stamp == stamp) {
    atomic_fetch_add(&pending->given_up, 1);
    lrd_stats_add(op->ns->cell, LRD_STAT_NOT_KEPT, 1);
    unlink_at(pending, place);
  }
  lrd_unlock(&pending->mutex);
}

/*
 * Takes up to a batch of entries that arrived by `serial_max`, all of the namespace of the first one met. Those whose slot
 * was not to be had in this flush are left: each batch that has one waits for it, while all the others wait behind.
 */
static larder_err batch_fill(lrd_pending *pending, flush_batch *batch, uint64_t serial_max) {
  larder_err result = LARDER_OK;
  larder_ns *ns = NULL;
  lrd_lock(&pending->mutex);
  for (size_t b = 0; b < BUCKETS && batch->len < LRD_BATCH_MAX && batch->bytes < BYTES_MAX / 8; b++) {
    for (pending_entry *entry = pending->buckets[b]; entry && batch->len < LRD_BATCH_MAX; entry = entry->next) {
      if (entry->serial > serial_max || entry->busy_round == pending->round || (ns && entry->ns != ns)) {
        continue;
      }
      ns = entry->ns;
      result = batch_take(batch, entry);
      if (result != LARDER_OK) {
        goto out;
      }
    }
  }
out:
  lrd_unlock(&pending->mutex);
  return batch->len > 0 ? LARDER_OK : result;
}

/*
 * Those that were written, and lost to a newer stamp, leave; the others stay for the next flush. What the first failure
 * was, or LARDER_OK.
 */
static larder_err batch_settle(lrd_pending *pending, flush_batch *batch, larder_err result) {
  larder_err failure = result;
  for (size_t i = 0; i < batch->len; i++) {
    lrd_change *change = &batch->changes[i];
    bool written = result == LARDER_OK && change->result >= 0;
    lrd_lock(&pending->mutex);
    pending_entry **place = place_of(pending, change->op.ns, change->op.hash, change->op.key, change->op.key_len);
    if (*place && (*place)->facts.stamp == change->keep_stamp) {
      if (written) {
        unlink_at(pending, place);
      } else {
        (*place)->busy_round = pending->round;
      }
    }
    lrd_unlock(&pending->mutex);
    if (!written && failure == LARDER_OK) {
      failure = change->result;
    }
    lrd_dealloc(batch->copies[i]);
  }
  batch->len = 0;
  batch->bytes = 0;
  return failure;
}

larder_err lrd_pending_flush(lrd_pending *pending) {
  if (!pending || !lrd_pending_any(pending)) {
    return LARDER_OK;
  }
  flush_batch *batch = lrd_alloc_zero(1, sizeof *batch);
  if (!batch) {
    return LARDER_ENOMEM;
  }
  lrd_lock(&pending->flush_mutex);
  lrd_lock(&pending->mutex);
  uint64_t serial_max = pending->serial;
  pending->round++;
  lrd_unlock(&pending->mutex);
  larder_err result = LARDER_OK;
  larder_err failure = LARDER_OK;
  for (;;) {
    result = batch_fill(pending, batch, serial_max);
    if (result != LARDER_OK || batch->len == 0) {
      break;
    }
    result = lrd_write_batch(batch->changes[0].op.ns, batch->changes, batch->len);
    larder_err left = batch_settle(pending, batch, result);
    if (failure == LARDER_OK) {
      failure = left;
    }
    if (result != LARDER_OK) {
      break;
    }
  }
  tell_least(pending);
  lrd_unlock(&pending->flush_mutex);
  lrd_dealloc(batch);
  return result != LARDER_OK ? result : failure;
}

larder_err lrd_pending_settle(lrd_pending *pending) {
  larder_err result = lrd_pending_flush(pending);
  return result == LARDER_EAWAY ? LARDER_OK : result;
}

bool lrd_pending_gave_up(lrd_pending *pending) { return pending && atomic_exchange(&pending->given_up, 0) != 0; }
