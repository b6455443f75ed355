/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_fixture.h"

#include "base/hash.h"
#include <string.h>

static int64_t fixture_wall_ms(void *context) { return atomic_load(&((fixture *)context)->now_ms); }

static void fixture_evicted(void *context, uint32_t space, larder_evict_reason reason, uint64_t count, uint64_t bytes) {
  fixture *fix = context;
  (void)space;
  atomic_fetch_add(&fix->evicted[reason], count);
  atomic_fetch_add(&fix->evicted_bytes, bytes);
}

static void fixture_demote(void *context, const larder_tier_key *key, const void *value, const larder_facts *facts,
                           uint64_t token, larder_evict_reason reason) {
  fixture *fix = context;
  (void)value;
  (void)token;
  (void)reason;
  assert_true(facts->value_len == 0 || value != NULL);
  if (key->len < sizeof fix->demoted_last) {
    memcpy(fix->demoted_last, key->data, key->len);
    fix->demoted_last[key->len] = '\0';
  }
  atomic_fetch_add(&fix->demoted, 1);
}

void fixture_open(fixture *fix, const fixture_options *options) {
  memset(fix, 0, sizeof *fix);
  atomic_store(&fix->now_ms, 1000000);
  fix->stamp = UINT64_C(1000000) << 16;
  larder_tier_params params = {.size = sizeof params,
                               .bytes_max = options->bytes_max ? options->bytes_max : (uint64_t)8 << 20,
                               .entries_max = options->instance_entries_max,
                               .seed = FIXTURE_SEED,
                               .options = options->options,
                               .host = {.context = fix, .wall_ms = fixture_wall_ms, .evicted = fixture_evicted}};
  if (options->demote) params.host.demote = fixture_demote;
  void *self = NULL;
  larder_error err;
  assert_int_equal(lrd_memory_tier.open(&params, &self, &err), LARDER_OK);
  fix->memory = self;
  fix->space = fixture_bind(fix, "main", options->policy, options->space_bytes_max, options->space_entries_max);
  fix->seed = lrd_hash_seed_for(FIXTURE_SEED, "main");
}

static void fixture_finding(void *context, const larder_tier_key *key, const char *sentence) {
  (void)context;
  (void)key;
  print_error("check: %s\n", sentence);
}

void fixture_check(fixture *fix) {
  larder_tier_report report;
  assert_int_equal(lrd_memory_tier.check(fix->memory, false, &report, fixture_finding, NULL, NULL), LARDER_OK);
  assert_int_equal(report.damaged, 0);
  larder_tier_usage usage = fixture_usage(fix, LARDER_TIER_ALL_SPACES);
  assert_int_equal(report.examined, usage.entries);
  assert_true(usage.bytes <= usage.bytes_max);
}

void fixture_close(fixture *fix) {
  fixture_check(fix);
  lrd_memory_tier.close(fix->memory);
  fix->memory = NULL;
}

uint32_t fixture_bind(fixture *fix, const char *name, const char *policy, uint64_t bytes_max, uint64_t entries_max) {
  larder_tier_space space = {
      .size = sizeof space, .name = name, .policy = policy, .bytes_max = bytes_max, .entries_max = entries_max};
  uint32_t number = UINT32_MAX;
  assert_int_equal(lrd_memory_tier.bind(fix->memory, &space, &number), LARDER_OK);
  return number;
}

larder_tier_key fixture_key_in(uint32_t space, const char *name, const void *data, size_t len) {
  uint64_t hash = lrd_hash64(data, len, lrd_hash_seed_for(FIXTURE_SEED, name));
  return (larder_tier_key){.data = data, .len = len, .hash = hash, .space = space};
}

larder_tier_key fixture_key(const fixture *fix, const char *text) {
  size_t len = strlen(text);
  return (larder_tier_key){.data = text, .len = len, .hash = lrd_hash64(text, len, fix->seed), .space = fix->space};
}

larder_err fixture_put(fixture *fix, const char *key, const char *value) {
  larder_tier_key at = fixture_key(fix, key);
  larder_facts facts = {.stamp = ++fix->stamp, .value_len = strlen(value)};
  return lrd_memory_put(fix->memory, &at, value, &facts, 0);
}

bool fixture_get(fixture *fix, const char *key) {
  larder_tier_key at = fixture_key(fix, key);
  char out[256];
  size_t len;
  larder_err result = lrd_memory_copy(fix->memory, &at, NULL, false, out, sizeof out, &len);
  assert_true(result == LARDER_OK || result == LARDER_MISS);
  return result == LARDER_OK;
}

typedef struct fixture_search {
  const char *key;
  bool found;
  char letters[64];
} fixture_search;

static bool fixture_visit(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  fixture_search *search = context;
  (void)facts;
  (void)value;
  if (search->key && key->len == strlen(search->key) && memcmp(key->data, search->key, key->len) == 0) search->found = true;
  if (key->len != 1) return true;
  size_t len = strlen(search->letters), at = len;
  char letter = *(const char *)key->data;
  while (at > 0 && search->letters[at - 1] > letter) at--;
  memmove(search->letters + at + 1, search->letters + at, len - at + 1);
  search->letters[at] = letter;
  return true;
}

static fixture_search fixture_walk(fixture *fix, const char *key) {
  fixture_search search = {.key = key};
  larder_tier_cursor cursor = {0};
  while (lrd_memory_tier.scan(fix->memory, fix->space, &cursor, 0, false, fixture_visit, &search) != LARDER_END) {
  }
  return search;
}

bool fixture_has(fixture *fix, const char *key) { return fixture_walk(fix, key).found; }

const char *fixture_letters(fixture *fix) {
  static char letters[64];
  fixture_search search = fixture_walk(fix, NULL);
  memcpy(letters, search.letters, sizeof letters);
  return letters;
}

larder_tier_usage fixture_usage(fixture *fix, uint32_t space) {
  larder_tier_usage usage;
  assert_int_equal(lrd_memory_tier.usage(fix->memory, space, &usage), LARDER_OK);
  return usage;
}
