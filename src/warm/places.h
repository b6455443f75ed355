/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places with coordinates, and which of them are near one another. A file of them is CSV whose first row names `name`, `lat`
 * and `lon` (degrees, north and east positive), or JSON or JSON Lines of objects with such members; more fields may be asked
 * for by name, others are passed over.
 *
 * Distances are great circles of a sphere with the earth's mean radius (haversine). The earth is flatter than that: against
 * its ellipsoid a distance is off by 0.56 % at most; against the sphere itself by less than a metre, even between antipodes.
 */
#ifndef LRD_WARM_PLACES_H
#define LRD_WARM_PLACES_H

#include "entry_source.h"
#include <larder/transfer.h>

#define LRD_EARTH_RADIUS_KM 6371.0088 /* the mean radius R1 of the IUGG */
#define LRD_PLACES_MAX      1000000u
#define LRD_PLACE_MORE_MAX  16u /* further fields */
#define LRD_PLACE_NAME_MAX  512u

typedef struct lrd_location {
  const char *name;
  double lat;
  double lon;
  const char *const *more; /* the further fields, in the order in which they were asked for; NULL where it has none */
  uint64_t line;
} lrd_location;

typedef struct lrd_places lrd_places;

/* What is wanted beside the coordinates, and who is told of a line that is no place. All borrowed during the call. */
typedef struct lrd_places_options {
  larder_format format;
  const char *const *more;
  size_t more_len;
  void (*told)(void *context, uint64_t line, const char *what); /* NULL: nobody */
  void *context;
} lrd_places_options;

/*
 * A line that is wrong is told and left out. LARDER_EFORMAT: there is no telling what the file is, or no place in it;
 * LARDER_ETOOBIG: more than LRD_PLACES_MAX. `called` is the file's name in messages. Own.
 */
LARDER_MUST_CHECK larder_err lrd_places_read(lrd_source *source, const char *called, const lrd_places_options *options,
                                             lrd_places **out, larder_error *err);
/* The same from a file; its format by its ending where options say none. LARDER_MISS: it is not there. Blocks on disk. */
LARDER_MUST_CHECK larder_err lrd_places_open(const char *path, const lrd_places_options *options, lrd_places **out,
                                             larder_error *err);
void lrd_places_free(lrd_places *places);
size_t lrd_places_count(const lrd_places *places);
const lrd_location *lrd_places_at(const lrd_places *places, size_t index);

double lrd_distance_km(double lat_a, double lon_a, double lat_b, double lon_b);

typedef struct lrd_near {
  const lrd_location *place;
  double km;
} lrd_near;

/*
 * The places within a radius of the one of that name, itself among them, nearest first; of equal distance in the file's
 * order. *out is to be deallocated. Of names that are alike (place_name.h) the most alike counts. LARDER_MISS: no place has
 * that name (err names the one that is spelled most like it); LARDER_EINVAL: several have.
 */
LARDER_MUST_CHECK larder_err lrd_places_near(const lrd_places *places, const char *name, double radius_km, lrd_near **out,
                                             size_t *count_out, larder_error *err);

#endif
