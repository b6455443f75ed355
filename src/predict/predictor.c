/* SPDX-License-Identifier: Apache-2.0 */
/* Learning. An event adds to the states that lead to it: the last endpoint, the last two, the last one in its context. */
#include "predictor.h"

#include "base/fail.h"

/* --- options ----------------------------------------------------------------------------------------------------------------
 */

#define STATES_MAX   (UINT32_C(1) << 20)
#define SESSIONS_MAX (UINT32_C(1) << 20)

typedef struct number_option {
  const char *name;
  size_t at;
  uint32_t preset, least, most;
} number_option;

#define AT(field) offsetof(larder_predictor_options, field)
static const number_option numbers[] = {
    {"endpoints_max", AT(endpoints_max), 4096, 8, LARDER_PREDICT_ENDPOINTS_MAX},
    {"states_max", AT(states_max), 32768, 8, STATES_MAX},
    {"sessions_max", AT(sessions_max), 4096, 8, SESSIONS_MAX},
    {"order", AT(order), 2, 1, 2},
    {"age_at", AT(age_at), 1024, 16, 60000},
    {"evidence_min", AT(evidence_min), 2, 1, 60000},
};

static larder_err numbers_settle(larder_predictor_options *options, larder_error *err) {
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    uint32_t *at = (uint32_t *)(void *)((char *)options + numbers[i].at);
    if (*at == 0) *at = numbers[i].preset;
    if (*at < numbers[i].least || *at > numbers[i].most)
      return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "%s of a predictor is from %u to %u", numbers[i].name,
                      numbers[i].least, numbers[i].most);
  }
  return LARDER_OK;
}

static larder_err options_settle(larder_predictor_options *options, larder_error *err) {
  if (options->size != sizeof *options)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "the options of a predictor are of another version");
  if (options->smoothing == 0) options->smoothing = 0.01;
  if (!(options->smoothing >= 1e-9 && options->smoothing <= 1000))
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "smoothing of a predictor is from 1e-9 to 1000");
  if (options->session_idle_ms == 0) options->session_idle_ms = INT64_C(30) * 60 * 1000;
  if (options->session_idle_ms < 0)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "session_idle_ms of a predictor is above 0");
  if (options->utc_offset_minutes < -1440 || options->utc_offset_minutes > 1440)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "utc_offset_minutes of a predictor is from -1440 to 1440");
  if (options->pattern == NULL) options->pattern = LARDER_ENDPOINT_PATTERN;
  return numbers_settle(options, err);
}

/* --- life ------------------------------------------------------------------------------------------------------------------
 */

larder_err larder_predictor_new(const larder_predictor_options *options, larder_predictor **out, larder_error *err) {
  if (out == NULL) return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "a predictor needs a place to go to");
  larder_predictor *predictor = lrd_alloc_zero(1, sizeof *predictor);
  if (predictor == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, LRD_PREDICT_ROOM, "out of memory");
  larder_predictor_options *settled = &predictor->options;
  *settled = options ? *options : (larder_predictor_options){.size = sizeof *settled};
  lrd_mutex_init(&predictor->mutex);
  larder_err result = options_settle(settled, err);
  if (result == LARDER_OK) result = lrd_pattern_read(&predictor->pattern, settled->pattern, err);
  if (result == LARDER_OK) {
    settled->pattern = predictor->pattern.text;
    result = lrd_endpoints_init(&predictor->endpoints, settled->endpoints_max);
    if (result == LARDER_OK) result = lrd_transitions_init(&predictor->table, settled->states_max, settled->age_at);
    if (result == LARDER_OK) result = lrd_live_sessions_init(&predictor->sessions, settled->sessions_max);
    if (result != LARDER_OK) lrd_ignore(lrd_fail(err, result, 0, LRD_PREDICT_ROOM, "out of memory for a predictor"));
  }
  if (result == LARDER_OK) {
    *out = predictor;
    predictor = NULL;
  }
  larder_predictor_free(&predictor);
  return result;
}

void larder_predictor_free(larder_predictor **predictor) {
  if (predictor == NULL || *predictor == NULL) return;
  lrd_endpoints_fini(&(*predictor)->endpoints);
  lrd_transitions_fini(&(*predictor)->table);
  lrd_live_sessions_fini(&(*predictor)->sessions);
  lrd_mutex_fini(&(*predictor)->mutex);
  lrd_dealloc(*predictor);
  *predictor = NULL;
}

void larder_predictor_clear(larder_predictor *predictor) {
  lrd_lock(&predictor->mutex);
  lrd_endpoints_clear(&predictor->endpoints);
  lrd_transitions_clear(&predictor->table);
  lrd_live_sessions_clear(&predictor->sessions);
  predictor->user_types_len = 0;
  predictor->events = 0;
  lrd_unlock(&predictor->mutex);
}

void larder_predictor_figures_get(larder_predictor *predictor, larder_predictor_figures *out) {
  lrd_lock(&predictor->mutex);
  *out = (larder_predictor_figures){.events = predictor->events,
                                    .endpoints = predictor->endpoints.len,
                                    .states = predictor->table.len,
                                    .sessions = predictor->sessions.len,
                                    .user_types = predictor->user_types_len,
                                    .endpoints_replaced = predictor->endpoints.replaced,
                                    .states_replaced = predictor->table.replaced,
                                    .sessions_replaced = predictor->sessions.replaced,
                                    .bytes = sizeof *predictor + lrd_endpoints_bytes(&predictor->endpoints) +
                                             lrd_transitions_bytes(&predictor->table) +
                                             lrd_live_sessions_bytes(&predictor->sessions)};
  lrd_unlock(&predictor->mutex);
}

/* --- what events are made of -------------------------------------------------------------------------------------------- */

larder_err lrd_predictor_number(larder_predictor *predictor, const char *text, size_t len, uint32_t *out) {
  lrd_endpoints *endpoints = &predictor->endpoints;
  *out = lrd_endpoints_find(endpoints, text, len);
  if (*out != LRD_NO_ENDPOINT) return LARDER_OK;
  if (lrd_endpoints_full(endpoints)) {
    lrd_endpoints_make_room(endpoints);
    lrd_transitions_purge(&predictor->table, lrd_endpoints_gone, endpoints);
    lrd_live_sessions_purge(&predictor->sessions, lrd_endpoints_gone, endpoints);
  }
  return lrd_endpoints_add(endpoints, text, len, out);
}

unsigned lrd_predictor_user_type(larder_predictor *predictor, const char *name, unsigned likely, bool learn) {
  if (name == NULL || *name == '\0') return 0;
  if (likely > 0 && strcmp(predictor->user_types[likely - 1], name) == 0) return likely;
  for (unsigned i = 0; i < predictor->user_types_len; i++)
    if (strcmp(predictor->user_types[i], name) == 0) return i + 1;
  size_t len = strlen(name);
  if (!learn || predictor->user_types_len == LARDER_PREDICT_USER_TYPES || len > LARDER_USER_TYPE_MAX || !lrd_is_utf8(name, len))
    return 0;
  memcpy(predictor->user_types[predictor->user_types_len], name, len + 1);
  return ++predictor->user_types_len;
}

/* --- learning --------------------------------------------------------------------------------------------------------------
 */

/* The states that lead on from there; 0: none. */
static inline void keys_of(const larder_predictor *predictor, const lrd_standing *from, uint64_t keys[LRD_WAYS_ON]) {
  bool last = from->last != LRD_NO_ENDPOINT, before = from->before != LRD_NO_ENDPOINT && predictor->options.order > 1;
  bool context = from->context != 0 && !predictor->options.no_contexts;
  keys[LRD_ON_FIRST] = last ? lrd_key_first(from->last) : 0;
  keys[LRD_ON_SECOND] = last && before ? lrd_key_second(from->before, from->last) : 0;
  keys[LRD_ON_CONTEXT] = last && context ? lrd_key_context(from->context, from->last) : 0;
}

/* Memory is slow and the states lie anywhere in it, so they are sent for long before they are needed: those of a session where
 * they stood last time, those that the next guess will look at as soon as they are known. */
static inline void state_await(const lrd_transitions *table, uint32_t place) {
  const lrd_state *state = &table->states[place];
  __builtin_prefetch(&table->keys[place]);
  __builtin_prefetch(&table->heats[place]);
  __builtin_prefetch(state);
  __builtin_prefetch((const char *)state + sizeof *state / 2);
}

static inline void keys_await(const lrd_transitions *table, const uint64_t keys[LRD_WAYS_ON], uint32_t places[LRD_WAYS_ON]) {
#pragma GCC unroll 3
  for (unsigned i = 0; i < LRD_WAYS_ON; i++) {
    places[i] = (uint32_t)lrd_transitions_set(table, keys[i]);
    __builtin_prefetch(&table->keys[places[i]]);
  }
}

static inline void states_await(const lrd_transitions *table, const uint64_t keys[LRD_WAYS_ON], uint32_t places[LRD_WAYS_ON]) {
#pragma GCC unroll 3
  for (unsigned i = 0; i < LRD_WAYS_ON; i++) {
    unsigned way = lrd_set_find(&table->keys[places[i]], keys[i]);
    places[i] += way % LRD_SET_WAYS;
    state_await(table, places[i]);
  }
}

static inline void session_await(const larder_predictor *predictor, const lrd_standing *standing) {
#pragma GCC unroll 3
  for (unsigned i = 0; i < LRD_WAYS_ON; i++) state_await(&predictor->table, standing->places[i]);
  if (standing->last != LRD_NO_ENDPOINT) __builtin_prefetch(predictor->endpoints.of[standing->last].contexts);
}

/* Goes on from there to the endpoint. */
static void learn(larder_predictor *predictor, lrd_standing *standing, uint32_t number) {
  lrd_transitions *table = &predictor->table;
  uint64_t keys[LRD_WAYS_ON], next_keys[LRD_WAYS_ON];
  lrd_standing next = {.before = standing->last, .last = number, .context = standing->context};
  keys_of(predictor, standing, keys);
  keys_of(predictor, &next, next_keys);
  keys_await(table, next_keys, next.places);
  unsigned context = keys[LRD_ON_CONTEXT] ? standing->context : 0;
  if (context) predictor->endpoints.of[standing->last].contexts[context / 64] |= UINT64_C(1) << context % 64;
  lrd_endpoints_count(&predictor->endpoints, number, ++predictor->events, 1);
#pragma GCC unroll 3
  for (unsigned i = 0; i < LRD_WAYS_ON; i++) {
    if (keys[i]) lrd_transitions_learn(table, keys[i], standing->places[i], number);
    if (i == 0) states_await(table, next_keys, next.places);
  }
  *standing = next;
}

static unsigned context_learn(larder_predictor *predictor, const larder_predict_event *event, unsigned before) {
  return lrd_context_of(lrd_predictor_user_type(predictor, event->user_type, before / LRD_TIMES, true),
                        lrd_time_of(event->wall_ms, predictor->options.utc_offset_minutes));
}

static larder_err observe(larder_predictor *predictor, uint64_t hash, const char *text, size_t len,
                          const larder_predict_event *event, const lrd_standing **out) {
  uint32_t number;
  lrd_live_session *session = lrd_live_session_find(&predictor->sessions, hash);
  if (session) session_await(predictor, &session->standing);
  larder_err err = lrd_predictor_number(predictor, text, len, &number);
  if (err != LARDER_OK) return err;
  if (session == NULL) session = lrd_live_session_place(&predictor->sessions, hash);
  lrd_standing *standing = &session->standing;
  if (event->wall_ms != 0 && session->wall_ms != 0 && event->wall_ms > session->wall_ms &&
      (uint64_t)event->wall_ms - (uint64_t)session->wall_ms > (uint64_t)predictor->options.session_idle_ms) {
    standing->last = standing->before = LRD_NO_ENDPOINT;
    session->asked = 0;
  }
  standing->context = context_learn(predictor, event, standing->context);
  learn(predictor, standing, number);
  session->used = predictor->events;
  session->asked++;
  if (event->wall_ms != 0) session->wall_ms = event->wall_ms;
  *out = standing;
  return LARDER_OK;
}

void lrd_predictor_asker(larder_predictor *predictor, const void *session, size_t session_len, const char *user_type,
                         unsigned *user_out, uint32_t *place_out) {
  uint64_t hash = lrd_live_session_hash(session, session_len);
  lrd_lock(&predictor->mutex);
  const lrd_live_session *live = lrd_live_session_find(&predictor->sessions, hash);
  *place_out = live && live->asked > 0 ? live->asked - 1 : 0;
  *user_out = lrd_predictor_user_type(predictor, user_type, live ? live->standing.context / LRD_TIMES : 0, false);
  lrd_unlock(&predictor->mutex);
}

larder_err lrd_predictor_observe(larder_predictor *predictor, const larder_predict_event *event, const lrd_standing **out) {
  char text[LARDER_ENDPOINT_MAX + 1];
  size_t len;
  if (predictor == NULL || event == NULL || event->session == NULL || event->endpoint == NULL || event->endpoint_len == 0 ||
      event->wall_ms < 0)
    return LARDER_EINVAL;
  uint64_t hash = lrd_live_session_hash(event->session, event->session_len);
  lrd_live_session_await(&predictor->sessions, hash);
  larder_err err = lrd_pattern_apply(&predictor->pattern, event->endpoint, event->endpoint_len, text, &len);
  if (err != LARDER_OK) return err;
  lrd_lock(&predictor->mutex);
  err = observe(predictor, hash, text, len, event, out);
  if (err != LARDER_OK) lrd_unlock(&predictor->mutex);
  return err;
}

larder_err larder_predict_observe(larder_predictor *predictor, const larder_predict_event *event) {
  const lrd_standing *standing;
  larder_err err = lrd_predictor_observe(predictor, event, &standing);
  if (err == LARDER_OK) lrd_unlock(&predictor->mutex);
  return err;
}

/* Endpoints that others made room for on the way are not gone back to. */
static uint32_t still(const larder_predictor *predictor, uint32_t number) {
  return number != LRD_NO_ENDPOINT && lrd_endpoints_gone(&predictor->endpoints, number) ? LRD_NO_ENDPOINT : number;
}

static larder_err train_one(larder_predictor *predictor, const larder_predict_event *event, lrd_standing *from,
                            int64_t *wall_ms) {
  char text[LARDER_ENDPOINT_MAX + 1];
  size_t len;
  uint32_t number;
  larder_err err = lrd_pattern_apply(&predictor->pattern, event->endpoint, event->endpoint_len, text, &len);
  if (err != LARDER_OK) return LARDER_OK; /* too long */
  uint64_t replaced = predictor->endpoints.replaced;
  err = lrd_predictor_number(predictor, text, len, &number);
  if (err != LARDER_OK) return err;
  if (replaced != predictor->endpoints.replaced) {
    from->last = still(predictor, from->last);
    from->before = from->last == LRD_NO_ENDPOINT ? LRD_NO_ENDPOINT : still(predictor, from->before);
  }
  if (event->wall_ms != 0 && *wall_ms != 0 && event->wall_ms - *wall_ms > predictor->options.session_idle_ms)
    from->last = from->before = LRD_NO_ENDPOINT;
  from->context = context_learn(predictor, event, from->context);
  learn(predictor, from, number);
  if (event->wall_ms != 0) *wall_ms = event->wall_ms;
  return LARDER_OK;
}

larder_err larder_predict_train(larder_predictor *predictor, const larder_predict_event *events, size_t count) {
  lrd_standing from = {.before = LRD_NO_ENDPOINT, .last = LRD_NO_ENDPOINT};
  int64_t wall_ms = 0;
  larder_err err = LARDER_OK;
  if (predictor == NULL || (events == NULL && count > 0)) return LARDER_EINVAL;
  for (size_t i = 0; i < count; i++)
    if (events[i].endpoint == NULL || events[i].endpoint_len == 0 || events[i].wall_ms < 0) return LARDER_EINVAL;
  lrd_lock(&predictor->mutex);
  for (size_t i = 0; i < count && err == LARDER_OK; i++) err = train_one(predictor, &events[i], &from, &wall_ms);
  lrd_unlock(&predictor->mutex);
  return err;
}

bool larder_predict_session_end(larder_predictor *predictor, const void *session, size_t session_len) {
  uint64_t hash = lrd_live_session_hash(session, session_len);
  lrd_lock(&predictor->mutex);
  bool known = lrd_live_session_end(&predictor->sessions, hash);
  lrd_unlock(&predictor->mutex);
  return known;
}

larder_err larder_predict_normalise(const larder_predictor *predictor, const void *endpoint, size_t len, char *out,
                                    size_t *len_out) {
  if (predictor == NULL || endpoint == NULL || len == 0 || out == NULL || len_out == NULL) return LARDER_EINVAL;
  return lrd_pattern_apply(&predictor->pattern, endpoint, len, out, len_out);
}
