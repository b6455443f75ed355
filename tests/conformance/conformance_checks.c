/* SPDX-License-Identifier: Apache-2.0 */
/* The checks. Each says in its name what every tier does. */
#include "conformance_rig.h"

#include "base/bytes.h"
#include "base/hash.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#define MANY 300u

static void number(char *out, size_t room, const char *stem, unsigned n) { (void)snprintf(out, room, "%s-%u", stem, n); }

static bool same_bytes(const void *a, size_t a_len, const void *b, size_t b_len) {
  return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void what_is_put_comes_back_with_its_facts(const larder_tier_ops *ops, const char *root) {
  rig r;
  larder_tier_entry entry;
  rig_open(&r, ops, root);
  larder_tier_write item = {.key = rig_key(&r, "key"),
                            .value = "the value",
                            .facts = {.stamp = 77,
                                      .expires_soft_ms = RIG_START_MS + 1000,
                                      .expires_hard_ms = RIG_START_MS + 2000,
                                      .value_len = 9,
                                      .kind = LARDER_KIND_JSON,
                                      .version = "v1",
                                      .version_len = 2,
                                      .meta = "m\0eta",
                                      .meta_len = 5,
                                      .tags = "\001a\003bcd",
                                      .tags_len = 6,
                                      .modified_ms = 1700000000123,
                                      .ns_version = 0x89abcdefu}};
  REQUIRE(rig_write(&r, &item) == LARDER_OK && !item.existed);
  for (int facts_only = 0; facts_only < 2; facts_only++) {
    REQUIRE(ops->get(r.self, &item.key, facts_only, NULL, &entry) == LARDER_OK);
    const larder_facts *f = &entry.facts;
    REQUIRE(f->stamp == 77 && f->value_len == 9 && f->kind == LARDER_KIND_JSON && !f->tombstone);
    REQUIRE(f->expires_soft_ms == RIG_START_MS + 1000 && f->expires_hard_ms == RIG_START_MS + 2000);
    REQUIRE(same_bytes(f->version, f->version_len, "v1", 2));
    REQUIRE(same_bytes(f->meta, f->meta_len, "m\0eta", 5));
    REQUIRE(same_bytes(f->tags, f->tags_len, "\001a\003bcd", 6));
    REQUIRE(f->modified_ms == 1700000000123);
    REQUIRE(!(ops->capabilities & LARDER_TIER_DURABLE) || f->ns_version == 0x89abcdefu);
    REQUIRE(facts_only ? entry.value == NULL : memcmp(entry.value, "the value", 9) == 0);
    ops->release(r.self, &entry);
  }
  rig_close(&r);
}

static bool frame_see(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  unsigned *seen = context;
  (void)key;
  (void)value;
  if (facts->framed) *seen += facts->raw_len == 70000;
  return true;
}

/* Private tiers are given none, and say of all they have that it is none. */
static void a_frame_keeps_its_mark_and_raw_length(const larder_tier_ops *ops, const char *root) {
  rig r;
  larder_tier_entry entry;
  rig_open(&r, ops, root);
  REQUIRE(rig_put(&r, "plain", "value", 10) == LARDER_OK);
  larder_tier_write item = {.key = rig_key(&r, "frame"), .value = "packed", .facts = rig_facts(10, 6)};
  larder_tier_write touch = {.verb = LARDER_TIER_TOUCH, .key = item.key, .facts = rig_facts(20, 0)};
  item.facts.framed = true;
  item.facts.raw_len = 70000;
  if (rig_shared(&r)) REQUIRE(rig_write(&r, &item) == LARDER_OK && rig_write(&r, &touch) == LARDER_OK);
  if (rig_can(&r, LARDER_TIER_DURABLE)) rig_reopen(&r);
  REQUIRE(rig_get(&r, "plain", &entry) == LARDER_OK);
  REQUIRE(!entry.facts.framed && entry.facts.raw_len == 5);
  ops->release(r.self, &entry);
  for (int facts_only = 0; facts_only < 2 && rig_shared(&r); facts_only++) {
    item.key = rig_key(&r, "frame");
    REQUIRE(ops->get(r.self, &item.key, facts_only, NULL, &entry) == LARDER_OK);
    REQUIRE(entry.facts.framed && entry.facts.raw_len == 70000 && entry.facts.value_len == 6 && entry.facts.stamp == 20);
    ops->release(r.self, &entry);
  }
  unsigned seen = 0;
  larder_tier_cursor cursor = {0};
  if (rig_can(&r, LARDER_TIER_ENUMERABLE) && rig_shared(&r))
    REQUIRE(ops->scan(r.self, r.space, &cursor, 100, false, frame_see, &seen) == LARDER_END && seen == 1);
  REQUIRE(rig_put(&r, "frame", "value", 30) == LARDER_OK && rig_get(&r, "frame", &entry) == LARDER_OK);
  REQUIRE(!entry.facts.framed && entry.facts.raw_len == 5);
  ops->release(r.self, &entry);
  rig_close(&r);
}

static void keys_and_values_of_every_size_are_kept(const larder_tier_ops *ops, const char *root) {
  static const size_t sizes[] = {0, 1, 63, 4096, 65535, 65536, 300000};
  rig r;
  char key[LARDER_KEY_MAX + 1];
  rig_open(&r, ops, root);
  char *value = malloc(300000);
  REQUIRE(value);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    larder_tier_entry entry;
    size_t key_len = i == 0 ? 1 : i == 1 ? LARDER_KEY_MAX : 10 * i;
    memset(key, 'a' + (int)i, key_len);
    key[key_len] = '\0';
    memset(value, (int)(i + 1), sizes[i]);
    larder_tier_write item = {.key = rig_key(&r, key), .value = value, .facts = rig_facts(5, sizes[i])};
    REQUIRE(rig_write(&r, &item) == LARDER_OK);
    REQUIRE(rig_get(&r, key, &entry) == LARDER_OK);
    REQUIRE(same_bytes(entry.value, (size_t)entry.facts.value_len, value, sizes[i]));
    ops->release(r.self, &entry);
    key[key_len - 1] = 'Z'; /* nearly the same key */
    REQUIRE(rig_shows(&r, key, NULL));
  }
  free(value);
  rig_close(&r);
}

static void the_newest_stamp_wins(const larder_tier_ops *ops, const char *root) {
  rig r;
  rig_open(&r, ops, root);
  REQUIRE(rig_put(&r, "k", "ten", 10) == LARDER_OK);
  larder_tier_write late = {.key = rig_key(&r, "k"), .value = "five", .facts = rig_facts(5, 4)};
  REQUIRE(rig_write(&r, &late) == LARDER_OLDER && late.stored_stamp == 10);
  REQUIRE(rig_shows(&r, "k", "ten"));
  larder_tier_write next = {.key = rig_key(&r, "k"), .value = "eleven", .facts = rig_facts(11, 6)};
  REQUIRE(rig_write(&r, &next) == LARDER_OK && next.existed);
  REQUIRE(rig_shows(&r, "k", "eleven"));
  rig_close(&r);
}

static void a_delete_is_told_and_remembered(const larder_tier_ops *ops, const char *root) {
  rig r;
  bool existed = true;
  rig_open(&r, ops, root);
  REQUIRE(rig_delete(&r, "k", 5, &existed) >= 0 && !existed);
  REQUIRE(rig_put(&r, "k", "ten", 10) == LARDER_OK);
  REQUIRE(rig_delete(&r, "k", 20, &existed) == LARDER_OK && existed);
  REQUIRE(rig_shows(&r, "k", NULL));
  if (rig_can(&r, LARDER_TIER_TOMBSTONES)) {
    larder_tier_write late = {.key = rig_key(&r, "k"), .value = "late", .facts = rig_facts(15, 4)};
    REQUIRE(rig_write(&r, &late) == LARDER_OLDER && late.stored_stamp == 20);
    REQUIRE(rig_shows(&r, "k", NULL));
    if (rig_can(&r, LARDER_TIER_DURABLE)) {
      rig_reopen(&r);
      late.key = rig_key(&r, "k");
      REQUIRE(rig_write(&r, &late) == LARDER_OLDER);
    }
  }
  larder_tier_write again = {.key = rig_key(&r, "k"), .value = "again", .facts = rig_facts(30, 5)};
  REQUIRE(rig_write(&r, &again) == LARDER_OK && !again.existed);
  REQUIRE(rig_shows(&r, "k", "again"));
  rig_close(&r);
}

static void forget_leaves_nothing_behind(const larder_tier_ops *ops, const char *root) {
  rig r;
  rig_open(&r, ops, root);
  REQUIRE(rig_put(&r, "k", "ten", 10) == LARDER_OK);
  larder_tier_write forget = {.verb = LARDER_TIER_FORGET, .key = rig_key(&r, "k"), .facts = rig_facts(20, 0)};
  REQUIRE(rig_write(&r, &forget) >= 0);
  REQUIRE(rig_shows(&r, "k", NULL));
  REQUIRE(rig_put(&r, "k", "five", 5) == LARDER_OK);
  REQUIRE(rig_shows(&r, "k", "five"));
  rig_close(&r);
}

static void touch_changes_lifetime_and_stamp(const larder_tier_ops *ops, const char *root) {
  rig r;
  larder_tier_entry entry;
  rig_open(&r, ops, root);
  larder_tier_write touch = {.verb = LARDER_TIER_TOUCH, .key = rig_key(&r, "k"), .facts = rig_facts(20, 0)};
  touch.facts.expires_soft_ms = RIG_START_MS + 10;
  touch.facts.expires_hard_ms = RIG_START_MS + 20;
  REQUIRE(rig_write(&r, &touch) == LARDER_MISS);
  REQUIRE(rig_put(&r, "k", "ten", 10) == LARDER_OK);
  REQUIRE(rig_write(&r, &touch) == LARDER_OK);
  REQUIRE(rig_get(&r, "k", &entry) == LARDER_OK);
  REQUIRE(entry.facts.stamp == 20 && entry.facts.expires_soft_ms == RIG_START_MS + 10 &&
          entry.facts.expires_hard_ms == RIG_START_MS + 20);
  REQUIRE(entry.facts.value_len == 3 && memcmp(entry.value, "ten", 3) == 0);
  ops->release(r.self, &entry);
  REQUIRE(rig_put(&r, "k", "late", 15) == LARDER_OLDER);
  rig_close(&r);
}

static void only_stamp_is_compare_and_put(const larder_tier_ops *ops, const char *root) {
  rig r;
  rig_open(&r, ops, root);
  REQUIRE(rig_put(&r, "k", "ten", 10) == LARDER_OK);
  larder_tier_write item = {.key = rig_key(&r, "k"), .value = "new", .facts = rig_facts(20, 3), .only_stamp = 9};
  REQUIRE(rig_write(&r, &item) == LARDER_OLDER && item.stored_stamp == 10);
  REQUIRE(rig_shows(&r, "k", "ten"));
  item.only_stamp = 10;
  REQUIRE(rig_write(&r, &item) == LARDER_OK);
  REQUIRE(rig_shows(&r, "k", "new"));
  item.key = rig_key(&r, "absent");
  REQUIRE(rig_write(&r, &item) != LARDER_OK);
  REQUIRE(rig_shows(&r, "absent", NULL));
  rig_close(&r);
}

static void expiry_is_exact_to_its_boundary(const larder_tier_ops *ops, const char *root) {
  rig r;
  larder_tier_entry entry;
  rig_open(&r, ops, root);
  larder_tier_write item = {.key = rig_key(&r, "k"), .value = "v", .facts = rig_facts(10, 1)};
  item.facts.expires_soft_ms = RIG_START_MS + 100;
  item.facts.expires_hard_ms = RIG_START_MS + 200;
  REQUIRE(rig_write(&r, &item) == LARDER_OK);
  REQUIRE(rig_put(&r, "for ever", "v", 10) == LARDER_OK);
  atomic_store(&r.now_ms, RIG_START_MS + 199); /* soft has passed: the caller judges */
  REQUIRE(rig_get(&r, "k", &entry) == LARDER_OK);
  ops->release(r.self, &entry);
  atomic_store(&r.now_ms, RIG_START_MS + 200);
  REQUIRE(rig_shows(&r, "k", NULL));
  atomic_store(&r.now_ms, RIG_START_MS * 2);
  REQUIRE(rig_shows(&r, "for ever", "v"));
  rig_close(&r);
}

/* --- scans ---------------------------------------------------------------------------------------------------------------- */

typedef struct seen {
  rig *r;
  uint8_t times[MANY];
  unsigned others;
  unsigned rows;
  unsigned stop_after; /* 0: never */
  bool values;
} seen;

static bool see(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  seen *s = context;
  unsigned n = MANY;
  char text[64] = {0};
  s->rows++;
  if (key->len < sizeof text) memcpy(text, key->data, key->len);
  if (sscanf(text, "row-%u", &n) == 1 && n < MANY) {
    s->times[n]++;
    REQUIRE(key->hash == lrd_hash64(text, key->len, RIG_SEED));
    REQUIRE(facts->value_len == strlen(text) && facts->stamp == 10 + n);
    REQUIRE(s->values ? value && memcmp(value, text, key->len) == 0 : value == NULL);
  } else {
    s->others++;
  }
  return s->stop_after == 0 || s->rows % s->stop_after != 0;
}

static void put_rows(rig *r) {
  char key[32];
  for (unsigned n = 0; n < MANY; n++) {
    number(key, sizeof key, "row", n);
    larder_tier_write item = {.key = rig_key(r, key), .value = key, .facts = rig_facts(10 + n, strlen(key))};
    if (n % 3 == 0) {
      item.facts.tags = "\003all\005third";
      item.facts.tags_len = 10;
    } else {
      item.facts.tags = "\003all";
      item.facts.tags_len = 4;
    }
    REQUIRE(rig_write(r, &item) == LARDER_OK);
  }
}

static void scan_all(rig *r, seen *s, uint64_t limit, const char *tag) {
  larder_tier_cursor cursor = {0};
  larder_err result = LARDER_OK;
  for (unsigned rounds = 0; result != LARDER_END; rounds++) {
    REQUIRE(rounds < 10000);
    unsigned before = s->rows;
    result = tag ? r->ops->scan_tag(r->self, r->space, tag, strlen(tag), &cursor, limit, see, s)
                 : r->ops->scan(r->self, r->space, &cursor, limit, s->values, see, s);
    REQUIRE(result == LARDER_OK || result == LARDER_END);
    REQUIRE(s->rows - before <= limit);
  }
}

static void a_scan_sees_everything_that_lives_once(const larder_tier_ops *ops, const char *root) {
  rig r;
  rig_open(&r, ops, root);
  if (!rig_can(&r, LARDER_TIER_ENUMERABLE)) return;
  put_rows(&r);
  larder_tier_write dead = {.key = rig_key(&r, "expired"), .value = "v", .facts = rig_facts(10, 1)};
  dead.facts.expires_soft_ms = dead.facts.expires_hard_ms = RIG_START_MS;
  REQUIRE(rig_write(&r, &dead) == LARDER_OK);
  REQUIRE(rig_put(&r, "deleted", "v", 10) == LARDER_OK && rig_delete(&r, "deleted", 11, NULL) == LARDER_OK);
  uint32_t space = r.space;
  r.space = r.other;
  REQUIRE(rig_put(&r, "elsewhere", "v", 10) == LARDER_OK);
  r.space = space;
  static const uint64_t limits[] = {1, 7, 100000};
  for (size_t i = 0; i < 3; i++) {
    for (unsigned stop_after = 0; stop_after < 4; stop_after += 3) {
      seen s = {.r = &r, .values = i == 1, .stop_after = stop_after};
      scan_all(&r, &s, limits[i], NULL);
      for (unsigned n = 0; n < MANY; n++) REQUIRE(s.times[n] == 1);
      REQUIRE(s.others == 0);
    }
  }
  rig_close(&r);
}

static void a_scan_by_tag_sees_its_entries(const larder_tier_ops *ops, const char *root) {
  rig r;
  rig_open(&r, ops, root);
  if (!rig_can(&r, LARDER_TIER_TAGS)) {
    rig_close(&r);
    return;
  }
  put_rows(&r);
  REQUIRE(rig_delete(&r, "row-3", 5000, NULL) == LARDER_OK);
  REQUIRE(rig_put(&r, "row-6", "row-6", 16) == LARDER_OLDER); /* an equal stamp is not above */
  for (unsigned limit = 7; limit <= 7000; limit *= 1000) {
    seen s = {.r = &r};
    scan_all(&r, &s, limit, "third");
    for (unsigned n = 0; n < MANY; n++) REQUIRE(s.times[n] == (n % 3 == 0 && n != 3));
  }
  seen none = {.r = &r};
  scan_all(&r, &none, 100, "thi");
  REQUIRE(none.rows == 0);
  rig_close(&r);
}

/* --- spaces, ranges, limits --------------------------------------------------------------------------------------------------
 */

static void spaces_do_not_see_each_other(const larder_tier_ops *ops, const char *root) {
  rig r;
  rig_open(&r, ops, root);
  REQUIRE(r.space != r.other);
  /* As the core does it, the name is part of the hash, so the same key lies elsewhere. */
  larder_tier_key first = rig_key(&r, "k");
  larder_tier_key second = first;
  second.space = r.other;
  second.hash = first.hash ^ 0x5555;
  larder_tier_write item = {.key = first, .value = "one", .facts = rig_facts(10, 3)};
  REQUIRE(rig_write(&r, &item) == LARDER_OK);
  larder_tier_entry entry;
  REQUIRE(ops->get(r.self, &second, false, NULL, &entry) == LARDER_MISS);
  second.hash = first.hash; /* not even with one hash */
  REQUIRE(ops->get(r.self, &second, false, NULL, &entry) == LARDER_MISS);
  REQUIRE(rig_entries(&r, r.space) == 1 && rig_entries(&r, r.other) == 0);
  uint32_t before = r.space;
  uint32_t again = UINT32_MAX;
  larder_tier_space space = {.size = sizeof space, .name = "first"};
  REQUIRE(ops->bind(r.self, &space, &again) == LARDER_OK && again == before);
  if (rig_can(&r, LARDER_TIER_DURABLE)) {
    rig_reopen(&r);
    REQUIRE(r.space == before);
    space.name = "third";
    REQUIRE(ops->bind(r.self, &space, &again) == LARDER_OK && again != r.space && again != r.other);
  }
  rig_close(&r);
}

static void one_hash_of_two_keys_mixes_nothing_up(const larder_tier_ops *ops, const char *root) {
  rig r;
  larder_tier_entry entry;
  rig_open(&r, ops, root);
  larder_tier_write a = {.key = rig_key(&r, "key-a"), .value = "A", .facts = rig_facts(10, 1)};
  larder_tier_write b = {.key = rig_key(&r, "key-b"), .value = "B", .facts = rig_facts(11, 1)};
  b.key.hash = a.key.hash;
  REQUIRE(rig_write(&r, &a) == LARDER_OK && rig_write(&r, &b) == LARDER_OK);
  REQUIRE(ops->get(r.self, &b.key, false, NULL, &entry) == LARDER_OK);
  REQUIRE(*(const char *)entry.value == 'B');
  ops->release(r.self, &entry);
  larder_err result = ops->get(r.self, &a.key, false, NULL, &entry);
  REQUIRE(result == LARDER_MISS || (result == LARDER_OK && *(const char *)entry.value == 'A'));
  if (result == LARDER_OK) ops->release(r.self, &entry);
  rig_close(&r);
}

static void put_at_hash(rig *r, const char *key, uint64_t hash, uint32_t space) {
  larder_tier_write item = {.key = rig_key(r, key), .value = "v", .facts = rig_facts(10, 1)};
  item.key.hash = hash;
  item.key.space = space;
  REQUIRE(rig_write(r, &item) == LARDER_OK);
}

static bool there_at_hash(rig *r, const char *key, uint64_t hash, uint32_t space) {
  larder_tier_entry entry;
  larder_tier_key k = rig_key(r, key);
  k.hash = hash;
  k.space = space;
  larder_err result = r->ops->get(r->self, &k, false, NULL, &entry);
  if (result == LARDER_OK) r->ops->release(r->self, &entry);
  return result == LARDER_OK;
}

static void forget_range_takes_its_borders_and_no_more(const larder_tier_ops *ops, const char *root) {
  static const uint64_t first = UINT64_C(0x7ff0000000000000);
  static const uint64_t last = UINT64_C(0x800fffffffffffff); /* over the middle, where a signed key changes sign */
  rig r;
  uint64_t removed = 0;
  rig_open(&r, ops, root);
  put_at_hash(&r, "below", first - 1, r.space);
  put_at_hash(&r, "first", first, r.space);
  put_at_hash(&r, "middle", UINT64_C(0x8000000000000000), r.other);
  put_at_hash(&r, "last", last, r.space);
  put_at_hash(&r, "above", last + 1, r.space);
  put_at_hash(&r, "zero", 0, r.space);
  put_at_hash(&r, "end", UINT64_MAX, r.other);
  REQUIRE(ops->forget_range(r.self, first, last, &removed) == LARDER_OK && removed == 3);
  REQUIRE(!there_at_hash(&r, "first", first, r.space) && !there_at_hash(&r, "last", last, r.space));
  REQUIRE(!there_at_hash(&r, "middle", UINT64_C(0x8000000000000000), r.other));
  REQUIRE(there_at_hash(&r, "below", first - 1, r.space) && there_at_hash(&r, "above", last + 1, r.space));
  REQUIRE(there_at_hash(&r, "zero", 0, r.space) && there_at_hash(&r, "end", UINT64_MAX, r.other));
  REQUIRE(ops->forget_range(r.self, 0, UINT64_MAX, &removed) == LARDER_OK && removed == 4);
  REQUIRE(rig_entries(&r, LARDER_TIER_ALL_SPACES) == 0);
  rig_close(&r);
}

static void limits_are_hard_and_evictions_add_up(const larder_tier_ops *ops, const char *root) {
  rig r;
  char key[32];
  static char value[2000];
  larder_tier_usage usage;
  memset(value, 'v', sizeof value);
  rig_open_limited(&r, ops, root, 4 << 20, 100);
  uint64_t kept = 0;
  for (unsigned n = 0; n < 1000; n++) {
    number(key, sizeof key, "k", n);
    larder_tier_write item = {.key = rig_key(&r, key), .value = value, .facts = rig_facts(10 + n, sizeof value)};
    larder_err result = rig_write(&r, &item);
    REQUIRE(result == LARDER_OK || result == LARDER_NOT_KEPT);
    if (result == LARDER_OK) kept++;
    if (n % 50 == 0) {
      REQUIRE(ops->usage(r.self, LARDER_TIER_ALL_SPACES, &usage) == LARDER_OK);
      REQUIRE(usage.entries <= 100 && usage.bytes <= 4 << 20);
    }
  }
  REQUIRE(ops->usage(r.self, LARDER_TIER_ALL_SPACES, &usage) == LARDER_OK);
  REQUIRE(usage.entries <= 100 && usage.entries >= 50);
  uint64_t gone = atomic_load(&r.evicted[LARDER_EVICT_ENTRIES]) + atomic_load(&r.evicted[LARDER_EVICT_CAPACITY]);
  REQUIRE(gone + usage.entries == kept);
  REQUIRE(usage.payload_bytes >= usage.entries * sizeof value && usage.payload_bytes <= usage.bytes);
  if (rig_shared(&r)) {
    REQUIRE(atomic_load(&r.owned) >= gone && atomic_load(&r.owned) == atomic_load(&r.released));
  } else {
    REQUIRE(atomic_load(&r.demoted) == gone);
  }
  rig_close(&r);
}

static void a_shared_tier_evicts_only_as_the_slots_owner(const larder_tier_ops *ops, const char *root) {
  rig r;
  char key[32];
  rig_open_limited(&r, ops, root, 8 << 20, 20);
  if (!rig_shared(&r)) return;
  for (unsigned n = 0; n < 15; n++) {
    number(key, sizeof key, "k", n);
    REQUIRE(rig_put(&r, key, "v", 10) == LARDER_OK);
  }
  r.slots_refused = true;
  for (unsigned n = 15; n < 60; n++) {
    number(key, sizeof key, "k", n);
    (void)rig_put(&r, key, "v", 10);
  }
  for (unsigned n = 0; n < 15; n++) {
    number(key, sizeof key, "k", n);
    REQUIRE(rig_shows(&r, key, "v"));
  }
  REQUIRE(rig_entries(&r, LARDER_TIER_ALL_SPACES) <= 20);
  rig_close(&r);
}

static void a_sweep_removes_what_is_expired(const larder_tier_ops *ops, const char *root) {
  rig r;
  char key[32];
  uint64_t removed = 0;
  rig_open(&r, ops, root);
  for (unsigned n = 0; n < 60; n++) {
    number(key, sizeof key, "k", n);
    larder_tier_write item = {.key = rig_key(&r, key), .value = "v", .facts = rig_facts(10, 1)};
    if (n % 2) item.facts.expires_soft_ms = item.facts.expires_hard_ms = RIG_START_MS + 100;
    REQUIRE(rig_write(&r, &item) == LARDER_OK);
  }
  atomic_store(&r.now_ms, RIG_START_MS + 100);
  REQUIRE(ops->sweep(r.self, UINT64_MAX, false, &removed) >= 0);
  REQUIRE(atomic_load(&r.evicted[LARDER_EVICT_EXPIRED]) == 0);
  atomic_store(&r.now_ms, RIG_START_MS + 50); /* a sweep that must not expire has left them */
  REQUIRE(rig_shows(&r, "k-1", "v"));
  atomic_store(&r.now_ms, RIG_START_MS + 100);
  uint64_t all = 0;
  for (unsigned i = 0; i < 100 && all < 30; i++) {
    REQUIRE(ops->sweep(r.self, 1000, true, &removed) >= 0);
    all += removed;
  }
  REQUIRE(all == 30 && atomic_load(&r.evicted[LARDER_EVICT_EXPIRED]) == 30);
  REQUIRE(rig_entries(&r, LARDER_TIER_ALL_SPACES) == 30);
  REQUIRE(rig_shows(&r, "k-0", "v"));
  rig_close(&r);
}

static void usage_counts_what_is_there(const larder_tier_ops *ops, const char *root) {
  rig r;
  larder_tier_usage usage;
  rig_open(&r, ops, root);
  REQUIRE(rig_put(&r, "aaa", "12345", 10) == LARDER_OK);
  REQUIRE(rig_put(&r, "bbb", "1234567", 10) == LARDER_OK);
  REQUIRE(rig_put(&r, "bbb", "12", 11) == LARDER_OK);
  REQUIRE(ops->usage(r.self, r.space, &usage) == LARDER_OK);
  REQUIRE(usage.entries == 2 && usage.payload_bytes == 3 + 5 + 3 + 2 && usage.bytes >= usage.payload_bytes);
  REQUIRE(rig_delete(&r, "aaa", 20, NULL) == LARDER_OK);
  REQUIRE(rig_entries(&r, r.space) == 1);
  rig_close(&r);
}

/* --- durability, atomicity, pins, threads -------------------------------------------------------------------------------- */

static void a_durable_tier_is_there_after_close(const larder_tier_ops *ops, const char *root) {
  rig r;
  char key[32];
  rig_open(&r, ops, root);
  if (!rig_can(&r, LARDER_TIER_DURABLE)) return;
  put_rows(&r);
  larder_tier_write big = {.key = rig_key(&r, "big"), .facts = rig_facts(10, 200000)};
  char *value = malloc(200000);
  REQUIRE(value);
  memset(value, 'b', 200000);
  big.value = value;
  REQUIRE(rig_write(&r, &big) == LARDER_OK);
  REQUIRE(ops->flush(r.self) == LARDER_OK);
  rig_reopen(&r);
  for (unsigned n = 0; n < MANY; n++) {
    number(key, sizeof key, "row", n);
    REQUIRE(rig_shows(&r, key, key));
  }
  larder_tier_entry entry;
  REQUIRE(rig_get(&r, "big", &entry) == LARDER_OK);
  REQUIRE(same_bytes(entry.value, (size_t)entry.facts.value_len, value, 200000));
  ops->release(r.self, &entry);
  free(value);
  REQUIRE(rig_entries(&r, r.space) == MANY + 1);
  rig_close(&r);
  if (rig_shared(&r)) REQUIRE(rig_try_open(&r, RIG_SEED + 1) == LARDER_EFORMAT);
}

static void check_finds_nothing_where_nothing_is_wrong(const larder_tier_ops *ops, const char *root) {
  rig r;
  larder_tier_report report = {0};
  rig_open(&r, ops, root);
  put_rows(&r);
  if (ops->check) {
    REQUIRE(ops->check(r.self, false, &report, NULL, NULL, NULL) == LARDER_OK);
    REQUIRE(report.examined >= MANY && report.damaged == 0 && report.orphans == 0);
  }
  REQUIRE(ops->flush(r.self) == LARDER_OK);
  rig_close(&r);
}

typedef struct judging {
  unsigned asked;
  unsigned found;
} judging;

static const char *judge_one(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  judging *j = context;
  j->asked++;
  if (key->len != 5 || memcmp(key->data, "judge", 5) != 0) return NULL;
  REQUIRE(same_bytes(value, (size_t)facts->value_len, "a frame that does not open", 26));
  REQUIRE(facts->framed && facts->raw_len == 70000 && facts->stamp == 10);
  return "it does not open";
}

static void judge_told(void *context, const larder_tier_key *key, const char *sentence) {
  judging *j = context;
  REQUIRE(key != NULL && key->len == 5 && memcmp(key->data, "judge", 5) == 0);
  REQUIRE(strcmp(sentence, "it does not open") == 0);
  j->found++;
}

/* What the core finds wrong with a value is damage like any other. Private tiers are given no frames. */
static void check_asks_the_judge_and_heeds_it(const larder_tier_ops *ops, const char *root) {
  rig r;
  judging j = {0};
  larder_tier_report report = {0};
  rig_open(&r, ops, root);
  if (ops->check && rig_shared(&r)) {
    put_rows(&r);
    larder_tier_write item = {.verb = LARDER_TIER_PUT, .key = rig_key(&r, "judge"), .value = "a frame that does not open"};
    item.facts = rig_facts(10, 26);
    item.facts.framed = true;
    item.facts.raw_len = 70000;
    REQUIRE(rig_write(&r, &item) == LARDER_OK);
    REQUIRE(ops->check(r.self, false, &report, judge_told, judge_one, &j) == LARDER_OK);
    REQUIRE(report.damaged == 1 && report.repaired == 0 && j.found == 1 && j.asked == rig_entries(&r, LARDER_TIER_ALL_SPACES));
    REQUIRE(rig_shows(&r, "judge", "a frame that does not open"));
    r.slots_refused = true; /* somebody is writing it */
    REQUIRE(ops->check(r.self, true, &report, NULL, judge_one, &j) == LARDER_OK);
    REQUIRE(report.damaged == 1 && report.repaired == 0 && rig_shows(&r, "judge", "a frame that does not open"));
    r.slots_refused = false;
    REQUIRE(ops->check(r.self, true, &report, NULL, judge_one, &j) == LARDER_OK);
    REQUIRE(report.damaged == 1 && report.repaired == 1 && rig_shows(&r, "judge", NULL));
    REQUIRE(ops->check(r.self, false, &report, NULL, judge_one, &j) == LARDER_OK);
    REQUIRE(report.damaged == 0 && r.owned == r.released);
  }
  rig_close(&r);
}

static void a_value_in_hand_stays_as_it_was(const larder_tier_ops *ops, const char *root) {
  rig r;
  char key[32];
  static char big[70000];
  larder_tier_entry held, other;
  rig_open(&r, ops, root);
  memset(big, 'b', sizeof big);
  REQUIRE(rig_put(&r, "k", "first", 10) == LARDER_OK && rig_put(&r, "o", "other", 10) == LARDER_OK);
  REQUIRE(rig_get(&r, "k", &held) == LARDER_OK && rig_get(&r, "o", &other) == LARDER_OK);
  REQUIRE(memcmp(held.value, "first", 5) == 0 && memcmp(other.value, "other", 5) == 0);
  REQUIRE(rig_put(&r, "k", "FIRST", 11) == LARDER_OK);
  for (unsigned n = 0; n < 100; n++) {
    number(key, sizeof key, "k", n);
    (void)rig_put(&r, key, "xxxxx", 10);
  }
  REQUIRE(rig_delete(&r, "o", 20, NULL) == LARDER_OK);
  larder_tier_write item = {.key = rig_key(&r, "o"), .value = big, .facts = rig_facts(30, sizeof big)};
  REQUIRE(rig_write(&r, &item) == LARDER_OK);
  REQUIRE(memcmp(held.value, "first", 5) == 0 && held.facts.stamp == 10);
  REQUIRE(memcmp(other.value, "other", 5) == 0);
  ops->release(r.self, &held);
  ops->release(r.self, &other);
  REQUIRE(rig_shows(&r, "k", "FIRST"));
  rig_close(&r);
}

static void nothing_is_left_allocated(const larder_tier_ops *ops, const char *root) {
  rig r;
  int64_t live = support_alloc_live();
  rig_open(&r, ops, root);
  put_rows(&r);
  for (unsigned i = 0; i < 20; i++) {
    REQUIRE(rig_shows(&r, "row-1", "row-1"));
    REQUIRE(rig_shows(&r, "absent", NULL));
  }
  rig_close(&r);
  REQUIRE(support_alloc_live() == live);
}

typedef struct batch_reader {
  rig *r;
  _Atomic bool stop;
  unsigned batch_len;
} batch_reader;

static uint64_t stamp_of(rig *r, unsigned n) {
  char key[32];
  larder_tier_entry entry;
  number(key, sizeof key, "batch", n);
  if (rig_get(r, key, &entry) != LARDER_OK) return 0;
  uint64_t stamp = entry.facts.stamp;
  r->ops->release(r->self, &entry);
  return stamp;
}

/* Whatever was seen of a batch at one key, all of it is there for who reads another key later. */
static void *read_batches(void *context) {
  batch_reader *reader = context;
  while (!atomic_load(&reader->stop)) {
    uint64_t first = stamp_of(reader->r, 0);
    uint64_t last = stamp_of(reader->r, reader->batch_len - 1);
    REQUIRE(last >= first);
    last = stamp_of(reader->r, reader->batch_len - 1);
    first = stamp_of(reader->r, 0);
    REQUIRE(first >= last);
  }
  return NULL;
}

static void a_batch_is_one_change(const larder_tier_ops *ops, const char *root) {
  rig r;
  pthread_t thread;
  char keys[32][32];
  larder_tier_write items[32];
  rig_open(&r, ops, root);
  batch_reader reader = {.r = &r, .batch_len = 32};
  if (!rig_can(&r, LARDER_TIER_DURABLE)) return;
  REQUIRE(pthread_create(&thread, NULL, read_batches, &reader) == 0);
  for (unsigned round = 1; round <= 200; round++) {
    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < 32; i++) {
      number(keys[i], sizeof keys[i], "batch", i);
      items[i] = (larder_tier_write){.key = rig_key(&r, keys[i]), .value = "v", .facts = rig_facts(round, 1)};
    }
    REQUIRE(ops->write(r.self, items, 32, LARDER_DURABILITY_COMMIT) == LARDER_OK);
    for (unsigned i = 0; i < 32; i++) REQUIRE(items[i].result == LARDER_OK && items[i].existed == (round > 1));
  }
  atomic_store(&reader.stop, true);
  (void)pthread_join(thread, NULL);
  rig_close(&r);
}

#define MIX_KEYS 20u

typedef struct mixer {
  rig *r;
  uint64_t seed;
  pthread_mutex_t *slots; /* who writes to a shared tier owns the key's slot */
} mixer;

static larder_err mix_write(mixer *m, unsigned key, larder_tier_write *item) {
  bool owns = rig_shared(m->r);
  if (owns) pthread_mutex_lock(&m->slots[key]);
  larder_err result = rig_write(m->r, item);
  if (owns) pthread_mutex_unlock(&m->slots[key]);
  return result;
}

static void *mix(void *context) {
  mixer *m = context;
  support_random random = {m->seed};
  char key[32];
  char value[64];
  for (unsigned i = 0; i < 1500; i++) {
    larder_tier_entry entry;
    unsigned n = (unsigned)support_random_below(&random, MIX_KEYS);
    number(key, sizeof key, "mix", n);
    uint64_t stamp = 1 + support_random_below(&random, 1000000);
    unsigned dice = (unsigned)support_random_below(&random, 10);
    if (dice < 3) {
      int len = snprintf(value, sizeof value, "%s %llu", key, (unsigned long long)stamp);
      larder_tier_write item = {.key = rig_key(m->r, key), .value = value, .facts = rig_facts(stamp, (size_t)len)};
      larder_err result = mix_write(m, n, &item);
      REQUIRE(result == LARDER_OK || (result == LARDER_OLDER && item.stored_stamp >= stamp) || result == LARDER_NOT_KEPT);
    } else if (dice == 3) {
      larder_tier_write item = {.verb = LARDER_TIER_DELETE, .key = rig_key(m->r, key), .facts = rig_facts(stamp, 0)};
      REQUIRE(mix_write(m, n, &item) >= 0);
    } else if (rig_get(m->r, key, &entry) == LARDER_OK) {
      int len = snprintf(value, sizeof value, "%s %llu", key, (unsigned long long)entry.facts.stamp);
      REQUIRE(same_bytes(entry.value, (size_t)entry.facts.value_len, value, (size_t)len));
      m->r->ops->release(m->r->self, &entry);
    }
  }
  return NULL;
}

static void threads_see_whole_entries(const larder_tier_ops *ops, const char *root) {
  rig r;
  pthread_t threads[4];
  mixer mixers[4];
  pthread_mutex_t slots[MIX_KEYS];
  for (unsigned i = 0; i < MIX_KEYS; i++) pthread_mutex_init(&slots[i], NULL);
  rig_open(&r, ops, root);
  for (unsigned t = 0; t < 4; t++) {
    mixers[t] = (mixer){&r, t + 1, slots};
    REQUIRE(pthread_create(&threads[t], NULL, mix, &mixers[t]) == 0);
  }
  for (unsigned t = 0; t < 4; t++) (void)pthread_join(threads[t], NULL);
  rig_close(&r);
}

static void a_private_tier_hits_only_under_its_token(const larder_tier_ops *ops, const char *root) {
  rig r;
  larder_tier_entry entry;
  rig_open(&r, ops, root);
  if (rig_shared(&r)) {
    rig_close(&r);
    return;
  }
  _Atomic uint64_t slot = 41;
  larder_tier_write item = {.key = rig_key(&r, "k"), .value = "v", .facts = rig_facts(10, 1), .token = 41};
  REQUIRE(rig_write(&r, &item) == LARDER_OK);
  REQUIRE(ops->get(r.self, &item.key, false, &slot, &entry) == LARDER_OK);
  ops->release(r.self, &entry);
  atomic_store(&slot, 42);
  REQUIRE(ops->get(r.self, &item.key, false, &slot, &entry) == LARDER_MISS);
  rig_close(&r);
}

/* --- faults ------------------------------------------------------------------------------------------------------------------
 */

/* open, put, get, close with one fault; what was acknowledged is there afterwards, half an entry never. */
static void session_with_fault(rig *r, const char *root, bool *opened, larder_err *put) {
  static char value[70000]; /* a blob, where there are blobs */
  memset(value, 'v', sizeof value);
  *put = LARDER_EIO;
  r->root = root;
  *opened = rig_try_open(r, RIG_SEED) == LARDER_OK;
  if (!*opened) return;
  larder_tier_space space = {.size = sizeof space, .name = "first"};
  if (r->ops->bind(r->self, &space, &r->space) == LARDER_OK) {
    larder_tier_entry entry;
    larder_tier_write item = {.key = rig_key(r, "big"), .value = value, .facts = rig_facts(10, sizeof value)};
    *put = rig_write(r, &item);
    (void)rig_put(r, "small", "value", 10);
    if (rig_get(r, "big", &entry) == LARDER_OK) {
      REQUIRE(same_bytes(entry.value, (size_t)entry.facts.value_len, value, sizeof value));
      r->ops->release(r->self, &entry);
    }
  }
  rig_close(r);
}

static void no_half_entry_afterwards(rig *r, const char *root, larder_err put) {
  larder_tier_entry entry;
  rig_open(r, r->ops, root);
  larder_err result = rig_get(r, "big", &entry);
  REQUIRE(result == LARDER_OK || result == LARDER_MISS);
  if (put == LARDER_OK && rig_can(r, LARDER_TIER_DURABLE)) REQUIRE(result == LARDER_OK);
  if (result == LARDER_OK) {
    REQUIRE(entry.facts.value_len == 70000);
    for (size_t i = 0; i < 70000; i++) REQUIRE(((const char *)entry.value)[i] == 'v');
    r->ops->release(r->self, &entry);
  }
  result = rig_get(r, "small", &entry);
  REQUIRE(result == LARDER_OK || result == LARDER_MISS);
  if (result == LARDER_OK) {
    REQUIRE(same_bytes(entry.value, (size_t)entry.facts.value_len, "value", 5));
    r->ops->release(r->self, &entry);
  }
  rig_close(r);
}

static void every_allocation_may_fail(const larder_tier_ops *ops, const char *root) {
  rig r = {.ops = ops, .bytes_max = 32 << 20};
  atomic_store(&r.now_ms, RIG_START_MS);
  char folder[400];
  for (uint64_t n = 1;; n++) {
    bool opened;
    larder_err put;
    REQUIRE(n < 5000);
    (void)snprintf(folder, sizeof folder, "%s/%llu", root, (unsigned long long)n);
    REQUIRE(lrd_fs_mkdir(folder, 0700) == 0);
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    session_with_fault(&r, folder, &opened, &put);
    bool failed = support_alloc_end() >= n;
    REQUIRE(support_alloc_live() == live);
    if (!failed) {
      REQUIRE(opened && put == LARDER_OK);
      return;
    }
    if (n % 7 == 0) no_half_entry_afterwards(&r, folder, put);
  }
}

static void every_file_operation_may_fail(const larder_tier_ops *ops, const char *root) {
  static const int codes[] = {ENOSPC, EIO};
  rig r = {.ops = ops, .bytes_max = 32 << 20};
  char folder[400];
  for (size_t c = 0; c < 2; c++) {
    for (uint64_t n = 1;; n += 1 + n / 24) {
      bool opened;
      larder_err put;
      REQUIRE(n < 50000);
      (void)snprintf(folder, sizeof folder, "%s/%zu-%llu", root, c, (unsigned long long)n);
      REQUIRE(lrd_fs_mkdir(folder, 0700) == 0);
      atomic_store(&r.now_ms, RIG_START_MS);
      support_fs_fail_at(SUPPORT_ANY_OP, n, codes[c]);
      session_with_fault(&r, folder, &opened, &put);
      bool failed = support_fs_end() >= n;
      no_half_entry_afterwards(&r, folder, put);
      if (!failed) {
        REQUIRE(opened && put == LARDER_OK);
        break;
      }
    }
  }
}

#define CHECK(function)                                                                                                        \
  { #function, function }
const conformance_check conformance_checks[] = {
    CHECK(what_is_put_comes_back_with_its_facts),
    CHECK(a_frame_keeps_its_mark_and_raw_length),
    CHECK(keys_and_values_of_every_size_are_kept),
    CHECK(the_newest_stamp_wins),
    CHECK(a_delete_is_told_and_remembered),
    CHECK(forget_leaves_nothing_behind),
    CHECK(touch_changes_lifetime_and_stamp),
    CHECK(only_stamp_is_compare_and_put),
    CHECK(expiry_is_exact_to_its_boundary),
    CHECK(a_scan_sees_everything_that_lives_once),
    CHECK(a_scan_by_tag_sees_its_entries),
    CHECK(spaces_do_not_see_each_other),
    CHECK(one_hash_of_two_keys_mixes_nothing_up),
    CHECK(forget_range_takes_its_borders_and_no_more),
    CHECK(limits_are_hard_and_evictions_add_up),
    CHECK(a_shared_tier_evicts_only_as_the_slots_owner),
    CHECK(a_sweep_removes_what_is_expired),
    CHECK(usage_counts_what_is_there),
    CHECK(a_durable_tier_is_there_after_close),
    CHECK(check_finds_nothing_where_nothing_is_wrong),
    CHECK(check_asks_the_judge_and_heeds_it),
    CHECK(a_value_in_hand_stays_as_it_was),
    CHECK(nothing_is_left_allocated),
    CHECK(a_batch_is_one_change),
    CHECK(threads_see_whole_entries),
    CHECK(a_private_tier_hits_only_under_its_token),
    CHECK(every_allocation_may_fail),
    CHECK(every_file_operation_may_fail),
};
const size_t conformance_checks_len = sizeof conformance_checks / sizeof *conformance_checks;
