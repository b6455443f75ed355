/* SPDX-License-Identifier: Apache-2.0 */
/* simulate: traces of requests through eviction policies, made-up traffic through ways of caching. */
#include "commands.h"
#include "session.h"
#include "simulate_sessions.h"
#include "simulate_traces.h"

#include <string.h>

typedef struct simulate_args {
  cli_traces_args traces;
  const char *sessions;
  const char *contestants;
  const char *against;
  const char *load_agent;
  const char *save_agent;
  const char *write;
  uint64_t seeds; /* 0: not given */
} simulate_args;

#define SEEDS_USUAL 10u

#define AT(field) offsetof(simulate_args, field)

static const cli_option options[] = {
    {"size", 's', CLI_TEXT, AT(traces.sizes), "SIZES", NULL, CLI_SIMULATE_SIZES,
     "how large the cache is: a share of the trace's keys (1%), entries (10000) or bytes (64MiB), several with commas"},
    {"policy", 'p', CLI_TEXT, AT(traces.policies), "NAMES", NULL, NULL,
     "with commas; or all; without it fifo, lru, s3-fifo, w-tinylfu, adaptive and opt"},
    {"format", 0, CLI_CHOICE, AT(traces.format), "FORMAT", "ltrc csv keys jsonl", NULL,
     "of the traces; without it as the first bytes and the name say"},
    {"key-field", 0, CLI_TEXT, AT(traces.key_field), "NAME", NULL, NULL,
     "the column or member that holds the key; a column also by its number, from 1, where no row has the names"},
    {"size-field", 0, CLI_TEXT, AT(traces.size_field), "NAME", NULL, NULL, "likewise of the entry's bytes"},
    {"requests", 0, CLI_COUNT, AT(traces.requests_max), "N", NULL, NULL, "only the first N of each trace"},
    {"seed", 0, CLI_TEXT, AT(traces.seed), "N", NULL, NULL, "of the hashes that policies see"},
    {"parallel", 0, CLI_COUNT, AT(traces.parallel), "N", NULL, NULL, "runs at a time; as many as there are cores"},
    {"plot", 0, CLI_FILE, AT(traces.plot), "FILE", NULL, NULL,
     "draw miss ratios over sizes, or what --sessions came to, into an SVG file"},
    {"sessions", 0, CLI_FILE, AT(sessions), "SPEC", NULL, NULL, "instead of traces: traffic made as a YAML file says"},
    {"contestant", 0, CLI_TEXT, AT(contestants), "NAMES", NULL, NULL,
     "of --sessions: ways of caching, with commas, or all; without it " CLI_SESSIONS_CONTESTANTS},
    {"against", 0, CLI_TEXT, AT(against), "NAME", NULL, NULL,
     "of --sessions: the contestant that the others are compared with, seed by seed; without it tuned, where it is shown"},
    {"save-agent", 0, CLI_FILE, AT(save_agent), "FILE", NULL, NULL,
     "of --sessions: let an agent learn from the seeds one after the other and keep what it learned; nothing is compared"},
    {"load-agent", 0, CLI_FILE, AT(load_agent), "FILE", NULL, NULL,
     "of --sessions: those that learn begin with what --save-agent kept; - for standard input"},
    {"seeds", 0, CLI_COUNT, AT(seeds), "N", NULL, NULL, "of --sessions: how many, from --seed on (1); without it 10"},
    {"write", 0, CLI_FILE, AT(write), "FILE", NULL, NULL,
     "of --sessions: write the requests of --seed as JSON Lines, which is a trace; - for standard output"},
    {0}};

static const cli_words words = {"Contestants", larder_traffic_contestant, larder_traffic_contestant_says};

static const cli_operand operands[] = {{"TRACE...", CLI_LIST, AT(traces.files), true, NULL,
                                        "files of requests, also packed by zstd or gzip; - for standard input"},
                                       {0}};

static const cli_example examples[] = {
    {"larder simulate monday.csv --size 1%,10%", "what the usual policies would have missed"},
    {"larder simulate *.ltrc.zst --policy all --plot policies.svg", "all of them, drawn"},
    {"larder simulate cdn.csv --key-field url --size-field bytes --size 64MiB,1GiB", "entries that differ in size"},
    {"awk '{ print $7 }' access.log | larder simulate - --size 10000 --policy lru,opt", "the URLs of a log"},
    {"larder simulate --sessions shop.yaml --seeds 20 --plot shop.svg", "ways of caching before traffic that is made up"},
    {"larder simulate --sessions shop.yaml --contestant s3-fifo,agent --against s3-fifo",
     "how much more or less, seed by seed"},
    {0}};

/* What is done. */
enum { TRACES = 1, TRIAL = 2, WRITE = 4, TRAIN = 8 };

static unsigned doing(const simulate_args *args) {
  return args->sessions == NULL ? TRACES : args->write ? WRITE : args->save_agent ? TRAIN : TRIAL;
}

/* The first option that does not go with what is done; NULL: none. */
static const char *out_of_place(const simulate_args *args) {
  const cli_traces_args *traces = &args->traces;
  const struct {
    const char *name;
    bool given;
    unsigned with;
  } all[] = {{"--contestant", args->contestants != NULL, TRIAL | TRAIN},
             {"--against", args->against != NULL, TRIAL},
             {"--load-agent", args->load_agent != NULL, TRIAL | TRAIN},
             {"--save-agent", args->save_agent != NULL, TRAIN},
             {"--write", args->write != NULL, WRITE},
             {"--seeds", args->seeds > 0, TRIAL | TRAIN},
             {"--size", strcmp(traces->sizes, CLI_SIMULATE_SIZES) != 0, TRACES},
             {"--plot", traces->plot != NULL, TRACES | TRIAL},
             {"TRACE", traces->files.count > 0, TRACES},
             {"--policy", traces->policies != NULL, TRACES},
             {"--format", traces->format != NULL, TRACES},
             {"--key-field", traces->key_field != NULL, TRACES},
             {"--size-field", traces->size_field != NULL, TRACES},
             {"--requests", traces->requests_max > 0, TRACES}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i].given && !(all[i].with & doing(args))) return all[i].name;
  return NULL;
}

static cli_exit sessions_run(const cli_call *call, const simulate_args *args) {
  const cli_sessions_args sessions = {.file = args->sessions,
                                      .contestants = args->contestants,
                                      .against = args->against,
                                      .load_agent = args->load_agent,
                                      .save_agent = args->save_agent,
                                      .write = args->write,
                                      .plot = args->traces.plot,
                                      .seed = args->traces.seed,
                                      .seeds = args->seeds > 0 ? args->seeds : SEEDS_USUAL,
                                      .parallel = args->traces.parallel};
  return cli_simulate_sessions(call, &sessions);
}

static cli_exit run(const cli_call *call, void *given) {
  const simulate_args *args = given;
  const char *wrong = out_of_place(args);
  if (wrong != NULL)
    return cli_refuse(call, CLI_USAGE, "`larder simulate --help` says which options go together",
                      args->sessions == NULL     ? "%s goes with --sessions only"
                      : args->write != NULL      ? "%s does not go with --sessions and --write"
                      : args->save_agent != NULL ? "%s does not go with --sessions and --save-agent"
                                                 : "%s does not go with --sessions",
                      wrong);
  if (args->sessions != NULL) return sessions_run(call, args);
  if (args->traces.files.count == 0)
    return cli_refuse(call, CLI_USAGE, "`larder simulate --help` shows the form and examples", "TRACE is missing");
  return cli_simulate_traces(call, &args->traces);
}

const cli_command cli_command_simulate = {
    .name = "simulate",
    .summary = "Replay a trace of requests through eviction policies, or try ways of caching.",
    .text =
        "Each policy is the memory tier's own code, begins empty and sees every request; a miss puts the key there. opt is "
        "Belady's optimum, which knows the future: no policy misses less. For sizes in bytes the optimum is not to be "
        "computed; opt is then opt-bound, which nobody can beat and perhaps nobody reaches (docs/simulate.md).\n\n"
        "A trace is a key a line; a CSV file (by the columns key and size if the first row has them, else its first column is "
        "the key); JSON Lines of requests {\"key\": \"a\", \"size\": 10} or sessions {\"session\": \"s\", \"keys\": [\"a\", "
        "\"b\"]}; "
        "or the binary LTRC0001.\n\n"
        "With --sessions the requests are made up: sessions that go from endpoint to endpoint of services that are slow and "
        "fail (docs/traffic.md). Each contestant serves the same requests; tuned is the best static rule, found on other "
        "seeds.\n\n"
        "With --json a line is written for each trace, or a document for --sessions.",
    .options = options,
    .operands = operands,
    .words = &words,
    .examples = examples,
    .args_size = sizeof(simulate_args),
    .run = run};
