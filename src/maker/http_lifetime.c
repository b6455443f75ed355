/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache-Control is a list of `name` and `name=value`, values bare or in quotes, where a comma may stand inside the quotes.
 * The reader takes it piece by piece and never fails: what it does not understand ends at the next comma.
 */
#include "http_lifetime.h"

#include "http_date.h"
#include <string.h>
#include <strings.h>

typedef struct directive {
  const char *name;
  size_t name_len;
  const char *value; /* without its quotes; NULL: none */
  size_t value_len;
} directive;

static bool is_separator(char c) { return c == ' ' || c == '\t' || c == ','; }

/* Where the piece ends that begins at `at`: at a comma outside quotes. */
static const char *piece_end(const char *at, const char *end) {
  bool quoted = false;
  for (; at < end; at++) {
    if (*at == '"') {
      quoted = !quoted;
    } else if (quoted && *at == '\\' && at + 1 < end) {
      at++;
    } else if (*at == ',' && !quoted) {
      break;
    }
  }
  return at;
}

static bool directive_next(const char **at, const char *end, directive *out) {
  const char *p = *at;
  while (p < end && is_separator(*p)) {
    p++;
  }
  if (p == end) {
    return false;
  }
  const char *stop = piece_end(p, end);
  *at = stop;
  const char *equal = memchr(p, '=', (size_t)(stop - p));
  const char *name_end = equal ? equal : stop;
  while (name_end > p && is_separator(name_end[-1])) {
    name_end--;
  }
  *out = (directive){.name = p, .name_len = (size_t)(name_end - p)};
  if (equal) {
    const char *value = equal + 1;
    while (stop > value && is_separator(stop[-1])) {
      stop--;
    }
    if (stop - value >= 2 && *value == '"' && stop[-1] == '"') {
      value++;
      stop--;
    }
    out->value = value;
    out->value_len = (size_t)(stop - value);
  }
  return true;
}

static bool is_named(const directive *d, const char *name) {
  return d->name_len == strlen(name) && strncasecmp(d->name, name, d->name_len) == 0;
}

static void seconds_note(const directive *d, int64_t *seconds) {
  int64_t value = 0;
  if (!d->value || !lrd_http_seconds_read(d->value, d->value_len, &value)) {
    value = 0; /* it was meant to be limited, so it is */
  }
  if (*seconds < 0 || value < *seconds) {
    *seconds = value;
  }
}

void lrd_cache_control_read(const char *text, size_t len, lrd_cache_control *control) {
  const char *at = text;
  const char *end = text + len;
  directive d;
  while (directive_next(&at, end, &d)) {
    if (is_named(&d, "no-store")) {
      control->no_store = true;
    } else if (is_named(&d, "no-cache")) {
      control->no_cache = control->no_cache || !d.value; /* with a value it speaks of single headers, which are not kept */
    } else if (is_named(&d, "must-revalidate")) {
      control->must_revalidate = true;
    } else if (is_named(&d, "max-age")) {
      seconds_note(&d, &control->max_age_s);
    } else if (is_named(&d, "s-maxage")) {
      seconds_note(&d, &control->s_maxage_s);
    } else if (is_named(&d, "stale-while-revalidate")) {
      seconds_note(&d, &control->stale_while_revalidate_s);
    } else if (is_named(&d, "stale-if-error")) {
      seconds_note(&d, &control->stale_if_error_s);
    }
  }
}

/* Milliseconds from when the origin wrote the answer; -1: nothing is said. */
static int64_t lifetime_said_ms(const lrd_cache_control *control, lrd_lifetime_headers headers, int64_t now_wall_ms) {
  int64_t expires_ms;
  int64_t date_ms = now_wall_ms;
  if (control->no_cache) {
    return 0;
  }
  if (control->s_maxage_s >= 0) {
    return control->s_maxage_s * 1000;
  }
  if (control->max_age_s >= 0) {
    return control->max_age_s * 1000;
  }
  if (!headers.expires) {
    return -1;
  }
  if (!lrd_http_date_read(headers.expires, strlen(headers.expires), &expires_ms)) {
    return 0; /* `Expires: 0` and the like: it has expired */
  }
  /* Both are by the origin's clock, so that it need not agree with ours. */
  if (headers.date && !lrd_http_date_read(headers.date, strlen(headers.date), &date_ms)) {
    date_ms = now_wall_ms;
  }
  return expires_ms > date_ms ? expires_ms - date_ms : 0;
}

lrd_http_lifetime lrd_http_lifetime_of(const lrd_cache_control *control, lrd_lifetime_headers headers, int64_t now_wall_ms) {
  lrd_http_lifetime out = {.not_kept = control->no_store};
  int64_t ttl_ms = lifetime_said_ms(control, headers, now_wall_ms);
  int64_t age_s;
  if (ttl_ms >= 0) {
    /* What a cache between the origin and us has used up of it. */
    if (headers.age && lrd_http_seconds_read(headers.age, strlen(headers.age), &age_s)) {
      ttl_ms -= age_s * 1000;
    }
    out.ttl_ms = ttl_ms > 1 ? ttl_ms : 1;
  }
  /* A put has one window in which the value may be stale; the namespace says what it may be served for in there. */
  int64_t stale_s = control->stale_while_revalidate_s > control->stale_if_error_s ? control->stale_while_revalidate_s
                                                                                  : control->stale_if_error_s;
  if (control->no_cache || control->must_revalidate || stale_s == 0) {
    out.stale_ms = -1;
  } else if (stale_s > 0) {
    out.stale_ms = stale_s * 1000;
  }
  return out;
}
