/* SPDX-License-Identifier: Apache-2.0 */
/* The public calls that change entries: each turns its arguments into changes and hands them to write.c or the queue. */
#include "base/bytes.h"
#include "base/fail.h"
#include "health.h"
#include "history.h"

#include <larder/kind.h>

#define TAGS_ROOM (LARDER_TAGS_MAX * (1 + LARDER_TAG_MAX))

/* A `behind` put waits in the queue; where that is full, it is written like any other. */
static larder_err put_queued(larder_ns *ns, lrd_change *change) {
  lrd_overtake(&change->op); /* before its stamp is given (write.c), and once a maker finds it */
  uint64_t token = lrd_slot_token(ns->cache->slots, lrd_slot_of(ns->cache->slots, change->op.hash));
  larder_err result = lrd_pending_put(ns->cache->pending, &change->op, change->value, &change->facts, token);
  lrd_overtake(&change->op);
  if (result == LARDER_OK) {
    lrd_stats_add(ns->cell, LRD_STAT_PUTS, 1);
  }
  return result;
}

static larder_err write_one(lrd_change *change) {
  larder_err result = lrd_write_batch(change->op.ns, change, 1);
  return result == LARDER_OK ? change->result : result;
}

/* A change that may replace something. */
static larder_err replace_one(lrd_change *change) {
  return lrd_history_kept(change->op.ns) ? lrd_history_write(change, write_one) : write_one(change);
}

/* What a put that is not kept leaves behind: nothing old. */
static larder_err put_refused(lrd_change *change) {
  change->verb = LRD_CHANGE_DELETE;
  larder_err result = replace_one(change);
  if (result < 0) {
    return result;
  }
  lrd_stats_add(change->op.ns->cell, LRD_STAT_NOT_KEPT, 1);
  return result == LARDER_OLDER ? LARDER_OLDER : LARDER_NOT_KEPT;
}

larder_err lrd_kind_check(const larder_ns *ns, larder_kind kind, const void *value, size_t len, larder_error *err) {
  larder_format format = LARDER_FORMAT_BYTES;
  if (kind == LARDER_KIND_BYTES || kind == LARDER_KIND_TEXT) { /* may be anything */
    return LARDER_OK;
  }
  larder_err result = larder_kind_check(kind, value, len, &format, err);
  if (result == LARDER_OK && format == LARDER_FORMAT_PICKLE) {
    lrd_log_write(&ns->cache->log, LRD_LOG_WARN, "kind.pickle",
                  "a model put into %s is a bare pickle: its bytes are kept, but nothing in it can be checked, and whoever "
                  "loads it runs what it says; save it as .safetensors or in PyTorch's zip format",
                  ns->name);
  }
  return result;
}

static larder_err put_prepare(larder_ns *ns, const void *key, size_t key_len, const void *value, size_t len,
                              const larder_put_options *options, uint8_t *tags_room, lrd_change *out) {
  *out = (lrd_change){.verb = LRD_CHANGE_PUT, .value = value};
  if (!value && len > 0) {
    return LARDER_EINVAL;
  }
  larder_err result = lrd_op_begin(ns, key, key_len, &out->op);
  if (result != LARDER_OK) {
    return result;
  }
  if (len > LARDER_VALUE_MAX) {
    return LARDER_ETOOBIG;
  }
  out->only_stamp = options ? options->only_stamp : 0;
  return lrd_facts_from_options(ns, options, len, tags_room, &out->facts);
}

static bool above_max_entry(const larder_ns *ns, size_t len) {
  return ns->policy.max_entry_bytes > 0 && len > ns->policy.max_entry_bytes;
}

/* The version text of what a put replaces, for the log. */
typedef struct version_before {
  bool there;
  size_t len;
  char text[LARDER_VERSION_MAX];
} version_before;

static void version_look(const lrd_change *change, version_before *out) {
  larder_stat stat = {0};
  out->there = false;
  if (lrd_log_wants(&change->op.ns->cache->log, LRD_LOG_INFO) && change->op.ns->name[0] != '.' &&
      larder_stat_get(change->op.ns, change->op.key, change->op.key_len, &stat) == LARDER_OK) {
    out->there = true;
    out->len = stat.facts.version_len;
    if (out->len > 0) {
      memcpy(out->text, stat.facts.version, out->len);
    }
    larder_stat_free(&stat);
  }
}

static larder_err put_prepared(lrd_change *change);

static larder_err put_and_tell(lrd_change *change) {
  version_before before;
  version_look(change, &before);
  larder_err result = put_prepared(change);
  if (before.there && (result == LARDER_OK || result == LARDER_DEGRADED)) {
    lrd_version_changed(&change->op, lrd_span_of(before.text, before.len),
                        lrd_span_of(change->facts.version, change->facts.version_len));
  }
  return result;
}

static larder_err put_one(larder_ns *ns, const void *key, size_t key_len, const void *value, size_t len,
                          const larder_put_options *options, bool whole) {
  uint8_t tags_room[TAGS_ROOM];
  lrd_change change;
  larder_err result = put_prepare(ns, key, key_len, value, len, options, tags_room, &change);
  if (result == LARDER_OK && !whole) {
    result = lrd_kind_check(ns, change.facts.kind, change.value, len, NULL);
  }
  if (result != LARDER_OK) {
    return result;
  }
  return above_max_entry(ns, len) ? put_refused(&change) : put_and_tell(&change);
}

static larder_err put_prepared(lrd_change *change) {
  larder_ns *ns = change->op.ns;
  larder_err result;
  if (ns->behind && change->only_stamp != 0 && lrd_pending_any(ns->cache->pending)) {
    result = lrd_pending_settle(ns->cache->pending); /* the stamp that was seen may be a queued one */
    if (result != LARDER_OK) {
      return result;
    }
  }
  if (ns->behind && change->only_stamp == 0) {
    result = put_queued(ns, change);
    if (result != LARDER_NOT_KEPT) {
      return result;
    }
  }
  return replace_one(change);
}

larder_err larder_put(larder_ns *ns, const void *key, size_t key_len, const void *value, size_t len,
                      const larder_put_options *options) {
  return put_one(ns, key, key_len, value, len, options, false);
}

larder_err lrd_put_whole(larder_ns *ns, const void *key, size_t key_len, const void *value, size_t len,
                         const larder_put_options *options) {
  return put_one(ns, key, key_len, value, len, options, true);
}

static larder_err change_one(larder_ns *ns, const void *key, size_t key_len, lrd_change_verb verb, int64_t ttl_ms) {
  lrd_change change = {.verb = verb};
  larder_err result = lrd_op_begin(ns, key, key_len, &change.op);
  if (result != LARDER_OK) {
    return result;
  }
  if (ns->behind && verb != LRD_CHANGE_DELETE && lrd_pending_any(ns->cache->pending)) {
    result = lrd_pending_settle(ns->cache->pending); /* what is queued has to be stored before its lifetime can change */
    if (result != LARDER_OK) {
      return result;
    }
  }
  if (verb == LRD_CHANGE_TOUCH) {
    lrd_facts_set_lifetime(ns, ttl_ms, 0, &change.facts);
  }
  result = write_one(&change);
  if (verb == LRD_CHANGE_DELETE && result >= 0 && lrd_history_kept(ns)) {
    lrd_history_forget(&change.op, change.facts.stamp, change.existed);
  }
  if (verb == LRD_CHANGE_DELETE && result >= 0 && lrd_health_forget(ns, &change, 1) > 0) {
    return LARDER_DEGRADED; /* the record of its health is there still */
  }
  return result;
}

larder_err larder_delete(larder_ns *ns, const void *key, size_t key_len) {
  return change_one(ns, key, key_len, LRD_CHANGE_DELETE, 0);
}

larder_err larder_expire(larder_ns *ns, const void *key, size_t key_len) {
  return change_one(ns, key, key_len, LRD_CHANGE_EXPIRE, 0);
}

larder_err larder_touch(larder_ns *ns, const void *key, size_t key_len, int64_t ttl_ms) {
  if (ttl_ms < 0) {
    return LARDER_EINVAL;
  }
  return change_one(ns, key, key_len, LRD_CHANGE_TOUCH, ttl_ms);
}

/* One batch of put_many: prepared changes and which item each belongs to. */
typedef struct put_batch {
  lrd_change changes[LRD_BATCH_MAX];
  size_t at[LRD_BATCH_MAX];
  uint8_t tags[LRD_BATCH_MAX][TAGS_ROOM];
  size_t len;
} put_batch;

static void batch_write(larder_ns *ns, larder_item *items, put_batch *batch) {
  if (batch->len == 0) {
    return;
  }
  larder_err result = lrd_write_batch(ns, batch->changes, batch->len);
  for (size_t i = 0; i < batch->len; i++) {
    items[batch->at[i]].result = result == LARDER_OK ? batch->changes[i].result : result;
  }
  if (result == LARDER_OK && batch->changes[0].verb == LRD_CHANGE_DELETE &&
      lrd_health_forget(ns, batch->changes, batch->len) > 0) {
    lrd_log_write(&ns->cache->log, LRD_LOG_WARN, "health.left", "records of what was deleted from %s are there still",
                  ns->name);
  }
  batch->len = 0;
}

larder_err larder_put_many(larder_ns *ns, larder_item *items, size_t count) {
  if (!ns || (!items && count > 0)) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&ns->cache->forked)) {
    return LARDER_EFORKED;
  }
  put_batch *batch = lrd_alloc(sizeof *batch);
  if (!batch) {
    return LARDER_ENOMEM;
  }
  batch->len = 0;
  for (size_t i = 0; i < count; i++) {
    larder_item *item = &items[i];
    lrd_change *change = &batch->changes[batch->len];
    if (ns->behind || lrd_history_kept(ns) || above_max_entry(ns, item->value_len)) {
      batch_write(ns, items, batch); /* of one key the later item counts */
      item->result = larder_put(ns, item->key, item->key_len, item->value, item->value_len, item->options);
      continue;
    }
    item->result =
        put_prepare(ns, item->key, item->key_len, item->value, item->value_len, item->options, batch->tags[batch->len], change);
    if (item->result == LARDER_OK) {
      item->result = lrd_kind_check(ns, change->facts.kind, change->value, item->value_len, NULL);
    }
    if (item->result != LARDER_OK) {
      continue;
    }
    batch->at[batch->len++] = i;
    if (batch->len == LRD_BATCH_MAX) {
      batch_write(ns, items, batch);
    }
  }
  batch_write(ns, items, batch);
  lrd_dealloc(batch);
  return LARDER_OK;
}

larder_err larder_delete_many(larder_ns *ns, larder_item *items, size_t count) {
  if (!ns || (!items && count > 0)) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&ns->cache->forked)) {
    return LARDER_EFORKED;
  }
  put_batch *batch = lrd_alloc(sizeof *batch);
  if (!batch) {
    return LARDER_ENOMEM;
  }
  batch->len = 0;
  for (size_t i = 0; i < count; i++) {
    lrd_change *change = &batch->changes[batch->len];
    if (ns->behind || lrd_history_kept(ns)) {
      items[i].result = larder_delete(ns, items[i].key, items[i].key_len);
      continue;
    }
    *change = (lrd_change){.verb = LRD_CHANGE_DELETE};
    items[i].result = lrd_op_begin(ns, items[i].key, items[i].key_len, &change->op);
    if (items[i].result != LARDER_OK) {
      continue;
    }
    batch->at[batch->len++] = i;
    if (batch->len == LRD_BATCH_MAX) {
      batch_write(ns, items, batch);
    }
  }
  batch_write(ns, items, batch);
  lrd_dealloc(batch);
  return LARDER_OK;
}
