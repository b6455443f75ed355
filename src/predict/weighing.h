/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what states say to the most probable endpoints. What a layer makes of an endpoint that it has surely seen c times is
 *
 *     c * scale + carry * (what the layer below makes of it)
 *
 * and at the bottom count * base_scale + base, by how often it came at all.
 */
#ifndef LRD_PREDICT_WEIGHING_H
#define LRD_PREDICT_WEIGHING_H

#include "endpoints.h"

#define LRD_LAYERS_MAX 3u

typedef struct lrd_layer {
  const lrd_state *state;
  double scale, carry;
} lrd_layer;

typedef struct lrd_evidence {
  const lrd_endpoints *endpoints;
  lrd_layer layers[LRD_LAYERS_MAX]; /* the one that has the last word comes last */
  unsigned len;
  double base_scale, base;
  bool any; /* what comes at all is evidence */
} lrd_evidence;

/* The most probable of what has evidence, and how many; of equals the one that a stronger successor's place comes first, the
 * last layer's before others. */
size_t lrd_weigh_best(const lrd_evidence *evidence, size_t most, uint32_t *numbers, double *probabilities);
/* LRD_NO_ENDPOINT: the share of all that are not known. */
double lrd_weigh_one(const lrd_evidence *evidence, uint32_t number);

#endif
