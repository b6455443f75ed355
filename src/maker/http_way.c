/* SPDX-License-Identifier: Apache-2.0 */
#include "http_way.h"

#include <larder/larder.h>

void lrd_http_way_fini(lrd_http_way *way) { lrd_buf_fini(&way->url); }

void lrd_http_way_spend(lrd_http_way *way, const lrd_http_transfer *transfer) {
  curl_off_t took_us = 0;
  if (way->left_ms == 0) {
    return;
  }
  (void)curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &took_us);
  way->left_ms = way->left_ms > took_us / 1000 + 1 ? way->left_ms - took_us / 1000 : 1;
}

const char *lrd_http_way_onward(const lrd_http_transfer *transfer, bool *redirects) {
  long const status = lrd_http_status(transfer);
  char *url = NULL;
  *redirects = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  if (*redirects) {
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
  }
  return url;
}

larder_err lrd_http_way_follow(lrd_http_way *way, const char *url, const char **why_out) {
  lrd_http_place next;
  lrd_buf copy = {0};
  larder_err const placed = lrd_http_place_of(url, &next);
  if (placed == LARDER_ENOMEM) {
    return placed;
  }
  if (way->left == 0) {
    *why_out = "it redirects more often than `redirects` allows";
    return LARDER_EFORMAT;
  }
  if (placed != LARDER_OK) {
    *why_out = "it redirects to what is neither http nor https";
    return LARDER_EFORMAT;
  }
  if (way->place.https && !next.https) {
    *why_out = "it redirects from https to http, which Larder does not follow";
    return LARDER_EFORMAT;
  }
  if (lrd_buf_append_str(&copy, url) != LARDER_OK || lrd_buf_terminate(&copy) != LARDER_OK) {
    lrd_buf_fini(&copy);
    return LARDER_ENOMEM;
  }
  lrd_buf_fini(&way->url);
  way->url = copy;
  way->place = next;
  way->left--;
  return LARDER_OK;
}
