/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were replaced are written anew for other keys: only where nobody can have them, and never for long. */
#include "files_rig.h"

#include "tier/files/files_inner.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_VALUE "the first value of a key"

static ino_t inode_of(const files_rig *rig, const char *within) {
  struct stat facts;
  assert_int_equal(stat(rig_path(rig, within), &facts), 0);
  return facts.st_ino;
}

static void open_rig(files_rig *rig) {
  rig_init(rig);
  rig_must_open(rig);
  rig_put(rig, "k", 1, OLD_VALUE);
}

/* Replaces k's file, and brings that to the disk, after which the old one is a spare. Its inode. */
static ino_t replace(files_rig *rig, uint64_t stamp) {
  ino_t const old = inode_of(rig, "things/k.dat");
  rig_put(rig, "k", stamp, "another");
  lrd_files_tick(rig->tier);
  return old;
}

/* Whether files of the rig's folder can be told to be nobody's. */
static bool leases(const files_rig *rig) {
  int const fd = open(rig_path(rig, "things/k.dat"), O_WRONLY | O_CLOEXEC);
  bool const had = fd >= 0 && lrd_fs_alone(fd);
  close(fd);
  return had;
}

static void open_rig_with_leases(files_rig *rig) {
  open_rig(rig);
  if (leases(rig)) return;
  rig_fini(rig);
  skip();
}

static size_t spares(const files_rig *rig) { return ((files_tier *)rig->tier)->spares.len; }

static void a_replaced_file_is_written_anew(void **state) {
  files_rig rig;
  (void)state;
  open_rig_with_leases(&rig);
  ino_t const first = replace(&rig, 2);
  assert_int_equal(spares(&rig), 1);
  rig_put(&rig, "shorter", 3, "less");
  assert_int_equal(inode_of(&rig, "things/shorter.dat"), first);
  rig_assert_value(&rig, "shorter", "less");
  rig_assert_value(&rig, "k", "another");
  ino_t const second = replace(&rig, 4);
  char *longer = rig_value(5, 70000);
  rig_put_kind(&rig, "longer", 5, LARDER_KIND_BYTES, longer, 70000);
  assert_int_equal(inode_of(&rig, "things/longer.dat"), second);
  ino_t const third = replace(&rig, 6);
  rig_put_kind(&rig, "empty", 7, LARDER_KIND_BYTES, "", 0);
  assert_int_equal(inode_of(&rig, "things/empty.dat"), third);
  rig_close(&rig); /* as somebody else would find it */
  rig_must_open(&rig);
  rig_assert_value(&rig, "shorter", "less");
  larder_tier_entry entry;
  larder_tier_key const key = rig_key(&rig, "longer");
  assert_ok(lrd_files_tier.get(rig.tier, &key, false, NULL, &entry));
  assert_int_equal(entry.facts.value_len, 70000);
  assert_memory_equal(entry.value, longer, 70000);
  lrd_files_tier.release(rig.tier, &entry);
  assert_int_equal(rig_check(&rig, false).damaged, 0);
  free(longer);
  rig_fini(&rig);
}

/* What somebody may do to k's first file before it is a spare; the descriptor to close, or -1. */
typedef int (*hold)(const files_rig *rig, void **mapped);

static int open_to_read(const files_rig *rig, void **mapped) {
  (void)mapped;
  return open(rig_path(rig, "things/k.dat"), O_RDONLY | O_CLOEXEC);
}

static int map_and_close(const files_rig *rig, void **mapped) {
  int const fd = open_to_read(rig, mapped);
  *mapped = mmap(NULL, strlen(OLD_VALUE), PROT_READ, MAP_SHARED, fd, 0);
  assert_true(*mapped != MAP_FAILED);
  close(fd);
  return -1;
}

static int give_a_second_name(const files_rig *rig, void **mapped) {
  (void)mapped;
  assert_int_equal(link(rig_path(rig, "things/k.dat"), rig_path(rig, "copy")), 0);
  return -1;
}

static int change_the_mode(const files_rig *rig, void **mapped) {
  (void)mapped;
  assert_int_equal(chmod(rig_path(rig, "things/k.dat"), 0644), 0);
  return -1;
}

static int change_the_length(const files_rig *rig, void **mapped) {
  (void)mapped;
  assert_int_equal(truncate(rig_path(rig, "things/k.dat"), 3), 0);
  return -1;
}

static void what_somebody_has_is_left_to_him(void **state) {
  static const hold holds[] = {open_to_read, map_and_close, give_a_second_name, change_the_mode, change_the_length};
  (void)state;
  for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) {
    files_rig rig;
    void *mapped = NULL;
    char seen[64] = "";
    open_rig(&rig);
    int const fd = holds[i](&rig, &mapped);
    ino_t const old = replace(&rig, 2);
    assert_int_equal(spares(&rig), 0);
    assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY), 0);
    rig_put(&rig, "other", 3, "of another key, and longer than the first value");
    if (holds[i] != change_the_mode && holds[i] != change_the_length) { /* else its number may have been given out again */
      assert_int_not_equal(inode_of(&rig, "things/other.dat"), old);
    }
    if (fd >= 0) {
      assert_int_equal(read(fd, seen, sizeof seen), strlen(OLD_VALUE));
      assert_memory_equal(seen, OLD_VALUE, strlen(OLD_VALUE));
      close(fd);
    }
    if (mapped != NULL) {
      assert_memory_equal(mapped, OLD_VALUE, strlen(OLD_VALUE));
      munmap(mapped, strlen(OLD_VALUE));
    }
    if (rig_there(&rig, "copy")) {
      char *bytes = support_file_read(rig_path(&rig, "copy"), NULL);
      assert_memory_equal(bytes, OLD_VALUE, strlen(OLD_VALUE));
      free(bytes);
    }
    struct stat facts;
    assert_int_equal(stat(rig_path(&rig, "things/other.dat"), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    rig_assert_value(&rig, "other", "of another key, and longer than the first value");
    rig_fini(&rig);
  }
}

static void large_files_are_not_kept(void **state) {
  files_rig rig;
  (void)state;
  for (size_t len = 256 << 10; len <= (256 << 10) + 1; len++) {
    rig_init(&rig);
    rig.options = "mmap_bytes_min=0"; /* maps none */
    rig_must_open(&rig);
    char *value = rig_value(1, len);
    rig_put_kind(&rig, "k", 1, LARDER_KIND_BYTES, value, len);
    (void)replace(&rig, 2);
    assert_int_equal(spares(&rig), len == 256 << 10 && leases(&rig));
    free(value);
    rig_fini(&rig);
  }
}

static void mapped_files_are_not_kept(void **state) {
  files_rig rig;
  (void)state;
  rig_init(&rig);
  rig.options = "mmap_bytes_min=1000";
  rig_must_open(&rig);
  char *value = rig_value(1, 1000);
  rig_put_kind(&rig, "k", 1, LARDER_KIND_BYTES, value, 1000);
  (void)replace(&rig, 2);
  assert_int_equal(spares(&rig), 0);
  rig_put_kind(&rig, "k", 3, LARDER_KIND_BYTES, value, 999);
  (void)replace(&rig, 4);
  if (leases(&rig)) assert_int_equal(spares(&rig), 2); /* "another", and the 999 bytes */
  free(value);
  rig_fini(&rig);
}

static int refuse_locks(void *context, lrd_fs_op op, const char *path, size_t *len) {
  (void)context;
  (void)path;
  (void)len;
  return op == LRD_FS_LOCK ? EAGAIN : 0;
}

static void without_leases_files_are_unlinked(void **state) {
  files_rig rig;
  (void)state;
  open_rig(&rig);
  rig_put(&rig, "k", 2, "another");
  files_tier *tier = rig.tier;
  assert_ok(lrd_files_sync_upto(tier, atomic_load(&tier->board->state), true));
  assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY), 1);
  lrd_fs_set_gate(refuse_locks, NULL);
  assert_true(lrd_files_asides_end(tier, INT64_MAX));
  lrd_fs_set_gate(NULL, NULL);
  assert_int_equal(spares(&rig), 0);
  assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY), 0);
  rig_fini(&rig);
}

static void a_spare_that_is_not_empty_or_has_two_names_is_not_taken(void **state) {
  files_rig rig;
  (void)state;
  open_rig_with_leases(&rig);
  for (uint64_t i = 0; i < 2; i++) {
    char path[400];
    ino_t const old = replace(&rig, 2 + 2 * i);
    (void)snprintf(path, sizeof path, "%s", ((files_tier *)rig.tier)->spares.list[0].path);
    if (i == 0)
      assert_int_equal(truncate(path, 3000), 0);
    else
      assert_int_equal(link(path, rig_path(&rig, "copy")), 0);
    rig_put(&rig, "other", 3 + 2 * i, "value");
    if (i != 0) assert_int_not_equal(inode_of(&rig, "things/other.dat"), old);
    rig_assert_value(&rig, "other", "value");
    lrd_files_tick(rig.tier);
    lrd_files_spares_drop(rig.tier);
  }
  rig_fini(&rig);
}

static void too_many_spares_give_way_to_newer_ones(void **state) {
  files_rig rig;
  (void)state;
  open_rig_with_leases(&rig);
  files_tier *tier = rig.tier;
  files_leave none = {.space = rig.space + 1};
  tier->spares_wanted_ns = lrd_mono_ns(lrd_clock_real());
  do {
    none.path = lrd_strdup("/nowhere/at all");
    assert_non_null(none.path);
  } while (lrd_files_leaves_push(&tier->spares, &none, 4096));
  lrd_dealloc(none.path);
  (void)replace(&rig, 2);
  assert_int_equal(spares(&rig), 4096);
  assert_string_not_equal(tier->spares.list[0].path, "/nowhere/at all");
  rig_fini(&rig);
}

/* A value beyond what may wait for its successor waits all the same, until who replaced it has brought that to the disk. */
static void more_than_may_wait_is_brought_to_the_disk(void **state) {
  files_rig rig;
  size_t const large = (64 << 20) + 1;
  (void)state;
  rig_init(&rig);
  rig_must_open(&rig);
  char *value = calloc(1, large);
  assert_non_null(value);
  rig_put_kind(&rig, "k", 1, LARDER_KIND_BYTES, value, large);
  files_tier *tier = rig.tier;
  assert_true(atomic_load(&tier->board->synced) < atomic_load(&tier->board->state));
  rig_put(&rig, "small", 2, "value");
  assert_true(atomic_load(&tier->board->synced) < atomic_load(&tier->board->state));
  rig_put(&rig, "k", 3, "another");
  assert_true(atomic_load(&tier->board->synced) >= atomic_load(&tier->board->state));
  lrd_lock(&tier->leaving); /* the ticker has been woken */
  assert_int_equal(tier->leaves.len, 0);
  lrd_unlock(&tier->leaving);
  free(value);
  rig_fini(&rig);
}

static void none_is_left_after_a_flush_a_close_or_a_while(void **state) {
  files_rig rig;
  (void)state;
  open_rig_with_leases(&rig);
  (void)replace(&rig, 2);
  assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY), 1);
  assert_ok(lrd_files_tier.flush(rig.tier));
  assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY), 0);
  (void)replace(&rig, 3);
  files_tier *tier = rig.tier;
  int64_t const now_ns = lrd_mono_ns(lrd_clock_real());
  lrd_files_spares_tick(tier, now_ns);
  assert_int_equal(spares(&rig), 1);
  lrd_files_spares_tick(tier, now_ns + 6000000000);
  assert_int_equal(spares(&rig), 0);
  assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY), 0);
  (void)replace(&rig, 4);
  rig_close(&rig);
  assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY), 0);
  rig_fini(&rig);
}

/* Who puts with sync may delete next; an older value must not be found then, in its own file or another's. */
static void who_is_told_of_the_successor_leaves_nothing_to_be_put_back(void **state) {
  files_rig rig;
  (void)state;
  open_rig_with_leases(&rig);
  larder_tier_write item = rig_write(&rig, LARDER_TIER_PUT, "k", 2, "another", 7);
  assert_ok(rig_do(&rig, &item, LARDER_DURABILITY_SYNC));
  assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY), 1);
  assert_int_equal(rig_files(&rig, LRD_FILES_TEMPORARY "spare-"), 1);
  lrd_files_tick(rig.tier);
  files_tier *tier = rig.tier;
  struct stat facts;
  assert_int_equal(spares(&rig), 1);
  assert_int_equal(stat(tier->spares.list[0].path, &facts), 0);
  assert_int_equal(facts.st_size, 0);
  rig_fini(&rig);
}

static void a_spare_that_is_gone_is_made(void **state) {
  files_rig rig;
  char path[400];
  (void)state;
  open_rig_with_leases(&rig);
  (void)replace(&rig, 2);
  (void)snprintf(path, sizeof path, "%s", ((files_tier *)rig.tier)->spares.list[0].path);
  assert_int_equal(unlink(path), 0);
  rig_put(&rig, "other", 3, "value");
  rig_assert_value(&rig, "other", "value");
  rig_fini(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_replaced_file_is_written_anew),
      cmocka_unit_test(what_somebody_has_is_left_to_him),
      cmocka_unit_test(large_files_are_not_kept),
      cmocka_unit_test(mapped_files_are_not_kept),
      cmocka_unit_test(without_leases_files_are_unlinked),
      cmocka_unit_test(a_spare_that_is_not_empty_or_has_two_names_is_not_taken),
      cmocka_unit_test(too_many_spares_give_way_to_newer_ones),
      cmocka_unit_test(more_than_may_wait_is_brought_to_the_disk),
      cmocka_unit_test(none_is_left_after_a_flush_a_close_or_a_while),
      cmocka_unit_test(who_is_told_of_the_successor_leaves_nothing_to_be_put_back),
      cmocka_unit_test(a_spare_that_is_gone_is_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
