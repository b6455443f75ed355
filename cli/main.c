/* SPDX-License-Identifier: Apache-2.0 */
/* larder: looks after a cache from the command line. */
#include "arguments.h"
#include "commands.h"
#include "progress_bar.h"
#include "session.h"
#include "usage.h"

#include <larder/nearest.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const cli_command *const cli_commands[] = {&cli_command_init,     &cli_command_get,           &cli_command_put,
                                           &cli_command_del,      &cli_command_exists,        &cli_command_ls,
                                           &cli_command_inspect,  &cli_command_versions,      &cli_command_rollback,
                                           &cli_command_health,   &cli_command_why,           &cli_command_stats,
                                           &cli_command_validate, &cli_command_export,        &cli_command_import,
                                           &cli_command_purge,    &cli_command_clear_expired, &cli_command_mission,
                                           &cli_command_memo,     &cli_command_warm,          &cli_command_refresh,
                                           &cli_command_wisdom,   &cli_command_simulate,      &cli_command_predict,
                                           &cli_command_keys,     &cli_command_config,        &cli_command_bench,
                                           &cli_command_tour,     &cli_command_tour_writer,   &cli_command_completion,
                                           &cli_command_help,     &cli_command_version,       NULL};

#define AT(field) offsetof(cli_globals, field)

const cli_option cli_global_options[] = {
    {"root", 0, CLI_FOLDER, AT(root), "DIR", NULL, NULL, "the cache's folder, instead of the configuration's"},
    {"config", 0, CLI_FILE, AT(config), "FILE", NULL, NULL, "the configuration file"},
    {"json", 0, CLI_FLAG, AT(json), NULL, NULL, NULL, "answer with one JSON document"},
    {"quiet", 'q', CLI_FLAG, AT(quiet), NULL, NULL, NULL, "only what was asked for: no headings, no remarks"},
    {"help", 'h', CLI_FLAG, AT(help), NULL, NULL, NULL, "show help and examples"},
    {0}};

const cli_command *cli_command_find(const char *name) {
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if (strcmp((*c)->name, name) == 0) return *c;
  }
  return NULL;
}

static cli_exit command_unknown(const cli_call *call, const char *name) {
  char hint[480];
  larder_nearest nearest = {.wanted = name};
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if (!(*c)->hidden) larder_nearest_offer(&nearest, (*c)->name);
  }
  const char *best = larder_nearest_best(&nearest);
  if (best != NULL) {
    snprintf(hint, sizeof hint, "did you mean `larder %s`? `larder --help` lists them all", best);
  } else {
    snprintf(hint, sizeof hint, "`larder --help` lists them all");
  }
  return cli_refuse(call, CLI_USAGE, hint, "there is no command '%s'", name);
}

static cli_exit command_run(cli_call *call, cli_globals *globals, int argc, char **argv) {
  cli_mistake mistake = {{0}, {0}};
  void *args = cli_alloc(call->command->args_size);
  cli_exit code = CLI_DONE;
  if (!cli_parse(call->command, argc, argv, globals, args, &mistake)) {
    code = cli_refuse(call, CLI_USAGE, mistake.hint, "%s", mistake.message);
  } else if (globals->help) {
    cli_help_command(call->command, stdout);
  } else {
    code = call->command->run(call, args);
  }
  free(args);
  return code;
}

/* A document is wanted also for a mistake that stands before --json. */
static bool json_is_wanted(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (strcmp(argv[i], "--json") == 0) return true;
  }
  return false;
}

static cli_exit start(cli_call *call, cli_globals *globals, int argc, char **argv) {
  cli_mistake mistake = {{0}, {0}};
  int used = 0;
  globals->json = json_is_wanted(argc, argv);
  if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) argv[1] = (char *)"version";
  if (!cli_parse_globals(argc - 1, argv + 1, globals, &used, &mistake))
    return cli_refuse(call, CLI_USAGE, mistake.hint, "%s", mistake.message);
  argc -= 1 + used;
  argv += 1 + used;
  if (argc == 0) {
    cli_help_overview(globals->help ? stdout : stderr);
    return globals->help ? CLI_DONE : CLI_USAGE;
  }
  call->command = cli_command_find(argv[0]);
  if (call->command == NULL) return command_unknown(call, argv[0]);
  return command_run(call, globals, argc - 1, argv + 1);
}

/* Whether standard output is a pipe that nobody reads any more. */
static bool reader_has_left(void) {
  struct pollfd out = {.fd = STDOUT_FILENO};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

int main(int argc, char **argv) {
  setlocale(LC_CTYPE, "");
  cli_warm_options_fill();
  signal(SIGPIPE, SIG_IGN); /* a reader that leaves early must not leave the cache unflushed */
  cli_globals globals = {0};
  cli_call call = {.globals = &globals, .self = argv[0]};
  cli_exit code = start(&call, &globals, argc, argv);
  /* A reader that had enough is no failure. Which errno an earlier write met is not known here any more. */
  if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_DONE && !reader_has_left())
    code = cli_refuse(&call, CLI_FAILED, "is there room where it goes?", "cannot write the output");
  return cli_exit_number(code);
}
