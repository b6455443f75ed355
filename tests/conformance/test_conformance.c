/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite over every tier of the house, and over a fake that breaks the contract in one way after the other:
 * each way has to be caught by some check, and the whole fake by none. Without the second half the first would prove little.
 */
#include "conformance.h"
#include "faulty_tier.h"
#include "support/support.h"
#include "tier/files/files_tier.h"
#include "tier/memory/memory.h"
#include "tier/sqlite/sqlite_tier.h"
#include <stdio.h>

static void stands_every_check(const larder_tier_ops *ops) {
  unsigned failed = 0;
  for (size_t i = 0; i < conformance_checks_len; i++) {
    if (conformance_stands(ops, &conformance_checks[i], false)) continue;
    print_message("%s: %s\n", ops->name, conformance_checks[i].name);
    failed++;
  }
  assert_int_equal(failed, 0);
}

static void the_memory_tier_keeps_the_contract(void **state) {
  (void)state;
  stands_every_check(&lrd_memory_tier);
}

static void the_sqlite_tier_keeps_the_contract(void **state) {
  (void)state;
  stands_every_check(&lrd_sqlite_tier);
}

static void the_files_tier_keeps_the_contract(void **state) {
  (void)state;
  stands_every_check(&lrd_files_tier);
}

static void the_whole_fake_keeps_the_contract(void **state) {
  (void)state;
  faulty_tier_fault = FAULT_NONE;
  stands_every_check(&faulty_tier);
}

static void every_broken_fake_is_caught(void **state) {
  static const char *const names[] = {
#define FAULT_NAME(name) #name,
      FAULTS(FAULT_NAME)
#undef FAULT_NAME
  };
  (void)state;
  unsigned missed = 0;
  for (int fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
    bool caught = false;
    faulty_tier_fault = (tier_fault)fault;
    for (size_t i = 0; i < conformance_checks_len && !caught; i++)
      caught = !conformance_stands(&faulty_tier, &conformance_checks[i], true);
    if (!caught) {
      print_message("not caught: %s\n", names[fault]);
      missed++;
    }
  }
  faulty_tier_fault = FAULT_NONE;
  assert_int_equal(missed, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_whole_fake_keeps_the_contract),  cmocka_unit_test(every_broken_fake_is_caught),
      cmocka_unit_test(the_memory_tier_keeps_the_contract), cmocka_unit_test(the_sqlite_tier_keeps_the_contract),
      cmocka_unit_test(the_files_tier_keeps_the_contract),
  };
  return cmocka_run_group_tests_name("conformance", tests, NULL, NULL);
}
