/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tier on a mount that cannot be written, while other processes write the same database through another mount of it.
 * Writers are processes forked before this one opens anything, since SQLite does not survive a fork; they do what they are
 * told by one letter through a pipe.
 */
#include "sqlite_rig.h"

#include "tier/sqlite/sqlite_inner.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS 2
#define RACE    4000
#define LEN     2000 /* a restart of the log every 60 puts or so */

typedef struct writer {
  pid_t child;
  int tell; /* letters go in here */
  int hear; /* and come back when done */
} writer;

typedef struct scene {
  sqlite_rig at;   /* the disk, for writers */
  sqlite_rig seen; /* the same folder, where nothing can be written */
  sqlite_rig told; /* the same folder, by who may write and is told not to */
  bool bound;
  writer writers[WRITERS];
  _Atomic int *newest; /* shared: the last value that was committed */
} scene;

static void value_of(int number, char out[LEN + 1]) {
  memset(out, 'a' + number % 26, LEN);
  out[LEN] = 0;
  out[snprintf(out, LEN, "%d", number)] = ' ';
}

static larder_err put_next(scene *s) {
  char value[LEN + 1];
  int const number = atomic_load(s->newest) + 1;
  value_of(number, value);
  larder_err const err = rig_put_result(&s->at, "k", (uint64_t)number, value, LEN);
  if (err == LARDER_OK) atomic_store(s->newest, number);
  return err;
}

/* The log back to nothing, all of it in the database. */
static larder_err log_restart(scene *s) {
  sqlite_tier *tier = s->at.tier;
  larder_err const err = lrd_sqlite_turn_lock(tier);
  if (err != LARDER_OK) return err;
  lrd_sqlite_wal_restart(tier);
  lrd_sqlite_turn_unlock(tier);
  return atomic_load(&tier->board->wal_frames) == 0 ? LARDER_OK : LARDER_EBUSY;
}

/* As a stranger's last connection would leave it. */
static larder_err beside_remove(scene *s) {
  char path[600];
  (void)snprintf(path, sizeof path, "%s-wal", s->at.path);
  (void)unlink(path);
  (void)snprintf(path, sizeof path, "%s-shm", s->at.path);
  return unlink(path) == 0 ? LARDER_OK : LARDER_EIO;
}

/* What a writer leaves that dies within a commit: the two copies of the index's header differ. */
static larder_err index_spoil(scene *s) {
  char path[600];
  (void)snprintf(path, sizeof path, "%s-shm", s->at.path);
  int const fd = open(path, O_RDWR | O_CLOEXEC); /* never closed, for that would drop SQLite's locks */
  return fd >= 0 && pwrite(fd, "spoiltspoilt", 12, 8) == 12 ? LARDER_OK : LARDER_EIO;
}

/* As a restart of the log that takes its time. */
static larder_err readers_pause(scene *s) {
  lrd_sqlite_readers_pause(s->at.tier, LRD_SQLITE_PAUSE_NS);
  return LARDER_OK;
}

static larder_err obey(scene *s, char what) {
  larder_err err = LARDER_OK;
  switch (what) {
  case 'o':
    return rig_open(&s->at);
  case 'c':
    rig_close(&s->at);
    return LARDER_OK;
  case 'p':
    return put_next(s);
  case 'r':
    return log_restart(s);
  case 'm':
    for (int i = 0; i < RACE && err == LARDER_OK; i++) err = put_next(s);
    return err;
  case 'd':
    return beside_remove(s);
  case 's':                                                /* and dies of it, before its own thread can mend it */
    if (index_spoil(s) == LARDER_OK) (void)raise(SIGKILL); /* _exit takes a second under a sanitizer */
    _exit(1);
  case 'w':
    return readers_pause(s);
  default:
    _exit(0); /* nothing is closed */
  }
}

static void writer_run(scene *s, int commands, int answers) {
  char what = 0;
  while (read(commands, &what, 1) == 1) {
    char const answer = obey(s, what) == LARDER_OK ? 'y' : 'n';
    if (write(answers, &answer, 1) != 1) break;
  }
  _exit(0);
}

static void writer_start(scene *s, writer *w) {
  int commands[2], answers[2];
  assert_int_equal(pipe2(commands, O_CLOEXEC), 0);
  assert_int_equal(pipe2(answers, O_CLOEXEC), 0);
  w->child = fork();
  assert_true(w->child >= 0);
  if (w->child == 0) {
    (void)alarm(120);
    (void)close(commands[1]);
    (void)close(answers[0]);
    writer_run(s, commands[0], answers[1]);
  }
  (void)close(commands[0]);
  (void)close(answers[1]);
  w->tell = commands[1];
  w->hear = answers[0];
}

static void tell(scene *s, int who, char what) { assert_int_equal(write(s->writers[who].tell, &what, 1), 1); }

static void hear(scene *s, int who, char what) {
  char answer = 0;
  assert_int_equal(read(s->writers[who].hear, &answer, 1), 1);
  if (answer != 'y') print_error("writer %d failed at '%c'\n", who, what);
  assert_int_equal(answer, 'y');
}

static void order(scene *s, int who, const char *letters) {
  for (; *letters != 0; letters++) {
    tell(s, who, *letters);
    hear(s, who, *letters);
  }
}

static void writer_ends(scene *s, int who, char last, int wanted) {
  int status = 0;
  tell(s, who, last);
  assert_int_equal(waitpid(s->writers[who].child, &status, 0), s->writers[who].child);
  assert_int_equal(status, wanted);
  s->writers[who].child = 0;
}

static void writer_kill(scene *s, int who) { writer_ends(s, who, 'k', 0); }

static int setup(void **state) {
  scene *s = calloc(1, sizeof *s);
  if (s == NULL) return -1;
  rig_init(&s->at);
  rig_init(&s->seen);
  rig_init(&s->told);
  s->at.options = s->seen.options = "wal_bytes_max=1048576";
  s->newest = mmap(NULL, sizeof *s->newest, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  s->at.mounted = geteuid() == 0 && mount("tmpfs", s->at.dir, "tmpfs", 0, "size=64m") == 0;
  s->bound = s->at.mounted && mount(s->at.dir, s->seen.dir, "none", MS_BIND, NULL) == 0 &&
             mount("none", s->seen.dir, "none", MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0;
  for (int i = 0; i < WRITERS; i++) writer_start(s, &s->writers[i]);
  *state = s;
  return s->newest == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state) {
  scene *s = *state;
  lrd_fs_set_gate(NULL, NULL);
  rig_close(&s->seen);
  rig_close(&s->told);
  for (int i = 0; i < WRITERS; i++) {
    (void)close(s->writers[i].tell);
    (void)close(s->writers[i].hear);
  }
  for (int i = 0; i < WRITERS; i++) { /* the later ones hold the pipes of the earlier ones too */
    if (s->writers[i].child <= 0) continue;
    (void)kill(s->writers[i].child, SIGCONT); /* where a test failed beside a stopped one */
    (void)waitpid(s->writers[i].child, NULL, 0);
  }
  if (s->bound) (void)umount(s->seen.dir);
  if (s->at.mounted) (void)umount(s->at.dir);
  rig_fini(&s->seen);
  rig_fini(&s->told);
  rig_fini(&s->at);
  (void)munmap(s->newest, sizeof *s->newest);
  free(s);
  return 0;
}

static int number_seen(scene *s) {
  char *found = rig_get(&s->seen, "k");
  assert_non_null(found);
  int const number = atoi(found);
  char value[LEN + 1];
  value_of(number, value);
  assert_string_equal(found, value);
  free(found);
  return number;
}

static void assert_newest(scene *s) { assert_int_equal(number_seen(s), atomic_load(s->newest)); }

static void put_and_see(scene *s, int who, int count) {
  for (int i = 0; i < count; i++) {
    order(s, who, "p");
    assert_newest(s);
  }
}

/* The whole life of writers beside a reader that stays open. */
static void see_all(scene *s) {
  put_and_see(s, 0, 5);
  order(s, 0, "r");
  assert_newest(s);
  put_and_see(s, 0, 5);
  order(s, 0, "rpr");
  assert_newest(s);
  order(s, 0, "c"); /* orderly */
  assert_newest(s);
  order(s, 1, "o");
  assert_newest(s);
  put_and_see(s, 1, 3);
  order(s, 1, "pppcopp");
  assert_newest(s);
  order(s, 0, "o"); /* two of them */
  put_and_see(s, 0, 2);
  put_and_see(s, 1, 2);
  writer_kill(s, 1);
  assert_newest(s);
  put_and_see(s, 0, 2);
  order(s, 0, "c");
  assert_newest(s);
  order(s, 0, "orpc");
  assert_newest(s);
  assert_int_equal(rig_usage(&s->seen).entries, 1);
  assert_err(rig_put_result(&s->seen, "k", UINT64_MAX, "x", 1), LARDER_EACCES);
  assert_int_equal(atomic_load(&s->seen.distrusts), 0);
}

static void each_commit_of_a_living_writer_is_seen(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "op");
  rig_must_open(&s->seen);
  assert_true(((sqlite_tier *)s->seen.tier)->read_only);
  assert_newest(s);
  see_all(s);
}

static void a_writer_that_comes_later_is_seen(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "opc");
  rig_must_open(&s->seen);
  assert_newest(s);
  order(s, 0, "o");
  see_all(s);
}

static void a_log_left_by_a_kill_is_read_and_gone_on_from(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 1, "oppp");
  writer_kill(s, 1);
  rig_must_open(&s->seen);
  assert_newest(s);
  order(s, 0, "o");
  put_and_see(s, 0, 3);
  order(s, 0, "rc");
  assert_newest(s);
}

/* Gets while the writer does what the letters say, the last of which is the many puts. */
static void race(scene *s, const char *letters) {
  for (const char *at = letters; *at != 0; at++) tell(s, 0, *at);
  int rounds = 0;
  for (int seen = 0; seen <= RACE; rounds++) {
    int const least = atomic_load(s->newest);
    int const number = number_seen(s);
    assert_in_range(number, least > seen ? least : seen, RACE + 1);
    seen = number;
  }
  for (const char *at = letters; *at != 0; at++) hear(s, 0, *at);
  print_message("%d gets beside %d puts\n", rounds, RACE);
  assert_int_equal(atomic_load(&s->seen.distrusts), 0);
}

static void a_reader_beside_a_busy_writer_never_falls_behind(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "op");
  rig_must_open(&s->seen);
  race(s, "m");
}

static void a_busy_writer_comes_over_a_copy_without_a_log(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "opcd");
  rig_must_open(&s->seen);
  race(s, "om");
}

/* A copy without log and index is read as still, until somebody turns out to write it. */
static void a_copy_without_a_log_is_served_until_a_writer_comes(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "opcd");
  rig_must_open(&s->seen);
  assert_newest(s);
  for (int round = 0; round < 5; round++) {
    order(s, 0, "opcd"); /* came and went between two gets */
    assert_newest(s);
  }
  order(s, 0, "o");
  put_and_see(s, 0, 3);
  order(s, 0, "rpc");
  assert_newest(s);
  order(s, 1, "op");
  assert_newest(s);
  assert_int_equal(rig_usage(&s->seen).entries, 1);
  assert_int_equal(atomic_load(&s->seen.distrusts), 0);
}

static void a_log_without_its_index_is_refused_with_a_reason(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "op");
  writer_kill(s, 0);
  char path[600];
  (void)snprintf(path, sizeof path, "%s-shm", s->at.path);
  assert_int_equal(unlink(path), 0);
  assert_err(rig_open(&s->seen), LARDER_EACCES);
  assert_non_null(strstr(s->seen.error.message, "-shm"));
  order(s, 1, "oc");
  rig_must_open(&s->seen);
  assert_newest(s);
}

static void an_index_that_nobody_mends_is_let_go_of(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "op");
  rig_must_open(&s->seen);
  assert_newest(s);
  writer_ends(s, 0, 's', SIGKILL);
  assert_err(rig_get_err(&s->seen, "k"), LARDER_EAWAY);
  assert_int_equal(atomic_load(&s->seen.distrusts), 1);
  rig_close(&s->seen);
  rig_must_open(&s->seen);
  assert_newest(s);
  order(s, 1, "o");
  put_and_see(s, 1, 2);
}

static void another_database_in_its_place_is_noticed_at_once(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "opc");
  rig_must_open(&s->seen);
  assert_newest(s);
  char away[600];
  (void)snprintf(away, sizeof away, "%s.away", s->at.path);
  assert_int_equal(rename(s->at.path, away), 0);
  assert_err(rig_get_err(&s->seen, "k"), LARDER_EAWAY);
  assert_int_equal(atomic_load(&s->seen.distrusts), 1);
}

/* Somebody writes the database when it is looked at for the nth time. */
typedef struct coming {
  const scene *s;
  int looks;
  int nth;
} coming;

static int writer_comes(void *context, lrd_fs_op op, const char *path, size_t *len) {
  coming *c = context;
  (void)len;
  if (op != LRD_FS_STAT || strcmp(path, c->s->seen.path) != 0 || ++c->looks != c->nth) return 0;
  static time_t written;
  struct timespec const times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000 + written++}};
  assert_int_equal(utimensat(AT_FDCWD, c->s->at.path, times, 0), 0);
  return 0;
}

static bool name_seen(void *context, uint32_t space, const char *name) {
  int *names = context;
  assert_int_equal(space, 1);
  assert_string_equal(name, "things");
  (*names)++;
  return true;
}

/* Each reading looks before and after. The check reads the pages, a window of hashes, and each row. */
static void what_a_writer_came_upon_does_not_count(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "opcd");
  s->seen.options = "sync_ms=60000"; /* the ticker looks too */
  rig_must_open(&s->seen);
  larder_tier_space const space = {.size = sizeof space, .name = "things"};
  larder_tier_report report;
  uint32_t number = 0;
  int names = 0;
  coming c = {.s = s, .nth = 2};
  lrd_fs_set_gate(writer_comes, &c);
  assert_err(lrd_sqlite_tier.bind(s->seen.tier, &space, &number), LARDER_EAWAY);
  c = (coming){.s = s, .nth = 2};
  assert_err(lrd_sqlite_tier.spaces(s->seen.tier, name_seen, &names), LARDER_EAWAY);
  assert_int_equal(names, 0);
  for (int nth = 2; nth <= 6; nth += 2) {
    c = (coming){.s = s, .nth = nth};
    assert_err(lrd_sqlite_tier.check(s->seen.tier, false, &report, NULL, NULL, NULL), LARDER_EAWAY);
    assert_int_equal(c.looks, nth);
  }
  c = (coming){.s = s};
  assert_ok(lrd_sqlite_tier.bind(s->seen.tier, &space, &number));
  assert_ok(lrd_sqlite_tier.spaces(s->seen.tier, name_seen, &names));
  assert_ok(lrd_sqlite_tier.check(s->seen.tier, false, &report, NULL, NULL, NULL));
  lrd_fs_set_gate(NULL, NULL);
  assert_int_equal(names, 1);
  assert_int_equal(report.examined, 1);
  assert_int_equal(atomic_load(&s->seen.distrusts), 0);
}

static sqlite3_mem_methods memory; /* SQLite's own */
static _Atomic uint64_t memory_asked;
static void *memory_get(int len) {
  atomic_fetch_add(&memory_asked, 1);
  return memory.xMalloc(len);
}

static void looking_beside_asks_for_no_memory(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "op");
  rig_must_open(&s->seen);
  sqlite_beside beside;
  uint64_t const before = atomic_load(&memory_asked);
  assert_true(before > 0);
  support_alloc_fail_at(UINT64_MAX);
  for (int i = 0; i < 100; i++) assert_ok(lrd_sqlite_beside_look(s->seen.tier, &beside));
  assert_int_equal(support_alloc_end(), 0);
  assert_int_equal(atomic_load(&memory_asked), before);
}

static bool entry_seen(void *context, const larder_tier_key *key, const larder_facts *facts, const void *value) {
  int *seen = context;
  assert_int_equal(key->len, 1);
  assert_int_equal(facts->value_len, LEN);
  assert_non_null(value);
  (*seen)++;
  return true;
}

/* A line for each file of the folder: its name, size, when it was changed, a sum of what is in it. */
static char *folder_told(const char *folder) {
  struct dirent **names = NULL;
  int const count = scandir(folder, &names, NULL, alphasort);
  lrd_buf out = {0};
  assert_true(count >= 0);
  for (int i = 0; i < count; i++) {
    char *path = support_path(folder, names[i]->d_name), *bytes = NULL;
    struct stat facts;
    size_t len = 0;
    assert_int_equal(stat(path, &facts), 0);
    if (S_ISREG(facts.st_mode)) {
      assert_int_equal(lrd_fs_slurp(path, 1 << 26, &bytes, &len), 0);
      assert_ok(lrd_buf_printf(&out, "%s %lld %lld.%09ld %llx\n", names[i]->d_name, (long long)facts.st_size,
                               (long long)facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec,
                               (unsigned long long)lrd_sum64(bytes, len)));
    }
    lrd_dealloc(bytes);
    free(path);
    free(names[i]);
  }
  free(names);
  assert_ok(lrd_buf_terminate(&out));
  char *told = strdup((char *)out.data);
  lrd_buf_fini(&out);
  return told;
}

/* Told to read alone, where modes would allow to write. */
static void read_and_touch_nothing(scene *s) {
  sqlite_rig *reader = &s->told;
  int names = 0, entries = 0;
  larder_tier_cursor at = {0};
  larder_tier_report report;
  char *before = folder_told(s->at.dir);
  (void)snprintf(reader->path, sizeof reader->path, "%s", s->at.path);
  reader->read_only = true;
  rig_must_open(reader);
  char *found = rig_get(reader, "k");
  assert_non_null(found);
  assert_int_equal(atoi(found), atomic_load(s->newest));
  free(found);
  assert_ok(lrd_sqlite_tier.spaces(reader->tier, name_seen, &names));
  assert_err(lrd_sqlite_tier.scan(reader->tier, reader->space, &at, 10, true, entry_seen, &entries), LARDER_END);
  assert_int_equal(names, 1);
  assert_int_equal(entries, 1);
  assert_ok(lrd_sqlite_tier.check(reader->tier, false, &report, NULL, NULL, NULL));
  assert_int_equal(rig_usage(reader).entries, 1);
  rig_tick(reader);
  rig_close(reader);
  char *after = folder_told(s->at.dir);
  assert_string_equal(before, after);
  free(before);
  free(after);
}

/* The writer lives, but its ticker, which keeps the board, stands still meanwhile. */
static void read_beside_living(scene *s, int who) {
  pid_t const child = s->writers[who].child;
  int status = 0;
  assert_int_equal(kill(child, SIGSTOP), 0);
  assert_int_equal(waitpid(child, &status, WUNTRACED), child);
  assert_true(WIFSTOPPED(status));
  read_and_touch_nothing(s);
  assert_int_equal(kill(child, SIGCONT), 0);
}

static void beside_unlink(const scene *s, const char *suffix) {
  char path[600];
  (void)snprintf(path, sizeof path, "%s%s", s->at.path, suffix);
  assert_int_equal(unlink(path), 0);
}

static void who_is_told_to_read_alone_touches_nothing(void **state) {
  scene *s = *state;
  order(s, 0, "oppp");
  read_beside_living(s, 0);
  order(s, 0, "r");
  read_beside_living(s, 0);
  order(s, 0, "c");
  read_and_touch_nothing(s); /* after an orderly close */
  beside_unlink(s, "-wal");
  read_and_touch_nothing(s);
  order(s, 0, "oc");
  beside_unlink(s, "-shm");
  read_and_touch_nothing(s);
  beside_unlink(s, "-wal");
  beside_unlink(s, ".queue");
  read_and_touch_nothing(s);
  order(s, 0, "opp");
  writer_kill(s, 0);
  read_and_touch_nothing(s); /* after a kill */
}

static sqlite_tier *seen_tier(const scene *s) { return s->seen.tier; }
static bool sees_board(const scene *s) { return atomic_load(&seen_tier(s)->theirs) != NULL; }

static larder_tier_usage usage_of(sqlite_rig *rig, uint32_t space) {
  larder_tier_usage usage;
  assert_ok(lrd_sqlite_tier.usage(rig->tier, space, &usage));
  return usage;
}

static void look_about(scene *s) {
  atomic_store(&seen_tier(s)->looked_ns, 0);
  rig_tick(&s->seen);
}

static void who_may_not_write_is_told_the_totals_and_paused_by_those_who_may(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "op");
  rig_must_open(&s->seen);
  assert_true(sees_board(s));
  order(s, 0, "w");
  int64_t until_ns = 0;
  char *queue = support_path(s->seen.dir, "larder.db.queue");
  int const fd = open(queue, O_RDONLY | O_CLOEXEC);
  assert_int_equal(pread(fd, &until_ns, sizeof until_ns, offsetof(sqlite_board, paused_until_ns)), sizeof until_ns);
  (void)close(fd);
  free(queue);
  assert_true(until_ns > 0);
  assert_newest(s);
  assert_true(sqlite_boot_ns() >= until_ns);
  assert_int_equal(rig_usage(&s->seen).entries, 1);
  assert_int_equal(rig_sql(s->at.path, "DELETE FROM entries"), 0); /* a stranger, of whom the board does not know */
  assert_int_equal(rig_usage(&s->seen).entries, 1);
  assert_int_equal(usage_of(&s->seen, s->seen.space).entries, 1);
}

static void who_may_not_write_does_not_write_on_the_board_of_those_who_may(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "opc");
  char *before = folder_told(s->at.dir);
  larder_tier_space const fresh = {.size = sizeof fresh, .name = "fresh"};
  uint64_t removed = 0;
  uint32_t number = 0;
  larder_tier_report report;
  rig_must_open(&s->seen);
  assert_true(sees_board(s));
  assert_newest(s);
  look_about(s);
  assert_err(lrd_sqlite_tier.bind(s->seen.tier, &fresh, &number), LARDER_EACCES);
  assert_err(rig_put_result(&s->seen, "k", UINT64_MAX, "x", 1), LARDER_EACCES);
  assert_err(lrd_sqlite_tier.sweep(s->seen.tier, 100, true, &removed), LARDER_EACCES);
  assert_err(lrd_sqlite_tier.forget_range(s->seen.tier, 0, UINT64_MAX, &removed), LARDER_EACCES);
  assert_err(lrd_sqlite_tier.check(s->seen.tier, true, &report, NULL, NULL, NULL), LARDER_EACCES);
  assert_ok(lrd_sqlite_tier.check(s->seen.tier, false, &report, NULL, NULL, NULL));
  assert_ok(lrd_sqlite_tier.flush(s->seen.tier));
  assert_int_equal(rig_usage(&s->seen).entries, 1);
  lrd_sqlite_distrust(s->seen.tier, LARDER_ECORRUPT, "for the test");
  look_about(s);
  rig_close(&s->seen);
  char *after = folder_told(s->at.dir);
  assert_string_equal(before, after);
  free(before);
  free(after);
}

#define ROWS "10000"

/* More rows than a window of the count, of a second space, with the lowest and the highest hash. */
static const char rows_sql[] =
    "INSERT INTO spaces(id, name) VALUES(2, 'more');"
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < " ROWS ")"
    "INSERT INTO entries SELECT iif(i = 1, -9223372036854775808, iif(i = 2, 9223372036854775807, i * 1000003)), 2, 1, 0, 0, 0,"
    " 0, 0, 0, 0, 5, 0, x'6b', NULL, x'0102030405' FROM c";

static void without_a_board_one_count_serves_all_spaces_for_a_second(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "opcd");
  beside_unlink(s, ".queue");
  assert_int_equal(rig_sql(s->at.path, rows_sql), 0);
  rig_must_open(&s->seen);
  assert_false(sees_board(s));
  larder_tier_usage const things = usage_of(&s->seen, 1), more = usage_of(&s->seen, 2);
  assert_int_equal(things.entries, 1);
  assert_int_equal(things.payload_bytes, 1 + LEN);
  assert_int_equal(more.entries, atoi(ROWS));
  assert_int_equal(more.payload_bytes, 6 * atoi(ROWS));
  assert_int_equal(rig_usage(&s->seen).bytes, things.bytes + more.bytes);
  assert_int_equal(rig_sql(s->at.path, "DELETE FROM entries WHERE space = 2"), 0);
  lrd_clock_moved_advance_ms(&s->seen.clock, 900);
  assert_int_equal(usage_of(&s->seen, 2).entries, atoi(ROWS)); /* nothing is read for it */
  lrd_clock_moved_advance_ms(&s->seen.clock, 100);
  assert_int_equal(usage_of(&s->seen, 2).entries, 0);
  assert_int_equal(usage_of(&s->seen, 1).entries, 1);
  order(s, 0, "o"); /* which makes a board, with totals that the database does not have */
  look_about(s);
  assert_true(sees_board(s));
  put_and_see(s, 0, 2);
  assert_int_equal(rig_usage(&s->seen).entries, 1);
  beside_unlink(s, ".queue");
  look_about(s);
  assert_false(sees_board(s));
  assert_int_equal(rig_usage(&s->seen).entries, 1);
  assert_int_equal(atomic_load(&s->seen.distrusts), 0);
}

static void a_board_of_another_boot_or_build_or_a_short_one_is_not_believed(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  static const off_t spoilt[] = {offsetof(sqlite_board, magic), offsetof(sqlite_board, format),
                                 offsetof(sqlite_board, boot_id)};
  order(s, 0, "opc");
  char *queue = support_path(s->at.dir, "larder.db.queue");
  for (size_t i = 0; i < 4; i++) {
    char byte = 0, other = 0;
    int const fd = open(queue, O_RDWR | O_CLOEXEC);
    off_t const at = i < 3 ? spoilt[i] : 0;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    other = (char)(byte ^ 1);
    if (i < 3) assert_int_equal(pwrite(fd, &other, 1, at), 1);
    if (i == 3) assert_int_equal(ftruncate(fd, 4096), 0);
    rig_must_open(&s->seen);
    assert_false(sees_board(s));
    assert_int_equal(rig_usage(&s->seen).entries, 1);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
    look_about(s);
    assert_int_equal(sees_board(s), i < 3);
    rig_close(&s->seen);
  }
  free(queue);
}

/* The disk itself cannot be written, by anybody. */
static void media_are_read(scene *s) {
  int const made_so = mount("tmpfs", s->at.dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=64m");
  larder_err const opened = made_so == 0 ? rig_open(&s->at) : LARDER_EIO;
  if (opened == LARDER_OK) {
    char *found = rig_get(&s->at, "k");
    assert_non_null(found);
    assert_int_equal(atoi(found), atomic_load(s->newest));
    free(found);
  }
  rig_close(&s->at);
  (void)mount("tmpfs", s->at.dir, "tmpfs", MS_REMOUNT, "size=64m");
  assert_ok(opened);
}

static void read_only_media_are_read_closed_killed_and_bare(void **state) {
  scene *s = *state;
  if (!s->bound) skip();
  order(s, 0, "opppc");
  media_are_read(s);
  order(s, 0, "d");
  media_are_read(s);
  order(s, 0, "oppp");
  writer_kill(s, 0);
  media_are_read(s);
}

int main(void) {
  sqlite3_mem_methods counted;
  if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) != SQLITE_OK) return 1;
  counted = memory;
  counted.xMalloc = memory_get;
  if (sqlite3_config(SQLITE_CONFIG_MALLOC, &counted) != SQLITE_OK) return 1;
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(each_commit_of_a_living_writer_is_seen),
      TEST(a_writer_that_comes_later_is_seen),
      TEST(a_log_left_by_a_kill_is_read_and_gone_on_from),
      TEST(a_reader_beside_a_busy_writer_never_falls_behind),
      TEST(a_busy_writer_comes_over_a_copy_without_a_log),
      TEST(a_copy_without_a_log_is_served_until_a_writer_comes),
      TEST(a_log_without_its_index_is_refused_with_a_reason),
      TEST(an_index_that_nobody_mends_is_let_go_of),
      TEST(another_database_in_its_place_is_noticed_at_once),
      TEST(read_only_media_are_read_closed_killed_and_bare),
      TEST(what_a_writer_came_upon_does_not_count),
      TEST(looking_beside_asks_for_no_memory),
      TEST(who_is_told_to_read_alone_touches_nothing),
      TEST(who_may_not_write_is_told_the_totals_and_paused_by_those_who_may),
      TEST(who_may_not_write_does_not_write_on_the_board_of_those_who_may),
      TEST(without_a_board_one_count_serves_all_spaces_for_a_second),
      TEST(a_board_of_another_boot_or_build_or_a_short_one_is_not_believed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
