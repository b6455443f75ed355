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
      cmocka_unit_test(endpoints_are_forgotten_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
