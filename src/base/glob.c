/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching with one remembered star: when the rest fails, the latest star takes one byte more. Earlier stars never need
 * to be tried again, since the latest one can take whatever they would have given up; so the work is at most text times
 * pattern. A `]` right after the bracket (or its `!`) is a member of the class.
 */
#include "glob.h"

/* Reads one byte of a class, escaped or plain. Returns the position after it, or 0 when the pattern ends first. */
static size_t class_byte(const char *pattern, size_t len, size_t at, uint8_t *out) {
  if (at < len && pattern[at] == '\\') at++;
  if (at >= len) return 0;
  *out = (uint8_t)pattern[at];
  return at + 1;
}

/*
 * The class that begins after the `[` at `at`: whether c belongs to it. Returns the position after the `]`, or 0 when it
 * is not closed.
 */
static size_t class_match(const char *pattern, size_t len, size_t at, uint8_t c, bool *belongs) {
  bool negated = at < len && pattern[at] == '!';
  bool found = false;
  at += negated;
  for (bool first = true; at < len; first = false) {
    if (pattern[at] == ']' && !first) {
      *belongs = found != negated;
      return at + 1;
    }
    uint8_t low, high;
    at = class_byte(pattern, len, at, &low);
    if (!at) return 0;
    high = low;
    if (at + 1 < len && pattern[at] == '-' && pattern[at + 1] != ']') {
      at = class_byte(pattern, len, at + 1, &high);
      if (!at) return 0;
    }
    if (c >= low && c <= high) found = true;
  }
  return 0;
}

/* Whether the element at `at` (no star) takes c; *next is the position after it. False too for a broken pattern. */
static bool glob_takes(const char *pattern, size_t len, size_t at, uint8_t c, size_t *next) {
  bool belongs = false;
  switch (pattern[at]) {
  case '?':
    *next = at + 1;
    return true;
  case '[':
    *next = class_match(pattern, len, at + 1, c, &belongs);
    return *next != 0 && belongs;
  case '\\':
    if (at + 1 >= len) return false;
    *next = at + 2;
    return (uint8_t)pattern[at + 1] == c;
  default:
    *next = at + 1;
    return (uint8_t)pattern[at] == c;
  }
}

bool lrd_glob_match(const char *pattern, size_t pattern_len, const void *text, size_t text_len) {
  const uint8_t *bytes = text;
  size_t p = 0, t = 0, next = 0;
  size_t star_p = SIZE_MAX, star_t = 0;
  while (t < text_len) {
    if (p < pattern_len && pattern[p] == '*') {
      star_p = ++p;
      star_t = t;
    } else if (p < pattern_len && glob_takes(pattern, pattern_len, p, bytes[t], &next)) {
      p = next;
      t++;
    } else if (star_p != SIZE_MAX) {
      p = star_p;
      t = ++star_t;
    } else {
      return false;
    }
  }
  while (p < pattern_len && pattern[p] == '*') p++;
  return p == pattern_len;
}

larder_err lrd_glob_check(const char *pattern, size_t len) {
  for (size_t at = 0; at < len;) {
    bool ignored;
    if (pattern[at] == '[') {
      at = class_match(pattern, len, at + 1, 0, &ignored);
      if (!at) return LARDER_EINVAL;
    } else if (pattern[at] == '\\') {
      if (at + 1 >= len) return LARDER_EINVAL;
      at += 2;
    } else {
      at++;
    }
  }
  return LARDER_OK;
}

size_t lrd_glob_prefix(const char *pattern, size_t len, char *prefix_out) {
  size_t done = 0;
  for (size_t at = 0; at < len; at++) {
    if (pattern[at] == '*' || pattern[at] == '?' || pattern[at] == '[') break;
    if (pattern[at] == '\\' && ++at >= len) break;
    prefix_out[done++] = pattern[at];
  }
  return done;
}
