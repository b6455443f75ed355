/* SPDX-License-Identifier: Apache-2.0 */
#include "config/nearby_read.h"

#include "base/fs.h"
#include "base/measure.h"
#include "config/field_template.h"
#include "config/value_read.h"
#include <errno.h>

static const lrd_yaml_item *item_of(const lrd_yaml_node *map, const char *name) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next)
    if (item->key->kind == LRD_YAML_SCALAR && strcmp(item->key->text, name) == 0 && item->value->kind != LRD_YAML_NULL)
      return item;
  return NULL;
}

/* Sentences show what the file has, not what its variables hold. */
void lrd_record_key_check(lrd_reader *reader, const lrd_yaml_node *value, const char *text, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
  lrd_field_template *plate = NULL;
  larder_error why = {0};
  larder_err const result = lrd_field_template_new(text, &plate, &why);
  if (result == LARDER_ENOMEM) {
    reader->out_of_memory = true;
  } else if (result != LARDER_OK && strcmp(text, value->text) != 0) {
    lrd_mistake_add(reader->mistakes, value->place, "%s.key: with its variables it is no template such as cbsa:{cbsa}",
                    lrd_trail_text(trail, where));
  } else if (result != LARDER_OK) {
    lrd_mistake_add(reader->mistakes, value->place, "%s.key: %s", lrd_trail_text(trail, where), why.message);
  } else if (lrd_field_template_count(plate) == 0) {
    lrd_mistake_add(reader->mistakes, value->place, "%s.key: found %s; expected the {name} of a field in it",
                    lrd_trail_text(trail, where), lrd_quote(value->text, value->len, quoted));
  }
  lrd_field_template_free(plate);
}

void lrd_nearby_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_nearby *near, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
  const lrd_yaml_item *key = item_of(map, "key"), *radius = item_of(map, "radius"), *places = item_of(map, "places");
  struct stat facts;
  double km = 0;
  if (near->places == NULL || near->key == NULL || near->key[0] == '\0')
    lrd_mistake_add(reader->mistakes, map->place, "%s: found no %s; expected a table of places and the key of one",
                    lrd_trail_text(trail, where), near->places == NULL ? "places" : "key");
  else if (key != NULL)
    lrd_record_key_check(reader, key->value, near->key, trail);
  if (radius != NULL && near->radius != NULL && lrd_radius_parse(near->radius, &km, NULL) != LARDER_OK)
    lrd_mistake_add(reader->mistakes, radius->value->place,
                    "%s.radius: found %s; expected a distance such as 50mi, 80km or 50 (miles)", lrd_trail_text(trail, where),
                    lrd_quote(radius->value->text, radius->value->len, quoted));
  if (places != NULL && near->places != NULL && lrd_fs_stat(near->places, &facts) != 0 && errno == ENOENT)
    lrd_notice_add(reader->mistakes, places->value->place, "%s.places: there is no such file now; nothing is nearby without it",
                   lrd_trail_text(trail, where));
}

void lrd_idle_notice(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_policy *policy, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  bool const makes = policy->maker.type != LRD_MAKER_NONE;
  if (map->kind != LRD_YAML_MAP) return;
  const lrd_yaml_item *refresh = item_of(map, "refresh"), *nearby = item_of(map, "nearby"), *predict = item_of(map, "predict");
  if (refresh != NULL && policy->refresh != NULL && !makes)
    lrd_notice_add(reader->mistakes, refresh->key->place,
                   "%s.refresh: nothing is made anew, since the namespace has no maker; give it one, or leave this out",
                   lrd_trail_text(trail, where));
  if (predict != NULL && policy->predict.enable && (!makes || !reader->settings->cache.prefetch.enable))
    lrd_notice_add(reader->mistakes, predict->key->place,
                   makes
                       ? "%s.predict: nothing is made ahead, since `prefetch` is switched off; switch it on, or leave this out"
                       : "%s.predict: nothing is made ahead, since the namespace has no maker; give it one, or leave this out",
                   lrd_trail_text(trail, where));
  if (nearby == NULL || policy->nearby.places == NULL) return;
  if (!makes)
    lrd_notice_add(reader->mistakes, nearby->key->place,
                   "%s.nearby: nothing is made ahead, since the namespace has no maker; give it one, or leave this out",
                   lrd_trail_text(trail, where));
  else if (!reader->settings->cache.prefetch.enable)
    lrd_notice_add(reader->mistakes, nearby->key->place,
                   "%s.nearby: nothing is made ahead, since `prefetch` is switched off; switch it on, or leave this out",
                   lrd_trail_text(trail, where));
}
