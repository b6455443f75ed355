/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFTW's wisdom for the transforms of a grid of NX [× NY [× NZ]] points: for each wanted combination of
 *
 *   transform  c2c forward (sum over x_j exp(-2 pi i jk/n)), c2c backward (+), r2c (forward), c2r (backward)
 *   place      in one array, or from one into another
 *
 * one plan is made at the wanted effort, and what FFTW learned by that is the value. It belongs to the processor, to FFTW's
 * version and to its set of solvers: the first is part of the key, all of them stand beside the value. The key is
 *
 *   fftw_NX_NY_NZ_CPU    (1 for an axis that is not there; in CPU all but letters, digits and dots becomes a dash)
 *
 * followed by `_` and a word for what is not the default: float, t4 (threads), measure, r2c, forward, in.
 */
#include "wisdom_recipe.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/fs.h"
#include "fftw_planner.h"
#include "recipes.h"
#include "stats/json_writer.h"
#include <fcntl.h>

#define CPU_MAX 100u

enum { N, PRECISION, EFFORT, THREADS, TRANSFORMS, DIRECTION, PLACE };
enum { BOTH, FORWARD, BACKWARD };
enum { PLACE_BOTH, PLACE_IN, PLACE_OUT };

static const char *const precisions[] = {"double", "float"};
static const char *const efforts[] = {"patient", "measure", "exhaustive"};
static const char *const transforms[] = {"c2c", "r2c", "c2r", "c2c+r2c", "c2c+c2r", "r2c+c2r", "c2c+r2c+c2r"};
static const char *const directions[] = {"both", "forward", "backward"};
static const char *const places[] = {"both", "in", "out"};

static const larder_recipe_param params[] = {
    [N] =
        {.name = "n", .type = LARDER_RECIPE_SIZES, .min = 1, .max = 1e9, .sentence = "Points along each of one to three axes."},
    [PRECISION] = {.name = "precision",
                   .type = LARDER_RECIPE_CHOICE,
                   .fallback = "double",
                   .choices = "double float",
                   .sentence = "Of the numbers."},
    [EFFORT] = {.name = "effort",
                .type = LARDER_RECIPE_CHOICE,
                .fallback = "patient",
                .choices = "patient measure exhaustive",
                .sentence = "How long FFTW may search for the fastest plan."},
    [THREADS] = {.name = "threads",
                 .type = LARDER_RECIPE_WHOLE,
                 .fallback = "1",
                 .min = 1,
                 .max = 256,
                 .sentence = "Threads that the transform is planned for."},
    [TRANSFORMS] = {.name = "transforms",
                    .type = LARDER_RECIPE_CHOICE,
                    .fallback = "c2c",
                    .choices = "c2c r2c c2r c2c+r2c c2c+c2r r2c+c2r c2c+r2c+c2r",
                    .sentence = "Complex to complex, real to complex, complex to real."},
    [DIRECTION] = {.name = "direction",
                   .type = LARDER_RECIPE_CHOICE,
                   .fallback = "both",
                   .choices = "both forward backward",
                   .sentence = "Of c2c; r2c is forward and c2r backward."},
    [PLACE] = {.name = "place",
               .type = LARDER_RECIPE_CHOICE,
               .fallback = "both",
               .choices = "both in out",
               .sentence = "In one array, from one into another, or both."},
};

bool lrd_wisdom_single(const lrd_params *given) { return given->at[PRECISION].whole == 1; }

static bool kind_wanted(const lrd_params *given, lrd_fft_kind kind) {
  static const unsigned masks[] = {1, 2, 4, 3, 5, 6, 7}; /* of c2c 1, r2c 2, c2r 4, in the order of the choices */
  unsigned mask = masks[given->at[TRANSFORMS].whole];
  if (kind == LRD_FFT_C2C_FORWARD) return (mask & 1) != 0 && given->at[DIRECTION].whole != BACKWARD;
  if (kind == LRD_FFT_C2C_BACKWARD) return (mask & 1) != 0 && given->at[DIRECTION].whole != FORWARD;
  return (mask & (kind == LRD_FFT_R2C ? 2u : 4u)) != 0;
}

static bool place_wanted(const lrd_params *given, bool in_place) {
  return given->at[PLACE].whole == PLACE_BOTH || (given->at[PLACE].whole == PLACE_IN) == in_place;
}

unsigned lrd_wisdom_plans(const lrd_params *given) {
  unsigned count = 0;
  for (int kind = 0; kind < LRD_FFT_KINDS; kind++) {
    for (int in_place = 0; in_place < 2; in_place++)
      count += kind_wanted(given, (lrd_fft_kind)kind) && place_wanted(given, in_place != 0);
  }
  return count;
}

static larder_err wisdom_check(const lrd_params *given, larder_error *err) {
  const lrd_param_value *n = &given->at[N];
  uint64_t points = 1;
  for (unsigned i = 0; i < n->axes; i++) {
    points *= n->sizes[i]; /* at most 10^9 times 2^28 before it is refused */
    if (points > (uint64_t)1 << 28)
      return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "wisdom: a grid has at most 2^28 points; give fewer");
  }
  return LARDER_OK;
}

/* --- the processor --------------------------------------------------------------------------------------------------- */

/* Its model as the kernel names it, or "unknown". */
static void cpu_model(char out[CPU_MAX + 1]) {
  char text[8192];
  size_t len = 0;
  static const char field[] = "model name";
  memcpy(out, "unknown", sizeof "unknown");
  int fd = lrd_fs_open("/proc/cpuinfo", O_RDONLY, 0);
  if (fd < 0) return;
  if (lrd_fs_read_full(fd, text, sizeof text - 1, 0, &len) != 0) len = 0;
  lrd_fs_close(fd);
  text[len] = '\0';
  const char *at = strstr(text, field);
  at = at == NULL ? NULL : strchr(at, ':');
  if (at == NULL) return;
  at += 1 + strspn(at + 1, " ");
  size_t model = strcspn(at, "\n");
  if (model == 0) return;
  if (model > CPU_MAX) model = CPU_MAX;
  memcpy(out, at, model);
  out[model] = '\0';
}

/* As part of a key: runs of what is no letter, digit or dot become one dash, none at the ends. */
static larder_err cpu_spell(lrd_buf *out) {
  char model[CPU_MAX + 1];
  larder_err result = LARDER_OK;
  bool gap = false;
  bool begun = false;
  cpu_model(model);
  for (const char *at = model; *at != '\0' && result == LARDER_OK; at++) {
    bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || *at == '.';
    if (plain && gap && begun) result = lrd_buf_append_byte(out, '-');
    if (plain && result == LARDER_OK) result = lrd_buf_append_byte(out, (uint8_t)*at);
    begun = begun || plain;
    gap = !plain;
  }
  return result;
}

larder_err lrd_wisdom_version(const lrd_params *given, lrd_buf *out) {
  char model[CPU_MAX + 1];
  cpu_model(model);
  return lrd_buf_printf(out, "%s on %s", lrd_fft_version(lrd_wisdom_single(given)), model);
}

static larder_err wisdom_key(const lrd_params *given, lrd_buf *out) {
  const lrd_param_value *n = &given->at[N];
  larder_err result = lrd_buf_append_str(out, "fftw");
  for (unsigned i = 0; i < 3 && result == LARDER_OK; i++)
    result = lrd_buf_printf(out, "_%llu", i < n->axes ? (unsigned long long)n->sizes[i] : 1ULL);
  if (result == LARDER_OK) result = lrd_buf_append_byte(out, '_');
  if (result == LARDER_OK) result = cpu_spell(out);
  if (result == LARDER_OK && given->at[PRECISION].whole != 0)
    result = lrd_buf_printf(out, "_%s", precisions[given->at[PRECISION].whole]);
  if (result == LARDER_OK && given->at[THREADS].whole != 1)
    result = lrd_buf_printf(out, "_t%u", (unsigned)given->at[THREADS].whole);
  if (result == LARDER_OK && given->at[EFFORT].whole != 0)
    result = lrd_buf_printf(out, "_%s", efforts[given->at[EFFORT].whole]);
  if (result == LARDER_OK && given->at[TRANSFORMS].whole != 0)
    result = lrd_buf_printf(out, "_%s", transforms[given->at[TRANSFORMS].whole]);
  if (result == LARDER_OK && given->at[DIRECTION].whole != BOTH)
    result = lrd_buf_printf(out, "_%s", directions[given->at[DIRECTION].whole]);
  if (result == LARDER_OK && given->at[PLACE].whole != PLACE_BOTH)
    result = lrd_buf_printf(out, "_%s", places[given->at[PLACE].whole]);
  return result;
}

/* --- making ----------------------------------------------------------------------------------------------------------- */

static larder_err facts_write(const lrd_params *given, int64_t took_ns, lrd_buf *out) {
  static const char *const axes[] = {"nx", "ny", "nz"};
  char model[CPU_MAX + 1];
  lrd_json json;
  cpu_model(model);
  lrd_json_init(&json, out, false);
  lrd_json_object_begin(&json);
  for (unsigned i = 0; i < 3; i++) {
    lrd_json_key(&json, axes[i]);
    lrd_json_u64(&json, i < given->at[N].axes ? given->at[N].sizes[i] : 1);
  }
  const char *const texts[][2] = {{"cpu", model},
                                  {"fftw", lrd_fft_version(lrd_wisdom_single(given))},
                                  {"precision", precisions[given->at[PRECISION].whole]},
                                  {"effort", efforts[given->at[EFFORT].whole]},
                                  {"transforms", transforms[given->at[TRANSFORMS].whole]},
                                  {"direction", directions[given->at[DIRECTION].whole]},
                                  {"place", places[given->at[PLACE].whole]}};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    lrd_json_key(&json, texts[i][0]);
    lrd_json_string(&json, texts[i][1]);
  }
  lrd_json_key(&json, "threads");
  lrd_json_u64(&json, given->at[THREADS].whole);
  lrd_json_key(&json, "plans");
  lrd_json_u64(&json, lrd_wisdom_plans(given));
  lrd_json_key(&json, "planning_ms");
  lrd_json_double(&json, (double)took_ns / 1e6);
  lrd_json_object_end(&json);
  return json.err;
}

static larder_err plans_learn(const lrd_params *given, lrd_wisdom_step step, void *context, lrd_buf *wisdom,
                              larder_error *err) {
  unsigned total = lrd_wisdom_plans(given);
  unsigned done = 0;
  lrd_fft_plan plan = {.rank = (int)given->at[N].axes,
                       .effort = (lrd_fft_effort)given->at[EFFORT].whole,
                       .threads = (int)given->at[THREADS].whole};
  for (unsigned i = 0; i < given->at[N].axes; i++) plan.n[i] = (int)given->at[N].sizes[i];
  if (step != NULL && !step(context, 0, total)) return LARDER_END;
  for (int kind = 0; kind < LRD_FFT_KINDS; kind++) {
    for (int in_place = 1; in_place >= 0; in_place--) {
      if (!kind_wanted(given, (lrd_fft_kind)kind) || !place_wanted(given, in_place != 0)) continue;
      plan.kind = (lrd_fft_kind)kind;
      plan.in_place = in_place != 0;
      larder_err result = lrd_fft_learn(lrd_wisdom_single(given), &plan, wisdom, err);
      if (result != LARDER_OK) return result;
      done++;
      if (step != NULL && !step(context, done, total) && done < total) return LARDER_END;
    }
  }
  return LARDER_OK;
}

larder_err lrd_wisdom_make(const lrd_params *given, lrd_wisdom_step step, void *context, lrd_buf *out, lrd_buf *version_out,
                           lrd_buf *meta_out, larder_error *err) {
  lrd_buf wisdom = {0};
  lrd_wisdom_head head;
  larder_err result = lrd_fft_present(err);
  if (result != LARDER_OK) return result;
  int64_t begin = lrd_mono_ns(lrd_clock_real());
  result = plans_learn(given, step, context, &wisdom, err);
  if (result == LARDER_OK) result = lrd_wisdom_version(given, version_out);
  if (result == LARDER_OK) result = facts_write(given, lrd_mono_ns(lrd_clock_real()) - begin, meta_out);
  /* What is kept has to pass when it comes back. */
  if (result == LARDER_OK && lrd_wisdom_check(wisdom.data, wisdom.len, &head, NULL) != LARDER_OK)
    result = lrd_fail(err, LARDER_EUNSUPPORTED, 0, "wisdom", "this FFTW writes wisdom of an unknown form");
  if (result == LARDER_OK) result = lrd_buf_append(out, wisdom.data, wisdom.len);
  lrd_buf_fini(&wisdom);
  return result;
}

/* Asked between two plans; one that FFTW has begun can't be interrupted. */
typedef struct asked {
  const lrd_patience *patience;
  larder_err answer;
} asked;

static bool patience_step(void *context, unsigned done, unsigned total) {
  asked *w = context;
  (void)done;
  (void)total;
  w->answer = lrd_patience_look(w->patience);
  return w->answer == LARDER_OK;
}

static larder_err recipe_make(const lrd_params *given, const lrd_patience *patience, lrd_buf *out, lrd_buf *version_out,
                              lrd_buf *meta_out, larder_error *err) {
  asked w = {.patience = patience, .answer = LARDER_OK};
  larder_err const result = lrd_wisdom_make(given, patience_step, &w, out, version_out, meta_out, err);
  return result == LARDER_END ? w.answer : result;
}

const lrd_maker lrd_recipe_wisdom = {
    .shown = {.name = "wisdom",
              .sentence = "What FFTW learns by searching for the fastest plan of a transform on this processor.",
              .formula =
                  "A plan for each wanted transform (c2c forward and backward, r2c, c2r), in place and out of place, made "
                  "at the wanted effort; the value is FFTW's wisdom as text. Its key is `fftw_NX_NY_NZ_CPU`, 1 for an "
                  "axis that is not there, followed by `_` and a word for each parameter that is not at its default: "
                  "`float`, `t4`, `measure`, `r2c`, `forward`, `in`. FFTW's version, the processor, the parameters and "
                  "the time that planning took are kept beside it. `larder wisdom` makes and checks the same values; "
                  "see [the guide](guide-simulation.md). Needs a build with FFTW.",
              .kind = LARDER_KIND_WISDOM,
              .params = params,
              .params_count = sizeof params / sizeof params[0]},
    .alone = true,
    .check = wisdom_check,
    .key = wisdom_key,
    .make = recipe_make};
