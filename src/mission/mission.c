/* SPDX-License-Identifier: Apache-2.0 */
/* A mission's life: opened from a file, looked at, planned, forgotten, closed. */
#include <larder/mission.h>

#include "base/fail.h"
#include "base/fs.h"
#include "config/yaml_json.h"
#include "mission/mission_graph.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROOM "mission"

/* --- opening ---------------------------------------------------------------------------------------------------------------
 */

static const char *copy(larder_mission *m, const char *text) {
  return text ? lrd_config_arena_copy(&m->arena, text, strlen(text)) : NULL;
}

static larder_err options_take(larder_mission *m, const larder_mission_options *o) {
  m->makers_len = o->makers_count;
  m->makers = lrd_config_arena_alloc(&m->arena, (o->makers_count + 1) * sizeof *m->makers);
  if (!m->makers) return LARDER_ENOMEM;
  for (size_t i = 0; i < o->makers_count; i++) {
    m->makers[i] = o->makers[i];
    m->makers[i].type = copy(m, o->makers[i].type);
    if (!m->makers[i].type) return LARDER_ENOMEM;
  }
  m->runner = copy(m, o->runner);
  return o->runner && !m->runner ? LARDER_ENOMEM : LARDER_OK;
}

/* The file's absolute name says whose steps are remembered; its folder is where they run. */
static larder_err place_take(larder_mission *m, const char *file, const char *folder, larder_error *err) {
  char *path = realpath(file, NULL);
  uint8_t digest[LRD_SHA256_LEN];
  char hex[LRD_SHA256_HEX_LEN + 1];
  if (!path) return lrd_fail(err, lrd_err_from_errno(errno), errno, ROOM, "%s can't be read: %s", file, strerror(errno));
  lrd_sha256_of(path, strlen(path), digest);
  lrd_sha256_hex(digest, hex);
  memcpy(m->identity, hex, sizeof m->identity - 1);
  char *slash = strrchr(path, '/');
  if (slash) slash[slash == path] = '\0';
  m->folder = copy(m, folder ? folder : path);
  free(path);
  return m->folder ? LARDER_OK : lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
}

larder_mission *lrd_mission_new(const larder_mission_options *o) {
  larder_mission *m = lrd_alloc_zero(1, sizeof *m);
  if (!m) return NULL;
  lrd_mutex_init(&m->mutex);
  m->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (m->stop_fd >= 0 && options_take(m, o) == LARDER_OK) return m;
  larder_mission_close(&m);
  return NULL;
}

void larder_mission_close(larder_mission **mission) {
  if (!mission || !*mission) return;
  larder_mission *m = *mission;
  for (uint32_t i = 0; i < m->steps_len; i++) lrd_step_now_reset(&m->steps[i].now);
  if (m->stop_fd >= 0) close(m->stop_fd);
  lrd_mutex_fini(&m->mutex);
  lrd_config_arena_fini(&m->arena);
  lrd_dealloc(m);
  *mission = NULL;
}

static bool is_yaml(const char *file) {
  const char *dot = strrchr(file, '.');
  return dot && (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0);
}

typedef struct opening {
  larder_mission *m;
  const char *file;
  lrd_mistakes mistakes;
  lrd_config_arena scratch; /* of the mistakes and the YAML tree */
  lrd_buf json;
  lrd_buf origins;
  void (*visit)(void *context, const larder_mission_mistake *mistake);
  void *context;
} opening;

static larder_err text_read(opening *o, const char *text, size_t len) {
  lrd_mission_reading reading = {.mission = o->m, .mistakes = &o->mistakes, .text = text, .len = len};
  larder_err result = LARDER_OK;
  if (is_yaml(o->file)) {
    result = lrd_yaml_to_json(text, len, &o->mistakes, &o->json, &o->origins);
    reading.text = (const char *)o->json.data;
    reading.len = o->json.len;
    reading.origins = &o->origins;
  }
  if (result == LARDER_OK && o->mistakes.count == 0) result = lrd_mission_read(&reading);
  if (result == LARDER_OK && reading.at) result = lrd_mission_link(&reading);
  for (uint32_t i = 0; i < o->m->steps_len; i++) o->m->steps[i].now.took_ms = -1;
  return result;
}

static larder_err mistakes_tell(const opening *o, larder_error *err) {
  const lrd_mistake *first = o->mistakes.first;
  if (!first) return o->mistakes.count == 0 ? LARDER_OK : lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  for (const lrd_mistake *one = first; one && o->visit; one = one->next) {
    const larder_mission_mistake mistake = {
        .file = o->file, .line = one->place.line, .column = one->place.column, .message = one->message};
    o->visit(o->context, &mistake);
  }
  return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "%s:%d:%d: %s", o->file, first->place.line, first->place.column,
                  first->message);
}

larder_err lrd_mission_parse(larder_mission *m, const char *file, const char *text, size_t len,
                             void (*visit)(void *context, const larder_mission_mistake *mistake), void *context,
                             larder_error *err) {
  opening o = {.m = m, .file = file, .visit = visit, .context = context};
  lrd_mistakes_init(&o.mistakes, &o.scratch);
  larder_err result = text_read(&o, text, len);
  if (result == LARDER_OK)
    result = mistakes_tell(&o, err);
  else
    (void)lrd_fail(err, result, 0, ROOM, "%s: %s", file, larder_err_text(result));
  lrd_buf_fini(&o.json);
  lrd_buf_fini(&o.origins);
  lrd_config_arena_fini(&o.scratch);
  return result;
}

static bool options_valid(const larder_mission_options *o) {
  if (o->size != sizeof *o || (o->makers_count > 0 && !o->makers) || (o->runner && !*o->runner)) return false;
  for (size_t i = 0; i < o->makers_count; i++)
    if (!o->makers[i].type || !o->makers[i].make) return false;
  return true;
}

larder_err larder_mission_open(const char *file, const larder_mission_options *options,
                               void (*visit)(void *context, const larder_mission_mistake *mistake), void *context,
                               larder_mission **out, larder_error *err) {
  static const larder_mission_options defaults = {.size = sizeof defaults};
  const larder_mission_options *o = options ? options : &defaults;
  if (!file || !out || !options_valid(o))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a mission has a file, and its options their size and complete makers");
  char *text = NULL;
  size_t len = 0;
  larder_mission *m = lrd_mission_new(o);
  if (!m) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  larder_err result = place_take(m, file, o->folder, err);
  if (result == LARDER_OK && lrd_fs_slurp(file, LRD_MISSION_BYTES_MAX, &text, &len)) {
    result = errno == EFBIG ? LARDER_ETOOBIG : lrd_err_from_errno(errno);
    (void)lrd_fail(err, result, errno, ROOM, "%s can't be read: %s", file,
                   errno == EFBIG ? "it has more than 16 MiB" : strerror(errno));
  }
  if (result == LARDER_OK) result = lrd_mission_parse(m, file, text, len, visit, context, err);
  lrd_dealloc(text);
  if (result == LARDER_OK)
    *out = m;
  else
    larder_mission_close(&m);
  return result;
}

/* --- looking ---------------------------------------------------------------------------------------------------------------
 */

const char *larder_step_state_name(larder_step_state state) {
  static const char *const names[] = {"waiting", "running", "hit", "made", "failed", "skipped", "will run", "may run"};
  return (size_t)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

const char *larder_mission_name(const larder_mission *mission) { return mission ? mission->name : NULL; }

size_t larder_mission_count(const larder_mission *mission) { return mission ? mission->steps_len : 0; }

bool larder_mission_step_at(larder_mission *mission, size_t index, larder_mission_step *out) {
  if (!mission || !out || index >= mission->steps_len) return false;
  lrd_lock(&mission->mutex);
  const lrd_step *step = &mission->steps[index];
  const lrd_step_now *now = &step->now;
  *out = (larder_mission_step){.id = step->id,
                               .type = step->type,
                               .state = now->state,
                               .kept = now->kept,
                               .exit_code = now->exit_code,
                               .took_ms = now->took_ms,
                               .errors = now->errors,
                               .errors_len = now->errors_len,
                               .after = step->after,
                               .after_len = step->after_len};
  memcpy(out->why, now->why, sizeof out->why);
  if (now->key_known) lrd_sha256_hex(now->key.digest, out->key);
  lrd_unlock(&mission->mutex);
  return true;
}

bool larder_mission_find(const larder_mission *mission, const char *id, size_t *index_out) {
  if (!mission || !id || !index_out) return false;
  uint32_t index = lrd_mission_find(mission, id);
  if (index == mission->steps_len) return false;
  *index_out = index;
  return true;
}

void larder_mission_stop(larder_mission *mission) {
  static const uint64_t one = 1;
  if (!mission) return;
  int before = errno; /* it may be a signal handler that calls */
  ssize_t written = write(mission->stop_fd, &one, sizeof one);
  (void)written;
  errno = before;
}

larder_err larder_mission_output(const larder_mission *mission, larder_ns *ns, size_t index, larder_value *out) {
  if (!mission || !ns || !out || index >= mission->steps_len) return LARDER_EINVAL;
  const lrd_step *step = &mission->steps[index];
  const lrd_job job = {.outputs = step->outputs};
  lrd_kept *kept = NULL;
  if (!step->now.key_known) return LARDER_MISS;
  larder_err result = lrd_kept_find(ns, &job, &step->now.key, &kept);
  if (result == LARDER_OK) result = lrd_kept_value(ns, kept, LRD_PART_STDOUT, out);
  lrd_kept_free(kept);
  return result;
}

larder_err larder_mission_plot(const larder_mission *mission, char **out, size_t *len_out) {
  lrd_buf text = {0};
  if (!mission || !out) return LARDER_EINVAL;
  larder_err result = lrd_mission_draw(mission, &text);
  if (result == LARDER_OK) result = lrd_buf_terminate(&text);
  if (result == LARDER_OK) {
    *out = (char *)text.data;
    if (len_out) *len_out = text.len;
    return LARDER_OK;
  }
  lrd_buf_fini(&text);
  return result;
}

void larder_mission_text_free(char *text) { lrd_dealloc(text); }
