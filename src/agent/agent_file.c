/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was learned as bytes, little-endian:
 *
 *   offset 0   "LRDAGNT1"
 *          8   u32 method | u32 actions | u32 features | u32 doubles
 *         24   u64 decisions so far, by which the part of chance falls
 *         32   doubles
 *         end  u64 checksum of all before it
 *
 * Nothing in it is believed: sizes must be this build's, numbers finite and of a size that sums of products stand.
 */
#include "agent_inner.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include <math.h>

#define MAGIC      "LRDAGNT1"
#define MAGIC_LEN  8u
#define HEAD       32u
#define SUM        8u
#define NUMBER_MAX 1e9

static size_t file_len(const larder_agent *agent) { return HEAD + agent->ops->doubles * sizeof(double) + SUM; }

static void head_put(const larder_agent *agent, uint8_t head[HEAD]) {
  memcpy(head, MAGIC, MAGIC_LEN);
  lrd_put_u32(head + 8, (uint32_t)agent->how.method);
  lrd_put_u32(head + 12, LARDER_AGENT_ACTIONS);
  lrd_put_u32(head + 16, LRD_FEATURES);
  lrd_put_u32(head + 20, (uint32_t)agent->ops->doubles);
  lrd_put_u64(head + 24, agent->decisions);
}

larder_err larder_agent_save(const larder_agent *agent, void **data_out, size_t *len_out) {
  if (agent == NULL || data_out == NULL || len_out == NULL) return LARDER_EINVAL;
  size_t len = file_len(agent);
  uint8_t *data = lrd_alloc(len);
  if (data == NULL) return LARDER_ENOMEM;
  head_put(agent, data);
  memcpy(data + HEAD, agent->learned, len - HEAD - SUM);
  lrd_put_u64(data + len - SUM, lrd_sum64(data, len - SUM));
  *data_out = data;
  *len_out = len;
  return LARDER_OK;
}

void larder_agent_bytes_free(void *data) { lrd_dealloc(data); }

larder_err larder_agent_load(larder_agent *agent, const void *data, size_t len, larder_error *err) {
  uint8_t head[HEAD];
  const uint8_t *bytes = data;
  if (agent == NULL || data == NULL) return lrd_fail(err, LARDER_EINVAL, 0, LRD_AGENT_ROOM, "there is no agent");
  if (len < HEAD + SUM || memcmp(bytes, MAGIC, MAGIC_LEN) != 0)
    return lrd_fail(err, LARDER_EFORMAT, 0, LRD_AGENT_ROOM, "this is nothing that an agent has learned");
  head_put(agent, head);
  if (memcmp(bytes, head, 24) != 0 || len != file_len(agent))
    return lrd_fail(err, LARDER_EFORMAT, 0, LRD_AGENT_ROOM, "it was learned by another method, or by another version");
  if (lrd_get_u64(bytes + len - SUM) != lrd_sum64(bytes, len - SUM))
    return lrd_fail(err, LARDER_EFORMAT, 0, LRD_AGENT_ROOM, "it is damaged: the checksum is another");
  for (size_t at = HEAD; at < len - SUM; at += sizeof(double)) {
    double number;
    memcpy(&number, bytes + at, sizeof number);
    if (!(fabs(number) <= NUMBER_MAX))
      return lrd_fail(err, LARDER_EFORMAT, 0, LRD_AGENT_ROOM, "a number in it is out of bounds");
  }
  memcpy(agent->learned, bytes + HEAD, len - HEAD - SUM);
  agent->decisions = lrd_get_u64(bytes + 24);
  return LARDER_OK;
}
