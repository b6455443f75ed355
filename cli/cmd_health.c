/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_table.h"
#include "commands.h"
#include "health_check.h"
#include "health_show.h"
#include "session.h"

#include <string.h>

#define BATCH 64u

typedef struct health_args {
  const char *ns;
  const char *key;
  const char *what;
  const char *error;
  const char *status;
  uint64_t limit;
  uint64_t parallel;
  bool check;
  bool hex;
} health_args;

#define AT(field) offsetof(health_args, field)

static const cli_option options[] = {
    {"error", 'e', CLI_TEXT, AT(error), "TEXT", NULL, NULL, "with fail: what went wrong"},
    {"status", 0, CLI_CHOICE, AT(status), "STATUS", "unknown healthy degraded unhealthy", NULL,
     "without KEY: only entries of this health"},
    {"limit", 'n', CLI_COUNT, AT(limit), "N", NULL, "20", "without KEY: show at most N entries; 0: all"},
    {"check", 0, CLI_FLAG, AT(check), NULL, NULL, NULL,
     "try it now by the namespace's `health.check` and report how that went; without KEY all that is kept or unhealthy"},
    {"parallel", 0, CLI_COUNT, AT(parallel), "N", NULL, "8", "with --check: so many at once, at most 64"},
    {"key-hex", 0, CLI_FLAG, AT(hex), NULL, NULL, NULL, "KEY is given in hexadecimal"},
    {0}};

static const cli_operand operands[] = {
    {"NS", CLI_TEXT, AT(ns), false, NULL, "the namespace"},
    {"KEY", CLI_TEXT, AT(key), true, NULL, "the key; without it all on which something was reported"},
    {"WHAT", CLI_CHOICE, AT(what), true, "ok fail show reset",
     "report that it worked (ok) or failed, show its health, or forget what was reported (reset); show where left out"},
    {0}};

static const cli_example examples[] = {
    {"larder health proxies http://10.0.0.7:3128 fail --error timeout", "the third in a row evicts it everywhere"},
    {"larder health proxies http://10.0.0.7:3128 ok", "it works: the count begins anew"},
    {"larder health proxies http://10.0.0.7:3128", "its health, also when it has been evicted"},
    {"larder health proxies --check", "tries all now; exit code 1 when one does not work"},
    {"larder health proxies --status unhealthy", "what is broken, and when it should be tried again"},
    {0}};

/* --- one ----------------------------------------------------------------------------------------------------------- */

static void line(const char *name, const char *value, cli_style style) {
  printf("%s%-12s%s %s%s%s\n", cli_style_on(stdout, CLI_DIM), name, cli_style_off(stdout), cli_style_on(stdout, style), value,
         style != CLI_PLAIN ? cli_style_off(stdout) : "");
}

static void line_time(const char *name, int64_t wall_ms, int64_t now_ms) {
  cli_buf text = {0};
  cli_moment_text(&text, wall_ms, now_ms);
  line(name, cli_buf_str(&text), CLI_PLAIN);
  cli_buf_fini(&text);
}

static void line_count(const char *name, uint64_t count) {
  char text[CLI_SHORT];
  line(name, cli_count_text(count, text, sizeof text), CLI_PLAIN);
}

static void one_print(const larder_health *health) {
  int64_t const now_ms = cli_wall_ms();
  cli_buf text = {0};
  cli_health_text(&text, health);
  line("status", cli_buf_str(&text), cli_health_style(health->status));
  if (health->error[0] != '\0') {
    cli_buf_clear(&text);
    cli_escape(&text, health->error, strlen(health->error));
    line("last error", cli_buf_str(&text), CLI_PLAIN);
  }
  cli_buf_fini(&text);
  line_time("last failure", health->failed_ms, now_ms);
  line_time("last success", health->succeeded_ms, now_ms);
  line_count("failures", health->failures);
  line_count("successes", health->successes);
  if (health->next_check_ms > 0) {
    line_count("attempts", health->recovery_attempts);
    line_time("next check", health->next_check_ms, now_ms);
  }
}

static void one_document(const health_args *args, const cli_key *key, const larder_health *health, bool reported) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "ns", args->ns);
  cli_json_bytes(&json, "key", "key_encoding", key->data, key->len);
  cli_health_json(&json, health);
  if (reported) cli_json_bool(&json, "evicted", health->evicted);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static cli_exit nothing_reported(const cli_call *call, const health_args *args) {
  return cli_refuse(call, CLI_NOT_FOUND, "`larder health NS` lists what is known", "nothing was reported on %s in %s",
                    args->key, args->ns);
}

static cli_exit report(const cli_call *call, const health_args *args, larder_ns *ns, const cli_key *key) {
  larder_health health = {.size = sizeof health};
  cli_exit code = cli_lasting(call, ns);
  if (code != CLI_DONE) return code;
  larder_err result = larder_health_report(ns, key->data, key->len, strcmp(args->what, "ok") == 0, args->error, &health);
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot report it");
  if (result == LARDER_NOT_KEPT)
    return cli_refuse(call, CLI_FAILED, "give the namespace more room", "no tier has room for what was reported");
  if (call->globals->json) {
    one_document(args, key, &health, true);
    return CLI_DONE;
  }
  if (result == LARDER_DEGRADED) cli_note(call, "larder: warning: a tier is away; `larder stats` shows which");
  cli_buf text = {0};
  cli_health_text(&text, &health);
  cli_note(call, "%s in %s is %s%s", args->key, args->ns, cli_buf_str(&text), health.evicted ? "; evicted" : "");
  cli_buf_fini(&text);
  return CLI_DONE;
}

static cli_exit show(const cli_call *call, const health_args *args, larder_ns *ns, const cli_key *key) {
  larder_health health = {.size = sizeof health};
  larder_err result = larder_health_get(ns, key->data, key->len, &health);
  if (result == LARDER_MISS) return nothing_reported(call, args);
  if (result != LARDER_OK) return cli_refuse_result(call, result, NULL, "cannot look at its health");
  if (call->globals->json) {
    one_document(args, key, &health, false);
  } else {
    one_print(&health);
  }
  return CLI_DONE;
}

static cli_exit reset(const cli_call *call, const health_args *args, larder_ns *ns, const cli_key *key) {
  larder_err result = larder_health_reset(ns, key->data, key->len);
  if (result == LARDER_MISS) return nothing_reported(call, args);
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot forget it");
  if (call->globals->json) {
    larder_health const none = {.size = sizeof none};
    one_document(args, key, &none, false);
  } else {
    cli_note(call, "forgot what was reported on %s in %s", args->key, args->ns);
  }
  return CLI_DONE;
}

/* --- many ---------------------------------------------------------------------------------------------------------- */

typedef struct listing {
  const cli_call *call;
  cli_json json;
  cli_table table;
  int64_t now_ms;
  uint64_t shown;
} listing;

static void row_add(listing *l, const void *key, size_t key_len, const larder_health *health) {
  char text[CLI_SHORT];
  cli_buf cell = {0};
  cli_escape(&cell, key, key_len);
  cli_shorten(&cell, 48);
  cli_table_add_styled(&l->table, cli_buf_str(&cell), CLI_BOLD);
  cli_table_add_styled(&l->table, larder_health_status_name(health->status), cli_health_style(health->status));
  cli_table_add(&l->table, cli_count_text(health->failures_in_row, text, sizeof text));
  cli_table_add(&l->table, cli_count_text(health->failures, text, sizeof text));
  cli_table_add(&l->table, cli_count_text(health->successes, text, sizeof text));
  cli_table_add(&l->table, cli_span_text(l->now_ms - health->reported_ms, text, sizeof text));
  if (health->next_check_ms == 0) {
    cli_table_add(&l->table, "-");
  } else if (health->next_check_ms <= l->now_ms) {
    cli_table_add(&l->table, "due");
  } else {
    cli_table_add(&l->table, cli_span_text(health->next_check_ms - l->now_ms, text, sizeof text));
  }
  cli_buf_clear(&cell);
  cli_escape(&cell, health->error, strlen(health->error));
  cli_shorten(&cell, 48);
  cli_table_add_styled(&l->table, cli_buf_str(&cell), CLI_DIM);
  cli_buf_fini(&cell);
}

static bool visit(void *context, const void *key, size_t key_len, const larder_health *health) {
  listing *l = context;
  l->shown++;
  if (!l->call->globals->json) {
    row_add(l, key, key_len, health);
    return true;
  }
  cli_json_object(&l->json, NULL);
  cli_json_bytes(&l->json, "key", "key_encoding", key, key_len);
  cli_health_json(&l->json, health);
  cli_json_object_end(&l->json);
  return true;
}

static unsigned statuses_of(const char *name) {
  for (unsigned i = 0; name != NULL && i <= LARDER_HEALTH_UNHEALTHY; i++) {
    if (strcmp(larder_health_status_name((larder_health_status)i), name) == 0) return LARDER_HEALTH_BIT(i);
  }
  return 0;
}

static larder_err list_run(listing *l, const health_args *args, larder_ns *ns) {
  larder_cursor cursor = {{0}};
  larder_err result = LARDER_OK;
  while (result == LARDER_OK && (args->limit == 0 || l->shown < args->limit) && !ferror(stdout)) {
    uint64_t const left = args->limit == 0 || args->limit - l->shown > BATCH ? BATCH : args->limit - l->shown;
    result = larder_health_each(ns, statuses_of(args->status), left, &cursor, visit, l);
    if (l->call->globals->json) {
      cli_json_flush(&l->json);
    } else {
      cli_table_print(&l->table, stdout, !l->call->globals->quiet && l->shown > 0);
    }
  }
  return result;
}

static cli_exit list(const cli_call *call, const health_args *args, larder_ns *ns) {
  static const char *const heads[] = {"KEY",       "HEALTH", ">IN A ROW", ">FAILURES", ">SUCCESSES",
                                      ">REPORTED", ">NEXT",  "ERROR",     NULL};
  listing l = {.call = call, .now_ms = cli_wall_ms()};
  cli_json_init(&l.json, stdout);
  cli_table_init(&l.table, heads);
  cli_json_object(&l.json, NULL);
  cli_json_text(&l.json, "ns", args->ns);
  cli_json_array(&l.json, "entries");
  larder_err const result = list_run(&l, args, ns);
  cli_json_array_end(&l.json);
  cli_json_object_end(&l.json);
  if (result >= 0 && call->globals->json) cli_json_end(&l.json);
  cli_buf_fini(&l.json.text);
  cli_table_fini(&l.table);
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot list what was reported");
  if (l.shown == 0) {
    cli_note(call, args->status != NULL ? "nothing in %s is %s" : "nothing was reported in %s", args->ns,
             args->status != NULL ? args->status : "");
  }
  return CLI_DONE;
}

/* --- the command --------------------------------------------------------------------------------------------------- */

static cli_exit wrong(const cli_call *call, const health_args *args) {
  bool const fails = args->what != NULL && strcmp(args->what, "fail") == 0;
  if (args->error != NULL && !fails)
    return cli_refuse(call, CLI_USAGE, "`larder health NS KEY fail --error TEXT`", "--error is for fail");
  if (args->check && (args->what != NULL || args->status != NULL))
    return cli_refuse(call, CLI_USAGE, "`larder health NS [KEY] --check`",
                      "--check tries and reports by itself: %s is too much", args->what != NULL ? args->what : "--status");
  if (args->status != NULL && args->key != NULL)
    return cli_refuse(call, CLI_USAGE, "leave KEY out", "--status is for listing a namespace");
  return CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  const health_args *args = given;
  cli_key key = {.len = 0};
  larder *cache = NULL;
  larder_ns *ns = NULL;
  const char *what = args->key == NULL ? "" : args->what != NULL ? args->what : "show";
  bool const reports = strcmp(what, "ok") == 0 || strcmp(what, "fail") == 0;
  cli_exit code = wrong(call, args);
  if (code == CLI_DONE && args->key != NULL) code = cli_key_read(call, args->key, args->hex, &key);
  if (code == CLI_DONE) code = cli_open(call, reports ? CLI_CHANGES : CLI_LOOKS, &cache);
  if (code == CLI_DONE) code = reports ? cli_ns(call, cache, args->ns, &ns) : cli_ns_known(call, cache, args->ns, &ns);
  if (code == CLI_DONE) {
    code = args->check                  ? cli_health_check(call, cache, ns, args->key != NULL ? &key : NULL, args->parallel)
           : reports                    ? report(call, args, ns, &key)
           : strcmp(what, "reset") == 0 ? reset(call, args, ns, &key)
           : args->key != NULL          ? show(call, args, ns, &key)
                                        : list(call, args, ns);
  }
  return cli_close(call, &cache, code);
}

const cli_command cli_command_health = {
    .name = "health",
    .summary = "Report whether an entry works, and see what was reported.",
    .text = "So many failures in a row (three, or `health` in the configuration) evict an entry from every tier and process. "
            "What was reported is kept beside the entry and outlives it; without a report for a while it counts no more.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(health_args),
    .run = run};
