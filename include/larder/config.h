/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a configuration without opening a cache: check it, print it as it is in force, print its schema.
 * Every text handed out is allocated; release it with larder_text_free.
 */
#ifndef LARDER_CONFIG_H
#define LARDER_CONFIG_H

#include <larder/error.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One mistake in a configuration, borrowed during the visit. */
typedef struct larder_config_mistake {
  const char *file;
  int line;            /* from 1 */
  int column;          /* from 1 */
  const char *message; /* what was found, what is expected, the nearest right name */
} larder_config_mistake;

/* Reads the file (NULL: searched as larder_open does) and visits every mistake. LARDER_OK without any, else LARDER_ECONFIG;
 * LARDER_MISS when no file was found (then the defaults are in force). *file_out (may be NULL): which file was read. */
LARDER_API LARDER_MUST_CHECK larder_err larder_config_check(const char *file,
                                                            void (*visit)(void *context, const larder_config_mistake *mistake),
                                                            void *context, char **file_out, larder_error *err);
/* Visits what is accepted but worth knowing: a part that this build lacks and goes on without, a tier that is switched off.
 * larder_open writes the same to the log. Without any file: none. */
LARDER_API LARDER_MUST_CHECK larder_err larder_config_notices(const char *file,
                                                              void (*visit)(void *context, const larder_config_mistake *notice),
                                                              void *context, larder_error *err);
/* The configuration in force, as YAML or JSON, secrets hidden. */
LARDER_API LARDER_MUST_CHECK larder_err larder_config_show(const char *file, int as_json, char **out, larder_error *err);
/* JSON Schema (2020-12) of the file. */
LARDER_API LARDER_MUST_CHECK larder_err larder_config_schema(char **out);
/* Reference page in Markdown. */
LARDER_API LARDER_MUST_CHECK larder_err larder_config_reference(char **out);

LARDER_API void larder_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
