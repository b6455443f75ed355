/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping the sums of processes that have ended: into the cache's own namespace, which no listing shows. */
#ifndef LRD_CORE_CARE_H
#define LRD_CORE_CARE_H

#include <larder/larder.h>

/* Names that begin with a dot are the cache's own. */
#define LRD_OWN_NAMESPACE ".larder"

/* Takes a row's sums out of shared memory: a dead process's, or one's own before close. */
larder_err lrd_care_fold_row(larder *cache, uint32_t row);
/* The same for what a former holder left in this process's row. */
void lrd_care_fold_left(larder *cache);

#endif
