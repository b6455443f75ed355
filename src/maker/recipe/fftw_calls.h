/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Larder calls of FFTW, once for each precision. fftw_double.c and fftw_single.c are the same text with other names
 * (fftw_body.h); a build without FFTW has fftw_absent.c instead. All but `version` are called under the planner's lock.
 */
#ifndef LRD_MAKER_RECIPE_FFTW_CALLS_H
#define LRD_MAKER_RECIPE_FFTW_CALLS_H

#include "base/bytes.h"

typedef enum lrd_fft_kind { LRD_FFT_C2C_FORWARD, LRD_FFT_C2C_BACKWARD, LRD_FFT_R2C, LRD_FFT_C2R, LRD_FFT_KINDS } lrd_fft_kind;
typedef enum lrd_fft_effort { LRD_FFT_PATIENT, LRD_FFT_MEASURE, LRD_FFT_EXHAUSTIVE } lrd_fft_effort;

/* One plan. */
typedef struct lrd_fft_plan {
  int rank; /* 1 to 3 */
  int n[3];
  lrd_fft_kind kind;
  bool in_place;
  lrd_fft_effort effort;
  int threads;
} lrd_fft_plan;

typedef struct lrd_fftw_calls {
  const char *(*version)(void); /* "fftw-3.3.10-sse2-avx" */
  void (*begin)(void);          /* once in a process, before anything else */
  char *(*export_text)(void);   /* to be freed with free(); NULL: out of memory */
  bool (*import_text)(const char *text);
  void (*forget)(void);
  /* Plans and drops the plan: what was learned stays in FFTW. LARDER_ENOMEM; LARDER_EUNSUPPORTED: FFTW has no such plan. */
  larder_err (*plan)(const lrd_fft_plan *plan);
} lrd_fftw_calls;

/* NULL in a build without FFTW. */
const lrd_fftw_calls *lrd_fftw_of(bool single);

extern const lrd_fftw_calls lrd_fftw_double;
extern const lrd_fftw_calls lrd_fftw_single;

#endif
