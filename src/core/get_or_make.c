/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value from the cache, or made. What is kept decides:
 *
 *   fresh                              is handed out; now and then somebody is drawn to make it anew ahead of time
 *   stale, within the first window     is handed out, and is made behind (stale_while_revalidate)
 *   else                               a flight: who comes first makes it, the others wait
 *   stale, within the second window    is handed out when that fails or takes too long (stale_if_error)
 *   known to be absent                 LARDER_MISS
 *
 * Whatever is handed out stale is looked for again first, so that it has not been deleted while somebody waited.
 */
#include "makers.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include "hit.h"
#include "prefetch.h"
#include <math.h>

#define ROOM "maker"
#define MS   INT64_C(1000000)

/* What is kept of the key, pinned. */
typedef struct kept {
  larder_value value;
  larder_facts facts;
  bool there; /* a value or an absence */
} kept;

/* One call of larder_get_or_make. */
typedef struct call {
  lrd_wanted wanted;
  kept of;
  int64_t began_ns;
  bool stale_will_do; /* instead of what is being made */
  int64_t first_ns;   /* how long to wait until that is taken; where there is nothing stale, until it is given up */
  larder_err locked;  /* it is there and can't be opened, LARDER_EKEY or LARDER_EFORMAT: nobody makes it over that */
  bool leads;         /* the flight that it waits for */
  bool waited;        /* for somebody else's making */
  bool found;         /* somebody has made it since the call began */
  bool look_again;    /* what a flight brought is kept, or of no use to this call */
  lrd_news_what how;  /* it was answered */
  larder_value *out;
  larder_error *err;
} call;

typedef enum stale_window { WINDOW_REVALIDATE, WINDOW_ERROR } stale_window;

static bool absent(const kept *of) { return of->facts.kind == LARDER_KIND_ABSENT; }
static bool fresh(const kept *of) { return of->there && !of->value.stale; }
static larder_ns *ns_of(const call *c) { return c->wanted.op.ns; }
static void count(const call *c, lrd_counter counter) { lrd_stats_add(ns_of(c)->cell, counter, 1); }

static void look(call *c) {
  larder_value_release(&c->of.value);
  larder_err const result = lrd_look_up(&c->wanted.op, &c->of.value, &c->of.facts);
  c->of.there = result == LARDER_OK;
  c->locked = result == LARDER_EKEY || result == LARDER_EFORMAT ? result : LARDER_OK;
}

static bool in_window(const call *c, stale_window window) {
  const lrd_config_ns *policy = &ns_of(c)->policy;
  int64_t const ms = window == WINDOW_REVALIDATE ? policy->stale_while_revalidate_ms : policy->stale_if_error_ms;
  return ms > 0 && c->of.there && c->of.value.stale && !absent(&c->of) && !(window == WINDOW_ERROR && c->wanted.only_made) &&
         lrd_wall_ms(ns_of(c)->cache->clock) - ms < c->of.facts.expires_soft_ms;
}

static larder_err answer(call *c) {
  if (c->of.value.stale) {
    count(c, LRD_STAT_STALE_HITS);
  }
  bool const memory = strcmp(c->of.value.tier, "memory") == 0;
  if (memory) {
    lrd_stats_add_hits(ns_of(c)->cell, 1);
  } else {
    count(c, LRD_STAT_LOOKUPS);
    count(c, LRD_STAT_HITS);
  }
  c->how = c->found ? LRD_NEWS_JOINED : memory ? LRD_NEWS_HIT : LRD_NEWS_BELOW;
  *c->out = c->of.value;
  c->of.value = (larder_value){0};
  lrd_foreseen_read(&c->wanted.op);
  return LARDER_OK;
}

static larder_err answer_miss(const call *c, larder_err result) {
  count(c, LRD_STAT_LOOKUPS);
  count(c, LRD_STAT_MISSES);
  return result;
}

static bool in_any_window(const call *c) { return in_window(c, WINDOW_ERROR) || in_window(c, WINDOW_REVALIDATE); }

/* What may be served instead of what was not made, if there is such a thing. */
static bool answer_stale(call *c) {
  if (c->wanted.only_made) {
    return false;
  }
  look(c);
  if (!c->of.there || absent(&c->of) || (c->of.value.stale && !in_any_window(c))) {
    return false;
  }
  if (c->of.value.stale) {
    count(c, LRD_STAT_STALE_ON_ERROR);
  }
  return answer(c) == LARDER_OK;
}

/* --- behind -------------------------------------------------------------------------------------------------------------- */

typedef struct behind_order {
  lrd_order order;
  lrd_flight *flight;
  lrd_wanted wanted;
  uint8_t key[];
} behind_order;

static void flight_give_up(lrd_flight *flight, larder_err why, const char *reason) {
  lrd_landing landing = {.result = why, .reason = reason};
  (void)lrd_flight_land(flight, &landing, NULL, 0);
}

static void order_run(lrd_order *order, bool cancelled) {
  behind_order *mine = (behind_order *)(void *)order;
  if (!cancelled) {
    lrd_busy_begin();
  }
  if (cancelled) {
    flight_give_up(mine->flight, LARDER_ECANCELLED, "the cache is closing");
  } else {
    lrd_making_run(mine->flight, &mine->wanted);
  }
  lrd_flight_leave(mine->flight);
  lrd_dealloc(mine);
  if (!cancelled) {
    lrd_busy_end();
  }
}

/* Has the flight led on a thread of the pool, with a place aboard of its own. False: it has been given up. */
static bool lead_on_pool(lrd_flight *flight, const lrd_wanted *wanted) {
  lrd_pool *pool = wanted->op.ns->cache->makers->pool;
  behind_order *order = lrd_alloc(sizeof *order + wanted->op.key_len);
  if (order) {
    *order = (behind_order){.order = {NULL, wanted->op.ns, order_run}, .flight = flight, .wanted = *wanted};
    memcpy(order->key, wanted->op.key, wanted->op.key_len);
    order->wanted.op.key = order->key;
    order->wanted.on_pool = true;
    lrd_flight_again(flight);
    if (lrd_pool_push(pool, &order->order, wanted->behind)) {
      return true;
    }
    lrd_flight_leave(flight);
  }
  lrd_dealloc(order);
  flight_give_up(flight, LARDER_EBUSY, "too much is waiting to be made");
  return false;
}

bool lrd_wanted_failed_lately(const lrd_wanted *wanted) {
  larder *cache = wanted->op.ns->cache;
  char reason[LRD_LEASE_REASON];
  int64_t until_ns;
  return cache->leases && lrd_ns_coherent(wanted->op.ns)
             ? lrd_lease_failed(cache->leases, wanted->op.hash)
             : lrd_flights_failure(cache->flights, &wanted->op, reason, &until_ns) != LARDER_OK;
}

static void make_behind(const call *c, bool early) {
  lrd_wanted behind = c->wanted;
  lrd_flight *flight = NULL;
  lrd_boarding how;
  behind.behind = true;
  behind.patience_ns = INT64_MAX;
  behind.seen_stamp = c->of.facts.stamp;
  behind.fresh = early;
  if (lrd_wanted_failed_lately(&behind) ||
      lrd_flight_board(ns_of(c)->cache->flights, &behind.op, lrd_wanted_deadline(&behind), &flight, &how) != LARDER_OK) {
    return;
  }
  if (how == LRD_FLIGHT_LEADS) {
    bool const led = lead_on_pool(flight, &behind);
    count(c, led ? LRD_STAT_MAKE_BEHIND : LRD_STAT_MAKE_DROPPED);
    if (led && early) {
      count(c, LRD_STAT_MAKE_EARLY);
    }
  }
  lrd_flight_leave(flight);
}

/*
 * XFetch: each hit draws, and the nearer the end of the lifetime is, measured by what a making takes, the likelier it is
 * drawn. So one of many makes it before all of them have to wait.
 */
static bool drawn_early(const call *c) {
  larder_ns *ns = ns_of(c);
  double const beta = ns->policy.early_refresh;
  double const cost_ms = (double)atomic_load_explicit(&ns->making_cost_ns, memory_order_relaxed) / (double)MS;
  if (beta <= 0 || cost_ms <= 0 || c->of.facts.expires_soft_ms == 0) {
    return false;
  }
  static _Thread_local uint64_t draws;
  uint64_t const drawn[3] = {(uint64_t)lrd_mono_ns(ns->cache->clock), (uint64_t)(uintptr_t)&draws, ++draws};
  double const part = ((double)(lrd_sum64(drawn, sizeof drawn) >> 11) + 1.0) / (double)(UINT64_C(1) << 53);
  double const left_ms = (double)(c->of.facts.expires_soft_ms - lrd_wall_ms(ns->cache->clock));
  return left_ms <= -cost_ms * beta * log(part);
}

/* --- the flight ---------------------------------------------------------------------------------------------------------- */

/* A span of the call's options: 0 means the namespace's, of which 0 is none. */
static int64_t span_ns(int64_t asked_ms, int64_t configured_ms) {
  int64_t const ms = asked_ms != 0 ? asked_ms : configured_ms;
  return ms <= 0 || ms > INT64_MAX / MS ? INT64_MAX : ms * MS;
}

static int64_t left_ns(const call *c, int64_t most_ns) {
  int64_t const gone = lrd_mono_ns(ns_of(c)->cache->clock) - c->began_ns;
  return most_ns == INT64_MAX ? INT64_MAX : most_ns > gone ? most_ns - gone : 0;
}

int64_t lrd_wanted_deadline(const lrd_wanted *wanted) {
  int64_t const now_ns = lrd_boot_ns(wanted->op.ns->cache->clock);
  int64_t const configured_ns = span_ns(0, wanted->op.ns->policy.maker.hard_timeout_ms);
  int64_t const most_ns = wanted->hard_ns > configured_ns ? wanted->hard_ns : configured_ns;
  return most_ns > INT64_MAX - now_ns ? LRD_NO_DEADLINE : now_ns + most_ns;
}

static larder_err value_from_flight(const call *c, lrd_flight *flight) {
  const lrd_landing *landing = lrd_flight_landing(flight);
  lrd_found *found = lrd_alloc_zero(1, sizeof *found);
  if (!found) {
    return lrd_fail(c->err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  *found = (lrd_found){.ns = ns_of(c), .flight = flight};
  found->entry.value = landing->value;
  found->entry.facts = landing->facts;
  lrd_flight_again(flight); /* the value is in it */
  lrd_value_from_found(found, false, c->out);
  return LARDER_OK;
}

/* It has not landed, and more is not waited. */
static larder_err too_long(call *c) {
  if (answer_stale(c)) {
    return LARDER_OK;
  }
  return answer_miss(c, c->wanted.no_wait ? lrd_fail(c->err, LARDER_EBUSY, 0, ROOM, "somebody else is making it")
                                          : lrd_fail(c->err, LARDER_EAWAY, 0, ROOM, "it was not made within %lld ms",
                                                     (long long)(c->wanted.hard_ns / MS)));
}

static larder_err landed(call *c, lrd_flight *flight) {
  const lrd_landing *landing = lrd_flight_landing(flight);
  larder_err result = landing->result;
  if (landing->look || (landing->held_elsewhere && !c->leads)) {
    c->found = c->found || landing->look;
    c->look_again = true;
    return LARDER_MISS;
  }
  if (landing->held_elsewhere) {
    return too_long(c);
  }
  if (result == LARDER_OK) {
    lrd_foreseen_read(&c->wanted.op);
    c->how = c->leads ? LRD_NEWS_MADE : LRD_NEWS_JOINED;
    return answer_miss(c, value_from_flight(c, flight));
  }
  if (result == LARDER_MISS) {
    return answer_miss(c, result);
  }
  if (landing->told) {
    count(c, LRD_STAT_FAILURES_TOLD);
  }
  c->how = LRD_NEWS_FAILED;
  if (answer_stale(c)) {
    return LARDER_OK;
  }
  return answer_miss(c, lrd_fail(c->err, result, 0, ROOM, "%s", landing->reason));
}

static larder_err wait_aboard(call *c, lrd_flight *flight, lrd_boarding how) {
  lrd_pool *pool = ns_of(c)->cache->makers->pool;
  bool const at_once = c->wanted.no_wait && how != LRD_FLIGHT_LEADS;
  lrd_pool_wait_begin(pool);
  lrd_flight_end end = lrd_flight_wait(flight, at_once ? 0 : left_ns(c, c->first_ns));
  lrd_pool_wait_end(pool);
  if (end == LRD_FLIGHT_WAITED && c->stale_will_do && answer_stale(c)) {
    return LARDER_OK;
  }
  if (end == LRD_FLIGHT_WAITED && !at_once && c->first_ns < c->wanted.hard_ns) { /* what was stale has been deleted */
    lrd_pool_wait_begin(pool);
    end = lrd_flight_wait(flight, left_ns(c, c->wanted.hard_ns));
    lrd_pool_wait_end(pool);
  }
  if (end == LRD_FLIGHT_CIRCLE) {
    return answer_miss(
        c, lrd_fail(c->err, LARDER_EBUSY, 0, ROOM, "the maker asks for what is being made for it: a circle of keys"));
  }
  if (end == LRD_FLIGHT_WAITED) {
    return too_long(c);
  }
  c->look_again = how == LRD_FLIGHT_OVERTAKEN;
  return c->look_again ? LARDER_MISS : landed(c, flight);
}

/*
 * On the calling thread where nothing could make the call return before it is made, or where it may run nowhere else; also
 * where this thread makes something already: a making that waits for another thread's place might wait for its own.
 */
static bool leads_here(const call *c) { return !c->wanted.lasting || c->first_ns == INT64_MAX || lrd_flight_led(); }

static void lead(const call *c, lrd_flight *flight) {
  lrd_pool *pool = ns_of(c)->cache->makers->pool;
  bool const nested = lrd_flight_led() != NULL; /* the one above has the place, and waits */
  if (!leads_here(c)) {
    (void)lead_on_pool(flight, &c->wanted);
    return;
  }
  if (!nested && !lrd_pool_place(pool, ns_of(c), left_ns(c, c->wanted.patience_ns))) {
    lrd_landing const landing = {.result = LARDER_EBUSY, .held_elsewhere = true, .reason = "all places of the maker are taken"};
    (void)lrd_flight_land(flight, &landing, NULL, 0);
    return;
  }
  lrd_making_run(flight, &c->wanted);
  if (!nested) {
    lrd_pool_place_end(pool, ns_of(c));
  }
}

static larder_err nobody_makes(const call *c) {
  return lrd_fail(c->err, LARDER_EUNSUPPORTED, 0, ROOM, "namespace %s has no maker; configure `maker` or hand one over",
                  ns_of(c)->name);
}

static larder_err fly(call *c) {
  lrd_wanted *wanted = &c->wanted;
  lrd_flight *flight = NULL;
  lrd_boarding how;
  if (!wanted->make) {
    return answer_miss(c, nobody_makes(c));
  }
  c->stale_will_do = in_any_window(c);
  c->first_ns = c->stale_will_do && wanted->soft_ns < wanted->hard_ns ? wanted->soft_ns : wanted->hard_ns;
  wanted->patience_ns = wanted->no_wait ? 0 : c->first_ns;
  wanted->seen_stamp = c->of.there ? c->of.facts.stamp : 0;
  larder_err result = lrd_flight_board(ns_of(c)->cache->flights, &wanted->op, lrd_wanted_deadline(wanted), &flight, &how);
  if (result != LARDER_OK) {
    return answer_miss(c, lrd_fail(c->err, result, 0, ROOM, "out of memory"));
  }
  c->leads = how == LRD_FLIGHT_LEADS;
  lrd_prefetch_outrun(ns_of(c)->cache->makers->prefetch, &wanted->op);
  if (c->leads) {
    lead(c, flight);
  } else if (!c->waited) {
    c->waited = true; /* a lookup counts once, however often it has to */
    count(c, LRD_STAT_MAKE_JOINED);
  }
  result = wait_aboard(c, flight, how);
  lrd_flight_leave(flight);
  return result;
}

/* --- the call ------------------------------------------------------------------------------------------------------------ */

static bool somebody_flies(const call *c) {
  larder *cache = ns_of(c)->cache;
  lrd_lease_seen seen;
  if (cache->leases && lrd_ns_coherent(ns_of(c)) && lrd_lease_look(cache->leases, c->wanted.op.hash, &seen) && seen.held) {
    return true;
  }
  lrd_flight *flight = lrd_flight_find(ns_of(c)->cache->flights, &c->wanted.op);
  if (flight) {
    lrd_flight_leave(flight);
  }
  return flight != NULL;
}

/* Whether what is kept is the answer, which *result_out then has. */
static bool kept_will_do(call *c, larder_err *result_out) {
  bool const can_behind = c->wanted.make && c->wanted.lasting;
  bool const is_fresh = fresh(&c->of);
  if (!is_fresh && !in_window(c, WINDOW_REVALIDATE)) {
    return false;
  }
  if (absent(&c->of)) {
    count(c, LRD_STAT_ABSENT_TOLD);
    *result_out = answer_miss(c, LARDER_MISS);
    return true;
  }
  /* What can't be made behind is made in this call, unless somebody makes it already. */
  if (!is_fresh && !can_behind && c->wanted.make && !somebody_flies(c)) {
    return false;
  }
  if (can_behind && (!is_fresh || drawn_early(c))) {
    make_behind(c, is_fresh);
  }
  *result_out = answer(c);
  return true;
}

static larder_err wanted_init(larder_ns *ns, const void *key, size_t key_len, const larder_make_options *options,
                              lrd_wanted *out) {
  static const larder_make_options defaults = {.size = sizeof defaults};
  *out = (lrd_wanted){0};
  if (!options) {
    options = &defaults;
  }
  if (options->size == 0 || options->size > sizeof *options || options->soft_timeout_ms < -1 || options->hard_timeout_ms < -1) {
    return LARDER_EINVAL;
  }
  larder_err result = lrd_op_begin(ns, key, key_len, &out->op);
  if (result != LARDER_OK) {
    return result;
  }
  out->make = options->make;
  out->context = options->context;
  out->lasting = options->lasting;
  if (!out->make) {
    out->make = ns->make;
    out->context = ns->maker;
    out->lasting = ns->make != NULL && !options->in_front;
  }
  out->fresh = options->fresh;
  out->no_wait = options->no_wait;
  out->only_made = options->only_made;
  out->over_stamp = options->over_stamp;
  out->soft_ns = span_ns(options->soft_timeout_ms, ns->policy.maker.soft_timeout_ms);
  out->hard_ns = span_ns(options->hard_timeout_ms, ns->policy.maker.hard_timeout_ms);
  return LARDER_OK;
}

/* Whether a fresh value in memory is the answer, without a draw for who makes it anew ahead of time. */
static bool hit_will_do(const larder_ns *ns, const larder_make_options *options) {
  bool const usual = !options || (options->size == sizeof *options && !options->fresh && options->soft_timeout_ms >= -1 &&
                                  options->hard_timeout_ms >= -1);
  return ns && usual && ns->policy.early_refresh <= 0;
}

/* What was to be made anew is no longer what is kept. */
static bool made_since(const call *c) {
  return c->wanted.over_stamp != 0 && c->of.there && c->of.facts.stamp != c->wanted.over_stamp;
}

/* Who wants to know what was handed out. */
static void tell_hit(larder_ns *ns, const void *key, size_t key_len, const larder_value *value) {
  if (ns->asked) {
    ns->asked(ns, key, key_len);
  }
  if (ns->heard) {
    larder_facts facts;
    lrd_news news = {.what = LRD_NEWS_HIT, .key = key, .key_len = key_len, .bytes = value->len};
    if (ns->hears_all && larder_value_facts(value, &facts) == LARDER_OK) {
      news.expires_ms = facts.expires_soft_ms;
    }
    ns->heard(ns, &news);
  }
}

/* What there is to tell of a call that memory did not answer at once. */
static void tell_call(const call *c, larder_err result) {
  larder_ns *ns = ns_of(c);
  lrd_news news = {.what = c->how, .key = c->wanted.op.key, .key_len = c->wanted.op.key_len, .hash = c->wanted.op.hash};
  if (ns->hears_all) {
    larder_facts facts;
    news.took_ns = lrd_mono_ns(ns->cache->clock) - c->began_ns;
    if (result == LARDER_OK && larder_value_facts(c->out, &facts) == LARDER_OK) {
      news.bytes = facts.value_len;
      news.stamp = facts.stamp;
      news.expires_ms = facts.expires_soft_ms;
    }
  }
  if (result == LARDER_OK && ns->asked) {
    ns->asked(ns, news.key, news.key_len);
  }
  if (ns->heard && (result == LARDER_OK || (result < 0 && news.what == LRD_NEWS_FAILED && ns->hears_all))) {
    ns->heard(ns, &news);
  }
}

larder_err larder_get_or_make(larder_ns *ns, const void *key, size_t key_len, const larder_make_options *options,
                              larder_value *out, larder_error *err) {
  if (hit_will_do(ns, options) && lrd_get_straight(ns, key, key_len, out)) {
    tell_hit(ns, key, key_len, out);
    return LARDER_OK;
  }
  call c = {.out = out, .err = err};
  larder_err result = out ? wanted_init(ns, key, key_len, options, &c.wanted) : LARDER_EINVAL;
  if (result != LARDER_OK) {
    return lrd_fail(err, result, 0, ROOM, "%s", larder_err_text(result));
  }
  c.began_ns = lrd_mono_ns(ns->cache->clock);
  atomic_store_explicit(&ns->makes, true, memory_order_release);
  do {
    bool const takes_kept = !c.wanted.fresh || c.found;
    c.look_again = false;
    look(&c);
    if ((takes_kept || made_since(&c)) && c.locked != LARDER_OK) {
      result = answer_miss(&c, lrd_fail(err, c.locked, 0, ROOM, "%s", larder_err_text(c.locked)));
    } else if (!(takes_kept || made_since(&c)) || !kept_will_do(&c, &result)) {
      result = fly(&c);
    }
  } while (c.look_again);
  larder_value_release(&c.of.value);
  tell_call(&c, result);
  return result;
}
