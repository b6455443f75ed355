/* SPDX-License-Identifier: Apache-2.0 */
#include "svg_writer.h"

#include "json_writer.h"
#include <stdarg.h>
#include <stdio.h>

static const char *const light[LRD_SVG_COLOURS] = {"#1f6fb4", "#c8500f", "#2a8a3e", "#b02a30", "#7b4fa3",
                                                   "#7a5230", "#b83a8c", "#5c5c5c", "#8a8100", "#0f8c96"};
static const char *const dark[LRD_SVG_COLOURS] = {"#6db3f2", "#ff9a57", "#6fd086", "#ff7d80", "#c3a0e8",
                                                  "#d0a77e", "#f58fcf", "#b5b5b5", "#d8d060", "#5fd4de"};

void lrd_svg_put(lrd_svg *svg, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (svg->err == LARDER_OK) svg->err = lrd_buf_append_str(svg->out, text);
}

void lrd_svg_text(lrd_svg *svg, const char *text, size_t most) {
  size_t len = strlen(text);
  for (size_t at = 0, shown = 0; at < len && svg->err == LARDER_OK; shown++) {
    const unsigned char *c = (const unsigned char *)text + at;
    size_t step = lrd_utf8_char(c, len - at);
    bool none = step == 0 || *c < 0x20 || (step == 3 && c[0] == 0xEF && c[1] == 0xBF && c[2] >= 0xBE);
    const char *instead = shown == most ? "\xe2\x80\xa6"
                          : none        ? "?"
                          : *c == '&'   ? "&amp;"
                          : *c == '<'   ? "&lt;"
                          : *c == '>'   ? "&gt;"
                          : *c == '"'   ? "&quot;"
                                        : NULL;
    svg->err = instead ? lrd_buf_append_str(svg->out, instead) : lrd_buf_append(svg->out, c, step);
    if (shown == most) return;
    at += step > 0 ? step : 1;
  }
}

void lrd_svg_begin(lrd_svg *svg, int width, int height) {
  lrd_svg_put(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", width,
              height, width, height);
}

void lrd_svg_chart_style(lrd_svg *svg) {
  lrd_svg_put(svg, "<style>text{font:12px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}.end{text-anchor:end}"
                   ".middle{text-anchor:middle}.page{fill:#fff}.axis{stroke:#666;fill:none}.grid{stroke:#ddd;fill:none}"
                   ".curve{fill:none;stroke-width:1.8}");
  for (unsigned i = 0; i < LRD_SVG_COLOURS; i++)
    lrd_svg_put(svg, ".curve.c%u{stroke:%s}.dot.c%u{fill:%s}", i, light[i], i, light[i]);
  lrd_svg_put(svg, "@media(prefers-color-scheme:dark){text{fill:#ddd}.page{fill:#181818}.axis{stroke:#999}.grid{stroke:#333}");
  for (unsigned i = 0; i < LRD_SVG_COLOURS; i++)
    lrd_svg_put(svg, ".curve.c%u{stroke:%s}.dot.c%u{fill:%s}", i, dark[i], i, dark[i]);
  lrd_svg_put(svg, "}</style>\n<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n");
}

const char *lrd_svg_dashes(unsigned number) {
  static const char *const dashes[LRD_SVG_DASHES] = {"none", "7 4", "2 3", "9 3 2 3"};
  return dashes[number / LRD_SVG_COLOURS % LRD_SVG_DASHES];
}

larder_err lrd_svg_end(lrd_svg *svg, char **text_out, size_t *len_out) {
  lrd_svg_put(svg, "</svg>\n");
  if (svg->err == LARDER_OK) svg->err = lrd_buf_terminate(svg->out);
  if (svg->err == LARDER_OK) {
    *text_out = (char *)svg->out->data;
    *len_out = svg->out->len;
    *svg->out = (lrd_buf){0};
  }
  return svg->err;
}
