/* SPDX-License-Identifier: Apache-2.0 */
/* predict: chains learned from files of sessions, judged, and asked. */
#include "commands.h"
#include "predict_call.h"
#include "session.h"

#include <string.h>

#define AT(field) offsetof(cli_predict_args, field)

static const cli_option options[] = {
    {"model", 'm', CLI_FILE, AT(model), "FILE", NULL, NULL, "the file that train writes and the others read"},
    {"use", 'u', CLI_CHOICE, AT(use), "CHAIN", "blend first second context", NULL, "which chain answers; blend without it"},
    {"top", 'n', CLI_COUNT, AT(top), "N", NULL, "5", "next: show so many, at most 64"},
    {"path", 0, CLI_COUNT, AT(path), "N", NULL, NULL, "next: roll out the most probable way on, up to N steps"},
    {"user-type", 0, CLI_TEXT, AT(user_type), "NAME", NULL, NULL, "next: who asks"},
    {"at", 0, CLI_DATE, AT(at_ms), "DATE", NULL, NULL, "next: when"},
    {"folds", 'k', CLI_COUNT, AT(folds), "K", NULL, "5",
     "eval without --model: sessions are dealt out to K folds, each judged by what the others teach; 2 to 20"},
    {"rows", 0, CLI_COUNT, AT(rows), "N", NULL, "10", "eval: show so many endpoints and contexts; 0: all"},
    {"plot", 0, CLI_FILE, AT(plot), "FILE", NULL, NULL, "eval: draw hits and calibration into an SVG file"},
    {"add", 0, CLI_FLAG, AT(add), NULL, NULL, NULL, "train: go on with what the file has"},
    {"text", 0, CLI_FLAG, AT(text), NULL, NULL, NULL, "train: write JSON instead of the binary form"},
    {"endpoints", 0, CLI_COUNT, AT(endpoints), "N", NULL, NULL, "learning: known at a time (4096)"},
    {"states", 0, CLI_COUNT, AT(states), "N", NULL, NULL, "learning: pasts that are remembered (32768)"},
    {"order", 0, CLI_COUNT, AT(order), "N", NULL, NULL, "learning: endpoints back that are looked at, 1 or 2 (2)"},
    {"no-contexts", 0, CLI_FLAG, AT(no_contexts), NULL, NULL, NULL, "learning: who asks and when does not matter"},
    {"smoothing", 0, CLI_TEXT, AT(smoothing), "X", NULL, NULL, "learning: added to each count (0.01)"},
    {"age-at", 0, CLI_COUNT, AT(age_at), "N", NULL, NULL, "learning: counts of a past are halved at so many (1024)"},
    {"pattern", 0, CLI_TEXT, AT(pattern), "RULES", NULL, NULL,
     "learning: what is taken out of endpoints, such as 'id=# order=o-#{4}'; '' for nothing"},
    {"utc-offset", 0, CLI_TEXT, AT(utc_offset), "MINUTES", NULL, NULL, "learning: of the users' clock"},
    {0}};

static const cli_operand operands[] = {{"ACTION", CLI_CHOICE, AT(action), false, "train eval next",
                                        "train: learn from files; eval: say how well that works; next: ask what comes"},
                                       {"WHAT...", CLI_LIST, AT(words), true, NULL,
                                        "train, eval: files of sessions, JSON Lines, also packed by zstd or gzip, - for "
                                        "standard input; next: the endpoints that were "
                                        "asked for last, in their order"},
                                       {0}};

static const cli_example examples[] = {
    {"larder predict train monday.jsonl tuesday.jsonl.zst --model shop.lrd", "learns both days"},
    {"larder predict train wednesday.jsonl --model shop.lrd --add", "and one more"},
    {"larder predict eval *.jsonl --folds 10 --plot shop.svg", "how well it would have guessed, drawn"},
    {"larder predict eval thursday.jsonl --model shop.lrd", "how well it guesses what it has not seen"},
    {"larder predict next --model shop.lrd /users/12 /cart --user-type member", "what comes after these two"},
    {0}};

static cli_exit run(const cli_call *call, void *given) {
  const cli_predict_args *args = given;
  bool next = strcmp(args->action, "next") == 0, train = strcmp(args->action, "train") == 0;
  if (!next && args->words.count == 0)
    return cli_refuse(call, CLI_USAGE, "`larder predict --help` has examples", "%s needs files of sessions", args->action);
  if ((next || train) && args->model == NULL)
    return cli_refuse(call, CLI_USAGE, "give --model FILE", "%s needs the file of a model", args->action);
  if (next) return cli_predict_next(call, args);
  return train ? cli_predict_train(call, args) : cli_predict_eval(call, args);
}

const cli_command cli_command_predict = {
    .name = "predict",
    .summary = "Learn from sessions what is asked for next, and judge it.",
    .text =
        "Chains over endpoints: what followed the last one (first), the last two (second), the last one for such a user at "
        "such a "
        "time (context), or all of it as far as there is evidence (blend). Numbers and the like are taken out of endpoints, so "
        "that /users/1 and /users/2 are one (docs/prediction.md).\n\n"
        "A file is JSON Lines of sessions {\"session\": \"s\", \"user_type\": \"member\", \"requests\": [{\"endpoint\": "
        "\"/a\", "
        "\"at\": 1764150000}, \"/b\"]} or of requests {\"session\": \"s\", \"endpoint\": \"/a\"}. It opens no cache.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(cli_predict_args),
    .run = run};
