/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures that the state has "lately" move by a part with each request; percentiles are those of the last requests, looked up
 * now and then. The last decisions are remembered with their moment, so that a cascade or a threat that passed finds those that
 * had to do with it.
 *
 * The shadow keeps keys as the plain default would. What it missed and we did not would have taken what that service takes
 * lately; what both missed took what it took.
 */
#include "agent_host.h"

#include "base/bytes.h"
#include <larder/agent.h>
#include <math.h>
#include <stdlib.h>

#define LATELY_PART    0.01
#define SERVICE_PART   0.05
#define LATENCIES      256u
#define LATENCIES_LOOK 64u
#define REMEMBERED     4096u
#define BLAME_MS       5000.0
#define DAY_MS         86400000.0
#define BUSY_TIMES     2.5 /* what is usual */
#define USUAL_PART     0.002
#define HORIZON_LEAST  64u
#define MISSES_FADE    0.0002

typedef struct remembered {
  double at_ms;
  uint64_t ticket;
  bool ahead; /* it made something ahead, */
  bool could; /* or could have */
} remembered;

struct lrd_agent_host {
  const larder_traffic *traffic;
  larder_agent *agent;
  lrd_trial_cache *cache; /* borrowed */
  struct {
    lrd_trial_cache *cache;
    double misses; /* lately: they fade */
  } shadows[LRD_ROOMS];
  const lrd_cascade_watch *watch;              /* borrowed */
  double service_ms[LRD_TRAFFIC_SERVICES_MAX]; /* lately */
  double usual_ms[LRD_TRAFFIC_SERVICES_MAX];   /* while nothing threatened */
  double hit_rate, eviction_rate, error_rate, gap_ms, before_ms;
  uint64_t evictions;
  float latencies[LATENCIES];
  double p50_ms, p95_ms, p99_ms;
  uint64_t requests;
  remembered last[REMEMBERED];
  uint64_t last_len;
  uint64_t cascades, averted;
  double threat_from_ms; /* of the threat that is, or was last */
  lrd_cascade_state state;
};

void lrd_agent_host_close(lrd_agent_host *host) {
  if (host == NULL) return;
  larder_agent_close(&host->agent);
  for (unsigned r = 0; r < LRD_ROOMS; r++) lrd_trial_cache_close(host->shadows[r].cache);
  lrd_dealloc(host);
}

larder_err lrd_agent_host_open(const larder_traffic *traffic, larder_agent_method method, uint64_t seed, lrd_trial_cache *cache,
                               const lrd_cascade_watch *watch, lrd_agent_host **out) {
  lrd_agent_host *host = lrd_alloc_zero(1, sizeof *host);
  if (host == NULL) return LARDER_ENOMEM;
  host->traffic = traffic;
  host->cache = cache;
  host->watch = watch;
  for (uint32_t s = 0; s < traffic->services_len; s++)
    host->service_ms[s] = host->usual_ms[s] = traffic->services[s].latency_ms;
  /* An entry lives for about as many decisions as there are entries: what is asked for long after it went would have gone
   * anyway. */
  uint64_t horizon = traffic->agent_horizon ? traffic->agent_horizon : traffic->cache_entries * 3 / 2;
  if (horizon < HORIZON_LEAST && !traffic->agent_horizon) horizon = HORIZON_LEAST;
  if (horizon > LARDER_AGENT_HORIZON_MAX) horizon = LARDER_AGENT_HORIZON_MAX;
  const larder_agent_options how = {.size = sizeof how,
                                    .method = method,
                                    .seed = seed,
                                    .weights = traffic->agent_weights,
                                    .epsilon = traffic->agent_epsilon,
                                    .epsilon_last = traffic->agent_epsilon_last,
                                    .margin = traffic->agent_margin,
                                    .horizon = (uint32_t)horizon,
                                    .window = (uint32_t)traffic->agent_window};
  larder_err err = larder_agent_open(&how, &host->agent, NULL);
  for (unsigned r = 0; r < LRD_ROOMS && err == LARDER_OK; r++) {
    lrd_trial_cache **shadow = &host->shadows[r].cache;
    err = lrd_trial_cache_open("s3-fifo", traffic->cache_entries, traffic->keys, seed, NULL, NULL, shadow);
    if (err == LARDER_OK) lrd_trial_cache_liken(*shadow, cache);
  }
  if (err == LARDER_OK)
    *out = host;
  else
    lrd_agent_host_close(host);
  return err;
}

static bool origin_busy(const lrd_agent_host *host, uint32_t service) {
  return host->watch->state != LRD_CASCADE_CALM || host->service_ms[service] > BUSY_TIMES * host->usual_ms[service];
}

/* --- deciding ------------------------------------------------------------------------------------------------------------- */

static void state_of(const lrd_agent_host *host, const lrd_served *served, larder_agent_state *out) {
  const lrd_request *request = served->request;
  const larder_traffic *t = host->traffic;
  const lrd_traffic_endpoint *endpoint = &t->endpoints[request->endpoint];
  double entries = (double)lrd_trial_cache_count(host->cache), day_ms = t->day_ms > 0 ? t->day_ms : DAY_MS;
  *out = (larder_agent_state){.expected = served->expected,
                              .hit = served->hit,
                              .kb = (double)endpoint->bytes / 1000,
                              .origin_ms = host->service_ms[endpoint->service],
                              .utilisation = entries / (double)t->cache_entries,
                              .hit_rate = host->hit_rate,
                              .entries = entries,
                              .eviction_rate = host->eviction_rate,
                              .request_rate = host->gap_ms > 0 ? 1000 / host->gap_ms : 0,
                              .p50_ms = host->p50_ms,
                              .p95_ms = host->p95_ms,
                              .p99_ms = host->p99_ms,
                              .error_rate = host->error_rate,
                              .load = host->watch->load,
                              .threatened = host->watch->state == LRD_CASCADE_THREAT,
                              .cascade = host->watch->state == LRD_CASCADE_ON,
                              .user = request->user,
                              .day = fmod(request->at_ms, day_ms) / day_ms,
                              .week = fmod(request->at_ms, 7 * day_ms) / (7 * day_ms),
                              .place = request->place};
  for (size_t i = 0; i < served->there_len && i < LARDER_AGENT_GUESSES; i++) out->guesses[i] = served->there[i].probability;
}

/* The way to make room whose shadow missed least lately. */
static lrd_room best_room(const lrd_agent_host *host) {
  unsigned best = LRD_ROOM_POLICY;
  for (unsigned r = 0; r < LRD_ROOMS; r++)
    if (host->shadows[r].misses < host->shadows[best].misses) best = r;
  return (lrd_room)best;
}

static unsigned possible_of(const lrd_agent_host *host, const lrd_served *served) {
  static const larder_agent_action keeping[LRD_ROOMS] = {[LRD_ROOM_POLICY] = LARDER_AGENT_CACHE,
                                                         [LRD_ROOM_LRU] = LARDER_AGENT_EVICT_LRU,
                                                         [LRD_ROOM_UNLIKELY] = LARDER_AGENT_EVICT_UNLIKELY};
  unsigned possible = 1u << LARDER_AGENT_NOTHING;
  bool aside = larder_agent_aside(host->agent), full = lrd_trial_cache_full(host->cache);
  if (!served->hit && !served->failed) possible |= 1u << (aside || !full ? LARDER_AGENT_CACHE : keeping[best_room(host)]);
  if (aside || origin_busy(host, host->traffic->endpoints[served->request->endpoint].service)) return possible;
  for (unsigned a = LARDER_AGENT_CONSERVATIVE; a <= LARDER_AGENT_AGGRESSIVE; a++) {
    double above;
    (void)larder_agent_ahead((larder_agent_action)a, &above);
    if (served->there_len > 0 && served->there[0].probability > above) possible |= 1u << a;
  }
  return possible;
}

static lrd_play play_of(larder_agent_action action) {
  static const lrd_play plays[LARDER_AGENT_ACTIONS] = {
      [LARDER_AGENT_NOTHING] = {false, LRD_ROOM_POLICY, LRD_AHEAD_NONE},
      [LARDER_AGENT_CACHE] = {true, LRD_ROOM_POLICY, LRD_AHEAD_NONE},
      [LARDER_AGENT_CONSERVATIVE] = {true, LRD_ROOM_POLICY, LRD_AHEAD_CONSERVATIVE},
      [LARDER_AGENT_MODERATE] = {true, LRD_ROOM_POLICY, LRD_AHEAD_MODERATE},
      [LARDER_AGENT_AGGRESSIVE] = {true, LRD_ROOM_POLICY, LRD_AHEAD_AGGRESSIVE},
      [LARDER_AGENT_EVICT_LRU] = {true, LRD_ROOM_LRU, LRD_AHEAD_NONE},
      [LARDER_AGENT_EVICT_UNLIKELY] = {true, LRD_ROOM_UNLIKELY, LRD_AHEAD_NONE}};
  return plays[action];
}

lrd_play lrd_agent_host_decide(lrd_agent_host *host, const lrd_served *served, uint64_t *ticket) {
  const unsigned aheads = 1u << LARDER_AGENT_CONSERVATIVE | 1u << LARDER_AGENT_MODERATE | 1u << LARDER_AGENT_AGGRESSIVE;
  larder_agent_state state;
  larder_agent_decision decision;
  unsigned possible = possible_of(host, served);
  state_of(host, served, &state);
  larder_agent_decide(host->agent, &state, possible, &decision);
  *ticket = decision.ticket;
  lrd_play play = play_of(decision.action);
  if (play.ahead != LRD_AHEAD_NONE) play.room = best_room(host);
  host->last[host->last_len++ % REMEMBERED] = (remembered){.at_ms = served->request->at_ms,
                                                           .ticket = decision.ticket,
                                                           .ahead = play.ahead != LRD_AHEAD_NONE,
                                                           .could = (possible & aheads) != 0 && !decision.aside};
  return play;
}

/* --- what came of it ------------------------------------------------------------------------------------------------------ */

/* An answer that took too long is laid at the door of what was made ahead just before: that could have waited. */
static void slowness_tell(lrd_agent_host *host, double now_ms, double too_long_ms) {
  uint64_t len = host->last_len < REMEMBERED ? host->last_len : REMEMBERED, aheads = 0, at = 1;
  for (; at <= len && host->last[(host->last_len - at) % REMEMBERED].at_ms >= now_ms - BLAME_MS; at++)
    aheads += host->last[(host->last_len - at) % REMEMBERED].ahead;
  while (--at > 0) {
    const remembered *one = &host->last[(host->last_len - at) % REMEMBERED];
    if (one->ahead) larder_agent_tell(host->agent, one->ticket, LARDER_AGENT_LOST_MS, too_long_ms / (double)aheads);
  }
}

void lrd_agent_host_answered(lrd_agent_host *host, uint32_t service, double now_ms, double took_ms, bool failed) {
  host->service_ms[service] += SERVICE_PART * (took_ms - host->service_ms[service]);
  host->error_rate += LATELY_PART * ((failed ? 1.0 : 0.0) - host->error_rate);
  double too_long = took_ms - BUSY_TIMES * host->usual_ms[service];
  if (host->watch->state == LRD_CASCADE_CALM) host->usual_ms[service] += USUAL_PART * (took_ms - host->usual_ms[service]);
  if (too_long > 0 && origin_busy(host, service)) slowness_tell(host, now_ms, too_long);
}

void lrd_agent_host_hit(lrd_agent_host *host, uint32_t service, lrd_item *item, double took_ms) {
  if (item->ticket == 0) return;
  double saved = host->usual_ms[service] - took_ms;
  larder_agent_tell(host->agent, item->ticket, item->prefetched ? LARDER_AGENT_USED : LARDER_AGENT_HIT, 1);
  if (saved > 0) larder_agent_tell(host->agent, item->ticket, LARDER_AGENT_SAVED_MS, saved);
  item->ticket = 0;
}

void lrd_agent_host_missed(lrd_agent_host *host, uint32_t service, lrd_item *item) {
  if (item->gone_by == 0) return;
  larder_agent_tell(host->agent, item->gone_by, LARDER_AGENT_MISS, 1);
  larder_agent_tell(host->agent, item->gone_by, LARDER_AGENT_FULL, 1);
  larder_agent_tell(host->agent, item->gone_by, LARDER_AGENT_LOST_MS, host->usual_ms[service]);
  item->gone_by = 0;
}

void lrd_agent_host_made(lrd_agent_host *host, uint64_t ticket, double kb, bool failed) {
  larder_agent_tell(host->agent, ticket, LARDER_AGENT_KB, failed ? 0 : kb);
  if (failed) larder_agent_tell(host->agent, ticket, LARDER_AGENT_WASTED, 1);
}

void lrd_agent_host_gone(lrd_agent_host *host, lrd_item *item, lrd_gone why, uint64_t ticket) {
  if (item->prefetched) larder_agent_tell(host->agent, item->ticket, LARDER_AGENT_WASTED, 1);
  item->ticket = 0;
  item->gone_by = why == LRD_GONE_ROOM ? ticket : 0;
}

/* Tells an event to the decisions from a moment on that made something ahead, or that did not though they could. */
static void tell_since(lrd_agent_host *host, double from_ms, bool ahead, larder_agent_event event) {
  uint64_t len = host->last_len < REMEMBERED ? host->last_len : REMEMBERED;
  for (uint64_t i = 1; i <= len; i++) {
    const remembered *one = &host->last[(host->last_len - i) % REMEMBERED];
    if (one->at_ms < from_ms) return;
    if (ahead ? one->ahead : one->could && !one->ahead) larder_agent_tell(host->agent, one->ticket, event, 1);
  }
}

static void cascades_tell(lrd_agent_host *host, double now_ms) {
  const lrd_cascade_watch *watch = host->watch;
  if (watch->state != LRD_CASCADE_CALM && host->state == LRD_CASCADE_CALM) host->threat_from_ms = now_ms;
  host->state = watch->state;
  if (watch->cascades > host->cascades) tell_since(host, now_ms - BLAME_MS, true, LARDER_AGENT_OCCURRED);
  if (watch->averted > host->averted) tell_since(host, host->threat_from_ms, false, LARDER_AGENT_PREVENTED);
  host->cascades = watch->cascades;
  host->averted = watch->averted;
}

/* --- lately --------------------------------------------------------------------------------------------------------------- */

static int latency_order(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void lately_move(lrd_agent_host *host, const lrd_served *served) {
  uint64_t evictions = lrd_trial_cache_evictions(host->cache);
  double part = LATELY_PART;
  host->hit_rate += part * ((served->hit ? 1.0 : 0.0) - host->hit_rate);
  host->eviction_rate += part * ((double)(evictions - host->evictions) - host->eviction_rate);
  host->gap_ms += part * (served->request->at_ms - host->before_ms - host->gap_ms);
  host->before_ms = served->request->at_ms;
  host->evictions = evictions;
  host->latencies[host->requests++ % LATENCIES] = (float)served->took_ms;
  if (host->requests % LATENCIES_LOOK != 0) return;
  float sorted[LATENCIES];
  size_t len = host->requests < LATENCIES ? (size_t)host->requests : LATENCIES;
  memcpy(sorted, host->latencies, len * sizeof *sorted);
  qsort(sorted, len, sizeof *sorted, latency_order);
  host->p50_ms = sorted[(len - 1) * 50 / 100];
  host->p95_ms = sorted[(len - 1) * 95 / 100];
  host->p99_ms = sorted[(len - 1) * 99 / 100];
}

/* What one way of making room would have come to with this request, everything kept and nothing made ahead. */
static larder_err shadow_serve(lrd_agent_host *host, lrd_room room, const lrd_served *served, double *ms, double *origin) {
  const lrd_request *request = served->request;
  const lrd_traffic_endpoint *endpoint = &host->traffic->endpoints[request->endpoint];
  lrd_trial_cache *cache = host->shadows[room].cache;
  lrd_item *item = lrd_trial_cache_find(cache, request->key, request->at_ms);
  *origin = item ? 0 : served->hit ? 1 : served->tries;
  host->shadows[room].misses += (item ? 0.0 : 1.0) - MISSES_FADE * host->shadows[room].misses;
  if (item) {
    double left_ms = item->ready_ms - request->at_ms;
    *ms = left_ms > host->traffic->hit_ms ? left_ms : host->traffic->hit_ms;
    lrd_trial_cache_touch(cache, request->key);
    return LARDER_OK;
  }
  *ms = host->usual_ms[endpoint->service];
  if (served->failed) return LARDER_OK;
  if (room == LRD_ROOM_LRU && lrd_trial_cache_full(cache)) lrd_trial_cache_evict_lru(cache, 1);
  if (room == LRD_ROOM_UNLIKELY && lrd_trial_cache_full(cache)) lrd_trial_cache_evict_unlikely(cache, 1, request->at_ms);
  larder_err err = lrd_trial_cache_put(cache, request->key);
  if (err != LARDER_OK) return err;
  item = lrd_trial_cache_item(cache, request->key);
  item->ready_ms = request->at_ms + *ms;
  item->expires_ms = endpoint->ttl_ms > 0 ? item->ready_ms + endpoint->ttl_ms : INFINITY;
  return LARDER_OK;
}

larder_err lrd_agent_host_done(lrd_agent_host *host, const lrd_served *served, double origin) {
  double ms[LRD_ROOMS], asked[LRD_ROOMS];
  larder_err err = LARDER_OK;
  for (unsigned r = 0; r < LRD_ROOMS && err == LARDER_OK; r++) err = shadow_serve(host, (lrd_room)r, served, &ms[r], &asked[r]);
  if (err != LARDER_OK) return err;
  /* Who missed waited as long as is usual: neither luck nor an origin that is down says anything about either. */
  double usual_ms = host->usual_ms[host->traffic->endpoints[served->request->endpoint].service];
  double ours_ms = served->hit ? served->took_ms : usual_ms;
  larder_agent_compare(host->agent, ours_ms, origin, ms[LRD_ROOM_POLICY], asked[LRD_ROOM_POLICY]);
  lately_move(host, served);
  cascades_tell(host, served->request->at_ms);
  return LARDER_OK;
}

void lrd_agent_host_figures(const lrd_agent_host *host, larder_agent_figures *out) {
  larder_agent_figures_get(host->agent, out);
}

larder_err lrd_agent_host_save(const lrd_agent_host *host, void **data_out, size_t *len_out) {
  return larder_agent_save(host->agent, data_out, len_out);
}

larder_err lrd_agent_host_load(lrd_agent_host *host, const void *data, size_t len) {
  return larder_agent_load(host->agent, data, len, NULL);
}
