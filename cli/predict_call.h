/* SPDX-License-Identifier: Apache-2.0 */
/* `predict`: what its actions share. */
#ifndef CLI_PREDICT_CALL_H
#define CLI_PREDICT_CALL_H

#include "command.h"

#include <larder/evaluate.h>

typedef struct cli_predict_args {
  const char *action;
  cli_list words; /* files of sessions, or endpoints */
  const char *model;
  const char *use;
  /* learning */
  uint64_t endpoints, states, order, age_at;
  const char *smoothing, *utc_offset, *pattern;
  bool no_contexts, add, text;
  /* judging */
  uint64_t folds, rows;
  const char *plot;
  /* asking */
  uint64_t top, path;
  const char *user_type;
  int64_t at_ms;
} cli_predict_args;

cli_exit cli_predict_train(const cli_call *call, const cli_predict_args *args);
cli_exit cli_predict_eval(const cli_call *call, const cli_predict_args *args);
cli_exit cli_predict_next(const cli_call *call, const cli_predict_args *args);

/* The options of learning as they were typed. */
cli_exit cli_predict_options(const cli_call *call, const cli_predict_args *args, larder_predictor_options *out);
/* All files; told with a bar. Close what is read, also after a failure. */
cli_exit cli_predict_sessions(const cli_call *call, const cli_predict_args *args, larder_sessions **out);
cli_exit cli_predict_load(const cli_call *call, const char *path, larder_predictor **out);
/* What the library said of a file or a model. */
cli_exit cli_predict_refuse(const cli_call *call, larder_err result, const larder_error *error);
larder_predict_model cli_predict_model(const char *name);

#endif
