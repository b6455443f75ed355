/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering is best effort: where memory or the bound ends it, the output still passes on and the result is not kept. */
#include "mission/job_run.h"

#include "base/clock.h"
#include "mission/flight_lock.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct gathering {
  const lrd_job_run *run;
  lrd_made *made;
  size_t bytes_max;
  bool turned_away; /* nobody wanted to read on */
} gathering;

static bool gather(void *context, int stream, const void *data, size_t len) {
  gathering *g = context;
  lrd_buf *buf = &g->made->streams[stream - 1];
  bool *cut = &g->made->cut[stream - 1];
  if (!*cut && (len > g->bytes_max - buf->len || lrd_buf_append(buf, data, len) != LARDER_OK)) {
    *cut = true;
    lrd_buf_fini(buf);
  }
  if (!g->run->take || g->run->take(g->run->context, stream, data, len)) return true;
  g->turned_away = true;
  return false;
}

static int exit_code_of(const lrd_command_result *ended, char why[LRD_WHY_MAX]) {
  switch (ended->end) {
  case LRD_COMMAND_EXITED:
    return ended->code;
  case LRD_COMMAND_SIGNALLED:
    (void)snprintf(why, LRD_WHY_MAX, "ended by signal %d (%s)", ended->code, strsignal(ended->code));
    return LARDER_EXIT_SIGNAL + ended->code;
  case LRD_COMMAND_TIMED_OUT:
    (void)snprintf(why, LRD_WHY_MAX, "ended because its time was up");
    return LARDER_EXIT_TIMED_OUT;
  case LRD_COMMAND_STOPPED:
    (void)snprintf(why, LRD_WHY_MAX, "stopped");
    return LARDER_EXIT_SIGNAL + 15;
  case LRD_COMMAND_LOST:
    (void)snprintf(why, LRD_WHY_MAX, LRD_COMMAND_LOST_TEXT);
    return LARDER_EXIT_SIGNAL + SIGCHLD; /* no code of its own; that it was no success is what counts */
  case LRD_COMMAND_NOT_STARTED:
    break;
  }
  (void)snprintf(why, LRD_WHY_MAX, "could not be started: %s", strerror(ended->code));
  return ended->code == ENOENT ? LARDER_EXIT_NOT_THERE : LARDER_EXIT_NOT_EXECUTABLE;
}

/* The caller's variables and ours. */
static larder_err environment_of(const lrd_job_run *run, char *making, const char ***out) {
  size_t len = 0;
  while (run->environment && run->environment[len]) len++;
  const char **all = lrd_alloc((len + 2) * sizeof *all);
  if (!all) return LARDER_ENOMEM;
  if (len > 0) memcpy(all, run->environment, len * sizeof *all);
  all[len] = making;
  all[making ? len + 1 : len] = NULL;
  *out = all;
  return LARDER_OK;
}

larder_err lrd_job_run_command(const lrd_job_run *run, lrd_made *made, bool *whole_out, char why[LRD_WHY_MAX]) {
  gathering g = {
      .run = run, .made = made, .bytes_max = run->stream_bytes_max ? run->stream_bytes_max : LARDER_STREAM_BYTES_MAX};
  lrd_command_result ended = {0};
  const char **environment = NULL;
  char *making = run->key ? lrd_job_flight_environment(run->key) : NULL;
  larder_err result = run->key && !making ? LARDER_ENOMEM : environment_of(run, making, &environment);
  if (result == LARDER_OK) {
    const lrd_command command = {.argv = run->job->argv,
                                 .folder = run->job->folder,
                                 .environment = environment,
                                 .timeout_ms = run->timeout_ms,
                                 .held_fd = run->held_fd,
                                 .stop_fd = run->stop_fd,
                                 .signal_fd = run->signal_fd,
                                 .take = gather,
                                 .context = &g};
    int64_t begin_ns = lrd_mono_ns(lrd_clock_real());
    result = lrd_command_run(&command, &ended);
    made->took_ms = (lrd_mono_ns(lrd_clock_real()) - begin_ns) / 1000000;
  }
  if (result == LARDER_OK) {
    made->exit_code = exit_code_of(&ended, why);
    *whole_out = ended.end == LRD_COMMAND_EXITED && !g.turned_away;
    if (g.turned_away) (void)snprintf(why, LRD_WHY_MAX, "its output was not read to the end");
  }
  lrd_dealloc(environment);
  lrd_dealloc(making);
  return result;
}
