/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope_read goes over a mapping twice: by the file's order for keys that are unknown or given twice, then by the table's
 * order for values. The switch of a section is its first row, so it is known before the others are read. The depth of
 * recursion is that of the table, not of the file.
 */
#include "config/settings_read.h"

#include "config/agent_read.h"
#include "config/chain.h"
#include "config/config_find.h"
#include "config/health_read.h"
#include "config/import_read.h"
#include "config/interpolate.h"
#include "config/maker_read.h"
#include "config/nearby_read.h"
#include "config/option_value.h"
#include "config/value_read.h"
#include "config/warm_read.h"
#include <larder/nearest.h>
#include <stdio.h>

#define NS_NAME_BYTES_MAX 128

static bool key_is(const lrd_yaml_item *item, const char *name) {
  return name != NULL && item->key != NULL && item->key->kind == LRD_YAML_SCALAR && strcmp(item->key->text, name) == 0;
}

static const lrd_yaml_item *item_of_row(const lrd_yaml_node *map, const lrd_option *row) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next)
    if (key_is(item, row->name) || key_is(item, row->other)) return item;
  return NULL;
}

/* --- keys ---------------------------------------------------------------------------------------------------------- */

static void unknown_key(lrd_reader *reader, lrd_scope scope, const lrd_yaml_node *key, unsigned without,
                        const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX], names[512];
  size_t at = 0;
  names[0] = '\0';
  larder_nearest nearest = {.wanted = key->text};
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL; row = lrd_option_next(scope, row)) {
    if ((row->flags & without) != 0) continue;
    larder_nearest_offer(&nearest, row->name);
    if (row->other != NULL) larder_nearest_offer(&nearest, row->other);
    int written = snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? ", " : "", row->name);
    if (written > 0 && (size_t)written < sizeof names - at) at += (size_t)written;
  }
  lrd_quote(key->text, key->len, quoted);
  const char *near = larder_nearest_best(&nearest);
  if (near != NULL)
    lrd_mistake_add(reader->mistakes, key->place, "%s: found the unknown key %s; expected one of its keys; the nearest is %s",
                    lrd_trail_text(trail, where), quoted, near);
  else
    lrd_mistake_add(reader->mistakes, key->place, "%s: found the unknown key %s; expected one of %.*s",
                    lrd_trail_text(trail, where), quoted, (int)at, names);
}

static void scope_keys_check(lrd_reader *reader, lrd_scope scope, const lrd_yaml_node *map, unsigned without,
                             const lrd_trail *trail) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    if (!lrd_key_check(reader, item, trail)) continue;
    const lrd_option *row = lrd_option_find(scope, item->key->text);
    const lrd_yaml_item *before = lrd_item_before(map, item, row);
    if (before != NULL)
      lrd_key_twice(reader, item, before, trail);
    else if (row == NULL || (row->flags & without) != 0)
      unknown_key(reader, scope, item->key, without, trail);
  }
}

/* --- namespaces ---------------------------------------------------------------------------------------------------- */

static bool ns_name_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_yaml_item *item, const lrd_trail *trail) {
  if (!lrd_key_check(reader, item, trail)) return false;
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
  if (item->key->len == 0 || item->key->len > NS_NAME_BYTES_MAX) {
    lrd_mistake_add(reader->mistakes, item->key->place, "%s: found the name %s; expected 1 to %d bytes",
                    lrd_trail_text(trail, where), lrd_quote(item->key->text, item->key->len, quoted), NS_NAME_BYTES_MAX);
    return false;
  }
  const lrd_yaml_item *before = lrd_item_before(map, item, NULL);
  if (before != NULL) lrd_key_twice(reader, item, before, trail);
  return before == NULL;
}

/* The policy of a name, made from the defaults when it is new. */
static lrd_settings_policy *policy_of(lrd_reader *reader, const char *name) {
  lrd_settings *settings = reader->settings;
  for (size_t i = 0; i < settings->policies_len; i++)
    if (strcmp(settings->policies[i].name, name) == 0) return &settings->policies[i];
  char *copy = lrd_config_arena_copy(&settings->arena, name, strlen(name));
  if (copy == NULL) {
    reader->out_of_memory = true;
    return NULL;
  }
  lrd_settings_policy *policy = &settings->policies[settings->policies_len++];
  *policy = settings->cache.defaults;
  policy->name = copy;
  return policy;
}

static void ttls_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *map, const lrd_trail *trail) {
  if (map->kind != LRD_YAML_MAP) {
    lrd_unexpected_kind(reader, map, trail, "a mapping of namespaces to lifetimes");
    return;
  }
  /* A row for one lifetime: a duration that goes straight to the policy. */
  lrd_option one = *row;
  one.type = LRD_OPTION_DURATION;
  one.offset = offsetof(lrd_settings_policy, ttl_ms);
  for (const lrd_yaml_item *item = map->first; item != NULL && !reader->out_of_memory; item = item->next) {
    if (!ns_name_check(reader, map, item, trail)) continue;
    lrd_settings_policy *policy = policy_of(reader, item->key->text);
    if (policy == NULL) return;
    policy->named_only = true;
    const lrd_trail here = {trail, policy->name};
    if (item->value->kind != LRD_YAML_NULL && lrd_tag_check(reader, item->value, &here))
      lrd_scalar_read(reader, &one, item, policy, &here);
  }
}

static void policies_read(lrd_reader *reader, const lrd_yaml_node *map, const lrd_trail *trail) {
  if (map->kind != LRD_YAML_MAP) {
    lrd_unexpected_kind(reader, map, trail, "a mapping of namespaces to their policies");
    return;
  }
  for (const lrd_yaml_item *item = map->first; item != NULL && !reader->out_of_memory; item = item->next) {
    if (!ns_name_check(reader, map, item, trail)) continue;
    lrd_settings_policy *policy = policy_of(reader, item->key->text);
    if (policy == NULL) return;
    policy->named_only = false;
    const lrd_trail here = {trail, policy->name};
    if (item->value->kind == LRD_YAML_NULL) continue;
    lrd_scope_read(reader, LRD_SCOPE_POLICY, item->value, policy, 0, &here);
    lrd_idle_notice(reader, item->value, policy, &here);
    lrd_agent_idle_notice(reader, item->value, policy, &here);
  }
}

/* --- sections ------------------------------------------------------------------------------------------------------ */

static void root_resolve(lrd_reader *reader) {
  lrd_settings_cache *cache = &reader->settings->cache;
  if (reader->root_override != NULL) cache->root = reader->root_override;
  if (cache->root != NULL) {
    reader->settings->root_given = true;
    return;
  }
  cache->root = lrd_config_default_root(&reader->settings->arena, &reader->out_of_memory);
}

/* What the rows that follow build on. */
static void cache_before_row(lrd_reader *reader, const lrd_option *row, lrd_place place) {
  lrd_settings_cache *cache = &reader->settings->cache;
  if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_MEMORY) root_resolve(reader);
  if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_POLICY) {
    cache->defaults.memory_policy = cache->memory.policy;
    cache->defaults.compression = cache->compression;
    cache->sqlite.path = lrd_config_path(reader, cache->root, cache->sqlite.path);
    cache->files.path = cache->files.path == NULL ? cache->root : lrd_config_path(reader, cache->root, cache->files.path);
    if (reader->out_of_memory) return;
    lrd_chain_default(reader, &cache->defaults, place);
  }
}

/* A section of a namespace or of the defaults; what it is about is wanted there, unless it says otherwise. */
static void section_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, void *section,
                         const lrd_trail *here) {
  void *inside = (char *)section + row->offset;
  if (row->inside == LRD_SCOPE_REDIS) reader->settings->redis_given = true;
  if ((row->flags & LRD_OPTION_SHORT) != 0 && item->value->kind == LRD_YAML_SCALAR) {
    if (row->inside == LRD_SCOPE_SEAL) ((lrd_settings_seal *)inside)->fields = NULL; /* the short form means whole values */
    if (row->inside == LRD_SCOPE_HEALTH) ((lrd_settings_health *)inside)->given = true;
    lrd_scalar_read(reader, lrd_option_next(row->inside, NULL), item, inside, here);
    return;
  }
  if (row->scope == LRD_SCOPE_POLICY && row->inside == LRD_SCOPE_COMPRESSION)
    ((lrd_settings_compression *)inside)->enable = true;
  if (row->inside == LRD_SCOPE_MAKER) lrd_maker_clear(inside);
  if (row->inside == LRD_SCOPE_HEALTH) ((lrd_settings_health *)inside)->given = true;
  if (row->inside == LRD_SCOPE_PREDICT) ((lrd_settings_predict *)inside)->given = true;
  if (row->inside == LRD_SCOPE_AGENT) ((lrd_settings_agent *)inside)->given = true;
  if (row->inside == LRD_SCOPE_CHECK) lrd_check_clear(inside);
  if (row->inside == LRD_SCOPE_IMPORT) *(lrd_config_import *)inside = (lrd_config_import){.given = true};
  lrd_scope_read(reader, row->inside, item->value, inside, 0, here);
}

/* Where a section keeps the variables of its texts; NULL: nowhere. */
static const char *const **variables_of(lrd_scope scope, void *inside) {
  if (scope == LRD_SCOPE_MAKER) return &((lrd_settings_maker *)inside)->variables;
  if (scope == LRD_SCOPE_CHECK) return &((lrd_settings_check *)inside)->variables;
  return scope == LRD_SCOPE_IMPORT ? &((lrd_config_import *)inside)->variables : NULL;
}

/* With the variables of its texts: what they hold is not to be shown. */
static void section_with_variables(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, void *section,
                                   const lrd_trail *here, const char *const **out) {
  lrd_variables seen = {.arena = &reader->settings->arena};
  reader->seen = &seen;
  section_read(reader, row, item, section, here);
  reader->seen = NULL;
  if (seen.len == 0) return;
  *out = lrd_variables_list(&seen);
  if (*out == NULL) reader->out_of_memory = true;
}

static void section_of_row_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, void *section,
                                const lrd_trail *here) {
  const char *const **variables = variables_of(row->inside, (char *)section + row->offset);
  if (variables != NULL)
    section_with_variables(reader, row, item, section, here, variables);
  else
    section_read(reader, row, item, section, here);
}

static void row_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, void *section,
                     const lrd_trail *trail) {
  const lrd_trail here = {trail, row->name};
  if (item->value->kind == LRD_YAML_NULL) return; /* nothing written is nothing said */
  if (row->type == LRD_OPTION_ANY) {
    lrd_needs_check(reader, row, item, section, &here);
    return;
  }
  if (!lrd_tag_check(reader, item->value, &here)) return;
  switch (row->type) {
  case LRD_OPTION_SECTION:
    section_of_row_read(reader, row, item, section, &here);
    break;
  case LRD_OPTION_TTLS:
    ttls_read(reader, row, item->value, &here);
    break;
  case LRD_OPTION_POLICIES:
    policies_read(reader, item->value, &here);
    break;
  case LRD_OPTION_CHAIN:
    lrd_chain_read(reader, item->value, section, &here);
    break;
  case LRD_OPTION_LIMITS:
    lrd_chain_limits_read(reader, item->value, section, &here);
    break;
  case LRD_OPTION_NAMES:
    lrd_names_read(reader, row, item->value, section, &here);
    break;
  case LRD_OPTION_WARM:
    lrd_warm_read(reader, item->value, section, &here);
    break;
  case LRD_OPTION_ARGV:
    lrd_argv_read(reader, row, item->value, section, &here);
    break;
  case LRD_OPTION_PAIRS:
    lrd_pairs_read(reader, row, item->value, section, &here);
    break;
  default:
    lrd_scalar_read(reader, row, item, section, &here);
    break;
  }
}

/* Values that are right each, but not together. */
static void scope_after(lrd_reader *reader, lrd_scope scope, const lrd_yaml_node *map, void *section, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
  if (scope == LRD_SCOPE_MAKER) lrd_maker_check(reader, map, section, trail);
  if (scope == LRD_SCOPE_NEARBY) lrd_nearby_check(reader, map, section, trail);
  if (scope == LRD_SCOPE_IMPORT) lrd_import_check(reader, map, section, trail);
  if (scope == LRD_SCOPE_AGENT) lrd_agent_check(reader, map, section, trail);
  if (scope == LRD_SCOPE_HEALTH) lrd_health_check(reader, map, section, trail);
  if (scope == LRD_SCOPE_CHECK) lrd_check_check(reader, map, section, trail);
  if (scope == LRD_SCOPE_SEAL && item_of_row(map, lrd_option_find(scope, "fields")) != NULL &&
      item_of_row(map, lrd_option_find(scope, "algorithm")) == NULL) {
    lrd_settings_seal *seal = section;
    if (seal->algorithm == 0) seal->algorithm = 1;
  }
  if (scope == LRD_SCOPE_COMPRESSION) {
    const lrd_settings_compression *pack = section;
    const lrd_option *codec = lrd_option_find(scope, "codec"), *level = lrd_option_find(scope, "level");
    const lrd_yaml_item *item = item_of_row(map, level), *named = item_of_row(map, codec);
    char name[32];
    lrd_option_choice(codec, pack->codec, name);
    /* One that a variable holds, perhaps of another section, is not told. */
    bool const plain = named != NULL && named->value->kind == LRD_YAML_SCALAR && strcmp(named->value->text, name) == 0;
    if (item != NULL && item->value->kind == LRD_YAML_SCALAR && pack->level > 9 && strcmp(name, "zstd") != 0)
      lrd_mistake_add(reader->mistakes, item->value->place, "%s.level: found %s; expected 0 to 9 with %s%s",
                      lrd_trail_text(trail, where), lrd_quote(item->value->text, item->value->len, quoted),
                      plain ? "the codec " : "its codec", plain ? name : "");
  }
}

void lrd_scope_read(lrd_reader *reader, lrd_scope scope, const lrd_yaml_node *map, void *section, unsigned without,
                    const lrd_trail *trail) {
  if (!lrd_tag_check(reader, map, trail)) return;
  if (map->kind != LRD_YAML_MAP) {
    lrd_unexpected_kind(reader, map, trail, "a mapping");
    return;
  }
  scope_keys_check(reader, scope, map, without, trail);
  const bool disabled_outside = reader->disabled;
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL && !reader->out_of_memory;
       row = lrd_option_next(scope, row)) {
    if (scope == LRD_SCOPE_CACHE) cache_before_row(reader, row, map->place);
    if ((row->flags & without) != 0) continue;
    const lrd_yaml_item *item = item_of_row(map, row);
    if (item != NULL) row_read(reader, row, item, section, trail);
    bool is_switch = (row->flags & LRD_OPTION_SWITCH) != 0;
    if (is_switch && !*(const bool *)((const char *)section + row->offset)) reader->disabled = true;
  }
  reader->disabled = disabled_outside;
  scope_after(reader, scope, map, section, trail);
}

static size_t map_length(const lrd_yaml_node *cache, const char *name) {
  size_t count = 0;
  for (const lrd_yaml_item *item = cache->first; item != NULL; item = item->next) {
    if (!key_is(item, name) || item->value->kind != LRD_YAML_MAP) continue;
    for (const lrd_yaml_item *one = item->value->first; one != NULL; one = one->next) count++;
  }
  return count;
}

/* The section `cache`; all others are other people's. */
static const lrd_yaml_node *cache_find(lrd_reader *reader, const lrd_yaml_node *root, bool from_file) {
  static const lrd_yaml_node none = {.kind = LRD_YAML_MAP, .place = {1, 1}};
  const lrd_yaml_item *found = NULL;
  if (root != NULL && root->kind != LRD_YAML_MAP && root->kind != LRD_YAML_NULL) {
    lrd_mistake_add(reader->mistakes, root->place, "found %s; expected a mapping with the section cache",
                    lrd_yaml_kind_text(root));
    return &none;
  }
  for (const lrd_yaml_item *item = root == NULL ? NULL : root->first; item != NULL; item = item->next) {
    if (!key_is(item, "cache")) continue;
    if (found != NULL)
      lrd_key_twice(reader, item, found, &(lrd_trail){NULL, "the file"});
    else
      found = item;
  }
  if (found == NULL && from_file) {
    const lrd_yaml_item *near_item = NULL;
    for (const lrd_yaml_item *item = root == NULL ? NULL : root->first; item != NULL && near_item == NULL; item = item->next) {
      if (item->key->kind != LRD_YAML_SCALAR) continue;
      larder_nearest nearest = {.wanted = item->key->text};
      larder_nearest_offer(&nearest, "cache");
      if (nearest.near[0] != '\0') near_item = item; /* what only begins alike is another program's */
    }
    lrd_notice_add(reader->mistakes, near_item == NULL ? (lrd_place){1, 1} : near_item->key->place,
                   near_item == NULL ? "the file has no section cache: the defaults are in force"
                                     : "the file has no section cache: the defaults are in force (is this one meant?)");
  }
  return found == NULL || found->value->kind == LRD_YAML_NULL ? &none : found->value;
}

/* Instances that no chain names in the end (of the default chain, when `defaults` has its own) go. */
static void instances_compact(lrd_reader *reader) {
  lrd_settings *settings = reader->settings;
  size_t *moved = lrd_config_arena_alloc(reader->mistakes->arena, (settings->instances_len + 1) * sizeof *moved);
  if (moved == NULL) {
    reader->out_of_memory = true;
    return;
  }
  for (size_t p = 0; p <= settings->policies_len; p++) {
    const lrd_settings_policy *policy = p == 0 ? &settings->cache.defaults : &settings->policies[p - 1];
    for (size_t i = 0; i < policy->chain_len; i++) moved[policy->chain[i].instance] = 1;
  }
  size_t kept = 0;
  for (size_t i = 0; i < settings->instances_len; i++) {
    if (moved[i] == 0) continue;
    if (strcmp(settings->instances[i].type, "memory") != 0) settings->root_wanted = true;
    settings->instances[kept] = settings->instances[i];
    moved[i] = kept++;
  }
  settings->instances_len = kept;
  for (size_t p = 0; p <= settings->policies_len; p++) {
    lrd_settings_policy *policy = p == 0 ? &settings->cache.defaults : &settings->policies[p - 1];
    for (size_t i = 0; i < policy->chain_len; i++) policy->chain[i].instance = moved[policy->chain[i].instance];
  }
}

void lrd_settings_read(lrd_reader *reader, const lrd_yaml_node *root, bool from_file) {
  lrd_settings *settings = reader->settings;
  const lrd_yaml_node *cache = cache_find(reader, root, from_file);
  size_t policies_max = map_length(cache, "ttl_policies") + map_length(cache, "namespaces");
  settings->policies = lrd_config_arena_alloc(&settings->arena, (policies_max + 1) * sizeof *settings->policies);
  if (settings->policies == NULL) {
    reader->out_of_memory = true;
    return;
  }
  lrd_option_set_defaults(LRD_SCOPE_CACHE, &settings->cache);
  const lrd_trail trail = {NULL, "cache"};
  lrd_scope_read(reader, LRD_SCOPE_CACHE, cache, &settings->cache, 0, &trail);
  if (reader->out_of_memory) return;
  if (settings->cache.defaults.chain_len == 0 && reader->mistakes->count == 0)
    lrd_mistake_add(reader->mistakes, cache->place,
                    "cache: found neither memory nor sqlite enabled; expected at least one tier");
  lrd_agent_files_check(reader, cache);
  instances_compact(reader);
}
