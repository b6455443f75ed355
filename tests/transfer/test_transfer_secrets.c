/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets do not leave with an export, and what stands for them does not come in. */
#include "transfer_rig.h"

#include "warm/base64.h"

static void secrets_do_not_leave_and_stars_do_not_come_in(void **state) {
  transfer_rig *f = *state;
  static const char json[] = "{\"user\":\"ann\",\"password\":\"hunter2\",\"url\":\"https://ann:hunter2@example.org/\"}";
  transfer_put(f->ns, "j", 1, json, strlen(json),
               &(larder_put_options){.size = sizeof(larder_put_options), .kind = LARDER_KIND_JSON});
  transfer_put_text(f->ns, "https://ann:hunter2@example.org/", "x");
  transfer_put(f->ns, "m", 1, "x", 1,
               &(larder_put_options){.size = sizeof(larder_put_options), .meta = "token=hunter2", .meta_len = 13});
  transfer_put_text(f->ns, "t", "api_key: hunter2\n");
  transfer_put_text(f->ns, "open", "nothing");
  for (size_t i = 0; i < 3; i++) {
    char name[32], told[2000] = "";
    size_t len;
    larder_transfer_counts counts;
    snprintf(name, sizeof name, "s.%s", transfer_endings[i]);
    char *path = support_path(f->dir, name), *root = support_path(f->dir, transfer_endings[i]);
    assert_ok(transfer_export(f, path, false, &counts));
    assert_int_equal(counts.redacted, 4);
    char *text = support_file_read(path, &len);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "ann"));
    free(text);
    larder *cache = transfer_open_at(f, root);
    larder_ns *ns = NULL;
    assert_ok(transfer_import(cache, path, &(larder_import_options){.failed = transfer_note, .context = told}, &counts));
    assert_int_equal(counts.failed, 4);
    assert_int_equal(counts.done, 1);
    assert_non_null(strstr(told, "--include-secrets"));
    assert_ok(larder_ns_open(cache, "n", &ns, NULL));
    transfer_expect(ns, "open", "nothing");
    transfer_expect(ns, "j", NULL);
    assert_ok(larder_close(&cache));
    free(path);
    free(root);
  }
}

/* A form in Latin-1 is text all the same; a model is not, whatever its tensors are called. */
static void secrets_do_not_leave_in_another_encoding(void **state) {
  transfer_rig *f = *state;
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
  transfer_put(f->ns, "bytes", 5, latin, sizeof latin - 1, NULL);
  transfer_put(f->ns, "meta", 4, "x", 1, &meta);
  transfer_put(f->ns, "model", 5, tensors, sizeof tensors - 1, &model);
  assert_ok(transfer_export(f, path, false, &counts));
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
  transfer_rig *f = *state;
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
  transfer_put_text(sealed, "note", "ann was born in Bonn");
  transfer_put_text(sealed, "ann", "{\"user\":\"ann\",\"pin\":\"4711\"}");
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
  transfer_rig *f = *state;
  static const char text[] =
      "{\"key\":\"a\",\"value\":{\"password\":\"***\"}}\n{\"key\":\"b\",\"value\":\"***\"}\n"
      "{\"key\":\"c\",\"value\":\"*** stars ***\"}\n{\"key\":\"d\",\"value\":\"***\",\"redacted\":false}\n"
      "{\"key\":\"e\",\"value\":\"https://u:***@h/\"}\n";
  char *path = support_path(f->dir, "x.jsonl"), told[2000] = "";
  larder_transfer_counts counts;
  support_file_write(path, text, strlen(text));
  assert_ok(
      transfer_import(f->cache, path, &(larder_import_options){.ns = "n", .failed = transfer_note, .context = told}, &counts));
  assert_int_equal(counts.failed, 3);
  transfer_expect(f->ns, "c", "*** stars ***");
  transfer_expect(f->ns, "d", "***");
  transfer_expect(f->ns, "a", NULL);
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(secrets_do_not_leave_and_stars_do_not_come_in),
      CASE(secrets_do_not_leave_in_another_encoding),
      CASE(what_is_sealed_whole_does_not_leave),
      CASE(stars_are_refused_without_a_mark_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
