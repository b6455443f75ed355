/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "file_io.h"
#include "session.h"
#include "usage.h"

#include <errno.h>
#include <larder/nearest.h>
#include <string.h>
#include <sys/stat.h>

typedef struct help_args {
  const char *command;
  bool man;
  const char *man_folder;
} help_args;

#define AT(field) offsetof(help_args, field)

static const cli_option options[] = {{"man", 0, CLI_FLAG, AT(man), NULL, NULL, NULL, "write the man page to standard output"},
                                     {"man-pages", 0, CLI_FOLDER, AT(man_folder), "DIR", NULL, NULL,
                                      "write all man pages into DIR, larder.1 and larder-COMMAND.1"},
                                     {0}};

static const cli_operand operands[] = {{"COMMAND", CLI_TEXT, AT(command), true, NULL, "the command; without it all of them"},
                                       {0}};

static const cli_example examples[] = {
    {"larder help put", "the same as `larder put --help`"}, {"larder help --man put | man -l -", "its man page"}, {0}};

static cli_exit page_write(const cli_call *call, const char *folder, const cli_command *command) {
  cli_buf path = {0};
  cli_buf page = {0};
  char why[256];
  cli_exit code = CLI_DONE;
  cli_buf_printf(&path, "%s/larder%s%s.1", folder, command != NULL ? "-" : "", command != NULL ? command->name : "");
  cli_manpage(command, &page);
  if (!cli_file_write(cli_buf_str(&path), cli_buf_str(&page), page.len, why, sizeof why))
    code = cli_refuse(call, CLI_FAILED, "check --man-pages", "cannot write %s: %s", cli_buf_str(&path), why);
  cli_buf_fini(&path);
  cli_buf_fini(&page);
  return code;
}

static cli_exit pages_write(const cli_call *call, const char *folder) {
  if (mkdir(folder, 0777) != 0 && errno != EEXIST)
    return cli_refuse(call, CLI_FAILED, "check --man-pages", "cannot make %s: %s", folder, strerror(errno));
  cli_exit code = page_write(call, folder, NULL);
  for (const cli_command *const *c = cli_commands; *c != NULL && code == CLI_DONE; c++) {
    if (!(*c)->hidden) code = page_write(call, folder, *c);
  }
  return code;
}

/* The list of commands for programs: name, summary and options. */
static void overview_json(void) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_array(&json, "commands");
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if ((*c)->hidden) continue;
    cli_json_object(&json, NULL);
    cli_json_text(&json, "name", (*c)->name);
    cli_json_text(&json, "summary", (*c)->summary);
    cli_json_array(&json, "operands");
    for (const cli_operand *o = (*c)->operands; o != NULL && o->name != NULL; o++) cli_json_text(&json, NULL, o->name);
    cli_json_array_end(&json);
    cli_json_array(&json, "options");
    for (const cli_option *o = (*c)->options; o != NULL && o->name != NULL; o++) {
      cli_json_text(&json, NULL, o->name);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static cli_exit run(const cli_call *call, void *given) {
  const help_args *args = given;
  if (args->man_folder != NULL) return pages_write(call, args->man_folder);
  const cli_command *command = args->command != NULL ? cli_command_find(args->command) : NULL;
  if (args->command != NULL && command == NULL) {
    char hint[480];
    larder_nearest nearest = {.wanted = args->command};
    for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
      if (!(*c)->hidden) larder_nearest_offer(&nearest, (*c)->name);
    }
    const char *best = larder_nearest_best(&nearest);
    snprintf(hint, sizeof hint, "%s%s%s`larder help` lists them all", best != NULL ? "did you mean " : "",
             best != NULL ? best : "", best != NULL ? "? " : "");
    return cli_refuse(call, CLI_USAGE, hint, "there is no command '%s'", args->command);
  }
  if (args->man) {
    cli_buf page = {0};
    cli_manpage(command, &page);
    fwrite(cli_buf_str(&page), 1, page.len, stdout);
    cli_buf_fini(&page);
  } else if (call->globals->json) {
    overview_json();
  } else if (command != NULL) {
    cli_help_command(command, stdout);
  } else {
    cli_help_overview(stdout);
  }
  return CLI_DONE;
}

const cli_command cli_command_help = {.name = "help",
                                      .summary = "Show help, or write man pages.",
                                      .options = options,
                                      .operands = operands,
                                      .examples = examples,
                                      .args_size = sizeof(help_args),
                                      .run = run};
