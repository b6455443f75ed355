/* SPDX-License-Identifier: Apache-2.0 */
/* All that a file of entries comes to, as text: a line for each entry, `!` before what is wrong with one, `!!` with all. */
#ifndef TESTS_WARM_ENTRY_TEXTS_H
#define TESTS_WARM_ENTRY_TEXTS_H

#include "warm/entry_file.h"

/* A stream that gives so many bytes at a time. */
typedef struct entry_drip {
  const char *text;
  size_t len, at, step;
} entry_drip;
int64_t entry_drip_read(void *context, void *out, size_t room);

/* Own; lrd_dealloc. picks NULL: entries. */
char *entries_told(const char *text, size_t len, larder_format format, lrd_picks *picks, size_t step);
/* Fails the test unless it is what is wanted, whatever the pieces that the file comes in. */
void entries_expect(const char *text, size_t len, larder_format format, lrd_picks *picks, const char *wanted);

#endif
