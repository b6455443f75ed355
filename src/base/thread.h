/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes and conditions by the lrd_clock's monotonic time, a named background thread, and a small dense number per thread. */
#ifndef LRD_BASE_THREAD_H
#define LRD_BASE_THREAD_H

#include <larder/error.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef pthread_mutex_t lrd_mutex;
typedef pthread_cond_t lrd_cond;

void lrd_mutex_init(lrd_mutex *mutex);
void lrd_mutex_fini(lrd_mutex *mutex);
void lrd_cond_init(lrd_cond *cond); /* on CLOCK_MONOTONIC */
void lrd_cond_fini(lrd_cond *cond);
/* False when the time went by. */
bool lrd_cond_wait_ns(lrd_cond *cond, lrd_mutex *mutex, int64_t ns);

static inline void lrd_lock(lrd_mutex *mutex) { pthread_mutex_lock(mutex); }
static inline void lrd_unlock(lrd_mutex *mutex) { pthread_mutex_unlock(mutex); }

/* A thread of the library's own, named, with all signals blocked. LARDER_ENOMEM when there is none to be had. */
LARDER_MUST_CHECK larder_err lrd_thread_start(pthread_t *out, const char *name, void (*run)(void *context), void *context);
/* Between these such a thread may hold locks, and a fork waits for it, at most two seconds. Not nested. */
void lrd_busy_begin(void);
void lrd_busy_end(void);

/* A background thread that runs `tick` every period, or at once when woken, until stopped. A tick is busy
 * throughout. */
typedef struct lrd_ticker lrd_ticker;
LARDER_MUST_CHECK larder_err lrd_ticker_start(lrd_ticker **out, const char *name, int64_t period_ns,
                                              void (*tick)(void *context), void *context);
void lrd_ticker_wake(lrd_ticker *ticker);
/* Waits for a tick under way, then ends and frees the thread. NULL is fine. */
void lrd_ticker_stop(lrd_ticker *ticker);
/* In a forked child, where the thread does not exist: frees what it can without joining. */
void lrd_ticker_abandon(lrd_ticker *ticker);

#endif
