/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that a job is to make, in order: lines of a file, or a template filled with the fields of places. */
#ifndef LRD_WARM_KEY_LIST_H
#define LRD_WARM_KEY_LIST_H

#include "entry_source.h"

#define LRD_KEY_LIST_MAX 20000000u

typedef struct lrd_key_list {
  lrd_buf texts;
  lrd_buf ends; /* uint64_t for each key */
  uint64_t len;
  uint64_t rejected;                                                                /* lines that are none */
  void (*told)(void *context, const char *file, uint64_t line, const char *reason); /* of such a line; NULL: nobody */
  void *context;
} lrd_key_list;

void lrd_key_list_fini(lrd_key_list *list);
/* A key that some namespace has. LARDER_ETOOBIG, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_key_list_add(lrd_key_list *list, const void *key, size_t key_len);
lrd_span lrd_key_list_at(const lrd_key_list *list, uint64_t index);
/* A key a line, of whatever bytes; a CR before the line's end is none of them. `called` is the file's name in messages. */
LARDER_MUST_CHECK larder_err lrd_key_list_read(lrd_key_list *list, lrd_source *source, const char *called, bool comments,
                                               larder_error *err);
LARDER_MUST_CHECK larder_err lrd_key_list_open(lrd_key_list *list, const char *path, bool comments, larder_error *err);
/* A key for each place of the file, or for those within a radius of the one of that name. */
LARDER_MUST_CHECK larder_err lrd_key_list_places(lrd_key_list *list, const char *path, const char *text, const char *near_place,
                                                 const char *radius, larder_error *err);

#endif
