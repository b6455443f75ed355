/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports and imports on a real cache: everything comes back bit by bit, in files and in streams; what is expired, refused or
 * there twice is told and counted.
 */
#include "transfer_rig.h"

static void everything_comes_back_from_every_format(void **state) {
  transfer_rig *f = *state;
  transfer_fill(f->ns);
  char *before = transfer_content(f->ns);
  for (size_t i = 0; i < 3; i++) {
    char name[32], place[32];
    larder_transfer_counts counts;
    struct stat info;
    larder_ns *other = NULL;
    snprintf(name, sizeof name, "x.%s", transfer_endings[i]);
    snprintf(place, sizeof place, "root%zu", i);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, place);
    assert_ok(transfer_export(f, path, true, &counts));
    assert_int_equal(counts.done, 12);
    assert_int_equal(counts.redacted, 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, counts.bytes);
    larder *cache = transfer_open_at(f, root);
    assert_ok(transfer_import(cache, path, NULL, &counts));
    assert_int_equal(counts.done, 12);
    assert_int_equal(counts.failed, 0);
    assert_true(counts.verified);
    assert_int_equal(counts.bytes, info.st_size);
    assert_ok(larder_ns_open(cache, "n", &other, NULL));
    char *after = transfer_content(other);
    assert_string_equal(after, before);
    free(after);
    /* Again: all of it is there already. */
    assert_ok(transfer_import(cache, path, NULL, &counts));
    assert_int_equal(counts.skipped, 12);
    assert_int_equal(counts.done, 0);
    assert_ok(larder_close(&cache));
    /* And in the very cache that it comes from. */
    assert_ok(transfer_import(f->cache, path, NULL, &counts));
    assert_int_equal(counts.skipped, 12);
    free(path);
    free(root);
  }
  free(before);
}

static void what_changed_since_is_put_back(void **state) {
  transfer_rig *f = *state;
  larder_transfer_counts counts;
  char *path = support_path(f->dir, "x.jsonl");
  transfer_put_text(f->ns, "a", "1");
  transfer_put_text(f->ns, "b", "1");
  transfer_put_text(f->ns, "c", "1");
  assert_ok(transfer_export(f, path, false, NULL));
  transfer_put_text(f->ns, "a", "2");
  assert_ok(larder_delete(f->ns, "b", 1));
  assert_ok(transfer_import(f->cache, path, NULL, &counts));
  assert_int_equal(counts.done, 2);
  assert_int_equal(counts.skipped, 1);
  transfer_expect(f->ns, "a", "1");
  transfer_expect(f->ns, "b", "1");
  free(path);
}

static void a_changed_or_cut_export_is_told_before_anything_is_stored(void **state) {
  transfer_rig *f = *state;
  transfer_fill(f->ns);
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    size_t len;
    larder_transfer_counts counts;
    snprintf(name, sizeof name, "d.%s", transfer_endings[i]);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, transfer_endings[i]);
    assert_ok(transfer_export(f, path, true, NULL));
    char *text = support_file_read(path, &len);
    larder *cache = transfer_open_at(f, root);
    larder_ns *ns = NULL;
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    for (size_t at = 0; at + 200 < len; at += 97) {
      text[at] ^= 1;
      support_file_write(path, text, len);
      assert_err(transfer_import(cache, path, NULL, &counts), LARDER_ECORRUPT);
      text[at] ^= 1;
    }
    /* Cut between two lines, and inside one. */
    char *second = strchr(text, '\n') + 1;
    second = strchr(second, '\n') + 1;
    for (size_t back = 0; back < 2; back++) {
      support_file_write(path, text, (size_t)(second - text) - back);
      assert_err(transfer_import(cache, path, NULL, &counts), LARDER_ECORRUPT);
    }
    transfer_expect(ns, "never", NULL);
    assert_int_equal(counts.done, 0);
    assert_ok(larder_close(&cache));
    free(text);
    free(path);
    free(root);
  }
}

static void a_damaged_export_is_taken_when_asked_to(void **state) {
  transfer_rig *f = *state;
  size_t len;
  larder_transfer_counts counts;
  char *path = support_path(f->dir, "x.jsonl");
  transfer_put_text(f->ns, "a", "1");
  transfer_put_text(f->ns, "b", "2");
  assert_ok(transfer_export(f, path, false, NULL));
  char *text = support_file_read(path, &len);
  support_file_write(path, text, (size_t)(strchr(text, '\n') - text) + 1);
  assert_ok(larder_clear(f->ns, NULL));
  assert_ok(transfer_import(f->cache, path, &(larder_import_options){.force = true}, &counts));
  assert_int_equal(counts.done, 1);
  assert_false(counts.verified);
  free(text);
  free(path);
}

static void expired_entries_stay_out_and_times_stay_as_they_are(void **state) {
  transfer_rig *f = *state;
  char *path = support_path(f->dir, "x.jsonl"), *root = support_path(f->dir, "later");
  larder_transfer_counts counts;
  larder_ns *ns = NULL;
  larder_stat stat;
  larder_put_options brief = {.size = sizeof brief, .ttl_ms = 1000, .stale_ms = -1};
  transfer_put(f->ns, "brief", 5, "x", 1, &brief);
  transfer_put_text(f->ns, "long", "x");
  assert_ok(transfer_export(f, path, false, NULL));
  lrd_clock_moved_advance_ms(&f->clock, 2000);
  larder *cache = transfer_open_at(f, root);
  assert_ok(transfer_import(cache, path, NULL, &counts));
  assert_int_equal(counts.expired, 1);
  assert_int_equal(counts.done, 1);
  assert_ok(larder_ns_open(cache, "n", &ns, NULL));
  assert_ok(larder_stat_get(ns, "long", 4, &stat));
  assert_true(stat.facts.expires_soft_ms == START_MS + 3600000);
  assert_true(stat.facts.expires_hard_ms == START_MS + 7200000);
  larder_stat_free(&stat);
  assert_ok(transfer_import(cache, path, &(larder_import_options){.ttl_ms = 5000}, &counts));
  assert_int_equal(counts.done, 2);
  assert_ok(larder_stat_get(ns, "brief", 5, &stat));
  assert_true(stat.facts.expires_soft_ms == START_MS + 2000 + 5000);
  larder_stat_free(&stat);
  assert_ok(larder_close(&cache));
  free(path);
  free(root);
}

static void refused_entries_are_told_and_kept_as_they_stand(void **state) {
  transfer_rig *f = *state;
  static const char text[] =
      "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\"\n{\"key\":\"c\",\"value\":\"0123456789x\",\"ns\":\"small\"}\n"
      "{\"key\":\"d\",\"value\":\"2\",\"ns\":\"n\"}\n";
  static const char wanted[] =
      "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\"\n{\"key\":\"c\",\"value\":\"0123456789x\",\"ns\":\"small\"}\n";
  char *path = support_path(f->dir, "x.jsonl"), *rejects = support_path(f->dir, "rejects.jsonl"), told[2000] = "";
  larder_transfer_counts counts;
  size_t len;
  support_file_write(path, text, strlen(text));
  larder_import_options how = {.rejects = rejects, .failed = transfer_note, .context = told};
  assert_ok(transfer_import(f->cache, path, &how, &counts));
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
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  kept = support_file_read(rejects, &len);
  assert_string_equal(kept, "key,value\nb\n\"c\nd\",2,3\n");
  free(kept);
  static const char document[] = "{\"entries\":[{\"key\":\"a\",\n\"value\":tru}]}";
  free(path);
  path = support_path(f->dir, "x.json");
  support_file_write(path, document, strlen(document));
  assert_ok(transfer_import(f->cache, path, &how, &counts));
  kept = support_file_read(rejects, &len);
  assert_string_equal(kept, "{\"key\":\"a\", \"value\":tru}\n");
  free(kept);
  free(path);
  free(rejects);
}

static void of_a_key_twice_the_last_counts(void **state) {
  transfer_rig *f = *state;
  static const char text[] = "{\"key\":\"a\",\"value\":\"2\"}\n{\"key\":\"a\",\"value\":\"1\"}\n";
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  transfer_put_text(f->ns, "a", "1");
  support_file_write(path, text, strlen(text));
  assert_ok(transfer_import(f->cache, path, &(larder_import_options){.ns = "n"}, &counts));
  transfer_expect(f->ns, "a", "1");
  assert_int_equal(counts.done, 2);
  free(path);
}

static void a_dry_run_stores_nothing(void **state) {
  transfer_rig *f = *state;
  static const char text[] = "{\"key\":\"a\",\"value\":\"2\"}\n";
  char *path = support_path(f->dir, "x.jsonl");
  larder_transfer_counts counts;
  support_file_write(path, text, strlen(text));
  assert_ok(transfer_import(f->cache, path, &(larder_import_options){.ns = "n", .dry_run = true}, &counts));
  assert_int_equal(counts.done, 1);
  transfer_expect(f->ns, "a", NULL);
  free(path);
}

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
  transfer_rig *f = *state;
  transfer_fill(f->ns);
  for (larder_format format = LARDER_FORMAT_JSONL; format <= LARDER_FORMAT_CSV; format++) {
    memory_file *file = calloc(1, sizeof *file);
    larder_transfer_counts counts;
    larder_export_options out = {
        .size = sizeof out, .format = format, .include_secrets = true, .write = memory_write, .write_context = file};
    assert_ok(larder_export(f->cache, NULL, &out, NULL, NULL));
    larder_import_options in = {.read = memory_read, .read_context = file};
    assert_ok(transfer_import(f->cache, NULL, &in, &counts));
    assert_int_equal(counts.skipped, 12);
    assert_true(counts.verified == (format != LARDER_FORMAT_CSV));
    if (format != LARDER_FORMAT_CSV) {
      file->at = 0;
      file->data[20] ^= 1;
      in.dry_run = true;
      assert_err(transfer_import(f->cache, NULL, &in, &counts), LARDER_ECORRUPT);
      file->data[20] ^= 1;
      file->at = 0;
      file->len -= 150;
      larder_err cut = transfer_import(f->cache, NULL, &in, &counts);
      assert_true(cut == LARDER_ECORRUPT || cut == LARDER_EFORMAT);
    }
    free(file);
  }
  larder_import_options bad = {.read = memory_read_bad};
  assert_err(transfer_import(f->cache, NULL, &bad, NULL), LARDER_EIO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(everything_comes_back_from_every_format),
      CASE(what_changed_since_is_put_back),
      CASE(a_changed_or_cut_export_is_told_before_anything_is_stored),
      CASE(a_damaged_export_is_taken_when_asked_to),
      CASE(expired_entries_stay_out_and_times_stay_as_they_are),
      CASE(refused_entries_are_told_and_kept_as_they_stand),
      CASE(of_a_key_twice_the_last_counts),
      CASE(a_dry_run_stores_nothing),
      CASE(streams_carry_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
