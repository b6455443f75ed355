/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of places: the first byte says the format, then a radius text up to a line end, then the file. What is accepted has
 * a name and coordinates within their limits; each is near itself, and what is near comes in order and within the radius.
 */
#include "base/measure.h"
#include "warm/places.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

typedef struct drip {
  const uint8_t *data;
  size_t len, at;
} drip;

static int64_t drip_read(void *context, void *out, size_t room) {
  drip *d = context;
  size_t left = d->len - d->at, give = left < room ? left : room;
  if (give > 0) memcpy(out, d->data + d->at, give);
  d->at += give;
  return (int64_t)give;
}

static void near_check(const lrd_places *places, double km) {
  const lrd_location *first = lrd_places_at(places, 0);
  lrd_near *near = NULL;
  size_t count = 0;
  larder_err err = lrd_places_near(places, first->name, km, &near, &count, NULL);
  HOLDS(err == LARDER_OK || err == LARDER_EINVAL);
  if (err != LARDER_OK) return;
  HOLDS(count > 0 && near[0].km <= km);
  for (size_t i = 1; i < count; i++) HOLDS(near[i].km >= near[i - 1].km && near[i].km <= km);
  lrd_dealloc(near);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const more[] = {"state"};
  const uint8_t *line = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
  if (line == NULL) return 0;
  char *radius = lrd_strndup((const char *)data + 1, (size_t)(line - data) - 1);
  double km = 80;
  if (lrd_radius_parse(radius, &km, NULL) == LARDER_OK) HOLDS(km >= 0 && isfinite(km));
  lrd_dealloc(radius);
  drip d = {line + 1, size - (size_t)(line - data) - 1, 0};
  lrd_places_options how = {.format = (larder_format)(data[0] % 4), .more = more, .more_len = 1};
  lrd_source source;
  lrd_places *places = NULL;
  HOLDS(lrd_source_init(&source, -1, drip_read, &d) == LARDER_OK);
  larder_err err = lrd_places_read(&source, "it", &how, &places, NULL);
  HOLDS((err == LARDER_OK) == (places != NULL));
  for (size_t i = 0; places != NULL && i < lrd_places_count(places); i++) {
    const lrd_location *place = lrd_places_at(places, i);
    HOLDS(place->name[0] != '\0' && fabs(place->lat) <= 90 && fabs(place->lon) <= 180);
    HOLDS(place->more[0] == NULL || place->more[0][0] != '\0');
  }
  if (places != NULL) near_check(places, km);
  lrd_places_free(places);
  lrd_source_fini(&source);
  return 0;
}
