/* SPDX-License-Identifier: Apache-2.0 */
/* A folder for commands, and what they wrote. */
#ifndef LRD_TESTS_COMMAND_FIXTURE_H
#define LRD_TESTS_COMMAND_FIXTURE_H

#include "support/support.h"

#include "base/bytes.h"

typedef struct fixture {
  char *dir;       /* where commands run */
  lrd_buf seen[2]; /* what was handed out, by stream; its NUL is behind it */
} fixture;

int fixture_setup(void **state);
int fixture_teardown(void **state);
#define FIXTURE_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

#define FIXTURE_SCRIPT(name, text) const char *const name[4] = {"sh", "-c", text, NULL}
bool fixture_take(void *context, int stream, const void *data, size_t len);
void fixture_forget_seen(fixture *f);

/* Waits, with a bound, until the process is gone: until whoever inherits it looks, what has ended is a zombie. */
void fixture_expect_gone(long pid);
/* The whole of a file in the folder as text, "" when there is none; release with free. */
char *fixture_read(const fixture *f, const char *name);

#endif
