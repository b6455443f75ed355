/* SPDX-License-Identifier: Apache-2.0 */
#include "contestants.h"

#include <string.h>

static const lrd_rule rules[] = {
    {"none", "no cache: each request goes to the origin", NULL, .learns = false},
    {"lru", "LRU, nothing ahead", "lru", .play = {true, LRD_ROOM_POLICY, LRD_AHEAD_NONE}},
    {"lru-conservative", "LRU, the likeliest above 0.7 ahead", "lru", .play = {true, LRD_ROOM_POLICY, LRD_AHEAD_CONSERVATIVE}},
    {"lru-moderate", "LRU, the three likeliest above 0.5 ahead", "lru", .play = {true, LRD_ROOM_POLICY, LRD_AHEAD_MODERATE}},
    {"lru-prefetch", "LRU, and always the five likeliest above 0.3 ahead", "lru",
     .play = {true, LRD_ROOM_POLICY, LRD_AHEAD_AGGRESSIVE}},
    {"s3-fifo", "S3-FIFO, nothing ahead: the memory tier's plain default", "s3-fifo",
     .play = {true, LRD_ROOM_POLICY, LRD_AHEAD_NONE}},
    {"conservative", "S3-FIFO, the likeliest above 0.7 ahead", "s3-fifo",
     .play = {true, LRD_ROOM_POLICY, LRD_AHEAD_CONSERVATIVE}},
    {"moderate", "S3-FIFO, the three likeliest above 0.5 ahead", "s3-fifo",
     .play = {true, LRD_ROOM_POLICY, LRD_AHEAD_MODERATE}},
    {"aggressive", "S3-FIFO, the five likeliest above 0.3 ahead", "s3-fifo",
     .play = {true, LRD_ROOM_POLICY, LRD_AHEAD_AGGRESSIVE}},
    {"unlikely", "the least likely go, nothing ahead", "s3-fifo", .play = {true, LRD_ROOM_UNLIKELY, LRD_AHEAD_NONE}},
    {"unlikely-conservative", "the least likely go, the likeliest above 0.7 ahead", "s3-fifo",
     .play = {true, LRD_ROOM_UNLIKELY, LRD_AHEAD_CONSERVATIVE}},
    {"unlikely-moderate", "the least likely go, the three likeliest above 0.5 ahead", "s3-fifo",
     .play = {true, LRD_ROOM_UNLIKELY, LRD_AHEAD_MODERATE}},
    {"unlikely-aggressive", "the least likely go, the five likeliest above 0.3 ahead", "s3-fifo",
     .play = {true, LRD_ROOM_UNLIKELY, LRD_AHEAD_AGGRESSIVE}},
    {"agent", "learns what to do from nothing: a contextual bandit, S3-FIFO as its shadow", "s3-fifo", .learns = true},
    {"agent-trained", "the same, having learned on the seeds that tuned is found on", "s3-fifo", .learns = true,
     .trained = true},
    {"agent-linear-q", "the same by linear Q-learning", "s3-fifo", .learns = true, .method = LARDER_AGENT_LINEAR_Q},
    {"agent-network-q", "the same by Q-learning with a small network", "s3-fifo", .learns = true,
     .method = LARDER_AGENT_NETWORK_Q},
};

const lrd_rule *lrd_rule_at(size_t n) { return n < sizeof rules / sizeof *rules ? &rules[n] : NULL; }

const lrd_rule *lrd_rule_find(const char *name) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (strcmp(rules[i].name, name) == 0) return &rules[i];
  return NULL;
}

const char *larder_traffic_contestant(size_t n) {
  const size_t statics = sizeof rules / sizeof *rules;
  return n < statics ? rules[n].name : n == statics ? LARDER_TRAFFIC_TUNED : NULL;
}

const char *larder_traffic_contestant_says(const char *name) {
  const lrd_rule *rule = name ? lrd_rule_find(name) : NULL;
  if (rule) return rule->says;
  return name && strcmp(name, LARDER_TRAFFIC_TUNED) == 0 ? "the rule above with the least mean latency on seeds of its own, "
                                                           "where a failure counts as long again as is waited for"
                                                         : NULL;
}
