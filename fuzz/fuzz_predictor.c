/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictors from files: the first byte says whether the rest is the binary form without its checksum (which is put right here,
 * so that what lies behind it is reached), a file as it is, or a pattern of endpoints with an endpoint behind a line end. What
 * is taken is written the same again in both forms, its models are distributions, and it learns on.
 */
#include "predict/predictor.h"

#include "base/hash.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

static void same_again(larder_predictor *predictor, larder_predict_format format) {
  void *one = NULL, *other = NULL;
  size_t one_len, other_len;
  larder_predictor *again = NULL;
  HOLDS(larder_predict_pack(predictor, format, &one, &one_len) == LARDER_OK);
  HOLDS(larder_predict_unpack(one, one_len, &again, NULL) == LARDER_OK);
  HOLDS(larder_predict_pack(again, format, &other, &other_len) == LARDER_OK);
  HOLDS(one_len == other_len && memcmp(one, other, one_len) == 0);
  larder_predict_bytes_free(one);
  larder_predict_bytes_free(other);
  larder_predictor_free(&again);
}

/* Over the known endpoints and the unknown. */
static void sums_to_one(const larder_predictor *predictor, larder_predict_model model, const lrd_standing *standing) {
  double sum = lrd_guess_probability(predictor, standing, model, LRD_NO_ENDPOINT);
  for (uint32_t i = 0; i < predictor->endpoints.slots; i++) {
    if (lrd_endpoints_gone(&predictor->endpoints, i)) continue;
    double p = lrd_guess_probability(predictor, standing, model, i);
    HOLDS(p > 0 && p <= 1);
    sum += p;
  }
  HOLDS(sum > 1 - 1e-6 && sum < 1 + 1e-6);
}

/* Each guess has what its endpoint has alone, and nothing that was left out has more. */
static void are_the_best(const larder_predictor *predictor, larder_predict_model model, const lrd_standing *standing) {
  uint32_t all[LARDER_PREDICT_TOP_MAX], few[3];
  double all_have[LARDER_PREDICT_TOP_MAX], few_have[3];
  size_t all_len = lrd_guess(predictor, standing, model, LARDER_PREDICT_TOP_MAX, all, all_have);
  size_t few_len = lrd_guess(predictor, standing, model, 3, few, few_have);
  HOLDS(few_len == (all_len < 3 ? all_len : 3));
  for (size_t i = 0; i < few_len; i++) HOLDS(few[i] == all[i] && few_have[i] == all_have[i]);
  for (size_t i = 0; i < all_len; i++) {
    HOLDS(all_have[i] == lrd_guess_probability(predictor, standing, model, all[i]));
    HOLDS(i == 0 || all_have[i] <= all_have[i - 1]);
  }
}

static void use(larder_predictor *predictor) {
  const lrd_endpoints *endpoints = &predictor->endpoints;
  lrd_standing standing = {.before = LRD_NO_ENDPOINT, .last = LRD_NO_ENDPOINT, .context = 17};
  for (uint32_t i = 0; i < endpoints->slots && i < 64; i++) {
    if (lrd_endpoints_gone(endpoints, i)) continue;
    standing = (lrd_standing){.before = standing.last, .last = i, .context = 1 + i};
    for (unsigned model = 0; model < LARDER_PREDICT_MODELS && endpoints->len < 64; model++) {
      sums_to_one(predictor, (larder_predict_model)model, &standing);
      are_the_best(predictor, (larder_predict_model)model, &standing);
    }
  }
  for (unsigned i = 0; i < 40; i++) {
    char endpoint[3] = {'/', (char)('a' + i * i % 26), '\0'};
    larder_predict_event event = {"s", 1, endpoint, 2, i % 3 ? "guest" : NULL, 1 + i * INT64_C(9000000)};
    larder_err err = larder_predict_observe(predictor, &event);
    HOLDS(err == LARDER_OK || err == LARDER_ETOOBIG);
  }
  same_again(predictor, LARDER_PREDICT_BINARY);
}

static void try_file(const void *data, size_t size) {
  larder_predictor *predictor = NULL;
  larder_error err = {0};
  larder_err result = larder_predict_unpack(data, size, &predictor, &err);
  HOLDS((result == LARDER_OK) == (predictor != NULL));
  if (result != LARDER_OK) {
    HOLDS(err.message[0] != '\0');
    return;
  }
  same_again(predictor, LARDER_PREDICT_BINARY);
  same_again(predictor, LARDER_PREDICT_JSON);
  use(predictor);
  larder_predictor_free(&predictor);
}

static void try_summed(const uint8_t *data, size_t size) {
  lrd_buf file = {0};
  lrd_sum sum = lrd_sum128(data, size);
  HOLDS(lrd_buf_append(&file, data, size) == LARDER_OK);
  HOLDS(lrd_buf_append(&file, &sum, sizeof sum) == LARDER_OK);
  try_file(file.data, file.len);
  lrd_buf_fini(&file);
}

static void try_pattern(const char *data, size_t size) {
  lrd_pattern *pattern = malloc(sizeof *pattern);
  const char *end = memchr(data, '\n', size);
  char *text = lrd_strndup(data, end ? (size_t)(end - data) : size), out[LARDER_ENDPOINT_MAX + 1];
  size_t len = 0;
  HOLDS(pattern && text);
  if (lrd_pattern_read(pattern, text, NULL) == LARDER_OK && end) {
    larder_err err = lrd_pattern_apply(pattern, end + 1, size - (size_t)(end + 1 - data), out, &len);
    HOLDS(err == LARDER_OK || err == LARDER_ETOOBIG);
    HOLDS(err != LARDER_OK || (len <= LARDER_ENDPOINT_MAX && out[len] == '\0'));
  }
  lrd_dealloc(text);
  free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const uint8_t *rest = data + 1;
  switch (data[0] % 4) {
  case 0:
    try_summed(rest, size - 1);
    break;
  case 1:
    try_file(rest, size - 1);
    break;
  default:
    try_pattern((const char *)rest, size - 1);
    break;
  }
  return 0;
}
