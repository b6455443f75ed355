/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tier of one's own: one file per entry in a folder, shared by every process on the root.
 *
 *   <path>/spaces             the names of the spaces, one a line; the line's number is the space's
 *   <path>/<space>/<hash>     an entry: a head, the key, version, meta and tags, the value
 *
 * What the contract asks, and how this answers: an entry is replaced by rename, so a reader sees the old file or the new
 * one. Whoever writes a key owns its slot, so there is one writer to a file at any time. Limits are hard: how much there is
 * stands in `<path>/count`, mapped by all processes and counted anew by each sweep (a process killed between a rename and
 * its count leaves it a little off until then). A batch of several entries is not atomic, so it does not call itself
 * durable; it keeps no tombstones and has no index of tags.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <larder/larder.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC      UINT64_C(0x32726564646c6f66)
#define SPACES_MAX 200u
#define PATH_ROOM  4096

typedef struct entry_head {
  uint64_t magic;
  uint64_t sum; /* of everything behind this field */
  uint64_t stamp;
  int64_t soft_ms;
  int64_t hard_ms;
  uint64_t value_len;
  uint32_t kind;
  uint32_t key_len;
  uint32_t version_len;
  uint32_t meta_len;
  uint32_t tags_len;
  uint32_t framed;
  uint64_t raw_len;
  int64_t modified_ms;
  uint64_t ns_version; /* wider than it is, so that the head has no gap */
} entry_head;

typedef struct count {
  _Atomic int64_t entries;
  _Atomic int64_t bytes;
} count;

typedef struct folder {
  larder_tier_host host;
  uint64_t bytes_max;
  uint64_t entries_max;
  count *count;
  _Atomic uint32_t temporary; /* numbers for the names of files under way */
  char path[PATH_ROOM - 300];
} folder;

/* An entry in memory: the whole file. */
typedef struct image {
  entry_head *head;
  size_t len;
} image;

static uint64_t sum_of(const void *data, size_t len) {
  const unsigned char *at = data;
  uint64_t sum = UINT64_C(14695981039346656037); /* FNV-1a */
  for (size_t i = 0; i < len; i++) sum = (sum ^ at[i]) * UINT64_C(1099511628211);
  return sum;
}

static size_t image_len(const entry_head *h) {
  return sizeof *h + h->key_len + h->version_len + h->meta_len + h->tags_len + h->value_len;
}

static const char *image_key(const image *i) { return (const char *)(i->head + 1); }

static void entry_path(const folder *f, uint32_t space, uint64_t hash, char out[PATH_ROOM]) {
  snprintf(out, PATH_ROOM, "%s/%" PRIu32 "/%016" PRIx64, f->path, space, hash);
}

static void image_facts(const image *i, larder_facts *out) {
  const entry_head *h = i->head;
  const char *at = image_key(i) + h->key_len;
  *out = (larder_facts){.stamp = h->stamp,
                        .expires_soft_ms = h->soft_ms,
                        .expires_hard_ms = h->hard_ms,
                        .value_len = h->value_len,
                        .kind = (larder_kind)h->kind,
                        .framed = h->framed != 0,
                        .raw_len = h->framed ? h->raw_len : h->value_len,
                        .version = h->version_len > 0 ? at : NULL,
                        .version_len = h->version_len,
                        .meta = h->meta_len > 0 ? at + h->version_len : NULL,
                        .meta_len = h->meta_len,
                        .tags = h->tags_len > 0 ? at + h->version_len + h->meta_len : NULL,
                        .tags_len = h->tags_len,
                        .modified_ms = h->modified_ms,
                        .ns_version = (uint32_t)h->ns_version};
}

/* The whole file, verified. LARDER_MISS, LARDER_ECORRUPT, LARDER_EIO, LARDER_ENOMEM. */
static larder_err image_read(const char *path, image *out) {
  struct stat info;
  larder_err result = LARDER_EIO;
  entry_head *head = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? LARDER_MISS : LARDER_EIO;
  if (fstat(fd, &info) != 0) goto out;
  size_t len = (size_t)info.st_size;
  result = LARDER_ECORRUPT;
  if (len < sizeof *head || (head = malloc(len)) == NULL) goto out;
  size_t have = 0;
  while (have < len) {
    ssize_t got = read(fd, (char *)head + have, len - have);
    if (got <= 0) goto out;
    have += (size_t)got;
  }
  bool right =
      head->magic == MAGIC && image_len(head) == len && head->sum == sum_of(&head->stamp, len - offsetof(entry_head, stamp));
  if (!right) goto out;
  *out = (image){.head = head, .len = len};
  head = NULL;
  result = LARDER_OK;
out:
  free(head);
  close(fd);
  return result;
}

static bool same_key(const image *i, const larder_tier_key *key) {
  return i->head->key_len == key->len && memcmp(image_key(i), key->data, key->len) == 0;
}

static larder_err errno_result(void) { return errno == ENOSPC ? LARDER_ENOSPC : errno == EACCES ? LARDER_EACCES : LARDER_EIO; }

static void counted(folder *f, int64_t entries, int64_t bytes) {
  atomic_fetch_add(&f->count->entries, entries);
  atomic_fetch_add(&f->count->bytes, bytes);
}

/* Written beside and renamed over. */
static larder_err image_write(folder *f, const char *path, const image *i, bool sync) {
  char beside[PATH_ROOM];
  snprintf(beside, sizeof beside, "%s/tmp.%ld.%" PRIu32, f->path, (long)getpid(), atomic_fetch_add(&f->temporary, 1));
  int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return errno_result();
  size_t done = 0;
  while (done < i->len) {
    ssize_t wrote = write(fd, (const char *)i->head + done, i->len - done);
    if (wrote <= 0) break;
    done += (size_t)wrote;
  }
  larder_err result = done == i->len && (!sync || fsync(fd) == 0) && rename(beside, path) == 0 ? LARDER_OK : errno_result();
  close(fd);
  if (result != LARDER_OK) unlink(beside);
  return result;
}

/* --- walking ------------------------------------------------------------------------------------------------------- */

typedef struct place {
  uint32_t space;
  uint64_t hash;
} place;

static int place_compare(const void *a, const void *b) {
  const place *x = a;
  const place *y = b;
  return (x->hash > y->hash) - (x->hash < y->hash);
}

/* All entries' places with a hash of at least `from`, by hash; to free. */
static larder_err places_read(const folder *f, uint32_t space, uint64_t from, place **out, size_t *len_out) {
  place *places = NULL;
  size_t len = 0;
  size_t room = 0;
  for (uint32_t s = space == LARDER_TIER_ALL_SPACES ? 0 : space; s < SPACES_MAX; s++) {
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/%" PRIu32, f->path, s);
    DIR *folder_of_space = opendir(path);
    for (struct dirent *d = NULL; folder_of_space != NULL && (d = readdir(folder_of_space)) != NULL;) {
      char *end = NULL;
      uint64_t hash = strtoull(d->d_name, &end, 16);
      if (d->d_name[0] == '.' || *end != '\0' || hash < from) continue;
      if (len == room) {
        place *more = realloc(places, (room = room == 0 ? 64 : room * 2) * sizeof *places);
        if (more == NULL) {
          free(places);
          closedir(folder_of_space);
          return LARDER_ENOMEM;
        }
        places = more;
      }
      places[len++] = (place){.space = s, .hash = hash};
    }
    if (folder_of_space != NULL) closedir(folder_of_space);
    if (space != LARDER_TIER_ALL_SPACES) break;
  }
  if (len > 0) qsort(places, len, sizeof *places, place_compare);
  *out = places;
  *len_out = len;
  return LARDER_OK;
}

static bool place_remove(folder *f, const place *at, int64_t *bytes_out) {
  char path[PATH_ROOM];
  struct stat info;
  entry_path(f, at->space, at->hash, path);
  if (stat(path, &info) != 0 || unlink(path) != 0) return false;
  counted(f, -1, -(int64_t)info.st_size);
  *bytes_out = (int64_t)info.st_size;
  return true;
}

/* Removes an entry on the tier's own account: only with its slot. */
static bool place_evict(folder *f, const place *at, larder_evict_reason reason) {
  int64_t bytes = 0;
  if (!f->host.slot_try_own(f->host.context, at->hash)) return false;
  bool removed = place_remove(f, at, &bytes);
  f->host.slot_release(f->host.context, at->hash);
  if (removed) f->host.evicted(f->host.context, at->space, reason, 1, (uint64_t)bytes);
  return removed;
}

static bool over(const folder *f, int64_t entries, int64_t bytes) {
  return (f->entries_max > 0 && atomic_load(&f->count->entries) + entries > (int64_t)f->entries_max) ||
         (f->bytes_max > 0 && atomic_load(&f->count->bytes) + bytes > (int64_t)f->bytes_max);
}

/* Makes room for what is to come by evicting from behind `after`'s hash onwards: hashes are random, so is the victim. */
static bool room_made(folder *f, uint64_t after, int64_t entries, int64_t bytes) {
  place *places = NULL;
  size_t len = 0;
  if (!over(f, entries, bytes)) return true;
  if (places_read(f, LARDER_TIER_ALL_SPACES, 0, &places, &len) != LARDER_OK) return false;
  size_t first = 0;
  while (first < len && places[first].hash <= after) first++;
  for (size_t i = 0; i < len && over(f, entries, bytes); i++)
    (void)place_evict(f, &places[(first + i) % len], over(f, entries, 0) ? LARDER_EVICT_ENTRIES : LARDER_EVICT_CAPACITY);
  free(places);
  return !over(f, entries, bytes);
}

/* --- lifecycle ----------------------------------------------------------------------------------------------------- */

static void folder_close(void *self) {
  folder *f = self;
  munmap(f->count, sizeof *f->count);
  free(f);
}

static larder_err folder_open(const larder_tier_params *params, void **self_out, larder_error *err) {
  char path[PATH_ROOM];
  folder *f = calloc(1, sizeof *f);
  if (f == NULL) return LARDER_ENOMEM;
  f->host = params->host;
  f->bytes_max = params->bytes_max;
  f->entries_max = params->entries_max;
  if (params->path != NULL) {
    snprintf(f->path, sizeof f->path, "%s", params->path);
  } else {
    snprintf(f->path, sizeof f->path, "%s/folder", params->root != NULL ? params->root : ".");
  }
  snprintf(path, sizeof path, "%s/count", f->path);
  int fd = mkdir(f->path, 0700) == 0 || errno == EEXIST ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  bool ok = fd >= 0 && ftruncate(fd, sizeof *f->count) == 0;
  if (ok) f->count = mmap(NULL, sizeof *f->count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ok = ok && f->count != MAP_FAILED;
  if (!ok && err != NULL) {
    err->code = errno_result();
    err->os_errno = errno;
    err->room = "folder";
    snprintf(err->message, sizeof err->message, "%.200s: %s", f->path, strerror(errno));
  }
  larder_err result = ok ? LARDER_OK : errno_result();
  if (fd >= 0) close(fd);
  if (ok) {
    *self_out = f;
  } else {
    free(f);
  }
  return result;
}

/* The number of the line with the name; a new line when there is none. */
static larder_err folder_bind(void *self, const larder_tier_space *space, uint32_t *space_out) {
  folder *f = self;
  char path[PATH_ROOM];
  char line[200];
  uint32_t number = 0;
  bool found = false;
  snprintf(path, sizeof path, "%s/spaces", f->path);
  FILE *spaces = fopen(path, "a+e");
  if (spaces == NULL || flock(fileno(spaces), LOCK_EX) != 0) {
    if (spaces != NULL) fclose(spaces);
    return LARDER_EIO;
  }
  rewind(spaces);
  while (!found && fgets(line, sizeof line, spaces) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    found = strcmp(line, space->name) == 0;
    if (!found) number++;
  }
  bool ok = number < SPACES_MAX && (found || (fseek(spaces, 0, SEEK_END) == 0 && fprintf(spaces, "%s\n", space->name) > 0));
  ok = fclose(spaces) == 0 && ok;
  snprintf(path, sizeof path, "%s/%" PRIu32, f->path, number);
  if (!ok || (mkdir(path, 0700) != 0 && errno != EEXIST)) return LARDER_EIO;
  *space_out = number;
  return LARDER_OK;
}

/* --- operations ---------------------------------------------------------------------------------------------------- */

static larder_err folder_get(void *self, const larder_tier_key *key, bool facts_only, const void *slot,
                             larder_tier_entry *out) {
  folder *f = self;
  char path[PATH_ROOM];
  image found;
  (void)slot; /* the tier is shared: slots are the core's affair */
  entry_path(f, key->space, key->hash, path);
  larder_err result = image_read(path, &found);
  if (result == LARDER_ECORRUPT) { /* one bad file is no reason to switch the tier off */
    f->host.log(f->host.context, LARDER_LOG_WARN, "folder.damaged", path);
    return LARDER_MISS;
  }
  if (result != LARDER_OK) return result;
  bool expired = found.head->hard_ms != 0 && found.head->hard_ms <= f->host.wall_ms(f->host.context);
  if (expired || !same_key(&found, key)) {
    free(found.head);
    return LARDER_MISS;
  }
  image_facts(&found, &out->facts);
  bool value = !facts_only && found.head->value_len > 0;
  out->value = value ? (const char *)found.head + found.len - found.head->value_len : NULL;
  out->pin = found.head;
  return LARDER_OK;
}

static void folder_release(void *self, larder_tier_entry *entry) {
  (void)self;
  free(entry->pin);
  *entry = (larder_tier_entry){0};
}

static larder_err image_make(const larder_tier_write *item, image *out) {
  const larder_facts *facts = &item->facts;
  entry_head head = {.magic = MAGIC,
                     .stamp = facts->stamp,
                     .soft_ms = facts->expires_soft_ms,
                     .hard_ms = facts->expires_hard_ms,
                     .value_len = facts->value_len,
                     .kind = (uint32_t)facts->kind,
                     .key_len = (uint32_t)item->key.len,
                     .version_len = (uint32_t)facts->version_len,
                     .meta_len = (uint32_t)facts->meta_len,
                     .tags_len = (uint32_t)facts->tags_len,
                     .framed = facts->framed,
                     .raw_len = facts->raw_len,
                     .modified_ms = facts->modified_ms,
                     .ns_version = facts->ns_version};
  const struct {
    const void *data;
    size_t len;
  } parts[] = {{&head, sizeof head},           {item->key.data, item->key.len}, {facts->version, facts->version_len},
               {facts->meta, facts->meta_len}, {facts->tags, facts->tags_len},  {item->value, facts->value_len}};
  out->len = image_len(&head);
  out->head = malloc(out->len);
  if (out->head == NULL) return LARDER_ENOMEM;
  char *at = (char *)out->head;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (parts[i].len > 0) memcpy(at, parts[i].data, parts[i].len);
    at += parts[i].len;
  }
  return LARDER_OK;
}

static larder_err store(folder *f, const char *path, image *new_one, int64_t old_len, bool sync, larder_tier_write *item) {
  int64_t entries = old_len == 0 ? 1 : 0;
  int64_t bytes = (int64_t)new_one->len - old_len;
  new_one->head->sum = sum_of(&new_one->head->stamp, new_one->len - offsetof(entry_head, stamp));
  if ((entries > 0 || bytes > 0) && !room_made(f, item->key.hash, entries, bytes)) {
    item->result = LARDER_NOT_KEPT;
    return LARDER_OK;
  }
  larder_err result = image_write(f, path, new_one, sync);
  if (result == LARDER_OK) counted(f, entries, bytes);
  return result;
}

static larder_err one_change(folder *f, larder_tier_write *item, const char *path, image *old, bool sync) {
  bool ours = old->head != NULL && same_key(old, &item->key);
  image new_one = {0};
  larder_err result = LARDER_OK;
  int64_t bytes = 0;
  int64_t now_ms = f->host.wall_ms(f->host.context);
  item->result = LARDER_OK;
  item->existed = ours && (old->head->hard_ms == 0 || old->head->hard_ms > now_ms);
  bool older = ours && item->verb != LARDER_TIER_FORGET && item->facts.stamp <= old->head->stamp;
  if (older || (item->only_stamp != 0 && (!ours || old->head->stamp != item->only_stamp))) {
    item->result = item->verb == LARDER_TIER_TOUCH && !item->existed ? LARDER_MISS : LARDER_OLDER;
    item->stored_stamp = ours ? old->head->stamp : 0;
  } else if (item->verb == LARDER_TIER_PUT) {
    result = image_make(item, &new_one);
    if (result == LARDER_OK) result = store(f, path, &new_one, (int64_t)old->len, sync, item);
  } else if (item->verb == LARDER_TIER_TOUCH) {
    if (!item->existed) {
      item->result = LARDER_MISS;
      return LARDER_OK;
    }
    old->head->soft_ms = item->facts.expires_soft_ms;
    old->head->hard_ms = item->facts.expires_hard_ms;
    old->head->stamp = item->facts.stamp;
    result = store(f, path, old, (int64_t)old->len, sync, item);
  } else if (ours) {
    place at = {.space = item->key.space, .hash = item->key.hash};
    if (!place_remove(f, &at, &bytes)) result = errno_result();
  }
  free(new_one.head);
  return result;
}

static larder_err folder_write(void *self, larder_tier_write *items, size_t count_of_items, larder_durability durability) {
  folder *f = self;
  for (size_t i = 0; i < count_of_items; i++) {
    char path[PATH_ROOM];
    image old = {0};
    entry_path(f, items[i].key.space, items[i].key.hash, path);
    larder_err result = image_read(path, &old);
    if (result == LARDER_ECORRUPT) { /* worth nothing: count it as the file it is, to be replaced */
      place at = {.space = items[i].key.space, .hash = items[i].key.hash};
      int64_t bytes = 0;
      if (place_remove(f, &at, &bytes)) f->host.evicted(f->host.context, at.space, LARDER_EVICT_CORRUPTION, 1, (uint64_t)bytes);
      result = LARDER_MISS;
    }
    if (result >= 0) result = one_change(f, &items[i], path, &old, durability == LARDER_DURABILITY_SYNC);
    free(old.head);
    if (result < 0) return i == 0 ? result : LARDER_EUNKNOWN;
  }
  return LARDER_OK;
}

static larder_err folder_scan(void *self, uint32_t space, larder_tier_cursor *cursor, uint64_t limit, bool values,
                              larder_tier_visit visit, void *context) {
  folder *f = self;
  place *places = NULL;
  size_t len = 0;
  size_t i = 0;
  bool more = true;
  if (cursor->ended) return LARDER_END;
  larder_err result = places_read(f, space, cursor->position, &places, &len);
  if (result != LARDER_OK) return result;
  for (; i < len && i < limit && more; i++) {
    char path[PATH_ROOM];
    image found;
    larder_facts facts;
    entry_path(f, space, places[i].hash, path);
    cursor->position = places[i].hash + 1;
    cursor->ended = places[i].hash == UINT64_MAX;
    if (image_read(path, &found) != LARDER_OK) continue;
    larder_tier_key key = {.data = image_key(&found), .len = found.head->key_len, .hash = places[i].hash, .space = space};
    image_facts(&found, &facts);
    bool live = facts.expires_hard_ms == 0 || facts.expires_hard_ms > f->host.wall_ms(f->host.context);
    if (live) more = visit(context, &key, &facts, values ? (const char *)found.head + found.len - facts.value_len : NULL);
    free(found.head);
  }
  if (i == len && more) cursor->ended = true;
  free(places);
  return cursor->ended ? LARDER_END : LARDER_OK;
}

static larder_err folder_forget_range(void *self, uint64_t first, uint64_t last, uint64_t *removed_out) {
  folder *f = self;
  place *places = NULL;
  size_t len = 0;
  int64_t bytes = 0;
  uint64_t removed = 0;
  larder_err result = places_read(f, LARDER_TIER_ALL_SPACES, first, &places, &len);
  if (result != LARDER_OK) return result;
  for (size_t i = 0; i < len && places[i].hash <= last; i++) removed += place_remove(f, &places[i], &bytes);
  free(places);
  *removed_out = removed;
  return LARDER_OK;
}

/* What a process that was killed while it wrote has left behind: an hour is longer than any write takes. */
static void temporaries_remove(folder *f) {
  DIR *all = opendir(f->path);
  int64_t now_s = f->host.wall_ms(f->host.context) / 1000;
  for (struct dirent *d = NULL; all != NULL && (d = readdir(all)) != NULL;) {
    char path[PATH_ROOM];
    struct stat info;
    if (strncmp(d->d_name, "tmp.", 4) != 0) continue;
    snprintf(path, sizeof path, "%s/%s", f->path, d->d_name);
    if (stat(path, &info) == 0 && info.st_mtime + 3600 < now_s) unlink(path);
  }
  if (all != NULL) closedir(all);
}

static larder_err folder_sweep(void *self, uint64_t limit, bool expire_physically, uint64_t *removed_out) {
  folder *f = self;
  place *places = NULL;
  size_t len = 0;
  uint64_t removed = 0;
  count seen = {0};
  int64_t before_entries = atomic_load(&f->count->entries);
  int64_t before_bytes = atomic_load(&f->count->bytes);
  larder_err result = places_read(f, LARDER_TIER_ALL_SPACES, 0, &places, &len);
  if (result != LARDER_OK) return result;
  for (size_t i = 0; i < len; i++) {
    char path[PATH_ROOM];
    entry_head head = {0};
    struct stat info = {0};
    entry_path(f, places[i].space, places[i].hash, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool known = fd >= 0 && fstat(fd, &info) == 0 && read(fd, &head, sizeof head) == (ssize_t)sizeof head;
    if (fd >= 0) close(fd);
    bool expired = known && head.hard_ms != 0 && head.hard_ms <= f->host.wall_ms(f->host.context);
    if (expire_physically && expired && i < limit && place_evict(f, &places[i], LARDER_EVICT_EXPIRED)) removed++;
    if (fd >= 0) seen.entries += 1;
    seen.bytes += info.st_size;
  }
  free(places);
  temporaries_remove(f);
  counted(f, seen.entries - before_entries, seen.bytes - before_bytes); /* what a killed process left uncounted */
  *removed_out = removed;
  return LARDER_OK;
}

static larder_err folder_flush(void *self) {
  folder *f = self;
  int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  larder_err result = fd >= 0 && syncfs(fd) == 0 ? LARDER_OK : LARDER_EIO;
  if (fd >= 0) close(fd);
  return result;
}

static larder_err folder_usage(void *self, uint32_t space, larder_tier_usage *out) {
  folder *f = self;
  place *places = NULL;
  size_t len = 0;
  larder_err result = places_read(f, space, 0, &places, &len);
  if (result != LARDER_OK) return result;
  *out = (larder_tier_usage){.bytes_max = f->bytes_max, .entries_max = f->entries_max};
  for (size_t i = 0; i < len; i++) {
    char path[PATH_ROOM];
    struct stat info;
    entry_path(f, places[i].space, places[i].hash, path);
    if (stat(path, &info) != 0) continue;
    out->entries++;
    out->bytes += (uint64_t)info.st_size;
    out->payload_bytes += (uint64_t)info.st_size > sizeof(entry_head) ? (uint64_t)info.st_size - sizeof(entry_head) : 0;
  }
  free(places);
  return LARDER_OK;
}

const larder_tier_ops folder_tier = {.name = "folder",
                                     .version = LARDER_TIER_VERSION,
                                     .capabilities = LARDER_TIER_SHARED | LARDER_TIER_ENUMERABLE,
                                     .open = folder_open,
                                     .close = folder_close,
                                     .abandon = folder_close,
                                     .bind = folder_bind,
                                     .get = folder_get,
                                     .release = folder_release,
                                     .write = folder_write,
                                     .scan = folder_scan,
                                     .forget_range = folder_forget_range,
                                     .sweep = folder_sweep,
                                     .flush = folder_flush,
                                     .usage = folder_usage};

/* --- a session with it ---------------------------------------------------------------------------------------------- */

#ifndef LARDER_EXAMPLE_NO_MAIN
#include <ftw.h>

static int path_remove(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)type, (void)walk;
  return remove(path);
}

static bool says(bool right, const char *what) {
  printf("%s %s\n", right ? "ok  " : "FAIL", what);
  return right;
}

static bool kept_is(larder_ns *ns, const char *key, const char *expected, const char *tier) {
  larder_value found = {0};
  larder_err result = larder_get(ns, key, strlen(key), NULL, &found);
  bool right = expected == NULL
                   ? result == LARDER_MISS
                   : result == LARDER_OK && found.len == strlen(expected) && memcmp(found.data, expected, found.len) == 0 &&
                         strncmp(found.tier, tier, strlen(tier)) == 0;
  larder_value_release(&found);
  return right;
}

static bool put_is_kept(larder_ns *ns, const char *key, const char *value) {
  return larder_put(ns, key, strlen(key), value, strlen(value), NULL) == LARDER_OK;
}

static bool usage_keep(void *context, const larder_tier_state *tier) {
  if (strncmp(tier->name, "folder", 6) == 0 && tier->usage_known) *(larder_tier_usage *)context = tier->usage;
  return true;
}

static bool limit_holds(larder *cache, larder_ns *ns) {
  larder_tier_usage usage = {0};
  for (int i = 0; i < 150; i++) {
    char key[32];
    snprintf(key, sizeof key, "many:%d", i);
    if (!put_is_kept(ns, key, "one of many")) return false;
  }
  return larder_tiers(cache, NULL, usage_keep, &usage) == LARDER_OK && usage.entries > 50 && usage.entries <= 100;
}

static larder_err session_open(const char *root, larder **cache, larder_ns **ns) {
  static const larder_tier_ops *const tiers[] = {&folder_tier, NULL};
  static const char config[] = "cache:\n"
                               "  namespaces:\n"
                               "    papers: {tiers: [memory, {folder: {path: box, max_entries: 100}}]}\n";
  larder_options options = {
      .size = sizeof options, .root = root, .config_text = config, .read_config_only_given = true, .extra_tiers = tiers};
  larder_error error = {0};
  larder_err result = larder_open(&options, cache, &error);
  if (result == LARDER_OK) result = larder_ns_open(*cache, "papers", ns, &error);
  if (result != LARDER_OK) fprintf(stderr, "custom_tier: %s\n", error.message);
  return result;
}

int main(void) {
  char root[] = "/tmp/larder-example-XXXXXX";
  larder *cache = NULL;
  larder_ns *ns = NULL;
  bool ok = mkdtemp(root) != NULL && session_open(root, &cache, &ns) == LARDER_OK;
  ok = ok && says(put_is_kept(ns, "a", "first") && put_is_kept(ns, "b", "second"), "two values are put");
  ok = ok && says(kept_is(ns, "a", "first", "memory"), "one comes back from memory");
  ok = ok && says(put_is_kept(ns, "a", "third") && kept_is(ns, "a", "third", ""), "it is overwritten");
  ok = ok && says(larder_delete(ns, "b", 1) == LARDER_OK && kept_is(ns, "b", NULL, ""), "the other is deleted");
  ok = ok && says(larder_close(&cache) == LARDER_OK && session_open(root, &cache, &ns) == LARDER_OK, "closed and opened again");
  ok = ok && says(kept_is(ns, "a", "third", "folder"), "what was kept comes from the folder");
  ok = ok && says(kept_is(ns, "b", NULL, ""), "what was deleted does not");
  ok = ok && says(limit_holds(cache, ns), "150 values more: at most 100 stay");
  ok = larder_close(&cache) == LARDER_OK && ok;
  nftw(root, path_remove, 8, FTW_DEPTH | FTW_PHYS);
  return ok ? 0 : 1;
}
#endif
