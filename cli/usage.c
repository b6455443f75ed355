/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"
#include "arguments.h"

#include <string.h>

const char *const cli_exit_texts[5] = {"done", "not found, or looked at and found invalid", "wrong usage",
                                       "the configuration is wrong", "the cache could not do it"};

#define HELP_COLUMN 26
#define HELP_WIDTH  92

void cli_synopsis(const cli_command *command, cli_buf *out) {
  cli_buf_printf(out, "larder %s", command->name);
  const char *rest = NULL;
  for (const cli_operand *o = command->operands; o != NULL && o->name != NULL; o++) {
    if (o->kind == CLI_REST) {
      rest = o->name;
    } else {
      cli_buf_printf(out, o->optional ? " [%s]" : " %s", o->name);
    }
  }
  if (cli_option_next(command->options, NULL) != NULL) cli_buf_text(out, " [OPTIONS]");
  if (rest != NULL) cli_buf_printf(out, " -- %s", rest);
}

void cli_option_form(const cli_option *option, cli_buf *out) {
  if (option->letter != 0) cli_buf_printf(out, "-%c, ", option->letter);
  cli_buf_printf(out, "--%s", option->name);
  if (option->kind != CLI_FLAG) cli_buf_printf(out, " %s", option->value);
}

/* Fills text into lines from `column` to the right edge; the first line stands where the cursor is. */
static void wrapped(FILE *stream, size_t column, const char *text) {
  size_t at = column;
  while (*text != '\0') {
    size_t word = strcspn(text, " \n");
    if (at > column && at + 1 + word > HELP_WIDTH) {
      fprintf(stream, "\n%*s", (int)column, "");
      at = column;
    } else if (at > column) {
      fputc(' ', stream);
      at++;
    }
    fwrite(text, 1, word, stream);
    at += word;
    text += word;
    if (text[0] == '\n' && text[1] == '\n') {
      fprintf(stream, "\n\n%*s", (int)column, "");
      at = column;
    }
    while (*text == ' ' || *text == '\n') text++;
  }
  fputc('\n', stream);
}

static void heading(FILE *stream, const char *text) {
  fprintf(stream, "\n%s%s%s\n", cli_style_on(stream, CLI_BOLD), text, cli_style_off(stream));
}

static void row(FILE *stream, const char *left, const char *right) {
  size_t width = cli_columns(left);
  fprintf(stream, "  %s", left);
  if (width + 4 > HELP_COLUMN) {
    fprintf(stream, "\n%*s", HELP_COLUMN, "");
  } else {
    fprintf(stream, "%*s", (int)(HELP_COLUMN - 2 - width), "");
  }
  wrapped(stream, HELP_COLUMN, right);
}

static void options_print(FILE *stream, const cli_option *table) {
  for (const cli_option *o = cli_option_next(table, NULL); o != NULL; o = cli_option_next(table, o)) {
    cli_buf form = {0};
    cli_buf says = {0};
    cli_option_form(o, &form);
    cli_buf_text(&says, o->summary);
    if (o->kind == CLI_CHOICE) cli_buf_printf(&says, " (%s)", o->choices);
    if (o->preset != NULL) cli_buf_printf(&says, " (default %s)", o->preset);
    row(stream, cli_buf_str(&form), cli_buf_str(&says));
    cli_buf_fini(&form);
    cli_buf_fini(&says);
  }
}

void cli_help_command(const cli_command *command, FILE *stream) {
  cli_buf synopsis = {0};
  cli_synopsis(command, &synopsis);
  fprintf(stream, "Usage: %s\n\n", cli_buf_str(&synopsis));
  cli_buf_fini(&synopsis);
  wrapped(stream, 0, command->summary);
  if (command->text != NULL) {
    fputc('\n', stream);
    wrapped(stream, 0, command->text);
  }
  if (command->operands != NULL) {
    heading(stream, "Arguments");
    for (const cli_operand *o = command->operands; o->name != NULL; o++) row(stream, o->name, o->summary);
  }
  if (cli_option_next(command->options, NULL) != NULL) {
    heading(stream, "Options");
    options_print(stream, command->options);
  }
  heading(stream, "Options of every command");
  options_print(stream, cli_global_options);
  const cli_words *words = command->words;
  const char *word;
  if (words != NULL) heading(stream, words->title);
  for (size_t n = 0; words != NULL && (word = words->word(n)) != NULL; n++) row(stream, word, words->says(word));
  heading(stream, "Examples");
  for (const cli_example *e = command->examples; e != NULL && e->line != NULL; e++) {
    fprintf(stream, "  %s\n      %s\n", e->line, e->says);
  }
}

void cli_help_overview(FILE *stream) {
  fputs("Larder keeps what was expensive to make.\n\nUsage: larder [OPTIONS] COMMAND [ARGUMENTS]\n", stream);
  heading(stream, "Commands");
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if (!(*c)->hidden) row(stream, (*c)->name, (*c)->summary);
  }
  heading(stream, "Options of every command");
  options_print(stream, cli_global_options);
  heading(stream, "Exit codes");
  for (int i = 0; i < 5; i++) fprintf(stream, "  %d  %s\n", i, cli_exit_texts[i]);
  fputs("  130, 143  broken off by Ctrl-C, by SIGTERM\n", stream);
  fputs("\n`larder tour` shows in a minute what Larder does; `larder COMMAND --help` has examples.\n", stream);
}
