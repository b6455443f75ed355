/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command of the command line is: a name, a table of options, a table of operands, and a function. The tables are
 * the one description from which parsing, --help, man pages and shell completion all come.
 *
 * A command's arguments are a plain struct of its own. Each table row names the field it fills by its offset.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <larder/larder.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes, the same for every command. */
typedef enum cli_exit {
  CLI_DONE = 0,
  CLI_NOT_FOUND = 1, /* not there, or looked at and found invalid */
  CLI_USAGE = 2,     /* the call was wrong */
  CLI_CONFIG = 3,    /* the configuration is wrong */
  CLI_FAILED = 4     /* the cache could not do it */
} cli_exit;

/* How the text of an option or operand is read, and which field it fills. */
typedef enum cli_kind {
  CLI_FLAG,     /* bool; takes no value */
  CLI_TEXT,     /* const char * */
  CLI_FILE,     /* const char *; completed as a file name */
  CLI_FOLDER,   /* const char *; completed as a folder */
  CLI_CHOICE,   /* const char *; one of `choices`, separated by blanks */
  CLI_COUNT,    /* uint64_t */
  CLI_SIZE,     /* uint64_t, bytes */
  CLI_DURATION, /* int64_t, milliseconds; LARDER_TTL_NEVER for `never` where `choices` is "never" */
  CLI_RATE,     /* double, a second */
  CLI_DATE,     /* int64_t, wall milliseconds */
  CLI_LIST,     /* cli_list; may be given several times; as the last operand, all that follow */
  CLI_REST      /* cli_rest: the last operand, everything behind `--` as it stands */
} cli_kind;

#define CLI_LIST_MAX 256u

typedef struct cli_list {
  const char *items[CLI_LIST_MAX];
  size_t count;
} cli_list;

typedef struct cli_rest {
  char *const *items; /* ended by NULL */
  size_t count;
} cli_rest;

typedef struct cli_option {
  const char *name;    /* without the dashes */
  char letter;         /* its short form, or 0 */
  cli_kind kind;       /* of the value */
  size_t at;           /* offsetof the field in the arguments */
  const char *value;   /* placeholder in the help: "FILE" */
  const char *choices; /* CLI_CHOICE; or NULL */
  const char *preset;  /* read as if it had been given, or NULL */
  const char *summary; /* one sentence, no capital, no full stop */
} cli_option;

/* An operand: an argument without a dash. Those that may be left out come last. */
typedef struct cli_operand {
  const char *name; /* "NS" */
  cli_kind kind;
  size_t at;
  bool optional;
  const char *choices;
  const char *summary;
} cli_operand;

/* Words that an option takes, told in the help. */
typedef struct cli_words {
  const char *title;
  const char *(*word)(size_t n); /* NULL beyond the last */
  const char *(*says)(const char *word);
} cli_words;

typedef struct cli_example {
  const char *line;
  const char *says;
} cli_example;

/* What was asked for before and beside the command's own options. */
typedef struct cli_globals {
  const char *root;
  const char *config;
  bool json;
  bool quiet;
  bool help;
} cli_globals;

typedef struct cli_command cli_command;

/* Everything a command is given. */
typedef struct cli_call {
  const cli_globals *globals;
  const cli_command *command;
  const char *self; /* path of the running program */
} cli_call;

struct cli_command {
  const char *name;
  const char *summary;         /* one line */
  const char *text;            /* a few sentences more, or NULL; blank lines part paragraphs */
  const cli_option *options;   /* ended by a row without a name, or NULL */
  const cli_operand *operands; /* likewise */
  const cli_words *words;      /* or NULL */
  const cli_example *examples; /* ended by a row without a line */
  size_t args_size;            /* of the arguments' struct */
  bool hidden;                 /* not listed: for the program's own use */
  cli_exit (*run)(const cli_call *call, void *args);
};

/* All commands, ended by NULL, and the options that every command has. */
extern const cli_command *const cli_commands[];
extern const cli_option cli_global_options[];

/* NULL when there is none of that name. */
const cli_command *cli_command_find(const char *name);

#endif
