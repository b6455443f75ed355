/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How secrets are found: no parser, since the text may begin or end anywhere and be of any format. It is walked once. At
 * each word that could be a name, an optional quote, blanks and one of `: = =>` are looked for behind it; where they are
 * and the name is a secret one, the value that follows is replaced: a quoted string to its closing quote, a list or object
 * to its closing bracket, anything else to the next separator. Quotes may be escaped, as those of JSON inside a string are.
 * `scheme://user:password@` is looked for apart from that.
 *
 * A field's name is cut into words at what is no letter or digit, between letters and digits, and where camelCase begins
 * a word. A name of the list is its letters alone, and matches a run of words that has the same letters; an s may follow.
 */
#include "redact.h"

#define NAME_MAX_SEEN 128u /* of a longer name its end counts */

static const char built_in[] = "password\npasswd\npassphrase\npasscode\npwd\n=pass\nsecret\ntoken\nauthtoken\naccesstoken\n"
                               "refreshtoken\nidtoken\napikey\naccesskey\nsecretkey\nprivatekey\nsigningkey\nencryptionkey\n"
                               "masterkey\nsharedkey\nclientsecret\ncredential\nauthorization\nauth\nbearer\ncookie\nsession"
                               "id\nsignature\n=sig\n";

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_alnum(char c) { return is_letter(c) || is_digit(c); }
static char to_lower(char c) { return is_upper(c) ? (char)(c + 32) : c; }

/* --- names ------------------------------------------------------------------------------------------------------------ */

/* A name's letters and digits in lower case, and where its words begin. */
typedef struct name_words {
  char letters[NAME_MAX_SEEN];
  bool begins[NAME_MAX_SEEN + 1]; /* also true behind the last letter */
  size_t len;
} name_words;

static bool word_begins(const char *name, size_t len, size_t i) {
  if (i == 0 || !is_alnum(name[i - 1])) return true;
  if (is_digit(name[i]) != is_digit(name[i - 1])) return true;
  if (!is_upper(name[i])) return false;
  /* `apiKey`, and the S of `HTTPServer`. */
  return !is_upper(name[i - 1]) || (i + 1 < len && is_letter(name[i + 1]) && !is_upper(name[i + 1]));
}

static void name_cut(name_words *words, const char *name, size_t len) {
  if (len > NAME_MAX_SEEN) {
    name += len - NAME_MAX_SEEN;
    len = NAME_MAX_SEEN;
  }
  words->len = 0;
  for (size_t i = 0; i < len; i++) {
    if (!is_alnum(name[i])) continue;
    words->begins[words->len] = word_begins(name, len, i);
    words->letters[words->len++] = to_lower(name[i]);
  }
  words->begins[words->len] = true;
}

static bool words_have(const name_words *words, const char *wanted, size_t len) {
  bool whole = len > 0 && wanted[0] == '=';
  if (whole) {
    wanted++;
    len--;
  }
  for (size_t i = 0; i + len <= words->len; i++) {
    size_t end = i + len;
    if (whole && (i > 0 || end != words->len)) continue;
    if (!words->begins[i] || memcmp(words->letters + i, wanted, len) != 0) continue;
    if (words->begins[end]) return true;
    if (words->letters[end] == 's' && words->begins[end + 1]) return true;
  }
  return false;
}

bool lrd_secret_name(const char *secrets, const char *name, size_t len) {
  name_words words;
  name_cut(&words, name, len);
  for (const char *at = secrets ? secrets : built_in; *at;) {
    const char *end = strchr(at, '\n');
    if (words_have(&words, at, (size_t)(end - at))) return true;
    at = end + 1;
  }
  return false;
}

bool lrd_secret_given_valid(const char *name, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (name[i] == '\n' || name[i] == '\0') return false;
    if (is_alnum(name[i])) return true;
  }
  return false;
}

/* The mark in front, and letters and digits in lower case. */
static larder_err name_normalise(const char *name, size_t len, lrd_buf *out) {
  larder_err err = LARDER_OK;
  lrd_buf_clear(out);
  if (len > 0 && (name[0] == '-' || name[0] == '=')) err = lrd_buf_append_byte(out, (uint8_t)name[0]);
  for (size_t i = 0; i < len && err == LARDER_OK; i++)
    if (is_alnum(name[i])) err = lrd_buf_append_byte(out, (uint8_t)to_lower(name[i]));
  if (err == LARDER_OK) err = lrd_buf_append_byte(out, '\n');
  return err;
}

/* Takes the line out of the list, with or without the mark of a whole name. */
static void line_remove(lrd_buf *lines, const char *line, size_t len) {
  for (size_t at = 0; at < lines->len;) {
    const uint8_t *from = lines->data + at;
    size_t size = (size_t)((const uint8_t *)memchr(from, '\n', lines->len - at) - from) + 1;
    size_t mark = from[0] == '=' ? 1 : 0;
    if (size - mark == len && memcmp(from + mark, line, len) == 0) {
      memmove(lines->data + at, from + size, lines->len - at - size);
      lines->len -= size;
    } else {
      at += size;
    }
  }
}

larder_err lrd_secrets_make(const char *given, char **out) {
  lrd_buf lines = {0}, one = {0};
  if (!given) {
    *out = NULL;
    return LARDER_OK;
  }
  larder_err err = lrd_buf_append_str(&lines, built_in);
  while (err == LARDER_OK && *given) {
    size_t len = strcspn(given, "\n");
    err = lrd_secret_given_valid(given, len) ? name_normalise(given, len, &one) : LARDER_EINVAL;
    if (err == LARDER_OK && one.data[0] == '-')
      line_remove(&lines, (const char *)one.data + 1, one.len - 1);
    else if (err == LARDER_OK)
      err = lrd_buf_append(&lines, one.data, one.len);
    given += len + (given[len] == '\n');
  }
  if (err == LARDER_OK) err = lrd_buf_terminate(&lines);
  lrd_buf_fini(&one);
  if (err == LARDER_OK)
    *out = (char *)lines.data;
  else
    lrd_buf_fini(&lines);
  return err;
}

/* --- text ------------------------------------------------------------------------------------------------------------- */

typedef struct redaction {
  const char *secrets;
  const char *text;
  size_t len;
  bool cut;
  size_t copied; /* of the text, into out */
  lrd_buf *out;
  lrd_hidden *hidden;
  larder_err err;
} redaction;

static bool name_char(char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; }

static size_t blanks_skip(const redaction *r, size_t at) {
  while (at < r->len && (r->text[at] == ' ' || r->text[at] == '\t')) at++;
  return at;
}

/* Behind the closing quote, or the end. A backslash takes the next character with it. */
static size_t string_end(const redaction *r, size_t at) {
  char quote = r->text[at++];
  while (at < r->len && r->text[at] != quote) at += r->text[at] == '\\' ? 2 : 1;
  return at < r->len ? at + 1 : r->len;
}

static size_t backslashes_skip(const redaction *r, size_t at) {
  while (at < r->len && r->text[at] == '\\') at++;
  return at;
}

static bool quote_at(const redaction *r, size_t at) { return at < r->len && (r->text[at] == '"' || r->text[at] == '\''); }

/* Where the text ends that follows the escaped quote at `at`: before the next such quote and its backslashes, or the end. A
 * quote behind more backslashes is within the text; one behind fewer ends the string around it. */
static size_t escaped_end(const redaction *r, size_t at, size_t backslashes) {
  char quote = r->text[at++];
  while (at < r->len) {
    size_t next = backslashes_skip(r, at);
    if (next < r->len && r->text[next] == quote && next - at <= backslashes) return at;
    at = next < r->len ? next + 1 : r->len;
  }
  return r->len;
}

/* Behind the bracket that closes the one at `at`, or the end. */
static size_t bracket_end(const redaction *r, size_t at) {
  size_t depth = 0;
  while (at < r->len) {
    char c = r->text[at];
    if (c == '"') {
      at = string_end(r, at);
      continue;
    }
    at++;
    if (c == '{' || c == '[') depth++;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return r->len;
}

/* Puts `***` for the text from..to. */
static void hide(redaction *r, size_t from, size_t to, const char *quote) {
  size_t inner = strlen(quote);
  size_t last = to > from + inner && inner > 0 && r->text[to - 1] == quote[0] ? to - 1 : to;
  bool already = last - from - inner == 3 && memcmp(r->text + from + inner, LRD_REDACTED, 3) == 0;
  if (already)
    r->hidden->before++;
  else
    r->hidden->now++;
  if (r->err == LARDER_OK) r->err = lrd_buf_append(r->out, r->text + r->copied, from - r->copied);
  if (r->err == LARDER_OK) r->err = lrd_buf_printf(r->out, "%s" LRD_REDACTED "%s", quote, quote);
  r->copied = to;
}

/* `null` itself, and not the beginning of more. */
static bool is_null(const redaction *r, size_t at) {
  if (r->len - at < 4 || memcmp(r->text + at, "null", 4) != 0) return false;
  if (r->len - at == 4) return !r->cut;
  return r->text[at + 4] != '\0' && strchr(" \t\r\n&;,\"'}])", r->text[at + 4]);
}

/* Hides the value at `at`; returns where the text goes on. A value without quotes may hold blanks (`Bearer abc`), save where
 * `=` stands before it. */
static size_t value_hide(redaction *r, size_t at, bool equals) {
  if (at >= r->len) return at;
  char c = r->text[at];
  size_t end = at, unescaped = backslashes_skip(r, at);
  if (c == '"' || c == '\'') {
    end = string_end(r, at);
    hide(r, at, end, c == '"' ? "\"" : "'");
  } else if (unescaped > at && quote_at(r, unescaped)) {
    end = escaped_end(r, unescaped, unescaped - at);
    hide(r, unescaped + 1, end, "");
  } else if (c == '{' || c == '[') {
    end = bracket_end(r, at);
    hide(r, at, end, "");
  } else if (!is_null(r, at)) {
    const char *stops = equals ? " \t\r\n&;,\"'}])" : "\r\n,\"'}]";
    while (end < r->len && (r->text[end] == '\0' || !strchr(stops, r->text[end]))) end++;
    if (end > at) hide(r, at, end, "");
  }
  return end;
}

/* At the first letter of a word. Where the text goes on when it was a secret's name and its value is hidden, else 0. */
static size_t field_hide(redaction *r, size_t start) {
  size_t end = start;
  while (end < r->len && name_char(r->text[end])) end++;
  size_t quote = backslashes_skip(r, end);
  size_t next = blanks_skip(r, quote_at(r, quote) ? quote + 1 : end);
  if (next >= r->len || (r->text[next] != ':' && r->text[next] != '=')) return 0;
  bool equals = r->text[next] == '=';
  next++;
  if (next < r->len && r->text[next] == '>') next++;
  if (!equals && r->len - next >= 2 && memcmp(r->text + next, "//", 2) == 0) return 0; /* a URL's scheme */
  if (!lrd_secret_name(r->secrets, r->text + start, end - start)) return 0;
  next = blanks_skip(r, next);
  return value_hide(r, next, equals);
}

/* Letters of an escape in a string (`\n`, `\u000a`) that begin what looks like a name; the name may begin behind them. */
static size_t escape_len(const redaction *r, size_t at) {
  if (at == 0 || r->text[at - 1] != '\\') return 0;
  return strchr("bfnrt", r->text[at]) ? 1 : r->text[at] == 'u' ? 5 : 0;
}

/* At `://`. Where the text goes on when a password followed, else 0. It ends at the last @ before the path begins. */
static size_t url_hide(redaction *r, size_t at) {
  size_t end = at + 3, colon = 0, sign = 0;
  for (; end < r->len && (r->text[end] == '\0' || !strchr("/?# \t\r\n\"'<>", r->text[end])); end++) {
    if (r->text[end] == ':' && colon == 0) colon = end;
    if (r->text[end] == '@') sign = end;
  }
  if (sign == 0 && end == r->len && r->cut) sign = r->len;
  if (colon == 0 || colon > sign || sign == 0) return 0;
  if (colon + 1 < sign) hide(r, colon + 1, sign, "");
  return sign;
}

larder_err lrd_redact_text(const char *secrets, const char *text, size_t len, bool cut, lrd_buf *out, lrd_hidden *hidden) {
  redaction r = {.secrets = secrets, .text = text, .len = len, .cut = cut, .out = out, .hidden = hidden};
  for (size_t at = 0; at < len && r.err == LARDER_OK;) {
    size_t next = 0;
    if (text[at] == ':' && len - at > 3 && memcmp(text + at, "://", 3) == 0) {
      next = url_hide(&r, at);
    } else if (name_char(text[at])) {
      size_t escape = escape_len(&r, at);
      next = field_hide(&r, at);
      if (next == 0 && escape > 0 && at + escape < len) next = field_hide(&r, at + escape);
      /* Not at the word's other letters. */
      while (next == 0 && at + 1 < len && name_char(text[at + 1])) at++;
    }
    at = next > at ? next : at + 1;
  }
  if (r.err == LARDER_OK && len > r.copied) r.err = lrd_buf_append(out, text + r.copied, len - r.copied);
  return r.err;
}

/* --- values ----------------------------------------------------------------------------------------------------------- */

#define VALUE_MIN     4u
#define BEGINNING_MIN 8u

/* Whether a value may have been cut off here, or goes on with an escape. */
static bool cut_off(const char *text, size_t len) {
  return len == 0 || strchr("'\"`\\", text[0]) != NULL || (len >= 3 && memcmp(text, "...", 3) == 0);
}

/* How much of a value stands at the front: all, or so much of its beginning that it is no chance, cut off; 0: none. */
static size_t value_part(const char *value, const char *text, size_t len) {
  size_t const value_len = strlen(value);
  size_t same = 0;
  while (same < value_len && same < len && text[same] == value[same]) same++;
  if (same < VALUE_MIN) return 0;
  if (same == value_len) return same;
  return (same >= BEGINNING_MIN || 2 * same >= value_len) && cut_off(text + same, len - same) ? same : 0;
}

/* How long the longest value is that stands at the front; 0: none does. */
static size_t value_at(const char *const *pairs, const char *spared, const char *text, size_t len) {
  size_t longest = 0;
  for (size_t i = 0; pairs && pairs[i]; i++) {
    const char *equals = strchr(pairs[i], '=');
    const char *value = equals ? equals + 1 : "";
    size_t const part = value_part(value, text, len);
    if (part > longest && !(spared && strstr(spared, value))) longest = part;
  }
  return longest;
}

static size_t values_hide(const char *const *pairs, const char *const *more, const char *spared, char *text, size_t len) {
  size_t done = 0;
  for (size_t at = 0; at < len;) {
    size_t one = value_at(pairs, spared, text + at, len - at), other = value_at(more, spared, text + at, len - at);
    size_t const hidden = one > other ? one : other;
    if (hidden > 0) {
      memcpy(text + done, LRD_REDACTED, sizeof LRD_REDACTED - 1);
      done += sizeof LRD_REDACTED - 1;
      at += hidden;
    } else {
      text[done++] = text[at++];
    }
  }
  return done;
}

size_t lrd_redact_values(const char *const *pairs, const char *const *more, char *text, size_t len) {
  return values_hide(pairs, more, NULL, text, len);
}

void lrd_redact_values_in(const char *const *pairs, const char *spared, char *text) {
  if (pairs) {
    text[values_hide(pairs, NULL, spared, text, strlen(text))] = '\0';
  }
}
