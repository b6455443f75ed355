/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How secrets are found: no parser, since a preview may begin or end anywhere and be of any format. The text is walked once.
 * At each word that could be a name, an optional quote, blanks and one of `: = =>` are looked for behind it; where they are
 * and the name is a secret one, the value that follows is replaced: a quoted string to its closing quote, a list or object
 * to its closing bracket, anything else to the next separator. `scheme://user:password@` is looked for apart from that.
 */
#include "preview.h"

#include <ctype.h>
#include <string.h>

#define HIDDEN "***"

static bool has(const char *letters, const char *part) { return strstr(letters, part) != NULL; }

static bool ends_with(const char *letters, const char *end) {
  size_t len = strlen(letters);
  size_t end_len = strlen(end);
  return len >= end_len && strcmp(letters + len - end_len, end) == 0;
}

bool cli_name_is_secret(const char *name, size_t len) {
  char letters[64];
  size_t at = 0;
  for (size_t i = 0; i < len && at + 1 < sizeof letters; i++) {
    if (isalnum((unsigned char)name[i])) letters[at++] = (char)tolower((unsigned char)name[i]);
  }
  letters[at] = '\0';
  return has(letters, "passw") || has(letters, "passphrase") || has(letters, "secret") || has(letters, "token") ||
         has(letters, "credential") || has(letters, "authorization") || has(letters, "apikey") || has(letters, "accesskey") ||
         has(letters, "privatekey") || has(letters, "cookie") || has(letters, "signature") || ends_with(letters, "key") ||
         ends_with(letters, "pwd") || ends_with(letters, "auth") || strcmp(letters, "pass") == 0 ||
         strcmp(letters, "bearer") == 0 || strcmp(letters, "sessionid") == 0 || strcmp(letters, "sig") == 0;
}

static bool name_char(char c) { return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.'; }

static size_t blanks(const char *text, size_t len, size_t at) {
  while (at < len && (text[at] == ' ' || text[at] == '\t')) at++;
  return at;
}

/* Behind the closing quote, or the end. A backslash takes the next character with it. */
static size_t string_end(const char *text, size_t len, size_t at) {
  char quote = text[at++];
  while (at < len && text[at] != quote) at += text[at] == '\\' ? 2 : 1;
  return at < len ? at + 1 : len;
}

/* Behind the bracket that closes the one at `at`, or the end. */
static size_t bracket_end(const char *text, size_t len, size_t at) {
  size_t depth = 0;
  while (at < len) {
    char c = text[at];
    if (c == '"') {
      at = string_end(text, len, at);
      continue;
    }
    at++;
    if (c == '{' || c == '[') depth++;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return len;
}

/* Hides the value at `at`; returns where the text goes on. A value without quotes may hold blanks (`Bearer abc`), save where
 * `=` stands before it. */
static size_t value_hide(cli_buf *out, const char *text, size_t len, size_t at, bool equals) {
  if (at >= len) return at;
  if (text[at] == '"' || text[at] == '\'') {
    size_t end = string_end(text, len, at);
    cli_buf_printf(out, "%c" HIDDEN "%c", text[at], text[at]);
    return end;
  }
  if (text[at] == '{' || text[at] == '[') {
    size_t end = bracket_end(text, len, at);
    cli_buf_text(out, "\"" HIDDEN "\"");
    return end;
  }
  if (len - at >= 4 && strncmp(text + at, "null", 4) == 0) return at;
  size_t end = at;
  while (end < len && strchr(equals ? " \t\r\n&;,\"'}])" : "\r\n,\"'}]", text[end]) == NULL) end++;
  if (end > at) cli_buf_text(out, HIDDEN);
  return end;
}

/* At the first letter of a word. True when it was a secret's name and its value is hidden; *at is moved behind it. */
static bool field_hide(cli_buf *out, const char *text, size_t len, size_t *at) {
  size_t start = *at;
  size_t end = start;
  while (end < len && name_char(text[end])) end++;
  size_t next = end;
  if (next < len && (text[next] == '"' || text[next] == '\'')) next++;
  next = blanks(text, len, next);
  if (next >= len || (text[next] != ':' && text[next] != '=')) return false;
  if (!cli_name_is_secret(text + start, end - start)) return false;
  bool equals = text[next] == '=';
  next++;
  if (next < len && text[next] == '>') next++;
  if (!equals && len - next >= 2 && strncmp(text + next, "//", 2) == 0) return false; /* a URL's scheme */
  next = blanks(text, len, next);
  cli_buf_add(out, text + start, next - start);
  *at = value_hide(out, text, len, next, equals);
  return true;
}

/* At `://`. True when a password followed. It ends at the last @ before the path begins. */
static bool url_hide(cli_buf *out, const char *text, size_t len, bool cut, size_t *at) {
  size_t start = *at + 3;
  size_t end = start;
  size_t colon = 0;
  size_t sign = 0;
  for (; end < len && strchr("/?# \t\r\n\"'<>", text[end]) == NULL; end++) {
    if (text[end] == ':' && colon == 0) colon = end;
    if (text[end] == '@') sign = end;
  }
  if (sign == 0 && end == len && cut) sign = len;
  if (colon == 0 || colon > sign || sign == 0) return false;
  cli_buf_add(out, text + *at, colon + 1 - *at);
  cli_buf_text(out, HIDDEN);
  *at = sign;
  return true;
}

void cli_redact(cli_buf *out, const char *text, size_t len, bool cut) {
  size_t at = 0;
  while (at < len) {
    bool word = name_char(text[at]) && (at == 0 || !name_char(text[at - 1]));
    if (word && field_hide(out, text, len, &at)) continue;
    if (len - at > 3 && strncmp(text + at, "://", 3) == 0 && url_hide(out, text, len, cut, &at)) continue;
    cli_buf_add(out, text + at, 1);
    at++;
  }
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

void cli_preview(cli_buf *out, const void *value, size_t len, larder_kind kind, size_t columns, const char **how_out) {
  size_t seen = len < CLI_PREVIEW_WINDOW ? len : CLI_PREVIEW_WINDOW;
  const unsigned char *bytes = value;
  const char *how = "text";
  while (seen > 0 && seen < len && (bytes[seen] & 0xc0) == 0x80) seen--; /* no character cut in two */
  bool text = kind == LARDER_KIND_TEXT || kind == LARDER_KIND_JSON || cli_printable(bytes, seen);
  if (text) {
    cli_buf plain = {0};
    cli_redact(&plain, value, seen, seen < len);
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
