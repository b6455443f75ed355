/* SPDX-License-Identifier: Apache-2.0 */
/* Completion scripts from the tables of the commands. */
#include "arguments.h"
#include "commands.h"
#include "session.h"

#include <string.h>

typedef struct completion_args {
  const char *shell;
} completion_args;

#define AT(field) offsetof(completion_args, field)

static const cli_operand operands[] = {{"SHELL", CLI_CHOICE, AT(shell), false, "bash zsh fish", "bash, zsh or fish"}, {0}};

static const cli_example examples[] = {
    {"larder completion bash > ~/.local/share/bash-completion/completions/larder", "for bash"},
    {"larder completion fish > ~/.config/fish/completions/larder.fish", "for fish"},
    {"larder completion zsh > \"${fpath[1]}/_larder\"", "for zsh"},
    {0}};

static bool shown(const cli_command *command) { return !command->hidden; }

static void names_bash(const cli_option *table) {
  for (const cli_option *o = cli_option_next(table, NULL); o != NULL; o = cli_option_next(table, o)) {
    printf(" --%s", o->name);
  }
}

/* What may follow an option, as a case of the word before the cursor. */
static void values_bash(const cli_option *table) {
  for (const cli_option *o = cli_option_next(table, NULL); o != NULL; o = cli_option_next(table, o)) {
    if (o->kind == CLI_CHOICE)
      printf("    --%s) COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", o->name, o->choices);
    if (o->kind == CLI_FILE) printf("    --%s) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", o->name);
    if (o->kind == CLI_FOLDER) printf("    --%s) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n", o->name);
  }
}

static void operands_bash(const cli_command *command) {
  for (const cli_operand *o = command->operands; o != NULL && o->name != NULL; o++) {
    if (o->kind == CLI_CHOICE) printf(" %s", o->choices);
  }
}

static void write_bash(void) {
  puts("# bash completion for larder\n"
       "_larder() {\n"
       "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" command='' i\n"
       "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
       "    case \"${COMP_WORDS[i]}\" in\n"
       "    --root | --config) ((i++)) ;;\n"
       "    -*) ;;\n"
       "    *) command=\"${COMP_WORDS[i]}\"; break ;;\n"
       "    esac\n"
       "  done\n"
       "  case \"$command:$before\" in");
  for (const cli_option *o = cli_option_next(cli_global_options, NULL); o != NULL; o = cli_option_next(cli_global_options, o)) {
    if (o->kind == CLI_FILE) printf("  *:--%s) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", o->name);
    if (o->kind == CLI_FOLDER) printf("  *:--%s) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n", o->name);
  }
  puts("  esac\n  local names=''\n  case \"$command\" in");
  printf("  '') names='");
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if (shown(*c)) printf("%s ", (*c)->name);
  }
  puts("' ;;");
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if (!shown(*c)) continue;
    printf("  %s)\n    case \"$before\" in\n", (*c)->name);
    values_bash((*c)->options);
    printf("    esac\n    names='");
    operands_bash(*c);
    names_bash((*c)->options);
    puts("' ;;");
  }
  printf("  esac\n  names+='");
  names_bash(cli_global_options);
  puts("'\n"
       "  COMPREPLY=($(compgen -W \"$names\" -- \"$word\"))\n"
       "  if [[ $word != -* && -n $command ]]; then COMPREPLY+=($(compgen -f -- \"$word\")); fi\n"
       "}\n"
       "complete -o filenames -F _larder larder");
}

/* Text inside single quotes and square brackets of zsh's _arguments. */
static void text_zsh(const char *text) {
  for (; *text != '\0'; text++) {
    if (*text == '\'') {
      fputs("'\\''", stdout);
    } else {
      if (strchr("[]:\\", *text) != NULL) putchar('\\');
      putchar(*text);
    }
  }
}

static void value_zsh(cli_kind kind, const char *name, const char *choices) {
  fputc(':', stdout);
  text_zsh(name);
  if (kind == CLI_CHOICE) {
    printf(":(%s)", choices);
  } else if (kind == CLI_FILE) {
    fputs(":_files", stdout);
  } else if (kind == CLI_FOLDER) {
    fputs(":_files -/", stdout);
  } else {
    fputs(": ", stdout);
  }
}

static void options_zsh(const cli_option *table) {
  for (const cli_option *o = cli_option_next(table, NULL); o != NULL; o = cli_option_next(table, o)) {
    printf(" \\\n        '%s--%s[", o->kind == CLI_LIST ? "*" : "", o->name);
    text_zsh(o->summary);
    putchar(']');
    if (o->kind != CLI_FLAG) value_zsh(o->kind, o->value, o->choices);
    putchar('\'');
  }
}

static void write_zsh(void) {
  puts("#compdef larder\n_larder() {\n  local context state line\n  typeset -A opt_args\n  local -a commands\n  commands=(");
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if (!shown(*c)) continue;
    printf("    '%s:", (*c)->name);
    text_zsh((*c)->summary);
    puts("'");
  }
  fputs("  )\n  _arguments -C", stdout);
  options_zsh(cli_global_options);
  puts(" \\\n        '1:command:->command' '*::argument:->argument'\n"
       "  case $state in\n  command) _describe command commands ;;\n  argument)\n    case $line[1] in");
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if (!shown(*c)) continue;
    printf("    %s)\n      _arguments", (*c)->name);
    options_zsh(cli_global_options);
    options_zsh((*c)->options);
    for (const cli_operand *o = (*c)->operands; o != NULL && o->name != NULL; o++) {
      if (o->kind == CLI_REST) {
        printf(" \\\n        '*::%s:_normal'", o->name);
        continue;
      }
      if (o->kind == CLI_LIST) {
        printf(" \\\n        '*:%s:_files'", o->name);
        continue;
      }
      printf(" \\\n        '%s", o->optional ? ":" : "");
      value_zsh(o->kind, o->name, o->choices);
      putchar('\'');
    }
    puts(" ;;");
  }
  puts("    esac ;;\n  esac\n}\n_larder \"$@\"");
}

static void text_fish(const char *text) {
  putchar('\'');
  for (; *text != '\0'; text++) {
    if (*text == '\'' || *text == '\\') putchar('\\');
    putchar(*text);
  }
  putchar('\'');
}

static void options_fish(const cli_option *table, const char *command) {
  for (const cli_option *o = cli_option_next(table, NULL); o != NULL; o = cli_option_next(table, o)) {
    fputs("complete -c larder", stdout);
    if (command != NULL) printf(" -n '__fish_seen_subcommand_from %s'", command);
    if (o->letter != 0) printf(" -s %c", o->letter);
    printf(" -l %s", o->name);
    if (o->kind != CLI_FLAG) fputs(o->kind == CLI_FILE || o->kind == CLI_FOLDER ? " -rF" : " -x", stdout);
    if (o->kind == CLI_CHOICE) printf(" -a '%s'", o->choices);
    fputs(" -d ", stdout);
    text_fish(o->summary);
    putchar('\n');
  }
}

static void write_fish(void) {
  puts("# fish completion for larder\ncomplete -c larder -f");
  options_fish(cli_global_options, NULL);
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if (!shown(*c)) continue;
    printf("complete -c larder -n __fish_use_subcommand -a %s -d ", (*c)->name);
    text_fish((*c)->summary);
    putchar('\n');
    options_fish((*c)->options, (*c)->name);
    for (const cli_operand *o = (*c)->operands; o != NULL && o->name != NULL; o++) {
      if (o->kind == CLI_CHOICE)
        printf("complete -c larder -n '__fish_seen_subcommand_from %s' -a '%s'\n", (*c)->name, o->choices);
      if (o->kind == CLI_FILE || o->kind == CLI_LIST)
        printf("complete -c larder -n '__fish_seen_subcommand_from %s' -F\n", (*c)->name);
    }
  }
}

static cli_exit run(const cli_call *call, void *given) {
  const completion_args *args = given;
  if (call->globals->json)
    return cli_refuse(call, CLI_USAGE, "leave --json out", "a completion script is a program for the shell, no document");
  if (strcmp(args->shell, "bash") == 0) {
    write_bash();
  } else if (strcmp(args->shell, "zsh") == 0) {
    write_zsh();
  } else {
    write_fish();
  }
  return CLI_DONE;
}

const cli_command cli_command_completion = {.name = "completion",
                                            .summary = "Write a completion script for a shell.",
                                            .operands = operands,
                                            .examples = examples,
                                            .args_size = sizeof(completion_args),
                                            .run = run};
