/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's side of the index. An entry is published by its handle first and its tag second, so a reader that sees the
 * tag sees the handle; a stale tag over an empty lane is harmless, since keys are compared. An entry that finds its home
 * full goes to the next line with a free lane, and the home's reach is raised to it.
 */
#include "index.h"
#include "base/fail.h"

#define LINE_TAKEN_SHIFT 48
#define LINE_REACH_SHIFT 32

size_t lrd_index_fixed_bytes(uint32_t bits) {
  return ((size_t)1 << bits) * (sizeof(_Atomic uint64_t) + sizeof(lrd_segment)) + 2 * 16;
}

larder_err lrd_index_init(lrd_index *index, uint32_t bits) {
  *index = (lrd_index){.bits = bits, .mask = ((uint64_t)1 << bits) - 1};
  index->directory = lrd_alloc_zero((size_t)1 << bits, sizeof *index->directory);
  index->segments = lrd_alloc_zero((size_t)1 << bits, sizeof *index->segments);
  if (index->directory && index->segments) return LARDER_OK;
  lrd_index_fini(index);
  return LARDER_ENOMEM;
}

void lrd_index_fini(lrd_index *index) {
  lrd_dealloc(index->directory);
  lrd_dealloc(index->segments);
  *index = (lrd_index){0};
}

static uint64_t index_entry(const lrd_index *index, size_t segment) {
  return atomic_load_explicit(&index->directory[segment], memory_order_relaxed);
}

static uint32_t line_taken(const lrd_line *line) {
  return (uint32_t)(atomic_load_explicit(&line->tags[2], memory_order_relaxed) >> LINE_TAKEN_SHIFT);
}

bool lrd_index_find(const lrd_index *index, const lrd_arena *arena, uint64_t hash, uint32_t space, const void *key,
                    size_t key_len, lrd_place *out) {
  uint64_t entry = index_entry(index, lrd_index_segment(index, hash));
  if (entry == 0) return false;
  lrd_line *lines = lrd_directory_lines(entry);
  uint32_t count = lrd_directory_count(entry), fraction = lrd_index_fraction(index, hash);
  uint32_t at = lrd_line_home(fraction, count), reach = 0;
  for (uint32_t strayed = 0; strayed <= reach; strayed++) {
    uint64_t last;
    uint64_t match = lrd_line_match(&lines[at], fraction >> 16, &last);
    if (strayed == 0) reach = lrd_line_reach(last);
    while (match) {
      uint32_t lane = lrd_match_lane(&match);
      uint32_t handle = atomic_load_explicit(&lines[at].handles[lane], memory_order_relaxed);
      if (handle == 0) continue;
      const lrd_record *record = lrd_arena_at(arena, handle);
      if (lrd_record_key_len(record) != key_len || record->space != space) continue;
      if (memcmp(lrd_record_key(record), key, key_len) != 0) continue;
      *out = (lrd_place){.line = &lines[at], .lane = lane, .handle = handle};
      return true;
    }
    if (++at == count) at = 0;
  }
  return false;
}

bool lrd_index_find_handle(const lrd_index *index, uint64_t hash, uint32_t handle, lrd_place *out) {
  uint64_t entry = index_entry(index, lrd_index_segment(index, hash));
  if (entry == 0) return false;
  lrd_line *lines = lrd_directory_lines(entry);
  uint32_t count = lrd_directory_count(entry);
  uint32_t at = lrd_line_home(lrd_index_fraction(index, hash), count), reach = 0;
  for (uint32_t strayed = 0; strayed <= reach; strayed++) {
    if (strayed == 0) reach = lrd_line_reach(atomic_load_explicit(&lines[at].tags[2], memory_order_relaxed));
    for (uint32_t lane = 0; lane < LRD_LANES; lane++) {
      if (atomic_load_explicit(&lines[at].handles[lane], memory_order_relaxed) != handle) continue;
      *out = (lrd_place){.line = &lines[at], .lane = lane, .handle = handle};
      return true;
    }
    if (++at == count) at = 0;
  }
  return false;
}

/* Up to 7/8 full; a few lines may be full to the last lane. */
static uint32_t lines_room(uint32_t lines) { return lines < 8 ? lines * LRD_LANES : lines * LRD_LANES / 8 * 7; }

uint32_t lrd_index_wanted(const lrd_index *index, size_t segment) {
  const lrd_segment *own = &index->segments[segment];
  uint32_t lines = own->lines;
  if (own->count < lines_room(lines)) return 0;
  while (own->count >= lines_room(lines)) lines += lines < 16 ? 1 : lines / 8;
  return lines;
}

/* Puts a tag and a handle into the first free lane from home on; the reach follows. Readers may be looking. */
static void lines_place(lrd_line *lines, uint32_t count, uint32_t home, uint32_t tag, uint32_t handle) {
  uint32_t at = home, strayed = 0;
  while (line_taken(&lines[at]) == (1u << LRD_LANES) - 1) {
    strayed++;
    if (++at == count) at = 0;
    LRD_ASSERT(strayed < count);
  }
  lrd_line *line = &lines[at];
  uint32_t lane = (uint32_t)__builtin_ctz(~line_taken(line));
  atomic_store_explicit(&line->handles[lane], handle, memory_order_release);
  _Atomic uint64_t *word = &line->tags[lane / 4];
  uint32_t shift = lane % 4 * 16;
  uint64_t tags = atomic_load_explicit(word, memory_order_relaxed);
  atomic_store_explicit(word, (tags & ~(UINT64_C(0xffff) << shift)) | (uint64_t)tag << shift, memory_order_release);
  uint64_t last = atomic_load_explicit(&line->tags[2], memory_order_relaxed);
  atomic_store_explicit(&line->tags[2], last | (uint64_t)1 << (LINE_TAKEN_SHIFT + lane), memory_order_release);
  last = atomic_load_explicit(&lines[home].tags[2], memory_order_relaxed);
  if (lrd_line_reach(last) >= strayed) return;
  last = (last & ~(UINT64_C(0xffff) << LINE_REACH_SHIFT)) | (uint64_t)strayed << LINE_REACH_SHIFT;
  atomic_store_explicit(&lines[home].tags[2], last, memory_order_release);
}

static uint32_t line_tag(const lrd_line *line, uint32_t lane) {
  return (uint32_t)(atomic_load_explicit(&line->tags[lane / 4], memory_order_relaxed) >> (lane % 4 * 16) & 0xffff);
}

typedef struct index_move {
  const lrd_index *index;
  const lrd_arena *arena;
  lrd_hash_of hash_of;
  void *context;
} index_move;

/* The tag is the fraction's upper half: it tells the home unless a line begins amid what it covers. */
static uint32_t move_home(const index_move *move, uint32_t tag, uint32_t handle, uint32_t lines) {
  uint32_t low = lrd_line_home(tag << 16, lines), high = lrd_line_home(tag << 16 | 0xffff, lines);
  if (low == high) return low;
  uint64_t hash = move->hash_of(move->context, lrd_arena_at(move->arena, handle));
  return lrd_line_home(lrd_index_fraction(move->index, hash), lines);
}

uint32_t lrd_index_rebuild(lrd_index *index, size_t segment, const lrd_arena *arena, uint32_t block, uint32_t units,
                           uint32_t lines, lrd_hash_of hash_of, void *context) {
  index_move move = {.index = index, .arena = arena, .hash_of = hash_of, .context = context};
  lrd_segment *own = &index->segments[segment];
  lrd_plain_block *plain = (lrd_plain_block *)(void *)lrd_arena_at(arena, block);
  plain->units = units;
  plain->next = LRD_BLOCK_PLAIN;
  uintptr_t begin = ((uintptr_t)plain + sizeof *plain + 63) & ~(uintptr_t)63;
  lrd_line *fresh = (lrd_line *)begin;
  LRD_ASSERT(begin + lines * sizeof(lrd_line) <= (uintptr_t)plain + (size_t)units * LRD_UNIT && lines <= LRD_LINES_MAX);
  memset(fresh, 0, lines * sizeof *fresh);
  lrd_line *old = lrd_directory_lines(index_entry(index, segment));
  for (uint32_t i = 0; i < own->lines; i++) {
    for (uint32_t lane = 0; lane < LRD_LANES; lane++) {
      uint32_t handle = atomic_load_explicit(&old[i].handles[lane], memory_order_relaxed);
      if (handle == 0) continue;
      uint32_t tag = line_tag(&old[i], lane);
      lines_place(fresh, lines, move_home(&move, tag, handle, lines), tag, handle);
    }
  }
  atomic_store_explicit(&index->directory[segment], (uint64_t)begin | (uint64_t)lines << 48, memory_order_release);
  uint32_t left = own->handle;
  own->handle = block;
  own->lines = lines;
  return left;
}

void lrd_index_insert(lrd_index *index, uint64_t hash, uint32_t handle) {
  size_t segment = lrd_index_segment(index, hash);
  uint64_t entry = index_entry(index, segment);
  uint32_t fraction = lrd_index_fraction(index, hash), count = lrd_directory_count(entry);
  lines_place(lrd_directory_lines(entry), count, lrd_line_home(fraction, count), fraction >> 16, handle);
  index->segments[segment].count++;
}

void lrd_index_remove(lrd_index *index, uint64_t hash, const lrd_place *place) {
  atomic_store_explicit(&place->line->handles[place->lane], 0, memory_order_release);
  uint64_t last = atomic_load_explicit(&place->line->tags[2], memory_order_relaxed);
  atomic_store_explicit(&place->line->tags[2], last & ~((uint64_t)1 << (LINE_TAKEN_SHIFT + place->lane)), memory_order_release);
  index->segments[lrd_index_segment(index, hash)].count--;
}
