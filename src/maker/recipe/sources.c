/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source map on a grid of NX × NY points. Each zone z covers points (i, j), i along the first axis, and has an amplitude:
 *
 *   circle:CX:CY:R:A     (i - CX)² + (j - CY)² <= R²
 *   box:X0:Y0:X1:Y1:A    X0 <= i <= X1 and Y0 <= j <= Y1
 *
 * Zones are joined by `+`. Where several cover a point, its value S is their amplitudes' sum (add), the largest (max) or
 * their product (multiply); where none does, 0. S is then smoothed by a Gaussian of `smoothing` points, mirrored at the edges
 * (grid_smooth.h). The coupling map is K = base + gain · S.
 *
 * An archive of `source` (S), `mask` (bool: some zone covers the point) and `coupling` (K).
 */
#include "base/fail.h"
#include "grid_smooth.h"
#include "maker/made_arrays.h"
#include "recipes.h"

#define ZONES_MAX 64u

enum { N, ZONES, COMBINE, SMOOTHING, BASE, GAIN };
enum { ADD, MAX, MULTIPLY };

static const larder_recipe_param params[] = {
    [N] = {.name = "n", .type = LARDER_RECIPE_SIZES, .min = 1, .max = 1e6, .sentence = "Points along the two axes, NXxNY."},
    [ZONES] = {.name = "zones",
               .type = LARDER_RECIPE_TEXT,
               .sentence = "Zones joined by +, each circle:CX:CY:R:A or box:X0:Y0:X1:Y1:A, in points"},
    [COMBINE] = {.name = "combine",
                 .type = LARDER_RECIPE_CHOICE,
                 .fallback = "add",
                 .choices = "add max multiply",
                 .sentence = "What holds where zones overlap."},
    [SMOOTHING] = {.name = "smoothing",
                   .type = LARDER_RECIPE_REAL,
                   .fallback = "0",
                   .max = 1e5,
                   .sentence = "Standard deviation of the smoothing, in points; 0: none."},
    [BASE] = {.name = "base",
              .type = LARDER_RECIPE_REAL,
              .fallback = "1",
              .min = -1e300,
              .max = 1e300,
              .sentence = "Coupling where there is no source."},
    [GAIN] = {.name = "gain",
              .type = LARDER_RECIPE_REAL,
              .fallback = "1",
              .min = -1e300,
              .max = 1e300,
              .sentence = "Coupling per unit of source."},
};

typedef struct zone {
  bool circle;
  double number[5]; /* CX CY R A, or X0 Y0 X1 Y1 A */
} zone;

static const larder_recipe_param number_row = {
    .name = "a number of zones", .type = LARDER_RECIPE_REAL, .min = -1e300, .max = 1e300};

static larder_err zone_read(const char *text, size_t len, zone *out, larder_error *err) {
  char copy[LARDER_RECIPE_TEXT_MAX + 1];
  char *part[7] = {copy};
  size_t parts = 1;
  memcpy(copy, text, len);
  copy[len] = '\0';
  for (char *at = copy; *at != '\0' && parts < 7; at++) {
    if (*at != ':') continue;
    *at = '\0';
    part[parts++] = at + 1;
  }
  out->circle = strcmp(part[0], "circle") == 0;
  if ((!out->circle && strcmp(part[0], "box") != 0) || parts != (out->circle ? 5 : 6))
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe",
                    "sources: '%.*s' is no zone; write circle:CX:CY:R:A or box:X0:Y0:X1:Y1:A, joined by +", (int)len, text);
  for (size_t i = 1; i < parts; i++) {
    lrd_param_value value;
    larder_err result = lrd_param_read("sources", &number_row, part[i], &value, err);
    if (result != LARDER_OK) return result;
    out->number[i - 1] = value.real;
  }
  return LARDER_OK;
}

static larder_err zones_read(const char *text, zone *zones, size_t *count_out, larder_error *err) {
  size_t count = 0;
  for (;;) {
    size_t len = 0;
    /* A plus behind an e belongs to a number: 1e+3. */
    while (text[len] != '\0' && (text[len] != '+' || (len > 0 && (text[len - 1] == 'e' || text[len - 1] == 'E')))) len++;
    if (count == ZONES_MAX) return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "sources: %u zones are the most", ZONES_MAX);
    larder_err result = zone_read(text, len, &zones[count], err);
    if (result != LARDER_OK) return result;
    count++;
    if (text[len] == '\0') break;
    text += len + 1;
  }
  *count_out = count;
  return LARDER_OK;
}

static larder_err sources_check(const lrd_params *given, larder_error *err) {
  zone zones[ZONES_MAX] = {{0}};
  size_t count = 0;
  if (given->at[N].axes != 2) return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "sources: n has two axes: n=64x64");
  return zones_read(given->at[ZONES].text, zones, &count, err);
}

static bool zone_covers(const zone *z, double i, double j) {
  const double *a = z->number;
  if (z->circle) return (i - a[0]) * (i - a[0]) + (j - a[1]) * (j - a[1]) <= a[2] * a[2];
  return i >= a[0] && i <= a[2] && j >= a[1] && j <= a[3];
}

static double zones_at(const zone *zones, size_t count, uint64_t combine, double i, double j, bool *covered_out) {
  double value = 0;
  bool covered = false;
  for (size_t z = 0; z < count; z++) {
    if (!zone_covers(&zones[z], i, j)) continue;
    double amplitude = zones[z].number[zones[z].circle ? 3 : 4];
    if (!covered) {
      value = amplitude;
    } else if (combine == ADD) {
      value += amplitude;
    } else if (combine == MULTIPLY) {
      value *= amplitude;
    } else if (amplitude > value) {
      value = amplitude;
    }
    covered = true;
  }
  *covered_out = covered;
  return value;
}

static uint64_t sources_bytes(const lrd_params *given) { return lrd_made_bytes(2 * sizeof(double) + 1, 2, given->at[N].sizes); }

static larder_err sources_make(const lrd_params *given, const lrd_patience *patience, lrd_buf *out, lrd_buf *version_out,
                               lrd_buf *meta_out, larder_error *err) {
  lrd_made_set made = {0};
  zone zones[ZONES_MAX] = {{0}};
  size_t count = 0;
  const uint64_t *n = given->at[N].sizes;
  uint64_t shape[3] = {n[0], n[1], 1};
  size_t total = (size_t)(n[0] * n[1]);
  void *source = NULL;
  void *mask = NULL;
  void *coupling = NULL;
  (void)version_out;
  (void)meta_out;
  larder_err result = zones_read(given->at[ZONES].text, zones, &count, err);
  if (result == LARDER_OK) result = lrd_made_set_add(&made, "source", LRD_MADE_F8, sizeof(double), 2, n, &source);
  if (result == LARDER_OK) result = lrd_made_set_add(&made, "mask", LRD_MADE_BOOL, 1, 2, n, &mask);
  if (result == LARDER_OK) result = lrd_made_set_add(&made, "coupling", LRD_MADE_F8, sizeof(double), 2, n, &coupling);
  if (result != LARDER_OK) goto out;
  for (size_t p = 0; p < total; p++) {
    if ((result = lrd_patience_look_at(patience, p)) != LARDER_OK) goto out;
    bool covered = false;
    uint64_t i = p / n[1];
    uint64_t j = p % n[1];
    ((double *)source)[p] = zones_at(zones, count, given->at[COMBINE].whole, (double)i, (double)j, &covered);
    ((uint8_t *)mask)[p] = covered;
  }
  result = lrd_grid_smooth(source, shape, given->at[SMOOTHING].real, LRD_GRID_REFLECT, NULL, patience);
  if (result != LARDER_OK) goto out;
  for (size_t p = 0; p < total; p++)
    ((double *)coupling)[p] = given->at[BASE].real + given->at[GAIN].real * ((double *)source)[p];
  result = lrd_made_set_write(&made, out, err);
out:
  lrd_made_set_fini(&made);
  return result;
}

const lrd_maker lrd_recipe_sources = {
    .shown = {.name = "sources",
              .sentence = "A source map of zones on a grid of two dimensions, and its coupling map.",
              .formula = "A zone is `circle:CX:CY:R:A`, the points with (i - CX)² + (j - CY)² <= R², or `box:X0:Y0:X1:Y1:A`, "
                         "those with X0 <= i <= X1 and Y0 <= j <= Y1; i counts along the first axis. S is A where one zone "
                         "covers a point, the sum, the largest or the product of their A where several do (`combine`), 0 where "
                         "none does; then smoothed by a Gaussian of `smoothing` points (cut at 4 sigma, mirrored at the "
                         "edges). An archive of `source` (S), `mask` (whether some zone covers the point) and `coupling`, "
                         "base + gain · S.",
              .kind = LARDER_KIND_ARRAY,
              .params = params,
              .params_count = sizeof params / sizeof params[0]},
    .check = sources_check,
    .bytes = sources_bytes,
    .make = sources_make};
