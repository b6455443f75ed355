/* SPDX-License-Identifier: Apache-2.0 */
#define FFTW(name) fftw_##name
#define FFTW_REAL  double
#define CALLS      lrd_fftw_double
#include "fftw_body.h"

const lrd_fftw_calls *lrd_fftw_of(bool single) { return single ? &lrd_fftw_single : &lrd_fftw_double; }
