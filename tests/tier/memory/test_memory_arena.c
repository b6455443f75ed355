/* SPDX-License-Identifier: Apache-2.0 */
/* The arena against a model: random allocations and frees, never overlapping, always consistent. */
#include "support/support.h"

#include "tier/memory/arena.h"
#include <stdlib.h>
#include <string.h>

enum { CAP_UNITS = 1 << 15, BLOCKS = 2000 };

typedef struct model_block {
  uint32_t handle;
  uint32_t units;
  uint8_t fill;
} model_block;

typedef struct model {
  lrd_arena arena;
  void *range;
  model_block blocks[BLOCKS];
  unsigned len;
  uint32_t random;
} model;

static void model_open(model *m, uint32_t cap) {
  memset(m, 0, sizeof *m);
  m->range = aligned_alloc(64, (size_t)cap * LRD_UNIT);
  assert_non_null(m->range);
  lrd_arena_init(&m->arena, m->range, cap);
  m->random = 7;
}

static uint32_t model_random(model *m) {
  m->random = m->random * 1664525 + 1013904223;
  return m->random >> 8;
}

typedef uint32_t (*model_way)(lrd_arena *arena, uint32_t units, uint32_t *got_units);

/* Every block is made plain, so that its size stands in it. */
static bool model_alloc_by(model *m, model_way way, uint32_t units) {
  uint32_t got = 0, handle = way(&m->arena, units, &got);
  if (handle == 0) return false;
  assert_in_range(got, units, units + LRD_BLOCK_MIN - 1);
  lrd_plain_block *block = (lrd_plain_block *)(void *)lrd_arena_at(&m->arena, handle);
  model_block *entry = &m->blocks[m->len++];
  *entry = (model_block){.handle = handle, .units = got, .fill = (uint8_t)model_random(m)};
  block->units = got;
  block->next = LRD_BLOCK_PLAIN;
  memset(block + 1, entry->fill, (size_t)got * LRD_UNIT - sizeof *block);
  return true;
}

static bool model_alloc(model *m, uint32_t units) { return model_alloc_by(m, lrd_arena_alloc, units); }

static void model_free(model *m, unsigned i) {
  const model_block *entry = &m->blocks[i];
  const uint8_t *bytes = (const uint8_t *)lrd_arena_at(&m->arena, entry->handle);
  for (size_t at = sizeof(lrd_plain_block); at < (size_t)entry->units * LRD_UNIT; at++)
    assert_int_equal(bytes[at], entry->fill);
  lrd_arena_free(&m->arena, entry->handle);
  m->blocks[i] = m->blocks[--m->len];
}

static void model_check(const model *m) {
  const char *wrong = lrd_arena_verify(&m->arena);
  if (wrong) fail_msg("%s", wrong);
  uint64_t used = 0;
  for (unsigned i = 0; i < m->len; i++) used += m->blocks[i].units;
  assert_int_equal(used, m->arena.used);
  assert_true(m->arena.top <= m->arena.cap);
}

static void random_blocks_never_overlap_and_sums_hold(void **state) {
  (void)state;
  model m;
  model_open(&m, CAP_UNITS);
  for (int i = 0; i < 60000; i++) {
    uint32_t kind = model_random(&m) % 16, units = 5 + model_random(&m) % 30;
    if (kind == 0) units = 5 + model_random(&m) % 1500;
    bool full = m.len == BLOCKS || (kind > 8 && m.len != 0);
    if (!full && !model_alloc(&m, units)) full = true;
    if (full && m.len) model_free(&m, model_random(&m) % m.len);
    if (i % 97 == 0) model_check(&m);
  }
  while (m.len) model_free(&m, model_random(&m) % m.len);
  model_check(&m);
  assert_int_equal(m.arena.used, 0);
  assert_int_equal(lrd_arena_first(&m.arena), 0); /* everything merged and given back to the top */
  free(m.range);
}

static void a_freed_size_is_found_again_exactly(void **state) {
  (void)state;
  model m;
  model_open(&m, 4096);
  while (model_alloc(&m, 18)) {
  }
  unsigned full = m.len;
  uint32_t top = m.arena.top;
  for (int round = 0; round < 50; round++) {
    for (unsigned i = 0; i < 20; i++) model_free(&m, model_random(&m) % m.len);
    while (model_alloc(&m, 18)) {
    }
    assert_int_equal(m.len, full);
    assert_int_equal(m.arena.top, top);
  }
  model_check(&m);
  free(m.range);
}

static void a_remainder_too_short_for_a_block_stays_as_slack(void **state) {
  (void)state;
  model m;
  model_open(&m, 1024);
  assert_true(model_alloc(&m, 20));
  assert_true(model_alloc(&m, 20));
  model_free(&m, 0);
  assert_true(model_alloc(&m, 17)); /* 3 units over */
  assert_int_equal(m.blocks[m.len - 1].units, 20);
  model_check(&m);
  model_free(&m, m.len - 1);
  assert_true(model_alloc(&m, 15)); /* 5 over: a block of their own */
  assert_int_equal(m.blocks[m.len - 1].units, 15);
  model_check(&m);
  free(m.range);
}

static void more_than_there_is_is_refused(void **state) {
  (void)state;
  model m;
  model_open(&m, 256);
  assert_false(model_alloc(&m, 249));
  assert_true(model_alloc(&m, 248));
  assert_false(model_alloc(&m, 5));
  model_free(&m, 0);
  assert_true(model_alloc(&m, 248));
  model_check(&m);
  free(m.range);
}

/* 172 to 175 units are one class. */
static void a_run_behind_shorter_ones_of_its_class_is_overlooked_only_by_the_quick_way(void **state) {
  (void)state;
  model m;
  model_open(&m, 4096);
  for (unsigned i = 0; i < 6; i++) {
    assert_true(model_alloc(&m, i == 5 ? 175 : 172));
    assert_true(model_alloc(&m, 5));
  }
  assert_true(model_alloc(&m, m.arena.cap - m.arena.top));
  for (unsigned i = 12; i-- > 0;) {
    if (m.blocks[i].units >= 172 && m.blocks[i].units <= 175) model_free(&m, i);
  }
  assert_false(model_alloc(&m, 175));
  assert_true(model_alloc_by(&m, lrd_arena_alloc_surely, 175));
  assert_false(model_alloc_by(&m, lrd_arena_alloc_surely, 173));
  model_check(&m);
  free(m.range);
}

static void a_walk_meets_every_block_once(void **state) {
  (void)state;
  model m;
  model_open(&m, 4096);
  for (int i = 0; i < 60; i++) assert_true(model_alloc(&m, 5 + model_random(&m) % 40));
  for (int i = 0; i < 20; i++) model_free(&m, model_random(&m) % m.len);
  uint32_t met = 0, units = 0;
  for (uint32_t at = lrd_arena_first(&m.arena); at; at = lrd_arena_after(&m.arena, at)) {
    if (lrd_arena_at(&m.arena, at)->prev & LRD_BLOCK_FREE) continue;
    met++;
    units += lrd_arena_block_units(&m.arena, at);
  }
  assert_int_equal(met, m.len);
  assert_int_equal(units, m.arena.used);
  free(m.range);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_blocks_never_overlap_and_sums_hold),
      cmocka_unit_test(a_freed_size_is_found_again_exactly),
      cmocka_unit_test(a_remainder_too_short_for_a_block_stays_as_slack),
      cmocka_unit_test(more_than_there_is_is_refused),
      cmocka_unit_test(a_run_behind_shorter_ones_of_its_class_is_overlooked_only_by_the_quick_way),
      cmocka_unit_test(a_walk_meets_every_block_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
