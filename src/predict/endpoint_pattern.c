/* SPDX-License-Identifier: Apache-2.0 */
/* A form is matched from the left, each run as long as it can be, without a way back: linear in the part for each rule. The
 * borders of parts are found sixteen bytes at a time. */
#include "endpoint_pattern.h"

#include "base/fail.h"
#include "stats/json_writer.h"
#include <emmintrin.h>
#include <stdio.h>

#define ROOM    "predict"
#define ENDLESS 0xffffu

static bool is_decimal(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_hex(uint8_t c) { return is_decimal(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/* --- reading ------------------------------------------------------------------------------------------------------------ */

typedef struct form {
  const char *at, *end;
  larder_error *err;
} form;

static larder_err form_fail(const form *f, const char *what) {
  return lrd_fail(f->err, LARDER_EINVAL, 0, ROOM, "the pattern of endpoints: %s before \"%.40s\"", what, f->at);
}

/* A number behind a brace, of at most three digits. */
static bool number_read(form *f, uint16_t *out) {
  unsigned value = 0, digits = 0;
  for (; f->at < f->end && is_decimal((uint8_t)*f->at) && digits < 4; f->at++, digits++)
    value = value * 10 + (unsigned)(*f->at - '0');
  *out = (uint16_t)value;
  return digits > 0 && digits < 4 && value > 0 && value <= LARDER_ENDPOINT_MAX;
}

/* {N} or {N,}, if there is one. */
static larder_err run_read(form *f, lrd_pattern_atom *atom) {
  atom->least = 1;
  atom->most = ENDLESS;
  if (f->at == f->end || *f->at != '{') return LARDER_OK;
  f->at++;
  if (!number_read(f, &atom->least)) return form_fail(f, "a number of digits from 1 to 255 is expected");
  atom->most = atom->least;
  if (f->at < f->end && *f->at == ',') {
    f->at++;
    atom->most = ENDLESS;
  }
  if (f->at == f->end || *f->at != '}') return form_fail(f, "a closing brace is expected");
  f->at++;
  return LARDER_OK;
}

static larder_err atom_read(form *f, lrd_pattern_atom *atom) {
  char c = *f->at++;
  *atom = (lrd_pattern_atom){.kind = LRD_ATOM_BYTE, .byte = (uint8_t)c, .least = 1, .most = 1};
  switch (c) {
  case '#':
    atom->kind = LRD_ATOM_DECIMAL;
    return run_read(f, atom);
  case '%':
    atom->kind = LRD_ATOM_HEX;
    return run_read(f, atom);
  case '*':
    atom->kind = LRD_ATOM_REST;
    if (f->at < f->end) return form_fail(f, "nothing may follow a star,");
    return LARDER_OK;
  case '\\':
    if (f->at == f->end) return form_fail(f, "a byte is expected behind the backslash,");
    atom->byte = (uint8_t)*f->at++;
    return LARDER_OK;
  default:
    return LARDER_OK;
  }
}

static bool begins_with(const lrd_pattern_atom *atom, uint8_t c) {
  return atom->kind == LRD_ATOM_REST || (atom->kind == LRD_ATOM_BYTE && c == atom->byte) ||
         (atom->kind == LRD_ATOM_DECIMAL && is_decimal(c)) || (atom->kind == LRD_ATOM_HEX && is_hex(c));
}

static larder_err rule_read(lrd_pattern *pattern, form *f) {
  const char *equals = memchr(f->at, '=', (size_t)(f->end - f->at));
  if (equals == NULL || equals == f->at || equals + 1 == f->end) return form_fail(f, "NAME=FORM is expected");
  if (equals - f->at > (int)LRD_PATTERN_NAME) return form_fail(f, "a name has at most 31 bytes");
  if (pattern->rules_len == LRD_PATTERN_RULES) return form_fail(f, "there are more than 32 rules");
  lrd_pattern_rule *rule = &pattern->rules[pattern->rules_len++];
  rule->name_len = (uint8_t)snprintf(rule->name, sizeof rule->name, "{%.*s}", (int)(equals - f->at), f->at);
  rule->begin = pattern->atoms_len;
  f->at = equals + 1;
  while (f->at < f->end) {
    if (pattern->atoms_len == LRD_PATTERN_ATOMS) return form_fail(f, "the rules are too long");
    larder_err err = atom_read(f, &pattern->atoms[pattern->atoms_len++]);
    if (err != LARDER_OK) return err;
  }
  rule->end = pattern->atoms_len;
  for (unsigned c = 0; c < 256; c++)
    if (begins_with(&pattern->atoms[rule->begin], (uint8_t)c)) pattern->first[c] |= UINT32_C(1) << (pattern->rules_len - 1);
  return LARDER_OK;
}

/* Most of what is taken out are plain numbers: their rule, unless another one comes before it for some. */
static unsigned numbers_find(const lrd_pattern *pattern) {
  uint32_t any = 0;
  for (unsigned c = '0'; c <= '9'; c++) any |= pattern->first[c];
  if (any == 0) return LRD_PATTERN_RULES;
  unsigned first = (unsigned)__builtin_ctz(any);
  const lrd_pattern_rule *rule = &pattern->rules[first];
  const lrd_pattern_atom *atom = &pattern->atoms[rule->begin];
  bool plain = rule->end - rule->begin == 1 && atom->kind == LRD_ATOM_DECIMAL && atom->least == 1 && atom->most == ENDLESS;
  return plain ? first : LRD_PATTERN_RULES;
}

bool lrd_is_utf8(const char *text, size_t len) {
  for (size_t at = 0, step; at < len; at += step)
    if ((step = lrd_utf8_char(text + at, len - at)) == 0) return false;
  return true;
}

larder_err lrd_pattern_read(lrd_pattern *pattern, const char *text, larder_error *err) {
  *pattern = (lrd_pattern){0};
  if (strlen(text) > LARDER_PREDICT_PATTERN_MAX)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the pattern of endpoints has more than %u bytes", LARDER_PREDICT_PATTERN_MAX);
  if (!lrd_is_utf8(text, strlen(text))) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the pattern of endpoints is no UTF-8");
  memcpy(pattern->text, text, strlen(text) + 1);
  for (const char *at = text + strspn(text, " "); *at != '\0'; at += strspn(at, " ")) {
    form f = {.at = at, .end = at + strcspn(at, " "), .err = err};
    at = f.end;
    larder_err result = rule_read(pattern, &f);
    if (result != LARDER_OK) return result;
  }
  pattern->numbers = numbers_find(pattern) & UINT16_MAX;
  return LARDER_OK;
}

/* --- applying ------------------------------------------------------------------------------------------------------------- */

static bool rule_fits(const lrd_pattern *pattern, const lrd_pattern_rule *rule, const uint8_t *at, const uint8_t *end) {
  bool hex = false, decimal = false; /* whether a run of hexadecimal digits is among them, and a decimal digit in such a run */
  for (unsigned i = rule->begin; i < rule->end; i++) {
    const lrd_pattern_atom *atom = &pattern->atoms[i];
    unsigned run = 0;
    if (atom->kind == LRD_ATOM_REST) {
      if (at == end) return false;
      at = end;
    } else if (atom->kind == LRD_ATOM_BYTE) {
      if (at == end || *at++ != atom->byte) return false;
    } else if (atom->kind == LRD_ATOM_DECIMAL) {
      while (at < end && run < atom->most && is_decimal(*at)) at++, run++;
      if (run < atom->least) return false;
    } else {
      hex = true;
      for (; at < end && run < atom->most && is_hex(*at); at++, run++) decimal |= is_decimal(*at);
      if (run < atom->least) return false;
    }
  }
  return at == end && (decimal || !hex); /* so that a word such as `feed` is none */
}

static const lrd_pattern_rule *rule_of(const lrd_pattern *pattern, const uint8_t *at, const uint8_t *end) {
  if (at == end) return NULL;
  for (uint32_t left = pattern->first[*at]; left != 0; left &= left - 1) {
    const lrd_pattern_rule *rule = &pattern->rules[__builtin_ctz(left)];
    if (rule_fits(pattern, rule, at, end)) return rule;
  }
  return NULL;
}

/* Bits of up to 64 bytes. */
typedef struct window {
  const uint8_t *at;
  uint64_t borders, decimals;
} window;

#define WINDOW 64u

/* / and ? differ in one bit, : and ; in another, and nothing else becomes theirs. */
static inline void sixteen_read(window *w, unsigned shift, const uint8_t *at) {
  const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at), value = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
#define IS(value, c) _mm_cmpeq_epi8(value, _mm_set1_epi8(c))
  __m128i slash = IS(_mm_or_si128(bytes, _mm_set1_epi8('/' ^ '?')), '?');
  __m128i colon = IS(_mm_or_si128(bytes, _mm_set1_epi8(':' ^ ';')), ';');
  __m128i query = _mm_or_si128(IS(bytes, '&'), IS(bytes, '='));
  __m128i other = _mm_or_si128(IS(bytes, '|'), IS(bytes, ','));
#undef IS
  __m128i borders = _mm_or_si128(_mm_or_si128(slash, colon), _mm_or_si128(query, other));
  __m128i decimals = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
  w->borders |= (uint64_t)(unsigned)_mm_movemask_epi8(borders) << shift;
  w->decimals |= (uint64_t)(unsigned)_mm_movemask_epi8(decimals) << shift;
}

/* Behind the end there are none. */
static inline void window_read(window *w, const uint8_t *at, size_t len) {
  unsigned from = 0;
  *w = (window){.at = at};
  for (; from + 16 <= len && from < WINDOW; from += 16) sixteen_read(w, from, at + from);
  if (from < len && from < WINDOW) {
    uint8_t rest[16] = {0};
    lrd_copy_short(rest, at + from, (len - from) & 15);
    sixteen_read(w, from, rest);
  }
}

/* Whether there is nothing but decimal digits, all within the window. */
static inline bool is_number(const window *w, const uint8_t *from, const uint8_t *to) {
  size_t len = (size_t)(to - from);
  return from >= w->at && len > 0 && len < WINDOW && (~w->decimals >> (from - w->at) & ((UINT64_C(1) << len) - 1)) == 0;
}

/* Takes over what stands from `from` to `to`. */
static inline bool take_over(const uint8_t *from, const uint8_t *to, char *out, size_t *used) {
  size_t len = (size_t)(to - from);
  if (len > LARDER_ENDPOINT_MAX - *used) return false;
  if (len <= LRD_COPY_SHORT)
    lrd_copy_short(out + *used, from, len);
  else
    memcpy(out + *used, from, len);
  *used += len;
  return true;
}

/* What stands from `kept` on is not taken over yet. */
typedef struct applying {
  const lrd_pattern *pattern;
  window window;
  const uint8_t *kept;
  char *out;
  size_t used;
} applying;

static inline bool part_apply(applying *a, const uint8_t *at, const uint8_t *end) {
  const lrd_pattern *pattern = a->pattern;
  if (!pattern->first[*at]) return true;
  const lrd_pattern_rule *rule = pattern->numbers < LRD_PATTERN_RULES && is_number(&a->window, at, end)
                                     ? &pattern->rules[pattern->numbers]
                                     : rule_of(pattern, at, end);
  if (rule == NULL) return true;
  const uint8_t *name = (const uint8_t *)rule->name;
  if (!take_over(a->kept, at, a->out, &a->used) || !take_over(name, name + rule->name_len, a->out, &a->used)) return false;
  a->kept = end;
  return true;
}

larder_err lrd_pattern_apply(const lrd_pattern *pattern, const void *endpoint, size_t len, char *out, size_t *len_out) {
  const uint8_t *part = endpoint, *end = part + len;
  applying a = {.pattern = pattern, .kept = part, .out = out};
  for (const uint8_t *at = part; at < end && pattern->rules_len > 0; at += WINDOW) {
    size_t left = (size_t)(end - at);
    window_read(&a.window, at, left);
    for (uint64_t borders = a.window.borders; borders != 0; borders &= borders - 1) {
      const uint8_t *border = at + __builtin_ctzll(borders);
      if (!part_apply(&a, part, border)) return LARDER_ETOOBIG;
      part = border + 1;
    }
    if (left <= WINDOW) break;
  }
  if (pattern->rules_len > 0 && part < end && !part_apply(&a, part, end)) return LARDER_ETOOBIG;
  if (!take_over(a.kept, end, out, &a.used)) return LARDER_ETOOBIG;
  out[a.used] = '\0';
  *len_out = a.used;
  return LARDER_OK;
}
