/* SPDX-License-Identifier: Apache-2.0 */
#include "arguments.h"

#include "cli_text.h"
#include "cli_units.h"
#include <larder/nearest.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* One way through the arguments. */
typedef struct parse {
  const cli_command *command; /* NULL while only global options count */
  char **argv;
  int argc;
  int at;
  cli_globals *globals;
  void *args;
  size_t operands;
  cli_mistake *mistake;
} parse;

static bool LARDER_PRINTF(3, 4) mistake_set(cli_mistake *mistake, const char *hint, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(mistake->message, sizeof mistake->message, format, args);
  va_end(args);
  snprintf(mistake->hint, sizeof mistake->hint, "%s", hint);
  return false;
}

static bool choice_has(const char *choices, const char *text) {
  size_t len = strlen(text);
  for (const char *at = choices; *at != '\0';) {
    size_t word = strcspn(at, " ");
    if (word == len && strncmp(at, text, len) == 0) return true;
    at += word;
    while (*at == ' ') at++;
  }
  return false;
}

static void choice_hint(const char *choices, const char *text, char *hint, size_t room) {
  larder_nearest nearest = {.wanted = text};
  char all[200];
  size_t len = 0;
  for (const char *at = choices; *at != '\0';) {
    char word[32];
    size_t word_len = strcspn(at, " ");
    snprintf(word, sizeof word, "%.*s", (int)word_len, at);
    larder_nearest_offer(&nearest, word);
    len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", len > 0 ? ", " : "", word);
    at += word_len;
    while (*at == ' ') at++;
  }
  const char *best = larder_nearest_best(&nearest);
  if (best != NULL) {
    snprintf(hint, room, "did you mean %s? It is one of: %s", best, all);
  } else {
    snprintf(hint, room, "it is one of: %s", all);
  }
}

/* Reads one value into its field; name is how a mistake calls it. */
static bool value_read(const cli_option *option, const char *name, const char *text, void *args, cli_mistake *mistake) {
  char hint[480];
  void *field = (char *)args + option->at;
  switch (option->kind) {
  case CLI_FLAG:
    *(bool *)field = true;
    return true;
  case CLI_TEXT:
  case CLI_FILE:
  case CLI_FOLDER:
    *(const char **)field = text;
    return true;
  case CLI_CHOICE:
    if (!choice_has(option->choices, text)) {
      choice_hint(option->choices, text, hint, sizeof hint);
      return mistake_set(mistake, hint, "%s cannot be '%s'", name, text);
    }
    *(const char **)field = text;
    return true;
  case CLI_COUNT:
    if (cli_parse_count(text, field)) return true;
    return mistake_set(mistake, "give a whole number, such as 20", "%s cannot be '%s'", name, text);
  case CLI_SIZE:
    if (cli_parse_size(text, field)) return true;
    return mistake_set(mistake, "give a size, such as 4096, 64KiB or 10MB", "%s cannot be '%s'", name, text);
  case CLI_DURATION:
    if (option->choices != NULL && strcmp(text, "never") == 0) {
      *(int64_t *)field = LARDER_TTL_NEVER;
      return true;
    }
    if (cli_parse_duration(text, field)) return true;
    return mistake_set(mistake,
                       option->choices != NULL ? "give a time with its unit, such as 90s, 15m, 12h, 30d, or never"
                                               : "give a time with its unit, such as 90s, 15m, 12h or 30d",
                       "%s cannot be '%s'", name, text);
  case CLI_RATE:
    if (cli_parse_rate(text, field)) return true;
    return mistake_set(mistake, "give a number for a time, such as 5/s, 300/min or 1000/h", "%s cannot be '%s'", name, text);
  case CLI_DATE:
    if (cli_parse_date(text, cli_wall_ms(), field)) return true;
    return mistake_set(mistake, "give a date such as 2026-11-21 or 2026-11-21T18:00:00Z, or an age such as 30d",
                       "%s cannot be '%s'", name, text);
  case CLI_LIST: {
    cli_list *list = field;
    if (list->count == CLI_LIST_MAX) return mistake_set(mistake, "256 are the most", "%s is given too often", name);
    list->items[list->count++] = text;
    return true;
  }
  case CLI_REST: /* taken at once, by rest_take */
    break;
  }
  return false;
}

const cli_option *cli_option_next(const cli_option *table, const cli_option *at) {
  const cli_option *next = at == NULL ? table : at + 1;
  return next == NULL || next->name == NULL ? NULL : next;
}

static bool option_read(const cli_option *option, const char *text, void *args, cli_mistake *mistake) {
  char name[48];
  snprintf(name, sizeof name, "--%s", option->name);
  return value_read(option, name, text, args, mistake);
}

static const cli_option *option_find(const cli_option *table, const char *name, size_t len, char letter) {
  for (const cli_option *o = cli_option_next(table, NULL); o != NULL; o = cli_option_next(table, o)) {
    if (letter != 0 ? o->letter == letter : strlen(o->name) == len && strncmp(o->name, name, len) == 0) return o;
  }
  return NULL;
}

static const cli_option *option_of_call(parse *p, const char *name, size_t len, char letter, void **args_out) {
  const cli_option *option = NULL;
  *args_out = p->args;
  if (p->command != NULL) option = option_find(p->command->options, name, len, letter);
  if (option == NULL) {
    *args_out = p->globals;
    option = option_find(cli_global_options, name, len, letter);
  }
  return option;
}

static bool option_unknown(parse *p, const char *argument) {
  char hint[480];
  larder_nearest nearest = {.wanted = argument + strspn(argument, "-")};
  const cli_option *tables[] = {p->command != NULL ? p->command->options : NULL, cli_global_options};
  for (size_t i = 0; i < 2; i++) {
    for (const cli_option *o = cli_option_next(tables[i], NULL); o != NULL; o = cli_option_next(tables[i], o)) {
      larder_nearest_offer(&nearest, o->name);
    }
  }
  const char *command = p->command != NULL ? p->command->name : "";
  const char *gap = p->command != NULL ? " " : "";
  const char *best = larder_nearest_best(&nearest);
  if (best != NULL) {
    snprintf(hint, sizeof hint, "did you mean --%s? `larder %s%s--help` lists them all", best, command, gap);
  } else {
    snprintf(hint, sizeof hint, "`larder %s%s--help` lists them all; put -- before what is no option", command, gap);
  }
  return mistake_set(p->mistake, hint, "there is no option %s", argument);
}

/* --name, --name=value, --name value, -o value, -ovalue, -o=value */
static bool option_take(parse *p) {
  const char *argument = p->argv[p->at];
  bool is_long = argument[1] == '-';
  const char *name = argument + 2;
  size_t len = strcspn(name, "=");
  void *args = NULL;
  const cli_option *option = option_of_call(p, name, len, is_long ? 0 : argument[1], &args);
  if (option == NULL) {
    char cut[80];
    snprintf(cut, sizeof cut, "%.*s", is_long ? (int)len + 2 : 2, argument);
    return option_unknown(p, cut);
  }
  const char *value = is_long ? (name[len] == '=' ? name + len + 1 : NULL) : (name[0] == '=' ? name + 1 : name);
  if (!is_long && name[0] == '\0') value = NULL;
  p->at++;
  if (option->kind == CLI_FLAG) {
    if (value == NULL) return option_read(option, "", args, p->mistake);
    return mistake_set(p->mistake, "leave out what follows it", "--%s takes no value, but got '%s'", option->name, value);
  }
  if (value == NULL) {
    if (p->at >= p->argc) {
      char hint[480];
      snprintf(hint, sizeof hint, "write --%s %s", option->name, option->value);
      return mistake_set(p->mistake, hint, "--%s needs a value", option->name);
    }
    value = p->argv[p->at++];
  }
  return option_read(option, value, args, p->mistake);
}

/* Everything from here on, where the next operand is one that takes it. */
static bool rest_take(parse *p) {
  const cli_operand *operand = p->command->operands != NULL ? &p->command->operands[p->operands] : NULL;
  if (operand == NULL || operand->name == NULL || operand->kind != CLI_REST || p->at >= p->argc) return false;
  *(cli_rest *)((char *)p->args + operand->at) = (cli_rest){.items = p->argv + p->at, .count = (size_t)(p->argc - p->at)};
  p->operands++;
  p->at = p->argc;
  return true;
}

static bool operand_take(parse *p, const char *text) {
  size_t count = 0;
  while (p->command->operands != NULL && p->command->operands[count].name != NULL) count++;
  if (p->operands < count && p->command->operands[p->operands].kind == CLI_REST) {
    char hint[480];
    snprintf(hint, sizeof hint, "write `larder %s [OPTIONS] -- %s`", p->command->name, text);
    return mistake_set(p->mistake, hint, "what is run stands behind --, so that its options are its own");
  }
  if (p->operands >= count) {
    char hint[480];
    snprintf(hint, sizeof hint, "`larder %s --help` shows the form; quote what has blanks in it", p->command->name);
    return mistake_set(p->mistake, hint, "'%s' is one argument too many", text);
  }
  const cli_operand *operand = &p->command->operands[p->operands];
  if (operand->kind != CLI_LIST) p->operands++; /* a list takes all that follow */
  cli_option as_option = {.name = operand->name, .kind = operand->kind, .at = operand->at, .choices = operand->choices};
  return value_read(&as_option, operand->name, text, p->args, p->mistake);
}

static bool presets_read(const cli_option *table, void *args, cli_mistake *mistake) {
  for (const cli_option *o = cli_option_next(table, NULL); o != NULL; o = cli_option_next(table, o)) {
    if (o->preset != NULL && !option_read(o, o->preset, args, mistake)) return false;
  }
  return true;
}

bool cli_parse_globals(int argc, char **argv, cli_globals *globals, int *used_out, cli_mistake *mistake) {
  parse p = {.argv = argv, .argc = argc, .globals = globals, .mistake = mistake};
  while (p.at < argc && argv[p.at][0] == '-' && argv[p.at][1] != '\0' && strcmp(argv[p.at], "--") != 0) {
    if (!option_take(&p)) return false;
  }
  *used_out = p.at;
  return true;
}

bool cli_parse(const cli_command *command, int argc, char **argv, cli_globals *globals, void *args, cli_mistake *mistake) {
  parse p = {.command = command, .argv = argv, .argc = argc, .globals = globals, .args = args, .mistake = mistake};
  bool options_over = false;
  if (!presets_read(command->options, args, mistake)) return false;
  while (p.at < argc) {
    const char *argument = argv[p.at];
    bool ok = true;
    if (!options_over && strcmp(argument, "--") == 0) {
      options_over = true;
      p.at++;
      (void)rest_take(&p);
    } else if (!options_over && argument[0] == '-' && argument[1] != '\0') {
      ok = option_take(&p);
    } else {
      p.at++;
      ok = operand_take(&p, argument);
    }
    if (!ok) return false;
  }
  if (globals->help) return true;
  const cli_operand *next = command->operands != NULL ? &command->operands[p.operands] : NULL;
  bool some = next != NULL && next->kind == CLI_LIST && ((const cli_list *)((char *)args + next->at))->count > 0;
  if (next != NULL && next->name != NULL && !next->optional && !some) {
    char hint[480];
    snprintf(hint, sizeof hint, "`larder %s --help` shows the form and examples", command->name);
    return mistake_set(mistake, hint, "%s is missing: %s", next->name, next->summary);
  }
  return true;
}
