/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer draws a number from its ring's counter and writes the place of that number: a nought, the words, then the number
 * and a sum over all. Nobody waits for anybody: where one writer is so slow that the ring has come round to its place, the sum
 * does not fit, and readers pass the place over. Words are atomic, so that reading while somebody writes is well defined.
 *
 *   0      head
 *   4096   rings, one after the other
 */
#include "events.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/path.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM       "events"
#define MAGIC      UINT64_C(0x3154564544524c)
#define FORMAT     2u
#define HEAD_BYTES 4096u
#define RARE       2048u /* places of the ring for what happens rarely */
#define OFTEN      6144u
#define WORDS      24u

typedef struct map_event {
  _Atomic uint64_t word[WORDS]; /* number + 1, sum, time, hash, what | pid, tier 2, text 17 */
} map_event;

typedef struct map_head {
  uint64_t magic;
  uint32_t format;
  uint32_t event_bytes;
  uint32_t places[2]; /* rare, often */
  char boot_id[LRD_BOOT_ID_ROOM];
  _Atomic uint64_t next[2];
} map_head;

struct lrd_events {
  uint8_t *map;
  map_head *head;
  map_event *ring[2];
  const lrd_clock *clock;
  int64_t pid;
  bool read_only;
};

#define MAP_BYTES (HEAD_BYTES + (RARE + OFTEN) * sizeof(map_event))
_Static_assert(sizeof(map_event) == 192 && sizeof(map_head) <= HEAD_BYTES, "the layout of the file");
_Static_assert(LRD_EVENT_TIER == 16 && LRD_EVENT_TEXT == 136, "the texts fill whole words");

static const struct {
  const char *name;
  unsigned often;
} kinds[LRD_EVENT_COUNT] = {
#define LRD_EVENT_ROW(constant, name, often, sentence) {name, often},
    LRD_EVENTS(LRD_EVENT_ROW)
#undef LRD_EVENT_ROW
};

static uint32_t places_of(unsigned ring) { return ring ? OFTEN : RARE; }

/* --- the file ---------------------------------------------------------------------------------------------------------- */

static bool head_right(const map_head *head, const char *boot_id) {
  return head->magic == MAGIC && head->format == FORMAT && head->event_bytes == sizeof(map_event) && head->places[0] == RARE &&
         head->places[1] == OFTEN && memcmp(head->boot_id, boot_id, LRD_BOOT_ID_ROOM) == 0;
}

static bool file_right(int fd, const char *boot_id) {
  map_head head;
  struct stat facts;
  size_t got = 0;
  return fstat(fd, &facts) == 0 && (uint64_t)facts.st_size == MAP_BYTES &&
         lrd_fs_read_full(fd, &head, sizeof head, 0, &got) == 0 && got == sizeof head && head_right(&head, boot_id);
}

/* One that is not of this boot and build is replaced. */
static int file_open(const char *path, bool read_only, const char *boot_id) {
  int fd = lrd_fs_open(path, (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW, 0);
  if (fd >= 0 && file_right(fd, boot_id)) return fd;
  lrd_fs_close(fd);
  if (read_only) return errno = ENOENT, -1;
  if (fd >= 0 && lrd_fs_unlink(path) != 0) return -1;
  fd = lrd_fs_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (fd < 0) return -1;
  map_head head = {.magic = MAGIC, .format = FORMAT, .event_bytes = sizeof(map_event), .places = {RARE, OFTEN}};
  memcpy(head.boot_id, boot_id, LRD_BOOT_ID_ROOM);
  if (lrd_fs_allocate(fd, path, (int64_t)MAP_BYTES) == 0 && lrd_fs_write_full(fd, path, &head, sizeof head, 0) == 0) return fd;
  int const why = errno;
  lrd_fs_close(fd);
  (void)lrd_fs_unlink(path);
  errno = why;
  return -1;
}

larder_err lrd_events_open(const char *root, bool read_only, const lrd_clock *clock, lrd_events **out, larder_error *err) {
  char boot_id[LRD_BOOT_ID_ROOM];
  larder_err result = LARDER_OK;
  lrd_events *events = lrd_alloc_zero(1, sizeof *events);
  char *path = lrd_path_join(root, LRD_EVENTS_FILE);
  if (!events || !path) {
    result = lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
    goto out;
  }
  lrd_boot_id(boot_id);
  int const fd = file_open(path, read_only, boot_id);
  events->map = fd < 0 ? NULL : lrd_fs_map(fd, path, MAP_BYTES, !read_only);
  int const why = errno;
  lrd_fs_close(fd);
  if (!events->map && read_only && why == ENOENT) {
    result = LARDER_MISS;
  } else if (!events->map) {
    result =
        lrd_fail(err, lrd_err_from_errno(why), why, ROOM, "cannot open %s; it may be deleted while nobody uses the root", path);
  } else {
    events->head = (map_head *)(void *)events->map;
    events->ring[0] = (map_event *)(void *)(events->map + HEAD_BYTES);
    events->ring[1] = events->ring[0] + RARE;
    events->clock = clock;
    events->pid = getpid();
    events->read_only = read_only;
    *out = events;
    events = NULL;
  }
out:
  lrd_dealloc(path);
  lrd_dealloc(events);
  return result;
}

void lrd_events_close(lrd_events *events) {
  if (!events) return;
  lrd_fs_unmap(events->map, MAP_BYTES);
  lrd_dealloc(events);
}

/* --- events ------------------------------------------------------------------------------------------------------------- */

/* Over the number and what follows the sum. */
static uint64_t sum_of(const uint64_t *words) {
  uint64_t parts[WORDS];
  memcpy(parts, words, sizeof parts);
  parts[1] = 0;
  return lrd_sum64(parts, sizeof parts);
}

static void text_put(uint64_t *to, size_t room, const char *text) {
  if (text) memcpy(to, text, strnlen(text, room - 1));
}

void lrd_events_note(lrd_events *events, uint64_t hash, lrd_event_what what, const char *tier, const char *text) {
  if (!events || events->read_only) return;
  unsigned const ring = kinds[what].often;
  uint64_t const number = atomic_fetch_add_explicit(&events->head->next[ring], 1, memory_order_relaxed);
  map_event *place = &events->ring[ring][number % places_of(ring)];
  uint64_t words[WORDS] = {number + 1, 0, (uint64_t)lrd_wall_ms(events->clock), hash,
                           (uint64_t)what << 32 | (uint32_t)events->pid};
  text_put(&words[5], LRD_EVENT_TIER, tier);
  text_put(&words[7], LRD_EVENT_TEXT, text);
  words[1] = sum_of(words);
  atomic_store_explicit(&place->word[0], 0, memory_order_relaxed);
  for (size_t i = 1; i < WORDS; i++) atomic_store_explicit(&place->word[i], words[i], memory_order_relaxed);
  atomic_store_explicit(&place->word[0], words[0], memory_order_release);
}

static bool event_read(const map_event *place, uint64_t hash, lrd_event *out) {
  uint64_t words[WORDS];
  words[0] = atomic_load_explicit(&place->word[0], memory_order_acquire);
  if (words[0] == 0 || atomic_load_explicit(&place->word[3], memory_order_relaxed) != hash) return false;
  for (size_t i = 1; i < WORDS; i++) words[i] = atomic_load_explicit(&place->word[i], memory_order_relaxed);
  if (words[1] != sum_of(words) || words[3] != hash || words[4] >> 32 >= LRD_EVENT_COUNT) return false;
  *out = (lrd_event){.number = words[0],
                     .wall_ms = (int64_t)words[2],
                     .hash = hash,
                     .what = (lrd_event_what)(words[4] >> 32),
                     .pid = (int64_t)(uint32_t)words[4]};
  memcpy(out->tier, &words[5], LRD_EVENT_TIER);
  memcpy(out->text, &words[7], LRD_EVENT_TEXT);
  out->tier[LRD_EVENT_TIER - 1] = out->text[LRD_EVENT_TEXT - 1] = 0;
  return true;
}

static int newest_first(const void *a, const void *b) {
  const lrd_event *x = a, *y = b;
  if (x->wall_ms != y->wall_ms) return x->wall_ms < y->wall_ms ? 1 : -1;
  return x->number < y->number ? 1 : x->number > y->number ? -1 : 0;
}

/* One more, in place of the oldest where there is no room. */
static size_t event_keep(lrd_event *out, size_t len, size_t room, const lrd_event *one) {
  if (len < room) {
    out[len] = *one;
    return len + 1;
  }
  size_t oldest = 0;
  for (size_t i = 1; i < len; i++) {
    if (newest_first(&out[i], &out[oldest]) > 0) oldest = i;
  }
  if (newest_first(one, &out[oldest]) < 0) out[oldest] = *one;
  return len;
}

size_t lrd_events_of(const lrd_events *events, uint64_t hash, lrd_event *out, size_t room) {
  size_t len = 0;
  lrd_event one;
  if (!events || room == 0) return 0;
  for (unsigned ring = 0; ring < 2; ring++) {
    for (uint32_t i = 0; i < places_of(ring); i++) {
      if (event_read(&events->ring[ring][i], hash, &one)) len = event_keep(out, len, room, &one);
    }
  }
  qsort(out, len, sizeof *out, newest_first);
  return len;
}

const char *lrd_event_name(lrd_event_what what) { return kinds[what].name; }
