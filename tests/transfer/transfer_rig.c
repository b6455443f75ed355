/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer_rig.h"

#include <dirent.h>
#include <unistd.h>

const char *const transfer_endings[3] = {"jsonl", "json", "csv"};

larder *transfer_open_at(transfer_rig *f, const char *root) {
  larder *cache = NULL;
  larder_error error = {0};
  larder_options options = {.size = sizeof options,
                            .root = root,
                            .config_text = "cache: {memory: {size_mb: 8}, namespaces: {n: {ttl: 1h, stale_if_error: 1h}, "
                                           "alone: {tiers: [sqlite]}, small: {max_entry: 10}}}"};
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &cache, &error) != LARDER_OK) fail_msg("%s", error.message);
  return cache;
}

int transfer_setup(void **state) {
  transfer_rig *f = calloc(1, sizeof *f);
  f->dir = support_dir_make();
  f->root = support_path(f->dir, "root");
  lrd_clock_moved_init(&f->clock, START_MS);
  f->cache = transfer_open_at(f, f->root);
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
  *state = f;
  return 0;
}

int transfer_teardown(void **state) {
  transfer_rig *f = *state;
  int bad = larder_close(&f->cache) != LARDER_OK;
  free(f->root);
  support_dir_remove(&f->dir);
  free(f);
  return bad;
}

void transfer_put(larder_ns *ns, const void *key, size_t key_len, const void *value, size_t len,
                  const larder_put_options *how) {
  assert_ok(larder_put(ns, key, key_len, value, len, how));
}

void transfer_put_text(larder_ns *ns, const char *key, const char *value) {
  transfer_put(ns, key, strlen(key), value, strlen(value), NULL);
}

void transfer_expect(larder_ns *ns, const char *key, const char *value) {
  larder_value found = {0};
  assert_err(larder_get(ns, key, strlen(key), NULL, &found), value ? LARDER_OK : LARDER_MISS);
  if (!value) return;
  assert_int_equal(found.len, strlen(value));
  assert_memory_equal(found.data, value, found.len);
  larder_value_release(&found);
}

void transfer_fill(larder_ns *ns) {
  static const char *const tags[] = {"a;b", "plain", "[x]", "quo\"te, comma"};
  uint8_t all[256];
  for (unsigned i = 0; i < 256; i++) all[i] = (uint8_t)i;
  transfer_put_text(ns, "text", "hello, \"world\"\r\nsecond line");
  transfer_put_text(ns, " spaces ", " and = signs ");
  transfer_put(ns, all, sizeof all, all, sizeof all, NULL);
  transfer_put(ns, "empty", 5, "", 0, NULL);
  transfer_put(ns, "json", 4, "{\"a\": [1, 2.50, {\"b\":null}]}", 28,
               &(larder_put_options){.size = sizeof(larder_put_options), .kind = LARDER_KIND_JSON});
  transfer_put(ns, "json text", 9, "\"a\"", 3,
               &(larder_put_options){.size = sizeof(larder_put_options), .kind = LARDER_KIND_JSON});
  transfer_put(ns, "json lines", 10, "{\n\"a\":\n1}\n", 10,
               &(larder_put_options){.size = sizeof(larder_put_options), .kind = LARDER_KIND_JSON});
  transfer_put_text(ns, "not json", "{nope");
  transfer_put(ns, "facts", 5, "x", 1,
               &(larder_put_options){.size = sizeof(larder_put_options),
                                     .kind = LARDER_KIND_TEXT,
                                     .version = "W/\"7\"",
                                     .modified_ms = INT64_C(1700000000123),
                                     .meta = all,
                                     .meta_len = sizeof all,
                                     .tags = tags,
                                     .tags_count = 4});
  transfer_put(
      ns, "never", 5, "x", 1,
      &(larder_put_options){.size = sizeof(larder_put_options), .ttl_ms = LARDER_TTL_NEVER, .tags = tags + 1, .tags_count = 1});
  transfer_put(ns, "no stale", 8, "x", 1,
               &(larder_put_options){.size = sizeof(larder_put_options), .ttl_ms = 5000, .stale_ms = -1});
  transfer_put(ns, "stars", 5, "***", 3, NULL);
}

static int line_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

typedef struct lines {
  char *items[64];
  size_t len;
} lines;

static void hex(FILE *out, const void *data, size_t len) {
  for (size_t i = 0; i < len; i++) fprintf(out, "%02x", ((const uint8_t *)data)[i]);
  fputc('|', out);
}

static bool line_visit(void *context, const larder_listed *entry) {
  lines *l = context;
  size_t len;
  FILE *out = open_memstream(&l->items[l->len], &len);
  assert_true(out && l->len < 63);
  hex(out, entry->key, entry->key_len);
  hex(out, entry->value, entry->facts->value_len);
  hex(out, entry->facts->version, entry->facts->version_len);
  hex(out, entry->facts->meta, entry->facts->meta_len);
  hex(out, entry->facts->tags, entry->facts->tags_len);
  fprintf(out, "%d %lld %lld %lld\n", (int)entry->facts->kind, (long long)entry->facts->expires_soft_ms,
          (long long)entry->facts->expires_hard_ms, (long long)entry->facts->modified_ms);
  fclose(out);
  l->len++;
  return true;
}

char *transfer_content(larder_ns *ns) {
  lines l = {0};
  char *all = NULL;
  size_t len;
  assert_ok(larder_list(ns, NULL, true, 0, NULL, line_visit, &l));
  qsort(l.items, l.len, sizeof *l.items, line_order);
  FILE *out = open_memstream(&all, &len);
  for (size_t i = 0; i < l.len; i++) {
    fputs(l.items[i], out);
    free(l.items[i]);
  }
  fclose(out);
  return all;
}

larder_err transfer_export(transfer_rig *f, const char *path, bool secrets, larder_transfer_counts *counts) {
  larder_export_options how = {.size = sizeof how, .include_secrets = secrets};
  larder_error error = {0};
  larder_err result = larder_export(f->cache, path, &how, counts, &error);
  if (result != LARDER_OK) {
    assert_true(error.message[0] != '\0');
    assert_int_equal(error.code, result);
  }
  return result;
}

void transfer_note(void *context, uint64_t line, const void *key, size_t key_len, const char *reason) {
  (void)key;
  char *told = context;
  size_t len = strlen(told);
  snprintf(told + len, 2000 - len, "%llu %zu %s\n", (unsigned long long)line, key_len, reason);
}

bool transfer_progress_stop(void *context, const larder_transfer_counts *counts) {
  transfer_stop *stop = context;
  stop->calls++;
  return counts->entries < stop->entries;
}

larder_err transfer_import(larder *cache, const char *path, const larder_import_options *given,
                           larder_transfer_counts *counts) {
  larder_import_options how = given ? *given : (larder_import_options){0};
  larder_error error = {0};
  how.size = sizeof how;
  larder_err result = larder_import(cache, path, &how, counts, &error);
  if (result != LARDER_OK) {
    assert_true(error.message[0] != '\0');
    assert_int_equal(error.code, result);
  }
  return result;
}

void transfer_lines_write(const char *path, unsigned count) {
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  for (unsigned i = 0; i < count; i++) fprintf(out, i == 7 ? "{\"key\":7}\n" : "{\"key\":\"k%u\",\"value\":\"%u\"}\n", i, i);
  fclose(out);
}

void transfer_notes_unlink(const transfer_rig *f) {
  DIR *folder = opendir(f->root);
  assert_non_null(folder);
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strncmp(entry->d_name, "rejects-", 8) != 0) continue;
    char *path = support_path(f->root, entry->d_name);
    assert_int_equal(unlink(path), 0);
    free(path);
  }
  closedir(folder);
}
