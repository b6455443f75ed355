/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that lie in a namespace's folder and are no entry's: dropped in by hand, or left by an accident. With repair they
 * become entries, together with the `.meta.json` beside them, and get the name that their key has here. What cannot be
 * an entry, because the key has one already or was deleted after the file came, or because a power cut came while it was
 * written, goes to quarantine; nothing is unlinked.
 *
 * A folder is read without any lock. What it has that the index had not when the reading began is looked for again in the
 * index as it is afterwards.
 */
#include "files_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 4

/* Names of the entries' files, as sums in ascending order. */
typedef struct name_set {
  uint64_t *sums;
  size_t len;
} name_set;

typedef struct stray_list {
  char **names;
  size_t len;
  size_t cap;
} stray_list;

static int by_number(const void *a, const void *b) {
  uint64_t const x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static larder_err names_take(files_tier *tier, uint32_t number, name_set *out) {
  larder_err err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err;
  const files_space *space = &tier->index.spaces[number];
  out->sums = lrd_alloc((space->list_len + 1) * sizeof *out->sums);
  out->len = 0;
  for (uint32_t i = 0; out->sums != NULL && i < space->list_len; i++)
    if (!files_dead(space->list[i])) out->sums[out->len++] = lrd_sum64(files_name(space->list[i]), space->list[i]->name_len);
  pthread_rwlock_unlock(&tier->lock);
  if (out->sums == NULL) return LARDER_ENOMEM;
  qsort(out->sums, out->len, sizeof *out->sums, by_number);
  return LARDER_OK;
}

static bool names_have(const name_set *set, const char *name) {
  uint64_t const sum = lrd_sum64(name, strlen(name));
  return bsearch(&sum, set->sums, set->len, sizeof sum, by_number) != NULL;
}

static larder_err stray_add(stray_list *list, const char *name) {
  if (list->len == list->cap) {
    size_t const cap = list->cap == 0 ? 16 : list->cap * 2;
    char **more = lrd_realloc(list->names, cap * sizeof *more);
    if (more == NULL) return LARDER_ENOMEM;
    list->names = more;
    list->cap = cap;
  }
  list->names[list->len] = lrd_strdup(name);
  return list->names[list->len] == NULL ? LARDER_ENOMEM : (list->len++, LARDER_OK);
}

static void strays_free(stray_list *list) {
  for (size_t i = 0; i < list->len; i++) lrd_dealloc(list->names[i]);
  lrd_dealloc(list->names);
}

static bool ends_with(const char *name, const char *ending) {
  size_t const len = strlen(name), ending_len = strlen(ending);
  return len > ending_len && strcmp(name + len - ending_len, ending) == 0;
}

/* What nobody takes for an entry: hidden files, the views, notes for people. */
static bool is_beside(const char *base) {
  return base[0] == '.' || strcmp(base, "index.json") == 0 || strncmp(base, "README", 6) == 0 || ends_with(base, ".meta.json");
}

/* `within` is "" or ends with a slash. */
static larder_err folder_read(int space_fd, const char *within, int depth, const name_set *known, stray_list *out) {
  larder_err err = LARDER_OK;
  int const fd = lrd_fs_open_at(space_fd, within[0] == 0 ? "." : within, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) {
    lrd_fs_close(fd);
    return LARDER_OK; /* gone meanwhile, or not for us */
  }
  for (struct dirent *at = NULL; err == LARDER_OK && (at = readdir(dir)) != NULL;) {
    char name[LRD_FILES_NAME_MAX];
    struct stat facts;
    if (is_beside(at->d_name) || fstatat(fd, at->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;
    bool const folder = S_ISDIR(facts.st_mode);
    if (snprintf(name, sizeof name, "%s%s%s", within, at->d_name, folder ? "/" : "") >= (int)sizeof name) continue;
    if (folder && depth < DEPTH_MAX && strcmp(name, "metadata/") != 0)
      err = folder_read(space_fd, name, depth + 1, known, out);
    else if (S_ISREG(facts.st_mode) && !names_have(known, name))
      err = stray_add(out, name);
  }
  (void)closedir(dir);
  return err;
}

/* --- adoption ----------------------------------------------------------------------------------------------------------------
 */

/* The key that a file name stands for: as we encode it, or as somebody wrote it. */
static larder_err key_of(const char *base, size_t stem_len, lrd_buf *out) {
  larder_err const err = lrd_files_unstem(out, base, stem_len);
  if (err != LARDER_EINVAL) return err;
  if (memchr(base, '%', stem_len) != NULL || memchr(base, '~', stem_len) != NULL || stem_len > LARDER_KEY_MAX)
    return LARDER_EINVAL;
  lrd_buf_clear(out);
  return lrd_buf_append(out, base, stem_len);
}

/* The metadata beside a file: of `models/x.pt` in `metadata/x.meta.json`, of others in the same folder. */
static char *meta_read(const char *folder, const char *name, size_t name_stem_len, size_t *len_out) {
  lrd_buf path = {0};
  char *text = NULL;
  bool const model = strncmp(name, "models/", 7) == 0;
  larder_err err = lrd_buf_printf(&path, "%s/%s%.*s.meta.json", folder, model ? "metadata/" : "",
                                  (int)(model ? name_stem_len - 7 : name_stem_len), model ? name + 7 : name);
  if (err == LARDER_OK) err = lrd_buf_terminate(&path);
  if (err != LARDER_OK || lrd_fs_slurp((const char *)path.data, LARDER_META_MAX, &text, len_out) != 0) *len_out = 0;
  lrd_buf_fini(&path);
  return text;
}

typedef struct adoption {
  files_tier *tier;
  uint32_t space;
  char *folder;
  uint64_t seed;
} adoption;

/* Whether an entry or a later delete stands in the way; the least stamp that a new one must have. */
static bool place_is_free(files_tier *tier, uint64_t hash, int64_t changed_ms, uint64_t *stamp_out) {
  if (lrd_files_read_lock(tier) != LARDER_OK) return false;
  const files_entry *entry = lrd_files_find(&tier->index, hash);
  uint64_t const now = lrd_stamp_from_wall_ms(files_wall_ms(tier));
  bool free = true;
  *stamp_out = now;
  if (entry != NULL) {
    free = files_dead(entry) && lrd_stamp_wall_ms(entry->stamp) < changed_ms;
    if (entry->stamp >= now) *stamp_out = entry->stamp + 1;
  }
  pthread_rwlock_unlock(&tier->lock);
  return free;
}

/* Written shortly before a power cut, so perhaps half of it: the log's word for it is lost, and nothing else tells. */
static bool perhaps_torn(const files_tier *tier, const struct stat *facts) {
  int64_t const written_ms = (int64_t)facts->st_mtim.tv_sec * 1000 + facts->st_mtim.tv_nsec / 1000000;
  return written_ms >= atomic_load(&tier->board->cut_from_ms) && written_ms <= atomic_load(&tier->board->cut_ms);
}

static bool to_quarantine(const adoption *of, const char *name) {
  pthread_rwlock_wrlock(&of->tier->lock);
  bool const moved = lrd_files_quarantine(of->tier, of->space, name);
  pthread_rwlock_unlock(&of->tier->lock);
  return moved;
}

/* Under the key's slot. */
static larder_err adopt_under_slot(const adoption *of, const char *name, lrd_span key, uint64_t hash, lrd_ending ending,
                                   size_t name_stem_len) {
  char *path = lrd_path_join(of->folder, name);
  char *value = NULL, *meta = NULL;
  size_t len = 0, meta_len = 0;
  struct stat facts;
  uint64_t stamp = 0;
  larder_err err = path == NULL ? LARDER_ENOMEM : LARDER_OK;
  if (err == LARDER_OK && (lrd_fs_stat(path, &facts) != 0 || lrd_fs_slurp(path, LARDER_VALUE_MAX, &value, &len) != 0))
    err = errno == EFBIG ? LARDER_ETOOBIG : lrd_err_from_errno(errno);
  if (err == LARDER_OK &&
      (perhaps_torn(of->tier, &facts) || !place_is_free(of->tier, hash, (int64_t)facts.st_ctim.tv_sec * 1000 + 999, &stamp))) {
    err = to_quarantine(of, name) ? LARDER_OK : lrd_err_from_errno(errno);
  } else if (err == LARDER_OK) {
    meta = meta_read(of->folder, name, name_stem_len, &meta_len);
    bool const model = strncmp(name, "models/", 7) == 0;
    larder_tier_write item = {.verb = LARDER_TIER_PUT,
                              .key = {.data = key.data, .len = key.len, .hash = hash, .space = of->space},
                              .value = value,
                              .facts = {.stamp = stamp,
                                        .value_len = len,
                                        .kind = model ? LARDER_KIND_MODEL : lrd_ending_kind(ending),
                                        .meta = meta_len == 0 ? NULL : meta,
                                        .meta_len = meta_len}};
    err = lrd_files_adopt(of->tier, &item, name);
  }
  lrd_dealloc(path);
  lrd_dealloc(value);
  lrd_dealloc(meta);
  return err;
}

/* LARDER_OK when it is no stray any more. */
static larder_err adopt(const adoption *of, const char *name) {
  const char *base = strrchr(name, '/') == NULL ? name : strrchr(name, '/') + 1;
  lrd_ending ending;
  size_t stem_len = 0;
  lrd_buf key = {0};
  if (!lrd_ending_find(base, strlen(base), &ending, &stem_len) || ending == LRD_ENDING_SEALED || ending == LRD_ENDING_ABSENT)
    return LARDER_MISS;
  larder_err err = key_of(base, stem_len, &key);
  if (err == LARDER_OK) {
    uint64_t const hash = lrd_hash64(key.data, key.len, of->seed);
    const larder_tier_host *host = &of->tier->host;
    bool const owned = host->slot_try_own == NULL || host->slot_try_own(host->context, hash);
    if (owned) {
      err = adopt_under_slot(of, name, lrd_span_of(key.data, key.len), hash, ending, (size_t)(base - name) + stem_len);
      if (host->slot_release != NULL) host->slot_release(host->context, hash);
    } else {
      err = LARDER_EBUSY;
    }
  }
  lrd_buf_fini(&key);
  return err;
}

static void stray_tell(const adoption *of, const char *name, const char *what, larder_tier_finding finding, void *context) {
  lrd_buf sentence = {0};
  larder_tier_key const key = {.data = name, .len = strlen(name), .space = of->space};
  if (finding != NULL && lrd_buf_printf(&sentence, "%s/%s is no entry's%s", of->folder, name, what) == LARDER_OK &&
      lrd_buf_terminate(&sentence) == LARDER_OK)
    finding(context, &key, (const char *)sentence.data);
  lrd_buf_fini(&sentence);
}

static larder_err strays_handle(const adoption *of, const stray_list *list, bool repair, larder_tier_report *report,
                                larder_tier_finding finding, void *context) {
  name_set now = {0};
  larder_err err = names_take(of->tier, of->space, &now);
  for (size_t i = 0; i < list->len && err == LARDER_OK; i++) {
    if (names_have(&now, list->names[i])) continue; /* stored while the folder was read */
    report->orphans++;
    larder_err const done = repair ? adopt(of, list->names[i]) : LARDER_MISS;
    stray_tell(of, list->names[i],
               !repair ? ": validate --repair adopts it"
               : done == LARDER_OK
                   ? ": it was adopted, or moved to quarantine where its key had an entry or a power cut may have torn it"
                   : " and cannot be adopted: its name tells no key, or it is in use",
               finding, context);
    /* One that cannot be read, or has just gone, keeps no other from being adopted. */
    if (done < 0 && done != LARDER_EBUSY && done != LARDER_ETOOBIG && done != LARDER_EINVAL && done != LARDER_EACCES &&
        done != LARDER_EIO)
      err = done;
  }
  lrd_dealloc(now.sums);
  return err;
}

larder_err lrd_files_strays(files_tier *tier, uint32_t space, bool repair, larder_tier_report *report,
                            larder_tier_finding finding, void *context) {
  adoption of = {.tier = tier, .space = space};
  name_set known = {0};
  stray_list list = {0};
  larder_err err = lrd_files_read_lock(tier);
  if (err != LARDER_OK) return err;
  const files_space *at = &tier->index.spaces[space];
  int const fd = at->name == NULL || at->fd < 0 ? -1 : fcntl(at->fd, F_DUPFD_CLOEXEC, 0);
  if (fd >= 0) of.folder = lrd_strdup(at->folder);
  if (fd >= 0) of.seed = lrd_hash_seed_for(tier->seed, at->name);
  pthread_rwlock_unlock(&tier->lock);
  if (fd < 0) return LARDER_OK;
  if (of.folder == NULL) err = LARDER_ENOMEM;
  if (err == LARDER_OK) err = names_take(tier, space, &known);
  if (err == LARDER_OK) err = folder_read(fd, "", 0, &known, &list);
  if (err == LARDER_OK) err = strays_handle(&of, &list, repair, report, finding, context);
  lrd_fs_close(fd);
  lrd_dealloc(of.folder);
  lrd_dealloc(known.sums);
  strays_free(&list);
  return err;
}
