/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scalars: variables replaced, text into the row's place, then what the row says about this build. Messages show what the
 * file has, never what a variable holds.
 */
#include "config/value_read.h"

#include "base/redact.h"
#include "base/schedule.h"
#include "config/interpolate.h"
#include "config/maker_read.h"
#include "config/option_value.h"
#include <larder/nearest.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_BYTES_MAX 100u /* of a member to be sealed */

const char *lrd_trail_text(const lrd_trail *trail, char out[LRD_TRAIL_MAX]) {
  const char *names[LRD_YAML_DEPTH_MAX];
  size_t count = 0, at = 0;
  for (; trail != NULL && count < LRD_YAML_DEPTH_MAX; trail = trail->up) names[count++] = trail->name;
  out[0] = '\0';
  while (count > 0 && at + 1 < LRD_TRAIL_MAX) {
    count--;
    int written = snprintf(out + at, LRD_TRAIL_MAX - at, "%s%s", at > 0 ? "." : "", names[count]);
    at += written > 0 ? (size_t)written : 0;
  }
  return out;
}

const char *lrd_config_path(lrd_reader *reader, const char *base, const char *path) {
  lrd_config_arena *arena = &reader->settings->arena;
  const char *home = getenv("HOME");
  char *joined = NULL;
  if (path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home != NULL && home[0] == '/')
    joined = lrd_config_arena_printf(arena, "%s%s", home, path + 1);
  else if (path[0] == '/' || base == NULL)
    joined = lrd_config_arena_copy(arena, path, strlen(path));
  else
    joined = lrd_config_arena_printf(arena, "%s/%s", base, path);
  if (joined == NULL) {
    reader->out_of_memory = true;
    return NULL;
  }
  char *to = joined;
  for (const char *at = joined; *at != '\0';) {
    if (at[0] == '/' && at[1] == '/')
      at++;
    else if (at[0] == '/' && at[1] == '.' && (at[2] == '/' || at[2] == '\0'))
      at += 2;
    else
      *to++ = *at++;
  }
  if (to > joined + 1 && to[-1] == '/') to--;
  if (to == joined) *to++ = joined[0] == '\0' ? '\0' : '/';
  *to = '\0';
  return joined;
}

void lrd_unexpected_kind(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail, const char *expected) {
  char where[LRD_TRAIL_MAX];
  lrd_mistake_add(reader->mistakes, node->place, "%s: found %s; expected %s", lrd_trail_text(trail, where),
                  lrd_yaml_kind_text(node), expected);
}

const char *lrd_written_text(const lrd_settings *settings, const char *text) {
  for (const lrd_settings_written *one = settings->written; one != NULL; one = one->next)
    if (one->text == text) return one->written;
  return text;
}

bool lrd_has_variable(const lrd_settings *settings, const char *text) { return lrd_written_text(settings, text) != text; }

const char *lrd_written_line(const lrd_settings *settings, const char *text) {
  const char *written = lrd_written_text(settings, text);
  return strpbrk(written, "\r\n") == NULL ? written : LRD_REDACTED; /* a default that is not in force may have any */
}

void lrd_written_note(lrd_reader *reader, const char *text, const char *written) {
  lrd_settings *settings = reader->settings;
  lrd_settings_written *one = lrd_config_arena_alloc(&settings->arena, sizeof *one);
  if (one == NULL) {
    reader->out_of_memory = true;
    return;
  }
  *one = (lrd_settings_written){.text = text, .written = written, .next = settings->written};
  settings->written = one;
}

static const char *text_read(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail, const char *expected,
                             bool braces_doubled) {
  char where[LRD_TRAIL_MAX];
  if (node->kind != LRD_YAML_SCALAR) {
    lrd_unexpected_kind(reader, node, trail, expected);
    return NULL;
  }
  const char *text = NULL;
  lrd_interpolation const how = {.where = lrd_trail_text(trail, where),
                                 .must_be_set = !reader->disabled,
                                 .braces_doubled = braces_doubled,
                                 .seen = reader->seen,
                                 .mistakes = reader->mistakes};
  lrd_interpolated const got = lrd_interpolate(node, &how, &text);
  if (got == LRD_INTERPOLATED_NO_MEMORY) reader->out_of_memory = true;
  if (text == NULL) return NULL;
  lrd_config_arena *arena = &reader->settings->arena;
  const char *copy = lrd_config_arena_copy(arena, text, strlen(text));
  const char *written = got == LRD_INTERPOLATED_DONE ? lrd_config_arena_copy(arena, node->text, node->len) : copy;
  if (copy == NULL || written == NULL) {
    reader->out_of_memory = true;
    return NULL;
  }
  if (written != copy) lrd_written_note(reader, copy, written);
  return copy;
}

const char *lrd_scalar_text(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail, const char *expected) {
  return text_read(reader, node, trail, expected, false);
}

const char *lrd_row_text(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *node, const lrd_trail *trail,
                         const char *expected) {
  lrd_variables *const seen = reader->seen;
  if (row->type == LRD_OPTION_PATH) reader->seen = NULL; /* a folder is no secret, and sentences about files need it */
  const char *text = text_read(reader, node, trail, expected, (row->flags & LRD_OPTION_PLACES) != 0);
  reader->seen = seen;
  return text;
}

/* What was found, as the file has it: never what a variable holds, nor a secret. */
static const char *found_text(const lrd_option *row, const lrd_yaml_node *node, char out[LRD_QUOTED_MAX]) {
  if (row != NULL && (row->flags & LRD_OPTION_SECRET) != 0) return "a secret";
  return lrd_quote(node->text, node->len, out);
}

bool lrd_tag_check(lrd_reader *reader, const lrd_yaml_node *node, const lrd_trail *trail) {
  if (!node->tagged) return true;
  char where[LRD_TRAIL_MAX];
  lrd_mistake_add(reader->mistakes, node->place, "%s: found a tag (!...); expected a plain value",
                  lrd_trail_text(trail, where));
  return false;
}

void lrd_key_twice(lrd_reader *reader, const lrd_yaml_item *item, const lrd_yaml_item *before, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
  lrd_mistake_add(reader->mistakes, item->key->place, "%s: found %s, which line %d gives already as %s; expected one of them",
                  lrd_trail_text(trail, where), lrd_quote(item->key->text, item->key->len, quoted), before->key->place.line,
                  before->key->text);
}

/* An earlier item that says the same: the same key, or with `scope` rows of one storage. */
const lrd_yaml_item *lrd_item_before(const lrd_yaml_node *map, const lrd_yaml_item *item, const lrd_option *row) {
  for (const lrd_yaml_item *before = map->first; before != item; before = before->next) {
    if (before->key->kind != LRD_YAML_SCALAR) continue;
    if (strcmp(before->key->text, item->key->text) == 0) return before;
    const lrd_option *other = row == NULL ? NULL : lrd_option_find(row->scope, before->key->text);
    if (other == NULL) continue;
    bool same = ((row->flags | other->flags) & LRD_OPTION_SAME) != 0 && row->offset == other->offset;
    if (other == row || same) return before;
  }
  return NULL;
}

bool lrd_key_check(lrd_reader *reader, const lrd_yaml_item *item, const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  if (item->key->kind == LRD_YAML_SCALAR) return true;
  lrd_mistake_add(reader->mistakes, item->key->place, "%s: found %s as a key; expected a name", lrd_trail_text(trail, where),
                  lrd_yaml_kind_text(item->key));
  return false;
}

void lrd_needs_check(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, void *section,
                     const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX];
  bool in_use = row->type != LRD_OPTION_BOOL || *(const bool *)((const char *)section + row->offset);
  if (row->needs == NULL || !in_use) return;
  lrd_mistake_add(reader->mistakes, item->key->place, "%s: needs %s, which this build does not have",
                  lrd_trail_text(trail, where), row->needs);
}

void lrd_scalar_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, void *section,
                     const lrd_trail *trail) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX], expected[LRD_EXPECTED_MAX];
  const lrd_yaml_node *value = item->value;
  lrd_option_expected(row, expected);
  const char *text = lrd_row_text(reader, row, value, trail, expected);
  if (text == NULL) return;
  if (!lrd_option_set(row, section, text)) {
    lrd_schedule schedule;
    larder_error why = {0};
    char name[32];
    larder_nearest nearest = {.wanted = text};
    for (uint32_t i = 0; row->type == LRD_OPTION_CHOICE && lrd_option_choice(row, i, name)[0] != '\0'; i++) {
      larder_nearest_offer(&nearest, name);
    }
    const char *near = larder_nearest_best(&nearest);
    if (row->type == LRD_OPTION_SCHEDULE && !lrd_has_variable(reader->settings, text) &&
        lrd_schedule_parse(text, &schedule, &why) != LARDER_OK) {
      lrd_mistake_add(reader->mistakes, value->place, "%s: %s", lrd_trail_text(trail, where), why.message);
      return;
    }
    lrd_mistake_add(reader->mistakes, value->place, "%s: found %s; expected %s%s%s", lrd_trail_text(trail, where),
                    found_text(row, value, quoted), expected, near != NULL ? "; the nearest is " : "",
                    near != NULL ? near : "");
    return;
  }
  if (row->type == LRD_OPTION_PATH) {
    const char *home = getenv("HOME");
    if (text[0] == '~' && text[1] == '/' && (home == NULL || home[0] != '/'))
      lrd_mistake_add(reader->mistakes, value->place,
                      "%s: found a path in the home folder, and HOME is not set; expected it set",
                      lrd_trail_text(trail, where));
    bool beside_file = row->scope == LRD_SCOPE_CACHE || row->scope == LRD_SCOPE_MAKER || row->scope == LRD_SCOPE_NEARBY ||
                       row->scope == LRD_SCOPE_AGENT;
    const char *base = beside_file ? reader->folder : reader->settings->cache.root;
    *(const char **)((char *)section + row->offset) = lrd_config_path(reader, base, text);
  }
  lrd_needs_check(reader, row, item, section, trail);
}

/* False, and told, for what lines cannot hold or the maker cannot use. */
static bool pair_check(lrd_reader *reader, const lrd_option *row, const lrd_yaml_item *item, const char *text,
                       const lrd_trail *here) {
  char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
  const char *expected = NULL;
  if (strpbrk(text, "\r\n") != NULL || strpbrk(item->key->text, "=\r\n") != NULL) {
    lrd_mistake_add(reader->mistakes, item->value->place, "%s: found a line break or =; expected a name and one line",
                    lrd_trail_text(here, where));
    return false;
  }
  if ((row->scope == LRD_SCOPE_MAKER || row->scope == LRD_SCOPE_CHECK) &&
      !lrd_maker_pair_valid(row, item->key->text, &expected)) {
    lrd_mistake_add(reader->mistakes, item->key->place, "%s: found the name %s; expected %s", lrd_trail_text(here->up, where),
                    lrd_quote(item->key->text, item->key->len, quoted), expected);
    return false;
  }
  return true;
}

/* Either is NULL where there was no memory for it. */
static void lines_keep(lrd_reader *reader, const char *lines, const char *written, const char **out) {
  if (lines == NULL || written == NULL) {
    reader->out_of_memory = true;
    return;
  }
  if (strcmp(lines, written) != 0) lrd_written_note(reader, lines, written);
  *out = lines;
}

/* `options: {a: 1, b: x}` of an extra tier, and the like, as lines. */
void lrd_pairs_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *map, void *section,
                    const lrd_trail *trail) {
  if (map->kind != LRD_YAML_MAP) {
    lrd_unexpected_kind(reader, map, trail, "a mapping of names to values");
    return;
  }
  const char *lines = "", *written = "";
  for (const lrd_yaml_item *item = map->first; item != NULL && lines != NULL && written != NULL; item = item->next) {
    if (!lrd_key_check(reader, item, trail)) continue;
    const lrd_yaml_item *before = lrd_item_before(map, item, NULL);
    if (before != NULL) {
      lrd_key_twice(reader, item, before, trail);
      continue;
    }
    const lrd_trail here = {trail, item->key->text};
    const char *text = lrd_scalar_text(reader, item->value, &here, "a value");
    if (text == NULL) continue;
    if (!pair_check(reader, row, item, text, &here)) continue;
    lines = lrd_config_arena_printf(&reader->settings->arena, "%s%s=%s\n", lines, item->key->text, text);
    written = lrd_config_arena_printf(&reader->settings->arena, "%s%s=%s\n", written, item->key->text,
                                      lrd_written_line(reader->settings, text));
  }
  lines_keep(reader, lines, written, (const char **)((char *)section + row->offset));
}

void lrd_names_read(lrd_reader *reader, const lrd_option *row, const lrd_yaml_node *list, void *section,
                    const lrd_trail *trail) {
  if (list->kind != LRD_YAML_LIST) {
    lrd_unexpected_kind(reader, list, trail, "a list of names");
    return;
  }
  const char *lines = "", *written = "";
  for (const lrd_yaml_item *item = list->first; item != NULL && lines != NULL && written != NULL; item = item->next) {
    const char *text = lrd_scalar_text(reader, item->value, trail, "a name");
    if (text == NULL) continue;
    bool const field = row->scope == LRD_SCOPE_SEAL;
    bool const valid = field ? text[0] != '\0' && strlen(text) <= NAME_BYTES_MAX : lrd_secret_given_valid(text, strlen(text));
    if (!valid || strpbrk(text, "\r\n") != NULL) {
      char where[LRD_TRAIL_MAX], quoted[LRD_QUOTED_MAX];
      lrd_mistake_add(reader->mistakes, item->value->place, "%s: found %s; expected a name %s", lrd_trail_text(trail, where),
                      lrd_quote(item->value->text, item->value->len, quoted),
                      field ? "of 1 to 100 bytes" : "with letters or digits");
      continue;
    }
    lines = lrd_config_arena_printf(&reader->settings->arena, "%s%s\n", lines, text);
    written = lrd_config_arena_printf(&reader->settings->arena, "%s%s\n", written, lrd_written_line(reader->settings, text));
  }
  lines_keep(reader, lines, written, (const char **)((char *)section + row->offset));
}
