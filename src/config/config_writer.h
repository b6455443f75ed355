/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes nested mappings and lists as YAML or JSON. The first failure sticks, so that callers need not look at each call.
 * Strings are written between double quotes in both, plain words in YAML only.
 */
#ifndef LRD_CONFIG_WRITER_H
#define LRD_CONFIG_WRITER_H

#include "base/bytes.h"

#define LRD_WRITER_DEPTH_MAX 24

typedef struct lrd_config_writer {
  lrd_buf buf;
  larder_err err;
  bool json;
  int depth;
  bool inline_at[LRD_WRITER_DEPTH_MAX]; /* YAML: what is open is written as `{…}` or `[…]` */
  bool filled[LRD_WRITER_DEPTH_MAX];
} lrd_config_writer;

/* name is NULL for an element of a list and for the whole. */
void lrd_writer_map_open(lrd_config_writer *writer, const char *name, bool in_line);
void lrd_writer_map_close(lrd_config_writer *writer);
void lrd_writer_list_open(lrd_config_writer *writer, const char *name);
void lrd_writer_list_close(lrd_config_writer *writer);
void lrd_writer_string(lrd_config_writer *writer, const char *name, const char *text);
/* A word that needs no quotes in YAML. */
void lrd_writer_word(lrd_config_writer *writer, const char *name, const char *text);
/* true, false, null, a number. */
void lrd_writer_raw(lrd_config_writer *writer, const char *name, const char *text);
/* Own, or NULL with the failure in *err. The writer is empty afterwards. */
char *lrd_writer_finish(lrd_config_writer *writer, larder_err *err);

#endif
