/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON into a buffer. Commas and indentation are the writer's business. The first failure sticks and is returned
 * at the end, so a page of calls needs one check. Text that is no UTF-8 gets U+FFFD for each bad byte.
 */
#ifndef LRD_STATS_JSON_WRITER_H
#define LRD_STATS_JSON_WRITER_H

#include "base/bytes.h"

#define LRD_JSON_DEPTH_MAX 32u

typedef struct lrd_json {
  lrd_buf *out; /* borrowed; appended to */
  larder_err err;
  unsigned depth;
  bool indent;
  bool after_key;
  bool empty[LRD_JSON_DEPTH_MAX + 1]; /* nothing written yet at this depth */
} lrd_json;

void lrd_json_init(lrd_json *json, lrd_buf *out, bool indent);
void lrd_json_object_begin(lrd_json *json);
void lrd_json_object_end(lrd_json *json);
void lrd_json_array_begin(lrd_json *json);
void lrd_json_array_end(lrd_json *json);
/* In an object, before each value. */
void lrd_json_key(lrd_json *json, const char *key);
void lrd_json_string(lrd_json *json, const char *text);
void lrd_json_bytes(lrd_json *json, const void *text, size_t len);
void lrd_json_u64(lrd_json *json, uint64_t value);
void lrd_json_i64(lrd_json *json, int64_t value);
/* The shortest of the usual forms that reads back as the same number; null for what is no number. */
void lrd_json_double(lrd_json *json, double value);
void lrd_json_bool(lrd_json *json, bool value);
void lrd_json_null(lrd_json *json);
/* A text that is JSON already. */
void lrd_json_raw(lrd_json *json, const char *text, size_t len);

/* Length of the well-formed UTF-8 character at the front (1-4), or 0. */
size_t lrd_utf8_char(const void *text, size_t len);
/* The same number whatever the locale's decimal point. At least 32 bytes of room. */
void lrd_number_format(double value, char *out, size_t room);

#endif
