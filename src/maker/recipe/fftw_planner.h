/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFTW's planner, which is one for the whole process and not made for several threads: every call here takes one lock that
 * all caches of the process share. A caller's own planning is safe against it only by lrd_fft_lock (larder/wisdom.h says so).
 */
#ifndef LRD_MAKER_RECIPE_FFTW_PLANNER_H
#define LRD_MAKER_RECIPE_FFTW_PLANNER_H

#include "fftw_calls.h"
#include "kind/wisdom.h"

/* LARDER_EUNSUPPORTED, with a sentence, in a build without FFTW. */
LARDER_MUST_CHECK larder_err lrd_fft_present(larder_error *err);
/* "fftw-3.3.10-sse2-avx"; only where it is present. */
const char *lrd_fft_version(bool single);
/* What wisdom must have at its head to be of use in this process. */
LARDER_MUST_CHECK larder_err lrd_fft_head(bool single, lrd_wisdom_head *out, larder_error *err);
/* Adds wisdom to what the process knows, after checking it: LARDER_EFORMAT for what is none, LARDER_OLDER for what another
 * FFTW, or one of another configuration, wrote. */
LARDER_MUST_CHECK larder_err lrd_fft_import(bool single, const void *text, size_t len, larder_error *err);
/*
 * Plans anew, whatever the process knows of it already, and adds what is learned to the text in `wisdom`, which holds the
 * wisdom of earlier steps or nothing. The process keeps what it knew, and what is learned too.
 */
LARDER_MUST_CHECK larder_err lrd_fft_learn(bool single, const lrd_fft_plan *plan, lrd_buf *wisdom, larder_error *err);
/* All that the process has learned, in both precisions. */
void lrd_fft_forget(void);

void lrd_fft_lock(void);
void lrd_fft_unlock(void);

#endif
