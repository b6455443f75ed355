/* SPDX-License-Identifier: Apache-2.0 */
/* A cache without threads on a fresh folder, and commands whose runs can be counted. */
#ifndef LRD_TESTS_MISSION_FIXTURE_H
#define LRD_TESTS_MISSION_FIXTURE_H

#include "support/support.h"

#include "base/bytes.h"
#include "base/clock.h"
#include <larder/mission.h>

typedef struct fixture {
  char *dir;  /* where commands run */
  char *root; /* of the cache, inside dir */
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  lrd_buf seen[2]; /* what was handed out, by stream */
} fixture;

/* cmocka fixtures: *state is a fixture with an open cache. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* The same in real time, for tests with several threads: on a clock that moves by itself whenever somebody waits for a slot,
 * bounded waits are over at once. */
int fixture_setup_real(void **state);
#define REAL_TIME_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup_real, fixture_teardown)
/* A folder and no cache, whose threads would allocate beside what a sweep counts. */
int fixture_setup_plain(void **state);
#define PLAIN_TEST(function)   cmocka_unit_test_setup_teardown(function, fixture_setup_plain, fixture_teardown)
#define FIXTURE_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* NULL when it can't be opened. */
larder *fixture_open(fixture *f, const char *root);
/* Commands: `sh -c SCRIPT` in the fixture's folder. */
larder_memo_options fixture_memo(fixture *f, const char *const argv[4]);
#define FIXTURE_SCRIPT(name, text) const char *const name[4] = {"sh", "-c", text, NULL}
bool fixture_take(void *context, int stream, const void *data, size_t len);
void fixture_forget_seen(fixture *f);
/* Lines of a file in the folder; 0 when it is not there. */
size_t fixture_lines(const fixture *f, const char *name);
void fixture_write(const fixture *f, const char *name, const char *text);
void fixture_expect_file(const fixture *f, const char *name, const char *text);

#endif
