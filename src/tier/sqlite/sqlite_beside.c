/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tier that may not write goes by. Others may write the same database meanwhile, through another mount.
 *
 * Where log and index lie beside the database, SQLite reads them, and the locks of who writes, through descriptors that
 * cannot write: it sees each commit at once, and where nobody writes it makes an index of the log in its own memory. Where
 * they do not (a copy on other media), the database is taken to be still and read without locks. Either holds for the
 * very files that a connection has opened, so each get looks first whether they lie there yet, which is three stat(2), and
 * opens its connection anew when they do not. What was read as still counts only if they lie there afterwards too, since a
 * writer may have come in between. Strangers' connections take the log away when they close, and that is seen by the same.
 */
#include "sqlite_inner.h"

#include <errno.h>

static larder_err look(const char *path, struct stat *out) {
  memset(out, 0, sizeof *out);
  if (lrd_fs_stat(path, out) == 0) return LARDER_OK;
  return errno == ENOENT ? LARDER_MISS : lrd_err_from_errno(errno);
}

larder_err lrd_sqlite_beside_look(const sqlite_tier *tier, sqlite_beside *out) {
  struct stat db, log, index;
  larder_err const db_there = look(tier->path, &db);
  larder_err const log_there = look(tier->log_path, &log);
  larder_err const index_there = look(tier->index_path, &index);
  if (db_there < 0) return db_there;
  if (log_there < 0) return log_there;
  if (index_there < 0) return index_there;
  memset(out, 0, sizeof *out);
  out->dev = db.st_dev;
  out->db = db.st_ino;
  out->log = log.st_ino;
  out->index = index.st_ino;
  out->still = log.st_size == 0 && (log_there == LARDER_MISS || index_there == LARDER_MISS);
  if (!out->still) return LARDER_OK;
  out->db_bytes = db.st_size;
  out->db_changed_s = db.st_mtim.tv_sec;
  out->db_changed_ns = db.st_mtim.tv_nsec;
  return LARDER_OK;
}

bool lrd_sqlite_beside_equal(const sqlite_beside *a, const sqlite_beside *b) {
  return a->dev == b->dev && a->db == b->db && a->log == b->log && a->index == b->index && a->still == b->still &&
         a->db_bytes == b->db_bytes && a->db_changed_s == b->db_changed_s && a->db_changed_ns == b->db_changed_ns;
}

bool lrd_sqlite_beside_same(const sqlite_tier *tier, const sqlite_beside *before) {
  sqlite_beside now;
  return lrd_sqlite_beside_look(tier, &now) == LARDER_OK && lrd_sqlite_beside_equal(&now, before);
}
