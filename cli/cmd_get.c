/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "entry_call.h"
#include "file_io.h"
#include "progress_bar.h"

#include <larder/ext/maker.h>
#include <larder/versions.h>
#include <string.h>
#include <unistd.h>

typedef struct get_args {
  cli_entry_args entry;
  const char *output;
  const char *version;
  bool fresh;
  bool stale;
  bool make;
} get_args;

#define AT(field)    offsetof(get_args, field)
#define ENTRY(field) offsetof(get_args, entry.field)

static const cli_option options[] = {
    {"output", 'o', CLI_FILE, AT(output), "FILE", NULL, NULL, "write the value to FILE, whole or not at all"},
    {"version", 0, CLI_TEXT, AT(version), "TEXT", NULL, NULL,
     "the newest value of this version, also a former one (`larder versions`)"},
    {"stale", 0, CLI_FLAG, AT(stale), NULL, NULL, NULL, "also hand out what is past its time but still kept"},
    {"make", 0, CLI_FLAG, AT(make), NULL, NULL, NULL, "have the namespace's maker make it where it is not kept"},
    {"fresh", 0, CLI_FLAG, AT(fresh), NULL, NULL, NULL,
     "bypass what is kept: with --make it is made anew, else this counts as a miss and finds nothing"},
    CLI_ENTRY_OPTIONS(ENTRY),
    {0}};

static const cli_operand operands[] = {CLI_ENTRY_OPERANDS(ENTRY), {0}};

static const cli_example examples[] = {
    {"larder get bls_ces payrolls:2026-10", "prints the value, byte for byte"},
    {"larder get kernels k1 -o k1.npy", "writes it to a file"},
    {"larder get conf limits --version 7", "as it was in version 7"},
    {"larder get --make bls_ces payrolls:2026-11", "from the cache, or from where it comes from"},
    {"larder --json get bls_ces payrolls:2026-10", "the value with all that is known of it"},
    {0}};

static cli_exit value_write_json(const get_args *args, const cli_entry *entry, const larder_value *value,
                                 const larder_facts *facts) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_entry_json(&json, entry);
  if (args->output == NULL) {
    cli_json_bytes(&json, "value", "encoding", value->data, value->len);
  } else {
    cli_json_text(&json, "output", args->output);
  }
  cli_json_facts(&json, facts);
  if (facts->meta_len > 0) {
    cli_json_bytes(&json, "meta", "meta_encoding", facts->meta, facts->meta_len);
  } else {
    cli_json_null(&json, "meta");
    cli_json_null(&json, "meta_encoding");
  }
  cli_json_text(&json, "tier", value->tier);
  cli_json_bool(&json, "stale", value->stale);
  cli_json_object_end(&json);
  cli_json_end(&json);
  return CLI_DONE;
}

static cli_exit value_write(const cli_call *call, const get_args *args, const cli_entry *entry, const larder_value *value) {
  char why[256];
  larder_facts facts = {0};
  larder_err result = larder_value_facts(value, &facts);
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot read the entry's facts");
  if (args->output != NULL && !cli_file_write(args->output, value->data, value->len, why, sizeof why))
    return cli_refuse(call, CLI_FAILED, "check --output", "cannot write %s: %s", args->output, why);
  if (call->globals->json) return value_write_json(args, entry, value, &facts);
  if (value->stale) cli_note(call, "larder: this value is stale; `larder why` says since when and why");
  if (args->output != NULL) return CLI_DONE;
  bool terminal = isatty(STDOUT_FILENO);
  if (terminal && !cli_printable(value->data, value->len))
    return cli_refuse(call, CLI_USAGE, "use --output FILE, a pipe, or `larder inspect` for a preview",
                      "the value is no text and would disturb the terminal");
  if (value->len > 0) fwrite(value->data, 1, value->len, stdout);
  if (terminal && value->len > 0 && ((const char *)value->data)[value->len - 1] != '\n') fputc('\n', stdout);
  return CLI_DONE;
}

static cli_exit value_make(const cli_call *call, const get_args *args, const cli_entry *entry) {
  larder_value value = {0};
  larder_error why = {0};
  larder_make_options how = {.size = sizeof how, .fresh = args->fresh, .in_front = true};
  cli_interrupt_catch();
  cli_interrupt_cancels(entry->cache, true);
  larder_err result = larder_get_or_make(entry->ns, entry->key.data, entry->key.len, &how, &value, &why);
  cli_interrupt_cancels(NULL, true);
  if (cli_interrupted()) {
    if (result == LARDER_OK) larder_value_release(&value);
    return cli_refuse(call, CLI_FAILED, "", "stopped");
  }
  if (result == LARDER_MISS)
    return cli_refuse(call, CLI_NOT_FOUND, "`larder why` tells when its maker said so", "there is no %s in %s",
                      entry->named->key, entry->named->ns);
  if (result < 0)
    return cli_refuse(call, CLI_FAILED, result == LARDER_EUNSUPPORTED ? NULL : "`larder why NS KEY` tells what happened lately",
                      "cannot make the value: %s", why.message);
  cli_exit code = value_write(call, args, entry, &value);
  larder_value_release(&value);
  return code;
}

static cli_exit value_get(const cli_call *call, const get_args *args, const cli_entry *entry) {
  larder_value value = {0};
  larder_get_options how = {.size = sizeof how, .fresh = args->fresh, .allow_stale = args->stale};
  larder_version_wanted const wanted = {.size = sizeof wanted, .version = args->version};
  if (args->version != NULL && (args->fresh || args->stale))
    return cli_refuse(call, CLI_USAGE, "leave one of them out", "--version and --%s are both given",
                      args->fresh ? "fresh" : "stale");
  larder_err result = args->version != NULL ? larder_version_get(entry->ns, entry->key.data, entry->key.len, &wanted, &value)
                                            : larder_get(entry->ns, entry->key.data, entry->key.len, &how, &value);
  if (result == LARDER_MISS && args->version != NULL)
    return cli_refuse(call, CLI_NOT_FOUND, "`larder versions NS KEY` lists what is kept", "not found: version %s of %s in %s",
                      args->version, entry->named->key, entry->named->ns);
  if (result == LARDER_MISS) {
    const char *hint = args->fresh ? "--fresh bypasses what is kept; with --make it is made anew"
                                   : "`larder ls NS` lists the keys; `larder get --stale` also takes what is past its time";
    return cli_entry_not_found(call, entry, hint);
  }
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot get the value");
  cli_exit code = value_write(call, args, entry, &value);
  larder_value_release(&value);
  return code;
}

static cli_exit get(const cli_call *call, const cli_entry *entry, const void *given) {
  const get_args *args = given;
  return (args->make ? value_make : value_get)(call, args, entry);
}

static cli_exit run(const cli_call *call, void *given) {
  const get_args *args = given;
  return cli_on_entry(call, &args->entry, args->make ? CLI_CHANGES : CLI_LOOKS, get, args);
}

const cli_command cli_command_get = {.name = "get",
                                     .summary = "Print a value.",
                                     .options = options,
                                     .operands = operands,
                                     .examples = examples,
                                     .args_size = sizeof(get_args),
                                     .run = run};
