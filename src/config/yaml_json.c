/* SPDX-License-Identifier: Apache-2.0 */
/* The tree's depth is bounded by its reader, so going down by calls is safe. */
#include "config/yaml_json.h"

#include "config/yaml_tree.h"
#include <errno.h>
#include <stdlib.h>

typedef struct conversion {
  lrd_mistakes *mistakes;
  lrd_buf *json;
  lrd_buf *origins;
  bool stopped; /* a mistake after which nothing more is written */
} conversion;

static larder_err stop(conversion *c, const lrd_yaml_node *node, const char *found, const char *expected) {
  if (!c->stopped) lrd_mistake_add(c->mistakes, node->place, "found %s; expected %s", found, expected);
  c->stopped = true;
  return LARDER_OK;
}

static larder_err quoted(conversion *c, const char *text, size_t len) {
  larder_err result = lrd_buf_append_byte(c->json, '"');
  for (size_t i = 0; i < len && result == LARDER_OK; i++) {
    unsigned char byte = (unsigned char)text[i];
    if (byte == '"' || byte == '\\') {
      result = lrd_buf_printf(c->json, "\\%c", byte);
    } else if (byte < 0x20) {
      result = lrd_buf_printf(c->json, "\\u%04x", byte);
    } else {
      result = lrd_buf_append_byte(c->json, byte);
    }
  }
  return result == LARDER_OK ? lrd_buf_append_byte(c->json, '"') : result;
}

static bool text_is_one_of(const char *text, const char *const *names) {
  for (; *names; names++)
    if (strcmp(text, *names) == 0) return true;
  return false;
}

/* [-+]? ( digits . digits? | . digits | digits ) ( e [-+]? digits )?  */
static bool is_decimal(const char *text) {
  const char *digits = "0123456789";
  text += *text == '-' || *text == '+';
  size_t whole = strspn(text, digits);
  text += whole;
  size_t fraction = 0;
  if (*text == '.') {
    fraction = strspn(text + 1, digits);
    text += 1 + fraction;
  }
  if (whole + fraction == 0) return false;
  if (*text == 'e' || *text == 'E') {
    text++;
    text += *text == '-' || *text == '+';
    size_t exponent = strspn(text, digits);
    if (exponent == 0) return false;
    text += exponent;
  }
  return *text == '\0';
}

/* JSON wants no plus, no leading zeros, and a digit on both sides of the point. */
static larder_err decimal(conversion *c, const char *text) {
  larder_err result = LARDER_OK;
  if (*text == '-') result = lrd_buf_append_byte(c->json, '-');
  text += *text == '-' || *text == '+';
  while (text[0] == '0' && text[1] >= '0' && text[1] <= '9') text++;
  if (result == LARDER_OK && *text == '.') result = lrd_buf_append_byte(c->json, '0');
  size_t point = strcspn(text, ".");
  if (result == LARDER_OK) result = lrd_buf_append(c->json, text, point);
  text += point;
  if (result == LARDER_OK && *text == '.' && !(text[1] >= '0' && text[1] <= '9')) text++; /* `5.` is 5 */
  return result == LARDER_OK ? lrd_buf_append_str(c->json, text) : result;
}

static bool is_based(const char *text) {
  const char *digits = text[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567";
  return text[0] == '0' && (text[1] == 'x' || text[1] == 'o') && text[2] != '\0' && text[2 + strspn(text + 2, digits)] == '\0';
}

static larder_err based(conversion *c, const lrd_yaml_node *node) {
  errno = 0;
  unsigned long long number = strtoull(node->text + 2, NULL, node->text[1] == 'x' ? 16 : 8);
  if (errno != 0) return stop(c, node, "a number above 64 bits", "a smaller one, or text in quotes");
  return lrd_buf_printf(c->json, "%llu", number);
}

static larder_err scalar(conversion *c, const lrd_yaml_node *node) {
  static const char *const yes[] = {"true", "True", "TRUE", NULL};
  static const char *const no[] = {"false", "False", "FALSE", NULL};
  static const char *const endless[] = {".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                        "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL};
  if (node->kind == LRD_YAML_NULL) return lrd_buf_append_str(c->json, "null");
  if (!node->plain) return quoted(c, node->text, node->len);
  if (text_is_one_of(node->text, yes)) return lrd_buf_append_str(c->json, "true");
  if (text_is_one_of(node->text, no)) return lrd_buf_append_str(c->json, "false");
  if (text_is_one_of(node->text, endless))
    return stop(c, node, "a number that is not finite", "a finite one, or text in quotes");
  if (is_decimal(node->text)) return decimal(c, node->text);
  if (is_based(node->text)) return based(c, node);
  return quoted(c, node->text, node->len);
}

static larder_err begin(conversion *c, const lrd_yaml_node *node) {
  const lrd_yaml_origin origin = {.at = c->json->len, .place = node->place};
  if (node->tagged) return stop(c, node, "a tag of its own", "one of YAML's, or none");
  if (c->json->len > LRD_YAML_JSON_MAX) return stop(c, node, "more than 16 MiB once aliases are followed", "less");
  return lrd_buf_append(c->origins, &origin, sizeof origin);
}

static larder_err value(conversion *c, const lrd_yaml_node *node);

static larder_err key(conversion *c, const lrd_yaml_node *node) {
  if (node->kind != LRD_YAML_SCALAR && node->kind != LRD_YAML_NULL) return stop(c, node, "a key that is no text", "text");
  larder_err result = begin(c, node);
  if (result == LARDER_OK && !c->stopped) result = quoted(c, node->text ? node->text : "", node->text ? node->len : 0);
  return result == LARDER_OK ? lrd_buf_append_byte(c->json, ':') : result;
}

static larder_err collection(conversion *c, const lrd_yaml_node *node) {
  bool map = node->kind == LRD_YAML_MAP;
  larder_err result = lrd_buf_append_byte(c->json, map ? '{' : '[');
  for (const lrd_yaml_item *item = node->first; item && result == LARDER_OK && !c->stopped; item = item->next) {
    if (item != node->first) result = lrd_buf_append_byte(c->json, ',');
    if (result == LARDER_OK && map) result = key(c, item->key);
    if (result == LARDER_OK && !c->stopped) result = value(c, item->value);
  }
  return result == LARDER_OK ? lrd_buf_append_byte(c->json, map ? '}' : ']') : result;
}

static larder_err value(conversion *c, const lrd_yaml_node *node) {
  larder_err result = begin(c, node);
  if (result != LARDER_OK || c->stopped) return result;
  return node->kind == LRD_YAML_MAP || node->kind == LRD_YAML_LIST ? collection(c, node) : scalar(c, node);
}

larder_err lrd_yaml_to_json(const char *text, size_t len, lrd_mistakes *mistakes, lrd_buf *json, lrd_buf *origins) {
  lrd_yaml_node *root = NULL;
  conversion c = {.mistakes = mistakes, .json = json, .origins = origins};
  larder_err result = lrd_yaml_parse(text, len, mistakes, &root);
  if (result != LARDER_OK || mistakes->count > 0) return result;
  if (!root) return lrd_buf_append_str(json, "null");
  result = value(&c, root);
  return result == LARDER_OK && mistakes->out_of_memory ? LARDER_ENOMEM : result;
}

lrd_place lrd_yaml_origin_of(const lrd_buf *origins, size_t at) {
  const lrd_yaml_origin *all = (const lrd_yaml_origin *)(const void *)origins->data;
  size_t low = 0, high = origins->len / sizeof *all;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (all[middle].at <= at)
      low = middle + 1;
    else
      high = middle;
  }
  return low == 0 ? (lrd_place){1, 1} : all[low - 1].place;
}
