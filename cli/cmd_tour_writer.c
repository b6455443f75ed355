/* SPDX-License-Identifier: Apache-2.0 */
/* The process that the tour kills: keeps note after note, and says the number of each once it is acknowledged. */
#include "commands.h"
#include "session.h"
#include "tour_notes.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

typedef struct writer_args {
  const char *ns;
} writer_args;

static const cli_operand operands[] = {{"NS", CLI_TEXT, offsetof(writer_args, ns), false, NULL, "the namespace"}, {0}};

/* Nobody reads on for ever: a bound, should the reader be gone and the pipe not tell. */
#define NOTES_MAX 200000u

size_t tour_note_key(uint32_t number, char *out, size_t room) { return (size_t)snprintf(out, room, "note:%06" PRIu32, number); }

void tour_note_value(uint32_t number, char out[TOUR_NOTE_BYTES]) {
  char line[24];
  size_t len = (size_t)snprintf(line, sizeof line, "note %06" PRIu32 ", ", number);
  for (size_t at = 0; at < TOUR_NOTE_BYTES; at += len) {
    memcpy(out + at, line, TOUR_NOTE_BYTES - at < len ? TOUR_NOTE_BYTES - at : len);
  }
}

static cli_exit run(const cli_call *call, void *given) {
  const writer_args *args = given;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  cli_exit code = cli_open(call, CLI_CHANGES, &cache);
  if (code == CLI_DONE) code = cli_ns(call, cache, args->ns, &ns);
  for (uint32_t number = 1; code == CLI_DONE && number <= NOTES_MAX; number++) {
    char key[40];
    char value[TOUR_NOTE_BYTES];
    size_t key_len = tour_note_key(number, key, sizeof key);
    tour_note_value(number, value);
    larder_err result = larder_put(ns, key, key_len, value, sizeof value, NULL);
    if (result != LARDER_OK) code = cli_refuse_result(call, result, NULL, "cannot put a note");
    if (code == CLI_DONE && write(STDOUT_FILENO, &number, sizeof number) != (ssize_t)sizeof number) break;
  }
  return cli_close(call, &cache, code);
}

const cli_command cli_command_tour_writer = {.name = "tour-writer",
                                             .summary = "Keep numbered notes until it is stopped (part of the tour).",
                                             .operands = operands,
                                             .args_size = sizeof(writer_args),
                                             .hidden = true,
                                             .run = run};
