/* SPDX-License-Identifier: Apache-2.0 */
#include "key_list.h"

#include "base/fail.h"
#include "base/fs.h"
#include "base/measure.h"
#include "config/field_template.h"
#include "places.h"
#include <errno.h>
#include <larder/larder.h>
#include <larder/warm.h>
#include <stdio.h>

#define ROOM       "warm"
#define LINE_BYTES ((size_t)1 << 20)

void lrd_key_list_fini(lrd_key_list *list) {
  lrd_buf_fini(&list->texts);
  lrd_buf_fini(&list->ends);
}

static uint64_t end_of(const lrd_key_list *list, uint64_t index) {
  uint64_t end;
  memcpy(&end, list->ends.data + index * sizeof end, sizeof end);
  return end;
}

lrd_span lrd_key_list_at(const lrd_key_list *list, uint64_t index) {
  uint64_t from = index > 0 ? end_of(list, index - 1) : 0;
  return lrd_span_of(list->texts.data + from, end_of(list, index) - from);
}

static void reject(lrd_key_list *list, const char *called, uint64_t line, const char *reason) {
  list->rejected++;
  if (list->told) list->told(list->context, called, line, reason);
}

/* The text that was appended since the last key becomes one, unless it is none. */
static larder_err key_end(lrd_key_list *list, const char *called, uint64_t line) {
  uint64_t from = list->len > 0 ? end_of(list, list->len - 1) : 0, end = list->texts.len;
  char reason[80];
  if (end - from == 0 || end - from > LARDER_KEY_MAX) {
    snprintf(reason, sizeof reason, "a key has 1 to %u bytes; this one has %llu", LARDER_KEY_MAX,
             (unsigned long long)(end - from));
    list->texts.len = from;
    reject(list, called, line, reason);
    return LARDER_OK;
  }
  if (list->len == LRD_KEY_LIST_MAX) return LARDER_ETOOBIG;
  larder_err err = lrd_buf_append(&list->ends, &end, sizeof end);
  if (err == LARDER_OK) list->len++;
  return err;
}

larder_err lrd_key_list_add(lrd_key_list *list, const void *key, size_t key_len) {
  larder_err err = lrd_buf_append(&list->texts, key, key_len);
  return err == LARDER_OK ? key_end(list, "", 0) : err;
}

static larder_err failed_with(larder_err result, const char *called, larder_error *err) {
  if (result == LARDER_ENOMEM) return lrd_fail(err, result, 0, ROOM, "out of memory");
  if (result == LARDER_ETOOBIG) return lrd_fail(err, result, 0, ROOM, "%s has more than %u keys", called, LRD_KEY_LIST_MAX);
  return lrd_fail(err, result, errno, ROOM, "%s can't be read: %s", called, larder_err_text(result));
}

/* --- lines ---------------------------------------------------------------------------------------------------------------- */

static larder_err line_take(lrd_key_list *list, const char *called, const char *text, size_t len, uint64_t line,
                            bool comments) {
  if (len > 0 && text[len - 1] == '\r') len--;
  if (len == 0 || (comments && text[0] == '#')) return LARDER_OK;
  larder_err err = lrd_buf_append(&list->texts, text, len);
  return err == LARDER_OK ? key_end(list, called, line) : err;
}

larder_err lrd_key_list_read(lrd_key_list *list, lrd_source *source, const char *called, bool comments, larder_error *err) {
  larder_err result = lrd_source_mark_skip(source);
  while (result == LARDER_OK) {
    size_t len = 0, end = 0;
    uint64_t line = source->line;
    result = lrd_source_line(source, LINE_BYTES, &len, &end);
    if (result == LARDER_ETOOBIG) {
      reject(list, called, line, "the line is longer than any key may be");
      result = lrd_source_line_skip(source);
      continue;
    }
    if (result != LARDER_OK || end == 0) break;
    result = line_take(list, called, lrd_source_text(source), len, line, comments);
    lrd_source_use(source, end);
  }
  return result == LARDER_OK ? LARDER_OK : failed_with(result, called, err);
}

larder_err lrd_key_list_open(lrd_key_list *list, const char *path, bool comments, larder_error *err) {
  lrd_source source;
  larder_err result = lrd_source_open(&source, path, err);
  if (result == LARDER_OK) result = lrd_key_list_read(list, &source, path, comments, err);
  lrd_source_fini(&source);
  return result;
}

/* --- places --------------------------------------------------------------------------------------------------------------- */

typedef struct places_told {
  lrd_key_list *list;
  const char *path;
} places_told;

static void place_rejected(void *context, uint64_t line, const char *what) {
  places_told *told = context;
  reject(told->list, told->path, line, what);
}

static larder_err place_key(lrd_key_list *list, const char *path, const lrd_field_template *plate, const lrd_location *place) {
  lrd_span values[LRD_FIELD_TEMPLATE_NAMES];
  char reason[128];
  for (size_t i = 0; i < lrd_field_template_count(plate); i++) {
    if (!place->more[i]) {
      snprintf(reason, sizeof reason, "its %.60s is empty, and its key is made of that", lrd_field_template_name(plate, i));
      reject(list, path, place->line, reason);
      return LARDER_OK;
    }
    values[i] = lrd_span_str(place->more[i]);
  }
  larder_err err = lrd_field_template_fill(plate, values, &list->texts);
  return err == LARDER_OK ? key_end(list, path, place->line) : err;
}

static larder_err places_open(lrd_key_list *list, const char *path, const lrd_field_template *plate, lrd_places **out,
                              larder_error *err) {
  const char *names[LRD_FIELD_TEMPLATE_NAMES];
  places_told told = {list, path};
  lrd_places_options how = {
      .more = names, .more_len = lrd_field_template_count(plate), .told = place_rejected, .context = &told};
  for (size_t i = 0; i < how.more_len; i++) names[i] = lrd_field_template_name(plate, i);
  return lrd_places_open(path, &how, out, err);
}

static larder_err places_take(lrd_key_list *list, const char *path, const lrd_field_template *plate, const lrd_places *places,
                              const char *near_place, const char *radius, larder_error *err) {
  lrd_near *near = NULL;
  double km = 0;
  size_t count = lrd_places_count(places);
  larder_err result = near_place ? lrd_radius_parse(radius ? radius : LARDER_WARM_RADIUS, &km, err) : LARDER_OK;
  if (result == LARDER_OK && near_place) result = lrd_places_near(places, near_place, km, &near, &count, err);
  if (result != LARDER_OK) return result;
  for (size_t i = 0; i < count && result == LARDER_OK; i++)
    result = place_key(list, path, plate, near ? near[i].place : lrd_places_at(places, i));
  lrd_dealloc(near);
  return result == LARDER_OK ? LARDER_OK : failed_with(result, path, err);
}

larder_err lrd_key_list_places(lrd_key_list *list, const char *path, const char *text, const char *near_place,
                               const char *radius, larder_error *err) {
  lrd_field_template *plate = NULL;
  lrd_places *places = NULL;
  larder_err result = lrd_field_template_new(text, &plate, err);
  if (result == LARDER_OK && lrd_field_template_count(plate) == 0)
    result =
        lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the key template \"%.80s\" names no field of a place, such as {name}", text);
  if (result == LARDER_OK) result = places_open(list, path, plate, &places, err);
  if (result == LARDER_OK) result = places_take(list, path, plate, places, near_place, radius, err);
  lrd_places_free(places);
  lrd_field_template_free(plate);
  return result;
}
