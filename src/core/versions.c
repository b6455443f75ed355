/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Former values for callers. The list may name what is present: a put that entered it has not replaced it yet, or never will.
 * That is passed over by its stamp. What the list names and a limit has evicted is passed over, too.
 */
#include <larder/versions.h>

#include "history.h"
#include "hit.h"

/* What is asked about. */
typedef struct look {
  lrd_op op;
  larder_ns *history; /* NULL: there are no former values */
  lrd_history_index index;
  larder_stat present;
  bool is_present;
} look;

static void look_fini(look *l) {
  larder_stat_free(&l->present);
  lrd_history_index_fini(&l->index);
}

static larder_err look_init(larder_ns *ns, const void *key, size_t key_len, look *out) {
  *out = (look){0};
  larder_err result = lrd_op_begin(ns, key, key_len, &out->op);
  if (result != LARDER_OK) {
    return result;
  }
  result = larder_stat_get(ns, key, key_len, &out->present);
  out->is_present = result == LARDER_OK;
  if (result != LARDER_OK && result != LARDER_MISS) {
    return result;
  }
  out->history = key_len <= LRD_HISTORY_KEY_MAX ? lrd_history_of(ns) : NULL;
  return out->history ? lrd_history_index_read(out->history, &out->op, &out->index) : LARDER_OK;
}

static bool is_former(const look *l, const lrd_history_row *row) {
  return !l->is_present || row->stamp != l->present.facts.stamp;
}

static bool is_there(const look *l, const lrd_history_row *row) {
  lrd_history_place place;
  lrd_history_place_of_value(l->history, &l->op, row->stamp, &place);
  return larder_exists(l->history, place.key, place.op.key_len) == LARDER_OK;
}

larder_err larder_versions_each(larder_ns *ns, const void *key, size_t key_len,
                                bool (*visit)(void *context, const larder_version *version), void *context) {
  look l;
  unsigned seen = 0;
  bool more = true;
  larder_err result = visit ? look_init(ns, key, key_len, &l) : LARDER_EINVAL;
  if (!visit) {
    return result;
  }
  if (result == LARDER_OK && l.is_present) {
    const larder_facts *facts = &l.present.facts;
    larder_version const now = {.stamp = facts->stamp,
                                .written_ms = lrd_stamp_wall_ms(facts->stamp),
                                .len = facts->value_len,
                                .version = facts->version,
                                .version_len = facts->version_len,
                                .present = true};
    more = visit(context, &now);
    seen++;
  }
  for (size_t i = 0; result == LARDER_OK && more && i < l.index.len; i++) {
    const lrd_history_row *row = &l.index.rows[i];
    if (!is_former(&l, row) || !is_there(&l, row)) {
      continue;
    }
    larder_version const former = {.stamp = row->stamp,
                                   .written_ms = lrd_stamp_wall_ms(row->stamp),
                                   .len = row->len,
                                   .version = row->version.len > 0 ? row->version.data : NULL,
                                   .version_len = row->version.len};
    more = visit(context, &former);
    seen++;
  }
  look_fini(&l);
  return result == LARDER_OK && seen == 0 ? LARDER_MISS : result;
}

static bool is_wanted(const larder_version_wanted *wanted, lrd_stamp stamp, lrd_span version) {
  return (wanted->stamp == 0 || stamp == wanted->stamp) &&
         (!wanted->version || lrd_span_equal(version, lrd_span_str(wanted->version)));
}

/* The value as it was: its stamp is that which it had. */
static larder_err former_get(const look *l, lrd_stamp stamp, larder_value *out) {
  lrd_history_place place;
  larder_facts facts;
  lrd_history_place_of_value(l->history, &l->op, stamp, &place);
  larder_err const result = lrd_look_up(&place.op, out, &facts);
  if (result == LARDER_OK && ((uintptr_t)out->pin[0] & LRD_VALUE_FOUND)) {
    ((lrd_found *)out->pin[1])->entry.facts.stamp = stamp; /* where there are shared tiers, the copy has another */
  }
  return result;
}

static larder_err former_find(const look *l, const larder_version_wanted *wanted, larder_value *out, lrd_stamp *stamp_out) {
  larder_err result = LARDER_MISS;
  for (size_t i = 0; i < l->index.len && result == LARDER_MISS; i++) {
    const lrd_history_row *row = &l->index.rows[i];
    if (is_former(l, row) && is_wanted(wanted, row->stamp, row->version)) {
      result = former_get(l, row->stamp, out);
      *stamp_out = row->stamp;
    }
  }
  return result;
}

static larder_err present_get(const look *l, larder_value *out) {
  larder_facts facts;
  larder_err result = lrd_look_up(&l->op, out, &facts);
  if (result == LARDER_OK && facts.stamp != l->present.facts.stamp) { /* replaced since */
    larder_value_release(out);
    result = LARDER_MISS;
  }
  return result;
}

static bool wanted_is_valid(const larder_version_wanted *wanted) { return wanted->size != 0 && wanted->size <= sizeof *wanted; }

larder_err larder_version_get(larder_ns *ns, const void *key, size_t key_len, const larder_version_wanted *wanted,
                              larder_value *out) {
  look l;
  lrd_stamp stamp;
  if (!wanted || !wanted_is_valid(wanted) || !out) {
    return LARDER_EINVAL;
  }
  larder_err result = look_init(ns, key, key_len, &l);
  bool const any = wanted->stamp == 0 && !wanted->version;
  const larder_facts *now = &l.present.facts;
  if (result == LARDER_OK && !any && l.is_present &&
      is_wanted(wanted, now->stamp, lrd_span_of(now->version, now->version_len))) {
    result = present_get(&l, out);
    if (result != LARDER_MISS) {
      look_fini(&l);
      return result;
    }
    l.is_present = false; /* it is a former one now, or gone */
    lrd_history_index_fini(&l.index);
    result = l.history ? lrd_history_index_read(l.history, &l.op, &l.index) : LARDER_OK;
  }
  if (result == LARDER_OK) {
    result = former_find(&l, wanted, out, &stamp);
  }
  look_fini(&l);
  return result;
}

static larder_err write_one(lrd_change *change) {
  larder_err const result = lrd_write_batch(change->op.ns, change, 1);
  return result == LARDER_OK ? change->result : result;
}

larder_err larder_roll_back(larder_ns *ns, const void *key, size_t key_len, const larder_version_wanted *wanted,
                            uint64_t *stamp_out) {
  static const larder_version_wanted last = {.size = sizeof last};
  look l;
  larder_value value = {0};
  lrd_stamp stamp = 0;
  if (wanted && !wanted_is_valid(wanted)) {
    return LARDER_EINVAL;
  }
  larder_err result = look_init(ns, key, key_len, &l);
  if (result == LARDER_OK) {
    result = former_find(&l, wanted ? wanted : &last, &value, &stamp);
  }
  if (result == LARDER_OK) {
    lrd_change change = {.verb = LRD_CHANGE_PUT, .op = l.op, .value = value.data};
    result = larder_value_facts(&value, &change.facts);
    lrd_facts_set_lifetime(ns, 0, 0, &change.facts);
    if (result == LARDER_OK) {
      result = lrd_history_write(&change, write_one);
    }
    if (result == LARDER_OK || result == LARDER_DEGRADED) {
      const larder_facts *from = &l.present.facts;
      if (l.is_present) {
        lrd_version_changed(&l.op, lrd_span_of(from->version, from->version_len),
                            lrd_span_of(change.facts.version, change.facts.version_len));
      }
      if (stamp_out) {
        *stamp_out = stamp;
      }
    }
    larder_value_release(&value);
  }
  look_fini(&l);
  return result;
}
