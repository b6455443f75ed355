/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a file of entries, or of records whose fields are named, into the cache: what `import` and `warm NS FILE` share. */
#ifndef CLI_IMPORT_CALL_H
#define CLI_IMPORT_CALL_H

#include "transfer_show.h"

typedef struct cli_import_args {
  const char *file; /* "-": standard input */
  const char *ns;
  const char *format;
  int64_t ttl_ms;
  const char *key_field;
  const char *key_template;
  const char *value_field;
  bool value_row;
  const char *ttl_field;
  const char *version_field;
  const char *tags_field;
  bool entries;
  cli_list tags;
  const char *rejects;
  const char *checkpoint;
  bool resume;
  bool dry_run;
  bool force;
} cli_import_args;

/* Rows of an option table; `at` gives the offset of a field of cli_import_args. --key is the caller's. */
#define CLI_IMPORT_FIELD_OPTIONS(at)                                                                                           \
  {"format", 'f', CLI_CHOICE, at(format), "FORMAT", CLI_FORMATS, NULL, "instead of what the file's ending or beginning says"}, \
      {"key-field", 0, CLI_TEXT, at(key_field), "FIELD", NULL, NULL, "the field that is the key, instead of `key`"},           \
      {"value-field", 0, CLI_TEXT, at(value_field), "FIELD", NULL, NULL, "the field that is the value, instead of `value`"},   \
      {"value-row", 0, CLI_FLAG, at(value_row), NULL, NULL, NULL, "the whole row is the value, as a JSON object"},             \
      {"ttl-field", 0, CLI_TEXT, at(ttl_field), "FIELD", NULL, NULL, "the field that says how long it is fresh"},              \
      {"version-field", 0, CLI_TEXT, at(version_field), "FIELD", NULL, NULL, "the field that is the entry's version"},         \
      {"tags-field", 0, CLI_TEXT, at(tags_field), "FIELD", NULL, NULL, "the field with the entry's tags, a;b or a list"},      \
      {"entries", 0,    CLI_FLAG, at(entries),                                                                                 \
       NULL,      NULL, NULL,     "the file has entries, whatever the configuration says of its fields"},                      \
      {"tag", 't', CLI_LIST, at(tags), "TAG", NULL, NULL, "a tag of all, beside their own; up to 16 times"},                   \
      {"rejects", 0,    CLI_FILE, at(rejects),                                                                                 \
       "FILE",    NULL, NULL,     "write what was not taken there, as it stands; replaces only what an import left there"},    \
  {                                                                                                                            \
    "checkpoint", 0, CLI_FILE, at(checkpoint), "FILE", NULL, NULL, "remember there how far it came, instead of on the root"    \
  }

/* Imports and tells; `done` is the word for what is stored, "imported" or "loaded", and the member of the document. */
cli_exit cli_import_run(const cli_call *call, larder *cache, const cli_import_args *args, const char *done);

#endif
