/* SPDX-License-Identifier: Apache-2.0 */
#include "preview.h"
#include "parts.h"

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

void cli_preview(const larder *cache, cli_buf *out, const void *value, size_t len, larder_kind kind, size_t columns,
                 uint64_t figures_max, const char **how_out) {
  size_t seen = len < CLI_PREVIEW_WINDOW ? len : CLI_PREVIEW_WINDOW;
  const unsigned char *bytes = value;
  const char *how = "text";
  while (seen > 0 && seen < len && (bytes[seen] & 0xc0) == 0x80) seen--; /* no character cut in two */
  bool told = (kind == LARDER_KIND_TEXT || kind == LARDER_KIND_JSON) && cli_utf8_valid(bytes, seen);
  if (told || cli_printable(bytes, seen)) {
    cli_buf plain = {0};
    cli_redact(cache, &plain, value, seen, seen < len);
    cli_escape(out, cli_buf_str(&plain), plain.len);
    if (seen < len) cli_buf_text(out, "…");
    cli_buf_fini(&plain);
    cli_shorten(out, columns);
  } else if (cli_parts_text(out, value, len, kind, figures_max, 8, "; ", &how)) {
    cli_shorten(out, columns);
  } else {
    how = "hex";
    preview_hex(out, bytes, len, columns);
  }
  if (how_out != NULL) *how_out = how;
}
