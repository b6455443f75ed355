/* SPDX-License-Identifier: Apache-2.0 */
#include "health_show.h"

#include <inttypes.h>

static void time_json(cli_json *json, const char *name, int64_t wall_ms) {
  if (wall_ms > 0) {
    cli_json_int(json, name, wall_ms);
  } else {
    cli_json_null(json, name);
  }
}

void cli_health_json(cli_json *json, const larder_health *health) {
  cli_json_text(json, "status", larder_health_status_name(health->status));
  cli_json_uint(json, "failures_in_row", health->failures_in_row);
  cli_json_uint(json, "successes_in_row", health->successes_in_row);
  cli_json_uint(json, "recovery_attempts", health->recovery_attempts);
  cli_json_uint(json, "failures", health->failures);
  cli_json_uint(json, "successes", health->successes);
  time_json(json, "reported_ms", health->reported_ms);
  time_json(json, "succeeded_ms", health->succeeded_ms);
  time_json(json, "failed_ms", health->failed_ms);
  time_json(json, "next_check_ms", health->next_check_ms);
  cli_json_text(json, "error", health->error[0] != '\0' ? health->error : NULL);
}

void cli_health_text(cli_buf *out, const larder_health *health) {
  cli_buf_text(out, larder_health_status_name(health->status));
  uint32_t const count = health->failures_in_row > 0 ? health->failures_in_row : health->successes_in_row;
  if (count == 0) return;
  cli_buf_printf(out, ": %" PRIu32 " %s in a row", count,
                 health->failures_in_row > 0 ? cli_plural(count, "failure", "failures")
                                             : cli_plural(count, "success", "successes"));
}

void cli_moment_text(cli_buf *out, int64_t wall_ms, int64_t now_ms) {
  char date[CLI_SHORT];
  char span[CLI_SHORT];
  bool const past = wall_ms <= now_ms;
  if (wall_ms <= 0) {
    cli_buf_text(out, "never");
    return;
  }
  cli_span_text(past ? now_ms - wall_ms : wall_ms - now_ms, span, sizeof span);
  cli_buf_printf(out, "%s (%s%s%s)", cli_date_text(wall_ms, date, sizeof date), past ? "" : "in ", span, past ? " ago" : "");
}

cli_style cli_health_style(larder_health_status status) {
  switch (status) {
  case LARDER_HEALTH_HEALTHY:
    return CLI_GREEN;
  case LARDER_HEALTH_DEGRADED:
    return CLI_YELLOW;
  case LARDER_HEALTH_UNHEALTHY:
    return CLI_RED;
  case LARDER_HEALTH_UNKNOWN:
    break;
  }
  return CLI_PLAIN;
}
