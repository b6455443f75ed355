/* SPDX-License-Identifier: Apache-2.0 */
#include "config/health_read.h"

#include "base/quantity.h"
#include "config/maker_read.h"
#include "config/option_value.h"
#include "config/value_read.h"

void lrd_check_clear(lrd_settings_check *check) {
  *check = (lrd_settings_check){0};
  lrd_option_set_defaults(LRD_SCOPE_CHECK, check);
}

static const lrd_yaml_item *item_of(const lrd_yaml_node *map, const char *name) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next)
    if (item->key->kind == LRD_YAML_SCALAR && strcmp(item->key->text, name) == 0 && item->value->kind != LRD_YAML_NULL)
      return item;
  return NULL;
}

/* It may be the one that is meant, which has been told. */
static bool any_unknown(const lrd_yaml_node *map) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next)
    if (item->key->kind != LRD_YAML_SCALAR || lrd_option_find(LRD_SCOPE_CHECK, item->key->text) == NULL) return true;
  return false;
}

static void http_keys_refuse(lrd_reader *reader, const lrd_yaml_node *map, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  for (const lrd_option *row = lrd_option_next(LRD_SCOPE_CHECK, NULL); row != NULL;
       row = lrd_option_next(LRD_SCOPE_CHECK, row)) {
    const lrd_yaml_item *item = (row->flags & LRD_OPTION_HTTP) != 0 ? item_of(map, row->name) : NULL;
    if (item != NULL)
      lrd_mistake_add(reader->mistakes, item->key->place, "%s.%s: found with command; expected only with http",
                      lrd_trail_text(trail, where), row->name);
  }
}

static void places_check(lrd_reader *reader, const lrd_yaml_item *item, const lrd_settings_check *check,
                         const lrd_trail *trail) {
  if (item == NULL) return;
  const lrd_trail here = {trail, item->key->text};
  bool const http = check->type == LRD_CHECK_HTTP;
  lrd_templates_check(reader, item->value, http ? check->http : NULL, http ? NULL : check->command, check->separator, &here);
}

void lrd_check_check(lrd_reader *reader, const lrd_yaml_node *map, lrd_settings_check *check, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  size_t const before = reader->mistakes->count;
  const lrd_yaml_item *http = item_of(map, "http"), *command = item_of(map, "command");
  check->type = http != NULL ? LRD_CHECK_HTTP : command != NULL ? LRD_CHECK_COMMAND : LRD_CHECK_NONE;
  if (http != NULL && command != NULL)
    lrd_mistake_add(reader->mistakes, command->key->place, "%s: found command beside http; expected one of them",
                    lrd_trail_text(trail, where));
  if (http == NULL && command == NULL && !any_unknown(map))
    lrd_mistake_add(reader->mistakes, map->place, "%s: found neither http nor command; expected one of them",
                    lrd_trail_text(trail, where));
  if (http != NULL && check->http != NULL && check->http[0] == '\0')
    lrd_mistake_add(reader->mistakes, http->value->place, "%s.http: found an empty text; expected a URL",
                    lrd_trail_text(trail, where));
  if (http == NULL && command != NULL) http_keys_refuse(reader, map, trail);
  if (reader->mistakes->count == before) places_check(reader, http != NULL ? http : command, check, trail);
  lrd_proxy_check(reader, map, check->proxy, trail);
}

/* A duration as the file has it, else as it is by default. What the file's defaults say may come of a variable. */
static const char *duration_shown(const lrd_yaml_item *item, int64_t ms, const char *of_defaults, char out[LRD_QUOTED_MAX]) {
  if (item == NULL && of_defaults != NULL) return of_defaults;
  return item != NULL && item->value->kind == LRD_YAML_SCALAR ? lrd_quote(item->value->text, item->value->len, out)
                                                              : lrd_duration_format(ms, out, LRD_QUOTED_MAX);
}

void lrd_health_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_health *health, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], found[LRD_QUOTED_MAX], low[LRD_QUOTED_MAX];
  const lrd_yaml_item *most = item_of(map, "retry_max"), *first = item_of(map, "retry");
  const lrd_settings_health *defaults = &reader->settings->cache.defaults.health;
  bool const inherits = health != defaults && defaults->given;
  const lrd_yaml_item *named = most != NULL ? most : first;
  if (health->retry_max_ms >= health->retry_ms || named == NULL) return; /* without either it was told of the defaults */
  lrd_mistake_add(reader->mistakes, named->value->place, "%s.retry_max: found %s; expected at least %s%s",
                  lrd_trail_text(trail, where),
                  duration_shown(most, health->retry_max_ms, inherits ? "that of the defaults" : NULL, found),
                  duration_shown(first, health->retry_ms, inherits ? "retry of the defaults" : NULL, low),
                  first != NULL || !inherits ? ", which is retry" : "");
}
