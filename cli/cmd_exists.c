/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "session.h"

typedef struct exists_args {
  const char *ns;
  const char *key;
  bool hex;
} exists_args;

#define AT(field) offsetof(exists_args, field)

static const cli_option options[] = {{"key-hex", 0, CLI_FLAG, AT(hex), NULL, NULL, NULL, "KEY is given in hexadecimal"}, {0}};

static const cli_operand operands[] = {
    {"NS", CLI_TEXT, AT(ns), false, NULL, "the namespace"}, {"KEY", CLI_TEXT, AT(key), false, NULL, "the key"}, {0}};

static const cli_example examples[] = {
    {"larder exists bls_ces payrolls:2026-10 --quiet && echo there", "for scripts: the exit code is the answer"}, {0}};

static cli_exit run(const cli_call *call, void *given) {
  const exists_args *args = given;
  cli_key key;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  cli_exit code = cli_key_read(call, args->key, args->hex, &key);
  if (code == CLI_DONE) code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE) code = cli_ns(call, cache, args->ns, &ns);
  if (code == CLI_DONE) {
    larder_err result = larder_exists(ns, key.data, key.len);
    if (result < 0) {
      code = cli_refuse_result(call, result, NULL, "cannot look it up");
    } else {
      code = result == LARDER_OK ? CLI_DONE : CLI_NOT_FOUND;
      if (call->globals->json) {
        cli_json json;
        cli_json_init(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_text(&json, "ns", args->ns);
        cli_json_bytes(&json, "key", "key_encoding", key.data, key.len);
        cli_json_bool(&json, "exists", code == CLI_DONE);
        cli_json_object_end(&json);
        cli_json_end(&json);
      } else if (!call->globals->quiet) {
        puts(code == CLI_DONE ? "yes" : "no");
      }
    }
  }
  return cli_close(call, &cache, code);
}

const cli_command cli_command_exists = {.name = "exists",
                                        .summary = "Tell whether a fresh entry is there.",
                                        .text = "The answer is the exit code: 0 for yes, 1 for no. It counts as no access.",
                                        .options = options,
                                        .operands = operands,
                                        .examples = examples,
                                        .args_size = sizeof(exists_args),
                                        .run = run};
