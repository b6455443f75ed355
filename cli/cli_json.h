/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON document, written as it grows. Commas and indentation are kept by the writer; text that is no UTF-8 never gets
 * in: bytes go through cli_json_bytes, which says how they are encoded.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "cli_text.h"

#define CLI_JSON_DEPTH_MAX 16

typedef struct cli_json {
  cli_buf text;
  FILE *stream;
  int depth;
  bool one_line;                 /* set after init: no line ends within the document */
  bool some[CLI_JSON_DEPTH_MAX]; /* this level has a member already */
} cli_json;

void cli_json_init(cli_json *json, FILE *stream);
/* Writes out what has gathered. Cheap to call often; the document may be far larger than memory. */
void cli_json_flush(cli_json *json);
/* Ends the document with a line end, flushes, releases. */
void cli_json_end(cli_json *json);

/* name NULL inside an array and at the top. */
void cli_json_object(cli_json *json, const char *name);
void cli_json_object_end(cli_json *json);
void cli_json_array(cli_json *json, const char *name);
void cli_json_array_end(cli_json *json);
/* NULL is written as null; broken UTF-8 is replaced by U+FFFD. */
void cli_json_text(cli_json *json, const char *name, const char *text);
void cli_json_text_n(cli_json *json, const char *name, const char *text, size_t len);
void cli_json_int(cli_json *json, const char *name, int64_t number);
void cli_json_uint(cli_json *json, const char *name, uint64_t number);
void cli_json_double(cli_json *json, const char *name, double number);
void cli_json_bool(cli_json *json, const char *name, bool yes);
void cli_json_null(cli_json *json, const char *name);
/* A text that is JSON already. */
void cli_json_raw(cli_json *json, const char *name, const char *text, size_t len);
/* Any bytes, as two members: name, and encoding_name saying "utf-8" or "base64". */
void cli_json_bytes(cli_json *json, const char *name, const char *encoding_name, const void *data, size_t len);

#endif
