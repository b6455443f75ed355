/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who misses waits as long as is usual, and who comes while it is under way for the rest of that: neither luck nor an origin
 * that is down says anything about either. But while the
 * origin is busy and we have asked more of it lately than the plain default would have, we are to blame: then our waiting
 * counts as it was, our retries count, and the shadows are taken to have had their answers.
 */
#include "agent_shadows.h"

#include <math.h>

#define DEMAND_PART   0.001
#define BLAMED_BEYOND 1.02 /* times what the plain default asks for */

larder_err lrd_agent_shadows_open(lrd_agent_shadows *shadows, const larder_traffic *traffic, uint64_t seed,
                                  const lrd_worth *worth) {
  larder_err err = LARDER_OK;
  shadows->traffic = traffic;
  for (unsigned r = 0; r < LRD_ROOMS && err == LARDER_OK; r++) {
    err = lrd_trial_cache_open("s3-fifo", traffic->cache_entries, traffic->keys, seed, NULL, NULL, &shadows->of[r]);
    if (err == LARDER_OK) lrd_trial_cache_learn(shadows->of[r], worth);
  }
  return err;
}

void lrd_agent_shadows_close(lrd_agent_shadows *shadows) {
  for (unsigned r = 0; r < LRD_ROOMS; r++) lrd_trial_cache_close(shadows->of[r]);
}

static larder_err keep(lrd_agent_shadows *shadows, lrd_room room, const lrd_request *request, double took_ms) {
  lrd_trial_cache *cache = shadows->of[room];
  if (room == LRD_ROOM_LRU && lrd_trial_cache_full(cache)) lrd_trial_cache_evict_lru(cache, 1);
  if (room == LRD_ROOM_UNLIKELY && lrd_trial_cache_full(cache)) lrd_trial_cache_evict_unlikely(cache, 1, request->at_ms);
  larder_err err = lrd_trial_cache_put(cache, request->key);
  if (err != LARDER_OK) return err;
  double ttl_ms = shadows->traffic->endpoints[request->endpoint].ttl_ms;
  lrd_item *item = lrd_trial_cache_item(cache, request->key);
  item->from_ms = request->at_ms;
  item->ready_ms = request->at_ms + took_ms;
  item->expires_ms = ttl_ms > 0 ? item->ready_ms + ttl_ms : INFINITY;
  return LARDER_OK;
}

/* `alike`: it would have got what we got. */
static larder_err serve(lrd_agent_shadows *shadows, lrd_room room, const lrd_served *served, bool alike, double usual_ms,
                        double *ms, double *origin) {
  const lrd_request *request = served->request;
  lrd_trial_cache *cache = shadows->of[room];
  lrd_item *item = lrd_trial_cache_find(cache, request->key, request->at_ms);
  lrd_room_tell(&shadows->misses, room, item != NULL);
  *origin = item ? 0 : alike ? served->tries : 1;
  *ms = usual_ms;
  if (item) {
    *ms = fmax(item->ready_ms - request->at_ms, shadows->traffic->hit_ms);
    lrd_trial_cache_touch(cache, request->key);
    return LARDER_OK;
  }
  return served->failed && alike ? LARDER_OK : keep(shadows, room, request, usual_ms);
}

larder_err lrd_agent_shadows_serve(lrd_agent_shadows *shadows, const lrd_served *served, unsigned ahead, double origin,
                                   double usual_ms, bool busy, lrd_compared *out) {
  bool blamed = busy && shadows->demand > BLAMED_BEYOND * shadows->plain_demand;
  double ms[LRD_ROOMS], asked[LRD_ROOMS];
  larder_err err = LARDER_OK;
  for (unsigned r = 0; r < LRD_ROOMS && err == LARDER_OK; r++)
    err = serve(shadows, (lrd_room)r, served, !served->hit && !blamed, usual_ms, &ms[r], &asked[r]);
  if (err != LARDER_OK) return err;
  double plain = asked[LRD_ROOM_POLICY] > 0;
  shadows->demand += DEMAND_PART * ((served->hit ? 0 : 1) + ahead - shadows->demand);
  shadows->plain_demand += DEMAND_PART * (plain - shadows->plain_demand);
  double left_ms = served->from_ms + usual_ms - served->request->at_ms;
  double ours_ms = blamed ? served->took_ms : served->hit ? fmax(left_ms, shadows->traffic->hit_ms) : usual_ms;
  *out =
      (lrd_compared){.ms = ours_ms, .origin = origin, .plain_ms = ms[LRD_ROOM_POLICY], .plain_origin = asked[LRD_ROOM_POLICY]};
  return LARDER_OK;
}
