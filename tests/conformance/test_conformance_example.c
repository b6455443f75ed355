/* SPDX-License-Identifier: Apache-2.0 */
/* The example of a tier of one's own keeps the contract that it is an example of. */
#include "conformance.h"
#include "support/support.h"

int example_main(void);
#define main example_main
#include "../../examples/custom_tier.c"
#undef main

static void the_example_keeps_the_contract(void **state) {
  (void)state;
  unsigned failed = 0;
  for (size_t i = 0; i < conformance_checks_len; i++) {
    if (conformance_stands(&folder_tier, &conformance_checks[i], false)) continue;
    print_message("%s: %s\n", folder_tier.name, conformance_checks[i].name);
    failed++;
  }
  assert_int_equal(failed, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_example_keeps_the_contract)};
  return cmocka_run_group_tests_name("conformance_example", tests, NULL, NULL);
}
