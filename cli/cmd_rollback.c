/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "entry_call.h"

#include <inttypes.h>
#include <larder/versions.h>

typedef struct rollback_args {
  cli_entry_args entry;
  const char *version;
  const char *stamp;
} rollback_args;

#define AT(field)    offsetof(rollback_args, field)
#define ENTRY(field) offsetof(rollback_args, entry.field)

static const cli_option options[] = {
    {"version", 0, CLI_TEXT, AT(version), "TEXT", NULL, NULL, "the newest former value of this version"},
    {"stamp", 0, CLI_TEXT, AT(stamp), "STAMP", NULL, NULL, "the former value that `larder versions` shows with this stamp"},
    CLI_ENTRY_OPTIONS(ENTRY),
    {0}};

static const cli_operand operands[] = {CLI_ENTRY_OPERANDS(ENTRY), {0}};

static const cli_example examples[] = {
    {"larder rollback conf limits", "back to the value before the present one"},
    {"larder rollback conf limits --version 7", "back to version 7"},
    {"larder rollback conf limits", "the same again goes forward: what was replaced is a former value now"},
    {0}};

static cli_exit rolled_back(const cli_call *call, const cli_entry *entry, larder_err result, uint64_t from) {
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_entry_json(&json, entry);
    cli_json_uint(&json, "from_stamp", from);
    cli_json_text(&json, "result", result == LARDER_DEGRADED ? "degraded" : "kept");
    cli_json_object_end(&json);
    cli_json_end(&json);
    return CLI_DONE;
  }
  if (result == LARDER_DEGRADED) cli_note(call, "larder: warning: a tier is away; `larder stats` shows which");
  cli_note(call, "%s in %s is again what it was with the stamp %" PRIu64, entry->named->key, entry->named->ns, from);
  return CLI_DONE;
}

static cli_exit roll_back(const cli_call *call, const cli_entry *entry, const void *given) {
  const rollback_args *args = given;
  larder_version_wanted wanted = {.size = sizeof wanted, .version = args->version};
  larder_policy policy = {0};
  uint64_t from = 0;
  cli_exit const lasts = cli_lasting(call, entry->ns);
  if (lasts != CLI_DONE) return lasts;
  if (args->stamp != NULL && !cli_stamp_read(args->stamp, &wanted.stamp))
    return cli_refuse(call, CLI_USAGE, "`larder versions NS KEY` shows the stamps, whole numbers", "--stamp cannot be '%s'",
                      args->stamp);
  larder_err result = larder_roll_back(entry->ns, entry->key.data, entry->key.len, &wanted, &from);
  larder_ns_policy(entry->ns, &policy);
  if (result == LARDER_MISS)
    return cli_refuse(call, CLI_NOT_FOUND,
                      policy.keep_versions > 0 ? "`larder versions NS KEY` lists what is kept"
                                               : "the namespace keeps none: set its `keep_versions`",
                      "there is no such former value of %s in %s", entry->named->key, entry->named->ns);
  if (result == LARDER_OK || result == LARDER_DEGRADED) return rolled_back(call, entry, result, from);
  if (result > 0) return cli_refuse(call, CLI_FAILED, "try again", "not rolled back: %s", larder_err_text(result));
  return cli_refuse_result(call, result, NULL, "cannot roll back");
}

static cli_exit run(const cli_call *call, void *given) {
  const rollback_args *args = given;
  return cli_on_entry(call, &args->entry, CLI_LOOKS, roll_back, args);
}

const cli_command cli_command_rollback = {
    .name = "rollback",
    .summary = "Put a former value of an entry again.",
    .text = "It becomes the newest value, with its version, metadata, tags and kind, and a lifetime from now on. What it "
            "replaces is kept as a former value. Without --version and --stamp it is the one before the present one.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(rollback_args),
    .run = run};
