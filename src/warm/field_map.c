/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record that the reader has gathered becomes an entry: the key is filled into a buffer of its own first, so that room for
 * all is made once and nothing in the entry moves afterwards. Fields that nobody named say nothing: a table's own `kind` or
 * `version` means something else than an entry's.
 */
#include "field_map.h"

#include "base/fail.h"
#include "base/hash.h"
#include "base/redact.h"

#define ROOM        "warm"
#define OPTION_ROOM sizeof " (version_field)"

bool lrd_field_map_wanted(const larder_import_options *options) {
  return options->key_field || options->key_template || options->value_field || options->value_row || options->ttl_field ||
         options->version_field || options->tags_field;
}

larder_err lrd_field_map_complete(larder_import_options *options, const lrd_config_import *configured, larder_error *err) {
  if (options->entries && lrd_field_map_wanted(options))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the file has entries, or fields that are named, not both");
  if (options->entries || !configured) return LARDER_OK;
  if (!options->key_field && !options->key_template) {
    options->key_field = configured->key_field;
    options->key_template = configured->key;
  }
  if (!options->value_field && !options->value_row) {
    options->value_field = configured->value_field;
    options->value_row = configured->value_row;
  }
  if (!options->ttl_field) options->ttl_field = configured->ttl_field;
  if (!options->version_field) options->version_field = configured->version_field;
  if (!options->tags_field) options->tags_field = configured->tags_field;
  return LARDER_OK;
}

uint64_t lrd_field_map_sum(const larder_import_options *options) {
  const char *const texts[] = {options->key_field, options->key_template,  options->value_field,
                               options->ttl_field, options->version_field, options->tags_field};
  uint64_t sum = options->value_row;
  if (!lrd_field_map_wanted(options)) return 0;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const char *text = texts[i] ? texts[i] : "";
    sum = lrd_hash64(text, strlen(text) + 1, sum);
  }
  return sum | 1;
}

/* The text of a field that a key is made of; NULL with the entry's problem. */
static const char *key_part(lrd_field_map *map, lrd_entry *entry, size_t pick, size_t *len) {
  const lrd_pick *field = &map->picks.picks[pick];
  const char *text = lrd_pick_text(&map->picks, pick, len);
  if (!text)
    lrd_entry_problem(entry, "it has no %.60s, which its key is made of", field->shown);
  else if (*len == 0)
    lrd_entry_problem(entry, "its %.60s is empty, and its key is made of that", field->shown);
  else if (field->type == LRD_JSON_ARRAY || field->type == LRD_JSON_OBJECT)
    lrd_entry_problem(entry, "its %.60s is no text and no number; no key can be made of that", field->shown);
  return entry->problem[0] == '\0' ? text : NULL;
}

static larder_err key_fill(lrd_field_map *map, lrd_entry *entry) {
  lrd_span values[LRD_FIELD_TEMPLATE_NAMES];
  lrd_buf_clear(&map->key_text);
  for (size_t i = 0; i < lrd_field_template_count(map->key); i++) {
    size_t len = 0;
    const char *text = key_part(map, entry, map->key_picks[i], &len);
    if (!text) return LARDER_OK;
    values[i] = lrd_span_of(text, len);
  }
  return lrd_field_template_fill(map->key, values, &map->key_text);
}

/* Where the value stands; NULL with the entry's problem. */
static const char *value_find(lrd_field_map *map, lrd_entry *entry, size_t *len) {
  const lrd_picks *picks = &map->picks;
  if (picks->row_wanted) {
    if (picks->row_broken) lrd_entry_problem(entry, "a field of it is no UTF-8, so that the row is no JSON");
    *len = picks->row.len;
    entry->kind = LARDER_KIND_JSON;
    return picks->row_broken ? NULL : (const char *)picks->row.data;
  }
  const char *text = lrd_pick_text(picks, map->value, len);
  if (!text) lrd_entry_problem(entry, "it has no %.60s, which is its value", picks->picks[map->value].shown);
  if (text && picks->picks[map->value].type != LRD_JSON_STRING) entry->kind = LARDER_KIND_JSON;
  return text;
}

/* A field that is read as the column of an entry of that name is. */
static larder_err version_set(const lrd_field_map *map, const lrd_picks *picks, lrd_entry *entry) {
  size_t len = 0;
  const char *text = map->version_given ? lrd_pick_text(picks, map->version, &len) : NULL;
  if (!text) return LARDER_OK;
  const lrd_pick *field = &picks->picks[map->version];
  if (field->type == LRD_JSON_STRING || field->type == LRD_JSON_NUMBER) return lrd_entry_set_cell(entry, "version", text, len);
  lrd_entry_problem(entry, "its %.60s is no version: a version is a text or a number", field->shown);
  return LARDER_OK;
}

static larder_err tags_set(const lrd_field_map *map, const lrd_picks *picks, lrd_entry *entry) {
  size_t len = 0;
  const char *text = map->tags_given ? lrd_pick_text(picks, map->tags, &len) : NULL;
  if (!text) return LARDER_OK;
  const lrd_pick *field = &picks->picks[map->tags];
  if (field->type == LRD_JSON_ARRAY || field->type == LRD_JSON_STRING) return lrd_entry_set_cell(entry, "tags", text, len);
  lrd_entry_problem(entry, "its %.60s is neither a list of texts nor a text; no tags can be made of that", field->shown);
  return LARDER_OK;
}

/* In which a list's texts have a NUL each behind them. */
static size_t cell_room(const lrd_picks *picks, bool given, size_t pick) {
  size_t len = 0;
  return given && lrd_pick_text(picks, pick, &len) ? 2 * len + 2 : 0;
}

/* A record's fields are met. */
static larder_err entry_make(void *context, lrd_picks *picks, lrd_entry *entry) {
  lrd_field_map *map = context;
  size_t value_len = 0, ttl_len = 0;
  const char *key = NULL, *value = NULL;
  map->read = true;
  larder_err err = key_fill(map, entry);
  if (err != LARDER_OK || entry->problem[0] != '\0') return err;
  const char *from = value_find(map, entry, &value_len);
  const char *ttl = map->ttl_given ? lrd_pick_text(picks, map->ttl, &ttl_len) : NULL;
  size_t const cells = cell_room(picks, map->version_given, map->version) + cell_room(picks, map->tags_given, map->tags);
  err = lrd_entry_grow(entry, map->key_text.len + value_len + cells + 2);
  if (err == LARDER_OK) err = lrd_entry_copy(entry, map->key_text.data, map->key_text.len, &key);
  if (err == LARDER_OK && from) err = lrd_entry_copy(entry, from, value_len, &value);
  if (err != LARDER_OK) return err;
  entry->key = lrd_span_of(key, map->key_text.len);
  if (value) entry->value = lrd_span_of(value, value_len);
  if (ttl && ttl_len > 0) lrd_entry_set_ttl(entry, ttl);
  err = version_set(map, picks, entry);
  if (err == LARDER_OK) err = tags_set(map, picks, entry);
  return err == LARDER_OK ? lrd_entry_finish(entry) : err;
}

static larder_err pick_add(lrd_field_map *map, const char *name, bool configured, size_t *pick) {
  larder_err err = lrd_picks_add(&map->picks, name, pick);
  if (err == LARDER_OK && configured) map->picks.picks[*pick].configured = true;
  return err;
}

/* One that may be left out; NULL: nobody names it. */
static larder_err pick_given(lrd_field_map *map, const char *name, const char *configured, bool *given, size_t *pick) {
  *given = name != NULL;
  return name ? pick_add(map, name, name == configured, pick) : LARDER_OK;
}

static larder_err key_prepare(lrd_field_map *map, const larder_import_options *options, const lrd_config_import *configured,
                              larder_error *err) {
  larder_err result = LARDER_OK;
  map->key_templated = options->key_template != NULL;
  if (options->key_template)
    result = lrd_field_template_new(options->key_template, &map->key, err);
  else
    result = lrd_field_template_single(options->key_field ? options->key_field : "key", &map->key);
  if (result != LARDER_OK) return result;
  if (lrd_field_template_count(map->key) == 0)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the key template \"%.80s\" names no field, so all keys would be the same",
                    options->key_template);
  bool const is_configured = options->key_template ? options->key_template == configured->key
                                                   : options->key_field && options->key_field == configured->key_field;
  for (size_t i = 0; i < lrd_field_template_count(map->key) && result == LARDER_OK; i++)
    result = pick_add(map, lrd_field_template_name(map->key, i), is_configured, &map->key_picks[i]);
  return result;
}

static larder_err value_prepare(lrd_field_map *map, const larder_import_options *options, const lrd_config_import *configured) {
  map->picks.row_wanted = options->value_row;
  if (options->value_row) return LARDER_OK;
  if (!options->value_field) return pick_add(map, "value", false, &map->value);
  return pick_add(map, options->value_field, options->value_field == configured->value_field, &map->value);
}

/* What a field is named by, the first of several. */
static const char *option_of(const lrd_field_map *map, size_t pick) {
  for (size_t i = 0; i < lrd_field_template_count(map->key); i++)
    if (map->key_picks[i] == pick) return map->key_templated ? "key" : "key_field";
  if (!map->picks.row_wanted && map->value == pick) return "value_field";
  if (map->ttl_given && map->ttl == pick) return "ttl_field";
  return map->version_given && map->version == pick ? "version_field" : "tags_field";
}

/* Room for all is made first, since the names point into it. */
static larder_err names_hide(lrd_field_map *map, const char *const *variables) {
  size_t room = 0;
  if (!variables) return LARDER_OK;
  for (size_t i = 0; i < map->picks.len; i++) room += strlen(map->picks.picks[i].name) + OPTION_ROOM;
  larder_err err = lrd_buf_reserve(&map->shown, room);
  for (size_t i = 0; i < map->picks.len && err == LARDER_OK; i++) {
    lrd_pick *pick = &map->picks.picks[i];
    size_t const at = map->shown.len;
    err = lrd_buf_append(&map->shown, pick->name, strlen(pick->name) + 1);
    if (err != LARDER_OK) break;
    char *shown = (char *)map->shown.data + at;
    lrd_redact_values_in(variables, NULL, shown);
    if (strcmp(shown, pick->name) == 0) continue;
    map->shown.len = at + strlen(shown);
    err = lrd_buf_printf(&map->shown, " (%s)", option_of(map, i));
    if (err == LARDER_OK) err = lrd_buf_append_byte(&map->shown, 0);
    pick->shown = shown;
  }
  return err;
}

larder_err lrd_field_map_init(lrd_field_map *map, const larder_import_options *options, const lrd_config_import *configured,
                              larder_error *err) {
  static const lrd_config_import none = {0};
  if (!configured) configured = &none;
  if (options->key_field && options->key_template)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the key is one field or made by a template, not both");
  if (options->value_field && options->value_row)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the value is one field or the whole row, not both");
  if (!options->ns) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "where fields are named the namespace is named too");
  map->picks.finish = entry_make;
  map->picks.context = map;
  larder_err result = key_prepare(map, options, configured, err);
  if (result == LARDER_OK) result = value_prepare(map, options, configured);
  if (result == LARDER_OK) result = pick_given(map, options->ttl_field, configured->ttl_field, &map->ttl_given, &map->ttl);
  if (result == LARDER_OK)
    result = pick_given(map, options->version_field, configured->version_field, &map->version_given, &map->version);
  if (result == LARDER_OK) result = pick_given(map, options->tags_field, configured->tags_field, &map->tags_given, &map->tags);
  if (result == LARDER_OK) result = names_hide(map, configured->variables);
  if (result == LARDER_ENOMEM) return lrd_fail(err, result, 0, ROOM, "out of memory");
  if (result != LARDER_OK && err) lrd_redact_values_in(configured->variables, NULL, err->message);
  return result;
}

const char *lrd_field_map_missing(const lrd_field_map *map, size_t number) {
  const struct {
    bool given;
    size_t pick;
  } beside[] = {{map->ttl_given, map->ttl}, {map->version_given, map->version}, {map->tags_given, map->tags}};
  for (size_t i = 0; map->read && i < sizeof beside / sizeof *beside; i++) {
    const lrd_pick *pick = &map->picks.picks[beside[i].pick];
    bool again = false;
    for (size_t j = 0; j < i; j++) again |= beside[j].given && beside[j].pick == beside[i].pick;
    if (!beside[i].given || again || pick->known) continue;
    if (number-- == 0) return pick->shown;
  }
  return NULL;
}

void lrd_field_map_fini(lrd_field_map *map) {
  lrd_picks_fini(&map->picks);
  lrd_field_template_free(map->key);
  lrd_buf_fini(&map->key_text);
  lrd_buf_fini(&map->shown);
}
