/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulation's field, computed once and then used where it lies: the second run maps the file that the first one left,
 * without copying it, and so can numpy, for the file is an ordinary .npz.
 *
 *   cc keep_array.c $(pkg-config --cflags --libs larder) -lm -o keep_array && ./keep_array && ./keep_array
 *   python3 -c 'import numpy; print(numpy.load("array-cache/fields/plate.npz")["heat"].max())'
 */
#include <larder/array.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS  512u
#define STEPS 400u

static const char config[] = "cache:\n  namespaces:\n    fields: {tiers: [memory, files], ttl: never}\n";
static const char key[] = "plate";

/* Heat spreading over a plate whose upper edge is warm. */
static void field_compute(double *heat, double *sums) {
  for (unsigned j = 0; j < ROWS; j++) heat[j] = sin(3.14159265358979 * j / (ROWS - 1));
  for (unsigned step = 0; step < STEPS; step++) {
    for (unsigned i = 1; i + 1 < ROWS; i++) {
      for (unsigned j = 1; j + 1 < ROWS; j++) {
        double *at = heat + (size_t)i * ROWS + j;
        *at = (at[-1] + at[1] + at[-(int)ROWS] + at[ROWS]) / 4;
      }
    }
  }
  for (unsigned i = 0; i < ROWS; i++) {
    sums[i] = 0;
    for (unsigned j = 0; j < ROWS; j++) sums[i] += heat[(size_t)i * ROWS + j];
  }
}

static larder_err field_keep(larder_ns *fields, larder_error *error) {
  size_t bytes = (size_t)ROWS * ROWS * sizeof(double);
  double *heat = calloc(1, bytes);
  double *sums = calloc(ROWS, sizeof *sums);
  larder_err result = LARDER_ENOMEM;
  if (heat != NULL && sums != NULL) {
    field_compute(heat, sums);
    larder_array arrays[] = {
        {.name = "heat", .dtype = "<f8", .dims = 2, .shape = {ROWS, ROWS}, .data = heat, .len = bytes},
        {.name = "sums", .dtype = "<f8", .dims = 1, .shape = {ROWS}, .data = sums, .len = ROWS * sizeof *sums},
    };
    result = larder_array_put(fields, key, strlen(key), arrays, 2, NULL, error);
    printf("computed and kept: %u x %u numbers\n", ROWS, ROWS);
  }
  free(heat);
  free(sums);
  return result;
}

static larder_err field_use(larder_ns *fields, larder_error *error) {
  larder_array_pin pin = {0};
  larder_err result = larder_array_get(fields, key, strlen(key), "heat", &pin, error);
  if (result != LARDER_OK) return result;
  const double *heat = pin.array.data; /* stays as it is until it is unpinned */
  printf("from %s: %.*s, %llu x %llu, below the warm edge %.6f\n", pin.value.tier, (int)pin.array.dtype_len, pin.array.dtype,
         (unsigned long long)pin.array.shape[0], (unsigned long long)pin.array.shape[1],
         heat[10 * pin.array.shape[1] + pin.array.shape[1] / 2]);
  larder_array_unpin(&pin);
  return LARDER_OK;
}

int main(int argc, char **argv) {
  larder_options options = {.size = sizeof options, .root = argc > 1 ? argv[1] : "array-cache", .config_text = config};
  larder_error error = {0};
  larder *cache = NULL;
  larder_ns *fields = NULL;
  larder_err result = larder_open(&options, &cache, &error);
  if (result == LARDER_OK) result = larder_ns_open(cache, "fields", &fields, &error);
  if (result == LARDER_OK) result = field_use(fields, &error);
  if (result == LARDER_MISS) result = field_keep(fields, &error);
  if (result < 0) fprintf(stderr, "keep_array: %s\n", error.message[0] ? error.message : larder_err_text(result));
  larder_err closed = larder_close(&cache);
  return result < 0 || closed < 0 ? 1 : 0;
}
