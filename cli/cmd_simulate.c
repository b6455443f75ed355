/* SPDX-License-Identifier: Apache-2.0 */
/* simulate: traces of requests through eviction policies. */
#include "commands.h"
#include "session.h"
#include "simulate_traces.h"

typedef struct simulate_args {
  cli_traces_args traces;
} simulate_args;

#define AT(field) offsetof(simulate_args, field)

static const cli_option options[] = {
    {"size", 's', CLI_TEXT, AT(traces.sizes), "SIZES", NULL, CLI_SIMULATE_SIZES,
     "how large the cache is: a share of the trace's keys (1%), entries (10000) or bytes (64MiB), several with commas"},
    {"policy", 'p', CLI_TEXT, AT(traces.policies), "NAMES", NULL, NULL,
     "with commas; or all; without it fifo, lru, s3-fifo, w-tinylfu, adaptive and opt, as far as they are there"},
    {"format", 0, CLI_CHOICE, AT(traces.format), "FORMAT", "ltrc csv keys jsonl", NULL,
     "of the traces; without it as the first bytes and the name say"},
    {"key-field", 0, CLI_TEXT, AT(traces.key_field), "NAME", NULL, NULL,
     "the column or member that holds the key; a column also by its number, from 1, where no row has the names"},
    {"size-field", 0, CLI_TEXT, AT(traces.size_field), "NAME", NULL, NULL, "likewise of the entry's bytes"},
    {"requests", 0, CLI_COUNT, AT(traces.requests_max), "N", NULL, NULL, "only the first N of each trace"},
    {"seed", 0, CLI_TEXT, AT(traces.seed), "N", NULL, NULL, "of the hashes that policies see"},
    {"parallel", 0, CLI_COUNT, AT(traces.parallel), "N", NULL, NULL, "runs at a time; as many as there are cores"},
    {"plot", 0, CLI_FILE, AT(traces.plot), "FILE", NULL, NULL, "draw miss ratios over sizes into an SVG file"},
    {0}};

static const cli_operand operands[] = {{"TRACE...", CLI_LIST, AT(traces.files), true, NULL,
                                        "files of requests, also packed by zstd or gzip; - for standard input"},
                                       {0}};

static const cli_example examples[] = {
    {"larder simulate monday.csv --size 1%,10%", "what the usual policies would have missed"},
    {"larder simulate *.ltrc.zst --policy all --plot policies.svg", "all of them, drawn"},
    {"larder simulate cdn.csv --key-field url --size-field bytes --size 64MiB,1GiB", "entries that differ in size"},
    {"awk '{ print $7 }' access.log | larder simulate - --size 10000 --policy lru,opt", "the URLs of a log"},
    {0}};

static cli_exit run(const cli_call *call, void *given) {
  const simulate_args *args = given;
  if (args->traces.files.count == 0)
    return cli_refuse(call, CLI_USAGE, "`larder simulate --help` shows the form and examples", "TRACE is missing");
  return cli_simulate_traces(call, &args->traces);
}

const cli_command cli_command_simulate = {
    .name = "simulate",
    .summary = "Replay a trace of requests through eviction policies.",
    .text =
        "Each policy is the memory tier's own code, begins empty and sees every request; a miss puts the key there. opt is "
        "Belady's optimum, which knows the future: no policy misses less. For sizes in bytes the optimum is not to be "
        "computed; opt is then opt-bound, which nobody can beat and perhaps nobody reaches (docs/simulate.md).\n\n"
        "A trace is a key a line; a CSV file (by the columns key and size if the first row has them, else its first column is "
        "the key); JSON Lines of requests {\"key\": \"a\", \"size\": 10} or sessions {\"session\": \"s\", \"keys\": [\"a\", "
        "\"b\"]}; "
        "or the binary LTRC0001.\n\n"
        "With --json a line is written for each trace.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(simulate_args),
    .run = run};
