/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_table.h"
#include "commands.h"
#include "entry_call.h"

#include <inttypes.h>
#include <larder/versions.h>

#define ENTRY(field) offsetof(cli_entry_args, field)

static const cli_option options[] = {CLI_ENTRY_OPTIONS(ENTRY), {0}};

static const cli_operand operands[] = {CLI_ENTRY_OPERANDS(ENTRY), {0}};

static const cli_example examples[] = {{"larder versions conf limits", "the present value, and those that it replaced"},
                                       {"larder get conf limits --version 7", "one of them"},
                                       {"larder rollback conf limits", "the one before, put again"},
                                       {0}};

typedef struct listing {
  cli_table table;
  cli_json json;
  int64_t now_ms;
} listing;

static void row_add(listing *l, const larder_version *version) {
  char stamp[CLI_SHORT];
  char age[CLI_SHORT];
  char size[CLI_SHORT];
  cli_buf text = {0};
  snprintf(stamp, sizeof stamp, "%" PRIu64, version->stamp);
  cli_escape(&text, version->version_len > 0 ? version->version : "", version->version_len);
  cli_table_add(&l->table, stamp);
  cli_table_add(&l->table, cli_span_text(l->now_ms - version->written_ms, age, sizeof age));
  cli_table_add(&l->table, cli_size_text(version->len, size, sizeof size));
  cli_table_add(&l->table, version->present ? "present" : "former");
  cli_table_add(&l->table, cli_buf_str(&text));
  cli_buf_fini(&text);
}

static bool version_visit(void *context, const larder_version *version) {
  listing *l = context;
  cli_json *json = &l->json;
  row_add(l, version);
  cli_json_object(json, NULL);
  cli_json_uint(json, "stamp", version->stamp);
  cli_json_int(json, "written_ms", version->written_ms);
  cli_json_uint(json, "bytes", version->len);
  if (version->version_len > 0) {
    cli_json_text_n(json, "version", version->version, version->version_len);
  } else {
    cli_json_null(json, "version");
  }
  cli_json_bool(json, "present", version->present);
  cli_json_object_end(json);
  return true;
}

static cli_exit versions_list(const cli_call *call, const cli_entry *entry, const void *args) {
  static const char *const heads[] = {"STAMP", ">AGE", ">SIZE", "IS", "VERSION", NULL};
  listing l = {.now_ms = cli_wall_ms()};
  (void)args;
  cli_table_init(&l.table, heads);
  cli_json_init(&l.json, stdout);
  cli_json_object(&l.json, NULL);
  cli_entry_json(&l.json, entry);
  cli_json_array(&l.json, "versions");
  larder_err result = larder_versions_each(entry->ns, entry->key.data, entry->key.len, version_visit, &l);
  cli_json_array_end(&l.json);
  cli_json_object_end(&l.json);
  if (result == LARDER_OK && call->globals->json) {
    cli_json_end(&l.json);
  } else if (result == LARDER_OK) {
    cli_table_print(&l.table, stdout, !call->globals->quiet);
  }
  cli_buf_fini(&l.json.text);
  cli_table_fini(&l.table);
  if (result == LARDER_MISS) return cli_entry_not_found(call, entry, "`larder ls NS` lists the keys");
  return result < 0 ? cli_refuse_result(call, result, NULL, "cannot list the versions") : CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) { return cli_on_entry(call, given, CLI_LOOKS, versions_list, NULL); }

const cli_command cli_command_versions = {
    .name = "versions",
    .summary = "List the values that are kept of an entry.",
    .text =
        "The present value comes first, then what it replaced, newest first: as many as `keep_versions` of the namespace says. "
        "Each is named by its stamp, and by its version where it was put with one.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(cli_entry_args),
    .run = run};
