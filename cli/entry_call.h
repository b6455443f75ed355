/* SPDX-License-Identifier: Apache-2.0 */
/* What commands on one entry share: NS KEY of the call to an open cache, a namespace that is there, and bytes. */
#ifndef CLI_ENTRY_CALL_H
#define CLI_ENTRY_CALL_H

#include "session.h"

/* As it was typed; a field of the command's own arguments. */
typedef struct cli_entry_args {
  const char *ns;
  const char *key;
  bool hex;
} cli_entry_args;

/* Rows of the command's tables; `at` gives the offset of a field of cli_entry_args. */
#define CLI_ENTRY_OPERANDS(at)                                                                                                 \
  {"NS", CLI_TEXT, at(ns), false, NULL, "the namespace"}, { "KEY", CLI_TEXT, at(key), false, NULL, "the key" }
#define CLI_ENTRY_OPTIONS(at)                                                                                                  \
  { "key-hex", 0, CLI_FLAG, at(hex), NULL, NULL, NULL, "KEY is given in hexadecimal" }

/* Open, for as long as the command works on it. */
typedef struct cli_entry {
  const cli_entry_args *named;
  larder *cache;
  larder_ns *ns;
  cli_key key;
} cli_entry;

/* Opens what was named, hands it to `act` with `args`, closes. With CLI_LOOKS root and namespace have to be there already. The
 * code to leave with. */
cli_exit cli_on_entry(const cli_call *call, const cli_entry_args *named, cli_use use,
                      cli_exit (*act)(const cli_call *call, const cli_entry *entry, const void *args), const void *args);

/* Members ns, key and key_encoding of an object that is open. */
void cli_entry_json(cli_json *json, const cli_entry *entry);
/* `not found: KEY in NS`. */
cli_exit cli_entry_not_found(const cli_call *call, const cli_entry *entry, const char *hint);

#endif
