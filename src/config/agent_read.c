/* SPDX-License-Identifier: Apache-2.0 */
#include "config/agent_read.h"

#include "config/value_read.h"

static const lrd_yaml_item *item_of(const lrd_yaml_node *map, const char *name) {
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next)
    if (item->key->kind == LRD_YAML_SCALAR && strcmp(item->key->text, name) == 0 && item->value->kind != LRD_YAML_NULL)
      return item;
  return NULL;
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

void lrd_agent_idle_notice(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_policy *policy,
                           const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  const lrd_yaml_item *agent = map->kind == LRD_YAML_MAP ? item_of(map, "agent") : NULL;
  if (agent == NULL || !policy->agent.enable) return;
  const char *lacks = policy->maker.type == LRD_MAKER_NONE       ? "the namespace has no maker"
                      : !policy->predict.enable                  ? "`predict` of the namespace is not enabled"
                      : !reader->settings->cache.prefetch.enable ? "`prefetch` is switched off"
                      : !has_memory(reader, policy)              ? "the namespace has no memory in its chain"
                                                                 : NULL;
  if (lacks != NULL)
    lrd_notice_add(reader->mistakes, agent->key->place, "%s.agent: nothing is decided, since %s", lrd_trail_text(trail, where),
                   lacks);
}
