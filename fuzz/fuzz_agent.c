/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what an agent has learned. The first one says the method and how the others are read: as they are, with the
 * checksum set right or not; or as edits of what such an agent has really learned, so that a short input is a whole file that
 * is nearly right, whatever its length.
 *
 *   an edit:  u8 place, u8 place | u8 how | u8 value
 *
 * What is accepted is given back the same, the agent still decides what is possible, learns beyond its horizon, and what it has
 * learned then can be loaded again. What is refused changes nothing.
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

#define METHODS   3u
#define SUMMED    0x80u /* the checksum is set right */
#define EDITED    0x40u
#define EDIT_LEN  4u
#define HEAD      40u
#define HORIZON   8u
#define DECISIONS 40u

static larder_agent *agent_new(unsigned method) {
  larder_agent *agent = NULL;
  const larder_agent_options how = {.size = sizeof how,
                                    .method = (larder_agent_method)method,
                                    .horizon = HORIZON,
                                    .window = 4,
                                    .epsilon = 0.5,
                                    .pause_most = LRD_PAUSE_MAX};
  HOLDS(larder_agent_open(&how, &agent, NULL) == LARDER_OK);
  return agent;
}

static void used(larder_agent *agent) {
  for (unsigned i = 0; i < DECISIONS; i++) {
    larder_agent_decision decision;
    unsigned possible = (i * 37u) & 0x7fu;
    larder_agent_decide(agent, &(larder_agent_state){.user = i % 9, .guesses = {0.9}}, possible, &decision);
    HOLDS((possible | 1u) >> decision.action & 1u);
    larder_agent_tell(agent, decision.ticket, (larder_agent_event)(i % LARDER_AGENT_EVENTS), 1);
    larder_agent_compare(agent, i % 3, 1, 1, 1);
  }
}

/* Of each method what one has really learned, and an agent that has loaded that: opening one for each input takes its time. */
typedef struct sample {
  larder_agent *loaded;
  uint8_t *learned;
  size_t len;
} sample;

static const sample *sample_of(unsigned method) {
  static sample samples[METHODS];
  sample *one = &samples[method];
  if (one->loaded) return one;
  larder_agent *lived = agent_new(method);
  used(lived);
  void *kept = NULL;
  HOLDS(larder_agent_save(lived, &kept, &one->len) == LARDER_OK);
  larder_agent_close(&lived);
  one->learned = kept;
  one->loaded = agent_new(method);
  HOLDS(larder_agent_load(one->loaded, one->learned, one->len, NULL) == LARDER_OK);
  return one;
}

static const double values[] = {0,           -0.0,  1,   -1,       0.5, 1e-300, 1e9, -1e9,
                                1.0000001e9, 1e308, NAN, INFINITY, 2,   -1e-12, 1e6, 1e-6};

/* One place of the file: a byte that is changed, or a number, alone or on both sides of an inverse's diagonal. */
static void edit(uint8_t *bytes, size_t len, const uint8_t *by) {
  size_t place = (size_t)by[0] << 8 | by[1], numbers = (len - HEAD - 8) / 8, at = place % numbers;
  const double *value = &values[by[3] % (sizeof values / sizeof *values)];
  if (by[2] % 4 == 0) {
    bytes[place % len] ^= by[3];
    return;
  }
  memcpy(bytes + HEAD + at * 8, value, 8);
  size_t each = LRD_FEATURES * (LRD_FEATURES + (size_t)1), in = at % each;
  if (by[2] % 4 == 1 || in < LRD_FEATURES || numbers % each != 0) return;
  size_t row = (in - LRD_FEATURES) / LRD_FEATURES, column = in % LRD_FEATURES;
  size_t mirror = at - in + LRD_FEATURES + column * LRD_FEATURES + row;
  memcpy(bytes + HEAD + mirror * 8, value, 8);
}

static uint8_t *bytes_make(const sample *of, const uint8_t *data, size_t size, size_t *len) {
  bool edited = (data[0] & EDITED) != 0;
  *len = edited ? of->len : size - 1;
  uint8_t *bytes = malloc(*len + 1);
  HOLDS(bytes != NULL);
  memcpy(bytes, edited ? of->learned : data + 1, *len);
  for (size_t at = 1; edited && at + EDIT_LEN <= size; at += EDIT_LEN) edit(bytes, *len, data + at);
  if (data[0] & SUMMED && *len >= 8) lrd_put_u64(bytes + *len - 8, lrd_sum64(bytes, *len - 8));
  return bytes;
}

static void assert_kept_as(const larder_agent *agent, const void *bytes, size_t len) {
  void *kept = NULL;
  size_t kept_len = 0;
  HOLDS(larder_agent_save(agent, &kept, &kept_len) == LARDER_OK);
  HOLDS(kept_len == len && memcmp(kept, bytes, len) == 0);
  larder_agent_bytes_free(kept);
}

/* What an agent has learned is loaded by another one. */
static void assert_loads(const larder_agent *agent, unsigned method) {
  void *kept = NULL;
  size_t len = 0;
  larder_agent *other = agent_new(method);
  HOLDS(larder_agent_save(agent, &kept, &len) == LARDER_OK);
  HOLDS(larder_agent_load(other, kept, len, NULL) == LARDER_OK);
  larder_agent_bytes_free(kept);
  larder_agent_close(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  unsigned method = data[0] % METHODS;
  size_t len = 0;
  const sample *of = sample_of(method);
  uint8_t *bytes = bytes_make(of, data, size, &len);
  larder_error err = {0};
  larder_err result = larder_agent_load(of->loaded, bytes, len, &err);
  HOLDS(result == LARDER_OK || result == LARDER_EFORMAT);
  HOLDS(result == LARDER_OK || err.message[0] != '\0');
  if (result == LARDER_OK) {
    larder_agent *agent = agent_new(method);
    HOLDS(larder_agent_load(agent, bytes, len, NULL) == LARDER_OK);
    assert_kept_as(agent, bytes, len);
    used(agent);
    assert_loads(agent, method);
    larder_agent_close(&agent);
    HOLDS(larder_agent_load(of->loaded, of->learned, of->len, NULL) == LARDER_OK);
  }
  assert_kept_as(of->loaded, of->learned, of->len);
  free(bytes);
  return 0;
}
