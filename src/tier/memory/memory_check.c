/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consistency of a shard: arena, index, policies and sums must tell the same story. Memory has no checksums to
 * verify; what is checked is that no entry is lost, doubled or counted wrongly.
 */
#include "memory_open.h"

typedef struct check_run {
  lrd_memory *memory;
  lrd_shard *shard;
  larder_tier_report *report;
  larder_tier_finding finding;
  void *context;
  uint64_t in_index;
  uint64_t segments;
} check_run;

static void check_tell(check_run *run, const lrd_record *record, const char *sentence) {
  run->report->damaged++;
  if (run->finding == NULL) return;
  larder_tier_key key = {0};
  if (record) {
    key = (larder_tier_key){.data = lrd_record_key(record), .len = lrd_record_key_len(record), .space = record->space};
  }
  run->finding(run->context, record ? &key : NULL, sentence);
}

/* An entry of the index: its record is live, and the index finds it by its key. */
static void check_entry(check_run *run, size_t segment, uint32_t handle, uint32_t tag) {
  const lrd_record *record = lrd_arena_at(&run->shard->arena, handle);
  run->in_index++;
  run->report->examined++;
  if (record->prev & (LRD_BLOCK_FREE | LRD_BLOCK_RETIRED) || record->next & LRD_BLOCK_PLAIN) {
    check_tell(run, NULL, "the index names a block that is no live record");
    return;
  }
  if (record->space >= run->shard->spaces_len) {
    check_tell(run, NULL, "a record's space is unknown");
    return;
  }
  uint64_t hash = lrd_memory_hash_of(run->memory, record);
  lrd_place place;
  bool found = lrd_index_find(&run->memory->index, &run->shard->arena, hash, record->space, lrd_record_key(record),
                              lrd_record_key_len(record), &place);
  if (lrd_index_segment(&run->memory->index, hash) != segment || lrd_index_fraction(&run->memory->index, hash) >> 16 != tag) {
    check_tell(run, record, "an entry stands in the wrong place of the index");
  } else if (!found || place.handle != handle) {
    check_tell(run, record, "an entry is not found by its key, or is there twice");
  }
}

static void check_index(check_run *run) {
  lrd_index *index = &run->memory->index;
  size_t per_shard = (size_t)1 << (index->bits - run->memory->shard_bits);
  size_t begin = (size_t)(run->shard - run->memory->shards) * per_shard;
  for (size_t segment = begin; segment < begin + per_shard; segment++) {
    uint64_t entry = atomic_load_explicit(&index->directory[segment], memory_order_relaxed), before = run->in_index;
    if (entry == 0) continue;
    run->segments++;
    lrd_line *lines = lrd_directory_lines(entry);
    if (lrd_directory_count(entry) != index->segments[segment].lines) check_tell(run, NULL, "a segment's size is wrong");
    for (uint32_t i = 0; i < index->segments[segment].lines; i++) {
      uint64_t last = atomic_load_explicit(&lines[i].tags[2], memory_order_relaxed);
      for (uint32_t lane = 0; lane < LRD_LANES; lane++) {
        uint32_t handle = atomic_load_explicit(&lines[i].handles[lane], memory_order_relaxed);
        if ((handle != 0) != ((last >> (48 + lane) & 1) != 0)) check_tell(run, NULL, "a lane's mark is wrong");
        uint64_t tags = atomic_load_explicit(&lines[i].tags[lane / 4], memory_order_relaxed);
        if (handle) check_entry(run, segment, handle, (uint32_t)(tags >> (lane % 4 * 16) & 0xffff));
      }
    }
    if (run->in_index - before != index->segments[segment].count) check_tell(run, NULL, "a segment's count is wrong");
  }
}

/* What lies in the arena: as many records as the index names, as much as the sums say. */
static void check_blocks(check_run *run) {
  const lrd_shard *shard = run->shard;
  uint64_t live = 0, plain = 0, retired = 0, bytes = 0, payload = 0, entries = 0, sum_bytes = 0, sum_payload = 0;
  for (uint32_t at = lrd_arena_first(&shard->arena); at; at = lrd_arena_after(&shard->arena, at)) {
    const lrd_record *block = lrd_arena_at(&shard->arena, at);
    if (block->prev & LRD_BLOCK_FREE) continue;
    if (block->prev & LRD_BLOCK_RETIRED) {
      retired++;
    } else if (block->next & LRD_BLOCK_PLAIN) {
      plain++;
    } else {
      live++;
      bytes += lrd_record_charge(block);
      payload += lrd_record_key_len(block) + lrd_record_value(block).len;
    }
  }
  for (uint32_t i = 0; i < shard->spaces_len; i++) {
    entries += shard->spaces[i].entries;
    sum_bytes += shard->spaces[i].bytes;
    sum_payload += shard->spaces[i].payload;
    if (lrd_policy_count(shard->spaces[i].policy) != shard->spaces[i].entries) {
      check_tell(run, NULL, "a policy knows another number of entries than its space");
    }
  }
  if (live != run->in_index || live != entries) check_tell(run, NULL, "arena, index and spaces count differently");
  if (plain != run->segments) check_tell(run, NULL, "the index has lost or doubled a segment");
  if (retired != (uint64_t)shard->fresh.count + shard->waiting.count + shard->pinned.count) {
    check_tell(run, NULL, "a retired block waits nowhere");
  }
  if (bytes != sum_bytes || payload != sum_payload) check_tell(run, NULL, "a space's bytes do not add up");
}

static void check_shard(check_run *run) {
  lrd_shard *shard = run->shard;
  lrd_shard_drain(run->memory, shard);
  const char *wrong = lrd_arena_verify(&shard->arena);
  if (wrong) {
    check_tell(run, NULL, wrong);
    return;
  }
  uint64_t policy_bytes = 0;
  for (uint32_t i = 0; i < shard->spaces_len; i++) {
    wrong = lrd_policy_verify(shard->spaces[i].policy);
    if (wrong) check_tell(run, NULL, wrong);
    policy_bytes += shard->spaces[i].policy->bytes;
  }
  if (policy_bytes != shard->policy_bytes) check_tell(run, NULL, "the policies' bytes do not add up");
  if (lrd_shard_charge(shard) > lrd_shard_quota(run->memory)) check_tell(run, NULL, "a shard is over its quota");
  check_index(run);
  check_blocks(run);
}

larder_err lrd_memory_check(void *self, bool repair, larder_tier_report *out, larder_tier_finding finding,
                            larder_tier_judge judge, void *context) {
  (void)judge;  /* no frame ever comes here */
  (void)repair; /* a process whose memory is damaged can't be mended from inside */
  lrd_memory *memory = lrd_memory_of(self);
  *out = (larder_tier_report){0};
  for (uint32_t i = 0; i < lrd_memory_shards(memory); i++) {
    check_run run = {.memory = memory, .shard = &memory->shards[i], .report = out, .finding = finding, .context = context};
    lrd_lock(&run.shard->lock);
    check_shard(&run);
    lrd_unlock(&run.shard->lock);
  }
  return LARDER_OK;
}
