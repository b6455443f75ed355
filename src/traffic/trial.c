/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests come whatever the cache does. What is fetched has its place at once and is ready when the origin has answered: who
 * asks meanwhile waits for the rest of that time, and the origin is not asked twice. What chance does to a request (latency,
 * errors) is drawn from the request's own number, so that it is the same for every contestant who fetches for it.
 */
#include "trial.h"

#include "agent/cascade_watch.h"
#include "base/fail.h"
#include "next_guess.h"
#include "origin_model.h"
#include "trial_cache.h"
#include <stdlib.h>

#define EVICTED_AT_ONCE 4u
#define HALF_LIFE_ASKS  4.0 /* in times that the cache's entries are asked for */
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
  double half_life_ms;
  float *latencies;
  larder_traffic_figures *out;
} trial;

static void trial_fini(trial *t) {
  lrd_trial_cache_close(t->cache);
  lrd_guesser_close(t->guesser);
  lrd_dealloc(t->latencies);
}

static larder_err trial_init(trial *t, const lrd_request_list *requests) {
  lrd_origin_init(&t->origin, t->traffic);
  lrd_cascade_init(&t->watch, &(lrd_cascade_options){0}, 0);
  double asks = HALF_LIFE_ASKS * (double)t->traffic->cache_entries;
  t->half_life_ms = requests->len > 0 ? t->traffic->length_ms * asks / (double)requests->len : 1;
  t->latencies = lrd_alloc((requests->len + 1) * sizeof *t->latencies);
  larder_err err = t->latencies ? lrd_guesser_open(t->traffic->keys, &t->guesser) : LARDER_ENOMEM;
  if (err == LARDER_OK && t->rule->policy)
    err = lrd_trial_cache_open(t->rule->policy, t->traffic->cache_entries, t->traffic->keys, t->seed, NULL, NULL, &t->cache);
  if (err != LARDER_OK) trial_fini(t);
  return err;
}

/* --- one request ------------------------------------------------------------------------------------------------------------
 */

static const lrd_traffic_endpoint *endpoint_of(const larder_traffic *traffic, uint32_t key) {
  uint32_t e = 0;
  while (key - traffic->endpoints[e].first_key >= traffic->endpoints[e].keys) e++;
  return &traffic->endpoints[e];
}

static lrd_answer fetch(trial *t, const lrd_traffic_endpoint *endpoint, double now_ms, uint64_t draws) {
  lrd_draw draw = lrd_draw_of(t->seed, draws);
  lrd_answer answer = lrd_origin_ask(&t->origin, endpoint->service, now_ms, &draw);
  for (unsigned i = 0; i < answer.tries; i++)
    lrd_cascade_tell(&t->watch, now_ms, answer.took_ms / answer.tries, answer.failed || i + 1 < answer.tries);
  t->out->origin += answer.tries;
  if (!answer.failed) t->out->origin_bytes += endpoint->bytes;
  return answer;
}

static larder_err keep(trial *t, uint32_t key, const lrd_traffic_endpoint *endpoint, double ready_ms, lrd_room room,
                       bool prefetched) {
  if (lrd_trial_cache_full(t->cache)) {
    if (room == LRD_ROOM_LRU) lrd_trial_cache_evict_lru(t->cache, EVICTED_AT_ONCE);
    if (room == LRD_ROOM_UNLIKELY) lrd_trial_cache_evict_unlikely(t->cache, EVICTED_AT_ONCE);
  }
  larder_err err = lrd_trial_cache_put(t->cache, key);
  if (err != LARDER_OK) return err;
  lrd_item *item = lrd_trial_cache_item(t->cache, key);
  item->ready_ms = ready_ms;
  item->expires_ms = endpoint->ttl_ms > 0 ? ready_ms + endpoint->ttl_ms : INFINITY;
  item->prefetched = prefetched;
  return LARDER_OK;
}

/* How long the user waits for it. */
static larder_err serve(trial *t, const lrd_request *request, uint64_t number, double *took_ms) {
  const lrd_traffic_endpoint *endpoint = &t->traffic->endpoints[request->endpoint];
  lrd_item *item = t->cache ? lrd_trial_cache_find(t->cache, request->key, request->at_ms) : NULL;
  if (item) {
    double left_ms = item->ready_ms - request->at_ms;
    *took_ms = left_ms > t->traffic->hit_ms ? left_ms : t->traffic->hit_ms;
    t->out->hits++;
    t->out->used += item->prefetched;
    item->prefetched = false;
    lrd_trial_cache_touch(t->cache, request->key);
    return LARDER_OK;
  }
  lrd_answer answer = fetch(t, endpoint, request->at_ms, DRAWS_DEMAND + number);
  *took_ms = answer.took_ms;
  t->out->failed += answer.failed;
  if (answer.failed || !t->cache || !t->rule->play.keep) return LARDER_OK;
  return keep(t, request->key, endpoint, request->at_ms + answer.took_ms, t->rule->play.room, false);
}

static larder_err make_ahead(trial *t, const lrd_guess *guesses, size_t count, const lrd_request *request, uint64_t number) {
  const lrd_ahead_limits *limits = &lrd_ahead_limits_of[t->rule->play.ahead];
  unsigned made = 0;
  for (size_t i = 0; i < count && made < limits->most && guesses[i].probability > limits->above; i++) {
    if (lrd_trial_cache_find(t->cache, guesses[i].key, request->at_ms)) continue;
    const lrd_traffic_endpoint *endpoint = endpoint_of(t->traffic, guesses[i].key);
    lrd_answer answer = fetch(t, endpoint, request->at_ms, DRAWS_AHEAD + number * LRD_GUESSES_MAX + i);
    made++;
    t->out->prefetched++;
    if (answer.failed) continue;
    larder_err err = keep(t, guesses[i].key, endpoint, request->at_ms + answer.took_ms, t->rule->play.room, true);
    if (err != LARDER_OK) return err;
  }
  return LARDER_OK;
}

static larder_err step(trial *t, const lrd_request *request, uint64_t number) {
  double took_ms = 0;
  lrd_guess guesses[LRD_GUESSES_MAX];
  larder_err err = lrd_guesser_learn(t->guesser, request);
  if (err == LARDER_OK) err = serve(t, request, number, &took_ms);
  t->latencies[number] = (float)took_ms;
  t->out->mean_ms += took_ms;
  if (err != LARDER_OK || !t->cache) return err;
  size_t count = lrd_guesser_next(t->guesser, request, guesses, LRD_GUESSES_MAX);
  lrd_item_expect(lrd_trial_cache_item(t->cache, request->key), request->at_ms, t->half_life_ms, 1);
  for (size_t i = 0; i < count; i++)
    lrd_item_expect(lrd_trial_cache_item(t->cache, guesses[i].key), request->at_ms, t->half_life_ms, guesses[i].probability);
  return make_ahead(t, guesses, count, request, number);
}

/* --- the whole ---------------------------------------------------------------------------------------------------------------
 */

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

larder_err lrd_trial_run(const larder_traffic *traffic, const lrd_request_list *requests, const lrd_rule *rule, uint64_t seed,
                         larder_traffic_figures *out, lrd_trial_watch *watch) {
  *out = (larder_traffic_figures){.requests = requests->len};
  trial t = {.traffic = traffic, .rule = rule, .seed = seed, .out = out};
  larder_err err = trial_init(&t, requests);
  if (err != LARDER_OK) return err;
  for (uint64_t i = 0; i < requests->len && err == LARDER_OK; i++) {
    err = step(&t, &requests->items[i], i);
    if (i % LOOK_EACH == 0 && atomic_load(&watch->stop) && err == LARDER_OK) err = LARDER_ECANCELLED;
  }
  lrd_cascade_look(&t.watch, traffic->length_ms);
  out->cascades = t.watch.cascades;
  out->threatened = t.watch.averted;
  latencies_sum(&t, requests->len);
  trial_fini(&t);
  return err;
}
