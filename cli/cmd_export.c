/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "transfer_show.h"

#include <string.h>

typedef struct export_args {
  const char *ns;
  const char *output;
  const char *format;
  const char *prefix;
  const char *key;
  const char *tag;
  int64_t before_ms;
  bool stale;
  bool include_secrets;
} export_args;

#define AT(field) offsetof(export_args, field)

static const cli_option options[] = {
    {"output", 'o', CLI_FILE, AT(output), "FILE", NULL, NULL, "the file to write; - for standard output"},
    {"format", 'f', CLI_CHOICE, AT(format), "FORMAT", CLI_FORMATS, NULL, "instead of what the file's ending says"},
    {"include-secrets", 0, CLI_FLAG, AT(include_secrets), NULL, NULL, NULL, "hide nothing"},
    {"prefix", 0, CLI_TEXT, AT(prefix), "TEXT", NULL, NULL, "only keys that begin with TEXT"},
    {"key", 'k', CLI_TEXT, AT(key), "GLOB", NULL, NULL, "only keys that match: * ? [a-z]"},
    {"tag", 't', CLI_TEXT, AT(tag), "TAG", NULL, NULL, "only entries with this tag"},
    {"before", 0, CLI_DATE, AT(before_ms), "DATE", NULL, NULL, "only what was written before a date, or longer ago than 30d"},
    {"stale", 0, CLI_FLAG, AT(stale), NULL, NULL, NULL, "also what is kept only to be served stale"},
    {0}};

static const cli_operand operands[] = {{"NS", CLI_TEXT, AT(ns), true, NULL, "the namespace; without it all of them"}, {0}};

static const cli_example examples[] = {
    {"larder export bls_ces --output bls.jsonl", "a namespace as JSON Lines, secrets hidden"},
    {"larder export --output all.json --include-secrets", "everything, to be imported elsewhere"},
    {"larder export bls_ces --tag daily --output - --format csv", "a table on standard output"},
    {0}};

static bool stdout_write(void *context, const void *data, size_t len) {
  (void)context;
  return fwrite(data, 1, len, stdout) == len && fflush(stdout) == 0;
}

static cli_exit told(const cli_call *call, const export_args *args, cli_transfer *transfer,
                     const larder_transfer_counts *counts) {
  char count[CLI_SHORT], size[CLI_SHORT], hidden[CLI_SHORT];
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "output", args->output);
    cli_json_uint(&json, "exported", counts->done);
    cli_json_uint(&json, "redacted", counts->redacted);
    cli_json_uint(&json, "bytes", counts->bytes);
    cli_transfer_json(transfer, &json);
    cli_json_object_end(&json);
    cli_json_end(&json);
  }
  cli_note(call, "exported %s %s, %s", cli_count_text(counts->done, count, sizeof count),
           cli_plural(counts->done, "entry", "entries"), cli_size_text(counts->bytes, size, sizeof size));
  if (counts->redacted > 0)
    cli_note(call, "%s of them with secrets hidden (***), which can't be imported; --include-secrets hides nothing",
             cli_count_text(counts->redacted, hidden, sizeof hidden));
  return transfer->failed > 0 ? CLI_NOT_FOUND : CLI_DONE;
}

static cli_exit write_out(const cli_call *call, larder *cache, const export_args *args) {
  cli_transfer transfer;
  larder_transfer_counts counts = {0};
  larder_error error = {0};
  bool piped = strcmp(args->output, "-") == 0;
  larder_match match = {.size = sizeof match,
                        .prefix = args->prefix,
                        .prefix_len = args->prefix != NULL ? strlen(args->prefix) : 0,
                        .glob = args->key,
                        .tag = args->tag,
                        .before_ms = args->before_ms,
                        .stale_too = args->stale};
  larder_export_options how = {.size = sizeof how,
                               .format = cli_format_of(args->format),
                               .ns = args->ns,
                               .match = &match,
                               .include_secrets = args->include_secrets,
                               .write = piped ? stdout_write : NULL,
                               .progress = cli_transfer_progress,
                               .failed = cli_transfer_failed,
                               .context = &transfer};
  cli_transfer_begin(&transfer, call);
  larder_err result = larder_export(cache, piped ? NULL : args->output, &how, &counts, &error);
  cli_transfer_end(&transfer);
  cli_exit code =
      result == LARDER_OK ? told(call, args, &transfer, &counts) : cli_transfer_refuse(call, result, &error, "cannot export");
  cli_transfer_fini(&transfer);
  return code;
}

static cli_exit run(const cli_call *call, void *given) {
  const export_args *args = given;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  if (args->output == NULL) return cli_refuse(call, CLI_USAGE, "name a file: --output FILE", "where is it to be written?");
  if (call->globals->json && strcmp(args->output, "-") == 0)
    return cli_refuse(call, CLI_USAGE, "leave --json out, or name a file", "--output - and --json both want standard output");
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE && args->ns != NULL) code = cli_ns_known(call, cache, args->ns, &ns);
  if (code == CLI_DONE) code = write_out(call, cache, args);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_export = {
    .name = "export",
    .summary = "Write entries to a file.",
    .text =
        "JSON Lines, JSON or CSV by the file's ending. The file appears whole at the end, for its owner's eyes only, with a "
        "checksum. Secrets are hidden unless --include-secrets is given. Times of expiry are kept as they are.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(export_args),
    .run = run};
