/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot as JSON. Everything but the frame comes from the tables, so a new counter shows up by itself. */
#include "json_writer.h"
#include "stats_room.h"

static const char *const evict_names[] = {
#define EVICT_NAME(name, text) text,
    LARDER_EVICT_REASONS(EVICT_NAME)
#undef EVICT_NAME
};

static bool is_eviction(size_t counter) {
  return counter >= LRD_STAT_EVICTED_FIRST && counter < (size_t)LRD_STAT_EVICTED_FIRST + LARDER_EVICT_REASON_COUNT;
}

static double ratio(uint64_t part, uint64_t whole) { return whole ? (double)part / (double)whole : 0; }

/* Milliseconds to a nanosecond; more digits would be noise. */
static void write_ms(lrd_json *json, const char *key, double ms) {
  lrd_json_key(json, key);
  lrd_json_double(json, (double)(uint64_t)(ms * 1e6 + 0.5) / 1e6);
}

static void write_latency(lrd_json *json, const char *key, const stats_sum *sum, size_t op) {
  const uint64_t *buckets = sum ? sum->buckets[op] : NULL;
  uint64_t count = buckets ? lrd_histogram_total(buckets) : 0;
  lrd_json_key(json, key);
  lrd_json_object_begin(json);
  lrd_json_key(json, "count");
  lrd_json_u64(json, count);
  if (count) {
    write_ms(json, "mean", (double)sum->sum_ns[op] / (double)count / 1e6);
    write_ms(json, "p50", (double)lrd_histogram_percentile(buckets, 0.50) / 1e6);
    write_ms(json, "p95", (double)lrd_histogram_percentile(buckets, 0.95) / 1e6);
    write_ms(json, "p99", (double)lrd_histogram_percentile(buckets, 0.99) / 1e6);
    write_ms(json, "p999", (double)lrd_histogram_percentile(buckets, 0.999) / 1e6);
  } else {
    static const char *const none[] = {"mean", "p50", "p95", "p99", "p999"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
      lrd_json_key(json, none[i]);
      lrd_json_null(json);
    }
  }
  lrd_json_object_end(json);
}

static void write_evictions(lrd_json *json, const uint64_t *counters) {
  lrd_json_key(json, "evictions");
  lrd_json_object_begin(json);
  for (size_t i = 0; i < LARDER_EVICT_REASON_COUNT; i++) {
    lrd_json_key(json, evict_names[i]);
    lrd_json_u64(json, counters[LRD_STAT_EVICTED_FIRST + i]);
  }
  lrd_json_object_end(json);
}

/* Rates, counters, gauges and latencies of one cell or total, into the object that is open. */
static void write_sum(lrd_json *json, const stats_sum *sum) {
  uint64_t hits = sum->counters[LRD_STAT_HITS], misses = sum->counters[LRD_STAT_MISSES];
  lrd_json_key(json, "hit_rate");
  lrd_json_double(json, ratio(hits, hits + misses));
  lrd_json_key(json, "miss_rate");
  lrd_json_double(json, ratio(misses, hits + misses));
  for (size_t i = 0; i < LRD_STAT_COUNT; i++) {
    if (is_eviction(i)) continue;
    lrd_json_key(json, lrd_stats_counter_info[i].name);
    lrd_json_u64(json, sum->counters[i]);
  }
  write_evictions(json, sum->counters);
  for (size_t i = 0; sum->gauges_ms && i < LRD_GAUGE_COUNT; i++) {
    lrd_json_key(json, lrd_stats_gauge_info[i].name);
    lrd_json_u64(json, sum->gauges[i]);
  }
  write_latency(json, "latency_ms", sum, LRD_OP_GET);
  lrd_json_key(json, "operations_ms");
  lrd_json_object_begin(json);
  for (size_t op = 0; op < LRD_OP_COUNT; op++)
    if (op != LRD_OP_GET && sum->buckets[op]) write_latency(json, lrd_stats_op_info[op].name, sum, op);
  lrd_json_object_end(json);
}

static bool is_all(const stats_sum *sum) { return strcmp(sum->tier, LRD_STATS_ALL) == 0; }

/* The tiers of one namespace ("" in totals: all), as an object by name. */
static void write_tiers(lrd_json *json, const stats_sums *sums, const char *ns) {
  lrd_json_key(json, "by_tier");
  lrd_json_object_begin(json);
  for (size_t i = 0; i < sums->count; i++) {
    const stats_sum *sum = sums->cells[i];
    if (is_all(sum) || strcmp(sum->ns, ns) != 0) continue;
    lrd_json_key(json, sum->tier);
    lrd_json_object_begin(json);
    write_sum(json, sum);
    lrd_json_object_end(json);
  }
  lrd_json_object_end(json);
}

static void write_part(lrd_json *json, const char *key, uint64_t part, uint64_t whole) {
  lrd_json_key(json, key);
  if (whole == 0)
    lrd_json_null(json);
  else
    lrd_json_double(json, ratio(part, whole));
}

/* Nothing where no process tells of it. */
static void write_adaptive(lrd_json *json, const larder_stats *stats, const char *ns) {
  larder_adaptive now = {.size = sizeof now};
  if (!larder_stats_adaptive_of(stats, ns, &now)) return;
  lrd_json_key(json, "adaptive");
  lrd_json_object_begin(json);
  lrd_json_key(json, "leader");
  lrd_json_string(json, now.experts[now.leader].name);
  lrd_json_key(json, "requests");
  lrd_json_u64(json, now.asked);
  lrd_json_key(json, "switches");
  lrd_json_u64(json, now.switches);
  lrd_json_key(json, "experts");
  lrd_json_object_begin(json);
  for (size_t i = 0; i < LARDER_EXPERT_COUNT; i++) {
    lrd_json_key(json, now.experts[i].name);
    lrd_json_object_begin(json);
    lrd_json_key(json, "entries");
    lrd_json_u64(json, now.experts[i].entries);
    write_part(json, "led_rate", now.experts[i].led, now.asked);
    write_part(json, "miss_rate", now.experts[i].missed, now.asked);
    lrd_json_object_end(json);
  }
  lrd_json_object_end(json);
  lrd_json_object_end(json);
}

static void write_number(lrd_json *json, const char *key, double number) {
  lrd_json_key(json, key);
  lrd_json_double(json, number);
}

static void write_count(lrd_json *json, const char *key, uint64_t count) {
  lrd_json_key(json, key);
  lrd_json_u64(json, count);
}

static void write_actions(lrd_json *json, const larder_agent_figures *agent) {
  static const char *const names[] = {
#define NAME(id, name, says) name,
      LARDER_AGENT_ACTIONS_TABLE(NAME)
#undef NAME
  };
  lrd_json_key(json, "actions");
  lrd_json_object_begin(json);
  for (size_t a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    lrd_json_key(json, names[a]);
    lrd_json_object_begin(json);
    write_count(json, "taken", agent->taken[a]);
    write_count(json, "learned", agent->learned[a]);
    write_number(json, "reward", agent->reward[a]);
    lrd_json_object_end(json);
  }
  lrd_json_object_end(json);
}

/* Likewise. */
static void write_learning(lrd_json *json, const larder_stats *stats, const char *ns) {
  larder_learning_figures now;
  if (!larder_stats_learning_of(stats, ns, &now)) return;
  lrd_json_key(json, "agent");
  lrd_json_object_begin(json);
  write_count(json, "agents", now.agents);
  write_count(json, "aside", now.aside);
  write_count(json, "decisions", now.agent.decisions);
  write_count(json, "by_chance", now.agent.explored);
  write_number(json, "epsilon", now.agent.epsilon);
  write_count(json, "windows", now.agent.windows);
  write_count(json, "stepped_aside", now.agent.stepped_aside);
  write_count(json, "windows_aside", now.agent.windows_aside);
  write_count(json, "compared", now.compared);
  write_number(json, "wait_ms", now.ms);
  write_number(json, "plain_wait_ms", now.plain_ms);
  write_number(json, "origin", now.origin);
  write_number(json, "plain_origin", now.plain_origin);
  write_count(json, "cascades", now.cascades);
  write_count(json, "averted", now.averted);
  write_actions(json, &now.agent);
  lrd_json_key(json, "told");
  lrd_json_object_begin(json);
#define TOLD(id, name, value, says) write_number(json, #name, now.agent.told[LARDER_AGENT_##id]);
  LARDER_AGENT_EVENTS_TABLE(TOLD)
#undef TOLD
  lrd_json_object_end(json);
  lrd_json_object_end(json);
}

/* Cells are in order of namespace, so each begins where the name changes. */
static void write_sources(lrd_json *json, const larder_stats *stats, const char *only) {
  lrd_json_key(json, "by_source");
  lrd_json_object_begin(json);
  const char *last = NULL;
  for (size_t i = 0; i < stats->cells.count; i++) {
    const char *ns = stats->cells.cells[i]->ns;
    if ((last && strcmp(last, ns) == 0) || (only && strcmp(only, ns) != 0)) continue;
    last = ns;
    const stats_sum *whole = lrd_sums_find(&stats->cells, ns, LRD_STATS_ALL);
    static const stats_sum nothing;
    lrd_json_key(json, ns);
    lrd_json_object_begin(json);
    write_sum(json, whole ? whole : &nothing);
    write_tiers(json, &stats->cells, ns);
    write_adaptive(json, stats, ns);
    write_learning(json, stats, ns);
    lrd_json_object_end(json);
  }
  lrd_json_object_end(json);
}

static void write_rate(lrd_json *json, const char *key, double rate) {
  lrd_json_key(json, key);
  if (rate < 0)
    lrd_json_null(json);
  else
    lrd_json_double(json, rate);
}

static void write_processes(lrd_json *json, const larder_stats *stats) {
  lrd_json_key(json, "processes");
  lrd_json_array_begin(json);
  for (size_t i = 0; i < stats->process_count; i++) {
    lrd_json_object_begin(json);
    lrd_json_key(json, "pid");
    lrd_json_i64(json, stats->processes[i].pid);
    lrd_json_key(json, "program");
    lrd_json_string(json, stats->processes[i].program);
    lrd_json_key(json, "since_ms");
    lrd_json_i64(json, stats->processes[i].since_ms);
    lrd_json_object_end(json);
  }
  lrd_json_array_end(json);
}

/* Sums that the first level shows: of all tiers, or of one namespace's. */
static void write_whole(lrd_json *json, const stats_sums *sums, const char *ns) {
  uint64_t evictions[LRD_STAT_COUNT] = {0};
  uint64_t bytes = 0;
  for (size_t i = 0; i < sums->count; i++) {
    const stats_sum *sum = sums->cells[i];
    if (is_all(sum) || strcmp(sum->ns, ns) != 0) continue;
    bytes += sum->gauges[LRD_GAUGE_BYTES];
    for (size_t c = 0; c < LRD_STAT_COUNT; c++) evictions[c] += sum->counters[c];
  }
  static const stats_sum nothing;
  const stats_sum *whole = lrd_sums_find(sums, ns, LRD_STATS_ALL);
  if (!whole) whole = &nothing;
  uint64_t hits = whole->counters[LRD_STAT_HITS], misses = whole->counters[LRD_STAT_MISSES];
  lrd_json_key(json, "hit_rate");
  lrd_json_double(json, ratio(hits, hits + misses));
  lrd_json_key(json, "miss_rate");
  lrd_json_double(json, ratio(misses, hits + misses));
  lrd_json_key(json, "lookups");
  lrd_json_u64(json, hits + misses);
  lrd_json_key(json, "hits");
  lrd_json_u64(json, hits);
  lrd_json_key(json, "misses");
  lrd_json_u64(json, misses);
  write_latency(json, "latency_ms", whole, LRD_OP_GET);
  lrd_json_key(json, "storage_mb");
  /* In thousandths: a byte more or less is no news. */
  uint64_t thousandths = bytes / 1024 * 1000 / 1024;
  lrd_json_double(json, (double)thousandths / 1000);
  write_evictions(json, evictions);
  lrd_json_key(json, "promotions");
  lrd_json_u64(json, evictions[LRD_STAT_PROMOTIONS]);
  lrd_json_key(json, "demotions");
  lrd_json_u64(json, evictions[LRD_STAT_DEMOTIONS]);
}

larder_err larder_stats_to_json(const larder_stats *stats, const char *ns, char **out, size_t *len_out) {
  lrd_buf text = {0};
  lrd_json json;
  lrd_json_init(&json, &text, true);
  lrd_json_object_begin(&json);
  const stats_sums *sums = ns ? &stats->cells : &stats->totals;
  write_whole(&json, sums, ns ? ns : "");
  if (!ns) {
    write_rate(&json, "hit_rate_recent", stats->rates.hit_rate_recent);
    write_rate(&json, "hit_rate_steady", stats->rates.hit_rate_steady);
    write_rate(&json, "evictions_per_minute", stats->rates.evictions_per_minute);
    lrd_json_key(&json, "cold");
    lrd_json_bool(&json, stats->rates.cold);
  }
  write_tiers(&json, sums, ns ? ns : "");
  write_sources(&json, stats, ns);
  write_processes(&json, stats);
  lrd_json_key(&json, "taken_ms");
  lrd_json_i64(&json, stats->taken_ms);
  lrd_json_object_end(&json);
  larder_err err = json.err;
  if (err == LARDER_OK) err = lrd_buf_append_byte(&text, '\n');
  if (err == LARDER_OK) err = lrd_buf_terminate(&text);
  if (err != LARDER_OK) {
    lrd_buf_fini(&text);
    return err;
  }
  *out = (char *)text.data;
  if (len_out) *len_out = text.len;
  return LARDER_OK;
}
