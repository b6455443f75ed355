/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of an origin: Cache-Control, dates, Retry-After, validators; and a body that comes as gzip. */
#include "maker/attempts.h"
#include "maker/http_answer.h"
#include "maker/http_date.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

#define NOW INT64_C(784111777000)

static void try_dates(const char *text, size_t size) {
  int64_t ms = 0;
  if (lrd_http_date_read(text, size, &ms)) HOLDS(ms >= INT64_C(-11644473600000) && ms <= INT64_C(253402300800000));
  if (lrd_http_retry_after_read(text, size, NOW, &ms)) HOLDS(ms >= 0 && ms <= LRD_RETRY_AFTER_MAX_MS);
  if (lrd_http_seconds_read(text, size, &ms)) HOLDS(ms >= 0 && ms <= LRD_HTTP_SECONDS_MAX);
}

static void try_lifetime(const char *text, size_t size) {
  lrd_cache_control control = LRD_CACHE_CONTROL_NONE;
  lrd_cache_control_read(text, size, &control);
  char *copy = malloc(size + 1);
  HOLDS(copy != NULL);
  memcpy(copy, text, size);
  copy[size] = '\0';
  lrd_lifetime_headers const headers = {.expires = copy, .date = copy, .age = copy};
  lrd_http_lifetime lifetime = lrd_http_lifetime_of(&control, headers, NOW);
  HOLDS(lifetime.ttl_ms >= 1 && lifetime.stale_ms >= -1); /* an Expires that can't be read has passed */
  lifetime = lrd_http_lifetime_of(&control, (lrd_lifetime_headers){0}, NOW);
  HOLDS(lifetime.ttl_ms >= 0 && lifetime.ttl_ms <= LRD_HTTP_SECONDS_MAX * 1000);
  /* What is said twice is said once. */
  lrd_cache_control again = control;
  lrd_cache_control_read(text, size, &again);
  HOLDS(again.max_age_s == control.max_age_s && again.no_store == control.no_store && again.no_cache == control.no_cache);
  free(copy);
}

static void try_condition(const char *text, size_t size) {
  char header[LRD_HTTP_CONDITION_ROOM];
  if (!lrd_http_condition_write(text, size, header)) return;
  for (const char *p = header; *p; p++) HOLDS((unsigned char)*p >= 0x20 || *p == '\t');
}

static void try_body(const uint8_t *data, size_t size) {
  lrd_http_body whole = {0}, pieces = {0};
  HOLDS(lrd_http_body_begin(&whole, true, 1 << 16) == LARDER_OK);
  HOLDS(lrd_http_body_begin(&pieces, true, 1 << 16) == LARDER_OK);
  larder_err result = lrd_http_body_add(&whole, data, size);
  if (result == LARDER_OK) result = lrd_http_body_end(&whole);
  larder_err other = LARDER_OK;
  for (size_t i = 0; i < size && other == LARDER_OK; i++) other = lrd_http_body_add(&pieces, data + i, 1);
  if (other == LARDER_OK) other = lrd_http_body_end(&pieces);
  HOLDS(whole.data.len <= 1 << 16 && pieces.data.len <= 1 << 16);
  HOLDS((result == LARDER_OK) == (other == LARDER_OK)); /* which of several faults is seen first depends on the pieces */
  if (result == LARDER_OK)
    HOLDS(whole.data.len == pieces.data.len &&
          (whole.data.len == 0 || memcmp(whole.data.data, pieces.data.data, whole.data.len) == 0));
  lrd_http_body_fini(&whole);
  lrd_http_body_fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try_dates((const char *)data, size);
  try_lifetime((const char *)data, size);
  try_condition((const char *)data, size);
  try_body(data, size);
  return 0;
}
