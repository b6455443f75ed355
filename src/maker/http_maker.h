/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `maker: {http: URL}`: a GET of the URL that the key fills in.
 *
 *   200, 203   the body is the value; 204: a value of length 0
 *   304        what is kept is good still; asked by ETag or Last-Modified, which are kept as the entry's version
 *   404, 410   there is none
 *   401, 403, 407, and a certificate that is not trusted: LARDER_EACCES; any other 4xx LARDER_EUNSUPPORTED; what is no answer
 * to the question (206, 3xx beyond the limit, …) LARDER_EFORMAT; above max_size LARDER_ETOOBIG. None of them is tried again.
 *   5xx, 429, 408, 425, 202, the network, a time-out, a body that is not whole: LARDER_EAWAY, tried again `retries` times after
 *   a random part of a delay that doubles, and not before Retry-After, which keeps everybody from the host meanwhile.
 *
 * Headers of the configuration go to the host of the URL alone: of what a redirect leads to elsewhere, only `Accept`,
 * `Accept-Language` and `User-Agent` are told. A redirect never leads from https to http.
 */
#ifndef LRD_MAKER_HTTP_MAKER_H
#define LRD_MAKER_HTTP_MAKER_H

#include "config/configuration.h"
#include "http_engine.h"

#define LRD_HTTP_RETRY_MAX_MS INT64_C(30000) /* the longest delay that doubling leads to */
#define LRD_HTTP_AFTER_MAX_MS INT64_C(60000) /* an origin that asks for a longer pause is not waited for */

/* What happened, as far as a user wants it counted. */
typedef enum lrd_http_count {
  LRD_HTTP_REQUESTS,     /* sent, with redirects and further attempts */
  LRD_HTTP_BYTES,        /* of bodies, as they came over the network */
  LRD_HTTP_RETRIES,      /* attempts after the first */
  LRD_HTTP_NOT_MODIFIED, /* answers of 304 */
  LRD_HTTP_RATE_WAITS    /* requests that had to wait for a token, of the namespace or of the host */
} lrd_http_count;

/* Copied, but for what is called a borrow. */
typedef struct lrd_http_maker_params {
  const lrd_config_maker *config; /* of type LRD_MAKER_HTTP; borrowed for the call of new */
  const char *ns;
  const char *secrets;     /* names for base/redact.h; NULL: the built-in ones; borrowed for the maker's lifetime */
  lrd_http_engine *engine; /* borrowed for the maker's lifetime */
  void (*count)(void *context, lrd_http_count which, uint64_t n); /* by any thread; NULL: nobody counts */
  void *context;
} lrd_http_maker_params;

typedef struct lrd_http_maker lrd_http_maker;

/* Own. LARDER_ECONFIG with a sentence for a URL or a header that can't be sent, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_http_maker_new(const lrd_http_maker_params *params, lrd_http_maker **out, larder_error *err);
/* Nobody is making any more. NULL is fine. */
void lrd_http_maker_free(lrd_http_maker *maker);
/* A larder_make whose context is the maker. */
LARDER_MUST_CHECK larder_err lrd_http_make(void *maker, const larder_making *making, larder_made *made, larder_error *err);

#endif
