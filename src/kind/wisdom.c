/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar, blanks and line ends as FFTW writes them:
 *
 *   (fftw-3.3.10 fftw_wisdom #x3c273403 #x192df114 #x4d08727c #xe98e9b9d
 *     (fftw_codelet_n1fv_8_avx 0 #x11048 #x11048 #x0 #x360d236b #xb0156408 #x6eade8be #xce88309a)
 *   )
 *
 * An entry is a solver's name and number, three fields of flags, and a digest of the problem. FFTW keeps the first two flag
 * fields in 20 bits and asserts that they fit; the third is 0 save for plans that ran out of time, which are never kept here.
 */
#include "wisdom.h"

#include "base/fail.h"

#define NAME_MAX_LEN 63u /* FFTW's buffer has 64 bytes */
#define SOLVER_MAX   9999u
#define FLAGS_BITS   20u

typedef struct scan {
  const char *begin;
  const char *at;
  const char *end;
  const char *mistake; /* a static phrase, once something was wrong */
} scan;

static bool wrong(scan *s, const char *mistake) {
  if (s->mistake == NULL) s->mistake = mistake;
  return false;
}

static bool literal(scan *s, const char *text) {
  size_t len = strlen(text);
  if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0) return false;
  s->at += len;
  return true;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ` #x` and 1 to 8 hexadecimal digits; exactly 8 when `digits8`. */
static bool hex_take(scan *s, bool digits8, uint32_t *out) {
  uint32_t value = 0;
  unsigned digits = 0;
  if (!literal(s, " #x")) return wrong(s, "a number in hexadecimal is expected");
  for (; s->at < s->end && digits < 8 && hex_value(*s->at) >= 0; s->at++, digits++)
    value = value << 4 | (uint32_t)hex_value(*s->at);
  if (digits == 0 || (digits8 && digits != 8)) return wrong(s, "a number in hexadecimal has the wrong length");
  *out = value;
  return true;
}

static bool digest_take(scan *s, uint32_t out[4]) {
  for (int i = 0; i < 4; i++) {
    if (!hex_take(s, true, &out[i])) return false;
  }
  return true;
}

static bool version_take(scan *s, lrd_wisdom_head *head) {
  size_t len = 0;
  if (!literal(s, "(")) return wrong(s, "it does not begin with a bracket");
  const char *from = s->at;
  if (!literal(s, "fftw-")) return wrong(s, "it names no version of FFTW");
  while (s->at < s->end && ((*s->at >= '0' && *s->at <= '9') || *s->at == '.')) s->at++;
  len = (size_t)(s->at - from);
  if (len <= 5 || len >= sizeof head->version) return wrong(s, "it names no version of FFTW");
  memcpy(head->version, from, len);
  if (literal(s, " fftw_wisdom")) return true;
  head->single = true;
  return literal(s, " fftwf_wisdom") || wrong(s, "it is no wisdom of double or single precision");
}

static bool name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

static bool solver_take(scan *s) {
  const char *from = s->at;
  uint32_t number = 0;
  unsigned digits = 0;
  while (s->at < s->end && name_char(*s->at)) s->at++;
  size_t len = (size_t)(s->at - from);
  if (len < 6 || len > NAME_MAX_LEN || memcmp(from, "fftw", 4) != 0) return wrong(s, "an entry names no solver");
  if (!literal(s, " ")) return wrong(s, "the number of a solver is expected");
  for (; s->at < s->end && digits < 5 && *s->at >= '0' && *s->at <= '9'; s->at++, digits++)
    number = number * 10 + (uint32_t)(*s->at - '0');
  return (digits > 0 && number <= SOLVER_MAX) || wrong(s, "the number of a solver is expected");
}

static bool entry_take(scan *s) {
  uint32_t lower = 0;
  uint32_t upper = 0;
  uint32_t impatience = 0;
  uint32_t problem[4];
  if (!solver_take(s) || !hex_take(s, false, &lower) || !hex_take(s, false, &upper) || !hex_take(s, false, &impatience))
    return false;
  if (lower >> FLAGS_BITS != 0 || upper >> FLAGS_BITS != 0) return wrong(s, "flags are larger than FFTW's are");
  if (impatience != 0) return wrong(s, "an entry is of a planning that ran out of time");
  return digest_take(s, problem) && (literal(s, ")\n") || wrong(s, "the end of an entry is expected"));
}

static bool head_take(scan *s, lrd_wisdom_head *head) {
  if (!version_take(s, head) || !digest_take(s, head->configuration)) return false;
  return literal(s, "\n") || wrong(s, "the end of the first line is expected");
}

static bool wisdom_take(scan *s, lrd_wisdom_head *head) {
  if (!head_take(s, head)) return false;
  while (literal(s, "  (")) {
    if (!entry_take(s)) return false;
    head->entries++;
  }
  if (!literal(s, ")\n")) return wrong(s, "an entry or the closing bracket is expected");
  return s->at == s->end || wrong(s, "something follows the closing bracket");
}

larder_err lrd_wisdom_check(const void *text, size_t len, lrd_wisdom_head *out, larder_error *err) {
  lrd_wisdom_head head = {.version = ""};
  scan s = {.begin = text, .at = text, .end = (const char *)text + len};
  if (len > LRD_WISDOM_BYTES_MAX)
    return lrd_fail(err, LARDER_EFORMAT, 0, "wisdom", "wisdom of %zu bytes: %zu are the most", len, LRD_WISDOM_BYTES_MAX);
  if (len == 0) return lrd_fail(err, LARDER_EFORMAT, 0, "wisdom", "wisdom of no bytes");
  if (!wisdom_take(&s, &head))
    return lrd_fail(err, LARDER_EFORMAT, 0, "wisdom", "no wisdom of FFTW's: at byte %zu %s", (size_t)(s.at - s.begin),
                    s.mistake);
  *out = head;
  return LARDER_OK;
}

larder_err lrd_wisdom_head_read(const char *text, size_t len, lrd_wisdom_head *out) {
  lrd_wisdom_head head = {.version = ""};
  scan s = {.begin = text, .at = text, .end = text + len};
  if (!head_take(&s, &head)) return LARDER_EFORMAT;
  *out = head;
  return LARDER_OK;
}

bool lrd_wisdom_head_fits(const lrd_wisdom_head *ours, const lrd_wisdom_head *theirs) {
  return strcmp(ours->version, theirs->version) == 0 && ours->single == theirs->single &&
         memcmp(ours->configuration, theirs->configuration, sizeof ours->configuration) == 0;
}
