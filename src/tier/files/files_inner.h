/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share. Terms:
 *
 *   log      `.files/log`: frames of records, only ever appended to; what it says is what is stored
 *   frame    one transaction: all of its records count, or none
 *   index    the log's content in this process' memory, brought up to date before anything is looked up
 *   board    the mapped `.files/board`: how far the log is published, how far it is on the disk
 *   state    a position in the log: its generation and a length, in one word that only grows
 *   turn     the right of one thread on the host to write: a mutex, then a lock on the board
 *   step     what a transaction does to files once its frame is written; done again by whoever finds it unfinished
 *
 * Lock order: turn, then the index; `syncing`, then the turn; `leaving` is innermost. Host callbacks other than slot_try_own
 * run under none of them.
 */
#ifndef LRD_TIER_FILES_INNER_H
#define LRD_TIER_FILES_INNER_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/stamp.h"
#include "base/thread.h"
#include "files_tier.h"
#include "kind/ending.h"
#include "tier/facts_head.h"

#include <pthread.h>
#include <stdatomic.h>

#define LRD_FILES_TIER_MAGIC   0x46696c6573546965ull
#define LRD_FILES_PIN_MAGIC    0x46696c657350696eull
#define LRD_FILES_FORMAT       1u
#define LRD_FILES_SPACES_MAX   1024u
#define LRD_FILES_NAME_MAX     320u
#define LRD_FILES_TOMBSTONE_MS (10 * 60 * 1000)
#define LRD_FILES_LEAVES_MAX   16384u
#define LRD_FILES_LEAVES_BYTES (64u << 20)
#define LRD_FILES_FRESH_MAX    64u   /* files synced one by one; more of them by syncfs */
#define LRD_FILES_NOTED_MAX    4096u /* keys whose accesses are remembered between two flushes */
#define LRD_FILES_DAMAGED_MAX  16u
#define LRD_FILES_SHA_MAX      4096u
#define LRD_FILES_REFUSED_MAX  64u
#define LRD_FILES_LOG_HEADER   64u
#define LRD_FILES_TEMPORARY    ".larder-" /* how every file begins that is none of an entry */

typedef struct files_options {
#define LRD_FILES_OPTION_FIELD(name, def, least, most, what) uint64_t name;
  LRD_FILES_OPTIONS(LRD_FILES_OPTION_FIELD)
#undef LRD_FILES_OPTION_FIELD
} files_options;

/* --- facts -------------------------------------------------------------------------------------------------------------- */

enum { FILES_TOMBSTONE = 1 << 0, FILES_FRAMED = 1 << 1, FILES_SHA_KNOWN = 1 << 2 };

/* One entry of the index. Immutable while others may read it, but for the atomic words, which are hints. */
typedef struct files_entry files_entry;
struct files_entry {
  files_entry *next; /* in its bucket, or among the retired */
  uint64_t hash;
  uint64_t stamp;
  uint64_t put_stamp; /* of the write that brought the value; with `nonce` it names the temporary file */
  int64_t soft_ms;
  int64_t hard_ms;
  int64_t created_ms;
  uint64_t value_len; /* of the file */
  uint64_t raw_len;   /* of a framed value */
  lrd_sum sum;
  _Atomic int64_t used_ms;
  _Atomic uint64_t uses;
  _Atomic uint32_t fresh_uses; /* not yet in the log */
  _Atomic uint64_t seen;       /* identity of the file when it was verified last; 0: never */
  uint32_t nonce;
  uint32_t space;
  uint32_t place; /* in its space's list */
  uint32_t head_len;
  uint16_t key_len;
  uint16_t name_len; /* 0 for tombstones */
  uint8_t kind;
  uint8_t ending;
  uint8_t shard;
  uint8_t flags;
  uint8_t sha[LRD_SHA256_LEN];
};

/* Behind an entry of the index lie key, head, name and a NUL. */
static inline const uint8_t *files_key(const files_entry *entry) { return (const uint8_t *)(entry + 1); }
static inline const uint8_t *files_head(const files_entry *entry) { return files_key(entry) + entry->key_len; }
static inline const char *files_name(const files_entry *entry) { return (const char *)files_head(entry) + entry->head_len; }
static inline bool files_dead(const files_entry *entry) { return (entry->flags & FILES_TOMBSTONE) != 0; }
static inline bool files_same_name(const files_entry *a, const files_entry *b) {
  return a->space == b->space && a->name_len == b->name_len && memcmp(files_name(a), files_name(b), a->name_len) == 0;
}
static inline bool files_expired(int64_t hard_ms, int64_t now_ms) { return hard_ms != 0 && hard_ms <= now_ms; }

typedef struct files_totals {
  uint64_t entries;
  uint64_t tombstones;
  uint64_t bytes;
  uint64_t payload;
} files_totals;

typedef struct files_space {
  char *name;
  char *folder;
  int fd; /* of the folder; -1 */
  int64_t created_ms;
  bool bound;
  uint64_t bytes_max;
  uint64_t entries_max;
  uint64_t changed; /* the state with which it changed last */
  files_totals totals;
  files_entry **list; /* every entry, in no order: what eviction samples */
  uint32_t list_len;
  uint32_t list_cap;
} files_space;

/* Buckets by the top bits of the hash, so that a range of hashes is a run of buckets. */
typedef struct files_index {
  files_entry **buckets;
  unsigned bits;
  uint64_t count;
  uint64_t log_bytes; /* what the entries would take in a new log */
  uint64_t unsummed;  /* live entries whose SHA-256 is not known */
  files_totals all;
  files_space *spaces; /* LRD_FILES_SPACES_MAX of them; number 0 is none */
  uint32_t spaces_end;
  files_entry *retired; /* taken out in this transaction: their names are needed still */
} files_index;

typedef enum files_record_type {
  FILES_RECORD_ENTRY = 1,
  FILES_RECORD_REMOVE,
  FILES_RECORD_TOUCH,
  FILES_RECORD_ACCESS,
  FILES_RECORD_SHA,
  FILES_RECORD_SPACE,
  FILES_RECORD_SYNCED
} files_record_type;

/* A record as read; spans point into the frame. */
typedef struct files_record {
  files_record_type type;
  files_entry facts; /* fields only; nothing behind it */
  uint64_t synced;   /* SYNCED: how much of this log, and every file it names, is on the disk */
  lrd_span key;      /* ENTRY; SPACE: the name */
  lrd_span head;
} files_record;

/* --- the board and the log ---------------------------------------------------------------------------------------------- */

enum { FILES_CUT = 1, FILES_CUT_MENDED };

typedef struct files_board {
  uint64_t magic;
  uint64_t format;
  char boot_id[40];
  _Atomic uint64_t state;  /* how far the log is published */
  _Atomic uint64_t synced; /* how far log and files are on the disk */
  _Atomic uint64_t open;   /* a transaction is under way; who died in it leaves it so */
  _Atomic int64_t wanted_until_ns;
  _Atomic uint64_t clean; /* state at an orderly last close, else 0 */
  _Atomic uint64_t cut;   /* this boot began with a log whose end the machine had lost: FILES_CUT, FILES_CUT_MENDED; else 0 */
  /* The last time that was so, in this boot or another, files written in between may be half of what they should be. */
  _Atomic int64_t cut_from_ms;
  _Atomic int64_t cut_ms;
  uint64_t reserved[12];
  _Atomic uint64_t viewed[LRD_FILES_SPACES_MAX]; /* of each space, the state that its index.json shows */
} files_board;

#define LRD_FILES_STATE_BITS 40
static inline uint64_t files_state(uint64_t generation, uint64_t length) { return generation << LRD_FILES_STATE_BITS | length; }
static inline uint64_t files_state_length(uint64_t state) { return state & ((UINT64_C(1) << LRD_FILES_STATE_BITS) - 1); }
static inline uint64_t files_state_generation(uint64_t state) { return state >> LRD_FILES_STATE_BITS; }

typedef struct files_log {
  int fd;
  uint64_t id;
  uint64_t generation;
  uint64_t synced; /* the last mark in it */
} files_log;

/* --- transactions ------------------------------------------------------------------------------------------------------- */

typedef struct files_step {
  enum { FILES_STEP_PUBLISH, FILES_STEP_UNLINK } what;
  const files_entry *entry; /* PUBLISH: the new one; UNLINK: the one whose file goes */
  bool replaces;            /* PUBLISH: a file of this name is there */
  uint64_t old_bytes;       /* PUBLISH: how long that is */
  bool old_meta;            /* PUBLISH: with metadata beside it */
  bool done;
  bool traded; /* PUBLISH: the old file now has the temporary name */
} files_step;

typedef struct files_taken {
  uint64_t hash;
  uint64_t bytes;
  uint32_t space;
  larder_evict_reason reason;
  bool owned;
  bool evicted;
} files_taken;

typedef struct files_txn {
  lrd_buf frame;
  files_step *steps;
  size_t steps_len, steps_cap;
  files_taken *taken;
  size_t taken_len, taken_cap;
  uint64_t refused[LRD_FILES_REFUSED_MAX];
  size_t refused_len;
  const larder_tier_write *items; /* whose keys are no victims */
  size_t items_len;
} files_txn;

/* A file that was replaced. */
typedef struct files_leave {
  char *path;
  uint64_t bytes;
  uint64_t state;
  uint32_t space;
} files_leave;

typedef struct files_leaves {
  files_leave *list;
  size_t len, cap;
  uint64_t bytes;
} files_leaves;

typedef struct files_tier {
  uint64_t magic;
  larder_tier_host host;
  files_options options;
  char *path;
  char *control; /* .files */
  char *log_path;
  char *board_path;
  char *quarantine; /* with a slash at its end */
  uint64_t seed;
  uint64_t bytes_max;
  uint64_t entries_max;
  bool read_only;
  bool first; /* opened when nobody else had it open */
  _Atomic bool away;
  _Atomic uint32_t nonce;
  int folder_fd;
  int board_fd;
  ino_t board_ino;
  files_board *board;
  bool board_private;      /* on the heap */
  files_board *board_idle; /* the one in the folder, of an earlier boot: NULL unless read_only */
  uint64_t boot_id_start;  /* how this boot's begins, by which it is seen to be in use again */
  lrd_mutex turn;
  pthread_rwlock_t lock; /* of the index and all below */
  files_log log;
  files_index index;
  _Atomic uint64_t applied; /* the state that the index shows; UINT64_MAX: it has to be read anew */
  uint64_t foreign;         /* the last state that another process wrote */
  bool log_made;            /* by this opening */
  bool log_damaged;
  uint64_t log_hole; /* where the first damaged frame with whole ones behind it lies; 0: nowhere */
  files_txn txn;
  uint64_t random;
  _Atomic uint64_t noted[LRD_FILES_NOTED_MAX];
  _Atomic uint32_t noted_len;
  _Atomic uint64_t damaged[LRD_FILES_DAMAGED_MAX]; /* hashes */
  lrd_mutex leaving;
  files_leaves leaves; /* wait until their successors are on the disk; in the order of their states */
  files_leaves asides; /* these are, and nobody looks for them */
  files_leaves spares; /* empty, to be written anew */
  _Atomic uint64_t spares_named;
  uint64_t spares_id;               /* of this opening */
  int64_t spares_wanted_ns;         /* under `leaving`: when one was taken last */
  nlink_t spare_names;              /* that a spare has: 1, or more for tests that give every file another */
  char *fresh[LRD_FILES_FRESH_MAX]; /* published since the last sync */
  size_t fresh_len;
  bool fresh_lost; /* there were more */
  lrd_mutex syncing;
  lrd_mutex viewing;
  _Atomic uint64_t flushed;              /* how far the log and the folders are on the disk */
  uint64_t sha_queue[LRD_FILES_SHA_MAX]; /* under `leaving`; full, the rest waits for a walk through the index */
  size_t sha_len;
  unsigned sha_idle;
  lrd_ticker *ticker;
  int64_t looked_ns;
  int64_t access_ns;
  int64_t sweep_orphans_ns;
  int64_t viewed_ns;
  uint64_t tick_state; /* at the last tick */
  int64_t view_took_ns;
  uint64_t sweep_hash;
} files_tier;

static inline int64_t files_wall_ms(const files_tier *tier) { return tier->host.wall_ms(tier->host.context); }

/* files_tier.c */
files_tier *lrd_files_tier_of(void *self);
LARDER_PRINTF(4, 5) void lrd_files_log(const files_tier *tier, int level, const char *id, const char *format, ...);
void lrd_files_distrust(files_tier *tier, larder_err why, const char *message);
void lrd_files_outdated(files_tier *tier);

/* file_names.c */
/* The stem of a key's file: percent-encoded, never hidden, never longer than a file name may be. */
LARDER_MUST_CHECK larder_err lrd_files_stem(lrd_buf *out, const void *key, size_t len);
/* The key behind a stem; LARDER_EINVAL when none can be told from it. */
LARDER_MUST_CHECK larder_err lrd_files_unstem(lrd_buf *out, const char *stem, size_t len);
LARDER_MUST_CHECK larder_err lrd_files_folder_name(lrd_buf *out, const char *space);
/* The name of an entry's file within its namespace's folder, NUL-terminated. */
LARDER_MUST_CHECK larder_err lrd_files_entry_name(lrd_buf *out, const files_entry *facts, const void *key);
/* Of the metadata beside it. */
LARDER_MUST_CHECK larder_err lrd_files_meta_name(lrd_buf *out, const files_entry *entry);
bool lrd_files_has_meta(const files_entry *entry);
/* Where an entry's value lies before it is published: beside its file. */
void lrd_files_temporary(const files_entry *entry, char out[LRD_FILES_NAME_MAX]);

/* facts_log.c */
LARDER_MUST_CHECK larder_err lrd_files_record_entry(lrd_buf *out, const files_entry *entry);
LARDER_MUST_CHECK larder_err lrd_files_record_short(lrd_buf *out, files_record_type type, const files_entry *entry);
LARDER_MUST_CHECK larder_err lrd_files_record_space(lrd_buf *out, uint32_t number, int64_t created_ms, const char *name);
LARDER_MUST_CHECK larder_err lrd_files_record_synced(lrd_buf *out, uint64_t length);
/* Reads one record; *at moves on. LARDER_END at the end, LARDER_ECORRUPT for what no writer of ours makes. */
LARDER_MUST_CHECK larder_err lrd_files_record_read(const uint8_t **at, const uint8_t *end, files_record *out);
/* A frame begins with room for its header. */
LARDER_MUST_CHECK larder_err lrd_files_frame_begin(lrd_buf *frame);
LARDER_MUST_CHECK larder_err lrd_files_frame_end(lrd_buf *frame, uint64_t log_id, uint64_t offset);
/* Length of the whole frame at the front when it is one, else 0; its payload. */
size_t lrd_files_frame_check(const uint8_t *at, size_t len, uint64_t log_id, uint64_t offset, lrd_span *payload_out);
void lrd_files_header_make(uint8_t out[LRD_FILES_LOG_HEADER], uint64_t seed, uint64_t id, uint64_t generation);
bool lrd_files_header_read(const uint8_t in[LRD_FILES_LOG_HEADER], uint64_t *seed, uint64_t *id, uint64_t *generation);

/* facts_index.c */
LARDER_MUST_CHECK larder_err lrd_files_index_init(files_index *index);
void lrd_files_index_clear(files_index *index); /* entries alone; spaces keep name and folder */
void lrd_files_index_fini(files_index *index);
/* An entry with the given key and head behind it, and its name unless it is a tombstone. */
LARDER_MUST_CHECK larder_err lrd_files_entry_new(const files_entry *facts, lrd_span key, lrd_span head, files_entry **out);
files_entry *lrd_files_find(const files_index *index, uint64_t hash);
/* The entry that the record has brought in, while that is the last word about it and has a file; else NULL. */
const files_entry *lrd_files_brought_by(const files_index *index, const files_record *record);
/* The entry of the lowest hash at or above `from`, or NULL. */
files_entry *lrd_files_find_from(const files_index *index, uint64_t from);
/* Takes the entry; what was at its hash becomes retired. LARDER_ENOMEM changes nothing. */
LARDER_MUST_CHECK larder_err lrd_files_index_put(files_index *index, files_entry *entry);
void lrd_files_index_remove(files_index *index, files_entry *entry);
void lrd_files_index_retire(files_index *index); /* frees the retired */
LARDER_MUST_CHECK larder_err lrd_files_index_space(files_index *index, const char *path, uint32_t number, int64_t created_ms,
                                                   const char *name);
void lrd_files_index_sha(files_index *index, files_entry *entry, const uint8_t sha[LRD_SHA256_LEN]);
uint64_t lrd_files_cost(const files_entry *entry);
uint64_t lrd_files_log_cost(const files_entry *entry);
bool lrd_files_facts(const files_entry *entry, larder_facts *facts);

/* files_board.c */
LARDER_MUST_CHECK larder_err lrd_files_board_open(files_tier *tier, larder_error *err);
void lrd_files_board_opened(files_tier *tier);
/* Whether somebody who may write has come since, so that what the private board says is old. */
bool lrd_files_board_outdated(files_tier *tier);
bool lrd_files_board_closing(files_tier *tier);
void lrd_files_board_close(files_tier *tier);
/* The lock on the board alone. */
LARDER_MUST_CHECK larder_err lrd_files_board_lock(files_tier *tier);
void lrd_files_board_unlock(files_tier *tier);
/* The right to publish views; no lock of the tier may be held. */
LARDER_MUST_CHECK larder_err lrd_files_view_lock(files_tier *tier, bool wait);
void lrd_files_view_unlock(files_tier *tier);

/* files_log.c: opening, reading on, appending, compaction */
/* What the head of the open log says; LARDER_ECORRUPT where it is damaged, LARDER_EFORMAT for another seed. */
LARDER_MUST_CHECK larder_err lrd_files_log_head(files_tier *tier, int fd, uint64_t *id, uint64_t *generation);
LARDER_MUST_CHECK larder_err lrd_files_log_open(files_tier *tier, larder_error *err);
/* Under the exclusive lock: the index shows all that is published. */
LARDER_MUST_CHECK larder_err lrd_files_catch_up(files_tier *tier);
/* Takes the index lock shared, with all that is published in it. Released by pthread_rwlock_unlock. */
LARDER_MUST_CHECK larder_err lrd_files_read_lock(files_tier *tier);
/* Under the turn: finishes what a writer that died has begun. */
LARDER_MUST_CHECK larder_err lrd_files_recover(files_tier *tier);
/* The log anew with what lives; what it said of removed files is on the disk. Under a turn. */
LARDER_MUST_CHECK larder_err lrd_files_compact(files_tier *tier);

/* files_txn.c */
/* The turn, with index locked exclusively and up to date. */
LARDER_MUST_CHECK larder_err lrd_files_turn_begin(files_tier *tier);
/* Writes the frame, does the steps and publishes when err is LARDER_OK; gives the turn back and settles either way. */
LARDER_MUST_CHECK larder_err lrd_files_turn_finish(files_tier *tier, larder_err err);
LARDER_MUST_CHECK larder_err lrd_files_step_add(files_tier *tier, int what, const files_entry *entry, const files_entry *old);
LARDER_MUST_CHECK larder_err lrd_files_taken_add(files_tier *tier, files_taken taken);
/* Brings file names in step with the log: what a step that was not finished has left. Under a turn. */
LARDER_MUST_CHECK larder_err lrd_files_step_redo(files_tier *tier, const files_step *step);
/* Whether the file holds the entry's value; LARDER_MISS when there is no such file, LARDER_ECORRUPT for another content. */
LARDER_MUST_CHECK larder_err lrd_files_file_matches(files_tier *tier, const files_entry *entry, const char *name, bool sha);
/* Under a turn: looks for the entry's value among what was left beside it, and puts it into place. LARDER_MISS without it. */
LARDER_MUST_CHECK larder_err lrd_files_mend(files_tier *tier, const files_entry *entry);
/* Descriptor of a space's folder, made when it is missing; -1 and errno. Under the index lock exclusively. */
int lrd_files_space_fd(files_tier *tier, uint32_t space);

/* files_cut.c */
/* At opening, alone: puts right what a power cut has torn. */
void lrd_files_after_cut(files_tier *tier);
/* Whether the entry's file is what it should be, or could be made so. Under a turn, or alone. */
bool lrd_files_to_be_had(files_tier *tier, const files_entry *entry);

/* files_beside.c: what else lies in a folder */
/* Writes the metadata beside an entry's file; without any, removes what an older value may have left. */
void lrd_files_publish_meta(files_tier *tier, const files_entry *entry, bool old_there);
void lrd_files_remove_meta(files_tier *tier, const files_entry *entry);
/* Mends every entry of which something lies aside. */
void lrd_files_mend_aside(files_tier *tier);
/* Removes temporary files that nobody will come back for. */
LARDER_MUST_CHECK larder_err lrd_files_sweep_temporary(files_tier *tier);
/* Opens the folders of all spaces, for this process to read in. */
void lrd_files_folders_open(files_tier *tier);
/* Publishes a file that others read, under a temporary name that is swept like those of values. -1 and errno. */
int lrd_files_publish_view(files_tier *tier, const char *folder, const char *name, const void *data, size_t len);
/* Moves a file to the quarantine; false when it can't be. Under the index lock exclusively. */
bool lrd_files_quarantine(files_tier *tier, uint32_t space, const char *name);

/* files_write.c */
LARDER_MUST_CHECK larder_err lrd_files_write(void *self, larder_tier_write *items, size_t count, larder_durability durability);
/* Makes an entry of a file that lies in the space's folder under `name`. The caller owns the key's slot. */
LARDER_MUST_CHECK larder_err lrd_files_adopt(files_tier *tier, larder_tier_write *item, const char *name);
LARDER_MUST_CHECK larder_err lrd_files_remove_entry(files_tier *tier, files_entry *entry);
LARDER_MUST_CHECK larder_err lrd_files_bury(files_tier *tier, uint32_t space, lrd_span key, uint64_t hash, uint64_t stamp);

/* files_evict.c */
LARDER_MUST_CHECK larder_err lrd_files_evict_for(files_tier *tier, uint32_t space, bool *fits_out);
LARDER_MUST_CHECK larder_err lrd_files_sweep(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out);
LARDER_MUST_CHECK larder_err lrd_files_access_flush(files_tier *tier);
void lrd_files_access_note(files_tier *tier, files_entry *entry, int64_t now_ms);

/* files_read.c */
LARDER_MUST_CHECK larder_err lrd_files_get(void *self, const larder_tier_key *key, bool facts_only, const void *slot,
                                           larder_tier_entry *out);
LARDER_MUST_CHECK larder_err lrd_files_fetch(void *self, uint64_t hash, bool facts_only, larder_tier_key *key_out,
                                             larder_tier_entry *out);
void lrd_files_release(void *self, larder_tier_entry *entry);
/* Removes what was found damaged or missing, if it is so still. The caller owns its slot. */
LARDER_MUST_CHECK larder_err lrd_files_remove_damaged(files_tier *tier, uint64_t hash, bool sha, bool *removed_out);
/* The same for what a check's judge found wrong, unless it has been replaced since. */
LARDER_MUST_CHECK larder_err lrd_files_remove_judged(files_tier *tier, uint64_t hash, uint64_t put_stamp, uint32_t nonce,
                                                     bool *removed_out);

/* Whoever was writing when it was called is through, or dead and finished for. */
void lrd_files_turn_pass(files_tier *tier);

/* files_scan.c */
LARDER_MUST_CHECK larder_err lrd_files_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                                            larder_tier_visit visit, void *context);
LARDER_MUST_CHECK larder_err lrd_files_scan_tag(void *self, uint32_t space, const char *tag, size_t tag_len,
                                                larder_tier_cursor *cursor, uint64_t limit, larder_tier_visit visit,
                                                void *context);
LARDER_MUST_CHECK larder_err lrd_files_forget_range(void *self, uint64_t first, uint64_t last, uint64_t *removed_out);
LARDER_MUST_CHECK larder_err lrd_files_usage(void *self, uint32_t space, larder_tier_usage *out);

/* files_check.c */
LARDER_MUST_CHECK larder_err lrd_files_check(void *self, bool repair, larder_tier_report *out, larder_tier_finding finding,
                                             larder_tier_judge judge, void *context);

/* files_adopt.c: what lies in a space's folder and is no entry's */
LARDER_MUST_CHECK larder_err lrd_files_strays(files_tier *tier, uint32_t space, bool repair, larder_tier_report *report,
                                              larder_tier_finding finding, void *context);
/* files_view.c */
/* Writes index.json wherever it does not show what is stored; waits for another process that does so when `wait`. */
LARDER_MUST_CHECK larder_err lrd_files_views(files_tier *tier, bool wait);
/* A file waits for its SHA-256. Under the turn. */
void lrd_files_sha_queue(files_tier *tier, uint64_t hash);
/* Computes those that wait, from at most about `bytes` of files. *missing_out: some entry has none yet. */
LARDER_MUST_CHECK larder_err lrd_files_sha_behind(files_tier *tier, uint64_t bytes, bool *missing_out);
/* Computes all that are missing. */
LARDER_MUST_CHECK larder_err lrd_files_sha_all(files_tier *tier);

/* files_sync.c */
LARDER_MUST_CHECK larder_err lrd_files_sync_upto(files_tier *tier, uint64_t state, bool everything);
LARDER_MUST_CHECK larder_err lrd_files_flush(void *self);
void lrd_files_tick(void *context);
/* The old file goes once `state` is on the disk. False when too much waits for that already. */
bool lrd_files_leave(files_tier *tier, uint32_t space, const char *name, uint64_t bytes, uint64_t state);
/* Whether more waits than should: then who has put it there brings `state` to the disk. */
bool lrd_files_leaves_full(files_tier *tier);
void lrd_files_fresh(files_tier *tier, const files_entry *entry);

/* files_spare.c */
/* Under `leaving`. False: there are `most`, or no memory. */
bool lrd_files_leaves_push(files_leaves *list, const files_leave *one, size_t most);
/* Of a file whose successor is on the disk, before anybody in this process is told so: gives it a name that nobody looks for.
 */
void lrd_files_set_aside(files_tier *tier, const files_leave *old);
/* Unlinks those, or keeps them as spares; false when the time was up first. */
bool lrd_files_asides_end(files_tier *tier, int64_t until_ns);
/* An empty file of the space under the temporary name, opened for writing; -1: make one. The space's folder is known. */
int lrd_files_spare_take(files_tier *tier, uint32_t space, const char *name);
void lrd_files_spares_drop(files_tier *tier);
/* By the ticker: drops them when nobody has wanted one for a while. */
void lrd_files_spares_tick(files_tier *tier, int64_t now_ns);

#endif
