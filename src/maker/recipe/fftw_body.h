/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of one precision. The file that includes it defines FFTW(name) as FFTW's name, FFTW_REAL as its number, and CALLS
 * as the table to define.
 */
#ifndef LRD_MAKER_RECIPE_FFTW_BODY_H
#define LRD_MAKER_RECIPE_FFTW_BODY_H

#include "fftw_calls.h"
#include <fftw3.h>

static const char *version(void) { return FFTW(version); }

/*
 * FFTW refuses wisdom of another set of solvers, and its threads add some; so they are always there, and every process of
 * Larder's can use the others' wisdom. It has to come before the planner is first used.
 */
static void begin(void) {
  (void)FFTW(init_threads)();
  FFTW(make_planner_thread_safe)();
}

static char *export_text(void) { return FFTW(export_wisdom_to_string)(); }
static bool import_text(const char *text) { return FFTW(import_wisdom_from_string)(text) != 0; }
static void forget(void) { FFTW(forget_wisdom)(); }

/* Numbers along the last axis are padded for the transform in place. */
static size_t reals_of(const lrd_fft_plan *p) {
  size_t reals = 1;
  for (int i = 0; i + 1 < p->rank; i++) reals *= (size_t)p->n[i];
  size_t last = (size_t)p->n[p->rank - 1];
  return reals * (p->kind <= LRD_FFT_C2C_BACKWARD ? 2 * last : 2 * (last / 2 + 1));
}

static FFTW(plan) plan_make(const lrd_fft_plan *p, FFTW_REAL *in, FFTW_REAL *out) {
  static const unsigned flags[] = {FFTW_PATIENT, FFTW_MEASURE, FFTW_EXHAUSTIVE};
  unsigned effort = flags[p->effort];
  FFTW(complex) *complex_in = (FFTW(complex) *)(void *)in;
  FFTW(complex) *complex_out = (FFTW(complex) *)(void *)out;
  switch (p->kind) {
  case LRD_FFT_R2C:
    return FFTW(plan_dft_r2c)(p->rank, p->n, in, complex_out, effort);
  case LRD_FFT_C2R:
    return FFTW(plan_dft_c2r)(p->rank, p->n, complex_in, out, effort);
  default:
    return FFTW(plan_dft)(p->rank, p->n, complex_in, complex_out, p->kind == LRD_FFT_C2C_FORWARD ? FFTW_FORWARD : FFTW_BACKWARD,
                          effort);
  }
}

static larder_err plan(const lrd_fft_plan *p) {
  size_t reals = reals_of(p);
  FFTW_REAL *in = FFTW(malloc)(reals * sizeof *in);
  FFTW_REAL *out = p->in_place ? in : FFTW(malloc)(reals * sizeof *out);
  larder_err result = in == NULL || out == NULL ? LARDER_ENOMEM : LARDER_OK;
  if (result == LARDER_OK) {
    int threads = FFTW(planner_nthreads)();
    memset(in, 0, reals * sizeof *in);
    memset(out, 0, reals * sizeof *out);
    FFTW(plan_with_nthreads)(p->threads);
    FFTW(plan) made = plan_make(p, in, out);
    FFTW(plan_with_nthreads)(threads);
    if (made == NULL) result = LARDER_EUNSUPPORTED;
    if (made != NULL) FFTW(destroy_plan)(made);
  }
  if (!p->in_place) FFTW(free)(out);
  FFTW(free)(in);
  return result;
}

const lrd_fftw_calls CALLS = {
    .version = version, .begin = begin, .export_text = export_text, .import_text = import_text, .forget = forget, .plan = plan};

#endif
