/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "import_call.h"

#define AT(field) offsetof(cli_import_args, field)

static const cli_option options[] = {
    {"ns", 0, CLI_TEXT, AT(ns), "NS", NULL, NULL, "where all entries go, whatever they say"},
    {"ttl", 0, CLI_DURATION, AT(ttl_ms), "TIME", "never", NULL, "how long they are fresh, whatever they say"},
    CLI_IMPORT_FIELD_OPTIONS(AT),
    {"key", 0, CLI_TEXT, AT(key_template), "TEMPLATE", NULL, NULL, "the key, made of fields: 'county:{state}:{fips}'"},
    {"resume", 0, CLI_FLAG, AT(resume), NULL, NULL, NULL, "go on where an import of this file was broken off"},
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, NULL, NULL, "read and compare, store nothing, write no file"},
    {"force", 0, CLI_FLAG, AT(force), NULL, NULL, NULL, "take an export that was cut short or changed as it is"},
    {0}};

static const cli_operand operands[] = {
    {"FILE", CLI_FILE, AT(file), false, NULL, "JSON Lines, JSON or CSV with key and value; - for standard input"}, {0}};

static const cli_example examples[] = {
    {"larder import bls.jsonl", "what larder export wrote"},
    {"larder import products.csv --ns products --ttl 7d", "a table of one's own, with columns key and value"},
    {"larder import counties.csv --ns census --key 'county:{state}:{fips}' --value-row", "a table of somebody else's"},
    {"larder import big.jsonl --resume --rejects bad.jsonl", "goes on after a break, and keeps what was refused"},
    {0}};

static cli_exit run(const cli_call *call, void *given) {
  const cli_import_args *args = given;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  cli_exit code = cli_open(call, args->dry_run ? CLI_LOOKS : CLI_CHANGES, &cache);
  if (code == CLI_DONE && args->ns != NULL) code = cli_ns(call, cache, args->ns, &ns);
  if (code == CLI_DONE && ns != NULL) code = cli_lasting(call, ns);
  if (code == CLI_DONE) code = cli_import_run(call, cache, args, "imported");
  return cli_close(call, &cache, code);
}

const cli_command cli_command_import = {
    .name = "import",
    .summary = "Read entries from a file.",
    .text =
        "Reads what larder export writes, and files of other programs: JSON Lines, an array or object of JSON, CSV with a "
        "row of names. An export that was cut short or changed is refused before anything is stored. What is there already is "
        "skipped. What is wrong with an entry is told with its line and costs that entry only; the exit code is 1 then.\n\n"
        "Where the key and the value stand in fields of other names, these are named, and no other field says anything. The "
        "configuration of a namespace may name them under `import`; options stand before it. A file that larder export wrote "
        "is read as that, unless an option names a field.\n\n"
        "How far it came is remembered in import-….json on the root until it is done, or nobody has gone on with --resume "
        "for 90 days.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(cli_import_args),
    .run = run};
