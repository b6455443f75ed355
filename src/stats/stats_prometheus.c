/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot in Prometheus' text format 0.0.4. Two groups of families, so that adding up over tiers never counts a lookup
 * twice: larder_namespace_… is what callers saw, larder_tier_… what each tier did; a counter that is of one of them alone
 * stands there alone. Latencies are summaries.
 */
#include "json_writer.h"
#include "stats_room.h"
#include <inttypes.h>

typedef struct prometheus {
  lrd_buf *out;
  const larder_stats *stats;
  larder_err err;
} prometheus;

/* What stands above the series of a family, once there is one. */
typedef struct family {
  const char *name;
  const char *suffix;
  const char *type;
  const char *help;
  bool told;
} family;

static void put(prometheus *to, const char *text, size_t len) {
  if (to->err == LARDER_OK) to->err = lrd_buf_append(to->out, text, len);
}

static void put_text(prometheus *to, const char *text) { put(to, text, strlen(text)); }

static void put_label(prometheus *to, const char *name, const char *value) {
  size_t len = strlen(value);
  put_text(to, name);
  put_text(to, "=\"");
  for (size_t i = 0; i < len;) {
    size_t size = lrd_utf8_char(value + i, len - i);
    if (size == 0) {
      put_text(to, "\xEF\xBF\xBD");
      size = 1;
    } else if (value[i] == '\\' || value[i] == '"') {
      put_text(to, "\\");
      put(to, value + i, 1);
    } else if (value[i] == '\n') {
      put_text(to, "\\n");
    } else {
      put(to, value + i, size);
    }
    i += size;
  }
  put_text(to, "\"");
}

typedef enum group { GROUP_NAMESPACE, GROUP_TIER } group;

static const char *group_name(group of) { return of == GROUP_NAMESPACE ? "namespace" : "tier"; }

static bool in_group(const stats_sum *sum, group of) {
  return (strcmp(sum->tier, LRD_STATS_ALL) == 0) == (of == GROUP_NAMESPACE);
}

static bool is_shown(size_t counter, group of) {
  lrd_stats_scope const scope = lrd_stats_scope_of((lrd_counter)counter);
  return scope == LRD_STATS_OF_BOTH || (scope == LRD_STATS_OF_TIERS) == (of == GROUP_TIER);
}

static void put_head(prometheus *to, group of, family *head) {
  if (to->err == LARDER_OK && !head->told)
    to->err = lrd_buf_printf(to->out, "# HELP larder_%s_%s%s %s\n# TYPE larder_%s_%s%s %s\n", group_name(of), head->name,
                             head->suffix, head->help, group_name(of), head->name, head->suffix, head->type);
  head->told = true;
}

/* Name and labels, up to the value; one further label when it has a value. */
static void put_series(prometheus *to, group of, const char *name, const char *suffix, const stats_sum *sum, const char *label,
                       const char *value) {
  if (to->err == LARDER_OK) to->err = lrd_buf_printf(to->out, "larder_%s_%s%s{", group_name(of), name, suffix);
  put_label(to, "namespace", sum->ns);
  if (of == GROUP_TIER) {
    put_text(to, ",");
    put_label(to, "tier", sum->tier);
  }
  if (value) {
    put_text(to, ",");
    put_label(to, label, value);
  }
  put_text(to, "} ");
}

static void put_u64(prometheus *to, uint64_t value) {
  if (to->err == LARDER_OK) to->err = lrd_buf_printf(to->out, "%" PRIu64 "\n", value);
}

static void put_number(prometheus *to, double number) {
  char text[40];
  lrd_number_format(number, text, sizeof text);
  put_text(to, text);
  put_text(to, "\n");
}

static void put_counters(prometheus *to, group of) {
  const stats_sums *cells = &to->stats->cells;
  for (size_t c = 0; c < LRD_STAT_COUNT; c++) {
    if (c >= LRD_STAT_EVICTED_FIRST && c < (size_t)LRD_STAT_EVICTED_FIRST + LARDER_EVICT_REASON_COUNT) continue;
    if (!is_shown(c, of)) continue;
    const lrd_stats_info *info = &lrd_stats_counter_info[c];
    family head = {info->name, "_total", "counter", info->sentence, false};
    for (size_t i = 0; i < cells->count; i++) {
      if (!in_group(cells->cells[i], of)) continue;
      put_head(to, of, &head);
      put_series(to, of, info->name, "_total", cells->cells[i], NULL, NULL);
      put_u64(to, cells->cells[i]->counters[c]);
    }
  }
}

static void put_evictions(prometheus *to) {
  static const char *const reasons[] = {
#define REASON(name, text) text,
      LARDER_EVICT_REASONS(REASON)
#undef REASON
  };
  const stats_sums *cells = &to->stats->cells;
  family head = {"evictions", "_total", "counter", "Entries removed, by reason.", false};
  for (size_t i = 0; i < cells->count; i++) {
    if (!in_group(cells->cells[i], GROUP_TIER)) continue;
    put_head(to, GROUP_TIER, &head);
    for (size_t r = 0; r < LARDER_EVICT_REASON_COUNT; r++) {
      put_series(to, GROUP_TIER, "evictions", "_total", cells->cells[i], "reason", reasons[r]);
      put_u64(to, cells->cells[i]->counters[LRD_STAT_EVICTED_FIRST + r]);
    }
  }
}

static void put_gauges(prometheus *to, group of) {
  const stats_sums *cells = &to->stats->cells;
  for (size_t g = 0; g < LRD_GAUGE_COUNT; g++) {
    const lrd_stats_info *info = &lrd_stats_gauge_info[g];
    family head = {info->name, "", "gauge", info->sentence, false};
    for (size_t i = 0; i < cells->count; i++) {
      if (!in_group(cells->cells[i], of) || !cells->cells[i]->gauges_ms) continue;
      put_head(to, of, &head);
      put_series(to, of, info->name, "", cells->cells[i], NULL, NULL);
      put_u64(to, cells->cells[i]->gauges[g]);
    }
  }
}

static void put_latency(prometheus *to, group of, const stats_sum *sum, size_t op) {
  static const struct {
    const char *text;
    double share;
  } quantiles[] = {{"0.5", 0.5}, {"0.95", 0.95}, {"0.99", 0.99}, {"0.999", 0.999}};
  const char *name = lrd_stats_op_info[op].name;
  for (size_t q = 0; q < sizeof quantiles / sizeof *quantiles; q++) {
    put_series(to, of, name, "_seconds", sum, "quantile", quantiles[q].text);
    put_number(to, (double)lrd_histogram_percentile(sum->buckets[op], quantiles[q].share) / 1e9);
  }
  put_series(to, of, name, "_seconds_sum", sum, NULL, NULL);
  put_number(to, (double)sum->sum_ns[op] / 1e9);
  put_series(to, of, name, "_seconds_count", sum, NULL, NULL);
  put_u64(to, lrd_histogram_total(sum->buckets[op]));
}

static void put_latencies(prometheus *to, group of) {
  const stats_sums *cells = &to->stats->cells;
  for (size_t op = 0; op < LRD_OP_COUNT; op++) {
    family head = {lrd_stats_op_info[op].name, "_seconds", "summary", lrd_stats_op_info[op].sentence, false};
    for (size_t i = 0; i < cells->count; i++) {
      if (!in_group(cells->cells[i], of) || !cells->cells[i]->buckets[op]) continue;
      put_head(to, of, &head);
      put_latency(to, of, cells->cells[i], op);
    }
  }
}

/* What the policy adaptive decided in a namespace: gauges, since they are of the processes that live. */
static const struct {
  const char *name;
  const char *help;
  bool by_expert;
} decided[] = {
    {"requests", "Sampled requests.", false},
    {"switches", "How often another expert took over, in any shard of memory.", false},
    {"entries", "Entries in those shards of memory where the expert is in charge.", true},
    {"led", "Sampled requests while the expert was in charge.", true},
    {"missed", "Sampled requests that the expert would have missed.", true},
};

static uint64_t decided_value(size_t figure, const larder_adaptive *now, const larder_adaptive_expert *expert) {
  uint64_t const values[sizeof decided / sizeof *decided] = {now->asked, now->switches, expert->entries, expert->led,
                                                             expert->missed};
  return values[figure];
}

static void put_decided(prometheus *to, size_t figure, bool *told, const char *ns, const larder_adaptive *now) {
  if (to->err == LARDER_OK && !*told)
    to->err = lrd_buf_printf(to->out, "# HELP larder_adaptive_%s %s\n# TYPE larder_adaptive_%s gauge\n", decided[figure].name,
                             decided[figure].help, decided[figure].name);
  *told = true;
  for (unsigned expert = 0; expert < (decided[figure].by_expert ? (unsigned)LARDER_EXPERT_COUNT : 1); expert++) {
    if (to->err == LARDER_OK) to->err = lrd_buf_printf(to->out, "larder_adaptive_%s{", decided[figure].name);
    put_label(to, "namespace", ns);
    if (decided[figure].by_expert) {
      put_text(to, ",");
      put_label(to, "expert", now->experts[expert].name);
    }
    put_text(to, "} ");
    put_u64(to, decided_value(figure, now, &now->experts[expert]));
  }
}

static void put_adaptive(prometheus *to) {
  const stats_sums *cells = &to->stats->cells;
  for (size_t figure = 0; figure < sizeof decided / sizeof *decided; figure++) {
    bool told = false;
    for (size_t i = 0; i < cells->count; i++) {
      larder_adaptive now = {.size = sizeof now};
      if (strcmp(cells->cells[i]->tier, LRD_STATS_MEMORY) != 0) continue;
      if (larder_stats_adaptive_of(to->stats, cells->cells[i]->ns, &now))
        put_decided(to, figure, &told, cells->cells[i]->ns, &now);
    }
  }
}

/* What a namespace's agents have come to, likewise. A family has a series for each of its labels' values, or one. */
typedef struct agent_family {
  const char *name;
  const char *help;
  const char *label; /* NULL: none */
  unsigned len;
  const char *(*value_name)(unsigned number);
  double (*value)(const larder_learning_figures *now, unsigned number);
} agent_family;

static const char *action_name(unsigned number) {
  static const char *const names[] = {
#define NAME(id, name, says) name,
      LARDER_AGENT_ACTIONS_TABLE(NAME)
#undef NAME
  };
  return names[number];
}

static const char *event_name(unsigned number) {
  static const char *const names[] = {
#define NAME(id, name, value, says) #name,
      LARDER_AGENT_EVENTS_TABLE(NAME)
#undef NAME
  };
  return names[number];
}

static const char *way_name(unsigned number) { return number == 0 ? "agent" : "plain"; }

static double agent_taken(const larder_learning_figures *now, unsigned a) { return (double)now->agent.taken[a]; }
static double agent_learned(const larder_learning_figures *now, unsigned a) { return (double)now->agent.learned[a]; }
static double agent_reward(const larder_learning_figures *now, unsigned a) { return now->agent.reward[a]; }
static double agent_told(const larder_learning_figures *now, unsigned e) { return now->agent.told[e]; }
static double agent_aside(const larder_learning_figures *now, unsigned n) { return (void)n, (double)now->aside; }
static double agent_stepped(const larder_learning_figures *now, unsigned n) {
  return (void)n, (double)now->agent.stepped_aside;
}
static double agent_origin(const larder_learning_figures *now, unsigned way) { return way ? now->plain_origin : now->origin; }
static double agent_wait(const larder_learning_figures *now, unsigned way) { return (way ? now->plain_ms : now->ms) / 1000; }

static const agent_family agent_families[] = {
    {"taken", "Decisions for the action.", "action", LARDER_AGENT_ACTIONS, action_name, agent_taken},
    {"learned", "Of these, those whose reward is known.", "action", LARDER_AGENT_ACTIONS, action_name, agent_learned},
    {"reward", "The sum of their rewards.", "action", LARDER_AGENT_ACTIONS, action_name, agent_reward},
    {"told", "What came of decisions: times, milliseconds or KB.", "event", LARDER_AGENT_EVENTS, event_name, agent_told},
    {"aside", "Agents that have stepped aside now.", NULL, 1, NULL, agent_aside},
    {"stepped_aside", "How often one stepped aside.", NULL, 1, NULL, agent_stepped},
    {"origin_requests", "Requests to the origin, and as estimated without the agent.", "way", 2, way_name, agent_origin},
    {"wait_seconds", "What requests waited as is usual, and as estimated without the agent.", "way", 2, way_name, agent_wait},
};

static void put_agent_values(prometheus *to, const agent_family *of, const char *ns, const larder_learning_figures *now) {
  for (unsigned number = 0; number < of->len; number++) {
    if (to->err == LARDER_OK) to->err = lrd_buf_printf(to->out, "larder_agent_%s{", of->name);
    put_label(to, "namespace", ns);
    if (of->label) {
      put_text(to, ",");
      put_label(to, of->label, of->value_name(number));
    }
    put_text(to, "} ");
    put_number(to, of->value(now, number));
  }
}

static void put_agents(prometheus *to) {
  const stats_sums *cells = &to->stats->cells;
  for (size_t f = 0; f < sizeof agent_families / sizeof *agent_families; f++) {
    const agent_family *of = &agent_families[f];
    bool told = false;
    for (size_t i = 0; i < cells->count; i++) {
      larder_learning_figures now;
      if (strcmp(cells->cells[i]->tier, LRD_STATS_ALL) != 0) continue;
      if (!larder_stats_learning_of(to->stats, cells->cells[i]->ns, &now)) continue;
      if (!told && to->err == LARDER_OK)
        to->err =
            lrd_buf_printf(to->out, "# HELP larder_agent_%s %s\n# TYPE larder_agent_%s gauge\n", of->name, of->help, of->name);
      told = true;
      put_agent_values(to, of, cells->cells[i]->ns, &now);
    }
  }
}

larder_err larder_stats_to_prometheus(const larder_stats *stats, char **out, size_t *len_out) {
  lrd_buf text = {0};
  prometheus to = {.out = &text, .stats = stats};
  for (group of = GROUP_NAMESPACE; of <= GROUP_TIER; of++) {
    put_counters(&to, of);
    if (of == GROUP_TIER) put_evictions(&to);
    put_gauges(&to, of);
    put_latencies(&to, of);
  }
  put_adaptive(&to);
  put_agents(&to);
  if (to.err == LARDER_OK)
    to.err = lrd_buf_printf(&text,
                            "# HELP larder_processes Processes that have the cache open.\n# TYPE larder_processes gauge\n"
                            "larder_processes %zu\n",
                            stats->process_count);
  if (to.err == LARDER_OK) to.err = lrd_buf_terminate(&text);
  if (to.err != LARDER_OK) {
    lrd_buf_fini(&text);
    return to.err;
  }
  *out = (char *)text.data;
  if (len_out) *len_out = text.len;
  return LARDER_OK;
}
