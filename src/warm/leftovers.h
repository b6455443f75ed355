/* SPDX-License-Identifier: Apache-2.0 */
/* What imports and warming leave on the root to go on with, when nobody has gone on for LRD_LEFTOVER_DAYS days. */
#ifndef LRD_WARM_LEFTOVERS_H
#define LRD_WARM_LEFTOVERS_H

#include "core/cache.h"

#define LRD_LEFTOVER_DAYS 90

/* Removes what is that old. A checkpoint that is being written is never old. Blocks on disk. */
void lrd_leftovers_clear(larder *cache);
/* The same, once a day in each process however often it is called. */
void lrd_leftovers_tick(larder *cache);

#endif
