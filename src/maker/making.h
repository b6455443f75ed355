/* SPDX-License-Identifier: Apache-2.0 */
/* A making under way, from the side of who ordered it: what `cancel` of a larder_making points to. */
#ifndef LRD_MAKER_MAKING_H
#define LRD_MAKER_MAKING_H

#include "base/clock.h"
#include <larder/ext/maker.h>
#include <stdatomic.h>

typedef struct lrd_cancel {
  const lrd_clock *clock;
  _Atomic bool closing; /* the cache is */
} lrd_cancel;

#endif
