/* SPDX-License-Identifier: Apache-2.0 */
/* Where a request goes, from redirect to redirect, and what is left for it. */
#ifndef LRD_MAKER_HTTP_WAY_H
#define LRD_MAKER_HTTP_WAY_H

#include "base/bytes.h"
#include "http_place.h"
#include "http_transfer.h"

/* Made by a literal with the first three; fini by whoever made it. */
typedef struct lrd_http_way {
  lrd_http_place place;
  uint64_t left;   /* redirects that may be followed still */
  int64_t left_ms; /* of the time for all of it; 0: no limit */
  lrd_buf url;     /* where a redirect led; empty: the request's own */
} lrd_http_way;

void lrd_http_way_fini(lrd_http_way *way);
/* Takes off what a transfer took; a limit stays one. */
void lrd_http_way_spend(lrd_http_way *way, const lrd_http_transfer *transfer);
/* Where the answer redirects to: the whole URL, borrowed from the transfer. *redirects: its status is that of a redirect. */
const char *lrd_http_way_onward(const lrd_http_transfer *transfer, bool *redirects);
/* LARDER_EFORMAT for what is not followed, and *why_out is the rest of a sentence about it; LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_http_way_follow(lrd_http_way *way, const char *url, const char **why_out);

#endif
