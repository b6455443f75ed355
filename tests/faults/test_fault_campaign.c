/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, and everything broken at once: two processes with some threads each get, get_or_make, put, delete and
 * list over four chains, while here, at random and several at a time, the database is held by a stranger, deleted, or replaced
 * by a stranger's, the disk is full (all of it, or for one tier), the origin answers 500, hangs or hangs up, makers are slow,
 * and the second process is stopped or killed, and comes back with a memory tier so small that it keeps next to nothing.
 * No call fails that must not, nothing stale or torn is shown, and once the faults end all is well again by itself.
 * 10 s; LARDER_LONG=1: 2 minutes; or seconds as the argument, and as a second one which faults, a bit for each.
 */
#include "support/support.h"

#include "campaign.h"
#include "support/origin.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONFIG                                                                                                                 \
  "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  sqlite: {busy_timeout: 20ms}\n  defaults:\n"                               \
  "    ttl: 500ms\n    stale_while_revalidate: 1s\n    stale_if_error: 2s\n    error_ttl: 100ms\n"                             \
  "    maker: {http: 'http://127.0.0.1:%d/tick/{ns}/{key}', hard_timeout: 4s, timeout: 1s, retry_delay: 20ms}\n"               \
  "  namespaces:\n    db: {tiers: [memory, sqlite]}\n    folder: {tiers: [memory, files]}\n"                                   \
  "    three: {tiers: [memory, files, sqlite]}\n    alone: {tiers: [memory]}\n"
#define STEP_NS     10000000
#define PATIENCE_MS 90000

typedef struct scene {
  campaign_board *board;
  char *root;
  char *db;
  char config[1200];
  origin origin;
  pid_t pids[CAMPAIGN_PROCESSES];
  uint64_t starts;
  sqlite3 *stranger;
  support_random random;
} scene;

static unsigned seconds = 10;
static unsigned long faults_wanted = ~0ul;

static void process_start(scene *s, unsigned process) {
  campaign_run run = {.board = s->board, .root = s->root, .config = s->config, .process = process, .seed = ++s->starts};
  run.memory_bytes_max = process == 1 && s->starts % 2 == 0 ? 64 << 10 : 0;
  (void)fflush(NULL);
  s->pids[process] = fork();
  assert_true(s->pids[process] >= 0);
  if (s->pids[process] == 0) campaign_process(&run);
}

static int process_end(scene *s, unsigned process) {
  int status = 0;
  while (waitpid(s->pids[process], &status, 0) < 0) assert_int_equal(errno, EINTR);
  return status;
}

/* --- faults -------------------------------------------------------------------------------------------------------------- */

static bool lock_begin(scene *s) {
  if (sqlite3_open_v2(s->db, &s->stranger, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
      sqlite3_exec(s->stranger, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
    (void)sqlite3_close(s->stranger);
    s->stranger = NULL;
    return false;
  }
  return true;
}

static void lock_end(scene *s) {
  (void)sqlite3_exec(s->stranger, "ROLLBACK", NULL, NULL, NULL);
  (void)sqlite3_close(s->stranger);
  s->stranger = NULL;
}

static void database_away(scene *s) {
  static const char *const endings[] = {"", "-wal", "-shm"};
  char path[600];
  for (unsigned i = 0; i < 3; i++) {
    (void)snprintf(path, sizeof path, "%s%s", s->db, endings[i]);
    assert_true(unlink(path) == 0 || errno == ENOENT);
  }
}

static bool delete_begin(scene *s) {
  if (s->stranger) return false; /* who holds the database would hold one that is gone */
  database_away(s);
  return true;
}

static void nothing(scene *s) { (void)s; }

static bool replace_begin(scene *s) {
  char made[600];
  sqlite3 *other = NULL;
  if (s->stranger) return false;
  (void)snprintf(made, sizeof made, "%s.strange", s->db);
  assert_int_equal(sqlite3_open(made, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "CREATE TABLE t(a); INSERT INTO t VALUES(1)", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(other), SQLITE_OK);
  assert_int_equal(rename(made, s->db), 0);
  return true;
}

static bool full_begin(scene *s) {
  atomic_store(&s->board->full, 1u << support_random_below(&s->random, CAMPAIGN_FULLS));
  return true;
}
static void full_end(scene *s) { atomic_store(&s->board->full, 0); }

static bool origin_begin(scene *s) {
  static const char *const ways[] = {"500", "hang", "nothing", "drip", "503"};
  atomic_store(&s->board->origin_bad, 1);
  support_origin_ask(&s->origin, "switch ticks %s", ways[support_random_below(&s->random, 5)]);
  return true;
}
static void origin_end(scene *s) {
  support_origin_ask(&s->origin, "switch ticks well");
  atomic_store(&s->board->origin_bad_ns, campaign_now_ns());
  atomic_store(&s->board->origin_bad, 0);
}

static bool slow_begin(scene *s) {
  atomic_store(&s->board->slow_ms, 1 + (unsigned)support_random_below(&s->random, 60));
  return true;
}
static void slow_end(scene *s) { atomic_store(&s->board->slow_ms, 0); }

static bool stop_begin(scene *s) {
  atomic_store(&s->board->stopped, 1);
  return kill(s->pids[1], SIGSTOP) == 0;
}
static void stop_end(scene *s) {
  (void)kill(s->pids[1], SIGCONT);
  atomic_store(&s->board->stopped_ns, campaign_now_ns());
  atomic_store(&s->board->stopped, 0);
}

static bool kill_begin(scene *s) {
  if (s->stranger) return false; /* a child of ours would take our lock for its own */
  assert_int_equal(kill(s->pids[1], SIGKILL), 0);
  int const status = process_end(s, 1);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  process_start(s, 1);
  return true;
}

typedef struct fault {
  const char *name;
  bool (*begin)(scene *s);
  void (*end)(scene *s);
  unsigned per_mille; /* how likely it begins in a step */
  unsigned most_ms;
  bool on;
  int64_t until_ns;
  unsigned times;
  int64_t total_ms;
} fault;

static fault faults[] = {
    {.name = "database locked", .begin = lock_begin, .end = lock_end, .per_mille = 15, .most_ms = 500},
    {.name = "database deleted", .begin = delete_begin, .end = nothing, .per_mille = 4, .most_ms = 1},
    {.name = "database a stranger's", .begin = replace_begin, .end = database_away, .per_mille = 4, .most_ms = 1500},
    {.name = "disk full", .begin = full_begin, .end = full_end, .per_mille = 8, .most_ms = 700},
    {.name = "origin bad", .begin = origin_begin, .end = origin_end, .per_mille = 10, .most_ms = 900},
    {.name = "makers slow", .begin = slow_begin, .end = slow_end, .per_mille = 10, .most_ms = 500},
    {.name = "process stopped", .begin = stop_begin, .end = stop_end, .per_mille = 8, .most_ms = 600},
    {.name = "process killed", .begin = kill_begin, .end = nothing, .per_mille = 8, .most_ms = 1},
};
#define FAULTS (sizeof faults / sizeof *faults)

static void fault_end(scene *s, fault *f) {
  if (f->on) f->end(s);
  f->on = false;
}

static void faults_step(scene *s, int64_t now_ns) {
  for (fault *f = faults; f < faults + FAULTS; f++) {
    if (f->on) {
      if (now_ns >= f->until_ns) fault_end(s, f);
    } else if ((faults_wanted >> (f - faults) & 1) && support_random_below(&s->random, 1000) < f->per_mille && f->begin(s)) {
      int64_t const ms = 1 + (int64_t)support_random_below(&s->random, f->most_ms);
      f->on = true;
      f->until_ns = now_ns + ms * 1000000;
      f->times++;
      f->total_ms += ms;
    }
  }
}

/* --- the campaign -------------------------------------------------------------------------------------------------------- */

static void board_map(scene *s) {
  char *path = support_path(s->root, "../board");
  int const fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  assert_true(fd >= 0 && ftruncate(fd, (off_t)sizeof *s->board) == 0);
  s->board = mmap(NULL, sizeof *s->board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_true(s->board != MAP_FAILED);
  (void)close(fd);
  assert_string_equal(support_origin_ask(&s->origin, "clock %s", path), "done");
  free(path);
}

static void await(_Atomic unsigned *count, unsigned wanted) {
  for (unsigned i = 0; atomic_load(count) < wanted; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
}

static void table_print(const scene *s) {
  static const char *const calls[] = {"get", "get_or_make", "put", "delete", "list"};
  static const char *const answers[] = {"OK", "MISS", "DEGRADED", "NOT_KEPT", "OLDER", "EBUSY", "excused", "WRONG"};
  const campaign_board *b = s->board;
  print_message("%-12s", "call");
  for (unsigned a = 0; a < SAID_COUNT; a++) print_message(" %10s", answers[a]);
  for (unsigned c = 0; c < CALL_COUNT; c++) {
    print_message("\n%-12s", calls[c]);
    for (unsigned a = 0; a < SAID_COUNT; a++) print_message(" %10llu", (unsigned long long)atomic_load(&b->said[c][a]));
  }
  print_message("\nmade %llu, served stale %llu; torn %llu, stale %llu; well again after %lld ms\n",
                (unsigned long long)atomic_load(&b->made), (unsigned long long)atomic_load(&b->stale_served),
                (unsigned long long)atomic_load(&b->torn), (unsigned long long)atomic_load(&b->stale),
                (long long)atomic_load(&b->recovery_ms));
  for (size_t i = 0; i < FAULTS; i++)
    print_message("%-22s %4u times, %6lld ms\n", faults[i].name, faults[i].times, (long long)faults[i].total_ms);
}

static void judge_all(const scene *s) {
  const campaign_board *b = s->board;
  uint64_t wrong = 0;
  for (unsigned c = 0; c < CALL_COUNT; c++) wrong += atomic_load(&b->said[c][SAID_WRONG]);
  for (unsigned i = 0; i < atomic_load(&b->told) && i < CAMPAIGN_TOLD; i++) print_error("%s\n", b->sentences[i]);
  assert_int_equal(b->told, 0);
  assert_int_equal(wrong, 0);
  assert_int_equal(b->torn, 0);
  assert_int_equal(b->stale, 0);
  assert_int_equal(b->recovered, CAMPAIGN_PROCESSES);
}

static void everything_breaks_and_nothing_is_wrong(void **state) {
  scene s = {.random = {(uint64_t)time(NULL)}};
  int64_t const step_ns = STEP_NS;
  s.root = support_path(*state, "root");
  s.db = support_path(s.root, "larder.db");
  assert_int_equal(mkdir(s.root, 0700), 0);
  support_origin_start(&s.origin, NULL);
  board_map(&s);
  (void)snprintf(s.config, sizeof s.config, CONFIG, s.origin.port);
  for (unsigned i = 0; i < CAMPAIGN_PROCESSES; i++) process_start(&s, i);
  await(&s.board->ready, CAMPAIGN_PROCESSES);
  for (int64_t end_ns = campaign_now_ns() + seconds * INT64_C(1000000000); campaign_now_ns() < end_ns;) {
    faults_step(&s, campaign_now_ns());
    nanosleep(&(struct timespec){.tv_nsec = step_ns}, NULL);
  }
  for (size_t i = 0; i < FAULTS; i++) fault_end(&s, &faults[i]);
  atomic_store(&s.board->over, true);
  atomic_store(&s.board->calm, true);
  int well = 0;
  for (unsigned i = 0; i < CAMPAIGN_PROCESSES; i++) well += process_end(&s, i) == 0;
  table_print(&s);
  support_origin_stop(&s.origin);
  free(s.root);
  free(s.db);
  judge_all(&s);
  assert_int_equal(well, CAMPAIGN_PROCESSES);
  (void)munmap(s.board, sizeof *s.board);
}

int main(int argc, char **argv) {
  const char *long_form = getenv("LARDER_LONG");
  if (long_form && strcmp(long_form, "1") == 0) seconds = 120;
  if (argc > 1) seconds = (unsigned)strtoul(argv[1], NULL, 10);
  if (argc > 2) faults_wanted = strtoul(argv[2], NULL, 0);
  const struct CMUnitTest tests[] = {SUPPORT_DIR_TEST(everything_breaks_and_nothing_is_wrong)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
