/* SPDX-License-Identifier: Apache-2.0 */
/* Teaching a model and asking it. */
#include "cli_table.h"
#include "predict_call.h"
#include "progress_bar.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- what the actions share ---------------------------------------------------------------------------------------------- */

larder_predict_model cli_predict_model(const char *name) {
  for (unsigned model = 0; name && model < LARDER_PREDICT_MODELS; model++)
    if (strcmp(larder_predict_model_name((larder_predict_model)model), name) == 0) return (larder_predict_model)model;
  return LARDER_PREDICT_BLEND;
}

cli_exit cli_predict_refuse(const cli_call *call, larder_err result, const larder_error *error) {
  if (cli_interrupted()) return cli_refuse(call, CLI_FAILED, "", "stopped");
  /* Said of the file, not of a cache. */
  if (result == LARDER_MISS || result == LARDER_EFORMAT || result == LARDER_ECORRUPT || result == LARDER_EIO ||
      result == LARDER_EACCES)
    return cli_refuse(call, CLI_NOT_FOUND, "", "%s", error->message);
  if (result == LARDER_EINVAL || result == LARDER_ETOOBIG)
    return cli_refuse(call, CLI_USAGE, "`larder predict --help` has examples", "%s", error->message);
  return cli_refuse_result(call, result, error, "cannot predict");
}

/* Above the library's limits too, so that those are told by it. */
static uint32_t narrowed(uint64_t value) { return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value; }

cli_exit cli_predict_options(const cli_call *call, const cli_predict_args *args, larder_predictor_options *out) {
  *out = (larder_predictor_options){.size = sizeof *out,
                                    .endpoints_max = narrowed(args->endpoints),
                                    .states_max = narrowed(args->states),
                                    .order = narrowed(args->order),
                                    .age_at = narrowed(args->age_at),
                                    .no_contexts = args->no_contexts,
                                    .pattern = args->pattern};
  char *end = NULL;
  if (args->smoothing) out->smoothing = strtod(args->smoothing, &end);
  if (args->smoothing && (end == args->smoothing || *end != '\0' || !(out->smoothing > 0)))
    return cli_refuse(call, CLI_USAGE, "give a number above 0, such as 0.1", "--smoothing cannot be '%s'", args->smoothing);
  long minutes = args->utc_offset ? strtol(args->utc_offset, &end, 10) : 0;
  if (args->utc_offset && (end == args->utc_offset || *end != '\0' || minutes < -1440 || minutes > 1440))
    return cli_refuse(call, CLI_USAGE, "give minutes from -1440 to 1440, such as 60", "--utc-offset cannot be '%s'",
                      args->utc_offset);
  out->utc_offset_minutes = (int32_t)minutes;
  return CLI_DONE;
}

cli_exit cli_predict_sessions(const cli_call *call, const cli_predict_args *args, larder_sessions **out) {
  cli_interrupt_catch();
  for (size_t i = 0; i < args->words.count; i++) {
    const char *path = args->words.items[i];
    larder_error error = {0};
    larder_err result = larder_sessions_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, out, &error);
    if (result != LARDER_OK || cli_interrupted()) return cli_predict_refuse(call, result, &error);
  }
  return CLI_DONE;
}

cli_exit cli_predict_load(const cli_call *call, const char *path, larder_predictor **out) {
  larder_error error = {0};
  larder_err result = larder_predict_load(path, out, &error);
  return result == LARDER_OK ? CLI_DONE : cli_predict_refuse(call, result, &error);
}

/* --- train -----------------------------------------------------------------------------------------------------------------
 */

static bool says_how_to_learn(const cli_predict_args *args) {
  return args->endpoints || args->states || args->order || args->age_at || args->smoothing || args->utc_offset ||
         args->pattern || args->no_contexts;
}

/* A new one, or what the file has. */
static cli_exit pupil(const cli_call *call, const cli_predict_args *args, larder_predictor **out) {
  larder_predictor_options options;
  larder_error error = {0};
  if (args->add && says_how_to_learn(args))
    return cli_refuse(call, CLI_USAGE, "leave them out, or train anew without --add",
                      "with --add the model's own options hold, which can't be changed");
  if (args->add) return cli_predict_load(call, args->model, out);
  cli_exit code = cli_predict_options(call, args, &options);
  if (code != CLI_DONE) return code;
  larder_err result = larder_predictor_new(&options, out, &error);
  return result == LARDER_OK ? CLI_DONE : cli_predict_refuse(call, result, &error);
}

/* Whoever names a file by mistake keeps it. */
static cli_exit place_for_model(const cli_call *call, const char *path) {
  struct stat facts;
  larder_predictor *there = NULL;
  if (stat(path, &facts) != 0 || (S_ISREG(facts.st_mode) && facts.st_size == 0)) return CLI_DONE;
  larder_err result = larder_predict_load(path, &there, NULL);
  larder_predictor_free(&there);
  return result == LARDER_OK ? CLI_DONE
                             : cli_refuse(call, CLI_USAGE, "name another file, or remove that one",
                                          "--model %s is there and is no model", path);
}

static cli_exit teach(const cli_call *call, larder_sessions *sessions, larder_predictor *predictor) {
  size_t count, all = larder_sessions_count(sessions);
  cli_progress progress;
  larder_err result = LARDER_OK;
  cli_progress_begin(call, &progress);
  for (size_t i = 0; i < all && result == LARDER_OK && !cli_interrupted(); i++) {
    const larder_predict_event *events = larder_sessions_get(sessions, i, &count);
    result = larder_predict_train(predictor, events, count);
    if (i % 256 == 0) cli_progress_step(&progress, i, all, "sessions", NULL);
  }
  (void)cli_progress_end(&progress);
  if (result == LARDER_OK && !cli_interrupted()) return CLI_DONE;
  larder_error error = {.code = result};
  snprintf(error.message, sizeof error.message, "a session could not be learned: %s", larder_err_text(result));
  return cli_predict_refuse(call, result, &error);
}

static void trained_show(const cli_call *call, const cli_predict_args *args, larder_sessions *sessions,
                         larder_predictor *predictor) {
  larder_predictor_figures figures;
  char requests[CLI_SHORT], all[CLI_SHORT], endpoints[CLI_SHORT], states[CLI_SHORT];
  larder_predictor_figures_get(predictor, &figures);
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", args->model);
    cli_json_uint(&json, "sessions", larder_sessions_count(sessions));
    cli_json_uint(&json, "requests", larder_sessions_requests(sessions));
    cli_json_uint(&json, "events", figures.events);
    cli_json_uint(&json, "endpoints", figures.endpoints);
    cli_json_uint(&json, "endpoints_replaced", figures.endpoints_replaced);
    cli_json_uint(&json, "states", figures.states);
    cli_json_uint(&json, "states_replaced", figures.states_replaced);
    cli_json_uint(&json, "user_types", figures.user_types);
    cli_json_object_end(&json);
    cli_json_end(&json);
    return;
  }
  if (call->globals->quiet) return;
  size_t count = larder_sessions_count(sessions);
  printf("%s %s in %s %s learned; %s: %s events, %s endpoints, %s states\n",
         cli_count_text(larder_sessions_requests(sessions), requests, sizeof requests),
         cli_plural(larder_sessions_requests(sessions), "request", "requests"), cli_count_text(count, all, sizeof all),
         cli_plural(count, "session", "sessions"), args->model, cli_count_text(figures.events, (char[CLI_SHORT]){0}, CLI_SHORT),
         cli_count_text(figures.endpoints, endpoints, sizeof endpoints), cli_count_text(figures.states, states, sizeof states));
  if (figures.endpoints_replaced > 0)
    cli_note(call, "%llu endpoints were forgotten for want of room; --endpoints N keeps more",
             (unsigned long long)figures.endpoints_replaced);
  if (figures.states_replaced > 0)
    cli_note(call, "%llu states were forgotten for want of room; --states N keeps more",
             (unsigned long long)figures.states_replaced);
}

cli_exit cli_predict_train(const cli_call *call, const cli_predict_args *args) {
  larder_sessions *sessions = NULL;
  larder_predictor *predictor = NULL;
  larder_error error = {0};
  cli_exit code = place_for_model(call, args->model);
  if (code == CLI_DONE) code = pupil(call, args, &predictor);
  if (code == CLI_DONE) code = cli_predict_sessions(call, args, &sessions);
  if (code == CLI_DONE) code = teach(call, sessions, predictor);
  if (code == CLI_DONE) {
    larder_err result =
        larder_predict_save(predictor, args->model, args->text ? LARDER_PREDICT_JSON : LARDER_PREDICT_BINARY, &error);
    if (result != LARDER_OK) code = cli_refuse(call, CLI_FAILED, "check --model", "%s", error.message);
  }
  if (code == CLI_DONE) trained_show(call, args, sessions, predictor);
  larder_predictor_free(&predictor);
  larder_sessions_close(&sessions);
  return code;
}

/* --- next ------------------------------------------------------------------------------------------------------------------
 */

static larder_predict_past past_of(const cli_predict_args *args) {
  larder_predict_past past = {.user_type = args->user_type, .wall_ms = args->at_ms > 0 ? args->at_ms : 0};
  size_t count = args->words.count;
  if (count > 0) {
    past.last = args->words.items[count - 1];
    past.last_len = strlen(past.last);
  }
  if (count > 1) {
    past.before = args->words.items[count - 2];
    past.before_len = strlen(past.before);
  }
  return past;
}

static void guesses_show(const cli_call *call, const cli_predict_args *args, const larder_predict_guess *guesses,
                         size_t count) {
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "chain", larder_predict_model_name(cli_predict_model(args->use)));
    cli_json_array(&json, args->path > 0 ? "path" : "next");
    for (size_t i = 0; i < count; i++) {
      cli_json_object(&json, NULL);
      cli_json_text_n(&json, "endpoint", guesses[i].endpoint, guesses[i].endpoint_len);
      cli_json_double(&json, "probability", guesses[i].probability);
      cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_end(&json);
    return;
  }
  cli_table table;
  cli_buf name = {0};
  cli_table_init(&table, (const char *const[]){">PROBABILITY", "ENDPOINT", NULL});
  for (size_t i = 0; i < count; i++) {
    char text[CLI_SHORT];
    snprintf(text, sizeof text, "%.2f %%", guesses[i].probability * 100);
    cli_buf_clear(&name);
    cli_escape(&name, guesses[i].endpoint, guesses[i].endpoint_len);
    cli_table_add(&table, text);
    cli_table_add(&table, cli_buf_str(&name));
  }
  cli_table_print(&table, stdout, !call->globals->quiet);
  cli_table_fini(&table);
  cli_buf_fini(&name);
}

cli_exit cli_predict_next(const cli_call *call, const cli_predict_args *args) {
  larder_predict_guess guesses[LARDER_PREDICT_TOP_MAX];
  larder_predictor *predictor = NULL;
  size_t count = args->path > 0 ? args->path : args->top;
  if (count == 0 || count > LARDER_PREDICT_TOP_MAX)
    return cli_refuse(call, CLI_USAGE, "give a number from 1 to 64", "--%s cannot be %zu", args->path > 0 ? "path" : "top",
                      count);
  cli_exit code = cli_predict_load(call, args->model, &predictor);
  if (code != CLI_DONE) return code;
  larder_predict_past past = past_of(args);
  larder_predict_model model = cli_predict_model(args->use);
  larder_err result = args->path > 0 ? larder_predict_path(predictor, &past, model, 0, guesses, &count)
                                     : larder_predict_after(predictor, &past, model, guesses, &count);
  larder_predictor_free(&predictor);
  if (result != LARDER_OK) return cli_refuse_result(call, result, NULL, "cannot predict");
  guesses_show(call, args, guesses, count);
  if (count > 0) return CLI_DONE;
  cli_note(call, "nothing is known of what comes after that");
  return CLI_NOT_FOUND;
}
