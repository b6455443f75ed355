/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain pthreads with the checks in one place, and the ticker: one thread that sleeps on a condition for its period.
 * A wake sets a flag, so one that comes during a tick makes the next tick follow at once and none is lost.
 *
 * Who forks knows nothing of these threads, so they are made to stand still: fork waits for those that are busy, since locks
 * that such a one holds (in SQLite, in an allocator) stay held for ever in the child. It waits FORK_WAIT_NS at most, because
 * the one that forks may itself hold what a busy one waits for.
 */
#include "thread.h"

#include "bytes.h"
#include "fail.h"
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

void lrd_mutex_init(lrd_mutex *mutex) {
  int failed = pthread_mutex_init(mutex, NULL);
  LRD_ASSERT(!failed);
}

void lrd_mutex_fini(lrd_mutex *mutex) { pthread_mutex_destroy(mutex); }

void lrd_cond_init(lrd_cond *cond) {
  pthread_condattr_t attributes;
  int failed = pthread_condattr_init(&attributes);
  LRD_ASSERT(!failed);
  failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  LRD_ASSERT(!failed);
  failed = pthread_cond_init(cond, &attributes);
  LRD_ASSERT(!failed);
  pthread_condattr_destroy(&attributes);
}

void lrd_cond_fini(lrd_cond *cond) { pthread_cond_destroy(cond); }

bool lrd_cond_wait_ns(lrd_cond *cond, lrd_mutex *mutex, int64_t ns) {
  if (ns < 0) ns = 0;
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t)(ns / 1000000000);
  until.tv_nsec += (long)(ns % 1000000000);
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec++;
  }
  return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}

#define FORK_WAIT_NS INT64_C(2000000000)

static struct {
  lrd_mutex mutex; /* held across fork: nobody becomes busy meanwhile */
  lrd_cond changed;
  unsigned busy;
  unsigned forking;      /* who waits to fork; who wants to be busy lets them go first */
  unsigned forking_busy; /* of those, who is busy himself */
  bool registered;
} gate;
static pthread_once_t gate_once = PTHREAD_ONCE_INIT;
static _Thread_local bool busy_here;

static int64_t ticker_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void gate_before_fork(void) {
  int64_t until_ns = ticker_now_ns() + FORK_WAIT_NS;
  lrd_lock(&gate.mutex);
  gate.forking++;
  if (busy_here) gate.forking_busy++;
  pthread_cond_broadcast(&gate.changed);
  while (gate.busy > gate.forking_busy && lrd_cond_wait_ns(&gate.changed, &gate.mutex, until_ns - ticker_now_ns())) {
  }
}

static void gate_in_parent(void) {
  gate.forking--;
  if (busy_here) gate.forking_busy--;
  pthread_cond_broadcast(&gate.changed);
  lrd_unlock(&gate.mutex);
}

static void gate_in_child(void) {
  lrd_cond_init(&gate.changed); /* whoever waited for it is not here */
  gate.busy = busy_here ? 1 : 0;
  gate.forking = gate.forking_busy = 0;
  lrd_unlock(&gate.mutex);
}

static void gate_once_init(void) {
  if (gate.registered) return; /* in the child of a fork that came right after it was */
  lrd_mutex_init(&gate.mutex);
  lrd_cond_init(&gate.changed);
  gate.registered = true;
  int failed = pthread_atfork(gate_before_fork, gate_in_parent, gate_in_child);
  LRD_ASSERT(!failed);
}

static void gate_enter(void) {
  lrd_lock(&gate.mutex);
  while (gate.forking) pthread_cond_wait(&gate.changed, &gate.mutex);
  gate.busy++;
  lrd_unlock(&gate.mutex);
}

static void gate_leave(void) {
  lrd_lock(&gate.mutex);
  gate.busy--;
  pthread_cond_broadcast(&gate.changed);
  lrd_unlock(&gate.mutex);
}

void lrd_busy_begin(void) {
  gate_enter();
  busy_here = true;
}

void lrd_busy_end(void) {
  busy_here = false;
  gate_leave();
}

/* --- threads ------------------------------------------------------------------------------------------------------------ */

/* On the stack of who starts it, who waits until the thread has read it. */
typedef struct beginning {
  void (*run)(void *context);
  void *context;
  char name[16]; /* the kernel's limit, NUL included */
  sem_t read;
} beginning;

static void *thread_run(void *argument) {
  beginning *begun = argument;
  void (*const run)(void *) = begun->run;
  void *const context = begun->context;
  (void)pthread_setname_np(pthread_self(), begun->name);
  (void)sem_post(&begun->read);
  gate_leave(); /* entered by who started it: a thread that begins allocates, too */
  run(context);
  return NULL;
}

larder_err lrd_thread_start(pthread_t *out, const char *name, void (*run)(void *context), void *context) {
  pthread_once(&gate_once, gate_once_init);
  beginning begun = {.run = run, .context = context};
  memcpy(begun.name, name, strnlen(name, sizeof begun.name - 1));
  (void)sem_init(&begun.read, 0, 0);
  /* The thread inherits a mask with everything blocked: signals belong to the application. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  gate_enter();
  int failed = pthread_create(out, NULL, thread_run, &begun);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) {
    gate_leave();
  } else {
    while (sem_wait(&begun.read) != 0) {
    }
  }
  (void)sem_destroy(&begun.read);
  return failed ? LARDER_ENOMEM : LARDER_OK;
}

/* --- the ticker --------------------------------------------------------------------------------------------------------- */

struct lrd_ticker {
  lrd_mutex mutex;
  lrd_cond cond;
  pthread_t thread;
  void (*tick)(void *context);
  void *context;
  int64_t period_ns;
  bool woken;
  bool stopping;
};

static void ticker_run(void *context) {
  lrd_ticker *ticker = context;
  lrd_lock(&ticker->mutex);
  while (!ticker->stopping) {
    int64_t due_ns = ticker_now_ns() + ticker->period_ns;
    while (!ticker->woken && !ticker->stopping) {
      int64_t left_ns = due_ns - ticker_now_ns();
      if (left_ns <= 0) break;
      (void)lrd_cond_wait_ns(&ticker->cond, &ticker->mutex, left_ns);
    }
    if (ticker->stopping) break;
    ticker->woken = false;
    lrd_unlock(&ticker->mutex);
    lrd_busy_begin();
    ticker->tick(ticker->context);
    lrd_busy_end();
    lrd_lock(&ticker->mutex);
  }
  lrd_unlock(&ticker->mutex);
}

larder_err lrd_ticker_start(lrd_ticker **out, const char *name, int64_t period_ns, void (*tick)(void *context), void *context) {
  LRD_ASSERT(period_ns > 0);
  lrd_ticker *ticker = lrd_alloc_zero(1, sizeof *ticker);
  if (!ticker) return LARDER_ENOMEM;
  lrd_mutex_init(&ticker->mutex);
  lrd_cond_init(&ticker->cond);
  ticker->tick = tick;
  ticker->context = context;
  ticker->period_ns = period_ns;
  lrd_lock(&ticker->mutex); /* the thread begins with it: a tick finds *out written */
  larder_err result = lrd_thread_start(&ticker->thread, name, ticker_run, ticker);
  if (result == LARDER_OK) *out = ticker;
  lrd_unlock(&ticker->mutex);
  if (result != LARDER_OK) {
    lrd_cond_fini(&ticker->cond);
    lrd_mutex_fini(&ticker->mutex);
    lrd_dealloc(ticker);
  }
  return result;
}

void lrd_ticker_wake(lrd_ticker *ticker) {
  lrd_lock(&ticker->mutex);
  ticker->woken = true;
  pthread_cond_signal(&ticker->cond);
  lrd_unlock(&ticker->mutex);
}

void lrd_ticker_stop(lrd_ticker *ticker) {
  if (!ticker) return;
  LRD_ASSERT(!pthread_equal(pthread_self(), ticker->thread));
  lrd_lock(&ticker->mutex);
  ticker->stopping = true;
  pthread_cond_signal(&ticker->cond);
  lrd_unlock(&ticker->mutex);
  pthread_join(ticker->thread, NULL);
  lrd_cond_fini(&ticker->cond);
  lrd_mutex_fini(&ticker->mutex);
  lrd_dealloc(ticker);
}

void lrd_ticker_abandon(lrd_ticker *ticker) {
  /* The mutex may be held by a thread that the child does not have, so neither it nor the condition is touched. */
  lrd_dealloc(ticker);
}
