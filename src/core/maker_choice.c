/* SPDX-License-Identifier: Apache-2.0 */
/* The maker that a namespace's configuration names: made when the namespace is opened, gone with the cache. */
#include "maker/attempts.h"
#include "maker/command_maker.h"
#include "maker/http_maker.h"
#include "maker/recipe/recipe_maker.h"
#include "makers.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/redact.h"

/* A callback by name, looked for at each making, since it may be registered after the namespace was opened. */
typedef struct named_attempts {
  lrd_attempts attempts;
  larder_ns *ns;
} named_attempts;

static larder_err named_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  named_attempts *named = context;
  larder_make make = NULL;
  void *callers = NULL;
  const lrd_config_maker *config = &named->ns->policy.maker;
  if (!lrd_maker_named(named->ns->cache, config->what, &make, &callers)) {
    larder_err result = lrd_fail(err, LARDER_EUNSUPPORTED, 0, "maker",
                                 "namespace %s: the maker %s has not been registered; call larder_maker_register",
                                 named->ns->name, config->what);
    if (err) lrd_redact_values_in(config->variables, named->ns->name, err->message);
    return result;
  }
  return lrd_attempts_make(&named->attempts, make, callers, making, made, err);
}

static larder_err named_open(larder_ns *ns, larder_error *err) {
  named_attempts *named = lrd_alloc_zero(1, sizeof *named);
  if (!named) {
    return lrd_fail(err, LARDER_ENOMEM, 0, "maker", "out of memory");
  }
  named->ns = ns;
  lrd_attempts_init(&named->attempts, &ns->policy.maker, ns->name, ns->cache->secrets, ns->cache->clock);
  ns->maker = named;
  ns->make = named_make;
  return LARDER_OK;
}

static void count_http(void *context, lrd_http_count which, uint64_t n) {
  static const lrd_counter counters[] = {[LRD_HTTP_REQUESTS] = LRD_STAT_ORIGIN_REQUESTS,
                                         [LRD_HTTP_BYTES] = LRD_STAT_ORIGIN_BYTES,
                                         [LRD_HTTP_RETRIES] = LRD_STAT_ORIGIN_RETRIES,
                                         [LRD_HTTP_NOT_MODIFIED] = LRD_STAT_ORIGIN_NOT_MODIFIED,
                                         [LRD_HTTP_RATE_WAITS] = LRD_STAT_ORIGIN_WAITS};
  lrd_stats_add(((larder_ns *)context)->cell, counters[which], n);
}

static larder_err http_open(larder_ns *ns, larder_error *err) {
  lrd_http_engine *engine = NULL;
  lrd_http_maker *maker = NULL;
  larder_err result = lrd_makers_http(ns->cache, &engine, err);
  if (result != LARDER_OK) {
    return result;
  }
  lrd_http_maker_params const params = {.config = &ns->policy.maker,
                                        .ns = ns->name,
                                        .secrets = ns->cache->secrets,
                                        .engine = engine,
                                        .count = count_http,
                                        .context = ns};
  result = lrd_http_maker_new(&params, &maker, err);
  if (result == LARDER_OK) {
    ns->maker = maker;
    ns->make = lrd_http_make;
  }
  return result;
}

static larder_err command_open(larder_ns *ns, larder_error *err) {
  lrd_command_maker *maker = NULL;
  larder_err const result =
      lrd_command_maker_new(&ns->policy.maker, ns->name, ns->cache->secrets, ns->cache->clock, &maker, err);
  if (result == LARDER_OK) {
    ns->maker = maker;
    ns->make = lrd_command_make;
  }
  return result;
}

static larder_err recipe_open(larder_ns *ns, larder_error *err) {
  lrd_recipe_maker *maker = NULL;
  larder_err const result =
      lrd_recipe_maker_new(&ns->policy.maker, ns->name, ns->cache->secrets, ns->cache->clock, &maker, err);
  if (result == LARDER_OK) {
    ns->maker = maker;
    ns->make = lrd_recipe_maker_make;
  }
  return result;
}

larder_err lrd_ns_maker_open(larder_ns *ns, larder_error *err) {
  larder_err result = LARDER_OK;
  switch (ns->policy.maker.type) {
  case LRD_MAKER_NONE:
    break;
  case LRD_MAKER_HTTP:
    result = http_open(ns, err);
    break;
  case LRD_MAKER_COMMAND:
    result = command_open(ns, err);
    break;
  case LRD_MAKER_RECIPE:
    result = recipe_open(ns, err);
    break;
  case LRD_MAKER_CALLBACK:
    result = named_open(ns, err);
    break;
  }
  atomic_store(&ns->makes, ns->make != NULL);
  /* What is wrong with it stands in the configuration. */
  return result == LARDER_EINVAL ? LARDER_ECONFIG : result;
}

bool lrd_ns_can_make(const larder_ns *ns) {
  larder_make make;
  void *context;
  return ns->make &&
         (ns->policy.maker.type != LRD_MAKER_CALLBACK || lrd_maker_named(ns->cache, ns->policy.maker.what, &make, &context));
}

void lrd_ns_maker_close(larder_ns *ns) {
  named_attempts *named = ns->maker;
  if (!ns->maker) {
    return;
  }
  switch (ns->policy.maker.type) {
  case LRD_MAKER_HTTP:
    lrd_http_maker_free(ns->maker);
    break;
  case LRD_MAKER_COMMAND:
    lrd_command_maker_free(ns->maker);
    break;
  case LRD_MAKER_RECIPE:
    lrd_recipe_maker_free(ns->maker);
    break;
  case LRD_MAKER_NONE:
  case LRD_MAKER_CALLBACK:
    lrd_attempts_fini(&named->attempts);
    lrd_dealloc(named);
    break;
  }
  ns->maker = NULL;
}
