/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates and the keys that fill them, and keys that hold a recipe's parameters. The input is a form, a template (or the
 * number of a recipe), a NUL and a key. Whatever the key is, a URL keeps the template's scheme and host, has no segment `.` or
 * `..` and nothing raw that is not a URL's, and an argument has no NUL.
 */
#include "base/bytes.h"
#include "config/key_template.h"
#include "maker/recipe/recipe_maker.h"
#include "maker/recipe/recipes.h"
#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

/* Plainly: no decoding, since nothing but a template's own text brings `%2e`. */
static bool has_dot_segment(const char *path, size_t len) {
  for (size_t at = 0; at < len;) {
    size_t end = at;
    while (end < len && path[end] != '/') end++;
    if ((end - at == 1 && path[at] == '.') || (end - at == 2 && path[at] == '.' && path[at + 1] == '.')) return true;
    at = end + 1;
  }
  return false;
}

static void url_holds(const char *text, const lrd_buf *url) {
  const char *found = (const char *)url->data;
  size_t host = strcspn(text, ":") + 3;
  host += strcspn(text + host, "/?{}");
  HOLDS(url->len >= host && memcmp(found, text, host) == 0);
  const char *query = memchr(found, '?', url->len);
  HOLDS((query != NULL) == (strchr(text, '?') != NULL));
  HOLDS(!has_dot_segment(found + host, (query ? (size_t)(query - found) : url->len) - host));
  for (size_t i = host; i < url->len; i++) {
    uint8_t c = url->data[i];
    HOLDS(c > 0x20 && c != 0x7f && c != '#' && c != '\\');
  }
}

/* What is read of a key without pairs is spelled as the key is. */
static void try_recipe(const uint8_t *data, size_t size) {
  const lrd_maker *recipe = size > 0 ? lrd_recipe_at(data[0] % 8) : NULL;
  lrd_params params;
  larder_error err = {0};
  if (!recipe) return;
  if (lrd_recipe_key_read(recipe, data + 1, size - 1, &params, &err) != LARDER_OK) {
    HOLDS(err.code == LARDER_EINVAL && err.message[0] != '\0');
    return;
  }
  lrd_buf spelled = {0};
  HOLDS(lrd_maker_key(recipe, &params, &spelled) == LARDER_OK);
  HOLDS(memchr(data + 1, '|', size - 1) || (spelled.len == size - 1 && memcmp(spelled.data, data + 1, size - 1) == 0));
  lrd_buf_fini(&spelled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  if (data[0] & 2) {
    try_recipe(data + 1, size - 1);
    return 0;
  }
  lrd_template_form form = data[0] & 1 ? LRD_TEMPLATE_URL : LRD_TEMPLATE_PLAIN;
  size_t len = 0;
  while (1 + len < size && data[1 + len] != 0) len++;
  char *text = malloc(len + 1);
  HOLDS(text);
  memcpy(text, data + 1, len);
  text[len] = '\0';
  const uint8_t *key = data + 1 + len + (1 + len < size);
  size_t key_len = (size_t)(data + size - key);
  lrd_key_template *template = NULL;
  larder_error err = {0};
  char shown[LRD_KEY_SHOWN_ROOM];
  HOLDS(strlen(lrd_key_shown(NULL, key, key_len, shown)) <= 82);
  if (lrd_key_template_new(text, form, ':', &template, &err) == LARDER_OK) {
    lrd_buf out = {0};
    if (lrd_key_template_fill(template, "ns", key, key_len, &out, &err) == LARDER_OK) {
      if (form == LRD_TEMPLATE_URL) url_holds(text, &out);
      HOLDS(out.len == 0 || form == LRD_TEMPLATE_URL || !memchr(out.data, 0, out.len));
    } else {
      HOLDS(err.code == LARDER_EINVAL && err.message[0] != '\0' && out.len == 0);
    }
    lrd_buf_fini(&out);
  } else {
    HOLDS(err.code == LARDER_EINVAL && err.message[0] != '\0');
  }
  lrd_key_template_free(template);
  free(text);
  return 0;
}
