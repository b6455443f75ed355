/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "campaign.h"
#include "core/cache.h"
#include "core/flight.h"
#include "core/makers.h"
#include "maker/lease.h"
#include <errno.h>
#include <larder/ext/maker.h>
#include <larder/stats.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define VALUE_MAX   2600u
#define EXCUSE_NS   INT64_C(5000000000) /* how long a failure is told after what it came from */
#define RECOVERY_MS 60000

const char *const campaign_spaces[CAMPAIGN_SPACES] = {"db", "folder", "three", "alone"};
static const char *const full_paths[CAMPAIGN_FULLS] = {"larder.db", ".files", ""};

static campaign_board *board;
static unsigned process;
static larder *cache;
static larder_ns *spaces[CAMPAIGN_SPACES];

int64_t campaign_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- the judge ----------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...) {
  unsigned const number = atomic_fetch_add(&board->told, 1);
  if (number >= CAMPAIGN_TOLD) return;
  va_list args;
  va_start(args, format);
  (void)vsnprintf(board->sentences[number], sizeof board->sentences[number], format, args);
  va_end(args);
}

static uint64_t tick(void) { return atomic_fetch_add(&board->tick, 1) + 1; }

static _Atomic uint64_t *horizon_of(unsigned space, unsigned key) {
  return &board->horizons[space == CAMPAIGN_SPACES - 1 ? process : 0][space][key];
}

static void raise_horizon(unsigned space, unsigned key, uint64_t to) {
  _Atomic uint64_t *at = horizon_of(space, key);
  uint64_t now = atomic_load(at);
  while (now < to && !atomic_compare_exchange_weak(at, &now, to)) {
  }
}

static size_t value_of(unsigned space, unsigned key, char how, uint64_t at, char *out) {
  char head[100];
  size_t const head_len =
      (size_t)snprintf(head, sizeof head, "%s|%u|%c|%llu|", campaign_spaces[space], key, how, (unsigned long long)at);
  size_t const len = 60 + at % 2000;
  for (size_t i = 0; i < len; i++) out[i] = head[i % head_len];
  return len;
}

/* kept: it is not only handed out to who waited for it, so that it is newer than all changes that were over before. */
static void judge(unsigned space, unsigned key, uint64_t seen, const void *data, size_t len, bool kept, const char *by) {
  char head[120], wanted[VALUE_MAX], name[40] = "";
  unsigned number = 0;
  char how = 0;
  unsigned long long at = 0;
  (void)snprintf(head, sizeof head, "%.*s", (int)(len < 100 ? len : 100), (const char *)data);
  bool whole = sscanf(head, "%39[^|]|%u|%c|%llu|", name, &number, &how, &at) == 4 && strcmp(name, campaign_spaces[space]) == 0;
  whole = whole && number == key && value_of(space, key, how, at, wanted) == len && memcmp(wanted, data, len) == 0;
  if (!whole) {
    atomic_fetch_add(&board->torn, 1);
    tell("%s of %s %u is torn: %zu bytes, %s", by, campaign_spaces[space], key, len, head);
    return;
  }
  /* The origin ('H') only reads the tick: a change of a later one began after that. */
  uint64_t const end = how == 'P' ? atomic_load(&board->ends[at % CAMPAIGN_TICKS]) : at;
  if (end != 0 && end < seen) {
    atomic_fetch_add(&board->stale, 1);
    tell("%s of %s %u by process %u is stale: %c of tick %llu, over at %llu, and %llu was known", by, campaign_spaces[space],
         key, process, how, at, (unsigned long long)end, (unsigned long long)seen);
  }
  if (kept) raise_horizon(space, key, at);
}

/* --- calls --------------------------------------------------------------------------------------------------------------- */

static void said(campaign_call call, campaign_answer answer) { atomic_fetch_add(&board->said[call][answer], 1); }

static void wrong(campaign_call call, unsigned space, unsigned key, larder_err result, const char *reason) {
  static const char *const names[] = {"get", "get_or_make", "put", "delete", "list"};
  said(call, SAID_WRONG);
  tell("%s of %s %u answered %s: %s", names[call], campaign_spaces[space], key, larder_err_name(result), reason);
}

static size_t key_text(unsigned key, char *out) { return (size_t)snprintf(out, 12, "%u", key); }

static void do_get(unsigned space, unsigned key) {
  char text[12];
  larder_value value = {0};
  uint64_t const seen = atomic_load(horizon_of(space, key));
  larder_err const result = larder_get(spaces[space], text, key_text(key, text), NULL, &value);
  if (result == LARDER_OK) {
    said(CALL_GET, SAID_OK);
    judge(space, key, seen, value.data, value.len, true, "a get");
    larder_value_release(&value);
  } else if (result == LARDER_MISS) {
    said(CALL_GET, SAID_MISS);
  } else {
    wrong(CALL_GET, space, key, result, "");
  }
}

static void made_release(void *context, const void *value) {
  (void)context;
  free((void *)(uintptr_t)value);
}

static larder_err make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  unsigned const at = (unsigned)(uintptr_t)context;
  char *value = malloc(VALUE_MAX);
  (void)making;
  (void)err;
  if (!value) return LARDER_ENOMEM;
  made->len = value_of(at / CAMPAIGN_KEYS, at % CAMPAIGN_KEYS, 'C', tick(), value);
  made->value = value;
  made->release = made_release;
  if (atomic_load(&board->slow_ms) > 0) usleep(atomic_load(&board->slow_ms) * 1000);
  return LARDER_OK;
}

/* Whether a failure of a call that began then has its reason. */
static bool excused(_Atomic unsigned *now, _Atomic int64_t *ended_ns, int64_t began_ns) {
  return atomic_load(now) > 0 || (atomic_load(ended_ns) > 0 && began_ns < atomic_load(ended_ns) + EXCUSE_NS);
}

static void do_make(unsigned space, unsigned key, bool fresh) {
  char text[12];
  larder_value value = {0};
  larder_error err = {0};
  bool const by_callback = key < CAMPAIGN_KEYS / 2;
  larder_make_options const options = {.size = sizeof options,
                                       .make = by_callback ? make : NULL,
                                       .context = (void *)(uintptr_t)(space * CAMPAIGN_KEYS + key),
                                       .lasting = by_callback,
                                       .fresh = fresh};
  int64_t const began_ns = campaign_now_ns();
  uint64_t const seen = atomic_load(horizon_of(space, key));
  larder_err const result = larder_get_or_make(spaces[space], text, key_text(key, text), &options, &value, &err);
  if (result == LARDER_OK) {
    said(CALL_MAKE, SAID_OK);
    atomic_fetch_add(&board->stale_served, value.stale);
    atomic_fetch_add(&board->made, strcmp(value.tier, "made") == 0);
    judge(space, key, seen, value.data, value.len, strcmp(value.tier, "made") != 0, "a get_or_make");
    larder_value_release(&value);
  } else if ((!by_callback && excused(&board->origin_bad, &board->origin_bad_ns, began_ns)) ||
             (result == LARDER_EAWAY && excused(&board->stopped, &board->stopped_ns, began_ns))) {
    said(CALL_MAKE, SAID_EXCUSED);
  } else {
    wrong(CALL_MAKE, space, key, result, err.message);
  }
}

static bool acknowledged(campaign_call call, unsigned space, unsigned key, larder_err result) {
  switch (result) {
  case LARDER_OK:
    said(call, SAID_OK);
    return true;
  case LARDER_MISS:
    if (call == CALL_PUT) break;
    said(call, SAID_MISS);
    return true;
  case LARDER_DEGRADED:
    said(call, SAID_DEGRADED);
    return true;
  case LARDER_NOT_KEPT:
    said(call, SAID_NOT_KEPT);
    return true;
  case LARDER_OLDER:
    said(call, SAID_OLDER);
    return false;
  case LARDER_EBUSY:
    said(call, SAID_BUSY);
    return false;
  default:
    break;
  }
  wrong(call, space, key, result, "");
  return false;
}

static larder_err do_put(unsigned space, unsigned key) {
  char text[12], value[VALUE_MAX];
  uint64_t const at = tick();
  size_t const len = value_of(space, key, 'P', at, value);
  atomic_store(&board->ends[at % CAMPAIGN_TICKS], 0);
  larder_err const result = larder_put(spaces[space], text, key_text(key, text), value, len, NULL);
  if (acknowledged(CALL_PUT, space, key, result)) {
    atomic_store(&board->ends[at % CAMPAIGN_TICKS], tick());
    raise_horizon(space, key, at);
  }
  return result;
}

static void do_delete(unsigned space, unsigned key) {
  char text[12];
  uint64_t const at = tick();
  if (acknowledged(CALL_DELETE, space, key, larder_delete(spaces[space], text, key_text(key, text))))
    raise_horizon(space, key, at);
}

/* What it shows is looked at for being whole. */
typedef struct listing {
  unsigned space;
} listing;

static bool listed(void *context, const larder_listed *entry) {
  char text[12];
  unsigned const space = ((listing *)context)->space;
  (void)snprintf(text, sizeof text, "%.*s", (int)entry->key_len, (const char *)entry->key);
  judge(space, (unsigned)strtoul(text, NULL, 10) % CAMPAIGN_KEYS, 0, entry->value, entry->facts->value_len, true, "a listing");
  return !atomic_load(&board->over);
}

static void do_list(unsigned space) {
  listing context = {space};
  larder_err const result = larder_list(spaces[space], NULL, true, 0, NULL, listed, &context);
  if (result == LARDER_OK) {
    said(CALL_LIST, SAID_OK);
  } else if (result == LARDER_EAWAY || result == LARDER_EBUSY || result == LARDER_ENOSPC) {
    said(CALL_LIST, SAID_EXCUSED); /* better than half a listing */
  } else {
    wrong(CALL_LIST, space, 0, result, "");
  }
}

static void *work(void *context) {
  support_random random = {(uint64_t)(uintptr_t)context};
  while (!atomic_load(&board->over)) {
    unsigned const space = (unsigned)support_random_below(&random, CAMPAIGN_SPACES);
    unsigned const key = (unsigned)support_random_below(&random, CAMPAIGN_KEYS);
    unsigned const dice = (unsigned)support_random_below(&random, 1000);
    if (dice < 400) {
      do_get(space, key);
    } else if (dice < 750) {
      do_make(space, key, dice < 410);
    } else if (dice < 890) {
      (void)do_put(space, key);
    } else if (dice < 990) {
      do_delete(space, key);
    } else {
      do_list(space);
    }
  }
  return NULL;
}

/* --- back to normal ------------------------------------------------------------------------------------------------------ */

static bool tier_is_well(void *context, const larder_tier_state *state) {
  if (strcmp(state->state, "closed") != 0) *(const char **)context = state->name;
  return true;
}

static void finding_show(void *context, const larder_finding *finding) {
  (void)snprintf(context, 200, "%s: %.150s", finding->tier, finding->sentence);
}

/* NULL when all is well; else what is not. */
static const char *unwell(void) {
  static char why[300];
  const char *tier = NULL;
  larder_validation found = {0};
  char finding[200] = "";
  for (unsigned space = 0; space < CAMPAIGN_SPACES; space++) {
    if (larder_tiers(cache, spaces[space], tier_is_well, &tier) != LARDER_OK) return "the tiers are not told";
    for (unsigned key = 0; key < CAMPAIGN_KEYS && !tier; key++) {
      larder_err const result = do_put(space, key);
      (void)snprintf(why, sizeof why, "a put into %s answers %s", campaign_spaces[space], larder_err_name(result));
      if (result != LARDER_OK) return why;
      do_get(space, key);
      do_make(space, key, true);
    }
  }
  (void)snprintf(why, sizeof why, "the tier %s does not work", tier ? tier : "");
  if (tier) return why;
  for (size_t i = 0; i < cache->instances_len; i++) {
    uint64_t const dirty = lrd_slots_dirty_count(cache->slots, cache->instances[i].number);
    (void)snprintf(why, sizeof why, "%llu slots are dirty in tier %zu", (unsigned long long)dirty, i);
    if (dirty > 0) return why;
  }
  if (process != 0) return NULL;
  if (lrd_leases_held(cache->leases) > 0) return "leases are held";
  if (lrd_flights_any(cache->flights)) return "flights are under way";
  if (lrd_pool_queued(cache->makers->pool) > 0) return "makings are queued";
  larder_err const result = larder_validate(cache, NULL, false, &found, finding_show, finding);
  (void)snprintf(why, sizeof why, "validate answers %s: %llu damaged, %llu orphans, %s", larder_err_name(result),
                 (unsigned long long)found.damaged, (unsigned long long)found.orphans, finding);
  return result == LARDER_OK && found.damaged == 0 && found.orphans == 0 ? NULL : why;
}

static void await_recovery(void) {
  int64_t const began_ns = campaign_now_ns();
  const char *why = unwell();
  while (why && (campaign_now_ns() - began_ns) / 1000000 < RECOVERY_MS) {
    usleep(100000);
    why = unwell();
  }
  if (why) {
    tell("process %u is not well again: %s", process, why);
    return;
  }
  int64_t const took_ms = (campaign_now_ns() - began_ns) / 1000000;
  if (took_ms > atomic_load(&board->recovery_ms)) atomic_store(&board->recovery_ms, took_ms);
  atomic_fetch_add(&board->recovered, 1);
}

/* --- a process ----------------------------------------------------------------------------------------------------------- */

static int gate(void *context, lrd_fs_op op, const char *path, size_t *len) {
  (void)context;
  (void)len;
  unsigned const full = op == LRD_FS_WRITE || op == LRD_FS_ALLOCATE || op == LRD_FS_MKDIR ? atomic_load(&board->full) : 0;
  for (unsigned i = 0; full != 0 && i < CAMPAIGN_FULLS; i++) {
    if ((full & 1u << i) && (full_paths[i][0] == '\0' || (path && strstr(path, full_paths[i])))) return ENOSPC;
  }
  return 0;
}

/* While the database is somebody else's, nobody can begin. */
static void open_patiently(const campaign_run *run) {
  larder_error err = {0};
  larder_options options = {
      .size = sizeof options, .root = run->root, .config_text = run->config, .memory_bytes_max = run->memory_bytes_max};
  for (unsigned i = 0; larder_open(&options, &cache, &err) != LARDER_OK; i++) {
    if (i == 3000) {
      tell("process %u could not open: %s", process, err.message);
      _exit(3);
    }
    usleep(10000);
  }
  for (unsigned i = 0; i < CAMPAIGN_SPACES; i++) {
    if (larder_ns_open(cache, campaign_spaces[i], &spaces[i], &err) != LARDER_OK) {
      tell("process %u could not open a namespace: %s", process, err.message);
      _exit(4);
    }
  }
}

void campaign_process(const campaign_run *run) {
  pthread_t threads[CAMPAIGN_THREADS];
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  board = run->board;
  process = run->process;
  lrd_fs_set_gate(gate, NULL);
  open_patiently(run);
  for (uint64_t i = 0; i < CAMPAIGN_THREADS; i++)
    if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(run->seed * 100 + i + 1)) != 0) _exit(5);
  atomic_fetch_add(&board->ready, 1);
  for (unsigned i = 0; i < CAMPAIGN_THREADS; i++) (void)pthread_join(threads[i], NULL);
  while (!atomic_load(&board->calm)) usleep(1000);
  await_recovery();
  larder_err const result = larder_close(&cache);
  if (result != LARDER_OK) tell("process %u closed with %s", process, larder_err_name(result));
  _exit(0);
}
