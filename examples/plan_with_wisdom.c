/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulation's start: make sure that FFTW knows the fastest plans for a grid of 64 × 64, then plan with FFTW_ESTIMATE, which
 * takes no time, and get the plan that FFTW_PATIENT found. The first run searches, every later one loads what it found.
 *
 *     cc plan_with_wisdom.c $(pkg-config --cflags --libs larder) -lfftw3_threads -lfftw3 -lm -o plan_with_wisdom
 *     ./plan_with_wisdom && ./plan_with_wisdom
 */
#include <fftw3.h>
#include <larder/wisdom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 64

static bool on_progress(void *context, unsigned done, unsigned total) {
  (void)context;
  printf("searching: %u of %u plans\n", done, total);
  return true;
}

/* Plans forwards in place with `flags` and describes the plan; free the text. */
static char *plan_described(fftw_complex *field, unsigned flags, fftw_plan *out) {
  *out = fftw_plan_dft_2d(N, N, field, field, FFTW_FORWARD, flags);
  return *out == NULL ? NULL : fftw_sprint_plan(*out);
}

static int simulate(void) {
  fftw_complex *field = fftw_malloc(sizeof *field * N * N);
  fftw_plan estimated = NULL;
  fftw_plan searched = NULL;
  if (field == NULL) return 1;
  char *estimate = plan_described(field, FFTW_ESTIMATE, &estimated);
  char *patient = plan_described(field, FFTW_PATIENT | FFTW_WISDOM_ONLY, &searched);
  bool same = estimate != NULL && patient != NULL && strcmp(estimate, patient) == 0;
  printf("FFTW_ESTIMATE gives %s\n", same ? "the plan that FFTW_PATIENT found" : "another plan than FFTW_PATIENT found");
  if (same) {
    memset(field, 0, sizeof *field * N * N);
    field[0][0] = 1; /* a single peak has a flat spectrum */
    fftw_execute(estimated);
    same = field[N * N - 1][0] == 1 && field[N * N - 1][1] == 0;
  }
  free(estimate);
  free(patient);
  if (estimated != NULL) fftw_destroy_plan(estimated);
  if (searched != NULL) fftw_destroy_plan(searched);
  fftw_free(field);
  return same ? 0 : 1;
}

int main(void) {
  larder_options options = {.size = sizeof options, .root = "plan_with_wisdom.cache", .read_config_only_given = true};
  larder_wisdom_options how = {.size = sizeof how, .progress = on_progress};
  const uint64_t sizes[] = {N, N};
  larder_wisdom_done done;
  larder_error error = {0};
  larder *cache = NULL;
  if (larder_open(&options, &cache, &error) != LARDER_OK || larder_wisdom_ensure(cache, sizes, 2, &how, &done, &error) < 0) {
    fprintf(stderr, "plan_with_wisdom: %s\n", error.message);
    larder_close(&cache);
    return 1;
  }
  printf("%s %s in %.1f ms\n", done.made ? "made" : "loaded", done.key, (double)done.took_ns / 1e6);
  int result = simulate();
  return larder_close(&cache) < 0 ? 1 : result;
}
