/* SPDX-License-Identifier: Apache-2.0 */
/* An entry's health for people and programs. */
#ifndef CLI_HEALTH_SHOW_H
#define CLI_HEALTH_SHOW_H

#include "cli_json.h"
#include <larder/health.h>

/* status, failures_in_row, successes_in_row, recovery_attempts, failures, successes, reported_ms, succeeded_ms, failed_ms,
 * next_check_ms, error: members of an object that is open. */
void cli_health_json(cli_json *json, const larder_health *health);
/* `unhealthy: 3 failures in a row`. */
void cli_health_text(cli_buf *out, const larder_health *health);
/* `2026-11-21 05:32:09 (3m ago)`; `never` for 0. */
void cli_moment_text(cli_buf *out, int64_t wall_ms, int64_t now_ms);
cli_style cli_health_style(larder_health_status status);

#endif
