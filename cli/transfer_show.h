/* SPDX-License-Identifier: Apache-2.0 */
/* What export and import share: a progress bar on a terminal, Ctrl-C as a request to stop, and entries that failed. */
#ifndef CLI_TRANSFER_SHOW_H
#define CLI_TRANSFER_SHOW_H

#include "session.h"
#include <larder/transfer.h>

/* Of a file with a mistake in each line the first ones tell the story; all are counted. */
#define CLI_FAILURES_SHOWN_MAX 20u
#define CLI_FAILURES_JSON_MAX  1000u

typedef struct cli_transfer {
  const cli_call *call;
  cli_json failures; /* members of the array "failures" of a document */
  cli_json missing;  /* those of "missing_fields", of an import */
  uint64_t failed;
  uint64_t drawn_ns;
  bool bar;
} cli_transfer;

/* From here on Ctrl-C and SIGTERM make progress answer false. */
void cli_transfer_begin(cli_transfer *transfer, const cli_call *call);
/* Wipes the bar. */
void cli_transfer_end(cli_transfer *transfer);
bool cli_transfer_progress(void *context, const larder_transfer_counts *counts);
void cli_transfer_failed(void *context, uint64_t line, const void *key, size_t key_len, const char *reason);
/* A field that no record had. */
void cli_transfer_missing(void *context, const char *field);
/* Adds the failures to an open document, as members `failures` and `failed`. */
void cli_transfer_json(cli_transfer *transfer, cli_json *json);
void cli_transfer_fini(cli_transfer *transfer);

/* `--format` as the library has it. */
#define CLI_FORMATS "jsonl json csv"
larder_format cli_format_of(const char *name);
/* Tells a failure of the transfer as a whole. */
cli_exit cli_transfer_refuse(const cli_call *call, larder_err result, const larder_error *error, const char *doing);

#endif
