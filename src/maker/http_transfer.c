/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl is told, and what it hands back piece by piece. The body is kept where the status says that it is the value;
 * of any other a little is passed over, which lets the connection be used again, and then the transfer is broken off.
 */
#include "http_transfer.h"

#include "base/fail.h"
#include "http_headers.h"
#include <larder/larder.h>
#include <strings.h>

#define USER_AGENT      "larder/" LARDER_VERSION_STRING
#define HEADER_BYTES    (256u * 1024) /* of all headers of an answer; libcurl keeps them in memory */
#define PASSED_OVER_MAX (64u * 1024)
#define CA_CACHE_S      600L

/* --- headers of a request ----------------------------------------------------------------------------------------------- */

/* Which kind of answer is wanted is no secret; all else may be one. */
static bool may_travel(const char *name, size_t len) {
  static const char *const known[] = {"Accept", "Accept-Language", "User-Agent"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strlen(known[i]) == len && strncasecmp(known[i], name, len) == 0) {
      return true;
    }
  }
  return false;
}

static larder_err header_add(lrd_http_transfer *t, const char *line) {
  struct curl_slist *longer = curl_slist_append(t->headers, line);
  if (!longer) {
    return LARDER_ENOMEM;
  }
  t->headers = longer;
  return LARDER_OK;
}

static larder_err header_add_pair(lrd_http_transfer *t, lrd_buf *line, lrd_span name, lrd_span value) {
  larder_err result;
  lrd_buf_clear(line);
  /* libcurl takes `Name:` for the wish to leave a header out, and `Name;` for an empty one */
  if ((result = lrd_buf_append(line, name.data, name.len)) != LARDER_OK ||
      (result = lrd_buf_append_str(line, value.len ? ": " : ";")) != LARDER_OK ||
      (result = lrd_buf_append(line, value.data, value.len)) != LARDER_OK || (result = lrd_buf_terminate(line)) != LARDER_OK) {
    return result;
  }
  return header_add(t, (const char *)line->data);
}

static larder_err headers_add(lrd_http_transfer *t, const lrd_http_request *request) {
  lrd_buf line = {0};
  larder_err result = header_add(t, "Accept-Encoding: gzip");
  const char *at = request->headers;
  lrd_span name, value;
  while (result == LARDER_OK && lrd_http_headers_next(&at, &name, &value)) {
    if (value.data && (!request->away || may_travel(name.data, name.len))) {
      result = header_add_pair(t, &line, name, value);
    }
  }
  if (result == LARDER_OK && request->condition) {
    result = header_add(t, request->condition);
  }
  lrd_buf_fini(&line);
  return result;
}

/* --- what comes --------------------------------------------------------------------------------------------------------- */

const char *lrd_http_header(const lrd_http_transfer *transfer, const char *name, size_t number) {
  struct curl_header *found = NULL;
  if (curl_easy_header(transfer->easy, name, number, CURLH_HEADER, -1, &found) != CURLHE_OK) {
    return NULL;
  }
  return found->value;
}

long lrd_http_status(const lrd_http_transfer *transfer) {
  long status = 0;
  (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

static size_t on_header(char *data, size_t size, size_t count, void *context) {
  lrd_http_transfer *t = context;
  (void)data;
  t->header_bytes += size * count;
  if (t->header_bytes > HEADER_BYTES) {
    t->refused = "its headers are longer than 256 KiB";
    return 0;
  }
  return size * count;
}

/* At the first byte of a body. */
static bool body_begin(lrd_http_transfer *t) {
  const char *coding = lrd_http_header(t, "Content-Encoding", 0);
  bool gzip = coding && (strcasecmp(coding, "gzip") == 0 || strcasecmp(coding, "x-gzip") == 0);
  if (coding && !gzip && *coding && strcasecmp(coding, "identity") != 0) {
    t->refused = "its body is packed in another way than gzip";
    return false;
  }
  if (lrd_http_header(t, "Content-Encoding", 1)) {
    t->refused = "its body is packed more than once";
    return false;
  }
  t->has_body = true;
  if (lrd_http_body_begin(&t->body, gzip, t->body.bytes_max) != LARDER_OK) {
    return false;
  }
  curl_off_t len = -1;
  if (curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len) == CURLE_OK && len > 0) {
    lrd_http_body_expect(&t->body, (uint64_t)len);
  }
  return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *context) {
  lrd_http_transfer *t = context;
  size_t len = size * count;
  long status = lrd_http_status(t);
  if (t->status_only || (status != 200 && status != 203)) {
    t->passed_over += len;
    return t->passed_over <= PASSED_OVER_MAX ? len : 0;
  }
  if (!t->has_body && !body_begin(t)) {
    return 0;
  }
  return lrd_http_body_add(&t->body, data, len) == LARDER_OK ? len : 0;
}

/* --- making ------------------------------------------------------------------------------------------------------------- */

#define SET(option, value) (code = code == CURLE_OK ? curl_easy_setopt(easy, option, value) : code)

static CURLcode set_up(const lrd_http_transfer *t, const lrd_http_request *request) {
  CURL *easy = t->easy;
  CURLcode code = CURLE_OK;
  SET(CURLOPT_URL, request->url);
  SET(CURLOPT_HTTPGET, 1L);
  SET(CURLOPT_NOBODY, request->head ? 1L : 0L);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_USERAGENT, USER_AGENT);
  SET(CURLOPT_HTTPHEADER, t->headers);
  SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy on the way learns none of them */
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
  SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
  SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
  SET(CURLOPT_TCP_KEEPALIVE, 1L);
  SET(CURLOPT_SSL_VERIFYPEER, 1L);
  SET(CURLOPT_SSL_VERIFYHOST, 2L);
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
  /* Who gives up while a name is being looked up does not wait for the resolver, nor does the engine's thread. */
  SET(CURLOPT_QUICK_EXIT, 1L);
  if (request->ca_file) {
    SET(CURLOPT_CAINFO, request->ca_file);
    SET(CURLOPT_CAPATH, NULL); /* only these, not the system's as well */
    SET(CURLOPT_PROXY_CAINFO, request->ca_file);
    SET(CURLOPT_PROXY_CAPATH, NULL);
  }
  SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (request->proxy) {
    SET(CURLOPT_PROXY, request->proxy); /* else libcurl looks into the environment */
  }
  if (request->away) {
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  }
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_HEADERDATA, (void *)(uintptr_t)t);
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_WRITEDATA, (void *)(uintptr_t)t);
  SET(CURLOPT_ERRORBUFFER, (char *)(uintptr_t)t->error);
  SET(CURLOPT_PRIVATE, (void *)(uintptr_t)t);
  return code;
}

larder_err lrd_http_transfer_new(const lrd_http_request *request, lrd_http_transfer **out) {
  lrd_http_transfer *t = lrd_alloc_zero(1, sizeof *t);
  if (!t) {
    return LARDER_ENOMEM;
  }
  lrd_cond_init(&t->changed);
  t->body.bytes_max = request->bytes_max;
  t->status_only = request->status_only;
  t->easy = curl_easy_init();
  larder_err result = t->easy ? headers_add(t, request) : LARDER_ENOMEM;
  if (result == LARDER_OK) {
    CURLcode code = set_up(t, request);
    result = code == CURLE_OK ? LARDER_OK : code == CURLE_OUT_OF_MEMORY ? LARDER_ENOMEM : LARDER_EUNSUPPORTED;
  }
  if (result != LARDER_OK) {
    lrd_http_transfer_free(t);
    return result;
  }
  *out = t;
  return LARDER_OK;
}

void lrd_http_transfer_free(lrd_http_transfer *transfer) {
  if (!transfer) {
    return;
  }
  curl_easy_cleanup(transfer->easy);
  curl_slist_free_all(transfer->headers);
  lrd_http_body_fini(&transfer->body);
  lrd_cond_fini(&transfer->changed);
  lrd_dealloc(transfer);
}
