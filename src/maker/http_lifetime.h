/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long an answer of an origin is good, by its own word: Cache-Control (RFC 9111, RFC 5861), Expires, Date and Age.
 *
 * The cache stands for one user's program: `private` and `proxy-revalidate` do not concern it, and `s-maxage` counts before
 * `max-age` since what is kept is shared by the processes of a host. Nothing is guessed from Last-Modified.
 */
#ifndef LRD_MAKER_HTTP_LIFETIME_H
#define LRD_MAKER_HTTP_LIFETIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What Cache-Control says. Seconds are -1 where nothing is said. */
typedef struct lrd_cache_control {
  bool no_store;
  bool no_cache;
  bool must_revalidate;
  int64_t max_age_s;
  int64_t s_maxage_s;
  int64_t stale_while_revalidate_s;
  int64_t stale_if_error_s;
} lrd_cache_control;

#define LRD_CACHE_CONTROL_NONE                                                                                                 \
  { false, false, false, -1, -1, -1, -1 }

/*
 * Adds one header line to what *control says. Of what is said twice the more careful counts; an age that can't be read is 0;
 * directives that nobody knows are passed over, and so is what is no directive at all.
 */
void lrd_cache_control_read(const char *text, size_t len, lrd_cache_control *control);

/* Headers beside it, as texts; NULL: not there. */
typedef struct lrd_lifetime_headers {
  const char *expires;
  const char *date;
  const char *age;
} lrd_lifetime_headers;

/* As larder_put_options wants it. */
typedef struct lrd_http_lifetime {
  bool not_kept;    /* no-store */
  int64_t ttl_ms;   /* 0: nothing is said; 1: it is to be asked for every time, which is as short as a lifetime can be */
  int64_t stale_ms; /* 0: nothing is said; -1: not at all */
} lrd_http_lifetime;

lrd_http_lifetime lrd_http_lifetime_of(const lrd_cache_control *control, lrd_lifetime_headers headers, int64_t now_wall_ms);

#endif
