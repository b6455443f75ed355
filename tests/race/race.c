/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent opens nothing: it maps the judge's arena, forks the workers, disturbs them, and sums up. A worker opens the
 * cache after the fork and runs its threads until the arena says stop.
 */
#include "race.h"

#include "support/support.h"

#include "base/hash.h"
#include "core/mutation.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WRITES_MAX (UINT64_C(1) << 22)
#define NEVER      UINT64_MAX
#define LEN_SPREAD 40
#define MANY       16

#define OPS_PER_DISTURBANCE 20
#define PATIENCE_SECONDS    240 /* beyond the planned time, until there is enough to judge */

typedef struct race_write {
  _Atomic uint64_t began;  /* tick; 0: free */
  _Atomic uint64_t ended;  /* tick of the acknowledgement, NEVER until then */
  _Atomic int64_t dead_ms; /* wall time from which it must not be shown; 0: none */
  _Atomic uint32_t process;
  uint32_t key;
} race_write;

typedef struct race_arena {
  _Atomic uint64_t tick;
  _Atomic uint64_t next_id;
  _Atomic bool stop;
  _Atomic uint64_t ops, hits, misses, writes, refused, stale, torn, expired, errors;
  _Atomic bool told;
  char first[200];
  _Atomic uint64_t horizon[RACE_KEYS_MAX];
  _Atomic uint64_t own_horizon[RACE_PROCESSES_MAX][RACE_KEYS_MAX];
  race_write log[WRITES_MAX];
} race_arena;

typedef struct race_value {
  uint64_t sum; /* of all behind it */
  uint64_t id;
} race_value;

typedef struct race_worker {
  const race_plan *plan;
  race_arena *arena;
  larder_ns *ns;
  unsigned process;
  uint64_t seed;
} race_worker;

static uint64_t tick(race_arena *arena) { return atomic_fetch_add(&arena->tick, 1) + 1; }

static void raise_to(_Atomic uint64_t *at, uint64_t value) {
  uint64_t now = atomic_load(at);
  while (now < value && !atomic_compare_exchange_weak(at, &now, value)) {
  }
}

/* The cache's own clock, which lags behind the fine one by as much as the machine is busy. */
static int64_t wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

LARDER_PRINTF(2, 3) static void tell(race_arena *arena, const char *format, ...) {
  va_list args;
  if (atomic_exchange(&arena->told, true)) return;
  va_start(args, format);
  (void)vsnprintf(arena->first, sizeof arena->first, format, args);
  va_end(args);
}

static size_t key_text(unsigned key, char *out, size_t room) { return (size_t)snprintf(out, room, "key-%u", key); }

/* --- the judge -------------------------------------------------------------------------------------------------------- */

typedef struct race_look {
  uint64_t least; /* horizon at the beginning */
  int64_t wall_ms;
} race_look;

static race_look look_begin(const race_worker *worker, unsigned key) {
  race_look look = {.wall_ms = wall_ms(), .least = atomic_load(&worker->arena->horizon[key])};
  if (worker->plan->behind) {
    uint64_t own = atomic_load(&worker->arena->own_horizon[worker->process][key]);
    if (own > look.least) look.least = own;
  }
  return look;
}

static void judge(const race_worker *worker, unsigned key, race_look look, const void *data, size_t len, const char *tier) {
  race_arena *arena = worker->arena;
  race_value head;
  if (len < sizeof head) goto torn;
  memcpy(&head, data, sizeof head);
  if (head.sum != lrd_sum64((const char *)data + 8, len - 8) || head.id >= WRITES_MAX) goto torn;
  race_write *write = &arena->log[head.id];
  if (write->key != key || atomic_load(&write->began) == 0) goto torn;
  uint64_t ended = atomic_load(&write->ended);
  if (ended < look.least) {
    atomic_fetch_add(&arena->stale, 1);
    tell(arena, "process %u, key %u, from %s: write %llu was over at %llu, horizon %llu", worker->process, key, tier,
         (unsigned long long)head.id, (unsigned long long)ended, (unsigned long long)look.least);
  }
  int64_t dead_ms = atomic_load(&write->dead_ms);
  if (dead_ms != 0 && look.wall_ms >= dead_ms) {
    atomic_fetch_add(&arena->expired, 1);
    tell(arena, "key %u from %s shown %lld ms after its lifetime", key, tier, (long long)(look.wall_ms - dead_ms));
  }
  if (worker->plan->behind && atomic_load(&write->process) == worker->process) {
    raise_to(&arena->own_horizon[worker->process][key], atomic_load(&write->began));
  } else {
    raise_to(&arena->horizon[key], atomic_load(&write->began));
  }
  atomic_fetch_add_explicit(&arena->hits, 1, memory_order_relaxed);
  return;
torn:
  atomic_fetch_add(&arena->torn, 1);
  tell(arena, "key %u from %s: %zu bytes that nobody put", key, tier, len);
}

/* --- operations ----------------------------------------------------------------------------------------------------------- */

static void do_get(const race_worker *worker, unsigned key, bool pinned) {
  char name[16];
  char copy[4096];
  size_t name_len = key_text(key, name, sizeof name);
  size_t len = 0;
  larder_value value = {0};
  race_look look = look_begin(worker, key);
  larder_err result = pinned ? larder_get(worker->ns, name, name_len, NULL, &value)
                             : larder_get_into(worker->ns, name, name_len, copy, sizeof copy, &len);
  if (result == LARDER_OK) {
    judge(worker, key, look, pinned ? value.data : copy, pinned ? value.len : len, pinned ? value.tier : "copy");
  } else if (result == LARDER_MISS) {
    atomic_fetch_add_explicit(&worker->arena->misses, 1, memory_order_relaxed);
  } else {
    atomic_fetch_add(&worker->arena->errors, 1);
    tell(worker->arena, "get failed: %s", larder_err_name(result));
  }
  if (pinned) larder_value_release(&value);
}

static void do_get_many(const race_worker *worker) {
  char names[MANY][16];
  larder_item items[MANY] = {0};
  race_look looks[MANY];
  unsigned count = worker->plan->keys < MANY ? worker->plan->keys : MANY;
  for (unsigned k = 0; k < count; k++) {
    items[k].key_len = key_text(k, names[k], sizeof names[k]);
    items[k].key = names[k];
    looks[k] = look_begin(worker, k);
  }
  if (larder_get_many(worker->ns, items, count, NULL) != LARDER_OK) {
    atomic_fetch_add(&worker->arena->errors, 1);
    return;
  }
  for (unsigned k = 0; k < count; k++) {
    if (items[k].result != LARDER_OK) continue;
    judge(worker, k, looks[k], items[k].found.data, items[k].found.len, items[k].found.tier);
    larder_value_release(&items[k].found);
  }
}

static bool acknowledged(larder_err result) { return result >= 0 && result != LARDER_OLDER && result != LARDER_NOT_KEPT; }

static void write_over(const race_worker *worker, unsigned key, race_write *write, larder_err result, bool queued) {
  race_arena *arena = worker->arena;
  if (!acknowledged(result)) {
    atomic_fetch_add(&arena->refused, 1);
    return;
  }
  atomic_store(&write->ended, tick(arena));
  raise_to(queued ? &arena->own_horizon[worker->process][key] : &arena->horizon[key], atomic_load(&write->began));
  atomic_fetch_add_explicit(&arena->writes, 1, memory_order_relaxed);
}

static race_write *write_begin(const race_worker *worker, unsigned key, uint64_t *id_out) {
  race_arena *arena = worker->arena;
  uint64_t id = atomic_fetch_add(&arena->next_id, 1);
  if (id >= WRITES_MAX) return NULL;
  race_write *write = &arena->log[id];
  write->key = key;
  atomic_store(&write->process, worker->process);
  atomic_store(&write->ended, NEVER);
  atomic_store(&write->began, tick(arena));
  *id_out = id;
  return write;
}

static void do_put(const race_worker *worker, unsigned key, support_random *random) {
  char name[16];
  char bytes[2048];
  size_t name_len = key_text(key, name, sizeof name);
  race_value head;
  larder_put_options options = {.size = sizeof options};
  race_write *write = write_begin(worker, key, &head.id);
  if (!write) return;
  size_t len = worker->plan->value_len + support_random_below(random, LEN_SPREAD);
  memset(bytes, (int)(head.id & 0xff), len);
  memcpy(bytes + 8, &head.id, sizeof head.id);
  head.sum = lrd_sum64(bytes + 8, len - 8);
  memcpy(bytes, &head.sum, sizeof head.sum);
  bool mortal = support_random_below(random, 4) == 0;
  if (mortal) options.ttl_ms = 20;
  larder_err result = larder_put(worker->ns, name, name_len, bytes, len, &options);
  /* Its lifetime began before the put returned. */
  if (mortal) atomic_store(&write->dead_ms, wall_ms() + options.ttl_ms);
  write_over(worker, key, write, result, worker->plan->behind);
}

/* Delete and expire are writes of "nothing": no value carries their id, but they move the horizon. */
static void do_end(const race_worker *worker, unsigned key, bool expire) {
  char name[16];
  size_t name_len = key_text(key, name, sizeof name);
  uint64_t id;
  race_write *write = write_begin(worker, key, &id);
  if (!write) return;
  larder_err result = expire ? larder_expire(worker->ns, name, name_len) : larder_delete(worker->ns, name, name_len);
  /* Nothing to expire: in a `behind` namespace another process' queued put may still come after it. */
  if (expire && worker->plan->behind && result == LARDER_MISS) return;
  write_over(worker, key, write, result, false);
}

static void one_operation(const race_worker *worker, support_random *random) {
  const race_plan *plan = worker->plan;
  unsigned key = (unsigned)support_random_below(random, plan->keys);
  unsigned dice = (unsigned)support_random_below(random, 100);
  if (dice < plan->write_part) {
    unsigned what = (unsigned)support_random_below(random, 10);
    if (what < 8) {
      do_put(worker, key, random);
    } else {
      do_end(worker, key, what == 9);
    }
  } else if (dice >= 97) {
    do_get_many(worker);
  } else {
    do_get(worker, key, dice & 1);
  }
}

static void *worker_thread(void *context) {
  race_worker worker = *(race_worker *)context;
  const race_plan *plan = worker.plan;
  support_random random = {worker.seed ^ (uint64_t)(uintptr_t)pthread_self()};
  while (!atomic_load_explicit(&worker.arena->stop, memory_order_relaxed)) {
    one_operation(&worker, &random);
    uint64_t done = atomic_fetch_add_explicit(&worker.arena->ops, 1, memory_order_relaxed) + 1;
    if (plan->ops_max != 0 && done >= plan->ops_max) atomic_store(&worker.arena->stop, true);
    if (plan->until_violation && atomic_load_explicit(&worker.arena->told, memory_order_relaxed)) break;
  }
  return NULL;
}

/* --- processes -------------------------------------------------------------------------------------------------------------
 */

static _Noreturn void worker_process(const race_plan *plan, race_arena *arena, const char *root, unsigned process,
                                     uint64_t seed) {
  larder *cache = NULL;
  larder_error err = {0};
  pthread_t threads[16];
  larder_options options = {.size = sizeof options, .root = root, .config_text = plan->config};
  race_worker worker = {plan, arena, NULL, process, seed};
  atomic_store(&lrd_mutations, plan->mutation);
  if (larder_open(&options, &cache, &err) != LARDER_OK || larder_ns_open(cache, "n", &worker.ns, &err) != LARDER_OK) {
    tell(arena, "open: %s", err.message);
    _exit(3);
  }
  for (unsigned t = 0; t < plan->threads; t++)
    if (pthread_create(&threads[t], NULL, worker_thread, &worker) != 0) _exit(4);
  for (unsigned t = 0; t < plan->threads; t++) (void)pthread_join(threads[t], NULL);
  (void)larder_close(&cache);
  exit(0);
}

static pid_t start(const race_plan *plan, race_arena *arena, const char *root, unsigned process, uint64_t seed) {
  fflush(NULL);
  pid_t child = fork();
  if (child < 0) fail_msg("fork: %s", strerror(errno));
  if (child == 0) worker_process(plan, arena, root, process, seed);
  return child;
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void nap_ms(unsigned ms) {
  struct timespec nap = {ms / 1000, (long)(ms % 1000) * 1000000};
  nanosleep(&nap, NULL);
}

/* Waits for a worker that was told to stop; one that hangs for minutes is killed and counts as abnormal. */
static bool reap(pid_t child) {
  int status = 0;
  for (unsigned waited = 0; waited < 240000; waited += 5) {
    if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    nap_ms(5);
  }
  (void)kill(child, SIGKILL);
  (void)waitpid(child, &status, 0);
  return false;
}

/* Whether the race has shown enough to be worth its verdict; a plan that ends by itself always has. */
static bool enough(const race_plan *plan, race_arena *arena) {
  return plan->ops_max != 0 || plan->until_violation ||
         (atomic_load(&arena->hits) > RACE_ENOUGH && atomic_load(&arena->writes) > RACE_ENOUGH);
}

/* Until something was done since the last disturbance: on a busy machine nobody would get beyond opening otherwise. */
static void let_work(race_arena *arena, uint64_t *ops_seen, double until) {
  while (atomic_load(&arena->ops) < *ops_seen + OPS_PER_DISTURBANCE && !atomic_load(&arena->stop) && seconds_now() < until)
    nap_ms(5);
  *ops_seen = atomic_load(&arena->ops);
}

static void disturb(const race_plan *plan, race_arena *arena, const char *root, pid_t *children, support_random *random,
                    uint64_t *killed) {
  unsigned victim = (unsigned)support_random_below(random, plan->processes);
  int status;
  if (plan->kill) {
    (void)kill(children[victim], SIGKILL);
    (void)waitpid(children[victim], &status, 0);
    for (unsigned k = 0; k < RACE_KEYS_MAX; k++) atomic_store(&arena->own_horizon[victim][k], 0); /* its queue died */
    children[victim] = start(plan, arena, root, victim, support_random_next(random));
    (*killed)++;
  }
  if (plan->stop) {
    victim = (unsigned)support_random_below(random, plan->processes);
    (void)kill(children[victim], SIGSTOP);
    nap_ms(10 + (unsigned)support_random_below(random, 40));
    (void)kill(children[victim], SIGCONT);
  }
}

race_result race_run(const race_plan *given, const char *root) {
  race_plan plan = *given;
  race_result result = {0};
  pid_t children[RACE_PROCESSES_MAX];
  support_random random = {UINT64_C(0x5eed) + (uint64_t)wall_ms()};
  if (!plan.processes) plan.processes = 4;
  if (!plan.threads) plan.threads = 4;
  if (!plan.keys) plan.keys = 8;
  if (!plan.value_len) plan.value_len = 24;
  if (!plan.write_part) plan.write_part = 30;
  race_arena *arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena == MAP_FAILED) fail_msg("no arena: %s", strerror(errno));
  for (unsigned p = 0; p < plan.processes; p++) children[p] = start(&plan, arena, root, p, support_random_next(&random));
  double end = seconds_now() + plan.seconds, end_at_most = end + PATIENCE_SECONDS;
  uint64_t ops_seen = 0;
  while ((seconds_now() < end || (!enough(&plan, arena) && seconds_now() < end_at_most)) && !atomic_load(&arena->stop)) {
    nap_ms(20 + (unsigned)support_random_below(&random, 40));
    if (plan.until_violation && atomic_load(&arena->told)) break;
    if (plan.kill || plan.stop) let_work(arena, &ops_seen, end_at_most);
    if (plan.kill || plan.stop) disturb(&plan, arena, root, children, &random, &result.killed);
  }
  atomic_store(&arena->stop, true);
  for (unsigned p = 0; p < plan.processes; p++)
    if (!reap(children[p])) result.abnormal++;
  result.ops = atomic_load(&arena->ops);
  result.hits = atomic_load(&arena->hits);
  result.misses = atomic_load(&arena->misses);
  result.writes = atomic_load(&arena->writes);
  result.refused = atomic_load(&arena->refused);
  result.stale = atomic_load(&arena->stale);
  result.torn = atomic_load(&arena->torn);
  result.expired = atomic_load(&arena->expired);
  result.errors = atomic_load(&arena->errors);
  memcpy(result.first, arena->first, sizeof result.first);
  (void)munmap(arena, sizeof *arena);
  return result;
}

void race_print(const race_plan *plan, const race_result *r) {
  print_message("%-28s %9llu ops, %llu hits, %llu misses, %llu writes, %llu refused, %llu killed: %llu stale, %llu torn, "
                "%llu expired, %llu failed, %llu ended badly%s%s\n",
                plan->name, (unsigned long long)r->ops, (unsigned long long)r->hits, (unsigned long long)r->misses,
                (unsigned long long)r->writes, (unsigned long long)r->refused, (unsigned long long)r->killed,
                (unsigned long long)r->stale, (unsigned long long)r->torn, (unsigned long long)r->expired,
                (unsigned long long)r->errors, (unsigned long long)r->abnormal, r->first[0] ? "; " : "", r->first);
}
