/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wisdom from a namespace into FFTW, or the other way. The parameters go through the recipe's own table, so that `warm` and
 * this make the same entries. What is kept counts only when its version (FFTW's and the processor) is the one of this
 * process, its text passes the strict reader, and its head is what this process's FFTW writes itself.
 *
 * A list of the keys that are under way in this process makes threads wait for each other; progress is called under no lock.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/thread.h"
#include "maker/recipe/fftw_planner.h"
#include "maker/recipe/wisdom_recipe.h"
#include "recipe_make.h"
#include <larder/wisdom.h>
#include <stdio.h>

/* One call of ensure. */
typedef struct ensure {
  const larder_wisdom_options *options;
  larder_ns *ns;
  lrd_params params;
  char key[LARDER_KEY_MAX + 1];
  bool unopened; /* something is kept that can't be opened here */
  larder_wisdom_done done;
} ensure;

/* --- keys under way ------------------------------------------------------------------------------------------------- */

typedef struct claim {
  larder_ns *ns;
  const char *key; /* the claimer's */
  struct claim *next;
} claim;

/* FFTW's planner is one for the process, and so is this. */
static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t claims_gone = PTHREAD_COND_INITIALIZER;
static claim *claims;

static bool claimed(const claim *mine) {
  for (const claim *c = claims; c != NULL; c = c->next) {
    if (c->ns == mine->ns && strcmp(c->key, mine->key) == 0) return true;
  }
  return false;
}

static void claim_take(claim *mine) {
  pthread_mutex_lock(&claims_lock);
  while (claimed(mine)) pthread_cond_wait(&claims_gone, &claims_lock);
  mine->next = claims;
  claims = mine;
  pthread_mutex_unlock(&claims_lock);
}

static void claim_drop(const claim *mine) {
  pthread_mutex_lock(&claims_lock);
  claim **at = &claims;
  while (*at != mine) at = &(*at)->next;
  *at = mine->next;
  pthread_cond_broadcast(&claims_gone);
  pthread_mutex_unlock(&claims_lock);
}

/* --- options to parameters -------------------------------------------------------------------------------------------- */

static larder_err sizes_write(const uint64_t *sizes, unsigned axes, char *out, size_t room, larder_error *err) {
  size_t len = 0;
  if (sizes == NULL || axes < 1 || axes > 3)
    return lrd_fail(err, LARDER_EINVAL, 0, "wisdom", "wisdom is of one to three axes; give the points along each");
  for (unsigned i = 0; i < axes; i++)
    len += (size_t)snprintf(out + len, room - len, "%s%llu", i > 0 ? "x" : "", (unsigned long long)sizes[i]);
  return LARDER_OK;
}

static larder_err params_fill(const uint64_t *sizes, unsigned axes, const larder_wisdom_options *options, lrd_params *out,
                              larder_error *err) {
  static const char *const efforts[] = {"patient", "measure", "exhaustive"};
  static const char *const transforms[] = {"c2c", "c2c", "r2c", "c2c+r2c", "c2r", "c2c+c2r", "r2c+c2r", "c2c+r2c+c2r"};
  static const char *const directions[] = {"both", "forward", "backward"};
  static const char *const places[] = {"both", "in", "out"};
  static const larder_wisdom_options none = {.size = sizeof none};
  char n[80];
  char threads[16];
  if (options == NULL) options = &none;
  if ((unsigned)options->effort > 2 || options->transforms > 7 || (unsigned)options->direction > 2 ||
      (unsigned)options->place > 2)
    return lrd_fail(err, LARDER_EINVAL, 0, "wisdom", "an option of the wisdom is none of the values that there are");
  larder_err result = sizes_write(sizes, axes, n, sizeof n, err);
  if (result != LARDER_OK) return result;
  snprintf(threads, sizeof threads, "%u", options->threads == 0 ? 1 : options->threads);
  const larder_param given[] = {{"n", n},
                                {"precision", options->single ? "float" : "double"},
                                {"effort", efforts[options->effort]},
                                {"threads", threads},
                                {"transforms", transforms[options->transforms]},
                                {"direction", directions[options->direction]},
                                {"place", places[options->place]}};
  return lrd_maker_params_read(&lrd_recipe_wisdom, given, sizeof given / sizeof given[0], out, err);
}

static larder_err ns_open(larder *cache, const larder_wisdom_options *options, larder_ns **out, larder_error *err) {
  if (cache == NULL) return lrd_fail(err, LARDER_EINVAL, 0, "wisdom", "the cache is missing");
  return larder_ns_open(cache, options != NULL && options->ns != NULL ? options->ns : LARDER_WISDOM_NS, out, err);
}

/* --- loading and making ------------------------------------------------------------------------------------------------ */

static larder_err version_compare(const larder_value *value, const lrd_params *params, larder_error *err) {
  larder_facts facts;
  lrd_buf wanted = {0};
  larder_err result = larder_value_facts(value, &facts);
  if (result == LARDER_OK) result = lrd_wisdom_version(params, &wanted);
  if (result == LARDER_OK && (facts.version_len != wanted.len || memcmp(facts.version, wanted.data, wanted.len) != 0)) {
    result = lrd_fail(err, LARDER_OLDER, 0, "wisdom", "made by %.*s", facts.version_len > 0 ? (int)facts.version_len : 7,
                      facts.version_len > 0 ? facts.version : "unknown");
  }
  lrd_buf_fini(&wanted);
  return result;
}

/* LARDER_OK: FFTW has it. Everything else: it has to be made, and done.reason says why. */
static larder_err wisdom_load(ensure *e) {
  larder_value value = {0};
  larder_error err = {0};
  if (e->options != NULL && e->options->force) {
    snprintf(e->done.reason, sizeof e->done.reason, "asked for");
    return LARDER_MISS;
  }
  larder_err result = larder_get(e->ns, e->key, strlen(e->key), NULL, &value);
  e->unopened = result == LARDER_EKEY || result == LARDER_EFORMAT;
  if (result == LARDER_OK) {
    result = version_compare(&value, &e->params, &err);
    if (result == LARDER_OK) result = lrd_fft_import(lrd_wisdom_single(&e->params), value.data, value.len, &err);
    e->done.bytes = value.len;
    larder_value_release(&value);
  }
  if (result != LARDER_OK)
    snprintf(e->done.reason, sizeof e->done.reason, "%.199s", err.message[0] != '\0' ? err.message : larder_err_text(result));
  return result;
}

static larder_err wisdom_keep(ensure *e, larder_error *err) {
  lrd_buf value = {0};
  lrd_buf version = {0};
  lrd_buf meta = {0};
  const larder_wisdom_options *options = e->options;
  larder_err result = lrd_wisdom_make(&e->params, options != NULL ? options->progress : NULL,
                                      options != NULL ? options->context : NULL, &value, &version, &meta, err);
  if (result == LARDER_OK && lrd_buf_terminate(&version) != LARDER_OK)
    result = lrd_fail(err, LARDER_ENOMEM, 0, "wisdom", "out of memory");
  if (result == LARDER_OK) {
    larder_put_options how = {.size = sizeof how,
                              .kind = LARDER_KIND_WISDOM,
                              .version = (const char *)version.data,
                              .meta = meta.data,
                              .meta_len = meta.len};
    e->done.made = true;
    e->done.bytes = value.len;
    /* What is there can't be opened here, which is no reason to replace it. */
    result = e->unopened ? LARDER_NOT_KEPT : larder_put(e->ns, e->key, strlen(e->key), value.data, value.len, &how);
    /* FFTW has learned it all the same: a cache fault is not the caller's. */
    if (result < 0) result = LARDER_NOT_KEPT;
  }
  lrd_buf_fini(&value);
  lrd_buf_fini(&version);
  lrd_buf_fini(&meta);
  return result;
}

larder_err larder_wisdom_ensure(larder *cache, const uint64_t *sizes, unsigned axes, const larder_wisdom_options *options,
                                larder_wisdom_done *out, larder_error *err) {
  ensure e = {.options = options};
  const lrd_clock *clock = lrd_clock_real();
  int64_t begin = lrd_mono_ns(clock);
  larder_err result = lrd_fft_present(err);
  if (result == LARDER_OK) result = params_fill(sizes, axes, options, &e.params, err);
  if (result == LARDER_OK) result = ns_open(cache, options, &e.ns, err);
  if (result == LARDER_OK) result = lrd_recipe_key_write(&lrd_recipe_wisdom, &e.params, e.key, err);
  if (result != LARDER_OK) return result;
  claim mine = {.ns = e.ns, .key = e.key};
  claim_take(&mine);
  if (wisdom_load(&e) != LARDER_OK) result = wisdom_keep(&e, err);
  claim_drop(&mine);
  e.done.plans = lrd_wisdom_plans(&e.params);
  e.done.took_ns = lrd_mono_ns(clock) - begin;
  memcpy(e.done.key, e.key, sizeof e.done.key);
  if (out != NULL && result >= 0) *out = e.done;
  return result;
}

larder_err larder_wisdom_clear(larder *cache, const uint64_t *sizes, unsigned axes, const larder_wisdom_options *options,
                               uint64_t *deleted, larder_error *err) {
  larder_ns *ns = NULL;
  lrd_params params;
  char key[LARDER_KEY_MAX + 1];
  uint64_t count = 0;
  larder_err result = ns_open(cache, options, &ns, err);
  if (result != LARDER_OK) return result;
  if (sizes == NULL) {
    larder_match match = {.size = sizeof match, .prefix = "fftw_", .prefix_len = 5, .stale_too = true};
    larder_bulk bulk = {0};
    result = larder_delete_matching(ns, &match, &bulk);
    count = bulk.entries;
  } else {
    result = lrd_fft_present(err);
    if (result == LARDER_OK) result = params_fill(sizes, axes, options, &params, err);
    if (result == LARDER_OK) result = lrd_recipe_key_write(&lrd_recipe_wisdom, &params, key, err);
    if (result != LARDER_OK) return result;
    result = larder_delete(ns, key, strlen(key));
    count = result == LARDER_OK || result == LARDER_DEGRADED;
    if (result == LARDER_MISS) result = LARDER_OK;
  }
  lrd_fft_forget();
  if (result < 0) return lrd_fail(err, result, 0, "wisdom", "cannot delete it: %s", larder_err_text(result));
  if (deleted != NULL) *deleted = count;
  return result;
}

const char *larder_wisdom_fftw_version(void) { return lrd_fft_present(NULL) == LARDER_OK ? lrd_fft_version(false) : NULL; }

void larder_wisdom_planner_lock(void) { lrd_fft_lock(); }
void larder_wisdom_planner_unlock(void) { lrd_fft_unlock(); }
