/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what a status means. A value is what came whole with 200 or 203, also with an empty body, and 204, which says
 * that there is a thing and that it has no bytes: a value of length 0. 206 is never one, since no part was asked for.
 */
#include "http_answer.h"

#include "base/fail.h"
#include "base/redact.h"
#include "http_date.h"
#include "http_way.h"
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define MODIFIED     "lm:"
#define MODIFIED_LEN 3u

static void failed(lrd_http_answer *out, larder_err failure, bool may_pass, const char *why) {
  out->meaning = LRD_HTTP_FAILED;
  out->failure = failure;
  out->may_pass = may_pass;
  (void)snprintf(out->why, sizeof out->why, "%.*s", (int)sizeof out->why - 1, why);
}

/* --- the transfer did not end well -------------------------------------------------------------------------------------- */

/* libcurl's sentence about this very failure, or its phrase for such a one. It may quote a URL: of a proxy, its password is
 * hidden; what is not printable in it is not ours to show. */
static void curl_failed(const lrd_http_transfer *t, lrd_http_answer *out, larder_err failure, bool may_pass) {
  const char *phrase = curl_easy_strerror(t->outcome);
  lrd_buf shown = {0};
  lrd_hidden hidden;
  larder_err const said = t->error[0] ? lrd_redact_text(NULL, t->error, strlen(t->error), false, &shown, &hidden) : LARDER_MISS;
  bool const whole = said == LARDER_OK && lrd_buf_terminate(&shown) == LARDER_OK;
  failed(out, failure, may_pass, whole ? (const char *)shown.data : phrase);
  lrd_buf_fini(&shown);
  for (char *p = out->why; *p; p++) {
    if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f) {
      *p = ' ';
    }
  }
}

/* That there was a proxy which did not lead on, if so. libcurl quotes the whole of a URL that it can't use. */
static bool read_proxy(const lrd_http_transfer *t, lrd_http_answer *out) {
  static const char unusable[] = "Unsupported proxy";
  long status = 0;
  if (strncmp(t->error, unusable, sizeof unusable - 1) == 0) {
    failed(out, LARDER_EUNSUPPORTED, false, "the proxy that the configuration or the environment names can't be used");
    out->ours = true;
    return true;
  }
  (void)curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &status);
  if (t->outcome == CURLE_OK || status < 300) {
    return false;
  }
  bool const refused = status == 401 || status == 403 || status == 407;
  bool const away = status >= 500 || status == 429; /* it, or who is behind it */
  failed(out, refused ? LARDER_EACCES : away ? LARDER_EAWAY : LARDER_EUNSUPPORTED, away, "");
  out->ours = !away;
  (void)snprintf(out->why, sizeof out->why, "the proxy on the way answered with status %ld%s", status,
                 status == 407 ? ", it wants a name and a password" : "");
  return true;
}

/* What a socket meets when this machine has no more to give, or no way out. */
static bool is_local(long os_errno) {
  static const int local[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, ENETUNREACH};
  for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
    if (os_errno == local[i]) {
      return true;
    }
  }
  return false;
}

/* Whether it was a proxy to which no connection came about. Only libcurl's sentence says to whom: of the URL's own host it
 * reads `Failed to connect to HOST port PORT after`. */
static bool sought_proxy(const lrd_http_transfer *t) {
  static const char begins[] = "Failed to connect to ";
  char said[LRD_HTTP_PLACE_ROOM];
  lrd_http_place place;
  const char *url = NULL, *host = t->error + sizeof begins - 1;
  if (strncmp(t->error, begins, sizeof begins - 1) != 0 ||
      curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url) != CURLE_OK || !url ||
      lrd_http_place_of(url, &place) != LARDER_OK) {
    return false;
  }
  char *port = strrchr(place.host, ':');
  *port = '\0';
  bool const literal = place.host[0] == '['; /* of IPv6, which the sentence has without brackets */
  if (literal) {
    port[-1] = '\0';
  }
  (void)snprintf(said, sizeof said, "%s port %s after", place.host + literal, port + 1);
  return strncasecmp(host, said, strlen(said)) != 0;
}

/* Whether who was to be asked has not even been looked for, or cannot be by this machine. */
static bool failed_here(const lrd_http_transfer *t) {
  long os_errno = 0;
  switch (t->outcome) {
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_OUT_OF_MEMORY:
    return true;
  case CURLE_COULDNT_CONNECT:
    (void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    return is_local(t->socket_errno) || is_local(os_errno) || sought_proxy(t);
  default:
    return false;
  }
}

void lrd_http_failure_read(const lrd_http_transfer *t, lrd_http_answer *out) {
  if (read_proxy(t, out)) {
    return;
  }
  out->here = failed_here(t);
  if (t->body.failure != LARDER_OK) {
    /* a body that was damaged on the way is whole the next time */
    failed(out, t->body.failure == LARDER_EFORMAT ? LARDER_EAWAY : t->body.failure, t->body.failure != LARDER_ETOOBIG,
           t->body.why);
    return;
  }
  if (t->refused) {
    failed(out, LARDER_EFORMAT, false, t->refused);
    return;
  }
  switch (t->outcome) {
  case CURLE_OUT_OF_MEMORY:
    failed(out, LARDER_ENOMEM, false, "out of memory");
    return;
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_INVALIDCERTSTATUS:
  case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    curl_failed(t, out, LARDER_EACCES, false);
    return;
  case CURLE_SSL_CACERT_BADFILE:
    curl_failed(t, out, LARDER_EUNSUPPORTED, false);
    out->ours = true;
    return;
  case CURLE_URL_MALFORMAT:
  case CURLE_LOGIN_DENIED: /* a redirect to a URL with a user's name */
  case CURLE_TOO_MANY_REDIRECTS:
    curl_failed(t, out, LARDER_EUNSUPPORTED, false);
    return;
  default: /* the network, or an origin that does not speak HTTP at the moment */
    curl_failed(t, out, LARDER_EAWAY, true);
  }
}

/* --- it did ------------------------------------------------------------------------------------------------------------- */

static void read_value(lrd_http_transfer *t, long status, lrd_http_answer *out) {
  const char *coding = lrd_http_header(t, "Content-Encoding", 0);
  curl_off_t len = -1;
  out->meaning = LRD_HTTP_VALUE;
  (void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
  /* No byte came: with a packing it has broken off, unless it was to be so. */
  if (status != 204 && !t->has_body && len != 0 && coding && *coding) {
    failed(out, LARDER_EAWAY, true, "what came as gzip breaks off");
  } else if (lrd_http_body_end(&t->body) != LARDER_OK) {
    lrd_http_failure_read(t, out);
  }
}

static void read_refusal(long status, lrd_http_answer *out) {
  larder_err failure = LARDER_EUNSUPPORTED;
  bool may_pass = false;
  if (status == 401 || status == 403 || status == 407) {
    failure = LARDER_EACCES;
  } else if (status >= 500 || status == 429 || status == 408 || status == 425 || status == 202) {
    failure = LARDER_EAWAY; /* 202: it is being made */
    may_pass = true;
  } else if (status < 400) {
    failure = LARDER_EFORMAT;
  }
  failed(out, failure, may_pass, "");
  (void)snprintf(out->why, sizeof out->why, "it answered with status %ld%s", status,
                 status == 407   ? ": the proxy on the way wants a name and a password"
                 : status == 206 ? ", a part, though the whole was asked for"
                 : status == 304 ? " (not changed), though it was not asked that"
                                 : "");
}

static void read_status(lrd_http_transfer *t, long status, bool conditional, lrd_http_answer *out) {
  bool redirects = false;
  out->elsewhere = lrd_http_way_onward(t, &redirects);
  if (redirects && !out->elsewhere) {
    failed(out, LARDER_EFORMAT, false, "it redirects without saying where to");
    return;
  }
  if (redirects) {
    out->meaning = LRD_HTTP_ELSEWHERE;
    return;
  }
  switch (status) {
  case 200:
  case 203:
  case 204:
    read_value(t, status, out);
    return;
  case 404:
  case 410:
    out->meaning = LRD_HTTP_ABSENT;
    return;
  case 304:
    if (conditional) {
      out->meaning = LRD_HTTP_UNCHANGED;
      return;
    }
    read_refusal(status, out);
    return;
  default:
    read_refusal(status, out);
  }
}

void lrd_http_answer_read(lrd_http_transfer *transfer, bool conditional, int64_t now_wall_ms, lrd_http_answer *out) {
  *out = (lrd_http_answer){.meaning = LRD_HTTP_FAILED};
  long status = lrd_http_status(transfer);
  bool value = status == 200 || status == 203 || status == 204;
  /* We broke it off after the status had said all: what else the body would have held does not matter. */
  bool heard = transfer->outcome == CURLE_WRITE_ERROR && !value && !transfer->refused && transfer->passed_over > 0;
  if (transfer->outcome != CURLE_OK && !heard) {
    lrd_http_failure_read(transfer, out);
    return;
  }
  read_status(transfer, status, conditional, out);
  const char *after = lrd_http_header(transfer, "Retry-After", 0);
  if (out->may_pass && after) {
    (void)lrd_http_retry_after_read(after, strlen(after), now_wall_ms, &out->retry_after_ms);
  }
}

/* --- validators --------------------------------------------------------------------------------------------------------- */

static bool is_etag(const char *text, size_t len) {
  size_t at = len >= 2 && memcmp(text, "W/", 2) == 0 ? 2 : 0;
  if (len < at + 2 || text[at] != '"' || text[len - 1] != '"') {
    return false;
  }
  for (at++; at < len - 1; at++) {
    if (text[at] <= 0x20 || text[at] >= 0x7f || text[at] == '"') {
      return false;
    }
  }
  return true;
}

void lrd_http_validity_read(const lrd_http_transfer *transfer, int64_t now_wall_ms, lrd_http_validity *out) {
  *out = (lrd_http_validity){.version = ""};
  const char *modified = lrd_http_header(transfer, "Last-Modified", 0);
  bool is_date = modified && lrd_http_date_read(modified, strlen(modified), &out->modified_ms);
  if (is_date && strlen(modified) + MODIFIED_LEN <= LARDER_VERSION_MAX) {
    (void)snprintf(out->version, sizeof out->version, MODIFIED "%s", modified);
  }
  /* It tells more than a date with whole seconds. */
  const char *etag = lrd_http_header(transfer, "ETag", 0);
  if (etag && strlen(etag) <= LARDER_VERSION_MAX && is_etag(etag, strlen(etag))) {
    memcpy(out->version, etag, strlen(etag) + 1);
  }
  lrd_cache_control control = LRD_CACHE_CONTROL_NONE;
  for (size_t i = 0;; i++) {
    const char *line = lrd_http_header(transfer, "Cache-Control", i);
    if (!line) {
      break;
    }
    lrd_cache_control_read(line, strlen(line), &control);
  }
  out->lifetime = lrd_http_lifetime_of(&control,
                                       (lrd_lifetime_headers){.expires = lrd_http_header(transfer, "Expires", 0),
                                                              .date = lrd_http_header(transfer, "Date", 0),
                                                              .age = lrd_http_header(transfer, "Age", 0)},
                                       now_wall_ms);
}

bool lrd_http_condition_write(const char *version, size_t len, char out[LRD_HTTP_CONDITION_ROOM]) {
  int64_t date_ms;
  if (len == 0 || len > LARDER_VERSION_MAX) {
    return false;
  }
  if (is_etag(version, len)) {
    (void)snprintf(out, LRD_HTTP_CONDITION_ROOM, "If-None-Match: %.*s", (int)len, version);
    return true;
  }
  /* A date of ours has passed the same reader; what else somebody put as a version does not get into a request. */
  if (len > MODIFIED_LEN && memcmp(version, MODIFIED, MODIFIED_LEN) == 0 &&
      lrd_http_date_read(version + MODIFIED_LEN, len - MODIFIED_LEN, &date_ms)) {
    (void)snprintf(out, LRD_HTTP_CONDITION_ROOM, "If-Modified-Since: %.*s", (int)(len - MODIFIED_LEN), version + MODIFIED_LEN);
    return true;
  }
  return false;
}
