/* SPDX-License-Identifier: Apache-2.0 */
#include "crew.h"

#include "base/thread.h"
#include <unistd.h>

#define LOOK_NS INT64_C(100000000)

typedef struct shift {
  const lrd_crew *crew;
  _Atomic size_t taken;
  lrd_mutex lock;
  lrd_cond ended;
  size_t running; /* threads, under the lock */
  larder_err failure;
} shift;

static void tasks_take(void *context) {
  shift *s = context;
  const lrd_crew *crew = s->crew;
  larder_err err = LARDER_OK;
  while (err == LARDER_OK && !atomic_load(&crew->watch->stop)) {
    size_t at = atomic_fetch_add(&s->taken, 1);
    if (at >= crew->tasks) break;
    err = crew->task(crew->context, at);
  }
  lrd_lock(&s->lock);
  if (err != LARDER_OK && s->failure == LARDER_OK) s->failure = err;
  if (err != LARDER_OK) atomic_store(&crew->watch->stop, true);
  s->running--;
  pthread_cond_signal(&s->ended);
  lrd_unlock(&s->lock);
}

/* Until no thread runs any more. */
static void shift_wait(shift *s) {
  const lrd_crew *crew = s->crew;
  lrd_lock(&s->lock);
  while (s->running > 0) {
    (void)lrd_cond_wait_ns(&s->ended, &s->lock, LOOK_NS);
    if (!crew->progress || atomic_load(&crew->watch->stop)) continue;
    lrd_unlock(&s->lock);
    bool goes_on = crew->progress(crew->progress_context, crew->before + atomic_load(&crew->watch->done), crew->total);
    lrd_lock(&s->lock);
    if (goes_on) continue;
    if (s->failure == LARDER_OK) s->failure = LARDER_ECANCELLED;
    atomic_store(&crew->watch->stop, true);
  }
  lrd_unlock(&s->lock);
}

static size_t threads_wanted(const lrd_crew *crew) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  size_t wanted = crew->parallel ? crew->parallel : cores > 0 ? (size_t)cores : 1;
  if (wanted > LRD_CREW_MAX) wanted = LRD_CREW_MAX;
  return crew->tasks < wanted ? crew->tasks : wanted;
}

larder_err lrd_crew_run(const lrd_crew *crew) {
  pthread_t threads[LRD_CREW_MAX];
  shift s = {.crew = crew};
  size_t wanted = threads_wanted(crew), started = 0;
  lrd_mutex_init(&s.lock);
  lrd_cond_init(&s.ended);
  s.running = wanted;
  while (started < wanted && lrd_thread_start(&threads[started], crew->name, tasks_take, &s) == LARDER_OK) started++;
  lrd_lock(&s.lock);
  s.running -= wanted - started; /* fewer do as well, as long as there is one */
  if (started == 0) s.failure = LARDER_ENOMEM;
  lrd_unlock(&s.lock);
  shift_wait(&s);
  for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
  lrd_cond_fini(&s.ended);
  lrd_mutex_fini(&s.lock);
  return s.failure;
}
