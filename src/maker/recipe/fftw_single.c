/* SPDX-License-Identifier: Apache-2.0 */
#define FFTW(name) fftwf_##name
#define FFTW_REAL  float
#define CALLS      lrd_fftw_single
#include "fftw_body.h"
