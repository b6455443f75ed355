/* SPDX-License-Identifier: Apache-2.0 */
/* Gaussian smoothing of a field on a regular grid, axis by axis. */
#ifndef LRD_MAKER_RECIPE_GRID_SMOOTH_H
#define LRD_MAKER_RECIPE_GRID_SMOOTH_H

#include "maker/maker.h"

typedef enum lrd_grid_edge {
  LRD_GRID_WRAP,   /* periodic */
  LRD_GRID_REFLECT /* mirrored at the edge's outer side: … b a | a b … */
} lrd_grid_edge;

/*
 * Convolves the field (C order, shape of three axes, 1 where there are fewer) along each axis longer than 1 with
 *   G_j = exp(-j² / (2 sigma²)) / Σ exp(-i² / (2 sigma²)),  |j| <= floor(4 sigma + 1/2)
 * sigma is in points; 0 changes nothing. *norm_out (may be NULL) is the product over those axes of sqrt(Σ G_j²), by which
 * independent noise becomes quieter. LARDER_ENOMEM; what the patience answers, the field then being of no use.
 */
LARDER_MUST_CHECK larder_err lrd_grid_smooth(double *field, const uint64_t shape[3], double sigma, lrd_grid_edge edge,
                                             double *norm_out, const lrd_patience *patience);

#endif
