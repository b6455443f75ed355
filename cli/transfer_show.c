/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer_show.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define DRAW_EACH_NS UINT64_C(100000000)
#define BAR_COLUMNS  24u

static volatile sig_atomic_t asked_to_stop;

static void stop_handler(int number) {
  (void)number;
  asked_to_stop = 1;
}

void cli_transfer_begin(cli_transfer *transfer, const cli_call *call) {
  struct sigaction action = {.sa_handler = stop_handler};
  *transfer = (cli_transfer){
      .call = call, .drawn_ns = cli_mono_ns(), .bar = isatty(STDERR_FILENO) && !call->globals->quiet && !call->globals->json};
  cli_json_init(&transfer->failures, stdout);
  cli_json_array(&transfer->failures, NULL);
  cli_json_init(&transfer->missing, stdout);
  cli_json_array(&transfer->missing, NULL);
  sigemptyset(&action.sa_mask);
  /* A second one ends the program at once. */
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  (void)sigaction(SIGINT, &action, NULL);
  (void)sigaction(SIGTERM, &action, NULL);
}

static void bar_wipe(const cli_transfer *transfer) {
  if (transfer->bar) fputs("\r\x1b[K", stderr);
}

static void bar_draw(const larder_transfer_counts *counts) {
  char count[CLI_SHORT], size[CLI_SHORT];
  cli_count_text(counts->entries, count, sizeof count);
  cli_size_text(counts->bytes, size, sizeof size);
  fputs("\r\x1b[K", stderr);
  if (counts->bytes_total > 0) {
    size_t full = (size_t)(counts->bytes * BAR_COLUMNS / counts->bytes_total);
    fputc('[', stderr);
    for (size_t i = 0; i < BAR_COLUMNS; i++) fputc(i < full ? '#' : ' ', stderr);
    fprintf(stderr, "] %3u %%  ", (unsigned)(counts->bytes * 100 / counts->bytes_total));
  }
  fprintf(stderr, "%s %s, %s", count, cli_plural(counts->entries, "entry", "entries"), size);
  fflush(stderr);
}

bool cli_transfer_progress(void *context, const larder_transfer_counts *counts) {
  cli_transfer *transfer = context;
  uint64_t now = cli_mono_ns();
  if (transfer->bar && now - transfer->drawn_ns >= DRAW_EACH_NS) {
    transfer->drawn_ns = now;
    bar_draw(counts);
  }
  return !asked_to_stop;
}

void cli_transfer_end(cli_transfer *transfer) {
  bar_wipe(transfer);
  cli_json_array_end(&transfer->failures);
  cli_json_array_end(&transfer->missing);
  if (transfer->failed > CLI_FAILURES_SHOWN_MAX)
    cli_note(transfer->call, "larder: and %" PRIu64 " more", transfer->failed - CLI_FAILURES_SHOWN_MAX);
}

static void failure_json(cli_json *json, uint64_t line, const void *key, size_t key_len, const char *reason) {
  cli_json_object(json, NULL);
  if (line > 0) {
    cli_json_uint(json, "line", line);
  } else {
    cli_json_null(json, "line");
  }
  if (key != NULL && key_len > 0) {
    cli_json_bytes(json, "key", "key_encoding", key, key_len);
  } else {
    cli_json_null(json, "key");
    cli_json_null(json, "key_encoding");
  }
  cli_json_text(json, "message", reason);
  cli_json_object_end(json);
}

void cli_transfer_failed(void *context, uint64_t line, const void *key, size_t key_len, const char *reason) {
  cli_transfer *transfer = context;
  cli_buf text = {0};
  transfer->failed++;
  if (transfer->call->globals->json && transfer->failed <= CLI_FAILURES_JSON_MAX)
    failure_json(&transfer->failures, line, key, key_len, reason);
  if (transfer->failed > CLI_FAILURES_SHOWN_MAX) return;
  bar_wipe(transfer);
  if (line > 0) cli_buf_printf(&text, "line %" PRIu64 ": ", line);
  if (key != NULL && key_len > 0) {
    cli_escape(&text, key, key_len < 80 ? key_len : 80);
    cli_buf_text(&text, ": ");
  }
  cli_note(transfer->call, "larder: %s%s", cli_buf_str(&text), reason);
  cli_buf_fini(&text);
}

void cli_transfer_missing(void *context, const char *field) {
  cli_transfer *transfer = context;
  cli_json_text(&transfer->missing, NULL, field);
  bar_wipe(transfer);
  cli_note(transfer->call, "larder: no record had a field %s", field);
}

void cli_transfer_json(cli_transfer *transfer, cli_json *json) {
  cli_json_uint(json, "failed", transfer->failed);
  cli_json_raw(json, "failures", cli_buf_str(&transfer->failures.text), transfer->failures.text.len);
}

void cli_transfer_fini(cli_transfer *transfer) {
  cli_buf_fini(&transfer->failures.text);
  cli_buf_fini(&transfer->missing.text);
}

larder_format cli_format_of(const char *name) {
  static const char *const names[] = {"", "jsonl", "json", "csv"};
  for (size_t i = 1; name != NULL && i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(name, names[i]) == 0) return (larder_format)i;
  }
  return LARDER_FORMAT_AUTO;
}

cli_exit cli_transfer_refuse(const cli_call *call, larder_err result, const larder_error *error, const char *doing) {
  /* Said of the file, not of the cache. */
  if (result == LARDER_MISS || result == LARDER_ECORRUPT || result == LARDER_EFORMAT)
    return cli_refuse(call, CLI_NOT_FOUND, "", "%s", error->message);
  if (result == LARDER_EINVAL) return cli_refuse(call, CLI_USAGE, "", "%s", error->message);
  return cli_refuse_result(call, result, error, doing);
}
