/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warming keys: number n of a job is key n / s in namespace n mod s of s, so that the origins of several namespaces are asked
 * in turn. What is fresh is only looked for. What is not goes through larder_get_or_make; served stale, it is asked for once
 * more, to wait for the making that this began behind.
 *
 * The checkpoint is that of an import, with numbers for offsets; it knows its plan again by the sum of all keys.
 */
#include "background_job.h"
#include "base/fail.h"
#include "checkpoint.h"
#include "core/makers.h"
#include "key_list.h"
#include "leftovers.h"
#include <inttypes.h>
#include <math.h>

#define ROOM           "warm"
#define NAMESPACES_MAX 256u

typedef struct key_job {
  larder *cache;
  larder_ns *spaces[NAMESPACES_MAX];
  size_t spaces_len;
  lrd_key_list keys;
  larder_make_options how;
  bool fresh;
  void (*dealt)(void *context, const larder_warm_result *result);
  void *context;
  lrd_checkpoint checkpoint;
  char *checkpoint_path;
  uint64_t first;
} key_job;

static void key_job_free(void *context) {
  key_job *job = context;
  lrd_key_list_fini(&job->keys);
  lrd_dealloc(job->checkpoint_path);
  lrd_dealloc(job);
}

/* --- one key -------------------------------------------------------------------------------------------------------------- */

/* What is kept before anything is made: its stamp, 0 where there is nothing. True when it is fresh. */
static bool key_look(larder_ns *ns, lrd_span key, uint64_t *stamp_out) {
  larder_stat stat = {0};
  *stamp_out = 0;
  if (larder_stat_get(ns, key.data, key.len, &stat) != LARDER_OK) return false;
  bool const fresh = !stat.stale;
  *stamp_out = stat.facts.stamp;
  larder_stat_free(&stat);
  return fresh;
}

/* As its makings count as lookups that missed, so does this as one that hit. */
static void hit_count(larder_ns *ns) {
  lrd_stats_add(ns->cell, LRD_STAT_LOOKUPS, 1);
  lrd_stats_add(ns->cell, LRD_STAT_HITS, 1);
}

/* Whether the maker found the value of that stamp good still. */
static bool is_unchanged(const larder_value *value, uint64_t stamp) {
  larder_facts facts = {0};
  return stamp != 0 && larder_value_facts(value, &facts) == LARDER_OK && facts.stamp == stamp;
}

/* Made, unchanged, absent or failed, with the result's facts. */
static void key_make(const key_job *job, larder_ns *ns, uint64_t stamp, larder_warm_result *out, larder_error *err) {
  larder_make_options how = job->how;
  larder_value value = {0};
  how.fresh = job->fresh;
  out->result = lrd_get_or_make_unheard(ns, out->key, out->key_len, &how, &value, err);
  if (out->result == LARDER_OK && value.stale && !how.fresh) {
    larder_value_release(&value);
    how.fresh = true;
    out->result = lrd_get_or_make_unheard(ns, out->key, out->key_len, &how, &value, err);
  }
  if (out->result == LARDER_OK && value.stale) {
    out->result = lrd_fail(err, LARDER_EAWAY, 0, ROOM, "it could not be made anew; what is kept is stale");
  } else if (out->result == LARDER_OK) {
    out->unchanged = is_unchanged(&value, stamp);
    out->made = !out->unchanged;
    out->bytes = out->made ? value.len : 0;
  }
  larder_value_release(&value);
  /* A value that was only handed out is of no use to who comes later. */
  if (out->result == LARDER_OK && larder_exists(ns, out->key, out->key_len) != LARDER_OK)
    out->result = lrd_fail(err, LARDER_NOT_KEPT, 0, ROOM,
                           "it was made, but is not kept: above max_entry, past its time at once, or its tiers are away");
}

static lrd_job_outcome outcome_of(const larder_warm_result *result) {
  if (result->result == LARDER_MISS) return LRD_JOB_ABSENT;
  if (result->result != LARDER_OK) return LRD_JOB_ERROR;
  return result->unchanged ? LRD_JOB_UNCHANGED : LRD_JOB_MADE;
}

static lrd_job_outcome key_deal(void *context, larder_job *job, uint64_t number, uint64_t *bytes_out) {
  const key_job *mine = context;
  larder_ns *ns = mine->spaces[number % mine->spaces_len];
  lrd_span key = lrd_key_list_at(&mine->keys, number / mine->spaces_len);
  larder_warm_result result = {.ns = larder_ns_name(ns), .key = key.data, .key_len = key.len};
  larder_error err = {0};
  lrd_job_outcome outcome = LRD_JOB_HIT;
  uint64_t stamp = 0;
  if (!key_look(ns, key, &stamp) || mine->fresh) {
    if (!lrd_job_turn(job)) return LRD_JOB_LEFT;
    key_make(mine, ns, stamp, &result, &err);
    if (result.result == LARDER_ECANCELLED && lrd_makings_cancelled(ns->cache)) return LRD_JOB_LEFT;
    outcome = outcome_of(&result);
  } else {
    hit_count(ns);
  }
  if (outcome == LRD_JOB_MADE) *bytes_out = result.bytes;
  if (outcome == LRD_JOB_ERROR) result.reason = err.message[0] ? err.message : larder_err_text(result.result);
  if (mine->dealt) mine->dealt(mine->context, &result);
  return outcome;
}

/* --- how far it came --------------------------------------------------------------------------------------------------------
 */

static void key_job_remember(void *context, uint64_t below, bool last) {
  key_job *job = context;
  if (!job->checkpoint_path) return;
  if (last && below == job->checkpoint.size) {
    lrd_checkpoint_remove(job->checkpoint_path);
    return;
  }
  /* What is said to be made has to outlive a crash; what is away is written when it is back. */
  larder_err err = larder_flush(job->cache);
  job->checkpoint.offset = below;
  if (err == LARDER_OK || err == LARDER_EAWAY) err = lrd_checkpoint_save(&job->checkpoint, job->checkpoint_path);
  if (err != LARDER_OK)
    lrd_log_write(&job->cache->log, LRD_LOG_WARN, "warm.checkpoint", "how far warming came could not be remembered: %s",
                  larder_err_text(err));
}

/* Named by what the plan was told, not by what its files hold, so that a changed file takes the place of the old one. */
static larder_err checkpoint_name(key_job *job, const larder_warm_plan *plan) {
  const char *const texts[] = {plan->keys_file, plan->places_file, plan->key, plan->near_place, plan->radius};
  lrd_buf path = {0};
  uint64_t sum = plan->fresh;
  if (plan->checkpoint) {
    job->checkpoint_path = lrd_strdup(plan->checkpoint);
    return job->checkpoint_path ? LARDER_OK : LARDER_ENOMEM;
  }
  if (!job->cache->root) return LARDER_OK;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    sum = lrd_hash64(texts[i] ? texts[i] : "", texts[i] ? strlen(texts[i]) : 0, sum + 1);
  for (size_t i = 0; i < job->spaces_len; i++) {
    const char *name = larder_ns_name(job->spaces[i]);
    sum = lrd_hash64(name, strlen(name), sum + 1);
  }
  larder_err err = lrd_buf_printf(&path, "%s/warm-%016" PRIx64 ".json", job->cache->root, sum);
  if (err == LARDER_OK) err = lrd_buf_terminate(&path);
  if (err == LARDER_OK)
    job->checkpoint_path = (char *)path.data;
  else
    lrd_buf_fini(&path);
  return err;
}

static void checkpoint_identify(key_job *job, bool named) {
  uint64_t sum = lrd_hash64(job->keys.texts.data, job->keys.texts.len, job->fresh);
  sum = lrd_hash64(job->keys.ends.data, job->keys.ends.len, sum);
  for (size_t i = 0; i < job->spaces_len; i++) {
    const char *name = larder_ns_name(job->spaces[i]);
    sum = lrd_hash64(name, strlen(name), sum + 1);
  }
  job->checkpoint =
      (lrd_checkpoint){.size = job->keys.len * job->spaces_len, .beginning = sum, .line = 1, .state = LRD_READ_LINES};
  lrd_checkpoint_target(&job->checkpoint, job->cache, NULL, named);
}

/* Before the keys are read. */
static larder_err checkpoint_find(key_job *job, const larder_warm_plan *plan, larder_error *err) {
  larder_err result = checkpoint_name(job, plan);
  if (result == LARDER_OK && plan->checkpoint && !lrd_checkpoint_may_write(plan->checkpoint))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "%s is there and is no checkpoint; it stays as it is", plan->checkpoint);
  if (result == LARDER_OK && job->checkpoint_path && plan->resume) lrd_checkpoint_touch(job->checkpoint_path);
  return result == LARDER_OK ? result : lrd_fail(err, result, 0, ROOM, "out of memory");
}

static larder_err checkpoint_begin(key_job *job, const larder_warm_plan *plan, larder_error *err) {
  larder_err result = LARDER_OK;
  checkpoint_identify(job, plan->checkpoint != NULL);
  if (job->checkpoint_path && plan->resume) {
    lrd_checkpoint_other other;
    result = lrd_checkpoint_load(&job->checkpoint, job->checkpoint_path, &other);
    if (result == LARDER_OK) job->first = job->checkpoint.offset;
    if (result == LARDER_MISS) result = LARDER_OK;
  }
  if (result == LARDER_OK) lrd_leftovers_tick(job->cache);
  return result == LARDER_OK ? result : lrd_fail(err, result, 0, ROOM, "out of memory");
}

/* --- the plan ---------------------------------------------------------------------------------------------------------------
 */

static larder_err plan_check(const larder *cache, const larder_warm_plan *plan, larder_error *err) {
  const char *wrong = NULL;
  if (!cache || !plan || plan->size != sizeof *plan)
    wrong = "a job needs a cache and a plan with its size";
  else if (!plan->namespaces || plan->namespaces_count == 0 || plan->namespaces_count > NAMESPACES_MAX)
    wrong = "a plan needs 1 to 256 namespaces";
  else if ((plan->keys_file != NULL) + (plan->keys_read != NULL) + (plan->places_file != NULL) != 1)
    wrong = "keys come from a file, from a stream or from places; exactly one of these";
  else if ((plan->places_file != NULL) != (plan->key != NULL))
    wrong = "places need a template of the key, and only they do";
  else if (plan->near_place && !plan->places_file)
    wrong = "what is near is looked for in a file of places";
  else if (plan->radius && !plan->near_place)
    wrong = "a radius is that around a place";
  else if (plan->parallel > LARDER_JOB_PARALLEL_MAX || !(plan->per_second >= 0) || !isfinite(plan->per_second) ||
           plan->hard_timeout_ms < -1)
    wrong = "at most 256 threads, a rate from 0 on, and a time-out from -1 on";
  return wrong ? lrd_fail(err, LARDER_EINVAL, 0, ROOM, "%s", wrong) : LARDER_OK;
}

static larder_err spaces_open(key_job *job, const larder_warm_plan *plan, larder_error *err) {
  larder_err result = LARDER_OK;
  for (size_t i = 0; i < plan->namespaces_count && result == LARDER_OK; i++) {
    larder_ns *ns = NULL;
    result = larder_ns_open(job->cache, plan->namespaces[i], &ns, err);
    if (result == LARDER_OK && !plan->make && !lrd_ns_can_make(ns))
      result = lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM,
                        "nobody makes the keys of namespace %s: configure its `maker`, or hand one over", plan->namespaces[i]);
    if (result == LARDER_OK) job->spaces[job->spaces_len++] = ns;
  }
  return result;
}

static larder_err keys_gather(key_job *job, const larder_warm_plan *plan, larder_error *err) {
  job->keys.told = plan->rejected;
  job->keys.context = plan->context;
  if (plan->keys_file) return lrd_key_list_open(&job->keys, plan->keys_file, plan->comments, err);
  if (plan->places_file)
    return lrd_key_list_places(&job->keys, plan->places_file, plan->key, plan->near_place, plan->radius, err);
  lrd_source source;
  larder_err result = lrd_source_init(&source, -1, plan->keys_read, plan->context);
  if (result == LARDER_OK)
    result = lrd_key_list_read(&job->keys, &source, "the stream", plan->comments, err);
  else
    result = lrd_fail(err, result, 0, ROOM, "out of memory");
  lrd_source_fini(&source);
  return result;
}

larder_err larder_warm_start(larder *cache, const larder_warm_plan *plan, larder_job **out, larder_error *err) {
  larder_err result = plan_check(cache, plan, err);
  if (result != LARDER_OK) return result;
  if (atomic_load(&cache->forked)) return lrd_fail(err, LARDER_EFORKED, 0, ROOM, "%s", larder_err_text(LARDER_EFORKED));
  key_job *job = lrd_alloc_zero(1, sizeof *job);
  if (!job) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  job->cache = cache;
  job->fresh = plan->fresh;
  job->dealt = plan->dealt;
  job->context = plan->context;
  job->how = (larder_make_options){.size = sizeof job->how,
                                   .make = plan->make,
                                   .context = plan->make_context,
                                   .soft_timeout_ms = -1,
                                   .hard_timeout_ms = plan->hard_timeout_ms};
  result = spaces_open(job, plan, err);
  if (result == LARDER_OK) result = checkpoint_find(job, plan, err);
  if (result == LARDER_OK) result = keys_gather(job, plan, err);
  if (result == LARDER_OK) result = checkpoint_begin(job, plan, err);
  if (result != LARDER_OK) {
    key_job_free(job);
    return result;
  }
  lrd_job_work work = {.first = job->first,
                       .total = job->keys.len * job->spaces_len,
                       .rejected = job->keys.rejected,
                       .parallel = plan->parallel,
                       .per_second = plan->per_second,
                       .deal = key_deal,
                       .remember = key_job_remember,
                       .free = key_job_free,
                       .context = job};
  return lrd_job_start(cache, &work, out, err);
}
