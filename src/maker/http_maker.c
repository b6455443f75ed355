/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A making, in the thread that wants the value:
 *
 *   make      attempts, with delays between them
 *     attempt   hops, from redirect to redirect, within the time of one attempt
 *       hop       a token of the namespace, one of the host, one transfer, what its answer means
 *
 * Of attempts.h it uses the backoff alone: there an attempt takes one token, here every hop takes two, and what an origin asks
 * for keeps everybody from its host.
 */
#include "http_maker.h"

#include "attempts.h"
#include "base/fail.h"
#include "base/redact.h"
#include "base/stamp.h"
#include "config/key_template.h"
#include "http_answer.h"
#include "http_headers.h"
#include "http_way.h"

#define ROOM      "http"
#define NS_PER_MS INT64_C(1000000)

struct lrd_http_maker {
  lrd_http_engine *engine;
  const lrd_clock *clock;
  lrd_config_maker config; /* its texts are ours, below; its variables are borrowed */
  lrd_key_template *url;
  lrd_http_place place; /* of the URL; no key can change it */
  char *ns;
  char *headers;
  char *ca_file;
  char *proxy;
  const char *secrets;
  lrd_rate rate;
  void (*count)(void *context, lrd_http_count which, uint64_t n);
  void *context;
};

/* One making. */
typedef struct job {
  lrd_http_maker *maker;
  const larder_making *making;
  larder_made *made;
  larder_error *err;
  lrd_buf url;
  char condition[LRD_HTTP_CONDITION_ROOM]; /* empty: none */
  char key[LRD_KEY_SHOWN_ROOM];
  bool may_pass;          /* the failure of the last attempt */
  int64_t retry_after_ms; /* likewise */
} job;

/* What made's pointers lead to. */
typedef struct outcome {
  lrd_buf body;
  lrd_http_validity validity;
} outcome;

static void count(const lrd_http_maker *maker, lrd_http_count which, uint64_t n) {
  if (maker->count && n > 0) {
    maker->count(maker->context, which, n);
  }
}

/* --- failures ----------------------------------------------------------------------------------------------------------- */

static larder_err out_of_memory(const job *j) {
  return lrd_fail(j->err, LARDER_ENOMEM, 0, ROOM, "%s: %s: out of memory", j->maker->ns, j->key);
}

/* why: LARDER_ECANCELLED, LARDER_EAWAY for the deadline, LARDER_ENOMEM. */
static larder_err given_up(job *j, larder_err why) {
  j->may_pass = false;
  if (why == LARDER_ENOMEM) {
    return out_of_memory(j);
  }
  return lrd_fail(j->err, why, 0, ROOM, "%s: %s: %s %s", j->maker->ns, j->key,
                  why == LARDER_EAWAY ? "the time ran out while asking" : "nobody wants it any more; given up asking",
                  j->maker->place.shown);
}

static larder_err failed(job *j, const lrd_http_place *place, const lrd_http_answer *answer) {
  j->may_pass = answer->may_pass;
  j->retry_after_ms = answer->retry_after_ms;
  if (answer->retry_after_ms > 0) {
    lrd_http_hosts_pause(lrd_http_engine_hosts(j->maker->engine), place->host, answer->retry_after_ms * NS_PER_MS);
  }
  return lrd_fail(j->err, answer->failure, 0, ROOM, "%s: %s: %s: %s", j->maker->ns, j->key, place->shown, answer->why);
}

/* --- waiting ------------------------------------------------------------------------------------------------------------ */

static int64_t left_ns(const job *j) {
  return j->making->deadline_ns == INT64_MAX ? INT64_MAX : j->making->deadline_ns - lrd_boot_ns(j->maker->clock);
}

/* LARDER_OK after so long, or why not to go on. */
static larder_err wait_ns(const job *j, int64_t ns) {
  const lrd_clock *clock = j->maker->clock;
  int64_t const until_ns = lrd_mono_ns(clock) + ns;
  for (;;) {
    larder_err wanted = lrd_http_engine_wanted(j->maker->engine, j->making);
    int64_t rest_ns = until_ns - lrd_mono_ns(clock);
    if (wanted != LARDER_OK || rest_ns <= 0) {
      return wanted;
    }
    clock->sleep_ns(clock, rest_ns < LRD_HTTP_LOOK_NS ? rest_ns : LRD_HTTP_LOOK_NS);
  }
}

/* Who would get his token after the deadline is told at once. */
static larder_err tokens_take(job *j, const lrd_http_place *place) {
  lrd_http_maker *maker = j->maker;
  bool ours = false, waited = false;
  for (;;) {
    int64_t ns = ours ? 0 : lrd_rate_take(&maker->rate);
    if (ns == 0) {
      ours = true; /* and stays so while the host's is waited for */
      ns = lrd_http_hosts_take(lrd_http_engine_hosts(maker->engine), place->host);
    }
    if (ns == 0) {
      return LARDER_OK;
    }
    if (!waited) {
      count(maker, LRD_HTTP_RATE_WAITS, 1);
      waited = true;
    }
    if (ns >= left_ns(j)) {
      j->may_pass = false;
      j->retry_after_ms = ns / NS_PER_MS + 1;
      return lrd_fail(j->err, LARDER_EAWAY, 0, ROOM,
                      "%s: %s: %s may be asked again in %lld ms only, by its rate or its own wish, which is too late",
                      maker->ns, j->key, place->shown, (long long)j->retry_after_ms);
    }
    larder_err waiting = wait_ns(j, ns);
    if (waiting != LARDER_OK) {
      return given_up(j, waiting);
    }
  }
}

/* --- what is made ------------------------------------------------------------------------------------------------------- */

static void outcome_release(void *context, const void *value) {
  outcome *r = context;
  (void)value;
  lrd_buf_fini(&r->body);
  lrd_dealloc(r);
}

/* A 304 that says nothing of a lifetime leaves the one that was said before: as long again as what is kept was given. What was
 * expired by a call says no more how long that was, and gets the namespace's. */
static void lifetime_keep(const larder_facts *kept, larder_put_options *put) {
  int64_t const given_ms = kept->expires_soft_ms - lrd_stamp_wall_ms(kept->stamp);
  int64_t const beyond_ms = kept->expires_hard_ms - kept->expires_soft_ms;
  if (put->ttl_ms != 0 || (kept->expires_soft_ms != 0 && given_ms <= 0)) {
    return;
  }
  put->ttl_ms = kept->expires_soft_ms == 0 ? LARDER_TTL_NEVER : given_ms;
  if (put->stale_ms == 0) {
    put->stale_ms = beyond_ms > 0 ? beyond_ms : -1;
  }
}

static larder_err made_fill(const job *j, lrd_http_transfer *t, lrd_http_meaning meaning) {
  larder_made *made = j->made;
  outcome *r = lrd_alloc_zero(1, sizeof *r);
  if (!r) {
    return out_of_memory(j);
  }
  lrd_http_validity_read(t, lrd_wall_ms(j->maker->clock), &r->validity);
  made->release = outcome_release;
  made->release_context = r;
  if (j->maker->config.cache_control) {
    made->not_kept = r->validity.lifetime.not_kept;
  }
  if (meaning == LRD_HTTP_ABSENT) {
    made->what = LARDER_MADE_ABSENT; /* for the namespace's negative_ttl */
    return LARDER_OK;
  }
  made->what = meaning == LRD_HTTP_UNCHANGED ? LARDER_MADE_UNCHANGED : LARDER_MADE_VALUE;
  made->modified_ms = r->validity.modified_ms;
  made->put.size = sizeof made->put;
  if (j->maker->config.cache_control) {
    made->put.ttl_ms = r->validity.lifetime.ttl_ms;
    made->put.stale_ms = r->validity.lifetime.stale_ms;
    if (meaning == LRD_HTTP_UNCHANGED) {
      lifetime_keep(j->making->kept_facts, &made->put);
    }
  }
  if (meaning == LRD_HTTP_UNCHANGED && !r->validity.version[0]) {
    /* a 304 need not repeat it */
    memcpy(r->validity.version, j->making->kept_facts->version, j->making->kept_facts->version_len);
  }
  made->put.version = r->validity.version[0] ? r->validity.version : NULL;
  if (meaning == LRD_HTTP_VALUE) {
    r->body = t->body.data;
    t->body.data = (lrd_buf){0};
    made->value = r->body.data ? (const void *)r->body.data : "";
    made->len = r->body.len;
  }
  return LARDER_OK;
}

/* --- hops --------------------------------------------------------------------------------------------------------------- */

static larder_err transfer_run(job *j, lrd_http_way *way, lrd_http_transfer **out) {
  const lrd_http_maker *maker = j->maker;
  lrd_http_request const request = {.url = (const char *)(way->url.len ? way->url.data : j->url.data),
                                    .headers = maker->headers,
                                    .away = !lrd_http_place_same(&way->place, &maker->place),
                                    .condition = j->condition[0] ? j->condition : NULL,
                                    .ca_file = maker->ca_file,
                                    .proxy = maker->proxy,
                                    .connect_timeout_ms = maker->config.connect_timeout_ms,
                                    .timeout_ms = way->left_ms,
                                    .bytes_max = maker->config.value_bytes_max};
  lrd_http_transfer *t = NULL;
  larder_err err = lrd_http_transfer_new(&request, &t);
  if (err != LARDER_OK) {
    return err == LARDER_ENOMEM ? given_up(j, err)
                                : lrd_fail(j->err, err, 0, ROOM, "%s: this libcurl can't do what http makers need", maker->ns);
  }
  count(maker, LRD_HTTP_REQUESTS, 1);
  err = lrd_http_engine_run(maker->engine, &t, j->making);
  if (err != LARDER_OK) {
    return given_up(j, err);
  }
  curl_off_t bytes = 0;
  (void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
  count(maker, LRD_HTTP_BYTES, bytes > 0 ? (uint64_t)bytes : 0);
  lrd_http_way_spend(way, t);
  *out = t;
  return LARDER_OK;
}

/* Where the redirect leads, if we go there. */
static larder_err redirect_take(job *j, lrd_http_way *way, const lrd_http_answer *answer) {
  lrd_http_answer refused = {.failure = LARDER_EFORMAT};
  const char *why = NULL;
  larder_err const result = lrd_http_way_follow(way, answer->elsewhere, &why);
  if (result == LARDER_ENOMEM) {
    return given_up(j, result);
  }
  if (result != LARDER_OK) {
    memcpy(refused.why, why, strlen(why) + 1);
    return failed(j, &way->place, &refused);
  }
  return LARDER_OK;
}

/* *go_on: a redirect was taken. */
static larder_err hop_run(job *j, lrd_http_way *way, bool *go_on) {
  lrd_http_transfer *t = NULL;
  lrd_http_answer answer;
  *go_on = false;
  larder_err err = tokens_take(j, &way->place);
  if (err == LARDER_OK) {
    err = transfer_run(j, way, &t);
  }
  if (!t) {
    return err;
  }
  lrd_http_answer_read(t, j->condition[0] != '\0', lrd_wall_ms(j->maker->clock), &answer);
  if (answer.meaning == LRD_HTTP_FAILED) {
    err = failed(j, &way->place, &answer);
  } else if (answer.meaning == LRD_HTTP_ELSEWHERE) {
    err = redirect_take(j, way, &answer);
    *go_on = err == LARDER_OK;
  } else {
    count(j->maker, LRD_HTTP_NOT_MODIFIED, answer.meaning == LRD_HTTP_UNCHANGED ? 1 : 0);
    err = made_fill(j, t, answer.meaning);
  }
  lrd_http_transfer_free(t);
  return err;
}

static larder_err attempt_run(job *j) {
  const lrd_config_maker *config = &j->maker->config;
  lrd_http_way way = {.place = j->maker->place, .left = config->redirects, .left_ms = config->attempt_timeout_ms};
  larder_err err;
  bool go_on;
  j->may_pass = false;
  j->retry_after_ms = 0;
  do {
    err = hop_run(j, &way, &go_on);
  } while (go_on);
  lrd_http_way_fini(&way);
  return err;
}

/* --- attempts ----------------------------------------------------------------------------------------------------------- */

static larder_err attempts_run(job *j) {
  const lrd_config_maker *config = &j->maker->config;
  for (uint64_t attempt = 0;; attempt++) {
    larder_err err = attempt_run(j);
    if (err == LARDER_OK || !j->may_pass || attempt == config->retries || j->retry_after_ms > LRD_HTTP_AFTER_MAX_MS) {
      return err;
    }
    int64_t ns = lrd_backoff_ns(config->retry_delay_ms, attempt, LRD_HTTP_RETRY_MAX_MS);
    int64_t after_ns = j->retry_after_ms * NS_PER_MS;
    if ((ns > after_ns ? ns : after_ns) >= left_ns(j)) {
      return err;
    }
    larder_err waiting = wait_ns(j, ns); /* what Retry-After asks for is waited for as a token of the host */
    if (waiting != LARDER_OK) {
      return given_up(j, waiting);
    }
    count(j->maker, LRD_HTTP_RETRIES, 1);
  }
}

static larder_err url_fill(job *j) {
  larder_error why = {0};
  larder_err err = lrd_key_template_fill(j->maker->url, j->maker->ns, j->making->key, j->making->key_len, &j->url, &why);
  if (err == LARDER_OK) {
    err = lrd_buf_terminate(&j->url);
  }
  if (err == LARDER_ENOMEM) {
    return out_of_memory(j);
  }
  return err == LARDER_OK ? LARDER_OK : lrd_fail(j->err, err, 0, ROOM, "%s: %s: %s", j->maker->ns, j->key, why.message);
}

larder_err lrd_http_make(void *maker, const larder_making *making, larder_made *made, larder_error *err) {
  job j = {.maker = maker, .making = making, .made = made, .err = err};
  (void)lrd_key_shown(j.maker->secrets, making->key, making->key_len, j.key);
  const larder_facts *kept = making->kept_facts;
  if (kept && kept->version_len > 0) {
    (void)lrd_http_condition_write(kept->version, kept->version_len, j.condition);
  }
  if (!lrd_http_engine_enter(j.maker->engine)) {
    return given_up(&j, LARDER_ECANCELLED);
  }
  larder_err result = url_fill(&j);
  if (result == LARDER_OK) {
    result = attempts_run(&j);
  }
  lrd_http_engine_leave(j.maker->engine);
  if (result != LARDER_OK) {
    made->retry_after_ms = j.retry_after_ms;
    if (err) {
      lrd_redact_values_in(j.maker->config.variables, j.maker->place.shown, err->message);
    }
  }
  lrd_buf_fini(&j.url);
  return result;
}

/* --- lifecycle ---------------------------------------------------------------------------------------------------------- */

static larder_err headers_check(const lrd_http_maker *maker, larder_error *err) {
  char shown[LRD_KEY_SHOWN_ROOM];
  lrd_span name;
  const char *why;
  if (lrd_http_headers_valid(maker->headers, &name, &why)) {
    return LARDER_OK;
  }
  return lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "the maker of namespace %s: %s among its headers %s", maker->ns,
                  lrd_key_shown(maker->secrets, name.data, name.len, shown), why);
}

/* The place of the template, with its places standing for themselves: they come after the host. */
static larder_err place_find(lrd_http_maker *maker, const char *template, larder_error *err) {
  const char *begin = strstr(template, "://");
  size_t len = begin ? (size_t)(begin - template) + 3 : 0;
  len += begin ? strcspn(template + len, "/?#") : 0;
  char *front = lrd_strndup(template, len);
  larder_err result = front ? lrd_http_place_of(front, &maker->place) : LARDER_ENOMEM;
  lrd_dealloc(front);
  if (result == LARDER_EINVAL) {
    return lrd_fail(err, LARDER_ECONFIG, 0, ROOM,
                    "the maker of namespace %s: its URL is none that libcurl can ask; it reads https://HOST/… or http://HOST/…",
                    maker->ns);
  }
  return result;
}

static larder_err proxy_check(const lrd_http_maker *maker, larder_error *err) {
  larder_err const result = lrd_http_proxy_check(maker->proxy);
  return result == LARDER_EINVAL
             ? lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "the maker of namespace %s: %s", maker->ns, LRD_HTTP_PROXY_REFUSED)
             : result;
}

static larder_err maker_fill(lrd_http_maker *maker, const lrd_http_maker_params *params, larder_error *err) {
  const lrd_config_maker *config = params->config;
  maker->ns = lrd_strdup(params->ns);
  maker->headers = config->headers ? lrd_strdup(config->headers) : NULL;
  maker->ca_file = config->ca_file ? lrd_strdup(config->ca_file) : NULL;
  maker->proxy = config->proxy ? lrd_strdup(config->proxy) : NULL;
  if (!maker->ns || (config->headers && !maker->headers) || (config->ca_file && !maker->ca_file) ||
      (config->proxy && !maker->proxy)) {
    return LARDER_ENOMEM;
  }
  larder_error why = {0};
  larder_err result = lrd_key_template_new(config->what, LRD_TEMPLATE_URL, config->separator, &maker->url, &why);
  if (result == LARDER_EINVAL) {
    return lrd_fail(err, LARDER_ECONFIG, 0, ROOM, "the maker of namespace %s: %s", maker->ns, why.message);
  }
  if (result == LARDER_OK) {
    result = headers_check(maker, err);
  }
  if (result == LARDER_OK) {
    result = place_find(maker, config->what, err);
  }
  if (result == LARDER_OK) {
    result = proxy_check(maker, err);
  }
  if (result == LARDER_OK && config->host_rate_per_s > 0) {
    result = lrd_http_hosts_limit(lrd_http_engine_hosts(maker->engine), maker->place.host, config->host_rate_per_s);
  }
  return result;
}

larder_err lrd_http_maker_new(const lrd_http_maker_params *params, lrd_http_maker **out, larder_error *err) {
  lrd_http_maker *maker = lrd_alloc_zero(1, sizeof *maker);
  if (!maker) {
    return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  }
  maker->engine = params->engine;
  maker->clock = lrd_http_engine_clock(params->engine);
  maker->config = *params->config;
  maker->config.what = maker->config.headers = maker->config.ca_file = maker->config.proxy = NULL;
  maker->secrets = params->secrets;
  maker->count = params->count;
  maker->context = params->context;
  lrd_rate_init(&maker->rate, maker->clock, params->config->rate_per_s, params->config->burst);
  larder_err result = maker_fill(maker, params, err);
  if (result != LARDER_OK) {
    lrd_http_maker_free(maker);
    return result == LARDER_ENOMEM ? lrd_fail(err, result, 0, ROOM, "out of memory") : result;
  }
  *out = maker;
  return LARDER_OK;
}

void lrd_http_maker_free(lrd_http_maker *maker) {
  if (!maker) {
    return;
  }
  lrd_rate_fini(&maker->rate);
  lrd_key_template_free(maker->url);
  lrd_dealloc(maker->ns);
  lrd_dealloc(maker->headers);
  lrd_dealloc(maker->ca_file);
  lrd_dealloc(maker->proxy);
  lrd_dealloc(maker);
}
