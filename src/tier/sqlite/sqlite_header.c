/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first 100 bytes of the database. All that SQLite needs of them to find rows is the same in every database of ours, or
 * follows from the size of the file, so damage in them costs no entry: an opening that is alone compares them, and salvage
 * writes them anew in the copy that lies in quarantine, keeping beside it what was there. Numbers are big-endian:
 *
 *    0 magic  16 page size  18 19 versions of writing and reading  20 bytes left free in each page  21 22 23 fractions
 *   24 changes counted  28 pages  32 first free page  36 free pages  40 schema counted  44 schema format  52 auto_vacuum
 *   56 encoding  60 user_version  64 incremental vacuum  68 application_id  92 changes at which 28 was right  96 writer
 *
 * Not with a VFS of the host's, which may keep other bytes there than SQLite sees.
 */
#include "sqlite_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#define HEADER_BYTES  100
#define LOOK_AGAIN_NS (5 * 1000 * 1000)

static const char magic[16] = "SQLite format 3";

static const struct {
  uint8_t at;
  uint8_t len;
  uint16_t is;
} fixed[] = {{16, 2, LRD_SQLITE_PAGE_BYTES},
             {20, 1, 0},
             {21, 1, 64},
             {22, 1, 32},
             {23, 1, 32},
             {44, 4, 4},
             {52, 4, 0},
             {56, 4, 1},
             {64, 4, 0}};

static uint32_t number_at(const uint8_t *header, size_t at, size_t len) {
  uint32_t number = 0;
  for (size_t i = 0; i < len; i++) number = number << 8 | header[at + i];
  return number;
}

static void number_put(uint8_t *header, size_t at, size_t len, uint32_t number) {
  for (size_t i = len; i-- > 0; number >>= 8) header[at + i] = (uint8_t)number;
}

/* user_version and application_id are compared by who opens, with what our own table says. */
static bool sound(const uint8_t *header, uint64_t pages) {
  if (memcmp(header, magic, sizeof magic) != 0) return false;
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
    if (number_at(header, fixed[i].at, fixed[i].len) != fixed[i].is) return false;
  /* 2: with a log. Both 1: somebody has turned it off, or this is a copy by VACUUM INTO; opening turns it on again. */
  if (header[18] != header[19] || header[18] < 1 || header[18] > 2) return false;
  uint32_t const free_first = number_at(header, 32, 4), free_count = number_at(header, 36, 4);
  if ((free_first == 0) != (free_count == 0) || free_first > pages || (free_count != 0 && free_count >= pages)) return false;
  /* SQLite goes by the file where the two counts differ. */
  return number_at(header, 24, 4) != number_at(header, 92, 4) || number_at(header, 28, 4) == pages;
}

static void make(uint8_t *header, uint64_t pages) {
  memset(header, 0, HEADER_BYTES);
  memcpy(header, magic, sizeof magic);
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) number_put(header, fixed[i].at, fixed[i].len, fixed[i].is);
  header[18] = header[19] = 2;
  number_put(header, 24, 4, 1);
  number_put(header, 28, 4, (uint32_t)pages);
  number_put(header, 60, 4, LRD_SQLITE_FORMAT);
  number_put(header, 68, 4, LRD_SQLITE_APP_ID);
  number_put(header, 92, 4, 1);
  number_put(header, 96, 4, SQLITE_VERSION_NUMBER);
}

/* SQLITE_CORRUPT: what lies there now is not sound, and no log says otherwise. */
static int header_look(const sqlite_tier *tier, sqlite3 *db) {
  uint8_t header[HEADER_BYTES];
  struct stat log;
  sqlite3_file *file = NULL;
  sqlite3_int64 bytes = 0;
  bool const empty = lrd_fs_stat(tier->log_path, &log) == 0 ? log.st_size == 0 : errno == ENOENT;
  if (!empty) return SQLITE_OK;
  /* By SQLite's own descriptor: closing another would drop its locks. */
  int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (rc == SQLITE_OK) rc = file->pMethods->xFileSize(file, &bytes);
  if (rc == SQLITE_OK) rc = file->pMethods->xRead(file, header, HEADER_BYTES, 0);
  if (rc != SQLITE_OK) return rc;
  return sound(header, (uint64_t)bytes / LRD_SQLITE_PAGE_BYTES) ? SQLITE_OK : SQLITE_CORRUPT;
}

/*
 * SQLITE_CORRUPT when the header is damaged in a way that SQLite puts up with, until entries are lost by it. By who is alone,
 * before any change: a log that is not empty may hold the page in its newest state, so then the file says nothing. Another
 * program may change it between two looks of ours; damage stays.
 */
int lrd_sqlite_header_check(const sqlite_tier *tier, sqlite3 *db) {
  struct timespec const moment = {0, LOOK_AGAIN_NS};
  int64_t page = 0;
  if (tier->options.vfs[0] != 0) return SQLITE_OK;
  int rc = lrd_sqlite_pragma_int(db, "PRAGMA page_size", &page);
  if (rc != SQLITE_OK || page != LRD_SQLITE_PAGE_BYTES) return rc; /* of another size: read with it, so it is right */
  for (int looks = 0; looks < 3; looks++) {
    rc = header_look(tier, db);
    if (rc != SQLITE_CORRUPT) break;
    (void)nanosleep(&moment, NULL);
  }
  return rc;
}

static void keep_beside(const char *moved, const uint8_t *header) {
  char *name = sqlite3_mprintf("%s-header", moved);
  if (name != NULL) (void)lrd_fs_publish(name, header, HEADER_BYTES, 0600, false);
  sqlite3_free(name);
}

/* Before anybody connects to the database in quarantine. What fails here leaves less to be salvaged, and is no failure. */
void lrd_sqlite_header_mend(const sqlite_tier *tier, const char *moved) {
  if (tier->options.vfs[0] != 0) return;
  int const fd = lrd_fs_open(moved, O_RDWR, 0);
  struct stat facts;
  uint8_t header[HEADER_BYTES];
  size_t got = 0;
  if (fd >= 0 && fstat(fd, &facts) == 0 && lrd_fs_read_full(fd, header, HEADER_BYTES, 0, &got) == 0 && got == HEADER_BYTES) {
    uint64_t const pages = (uint64_t)facts.st_size / LRD_SQLITE_PAGE_BYTES;
    if (!sound(header, pages)) {
      keep_beside(moved, header);
      make(header, pages);
      bool const mended = lrd_fs_write_full(fd, moved, header, HEADER_BYTES, 0) == 0;
      lrd_sqlite_log(tier, LRD_LOG_WARN, "sqlite.header", "the header of %s was damaged and %s; as it was it lies in %s-header",
                     moved, mended ? "is mended" : "cannot be mended", moved);
    }
  }
  lrd_fs_close(fd);
}
