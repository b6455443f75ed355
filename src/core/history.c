/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A put that replaces a value, in a namespace that keeps former ones:
 *
 *   what is there       as the tier that decides has it
 *   copy it             under its stamp, so that doing it twice does nothing
 *   enter it            into the key's list, unless it was deleted meanwhile
 *   put                 on condition that it is there still; else once more from the beginning
 *   the oldest go       beyond keep_versions
 *
 * A process that is killed before the put has entered what is still there: lists pass that over, and the next put enters it
 * again. In one process the changes of a key wait for each other, which makes this exact without shared tiers, too.
 */
#include "history.h"

#include "base/fail.h"
#include "config/key_template.h"
#include "flight.h"
#include "mutation.h"

#define TRIES         64u /* each lost one is a change of somebody else's */
#define MADE_TRIES    4u  /* what was overtaken stays so */
#define PRESENT_LOOKS 2u

larder_ns *lrd_history_of(larder_ns *ns) {
  larder_ns *history = atomic_load(&ns->history);
  if (history || !lrd_history_kept(ns) || lrd_ns_companion(ns, LRD_COMPANION_HISTORY, &history) != LARDER_OK) {
    return history;
  }
  atomic_store(&ns->history, history);
  return history;
}

/* Once for each namespace and process. */
static void tell_not_kept(const lrd_op *op, const char *why) {
  char key[LRD_KEY_SHOWN_ROOM];
  larder *cache = op->ns->cache;
  if (!atomic_exchange(&op->ns->history_told, true)) {
    lrd_log_write(&cache->log, LRD_LOG_WARN, "history.not_kept",
                  "a former value of %s in %s was not kept: %s (this is told once)",
                  lrd_key_shown(cache->log.secrets, op->key, op->key_len, key), op->ns->name, why);
  }
}

static lrd_mutex *lock_of(const lrd_op *op) { return &op->ns->cache->history_locks[op->hash % LRD_HISTORY_LOCKS]; }

/* --- the list ------------------------------------------------------------------------------------------------------------ */

static void copies_delete(larder_ns *history, const lrd_op *op, const lrd_history_row *rows, size_t len) {
  for (size_t i = 0; i < len; i++) {
    lrd_history_place place;
    lrd_history_place_of_value(history, op, rows[i].stamp, &place);
    lrd_change change = {.verb = LRD_CHANGE_DELETE, .op = place.op};
    (void)lrd_write_batch(history, &change, 1); /* one that stays is listed nowhere */
  }
}

/* Where a row of the stamp belongs; whether it is there. */
static size_t row_place(const lrd_history_index *index, lrd_stamp stamp, bool *there_out) {
  size_t at = 0;
  while (at < index->len && index->rows[at].stamp > stamp) at++;
  *there_out = at < index->len && index->rows[at].stamp == stamp;
  return at;
}

static larder_err row_add(lrd_history_index *index, size_t at, const lrd_history_row *row) {
  lrd_history_row *rows = lrd_realloc(index->rows, (index->len + 1) * sizeof *rows);
  if (!rows) {
    return LARDER_ENOMEM;
  }
  memmove(rows + at + 1, rows + at, (index->len - at) * sizeof *rows);
  rows[at] = *row;
  index->rows = rows;
  index->len++;
  return LARDER_OK;
}

static larder_err enter_once(larder_ns *history, const lrd_op *op, const lrd_history_row *row) {
  lrd_history_index index;
  bool there = false;
  larder_err result = lrd_history_index_read(history, op, &index);
  size_t const at = row_place(&index, row->stamp, &there);
  if (result == LARDER_OK && row->stamp <= index.deleted) { /* since it was read */
    copies_delete(history, op, row, 1);
  } else if (result == LARDER_OK && !there) {
    result = row_add(&index, at, row);
    size_t const all = index.len;
    size_t const most = op->ns->policy.versions_max;
    index.len = all < most ? all : most;
    if (result == LARDER_OK) {
      result = lrd_history_index_write(history, op, &index);
    }
    if (result == LARDER_OK) {
      copies_delete(history, op, index.rows + index.len, all - index.len);
    }
  }
  lrd_history_index_fini(&index);
  return result;
}

static larder_err enter(larder_ns *history, const lrd_op *op, const lrd_history_row *row) {
  larder_err result = LARDER_OLDER;
  for (unsigned tries = 0; result == LARDER_OLDER && tries < TRIES; tries++) {
    result = enter_once(history, op, row);
  }
  return result;
}

/* --- what is there ------------------------------------------------------------------------------------------------------- */

typedef struct present {
  bool there;
  bool readable;
  larder_value value;
  larder_facts facts;
} present;

/* As the tier that decides has it, which the condition is held against. What shows facts and no value may have been put in
 * between, and is looked at once more. */
static void present_read(const lrd_op *op, present *out) {
  lrd_found *found = NULL;
  *out = (present){0};
  if (op->ns->links_len == 0) {
    out->there = out->readable = lrd_look_up(op, &out->value, &out->facts) == LARDER_OK;
    return;
  }
  for (unsigned look = 0; look < PRESENT_LOOKS && !out->readable && (look == 0 || out->there); look++) {
    lrd_found_free(found);
    found = NULL;
    out->readable = lrd_read_lowest(op, false, &found) == LARDER_OK;
    out->there = out->readable || lrd_read_lowest(op, true, &found) == LARDER_OK;
  }
  if (out->there) {
    out->facts = found->entry.facts;
    lrd_value_from_found(found, false, &out->value);
  }
}

static bool same_value(const present *there, const lrd_change *change) {
  const larder_facts *old = &there->facts;
  const larder_facts *new = &change->facts;
  return change->verb == LRD_CHANGE_PUT && there->readable && old->kind != LARDER_KIND_ABSENT &&
         new->kind != LARDER_KIND_ABSENT && there->value.len == new->value_len &&
         (new->value_len == 0 || memcmp(there->value.data, change->value, (size_t) new->value_len) == 0) &&
         lrd_span_equal(lrd_span_of(old->version, old->version_len), lrd_span_of(new->version, new->version_len));
}

static larder_err copy_write(larder_ns *history, const lrd_op *op, const present *there) {
  lrd_history_place place;
  lrd_history_place_of_value(history, op, there->facts.stamp, &place);
  lrd_change change = {.verb = LRD_CHANGE_PUT, .op = place.op, .value = there->value.data, .facts = there->facts};
  change.facts.expires_soft_ms = change.facts.expires_hard_ms = 0;
  change.facts.value_len = change.facts.raw_len = there->value.len;
  change.facts.framed = false;
  change.facts.ns_version = 0;
  if (history->links_len == 0) {
    change.keep_stamp = there->facts.stamp; /* else the place tells */
  }
  larder_err const result = lrd_write_batch(history, &change, 1);
  return result == LARDER_OK ? change.result : result;
}

/*
 * What is about to be replaced goes into the history. LARDER_EBUSY: others were writing there for too long, and so the put may
 * not go on; it does without history where that can't be written at all.
 */
static larder_err keep(larder_ns *history, const lrd_change *change, const present *there) {
  const lrd_op *op = &change->op;
  lrd_history_row row = {there->facts.stamp, there->value.len, lrd_span_of(there->facts.version, there->facts.version_len)};
  if (!there->there || there->facts.kind == LARDER_KIND_ABSENT || same_value(there, change)) {
    return LARDER_OK;
  }
  if (!there->readable) {
    tell_not_kept(op, "it can't be read");
    return LARDER_OK;
  }
  larder_err result = copy_write(history, op, there);
  if (result == LARDER_OK) {
    result = enter(history, op, &row);
  }
  if (result == LARDER_EBUSY || result == LARDER_OLDER) {
    return LARDER_EBUSY;
  }
  if (result != LARDER_OK) {
    tell_not_kept(op, larder_err_text(result));
  }
  return LARDER_OK;
}

/* --- changes ------------------------------------------------------------------------------------------------------------- */

static larder_err write_once(larder_ns *history, lrd_change *change, uint64_t asked, larder_err (*write)(lrd_change *change)) {
  present there;
  larder_err result = LARDER_OLDER;
  present_read(&change->op, &there);
  if (asked == 0 || (there.there && there.facts.stamp == asked)) {
    result = keep(history, change, &there);
  }
  if (result == LARDER_OK) {
    LRD_MOMENT(LRD_MOMENT_FORMER_KEPT);
    bool const unchecked = LRD_MUTATED(LRD_MUTATE_FORMER_UNCHECKED);
    change->only_stamp = there.there && !unchecked ? there.facts.stamp : 0;
    change->only_absent = !there.there && !unchecked;
    change->again = asked == 0;
    result = write(change);
  }
  larder_value_release(&there.value);
  return result;
}

larder_err lrd_history_write(lrd_change *change, larder_err (*write)(lrd_change *change)) {
  const lrd_op *op = &change->op;
  larder_ns *history = lrd_cache_onlooker(op->ns->cache) ? NULL : lrd_history_of(op->ns);
  uint64_t const asked = change->only_stamp;
  larder_err result = LARDER_OLDER;
  if (!history || op->key_len > LRD_HISTORY_KEY_MAX) {
    tell_not_kept(op, history ? "its key is too long" : "the namespace of the history can't be opened");
    return write(change);
  }
  unsigned const tries = asked != 0 ? 1 : change->made ? MADE_TRIES : TRIES;
  lrd_lock(lock_of(op));
  for (unsigned i = 0; result == LARDER_OLDER && i < tries; i++) {
    result = write_once(history, change, asked, write);
  }
  lrd_unlock(lock_of(op));
  return result == LARDER_OLDER && tries == TRIES ? LARDER_EBUSY : result;
}

/* False: once more. */
static bool forget_once(larder_ns *history, const lrd_op *op, lrd_stamp stamp, bool existed, larder_err *result_out) {
  lrd_history_index index;
  larder_err result = lrd_history_index_read(history, op, &index);
  bool const wanted = index.stamp != 0 || (existed && lrd_ns_coherent(op->ns));
  if (result == LARDER_OK && wanted) {
    bool there;
    size_t const all = index.len;
    index.deleted = stamp > index.deleted ? stamp : index.deleted;
    index.len = row_place(&index, stamp, &there);
    result = lrd_history_index_write(history, op, &index);
    if (result == LARDER_OK) {
      copies_delete(history, op, index.rows + index.len, all - index.len);
    }
  }
  lrd_history_index_fini(&index);
  *result_out = result;
  return result != LARDER_OLDER;
}

void lrd_history_forget(const lrd_op *op, lrd_stamp stamp, bool existed) {
  larder_ns *history = lrd_cache_onlooker(op->ns->cache) ? NULL : lrd_history_of(op->ns);
  larder_err result = LARDER_OK;
  if (!history || op->key_len > LRD_HISTORY_KEY_MAX) {
    return;
  }
  lrd_lock(lock_of(op));
  for (unsigned i = 0; i < TRIES && !forget_once(history, op, stamp, existed, &result); i++) {
  }
  lrd_unlock(lock_of(op));
  if (result != LARDER_OK) {
    lrd_log_write(&op->ns->cache->log, LRD_LOG_WARN, "history.not_deleted",
                  "former values of an entry that was deleted in %s could not be deleted: %s", op->ns->name,
                  larder_err_text(result));
  }
}

typedef struct name_search {
  const larder_ns *ns;
  bool found;
} name_search;

static bool name_compare(void *context, const char *name) {
  name_search *search = context;
  size_t const prefix = strlen(LRD_COMPANION_HISTORY);
  search->found = strncmp(name, LRD_COMPANION_HISTORY, prefix) == 0 && strcmp(name + prefix, search->ns->name) == 0;
  return !search->found;
}

larder_err lrd_history_clear(larder_ns *ns) {
  larder_ns *history = NULL;
  name_search search = {.ns = ns};
  if (ns->name[0] == '.') {
    return LARDER_OK;
  }
  /* Also what was kept while the configuration said so. */
  larder_err result = lrd_ns_each_any(ns->cache, name_compare, &search);
  if (result != LARDER_OK || !search.found) {
    return result;
  }
  result = lrd_ns_companion(ns, LRD_COMPANION_HISTORY, &history);
  if (result == LARDER_OK) {
    result = larder_clear(history, NULL);
  }
  return result == LARDER_OK ? lrd_history_cleared_set(history, lrd_cache_stamp(ns->cache, 0)) : result;
}
