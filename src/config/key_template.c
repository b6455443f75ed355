/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template is cut into pieces once: runs of its own text, and places. Filling walks the pieces. Only what a key brings is
 * encoded, so what is checked of the template's own text holds for every key: where the host ends, and where the path does,
 * since neither `?` nor `/` of a host comes out of a place. Dot segments alone can come together from both (`.{1}`), so the
 * path is looked at as a whole when it has been filled.
 */
#include "config/key_template.h"

#include "base/fail.h"
#include "config/mistakes.h"
#include <larder/nearest.h>
#include <strings.h>

#define ROOM      "maker"
#define NAME_LEN  64u
#define PLACES_AS "{key}, {path}, {1} to {9}, {query}, {ns} or the {name} of a pair"

typedef enum piece_what { PIECE_TEXT, PIECE_KEY, PIECE_PATH, PIECE_PART, PIECE_QUERY, PIECE_PAIR, PIECE_NS } piece_what;

typedef struct piece {
  piece_what what;
  bool keep_slash;
  unsigned part; /* PART: from 1 */
  size_t at;     /* TEXT, PAIR: where in text, */
  size_t len;    /* and how much; names have a NUL behind them */
} piece;

struct lrd_key_template {
  lrd_template_form form;
  char separator;
  piece *pieces;
  size_t count;
  lrd_buf text; /* the template's own bytes, and names */
};

static const struct {
  const char *name;
  piece_what what;
  bool plus; /* may have it */
} named[] = {{"key", PIECE_KEY, true}, {"path", PIECE_PATH, true}, {"query", PIECE_QUERY, false}, {"ns", PIECE_NS, false}};
#define NAMED_COUNT (sizeof named / sizeof *named)

/* --- reading a template ------------------------------------------------------------------------------------------------- */

typedef struct reading {
  lrd_key_template *template;
  const char *text;
  size_t at;
  larder_error *err;
} reading;

static bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static larder_err piece_add(reading *r, piece added) {
  lrd_key_template *t = r->template;
  if ((t->count & (t->count - 1)) == 0) {
    piece *more = lrd_realloc(t->pieces, (t->count ? 2 * t->count : 1) * sizeof *more);
    if (!more) {
      return LARDER_ENOMEM;
    }
    t->pieces = more;
  }
  t->pieces[t->count++] = added;
  return LARDER_OK;
}

static larder_err text_add(reading *r, char c) {
  lrd_key_template *t = r->template;
  if (t->count == 0 || t->pieces[t->count - 1].what != PIECE_TEXT) {
    larder_err result = piece_add(r, (piece){.what = PIECE_TEXT, .at = t->text.len});
    if (result != LARDER_OK) {
      return result;
    }
  }
  t->pieces[t->count - 1].len++;
  return lrd_buf_append_byte(&t->text, (uint8_t)c);
}

/* What was meant by a place that is none; name is what stands between the braces. */
static larder_err place_refuse(const reading *r, const char *name, size_t len) {
  char shown[LRD_QUOTED_MAX], wanted[NAME_LEN + 1];
  size_t kept = 0;
  for (size_t i = 0; i < len && kept < NAME_LEN; i++) {
    if (name_char(name[i])) wanted[kept++] = name[i];
  }
  wanted[kept] = '\0';
  larder_nearest nearest = {.wanted = wanted};
  for (size_t i = 0; i < NAMED_COUNT; i++) larder_nearest_offer(&nearest, named[i].name);
  const char *near = larder_nearest_best(&nearest);
  bool plus = len > 0 && name[0] == '+' && r->template->form == LRD_TEMPLATE_URL;
  for (size_t i = 0; near && i < NAMED_COUNT; i++) plus &= strcmp(near, named[i].name) != 0 || named[i].plus;
  (void)lrd_quote(name, len, shown);
  if (near) {
    return lrd_fail(r->err, LARDER_EINVAL, 0, ROOM, "at character %zu: found the place %s; the nearest is {%s%s}", r->at + 1,
                    shown, plus ? "+" : "", near);
  }
  return lrd_fail(r->err, LARDER_EINVAL, 0, ROOM, "at character %zu: found the place %s; expected %s, and {{ for a brace",
                  r->at + 1, shown, PLACES_AS);
}

/* The piece that a place's name means; false: it is none. */
static bool place_read(reading *r, const char *name, size_t len, bool plus, piece *out) {
  *out = (piece){.what = PIECE_PAIR, .keep_slash = plus, .len = len};
  if (len == 0 || len > NAME_LEN || (plus && r->template->form != LRD_TEMPLATE_URL)) {
    return false;
  }
  if (is_digit(name[0])) {
    out->what = PIECE_PART;
    out->part = (unsigned)(name[0] - '0');
    return len == 1 && out->part > 0;
  }
  for (size_t i = 0; i < len; i++) {
    if (!name_char(name[i])) {
      return false;
    }
  }
  for (size_t i = 0; i < NAMED_COUNT; i++) {
    if (strlen(named[i].name) == len && strncasecmp(name, named[i].name, len) == 0) {
      out->what = named[i].what;
      return memcmp(name, named[i].name, len) == 0 && (!plus || named[i].plus); /* {Path} is a slip, no pair's name */
    }
  }
  return true;
}

/* At a `{` that begins a place. */
static larder_err place_add(reading *r) {
  const char *name = r->text + r->at + 1;
  size_t len = strcspn(name, "{}");
  piece place;
  if (name[len] != '}') {
    return lrd_fail(r->err, LARDER_EINVAL, 0, ROOM,
                    "at character %zu: found a { that is not closed; expected a place like {path}, and {{ for a brace",
                    r->at + 1);
  }
  bool plus = len > 0 && name[0] == '+';
  if (!place_read(r, name + plus, len - plus, plus, &place)) {
    return place_refuse(r, name, len);
  }
  place.at = r->template->text.len;
  larder_err result = piece_add(r, place);
  if (result == LARDER_OK && place.what == PIECE_PAIR) {
    result = lrd_buf_append(&r->template->text, name + plus, len - plus);
    if (result == LARDER_OK) {
      result = lrd_buf_append_byte(&r->template->text, '\0');
    }
  }
  r->at += len + 2;
  return result;
}

static larder_err pieces_read(reading *r) {
  larder_err result = LARDER_OK;
  while (result == LARDER_OK && r->text[r->at] != '\0') {
    char c = r->text[r->at];
    bool twice = r->text[r->at + 1] == c;
    if (c == '{' && !twice) {
      result = place_add(r);
    } else if (c == '}' && !twice) {
      return lrd_fail(r->err, LARDER_EINVAL, 0, ROOM,
                      "at character %zu: found a } that closes nothing; expected }} for a brace", r->at + 1);
    } else {
      result = text_add(r, c);
      r->at += c == '{' || c == '}' ? 2 : 1;
    }
  }
  return result;
}

/* --- URLs --------------------------------------------------------------------------------------------------------------- */

static int hex_of(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* The byte at *at, percent-decoded; *at moves on. */
static uint8_t decoded_next(const uint8_t *data, size_t len, size_t *at) {
  uint8_t c = data[(*at)++];
  if (c == '%' && len - *at >= 2) {
    int high = hex_of(data[*at]), low = hex_of(data[*at + 1]);
    if (high >= 0 && low >= 0) {
      *at += 2;
      return (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
  }
  return c;
}

/* How much of a URL stands before its path. */
static size_t host_end(const uint8_t *url, size_t len) {
  size_t at = 0;
  while (at < len && url[at] != ':') at++;
  at += at + 3 <= len ? 3 : 0;
  while (at < len && url[at] != '/' && url[at] != '?' && url[at] != '#') at++;
  return at;
}

/* Whether a segment of the URL's path is `.` or `..` for somebody: decoded, parted at `\` too, without `;parameters`. */
static bool climbs(const uint8_t *url, size_t len) {
  size_t at = host_end(url, len), dots = 0;
  const uint8_t *query = len > 0 ? memchr(url, '?', len) : NULL;
  size_t end = query ? (size_t)(query - url) : len;
  bool others = false, parameters = false;
  while (at < end) {
    uint8_t c = decoded_next(url, end, &at);
    bool parts = c == '/' || c == '\\';
    if (parts && dots > 0 && dots <= 2 && !others) {
      return true;
    }
    if (parts) {
      dots = 0;
      others = parameters = false;
    }
    parameters |= c == ';';
    dots += !parameters && c == '.';
    others |= !parameters && !parts && c != '.';
  }
  return dots > 0 && dots <= 2 && !others;
}

static larder_err url_check(const lrd_key_template *t, larder_error *err) {
  const piece *first = t->count > 0 ? &t->pieces[0] : NULL;
  const char *text = (const char *)t->text.data;
  size_t scheme = 0;
  if (first && first->what == PIECE_TEXT) {
    scheme = first->len >= 8 && strncasecmp(text, "https://", 8) == 0 ? 8 : 0;
    scheme = first->len >= 7 && strncasecmp(text, "http://", 7) == 0 ? 7 : scheme;
  }
  if (scheme == 0) {
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "expected a URL that begins with https:// or http:// and a host");
  }
  size_t host = host_end((const uint8_t *)text, first->len);
  if (host == first->len && t->count > 1) {
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "found a place in the URL's host; expected it behind the host's /, so that no key chooses whom to ask");
  }
  if (host == scheme) {
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "found no host in the URL; expected one behind its ://");
  }
  for (size_t p = 0; p < t->count; p++) {
    const piece *run = &t->pieces[p];
    for (size_t i = 0; run->what == PIECE_TEXT && i < run->len; i++) {
      uint8_t c = (uint8_t)text[run->at + i];
      if (c <= 0x20 || c == 0x7f || c == '#' || c == '\\') {
        return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                        "found a blank, a control character, a \\ or a # in the URL; expected them percent-encoded");
      }
    }
  }
  return LARDER_OK;
}

/* --- a template --------------------------------------------------------------------------------------------------------- */

larder_err lrd_key_template_new(const char *text, lrd_template_form form, char separator, lrd_key_template **out,
                                larder_error *err) {
  lrd_key_template *t = lrd_alloc_zero(1, sizeof *t);
  reading r = {.template = t, .text = text, .err = err};
  larder_err result = LARDER_ENOMEM;
  if (!t) {
    goto out;
  }
  t->form = form;
  t->separator = separator;
  result = lrd_buf_reserve(&t->text, 1);
  if (result == LARDER_OK) {
    result = pieces_read(&r);
  }
  if (result == LARDER_OK && form == LRD_TEMPLATE_URL) {
    result = url_check(t, err);
    /* A place counts as a letter here: only what the text alone brings is its own fault. */
    if (result == LARDER_OK && climbs((const uint8_t *)text, strlen(text))) {
      result = lrd_fail(err, LARDER_EINVAL, 0, ROOM, "found a . or .. in the URL's path; expected the path without them");
    }
  }
  if (result == LARDER_OK) {
    *out = t;
    t = NULL;
  }
out:
  lrd_key_template_free(t);
  return result == LARDER_ENOMEM ? lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "no memory for a template") : result;
}

void lrd_key_template_free(lrd_key_template *template) {
  if (!template) {
    return;
  }
  lrd_buf_fini(&template->text);
  lrd_dealloc(template->pieces);
  lrd_dealloc(template);
}

/* --- filling ------------------------------------------------------------------------------------------------------------ */

typedef struct filling {
  const lrd_key_template *template;
  lrd_span ns;
  lrd_span key;
  lrd_span path;
  lrd_span query; /* data NULL: the key has no `|` */
  lrd_buf *out;
  larder_error *err;
} filling;

static lrd_span span_cut(lrd_span whole, size_t from, size_t to) {
  return lrd_span_of((const uint8_t *)whole.data + from, to - from);
}

static size_t span_find(lrd_span in, size_t from, char c) {
  const uint8_t *data = in.data;
  while (from < in.len && data[from] != (uint8_t)c) from++;
  return from;
}

static void key_cut(lrd_span key, lrd_span *path, lrd_span *query) {
  size_t bar = span_find(key, 0, '|');
  *path = lrd_span_of(key.data, bar);
  *query = bar < key.len ? span_cut(key, bar + 1, key.len) : lrd_span_of(NULL, 0);
}

static bool unreserved(uint8_t c) { return (c < 0x80 && name_char((char)c)) || c == '~'; }

/* decode: it is percent-encoded in the key. */
static larder_err value_add(lrd_buf *out, lrd_span value, lrd_template_form form, bool keep_slash, bool decode) {
  larder_err result = lrd_buf_reserve(out, value.len);
  for (size_t at = 0; result == LARDER_OK && at < value.len;) {
    uint8_t c = decode ? decoded_next(value.data, value.len, &at) : ((const uint8_t *)value.data)[at++];
    if (form == LRD_TEMPLATE_PLAIN || unreserved(c) || (keep_slash && c == '/')) {
      result = lrd_buf_append_byte(out, c);
    } else {
      result = lrd_buf_printf(out, "%%%02X", c);
    }
  }
  return result;
}

static larder_err query_add(const filling *f) {
  larder_err result = LARDER_OK;
  if (f->template->form == LRD_TEMPLATE_PLAIN) {
    return value_add(f->out, f->query, LRD_TEMPLATE_PLAIN, false, false);
  }
  for (size_t at = 0; result == LARDER_OK && at < f->query.len;) {
    size_t end = span_find(f->query, at, '&');
    lrd_span pair = span_cut(f->query, at, end);
    size_t equals = span_find(pair, 0, '=');
    result = value_add(f->out, span_cut(pair, 0, equals), LRD_TEMPLATE_URL, false, true);
    if (result == LARDER_OK && equals < pair.len) {
      result = lrd_buf_append_byte(f->out, '=');
      if (result == LARDER_OK) {
        result = value_add(f->out, span_cut(pair, equals + 1, pair.len), LRD_TEMPLATE_URL, false, true);
      }
    }
    if (result == LARDER_OK && end < f->query.len) {
      result = lrd_buf_append_byte(f->out, '&');
    }
    at = end + 1;
  }
  return result;
}

/* Whether a name as it stands in a key is the wanted one. */
static bool name_is(lrd_span name, const char *wanted) {
  size_t at = 0;
  while (at < name.len && *wanted != '\0') {
    if (decoded_next(name.data, name.len, &at) != (uint8_t)*wanted++) {
      return false;
    }
  }
  return at == name.len && *wanted == '\0';
}

static bool pair_find(lrd_span query, const char *name, lrd_span *value) {
  for (size_t at = 0; at < query.len;) {
    size_t end = span_find(query, at, '&');
    size_t equals = span_find(lrd_span_of(query.data, end), at, '=');
    if (name_is(span_cut(query, at, equals), name)) {
      *value = span_cut(query, equals < end ? equals + 1 : end, end);
      return true;
    }
    at = end + 1;
  }
  return false;
}

static larder_err part_add(const filling *f, const piece *place) {
  size_t at = 0, end;
  for (unsigned part = 1;; part++, at = end + 1) {
    end = span_find(f->path, at, f->template->separator);
    if (part == place->part) {
      return value_add(f->out, span_cut(f->path, at, end), f->template->form, place->keep_slash, false);
    }
    if (end == f->path.len) {
      return lrd_fail(f->err, LARDER_EINVAL, 0, ROOM, "the key has no part {%u}: its path has %u at `%c`", place->part, part,
                      f->template->separator);
    }
  }
}

static larder_err piece_fill(const filling *f, const piece *p) {
  const char *text = (const char *)f->template->text.data + p->at;
  lrd_template_form form = f->template->form;
  lrd_span value;
  switch (p->what) {
  case PIECE_TEXT:
    return lrd_buf_append(f->out, text, p->len);
  case PIECE_KEY:
    return value_add(f->out, f->key, form, p->keep_slash, false);
  case PIECE_PATH:
    return value_add(f->out, f->path, form, p->keep_slash, false);
  case PIECE_NS:
    return value_add(f->out, f->ns, form, false, false);
  case PIECE_PART:
    return part_add(f, p);
  case PIECE_QUERY:
    return query_add(f);
  case PIECE_PAIR:
    break;
  }
  if (!pair_find(f->query, text, &value)) {
    return lrd_fail(f->err, LARDER_EINVAL, 0, ROOM, "the key has no pair `%s=` behind a `|` for the place {%s}", text, text);
  }
  return value_add(f->out, value, form, p->keep_slash, true);
}

/* What only the whole shows. */
static larder_err filled_check(const lrd_key_template *template, const lrd_buf *out, size_t from, larder_error *err) {
  LRD_ASSERT(out->data);
  const uint8_t *filled = out->data + from;
  size_t len = out->len - from;
  if (template->form == LRD_TEMPLATE_PLAIN && memchr(filled, 0, len)) {
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the key has a NUL, which cannot stand in an argument");
  }
  if (template->form == LRD_TEMPLATE_URL && climbs(filled, len)) {
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "with this key a segment of the URL's path would be . or ..");
  }
  return LARDER_OK;
}

larder_err lrd_key_template_fill(const lrd_key_template *template, const char *ns, const void *key, size_t key_len,
                                 lrd_buf *out, larder_error *err) {
  filling f = {.template = template,
               .ns = lrd_span_str(ns),
               .key = lrd_span_of(key_len > 0 ? key : "", key_len),
               .out = out,
               .err = err};
  size_t before = out->len;
  larder_err result = lrd_buf_reserve(out, 1);
  key_cut(f.key, &f.path, &f.query);
  for (size_t i = 0; i < template->count && result == LARDER_OK; i++) {
    result = piece_fill(&f, &template->pieces[i]);
  }
  if (result == LARDER_OK) {
    result = filled_check(template, out, before, err);
  }
  if (result != LARDER_OK) {
    out->len = before;
  }
  return result == LARDER_ENOMEM ? lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "no memory to fill a template") : result;
}

static bool ends_options(const lrd_key_template *template) {
  return template->count == 1 && template->pieces[0].what == PIECE_TEXT && template->text.len == 2 &&
         memcmp(template->text.data, "--", 2) == 0;
}

larder_err lrd_key_argument_fill(lrd_key_template *const *argv, size_t at, const char *ns, const void *key, size_t key_len,
                                 lrd_buf *out, larder_error *err) {
  const lrd_key_template *template = argv[at];
  size_t const before = out->len;
  bool may_be_any = template->count == 0 || template->pieces[0].what == PIECE_TEXT;
  for (size_t i = 1; i < at && !may_be_any; i++) may_be_any = ends_options(argv[i]);
  larder_err const result = lrd_key_template_fill(template, ns, key, key_len, out, err);
  if (result == LARDER_OK && !may_be_any && out->len > before && out->data[before] == '-') {
    out->len = before;
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "with this key argument %zu would begin with - and be read as an option; write `--` before it, or "
                    "`--name={key}`",
                    at);
  }
  return result;
}

static larder_err text_decode(lrd_span text, lrd_buf *out) {
  lrd_buf_clear(out);
  larder_err result = value_add(out, text, LRD_TEMPLATE_PLAIN, false, true);
  return result == LARDER_OK ? lrd_buf_terminate(out) : result;
}

larder_err lrd_key_pair_next(const void *key, size_t key_len, size_t *at, lrd_buf *name, lrd_buf *value) {
  lrd_span path, query;
  key_cut(lrd_span_of(key_len > 0 ? key : "", key_len), &path, &query);
  while (*at < query.len) {
    size_t end = span_find(query, *at, '&');
    lrd_span pair = span_cut(query, *at, end);
    size_t equals = span_find(pair, 0, '=');
    *at = end + 1;
    if (pair.len == 0) {
      continue;
    }
    larder_err result = text_decode(span_cut(pair, 0, equals), name);
    return result == LARDER_OK ? text_decode(span_cut(pair, equals < pair.len ? equals + 1 : equals, pair.len), value) : result;
  }
  return LARDER_MISS;
}
