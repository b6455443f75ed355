/* SPDX-License-Identifier: Apache-2.0 */
/* What an exchange that has ended means for who wants a value. Looks at nothing but the transfer. */
#ifndef LRD_MAKER_HTTP_ANSWER_H
#define LRD_MAKER_HTTP_ANSWER_H

#include "http_lifetime.h"
#include "http_transfer.h"
#include <larder/ext/tier.h>

typedef enum lrd_http_meaning {
  LRD_HTTP_VALUE,     /* the body is the value */
  LRD_HTTP_ABSENT,    /* there is none */
  LRD_HTTP_UNCHANGED, /* what is kept is good still */
  LRD_HTTP_ELSEWHERE, /* ask there */
  LRD_HTTP_FAILED
} lrd_http_meaning;

#define LRD_HTTP_WHY_ROOM 200u

/* Behind FAILED stand only texts of ours and of libcurl's, nothing that the origin wrote. */
typedef struct lrd_http_answer {
  lrd_http_meaning meaning;
  const char *elsewhere;  /* ELSEWHERE: the whole URL; borrowed from the transfer */
  larder_err failure;     /* FAILED */
  bool may_pass;          /* FAILED: to try again may help */
  bool ours;              /* FAILED: by what our side lets through, which says nothing of who was to be asked */
  bool here;              /* FAILED: likewise, by what this machine has not at the moment: descriptors, a network, a proxy */
  int64_t retry_after_ms; /* what the origin asks for; 0: nothing */
  char why[LRD_HTTP_WHY_ROOM];
} lrd_http_answer;

/* Of a transfer that has not ended well: what failed. */
void lrd_http_failure_read(const lrd_http_transfer *transfer, lrd_http_answer *out);
/* conditional: the request named what is kept. Finishes the body. */
void lrd_http_answer_read(lrd_http_transfer *transfer, bool conditional, int64_t now_wall_ms, lrd_http_answer *out);

/* What is kept beside a value. */
typedef struct lrd_http_validity {
  char version[LARDER_VERSION_MAX + 1]; /* the ETag as it was sent, or `lm:` and Last-Modified; empty: none */
  int64_t modified_ms;                  /* 0: not known */
  lrd_http_lifetime lifetime;           /* as the headers say it */
} lrd_http_validity;

void lrd_http_validity_read(const lrd_http_transfer *transfer, int64_t now_wall_ms, lrd_http_validity *out);

/* Room for the header with which to ask whether a version is good still. */
#define LRD_HTTP_CONDITION_ROOM (LARDER_VERSION_MAX + 24u)
/* False where the version is none of ours: then the request has no condition. */
bool lrd_http_condition_write(const char *version, size_t len, char out[LRD_HTTP_CONDITION_ROOM]);

#endif
