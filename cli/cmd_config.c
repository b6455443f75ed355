/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "session.h"

#include <larder/config.h>
#include <string.h>

typedef struct config_args {
  const char *action;
  const char *file;
} config_args;

#define AT(field) offsetof(config_args, field)

static const cli_operand operands[] = {
    {"ACTION", CLI_CHOICE, AT(action), false, "check show schema reference",
     "check: list every mistake and notice; show: what is in force, secrets hidden; schema: JSON Schema; reference: all "
     "options"},
    {"FILE", CLI_FILE, AT(file), true, NULL, "the file; without it --config, or the usual places"},
    {0}};

static const cli_example examples[] = {{"larder config check larder.yaml", "every mistake with its line and column"},
                                       {"larder config show", "the configuration that is in force here"},
                                       {"larder config schema > larder.schema.json", "for an editor that checks as you type"},
                                       {0}};

typedef struct checking {
  const cli_call *call;
  cli_json json;
  const char *mark; /* what stands before a message for people */
  uint64_t count;
} checking;

static void place_visit(void *context, const larder_config_mistake *mistake) {
  checking *c = context;
  const char *file = mistake->file != NULL && mistake->file[0] != '\0' ? mistake->file : "configuration";
  c->count++;
  if (c->call->globals->json) {
    cli_json_object(&c->json, NULL);
    cli_json_text(&c->json, "file", file);
    cli_json_int(&c->json, "line", mistake->line);
    cli_json_int(&c->json, "column", mistake->column);
    cli_json_text(&c->json, "message", mistake->message);
    cli_json_object_end(&c->json);
  } else {
    printf("%s%s:%d:%d:%s %s%s\n", cli_style_on(stdout, CLI_BOLD), file, mistake->line, mistake->column, cli_style_off(stdout),
           c->mark, mistake->message);
  }
}

static void check_told(const cli_call *call, larder_err result, const char *file, uint64_t mistakes, uint64_t notices) {
  char also[64] = "";
  if (notices > 0) snprintf(also, sizeof also, ", with %u %s", (unsigned)notices, cli_plural(notices, "notice", "notices"));
  if (result == LARDER_MISS) {
    cli_note(call, "there is no configuration file; the defaults are in force");
  } else if (result == LARDER_OK) {
    cli_note(call, "%s is valid%s", file != NULL ? file : "it", also);
  } else {
    cli_note(call, "%u %s%s; `larder config reference` lists what is understood", (unsigned)mistakes,
             cli_plural(mistakes, "mistake", "mistakes"), also);
  }
}

static cli_exit check(const cli_call *call, const char *file) {
  checking c = {.call = call, .mark = ""};
  larder_error error = {0};
  char *found = NULL;
  cli_json_init(&c.json, stdout);
  cli_json_object(&c.json, NULL);
  cli_json_array(&c.json, "mistakes");
  larder_err result = larder_config_check(file, place_visit, &c, &found, &error);
  uint64_t mistakes = c.count;
  bool valid = result == LARDER_OK || result == LARDER_MISS;
  bool checked = valid || (result == LARDER_ECONFIG && mistakes > 0);
  cli_json_array_end(&c.json);
  cli_json_array(&c.json, "notices");
  c.mark = "notice: ";
  if (checked && found != NULL) {
    larder_err noted = larder_config_notices(found, place_visit, &c, &error);
    if (noted != LARDER_OK) {
      checked = false;
      result = noted;
    }
  }
  cli_json_array_end(&c.json);
  cli_json_text(&c.json, "file", found);
  cli_json_bool(&c.json, "valid", valid);
  cli_json_object_end(&c.json);
  cli_exit code = valid ? CLI_DONE : CLI_CONFIG;
  if (checked && call->globals->json) {
    cli_json_end(&c.json);
  } else {
    cli_buf_fini(&c.json.text);
  }
  if (checked) {
    check_told(call, result, found, mistakes, c.count - mistakes);
  } else {
    cli_refuse_result(call, result, &error, "cannot check the configuration");
    code = CLI_CONFIG;
  }
  larder_text_free(found);
  return code;
}

static cli_exit text_write(const cli_call *call, larder_err result, char *text, const larder_error *error, const char *name) {
  if (result < 0) {
    cli_exit code = cli_refuse_result(call, result, error, "cannot read the configuration");
    larder_text_free(text);
    return code;
  }
  size_t len = strlen(text);
  if (name != NULL) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, name, text);
    cli_json_object_end(&json);
    cli_json_end(&json);
  } else {
    fwrite(text, 1, len, stdout);
    if (len > 0 && text[len - 1] != '\n') putchar('\n');
  }
  larder_text_free(text);
  return CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  const config_args *args = given;
  larder_error error = {0};
  char *text = NULL;
  const char *file = args->file != NULL ? args->file : call->globals->config;
  bool json = call->globals->json;
  if (args->file != NULL && call->globals->config != NULL)
    return cli_refuse(call, CLI_USAGE, "leave one of them out", "the file is named twice: %s and --config %s", args->file,
                      call->globals->config);
  if (strcmp(args->action, "check") == 0) return check(call, file);
  if (strcmp(args->action, "show") == 0) {
    larder_err result = larder_config_show(file, json, &text, &error);
    if (result >= 0 && call->globals->root != NULL) cli_note(call, "other commands use --root %s", call->globals->root);
    return text_write(call, result, text, &error, NULL);
  }
  if (file != NULL && args->file != NULL)
    return cli_refuse(call, CLI_USAGE, "leave FILE out", "config %s speaks of no file", args->action);
  bool schema = strcmp(args->action, "schema") == 0;
  larder_err result = schema ? larder_config_schema(&text) : larder_config_reference(&text);
  return text_write(call, result, text, &error, json && !schema ? "markdown" : NULL);
}

const cli_command cli_command_config = {
    .name = "config",
    .summary = "Check or show the configuration.",
    .text = "`check` leaves with code 3 when there is a mistake; a notice, of what is accepted but not carried out, is none. "
            "The configuration is looked for in --config, the environment's "
            "LARDER_CONFIG, ./larder.yaml and $XDG_CONFIG_HOME/larder/larder.yaml.",
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(config_args),
    .run = run};
