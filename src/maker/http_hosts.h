/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bucket of tokens for each host. A host that a namespace gives a rate has it for all namespaces of the engine, the lowest
 * where several do; any other host has no limit until it asks for a pause itself.
 */
#ifndef LRD_MAKER_HTTP_HOSTS_H
#define LRD_MAKER_HTTP_HOSTS_H

#include "base/rate.h"

#define LRD_HTTP_HOSTS_PLAIN 64u /* hosts without a rate that are remembered at a time */

typedef struct lrd_http_host lrd_http_host;

typedef struct lrd_http_hosts {
  const lrd_clock *clock;
  lrd_mutex mutex;
  lrd_http_host *first;
  unsigned plain; /* of them without a rate */
} lrd_http_hosts;

void lrd_http_hosts_init(lrd_http_hosts *hosts, const lrd_clock *clock);
/* Whoever else held the mutex may be gone: in a forked child it is not touched. */
void lrd_http_hosts_fini(lrd_http_hosts *hosts);
/* The host has this rate at most from now on. */
LARDER_MUST_CHECK larder_err lrd_http_hosts_limit(lrd_http_hosts *hosts, const char *host, double per_second);
/* As lrd_rate_take. */
LARDER_MUST_CHECK int64_t lrd_http_hosts_take(lrd_http_hosts *hosts, const char *host);
/* Nobody asks it for so long. Forgotten where there is no memory for it. */
void lrd_http_hosts_pause(lrd_http_hosts *hosts, const char *host, int64_t ns);

#endif
