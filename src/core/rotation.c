/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting what is sealed with which key, and sealing anew. Nothing is remembered of how far a rotation came: the entries
 * themselves tell, so a run that was killed is simply started again.
 *
 * A page of keys is collected, then each entry is read, opened and put as a caller would, on condition of the stamp that it
 * was seen with: who writes meanwhile wins. Upper tiers get the new form by that put; a copy that only an upper tier has is
 * forgotten there.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "cache.h"
#include <errno.h>
#include <inttypes.h>
#include <larder/keys.h>
#include <stdio.h>

#define ROOM       "keys"
#define PAGE_KEYS  128u
#define SCAN_ROWS  256u
#define COUNTS_MAX 64u /* keys that are told apart; more have no room in any ring */

static void id_write(uint64_t id, char out[LARDER_KEY_ID_LEN + 1]) {
  (void)snprintf(out, LARDER_KEY_ID_LEN + 1, "%016" PRIx64, id);
}

/* --- counting --------------------------------------------------------------------------------------------------------- */

typedef struct count {
  uint64_t id;
  uint64_t entries;
} count;

typedef struct counting {
  larder *cache;
  larder_ns *ns;
  count counts[COUNTS_MAX];
  size_t len;
  larder_err result;
} counting;

static void count_add(counting *run, uint64_t id) {
  size_t i = 0;
  while (i < run->len && run->counts[i].id != id) {
    i++;
  }
  if (i == COUNTS_MAX) {
    return;
  }
  if (i == run->len) {
    run->counts[run->len++] = (count){.id = id};
  }
  run->counts[i].entries++;
}

static bool count_row(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  counting *run = context;
  lrd_sealed sealed;
  larder_err result = lrd_sealed_look(run->ns, lrd_span_of(key->data, key->len), value, facts, &sealed);
  if ((result == LARDER_OK || result == LARDER_EKEY) && sealed.key_id != 0) {
    count_add(run, sealed.key_id);
  }
  if (result == LARDER_ENOMEM) {
    run->result = result;
  }
  return true;
}

static bool count_named(void *context, const char *name) {
  counting *run = context;
  larder_err opened = lrd_ns_open_any(run->cache, name, &run->ns, NULL);
  if (opened < 0 && opened != LARDER_EKEY) { /* there is no key at all, and so none to count under */
    run->result = opened;
  }
  if (opened != LARDER_OK || run->ns->links_len == 0) {
    return true;
  }
  lrd_link *lowest = &run->ns->links[run->ns->links_len - 1];
  larder_tier_cursor at = {0};
  larder_err result = LARDER_OK;
  while (result == LARDER_OK) {
    result = lrd_tier_scan(&lowest->instance->tier, atomic_load(&lowest->space), NULL, &at, SCAN_ROWS, true, count_row, run);
  }
  if (result < 0) {
    run->result = result;
  }
  return true;
}

larder_err larder_keys_each(larder *cache, bool (*visit)(void *context, const larder_key *key), void *context) {
  if (!cache || !visit) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  counting run = {.cache = cache};
  for (size_t i = 0; i < lrd_keyring_len(cache->keyring); i++) {
    run.counts[run.len++].id = lrd_keyring_at(cache->keyring, i).id;
  }
  larder_err result = lrd_pending_settle(cache->pending); /* what stays queued will be sealed with the current key */
  if (result == LARDER_OK) {
    result = lrd_ns_each_any(cache, count_named, &run);
  }
  bool more = result == LARDER_OK;
  for (size_t i = 0; i < run.len && more; i++) {
    bool here = i < lrd_keyring_len(cache->keyring);
    larder_key key = {.source = here ? lrd_keyring_at(cache->keyring, i).source : NULL,
                      .current = here && i == 0,
                      .entries = run.counts[i].entries};
    id_write(run.counts[i].id, key.id);
    more = visit(context, &key);
  }
  return result != LARDER_OK ? result : run.result;
}

/* --- sealing anew ----------------------------------------------------------------------------------------------------- */

typedef struct rotation {
  larder *cache;
  larder_ns *ns;
  size_t link;
  larder_rotation done;
  bool (*progress)(void *context, const larder_rotation *so_far);
  void *context;
  bool stopped;
  larder_err result;
  lrd_buf keys;
  size_t lens[PAGE_KEYS];
  size_t len;
} rotation;

/* Collects the keys of a page that are not sealed as they should be. */
static bool rotate_row(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  rotation *run = context;
  lrd_sealed sealed;
  larder_err result = lrd_sealed_look(run->ns, lrd_span_of(key->data, key->len), value, facts, &sealed);
  run->done.examined++;
  if (result == LARDER_EKEY || result == LARDER_EFORMAT ||
      (result == LARDER_OK && !sealed.right && sealed.key_id != 0 && !lrd_keyring_has(run->cache->keyring, sealed.key_id))) {
    run->done.locked++;
    return true;
  }
  if (result != LARDER_OK) {
    run->done.failed += result == LARDER_ENOMEM; /* what is damaged, a get or a validation removes */
    return true;
  }
  if (sealed.right) {
    return true;
  }
  if (lrd_buf_append(&run->keys, key->data, key->len) != LARDER_OK) {
    run->done.failed++;
    return true;
  }
  run->lens[run->len++] = key->len;
  return run->len < PAGE_KEYS;
}

/* The entry as a caller would put it, on condition that it is still the one that was read. */
static larder_err put_again(rotation *run, const lrd_op *op, const larder_tier_entry *entry) {
  lrd_link *link = &run->ns->links[run->link];
  uint8_t *opened = NULL;
  size_t len = 0;
  larder_err result =
      lrd_decode_value(run->ns, link, lrd_span_of(op->key, op->key_len), entry->value, &entry->facts, &opened, &len);
  if (result < 0) {
    return result;
  }
  lrd_change change = {.verb = LRD_CHANGE_PUT,
                       .op = *op,
                       .value = result == LARDER_OK ? opened : entry->value,
                       .facts = entry->facts,
                       .only_stamp = entry->facts.stamp};
  change.facts.value_len = result == LARDER_OK ? len : entry->facts.value_len;
  change.facts.framed = false;
  result = lrd_write_batch(run->ns, &change, 1);
  lrd_dealloc(opened);
  return result == LARDER_OK ? change.result : result;
}

static void reseal(rotation *run, const void *key, size_t key_len) {
  larder_ns *ns = run->ns;
  lrd_link *link = &ns->links[run->link];
  lrd_op op;
  larder_tier_entry entry;
  larder_err result = lrd_op_begin(ns, key, key_len, &op);
  if (result != LARDER_OK) {
    run->done.failed++;
    return;
  }
  uint64_t token = lrd_slot_token(ns->cache->slots, lrd_slot_of(ns->cache->slots, op.hash));
  larder_tier_key tier_key = lrd_op_link_key(&op, link);
  result = lrd_tier_get(&link->instance->tier, link->cell, &tier_key, false, NULL, &entry);
  if (result != LARDER_OK) {
    run->done.failed += result < 0;
    return;
  }
  if (run->link + 1 == ns->links_len) {
    result = put_again(run, &op, &entry);
    if (result == LARDER_ECORRUPT) {
      lrd_errand_forget(run->cache, &op, run->link, entry.facts.stamp, token);
      result = LARDER_MISS;
    }
    run->done.resealed += result == LARDER_OK;
    run->done.failed += result < 0 || result == LARDER_DEGRADED || result == LARDER_NOT_KEPT;
  } else if (token == LRD_TOKEN_NONE) {
    run->done.failed++; /* somebody is writing it */
  } else {
    lrd_errand_forget(run->cache, &op, run->link, entry.facts.stamp, token);
  }
  lrd_tier_release(&link->instance->tier, &entry);
}

static void tell(rotation *run) {
  if (run->progress && !run->progress(run->context, &run->done)) {
    run->stopped = true;
  }
}

static larder_err rotate_link(rotation *run) {
  lrd_link *link = &run->ns->links[run->link];
  larder_tier_cursor at = {0};
  larder_err result = LARDER_OK;
  while (result == LARDER_OK && !run->stopped) {
    run->len = 0;
    lrd_buf_clear(&run->keys);
    result = lrd_tier_scan(&link->instance->tier, atomic_load(&link->space), NULL, &at, SCAN_ROWS, true, rotate_row, run);
    const uint8_t *key = run->keys.data;
    for (size_t i = 0; i < run->len; i++) {
      reseal(run, key, run->lens[i]);
      key += run->lens[i];
    }
    lrd_errands_run(run->cache->errands);
    tell(run);
  }
  return result < 0 ? result : LARDER_OK;
}

static void rotate_ns(rotation *run) {
  for (size_t i = run->ns->links_len; i-- > 0 && !run->stopped;) {
    run->link = i;
    larder_err result = rotate_link(run);
    if (result != LARDER_OK) {
      run->result = result;
    }
  }
}

static bool rotated(const larder_ns *ns) { return ns->links_len > 0 && ns->coding.policy.seal != LRD_SEAL_NONE; }

static bool rotate_named(void *context, const char *name) {
  rotation *run = context;
  larder_err result = lrd_ns_open_any(run->cache, name, &run->ns, NULL);
  if (result == LARDER_OK && rotated(run->ns)) {
    rotate_ns(run);
  } else if (result < 0) {
    run->result = result;
  }
  return !run->stopped;
}

static bool total_named(void *context, const char *name) {
  rotation *run = context;
  larder_ns *ns;
  larder_tier_usage usage;
  if (lrd_ns_open_any(run->cache, name, &ns, NULL) != LARDER_OK || !rotated(ns)) {
    return true;
  }
  for (size_t i = 0; i < ns->links_len; i++) {
    if (lrd_tier_usage(&ns->links[i].instance->tier, atomic_load(&ns->links[i].space), &usage) == LARDER_OK) {
      run->done.total += usage.entries;
    }
  }
  return true;
}

larder_err larder_keys_rotate(larder *cache, larder_ns *ns, bool (*progress)(void *context, const larder_rotation *so_far),
                              void *context, larder_rotation *out) {
  if (!cache || !out) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  if (lrd_cache_onlooker(cache)) {
    return LARDER_EACCES;
  }
  rotation *run = lrd_alloc_zero(1, sizeof *run);
  if (!run) {
    return LARDER_ENOMEM;
  }
  *run = (rotation){.cache = cache, .progress = progress, .context = context};
  larder_err result = lrd_pending_settle(cache->pending); /* likewise */
  if (result == LARDER_OK && ns) {
    run->ns = ns;
    (void)total_named(run, ns->name);
    if (rotated(ns)) {
      rotate_ns(run);
    }
  } else if (result == LARDER_OK) {
    result = lrd_ns_each_any(cache, total_named, run);
    if (result == LARDER_OK) {
      result = lrd_ns_each_any(cache, rotate_named, run);
    }
  }
  if (result == LARDER_OK) {
    result = run->result;
  }
  run->done.complete = result == LARDER_OK && !run->stopped && run->done.failed == 0;
  *out = run->done;
  lrd_buf_fini(&run->keys);
  lrd_dealloc(run);
  return result;
}

/* --- key files -------------------------------------------------------------------------------------------------------- */

/* What the file has already, behind the new key. The buffer is wiped by the caller, which is why it is not grown. */
static larder_err former_keys_read(const char *path, char *out, size_t room, size_t *len, larder_error *err) {
  char *text = NULL;
  size_t text_len = 0;
  if (lrd_fs_slurp(path, room, &text, &text_len) != 0) {
    return lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "the key file %s cannot be read", path);
  }
  memcpy(out, text, text_len);
  *len = text_len;
  lrd_key_wipe(text, text_len);
  lrd_dealloc(text);
  return LARDER_OK;
}

larder_err larder_key_file_new(const char *path, bool next, char id_out[LARDER_KEY_ID_LEN + 1], larder_error *err) {
  char text[LRD_KEY_TEXT_LEN + 1 + LRD_KEY_FILE_MAX];
  struct stat there;
  uint64_t id = 0;
  size_t former = 0;
  if (!path || !id_out) {
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a path for the key file is needed");
  }
  bool exists = lrd_fs_stat(path, &there) == 0;
  if (!exists && errno != ENOENT) {
    return lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "the key file %s cannot be looked at", path);
  }
  if (exists && !next) {
    return lrd_fail(err, LARDER_EBUSY, EEXIST, ROOM,
                    "%s is there already; to replace its key, put a new one in front of it with --next", path);
  }
  larder_err result = LARDER_OK;
  if (exists) { /* nothing is added to a file that would be refused */
    lrd_keyring *ring = NULL;
    result = lrd_keyring_open(path, lrd_clock_real(), &ring, err);
    if (result == LARDER_OK && lrd_keyring_len(ring) >= LRD_KEYS_MAX) {
      result = lrd_fail(err, LARDER_ETOOBIG, 0, ROOM, "the key file %s is full; take away its oldest keys", path);
    }
    lrd_keyring_close(ring);
  }
  if (result == LARDER_OK && exists) {
    result = former_keys_read(path, text + LRD_KEY_TEXT_LEN + 1, LRD_KEY_FILE_MAX, &former, err);
  }
  if (result == LARDER_OK && lrd_key_text_new(text, &id) != LARDER_OK) {
    result = lrd_fail(err, LARDER_EIO, errno, ROOM, "the kernel gives no random bytes");
  }
  if (result == LARDER_OK && LRD_KEY_TEXT_LEN + 1 + former > LRD_KEY_FILE_MAX) {
    result = lrd_fail(err, LARDER_ETOOBIG, 0, ROOM, "the key file %s is full; take away its oldest keys", path);
  }
  text[LRD_KEY_TEXT_LEN] = '\n';
  if (result == LARDER_OK && lrd_fs_publish(path, text, LRD_KEY_TEXT_LEN + 1 + former, 0600, true) != 0) {
    result =
        lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "the key file %s cannot be written: %s", path, strerror(errno));
  }
  if (result == LARDER_OK) {
    id_write(id, id_out);
  }
  lrd_key_wipe(text, sizeof text);
  return result;
}

const char *larder_key_file(const larder *cache) { return cache ? cache->config->key_file : NULL; }
