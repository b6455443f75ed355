/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A visit may block nobody: what it sees is gathered in memory, batch by batch, and written between two batches, so that a
 * pager at the other end of the pipe holds no tier.
 */
#include "cli_table.h"
#include "commands.h"
#include "session.h"

#include <string.h>

#define BATCH 256u

typedef struct ls_args {
  const char *ns;
  const char *prefix;
  const char *glob;
  const char *tag;
  uint64_t limit;
  bool long_form;
  bool stale;
  bool all;
} ls_args;

#define AT(field) offsetof(ls_args, field)

static const cli_option options[] = {
    {"prefix", 'p', CLI_TEXT, AT(prefix), "TEXT", NULL, NULL, "only keys that begin with TEXT"},
    {"glob", 'g', CLI_TEXT, AT(glob), "GLOB", NULL, NULL, "only keys that match: * ? [a-z]"},
    {"tag", 't', CLI_TEXT, AT(tag), "TAG", NULL, NULL, "only entries with this tag"},
    {"limit", 'n', CLI_COUNT, AT(limit), "N", NULL, "0", "stop after N entries; 0: list all"},
    {"long", 'l', CLI_FLAG, AT(long_form), NULL, NULL, NULL, "with size, kind, age, time left and tags"},
    {"stale", 0, CLI_FLAG, AT(stale), NULL, NULL, NULL, "also what is past its time but still kept"},
    {"all", 'a', CLI_FLAG, AT(all), NULL, NULL, NULL, "also that, and what a maker said is not there (kind absent)"},
    {0}};

static const cli_operand operands[] = {
    {"NS", CLI_TEXT, AT(ns), true, NULL, "the namespace; without it the namespaces are listed"}, {0}};

static const cli_example examples[] = {{"larder ls", "the namespaces, with how much each keeps"},
                                       {"larder ls census_acs --prefix census:acs: -l -n 20", "twenty keys in detail"},
                                       {"larder ls kernels --quiet | wc -l", "one key a line, nothing else"},
                                       {0}};

/* --- namespaces ---------------------------------------------------------------------------------------------------- */

typedef struct overview {
  cli_json json;
  cli_table table;
} overview;

/* The tiers come from the uppermost to the lowest; the lowest has everything that lasts. */
static bool tier_usage(void *context, const larder_tier_state *tier) {
  if (tier->usage_known) *(larder_tier_usage *)context = tier->usage;
  return true;
}

static cli_exit overview_ns(const cli_call *call, larder *cache, larder_ns *ns, void *context) {
  overview *o = context;
  larder_tier_usage usage = {0};
  larder_policy policy = {0};
  char entries[CLI_SHORT];
  char bytes[CLI_SHORT];
  char ttl[CLI_SHORT];
  larder_err result = larder_tiers(cache, ns, tier_usage, &usage);
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot read the tiers");
  larder_ns_policy(ns, &policy);
  if (call->globals->json) {
    cli_json_object(&o->json, NULL);
    cli_json_text(&o->json, "ns", larder_ns_name(ns));
    cli_json_uint(&o->json, "entries", usage.entries);
    cli_json_uint(&o->json, "bytes", usage.payload_bytes);
    if (policy.ttl_ms == LARDER_TTL_NEVER) {
      cli_json_null(&o->json, "ttl_ms");
    } else {
      cli_json_int(&o->json, "ttl_ms", policy.ttl_ms);
    }
    cli_json_text(&o->json, "tiers", policy.tiers);
    cli_json_object_end(&o->json);
    return CLI_DONE;
  }
  cli_table_add_styled(&o->table, larder_ns_name(ns), CLI_BOLD);
  cli_table_add(&o->table, cli_count_text(usage.entries, entries, sizeof entries));
  cli_table_add(&o->table, cli_size_text(usage.payload_bytes, bytes, sizeof bytes));
  cli_table_add(&o->table, policy.ttl_ms == LARDER_TTL_NEVER ? "never" : cli_span_text(policy.ttl_ms, ttl, sizeof ttl));
  cli_table_add(&o->table, policy.tiers != NULL ? policy.tiers : "");
  return CLI_DONE;
}

static cli_exit ls_namespaces(const cli_call *call, larder *cache) {
  static const char *const heads[] = {"NAMESPACE", ">ENTRIES", ">SIZE", ">TTL", "TIERS", NULL};
  overview o = {0};
  cli_table_init(&o.table, heads);
  cli_json_init(&o.json, stdout);
  cli_json_object(&o.json, NULL);
  cli_json_text(&o.json, "root", larder_root(cache));
  cli_json_array(&o.json, "namespaces");
  cli_unopened unopened = {0};
  cli_exit code = cli_each_ns(call, cache, NULL, &unopened, overview_ns, &o);
  cli_json_array_end(&o.json);
  cli_json_object_end(&o.json);
  if (code == CLI_DONE && call->globals->json) {
    cli_json_end(&o.json);
  } else if (code == CLI_DONE) {
    if (o.table.cells_len == 0) cli_note(call, "nothing is kept here yet; `larder put NS KEY FILE` keeps a value");
    cli_table_print(&o.table, stdout, !call->globals->quiet && o.table.cells_len > 0);
  }
  cli_buf_fini(&o.json.text);
  cli_table_fini(&o.table);
  return code == CLI_DONE ? cli_unopened_told(call, &unopened, code) : code;
}

/* --- entries ------------------------------------------------------------------------------------------------------- */

typedef struct listing {
  const cli_call *call;
  const ls_args *args;
  cli_json json;
  cli_table table;
  cli_buf lines;
  int64_t now_ms;
  uint64_t count;
  uint64_t bytes;
} listing;

static void row_add(listing *l, const larder_listed *entry, const char *key) {
  const larder_facts *facts = entry->facts;
  char text[CLI_SHORT];
  cli_buf tags = {0};
  bool stale = facts->expires_soft_ms > 0 && facts->expires_soft_ms <= l->now_ms;
  cli_table_add(&l->table, cli_size_text(facts->value_len, text, sizeof text));
  cli_table_add(&l->table, cli_kind_name(facts->kind));
  cli_table_add(&l->table, cli_span_text(l->now_ms - cli_stamp_ms(facts->stamp), text, sizeof text));
  if (stale) {
    cli_table_add_styled(&l->table, "stale", CLI_YELLOW);
  } else {
    cli_table_add(&l->table,
                  facts->expires_soft_ms == 0 ? "never" : cli_span_text(facts->expires_soft_ms - l->now_ms, text, sizeof text));
  }
  cli_tags_text(facts, &tags);
  cli_table_add_styled(&l->table, tags.len > 0 ? cli_buf_str(&tags) : "-", tags.len > 0 ? CLI_PLAIN : CLI_DIM);
  cli_table_add_styled(&l->table, key, CLI_BOLD);
  cli_buf_fini(&tags);
}

static bool entry_visit(void *context, const larder_listed *entry) {
  listing *l = context;
  l->count++;
  l->bytes += entry->key_len + entry->facts->value_len;
  if (l->call->globals->json) {
    cli_json_object(&l->json, NULL);
    cli_json_bytes(&l->json, "key", "key_encoding", entry->key, entry->key_len);
    cli_json_facts(&l->json, entry->facts);
    cli_json_text(&l->json, "tier", entry->tier);
    cli_json_object_end(&l->json);
    return true;
  }
  cli_buf key = {0};
  cli_escape(&key, entry->key, entry->key_len);
  if (l->args->long_form) {
    row_add(l, entry, cli_buf_str(&key));
  } else {
    cli_buf_printf(&l->lines, "%s\n", cli_buf_str(&key));
  }
  cli_buf_fini(&key);
  return true;
}

static void batch_write(listing *l) {
  if (l->call->globals->json) {
    cli_json_flush(&l->json);
  } else if (l->args->long_form) {
    cli_table_print(&l->table, stdout, !l->call->globals->quiet && l->count > 0);
  } else {
    fwrite(cli_buf_str(&l->lines), 1, l->lines.len, stdout);
    cli_buf_clear(&l->lines);
  }
}

static larder_err entries_list(listing *l, larder_ns *ns) {
  larder_cursor cursor = {{0}};
  larder_err result = LARDER_OK;
  larder_match match = {.size = sizeof match,
                        .prefix = l->args->prefix,
                        .prefix_len = l->args->prefix != NULL ? strlen(l->args->prefix) : 0,
                        .glob = l->args->glob,
                        .tag = l->args->tag,
                        .stale_too = l->args->stale || l->args->all,
                        .absent_too = l->args->all};
  while (result == LARDER_OK && (l->args->limit == 0 || l->count < l->args->limit)) {
    uint64_t left = l->args->limit == 0 ? BATCH : l->args->limit - l->count;
    result = larder_list(ns, &match, false, left < BATCH ? left : BATCH, &cursor, entry_visit, l);
    batch_write(l);
    if (ferror(stdout)) break;
  }
  return result;
}

static cli_exit ls_entries(const cli_call *call, larder *cache, const ls_args *args) {
  static const char *const heads[] = {">SIZE", "KIND", ">AGE", ">LEFT", "TAGS", "KEY", NULL};
  larder_ns *ns = NULL;
  cli_exit code = cli_ns_known(call, cache, args->ns, &ns);
  if (code != CLI_DONE) return code;
  listing l = {.call = call, .args = args, .now_ms = cli_wall_ms()};
  cli_table_init(&l.table, heads);
  cli_json_init(&l.json, stdout);
  cli_json_object(&l.json, NULL);
  cli_json_text(&l.json, "ns", args->ns);
  cli_json_array(&l.json, "entries");
  larder_err result = entries_list(&l, ns);
  cli_json_array_end(&l.json);
  cli_json_uint(&l.json, "count", l.count);
  cli_json_bool(&l.json, "more", result == LARDER_OK);
  cli_json_object_end(&l.json);
  if (result < 0) {
    code = cli_refuse_glob(call, result, args->glob, "cannot list the entries");
  } else if (call->globals->json) {
    cli_json_end(&l.json);
  } else if (args->long_form || l.count == 0) {
    char count[CLI_SHORT];
    char size[CLI_SHORT];
    cli_note(call, "%s %s, %s%s", cli_count_text(l.count, count, sizeof count), cli_plural(l.count, "entry", "entries"),
             cli_size_text(l.bytes, size, sizeof size), result == LARDER_OK ? "; there may be more" : "");
  }
  cli_buf_fini(&l.json.text);
  cli_buf_fini(&l.lines);
  cli_table_fini(&l.table);
  return code;
}

static cli_exit run(const cli_call *call, void *given) {
  const ls_args *args = given;
  larder *cache = NULL;
  bool filtered =
      args->prefix != NULL || args->glob != NULL || args->tag != NULL || args->limit > 0 || args->stale || args->all;
  if (args->ns == NULL && (filtered || args->long_form))
    return cli_refuse(call, CLI_USAGE, "write `larder ls NS` with it", "the options of ls speak of the entries of a namespace");
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE) code = args->ns == NULL ? ls_namespaces(call, cache) : ls_entries(call, cache, args);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_ls = {.name = "ls",
                                    .summary = "List namespaces, or the keys of one.",
                                    .text =
                                        "Keys come in no order that means anything; pipe them through sort for one.\n\n"
                                        "ENTRIES and SIZE of a namespace are of all that its lowest tier keeps, which is what "
                                        "NS with --all lists.",
                                    .options = options,
                                    .operands = operands,
                                    .examples = examples,
                                    .args_size = sizeof(ls_args),
                                    .run = run};
