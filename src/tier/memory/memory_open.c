/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, closing and binding. The number of shards and of segments follows from the budget alone, and everything
 * allocated here is charged to it before the arenas get the rest.
 */
#include "memory_open.h"
#include "base/fail.h"
#include "base/hash.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SHARD_BYTES_MIN   ((uint64_t)16 << 20) /* below twice this one shard is enough; fewer, and more of them is huge pages */
#define SHARD_BITS_USUAL  5u
#define SHARD_BITS_MAX    10u
#define SHARD_BYTES_MAX   ((uint64_t)LRD_HANDLE_MASK * LRD_UNIT)
#define SEGMENT_BYTES     ((uint64_t)256 << 10) /* of budget for each segment of the index */
#define SEGMENT_BITS_MAX  24u
#define INLINE_MAX        ((size_t)8 << 10)
#define HUGE_PAGE         ((size_t)2 << 20)
#define BUDGET_PER_STRIPE ((uint64_t)64 << 10)
#define STRIPES_MAX       64u

typedef struct open_options {
  uint32_t shards; /* 0: by the budget */
} open_options;

/* `name=value` lines. */
static larder_err options_parse(const char *text, open_options *out, larder_error *err) {
  while (text && *text) {
    size_t len = strcspn(text, "\n");
    if (len > 7 && memcmp(text, "shards=", 7) == 0) {
      char *end;
      unsigned long shards = strtoul(text + 7, &end, 10);
      if (end != text + len || shards == 0 || shards > 1u << SHARD_BITS_MAX || (shards & (shards - 1)) != 0) {
        return lrd_fail(err, LARDER_EINVAL, 0, "memory", "shards=%.*s: expected a power of two up to %u", (int)(len - 7),
                        text + 7, 1u << SHARD_BITS_MAX);
      }
      out->shards = (uint32_t)shards;
    } else if (len != 0) {
      return lrd_fail(err, LARDER_EINVAL, 0, "memory", "unknown option \"%.*s\": the memory tier knows shards=N",
                      len > 100 ? 100 : (int)len, text);
    }
    text += len + (text[len] == '\n');
  }
  return LARDER_OK;
}

static uint32_t shard_bits_for(uint64_t budget, uint32_t asked) {
  if (asked) return (uint32_t)__builtin_ctz(asked);
  uint32_t bits = 0;
  while (bits < SHARD_BITS_USUAL && budget >> (bits + 1) >= SHARD_BYTES_MIN) bits++;
  while (bits < SHARD_BITS_MAX && budget >> bits > SHARD_BYTES_MAX) bits++;
  return bits;
}

static uint32_t segment_bits_for(uint64_t budget, uint32_t shard_bits) {
  uint32_t bits = shard_bits;
  while (bits < SEGMENT_BITS_MAX && budget >> (bits + 1) >= SEGMENT_BYTES) bits++;
  return bits;
}

/* Reserves the range of all arenas, aligned to what huge pages want. */
static larder_err range_reserve(lrd_memory *memory, uint64_t share, larder_error *err) {
  memory->shard_shift = 16;
  while ((uint64_t)1 << memory->shard_shift < share + 64) memory->shard_shift++;
  memory->shard_turn = memory->shard_bits + memory->shard_shift;
  memory->shard_mask = (uint64_t)(lrd_memory_shards(memory) - 1) << memory->shard_shift;
  memory->range_bytes = ((size_t)lrd_memory_shards(memory) << memory->shard_shift) + HUGE_PAGE;
  void *range = mmap(NULL, memory->range_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) {
    memory->range_bytes = 0;
    return lrd_fail(err, LARDER_ENOMEM, errno, "memory", "no address space for %llu bytes of memory: lower memory.size_mb",
                    (unsigned long long)memory->budget);
  }
  uintptr_t begin = ((uintptr_t)range + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
  uintptr_t end = (uintptr_t)range + memory->range_bytes;
  if (begin != (uintptr_t)range) (void)munmap(range, begin - (uintptr_t)range);
  memory->base = (uint8_t *)begin;
  memory->range_bytes = end - begin;
  return LARDER_OK;
}

static larder_err shards_init(lrd_memory *memory) {
  uint32_t count = lrd_memory_shards(memory);
  /* Lines of their own for the locks: aligned by hand, since the allocator seam knows only malloc's alignment. */
  void *raw = lrd_alloc_zero(1, count * sizeof(lrd_shard) + memory->stripes_len * sizeof(lrd_stripe) + 64);
  if (raw == NULL) return LARDER_ENOMEM;
  memory->raw = raw;
  memory->shards = (lrd_shard *)(((uintptr_t)raw + 63) & ~(uintptr_t)63);
  memory->stripes = (lrd_stripe *)(void *)(memory->shards + count);
  for (uint32_t i = 0; i < count; i++) lrd_mutex_init(&memory->shards[i].lock);
  return LARDER_OK;
}

static void arenas_init(lrd_memory *memory, uint64_t share) {
  for (uint32_t i = 0; i < lrd_memory_shards(memory); i++) {
    lrd_arena_init(&memory->shards[i].arena, memory->base + ((size_t)i << memory->shard_shift), (uint32_t)(share / LRD_UNIT));
  }
}

static lrd_memory *memory_new(const larder_tier_params *params, uint64_t budget, const open_options *options) {
  void *raw = lrd_alloc_zero(1, sizeof(lrd_memory) + 64);
  if (raw == NULL) return NULL;
  lrd_memory *memory = (lrd_memory *)(((uintptr_t)raw + 63) & ~(uintptr_t)63);
  memory->self_raw = raw;
  memory->magic = LRD_MEMORY_MAGIC;
  memory->host = params->host;
  memory->seed = params->seed;
  memory->budget = budget;
  memory->entries_max = params->entries_max;
  memory->shard_bits = shard_bits_for(budget, options->shards);
  memory->stripes_len = budget / BUDGET_PER_STRIPE < STRIPES_MAX ? (uint32_t)(budget / BUDGET_PER_STRIPE) : STRIPES_MAX;
  memory->pin_max = (int64_t)(budget / 2);
  memory->pin_chunk = (int64_t)(budget / 256);
  lrd_mutex_init(&memory->bind_lock);
  return memory;
}

static int64_t clock_wall_ms(void *context) { return lrd_wall_ms(context); }

larder_err lrd_memory_open(const larder_tier_params *params, void **self_out, larder_error *err) {
  open_options options = {0};
  uint64_t budget = params->bytes_max ? params->bytes_max : LRD_BYTES_DEFAULT;
  larder_err result = options_parse(params->options, &options, err);
  if (result != LARDER_OK) return result;
  if (budget < LRD_BYTES_MIN) {
    return lrd_fail(err, LARDER_EINVAL, 0, "memory", "%llu bytes are too few for a memory tier: give it at least %llu",
                    (unsigned long long)budget, (unsigned long long)LRD_BYTES_MIN);
  }
  lrd_epoch_init();
  lrd_memory *memory = memory_new(params, budget, &options);
  if (memory == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, "memory", "out of memory");
  if (memory->host.wall_ms == NULL) {
    memory->host.wall_ms = clock_wall_ms;
    memory->host.context = (void *)(uintptr_t)lrd_clock_real();
  }
  result = lrd_index_init(&memory->index, segment_bits_for(budget, memory->shard_bits));
  if (result == LARDER_OK) result = shards_init(memory);
  if (result != LARDER_OK) {
    (void)lrd_fail(err, result, 0, "memory", "out of memory");
    goto out;
  }
  uint64_t fixed = sizeof *memory + 64 + lrd_index_fixed_bytes(memory->index.bits) +
                   lrd_memory_shards(memory) * sizeof(lrd_shard) + memory->stripes_len * sizeof(lrd_stripe) + 64;
  uint64_t share = fixed < budget ? (budget - fixed) >> memory->shard_bits & ~(uint64_t)63 : 0;
  if (share < (LRD_BYTES_MIN >> 2)) {
    result = lrd_fail(err, LARDER_EINVAL, 0, "memory", "%llu bytes are too few for %u shards", (unsigned long long)budget,
                      lrd_memory_shards(memory));
    goto out;
  }
  memory->share = share;
  memory->inline_max = share / 16 < INLINE_MAX ? (size_t)(share / 16) : INLINE_MAX;
  atomic_store(&memory->apart, fixed);
  result = range_reserve(memory, share, err);
  if (result != LARDER_OK) goto out;
  arenas_init(memory, share);
  *self_out = memory;
  memory = NULL;
out:
  if (memory) lrd_memory_close(memory);
  return result;
}

/* The large values that records own. */
static void shard_free_large(lrd_shard *shard) {
  for (uint32_t at = lrd_arena_first(&shard->arena); at; at = lrd_arena_after(&shard->arena, at)) {
    const lrd_record *record = lrd_arena_at(&shard->arena, at);
    if (record->prev & LRD_BLOCK_FREE || record->next & LRD_BLOCK_PLAIN || !(record->shape & LRD_SHAPE_LARGE)) continue;
    lrd_dealloc((void *)(uintptr_t)lrd_record_value(record).data);
  }
}

static void memory_free(lrd_memory *memory) {
  for (uint32_t i = 0; memory->shards && i < lrd_memory_shards(memory); i++) {
    lrd_shard *shard = &memory->shards[i];
    for (uint32_t space = 0; space < shard->bound; space++) lrd_policy_free(shard->spaces[space].policy);
    lrd_dealloc(shard->spaces);
  }
  if (memory->range_bytes) (void)munmap(memory->base, memory->range_bytes);
  for (uint32_t i = 0; i < LRD_SPACES_MAX / LRD_SPACE_CHUNK; i++) {
    lrd_space *spaces = atomic_load(&memory->spaces[i]);
    for (uint32_t j = 0; spaces && j < LRD_SPACE_CHUNK; j++) lrd_dealloc(spaces[j].name);
    lrd_dealloc(atomic_load(&memory->space_chunks[i]));
  }
  lrd_index_fini(&memory->index);
  lrd_dealloc(memory->raw);
  memory->magic = 0;
  lrd_dealloc(memory->self_raw);
}

void lrd_memory_close(void *self) {
  lrd_memory *memory = lrd_memory_of(self);
  for (uint32_t i = 0; memory->range_bytes && i < lrd_memory_shards(memory); i++) shard_free_large(&memory->shards[i]);
  memory_free(memory);
}

void lrd_memory_abandon(void *self) {
  /* Another thread of the parent may have been inside an arena, so the large values in it are not looked for. */
  memory_free(lrd_memory_of(self));
}

/* Spaces of the same policy go shares, before the new one has anything. */
static void shard_share(const lrd_shard *shard, const lrd_policy_ops *ops) {
  uint32_t among = 0;
  for (uint32_t i = 0; i < shard->bound; i++) among += shard->spaces[i].policy->ops == ops;
  for (uint32_t i = 0; ops->share && i < shard->bound; i++)
    if (shard->spaces[i].policy->ops == ops) ops->share(shard->spaces[i].policy, among);
}

/* Makes the space known to one shard. */
static larder_err shard_bind(lrd_memory *memory, lrd_shard *shard, uint32_t number, const lrd_space *space) {
  larder_err result = LARDER_ENOMEM;
  bool by_count = space->entries_max != 0 || (space->bytes_max == 0 && memory->entries_max != 0);
  uint64_t most = space->entries_max ? space->entries_max : by_count ? memory->entries_max : space->bytes_max;
  lrd_policy *policy = lrd_policy_new(space->policy, &shard->arena, lrd_memory_hash_of, memory, &shard->policy_bytes, by_count,
                                      most ? most >> memory->shard_bits : memory->share);
  lrd_shard_space *spaces = policy ? lrd_alloc((number + 1) * sizeof *spaces) : NULL, *before = NULL;
  lrd_lock(&shard->lock);
  if (spaces) {
    lrd_policy *failed = shard->bound > number ? shard->spaces[number].policy : NULL; /* of a binding that failed half-way */
    before = shard->spaces;
    if (number > 0) memcpy(spaces, before, number * sizeof *spaces);
    spaces[number] = (lrd_shard_space){.policy = policy};
    shard->spaces = spaces;
    shard->bound = number + 1;
    policy = failed;
    result = LARDER_OK;
    shard_share(shard, space->policy);
  }
  lrd_unlock(&shard->lock);
  lrd_dealloc(before); /* last: what a thread forks meanwhile frees them, too */
  lrd_policy_free(policy);
  return result;
}

static larder_err space_make(lrd_memory *memory, uint32_t number, const larder_tier_space *asked,
                             const lrd_policy_ops *policy) {
  _Atomic(lrd_space *) *chunk = &memory->spaces[number / LRD_SPACE_CHUNK];
  uint64_t cost = (sizeof(lrd_policy) + policy->state_size + sizeof(lrd_shard_space)) << memory->shard_bits;
  if (atomic_load(chunk) == NULL) {
    void *raw = lrd_alloc_zero(1, LRD_SPACE_CHUNK * sizeof(lrd_space) + 64);
    if (raw == NULL) return LARDER_ENOMEM;
    atomic_store(&memory->space_chunks[number / LRD_SPACE_CHUNK], raw);
    atomic_store(chunk, (lrd_space *)(((uintptr_t)raw + 63) & ~(uintptr_t)63));
    cost += LRD_SPACE_CHUNK * sizeof(lrd_space) + 64;
  }
  lrd_space *space = lrd_memory_space(memory, number);
  char *name = lrd_strdup(asked->name), *before = space->name; /* of an attempt that failed */
  if (name == NULL) return LARDER_ENOMEM;
  space->name = name;
  lrd_dealloc(before); /* in that order: what a thread forks meanwhile frees it, too */
  space->seed = lrd_hash_seed_for(memory->seed, asked->name);
  space->policy = policy;
  space->bytes_max = asked->bytes_max;
  space->entries_max = asked->entries_max;
  for (uint32_t i = 0; i < lrd_memory_shards(memory); i++) {
    larder_err result = shard_bind(memory, &memory->shards[i], number, space);
    if (result != LARDER_OK) return result;
  }
  for (uint32_t i = 0; i < lrd_memory_shards(memory); i++) {
    lrd_lock(&memory->shards[i].lock);
    memory->shards[i].spaces_len = number + 1;
    lrd_unlock(&memory->shards[i].lock);
  }
  atomic_fetch_add(&memory->apart, cost);
  return LARDER_OK;
}

/* The table of spaces was charged: shards that were full to the brim give up a little. */
static void bind_fit(lrd_memory *memory) {
  lrd_events events = {0};
  for (uint32_t i = 0; i < lrd_memory_shards(memory); i++) {
    lrd_shard *shard = &memory->shards[i];
    larder_err result;
    do {
      lrd_lock(&shard->lock);
      result = lrd_shard_fit(memory, shard, 0, 0, &events);
      lrd_unlock(&shard->lock);
      lrd_events_tell(memory, &events);
    } while (result == LARDER_EBUSY);
  }
}

larder_err lrd_memory_bind(void *self, const larder_tier_space *asked, uint32_t *space_out) {
  lrd_memory *memory = lrd_memory_of(self);
  const lrd_policy_ops *policy = lrd_policy_find(asked->policy);
  if (policy == NULL || asked->name == NULL) return LARDER_EINVAL;
  lrd_lock(&memory->bind_lock);
  larder_err result = LARDER_OK;
  uint32_t count = atomic_load(&memory->spaces_len), number = 0;
  while (number < count && strcmp(lrd_memory_space(memory, number)->name, asked->name) != 0) number++;
  if (number == count) {
    result = count < LRD_SPACES_MAX ? space_make(memory, number, asked, policy) : LARDER_ETOOBIG;
    if (result == LARDER_OK) atomic_store_explicit(&memory->spaces_len, count + 1, memory_order_release);
  }
  lrd_unlock(&memory->bind_lock);
  if (result != LARDER_OK) return result;
  if (number == count) bind_fit(memory);
  *space_out = number;
  return LARDER_OK;
}
