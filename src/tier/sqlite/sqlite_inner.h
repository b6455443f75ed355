/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share. Terms:
 *
 *   key64    the entry's hash as SQLite keeps it: signed, order-preserving (hash ^ 2^63), so a slot is one range of rowids
 *   board    the mapped part of `<path>.queue`: what the processes tell each other (totals, what awaits its sync)
 *   turn     the right of one connection on the host to write: the in-process queue, then the lock file, then BEGIN
 *   reader   a connection for reading, claimed by one thread at a time
 *
 * Lock order: queue mutex, then nothing; a turn; a reader's claim; sync mutex. No host callback runs under a mutex.
 */
#ifndef LRD_TIER_SQLITE_INNER_H
#define LRD_TIER_SQLITE_INNER_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/path.h"
#include "base/stamp.h"
#include "base/thread.h"
#include "sqlite_tier.h"
#include "tier/facts_head.h"

#include <sqlite3.h>
#include <stdatomic.h>

#define LRD_SQLITE_TIER_MAGIC        0x5173716c69746531ull
#define LRD_SQLITE_APP_ID            0x4c726472 /* "Lrdr" */
#define LRD_SQLITE_FORMAT            3          /* user_version; 1 had no checksum of the facts, 2 no frames */
#define LRD_SQLITE_FORMAT_READABLE   2          /* every row of this one means the same in the present one */
#define LRD_SQLITE_PAGE_BYTES        8192
#define LRD_SQLITE_SPACES_MAX        1024u
#define LRD_SQLITE_RING_SIZE         1024u
#define LRD_SQLITE_TOMBSTONE_MS      (10 * 60 * 1000)
#define LRD_SQLITE_BATCH_ITEMS       4096u
#define LRD_SQLITE_BATCH_BYTES       (32u << 20)
#define LRD_SQLITE_ACCESS_SLOTS      256u /* per reader; 16 readers remember 4096 keys between two flushes */
#define LRD_SQLITE_LEAVES_MAX        256u
#define LRD_SQLITE_LEAVES_BYTES      (64u << 20)
#define LRD_SQLITE_REFUSED_MAX       64u
#define LRD_SQLITE_VICTIMS_MAX       16u
#define LRD_SQLITE_CHECKPOINT_FRAMES 1000u
#define LRD_SQLITE_ROOM_BYTES        (256u << 10)      /* for index and log, before a starved tier tries to write */
#define LRD_SQLITE_PAUSE_NS          (250ll * 1000000) /* longest that readers wait for a restart of the log */

/* entries.flags; of a frame, the bits from ROW_RAW_SHIFT on are the length of what it holds */
enum { ROW_KIND_MASK = 0xff, ROW_TOMBSTONE = 1 << 8, ROW_BLOB = 1 << 9, ROW_TAGGED = 1 << 10, ROW_FRAMED = 1 << 11 };
#define ROW_RAW_SHIFT 16

typedef struct sqlite_options {
#define LRD_SQLITE_OPTION_FIELD(name, def, least, most, what) uint64_t name;
  LRD_SQLITE_OPTIONS(LRD_SQLITE_OPTION_FIELD)
#undef LRD_SQLITE_OPTION_FIELD
  char vfs[64]; /* name of a registered SQLite VFS; empty: the default one */
} sqlite_options;

typedef struct sqlite_totals {
  uint64_t entries;
  uint64_t tombstones;
  uint64_t bytes;   /* pages and files as lrd_sqlite_row_cost counts them, tombstones included */
  uint64_t payload; /* keys and values of live entries */
} sqlite_totals;

/* A blob that waits for its sync. Written by whoever has the turn, read by every process' ticker. */
typedef struct sqlite_ring_slot {
  _Atomic uint64_t hash;
  _Atomic uint64_t stamp;
} sqlite_ring_slot;

/* The mapped file. Words are atomic because processes read them at any time; they are written under a turn. */
typedef struct sqlite_board {
  uint64_t magic;
  uint64_t format;
  char boot_id[40];
  _Atomic uint64_t totals_valid;
  _Atomic uint64_t commits;        /* odd while a commit is under way; a writer that died leaves it odd */
  _Atomic uint64_t synced;         /* the last even value of commits known to be on disk */
  _Atomic int64_t paused_until_ns; /* boot time; readers wait while it lies ahead */
  _Atomic int64_t wanted_until_ns; /* boot time; somebody polls for the turn: do not take two in a row */
  _Atomic uint64_t ring_head;
  _Atomic uint64_t ring_synced;
  _Atomic uint64_t wal_frames; /* after the last commit */
  _Atomic uint64_t marked;     /* meta.clean is 0 */
  _Atomic uint64_t damaged;    /* damage was met: who opens it alone quarantines it */
  _Atomic uint64_t spaces_end; /* above every space's number */
  _Atomic uint64_t db_ino;     /* of the database that whoever was alone has opened; 0: not known */
  uint64_t reserved[36];
  struct {
    _Atomic uint64_t word[4];
  } totals[LRD_SQLITE_SPACES_MAX];
  sqlite_ring_slot ring[LRD_SQLITE_RING_SIZE];
} sqlite_board;

typedef struct sqlite_victim {
  uint64_t hash;
  uint64_t stamp;
  int64_t used_ms;
  bool expired;
} sqlite_victim;

/* Where eviction stands within one space, or within the instance. Touched under a turn only. */
typedef struct sqlite_scope {
  uint64_t next_hash;
  sqlite_victim victims[LRD_SQLITE_VICTIMS_MAX];
  size_t victims_count;
} sqlite_scope;

typedef struct sqlite_space {
  _Atomic bool bound;
  _Atomic uint64_t bytes_max;
  _Atomic uint64_t entries_max;
  sqlite_scope scope;
} sqlite_space;

typedef struct sqlite_access {
  uint64_t hash;
  uint64_t count; /* 0: free */
  int64_t at_ms;
} sqlite_access;

/* The files that a connection of a tier that may not write has opened (sqlite_beside.c). 0: there is none. */
typedef struct sqlite_beside {
  dev_t dev;
  ino_t db;
  ino_t log;
  ino_t index;
  int64_t db_bytes; /* these three of a still database only */
  int64_t db_changed_s;
  int64_t db_changed_ns;
  bool still; /* no log to read, and nobody's locks to heed */
} sqlite_beside;

/* One connection for reading. Claimed by exchange of `taken`; everything else belongs to the claimer. */
typedef struct sqlite_reader {
  _Atomic uint32_t taken;
  bool failed; /* it did not answer whoever claimed it last */
  sqlite3 *db;
  sqlite_beside beside; /* of a tier that may not write */
  sqlite3_stmt *get;
  sqlite3_stmt *facts;
  sqlite3_stmt *window;
  sqlite3_stmt *tagged;
  sqlite3_stmt *count; /* prepared when first wanted */
  sqlite_access access[LRD_SQLITE_ACCESS_SLOTS];
} sqlite_reader;

enum sqlite_writer_statement {
  W_BEGIN,
  W_COMMIT,
  W_ROLLBACK,
  W_LOOK,
  W_PUT,
  W_TOUCH,
  W_REMOVE,
  W_TAG_PUT,
  W_TAG_REMOVE,
  W_ACCESS,
  W_WINDOW,
  W_STATEMENTS
};

typedef struct sqlite_writer {
  sqlite3 *db;
  sqlite3_stmt *statement[W_STATEMENTS];
} sqlite_writer;

/* What a write needs besides the caller's item; made before the queue, so that threads do it side by side. */
typedef struct sqlite_prep {
  uint8_t *head; /* version, metadata and tags, packed; NULL when there are none */
  size_t head_len;
  uint64_t value_sum;
  bool blob; /* the value is a file already, named by stamp and hash */
} sqlite_prep;

typedef struct sqlite_request sqlite_request;
struct sqlite_request {
  larder_tier_write *items; /* NULL: the owner wants the turn for itself */
  sqlite_prep *preps;
  size_t count;
  size_t bytes;
  larder_err result;
  uint64_t commit_seen; /* board->commits after it */
  bool done;
  lrd_cond woken;
  sqlite_request *next;
};

/* Files to unlink once a transaction committed. */
typedef struct sqlite_unlink {
  uint64_t hash;
  uint64_t stamp;
  uint64_t bytes;
  uint64_t commit; /* to be on the disk before the file goes */
} sqlite_unlink;

/* What this transaction took away: the slot, when owned, is given back at its end; the host hears of it when evicted. */
typedef struct sqlite_taken {
  uint64_t hash;
  uint64_t bytes;
  uint32_t space;
  larder_evict_reason reason;
  bool owned;
  bool evicted;
} sqlite_taken;

/* One transaction. Lives in the tier: there is one at a time. */
typedef struct sqlite_txn {
  sqlite_totals totals[LRD_SQLITE_SPACES_MAX];
  sqlite_totals all;
  uint64_t totals_at; /* board->commits that `totals` belongs to; UINT64_MAX: load them */
  bool changed;
  bool recount; /* a damaged row went: the totals are no longer known after COMMIT */
  uint32_t touched[LRD_SQLITE_SPACES_MAX];
  size_t touched_count;
  bool is_touched[LRD_SQLITE_SPACES_MAX];
  sqlite_unlink *unlinks;
  size_t unlinks_count;
  size_t unlinks_cap;
  sqlite_taken *taken;
  size_t taken_count;
  size_t taken_cap;
  uint64_t refused[LRD_SQLITE_REFUSED_MAX]; /* victims whose slot was not to be had for the put at hand */
  size_t refused_count;
  const sqlite_request *batch; /* whose keys are no victims */
  const sqlite_request *batch_end;
} sqlite_txn;

/* What is known of a stored row without its value. */
typedef struct sqlite_row {
  uint64_t hash;
  uint32_t space;
  uint64_t stamp;
  int64_t soft_ms;
  int64_t hard_ms;
  uint64_t flags;
  int64_t used_ms;
  uint64_t uses;
  uint64_t sum;
  uint64_t value_sum;
  uint64_t value_len;
  uint64_t blob_stamp; /* names the file of a ROW_BLOB */
  const void *key;
  size_t key_len;
  const void *head;
  size_t head_len;
} sqlite_row;

typedef struct sqlite_tier {
  uint64_t magic;
  larder_tier_host host;
  sqlite_options options;
  char *path;
  char *log_path; /* SQLite's names for them */
  char *index_path;
  char *queue_path;
  char *blobs_path;
  char *root;
  uint64_t seed;
  uint64_t bytes_max;
  uint64_t entries_max;
  uint64_t generation;
  _Atomic bool read_only; /* may not write; of a starved one, until there is room */
  bool starved;           /* opened where the disk had no room for the index of the log */
  bool first;             /* opened when nobody else had it open */
  _Atomic bool away;      /* distrusted: every call answers LARDER_EAWAY until closed */

  int queue_fd;
  sqlite_board *board;
  sqlite_board *board_private;        /* `board` of who may not write: seen by nobody else */
  const sqlite_board *theirs_map;     /* who may not write: the board of those who do, mapped without the right to write */
  ino_t theirs_ino;                   /* of that map */
  const sqlite_board *_Atomic theirs; /* the same while it is what lies there; NULL: there is none of this boot */
  dev_t db_dev;
  ino_t db_ino;
  ino_t queue_ino;           /* 0: there is none */
  _Atomic uint64_t ticks;    /* ended ones, for who waits for the ticker */
  _Atomic int64_t looked_ns; /* ticker: when the inode was last looked at */
  uint64_t checkpoint_at;    /* frames at which the leader checkpoints next */
  int64_t restart_ns;        /* under a turn: not to try restarting the log again before this */
  int64_t access_ns;         /* ticker: when accesses were last written */

  lrd_mutex queue;
  sqlite_request *head;
  sqlite_request **tail;
  bool led;
  sqlite_writer writer;
  sqlite_txn txn;
  sqlite_scope scope;
  uint64_t sweep_hash;
  sqlite_space spaces[LRD_SQLITE_SPACES_MAX];

  lrd_mutex pool;
  lrd_cond pool_free;
  _Atomic uint32_t pool_waiters;
  uint64_t pool_served; /* under pool: what readers answered while somebody waited for one, and what they did not */
  uint64_t pool_failed;
  sqlite_reader *readers;

  lrd_mutex counting;
  sqlite_totals *counted; /* who may not write and finds no board: by space, kept for a while; NULL: not yet */
  int64_t counted_until_ns;

  lrd_mutex syncing;
  sqlite3 *syncer;
  lrd_mutex leaving;
  sqlite_unlink leaves[LRD_SQLITE_LEAVES_MAX]; /* files whose rows went, until that is on the disk */
  size_t leaves_count;
  uint64_t leaves_bytes;
  lrd_ticker *ticker;
  _Atomic uint64_t damaged[64]; /* hashes of rows to remove, found by readers; 0: free */
} sqlite_tier;

static inline int64_t key64_of(uint64_t hash) { return (int64_t)(hash ^ (1ull << 63)); }
static inline uint64_t hash_of(int64_t key64) { return (uint64_t)key64 ^ (1ull << 63); }
/* What those who write say: for reading only. */
static inline const sqlite_board *sqlite_board_shown(const sqlite_tier *tier) {
  const sqlite_board *theirs = atomic_load_explicit(&tier->theirs, memory_order_acquire);
  return theirs != NULL ? theirs : tier->board;
}
static inline int64_t sqlite_boot_ns(void) { return lrd_boot_ns(lrd_clock_real()); }
static inline int64_t sqlite_wall_ms(const sqlite_tier *tier) { return tier->host.wall_ms(tier->host.context); }
/* Above every space's number. The board is only a file: whatever it says, no further than our tables. */
static inline uint32_t sqlite_spaces_end(const sqlite_tier *tier) {
  uint64_t const end = atomic_load(&tier->board->spaces_end);
  return end < LRD_SQLITE_SPACES_MAX ? (uint32_t)end : LRD_SQLITE_SPACES_MAX;
}
/* Why a tier that may not write does not. */
static inline larder_err sqlite_refusal(const sqlite_tier *tier) { return tier->starved ? LARDER_ENOSPC : LARDER_EACCES; }
static inline bool sqlite_expired(int64_t hard_ms, int64_t now_ms) { return hard_ms != 0 && now_ms >= hard_ms; }

/* sqlite_tier.c */
sqlite_tier *lrd_sqlite_tier_of(void *self);
LARDER_PRINTF(4, 5) void lrd_sqlite_log(const sqlite_tier *tier, int level, const char *id, const char *format, ...);
/* Out of use until closed and opened again; told to the host once. */
void lrd_sqlite_distrust(sqlite_tier *tier, larder_err why, const char *message);
/* The larder_err of an SQLite result; damage and a replaced file also distrust the tier, and are LARDER_EAWAY then. */
larder_err lrd_sqlite_fault(sqlite_tier *tier, sqlite3 *db, int rc);
/* The same without consequences. */
larder_err lrd_sqlite_err_of(sqlite3 *db, int rc);

/* sqlite_connect.c */
/* still: read without locks and log, as nobody changes it. */
int lrd_sqlite_connect(const sqlite_tier *tier, const char *path, int flags, bool still, sqlite3 **out);
int lrd_sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
int lrd_sqlite_pragma_int(sqlite3 *db, const char *sql, int64_t *out);
int lrd_sqlite_meta_get(sqlite3 *db, const char *name, int64_t *out);
int lrd_sqlite_meta_set(sqlite3 *db, const char *name, int64_t value);

/* sqlite_migrate.c */
larder_err lrd_sqlite_migrate(sqlite_tier *tier, sqlite3 *db, int64_t version, larder_error *err);

/* sqlite_schema.c */
larder_err lrd_sqlite_schema_open(sqlite_tier *tier, larder_error *err);
/* Of a starved tier, by its ticker: begins to write when there is room. */
void lrd_sqlite_room_look(sqlite_tier *tier);
void lrd_sqlite_writer_close(sqlite_writer *writer);

/* sqlite_salvage.c */
larder_err lrd_sqlite_quarantine(sqlite_tier *tier, char **moved_out, larder_error *err);
/* expected: entries that were there by the totals; what is not saved of them is reported as lost. 0: not known. */
void lrd_sqlite_salvage(sqlite_tier *tier, const char *moved, uint64_t expected);

/* sqlite_header.c */
int lrd_sqlite_header_check(const sqlite_tier *tier, sqlite3 *db);
void lrd_sqlite_header_mend(const sqlite_tier *tier, const char *moved);

/* sqlite_board.c */
larder_err lrd_sqlite_board_open(sqlite_tier *tier, larder_error *err);
void lrd_sqlite_board_opened(sqlite_tier *tier);
/* By the ticker of who may not write: a board may have come since, or another one in its place. */
void lrd_sqlite_board_look(sqlite_tier *tier);
bool lrd_sqlite_board_closing(sqlite_tier *tier);
void lrd_sqlite_board_close(sqlite_tier *tier);
larder_err lrd_sqlite_turn_lock(sqlite_tier *tier);
void lrd_sqlite_turn_unlock(sqlite_tier *tier);
void lrd_sqlite_totals_read(const sqlite_board *board, uint32_t space, sqlite_totals *out);
void lrd_sqlite_totals_write(sqlite_tier *tier, uint32_t space, const sqlite_totals *totals);
/* The board counted for a database that is not the one at the path any more: the next transaction counts anew. */
void lrd_sqlite_totals_doubt(sqlite_board *board);
int lrd_sqlite_totals_recount(sqlite3 *db, sqlite_totals *totals);
/* The row that a statement of all facts stands on. */
void lrd_sqlite_totals_add(sqlite_totals *totals, sqlite3_stmt *statement);

/* sqlite_row.c */
uint64_t lrd_sqlite_row_sum(const sqlite_row *row);
uint64_t lrd_sqlite_row_cost(const sqlite_row *row);
void lrd_sqlite_row_from_statement(sqlite3_stmt *statement, sqlite_row *row);
bool lrd_sqlite_row_facts(const sqlite_row *row, larder_facts *facts);

/* sqlite_beside.c */
larder_err lrd_sqlite_beside_look(const sqlite_tier *tier, sqlite_beside *out);
bool lrd_sqlite_beside_equal(const sqlite_beside *a, const sqlite_beside *b);
/* Whether the same lies there now. */
bool lrd_sqlite_beside_same(const sqlite_tier *tier, const sqlite_beside *before);

/* sqlite_read.c */
larder_err lrd_sqlite_readers_open(sqlite_tier *tier);
void lrd_sqlite_readers_close(sqlite_tier *tier);
larder_err lrd_sqlite_reader_claim(sqlite_tier *tier, sqlite_reader **out);
/* Who has read with it uses lrd_sqlite_reader_finish, or asks lrd_sqlite_reader_overtaken first. */
void lrd_sqlite_reader_return(sqlite_tier *tier, sqlite_reader *reader);
/*
 * After reading, which went as `read` says. LARDER_EAWAY instead when somebody may have written what was read as still: what
 * it says does not count then.
 */
LARDER_MUST_CHECK larder_err lrd_sqlite_reader_finish(sqlite_tier *tier, sqlite_reader *reader, larder_err read);
bool lrd_sqlite_reader_overtaken(const sqlite_tier *tier, const sqlite_reader *reader);
larder_err lrd_sqlite_get(void *self, const larder_tier_key *key, bool facts_only, const void *slot, larder_tier_entry *out);
/* Like get, by hash alone and without access counting: key_out points into the entry. */
larder_err lrd_sqlite_fetch(void *self, uint64_t hash, bool facts_only, larder_tier_key *key_out, larder_tier_entry *out);
void lrd_sqlite_release(void *self, larder_tier_entry *entry);
/* sqlite3_step of a reader's statement after a reset; who is busy is waited for a while. */
int lrd_sqlite_step_first(sqlite3_stmt *statement);
/* Claims and closes them all within ns, or none. */
bool lrd_sqlite_readers_hold(sqlite_tier *tier, int64_t ns);
void lrd_sqlite_readers_let_go(sqlite_tier *tier);
void lrd_sqlite_readers_pause(sqlite_tier *tier, int64_t ns);
void lrd_sqlite_readers_resume(sqlite_tier *tier);

/* sqlite_scan.c */
larder_err lrd_sqlite_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                           larder_tier_visit visit, void *context);
larder_err lrd_sqlite_scan_tag(void *self, uint32_t space, const char *tag, size_t tag_len, larder_tier_cursor *cursor,
                               uint64_t limit, larder_tier_visit visit, void *context);

/* sqlite_commit.c */
larder_err lrd_sqlite_write(void *self, larder_tier_write *items, size_t count, larder_durability durability);
/* The turn for a caller's own transaction, begun. finish commits when `keep`, and gives the turn back either way. */
larder_err lrd_sqlite_turn_begin(sqlite_tier *tier, sqlite_request *request);
larder_err lrd_sqlite_turn_finish(sqlite_tier *tier, sqlite_request *request, bool keep);

/* sqlite_txn.c */
larder_err lrd_sqlite_txn_begin(sqlite_tier *tier);
larder_err lrd_sqlite_txn_commit(sqlite_tier *tier);
void lrd_sqlite_txn_rollback(sqlite_tier *tier);
sqlite_totals *lrd_sqlite_txn_totals(sqlite_tier *tier, uint32_t space);
void lrd_sqlite_txn_count(sqlite_tier *tier, const sqlite_row *row, bool added);
/* Room for one more victim. */
larder_err lrd_sqlite_txn_room(sqlite_tier *tier);
larder_err lrd_sqlite_txn_unlink(sqlite_tier *tier, const sqlite_row *row);
void lrd_sqlite_txn_settle(sqlite_tier *tier, bool committed);

/* lrd_sqlite_write.c */
larder_err lrd_sqlite_look(sqlite_tier *tier, uint64_t hash, sqlite_row *row);
larder_err lrd_sqlite_apply(sqlite_tier *tier, larder_tier_write *item, const sqlite_prep *prep);
larder_err lrd_sqlite_remove_row(sqlite_tier *tier, const sqlite_row *row);
larder_err lrd_sqlite_bury(sqlite_tier *tier, const larder_tier_key *key, uint64_t stamp);

/* sqlite_evict.c */
larder_err lrd_sqlite_evict_for(sqlite_tier *tier, uint32_t space, bool *fits_out);
larder_err lrd_sqlite_sweep(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out);
larder_err lrd_sqlite_access_flush(sqlite_tier *tier);
void lrd_sqlite_access_note(sqlite_reader *reader, uint64_t hash, int64_t now_ms);

/* sqlite_blob.c */
#define LRD_SQLITE_BLOB_NAME_MAX 64
void lrd_sqlite_blob_name(uint64_t hash, uint64_t stamp, char *out);
larder_err lrd_sqlite_blob_write(sqlite_tier *tier, uint64_t hash, uint64_t stamp, const void *data, size_t len, bool sync);
larder_err lrd_sqlite_blob_read(sqlite_tier *tier, uint64_t hash, uint64_t stamp, void *out, size_t len);
void lrd_sqlite_blob_unlink(sqlite_tier *tier, uint64_t hash, uint64_t stamp);
/* Unlinks once `commit` is on the disk, or at once when too many wait for that already. */
void lrd_sqlite_blob_leave(sqlite_tier *tier, const sqlite_unlink *file);
void lrd_sqlite_blobs_left(sqlite_tier *tier, uint64_t synced);
int lrd_sqlite_blob_sync(sqlite_tier *tier, uint64_t hash, uint64_t stamp);
larder_err lrd_sqlite_blob_orphans(sqlite_tier *tier, bool remove, int64_t older_than_ms, uint64_t *found, uint64_t *removed);

/* sqlite_sync.c */
/* Under a turn: the file awaits its sync. */
larder_err lrd_sqlite_ring_push(sqlite_tier *tier, uint64_t hash, uint64_t stamp);
larder_err lrd_sqlite_sync_upto(sqlite_tier *tier, uint64_t commit);
larder_err lrd_sqlite_flush(void *self);
void lrd_sqlite_tick(void *context);
void lrd_sqlite_checkpoint(sqlite_tier *tier);
void lrd_sqlite_wal_restart(sqlite_tier *tier);

/* lrd_sqlite_check.c */
larder_err lrd_sqlite_check(void *self, bool repair, larder_tier_report *out, larder_tier_finding finding,
                            larder_tier_judge judge, void *context);
/* Removes the row if it is damaged still. The caller owns its slot. */
larder_err lrd_sqlite_remove_damaged(sqlite_tier *tier, uint64_t hash, uint64_t *removed);
larder_err lrd_sqlite_forget_range(void *self, uint64_t first, uint64_t last, uint64_t *removed_out);
larder_err lrd_sqlite_usage(void *self, uint32_t space, larder_tier_usage *out);

/* vfs_seam.c */
/* Registers the VFS that passes every operation through the file seam; its name, or NULL when SQLite refuses. */
const char *lrd_sqlite_seam(void);

#endif
