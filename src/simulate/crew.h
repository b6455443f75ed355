/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks side by side: threads take them in their order, the calling thread looks how far they are. */
#ifndef LRD_SIMULATE_CREW_H
#define LRD_SIMULATE_CREW_H

#include <larder/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LRD_CREW_MAX 64u /* threads */

/* What tasks under way tell and are told. */
typedef struct lrd_run_watch {
  _Atomic uint64_t done;
  _Atomic bool stop;
} lrd_run_watch;

typedef struct lrd_crew {
  const char *name;                             /* of the threads */
  size_t tasks;                                 /* at least one */
  unsigned parallel;                            /* threads at most; 0: as many as processors */
  larder_err (*task)(void *context, size_t at); /* on any thread; the first failure stops all */
  void *context;
  lrd_run_watch *watch;
  bool (*progress)(void *context, uint64_t done, uint64_t total); /* false: stop; NULL: nobody looks */
  void *progress_context;
  uint64_t before; /* done earlier, of the total */
  uint64_t total;
} lrd_crew;

/* Returns when no thread runs any more: LARDER_OK, the first failure, LARDER_ECANCELLED, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_crew_run(const lrd_crew *crew);

#endif
