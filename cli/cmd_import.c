/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "transfer_show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

typedef struct import_args {
  const char *file;
  const char *ns;
  const char *format;
  int64_t ttl_ms;
  const char *rejects;
  bool resume;
  bool dry_run;
  bool force;
} import_args;

#define AT(field) offsetof(import_args, field)

static const cli_option options[] = {
    {"ns", 0, CLI_TEXT, AT(ns), "NS", NULL, NULL, "where all entries go, whatever they say"},
    {"ttl", 0, CLI_DURATION, AT(ttl_ms), "TIME", "never", NULL, "how long they are fresh, whatever they say"},
    {"format", 'f', CLI_CHOICE, AT(format), "FORMAT", CLI_FORMATS, NULL, "instead of what the file's ending or beginning says"},
    {"rejects", 0, CLI_FILE, AT(rejects), "FILE", NULL, NULL, "write what was not imported there, as it stands"},
    {"resume", 0, CLI_FLAG, AT(resume), NULL, NULL, NULL, "go on where an import of this file was broken off"},
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, NULL, NULL, "read and compare, store nothing"},
    {"force", 0, CLI_FLAG, AT(force), NULL, NULL, NULL, "take an export that was cut short or changed as it is"},
    {0}};

static const cli_operand operands[] = {
    {"FILE", CLI_FILE, AT(file), false, NULL, "JSON Lines, JSON or CSV with key and value; - for standard input"}, {0}};

static const cli_example examples[] = {
    {"larder import bls.jsonl", "what larder export wrote"},
    {"larder import products.csv --ns products --ttl 7d", "a table of one's own, with columns key and value"},
    {"larder import big.jsonl --resume --rejects bad.jsonl", "goes on after a break, and keeps what was refused"},
    {0}};

static int64_t stdin_read(void *context, void *out, size_t room) {
  (void)context;
  ssize_t got;
  do {
    got = read(STDIN_FILENO, out, room);
  } while (got < 0 && errno == EINTR);
  return got;
}

static void told_json(const import_args *args, cli_transfer *transfer, const larder_transfer_counts *counts) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "file", args->file);
  cli_json_bool(&json, "dry_run", args->dry_run);
  cli_json_uint(&json, "entries", counts->entries);
  cli_json_uint(&json, "imported", counts->done);
  cli_json_uint(&json, "skipped", counts->skipped);
  cli_json_uint(&json, "expired", counts->expired);
  cli_json_uint(&json, "resumed", counts->resumed);
  cli_json_uint(&json, "bytes", counts->bytes);
  cli_json_bool(&json, "verified", counts->verified);
  cli_transfer_json(transfer, &json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static cli_exit told(const cli_call *call, const import_args *args, cli_transfer *transfer,
                     const larder_transfer_counts *counts) {
  char count[CLI_SHORT];
  if (call->globals->json) told_json(args, transfer, counts);
  cli_note(call, "%s %s %s%s", args->dry_run ? "would import" : "imported", cli_count_text(counts->done, count, sizeof count),
           cli_plural(counts->done, "entry", "entries"), counts->verified ? "; the file is whole" : "");
  if (counts->resumed > 0)
    cli_note(call, "%s dealt with before the break", cli_count_text(counts->resumed, count, sizeof count));
  if (counts->skipped > 0) cli_note(call, "%s there already", cli_count_text(counts->skipped, count, sizeof count));
  if (counts->expired > 0) cli_note(call, "%s past their time, left out", cli_count_text(counts->expired, count, sizeof count));
  if (counts->failed == 0) return CLI_DONE;
  return cli_refuse(call, CLI_NOT_FOUND, args->rejects == NULL ? "--rejects FILE keeps them, to be mended" : "",
                    "%" PRIu64 " %s not imported", counts->failed, cli_plural(counts->failed, "entry was", "entries were"));
}

static cli_exit read_in(const cli_call *call, larder *cache, const import_args *args) {
  cli_transfer transfer;
  larder_transfer_counts counts = {0};
  larder_error error = {0};
  bool piped = strcmp(args->file, "-") == 0;
  larder_import_options how = {.size = sizeof how,
                               .format = cli_format_of(args->format),
                               .ns = args->ns,
                               .ttl_ms = args->ttl_ms,
                               .rejects = args->rejects,
                               .resume = args->resume,
                               .dry_run = args->dry_run,
                               .force = args->force,
                               .read = piped ? stdin_read : NULL,
                               .progress = cli_transfer_progress,
                               .failed = cli_transfer_failed,
                               .context = &transfer};
  cli_transfer_begin(&transfer, call);
  larder_err result = larder_import(cache, piped ? NULL : args->file, &how, &counts, &error);
  cli_transfer_end(&transfer);
  cli_exit code =
      result == LARDER_OK ? told(call, args, &transfer, &counts) : cli_transfer_refuse(call, result, &error, "cannot import");
  cli_transfer_fini(&transfer);
  return code;
}

static cli_exit run(const cli_call *call, void *given) {
  const import_args *args = given;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  cli_exit code = cli_open(call, args->dry_run ? CLI_LOOKS : CLI_CHANGES, &cache);
  if (code == CLI_DONE && args->ns != NULL) code = cli_ns(call, cache, args->ns, &ns);
  if (code == CLI_DONE && ns != NULL) code = cli_lasting(call, ns);
  if (code == CLI_DONE) code = read_in(call, cache, args);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_import = {
    .name = "import",
    .summary = "Read entries from a file.",
    .text = "Reads what larder export writes, and files of other programs: JSON Lines, an array or object of JSON, CSV with a "
            "row of "
            "names. An export that was cut short or changed is refused before anything is stored. What is there already is "
            "skipped. What is wrong with an entry is told with its line and costs that entry only; the exit code is 1 then.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(import_args),
    .run = run};
