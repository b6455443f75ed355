/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same as text, a document on one line. An endpoint that is no UTF-8 has `endpoint_hex` instead of `endpoint`; a context is
 * its number, and contexts are two words of bits in hexadecimal digits, lowest first.
 */
#include "predictor.h"

#include "base/fail.h"
#include "base/json_read.h"
#include "stats/json_writer.h"
#include <inttypes.h>
#include <stdio.h>

#define FORMAT  "larder-predictor"
#define VERSION 1u

/* Options that are whole numbers, for both ways. */
typedef struct whole_option {
  const char *name;
  size_t at;
} whole_option;
static const whole_option wholes[] = {{"endpoints_max", offsetof(larder_predictor_options, endpoints_max)},
                                      {"states_max", offsetof(larder_predictor_options, states_max)},
                                      {"sessions_max", offsetof(larder_predictor_options, sessions_max)},
                                      {"order", offsetof(larder_predictor_options, order)},
                                      {"age_at", offsetof(larder_predictor_options, age_at)},
                                      {"evidence_min", offsetof(larder_predictor_options, evidence_min)}};
#define WHOLES (sizeof wholes / sizeof *wholes)

/* --- writing ----------------------------------------------------------------------------------------------------------------
 */

static void member_u64(lrd_json *json, const char *key, uint64_t value) {
  lrd_json_key(json, key);
  lrd_json_u64(json, value);
}

static void options_write(lrd_json *json, const larder_predictor_options *options) {
  lrd_json_key(json, "options");
  lrd_json_object_begin(json);
  for (size_t i = 0; i < WHOLES; i++)
    member_u64(json, wholes[i].name, *(const uint32_t *)(const void *)((const char *)options + wholes[i].at));
  lrd_json_key(json, "no_contexts");
  lrd_json_bool(json, options->no_contexts);
  lrd_json_key(json, "smoothing");
  lrd_json_double(json, options->smoothing);
  member_u64(json, "session_idle_ms", (uint64_t)options->session_idle_ms);
  lrd_json_key(json, "utc_offset_minutes");
  lrd_json_i64(json, options->utc_offset_minutes);
  lrd_json_key(json, "pattern");
  lrd_json_string(json, options->pattern);
  lrd_json_object_end(json);
}

static void endpoint_text_write(lrd_json *json, const lrd_endpoint *endpoint) {
  if (lrd_is_utf8(endpoint->text, endpoint->len)) {
    lrd_json_key(json, "endpoint");
    lrd_json_bytes(json, endpoint->text, endpoint->len);
    return;
  }
  char hex[2 * LARDER_ENDPOINT_MAX + 1];
  for (uint32_t i = 0; i < endpoint->len; i++) snprintf(hex + (size_t)2 * i, 3, "%02x", (uint8_t)endpoint->text[i]);
  lrd_json_key(json, "endpoint_hex");
  lrd_json_string(json, hex);
}

static void endpoints_write(lrd_json *json, const lrd_endpoints *endpoints) {
  lrd_json_key(json, "endpoints");
  lrd_json_array_begin(json);
  for (uint32_t i = 0; i < endpoints->slots; i++) {
    const lrd_endpoint *endpoint = &endpoints->of[i];
    char word[17];
    if (endpoint->text == NULL) continue;
    lrd_json_object_begin(json);
    member_u64(json, "number", i);
    endpoint_text_write(json, endpoint);
    member_u64(json, "count", endpoints->counts[i]);
    member_u64(json, "seen", endpoint->seen);
    lrd_json_key(json, "contexts");
    lrd_json_array_begin(json);
    for (unsigned w = 0; w < 2; w++) {
      snprintf(word, sizeof word, "%" PRIx64, endpoint->contexts[w]);
      lrd_json_string(json, word);
    }
    lrd_json_array_end(json);
    lrd_json_object_end(json);
  }
  lrd_json_array_end(json);
}

static void state_write(lrd_json *json, uint64_t key, uint32_t heat, const lrd_state *state) {
  static const char *const kinds[] = {"", "first", "second", "context"};
  unsigned kind = LRD_KEY_KIND(key);
  lrd_json_object_begin(json);
  lrd_json_key(json, "kind");
  lrd_json_string(json, kinds[kind]);
  if (kind == LRD_STATE_CONTEXT) member_u64(json, "context", LRD_KEY_CONTEXT(key));
  if (kind == LRD_STATE_SECOND) member_u64(json, "before", LRD_KEY_BEFORE(key));
  member_u64(json, "last", LRD_KEY_LAST(key));
  member_u64(json, "heat", heat);
  member_u64(json, "total", state->total);
  lrd_json_key(json, "next");
  lrd_json_array_begin(json);
  for (unsigned i = 0; i < state->len; i++) {
    lrd_json_array_begin(json);
    lrd_json_u64(json, state->ids[i]);
    lrd_json_u64(json, state->counts[i]);
    lrd_json_u64(json, state->errors[i]);
    lrd_json_array_end(json);
  }
  lrd_json_array_end(json);
  lrd_json_object_end(json);
}

larder_err lrd_predict_write_json(const larder_predictor *predictor, lrd_buf *out) {
  const lrd_transitions *table = &predictor->table;
  lrd_json json;
  lrd_json_init(&json, out, false);
  lrd_json_object_begin(&json);
  lrd_json_key(&json, "format");
  lrd_json_string(&json, FORMAT);
  member_u64(&json, "version", VERSION);
  options_write(&json, &predictor->options);
  member_u64(&json, "events", predictor->events);
  lrd_json_key(&json, "user_types");
  lrd_json_array_begin(&json);
  for (unsigned i = 0; i < predictor->user_types_len; i++) lrd_json_string(&json, predictor->user_types[i]);
  lrd_json_array_end(&json);
  endpoints_write(&json, &predictor->endpoints);
  lrd_json_key(&json, "states");
  lrd_json_array_begin(&json);
  for (uint64_t at = 0; at < lrd_transitions_room(table) && json.err == LARDER_OK; at++)
    if (table->keys[at]) state_write(&json, table->keys[at], table->heats[at], &table->states[at]);
  lrd_json_array_end(&json);
  lrd_json_object_end(&json);
  return json.err == LARDER_OK ? lrd_buf_append_byte(out, '\n') : json.err;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------
 */

typedef struct json_in {
  lrd_json_doc doc;
  lrd_buf text; /* of the last string that was taken */
  larder_err err;
  const char *missing; /* the member that is not there, or not as it should be */
} json_in;

static void miss(json_in *in, const char *name) {
  if (in->err != LARDER_OK) return;
  in->err = LARDER_EFORMAT;
  in->missing = name;
}

static uint64_t take_u64(json_in *in, uint32_t object, const char *name, uint64_t most) {
  uint64_t value = 0;
  uint32_t node = lrd_json_member(&in->doc, object, name);
  if (node == 0 || !lrd_json_u64_of(&in->doc, node, &value) || value > most) miss(in, name);
  return in->err == LARDER_OK ? value : 0;
}

static uint64_t u64_of(json_in *in, uint32_t node, const char *name, uint64_t most) {
  uint64_t value = 0;
  if (!lrd_json_u64_of(&in->doc, node, &value) || value > most) miss(in, name);
  return in->err == LARDER_OK ? value : 0;
}

/* Into in->text, NUL-terminated, without a NUL in it unless `any`. */
static void string_of(json_in *in, uint32_t node, const char *name, bool any) {
  lrd_buf_clear(&in->text);
  if (node == 0 || lrd_json_type_of(&in->doc, node) != LRD_JSON_STRING) miss(in, name);
  if (in->err == LARDER_OK) in->err = lrd_json_string_append(&in->doc, node, &in->text);
  if (in->err == LARDER_OK) in->err = lrd_buf_terminate(&in->text);
  if (in->err == LARDER_OK && !any && strlen((const char *)in->text.data) != in->text.len) miss(in, name);
}

/* Borrowed until the next one is taken. */
static const char *text_of(const json_in *in) { return in->err == LARDER_OK ? (const char *)in->text.data : ""; }

static uint32_t array_of(json_in *in, uint32_t object, const char *name) {
  uint32_t node = lrd_json_member(&in->doc, object, name);
  if (node == 0 || lrd_json_type_of(&in->doc, node) != LRD_JSON_ARRAY) miss(in, name);
  return node;
}

/* Each element of an array in turn. */
static uint32_t element_first(const json_in *in, uint32_t array) {
  return in->err == LARDER_OK ? lrd_json_first(&in->doc, array) : 0;
}
static uint32_t element_next(const json_in *in, uint32_t array, uint32_t at) {
  uint32_t next = in->doc.nodes[at].next;
  return in->err == LARDER_OK && next < in->doc.nodes[array].next ? next : 0;
}

static void options_take(json_in *in, larder_predictor_options *options, char pattern[LARDER_PREDICT_PATTERN_MAX + 1]) {
  uint32_t object = lrd_json_member(&in->doc, 0, "options");
  *options = (larder_predictor_options){.size = sizeof *options, .pattern = pattern};
  if (object == 0) miss(in, "options");
  for (size_t i = 0; i < WHOLES && in->err == LARDER_OK; i++) {
    uint32_t value = (uint32_t)take_u64(in, object, wholes[i].name, UINT32_MAX);
    memcpy((char *)options + wholes[i].at, &value, sizeof value);
    if (value == 0) miss(in, wholes[i].name);
  }
  uint32_t no_contexts = object ? lrd_json_member(&in->doc, object, "no_contexts") : 0;
  lrd_json_type type = lrd_json_type_of(&in->doc, no_contexts);
  if (type != LRD_JSON_TRUE && type != LRD_JSON_FALSE) miss(in, "no_contexts");
  options->no_contexts = type == LRD_JSON_TRUE;
  uint32_t smoothing = object ? lrd_json_member(&in->doc, object, "smoothing") : 0;
  if (!lrd_json_double_of(&in->doc, smoothing, &options->smoothing) || options->smoothing == 0) miss(in, "smoothing");
  options->session_idle_ms = (int64_t)take_u64(in, object, "session_idle_ms", INT64_MAX);
  if (options->session_idle_ms == 0) miss(in, "session_idle_ms");
  int64_t offset = 0;
  uint32_t minutes = object ? lrd_json_member(&in->doc, object, "utc_offset_minutes") : 0;
  if (!lrd_json_i64_of(&in->doc, minutes, &offset) || offset < -1440 || offset > 1440) miss(in, "utc_offset_minutes");
  options->utc_offset_minutes = (int32_t)offset;
  string_of(in, object ? lrd_json_member(&in->doc, object, "pattern") : 0, "pattern", false);
  if (in->err == LARDER_OK && in->text.len > LARDER_PREDICT_PATTERN_MAX) miss(in, "pattern");
  snprintf(pattern, LARDER_PREDICT_PATTERN_MAX + 1, "%s", text_of(in));
}

static int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void contexts_take(json_in *in, uint32_t object, uint64_t contexts[2]) {
  uint32_t array = array_of(in, object, "contexts");
  unsigned count = 0;
  for (uint32_t at = element_first(in, array); at != 0; at = element_next(in, array, at)) {
    string_of(in, at, "contexts", false);
    if (count == 2 || in->text.len == 0 || in->text.len > 16) miss(in, "contexts");
    for (const char *c = text_of(in); *c != '\0'; c++) {
      if (digit_of(*c) < 0) miss(in, "contexts");
      contexts[count] = contexts[count] << 4 | (unsigned)(digit_of(*c) & 15);
    }
    count++;
  }
  if (count != 2) miss(in, "contexts");
}

/* The text of an endpoint into in->text. */
static void endpoint_text_take(json_in *in, uint32_t object) {
  uint32_t node = lrd_json_member(&in->doc, object, "endpoint");
  if (node != 0) {
    string_of(in, node, "endpoint", true);
    return;
  }
  string_of(in, lrd_json_member(&in->doc, object, "endpoint_hex"), "endpoint", false);
  if (in->err != LARDER_OK) return;
  if (in->text.len % 2 != 0) miss(in, "endpoint_hex");
  char *hex = (char *)in->text.data;
  for (size_t i = 0; i < in->text.len / 2 && in->err == LARDER_OK; i++) {
    int high = digit_of(hex[2 * i]), low = digit_of(hex[2 * i + 1]);
    if (high < 0 || low < 0) miss(in, "endpoint_hex");
    hex[i] = (char)((unsigned)high << 4 | (unsigned)low);
  }
  in->text.len /= 2;
}

static void endpoint_take(json_in *in, uint32_t object, larder_predictor *predictor) {
  lrd_image_endpoint endpoint = {.number = take_u64(in, object, "number", UINT32_MAX),
                                 .count = take_u64(in, object, "count", UINT32_MAX),
                                 .seen = take_u64(in, object, "seen", UINT64_MAX)};
  contexts_take(in, object, endpoint.contexts);
  endpoint_text_take(in, object);
  if (in->err != LARDER_OK) return;
  endpoint.text = (const char *)in->text.data;
  endpoint.len = in->text.len;
  in->err = lrd_image_endpoint_put(predictor, &endpoint);
}

static uint64_t key_take(json_in *in, uint32_t object) {
  string_of(in, lrd_json_member(&in->doc, object, "kind"), "kind", false);
  const char *kind = text_of(in);
  bool context = strcmp(kind, "context") == 0, second = strcmp(kind, "second") == 0, first = strcmp(kind, "first") == 0;
  if (!context && !second && !first) miss(in, "kind");
  uint32_t last = (uint32_t)take_u64(in, object, "last", LRD_NO_ENDPOINT - 1);
  if (second) return lrd_key_second((uint32_t)take_u64(in, object, "before", LRD_NO_ENDPOINT - 1), last);
  return context ? lrd_key_context((unsigned)take_u64(in, object, "context", LRD_CONTEXTS - 1), last) : lrd_key_first(last);
}

static void successor_take(json_in *in, uint32_t array, lrd_state *state) {
  uint32_t at = 0;
  if (lrd_json_type_of(&in->doc, array) != LRD_JSON_ARRAY || in->doc.nodes[array].count != 3 || state->len == LRD_NEXT_MAX)
    miss(in, "next");
  if ((at = element_first(in, array)) == 0) return;
  state->ids[state->len] = (uint32_t)u64_of(in, at, "next", LRD_NO_ENDPOINT - 1);
  if ((at = element_next(in, array, at)) == 0) return;
  state->counts[state->len] = (uint16_t)u64_of(in, at, "next", UINT16_MAX);
  if ((at = element_next(in, array, at)) == 0) return;
  state->errors[state->len] = (uint16_t)u64_of(in, at, "next", UINT16_MAX);
  state->len++;
}

static void state_take(json_in *in, uint32_t object, larder_predictor *predictor) {
  uint32_t heat = (uint32_t)take_u64(in, object, "heat", LRD_HEAT_MAX);
  lrd_state state = {.total = (uint16_t)take_u64(in, object, "total", UINT16_MAX)};
  uint64_t key = key_take(in, object);
  uint32_t array = array_of(in, object, "next");
  for (uint32_t at = element_first(in, array); at != 0; at = element_next(in, array, at)) successor_take(in, at, &state);
  if (in->err == LARDER_OK) in->err = lrd_image_state_put(predictor, key, heat, &state);
}

static void contents_take(json_in *in, larder_predictor *predictor) {
  uint64_t events = take_u64(in, 0, "events", UINT64_MAX);
  uint32_t array = array_of(in, 0, "user_types");
  for (uint32_t at = element_first(in, array); at != 0; at = element_next(in, array, at)) {
    string_of(in, at, "user_types", false);
    if (in->err == LARDER_OK) in->err = lrd_image_user_type(predictor, text_of(in), in->text.len);
  }
  array = array_of(in, 0, "endpoints");
  for (uint32_t at = element_first(in, array); at != 0; at = element_next(in, array, at)) endpoint_take(in, at, predictor);
  array = array_of(in, 0, "states");
  for (uint32_t at = element_first(in, array); at != 0; at = element_next(in, array, at)) state_take(in, at, predictor);
  if (in->err == LARDER_OK) in->err = lrd_image_done(predictor, events);
}

static larder_err json_fail(const json_in *in, larder_error *err) {
  switch (in->err) {
  case LARDER_ENOMEM:
    return lrd_fail(err, in->err, 0, LRD_PREDICT_ROOM, "out of memory for a predictor");
  case LARDER_ETOOBIG:
    return lrd_fail(err, in->err, 0, LRD_PREDICT_ROOM, "the predictor is longer than 2 GiB");
  case LARDER_EFORMAT:
    return lrd_fail(err, in->err, 0, LRD_PREDICT_ROOM, "this is no predictor, or one of another version: its %s is not right",
                    in->missing);
  default:
    return lrd_fail(err, LARDER_ECORRUPT, 0, LRD_PREDICT_ROOM, "the predictor is damaged: it says what none can have learned");
  }
}

static void head_check(json_in *in) {
  string_of(in, lrd_json_member(&in->doc, 0, "format"), "format", false);
  if (strcmp(text_of(in), FORMAT) != 0) miss(in, "format");
  if (take_u64(in, 0, "version", UINT64_MAX) != VERSION) miss(in, "version");
}

larder_err lrd_predict_read_json(const char *text, size_t len, larder_predictor **out, larder_error *err) {
  json_in in = {.missing = "text"};
  char pattern[LARDER_PREDICT_PATTERN_MAX + 1];
  larder_predictor_options options;
  larder_predictor *predictor = NULL;
  in.err = lrd_json_parse(&in.doc, text, len);
  if (in.err == LARDER_OK) head_check(&in);
  if (in.err == LARDER_OK) options_take(&in, &options, pattern);
  if (in.err == LARDER_OK) {
    in.err = larder_predictor_new(&options, &predictor, err);
    if (in.err == LARDER_EINVAL) in.err = LARDER_ECORRUPT;
  }
  if (in.err == LARDER_OK) contents_take(&in, predictor);
  larder_err result = LARDER_OK;
  if (in.err == LARDER_OK) {
    *out = predictor;
    predictor = NULL;
  } else {
    result = json_fail(&in, err);
  }
  larder_predictor_free(&predictor);
  lrd_json_doc_fini(&in.doc);
  lrd_buf_fini(&in.text);
  return result;
}
