/* SPDX-License-Identifier: Apache-2.0 */
/* The same reader of URLs that the transfer will use takes them apart: two readers would differ some day. */
#include "http_place.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static larder_err err_of(CURLUcode code) {
  if (code == CURLUE_OK) {
    return LARDER_OK;
  }
  return code == CURLUE_OUT_OF_MEMORY ? LARDER_ENOMEM : LARDER_EINVAL;
}

static void lower(char *text) {
  for (; *text; text++) {
    if (*text >= 'A' && *text <= 'Z') {
      *text = (char)(*text + ('a' - 'A'));
    }
  }
}

static larder_err place_write(const char *scheme, const char *host, const char *port, lrd_http_place *out) {
  bool https = strcasecmp(scheme, "https") == 0;
  if (!https && strcasecmp(scheme, "http") != 0) {
    return LARDER_EINVAL;
  }
  bool usual = strcmp(port, https ? "443" : "80") == 0;
  int host_len = snprintf(out->host, sizeof out->host, "%s:%s", host, port);
  int shown_len = snprintf(out->shown, sizeof out->shown, "%s://%s%s%s", https ? "https" : "http", host, usual ? "" : ":",
                           usual ? "" : port);
  if (host_len < 0 || (size_t)host_len >= sizeof out->host || shown_len < 0 || (size_t)shown_len >= sizeof out->shown) {
    return LARDER_EINVAL;
  }
  out->https = https;
  lower(out->host);
  return LARDER_OK;
}

larder_err lrd_http_place_of(const char *url, lrd_http_place *out) {
  char *scheme = NULL, *host = NULL, *port = NULL;
  CURLU *parts = curl_url();
  if (!parts) {
    return LARDER_ENOMEM;
  }
  larder_err result = err_of(curl_url_set(parts, CURLUPART_URL, url, 0));
  if (result == LARDER_OK) {
    result = err_of(curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0));
  }
  if (result == LARDER_OK) {
    result = err_of(curl_url_get(parts, CURLUPART_HOST, &host, 0));
  }
  if (result == LARDER_OK) {
    result = err_of(curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT));
  }
  if (result == LARDER_OK) {
    lrd_http_place found;
    result = place_write(scheme, host, port, &found);
    if (result == LARDER_OK) {
      *out = found;
    }
  }
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  curl_url_cleanup(parts);
  return result;
}

larder_err lrd_http_proxy_check(const char *proxy) {
  char *host = NULL;
  if (!proxy || !*proxy) {
    return LARDER_OK;
  }
  CURLU *parts = curl_url();
  if (!parts) {
    return LARDER_ENOMEM;
  }
  larder_err result = err_of(curl_url_set(parts, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME));
  if (result == LARDER_OK) {
    result = err_of(curl_url_get(parts, CURLUPART_HOST, &host, 0));
  }
  curl_free(host);
  curl_url_cleanup(parts);
  return result;
}

bool lrd_http_place_same(const lrd_http_place *a, const lrd_http_place *b) {
  return a->https == b->https && strcmp(a->host, b->host) == 0;
}
