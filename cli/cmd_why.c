/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_table.h"
#include "commands.h"
#include "entry_call.h"
#include "health_show.h"
#include "preview.h"

#include <inttypes.h>
#include <larder/adaptive.h>
#include <larder/redact.h>
#include <larder/stats.h>
#include <larder/why.h>
#include <stdlib.h>
#include <string.h>

typedef struct why_args {
  cli_entry_args entry;
  uint64_t limit;
} why_args;

#define AT(field)    offsetof(why_args, field)
#define ENTRY(field) offsetof(why_args, entry.field)

static const cli_option options[] = {
    {"limit", 'n', CLI_COUNT, AT(limit), "N", NULL, "10", "at most N of the last events"}, CLI_ENTRY_OPTIONS(ENTRY), {0}};

static const cli_operand operands[] = {CLI_ENTRY_OPERANDS(ENTRY), {0}};

static const cli_example examples[] = {
    {"larder why bls_ces payrolls:2026-10", "where it is, how fresh, who makes it, and what happened to it lately"},
    {"larder --json why bls_ces payrolls:2026-10", "the same as one document"},
    {0}};

static const char *state_name(larder_why_state state) {
  static const char *const names[] = {
      [LARDER_WHY_NOTHING] = "nothing",   [LARDER_WHY_FRESH] = "fresh", [LARDER_WHY_REVALIDATE] = "revalidate",
      [LARDER_WHY_ON_ERROR] = "on error", [LARDER_WHY_STALE] = "stale", [LARDER_WHY_ABSENT] = "absent"};
  return names[state];
}

/* NULL: it is not stale. */
static const char *stale_name(larder_why_stale stale) {
  static const char *const names[] = {[LARDER_STALE_NOT] = NULL,
                                      [LARDER_STALE_LIFETIME] = "lifetime",
                                      [LARDER_STALE_EXPIRED] = "call",
                                      [LARDER_STALE_VERSION] = "version",
                                      [LARDER_STALE_CLOCK] = "clock"};
  return names[stale];
}

/* What was found of a key, and who decides what goes from the memory of the programs that run: this one's own is empty. */
typedef struct why_found {
  larder_why why;
  bool adapts;
  larder_adaptive adaptive;
} why_found;

static void adaptive_look(const cli_entry *entry, why_found *found) {
  larder_stats *stats = NULL;
  found->adaptive.size = sizeof found->adaptive;
  if (found->why.expert == NULL || larder_stats_take(entry->cache, &stats, NULL) != LARDER_OK) return;
  found->adapts = larder_stats_adaptive_of(stats, entry->named->ns, &found->adaptive);
  larder_stats_free(&stats);
}

/* --- for people ----------------------------------------------------------------------------------------------------- */

/* `3 m ago`, `in 2 h`, `never`. */
static const char *when_text(int64_t wall_ms, int64_t now_ms, char *out, size_t room) {
  char span[CLI_SHORT];
  if (wall_ms <= 0) {
    snprintf(out, room, "never");
  } else if (wall_ms <= now_ms) {
    snprintf(out, room, "%s ago", cli_span_text(now_ms - wall_ms, span, sizeof span));
  } else {
    snprintf(out, room, "in %s", cli_span_text(wall_ms - now_ms, span, sizeof span));
  }
  return out;
}

static void tiers_print(const larder_why *why) {
  static const char *const heads[] = {"tier", "state", "written", "fresh till", "kept till", ">size", "version", NULL};
  cli_table table;
  char text[CLI_SHORT];
  cli_table_init(&table, heads);
  for (size_t i = 0; i < why->tiers_len; i++) {
    const larder_why_tier *tier = &why->tiers[i];
    cli_buf version = {0};
    cli_escape(&version, tier->version, strlen(tier->version));
    cli_table_add(&table, tier->name);
    cli_table_add(&table, tier->absent ? "known to be absent" : tier->state);
    cli_table_add(&table, tier->here ? when_text(tier->written_ms, why->now_ms, text, sizeof text) : "");
    cli_table_add(&table, tier->here ? when_text(tier->expires_soft_ms, why->now_ms, text, sizeof text) : "");
    cli_table_add(&table, tier->here ? when_text(tier->expires_hard_ms, why->now_ms, text, sizeof text) : "");
    cli_table_add(&table, tier->here && !tier->absent ? cli_size_text(tier->len, text, sizeof text) : "");
    cli_table_add(&table, cli_buf_str(&version));
    cli_buf_fini(&version);
  }
  cli_table_print(&table, stdout, true);
  cli_table_fini(&table);
}

static void label(const char *name) { printf("%s%-8s%s ", cli_style_on(stdout, CLI_DIM), name, cli_style_off(stdout)); }

static void making_print(const larder *cache, const larder_why *why) {
  char span[CLI_SHORT];
  label("maker");
  printf("%s", why->maker != NULL ? why->maker : "none is configured");
  if (why->made_by != 0) printf("; process %" PRId64 " is making it", why->made_by);
  if (why->made_overtaken) printf(", and it was changed since: what is made will not be kept");
  fputc('\n', stdout);
  if (why->failure == LARDER_OK) return;
  cli_buf reason = {0};
  cli_buf shown = {0};
  cli_redact(cache, &reason, why->failure_text, strlen(why->failure_text), false);
  cli_escape(&shown, cli_buf_str(&reason), reason.len);
  label("failure");
  printf("%s%s%s (told for %s still)\n", cli_style_on(stdout, CLI_RED), cli_buf_str(&shown), cli_style_off(stdout),
         cli_span_text(why->failure_ms, span, sizeof span));
  cli_buf_fini(&reason);
  cli_buf_fini(&shown);
}

static void health_print(const larder_why *why) {
  char text[CLI_SHORT];
  cli_buf line = {0};
  if (!why->has_health) return;
  label("health");
  cli_health_text(&line, &why->health);
  printf("%s%s%s\n", cli_style_on(stdout, cli_health_style(why->health.status)), cli_buf_str(&line), cli_style_off(stdout));
  cli_buf_clear(&line);
  if (why->health.error[0] != '\0') {
    label("error");
    cli_escape(&line, why->health.error, strlen(why->health.error));
    printf("%s (%s)\n", cli_buf_str(&line), when_text(why->health.failed_ms, why->now_ms, text, sizeof text));
  }
  cli_buf_fini(&line);
}

static void events_print(const larder *cache, const larder_why *why, uint64_t limit) {
  static const char *const heads[] = {"when", "event", "tier", ">process", "reason", NULL};
  cli_table table;
  char text[CLI_SHORT];
  if (why->events_len == 0) {
    puts("\nNothing is known to have happened to it lately.");
    return;
  }
  fputc('\n', stdout);
  cli_table_init(&table, heads);
  for (size_t i = 0; i < why->events_len && i < limit; i++) {
    const larder_why_event *event = &why->events[i];
    cli_buf reason = {0};
    cli_buf shown = {0};
    cli_redact(cache, &reason, event->text, strlen(event->text), false);
    cli_escape(&shown, cli_buf_str(&reason), reason.len);
    cli_table_add(&table, when_text(event->wall_ms, why->now_ms, text, sizeof text));
    cli_table_add(&table, event->what);
    cli_table_add(&table, event->tier);
    snprintf(text, sizeof text, "%" PRId64, event->pid);
    cli_table_add(&table, text);
    cli_table_add(&table, cli_buf_str(&shown));
    cli_buf_fini(&reason);
    cli_buf_fini(&shown);
  }
  cli_table_print(&table, stdout, true);
  cli_table_fini(&table);
}

static void adaptive_print(const why_found *found) {
  const larder_adaptive *now = &found->adaptive;
  if (!found->adapts) return;
  label("policy");
  if (now->asked == 0)
    puts("adaptive; in no program that runs did an entry have to go from memory yet");
  else
    printf("adaptive: %s decides in the memory of programs that run (what stays: %s)\n", now->experts[now->leader].name,
           now->experts[now->leader].stays);
}

static void why_print(const larder *cache, const why_found *found, uint64_t limit) {
  const larder_why *why = &found->why;
  puts(larder_why_sentence(why));
  fputc('\n', stdout);
  tiers_print(why);
  fputc('\n', stdout);
  if (why->has_slot) {
    label("slot");
    printf("%" PRIu64 ", version %" PRIu64, why->slot, why->slot_version);
    if (why->slot_owner != 0) printf("; process %" PRId64 " is changing it", why->slot_owner);
    fputc('\n', stdout);
  }
  making_print(cache, why);
  adaptive_print(found);
  health_print(why);
  events_print(cache, why, limit);
}

/* --- for programs --------------------------------------------------------------------------------------------------- */

static void redacted_json(const larder *cache, cli_json *json, const char *name, const char *text) {
  cli_buf shown = {0};
  cli_redact(cache, &shown, text, strlen(text), false);
  cli_json_text(json, name, cli_buf_str(&shown));
  cli_buf_fini(&shown);
}

/* Nought is null: no time, no process. */
static void known_json(cli_json *json, const char *name, int64_t number) {
  if (number == 0) {
    cli_json_null(json, name);
  } else {
    cli_json_int(json, name, number);
  }
}

static void tier_json(cli_json *json, const larder_why_tier *tier) {
  cli_json_object(json, NULL);
  cli_json_text(json, "tier", tier->name);
  cli_json_text(json, "state", tier->state);
  cli_json_bool(json, "absent", tier->absent);
  cli_json_bool(json, "here", tier->here);
  cli_json_uint(json, "stamp", tier->stamp); /* what is not here has noughts */
  known_json(json, "written_ms", tier->written_ms);
  known_json(json, "fresh_until_ms", tier->expires_soft_ms);
  known_json(json, "keep_until_ms", tier->expires_hard_ms);
  cli_json_uint(json, "bytes", tier->len);
  cli_json_uint(json, "stored_bytes", tier->stored_len);
  cli_json_text(json, "version", tier->version[0] != 0 ? tier->version : NULL);
  cli_json_object_end(json);
}

static void making_json(const larder *cache, cli_json *json, const larder_why *why) {
  cli_json_object(json, "making");
  cli_json_text(json, "maker", why->maker);
  known_json(json, "pid", why->made_by);
  cli_json_bool(json, "overtaken", why->made_overtaken);
  cli_json_text(json, "failure", why->failure != LARDER_OK ? larder_err_name(why->failure) : NULL);
  redacted_json(cache, json, "reason", why->failure_text); /* empty: none */
  cli_json_int(json, "told_for_ms", why->failure_ms);
  cli_json_object_end(json);
}

static void adaptive_json(cli_json *json, const why_found *found) {
  const larder_adaptive *now = &found->adaptive;
  if (!found->adapts) {
    cli_json_null(json, "adaptive");
    return;
  }
  cli_json_object(json, "adaptive");
  cli_json_text(json, "leader", now->asked != 0 ? now->experts[now->leader].name : NULL);
  cli_json_uint(json, "requests", now->asked);
  cli_json_uint(json, "switches", now->switches);
  cli_json_object_end(json);
}

static void why_json(const cli_entry *entry, const why_found *found, uint64_t limit) {
  const larder_why *why = &found->why;
  const larder *cache = entry->cache;
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_entry_json(&json, entry);
  cli_json_text(&json, "state", state_name(why->state));
  cli_json_text(&json, "stale_by", stale_name(why->stale));
  cli_json_text(&json, "why", larder_why_sentence(why));
  cli_json_array(&json, "tiers");
  for (size_t i = 0; i < why->tiers_len; i++) tier_json(&json, &why->tiers[i]);
  cli_json_array_end(&json);
  if (why->has_slot) {
    cli_json_object(&json, "slot");
    cli_json_uint(&json, "number", why->slot);
    cli_json_uint(&json, "version", why->slot_version);
    known_json(&json, "owner_pid", why->slot_owner);
    cli_json_object_end(&json);
  } else {
    cli_json_null(&json, "slot");
  }
  making_json(cache, &json, why);
  adaptive_json(&json, found);
  if (why->has_health) {
    cli_json_object(&json, "health");
    cli_health_json(&json, &why->health);
    cli_json_object_end(&json);
  } else {
    cli_json_null(&json, "health");
  }
  cli_json_array(&json, "events");
  for (size_t i = 0; i < why->events_len && i < limit; i++) {
    const larder_why_event *event = &why->events[i];
    cli_json_object(&json, NULL);
    cli_json_int(&json, "at_ms", event->wall_ms);
    cli_json_text(&json, "event", event->what);
    cli_json_text(&json, "tier", event->tier[0] != 0 ? event->tier : NULL);
    cli_json_int(&json, "pid", event->pid);
    redacted_json(cache, &json, "reason", event->text);
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

/* --- the command ---------------------------------------------------------------------------------------------------- */

static cli_exit why_show(const cli_call *call, const cli_entry *entry, const void *given) {
  const why_args *args = given;
  why_found *found = calloc(1, sizeof *found);
  if (found == NULL) return cli_refuse_result(call, LARDER_ENOMEM, NULL, "cannot look at the key");
  larder_why *why = &found->why;
  why->size = sizeof *why;
  larder_err const result = larder_why_look(entry->ns, entry->key.data, entry->key.len, why);
  cli_exit code = CLI_DONE;
  if (result == LARDER_OK) adaptive_look(entry, found);
  if (result < 0) {
    code = cli_refuse_result(call, result, NULL, "cannot look at the key");
  } else if (call->globals->json) {
    why_json(entry, found, args->limit);
  } else {
    why_print(entry->cache, found, args->limit);
  }
  if (result == LARDER_OK && (why->state == LARDER_WHY_NOTHING || why->state == LARDER_WHY_ABSENT)) code = CLI_NOT_FOUND;
  free(found);
  return code;
}

static cli_exit run(const cli_call *call, void *given) {
  const why_args *args = given;
  return cli_on_entry(call, &args->entry, CLI_LOOKS, why_show, args);
}

const cli_command cli_command_why = {.name = "why",
                                     .summary = "Say where a key is kept, how fresh, who makes it, and what happened to it.",
                                     .options = options,
                                     .operands = operands,
                                     .examples = examples,
                                     .args_size = sizeof(why_args),
                                     .run = run};
