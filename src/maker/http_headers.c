/* SPDX-License-Identifier: Apache-2.0 */
#include "http_headers.h"

#include <string.h>
#include <strings.h>

bool lrd_http_headers_next(const char **at, lrd_span *name, lrd_span *value) {
  if (!*at || !**at) {
    return false;
  }
  const char *const begin = *at;
  const char *const end = strchr(begin, '\n');
  const char *const stop = end ? end : begin + strlen(begin);
  const char *const equal = memchr(begin, '=', (size_t)(stop - begin));
  *name = lrd_span_of(begin, (size_t)((equal ? equal : stop) - begin));
  *value = equal ? lrd_span_of(equal + 1, (size_t)(stop - equal - 1)) : (lrd_span){0};
  *at = end ? end + 1 : stop;
  return true;
}

/* What Larder or libcurl says itself, or what would make an answer no whole value. */
static bool is_ours(const char *name, size_t len) {
  static const char *const ours[] = {
      "Accept-Encoding", "Connection",         "Content-Length", "Expect", "If-Match", "If-Modified-Since",
      "If-None-Match",   "If-Range",           "Range",          "TE",     "Trailer",  "Transfer-Encoding",
      "Upgrade",         "If-Unmodified-Since"};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    if (strlen(ours[i]) == len && strncasecmp(ours[i], name, len) == 0) {
      return true;
    }
  }
  return false;
}

static bool is_token(const char *name, size_t len) {
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)name[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c))) {
      return false;
    }
  }
  return len > 0;
}

static bool is_valid(lrd_span name, lrd_span value, const char **why_out) {
  if (!is_token(name.data, name.len)) {
    *why_out = "is no name of a header; letters, digits and - are";
    return false;
  }
  if (is_ours(name.data, name.len)) {
    *why_out = "is a header that Larder sets itself; leave it out";
    return false;
  }
  for (size_t i = 0; i < value.len; i++) {
    unsigned char c = ((const unsigned char *)value.data)[i];
    if (c == 0x7f || (c < 0x20 && c != '\t')) {
      *why_out = "has a control character in its value";
      return false;
    }
  }
  return true;
}

bool lrd_http_headers_valid(const char *lines, lrd_span *name, const char **why_out) {
  lrd_span value;
  while (lrd_http_headers_next(&lines, name, &value)) {
    *why_out = "has no value";
    if (!value.data || !is_valid(*name, value, why_out)) {
      return false;
    }
  }
  return true;
}
