/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store is an unordered array of rows under one lock; a get copies the row out. Nothing here is meant to be fast. The
 * store outlives its handle, so that a reopened tier finds it; the handle and what a get hands out are lrd_alloc'ed, so
 * that the sweeps over allocations reach them.
 */
#include "faulty_tier.h"

#include "base/bytes.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_MAX   4096
#define SPACES_MAX 16
#define ROW_COST   64

tier_fault faulty_tier_fault;
#define BROKEN(name) (faulty_tier_fault == FAULT_##name)

typedef struct row {
  bool used;
  uint64_t hash;
  uint32_t space;
  larder_facts facts; /* pointers into bytes */
  size_t key_len;
  size_t size;
  uint8_t *bytes; /* key, value, version, meta, tags */
} row;

typedef struct store {
  struct store *next;
  char path[512];
  uint64_t seed;
  pthread_mutex_t mutex;
  char spaces[SPACES_MAX][129];
  row rows[ROWS_MAX];
  _Atomic uint64_t looks; /* gets so far */
} store;

typedef struct fake {
  store *store;
  larder_tier_host host;
  uint64_t bytes_max, entries_max, stale_entries;
} fake;

static store *stores;
static pthread_mutex_t stores_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint8_t shared_buffer[400000];

static void row_clear(row *r) {
  free(r->bytes);
  memset(r, 0, sizeof *r);
}

static store *store_of(const char *path, uint64_t seed) {
  pthread_mutex_lock(&stores_mutex);
  store *s = stores;
  while (s && strcmp(s->path, path) != 0) s = s->next;
  if (!s && (s = calloc(1, sizeof *s))) {
    memcpy(s->path, path, strlen(path) + 1);
    s->seed = seed;
    pthread_mutex_init(&s->mutex, NULL);
    s->next = stores;
    stores = s;
  }
  pthread_mutex_unlock(&stores_mutex);
  return s;
}

static larder_err fake_open(const larder_tier_params *params, void **self_out, larder_error *err) {
  (void)err;
  if (!params->path || strlen(params->path) >= sizeof stores->path) return LARDER_EINVAL;
  fake *f = lrd_alloc_zero(1, sizeof *f);
  if (!f) return LARDER_ENOMEM;
  f->store = store_of(params->path, params->seed);
  if (!f->store || (f->store->seed != params->seed && !BROKEN(SEED_UNCHECKED))) {
    larder_err result = f->store ? LARDER_EFORMAT : LARDER_ENOMEM;
    lrd_dealloc(f);
    return result;
  }
  f->host = params->host;
  f->bytes_max = params->bytes_max;
  f->entries_max = params->entries_max ? params->entries_max : ROWS_MAX;
  *self_out = f;
  return LARDER_OK;
}

static void fake_close(void *self) {
  fake *f = self;
  for (size_t i = 0; BROKEN(LOST_ON_CLOSE) && i < ROWS_MAX; i++) row_clear(&f->store->rows[i]);
  lrd_dealloc(f);
}

static larder_err fake_bind(void *self, const larder_tier_space *space, uint32_t *space_out) {
  static uint32_t unstable;
  store *s = ((fake *)self)->store;
  for (uint32_t i = 0; i < SPACES_MAX; i++) {
    if (s->spaces[i][0] && strcmp(s->spaces[i], space->name) != 0) continue;
    memcpy(s->spaces[i], space->name, strlen(space->name) + 1);
    *space_out = BROKEN(BIND_UNSTABLE) ? ++unstable : i;
    return LARDER_OK;
  }
  return LARDER_EUNSUPPORTED;
}

static bool dead(const fake *f, const row *r) {
  int64_t now = f->host.wall_ms(f->host.context);
  int64_t hard = BROKEN(EXPIRES_SOFTLY) ? r->facts.expires_soft_ms : r->facts.expires_hard_ms;
  if (hard == 0) return false;
  return BROKEN(EXPIRES_LATE) ? now > hard : BROKEN(EXPIRES_EARLY) ? now >= hard - 1 : now >= hard;
}

static bool same_key(const row *r, const larder_tier_key *key) {
  if (!r->used || r->hash != key->hash || (r->space != key->space && !BROKEN(SPACES_MIXED))) return false;
  if (BROKEN(KEY_BY_HASH)) return true;
  return r->key_len == key->len && memcmp(r->bytes, key->data, key->len) == 0;
}

static row *row_find(store *s, const larder_tier_key *key) {
  for (size_t i = 0; i < ROWS_MAX; i++)
    if (same_key(&s->rows[i], key)) return &s->rows[i];
  return NULL;
}

static void *pack(uint8_t **at, const void *data, size_t len) {
  uint8_t *to = *at;
  if (len == 0) return NULL;
  memcpy(to, data, len);
  *at += len;
  return to;
}

static void pack_facts(larder_facts *facts, uint8_t **at) {
  facts->version = pack(at, facts->version, facts->version_len);
  facts->meta = pack(at, facts->meta, facts->meta_len);
  facts->tags = pack(at, facts->tags, facts->tags_len);
}

static void row_set(row *r, const larder_tier_write *item) {
  larder_facts facts = item->facts;
  if (item->verb == LARDER_TIER_DELETE) {
    facts = (larder_facts){.stamp = item->facts.stamp, .tombstone = true};
  }
  if (BROKEN(FACTS_LOST)) facts.meta_len = 0;
  if (BROKEN(FRAME_UNMARKED)) facts.framed = false;
  if (!facts.framed || BROKEN(RAW_LENGTH_LOST)) facts.raw_len = facts.value_len;
  size_t size = item->key.len + facts.value_len + facts.version_len + facts.meta_len + facts.tags_len;
  bool in_place = BROKEN(OVERWRITES_IN_PLACE) && r->used && size <= r->size;
  uint8_t *bytes = in_place ? r->bytes : malloc(size + 1);
  if (!bytes) abort();
  uint8_t *at = bytes;
  (void)pack(&at, item->key.data, item->key.len);
  (void)pack(&at, item->value, (size_t)facts.value_len);
  if (BROKEN(TORN) && facts.value_len > 20000) memset(bytes + item->key.len + 20000, 0, (size_t)facts.value_len - 20000);
  pack_facts(&facts, &at);
  if (!in_place) free(r->bytes);
  *r = (row){.used = true,
             .hash = item->key.hash,
             .space = item->key.space,
             .facts = facts,
             .key_len = item->key.len,
             .size = in_place ? r->size : size,
             .bytes = bytes};
  if (BROKEN(KEY_CUT) && r->key_len == LARDER_KEY_MAX) r->bytes[LARDER_KEY_MAX - 1] = 'Z';
}

/* --- reading ---------------------------------------------------------------------------------------------------------- */

static larder_err fake_get(void *self, const larder_tier_key *key, bool facts_only, const void *slot, larder_tier_entry *out) {
  fake *f = self;
  (void)slot;
  larder_err result = LARDER_MISS;
  pthread_mutex_lock(&f->store->mutex);
  atomic_fetch_add(&f->store->looks, 1);
  row *r = row_find(f->store, key);
  if (r && !r->facts.tombstone && !dead(f, r)) {
    uint8_t *copy = BROKEN(SHARED_BUFFER) ? shared_buffer : lrd_alloc(r->size + 1);
    result = LARDER_ENOMEM;
    if (copy) {
      uint8_t *at = copy;
      out->facts = r->facts;
      out->pin = BROKEN(SHARED_BUFFER) ? NULL : copy;
      out->value = pack(&at, r->bytes + r->key_len, (size_t)r->facts.value_len);
      if (BROKEN(OVERWRITES_IN_PLACE)) out->value = r->bytes + r->key_len;
      pack_facts(&out->facts, &at);
      if (facts_only && !BROKEN(VALUE_WITH_FACTS_ONLY)) out->value = NULL;
      result = LARDER_OK;
    }
  }
  pthread_mutex_unlock(&f->store->mutex);
  return result;
}

static void fake_release(void *self, larder_tier_entry *entry) {
  (void)self;
  if (!BROKEN(PIN_LEAKED)) lrd_dealloc(entry->pin);
  *entry = (larder_tier_entry){0};
}

static bool has_tag(const row *r, const char *tag, size_t tag_len) {
  const uint8_t *at = (const uint8_t *)r->facts.tags;
  for (const uint8_t *end = at + r->facts.tags_len; at < end; at += 1 + *at)
    if ((*at == tag_len || (BROKEN(TAG_BY_PREFIX) && *at > tag_len)) && memcmp(at + 1, tag, tag_len) == 0) return true;
  return false;
}

static larder_err scan_rows(fake *f, uint32_t space, const char *tag, size_t tag_len, larder_tier_cursor *cursor,
                            uint64_t limit, bool values, larder_tier_visit visit, void *context) {
  larder_err result = LARDER_END;
  uint64_t examined = 0;
  pthread_mutex_lock(&f->store->mutex);
  while (cursor->position < ROWS_MAX) {
    row *r = &f->store->rows[cursor->position];
    if (r->used && examined == limit && !BROKEN(SCAN_IGNORES_LIMIT)) {
      result = LARDER_OK;
      break;
    }
    cursor->position++;
    if (!r->used) continue;
    examined++;
    if (r->space != space && !BROKEN(SCAN_IGNORES_SPACE)) continue;
    if ((r->facts.tombstone || dead(f, r)) && !BROKEN(SCAN_SHOWS_DEAD)) continue;
    if (tag && !has_tag(r, tag, tag_len)) continue;
    if (BROKEN(SCAN_SKIPS) && examined == limit) continue;
    larder_tier_key key = {r->bytes, r->key_len, r->hash, r->space};
    if (!visit(context, &key, &r->facts, values ? r->bytes + r->key_len : NULL)) {
      result = LARDER_OK;
      if (BROKEN(SCAN_REPEATS)) cursor->position--;
      break;
    }
  }
  pthread_mutex_unlock(&f->store->mutex);
  cursor->ended = result == LARDER_END;
  return result;
}

static larder_err fake_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                            larder_tier_visit visit, void *context) {
  return scan_rows(self, space, NULL, 0, cursor, limit, values, visit, context);
}

static larder_err fake_scan_tag(void *self, uint32_t space, const char *tag, size_t tag_len, larder_tier_cursor *cursor,
                                uint64_t limit, larder_tier_visit visit, void *context) {
  return scan_rows(self, space, tag, tag_len, cursor, limit, false, visit, context);
}

static void usage_of(fake *f, uint32_t space, larder_tier_usage *out) {
  *out = (larder_tier_usage){.bytes_max = f->bytes_max, .entries_max = f->entries_max};
  for (size_t i = 0; i < ROWS_MAX; i++) {
    const row *r = &f->store->rows[i];
    if (!r->used || r->facts.tombstone || (space != LARDER_TIER_ALL_SPACES && r->space != space)) continue;
    out->entries++;
    out->payload_bytes += r->key_len + r->facts.value_len;
    out->bytes += r->size + ROW_COST;
  }
  if (BROKEN(USAGE_STALE)) out->entries = f->stale_entries > out->entries ? f->stale_entries : out->entries;
  f->stale_entries = out->entries;
}

static larder_err fake_usage(void *self, uint32_t space, larder_tier_usage *out) {
  fake *f = self;
  pthread_mutex_lock(&f->store->mutex);
  usage_of(f, space, out);
  pthread_mutex_unlock(&f->store->mutex);
  return LARDER_OK;
}

/* --- writing ---------------------------------------------------------------------------------------------------------- */

static bool evict_one(fake *f) {
  for (size_t i = 0; i < ROWS_MAX; i++) {
    row *r = &f->store->rows[i];
    if (!r->used || r->facts.tombstone) continue;
    if (!BROKEN(EVICTS_UNOWNED) && !f->host.slot_try_own(f->host.context, r->hash)) continue;
    uint64_t hash = r->hash;
    if (!BROKEN(EVICTION_UNCOUNTED)) f->host.evicted(f->host.context, r->space, LARDER_EVICT_ENTRIES, 1, r->size);
    row_clear(r);
    if (!BROKEN(EVICTS_UNOWNED) && !BROKEN(SLOT_KEPT)) f->host.slot_release(f->host.context, hash);
    return true;
  }
  return false;
}

static bool make_room(fake *f, const larder_tier_write *item) {
  larder_tier_usage usage;
  for (;;) {
    usage_of(f, LARDER_TIER_ALL_SPACES, &usage);
    uint64_t size = item->key.len + item->facts.value_len + ROW_COST;
    if (BROKEN(LIMIT_IGNORED) || (usage.entries < f->entries_max && usage.bytes + size <= f->bytes_max)) return true;
    if (!evict_one(f)) return false;
  }
}

static row *row_free(store *s) {
  for (size_t i = 0; i < ROWS_MAX; i++)
    if (!s->rows[i].used) return &s->rows[i];
  return NULL;
}

static void write_put(fake *f, row *r, larder_tier_write *item) {
  if (!r || r->facts.tombstone) {
    if (!make_room(f, item)) {
      item->result = LARDER_NOT_KEPT;
      return;
    }
    if (!r) r = row_free(f->store);
  }
  item->result = r ? LARDER_OK : LARDER_NOT_KEPT;
  if (r) row_set(r, item);
}

static void write_delete(fake *f, row *r, larder_tier_write *item) {
  item->result = item->existed ? LARDER_OK : LARDER_MISS;
  if (BROKEN(TOMBSTONES_DROPPED)) {
    if (r) row_clear(r);
    return;
  }
  if (!r) r = row_free(f->store);
  if (r) row_set(r, item);
}

static void write_touch(fake *f, row *r, larder_tier_write *item) {
  if (!item->existed) {
    item->result = LARDER_MISS;
    if (BROKEN(TOUCH_MAKES)) write_put(f, r, item), item->result = LARDER_OK;
    return;
  }
  r->facts.expires_soft_ms = item->facts.expires_soft_ms;
  r->facts.expires_hard_ms = item->facts.expires_hard_ms;
  if (!BROKEN(TOUCH_KEEPS_STAMP)) r->facts.stamp = item->facts.stamp;
  item->result = LARDER_OK;
}

static void write_one(fake *f, larder_tier_write *item) {
  row *r = row_find(f->store, &item->key);
  uint64_t stored = r ? r->facts.stamp : 0;
  item->existed = r && !r->facts.tombstone && !dead(f, r);
  if (BROKEN(EXISTED_WRONG)) item->existed = r != NULL;
  if (item->verb == LARDER_TIER_FORGET) {
    item->result = r ? LARDER_OK : LARDER_MISS;
    if (r && BROKEN(FORGET_LEAVES_TOMBSTONE)) {
      larder_tier_write tombstone = *item;
      tombstone.verb = LARDER_TIER_DELETE;
      row_set(r, &tombstone);
    } else if (r) {
      row_clear(r);
    }
    return;
  }
  bool wrong = item->only_stamp != 0 && !BROKEN(ONLY_STAMP_IGNORED) && stored != item->only_stamp;
  if (wrong || (r && stored >= item->facts.stamp && !BROKEN(STAMPS_IGNORED))) {
    item->result = LARDER_OLDER;
    if (!BROKEN(STORED_STAMP_UNSET)) item->stored_stamp = stored;
    return;
  }
  if (item->verb == LARDER_TIER_PUT) write_put(f, r, item);
  if (item->verb == LARDER_TIER_DELETE) write_delete(f, r, item);
  if (item->verb == LARDER_TIER_TOUCH) write_touch(f, r, item);
}

/* Lets others look at what is half done, as long as anybody does and not for ever. */
static void be_seen(store *rows) {
  uint64_t wanted = atomic_load(&rows->looks) + 8;
  pthread_mutex_unlock(&rows->mutex);
  for (unsigned turn = 0; turn < 20 && atomic_load(&rows->looks) < wanted; turn++)
    (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  pthread_mutex_lock(&rows->mutex);
}

static larder_err fake_write(void *self, larder_tier_write *items, size_t count, larder_durability durability) {
  fake *f = self;
  (void)durability;
  void *scratch = lrd_alloc(16); /* so that a write can run out of memory */
  if (!scratch) {
    if (BROKEN(LEAKS_WHEN_OUT_OF_MEMORY)) (void)!lrd_alloc(1);
    return LARDER_ENOMEM;
  }
  pthread_mutex_lock(&f->store->mutex);
  for (size_t i = 0; i < count; i++) {
    write_one(f, &items[i]);
    if (BROKEN(NOT_ATOMIC) && i == 0 && count > 1) be_seen(f->store);
  }
  pthread_mutex_unlock(&f->store->mutex);
  lrd_dealloc(scratch);
  return LARDER_OK;
}

static bool in_range(uint64_t hash, uint64_t first, uint64_t last) {
  if (BROKEN(RANGE_SHORT)) return hash >= first && hash < last;
  if (BROKEN(RANGE_WIDE)) return hash + 1 >= first && hash <= last;
  if (BROKEN(RANGE_SIGNED)) return (int64_t)hash >= (int64_t)first && (int64_t)hash <= (int64_t)last;
  return hash >= first && hash <= last;
}

static larder_err fake_forget_range(void *self, uint64_t first, uint64_t last, uint64_t *removed_out) {
  fake *f = self;
  *removed_out = 0;
  pthread_mutex_lock(&f->store->mutex);
  for (size_t i = 0; i < ROWS_MAX; i++) {
    if (!f->store->rows[i].used || !in_range(f->store->rows[i].hash, first, last)) continue;
    row_clear(&f->store->rows[i]);
    (*removed_out)++;
  }
  pthread_mutex_unlock(&f->store->mutex);
  return LARDER_OK;
}

static larder_err fake_sweep(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out) {
  fake *f = self;
  (void)limit;
  *removed_out = 0;
  pthread_mutex_lock(&f->store->mutex);
  for (size_t i = 0; i < ROWS_MAX; i++) {
    row *r = &f->store->rows[i];
    if (!r->used || r->facts.tombstone || !dead(f, r)) continue;
    if (!expire_physically && !BROKEN(SWEEP_IGNORES_FLAG)) continue;
    if (BROKEN(SWEEP_LEAVES) && i % 4 == 3) continue;
    uint64_t hash = r->hash;
    if (!f->host.slot_try_own(f->host.context, hash)) continue;
    f->host.evicted(f->host.context, r->space, LARDER_EVICT_EXPIRED, 1, r->size);
    row_clear(r);
    f->host.slot_release(f->host.context, hash);
    (*removed_out)++;
  }
  pthread_mutex_unlock(&f->store->mutex);
  return LARDER_OK;
}

static larder_err fake_flush(void *self) {
  (void)self;
  return LARDER_OK;
}

static larder_err fake_check(void *self, bool repair, larder_tier_report *out, larder_tier_finding finding,
                             larder_tier_judge judge, void *context) {
  fake *f = self;
  *out = (larder_tier_report){.damaged = BROKEN(CHECK_SEES_GHOSTS)};
  for (size_t i = 0; i < ROWS_MAX; i++) {
    row *r = &f->store->rows[i];
    if (!r->used || r->facts.tombstone) continue;
    larder_tier_key key = {.data = r->bytes, .len = r->key_len, .hash = r->hash, .space = r->space};
    out->examined++;
    const char *wrong = judge && !BROKEN(CHECK_ASKS_NOBODY) ? judge(context, &key, &r->facts, r->bytes + r->key_len) : NULL;
    if (!wrong) continue;
    out->damaged++;
    if (finding) finding(context, &key, wrong);
    if (!repair || !f->host.slot_try_own(f->host.context, key.hash)) continue;
    if (!BROKEN(CHECK_KEEPS_WHAT_IS_JUDGED)) row_clear(r);
    out->repaired++;
    f->host.slot_release(f->host.context, key.hash);
  }
  return LARDER_OK;
}

const larder_tier_ops faulty_tier = {.name = "faulty",
                                     .version = LARDER_TIER_VERSION,
                                     .capabilities = LARDER_TIER_DURABLE | LARDER_TIER_SHARED | LARDER_TIER_ENUMERABLE |
                                                     LARDER_TIER_TOMBSTONES | LARDER_TIER_TAGS,
                                     .open = fake_open,
                                     .close = fake_close,
                                     .abandon = lrd_dealloc,
                                     .bind = fake_bind,
                                     .get = fake_get,
                                     .release = fake_release,
                                     .write = fake_write,
                                     .scan = fake_scan,
                                     .scan_tag = fake_scan_tag,
                                     .forget_range = fake_forget_range,
                                     .sweep = fake_sweep,
                                     .flush = fake_flush,
                                     .usage = fake_usage,
                                     .check = fake_check};
