/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Miss ratios over sizes as SVG, by hand: a panel for each trace, a curve for each policy with its points marked, sizes on a
 * logarithmic axis, the legend in the order in which the curves end on the right. Colours are given for light and for dark
 * pages; a curve is known by its dashes, too. The same runs give the same bytes.
 */
#include "trace_inner.h"

#include "base/quantity.h"
#include "stats/svg_writer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDTH    760
#define HEIGHT   400 /* of a panel */
#define LEFT     64
#define RIGHT    150 /* room for the legend */
#define TOP      44
#define BOTTOM   52
#define PLOT_W   (WIDTH - LEFT - RIGHT)
#define PLOT_H   (HEIGHT - TOP - BOTTOM)
#define LABEL_W  46 /* pixels that a label of the axis wants to itself */
#define CURVES   32u
#define TITLE_TO 60u /* characters */

typedef struct curve {
  const char *policy;
  double last; /* ratio at its greatest size */
  unsigned number;
} curve;

typedef struct drawing {
  lrd_svg svg;
  const larder_simulate_panel *panel;
  const larder_simulate_run **runs; /* own: the panel's, sorted by size */
  double size_min, size_max;        /* logarithms */
  double ratio_min, ratio_max, step;
  int y; /* top of the panel */
  curve curves[CURVES];
  unsigned curves_len;
} drawing;

/* --- scales ------------------------------------------------------------------------------------------------------------- */

static uint64_t size_of(const larder_simulate_run *run) { return run->bytes ? run->bytes : run->objects; }

static int size_order(const void *a, const void *b) {
  uint64_t x = size_of(*(const larder_simulate_run *const *)a), y = size_of(*(const larder_simulate_run *const *)b);
  return x < y ? -1 : x > y;
}

static double x_of(const drawing *d, uint64_t size) {
  if (d->size_max <= d->size_min) return LEFT + PLOT_W / 2.0;
  return LEFT + PLOT_W * (log((double)size) - d->size_min) / (d->size_max - d->size_min);
}

static double y_of(const drawing *d, double ratio) {
  return d->y + TOP + PLOT_H * (d->ratio_max - ratio) / (d->ratio_max - d->ratio_min);
}

static void scales_find(drawing *d) {
  static const double steps[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2};
  double least = 1, most = 0;
  for (size_t i = 0; i < d->panel->count; i++) {
    double ratio = d->runs[i]->miss_ratio;
    least = ratio < least ? ratio : least;
    most = ratio > most ? ratio : most;
  }
  size_t at = 0;
  while (at + 1 < sizeof steps / sizeof *steps && (most - least) / steps[at] > 7) at++;
  d->step = steps[at];
  d->ratio_min = floor(least / d->step) * d->step;
  d->ratio_max = ceil(most / d->step) * d->step;
  if (d->ratio_max - d->ratio_min < d->step / 2) d->ratio_max = d->ratio_min + d->step;
  d->size_min = log((double)size_of(d->runs[0]));
  d->size_max = log((double)size_of(d->runs[d->panel->count - 1]));
}

static int curve_order(const void *a, const void *b) {
  const curve *x = a, *y = b;
  if (x->last != y->last) return x->last > y->last ? -1 : 1;
  return x->number < y->number ? -1 : x->number > y->number;
}

/* Numbered in the order of the panel's runs, so that a policy keeps its colour from panel to panel; then sorted. */
static void curves_find(drawing *d) {
  d->curves_len = 0;
  for (size_t i = 0; i < d->panel->count; i++) {
    unsigned at = 0;
    while (at < d->curves_len && strcmp(d->curves[at].policy, d->panel->runs[i].policy) != 0) at++;
    if (at == CURVES) continue;
    if (at == d->curves_len) d->curves[d->curves_len++] = (curve){.policy = d->panel->runs[i].policy, .number = at};
  }
  for (unsigned c = 0; c < d->curves_len; c++) {
    for (size_t i = 0; i < d->panel->count; i++)
      if (strcmp(d->runs[i]->policy, d->curves[c].policy) == 0) d->curves[c].last = d->runs[i]->miss_ratio;
  }
  qsort(d->curves, d->curves_len, sizeof *d->curves, curve_order);
}

/* --- parts -------------------------------------------------------------------------------------------------------------- */

static void size_text(const larder_simulate_run *run, char *out, size_t room) {
  if (run->bytes) {
    (void)lrd_size_human(run->bytes, out, room);
    return;
  }
  double objects = (double)run->objects;
  if (run->objects < 10000)
    (void)snprintf(out, room, "%llu", (unsigned long long)run->objects);
  else if (run->objects < 1000000)
    (void)snprintf(out, room, "%.3gk", objects / 1e3);
  else
    (void)snprintf(out, room, "%.3gM", objects / 1e6);
}

static void axes_draw(drawing *d) {
  int bottom = d->y + TOP + PLOT_H, lines = (int)lround((d->ratio_max - d->ratio_min) / d->step);
  for (int i = 0; i <= lines; i++) {
    double ratio = d->ratio_min + i * d->step, y = y_of(d, ratio);
    lrd_svg_put(&d->svg, "<path d=\"M%d %.1fH%d\" class=\"%s\"/>", LEFT, y, LEFT + PLOT_W, i == 0 ? "axis" : "grid");
    lrd_svg_put(&d->svg, "<text x=\"%d\" y=\"%.1f\" class=\"end\">%.*f %%</text>\n", LEFT - 8, y + 4, d->step < 0.01 ? 1 : 0,
                ratio * 100);
  }
  lrd_svg_put(&d->svg, "<path d=\"M%d %dV%d\" class=\"axis\"/>\n", LEFT, d->y + TOP, bottom);
  double free_from = 0;
  for (size_t i = 0; i < d->panel->count; i++) {
    char text[32];
    double x = x_of(d, size_of(d->runs[i]));
    if (i > 0 && size_of(d->runs[i]) == size_of(d->runs[i - 1])) continue;
    lrd_svg_put(&d->svg, "<path d=\"M%.1f %dv5\" class=\"axis\"/>", x, bottom);
    if (x - LABEL_W / 2.0 < free_from) continue;
    free_from = x + LABEL_W / 2.0;
    size_text(d->runs[i], text, sizeof text);
    lrd_svg_put(&d->svg, "<text x=\"%.1f\" y=\"%d\" class=\"middle\">%s</text>\n", x, bottom + 19, text);
  }
  lrd_svg_put(&d->svg, "<text x=\"%d\" y=\"%d\" class=\"middle\">%s that fit</text>\n", LEFT + PLOT_W / 2, bottom + 40,
              d->runs[0]->bytes ? "bytes" : "entries");
  lrd_svg_put(&d->svg, "<text transform=\"translate(%d %d) rotate(-90)\" class=\"middle\">misses of all requests</text>\n", 16,
              d->y + TOP + PLOT_H / 2);
}

static void curve_draw(drawing *d, const curve *c) {
  unsigned colour = c->number % LRD_SVG_COLOURS;
  char mark = 'M';
  lrd_svg_put(&d->svg, "<path class=\"curve c%u\" stroke-dasharray=\"%s\" d=\"", colour, lrd_svg_dashes(c->number));
  for (size_t i = 0; i < d->panel->count; i++) {
    if (strcmp(d->runs[i]->policy, c->policy) != 0) continue;
    lrd_svg_put(&d->svg, "%c%.1f %.1f", mark, x_of(d, size_of(d->runs[i])), y_of(d, d->runs[i]->miss_ratio));
    mark = 'L';
  }
  lrd_svg_put(&d->svg, "\"/>\n");
  for (size_t i = 0; i < d->panel->count; i++) {
    char text[32];
    if (strcmp(d->runs[i]->policy, c->policy) != 0) continue;
    size_text(d->runs[i], text, sizeof text);
    lrd_svg_put(&d->svg, "<circle class=\"dot c%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>", colour,
                x_of(d, size_of(d->runs[i])), y_of(d, d->runs[i]->miss_ratio));
    lrd_svg_text(&d->svg, c->policy, TITLE_TO);
    lrd_svg_put(&d->svg, " at %s: %.2f %%</title></circle>\n", text, d->runs[i]->miss_ratio * 100);
  }
}

static void legend_draw(drawing *d) {
  for (unsigned i = 0; i < d->curves_len; i++) {
    int x = LEFT + PLOT_W + 16, y = d->y + TOP + 8 + (int)i * 20;
    const curve *c = &d->curves[i];
    lrd_svg_put(&d->svg, "<path class=\"curve c%u\" stroke-dasharray=\"%s\" d=\"M%d %dh22\"/>", c->number % LRD_SVG_COLOURS,
                lrd_svg_dashes(c->number), x, y);
    lrd_svg_put(&d->svg, "<text x=\"%d\" y=\"%d\">", x + 28, y + 4);
    lrd_svg_text(&d->svg, c->policy, 14);
    lrd_svg_put(&d->svg, "</text>\n");
  }
}

static void panel_draw(drawing *d) {
  d->runs = lrd_alloc(d->panel->count * sizeof(const larder_simulate_run *));
  if (d->runs == NULL) {
    d->svg.err = LARDER_ENOMEM;
    return;
  }
  for (size_t i = 0; i < d->panel->count; i++) d->runs[i] = &d->panel->runs[i];
  qsort(d->runs, d->panel->count, sizeof *d->runs, size_order);
  scales_find(d);
  curves_find(d);
  lrd_svg_put(&d->svg, "<text x=\"%d\" y=\"%d\" class=\"title\">", LEFT, d->y + 24);
  lrd_svg_text(&d->svg, d->panel->title, TITLE_TO);
  lrd_svg_put(&d->svg, "</text>\n");
  axes_draw(d);
  for (unsigned i = 0; i < d->curves_len; i++) curve_draw(d, &d->curves[i]);
  legend_draw(d);
  lrd_dealloc(d->runs);
}

static bool panel_valid(const larder_simulate_panel *panel) {
  if (panel->title == NULL || panel->runs == NULL || panel->count == 0) return false;
  for (size_t i = 0; i < panel->count; i++) {
    const larder_simulate_run *run = &panel->runs[i];
    bool other = (run->bytes != 0) != (panel->runs[0].bytes != 0);
    if (run->policy == NULL || other || (run->objects == 0) == (run->bytes == 0)) return false;
    if (!(run->miss_ratio >= 0 && run->miss_ratio <= 1)) return false;
  }
  return true;
}

larder_err larder_simulate_plot(const larder_simulate_panel *panels, size_t count, char **text_out, size_t *len_out) {
  lrd_buf out = {0};
  drawing d = {.svg = {.out = &out}};
  if (panels == NULL || count == 0 || count > LARDER_SIMULATE_RUNS_MAX || text_out == NULL || len_out == NULL)
    return LARDER_EINVAL;
  for (size_t i = 0; i < count; i++)
    if (!panel_valid(&panels[i])) return LARDER_EINVAL;
  int height = (int)count * HEIGHT;
  lrd_svg_begin(&d.svg, WIDTH, height);
  lrd_svg_chart_style(&d.svg);
  for (size_t i = 0; i < count && d.svg.err == LARDER_OK; i++) {
    d.panel = &panels[i];
    d.y = (int)i * HEIGHT;
    panel_draw(&d);
  }
  larder_err err = lrd_svg_end(&d.svg, text_out, len_out);
  lrd_buf_fini(&out);
  return err;
}

void larder_simulate_text_free(char *text) { lrd_dealloc(text); }
