/* SPDX-License-Identifier: Apache-2.0 */
#include "ours.h"
#include "bench.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OURS_VALUE_MAX 4096u

static void must(larder_err err, const char *what) {
  if (err != LARDER_OK) bench_die("%s: %s", what, larder_err_text(err));
}

void ours_folder(char *out, size_t room) {
  const char *base = getenv("TMPDIR");
  snprintf(out, room, "%s/larder-bench-XXXXXX", base && *base ? base : "/tmp");
  if (!mkdtemp(out)) bench_die("%s: no folder to be had", out);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at) {
  (void)stat;
  (void)type;
  (void)at;
  return remove(path);
}

void ours_folder_remove(const char *path) { (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static void log_show(void *context, int level, const char *id, const char *message) {
  (void)context;
  (void)level;
  fprintf(stderr, "larder: %s: %s\n", id, message);
}

void ours_open(ours *side, ours_chain chain, const char *policy, size_t memory_mb, size_t value_len) {
  static const char *const chains[] = {"[memory]", "[memory, sqlite]", "[sqlite]", "[files]"};
  char config[512];
  larder_error error = {0};
  *side = (ours){.value_len = value_len};
  if (value_len > OURS_VALUE_MAX) bench_die("values of %zu bytes are not foreseen", value_len);
  ours_folder(side->root, sizeof side->root);
  snprintf(config, sizeof config,
           "cache:\n"
           "  memory: {enable: true, size_mb: %zu}\n"
           "  sqlite: {enable: true, max_mb: 16384}\n"
           "  namespaces:\n"
           "    bench: {tiers: %s, %s}\n",
           memory_mb, chains[chain], policy);
  larder_options options = {
      .size = sizeof options, .root = side->root, .config_text = config, .log = log_show, .log_level = LARDER_LOG_WARN};
  if (larder_open(&options, &side->cache, &error) != LARDER_OK) bench_die("open: %s", error.message);
  if (larder_ns_open(side->cache, "bench", &side->ns, &error) != LARDER_OK) bench_die("namespace: %s", error.message);
}

void ours_shut(ours *side) {
  if (side->cache) must(larder_close(&side->cache), "close");
  side->ns = NULL;
}

void ours_close(ours *side) {
  ours_shut(side);
  if (*side->root) ours_folder_remove(side->root);
  *side = (ours){0};
}

#define FILL_BATCH 512u

static void fill_batch(ours *side, uint32_t first, size_t count, size_t key_len, uint8_t *values) {
  larder_item items[FILL_BATCH];
  uint8_t keys[FILL_BATCH][BENCH_KEY_MAX];
  memset(items, 0, sizeof items);
  for (size_t i = 0; i < count; i++) {
    bench_key(first + (uint32_t)i, key_len, keys[i]);
    bench_value(first + (uint32_t)i, values + i * side->value_len, side->value_len);
    items[i].key = keys[i];
    items[i].key_len = key_len;
    items[i].value = values + i * side->value_len;
    items[i].value_len = side->value_len;
  }
  must(larder_put_many(side->ns, items, count), "put_many");
  for (size_t i = 0; i < count; i++) must(items[i].result, "put of the fill");
}

void ours_fill(ours *side, size_t keys, size_t key_len) {
  uint8_t *values = bench_alloc(FILL_BATCH * side->value_len), key[BENCH_KEY_MAX], value[OURS_VALUE_MAX];
  for (size_t first = 0; first < keys; first += FILL_BATCH)
    fill_batch(side, (uint32_t)first, keys - first < FILL_BATCH ? keys - first : FILL_BATCH, key_len, values);
  free(values);
  must(larder_flush(side->cache), "flush");
  size_t len;
  for (uint32_t id = 0; id < keys; id++) {
    bench_key(id, key_len, key);
    must(larder_get_into(side->ns, key, key_len, value, sizeof value, &len), "get of the fill");
  }
}

/* Out of line: the loops stay small. */
static _Noreturn __attribute__((cold, noinline)) void lost(const bench_trace *trace, size_t at) {
  bench_die("key %u of the trace's operation %zu was not served with its value", trace->ids[at], at);
}

__attribute__((noinline)) void ours_copied(const ours *side, const bench_trace *trace, size_t from, size_t count) {
  uint8_t value[OURS_VALUE_MAX];
  const uint8_t *key = trace->asked + from * trace->key_len;
  for (size_t i = from; i < from + count; i++, key += trace->key_len) {
    size_t len;
    if (larder_get_into(side->ns, key, trace->key_len, value, side->value_len, &len) != LARDER_OK ||
        memcmp(value, &trace->ids[i], 4) != 0)
      lost(trace, i);
  }
}

__attribute__((noinline)) void ours_pinned(const ours *side, const bench_trace *trace, size_t from, size_t count) {
  const uint8_t *key = trace->asked + from * trace->key_len;
  for (size_t i = from; i < from + count; i++, key += trace->key_len) {
    larder_value value;
    if (larder_get(side->ns, key, trace->key_len, NULL, &value) != LARDER_OK || memcmp(value.data, &trace->ids[i], 4) != 0)
      lost(trace, i);
    larder_value_release(&value);
  }
}

__attribute__((noinline)) void ours_many(const ours *side, const bench_trace *trace, size_t from, size_t count, size_t batch) {
  larder_item items[64];
  memset(items, 0, sizeof items);
  for (size_t i = from; i + batch <= from + count; i += batch) {
    for (size_t b = 0; b < batch; b++) {
      items[b].key = trace->asked + (i + b) * trace->key_len;
      items[b].key_len = trace->key_len;
    }
    if (larder_get_many(side->ns, items, batch, NULL) != LARDER_OK) lost(trace, i);
    for (size_t b = 0; b < batch; b++) {
      if (items[b].result != LARDER_OK || memcmp(items[b].found.data, &trace->ids[i + b], 4) != 0) lost(trace, i + b);
      larder_value_release(&items[b].found);
    }
  }
}

__attribute__((noinline)) void ours_mixed(const ours *side, const bench_trace *trace, size_t from, size_t count) {
  uint8_t value[OURS_VALUE_MAX], fresh[OURS_VALUE_MAX];
  bench_value(0, fresh, side->value_len);
  const uint8_t *key = trace->asked + from * trace->key_len;
  for (size_t i = from; i < from + count; i++, key += trace->key_len) {
    size_t len;
    if (trace->writes[i]) {
      memcpy(fresh, &trace->ids[i], 4);
      if (larder_put(side->ns, key, trace->key_len, fresh, side->value_len, NULL) != LARDER_OK) lost(trace, i);
    } else if (larder_get_into(side->ns, key, trace->key_len, value, side->value_len, &len) != LARDER_OK ||
               memcmp(value, &trace->ids[i], 4) != 0) {
      lost(trace, i);
    }
  }
}

__attribute__((noinline)) void ours_puts(const ours *side, const bench_trace *trace, size_t from, size_t count) {
  uint8_t value[OURS_VALUE_MAX];
  bench_value(0, value, side->value_len);
  for (size_t i = from; i < from + count; i++) {
    memcpy(value, &trace->ids[i], 4);
    larder_err err = larder_put(side->ns, trace->asked + i * trace->key_len, trace->key_len, value, side->value_len, NULL);
    if (err != LARDER_OK) bench_die("put of key %u: %s", trace->ids[i], larder_err_text(err));
  }
}

typedef struct usage_wanted {
  const char *tier;
  larder_tier_usage *out;
  bool found;
} usage_wanted;

static bool usage_visit(void *context, const larder_tier_state *state) {
  usage_wanted *wanted = context;
  if (strcmp(state->name, wanted->tier) == 0 && state->usage_known) {
    *wanted->out = state->usage;
    wanted->found = true;
  }
  return true;
}

void ours_usage(const ours *side, const char *tier, larder_tier_usage *out) {
  usage_wanted wanted = {.tier = tier, .out = out};
  must(larder_tiers(side->cache, side->ns, usage_visit, &wanted), "tiers");
  if (!wanted.found) bench_die("no usage of %s", tier);
}
