/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers' side: rows of living and dead processes into sums, the past, resetting.
 *
 * A reset writes down, beside the rows, what each row had counted at that moment; readers subtract it. So no process ever
 * writes another's counters. The marks are kept by the row's instance number and vanish with shared memory at a reboot,
 * as the rows do:
 *
 *   for each row: instance (8 bytes), length (4 bytes), a blob; then XXH3-64 of all before
 */
#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "stats_room.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define BASELINE_LEN_MAX ((off_t)64 << 20)

static larder_err baseline_load(const char *path, lrd_buf *out) {
  int fd = lrd_segment_open_file(path, false);
  if (fd < 0) return LARDER_OK;
  larder_err err = LARDER_OK;
  struct stat found;
  if (fstat(fd, &found) || found.st_size < 8 || found.st_size > BASELINE_LEN_MAX) goto out;
  size_t len = (size_t)found.st_size;
  err = lrd_buf_reserve(out, len);
  if (err != LARDER_OK) goto out;
  size_t got;
  if (lrd_fs_read_full(fd, out->data, len, 0, &got) || got != len) goto out;
  if (lrd_sum64(out->data, len - 8) == lrd_get_u64(out->data + len - 8)) out->len = len - 8;
out:
  lrd_fs_close(fd);
  return err;
}

larder_err lrd_stats_baseline(lrd_stats *stats, lrd_buf *out) {
  /* A private row's own marks first: for other rows the file is newer, and the last mark counts. */
  larder_err err = lrd_buf_append(out, stats->baseline.data, stats->baseline.len);
  if (err != LARDER_OK || !stats->rooted) return err;
  lrd_buf shared = {0};
  char *path = lrd_segment_path(stats->folder, stats->root_id, LRD_STATS_ROWS);
  err = path ? baseline_load(path, &shared) : LARDER_ENOMEM;
  if (err == LARDER_OK) err = lrd_buf_append(out, shared.data, shared.len);
  lrd_buf_fini(&shared);
  lrd_dealloc(path);
  return err;
}

/* The blob of an instance among the marks. The last one counts. */
static lrd_span baseline_find(lrd_span marks, uint64_t instance) {
  lrd_span found = {0};
  const uint8_t *at = marks.data;
  size_t left = marks.len;
  while (left >= 12) {
    uint32_t len = lrd_get_u32(at + 8);
    if (len > left - 12) break;
    if (lrd_get_u64(at) == instance) found = lrd_span_of(at + 12, len);
    at += 12 + len;
    left -= 12 + len;
  }
  return found;
}

larder_err lrd_stats_read(lrd_stats *stats, const stats_source *source, uint32_t row, lrd_span baseline, stats_head *head_out,
                          stats_sums *raw_out, stats_sums *marked_out) {
  if (!lrd_segment_read_head(source, stats->root_id, stats->boot_id, row, head_out)) return LARDER_MISS;
  stats_sums raw = {0}, marks = {0};
  larder_err err = lrd_sums_read_row(&raw, source, head_out);
  if (err == LARDER_OK && marked_out) err = lrd_sums_add(marked_out, &raw);
  lrd_span mark = baseline_find(baseline, head_out->instance);
  if (err == LARDER_OK && marked_out && mark.len) {
    larder_err decoded = lrd_sums_decode(&marks, mark);
    if (decoded == LARDER_OK) lrd_sums_subtract(marked_out, &marks);
    if (decoded == LARDER_ENOMEM) err = decoded;
  }
  lrd_sums_fini(&marks);
  if (err == LARDER_OK && raw_out)
    *raw_out = raw;
  else
    lrd_sums_fini(&raw);
  return err;
}

/* Goes over the rows that can be read, the own one first. */
typedef larder_err (*row_visit)(lrd_stats *stats, void *context, const stats_head *head, const stats_sums *raw,
                                const stats_sums *marked);

static larder_err row_visit_one(lrd_stats *stats, const stats_source *source, uint32_t row, lrd_span baseline, stats_head *head,
                                row_visit visit, void *context) {
  stats_sums raw = {0}, marked = {0};
  larder_err err = lrd_stats_read(stats, source, row, baseline, head, &raw, &marked);
  if (err == LARDER_OK) err = visit(stats, context, head, &raw, &marked);
  lrd_sums_fini(&raw);
  lrd_sums_fini(&marked);
  /* What is no row, or can't be read, is left out. */
  return err == LARDER_ENOMEM ? err : LARDER_OK;
}

static larder_err rows_each(lrd_stats *stats, lrd_span baseline, row_visit visit, void *context) {
  stats_head *head = lrd_alloc(sizeof *head);
  if (!head) return LARDER_ENOMEM;
  larder_err err = LARDER_OK;
  bool own_shared = stats->segment.fd >= 0;
  stats_source own = {.own = &stats->segment, .fd = -1};
  if (!stats->taken) err = row_visit_one(stats, &own, stats->row, baseline, head, visit, context);
  uint8_t present[LRD_STATS_ROWS] = {0};
  if (stats->rooted) lrd_segment_list(stats->folder, stats->root_id, present);
  for (uint32_t row = 0; row < LRD_STATS_ROWS && err == LARDER_OK; row++) {
    if (!present[row] || (own_shared && row == stats->row)) continue;
    char *path = lrd_segment_path(stats->folder, stats->root_id, row);
    if (!path) {
      err = LARDER_ENOMEM;
      break;
    }
    stats_source source = {.fd = lrd_segment_open_file(path, false)};
    lrd_dealloc(path);
    if (source.fd < 0) continue;
    err = row_visit_one(stats, &source, row, baseline, head, visit, context);
    lrd_fs_close(source.fd);
  }
  lrd_dealloc(head);
  return err;
}

/* --- taking and giving sums ------------------------------------------------------------------------------------------- */

static larder_err take_from(lrd_stats *stats, const stats_source *source, uint32_t row, lrd_buf *out) {
  lrd_buf baseline = {0};
  stats_sums sums = {0};
  stats_head *head = lrd_alloc(sizeof *head);
  larder_err err = head ? lrd_stats_baseline(stats, &baseline) : LARDER_ENOMEM;
  if (err == LARDER_OK) err = lrd_stats_read(stats, source, row, lrd_span_of(baseline.data, baseline.len), head, NULL, &sums);
  if (err == LARDER_OK) err = lrd_sums_are_empty(&sums) ? LARDER_MISS : lrd_sums_encode(&sums, out);
  lrd_sums_fini(&sums);
  lrd_buf_fini(&baseline);
  lrd_dealloc(head);
  return err;
}

static larder_err take_own(lrd_stats *stats, lrd_buf *out) {
  if (stats->taken) return LARDER_MISS;
  stats_source own = {.own = &stats->segment, .fd = -1};
  larder_err err = take_from(stats, &own, stats->row, out);
  if (err < 0) return err;
  stats->taken = true;
  if (stats->segment.fd < 0) return err;
  (void)lrd_fs_unlink(stats->segment.path);
  /* The last one out takes the marks of the last reset along: they are about rows that are gone. */
  uint8_t present[LRD_STATS_ROWS];
  lrd_segment_list(stats->folder, stats->root_id, present);
  char *marks = memchr(present, 1, sizeof present) ? NULL : lrd_segment_path(stats->folder, stats->root_id, LRD_STATS_ROWS);
  if (marks) (void)lrd_fs_unlink(marks);
  lrd_dealloc(marks);
  return err;
}

larder_err lrd_stats_take_row(lrd_stats *stats, uint32_t row, lrd_buf *out) {
  if (row >= LRD_STATS_ROWS) return LARDER_EINVAL;
  lrd_lock(&stats->mutex);
  larder_err err = LARDER_MISS;
  if (row == stats->row) {
    err = take_own(stats, out);
  } else if (stats->rooted) {
    char *path = lrd_segment_path(stats->folder, stats->root_id, row);
    stats_source source = {.fd = path ? lrd_segment_claim(path) : -1};
    if (!path) err = LARDER_ENOMEM;
    if (source.fd >= 0) err = take_from(stats, &source, row, out);
    /* A row that is no row goes too, so that it is not looked at for ever. */
    if (source.fd >= 0 && err >= 0) (void)lrd_fs_unlink(path);
    lrd_fs_close(source.fd);
    lrd_dealloc(path);
  }
  lrd_unlock(&stats->mutex);
  return err;
}

larder_err lrd_stats_take_left(lrd_stats *stats, lrd_buf *out) {
  lrd_lock(&stats->mutex);
  larder_err err = stats->left.len ? lrd_buf_append(out, stats->left.data, stats->left.len) : LARDER_MISS;
  if (err == LARDER_OK) lrd_buf_fini(&stats->left);
  lrd_unlock(&stats->mutex);
  return err;
}

larder_err lrd_stats_blob_add(lrd_buf *sum, lrd_span blob) {
  stats_sums sums = {0};
  lrd_buf encoded = {0};
  larder_err err = sum->len ? lrd_sums_decode(&sums, lrd_span_of(sum->data, sum->len)) : LARDER_OK;
  if (err == LARDER_OK && blob.len) err = lrd_sums_decode(&sums, blob);
  if (err == LARDER_OK) err = lrd_sums_encode(&sums, &encoded);
  if (err == LARDER_OK) {
    lrd_buf_fini(sum);
    *sum = encoded;
    encoded = (lrd_buf){0};
  }
  lrd_buf_fini(&encoded);
  lrd_sums_fini(&sums);
  return err;
}

larder_err lrd_stats_give(lrd_stats *stats, lrd_span blob) {
  if (blob.len == 0) return LARDER_OK;
  stats_sums sums = {0};
  larder_err err = lrd_sums_decode(&sums, blob);
  if (err == LARDER_OK) {
    lrd_lock(&stats->mutex);
    err = lrd_sums_add(&stats->past, &sums);
    lrd_unlock(&stats->mutex);
  }
  lrd_sums_fini(&sums);
  return err;
}

larder_err lrd_stats_set_past(lrd_stats *stats, lrd_span blob) {
  stats_sums sums = {0};
  larder_err err = blob.len ? lrd_sums_decode(&sums, blob) : LARDER_OK;
  if (err == LARDER_OK) {
    lrd_lock(&stats->mutex);
    stats_sums before = stats->past;
    stats->past = sums;
    sums = before;
    lrd_unlock(&stats->mutex);
  }
  lrd_sums_fini(&sums);
  return err;
}

void lrd_stats_forget_past(lrd_stats *stats) {
  lrd_lock(&stats->mutex);
  lrd_sums_fini(&stats->past);
  lrd_unlock(&stats->mutex);
}

/* --- resetting --------------------------------------------------------------------------------------------------------- */

static larder_err reset_mark(lrd_stats *stats, void *context, const stats_head *head, const stats_sums *raw,
                             const stats_sums *marked) {
  (void)stats;
  (void)marked;
  lrd_buf *out = context;
  size_t at = out->len;
  uint8_t place[12] = {0};
  larder_err err = lrd_buf_append(out, place, sizeof place);
  if (err == LARDER_OK) err = lrd_sums_encode(raw, out);
  if (err != LARDER_OK) return err;
  lrd_put_u64(out->data + at, head->instance);
  lrd_put_u32(out->data + at + 8, (uint32_t)(out->len - at - 12));
  return LARDER_OK;
}

static larder_err reset_publish(lrd_stats *stats, const lrd_buf *marks) {
  lrd_buf content = {0};
  uint8_t check[8];
  char *path = lrd_segment_path(stats->folder, stats->root_id, LRD_STATS_ROWS);
  larder_err err = path ? lrd_buf_append(&content, marks->data, marks->len) : LARDER_ENOMEM;
  lrd_put_u64(check, lrd_sum64(marks->data, marks->len));
  if (err == LARDER_OK) err = lrd_buf_append(&content, check, sizeof check);
  if (err == LARDER_OK && lrd_fs_publish(path, content.data, content.len, 0600, false)) err = lrd_err_from_errno(errno);
  lrd_buf_fini(&content);
  lrd_dealloc(path);
  return err;
}

larder_err lrd_stats_reset(lrd_stats *stats) {
  lrd_buf marks = {0};
  lrd_lock(&stats->mutex);
  larder_err err = rows_each(stats, (lrd_span){0}, reset_mark, &marks);
  if (err == LARDER_OK && stats->rooted) err = reset_publish(stats, &marks);
  if (err == LARDER_OK) {
    lrd_sums_fini(&stats->past);
    lrd_buf_fini(&stats->left);
    if (stats->segment.fd < 0) {
      /* A private row's marks are nobody else's business. */
      lrd_buf_fini(&stats->baseline);
      stats->baseline = marks;
      marks = (lrd_buf){0};
    }
  }
  lrd_unlock(&stats->mutex);
  lrd_buf_fini(&marks);
  return err;
}

/* --- snapshots --------------------------------------------------------------------------------------------------------- */

typedef struct snapshot_flow {
  uint64_t recent_lookups, recent_hits, recent_evictions;
  uint64_t steady_lookups, steady_hits;
  int64_t span_ms;
  bool warm;
  bool steady;
} snapshot_flow;

typedef struct snapshot {
  larder_stats *into;
  snapshot_flow flow;
} snapshot;

static bool row_is_alive(lrd_stats *stats, const stats_head *head) {
  if (head->row == stats->row && head->pid == getpid()) return true;
  if (stats->row_lives) return stats->row_lives(stats->context, head->row);
  if (head->pid <= 0 || head->pid > INT32_MAX) return false;
  return kill((pid_t)head->pid, 0) == 0 || errno == EPERM;
}

static uint64_t since(uint64_t now, uint64_t mark, uint64_t reset) {
  uint64_t from = mark > reset ? mark : reset;
  return now > from ? now - from : 0;
}

/* The mark that lies about a minute back; a process younger than that began at nothing. */
static stats_flow mark_of_minute(const stats_head *head, int64_t now_ms, int64_t *at_ms) {
  const stats_mark *best = NULL;
  bool old_enough = false;
  for (size_t i = 0; i < STATS_MARKS; i++) {
    const stats_mark *mark = &head->recent[i];
    if (!mark->wall_ms || mark->wall_ms > now_ms) continue;
    bool old = now_ms - mark->wall_ms >= STATS_MINUTE_MS;
    /* The youngest of those a minute old, else the oldest of all. */
    if (!best || (old && (!old_enough || mark->wall_ms > best->wall_ms)) ||
        (!old && !old_enough && mark->wall_ms < best->wall_ms)) {
      best = mark;
      old_enough = old;
    }
  }
  bool young = now_ms - head->started_ms < STATS_MINUTE_MS;
  if (!best || young) {
    *at_ms = head->started_ms;
    return (stats_flow){0};
  }
  *at_ms = best->wall_ms;
  return (stats_flow){.lookups = best->lookups, .hits = best->hits, .evictions = best->evictions};
}

static void snapshot_add_flow(snapshot_flow *to, const stats_head *head, const stats_sums *raw, const stats_sums *marked,
                              int64_t now_ms) {
  stats_flow now = lrd_sums_flow(raw);
  stats_flow kept = lrd_sums_flow(marked);
  stats_flow reset = {now.lookups - kept.lookups, now.hits - kept.hits, now.evictions - kept.evictions};
  int64_t at_ms;
  stats_flow mark = mark_of_minute(head, now_ms, &at_ms);
  to->recent_lookups += since(now.lookups, mark.lookups, reset.lookups);
  to->recent_hits += since(now.hits, mark.hits, reset.hits);
  to->recent_evictions += since(now.evictions, mark.evictions, reset.evictions);
  if (now_ms - at_ms > to->span_ms) to->span_ms = now_ms - at_ms;
  if (head->warm.wall_ms) {
    to->steady = true;
    to->steady_lookups += since(now.lookups, head->warm.lookups, reset.lookups);
    to->steady_hits += since(now.hits, head->warm.hits, reset.hits);
  }
  if (now_ms - head->started_ms >= STATS_MINUTE_MS && now.lookups >= 100) to->warm = true;
}

static larder_err snapshot_add_process(larder_stats *into, const stats_head *head) {
  size_t count = into->process_count;
  larder_stats_process *processes = lrd_realloc(into->processes, (count + 1) * sizeof *processes);
  if (!processes) return LARDER_ENOMEM;
  into->processes = processes;
  char(*programs)[64] = lrd_realloc(into->programs, (count + 1) * sizeof *programs);
  if (!programs) return LARDER_ENOMEM;
  into->programs = programs;
  memcpy(programs[count], head->program, sizeof programs[count]);
  processes[count] = (larder_stats_process){.pid = head->pid, .since_ms = head->started_ms};
  into->process_count = count + 1;
  /* The names may have moved. */
  for (size_t i = 0; i <= count; i++) processes[i].program = programs[i];
  return LARDER_OK;
}

static larder_err snapshot_row(lrd_stats *stats, void *context, const stats_head *head, const stats_sums *raw,
                               const stats_sums *marked) {
  snapshot *shot = context;
  larder_err err = lrd_sums_add(&shot->into->cells, marked);
  if (err != LARDER_OK || !row_is_alive(stats, head)) return err;
  snapshot_add_flow(&shot->flow, head, raw, marked, shot->into->taken_ms);
  return snapshot_add_process(shot->into, head);
}

static double rate(uint64_t part, uint64_t whole) { return whole ? (double)part / (double)whole : -1; }

static void snapshot_rates(larder_stats *into, const snapshot_flow *flow) {
  stats_flow ever = lrd_sums_flow(&into->cells);
  into->rates = (larder_stats_rates){
      .hit_rate = rate(ever.hits, ever.lookups),
      .hit_rate_recent = rate(flow->recent_hits, flow->recent_lookups),
      .hit_rate_steady = flow->steady ? rate(flow->steady_hits, flow->steady_lookups) : -1,
      .cold = !flow->warm,
      .evictions_per_minute =
          flow->span_ms >= 1000 ? (double)flow->recent_evictions * STATS_MINUTE_MS / (double)flow->span_ms : -1,
  };
}

static int sum_order(const void *a, const void *b) {
  const stats_sum *left = *(stats_sum *const *)a, *right = *(stats_sum *const *)b;
  int order = strcmp(left->ns, right->ns);
  return order ? order : strcmp(left->tier, right->tier);
}

static larder_err snapshot_total(larder_stats *into) {
  for (size_t i = 0; i < into->cells.count; i++) {
    stats_sum *total = lrd_sums_cell(&into->totals, "", into->cells.cells[i]->tier);
    if (!total) return LARDER_ENOMEM;
    larder_err err = lrd_sum_add(total, into->cells.cells[i], false);
    if (err != LARDER_OK) return err;
  }
  if (into->cells.count) qsort(into->cells.cells, into->cells.count, sizeof *into->cells.cells, sum_order);
  if (into->totals.count) qsort(into->totals.cells, into->totals.count, sizeof *into->totals.cells, sum_order);
  return LARDER_OK;
}

/* The cell that every row has for what finds no other is shown only when something is in it. */
static void snapshot_drop_empty_others(stats_sums *cells) {
  stats_sum *others = lrd_sums_find(cells, LRD_STATS_OTHER, LRD_STATS_OTHER);
  if (!others) return;
  stats_sums alone = {.cells = &others, .count = 1};
  if (!lrd_sums_are_empty(&alone) || others->gauges_ms) return;
  size_t at = 0;
  while (cells->cells[at] != others) at++;
  cells->cells[at] = cells->cells[--cells->count];
  for (size_t op = 0; op < LRD_OP_COUNT; op++) lrd_dealloc(others->buckets[op]);
  lrd_dealloc(others);
}

/* Of a namespace all that its tiers evicted, so that the row that stands for the whole shows it. */
static void snapshot_evictions(stats_sums *cells) {
  for (size_t i = 0; i < cells->count; i++) {
    const stats_sum *sum = cells->cells[i];
    stats_sum *whole = strcmp(sum->tier, LRD_STATS_ALL) == 0 ? NULL : lrd_sums_find(cells, sum->ns, LRD_STATS_ALL);
    for (size_t c = 0; whole && c < LARDER_EVICT_REASON_COUNT; c++)
      whole->counters[LRD_STAT_EVICTED_FIRST + c] += sum->counters[LRD_STAT_EVICTED_FIRST + c];
  }
}

larder_err lrd_stats_snapshot(lrd_stats *stats, larder_stats **out) {
  lrd_buf baseline = {0};
  larder_stats *into = lrd_alloc_zero(1, sizeof *into);
  if (!into) return LARDER_ENOMEM;
  into->taken_ms = lrd_wall_ms(stats->clock);
  snapshot shot = {.into = into};
  lrd_lock(&stats->mutex);
  larder_err err = lrd_stats_baseline(stats, &baseline);
  if (err == LARDER_OK) err = rows_each(stats, lrd_span_of(baseline.data, baseline.len), snapshot_row, &shot);
  if (err == LARDER_OK) err = lrd_sums_add(&into->cells, &stats->past);
  lrd_unlock(&stats->mutex);
  lrd_buf_fini(&baseline);
  snapshot_drop_empty_others(&into->cells);
  snapshot_evictions(&into->cells);
  if (err == LARDER_OK) err = snapshot_total(into);
  if (err != LARDER_OK) {
    larder_stats_free(&into);
    return err;
  }
  snapshot_rates(into, &shot.flow);
  *out = into;
  return LARDER_OK;
}
