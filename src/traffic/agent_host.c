/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent is told is what a host could know by then: answers count once they have come (but what is fetched has its
 * place at once, with every contestant, unless it fails). What is guessed for a session is remembered until it asks for
 * something, so that guesses are worth what such guesses came to.
 */
#include "agent_host.h"

#include "agent/blame.h"
#include "agent/guess_trust.h"
#include "agent/hosting.h"
#include "agent/lately.h"
#include "agent/load_watch.h"
#include "agent_shadows.h"
#include "base/bytes.h"
#include <math.h>

#define DAY_MS       86400000.0
#define GAP_PART     0.01
#define SESSIONS     4096u /* that guesses are remembered of */
#define WATCHED_FROM 64u   /* entries */

struct lrd_agent_host {
  const larder_traffic *traffic;
  larder_agent *agent;
  lrd_trial_cache *cache;         /* borrowed */
  const lrd_cascade_watch *watch; /* borrowed */
  lrd_worth *worth;
  lrd_agent_shadows shadows;
  struct {
    lrd_pace pace;
    lrd_load_watch load;
  } services[LRD_TRAFFIC_SERVICES_MAX];
  lrd_lately lately;
  lrd_blame blame;
  lrd_guess_trust trust;
  lrd_guessed guessed[SESSIONS]; /* by the remainder of their numbers */
  uint64_t evictions;
  double gap_ms, before_ms;
  unsigned ahead; /* made for the sake of the request under way */
};

void lrd_agent_host_close(lrd_agent_host *host) {
  if (host == NULL) return;
  larder_agent_close(&host->agent);
  lrd_agent_shadows_close(&host->shadows);
  lrd_worth_close(host->worth);
  lrd_dealloc(host);
}

larder_err lrd_agent_host_open(const larder_traffic *traffic, larder_agent_method method, uint64_t seed, lrd_trial_cache *cache,
                               const lrd_cascade_watch *watch, lrd_agent_host **out) {
  lrd_agent_host *host = lrd_alloc_zero(1, sizeof *host);
  if (host == NULL) return LARDER_ENOMEM;
  host->traffic = traffic;
  host->cache = cache;
  host->watch = watch;
  uint32_t horizon = traffic->agent_horizon ? (uint32_t)traffic->agent_horizon : lrd_hosting_horizon(traffic->cache_entries);
  const larder_agent_options how = {.size = sizeof how,
                                    .method = method,
                                    .seed = seed,
                                    .weights = traffic->agent_weights,
                                    .epsilon = traffic->agent_epsilon,
                                    .epsilon_last = traffic->agent_epsilon_last,
                                    .margin = traffic->agent_margin,
                                    .horizon = horizon,
                                    .window = (uint32_t)traffic->agent_window};
  larder_err err = larder_agent_open(&how, &host->agent, NULL);
  if (err == LARDER_OK) err = lrd_worth_open(traffic->keys, traffic->cache_entries, &host->worth);
  if (err == LARDER_OK) err = lrd_agent_shadows_open(&host->shadows, traffic, seed, host->worth);
  if (err != LARDER_OK) {
    lrd_agent_host_close(host);
    return err;
  }
  lrd_trial_cache_learn(cache, host->worth);
  *out = host;
  return LARDER_OK;
}

static uint32_t service_of(const lrd_agent_host *host, const lrd_request *request) {
  return host->traffic->endpoints[request->endpoint].service;
}

static bool origin_busy(const lrd_agent_host *host, uint32_t service) {
  return host->watch->state != LRD_CASCADE_CALM || lrd_pace_slow(&host->services[service].pace);
}

/* --- what is guessed ------------------------------------------------------------------------------------------------------ */

void lrd_agent_host_asked(lrd_agent_host *host, const lrd_request *request) {
  lrd_guessed_judge(&host->guessed[request->session % SESSIONS], &host->trust, request->session, request->place, request->key);
  lrd_load_tell(&host->services[service_of(host, request)].load, request->at_ms);
  host->gap_ms += GAP_PART * (request->at_ms - host->before_ms - host->gap_ms);
  host->before_ms = request->at_ms;
  lrd_worth_asked(host->worth, request->key, request->endpoint, request->at_ms);
  if (lrd_trial_cache_count(host->cache) < WATCHED_FROM) return;
  uint32_t key = lrd_trial_cache_draw(host->cache);
  lrd_worth_entry entry = lrd_item_entry(lrd_trial_cache_item(host->cache, key), request->at_ms);
  lrd_worth_watch(host->worth, key, &entry, request->at_ms);
}

void lrd_agent_host_guessed(lrd_agent_host *host, uint32_t endpoint, const lrd_guess *guess) {
  lrd_worth_guessed(host->worth, guess->key, endpoint, guess->probability);
}

/* They may change places. */
static void guesses_trust(lrd_agent_host *host, lrd_served *served) {
  lrd_guessed *guessed = &host->guessed[served->request->session % SESSIONS];
  lrd_guess_ranks ranks = {0};
  *guessed = (lrd_guessed){.session = served->request->session};
  for (size_t i = 0; i < served->there_len; i++) {
    lrd_guessed_add(guessed, served->there[i].key, served->there[i].probability);
    lrd_guess_rank(&ranks, i, lrd_guess_trust_of(&host->trust, served->there[i].probability));
  }
  for (size_t i = 0; i < ranks.len; i++)
    served->there[i] = (lrd_guess){(uint32_t)guessed->of[ranks.of[i].number].key, ranks.of[i].worth};
  served->there_len = ranks.len;
}

/* --- deciding ------------------------------------------------------------------------------------------------------------- */

static void state_of(const lrd_agent_host *host, const lrd_served *served, larder_agent_state *out) {
  const lrd_request *request = served->request;
  const larder_traffic *t = host->traffic;
  double entries = (double)lrd_trial_cache_count(host->cache), day_ms = t->day_ms > 0 ? t->day_ms : DAY_MS;
  *out = (larder_agent_state){.expected = served->expected,
                              .hit = served->hit,
                              .kb = (double)t->endpoints[request->endpoint].bytes / 1000,
                              .origin_ms = host->services[service_of(host, request)].pace.now_ms,
                              .utilisation = entries / (double)t->cache_entries,
                              .entries = entries,
                              .request_rate = host->gap_ms > 0 ? 1000 / host->gap_ms : 0,
                              .load = host->watch->load,
                              .threatened = host->watch->state == LRD_CASCADE_THREAT,
                              .cascade = host->watch->state == LRD_CASCADE_ON,
                              .user = request->user,
                              .day = fmod(request->at_ms, day_ms) / day_ms,
                              .week = fmod(request->at_ms, 7 * day_ms) / (7 * day_ms),
                              .place = request->place};
  lrd_lately_fill(&host->lately, out);
  for (size_t i = 0; i < served->there_len; i++) out->guesses[i] = served->there[i].probability;
}

static unsigned possible_of(const lrd_agent_host *host, const lrd_served *served) {
  unsigned possible = 1u << LARDER_AGENT_NOTHING;
  uint32_t service = service_of(host, served->request);
  bool aside = larder_agent_aside(host->agent), full = lrd_trial_cache_full(host->cache);
  if (!served->hit && !served->failed)
    possible |= 1u << lrd_room_action(aside || !full ? LRD_ROOM_POLICY : lrd_room_best(&host->shadows.misses));
  if (aside || origin_busy(host, service) || lrd_load_of(&host->services[service].load, served->request->at_ms) > LRD_LOAD_RUSH)
    return possible;
  return served->there_len > 0 ? possible | lrd_hosting_aheads(served->there[0].probability) : possible;
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

lrd_play lrd_agent_host_decide(lrd_agent_host *host, lrd_served *served, uint64_t *ticket) {
  larder_agent_state state;
  larder_agent_decision decision;
  guesses_trust(host, served);
  unsigned possible = possible_of(host, served);
  state_of(host, served, &state);
  larder_agent_decide(host->agent, &state, possible, &decision);
  *ticket = decision.ticket;
  lrd_play play = play_of(decision.action);
  bool ahead = play.ahead != LRD_AHEAD_NONE;
  if (ahead) play.room = lrd_room_best(&host->shadows.misses);
  lrd_blame_remember(&host->blame, (lrd_blame_decision){.at_ms = served->request->at_ms,
                                                        .ticket = decision.ticket,
                                                        .ahead = ahead,
                                                        .could = (possible & LRD_HOSTING_AHEADS) != 0 && !decision.aside});
  return play;
}

/* --- what came of it ------------------------------------------------------------------------------------------------------ */

void lrd_agent_host_answered(lrd_agent_host *host, uint32_t service, double now_ms, double took_ms, bool failed) {
  lrd_pace *pace = &host->services[service].pace;
  double too_long_ms = lrd_pace_too_long(pace, took_ms);
  lrd_pace_move(pace, took_ms, host->watch->state == LRD_CASCADE_CALM);
  lrd_lately_answer(&host->lately, failed);
  if (too_long_ms > 0 && origin_busy(host, service)) lrd_blame_slow(&host->blame, host->agent, now_ms, too_long_ms);
}

void lrd_agent_host_waited(lrd_agent_host *host, const lrd_arrival *wait) {
  uint64_t evictions = lrd_trial_cache_evictions(host->cache);
  lrd_lately_request(&host->lately, wait->hit, evictions - host->evictions, wait->took_ms);
  host->evictions = evictions;
  double saved_ms = host->services[wait->service].pace.usual_ms - wait->took_ms;
  if (wait->ticket != 0 && saved_ms > 0) larder_agent_tell(host->agent, wait->ticket, LARDER_AGENT_SAVED_MS, saved_ms);
  const lrd_compared *came = &wait->compared;
  larder_agent_compare(host->agent, came->ms, came->origin, came->plain_ms, came->plain_origin);
}

uint64_t lrd_agent_host_hit(lrd_agent_host *host, lrd_item *item) {
  uint64_t ticket = item->ticket;
  if (ticket != 0) larder_agent_tell(host->agent, ticket, item->prefetched ? LARDER_AGENT_USED : LARDER_AGENT_HIT, 1);
  item->ticket = 0;
  return ticket;
}

void lrd_agent_host_missed(lrd_agent_host *host, uint32_t service, lrd_item *item) {
  if (item->gone_by == 0) return;
  lrd_hosting_wanted(host->agent, item->gone_by, host->services[service].pace.usual_ms);
  item->gone_by = 0;
}

void lrd_agent_host_ahead(lrd_agent_host *host) { host->ahead++; }

void lrd_agent_host_made(lrd_agent_host *host, uint64_t ticket, double kb, bool failed) {
  lrd_hosting_ahead(host->agent, ticket, !failed, kb);
}

void lrd_agent_host_gone(lrd_agent_host *host, lrd_item *item, lrd_gone why, uint64_t ticket) {
  if (item->prefetched) larder_agent_tell(host->agent, item->ticket, LARDER_AGENT_WASTED, 1);
  item->ticket = 0;
  item->gone_by = why == LRD_GONE_ROOM ? ticket : 0;
}

larder_err lrd_agent_host_done(lrd_agent_host *host, const lrd_served *served, double origin, lrd_compared *out) {
  uint32_t service = service_of(host, served->request);
  larder_err err = lrd_agent_shadows_serve(&host->shadows, served, host->ahead, origin, host->services[service].pace.usual_ms,
                                           origin_busy(host, service), out);
  host->ahead = 0;
  lrd_blame_look(&host->blame, host->agent, host->watch, served->request->at_ms);
  return err;
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
