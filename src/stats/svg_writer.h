/* SPDX-License-Identifier: Apache-2.0 */
/* Writing SVG into a buffer, and how charts look. The first failure sticks. The same calls give the same bytes. */
#ifndef LRD_STATS_SVG_WRITER_H
#define LRD_STATS_SVG_WRITER_H

#include "base/bytes.h"

#define LRD_SVG_COLOURS 10u
#define LRD_SVG_DASHES  4u

typedef struct lrd_svg {
  lrd_buf *out; /* borrowed; appended to */
  larder_err err;
} lrd_svg;

/* At most 511 bytes. */
LARDER_PRINTF(2, 3) void lrd_svg_put(lrd_svg *svg, const char *format, ...);
/* Text that XML can hold, at most `most` characters, the last one an ellipsis where something was cut off. */
void lrd_svg_text(lrd_svg *svg, const char *text, size_t most);
void lrd_svg_begin(lrd_svg *svg, int width, int height);
/* Classes of a chart for light and for dark pages (title end middle page axis grid; curve and dot with c0 to c9), and the page.
 */
void lrd_svg_chart_style(lrd_svg *svg);
/* A curve's dashes by its number: those beyond the colours are known by them. */
const char *lrd_svg_dashes(unsigned number);
/* Ends it; LARDER_OK and the text, NUL-terminated, out of the buffer: own. */
LARDER_MUST_CHECK larder_err lrd_svg_end(lrd_svg *svg, char **text_out, size_t *len_out);

#endif
