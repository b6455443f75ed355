/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange with an origin: a request, and its answer as it came. Redirects are not followed here.
 *
 * It holds copies of all it needs, so that whoever ordered it may go before libcurl has let go of it. One thread at a time:
 * who orders it, then the engine's, then again who ordered it.
 */
#ifndef LRD_MAKER_HTTP_TRANSFER_H
#define LRD_MAKER_HTTP_TRANSFER_H

#include "base/thread.h"
#include "http_body.h"
#include "http_place.h"
#include <curl/curl.h>

/* Borrowed while the transfer is made. */
typedef struct lrd_http_request {
  const char *url;
  const char *headers;   /* `name=value` lines; NULL: none */
  bool away;             /* led there by a redirect from another place: of the headers only those that hold no secret */
  const char *condition; /* one more header, as it is sent; NULL: none */
  const char *ca_file;   /* NULL: the system's */
  const char *proxy;     /* its URL; empty: none; NULL: as the environment says */
  int64_t connect_timeout_ms;
  int64_t timeout_ms;
  uint64_t bytes_max;
  bool status_only; /* the body is passed over, whatever the status */
  bool head;        /* HEAD instead of GET */
} lrd_http_request;

typedef enum lrd_transfer_state {
  LRD_TRANSFER_NEW,
  LRD_TRANSFER_QUEUED,
  LRD_TRANSFER_RUNNING,
  LRD_TRANSFER_DONE
} lrd_transfer_state;

typedef struct lrd_http_transfer lrd_http_transfer;
struct lrd_http_transfer {
  CURL *easy;
  struct curl_slist *headers;
  CURLcode outcome;
  char error[CURL_ERROR_SIZE];
  lrd_http_body body; /* of status 200 and 203 */
  bool has_body;
  bool status_only;
  const char *refused; /* why we broke it off ourselves; NULL: we did not */
  size_t header_bytes;
  size_t passed_over;             /* of the body of any other status */
  int socket_errno;               /* why there was no socket to be had; 0: there was, or none was wanted */
  struct lrd_http_engine *engine; /* while it is there */
  /* The engine's, under its mutex. */
  lrd_cond changed;
  lrd_transfer_state state;
  bool unwanted; /* who ordered it has gone: the engine frees it */
  lrd_http_transfer *before;
  lrd_http_transfer *after;
};

/* Own; LARDER_ENOMEM or LARDER_EUNSUPPORTED (this libcurl has not what is needed). */
LARDER_MUST_CHECK larder_err lrd_http_transfer_new(const lrd_http_request *request, lrd_http_transfer **out);
void lrd_http_transfer_free(lrd_http_transfer *transfer);

/* The header of the answer, trailers aside; NULL: there is none of that name and number, from 0. Borrowed. */
const char *lrd_http_header(const lrd_http_transfer *transfer, const char *name, size_t number);
long lrd_http_status(const lrd_http_transfer *transfer);

#endif
