/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "base/fail.h"
#include "base/redact.h"
#include "command_run.h"
#include "command_said.h"
#include "config/key_template.h"
#include "http_answer.h"
#include "http_headers.h"
#include "http_way.h"
#include <errno.h>

#define ROOM "health"

struct lrd_probe {
  const lrd_config_check *config;
  const char *ns;
  const char *secrets;
  lrd_http_engine *engine;
  lrd_key_template **templates; /* the URL, or the arguments */
  size_t count;
};

/* What every request will have. */
static larder_err request_check(const lrd_probe *probe, larder_error *err) {
  char shown[LRD_KEY_SHOWN_ROOM];
  lrd_span name;
  const char *why;
  if (!lrd_http_headers_valid(probe->config->headers, &name, &why)) {
    return lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "namespace %s: health.check.headers: %s %s", probe->ns,
                    lrd_key_shown(probe->secrets, name.data, name.len, shown), why);
  }
  larder_err const result = lrd_http_proxy_check(probe->config->proxy);
  return result == LARDER_EINVAL
             ? lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "namespace %s: health.check: %s", probe->ns, LRD_HTTP_PROXY_REFUSED)
             : result;
}

larder_err lrd_probe_new(const lrd_config_check *config, const char *ns, const char *secrets, lrd_http_engine *engine,
                         lrd_probe **out, larder_error *err) {
  bool const http = config->type == LRD_CHECK_HTTP;
  size_t count = http ? 1 : 0;
  lrd_probe *probe = lrd_alloc_zero(1, sizeof *probe);
  larder_err result = LARDER_ENOMEM;
  while (!http && config->argv[count]) {
    count++;
  }
  if (!probe || !(probe->templates = lrd_alloc_zero(count, sizeof(lrd_key_template *)))) {
    goto out;
  }
  probe->config = config;
  probe->ns = ns;
  probe->secrets = secrets;
  probe->engine = engine;
  for (result = LARDER_OK; probe->count < count && result == LARDER_OK; probe->count++) {
    larder_error why = {0};
    result = lrd_key_template_new(http ? config->url : config->argv[probe->count], http ? LRD_TEMPLATE_URL : LRD_TEMPLATE_PLAIN,
                                  config->separator, &probe->templates[probe->count], &why);
    if (result != LARDER_OK && result != LARDER_ENOMEM) {
      result = lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "namespace %s: health.check.%s: %s", ns, http ? "http" : "command",
                        why.message);
    }
  }
  if (result == LARDER_OK && http) {
    result = request_check(probe, err);
  }
  if (result == LARDER_OK) {
    *out = probe;
    probe = NULL;
  }
out:
  lrd_probe_free(probe);
  return result == LARDER_ENOMEM ? lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory") : result;
}

void lrd_probe_free(lrd_probe *probe) {
  if (!probe) {
    return;
  }
  for (size_t i = 0; probe->templates && i < probe->count; i++) {
    lrd_key_template_free(probe->templates[i]);
  }
  lrd_dealloc(probe->templates);
  lrd_dealloc(probe);
}

/* --- http --------------------------------------------------------------------------------------------------------------- */

/* What a status, or the want of one, says of the entry. What lies with our own side says nothing of it. */
static larder_err http_judge(const lrd_http_place *place, const lrd_http_transfer *t, larder_error *err) {
  long const status = lrd_http_status(t);
  bool const whole = t->outcome == CURLE_OK || t->outcome == CURLE_WRITE_ERROR; /* we broke a long body off ourselves */
  lrd_http_answer answer = {.failure = LARDER_OK};
  if (whole && status >= 200 && status < 300) {
    return LARDER_OK;
  }
  if (whole && status == 407) {
    return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM, "%s: the proxy on the way wants a name and a password", place->shown);
  }
  if (whole && status > 0) {
    return lrd_fail(err, LARDER_EIO, 0, ROOM, "%s answered with status %ld", place->shown, status);
  }
  lrd_http_failure_read(t, &answer);
  larder_err const result = answer.ours ? LARDER_EUNSUPPORTED : answer.here ? LARDER_EAWAY : LARDER_EIO;
  return lrd_fail(err, result, 0, ROOM, "%s: %s", place->shown, answer.why);
}

/* One request; *out is own. */
static larder_err http_ask(const lrd_probe *probe, const char *url, const lrd_http_way *way, bool away,
                           const larder_making *making, lrd_http_transfer **out) {
  lrd_http_request const request = {.url = url,
                                    .headers = probe->config->headers,
                                    .away = away,
                                    .ca_file = probe->config->ca_file,
                                    .proxy = probe->config->proxy,
                                    .connect_timeout_ms = way->left_ms,
                                    .timeout_ms = way->left_ms,
                                    .status_only = true,
                                    .head = !probe->config->get};
  lrd_http_transfer *t = NULL;
  larder_err result = lrd_http_transfer_new(&request, &t);
  if (result == LARDER_OK) {
    result = lrd_http_engine_run(probe->engine, &t, making);
  }
  if (result == LARDER_OK) {
    *out = t;
  }
  return result;
}

/* From redirect to redirect; with `redirects: 0` one is a status like any other. */
static larder_err http_walk(const lrd_probe *probe, const char *url, lrd_http_way *way, const larder_making *making,
                            larder_error *err) {
  lrd_http_place const first = way->place;
  for (;;) {
    lrd_http_transfer *t = NULL;
    const char *why = NULL;
    bool redirects = false;
    larder_err result = http_ask(probe, way->url.len ? (const char *)way->url.data : url, way,
                                 !lrd_http_place_same(&way->place, &first), making, &t);
    if (result != LARDER_OK) {
      return result;
    }
    lrd_http_way_spend(way, t);
    const char *onward = probe->config->redirects > 0 ? lrd_http_way_onward(t, &redirects) : NULL;
    if (!onward) {
      result = http_judge(&way->place, t, err);
    } else if ((result = lrd_http_way_follow(way, onward, &why)) == LARDER_EFORMAT) {
      result = lrd_fail(err, LARDER_EIO, 0, ROOM, "%s: %s", way->place.shown, why);
    }
    lrd_http_transfer_free(t);
    if (!onward || result != LARDER_OK) {
      return result;
    }
  }
}

static larder_err http_run(const lrd_probe *probe, const char *url, const lrd_cancel *cancel, larder_error *err) {
  larder_making const making = {.size = sizeof making, .deadline_ns = INT64_MAX, .cancel = cancel};
  lrd_http_way way = {.left = probe->config->redirects, .left_ms = probe->config->timeout_ms};
  larder_err result = lrd_http_place_of(url, &way.place);
  if (result != LARDER_OK) {
    return result == LARDER_EINVAL ? lrd_fail(err, LARDER_EIO, 0, ROOM, "its URL is none that can be asked") : result;
  }
  if (!lrd_http_engine_enter(probe->engine)) {
    return LARDER_ECANCELLED;
  }
  lrd_http_place const first = way.place;
  result = http_walk(probe, url, &way, &making, err);
  if (result != LARDER_OK && err) {
    lrd_redact_values_in(probe->config->variables, first.shown, err->message);
  }
  lrd_http_engine_leave(probe->engine);
  lrd_http_way_fini(&way);
  return result;
}

/* --- command ------------------------------------------------------------------------------------------------------------ */

typedef struct listening {
  lrd_said said;
  const lrd_cancel *cancel;
} listening;

static bool take(void *context, int stream, const void *data, size_t len) {
  listening *l = context;
  if (stream == 2) {
    lrd_said_add(&l->said, data, len);
  }
  return true;
}

static bool cancelled(void *context) {
  const listening *l = context;
  return atomic_load(&l->cancel->closing);
}

static larder_err command_judge(const lrd_probe *probe, const lrd_command_result *ended, const listening *l,
                                larder_error *err) {
  char said[LRD_SAID_ROOM];
  lrd_said_write(&l->said, probe->secrets, probe->config->variables, NULL, said);
  switch (ended->end) {
  case LRD_COMMAND_EXITED:
    return ended->code == 0 ? LARDER_OK : lrd_fail(err, LARDER_EIO, 0, ROOM, "exit code %d%s", ended->code, said);
  case LRD_COMMAND_SIGNALLED:
    return lrd_fail(err, LARDER_EIO, 0, ROOM, "ended by signal %d%s", ended->code, said);
  case LRD_COMMAND_TIMED_OUT:
    return lrd_fail(err, LARDER_EIO, 0, ROOM, "no result in %lld ms%s", (long long)probe->config->timeout_ms, said);
  case LRD_COMMAND_NOT_STARTED:
    return lrd_fail(err, LARDER_EUNSUPPORTED, ended->code, ROOM, "the command cannot be started: %s",
                    strerrordesc_np(ended->code));
  case LRD_COMMAND_LOST:
    return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM, "the command " LRD_COMMAND_LOST_TEXT);
  case LRD_COMMAND_STOPPED:
    break;
  }
  return LARDER_ECANCELLED;
}

static larder_err command_run(const lrd_probe *probe, const char *const *argv, const lrd_cancel *cancel, larder_error *err) {
  lrd_command_result ended = {0};
  listening *l = lrd_alloc_zero(1, sizeof *l);
  if (!l) {
    return LARDER_ENOMEM;
  }
  l->cancel = cancel;
  larder_err result = lrd_command_run(&(lrd_command){.argv = argv,
                                                     .environment_clean = true,
                                                     .timeout_ms = probe->config->timeout_ms,
                                                     .stop_fd = -1,
                                                     .signal_fd = -1,
                                                     .errors_end_with_it = true,
                                                     .take = take,
                                                     .cancelled = cancelled,
                                                     .context = l},
                                      &ended);
  /* that there was no process to be had says nothing of the entry */
  result = result == LARDER_OK ? command_judge(probe, &ended, l, err)
                               : lrd_fail(err, LARDER_EAWAY, errno, ROOM, "no process is to be had for the command: %s",
                                          strerrordesc_np(result == LARDER_ENOMEM ? ENOMEM : errno));
  lrd_dealloc(l);
  return result;
}

/* --- both --------------------------------------------------------------------------------------------------------------- */

larder_err lrd_probe_run(lrd_probe *probe, const void *key, size_t key_len, const lrd_cancel *cancel, larder_error *err) {
  lrd_buf *filled = lrd_alloc_zero(probe->count, sizeof *filled);
  const char **argv = lrd_alloc_zero(probe->count + 1, sizeof *argv);
  larder_err result = filled && argv ? LARDER_OK : LARDER_ENOMEM;
  for (size_t i = 0; i < probe->count && result == LARDER_OK; i++) {
    result = probe->config->type == LRD_CHECK_HTTP
                 ? lrd_key_template_fill(probe->templates[i], probe->ns, key, key_len, &filled[i], err)
                 : lrd_key_argument_fill(probe->templates, i, probe->ns, key, key_len, &filled[i], err);
    if (result == LARDER_OK) {
      result = lrd_buf_terminate(&filled[i]);
    }
    argv[i] = (const char *)filled[i].data;
  }
  if (result == LARDER_OK) {
    result =
        probe->config->type == LRD_CHECK_HTTP ? http_run(probe, argv[0], cancel, err) : command_run(probe, argv, cancel, err);
  }
  for (size_t i = 0; filled && i < probe->count; i++) {
    lrd_buf_fini(&filled[i]);
  }
  lrd_dealloc(filled);
  lrd_dealloc(argv);
  return result;
}
