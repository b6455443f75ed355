/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds, rows, the table on stdout and the rows as JSON, one object a line; bench/run joins them to a list. */
#include "bench.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("bench: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

void *bench_alloc(size_t size) {
  void *at = malloc(size ? size : 1);
  if (!at) bench_die("out of memory (%zu bytes)", size);
  return at;
}

bool bench_quick(void) {
  const char *quick = getenv("BENCH_QUICK");
  return quick && *quick && strcmp(quick, "0") != 0;
}

size_t bench_scale(size_t full, size_t quick) { return bench_quick() ? quick : full; }

size_t bench_rounds(void) {
  const char *given = getenv("BENCH_ROUNDS");
  size_t rounds = given ? strtoul(given, NULL, 10) : bench_scale(11, 3);
  if (rounds < 1) rounds = 1;
  return rounds > BENCH_ROUNDS_MAX ? BENCH_ROUNDS_MAX : rounds;
}

void bench_turns(bench_side *const *sides, size_t count, size_t rounds) {
  for (size_t s = 0; s < count; s++) sides[s]->here = true;
  for (size_t r = 0; r < rounds; r++) {
    for (size_t turn = 0; turn < count; turn++) {
      bench_side *side = sides[(turn + r) % count];
      if (!side->here) continue;
      side->figures[r] = side->round(side->context, r);
      if (side->figures[r] < 0) side->here = false;
    }
  }
}

static int double_order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median_of(const double *figures, size_t count) {
  double sorted[BENCH_ROUNDS_MAX];
  memcpy(sorted, figures, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, double_order);
  return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* Six digits are more than any figure here is good for; null stands for what is not known. */
static void number_format(char *out, size_t room, double value, bool known) {
  if (known && isfinite(value))
    snprintf(out, room, "%.6g", value);
  else
    snprintf(out, room, "null");
}

typedef struct row_result {
  double ours, peer, ratio, least, greatest;
  bool ours_known, peer_known, ratio_known;
  int met; /* 1, 0, or -1: not known */
  const char *peer_name;
} row_result;

static void row_write(const bench_row *row, const row_result *result, const char *bar) {
  const char *path = getenv("BENCH_ROWS");
  if (!path || !*path) return;
  FILE *file = fopen(path, "ae");
  if (!file) bench_die("%s cannot be written", path);
  char n[5][32];
  number_format(n[0], sizeof n[0], result->ours, result->ours_known);
  number_format(n[1], sizeof n[1], result->peer, result->peer_known);
  number_format(n[2], sizeof n[2], result->ratio, result->ratio_known);
  number_format(n[3], sizeof n[3], result->least, result->ratio_known);
  number_format(n[4], sizeof n[4], result->greatest, result->ratio_known);
  fprintf(
      file,
      "{\"id\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\", \"ours\": %s, \"peer\": %s, \"peer_name\": \"%s\", \"ratio\": %s, "
      "\"ratio_min\": %s, \"ratio_max\": %s, \"bar\": %s%s%s, \"met\": %s}\n",
      row->id, row->what, row->unit, n[0], n[1], result->peer_name, n[2], n[3], n[4], *bar ? "\"" : "", *bar ? bar : "null",
      *bar ? "\"" : "",
      result->met < 0 ? "null"
      : result->met   ? "true"
                      : "false");
  if (fclose(file) != 0) bench_die("%s cannot be written", path);
}

static void figure_show(char *out, size_t room, double value, bool known) {
  if (!known)
    snprintf(out, room, "-");
  else if (value >= 1000)
    snprintf(out, room, "%.0f", value);
  else
    snprintf(out, room, "%.3g", value);
}

static void row_show(const bench_row *row, const row_result *result, const char *bar) {
  static bool headed;
  if (!headed) {
    headed = true;
    printf("%-36s %10s %10s %-6s %7s %-15s %-8s %-5s %s\n", "id", "ours", "peer", "unit", "ratio", "(min-max)", "bar", "met",
           "peer");
  }
  char ours[32], peer[32], ratio[32] = "-", spread[48] = "";
  figure_show(ours, sizeof ours, result->ours, result->ours_known);
  figure_show(peer, sizeof peer, result->peer, result->peer_known);
  if (result->ratio_known) {
    snprintf(ratio, sizeof ratio, "%.2f", result->ratio);
    snprintf(spread, sizeof spread, "(%.2f-%.2f)", result->least, result->greatest);
  }
  printf("%-36s %10s %10s %-6s %7s %-15s %-8s %-5s %s\n", row->id, ours, peer, row->unit, ratio, spread, *bar ? bar : "-",
         result->met < 0 ? "-"
         : result->met   ? "yes"
                         : "NO",
         result->peer_name);
  fflush(stdout);
}

static void row_emit(const bench_row *row, row_result *result) {
  char bar[32] = "";
  result->met = -1;
  if (row->sense != BENCH_INFORM) {
    snprintf(bar, sizeof bar, "%s %g", row->sense == BENCH_AT_MOST ? "<=" : ">=", row->bar);
    /* Without a peer in the row the bar is one on the figure itself. */
    bool known = result->ratio_known || (result->ours_known && !*result->peer_name);
    double figure = result->ratio_known ? result->ratio : result->ours;
    if (known) result->met = row->sense == BENCH_AT_MOST ? figure <= row->bar : figure >= row->bar;
  }
  row_show(row, result, bar);
  row_write(row, result, bar);
}

void bench_row_sides(const bench_row *row, const bench_side *ours, const bench_side *peer, size_t rounds) {
  char absent[96];
  row_result result = {.peer_name = peer->name};
  double a[BENCH_ROUNDS_MAX], b[BENCH_ROUNDS_MAX], ratio[BENCH_ROUNDS_MAX];
  for (size_t r = 0; r < rounds; r++) {
    a[r] = !ours->here ? 1 : row->rate ? 1e9 / ours->figures[r] : ours->figures[r];
    b[r] = !peer->here ? 1 : row->rate ? 1e9 / peer->figures[r] : peer->figures[r];
    ratio[r] = a[r] / b[r];
  }
  result.ours = median_of(a, rounds);
  result.peer = median_of(b, rounds);
  result.ours_known = ours->here;
  result.peer_known = peer->here;
  result.ratio_known = ours->here && peer->here;
  if (!peer->here) {
    snprintf(absent, sizeof absent, "%s: peer not here", peer->name);
    result.peer_name = absent;
  }
  if (result.ratio_known) {
    result.ratio = median_of(ratio, rounds);
    qsort(ratio, rounds, sizeof *ratio, double_order);
    result.least = ratio[0];
    result.greatest = ratio[rounds - 1];
  }
  row_emit(row, &result);
}

void bench_row_figure(const bench_row *row, double ours, double peer, const char *peer_name) {
  row_result result = {.ours = ours, .ours_known = true, .peer_name = peer_name ? peer_name : ""};
  if (peer >= 0) {
    result.peer = peer;
    result.peer_known = true;
    if (peer > 0) {
      result.ratio = result.least = result.greatest = ours / peer;
      result.ratio_known = true;
    }
  }
  row_emit(row, &result);
}

void bench_row_absent(const bench_row *row, const char *why) {
  row_result result = {.peer_name = why};
  row_emit(row, &result);
}
