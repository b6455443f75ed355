/* SPDX-License-Identifier: Apache-2.0 */
#include "config/import_read.h"

#include "config/nearby_read.h"
#include "config/value_read.h"

static void empty_check(lrd_reader *reader, const lrd_yaml_item *item, const lrd_option *row, const lrd_config_import *import,
                        const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  const char *const name = *(const char *const *)(const void *)((const char *)import + row->offset);
  if (name != NULL && name[0] == '\0')
    lrd_mistake_add(reader->mistakes, item->value->place, "%s.%s: found an empty text; expected the name of a field",
                    lrd_trail_text(trail, where), row->name);
}

/* Two ways to say one thing. */
static void both_check(lrd_reader *reader, const lrd_yaml_item *item, const char *other, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  lrd_mistake_add(reader->mistakes, item->key->place, "%s: found %s beside %s; expected one of them",
                  lrd_trail_text(trail, where), item->key->text, other);
}

void lrd_import_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_config_import *import, const lrd_trail *trail) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    const lrd_option *row = item->key->kind == LRD_YAML_SCALAR ? lrd_option_find(LRD_SCOPE_IMPORT, item->key->text) : NULL;
    if (row == NULL || item->value->kind != LRD_YAML_SCALAR) continue;
    if (row->type == LRD_OPTION_TEXT) empty_check(reader, item, row, import, trail);
    if (strcmp(row->name, "key") == 0 && import->key != NULL && import->key[0] != '\0')
      lrd_record_key_check(reader, item->value, import->key, trail);
    if (strcmp(row->name, "key_field") == 0 && import->key != NULL) both_check(reader, item, "key", trail);
    if (strcmp(row->name, "value_row") == 0 && import->value_row && import->value_field != NULL)
      both_check(reader, item, "value_field", trail);
  }
}
