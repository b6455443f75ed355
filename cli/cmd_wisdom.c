/* SPDX-License-Identifier: Apache-2.0 */
/* wisdom: FFTW's plans for a grid, loaded or searched for, and thrown away. */
#include "commands.h"
#include "progress_bar.h"
#include "session.h"

#include <inttypes.h>
#include <larder/wisdom.h>
#include <string.h>

typedef struct wisdom_args {
  uint64_t nx;
  uint64_t ny;
  uint64_t nz;
  bool patient;
  bool measure;
  bool exhaustive;
  bool single;
  uint64_t threads;
  bool c2c;
  bool r2c;
  bool c2r;
  const char *direction;
  const char *place;
  const char *ns;
  bool force;
  bool clear;
} wisdom_args;

#define AT(field) offsetof(wisdom_args, field)

static const cli_option options[] = {
    {"patient", 0, CLI_FLAG, AT(patient), NULL, NULL, NULL, "search as FFTW_PATIENT does; what holds without the next two"},
    {"measure", 0, CLI_FLAG, AT(measure), NULL, NULL, NULL,
     "search as FFTW_MEASURE does: faster, for plans that ask for no more"},
    {"exhaustive", 0, CLI_FLAG, AT(exhaustive), NULL, NULL, NULL, "search as FFTW_EXHAUSTIVE does"},
    {"float", 0, CLI_FLAG, AT(single), NULL, NULL, NULL, "single precision"},
    {"threads", 0, CLI_COUNT, AT(threads), "N", NULL, NULL, "threads that the transform is planned for"},
    {"c2c", 0, CLI_FLAG, AT(c2c), NULL, NULL, NULL, "complex to complex; what holds without the next two"},
    {"r2c", 0, CLI_FLAG, AT(r2c), NULL, NULL, NULL, "real to complex"},
    {"c2r", 0, CLI_FLAG, AT(c2r), NULL, NULL, NULL, "complex to real"},
    {"direction", 0, CLI_CHOICE, AT(direction), "WAY", "both forward backward", "both", "of the complex transform"},
    {"place", 0, CLI_CHOICE, AT(place), "PLACE", "both in out", "both", "in one array, from one into another, or both"},
    {"ns", 0, CLI_TEXT, AT(ns), "NS", NULL, LARDER_WISDOM_NS, "the namespace that keeps it"},
    {"force", 'f', CLI_FLAG, AT(force), NULL, NULL, NULL, "search again, whatever is kept"},
    {"clear", 0, CLI_FLAG, AT(clear), NULL, NULL, NULL, "delete it; without sizes all wisdom of the namespace"},
    {0}};

static const cli_operand operands[] = {
    {"NX", CLI_COUNT, AT(nx), true, NULL, "points along the first axis; must be given save with --clear"},
    {"NY", CLI_COUNT, AT(ny), true, NULL, "along the second"},
    {"NZ", CLI_COUNT, AT(nz), true, NULL, "along the third"},
    {0}};

static const cli_example examples[] = {
    {"larder wisdom 128 128 128", "searches once; from then on it is there in a millisecond"},
    {"larder wisdom 1024 1024 --r2c --c2r --threads 4", "real transforms on four threads"},
    {"larder wisdom 512 512 --force", "after a change of the machine"},
    {"larder wisdom --clear", "throws all of it away"},
    {0}};

/* One search under way. */
typedef struct search {
  cli_progress progress;
  char size[80];
} search;

static bool plan_done(void *context, unsigned done, unsigned total) {
  search *s = context;
  char line[160];
  char says[160];
  snprintf(says, sizeof says, "plans of %s", s->size);
  snprintf(line, sizeof line, "planned  %s: %u of %u", s->size, done, total);
  cli_progress_step(&s->progress, done, total, says, line);
  return !cli_interrupted();
}

static unsigned axes_of(const wisdom_args *args) { return args->nz > 0 ? 3 : args->ny > 0 ? 2 : args->nx > 0 ? 1 : 0; }

static void size_write(const wisdom_args *args, char *out, size_t room) {
  const uint64_t n[] = {args->nx, args->ny, args->nz};
  size_t len = 0;
  out[0] = '\0';
  for (unsigned i = 0; i < axes_of(args) && len < room; i++)
    len += (size_t)snprintf(out + len, room - len, "%s%" PRIu64, i > 0 ? "x" : "", n[i]);
}

static larder_wisdom_options options_of(const wisdom_args *args, search *s) {
  larder_wisdom_options how = {.size = sizeof how,
                               .ns = args->ns,
                               .effort = args->measure      ? LARDER_WISDOM_MEASURE
                                         : args->exhaustive ? LARDER_WISDOM_EXHAUSTIVE
                                                            : LARDER_WISDOM_PATIENT,
                               .single = args->single,
                               .threads = args->threads > 256 ? 257 : (unsigned)args->threads,
                               .force = args->force,
                               .progress = plan_done,
                               .context = s};
  how.transforms =
      (args->c2c ? LARDER_WISDOM_C2C : 0) | (args->r2c ? LARDER_WISDOM_R2C : 0) | (args->c2r ? LARDER_WISDOM_C2R : 0);
  if (strcmp(args->direction, "forward") == 0) how.direction = LARDER_WISDOM_FORWARD;
  if (strcmp(args->direction, "backward") == 0) how.direction = LARDER_WISDOM_BACKWARD;
  if (strcmp(args->place, "in") == 0) how.place = LARDER_WISDOM_IN_PLACE;
  if (strcmp(args->place, "out") == 0) how.place = LARDER_WISDOM_OUT_OF_PLACE;
  return how;
}

/* Something that speaks of one size. */
static bool speaks_of_a_size(const wisdom_args *args) {
  return args->ny > 0 || args->nz > 0 || args->single || args->threads > 0 || args->patient || args->measure ||
         args->exhaustive || args->c2c || args->r2c || args->c2r || strcmp(args->direction, "both") != 0 ||
         strcmp(args->place, "both") != 0;
}

static cli_exit form_check(const cli_call *call, const wisdom_args *args) {
  if (args->patient + args->measure + args->exhaustive > 1)
    return cli_refuse(call, CLI_USAGE, "give one of --patient, --measure and --exhaustive", "there is one effort");
  if (args->clear && args->force) return cli_refuse(call, CLI_USAGE, "give one of them", "--clear and --force are two things");
  if (args->clear && args->nx == 0 && speaks_of_a_size(args))
    return cli_refuse(call, CLI_USAGE, "give NX too, or --clear alone to throw all away", "these options go with a size");
  if (args->nx == 0 && !args->clear)
    return cli_refuse(call, CLI_USAGE, "`larder wisdom 128 128 128` for a grid of three axes", "NX is missing or 0");
  return CLI_DONE;
}

static cli_exit cleared(const cli_call *call, const wisdom_args *args, uint64_t deleted) {
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "ns", args->ns);
    cli_json_uint(&json, "deleted", deleted);
    cli_json_object_end(&json);
    cli_json_end(&json);
  } else if (!call->globals->quiet) {
    printf("deleted %" PRIu64 " %s of %s\n", deleted, cli_plural(deleted, "entry", "entries"), args->ns);
  }
  return CLI_DONE;
}

static cli_exit clear(const cli_call *call, const wisdom_args *args, larder *cache) {
  search s = {.size = ""};
  larder_wisdom_options how = options_of(args, &s);
  const uint64_t sizes[] = {args->nx, args->ny, args->nz};
  larder_error error = {0};
  uint64_t deleted = 0;
  unsigned axes = axes_of(args);
  larder_err result = larder_wisdom_clear(cache, axes > 0 ? sizes : NULL, axes, &how, &deleted, &error);
  if (result < 0) return cli_refuse_result(call, result, &error, "cannot clear the wisdom");
  return cleared(call, args, deleted);
}

static void ensured_json(const wisdom_args *args, const larder_wisdom_done *done, larder_err result) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "ns", args->ns);
  cli_json_text(&json, "key", done->key);
  cli_json_text(&json, "result", result == LARDER_END ? "stopped" : done->made ? "made" : "loaded");
  cli_json_text(&json, "reason", done->made || result == LARDER_END ? done->reason : NULL);
  cli_json_bool(&json, "kept", result == LARDER_OK || result == LARDER_DEGRADED);
  cli_json_uint(&json, "plans", done->plans);
  cli_json_uint(&json, "bytes", done->bytes);
  cli_json_double(&json, "took_ms", (double)done->took_ns / 1e6);
  cli_json_text(&json, "fftw", larder_wisdom_fftw_version());
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static cli_exit ensured(const cli_call *call, const wisdom_args *args, const search *s, const larder_wisdom_done *done,
                        larder_err result) {
  char time[CLI_SHORT];
  cli_nanos_text((uint64_t)done->took_ns, time, sizeof time);
  if (call->globals->json) {
    ensured_json(args, done, result);
  } else if (result == LARDER_END) {
    fprintf(stderr, "larder: stopped after %s; nothing is kept of a search that was not finished\n", time);
  } else if (!call->globals->quiet) {
    if (done->made) {
      printf("made %s in %s: %u plans of %s (%s)\n", done->key, time, done->plans, s->size, done->reason);
    } else {
      printf("loaded %s in %s\n", done->key, time);
    }
  }
  if (result == LARDER_NOT_KEPT && !call->globals->json)
    fprintf(stderr, "larder: it was not kept; `larder stats` shows the state of the tiers\n");
  return result == LARDER_END || result == LARDER_NOT_KEPT ? CLI_FAILED : CLI_DONE;
}

static cli_exit ensure(const cli_call *call, const wisdom_args *args, larder *cache) {
  search s = {.size = ""};
  larder_wisdom_options how = options_of(args, &s);
  const uint64_t sizes[] = {args->nx, args->ny, args->nz};
  larder_wisdom_done done = {0};
  larder_error error = {0};
  size_write(args, s.size, sizeof s.size);
  cli_interrupt_catch();
  cli_progress_begin(call, &s.progress);
  larder_err result = larder_wisdom_ensure(cache, sizes, axes_of(args), &how, &done, &error);
  (void)cli_progress_end(&s.progress);
  if (result < 0) return cli_refuse_result(call, result, &error, "no wisdom");
  return ensured(call, args, &s, &done, result);
}

static cli_exit run(const cli_call *call, void *given) {
  const wisdom_args *args = given;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  cli_exit code = form_check(call, args);
  if (code == CLI_DONE) code = cli_open(call, args->clear ? CLI_LOOKS : CLI_CHANGES, &cache);
  if (code == CLI_DONE) code = cli_ns(call, cache, args->ns, &ns);
  if (code == CLI_DONE && !args->clear) code = cli_lasting(call, ns);
  if (code == CLI_DONE) code = args->clear ? clear(call, args, cache) : ensure(call, args, cache);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_wisdom = {
    .name = "wisdom",
    .summary = "Keep what FFTW learns by searching for fast transforms.",
    .text =
        "Searches once for the fastest plans of a grid on this processor, forward and backward, in place and out of place, and "
        "keeps what FFTW has learned. Any program that calls larder_wisdom_ensure then has it in a millisecond, and its "
        "plans with FFTW_ESTIMATE are the ones that were found.\n\n"
        "What was kept by another version of FFTW or on another processor, and what is damaged, is never used: it is made "
        "anew. Ctrl-C stops between two plans and keeps nothing.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(wisdom_args),
    .run = run};
