/* SPDX-License-Identifier: Apache-2.0 */
/* warm: the product of lists of a recipe's parameters into a namespace, or what the configuration lists. */
#include "commands.h"
#include "progress_bar.h"
#include "session.h"

#include <ctype.h>
#include <inttypes.h>
#include <larder/config.h>
#include <larder/recipe.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS_MAX   40u /* different names in all recipes together */
#define OWN_OPTIONS  6u
#define FAILURES_MAX 20u

typedef struct warm_args {
  const char *ns;
  const char *recipe;
  uint64_t parallel;
  bool fresh;
  int64_t ttl_ms;
  bool list;
  bool reference;
  const char *params[PARAMS_MAX]; /* by their row in `options` */
} warm_args;

#define AT(field) offsetof(warm_args, field)

/* The recipes' parameters follow; cli_warm_options_fill writes them. */
static cli_option options[OWN_OPTIONS + PARAMS_MAX + 1] = {
    {"recipe", 0, CLI_TEXT, AT(recipe), "NAME", NULL, NULL, "what to compute; --list shows the recipes and their parameters"},
    {"parallel", 0, CLI_COUNT, AT(parallel), "N", NULL, NULL, "threads; without it as many as there are processors"},
    {"fresh", 0, CLI_FLAG, AT(fresh), NULL, NULL, NULL, "make also what is there"},
    {"ttl", 0, CLI_DURATION, AT(ttl_ms), "TIME", "never", NULL, "how long it is fresh, such as 30d, or never"},
    {"list", 0, CLI_FLAG, AT(list), NULL, NULL, NULL, "list the recipes and their parameters, and make nothing"},
    {"reference", 0, CLI_FLAG, AT(reference), NULL, NULL, NULL,
     "print the page of the recipes, formulas included, in Markdown"},
};

static const cli_operand operands[] = {
    {"NS", CLI_TEXT, AT(ns), true, NULL, "the namespace; without it all that the configuration lists under `warm`"}, {0}};

static const cli_example examples[] = {
    {"larder warm fractional_kernels --recipe kernel --alpha 1.5,1.8 --dt 0.01 --n 1000,5000", "makes four kernels"},
    {"larder warm --config examples/simulation.yaml", "makes all that the file lists"},
    {"larder warm stencils", "makes what the configuration lists for this namespace"},
    {"larder warm --list", "shows the recipes"},
    {0}};

/* --- options from the recipes' tables ------------------------------------------------------------------------------ */

/* `kernel: order of the derivative` behind what other recipes say of the same name. */
static void summary_add(cli_option *option, const larder_recipe *recipe, const larder_recipe_param *row) {
  cli_buf text = {0};
  size_t len = strlen(row->sentence);
  char *before = (char *)(uintptr_t)option->summary;
  if (before != NULL) cli_buf_printf(&text, "%s; ", before);
  cli_buf_printf(&text, "%s: ", recipe->name);
  if (len > 0 && row->sentence[len - 1] == '.') len--;
  size_t at = text.len;
  cli_buf_add(&text, row->sentence, len);
  if (len > 1 && islower((unsigned char)row->sentence[1])) text.data[at] = (char)tolower((unsigned char)text.data[at]);
  if (row->choices != NULL) cli_buf_printf(&text, " (%s)", row->choices);
  if (row->fallback != NULL && row->fallback[0] != '\0') cli_buf_printf(&text, " (default %s)", row->fallback);
  option->summary = cli_copy(cli_buf_str(&text));
  cli_buf_fini(&text);
  free(before);
}

void cli_warm_options_fill(void) {
  size_t count = 0;
  const larder_recipe *recipe = NULL;
  for (size_t i = 0; (recipe = larder_recipe_at(i)) != NULL; i++) {
    for (size_t j = 0; j < recipe->params_count; j++) {
      const larder_recipe_param *row = &recipe->params[j];
      size_t at = 0;
      while (at < count && strcmp(options[OWN_OPTIONS + at].name, row->name) != 0) at++;
      if (at == PARAMS_MAX) return;
      cli_option *option = &options[OWN_OPTIONS + at];
      if (at == count) {
        *option =
            (cli_option){.name = row->name, .kind = CLI_TEXT, .at = AT(params) + at * sizeof(const char *), .value = "LIST"};
        count++;
      }
      summary_add(option, recipe, row);
    }
  }
}

static size_t params_of(const warm_args *args, larder_param *out) {
  size_t count = 0;
  for (size_t i = 0; i < PARAMS_MAX; i++) {
    if (args->params[i] != NULL) out[count++] = (larder_param){.name = options[OWN_OPTIONS + i].name, .value = args->params[i]};
  }
  return count;
}

/* --- the list ------------------------------------------------------------------------------------------------------- */

static void list_json(void) {
  cli_json json;
  const larder_recipe *recipe = NULL;
  static const char *const types[] = {"real", "whole", "choice", "sizes", "text"};
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_array(&json, "recipes");
  for (size_t i = 0; (recipe = larder_recipe_at(i)) != NULL; i++) {
    cli_json_object(&json, NULL);
    cli_json_text(&json, "recipe", recipe->name);
    cli_json_text(&json, "summary", recipe->sentence);
    cli_json_text(&json, "formula", recipe->formula);
    cli_json_text(&json, "kind", cli_kind_name(recipe->kind));
    cli_json_array(&json, "parameters");
    for (size_t j = 0; j < recipe->params_count; j++) {
      const larder_recipe_param *row = &recipe->params[j];
      cli_json_object(&json, NULL);
      cli_json_text(&json, "name", row->name);
      cli_json_text(&json, "type", types[row->type]);
      cli_json_text(&json, "default", row->fallback);
      cli_json_text(&json, "choices", row->choices);
      cli_json_text(&json, "summary", row->sentence);
      cli_json_object_end(&json);
    }
    cli_json_array_end(&json);
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static cli_exit list_print(const cli_call *call) {
  const larder_recipe *recipe = NULL;
  if (call->globals->json) {
    list_json();
    return CLI_DONE;
  }
  for (size_t i = 0; (recipe = larder_recipe_at(i)) != NULL; i++) {
    printf("%s%s%s%s: %s\n", i > 0 ? "\n" : "", cli_style_on(stdout, CLI_BOLD), recipe->name, cli_style_off(stdout),
           recipe->sentence);
    for (size_t j = 0; j < recipe->params_count; j++) {
      const larder_recipe_param *row = &recipe->params[j];
      printf("  --%-11s %s", row->name, row->sentence);
      if (row->choices != NULL) printf(" (%s)", row->choices);
      if (row->fallback != NULL && row->fallback[0] != '\0') printf(" [%s]", row->fallback);
      putchar('\n');
    }
  }
  return CLI_DONE;
}

static cli_exit reference_print(const cli_call *call) {
  char *page = NULL;
  if (call->globals->json)
    return cli_refuse(call, CLI_USAGE, "--list --json has the same as a document", "a page is no document");
  larder_err result = larder_recipe_reference(&page);
  if (result != LARDER_OK) return cli_refuse_result(call, result, NULL, "cannot write the page");
  fputs(page, stdout);
  larder_text_free(page);
  return CLI_DONE;
}

/* --- warming --------------------------------------------------------------------------------------------------------- */

typedef struct failure {
  char *ns;
  char *key;
  char *reason;
} failure;

typedef struct warming {
  const cli_call *call;
  cli_progress progress;
  failure failures[FAILURES_MAX]; /* the first ones */
  size_t failures_len;
} warming;

static void line_write(const larder_warm_progress *p, cli_buf *out) {
  char size[CLI_SHORT];
  if (p->result == LARDER_MISS) {
    cli_buf_printf(out, "there    %s %s", p->ns, p->key);
  } else if (p->result == LARDER_OK || p->result == LARDER_DEGRADED) {
    cli_buf_printf(out, "made     %s %s (%s)", p->ns, p->key, cli_size_text(p->bytes, size, sizeof size));
  } else {
    cli_buf_printf(out, "failed   %s %s: %s", p->ns, p->key, p->reason);
  }
}

static bool warm_progress(void *context, const larder_warm_progress *p) {
  warming *w = context;
  cli_buf says = {0};
  cli_buf line = {0};
  bool bad = p->key != NULL && p->result != LARDER_OK && p->result != LARDER_MISS && p->result != LARDER_DEGRADED;
  if (bad && w->failures_len < FAILURES_MAX)
    w->failures[w->failures_len++] = (failure){cli_copy(p->ns), cli_copy(p->key), cli_copy(p->reason)};
  cli_buf_printf(&says, "made %" PRIu64 "  there %" PRIu64 "  failed %" PRIu64 "  %s", p->made, p->there, p->failed,
                 p->key != NULL ? p->key : "");
  if (p->key != NULL) line_write(p, &line);
  cli_progress_step(&w->progress, p->made + p->there + p->failed, p->total, cli_buf_str(&says),
                    p->key != NULL ? cli_buf_str(&line) : NULL);
  cli_buf_fini(&says);
  cli_buf_fini(&line);
  return !cli_interrupted();
}

static void told_json(const warm_args *args, const warming *w, const larder_warmed *done, uint64_t ms) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "ns", args->ns);
  cli_json_text(&json, "recipe", args->recipe);
  cli_json_uint(&json, "total", done->total);
  cli_json_uint(&json, "made", done->made);
  cli_json_uint(&json, "there", done->there);
  cli_json_uint(&json, "failed", done->failed);
  cli_json_uint(&json, "bytes", done->bytes);
  cli_json_uint(&json, "ms", ms);
  cli_json_bool(&json, "stopped", done->stopped);
  cli_json_array(&json, "failures");
  for (size_t i = 0; i < w->failures_len; i++) {
    cli_json_object(&json, NULL);
    cli_json_text(&json, "ns", w->failures[i].ns);
    cli_json_text(&json, "key", w->failures[i].key);
    cli_json_text(&json, "message", w->failures[i].reason);
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static void warned(const char *ns, const char *key, const char *reason) {
  cli_buf line = {0};
  cli_buf_printf(&line, "larder: %s %s failed: %s", ns, key, reason);
  cli_line_print(stderr, cli_buf_str(&line));
  cli_buf_fini(&line);
}

static cli_exit told(const cli_call *call, const warm_args *args, warming *w, const larder_warmed *done) {
  char size[CLI_SHORT];
  char time[CLI_SHORT];
  uint64_t ms = cli_progress_end(&w->progress);
  if (call->globals->json) {
    told_json(args, w, done, ms);
  } else {
    for (size_t i = 0; i < w->failures_len && !w->progress.lines; i++)
      warned(w->failures[i].ns, w->failures[i].key, w->failures[i].reason);
    if (!call->globals->quiet)
      printf("made %" PRIu64 " (%s), there already %" PRIu64 ", failed %" PRIu64 ", in %s\n", done->made,
             cli_size_text(done->bytes, size, sizeof size), done->there, done->failed,
             cli_nanos_text(ms * 1000000, time, sizeof time));
    if (done->stopped)
      fprintf(stderr, "larder: stopped with %" PRIu64 " left; the same command goes on from here\n",
              done->total - done->made - done->there - done->failed);
  }
  for (size_t i = 0; i < w->failures_len; i++) {
    free(w->failures[i].ns);
    free(w->failures[i].key);
    free(w->failures[i].reason);
  }
  return done->failed > 0 || done->stopped ? CLI_FAILED : CLI_DONE;
}

static cli_exit warm(const cli_call *call, const warm_args *args, larder *cache, larder_ns *ns) {
  larder_param params[PARAMS_MAX];
  size_t count = params_of(args, params);
  warming w = {.call = call};
  larder_warmed done = {0};
  larder_error error = {0};
  larder_warm_options how = {.size = sizeof how,
                             .parallel = args->parallel > 256 ? 256 : (unsigned)args->parallel,
                             .fresh = args->fresh,
                             .ttl_ms = args->ttl_ms,
                             .progress = warm_progress,
                             .context = &w};
  cli_interrupt_catch();
  cli_progress_begin(call, &w.progress);
  larder_err result = args->recipe != NULL ? larder_warm_recipe(ns, args->recipe, params, count, &how, &done, &error)
                                           : larder_warm_configured(cache, ns, &how, &done, &error);
  if (result == LARDER_OK) return told(call, args, &w, &done);
  (void)cli_progress_end(&w.progress);
  return cli_refuse_result(call, result, &error, "cannot warm");
}

static cli_exit form_check(const cli_call *call, const warm_args *args) {
  larder_param params[PARAMS_MAX];
  if (args->recipe != NULL && args->ns == NULL)
    return cli_refuse(call, CLI_USAGE, "`larder warm NS --recipe NAME` with the namespace", "NS is missing: where to keep it");
  if (args->recipe == NULL && params_of(args, params) > 0)
    return cli_refuse(call, CLI_USAGE, "name the recipe that the parameters are of; `larder warm --list` shows them all",
                      "--recipe is missing");
  return CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  const warm_args *args = given;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  if (args->list) return list_print(call);
  if (args->reference) return reference_print(call);
  cli_exit code = form_check(call, args);
  if (code == CLI_DONE) code = cli_open(call, CLI_CHANGES, &cache);
  if (code == CLI_DONE && args->ns != NULL) code = cli_ns(call, cache, args->ns, &ns);
  if (code == CLI_DONE && ns != NULL) code = cli_lasting(call, ns);
  if (code == CLI_DONE) code = warm(call, args, cache, ns);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_warm = {
    .name = "warm",
    .summary = "Compute values before somebody asks for them.",
    .text =
        "Makes the product of the lists: each parameter takes one value or several, separated by commas. What is fresh in the "
        "namespace is skipped. Keys follow from the parameters, such as kernel_alpha1.5_dt0.01_n1000.\n\n"
        "Without --recipe it makes what the configuration lists under `warm` of the namespace, or of all namespaces. Ctrl-C "
        "stops after the values under way; the same command then goes on with what is missing.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(warm_args),
    .run = run};
