/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warming: the parts of a plan one after the other, each by a few threads that take the next number, skip what is there, and
 * make the rest. What a thread has done goes into a short ring, from which the caller's own thread tells the progress; a
 * full ring makes the threads wait for a slow listener. A recipe that measures time has one thread for itself.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/redact.h"
#include "base/thread.h"
#include "core/cache.h"
#include "recipe_plan.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define RING_LEN     64u
#define PARALLEL_MAX 256u
#define TICK_NS      100000000

/* One value that was dealt with. */
typedef struct warm_event {
  char key[LARDER_KEY_MAX + 1];
  char reason[sizeof((larder_error *)0)->message];
  larder_err result;
  uint64_t bytes;
} warm_event;

typedef struct warming {
  const larder_warm_options *options; /* NULL: the defaults */
  const lrd_warm_part *part;
  larder_warmed counts;
  lrd_mutex mutex;
  lrd_cond happened; /* an event came, a thread ended */
  lrd_cond room;     /* the ring has room */
  warm_event *ring;
  size_t ring_first;
  size_t ring_len;
  unsigned running; /* threads */
  atomic_uint_fast64_t next;
  atomic_bool stop;
} warming;

static void value_warm(warming *w, uint64_t number, warm_event *event) {
  larder_error err = {0};
  lrd_params params;
  bool fresh = w->options != NULL && w->options->fresh;
  event->bytes = 0;
  event->reason[0] = '\0';
  event->result = lrd_warm_part_at(w->part, number, &params, event->key, &err);
  if (event->result == LARDER_OK && !fresh) {
    larder_err there = larder_exists(w->part->ns, event->key, strlen(event->key));
    if (there == LARDER_OK) {
      event->result = LARDER_MISS; /* nothing to make; larder_warm_progress says so */
      return;
    }
  }
  if (event->result == LARDER_OK)
    event->result = lrd_recipe_into(w->part->ns, w->part->maker, &params, event->key,
                                    w->options != NULL ? w->options->ttl_ms : 0, &event->bytes, &err);
  memcpy(event->reason, err.message, sizeof event->reason);
}

static void *warm_thread(void *context) {
  warming *w = context;
  warm_event *event = lrd_alloc(sizeof *event);
  while (event != NULL && !atomic_load(&w->stop)) {
    uint64_t number = atomic_fetch_add(&w->next, 1);
    if (number >= w->part->total) break;
    value_warm(w, number, event);
    lrd_lock(&w->mutex);
    while (w->ring_len == RING_LEN) (void)lrd_cond_wait_ns(&w->room, &w->mutex, TICK_NS);
    w->ring[(w->ring_first + w->ring_len++) % RING_LEN] = *event;
    pthread_cond_signal(&w->happened);
    lrd_unlock(&w->mutex);
  }
  lrd_dealloc(event);
  lrd_lock(&w->mutex);
  w->running--;
  pthread_cond_signal(&w->happened);
  lrd_unlock(&w->mutex);
  return NULL;
}

static void event_tell(warming *w, const warm_event *event) {
  larder_warmed *counts = &w->counts;
  if (event != NULL && event->result == LARDER_MISS) {
    counts->there++;
  } else if (event != NULL && (event->result == LARDER_OK || event->result == LARDER_DEGRADED)) {
    counts->made++;
    counts->bytes += event->bytes;
  } else if (event != NULL) {
    counts->failed++;
  }
  if (w->options == NULL || w->options->progress == NULL) return;
  larder_warm_progress progress = {.total = counts->total,
                                   .made = counts->made,
                                   .there = counts->there,
                                   .failed = counts->failed,
                                   .ns = larder_ns_name(w->part->ns)};
  if (event != NULL) {
    progress.key = event->key;
    progress.result = event->result;
    progress.bytes = event->bytes;
    progress.reason = event->reason;
  }
  if (!w->options->progress(w->options->context, &progress)) atomic_store(&w->stop, true);
}

/* Tells what comes until the last thread has ended and the ring is empty. No callback runs under the lock. */
static void ring_drain(warming *w, warm_event *event) {
  for (;;) {
    bool one = false;
    lrd_lock(&w->mutex);
    if (w->ring_len == 0 && w->running > 0) (void)lrd_cond_wait_ns(&w->happened, &w->mutex, TICK_NS);
    bool over = w->ring_len == 0 && w->running == 0;
    if (w->ring_len > 0) {
      *event = w->ring[w->ring_first];
      w->ring_first = (w->ring_first + 1) % RING_LEN;
      w->ring_len--;
      one = true;
      pthread_cond_signal(&w->room);
    }
    lrd_unlock(&w->mutex);
    if (over) return;
    event_tell(w, one ? event : NULL);
  }
}

static unsigned threads_wanted(const warming *w) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  uint64_t wanted = w->options != NULL && w->options->parallel > 0 ? w->options->parallel
                    : processors > 0                               ? (uint64_t)processors
                                                                   : 1;
  if (w->part->maker->alone) wanted = 1;
  if (wanted > PARALLEL_MAX) wanted = PARALLEL_MAX;
  return (unsigned)(wanted > w->part->total ? w->part->total : wanted);
}

/* Signals are for the caller's threads: a Ctrl-C must find its handler there. */
static larder_err part_warm(warming *w, warm_event *event) {
  pthread_t threads[PARALLEL_MAX];
  unsigned wanted = threads_wanted(w);
  unsigned started = 0;
  sigset_t all;
  sigset_t before;
  atomic_store(&w->next, 0);
  w->running = wanted;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (started < wanted && pthread_create(&threads[started], NULL, warm_thread, w) == 0) started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  lrd_lock(&w->mutex);
  w->running -= wanted - started;
  lrd_unlock(&w->mutex);
  if (started == 0) return LARDER_ENOMEM;
  ring_drain(w, event);
  for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
  /* Threads without memory for an event leave numbers untaken. */
  return atomic_load(&w->stop) || atomic_load(&w->next) >= w->part->total ? LARDER_OK : LARDER_ENOMEM;
}

static larder_err plan_warm(const lrd_warm_plan *plan, const larder_warm_options *options, larder_warmed *out,
                            larder_error *err) {
  warming w = {.options = options, .counts = {.total = plan->total}};
  larder_err result = LARDER_OK;
  warm_event *event = lrd_alloc(sizeof *event);
  w.ring = lrd_alloc_zero(RING_LEN, sizeof *w.ring);
  lrd_mutex_init(&w.mutex);
  lrd_cond_init(&w.happened);
  lrd_cond_init(&w.room);
  if (event == NULL || w.ring == NULL) result = LARDER_ENOMEM;
  for (size_t i = 0; i < plan->parts_len && result == LARDER_OK && !atomic_load(&w.stop); i++) {
    w.part = &plan->parts[i];
    result = part_warm(&w, event);
  }
  if (result == LARDER_OK) {
    w.counts.stopped = w.counts.made + w.counts.there + w.counts.failed < w.counts.total;
    if (out != NULL) *out = w.counts;
  } else {
    result = lrd_fail(err, result, 0, "recipe", "out of memory or threads; warm fewer at once");
  }
  lrd_mutex_fini(&w.mutex);
  lrd_cond_fini(&w.happened);
  lrd_cond_fini(&w.room);
  lrd_dealloc(w.ring);
  lrd_dealloc(event);
  return result;
}

larder_err larder_warm_recipe(larder_ns *ns, const char *recipe, const larder_param *params, size_t count,
                              const larder_warm_options *options, larder_warmed *out, larder_error *err) {
  lrd_warm_plan plan = {0};
  if (ns == NULL || (params == NULL && count > 0))
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "the namespace or the parameters are missing");
  larder_err result = lrd_warm_plan_add(&plan, ns, recipe, params, count, err);
  if (result == LARDER_OK) result = plan_warm(&plan, options, out, err);
  lrd_warm_plan_fini(&plan);
  return result;
}

/* --- from the configuration ------------------------------------------------------------------------------------------- */

/* `name=value` lines to parameters, in place. */
static size_t lines_split(char *lines, larder_param *out, size_t room) {
  size_t count = 0;
  for (char *at = lines; *at != '\0' && count < room;) {
    char *equals = strchr(at, '=');
    char *end = strchr(at, '\n');
    LRD_ASSERT(equals != NULL && end != NULL && equals < end);
    *equals = '\0';
    *end = '\0';
    out[count++] = (larder_param){.name = at, .value = equals + 1};
    at = end + 1;
  }
  return count;
}

static larder_err entry_add(lrd_warm_plan *plan, larder_ns *ns, const lrd_config *config, const lrd_config_warm *warm,
                            larder_error *err) {
  /* One more than a recipe may have, so that one too many is seen as such. */
  larder_param params[LARDER_RECIPE_PARAMS_MAX + 1];
  larder_error why = {0};
  char *lines = lrd_strdup(warm->params);
  if (lines == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, "recipe", "out of memory");
  size_t count = lines_split(lines, params, LARDER_RECIPE_PARAMS_MAX + 1);
  larder_err result = lrd_warm_plan_add(plan, ns, warm->recipe, params, count, &why);
  lrd_dealloc(lines);
  if (result == LARDER_OK) return result;
  /* What is wrong is the file's. */
  if (result == LARDER_EINVAL) result = LARDER_ECONFIG;
  lrd_redact_values_in(warm->variables, NULL, why.message);
  return lrd_fail(err, result, 0, "recipe", "%s:%d:%d: %s", config->file != NULL ? config->file : "configuration", warm->line,
                  warm->column, why.message);
}

larder_err larder_warm_configured(larder *cache, larder_ns *ns, const larder_warm_options *options, larder_warmed *out,
                                  larder_error *err) {
  lrd_warm_plan plan = {0};
  larder_err result = LARDER_OK;
  if (cache == NULL) return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "the cache is missing");
  const lrd_config *config = cache->config;
  for (size_t i = 0; i < config->namespaces_len && result == LARDER_OK; i++) {
    const lrd_config_ns *one = &config->namespaces[i];
    larder_ns *into = ns;
    if (one->warm_len == 0 || (ns != NULL && strcmp(larder_ns_name(ns), one->name) != 0)) continue;
    if (into == NULL) result = larder_ns_open(cache, one->name, &into, err);
    for (size_t j = 0; j < one->warm_len && result == LARDER_OK; j++)
      result = entry_add(&plan, into, config, &one->warm[j], err);
  }
  if (result == LARDER_OK && plan.parts_len == 0) {
    result = lrd_fail(err, LARDER_MISS, 0, "recipe",
                      "the configuration lists nothing to warm%s%s: list recipes under `warm` of a namespace, or name one",
                      ns != NULL ? " in " : "", ns != NULL ? larder_ns_name(ns) : "");
  }
  if (result == LARDER_OK) result = plan_warm(&plan, options, out, err);
  lrd_warm_plan_fini(&plan);
  return result;
}
