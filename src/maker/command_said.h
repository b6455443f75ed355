/* SPDX-License-Identifier: Apache-2.0 */
/* The end of what a command wrote to its standard error, as the end of a sentence. */
#ifndef LRD_MAKER_COMMAND_SAID_H
#define LRD_MAKER_COMMAND_SAID_H

#include <stdbool.h>
#include <stddef.h>

#define LRD_SAID_TAIL 2048u /* bytes that are kept */
#define LRD_SAID_ROOM 256u

/* Zero-initialised is empty. */
typedef struct lrd_said {
  char tail[LRD_SAID_TAIL];
  size_t len;
  bool cut; /* there was more before it */
} lrd_said;

void lrd_said_add(lrd_said *said, const void *data, size_t len);
/* ": " and its last lines as one, printable, with secrets hidden: those of base/redact.h's list and the values of pairs
 * and more (`NAME=value`, ended by NULL; NULL: none) wherever they stand. "" when there is nothing to show, or no memory to do
 * so. */
void lrd_said_write(const lrd_said *said, const char *secrets, const char *const *pairs, const char *const *more,
                    char out[LRD_SAID_ROOM]);

#endif
