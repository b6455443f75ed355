/* SPDX-License-Identifier: Apache-2.0 */
#include "foretelling.h"

#include "base/fail.h"
#include "base/hash.h"
#include "base/rate.h"
#include "core/makers.h"
#include "heard_ring.h"
#include "hosted_agent.h"
#include "predictor.h"
#include <larder/foretell.h>
#include <larder/prefetch.h>

#define ROOM "predict"

struct lrd_foreteller {
  lrd_mutex mutex; /* of ticks */
  bool quiet;
  lrd_ticker *ticker;
};

/* What has been judged of late. */
typedef struct verdict {
  uint64_t used_seen, used_bytes_seen, wasted_seen, wasted_bytes_seen;
  double entries, used_bytes, wasted_bytes;
} verdict;

struct lrd_foretelling {
  larder_predictor *predictor;
  lrd_heard_ring ring;
  lrd_hosted *hosted; /* NULL: wishes are by probability alone */
  lrd_rate rate;
  larder_predict_model chain;
  double least;
  verdict verdict;
  int64_t rests_until_ns; /* 0: it goes on */
  _Atomic uint64_t heard, missed, wished, held_rate, held_budget, held_waste, stops;
  _Atomic bool stopped;
};

/* --- who asks --------------------------------------------------------------------------------------------------------------
 */

static _Thread_local uint64_t session_named; /* 0: none */
static _Thread_local char session_type[LARDER_USER_TYPE_MAX + 1];

void larder_foretell_session(const void *id, size_t id_len, const char *user_type) {
  session_named = id ? lrd_hash64(id, id_len, 0) | 1 : 0;
  size_t len = user_type ? strlen(user_type) : 0;
  if (len > LARDER_USER_TYPE_MAX) len = 0; /* none, as for a predictor */
  if (len > 0) memcpy(session_type, user_type, len);
  session_type[len] = '\0';
}

/* Even: never one that was named. */
static uint64_t session_of_thread(void) {
  return session_named ? session_named : (uint64_t)(uintptr_t)&session_named & ~UINT64_C(1);
}

static bool hear(struct lrd_foretelling *f, const lrd_news *news) {
  bool kept = news->key_len <= LARDER_FORETELL_KEY_MAX && lrd_heard_ring_put(&f->ring, session_of_thread(), session_type, news);
  if (!kept && news->what < LRD_NEWS_FAILED) atomic_fetch_add_explicit(&f->missed, 1, memory_order_relaxed);
  return kept;
}

/* What a maker or a job asks for is no user's step. */
static void news_heard(larder_ns *ns, const lrd_news *news) {
  if (!news->key || !lrd_asks_unheard()) (void)hear(ns->foretelling, news);
}

larder_err larder_foretell_asked(larder_ns *ns, const void *key, size_t key_len) {
  lrd_op op;
  larder_err err = lrd_op_begin(ns, key, key_len, &op);
  if (err != LARDER_OK) return err;
  if (ns->foretelling == NULL) return LARDER_EUNSUPPORTED;
  return hear(ns->foretelling, &(lrd_news){.what = LRD_NEWS_HIT, .key = key, .key_len = key_len}) ? LARDER_OK : LARDER_NOT_KEPT;
}

/* --- wishing ---------------------------------------------------------------------------------------------------------------
 */

bool lrd_foretell_is_there(larder_ns *ns, const larder_predict_guess *guess) {
  lrd_op op;
  larder_value value = {0};
  larder_facts facts;
  if (lrd_op_begin(ns, guess->endpoint, guess->endpoint_len, &op) != LARDER_OK) return true; /* nothing could be made of it */
  bool there = lrd_look_up(&op, &value, &facts) == LARDER_OK && !value.stale;
  larder_value_release(&value);
  return there;
}

static void add(_Atomic uint64_t *count) { atomic_fetch_add_explicit(count, 1, memory_order_relaxed); }

bool lrd_foretell_wish(larder_ns *ns, const larder_predict_guess *guess) {
  struct lrd_foretelling *f = ns->foretelling;
  if (f->rests_until_ns != 0) {
    add(&f->held_waste);
  } else if (atomic_load(&ns->ahead.unread_bytes) >= ns->policy.predict.budget_bytes) {
    add(&f->held_budget);
  } else if (lrd_rate_take(&f->rate) != 0) {
    add(&f->held_rate);
  } else if (larder_prefetch(ns, guess->endpoint, guess->endpoint_len, guess->probability, 0) == LARDER_OK) {
    add(&f->wished);
    return true;
  }
  return false;
}

static void decide(larder_ns *ns, const lrd_heard *heard, const larder_predict_guess *guesses, size_t count) {
  struct lrd_foretelling *f = ns->foretelling;
  lrd_hosted_request request = {.guesses = guesses, .guesses_len = count, .may_wish = f->rests_until_ns == 0};
  lrd_op op;
  if (lrd_op_begin(ns, heard->key, heard->key_len, &op) != LARDER_OK) return;
  lrd_predictor_asker(f->predictor, &heard->session, sizeof heard->session, heard->user_type, &request.user, &request.place);
  lrd_hosted_asked(f->hosted, heard, op.hash, &request);
}

static void asked_take(larder_ns *ns, const lrd_heard *heard) {
  struct lrd_foretelling *f = ns->foretelling;
  larder_predict_guess guesses[LARDER_PREDICT_TOP_MAX];
  size_t count = f->hosted ? LARDER_AGENT_GUESSES : (size_t)ns->policy.predict.top;
  const larder_predict_event event = {.session = &heard->session,
                                      .session_len = sizeof heard->session,
                                      .endpoint = heard->key,
                                      .endpoint_len = heard->key_len,
                                      .user_type = heard->user_type,
                                      .wall_ms = lrd_wall_ms(ns->cache->clock)};
  if (larder_predict_request(f->predictor, &event, f->chain, guesses, &count) != LARDER_OK) {
    add(&f->missed);
    return;
  }
  add(&f->heard);
  if (f->hosted) {
    decide(ns, heard, guesses, count);
    return;
  }
  for (size_t i = 0; i < count && guesses[i].probability >= f->least; i++)
    if (!lrd_foretell_is_there(ns, &guesses[i])) (void)lrd_foretell_wish(ns, &guesses[i]);
}

static void heard_take(larder_ns *ns, const lrd_heard *heard) {
  if (heard->what < LRD_NEWS_FAILED)
    asked_take(ns, heard);
  else if (heard->what <= LRD_NEWS_MISSED)
    decide(ns, heard, NULL, 0);
  else
    lrd_hosted_news(ns->foretelling->hosted, heard);
}

/* --- waste ---------------------------------------------------------------------------------------------------------------- */

static double grown(_Atomic uint64_t *count, uint64_t *seen) {
  uint64_t now = atomic_load(count);
  double more = (double)(now - *seen);
  *seen = now;
  return more;
}

static void judge(larder_ns *ns) {
  struct lrd_foretelling *f = ns->foretelling;
  verdict *v = &f->verdict;
  int64_t now_ns = lrd_mono_ns(ns->cache->clock);
  v->entries += grown(&ns->ahead.used, &v->used_seen) + grown(&ns->ahead.wasted, &v->wasted_seen);
  v->used_bytes += grown(&ns->ahead.used_bytes, &v->used_bytes_seen);
  v->wasted_bytes += grown(&ns->ahead.wasted_bytes, &v->wasted_bytes_seen);
  if (f->rests_until_ns != 0) {
    v->entries = v->used_bytes = v->wasted_bytes = 0;
    if (now_ns < f->rests_until_ns) return;
    f->rests_until_ns = 0;
    atomic_store(&f->stopped, false);
  }
  if (v->entries >= LRD_FORETELL_HALVED) v->entries /= 2, v->used_bytes /= 2, v->wasted_bytes /= 2;
  if (v->entries < LRD_FORETELL_JUDGED) return;
  if (v->wasted_bytes <= ns->policy.predict.waste_max * (v->used_bytes + v->wasted_bytes)) return;
  f->rests_until_ns = now_ns + LRD_FORETELL_REST_NS;
  atomic_store(&f->stopped, true);
  add(&f->stops);
  (void)larder_prefetch_clear(ns->cache, ns);
  lrd_log_write(
      &ns->cache->log, LRD_LOG_WARN, "predict.stopped",
      "namespace %s only learns for five minutes: of what was made ahead lately %.0f %% of the bytes were for nothing",
      ns->name, 100 * v->wasted_bytes / (v->used_bytes + v->wasted_bytes));
}

/* --- life ------------------------------------------------------------------------------------------------------------------
 */

static void space_tick(larder_ns *ns) {
  lrd_hosted *hosted = ns->foretelling->hosted;
  lrd_heard heard;
  if (hosted) lrd_hosted_begin(hosted);
  for (unsigned left = LRD_HEARD_PLACES; left > 0 && lrd_heard_ring_take(&ns->foretelling->ring, &heard); left--)
    heard_take(ns, &heard);
  judge(ns);
  if (hosted) lrd_hosted_end(hosted);
}

void lrd_foretell_tick(larder *cache) {
  struct lrd_foreteller *all = cache->foreteller;
  lrd_lock(&all->mutex);
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len) && !all->quiet; i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    if (ns->foretelling) space_tick(ns);
  }
  lrd_unlock(&all->mutex);
}

static void ticker_tick(void *context) { lrd_foretell_tick(context); }

larder_err lrd_foretell_init(larder *cache) {
  cache->foreteller = lrd_alloc_zero(1, sizeof *cache->foreteller);
  if (cache->foreteller == NULL) return LARDER_ENOMEM;
  lrd_mutex_init(&cache->foreteller->mutex);
  return LARDER_OK;
}

larder_err lrd_foretell_open(larder_ns *ns, bool threads, larder_error *err) {
  const lrd_config_predict *config = &ns->policy.predict;
  if (!config->enable || !ns->make || ns->name[0] == '.' || !ns->cache->config->prefetch.enable) return LARDER_OK;
  struct lrd_foretelling *f = lrd_alloc_zero(1, sizeof *f);
  if (f == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  const larder_predictor_options how = {.size = sizeof how,
                                        .endpoints_max = (uint32_t)config->keys_max,
                                        .states_max = 8 * (uint32_t)config->keys_max,
                                        .pattern = ""};
  f->chain = (larder_predict_model)config->chain;
  f->least = config->min_probability > 0 ? config->min_probability : ns->cache->config->prefetch.min_probability;
  lrd_rate_init(&f->rate, ns->cache->clock, config->rate_per_s, config->rate_per_s);
  ns->foretelling = f;
  larder_err result = larder_predictor_new(&how, &f->predictor, err);
  if (result == LARDER_OK) result = lrd_heard_ring_init(&f->ring);
  if (result == LARDER_OK) result = lrd_hosted_open(ns, &f->hosted, err);
  if (result == LARDER_OK && threads && ns->cache->foreteller->ticker == NULL)
    result =
        lrd_ticker_start(&ns->cache->foreteller->ticker, "larder-foretell", LRD_FORETELL_PERIOD_NS, ticker_tick, ns->cache);
  if (result != LARDER_OK) {
    lrd_foretell_close(ns);
    return lrd_fail(err, result, 0, ROOM, "out of memory");
  }
  ns->hears_all = f->hosted != NULL;
  ns->heard = news_heard;
  atomic_store(&ns->straight, NULL);
  return LARDER_OK;
}

void lrd_foretell_pause(larder *cache) { lrd_lock(&cache->foreteller->mutex); }
void lrd_foretell_go_on(larder *cache) { lrd_unlock(&cache->foreteller->mutex); }

void lrd_foretell_quiet(larder *cache) {
  if (cache->foreteller == NULL) return;
  lrd_lock(&cache->foreteller->mutex);
  cache->foreteller->quiet = true;
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    const larder_ns *ns = atomic_load(&cache->spaces[i]);
    if (ns->foretelling && ns->foretelling->hosted) lrd_hosted_keep(ns->foretelling->hosted);
  }
  lrd_unlock(&cache->foreteller->mutex);
}

void lrd_foretell_resume(larder *cache) {
  if (cache->foreteller == NULL) return;
  lrd_lock(&cache->foreteller->mutex);
  cache->foreteller->quiet = false;
  lrd_unlock(&cache->foreteller->mutex);
}

void lrd_foretell_stop(larder *cache) {
  if (cache->foreteller == NULL || cache->foreteller->ticker == NULL) return;
  if (atomic_load(&cache->forked))
    lrd_ticker_abandon(cache->foreteller->ticker);
  else
    lrd_ticker_stop(cache->foreteller->ticker);
  cache->foreteller->ticker = NULL;
}

void lrd_foretell_close(larder_ns *ns) {
  struct lrd_foretelling *f = ns->foretelling;
  if (f == NULL) return;
  ns->foretelling = NULL;
  ns->heard = NULL;
  ns->hears_all = false;
  lrd_hosted_close(f->hosted);
  larder_predictor_free(&f->predictor);
  lrd_heard_ring_fini(&f->ring);
  lrd_rate_fini(&f->rate);
  lrd_dealloc(f);
}

void lrd_foretell_free(larder *cache) {
  if (cache->foreteller == NULL) return;
  if (!atomic_load(&cache->forked)) lrd_mutex_fini(&cache->foreteller->mutex);
  lrd_dealloc(cache->foreteller);
  cache->foreteller = NULL;
}

lrd_hosted *lrd_foretell_hosted(const larder_ns *ns) { return ns->foretelling ? ns->foretelling->hosted : NULL; }

larder_predictor *lrd_foretell_predictor(const larder_ns *ns, larder_predict_model *chain_out) {
  if (ns->foretelling == NULL) return NULL;
  *chain_out = ns->foretelling->chain;
  return ns->foretelling->predictor;
}

/* --- what was learned, and what came of it -------------------------------------------------------------------------------- */

larder_err larder_foretell_learn(larder_ns *ns, larder_predictor *from) {
  if (ns == NULL || from == NULL) return LARDER_EINVAL;
  if (atomic_load(&ns->cache->forked)) return LARDER_EFORKED;
  return ns->foretelling ? larder_predict_merge(ns->foretelling->predictor, from) : LARDER_EUNSUPPORTED;
}

larder_err larder_foretell_save(larder_ns *ns, const char *path, larder_predict_format format, larder_error *err) {
  if (ns == NULL || ns->foretelling == NULL)
    return lrd_fail(err, ns ? LARDER_EUNSUPPORTED : LARDER_EINVAL, 0, ROOM, "the namespace does not predict");
  if (atomic_load(&ns->cache->forked)) return lrd_fail(err, LARDER_EFORKED, 0, ROOM, "%s", larder_err_text(LARDER_EFORKED));
  return larder_predict_save(ns->foretelling->predictor, path, format, err);
}

larder_err larder_foretell_figures_get(larder_ns *ns, larder_foretell_figures *out) {
  if (ns == NULL || out == NULL) return LARDER_EINVAL;
  struct lrd_foretelling *f = ns->foretelling;
  if (f == NULL) return LARDER_EUNSUPPORTED;
  *out = (larder_foretell_figures){.heard = atomic_load(&f->heard),
                                   .missed = atomic_load(&f->missed),
                                   .wished = atomic_load(&f->wished),
                                   .held_rate = atomic_load(&f->held_rate),
                                   .held_budget = atomic_load(&f->held_budget),
                                   .held_waste = atomic_load(&f->held_waste),
                                   .used = atomic_load(&ns->ahead.used),
                                   .used_bytes = atomic_load(&ns->ahead.used_bytes),
                                   .wasted = atomic_load(&ns->ahead.wasted),
                                   .wasted_bytes = atomic_load(&ns->ahead.wasted_bytes),
                                   .late = atomic_load(&ns->ahead.late),
                                   .late_bytes = atomic_load(&ns->ahead.late_bytes),
                                   .unread_bytes = atomic_load(&ns->ahead.unread_bytes),
                                   .stops = atomic_load(&f->stops),
                                   .stopped = atomic_load(&f->stopped)};
  if (out->used + out->wasted > 0) out->precision = (double)out->used / (double)(out->used + out->wasted);
  return LARDER_OK;
}
