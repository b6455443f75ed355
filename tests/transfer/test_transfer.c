/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports and imports on a real cache with a clock that the test moves: everything comes back bit by bit, secrets do not
 * leave, damage is told, an import goes on where it ended, a full disk or a crash leaves the old file or the new one.
 */
#include "support/support.h"

#include "base/clock.h"
#include "larder_testing.h"
#include "warm/base64.h"
#include <errno.h>
#include <larder/transfer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000)

typedef struct fixture {
  char *dir, *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
} fixture;

static const char *const endings[] = {"jsonl", "json", "csv"};

static larder *open_at(fixture *f, const char *root) {
  larder *cache = NULL;
  larder_error error = {0};
  larder_options options = {.size = sizeof options,
                            .root = root,
                            .config_text = "cache: {memory: {size_mb: 8}, namespaces: {n: {ttl: 1h, stale_if_error: 1h}, "
                                           "alone: {tiers: [sqlite]}, small: {max_entry: 10}}}"};
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &cache, &error) != LARDER_OK) fail_msg("%s", error.message);
  return cache;
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->dir = support_dir_make();
  f->root = support_path(f->dir, "root");
  lrd_clock_moved_init(&f->clock, START_MS);
  f->cache = open_at(f, f->root);
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, NULL));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  int bad = larder_close(&f->cache) != LARDER_OK;
  free(f->root);
  support_dir_remove(&f->dir);
  free(f);
  return bad;
}

static void put(larder_ns *ns, const void *key, size_t key_len, const void *value, size_t len, const larder_put_options *how) {
  assert_ok(larder_put(ns, key, key_len, value, len, how));
}

static void put_text(larder_ns *ns, const char *key, const char *value) {
  put(ns, key, strlen(key), value, strlen(value), NULL);
}

static void expect(larder_ns *ns, const char *key, const char *value) {
  larder_value found = {0};
  assert_err(larder_get(ns, key, strlen(key), NULL, &found), value ? LARDER_OK : LARDER_MISS);
  if (!value) return;
  assert_int_equal(found.len, strlen(value));
  assert_memory_equal(found.data, value, found.len);
  larder_value_release(&found);
}

/* Keys, values and facts of every awkward kind. */
static void fill(larder_ns *ns) {
  static const char *const tags[] = {"a;b", "plain", "[x]", "quo\"te, comma"};
  uint8_t all[256];
  for (unsigned i = 0; i < 256; i++) all[i] = (uint8_t)i;
  put_text(ns, "text", "hello, \"world\"\r\nsecond line");
  put_text(ns, " spaces ", " and = signs ");
  put(ns, all, sizeof all, all, sizeof all, NULL);
  put(ns, "empty", 5, "", 0, NULL);
  put(ns, "json", 4, "{\"a\": [1, 2.50, {\"b\":null}]}", 28,
      &(larder_put_options){.size = sizeof(larder_put_options), .kind = LARDER_KIND_JSON});
  put(ns, "json text", 9, "\"a\"", 3, &(larder_put_options){.size = sizeof(larder_put_options), .kind = LARDER_KIND_JSON});
  put(ns, "json lines", 10, "{\n\"a\":\n1}\n", 10,
      &(larder_put_options){.size = sizeof(larder_put_options), .kind = LARDER_KIND_JSON});
  put_text(ns, "not json", "{nope");
  put(ns, "facts", 5, "x", 1,
      &(larder_put_options){.size = sizeof(larder_put_options),
                            .kind = LARDER_KIND_TEXT,
                            .version = "W/\"7\"",
                            .modified_ms = INT64_C(1700000000123),
                            .meta = all,
                            .meta_len = sizeof all,
                            .tags = tags,
                            .tags_count = 4});
  put(ns, "never", 5, "x", 1,
      &(larder_put_options){.size = sizeof(larder_put_options), .ttl_ms = LARDER_TTL_NEVER, .tags = tags + 1, .tags_count = 1});
  put(ns, "no stale", 8, "x", 1, &(larder_put_options){.size = sizeof(larder_put_options), .ttl_ms = 5000, .stale_ms = -1});
  put(ns, "stars", 5, "***", 3, NULL);
}

/* Everything of a namespace but the stamps, sorted, as text. */
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

static char *content(larder_ns *ns) {
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

static larder_err export_to(fixture *f, const char *path, bool secrets, larder_transfer_counts *counts) {
  larder_export_options how = {.size = sizeof how, .include_secrets = secrets};
  larder_error error = {0};
  larder_err result = larder_export(f->cache, path, &how, counts, &error);
  if (result != LARDER_OK) {
    assert_true(error.message[0] != '\0');
    assert_int_equal(error.code, result);
  }
  return result;
}

static void failed_note(void *context, uint64_t line, const void *key, size_t key_len, const char *reason) {
  (void)key;
  char *told = context;
  size_t len = strlen(told);
  snprintf(told + len, 2000 - len, "%llu %zu %s\n", (unsigned long long)line, key_len, reason);
}

static larder_err import_from(larder *cache, const char *path, const larder_import_options *given,
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

static void everything_comes_back_from_every_format(void **state) {
  fixture *f = *state;
  fill(f->ns);
  char *before = content(f->ns);
  for (size_t i = 0; i < 3; i++) {
    char name[32], place[32];
    larder_transfer_counts counts;
    struct stat info;
    larder_ns *other = NULL;
    snprintf(name, sizeof name, "x.%s", endings[i]);
    snprintf(place, sizeof place, "root%zu", i);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, place);
    assert_ok(export_to(f, path, true, &counts));
    assert_int_equal(counts.done, 12);
    assert_int_equal(counts.redacted, 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, counts.bytes);
    larder *cache = open_at(f, root);
    assert_ok(import_from(cache, path, NULL, &counts));
    assert_int_equal(counts.done, 12);
    assert_int_equal(counts.failed, 0);
    assert_true(counts.verified);
    assert_int_equal(counts.bytes, info.st_size);
    assert_ok(larder_ns_open(cache, "n", &other, NULL));
    char *after = content(other);
    assert_string_equal(after, before);
    free(after);
    /* Again: all of it is there already. */
    assert_ok(import_from(cache, path, NULL, &counts));
    assert_int_equal(counts.skipped, 12);
    assert_int_equal(counts.done, 0);
    assert_ok(larder_close(&cache));
    /* And in the very cache that it comes from. */
    assert_ok(import_from(f->cache, path, NULL, &counts));
    assert_int_equal(counts.skipped, 12);
    free(path);
    free(root);
  }
  free(before);
}

static void what_changed_since_is_put_back(void **state) {
  fixture *f = *state;
  larder_transfer_counts counts;
  char *path = support_path(f->dir, "x.jsonl");
  put_text(f->ns, "a", "1");
  put_text(f->ns, "b", "1");
  put_text(f->ns, "c", "1");
  assert_ok(export_to(f, path, false, NULL));
  put_text(f->ns, "a", "2");
  assert_ok(larder_delete(f->ns, "b", 1));
  assert_ok(import_from(f->cache, path, NULL, &counts));
  assert_int_equal(counts.done, 2);
  assert_int_equal(counts.skipped, 1);
  expect(f->ns, "a", "1");
  expect(f->ns, "b", "1");
  free(path);
}

static void secrets_do_not_leave_and_stars_do_not_come_in(void **state) {
  fixture *f = *state;
  static const char json[] = "{\"user\":\"ann\",\"password\":\"hunter2\",\"url\":\"https://ann:hunter2@example.org/\"}";
  put(f->ns, "j", 1, json, strlen(json), &(larder_put_options){.size = sizeof(larder_put_options), .kind = LARDER_KIND_JSON});
  put_text(f->ns, "https://ann:hunter2@example.org/", "x");
  put(f->ns, "m", 1, "x", 1,
      &(larder_put_options){.size = sizeof(larder_put_options), .meta = "token=hunter2", .meta_len = 13});
  put_text(f->ns, "t", "api_key: hunter2\n");
  put_text(f->ns, "open", "nothing");
  for (size_t i = 0; i < 3; i++) {
    char name[32], told[2000] = "";
    size_t len;
    larder_transfer_counts counts;
    snprintf(name, sizeof name, "s.%s", endings[i]);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, endings[i]);
    assert_ok(export_to(f, path, false, &counts));
    assert_int_equal(counts.redacted, 4);
    char *text = support_file_read(path, &len);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "ann"));
    free(text);
    larder *cache = open_at(f, root);
    larder_ns *ns = NULL;
    assert_ok(import_from(cache, path, &(larder_import_options){.failed = failed_note, .context = told}, &counts));
    assert_int_equal(counts.failed, 4);
    assert_int_equal(counts.done, 1);
    assert_non_null(strstr(told, "--include-secrets"));
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    expect(ns, "open", "nothing");
    expect(ns, "j", NULL);
    assert_ok(larder_close(&cache));
    free(path);
    free(root);
  }
}

/* A form in Latin-1 is text all the same; a model is not, whatever its tensors are called. */
static void secrets_do_not_leave_in_another_encoding(void **state) {
  fixture *f = *state;
  static const char latin[] = "{\"name\":\"M\xfcller\",\"password\":\"hunter2\"}";
  static const char hidden[] = "{\"name\":\"M\xfcller\",\"password\":\"***\"}";
  static const char tensors[] = "\x40\0\0\0\0\0\0\0"
                                "{\"password\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}    \xfc";
  larder_put_options meta = {.size = sizeof meta, .meta = latin, .meta_len = sizeof latin - 1};
  larder_put_options model = {.size = sizeof model, .kind = LARDER_KIND_MODEL};
  larder_transfer_counts counts;
  size_t len;
  char *path = support_path(f->dir, "x.jsonl");
  lrd_buf wanted = {0};
  assert_ok(lrd_base64_append(&wanted, hidden, sizeof hidden - 1));
  assert_ok(lrd_buf_terminate(&wanted));
  put(f->ns, "bytes", 5, latin, sizeof latin - 1, NULL);
  put(f->ns, "meta", 4, "x", 1, &meta);
  put(f->ns, "model", 5, tensors, sizeof tensors - 1, &model);
  assert_ok(export_to(f, path, false, &counts));
  assert_int_equal(counts.redacted, 2);
  char *text = support_file_read(path, &len);
  char *first = strstr(text, (char *)wanted.data);
  assert_non_null(first);
  assert_non_null(strstr(first + 1, (char *)wanted.data));
  free(text);
  free(path);
  lrd_buf_fini(&wanted);
}

/* Where members are sealed, a value that is no JSON is sealed whole: none of it leaves. */
static void what_is_sealed_whole_does_not_leave(void **state) {
  fixture *f = *state;
  larder *cache = NULL;
  larder_ns *sealed = NULL;
  larder_error error = {0};
  larder_transfer_counts counts;
  size_t len;
  char *path = support_path(f->dir, "x.jsonl"), *root = support_path(f->dir, "sealed");
  larder_options options = {.size = sizeof options,
                            .root = root,
                            .config_text = "cache: {namespaces: {people: {tiers: [sqlite], seal: {fields: [pin]}}}}"};
  (void)setenv("LARDER_KEY", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=", 1);
  if (lrd_larder_open_with_clock(&options, &f->clock.clock, &cache, &error) != LARDER_OK) fail_msg("%s", error.message);
  (void)unsetenv("LARDER_KEY");
  assert_ok(larder_ns_open(cache, "people", &sealed, NULL));
  put_text(sealed, "note", "ann was born in Bonn");
  put_text(sealed, "ann", "{\"user\":\"ann\",\"pin\":\"4711\"}");
  larder_export_options how = {.size = sizeof how};
  assert_ok(larder_export(cache, path, &how, &counts, NULL));
  assert_int_equal(counts.redacted, 2);
  char *text = support_file_read(path, &len);
  assert_null(strstr(text, "Bonn"));
  assert_null(strstr(text, "4711"));
  assert_non_null(strstr(text, "\\\"user\\\":\\\"ann\\\""));
  free(text);
  assert_ok(larder_close(&cache));
  free(path);
  free(root);
}

/* Somebody took the mark away. */
static void stars_are_refused_without_a_mark_too(void **state) {
  fixture *f = *state;
  static const char text[] =
      "{\"key\":\"a\",\"value\":{\"password\":\"***\"}}\n{\"key\":\"b\",\"value\":\"***\"}\n"
      "{\"key\":\"c\",\"value\":\"*** stars ***\"}\n{\"key\":\"d\",\"value\":\"***\",\"redacted\":false}\n"
      "{\"key\":\"e\",\"value\":\"https://u:***@h/\"}\n";
  char *path = support_path(f->dir, "x.jsonl"), told[2000] = "";
  larder_transfer_counts counts;
  support_file_write(path, text, strlen(text));
  assert_ok(import_from(f->cache, path, &(larder_import_options){.ns = "n", .failed = failed_note, .context = told}, &counts));
  assert_int_equal(counts.failed, 3);
  expect(f->ns, "c", "*** stars ***");
  expect(f->ns, "d", "***");
  expect(f->ns, "a", NULL);
  free(path);
}

static void a_changed_or_cut_export_is_told_before_anything_is_stored(void **state) {
  fixture *f = *state;
  fill(f->ns);
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    size_t len;
    larder_transfer_counts counts;
    snprintf(name, sizeof name, "d.%s", endings[i]);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, endings[i]);
    assert_ok(export_to(f, path, true, NULL));
    char *text = support_file_read(path, &len);
    larder *cache = open_at(f, root);
    larder_ns *ns = NULL;
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    for (size_t at = 0; at + 200 < len; at += 97) {
      text[at] ^= 1;
      support_file_write(path, text, len);
      assert_err(import_from(cache, path, NULL, &counts), LARDER_ECORRUPT);
      text[at] ^= 1;
    }
    /* Cut between two lines, and inside one. */
    char *second = strchr(text, '\n') + 1;
    second = strchr(second, '\n') + 1;
    for (size_t back = 0; back < 2; back++) {
      support_file_write(path, text, (size_t)(second - text) - back);
      assert_err(import_from(cache, path, NULL, &counts), LARDER_ECORRUPT);
    }
    expect(ns, "never", NULL);
    assert_int_equal(counts.done, 0);
    assert_ok(larder_close(&cache));
    free(text);
    free(path);
    free(root);
  }
}

static void a_damaged_export_is_taken_when_asked_to(void **state) {
  fixture *f = *state;
  size_t len;
  larder_transfer_counts counts;
  char *path = support_path(f->dir, "x.jsonl");
  put_text(f->ns, "a", "1");
  put_text(f->ns, "b", "2");
  assert_ok(export_to(f, path, false, NULL));
  char *text = support_file_read(path, &len);
  support_file_write(path, text, (size_t)(strchr(text, '\n') - text) + 1);
  assert_ok(larder_clear(f->ns, NULL));
  assert_ok(import_from(f->cache, path, &(larder_import_options){.force = true}, &counts));
  assert_int_equal(counts.done, 1);
  assert_false(counts.verified);
  free(text);
  free(path);
}

static void expired_entries_stay_out_and_times_stay_as_they_are(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *root = support_path(f->dir, "later");
  larder_transfer_counts counts;
  larder_ns *ns = NULL;
  larder_stat stat;
  larder_put_options brief = {.size = sizeof brief, .ttl_ms = 1000, .stale_ms = -1};
  put(f->ns, "brief", 5, "x", 1, &brief);
  put_text(f->ns, "long", "x");
  assert_ok(export_to(f, path, false, NULL));
  lrd_clock_moved_advance_ms(&f->clock, 2000);
  larder *cache = open_at(f, root);
  assert_ok(import_from(cache, path, NULL, &counts));
  assert_int_equal(counts.expired, 1);
  assert_int_equal(counts.done, 1);
  assert_ok(larder_ns_open(cache, "n", &ns, NULL));
  assert_ok(larder_stat_get(ns, "long", 4, &stat));
  assert_true(stat.facts.expires_soft_ms == START_MS + 3600000);
  assert_true(stat.facts.expires_hard_ms == START_MS + 7200000);
  larder_stat_free(&stat);
  assert_ok(import_from(cache, path, &(larder_import_options){.ttl_ms = 5000}, &counts));
  assert_int_equal(counts.done, 2);
  assert_ok(larder_stat_get(ns, "brief", 5, &stat));
  assert_true(stat.facts.expires_soft_ms == START_MS + 2000 + 5000);
  larder_stat_free(&stat);
  assert_ok(larder_close(&cache));
  free(path);
  free(root);
}

static void refused_entries_are_told_and_kept_as_they_stand(void **state) {
  fixture *f = *state;
  static const char text[] =
      "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\"\n{\"key\":\"c\",\"value\":\"0123456789x\",\"ns\":\"small\"}\n"
      "{\"key\":\"d\",\"value\":\"2\",\"ns\":\"n\"}\n";
  static const char wanted[] =
      "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\"\n{\"key\":\"c\",\"value\":\"0123456789x\",\"ns\":\"small\"}\n";
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects.jsonl"), told[2000] = "";
  larder_transfer_counts counts;
  size_t len;
  support_file_write(path, text, strlen(text));
  larder_import_options how = {.rejects = rejects, .failed = failed_note, .context = told};
  assert_ok(import_from(f->cache, path, &how, &counts));
  assert_int_equal(counts.entries, 4);
  assert_int_equal(counts.done, 1);
  assert_int_equal(counts.failed, 3);
  assert_string_equal(told, "1 1 it names no namespace; give one for all with --ns\n"
                            "2 0 no JSON: column 11: a comma or } is expected\n"
                            "3 1 not stored: not kept: larger than the namespace allows or refused by its limits\n");
  char *kept = support_file_read(rejects, &len);
  assert_string_equal(kept, wanted);
  free(kept);
  static const char table[] = "key,value\na,1\nb\n\"c\nd\",2,3\n";
  free(path);
  path = support_path(f->dir, "x.csv");
  support_file_write(path, table, strlen(table));
  how.ns = "n";
  assert_ok(import_from(f->cache, path, &how, &counts));
  kept = support_file_read(rejects, &len);
  assert_string_equal(kept, "key,value\nb\n\"c\nd\",2,3\n");
  free(kept);
  static const char document[] = "{\"entries\":[{\"key\":\"a\",\n\"value\":tru}]}";
  free(path);
  path = support_path(f->dir, "x.json");
  support_file_write(path, document, strlen(document));
  assert_ok(import_from(f->cache, path, &how, &counts));
  kept = support_file_read(rejects, &len);
  assert_string_equal(kept, "{\"key\":\"a\", \"value\":tru}\n");
  free(kept);
  free(path);
  free(rejects);
}

static void of_a_key_twice_the_last_counts(void **state) {
  fixture *f = *state;
  static const char text[] = "{\"key\":\"a\",\"value\":\"2\"}\n{\"key\":\"a\",\"value\":\"1\"}\n";
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  put_text(f->ns, "a", "1");
  support_file_write(path, text, strlen(text));
  assert_ok(import_from(f->cache, path, &(larder_import_options){.ns = "n"}, &counts));
  expect(f->ns, "a", "1");
  assert_int_equal(counts.done, 2);
  free(path);
}

static void a_dry_run_stores_nothing(void **state) {
  fixture *f = *state;
  static const char text[] = "{\"key\":\"a\",\"value\":\"2\"}\n";
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  support_file_write(path, text, strlen(text));
  assert_ok(import_from(f->cache, path, &(larder_import_options){.ns = "n", .dry_run = true}, &counts));
  assert_int_equal(counts.done, 1);
  expect(f->ns, "a", NULL);
  free(path);
}

/* --- going on ------------------------------------------------------------------------------------------------------------ */

static void lines_write(const char *path, unsigned count) {
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  for (unsigned i = 0; i < count; i++) fprintf(out, i == 7 ? "{\"key\":7}\n" : "{\"key\":\"k%u\",\"value\":\"%u\"}\n", i, i);
  fclose(out);
}

typedef struct stop_at {
  uint64_t entries;
  uint64_t calls;
} stop_at;

static bool progress_stop(void *context, const larder_transfer_counts *counts) {
  stop_at *stop = context;
  stop->calls++;
  return counts->entries < stop->entries;
}

static void an_import_goes_on_where_it_was_stopped(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  larder_transfer_counts counts;
  size_t len;
  stop_at stop = {.entries = 1000};
  lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = progress_stop, .context = &stop};
  assert_err(import_from(f->cache, path, &how, &counts), LARDER_ECANCELLED);
  assert_true(counts.entries >= 1000 && counts.entries < 3000);
  expect(f->ns, "k999", "999");
  expect(f->ns, "k2999", NULL);
  uint64_t until = counts.entries;
  how.progress = NULL;
  how.resume = true;
  assert_ok(import_from(f->cache, path, &how, &counts));
  assert_int_equal(counts.resumed, until);
  assert_int_equal(counts.entries, 3000);
  assert_int_equal(counts.done, 2999);
  assert_int_equal(counts.skipped, 0);
  assert_int_equal(counts.failed, 1);
  expect(f->ns, "k2999", "2999");
  char *kept = support_file_read(rejects, &len);
  assert_string_equal(kept, "{\"key\":7}\n");
  free(kept);
  /* Nothing to go on with: from the front, all of it known. */
  assert_ok(import_from(f->cache, path, &how, &counts));
  assert_int_equal(counts.resumed, 0);
  assert_int_equal(counts.skipped, 2999);
  free(path);
  free(rejects);
}

/* The rejects that were written before the stop have been seen to since: the file is gone, or shorter. */
static void rejects_that_were_mended_are_left_alone(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  static const char *const mended[] = {NULL, "{}\n"};
  for (size_t i = 0; i < 2; i++) {
    stop_at stop = {.entries = 1000};
    size_t len;
    char wanted[64];
    lines_write(path, 3000);
    FILE *out = fopen(path, "a");
    assert_non_null(out);
    fputs("{\"key\":8}\n", out);
    fclose(out);
    larder_import_options how = {.ns = "n", .rejects = rejects, .progress = progress_stop, .context = &stop};
    assert_err(import_from(f->cache, path, &how, NULL), LARDER_ECANCELLED);
    if (mended[i])
      support_file_write(rejects, mended[i], strlen(mended[i]));
    else
      assert_int_equal(unlink(rejects), 0);
    how.progress = NULL;
    how.resume = true;
    assert_ok(import_from(f->cache, path, &how, NULL));
    snprintf(wanted, sizeof wanted, "%s{\"key\":8}\n", mended[i] ? mended[i] : "");
    char *kept = support_file_read(rejects, &len);
    assert_string_equal(kept, wanted);
    free(kept);
  }
  free(path);
  free(rejects);
}

/* A checkpoint says that they are there. */
static void rejects_are_synced_before_a_checkpoint(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects");
  larder_transfer_counts counts;
  stop_at stop = {.entries = 1000};
  lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .rejects = rejects, .progress = progress_stop, .context = &stop};
  support_fs_fail_at(LRD_FS_SYNC, 1, EIO);
  support_fs_only_path("rejects");
  assert_err(import_from(f->cache, path, &how, NULL), LARDER_EIO);
  assert_int_equal(support_fs_end(), 1);
  how.progress = NULL;
  how.resume = true;
  assert_ok(import_from(f->cache, path, &how, &counts));
  assert_int_equal(counts.resumed, 0);
  assert_int_equal(counts.failed, 1);
  free(path);
  free(rejects);
}

static void another_file_under_the_same_name_is_begun_anew(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  stop_at stop = {.entries = 1000};
  lines_write(path, 3000);
  larder_import_options how = {.ns = "n", .progress = progress_stop, .context = &stop};
  assert_err(import_from(f->cache, path, &how, &counts), LARDER_ECANCELLED);
  lines_write(path, 2500);
  how.progress = NULL;
  how.resume = true;
  assert_ok(import_from(f->cache, path, &how, &counts));
  assert_int_equal(counts.resumed, 0);
  assert_int_equal(counts.entries, 2500);
  free(path);
}

static void each_format_can_be_gone_on_with(void **state) {
  fixture *f = *state;
  char key[16];
  for (unsigned i = 0; i < 1500; i++) {
    snprintf(key, sizeof key, "k%u", i);
    put_text(f->ns, key, key);
  }
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    larder_transfer_counts counts;
    stop_at stop = {.entries = 500};
    larder_ns *ns = NULL;
    snprintf(name, sizeof name, "r.%s", endings[i]);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, endings[i]);
    assert_ok(export_to(f, path, false, NULL));
    larder *cache = open_at(f, root);
    larder_import_options how = {.progress = progress_stop, .context = &stop};
    assert_err(import_from(cache, path, &how, &counts), LARDER_ECANCELLED);
    how.progress = NULL;
    how.resume = true;
    assert_ok(import_from(cache, path, &how, &counts));
    assert_int_equal(counts.entries, 1500);
    assert_int_equal(counts.done, 1500);
    assert_true(counts.resumed >= 500);
    assert_true(counts.verified);
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    expect(ns, "k1499", "k1499");
    assert_ok(larder_close(&cache));
    free(path);
    free(root);
  }
}

/* --- streams ------------------------------------------------------------------------------------------------------------- */

typedef struct memory_file {
  char data[65536];
  size_t len, at;
} memory_file;

static bool memory_write(void *context, const void *data, size_t len) {
  memory_file *file = context;
  if (file->len + len > sizeof file->data) return false;
  memcpy(file->data + file->len, data, len);
  file->len += len;
  return true;
}

static int64_t memory_read(void *context, void *out, size_t room) {
  memory_file *file = context;
  size_t left = file->len - file->at, give = left < room ? left : room;
  if (give > 100) give = 100;
  memcpy(out, file->data + file->at, give);
  file->at += give;
  return (int64_t)give;
}

static int64_t memory_read_bad(void *context, void *out, size_t room) {
  (void)context;
  (void)out;
  (void)room;
  return -1;
}

static void streams_carry_the_same(void **state) {
  fixture *f = *state;
  fill(f->ns);
  for (larder_format format = LARDER_FORMAT_JSONL; format <= LARDER_FORMAT_CSV; format++) {
    memory_file *file = calloc(1, sizeof *file);
    larder_transfer_counts counts;
    larder_export_options out = {
        .size = sizeof out, .format = format, .include_secrets = true, .write = memory_write, .write_context = file};
    assert_ok(larder_export(f->cache, NULL, &out, NULL, NULL));
    larder_import_options in = {.read = memory_read, .read_context = file};
    assert_ok(import_from(f->cache, NULL, &in, &counts));
    assert_int_equal(counts.skipped, 12);
    assert_true(counts.verified == (format != LARDER_FORMAT_CSV));
    if (format != LARDER_FORMAT_CSV) {
      file->at = 0;
      file->data[20] ^= 1;
      in.dry_run = true;
      assert_err(import_from(f->cache, NULL, &in, &counts), LARDER_ECORRUPT);
      file->data[20] ^= 1;
      file->at = 0;
      file->len -= 150;
      larder_err cut = import_from(f->cache, NULL, &in, &counts);
      assert_true(cut == LARDER_ECORRUPT || cut == LARDER_EFORMAT);
    }
    free(file);
  }
  larder_import_options bad = {.read = memory_read_bad};
  assert_err(import_from(f->cache, NULL, &bad, NULL), LARDER_EIO);
}

/* --- what can fail ---------------------------------------------------------------------------------------------------------
 */

static void wrong_calls_are_refused(void **state) {
  fixture *f = *state;
  larder_export_options out = {.size = sizeof out};
  larder_import_options in = {.size = sizeof in};
  larder_error error = {0};
  assert_err(larder_export(f->cache, NULL, &out, NULL, &error), LARDER_EINVAL);
  assert_err(larder_export(NULL, "x", &out, NULL, NULL), LARDER_EINVAL);
  out.size = 0;
  assert_err(larder_export(f->cache, "x", &out, NULL, NULL), LARDER_EINVAL);
  assert_err(larder_import(f->cache, NULL, &in, NULL, &error), LARDER_EINVAL);
  in.ttl_ms = -1;
  assert_err(larder_import(f->cache, "x", &in, NULL, NULL), LARDER_EINVAL);
  char *path = support_path(f->dir, "absent.jsonl");
  assert_err(import_from(f->cache, path, NULL, NULL), LARDER_MISS);
  assert_err(import_from(f->cache, f->dir, NULL, NULL), LARDER_EINVAL);
  free(path);
  path = support_path(f->dir, "no/such/folder.jsonl");
  assert_err(export_to(f, path, false, NULL), LARDER_EIO);
  free(path);
}

static void links_are_followed_and_devices_left_alone(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "real.jsonl"), *name = support_path(f->dir, "link.jsonl");
  char *fifo = support_path(f->dir, "fifo.jsonl");
  struct stat info;
  put_text(f->ns, "a", "1");
  support_file_write(path, "old", 3);
  assert_int_equal(symlink("real.jsonl", name), 0);
  assert_ok(export_to(f, name, false, NULL));
  assert_int_equal(lstat(name, &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  assert_int_equal(stat(path, &info), 0);
  assert_true(info.st_size > 3);
  assert_int_equal(mkfifo(fifo, 0600), 0);
  assert_err(export_to(f, fifo, false, NULL), LARDER_EINVAL);
  assert_err(import_from(f->cache, fifo, NULL, NULL), LARDER_EINVAL);
  assert_err(import_from(f->cache, path, &(larder_import_options){.rejects = name}, NULL), LARDER_EINVAL);
  assert_err(import_from(f->cache, path, &(larder_import_options){.ns = ""}, NULL), LARDER_EINVAL);
  free(path);
  free(name);
  free(fifo);
}

static void a_cancelled_export_leaves_the_old_file(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "x.jsonl");
  size_t len;
  stop_at stop = {.entries = 0};
  support_file_write(path, "old", 3);
  put_text(f->ns, "a", "1");
  larder_export_options how = {.size = sizeof how, .progress = progress_stop, .context = &stop};
  assert_err(larder_export(f->cache, path, &how, NULL, NULL), LARDER_ECANCELLED);
  char *text = support_file_read(path, &len);
  assert_string_equal(text, "old");
  free(text);
  free(path);
}

/* Each file operation of an export fails once: the old file or the new one is there, whole, and nothing lies beside it. */
static void an_export_is_whole_or_not_there(void **state) {
  fixture *f = *state;
  fill(f->ns);
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "e.%s", endings[i]);
    char *folder = support_path(f->dir, endings[i]);
    assert_int_equal(mkdir(folder, 0700), 0);
    char *path = support_path(folder, name);
    for (uint64_t n = 1;; n++) {
      larder_transfer_counts counts;
      support_file_write(path, "old", 3);
      support_fs_fail_at(SUPPORT_ANY_OP, n, ENOSPC);
      support_fs_only_path(folder);
      larder_err err = export_to(f, path, true, NULL);
      bool failed = support_fs_end() >= n;
      size_t len;
      char *text = support_file_read(path, &len);
      bool old = strcmp(text, "old") == 0;
      free(text);
      if (!old) assert_ok(import_from(f->cache, path, &(larder_import_options){.dry_run = true}, &counts));
      if (!old) assert_int_equal(counts.skipped, 12);
      if (err == LARDER_OK) assert_false(old);
      if (!failed) {
        assert_ok(err);
        break;
      }
    }
    free(path);
    free(folder);
  }
}

/* Whatever can't be written: the table that is there, old or new, has its checksum. */
static void a_csv_that_fails_keeps_its_checksum(void **state) {
  fixture *f = *state;
  static const lrd_fs_op ops[] = {LRD_FS_OPEN, LRD_FS_WRITE, LRD_FS_SYNC};
  char *folder = support_path(f->dir, "csv");
  assert_int_equal(mkdir(folder, 0700), 0);
  char *path = support_path(folder, "x.csv");
  fill(f->ns);
  assert_ok(export_to(f, path, true, NULL));
  for (size_t i = 0; i < 3; i++) {
    for (uint64_t n = 1;; n++) {
      larder_transfer_counts counts;
      support_fs_fail_at(ops[i], n, ENOSPC);
      support_fs_only_path(folder);
      larder_err err = export_to(f, path, true, NULL);
      bool failed = support_fs_end() >= n;
      assert_ok(import_from(f->cache, path, &(larder_import_options){.dry_run = true}, &counts));
      assert_true(counts.verified);
      assert_err(err, failed ? LARDER_ENOSPC : LARDER_OK);
      if (!failed) break;
    }
  }
  free(path);
  free(folder);
}

typedef struct crash {
  fixture *f;
  const char *path;
  uint64_t at;
} crash;

static void crash_body(void *context) {
  crash *c = context;
  larder *cache = open_at(c->f, c->f->root);
  larder_export_options how = {.size = sizeof how, .include_secrets = true};
  support_fs_crash_at(SUPPORT_ANY_OP, c->at);
  support_fs_only_path("crash.");
  (void)!larder_export(cache, c->path, &how, NULL, NULL);
  support_fs_end();
  (void)larder_close(&cache);
}

static void a_crash_leaves_the_old_export_or_the_new_one(void **state) {
  fixture *f = *state;
  fill(f->ns);
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "crash.%s", endings[i]);
    char *path = support_path(f->dir, name);
    for (crash c = {f, path, 1};; c.at++) {
      larder_transfer_counts counts;
      size_t len;
      support_file_write(path, "old", 3);
      int status = support_in_child(crash_body, &c);
      char *text = support_file_read(path, &len);
      if (strcmp(text, "old") != 0) {
        assert_ok(import_from(f->cache, path, &(larder_import_options){.dry_run = true}, &counts));
        assert_int_equal(counts.skipped, 12);
      }
      free(text);
      if (status != SUPPORT_CRASHED) break;
    }
    free(path);
  }
}

static void import_body(void *context) {
  crash *c = context;
  larder *cache = open_at(c->f, c->f->root);
  larder_import_options how = {.size = sizeof how, .ns = "n", .resume = true};
  support_fs_crash_at(SUPPORT_ANY_OP, c->at);
  support_fs_only_path("import-");
  (void)!larder_import(cache, c->path, &how, NULL, NULL);
  support_fs_end();
  (void)larder_close(&cache);
}

/* Killed at each operation on its checkpoint, an import that goes on loses nothing. */
static void a_crash_at_the_checkpoint_loses_nothing(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  lines_write(path, 20000);
  for (crash c = {f, path, 1}; c.at < 40; c.at++)
    if (support_in_child(import_body, &c) != SUPPORT_CRASHED) break;
  assert_ok(import_from(f->cache, path, &(larder_import_options){.ns = "n", .resume = true}, &counts));
  assert_int_equal(counts.entries, 20000);
  assert_int_equal(counts.done + counts.skipped, 19999);
  expect(f->ns, "k0", "0");
  expect(f->ns, "k19999", "19999");
  free(path);
}

/* Reading and checkpointing fail at each place once: an error, and the next import does it all. */
static void a_failing_disk_ends_an_import_and_resume_mends_it(void **state) {
  fixture *f = *state;
  char *path = support_path(f->dir, "slow.jsonl"), *rejects = support_path(f->dir, "slow.rejects");
  larder_transfer_counts counts;
  lines_write(path, 300);
  for (uint64_t n = 1;; n++) {
    larder_import_options how = {.ns = "n", .rejects = rejects};
    support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
    support_fs_only_path("slow.");
    larder_err err = import_from(f->cache, path, &how, &counts);
    bool failed = support_fs_end() >= n;
    if (!failed) assert_ok(err);
    if (!failed) break;
    assert_true(err != LARDER_OK);
  }
  assert_int_equal(counts.done + counts.skipped, 299);
  free(path);
  free(rejects);
}

static void out_of_memory_is_an_error_and_leaks_nothing(void **state) {
  fixture *f = *state;
  fill(f->ns);
  char *path = support_path(f->dir, "x.json");
  assert_ok(export_to(f, path, true, NULL));
  for (unsigned way = 0; way < 2; way++) {
    for (uint64_t n = 1;; n++) {
      int64_t live = support_alloc_live();
      larder_transfer_counts counts;
      larder_export_options out = {.size = sizeof out};
      larder_import_options in = {.size = sizeof in, .dry_run = true};
      support_alloc_fail_at(n);
      larder_err err =
          way == 0 ? larder_export(f->cache, path, &out, &counts, NULL) : larder_import(f->cache, path, &in, &counts, NULL);
      bool failed = support_alloc_end() >= n;
      if (!failed) {
        assert_ok(err);
        break;
      }
      /* A tier that lacks memory is worked around; then all of it came through. */
      if (err == LARDER_OK)
        assert_int_equal(counts.done + counts.skipped, 12);
      else
        assert_err(err, LARDER_ENOMEM);
      assert_int_equal(support_alloc_live(), live);
    }
  }
  free(path);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(everything_comes_back_from_every_format),
      CASE(what_changed_since_is_put_back),
      CASE(secrets_do_not_leave_and_stars_do_not_come_in),
      CASE(secrets_do_not_leave_in_another_encoding),
      CASE(what_is_sealed_whole_does_not_leave),
      CASE(stars_are_refused_without_a_mark_too),
      CASE(a_changed_or_cut_export_is_told_before_anything_is_stored),
      CASE(a_damaged_export_is_taken_when_asked_to),
      CASE(expired_entries_stay_out_and_times_stay_as_they_are),
      CASE(refused_entries_are_told_and_kept_as_they_stand),
      CASE(of_a_key_twice_the_last_counts),
      CASE(a_dry_run_stores_nothing),
      CASE(an_import_goes_on_where_it_was_stopped),
      CASE(rejects_that_were_mended_are_left_alone),
      CASE(rejects_are_synced_before_a_checkpoint),
      CASE(another_file_under_the_same_name_is_begun_anew),
      CASE(each_format_can_be_gone_on_with),
      CASE(streams_carry_the_same),
      CASE(wrong_calls_are_refused),
      CASE(links_are_followed_and_devices_left_alone),
      CASE(a_cancelled_export_leaves_the_old_file),
      CASE(an_export_is_whole_or_not_there),
      CASE(a_csv_that_fails_keeps_its_checksum),
      CASE(a_crash_leaves_the_old_export_or_the_new_one),
      CASE(a_crash_at_the_checkpoint_loses_nothing),
      CASE(a_failing_disk_ends_an_import_and_resume_mends_it),
      CASE(out_of_memory_is_an_error_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
