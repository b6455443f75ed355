/* SPDX-License-Identifier: Apache-2.0 */
#include "hosted_agent.h"

#include "agent/hosting.h"
#include "base/fail.h"
#include "base/fs.h"
#include "core/makers.h"
#include <errno.h>
#include <larder/prefetch.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define ROOM            "agent"
#define MS              1e6
#define SECOND_NS       INT64_C(1000000000)
#define KEEP_NS         INT64_C(600000000000)
#define HORIZON_UNKNOWN 8192u
#define FILE_MAX        (64u << 20)

/* --- life ----------------------------------------------------------------------------------------------------------------- */

static uint32_t horizon_of(const larder_ns *ns) {
  larder_tier_usage usage;
  if (ns->policy.agent.horizon != 0) return ns->policy.agent.horizon;
  if (lrd_tier_usage(&ns->cache->memory_tier, ns->memory_space, &usage) != LARDER_OK || usage.entries_max == 0)
    return HORIZON_UNKNOWN;
  return lrd_hosting_horizon(usage.entries_max);
}

static larder_err agent_open(const lrd_hosted *hosted, larder_agent **out, larder_error *err) {
  const lrd_config_agent *config = &hosted->ns->policy.agent;
  const larder_agent_options how = {.size = sizeof how,
                                    .method = (larder_agent_method)config->method,
                                    .seed = config->seed,
                                    .weights = config->weights,
                                    .clip = config->clip,
                                    .epsilon = config->epsilon,
                                    .epsilon_last = config->epsilon_last,
                                    .epsilon_half = config->epsilon_half,
                                    .horizon = horizon_of(hosted->ns),
                                    .window = config->window,
                                    .margin = config->margin,
                                    .pause_most = config->pause_most};
  return larder_agent_open(&how, out, err);
}

static void file_look(lrd_hosted *hosted) {
  const char *path = hosted->ns->policy.agent.file;
  larder_error why = {0};
  if (path == NULL) return;
  larder_err result = lrd_hosted_load(hosted, path, &why);
  if (result == LARDER_OK || result == LARDER_MISS) return;
  hosted->file_not_ours = result == LARDER_EFORMAT;
  lrd_log_write(&hosted->ns->cache->log, LRD_LOG_WARN, "agent.file", "namespace %s begins with nothing learned: %s%s",
                hosted->ns->name, why.message, hosted->file_not_ours ? "; it is left as it is" : "");
}

larder_err lrd_hosted_open(larder_ns *ns, lrd_hosted **out, larder_error *err) {
  if (!ns->policy.agent.enable || ns->memory == NULL) return LARDER_OK;
  lrd_hosted *hosted = lrd_alloc_zero(1, sizeof *hosted);
  if (hosted == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  hosted->ns = ns;
  lrd_mutex_init(&hosted->shown_mutex);
  hosted->second_ns = hosted->saved_ns = lrd_mono_ns(ns->cache->clock);
  lrd_cascade_init(&hosted->watch, &(lrd_cascade_options){0}, (double)hosted->second_ns / MS);
  larder_err result = agent_open(hosted, &hosted->agent, err);
  if (result == LARDER_OK &&
      (result = lrd_known_keys_init(&hosted->keys, ns->policy.agent.keys_max, ns->policy.agent.seed)) == LARDER_OK &&
      (result = lrd_worth_open(hosted->keys.most + 1, ns->policy.agent.keys_max, &hosted->worth)) == LARDER_OK)
    result = lrd_hosted_shadows_open(hosted);
  hosted->keys.worth = hosted->worth;
  if (result != LARDER_OK) {
    lrd_hosted_close(hosted);
    return lrd_fail(err, result, 0, ROOM, "out of memory for the agent of namespace %s", ns->name);
  }
  file_look(hosted);
  hosted->shown.agents = 1;
  larder_agent_figures_get(hosted->agent, &hosted->shown.agent);
  *out = hosted;
  return LARDER_OK;
}

void lrd_hosted_close(lrd_hosted *hosted) {
  if (hosted == NULL) return;
  larder_agent_close(&hosted->agent);
  lrd_known_keys_fini(&hosted->keys);
  lrd_worth_close(hosted->worth);
  lrd_hosted_shadows_close(hosted);
  if (!atomic_load(&hosted->ns->cache->forked)) lrd_mutex_fini(&hosted->shown_mutex);
  lrd_dealloc(hosted);
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

static larder_err file_fail(larder_error *err, const char *path, const char *doing) {
  int os_errno = errno;
  larder_err result = os_errno == ENOENT ? LARDER_MISS : os_errno == EFBIG ? LARDER_EFORMAT : lrd_err_from_errno(os_errno);
  return lrd_fail(err, result, os_errno, ROOM, "%s can't be %s: %s", path, doing, strerror(os_errno));
}

static larder_err file_load(larder_agent *agent, const char *path, larder_error *err) {
  char *data = NULL;
  size_t len = 0;
  larder_error inner = {0};
  if (lrd_fs_slurp(path, FILE_MAX, &data, &len) != 0) return file_fail(err, path, "read");
  larder_err result = larder_agent_load(agent, data, len, &inner);
  lrd_dealloc(data);
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, ROOM, "%s: %s", path, inner.message);
}

larder_err lrd_hosted_load(lrd_hosted *hosted, const char *path, larder_error *err) {
  return file_load(hosted->agent, path, err);
}

larder_err lrd_hosted_save(lrd_hosted *hosted, const char *path, larder_error *err) {
  void *data = NULL;
  size_t len = 0;
  larder_err result = larder_agent_save(hosted->agent, &data, &len);
  if (result != LARDER_OK) return lrd_fail(err, result, 0, ROOM, "out of memory while saving %s", path);
  if (lrd_fs_publish(path, data, len, 0644, true) != 0) {
    result = file_fail(err, path, "written");
    if (result == LARDER_MISS) result = LARDER_EIO; /* its folder */
  }
  larder_agent_bytes_free(data);
  return result;
}

/* It may have been removed or replaced since; an agent that nobody asks reads it. */
static bool file_still_not_ours(const lrd_hosted *hosted, const char *path) {
  larder_agent *reads = NULL;
  larder_err result = agent_open(hosted, &reads, NULL);
  if (result == LARDER_OK) result = file_load(reads, path, NULL);
  larder_agent_close(&reads);
  return result != LARDER_OK && result != LARDER_MISS;
}

void lrd_hosted_keep(lrd_hosted *hosted) {
  const char *path = hosted->ns->policy.agent.file;
  larder_error why = {0};
  if (hosted->file_not_ours) hosted->file_not_ours = file_still_not_ours(hosted, path);
  if (path && !hosted->file_not_ours && lrd_hosted_save(hosted, path, &why) != LARDER_OK)
    lrd_log_write(&hosted->ns->cache->log, LRD_LOG_WARN, "agent.file", "what the agent of namespace %s has learned: %s",
                  hosted->ns->name, why.message);
}

/* --- looking -------------------------------------------------------------------------------------------------------------- */

bool lrd_hosted_knows(const lrd_hosted *hosted) { return hosted->keys.here_len * UINT64_C(10) >= hosted->entries * 9; }

static double part_of(uint64_t bytes, uint64_t most) { return most > 0 ? (double)bytes / (double)most : 0; }

static double fuller(double one, double other) { return one > other ? one : other; }

static void room_look(lrd_hosted *hosted) {
  if (hosted->gone_at > 0 || (hosted->room > 0 && hosted->entries > hosted->room)) {
    hosted->room = hosted->gone_at > hosted->entries ? hosted->gone_at : hosted->entries;
    double half_life = 4.0 * (double)hosted->room;
    if (half_life > 2 * hosted->keys.half_life || half_life < hosted->keys.half_life / 2) {
      lrd_known_half_life(&hosted->keys, hosted->asked, half_life);
      lrd_worth_live(hosted->worth, hosted->room);
    }
  }
  lrd_hosted_shadows_fit(hosted);
  hosted->gone_at = 0;
}

void lrd_hosted_look(lrd_hosted *hosted) {
  lrd_tier *tier = &hosted->ns->cache->memory_tier;
  larder_tier_usage mine, all;
  if (lrd_tier_usage(tier, hosted->ns->memory_space, &mine) != LARDER_OK ||
      lrd_tier_usage(tier, LARDER_TIER_ALL_SPACES, &all) != LARDER_OK)
    return;
  hosted->entries = mine.entries;
  hosted->filled_bytes = fuller(part_of(mine.bytes, mine.bytes_max), part_of(all.bytes, all.bytes_max));
  hosted->filled =
      fuller(hosted->filled_bytes, fuller(part_of(mine.entries, mine.entries_max), part_of(all.entries, all.entries_max)));
  room_look(hosted);
}

static double resident_part(void) {
  char *text = NULL;
  size_t len = 0;
  unsigned long long all, resident = 0;
  if (lrd_fs_slurp("/proc/self/statm", 4096, &text, &len) != 0) return 0;
  if (sscanf(text, "%llu %llu", &all, &resident) != 2) resident = 0;
  lrd_dealloc(text);
  long pages = sysconf(_SC_PHYS_PAGES);
  return pages > 0 ? (double)resident / (double)pages : 0;
}

/* What the machine makes of it. Not where time is moved by hand: there the same requests are to give the same decisions. */
static void machine_look(lrd_hosted *hosted, int64_t passed_ns) {
  struct timespec spent;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (hosted->ns->cache->clock != lrd_clock_real() || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) != 0) return;
  int64_t cpu_ns = (int64_t)spent.tv_sec * SECOND_NS + spent.tv_nsec;
  if (hosted->second_cpu_ns > 0 && cores > 0)
    hosted->cpu = (double)(cpu_ns - hosted->second_cpu_ns) / (double)passed_ns / (double)cores;
  hosted->second_cpu_ns = cpu_ns;
  hosted->memory = resident_part();
}

static void second_look(lrd_hosted *hosted, int64_t now_ns) {
  int64_t passed_ns = now_ns - hosted->second_ns;
  if (passed_ns < SECOND_NS) return;
  hosted->request_rate = (double)(hosted->asked - hosted->second_asked) * (double)SECOND_NS / (double)passed_ns;
  machine_look(hosted, passed_ns);
  hosted->second_ns = now_ns;
  hosted->second_asked = hosted->asked;
}

void lrd_hosted_begin(lrd_hosted *hosted) {
  larder *cache = hosted->ns->cache;
  larder_prefetch_figures queue = {0};
  int64_t now_ns = lrd_mono_ns(cache->clock);
  hosted->now_ms = (double)now_ns / MS;
  hosted->wall_ms = lrd_wall_ms(cache->clock);
  hosted->watched = 0;
  hosted->keys.now_ms = hosted->now_ms;
  hosted->keys.wall_ms = hosted->wall_ms;
  lrd_cascade_look(&hosted->watch, hosted->now_ms);
  second_look(hosted, now_ns);
  larder_prefetch_figures_get(cache, &queue);
  hosted->queue_depth = (double)queue.queued + (double)lrd_pool_queued(cache->makers->pool);
  hosted->makings = lrd_pool_makings(cache->makers->pool, hosted->ns);
}

/* --- telling -------------------------------------------------------------------------------------------------------------- */

static void aside_tell(lrd_hosted *hosted) {
  larder_ns *ns = hosted->ns;
  bool aside = larder_agent_aside(hosted->agent);
  if (aside == hosted->was_aside) return;
  hosted->was_aside = aside;
  if (!aside) {
    lrd_log_write(&ns->cache->log, LRD_LOG_INFO, "agent.back", "namespace %s: the agent tries again", ns->name);
    return;
  }
  (void)larder_prefetch_clear(ns->cache, ns);
  lrd_log_write(
      &ns->cache->log, LRD_LOG_WARN, "agent.aside",
      "namespace %s: the agent steps aside: of the last %u requests more was made, or they waited longer, than without "
      "it; it tries again later",
      ns->name, ns->policy.agent.window);
}

void lrd_hosted_end(lrd_hosted *hosted) {
  lrd_blame_look(&hosted->blame, hosted->agent, &hosted->watch, hosted->now_ms);
  aside_tell(hosted);
  larder_learning_figures now = hosted->figures;
  now.agents = 1;
  now.cascades = hosted->watch.cascades;
  now.averted = hosted->watch.averted;
  larder_agent_figures_get(hosted->agent, &now.agent);
  now.aside = now.agent.aside;
  lrd_lock(&hosted->shown_mutex);
  hosted->shown = now;
  lrd_unlock(&hosted->shown_mutex);
  lrd_stats_set_learning(hosted->ns->cell, &now);
  int64_t now_ns = lrd_mono_ns(hosted->ns->cache->clock);
  if (now_ns - hosted->saved_ns < KEEP_NS) return;
  hosted->saved_ns = now_ns;
  lrd_hosted_keep(hosted);
}
