/* SPDX-License-Identifier: Apache-2.0 */
#include "spec_value.h"

#include "base/fail.h"
#include "base/quantity.h"
#include <larder/nearest.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECTED_MAX 160

static void unexpected(lrd_spec_reading *r, const lrd_yaml_node *node, const char *where, const char *name,
                       const char *expected) {
  char quoted[LRD_QUOTED_MAX];
  lrd_mistake_add(r->mistakes, node->place, "%s.%s: found %s; expected %s", where, name,
                  node->kind == LRD_YAML_SCALAR ? lrd_quote(node->text, node->len, quoted) : lrd_yaml_kind_text(node),
                  expected);
}

bool lrd_spec_map(lrd_spec_reading *r, const lrd_yaml_node *node, const char *where) {
  if (node->kind == LRD_YAML_MAP && !node->tagged) return true;
  lrd_mistake_add(r->mistakes, node->place, "%s: found %s; expected a mapping", where,
                  node->tagged ? "a tag (!...)" : lrd_yaml_kind_text(node));
  return false;
}

const lrd_yaml_node *lrd_spec_member(const lrd_yaml_node *map, const char *name) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next)
    if (item->key->kind == LRD_YAML_SCALAR && strcmp(item->key->text, name) == 0) return item->value;
  return NULL;
}

/* --- values --------------------------------------------------------------------------------------------------------------- */

static bool real_parse(const char *text, bool percent, double *out) {
  size_t len = strlen(text);
  char *end = NULL;
  if (len == 0 || strspn(text, "0123456789.eE+-%") != len) return false;
  double value = strtod(text, &end);
  if (end == text || !isfinite(value)) return false;
  if (percent && *end == '%') {
    value /= 100;
    end++;
  }
  *out = value;
  return *end == '\0';
}

static bool bool_parse(const char *text, bool *out) {
  *out = strcmp(text, "true") == 0;
  return *out || strcmp(text, "false") == 0;
}

static const char *expected_text(const lrd_spec_field *field, char out[EXPECTED_MAX]) {
  char least[40], most[40];
  switch (field->kind) {
  case LRD_SPEC_DURATION:
    snprintf(out, EXPECTED_MAX, "a duration from %s to %s, such as 250ms or 30s",
             lrd_duration_format((int64_t)field->min, least, sizeof least),
             lrd_duration_format((int64_t)field->max, most, sizeof most));
    break;
  case LRD_SPEC_SIZE:
    snprintf(out, EXPECTED_MAX, "a size up to %s, such as 8KiB", lrd_size_format((uint64_t)field->max, most, sizeof most));
    break;
  case LRD_SPEC_PART:
    snprintf(out, EXPECTED_MAX, "a part from 0 to 1, such as 0.05 or 5%%");
    break;
  case LRD_SPEC_BOOL:
    snprintf(out, EXPECTED_MAX, "true or false");
    break;
  case LRD_SPEC_COUNT:
    snprintf(out, EXPECTED_MAX, "a whole number from %.0f to %.0f", field->min, field->max);
    break;
  default:
    snprintf(out, EXPECTED_MAX, "a number from %g to %g", field->min, field->max);
    break;
  }
  return out;
}

/* A scalar's text into its place; false when it is none or out of bounds. */
static bool scalar_set(const lrd_spec_field *field, const char *text, void *into) {
  char *at = (char *)into + field->offset;
  double number = 0;
  int64_t ms = 0;
  uint64_t bytes = 0;
  switch (field->kind) {
  case LRD_SPEC_BOOL:
    return bool_parse(text, (bool *)(void *)at);
  case LRD_SPEC_SIZE:
    if (lrd_size_parse(text, 1, &bytes) != LARDER_OK || (double)bytes > field->max) return false;
    *(uint64_t *)(void *)at = bytes;
    return true;
  case LRD_SPEC_DURATION:
    if (lrd_duration_parse(text, 1000, &ms) != LARDER_OK || (double)ms < field->min || (double)ms > field->max) return false;
    *(double *)(void *)at = (double)ms;
    return true;
  case LRD_SPEC_COUNT:
    if (!real_parse(text, false, &number) || number != floor(number) || number < field->min || number > field->max)
      return false;
    *(uint64_t *)(void *)at = (uint64_t)number;
    return true;
  case LRD_SPEC_PART:
    if (!real_parse(text, true, &number) || number < 0 || number > 1) return false;
    break;
  default:
    if (!real_parse(text, false, &number) || number < field->min || number > field->max) return false;
    break;
  }
  *(double *)(void *)at = number;
  return true;
}

/* --- names of what was read before ---------------------------------------------------------------------------------------- */

static uint32_t named(lrd_spec_reading *r, const lrd_yaml_node *node, const char *where, const char *what, const void *rows,
                      size_t step, uint32_t count) {
  char quoted[LRD_QUOTED_MAX];
  LRD_ASSERT(node);
  if (node->kind != LRD_YAML_SCALAR) {
    lrd_mistake_add(r->mistakes, node->place, "%s: found %s; expected the name of %s", where, lrd_yaml_kind_text(node), what);
    return LRD_TRAFFIC_NONE;
  }
  larder_nearest nearest = {.wanted = node->text};
  for (uint32_t i = 0; i < count; i++) {
    const char *name = *(const char *const *)(const void *)((const char *)rows + i * step);
    if (name != NULL && strcmp(name, node->text) == 0) return i;
    if (name != NULL) larder_nearest_offer(&nearest, name);
  }
  const char *meant = larder_nearest_best(&nearest);
  lrd_mistake_add(r->mistakes, node->place, "%s: found %s; expected the name of %s above%s%s%s", where,
                  lrd_quote(node->text, node->len, quoted), what, meant ? "; did you mean " : "", meant ? meant : "",
                  meant ? "?" : "");
  return LRD_TRAFFIC_NONE;
}

uint32_t lrd_spec_service(lrd_spec_reading *r, const lrd_yaml_node *name, const char *where) {
  const larder_traffic *t = r->traffic;
  return named(r, name, where, "a service", t->services, sizeof t->services[0], t->services_len);
}

uint32_t lrd_spec_endpoint(lrd_spec_reading *r, const lrd_yaml_node *name, const char *where) {
  const larder_traffic *t = r->traffic;
  return named(r, name, where, "an endpoint", t->endpoints, sizeof t->endpoints[0], t->endpoints_len);
}

bool lrd_spec_value(lrd_spec_reading *r, const lrd_yaml_node *value, const lrd_spec_field *field, void *into,
                    const char *where) {
  char expected[EXPECTED_MAX], whole[200];
  LRD_ASSERT(value);
  if (field->kind == LRD_SPEC_SERVICE || field->kind == LRD_SPEC_ENDPOINT) {
    snprintf(whole, sizeof whole, "%s.%s", where, field->name);
    uint32_t at = field->kind == LRD_SPEC_SERVICE ? lrd_spec_service(r, value, whole) : lrd_spec_endpoint(r, value, whole);
    *(uint32_t *)(void *)((char *)into + field->offset) = at;
    return at != LRD_TRAFFIC_NONE;
  }
  if (value->kind == LRD_YAML_SCALAR && !value->tagged && scalar_set(field, value->text, into)) return true;
  unexpected(r, value, where, field->name, expected_text(field, expected));
  return false;
}

/* --- mappings ------------------------------------------------------------------------------------------------------------- */

static const lrd_spec_field *field_find(const lrd_spec_field *fields, const char *name) {
  for (; fields->name != NULL; fields++)
    if (strcmp(fields->name, name) == 0) return fields;
  return NULL;
}

static void name_unknown(lrd_spec_reading *r, const lrd_yaml_node *key, const lrd_spec_field *fields, const char *where) {
  char quoted[LRD_QUOTED_MAX];
  larder_nearest nearest = {.wanted = key->text};
  for (const lrd_spec_field *field = fields; field->name != NULL; field++) larder_nearest_offer(&nearest, field->name);
  const char *meant = larder_nearest_best(&nearest);
  lrd_mistake_add(r->mistakes, key->place, "%s: found %s, which is no name here%s%s%s", where,
                  lrd_quote(key->text, key->len, quoted), meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
}

static void field_read(lrd_spec_reading *r, const lrd_yaml_node *map, const lrd_yaml_item *item, const lrd_spec_field *fields,
                       void *into, const char *where) {
  if (item->key->kind != LRD_YAML_SCALAR) {
    lrd_mistake_add(r->mistakes, item->key->place, "%s: found %s as a key; expected a name", where,
                    lrd_yaml_kind_text(item->key));
    return;
  }
  const lrd_spec_field *field = field_find(fields, item->key->text);
  if (field == NULL) {
    name_unknown(r, item->key, fields, where);
  } else if (lrd_spec_member(map, field->name) != item->value) {
    lrd_mistake_add(r->mistakes, item->key->place, "%s: found %s a second time; expected it once", where, field->name);
  } else if (field->kind != LRD_SPEC_OTHER) {
    (void)lrd_spec_value(r, item->value, field, into, where);
  }
}

void lrd_spec_fields(lrd_spec_reading *r, const lrd_yaml_node *map, const lrd_spec_field *fields, void *into,
                     const char *where) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) field_read(r, map, item, fields, into, where);
  for (; fields->name != NULL; fields++)
    if (fields->needed && lrd_spec_member(map, fields->name) == NULL)
      lrd_mistake_add(r->mistakes, map->place, "%s: found no %s; expected it", where, fields->name);
}
