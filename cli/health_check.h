/* SPDX-License-Identifier: Apache-2.0 */
/* `larder health NS --check`: entries are tried now, as the namespace's `health.check` says. */
#ifndef CLI_HEALTH_CHECK_H
#define CLI_HEALTH_CHECK_H

#include "session.h"

#define CLI_CHECK_PARALLEL_MAX 64u

/* Of one key, or of all that is kept and all that is unhealthy (NULL). CLI_NOT_FOUND when one of them does not work. */
cli_exit cli_health_check(const cli_call *call, larder *cache, larder_ns *ns, const cli_key *key, uint64_t parallel);

#endif
