/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker takes its number and notes it as the one it is busy with, under the mutex; so the least number that anybody is
 * busy with, or the next one, is the bound below which all is dealt with. That is what may be remembered.
 *
 * The watching thread wakes four times a second, and when a worker ends. It is the only one that calls `remember`.
 */
#include "background_job.h"

#include "base/fail.h"
#include "base/rate.h"
#include <signal.h>
#include <stdatomic.h>

#define ROOM        "warm"
#define WATCH_NS    INT64_C(250000000)
#define REMEMBER_NS INT64_C(2000000000)
#define NOT_BUSY    UINT64_MAX
#define MS          INT64_C(1000000)

typedef struct job_worker {
  larder_job *job;
  pthread_t thread;
  uint64_t busy_with;
} job_worker;

struct larder_job {
  larder *cache;
  lrd_job_work work;
  lrd_rate rate;
  lrd_mutex mutex; /* of all below but cancelled */
  lrd_cond changed;
  atomic_bool cancelled;
  job_worker workers[LARDER_JOB_PARALLEL_MAX];
  unsigned workers_len;
  unsigned running;
  pthread_t watcher;
  bool ended; /* by the watcher, last */
  uint64_t next;
  uint64_t counts[LRD_JOB_LEFT]; /* by outcome */
  uint64_t bytes;
  int64_t began_ns;
  int64_t ended_ns;
  double per_second;
};

/* --- working ------------------------------------------------------------------------------------------------------------ */

bool lrd_job_turn(larder_job *job) {
  for (;;) {
    if (atomic_load(&job->cancelled)) return false;
    int64_t wait_ns = lrd_rate_take(&job->rate);
    if (wait_ns == 0) return true;
    lrd_lock(&job->mutex);
    if (!atomic_load(&job->cancelled)) (void)lrd_cond_wait_ns(&job->changed, &job->mutex, wait_ns);
    lrd_unlock(&job->mutex);
  }
}

static bool number_take(job_worker *worker) {
  larder_job *job = worker->job;
  lrd_lock(&job->mutex);
  bool taken = !atomic_load(&job->cancelled) && job->next < job->work.total;
  worker->busy_with = taken ? job->next++ : NOT_BUSY;
  lrd_unlock(&job->mutex);
  return taken;
}

/* What was cancelled while it waited for its turn has not been dealt with, and keeps its number busy for good. */
static bool number_deal(job_worker *worker) {
  larder_job *job = worker->job;
  uint64_t bytes = 0;
  lrd_job_outcome outcome = job->work.deal(job->work.context, job, worker->busy_with, &bytes);
  lrd_lock(&job->mutex);
  bool dealt = outcome != LRD_JOB_LEFT;
  if (dealt) {
    job->counts[outcome]++;
    job->bytes += bytes;
    worker->busy_with = NOT_BUSY;
  }
  lrd_unlock(&job->mutex);
  return dealt;
}

static void *work_thread(void *context) {
  job_worker *worker = context;
  larder_job *job = worker->job;
  while (number_take(worker) && number_deal(worker)) {
  }
  lrd_lock(&job->mutex);
  job->running--;
  pthread_cond_broadcast(&job->changed);
  lrd_unlock(&job->mutex);
  return NULL;
}

/* --- watching ----------------------------------------------------------------------------------------------------------- */

static uint64_t dealt_sum(const larder_job *job) {
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof job->counts / sizeof *job->counts; i++) sum += job->counts[i];
  return sum;
}

static uint64_t bound_of(const larder_job *job) {
  uint64_t bound = job->next;
  for (unsigned i = 0; i < job->workers_len; i++)
    if (job->workers[i].busy_with < bound) bound = job->workers[i].busy_with;
  return bound;
}

/* A mean that forgets: after some three seconds what was before counts little. */
static void pace_note(larder_job *job, uint64_t *before, int64_t *before_ns) {
  int64_t now_ns = lrd_mono_ns(job->cache->clock);
  int64_t gone_ns = now_ns - *before_ns;
  uint64_t dealt = dealt_sum(job);
  if (gone_ns < WATCH_NS / 2) return;
  double now = (double)(dealt - *before) * 1e9 / (double)gone_ns;
  double whole = (double)dealt * 1e9 / (double)(now_ns - job->began_ns + 1);
  job->per_second = now_ns - job->began_ns < 8 * WATCH_NS ? whole : job->per_second * 0.8 + now * 0.2;
  *before = dealt;
  *before_ns = now_ns;
}

static void *watch_thread(void *context) {
  larder_job *job = context;
  uint64_t before = 0, remembered = job->work.first;
  int64_t before_ns = job->began_ns;
  int64_t remembered_ns = before_ns;
  bool over = false;
  while (!over) {
    lrd_lock(&job->mutex);
    if (job->running > 0) (void)lrd_cond_wait_ns(&job->changed, &job->mutex, WATCH_NS);
    over = job->running == 0;
    pace_note(job, &before, &before_ns);
    uint64_t below = bound_of(job);
    lrd_unlock(&job->mutex);
    bool wanted = job->work.remember != NULL;
    if (over && wanted) job->work.remember(job->work.context, below, true);
    if (over || !wanted || below == remembered || lrd_mono_ns(job->cache->clock) - remembered_ns < REMEMBER_NS) continue;
    job->work.remember(job->work.context, below, false);
    remembered = below;
    remembered_ns = lrd_mono_ns(job->cache->clock);
  }
  lrd_lock(&job->mutex);
  job->ended_ns = lrd_mono_ns(job->cache->clock);
  job->ended = true;
  pthread_cond_broadcast(&job->changed);
  lrd_unlock(&job->mutex);
  return NULL;
}

/* --- the life of a job ---------------------------------------------------------------------------------------------------- */

static void job_dispose(larder_job *job) {
  if (job->work.free != NULL) job->work.free(job->work.context);
  if (!atomic_load(&job->cache->forked)) { /* in a forked child threads that it does not have may be waiting on them */
    lrd_rate_fini(&job->rate);
    lrd_cond_fini(&job->changed);
    lrd_mutex_fini(&job->mutex);
  }
  lrd_dealloc(job);
}

/* As many workers as there are to be had, at least one, and the watcher. */
static bool threads_start(larder_job *job) {
  uint64_t left = job->work.total - job->work.first;
  unsigned wanted = job->work.parallel > 0 ? job->work.parallel : LARDER_JOB_PARALLEL;
  sigset_t all, before;
  if (wanted > left) wanted = (unsigned)left;
  for (unsigned i = 0; i < wanted; i++) job->workers[i] = (job_worker){.job = job, .busy_with = NOT_BUSY};
  job->workers_len = wanted;
  job->running = wanted;
  /* Signals are for the caller's threads. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  unsigned started = 0;
  while (started < wanted && pthread_create(&job->workers[started].thread, NULL, work_thread, &job->workers[started]) == 0)
    started++;
  bool watched = (started > 0 || wanted == 0) && pthread_create(&job->watcher, NULL, watch_thread, job) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  lrd_lock(&job->mutex);
  job->running -= wanted - started;
  job->workers_len = started;
  lrd_unlock(&job->mutex);
  if (watched) return true;
  atomic_store(&job->cancelled, true);
  for (unsigned i = 0; i < started; i++) pthread_join(job->workers[i].thread, NULL);
  return false;
}

larder_err lrd_job_start(larder *cache, const lrd_job_work *work, larder_job **out, larder_error *err) {
  larder_job *job = lrd_alloc_zero(1, sizeof *job);
  if (job == NULL) {
    if (work->free != NULL) work->free(work->context);
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  job->cache = cache;
  job->work = *work;
  job->next = work->first;
  job->began_ns = lrd_mono_ns(cache->clock);
  lrd_mutex_init(&job->mutex);
  lrd_cond_init(&job->changed);
  lrd_rate_init(&job->rate, cache->clock, work->per_second, 1);
  if (!threads_start(job)) {
    job_dispose(job);
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "no thread is to be had");
  }
  *out = job;
  return LARDER_OK;
}

void *lrd_job_context(const larder_job *job,
                      lrd_job_outcome (*deal)(void *context, larder_job *job, uint64_t number, uint64_t *bytes_out)) {
  return job->work.deal == deal ? job->work.context : NULL;
}

void larder_job_cancel(larder_job *job) {
  atomic_store(&job->cancelled, true);
  lrd_lock(&job->mutex);
  pthread_cond_broadcast(&job->changed);
  lrd_unlock(&job->mutex);
}

bool larder_job_wait(larder_job *job, int64_t timeout_ms) {
  /* By the machine's clock: who waits is a person or a program, not the cache. */
  int64_t until_ns = timeout_ms >= 0 && timeout_ms < INT64_MAX / MS / 2 ? lrd_mono_ns(lrd_clock_real()) + timeout_ms * MS : -1;
  lrd_lock(&job->mutex);
  while (!job->ended) {
    int64_t left_ns = until_ns < 0 ? 10 * WATCH_NS : until_ns - lrd_mono_ns(lrd_clock_real());
    if (left_ns <= 0) break;
    (void)lrd_cond_wait_ns(&job->changed, &job->mutex, left_ns);
  }
  bool ended = job->ended;
  lrd_unlock(&job->mutex);
  return ended;
}

void larder_job_progress_get(larder_job *job, larder_job_progress *out) {
  lrd_lock(&job->mutex);
  uint64_t dealt = dealt_sum(job), total = job->work.total;
  int64_t now_ns = job->ended ? job->ended_ns : lrd_mono_ns(job->cache->clock);
  *out = (larder_job_progress){.total = total,
                               .done = job->work.first + dealt,
                               .resumed = job->work.first,
                               .hits = job->counts[LRD_JOB_HIT],
                               .made = job->counts[LRD_JOB_MADE],
                               .unchanged = job->counts[LRD_JOB_UNCHANGED],
                               .absent = job->counts[LRD_JOB_ABSENT],
                               .errors = job->counts[LRD_JOB_ERROR],
                               .rejected = job->work.rejected,
                               .bytes = job->bytes,
                               .per_second = job->per_second,
                               .took_ms = (now_ns - job->began_ns) / MS,
                               .left_ms = -1};
  bool all = out->done == total;
  if (job->ended) out->state = all ? LARDER_JOB_DONE : LARDER_JOB_CANCELLED;
  if (all)
    out->left_ms = 0;
  else if (job->per_second > 0)
    out->left_ms = (int64_t)((double)(total - out->done) * 1000 / job->per_second);
  lrd_unlock(&job->mutex);
}

void larder_job_free(larder_job **job) {
  larder_job *mine = job != NULL ? *job : NULL;
  if (mine == NULL) return;
  *job = NULL;
  /* A forked child has none of the threads. */
  if (!atomic_load(&mine->cache->forked)) {
    larder_job_cancel(mine);
    pthread_join(mine->watcher, NULL);
    for (unsigned i = 0; i < mine->workers_len; i++) pthread_join(mine->workers[i].thread, NULL);
  }
  job_dispose(mine);
}
