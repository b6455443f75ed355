/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "session.h"

typedef struct del_args {
  const char *ns;
  const char *key;
  bool expire;
  bool hex;
} del_args;

#define AT(field) offsetof(del_args, field)

static const cli_option options[] = {
    {"expire", 0, CLI_FLAG, AT(expire), NULL, NULL, NULL, "only make it stale: who allows stale values still gets it"},
    {"key-hex", 0, CLI_FLAG, AT(hex), NULL, NULL, NULL, "KEY is given in hexadecimal"},
    {0}};

static const cli_operand operands[] = {
    {"NS", CLI_TEXT, AT(ns), false, NULL, "the namespace"}, {"KEY", CLI_TEXT, AT(key), false, NULL, "the key"}, {0}};

static const cli_example examples[] = {{"larder del bls_ces payrolls:2026-10", "deletes one entry; `larder purge` takes many"},
                                       {"larder del demo greeting --expire", "makes it stale"},
                                       {0}};

static cli_exit told(const cli_call *call, const del_args *args, const cli_key *key, bool degraded) {
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "ns", args->ns);
    cli_json_bytes(&json, "key", "key_encoding", key->data, key->len);
    cli_json_text(&json, "result", args->expire ? "expired" : "deleted");
    cli_json_bool(&json, "degraded", degraded);
    cli_json_object_end(&json);
    cli_json_end(&json);
    return CLI_DONE;
  }
  if (degraded) cli_note(call, "larder: warning: a tier is away; `larder stats` shows which");
  cli_note(call, "%s %s in %s", args->expire ? "expired" : "deleted", args->key, args->ns);
  return CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  const del_args *args = given;
  cli_key key;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  cli_exit code = cli_key_read(call, args->key, args->hex, &key);
  if (code == CLI_DONE) code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE) code = cli_ns(call, cache, args->ns, &ns);
  if (code == CLI_DONE) {
    larder_err result = args->expire ? larder_expire(ns, key.data, key.len) : larder_delete(ns, key.data, key.len);
    if (result == LARDER_OK || result == LARDER_DEGRADED) {
      code = told(call, args, &key, result == LARDER_DEGRADED);
    } else if (result == LARDER_MISS) {
      code = cli_refuse(call, CLI_NOT_FOUND, "`larder ls NS` lists the keys", "not found: %s in %s", args->key, args->ns);
    } else {
      code = cli_refuse_result(call, result, NULL, args->expire ? "cannot expire it" : "cannot delete it");
    }
  }
  return cli_close(call, &cache, code);
}

const cli_command cli_command_del = {.name = "del",
                                     .summary = "Delete an entry.",
                                     .text = "When the command returns, no process gets the value any more.",
                                     .options = options,
                                     .operands = operands,
                                     .examples = examples,
                                     .args_size = sizeof(del_args),
                                     .run = run};
