/* SPDX-License-Identifier: Apache-2.0 */
/* Files of places, distances between them, radii, and who is near whom. */
#include "support/support.h"

#include "base/measure.h"
#include "warm/places.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct stream {
  const char *text;
  size_t len, at;
} stream;

static int64_t stream_read(void *context, void *out, size_t room) {
  stream *s = context;
  size_t give = s->len - s->at < 5 ? s->len - s->at : 5;
  if (give > room) give = room;
  memcpy(out, s->text + s->at, give);
  s->at += give;
  return (int64_t)give;
}

static void told_add(void *context, uint64_t line, const char *what) {
  assert_ok(lrd_buf_printf(context, "%llu: %s\n", (unsigned long long)line, what));
}

static larder_err read_text(const char *text, larder_format format, const char *const *more, size_t more_len, lrd_buf *told,
                            lrd_places **out, larder_error *err) {
  stream s = {text, strlen(text), 0};
  lrd_source source;
  lrd_places_options how = {.format = format, .more = more, .more_len = more_len, .told = told_add, .context = told};
  larder_err result = lrd_source_init(&source, -1, stream_read, &s);
  if (result == LARDER_OK) result = lrd_places_read(&source, "the file", &how, out, err);
  lrd_source_fini(&source);
  return result;
}

static lrd_places *places_of(const char *text, larder_format format, const char *wanted_told) {
  lrd_places *places = NULL;
  lrd_buf told = {0};
  larder_error err = {0};
  if (read_text(text, format, NULL, 0, &told, &places, &err) != LARDER_OK) fail_msg("%s", err.message);
  assert_ok(lrd_buf_terminate(&told));
  assert_string_equal(told.data, wanted_told);
  lrd_buf_fini(&told);
  return places;
}

static void refused(const char *text, larder_format format, const char *wanted) {
  lrd_places *places = NULL;
  lrd_buf told = {0};
  larder_error err = {0};
  assert_err(read_text(text, format, NULL, 0, &told, &places, &err), LARDER_EFORMAT);
  assert_string_equal(err.message, wanted);
  assert_null(places);
  lrd_buf_fini(&told);
}

/* --- distances ------------------------------------------------------------------------------------------------------------ */

static void km_is(double found, double wanted, double within) {
  if (!(fabs(found - wanted) <= within)) fail_msg("%.9f km, not %.9f", found, wanted);
}

static void distances_on_the_sphere_are_those_published(void **state) {
  (void)state;
  const double mean = LRD_EARTH_RADIUS_KM / 6371.0;
  /* Rosetta Code, "Haversine formula": Nashville to Los Angeles airport on a sphere of 6371.0 km. */
  km_is(lrd_distance_km(36.12, -86.67, 33.94, -118.40), 2886.44444283798329975 * mean, 1e-9);
  /* Movable Type Scripts, "Calculate distance, bearing and more": 50°03′59″N 005°42′53″W to 58°38′38″N 003°04′12″W. */
  km_is(lrd_distance_km(50 + 3 / 60.0 + 59 / 3600.0, -(5 + 42 / 60.0 + 53 / 3600.0), 58 + 38 / 60.0 + 38 / 3600.0,
                        -(3 + 4 / 60.0 + 12 / 3600.0)),
        968.9, 0.05);
}

static void distances_on_the_earth_are_met_within_what_is_said(void **state) {
  (void)state;
  static const struct {
    double lat_a, lon_a, lat_b, lon_b, km;
  } lines[] = {/* GeographicLib, GeodSolve(1): Kennedy airport to Singapore's, on WGS84. */
               {40 + 38 / 60.0 + 23 / 3600.0, -(73 + 46 / 60.0 + 44 / 3600.0), 1 + 21 / 60.0 + 33 / 3600.0,
                103 + 59 / 60.0 + 22 / 3600.0, 15347.628},
               /* GeographicLib for Python, "Examples": Wellington to Salamanca, nearly antipodes. */
               {-41.32, 174.81, 40.96, -5.50, 19959.679},
               /* Geoscience Australia, GDA technical manual: Flinders Peak to Buninyong, on GRS80. */
               {-(37 + 57 / 60.0 + 3.7203 / 3600), 144 + 25 / 60.0 + 29.5244 / 3600, -(37 + 39 / 60.0 + 10.1561 / 3600),
                143 + 55 / 60.0 + 35.3839 / 3600, 54.972271},
               /* A degree of the meridian at the equator and at the pole, of the WGS84 ellipsoid: the worst there is. */
               {-0.5, 0, 0.5, 0, 110.574},
               {89, 0, 90, 0, 111.694}};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    double km = lrd_distance_km(lines[i].lat_a, lines[i].lon_a, lines[i].lat_b, lines[i].lon_b);
    km_is(km, lines[i].km, lines[i].km * 0.0057);
    km_is(lrd_distance_km(lines[i].lat_b, lines[i].lon_b, lines[i].lat_a, lines[i].lon_a), km, 1e-9);
  }
}

static void poles_the_antimeridian_and_no_distance_are_nothing_special(void **state) {
  (void)state;
  const double half = 3.14159265358979323846 * LRD_EARTH_RADIUS_KM;
  km_is(lrd_distance_km(90, 0, -90, 0), half, 1e-9);
  km_is(lrd_distance_km(90, 10, 90, -170), 0, 1e-9); /* at a pole every longitude is the same place */
  km_is(lrd_distance_km(-90, 10, 0, 77), half / 2, 1e-9);
  km_is(lrd_distance_km(0, 0, 0, 180), half, 1e-9);
  km_is(lrd_distance_km(0, 0, 0, -180), half, 1e-9);
  km_is(lrd_distance_km(10, 180, 10, -180), 0, 1e-9);
  km_is(lrd_distance_km(0, 179.5, 0, -179.5), half / 180, 1e-9);
  km_is(lrd_distance_km(35, 40, -35, -140), half, 0.001);
  assert_true(lrd_distance_km(48.2083, 16.3731, 48.2083, 16.3731) == 0);
  km_is(lrd_distance_km(0, 0, 0, 1e-7), half / 180 * 1e-7, 1e-15);
}

static void radii_have_units(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double km;
  } good[] = {{"50mi", 80.4672}, {"50 mi", 80.4672}, {"80km", 80},   {"50", 80.4672},
              {"0", 0},          {"0.5km", 0.5},     {"1500m", 1.5}, {"1e2km", 100}};
  static const char *const bad[] = {"", "mi", "-1km", "5 leagues", "km5", "1e400km", "nan", "5km5", "0x10", "1,5km", "inf"};
  double km = 0;
  larder_error err = {0};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_ok(lrd_radius_parse(good[i].text, &km, NULL));
    km_is(km, good[i].km, 1e-9);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (lrd_radius_parse(bad[i], &km, &err) != LARDER_EINVAL) fail_msg("%s was taken", bad[i]);
  assert_string_equal(err.message, "a radius is such as 50mi, 80km or 50 (miles), not \"inf\"");
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

static void every_format_gives_the_same_places(void **state) {
  (void)state;
  static const struct {
    larder_format format;
    const char *text;
  } files[] = {
      {LARDER_FORMAT_CSV,
       "state,name,lat,lon,people\nTX,Austin,30.2672,-97.7431,1\n\"TX\",\" Round \"\"Rock\"\"\",+30.5083, -97.6789 ,2\n"},
      {LARDER_FORMAT_JSON, "[{\"name\":\"Austin\",\"lat\":30.2672,\"lon\":-97.7431,\"x\":[1]},\n"
                           "{\"lat\":\"30.5083\",\"lon\":\"-97.6789\",\"name\":\"Round \\\"Rock\\\"\"}]"},
      {LARDER_FORMAT_JSON, "{\"note\":1,\"entries\":[{\"name\":\"Austin\",\"lat\":30.2672,\"lon\":-97.7431},"
                           "{\"lat\":30.5083,\"lon\":-97.6789,\"name\":\"Round \\\"Rock\\\"\"}]}"},
      {LARDER_FORMAT_AUTO, "{\"name\":\"Austin\",\"lat\":30.2672,\"lon\":-97.7431}\n"
                           "{\"lat\":30.5083,\"lon\":-97.6789,\"name\":\"Round \\\"Rock\\\"\"}"}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    lrd_places *places = places_of(files[i].text, files[i].format, "");
    assert_int_equal(lrd_places_count(places), 2);
    assert_string_equal(lrd_places_at(places, 0)->name, "Austin");
    assert_string_equal(lrd_places_at(places, 1)->name, "Round \"Rock\"");
    assert_true(lrd_places_at(places, 1)->lat == 30.5083 && lrd_places_at(places, 1)->lon == -97.6789);
    lrd_places_free(places);
  }
}

static void a_bad_line_is_told_and_left_out(void **state) {
  (void)state;
  lrd_places *places =
      places_of("name,lat,lon\nA,1,2\n,1,2\nB,,2\nC,1,x\nD,91,2\nE,-181,2\nF,1,180.5\nG,1\nH,nan,2\nI,1e999,2\n"
                "J,\"48,2\",2\nK,90,-180\n",
                LARDER_FORMAT_CSV,
                "3: it has no name\n4: it has no lat\n"
                "5: lon is degrees such as 48.2083 or -16.37, not \"x\"\n"
                "6: lat is from -90 to 90, not 91; are lat and lon swapped?\n"
                "7: lat is from -90 to 90, not -181\n8: lon is from -180 to 180, not 180.5\n"
                "9: it has 2 fields; there are 3 columns\n"
                "10: lat is degrees such as 48.2083 or -16.37, not \"nan\"\n"
                "11: lat is degrees such as 48.2083 or -16.37, not \"1e999\"\n"
                "12: lat is degrees such as 48.2083 or -16.37, not \"48,2\"\n");
  assert_int_equal(lrd_places_count(places), 2);
  assert_string_equal(lrd_places_at(places, 1)->name, "K");
  assert_int_equal(lrd_places_at(places, 1)->line, 13);
  lrd_places_free(places);
  places =
      places_of("{\"name\":\"A\",\"lat\":1,\"lon\":null}\n[]\n{\"name\":\"B\",\"lat\":1,\"lon\":2}\n{", LARDER_FORMAT_JSONL,
                "1: it has no lon\n2: a line is an object\n4: no JSON: column 2: a name in quotes or } is expected\n");
  lrd_places_free(places);
}

static void a_file_without_places_is_refused(void **state) {
  (void)state;
  refused("name,lat,long\nA,1,2\n", LARDER_FORMAT_CSV,
          "the file: the first row has to name the columns, and has no lon; is long meant?");
  refused("place,x,y\nA,1,2\n", LARDER_FORMAT_CSV, "the file: the first row has to name the columns, and has no name");
  refused("name,lat,lon\n", LARDER_FORMAT_CSV, "the file has no place with name, lat and lon");
  refused("name,lat,lon\n,,\n", LARDER_FORMAT_CSV, "the file has no place with name, lat and lon");
  refused("name,lat,lon\rA,1,2\r", LARDER_FORMAT_CSV,
          "the file: a carriage return stands in the row of names; lines end with LF or CRLF");
  refused("{\"Austin\":{\"lat\":1,\"lon\":2}}", LARDER_FORMAT_JSON,
          "the file: it is an object without the array \"entries\"; an array of records is expected");
  refused("5", LARDER_FORMAT_JSON, "the file: line 1: an array of entries, or an object, is expected");
}

static void further_fields_are_kept_where_there_are_any(void **state) {
  (void)state;
  static const char *const more[] = {"cbsa", "name", "state"};
  lrd_places *places = NULL;
  lrd_buf told = {0};
  assert_ok(read_text("cbsa,name,lat,lon,state\n14500,Boulder,40.09,-105.36,CO\n,Denver,39.74,-104.98,\n", LARDER_FORMAT_CSV,
                      more, 3, &told, &places, NULL));
  assert_string_equal(lrd_places_at(places, 0)->more[0], "14500");
  assert_string_equal(lrd_places_at(places, 0)->more[1], "Boulder");
  assert_string_equal(lrd_places_at(places, 0)->more[2], "CO");
  assert_null(lrd_places_at(places, 1)->more[0]);
  assert_null(lrd_places_at(places, 1)->more[2]);
  lrd_places_free(places);
  assert_ok(
      read_text("[{\"name\":\"B\",\"lat\":1,\"lon\":1,\"cbsa\":14500}]", LARDER_FORMAT_JSON, more, 3, &told, &places, NULL));
  assert_string_equal(lrd_places_at(places, 0)->more[0], "14500");
  lrd_places_free(places);
  lrd_buf_fini(&told);
}

/* --- near ----------------------------------------------------------------------------------------------------------------- */

#define CITIES                                                                                                                 \
  "name,lat,lon\nBoulder,40.0150,-105.2705\nDenver,39.7392,-104.9903\nFort Collins,40.5853,-105.0844\n"                        \
  "Colorado Springs,38.8339,-104.8214\nZ\xC3\x9CRICH,47.3769,8.5417\nSpringfield,39.7817,-89.6501\n"                           \
  "springfield,42.1015,-72.5898\nTwin,1,1\ntwin,1,1\n"

static char *near_text(const lrd_places *places, const char *name, double km) {
  lrd_near *near = NULL;
  size_t count = 0;
  lrd_buf out = {0};
  larder_error err = {0};
  larder_err result = lrd_places_near(places, name, km, &near, &count, &err);
  if (result != LARDER_OK) assert_ok(lrd_buf_printf(&out, "! %s", err.message));
  for (size_t i = 0; result == LARDER_OK && i < count; i++) {
    assert_ok(lrd_buf_printf(&out, "%s %.0f;", near[i].place->name, near[i].km));
    if (i > 0) assert_true(near[i].km >= near[i - 1].km);
  }
  lrd_dealloc(result == LARDER_OK ? near : NULL);
  assert_ok(lrd_buf_terminate(&out));
  return (char *)out.data;
}

static void the_nearest_come_first(void **state) {
  (void)state;
  static const struct {
    const char *name;
    double km;
    const char *wanted;
  } asked[] = {{"boulder", 80, "Boulder 0;Denver 39;Fort Collins 65;"},
               {"BOULDER", 0, "Boulder 0;"},
               {"Denver", 110, "Denver 0;Boulder 39;Fort Collins 94;Colorado Springs 102;"},
               {"z\xC3\xBCrich", 10, "Z\xC3\x9CRICH 0;"},
               {"twin", 1, "Twin 0;twin 0;"},
               {"Bolder", 1, "! no place is named \"Bolder\"; is \"Boulder\" meant?"},
               {"Fort", 1, "! no place is named \"Fort\"; is \"Fort Collins\" meant?"},
               {"Den", 1, "! no place is named \"Den\"; is \"Denver\" meant?"},
               {"", 1, "! no place is named \"\""},
               {"Quito", 1, "! no place is named \"Quito\""},
               {"Springfield", 1, "Springfield 0;"}, /* the very name goes before one in another case */
               {"springfield", 1, "springfield 0;"},
               {"SPRINGFIELD", 1, "! several places are named \"SPRINGFIELD\" (lines 7 and 8)"},
               {"zurich", 10, "Z\xC3\x9CRICH 0;"}};
  lrd_places *places = places_of(CITIES, LARDER_FORMAT_CSV, "");
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    char *found = near_text(places, asked[i].name, asked[i].km);
    assert_string_equal(found, asked[i].wanted);
    lrd_dealloc(found);
  }
  lrd_places_free(places);
}

static void files_are_opened_by_their_ending(void **state) {
  (void)state;
  lrd_places_options how = {0};
  lrd_places *places = NULL;
  larder_error err = {0};
  char *folder = support_dir_make();
  char path[512];
  snprintf(path, sizeof path, "%s/places.csv", folder);
  assert_err(lrd_places_open(path, &how, &places, &err), LARDER_MISS);
  assert_non_null(strstr(err.message, "places.csv can't be read: No such file"));
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(CITIES, file);
  fclose(file);
  assert_ok(lrd_places_open(path, &how, &places, &err));
  assert_int_equal(lrd_places_count(places), 9);
  lrd_places_free(places);
  assert_true(lrd_places_open(folder, &how, &places, &err) < 0);
  support_dir_remove(&folder);
}

static void out_of_memory_is_told_and_leaks_nothing(void **state) {
  static const char *const more[] = {"state"};
  (void)state;
  for (uint64_t n = 1;; n++) {
    int64_t live = support_alloc_live();
    lrd_places *places = NULL;
    lrd_near *near = NULL;
    size_t count = 0;
    lrd_buf told = {0};
    support_alloc_fail_at(n);
    larder_err err = read_text("name,lat,lon,state\nA,1,1,x\nB,2,2,y\n", LARDER_FORMAT_CSV, more, 1, &told, &places, NULL);
    if (err == LARDER_OK) err = lrd_places_near(places, "a", 500, &near, &count, NULL);
    bool failed = support_alloc_end() >= n;
    lrd_dealloc(near);
    lrd_places_free(places);
    lrd_buf_fini(&told);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) {
      assert_ok(err);
      assert_int_equal(count, 2);
      break;
    }
    assert_true(err < 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(distances_on_the_sphere_are_those_published),
      cmocka_unit_test(distances_on_the_earth_are_met_within_what_is_said),
      cmocka_unit_test(poles_the_antimeridian_and_no_distance_are_nothing_special),
      cmocka_unit_test(radii_have_units),
      cmocka_unit_test(every_format_gives_the_same_places),
      cmocka_unit_test(a_bad_line_is_told_and_left_out),
      cmocka_unit_test(a_file_without_places_is_refused),
      cmocka_unit_test(further_fields_are_kept_where_there_are_any),
      cmocka_unit_test(the_nearest_come_first),
      cmocka_unit_test(files_are_opened_by_their_ending),
      cmocka_unit_test(out_of_memory_is_told_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
