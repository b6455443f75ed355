/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph as SVG, by hand: a column for each depth, in it the steps near the middle of those that they come after, curves
 * between them, a legend with counts. The same states give the same bytes.
 */
#include "mission/mission_graph.h"
#include "stats/svg_writer.h"

#include <stdio.h>
#include <stdlib.h>

#define BOX_W    190
#define BOX_H    46
#define GAP_X    70
#define GAP_Y    16
#define MARGIN   24
#define TITLE_H  34
#define LEGEND_H 40
#define ID_SHOWN 24 /* characters */

typedef struct look {
  larder_step_state state;
  const char *fill;
  const char *line;
} look;

static const look looks[] = {{LARDER_STEP_HIT, "#e3f4e4", "#2e7d32"},      {LARDER_STEP_MADE, "#e2eefb", "#1565c0"},
                             {LARDER_STEP_FAILED, "#fde4e4", "#c62828"},   {LARDER_STEP_SKIPPED, "#eeeeee", "#9e9e9e"},
                             {LARDER_STEP_WILL_RUN, "#fff5dc", "#b8860b"}, {LARDER_STEP_MAY_RUN, "#fffaf0", "#d2b48c"},
                             {LARDER_STEP_WAITING, "#ffffff", "#757575"}};
#define LOOKS (sizeof looks / sizeof *looks)

typedef struct spot {
  uint32_t step;
  double middle; /* of those that it comes after */
  int x;
  int y;
} spot;

typedef struct drawing {
  const larder_mission *m;
  spot *spots; /* by step */
  uint32_t columns;
  uint32_t rows;
  lrd_svg svg;
} drawing;

static const look *look_of(larder_step_state state) {
  for (size_t i = 0; i < LOOKS; i++)
    if (looks[i].state == state) return &looks[i];
  return &looks[LOOKS - 1];
}

static int spot_order(const void *a, const void *b) {
  const spot *x = *(spot *const *)a;
  const spot *y = *(spot *const *)b;
  if (x->middle != y->middle) return x->middle < y->middle ? -1 : 1;
  return x->step < y->step ? -1 : x->step > y->step;
}

static void column_place(drawing *d, spot **column, uint32_t len, uint32_t depth) {
  for (uint32_t i = 0; i < len; i++) {
    const lrd_step *step = &d->m->steps[column[i]->step];
    for (uint32_t j = 0; j < step->after_len; j++) column[i]->middle += d->spots[step->after[j]].y;
    if (step->after_len > 0) column[i]->middle /= step->after_len;
  }
  qsort(column, len, sizeof(spot *), spot_order);
  int top = MARGIN + TITLE_H + (int)(d->rows - len) * (BOX_H + GAP_Y) / 2;
  for (uint32_t i = 0; i < len; i++) {
    column[i]->x = MARGIN + (int)depth * (BOX_W + GAP_X);
    column[i]->y = top + (int)i * (BOX_H + GAP_Y);
  }
}

static int depth_order(const void *a, const void *b) {
  const spot *x = *(spot *const *)a;
  const spot *y = *(spot *const *)b;
  return x->y != y->y ? (x->y < y->y ? -1 : 1) : x->step < y->step ? -1 : x->step > y->step;
}

/* Columns from left to right, so that whoever comes before has its place. Until then y is the depth. */
static larder_err spots_place(drawing *d) {
  uint32_t len = d->m->steps_len;
  spot **by_depth = lrd_alloc((len + 1) * sizeof *by_depth);
  if (!by_depth) return LARDER_ENOMEM;
  for (uint32_t i = 0; i < len; i++) {
    d->spots[i] = (spot){.step = i, .y = (int)d->m->steps[i].depth};
    by_depth[i] = &d->spots[i];
  }
  qsort(by_depth, len, sizeof *by_depth, depth_order);
  for (uint32_t begin = 0, end = 0; begin < len; begin = end) {
    while (end < len && by_depth[end]->y == by_depth[begin]->y) end++;
    if (end - begin > d->rows) d->rows = end - begin;
    d->columns++;
  }
  for (uint32_t begin = 0, end = 0, depth = 0; begin < len; begin = end, depth++) {
    while (end < len && d->m->steps[by_depth[end]->step].depth == depth) end++;
    column_place(d, by_depth + begin, end - begin, depth);
  }
  lrd_dealloc(by_depth);
  return LARDER_OK;
}

static void time_text(int64_t ms, char *out, size_t room) {
  if (ms < 0)
    out[0] = '\0';
  else if (ms < 10000)
    (void)snprintf(out, room, ", %lld ms", (long long)ms);
  else if (ms < 600000)
    (void)snprintf(out, room, ", %lld.%lld s", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
  else
    (void)snprintf(out, room, ", %lld min", (long long)(ms / 60000));
}

static void edges_draw(drawing *d) {
  for (uint32_t i = 0; i < d->m->steps_len; i++) {
    const spot *to = &d->spots[i];
    for (uint32_t j = 0; j < d->m->steps[i].after_len; j++) {
      const spot *from = &d->spots[d->m->steps[i].after[j]];
      int x = from->x + BOX_W, y = from->y + BOX_H / 2, bend = GAP_X / 2;
      lrd_svg_put(&d->svg, "<path d=\"M%d %d C%d %d %d %d %d %d\" class=\"edge\"/>\n", x, y, x + bend, y, to->x - bend,
                  to->y + BOX_H / 2, to->x, to->y + BOX_H / 2);
    }
  }
}

static void step_draw(drawing *d, uint32_t index) {
  const lrd_step *step = &d->m->steps[index];
  const spot *at = &d->spots[index];
  const look *l = look_of(step->now.state);
  char took[48];
  time_text(step->now.took_ms, took, sizeof took);
  lrd_svg_put(&d->svg, "<g><title>");
  lrd_svg_text(&d->svg, step->id, LRD_MISSION_ID_MAX);
  lrd_svg_put(&d->svg, " (%s)", larder_step_state_name(step->now.state));
  if (step->now.why[0] != '\0') lrd_svg_put(&d->svg, ": ");
  lrd_svg_text(&d->svg, step->now.why, LRD_WHY_MAX);
  lrd_svg_put(&d->svg, "</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"%s\" stroke=\"%s\"/>", at->x,
              at->y, BOX_W, BOX_H, l->fill, l->line);
  lrd_svg_put(&d->svg, "<text x=\"%d\" y=\"%d\" class=\"id\">", at->x + 10, at->y + 19);
  lrd_svg_text(&d->svg, step->id, ID_SHOWN);
  lrd_svg_put(&d->svg, "</text><text x=\"%d\" y=\"%d\" class=\"small\">", at->x + 10, at->y + 36);
  lrd_svg_text(&d->svg, step->type, ID_SHOWN / 2);
  lrd_svg_put(&d->svg, ": %s%s</text></g>\n", larder_step_state_name(step->now.state), took);
}

static void legend_draw(drawing *d, int y) {
  int x = MARGIN;
  for (size_t i = 0; i < LOOKS; i++) {
    unsigned count = 0;
    for (uint32_t j = 0; j < d->m->steps_len; j++) count += look_of(d->m->steps[j].now.state) == &looks[i];
    if (count == 0) continue;
    lrd_svg_put(&d->svg, "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"14\" rx=\"3\" fill=\"%s\" stroke=\"%s\"/>", x, y,
                looks[i].fill, looks[i].line);
    lrd_svg_put(&d->svg, "<text x=\"%d\" y=\"%d\" class=\"small\">%s: %u</text>\n", x + 20, y + 12,
                larder_step_state_name(looks[i].state), count);
    x += 110;
  }
}

larder_err lrd_mission_draw(const larder_mission *m, lrd_buf *out) {
  drawing d = {.m = m, .svg = {.out = out}};
  d.spots = lrd_alloc((m->steps_len + 1) * sizeof *d.spots);
  if (!d.spots) return LARDER_ENOMEM;
  d.svg.err = spots_place(&d);
  uint32_t columns = d.columns > 2 ? d.columns : 2; /* room for the title */
  int width = 2 * MARGIN + (int)columns * (BOX_W + GAP_X) - GAP_X;
  int legend = MARGIN + TITLE_H + (int)d.rows * (BOX_H + GAP_Y);
  lrd_svg_begin(&d.svg, width, legend + LEGEND_H);
  lrd_svg_put(&d.svg, "<style>text{font-family:sans-serif;fill:#222}.title{font-size:18px;font-weight:bold}.id{font-size:13px;"
                      "font-weight:bold}.small{font-size:11px}.edge{fill:none;stroke:#8a8a8a;stroke-width:1.3}</style>\n");
  lrd_svg_put(&d.svg, "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n<text x=\"%d\" y=\"%d\" class=\"title\">",
              MARGIN, MARGIN + 14);
  lrd_svg_text(&d.svg, m->name ? m->name : "mission", LRD_MISSION_ID_MAX);
  lrd_svg_put(&d.svg, "</text>\n");
  if (d.svg.err == LARDER_OK) edges_draw(&d);
  for (uint32_t i = 0; i < m->steps_len && d.svg.err == LARDER_OK; i++) step_draw(&d, i);
  if (d.svg.err == LARDER_OK) legend_draw(&d, legend + 8);
  lrd_svg_put(&d.svg, "</svg>\n");
  lrd_dealloc(d.spots);
  return d.svg.err;
}
