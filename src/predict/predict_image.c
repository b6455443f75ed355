/* SPDX-License-Identifier: Apache-2.0 */
/* What a file says of a predictor, put together again. Whatever is let in here, learning could have made. */
#include "predictor.h"

larder_err lrd_image_user_type(larder_predictor *predictor, const char *name, size_t len) {
  if (len == 0 || len > LARDER_USER_TYPE_MAX || memchr(name, '\0', len) != NULL) return LARDER_ECORRUPT;
  char text[LARDER_USER_TYPE_MAX + 1];
  memcpy(text, name, len);
  text[len] = '\0';
  unsigned before = predictor->user_types_len;
  return lrd_predictor_user_type(predictor, text, 0, true) == before + 1 ? LARDER_OK : LARDER_ECORRUPT;
}

larder_err lrd_image_endpoint_put(larder_predictor *predictor, const lrd_image_endpoint *endpoint) {
  lrd_endpoints *endpoints = &predictor->endpoints;
  bool fits = endpoint->number < endpoints->max && endpoint->len > 0 && endpoint->len <= LARDER_ENDPOINT_MAX &&
              endpoint->count < lrd_endpoints_total_max(endpoints) - endpoints->total &&
              endpoint->contexts[1] >> (LRD_CONTEXTS - 64) == 0 && (endpoint->contexts[0] & 1) == 0;
  if (!fits || endpoint->number < endpoints->slots) return LARDER_ECORRUPT;
  if (lrd_endpoints_find(endpoints, endpoint->text, endpoint->len) != LRD_NO_ENDPOINT) return LARDER_ECORRUPT;
  uint32_t number = (uint32_t)endpoint->number;
  larder_err err = lrd_endpoints_add_at(endpoints, number, endpoint->text, endpoint->len);
  if (err != LARDER_OK) return err;
  lrd_endpoints_count(endpoints, number, endpoint->seen, (uint32_t)endpoint->count);
  memcpy(endpoints->of[number].contexts, endpoint->contexts, sizeof endpoint->contexts);
  return LARDER_OK;
}

static bool is_taken(const larder_predictor *predictor, uint32_t number) {
  return number < predictor->endpoints.slots && !lrd_endpoints_gone(&predictor->endpoints, number);
}

static bool key_fits(const larder_predictor *predictor, uint64_t key) {
  uint32_t last = LRD_KEY_LAST(key);
  unsigned context = LRD_KEY_CONTEXT(key);
  if (!is_taken(predictor, last)) return false;
  switch (LRD_KEY_KIND(key)) {
  case LRD_STATE_FIRST:
    return key == lrd_key_first(last);
  case LRD_STATE_SECOND:
    return key == lrd_key_second(LRD_KEY_BEFORE(key), last) && is_taken(predictor, LRD_KEY_BEFORE(key));
  case LRD_STATE_CONTEXT:
    return key == lrd_key_context(context, last) && context > 0 && context < LRD_CONTEXTS &&
           context / LRD_TIMES <= predictor->user_types_len;
  default:
    return false;
  }
}

static bool successors_fit(const larder_predictor *predictor, const lrd_state *state) {
  unsigned sum = 0;
  if (state->total >= predictor->options.age_at) return false;
  for (unsigned i = 0; i < state->len; i++) {
    bool sorted = i == 0 || state->counts[i] <= state->counts[i - 1];
    if (!sorted || state->counts[i] == 0 || state->errors[i] > state->counts[i] || !is_taken(predictor, state->ids[i]))
      return false;
    for (unsigned other = 0; other < i; other++)
      if (state->ids[other] == state->ids[i]) return false;
    sum += state->counts[i];
  }
  return sum <= state->total;
}

larder_err lrd_image_state_put(larder_predictor *predictor, uint64_t key, uint32_t heat, const lrd_state *state) {
  lrd_transitions *table = &predictor->table;
  if (!key_fits(predictor, key) || !successors_fit(predictor, state)) return LARDER_ECORRUPT;
  if (lrd_transitions_find(table, key) || table->keys[lrd_transitions_set(table, key) + LRD_SET_WAYS - 1] != 0)
    return LARDER_ECORRUPT;
  uint64_t at = lrd_transitions_place(table, key);
  table->heats[at] = heat;
  table->states[at] = *state;
  lrd_state_name(&table->states[at]);
  return LARDER_OK;
}

larder_err lrd_image_done(larder_predictor *predictor, uint64_t events) {
  lrd_endpoints *endpoints = &predictor->endpoints;
  if (events > LRD_PREDICT_EVENTS) return LARDER_ECORRUPT;
  for (uint32_t i = 0; i < endpoints->slots; i++)
    if (endpoints->of[i].text && endpoints->of[i].seen > events) return LARDER_ECORRUPT;
  /* Numbers are given back only when all are taken. */
  if (endpoints->len < endpoints->slots) endpoints->slots = endpoints->max;
  lrd_endpoints_rank(endpoints);
  predictor->events = events;
  return LARDER_OK;
}
