/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds against a snapshot. The recent hit rate is judged, not that of all time: an alert is about now. */
#include "stats_room.h"
#include <stdio.h>

void lrd_stats_alerts(const larder_stats *stats, const lrd_stats_thresholds *thresholds,
                      void (*tell)(void *context, const char *id, const char *sentence), void *context) {
  const larder_stats_rates *rates = &stats->rates;
  char sentence[200];
  bool rate_known = rates->hit_rate_recent >= 0 && !rates->cold;
  if (thresholds->hit_rate_min > 0 && rate_known && rates->hit_rate_recent < thresholds->hit_rate_min) {
    snprintf(sentence, sizeof sentence, "the hit rate of the last minute is %.1f %%, below %.1f %%",
             rates->hit_rate_recent * 100, thresholds->hit_rate_min * 100);
    tell(context, "alert.hit_rate", sentence);
  }
  larder_stats_latency latency;
  if (thresholds->latency_ms_max > 0 && larder_stats_latency_of(stats, NULL, LRD_STATS_ALL, "get", &latency) &&
      latency.p95_ms > thresholds->latency_ms_max) {
    snprintf(sentence, sizeof sentence, "95 %% of lookups take up to %.3g ms, above %.3g ms", latency.p95_ms,
             thresholds->latency_ms_max);
    tell(context, "alert.latency", sentence);
  }
  if (thresholds->evictions_per_minute_max > 0 && rates->evictions_per_minute > thresholds->evictions_per_minute_max) {
    snprintf(sentence, sizeof sentence, "%.0f entries a minute are evicted for lack of room, above %.0f",
             rates->evictions_per_minute, thresholds->evictions_per_minute_max);
    tell(context, "alert.evictions", sentence);
  }
}
