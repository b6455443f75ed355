/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, adding and subtracting sums, and adding up a row of lanes. Additions wrap as the counters themselves would. */
#include "sums.h"

#include "learned.h"

static void sum_free(stats_sum *sum) {
  for (size_t op = 0; op < LRD_OP_COUNT; op++) lrd_dealloc(sum->buckets[op]);
  lrd_dealloc(sum);
}

void lrd_sums_fini(stats_sums *sums) {
  for (size_t i = 0; i < sums->count; i++) sum_free(sums->cells[i]);
  lrd_dealloc(sums->cells);
  *sums = (stats_sums){0};
}

stats_sum *lrd_sums_find(const stats_sums *sums, const char *ns, const char *tier) {
  for (size_t i = 0; i < sums->count; i++)
    if (strcmp(sums->cells[i]->ns, ns) == 0 && strcmp(sums->cells[i]->tier, tier) == 0) return sums->cells[i];
  return NULL;
}

static void name_copy(char *to, size_t room, const char *from) {
  size_t len = strnlen(from, room - 1);
  memcpy(to, from, len);
  to[len] = '\0';
}

stats_sum *lrd_sums_cell(stats_sums *sums, const char *ns, const char *tier) {
  stats_sum *sum = lrd_sums_find(sums, ns, tier);
  if (sum) return sum;
  if (sums->count >= STATS_SUMS_MAX) {
    /* One more for all that is above the bound. */
    ns = tier = LRD_STATS_OTHER;
    if ((sum = lrd_sums_find(sums, ns, tier)) != NULL) return sum;
  }
  if (sums->count == sums->cap) {
    size_t cap = sums->cap ? sums->cap * 2 : 16;
    stats_sum **cells = lrd_realloc(sums->cells, cap * sizeof *cells);
    if (!cells) return NULL;
    sums->cells = cells;
    sums->cap = cap;
  }
  sum = lrd_alloc_zero(1, sizeof *sum);
  if (!sum) return NULL;
  name_copy(sum->ns, sizeof sum->ns, ns);
  name_copy(sum->tier, sizeof sum->tier, tier);
  return sums->cells[sums->count++] = sum;
}

/* The histogram of an operation, made when absent. */
static uint64_t *sum_buckets(stats_sum *sum, size_t op) {
  if (!sum->buckets[op]) sum->buckets[op] = lrd_alloc_zero(LRD_HISTOGRAM_BUCKETS, sizeof(uint64_t));
  return sum->buckets[op];
}

static void sum_add_gauges(stats_sum *to, const stats_sum *from, bool same_cell) {
  if (!from->gauges_ms) return;
  bool newest = from->gauges_ms >= to->gauges_ms;
  bool one_content = same_cell && from->shared;
  for (size_t i = 0; i < LRD_GAUGE_COUNT; i++) {
    if (!one_content)
      to->gauges[i] += from->gauges[i];
    else if (newest)
      to->gauges[i] = from->gauges[i];
  }
  if (newest) to->gauges_ms = from->gauges_ms;
  if (one_content) to->shared = true;
}

static void sum_add_adaptive(stats_sum *to, const stats_sum *from) {
  to->adapts |= from->adapts;
  to->adaptive.asked += from->adaptive.asked;
  to->adaptive.switches += from->adaptive.switches;
  for (size_t i = 0; i < LARDER_EXPERT_COUNT; i++) {
    to->adaptive.experts[i].entries += from->adaptive.experts[i].entries;
    to->adaptive.experts[i].led += from->adaptive.experts[i].led;
    to->adaptive.experts[i].missed += from->adaptive.experts[i].missed;
  }
}

larder_err lrd_sum_add(stats_sum *to, const stats_sum *from, bool same_cell) {
  for (size_t op = 0; op < LRD_OP_COUNT; op++)
    if (from->buckets[op] && !sum_buckets(to, op)) return LARDER_ENOMEM;
  for (size_t i = 0; i < LRD_STAT_COUNT; i++) to->counters[i] += from->counters[i];
  sum_add_gauges(to, from, same_cell);
  sum_add_adaptive(to, from);
  to->learns |= from->learns;
  lrd_learned_add(&to->learning, &from->learning);
  for (size_t op = 0; op < LRD_OP_COUNT; op++) {
    to->sum_ns[op] += from->sum_ns[op];
    if (!from->buckets[op]) continue;
    for (size_t i = 0; i < LRD_HISTOGRAM_BUCKETS; i++) to->buckets[op][i] += from->buckets[op][i];
  }
  return LARDER_OK;
}

larder_err lrd_sums_add(stats_sums *to, const stats_sums *from) {
  for (size_t i = 0; i < from->count; i++) {
    stats_sum *sum = lrd_sums_cell(to, from->cells[i]->ns, from->cells[i]->tier);
    if (!sum) return LARDER_ENOMEM;
    larder_err err = lrd_sum_add(sum, from->cells[i], true);
    if (err != LARDER_OK) return err;
  }
  return LARDER_OK;
}

static void less(uint64_t *from, uint64_t what) { *from = *from > what ? *from - what : 0; }

void lrd_sums_subtract(stats_sums *from, const stats_sums *what) {
  for (size_t c = 0; c < what->count; c++) {
    const stats_sum *minus = what->cells[c];
    stats_sum *sum = lrd_sums_find(from, minus->ns, minus->tier);
    if (!sum) continue;
    for (size_t i = 0; i < LRD_STAT_COUNT; i++) less(&sum->counters[i], minus->counters[i]);
    for (size_t op = 0; op < LRD_OP_COUNT; op++) {
      less(&sum->sum_ns[op], minus->sum_ns[op]);
      if (!sum->buckets[op] || !minus->buckets[op]) continue;
      for (size_t i = 0; i < LRD_HISTOGRAM_BUCKETS; i++) less(&sum->buckets[op][i], minus->buckets[op][i]);
    }
  }
}

bool lrd_sums_are_empty(const stats_sums *sums) {
  for (size_t c = 0; c < sums->count; c++) {
    for (size_t i = 0; i < LRD_STAT_COUNT; i++)
      if (sums->cells[c]->counters[i]) return false;
    for (size_t op = 0; op < LRD_OP_COUNT; op++)
      if (sums->cells[c]->buckets[op] && lrd_histogram_total(sums->cells[c]->buckets[op])) return false;
  }
  return true;
}

stats_flow lrd_sums_flow(const stats_sums *sums) {
  stats_flow flow = {0};
  for (size_t c = 0; c < sums->count; c++) {
    const stats_sum *sum = sums->cells[c];
    if (strcmp(sum->tier, LRD_STATS_ALL) == 0) {
      flow.hits += sum->counters[LRD_STAT_HITS];
      flow.lookups += sum->counters[LRD_STAT_HITS] + sum->counters[LRD_STAT_MISSES];
    } else {
      flow.evictions += sum->counters[LRD_STAT_EVICTED_CAPACITY] + sum->counters[LRD_STAT_EVICTED_ENTRIES];
    }
  }
  return flow;
}

static larder_err row_read_histograms(stats_sum *sum, const stats_source *source, const stats_cell *cell) {
  for (uint32_t op = 0; op < LRD_OP_COUNT; op++) {
    uint32_t number = cell->histogram[op];
    if (number == 0 || number > STATS_HISTOGRAMS) continue;
    uint64_t found[256];
    uint64_t *buckets = sum_buckets(sum, op);
    if (!buckets) return LARDER_ENOMEM;
    size_t at = STATS_HISTOGRAMS_AT + (number - 1) * STATS_HISTOGRAM_LEN;
    for (size_t part = 0; part < LRD_HISTOGRAM_BUCKETS; part += 256) {
      if (!lrd_segment_read(source, at + part * sizeof(uint64_t), found, sizeof found)) return LARDER_EIO;
      for (size_t i = 0; i < 256; i++) buckets[part + i] += found[i];
    }
    sum->sum_ns[op] += cell->sum_ns[op];
  }
  return LARDER_OK;
}

static void row_read_gauges(stats_sum *sum, const stats_cell *cell) {
  sum->shared = cell->shared != 0;
  sum->gauges_ms = cell->gauges_ms;
  for (size_t i = 0; i < LRD_GAUGE_COUNT; i++) sum->gauges[i] = cell->gauges[i];
}

static larder_err row_read_adaptive(stats_sum *sum, const stats_source *source, const stats_cell *cell) {
  uint64_t words[2 + 3 * LARDER_EXPERT_COUNT], *at = words;
  uint32_t number = cell->histogram[STATS_OP_DECIDED];
  if (number == 0 || number > STATS_HISTOGRAMS) return LARDER_OK;
  if (!lrd_segment_read(source, STATS_HISTOGRAMS_AT + (number - 1) * STATS_HISTOGRAM_LEN, words, sizeof words))
    return LARDER_EIO;
  sum->adapts = true;
  sum->adaptive.asked = *at++;
  sum->adaptive.switches = *at++;
  for (size_t i = 0; i < LARDER_EXPERT_COUNT; i++) {
    sum->adaptive.experts[i] = (larder_adaptive_expert){.entries = at[0], .led = at[1], .missed = at[2]};
    at += 3;
  }
  return LARDER_OK;
}

static larder_err row_read_learning(stats_sum *sum, const stats_source *source, const stats_cell *cell) {
  uint64_t words[STATS_LEARNED_WORDS];
  uint32_t number = cell->histogram[STATS_OP_LEARNED];
  if (number == 0 || number > STATS_HISTOGRAMS) return LARDER_OK;
  if (!lrd_segment_read(source, STATS_HISTOGRAMS_AT + (number - 1) * STATS_HISTOGRAM_LEN, words, sizeof words))
    return LARDER_EIO;
  sum->learns = true;
  lrd_learned_unpack(words, &sum->learning);
  return LARDER_OK;
}

/* Hits in memory are counted once, for namespace and tier. False: out of memory. */
static bool row_add_hits(stats_sums *to, stats_sum *all, uint64_t hits) {
  if (hits == 0) return true;
  all->counters[LRD_STAT_LOOKUPS] += hits;
  all->counters[LRD_STAT_HITS] += hits;
  stats_sum *memory = lrd_sums_cell(to, all->ns, LRD_STATS_MEMORY);
  if (memory) memory->counters[LRD_STAT_HITS] += hits;
  return memory != NULL;
}

larder_err lrd_sums_read_row(stats_sums *to, const stats_source *source, const stats_head *head) {
  larder_err err = LARDER_OK;
  stats_cell *cell = lrd_alloc(sizeof *cell + 64);
  if (!cell) return LARDER_ENOMEM;
  void *block = cell;
  cell = (stats_cell *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
  for (uint32_t index = 0; index < STATS_CELLS && err == LARDER_OK; index++) {
    if (!head->cell_used[index]) continue;
    uint32_t ns = index / STATS_TIER_SPAN, tier = index % STATS_TIER_SPAN;
    bool named = (ns < head->namespaces || ns == LRD_STATS_NAMESPACES) && (tier < head->tiers || tier == LRD_STATS_TIERS);
    if (!named) continue;
    if (ns < LRD_STATS_NAMESPACES && head->ns_names[ns][0] == '.') continue; /* the cache's own: no user looked there */
    if (!lrd_segment_read(source, STATS_CELLS_AT + index * sizeof *cell, cell, sizeof *cell)) {
      err = LARDER_EIO;
      break;
    }
    stats_sum *sum = lrd_sums_cell(to, ns < LRD_STATS_NAMESPACES ? head->ns_names[ns] : LRD_STATS_OTHER,
                                   tier < LRD_STATS_TIERS ? head->tier_names[tier] : LRD_STATS_OTHER);
    if (!sum) {
      err = LARDER_ENOMEM;
      break;
    }
    uint64_t hits = 0;
    for (size_t lane = 0; lane <= LRD_STATS_LANES; lane++) {
      for (size_t i = 0; i < LRD_STAT_COUNT; i++) sum->counters[i] += cell->lanes[lane].counts[i];
      hits += cell->lanes[lane].counts[LRD_STAT_MEMORY_HITS];
    }
    row_read_gauges(sum, cell);
    err = row_read_histograms(sum, source, cell);
    if (err == LARDER_OK) err = row_read_adaptive(sum, source, cell);
    if (err == LARDER_OK) err = row_read_learning(sum, source, cell);
    if (err == LARDER_OK && !row_add_hits(to, sum, hits)) err = LARDER_ENOMEM;
  }
  lrd_dealloc(block);
  return err;
}
