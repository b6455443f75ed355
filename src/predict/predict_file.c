/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary form, numbers as varints where no width is said:
 *
 *     "LRDPRED1"
 *     endpoints_max states_max sessions_max order  no contexts (0 or 1)  age_at evidence_min
 *     smoothing (8 bytes)  session_idle_ms  utc_offset_minutes + 1440  pattern (length, bytes)
 *     events
 *     how many user types; each: length, bytes
 *     how many endpoints; each, by number: number, length, bytes, count, seen, contexts (2 words of 8 bytes)
 *     how many states; each, as they stand in the table: key (8 bytes), heat, total,
 *         how many successors; each: number, count, error
 *     XXH3-128 of all before it (16 bytes)
 *
 * and the public calls for both forms.
 */
#include "predictor.h"

#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include <errno.h>

#define MAGIC     "LRDPRED1"
#define MAGIC_LEN 8u
#define SUM_LEN   16u

/* --- writing ----------------------------------------------------------------------------------------------------------------
 */

typedef struct binary_out {
  lrd_buf *buf;
  larder_err err; /* sticks */
} binary_out;

static void put_number(binary_out *out, uint64_t value) {
  if (out->err == LARDER_OK) out->err = lrd_varint_append(out->buf, value);
}

static void put_bytes(binary_out *out, const void *data, size_t len) {
  if (out->err == LARDER_OK) out->err = lrd_buf_append(out->buf, data, len);
}

static void put_text(binary_out *out, const char *text, size_t len) {
  put_number(out, len);
  put_bytes(out, text, len);
}

static void put_options(binary_out *out, const larder_predictor_options *options) {
  put_number(out, options->endpoints_max);
  put_number(out, options->states_max);
  put_number(out, options->sessions_max);
  put_number(out, options->order);
  put_number(out, options->no_contexts);
  put_number(out, options->age_at);
  put_number(out, options->evidence_min);
  put_bytes(out, &options->smoothing, sizeof options->smoothing);
  put_number(out, (uint64_t)options->session_idle_ms);
  put_number(out, (uint64_t)options->utc_offset_minutes + 1440);
  put_text(out, options->pattern, strlen(options->pattern));
}

static void put_endpoints(binary_out *out, const lrd_endpoints *endpoints) {
  put_number(out, endpoints->len);
  for (uint32_t i = 0; i < endpoints->slots; i++) {
    const lrd_endpoint *endpoint = &endpoints->of[i];
    if (endpoint->text == NULL) continue;
    put_number(out, i);
    put_text(out, endpoint->text, endpoint->len);
    put_number(out, endpoints->counts[i]);
    put_number(out, endpoint->seen);
    put_bytes(out, endpoint->contexts, sizeof endpoint->contexts);
  }
}

static void put_states(binary_out *out, const lrd_transitions *table) {
  put_number(out, table->len);
  for (uint64_t at = 0; at < lrd_transitions_room(table); at++) {
    const lrd_state *state = &table->states[at];
    if (table->keys[at] == 0) continue;
    put_bytes(out, &table->keys[at], sizeof table->keys[at]);
    put_number(out, table->heats[at]);
    put_number(out, state->total);
    put_number(out, state->len);
    for (unsigned i = 0; i < state->len; i++) {
      put_number(out, state->ids[i]);
      put_number(out, state->counts[i]);
      put_number(out, state->errors[i]);
    }
  }
}

larder_err lrd_predict_write_binary(const larder_predictor *predictor, lrd_buf *buf) {
  binary_out out = {.buf = buf};
  put_bytes(&out, MAGIC, MAGIC_LEN);
  put_options(&out, &predictor->options);
  put_number(&out, predictor->events);
  put_number(&out, predictor->user_types_len);
  for (unsigned i = 0; i < predictor->user_types_len; i++)
    put_text(&out, predictor->user_types[i], strlen(predictor->user_types[i]));
  put_endpoints(&out, &predictor->endpoints);
  put_states(&out, &predictor->table);
  lrd_sum sum = lrd_sum128(buf->data, buf->len);
  put_bytes(&out, &sum, sizeof sum);
  return out.err;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------
 */

typedef struct binary_in {
  const uint8_t *at, *end;
  larder_err err; /* sticks; LARDER_ECORRUPT: cut short */
} binary_in;

static uint64_t take_number(binary_in *in, uint64_t most) {
  uint64_t value = 0;
  if (in->err == LARDER_OK) in->err = lrd_varint_read(&in->at, in->end, &value);
  if (in->err == LARDER_OK && value > most) in->err = LARDER_ECORRUPT;
  return in->err == LARDER_OK ? value : 0;
}

static void take_bytes(binary_in *in, void *out, size_t len) {
  if (in->err == LARDER_OK && (size_t)(in->end - in->at) < len) in->err = LARDER_ECORRUPT;
  if (in->err != LARDER_OK) {
    memset(out, 0, len);
    return;
  }
  memcpy(out, in->at, len);
  in->at += len;
}

/* Where the text lies. */
static const char *take_text(binary_in *in, size_t most, size_t *len_out) {
  *len_out = (size_t)take_number(in, most);
  if (in->err == LARDER_OK && (size_t)(in->end - in->at) < *len_out) in->err = LARDER_ECORRUPT;
  if (in->err != LARDER_OK) {
    *len_out = 0;
    return "";
  }
  const char *text = (const char *)in->at;
  in->at += *len_out;
  return text;
}

static void take_options(binary_in *in, larder_predictor_options *options, char pattern[LARDER_PREDICT_PATTERN_MAX + 1]) {
  size_t len;
  *options = (larder_predictor_options){.size = sizeof *options, .pattern = pattern};
  options->endpoints_max = (uint32_t)take_number(in, UINT32_MAX);
  options->states_max = (uint32_t)take_number(in, UINT32_MAX);
  options->sessions_max = (uint32_t)take_number(in, UINT32_MAX);
  options->order = (uint32_t)take_number(in, UINT32_MAX);
  options->no_contexts = take_number(in, 1) != 0;
  options->age_at = (uint32_t)take_number(in, UINT32_MAX);
  options->evidence_min = (uint32_t)take_number(in, UINT32_MAX);
  take_bytes(in, &options->smoothing, sizeof options->smoothing);
  options->session_idle_ms = (int64_t)take_number(in, INT64_MAX);
  options->utc_offset_minutes = (int32_t)take_number(in, 2880) - 1440;
  const char *text = take_text(in, LARDER_PREDICT_PATTERN_MAX, &len);
  memcpy(pattern, text, len);
  pattern[len] = '\0';
  bool preset = options->endpoints_max == 0 || options->states_max == 0 || options->sessions_max == 0 || options->order == 0 ||
                options->age_at == 0 || options->evidence_min == 0 || options->smoothing == 0 || options->session_idle_ms == 0;
  if (in->err == LARDER_OK && preset) in->err = LARDER_ECORRUPT; /* nobody writes what stands for a default */
}

static void take_endpoint(binary_in *in, larder_predictor *predictor) {
  lrd_image_endpoint endpoint = {.number = take_number(in, UINT32_MAX)};
  endpoint.text = take_text(in, LARDER_ENDPOINT_MAX, &endpoint.len);
  endpoint.count = take_number(in, UINT32_MAX);
  endpoint.seen = take_number(in, UINT64_MAX);
  take_bytes(in, endpoint.contexts, sizeof endpoint.contexts);
  if (in->err == LARDER_OK) in->err = lrd_image_endpoint_put(predictor, &endpoint);
}

static void take_state(binary_in *in, larder_predictor *predictor) {
  lrd_state state = {0};
  uint64_t key;
  take_bytes(in, &key, sizeof key);
  uint32_t heat = (uint32_t)take_number(in, LRD_HEAT_MAX);
  state.total = (uint16_t)take_number(in, UINT16_MAX);
  state.len = (uint32_t)take_number(in, LRD_NEXT_MAX);
  for (unsigned i = 0; i < state.len; i++) {
    state.ids[i] = (uint32_t)take_number(in, UINT32_MAX);
    state.counts[i] = (uint16_t)take_number(in, UINT16_MAX);
    state.errors[i] = (uint16_t)take_number(in, UINT16_MAX);
  }
  if (in->err == LARDER_OK) in->err = lrd_image_state_put(predictor, key, heat, &state);
}

static larder_err contents_take(binary_in *in, larder_predictor *predictor, uint64_t events) {
  for (uint64_t left = take_number(in, LARDER_PREDICT_USER_TYPES); left > 0 && in->err == LARDER_OK; left--) {
    size_t len;
    const char *name = take_text(in, LARDER_USER_TYPE_MAX, &len);
    if (in->err == LARDER_OK) in->err = lrd_image_user_type(predictor, name, len);
  }
  for (uint64_t left = take_number(in, UINT32_MAX); left > 0 && in->err == LARDER_OK; left--) take_endpoint(in, predictor);
  for (uint64_t left = take_number(in, UINT32_MAX); left > 0 && in->err == LARDER_OK; left--) take_state(in, predictor);
  if (in->err == LARDER_OK && in->at != in->end) in->err = LARDER_ECORRUPT;
  return in->err == LARDER_OK ? lrd_image_done(predictor, events) : in->err;
}

larder_err lrd_predict_read_binary(const uint8_t *data, size_t len, larder_predictor **out, larder_error *err) {
  if (len < MAGIC_LEN || memcmp(data, MAGIC, MAGIC_LEN) != 0)
    return lrd_fail(err, LARDER_EFORMAT, 0, LRD_PREDICT_ROOM, "this is no predictor, or one of another version");
  lrd_sum sum = {0};
  binary_in in = {.at = data + MAGIC_LEN, .end = data + len - (len < MAGIC_LEN + SUM_LEN ? 0 : SUM_LEN)};
  if (len >= MAGIC_LEN + SUM_LEN) sum = lrd_sum128(data, len - SUM_LEN);
  if (len < MAGIC_LEN + SUM_LEN || memcmp(&sum, in.end, SUM_LEN) != 0)
    return lrd_fail(err, LARDER_ECORRUPT, 0, LRD_PREDICT_ROOM, "the predictor is damaged: its checksum is another one");
  char pattern[LARDER_PREDICT_PATTERN_MAX + 1];
  larder_predictor_options options;
  larder_predictor *predictor = NULL;
  take_options(&in, &options, pattern);
  uint64_t events = take_number(&in, UINT64_MAX);
  if (in.err == LARDER_OK) in.err = larder_predictor_new(&options, &predictor, err);
  if (in.err == LARDER_EINVAL) in.err = LARDER_ECORRUPT;
  if (in.err == LARDER_OK) in.err = contents_take(&in, predictor, events);
  if (in.err == LARDER_OK) {
    *out = predictor;
    return LARDER_OK;
  }
  larder_predictor_free(&predictor);
  return lrd_fail(err, in.err, 0, LRD_PREDICT_ROOM,
                  in.err == LARDER_ENOMEM ? "out of memory for a predictor"
                                          : "the predictor is damaged: it says what none can have learned");
}

/* --- the public calls ---------------------------------------------------------------------------------------------------- */

static larder_err pack(larder_predictor *predictor, larder_predict_format format, lrd_buf *out) {
  lrd_lock(&predictor->mutex);
  larder_err err =
      format == LARDER_PREDICT_JSON ? lrd_predict_write_json(predictor, out) : lrd_predict_write_binary(predictor, out);
  lrd_unlock(&predictor->mutex);
  if (err != LARDER_OK) lrd_buf_fini(out);
  return err;
}

static bool is_format(larder_predict_format format) { return format == LARDER_PREDICT_BINARY || format == LARDER_PREDICT_JSON; }

larder_err larder_predict_pack(larder_predictor *predictor, larder_predict_format format, void **out, size_t *len_out) {
  lrd_buf buf = {0};
  if (predictor == NULL || !is_format(format) || out == NULL || len_out == NULL) return LARDER_EINVAL;
  larder_err err = pack(predictor, format, &buf);
  if (err != LARDER_OK) return err;
  *out = buf.data;
  *len_out = buf.len;
  return LARDER_OK;
}

larder_err larder_predict_unpack(const void *data, size_t len, larder_predictor **out, larder_error *err) {
  if (out == NULL || (data == NULL && len > 0))
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "a predictor needs bytes and a place to go to");
  if (len > 0 && *(const char *)data == '{') return lrd_predict_read_json(data, len, out, err);
  return lrd_predict_read_binary(data, len, out, err);
}

void larder_predict_bytes_free(void *bytes) { lrd_dealloc(bytes); }

static larder_err file_fail(larder_error *err, const char *path, const char *doing) {
  int os_errno = errno;
  larder_err result = os_errno == ENOENT ? LARDER_MISS : os_errno == EFBIG ? LARDER_ETOOBIG : lrd_err_from_errno(os_errno);
  return lrd_fail(err, result, os_errno, LRD_PREDICT_ROOM, "%s can't be %s: %s", path, doing, strerror(os_errno));
}

larder_err larder_predict_save(larder_predictor *predictor, const char *path, larder_predict_format format, larder_error *err) {
  lrd_buf buf = {0};
  if (predictor == NULL || path == NULL || !is_format(format))
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "saving needs a predictor, a path and a format");
  larder_err result = pack(predictor, format, &buf);
  if (result != LARDER_OK) return lrd_fail(err, result, 0, LRD_PREDICT_ROOM, "out of memory while saving %s", path);
  if (lrd_fs_publish(path, buf.data, buf.len, 0644, true) != 0) {
    result = file_fail(err, path, "written");
    if (result == LARDER_MISS) result = LARDER_EIO; /* its folder */
  }
  lrd_buf_fini(&buf);
  return result;
}

larder_err larder_predict_load(const char *path, larder_predictor **out, larder_error *err) {
  char *text = NULL;
  size_t len = 0;
  if (path == NULL || out == NULL)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "loading needs a path and a place to go to");
  if (lrd_fs_slurp(path, LARDER_PREDICT_FILE_MAX, &text, &len) != 0) return file_fail(err, path, "read");
  larder_error inner = {0};
  larder_err result = larder_predict_unpack(text, len, out, &inner);
  lrd_dealloc(text);
  if (result != LARDER_OK) return lrd_fail(err, result, 0, LRD_PREDICT_ROOM, "%s: %s", path, inner.message);
  return LARDER_OK;
}
