/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values compressed and sealed on their way to shared tiers, on a clock that the test moves. `shelf` is the SQLite tier
 * under another name, told to be readable by others or not, whose writes the test sees and can spoil.
 */
#include "support/support.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "core/cache.h"
#include "larder_testing.h"
#include "tier/sqlite/sqlite_tier.h"
#include <errno.h>
#include <larder/array.h>
#include <larder/keys.h>
#include <larder/stats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000)
#define KEY_A    "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define KEY_B    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define TEXT_LEN 60000u

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  char *text; /* TEXT_LEN bytes that repeat themselves */
} fixture;

static larder_tier_ops shelf;
static const larder_tier_ops *const shelves[] = {&shelf, NULL};
static bool shelf_spoils;
static larder_facts shelf_last; /* what it was given last */
static char shelf_last_value[200];

static larder_err shelf_write(void *self, larder_tier_write *items, size_t count, larder_durability durability) {
  larder_tier_write *item = &items[0];
  if (item->verb != LARDER_TIER_PUT) return lrd_sqlite_tier.write(self, items, count, durability);
  shelf_last = item->facts;
  size_t const shown =
      item->facts.value_len < sizeof shelf_last_value - 1 ? item->facts.value_len : sizeof shelf_last_value - 1;
  memset(shelf_last_value, 0, sizeof shelf_last_value);
  if (shown > 0) memcpy(shelf_last_value, item->value, shown);
  if (!shelf_spoils || count != 1) return lrd_sqlite_tier.write(self, items, count, durability);
  char *spoilt = malloc(item->facts.value_len);
  const void *value = item->value;
  memcpy(spoilt, value, item->facts.value_len);
  spoilt[item->facts.value_len / 2] ^= 1;
  item->value = spoilt;
  larder_err const err = lrd_sqlite_tier.write(self, items, count, durability);
  item->value = value;
  free(spoilt);
  return err;
}

/* Opens anew with the policy of namespace `n`, which is not opened, and keys. */
static void open_cache(fixture *f, const char *policy, const char *key, const char *previous) {
  char text[1000];
  if (f->cache) assert_ok(larder_close(&f->cache));
  (void)unsetenv("LARDER_KEY");
  (void)unsetenv("LARDER_KEY_PREVIOUS");
  if (key) (void)setenv("LARDER_KEY", key, 1);
  if (previous) (void)setenv("LARDER_KEY_PREVIOUS", previous, 1);
  (void)snprintf(text, sizeof text, "cache:\n  memory: {size_mb: 8}\n  namespaces:\n    n: {%s}\n    other: {}\n", policy);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text, .extra_tiers = shelves};
  assert_ok(lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, NULL));
}

static larder_err try_open(fixture *f, const char *policy, const char *key, const char *previous, larder_error *err) {
  open_cache(f, policy, key, previous);
  return larder_ns_open(f->cache, "n", &f->ns, err);
}

static void open_with(fixture *f, const char *policy, const char *key, const char *previous) {
  larder_error err = {0};
  larder_err const result = try_open(f, policy, key, previous, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, START_MS);
  f->text = malloc(TEXT_LEN);
  for (size_t i = 0; i < TEXT_LEN; i++) f->text[i] = "what was expensive to make, "[i % 28];
  shelf = lrd_sqlite_tier;
  shelf.name = "shelf";
  shelf.write = shelf_write;
  shelf_spoils = false;
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  int bad = larder_close(&f->cache) != LARDER_OK;
  (void)unsetenv("LARDER_KEY");
  (void)unsetenv("LARDER_KEY_PREVIOUS");
  support_dir_remove(&f->root);
  free(f->text);
  free(f);
  return bad;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static larder_err put(fixture *f, const char *key, const void *value, size_t len) {
  return larder_put(f->ns, key, strlen(key), value, len, NULL);
}

static void expect(fixture *f, const char *key, const void *value, size_t len) {
  larder_value found = {0};
  assert_ok(larder_get(f->ns, key, strlen(key), NULL, &found));
  assert_int_equal(found.len, len);
  if (len > 0) assert_memory_equal(found.data, value, len);
  larder_facts facts;
  assert_ok(larder_value_facts(&found, &facts));
  assert_false(facts.framed);
  assert_int_equal(facts.value_len, len);
  larder_value_release(&found);
}

static larder_err got(fixture *f, const char *key) {
  larder_value found = {0};
  larder_err const err = larder_get(f->ns, key, strlen(key), NULL, &found);
  larder_value_release(&found);
  return err;
}

static larder_stat stat_of(fixture *f, const char *key) {
  larder_stat stat = {0}, out = {0};
  assert_ok(larder_stat_get(f->ns, key, strlen(key), &stat));
  out.stored_len = stat.stored_len;
  out.facts.value_len = stat.facts.value_len;
  out.facts.framed = stat.facts.framed;
  larder_stat_free(&stat);
  return out;
}

static uint64_t figure(fixture *f, const char *tier, const char *name) {
  larder_stats *stats = NULL;
  uint64_t value = 0;
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "n", tier, name, &value));
  larder_stats_free(&stats);
  return value;
}

/* Whether the bytes are anywhere under the root. */
static bool on_disk(fixture *f, const char *bytes) {
  char command[700];
  (void)snprintf(command, sizeof command, "grep -rqaF -- '%s' %s", bytes, f->root);
  return system(command) == 0;
}

typedef struct seen {
  uint64_t count;
  uint64_t stored;
  const void *value;
  size_t len;
} seen;

static bool see(void *context, const larder_listed *entry) {
  seen *s = context;
  s->count++;
  s->stored += entry->stored_len;
  assert_int_equal(entry->facts->value_len, s->len);
  assert_false(entry->facts->framed);
  if (s->value) assert_memory_equal(entry->value, s->value, s->len);
  return true;
}

static void a_compressed_value_comes_back_and_takes_less(void **state) {
  static const char *const codecs[] = {"zlib", "zstd", "lz4"};
  fixture *f = *state;
  for (size_t i = 0; i < 3; i++) {
    char policy[100];
    (void)snprintf(policy, sizeof policy, "compression: {codec: %s}", codecs[i]);
    open_with(f, policy, NULL, NULL);
    assert_ok(put(f, "k", f->text, TEXT_LEN));
    expect(f, "k", f->text, TEXT_LEN); /* from memory */
    open_with(f, policy, NULL, NULL);
    larder_stat const stat = stat_of(f, "k"); /* from below, facts alone */
    assert_int_equal(stat.facts.value_len, TEXT_LEN);
    assert_true(stat.stored_len < TEXT_LEN / 10);
    assert_false(stat.facts.framed);
    seen all = {.value = f->text, .len = TEXT_LEN};
    assert_ok(larder_list(f->ns, NULL, true, 0, NULL, see, &all));
    assert_int_equal(all.count, 1);
    assert_int_equal(all.stored, stat.stored_len);
    expect(f, "k", f->text, TEXT_LEN);
    assert_true(figure(f, "sqlite", "codec_bytes_in") >= TEXT_LEN);
    assert_true(figure(f, "sqlite", "codec_bytes_out") < figure(f, "sqlite", "codec_bytes_in") / 10);
    open_with(f, "ttl: 1h", NULL, NULL); /* the configuration does without: what is stored is still read */
    expect(f, "k", f->text, TEXT_LEN);
  }
}

static void what_does_not_shrink_or_is_small_is_stored_as_it_is(void **state) {
  fixture *f = *state;
  uint64_t state_of_random = 1;
  char *random = malloc(TEXT_LEN);
  for (size_t i = 0; i < TEXT_LEN; i++) {
    state_of_random = state_of_random * UINT64_C(6364136223846793005) + 1;
    random[i] = (char)(state_of_random >> 56);
  }
  open_with(f, "tiers: [sqlite], compression: {threshold_kb: 20}", NULL, NULL);
  assert_ok(put(f, "random", random, TEXT_LEN));
  assert_ok(put(f, "small", f->text, 20000));
  assert_ok(put(f, "large", f->text, 20480));
  assert_int_equal(stat_of(f, "random").stored_len, TEXT_LEN);
  assert_int_equal(stat_of(f, "small").stored_len, 20000);
  assert_true(stat_of(f, "large").stored_len < 2000);
  expect(f, "random", random, TEXT_LEN);
  expect(f, "small", f->text, 20000);
  free(random);
}

static void numbers_are_shuffled_by_the_width_that_the_array_tells(void **state) {
  fixture *f = *state;
  static const char head[] = "\x93NUMPY\x01\0\x76\0{'descr': '<f8', 'fortran_order': False, 'shape': (20000,), }";
  size_t const len = 128 + 20000 * 8;
  char *value = malloc(len);
  memset(value, ' ', 128);
  memcpy(value, head, sizeof head - 1);
  value[127] = '\n';
  for (size_t i = 0; i < 20000; i++) {
    double const number = sin((double)i * 1e-3) + 2;
    memcpy(value + 128 + i * 8, &number, 8);
  }
  uint64_t stored[2];
  for (int shuffle = 0; shuffle < 2; shuffle++) {
    open_with(f,
              shuffle ? "tiers: [sqlite], kind: array, compression: {codec: zstd, level: 3}"
                      : "tiers: [sqlite], kind: array, compression: {codec: zstd, level: 3, shuffle: false}",
              NULL, NULL);
    assert_ok(put(f, "k", value, len));
    stored[shuffle] = stat_of(f, "k").stored_len;
    expect(f, "k", value, len);
  }
  assert_true(stored[1] < stored[0] * 9 / 10);
  free(value);
}

static void a_queued_value_is_compressed_when_it_is_written(void **state) {
  fixture *f = *state;
  open_with(f, "durability: behind, compression: {codec: zstd}", NULL, NULL);
  assert_ok(put(f, "k", f->text, TEXT_LEN));
  expect(f, "k", f->text, TEXT_LEN);
  assert_ok(larder_touch(f->ns, "k", 1, 5000)); /* finds what is queued only because it is written first */
  lrd_larder_tick(f->cache);
  open_with(f, "compression: {codec: zstd}", NULL, NULL);
  assert_true(stat_of(f, "k").stored_len < 2000);
  expect(f, "k", f->text, TEXT_LEN);
}

static void batches_are_compressed_each(void **state) {
  fixture *f = *state;
  larder_item items[20];
  char keys[20][8];
  memset(items, 0, sizeof items);
  open_with(f, "compression: {codec: lz4}", NULL, NULL);
  for (size_t i = 0; i < 20; i++) {
    (void)snprintf(keys[i], sizeof keys[i], "k%zu", i);
    items[i] = (larder_item){.key = keys[i], .key_len = strlen(keys[i]), .value = f->text, .value_len = TEXT_LEN - i};
  }
  assert_ok(larder_put_many(f->ns, items, 20));
  open_with(f, "compression: {codec: lz4}", NULL, NULL);
  assert_ok(larder_get_many(f->ns, items, 20, NULL));
  for (size_t i = 0; i < 20; i++) {
    assert_ok(items[i].result);
    assert_int_equal(items[i].found.len, TEXT_LEN - i);
    assert_memory_equal(items[i].found.data, f->text, TEXT_LEN - i);
    larder_value_release(&items[i].found);
  }
}

static void a_sealed_value_is_nowhere_on_disk(void **state) {
  static const char *const seals[] = {"aes-256-gcm", "fernet"};
  fixture *f = *state;
  for (size_t i = 0; i < 2; i++) {
    char policy[100];
    (void)snprintf(policy, sizeof policy, "seal: %s, compression: {codec: zlib}", seals[i]);
    open_with(f, policy, KEY_A, NULL);
    assert_ok(put(f, "k", "hunter2-hunter2", 15));
    assert_ok(put(f, "large", f->text, TEXT_LEN));
    assert_ok(larder_flush(f->cache));
    assert_false(on_disk(f, "hunter2"));
    assert_false(on_disk(f, "expensive to make"));
    open_with(f, policy, KEY_A, NULL);
    expect(f, "k", "hunter2-hunter2", 15);
    expect(f, "large", f->text, TEXT_LEN);
    assert_ok(larder_touch(f->ns, "k", 1, 5000)); /* the seal does not know of lifetimes */
    open_with(f, policy, KEY_A, NULL);
    expect(f, "k", "hunter2-hunter2", 15);
  }
}

static void without_a_key_a_sealed_namespace_does_not_open(void **state) {
  fixture *f = *state;
  larder_error err = {0};
  larder_ns *other = NULL;
  assert_err(try_open(f, "seal: aes-256-gcm", NULL, NULL, &err), LARDER_EKEY);
  assert_non_null(strstr(err.message, "LARDER_KEY"));
  assert_non_null(strstr(err.message, "namespace n "));
  assert_ok(larder_ns_open(f->cache, "other", &other, &err));
  assert_ok(larder_put(other, "k", 1, "plain", 5, NULL));
}

static void another_key_is_an_error_and_costs_nothing(void **state) {
  fixture *f = *state;
  larder_value value;
  char room[20];
  size_t len = 0;
  larder_item item = {.key = "k", .key_len = 1};
  seen all = {.len = 6};
  open_with(f, "seal: fernet", KEY_A, NULL);
  assert_ok(put(f, "k", "secret", 6));
  open_with(f, "seal: fernet", KEY_B, NULL);
  assert_err(larder_get(f->ns, "k", 1, NULL, &value), LARDER_EKEY);
  assert_err(larder_get_into(f->ns, "k", 1, room, sizeof room, &len), LARDER_EKEY);
  assert_ok(larder_get_many(f->ns, &item, 1, NULL));
  assert_err(item.result, LARDER_EKEY);
  assert_ok(larder_exists(f->ns, "k", 1));
  assert_ok(larder_list(f->ns, NULL, false, 0, NULL, see, &all));
  assert_int_equal(all.count, 1);
  assert_err(larder_list(f->ns, NULL, true, 0, NULL, see, &all), LARDER_EKEY);
  lrd_larder_tick(f->cache);
  assert_int_equal(figure(f, "sqlite", "corrupt"), 0);
  open_with(f, "seal: fernet", KEY_B, KEY_A);
  expect(f, "k", "secret", 6);
  open_with(f, "seal: none", NULL, NULL); /* no longer to be sealed: that opens nothing */
  assert_err(got(f, "k"), LARDER_EKEY);
  open_with(f, "seal: fernet", KEY_B, NULL);
  assert_ok(put(f, "k", "newer", 5)); /* whoever has a value of its own may put it */
  expect(f, "k", "newer", 5);
}

static const char person[] = "{\"host\": \"10.0.0.1\", \"username\": \"ann\", \"port\": 8080,\n \"auth\": [{\"password\": "
                             "\"hunter2\\n\"}, {\"password\": {\"pin\": 1234567}}], \"note\": \"p\"}";

static void named_members_alone_are_sealed(void **state) {
  static const char *const seals[] = {"aes-256-gcm", "fernet"};
  fixture *f = *state;
  for (size_t i = 0; i < 2; i++) {
    char policy[200];
    (void)snprintf(policy, sizeof policy, "seal: {algorithm: %s, fields: [username, password]}", seals[i]);
    open_with(f, policy, KEY_A, NULL);
    assert_ok(put(f, "k", person, sizeof person - 1));
    assert_ok(put(f, "text", "no document: hunter2", 20));
    assert_ok(larder_flush(f->cache));
    assert_true(on_disk(f, "\"port\": 8080"));
    assert_false(on_disk(f, "hunter2"));
    assert_false(on_disk(f, "\"ann\""));
    assert_false(on_disk(f, "1234567"));
    open_with(f, policy, KEY_A, NULL);
    expect(f, "k", person, sizeof person - 1); /* to the byte */
    expect(f, "text", "no document: hunter2", 20);
    open_with(f, policy, KEY_B, NULL);
    assert_err(got(f, "k"), LARDER_EKEY);
  }
}

static void tiers_that_others_read_get_members_sealed_and_no_compression(void **state) {
  fixture *f = *state;
  shelf.capabilities |= LARDER_TIER_READABLE;
  open_with(f, "tiers: [{shelf: {path: s.db}}], compression: {threshold: 1}", NULL, NULL);
  assert_ok(put(f, "k", f->text, TEXT_LEN));
  assert_false(shelf_last.framed);
  assert_int_equal(shelf_last.value_len, TEXT_LEN);
  open_with(f, "tiers: [{shelf: {path: s.db}}], kind: json, compression: {threshold: 1}, seal: {fields: [password]}", KEY_A,
            NULL);
  assert_ok(put(f, "k", "{\"a\": 1, \"password\": \"hunter2\"}", 31));
  assert_false(shelf_last.framed);
  assert_memory_equal(shelf_last_value, "{\"a\": 1, \"password\": \"larder-sealed:", 35);
  assert_int_equal(shelf_last_value[shelf_last.value_len < 199 ? shelf_last.value_len - 1 : 198] != 0, 1);
  expect(f, "k", "{\"a\": 1, \"password\": \"hunter2\"}", 31);
  open_with(f, "tiers: [{shelf: {path: s.db}}], seal: fernet", KEY_A, NULL);
  assert_ok(put(f, "k", "hunter2", 7));
  assert_true(shelf_last.framed);
  assert_int_equal(shelf_last.raw_len, 7);
  expect(f, "k", "hunter2", 7);
}

static void promotion_carries_frames_as_they_are(void **state) {
  fixture *f = *state;
  static const char policy[] = "tiers: [{shelf: {path: s.db}}, sqlite], compression: {codec: zlib}, seal: none";
  for (int readable = 0; readable < 2; readable++) {
    if (readable) shelf.capabilities |= LARDER_TIER_READABLE;
    open_with(f, "tiers: [sqlite], compression: {codec: zlib}", NULL, NULL);
    assert_ok(put(f, readable ? "r" : "k", f->text, TEXT_LEN));
    uint64_t const stored = stat_of(f, readable ? "r" : "k").stored_len;
    open_with(f, policy, NULL, NULL);
    shelf_last = (larder_facts){0};
    expect(f, readable ? "r" : "k", f->text, TEXT_LEN);
    lrd_larder_tick(f->cache);
    assert_int_equal(shelf_last.framed, !readable);
    assert_int_equal(shelf_last.value_len, readable ? TEXT_LEN : stored);
    expect(f, readable ? "r" : "k", f->text, TEXT_LEN);
  }
}

/* What was put before the namespace was sealed: no further tier gets it in the clear; rotation is what seals it. */
static void promotion_writes_nothing_in_the_clear(void **state) {
  fixture *f = *state;
  open_with(f, "tiers: [sqlite]", NULL, NULL);
  assert_ok(put(f, "k", "hunter2", 7));
  for (int readable = 0; readable < 2; readable++) {
    if (readable) shelf.capabilities |= LARDER_TIER_READABLE;
    open_with(f, "tiers: [{shelf: {path: s.db}}, sqlite], seal: aes-256-gcm", KEY_A, NULL);
    shelf_last = (larder_facts){0};
    expect(f, "k", "hunter2", 7);
    lrd_larder_tick(f->cache);
    assert_int_equal(shelf_last.stamp, 0); /* nothing came */
  }
}

/* Of the same length, so that only the bytes could tell them apart. */
static void what_can_not_be_opened_is_replaced_without_history(void **state) {
  fixture *f = *state;
  static const char policy[] = "tiers: [sqlite], keep_versions: 2, seal: aes-256-gcm";
  larder_value value = {0};
  open_with(f, policy, KEY_A, NULL);
  assert_ok(larder_put(f->ns, "k", 1, "value one", 9, NULL));
  open_with(f, policy, KEY_B, NULL);
  assert_ok(larder_put(f->ns, "k", 1, "value two", 9, NULL));
  assert_ok(larder_get(f->ns, "k", 1, NULL, &value));
  assert_memory_equal(value.data, "value two", 9);
  larder_value_release(&value);
}

static void a_demoted_value_is_sealed_on_its_way(void **state) {
  fixture *f = *state;
  lrd_op op;
  open_with(f, "seal: aes-256-gcm", KEY_A, NULL);
  assert_ok(lrd_op_begin(f->ns, "k", 1, &op));
  larder_facts const facts = {.stamp = (uint64_t)START_MS << 16, .value_len = 7};
  larder_tier_key const key = lrd_op_memory_key(&op);
  atomic_store(&f->cache->degraded_puts, 1);
  lrd_errand_demote(f->cache, &key, "hunter2", &facts, lrd_slot_token(f->cache->slots, lrd_slot_of(f->cache->slots, op.hash)));
  lrd_larder_tick(f->cache);
  assert_ok(larder_flush(f->cache));
  assert_false(on_disk(f, "hunter2"));
  expect(f, "k", "hunter2", 7);
}

static void a_damaged_frame_is_counted_removed_and_a_miss(void **state) {
  fixture *f = *state;
  static const char policy[] = "tiers: [{shelf: {path: s.db}}], seal: aes-256-gcm";
  open_with(f, policy, KEY_A, NULL);
  shelf_spoils = true;
  assert_ok(put(f, "k", "a value that will not open", 26));
  shelf_spoils = false;
  assert_ok(larder_exists(f->ns, "k", 1));
  assert_err(got(f, "k"), LARDER_MISS);
  assert_int_equal(figure(f, "shelf:s.db", "corrupt"), 1);
  lrd_larder_tick(f->cache);
  assert_err(larder_exists(f->ns, "k", 1), LARDER_MISS);
  assert_int_equal(figure(f, "shelf:s.db", "evicted_corruption"), 1);
  assert_ok(put(f, "k", "another", 7));
  expect(f, "k", "another", 7);
}

/* Puts bytes as a frame into the lowest tier, past all coding: the tier finds nothing wrong with them. */
static void put_frame(fixture *f, const char *key, const void *frame, size_t len, uint64_t raw_len) {
  lrd_op op;
  assert_ok(lrd_op_begin(f->ns, key, strlen(key), &op));
  lrd_link *link = &f->ns->links[f->ns->links_len - 1];
  larder_tier_write item = {.verb = LARDER_TIER_PUT, .key = lrd_op_link_key(&op, link), .value = frame};
  static uint64_t stamp = (uint64_t)START_MS << 16;
  item.facts = (larder_facts){.stamp = stamp++, .value_len = len, .framed = true, .raw_len = raw_len};
  assert_ok(lrd_tier_write(&link->instance->tier, NULL, &item, 1, LARDER_DURABILITY_COMMIT));
  assert_ok(item.result);
}

typedef struct told {
  unsigned count;
  char last[200];
} told;

static void tell(void *context, const larder_finding *finding) {
  told *t = context;
  t->count++;
  (void)snprintf(t->last, sizeof t->last, "%s %s %.*s: %s", finding->tier, finding->ns ? finding->ns : "-",
                 (int)finding->key_len, finding->key ? (const char *)finding->key : "", finding->sentence);
}

static larder_validation validated(fixture *f, bool repair, told *t) {
  larder_validation report = {0};
  *t = (told){0};
  assert_ok(larder_validate(f->cache, NULL, repair, &report, tell, t));
  assert_int_equal(t->count, report.damaged);
  return report;
}

/* A frame of an LZ4 value as a put makes it, to be spoilt in the ways that a tier cannot see. */
static size_t frame_of(fixture *f, uint8_t *out, size_t room) {
  lrd_codec_policy const policy = {.method = LRD_PACK_LZ4, .level = 1};
  lrd_codec_place const place = {lrd_span_str("n"), lrd_span_str("k")};
  lrd_buf frame = {0};
  bool framed = false;
  assert_ok(lrd_frame_encode(f->cache->codec, &policy, &place, lrd_span_of(f->text, TEXT_LEN), 0, &frame, &framed, NULL));
  assert_true(framed && frame.len <= room);
  memcpy(out, frame.data, frame.len);
  size_t const len = frame.len;
  lrd_buf_fini(&frame);
  return len;
}

static void validate_tells_a_frame_that_does_not_open_and_repair_removes_it(void **state) {
  static const char *const policies[] = {"tiers: [memory, sqlite]", "tiers: [memory, files]"};
  static const char *const wrongs[] = {"an unknown method", "checksum is wrong", "another length than its entry tells",
                                       "too short"};
  fixture *f = *state;
  uint8_t frame[4000];
  told t;
  for (size_t p = 0; p < 2; p++) {
    for (size_t w = 0; w < 4; w++) {
      open_with(f, policies[p], NULL, NULL);
      size_t len = frame_of(f, frame, sizeof frame);
      assert_ok(put(f, "sound", "v", 1));
      put_frame(f, "good", frame, len, TEXT_LEN);
      if (w == 0) frame[0] = 0x0f;
      if (w == 1) frame[len - 1] ^= 1;
      put_frame(f, "bad", frame, w == 3 ? 5 : len, TEXT_LEN + (w == 2));
      open_cache(f, policies[p], NULL, NULL); /* its name is the tier's to tell */
      larder_validation report = validated(f, false, &t);
      assert_int_equal(report.damaged, 1);
      assert_int_equal(report.repaired + report.locked + report.orphans, 0);
      assert_non_null(strstr(t.last, p == 0 ? "sqlite n bad: " : "files n bad: "));
      assert_non_null(strstr(t.last, wrongs[w]));
      report = validated(f, true, &t);
      assert_int_equal(report.damaged, 1);
      assert_int_equal(report.repaired, 1);
      report = validated(f, false, &t);
      assert_int_equal(report.damaged, 0);
      open_with(f, policies[p], NULL, NULL);
      assert_err(larder_exists(f->ns, "bad", 3), LARDER_MISS);
      expect(f, "good", f->text, TEXT_LEN);
      expect(f, "sound", "v", 1);
      put_frame(f, "bad", frame, w == 3 ? 5 : len, TEXT_LEN + (w == 2));
      assert_err(got(f, "bad"), LARDER_MISS);
    }
  }
}

/* In a row, and in a file beside the database. */
static void validate_tells_a_sealed_value_that_was_altered_or_moved(void **state) {
  static const char policy[] = "tiers: [{shelf: {path: s.db}}], seal: aes-256-gcm";
  static const size_t lens[] = {100, 500000};
  fixture *f = *state;
  told t;
  char *value = calloc(1, 500000);
  for (size_t i = 0; i < 2; i++) {
    open_with(f, policy, KEY_A, NULL);
    assert_ok(put(f, "sound", value, lens[i]));
    shelf_spoils = true;
    assert_ok(put(f, "spoilt", value, lens[i]));
    shelf_spoils = false;
    open_cache(f, policy, KEY_A, NULL);
    larder_validation report = validated(f, false, &t);
    assert_int_equal(report.damaged, 1);
    assert_non_null(strstr(t.last, "shelf:s.db n spoilt: it does not open"));
    report = validated(f, true, &t);
    assert_int_equal(report.repaired, 1);
    open_with(f, policy, KEY_A, NULL);
    report = validated(f, false, &t);
    assert_int_equal(report.damaged + report.locked, 0);
    expect(f, "sound", value, lens[i]);
    assert_err(got(f, "spoilt"), LARDER_MISS);
  }
  larder_tier_entry entry;
  lrd_op op;
  uint8_t frame[300];
  assert_ok(put(f, "k", "v", 1));
  assert_ok(lrd_op_begin(f->ns, "k", 1, &op));
  larder_tier_key const key = lrd_op_link_key(&op, &f->ns->links[0]);
  assert_ok(lrd_tier_get(&f->ns->links[0].instance->tier, NULL, &key, false, NULL, &entry));
  size_t const len = (size_t)entry.facts.value_len;
  assert_true(len <= sizeof frame);
  memcpy(frame, entry.value, len);
  lrd_tier_release(&f->ns->links[0].instance->tier, &entry);
  put_frame(f, "moved", frame, len, 1);
  larder_validation const report = validated(f, true, &t);
  assert_int_equal(report.damaged, 1);
  assert_non_null(strstr(t.last, "n moved: "));
  expect(f, "k", "v", 1);
  free(value);
}

static void what_is_sealed_with_a_key_that_is_not_here_is_counted_and_left(void **state) {
  static const char *const policies[] = {"seal: aes-256-gcm", "seal: fernet", "seal: aes-256-gcm, tiers: [memory, files]",
                                         "kind: json, seal: {fields: [password]}"};
  static const char document[] = "{\"a\": 1, \"password\": \"hunter2\"}";
  fixture *f = *state;
  told t;
  for (size_t p = 0; p < 4; p++) {
    char *root = f->root;
    char name[2] = {(char)('0' + p), 0};
    f->root = support_path(root, name);
    open_with(f, policies[p], KEY_A, NULL);
    assert_ok(put(f, "k", document, sizeof document - 1));
    assert_int_equal(validated(f, false, &t).locked, 0);
    for (int keys = 0; keys < 2; keys++) { /* another key; none at all, with which the namespace does not open */
      open_cache(f, policies[p], keys == 0 ? KEY_B : NULL, NULL);
      larder_validation const report = validated(f, true, &t);
      assert_int_equal(report.locked, 1);
      assert_int_equal(report.damaged + report.repaired, 0);
    }
    open_with(f, policies[p], KEY_B, KEY_A);
    assert_int_equal(validated(f, true, &t).locked, 0);
    expect(f, "k", document, sizeof document - 1);
    assert_ok(larder_close(&f->cache));
    free(f->root);
    f->root = root;
  }
}

static bool see_any(void *context, const larder_listed *entry) {
  (void)context;
  (void)entry;
  return true;
}

static void expect_left(fixture *f, const char *key) {
  told t;
  assert_err(got(f, key), LARDER_EFORMAT);
  assert_int_equal(figure(f, "shelf:s.db", "corrupt"), 0);
  lrd_larder_tick(f->cache);
  assert_err(larder_list(f->ns, NULL, true, 100, NULL, see_any, NULL), LARDER_EFORMAT);
  for (int repair = 0; repair < 2; repair++) {
    larder_validation const report = validated(f, repair, &t);
    assert_int_equal(report.locked, 1);
    assert_int_equal(report.damaged + report.repaired, 0);
  }
  assert_ok(larder_exists(f->ns, key, strlen(key)));
  assert_err(got(f, key), LARDER_EFORMAT);
}

/* Another version; a method and a seal that are not known here. */
static void what_a_newer_build_wrote_is_told_counted_and_left(void **state) {
  static const char policy[] = "tiers: [memory, {shelf: {path: s.db}}]";
  static const uint8_t markers[] = {0x40, 0x0e, 0x20};
  fixture *f = *state;
  for (size_t i = 0; i < sizeof markers; i++) {
    char const key[] = {'k', (char)('0' + i), 0}; /* a deleted one is remembered with its stamp */
    uint8_t frame[60] = {markers[i], 20, 9, 1};
    lrd_sum const sum = lrd_sum128(frame, sizeof frame - 16);
    lrd_put_u64(frame + sizeof frame - 16, sum.low);
    lrd_put_u64(frame + sizeof frame - 8, sum.high);
    open_with(f, policy, NULL, NULL);
    put_frame(f, key, frame, sizeof frame, 20);
    expect_left(f, key);
    larder_rotation done;
    open_with(f, "tiers: [memory, {shelf: {path: s.db}}], seal: aes-256-gcm", KEY_A, NULL);
    assert_ok(larder_keys_rotate(f->cache, NULL, NULL, NULL, &done));
    assert_int_equal(done.locked, 1);
    assert_int_equal(done.failed + done.resealed, 0);
    expect_left(f, key);
    open_with(f, policy, NULL, NULL);
    expect_left(f, key);
    assert_ok(put(f, key, "mine", 4)); /* whoever has a value of its own may put it */
    expect(f, key, "mine", 4);
    assert_ok(larder_delete(f->ns, key, 2));
  }
}

static void a_member_that_a_newer_build_sealed_is_left(void **state) {
  static const char document[] = "{\"a\": 1, \"password\": \"larder-sealed:QAAA\"}";
  fixture *f = *state;
  open_with(f, "tiers: [{shelf: {path: s.db}}], kind: json", NULL, NULL);
  assert_ok(put(f, "k", document, sizeof document - 1));
  open_with(f, "tiers: [{shelf: {path: s.db}}], kind: json, seal: {fields: [password]}", KEY_A, NULL);
  expect_left(f, "k");
}

static void validate_says_when_it_had_no_memory_to_open_a_value(void **state) {
  fixture *f = *state;
  larder_validation report;
  open_with(f, "compression: {codec: zstd}", NULL, NULL);
  assert_ok(put(f, "k", f->text, TEXT_LEN));
  bool judged = false;
  for (uint64_t n = 1;; n++) {
    open_cache(f, "compression: {codec: zstd}", NULL, NULL); /* its breaker is closed again */
    support_alloc_fail_at(n);
    larder_err const result = larder_validate(f->cache, NULL, true, &report, NULL, NULL);
    if (support_alloc_end() < n) break;
    assert_true(result == LARDER_OK || result == LARDER_ENOMEM);
    assert_int_equal(report.damaged, 0);
    judged |= result == LARDER_ENOMEM && report.examined > 0; /* the tier read it, and it could not be opened */
  }
  assert_true(judged);
  open_with(f, "compression: {codec: zstd}", NULL, NULL);
  expect(f, "k", f->text, TEXT_LEN);
}

static void a_damaged_copy_above_is_passed_over(void **state) {
  fixture *f = *state;
  open_with(f, "tiers: [{shelf: {path: s.db}}, sqlite], compression: {codec: zstd}", NULL, NULL);
  shelf_spoils = true;
  assert_ok(put(f, "k", f->text, TEXT_LEN));
  shelf_spoils = false;
  expect(f, "k", f->text, TEXT_LEN);
}

static bool count_progress(void *context, const larder_rotation *so_far) {
  unsigned *left = context;
  (void)so_far;
  return (*left)-- > 0;
}

static bool sum_keys(void *context, const larder_key *key) {
  uint64_t *of = context; /* present, other and here, not here */
  of[key->current ? 0 : key->source ? 1 : 2] += key->entries;
  return true;
}

static void rotation_reseals_all_and_can_be_taken_up_again(void **state) {
  static const char *const policies[] = {"seal: aes-256-gcm, tiers: [memory, {shelf: {path: s.db}}, sqlite]", "seal: fernet",
                                         "kind: json, seal: {fields: [password]}, compression: {threshold: 1}",
                                         "kind: json, seal: {algorithm: fernet, fields: [password]}"};
  fixture *f = *state;
  larder_rotation done;
  for (size_t p = 0; p < 4; p++) {
    char key[16], value[100];
    unsigned pages = 1;
    uint64_t entries[3] = {0};
    open_with(f, policies[p], KEY_A, NULL);
    assert_ok(larder_clear(f->ns, NULL));
    for (unsigned i = 0; i < 700; i++) {
      (void)snprintf(key, sizeof key, "k%u", i);
      (void)snprintf(value, sizeof value, "{\"a\": %u, \"password\": \"p%u\"}", i, i);
      assert_ok(larder_put(f->ns, key, strlen(key), value, strlen(value), NULL));
    }
    open_with(f, policies[p], KEY_B, KEY_A);
    assert_ok(larder_keys_rotate(f->cache, NULL, count_progress, &pages, &done));
    assert_false(done.complete);
    assert_true(done.resealed > 0 && done.resealed < 700);
    uint64_t const first = done.resealed;
    assert_ok(larder_keys_each(f->cache, sum_keys, entries));
    assert_int_equal(entries[0], first);
    assert_int_equal(entries[1], 700 - first);
    assert_ok(larder_keys_rotate(f->cache, f->ns, NULL, NULL, &done));
    assert_true(done.complete);
    assert_int_equal(done.resealed, 700 - first);
    assert_ok(larder_keys_rotate(f->cache, NULL, NULL, NULL, &done));
    assert_true(done.complete && done.resealed == 0 && done.locked == 0);
    open_with(f, policies[p], KEY_B, NULL);
    for (unsigned i = 0; i < 700; i++) {
      (void)snprintf(key, sizeof key, "k%u", i);
      (void)snprintf(value, sizeof value, "{\"a\": %u, \"password\": \"p%u\"}", i, i);
      expect(f, key, value, strlen(value));
    }
  }
}

static void rotation_seals_what_was_not_and_leaves_what_it_cannot_open(void **state) {
  fixture *f = *state;
  larder_rotation done;
  uint64_t entries[3] = {0};
  open_with(f, "ttl: 1h", NULL, NULL);
  larder_put_options const options = {.size = sizeof options, .ttl_ms = 5000, .version = "v7"};
  assert_ok(larder_put(f->ns, "plain", 5, "hunter2", 7, &options));
  open_with(f, "seal: fernet", KEY_B, NULL);
  assert_ok(put(f, "locked", "b", 1));
  open_with(f, "seal: aes-256-gcm", KEY_A, NULL);
  assert_ok(larder_keys_rotate(f->cache, NULL, NULL, NULL, &done));
  assert_int_equal(done.resealed, 1);
  assert_int_equal(done.locked, 1);
  assert_ok(larder_keys_each(f->cache, sum_keys, entries));
  assert_true(entries[0] == 1 && entries[1] == 0 && entries[2] == 1);
  larder_stat stat;
  assert_ok(larder_stat_get(f->ns, "plain", 5, &stat));
  assert_int_equal(stat.facts.expires_soft_ms, START_MS + 5000);
  assert_memory_equal(stat.facts.version, "v7", 2);
  larder_stat_free(&stat);
  open_with(f, "seal: aes-256-gcm", KEY_A, NULL);
  assert_true(stat_of(f, "plain").stored_len > 7);
  expect(f, "plain", "hunter2", 7);
  open_with(f, "seal: aes-256-gcm", KEY_A, KEY_B);
  expect(f, "locked", "b", 1);
}

static void a_key_file_is_made_and_grows_in_front(void **state) {
  fixture *f = *state;
  char *path = support_path(f->root, "key");
  char first[LARDER_KEY_ID_LEN + 1], second[LARDER_KEY_ID_LEN + 1];
  larder_error err = {0};
  (void)unsetenv("LARDER_KEY");
  assert_ok(larder_key_file_new(path, false, first, &err));
  assert_err(larder_key_file_new(path, false, second, &err), LARDER_EBUSY);
  assert_ok(larder_key_file_new(path, true, second, &err));
  assert_string_not_equal(first, second);
  size_t len = 0;
  char *text = support_file_read(path, &len);
  assert_int_equal(len, 90);
  free(text);
  lrd_keyring *ring = NULL;
  assert_ok(lrd_keyring_open(path, lrd_clock_real(), &ring, &err));
  char id[LARDER_KEY_ID_LEN + 1];
  (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)lrd_keyring_at(ring, 0).id);
  assert_string_equal(id, second);
  lrd_keyring_close(ring);
  for (uint64_t n = 1;; n++) { /* whatever fails, the file that was there is there */
    support_fs_fail_at(LRD_FS_WRITE, n, ENOSPC);
    larder_err const result = larder_key_file_new(path, true, id, &err);
    if (support_fs_end() < n) break;
    assert_err(result, LARDER_ENOSPC);
    assert_ok(lrd_keyring_open(path, lrd_clock_real(), &ring, &err));
    assert_int_equal(lrd_keyring_len(ring), 2);
    lrd_keyring_close(ring);
  }
  larder_err result = LARDER_OK;
  for (int keys = 0; keys < 20 && result == LARDER_OK; keys++) result = larder_key_file_new(path, true, id, &err);
  assert_err(result, LARDER_ETOOBIG);
  assert_ok(lrd_keyring_open(path, lrd_clock_real(), &ring, &err)); /* full, it still opens */
  lrd_keyring_close(ring);
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_compressed_value_comes_back_and_takes_less),
      TEST(what_does_not_shrink_or_is_small_is_stored_as_it_is),
      TEST(numbers_are_shuffled_by_the_width_that_the_array_tells),
      TEST(a_queued_value_is_compressed_when_it_is_written),
      TEST(batches_are_compressed_each),
      TEST(a_sealed_value_is_nowhere_on_disk),
      TEST(without_a_key_a_sealed_namespace_does_not_open),
      TEST(another_key_is_an_error_and_costs_nothing),
      TEST(named_members_alone_are_sealed),
      TEST(tiers_that_others_read_get_members_sealed_and_no_compression),
      TEST(promotion_carries_frames_as_they_are),
      TEST(promotion_writes_nothing_in_the_clear),
      TEST(what_can_not_be_opened_is_replaced_without_history),
      TEST(a_demoted_value_is_sealed_on_its_way),
      TEST(a_damaged_frame_is_counted_removed_and_a_miss),
      TEST(validate_tells_a_frame_that_does_not_open_and_repair_removes_it),
      TEST(validate_tells_a_sealed_value_that_was_altered_or_moved),
      TEST(what_is_sealed_with_a_key_that_is_not_here_is_counted_and_left),
      TEST(what_a_newer_build_wrote_is_told_counted_and_left),
      TEST(a_member_that_a_newer_build_sealed_is_left),
      TEST(validate_says_when_it_had_no_memory_to_open_a_value),
      TEST(a_damaged_copy_above_is_passed_over),
      TEST(rotation_reseals_all_and_can_be_taken_up_again),
      TEST(rotation_seals_what_was_not_and_leaves_what_it_cannot_open),
      TEST(a_key_file_is_made_and_grows_in_front),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
