/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the text, without recursion. `text_walk` is a state machine whose states are labels: a value is expected, a
 * name is expected, a value is done. What is open is a stack of closing brackets and of their containers' nodes. It is
 * inlined twice, with nodes and without, so parse and check can't disagree.
 *
 * Strings and runs of white space are skipped sixteen bytes at a time where the processor has SSE2 (a signed comparison
 * with 0x20 finds control characters and what is beyond ASCII at once); byte by byte near the end of the text, which is
 * never read beyond. Escapes and UTF-8 are validated on the way, so that unescaping later can't fail.
 * What the nodes mean is json_value.c.
 */
#include "json_read.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#define TEXT_MAX UINT64_C(0x80000000)

typedef struct json_walk {
  const uint8_t *begin;
  const uint8_t *end;
  lrd_json_doc *doc;
  const uint8_t *mistake_at;
  const char *mistake;
  larder_err err;
} json_walk;

static const uint8_t *mistaken(json_walk *walk, const uint8_t *at, const char *mistake) {
  walk->mistake_at = at;
  walk->mistake = mistake;
  walk->err = LARDER_EFORMAT;
  return NULL;
}

/* --- white space, strings, numbers, words ---------------------------------------------------------------------------- */

static inline bool is_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

ALWAYS_INLINE const uint8_t *space_skip(const uint8_t *at, const uint8_t *end) {
  /* Mostly there is none, or one. */
  if (at == end || *at > ' ') return at;
  if (!is_space(*at)) return at;
  at++;
  if (at == end || *at > ' ') return at;
#if defined(__SSE2__)
  const __m128i blank = _mm_set1_epi8(' '), line = _mm_set1_epi8('\n'), carriage = _mm_set1_epi8('\r'),
                tab = _mm_set1_epi8('\t');
  while (end - at >= 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i space = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, blank), _mm_cmpeq_epi8(bytes, line)),
                                 _mm_or_si128(_mm_cmpeq_epi8(bytes, carriage), _mm_cmpeq_epi8(bytes, tab)));
    unsigned other = (unsigned)_mm_movemask_epi8(space) ^ 0xFFFFu;
    if (other) return at + __builtin_ctz(other);
    at += 16;
  }
#endif
  while (at < end && is_space(*at)) at++;
  return at;
}

/* The first byte that needs a look: a quote, a backslash, a control character, or what begins a character beyond ASCII. */
ALWAYS_INLINE const uint8_t *plain_skip(const uint8_t *at, const uint8_t *end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), blank = _mm_set1_epi8(' ');
  while (end - at >= 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                                   _mm_cmplt_epi8(bytes, blank));
    unsigned found = (unsigned)_mm_movemask_epi8(special);
    if (found) return at + __builtin_ctz(found);
    at += 16;
  }
#endif
  while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') at++;
  return at;
}

static inline bool follows(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* Behind one character beyond ASCII, or NULL: cut short, overlong, a surrogate, above U+10FFFF. */
static const uint8_t *wide_skip(const uint8_t *at, const uint8_t *end) {
  size_t left = (size_t)(end - at);
  if (at[0] >= 0xC2 && at[0] <= 0xDF) return left >= 2 && follows(at[1]) ? at + 2 : NULL;
  if ((at[0] & 0xF0) == 0xE0) {
    if (left < 3 || !follows(at[1]) || !follows(at[2])) return NULL;
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F)) return NULL;
    return at + 3;
  }
  if (at[0] < 0xF0 || at[0] > 0xF4 || left < 4 || !follows(at[1]) || !follows(at[2]) || !follows(at[3])) return NULL;
  if ((at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F)) return NULL;
  return at + 4;
}

/* The number that four hexadecimal digits make, or -1. */
static int32_t hex4(const uint8_t *at, const uint8_t *end) {
  if (end - at < 4) return -1;
  int32_t value = 0;
  for (unsigned i = 0; i < 4; i++) {
    uint8_t c = at[i];
    int32_t digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static inline bool is_high(int32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
static inline bool is_low(int32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/* at is on the backslash. Behind the escape. */
static const uint8_t *escape_walk(json_walk *walk, const uint8_t *at) {
  const uint8_t *end = walk->end;
  if (end - at < 2) return mistaken(walk, end, "the text ends inside a string");
  switch (at[1]) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return at + 2;
  case 'u':
    break;
  default:
    return mistaken(walk, at, "there is no such escape");
  }
  int32_t unit = hex4(at + 2, end);
  if (unit < 0) return mistaken(walk, at, "\\u needs four hexadecimal digits");
  if (is_low(unit)) return mistaken(walk, at, "half of a surrogate pair");
  if (!is_high(unit)) return at + 6;
  if (end - at < 8 || at[6] != '\\' || at[7] != 'u' || !is_low(hex4(at + 8, end)))
    return mistaken(walk, at, "half of a surrogate pair");
  return at + 12;
}

/* at is behind the opening quote; answers the closing one. */
ALWAYS_INLINE const uint8_t *string_walk(json_walk *walk, const uint8_t *at, bool *escaped) {
  const uint8_t *end = walk->end;
  *escaped = false;
  for (;;) {
    at = plain_skip(at, end);
    if (at == end) return mistaken(walk, at, "the text ends inside a string");
    if (*at == '"') return at;
    if (*at == '\\') {
      *escaped = true;
      at = escape_walk(walk, at);
      if (!at) return NULL;
    } else if (*at < 0x20) {
      return mistaken(walk, at, "a control character in a string has to be escaped");
    } else {
      const uint8_t *next = wide_skip(at, end);
      if (!next) return mistaken(walk, at, "this is not UTF-8");
      at = next;
    }
  }
}

static inline bool is_digit(const uint8_t *at, const uint8_t *end) { return at < end && *at >= '0' && *at <= '9'; }

static const uint8_t *number_walk(json_walk *walk, const uint8_t *at) {
  const uint8_t *end = walk->end;
  if (*at == '-') at++;
  if (!is_digit(at, end)) return mistaken(walk, at, "a digit is expected");
  if (*at == '0') {
    at++;
    if (is_digit(at, end)) return mistaken(walk, at, "no digit may follow a leading 0");
  } else {
    while (is_digit(at, end)) at++;
  }
  if (at < end && *at == '.') {
    at++;
    if (!is_digit(at, end)) return mistaken(walk, at, "a digit is expected");
    while (is_digit(at, end)) at++;
  }
  if (at < end && (*at | 0x20) == 'e') {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    if (!is_digit(at, end)) return mistaken(walk, at, "a digit is expected");
    while (is_digit(at, end)) at++;
  }
  return at;
}

static const uint8_t *word_walk(json_walk *walk, const uint8_t *at, const char *word, size_t len) {
  if ((size_t)(walk->end - at) < len || memcmp(at, word, len) != 0)
    return mistaken(walk, at, "true, false or null is expected");
  return at + len;
}

/* --- the walk -------------------------------------------------------------------------------------------------------- */

static bool nodes_grow(json_walk *walk) {
  lrd_json_doc *doc = walk->doc;
  /* A node takes a byte of text at least, so a count of them fits. */
  uint32_t cap = doc->nodes_cap ? doc->nodes_cap + doc->nodes_cap / 2 : 32;
  lrd_json_node *nodes = lrd_realloc(doc->nodes, (size_t)cap * sizeof *nodes);
  if (!nodes) {
    walk->err = LARDER_ENOMEM;
    return false;
  }
  doc->nodes = nodes;
  doc->nodes_cap = cap;
  return true;
}

ALWAYS_INLINE bool node_add(json_walk *walk, lrd_json_type type, const uint8_t *from, const uint8_t *to, bool escaped) {
  lrd_json_doc *doc = walk->doc;
  if (doc->nodes_len == doc->nodes_cap && !nodes_grow(walk)) return false;
  uint32_t index = doc->nodes_len++;
  doc->nodes[index] = (lrd_json_node){.at = (uint32_t)(from - walk->begin),
                                      .len = (uint32_t)(to - from),
                                      .next = index + 1,
                                      .type = (uint8_t)type,
                                      .escaped = escaped};
  return true;
}

/* A number or a word. */
ALWAYS_INLINE const uint8_t *scalar_walk(json_walk *walk, const uint8_t *at, lrd_json_type *type) {
  switch (*at) {
  case 't':
    *type = LRD_JSON_TRUE;
    return word_walk(walk, at, "true", 4);
  case 'f':
    *type = LRD_JSON_FALSE;
    return word_walk(walk, at, "false", 5);
  case 'n':
    *type = LRD_JSON_NULL;
    return word_walk(walk, at, "null", 4);
  default:
    *type = LRD_JSON_NUMBER;
    if (*at == '-' || (*at >= '0' && *at <= '9')) return number_walk(walk, at);
    return mistaken(walk, at, "a value is expected");
  }
}

static const char *separator_mistake(uint8_t closer) {
  return closer == '}' ? "a comma or } is expected" : "a comma or ] is expected";
}

/* False when walk->err says why. */
ALWAYS_INLINE bool text_walk(json_walk *walk, bool build) {
  const uint8_t *at = walk->begin, *end = walk->end, *from;
  uint8_t closer[LRD_JSON_READ_DEPTH_MAX + 1];
  uint32_t open[LRD_JSON_READ_DEPTH_MAX + 1];
  unsigned depth = 0;
  lrd_json_type type;
  bool escaped;
  closer[0] = open[0] = 0;

value:
  at = space_skip(at, end);
  if (at == end) return mistaken(walk, at, "a value is expected");
  if (*at == '"') {
    from = at + 1;
    at = string_walk(walk, from, &escaped);
    if (!at || (build && !node_add(walk, LRD_JSON_STRING, from, at, escaped))) return false;
    at++;
  } else if (*at == '{' || *at == '[') {
    if (depth == LRD_JSON_READ_DEPTH_MAX) return mistaken(walk, at, "nested deeper than 128 levels");
    depth++;
    closer[depth] = *at == '{' ? '}' : ']';
    if (build) {
      open[depth] = walk->doc->nodes_len;
      if (!node_add(walk, *at == '{' ? LRD_JSON_OBJECT : LRD_JSON_ARRAY, at, at, false)) return false;
    }
    at = space_skip(at + 1, end);
    if (at < end && *at == closer[depth]) goto close;
    if (closer[depth] == ']') goto value;
    if (at == end || *at != '"') return mistaken(walk, at, "a name in quotes or } is expected");
    goto name;
  } else {
    from = at;
    at = scalar_walk(walk, at, &type);
    if (!at || (build && !node_add(walk, type, from, at, false))) return false;
  }

done:
  at = space_skip(at, end);
  if (depth == 0) return at == end || mistaken(walk, at, "nothing may follow the value");
  if (build) walk->doc->nodes[open[depth]].count++;
  if (at < end && *at == ',') {
    at++;
    if (closer[depth] == ']') goto value;
    at = space_skip(at, end);
    if (at == end || *at != '"') return mistaken(walk, at, "a name in quotes is expected");
    goto name;
  }
  if (at == end || *at != closer[depth]) return mistaken(walk, at, separator_mistake(closer[depth]));

close:
  at++;
  if (build) {
    lrd_json_node *container = &walk->doc->nodes[open[depth]];
    container->len = (uint32_t)(at - walk->begin) - container->at;
    container->next = walk->doc->nodes_len;
  }
  depth--;
  goto done;

name:
  from = at + 1;
  at = string_walk(walk, from, &escaped);
  if (!at || (build && !node_add(walk, LRD_JSON_STRING, from, at, escaped))) return false;
  at = space_skip(at + 1, end);
  if (at == end || *at != ':') return mistaken(walk, at, "a colon is expected");
  at++;
  goto value;
}

static json_walk walk_over(const char *text, size_t len, lrd_json_doc *doc) {
  const uint8_t *begin = (const uint8_t *)(text ? text : "");
  return (json_walk){.begin = begin, .end = begin + len, .doc = doc};
}

larder_err lrd_json_parse(lrd_json_doc *doc, const char *text, size_t len) {
  doc->text = text;
  doc->len = len;
  doc->nodes_len = 0;
  doc->mistake_at = 0;
  doc->mistake = NULL;
  if (len > TEXT_MAX) return LARDER_ETOOBIG;
  json_walk walk = walk_over(text, len, doc);
  if (text_walk(&walk, true)) return LARDER_OK;
  doc->nodes_len = 0;
  doc->mistake = walk.mistake;
  doc->mistake_at = walk.mistake ? (size_t)(walk.mistake_at - walk.begin) : 0;
  return walk.err;
}

larder_err lrd_json_check(const char *text, size_t len, size_t *mistake_at, const char **mistake) {
  *mistake_at = 0;
  *mistake = NULL;
  if (len > TEXT_MAX) return LARDER_ETOOBIG;
  json_walk walk = walk_over(text, len, NULL);
  if (text_walk(&walk, false)) return LARDER_OK;
  *mistake_at = (size_t)(walk.mistake_at - walk.begin);
  *mistake = walk.mistake;
  return walk.err;
}

void lrd_json_doc_fini(lrd_json_doc *doc) {
  lrd_dealloc(doc->nodes);
  *doc = (lrd_json_doc){0};
}
