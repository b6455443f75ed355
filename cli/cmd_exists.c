/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "entry_call.h"

#define ENTRY(field) offsetof(cli_entry_args, field)

static const cli_option options[] = {CLI_ENTRY_OPTIONS(ENTRY), {0}};

static const cli_operand operands[] = {CLI_ENTRY_OPERANDS(ENTRY), {0}};

static const cli_example examples[] = {
    {"larder exists bls_ces payrolls:2026-10 --quiet && echo there", "for scripts: the exit code is the answer"}, {0}};

static cli_exit answer(const cli_call *call, const cli_entry *entry, const void *args) {
  larder_err const result = larder_exists(entry->ns, entry->key.data, entry->key.len);
  (void)args;
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot look it up");
  bool const there = result == LARDER_OK;
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_entry_json(&json, entry);
    cli_json_bool(&json, "exists", there);
    cli_json_object_end(&json);
    cli_json_end(&json);
  } else if (!call->globals->quiet) {
    puts(there ? "yes" : "no");
  }
  return there ? CLI_DONE : CLI_NOT_FOUND;
}

static cli_exit run(const cli_call *call, void *given) { return cli_on_entry(call, given, CLI_LOOKS, answer, NULL); }

const cli_command cli_command_exists = {.name = "exists",
                                        .summary = "Tell whether a fresh entry is there.",
                                        .text = "The answer is the exit code: 0 for yes, 1 for no. It counts as no access.",
                                        .options = options,
                                        .operands = operands,
                                        .examples = examples,
                                        .args_size = sizeof(cli_entry_args),
                                        .run = run};
