/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's side: opening a row, giving out cells and histograms, setting gauges, marking time. Counting itself is
 * inline in stats.h; what is here takes the mutex and runs when a namespace is opened or an operation is timed first.
 */
#include "stats.h"

#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "learned.h"
#include "stats_room.h"
#include <errno.h>
#include <unistd.h>

const lrd_stats_info lrd_stats_counter_info[LRD_STAT_COUNT] = {
#define INFO(constant, name, unit, stability, sentence) {name, unit, sentence, INFO_##stability},
#define INFO_stable                                     0
#define INFO_debug                                      1
    LRD_STATS_COUNTERS(INFO)};
const lrd_stats_info lrd_stats_gauge_info[LRD_GAUGE_COUNT] = {LRD_STATS_GAUGES(INFO)};
const lrd_stats_info lrd_stats_op_info[LRD_OP_COUNT] = {LRD_STATS_OPS(INFO)};
#undef INFO

static bool root_id_is_good(const char *id) {
  size_t len = strlen(id);
  if (len == 0 || len > 64) return false;
  for (size_t i = 0; i < len; i++) {
    bool letter = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z');
    if (!letter && !(id[i] >= '0' && id[i] <= '9')) return false;
  }
  return true;
}

static void name_put(char *to, size_t room, const char *from) {
  size_t len = strnlen(from, room - 1);
  memcpy(to, from, len);
  memset(to + len, 0, room - len);
}

/* Says who holds the row. The magic comes last: until then readers pass over it. */
static void row_begin(lrd_stats *stats, const lrd_stats_params *params) {
  struct stat found;
  stats_head *head = segment_head(&stats->segment);
  head->version = STATS_VERSION;
  head->head_size = sizeof(stats_head);
  head->cell_size = sizeof(stats_cell);
  head->row = stats->row;
  if (lrd_random(&head->instance, sizeof head->instance))
    head->instance = (uint64_t)lrd_boot_ns(stats->clock) ^ (uint64_t)getpid();
  head->pid = getpid();
  if (stats->rooted && params->root && strlen(params->root) < sizeof head->root_path &&
      lrd_fs_stat(params->root, &found) == 0) {
    head->mount_space = lrd_segment_mount_space();
    head->device = (uint64_t)found.st_dev;
    name_put(head->root_path, sizeof head->root_path, params->root);
  }
  head->started_ms = lrd_wall_ms(stats->clock);
  name_put(head->root_id, sizeof head->root_id, stats->root_id);
  name_put(head->boot_id, sizeof head->boot_id, stats->boot_id);
  name_put(head->program, sizeof head->program, params->program ? params->program : program_invocation_short_name);
  atomic_store_explicit(&head->magic, STATS_MAGIC, memory_order_release);
}

/* A place for the cell at index. False: no room in shared memory. */
static bool cell_begin(lrd_stats *stats, uint32_t index) {
  if (!lrd_segment_back_cell(&stats->segment, index)) return false;
  stats->cells[index] = (lrd_stats_cell){
      .lanes = segment_cell(&stats->segment, index)->lanes,
      .stats = stats,
      .index = index,
  };
  atomic_store_explicit(&segment_head(&stats->segment)->cell_used[index], 1, memory_order_release);
  return true;
}

/* Keeps what the row's former holder counted, and makes place. */
static void row_empty(lrd_stats *stats, const char *path) {
  stats_source source = {.fd = lrd_segment_claim(path)};
  if (source.fd >= 0) {
    stats_head *head = lrd_alloc(sizeof *head);
    stats_sums sums = {0};
    lrd_buf baseline = {0};
    larder_err err = head ? lrd_stats_baseline(stats, &baseline) : LARDER_ENOMEM;
    if (err == LARDER_OK)
      err = lrd_stats_read(stats, &source, stats->row, lrd_span_of(baseline.data, baseline.len), head, NULL, &sums);
    if (err == LARDER_OK && !lrd_sums_are_empty(&sums)) err = lrd_sums_encode(&sums, &stats->left);
    if (err < 0)
      lrd_log_write(stats->log, LRD_LOG_WARN, "stats.left", "the counts that an ended process left are lost: %s",
                    larder_err_text(err));
    lrd_sums_fini(&sums);
    lrd_buf_fini(&baseline);
    lrd_dealloc(head);
  }
  if (lrd_fs_unlink(path) && errno != ENOENT)
    lrd_log_write(stats->log, LRD_LOG_WARN, "stats.unlink", "cannot remove %s: %s", path, strerror(errno));
  lrd_fs_close(source.fd);
}

/* The cell that takes all that finds no other. */
#define CELL_OF_OTHERS (STATS_CELLS - 1)

static larder_err row_open(lrd_stats *stats, const lrd_stats_params *params, larder_error *err) {
  int failure = 0;
  if (stats->rooted && !stats->reads_only) {
    char *path = lrd_segment_path(stats->folder, stats->root_id, stats->row);
    if (!path) return lrd_fail(err, LARDER_ENOMEM, 0, "stats", "out of memory");
    row_empty(stats, path);
    lrd_segment_clean(&(lrd_segment_here){.folder = stats->folder,
                                          .root_id = stats->root_id,
                                          .root = params->root,
                                          .mount_space = lrd_segment_mount_space(),
                                          .now_ms = lrd_wall_ms(stats->clock)});
    failure = lrd_segment_make(&stats->segment, path);
    if (!failure && !cell_begin(stats, CELL_OF_OTHERS)) {
      failure = errno;
      (void)lrd_fs_unlink(path);
      lrd_segment_fini(&stats->segment);
    }
    if (failure)
      lrd_log_write(stats->log, LRD_LOG_WARN, "stats.private",
                    "cannot keep statistics in %s (%s): other processes will not see this one's", stats->folder,
                    strerror(failure));
    lrd_dealloc(path);
    if (!failure) return LARDER_OK;
  }
  failure = lrd_segment_make(&stats->segment, NULL);
  if (failure) return lrd_fail(err, LARDER_ENOMEM, failure, "stats", "no memory for statistics; free some and open again");
  bool begun = cell_begin(stats, CELL_OF_OTHERS);
  LRD_ASSERT(begun);
  return LARDER_OK;
}

larder_err lrd_stats_open(const lrd_stats_params *params, lrd_stats **out, larder_error *err) {
  if (params->row >= LRD_STATS_ROWS && !params->reads_only)
    return lrd_fail(err, LARDER_EINVAL, 0, "stats", "row %u is above the last", params->row);
  if (params->root_id_hex && !root_id_is_good(params->root_id_hex))
    return lrd_fail(err, LARDER_EINVAL, 0, "stats", "a root's id is 1 to 64 letters and digits");
  lrd_stats *stats = lrd_alloc_zero(1, sizeof *stats);
  if (!stats) return lrd_fail(err, LARDER_ENOMEM, 0, "stats", "out of memory");
  lrd_mutex_init(&stats->mutex);
  stats->segment.fd = -1;
  stats->rooted = params->root_id_hex != NULL;
  stats->reads_only = params->reads_only;
  stats->row = params->reads_only ? LRD_STATS_ROWS : params->row;
  stats->clock = params->clock ? params->clock : lrd_clock_real();
  stats->log = params->log;
  stats->row_lives = params->row_lives;
  stats->context = params->context;
  stats->ticked_ms = INT64_MIN;
  if (params->root_id_hex) name_put(stats->root_id, sizeof stats->root_id, params->root_id_hex);
  lrd_boot_id(stats->boot_id);
  stats->folder = lrd_strdup(params->folder ? params->folder : "/dev/shm");
  larder_err result = stats->folder ? row_open(stats, params, err) : lrd_fail(err, LARDER_ENOMEM, 0, "stats", "out of memory");
  if (result != LARDER_OK) {
    lrd_stats_close(stats);
    return result;
  }
  row_begin(stats, params);
  *out = stats;
  return LARDER_OK;
}

void lrd_stats_abandon(lrd_stats *stats) {
  if (!stats) return;
  lrd_segment_fini(&stats->segment);
  lrd_sums_fini(&stats->past);
  lrd_buf_fini(&stats->left);
  lrd_buf_fini(&stats->baseline);
  lrd_dealloc(stats->folder);
  lrd_dealloc(stats);
}

void lrd_stats_close(lrd_stats *stats) {
  if (!stats) return;
  lrd_mutex_fini(&stats->mutex);
  lrd_stats_abandon(stats);
}

bool lrd_stats_is_shared(const lrd_stats *stats) { return stats->segment.fd >= 0; }

/* The number of a name in a table of the head, added when there is room; the limit when there is none. */
static uint32_t name_number(char *table, size_t room, uint32_t *count, _Atomic uint32_t *published, uint32_t limit,
                            const char *name) {
  for (uint32_t i = 0; i < *count; i++) {
    const char *known = table + i * room;
    if (strncmp(known, name, room - 1) == 0) return i;
  }
  if (*count == limit) return limit;
  name_put(table + *count * room, room, name);
  atomic_store_explicit(published, *count + 1, memory_order_release);
  return (*count)++;
}

lrd_stats_cell *lrd_stats_cell_of(lrd_stats *stats, const char *ns, const char *tier) {
  lrd_lock(&stats->mutex);
  stats_head *head = segment_head(&stats->segment);
  uint32_t ns_at =
      name_number(head->ns_names[0], STATS_NS_ROOM, &stats->namespaces, &head->namespaces, LRD_STATS_NAMESPACES, ns);
  uint32_t tier_at = name_number(head->tier_names[0], STATS_TIER_ROOM, &stats->tiers, &head->tiers, LRD_STATS_TIERS, tier);
  uint32_t index = ns_at * STATS_TIER_SPAN + tier_at;
  if (!stats->cells[index].lanes && !cell_begin(stats, index)) {
    lrd_log_write(stats->log, LRD_LOG_WARN, "stats.full", "no room in %s: counts of %s in %s go to %s", stats->folder, ns, tier,
                  LRD_STATS_OTHER);
    index = CELL_OF_OTHERS;
  }
  lrd_unlock(&stats->mutex);
  return &stats->cells[index];
}

void lrd_stats_cell_share(lrd_stats_cell *cell) { segment_cell(&cell->stats->segment, cell->index)->shared = 1; }

void lrd_stats_set(lrd_stats_cell *cell, lrd_gauge gauge, uint64_t value) {
  stats_cell *at = segment_cell(&cell->stats->segment, cell->index);
  atomic_store_explicit(&at->gauges[gauge], value, memory_order_relaxed);
  int64_t now_ms = lrd_wall_ms(cell->stats->clock);
  atomic_store_explicit(&at->gauges_ms, now_ms > 0 ? now_ms : 1, memory_order_relaxed);
}

/* Gives the operation of a cell its histogram. Its number + 1, or 0 when there is no room. */
static uint32_t histogram_begin(lrd_stats *stats, stats_cell *at, uint32_t op) {
  lrd_lock(&stats->mutex);
  uint32_t number = atomic_load(&at->histogram[op]);
  if (number == 0 && !stats->histograms_full) {
    if (stats->histograms < STATS_HISTOGRAMS && lrd_segment_back_histogram(&stats->segment, stats->histograms)) {
      number = ++stats->histograms;
      atomic_store(&segment_head(&stats->segment)->histograms, number);
      atomic_store_explicit(&at->histogram[op], number, memory_order_release);
    } else {
      stats->histograms_full = true;
      lrd_log_write(stats->log, LRD_LOG_WARN, "stats.times", "no room in %s for more latencies: further ones are not kept",
                    stats->folder);
    }
  }
  lrd_unlock(&stats->mutex);
  return number;
}

/* NULL: there is no room. The number lies in memory that others of this user could write. */
static _Atomic uint64_t *histogram_of(lrd_stats *stats, stats_cell *at, uint32_t op) {
  uint32_t number = atomic_load_explicit(&at->histogram[op], memory_order_acquire);
  if (number == 0) number = histogram_begin(stats, at, op);
  return number == 0 || number > STATS_HISTOGRAMS ? NULL : segment_histogram(&stats->segment, number - 1);
}

void lrd_stats_time_n(lrd_stats_cell *cell, lrd_stat_op op, int64_t ns, uint64_t weight) {
  stats_cell *at = segment_cell(&cell->stats->segment, cell->index);
  _Atomic uint64_t *buckets = histogram_of(cell->stats, at, op);
  if (!buckets) return;
  uint64_t length = ns > 0 ? (uint64_t)ns : 0;
  atomic_fetch_add_explicit(&buckets[lrd_histogram_bucket(length)], weight, memory_order_relaxed);
  atomic_fetch_add_explicit(&at->sum_ns[op], length * weight, memory_order_relaxed);
}

void lrd_stats_set_adaptive(lrd_stats_cell *cell, const larder_adaptive *now) {
  _Atomic uint64_t *words = histogram_of(cell->stats, segment_cell(&cell->stats->segment, cell->index), STATS_OP_DECIDED);
  if (!words) return;
  atomic_store_explicit(words++, now->asked, memory_order_relaxed);
  atomic_store_explicit(words++, now->switches, memory_order_relaxed);
  for (size_t i = 0; i < LARDER_EXPERT_COUNT; i++) {
    atomic_store_explicit(words++, now->experts[i].entries, memory_order_relaxed);
    atomic_store_explicit(words++, now->experts[i].led, memory_order_relaxed);
    atomic_store_explicit(words++, now->experts[i].missed, memory_order_relaxed);
  }
}

void lrd_stats_set_learning(lrd_stats_cell *cell, const larder_learning_figures *now) {
  _Atomic uint64_t *words = histogram_of(cell->stats, segment_cell(&cell->stats->segment, cell->index), STATS_OP_LEARNED);
  uint64_t values[STATS_LEARNED_WORDS];
  if (!words) return;
  lrd_learned_pack(now, values);
  for (size_t i = 0; i < STATS_LEARNED_WORDS; i++) atomic_store_explicit(&words[i], values[i], memory_order_relaxed);
}

static uint64_t cell_counted(const stats_cell *at, lrd_counter counter) {
  uint64_t sum = 0;
  for (size_t lane = 0; lane <= LRD_STATS_LANES; lane++)
    sum += atomic_load_explicit(&at->lanes[lane].counts[counter], memory_order_relaxed);
  return sum;
}

static stats_flow row_flow(lrd_stats *stats) {
  stats_flow flow = {0};
  for (uint32_t index = 0; index < STATS_CELLS; index++) {
    if (!stats->cells[index].lanes) continue;
    const stats_cell *at = segment_cell(&stats->segment, index);
    uint32_t ns = index / STATS_TIER_SPAN, tier = index % STATS_TIER_SPAN;
    if (ns < LRD_STATS_NAMESPACES && segment_head(&stats->segment)->ns_names[ns][0] == '.') continue; /* the cache's own */
    bool all = tier < LRD_STATS_TIERS && strcmp(segment_head(&stats->segment)->tier_names[tier], LRD_STATS_ALL) == 0;
    if (all) {
      uint64_t hits = cell_counted(at, LRD_STAT_HITS) + cell_counted(at, LRD_STAT_MEMORY_HITS);
      flow.hits += hits;
      flow.lookups += hits + cell_counted(at, LRD_STAT_MISSES);
    } else {
      flow.evictions += cell_counted(at, LRD_STAT_EVICTED_CAPACITY) + cell_counted(at, LRD_STAT_EVICTED_ENTRIES);
    }
  }
  return flow;
}

static void mark_set(stats_mark *mark, int64_t now_ms, stats_flow flow) {
  atomic_store(&mark->wall_ms, 0);
  atomic_store(&mark->lookups, flow.lookups);
  atomic_store(&mark->hits, flow.hits);
  atomic_store(&mark->evictions, flow.evictions);
  atomic_store(&mark->wall_ms, now_ms);
}

void lrd_stats_tick(lrd_stats *stats) {
  int64_t now_ms = lrd_wall_ms(stats->clock);
  lrd_lock(&stats->mutex);
  bool stepped_back = now_ms < stats->ticked_ms;
  if (stats->ticked_ms == INT64_MIN || stepped_back || now_ms - stats->ticked_ms >= STATS_MINUTE_MS / 12) {
    stats->ticked_ms = now_ms;
    stats_head *head = segment_head(&stats->segment);
    stats_flow flow = row_flow(stats);
    uint32_t number = atomic_load(&head->marks);
    mark_set(&head->recent[number % STATS_MARKS], now_ms, flow);
    atomic_store(&head->marks, number + 1);
    if (!atomic_load(&head->warm.wall_ms) && now_ms - head->started_ms >= STATS_MINUTE_MS) mark_set(&head->warm, now_ms, flow);
  }
  lrd_unlock(&stats->mutex);
}
