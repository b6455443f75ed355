/* SPDX-License-Identifier: Apache-2.0 */
/* What a cache needs for makers: the table of flights, the pool, and the callbacks that were registered by name. */
#include "makers.h"
#include "checker.h"
#include "prefetch.h"

#include "base/bytes.h"
#include "base/fail.h"

#define ROOM "maker"

typedef struct lrd_named_maker named_maker;
struct lrd_named_maker {
  named_maker *next;
  larder_make make;
  void *context;
  char name[];
};

larder_err lrd_makers_open(larder *cache) {
  larder_err result = lrd_flights_new(cache->clock, cache->leases, &cache->flights);
  if (result != LARDER_OK) {
    return result;
  }
  lrd_makers *makers = lrd_alloc_zero(1, sizeof *makers);
  if (!makers) {
    return LARDER_ENOMEM;
  }
  makers->cancel.clock = cache->clock;
  lrd_mutex_init(&makers->mutex);
  cache->makers = makers;
  result = lrd_prefetch_new(cache, &makers->prefetch);
  return result == LARDER_OK ? lrd_pool_new(&makers->pool) : result;
}

larder_err lrd_makers_http(larder *cache, lrd_http_engine **out, larder_error *err) {
  lrd_makers *makers = cache->makers;
  larder_err const result = makers->http ? LARDER_OK : lrd_http_engine_new(cache->clock, &makers->http, err);
  if (result == LARDER_OK) {
    *out = makers->http;
  }
  return result;
}

void larder_makings_cancel(larder *cache) {
  if (cache && cache->makers) {
    atomic_store(&cache->makers->cancel.closing, true);
    lrd_checkers_cancel(cache);
  }
}

bool lrd_makings_cancelled(const larder *cache) { return cache->makers && atomic_load(&cache->makers->cancel.closing); }

void lrd_makers_quiet(larder *cache) {
  if (cache->makers && cache->makers->pool) {
    atomic_store(&cache->makers->cancel.closing, true);
    lrd_prefetch_quiet(cache->makers->prefetch);
    lrd_pool_drain(cache->makers->pool);
  }
}

void lrd_makers_resume(larder *cache) {
  if (cache->makers) {
    atomic_store(&cache->makers->cancel.closing, false);
    lrd_pool_refill(cache->makers->pool);
    lrd_prefetch_resume(cache->makers->prefetch);
  }
}

static void makers_free(larder *cache, lrd_makers *makers) {
  lrd_prefetch_free(makers->prefetch);
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    lrd_ns_maker_close(atomic_load(&cache->spaces[i]));
  }
  lrd_http_engine_free(makers->http);
  while (makers->named) {
    named_maker *next = makers->named->next;
    lrd_dealloc(makers->named);
    makers->named = next;
  }
  lrd_dealloc(makers);
}

void lrd_makers_free(larder *cache) {
  if (cache->makers) {
    lrd_pool_free(cache->makers->pool);
    lrd_mutex_fini(&cache->makers->mutex);
    makers_free(cache, cache->makers);
    cache->makers = NULL;
  }
  lrd_flights_free(cache->flights);
  cache->flights = NULL;
}

void lrd_makers_forked(larder *cache) {
  if (cache->makers && cache->makers->http) {
    lrd_http_engine_abandon(cache->makers->http);
  }
}

void lrd_makers_abandon(larder *cache) {
  if (cache->makers) {
    lrd_pool_abandon(cache->makers->pool);
    makers_free(cache, cache->makers);
    cache->makers = NULL;
  }
  lrd_flights_abandon(cache->flights);
  cache->flights = NULL;
}

void lrd_makers_tick(larder *cache) {
  (void)lrd_flights_cut(cache->flights);
  lrd_prefetch_tick(cache->makers->prefetch);
  if (cache->leases) {
    lrd_leases_clean(cache->leases);
  }
}

larder_err larder_maker_register(larder *cache, const char *name, larder_make make, void *context) {
  if (!cache || !name || name[0] == 0 || !make) {
    return LARDER_EINVAL;
  }
  if (atomic_load(&cache->forked)) {
    return LARDER_EFORKED;
  }
  named_maker *named = lrd_alloc(sizeof *named + strlen(name) + 1);
  if (!named) {
    return LARDER_ENOMEM;
  }
  *named = (named_maker){.make = make, .context = context};
  memcpy(named->name, name, strlen(name) + 1);
  lrd_lock(&cache->makers->mutex);
  named_maker *at = cache->makers->named;
  while (at && strcmp(at->name, name) != 0) {
    at = at->next;
  }
  if (!at) {
    named->next = cache->makers->named;
    cache->makers->named = named;
    named = NULL;
  }
  lrd_unlock(&cache->makers->mutex);
  lrd_dealloc(named);
  return at ? LARDER_EBUSY : LARDER_OK;
}

bool lrd_maker_named(larder *cache, const char *name, larder_make *make_out, void **context_out) {
  lrd_makers *makers = cache->makers;
  lrd_lock(&makers->mutex);
  const named_maker *at = makers->named;
  while (at && strcmp(at->name, name) != 0) {
    at = at->next;
  }
  if (at) {
    *make_out = at->make;
    *context_out = at->context;
  }
  lrd_unlock(&makers->mutex);
  return at != NULL;
}

/* --- who asks ------------------------------------------------------------------------------------------------------------ */

static _Thread_local bool unheard;

bool lrd_asks_unheard(void) { return unheard || lrd_flight_led(); }

larder_err lrd_get_or_make_unheard(larder_ns *ns, const void *key, size_t key_len, const larder_make_options *options,
                                   larder_value *out, larder_error *err) {
  unheard = true;
  larder_err const result = larder_get_or_make(ns, key, key_len, options, out, err);
  unheard = false;
  return result;
}
