/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What counts is what grows with the file: what the predictor has of each key, an item for each key in the cache and, of an
 * agent, in each of its shadows and in what it learns, a record for each entry, and the requests of a seed with their
 * latencies. How many requests there will be is not known before they are made: sessions of thirty-two are assumed, and no more
 * than there may be.
 */
#include "trial_room.h"

#include "agent_host.h"
#include "simulate/crew.h"
#include <unistd.h>

#define WORTH_BYTES      64u  /* of a key */
#define ENTRY_BYTES      128u /* a record, and what a policy knows of it and of what it let go */
#define REQUEST_BYTES    (sizeof(lrd_request) * 3 / 2 + sizeof(float)) /* a list that grows is there twice for a moment */
#define SESSION_REQUESTS 32
#define AGENT_BYTES      ((uint64_t)8 << 20)
#define DECISION_BYTES   400u             /* that is not learned from yet; two for each entry at most */
#define CACHES           (1u + LRD_ROOMS) /* of an agent */

static uint64_t requests_about(const larder_traffic *t) {
  double bursts = t->burst_every_ms > 0 ? t->burst_times * t->burst_length_ms / (t->burst_every_ms + t->burst_length_ms) : 0;
  double about = t->sessions / 1000 * t->length_ms * (1 + bursts) * SESSION_REQUESTS;
  return about < (double)LRD_TRAFFIC_REQUESTS_MAX ? (uint64_t)about : LRD_TRAFFIC_REQUESTS_MAX;
}

uint64_t lrd_trial_bytes(const larder_traffic *traffic, bool learns) {
  uint64_t entries = traffic->cache_entries < traffic->keys ? traffic->cache_entries : traffic->keys;
  uint64_t cache = traffic->keys * sizeof(lrd_item) + entries * ENTRY_BYTES;
  uint64_t under_way = entries * 2 < LARDER_AGENT_HORIZON_MAX ? entries * 2 : LARDER_AGENT_HORIZON_MAX;
  if (learns) cache = CACHES * cache + (uint64_t)traffic->keys * WORTH_BYTES + AGENT_BYTES + under_way * DECISION_BYTES;
  return cache + lrd_guesser_bytes(traffic) + requests_about(traffic) * REQUEST_BYTES;
}

unsigned lrd_trial_threads(const larder_traffic *traffic, bool learns, unsigned wanted, uint64_t bytes) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (wanted == 0) wanted = cores > 0 ? (unsigned)cores : 1;
  if (wanted > LRD_CREW_MAX) wanted = LRD_CREW_MAX;
  uint64_t fit = bytes / lrd_trial_bytes(traffic, learns);
  if (bytes == 0 || fit >= wanted) return wanted;
  return fit > 0 ? (unsigned)fit : 1;
}

uint64_t lrd_trial_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes / 2 : 0;
}
