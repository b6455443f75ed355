/* SPDX-License-Identifier: Apache-2.0 */
/* A put that meets what changed since its key was put last: others that left, a block that is longer, tables that grow. */
#include "memory_fixture.h"

#include <stdio.h>
#include <string.h>

static const char *name_of(unsigned number) {
  static char name[16];
  (void)snprintf(name, sizeof name, "k%u", number);
  return name;
}

/* Where half of the entries were evicted by hash, a shadow that still has all of them finds less room, and may have the very
 * key go that is being put. */
static void a_put_over_the_next_to_go_where_there_is_less_room(void **state) {
  (void)state;
  for (unsigned by_count = 0; by_count < 2; by_count++) {
    unsigned over = 0;
    for (unsigned number = 0; number < 200; number++) {
      fixture fix;
      fixture_open(&fix, &(fixture_options){.policy = "adaptive",
                                            .options = "shards=1",
                                            .space_entries_max = by_count ? 100 : 0,
                                            .space_bytes_max = by_count ? 0 : 12000});
      for (unsigned i = 0; i < 200; i++) assert_int_equal(fixture_put(&fix, name_of(i), "value"), LARDER_OK);
      for (unsigned i = 0; i < 200; i += 2)
        (void)lrd_memory_evict_hash(fix.memory, fix.space, fixture_key(&fix, name_of(i)).hash);
      (void)lrd_memory_evict(fix.memory, fix.space, 1, NULL, 0);
      uint64_t entries = fixture_usage(&fix, fix.space).entries;
      if (fixture_has(&fix, name_of(number))) {
        assert_int_equal(fixture_put(&fix, name_of(number), "other"), LARDER_OK);
        assert_true(fixture_has(&fix, name_of(number)));
        assert_int_equal(fixture_usage(&fix, fix.space).entries, entries);
        fixture_check(&fix);
        over++;
      }
      fixture_close(&fix);
    }
    assert_true(over > 30);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_put_over_the_next_to_go_where_there_is_less_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
