/* SPDX-License-Identifier: Apache-2.0 */
#include "config/maker_read.h"

#include "config/key_template.h"
#include "config/option_value.h"
#include "config/value_read.h"
#include <ctype.h>
#include <larder/nearest.h>
#include <stdio.h>

#define NOT_GIVEN_MS   (-1)
#define NOT_GIVEN      UINT64_MAX
#define NAME_BYTES_MAX 128u /* of a recipe or a callback */

/* What a maker does that says nothing else, by its type. */
static const struct {
  const char *key;
  int64_t hard_timeout_ms;
  uint64_t retries;
  unsigned flag; /* of keys that only it has */
} types[] = {
    [LRD_MAKER_HTTP] = {"http", 30000, 2, LRD_OPTION_HTTP},
    [LRD_MAKER_COMMAND] = {"command", 30000, 0, LRD_OPTION_COMMAND},
    [LRD_MAKER_RECIPE] = {"recipe", 0, 0, 0},
    [LRD_MAKER_CALLBACK] = {"callback", 0, 0, 0},
};
#define TYPES (sizeof types / sizeof *types)

void lrd_maker_clear(lrd_settings_maker *maker) {
  *maker = (lrd_settings_maker){0};
  lrd_option_set_defaults(LRD_SCOPE_MAKER, maker);
  maker->hard_timeout_ms = NOT_GIVEN_MS;
  maker->retries = NOT_GIVEN;
}

void lrd_argv_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *list, void *section,
                   const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  size_t count = 0;
  if (list->kind != LRD_YAML_LIST || list->first == NULL) {
    lrd_mistake_add(reader->mistakes, list->place,
                    "%s: found %s; expected a list of a program and its arguments such as [convert, \"{1}\", \"-\"]",
                    lrd_trail_text(trail, where), list->kind == LRD_YAML_LIST ? "an empty list" : lrd_yaml_kind_text(list));
    return;
  }
  for (const lrd_yaml_item *item = list->first; item != NULL; item = item->next) count++;
  const char **argv = lrd_config_arena_alloc(&reader->settings->arena, (count + 1) * sizeof *argv);
  if (argv == NULL) {
    reader->out_of_memory = true;
    return;
  }
  count = 0;
  for (const lrd_yaml_item *item = list->first; item != NULL; item = item->next) {
    const char *text =
        lrd_tag_check(reader, item->value, trail) ? lrd_row_text(reader, row, item->value, trail, "a text") : NULL;
    if (text == NULL) return;
    if (count == 0 && text[0] == '\0') {
      lrd_mistake_add(reader->mistakes, item->value->place, "%s: found an empty text; expected the name of a program",
                      lrd_trail_text(trail, where));
      return;
    }
    argv[count++] = text;
  }
  *(const char *const **)((char *)section + row->offset) = argv;
}

bool lrd_maker_pair_valid(const lrd_option *row, const char *name, const char **expected) {
  bool header = (row->flags & LRD_OPTION_HTTP) != 0;
  *expected = header ? "the name of a header field, such as Accept" : "the name of a variable, such as API_TOKEN";
  if (name[0] == '\0' || (!header && isdigit((unsigned char)name[0]))) return false;
  for (; *name != '\0'; name++) {
    bool word = isalnum((unsigned char)*name) || *name == '_';
    if (!word && (!header || strchr("!#$%&'*+-.^`|~", *name) == NULL)) return false;
  }
  return true;
}

/* The types that the map gives, of which the first counts; *unknown: it has a key that is none. */
static uint32_t type_find(lrd_reader *reader, const lrd_yaml_node *map, const lrd_trail *trail, bool *unknown) {
  char where[LRD_TRAIL_MAX];
  uint32_t found = LRD_MAKER_NONE;
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    const lrd_option *row = item->key->kind == LRD_YAML_SCALAR ? lrd_option_find(LRD_SCOPE_MAKER, item->key->text) : NULL;
    *unknown |= row == NULL;
    if (row == NULL || (row->flags & LRD_OPTION_ONE) == 0 || item->value->kind == LRD_YAML_NULL) continue;
    uint32_t type = LRD_MAKER_HTTP;
    while (strcmp(types[type].key, row->name) != 0) type++;
    if (found == type) continue; /* given twice, which was told */
    if (found != LRD_MAKER_NONE)
      lrd_mistake_add(reader->mistakes, item->key->place,
                      "%s: found %s beside %s; expected one of http, command, recipe and callback",
                      lrd_trail_text(trail, where), row->name, types[found].key);
    else
      found = type;
  }
  return found;
}

/* Keys that only another type has. */
static void keys_check(lrd_reader *reader, const lrd_yaml_node *map, uint32_t type, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    const lrd_option *row = item->key->kind == LRD_YAML_SCALAR ? lrd_option_find(LRD_SCOPE_MAKER, item->key->text) : NULL;
    if (row == NULL || item->value->kind == LRD_YAML_NULL) continue;
    for (uint32_t owner = LRD_MAKER_HTTP; owner < TYPES; owner++) {
      if (owner == type || (row->flags & types[owner].flag) == 0) continue;
      lrd_mistake_add(reader->mistakes, item->key->place, "%s.%s: found it with %s; expected it with %s only",
                      lrd_trail_text(trail, where), row->name, types[type].key, types[owner].key);
    }
  }
}

/* A name or a URL of its own length. */
static void text_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_maker *maker, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  const char *text = maker->http != NULL ? maker->http : maker->recipe != NULL ? maker->recipe : maker->callback;
  if (text == NULL || (text[0] != '\0' && (maker->http != NULL || strlen(text) <= NAME_BYTES_MAX))) return;
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    if (item->key->kind != LRD_YAML_SCALAR || strcmp(item->key->text, types[maker->type].key) != 0) continue;
    lrd_mistake_add(reader->mistakes, item->value->place, "%s.%s: found %s; expected %s", lrd_trail_text(trail, where),
                    item->key->text, text[0] == '\0' ? "an empty text" : "a text that is too long",
                    maker->http != NULL ? "a URL" : "a name of 1 to 128 bytes");
  }
}

void lrd_recipe_name_check(lrd_reader *reader, const char *name, lrd_place place, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX], names[200] = "";
  larder_nearest nearest = {.wanted = name};
  size_t at = 0;
  for (const char *const *one = lrd_recipe_names; *one != NULL; one++) {
    if (strcmp(*one, name) == 0) return;
    larder_nearest_offer(&nearest, *one);
    int const written = snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? ", " : "", *one);
    if (written > 0 && (size_t)written < sizeof names - at) at += (size_t)written;
  }
  const char *near = larder_nearest_best(&nearest), *written = lrd_written_line(reader->settings, name);
  lrd_mistake_add(reader->mistakes, place, "%s: found %s; expected one of %.*s%s%s", lrd_trail_text(trail, where),
                  lrd_quote(written, strlen(written), quoted), (int)at, names, near != NULL ? "; the nearest is " : "",
                  near != NULL ? near : "");
}

static void template_check(lrd_reader *reader, const char *text, lrd_template_form form, char separator, lrd_place place,
                           const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  lrd_key_template *template = NULL;
  larder_error why = {0};
  larder_err const result = lrd_key_template_new(text, form, separator, &template, &why);
  lrd_key_template_free(template);
  if (result == LARDER_ENOMEM) {
    reader->out_of_memory = true;
  } else if (result != LARDER_OK && lrd_has_variable(reader->settings, text)) {
    lrd_mistake_add(reader->mistakes, place, "%s: with its variables it is no template such as %s",
                    lrd_trail_text(trail, where), form == LRD_TEMPLATE_URL ? "https://api.example.org/{1}" : "{key}");
  } else if (result != LARDER_OK) {
    lrd_mistake_add(reader->mistakes, place, "%s: %s", lrd_trail_text(trail, where), why.message);
  }
}

static bool proxy_valid(const char *text) {
  static const char *const schemes[] = {"http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"};
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    size_t const len = strlen(schemes[i]);
    if (strncmp(text, schemes[i], len) == 0) return text[len] != '\0' && strpbrk(text, " \t\r\n") == NULL;
  }
  return strcmp(text, LRD_PROXY_NONE) == 0;
}

void lrd_proxy_check(lrd_reader *reader, const lrd_yaml_node *map, const char *proxy, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  if (proxy == NULL || proxy_valid(proxy)) return;
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    if (item->key->kind != LRD_YAML_SCALAR || strcmp(item->key->text, "proxy") != 0) continue;
    lrd_mistake_add(reader->mistakes, item->value->place,
                    "%s.proxy: found something else; expected a URL such as http://proxy.example:3128, or " LRD_PROXY_NONE,
                    lrd_trail_text(trail, where));
    return;
  }
}

void lrd_templates_check(lrd_reader *reader, const lrd_yaml_node *value, const char *url, const char *const *argv,
                         char separator, const lrd_trail *trail) {
  if (url != NULL) template_check(reader, url, LRD_TEMPLATE_URL, separator, value->place, trail);
  const lrd_yaml_item *argument = value->kind == LRD_YAML_LIST ? value->first : NULL;
  for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
    lrd_place const place = argument != NULL ? argument->value->place : value->place;
    template_check(reader, argv[i], LRD_TEMPLATE_PLAIN, separator, place, trail);
    argument = argument != NULL ? argument->next : NULL;
  }
}

/* Places that a key fills, in a URL and in each argument; and the name of a recipe. */
static void what_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_maker *maker, const lrd_trail *trail) {
  bool const http = maker->type == LRD_MAKER_HTTP, command = maker->type == LRD_MAKER_COMMAND;
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    if (item->key->kind != LRD_YAML_SCALAR || strcmp(item->key->text, types[maker->type].key) != 0) continue;
    const lrd_trail here = {trail, item->key->text};
    if (maker->recipe != NULL) lrd_recipe_name_check(reader, maker->recipe, item->value->place, &here);
    lrd_templates_check(reader, item->value, http ? maker->http : NULL, command ? maker->command : NULL, maker->separator,
                        &here);
  }
}

void lrd_maker_check(lrd_reader *reader, const lrd_yaml_node *map, lrd_settings_maker *maker, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  bool unknown = false;
  maker->type = type_find(reader, map, trail, &unknown);
  if (maker->type == LRD_MAKER_NONE) {
    if (!unknown) /* it may be the one that is meant */
      lrd_mistake_add(reader->mistakes, map->place, "%s: found no http, command, recipe or callback; expected one of them",
                      lrd_trail_text(trail, where));
    return;
  }
  keys_check(reader, map, maker->type, trail);
  size_t const before = reader->mistakes->count;
  text_check(reader, map, maker, trail);
  lrd_proxy_check(reader, map, maker->proxy, trail);
  if (reader->mistakes->count == before) what_check(reader, map, maker, trail);
  if (maker->hard_timeout_ms == NOT_GIVEN_MS) maker->hard_timeout_ms = types[maker->type].hard_timeout_ms;
  if (maker->retries == NOT_GIVEN) maker->retries = types[maker->type].retries;
}
