/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock is a global because what it guards is one. It is not recursive, and no callback of a caller's runs under it.
 *
 * A step of learning has the planner for itself: what the process knows is set aside as text, the planner forgets, is given
 * back what earlier steps learned, plans, and only that is exported; then what was set aside is imported again. So a text
 * holds what its own plans need, planning never follows older wisdom, and nothing that the process knew is lost.
 */
#include "fftw_planner.h"

#include "base/fail.h"
#include "base/thread.h"
#include <stdlib.h>

static pthread_mutex_t planner_lock = PTHREAD_MUTEX_INITIALIZER;
static bool begun[2]; /* by precision, under the lock */

/* Under the lock. */
static const lrd_fftw_calls *planner_begin(bool single) {
  const lrd_fftw_calls *fftw = lrd_fftw_of(single);
  if (!begun[single] && fftw != NULL) fftw->begin();
  begun[single] = true;
  return fftw;
}

/* Setting up a planner takes FFTW a third of a millisecond, so that of the other precision is left alone. */
static const lrd_fftw_calls *planner_lock_one(bool single) {
  lrd_lock(&planner_lock);
  return planner_begin(single);
}

void lrd_fft_lock(void) {
  (void)planner_lock_one(false);
  (void)planner_begin(true);
}

void lrd_fft_unlock(void) { lrd_unlock(&planner_lock); }

larder_err lrd_fft_present(larder_error *err) {
  if (lrd_fftw_of(false) != NULL) return LARDER_OK;
  return lrd_fail(err, LARDER_EUNSUPPORTED, 0, "wisdom",
                  "this build has no FFTW; build Larder with -DLARDER_FFTW=ON and libfftw3-dev");
}

const char *lrd_fft_version(bool single) { return lrd_fftw_of(single)->version(); }

static larder_err no_memory(larder_error *err) { return lrd_fail(err, LARDER_ENOMEM, 0, "wisdom", "out of memory"); }

larder_err lrd_fft_head(bool single, lrd_wisdom_head *out, larder_error *err) {
  larder_err result = lrd_fft_present(err);
  if (result != LARDER_OK) return result;
  char *ours = planner_lock_one(single)->export_text();
  lrd_fft_unlock();
  if (ours == NULL) return no_memory(err);
  result = lrd_wisdom_head_read(ours, strlen(ours), out);
  if (result != LARDER_OK)
    result = lrd_fail(err, LARDER_EUNSUPPORTED, 0, "wisdom", "this FFTW writes wisdom of an unknown form");
  free(ours);
  return result;
}

/* Why FFTW, which compares heads before it reads on, did not take what is well formed. */
static larder_err refused(bool single, const lrd_wisdom_head *theirs, larder_error *err) {
  lrd_wisdom_head ours;
  larder_err result = lrd_fft_head(single, &ours, err);
  if (result != LARDER_OK) return result;
  if (!lrd_wisdom_head_fits(&ours, theirs))
    return lrd_fail(err, LARDER_OLDER, 0, "wisdom", "written by another FFTW (%s, or another set of its parts)",
                    theirs->version);
  return lrd_fail(err, LARDER_EFORMAT, 0, "wisdom", "FFTW did not take it");
}

larder_err lrd_fft_import(bool single, const void *text, size_t len, larder_error *err) {
  lrd_wisdom_head theirs;
  lrd_buf copy = {0};
  larder_err result = lrd_fft_present(err);
  if (result == LARDER_OK) result = lrd_wisdom_check(text, len, &theirs, err);
  if (result != LARDER_OK) return result;
  if (lrd_buf_append(&copy, text, len) != LARDER_OK || lrd_buf_terminate(&copy) != LARDER_OK) {
    lrd_buf_fini(&copy);
    return no_memory(err);
  }
  bool taken = planner_lock_one(single)->import_text((const char *)copy.data);
  lrd_fft_unlock();
  lrd_buf_fini(&copy);
  return taken ? LARDER_OK : refused(single, &theirs, err);
}

/* Under the lock. *learned_out is for free(). */
static larder_err learn_apart(const lrd_fftw_calls *fftw, const lrd_fft_plan *plan, const lrd_buf *earlier,
                              char **learned_out) {
  char *known = fftw->export_text();
  if (known == NULL) return LARDER_ENOMEM;
  fftw->forget();
  if (earlier->len > 0) (void)fftw->import_text((const char *)earlier->data);
  larder_err result = fftw->plan(plan);
  if (result == LARDER_OK) {
    *learned_out = fftw->export_text();
    if (*learned_out == NULL) result = LARDER_ENOMEM;
  }
  (void)fftw->import_text(known);
  free(known);
  return result;
}

larder_err lrd_fft_learn(bool single, const lrd_fft_plan *plan, lrd_buf *wisdom, larder_error *err) {
  char *learned = NULL;
  larder_err result = lrd_fft_present(err);
  if (result == LARDER_OK && wisdom->len > 0) result = lrd_buf_terminate(wisdom);
  if (result != LARDER_OK) return result;
  result = learn_apart(planner_lock_one(single), plan, wisdom, &learned);
  lrd_fft_unlock();
  if (result == LARDER_OK) {
    lrd_buf_clear(wisdom);
    result = lrd_buf_append_str(wisdom, learned);
  }
  free(learned);
  if (result == LARDER_ENOMEM) return no_memory(err);
  if (result != LARDER_OK) return lrd_fail(err, result, 0, "wisdom", "FFTW has no plan for this transform");
  return LARDER_OK;
}

void lrd_fft_forget(void) {
  if (lrd_fftw_of(false) == NULL) return;
  lrd_fft_lock();
  lrd_fftw_of(false)->forget();
  lrd_fftw_of(true)->forget();
  lrd_fft_unlock();
}
