/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets, by a bounded pool of readers.
 *
 * A thread goes back to the reader it had last (its number is thread-local) and claims it by one exchange; only when all
 * are taken does it wait under a mutex. A get binds, steps, copies the row out, resets: the read transaction ends before
 * the value is handed out, so none can hold the log back. Checksums are verified on the copy, since mapped pages may
 * change under one's feet.
 */
#include "sqlite_inner.h"

#include <time.h>

#define GET_COLUMNS "SELECT hash, space, stamp, soft, hard, flags, used, uses, sum, vsum, vlen, bstamp, key, head"
enum { COLUMN_VALUE = 14 };

/* How long a get puts up with recovery, a stranger's exclusive lock or a paused log before the tier counts as away; once it is
 * connected, for which it has the busy time-out alone. */
#define GET_PATIENCE_NS (2ll * 1000000000)
#define RETRIES         8

typedef struct pin {
  uint64_t magic;
  _Alignas(16) uint8_t bytes[];
} pin;
#define PIN_MAGIC 0x50696e4c72645371ull

larder_err lrd_sqlite_readers_open(sqlite_tier *tier) {
  tier->readers = lrd_alloc_zero(tier->options.readers_max, sizeof *tier->readers);
  return tier->readers == NULL ? LARDER_ENOMEM : LARDER_OK;
}

static void reader_close(sqlite_reader *reader) {
  (void)sqlite3_finalize(reader->get);
  (void)sqlite3_finalize(reader->facts);
  (void)sqlite3_finalize(reader->window);
  (void)sqlite3_finalize(reader->tagged);
  (void)sqlite3_finalize(reader->count);
  (void)sqlite3_close(reader->db);
  reader->db = NULL;
  reader->failed = false;
  reader->get = reader->facts = reader->window = reader->tagged = reader->count = NULL;
}

void lrd_sqlite_readers_close(sqlite_tier *tier) {
  for (uint64_t i = 0; tier->readers != NULL && i < tier->options.readers_max; i++) reader_close(&tier->readers[i]);
  lrd_dealloc(tier->readers);
  tier->readers = NULL;
}

/*
 * What passes by itself. The last three: who may not write finds no mark of a reader to stand behind, as between the two
 * steps of a restart of the log, or an index half changed.
 */
static bool is_busy(int rc) {
  int const primary = rc & 0xff;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_PROTOCOL || rc == SQLITE_READONLY_CANTINIT ||
         rc == SQLITE_READONLY_CANTLOCK || rc == SQLITE_READONLY_RECOVERY;
}

/* The first step after a reset; busy is waited out within the patience. */
int lrd_sqlite_step_first(sqlite3_stmt *statement) {
  int rc = sqlite3_step(statement);
  if (!is_busy(rc)) return rc;
  int64_t const deadline = lrd_mono_ns(lrd_clock_real()) + GET_PATIENCE_NS;
  while (is_busy(rc) && lrd_mono_ns(lrd_clock_real()) < deadline) {
    (void)sqlite3_reset(statement);
    (void)nanosleep(&(struct timespec){0, 1000 * 1000}, NULL);
    rc = sqlite3_step(statement);
  }
  return rc;
}

/* Closed by the caller when it fails. */
static int reader_connect(sqlite_tier *tier, sqlite_reader *reader) {
  int const flags = tier->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  int rc = lrd_sqlite_connect(tier, tier->path, flags, reader->beside.still, &reader->db);
  if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(reader->db, 50);
  if (rc == SQLITE_OK) rc = sqlite3_exec(reader->db, "PRAGMA query_only = 1", NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = lrd_sqlite_prepare(reader->db, GET_COLUMNS ", value FROM entries WHERE hash = ?1", &reader->get);
  if (rc == SQLITE_OK) rc = lrd_sqlite_prepare(reader->db, GET_COLUMNS " FROM entries WHERE hash = ?1", &reader->facts);
  if (rc == SQLITE_OK)
    rc = lrd_sqlite_prepare(reader->db, "SELECT hash, space, flags, hard FROM entries WHERE hash >= ?1 ORDER BY hash LIMIT ?2",
                            &reader->window);
  if (rc == SQLITE_OK)
    rc = lrd_sqlite_prepare(reader->db,
                            "SELECT hash FROM tags WHERE space = ?1 AND tag = ?2 AND hash >= ?3 ORDER BY hash LIMIT ?4",
                            &reader->tagged);
  return rc;
}

static larder_err reader_failed(sqlite_tier *tier, sqlite_reader *reader, int rc) {
  larder_err const err = lrd_sqlite_fault(tier, reader->db, rc);
  reader_close(reader);
  return err == LARDER_EBUSY ? LARDER_EAWAY : err;
}

/* A tier that may not write: the connection is to be one to the files that lie there now. */
static larder_err reader_follow(sqlite_tier *tier, sqlite_reader *reader) {
  int64_t const deadline = lrd_mono_ns(lrd_clock_real()) + GET_PATIENCE_NS;
  for (;;) {
    sqlite_beside now;
    larder_err const looked = lrd_sqlite_beside_look(tier, &now);
    if (looked != LARDER_OK) return looked;
    if (now.dev != tier->db_dev || now.db != tier->db_ino) {
      lrd_sqlite_distrust(tier, LARDER_EAWAY, "the database file was replaced or removed under us");
      return LARDER_EAWAY;
    }
    if (reader->db != NULL && lrd_sqlite_beside_equal(&now, &reader->beside)) return LARDER_OK;
    reader_close(reader);
    reader->beside = now;
    int const rc = reader_connect(tier, reader);
    if (rc == SQLITE_OK) return LARDER_OK;
    bool const passes = is_busy(rc) || !lrd_sqlite_beside_same(tier, &now);
    if (!passes || lrd_mono_ns(lrd_clock_real()) >= deadline) return reader_failed(tier, reader, rc);
    reader_close(reader);
    (void)nanosleep(&(struct timespec){0, 1000 * 1000}, NULL);
  }
}

bool lrd_sqlite_reader_overtaken(const sqlite_tier *tier, const sqlite_reader *reader) {
  return tier->read_only && reader->beside.still && !lrd_sqlite_beside_same(tier, &reader->beside);
}

static bool reader_try(sqlite_reader *reader) {
  return atomic_load_explicit(&reader->taken, memory_order_relaxed) == 0 &&
         atomic_exchange_explicit(&reader->taken, 1, memory_order_acquire) == 0;
}

static sqlite_reader *reader_find(sqlite_tier *tier, uint64_t from) {
  uint64_t const count = tier->options.readers_max;
  for (uint64_t i = 0; i < count; i++)
    if (reader_try(&tier->readers[(from + i) % count])) return &tier->readers[(from + i) % count];
  return NULL;
}

static void pause_wait(const sqlite_tier *tier) {
  struct timespec const nap = {0, 100 * 1000};
  const sqlite_board *board = sqlite_board_shown(tier);
  for (;;) {
    int64_t const until = atomic_load_explicit(&board->paused_until_ns, memory_order_acquire);
    int64_t const now = sqlite_boot_ns();
    if (until <= now || until - now > LRD_SQLITE_PAUSE_NS) return; /* over, or a damaged word */
    (void)nanosleep(&nap, NULL);
  }
}

/* Many who wait are no sign of a tier that is away, nor is a host on which nobody gets on: only a reader that failed is. */
static sqlite_reader *reader_wait(sqlite_tier *tier, uint64_t from) {
  sqlite_reader *reader = NULL;
  lrd_lock(&tier->pool);
  atomic_fetch_add(&tier->pool_waiters, 1);
  uint64_t const failed = tier->pool_failed;
  uint64_t served = tier->pool_served;
  int64_t since = lrd_mono_ns(lrd_clock_real());
  while ((reader = reader_find(tier, from)) == NULL) {
    int64_t const patience = tier->pool_failed == failed ? (int64_t)tier->options.pool_ms * 1000000 : GET_PATIENCE_NS;
    if (lrd_mono_ns(lrd_clock_real()) - since >= patience) break;
    (void)lrd_cond_wait_ns(&tier->pool_free, &tier->pool, 10 * 1000000);
    if (served != tier->pool_served) since = lrd_mono_ns(lrd_clock_real());
    served = tier->pool_served;
  }
  atomic_fetch_sub(&tier->pool_waiters, 1);
  lrd_unlock(&tier->pool);
  return reader;
}

/* Claims a reader, open and with nobody pausing. LARDER_EAWAY when none came free in time. */
larder_err lrd_sqlite_reader_claim(sqlite_tier *tier, sqlite_reader **out) {
  static _Thread_local uint64_t mine;
  static _Atomic uint64_t next;
  if (mine == 0) mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
  if (atomic_load_explicit(&sqlite_board_shown(tier)->paused_until_ns, memory_order_acquire) != 0) pause_wait(tier);
  sqlite_reader *reader = &tier->readers[mine % tier->options.readers_max];
  if (!reader_try(reader) && (reader = reader_find(tier, mine)) == NULL && (reader = reader_wait(tier, mine)) == NULL)
    return LARDER_EAWAY;
  larder_err err = LARDER_OK;
  int rc = SQLITE_OK;
  if (tier->read_only)
    err = reader_follow(tier, reader);
  else if (reader->db == NULL && (rc = reader_connect(tier, reader)) != SQLITE_OK)
    err = reader_failed(tier, reader, rc);
  reader->failed = err != LARDER_OK;
  if (err == LARDER_OK)
    *out = reader;
  else
    lrd_sqlite_reader_return(tier, reader);
  return err;
}

void lrd_sqlite_reader_return(sqlite_tier *tier, sqlite_reader *reader) {
  bool const failed = reader->failed;
  atomic_store_explicit(&reader->taken, 0, memory_order_seq_cst);
  if (atomic_load_explicit(&tier->pool_waiters, memory_order_seq_cst) == 0) return;
  lrd_lock(&tier->pool);
  *(failed ? &tier->pool_failed : &tier->pool_served) += 1;
  pthread_cond_signal(&tier->pool_free);
  lrd_unlock(&tier->pool);
}

larder_err lrd_sqlite_reader_finish(sqlite_tier *tier, sqlite_reader *reader, larder_err read) {
  bool const overtaken = lrd_sqlite_reader_overtaken(tier, reader);
  lrd_sqlite_reader_return(tier, reader);
  return overtaken ? LARDER_EAWAY : read;
}

bool lrd_sqlite_readers_hold(sqlite_tier *tier, int64_t ns) {
  int64_t const deadline = lrd_mono_ns(lrd_clock_real()) + ns;
  for (uint64_t i = 0; i < tier->options.readers_max; i++)
    while (!reader_try(&tier->readers[i])) {
      if (lrd_mono_ns(lrd_clock_real()) >= deadline) {
        while (i-- > 0) lrd_sqlite_reader_return(tier, &tier->readers[i]);
        return false;
      }
      (void)nanosleep(&(struct timespec){0, 20 * 1000}, NULL);
    }
  for (uint64_t i = 0; i < tier->options.readers_max; i++) reader_close(&tier->readers[i]);
  return true;
}

void lrd_sqlite_readers_let_go(sqlite_tier *tier) {
  for (uint64_t i = 0; i < tier->options.readers_max; i++) lrd_sqlite_reader_return(tier, &tier->readers[i]);
}

/* Readers of every process wait, at most ns; those of this one are let finish. */
void lrd_sqlite_readers_pause(sqlite_tier *tier, int64_t ns) {
  atomic_store(&tier->board->paused_until_ns, sqlite_boot_ns() + ns);
  int64_t const deadline = lrd_mono_ns(lrd_clock_real()) + ns;
  for (uint64_t i = 0; i < tier->options.readers_max; i++)
    while (atomic_load(&tier->readers[i].taken) != 0 && lrd_mono_ns(lrd_clock_real()) < deadline)
      (void)nanosleep(&(struct timespec){0, 20 * 1000}, NULL);
}

void lrd_sqlite_readers_resume(sqlite_tier *tier) { atomic_store(&tier->board->paused_until_ns, 0); }

/* Steps to the row of hash. SQLITE_ROW, SQLITE_DONE, or an error. */
static int step_to(sqlite3_stmt *statement, uint64_t hash) {
  int const rc = sqlite3_bind_int64(statement, 1, key64_of(hash));
  return rc == SQLITE_OK ? lrd_sqlite_step_first(statement) : rc;
}

/* Remembered for removal by the next tick: a get does not write. */
static void damage_note(sqlite_tier *tier, uint64_t hash, uint32_t space, uint64_t bytes) {
  if (tier->host.evicted != NULL) tier->host.evicted(tier->host.context, space, LARDER_EVICT_CORRUPTION, 1, bytes);
  lrd_sqlite_log(tier, LRD_LOG_WARN, "sqlite.damaged_row", "an entry failed its checksum and was dropped");
  for (size_t i = 0; i < sizeof tier->damaged / sizeof tier->damaged[0]; i++) {
    uint64_t none = 0;
    uint64_t const at = atomic_load(&tier->damaged[i]);
    if (at == hash || (at == 0 && atomic_compare_exchange_strong(&tier->damaged[i], &none, hash))) break;
  }
  if (tier->ticker != NULL) lrd_ticker_wake(tier->ticker);
}

enum copied { COPIED, COPIED_NOTHING, COPIED_DAMAGED, COPIED_NO_MEMORY };

/* From the statement's row to one allocation: key, head and value one after the other. */
static enum copied row_copy(sqlite3_stmt *statement, bool facts_only, sqlite_row *row, pin **out, const uint8_t **value) {
  bool const blob = (row->flags & ROW_BLOB) != 0;
  if (row->value_len > LARDER_VALUE_MAX) return COPIED_DAMAGED;
  size_t const value_len = facts_only ? 0 : (size_t)row->value_len;
  size_t const head_at = (value_len + 15) & ~(size_t)15;
  size_t const key_at = head_at + row->head_len;
  pin *copy = lrd_alloc(sizeof *copy + key_at + row->key_len + 1);
  if (copy == NULL) return COPIED_NO_MEMORY;
  copy->magic = PIN_MAGIC;
  if (row->head_len != 0) memcpy(copy->bytes + head_at, row->head, row->head_len);
  if (row->key_len != 0) memcpy(copy->bytes + key_at, row->key, row->key_len);
  row->head = copy->bytes + head_at;
  row->key = copy->bytes + key_at;
  *value = copy->bytes;
  *out = copy;
  if (facts_only || blob) return COPIED;
  const void *stored = sqlite3_column_blob(statement, COLUMN_VALUE);
  if ((size_t)sqlite3_column_bytes(statement, COLUMN_VALUE) != value_len) return COPIED_DAMAGED;
  if (value_len != 0) {
    if (stored == NULL) return COPIED_NO_MEMORY;
    memcpy(copy->bytes, stored, value_len);
  }
  return COPIED;
}

static bool verified(const sqlite_tier *tier, const sqlite_row *row, const uint8_t *value, bool has_value) {
  if (!tier->options.checksums) return true;
  return lrd_sqlite_row_sum(row) == row->sum && (!has_value || lrd_sum64(value, (size_t)row->value_len) == row->value_sum);
}

/* One look. LARDER_EUNKNOWN: the row's file is gone, so the row has changed: look again. */
static larder_err look_once(sqlite_tier *tier, uint64_t hash, const larder_tier_key *key, bool facts_only, sqlite_row *row,
                            pin **pin_out, const uint8_t **value_out, bool *overtaken) {
  sqlite_reader *reader = NULL;
  larder_err err = lrd_sqlite_reader_claim(tier, &reader);
  if (err != LARDER_OK) return err;
  sqlite3_stmt *statement = facts_only ? reader->facts : reader->get;
  int const rc = step_to(statement, hash);
  enum copied copied = COPIED_NOTHING;
  int64_t const now_ms = sqlite_wall_ms(tier);
  bool wanted = false;
  if (rc == SQLITE_ROW) {
    lrd_sqlite_row_from_statement(statement, row);
    wanted =
        key == NULL || (row->space == key->space && row->key_len == key->len && memcmp(row->key, key->data, key->len) == 0);
    if ((row->flags & ROW_TOMBSTONE) || sqlite_expired(row->hard_ms, now_ms)) wanted = false;
    /* What is not to be handed out is verified too when it cannot be told apart from a damaged row. */
    if (!wanted && key != NULL && tier->options.checksums && lrd_sqlite_row_sum(row) != row->sum)
      copied = COPIED_DAMAGED;
    else if (wanted)
      copied = row_copy(statement, facts_only, row, pin_out, value_out);
  }
  (void)sqlite3_reset(statement);
  *overtaken = lrd_sqlite_reader_overtaken(tier, reader);
  if (copied == COPIED && key != NULL) lrd_sqlite_access_note(reader, hash, now_ms);
  if (*overtaken) {
    err = LARDER_EAWAY;
  } else if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
    err = lrd_sqlite_fault(tier, reader->db, rc);
    if (err == LARDER_EBUSY) err = LARDER_EAWAY;
    reader->failed = true;
  } else if (copied == COPIED_NO_MEMORY) {
    err = LARDER_ENOMEM;
  } else {
    err = copied == COPIED ? LARDER_OK : copied == COPIED_DAMAGED ? LARDER_ECORRUPT : LARDER_MISS;
  }
  lrd_sqlite_reader_return(tier, reader);
  if (err == LARDER_OK && (row->flags & ROW_BLOB) && !facts_only)
    err = lrd_sqlite_blob_read(tier, hash, row->blob_stamp, (*pin_out)->bytes, (size_t)row->value_len);
  if (err == LARDER_OK && !verified(tier, row, *value_out, !facts_only)) err = LARDER_ECORRUPT;
  return err;
}

static larder_err look(sqlite_tier *tier, uint64_t hash, const larder_tier_key *key, bool facts_only, sqlite_row *row,
                       larder_tier_entry *out) {
  if (atomic_load_explicit(&tier->away, memory_order_relaxed)) return LARDER_EAWAY;
  pin *copy = NULL;
  const uint8_t *value = NULL;
  larder_err err = LARDER_EUNKNOWN;
  bool overtaken = false;
  *row = (sqlite_row){.hash = hash};
  for (int i = 0; i < RETRIES && (err == LARDER_EUNKNOWN || overtaken); i++) {
    uint64_t const blob_before = row->blob_stamp;
    lrd_dealloc(copy);
    copy = NULL;
    overtaken = false;
    err = look_once(tier, hash, key, facts_only, row, &copy, &value, &overtaken);
    if (overtaken) *row = (sqlite_row){.hash = hash};
    /* The same row names a file that is not there, twice: nobody replaced it, it is lost. */
    if (err == LARDER_EUNKNOWN && i > 0 && blob_before == row->blob_stamp) err = LARDER_ECORRUPT;
  }
  larder_facts facts;
  if (err == LARDER_OK && !lrd_sqlite_row_facts(row, &facts)) err = LARDER_ECORRUPT;
  if (err != LARDER_OK) {
    lrd_dealloc(copy);
    if (err == LARDER_ECORRUPT) {
      damage_note(tier, hash, key != NULL ? key->space : row->space, row->value_len);
      return LARDER_MISS;
    }
    return err == LARDER_EUNKNOWN ? LARDER_MISS : err;
  }
  *out = (larder_tier_entry){.value = facts_only || row->value_len == 0 ? NULL : value, .facts = facts, .pin = copy};
  return LARDER_OK;
}

larder_err lrd_sqlite_get(void *self, const larder_tier_key *key, bool facts_only, const void *slot, larder_tier_entry *out) {
  (void)slot;
  sqlite_row row = {0};
  return look(lrd_sqlite_tier_of(self), key->hash, key, facts_only, &row, out);
}

larder_err lrd_sqlite_fetch(void *self, uint64_t hash, bool facts_only, larder_tier_key *key_out, larder_tier_entry *out) {
  sqlite_row row = {0};
  larder_err const err = look(lrd_sqlite_tier_of(self), hash, NULL, facts_only, &row, out);
  if (err == LARDER_OK) *key_out = (larder_tier_key){.data = row.key, .len = row.key_len, .hash = hash, .space = row.space};
  return err;
}

void lrd_sqlite_release(void *self, larder_tier_entry *entry) {
  (void)self;
  pin *held = entry->pin;
  if (held == NULL) return;
  LRD_ASSERT(held->magic == PIN_MAGIC);
  held->magic = 0;
  lrd_dealloc(held);
  *entry = (larder_tier_entry){0};
}
