/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places are read by the readers of entry files, as picks. Their names and further fields lie one behind the other in one
 * buffer; while it grows a place holds offsets, which become pointers at the end.
 */
#include "places.h"

#include "base/fail.h"
#include "base/fs.h"
#include "base/measure.h"
#include "config/mistakes.h"
#include "entry_file.h"
#include "place_name.h"
#include <errno.h>
#include <larder/nearest.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOM "warm"
#define PI   3.14159265358979323846

typedef struct place_row {
  size_t name;                     /* in texts */
  size_t more[LRD_PLACE_MORE_MAX]; /* + 1; 0: none */
  double lat, lon;
  uint64_t line;
} place_row;

struct lrd_places {
  lrd_buf texts;
  lrd_location *at;
  const char **more;
  size_t len;
};

typedef struct places_run {
  const lrd_places_options *options;
  lrd_picks picks;
  size_t name, lat, lon;
  size_t more[LRD_PLACE_MORE_MAX];
  lrd_buf texts;
  lrd_buf rows;  /* place_row[] */
  place_row now; /* of the record that is read */
} places_run;

/* --- distances ------------------------------------------------------------------------------------------------------------ */

double lrd_distance_km(double lat_a, double lon_a, double lat_b, double lon_b) {
  const double degree = PI / 180;
  double north = sin((lat_b - lat_a) * degree / 2);
  double east = sin((lon_b - lon_a) * degree / 2);
  double part = north * north + cos(lat_a * degree) * cos(lat_b * degree) * east * east;
  /* Rounding may carry antipodes beyond 1. */
  if (part > 1) part = 1;
  return 2 * LRD_EARTH_RADIUS_KM * atan2(sqrt(part), sqrt(1 - part));
}

/* --- reading -------------------------------------------------------------------------------------------------------------- */

static larder_err text_keep(places_run *run, const char *text, size_t len, size_t *at_out) {
  *at_out = run->texts.len;
  larder_err err = lrd_buf_append(&run->texts, text, len);
  return err == LARDER_OK ? lrd_buf_append_byte(&run->texts, 0) : err;
}

static void degrees_take(places_run *run, lrd_entry *entry, size_t pick, double limit, double *out) {
  size_t len = 0;
  const char *called = pick == run->lat ? "lat" : "lon";
  const char *text = lrd_pick_text(&run->picks, pick, &len);
  char quoted[LRD_QUOTED_MAX];
  if (text == NULL || len == 0) {
    lrd_entry_problem(entry, "it has no %s", called);
  } else if (!lrd_number_read(text, len, out)) {
    lrd_entry_problem(entry, "%s is degrees such as 48.2083 or -16.37, not %.100s", called, lrd_quote(text, len, quoted));
  } else if (!(fabs(*out) <= limit)) {
    bool swapped = pick == run->lat && fabs(*out) <= 180;
    lrd_entry_problem(entry, "%s is from -%g to %g, not %g%s", called, limit, limit, *out,
                      swapped ? "; are lat and lon swapped?" : "");
  }
}

/* A record's fields are met. */
static larder_err place_take(void *context, lrd_picks *picks, lrd_entry *entry) {
  places_run *run = context;
  size_t len = 0;
  const char *name = lrd_pick_text(picks, run->name, &len);
  size_t before = name != NULL ? lrd_blanks_of(name, &len) : 0;
  run->now = (place_row){.line = entry->line};
  if (name == NULL || len == 0)
    lrd_entry_problem(entry, "it has no name");
  else if (len > LRD_PLACE_NAME_MAX || memchr(name + before, 0, len))
    lrd_entry_problem(entry, "its name has more than %u bytes, or a NUL", LRD_PLACE_NAME_MAX);
  degrees_take(run, entry, run->lat, 90, &run->now.lat);
  degrees_take(run, entry, run->lon, 180, &run->now.lon);
  if (entry->problem[0] != '\0') return LARDER_OK;
  larder_err err = text_keep(run, name + before, len, &run->now.name);
  for (size_t i = 0; i < run->options->more_len && err == LARDER_OK; i++) {
    size_t at = 0;
    const char *text = lrd_pick_text(picks, run->more[i], &len);
    if (text == NULL || len == 0 || memchr(text, 0, len)) continue;
    err = text_keep(run, text, len, &at);
    run->now.more[i] = at + 1;
  }
  if (err == LARDER_OK) err = lrd_buf_append(&run->rows, &run->now, sizeof run->now);
  return err;
}

static larder_err fields_name(places_run *run, larder_error *err) {
  larder_err result = lrd_picks_add(&run->picks, "name", &run->name);
  if (result == LARDER_OK) result = lrd_picks_add(&run->picks, "lat", &run->lat);
  if (result == LARDER_OK) result = lrd_picks_add(&run->picks, "lon", &run->lon);
  if (run->options->more_len > LRD_PLACE_MORE_MAX)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "more than %u further fields of places", LRD_PLACE_MORE_MAX);
  for (size_t i = 0; i < run->options->more_len && result == LARDER_OK; i++)
    result = lrd_picks_add(&run->picks, run->options->more[i], &run->more[i]);
  run->picks.finish = place_take;
  run->picks.context = run;
  return result;
}

/* All rows as places. */
static larder_err rows_turn(places_run *run, lrd_places **out) {
  size_t more_len = run->options->more_len;
  lrd_places *places = lrd_alloc_zero(1, sizeof *places);
  if (places == NULL) return LARDER_ENOMEM;
  places->texts = run->texts;
  run->texts = (lrd_buf){0};
  places->len = run->rows.len / sizeof(place_row);
  places->at = lrd_alloc_zero(places->len, sizeof *places->at);
  places->more = lrd_alloc_zero(places->len * more_len + 1, sizeof *places->more);
  if (places->at == NULL || places->more == NULL) {
    lrd_places_free(places);
    return LARDER_ENOMEM;
  }
  const char *texts = (const char *)places->texts.data;
  for (size_t i = 0; i < places->len; i++) {
    place_row row;
    memcpy(&row, run->rows.data + i * sizeof row, sizeof row);
    const char **more = places->more + i * more_len;
    for (size_t j = 0; j < more_len; j++) more[j] = row.more[j] > 0 ? texts + row.more[j] - 1 : NULL;
    places->at[i] = (lrd_location){texts + row.name, row.lat, row.lon, more, row.line};
  }
  *out = places;
  return LARDER_OK;
}

static larder_err rows_read(places_run *run, lrd_reader_file *reader, lrd_entry *entry) {
  larder_err err = lrd_reader_begin(reader);
  while (err == LARDER_OK) {
    err = lrd_reader_next(reader, entry);
    if (err == LARDER_OK && entry->problem[0] != '\0' && run->options->told)
      run->options->told(run->options->context, entry->line, entry->problem);
    if (err == LARDER_OK && run->rows.len / sizeof(place_row) > LRD_PLACES_MAX) err = LARDER_ETOOBIG;
  }
  return err == LARDER_END ? LARDER_OK : err;
}

larder_err lrd_places_read(lrd_source *source, const char *called, const lrd_places_options *options, lrd_places **out,
                           larder_error *err) {
  places_run run = {.options = options};
  lrd_reader_file reader;
  lrd_entry entry = {0};
  larder_err result = fields_name(&run, err);
  lrd_reader_init(&reader, source, options->format, false);
  lrd_reader_pick(&reader, &run.picks);
  if (result == LARDER_OK) {
    result = rows_read(&run, &reader, &entry);
    if (result == LARDER_EFORMAT)
      lrd_ignore(lrd_fail(err, result, 0, ROOM, "%s: %s", called, reader.mistake));
    else if (result == LARDER_ETOOBIG)
      lrd_ignore(lrd_fail(err, result, 0, ROOM, "%s has more than %u places", called, LRD_PLACES_MAX));
    else if (result == LARDER_OK && run.rows.len == 0)
      result = lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "%s has no place with name, lat and lon", called);
    else if (result != LARDER_OK)
      lrd_ignore(lrd_fail(err, result, errno, ROOM, "%s can't be read: %s", called, larder_err_text(result)));
  }
  if (result == LARDER_OK && (result = rows_turn(&run, out)) != LARDER_OK)
    lrd_ignore(lrd_fail(err, result, 0, ROOM, "out of memory"));
  lrd_entry_fini(&entry);
  lrd_reader_fini(&reader);
  lrd_picks_fini(&run.picks);
  lrd_buf_fini(&run.texts);
  lrd_buf_fini(&run.rows);
  return result;
}

larder_err lrd_places_open(const char *path, const lrd_places_options *options, lrd_places **out, larder_error *err) {
  lrd_places_options how = *options;
  lrd_source source;
  how.format = lrd_format_of_path(how.format, path);
  larder_err result = lrd_source_open(&source, path, err);
  if (result == LARDER_OK) result = lrd_places_read(&source, path, &how, out, err);
  lrd_source_fini(&source);
  return result;
}

void lrd_places_free(lrd_places *places) {
  if (places == NULL) return;
  lrd_buf_fini(&places->texts);
  lrd_dealloc(places->at);
  lrd_dealloc(places->more);
  lrd_dealloc(places);
}

size_t lrd_places_count(const lrd_places *places) { return places->len; }

const lrd_location *lrd_places_at(const lrd_places *places, size_t index) { return &places->at[index]; }

/* --- near ----------------------------------------------------------------------------------------------------------------- */

static larder_err not_there(const lrd_places *places, const char *name, larder_error *err) {
  char quoted[LRD_QUOTED_MAX];
  larder_nearest near = {.wanted = name};
  for (size_t i = 0; i < places->len; i++) larder_nearest_offer(&near, places->at[i].name);
  const char *meant = larder_nearest_best(&near);
  return lrd_fail(err, LARDER_MISS, 0, ROOM, "no place is named %s%s%s%s", lrd_quote(name, strlen(name), quoted),
                  meant ? "; is \"" : "", meant ? meant : "", meant ? "\" meant?" : "");
}

/* The places of the name that is most like it; they have to be one, or to lie in one place. */
static larder_err place_find(const lrd_places *places, const char *name, const lrd_location **out, larder_error *err) {
  const lrd_location *found = NULL, *another = NULL;
  lrd_name_likeness likest = LRD_NAMES_DIFFER;
  char quoted[LRD_QUOTED_MAX];
  for (size_t i = 0; i < places->len; i++) {
    const lrd_location *place = &places->at[i];
    lrd_name_likeness const likeness = lrd_names_compare(place->name, name);
    if (likeness == LRD_NAMES_DIFFER || likeness < likest) continue;
    if (likeness > likest) {
      likest = likeness;
      found = place;
      another = NULL;
    } else if (another == NULL && (found->lat != place->lat || found->lon != place->lon)) {
      another = place;
    }
  }
  if (found == NULL) return not_there(places, name, err);
  if (another != NULL)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "several places are named %s (lines %llu and %llu)",
                    lrd_quote(name, strlen(name), quoted), (unsigned long long)found->line, (unsigned long long)another->line);
  *out = found;
  return LARDER_OK;
}

static int near_compare(const void *a, const void *b) {
  const lrd_near *one = a, *other = b;
  if (one->km != other->km) return one->km < other->km ? -1 : 1;
  return one->place < other->place ? -1 : one->place > other->place;
}

larder_err lrd_places_near(const lrd_places *places, const char *name, double radius_km, lrd_near **out, size_t *count_out,
                           larder_error *err) {
  const lrd_location *from = NULL;
  larder_err result = place_find(places, name, &from, err);
  if (result != LARDER_OK) return result;
  LRD_ASSERT(from != NULL);
  lrd_near *near = lrd_alloc_zero(places->len, sizeof *near);
  if (near == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  size_t count = 0;
  for (size_t i = 0; i < places->len; i++) {
    const lrd_location *place = &places->at[i];
    double km = lrd_distance_km(from->lat, from->lon, place->lat, place->lon);
    if (km <= radius_km) near[count++] = (lrd_near){place, km};
  }
  qsort(near, count, sizeof *near, near_compare);
  *out = near;
  *count_out = count;
  return LARDER_OK;
}
