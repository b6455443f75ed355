/* SPDX-License-Identifier: Apache-2.0 */
/* From a caller's options to an entry's facts: checks, lifetimes with jitter, tags in their encoded form. */
#include "base/hash.h"
#include "cache.h"
#include "config/key_template.h"
#include <stdlib.h>

/* Sums of a wall clock and a lifetime stop short of the end of time. */
static int64_t after(int64_t now_ms, int64_t ms) { return ms > INT64_MAX / 2 - now_ms ? INT64_MAX / 2 : now_ms + ms; }

/* A lifetime shortened by up to the namespace's jitter, drawn from the clock and the address space of the call. */
static int64_t jittered(const larder_ns *ns, int64_t ttl_ms) {
  if (ns->policy.jitter <= 0) {
    return ttl_ms;
  }
  uint64_t draw[2] = {(uint64_t)lrd_mono_ns(ns->cache->clock), atomic_load(&ns->cache->own_clock)};
  double part = (double)(lrd_sum64(draw, sizeof draw) >> 11) / (double)(UINT64_C(1) << 53);
  return ttl_ms - (int64_t)((double)ttl_ms * ns->policy.jitter * part);
}

int64_t lrd_ns_stale_ms(const larder_ns *ns) {
  int64_t const revalidate_ms = ns->policy.stale_while_revalidate_ms, error_ms = ns->policy.stale_if_error_ms;
  return revalidate_ms > error_ms ? revalidate_ms : error_ms;
}

void lrd_facts_set_lifetime(const larder_ns *ns, int64_t ttl_ms, int64_t stale_ms, larder_facts *facts) {
  int64_t now_ms = lrd_wall_ms(ns->cache->clock);
  bool chosen = ttl_ms != 0;
  facts->ns_version = ns->version;
  if (!chosen) {
    ttl_ms = ns->policy.ttl_ms;
  }
  if (ttl_ms == LARDER_TTL_NEVER) {
    facts->expires_soft_ms = facts->expires_hard_ms = 0;
    return;
  }
  if (!chosen) {
    ttl_ms = jittered(ns, ttl_ms);
  }
  if (stale_ms == 0) {
    stale_ms = lrd_ns_stale_ms(ns);
  }
  facts->expires_soft_ms = after(now_ms, ttl_ms);
  facts->expires_hard_ms = after(facts->expires_soft_ms, stale_ms < 0 ? 0 : stale_ms);
}

uint32_t lrd_version_hash(const char *text) {
  uint32_t const hash = text && *text ? (uint32_t)lrd_sum64(text, strlen(text)) : 0;
  return text && *text && hash == 0 ? 1 : hash;
}

/* Below the stamp by one: an entry that is expired in the millisecond of its stamp is not taken for one of another version. */
void lrd_facts_judge_version(const larder_ns *ns, larder_facts *facts) {
  int64_t const ended_ms = lrd_stamp_wall_ms(facts->stamp) - 1;
  if (facts->ns_version != ns->version && (facts->expires_soft_ms == 0 || facts->expires_soft_ms > ended_ms)) {
    facts->expires_soft_ms = ended_ms;
  }
}

bool lrd_facts_outdated(const larder_facts *facts) {
  return facts->expires_soft_ms != 0 && facts->expires_soft_ms < lrd_stamp_wall_ms(facts->stamp);
}

void lrd_version_changed(const lrd_op *op, lrd_span from, lrd_span to) {
  char key[LRD_KEY_SHOWN_ROOM];
  const lrd_log *log = &op->ns->cache->log;
  if (!lrd_log_wants(log, LRD_LOG_INFO) || lrd_span_equal(from, to)) {
    return;
  }
  lrd_log_write(log, LRD_LOG_INFO, "version.changed", "%s in %s: from %.*s to %.*s",
                lrd_key_shown(log->secrets, op->key, op->key_len, key), op->ns->name, from.len > 0 ? (int)from.len : 4,
                from.len > 0 ? (const char *)from.data : "none", to.len > 0 ? (int)to.len : 4,
                to.len > 0 ? (const char *)to.data : "none");
}

static int tag_order(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static larder_err tags_encode(const larder_put_options *options, uint8_t *room, larder_facts *out) {
  const char *sorted[LARDER_TAGS_MAX];
  size_t len = 0;
  if (options->tags_count > LARDER_TAGS_MAX || (options->tags_count > 0 && !options->tags)) {
    return LARDER_EINVAL;
  }
  for (size_t i = 0; i < options->tags_count; i++) {
    sorted[i] = options->tags[i];
    if (!sorted[i] || sorted[i][0] == 0 || strlen(sorted[i]) > LARDER_TAG_MAX) {
      return LARDER_EINVAL;
    }
  }
  qsort(sorted, options->tags_count, sizeof *sorted, tag_order);
  for (size_t i = 0; i < options->tags_count; i++) {
    if (i > 0 && strcmp(sorted[i], sorted[i - 1]) == 0) {
      continue;
    }
    size_t tag_len = strlen(sorted[i]);
    room[len++] = (uint8_t)tag_len;
    memcpy(room + len, sorted[i], tag_len);
    len += tag_len;
  }
  out->tags = len > 0 ? (const char *)room : NULL;
  out->tags_len = len;
  return LARDER_OK;
}

larder_err lrd_facts_from_options(const larder_ns *ns, const larder_put_options *options, size_t len, uint8_t *tags_room,
                                  larder_facts *out) {
  static const larder_put_options defaults = {.size = sizeof defaults};
  larder_facts facts = {.value_len = len, .kind = ns->policy.kind};
  if (!options) {
    options = &defaults;
  }
  if (options->ttl_ms < 0 || options->stale_ms < -1 || (unsigned)options->kind > LARDER_KIND_WISDOM ||
      options->fresh_until_ms < 0 || options->modified_ms < 0 || options->meta_len > LARDER_META_MAX ||
      (options->meta_len > 0 && !options->meta)) {
    return LARDER_EINVAL;
  }
  if (options->kind != LARDER_KIND_BYTES || options->kind_given) {
    facts.kind = options->kind;
  }
  if (options->version) {
    facts.version_len = strlen(options->version);
    facts.version = facts.version_len > 0 ? options->version : NULL;
    if (facts.version_len > LARDER_VERSION_MAX) {
      return LARDER_EINVAL;
    }
  }
  facts.meta = options->meta_len > 0 ? options->meta : NULL;
  facts.meta_len = options->meta_len;
  facts.modified_ms = options->modified_ms;
  larder_err result = tags_encode(options, tags_room, &facts);
  if (result != LARDER_OK) {
    return result;
  }
  lrd_facts_set_lifetime(ns, options->ttl_ms, options->stale_ms, &facts);
  if (options->fresh_until_ms > 0) {
    facts.expires_soft_ms = options->fresh_until_ms;
    facts.expires_hard_ms = options->keep_until_ms > options->fresh_until_ms ? options->keep_until_ms : options->fresh_until_ms;
  }
  *out = facts;
  return LARDER_OK;
}

bool lrd_facts_has_tag(const larder_facts *facts, const char *tag) {
  size_t want = strlen(tag);
  for (size_t at = 0; at < facts->tags_len;) {
    size_t len = (uint8_t)facts->tags[at];
    if (at + 1 + len > facts->tags_len) {
      return false;
    }
    if (len == want && memcmp(facts->tags + at + 1, tag, len) == 0) {
      return true;
    }
    at += 1 + len;
  }
  return false;
}

const void *lrd_bytes_pack(uint8_t **at, const void *data, size_t len) {
  if (len == 0) {
    return NULL;
  }
  uint8_t *to = *at;
  memcpy(to, data, len);
  *at += len;
  return to;
}

void lrd_facts_pack(larder_facts *facts, uint8_t **at) {
  facts->version = lrd_bytes_pack(at, facts->version, facts->version_len);
  facts->meta = lrd_bytes_pack(at, facts->meta, facts->meta_len);
  facts->tags = lrd_bytes_pack(at, facts->tags, facts->tags_len);
}
