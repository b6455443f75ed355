/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a file of traffic: read, or refused with places. What is accepted has its keys laid out without gaps; a short
 * piece of its traffic keeps to them, and a trial over it adds up.
 */
#include "traffic/trial.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

#define REQUESTS_ABOUT 2000

static void sound(const larder_traffic *t) {
  uint32_t next = 0;
  for (uint32_t e = 0; e < t->endpoints_len; e++) {
    HOLDS(t->endpoints[e].service < t->services_len && t->endpoints[e].first_key == next && t->endpoints[e].keys > 0);
    next += t->endpoints[e].keys;
  }
  HOLDS(next == t->keys && t->keys <= LRD_TRAFFIC_KEYS_MAX && t->users_len > 0 && t->cache_entries > 0);
  for (uint32_t s = 0; s < t->services_len; s++) HOLDS(t->services[s].needs == LRD_TRAFFIC_NONE || t->services[s].needs < s);
}

/* So short that it comes to few requests. */
static void tried(larder_traffic *t) {
  double most = t->sessions * t->burst_times * 2, think = t->users[0].think_ms;
  for (uint32_t u = 1; u < t->users_len; u++) think = t->users[u].think_ms < think ? t->users[u].think_ms : think;
  double ms = REQUESTS_ABOUT / (most / 1000 + 1);
  ms = ms < 30 * think ? ms : 30 * think;
  if (t->length_ms > ms) t->length_ms = ms;
  if (t->keys > 100000 || t->cache_entries > 100000) return;
  lrd_request_list list;
  HOLDS(lrd_requests_make(t, 1, NULL, NULL, &list) == LARDER_OK);
  for (uint64_t i = 0; i < list.len; i++) HOLDS(list.items[i].key < t->keys && list.items[i].at_ms < t->length_ms);
  lrd_run_watch watch = {0};
  larder_traffic_figures figures;
  larder_agent_figures agent;
  lrd_trial_task task = {.traffic = t, .requests = &list, .rule = lrd_rule_find("aggressive"), .seed = 1};
  HOLDS(lrd_trial_run(&task, &figures, &agent, &watch) == LARDER_OK);
  task.rule = lrd_rule_find("agent");
  HOLDS(lrd_trial_run(&task, &figures, &agent, &watch) == LARDER_OK);
  HOLDS(agent.decisions == list.len);
  HOLDS(figures.requests == list.len && figures.hits <= list.len && figures.used <= figures.prefetched);
  HOLDS(figures.mean_ms >= 0 && figures.p95_ms <= figures.p99_ms);
  lrd_requests_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  larder_traffic *t = lrd_traffic_new();
  lrd_mistakes mistakes;
  HOLDS(t != NULL);
  lrd_mistakes_init(&mistakes, &t->arena);
  HOLDS(lrd_traffic_read(t, (const char *)data, size, &mistakes) == LARDER_OK);
  for (const lrd_mistake *one = mistakes.first; one != NULL; one = one->next)
    HOLDS(one->place.line >= 1 && one->place.column >= 1 && one->message[0] != '\0');
  if (mistakes.count == 0) {
    sound(t);
    tried(t);
  }
  larder_traffic_close(&t);
  return 0;
}
