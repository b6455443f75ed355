/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions that are under way stand in a heap by the time of their next request, those of one moment in the order in which
 * they began. A session has draws of its own, so that what one does moves no other.
 *
 * New ones are drawn by a rate that is nowhere exceeded and kept by the part that the moment's rate is of it (thinning). It is
 * the greatest rate that there can be, where that comes to few draws; else time is cut into pieces, each with its own: whether
 * there is a burst, and parts of a day in which many come. So draws are hardly more than what is kept.
 */
#include "session_stream.h"

#include "base/fail.h"
#include "random_draw.h"
#include <stdio.h>
#include <stdlib.h>

#define DRAWS_ARRIVALS 1
#define DRAWS_BURSTS   2
#define DRAWS_SESSIONS 1000
#define DRAWS_FEW      ((double)(1 << 24)) /* by the greatest rate over all the time */
#define DAY_MANY       ((double)(1 << 20)) /* draws a day by its greatest rate */
#define DAY_PIECES     64.0
#define LOOK_EACH      4096u

typedef struct walker {
  double next_ms;
  lrd_draw draw;
  uint32_t session;
  uint32_t before;
  uint32_t who; /* of all users */
  uint16_t place;
  uint8_t user;
  uint8_t endpoint;                        /* of the next request */
  uint32_t ids[LRD_TRAFFIC_ENDPOINTS_MAX]; /* the last one of each; LRD_TRAFFIC_NONE */
} walker;

typedef struct stream {
  const larder_traffic *traffic;
  uint64_t seed;
  lrd_draw arrivals;
  lrd_draw bursts;
  double burst_from_ms; /* the one that is, or comes next */
  double arrival_ms;    /* of the next session */
  uint32_t sessions;
  walker *walkers; /* a heap */
  uint32_t walkers_len;
  uint32_t walkers_room;
  double *ids[LRD_TRAFFIC_ENDPOINTS_MAX]; /* sums of their parts; NULL: all alike */
  lrd_request_list *out;
  double most;    /* sessions a millisecond, nowhere exceeded until */
  double most_ms; /* then */
  uint64_t draws; /* of moments */
  bool (*goes_on)(void *context);
  void *context;
  larder_err err;
} stream;

/* --- ids ------------------------------------------------------------------------------------------------------------------ */

static larder_err ids_sum(stream *s) {
  for (uint32_t e = 0; e < s->traffic->endpoints_len; e++) {
    const lrd_traffic_endpoint *endpoint = &s->traffic->endpoints[e];
    if (endpoint->skew <= 0 || endpoint->ids < 2) continue;
    double *sums = s->ids[e] = lrd_alloc(endpoint->ids * sizeof *sums), so_far = 0;
    if (sums == NULL) return LARDER_ENOMEM;
    for (uint64_t i = 0; i < endpoint->ids; i++) sums[i] = so_far += pow((double)(i + 1), -endpoint->skew);
    for (uint64_t i = 0; i < endpoint->ids; i++) sums[i] /= so_far;
  }
  return LARDER_OK;
}

static uint32_t id_draw(const stream *s, uint32_t e, lrd_draw *draw) {
  const lrd_traffic_endpoint *endpoint = &s->traffic->endpoints[e];
  const double *sums = s->ids[e];
  if (sums == NULL) return (uint32_t)lrd_draw_below(draw, endpoint->ids);
  double part = lrd_draw_part(draw);
  uint64_t low = 0, high = endpoint->ids - 1;
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    if (sums[middle] > part)
      high = middle;
    else
      low = middle + 1;
  }
  return (uint32_t)low;
}

static uint32_t id_of(const stream *s, walker *w, uint32_t e) {
  const lrd_traffic_endpoint *endpoint = &s->traffic->endpoints[e];
  bool same = endpoint->same != LRD_TRAFFIC_NONE, walks = s->traffic->users[w->user].walks;
  uint32_t of = same ? endpoint->same : e, last = w->ids[of];
  if (s->traffic->endpoints[of].own) return w->who;
  if (same && last != LRD_TRAFFIC_NONE) return last;
  if (walks)
    w->ids[of] = last == LRD_TRAFFIC_NONE ? (uint32_t)lrd_draw_below(&w->draw, s->traffic->endpoints[of].ids)
                                          : (last + 1) % (uint32_t)s->traffic->endpoints[of].ids;
  else
    w->ids[of] = id_draw(s, of, &w->draw);
  return w->ids[of];
}

/* --- sessions under way --------------------------------------------------------------------------------------------------- */

static bool sooner(const walker *a, const walker *b) {
  return a->next_ms != b->next_ms ? a->next_ms < b->next_ms : a->session < b->session;
}

static void heap_sink(stream *s, uint32_t at) {
  walker moved = s->walkers[at];
  for (uint32_t child; (child = 2 * at + 1) < s->walkers_len; at = child) {
    if (child + 1 < s->walkers_len && sooner(&s->walkers[child + 1], &s->walkers[child])) child++;
    if (!sooner(&s->walkers[child], &moved)) break;
    s->walkers[at] = s->walkers[child];
  }
  s->walkers[at] = moved;
}

static larder_err heap_add(stream *s, const walker *fresh) {
  if (s->walkers_len == s->walkers_room) {
    uint32_t room = s->walkers_room ? s->walkers_room * 2 : 64;
    walker *grown = lrd_realloc(s->walkers, room * sizeof *grown);
    if (grown == NULL) return LARDER_ENOMEM;
    s->walkers = grown;
    s->walkers_room = room;
  }
  uint32_t at = s->walkers_len++;
  while (at > 0 && sooner(fresh, &s->walkers[(at - 1) / 2])) {
    s->walkers[at] = s->walkers[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  s->walkers[at] = *fresh;
  return LARDER_OK;
}

static uint8_t endpoint_draw(const larder_traffic *traffic, const double *sums, lrd_draw *draw, bool *none) {
  double part = lrd_draw_part(draw);
  for (uint32_t e = 0; e < traffic->endpoints_len; e++)
    if (part < sums[e]) return (uint8_t)e;
  *none = true;
  return 0;
}

static uint8_t user_draw(const larder_traffic *traffic, lrd_draw *draw) {
  double whole = 0, so_far = 0;
  for (uint32_t u = 0; u < traffic->users_len; u++) whole += traffic->users[u].share;
  double part = lrd_draw_part(draw) * whole;
  for (uint32_t u = 0; u + 1 < traffic->users_len; u++) {
    so_far += traffic->users[u].share;
    if (part < so_far) return (uint8_t)u;
  }
  return (uint8_t)(traffic->users_len - 1);
}

static larder_err session_begin(stream *s, double at_ms) {
  const larder_traffic *traffic = s->traffic;
  bool none = false;
  walker w = {.next_ms = at_ms, .session = s->sessions, .before = LRD_TRAFFIC_NONE};
  w.draw = lrd_draw_of(s->seed, DRAWS_SESSIONS + (uint64_t)s->sessions++);
  w.user = user_draw(traffic, &w.draw);
  const lrd_traffic_user *user = &traffic->users[w.user];
  w.who = user->first + (uint32_t)lrd_draw_below(&w.draw, user->count);
  w.endpoint = endpoint_draw(traffic, user->start, &w.draw, &none);
  for (uint32_t e = 0; e < LRD_TRAFFIC_ENDPOINTS_MAX; e++) w.ids[e] = LRD_TRAFFIC_NONE;
  return none ? LARDER_OK : heap_add(s, &w); /* sums end at 1, but for the last digit */
}

/* The soonest session asks, and goes on or ends. */
static larder_err session_step(stream *s) {
  LRD_ASSERT(s->walkers);
  walker *w = &s->walkers[0];
  lrd_request_list *out = s->out;
  const lrd_traffic_user *user = &s->traffic->users[w->user];
  if (out->len == LRD_TRAFFIC_REQUESTS_MAX) return LARDER_ETOOBIG;
  if (out->len % LOOK_EACH == LOOK_EACH - 1 && s->goes_on && !s->goes_on(s->context)) return LARDER_ECANCELLED;
  if (out->len == out->room) {
    uint64_t room = out->room ? out->room * 2 : 4096;
    lrd_request *grown = lrd_realloc(out->items, room * sizeof *grown);
    if (grown == NULL) return LARDER_ENOMEM;
    out->items = grown;
    out->room = room;
  }
  uint32_t key = s->traffic->endpoints[w->endpoint].first_key + id_of(s, w, w->endpoint);
  out->items[out->len++] = (lrd_request){.at_ms = w->next_ms,
                                         .key = key,
                                         .session = w->session,
                                         .before = w->before,
                                         .place = w->place,
                                         .user = w->user,
                                         .endpoint = w->endpoint};
  bool ends = false;
  w->before = key;
  w->place += w->place < UINT16_MAX;
  w->endpoint = endpoint_draw(s->traffic, user->moves[w->endpoint], &w->draw, &ends);
  w->next_ms += lrd_draw_exponential(&w->draw, user->think_ms);
  if (ends || w->next_ms >= s->traffic->length_ms) *w = s->walkers[--s->walkers_len];
  if (s->walkers_len > 0) heap_sink(s, 0);
  return LARDER_OK;
}

/* --- the rate ------------------------------------------------------------------------------------------------------------- */

/* Counts a draw; false: it is one too many, or nobody wants them any more. */
static bool draw_more(stream *s) {
  if (s->err == LARDER_OK && s->draws == LRD_TRAFFIC_DRAWS_MAX) s->err = LARDER_ETOOBIG;
  if (s->err == LARDER_OK && s->draws++ % LOOK_EACH == 0 && s->goes_on && !s->goes_on(s->context)) s->err = LARDER_ECANCELLED;
  return s->err == LARDER_OK;
}

static void burst_draw(stream *s, double from_ms) {
  const larder_traffic *t = s->traffic;
  s->burst_from_ms =
      t->burst_every_ms > 0 ? from_ms + lrd_draw_exponential(&s->bursts, t->burst_every_ms) : t->length_ms + t->burst_length_ms;
}

/* Whether there is a burst at a moment; moments only go on. */
static bool burst_at(stream *s, double at_ms) {
  const larder_traffic *t = s->traffic;
  while (at_ms >= s->burst_from_ms + t->burst_length_ms && s->burst_from_ms < t->length_ms && draw_more(s))
    burst_draw(s, s->burst_from_ms + t->burst_length_ms);
  return at_ms >= s->burst_from_ms;
}

static double day_part(const larder_traffic *t, double at_ms) {
  return t->day_ms > 0 ? 1 - t->day_depth * cos(6.283185307179586 * at_ms / t->day_ms) : 1;
}
static double day_most(const larder_traffic *t) { return t->day_ms > 0 ? 1 + t->day_depth : 1; }

/* Sessions a millisecond at a moment. */
static double rate_at(stream *s, double at_ms) {
  double rate = s->traffic->sessions / 1000 * day_part(s->traffic, at_ms);
  return burst_at(s, at_ms) ? rate * s->traffic->burst_times : rate;
}

/* The piece of time from a moment on, and what no rate in it exceeds. */
static void piece_begin(stream *s, double from_ms) {
  const larder_traffic *t = s->traffic;
  double base = t->sessions / 1000;
  s->most = base * day_most(t) * t->burst_times;
  s->most_ms = t->length_ms;
  if (s->most * t->length_ms <= DRAWS_FEW) return;
  bool burst = burst_at(s, from_ms);
  double times = burst ? t->burst_times : 1, part = day_most(t);
  double until_ms = burst ? s->burst_from_ms + t->burst_length_ms : s->burst_from_ms;
  if (t->day_ms > 0 && base * part * times * t->day_ms > DAY_MANY) {
    /* Half days are whole pieces, so that within one the rate only rises or only falls. */
    double each_ms = t->day_ms / DAY_PIECES, end_ms = (floor(from_ms / each_ms) + 1) * each_ms;
    if (end_ms <= from_ms) end_ms += each_ms; /* of rounding */
    double first = day_part(t, end_ms - each_ms), last = day_part(t, end_ms);
    part = first > last ? first : last;
    until_ms = end_ms < until_ms ? end_ms : until_ms;
  }
  s->most = base * part * times;
  if (until_ms < t->length_ms) s->most_ms = until_ms;
}

/* The moment of the next session, or one beyond the end. */
static void arrival_draw(stream *s) {
  const larder_traffic *t = s->traffic;
  while (s->arrival_ms < t->length_ms && draw_more(s)) {
    double next_ms = s->arrival_ms + lrd_draw_exponential(&s->arrivals, 1 / s->most);
    if (next_ms >= s->most_ms && s->most_ms < t->length_ms) {
      s->arrival_ms = s->most_ms;
      piece_begin(s, s->most_ms);
      continue;
    }
    s->arrival_ms = next_ms;
    if (next_ms < t->length_ms && lrd_draw_part(&s->arrivals) * s->most < rate_at(s, next_ms)) return;
  }
}

static void requests_make(stream *s) {
  const larder_traffic *t = s->traffic;
  burst_draw(s, 0);
  piece_begin(s, 0);
  arrival_draw(s);
  while (s->err == LARDER_OK && (s->walkers_len > 0 || s->arrival_ms < t->length_ms)) {
    if (s->arrival_ms < t->length_ms && (s->walkers_len == 0 || s->arrival_ms <= s->walkers[0].next_ms)) {
      s->err = session_begin(s, s->arrival_ms);
      arrival_draw(s);
    } else {
      s->err = session_step(s);
    }
  }
}

larder_err lrd_requests_make(const larder_traffic *traffic, uint64_t seed, bool (*goes_on)(void *context), void *context,
                             lrd_request_list *out) {
  *out = (lrd_request_list){0};
  stream s = {.traffic = traffic, .seed = seed, .out = out, .goes_on = goes_on, .context = context};
  s.arrivals = lrd_draw_of(seed, DRAWS_ARRIVALS);
  s.bursts = lrd_draw_of(seed, DRAWS_BURSTS);
  s.err = ids_sum(&s);
  if (s.err == LARDER_OK) requests_make(&s);
  for (uint32_t e = 0; e < LRD_TRAFFIC_ENDPOINTS_MAX; e++) lrd_dealloc(s.ids[e]);
  lrd_dealloc(s.walkers);
  if (s.err != LARDER_OK) lrd_requests_fini(out);
  return s.err;
}

void lrd_requests_fini(lrd_request_list *list) {
  lrd_dealloc(list->items);
  *list = (lrd_request_list){0};
}

void lrd_request_path(const larder_traffic *traffic, const lrd_request *request, char *out, size_t room) {
  const lrd_traffic_endpoint *endpoint = &traffic->endpoints[request->endpoint];
  if (endpoint->keys == 1)
    (void)snprintf(out, room, "/%s", endpoint->name);
  else
    (void)snprintf(out, room, "/%s/%u", endpoint->name, request->key - endpoint->first_key);
}
