/* SPDX-License-Identifier: Apache-2.0 */
/* Plans are single atomic words, since gates are called from any thread, also while the next plan is being made. */
#include "support.h"

#include "base/bytes.h"
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum plan_kind { PLAN_COUNT, PLAN_FAIL_AT, PLAN_FAIL_FROM, PLAN_SHORT_AT, PLAN_CRASH_AT, PLAN_CLAIM } plan_kind;

typedef struct plan {
  _Atomic plan_kind kind;
  _Atomic uint64_t n;
  _Atomic lrd_fs_op op;
  _Atomic int os_errno;
  _Atomic size_t len;
  _Atomic(const char *) only_path;
  _Atomic uint64_t seen;
} plan;

static plan alloc_plan;
static plan fs_plan;

static bool plan_hits(const plan *p, uint64_t now) { return p->kind == PLAN_FAIL_FROM ? now >= p->n : now == p->n; }

static bool alloc_gate(void *context, size_t size) {
  plan *p = context;
  (void)size;
  uint64_t now = atomic_fetch_add(&p->seen, 1) + 1;
  return p->kind == PLAN_COUNT || !plan_hits(p, now);
}

static void alloc_begin(plan_kind kind, uint64_t n) {
  lrd_alloc_set_gate(NULL, NULL);
  alloc_plan.kind = kind;
  alloc_plan.n = n;
  atomic_store(&alloc_plan.seen, 0);
  lrd_alloc_set_gate(alloc_gate, &alloc_plan);
}

void support_alloc_fail_at(uint64_t n) { alloc_begin(PLAN_FAIL_AT, n); }

void support_alloc_fail_from(uint64_t n) { alloc_begin(PLAN_FAIL_FROM, n); }

void support_alloc_count(void) { alloc_begin(PLAN_COUNT, 0); }

uint64_t support_alloc_end(void) {
  lrd_alloc_set_gate(NULL, NULL);
  return atomic_load(&alloc_plan.seen);
}

int64_t support_alloc_live(void) {
  int64_t live = lrd_alloc_live();
  if (live < 0) fail_msg("this build of the library does not count its blocks: build it with -DLARDER_TESTING=1");
  return live;
}

static int fs_gate(void *context, lrd_fs_op op, const char *path, size_t *len) {
  plan *p = context;
  if (p->op != SUPPORT_ANY_OP && p->op != op) return 0;
  const char *only = atomic_load(&p->only_path);
  if (only && !strstr(path, only)) return 0;
  uint64_t now = atomic_fetch_add(&p->seen, 1) + 1;
  if (p->kind == PLAN_CLAIM) *len = p->len;
  if (p->kind == PLAN_CLAIM || p->kind == PLAN_COUNT || !plan_hits(p, now)) return 0;
  if (p->kind == PLAN_CRASH_AT) (void)raise(SIGKILL);
  if (p->kind == PLAN_SHORT_AT) {
    if (*len > p->len) *len = p->len;
    return 0;
  }
  return p->os_errno;
}

static void fs_begin(plan_kind kind, lrd_fs_op op, uint64_t n, int os_errno, size_t len) {
  lrd_fs_set_gate(NULL, NULL);
  fs_plan.kind = kind;
  fs_plan.op = op;
  fs_plan.n = n;
  fs_plan.os_errno = os_errno;
  fs_plan.len = len;
  atomic_store(&fs_plan.only_path, NULL);
  atomic_store(&fs_plan.seen, 0);
  lrd_fs_set_gate(fs_gate, &fs_plan);
}

void support_fs_fail_at(lrd_fs_op op, uint64_t n, int os_errno) { fs_begin(PLAN_FAIL_AT, op, n, os_errno, 0); }

void support_fs_fail_from(lrd_fs_op op, uint64_t n, int os_errno) { fs_begin(PLAN_FAIL_FROM, op, n, os_errno, 0); }

void support_fs_short_at(uint64_t n, size_t len) { fs_begin(PLAN_SHORT_AT, LRD_FS_WRITE, n, 0, len); }

void support_fs_crash_at(lrd_fs_op op, uint64_t n) { fs_begin(PLAN_CRASH_AT, op, n, 0, 0); }

void support_fs_count(lrd_fs_op op) { fs_begin(PLAN_COUNT, op, 0, 0, 0); }

void support_fs_claim(uint64_t magic) { fs_begin(PLAN_CLAIM, LRD_FS_STAT, 1, 0, (size_t)magic); }

void support_fs_only_path(const char *part) { atomic_store(&fs_plan.only_path, part); }

uint64_t support_fs_end(void) {
  lrd_fs_set_gate(NULL, NULL);
  return atomic_load(&fs_plan.seen);
}

char *support_path(const char *dir, const char *name) {
  size_t room = strlen(dir) + strlen(name) + 2;
  char *path = malloc(room);
  if (!path) abort();
  snprintf(path, room, "%s/%s", dir, name);
  return path;
}

char *support_dir_make(void) {
  const char *base = getenv("TMPDIR");
  char *dir = support_path(base && *base ? base : "/tmp", "larder-test-XXXXXX");
  if (!mkdtemp(dir)) fail_msg("no temporary folder %s: %s", dir, strerror(errno));
  return dir;
}

static int dir_remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk) {
  (void)found;
  (void)kind;
  (void)walk;
  return remove(path);
}

void support_dir_remove(char **dir) {
  if (!*dir) return;
  (void)nftw(*dir, dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
  free(*dir);
  *dir = NULL;
}

void support_file_write(const char *path, const void *data, size_t len) {
  FILE *file = fopen(path, "wb");
  if (!file || (len && fwrite(data, 1, len, file) != len) || fclose(file))
    fail_msg("cannot write %s: %s", path, strerror(errno));
}

char *support_file_read(const char *path, size_t *len_out) {
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("cannot read %s: %s", path, strerror(errno));
  char *data = NULL;
  size_t len = 0;
  for (size_t room = 4096;; room *= 2) {
    data = realloc(data, room + 1);
    if (!data) abort();
    len += fread(data + len, 1, room - len, file);
    if (len < room) break;
  }
  fclose(file);
  data[len] = '\0';
  if (len_out) *len_out = len;
  return data;
}

int support_dir_setup(void **state) {
  *state = support_dir_make();
  return 0;
}

int support_dir_teardown(void **state) {
  char *dir = *state;
  support_dir_remove(&dir);
  *state = NULL;
  return 0;
}

int support_in_child(void (*body)(void *context), void *context) {
  fflush(NULL);
  pid_t child = fork();
  if (child < 0) fail_msg("fork: %s", strerror(errno));
  if (child == 0) {
    body(context);
    _exit(0);
  }
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail_msg("waitpid: %s", strerror(errno));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void support_assert_err(larder_err found, larder_err wanted, const char *expression, const char *file, int line) {
  if (found == wanted) return;
  print_error("%s is %s, not %s\n", expression, larder_err_name(found), larder_err_name(wanted));
  _fail(file, line);
}

uint64_t support_random_next(support_random *random) {
  /* SplitMix64. */
  uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

uint64_t support_random_below(support_random *random, uint64_t below) { return support_random_next(random) % below; }
