/* SPDX-License-Identifier: Apache-2.0 */
#include "config/agent_read.h"

#include "config/chain.h"
#include "config/value_read.h"

static const lrd_yaml_item *key_of(const lrd_yaml_node *map, const char *name) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next)
    if (item->key->kind == LRD_YAML_SCALAR && strcmp(item->key->text, name) == 0) return item;
  return NULL;
}

static const lrd_yaml_item *item_of(const lrd_yaml_node *map, const char *name) {
  const lrd_yaml_item *item = key_of(map, name);
  return item != NULL && item->value->kind != LRD_YAML_NULL ? item : NULL;
}

void lrd_agent_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_agent *agent, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  const lrd_yaml_item *last = item_of(map, "epsilon_last"), *first = item_of(map, "epsilon");
  const lrd_yaml_item *named = last != NULL ? last : first;
  if (agent->epsilon_last <= agent->epsilon || named == NULL) return;
  lrd_mistake_add(reader->mistakes, named->value->place,
                  "%s.epsilon_last: found more than epsilon; expected no more by chance in the end than at first",
                  lrd_trail_text(trail, where));
}

static bool has_memory(const lrd_reader *reader, const lrd_settings_policy *policy) {
  for (size_t i = 0; i < policy->chain_len; i++)
    if (strcmp(reader->settings->instances[policy->chain[i].instance].type, "memory") == 0) return true;
  return false;
}

/* What an agent of the policy lacks to decide anything; NULL: nothing. */
static const char *agent_lacks(const lrd_reader *reader, const lrd_settings_policy *policy) {
  return policy->maker.type == LRD_MAKER_NONE       ? "the namespace has no maker"
         : !policy->predict.enable                  ? "`predict` of the namespace is not enabled"
         : !reader->settings->cache.prefetch.enable ? "`prefetch` is switched off"
         : !has_memory(reader, policy)              ? "the namespace has no memory in its chain"
                                                    : NULL;
}

void lrd_agent_idle_notice(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_policy *policy,
                           const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  const lrd_yaml_item *agent = map->kind == LRD_YAML_MAP ? item_of(map, "agent") : NULL;
  if (agent == NULL || !policy->agent.enable) return;
  const char *lacks = agent_lacks(reader, policy);
  if (lacks != NULL)
    lrd_notice_add(reader->mistakes, agent->key->place, "%s.agent: nothing is decided, since %s", lrd_trail_text(trail, where),
                   lacks);
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

/* What an agent keeps, and where that is said. */
typedef struct kept_file {
  const lrd_settings_policy *policy;
  const char *path; /* folded */
  lrd_place place;  /* of the file, else of the namespace that has it of the defaults */
} kept_file;

static const lrd_yaml_item *item_inside(const lrd_yaml_item *outer, const char *name) {
  return outer != NULL && outer->value->kind == LRD_YAML_MAP ? item_of(outer->value, name) : NULL;
}

static const lrd_yaml_item *key_inside(const lrd_yaml_item *outer, const char *name) {
  return outer != NULL && outer->value->kind == LRD_YAML_MAP ? key_of(outer->value, name) : NULL;
}

static lrd_place file_place(const lrd_yaml_node *cache, const char *ns) {
  const lrd_yaml_item *space = key_inside(item_of(cache, "namespaces"), ns);
  const lrd_yaml_item *file = item_inside(item_inside(space, "agent"), "file");
  if (space == NULL) space = key_inside(item_of(cache, "ttl_policies"), ns);
  return file != NULL ? file->value->place : space != NULL ? space->key->place : cache->place;
}

static bool is_before(lrd_place one, lrd_place other) {
  return one.line < other.line || (one.line == other.line && one.column < other.column);
}

/* Those whose agents have something to decide; how many. */
static size_t files_gather(lrd_reader *reader, const lrd_yaml_node *cache, kept_file *out) {
  const lrd_settings *settings = reader->settings;
  size_t count = 0;
  for (size_t i = 0; i < settings->policies_len; i++) {
    const lrd_settings_policy *policy = &settings->policies[i];
    if (!policy->agent.enable || policy->agent.file == NULL || agent_lacks(reader, policy) != NULL) continue;
    out[count] = (kept_file){policy, lrd_path_folded(reader, policy->agent.file), file_place(cache, policy->name)};
    if (out[count++].path == NULL) return 0;
  }
  return count;
}

void lrd_agent_files_check(lrd_reader *reader, const lrd_yaml_node *cache) {
  char quoted[LRD_QUOTED_MAX];
  kept_file *files = lrd_config_arena_alloc(reader->mistakes->arena, (reader->settings->policies_len + 1) * sizeof *files);
  if (files == NULL) {
    reader->out_of_memory = true;
    return;
  }
  size_t count = files_gather(reader, cache, files);
  for (size_t i = 0; i < count; i++) {
    const kept_file *first = &files[i];
    for (size_t other = 0; other < count; other++)
      if (strcmp(files[other].path, first->path) == 0 && is_before(files[other].place, first->place)) first = &files[other];
    if (first == &files[i]) continue;
    const char *path = files[i].policy->agent.file;
    lrd_mistake_add(reader->mistakes, files[i].place,
                    "cache.namespaces.%s.agent.file: found %s, which namespace %s has at line %d; expected a file of its own",
                    files[i].policy->name, lrd_quote(path, strlen(path), quoted), first->policy->name, first->place.line);
  }
}
