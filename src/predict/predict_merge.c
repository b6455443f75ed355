/* SPDX-License-Identifier: Apache-2.0 */
/* What another predictor has learned, under numbers of one's own. */
#include "predictor.h"

typedef struct renumbering {
  unsigned user_types[LARDER_PREDICT_USER_TYPES + 1];
  uint32_t *endpoints; /* LRD_NO_ENDPOINT: not known here */
} renumbering;

/* Endpoints that are new may make others go, also such as have just come: only then it is known who is there. */
static larder_err endpoints_merge(larder_predictor *into, const larder_predictor *from, renumbering *to) {
  uint64_t before = into->events < LRD_PREDICT_EVENTS - from->events ? into->events : LRD_PREDICT_EVENTS - from->events;
  into->events = before + from->events;
  for (uint32_t i = 0; i < from->endpoints.slots; i++) {
    const lrd_endpoint *endpoint = &from->endpoints.of[i];
    uint32_t number;
    if (endpoint->text == NULL) continue;
    larder_err err = lrd_predictor_number(into, endpoint->text, endpoint->len, &number);
    if (err != LARDER_OK) return err;
    lrd_endpoints_count(&into->endpoints, number, before + endpoint->seen, from->endpoints.counts[i]);
  }
  for (uint32_t i = 0; i < from->endpoints.slots; i++) {
    const lrd_endpoint *endpoint = &from->endpoints.of[i];
    to->endpoints[i] = endpoint->text ? lrd_endpoints_find(&into->endpoints, endpoint->text, endpoint->len) : LRD_NO_ENDPOINT;
  }
  return LARDER_OK;
}

/* 0: the state has no place here. */
static uint64_t key_here(larder_predictor *into, uint64_t key, const renumbering *to) {
  uint32_t last = to->endpoints[LRD_KEY_LAST(key)];
  unsigned kind = LRD_KEY_KIND(key), context = LRD_KEY_CONTEXT(key);
  if (last == LRD_NO_ENDPOINT) return 0;
  if (kind == LRD_STATE_FIRST) return lrd_key_first(last);
  if (kind == LRD_STATE_SECOND) {
    uint32_t before = to->endpoints[LRD_KEY_BEFORE(key)];
    return before == LRD_NO_ENDPOINT ? 0 : lrd_key_second(before, last);
  }
  context = lrd_context_of(to->user_types[context / LRD_TIMES], context % LRD_TIMES);
  if (context == 0) return 0;
  into->endpoints.of[last].contexts[context / 64] |= UINT64_C(1) << context % 64;
  return lrd_key_context(context, last);
}

static larder_err merge(larder_predictor *into, const larder_predictor *from) {
  renumbering to = {.endpoints = lrd_alloc((from->endpoints.slots + (size_t)1) * sizeof *to.endpoints)};
  if (to.endpoints == NULL) return LARDER_ENOMEM;
  to.user_types[0] = 0;
  for (unsigned i = 0; i < from->user_types_len; i++)
    to.user_types[i + 1] = lrd_predictor_user_type(into, from->user_types[i], 0, true);
  larder_err err = endpoints_merge(into, from, &to);
  for (uint64_t at = 0; err == LARDER_OK && at < lrd_transitions_room(&from->table); at++) {
    uint64_t key = from->table.keys[at] ? key_here(into, from->table.keys[at], &to) : 0;
    if (key == 0) continue;
    uint64_t place = lrd_transitions_place(&into->table, key);
    lrd_transitions_warm(&into->table, place, from->table.heats[at]);
    lrd_state_merge(&into->table, &into->table.states[place], &from->table.states[at], to.endpoints);
  }
  lrd_dealloc(to.endpoints);
  return err;
}

larder_err larder_predict_merge(larder_predictor *into, larder_predictor *from) {
  if (into == NULL || from == NULL || into == from) return LARDER_EINVAL;
  larder_predictor *first = into < from ? into : from, *second = first == into ? from : into;
  lrd_lock(&first->mutex);
  lrd_lock(&second->mutex);
  larder_err err = merge(into, from);
  lrd_unlock(&second->mutex);
  lrd_unlock(&first->mutex);
  return err;
}
