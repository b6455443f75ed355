/* SPDX-License-Identifier: Apache-2.0 */
#include "child_signals.h"
#include "commands.h"
#include "session.h"

#include <errno.h>
#include <larder/mission.h>
#include <string.h>
#include <unistd.h>

typedef struct memo_args {
  const char *ns;
  int64_t ttl_ms;
  cli_list inputs;
  cli_list outputs;
  cli_list environment;
  const char *folder;
  bool any_folder;
  bool failures;
  bool fresh;
  int64_t timeout_ms;
  uint64_t stream_bytes_max;
  cli_rest command;
} memo_args;

#define AT(field) offsetof(memo_args, field)

static const cli_option options[] = {
    {"input", 'i', CLI_LIST, AT(inputs), "FILE", NULL, NULL, "a file that the command reads: its content counts"},
    {"output", 'o', CLI_LIST, AT(outputs), "FILE", NULL, NULL, "a file that the command writes: kept, and put back"},
    {"env", 'e', CLI_LIST, AT(environment), "NAME", NULL, NULL, "a variable that the command depends on: its value counts"},
    {"folder", 0, CLI_FOLDER, AT(folder), "DIR", NULL, NULL, "run it there; relative names are meant from there"},
    {"any-folder", 0, CLI_FLAG, AT(any_folder), NULL, NULL, NULL, "the same command is the same in whatever folder it runs"},
    {"ns", 0, CLI_TEXT, AT(ns), "NS", NULL, "memo", "the namespace"},
    {"ttl", 0, CLI_DURATION, AT(ttl_ms), "TIME", "never", NULL, "how long the result is good, such as 90s or 30d, or never"},
    {"failures", 0, CLI_FLAG, AT(failures), NULL, NULL, NULL, "also keep results with another exit code than 0"},
    {"fresh", 0, CLI_FLAG, AT(fresh), NULL, NULL, NULL, "run it, whatever is kept, and keep the new result"},
    {"timeout", 0, CLI_DURATION, AT(timeout_ms), "TIME", NULL, NULL, "end it then, with code 124"},
    {"max-output", 0, CLI_SIZE, AT(stream_bytes_max), "SIZE", NULL, "64MiB", "of either stream; who writes more is not kept"},
    {0}};

static const cli_operand operands[] = {{"CMD...", CLI_REST, AT(command), false, NULL, "the command and its arguments"}, {0}};

static const cli_example examples[] = {
    {"larder memo -- make-report --month 2026-10", "runs it once; from then on the recorded output comes at once"},
    {"larder memo --input data.csv --output plot.png -- python3 plot.py data.csv",
     "until data.csv changes; plot.png is put back"},
    {"larder memo --ttl 1h --env API_REGION -- curl -s https://api.example.org/rates", "good for an hour, for each region"},
    {0}};

/* What the command wrote, for the document. */
typedef struct written {
  bool gathers;
  uint64_t most; /* of either stream; what is beyond is not kept either */
  cli_buf streams[2];
} written;

static bool take(void *context, int stream, const void *data, size_t len) {
  written *w = context;
  const char *at = data;
  if (w->gathers) {
    cli_buf *gathered = &w->streams[stream - 1];
    uint64_t room = w->most - gathered->len;
    cli_buf_add(gathered, data, len < room ? len : (size_t)room);
    return true;
  }
  while (len > 0) {
    ssize_t done = write(stream, at, len);
    if (done < 0 && errno == EINTR) continue;
    /* Remarks that nobody reads are no reason to end a command; output that nobody reads is. */
    if (done < 0) return stream == STDERR_FILENO;
    at += done;
    len -= (size_t)done;
  }
  return true;
}

static void told_json(const larder_memo_result *result, const written *w) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "key", result->key[0] != '\0' ? result->key : NULL);
  cli_json_int(&json, "exit_code", result->exit_code);
  cli_json_bool(&json, "hit", result->hit);
  cli_json_bool(&json, "waited", result->waited);
  cli_json_bool(&json, "kept", result->kept);
  cli_json_text(&json, "why", result->why[0] != '\0' ? result->why : NULL);
  cli_json_int(&json, "took_ms", result->took_ms);
  cli_json_bytes(&json, "stdout", "stdout_encoding", cli_buf_str(&w->streams[0]), w->streams[0].len);
  cli_json_bytes(&json, "stderr", "stderr_encoding", cli_buf_str(&w->streams[1]), w->streams[1].len);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static cli_exit memo_run(const cli_call *call, const memo_args *args, larder_ns *ns) {
  written w = {.gathers = call->globals->json, .most = args->stream_bytes_max};
  larder_error error = {0};
  larder_memo_result result = {0};
  const larder_memo_options how = {.size = sizeof how,
                                   .argv = (const char *const *)args->command.items,
                                   .folder = args->folder,
                                   .inputs = args->inputs.items,
                                   .inputs_count = args->inputs.count,
                                   .outputs = args->outputs.items,
                                   .outputs_count = args->outputs.count,
                                   .environment = args->environment.items,
                                   .environment_count = args->environment.count,
                                   .ttl_ms = args->ttl_ms,
                                   .timeout_ms = args->timeout_ms,
                                   .stream_bytes_max = args->stream_bytes_max,
                                   .any_folder = args->any_folder,
                                   .failures = args->failures,
                                   .fresh = args->fresh,
                                   .take = take,
                                   .context = &w,
                                   .signals = cli_signals_catch()};
  larder_err done = larder_memo(ns, &how, &result, &error);
  cli_exit code = CLI_DONE;
  if (done != LARDER_OK) {
    code = cli_refuse_result(call, done, &error, "cannot run the command");
  } else {
    if (call->globals->json) told_json(&result, &w);
    /* That a failure is not kept is what one expects. */
    if (!result.kept && result.why[0] != '\0' && (result.exit_code == 0 || result.exit_code > LARDER_EXIT_TIMED_OUT - 1))
      cli_note(call, "larder: %s: %s", args->command.items[0], result.why);
    code = (cli_exit)result.exit_code;
  }
  cli_buf_fini(&w.streams[0]);
  cli_buf_fini(&w.streams[1]);
  return code;
}

static cli_exit run(const cli_call *call, void *given) {
  const memo_args *args = given;
  larder *cache = cli_open_or_without(call);
  cli_exit code = memo_run(call, args, cli_ns_or_without(call, cache, args->ns));
  /* A flush that fails is the cache's fault, and the command has had its say. */
  if (larder_close(&cache) < 0) cli_note(call, "larder: warning: the cache was not closed cleanly");
  return code;
}

const cli_command cli_command_memo = {
    .name = "memo",
    .summary = "Run a command once, and give its recorded result from then on.",
    .text =
        "The same command line in the same folder, with the same contents of the input files and the same values of the "
        "variables that are asked for, gives the recorded output, exit code and output files at once, byte for byte. Only what "
        "is named counts: a file that is read but not named with --input does not.\n\n"
        "Only results with exit code 0 are kept. Callers of the same at the same time, anywhere on the host, run it once "
        "and wait. The command's standard input is empty. The exit code is the command's; 124 when its time was up, 126 or "
        "127 when it could not be started, 128 and the number of the signal that ended it. Signals are passed on to it. "
        "Where the cache can't be opened the command runs all the same.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(memo_args),
    .run = run};
