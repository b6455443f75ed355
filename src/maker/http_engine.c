/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread alone touches the multi handle, but for curl_multi_wakeup. A round: what waits in the queue begins, what nobody
 * wants any more is taken out, libcurl works, what has ended is told; then it sleeps until a socket or somebody wakes it.
 *
 * A transfer belongs to who ordered it, except while it is queued or running. Who gives up takes it out of the queue himself,
 * or marks it as unwanted and goes: the thread then frees it.
 *
 * Forking. Around all that holds locks of libcurl, OpenSSL or the allocator the thread stands in the gate at which forks wait.
 * Sockets are opened and closed through us, so that a forked child knows which ones to close: a connection lives as long as
 * any copy of its descriptor. One is noted after it was opened and struck out before it is closed, so that the child closes
 * nothing that is somebody else's by now.
 */
#include "http_engine.h"

#include "attempts.h"
#include "base/fail.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM             "http"
#define SOCKETS_MAX      1024u /* what is above it is not closed in a forked child */
#define IDLE_CONNECTIONS 64L
#define ROUND_MS         10000

struct lrd_http_engine {
  const lrd_clock *clock;
  CURLM *multi;
  lrd_http_hosts hosts;
  lrd_mutex mutex;
  lrd_cond changed;         /* a place in the queue, or somebody left */
  lrd_http_transfer *queue; /* oldest first */
  lrd_http_transfer *queue_last;
  size_t queued;
  lrd_http_transfer *running;
  size_t running_count;
  bool any_unwanted;
  size_t inside;
  pthread_t thread;
  bool started;
  bool abandoned;
  _Atomic bool stopping;
  _Atomic int sockets[SOCKETS_MAX]; /* descriptor + 1; 0: free */
};

/* --- libcurl as a whole ------------------------------------------------------------------------------------------------- */

/* Once in a process, whoever else in it uses libcurl, and never undone: others may have counted on it. */
static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_begun;

static void curl_begin(void) { curl_begun = curl_global_init(CURL_GLOBAL_DEFAULT); }

/* --- sockets ------------------------------------------------------------------------------------------------------------ */

static void socket_swap(lrd_http_engine *engine, int from, int to) {
  for (size_t i = 0; i < SOCKETS_MAX; i++) {
    int found = from;
    if (atomic_compare_exchange_strong(&engine->sockets[i], &found, to)) {
      return;
    }
  }
}

static curl_socket_t on_socket_open(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
  lrd_http_transfer *t = context;
  (void)purpose;
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd >= 0) {
    socket_swap(t->engine, 0, fd + 1);
  } else {
    t->socket_errno = errno;
  }
  return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int on_socket_close(void *context, curl_socket_t fd) {
  socket_swap(context, fd + 1, 0);
  return close(fd);
}

/* --- the thread --------------------------------------------------------------------------------------------------------- */

static void list_remove(lrd_http_transfer **first, lrd_http_transfer *t) {
  if (t->before) {
    t->before->after = t->after;
  } else {
    *first = t->after;
  }
  if (t->after) {
    t->after->before = t->before;
  }
  t->before = t->after = NULL;
}

static void queue_remove(lrd_http_engine *engine, lrd_http_transfer *t) {
  if (engine->queue_last == t) {
    engine->queue_last = t->before;
  }
  list_remove(&engine->queue, t);
  engine->queued--;
  pthread_cond_broadcast(&engine->changed);
}

/* It is not in the multi handle any more. */
static void transfer_ended(lrd_http_engine *engine, lrd_http_transfer *t, CURLcode outcome) {
  lrd_lock(&engine->mutex);
  list_remove(&engine->running, t);
  engine->running_count--;
  bool unwanted = t->unwanted;
  t->outcome = outcome;
  t->state = LRD_TRANSFER_DONE;
  pthread_cond_signal(&t->changed);
  lrd_unlock(&engine->mutex);
  if (unwanted) {
    lrd_http_transfer_free(t);
  }
}

/* The oldest that waits, if one more may run. */
static lrd_http_transfer *queue_take(lrd_http_engine *engine) {
  lrd_lock(&engine->mutex);
  lrd_http_transfer *t = engine->running_count < LRD_HTTP_RUNNING_MAX ? engine->queue : NULL;
  if (t) {
    queue_remove(engine, t);
    t->state = LRD_TRANSFER_RUNNING;
    t->after = engine->running;
    if (t->after) {
      t->after->before = t;
    }
    engine->running = t;
    engine->running_count++;
  }
  lrd_unlock(&engine->mutex);
  return t;
}

/* The next that nobody wants; all: the next at all. */
static lrd_http_transfer *unwanted_find(lrd_http_engine *engine, bool all) {
  lrd_lock(&engine->mutex);
  lrd_http_transfer *t = all || engine->any_unwanted ? engine->running : NULL;
  while (t && !all && !t->unwanted) {
    t = t->after;
  }
  if (!t) {
    engine->any_unwanted = false;
  }
  lrd_unlock(&engine->mutex);
  return t;
}

static void cut_off(lrd_http_engine *engine, bool all) {
  for (lrd_http_transfer *t = unwanted_find(engine, all); t; t = unwanted_find(engine, all)) {
    (void)curl_multi_remove_handle(engine->multi, t->easy);
    transfer_ended(engine, t, CURLE_ABORTED_BY_CALLBACK);
  }
}

static void round_work(lrd_http_engine *engine) {
  int count = 0;
  cut_off(engine, false);
  for (lrd_http_transfer *t = queue_take(engine); t; t = queue_take(engine)) {
    if (curl_multi_add_handle(engine->multi, t->easy) != CURLM_OK) {
      transfer_ended(engine, t, CURLE_OUT_OF_MEMORY);
    }
  }
  (void)curl_multi_perform(engine->multi, &count); /* what fails is told for each transfer */
  for (CURLMsg *message = curl_multi_info_read(engine->multi, &count); message;
       message = curl_multi_info_read(engine->multi, &count)) {
    if (message->msg != CURLMSG_DONE) {
      continue;
    }
    CURL *easy = message->easy_handle;
    CURLcode outcome = message->data.result; /* the message goes with the handle */
    char *private = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    (void)curl_multi_remove_handle(engine->multi, easy);
    transfer_ended(engine, (lrd_http_transfer *)(void *)private, outcome);
  }
}

static bool more_can_begin(lrd_http_engine *engine) {
  lrd_lock(&engine->mutex);
  bool more = engine->queue && engine->running_count < LRD_HTTP_RUNNING_MAX;
  lrd_unlock(&engine->mutex);
  return more;
}

static void engine_thread(void *context) {
  lrd_http_engine *engine = context;
  while (!atomic_load(&engine->stopping)) {
    lrd_busy_begin();
    round_work(engine);
    lrd_busy_end();
    if (!more_can_begin(engine)) {
      (void)curl_multi_poll(engine->multi, NULL, 0, ROUND_MS, NULL);
    }
  }
  lrd_busy_begin();
  cut_off(engine, true);
  lrd_busy_end();
}

/* Under the mutex. */
static larder_err thread_start(lrd_http_engine *engine) {
  if (engine->started) {
    return LARDER_OK;
  }
  larder_err const result = lrd_thread_start(&engine->thread, "larder-http", engine_thread, engine);
  engine->started = result == LARDER_OK;
  return result;
}

/* --- lifecycle ---------------------------------------------------------------------------------------------------------- */

larder_err lrd_http_engine_new(const lrd_clock *clock, lrd_http_engine **out, larder_error *err) {
  (void)pthread_once(&curl_once, curl_begin);
  if (curl_begun != CURLE_OK) {
    return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM, "libcurl can't be used here: %s", curl_easy_strerror(curl_begun));
  }
  lrd_http_engine *engine = lrd_alloc_zero(1, sizeof *engine);
  CURLM *multi = engine ? curl_multi_init() : NULL;
  if (!multi) {
    lrd_dealloc(engine);
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS); /* else it keeps fewer */
  engine->clock = clock;
  engine->multi = multi;
  lrd_mutex_init(&engine->mutex);
  lrd_cond_init(&engine->changed);
  lrd_http_hosts_init(&engine->hosts, clock);
  *out = engine;
  return LARDER_OK;
}

void lrd_http_engine_stop(lrd_http_engine *engine) {
  if (engine->abandoned) {
    return;
  }
  lrd_lock(&engine->mutex);
  atomic_store(&engine->stopping, true);
  bool started = engine->started;
  engine->started = false;
  pthread_cond_broadcast(&engine->changed);
  for (lrd_http_transfer *t = engine->queue; t; t = t->after) {
    pthread_cond_signal(&t->changed);
  }
  lrd_unlock(&engine->mutex);
  if (started) {
    (void)curl_multi_wakeup(engine->multi);
    pthread_join(engine->thread, NULL);
  }
}

void lrd_http_engine_free(lrd_http_engine *engine) {
  if (!engine) {
    return;
  }
  lrd_http_engine_stop(engine);
  if (!engine->abandoned) {
    lrd_lock(&engine->mutex);
    while (engine->inside > 0) {
      pthread_cond_wait(&engine->changed, &engine->mutex);
    }
    lrd_unlock(&engine->mutex);
    (void)curl_multi_cleanup(engine->multi);
    lrd_cond_fini(&engine->changed);
    lrd_mutex_fini(&engine->mutex);
  }
  lrd_http_hosts_fini(&engine->hosts);
  lrd_dealloc(engine);
}

void lrd_http_engine_abandon(lrd_http_engine *engine) {
  engine->abandoned = true;
  atomic_store(&engine->stopping, true);
  for (size_t i = 0; i < SOCKETS_MAX; i++) {
    int fd = atomic_exchange(&engine->sockets[i], 0) - 1;
    if (fd >= 0) {
      (void)close(fd);
    }
  }
}

/* --- who asks ----------------------------------------------------------------------------------------------------------- */

larder_err lrd_http_engine_wanted(const lrd_http_engine *engine, const larder_making *making) {
  if (atomic_load(&engine->stopping)) {
    return LARDER_ECANCELLED;
  }
  return lrd_making_look(making, engine->clock);
}

bool lrd_http_engine_enter(lrd_http_engine *engine) {
  if (engine->abandoned) { /* the mutex may be held by a thread that this process has not */
    return false;
  }
  lrd_lock(&engine->mutex);
  engine->inside++;
  lrd_unlock(&engine->mutex);
  return true;
}

void lrd_http_engine_leave(lrd_http_engine *engine) {
  lrd_lock(&engine->mutex);
  engine->inside--;
  pthread_cond_broadcast(&engine->changed);
  lrd_unlock(&engine->mutex);
}

/* Under the mutex, which it lets go of while it waits for a place. */
static larder_err queue_add(lrd_http_engine *engine, lrd_http_transfer *t, const larder_making *making) {
  larder_err result = lrd_http_engine_wanted(engine, making);
  while (result == LARDER_OK && engine->queued == LRD_HTTP_QUEUE_MAX) {
    (void)lrd_cond_wait_ns(&engine->changed, &engine->mutex, LRD_HTTP_LOOK_NS);
    result = lrd_http_engine_wanted(engine, making);
  }
  if (result == LARDER_OK) {
    result = thread_start(engine);
  }
  if (result != LARDER_OK) {
    return result;
  }
  t->state = LRD_TRANSFER_QUEUED;
  t->before = engine->queue_last;
  if (t->before) {
    t->before->after = t;
  } else {
    engine->queue = t;
  }
  engine->queue_last = t;
  engine->queued++;
  (void)curl_multi_wakeup(engine->multi);
  return LARDER_OK;
}

/* Under the mutex. Whether the transfer is the caller's, now that it is not wanted. */
static bool let_go(lrd_http_engine *engine, lrd_http_transfer *t) {
  if (t->state == LRD_TRANSFER_QUEUED) {
    queue_remove(engine, t);
  } else if (t->state == LRD_TRANSFER_RUNNING) {
    t->unwanted = engine->any_unwanted = true;
    (void)curl_multi_wakeup(engine->multi);
    return false;
  }
  return true;
}

larder_err lrd_http_engine_run(lrd_http_engine *engine, lrd_http_transfer **transfer, const larder_making *making) {
  lrd_http_transfer *t = *transfer;
  *transfer = NULL;
  t->engine = engine;
  (void)curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket_open);
  (void)curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
  (void)curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close);
  (void)curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETDATA, engine);
  bool mine = true;
  lrd_lock(&engine->mutex);
  larder_err result = queue_add(engine, t, making);
  while (result == LARDER_OK && t->state != LRD_TRANSFER_DONE) {
    (void)lrd_cond_wait_ns(&t->changed, &engine->mutex, LRD_HTTP_LOOK_NS);
    if (t->state != LRD_TRANSFER_DONE) {
      result = lrd_http_engine_wanted(engine, making);
    }
  }
  if (result == LARDER_OK && t->outcome == CURLE_ABORTED_BY_CALLBACK) {
    result = LARDER_ECANCELLED; /* the engine stops */
  } else if (result != LARDER_OK) {
    mine = let_go(engine, t);
  }
  lrd_unlock(&engine->mutex);
  if (result == LARDER_OK) {
    *transfer = t;
  } else if (mine) {
    lrd_http_transfer_free(t);
  }
  return result;
}

const lrd_clock *lrd_http_engine_clock(const lrd_http_engine *engine) { return engine->clock; }

lrd_http_hosts *lrd_http_engine_hosts(lrd_http_engine *engine) { return &engine->hosts; }

size_t lrd_http_engine_busy(lrd_http_engine *engine) {
  lrd_lock(&engine->mutex);
  size_t busy = engine->queued + engine->running_count;
  lrd_unlock(&engine->mutex);
  return busy;
}

size_t lrd_http_engine_connections(lrd_http_engine *engine) {
  size_t open = 0;
  for (size_t i = 0; i < SOCKETS_MAX; i++) {
    open += atomic_load(&engine->sockets[i]) ? 1 : 0;
  }
  return open;
}
