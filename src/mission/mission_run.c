/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler: a queue of steps that may begin, workers that take them, and the caller's thread, which tells what has
 * changed. One mutex, the mission's, guards the queue and the steps' states; steps are done and callbacks called without it.
 *
 * Workers block all signals: those belong to the application, and a command begins with none blocked.
 */
#include "base/fail.h"
#include "mission/mission_graph.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define PARALLEL_MAX 256u
#define LOOK_NS      INT64_C(1000000000) /* a wait is looked at again that often, though every change wakes it */

typedef struct change {
  uint32_t step;
  larder_step_state state;
} change;

typedef struct scheduler {
  lrd_mission_running running;
  larder_mission *m;
  lrd_cond work; /* something may begin, or all has ended */
  lrd_cond news; /* something has changed */
  uint32_t *ready;
  uint32_t ready_at, ready_len;
  uint32_t *stack; /* for skipping what comes after a failure */
  change *changes; /* at most two of each step */
  uint32_t changes_at, changes_len;
  uint32_t left; /* steps that have not ended */
} scheduler;

static void tell(scheduler *s, uint32_t step, larder_step_state state) {
  s->changes[s->changes_len++] = (change){step, state};
  pthread_cond_signal(&s->news);
}

static void skip_later(scheduler *s, uint32_t failed) {
  uint32_t depth = 0;
  s->stack[depth++] = failed;
  while (depth > 0) {
    const lrd_step *step = &s->m->steps[s->stack[--depth]];
    for (uint32_t i = 0; i < step->before_len; i++) {
      lrd_step_now *now = &s->m->steps[step->before[i]].now;
      if (now->state != LARDER_STEP_WAITING) continue;
      now->state = LARDER_STEP_SKIPPED;
      (void)snprintf(now->why, sizeof now->why, "%s %s", s->m->steps[failed].id,
                     s->m->steps[failed].now.state == LARDER_STEP_FAILED ? "failed" : "was skipped");
      s->left--;
      tell(s, step->before[i], LARDER_STEP_SKIPPED);
      s->stack[depth++] = step->before[i];
    }
  }
}

static void finish(scheduler *s, uint32_t index, const lrd_step_now *now) {
  lrd_step *step = &s->m->steps[index];
  uint32_t pending = step->now.pending;
  step->now = *now;
  step->now.pending = pending;
  s->left--;
  tell(s, index, now->state);
  if (now->state != LARDER_STEP_HIT && now->state != LARDER_STEP_MADE) {
    skip_later(s, index);
  } else {
    for (uint32_t i = 0; i < step->before_len; i++) {
      lrd_step_now *later = &s->m->steps[step->before[i]].now;
      if (--later->pending == 0 && later->state == LARDER_STEP_WAITING) s->ready[s->ready_len++] = step->before[i];
    }
  }
  pthread_cond_broadcast(&s->work);
}

static void *worker(void *context) {
  scheduler *s = context;
  lrd_lock(&s->m->mutex);
  while (s->left > 0) {
    if (s->ready_at == s->ready_len) {
      (void)lrd_cond_wait_ns(&s->work, &s->m->mutex, LOOK_NS);
      continue;
    }
    uint32_t index = s->ready[s->ready_at++];
    s->m->steps[index].now.state = LARDER_STEP_RUNNING;
    tell(s, index, LARDER_STEP_RUNNING);
    lrd_unlock(&s->m->mutex);
    lrd_step_now now;
    lrd_step_do(&s->running, &s->m->steps[index], &now);
    lrd_lock(&s->m->mutex);
    finish(s, index, &now);
  }
  pthread_cond_signal(&s->news);
  lrd_unlock(&s->m->mutex);
  return NULL;
}

static void changes_pass(scheduler *s) {
  const larder_mission_run_options *o = s->running.options;
  lrd_lock(&s->m->mutex);
  while (s->left > 0 || s->changes_at < s->changes_len) {
    if (s->changes_at == s->changes_len) {
      (void)lrd_cond_wait_ns(&s->news, &s->m->mutex, LOOK_NS);
      continue;
    }
    change one = s->changes[s->changes_at++];
    lrd_unlock(&s->m->mutex);
    if (o->changed) o->changed(o->context, one.step, one.state);
    lrd_lock(&s->m->mutex);
  }
  lrd_unlock(&s->m->mutex);
}

static unsigned threads_start(scheduler *s, unsigned wanted, pthread_t *threads) {
  unsigned started = 0;
  sigset_t all, before;
  sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  while (started < wanted && pthread_create(&threads[started], NULL, worker, s) == 0) started++;
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

static unsigned parallel_of(const larder_mission *m, unsigned asked) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned most = asked > 0 ? asked : cores > 0 ? (unsigned)cores : 1;
  if (most > PARALLEL_MAX) most = PARALLEL_MAX;
  return most < m->steps_len ? most : m->steps_len;
}

static void steps_begin(scheduler *s) {
  for (uint32_t i = 0; i < s->m->steps_len; i++) {
    lrd_step *step = &s->m->steps[s->m->order[i]];
    lrd_step_now_reset(&step->now);
    step->now.pending = step->after_len;
    if (step->after_len == 0) s->ready[s->ready_len++] = s->m->order[i];
  }
  s->left = s->m->steps_len;
}

static larder_err run_all(scheduler *s, unsigned parallel) {
  pthread_t threads[PARALLEL_MAX];
  steps_begin(s);
  unsigned started = threads_start(s, parallel, threads);
  if (started == 0) return LARDER_ENOMEM; /* the system has no thread for us */
  changes_pass(s);
  for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
  return LARDER_OK;
}

larder_err larder_mission_run(larder_mission *mission, larder_ns *ns, const larder_mission_run_options *options) {
  static const larder_mission_run_options defaults = {.size = sizeof defaults};
  const larder_mission_run_options *o = options ? options : &defaults;
  if (!mission || o->size != sizeof *o || o->ttl_ms < 0 || o->timeout_ms < 0 || o->timeout_ms > INT64_MAX / 1000000)
    return LARDER_EINVAL;
  if (mission->steps_len == 0) return LARDER_OK;
  scheduler s = {.running = {.mission = mission, .ns = ns, .options = o}, .m = mission};
  size_t len = mission->steps_len;
  s.ready = lrd_alloc(len * sizeof *s.ready);
  s.stack = lrd_alloc(len * sizeof *s.stack);
  s.changes = lrd_alloc(2 * len * sizeof *s.changes);
  lrd_cond_init(&s.work);
  lrd_cond_init(&s.news);
  larder_err result = s.ready && s.stack && s.changes ? run_all(&s, parallel_of(mission, o->parallel)) : LARDER_ENOMEM;
  lrd_cond_fini(&s.news);
  lrd_cond_fini(&s.work);
  lrd_dealloc(s.changes);
  lrd_dealloc(s.stack);
  lrd_dealloc(s.ready);
  return result;
}
