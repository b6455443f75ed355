/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces by handle, and the opening of tier instances. A handle lives as long as its cache; its policy is what the
 * configuration says of its name. An instance that had to be replaced is bound anew: spaces may have other numbers there.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/path.h"
#include "checker.h"
#include "health.h"
#include "makers.h"
#include <stdio.h>

#define ROOM          "namespace"
#define ENTER_WAIT_NS INT64_C(10000000000) /* as long as a check after an unclean stop may take */
#define ENTER_NAP_NS  2000000

/*
 * Where nobody else on the host has the tier open, nobody may open it while we check, mend or migrate it. An onlooker, whom
 * no joining lock holds back, waits for who does so.
 */
static bool instance_enter(lrd_instance *instance) {
  larder *cache = instance->cache;
  int64_t began_ns = lrd_mono_ns(cache->clock);
  if (!lrd_cache_onlooker(cache) && lrd_slots_tier_enter(cache->slots, instance->number, true)) {
    return true;
  }
  while (!lrd_slots_tier_enter(cache->slots, instance->number, false)) {
    if (!lrd_cache_onlooker(cache) || lrd_mono_ns(cache->clock) - began_ns > ENTER_WAIT_NS) {
      return false;
    }
    cache->clock->sleep_ns(cache->clock, ENTER_NAP_NS);
  }
  return true;
}

larder_err lrd_instance_open(lrd_instance *instance, larder_error *err) {
  larder *cache = instance->cache;
  uint64_t generation = 0;
  if (instance->shared && !instance_enter(instance)) {
    return lrd_fail(err, LARDER_EBUSY, 0, ROOM, "tier %s is being replaced by another process", instance->tier.name);
  }
  if (instance->shared) {
    (void)lrd_slots_trust(cache->slots, instance->number, &generation);
  }
  larder_tier_params params = {.size = sizeof params,
                               .root = cache->root,
                               .path = instance->config->path,
                               .seed = cache->seed,
                               .bytes_max = instance->config->bytes_max,
                               .entries_max = instance->config->entries_max,
                               .generation = generation,
                               .options = instance->config->options,
                               .host = lrd_host_of(cache, instance),
                               .read_only = lrd_cache_onlooker(cache)};
  larder_err result = lrd_tier_open(&instance->tier, &params, err);
  if (!instance->shared) {
    return result;
  }
  if (result != LARDER_OK) {
    lrd_slots_tier_leave(cache->slots, instance->number);
    return result;
  }
  instance->entered = lrd_slots_tier_enter(cache->slots, instance->number, false);
  return LARDER_OK;
}

typedef struct name_search {
  const char *name;
  bool found;
} name_search;

static bool name_compare(void *context, uint32_t space, const char *name) {
  name_search *search = context;
  (void)space;
  search->found = strcmp(name, search->name) == 0;
  return !search->found;
}

static larder_err link_bind_made(larder_ns *ns, lrd_link *link) {
  uint32_t space = LRD_SPACE_NONE;
  larder_tier_space params = {
      .size = sizeof params, .name = ns->name, .bytes_max = link->limits->bytes_max, .entries_max = link->limits->entries_max};
  larder_err result = lrd_tier_bind(&link->instance->tier, &params, &space);
  if (result < 0 && result != LARDER_ENOMEM && lrd_cache_onlooker(ns->cache)) {
    return LARDER_OK; /* it stays as it is, and is looked for again */
  }
  if (result == LARDER_OK) {
    atomic_store(&link->space, space);
  }
  return result;
}

/* Binding a name makes it where it is new, which an onlooker can't: there it is bound when somebody has made it. */
static larder_err link_bind(larder_ns *ns, lrd_link *link) {
  name_search search = {.name = ns->name};
  if (lrd_cache_onlooker(ns->cache)) {
    atomic_store(&link->space, LRD_SPACE_NONE);
    if (link->instance->tier.ops->spaces) {
      lrd_ignore(lrd_tier_spaces(&link->instance->tier, name_compare, &search)); /* away: looked for again */
      if (!search.found) {
        return LARDER_OK;
      }
    }
  }
  return link_bind_made(ns, link);
}

/* Makes a whole namespace known to the callbacks of its tiers. */
static void ns_publish(larder_ns *ns) {
  if (ns->memory && ns->memory_space < LRD_NS_MAX) {
    atomic_store(&ns->cache->memory_by_space[ns->memory_space], ns);
  }
  for (size_t i = 0; i < ns->links_len; i++) {
    uint32_t space = atomic_load(&ns->links[i].space);
    if (space < LRD_NS_MAX) {
      atomic_store(&ns->links[i].instance->by_space[space], ns);
    }
  }
}

larder_err lrd_instance_rebind(lrd_instance *instance) {
  larder_err result = LARDER_OK;
  lrd_lock(&instance->cache->ns_mutex); /* or a namespace that is being opened would be missed */
  for (size_t i = 0; i < LRD_NS_MAX; i++) {
    atomic_store(&instance->by_space[i], NULL);
  }
  for (uint32_t i = 0; i < atomic_load(&instance->cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&instance->cache->spaces[i]);
    for (size_t k = 0; k < ns->links_len && result == LARDER_OK; k++) {
      if (ns->links[k].instance == instance) {
        result = link_bind(ns, &ns->links[k]);
      }
    }
    ns_publish(ns);
  }
  lrd_unlock(&instance->cache->ns_mutex);
  return result;
}

/* --- an onlooker's namespaces that nobody had made yet ------------------------------------------------------------------ */

static lrd_link *link_unbound(larder_ns *ns, const lrd_instance *instance) {
  for (size_t i = 0; i < ns->links_len; i++) {
    if (ns->links[i].instance == instance && atomic_load(&ns->links[i].space) == LRD_SPACE_NONE) {
      return &ns->links[i];
    }
  }
  return NULL;
}

typedef struct space_search {
  lrd_instance *instance;
  bool found[LRD_NS_MAX];
} space_search;

static bool space_compare(void *context, uint32_t space, const char *name) {
  space_search *search = context;
  larder *cache = search->instance->cache;
  (void)space;
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    search->found[i] = search->found[i] || (link_unbound(ns, search->instance) && strcmp(ns->name, name) == 0);
  }
  return true;
}

static bool any_unbound(larder *cache, const lrd_instance *instance) {
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    if (link_unbound(atomic_load(&cache->spaces[i]), instance)) {
      return true;
    }
  }
  return false;
}

void lrd_spaces_look(larder *cache) {
  for (size_t i = 0; i < cache->instances_len; i++) {
    space_search search = {.instance = &cache->instances[i]};
    if (!lrd_instance_answers(search.instance) || !any_unbound(cache, search.instance) ||
        lrd_tier_spaces(&search.instance->tier, space_compare, &search) < 0) {
      continue;
    }
    lrd_lock(&cache->ns_mutex);
    for (uint32_t k = 0; k < LRD_NS_MAX; k++) {
      if (search.found[k]) {
        larder_ns *ns = atomic_load(&cache->spaces[k]);
        lrd_ignore(link_bind_made(ns, link_unbound(ns, search.instance))); /* looked for again at the next tick */
        ns_publish(ns);
      }
    }
    lrd_unlock(&cache->ns_mutex);
  }
}

static lrd_instance *instance_of(larder *cache, size_t config_tier) {
  for (size_t i = 0; i < cache->instances_len; i++) {
    if (cache->instances[i].config == &cache->config->tiers[config_tier]) {
      return &cache->instances[i];
    }
  }
  return NULL;
}

/* Of which namespace it is a companion, or NULL. */
static const char *companion_of(const char *name) {
  static const char *const prefixes[] = {LRD_COMPANION_HEALTH, LRD_COMPANION_HISTORY};
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
    size_t const len = strlen(prefixes[i]);
    if (strncmp(name, prefixes[i], len) == 0 && name[len] != 0) {
      return name + len;
    }
  }
  return NULL;
}

/* Under which name its figures are kept, which are no user's: all companions have one of the few places that there are. */
static lrd_stats_cell *cell_of(const larder_ns *ns, const char *tier) {
  return lrd_stats_cell_of(ns->cache->stats, companion_of(ns->name) ? LRD_COMPANION_STATS : ns->name, tier);
}

static larder_err bind_memory(larder_ns *ns, const lrd_config_link *limits, larder_error *err) {
  larder *cache = ns->cache;
  larder_tier_space params = {.size = sizeof params,
                              .name = ns->name,
                              .bytes_max = limits->bytes_max,
                              .entries_max = limits->entries_max,
                              .policy = ns->policy.memory_policy};
  larder_err result = cache->memory_tier.ops->bind(cache->memory, &params, &ns->memory_space);
  if (result != LARDER_OK) {
    return lrd_fail(err, result, 0, ROOM, "namespace %s: the memory tier takes no further namespace or does not know policy %s",
                    ns->name, ns->policy.memory_policy ? ns->policy.memory_policy : "(default)");
  }
  ns->memory = cache->memory;
  atomic_store(&ns->straight, ns->log_hits ? NULL : cache->memory);
  atomic_store(&ns->straight_heard, ns->log_hits ? NULL : cache->memory);
  ns->memory_cell = cell_of(ns, LRD_STATS_MEMORY);
  return LARDER_OK;
}

/* The chain as configured. A shared tier that is away is bound when it is back. */
static larder_err chain_build(larder_ns *ns, larder_error *err) {
  larder *cache = ns->cache;
  size_t text_len = 0;
  for (size_t i = 0; i < ns->policy.chain_len; i++) {
    const lrd_config_link *limits = &ns->policy.chain[i];
    const lrd_config_tier *tier = &cache->config->tiers[limits->tier];
    text_len += (size_t)snprintf(ns->tiers_text + text_len, sizeof ns->tiers_text - text_len, "%s%s", i ? " " : "", tier->name);
    if (text_len >= sizeof ns->tiers_text) {
      text_len = sizeof ns->tiers_text - 1;
    }
    if (strcmp(tier->type, "memory") == 0) {
      /* memory of size 0: the rest of the chain does without */
      if (!cache->memory) {
        continue;
      }
      larder_err result = bind_memory(ns, limits, err);
      if (result != LARDER_OK) {
        return result;
      }
      continue;
    }
    lrd_instance *instance = instance_of(cache, limits->tier);
    if (!instance) {
      return lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "namespace %s: tier %s is not open", ns->name, tier->name);
    }
    lrd_link *link = &ns->links[ns->links_len++];
    *link = (lrd_link){.instance = instance, .limits = limits, .cell = cell_of(ns, tier->name)};
    lrd_stats_cell_share(link->cell);
    larder_err result = link_bind(ns, link);
    if (result < 0 && result != LARDER_ENOMEM && cache->config->graceful_mode) {
      atomic_store(&instance->broken, true); /* nothing may use the link unbound; the keeper reopens and binds it */
      result = LARDER_OK;
    }
    if (result != LARDER_OK) {
      return lrd_fail(err, result, 0, ROOM, "namespace %s can't be made in tier %s: %s", ns->name, tier->name,
                      larder_err_text(result));
    }
  }
  if (ns->links_len > 0) {
    ns->words = lrd_slots_base(cache->slots, &ns->shift);
  }
  return LARDER_OK;
}

static void flush_tick(void *pending) { (void)lrd_pending_flush(pending); /* what stays is tried again at the next tick */ }

/* Keeps `behind` where it means something, and starts what it needs. */
static larder_err behind_start(larder_ns *ns, larder_error *err) {
  larder *cache = ns->cache;
  if (ns->policy.durability != LARDER_DURABILITY_BEHIND || ns->links_len == 0 || lrd_cache_onlooker(cache)) {
    return LARDER_OK;
  }
  if (!cache->pending) {
    lrd_pending *pending = NULL;
    larder_err result = lrd_pending_new(cache, &pending);
    if (result == LARDER_OK && cache->clock == lrd_clock_real()) {
      result = lrd_ticker_start(&cache->flusher, "larder-flush", INT64_C(50000000), flush_tick, pending);
    }
    if (result == LARDER_OK) {
      cache->pending = pending;
    } else {
      lrd_pending_free(pending);
      return lrd_fail(err, result, 0, ROOM, "the thread that writes behind could not be started");
    }
  }
  ns->behind = true;
  ns->queued = lrd_pending_count(cache->pending);
  return LARDER_OK;
}

static void ns_free(larder_ns *ns) {
  if (!ns) {
    return;
  }
  lrd_checker_free(ns->checker);
  lrd_ns_maker_close(ns);
  lrd_dealloc(ns->name);
  lrd_dealloc(ns);
}

/*
 * Former values lie in the tier that decides alone, as durable as the entries: no faster tier has to make room for them. A key
 * has as many of them as are kept, and their list.
 */
static void history_policy(lrd_config_ns *policy) {
  policy->chain[0] = policy->chain[policy->chain_len - 1];
  policy->chain_len = 1;
  policy->chain[0].entries_max *= policy->versions_max + 1;
  if (policy->durability == LARDER_DURABILITY_BEHIND) {
    policy->durability = LARDER_DURABILITY_COMMIT;
  }
}

void lrd_ns_policy(const lrd_config *config, const char *name, lrd_config_ns *out) {
  lrd_config_ns scratch;
  const char *of = companion_of(name);
  *out = *lrd_config_ns_find(config, of ? of : name, &scratch);
  if (out->versions_max > 0 && out->durability == LARDER_DURABILITY_BEHIND) {
    out->durability = LARDER_DURABILITY_COMMIT; /* what a put replaces has to be known */
  }
  if (name[0] != '.') {
    return;
  }
  if (strncmp(name, LRD_COMPANION_HISTORY, strlen(LRD_COMPANION_HISTORY)) == 0) {
    history_policy(out);
  } else {
    out->durability = LARDER_DURABILITY_COMMIT; /* written on the way out, when nothing is behind any more */
  }
  out->max_entry_bytes = 0;
  out->kind = LARDER_KIND_BYTES;
  out->maker = (lrd_config_maker){0};
  out->health.check = (lrd_config_check){0};
  out->version = NULL;
  out->versions_max = 0;
  out->coding.seal_fields = NULL;
  if (!of) {
    out->coding = (lrd_config_coding){0};
  }
}

larder_err lrd_ns_companion(larder_ns *ns, const char *prefix, larder_ns **out) {
  char name[LRD_NS_NAME_MAX + 1];
  int const len = snprintf(name, sizeof name, "%s%s", prefix, ns->name);
  return len < 0 || (size_t)len >= sizeof name ? LARDER_EINVAL : lrd_ns_open_any(ns->cache, name, out, NULL);
}

static larder_err ns_new(larder *cache, const char *name, larder_ns **out, larder_error *err) {
  larder_ns *ns = lrd_alloc_zero(1, sizeof *ns);
  larder_err result = LARDER_ENOMEM;
  if (!ns || !(ns->name = lrd_strdup(name))) {
    result = lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
    goto out;
  }
  ns->cache = cache;
  ns->seed = lrd_hash_seed_for(cache->seed, name);
  lrd_ns_policy(cache->config, name, &ns->policy);
  ns->policy.name = ns->name;
  ns->version = lrd_version_hash(ns->policy.version);
  ns->cell = cell_of(ns, LRD_STATS_ALL);
  ns->log_hits = cache->config->log_cache_hits && lrd_log_wants(&cache->log, LRD_LOG_DEBUG) && name[0] != '.';
  if ((result = chain_build(ns, err)) != LARDER_OK || (result = lrd_coding_init(ns, err)) != LARDER_OK ||
      (result = behind_start(ns, err)) != LARDER_OK || (result = lrd_ns_maker_open(ns, err)) != LARDER_OK ||
      (result = lrd_checker_new(ns, &ns->checker, err)) != LARDER_OK ||
      (cache->space_opened && (result = cache->space_opened(ns, err)) != LARDER_OK)) {
    goto out;
  }
  *out = ns;
  ns = NULL;
out:
  ns_free(ns);
  return result;
}

static larder_ns *ns_find(larder *cache, const char *name) {
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    if (strcmp(ns->name, name) == 0) {
      return ns;
    }
  }
  return NULL;
}

larder_err larder_ns_open(larder *cache, const char *name, larder_ns **out, larder_error *err) {
  if (!cache || !name || !out || name[0] == 0 || name[0] == '.' || strlen(name) > LRD_NS_NAME_MAX) {
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a namespace has a name of 1 to %u bytes that does not begin with a dot",
                    LRD_NS_NAME_MAX);
  }
  larder_err result = lrd_ns_open_any(cache, name, out, err);
  if (result == LARDER_OK) {
    lrd_health_begin(*out);
  }
  return result;
}

larder_err lrd_ns_open_any(larder *cache, const char *name, larder_ns **out, larder_error *err) {
  larder_err result = LARDER_OK;
  if (atomic_load(&cache->forked)) {
    return lrd_fail(err, LARDER_EFORKED, 0, ROOM, "%s", larder_err_text(LARDER_EFORKED));
  }
  lrd_lock(&cache->ns_mutex);
  larder_ns *ns = ns_find(cache, name);
  if (!ns) {
    uint32_t len = atomic_load(&cache->spaces_len);
    if (len == LRD_NS_MAX) {
      result = lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "a cache holds at most %u namespaces", LRD_NS_MAX);
    } else {
      result = ns_new(cache, name, &ns, err);
    }
    if (result == LARDER_OK && ns) {
      ns_publish(ns);
      atomic_store(&cache->spaces[len], ns);
      atomic_store(&cache->spaces_len, len + 1);
      lrd_checker_start(ns->checker);
    }
  }
  lrd_unlock(&cache->ns_mutex);
  if (result == LARDER_OK) {
    *out = ns;
  }
  return result;
}

const char *larder_ns_name(const larder_ns *ns) { return ns ? ns->name : NULL; }

/* --- names ----------------------------------------------------------------------------------------------------------- */

typedef struct name_list {
  char *names[1024];
  size_t len;
  bool companions;
  larder_err result;
} name_list;

static bool name_add(name_list *list, const char *name) {
  if (name[0] == '.' && !(list->companions && companion_of(name))) {
    return true;
  }
  for (size_t i = 0; i < list->len; i++) {
    if (strcmp(list->names[i], name) == 0) {
      return true;
    }
  }
  if (list->len == sizeof list->names / sizeof *list->names) {
    return false;
  }
  list->names[list->len] = lrd_strdup(name);
  if (!list->names[list->len]) {
    list->result = LARDER_ENOMEM;
    return false;
  }
  list->len++;
  return true;
}

static bool name_from_tier(void *context, uint32_t space, const char *name) {
  (void)space;
  return name_add(context, name);
}

static larder_err names_each(larder *cache, bool companions, bool (*visit)(void *context, const char *name), void *context) {
  if (!cache || !visit) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  name_list *list = lrd_alloc_zero(1, sizeof *list);
  if (!list) {
    return LARDER_ENOMEM;
  }
  list->companions = companions;
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    name_add(list, atomic_load(&cache->spaces[i])->name);
  }
  for (size_t i = 0; i < cache->config->namespaces_len; i++) {
    name_add(list, cache->config->namespaces[i].name);
  }
  for (size_t i = 0; i < cache->instances_len; i++) {
    lrd_ignore(lrd_tier_spaces(&cache->instances[i].tier, name_from_tier, list)); /* one that is away is left out */
  }
  bool more = true;
  larder_err result = list->result;
  for (size_t i = 0; i < list->len; i++) {
    if (more && result == LARDER_OK) {
      more = visit(context, list->names[i]);
    }
    lrd_dealloc(list->names[i]);
  }
  lrd_dealloc(list);
  return result;
}

void larder_ns_policy(const larder_ns *ns, larder_policy *out) {
  static const char *const packs[LRD_PACK_METHOD_COUNT] = {NULL, "zlib", "zstd", "lz4"};
  static const char *const seals[LRD_SEAL_COUNT] = {NULL, "aes-256-gcm", "fernet"};
  *out = (larder_policy){.ttl_ms = ns->policy.ttl_ms,
                         .stale_ms = lrd_ns_stale_ms(ns),
                         .max_entry_bytes = ns->policy.max_entry_bytes,
                         .durability = ns->links_len > 0 ? ns->policy.durability : LARDER_DURABILITY_COMMIT,
                         .tiers = ns->tiers_text,
                         .memory_policy = ns->memory ? ns->policy.memory_policy : NULL,
                         .kind = ns->policy.kind,
                         .compression = packs[ns->coding.policy.method],
                         .seal = seals[ns->coding.policy.seal],
                         .seal_fields = ns->coding.fields,
                         .version = ns->policy.version,
                         .keep_versions = ns->policy.versions_max,
                         .checked = ns->policy.health.check.type != LRD_CHECK_NONE};
}

const char *larder_root(const larder *cache) { return cache ? cache->root : NULL; }

larder_err larder_ns_each(larder *cache, bool (*visit)(void *context, const char *name), void *context) {
  return names_each(cache, false, visit, context);
}

larder_err lrd_ns_each_any(larder *cache, bool (*visit)(void *context, const char *name), void *context) {
  return names_each(cache, true, visit, context);
}
