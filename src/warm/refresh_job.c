/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each entry is looked at once more when its turn comes, since others may have made it or taken it away meanwhile. It is then
 * made by larder_get_or_make, so that nobody makes it twice. What the maker found good still keeps its stamp in what is handed
 * out, though it gets a new one where it is kept: that tells it from what was made.
 */
#include "refresh_job.h"

#include "base/fail.h"
#include "base/hash.h"
#include "base/schedule.h"
#include "core/makers.h"
#include <math.h>
#include <stdatomic.h>

#define ROOM "refresh"

typedef struct refresh_job {
  lrd_refresh_plan *plan;
  larder_make_options how;
  bool dry_run;
  void (*dealt)(void *context, const larder_refresh_result *result);
  void *context;
  _Atomic uint64_t counts[LARDER_REFRESH_NOTHING + 1]; /* by what */
  _Atomic uint64_t versions;
} refresh_job;

/* What is known of an entry before it is made. */
typedef struct entry_before {
  int64_t made_ms;
  uint64_t stamp;
  char version[LARDER_VERSION_MAX + 1];
} entry_before;

void lrd_refresh_plan_add(lrd_refresh_plan *plan, const lrd_refresh_list *list) {
  LRD_ASSERT(plan->parts_len < LRD_NS_MAX);
  plan->looked += list->looked;
  plan->parts[plan->parts_len++] = (lrd_refresh_part){list->ns, list->all, list->due_before_ms, plan->keys.len};
}

void lrd_refresh_plan_free(lrd_refresh_plan *plan) {
  if (!plan) return;
  lrd_key_list_fini(&plan->keys);
  lrd_dealloc(plan);
}

static void refresh_job_free(void *context) {
  refresh_job *job = context;
  lrd_refresh_plan_free(job->plan);
  lrd_dealloc(job);
}

/* --- one entry ------------------------------------------------------------------------------------------------------------ */

static void version_copy(char out[LARDER_VERSION_MAX + 1], const larder_facts *facts) {
  size_t len = facts->version_len < LARDER_VERSION_MAX ? facts->version_len : LARDER_VERSION_MAX;
  if (len > 0) memcpy(out, facts->version, len);
  out[len] = '\0';
}

/* False: it is gone. */
static bool look_before(larder_ns *ns, lrd_span key, entry_before *out) {
  larder_stat stat = {0};
  if (larder_stat_get(ns, key.data, key.len, &stat) != LARDER_OK) return false;
  out->stamp = stat.facts.stamp;
  out->made_ms = lrd_stamp_wall_ms(stat.facts.stamp);
  version_copy(out->version, &stat.facts);
  larder_stat_free(&stat);
  return true;
}

static larder_refresh_what made_what(const entry_before *before, const larder_value *value, const larder_facts *now) {
  if (strcmp(value->tier, "made") != 0) return LARDER_REFRESH_FRESH; /* by another process, or between two of our looks */
  return now->stamp == before->stamp ? LARDER_REFRESH_UNCHANGED : LARDER_REFRESH_MADE;
}

static void entry_make(const refresh_job *job, larder_ns *ns, const entry_before *before, larder_refresh_result *out,
                       char version[LARDER_VERSION_MAX + 1], uint64_t *bytes, larder_error *err) {
  larder_value value = {0};
  larder_facts now = {0};
  larder_make_options how = job->how;
  how.over_stamp = before->stamp;
  larder_err result = lrd_get_or_make_unheard(ns, out->key, out->key_len, &how, &value, err);
  if (result == LARDER_OK) result = larder_value_facts(&value, &now);
  if (result == LARDER_OK) {
    out->what = made_what(before, &value, &now);
    version_copy(version, &now);
    out->version_to = version;
    out->version_changed = before->version[0] != '\0' && strcmp(before->version, version) != 0;
    *bytes = out->what == LARDER_REFRESH_MADE ? value.len : 0;
  } else if (result == LARDER_MISS) {
    out->what = LARDER_REFRESH_ABSENT;
  } else {
    out->what = LARDER_REFRESH_FAILED;
    out->reason = err->message[0] ? err->message : larder_err_text(result);
  }
  larder_value_release(&value);
}

static const lrd_refresh_part *part_of(const lrd_refresh_plan *plan, uint64_t number) {
  const lrd_refresh_part *part = plan->parts;
  while (number >= part->end) part++;
  return part;
}

static lrd_job_outcome outcome_of(larder_refresh_what what) {
  switch (what) {
  case LARDER_REFRESH_MADE:
    return LRD_JOB_MADE;
  case LARDER_REFRESH_ABSENT:
    return LRD_JOB_ABSENT;
  case LARDER_REFRESH_FAILED:
    return LRD_JOB_ERROR;
  case LARDER_REFRESH_UNCHANGED:
    return LRD_JOB_UNCHANGED;
  case LARDER_REFRESH_FRESH:
  case LARDER_REFRESH_GONE:
  case LARDER_REFRESH_NOTHING:
    break;
  }
  return LRD_JOB_HIT;
}

static lrd_job_outcome refresh_deal(void *context, larder_job *running, uint64_t number, uint64_t *bytes_out) {
  refresh_job *job = context;
  const lrd_refresh_part *part = part_of(job->plan, number);
  lrd_span key = lrd_key_list_at(&job->plan->keys, number);
  entry_before before = {0};
  char version[LARDER_VERSION_MAX + 1] = "";
  larder_error err = {0};
  larder_refresh_result result = {.ns = larder_ns_name(part->ns), .key = key.data, .key_len = key.len, .version_to = version};
  bool there = look_before(part->ns, key, &before);
  result.version_from = before.version;
  result.made_ms = before.made_ms;
  if (!there) {
    result.what = LARDER_REFRESH_GONE;
  } else if (!lrd_refresh_is_due(part->ns->cache, before.made_ms, part->due_before_ms)) {
    result.what = LARDER_REFRESH_FRESH;
  } else if (job->dry_run) {
    result.what = LARDER_REFRESH_NOTHING;
  } else {
    if (!lrd_job_turn(running)) return LRD_JOB_LEFT;
    entry_make(job, part->ns, &before, &result, version, bytes_out, &err);
    if (result.what == LARDER_REFRESH_FAILED && lrd_makings_cancelled(part->ns->cache)) return LRD_JOB_LEFT;
  }
  atomic_fetch_add(&job->counts[result.what], 1);
  if (result.version_changed) atomic_fetch_add(&job->versions, 1);
  if (job->dealt) job->dealt(job->context, &result);
  return outcome_of(result.what);
}

/* --- the job -------------------------------------------------------------------------------------------------------------- */

larder_err lrd_refresh_start(larder *cache, lrd_refresh_plan *plan, const larder_refresh_options *options, larder_job **out,
                             larder_error *err) {
  refresh_job *job = lrd_alloc_zero(1, sizeof *job);
  if (!job) {
    lrd_refresh_plan_free(plan);
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  job->plan = plan;
  job->dry_run = options->dry_run;
  job->dealt = options->dealt;
  job->context = options->context;
  job->how = (larder_make_options){.size = sizeof job->how,
                                   .fresh = true,
                                   .only_made = true,
                                   .soft_timeout_ms = -1,
                                   .hard_timeout_ms = options->hard_timeout_ms};
  lrd_job_work work = {.total = plan->keys.len,
                       .parallel = options->parallel,
                       .per_second = options->per_second,
                       .deal = refresh_deal,
                       .free = refresh_job_free,
                       .context = job};
  return lrd_job_start(cache, &work, out, err);
}

larder_err larder_refresh_counts_get(const larder_job *running, larder_refresh_counts *out) {
  refresh_job *job = running && out ? lrd_job_context(running, refresh_deal) : NULL;
  if (!job) return LARDER_EINVAL;
  *out = (larder_refresh_counts){.looked = job->plan->looked,
                                 .due = job->plan->keys.len,
                                 .made = atomic_load(&job->counts[LARDER_REFRESH_MADE]),
                                 .unchanged = atomic_load(&job->counts[LARDER_REFRESH_UNCHANGED]),
                                 .fresh = atomic_load(&job->counts[LARDER_REFRESH_FRESH]),
                                 .gone = atomic_load(&job->counts[LARDER_REFRESH_GONE]),
                                 .absent = atomic_load(&job->counts[LARDER_REFRESH_ABSENT]),
                                 .errors = atomic_load(&job->counts[LARDER_REFRESH_FAILED]),
                                 .versions = atomic_load(&job->versions)};
  return LARDER_OK;
}

/* --- a part of what is due -------------------------------------------------------------------------------------------------
 */

/* `count` of all keys from one on, and from the first on behind the last: how many of them lie below one. */
static uint64_t chosen_below(uint64_t below, uint64_t from, uint64_t count, uint64_t all) {
  uint64_t wrapped = from + count > all ? from + count - all : 0;
  uint64_t front = below < wrapped ? below : wrapped;
  uint64_t back = below > from ? below - from : 0;
  return front + (back < count - wrapped ? back : count - wrapped);
}

/*
 * Leaves `limit` keys, from another place on each time: what could not be made stays due, and would else be all that is ever
 * tried where it stands in front.
 */
static larder_err plan_cut(lrd_refresh_plan *plan, uint64_t limit, uint64_t random) {
  uint64_t all = plan->keys.len;
  if (limit == 0 || limit >= all) return LARDER_OK;
  uint64_t from = random % all;
  lrd_key_list chosen = {0};
  larder_err result = LARDER_OK;
  for (uint64_t i = 0; i < all && result == LARDER_OK; i++) {
    lrd_span key = lrd_key_list_at(&plan->keys, i);
    if (chosen_below(i + 1, from, limit, all) > chosen.len) result = lrd_key_list_add(&chosen, key.data, key.len);
  }
  if (result != LARDER_OK) {
    lrd_key_list_fini(&chosen);
    return result;
  }
  for (size_t i = 0; i < plan->parts_len; i++) plan->parts[i].end = chosen_below(plan->parts[i].end, from, limit, all);
  lrd_key_list_fini(&plan->keys);
  plan->keys = chosen;
  return LARDER_OK;
}

/* --- what is asked for by hand ----------------------------------------------------------------------------------------------
 */

/* Names are gathered first: nothing may be opened while they are visited. */
typedef struct names {
  larder *cache;
  lrd_buf texts; /* each with its NUL */
  larder_err result;
} names;

static bool name_gather(void *context, const char *name) {
  names *all = context;
  lrd_config_ns policy;
  lrd_ns_policy(all->cache->config, name, &policy);
  if (policy.refresh && policy.maker.type != LRD_MAKER_NONE) all->result = lrd_buf_append(&all->texts, name, strlen(name) + 1);
  return all->result == LARDER_OK;
}

static larder_err part_gather(lrd_refresh_plan *plan, larder_ns *ns, const larder_refresh_options *options, larder_error *err) {
  lrd_refresh_list list;
  lrd_schedule schedule = {0};
  int64_t now_ms = lrd_wall_ms(ns->cache->clock);
  int64_t due_before_ms = now_ms + 1;
  if (!ns->make)
    return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM, "nobody makes the keys of namespace %s: configure its `maker`",
                    ns->name);
  if (!options->all) {
    if (!ns->policy.refresh)
      return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                      "namespace %s has no schedule by which something is due: give it one, such as `refresh: every 7d`",
                      ns->name);
    larder_err result = lrd_schedule_parse(ns->policy.refresh, &schedule, err);
    if (result != LARDER_OK) return result;
    due_before_ms = lrd_schedule_due_before(&schedule, now_ms);
  }
  lrd_refresh_list_begin(&list, ns, due_before_ms, LRD_KEY_LIST_MAX, &plan->keys);
  list.all = options->all;
  larder_err result = lrd_refresh_list_page(&list, 0);
  if (result != LARDER_OK)
    return lrd_fail(err, result, 0, ROOM, "the entries of namespace %s can't be listed: %s", ns->name, larder_err_text(result));
  lrd_refresh_plan_add(plan, &list);
  return LARDER_OK;
}

static larder_err all_gather(lrd_refresh_plan *plan, larder *cache, const larder_refresh_options *options, larder_error *err) {
  names all = {.cache = cache};
  larder_err result = larder_ns_each(cache, name_gather, &all);
  if (result == LARDER_OK) result = all.result;
  if (result != LARDER_OK) (void)lrd_fail(err, result, 0, ROOM, "the namespaces can't be listed: %s", larder_err_text(result));
  for (size_t at = 0; at < all.texts.len && result == LARDER_OK && plan->parts_len < LRD_NS_MAX;) {
    const char *name = (const char *)all.texts.data + at;
    larder_ns *ns = NULL;
    result = larder_ns_open(cache, name, &ns, err);
    if (result == LARDER_OK) result = part_gather(plan, ns, options, err);
    at += strlen(name) + 1;
  }
  lrd_buf_fini(&all.texts);
  return result;
}

static larder_err options_check(const larder *cache, const larder_ns *ns, const larder_refresh_options *options,
                                larder_error *err) {
  if (!cache || options->size != sizeof *options || (ns && ns->cache != cache))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a refresh needs a cache, a namespace of it, and options with their size");
  if (options->parallel > LARDER_JOB_PARALLEL_MAX || !(options->per_second >= 0) || !isfinite(options->per_second) ||
      options->hard_timeout_ms < -1)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "at most 256 threads, a rate from 0 on, and a time-out from -1 on");
  if (atomic_load(&cache->forked)) return lrd_fail(err, LARDER_EFORKED, 0, ROOM, "%s", larder_err_text(LARDER_EFORKED));
  if (lrd_cache_onlooker(cache))
    return lrd_fail(err, LARDER_EACCES, 0, ROOM, "the root can only be read, so nothing that is made could be kept");
  return LARDER_OK;
}

larder_err larder_refresh_due(larder *cache, larder_ns *ns, const larder_refresh_options *options, larder_job **out,
                              larder_error *err) {
  static const larder_refresh_options defaults = {.size = sizeof defaults};
  if (!options) options = &defaults;
  larder_err result = out ? options_check(cache, ns, options, err) : LARDER_EINVAL;
  if (result != LARDER_OK) return result;
  lrd_refresh_plan *plan = lrd_alloc_zero(1, sizeof *plan);
  if (!plan) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  result = ns ? part_gather(plan, ns, options, err) : all_gather(plan, cache, options, err);
  if (result == LARDER_OK) {
    int64_t now_ns = lrd_mono_ns(cache->clock);
    result = plan_cut(plan, options->limit, lrd_sum64(&now_ns, sizeof now_ns));
    if (result != LARDER_OK) lrd_ignore(lrd_fail(err, result, 0, ROOM, "out of memory"));
  }
  if (result != LARDER_OK) {
    lrd_refresh_plan_free(plan);
    return result;
  }
  return lrd_refresh_start(cache, plan, options, out, err);
}
