/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a durable entry: everything comes back, what is older reads as before, and nothing else is let through. */
#include "tier/facts_head.h"

#include "support/support.h"
#include <larder/larder.h>

static larder_facts everything(void) {
  return (larder_facts){.version = "v1",
                        .version_len = 2,
                        .meta = "m\0eta",
                        .meta_len = 5,
                        .tags = "\001a\003bcd",
                        .tags_len = 6,
                        .modified_ms = INT64_C(1700000000123),
                        .ns_version = 0x89abcdefu};
}

static void assert_same(const larder_facts *a, const larder_facts *b) {
  assert_int_equal(a->version_len, b->version_len);
  assert_int_equal(a->meta_len, b->meta_len);
  assert_int_equal(a->tags_len, b->tags_len);
  if (a->version_len > 0) assert_memory_equal(a->version, b->version, a->version_len);
  if (a->meta_len > 0) assert_memory_equal(a->meta, b->meta, a->meta_len);
  if (a->tags_len > 0) assert_memory_equal(a->tags, b->tags, a->tags_len);
  assert_int_equal(a->modified_ms, b->modified_ms);
  assert_int_equal(a->ns_version, b->ns_version);
}

static void any_part_may_be_missing(void **state) {
  (void)state;
  for (unsigned parts = 0; parts < 32; parts++) {
    larder_facts facts = everything();
    larder_facts back = {0};
    uint8_t *head;
    size_t len;
    if (!(parts & 1)) facts.version_len = 0;
    if (!(parts & 2)) facts.meta_len = 0;
    if (!(parts & 4)) facts.tags_len = 0;
    if (!(parts & 8)) facts.modified_ms = 0;
    if (!(parts & 16)) facts.ns_version = 0;
    assert_int_equal(lrd_facts_head_pack(&facts, &head, &len), LARDER_OK);
    assert_int_equal(len == 0, parts == 0);
    assert_true(lrd_facts_head_unpack(head, len, &back));
    assert_same(&facts, &back);
    lrd_dealloc(head);
  }
}

static void a_head_of_before_reads_as_before(void **state) {
  (void)state;
  static const uint8_t old[] = {2, 'v', '1', 1, 0, 'm', 1, 'a', 3, 'b', 'c', 'd'};
  larder_facts back = {.modified_ms = 7, .ns_version = 7};
  assert_true(lrd_facts_head_unpack(old, sizeof old, &back));
  assert_same(&back, &(larder_facts){
                         .version = "v1", .version_len = 2, .meta = "m", .meta_len = 1, .tags = "\001a\003bcd", .tags_len = 6});
}

static void what_is_cut_short_or_unknown_is_refused(void **state) {
  (void)state;
  larder_facts facts = everything();
  larder_facts back;
  uint8_t *head;
  size_t len;
  size_t const without = 3 + 2 + 5 + 6;
  assert_int_equal(lrd_facts_head_pack(&facts, &head, &len), LARDER_OK);
  for (size_t cut = 1; cut < len; cut++) {
    /* Cut between two tags, or before what is behind them, it is a whole head with less in it. */
    bool const whole = cut == 10 || cut == 12 || cut == without;
    assert_int_equal(lrd_facts_head_unpack(head, cut, &back), whole);
  }
  head[without + 1] |= 4; /* of a newer build */
  assert_false(lrd_facts_head_unpack(head, len, &back));
  head[without + 1] = 0;
  assert_false(lrd_facts_head_unpack(head, len, &back));
  assert_false(lrd_facts_head_unpack(head, without + 2, &back));
  lrd_dealloc(head);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_part_may_be_missing),
      cmocka_unit_test(a_head_of_before_reads_as_before),
      cmocka_unit_test(what_is_cut_short_or_unknown_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
