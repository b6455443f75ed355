/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An element of a chain is a tier's name, or one pair of name and mapping. With a `path` the mapping describes an instance,
 * found again by type and path; without one it limits the namespace within the main instance.
 *
 * Instances are kept in an array that grows in the arena, so links hold indexes.
 */
#include "config/chain.h"

#include "config/option_value.h"
#include "config/value_read.h"
#include <larder/nearest.h>
#include <stdio.h>

static bool equals(const char *a, const char *b) { return strcmp(a, b) == 0; }

static bool extra_is(const lrd_reader *reader, const char *type) {
  for (const char *const *extra = reader->extra_types; extra != NULL && *extra != NULL; extra++)
    if (equals(*extra, type)) return true;
  return false;
}

/* Whether a tier of this type can be had; told when not. *skip: it is switched off, so the chain goes on without it. */
static bool type_check(lrd_reader *reader, const char *type, lrd_place place, const lrd_trail *trail, bool *skip) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
  const lrd_settings_cache *cache = &reader->settings->cache;
  lrd_trail_text(trail, where);
  *skip = (equals(type, "memory") && !cache->memory.enable) || (equals(type, "sqlite") && !cache->sqlite.enable) ||
          (equals(type, "files") && !cache->files.enable) ||
          (equals(type, "redis") && reader->settings->redis_given && !cache->redis.enable && !extra_is(reader, type));
  if (*skip || extra_is(reader, type)) return true;
  larder_nearest nearest = {.wanted = type};
  for (size_t i = 0; i < lrd_tier_types_len; i++) {
    if (!equals(lrd_tier_types[i].name, type)) {
      larder_nearest_offer(&nearest, lrd_tier_types[i].name);
      continue;
    }
    if (lrd_tier_types[i].needs == NULL) return true;
    lrd_mistake_add(reader->mistakes, place, "%s: needs %s, which this build does not have", where, lrd_tier_types[i].needs);
    return false;
  }
  for (const char *const *extra = reader->extra_types; extra != NULL && *extra != NULL; extra++)
    larder_nearest_offer(&nearest, *extra);
  const char *near = larder_nearest_best(&nearest), *written = lrd_written_line(reader->settings, type);
  lrd_mistake_add(reader->mistakes, place,
                  "%s: found the unknown tier %s; expected memory, sqlite, files or one that the application "
                  "registers%s%s",
                  where, lrd_quote(written, strlen(written), quoted), near != NULL ? "; the nearest is " : "",
                  near != NULL ? near : "");
  return false;
}

/* --- instances ----------------------------------------------------------------------------------------------------- */

const char *lrd_path_folded(lrd_reader *reader, const char *path) {
  char *folded = lrd_config_arena_alloc(reader->mistakes->arena, strlen(path) + 1), *to = folded;
  if (folded == NULL) return reader->out_of_memory = true, NULL;
  for (const char *at = path; *at != '\0';) {
    size_t len = 1 + strcspn(at + 1, "/");
    if (len == 3 && strncmp(at, "/..", 3) == 0) {
      while (to > folded && *--to != '/') continue;
    } else {
      memcpy(to, at, len);
      to += len;
    }
    at += len;
  }
  *to = '\0';
  return folded;
}

static bool path_same(lrd_reader *reader, const char *a, const char *b) {
  if (a == NULL || b == NULL) return a == b;
  const char *one = lrd_path_folded(reader, a), *other = lrd_path_folded(reader, b);
  return one != NULL && other != NULL && equals(one, other);
}

static const char *instance_path(const lrd_settings_instance *instance) {
  if (equals(instance->type, "sqlite")) return instance->sqlite.path;
  return equals(instance->type, "files") ? instance->files.path : instance->extra.path;
}

static const char *instance_name(lrd_reader *reader, const lrd_settings_instance *instance) {
  const char *path = instance_path(instance), *root = reader->settings->cache.root;
  if (instance->main || path == NULL) return instance->type;
  size_t root_len = root == NULL ? 0 : strlen(root);
  if (root_len > 1 && strncmp(path, root, root_len) == 0 && path[root_len] == '/') path += root_len + 1;
  return lrd_config_arena_printf(&reader->settings->arena, "%s:%s", instance->type, path);
}

static bool instances_reserve(lrd_reader *reader) {
  lrd_settings *settings = reader->settings;
  if (settings->instances_len < settings->instances_cap) return true;
  size_t cap = settings->instances_cap == 0 ? 4 : settings->instances_cap * 2;
  lrd_settings_instance *grown = lrd_config_arena_alloc(&settings->arena, cap * sizeof *grown);
  if (grown == NULL) return reader->out_of_memory = true, false;
  if (settings->instances_len > 0) memcpy(grown, settings->instances, settings->instances_len * sizeof *grown);
  settings->instances = grown;
  settings->instances_cap = cap;
  return true;
}

/* Whether two sections of a tier say the same, path aside. */
static bool section_same(lrd_scope scope, const void *a, const void *b) {
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL; row = lrd_option_next(scope, row)) {
    const char *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;
    bool number = row->type == LRD_OPTION_UINT || row->type == LRD_OPTION_SIZE || row->type == LRD_OPTION_DURATION;
    if (number && memcmp(x, y, sizeof(uint64_t)) != 0) return false;
    if (row->type == LRD_OPTION_CHOICE && memcmp(x, y, sizeof(uint32_t)) != 0) return false;
  }
  return true;
}

static bool extra_same(const lrd_settings_extra *a, const lrd_settings_extra *b) {
  if (a->bytes_max != b->bytes_max || a->entries_max != b->entries_max) return false;
  return a->options == NULL || b->options == NULL ? a->options == b->options : equals(a->options, b->options);
}

/* A later mention of an instance: it may add nothing that contradicts the first. */
static void instance_again(lrd_reader *reader, lrd_settings_instance *old, const lrd_settings_instance *wanted,
                           const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  if (!wanted->detailed) return;
  bool same = section_same(LRD_SCOPE_SQLITE, &old->sqlite, &wanted->sqlite) &&
              section_same(LRD_SCOPE_FILES, &old->files, &wanted->files) && extra_same(&old->extra, &wanted->extra);
  if (!old->main && !old->detailed) {
    const char *path = instance_path(old);
    old->sqlite = wanted->sqlite;
    old->files = wanted->files;
    old->extra = wanted->extra;
    old->detailed = true;
    if (equals(old->type, "sqlite"))
      old->sqlite.path = path;
    else if (equals(old->type, "files"))
      old->files.path = path;
    else
      old->extra.path = path;
  } else if (!same && old->main) {
    lrd_mistake_add(reader->mistakes, wanted->place, "%s: found other settings for the %s of cache.%s; expected them there",
                    lrd_trail_text(trail, where), equals(old->type, "sqlite") ? "database" : "folder", old->type);
  } else if (!same) {
    lrd_mistake_add(reader->mistakes, wanted->place,
                    "%s: found other settings for %s than at line %d; expected them in one place only",
                    lrd_trail_text(trail, where), old->name, old->place.line);
  }
}

/* Index of the instance, made when it is new; SIZE_MAX when it cannot be. */
static size_t instance_take(lrd_reader *reader, const lrd_settings_instance *wanted, const lrd_trail *trail) {
  lrd_settings *settings = reader->settings;
  const char *path = instance_path(wanted);
  for (size_t i = 0; i < settings->instances_len; i++) {
    lrd_settings_instance *old = &settings->instances[i];
    bool same_path = path_same(reader, instance_path(old), path);
    if (equals(old->type, wanted->type) && same_path) {
      instance_again(reader, old, wanted, trail);
      return i;
    }
    if (path == NULL || !same_path) continue;
    char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
    lrd_mistake_add(reader->mistakes, wanted->place,
                    "%s: found the path %s, which the tier %s has at line %d; expected its own", lrd_trail_text(trail, where),
                    lrd_quote(path, strlen(path), quoted), old->name, old->place.line);
    return SIZE_MAX;
  }
  if (!instances_reserve(reader)) return SIZE_MAX;
  lrd_settings_instance *made = &settings->instances[settings->instances_len];
  *made = *wanted;
  made->type = lrd_config_arena_copy(&settings->arena, wanted->type, strlen(wanted->type));
  if (made->type != NULL) made->name = instance_name(reader, made);
  if (made->type == NULL || made->name == NULL) return reader->out_of_memory = true, SIZE_MAX;
  return settings->instances_len++;
}

/* The instance that a bare name means. */
static lrd_settings_instance instance_bare(lrd_reader *reader, const char *type, lrd_place place) {
  lrd_settings_instance one = {.type = type, .place = place, .main = !extra_is(reader, type)};
  one.sqlite = reader->settings->cache.sqlite;
  one.files = reader->settings->cache.files;
  if (!equals(type, "sqlite")) one.sqlite.path = NULL;
  if (!equals(type, "files")) one.files.path = NULL;
  lrd_option_set_defaults(LRD_SCOPE_EXTRA, &one.extra);
  return one;
}

/* --- links --------------------------------------------------------------------------------------------------------- */

static bool map_has(const lrd_yaml_node *map, const char *key) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next)
    if (item->key->kind == LRD_YAML_SCALAR && equals(item->key->text, key)) return true;
  return false;
}

/* The mapping of `{NAME: {…}}`, into the instance or the link's limits. */
static void details_read(lrd_reader *reader, const lrd_yaml_node *map, lrd_settings_instance *instance,
                         lrd_settings_limit *limit, const lrd_trail *trail) {
  bool extra = extra_is(reader, instance->type);
  if (!extra && (equals(instance->type, "memory") || (map->kind == LRD_YAML_MAP && !map_has(map, "path")))) {
    lrd_scope_read(reader, LRD_SCOPE_LIMIT, map, limit, 0, trail);
    return;
  }
  if (extra)
    lrd_scope_read(reader, LRD_SCOPE_EXTRA, map, &instance->extra, 0, trail);
  else if (equals(instance->type, "files"))
    lrd_scope_read(reader, LRD_SCOPE_FILES, map, &instance->files, LRD_OPTION_MAIN, trail);
  else
    lrd_scope_read(reader, LRD_SCOPE_SQLITE, map, &instance->sqlite, LRD_OPTION_MAIN, trail);
  const lrd_settings_instance bare = instance_bare(reader, instance->type, instance->place);
  instance->main = !extra && path_same(reader, instance_path(&bare), instance_path(instance));
  for (const lrd_yaml_item *item = map->kind == LRD_YAML_MAP ? map->first : NULL; item != NULL; item = item->next)
    if (item->key->kind == LRD_YAML_SCALAR && !equals(item->key->text, "path")) instance->detailed = true;
}

/* The tier's name of an element and, with `{NAME: {…}}`, the mapping. */
static const char *element_type(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail,
                                const lrd_yaml_node **details) {
  static const char expected[] = "the name of a tier, or one pair of name and mapping";
  *details = NULL;
  if (node->kind != LRD_YAML_MAP) return lrd_scalar_text(reader, node, trail, expected);
  const lrd_yaml_item *item = node->first;
  if (item != NULL && item->next == NULL && item->key->kind == LRD_YAML_SCALAR) {
    *details = item->value->kind == LRD_YAML_NULL ? NULL : item->value;
    return item->key->text;
  }
  char where[LRD_TRAIL_MAX];
  lrd_mistake_add(reader->mistakes, node->place, "%s: found a mapping of %s; expected %s", lrd_trail_text(trail, where),
                  item == NULL ? "nothing" : "several keys", expected);
  return NULL;
}

static bool link_check(lrd_reader *reader, const lrd_settings_policy *policy, size_t instance, lrd_place place,
                       const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  const lrd_settings_instance *one = &reader->settings->instances[instance];
  lrd_trail_text(trail, where);
  for (size_t i = 0; i < policy->chain_len; i++) {
    if (policy->chain[i].instance != instance) continue;
    lrd_mistake_add(reader->mistakes, place, "%s: found %s twice; expected each tier once", where, one->name);
    return false;
  }
  if (equals(one->type, "memory") && policy->chain_len > 0) {
    lrd_mistake_add(reader->mistakes, place, "%s: found memory below %s; expected memory first", where,
                    reader->settings->instances[policy->chain[0].instance].name);
    return false;
  }
  if (policy->chain_len < LRD_CONFIG_CHAIN_MAX) return true;
  lrd_mistake_add(reader->mistakes, place, "%s: found more than %d tiers; expected at most %d", where, LRD_CONFIG_CHAIN_MAX,
                  LRD_CONFIG_CHAIN_MAX);
  return false;
}

static void link_append(lrd_settings_policy *policy, size_t instance, lrd_settings_limit limit) {
  policy->chain[policy->chain_len++] = (lrd_settings_link){.instance = instance, .limit = limit};
}

static bool element_read(lrd_reader *reader, const lrd_yaml_node *node, lrd_settings_policy *policy,
                         const lrd_settings_policy *before, const lrd_trail *trail) {
  const lrd_yaml_node *details = NULL;
  bool skip = false;
  const char *type = element_type(reader, node, trail, &details);
  if (type == NULL || !type_check(reader, type, node->place, trail, &skip)) return false;
  if (skip) {
    char where[LRD_TRAIL_MAX];
    lrd_notice_add(reader->mistakes, node->place, "%s: %s is switched off: the chain goes on without it",
                   lrd_trail_text(trail, where), type);
    return true;
  }
  lrd_settings_instance wanted = instance_bare(reader, type, node->place);
  lrd_settings_limit limit = {0};
  const lrd_trail here = {trail, type};
  if (details != NULL) details_read(reader, details, &wanted, &limit, &here);
  size_t instance = reader->out_of_memory ? SIZE_MAX : instance_take(reader, &wanted, &here);
  if (instance == SIZE_MAX || !link_check(reader, policy, instance, node->place, trail)) return false;
  for (size_t i = 0; details == NULL && i < before->chain_len; i++)
    if (before->chain[i].instance == instance) limit = before->chain[i].limit;
  link_append(policy, instance, limit);
  return true;
}

void lrd_chain_read(lrd_reader *reader, const lrd_yaml_node *node, lrd_settings_policy *policy, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  if (node->kind != LRD_YAML_LIST) {
    lrd_mistake_add(reader->mistakes, node->place, "%s: found %s; expected a list of tiers such as [memory, sqlite]",
                    lrd_trail_text(trail, where), lrd_yaml_kind_text(node));
    return;
  }
  const lrd_settings_policy before = *policy;
  policy->chain_len = 0;
  bool ok = true;
  for (const lrd_yaml_item *item = node->first; item != NULL && !reader->out_of_memory; item = item->next)
    if (!element_read(reader, item->value, policy, &before, trail)) ok = false;
  if (ok && policy->chain_len == 0)
    lrd_mistake_add(reader->mistakes, node->place, "%s: found a chain without a tier; expected at least one",
                    lrd_trail_text(trail, where));
}

void lrd_chain_default(lrd_reader *reader, lrd_settings_policy *policy, lrd_place place) {
  const lrd_settings_cache *cache = &reader->settings->cache;
  policy->chain_len = 0;
  for (int i = 0; i < 2 && !reader->out_of_memory; i++) {
    if (i == 0 ? !cache->memory.enable : !cache->sqlite.enable) continue;
    const lrd_settings_instance wanted = instance_bare(reader, i == 0 ? "memory" : "sqlite", place);
    if (reader->out_of_memory) return;
    const lrd_trail trail = {NULL, "cache"};
    size_t instance = instance_take(reader, &wanted, &trail);
    if (instance != SIZE_MAX) link_append(policy, instance, (lrd_settings_limit){0});
  }
}

/* --- limits -------------------------------------------------------------------------------------------------------- */

static lrd_settings_link *link_find(lrd_reader *reader, lrd_settings_policy *policy, const char *name) {
  lrd_settings_link *found = NULL;
  for (size_t i = 0; i < policy->chain_len; i++) {
    const lrd_settings_instance *one = &reader->settings->instances[policy->chain[i].instance];
    if (equals(one->name, name)) return &policy->chain[i];
    if (equals(one->type, name)) found = found == NULL ? &policy->chain[i] : NULL;
  }
  return found;
}

static void limit_read(lrd_reader *reader, const lrd_yaml_item *item, lrd_settings_policy *policy, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX], expected[LRD_EXPECTED_MAX];
  const char *name = item->key->text;
  lrd_settings_link *link = link_find(reader, policy, name);
  bool skip = false;
  if (link == NULL) {
    size_t type_len = strcspn(name, ":");
    char *type = lrd_config_arena_copy(reader->mistakes->arena, name, type_len);
    if (type == NULL) reader->out_of_memory = true;
    if (type == NULL || !type_check(reader, type, item->key->place, trail, &skip) || skip) return;
    lrd_mistake_add(reader->mistakes, item->key->place,
                    "%s: found %s, which names no one tier of the chain; expected a tier of it", lrd_trail_text(trail, where),
                    lrd_quote(name, item->key->len, quoted));
    return;
  }
  const lrd_trail here = {trail, name};
  if (item->value->kind == LRD_YAML_NULL) return;
  if (item->value->kind == LRD_YAML_MAP) {
    lrd_scope_read(reader, LRD_SCOPE_LIMIT, item->value, &link->limit, 0, &here);
    return;
  }
  const lrd_option *entries = lrd_option_find(LRD_SCOPE_LIMIT, "max_entries");
  lrd_option_expected(entries, expected);
  const char *text = lrd_scalar_text(reader, item->value, &here, "a number of entries or a mapping");
  if (text != NULL && !lrd_option_set(entries, &link->limit, text))
    lrd_mistake_add(reader->mistakes, item->value->place, "%s: found %s; expected %s of entries, or a mapping",
                    lrd_trail_text(&here, where), lrd_quote(item->value->text, item->value->len, quoted), expected);
}

void lrd_chain_limits_read(lrd_reader *reader, const lrd_yaml_node *node, lrd_settings_policy *policy, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  if (node->kind != LRD_YAML_MAP) {
    lrd_mistake_add(reader->mistakes, node->place, "%s: found %s; expected a mapping of tiers to limits",
                    lrd_trail_text(trail, where), lrd_yaml_kind_text(node));
    return;
  }
  for (const lrd_yaml_item *item = node->first; item != NULL && !reader->out_of_memory; item = item->next) {
    if (item->key->kind == LRD_YAML_SCALAR) {
      limit_read(reader, item, policy, trail);
      continue;
    }
    lrd_mistake_add(reader->mistakes, item->key->place, "%s: found %s as a key; expected the name of a tier",
                    lrd_trail_text(trail, where), lrd_yaml_kind_text(item->key));
  }
}
