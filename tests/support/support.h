/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of every room share. Include this first: it brings cmocka and what cmocka wants before it.
 *
 * Allocations. `support_alloc_fail_at(3)` makes the third allocation from now fail, once; `support_alloc_fail_from(3)` the
 * third and all after it. `support_alloc_end()` opens the gate again and returns how many allocations were asked for. The
 * sweep over a constructor reads:
 *
 *   for (uint64_t n = 1;; n++) {
 *     int64_t live = support_alloc_live();
 *     support_alloc_fail_at(n);
 *     larder_err err = thing_open(&thing);
 *     bool failed = support_alloc_end() >= n;
 *     if (err == LARDER_OK) thing_close(thing);
 *     else assert_int_equal(err, LARDER_ENOMEM);
 *     assert_int_equal(support_alloc_live(), live);
 *     if (!failed) break;
 *   }
 *
 * Files. `support_fs_fail_at(LRD_FS_WRITE, 2, ENOSPC)` fails the second write from now, once; `support_fs_fail_from` that and
 * all after it; `support_fs_short_at(2, 10)` shortens the second write to 10 bytes; `support_fs_crash_at(op, 2)` kills the
 * process there (SIGKILL) before the operation is done: inside support_in_child, which then returns SUPPORT_CRASHED.
 * SUPPORT_ANY_OP counts every operation. `support_fs_end()` opens the gate and returns how many matching operations came.
 * One plan for allocations and one for files is in force at a time, for all threads.
 *
 * Folders. `support_dir_make()` makes a fresh folder; `support_dir_remove(&dir)` removes it with all it holds. A
 * test listed with SUPPORT_DIR_TEST gets a fresh one: its *state is the folder's path.
 */
#ifndef LRD_TESTS_SUPPORT_H
#define LRD_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fs.h"
#include <larder/error.h>
#include <stdbool.h>

/* --- allocations --------------------------------------------------------------------------------------------------- */

void support_alloc_fail_at(uint64_t n);
void support_alloc_fail_from(uint64_t n);
/* Fails none, counts all. */
void support_alloc_count(void);
uint64_t support_alloc_end(void);
/* Blocks live now; allocations of the C library and of other libraries do not count. */
int64_t support_alloc_live(void);

/* --- files --------------------------------------------------------------------------------------------------------- */

#define SUPPORT_ANY_OP  LRD_FS_OP_COUNT
#define SUPPORT_CRASHED 137 /* 128 + SIGKILL, as support_in_child tells it */

void support_fs_fail_at(lrd_fs_op op, uint64_t n, int os_errno);
void support_fs_fail_from(lrd_fs_op op, uint64_t n, int os_errno);
void support_fs_short_at(uint64_t n, size_t len);
void support_fs_crash_at(lrd_fs_op op, uint64_t n);
/* Fails none, counts all that match. */
void support_fs_count(lrd_fs_op op);
/* Every path lies on the file system of this magic number, for lrd_fs_kind_of. */
void support_fs_claim(uint64_t magic);
/* Narrows the plan in force to paths that contain this text; borrowed until support_fs_end. */
void support_fs_only_path(const char *part);
uint64_t support_fs_end(void);

/* --- folders ------------------------------------------------------------------------------------------------------- */

/* A new empty folder under $TMPDIR or /tmp; own. Fails the test rather than return NULL. */
char *support_dir_make(void);
void support_dir_remove(char **dir);
/* `dir/name`; own, release with free. */
char *support_path(const char *dir, const char *name);
/* Whole files, for setting up and damaging. The read form returns an owned NUL-terminated copy. */
void support_file_write(const char *path, const void *data, size_t len);
char *support_file_read(const char *path, size_t *len_out);
/* cmocka fixtures: *state is a fresh folder. */
int support_dir_setup(void **state);
int support_dir_teardown(void **state);

#define SUPPORT_DIR_TEST(function) cmocka_unit_test_setup_teardown(function, support_dir_setup, support_dir_teardown)

/* --- processes ------------------------------------------------------------------------------------------------------ */

/* Runs body in a forked child and returns its exit status, or 128 + the signal that ended it. */
int support_in_child(void (*body)(void *context), void *context);

/* --- assertions and chance ------------------------------------------------------------------------------------------ */

/* Compare results, and show both by name. */
#define assert_ok(expression)        support_assert_err((expression), LARDER_OK, #expression, __FILE__, __LINE__)
#define assert_err(expression, code) support_assert_err((expression), (code), #expression, __FILE__, __LINE__)
void support_assert_err(larder_err found, larder_err wanted, const char *expression, const char *file, int line);

/* A repeatable stream of numbers: the same seed, the same test. */
typedef struct support_random {
  uint64_t state;
} support_random;
uint64_t support_random_next(support_random *random);
/* 0 to below - 1. */
uint64_t support_random_below(support_random *random, uint64_t below);

#endif
