/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions from JSON Lines. Texts are numbered while they are read, so that a request is 24 bytes whatever it asks for; then
 * requests are brought together by their sessions, in the order of the file.
 */
#include "base/fail.h"
#include "base/fs.h"
#include "base/json_read.h"
#include "codec/unpack_stream.h"
#include "predictor.h"
#include "simulate/trace_keys.h"
#include "warm/entry_source.h"

#include <errno.h>
#include <fcntl.h>
#include <larder/evaluate.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES ((size_t)64 << 20)
#define NO_TYPE        UINT32_MAX
#define TEXT_LIMIT     65536u

typedef struct session_request {
  uint32_t session, endpoint, user_type;
  int64_t wall_ms;
} session_request;

struct larder_sessions {
  lrd_trace_keys names, endpoints, user_types; /* of user types the NUL is part of the key */
  session_request *requests;
  uint64_t len, cap;
  uint32_t nameless;
  bool gathered; /* what follows is up to date */
  larder_predict_event *events;
  uint64_t *ends; /* of each session, in events */
  size_t sessions_len;
};

typedef struct sessions_reading {
  larder_sessions *all;
  const char *path;
  lrd_source *source;
  lrd_json_doc doc;
  lrd_buf text;
  larder_error *err;
} sessions_reading;

LARDER_PRINTF(2, 3) static larder_err mistaken(sessions_reading *r, const char *format, ...) {
  char what[256];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(what, sizeof what, format, args);
  va_end(args);
  return lrd_fail(r->err, LARDER_EFORMAT, 0, LRD_PREDICT_ROOM, "%s:%llu: %s", r->path, (unsigned long long)r->source->line,
                  what);
}

/* --- a line --------------------------------------------------------------------------------------------------------------- */

/* What a node says, a text or a number as it is written, into r->text; told where it is neither, or empty. */
static larder_err text_take(sessions_reading *r, uint32_t node, const char *what) {
  lrd_json_type type = lrd_json_type_of(&r->doc, node);
  lrd_buf_clear(&r->text);
  if (type != LRD_JSON_STRING && type != LRD_JSON_NUMBER) return mistaken(r, "%s is a text or a number", what);
  const lrd_json_node *at = &r->doc.nodes[node];
  larder_err err = type == LRD_JSON_STRING ? lrd_json_string_append(&r->doc, node, &r->text)
                                           : lrd_buf_append(&r->text, r->doc.text + at->at, at->len);
  if (err == LARDER_OK && (r->text.len == 0 || r->text.len > TEXT_LIMIT))
    return mistaken(r, "%s has 1 to %u bytes", what, TEXT_LIMIT);
  return err;
}

static uint32_t either(const sessions_reading *r, uint32_t object, const char *name, const char *other) {
  uint32_t node = lrd_json_member(&r->doc, object, name);
  return node ? node : lrd_json_member(&r->doc, object, other);
}

/* *out stays as it is where nothing is said. */
static larder_err type_take(sessions_reading *r, uint32_t object, uint32_t *out) {
  uint32_t node = lrd_json_member(&r->doc, object, "user_type");
  if (node == 0 || lrd_json_type_of(&r->doc, node) == LRD_JSON_NULL) return LARDER_OK;
  larder_err err = text_take(r, node, "user_type");
  if (err == LARDER_OK) err = lrd_buf_append_byte(&r->text, 0);
  return err == LARDER_OK ? lrd_trace_keys_number(&r->all->user_types, r->text.data, r->text.len, out) : err;
}

static larder_err time_take(sessions_reading *r, uint32_t object, int64_t *out) {
  uint32_t seconds = lrd_json_member(&r->doc, object, "at"), ms = lrd_json_member(&r->doc, object, "at_ms");
  double value;
  *out = 0;
  if (seconds == 0 && ms == 0) return LARDER_OK;
  if (!lrd_json_double_of(&r->doc, ms ? ms : seconds, &value) || !(value >= 0 && value <= 1e14))
    return mistaken(r, "%s is a number of %s since 1970", ms ? "at_ms" : "at", ms ? "milliseconds" : "seconds");
  *out = (int64_t)(ms ? value : value * 1000 + 0.5);
  return LARDER_OK;
}

static larder_err session_take(sessions_reading *r, uint32_t object, uint32_t *out) {
  uint32_t node = lrd_json_member(&r->doc, object, "session");
  char own[24];
  if (node == 0) {
    int len = snprintf(own, sizeof own, "%c%u", '\0', r->all->nameless++);
    return lrd_trace_keys_number(&r->all->names, own, (size_t)len, out);
  }
  larder_err err = text_take(r, node, "session");
  return err == LARDER_OK ? lrd_trace_keys_number(&r->all->names, r->text.data, r->text.len, out) : err;
}

static larder_err request_add(sessions_reading *r, const session_request *request) {
  larder_sessions *all = r->all;
  if (all->len == LARDER_SESSIONS_REQUESTS_MAX)
    return lrd_fail(r->err, LARDER_ETOOBIG, 0, LRD_PREDICT_ROOM, "%s: these are more than %llu requests", r->path,
                    (unsigned long long)LARDER_SESSIONS_REQUESTS_MAX);
  if (all->len == all->cap) {
    uint64_t cap = all->cap > 0 ? all->cap * 2 : 4096;
    session_request *grown = lrd_realloc(all->requests, (size_t)cap * sizeof *grown);
    if (grown == NULL) return LARDER_ENOMEM;
    all->requests = grown;
    all->cap = cap;
  }
  all->requests[all->len++] = *request;
  return LARDER_OK;
}

/* An endpoint alone, or an object with one. `request` has the session and its type. */
static larder_err request_take(sessions_reading *r, uint32_t node, session_request request) {
  bool object = lrd_json_type_of(&r->doc, node) == LRD_JSON_OBJECT;
  uint32_t endpoint = object ? either(r, node, "endpoint", "key") : node;
  larder_err err = LARDER_OK;
  if (endpoint == 0) return mistaken(r, "a request has no endpoint");
  if (object) err = time_take(r, node, &request.wall_ms);
  if (err == LARDER_OK && object) err = type_take(r, node, &request.user_type);
  if (err == LARDER_OK) err = text_take(r, endpoint, "an endpoint");
  if (err == LARDER_OK) err = lrd_trace_keys_number(&r->all->endpoints, r->text.data, r->text.len, &request.endpoint);
  return err == LARDER_OK ? request_add(r, &request) : err;
}

static larder_err line_take(sessions_reading *r, const char *text, size_t len) {
  session_request request = {.user_type = NO_TYPE};
  larder_err err = lrd_json_parse(&r->doc, text, len);
  if (err == LARDER_ENOMEM) return err;
  if (err != LARDER_OK) {
    unsigned line, column;
    lrd_json_place(text, len, r->doc.mistake_at, &line, &column);
    return mistaken(r, "no JSON: column %u: %s", column, r->doc.mistake ? r->doc.mistake : "too long");
  }
  if (lrd_json_type_of(&r->doc, 0) != LRD_JSON_OBJECT)
    return mistaken(r, "a line is an object: {\"session\": …, \"requests\": […]} or {\"session\": …, \"endpoint\": …}");
  uint32_t list = either(r, 0, "requests", "keys");
  if (list == 0 && lrd_json_member(&r->doc, 0, "session") == 0) return mistaken(r, "a request has no session");
  err = session_take(r, 0, &request.session);
  if (err == LARDER_OK) err = type_take(r, 0, &request.user_type);
  if (err != LARDER_OK || list == 0) return err == LARDER_OK ? request_take(r, 0, request) : err;
  if (lrd_json_type_of(&r->doc, list) != LRD_JSON_ARRAY) return mistaken(r, "the requests of a session are a list");
  uint32_t end = r->doc.nodes[list].next;
  for (uint32_t at = lrd_json_first(&r->doc, list); err == LARDER_OK && at != 0 && at < end; at = r->doc.nodes[at].next)
    err = request_take(r, at, request);
  return err;
}

static bool is_blank(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
  return true;
}

static larder_err lines_take(sessions_reading *r) {
  larder_err err = lrd_source_mark_skip(r->source);
  while (err == LARDER_OK) {
    size_t len = 0, end = 0;
    err = lrd_source_line(r->source, LINE_MAX_BYTES, &len, &end);
    if (err == LARDER_ETOOBIG) return mistaken(r, "the line is longer than %zu MiB", LINE_MAX_BYTES >> 20);
    if (err != LARDER_OK || end == 0) break;
    const char *text = lrd_source_text(r->source);
    if (!is_blank(text, len)) err = line_take(r, text, len);
    if (err == LARDER_OK) lrd_source_use(r->source, end);
  }
  return err;
}

/* --- the file ------------------------------------------------------------------------------------------------------------ */

static int64_t fd_read(void *context, void *out, size_t room) { return lrd_fs_read_next(*(const int *)context, out, room); }

larder_err lrd_sessions_take(larder_sessions *all, const char *called, int64_t (*read)(void *context, void *out, size_t room),
                             void *context, larder_error *told) {
  sessions_reading reading = {.all = all, .path = called, .err = told}, *r = &reading;
  lrd_unpacking *unpacking = NULL;
  lrd_source source;
  larder_err err = lrd_unpacking_new(read, context, &unpacking);
  if (err != LARDER_OK) return lrd_fail(r->err, err, 0, LRD_PREDICT_ROOM, "out of memory");
  r->source = &source;
  err = lrd_source_init(&source, -1, lrd_unpacking_read, unpacking);
  if (err == LARDER_OK) err = lines_take(r);
  const char *why = NULL;
  int os_errno = errno;
  larder_err unpacked = lrd_unpacking_failure(unpacking, &why);
  if (err == LARDER_EIO && unpacked != LARDER_OK)
    err = lrd_fail(r->err, unpacked, unpacked == LARDER_EIO ? os_errno : 0, LRD_PREDICT_ROOM, "%s can't be read: %s", r->path,
                   why);
  if (err == LARDER_ENOMEM) lrd_ignore(lrd_fail(r->err, err, 0, LRD_PREDICT_ROOM, "%s: out of memory", r->path));
  lrd_json_doc_fini(&reading.doc);
  lrd_buf_fini(&reading.text);
  lrd_source_fini(&source);
  lrd_unpacking_free(unpacking);
  return err;
}

larder_err larder_sessions_read(const char *path, larder_sessions **sessions, larder_error *err) {
  if (path == NULL || sessions == NULL)
    return lrd_fail(err, LARDER_EINVAL, 0, LRD_PREDICT_ROOM, "sessions need a path and a place to go to");
  if (*sessions == NULL) *sessions = lrd_alloc_zero(1, sizeof **sessions);
  if (*sessions == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, LRD_PREDICT_ROOM, "out of memory");
  (*sessions)->gathered = false;
  int fd = lrd_fs_open(path, O_RDONLY, 0);
  if (fd < 0) {
    int os_errno = errno;
    larder_err result = os_errno == ENOENT ? LARDER_MISS : lrd_err_from_errno(os_errno);
    return lrd_fail(err, result, os_errno, LRD_PREDICT_ROOM, "%s can't be read: %s", path, strerror(os_errno));
  }
  larder_err result = lrd_sessions_take(*sessions, path, fd_read, &fd, err);
  lrd_fs_close(fd);
  return result;
}

void larder_sessions_close(larder_sessions **sessions) {
  if (sessions == NULL || *sessions == NULL) return;
  lrd_trace_keys_fini(&(*sessions)->names);
  lrd_trace_keys_fini(&(*sessions)->endpoints);
  lrd_trace_keys_fini(&(*sessions)->user_types);
  lrd_dealloc((*sessions)->requests);
  lrd_dealloc((*sessions)->events);
  lrd_dealloc((*sessions)->ends);
  lrd_dealloc(*sessions);
  *sessions = NULL;
}

/* --- by session ------------------------------------------------------------------------------------------------------------
 */

static void event_make(const larder_sessions *all, const session_request *request, larder_predict_event *out) {
  lrd_span name = lrd_trace_keys_at(&all->names, request->session);
  lrd_span endpoint = lrd_trace_keys_at(&all->endpoints, request->endpoint);
  *out = (larder_predict_event){name.data, name.len, endpoint.data, endpoint.len, NULL, request->wall_ms};
  if (request->user_type != NO_TYPE) out->user_type = lrd_trace_keys_at(&all->user_types, request->user_type).data;
}

/* A counting sort, which keeps the order of the file within each session. Names are numbered in the order in which they come.
 */
static larder_err gather(larder_sessions *all) {
  if (all->gathered) return LARDER_OK;
  lrd_dealloc(all->events);
  lrd_dealloc(all->ends);
  all->sessions_len = 0;
  all->events = lrd_alloc((size_t)(all->len + 1) * sizeof *all->events);
  all->ends = lrd_alloc_zero(all->names.len + (size_t)1, sizeof *all->ends);
  if (all->events == NULL || all->ends == NULL) return LARDER_ENOMEM;
  for (uint64_t i = 0; i < all->len; i++) all->ends[all->requests[i].session + 1]++;
  for (uint32_t i = 0; i < all->names.len; i++) all->ends[i + 1] += all->ends[i];
  /* As each is put in its place, the beginnings become the ends. */
  for (uint64_t i = 0; i < all->len; i++)
    event_make(all, &all->requests[i], &all->events[all->ends[all->requests[i].session]++]);
  all->sessions_len = all->names.len;
  all->gathered = true;
  return LARDER_OK;
}

size_t larder_sessions_count(larder_sessions *sessions) { return gather(sessions) == LARDER_OK ? sessions->sessions_len : 0; }

uint64_t larder_sessions_requests(const larder_sessions *sessions) { return sessions->len; }

const larder_predict_event *larder_sessions_get(larder_sessions *sessions, size_t n, size_t *count_out) {
  *count_out = 0;
  if (gather(sessions) != LARDER_OK || n >= sessions->sessions_len) return NULL;
  uint64_t begin = n > 0 ? sessions->ends[n - 1] : 0;
  *count_out = (size_t)(sessions->ends[n] - begin);
  return sessions->events + begin;
}
