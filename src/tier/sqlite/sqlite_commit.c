/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit queue of the process. Requests stand in line; the thread whose request is at the head and finds nobody
 * leading becomes the leader, takes the writes that follow it (bounded in items and bytes) and carries them out in one
 * transaction, under the host-wide turn. Who wants the turn for itself (sweep, check, …) stands in the same line.
 *
 * All that needs no turn happens before: heads packed, values summed, large values written to their files. What waits for
 * the disk happens after: a `sync` writer waits in lrd_sqlite_sync_upto, where one flush serves all who came before it, while
 * the next leader already commits.
 *
 * A failure in a batch of several requests rolls all back and carries each out alone, so nobody pays for a neighbour's
 * value that no longer fits on the disk.
 */
#include "sqlite_inner.h"

static void request_init(sqlite_request *request) {
  memset(request, 0, sizeof *request);
  lrd_cond_init(&request->woken);
}

/* Waits until the request is done, or stands at the head with the lead taken. True: we lead. */
static bool queue_enter(sqlite_tier *tier, sqlite_request *request) {
  lrd_lock(&tier->queue);
  *tier->tail = request;
  tier->tail = &request->next;
  while (!request->done && (tier->led || tier->head != request)) pthread_cond_wait(&request->woken, &tier->queue);
  bool const leads = !request->done;
  if (leads) tier->led = true;
  lrd_unlock(&tier->queue);
  return leads;
}

/* Takes the head and, behind a write, the writes that follow it. Returns the last one taken. */
static sqlite_request *queue_take(sqlite_tier *tier) {
  lrd_lock(&tier->queue);
  sqlite_request *first = tier->head;
  sqlite_request *last = first;
  size_t items = first->count, bytes = first->bytes;
  while (first->items != NULL && last->next != NULL && last->next->items != NULL &&
         items + last->next->count <= LRD_SQLITE_BATCH_ITEMS && bytes + last->next->bytes <= LRD_SQLITE_BATCH_BYTES) {
    last = last->next;
    items += last->count;
    bytes += last->bytes;
  }
  tier->head = last->next;
  if (tier->head == NULL) tier->tail = &tier->head;
  last->next = NULL;
  lrd_unlock(&tier->queue);
  return last;
}

/* Wakes those served and whoever stands at the head now. `first` is our own and needs no waking. */
static void queue_leave(sqlite_tier *tier, sqlite_request *first) {
  lrd_lock(&tier->queue);
  sqlite_request *next = NULL;
  for (sqlite_request *r = first; r != NULL; r = next) {
    next = r->next;
    r->done = true;
    if (r != first) pthread_cond_signal(&r->woken);
  }
  tier->led = false;
  if (tier->head != NULL) pthread_cond_signal(&tier->head->woken);
  lrd_unlock(&tier->queue);
}

/*
 * Under the turn, before BEGIN: room in the log. From half of wal_bytes_max on the leader checkpoints itself: with writers
 * held off that completes, which the ticker's never does under steady writing, and the log begins anew by itself. Past
 * wal_bytes_max readers are paused for it. Past wal_bytes_hard the write waits, and is refused when that does not help.
 */
static larder_err wal_room(sqlite_tier *tier) {
  uint64_t const frame = LRD_SQLITE_PAGE_BYTES + 24;
  const _Atomic uint64_t *frames = &tier->board->wal_frames;
  uint64_t const now = atomic_load(frames);
  if (now * frame < tier->options.wal_bytes_max / 2) {
    tier->checkpoint_at = 0;
    return LARDER_OK;
  }
  if (now >= tier->checkpoint_at) {
    lrd_sqlite_checkpoint(tier);
    tier->checkpoint_at = now + LRD_SQLITE_CHECKPOINT_FRAMES;
  }
  if (now * frame < tier->options.wal_bytes_max) return LARDER_OK;
  int64_t const began_ns = lrd_mono_ns(lrd_clock_real());
  bool const full = now * frame >= tier->options.wal_bytes_hard;
  int64_t const until_ns = began_ns + (full ? (int64_t)tier->options.busy_ms * 1000000 : 0);
  /* Somebody holds an old snapshot open: readers are not to be paused over and over for it. */
  if (began_ns < tier->restart_ns) return full ? LARDER_EBUSY : LARDER_OK;
  lrd_sqlite_wal_restart(tier);
  while (atomic_load(frames) != 0 && lrd_mono_ns(lrd_clock_real()) < until_ns) {
    lrd_sqlite_checkpoint(tier);
    lrd_sqlite_wal_restart(tier);
  }
  if (atomic_load(frames) == 0) return LARDER_OK;
  tier->restart_ns = lrd_mono_ns(lrd_clock_real()) + 1000000000;
  lrd_sqlite_log(tier, LRD_LOG_WARN, "sqlite.log_grows", "the log of %s cannot be restarted: somebody reads an old state of it",
                 tier->path);
  return full ? LARDER_EBUSY : LARDER_OK;
}

/* The turn and BEGIN. */
static larder_err turn_begin(sqlite_tier *tier) {
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (tier->read_only) return sqlite_refusal(tier);
  larder_err err = lrd_sqlite_turn_lock(tier);
  if (err != LARDER_OK) return err;
  err = wal_room(tier);
  if (err == LARDER_OK) err = lrd_sqlite_txn_begin(tier);
  if (err != LARDER_OK) lrd_sqlite_turn_unlock(tier);
  return err;
}

static larder_err turn_finish(sqlite_tier *tier, larder_err err) {
  if (err == LARDER_OK)
    err = lrd_sqlite_txn_commit(tier);
  else
    lrd_sqlite_txn_rollback(tier);
  lrd_sqlite_turn_unlock(tier);
  return err;
}

/* One transaction over the requests from first on, `alone` or all of them. */
static larder_err transact(sqlite_tier *tier, sqlite_request *first, bool alone) {
  larder_err err = turn_begin(tier);
  if (err != LARDER_OK) return err;
  sqlite_request *end = alone ? first->next : NULL;
  tier->txn.batch = first;
  tier->txn.batch_end = end;
  for (sqlite_request *r = first; r != end && err == LARDER_OK; r = r->next)
    for (size_t i = 0; i < r->count && err == LARDER_OK; i++) err = lrd_sqlite_apply(tier, &r->items[i], &r->preps[i]);
  tier->txn.batch = tier->txn.batch_end = NULL;
  err = turn_finish(tier, err);
  lrd_sqlite_txn_settle(tier, err == LARDER_OK);
  uint64_t const seen = atomic_load(&tier->board->commits);
  for (sqlite_request *r = first; r != end; r = r->next) {
    r->result = err;
    r->commit_seen = seen;
  }
  return err;
}

static bool worth_alone(larder_err err) { return err == LARDER_ENOSPC || err == LARDER_EIO || err == LARDER_ENOMEM; }

static void lead(sqlite_tier *tier, sqlite_request *first) {
  larder_err const err = transact(tier, first, false);
  if (err == LARDER_OK) return;
  for (sqlite_request *r = first; r != NULL; r = r->next) r->result = err;
  if (first->next == NULL || !worth_alone(err)) return;
  for (sqlite_request *r = first; r != NULL; r = r->next) r->result = transact(tier, r, true);
}

static larder_err prep_item(sqlite_tier *tier, larder_tier_write *item, sqlite_prep *prep, bool sync) {
  const larder_tier_key *key = &item->key;
  if (key->len == 0 || key->len > LARDER_KEY_MAX || key->space == 0 || key->space >= LRD_SQLITE_SPACES_MAX)
    return LARDER_EINVAL;
  if (item->verb != LARDER_TIER_PUT) return LARDER_OK;
  if (item->facts.value_len > LARDER_VALUE_MAX) return LARDER_ETOOBIG;
  if (item->facts.framed && item->facts.raw_len > LARDER_VALUE_MAX) return LARDER_ETOOBIG;
  larder_err err = lrd_facts_head_pack(&item->facts, &prep->head, &prep->head_len);
  if (err != LARDER_OK) return err;
  prep->value_sum = lrd_sum64(item->value, (size_t)item->facts.value_len);
  /* A file beyond every limit would only be written to be unlinked. */
  bool const hopeless = tier->bytes_max != 0 && item->facts.value_len > tier->bytes_max;
  if (item->facts.value_len < tier->options.blob_bytes_min || hopeless) return LARDER_OK;
  err = lrd_sqlite_blob_write(tier, key->hash, item->facts.stamp, item->value, (size_t)item->facts.value_len, sync);
  prep->blob = err == LARDER_OK;
  return err;
}

/* Files of what was not stored after all. Not after EUNKNOWN: the row may be there. */
static void prep_fini(sqlite_tier *tier, const sqlite_request *request, sqlite_prep *preps) {
  for (size_t i = 0; i < request->count; i++) {
    bool const stored =
        request->result == LARDER_OK ? request->items[i].result == LARDER_OK : request->result == LARDER_EUNKNOWN;
    bool const same =
        request->items[i].result == LARDER_OLDER && request->items[i].stored_stamp == request->items[i].facts.stamp;
    if (preps[i].blob && !stored && !same)
      lrd_sqlite_blob_unlink(tier, request->items[i].key.hash, request->items[i].facts.stamp);
    lrd_dealloc(preps[i].head);
  }
}

larder_err lrd_sqlite_write(void *self, larder_tier_write *items, size_t count, larder_durability durability) {
  sqlite_tier *tier = lrd_sqlite_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  if (tier->read_only) return sqlite_refusal(tier);
  if (count == 0) return LARDER_OK;
  sqlite_prep one = {0};
  sqlite_request request;
  request_init(&request);
  request.items = items;
  request.count = count;
  request.preps = count == 1 ? &one : lrd_alloc_zero(count, sizeof one);
  if (request.preps == NULL) {
    lrd_cond_fini(&request.woken);
    return LARDER_ENOMEM;
  }
  larder_err err = LARDER_OK;
  for (size_t i = 0; i < count && err == LARDER_OK; i++) {
    err = prep_item(tier, &items[i], &request.preps[i], durability == LARDER_DURABILITY_SYNC);
    request.bytes += items[i].key.len + (request.preps[i].blob ? 0 : (size_t)items[i].facts.value_len);
  }
  request.result = err;
  if (err == LARDER_OK) {
    if (queue_enter(tier, &request)) {
      (void)queue_take(tier);
      lead(tier, &request);
      queue_leave(tier, &request);
    }
    err = request.result;
  }
  prep_fini(tier, &request, request.preps);
  if (count != 1) lrd_dealloc(request.preps);
  lrd_cond_fini(&request.woken);
  /* Committed but perhaps not on the disk: the caller must not take it for refused. */
  if (err == LARDER_OK && durability == LARDER_DURABILITY_SYNC && lrd_sqlite_sync_upto(tier, request.commit_seen) != LARDER_OK)
    err = LARDER_EUNKNOWN;
  return err;
}

larder_err lrd_sqlite_turn_begin(sqlite_tier *tier, sqlite_request *request) {
  request_init(request);
  bool const leads = queue_enter(tier, request);
  LRD_ASSERT(leads); /* nobody serves a request without items but its owner */
  (void)queue_take(tier);
  larder_err const err = turn_begin(tier);
  if (err != LARDER_OK) {
    queue_leave(tier, request);
    lrd_cond_fini(&request->woken);
  }
  return err;
}

larder_err lrd_sqlite_turn_finish(sqlite_tier *tier, sqlite_request *request, bool keep) {
  larder_err err = turn_finish(tier, keep ? LARDER_OK : LARDER_END);
  lrd_sqlite_txn_settle(tier, err == LARDER_OK);
  request->commit_seen = atomic_load(&tier->board->commits);
  queue_leave(tier, request);
  lrd_cond_fini(&request->woken);
  return err == LARDER_END && !keep ? LARDER_OK : err;
}
