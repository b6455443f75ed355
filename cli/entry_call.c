/* SPDX-License-Identifier: Apache-2.0 */
#include "entry_call.h"

cli_exit cli_on_entry(const cli_call *call, const cli_entry_args *named, cli_use use,
                      cli_exit (*act)(const cli_call *call, const cli_entry *entry, const void *args), const void *args) {
  cli_entry entry = {.named = named};
  cli_exit code = cli_key_read(call, named->key, named->hex, &entry.key);
  if (code == CLI_DONE) code = cli_open(call, use, &entry.cache);
  if (code == CLI_DONE) code = (use == CLI_LOOKS ? cli_ns_known : cli_ns)(call, entry.cache, named->ns, &entry.ns);
  if (code == CLI_DONE) code = act(call, &entry, args);
  return cli_close(call, &entry.cache, code);
}

void cli_entry_json(cli_json *json, const cli_entry *entry) {
  cli_json_text(json, "ns", entry->named->ns);
  cli_json_bytes(json, "key", "key_encoding", entry->key.data, entry->key.len);
}

cli_exit cli_entry_not_found(const cli_call *call, const cli_entry *entry, const char *hint) {
  return cli_refuse(call, CLI_NOT_FOUND, hint, "not found: %s in %s", entry->named->key, entry->named->ns);
}
