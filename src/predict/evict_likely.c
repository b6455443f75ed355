/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making room on purpose. What is expected is few beside what memory has: it is kept by its hashes while others go, and goes
 * itself only when there are none.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "foretelling.h"
#include "predictor.h"

#include <larder/evict.h>
#include <math.h>
#include <stdlib.h>

#define SESSION_GUESSES 10u

static larder_err may_evict(larder_ns *ns) {
  if (ns == NULL) return LARDER_EINVAL;
  if (atomic_load(&ns->cache->forked)) return LARDER_EFORKED;
  return ns->memory ? LARDER_OK : LARDER_EUNSUPPORTED;
}

larder_err larder_evict_lru(larder_ns *ns, uint64_t count, uint64_t *evicted_out) {
  larder_err const err = may_evict(ns);
  if (err != LARDER_OK) return err;
  uint64_t const evicted = lrd_memory_evict(ns->memory, ns->memory_space, count, NULL, 0);
  if (evicted_out) *evicted_out = evicted;
  return LARDER_OK;
}

/* --- what is expected ----------------------------------------------------------------------------------------------------- */

typedef struct row {
  uint64_t hash; /* of the key, as memory knows it */
  double probability;
} row;

static larder_err expect(larder_ns *ns, lrd_buf *rows, const void *key, size_t len, double probability) {
  lrd_op op;
  larder_err const err = lrd_op_begin(ns, key, len, &op);
  if (err != LARDER_OK) return err;
  const row one = {lrd_op_memory_key(&op).hash, probability};
  return lrd_buf_append(rows, &one, sizeof one);
}

static larder_err expect_given(larder_ns *ns, lrd_buf *rows, const larder_evict_likely *predictions, size_t len) {
  larder_err err = LARDER_OK;
  for (size_t i = 0; i < len && err == LARDER_OK; i++) {
    if (isnan(predictions[i].probability)) return LARDER_EINVAL;
    err = expect(ns, rows, predictions[i].key, predictions[i].key_len, predictions[i].probability);
  }
  return err;
}

/* What each session that goes on will probably ask for next. */
static larder_err expect_own(larder_ns *ns, lrd_buf *rows, larder_predictor *predictor, larder_predict_model chain) {
  uint32_t numbers[SESSION_GUESSES];
  double probabilities[SESSION_GUESSES];
  larder_err err = LARDER_OK;
  lrd_lock(&predictor->mutex);
  for (uint64_t at = 0; err == LARDER_OK && at < lrd_live_sessions_room(&predictor->sessions); at++) {
    const lrd_live_session *session = &predictor->sessions.of[at];
    if (predictor->sessions.hashes[at] == 0 || session->standing.last == LRD_NO_ENDPOINT) continue;
    size_t count = lrd_guess(predictor, &session->standing, chain, SESSION_GUESSES, numbers, probabilities);
    for (size_t i = 0; i < count && err == LARDER_OK; i++) {
      const lrd_endpoint *endpoint = &predictor->endpoints.of[numbers[i]];
      err = expect(ns, rows, endpoint->text, endpoint->len, probabilities[i]);
    }
  }
  lrd_unlock(&predictor->mutex);
  return err;
}

static int by_hash(const void *a, const void *b) {
  uint64_t one = ((const row *)a)->hash, other = ((const row *)b)->hash;
  return one < other ? -1 : one > other;
}

static int by_probability(const void *a, const void *b) {
  double one = ((const row *)a)->probability, other = ((const row *)b)->probability;
  return one < other ? -1 : one > other;
}

/* Sorts by hash and adds up what is named more than once; how many are left. */
static size_t rows_sum(row *rows, size_t len) {
  size_t kept = 0;
  if (len > 0) qsort(rows, len, sizeof *rows, by_hash);
  for (size_t i = 0; i < len; i++) {
    if (kept > 0 && rows[kept - 1].hash == rows[i].hash)
      rows[kept - 1].probability += rows[i].probability;
    else
      rows[kept++] = rows[i];
  }
  return kept;
}

static larder_err evict_least(const larder_ns *ns, row *rows, size_t len, uint64_t count, uint64_t *evicted_out) {
  uint64_t *but = len > 0 ? lrd_alloc(len * sizeof *but) : NULL, evicted = 0;
  if (len > 0 && but == NULL) return LARDER_ENOMEM;
  for (size_t i = 0; i < len; i++) but[i] = rows[i].hash;
  for (uint64_t more = 1; more > 0 && evicted < count; evicted += more) {
    more = lrd_memory_evict(ns->memory, ns->memory_space, count - evicted, but, len);
  }
  if (len > 0) qsort(rows, len, sizeof *rows, by_probability);
  for (size_t i = 0; i < len && evicted < count; i++) {
    evicted += lrd_memory_evict_hash(ns->memory, ns->memory_space, rows[i].hash);
  }
  lrd_dealloc(but);
  *evicted_out = evicted;
  return LARDER_OK;
}

larder_err larder_evict_low_probability(larder_ns *ns, const larder_evict_likely *predictions, size_t predictions_len,
                                        uint64_t count, uint64_t *evicted_out) {
  lrd_buf list = {0};
  uint64_t evicted = 0;
  larder_predict_model chain = LARDER_PREDICT_BLEND;
  larder_err err = may_evict(ns);
  if (err != LARDER_OK) return err;
  larder_predictor *own = lrd_foretell_predictor(ns, &chain);
  if (predictions == NULL && own == NULL) return LARDER_EUNSUPPORTED;
  err = predictions ? expect_given(ns, &list, predictions, predictions_len) : expect_own(ns, &list, own, chain);
  if (err == LARDER_OK) {
    row *rows = (row *)(void *)list.data;
    err = evict_least(ns, rows, rows_sum(rows, list.len / sizeof *rows), count, &evicted);
  }
  if (err == LARDER_OK && evicted_out) *evicted_out = evicted;
  lrd_buf_fini(&list);
  return err;
}
