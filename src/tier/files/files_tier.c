/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tier's face: options, open and close, binding of spaces, and the table of operations.
 *
 * Order of opening: board and its locks (who is alone?), the log into the index, what a dead writer or a power cut has left,
 * ticker.
 * Closing mirrors it; who is last marks the log as orderly ended.
 */
#include "files_inner.h"

#include "tier/option_lines.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

files_tier *lrd_files_tier_of(void *self) {
  files_tier *tier = self;
  LRD_ASSERT(tier != NULL && tier->magic == LRD_FILES_TIER_MAGIC);
  return tier;
}

void lrd_files_log(const files_tier *tier, int level, const char *id, const char *format, ...) {
  if (tier->host.log == NULL) return;
  char text[600];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  tier->host.log(tier->host.context, level, id, text);
}

void lrd_files_distrust(files_tier *tier, larder_err why, const char *message) {
  if (atomic_exchange(&tier->away, true)) return;
  lrd_files_log(tier, LRD_LOG_ERROR, "files.distrusted", "%s: %s", tier->path, message);
  if (tier->host.distrust != NULL) tier->host.distrust(tier->host.context, why, message);
}

void lrd_files_outdated(files_tier *tier) {
  if (atomic_exchange(&tier->away, true)) return;
  if (tier->host.distrust != NULL)
    tier->host.distrust(tier->host.context, LARDER_EAWAY, "somebody who may write has come since it was opened for reading");
}

/* --- options ---------------------------------------------------------------------------------------------------------------
 */

static bool option_set(void *context, lrd_span name, lrd_span value) {
  files_options *options = context;
#define OPTION_MATCH(field, def, least, most, what)                                                                            \
  if (lrd_span_equal(name, lrd_span_str(#field))) return lrd_option_number(value, least, most, &options->field);
  LRD_FILES_OPTIONS(OPTION_MATCH)
#undef OPTION_MATCH
  return false;
}

static larder_err options_parse(files_options *options, const char *text, larder_error *err) {
#define OPTION_DEFAULT(field, def, least, most, what) options->field = (def);
  LRD_FILES_OPTIONS(OPTION_DEFAULT)
#undef OPTION_DEFAULT
  return lrd_option_lines(text, "files", option_set, options, err);
}

/* --- open and close ----------------------------------------------------------------------------------------------------------
 */

static larder_err paths_make(files_tier *tier, const larder_tier_params *params) {
  tier->path = lrd_strdup(params->path);
  if (tier->path == NULL) return LARDER_ENOMEM;
  for (size_t len = strlen(tier->path); len > 1 && tier->path[len - 1] == '/'; len--) tier->path[len - 1] = 0;
  tier->control = lrd_path_join(tier->path, ".files");
  if (tier->control == NULL) return LARDER_ENOMEM;
  tier->log_path = lrd_path_join(tier->control, "log");
  tier->board_path = lrd_path_join(tier->control, "board");
  tier->quarantine = lrd_path_join(tier->path, "quarantine/");
  return tier->log_path && tier->board_path && tier->quarantine ? LARDER_OK : LARDER_ENOMEM;
}

static void leaves_free(files_leaves *leaves) {
  for (size_t i = 0; i < leaves->len; i++) lrd_dealloc(leaves->list[i].path);
  lrd_dealloc(leaves->list);
}

static void tier_free(files_tier *tier) {
  lrd_files_index_fini(&tier->index);
  leaves_free(&tier->leaves);
  leaves_free(&tier->asides);
  leaves_free(&tier->spares);
  for (size_t i = 0; i < tier->fresh_len; i++) lrd_dealloc(tier->fresh[i]);
  lrd_buf_fini(&tier->txn.frame);
  lrd_dealloc(tier->txn.steps);
  lrd_dealloc(tier->txn.taken);
  lrd_dealloc(tier->path);
  lrd_dealloc(tier->control);
  lrd_dealloc(tier->log_path);
  lrd_dealloc(tier->board_path);
  lrd_dealloc(tier->quarantine);
  lrd_mutex_fini(&tier->turn);
  lrd_mutex_fini(&tier->leaving);
  lrd_mutex_fini(&tier->syncing);
  lrd_mutex_fini(&tier->viewing);
  (void)pthread_rwlock_destroy(&tier->lock);
  tier->magic = 0;
  lrd_dealloc(tier);
}

/* Writers go first, lest looping readers keep them waiting for ever. */
static void lock_init(pthread_rwlock_t *lock) {
  pthread_rwlockattr_t kind;
  (void)pthread_rwlockattr_init(&kind);
  (void)pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  (void)pthread_rwlock_init(lock, &kind);
  (void)pthread_rwlockattr_destroy(&kind);
}

static files_tier *tier_new(const larder_tier_params *params) {
  files_tier *tier = lrd_alloc_zero(1, sizeof *tier);
  if (tier == NULL) return NULL;
  tier->magic = LRD_FILES_TIER_MAGIC;
  tier->host = params->host;
  tier->seed = params->seed;
  tier->bytes_max = params->bytes_max;
  tier->entries_max = params->entries_max;
  tier->read_only = params->read_only;
  tier->folder_fd = tier->board_fd = tier->log.fd = -1;
  tier->spare_names = 1;
  atomic_init(&tier->applied, UINT64_MAX);
  lrd_mutex_init(&tier->turn);
  lrd_mutex_init(&tier->leaving);
  lrd_mutex_init(&tier->syncing);
  lrd_mutex_init(&tier->viewing);
  lock_init(&tier->lock);
  return tier;
}

/* Everything open() holds, in reverse; accepts half of it. */
static void tier_release(files_tier *tier) {
  lrd_ticker_stop(tier->ticker);
  lrd_files_board_close(tier);
  lrd_fs_close(tier->log.fd);
  lrd_fs_close(tier->folder_fd);
  tier_free(tier);
}

static larder_err tier_start(files_tier *tier, larder_error *err) {
  if (!tier->read_only && lrd_fs_mkdirs(tier->control, 0700) != 0 && lrd_err_from_errno(errno) != LARDER_EACCES)
    return lrd_fail(err, lrd_err_from_errno(errno), errno, "files", "cannot make %s", tier->control);
  tier->folder_fd = lrd_fs_open(tier->path, O_RDONLY | O_DIRECTORY, 0);
  if (tier->folder_fd < 0)
    return lrd_fail(err, lrd_err_from_errno(errno), errno, "files", "cannot open the folder %s", tier->path);
  uint32_t number = 0;
  if (lrd_random(&tier->random, sizeof tier->random) != 0 || lrd_random(&number, sizeof number) != 0)
    return lrd_fail(err, LARDER_EIO, errno, "files", "the kernel gave no random bytes");
  tier->spares_id = tier->random;
  tier->random |= 1;
  atomic_store(&tier->nonce, number);
  larder_err code = lrd_files_index_init(&tier->index);
  if (code != LARDER_OK) return lrd_fail(err, code, ENOMEM, "files", "out of memory");
  code = lrd_files_board_open(tier, err);
  if (code == LARDER_OK) code = lrd_files_log_open(tier, err);
  if (code != LARDER_OK) return code;
  if (!tier->read_only && atomic_load(&tier->board->open) != 0) {
    code = lrd_files_turn_begin(tier); /* finishes it */
    if (code == LARDER_OK) code = lrd_files_turn_finish(tier, LARDER_OK);
    if (code != LARDER_OK)
      return lrd_fail(err, code, errno, "files", "cannot finish what a dead writer left in %s", tier->path);
  }
  lrd_files_after_cut(tier);
  int64_t const period_ns = (int64_t)tier->options.sync_ms * 1000000;
  code = lrd_ticker_start(&tier->ticker, "larder-files", period_ns, lrd_files_tick, tier);
  if (code != LARDER_OK) return lrd_fail(err, code, 0, "files", "no memory or thread for %s", tier->path);
  lrd_files_board_opened(tier);
  return LARDER_OK;
}

static larder_err tier_open(const larder_tier_params *params, void **self_out, larder_error *err) {
  if (params->path == NULL || params->path[0] != '/')
    return lrd_fail(err, LARDER_EINVAL, 0, "files", "the files tier needs an absolute path");
  files_tier *tier = tier_new(params);
  if (tier == NULL) return lrd_fail(err, LARDER_ENOMEM, ENOMEM, "files", "out of memory");
  larder_err code = options_parse(&tier->options, params->options, err);
  if (code == LARDER_OK) {
    code = paths_make(tier, params);
    if (code != LARDER_OK) (void)lrd_fail(err, code, ENOMEM, "files", "out of memory");
  }
  if (code == LARDER_OK) code = tier_start(tier, err);
  if (code == LARDER_OK)
    *self_out = tier;
  else
    tier_release(tier);
  return code;
}

static void tier_close(void *self) {
  files_tier *tier = lrd_files_tier_of(self);
  lrd_ticker_stop(tier->ticker);
  tier->ticker = NULL;
  if (!atomic_load(&tier->away) && !tier->read_only) {
    larder_err const err = lrd_files_flush(tier);
    if (err == LARDER_OK && lrd_files_board_closing(tier) && atomic_load(&tier->board->open) == 0)
      atomic_store(&tier->board->clean, atomic_load(&tier->board->state));
  }
  tier_release(tier);
}

/* In a forked child: the descriptors are its copies; locks and threads are the parent's. */
static void tier_abandon(void *self) {
  files_tier *tier = lrd_files_tier_of(self);
  lrd_ticker_abandon(tier->ticker);
  tier->ticker = NULL;
  tier_release(tier);
}

/* --- spaces ------------------------------------------------------------------------------------------------------------------
 */

/* Under the index lock. 0: unknown. */
static uint32_t space_known(const files_tier *tier, const char *name) {
  for (uint32_t i = 1; i < tier->index.spaces_end; i++)
    if (tier->index.spaces[i].name != NULL && strcmp(tier->index.spaces[i].name, name) == 0) return i;
  return 0;
}

/* Gives the name a number. Under a turn. */
static larder_err space_make(files_tier *tier, const char *name, uint32_t *number_out) {
  uint32_t const number = tier->index.spaces_end;
  int64_t const now_ms = files_wall_ms(tier);
  if (number >= LRD_FILES_SPACES_MAX) return LARDER_ETOOBIG;
  larder_err err = lrd_files_record_space(&tier->txn.frame, number, now_ms, name);
  if (err == LARDER_OK) err = lrd_files_index_space(&tier->index, tier->path, number, now_ms, name);
  if (err == LARDER_OK) tier->index.spaces[number].changed = atomic_load(&tier->board->state) + 1;
  *number_out = number;
  return err;
}

static larder_err tier_bind(void *self, const larder_tier_space *space, uint32_t *space_out) {
  files_tier *tier = lrd_files_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  larder_err err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err;
  uint32_t number = space_known(tier, space->name);
  pthread_rwlock_unlock(&tier->lock);
  if (number == 0) {
    err = lrd_files_turn_begin(tier);
    if (err != LARDER_OK) return err;
    number = space_known(tier, space->name);
    if (number == 0) err = space_make(tier, space->name, &number);
    err = lrd_files_turn_finish(tier, err);
    if (err != LARDER_OK) return err;
  }
  pthread_rwlock_wrlock(&tier->lock);
  files_space *bound = &tier->index.spaces[number];
  bound->bytes_max = space->bytes_max;
  bound->entries_max = space->entries_max;
  bound->bound = true;
  if (lrd_files_space_fd(tier, number) < 0 && !tier->read_only) err = lrd_err_from_errno(errno);
  pthread_rwlock_unlock(&tier->lock);
  if (err == LARDER_OK) *space_out = number;
  return err;
}

static larder_err tier_spaces(void *self, bool (*visit)(void *context, uint32_t space, const char *name), void *context) {
  files_tier *tier = lrd_files_tier_of(self);
  if (atomic_load(&tier->away)) return LARDER_EAWAY;
  for (uint32_t i = 1; i < LRD_FILES_SPACES_MAX; i++) {
    larder_err const err = lrd_files_read_lock(tier);
    if (err != LARDER_OK) return err;
    bool const ended = i >= tier->index.spaces_end;
    const char *known = tier->index.spaces[i].name;
    char *name = known == NULL ? NULL : lrd_strdup(known);
    pthread_rwlock_unlock(&tier->lock);
    if (ended) return LARDER_OK;
    if (known == NULL) continue;
    if (name == NULL) return LARDER_ENOMEM;
    bool const go_on = visit(context, i, name);
    lrd_dealloc(name);
    if (!go_on) return LARDER_OK;
  }
  return LARDER_OK;
}

const larder_tier_ops lrd_files_tier = {
    .name = "files",
    .version = LARDER_TIER_VERSION,
    .capabilities = LARDER_TIER_DURABLE | LARDER_TIER_SHARED | LARDER_TIER_READABLE | LARDER_TIER_ENUMERABLE |
                    LARDER_TIER_TOMBSTONES | LARDER_TIER_TAGS,
    .open = tier_open,
    .close = tier_close,
    .abandon = tier_abandon,
    .bind = tier_bind,
    .get = lrd_files_get,
    .release = lrd_files_release,
    .write = lrd_files_write,
    .scan = lrd_files_scan,
    .scan_tag = lrd_files_scan_tag,
    .forget_range = lrd_files_forget_range,
    .sweep = lrd_files_sweep,
    .flush = lrd_files_flush,
    .usage = lrd_files_usage,
    .check = lrd_files_check,
    .spaces = tier_spaces,
};
