/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index: what the log says, in memory. A table of chains, placed by the top bits of the hash, so that walking buckets
 * in order is walking hashes in order, but for the few within a bucket. One entry per hash: of two keys with one hash the
 * later takes the place. Each space also lists its entries, which is what eviction draws its samples from.
 */
#include "files_inner.h"

#define BITS_FIRST 10u
#define BITS_MAX   40u

larder_err lrd_files_index_init(files_index *index) {
  memset(index, 0, sizeof *index);
  index->bits = BITS_FIRST;
  index->buckets = lrd_alloc_zero((size_t)1 << index->bits, sizeof(files_entry *));
  index->spaces = lrd_alloc_zero(LRD_FILES_SPACES_MAX, sizeof *index->spaces);
  if (index->buckets == NULL || index->spaces == NULL) return LARDER_ENOMEM;
  for (uint32_t i = 0; i < LRD_FILES_SPACES_MAX; i++) index->spaces[i].fd = -1;
  index->spaces_end = 1;
  return LARDER_OK;
}

void lrd_files_index_retire(files_index *index) {
  while (index->retired != NULL) {
    files_entry *next = index->retired->next;
    lrd_dealloc(index->retired);
    index->retired = next;
  }
}

void lrd_files_index_clear(files_index *index) {
  for (size_t i = 0; index->buckets != NULL && i < (size_t)1 << index->bits; i++) {
    while (index->buckets[i] != NULL) {
      files_entry *next = index->buckets[i]->next;
      lrd_dealloc(index->buckets[i]);
      index->buckets[i] = next;
    }
  }
  lrd_files_index_retire(index);
  for (uint32_t i = 0; index->spaces != NULL && i < LRD_FILES_SPACES_MAX; i++) {
    index->spaces[i].list_len = 0;
    index->spaces[i].totals = (files_totals){0};
  }
  index->count = index->log_bytes = index->unsummed = 0;
  index->all = (files_totals){0};
}

void lrd_files_index_fini(files_index *index) {
  lrd_files_index_clear(index);
  for (uint32_t i = 0; index->spaces != NULL && i < LRD_FILES_SPACES_MAX; i++) {
    files_space *space = &index->spaces[i];
    lrd_fs_close(space->fd);
    lrd_dealloc(space->name);
    lrd_dealloc(space->folder);
    lrd_dealloc(space->list);
  }
  lrd_dealloc(index->buckets);
  lrd_dealloc(index->spaces);
  memset(index, 0, sizeof *index);
}

larder_err lrd_files_entry_new(const files_entry *facts, lrd_span key, lrd_span head, files_entry **out) {
  lrd_buf name = {0};
  larder_err err = files_dead(facts) ? lrd_buf_terminate(&name) : lrd_files_entry_name(&name, facts, key.data);
  files_entry *entry = err == LARDER_OK ? lrd_alloc(sizeof *entry + key.len + head.len + name.len + 1) : NULL;
  if (entry != NULL) {
    memcpy(entry, facts, sizeof *facts);
    entry->next = NULL;
    entry->key_len = (uint16_t)key.len;
    entry->head_len = (uint32_t)head.len;
    entry->name_len = (uint16_t)name.len;
    uint8_t *bytes = (uint8_t *)(entry + 1);
    memcpy(bytes, key.data, key.len);
    if (head.len != 0) memcpy(bytes + key.len, head.data, head.len);
    memcpy(bytes + key.len + head.len, name.data, name.len + 1);
    *out = entry;
  }
  lrd_buf_fini(&name);
  return entry == NULL ? LARDER_ENOMEM : LARDER_OK;
}

static files_entry **bucket_of(const files_index *index, uint64_t hash) { return &index->buckets[hash >> (64 - index->bits)]; }

files_entry *lrd_files_find(const files_index *index, uint64_t hash) {
  files_entry *entry = *bucket_of(index, hash);
  while (entry != NULL && entry->hash != hash) entry = entry->next;
  return entry;
}

const files_entry *lrd_files_brought_by(const files_index *index, const files_record *record) {
  if (record->type != FILES_RECORD_ENTRY) return NULL;
  const files_entry *entry = lrd_files_find(index, record->facts.hash);
  bool const same = entry != NULL && entry->put_stamp == record->facts.put_stamp && entry->nonce == record->facts.nonce;
  return same && !files_dead(entry) ? entry : NULL;
}

files_entry *lrd_files_find_from(const files_index *index, uint64_t from) {
  size_t const end = (size_t)1 << index->bits;
  for (size_t at = (size_t)(from >> (64 - index->bits)); at < end; at++) {
    files_entry *best = NULL;
    for (files_entry *entry = index->buckets[at]; entry != NULL; entry = entry->next)
      if (entry->hash >= from && (best == NULL || entry->hash < best->hash)) best = entry;
    if (best != NULL) return best;
  }
  return NULL;
}

/* Twice the buckets; without memory for it the chains get longer. */
static void grow(files_index *index) {
  if (index->bits >= BITS_MAX) return;
  unsigned const bits = index->bits + 1;
  files_entry **buckets = lrd_alloc_zero((size_t)1 << bits, sizeof *buckets);
  if (buckets == NULL) return;
  for (size_t i = 0; i < (size_t)1 << index->bits; i++) {
    for (files_entry *entry = index->buckets[i], *next; entry != NULL; entry = next) {
      next = entry->next;
      files_entry **bucket = &buckets[entry->hash >> (64 - bits)];
      entry->next = *bucket;
      *bucket = entry;
    }
  }
  lrd_dealloc(index->buckets);
  index->buckets = buckets;
  index->bits = bits;
}

/*
 * What an entry takes from the disk: whole blocks of its file, 256 bytes of inode, its name in a folder and its record. A
 * tombstone is a record.
 */
uint64_t lrd_files_cost(const files_entry *entry) {
  uint64_t const record = 160u + entry->key_len + entry->head_len;
  return files_dead(entry) ? record : record + 320u + entry->name_len + (entry->value_len + 4095) / 4096 * 4096;
}

uint64_t lrd_files_log_cost(const files_entry *entry) { return 160u + entry->key_len + entry->head_len; }

/* Adding, or by wrapping, taking away. */
static void count(files_index *index, const files_entry *entry, uint64_t sign) {
  files_totals *of[2] = {&index->spaces[entry->space].totals, &index->all};
  for (int i = 0; i < 2; i++) {
    of[i]->bytes += sign * lrd_files_cost(entry);
    if (files_dead(entry)) {
      of[i]->tombstones += sign;
    } else {
      of[i]->entries += sign;
      of[i]->payload += sign * (entry->key_len + entry->value_len);
    }
  }
  index->count += sign;
  index->log_bytes += sign * lrd_files_log_cost(entry);
  if (!files_dead(entry) && !(entry->flags & FILES_SHA_KNOWN)) index->unsummed += sign;
}

void lrd_files_index_remove(files_index *index, files_entry *entry) {
  files_entry **at = bucket_of(index, entry->hash);
  while (*at != entry) at = &(*at)->next;
  *at = entry->next;
  files_space *space = &index->spaces[entry->space];
  space->list[entry->place] = space->list[--space->list_len];
  space->list[entry->place]->place = entry->place;
  count(index, entry, UINT64_MAX);
  entry->next = index->retired;
  index->retired = entry;
}

void lrd_files_index_sha(files_index *index, files_entry *entry, const uint8_t sha[LRD_SHA256_LEN]) {
  if (files_dead(entry)) return;
  if (!(entry->flags & FILES_SHA_KNOWN)) index->unsummed--;
  memcpy(entry->sha, sha, LRD_SHA256_LEN);
  entry->flags |= FILES_SHA_KNOWN;
}

larder_err lrd_files_index_put(files_index *index, files_entry *entry) {
  files_space *space = &index->spaces[entry->space];
  if (space->list_len == space->list_cap) {
    uint32_t const cap = space->list_cap == 0 ? 64 : space->list_cap * 2;
    files_entry **more = lrd_realloc(space->list, cap * sizeof *more);
    if (more == NULL) return LARDER_ENOMEM;
    space->list = more;
    space->list_cap = cap;
  }
  files_entry *old = lrd_files_find(index, entry->hash);
  if (old != NULL) lrd_files_index_remove(index, old);
  if (index->count >= (uint64_t)2 << index->bits) grow(index);
  entry->place = space->list_len;
  space->list[space->list_len++] = entry;
  files_entry **bucket = bucket_of(index, entry->hash);
  entry->next = *bucket;
  *bucket = entry;
  count(index, entry, 1);
  return LARDER_OK;
}

larder_err lrd_files_index_space(files_index *index, const char *path, uint32_t number, int64_t created_ms, const char *name) {
  files_space *space = &index->spaces[number];
  if (space->name != NULL && strcmp(space->name, name) == 0) return LARDER_OK;
  lrd_buf folder = {0};
  larder_err err = lrd_files_folder_name(&folder, name);
  if (err == LARDER_OK) err = lrd_buf_terminate(&folder);
  char *whole = err == LARDER_OK ? lrd_path_join(path, (const char *)folder.data) : NULL;
  char *copy = lrd_strdup(name);
  lrd_buf_fini(&folder);
  if (whole == NULL || copy == NULL) {
    lrd_dealloc(whole);
    lrd_dealloc(copy);
    return LARDER_ENOMEM;
  }
  lrd_dealloc(space->name);
  lrd_dealloc(space->folder);
  lrd_fs_close(space->fd);
  space->fd = -1;
  space->name = copy;
  space->folder = whole;
  space->created_ms = created_ms;
  if (number >= index->spaces_end) index->spaces_end = number + 1;
  return LARDER_OK;
}

bool lrd_files_facts(const files_entry *entry, larder_facts *facts) {
  *facts = (larder_facts){.stamp = entry->stamp,
                          .expires_soft_ms = entry->soft_ms,
                          .expires_hard_ms = entry->hard_ms,
                          .value_len = entry->value_len,
                          .kind = (larder_kind)entry->kind,
                          .tombstone = files_dead(entry),
                          .framed = (entry->flags & FILES_FRAMED) != 0,
                          .raw_len = entry->flags & FILES_FRAMED ? entry->raw_len : entry->value_len,
                          .access_count = atomic_load_explicit(&entry->uses, memory_order_relaxed),
                          .accessed_ms = atomic_load_explicit(&entry->used_ms, memory_order_relaxed)};
  return lrd_facts_head_unpack(files_head(entry), entry->head_len, facts);
}
