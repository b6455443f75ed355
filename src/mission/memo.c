/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look, fly, look again, run, keep. Inputs are digested before the run and once more behind it: a result whose inputs changed
 * meanwhile belongs to neither content and is not kept. Whatever the cache can't do, the command is run.
 */
#include <larder/mission.h>

#include "base/fail.h"
#include "mission/flight_lock.h"
#include "mission/job_run.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define ROOM "mission"

typedef struct memo {
  larder_ns *ns;
  const larder_memo_options *options;
  larder_memo_result *out;
  lrd_job job;
  lrd_job_key key;
  lrd_job_flight flight;
  int signal_fd;
} memo;

static larder_err names_copy(const char *const *items, size_t count, lrd_names *out) {
  if (count == 0) return LARDER_OK;
  out->items = lrd_alloc(count * sizeof *out->items);
  if (!out->items) return LARDER_ENOMEM;
  memcpy(out->items, items, count * sizeof *items);
  out->len = count;
  lrd_names_sort(out);
  return LARDER_OK;
}

static bool names_valid(const char *const *items, size_t count) {
  if (count > LARDER_MISSION_NAMES_MAX || (count > 0 && !items)) return false;
  for (size_t i = 0; i < count; i++)
    if (!items[i] || items[i][0] == '\0') return false;
  return true;
}

static larder_err options_check(const larder_memo_options *o, larder_error *err) {
  if (!o || o->size != sizeof *o || !o->argv || !o->argv[0] || o->argv[0][0] == '\0')
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "there is no command to run");
  if (!names_valid(o->inputs, o->inputs_count) || !names_valid(o->outputs, o->outputs_count) ||
      !names_valid(o->environment, o->environment_count))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "inputs, outputs and variables have names, at most %u of each",
                    LARDER_MISSION_NAMES_MAX);
  if (o->ttl_ms < 0 || o->timeout_ms < 0 || o->timeout_ms > INT64_MAX / 1000000)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a time can't be negative");
  return LARDER_OK;
}

static larder_err job_fill(memo *m, larder_error *err) {
  const larder_memo_options *o = m->options;
  m->job = (lrd_job){.argv = o->argv, .folder = o->folder, .folder_counts = !o->any_folder};
  larder_err result = names_copy(o->inputs, o->inputs_count, &m->job.inputs);
  if (result == LARDER_OK) result = names_copy(o->outputs, o->outputs_count, &m->job.outputs);
  if (result == LARDER_OK) result = names_copy(o->environment, o->environment_count, &m->job.environment);
  return result == LARDER_OK ? LARDER_OK : lrd_fail(err, result, 0, ROOM, "out of memory");
}

/* Files first, then both streams: whoever reads the output may rely on the files. */
static larder_err hit_give(memo *m, const lrd_kept *kept) {
  larder_value streams[2] = {{0}, {0}};
  char why[LRD_WHY_MAX] = "";
  larder_err result = lrd_kept_value(m->ns, kept, LRD_PART_STDOUT, &streams[0]);
  if (result == LARDER_OK) result = lrd_kept_value(m->ns, kept, LRD_PART_STDERR, &streams[1]);
  if (result == LARDER_OK) result = lrd_kept_restore(m->ns, kept, &m->job, why);
  for (int i = 0; i < 2; i++) {
    if (result == LARDER_OK && m->options->take && streams[i].len > 0)
      (void)m->options->take(m->options->context, i + 1, streams[i].data, streams[i].len);
    larder_value_release(&streams[i]);
  }
  if (result != LARDER_OK) return result;
  m->out->exit_code = kept->exit_code;
  m->out->took_ms = kept->took_ms;
  m->out->hit = m->out->kept = true;
  return LARDER_OK;
}

/* LARDER_OK when the recorded result was given out; else the command has to run, for whatever reason. */
static larder_err look(memo *m) {
  lrd_kept *kept = NULL;
  larder_err result = lrd_kept_find(m->ns, &m->job, &m->key, &kept);
  /* A failure that was recorded with `failures` is not what a call without it asks for. */
  if (result == LARDER_OK && kept->exit_code != 0 && !m->options->failures) result = LARDER_MISS;
  if (result == LARDER_OK) result = hit_give(m, kept);
  lrd_kept_free(kept);
  return result;
}

static bool inputs_same(const memo *m) {
  lrd_job_key now;
  return m->job.inputs.len == 0 || (lrd_job_key_of(&m->job, NULL, NULL, &now, NULL) == LARDER_OK &&
                                    memcmp(now.digest, m->key.digest, sizeof now.digest) == 0);
}

static void keep(memo *m, const lrd_made *made) {
  if (made->exit_code != 0 && !m->options->failures) {
    (void)snprintf(m->out->why, sizeof m->out->why, "exit code %d", made->exit_code);
  } else if (!inputs_same(m)) {
    (void)snprintf(m->out->why, sizeof m->out->why, "an input changed while it ran");
  } else {
    m->out->kept = lrd_kept_write(m->ns, &m->job, &m->key, made, m->options->ttl_ms, m->out->why) == LARDER_OK;
  }
}

static larder_err run(memo *m, larder_error *err) {
  lrd_made made = {0};
  bool whole = false;
  const lrd_job_run how = {.job = &m->job,
                           .key = m->ns ? &m->key : NULL,
                           .timeout_ms = m->options->timeout_ms,
                           .stream_bytes_max = m->options->stream_bytes_max,
                           .held_fd = m->flight.fd,
                           .stop_fd = -1,
                           .signal_fd = m->signal_fd,
                           .take = m->options->take,
                           .context = m->options->context};
  larder_err result = lrd_job_run_command(&how, &made, &whole, m->out->why);
  int failure = errno;
  if (result == LARDER_OK) {
    m->out->exit_code = made.exit_code;
    m->out->took_ms = made.took_ms;
    if (whole && m->ns) keep(m, &made);
  } else {
    (void)lrd_fail(err, result, failure, ROOM, "the command can't be run: %s",
                   result == LARDER_ENOMEM ? "out of memory" : strerror(failure));
  }
  lrd_made_fini(&made);
  return result;
}

/* A signal came while another process was waited for: there is nobody to pass it on to, so it ends the waiting. */
static larder_err waiting_ended(memo *m) {
  uint8_t number = 0;
  ssize_t got = read(m->signal_fd, &number, 1);
  m->out->exit_code = LARDER_EXIT_SIGNAL + (got == 1 ? number : 0);
  (void)snprintf(m->out->why, sizeof m->out->why, "a signal ended the waiting for another process");
  return LARDER_OK;
}

static larder_err fly(memo *m, larder_error *err) {
  const lrd_job_flight_wait wait = {.stop_fd = -1, .signal_fd = m->signal_fd};
  larder_err result = lrd_job_flight_take(m->ns, &m->key, wait, &m->flight, &m->out->waited);
  if (result == LARDER_ECLOSED) return waiting_ended(m);
  if (result == LARDER_EBUSY)
    return lrd_fail(err, result, 0, ROOM, "the command asks for its own result: it would wait for itself");
  if (m->options->fresh || look(m) != LARDER_OK) result = run(m, err);
  lrd_job_flight_end(&m->flight);
  return result;
}

larder_err larder_memo(larder_ns *ns, const larder_memo_options *options, larder_memo_result *out, larder_error *err) {
  larder_err result = options_check(options, err);
  if (result != LARDER_OK || !out) return result != LARDER_OK ? result : lrd_fail(err, LARDER_EINVAL, 0, ROOM, "out is NULL");
  larder_memo_result found = {0};
  memo m = {.ns = ns,
            .options = options,
            .out = &found,
            .flight = {.fd = -1},
            .signal_fd = options->signals > 0 ? options->signals : -1};
  result = job_fill(&m, err);
  if (result == LARDER_OK) result = lrd_job_key_of(&m.job, NULL, NULL, &m.key, err);
  if (result == LARDER_OK && !ns) {
    result = run(&m, err);
  } else if (result == LARDER_OK) {
    lrd_sha256_hex(m.key.digest, found.key);
    if (options->fresh || look(&m) != LARDER_OK) result = fly(&m, err);
  }
  lrd_dealloc(m.job.inputs.items);
  lrd_dealloc(m.job.outputs.items);
  lrd_dealloc(m.job.environment.items);
  if (result == LARDER_OK) *out = found;
  return result;
}
