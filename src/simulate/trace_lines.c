/* SPDX-License-Identifier: Apache-2.0 */
/* A key a line, as it stands; CR at its end is not of it, and empty lines are passed over. */
#include "trace_inner.h"

larder_err lrd_trace_read_keys(lrd_trace_reading *reading) {
  lrd_source *source = reading->source;
  while (!reading->enough) {
    size_t len = 0, end = 0;
    larder_err err = lrd_trace_line(reading, &len, &end);
    if (err != LARDER_OK || end == 0) return err;
    const char *text = lrd_source_text(source);
    if (len > 0 && text[len - 1] == '\r') len--;
    if (len > 0) err = lrd_trace_add_key(reading, text, len, 0);
    if (err != LARDER_OK) return err;
    lrd_source_use(source, end);
  }
  return LARDER_OK;
}
