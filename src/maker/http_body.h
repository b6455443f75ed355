/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of an answer while it comes in: limited, and unpacked where it is gzip.
 *
 * It is unpacked here and not by libcurl, which takes a gzip stream that breaks off for a whole one.
 */
#ifndef LRD_MAKER_HTTP_BODY_H
#define LRD_MAKER_HTTP_BODY_H

#include "base/bytes.h"

/* Zero-initialise; fini accepts it half built. */
typedef struct lrd_http_body {
  lrd_buf data;
  uint64_t bytes_max;
  larder_err failure;
  const char *why;    /* with a failure: what is wrong with it */
  struct gunzip *zip; /* NULL: it comes as it is */
} lrd_http_body;

/* gzip: what comes is packed. bytes_max counts what is unpacked. */
LARDER_MUST_CHECK larder_err lrd_http_body_begin(lrd_http_body *body, bool gzip, uint64_t bytes_max);
/* Room for so much at once, as far as the limit allows. A hint: without it the room grows. */
void lrd_http_body_expect(lrd_http_body *body, uint64_t bytes);
/* LARDER_ETOOBIG, LARDER_EFORMAT or LARDER_ENOMEM; body->failure is the same from then on. */
LARDER_MUST_CHECK larder_err lrd_http_body_add(lrd_http_body *body, const void *data, size_t len);
/* Nothing more comes. LARDER_EFORMAT where more would have to. */
LARDER_MUST_CHECK larder_err lrd_http_body_end(lrd_http_body *body);
void lrd_http_body_fini(lrd_http_body *body);

#endif
