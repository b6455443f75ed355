/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a snapshot: rows, values by name, latencies, processes. */
#include "stats_room.h"

void larder_stats_free(larder_stats **stats) {
  if (!stats || !*stats) return;
  lrd_sums_fini(&(*stats)->totals);
  lrd_sums_fini(&(*stats)->cells);
  lrd_dealloc((*stats)->processes);
  lrd_dealloc((*stats)->programs);
  lrd_dealloc(*stats);
  *stats = NULL;
}

void larder_stats_text_free(char *text) { lrd_dealloc(text); }

size_t larder_stats_row_count(const larder_stats *stats) { return stats->totals.count + stats->cells.count; }

bool larder_stats_row_at(const larder_stats *stats, size_t index, larder_stats_row *out) {
  if (index >= larder_stats_row_count(stats)) return false;
  bool total = index < stats->totals.count;
  const stats_sum *sum = total ? stats->totals.cells[index] : stats->cells.cells[index - stats->totals.count];
  uint64_t hits = sum->counters[LRD_STAT_HITS], misses = sum->counters[LRD_STAT_MISSES];
  uint64_t evictions = 0;
  for (size_t i = 0; i < LARDER_EVICT_REASON_COUNT; i++) evictions += sum->counters[LRD_STAT_EVICTED_FIRST + i];
  *out = (larder_stats_row){
      .ns = total ? NULL : sum->ns,
      .tier = sum->tier,
      .hits = hits,
      .misses = misses,
      .puts = sum->counters[LRD_STAT_PUTS],
      .deletes = sum->counters[LRD_STAT_DELETES],
      .evictions = evictions,
      .entries = sum->gauges[LRD_GAUGE_ENTRIES],
      .bytes = sum->gauges[LRD_GAUGE_BYTES],
      .bytes_max = sum->gauges[LRD_GAUGE_BYTES_MAX],
      .hit_rate = hits + misses ? (double)hits / (double)(hits + misses) : 0,
  };
  return true;
}

static const stats_sum *sum_of(const larder_stats *stats, const char *ns, const char *tier) {
  return ns ? lrd_sums_find(&stats->cells, ns, tier) : lrd_sums_find(&stats->totals, "", tier);
}

bool larder_stats_value(const larder_stats *stats, const char *ns, const char *tier, const char *name, uint64_t *out) {
  const stats_sum *sum = sum_of(stats, ns, tier);
  for (size_t i = 0; i < LRD_STAT_COUNT; i++) {
    if (strcmp(lrd_stats_counter_info[i].name, name) != 0) continue;
    *out = sum ? sum->counters[i] : 0;
    return true;
  }
  for (size_t i = 0; i < LRD_GAUGE_COUNT; i++) {
    if (strcmp(lrd_stats_gauge_info[i].name, name) != 0) continue;
    *out = sum ? sum->gauges[i] : 0;
    return true;
  }
  return false;
}

static double ms_at(const uint64_t *buckets, double share) { return (double)lrd_histogram_percentile(buckets, share) / 1e6; }

bool larder_stats_latency_of(const larder_stats *stats, const char *ns, const char *tier, const char *op,
                             larder_stats_latency *out) {
  *out = (larder_stats_latency){0};
  const stats_sum *sum = sum_of(stats, ns, tier);
  for (size_t i = 0; sum && i < LRD_OP_COUNT; i++) {
    if (strcmp(lrd_stats_op_info[i].name, op) != 0 || !sum->buckets[i]) continue;
    uint64_t count = lrd_histogram_total(sum->buckets[i]);
    if (!count) return false;
    *out = (larder_stats_latency){
        .count = count,
        .mean_ms = (double)sum->sum_ns[i] / (double)count / 1e6,
        .p50_ms = ms_at(sum->buckets[i], 0.50),
        .p95_ms = ms_at(sum->buckets[i], 0.95),
        .p99_ms = ms_at(sum->buckets[i], 0.99),
        .p999_ms = ms_at(sum->buckets[i], 0.999),
    };
    return true;
  }
  return false;
}

const char *lrd_stats_expert(unsigned number) {
  static const char *const names[] = {
#define EXPERT_NAME(name, text, stays) text,
      LARDER_ADAPTIVE_EXPERTS(EXPERT_NAME)
#undef EXPERT_NAME
  };
  return names[number];
}

void lrd_stats_adaptive_name(larder_adaptive *sums) {
  static const char *const who_stays[] = {
#define EXPERT_STAYS(name, text, stays) stays,
      LARDER_ADAPTIVE_EXPERTS(EXPERT_STAYS)
#undef EXPERT_STAYS
  };
  sums->leader = 0;
  for (unsigned i = 0; i < LARDER_EXPERT_COUNT; i++) {
    sums->experts[i].name = lrd_stats_expert(i);
    sums->experts[i].stays = who_stays[i];
    if (sums->experts[i].entries > sums->experts[sums->leader].entries) sums->leader = i;
  }
}

bool larder_stats_adaptive_of(const larder_stats *stats, const char *ns, larder_adaptive *out) {
  const stats_sum *sum = ns ? lrd_sums_find(&stats->cells, ns, LRD_STATS_MEMORY) : NULL;
  if (!sum || !sum->adapts || !out || out->size != sizeof *out) return false;
  *out = sum->adaptive;
  out->size = sizeof *out;
  lrd_stats_adaptive_name(out);
  return true;
}

bool larder_stats_learning_of(const larder_stats *stats, const char *ns, larder_learning_figures *out) {
  const stats_sum *sum = ns ? lrd_sums_find(&stats->cells, ns, LRD_STATS_ALL) : NULL;
  if (!sum || !sum->learns || !out) return false;
  *out = sum->learning;
  return true;
}

void larder_stats_rates_of(const larder_stats *stats, larder_stats_rates *out) { *out = stats->rates; }

size_t larder_stats_process_count(const larder_stats *stats) { return stats->process_count; }

bool larder_stats_process_at(const larder_stats *stats, size_t index, larder_stats_process *out) {
  if (index >= stats->process_count) return false;
  *out = stats->processes[index];
  return true;
}

bool larder_stats_figure_at(size_t index, larder_stats_figure *out) {
  bool gauge = index >= LRD_STAT_COUNT;
  if (index >= LRD_STAT_COUNT + LRD_GAUGE_COUNT) return false;
  const lrd_stats_info *info = gauge ? &lrd_stats_gauge_info[index - LRD_STAT_COUNT] : &lrd_stats_counter_info[index];
  *out = (larder_stats_figure){
      .name = info->name, .unit = info->unit, .sentence = info->sentence, .gauge = gauge, .stable = !info->debug};
  return true;
}
