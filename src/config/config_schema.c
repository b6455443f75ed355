/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One `$defs` entry per scope. Any value may also be a text with `${…}`, and null, which means not given. What needs a part
 * that this build lacks is `not: {}`: the schema refuses what the parser refuses.
 */
#include "config/config_schema.h"

#include "config/config_writer.h"
#include "config/option_value.h"
#include <stdio.h>

typedef lrd_config_writer writer;

static void number_write(writer *w, const char *name, double value) {
  char text[40];
  snprintf(text, sizeof text, "%.15g", value);
  lrd_writer_raw(w, name, text);
}

static void type_write(writer *w, const char *type) {
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", type);
  lrd_writer_map_close(w);
}

static void pattern_write(writer *w, const char *pattern) {
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", "string");
  lrd_writer_string(w, "pattern", pattern);
  lrd_writer_map_close(w);
}

static void scope_ref_write(writer *w, lrd_scope scope) {
  char ref[64];
  snprintf(ref, sizeof ref, "#/$defs/%s", lrd_scope_infos[scope].name);
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "$ref", ref);
  lrd_writer_map_close(w);
}

static void range_write(writer *w, const char *type, double low, double high) {
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", type);
  number_write(w, "minimum", low);
  number_write(w, "maximum", high);
  lrd_writer_map_close(w);
}

static void choices_write(writer *w, const lrd_option *row) {
  char name[32];
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_list_open(w, "enum");
  for (uint32_t i = 0; lrd_option_choice(row, i, name)[0] != '\0'; i++) lrd_writer_string(w, NULL, name);
  lrd_writer_list_close(w);
  lrd_writer_map_close(w);
}

/* A mapping whose keys are names of the user's own. */
static void named_write(writer *w, void (*value)(writer *, const lrd_option *), const lrd_option *row) {
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", "object");
  lrd_writer_map_open(w, "additionalProperties", true);
  lrd_writer_list_open(w, "anyOf");
  value(w, row);
  type_write(w, "null");
  lrd_writer_list_close(w);
  lrd_writer_map_close(w);
  lrd_writer_map_close(w);
}

static void inside_write(writer *w, const lrd_option *row) { scope_ref_write(w, row->inside); }

static void text_write(writer *w, const lrd_option *row) {
  (void)row;
  type_write(w, "string");
  type_write(w, "number");
  type_write(w, "boolean");
}

static void duration_write(writer *w, const lrd_option *row) {
  range_write(w, "number", row->min / row->scale, row->max / row->scale);
  pattern_write(w, "^[0-9P.]");
  if ((row->flags & LRD_OPTION_NEVER) != 0) pattern_write(w, "^[Nn][Ee][Vv][Ee][Rr]$");
}

static void limit_write(writer *w, const lrd_option *row) {
  range_write(w, "integer", 0, 1e12);
  pattern_write(w, "^[0-9]+$");
  scope_ref_write(w, row->inside);
}

static void names_write(writer *w) {
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", "array");
  lrd_writer_map_open(w, "items", true);
  lrd_writer_string(w, "type", "string");
  lrd_writer_map_close(w);
  lrd_writer_map_close(w);
}

static void argv_write(writer *w) {
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", "array");
  number_write(w, "minItems", 1);
  lrd_writer_map_open(w, "items", true);
  lrd_writer_list_open(w, "anyOf");
  text_write(w, NULL);
  lrd_writer_list_close(w);
  lrd_writer_map_close(w);
  lrd_writer_map_close(w);
}

/* An element of a chain: a name, or one pair of name and mapping. */
static void chain_write(writer *w) {
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", "array");
  number_write(w, "minItems", 1);
  number_write(w, "maxItems", LRD_CONFIG_CHAIN_MAX);
  lrd_writer_map_open(w, "items", true);
  lrd_writer_list_open(w, "anyOf");
  type_write(w, "string");
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", "object");
  number_write(w, "minProperties", 1);
  number_write(w, "maxProperties", 1);
  lrd_writer_map_open(w, "additionalProperties", true);
  lrd_writer_list_open(w, "anyOf");
  scope_ref_write(w, LRD_SCOPE_LIMIT);
  scope_ref_write(w, LRD_SCOPE_SQLITE);
  scope_ref_write(w, LRD_SCOPE_EXTRA);
  type_write(w, "null");
  lrd_writer_list_close(w);
  lrd_writer_map_close(w);
  lrd_writer_map_close(w);
  lrd_writer_list_close(w);
  lrd_writer_map_close(w);
  lrd_writer_map_close(w);
}

/* Recipes: objects whose members are values or lists of them. */
static void warm_write(writer *w) {
  lrd_writer_map_open(w, NULL, true);
  lrd_writer_string(w, "type", "array");
  lrd_writer_map_open(w, "items", true);
  lrd_writer_string(w, "type", "object");
  lrd_writer_list_open(w, "required");
  lrd_writer_string(w, NULL, "recipe");
  lrd_writer_list_close(w);
  lrd_writer_map_open(w, "additionalProperties", true);
  lrd_writer_list_open(w, "anyOf");
  text_write(w, NULL);
  type_write(w, "array");
  type_write(w, "null");
  lrd_writer_list_close(w);
  lrd_writer_map_close(w);
  lrd_writer_map_close(w);
  lrd_writer_map_close(w);
}

/* The alternatives of a value, within an open `anyOf`. */
static void alternatives_write(writer *w, const lrd_option *row) {
  switch (row->type) {
  case LRD_OPTION_BOOL:
    type_write(w, "boolean");
    pattern_write(w, "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|[Oo][Nn]|[Oo][Ff][Ff])$");
    break;
  case LRD_OPTION_UINT:
    range_write(w, "integer", row->min, row->max);
    pattern_write(w, "^[0-9]+$");
    break;
  case LRD_OPTION_REAL:
    range_write(w, "number", row->min, row->max);
    pattern_write(w, "^[0-9.]+$");
    break;
  case LRD_OPTION_PART:
    range_write(w, "number", row->min, row->max);
    pattern_write(w, "^[0-9.]+%?$");
    break;
  case LRD_OPTION_SIZE:
    range_write(w, "number", row->min / row->scale, row->max / row->scale);
    pattern_write(w, "^[0-9.]");
    break;
  case LRD_OPTION_DURATION:
    duration_write(w, row);
    break;
  case LRD_OPTION_CHOICE:
    choices_write(w, row);
    break;
  case LRD_OPTION_TEXT:
  case LRD_OPTION_PATH:
    text_write(w, row);
    break;
  case LRD_OPTION_SECTION:
    scope_ref_write(w, row->inside);
    if ((row->flags & LRD_OPTION_SHORT) != 0) {
      alternatives_write(w, lrd_option_next(row->inside, NULL));
      pattern_write(w, "\\$\\{");
    }
    break;
  case LRD_OPTION_TTLS:
    named_write(w, duration_write, row);
    break;
  case LRD_OPTION_POLICIES:
    named_write(w, inside_write, row);
    break;
  case LRD_OPTION_LIMITS:
    named_write(w, limit_write, row);
    break;
  case LRD_OPTION_PAIRS:
    named_write(w, text_write, row);
    break;
  case LRD_OPTION_NAMES:
    names_write(w);
    break;
  case LRD_OPTION_WARM:
    warm_write(w);
    break;
  case LRD_OPTION_CHAIN:
    chain_write(w);
    break;
  case LRD_OPTION_RATE:
    range_write(w, "number", row->min, row->max);
    pattern_write(w, "^[0-9.]+(/([Ss]|[Mm][Ii][Nn]|[Hh]|[Dd]))?$");
    break;
  case LRD_OPTION_SIGN:
    pattern_write(w, "^[!-{}~]$");
    break;
  case LRD_OPTION_ARGV:
    argv_write(w);
    break;
  case LRD_OPTION_ANY:
    break;
  }
}

static bool type_is_scalar(lrd_option_type type) { return type <= LRD_OPTION_PATH; }

static void row_write(writer *w, const lrd_option *row, const char *name) {
  lrd_writer_map_open(w, name, false);
  lrd_writer_string(w, "description", row->sentence);
  if (row->type == LRD_OPTION_ANY) {
    char comment[128];
    snprintf(comment, sizeof comment, "Needs %s, which this build does not have.", row->needs);
    lrd_writer_string(w, "$comment", comment);
    lrd_writer_map_open(w, "not", true);
    lrd_writer_map_close(w);
  } else {
    if (row->fallback != NULL) {
      bool raw = row->type == LRD_OPTION_BOOL || row->type == LRD_OPTION_UINT || row->type == LRD_OPTION_REAL;
      if (raw)
        lrd_writer_raw(w, "default", row->fallback);
      else
        lrd_writer_string(w, "default", row->fallback);
    }
    lrd_writer_list_open(w, "anyOf");
    alternatives_write(w, row);
    if (type_is_scalar(row->type)) pattern_write(w, "\\$\\{");
    type_write(w, "null");
    lrd_writer_list_close(w);
  }
  lrd_writer_map_close(w);
}

/* Of some rows exactly one. */
static void one_write(writer *w, lrd_scope scope) {
  bool any = false;
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL; row = lrd_option_next(scope, row)) {
    if ((row->flags & LRD_OPTION_ONE) == 0) continue;
    if (!any) lrd_writer_list_open(w, "oneOf");
    any = true;
    lrd_writer_map_open(w, NULL, true);
    lrd_writer_list_open(w, "required");
    lrd_writer_string(w, NULL, row->name);
    lrd_writer_list_close(w);
    lrd_writer_map_close(w);
  }
  if (any) lrd_writer_list_close(w);
}

static void scope_write(writer *w, lrd_scope scope) {
  lrd_writer_map_open(w, lrd_scope_infos[scope].name, false);
  lrd_writer_string(w, "description", lrd_scope_infos[scope].sentence);
  lrd_writer_string(w, "type", "object");
  lrd_writer_raw(w, "additionalProperties", "false");
  lrd_writer_map_open(w, "properties", false);
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL; row = lrd_option_next(scope, row)) {
    row_write(w, row, row->name);
    if (row->other != NULL) row_write(w, row, row->other);
  }
  lrd_writer_map_close(w);
  one_write(w, scope);
  lrd_writer_map_close(w);
}

larder_err lrd_config_schema_text(char **out) {
  writer w = {.json = true};
  lrd_writer_map_open(&w, NULL, false);
  lrd_writer_string(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
  lrd_writer_string(&w, "title", "larder.yaml");
  lrd_writer_string(&w, "description", "Configuration of Larder. Sections beside cache belong to others.");
  lrd_writer_string(&w, "type", "object");
  lrd_writer_map_open(&w, "properties", false);
  lrd_writer_map_open(&w, "cache", false);
  lrd_writer_list_open(&w, "anyOf");
  scope_ref_write(&w, LRD_SCOPE_CACHE);
  type_write(&w, "null");
  lrd_writer_list_close(&w);
  lrd_writer_map_close(&w);
  lrd_writer_map_close(&w);
  lrd_writer_map_open(&w, "$defs", false);
  for (int scope = 0; scope < LRD_SCOPE_COUNT; scope++) scope_write(&w, (lrd_scope)scope);
  lrd_writer_map_close(&w);
  lrd_writer_map_close(&w);
  larder_err err = LARDER_OK;
  char *text = lrd_writer_finish(&w, &err);
  if (err == LARDER_OK) *out = text;
  return err;
}
