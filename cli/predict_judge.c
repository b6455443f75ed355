/* SPDX-License-Identifier: Apache-2.0 */
/* How well chains guess: a table, a document, a drawing. */
#include "cli_table.h"
#include "file_io.h"
#include "predict_call.h"
#include "progress_bar.h"
#include "session.h"

#include <string.h>

/* --- figures ---------------------------------------------------------------------------------------------------------------
 */

static void share_add(cli_table *table, double share, cli_style style) {
  char text[CLI_SHORT];
  snprintf(text, sizeof text, "%.2f %%", share * 100);
  cli_table_add_styled(table, text, style);
}

static void score_add(cli_table *table, const larder_score *score, bool best) {
  char text[CLI_SHORT];
  for (unsigned i = 0; i < LARDER_EVALUATE_TOPS; i++)
    share_add(table, larder_score_share(score, i), best && i == 0 ? CLI_GREEN : CLI_PLAIN);
  snprintf(text, sizeof text, "%.4f", larder_score_mrr(score));
  cli_table_add(table, text);
  share_add(table, larder_score_coverage(score), CLI_PLAIN);
  snprintf(text, sizeof text, "%.2f", larder_score_perplexity(score));
  cli_table_add(table, text);
}

/* The least and the greatest share of first guesses that hit among the folds. */
static void folds_add(cli_table *table, const larder_evaluation *e) {
  char text[CLI_SHORT];
  double least = 1, most = 0;
  for (unsigned i = 0; i < e->folds_len; i++) {
    double share = larder_score_share(&e->folds[i], 0);
    if (e->folds[i].steps == 0) continue;
    least = share < least ? share : least;
    most = share > most ? share : most;
  }
  snprintf(text, sizeof text, "%.1f-%.1f %%", (least < most ? least : most) * 100, most * 100);
  cli_table_add_styled(table, text, CLI_DIM);
}

/* --- the table -------------------------------------------------------------------------------------------------------------
 */

static void chains_show(const cli_call *call, const larder_evaluation *all) {
  cli_table table;
  double best = 0;
  cli_table_init(&table, (const char *const[]){"CHAIN", ">TOP 1", ">TOP 3", ">TOP 5", ">TOP 10", ">MRR", ">COVERAGE",
                                               ">PERPLEXITY", all[0].folds_len > 0 ? ">TOP 1 OF FOLDS" : NULL, NULL});
  for (unsigned m = 0; m < LARDER_PREDICT_MODELS; m++) {
    double share = larder_score_share(&all[m].all, 0);
    best = share > best ? share : best;
  }
  for (unsigned m = 0; m < LARDER_PREDICT_MODELS; m++) {
    cli_table_add(&table, larder_predict_model_name(all[m].model));
    score_add(&table, &all[m].all, larder_score_share(&all[m].all, 0) == best);
    if (all[m].folds_len > 0) folds_add(&table, &all[m]);
  }
  cli_table_print(&table, stdout, !call->globals->quiet);
  cli_table_fini(&table);
}

static void bins_show(const cli_call *call, const larder_evaluation *e) {
  cli_table table;
  cli_table_init(&table, (const char *const[]){">SAID", ">FIRST GUESSES", ">SAID ON AVERAGE", ">CAME TRUE", NULL});
  for (unsigned i = 0; i < LARDER_EVALUATE_BINS; i++) {
    const larder_evaluate_bin *bin = &e->bins[i];
    char text[CLI_SHORT];
    if (bin->guesses == 0) continue;
    snprintf(text, sizeof text, "%u-%u %%", i * 10, i * 10 + 10);
    cli_table_add(&table, text);
    cli_table_add(&table, cli_count_text(bin->guesses, text, sizeof text));
    share_add(&table, bin->predicted / (double)bin->guesses, CLI_PLAIN);
    share_add(&table, (double)bin->right / (double)bin->guesses, CLI_PLAIN);
  }
  cli_table_print(&table, stdout, !call->globals->quiet);
  cli_table_fini(&table);
}

static void parts_show(const cli_call *call, const char *head, const larder_evaluate_part *parts, size_t len, uint64_t rows) {
  cli_table table;
  cli_buf name = {0};
  char text[CLI_SHORT];
  cli_table_init(&table, (const char *const[]){head, ">STEPS", ">TOP 1", ">TOP 3", ">TOP 5", ">TOP 10", ">MRR", ">COVERAGE",
                                               ">PERPLEXITY", NULL});
  for (size_t i = 0; i < len && (rows == 0 || i < rows); i++) {
    cli_buf_clear(&name);
    cli_escape(&name, parts[i].name, strlen(parts[i].name));
    cli_shorten(&name, 48);
    cli_table_add(&table, cli_buf_str(&name));
    cli_table_add(&table, cli_count_text(parts[i].score.steps, text, sizeof text));
    score_add(&table, &parts[i].score, false);
  }
  putchar('\n');
  cli_table_print(&table, stdout, !call->globals->quiet);
  cli_table_fini(&table);
  cli_buf_fini(&name);
}

static void evaluation_show(const cli_call *call, const cli_predict_args *args, larder_sessions *sessions,
                            const larder_evaluation *all) {
  const larder_evaluation *chosen = &all[cli_predict_model(args->use)];
  char steps[CLI_SHORT], count[CLI_SHORT];
  if (!call->globals->quiet)
    printf("%s steps in %s sessions, %s\n\n", cli_count_text(all[0].all.steps, steps, sizeof steps),
           cli_count_text(larder_sessions_count(sessions), count, sizeof count),
           all[0].folds_len > 0 ? "each guessed by what the other folds teach" : args->model);
  chains_show(call, all);
  if (!call->globals->quiet) printf("\n%s:\n", larder_predict_model_name(chosen->model));
  bins_show(call, chosen);
  parts_show(call, "AFTER", chosen->endpoints, chosen->endpoints_len, args->rows);
  parts_show(call, "CONTEXT", chosen->contexts, chosen->contexts_len, args->rows);
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------
 */

static void score_json(cli_json *json, const larder_score *score) {
  static const char *const names[LARDER_EVALUATE_TOPS] = {"top_1", "top_3", "top_5", "top_10"};
  cli_json_uint(json, "steps", score->steps);
  for (unsigned i = 0; i < LARDER_EVALUATE_TOPS; i++) cli_json_double(json, names[i], larder_score_share(score, i));
  cli_json_double(json, "mrr", larder_score_mrr(score));
  cli_json_double(json, "coverage", larder_score_coverage(score));
  cli_json_double(json, "perplexity", larder_score_perplexity(score));
}

static void parts_json(cli_json *json, const char *list, const char *name, const larder_evaluate_part *parts, size_t len,
                       uint64_t rows) {
  cli_json_array(json, list);
  for (size_t i = 0; i < len && (rows == 0 || i < rows); i++) {
    cli_json_object(json, NULL);
    cli_json_text(json, name, parts[i].name);
    score_json(json, &parts[i].score);
    cli_json_object_end(json);
    cli_json_flush(json);
  }
  cli_json_array_end(json);
}

static void chain_json(cli_json *json, const larder_evaluation *e, uint64_t rows) {
  cli_json_object(json, NULL);
  cli_json_text(json, "chain", larder_predict_model_name(e->model));
  score_json(json, &e->all);
  cli_json_array(json, "folds");
  for (unsigned i = 0; i < e->folds_len; i++) {
    cli_json_object(json, NULL);
    score_json(json, &e->folds[i]);
    cli_json_object_end(json);
  }
  cli_json_array_end(json);
  cli_json_array(json, "calibration");
  for (unsigned i = 0; i < LARDER_EVALUATE_BINS; i++) {
    const larder_evaluate_bin *bin = &e->bins[i];
    cli_json_object(json, NULL);
    cli_json_double(json, "from", i / (double)LARDER_EVALUATE_BINS);
    cli_json_uint(json, "guesses", bin->guesses);
    cli_json_double(json, "predicted", bin->guesses ? bin->predicted / (double)bin->guesses : 0);
    cli_json_double(json, "came_true", bin->guesses ? (double)bin->right / (double)bin->guesses : 0);
    cli_json_object_end(json);
  }
  cli_json_array_end(json);
  parts_json(json, "endpoints", "endpoint", e->endpoints, e->endpoints_len, rows);
  parts_json(json, "contexts", "context", e->contexts, e->contexts_len, rows);
  cli_json_object_end(json);
}

static void evaluation_json(const cli_predict_args *args, larder_sessions *sessions, const larder_evaluation *all) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_uint(&json, "sessions", larder_sessions_count(sessions));
  cli_json_uint(&json, "requests", larder_sessions_requests(sessions));
  cli_json_array(&json, "chains");
  for (unsigned m = 0; m < LARDER_PREDICT_MODELS; m++) chain_json(&json, &all[m], args->rows);
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

/* --- all -------------------------------------------------------------------------------------------------------------------
 */

typedef struct judging_bar {
  cli_progress progress;
} judging_bar;

static bool bar_step(void *context, uint64_t done, uint64_t total) {
  judging_bar *bar = context;
  cli_progress_step(&bar->progress, done, total, "sessions", NULL);
  return !cli_interrupted();
}

static cli_exit plot_write(const cli_call *call, const cli_predict_args *args, const larder_evaluation *all) {
  char why[256], *text = NULL;
  size_t len = 0;
  larder_err result = larder_evaluation_plot(all, "hits over guesses", &text, &len);
  if (result != LARDER_OK) return cli_refuse_result(call, result, NULL, "cannot draw");
  bool written = cli_file_write(args->plot, text, len, why, sizeof why);
  larder_predict_bytes_free(text);
  return written ? CLI_DONE : cli_refuse(call, CLI_FAILED, "check --plot", "cannot write %s: %s", args->plot, why);
}

static cli_exit judge(const cli_call *call, const cli_predict_args *args, larder_sessions *sessions,
                      larder_predictor *predictor, larder_evaluation *all) {
  larder_predictor_options learning;
  larder_error error = {0};
  judging_bar bar;
  cli_exit code = cli_predict_options(call, args, &learning);
  if (code != CLI_DONE) return code;
  if (args->folds < 2 || args->folds > LARDER_EVALUATE_FOLDS_MAX)
    return cli_refuse(call, CLI_USAGE, "give a number from 2 to 20", "--folds cannot be %llu", (unsigned long long)args->folds);
  larder_evaluate_options how = {
      .size = sizeof how, .folds = (unsigned)args->folds, .learning = &learning, .progress = bar_step, .context = &bar};
  cli_progress_begin(call, &bar.progress);
  larder_err result = larder_evaluate(sessions, predictor, &how, all, &error);
  (void)cli_progress_end(&bar.progress);
  return result == LARDER_OK ? CLI_DONE : cli_predict_refuse(call, result, &error);
}

cli_exit cli_predict_eval(const cli_call *call, const cli_predict_args *args) {
  larder_evaluation all[LARDER_PREDICT_MODELS] = {{0}};
  larder_sessions *sessions = NULL;
  larder_predictor *predictor = NULL;
  cli_exit code = args->model ? cli_predict_load(call, args->model, &predictor) : CLI_DONE;
  if (code == CLI_DONE) code = cli_predict_sessions(call, args, &sessions);
  if (code == CLI_DONE) code = judge(call, args, sessions, predictor, all);
  if (code == CLI_DONE && call->globals->json) evaluation_json(args, sessions, all);
  if (code == CLI_DONE && !call->globals->json) evaluation_show(call, args, sessions, all);
  if (code == CLI_DONE && args->plot) code = plot_write(call, args, all);
  larder_evaluation_clear(all);
  larder_predictor_free(&predictor);
  larder_sessions_close(&sessions);
  return code;
}
