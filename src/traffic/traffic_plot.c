/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bars with their intervals as SVG, by hand: a panel for each figure, a bar for each contestant in the order that was given,
 * its value written at its end. Colours are given for light and for dark pages. The same bars give the same bytes.
 */
#include "traffic_spec.h"

#include "stats/svg_writer.h"
#include <math.h>

#define WIDTH    760
#define LEFT     170
#define RIGHT    130
#define HEAD     44
#define ROW      26
#define BAR      16
#define TAIL     16
#define NAME_TO  22
#define TITLE_TO 80
#define PLOT_W   (WIDTH - LEFT - RIGHT)

/* As many decimals as half an interval has to tell; without one, three digits. */
static int decimals(const larder_traffic_interval *value) {
  double tells = value->half > 0 ? value->half : value->mean / 10;
  return tells >= 10 || tells <= 0 ? 0 : tells >= 1 ? 1 : tells >= 0.1 ? 2 : 3;
}

static double half_of(const larder_traffic_interval *value) { return isnan(value->half) ? 0 : value->half; }

static void style_put(lrd_svg *svg) {
  lrd_svg_put(svg,
              "<style>text{font:12px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}.end{text-anchor:end}"
              ".page{fill:#fff}.axis{stroke:#666;fill:none}.bar{fill:#6da3d0}.best{fill:#2a8a3e}.half{stroke:#222;fill:none}");
  lrd_svg_put(svg, "@media(prefers-color-scheme:dark){text{fill:#ddd}.page{fill:#181818}.axis{stroke:#999}.bar{fill:#3f719c}"
                   ".best{fill:#4fae64}.half{stroke:#ddd}}</style>\n<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n");
}

static void panel_draw(lrd_svg *svg, const larder_traffic_panel *panel, int top) {
  double most = 0, least = INFINITY;
  for (size_t i = 0; i < panel->count; i++) {
    most = fmax(most, panel->bars[i].value.mean + half_of(&panel->bars[i].value));
    least = fmin(least, panel->bars[i].value.mean);
  }
  lrd_svg_put(svg, "<text x=\"%d\" y=\"%d\" class=\"title\">", 16, top + 26);
  lrd_svg_text(svg, panel->title, TITLE_TO);
  lrd_svg_put(svg, "</text>\n");
  for (size_t i = 0; i < panel->count; i++) {
    const larder_traffic_bar *bar = &panel->bars[i];
    int y = top + HEAD + (int)i * ROW;
    double scale = most > 0 ? PLOT_W / most : 0, end = bar->value.mean * scale, half = half_of(&bar->value) * scale;
    lrd_svg_put(svg, "<text x=\"%d\" y=\"%d\" class=\"end\">", LEFT - 8, y + 13);
    lrd_svg_text(svg, bar->name, NAME_TO);
    lrd_svg_put(svg, "</text><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
                bar->value.mean <= least ? "best" : "bar", LEFT, y, end, BAR);
    if (!isnan(bar->value.half))
      lrd_svg_put(svg, "<path class=\"half\" d=\"M%.1f %dv6m0 -3H%.1fm0 -3v6\"/>", LEFT + fmax(end - half, 0), y + BAR / 2 - 3,
                  LEFT + end + half);
    lrd_svg_put(svg, "<text x=\"%.1f\" y=\"%d\">%.*f ", LEFT + end + half + 8, y + 13, decimals(&bar->value), bar->value.mean);
    if (!isnan(bar->value.half)) lrd_svg_put(svg, "± %.*f ", decimals(&bar->value), bar->value.half);
    lrd_svg_text(svg, panel->unit, NAME_TO);
    lrd_svg_put(svg, "</text>\n");
  }
  lrd_svg_put(svg, "<path class=\"axis\" d=\"M%d %dv%d\"/>\n", LEFT, top + HEAD - 4, (int)panel->count * ROW);
}

static bool panel_valid(const larder_traffic_panel *panel) {
  if (panel->title == NULL || panel->unit == NULL || panel->bars == NULL || panel->count == 0 || panel->count > 1000)
    return false;
  for (size_t i = 0; i < panel->count; i++) {
    const larder_traffic_bar *bar = &panel->bars[i];
    if (bar->name == NULL || !isfinite(bar->value.mean) || isinf(bar->value.half) || bar->value.mean < 0 || bar->value.half < 0)
      return false;
  }
  return true;
}

larder_err larder_traffic_plot(const larder_traffic_panel *panels, size_t count, char **text_out, size_t *len_out) {
  if (panels == NULL || count == 0 || count > 100 || text_out == NULL || len_out == NULL) return LARDER_EINVAL;
  int height = 0;
  for (size_t i = 0; i < count; i++) {
    if (!panel_valid(&panels[i])) return LARDER_EINVAL;
    height += HEAD + (int)panels[i].count * ROW + TAIL;
  }
  lrd_buf out = {0};
  lrd_svg svg = {.out = &out};
  lrd_svg_begin(&svg, WIDTH, height);
  style_put(&svg);
  for (size_t i = 0, top = 0; i < count; i++) {
    panel_draw(&svg, &panels[i], (int)top);
    top += (size_t)(HEAD + (int)panels[i].count * ROW + TAIL);
  }
  larder_err const err = lrd_svg_end(&svg, text_out, len_out);
  lrd_buf_fini(&out);
  return err;
}

void larder_traffic_text_free(char *text) { lrd_dealloc(text); }
