/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room in a shard: blocks from the arena, evicting for them. Evictions come in small batches, because a retired block is
 * free only after a barrier, and one barrier for thirty costs what it costs for one. When there is enough room in sum but
 * no run is long enough, a run is cleared: the neighbours of the next victim go with it.
 */
#include "base/fail.h"

#include "shard.h"
#include <sys/mman.h>

#define ROOM_BATCH      32u /* blocks of the wanted size to evict at once */
#define ROOM_FOR_GHOSTS 40u /* part of a shard that is left for ghosts before there are any */
#define ROOM_HUGE_PAGE  (2u << 20)
#define ROOM_SCATTER    8u /* times the wanted size that may be evicted before a run is cleared */

/* Whom to evict from: the one who asks, unless others take more than it and it has less than a fair share. */
static uint32_t room_donor(const lrd_shard *shard, uint32_t asking) {
  uint32_t biggest = asking, present = 0;
  uint64_t total = 0;
  if (shard->spaces_len == 1) return asking;
  for (uint32_t i = 0; i < shard->spaces_len; i++) {
    const lrd_shard_space *space = &shard->spaces[i];
    if (space->entries == 0 && i != asking) continue;
    present++;
    total += space->bytes;
    if (space->bytes > shard->spaces[biggest].bytes) biggest = i;
  }
  uint64_t own = shard->spaces[asking].bytes;
  return own > 0 && own * present >= total ? asking : biggest;
}

/* Evicts for room about `bytes`, at least one record. False: there is nothing to evict. */
static bool room_evict(lrd_memory *memory, lrd_shard *shard, uint32_t space, uint64_t bytes, lrd_events *events) {
  uint64_t gone = 0, took;
  bool any = false;
  while (!any || (gone < bytes && !lrd_events_full(events))) {
    if (!lrd_shard_evict_next(memory, shard, room_donor(shard, space), LARDER_EVICT_CAPACITY, events, &took)) break;
    any = true;
    gone += took;
  }
  return any;
}

static uint64_t room_batch(const lrd_memory *memory, uint64_t bytes) {
  uint64_t batch = bytes * ROOM_BATCH, share = lrd_shard_quota(memory) / 64;
  if (batch > share) batch = share;
  return batch > bytes ? batch : bytes;
}

larder_err lrd_shard_fit(lrd_memory *memory, lrd_shard *shard, uint32_t space, uint64_t more, lrd_events *events) {
  if (lrd_shard_charge(shard) + more <= lrd_shard_quota(memory)) return LARDER_OK;
  (void)lrd_shard_reclaim(memory, shard, false);
  for (;;) {
    uint64_t charge = lrd_shard_charge(shard) + more, quota = lrd_shard_quota(memory);
    if (charge <= quota) return LARDER_OK;
    if (lrd_events_full(events)) return LARDER_EBUSY;
    if (more > quota) return LARDER_NOT_KEPT;
    uint64_t over = charge - quota;
    bool evicted = room_evict(memory, shard, space, over > more ? over : room_batch(memory, over), events);
    if (lrd_shard_reclaim(memory, shard, true) == 0 && !evicted) return LARDER_NOT_KEPT;
  }
}

bool lrd_shard_settled(lrd_memory *memory, lrd_shard *shard, uint32_t space, lrd_events *events) {
  return lrd_shard_fit(memory, shard, space, 0, events) != LARDER_EBUSY;
}

void lrd_shard_settle(lrd_memory *memory, lrd_shard *shard, uint32_t space, lrd_events *events) {
  for (bool settled = false; !settled;) {
    lrd_lock(&shard->lock);
    settled = lrd_shard_settled(memory, shard, space, events);
    lrd_unlock(&shard->lock);
    lrd_events_tell(memory, events);
  }
}

void *lrd_shard_filled_page(lrd_shard *shard) {
  const uint32_t units = ROOM_HUGE_PAGE / LRD_UNIT;
  if (shard->arena.top / units <= shard->huge) return NULL;
  return shard->arena.base + (size_t)shard->huge++ * ROOM_HUGE_PAGE;
}

/*
 * Records are read at random, so most reads pay for a page walk, which huge pages make rare. They are made behind the
 * arena's front, of pages that are in use already, so that they cost no memory. Where the kernel can't, nothing changes.
 */
void lrd_page_make_huge(void *page) {
#if defined(MADV_COLLAPSE)
  const int advice = MADV_COLLAPSE;
#else
  const int advice = 25; /* MADV_COLLAPSE, Linux 6.1; older C libraries lack the name, older kernels answer EINVAL */
#endif
  (void)madvise(page, ROOM_HUGE_PAGE, advice);
}

/* Whether a block can be cleared away. */
static bool run_may_go(const lrd_record *block, const lrd_held *held) {
  if (block->prev & LRD_BLOCK_FREE) return true;
  return !(block->next & LRD_BLOCK_PLAIN) && !lrd_block_pinned(block, held);
}

/* From `begin` on, the first run of `units` that can be cleared; 0: none before the end. */
static uint32_t run_find(const lrd_arena *arena, uint32_t begin, uint32_t units) {
  uint32_t run = 0;
  lrd_held held;
  lrd_epoch_held(&held);
  for (uint32_t at = begin; at; at = lrd_arena_after(arena, at)) {
    if (!run_may_go(lrd_arena_at(arena, at), &held)) {
      run = 0;
      continue;
    }
    if (run == 0) run = at;
    if (at + lrd_arena_block_units(arena, at) - run >= units) return run;
  }
  return run && arena->cap - run >= units ? run : 0;
}

static larder_err run_clear(lrd_memory *memory, lrd_shard *shard, uint32_t space, uint32_t units, lrd_events *events) {
  lrd_arena *arena = &shard->arena;
  lrd_policy *policy = shard->spaces[room_donor(shard, space)].policy;
  lrd_shard_drain(memory, shard);
  policy->room = lrd_policy_total(policy);
  uint32_t victim = policy->ops->victim(policy);
  uint32_t run = victim ? run_find(arena, victim, units) : 0;
  if (run == 0) run = run_find(arena, lrd_arena_first(arena), units);
  if (run == 0) return LARDER_NOT_KEPT;
  for (uint32_t at = run; at && at - run < units; at = lrd_arena_after(arena, at)) {
    const lrd_record *block = lrd_arena_at(arena, at);
    if (block->prev & (LRD_BLOCK_FREE | LRD_BLOCK_RETIRED)) continue;
    if (lrd_events_full(events)) return LARDER_EBUSY;
    lrd_shard_evict(memory, shard, at, LARDER_EVICT_CAPACITY, events);
  }
  (void)lrd_shard_reclaim(memory, shard, true);
  return LARDER_OK;
}

/*
 * What the arena may touch: its share less what the policies have allocated, or will when the first eviction makes a
 * ghost. So that not only the sums keep to the budget but the pages, too.
 */
static void room_follow(const lrd_memory *memory, lrd_shard *shard) {
  uint64_t apart = shard->policy_bytes ? shard->policy_bytes : memory->share / ROOM_FOR_GHOSTS;
  uint32_t cap = apart < memory->share ? (uint32_t)((memory->share - apart) / LRD_UNIT) : 0;
  shard->arena.cap = cap > shard->arena.top ? cap : shard->arena.top;
}

larder_err lrd_shard_alloc(lrd_memory *memory, lrd_shard *shard, uint32_t space, uint32_t units, lrd_events *events,
                           uint32_t *handle_out, uint32_t *got_out) {
  uint64_t bytes = (uint64_t)units * LRD_UNIT, scattered = 0;
  for (;;) {
    /* A block may come out a little longer than asked for. */
    larder_err fits = lrd_shard_fit(memory, shard, space, bytes + (LRD_BLOCK_MIN - 1) * LRD_UNIT, events);
    if (fits != LARDER_OK) return fits;
    room_follow(memory, shard);
    /* Who is about to clear a run must not overlook one that is there: it would find it cleared already, for ever. */
    bool scatter = scattered < bytes * ROOM_SCATTER;
    *handle_out =
        scatter ? lrd_arena_alloc(&shard->arena, units, got_out) : lrd_arena_alloc_surely(&shard->arena, units, got_out);
    if (*handle_out) return LARDER_OK;
    if (lrd_shard_reclaim(memory, shard, false) != 0) continue;
    if (lrd_events_full(events)) return LARDER_EBUSY;
    if (!scatter) {
      larder_err cleared = run_clear(memory, shard, space, units, events);
      if (cleared != LARDER_OK) return cleared;
      continue;
    }
    uint64_t batch = room_batch(memory, bytes);
    bool evicted = room_evict(memory, shard, space, batch, events);
    scattered += evicted ? batch : bytes * ROOM_SCATTER;
    if (lrd_shard_reclaim(memory, shard, true) == 0 && !evicted) return LARDER_NOT_KEPT;
  }
}

larder_err lrd_shard_index_room(lrd_memory *memory, lrd_shard *shard, uint32_t space, uint64_t hash, lrd_events *events) {
  size_t segment = lrd_index_segment(&memory->index, hash);
  for (;;) {
    uint32_t lines = lrd_index_wanted(&memory->index, segment), block, units;
    if (lines == 0) return LARDER_OK;
    if (lines > LRD_LINES_MAX) return LARDER_NOT_KEPT;
    larder_err made = lrd_shard_alloc(memory, shard, space, lrd_index_block_units(lines), events, &block, &units);
    if (made != LARDER_OK) return made;
    uint32_t left = lrd_index_rebuild(&memory->index, segment, &shard->arena, block, units, lines, lrd_memory_hash_of, memory);
    if (left) lrd_shard_retire(shard, left);
  }
}

void lrd_shard_index_shrink(lrd_memory *memory, lrd_shard *shard, size_t segment) {
  const lrd_segment *own = &memory->index.segments[segment];
  uint32_t lines = own->count / 7 + 1, units;
  if (own->lines < 8 || own->count * 10 / LRD_LANES > own->lines * 4 || lines * 2 > own->lines) return;
  uint64_t more = (uint64_t)(lrd_index_block_units(lines) + LRD_BLOCK_MIN - 1) * LRD_UNIT;
  if (lrd_shard_charge(shard) + more > lrd_shard_quota(memory)) (void)lrd_shard_reclaim(memory, shard, false);
  if (lrd_shard_charge(shard) + more > lrd_shard_quota(memory)) return;
  uint32_t block = lrd_arena_alloc(&shard->arena, lrd_index_block_units(lines), &units);
  if (block == 0) return;
  uint32_t left = lrd_index_rebuild(&memory->index, segment, &shard->arena, block, units, lines, lrd_memory_hash_of, memory);
  if (left) lrd_shard_retire(shard, left);
}

/* Visits a segment's entries of tags [first, last]; exact only if the range's ends are those of tags. */
typedef struct range_walk {
  lrd_memory *memory;
  lrd_shard *shard;
  uint64_t first;
  uint64_t last;
  bool whole_tags;
  lrd_range_visit visit;
  void *context;
} range_walk;

static void range_line(const range_walk *walk, lrd_line *line, uint32_t tag_first, uint32_t tag_last) {
  for (uint32_t lane = 0; lane < LRD_LANES; lane++) {
    uint64_t tags = atomic_load_explicit(&line->tags[lane / 4], memory_order_relaxed);
    uint32_t tag = (uint32_t)(tags >> (lane % 4 * 16) & 0xffff);
    if (tag < tag_first || tag > tag_last) continue;
    uint32_t handle = atomic_load_explicit(&line->handles[lane], memory_order_relaxed);
    if (handle == 0) continue;
    if (!walk->whole_tags) {
      uint64_t hash = lrd_memory_hash_of(walk->memory, lrd_arena_at(&walk->shard->arena, handle));
      if (hash < walk->first || hash > walk->last) continue;
    }
    walk->visit(walk->context, walk->memory, walk->shard, handle);
  }
}

static void range_segment(const range_walk *walk, size_t segment) {
  const lrd_index *index = &walk->memory->index;
  uint64_t entry = atomic_load_explicit(&index->directory[segment], memory_order_relaxed);
  if (entry == 0) return;
  lrd_line *lines = lrd_directory_lines(entry);
  uint32_t count = lrd_directory_count(entry);
  uint32_t low = segment == lrd_index_segment(index, walk->first) ? lrd_index_fraction(index, walk->first) : 0;
  uint32_t high = segment == lrd_index_segment(index, walk->last) ? lrd_index_fraction(index, walk->last) : UINT32_MAX;
  uint32_t begin = lrd_line_home(low, count), home_last = lrd_line_home(high, count), end = begin;
  for (uint32_t home = begin; home <= home_last; home++) {
    uint32_t reach = lrd_line_reach(atomic_load_explicit(&lines[home].tags[2], memory_order_relaxed));
    if (home + reach > end) end = home + reach;
  }
  if (end - begin >= count) end = begin + count - 1; /* every line, once */
  for (uint32_t at = begin; at <= end; at++) range_line(walk, &lines[at < count ? at : at - count], low >> 16, high >> 16);
}

void lrd_shard_each_in(lrd_memory *memory, lrd_shard *shard, uint64_t first, uint64_t last, lrd_range_visit visit,
                       void *context) {
  uint64_t below_tag = UINT64_MAX >> memory->index.bits >> 16;
  range_walk walk = {.memory = memory,
                     .shard = shard,
                     .first = first,
                     .last = last,
                     .whole_tags = (first & below_tag) == 0 && (last & below_tag) == below_tag,
                     .visit = visit,
                     .context = context};
  size_t number = (size_t)(shard - memory->shards), per_shard = (size_t)1 << (memory->index.bits - memory->shard_bits);
  size_t begin = lrd_index_segment(&memory->index, first), end = lrd_index_segment(&memory->index, last);
  if (begin < number * per_shard) begin = number * per_shard;
  if (end > number * per_shard + per_shard - 1) end = number * per_shard + per_shard - 1;
  for (size_t segment = begin; segment <= end && segment < (number + 1) * per_shard; segment++) range_segment(&walk, segment);
}
