/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread in which all http makers of a cache send and receive, and what they share: connections that are used again, and
 * a bucket of tokens for each host. It begins with the first transfer.
 *
 * At most LRD_HTTP_RUNNING_MAX transfers are under way, and LRD_HTTP_QUEUE_MAX wait for one of them to end; who comes then
 * waits for a place in the queue. Unless a request names its proxy, libcurl takes it from the environment (http_proxy,
 * https_proxy, all_proxy, no_proxy), as everything on a machine does.
 */
#ifndef LRD_MAKER_HTTP_ENGINE_H
#define LRD_MAKER_HTTP_ENGINE_H

#include "base/clock.h"
#include "http_hosts.h"
#include "http_transfer.h"
#include <larder/ext/maker.h>

#define LRD_HTTP_RUNNING_MAX 256u
#define LRD_HTTP_QUEUE_MAX   1024u
#define LRD_HTTP_LOOK_NS     INT64_C(50000000) /* how long who waits does not look whether the making is wanted still */

typedef struct lrd_http_engine lrd_http_engine;

/* Own. Starts nothing yet. clock is borrowed. */
LARDER_MUST_CHECK larder_err lrd_http_engine_new(const lrd_clock *clock, lrd_http_engine **out, larder_error *err);
/* What is under way ends with LARDER_ECANCELLED, and so does all that is asked for later. Waits for the thread, not for those
 * who asked: they return soon after. Once; not from two threads at a time. */
void lrd_http_engine_stop(lrd_http_engine *engine);
/* Stops, waits until nobody is inside, and frees. NULL is fine. */
void lrd_http_engine_free(lrd_http_engine *engine);
/* In a forked child, at once: closes our copies of its connections, so that they end when the parent ends them, and touches
 * nothing else. lrd_http_engine_free there frees what is ours; what libcurl holds is left alone. */
void lrd_http_engine_abandon(lrd_http_engine *engine);

/* Whoever makes something is inside from here on; false in a forked child, where nobody can be. */
bool lrd_http_engine_enter(lrd_http_engine *engine);
void lrd_http_engine_leave(lrd_http_engine *engine);

/*
 * Runs a transfer to its end, for who is inside. LARDER_OK: it has ended, well or not. Else the engine has taken it and
 * *transfer is NULL: LARDER_ECANCELLED when the making is not wanted any more or the engine stops, LARDER_EAWAY when its
 * deadline has passed, LARDER_ENOMEM when the thread can't be started.
 */
LARDER_MUST_CHECK larder_err lrd_http_engine_run(lrd_http_engine *engine, lrd_http_transfer **transfer,
                                                 const larder_making *making);
/* Whether to go on: LARDER_OK, LARDER_ECANCELLED or LARDER_EAWAY, as above. */
larder_err lrd_http_engine_wanted(const lrd_http_engine *engine, const larder_making *making);

const lrd_clock *lrd_http_engine_clock(const lrd_http_engine *engine);
lrd_http_hosts *lrd_http_engine_hosts(lrd_http_engine *engine);
/* Transfers under way and waiting. */
size_t lrd_http_engine_busy(lrd_http_engine *engine);
/* Connections that are open, idle ones included. */
size_t lrd_http_engine_connections(lrd_http_engine *engine);

#endif
