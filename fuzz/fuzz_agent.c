/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what an agent has learned: the first byte says the method, the checksum is set right for half of the inputs, so
 * that what stands behind it is reached. What is accepted is given back the same, and the agent still decides what is possible.
 */
#include "agent/agent_inner.h"
#include "base/bytes.h"
#include "base/hash.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static void used(larder_agent *agent) {
  for (unsigned i = 0; i < 40; i++) {
    larder_agent_decision decision;
    unsigned possible = (i * 37u) & 0x7fu;
    larder_agent_decide(agent, &(larder_agent_state){.user = i % 9, .guesses = {0.9}}, possible, &decision);
    HOLDS((possible | 1u) >> decision.action & 1u);
    larder_agent_tell(agent, decision.ticket, (larder_agent_event)(i % LARDER_AGENT_EVENTS), 1);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  larder_agent *agent = NULL;
  if (size < 1) return 0;
  const larder_agent_options how = {.size = sizeof how, .method = (larder_agent_method)(data[0] % 3), .horizon = 8};
  HOLDS(larder_agent_open(&how, &agent, NULL) == LARDER_OK);
  size_t len = size - 1;
  uint8_t *bytes = malloc(len + 1);
  HOLDS(bytes != NULL);
  memcpy(bytes, data + 1, len);
  if (data[0] & 0x80 && len >= 8) lrd_put_u64(bytes + len - 8, lrd_sum64(bytes, len - 8));
  larder_error err = {0};
  larder_err result = larder_agent_load(agent, bytes, len, &err);
  HOLDS(result == LARDER_OK || result == LARDER_EFORMAT);
  HOLDS(result == LARDER_OK || err.message[0] != '\0');
  if (result == LARDER_OK) {
    void *again = NULL;
    size_t again_len = 0;
    HOLDS(larder_agent_save(agent, &again, &again_len) == LARDER_OK);
    HOLDS(again_len == len && memcmp(again, bytes, len) == 0);
    larder_agent_bytes_free(again);
  }
  used(agent);
  larder_agent_close(&agent);
  free(bytes);
  return 0;
}
