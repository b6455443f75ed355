/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A maker holds its templates and the configured variables, and nothing that a making changes but the rate. A run gathers both
 * streams: of the output at most value_bytes_max, of the errors the end.
 */
#include "command_maker.h"

#include "attempts.h"
#include "base/fail.h"
#include "base/redact.h"
#include "command_run.h"
#include "command_said.h"
#include "config/key_template.h"
#include <errno.h>

#define VARIABLES 3u /* of our own */

struct lrd_command_maker {
  lrd_config_maker config;
  lrd_attempts attempts;
  lrd_key_template **argv;
  size_t argc;
  char *pairs;            /* the configured variables, each with a NUL behind it */
  const char **variables; /* they, and room for ours and the end */
  size_t variables_len;
};

/* --- one run ------------------------------------------------------------------------------------------------------------ */

typedef struct run {
  const lrd_command_maker *maker;
  const larder_making *making;
  lrd_buf arguments; /* one after the other, each with a NUL behind it */
  lrd_buf ours;      /* variables likewise */
  const char **argv;
  const char **environment;
  lrd_buf value;
  bool too_big;
  bool out_of_memory;
  larder_err gone; /* why nobody wants it any more */
  lrd_said said;
} run;

static bool take(void *context, int stream, const void *data, size_t len) {
  run *r = context;
  if (stream == 2) {
    lrd_said_add(&r->said, data, len);
    return true;
  }
  r->too_big = len > r->maker->config.value_bytes_max - r->value.len;
  r->out_of_memory = !r->too_big && lrd_buf_append(&r->value, data, len) != LARDER_OK;
  return !r->too_big && !r->out_of_memory;
}

static bool cancelled(void *context) {
  run *r = context;
  r->gone = lrd_making_look(r->making, r->maker->attempts.clock);
  return r->too_big || r->out_of_memory || r->gone != LARDER_OK;
}

/* Texts that stand one after the other in a buffer, as pointers. */
static void texts_point(const lrd_buf *texts, const char **out, size_t count) {
  const char *at = (const char *)texts->data;
  for (size_t i = 0; i < count; i++, at += strlen(at) + 1) out[i] = at;
}

static larder_err argv_fill(run *r, larder_error *err) {
  const lrd_command_maker *m = r->maker;
  const larder_making *making = r->making;
  larder_error why = {0};
  larder_err result = LARDER_OK;
  for (size_t i = 0; i < m->argc && result == LARDER_OK; i++) {
    result = lrd_key_argument_fill(m->argv, i, m->attempts.ns, making->key, making->key_len, &r->arguments, &why);
    if (result == LARDER_OK) {
      result = lrd_buf_append_byte(&r->arguments, '\0');
    }
  }
  if (result != LARDER_OK) {
    return lrd_making_fail(&m->attempts, making, result, 0, err, "%s", why.message);
  }
  r->argv = lrd_alloc_zero(m->argc + 1, sizeof *r->argv);
  if (!r->argv) {
    return lrd_making_fail(&m->attempts, making, LARDER_ENOMEM, 0, err, "no memory for its arguments");
  }
  texts_point(&r->arguments, r->argv, m->argc);
  if (r->argv[0][0] == '\0') {
    return lrd_making_fail(&m->attempts, making, LARDER_EINVAL, 0, err, "with this key the command has no name");
  }
  return LARDER_OK;
}

static larder_err variable_add(run *r, const char *name, const void *value, size_t len, size_t *count) {
  if (len > 0 && memchr(value, 0, len)) {
    return LARDER_OK;
  }
  larder_err result = lrd_buf_printf(&r->ours, "%s=", name);
  if (result == LARDER_OK) {
    result = lrd_buf_append(&r->ours, value, len);
  }
  if (result == LARDER_OK) {
    result = lrd_buf_append_byte(&r->ours, '\0');
  }
  *count += result == LARDER_OK;
  return result;
}

static larder_err environment_fill(run *r, larder_error *err) {
  const lrd_command_maker *m = r->maker;
  const larder_making *making = r->making;
  const larder_facts *kept = making->kept ? making->kept_facts : NULL;
  size_t count = 0;
  larder_err result = variable_add(r, "LARDER_MAKE_NS", m->attempts.ns, strlen(m->attempts.ns), &count);
  if (result == LARDER_OK) {
    result = variable_add(r, "LARDER_MAKE_KEY", making->key, making->key_len, &count);
  }
  if (result == LARDER_OK && kept && kept->version_len > 0) {
    result = variable_add(r, "LARDER_MAKE_KEPT_VERSION", kept->version, kept->version_len, &count);
  }
  if (result == LARDER_OK) {
    r->environment = lrd_alloc_zero(m->variables_len + VARIABLES + 1, sizeof *r->environment);
    result = r->environment ? LARDER_OK : LARDER_ENOMEM;
  }
  if (result != LARDER_OK) {
    return lrd_making_fail(&m->attempts, making, result, 0, err, "no memory for its environment");
  }
  texts_point(&r->ours, r->environment, count);
  memcpy(r->environment + count, m->variables, m->variables_len * sizeof *r->environment);
  return LARDER_OK;
}

static void run_fini(run *r) {
  lrd_buf_fini(&r->arguments);
  lrd_buf_fini(&r->ours);
  lrd_buf_fini(&r->value);
  lrd_dealloc(r->argv);
  lrd_dealloc(r->environment);
}

/* --- how it ended ----------------------------------------------------------------------------------------------------------
 */

static void said(const run *r, char out[LRD_SAID_ROOM]) {
  lrd_said_write(&r->said, r->maker->attempts.secrets, r->maker->variables, r->maker->config.variables, out);
}

static larder_err gone_fail(const run *r, const char *name, larder_error *err) {
  const lrd_attempts *a = &r->maker->attempts;
  char end[LRD_SAID_ROOM];
  said(r, end);
  if (r->out_of_memory) {
    return lrd_making_fail(a, r->making, LARDER_ENOMEM, 0, err, "no memory for what the command %s writes", name);
  }
  if (r->too_big) {
    return lrd_making_fail(a, r->making, LARDER_ETOOBIG, 0, err, "the command %s writes more than the max_size of %llu bytes",
                           name, (unsigned long long)r->maker->config.value_bytes_max);
  }
  if (r->gone == LARDER_EAWAY) {
    return lrd_making_fail(a, r->making, LARDER_EAWAY, 0, err, "the command %s took too long and was ended%s", name, end);
  }
  return lrd_making_fail(a, r->making, LARDER_ECANCELLED, 0, err, "the command %s was ended, since nobody waits any more",
                         name);
}

/* What cannot be started now, or never. */
static larder_err start_failure(int os_errno) {
  static const int never[] = {ENOENT, ENOTDIR, ENOEXEC, E2BIG, ELOOP, ENAMETOOLONG};
  for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
    if (os_errno == never[i]) return LARDER_EUNSUPPORTED;
  }
  return lrd_err_from_errno(os_errno);
}

/* How it ended, as a result. */
static larder_err judge(const run *r, const lrd_command_result *ended, larder_made *made, larder_error *err) {
  const lrd_attempts *a = &r->maker->attempts;
  char end[LRD_SAID_ROOM], name[LRD_KEY_SHOWN_ROOM];
  (void)lrd_key_shown(a->secrets, r->argv[0], strlen(r->argv[0]), name);
  if (r->too_big || r->out_of_memory) {
    return gone_fail(r, name, err);
  }
  switch (ended->end) {
  case LRD_COMMAND_EXITED:
    if (ended->code == 0) return LARDER_OK;
    if (ended->code == r->maker->config.absent_exit) {
      made->what = LARDER_MADE_ABSENT;
      return LARDER_OK;
    }
    said(r, end);
    return lrd_making_fail(a, r->making, LARDER_EIO, 0, err, "the command %s exited with %d%s", name, ended->code, end);
  case LRD_COMMAND_SIGNALLED:
    said(r, end);
    return lrd_making_fail(a, r->making, LARDER_EIO, 0, err, "the command %s was ended by signal %d%s", name, ended->code, end);
  case LRD_COMMAND_NOT_STARTED:
    return lrd_making_fail(a, r->making, start_failure(ended->code), ended->code, err, "the command %s cannot be started: %s",
                           name, strerrordesc_np(ended->code));
  case LRD_COMMAND_LOST:
    return lrd_making_fail(a, r->making, LARDER_EUNSUPPORTED, 0, err, "the command %s " LRD_COMMAND_LOST_TEXT, name);
  case LRD_COMMAND_TIMED_OUT:
  case LRD_COMMAND_STOPPED:
    break;
  }
  return gone_fail(r, name, err);
}

static void value_release(void *context, const void *value) {
  (void)context;
  lrd_dealloc((void *)(uintptr_t)value);
}

static larder_err attempt(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  const lrd_command_maker *m = context;
  lrd_command_result ended = {0};
  run *r = lrd_alloc_zero(1, sizeof *r);
  larder_err result;
  if (!r) {
    return lrd_making_fail(&m->attempts, making, LARDER_ENOMEM, 0, err, "no memory to run a command");
  }
  r->maker = m;
  r->making = making;
  result = argv_fill(r, err);
  if (result == LARDER_OK) {
    result = environment_fill(r, err);
  }
  if (result != LARDER_OK) {
    goto out;
  }
  result = lrd_command_run(&(lrd_command){.argv = r->argv,
                                          .folder = m->config.folder,
                                          .environment = r->environment,
                                          .environment_clean = !m->config.inherit_environment,
                                          .stop_fd = -1,
                                          .signal_fd = -1,
                                          .errors_end_with_it = true,
                                          .take = take,
                                          .cancelled = cancelled,
                                          .context = r},
                           &ended);
  if (result != LARDER_OK) {
    result = lrd_making_fail(&m->attempts, making, result, errno, err, "no process for a command: %s", larder_err_text(result));
    goto out;
  }
  result = judge(r, &ended, made, err);
  if (result == LARDER_OK && made->what == LARDER_MADE_VALUE) {
    made->value = r->value.data ? (const void *)r->value.data : "";
    made->len = r->value.len;
    made->release = r->value.data ? value_release : NULL;
    r->value = (lrd_buf){0};
  }
out:
  run_fini(r);
  lrd_dealloc(r);
  return result;
}

larder_err lrd_command_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  lrd_command_maker *maker = context;
  larder_err const result = lrd_attempts_make(&maker->attempts, attempt, maker, making, made, err);
  if (result != LARDER_OK && err) {
    lrd_redact_values_in(maker->config.variables, NULL, err->message);
  }
  return result;
}

/* --- a maker ------------------------------------------------------------------------------------------------------------ */

static larder_err templates_make(lrd_command_maker *m, larder_error *err) {
  size_t count = 0;
  while (m->config.argv[count]) count++;
  m->argv = lrd_alloc_zero(count, sizeof *m->argv);
  if (!m->argv) {
    return LARDER_ENOMEM;
  }
  for (; m->argc < count; m->argc++) {
    larder_error why = {0};
    larder_err result =
        lrd_key_template_new(m->config.argv[m->argc], LRD_TEMPLATE_PLAIN, m->config.separator, &m->argv[m->argc], &why);
    if (result != LARDER_OK) {
      return lrd_fail(err, result, 0, "maker", "%s: maker.command, element %zu: %s", m->attempts.ns, m->argc + 1, why.message);
    }
  }
  return LARDER_OK;
}

/* `NAME=value` lines, parted. */
static larder_err variables_make(lrd_command_maker *m) {
  const char *lines = m->config.environment ? m->config.environment : "";
  size_t count = 0;
  for (const char *at = lines; (at = strchr(at, '\n')) != NULL; at++) count++;
  m->pairs = lrd_strdup(lines);
  m->variables = lrd_alloc_zero(count + 1, sizeof *m->variables);
  if (!m->pairs || !m->variables) {
    return LARDER_ENOMEM;
  }
  for (char *at = m->pairs, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
    *end = '\0';
    m->variables[m->variables_len++] = at;
  }
  return LARDER_OK;
}

larder_err lrd_command_maker_new(const lrd_config_maker *config, const char *ns, const char *secrets, const lrd_clock *clock,
                                 lrd_command_maker **out, larder_error *err) {
  lrd_command_maker *m = lrd_alloc_zero(1, sizeof *m);
  larder_err result = LARDER_ENOMEM;
  if (!m) {
    goto out;
  }
  m->config = *config;
  lrd_attempts_init(&m->attempts, config, ns, secrets, clock);
  result = templates_make(m, err);
  if (result == LARDER_OK) {
    result = variables_make(m);
  }
  if (result == LARDER_OK) {
    *out = m;
    m = NULL;
  }
out:
  lrd_command_maker_free(m);
  return result == LARDER_ENOMEM ? lrd_fail(err, LARDER_ENOMEM, 0, "maker", "%s: no memory for its maker", ns) : result;
}

void lrd_command_maker_free(lrd_command_maker *maker) {
  if (!maker) {
    return;
  }
  for (size_t i = 0; i < maker->argc; i++) lrd_key_template_free(maker->argv[i]);
  lrd_dealloc(maker->argv);
  lrd_dealloc(maker->pairs);
  lrd_dealloc(maker->variables);
  lrd_attempts_fini(&maker->attempts);
  lrd_dealloc(maker);
}
