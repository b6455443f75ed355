/* SPDX-License-Identifier: Apache-2.0 */
#include "record_picks.h"

#include "stats/json_writer.h"

#define KEPT_BYTES ((size_t)64 << 10)

void lrd_picks_fini(lrd_picks *picks) {
  lrd_buf_fini(&picks->texts);
  lrd_buf_fini(&picks->row);
}

larder_err lrd_picks_add(lrd_picks *picks, const char *name, size_t *index_out) {
  size_t i = 0;
  while (i < picks->len && strcmp(picks->picks[i].name, name) != 0) i++;
  if (i == LRD_PICKS_MAX) return LARDER_ETOOBIG;
  if (i == picks->len) picks->picks[picks->len++] = (lrd_pick){.name = name, .shown = name};
  *index_out = i;
  return LARDER_OK;
}

void lrd_picks_clear(lrd_picks *picks) {
  if (picks->texts.cap > KEPT_BYTES) lrd_buf_fini(&picks->texts);
  if (picks->row.cap > KEPT_BYTES) lrd_buf_fini(&picks->row);
  lrd_buf_clear(&picks->texts);
  lrd_buf_clear(&picks->row);
  picks->row_broken = false;
  for (size_t i = 0; i < picks->len; i++) picks->picks[i].met = false;
}

/* What was appended to texts since `at` is the pick's; of repeated names the last counts. */
static larder_err pick_end(lrd_picks *picks, lrd_pick *pick, size_t at, lrd_json_type type) {
  pick->at = at;
  pick->len = picks->texts.len - at;
  pick->type = type;
  pick->known = true;
  pick->met = type != LRD_JSON_NULL;
  return lrd_buf_append_byte(&picks->texts, 0);
}

static larder_err quoted_append(lrd_picks *picks, const void *text, size_t len) {
  lrd_json json;
  for (size_t at = 0, size = 0; at < len && !picks->row_broken; at += size) {
    size = lrd_utf8_char((const char *)text + at, len - at);
    if (size == 0) picks->row_broken = true;
  }
  lrd_json_init(&json, &picks->row, false);
  lrd_json_bytes(&json, text, len);
  return json.err;
}

larder_err lrd_picks_cell(lrd_picks *picks, const char *name, const void *text, size_t len) {
  larder_err err = LARDER_OK;
  for (size_t i = 0; i < picks->len && err == LARDER_OK; i++) {
    if (strcmp(picks->picks[i].name, name) != 0) continue;
    size_t at = picks->texts.len;
    err = lrd_buf_append(&picks->texts, text, len);
    if (err == LARDER_OK) err = pick_end(picks, &picks->picks[i], at, LRD_JSON_STRING);
  }
  if (err != LARDER_OK || !picks->row_wanted) return err;
  err = lrd_buf_append_byte(&picks->row, picks->row.len == 0 ? '{' : ',');
  if (err == LARDER_OK) err = quoted_append(picks, name, strlen(name));
  if (err == LARDER_OK) err = lrd_buf_append_byte(&picks->row, ':');
  return err == LARDER_OK ? quoted_append(picks, text, len) : err;
}

larder_err lrd_picks_cells_end(lrd_picks *picks) {
  if (!picks->row_wanted) return LARDER_OK;
  return lrd_buf_append_str(&picks->row, picks->row.len == 0 ? "{}" : "}");
}

static larder_err member_pick(lrd_picks *picks, lrd_pick *pick, const lrd_json_doc *doc, uint32_t value) {
  const lrd_json_node *node = &doc->nodes[value];
  size_t at = picks->texts.len;
  larder_err err = node->type == LRD_JSON_STRING ? lrd_json_string_append(doc, value, &picks->texts)
                                                 : lrd_buf_append(&picks->texts, doc->text + node->at, node->len);
  return err == LARDER_OK ? pick_end(picks, pick, at, (lrd_json_type)node->type) : err;
}

larder_err lrd_picks_object(lrd_picks *picks, const lrd_json_doc *doc, uint32_t object) {
  const lrd_json_node *whole = &doc->nodes[object];
  larder_err err = LARDER_OK;
  for (uint32_t name = lrd_json_first(doc, object); name != 0 && name < whole->next && err == LARDER_OK;
       name = doc->nodes[name + 1].next) {
    for (size_t i = 0; i < picks->len && err == LARDER_OK; i++)
      if (lrd_json_string_is(doc, name, picks->picks[i].name)) err = member_pick(picks, &picks->picks[i], doc, name + 1);
  }
  if (err == LARDER_OK && picks->row_wanted) err = lrd_buf_append(&picks->row, doc->text + whole->at, whole->len);
  return err;
}

const char *lrd_pick_text(const lrd_picks *picks, size_t index, size_t *len_out) {
  const lrd_pick *pick = &picks->picks[index];
  *len_out = pick->met ? pick->len : 0;
  return pick->met ? (const char *)picks->texts.data + pick->at : NULL;
}
