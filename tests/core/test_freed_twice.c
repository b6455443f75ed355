/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread may fork while another one changes what is kept; in the child that other thread is no more, and closing the cache
 * there frees what is kept. So at no moment may that be what was freed already: each free, and each realloc, is looked at.
 */
#include "support/support.h"

#include "agent/agent_inner.h"
#include "base/bytes.h"
#include "predict/endpoints.h"
#include "tier/memory/ghost.h"
#include "tier/memory/memory_open.h"
#include "tier/memory/policy_row.h"
#include "tier/memory/shadow.h"
#include "tier/memory/sketch.h"
#include <stdio.h>

static const void *watched; /* NULL: nobody is */
static bool (*keeps)(const void *keeper, const void *ptr);
static unsigned freed; /* while somebody was watched */

static void watch(const void *keeper, bool (*how)(const void *keeper, const void *ptr)) {
  keeps = how;
  watched = keeper;
  freed = 0;
}

static void freeing(const void *ptr) {
  if (ptr == NULL || watched == NULL) return;
  freed++;
  assert_false(keeps(watched, ptr));
}

void __real_lrd_dealloc(void *ptr);
void *__real_lrd_realloc(void *ptr, size_t size);
void __wrap_lrd_dealloc(void *ptr);
void *__wrap_lrd_realloc(void *ptr, size_t size);

void __wrap_lrd_dealloc(void *ptr) {
  freeing(ptr);
  __real_lrd_dealloc(ptr);
}

void *__wrap_lrd_realloc(void *ptr, size_t size) {
  freeing(ptr);
  return __real_lrd_realloc(ptr, size);
}

static bool agent_keeps(const void *keeper, const void *ptr) { return ((const larder_agent *)keeper)->learned == ptr; }

static void what_an_agent_has_learned_is_replaced_first(void **state) {
  const larder_agent_options how = {.size = sizeof how};
  larder_agent *agent = NULL;
  void *data = NULL;
  size_t len = 0;
  (void)state;
  assert_ok(larder_agent_open(&how, &agent, NULL));
  assert_ok(larder_agent_save(agent, &data, &len));
  watch(agent, agent_keeps);
  assert_ok(larder_agent_load(agent, data, len, NULL));
  watched = NULL;
  assert_int_equal(freed, 1);
  larder_agent_bytes_free(data);
  larder_agent_close(&agent);
}

static uint64_t hash_of(uint64_t number) { return number * UINT64_C(0x9e3779b97f4a7c15); }

static bool shadow_keeps(const void *keeper, const void *ptr) {
  const lrd_shadow *shadow = keeper;
  return shadow->nodes == ptr || shadow->buckets == ptr;
}

static void the_nodes_of_a_shadow_are_replaced_first(void **state) {
  lrd_shadow shadow;
  (void)state;
  lrd_shadow_init(&shadow, 4 << 20);
  watch(&shadow, shadow_keeps);
  for (uint64_t i = 1; i <= 4000; i++) (void)lrd_shadow_access(&shadow, hash_of(i), 1, 4000, 0);
  watched = NULL;
  assert_true(freed >= 4); /* both, more than once */
  assert_null(lrd_shadow_verify(&shadow));
  lrd_shadow_fini(&shadow);
}

static bool ghost_keeps(const void *keeper, const void *ptr) { return ((const lrd_ghost *)keeper)->cells == ptr; }

static void the_cells_of_ghosts_are_replaced_first(void **state) {
  lrd_ghost ghost = {0};
  (void)state;
  watch(&ghost, ghost_keeps);
  for (uint64_t i = 1; i <= 4000; i++) lrd_ghost_add(&ghost, hash_of(i), i, true);
  watched = NULL;
  assert_true(freed >= 2);
  assert_true(lrd_ghost_take(&ghost, hash_of(4000), 4000));
  lrd_ghost_fini(&ghost);
}

static bool sketch_keeps(const void *keeper, const void *ptr) { return ((const lrd_sketch *)keeper)->table == ptr; }

static void the_table_of_a_sketch_is_replaced_first(void **state) {
  lrd_sketch sketch = {0};
  (void)state;
  watch(&sketch, sketch_keeps);
  for (uint64_t entries = 1; entries <= 1 << 16; entries *= 2) lrd_sketch_fit(&sketch, entries, 1 << 20);
  watched = NULL;
  assert_true(freed >= 2);
  lrd_sketch_fini(&sketch);
}

/* Its state begins with them. */
static bool lfu_keeps(const void *keeper, const void *ptr) {
  const lrd_policy_row *row = keeper;
  return *(void **)lrd_policy_state(row->policy) == ptr;
}

static uint64_t record_hash(void *context, const lrd_record *record) {
  (void)context;
  return hash_of(lrd_get_u32(lrd_record_key(record)));
}

static void the_counts_of_lfu_are_replaced_first(void **state) {
  lrd_policy_row row;
  (void)state;
  assert_ok(lrd_policy_row_init(
      &row, &(lrd_policy_row_options){.policy = "lfu", .records = 200, .key_len = 4, .room = 200, .hash_of = record_hash}));
  watch(&row, lfu_keeps);
  for (uint32_t i = 0; i < 200; i++) { /* each has a count of its own */
    uint32_t handle = lrd_policy_row_put(&row, i, 1);
    for (uint32_t times = i; times < 200; times++) lrd_policy_row_touch(&row, handle);
  }
  watched = NULL;
  assert_int_equal(freed, 4); /* 16, 32, 64, 128 of them */
  assert_null(lrd_policy_verify(row.policy));
  lrd_policy_row_fini(&row);
}

/* As memory_free goes over it. */
static bool memory_keeps(const void *keeper, const void *ptr) {
  const lrd_memory *memory = keeper;
  for (uint32_t i = 0; i < lrd_memory_shards(memory); i++) {
    const lrd_shard *shard = &memory->shards[i];
    if (shard->spaces == ptr) return true;
    for (uint32_t space = 0; space < shard->bound; space++)
      if (shard->spaces[space].policy == ptr) return true;
  }
  for (uint32_t i = 0; i < LRD_SPACE_CHUNK && atomic_load(&memory->spaces[0]); i++)
    if (lrd_memory_space(memory, i)->name == ptr) return true;
  return false;
}

static int64_t wall_ms(void *context) {
  (void)context;
  return 1000;
}

static larder_err bind(void *memory, unsigned number) {
  char name[16];
  uint32_t space;
  snprintf(name, sizeof name, "n%u", number);
  return lrd_memory_bind(memory, &(larder_tier_space){.name = name, .policy = number % 2 ? "lru" : "lfu"}, &space);
}

static void spaces_are_bound_anew_first(void **state) {
  const larder_tier_params params = {.size = sizeof params, .bytes_max = 8 << 20, .host = {.wall_ms = wall_ms}};
  void *memory = NULL;
  (void)state;
  assert_ok(lrd_memory_open(&params, &memory, NULL));
  watch(memory, memory_keeps);
  for (unsigned i = 0; i < 8; i++) assert_ok(bind(memory, i));
  assert_true(freed > 0);
  for (uint64_t fail = 1;; fail++) { /* a binding that failed half-way has left something, each time */
    support_alloc_fail_at(fail);
    larder_err err = bind(memory, 8);
    if (support_alloc_end() < fail) break;
    assert_err(err, LARDER_ENOMEM);
  }
  watched = NULL;
  assert_ok(bind(memory, 9));
  lrd_memory_close(memory);
}

static bool endpoints_keep(const void *keeper, const void *ptr) {
  const lrd_endpoints *endpoints = keeper;
  for (uint32_t i = 0; i < endpoints->slots; i++)
    if (endpoints->of[i].text == ptr) return true;
  return false;
}

static void endpoints_are_forgotten_first(void **state) {
  lrd_endpoints endpoints;
  (void)state;
  assert_ok(lrd_endpoints_init(&endpoints, 64));
  for (unsigned i = 0; i < 64; i++) {
    char text[16];
    uint32_t number;
    snprintf(text, sizeof text, "/%u", i);
    assert_ok(lrd_endpoints_add(&endpoints, text, strlen(text), &number));
    lrd_endpoints_count(&endpoints, number, i + 1, 1);
  }
  watch(&endpoints, endpoints_keep);
  lrd_endpoints_make_room(&endpoints);
  assert_int_equal(freed, 8);
  lrd_endpoints_clear(&endpoints);
  watched = NULL;
  assert_int_equal(freed, 64);
  lrd_endpoints_fini(&endpoints);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_an_agent_has_learned_is_replaced_first),
      cmocka_unit_test(the_nodes_of_a_shadow_are_replaced_first),
      cmocka_unit_test(the_cells_of_ghosts_are_replaced_first),
      cmocka_unit_test(the_table_of_a_sketch_is_replaced_first),
      cmocka_unit_test(the_counts_of_lfu_are_replaced_first),
      cmocka_unit_test(spaces_are_bound_anew_first),
      cmocka_unit_test(endpoints_are_forgotten_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
