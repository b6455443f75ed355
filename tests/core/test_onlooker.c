/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root that can only be read, as on media made so, in a container that has it mounted read-only, or where LOCK is somebody
 * else's: a real read-only mount of a folder beside a process that writes it, where that is allowed, and the same folder with
 * the opening of LOCK refused. Whatever is acknowledged there is seen here at once, by memory too; nothing here changes
 * anything; what is still unknown when it is opened is found later.
 */
#include "support/support.h"

#include "base/hash.h"
#include "core/cache.h"
#include "larder_testing.h"
#include <errno.h>
#include <ftw.h>
#include <larder/keys.h>
#include <larder/stats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG(tiers)                                                                                                          \
  "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: [memory, " tiers "], ttl: 1h}\n"               \
  "    later: {tiers: [memory, " tiers "], ttl: 1h}\n    queued: {tiers: [memory, " tiers "], durability: behind}\n"           \
  "    own: {tiers: [memory]}\n"

static const char *const configs[] = {CONFIG("sqlite"), CONFIG("files"), CONFIG("files, sqlite")};
#define CONFIGS (sizeof configs / sizeof configs[0])
#define WAYS    (2 * CONFIGS) /* each by a mount, then each with LOCK refused */

typedef struct scene {
  const char *config;
  char *root; /* written here */
  char *view; /* the same folder, mounted read-only; NULL: LOCK is refused */
  larder *writer;
  larder *onlooker;
  larder_ns *written;
  larder_ns *seen;
} scene;

/* The machine's clock, but not that very one: the cache starts no threads, and its keeper is run by hand. */
static lrd_clock by_hand;

static void cache_open(const scene *s, const char *root, larder **out) {
  larder_error err = {0};
  by_hand = *lrd_clock_real();
  larder_options options = {.size = sizeof options, .root = root, .config_text = s->config};
  larder_err result = lrd_larder_open_with_clock(&options, &by_hand, out, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
}

static void writer_open(scene *s) {
  cache_open(s, s->root, &s->writer);
  assert_ok(larder_ns_open(s->writer, "n", &s->written, NULL));
}

static void onlooker_open(scene *s) {
  if (!s->view) {
    support_fs_fail_at(LRD_FS_OPEN, 1, EACCES);
    support_fs_only_path("LOCK");
  }
  cache_open(s, s->view ? s->view : s->root, &s->onlooker);
  if (!s->view) assert_true(support_fs_end() >= 1);
  assert_true(lrd_cache_onlooker(s->onlooker));
  assert_ok(larder_ns_open(s->onlooker, "n", &s->seen, NULL));
}

/* False: nothing can be mounted here. */
static bool scene_begin(scene *s, const char *dir, size_t way) {
  char name[32];
  *s = (scene){.config = configs[way % CONFIGS]};
  (void)snprintf(name, sizeof name, "root%zu", way);
  s->root = support_path(dir, name);
  assert_int_equal(lrd_fs_mkdir(s->root, 0700), 0);
  if (way >= CONFIGS) return true;
  (void)snprintf(name, sizeof name, "view%zu", way);
  s->view = support_path(dir, name);
  assert_int_equal(lrd_fs_mkdir(s->view, 0700), 0);
  if (mount(s->root, s->view, "none", MS_BIND, "") == 0) {
    assert_int_equal(mount("none", s->view, "none", MS_BIND | MS_REMOUNT | MS_RDONLY, ""), 0);
    return true;
  }
  free(s->root);
  free(s->view);
  return false;
}

static void scene_end(scene *s) {
  if (s->onlooker) assert_ok(larder_close(&s->onlooker));
  if (s->writer) assert_ok(larder_close(&s->writer));
  if (s->view) (void)umount(s->view);
  free(s->root);
  free(s->view);
}

/* Also of a test that has failed. */
static int views_unmount(void **state) {
  for (size_t way = 0; way < CONFIGS; way++) {
    char name[32];
    (void)snprintf(name, sizeof name, "view%zu", way);
    char *view = support_path(*state, name);
    (void)umount2(view, MNT_DETACH);
    free(view);
  }
  return support_dir_teardown(state);
}

static larder_err put_text(larder_ns *ns, const char *key, const char *value) {
  return larder_put(ns, key, strlen(key), value, strlen(value), NULL);
}

/* `value` NULL: a miss. */
static void sees(larder_ns *ns, const char *key, const char *value) {
  larder_value found = {0};
  larder_err result = larder_get(ns, key, strlen(key), NULL, &found);
  if (!value) {
    assert_err(result, LARDER_MISS);
    return;
  }
  if (result != LARDER_OK) print_error("key %s\n", key);
  assert_ok(result);
  assert_int_equal(found.len, strlen(value));
  assert_memory_equal(found.data, value, found.len);
  larder_value_release(&found);
}

static void what_is_written_beside_is_seen_at_once(void **state) {
  for (size_t way = 0; way < WAYS; way++) {
    scene s;
    char value[32];
    if (!scene_begin(&s, *state, way)) continue;
    writer_open(&s);
    assert_ok(put_text(s.written, "k", "first"));
    assert_ok(put_text(s.written, "gone", "first"));
    onlooker_open(&s);
    sees(s.seen, "gone", "first");
    for (unsigned i = 0; i < 300; i++) { /* each value twice: from below, and from memory */
      (void)snprintf(value, sizeof value, "value %u", i);
      assert_ok(put_text(s.written, "k", value));
      sees(s.seen, "k", value);
      sees(s.seen, "k", value);
    }
    assert_ok(larder_delete(s.written, "gone", 4));
    sees(s.seen, "gone", NULL);
    assert_ok(larder_flush(s.writer));
    assert_ok(larder_close(&s.writer)); /* the last one of those who may write */
    sees(s.seen, "k", value);
    writer_open(&s);
    sees(s.seen, "k", value);
    assert_ok(put_text(s.written, "k", "last"));
    sees(s.seen, "k", "last");
    scene_end(&s);
  }
}

static void nothing_is_changed_by_an_onlooker(void **state) {
  for (size_t way = 0; way < WAYS; way++) {
    scene s;
    larder_bulk bulk;
    larder_validation report;
    larder_rotation rotation;
    larder_match all = {.size = sizeof all};
    larder_item items[2] = {{.key = "k", .key_len = 1, .value = "x", .value_len = 1}, {.key = "m", .key_len = 1, .value = "x"}};
    if (!scene_begin(&s, *state, way)) continue;
    writer_open(&s);
    assert_ok(put_text(s.written, "k", "kept"));
    onlooker_open(&s);
    for (unsigned twice = 0; twice < 2; twice++) {
      for (unsigned i = 0; i < 5; i++) { /* more often than a breaker bears */
        assert_err(put_text(s.seen, "k", "new"), LARDER_EACCES);
      }
      assert_err(larder_delete(s.seen, "k", 1), LARDER_EACCES);
      assert_err(larder_expire(s.seen, "k", 1), LARDER_EACCES);
      assert_err(larder_touch(s.seen, "k", 1, 1000), LARDER_EACCES);
      assert_err(larder_clear(s.seen, &bulk), LARDER_EACCES);
      assert_err(larder_delete_matching(s.seen, &all, &bulk), LARDER_EACCES);
      assert_err(larder_sweep(s.onlooker, &bulk), LARDER_EACCES);
      assert_err(larder_stats_reset(s.onlooker), LARDER_EACCES);
      assert_err(larder_keys_rotate(s.onlooker, NULL, NULL, NULL, &rotation), LARDER_EACCES);
      assert_err(larder_validate(s.onlooker, NULL, true, &report, NULL, NULL), LARDER_EACCES);
      assert_ok(larder_put_many(s.seen, items, 2));
      assert_err(items[0].result, LARDER_EACCES);
      assert_err(items[1].result, LARDER_EACCES);
      assert_ok(larder_delete_many(s.seen, items, 1));
      assert_err(items[0].result, LARDER_EACCES);
      sees(s.seen, "k", "kept");
      sees(s.written, "k", "kept");
      lrd_larder_tick(s.onlooker);
      if (s.writer) assert_ok(larder_close(&s.writer)); /* and once more with nobody there who may write */
      if (twice == 0) {
        assert_ok(larder_close(&s.onlooker));
        writer_open(&s);
        onlooker_open(&s);
      }
    }
    assert_ok(larder_validate(s.onlooker, NULL, false, &report, NULL, NULL));
    assert_int_equal(report.damaged, 0);
    assert_true(report.examined > 0);
    assert_ok(larder_flush(s.onlooker));
    scene_end(&s);
  }
}

static void other_namespaces_serve_as_well_as_they_can(void **state) {
  for (size_t way = 0; way < WAYS; way++) {
    scene s;
    larder_ns *ns;
    larder_ns *later;
    if (!scene_begin(&s, *state, way)) continue;
    writer_open(&s);
    assert_ok(put_text(s.written, "k", "kept"));
    onlooker_open(&s);
    assert_ok(larder_ns_open(s.onlooker, "own", &ns, NULL)); /* in memory alone: as everywhere */
    assert_ok(put_text(ns, "k", "mine"));
    sees(ns, "k", "mine");
    assert_ok(larder_ns_open(s.onlooker, "queued", &ns, NULL)); /* never queued: it could not be written ever */
    assert_err(put_text(ns, "k", "mine"), LARDER_EACCES);
    sees(ns, "k", NULL);
    for (unsigned i = 0; i < 5; i++) { /* that nobody has made yet */
      char name[16];
      (void)snprintf(name, sizeof name, "unknown%u", i);
      assert_ok(larder_ns_open(s.onlooker, name, &ns, NULL));
      sees(ns, "k", NULL);
      assert_err(put_text(ns, "k", "mine"), LARDER_EACCES);
    }
    assert_ok(larder_ns_open(s.onlooker, "later", &later, NULL));
    sees(later, "k", NULL);
    assert_ok(larder_ns_open(s.writer, "later", &ns, NULL));
    assert_ok(put_text(ns, "k", "made"));
    lrd_larder_tick(s.onlooker);
    sees(later, "k", "made");
    assert_ok(put_text(ns, "k", "made again"));
    sees(later, "k", "made again");
    sees(s.seen, "k", "kept");
    scene_end(&s);
  }
}

static bool listed_one(void *context, const larder_listed *entry) {
  (void)entry;
  (*(size_t *)context)++;
  return true;
}

static size_t listed(larder_ns *ns) {
  size_t count = 0;
  larder_match all = {.size = sizeof all};
  larder_err result = larder_list(ns, &all, false, 0, NULL, listed_one, &count);
  assert_true(result == LARDER_OK || result == LARDER_END || result == LARDER_EAWAY);
  return count;
}

/* A writer that has put `old` under k, and an onlooker. */
static bool scene_of_both(scene *s, const char *dir, size_t way) {
  if (!scene_begin(s, dir, way)) return false;
  writer_open(s);
  assert_ok(put_text(s->written, "k", "old"));
  onlooker_open(s);
  return true;
}

/* What was found damaged or replaced is read by nobody until it is set right. */
static void a_distrusted_tier_is_not_read(void **state) {
  for (size_t way = 0; way < WAYS; way++) {
    scene s;
    if (!scene_of_both(&s, *state, way)) continue;
    assert_int_equal(listed(s.seen), 1);
    for (unsigned tier = 0; tier < s.writer->instances_len; tier++) lrd_slots_distrust(s.writer->slots, tier);
    lrd_slots_move_all(s.writer->slots);
    sees(s.seen, "k", NULL);
    assert_int_equal(listed(s.seen), 0);
    scene_end(&s);
  }
}

/* The mark keeps what a tier could not forget from who only reads, too. */
static void a_dirty_slot_is_not_read(void **state) {
  for (size_t way = 0; way < WAYS; way++) {
    scene s;
    if (!scene_of_both(&s, *state, way)) continue;
    sees(s.seen, "k", "old");
    uint64_t version;
    uint64_t slot = lrd_slot_of(s.writer->slots, lrd_hash64("k", 1, s.written->seed));
    assert_ok(lrd_slot_own(s.writer->slots, slot, 0, &version));
    for (unsigned tier = 0; tier < s.writer->instances_len; tier++) lrd_slot_mark_dirty(s.writer->slots, tier, slot);
    (void)lrd_slot_release(s.writer->slots, slot, true);
    sees(s.seen, "k", NULL);
    assert_int_equal(listed(s.seen), 0);
    lrd_larder_tick(s.writer); /* cleans it */
    assert_ok(put_text(s.written, "k", "new"));
    sees(s.seen, "k", "new");
    scene_end(&s);
  }
}

/* In order, and with nothing left allocated. */
static void child_ends(scene *s, int failure) {
  larder_err result = s->writer ? larder_close(&s->writer) : LARDER_OK;
  free(s->root);
  free(s->view);
  _exit(result == LARDER_OK ? 0 : failure);
}

/* A child of a test that fails must not go on. */
static void die_with_parent(void) { (void)prctl(PR_SET_PDEATHSIG, SIGKILL); }

static void write_until_killed(scene *s, int tell_fd) {
  die_with_parent();
  writer_open(s);
  (void)put_text(s->written, "k", "by the dead");
  if (write(tell_fd, "x", 1) != 1) _exit(1);
  for (unsigned i = 0;; i++) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%u", i % 100);
    (void)put_text(s->written, key, "more");
  }
}

/*
 * A writer in a process of its own, made before this one opens anything: SQLite has one index of the log in each process, and
 * the first who opens it has made it read-only here.
 */
typedef struct partner {
  pid_t pid;
  int orders[2];
  int reports[2];
} partner;

static void partner_obey(scene *s, const partner *p) {
  char order;
  die_with_parent();
  while (read(p->orders[0], &order, 1) == 1 && order != 0) {
    char value[2] = {order, 0};
    if (!s->writer) writer_open(s);
    larder_err result = put_text(s->written, "k", value);
    if (result != LARDER_OK || write(p->reports[1], "x", 1) != 1) _exit(2);
  }
  child_ends(s, 3);
}

static void partner_begin(scene *s, partner *p) {
  assert_int_equal(pipe(p->orders), 0);
  assert_int_equal(pipe(p->reports), 0);
  p->pid = fork();
  assert_true(p->pid >= 0);
  if (p->pid == 0) partner_obey(s, p);
}

/* Puts this one letter, and returns when it is acknowledged; 0: leaves in order. */
static void partner_put(partner *p, char letter) {
  char report;
  int status;
  assert_int_equal(write(p->orders[1], &letter, 1), 1);
  if (letter != 0) {
    assert_int_equal(read(p->reports[0], &report, 1), 1);
    return;
  }
  assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
  assert_int_equal(status, 0);
  for (unsigned i = 0; i < 2; i++) {
    close(p->orders[i]);
    close(p->reports[i]);
  }
}

/* Without any writer alive: a log that was never folded in, slots that stay owned. */
static void what_a_killed_writer_left_is_served(void **state) {
  for (size_t way = 0; way < WAYS; way++) {
    scene s;
    int told[2];
    char byte;
    int status;
    if (!scene_begin(&s, *state, way)) continue;
    assert_int_equal(pipe(told), 0);
    pid_t killed = fork();
    assert_true(killed >= 0);
    if (killed == 0) write_until_killed(&s, told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    (void)usleep(50 * 1000);
    assert_int_equal(kill(killed, SIGKILL), 0);
    assert_int_equal(waitpid(killed, &status, 0), killed);
    partner living;
    partner_begin(&s, &living);
    onlooker_open(&s);
    sees(s.seen, "k", "by the dead");
    lrd_larder_tick(s.onlooker);
    sees(s.seen, "k", "by the dead");
    partner_put(&living, 'a');
    sees(s.seen, "k", "a");
    partner_put(&living, 0);
    sees(s.seen, "k", "a");
    close(told[0]);
    close(told[1]);
    scene_end(&s);
  }
}

#define KEYS     3u
#define LOOK_NS  INT64_C(1000000000)
#define HITS_MIN 100u

typedef struct shared_counts {
  _Atomic uint64_t acknowledged[KEYS];
  _Atomic bool stop;
} shared_counts;

static void count_up(scene *s, shared_counts *shared) {
  die_with_parent();
  writer_open(s);
  for (uint64_t n = 1; !atomic_load(&shared->stop); n++) {
    char key[2] = {(char)('a' + n % KEYS), 0};
    if (n % 7 == 0 && larder_delete(s->written, key, 1) < 0) _exit(3);
    if (larder_put(s->written, key, 1, &n, sizeof n, NULL) == LARDER_OK) atomic_store(&shared->acknowledged[n % KEYS], n);
  }
  child_ends(s, 2);
}

/* Promise 1 beside a process that writes as fast as it can. A miss is between a delete and a put. */
static void nothing_older_than_what_was_acknowledged_is_seen(void **state) {
  for (size_t way = 0; way < WAYS; way++) {
    scene s;
    int status;
    uint64_t hits = 0;
    uint64_t seen[KEYS] = {0};
    if (!scene_begin(&s, *state, way)) continue;
    shared_counts *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    writer_open(&s);
    assert_ok(larder_close(&s.writer));
    pid_t writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) count_up(&s, shared);
    onlooker_open(&s);
    int64_t began_ns = lrd_mono_ns(lrd_clock_real());
    int64_t ticked_ns = began_ns;
    int64_t now_ns = began_ns;
    for (unsigned i = 0; now_ns - began_ns < LOOK_NS || (hits <= HITS_MIN && now_ns - began_ns < 30 * LOOK_NS); i++) {
      now_ns = lrd_mono_ns(lrd_clock_real());
      if (now_ns - ticked_ns > LOOK_NS / 10) {
        lrd_larder_tick(s.onlooker);
        ticked_ns = now_ns;
      }
      char key[2] = {(char)('a' + i % KEYS), 0};
      uint64_t least = atomic_load(&shared->acknowledged[i % KEYS]);
      larder_value found = {0};
      if (larder_get(s.seen, key, 1, NULL, &found) != LARDER_OK) continue;
      uint64_t value;
      assert_int_equal(found.len, sizeof value);
      memcpy(&value, found.data, sizeof value);
      larder_value_release(&found);
      assert_int_equal(value % KEYS, i % KEYS);
      assert_true(value >= least && value >= seen[i % KEYS]);
      seen[i % KEYS] = value;
      hits++;
    }

    assert_true(hits > HITS_MIN);
    atomic_store(&shared->stop, true);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    assert_int_equal(munmap(shared, sizeof *shared), 0);
    scene_end(&s);
  }
}

/* Folded over each file: path, size, when it was changed, content. */
static uint64_t tree_sum;

static int tree_add(const char *path, const struct stat *facts, int type, struct FTW *at) {
  (void)at;
  uint64_t parts[5] = {lrd_sum64(path, strlen(path)), (uint64_t)facts->st_size, (uint64_t)facts->st_mtim.tv_sec,
                       (uint64_t)facts->st_mtim.tv_nsec, 0};
  if (type == FTW_F) {
    size_t len = 0;
    char *content = support_file_read(path, &len);
    parts[4] = lrd_sum64(content, len);
    free(content);
  }
  tree_sum += lrd_sum64(parts, sizeof parts);
  return 0;
}

static uint64_t tree_of(const char *root) {
  tree_sum = 0;
  assert_int_equal(nftw(root, tree_add, 16, FTW_PHYS), 0);
  return tree_sum;
}

/* Also where nothing but LOCK would refuse it. */
static void no_file_is_touched(void **state) {
  for (size_t way = CONFIGS; way < WAYS; way++) {
    scene s;
    larder_validation report;
    larder_bulk bulk;
    larder_ns *ns;
    assert_true(scene_begin(&s, *state, way));
    writer_open(&s);
    for (unsigned i = 0; i < 50; i++) {
      char key[16];
      (void)snprintf(key, sizeof key, "k%u", i);
      assert_ok(put_text(s.written, key, "kept"));
    }
    assert_ok(larder_close(&s.writer));
    uint64_t before = tree_of(s.root);
    onlooker_open(&s);
    sees(s.seen, "k7", "kept");
    sees(s.seen, "k7", "kept");
    assert_err(put_text(s.seen, "k7", "new"), LARDER_EACCES);
    assert_err(larder_clear(s.seen, &bulk), LARDER_EACCES);
    assert_ok(larder_ns_open(s.onlooker, "unknown", &ns, NULL));
    assert_ok(larder_validate(s.onlooker, NULL, false, &report, NULL, NULL));
    for (unsigned i = 0; i < 3; i++) lrd_larder_tick(s.onlooker);
    (void)usleep(300 * 1000); /* the tiers' own threads */
    assert_ok(larder_flush(s.onlooker));
    assert_ok(larder_close(&s.onlooker));
    assert_true(tree_of(s.root) == before);
    scene_end(&s);
  }
}

/* A tier that a writer brings along later, and a root without a map at first. */
static void what_is_missing_when_it_is_opened_is_found_when_it_is_made(void **state) {
  for (size_t way = 0; way < WAYS; way++) {
    scene s;
    if (!scene_begin(&s, *state, way)) continue;
    const char *whole = s.config;
    s.config = configs[0]; /* sqlite alone */
    writer_open(&s);
    assert_ok(put_text(s.written, "k", "old"));
    assert_ok(larder_close(&s.writer));
    char *map = support_path(s.root, "coherence.map");
    assert_int_equal(unlink(map), 0);
    free(map); /* before there is a child that would have it, too */
    s.config = whole;
    partner writer;
    partner_begin(&s, &writer);
    onlooker_open(&s);
    sees(s.seen, "k", strstr(whole, "sqlite") ? "old" : NULL);
    partner_put(&writer, 'n');
    larder_value found = {0};
    larder_err result = larder_get(s.seen, "k", 1, NULL, &found); /* not in step yet: the new one or none */
    if (result == LARDER_OK) assert_true(found.len == 1 && memcmp(found.data, "n", 1) == 0);
    larder_value_release(&found);
    lrd_larder_tick(s.onlooker);
    lrd_larder_tick(s.onlooker);
    sees(s.seen, "k", "n");
    partner_put(&writer, 'm');
    sees(s.seen, "k", "m");
    partner_put(&writer, 0);
    scene_end(&s);
  }
}

static void figures_of_who_writes_are_shown(void **state) {
  scene s;
  larder_stats *stats = NULL;
  if (!scene_begin(&s, *state, CONFIGS)) return;
  writer_open(&s);
  for (unsigned i = 0; i < 7; i++) assert_ok(put_text(s.written, "k", "v"));
  onlooker_open(&s);
  assert_ok(larder_stats_take(s.onlooker, &stats, NULL));
  uint64_t puts = 0;
  assert_int_equal(larder_stats_process_count(stats), 2);
  assert_true(larder_stats_value(stats, "n", "all", "puts", &puts));
  assert_int_equal(puts, 7);
  larder_stats_free(&stats);
  scene_end(&s);
}

#define VIEW_TEST(function) cmocka_unit_test_setup_teardown(function, support_dir_setup, views_unmount)

int main(void) {
  const struct CMUnitTest tests[] = {
      VIEW_TEST(what_is_written_beside_is_seen_at_once),
      VIEW_TEST(nothing_is_changed_by_an_onlooker),
      VIEW_TEST(other_namespaces_serve_as_well_as_they_can),
      VIEW_TEST(a_distrusted_tier_is_not_read),
      VIEW_TEST(a_dirty_slot_is_not_read),
      VIEW_TEST(what_a_killed_writer_left_is_served),
      VIEW_TEST(nothing_older_than_what_was_acknowledged_is_seen),
      VIEW_TEST(no_file_is_touched),
      VIEW_TEST(what_is_missing_when_it_is_opened_is_found_when_it_is_made),
      VIEW_TEST(figures_of_who_writes_are_shown),
  };
  return cmocka_run_group_tests_name("onlooker", tests, NULL, NULL);
}
