/* SPDX-License-Identifier: Apache-2.0 */
/* Where a URL leads: as much of it as sentences may show, since paths and queries may hold secrets. */
#ifndef LRD_MAKER_HTTP_PLACE_H
#define LRD_MAKER_HTTP_PLACE_H

#include <larder/error.h>
#include <stdbool.h>

#define LRD_HTTP_PLACE_ROOM 280u /* a DNS name has at most 253 bytes */

typedef struct lrd_http_place {
  bool https;
  char host[LRD_HTTP_PLACE_ROOM];  /* `name:port`, in small letters: one bucket of tokens is kept for each */
  char shown[LRD_HTTP_PLACE_ROOM]; /* `https://name`, with the port where it is not the usual one */
} lrd_http_place;

/* LARDER_EINVAL for what is no URL of http or https, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_http_place_of(const char *url, lrd_http_place *out);
/* Whether a configured proxy may be given to libcurl, an empty text too, which is none. LARDER_EINVAL, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_http_proxy_check(const char *proxy);
#define LRD_HTTP_PROXY_REFUSED "its proxy is no URL that libcurl can use; it reads http://HOST:PORT"
/* Whether what was meant for one may be sent to the other. */
bool lrd_http_place_same(const lrd_http_place *a, const lrd_http_place *b);

#endif
