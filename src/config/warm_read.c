/* SPDX-License-Identifier: Apache-2.0 */
#include "config/warm_read.h"

#include "config/interpolate.h"
#include "config/maker_read.h"
#include "config/value_read.h"
#include <stdio.h>

/* The values of one parameter, joined by commas; NULL when there is none, which was told. */
static const char *values_read(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail) {
  static const char expected[] = "a value, or a list of values";
  if (node->kind != LRD_YAML_LIST) return lrd_scalar_text(reader, node, trail, expected);
  const char *joined = NULL, *written = NULL;
  if (node->first == NULL) lrd_unexpected_kind(reader, node, trail, "at least one value");
  for (const lrd_yaml_item *item = node->first; item != NULL; item = item->next) {
    const char *text = lrd_scalar_text(reader, item->value, trail, "a value");
    if (text == NULL) return NULL;
    const char *line = lrd_written_line(reader->settings, text);
    joined = joined == NULL ? text : lrd_config_arena_printf(&reader->settings->arena, "%s,%s", joined, text);
    written = written == NULL ? line : lrd_config_arena_printf(&reader->settings->arena, "%s,%s", written, line);
    if (joined == NULL || written == NULL) {
      reader->out_of_memory = true;
      return NULL;
    }
  }
  if (joined != NULL && strcmp(joined, written) != 0) lrd_written_note(reader, joined, written);
  return joined;
}

static void param_read(lrd_reader *reader, const lrd_yaml_item *item, lrd_config_warm *warm, const lrd_trail *trail) {
  const lrd_trail here = {trail, item->key->text};
  const char *text = values_read(reader, item->value, &here);
  char where[LRD_TRAIL_MAX];
  if (text == NULL) return;
  if (strpbrk(text, "\r\n") != NULL || strpbrk(item->key->text, "=\r\n") != NULL) {
    lrd_mistake_add(reader->mistakes, item->value->place, "%s: found a line break or =; expected a name and one line",
                    lrd_trail_text(&here, where));
    return;
  }
  if (strcmp(item->key->text, "recipe") == 0) {
    warm->recipe = text;
    lrd_recipe_name_check(reader, text, item->value->place, &here);
    return;
  }
  lrd_config_arena *arena = &reader->settings->arena;
  const char *before = lrd_written_text(reader->settings, warm->params);
  const char *written =
      lrd_config_arena_printf(arena, "%s%s=%s\n", before, item->key->text, lrd_written_line(reader->settings, text));
  warm->params = lrd_config_arena_printf(arena, "%s%s=%s\n", warm->params, item->key->text, text);
  if (warm->params == NULL || written == NULL)
    reader->out_of_memory = true;
  else if (strcmp(warm->params, written) != 0)
    lrd_written_note(reader, warm->params, written);
}

static void params_read(lrd_reader *reader, const lrd_yaml_node *map, lrd_config_warm *warm, const lrd_trail *trail) {
  for (const lrd_yaml_item *item = map->first; item != NULL && !reader->out_of_memory; item = item->next) {
    if (!lrd_key_check(reader, item, trail)) continue;
    const lrd_yaml_item *before = lrd_item_before(map, item, NULL);
    if (before != NULL)
      lrd_key_twice(reader, item, before, trail);
    else if (item->value->kind != LRD_YAML_NULL)
      param_read(reader, item, warm, trail);
  }
}

/* A mapping, with the variables of its texts. */
static void params_with_variables(lrd_reader *reader, const lrd_yaml_node *map, lrd_config_warm *warm, const lrd_trail *trail) {
  lrd_variables seen = {.arena = &reader->settings->arena};
  reader->seen = &seen;
  params_read(reader, map, warm, trail);
  reader->seen = NULL;
  if (seen.len == 0) return;
  warm->variables = lrd_variables_list(&seen);
  if (warm->variables == NULL) reader->out_of_memory = true;
}

static void entry_read(lrd_reader *reader, const lrd_yaml_node *map, lrd_config_warm *warm, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  size_t mistakes = reader->mistakes->count;
  if (!lrd_tag_check(reader, map, trail)) return;
  if (map->kind != LRD_YAML_MAP) {
    lrd_unexpected_kind(reader, map, trail, "a mapping such as {recipe: kernel, alpha: [1.5, 1.8], dt: 0.01, n: 1000}");
    return;
  }
  *warm = (lrd_config_warm){.params = "", .line = map->place.line, .column = map->place.column};
  params_with_variables(reader, map, warm, trail);
  if (warm->recipe == NULL && reader->mistakes->count == mistakes && !reader->out_of_memory)
    lrd_mistake_add(reader->mistakes, map->place, "%s: found no recipe; expected the name of one",
                    lrd_trail_text(trail, where));
}

void lrd_warm_read(lrd_reader *reader, const lrd_yaml_node *list, lrd_settings_policy *policy, const lrd_trail *trail) {
  size_t count = 0;
  char where[LRD_TRAIL_MAX];
  if (policy->name == NULL) {
    lrd_mistake_add(reader->mistakes, list->place, "%s: found it among the defaults; expected it in a namespace",
                    lrd_trail_text(trail, where));
    return;
  }
  if (list->kind != LRD_YAML_LIST) {
    lrd_unexpected_kind(reader, list, trail, "a list of recipes");
    return;
  }
  for (const lrd_yaml_item *item = list->first; item != NULL; item = item->next) count++;
  lrd_config_warm *warm = lrd_config_arena_alloc(&reader->settings->arena, (count + 1) * sizeof *warm);
  if (warm == NULL) {
    reader->out_of_memory = true;
    return;
  }
  policy->warm = warm;
  policy->warm_len = count;
  for (const lrd_yaml_item *item = list->first; item != NULL && !reader->out_of_memory; item = item->next)
    entry_read(reader, item->value, warm++, trail);
}
