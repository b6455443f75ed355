/* SPDX-License-Identifier: Apache-2.0 */
/* Counting instructions by running a program, mostly oneself, under valgrind's callgrind. */
#ifndef BENCH_CALLGRIND_H
#define BENCH_CALLGRIND_H

#include <stdbool.h>

/* Runs a program to its end, its output thrown away unless BENCH_LOUD is set; true when it ends well. argv ends with NULL. */
bool bench_program_run(const char *const argv[]);
/* Instructions inside `function` (and what it calls) while the program runs; -1 without valgrind. argv ends with NULL and has
 * at most 8 words; `folder` takes a file, which is named after `name`. */
double bench_instructions(const char *folder, const char *name, const char *function, const char *const argv[]);

#endif
