/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes over the text would need a length first; instead the result grows in a buffer and is copied once. */
#include "config/interpolate.h"

#include "base/bytes.h"
#include <ctype.h>
#include <stdlib.h>

#define NAME_BYTES_MAX 128

/* Where in the file a letter of the value stands, as well as that can be known. */
static lrd_place place_of(const lrd_yaml_node *node, const char *at) {
  if (node->text_column == 0) return node->place;
  int column = node->text_column;
  for (const char *c = node->text; c < at; c++)
    if (((unsigned char)*c & 0xC0) != 0x80) column++;
  return (lrd_place){node->place.line, column};
}

static size_t name_length(const char *at) {
  if (!isalpha((unsigned char)*at) && *at != '_') return 0;
  size_t len = 1;
  while (isalnum((unsigned char)at[len]) || at[len] == '_') len++;
  return len;
}

typedef struct expansion {
  const lrd_yaml_node *node;
  const lrd_interpolation *how;
  lrd_buf text;
} expansion;

const char *const *lrd_variables_list(const lrd_variables *variables) {
  const char **list = lrd_config_arena_alloc(variables->arena, (variables->len + 1) * sizeof *list);
  size_t at = 0;
  for (const lrd_variable *one = variables->first; list != NULL && one != NULL; one = one->next) list[at++] = one->pair;
  return (const char *const *)list;
}

static bool variable_note(lrd_variables *seen, const char *name, const char *value) {
  size_t const len = strlen(name);
  for (const lrd_variable *one = seen->first; one != NULL; one = one->next)
    if (strncmp(one->pair, name, len) == 0 && one->pair[len] == '=') return true;
  lrd_variable *one = lrd_config_arena_alloc(seen->arena, sizeof *one);
  if (one == NULL) return false;
  *one = (lrd_variable){.pair = lrd_config_arena_printf(seen->arena, "%s=%s", name, value), .next = seen->first};
  seen->first = one;
  seen->len++;
  return one->pair != NULL;
}

static lrd_interpolated value_append(expansion *e, const char *name, const char *value) {
  larder_err err = e->how->seen == NULL || variable_note(e->how->seen, name, value) ? LARDER_OK : LARDER_ENOMEM;
  if (!e->how->braces_doubled && err == LARDER_OK) err = lrd_buf_append_str(&e->text, value);
  for (; e->how->braces_doubled && err == LARDER_OK && *value != '\0'; value++) {
    if (*value == '{' || *value == '}') err = lrd_buf_append_byte(&e->text, (uint8_t)*value);
    if (err == LARDER_OK) err = lrd_buf_append_byte(&e->text, (uint8_t)*value);
  }
  return err == LARDER_OK ? LRD_INTERPOLATED_DONE : LRD_INTERPOLATED_NO_MEMORY;
}

/* `*at` stands on `${`; moved behind the `}`. */
static lrd_interpolated variable_append(expansion *e, const char **at) {
  const char *start = *at, *name = start + 2;
  size_t name_len = name_length(name);
  const char *after = name + name_len;
  bool has_default = after[0] == ':' && after[1] == '-';
  const char *end = strchr(after, '}');
  if (name_len == 0 || name_len > NAME_BYTES_MAX || end == NULL || (!has_default && end != after)) {
    char quoted[LRD_QUOTED_MAX];
    lrd_mistake_add(e->how->mistakes, place_of(e->node, start),
                    "%s: found %s; expected ${VAR} or ${VAR:-default}, and $${ for a literal ${", e->how->where,
                    lrd_quote(start, end == NULL ? strlen(start) : (size_t)(end - start) + 1, quoted));
    return LRD_INTERPOLATED_WRONG;
  }
  char variable[NAME_BYTES_MAX + 1];
  memcpy(variable, name, name_len);
  variable[name_len] = '\0';
  const char *value = getenv(variable);
  *at = end + 1;
  if (has_default && (value == NULL || value[0] == '\0'))
    return lrd_buf_append(&e->text, after + 2, (size_t)(end - after) - 2) == LARDER_OK ? LRD_INTERPOLATED_DONE
                                                                                       : LRD_INTERPOLATED_NO_MEMORY;
  if (value != NULL) return value_append(e, variable, value);
  if (e->how->must_be_set)
    lrd_mistake_add(e->how->mistakes, place_of(e->node, start),
                    "%s: the environment variable %s is not set; expected it set, or a default as in ${%s:-default}",
                    e->how->where, variable, variable);
  return LRD_INTERPOLATED_UNSET;
}

static lrd_interpolated expand(expansion *e) {
  lrd_interpolated result = LRD_INTERPOLATED_DONE;
  for (const char *at = e->node->text; *at != '\0';) {
    if (at[0] == '$' && at[1] == '{') {
      lrd_interpolated one = variable_append(e, &at);
      if (one == LRD_INTERPOLATED_WRONG || one == LRD_INTERPOLATED_NO_MEMORY) return one;
      if (one == LRD_INTERPOLATED_UNSET) result = one;
      continue;
    }
    bool escaped = strncmp(at, "$${", 3) == 0;
    if (lrd_buf_append(&e->text, escaped ? "${" : at, escaped ? 2 : 1) != LARDER_OK) return LRD_INTERPOLATED_NO_MEMORY;
    at += escaped ? 3 : 1;
  }
  return result;
}

lrd_interpolated lrd_interpolate(const lrd_yaml_node *node, const lrd_interpolation *how, const char **out) {
  if (strstr(node->text, "${") == NULL) {
    *out = node->text;
    return LRD_INTERPOLATED_PLAIN;
  }
  expansion e = {.node = node, .how = how};
  lrd_interpolated result = expand(&e);
  if (result == LRD_INTERPOLATED_DONE) {
    const char *copy = lrd_config_arena_copy(how->mistakes->arena, (const char *)e.text.data, e.text.len);
    if (copy == NULL)
      result = LRD_INTERPOLATED_NO_MEMORY;
    else
      *out = copy;
  }
  lrd_buf_fini(&e.text);
  return result;
}
