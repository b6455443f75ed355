/* SPDX-License-Identifier: Apache-2.0 */
/* What the tier does with its files: trading them, mapping them, noticing what people did to them, adopting theirs. */
#include "files_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHA_ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static bool file_has(const files_rig *rig, const char *within, const char *text) {
  size_t len = 0;
  char *found = support_file_read(rig_path(rig, within), &len);
  bool const has = strstr(found, text) != NULL;
  free(found);
  return has;
}

static void two_see_each_others_changes_at_once(void **state) {
  files_rig one, two;
  (void)state;
  rig_init(&one);
  rig_must_open(&one);
  rig_init_beside(&two, &one);
  rig_must_open(&two);
  for (uint64_t i = 1; i < 200; i++) {
    char text[32];
    files_rig *writer = i % 2 ? &one : &two;
    files_rig *reader = i % 2 ? &two : &one;
    (void)snprintf(text, sizeof text, "value %llu", (unsigned long long)i);
    rig_put(writer, "k", rig_stamp(writer, i), text);
    rig_assert_value(reader, "k", text);
  }
  assert_ok(rig_delete(&two, "k", rig_stamp(&two, 500)));
  rig_assert_miss(&one, "k");
  rig_close(&two);
  free(two.dir);
  rig_fini(&one);
}

static void a_mapped_value_outlives_its_replacement(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  char *old = rig_value(1, 200000), *new = rig_value(2, 200000);
  larder_tier_key const key = rig_key(&rig, "large");
  larder_tier_entry entry;
  rig_put(&rig, "large", rig_stamp(&rig, 1), old);
  assert_ok(lrd_files_tier.get(rig.tier, &key, false, NULL, &entry));
  assert_int_equal((uintptr_t)entry.value % 4096, 0); /* the file itself */
  rig_put(&rig, "large", rig_stamp(&rig, 2), new);
  assert_ok(lrd_files_tier.flush(rig.tier));
  assert_memory_equal(entry.value, old, 200000);
  lrd_files_tier.release(rig.tier, &entry);
  rig_assert_value(&rig, "large", new);
  assert_ok(rig_delete(&rig, "large", rig_stamp(&rig, 3)));
  rig_close(&rig);
  rig.options = "sync_ms=60000\nmmap_bytes_min=0";
  rig_must_open(&rig);
  rig_put(&rig, "large", rig_stamp(&rig, 4), new);
  assert_ok(lrd_files_tier.get(rig.tier, &key, false, NULL, &entry));
  assert_int_equal((uintptr_t)entry.value % 64, 0);
  assert_memory_equal(entry.value, new, 200000);
  lrd_files_tier.release(rig.tier, &entry);
  free(old);
  free(new);
  rig_fini(&rig);
}

static void replaced_files_go_once_their_successors_are_on_the_disk(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  for (uint64_t i = 1; i <= 20; i++) rig_put(&rig, "k", rig_stamp(&rig, i), "value");
  assert_int_equal(rig_files(&rig, ".larder-"), 19);
  assert_ok(lrd_files_tier.flush(rig.tier));
  assert_int_equal(rig_files(&rig, ".larder-"), 0);
  char *large = rig_value(1, 8 << 20);
  for (uint64_t i = 100; i < 124; i++) rig_put(&rig, "k", rig_stamp(&rig, i), large);
  /* 64 MiB at most wait for the disk, and that and one more, on a disk that is slow, to be unlinked. */
  assert_true(rig_files(&rig, ".larder-") <= 8 + 9);
  free(large);
  rig_fini(&rig);
}

/* --- what people do ------------------------------------------------------------------------------------------------------ */

static void a_file_removed_by_hand_is_a_miss(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "value");
  rig_put(&rig, "checked", rig_stamp(&rig, 1), "value");
  assert_int_equal(unlink(rig_path(&rig, "things/k.dat")), 0);
  assert_int_equal(unlink(rig_path(&rig, "things/checked.dat")), 0);
  rig_assert_miss(&rig, "k");
  assert_int_equal(atomic_load(&rig.evicted[LARDER_EVICT_STALE]), 1);
  assert_int_equal(rig_check(&rig, false).damaged, 1);
  assert_int_equal(rig_usage(&rig).entries, 1);
  assert_int_equal(rig_check(&rig, true).repaired, 1);
  assert_int_equal(rig_usage(&rig).entries, 0);
  assert_int_equal(rig_check(&rig, false).damaged, 0);
  rig_put(&rig, "k", rig_stamp(&rig, 2), "again");
  rig_assert_value(&rig, "k", "again");
  assert_int_equal(atomic_load(&rig.owned), 0);
  rig_fini(&rig);
}

static void a_changed_file_goes_to_quarantine(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  char *large = rig_value(1, 100000);
  rig_put(&rig, "same size", rig_stamp(&rig, 1), "value");
  rig_put(&rig, "longer", rig_stamp(&rig, 1), "value");
  rig_put(&rig, "shorter", rig_stamp(&rig, 1), "value");
  rig_put(&rig, "large", rig_stamp(&rig, 1), large);
  rig_put(&rig, "folder", rig_stamp(&rig, 1), "value");
  rig_put(&rig, "link", rig_stamp(&rig, 1), "value");
  rig_put(&rig, "pipe", rig_stamp(&rig, 1), "value");
  rig_put(&rig, "wide pipe", rig_stamp(&rig, 1), large);
  rig_assert_value(&rig, "large", large);
  support_file_write(rig_path(&rig, "things/same%20size.dat"), "VALUE", 5);
  support_file_write(rig_path(&rig, "things/longer.dat"), "value and more", 14);
  support_file_write(rig_path(&rig, "things/shorter.dat"), "val", 3);
  large[5000] ^= 1;
  support_file_write(rig_path(&rig, "things/large.dat"), large, 100000);
  assert_int_equal(unlink(rig_path(&rig, "things/folder.dat")), 0);
  assert_int_equal(mkdir(rig_path(&rig, "things/folder.dat"), 0700), 0);
  assert_int_equal(unlink(rig_path(&rig, "things/link.dat")), 0);
  assert_int_equal(symlink("/etc/passwd", rig_path(&rig, "things/link.dat")), 0);
  assert_int_equal(unlink(rig_path(&rig, "things/pipe.dat")), 0);
  assert_int_equal(mkfifo(rig_path(&rig, "things/pipe.dat"), 0600), 0);
  assert_int_equal(unlink(rig_path(&rig, "things/wide%20pipe.dat")), 0);
  assert_int_equal(mkfifo(rig_path(&rig, "things/wide%20pipe.dat"), 0600), 0);
  rig_assert_miss(&rig, "same size");
  rig_assert_miss(&rig, "longer");
  rig_assert_miss(&rig, "shorter");
  rig_assert_miss(&rig, "large");
  rig_assert_miss(&rig, "folder");
  rig_assert_miss(&rig, "link");
  rig_assert_miss(&rig, "pipe");
  rig_assert_miss(&rig, "wide pipe");
  assert_int_equal(atomic_load(&rig.evicted[LARDER_EVICT_CORRUPTION]), 8);
  assert_int_equal(rig_usage(&rig).entries, 0);
  unsigned moved = 0;
  for (const char *const *name = (const char *const[]){"things/longer.dat", "things/large.dat", NULL}; *name != NULL; name++)
    moved += !rig_there(&rig, *name);
  assert_int_equal(moved, 2);
  assert_true(rig_there(&rig, "quarantine"));
  free(large);
  rig_fini(&rig);
}

static void a_damaged_file_of_a_long_name_is_kept_in_quarantine_too(void **state) {
  files_rig rig;
  char key[196];
  char path[600];
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  memset(key, 'k', sizeof key - 1);
  key[sizeof key - 1] = 0;
  rig_put(&rig, key, rig_stamp(&rig, 1), "value");
  (void)snprintf(path, sizeof path, "things/%s.dat", key);
  support_file_write(rig_path(&rig, path), "VALUE", 5);
  rig_assert_miss(&rig, key);
  assert_false(rig_there(&rig, path));
  char *folder = strdup(rig_path(&rig, "quarantine"));
  DIR *dir = opendir(folder);
  unsigned there = 0;
  assert_non_null(dir);
  for (const struct dirent *at = readdir(dir); at != NULL; at = readdir(dir)) there += at->d_name[0] != '.';
  (void)closedir(dir);
  assert_int_equal(there, 1);
  free(folder);
  rig_fini(&rig);
}

static void a_slot_that_is_somebodys_leaves_damage_for_later(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig.options = "sync_ms=5";
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "value");
  rig.held[0] = rig_key(&rig, "k").hash;
  rig.held_count = 1;
  support_file_write(rig_path(&rig, "things/k.dat"), "VALUE", 5);
  rig_assert_miss(&rig, "k");
  assert_true(rig_there(&rig, "things/k.dat"));
  rig.held_count = 0;
  for (unsigned waited = 0; rig_there(&rig, "things/k.dat") && waited < 4000; waited++) usleep(1000);
  assert_false(rig_there(&rig, "things/k.dat"));
  rig_fini(&rig);
}

static void sha256_is_verified_on_load_where_it_is_asked_for(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig.options = "sync_ms=60000\nverify_sha256=1";
  rig_must_open(&rig);
  char *large = rig_value(1, 100000);
  struct stat facts;
  rig_put(&rig, "large", rig_stamp(&rig, 1), large);
  assert_ok(lrd_files_tier.flush(rig.tier)); /* computes SHA-256 */
  rig_assert_value(&rig, "large", large);
  assert_int_equal(stat(rig_path(&rig, "things/large.dat"), &facts), 0);
  large[70000] ^= 1;
  support_file_write(rig_path(&rig, "things/large.dat"), large, 100000);
  rig_assert_miss(&rig, "large");
  free(large);
  rig_fini(&rig);
}

static void files_dropped_in_are_adopted_by_repair(void **state) {
  files_rig rig;
  larder_tier_entry entry;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  assert_int_equal(mkdir(rig_path(&rig, "things/models"), 0700), 0);
  assert_int_equal(mkdir(rig_path(&rig, "things/metadata"), 0700), 0);
  support_file_write(rig_path(&rig, "things/run 1.npy"), "\x93NUMPY\1\0", 8);
  support_file_write(rig_path(&rig, "things/notes.txt"), "notes", 5);
  support_file_write(rig_path(&rig, "things/models/net.pt"), "PK..", 4);
  support_file_write(rig_path(&rig, "things/metadata/net.meta.json"), "{\"epoch\": 7}", 12);
  support_file_write(rig_path(&rig, "things/raw.dat"), "raw", 3);
  support_file_write(rig_path(&rig, "things/raw.meta.json"), "{\"grid\": 1}", 11);
  support_file_write(rig_path(&rig, "things/what.xyz"), "?", 1);
  rig_assert_miss(&rig, "notes");
  larder_tier_report report = rig_check(&rig, false);
  assert_int_equal(report.orphans, 5);
  assert_int_equal(rig_usage(&rig).entries, 0);
  report = rig_check(&rig, true);
  assert_int_equal(rig_usage(&rig).entries, 4);
  rig_assert_value(&rig, "notes", "notes");
  rig_assert_value(&rig, "raw", "raw");
  assert_true(rig_there(&rig, "things/run%201.npy"));
  larder_tier_key key = rig_key(&rig, "net");
  assert_ok(lrd_files_tier.get(rig.tier, &key, false, NULL, &entry));
  assert_int_equal(entry.facts.kind, LARDER_KIND_MODEL);
  assert_int_equal(entry.facts.meta_len, 12);
  assert_memory_equal(entry.facts.meta, "{\"epoch\": 7}", 12);
  lrd_files_tier.release(rig.tier, &entry);
  key = rig_key(&rig, "run 1");
  assert_ok(lrd_files_tier.get(rig.tier, &key, false, NULL, &entry));
  assert_int_equal(entry.facts.kind, LARDER_KIND_ARRAY);
  lrd_files_tier.release(rig.tier, &entry);
  assert_int_equal(rig_check(&rig, true).orphans, 1); /* what.xyz: no ending of ours */
  assert_true(rig_there(&rig, "things/what.xyz"));
  assert_int_equal(atomic_load(&rig.owned), 0);
  rig_fini(&rig);
}

static void a_file_beside_an_entry_of_its_key_is_put_aside(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "ours");
  support_file_write(rig_path(&rig, "things/k.txt"), "theirs", 6);
  assert_int_equal(rig_check(&rig, true).orphans, 1);
  rig_assert_value(&rig, "k", "ours");
  assert_false(rig_there(&rig, "things/k.txt"));
  assert_int_equal(rig_check(&rig, false).orphans, 0);
  rig_fini(&rig);
}

static void a_deleted_key_does_not_come_back_by_repair(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  lrd_clock_moved_step_wall_ms(&rig.clock, lrd_wall_ms(lrd_clock_real()) - RIG_START_MS + 5000); /* the files' clock, and on */
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "old");
  support_file_write(rig_path(&rig, "things/left"), "old", 3);
  assert_ok(rig_delete(&rig, "k", rig_stamp(&rig, 2)));
  assert_int_equal(rename(rig_path(&rig, "things/left"), rig_path(&rig, "things/k.dat")), 0); /* as if it had not gone */
  assert_int_equal(rig_check(&rig, true).orphans, 1);
  rig_assert_miss(&rig, "k");
  assert_int_equal(rig_usage(&rig).entries, 0);
  rig_fini(&rig);
}

static void a_folder_that_was_removed_is_made_again(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "value");
  assert_int_equal(unlink(rig_path(&rig, "things/k.dat")), 0);
  assert_int_equal(rmdir(rig_path(&rig, "things")), 0);
  rig_assert_miss(&rig, "k");
  rig_put(&rig, "k", rig_stamp(&rig, 2), "again");
  assert_true(rig_there(&rig, "things/k.dat"));
  rig_assert_value(&rig, "k", "again");
  rig_fini(&rig);
}

static void a_tier_whose_control_folder_goes_is_distrusted(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig.options = "sync_ms=5";
  rig_must_open(&rig);
  assert_int_equal(rename(rig_path(&rig, ".files"), rig_path(&rig, ".files.away")), 0);
  for (unsigned waited = 0; atomic_load(&rig.distrusts) == 0 && waited < 6000; waited++) usleep(1000);
  assert_int_equal(atomic_load(&rig.distrusts), 1);
  rig_fini(&rig);
}

/* --- the log ---------------------------------------------------------------------------------------------------------------
 */

static void a_log_of_history_is_written_anew(void **state) {
  files_rig rig, other;
  char key[24];
  (void)state;
  rig_init(&rig);
  rig.options = "sync_ms=5";
  rig_must_open(&rig);
  rig_init_beside(&other, &rig);
  rig_must_open(&other);
  for (uint64_t i = 1; i <= 12000; i++) {
    (void)snprintf(key, sizeof key, "k%llu", (unsigned long long)(i % 10));
    larder_tier_write item = rig_write(&rig, LARDER_TIER_TOUCH, key, rig_stamp(&rig, i), NULL, 0);
    if (i <= 10) rig_put(&rig, key, rig_stamp(&rig, i), key);
    if (i > 10) assert_ok(rig_do(&rig, &item, LARDER_DURABILITY_COMMIT));
    if (i > 10 && i % 16 == 0) rig_put(&rig, key, rig_stamp(&rig, i + 1), key);
  }
  struct stat facts = {0};
  for (unsigned waited = 0; waited < 8000; waited++) {
    rig_put(&rig, "tail", rig_stamp(&rig, 20000 + waited), "tail");
    assert_int_equal(stat(rig_path(&rig, ".files/log"), &facts), 0);
    if (facts.st_size < 100000) break;
    usleep(1000);
  }
  assert_true(facts.st_size < 100000);
  rig_assert_value(&other, "tail", "tail"); /* goes on with the new one */
  rig_assert_value(&other, "k3", "k3");
  rig_close(&other);
  free(other.dir);
  rig_close(&rig);
  rig_must_open(&rig);
  rig_assert_value(&rig, "k3", "k3");
  assert_int_equal(rig_usage(&rig).entries, 11);
  rig_fini(&rig);
}

static void random_flips_in_the_log_never_give_a_wrong_value(void **state) {
  support_random random = {77};
  (void)state;
  for (unsigned round = 0; round < 60; round++) {
    files_rig rig;
    char key[16];
    size_t len = 0;
    rig_init(&rig);
    rig_must_open(&rig);
    for (unsigned i = 0; i < 20; i++) {
      (void)snprintf(key, sizeof key, "k%u", i);
      rig_put(&rig, key, rig_stamp(&rig, 1), "old");
      rig_put(&rig, key, rig_stamp(&rig, 2), key);
    }
    rig_close(&rig);
    char *log = support_file_read(rig_path(&rig, ".files/log"), &len);
    for (unsigned flips = 0; flips < 1 + round % 4; flips++)
      log[support_random_below(&random, len)] ^= (char)(1u << support_random_below(&random, 8));
    support_file_write(rig_path(&rig, ".files/log"), log, len);
    if (round % 2) assert_int_equal(unlink(rig_path(&rig, ".files/board")), 0); /* as after a boot */
    free(log);
    rig_must_open(&rig);
    for (unsigned i = 0; i < 20; i++) {
      (void)snprintf(key, sizeof key, "k%u", i);
      char *found = rig_get(&rig, key);
      if (found != NULL) assert_string_equal(found, key);
      free(found);
      rig_put(&rig, key, rig_stamp(&rig, 3), "new");
      rig_assert_value(&rig, key, "new");
    }
    rig_fini(&rig);
  }
}

/* What was replaced lies aside until its successor is on the disk. A log that lost the successor's frame to a flipped bit
 * must not bring it back; one that lost it to a power cut may. */
static void what_was_replaced_comes_back_after_a_power_cut_only(void **state) {
  (void)state;
  for (int cut = 0; cut < 2; cut++) {
    files_rig rig, other;
    size_t len = 0, before = 0;
    rig_init(&rig);
    rig_must_open(&rig);
    rig_put(&rig, "k", rig_stamp(&rig, 1), "old");
    assert_ok(lrd_files_tier.flush(rig.tier));
    rig_put(&rig, "l", rig_stamp(&rig, 1), "says that k is on the disk");
    free(support_file_read(rig_path(&rig, ".files/log"), &before));
    rig_put(&rig, "k", rig_stamp(&rig, 2), "new");
    char *log = support_file_read(rig_path(&rig, ".files/log"), &len);
    char *value = support_file_read(rig_path(&rig, "things/k.dat"), NULL);
    assert_string_equal(value, "new");
    free(value);
    rig_init_beside(&other, &rig);
    free(other.dir);
    other.dir = support_dir_make(); /* the folder as it is now, its files aside too, as a stop would leave it */
    char command[1300];
    (void)snprintf(command, sizeof command, "cp -a %s/. %s/", rig.dir, other.dir);
    assert_int_equal(system(command), 0);
    if (cut) assert_int_equal(unlink(rig_path(&other, ".files/board")), 0);
    if (!cut) log[before + 20] ^= 1;
    support_file_write(rig_path(&other, ".files/log"), log, cut ? before : len);
    free(log);
    rig_must_open(&other);
    value = support_file_read(rig_path(&other, "things/k.dat"), NULL);
    assert_string_equal(value, cut ? "old" : "new"); /* before anybody asks for it */
    free(value);
    if (cut)
      rig_assert_value(&other, "k", "old");
    else
      rig_assert_miss(&other, "k");
    rig_fini(&other);
    rig_fini(&rig);
  }
}

static void after_a_boot_the_log_counts(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "value");
  assert_ok(rig_delete(&rig, "k", rig_stamp(&rig, 2)));
  rig_put(&rig, "l", rig_stamp(&rig, 1), "value");
  rig_close(&rig);
  assert_int_equal(unlink(rig_path(&rig, ".files/board")), 0);
  support_file_write(rig_path(&rig, "things/k.dat"), "value", 5); /* the unlinking did not reach the disk */
  rig_must_open(&rig);
  rig_assert_miss(&rig, "k");
  assert_false(rig_there(&rig, "things/k.dat"));
  rig_assert_value(&rig, "l", "value");
  rig_fini(&rig);
}

static void another_seed_is_refused(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_close(&rig);
  rig.seed = 43;
  assert_err(rig_open(&rig), LARDER_EFORMAT);
  rig_fini(&rig);
}

/* --- index.json --------------------------------------------------------------------------------------------------------------
 */

static void index_json_is_in_step_after_a_flush(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "abc");
  assert_ok(lrd_files_tier.flush(rig.tier));
  assert_true(file_has(&rig, "things/index.json", "\"total_entries\": 1"));
  assert_true(file_has(&rig, "things/index.json", SHA_ABC));
  assert_true(file_has(&rig, "index.json", "\"things\""));
  assert_ok(rig_delete(&rig, "k", rig_stamp(&rig, 2)));
  assert_ok(lrd_files_tier.flush(rig.tier));
  assert_true(file_has(&rig, "things/index.json", "\"total_entries\": 0"));
  assert_false(file_has(&rig, "things/index.json", SHA_ABC));
  rig_fini(&rig);
}

static void index_json_follows_without_a_flush(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig.options = "sync_ms=5";
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "abc");
  bool shown = false;
  for (unsigned waited = 0; !shown && waited < 8000; waited++) {
    shown = rig_there(&rig, "things/index.json") && file_has(&rig, "things/index.json", SHA_ABC);
    if (!shown) usleep(1000);
  }
  assert_true(shown);
  rig_fini(&rig);
}

static void accesses_are_counted_over_restarts(void **state) {
  files_rig rig;
  larder_tier_entry entry;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  rig_put(&rig, "k", rig_stamp(&rig, 1), "abc");
  lrd_clock_moved_advance_ms(&rig.clock, 1000);
  for (int i = 0; i < 5; i++) rig_assert_value(&rig, "k", "abc");
  rig_close(&rig);
  assert_true(file_has(&rig, "things/index.json", "\"access_count\": 5"));
  rig_must_open(&rig);
  larder_tier_key const key = rig_key(&rig, "k");
  assert_ok(lrd_files_tier.get(rig.tier, &key, true, NULL, &entry));
  assert_true(entry.facts.access_count >= 5);
  assert_true(entry.facts.accessed_ms >= RIG_START_MS + 1000);
  lrd_files_tier.release(rig.tier, &entry);
  rig_fini(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_see_each_others_changes_at_once),
      cmocka_unit_test(a_mapped_value_outlives_its_replacement),
      cmocka_unit_test(replaced_files_go_once_their_successors_are_on_the_disk),
      cmocka_unit_test(a_file_removed_by_hand_is_a_miss),
      cmocka_unit_test(a_changed_file_goes_to_quarantine),
      cmocka_unit_test(a_damaged_file_of_a_long_name_is_kept_in_quarantine_too),
      cmocka_unit_test(a_slot_that_is_somebodys_leaves_damage_for_later),
      cmocka_unit_test(sha256_is_verified_on_load_where_it_is_asked_for),
      cmocka_unit_test(files_dropped_in_are_adopted_by_repair),
      cmocka_unit_test(a_file_beside_an_entry_of_its_key_is_put_aside),
      cmocka_unit_test(a_deleted_key_does_not_come_back_by_repair),
      cmocka_unit_test(a_folder_that_was_removed_is_made_again),
      cmocka_unit_test(a_tier_whose_control_folder_goes_is_distrusted),
      cmocka_unit_test(a_log_of_history_is_written_anew),
      cmocka_unit_test(random_flips_in_the_log_never_give_a_wrong_value),
      cmocka_unit_test(what_was_replaced_comes_back_after_a_power_cut_only),
      cmocka_unit_test(after_a_boot_the_log_counts),
      cmocka_unit_test(another_seed_is_refused),
      cmocka_unit_test(index_json_is_in_step_after_a_flush),
      cmocka_unit_test(index_json_follows_without_a_flush),
      cmocka_unit_test(accesses_are_counted_over_restarts),
  };
  return cmocka_run_group_tests_name("files tier", tests, NULL, NULL);
}
