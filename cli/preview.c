/* SPDX-License-Identifier: Apache-2.0 */
#include "preview.h"

#include <larder/config.h>
#include <larder/redact.h>
#include <string.h>

void cli_redact(const larder *cache, cli_buf *out, const char *text, size_t len, bool cut) {
  char *clean = NULL;
  size_t clean_len = 0;
  if (larder_redact(cache, text, len, cut, &clean, &clean_len) == LARDER_OK)
    cli_buf_add(out, clean, clean_len);
  else
    cli_buf_text(out, "(not shown: no memory to look for secrets in it)");
  larder_text_free(clean);
}

static void preview_hex(cli_buf *out, const unsigned char *bytes, size_t len, size_t columns) {
  size_t shown = columns == 0 ? 64 : columns / 3;
  if (shown > len) shown = len;
  for (size_t i = 0; i < shown; i++) cli_buf_printf(out, i > 0 ? " %02x" : "%02x", bytes[i]);
  if (shown < len) cli_buf_text(out, " …");
}

/* numpy's own header says type and shape: `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }` */
static bool preview_npy(cli_buf *out, const unsigned char *bytes, size_t len) {
  if (len < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0) return false;
  size_t start = bytes[6] >= 2 ? 12 : 10;
  size_t header = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (start + header > len || !cli_printable(bytes + start, header)) return false;
  while (header > 0 && strchr(" \n", bytes[start + header - 1]) != NULL) header--;
  cli_buf_text(out, "npy ");
  cli_escape(out, bytes + start, header);
  return true;
}

void cli_preview(const larder *cache, cli_buf *out, const void *value, size_t len, larder_kind kind, size_t columns,
                 const char **how_out) {
  size_t seen = len < CLI_PREVIEW_WINDOW ? len : CLI_PREVIEW_WINDOW;
  const unsigned char *bytes = value;
  const char *how = "text";
  while (seen > 0 && seen < len && (bytes[seen] & 0xc0) == 0x80) seen--; /* no character cut in two */
  bool text = kind == LARDER_KIND_TEXT || kind == LARDER_KIND_JSON || cli_printable(bytes, seen);
  if (text) {
    cli_buf plain = {0};
    cli_redact(cache, &plain, value, seen, seen < len);
    cli_escape(out, cli_buf_str(&plain), plain.len);
    if (seen < len) cli_buf_text(out, "…");
    cli_buf_fini(&plain);
    cli_shorten(out, columns);
  } else if (preview_npy(out, bytes, seen)) {
    how = "array";
    cli_shorten(out, columns);
  } else {
    how = "hex";
    preview_hex(out, bytes, len, columns);
  }
  if (how_out != NULL) *how_out = how;
}
