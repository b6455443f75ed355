/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_field.h"

/* Behind the quote that opens it. */
static larder_err quoted_take(const char **at, const char *end, lrd_buf *out, const char **mistake) {
  for (bool doubled = true; doubled;) {
    const char *quote = memchr(*at, '"', (size_t)(end - *at));
    if (!quote) {
      *mistake = "the quotes of a field do not end";
      return LARDER_EFORMAT;
    }
    doubled = quote + 1 < end && quote[1] == '"';
    larder_err err = lrd_buf_append(out, *at, (size_t)(quote - *at) + doubled);
    if (err != LARDER_OK) return err;
    *at = quote + 1 + doubled;
  }
  if (*at == end || **at == ',') return LARDER_OK;
  *mistake = "something follows the closing quote of a field";
  return LARDER_EFORMAT;
}

static larder_err plain_take(const char **at, const char *end, lrd_buf *out, const char **mistake) {
  const char *comma = memchr(*at, ',', (size_t)(end - *at)), *stop = comma ? comma : end;
  if (memchr(*at, '"', (size_t)(stop - *at))) {
    *mistake = "a quote stands inside a field that does not begin with one";
    return LARDER_EFORMAT;
  }
  larder_err err = lrd_buf_append(out, *at, (size_t)(stop - *at));
  if (err == LARDER_OK) *at = stop;
  return err;
}

larder_err lrd_csv_field(const char **at, const char *end, lrd_buf *out, bool *more, const char **mistake) {
  larder_err err = LARDER_OK;
  lrd_buf_clear(out);
  if (*at < end && **at == '"') {
    (*at)++;
    err = quoted_take(at, end, out, mistake);
  } else {
    err = plain_take(at, end, out, mistake);
  }
  if (err != LARDER_OK) return err;
  *more = *at < end;
  if (*more) (*at)++;
  return LARDER_OK;
}
