/* SPDX-License-Identifier: Apache-2.0 */
#include "rows_fixture.h"

#include "base/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t value_of(lrd_stats *stats, const char *ns, const char *tier, const char *name) {
  larder_stats *shot = NULL;
  uint64_t value = 0;
  assert_ok(lrd_stats_snapshot(stats, &shot));
  assert_true(larder_stats_value(shot, ns, tier, name, &value));
  larder_stats_free(&shot);
  return value;
}

static size_t processes_of(lrd_stats *stats) {
  larder_stats *shot = NULL;
  assert_ok(lrd_stats_snapshot(stats, &shot));
  size_t count = larder_stats_process_count(shot);
  larder_stats_free(&shot);
  return count;
}

/* --- other processes --------------------------------------------------------------------------------------------------- */

typedef struct writer {
  const char *folder;
  int ready[2], go[2];
} writer;

static void write_until_told(void *context) {
  writer *w = context;
  lrd_stats *stats = row_open(w->folder, 2);
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "census", "memory");
  char byte;
  for (unsigned i = 0; i < 1000; i++) {
    lrd_stats_add(cell, LRD_STAT_LOOKUPS, 1);
    lrd_stats_add(cell, LRD_STAT_HITS, 1);
  }
  if (write(w->ready[1], "x", 1) != 1) _exit(1);
  for (bool go = false; !go;) {
    for (unsigned i = 0; i < 1000; i++) {
      lrd_stats_add(cell, LRD_STAT_LOOKUPS, 1);
      lrd_stats_add(cell, LRD_STAT_HITS, 1);
    }
    lrd_stats_time(cell, LRD_OP_GET, 500);
    go = read(w->go[0], &byte, 1) == 1;
  }
  /* Dies without a word: its counts stay. */
  raise(SIGKILL);
}

static void a_running_program_is_read_from_another_process(void **state) {
  rows_clear();
  writer w = {.folder = *state};
  assert_int_equal(pipe(w.ready), 0);
  assert_int_equal(pipe2(w.go, O_NONBLOCK), 0);
  pid_t child = fork();
  if (child == 0) write_until_told(&w);
  rows_alive[2] = true;
  lrd_stats *stats = row_open(*state, 1);
  char byte;
  assert_int_equal(read(w.ready[0], &byte, 1), 1);
  uint64_t last = 1000;
  for (unsigned i = 0; i < 50; i++) {
    uint64_t hits = value_of(stats, "census", "memory", "hits");
    uint64_t lookups = value_of(stats, "census", "memory", "lookups");
    /* Lookups are counted first and read later: they can't be behind. */
    assert_true(hits >= last && lookups >= hits);
    last = hits;
  }
  assert_int_equal(processes_of(stats), 2);
  assert_int_equal(write(w.go[1], "x", 1), 1);
  int status;
  waitpid(child, &status, 0);
  assert_true(WIFSIGNALED(status));
  rows_alive[2] = false;
  uint64_t hits = value_of(stats, "census", "memory", "hits");
  assert_true(hits >= last && hits % 1000 == 0);
  assert_int_equal(processes_of(stats), 1);
  lrd_buf blob = {0};
  assert_ok(lrd_stats_take_row(stats, 2, &blob));
  assert_int_equal(value_of(stats, "census", "memory", "hits"), 0);
  assert_ok(lrd_stats_give(stats, lrd_span_of(blob.data, blob.len)));
  assert_int_equal(value_of(stats, "census", "memory", "hits"), hits);
  assert_err(lrd_stats_take_row(stats, 2, &blob), LARDER_MISS);
  lrd_buf_fini(&blob);
  lrd_stats_close(stats);
  for (int i = 0; i < 2; i++) {
    close(w.ready[i]);
    close(w.go[i]);
  }
}

static void abandon_in_child(void *context) { lrd_stats_abandon(context); }

static void an_abandoned_row_goes_on_in_the_parent(void **state) {
  rows_clear();
  lrd_stats *stats = row_open(*state, 1);
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
  lrd_stats_add(cell, LRD_STAT_HITS, 1);
  assert_int_equal(support_in_child(abandon_in_child, stats), 0);
  lrd_stats_add(cell, LRD_STAT_HITS, 1);
  lrd_stats *reader = row_open(*state, 2);
  rows_alive[1] = true;
  assert_int_equal(value_of(reader, "ns", "memory", "hits"), 2);
  lrd_stats_close(reader);
  lrd_stats_close(stats);
}

/* --- the sums of the dead ----------------------------------------------------------------------------------------------- */

static void what_a_former_holder_left_is_handed_out_once(void **state) {
  rows_clear();
  lrd_stats *stats = row_open(*state, 5);
  lrd_stats_add(lrd_stats_cell_of(stats, "ns", "sqlite"), LRD_STAT_PUTS, 11);
  lrd_stats_time(lrd_stats_cell_of(stats, "ns", "sqlite"), LRD_OP_PUT, 3000);
  lrd_stats_close(stats);
  stats = row_open(*state, 5);
  assert_int_equal(value_of(stats, "ns", "sqlite", "puts"), 0);
  lrd_buf blob = {0};
  assert_ok(lrd_stats_take_left(stats, &blob));
  lrd_buf again = {0};
  assert_err(lrd_stats_take_left(stats, &again), LARDER_MISS);
  assert_ok(lrd_stats_give(stats, lrd_span_of(blob.data, blob.len)));
  assert_int_equal(value_of(stats, "ns", "sqlite", "puts"), 11);
  larder_stats *shot = NULL;
  larder_stats_latency latency;
  assert_ok(lrd_stats_snapshot(stats, &shot));
  assert_true(larder_stats_latency_of(shot, NULL, "sqlite", "put", &latency));
  assert_int_equal(latency.count, 1);
  larder_stats_free(&shot);
  assert_ok(lrd_stats_set_past(stats, lrd_span_of(blob.data, blob.len)));
  assert_ok(lrd_stats_set_past(stats, lrd_span_of(blob.data, blob.len)));
  assert_err(lrd_stats_set_past(stats, lrd_span_of(blob.data, blob.len - 1)), LARDER_ECORRUPT);
  assert_int_equal(value_of(stats, "ns", "sqlite", "puts"), 11);
  lrd_stats_forget_past(stats);
  assert_int_equal(value_of(stats, "ns", "sqlite", "puts"), 0);
  lrd_buf_fini(&blob);
  lrd_stats_close(stats);
}

static void an_orderly_end_takes_its_own_row(void **state) {
  rows_clear();
  lrd_stats *stats = row_open(*state, 5);
  lrd_buf blob = {0};
  assert_err(lrd_stats_take_row(stats, LRD_STATS_ROWS, &blob), LARDER_EINVAL);
  lrd_stats_add(lrd_stats_cell_of(stats, "ns", "memory"), LRD_STAT_HITS, 4);
  assert_ok(lrd_stats_take_row(stats, 5, &blob));
  assert_err(lrd_stats_take_row(stats, 5, &blob), LARDER_MISS);
  lrd_stats_close(stats);
  char *path = row_path(*state, 5);
  assert_int_equal(access(path, F_OK), -1);
  lrd_dealloc(path);
  stats = row_open(*state, 5);
  lrd_buf left = {0};
  assert_err(lrd_stats_take_left(stats, &left), LARDER_MISS);
  assert_ok(lrd_stats_give(stats, lrd_span_of(blob.data, blob.len)));
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 4);
  lrd_buf_fini(&blob);
  lrd_stats_close(stats);
}

static void blobs_add_up_and_damage_is_told(void **state) {
  (void)state;
  lrd_stats *stats = NULL;
  assert_ok(lrd_stats_open(&(lrd_stats_params){0}, &stats, NULL));
  for (unsigned i = 0; i < 5; i++) {
    char name[8];
    snprintf(name, sizeof name, "n%u", i);
    lrd_stats_cell *cell = lrd_stats_cell_of(stats, name, "memory");
    for (unsigned c = 0; c < LRD_STAT_COUNT; c++) lrd_stats_add(cell, (lrd_counter)c, i * 1000 + c);
    for (unsigned t = 0; t < 100; t++) lrd_stats_time(cell, LRD_OP_GET, (int64_t)t * t * t);
  }
  lrd_buf blob = {0}, sum = {0};
  assert_ok(lrd_stats_take_row(stats, 0, &blob));
  lrd_span span = lrd_span_of(blob.data, blob.len);
  assert_ok(lrd_stats_blob_add(&sum, span));
  assert_ok(lrd_stats_blob_add(&sum, span));
  assert_ok(lrd_stats_blob_add(&sum, (lrd_span){0}));
  lrd_stats_close(stats);
  assert_ok(lrd_stats_open(&(lrd_stats_params){0}, &stats, NULL));
  assert_ok(lrd_stats_give(stats, (lrd_span){0}));
  assert_ok(lrd_stats_give(stats, lrd_span_of(sum.data, sum.len)));
  assert_int_equal(value_of(stats, "n3", "memory", "misses"), 2 * (3000 + LRD_STAT_MISSES));
  assert_int_equal(value_of(stats, NULL, "memory", "hits"), 2 * (10000 + 5 * LRD_STAT_HITS));
  /* Every flipped byte and every cut is noticed, and changes nothing. */
  for (size_t i = 0; i < blob.len; i++) {
    blob.data[i] ^= 0x41;
    assert_err(lrd_stats_give(stats, span), LARDER_ECORRUPT);
    blob.data[i] ^= 0x41;
    assert_err(lrd_stats_give(stats, lrd_span_of(blob.data, i ? i : 1)), LARDER_ECORRUPT);
  }
  assert_int_equal(value_of(stats, "n3", "memory", "misses"), 2 * (3000 + LRD_STAT_MISSES));
  /* Damage that carries a right checksum is bounded too. */
  support_random random = {4};
  for (unsigned round = 0; round < 20000; round++) {
    uint8_t *copy = malloc(blob.len);
    memcpy(copy, blob.data, blob.len);
    size_t len = 13 + support_random_below(&random, blob.len - 12);
    if (len > blob.len) len = blob.len;
    for (unsigned i = 0; i < 3; i++) copy[4 + support_random_below(&random, len - 12)] = (uint8_t)support_random_next(&random);
    lrd_put_u64(copy + len - 8, lrd_sum64(copy, len - 8));
    larder_err err = lrd_stats_give(stats, lrd_span_of(copy, len));
    assert_true(err == LARDER_OK || err == LARDER_ECORRUPT);
    free(copy);
  }
  lrd_buf_fini(&blob);
  lrd_buf_fini(&sum);
  lrd_stats_close(stats);
}

static void a_history_of_names_is_bounded(void **state) {
  (void)state;
  lrd_stats *stats = NULL;
  lrd_buf sum = {0};
  for (unsigned run = 0; run < 40; run++) {
    assert_ok(lrd_stats_open(&(lrd_stats_params){0}, &stats, NULL));
    for (unsigned i = 0; i < 60; i++) {
      char name[16];
      snprintf(name, sizeof name, "n%u-%u", run, i);
      lrd_stats_add(lrd_stats_cell_of(stats, name, "memory"), LRD_STAT_HITS, 1);
    }
    lrd_buf blob = {0};
    assert_ok(lrd_stats_take_row(stats, 0, &blob));
    assert_ok(lrd_stats_blob_add(&sum, lrd_span_of(blob.data, blob.len)));
    lrd_buf_fini(&blob);
    lrd_stats_close(stats);
  }
  assert_ok(lrd_stats_open(&(lrd_stats_params){0}, &stats, NULL));
  assert_ok(lrd_stats_give(stats, lrd_span_of(sum.data, sum.len)));
  larder_stats *shot = NULL;
  assert_ok(lrd_stats_snapshot(stats, &shot));
  assert_true(larder_stats_row_count(shot) <= 1024 + 4);
  uint64_t hits = 0, total = 0;
  larder_stats_row row;
  for (size_t i = 0; larder_stats_row_at(shot, i, &row); i++) {
    if (row.ns) hits += row.hits;
    if (!row.ns) total += row.hits;
  }
  /* Those beyond the bound lost their names and nothing else. */
  assert_int_equal(hits, 40 * 60);
  assert_int_equal(total, 40 * 60);
  larder_stats_free(&shot);
  lrd_buf_fini(&sum);
  lrd_stats_close(stats);
}

/* --- resetting ------------------------------------------------------------------------------------------------------------ */

static void a_reset_holds_for_every_process(void **state) {
  rows_clear();
  lrd_stats *a = row_open(*state, 1), *b = row_open(*state, 2);
  lrd_stats_cell *in_a = lrd_stats_cell_of(a, "ns", "memory"), *in_b = lrd_stats_cell_of(b, "ns", "memory");
  lrd_stats_add(in_a, LRD_STAT_HITS, 10);
  lrd_stats_add(in_b, LRD_STAT_HITS, 5);
  lrd_stats_time(in_b, LRD_OP_GET, 100);
  lrd_stats_set(in_b, LRD_GAUGE_ENTRIES, 3);
  assert_int_equal(value_of(a, "ns", "memory", "hits"), 15);
  assert_ok(lrd_stats_reset(a));
  assert_int_equal(value_of(a, "ns", "memory", "hits"), 0);
  assert_int_equal(value_of(b, "ns", "memory", "hits"), 0);
  assert_int_equal(value_of(b, "ns", "memory", "entries"), 3);
  lrd_stats_add(in_b, LRD_STAT_HITS, 2);
  assert_int_equal(value_of(a, "ns", "memory", "hits"), 2);
  /* What came before a reset is not folded in when the process dies either. */
  lrd_stats_close(b);
  lrd_buf blob = {0};
  assert_ok(lrd_stats_take_row(a, 2, &blob));
  assert_int_equal(value_of(a, "ns", "memory", "hits"), 0);
  assert_ok(lrd_stats_give(a, lrd_span_of(blob.data, blob.len)));
  assert_int_equal(value_of(a, "ns", "memory", "hits"), 2);
  larder_stats *shot = NULL;
  larder_stats_latency latency;
  assert_ok(lrd_stats_snapshot(a, &shot));
  assert_false(larder_stats_latency_of(shot, "ns", "memory", "get", &latency));
  larder_stats_free(&shot);
  assert_ok(lrd_stats_reset(a));
  assert_int_equal(value_of(a, "ns", "memory", "hits"), 0);
  /* Damaged marks are no marks. */
  char *path = row_path(*state, LRD_STATS_ROWS);
  support_file_write(path, "nonsense that is long enough", 28);
  assert_int_equal(value_of(a, "ns", "memory", "hits"), 10);
  /* The last one out takes the marks along. */
  assert_ok(lrd_stats_take_row(a, 1, &blob));
  assert_int_equal(access(path, F_OK), -1);
  lrd_dealloc(path);
  lrd_buf_fini(&blob);
  lrd_stats_close(a);
}

static void a_reset_without_a_root_works_too(void **state) {
  (void)state;
  lrd_stats *stats = NULL;
  assert_ok(lrd_stats_open(&(lrd_stats_params){0}, &stats, NULL));
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
  lrd_stats_add(cell, LRD_STAT_HITS, 10);
  assert_ok(lrd_stats_reset(stats));
  lrd_stats_add(cell, LRD_STAT_HITS, 1);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 1);
  assert_ok(lrd_stats_reset(stats));
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 0);
  lrd_stats_close(stats);
}

/* --- gauges --------------------------------------------------------------------------------------------------------------- */

static void gauges_of_shared_tiers_are_not_added_up(void **state) {
  rows_clear();
  lrd_stats *a = row_open(*state, 1), *b = row_open(*state, 2);
  lrd_stats *both[2] = {a, b};
  for (unsigned i = 0; i < 2; i++) {
    lrd_stats_cell *memory = lrd_stats_cell_of(both[i], "ns", "memory");
    lrd_stats_cell *disk = lrd_stats_cell_of(both[i], "ns", "sqlite");
    lrd_stats_cell *more = lrd_stats_cell_of(both[i], "more", "sqlite");
    lrd_stats_cell_share(disk);
    lrd_stats_cell_share(more);
    lrd_stats_set(memory, LRD_GAUGE_ENTRIES, 10 + i);
    lrd_stats_set(disk, LRD_GAUGE_ENTRIES, 100);
    lrd_stats_set(more, LRD_GAUGE_ENTRIES, 7);
  }
  assert_int_equal(value_of(a, "ns", "memory", "entries"), 21);
  assert_int_equal(value_of(a, "ns", "sqlite", "entries"), 100);
  assert_int_equal(value_of(a, NULL, "sqlite", "entries"), 107);
  lrd_stats_close(a);
  lrd_stats_close(b);
}

/* --- what goes wrong -------------------------------------------------------------------------------------------------------
 */

static void without_room_in_shared_memory_counting_goes_on(void **state) {
  rows_clear();
  static const struct {
    lrd_fs_op op;
    uint64_t n;
    int os_errno;
  } cases[] = {{LRD_FS_OPEN, 4, EACCES},
               {LRD_FS_TRUNCATE, 1, EIO},
               {LRD_FS_ALLOCATE, 1, ENOSPC},
               {LRD_FS_ALLOCATE, 2, ENOSPC},
               {LRD_FS_MAP, 1, ENOMEM}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    support_fs_fail_at(cases[i].op, cases[i].n, cases[i].os_errno);
    lrd_stats *stats = row_open(*state, 1);
    assert_true(support_fs_end() >= cases[i].n);
    assert_false(lrd_stats_is_shared(stats));
    lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
    lrd_stats_add(cell, LRD_STAT_HITS, 3);
    lrd_stats_time(cell, LRD_OP_GET, 3);
    assert_int_equal(value_of(stats, "ns", "memory", "hits"), 3);
    assert_ok(lrd_stats_reset(stats));
    assert_int_equal(value_of(stats, "ns", "memory", "hits"), 0);
    lrd_stats_close(stats);
    char *path = row_path(*state, 1);
    assert_int_equal(access(path, F_OK), -1);
    lrd_dealloc(path);
  }
}

static void a_full_file_system_later_on_costs_detail_only(void **state) {
  rows_clear();
  lrd_stats *stats = row_open(*state, 1);
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
  support_fs_fail_from(LRD_FS_ALLOCATE, 1, ENOSPC);
  lrd_stats_time(cell, LRD_OP_GET, 100);
  lrd_stats_time(cell, LRD_OP_GET, 100);
  lrd_stats_cell *other = lrd_stats_cell_of(stats, "more", "memory");
  lrd_stats_add(other, LRD_STAT_HITS, 2);
  lrd_stats_add(cell, LRD_STAT_HITS, 1);
  /* One try for the histogram, not one for each time. */
  assert_int_equal(support_fs_end(), 2);
  assert_int_equal(value_of(stats, "ns", "memory", "hits"), 1);
  assert_int_equal(value_of(stats, LRD_STATS_OTHER, LRD_STATS_OTHER, "hits"), 2);
  lrd_stats_close(stats);
}

static void a_strangers_file_is_neither_read_nor_believed(void **state) {
  rows_clear();
  char *path = row_path(*state, 3);
  lrd_stats *stats = row_open(*state, 1);
  /* A link to elsewhere, a pipe that nobody writes to, a folder. */
  assert_int_equal(symlink("/etc/passwd", path), 0);
  assert_int_equal(processes_of(stats), 1);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(processes_of(stats), 1);
  lrd_stats *third = row_open(*state, 3);
  assert_true(lrd_stats_is_shared(third));
  lrd_stats_close(third);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkdir(path, 0700), 0);
  third = row_open(*state, 3);
  assert_false(lrd_stats_is_shared(third));
  lrd_stats_close(third);
  lrd_stats_close(stats);
  lrd_dealloc(path);
}

static void another_users_row_is_not_counted(void **state) {
  rows_clear();
  if (geteuid() != 0) skip(); /* only root can give a file away */
  lrd_stats *held = row_open(*state, 2);
  lrd_stats_add(lrd_stats_cell_of(held, "ns", "memory"), LRD_STAT_HITS, 7);
  lrd_stats *reader = row_open(*state, 1);
  char *path = row_path(*state, 2);
  assert_int_equal(value_of(reader, "ns", "memory", "hits"), 7);
  assert_int_equal(chown(path, 12345, 12345), 0);
  assert_int_equal(value_of(reader, "ns", "memory", "hits"), 0);
  lrd_dealloc(path);
  lrd_stats_close(held);
  lrd_stats_close(reader);
}

static void damaged_rows_never_harm_a_reader(void **state) {
  rows_clear();
  lrd_stats *held = row_open(*state, 2);
  for (unsigned i = 0; i < 3; i++) {
    lrd_stats_cell *cell = lrd_stats_cell_of(held, i ? "a" : "b", i == 2 ? "sqlite" : "memory");
    lrd_stats_add(cell, LRD_STAT_HITS, 7);
    lrd_stats_time(cell, LRD_OP_GET, 700);
  }
  lrd_stats_close(held);
  lrd_stats *reader = row_open(*state, 1);
  char *path = row_path(*state, 2);
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0);
  static uint8_t head[STATS_CELLS_AT + 4096], damaged[STATS_CELLS_AT + 4096];
  assert_int_equal(pread(fd, head, sizeof head, 0), (ssize_t)sizeof head);
  support_random random = {99};
  for (unsigned round = 0; round < 3000; round++) {
    memcpy(damaged, head, sizeof head);
    /* Half of the damage into the first fields, where it does most. */
    for (unsigned i = 0; i < 1 + round % 20; i++) {
      size_t at = support_random_below(&random, i % 2 ? sizeof damaged : 1600);
      damaged[at] = i % 3 ? (uint8_t)support_random_next(&random) : 0xff;
    }
    if (round % 4 == 0) lrd_put_u64(damaged, STATS_MAGIC);
    assert_int_equal(pwrite(fd, damaged, sizeof damaged, 0), (ssize_t)sizeof damaged);
    larder_stats *shot = NULL;
    assert_ok(lrd_stats_snapshot(reader, &shot));
    char *text = NULL;
    assert_ok(larder_stats_to_json(shot, NULL, &text, NULL));
    larder_stats_text_free(text);
    larder_stats_free(&shot);
  }
  /* Every histogram number there is, and none. */
  memcpy(damaged, head, sizeof head);
  static const uint32_t numbers[] = {0, 1, 1024, 1025, UINT32_MAX};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    lrd_put_u32(damaged + STATS_CELLS_AT, numbers[i]);
    assert_int_equal(pwrite(fd, damaged, sizeof damaged, 0), (ssize_t)sizeof damaged);
    assert_true(value_of(reader, NULL, "memory", "hits") == 14);
  }
  /* Cut anywhere, also to nothing. */
  assert_int_equal(pwrite(fd, head, sizeof head, 0), (ssize_t)sizeof head);
  for (off_t len = 40000; len >= 0; len -= 997) {
    assert_int_equal(ftruncate(fd, len), 0);
    (void)value_of(reader, "a", "memory", "hits");
  }
  assert_int_equal(ftruncate(fd, 0), 0);
  assert_int_equal(processes_of(reader), 1);
  lrd_buf blob = {0};
  assert_err(lrd_stats_take_row(reader, 2, &blob), LARDER_MISS);
  assert_int_equal(access(path, F_OK), -1);
  close(fd);
  lrd_dealloc(path);
  lrd_stats_close(reader);
}

static void another_build_or_boot_is_not_mixed_in(void **state) {
  rows_clear();
  lrd_stats *reader = row_open(*state, 1);
  static const size_t places[] = {offsetof(stats_head, magic),     offsetof(stats_head, version),
                                  offsetof(stats_head, head_size), offsetof(stats_head, cell_size),
                                  offsetof(stats_head, row),       offsetof(stats_head, root_id),
                                  offsetof(stats_head, boot_id)};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    lrd_stats *held = row_open(*state, 2);
    lrd_stats_add(lrd_stats_cell_of(held, "ns", "memory"), LRD_STAT_HITS, 7);
    lrd_stats_close(held);
    assert_int_equal(value_of(reader, "ns", "memory", "hits"), 7);
    char *path = row_path(*state, 2);
    int fd = open(path, O_RDWR);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)places[i]), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)places[i]), 1);
    close(fd);
    assert_int_equal(value_of(reader, "ns", "memory", "hits"), 0);
    /* The next holder makes the row anew and finds nothing left. */
    held = row_open(*state, 2);
    lrd_buf left = {0};
    assert_err(lrd_stats_take_left(held, &left), LARDER_MISS);
    lrd_stats_close(held);
    lrd_dealloc(path);
  }
  lrd_stats_close(reader);
}

static larder_err everything(const char *folder) {
  lrd_stats *stats = NULL;
  larder_stats *shot = NULL;
  lrd_buf blob = {0};
  char *json = NULL, *prometheus = NULL;
  lrd_stats_params params = {.root_id_hex = ROOT, .row = 1, .folder = folder, .row_lives = row_lives};
  larder_err err = lrd_stats_open(&params, &stats, NULL);
  if (err != LARDER_OK) return err;
  lrd_stats_cell *cell = lrd_stats_cell_of(stats, "ns", "memory");
  lrd_stats_add(cell, LRD_STAT_HITS, 1);
  lrd_stats_time(cell, LRD_OP_GET, 1);
  lrd_stats_tick(stats);
  err = lrd_stats_snapshot(stats, &shot);
  if (err == LARDER_OK) err = larder_stats_to_json(shot, NULL, &json, NULL);
  if (err == LARDER_OK) err = larder_stats_to_prometheus(shot, &prometheus, NULL);
  if (err == LARDER_OK) err = lrd_stats_reset(stats);
  lrd_stats_add(cell, LRD_STAT_HITS, 1);
  if (err == LARDER_OK) err = lrd_stats_take_row(stats, 1, &blob);
  if (err == LARDER_OK) err = lrd_stats_give(stats, lrd_span_of(blob.data, blob.len));
  larder_stats_free(&shot);
  larder_stats_text_free(json);
  larder_stats_text_free(prometheus);
  lrd_buf_fini(&blob);
  lrd_stats_close(stats);
  return err;
}

static void every_allocation_may_fail(void **state) {
  rows_clear();
  lrd_stats *before = row_open(*state, 1);
  lrd_stats_add(lrd_stats_cell_of(before, "ns", "memory"), LRD_STAT_HITS, 1);
  lrd_stats_close(before);
  uint64_t n = 1;
  for (;; n++) {
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err err = everything(*state);
    bool failed = support_alloc_end() >= n;
    /* Some failures only cost shared memory, or what a former holder left. */
    assert_true(err == LARDER_OK || (failed && err == LARDER_ENOMEM));
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  assert_true(n > 30);
}

static void every_file_operation_may_fail(void **state) {
  rows_clear();
  uint64_t n = 1;
  for (;; n++) {
    int64_t live = support_alloc_live();
    support_fs_fail_at(SUPPORT_ANY_OP, n, EIO);
    larder_err err = everything(*state);
    bool failed = support_fs_end() >= n;
    assert_true(err == LARDER_OK || (failed && err == LARDER_EIO));
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
  assert_true(n > 20);
}

int main(void) {
  /* Where rows lie in earnest, too. */
  if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(a_running_program_is_read_from_another_process),
      SUPPORT_DIR_TEST(an_abandoned_row_goes_on_in_the_parent),
      SUPPORT_DIR_TEST(what_a_former_holder_left_is_handed_out_once),
      SUPPORT_DIR_TEST(an_orderly_end_takes_its_own_row),
      cmocka_unit_test(blobs_add_up_and_damage_is_told),
      SUPPORT_DIR_TEST(a_reset_holds_for_every_process),
      cmocka_unit_test(a_history_of_names_is_bounded),
      cmocka_unit_test(a_reset_without_a_root_works_too),
      SUPPORT_DIR_TEST(gauges_of_shared_tiers_are_not_added_up),
      SUPPORT_DIR_TEST(without_room_in_shared_memory_counting_goes_on),
      SUPPORT_DIR_TEST(a_full_file_system_later_on_costs_detail_only),
      SUPPORT_DIR_TEST(a_strangers_file_is_neither_read_nor_believed),
      SUPPORT_DIR_TEST(another_users_row_is_not_counted),
      SUPPORT_DIR_TEST(damaged_rows_never_harm_a_reader),
      SUPPORT_DIR_TEST(another_build_or_boot_is_not_mixed_in),
      SUPPORT_DIR_TEST(every_allocation_may_fail),
      SUPPORT_DIR_TEST(every_file_operation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
