/* SPDX-License-Identifier: Apache-2.0 */
/* The figures lie in shared memory: a running program is read without being asked, and does not notice. */
#include "cli_table.h"
#include "commands.h"
#include "session.h"

#include <inttypes.h>
#include <larder/adaptive.h>
#include <larder/learning.h>
#include <larder/stats.h>
#include <string.h>
#include <unistd.h>

typedef struct stats_args {
  const char *ns;
  bool prometheus;
  bool reset;
} stats_args;

#define AT(field) offsetof(stats_args, field)

static const cli_option options[] = {
    {"prometheus", 0, CLI_FLAG, AT(prometheus), NULL, NULL, NULL, "in Prometheus' text format, for a scraper"},
    {"reset", 0, CLI_FLAG, AT(reset), NULL, NULL, NULL, "show the figures, then count from zero in every process"},
    {0}};

static const cli_operand operands[] = {{"NS", CLI_TEXT, AT(ns), true, NULL, "one namespace; without it all of them"}, {0}};

static const cli_example examples[] = {{"larder stats", "of all programs that use the root, living and past"},
                                       {"larder stats bls_ces", "of one namespace"},
                                       {"larder --json stats | jq .hit_rate", "for a script"},
                                       {0}};

static void processes_print(const larder_stats *stats) {
  larder_stats_process process;
  int64_t now_ms = cli_wall_ms();
  size_t others = 0;
  for (size_t i = 0; larder_stats_process_at(stats, i, &process); i++) {
    if (process.pid == (int64_t)getpid()) continue;
    char span[CLI_SHORT];
    cli_buf name = {0};
    cli_escape(&name, process.program, strlen(process.program));
    printf("%s  %" PRId64 " %s, for %s\n", others++ == 0 ? "in use by" : "         ", process.pid, cli_buf_str(&name),
           cli_span_text(now_ms - process.since_ms, span, sizeof span));
    cli_buf_fini(&name);
  }
  if (others == 0) puts("in use by  no other program at the moment");
}

static char *rate_text(double rate, char *out, size_t room) {
  if (rate < 0) {
    snprintf(out, room, "-");
  } else {
    snprintf(out, room, "%.1f %%", rate * 100);
  }
  return out;
}

static void rates_print(const larder_stats *stats) {
  larder_stats_rates rates = {0};
  char all[CLI_SHORT];
  char recent[CLI_SHORT];
  char steady[CLI_SHORT];
  larder_stats_rates_of(stats, &rates);
  printf("hit rate   %s; last minute %s; without warm-up %s%s\n", rate_text(rates.hit_rate, all, sizeof all),
         rate_text(rates.hit_rate_recent, recent, sizeof recent), rate_text(rates.hit_rate_steady, steady, sizeof steady),
         rates.cold ? " (still cold)" : "");
}

static bool row_wanted(const larder_stats_row *row, const char *ns) {
  if (ns != NULL) return row->ns != NULL && strcmp(row->ns, ns) == 0;
  /* Larder's own row is there always and says something seldom. */
  bool const other = row->ns != NULL && strcmp(row->ns, "(other)") == 0;
  return !other || row->hits + row->misses + row->puts + row->deletes + row->evictions + row->entries != 0;
}

static void count_add(cli_table *table, uint64_t count) {
  char text[CLI_SHORT];
  cli_table_add(table, cli_count_text(count, text, sizeof text));
}

/* What a tier that all processes share keeps at this moment; the figures in shared memory are up to a second old. */
typedef struct now_kept {
  const char *tier;
  larder_tier_usage usage;
  bool known;
} now_kept;

static bool now_kept_visit(void *context, const larder_tier_state *tier) {
  now_kept *now = context;
  now->known = strcmp(tier->name, now->tier) == 0 && tier->usage_known;
  if (now->known) now->usage = tier->usage;
  return !now->known;
}

static void kept_refresh(larder *cache, larder_stats_row *row) {
  larder_ns *ns = NULL;
  now_kept now = {.tier = row->tier};
  bool opened = row->ns == NULL || (row->ns[0] != '(' && larder_ns_open(cache, row->ns, &ns, NULL) == LARDER_OK);
  if (!opened || strcmp(row->tier, "memory") == 0) return;
  if (larder_tiers(cache, ns, now_kept_visit, &now) < 0 || !now.known) return;
  row->entries = now.usage.entries;
  row->bytes = now.usage.bytes;
  row->bytes_max = now.usage.bytes_max;
}

static void rows_print(larder *cache, const larder_stats *stats, const char *ns) {
  static const char *const heads[] = {"NAMESPACE", "TIER",     ">HITS", ">MISSES", ">HIT RATE", ">PUTS",
                                      ">DELETES",  ">EVICTED", ">KEPT", ">SIZE",   ">LIMIT",    NULL};
  larder_stats_row row;
  cli_table table;
  cli_table_init(&table, heads);
  for (size_t i = 0; larder_stats_row_at(stats, i, &row); i++) {
    char text[CLI_SHORT];
    bool whole = strcmp(row.tier, "all") == 0;
    if (!row_wanted(&row, ns)) continue;
    kept_refresh(cache, &row);
    cli_table_add_styled(&table, row.ns != NULL ? row.ns : "(all)", CLI_BOLD);
    cli_table_add(&table, row.tier);
    count_add(&table, row.hits);
    count_add(&table, row.misses);
    cli_table_add(&table, rate_text(row.hits + row.misses > 0 ? row.hit_rate : -1, text, sizeof text));
    if (whole) {
      count_add(&table, row.puts);
      count_add(&table, row.deletes);
    } else { /* what callers changed is counted once, not by tier */
      cli_table_add(&table, "");
      cli_table_add(&table, "");
    }
    count_add(&table, row.evictions);
    if (whole) {
      for (int j = 0; j < 3; j++) cli_table_add(&table, "");
      continue;
    }
    count_add(&table, row.entries);
    cli_table_add(&table, cli_size_text(row.bytes, text, sizeof text));
    cli_table_add(&table, row.bytes_max > 0 ? cli_size_text(row.bytes_max, text, sizeof text) : "-");
  }
  cli_table_print(&table, stdout, true);
  cli_table_fini(&table);
}

/* What compression and sealing make of values. */
static void codec_print(const larder_stats *stats, const char *ns) {
  static const char *const heads[] = {"NAMESPACE", "TIER", ">ENCODED", ">STORED", ">RATIO", ">FAILED", NULL};
  larder_stats_row row;
  cli_table table;
  cli_table_init(&table, heads);
  for (size_t i = 0; larder_stats_row_at(stats, i, &row); i++) {
    uint64_t in = 0;
    uint64_t out = 0;
    uint64_t failed = 0;
    char text[CLI_SHORT];
    bool known = row_wanted(&row, ns) && larder_stats_value(stats, row.ns, row.tier, "codec_bytes_in", &in) &&
                 larder_stats_value(stats, row.ns, row.tier, "codec_bytes_out", &out) &&
                 larder_stats_value(stats, row.ns, row.tier, "codec_failures", &failed);
    if (!known || (in == 0 && failed == 0)) continue;
    cli_table_add_styled(&table, row.ns != NULL ? row.ns : "(all)", CLI_BOLD);
    cli_table_add(&table, row.tier);
    cli_table_add(&table, cli_size_text(in, text, sizeof text));
    cli_table_add(&table, cli_size_text(out, text, sizeof text));
    snprintf(text, sizeof text, "%.2f", out > 0 ? (double)in / (double)out : 0);
    cli_table_add(&table, text);
    count_add(&table, failed);
  }
  if (table.cells_len > 0) {
    putchar('\n');
    cli_table_print(&table, stdout, true);
  }
  cli_table_fini(&table);
}

/* Of what was made ahead and is judged, what was read; nothing where nothing is. */
static void precision_add(cli_table *table, const larder_stats *stats, const larder_stats_row *row) {
  uint64_t used = 0, wasted = 0;
  char text[CLI_SHORT] = "";
  bool judged = larder_stats_value(stats, row->ns, row->tier, "prefetch_used", &used) &&
                larder_stats_value(stats, row->ns, row->tier, "prefetch_wasted", &wasted) && used + wasted > 0;
  if (judged) snprintf(text, sizeof text, "%.1f %%", 100 * (double)used / (double)(used + wasted));
  cli_table_add(table, text);
}

/* What was made before somebody asked, and whether it was of use. */
static void ahead_print(const larder_stats *stats, const char *ns) {
  static const char *const heads[] = {"NAMESPACE", ">WISHED", ">DROPPED",   ">MADE AHEAD",   ">USED",
                                      ">LATE",     ">WASTED", ">PRECISION", ">BYTES WASTED", NULL};
  static const char *const names[] = {"prefetch_asked", "prefetch_dropped", "prefetch_made",
                                      "prefetch_used",  "prefetch_late",    "prefetch_wasted"};
  larder_stats_row row;
  cli_table table;
  cli_table_init(&table, heads);
  for (size_t i = 0; larder_stats_row_at(stats, i, &row); i++) {
    uint64_t asked = 0, value = 0;
    char text[CLI_SHORT];
    if (row.ns == NULL || strcmp(row.tier, "all") != 0 || !row_wanted(&row, ns) ||
        !larder_stats_value(stats, row.ns, row.tier, names[0], &asked) || asked == 0)
      continue;
    cli_table_add_styled(&table, row.ns, CLI_BOLD);
    for (size_t j = 0; j < sizeof names / sizeof *names; j++)
      count_add(&table, larder_stats_value(stats, row.ns, row.tier, names[j], &value) ? value : 0);
    precision_add(&table, stats, &row);
    if (!larder_stats_value(stats, row.ns, row.tier, "prefetch_wasted_bytes", &value)) value = 0;
    cli_table_add(&table, cli_size_text(value, text, sizeof text));
  }
  if (table.cells_len > 0) {
    putchar('\n');
    cli_table_print(&table, stdout, true);
  }
  cli_table_fini(&table);
}

static void part_add(cli_table *table, uint64_t part, uint64_t whole) {
  char text[CLI_SHORT];
  cli_table_add(table, rate_text(whole > 0 ? (double)part / (double)whole : -1, text, sizeof text));
}

static void expert_add(cli_table *table, const char *ns, const larder_adaptive *now, unsigned expert) {
  const larder_adaptive_expert *row = &now->experts[expert];
  cli_table_add_styled(table, ns, CLI_BOLD);
  cli_table_add(table, row->name);
  count_add(table, row->entries);
  part_add(table, row->led, now->asked);
  part_add(table, row->missed, now->asked);
  if (expert == now->leader) { /* they are of the namespace */
    count_add(table, now->asked);
    count_add(table, now->switches);
  } else {
    cli_table_add(table, "");
    cli_table_add(table, "");
  }
}

/* Who is in charge where the policy is adaptive; of one namespace, all experts, the leader first. */
static void adaptive_print(const larder_stats *stats, const char *ns) {
  static const char *const heads[] = {"NAMESPACE",   "EXPERT",   ">IN CHARGE OF", ">LED",
                                      ">WOULD MISS", ">SAMPLED", ">SWITCHES",     NULL};
  larder_stats_row row;
  cli_table table;
  cli_table_init(&table, heads);
  for (size_t i = 0; larder_stats_row_at(stats, i, &row); i++) {
    larder_adaptive now = {.size = sizeof now};
    if (strcmp(row.tier, "memory") != 0 || !row_wanted(&row, ns) || !larder_stats_adaptive_of(stats, row.ns, &now)) continue;
    if (now.asked == 0) continue;
    expert_add(&table, row.ns, &now, now.leader);
    for (unsigned expert = 0; ns != NULL && expert < LARDER_EXPERT_COUNT; expert++)
      if (expert != now.leader) expert_add(&table, row.ns, &now, expert);
  }
  if (table.cells_len > 0) {
    putchar('\n');
    cli_table_print(&table, stdout, true);
  }
  cli_table_fini(&table);
}

static void change_add(cli_table *table, double now, double plain) {
  char text[CLI_SHORT];
  snprintf(text, sizeof text, "%+.1f %%", plain > 0 ? 100 * (now / plain - 1) : 0);
  cli_table_add(table, plain > 0 ? text : "-");
}

static void agent_add(cli_table *table, const char *ns, const larder_learning_figures *now) {
  char text[CLI_SHORT];
  cli_table_add_styled(table, ns, CLI_BOLD);
  count_add(table, now->agent.decisions);
  part_add(table, now->agent.explored, now->agent.decisions);
  if (now->agents == 1)
    snprintf(text, sizeof text, "%s", now->aside ? "yes" : "no");
  else
    snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64, now->aside, now->agents);
  cli_table_add(table, text);
  count_add(table, now->agent.stepped_aside);
  part_add(table, now->agent.windows_aside, now->agent.windows);
  change_add(table, now->ms, now->plain_ms);
  change_add(table, now->origin, now->plain_origin);
}

static void actions_print(const larder_learning_figures *now) {
  static const char *const heads[] = {"ACTION", ">TAKEN", ">REWARD EACH", NULL};
  char text[CLI_SHORT];
  cli_table table;
  cli_table_init(&table, heads);
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    cli_table_add(&table, larder_agent_action_name((larder_agent_action)a));
    part_add(&table, now->agent.taken[a], now->agent.decisions);
    snprintf(text, sizeof text, "%+.2f", now->agent.learned[a] ? now->agent.reward[a] / (double)now->agent.learned[a] : 0);
    cli_table_add(&table, now->agent.learned[a] ? text : "-");
  }
  putchar('\n');
  cli_table_print(&table, stdout, true);
  cli_table_fini(&table);
}

/* What agents have come to; of one namespace, by action, too. */
static void agents_print(const larder_stats *stats, const char *ns) {
  static const char *const heads[] = {"NAMESPACE",   ">DECIDED",       ">BY CHANCE",       ">ASIDE NOW", ">TIMES ASIDE",
                                      ">TIME ASIDE", ">WAIT VS PLAIN", ">ORIGIN VS PLAIN", NULL};
  larder_stats_row row;
  cli_table table;
  cli_table_init(&table, heads);
  larder_learning_figures now;
  for (size_t i = 0; larder_stats_row_at(stats, i, &row); i++)
    if (strcmp(row.tier, "all") == 0 && row_wanted(&row, ns) && larder_stats_learning_of(stats, row.ns, &now))
      agent_add(&table, row.ns, &now);
  if (table.cells_len > 0) {
    putchar('\n');
    cli_table_print(&table, stdout, true);
    if (ns != NULL && larder_stats_learning_of(stats, ns, &now)) actions_print(&now);
  }
  cli_table_fini(&table);
}

/* What makers brought, and what was served instead. */
static void making_print(const larder_stats *stats, const char *ns) {
  static const char *const heads[] = {"NAMESPACE", ">MADE",  ">UNCHANGED",     ">ABSENT",          ">FAILED", ">WAITED FOR",
                                      ">BEHIND",   ">STALE", ">FAILURES TOLD", ">ORIGIN REQUESTS", NULL};
  static const char *const names[] = {"made",        "made_unchanged", "made_absent",   "make_failed",    "make_joined",
                                      "make_behind", "stale_hits",     "failures_told", "origin_requests"};
  larder_stats_row row;
  cli_table table;
  cli_table_init(&table, heads);
  for (size_t i = 0; larder_stats_row_at(stats, i, &row); i++) {
    uint64_t values[sizeof names / sizeof *names] = {0};
    uint64_t makings = 0;
    if (row.ns == NULL || strcmp(row.tier, "all") != 0 || !row_wanted(&row, ns)) continue;
    for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
      if (!larder_stats_value(stats, row.ns, row.tier, names[j], &values[j])) values[j] = 0;
      if (j < 4) makings += values[j];
    }
    if (makings == 0) continue;
    cli_table_add_styled(&table, row.ns, CLI_BOLD);
    for (size_t j = 0; j < sizeof names / sizeof *names; j++) count_add(&table, values[j]);
  }
  if (table.cells_len > 0) {
    putchar('\n');
    cli_table_print(&table, stdout, true);
  }
  cli_table_fini(&table);
}

static void span_add(cli_table *table, double ms) {
  char text[CLI_SHORT];
  cli_table_add(table, cli_nanos_text((uint64_t)(ms * 1e6), text, sizeof text));
}

/* A hit in memory that is measured stands for about a thousand, so where there are any a count is an estimate. */
static bool is_estimate(const larder_stats *stats, const char *ns, const char *tier, const char *op) {
  uint64_t hits = 0;
  bool const counts_memory = strcmp(tier, "memory") == 0 || strcmp(tier, "all") == 0;
  return counts_memory && strcmp(op, "get") == 0 && larder_stats_value(stats, ns, "memory", "hits", &hits) && hits > 0;
}

/* Latencies of the tiers of one namespace, or of the sums. */
static void latencies_print(const larder_stats *stats, const char *ns) {
  static const char *const heads[] = {"TIER", "OPERATION", ">COUNT", ">MEAN", ">P50", ">P95", ">P99", ">P99.9", NULL};
  static const char *const ops[] = {"get", "put", "delete", "scan", "sweep", "flush", "encode", "decode"};
  larder_stats_row row;
  cli_table table;
  cli_table_init(&table, heads);
  for (size_t i = 0; larder_stats_row_at(stats, i, &row); i++) {
    bool mine = ns == NULL ? row.ns == NULL : row_wanted(&row, ns);
    for (size_t op = 0; mine && op < sizeof ops / sizeof ops[0]; op++) {
      larder_stats_latency latency = {0};
      if (!larder_stats_latency_of(stats, ns, row.tier, ops[op], &latency) || latency.count == 0) continue;
      cli_table_add(&table, row.tier);
      cli_table_add(&table, ops[op]);
      bool const estimate = is_estimate(stats, ns, row.tier, ops[op]);
      char count[CLI_SHORT];
      char shown[CLI_SHORT + 1];
      snprintf(shown, sizeof shown, "%s%s", estimate ? "~" : "", cli_count_text(latency.count, count, sizeof count));
      cli_table_add(&table, shown);
      span_add(&table, latency.mean_ms);
      span_add(&table, latency.p50_ms);
      span_add(&table, latency.p95_ms);
      span_add(&table, latency.p99_ms);
      span_add(&table, latency.p999_ms);
    }
  }
  if (table.cells_len > 0) {
    putchar('\n');
    cli_table_print(&table, stdout, true);
  }
  cli_table_fini(&table);
}

static bool tier_print(void *context, const larder_tier_state *tier) {
  (void)context;
  bool works = strcmp(tier->state, "closed") == 0;
  if (!works)
    printf("%stier %s is %s%s after %" PRIu64 " failures in a row; what it has is not served until it is back\n",
           cli_style_on(stdout, CLI_YELLOW), tier->name, strcmp(tier->state, "open") == 0 ? "switched off" : tier->state,
           cli_style_off(stdout), tier->failures);
  return true;
}

static cli_exit stats_print(const cli_call *call, larder *cache, const larder_stats *stats, const stats_args *args) {
  if (!call->globals->quiet) {
    printf("root       %s\n", larder_root(cache) != NULL ? larder_root(cache) : "(none)");
    processes_print(stats);
    if (args->ns == NULL) rates_print(stats);
    putchar('\n');
  }
  rows_print(cache, stats, args->ns);
  codec_print(stats, args->ns);
  making_print(stats, args->ns);
  ahead_print(stats, args->ns);
  adaptive_print(stats, args->ns);
  agents_print(stats, args->ns);
  latencies_print(stats, args->ns);
  larder_err result = larder_tiers(cache, NULL, tier_print, NULL);
  return result < 0 ? cli_refuse_result(call, result, NULL, "cannot read the tiers") : CLI_DONE;
}

static cli_exit stats_write(const cli_call *call, const larder_stats *stats, const stats_args *args) {
  char *text = NULL;
  size_t len = 0;
  larder_err result =
      args->prometheus ? larder_stats_to_prometheus(stats, &text, &len) : larder_stats_to_json(stats, args->ns, &text, &len);
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot write the statistics");
  fwrite(text, 1, len, stdout);
  if (len > 0 && text[len - 1] != '\n') putchar('\n');
  larder_stats_text_free(text);
  return CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  const stats_args *args = given;
  larder *cache = NULL;
  larder_stats *stats = NULL;
  larder_ns *ns = NULL;
  larder_error error = {0};
  if (args->prometheus && (args->ns != NULL || call->globals->json))
    return cli_refuse(call, CLI_USAGE, "leave it out, and let the scraper choose",
                      "--prometheus has a format of its own and shows every namespace: it goes with neither --json nor NS");
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE && args->ns != NULL) code = cli_ns_known(call, cache, args->ns, &ns);
  if (code == CLI_DONE) {
    larder_err result = larder_stats_take(cache, &stats, &error);
    if (result < 0) code = cli_refuse_result(call, result, &error, "cannot read the statistics");
  }
  if (code == CLI_DONE) {
    bool document = args->prometheus || call->globals->json;
    code = document ? stats_write(call, stats, args) : stats_print(call, cache, stats, args);
  }
  larder_stats_free(&stats);
  if (code == CLI_DONE && args->reset) {
    larder_err result = larder_stats_reset(cache);
    if (result < 0) {
      code = cli_refuse_result(call, result, NULL, "cannot reset the statistics");
    } else {
      cli_note(call, "from now on every process counts from zero");
    }
  }
  return cli_close(call, &cache, code);
}

const cli_command cli_command_stats = {
    .name = "stats",
    .summary = "Show hits, evictions and latencies, also of running programs.",
    .text =
        "The figures are read from shared memory while the programs run. KEPT and SIZE of the memory tier are the sums over "
        "the living processes. EVICTED of the tier all is the sum of its tiers. A COUNT with ~ is an estimate: about every "
        "1024th hit in memory is measured, and counts for 1024.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(stats_args),
    .run = run};
