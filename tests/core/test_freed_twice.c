/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread may fork while another one changes what is kept; in the child that other thread is no more, and closing the cache
 * there frees what is kept. So at no moment may that be what was freed already: each free, and each realloc, is looked at.
 */
#include "support/support.h"

#include "agent/agent_inner.h"
#include "base/bytes.h"
#include "tier/memory/shadow.h"

static const larder_agent *agent_seen;
static const lrd_shadow *shadow_seen;
static unsigned freed; /* that somebody was seen with */

static void freeing(const void *ptr) {
  if (ptr == NULL || (agent_seen == NULL && shadow_seen == NULL)) return;
  freed++;
  if (agent_seen) assert_ptr_not_equal(agent_seen->learned, ptr);
  if (shadow_seen) {
    assert_ptr_not_equal(shadow_seen->nodes, ptr);
    assert_ptr_not_equal(shadow_seen->buckets, ptr);
  }
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

static void what_an_agent_has_learned_is_replaced_first(void **state) {
  const larder_agent_options how = {.size = sizeof how};
  larder_agent *agent = NULL;
  void *data = NULL;
  size_t len = 0;
  (void)state;
  assert_ok(larder_agent_open(&how, &agent, NULL));
  assert_ok(larder_agent_save(agent, &data, &len));
  freed = 0;
  agent_seen = agent;
  assert_ok(larder_agent_load(agent, data, len, NULL));
  agent_seen = NULL;
  assert_int_equal(freed, 1);
  larder_agent_bytes_free(data);
  larder_agent_close(&agent);
}

static void the_nodes_of_a_shadow_are_replaced_first(void **state) {
  lrd_shadow shadow;
  (void)state;
  lrd_shadow_init(&shadow, 4 << 20);
  freed = 0;
  shadow_seen = &shadow;
  for (uint64_t i = 1; i <= 4000; i++) (void)lrd_shadow_access(&shadow, i * UINT64_C(0x9e3779b97f4a7c15), 1, 4000, 0);
  shadow_seen = NULL;
  assert_true(freed >= 4); /* both, more than once */
  assert_null(lrd_shadow_verify(&shadow));
  lrd_shadow_fini(&shadow);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_an_agent_has_learned_is_replaced_first),
      cmocka_unit_test(the_nodes_of_a_shadow_are_replaced_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
