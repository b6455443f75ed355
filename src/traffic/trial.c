/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests come whatever the cache does. What is fetched has its place at once and is ready when the origin has answered: who
 * asks meanwhile waits for the rest of that time, and the origin is not asked twice. What chance does to a request (latency,
 * errors) is drawn from the request's own number, so that it is the same for every contestant who fetches for it.
 */
#include "trial.h"

#include "agent_host.h"
#include "arrivals.h"
#include "base/fail.h"
#include "origin_model.h"
#include <stdlib.h>

#define EVICTED_AT_ONCE 1u
#define HALF_LIFE_TIMES 4.0 /* the entries that fit, in requests */
#define LOOK_EACH       4096u
#define DRAWS_DEMAND    ((uint64_t)1 << 40)
#define DRAWS_AHEAD     ((uint64_t)1 << 41)

typedef struct trial {
  const larder_traffic *traffic;
  const lrd_rule *rule;
  uint64_t seed;
  lrd_origin origin;
  lrd_trial_cache *cache; /* NULL: none */
  lrd_guesser *guesser;
  lrd_cascade_watch watch;
  lrd_arrivals under_way;
  uint64_t number;  /* of the request under way */
  double half_life; /* of likelihoods, in requests */
  float *latencies;
  lrd_agent_host *host; /* NULL: the rule's play is always the same */
  lrd_play play;        /* of the request under way */
  uint64_t ticket;
  double now_ms;
  larder_traffic_figures *out;
} trial;

static void item_gone(void *context, uint32_t key, lrd_item *item, lrd_gone why) {
  trial *t = context;
  (void)key;
  if (t->host) lrd_agent_host_gone(t->host, item, why, t->ticket);
}

static void trial_fini(trial *t) {
  lrd_agent_host_close(t->host);
  lrd_trial_cache_close(t->cache);
  lrd_guesser_close(t->guesser);
  lrd_arrivals_fini(&t->under_way);
  lrd_dealloc(t->latencies);
}

static larder_err trial_init(trial *t, const lrd_request_list *requests) {
  lrd_origin_init(&t->origin, t->traffic);
  lrd_cascade_init(&t->watch, &(lrd_cascade_options){0}, 0);
  t->half_life = HALF_LIFE_TIMES * (double)t->traffic->cache_entries;
  t->latencies = lrd_alloc((requests->len + 1) * sizeof *t->latencies);
  larder_err err = t->latencies ? lrd_guesser_open(t->traffic, &t->guesser) : LARDER_ENOMEM;
  if (err == LARDER_OK && t->rule->policy)
    err = lrd_trial_cache_open(t->rule->policy, t->traffic->cache_entries, t->traffic->keys, t->seed, item_gone, t, &t->cache);
  if (err == LARDER_OK && t->rule->learns)
    err = lrd_agent_host_open(t->traffic, t->rule->method, t->seed, t->cache, &t->watch, &t->host);
  if (err != LARDER_OK) trial_fini(t);
  return err;
}

/* --- one request ---------------------------------------------------------------------------------------------------------- */

static const lrd_traffic_endpoint *endpoint_of(const larder_traffic *traffic, uint32_t key) {
  uint32_t e = 0;
  while (key - traffic->endpoints[e].first_key >= traffic->endpoints[e].keys) e++;
  return &traffic->endpoints[e];
}

/* What has come by now of what was under way. */
static void arrivals_hear(trial *t) {
  lrd_arrival one;
  while (lrd_arrivals_take(&t->under_way, t->now_ms, &one)) {
    if (one.kind == LRD_ARRIVAL_TRY) lrd_cascade_tell(&t->watch, one.at_ms, one.took_ms, one.failed);
    if (one.kind == LRD_ARRIVAL_ANSWER && t->host) {
      lrd_agent_host_answered(t->host, one.service, one.at_ms, one.took_ms, one.failed);
      if (one.ticket != 0) lrd_agent_host_made(t->host, one.ticket, one.kb, one.failed);
    }
    if (one.kind == LRD_ARRIVAL_WAIT && t->host) lrd_agent_host_waited(t->host, &one);
  }
  lrd_cascade_look(&t->watch, t->now_ms);
}

/* `ticket`: of the decision that makes it ahead; 0: somebody waits for it. */
static larder_err fetch(trial *t, const lrd_traffic_endpoint *endpoint, uint64_t draws, uint64_t ticket, lrd_answer *answer) {
  lrd_draw draw = lrd_draw_of(t->seed, draws);
  *answer = lrd_origin_ask(&t->origin, endpoint->service, t->now_ms, &draw);
  t->out->origin += answer->tries;
  if (!answer->failed) t->out->origin_bytes += endpoint->bytes;
  double each_ms = answer->took_ms / answer->tries;
  lrd_arrival one = {.took_ms = each_ms, .kind = LRD_ARRIVAL_TRY, .service = endpoint->service};
  for (unsigned i = 1; i <= answer->tries; i++) {
    one.at_ms = t->now_ms + each_ms * i;
    one.failed = answer->failed || i < answer->tries;
    larder_err err = lrd_arrivals_add(&t->under_way, &one);
    if (err != LARDER_OK) return err;
  }
  one.kind = LRD_ARRIVAL_ANSWER;
  one.ticket = ticket;
  one.kb = (double)endpoint->bytes / 1000;
  one.took_ms = answer->took_ms;
  return lrd_arrivals_add(&t->under_way, &one);
}

static larder_err keep(trial *t, uint32_t key, const lrd_traffic_endpoint *endpoint, double ready_ms, bool prefetched) {
  if (lrd_trial_cache_full(t->cache)) {
    if (t->play.room == LRD_ROOM_LRU) lrd_trial_cache_evict_lru(t->cache, EVICTED_AT_ONCE);
    if (t->play.room == LRD_ROOM_UNLIKELY) lrd_trial_cache_evict_unlikely(t->cache, EVICTED_AT_ONCE, t->now_ms);
  }
  larder_err err = lrd_trial_cache_put(t->cache, key);
  if (err != LARDER_OK) return err;
  lrd_item *item = lrd_trial_cache_item(t->cache, key);
  item->from_ms = t->now_ms;
  item->ready_ms = ready_ms;
  item->expires_ms = endpoint->ttl_ms > 0 ? ready_ms + endpoint->ttl_ms : INFINITY;
  item->prefetched = prefetched;
  item->ticket = t->ticket;
  return LARDER_OK;
}

/* Out of the cache or from the origin; nothing is kept yet. */
static larder_err serve(trial *t, lrd_served *served) {
  const lrd_request *request = served->request;
  const lrd_traffic_endpoint *endpoint = &t->traffic->endpoints[request->endpoint];
  lrd_item *item = t->cache ? lrd_trial_cache_find(t->cache, request->key, request->at_ms) : NULL;
  served->hit = item != NULL;
  if (item) {
    double left_ms = item->ready_ms - request->at_ms;
    served->took_ms = left_ms > t->traffic->hit_ms ? left_ms : t->traffic->hit_ms;
    t->out->hits++;
    t->out->used += item->prefetched;
    served->from_ms = item->from_ms;
    if (t->host) served->thanks_to = lrd_agent_host_hit(t->host, item);
    item->prefetched = false;
    lrd_trial_cache_touch(t->cache, request->key);
    return LARDER_OK;
  }
  lrd_answer answer;
  larder_err err = fetch(t, endpoint, DRAWS_DEMAND + t->number, 0, &answer);
  if (err != LARDER_OK) return err;
  served->took_ms = answer.took_ms;
  served->failed = answer.failed;
  served->tries = answer.tries;
  t->out->failed += answer.failed;
  if (t->host) lrd_agent_host_missed(t->host, endpoint->service, lrd_trial_cache_item(t->cache, request->key));
  return LARDER_OK;
}

/* The guesses that are not there; all of them are expected. */
static size_t guess(trial *t, const lrd_request *request, lrd_guess *out) {
  lrd_guess guesses[LRD_GUESSES_MAX];
  size_t count = lrd_guesser_next(t->guesser, request, guesses, LRD_GUESSES_MAX), there = 0;
  lrd_item_expect(lrd_trial_cache_item(t->cache, request->key), (double)t->number, t->half_life, 1);
  if (t->host) lrd_agent_host_asked(t->host, request);
  for (size_t i = 0; i < count; i++) {
    lrd_item_expect(lrd_trial_cache_item(t->cache, guesses[i].key), (double)t->number, t->half_life, guesses[i].probability);
    if (t->host) {
      const lrd_traffic_endpoint *endpoint = endpoint_of(t->traffic, guesses[i].key);
      lrd_agent_host_guessed(t->host, (uint32_t)(endpoint - t->traffic->endpoints), &guesses[i]);
    }
    bool itself = guesses[i].key == request->key;
    if (!itself && !lrd_trial_cache_find(t->cache, guesses[i].key, request->at_ms)) out[there++] = guesses[i];
  }
  return there;
}

static larder_err make_ahead(trial *t, const lrd_served *served) {
  double above;
  unsigned most = larder_agent_ahead((larder_agent_action)t->play.ahead, &above);
  for (size_t i = 0; i < served->there_len && i < most && served->there[i].probability > above; i++) {
    uint32_t key = served->there[i].key;
    const lrd_traffic_endpoint *endpoint = endpoint_of(t->traffic, key);
    lrd_answer answer;
    larder_err err = fetch(t, endpoint, DRAWS_AHEAD + t->number * LRD_GUESSES_MAX + i, t->ticket, &answer);
    if (err != LARDER_OK) return err;
    t->out->prefetched++;
    if (t->host) lrd_agent_host_ahead(t->host);
    if (answer.failed) continue;
    err = keep(t, key, endpoint, t->now_ms + answer.took_ms, true);
    if (err != LARDER_OK) return err;
  }
  return LARDER_OK;
}

/* What is done about a request once it is served. */
static larder_err act(trial *t, lrd_served *served) {
  const lrd_request *request = served->request;
  lrd_guess there[LRD_GUESSES_MAX];
  served->expected = lrd_item_expected(lrd_trial_cache_item(t->cache, request->key), (double)t->number, t->half_life);
  served->there = there;
  served->there_len = guess(t, request, there);
  t->play = t->host ? lrd_agent_host_decide(t->host, served, &t->ticket) : t->rule->play;
  larder_err err = LARDER_OK;
  if (t->play.keep && !served->hit && !served->failed)
    err = keep(t, request->key, &t->traffic->endpoints[request->endpoint], request->at_ms + served->took_ms, false);
  if (err == LARDER_OK) err = make_ahead(t, served);
  served->there = NULL; /* they end with this call */
  served->there_len = 0;
  return err;
}

static larder_err step(trial *t, const lrd_request *request, uint64_t number) {
  lrd_served served = {.request = request};
  t->now_ms = request->at_ms;
  t->number = number;
  uint64_t before = t->out->origin;
  arrivals_hear(t);
  larder_err err = lrd_guesser_learn(t->guesser, request);
  if (err == LARDER_OK) err = serve(t, &served);
  if (err != LARDER_OK) return err;
  t->latencies[number] = (float)served.took_ms;
  t->out->mean_ms += served.took_ms;
  if (!t->cache) return LARDER_OK;
  err = act(t, &served);
  if (err != LARDER_OK || !t->host) return err;
  lrd_arrival wait = {.at_ms = t->now_ms + served.took_ms,
                      .took_ms = served.took_ms,
                      .kind = LRD_ARRIVAL_WAIT,
                      .service = t->traffic->endpoints[request->endpoint].service,
                      .ticket = served.thanks_to,
                      .hit = served.hit};
  err = lrd_agent_host_done(t->host, &served, (double)(t->out->origin - before), &wait.compared);
  return err == LARDER_OK ? lrd_arrivals_add(&t->under_way, &wait) : err;
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

static int latency_order(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void latencies_sum(trial *t, uint64_t count) {
  if (count == 0) return;
  qsort(t->latencies, count, sizeof *t->latencies, latency_order);
  t->out->mean_ms /= (double)count;
  t->out->p95_ms = t->latencies[(count - 1) * 95 / 100];
  t->out->p99_ms = t->latencies[(count - 1) * 99 / 100];
}

/* What was learned takes the place of what was there. */
static larder_err learned_take(const lrd_agent_host *host, lrd_learned *out) {
  lrd_learned learned = {0};
  larder_err err = lrd_agent_host_save(host, &learned.data, &learned.len);
  if (err != LARDER_OK) return err;
  larder_agent_bytes_free(out->data);
  *out = learned;
  return LARDER_OK;
}

larder_err lrd_trial_run(const lrd_trial_task *task, larder_traffic_figures *out, larder_agent_figures *agent,
                         lrd_run_watch *watch) {
  const lrd_request_list *requests = task->requests;
  *agent = (larder_agent_figures){0};
  *out = (larder_traffic_figures){.requests = requests->len};
  trial t = {.traffic = task->traffic, .rule = task->rule, .seed = task->seed, .out = out};
  larder_err err = trial_init(&t, requests);
  if (err != LARDER_OK) return err;
  if (t.host && task->before && task->before->data) err = lrd_agent_host_load(t.host, task->before->data, task->before->len);
  for (uint64_t i = 0; i < requests->len && err == LARDER_OK; i++) {
    err = step(&t, &requests->items[i], i);
    if (i % LOOK_EACH == 0 && atomic_load(&watch->stop) && err == LARDER_OK) err = LARDER_ECANCELLED;
  }
  t.now_ms = task->traffic->length_ms;
  arrivals_hear(&t);
  out->cascades = t.watch.cascades;
  out->threatened = t.watch.averted;
  if (t.host) lrd_agent_host_figures(t.host, agent);
  if (err == LARDER_OK && t.host && task->after) err = learned_take(t.host, task->after);
  if (err == LARDER_OK) latencies_sum(&t, requests->len);
  trial_fini(&t);
  return err;
}
