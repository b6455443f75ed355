/* SPDX-License-Identifier: Apache-2.0 */
/* What lies where: names of files for every key, endings by content, folders of models, metadata beside, sub-folders. */
#include "files_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void round_trip(files_rig *rig, const void *key, size_t len, const char *file) {
  larder_tier_write item = {.verb = LARDER_TIER_PUT,
                            .key = rig_key_of(rig, key, len),
                            .value = "value",
                            .facts = {.stamp = rig_stamp(rig, 1), .value_len = 5}};
  larder_tier_entry entry;
  assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
  if (file != NULL && !rig_there(rig, file)) fail_msg("%s is not there", file);
  assert_ok(lrd_files_tier.get(rig->tier, &item.key, false, NULL, &entry));
  assert_memory_equal(entry.value, "value", 5);
  lrd_files_tier.release(rig->tier, &entry);
}

static void no_key_leaves_its_folder(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  round_trip(&rig, "../../etc/passwd", 16, "things/%2E.%2F..%2Fetc%2Fpasswd.dat");
  round_trip(&rig, "..", 2, "things/%2E..dat");
  round_trip(&rig, "/", 1, "things/%2F.dat");
  round_trip(&rig, "a\0b", 3, "things/a%00b.dat");
  round_trip(&rig, ".hidden", 7, "things/%2Ehidden.dat");
  round_trip(&rig, "index", 5, "things/%69ndex.dat");
  round_trip(&rig, "x.meta", 6, "things/x%2Emeta.dat");
  round_trip(&rig, "con: <a>|b?*\"", 13, "things/con%3A%20%3Ca%3E%7Cb%3F%2A%22.dat");
  round_trip(&rig, "%2E", 3, "things/%252E.dat");
  round_trip(&rig, "Case", 4, "things/Case.dat");
  round_trip(&rig, "case", 4, "things/case.dat");
  round_trip(&rig, "alpha=1.5,n=10", 14, "things/alpha=1.5,n=10.dat");
  assert_int_equal(rig_usage(&rig).entries, 12);
  rig_close(&rig);
  rig_must_open(&rig);
  assert_int_equal(rig_usage(&rig).entries, 12);
  assert_int_equal(rig_check(&rig, false).damaged + rig_check(&rig, false).orphans, 0);
  rig_fini(&rig);
}

static void keys_of_any_length_have_a_name(void **state) {
  files_rig rig;
  char key[LARDER_KEY_MAX];
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  for (size_t i = 0; i < sizeof key; i += 2) memcpy(key + i, "\xc3\xa4", 2); /* 1024 bytes of UTF-8 */
  for (size_t len = 2; len <= sizeof key; len += 26) round_trip(&rig, key, len, NULL);
  memset(key, 'k', sizeof key);
  for (size_t len = 190; len <= 210; len++) round_trip(&rig, key, len, NULL);
  round_trip(&rig, key, sizeof key, NULL);
  key[sizeof key - 1] = 'x'; /* another key with the same front */
  round_trip(&rig, key, sizeof key, NULL);
  rig_close(&rig);
  rig_must_open(&rig);
  larder_tier_report const report = rig_check(&rig, false);
  assert_int_equal(report.examined, 63);
  assert_int_equal(report.damaged + report.orphans, 0);
  rig_fini(&rig);
}

static void the_ending_tells_what_is_inside(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put_kind(&rig, "npy", rig_stamp(&rig, 1), LARDER_KIND_ARRAY, "\x93NUMPY\x01", 7);
  rig_put_kind(&rig, "npz", rig_stamp(&rig, 1), LARDER_KIND_ARRAY, "PK\x03\x04", 4);
  rig_put_kind(&rig, "json", rig_stamp(&rig, 1), LARDER_KIND_JSON, "{}", 2);
  rig_put_kind(&rig, "text", rig_stamp(&rig, 1), LARDER_KIND_TEXT, "hi", 2);
  rig_put_kind(&rig, "bytes", rig_stamp(&rig, 1), LARDER_KIND_BYTES, "hi", 2);
  rig_put_kind(&rig, "wisdom", rig_stamp(&rig, 1), LARDER_KIND_WISDOM, "(fftw", 5);
  rig_put_kind(&rig, "pt", rig_stamp(&rig, 1), LARDER_KIND_MODEL, "PK\x03\x04", 4);
  rig_put_kind(&rig, "st", rig_stamp(&rig, 1), LARDER_KIND_MODEL, "\x02\0\0\0\0\0\0\0{}", 10);
  rig_put_kind(&rig, "js", rig_stamp(&rig, 1), LARDER_KIND_MODEL, "{\"a\":1}", 7);
  larder_tier_write sealed = rig_write(&rig, LARDER_TIER_PUT, "secret", rig_stamp(&rig, 1), "\x30...", 4);
  sealed.facts.framed = true;
  sealed.facts.raw_len = 9;
  assert_ok(rig_do(&rig, &sealed, LARDER_DURABILITY_COMMIT));
  static const char *const there[] = {
      "things/npy.npy",        "things/npz.npz",      "things/json.json",    "things/text.txt",
      "things/bytes.dat",      "things/wisdom.dat",   "things/models/pt.pt", "things/models/st.safetensors",
      "things/models/js.json", "things/secret.sealed"};
  for (size_t i = 0; i < sizeof there / sizeof *there; i++)
    if (!rig_there(&rig, there[i])) fail_msg("%s is not there", there[i]);
  rig_put_kind(&rig, "json", rig_stamp(&rig, 2), LARDER_KIND_TEXT, "text now", 8);
  assert_false(rig_there(&rig, "things/json.json"));
  assert_true(rig_there(&rig, "things/json.txt"));
  rig_assert_value(&rig, "json", "text now");
  rig_fini(&rig);
}

static void put_with_meta(files_rig *rig, const char *key, larder_kind kind, uint64_t stamp, const char *meta) {
  larder_tier_write item = rig_write(rig, LARDER_TIER_PUT, key, stamp, "PKxx", 4);
  item.facts.kind = kind;
  item.facts.meta = meta;
  item.facts.meta_len = meta == NULL ? 0 : strlen(meta);
  assert_ok(rig_do(rig, &item, LARDER_DURABILITY_COMMIT));
}

static void metadata_lies_beside_as_json(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  put_with_meta(&rig, "m", LARDER_KIND_MODEL, rig_stamp(&rig, 1), "{\"epoch\": 3}");
  put_with_meta(&rig, "d", LARDER_KIND_BYTES, rig_stamp(&rig, 1), "{\"grid\": [1, 2]}");
  put_with_meta(&rig, "raw", LARDER_KIND_BYTES, rig_stamp(&rig, 1), "no json");
  char *text = support_file_read(rig_path(&rig, "things/metadata/m.meta.json"), NULL);
  assert_string_equal(text, "{\"epoch\": 3}");
  free(text);
  assert_true(rig_there(&rig, "things/d.meta.json"));
  assert_false(rig_there(&rig, "things/raw.meta.json"));
  put_with_meta(&rig, "m", LARDER_KIND_MODEL, rig_stamp(&rig, 2), NULL);
  assert_false(rig_there(&rig, "things/metadata/m.meta.json"));
  assert_ok(rig_delete(&rig, "d", rig_stamp(&rig, 2)));
  assert_false(rig_there(&rig, "things/d.meta.json"));
  rig_fini(&rig);
}

static void shards_spread_files_over_folders(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "flat", rig_stamp(&rig, 1), "flat");
  rig_close(&rig);
  rig.options = "sync_ms=60000\nshard=2";
  rig_must_open(&rig);
  for (int i = 0; i < 50; i++) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%d", i);
    rig_put(&rig, key, rig_stamp(&rig, 1), key);
    rig_assert_value(&rig, key, key);
    (void)snprintf(key, sizeof key, "things/k%d.dat", i);
    assert_false(rig_there(&rig, key));
  }
  rig_assert_value(&rig, "flat", "flat");
  assert_int_equal(rig_files(&rig, "k"), 50);
  assert_int_equal(rig_check(&rig, false).orphans, 0);
  rig_put(&rig, "flat", rig_stamp(&rig, 2), "deep");
  assert_false(rig_there(&rig, "things/flat.dat"));
  rig_assert_value(&rig, "flat", "deep");
  rig_fini(&rig);
}

static void namespaces_of_any_name_keep_apart(void **state) {
  static const char *const names[] = {"a/b",        "..",        ".files",  "quarantine", "LOCK", "blobs",
                                      "index.json", "larder.db", ".larder", "\xce\xb1",   "a b",  "README.md"};
  files_rig rig;
  (void)state;
  rig_init(&rig);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    rig.space_name = names[i];
    rig_must_open(&rig);
    rig_put(&rig, "k", rig_stamp(&rig, 1), names[i]);
    rig_close(&rig);
  }
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    rig.space_name = names[i];
    rig_must_open(&rig);
    rig_assert_value(&rig, "k", names[i]);
    rig_close(&rig);
  }
  assert_int_equal(rig_files(&rig, "k.dat"), sizeof names / sizeof *names);
  assert_false(rig_there(&rig, "quarantine"));
  assert_false(rig_there(&rig, "LOCK"));
  assert_true(rig_there(&rig, "larder%2Edb/k.dat"));
  rig_fini(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_key_leaves_its_folder),         cmocka_unit_test(keys_of_any_length_have_a_name),
      cmocka_unit_test(the_ending_tells_what_is_inside),  cmocka_unit_test(metadata_lies_beside_as_json),
      cmocka_unit_test(shards_spread_files_over_folders), cmocka_unit_test(namespaces_of_any_name_keep_apart),
  };
  return cmocka_run_group_tests_name("files layout", tests, NULL, NULL);
}
