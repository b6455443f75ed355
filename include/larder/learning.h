/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A namespace with an agent (larder/agent.h), which learns what to keep in memory, what to make ahead and what to let go. It is
 * switched on by `agent: {enable: true}` of a namespace that has a maker, memory and `predict`; docs/learning.md says what it
 * does with what it decides.
 *
 * It decides behind, about what larder_get_or_make and the gets (larder_get, _get_into, _get_many) have handed out: no caller
 * waits for it. A get that misses is told to who let go of what it wanted. Jobs (larder/warm.h, larder/refresh.h) and makers
 * are not heard, nor is what is put. Beside it runs a shadow of what memory would have without it; where it does worse over a
 * window it steps aside, tells the log (`agent.aside`), and tries again later (`agent.back`).
 */
#ifndef LARDER_LEARNING_H
#define LARDER_LEARNING_H

#include <larder/agent.h>
#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Since the namespace was opened, by this cache handle; in statistics the sum over living processes. */
typedef struct larder_learning_figures {
  uint64_t agents;            /* that they are of: 1, or the processes whose agents are added up */
  uint64_t aside;             /* of these, those that have stepped aside now */
  larder_agent_figures agent; /* of a sum, epsilon is the mean */
  uint64_t compared;          /* requests with what they would have come to without it, as estimated: */
  double ms, plain_ms;        /* what they waited, as is usual for it */
  double origin;              /* how often the origin was asked, ahead of time included, */
  double plain_origin;        /* and would have been */
  uint64_t cascades;          /* that came upon the origin */
  uint64_t averted;           /* threats that passed without one */
} larder_learning_figures;

/* LARDER_EUNSUPPORTED: the namespace has no agent; LARDER_EINVAL, LARDER_EFORKED. */
LARDER_API LARDER_MUST_CHECK larder_err larder_learning_figures_get(larder_ns *ns, larder_learning_figures *out);
/* Publishes what it has learned as a file. May wait for as long as a batch of requests is decided about. Errors as above, or
 * what the file system says. */
LARDER_API LARDER_MUST_CHECK larder_err larder_learning_save(larder_ns *ns, const char *path, larder_error *err);
/* What was learned before, in place of what it has learned. Likewise; LARDER_MISS: there is no such file; LARDER_EFORMAT: it is
 * none, damaged, or of another method; then the agent is as it was. */
LARDER_API LARDER_MUST_CHECK larder_err larder_learning_load(larder_ns *ns, const char *path, larder_error *err);

#ifdef __cplusplus
}
#endif
#endif
