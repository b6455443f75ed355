/* SPDX-License-Identifier: Apache-2.0 */
/* The job that makes anew what lists of due entries (refresh_list.h) hold. */
#ifndef LRD_WARM_REFRESH_JOB_H
#define LRD_WARM_REFRESH_JOB_H

#include "background_job.h"
#include "refresh_list.h"
#include <larder/refresh.h>

/* The due entries of one namespace: keys up to `end`, from the end of the one before. */
typedef struct lrd_refresh_part {
  larder_ns *ns;
  bool all;
  int64_t due_before_ms;
  uint64_t end;
} lrd_refresh_part;

typedef struct lrd_refresh_plan {
  lrd_refresh_part parts[LRD_NS_MAX];
  size_t parts_len;
  lrd_key_list keys;
  uint64_t looked;
} lrd_refresh_plan;

/* What a list that has ended holds becomes a part. */
void lrd_refresh_plan_add(lrd_refresh_plan *plan, const lrd_refresh_list *list);
void lrd_refresh_plan_free(lrd_refresh_plan *plan);
/* Takes the plan, also when it fails. */
LARDER_MUST_CHECK larder_err lrd_refresh_start(larder *cache, lrd_refresh_plan *plan, const larder_refresh_options *options,
                                               larder_job **out, larder_error *err);

#endif
