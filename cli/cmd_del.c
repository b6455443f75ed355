/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "entry_call.h"

typedef struct del_args {
  cli_entry_args entry;
  bool expire;
} del_args;

#define AT(field)    offsetof(del_args, field)
#define ENTRY(field) offsetof(del_args, entry.field)

static const cli_option options[] = {
    {"expire", 0, CLI_FLAG, AT(expire), NULL, NULL, NULL, "only make it stale: who allows stale values still gets it"},
    CLI_ENTRY_OPTIONS(ENTRY),
    {0}};

static const cli_operand operands[] = {CLI_ENTRY_OPERANDS(ENTRY), {0}};

static const cli_example examples[] = {{"larder del bls_ces payrolls:2026-10", "deletes one entry; `larder purge` takes many"},
                                       {"larder del demo greeting --expire", "makes it stale"},
                                       {0}};

static cli_exit told(const cli_call *call, const cli_entry *entry, bool expired, bool degraded) {
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_entry_json(&json, entry);
    cli_json_text(&json, "result", expired ? "expired" : "deleted");
    cli_json_bool(&json, "degraded", degraded);
    cli_json_object_end(&json);
    cli_json_end(&json);
    return CLI_DONE;
  }
  if (degraded) cli_note(call, "larder: warning: a tier is away; `larder stats` shows which");
  cli_note(call, "%s %s in %s", expired ? "expired" : "deleted", entry->named->key, entry->named->ns);
  return CLI_DONE;
}

static cli_exit delete (const cli_call *call, const cli_entry *entry, const void *given) {
  bool const expire = ((const del_args *)given)->expire;
  larder_err const result = (expire ? larder_expire : larder_delete)(entry->ns, entry->key.data, entry->key.len);
  if (result == LARDER_OK || result == LARDER_DEGRADED) return told(call, entry, expire, result == LARDER_DEGRADED);
  if (result == LARDER_MISS) return cli_entry_not_found(call, entry, "`larder ls NS` lists the keys");
  return cli_refuse_result(call, result, NULL, expire ? "cannot expire it" : "cannot delete it");
}

static cli_exit run(const cli_call *call, void *given) {
  const del_args *args = given;
  return cli_on_entry(call, &args->entry, CLI_LOOKS, delete, args);
}

const cli_command cli_command_del = {.name = "del",
                                     .summary = "Delete an entry.",
                                     .text = "When the command returns, no process gets the value any more.",
                                     .options = options,
                                     .operands = operands,
                                     .examples = examples,
                                     .args_size = sizeof(del_args),
                                     .run = run};
