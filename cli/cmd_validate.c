/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_table.h"
#include "commands.h"
#include "session.h"

#include <inttypes.h>

typedef struct validate_args {
  const char *ns;
  bool repair;
} validate_args;

#define AT(field) offsetof(validate_args, field)

static const cli_option options[] = {
    {"repair", 0, CLI_FLAG, AT(repair), NULL, NULL, NULL, "remove what is damaged, and files that belong to nothing"}, {0}};

static const cli_operand operands[] = {{"NS", CLI_TEXT, AT(ns), true, NULL, "one namespace; without it all of them"}, {0}};

static const cli_example examples[] = {{"larder validate", "reads everything that is kept and verifies it"},
                                       {"larder validate --repair", "and removes what is damaged"},
                                       {0}};

/* A damaged disk may have a finding for each entry; the first ones tell the story, the report counts all. */
#define FINDINGS_SHOWN_MAX 1000u

typedef struct findings {
  const cli_call *call;
  cli_json json;
  uint64_t count;
} findings;

static void finding_visit(void *context, const larder_finding *finding) {
  findings *f = context;
  if (f->count++ >= FINDINGS_SHOWN_MAX) return;
  if (f->call->globals->json) {
    cli_json_object(&f->json, NULL);
    cli_json_text(&f->json, "tier", finding->tier);
    cli_json_text(&f->json, "ns", finding->ns);
    if (finding->key != NULL) {
      cli_json_bytes(&f->json, "key", "key_encoding", finding->key, finding->key_len);
    } else {
      cli_json_null(&f->json, "key");
      cli_json_null(&f->json, "key_encoding");
    }
    cli_json_text(&f->json, "message", finding->sentence);
    cli_json_object_end(&f->json);
    return;
  }
  cli_buf key = {0};
  if (finding->key != NULL) cli_escape(&key, finding->key, finding->key_len);
  printf("%s%s%s%s%s%s: %s\n", finding->tier != NULL ? finding->tier : "cache", finding->ns != NULL ? " " : "",
         finding->ns != NULL ? finding->ns : "", key.len > 0 ? " " : "", cli_style_on(stdout, CLI_BOLD), cli_buf_str(&key),
         finding->sentence);
  fputs(cli_style_off(stdout), stdout);
  cli_buf_fini(&key);
}

static void report_print(const cli_call *call, const larder_validation *report, bool repair) {
  char count[CLI_SHORT];
  char records[CLI_SHORT];
  uint64_t const others = report->examined > report->entries ? report->examined - report->entries : 0;
  if (call->globals->quiet) return;
  cli_count_text(report->locked, count, sizeof count);
  if (report->locked != 0)
    printf("not to be opened here: %s; sealed with a key that is not here or written by a newer Larder; not checked\n", count);
  if (report->damaged == 0 && report->orphans == 0) {
    cli_count_text(report->entries, count, sizeof count);
    printf("%ssound%s: %s %s", cli_style_on(stdout, CLI_GREEN), cli_style_off(stdout), count,
           cli_plural(report->entries, "entry", "entries"));
    if (others > 0)
      printf(" and %s other %s", cli_count_text(others, records, sizeof records), cli_plural(others, "record", "records"));
    puts(" verified, nothing damaged");
    return;
  }
  cli_count_text(report->examined, count, sizeof count);
  printf("%s examined, %" PRIu64 " damaged, %" PRIu64 " orphaned, %" PRIu64 " repaired\n", count, report->damaged,
         report->orphans, report->repaired);
  if (!repair) cli_note(call, "`larder validate --repair` removes what is damaged or orphaned");
}

static cli_exit validate(const cli_call *call, larder *cache, larder_ns *ns, bool repair) {
  findings f = {.call = call};
  larder_validation report = {0};
  cli_json_init(&f.json, stdout);
  cli_json_object(&f.json, NULL);
  cli_json_array(&f.json, "findings");
  larder_err result = larder_validate(cache, ns, repair, &report, finding_visit, &f);
  bool sound = report.damaged <= report.repaired;
  cli_json_array_end(&f.json);
  cli_json_uint(&f.json, "findings_total", f.count);
  cli_json_uint(&f.json, "examined", report.examined);
  cli_json_uint(&f.json, "entries", report.entries);
  cli_json_uint(&f.json, "absences", report.absences);
  cli_json_uint(&f.json, "damaged", report.damaged);
  cli_json_uint(&f.json, "orphans", report.orphans);
  cli_json_uint(&f.json, "repaired", report.repaired);
  cli_json_uint(&f.json, "locked", report.locked);
  cli_json_bool(&f.json, "sound", sound);
  cli_json_object_end(&f.json);
  if (result < 0) {
    cli_buf_fini(&f.json.text);
    return cli_refuse_result(call, result, NULL, "cannot validate");
  }
  if (call->globals->json) {
    cli_json_end(&f.json);
  } else {
    cli_buf_fini(&f.json.text);
    if (f.count > FINDINGS_SHOWN_MAX) cli_note(call, "and %" PRIu64 " more findings", f.count - FINDINGS_SHOWN_MAX);
    report_print(call, &report, repair);
  }
  return sound ? CLI_DONE : CLI_NOT_FOUND;
}

static cli_exit run(const cli_call *call, void *given) {
  const validate_args *args = given;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE && args->ns != NULL) code = cli_ns_known(call, cache, args->ns, &ns);
  if (code == CLI_DONE) code = validate(call, cache, ns, args->repair);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_validate = {
    .name = "validate",
    .summary = "Verify everything that is kept.",
    .text =
        "Every checksum, every reference, and whether what is compressed or sealed opens. What is sealed with a key that "
        "is not here, or written by a newer Larder, is counted and left alone. Entries are counted in each tier that has them; "
        "other records are traces of deletes, what makers said is not there, and the cache's own. Exit code 1 says that "
        "something is damaged "
        "and not repaired.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(validate_args),
    .run = run};
