/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bars with their intervals as SVG, by hand: a panel for each figure, a bar for each contestant in the order that was given,
 * its value written at its end. Colours are given for light and for dark pages. The same bars give the same bytes.
 */
#include "traffic_spec.h"

#include "base/bytes.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

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

typedef struct drawing {
  lrd_buf out;
  larder_err err; /* sticks */
} drawing;

LARDER_PRINTF(2, 3) static void put(drawing *d, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (d->err == LARDER_OK) d->err = lrd_buf_append_str(&d->out, text);
}

/* What is no letter of plain text is shown as a question mark. */
static void put_text(drawing *d, const char *text, size_t most) {
  for (size_t i = 0; i < most && text[i] != '\0'; i++) {
    char c = text[i];
    put(d, "%s%.*s",
        c == '&'               ? "&amp;"
        : c == '<'             ? "&lt;"
        : c == '>'             ? "&gt;"
        : c < 0x20 || c > 0x7E ? "?"
                               : "",
        c == '&' || c == '<' || c == '>' || c < 0x20 || c > 0x7E ? 0 : 1, &c);
  }
}

static void style_put(drawing *d) {
  put(d, "<style>text{font:12px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}.end{text-anchor:end}"
         ".page{fill:#fff}.axis{stroke:#666;fill:none}.bar{fill:#6da3d0}.best{fill:#2a8a3e}.half{stroke:#222;fill:none}");
  put(d, "@media(prefers-color-scheme:dark){text{fill:#ddd}.page{fill:#181818}.axis{stroke:#999}.bar{fill:#3f719c}"
         ".best{fill:#4fae64}.half{stroke:#ddd}}</style>\n<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n");
}

static void panel_draw(drawing *d, const larder_traffic_panel *panel, int top) {
  double most = 0, least = INFINITY;
  for (size_t i = 0; i < panel->count; i++) {
    most = fmax(most, panel->bars[i].value.mean + panel->bars[i].value.half);
    least = fmin(least, panel->bars[i].value.mean);
  }
  put(d, "<text x=\"%d\" y=\"%d\" class=\"title\">", 16, top + 26);
  put_text(d, panel->title, TITLE_TO);
  put(d, "</text>\n");
  for (size_t i = 0; i < panel->count; i++) {
    const larder_traffic_bar *bar = &panel->bars[i];
    int y = top + HEAD + (int)i * ROW;
    double scale = most > 0 ? PLOT_W / most : 0, end = bar->value.mean * scale, half = bar->value.half * scale;
    put(d, "<text x=\"%d\" y=\"%d\" class=\"end\">", LEFT - 8, y + 13);
    put_text(d, bar->name, NAME_TO);
    put(d, "</text><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
        bar->value.mean <= least ? "best" : "bar", LEFT, y, end, BAR);
    put(d, "<path class=\"half\" d=\"M%.1f %dv6m0 -3H%.1fm0 -3v6\"/>", LEFT + fmax(end - half, 0), y + BAR / 2 - 3,
        LEFT + end + half);
    put(d, "<text x=\"%.1f\" y=\"%d\">%.4g ± %.2g ", LEFT + end + half + 8, y + 13, bar->value.mean, bar->value.half);
    put_text(d, panel->unit, NAME_TO);
    put(d, "</text>\n");
  }
  put(d, "<path class=\"axis\" d=\"M%d %dv%d\"/>\n", LEFT, top + HEAD - 4, (int)panel->count * ROW);
}

static bool panel_valid(const larder_traffic_panel *panel) {
  if (panel->title == NULL || panel->unit == NULL || panel->bars == NULL || panel->count == 0 || panel->count > 1000)
    return false;
  for (size_t i = 0; i < panel->count; i++) {
    const larder_traffic_bar *bar = &panel->bars[i];
    if (bar->name == NULL || !isfinite(bar->value.mean) || !isfinite(bar->value.half) || bar->value.mean < 0 ||
        bar->value.half < 0)
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
  drawing d = {.err = LARDER_OK};
  put(&d, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", WIDTH, height, WIDTH,
      height);
  style_put(&d);
  for (size_t i = 0, top = 0; i < count; i++) {
    panel_draw(&d, &panels[i], (int)top);
    top += (size_t)(HEAD + (int)panels[i].count * ROW + TAIL);
  }
  put(&d, "</svg>\n");
  if (d.err == LARDER_OK) d.err = lrd_buf_terminate(&d.out);
  if (d.err == LARDER_OK) {
    *text_out = (char *)d.out.data;
    *len_out = d.out.len;
    d.out = (lrd_buf){0};
  }
  lrd_buf_fini(&d.out);
  return d.err;
}

void larder_traffic_text_free(char *text) { lrd_dealloc(text); }
