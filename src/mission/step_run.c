/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step, from its key to its end. Like a memo: look, fly, look again, run, keep. Several workers do this at once, each with
 * a step of its own; of other steps they read only the keys of those that have ended before.
 */
#include "base/clock.h"
#include "base/fail.h"
#include "mission/flight_lock.h"
#include "mission/job_run.h"
#include "mission/mission_graph.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define PARAMS_IN_ENVIRONMENT_MAX ((size_t)100 << 10) /* the kernel takes 128 KiB */

typedef struct doing {
  const lrd_mission_running *running;
  const lrd_step *step;
  lrd_step_now *now;
  lrd_job job;
  lrd_job_key *after;
  lrd_job_flight flight;
  lrd_made made;
} doing;

void lrd_step_now_reset(lrd_step_now *now) {
  lrd_kept_free(now->record);
  lrd_dealloc(now->errors);
  *now = (lrd_step_now){.took_ms = -1};
}

static int key_order(const void *a, const void *b) { return memcmp(a, b, sizeof(lrd_job_key)); }

/* What the key is made of; after gets room for step->after_len keys. */
static lrd_job job_of(const larder_mission *m, const lrd_step *step, lrd_job_key *after) {
  for (uint32_t i = 0; i < step->after_len; i++) after[i] = m->steps[step->after[i]].now.key;
  qsort(after, step->after_len, sizeof *after, key_order);
  return (lrd_job){.type = step->type,
                   .params = step->params,
                   .argv = step->argv,
                   .folder = m->folder,
                   .inputs = step->inputs,
                   .outputs = step->outputs,
                   .environment = step->environment,
                   .after = after,
                   .after_len = step->after_len};
}

larder_err lrd_step_key(const larder_mission *m, const lrd_step *step, const lrd_file_sum *sums, lrd_job_key *out,
                        larder_error *err) {
  lrd_job_key *after = lrd_alloc((step->after_len + 1) * sizeof *after);
  if (!after) return lrd_fail(err, LARDER_ENOMEM, 0, "mission", "out of memory");
  const lrd_job job = job_of(m, step, after);
  larder_err result = lrd_job_key_of(&job, sums, step->input_sums, out, err);
  lrd_dealloc(after);
  return result;
}

static void ended(const doing *d, larder_step_state state, const char *why) {
  d->now->state = state;
  if (why) (void)snprintf(d->now->why, sizeof d->now->why, "%.*s", (int)sizeof d->now->why - 1, why);
}

static bool stopped(const larder_mission *m) {
  struct pollfd fd = {.fd = m->stop_fd, .events = POLLIN};
  return poll(&fd, 1, 0) > 0;
}

/* True when the record answered, and its files are in place. */
static bool hit(const doing *d) {
  lrd_kept *kept = NULL;
  char why[LRD_WHY_MAX] = "";
  larder_err result = lrd_kept_find(d->running->ns, &d->job, &d->now->key, &kept);
  bool good = result == LARDER_OK && kept->exit_code == 0 && lrd_kept_restore(d->running->ns, kept, &d->job, why) == LARDER_OK;
  if (good) {
    d->now->took_ms = kept->took_ms;
    d->now->kept = true;
    ended(d, LARDER_STEP_HIT, NULL);
  }
  lrd_kept_free(kept);
  return good;
}

/* --- making --------------------------------------------------------------------------------------------------------------- */

static bool pass_on(void *context, int stream, const void *data, size_t len) {
  const doing *d = context;
  const larder_mission_run_options *o = d->running->options;
  if (stream == 2 && o->remarks) o->remarks(o->context, (size_t)(d->step - d->running->mission->steps), data, len);
  return true;
}

static uint64_t bytes_most(const doing *d) {
  uint64_t most = d->running->options->stream_bytes_max;
  return most ? most : LARDER_STREAM_BYTES_MAX;
}

larder_err larder_mission_write(const larder_mission_call *call, const void *data, size_t len) {
  if (!call || !call->self || (!data && len > 0)) return LARDER_EINVAL;
  doing *d = call->self;
  lrd_buf *out = &d->made.streams[0];
  if (len > bytes_most(d) - out->len) {
    d->made.cut[0] = true;
    return LARDER_ETOOBIG;
  }
  return lrd_buf_append(out, data, len);
}

/* LARDER_OK, and whether it went well; why not, in now->why. */
static bool make_by_callback(doing *d) {
  const lrd_step *step = d->step;
  const larder_mission_call call = {
      .id = step->id, .type = step->type, .params = step->params.data, .folder = d->running->mission->folder, .self = d};
  int64_t begin_ns = lrd_mono_ns(lrd_clock_real());
  larder_err result = step->maker->make(step->maker->context, &call);
  d->made.took_ms = (lrd_mono_ns(lrd_clock_real()) - begin_ns) / 1000000;
  if (result == LARDER_OK) return true;
  d->now->exit_code = d->made.exit_code = 1;
  (void)snprintf(d->now->why, sizeof d->now->why, "its callback answered %s: %s", larder_err_name(result),
                 larder_err_text(result));
  return false;
}

static bool make_by_command(doing *d) {
  const larder_mission *m = d->running->mission;
  lrd_buf type = {0}, params = {0};
  bool whole = false;
  larder_err result = lrd_buf_printf(&type, "LARDER_TYPE=%s", d->step->type);
  if (result == LARDER_OK) result = lrd_buf_append_str(&params, "LARDER_PARAMS=");
  if (result == LARDER_OK) result = lrd_buf_append(&params, d->step->params.data, d->step->params.len);
  if (result == LARDER_OK) result = lrd_buf_terminate(&type);
  if (result == LARDER_OK) result = lrd_buf_terminate(&params);
  bool fits = d->step->params.len <= PARAMS_IN_ENVIRONMENT_MAX;
  const char *const environment[] = {(const char *)type.data, fits ? (const char *)params.data : "LARDER_PARAMS=", NULL};
  const lrd_job_run how = {.job = &d->job,
                           .key = d->running->ns ? &d->now->key : NULL,
                           .environment = environment,
                           .timeout_ms = d->step->timeout_ms ? d->step->timeout_ms : d->running->options->timeout_ms,
                           .stream_bytes_max = bytes_most(d),
                           .held_fd = d->flight.fd,
                           .stop_fd = m->stop_fd,
                           .signal_fd = -1,
                           .take = pass_on,
                           .context = d};
  if (result == LARDER_OK) result = lrd_job_run_command(&how, &d->made, &whole, d->now->why);
  if (result != LARDER_OK)
    (void)snprintf(d->now->why, sizeof d->now->why, "can't be run: %s",
                   result == LARDER_ENOMEM ? "out of memory" : strerror(errno));
  lrd_buf_fini(&type);
  lrd_buf_fini(&params);
  d->now->exit_code = d->made.exit_code;
  if (whole && d->made.exit_code != 0) (void)snprintf(d->now->why, sizeof d->now->why, "exit code %d", d->made.exit_code);
  return whole && d->made.exit_code == 0;
}

static bool inputs_same(const doing *d) {
  lrd_job_key now;
  return d->job.inputs.len == 0 || (lrd_job_key_of(&d->job, NULL, NULL, &now, NULL) == LARDER_OK &&
                                    memcmp(now.digest, d->now->key.digest, sizeof now.digest) == 0);
}

/* Whether the outputs are there, whoever made them. */
static bool outputs_there(const doing *d) {
  for (size_t i = 0; i < d->job.outputs.len; i++) {
    struct stat found;
    char *path = lrd_job_path(d->job.folder, d->job.outputs.items[i]);
    bool there = !path || lrd_file_look(path, &found) == 0; /* out of memory is told where it is kept */
    lrd_dealloc(path);
    if (there) continue;
    (void)snprintf(d->now->why, sizeof d->now->why, "the output %.200s was not made", d->job.outputs.items[i]);
    return false;
  }
  return true;
}

static void keep(doing *d) {
  if (!outputs_there(d)) {
    ended(d, LARDER_STEP_FAILED, NULL);
    return;
  }
  if (!d->running->ns) {
    ended(d, LARDER_STEP_MADE, "there is no cache to keep it");
    return;
  }
  if (!inputs_same(d)) {
    ended(d, LARDER_STEP_MADE, "not kept: an input changed while it ran");
    return;
  }
  char why[LRD_WHY_MAX] = "";
  larder_err result = lrd_kept_write(d->running->ns, &d->job, &d->now->key, &d->made, d->running->options->ttl_ms, why);
  d->now->kept = result == LARDER_OK;
  ended(d, result == LARDER_MISS ? LARDER_STEP_FAILED : LARDER_STEP_MADE, why);
}

/* The end of what it wrote to standard error. */
static void errors_take(const doing *d) {
  const lrd_buf *all = &d->made.streams[1];
  size_t len = all->len < LRD_MISSION_ERRORS_MAX ? all->len : LRD_MISSION_ERRORS_MAX;
  d->now->errors = len > 0 ? lrd_strndup((const char *)all->data + all->len - len, len) : NULL;
  d->now->errors_len = d->now->errors ? len : 0;
}

static void make(doing *d) {
  bool good = d->step->maker ? make_by_callback(d) : make_by_command(d);
  d->now->took_ms = d->made.took_ms;
  if (good)
    keep(d);
  else
    ended(d, LARDER_STEP_FAILED, NULL);
  if (d->now->state == LARDER_STEP_FAILED) errors_take(d);
  lrd_made_fini(&d->made);
}

static void fly(doing *d) {
  const lrd_job_flight_wait wait = {.stop_fd = d->running->mission->stop_fd, .signal_fd = -1};
  larder_err result = lrd_job_flight_take(d->running->ns, &d->now->key, wait, &d->flight, NULL);
  if (result == LARDER_ECLOSED)
    ended(d, LARDER_STEP_SKIPPED, "stopped");
  else if (result == LARDER_EBUSY)
    ended(d, LARDER_STEP_FAILED, "it asks for its own result: it would wait for itself");
  else if (d->running->options->force || !hit(d))
    make(d);
  lrd_job_flight_end(&d->flight);
}

void lrd_step_do(const lrd_mission_running *running, const lrd_step *step, lrd_step_now *now) {
  larder_error err = {0};
  doing d = {.running = running, .step = step, .now = now, .flight = {.fd = -1}};
  *now = (lrd_step_now){.took_ms = -1};
  d.after = lrd_alloc((step->after_len + 1) * sizeof *d.after);
  if (stopped(running->mission)) {
    ended(&d, LARDER_STEP_SKIPPED, "stopped");
  } else if (!d.after || lrd_step_key(running->mission, step, NULL, &now->key, &err) != LARDER_OK) {
    ended(&d, LARDER_STEP_FAILED, d.after ? err.message : "out of memory");
  } else {
    now->key_known = true;
    d.job = job_of(running->mission, step, d.after);
    if (!running->ns)
      make(&d);
    else if (running->options->force || !hit(&d))
      fly(&d);
    if (now->kept) lrd_step_remember(running->mission, running->ns, step, &now->key);
  }
  lrd_dealloc(d.after);
}
