/* SPDX-License-Identifier: Apache-2.0 */
/* Depth 0 is outside of everything; the first map_open is the document, which YAML's block style does not indent. */
#include "config/config_writer.h"

#include "base/fail.h"
#include "config/yaml_tree.h"
#include <strings.h>

static void put(lrd_config_writer *w, const char *text) {
  if (w->err == LARDER_OK) w->err = lrd_buf_append_str(&w->buf, text);
}

static void put_indent(lrd_config_writer *w, int levels) {
  put(w, "\n");
  for (int i = 0; i < levels; i++) put(w, "  ");
}

static void put_quoted(lrd_config_writer *w, const char *text) {
  put(w, "\"");
  size_t left = strlen(text);
  for (const unsigned char *at = (const unsigned char *)text; *at != '\0' && w->err == LARDER_OK;) {
    size_t len = lrd_utf8_length(at, left);
    if (len == 0)
      put(w, "\\ufffd"); /* a path may hold any bytes, a document may not */
    else if (*at == '"' || *at == '\\')
      w->err = lrd_buf_printf(&w->buf, "\\%c", *at);
    else if (*at < 0x20 || *at == 0x7F)
      w->err = lrd_buf_printf(&w->buf, "\\u%04x", *at);
    else
      w->err = lrd_buf_append(&w->buf, at, len);
    at += len == 0 ? 1 : len;
    left -= len == 0 ? 1 : len;
  }
  put(w, "\"");
}

/* Whether YAML takes a name for nothing but a text. */
static bool name_is_plain(const char *name) {
  static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcasecmp(name, words[i]) == 0) return false;
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-");
  return name[0] != '\0' && strchr(letters, name[0]) != NULL && name[len] == '\0';
}

/* What goes before a value: the comma, the line, the name. */
static void put_before(lrd_config_writer *w, const char *name) {
  if (w->depth == 0) return;
  bool block = !w->json && !w->inline_at[w->depth];
  bool first = !w->filled[w->depth];
  w->filled[w->depth] = true;
  if (!block && !first) put(w, w->json ? "," : ", ");
  if (w->json) put_indent(w, w->depth);
  if (block && (w->depth > 1 || !first)) put_indent(w, w->depth - 1);
  if (name == NULL) return;
  if (!w->json && name_is_plain(name))
    put(w, name);
  else
    put_quoted(w, name);
  put(w, ":");
}

static void put_space(lrd_config_writer *w, const char *name) {
  if (name != NULL) put(w, " ");
}

static void enter(lrd_config_writer *w, bool in_line) {
  LRD_ASSERT(w->depth + 1 < LRD_WRITER_DEPTH_MAX);
  bool outer = w->inline_at[w->depth];
  w->depth++;
  w->inline_at[w->depth] = in_line || outer;
  w->filled[w->depth] = false;
}

void lrd_writer_map_open(lrd_config_writer *w, const char *name, bool in_line) {
  put_before(w, name);
  enter(w, in_line);
  if (!w->json && !w->inline_at[w->depth]) return;
  put_space(w, name);
  put(w, "{");
}

void lrd_writer_map_close(lrd_config_writer *w) {
  bool filled = w->filled[w->depth], block = !w->json && !w->inline_at[w->depth];
  w->depth--;
  if (block) {
    if (!filled) put(w, w->depth == 0 ? "{}" : " {}");
    return;
  }
  if (w->json && filled) put_indent(w, w->depth);
  put(w, "}");
}

/* Lists are always written in one line in YAML. */
void lrd_writer_list_open(lrd_config_writer *w, const char *name) {
  put_before(w, name);
  enter(w, true);
  put_space(w, name);
  put(w, "[");
}

void lrd_writer_list_close(lrd_config_writer *w) {
  bool filled = w->filled[w->depth];
  w->depth--;
  if (w->json && filled) put_indent(w, w->depth);
  put(w, "]");
}

void lrd_writer_string(lrd_config_writer *w, const char *name, const char *text) {
  put_before(w, name);
  put_space(w, name);
  put_quoted(w, text);
}

void lrd_writer_word(lrd_config_writer *w, const char *name, const char *text) {
  put_before(w, name);
  put_space(w, name);
  if (w->json)
    put_quoted(w, text);
  else
    put(w, text);
}

void lrd_writer_raw(lrd_config_writer *w, const char *name, const char *text) {
  put_before(w, name);
  put_space(w, name);
  put(w, text);
}

char *lrd_writer_finish(lrd_config_writer *w, larder_err *err) {
  put(w, "\n");
  if (w->err == LARDER_OK) w->err = lrd_buf_terminate(&w->buf);
  *err = w->err;
  char *text = NULL;
  if (w->err == LARDER_OK)
    text = (char *)w->buf.data;
  else
    lrd_buf_fini(&w->buf);
  *w = (lrd_config_writer){0};
  return text;
}
