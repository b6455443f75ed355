/* SPDX-License-Identifier: Apache-2.0 */
#include "arguments.h"
#include "usage.h"

#include <ctype.h>
#include <string.h>

/* A fixed date: the same source gives the same page. */
#define MAN_DATE "2026-11-21"

#define MAN_WIDTH 76u

/* Text as roff takes it: backslashes and dashes escaped, lines broken at blanks, none beginning with a control character. */
static void roff(cli_buf *out, const char *text) {
  size_t column = 0;
  for (const char *at = text; *at != '\0'; at++) {
    bool begins = column == 0;
    column++;
    if (at[0] == '\n' && at[1] == '\n') {
      cli_buf_text(out, "\n.PP\n");
      column = 0;
      at++;
    } else if (at[0] == ' ' && column + strcspn(at + 1, " \n") > MAN_WIDTH) {
      cli_buf_text(out, "\n");
      column = 0;
    } else if (at[0] == '\\') {
      cli_buf_text(out, "\\e");
    } else if (at[0] == '-') {
      cli_buf_text(out, "\\-");
    } else if ((at[0] == '.' || at[0] == '\'') && begins) {
      cli_buf_printf(out, "\\&%c", at[0]);
    } else {
      cli_buf_add(out, at, 1);
    }
  }
}

/* A summary without its full stop, as the line of names wants it. */
static void roff_phrase(cli_buf *out, const char *text) {
  char phrase[160];
  snprintf(phrase, sizeof phrase, "%s", text);
  size_t len = strlen(phrase);
  if (len > 0 && phrase[len - 1] == '.') phrase[len - 1] = '\0';
  roff(out, phrase);
}

static void section(cli_buf *out, const char *name) { cli_buf_printf(out, ".SH %s\n", name); }

static void options_write(cli_buf *out, const cli_option *table) {
  for (const cli_option *o = cli_option_next(table, NULL); o != NULL; o = cli_option_next(table, o)) {
    cli_buf_text(out, ".TP\n");
    if (o->letter != 0) cli_buf_printf(out, "\\fB\\-%c\\fR, ", o->letter);
    cli_buf_text(out, "\\fB\\-\\-");
    roff(out, o->name);
    cli_buf_text(out, "\\fR");
    if (o->kind != CLI_FLAG) cli_buf_printf(out, " \\fI%s\\fR", o->value);
    cli_buf_text(out, "\n");
    roff(out, o->summary);
    if (o->kind == CLI_CHOICE) {
      cli_buf_text(out, " (");
      roff(out, o->choices);
      cli_buf_text(out, ")");
    }
    if (o->preset != NULL) cli_buf_printf(out, " (default %s)", o->preset);
    cli_buf_text(out, "\n");
  }
}

static void head(cli_buf *out, const char *page, const char *summary) {
  cli_buf_text(out, ".TH \"");
  for (const char *at = page; *at != '\0'; at++) cli_buf_printf(out, "%c", toupper((unsigned char)*at));
  cli_buf_printf(out, "\" 1 %s \"Larder %s\" \"Larder\"\n", MAN_DATE, LARDER_VERSION_STRING);
  section(out, "NAME");
  roff(out, page);
  cli_buf_text(out, " \\- ");
  roff_phrase(out, summary);
  cli_buf_text(out, "\n");
  section(out, "SYNOPSIS");
}

static void exit_codes(cli_buf *out) {
  section(out, "EXIT STATUS");
  for (int i = 0; i < 5; i++) cli_buf_printf(out, ".TP\n%d\n%s\n", i, cli_exit_texts[i]);
  cli_buf_text(out, ".TP\n130, 143\nbroken off by Ctrl-C, by SIGTERM\n");
}

static void words_write(cli_buf *out, const cli_words *words) {
  const char *word;
  cli_buf_text(out, ".SH ");
  for (const char *at = words->title; *at != '\0'; at++) cli_buf_printf(out, "%c", toupper((unsigned char)*at));
  cli_buf_text(out, "\n");
  for (size_t n = 0; (word = words->word(n)) != NULL; n++) {
    cli_buf_text(out, ".TP\n");
    roff(out, word);
    cli_buf_text(out, "\n");
    roff(out, words->says(word));
    cli_buf_text(out, "\n");
  }
}

static void command_page(const cli_command *command, cli_buf *out) {
  char page[64];
  cli_buf synopsis = {0};
  snprintf(page, sizeof page, "larder-%s", command->name);
  head(out, page, command->summary);
  cli_synopsis(command, &synopsis);
  roff(out, cli_buf_str(&synopsis));
  cli_buf_fini(&synopsis);
  cli_buf_text(out, "\n");
  section(out, "DESCRIPTION");
  roff(out, command->text != NULL ? command->text : command->summary);
  cli_buf_text(out, "\n");
  for (const cli_operand *o = command->operands; o != NULL && o->name != NULL; o++) {
    cli_buf_printf(out, ".TP\n\\fI%s\\fR\n", o->name);
    roff(out, o->summary);
    cli_buf_text(out, "\n");
  }
  section(out, "OPTIONS");
  options_write(out, command->options);
  options_write(out, cli_global_options);
  if (command->words != NULL) words_write(out, command->words);
  exit_codes(out);
  section(out, "EXAMPLES");
  for (const cli_example *e = command->examples; e != NULL && e->line != NULL; e++) {
    cli_buf_text(out, ".TP\n\\fB");
    roff(out, e->line);
    cli_buf_text(out, "\\fR\n");
    roff(out, e->says);
    cli_buf_text(out, "\n");
  }
  section(out, "SEE ALSO");
  cli_buf_text(out, ".BR larder (1)\n");
}

static void program_page(cli_buf *out) {
  head(out, "larder", "a cache in tiers that keeps what was expensive to make");
  cli_buf_text(out, "\\fBlarder\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n");
  section(out, "DESCRIPTION");
  roff(out,
       "Looks after a cache that programs keep with the Larder library: reads and writes entries, lists and inspects them, "
       "shows statistics of running programs, verifies and cleans up. Processes that use the same root share one content.\n");
  section(out, "COMMANDS");
  for (const cli_command *const *c = cli_commands; *c != NULL; c++) {
    if ((*c)->hidden) continue;
    cli_buf_text(out, ".TP\n.BR larder\\-");
    roff(out, (*c)->name);
    cli_buf_text(out, " (1)\n");
    roff(out, (*c)->summary);
    cli_buf_text(out, "\n");
  }
  section(out, "OPTIONS");
  options_write(out, cli_global_options);
  section(out, "ENVIRONMENT");
  cli_buf_text(out, ".TP\nLARDER_CONFIG\nthe configuration file where \\-\\-config is not given\n"
                    ".TP\nNO_COLOR\nno colour, also on a terminal\n");
  exit_codes(out);
}

void cli_manpage(const cli_command *command, cli_buf *out) {
  if (command == NULL) {
    program_page(out);
  } else {
    command_page(command, out);
  }
}
