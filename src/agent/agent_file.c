/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was learned as bytes, little-endian:
 *
 *   offset 0   "LRDAGNT2"
 *          8   u32 method | u32 actions | u32 features | u32 doubles
 *         24   u64 decisions so far, by which the part of chance falls
 *         32   u32 windows for which the gate steps aside the next time | u32 0
 *         40   doubles
 *         end  u64 checksum of all before it
 *
 * Nothing in it is believed: sizes must be this build's, numbers within the bounds that learning keeps, and the rest such as
 * learning leaves behind. What is written is mended first by the same measure, so that it can be read.
 */
#include "agent_inner.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include <math.h>

#define MAGIC     "LRDAGNT2"
#define MAGIC_LEN 8u
#define MAGIC_OF  7u /* of every version */
#define ALIKE     24u
#define HEAD      40u
#define SUM       8u

static size_t file_len(const larder_agent *agent) { return HEAD + agent->ops->doubles * sizeof(double) + SUM; }

static void head_put(const larder_agent *agent, uint8_t head[HEAD]) {
  memcpy(head, MAGIC, MAGIC_LEN);
  lrd_put_u32(head + 8, (uint32_t)agent->how.method);
  lrd_put_u32(head + 12, LARDER_AGENT_ACTIONS);
  lrd_put_u32(head + 16, LRD_FEATURES);
  lrd_put_u32(head + 20, (uint32_t)agent->ops->doubles);
  lrd_put_u64(head + 24, agent->decisions);
  lrd_put_u32(head + 32, agent->gate.pause);
  lrd_put_u32(head + 36, 0);
}

larder_err larder_agent_save(const larder_agent *agent, void **data_out, size_t *len_out) {
  if (agent == NULL || data_out == NULL || len_out == NULL) return LARDER_EINVAL;
  size_t len = file_len(agent), learned_len = len - HEAD - SUM;
  uint8_t *data = lrd_alloc(len);
  if (data == NULL) return LARDER_ENOMEM;
  head_put(agent, data);
  void *learned = data + HEAD;
  memcpy(learned, agent->learned, learned_len);
  if (agent->ops->mend) (void)agent->ops->mend(learned, &agent->how);
  lrd_put_u64(data + len - SUM, lrd_sum64(data, len - SUM));
  *data_out = data;
  *len_out = len;
  return LARDER_OK;
}

void larder_agent_bytes_free(void *data) { lrd_dealloc(data); }

/* What is wrong with bytes before their numbers are looked at; NULL: nothing. */
static const char *head_wrong(const larder_agent *agent, const uint8_t *bytes, size_t len) {
  uint8_t head[HEAD];
  if (len < HEAD + SUM || memcmp(bytes, MAGIC, MAGIC_OF) != 0) return "this is nothing that an agent has learned";
  head_put(agent, head);
  if (memcmp(bytes, head, ALIKE) != 0 || len != file_len(agent))
    return "it was learned by another method, or by another version";
  if (lrd_get_u64(bytes + len - SUM) != lrd_sum64(bytes, len - SUM)) return "it is damaged: the checksum is another";
  uint32_t pause = lrd_get_u32(bytes + 32);
  if (pause == 0 || pause > LRD_PAUSE_MAX || lrd_get_u32(bytes + 36) != 0) return "a number in it is out of bounds";
  return NULL;
}

static const char *learned_wrong(const larder_agent *agent, double *learned) {
  for (size_t i = 0; i < agent->ops->doubles; i++)
    if (!(fabs(learned[i]) <= LRD_LEARNED_MAX)) return "a number in it is out of bounds";
  if (agent->ops->mend && agent->ops->mend(learned, &agent->how) > 0) return "no learning leaves such numbers behind";
  return NULL;
}

larder_err larder_agent_load(larder_agent *agent, const void *data, size_t len, larder_error *err) {
  const uint8_t *bytes = data;
  if (agent == NULL || data == NULL) return lrd_fail(err, LARDER_EINVAL, 0, LRD_AGENT_ROOM, "there is no agent");
  const char *wrong = head_wrong(agent, bytes, len);
  if (wrong) return lrd_fail(err, LARDER_EFORMAT, 0, LRD_AGENT_ROOM, "%s", wrong);
  double *learned = lrd_alloc(len - HEAD - SUM);
  if (learned == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, LRD_AGENT_ROOM, "out of memory");
  memcpy(learned, bytes + HEAD, len - HEAD - SUM);
  wrong = learned_wrong(agent, learned);
  if (wrong) {
    lrd_dealloc(learned);
    return lrd_fail(err, LARDER_EFORMAT, 0, LRD_AGENT_ROOM, "%s", wrong);
  }
  double *before = agent->learned;
  agent->learned = learned;
  lrd_dealloc(before); /* in that order: what a thread forks meanwhile frees it, too */
  agent->decisions = lrd_get_u64(bytes + 24);
  uint32_t pause = lrd_get_u32(bytes + 32);
  agent->gate.pause = pause < agent->how.pause_most ? pause : agent->how.pause_most;
  return LARDER_OK;
}
