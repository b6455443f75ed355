/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry that is there with the same content and expiry is not written again: its facts are read first, and the value
 * only when the facts agree; in a namespace that was empty nothing is asked. An exported entry that is still the very same
 * write is known by its stamp alone.
 *
 * `***` never becomes a value: an entry that says it was redacted is refused by its reader, and one that does not say so is
 * refused here when something in it that would have been hidden is `***` already.
 */
#include "import_batch.h"

#include "base/fail.h"
#include "base/redact.h"
#include "core/cache.h"
#include "core/hiding.h"

lrd_import_batch *lrd_import_batch_new(void) { return lrd_alloc_zero(1, sizeof(lrd_import_batch)); }

void lrd_import_batch_free(lrd_import_batch *batch) {
  if (!batch) return;
  for (size_t i = 0; i < LRD_IMPORT_BATCH; i++) lrd_entry_fini(&batch->entries[i]);
  lrd_dealloc(batch);
}

static bool one_visit(void *context, const larder_listed *entry) {
  (void)entry;
  *(bool *)context = true;
  return false;
}

static bool is_empty(larder_ns *ns) {
  larder_match all = {.size = sizeof all, .stale_too = true};
  larder_cursor cursor = {{0}};
  bool any = false;
  return larder_list(ns, &all, false, 1, &cursor, one_visit, &any) == LARDER_END && !any;
}

static larder_err space_of(lrd_import_batch *batch, lrd_entry *entry, larder_ns **out) {
  char name[LRD_NS_NAME_MAX + 1];
  larder_error why = {0};
  lrd_span wanted = batch->ns ? lrd_span_str(batch->ns) : entry->ns;
  if (!wanted.data) {
    lrd_entry_problem(entry, "it names no namespace; give one for all with --ns");
    return LARDER_OK;
  }
  if (batch->last && lrd_span_equal(lrd_span_str(larder_ns_name(batch->last)), wanted)) {
    *out = batch->last;
    return LARDER_OK;
  }
  if (wanted.len > LRD_NS_NAME_MAX) {
    lrd_entry_problem(entry, "the name of its namespace is too long");
    return LARDER_OK;
  }
  memcpy(name, wanted.data, wanted.len);
  name[wanted.len] = '\0';
  larder_err err = larder_ns_open(batch->cache, name, &batch->last, &why);
  if (err == LARDER_ENOMEM) return err;
  if (err == LARDER_OK) {
    *out = batch->last;
    batch->last_empty = is_empty(batch->last);
  } else {
    batch->last = NULL;
    lrd_entry_problem(entry, "its namespace can't be opened: %.140s", why.message);
  }
  return LARDER_OK;
}

/* A value that an export has hidden, though nobody says so. */
static larder_err hidden_check(lrd_import_batch *batch, lrd_entry *entry) {
  lrd_json_doc doc = {0};
  lrd_buf scratch = {0};
  lrd_hidden hidden = {0};
  if (entry->redacted_given || !memmem(entry->value.data, entry->value.len, LRD_REDACTED, 3)) return LARDER_OK;
  larder_err err = lrd_hide_value(batch->cache->secrets, &doc, entry->value.data, entry->value.len, &scratch, &hidden);
  if (err == LARDER_OK && (hidden.before > 0 || lrd_span_equal(entry->value, lrd_span_str(LRD_REDACTED))))
    lrd_entry_problem(entry, "a secret in it is *** and can't be restored; export it with --include-secrets, or say "
                             "\"redacted\": false");
  lrd_json_doc_fini(&doc);
  lrd_buf_fini(&scratch);
  return err;
}

/* --- known already? ------------------------------------------------------------------------------------------------------ */

static bool tags_same(const lrd_entry *entry, const larder_facts *facts) {
  size_t there = 0;
  for (size_t at = 0; at < facts->tags_len; at += 1 + (uint8_t)facts->tags[at]) {
    bool found = false;
    for (size_t i = 0; i < entry->tags_count && !found; i++)
      found = strlen(entry->tags[i]) == (uint8_t)facts->tags[at] &&
              memcmp(entry->tags[i], facts->tags + at + 1, (uint8_t)facts->tags[at]) == 0;
    if (!found) return false;
    there++;
  }
  for (size_t i = 0; i < entry->tags_count; i++)
    if (!lrd_facts_has_tag(facts, entry->tags[i])) return false;
  return there > 0 || entry->tags_count == 0;
}

static bool times_same(const lrd_import_batch *batch, const lrd_entry *entry, const larder_facts *facts) {
  if (batch->ttl_ms != 0) return false;
  if (entry->fresh_until_ms > 0) return facts->expires_soft_ms == entry->fresh_until_ms;
  if (entry->ttl_ms == LARDER_TTL_NEVER) return facts->expires_soft_ms == 0;
  return !lrd_facts_stale(batch->cache, facts, batch->now_ms);
}

static bool facts_same(const lrd_import_batch *batch, const larder_ns *ns, const lrd_entry *entry, const larder_facts *facts) {
  larder_kind kind = entry->kind == LARDER_KIND_BYTES && !entry->kind_given ? ns->policy.kind : entry->kind;
  uint64_t len = facts->framed ? facts->raw_len : facts->value_len;
  return len == entry->value.len && facts->kind == kind && facts->modified_ms == entry->modified_ms &&
         lrd_span_equal(lrd_span_of(facts->version, facts->version_len), lrd_span_str(entry->version ? entry->version : "")) &&
         lrd_span_equal(lrd_span_of(facts->meta, facts->meta_len), entry->meta) && tags_same(entry, facts) &&
         times_same(batch, entry, facts);
}

static larder_err is_there(lrd_import_batch *batch, larder_ns *ns, const lrd_entry *entry, bool *there_out) {
  larder_stat stat = {0};
  larder_value value = {0};
  larder_facts facts;
  lrd_op op;
  larder_err err = larder_stat_get(ns, entry->key.data, entry->key.len, &stat);
  *there_out = false;
  if (err != LARDER_OK) return err == LARDER_MISS ? LARDER_OK : err;
  bool very_same = entry->stamp != 0 && stat.facts.stamp == entry->stamp && batch->ttl_ms == 0;
  bool maybe = !very_same && facts_same(batch, ns, entry, &stat.facts);
  larder_stat_free(&stat);
  if (maybe) err = lrd_op_begin(ns, entry->key.data, entry->key.len, &op);
  if (maybe && err == LARDER_OK) err = lrd_look_up(&op, &value, &facts); /* nobody asks for it */
  if (maybe && err == LARDER_OK)
    maybe = value.len == entry->value.len && (value.len == 0 || memcmp(value.data, entry->value.data, value.len) == 0);
  else
    maybe = false;
  larder_value_release(&value);
  *there_out = very_same || maybe;
  return err == LARDER_MISS ? LARDER_OK : err;
}

/* --- taking and storing --------------------------------------------------------------------------------------------------- */

static larder_err refuse(lrd_import_batch *batch, const lrd_entry *entry) {
  batch->counts->failed++;
  return batch->refused(batch->context, entry);
}

static bool is_expired(const lrd_import_batch *batch, const lrd_entry *entry) {
  if (batch->ttl_ms != 0 || entry->fresh_until_ms == 0) return false;
  return entry->fresh_until_ms <= batch->now_ms && entry->keep_until_ms <= batch->now_ms;
}

/* Whether an earlier entry of the batch is about to change the same key. */
static bool is_taken(const lrd_import_batch *batch, const larder_ns *ns, const lrd_entry *entry) {
  for (size_t i = 0; i < batch->len; i++)
    if (batch->spaces[i] == ns && lrd_span_equal(batch->entries[i].key, entry->key)) return true;
  return false;
}

static void tags_add(const lrd_import_batch *batch, lrd_entry *entry) {
  for (size_t i = 0; i < batch->tags_count; i++) {
    size_t at = 0;
    while (at < entry->tags_count && strcmp(entry->tags[at], batch->tags[i]) != 0) at++;
    if (at < entry->tags_count) continue;
    if (at == LARDER_TAGS_MAX) lrd_entry_problem(entry, "more than %u tags", LARDER_TAGS_MAX);
    if (at < LARDER_TAGS_MAX) entry->tags[entry->tags_count++] = batch->tags[i];
  }
}

larder_err lrd_import_batch_take(lrd_import_batch *batch) {
  lrd_entry *entry = lrd_import_batch_next(batch);
  larder_ns *ns = NULL;
  bool there = false;
  larder_err err = LARDER_OK;
  batch->counts->entries++;
  tags_add(batch, entry);
  if (entry->problem[0] == '\0') err = space_of(batch, entry, &ns);
  if (err == LARDER_OK && entry->problem[0] == '\0') err = hidden_check(batch, entry);
  if (err != LARDER_OK) return err;
  if (entry->problem[0] != '\0') return refuse(batch, entry);
  if (is_expired(batch, entry)) {
    batch->counts->expired++;
    return LARDER_OK;
  }
  LRD_ASSERT(ns != NULL);
  if (!batch->last_empty) err = is_there(batch, ns, entry, &there);
  if (err == LARDER_ENOMEM || err == LARDER_EFORKED) return err;
  /* A tier that can't be asked is no reason not to write. What this very batch changes is no longer what is there. */
  if (err == LARDER_OK && there && !is_taken(batch, ns, entry)) {
    batch->counts->skipped++;
    return LARDER_OK;
  }
  batch->spaces[batch->len] = ns;
  batch->bytes += entry->scratch.cap;
  batch->len++;
  return LARDER_OK;
}

static void item_fill(lrd_import_batch *batch, size_t i) {
  const lrd_entry *entry = &batch->entries[i];
  batch->puts[i] = (larder_put_options){.size = sizeof(larder_put_options),
                                        .ttl_ms = batch->ttl_ms != 0 ? batch->ttl_ms : entry->ttl_ms,
                                        .kind = entry->kind,
                                        .kind_given = entry->kind_given,
                                        .version = entry->version,
                                        .modified_ms = entry->modified_ms,
                                        .meta = entry->meta.len > 0 ? entry->meta.data : NULL,
                                        .meta_len = entry->meta.len,
                                        .tags = entry->tags_count > 0 ? entry->tags : NULL,
                                        .tags_count = entry->tags_count};
  if (batch->ttl_ms == 0) {
    batch->puts[i].fresh_until_ms = entry->fresh_until_ms;
    batch->puts[i].keep_until_ms = entry->keep_until_ms;
  }
  batch->items[i] = (larder_item){.key = entry->key.data,
                                  .key_len = entry->key.len,
                                  .value = entry->value.data,
                                  .value_len = entry->value.len,
                                  .options = &batch->puts[i]};
}

static larder_err result_count(lrd_import_batch *batch, size_t i) {
  lrd_entry *entry = &batch->entries[i];
  larder_err result = batch->items[i].result;
  if (result == LARDER_OK || result == LARDER_DEGRADED) {
    batch->counts->done++;
    return LARDER_OK;
  }
  lrd_entry_problem(entry, "not stored: %s",
                    result == LARDER_EFORMAT ? "its value is not what its kind says" : larder_err_text(result));
  return refuse(batch, entry);
}

larder_err lrd_import_batch_store(lrd_import_batch *batch) {
  larder_err err = LARDER_OK;
  for (size_t from = 0, to = 0; from < batch->len && err == LARDER_OK; from = to) {
    /* A run of one namespace. */
    for (to = from; to < batch->len && batch->spaces[to] == batch->spaces[from]; to++) item_fill(batch, to);
    if (!batch->dry_run) err = larder_put_many(batch->spaces[from], batch->items + from, to - from);
    for (size_t i = from; i < to && err == LARDER_OK; i++) err = result_count(batch, i);
  }
  batch->len = 0;
  batch->bytes = 0;
  return err;
}
