/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of fftw_double.c and fftw_single.c when the build was made with LARDER_FFTW=OFF. */
#include "fftw_calls.h"

const lrd_fftw_calls *lrd_fftw_of(bool single) {
  (void)single;
  return NULL;
}
