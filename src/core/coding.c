/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values are encoded before their slots are owned, so that nobody waits while one is compressed, and once for all tiers of
 * the chain. A value that cannot be sealed is not stored; one that cannot be compressed is stored as it is.
 */
#include "coding.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "cache.h"
#include "codec/shuffle.h"
#include "kind/npy.h"

#define TOLD_EVERY_NS INT64_C(60000000000)

static lrd_codec_place place_of(const larder_ns *ns, lrd_span key) { return (lrd_codec_place){lrd_span_str(ns->name), key}; }

static bool reads_ours(const lrd_link *link) { return !lrd_tier_has(&link->instance->tier, LARDER_TIER_READABLE); }

static bool chain_has(const larder_ns *ns, bool ours) {
  for (size_t i = 0; i < ns->links_len; i++) {
    if (reads_ours(&ns->links[i]) == ours) {
      return true;
    }
  }
  return false;
}

/* Bytes of a number in the value, where it is worth knowing. */
static unsigned width_of(const larder_ns *ns, const void *value, const larder_facts *facts) {
  if (facts->kind != LARDER_KIND_ARRAY || !ns->coding.policy.shuffle || ns->coding.policy.method == LRD_PACK_PLAIN) {
    return 0;
  }
  uint64_t width = lrd_array_itemsize(value, (size_t)facts->value_len);
  return width > LRD_SHUFFLE_WIDTH_MAX ? 0 : (unsigned)width;
}

/* The frame of a form into coded->frame, which becomes the form for tiers of our own format. */
static larder_err frame_form(larder_ns *ns, lrd_span key, const lrd_codec_policy *policy, unsigned width, lrd_coded *out) {
  lrd_codec_place place = place_of(ns, key);
  lrd_link *lowest = &ns->links[ns->links_len - 1];
  bool framed = false;
  bool failed = false;
  larder_err result = lrd_frame_encode(ns->coding.codec, policy, &place, lrd_span_of(out->ours.value, (size_t)out->ours.len),
                                       width, &out->frame, &framed, &failed);
  if (failed) {
    lrd_stats_add(lowest->cell, LRD_STAT_CODEC_FAILURES, 1);
  }
  if (result == LARDER_OK && framed) {
    out->ours = (lrd_form){out->frame.data, out->frame.len, out->ours.len, true};
  }
  return result;
}

static larder_err code_value(larder_ns *ns, lrd_span key, const void *value, const larder_facts *facts, lrd_coded *out) {
  lrd_codec_policy policy = ns->coding.policy;
  unsigned width = width_of(ns, value, facts);
  bool whole = policy.seal != LRD_SEAL_NONE;
  larder_err result = LARDER_OK;
  if (whole && ns->coding.fields) {
    lrd_codec_place place = place_of(ns, key);
    result = lrd_fields_seal(ns->coding.codec, policy.seal, &place, ns->coding.fields,
                             lrd_span_of(value, (size_t)facts->value_len), &out->text);
    if (result == LARDER_OK) {
      out->ours = out->readable = (lrd_form){out->text.data, out->text.len, out->text.len, false};
      policy.seal = LRD_SEAL_NONE;
      whole = false;
    } else if (result != LARDER_EFORMAT) { /* what is no JSON has no members: it is sealed whole */
      return result;
    }
  }
  if (whole || chain_has(ns, true)) {
    result = frame_form(ns, key, &policy, width, out);
  } else {
    result = LARDER_OK;
  }
  if (whole) {
    out->readable = out->ours;
  }
  return result;
}

larder_err lrd_code_value(larder_ns *ns, lrd_span key, const void *value, const larder_facts *facts, lrd_coded *out) {
  if (!ns->coding.used) {
    return LARDER_OK;
  }
  lrd_link *lowest = &ns->links[ns->links_len - 1];
  int64_t began_ns = lrd_mono_ns(ns->cache->clock);
  out->used = true;
  out->ours = out->readable = (lrd_form){value, facts->value_len, facts->value_len, false};
  larder_err result = code_value(ns, key, value, facts, out);
  if (result != LARDER_OK) {
    lrd_stats_add(lowest->cell, LRD_STAT_CODEC_FAILURES, 1);
    return result;
  }
  lrd_stats_add(lowest->cell, LRD_STAT_CODEC_BYTES_IN, facts->value_len);
  lrd_stats_add(lowest->cell, LRD_STAT_CODEC_BYTES_OUT, out->ours.len);
  lrd_stats_time(lowest->cell, LRD_OP_ENCODE, lrd_mono_ns(ns->cache->clock) - began_ns);
  return LARDER_OK;
}

void lrd_coded_fini(lrd_coded *coded) {
  lrd_buf_fini(&coded->frame);
  lrd_buf_fini(&coded->text);
  *coded = (lrd_coded){0};
}

void lrd_coded_apply(const lrd_coded *coded, const lrd_link *link, larder_tier_write *item) {
  if (!coded->used) {
    return;
  }
  const lrd_form *form = reads_ours(link) ? &coded->ours : &coded->readable;
  item->facts.raw_len = form->raw_len;
  item->facts.framed = form->framed;
  item->facts.value_len = form->len;
  item->value = form->value;
}

/* --- the way back ----------------------------------------------------------------------------------------------------- */

/* What stays though it does not open is told once a minute for a namespace: whoever reads on meets it with every entry. */
static bool to_be_told(larder_ns *ns, _Atomic int64_t *last_ns) {
  int64_t now_ns = lrd_mono_ns(ns->cache->clock);
  int64_t told_ns = atomic_load_explicit(last_ns, memory_order_relaxed);
  return (told_ns == 0 || now_ns - told_ns >= TOLD_EVERY_NS) && atomic_compare_exchange_strong(last_ns, &told_ns, now_ns);
}

static void tell_no_key(larder_ns *ns) {
  if (!to_be_told(ns, &ns->coding.told_no_key_ns)) {
    return;
  }
  lrd_log_write(
      &ns->cache->log, LRD_LOG_ERROR, "codec.no_key",
      "namespace %s: entries are sealed with a key that is not here; they are left as they are. Give the former key in "
      "LARDER_KEY_PREVIOUS or the key file",
      ns->name);
}

static void tell_newer(larder_ns *ns, const char *why) {
  if (!to_be_told(ns, &ns->coding.told_newer_ns)) {
    return;
  }
  lrd_log_write(&ns->cache->log, LRD_LOG_ERROR, "codec.newer",
                "namespace %s: entries are stored in a form that this build does not know (%s); they are left as they are. Use "
                "the newer Larder that wrote them",
                ns->name, why);
}

static void tell_damage(larder_ns *ns, lrd_link *link, const char *why) {
  lrd_stats_add(link->cell, LRD_STAT_CORRUPT, 1);
  lrd_log_write(&ns->cache->log, LRD_LOG_WARN, "codec.damaged", "namespace %s, tier %s: an entry was dropped: %s", ns->name,
                link->instance->tier.name, why ? why : "it does not decode");
}

static larder_err open_frame(lrd_codec *codec, const lrd_codec_place *place, const void *value, const larder_facts *facts,
                             uint8_t **out, size_t *len_out, const char **why) {
  uint8_t *opened = NULL;
  size_t len = 0;
  larder_err result =
      lrd_frame_decode(codec, place, lrd_span_of(value, (size_t)facts->value_len), facts->raw_len, &opened, &len, why);
  if (result == LARDER_OK && len != facts->raw_len) {
    lrd_dealloc(opened);
    *why = "the value has another length than its entry tells";
    return LARDER_ECORRUPT;
  }
  if (result == LARDER_OK) {
    *out = opened;
    *len_out = len;
  }
  return result;
}

/* Opens sealed members. LARDER_NOT_KEPT: there are none. */
static larder_err open_members(lrd_codec *codec, const lrd_codec_place *place, const char *fields, lrd_span json, uint8_t **out,
                               size_t *len_out, const char **why) {
  lrd_buf opened = {0};
  lrd_fields_found found;
  larder_err result = lrd_fields_open(codec, place, fields, json, &opened, &found, why);
  if (result != LARDER_OK || !found.sealed) {
    lrd_buf_fini(&opened);
    return result == LARDER_OK ? LARDER_NOT_KEPT : result;
  }
  *out = opened.data; /* lrd_dealloc releases a buffer's bytes too */
  *len_out = opened.len;
  return LARDER_OK;
}

/* What callers are told of a form that is not known here. */
static larder_err outward(larder_err result) { return result == LARDER_EUNSUPPORTED ? LARDER_EFORMAT : result; }

/* LARDER_NOT_KEPT: it is the value already. */
static larder_err open_value(lrd_codec *codec, const lrd_codec_place *place, const char *fields, const void *value,
                             const larder_facts *facts, uint8_t **out, size_t *len_out, const char **why) {
  uint8_t *frame = NULL;
  uint8_t *opened = NULL;
  lrd_span have = lrd_span_of(value, (size_t)facts->value_len);
  larder_err result = LARDER_NOT_KEPT;
  if (facts->framed) {
    result = open_frame(codec, place, value, facts, &frame, &have.len, why);
    have.data = frame;
  }
  if ((result == LARDER_OK || result == LARDER_NOT_KEPT) && fields) {
    size_t opened_len = 0;
    larder_err members = open_members(codec, place, fields, have, &opened, &opened_len, why);
    if (members != LARDER_NOT_KEPT) {
      result = members;
      have = lrd_span_of(opened, opened_len);
    }
  }
  if (result == LARDER_OK) {
    *out = opened ? opened : frame;
    *len_out = have.len;
    frame = opened ? frame : NULL;
  }
  lrd_dealloc(frame);
  return outward(result);
}

larder_err lrd_decode_value(larder_ns *ns, lrd_link *link, lrd_span key, const void *value, const larder_facts *facts,
                            uint8_t **value_out, size_t *len_out) {
  const char *why = NULL;
  lrd_codec_place place = place_of(ns, key);
  if (!facts->framed && !ns->coding.fields) {
    return LARDER_NOT_KEPT;
  }
  int64_t began_ns = lrd_mono_ns(ns->cache->clock);
  larder_err result = open_value(ns->coding.codec, &place, ns->coding.fields, value, facts, value_out, len_out, &why);
  if (result == LARDER_OK) {
    lrd_stats_time(link->cell, LRD_OP_DECODE, lrd_mono_ns(ns->cache->clock) - began_ns);
  } else if (result == LARDER_EKEY) {
    tell_no_key(ns);
  } else if (result == LARDER_EFORMAT) {
    tell_newer(ns, why);
  } else if (result == LARDER_ECORRUPT) {
    tell_damage(ns, link, why);
  }
  return result;
}

/* Members that the namespace of the name seals; NULL: none. */
static const char *fields_of(const lrd_config *config, const char *ns) {
  lrd_config_ns policy;
  lrd_ns_policy(config, ns, &policy);
  return policy.coding.seal != 0 ? policy.coding.seal_fields : NULL;
}

larder_err lrd_value_try(larder *cache, const char *ns, lrd_span key, const void *value, const larder_facts *facts,
                         const char **why) {
  uint8_t *opened = NULL;
  size_t len = 0;
  lrd_frame_head head;
  *why = NULL;
  if (key.len > LARDER_KEY_MAX || (ns && strlen(ns) > LRD_NS_NAME_MAX)) {
    *why = "its name is longer than any";
    return LARDER_ECORRUPT;
  }
  if (facts->framed && !ns && lrd_frame_look(lrd_span_of(value, (size_t)facts->value_len), &head, why) == LARDER_OK &&
      head.seal != LRD_SEAL_NONE && lrd_keyring_has(cache->keyring, head.key_id)) {
    return LARDER_NOT_KEPT; /* it opens under its own name only */
  }
  lrd_codec_place place = {lrd_span_str(ns ? ns : ""), key};
  larder_err result =
      open_value(cache->codec, &place, ns ? fields_of(cache->config, ns) : NULL, value, facts, &opened, &len, why);
  if (result == LARDER_ECORRUPT && !*why) {
    *why = "it does not decode";
  }
  lrd_dealloc(opened);
  return result;
}

larder_err lrd_unpack_for_readers(larder_ns *ns, lrd_span key, const void *value, const larder_facts *facts,
                                  uint8_t **value_out, size_t *len_out) {
  const char *why = NULL;
  lrd_frame_head head;
  lrd_codec_place place = place_of(ns, key);
  larder_err result = lrd_frame_look(lrd_span_of(value, (size_t)facts->value_len), &head, &why);
  if (result == LARDER_OK && head.seal != LRD_SEAL_NONE) {
    return LARDER_NOT_KEPT;
  }
  if (result == LARDER_OK) {
    result = open_frame(ns->coding.codec, &place, value, facts, value_out, len_out, &why);
  }
  return outward(result);
}

/* Members of a document: right when none is bare, and all are sealed as a put would. */
static larder_err members_look(larder_ns *ns, lrd_span key, lrd_span json, lrd_sealed *out) {
  lrd_codec_place place = place_of(ns, key);
  lrd_buf opened = {0};
  lrd_fields_found found;
  const char *why = NULL;
  larder_err result = lrd_fields_open(ns->coding.codec, &place, ns->coding.fields, json, &opened, &found, &why);
  lrd_buf_fini(&opened);
  bool other = ns->coding.policy.seal == LRD_SEAL_FERNET ? found.frames : found.tokens;
  out->key_id = found.key_id;
  out->right = !found.bare && !other && (!found.sealed || found.key_id == lrd_keyring_at(ns->cache->keyring, 0).id);
  return result;
}

larder_err lrd_sealed_look(larder_ns *ns, lrd_span key, const void *value, const larder_facts *facts, lrd_sealed *out) {
  lrd_span have = lrd_span_of(value, (size_t)facts->value_len);
  lrd_frame_head head = {0};
  uint8_t *frame = NULL;
  const char *why = NULL;
  larder_err result = facts->framed ? lrd_frame_look(have, &head, &why) : LARDER_OK;
  *out = (lrd_sealed){.key_id = head.key_id};
  if (result != LARDER_OK) {
    return outward(result);
  }
  if (head.seal != LRD_SEAL_NONE || !ns->coding.fields) {
    /* Whole: right without members to seal, or where there are none because it is no JSON. */
    out->right = head.seal == ns->coding.policy.seal &&
                 (head.seal == LRD_SEAL_NONE || head.key_id == lrd_keyring_at(ns->cache->keyring, 0).id);
    return LARDER_OK;
  }
  if (facts->framed) {
    lrd_codec_place place = place_of(ns, key);
    result = open_frame(ns->coding.codec, &place, value, facts, &frame, &have.len, &why);
    have.data = frame;
  }
  if (result == LARDER_OK) {
    result = members_look(ns, key, have, out);
  }
  lrd_dealloc(frame);
  return outward(result);
}

/* --- the policy ------------------------------------------------------------------------------------------------------- */

larder_err lrd_coding_init(larder_ns *ns, larder_error *err) {
  const lrd_config_coding *config = &ns->policy.coding;
  lrd_coding *coding = &ns->coding;
  coding->codec = ns->cache->codec;
  if (ns->links_len == 0) {
    return LARDER_OK;
  }
  coding->policy = (lrd_codec_policy){.method = (lrd_pack_method)config->codec,
                                      .level = config->level,
                                      .threshold_bytes = config->threshold_bytes,
                                      .shuffle = config->shuffle,
                                      .seal = (lrd_seal)config->seal};
  coding->fields = config->seal != 0 ? config->seal_fields : NULL;
  coding->used = (config->codec != 0 && config->level != 0 && chain_has(ns, true)) || config->seal != 0;
  if (config->seal != 0 && lrd_keyring_len(ns->cache->keyring) == 0) {
    return lrd_fail(
        err, LARDER_EKEY, 0, "namespace",
        "namespace %s is to be sealed, and there is no key: set LARDER_KEY, or make the key file %s by `larder keys "
        "new`",
        ns->name, ns->cache->config->key_file ? ns->cache->config->key_file : "that `key_file` names");
  }
  return LARDER_OK;
}
