/* SPDX-License-Identifier: Apache-2.0 */
#include "import_call.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static int64_t stdin_read(void *context, void *out, size_t room) {
  (void)context;
  ssize_t got;
  do {
    got = read(STDIN_FILENO, out, room);
  } while (got < 0 && errno == EINTR);
  return got;
}

static void told_json(const cli_import_args *args, cli_transfer *transfer, const larder_transfer_counts *counts,
                      const char *done) {
  cli_json json;
  bool warms = strcmp(done, "loaded") == 0;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  if (warms) cli_json_text(&json, "ns", args->ns);
  cli_json_text(&json, "file", args->file);
  if (!warms) cli_json_bool(&json, "dry_run", args->dry_run);
  cli_json_uint(&json, "entries", counts->entries);
  cli_json_uint(&json, done, counts->done);
  cli_json_uint(&json, "skipped", counts->skipped);
  cli_json_uint(&json, "expired", counts->expired);
  cli_json_uint(&json, "resumed", counts->resumed);
  cli_json_uint(&json, "bytes", counts->bytes);
  cli_json_bool(&json, "verified", counts->verified);
  cli_transfer_json(transfer, &json);
  cli_json_raw(&json, "missing_fields", cli_buf_str(&transfer->missing.text), transfer->missing.text.len);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static cli_exit told(const cli_call *call, const cli_import_args *args, cli_transfer *transfer,
                     const larder_transfer_counts *counts, const char *done) {
  char count[CLI_SHORT];
  if (call->globals->json) told_json(args, transfer, counts, done);
  cli_note(call, "%s %s %s%s", args->dry_run ? "would import" : done, cli_count_text(counts->done, count, sizeof count),
           cli_plural(counts->done, "entry", "entries"), counts->verified ? "; the file is whole" : "");
  if (counts->resumed > 0)
    cli_note(call, "%s dealt with before the break", cli_count_text(counts->resumed, count, sizeof count));
  if (counts->skipped > 0) cli_note(call, "%s there already", cli_count_text(counts->skipped, count, sizeof count));
  if (counts->expired > 0) cli_note(call, "%s past their time, left out", cli_count_text(counts->expired, count, sizeof count));
  if (counts->failed == 0) return CLI_DONE;
  return cli_refuse(call, CLI_NOT_FOUND, args->rejects == NULL ? "--rejects FILE keeps them, to be mended" : "",
                    "%" PRIu64 " %s not %s", counts->failed, cli_plural(counts->failed, "entry was", "entries were"), done);
}

cli_exit cli_import_run(const cli_call *call, larder *cache, const cli_import_args *args, const char *done) {
  cli_transfer transfer;
  larder_transfer_counts counts = {0};
  larder_error error = {0};
  bool piped = strcmp(args->file, "-") == 0;
  larder_import_options how = {.size = sizeof how,
                               .format = cli_format_of(args->format),
                               .ns = args->ns,
                               .ttl_ms = args->ttl_ms,
                               .rejects = args->rejects,
                               .resume = args->resume,
                               .dry_run = args->dry_run,
                               .force = args->force,
                               .read = piped ? stdin_read : NULL,
                               .progress = cli_transfer_progress,
                               .failed = cli_transfer_failed,
                               .missing = cli_transfer_missing,
                               .context = &transfer,
                               .key_field = args->key_field,
                               .key_template = args->key_template,
                               .value_field = args->value_field,
                               .value_row = args->value_row,
                               .ttl_field = args->ttl_field,
                               .version_field = args->version_field,
                               .tags_field = args->tags_field,
                               .entries = args->entries,
                               .tags = args->tags.count > 0 ? args->tags.items : NULL,
                               .tags_count = args->tags.count,
                               .checkpoint = args->checkpoint};
  cli_transfer_begin(&transfer, call);
  larder_err result = larder_import(cache, piped ? NULL : args->file, &how, &counts, &error);
  cli_transfer_end(&transfer);
  cli_exit code = result == LARDER_OK ? told(call, args, &transfer, &counts, done)
                                      : cli_transfer_refuse(call, result, &error, "cannot import");
  cli_transfer_fini(&transfer);
  return code;
}
