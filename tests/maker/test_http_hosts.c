/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets by host: rates that add up to the lowest, pauses, and how many hosts are remembered. */
#include "maker/http_hosts.h"

#include "support/support.h"
#include <stdio.h>

#define MS INT64_C(1000000)

typedef struct rig {
  lrd_clock_moved clock;
  lrd_http_hosts hosts;
} rig;

static void begin(rig *r) {
  lrd_clock_moved_init(&r->clock, 1000);
  lrd_http_hosts_init(&r->hosts, &r->clock.clock);
}

static void a_host_without_a_rate_is_free_until_it_asks(void **state) {
  (void)state;
  rig r;
  begin(&r);
  for (int i = 0; i < 100; i++) assert_int_equal(lrd_http_hosts_take(&r.hosts, "a:80"), 0);
  lrd_http_hosts_pause(&r.hosts, "a:80", 500 * MS);
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "a:80"), 500 * MS);
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "b:80"), 0);
  lrd_clock_moved_advance_ms(&r.clock, 500);
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "a:80"), 0);
  lrd_http_hosts_fini(&r.hosts);
}

static void the_lowest_rate_counts_for_all(void **state) {
  (void)state;
  rig r;
  begin(&r);
  assert_ok(lrd_http_hosts_limit(&r.hosts, "a:80", 10));
  assert_ok(lrd_http_hosts_limit(&r.hosts, "a:80", 2));
  assert_ok(lrd_http_hosts_limit(&r.hosts, "a:80", 5));
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "a:80"), 0);
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "a:80"), 500 * MS);
  lrd_http_hosts_fini(&r.hosts);
}

static void hosts_without_a_rate_give_way_to_others(void **state) {
  (void)state;
  rig r;
  char name[32];
  begin(&r);
  assert_ok(lrd_http_hosts_limit(&r.hosts, "limited:80", 1));
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "limited:80"), 0);
  int64_t const live = support_alloc_live();
  for (unsigned i = 0; i < 10 * LRD_HTTP_HOSTS_PLAIN; i++) {
    snprintf(name, sizeof name, "host-%u:80", i);
    assert_int_equal(lrd_http_hosts_take(&r.hosts, name), 0);
    lrd_http_hosts_pause(&r.hosts, name, 1000 * MS);
  }
  assert_int_equal(support_alloc_live(), live + LRD_HTTP_HOSTS_PLAIN);
  assert_int_equal(lrd_http_hosts_take(&r.hosts, name), 1000 * MS);         /* the last is there still */
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "host-0:80"), 0);          /* the first is forgotten */
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "limited:80"), 1000 * MS); /* what was configured is not */
  lrd_http_hosts_fini(&r.hosts);
}

static void without_memory_nobody_waits(void **state) {
  (void)state;
  rig r;
  begin(&r);
  support_alloc_fail_from(1);
  assert_int_equal(lrd_http_hosts_take(&r.hosts, "a:80"), 0);
  lrd_http_hosts_pause(&r.hosts, "a:80", MS);
  assert_err(lrd_http_hosts_limit(&r.hosts, "a:80", 1), LARDER_ENOMEM);
  (void)support_alloc_end();
  lrd_http_hosts_fini(&r.hosts);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_host_without_a_rate_is_free_until_it_asks), cmocka_unit_test(the_lowest_rate_counts_for_all),
      cmocka_unit_test(hosts_without_a_rate_give_way_to_others), cmocka_unit_test(without_memory_nobody_waits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
