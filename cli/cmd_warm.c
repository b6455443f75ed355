/* SPDX-License-Identifier: Apache-2.0 */
/* warm: entries of a file, keys for makers, or recipes into namespaces, before somebody asks. */
#include "commands.h"
#include "warm_args.h"

#include <ctype.h>
#include <larder/config.h>
#include <stdlib.h>
#include <string.h>

#define AT(field)       offsetof(cli_warm_args, field)
#define FROM(field)     offsetof(cli_warm_args, from.field)
#define OWN_OPTIONS_MAX 30u

/* The recipes' parameters follow; cli_warm_options_fill writes them. */
static cli_option options[OWN_OPTIONS_MAX + CLI_WARM_PARAMS_MAX + 1] = {
    {"ttl", 0, CLI_DURATION, FROM(ttl_ms), "TIME", "never", NULL, "how long it is fresh, such as 30d, or never"},
    {"parallel", 0, CLI_COUNT, AT(parallel), "N", NULL, NULL,
     "threads; without it 5 for keys, and for recipes as many as there are processors"},
    {"fresh", 0, CLI_FLAG, AT(fresh), NULL, NULL, NULL, "make also what is there"},
    {"resume", 0, CLI_FLAG, FROM(resume), NULL, NULL, NULL, "go on where the same command was broken off"},
    {"keys", 0, CLI_FILE, AT(keys), "FILE", NULL, NULL,
     "make these keys, one a line, by the namespace's maker; - for standard input"},
    {"comments", 0, CLI_FLAG, AT(comments), NULL, NULL, NULL, "lines of --keys that begin with # are no keys"},
    {"rate", 0, CLI_RATE, AT(per_second), "N/s", NULL, NULL, "begin at most so many makings in a time: 5/s, 300/min, 1000/h"},
    {"places", 0, CLI_FILE, AT(places), "FILE", NULL, NULL,
     "make a key for each place of a table with name, lat and lon; --key says which"},
    {"near", 0, CLI_TEXT, AT(near_place), "PLACE", NULL, NULL, "only for the places near this one of --places, nearest first"},
    {"radius", 0, CLI_TEXT, AT(radius), "R", NULL, NULL, "how near, such as 80km or 50mi; without it 50mi"},
    {"key", 0, CLI_TEXT, FROM(key_template), "TEMPLATE", NULL, NULL,
     "the key, made of the fields of a record or place: 'county:{state}:{fips}'"},
    CLI_IMPORT_FIELD_OPTIONS(FROM),
    {"recipe", 0, CLI_TEXT, AT(recipe), "NAME", NULL, NULL, "what to compute; --list shows the recipes and their parameters"},
    {"list", 0, CLI_FLAG, AT(list), NULL, NULL, NULL, "list the recipes and their parameters, and make nothing"},
    {"reference", 0, CLI_FLAG, AT(reference), NULL, NULL, NULL,
     "print the page of the recipes, formulas included, in Markdown"},
};
static size_t own_options;

static const cli_operand operands[] = {
    {"NS", CLI_TEXT, FROM(ns), true, NULL,
     "the namespace, for keys also several, A,B,C; without it all that the configuration lists under `warm`"},
    {"FILE", CLI_FILE, FROM(file), true, NULL, "entries to load: JSON Lines, JSON or CSV; - for standard input"},
    {0}};

static const cli_example examples[] = {
    {"larder warm products products.csv --key-field sku --value-row --ttl 7d", "loads a table"},
    {"larder warm census,bls --keys keys.txt --parallel 5 --rate 10/s", "makes the keys of a file, by the namespaces' makers"},
    {"larder warm census --places cities.csv --near Boulder --radius 50mi --key 'cbsa:{cbsa}'",
     "makes those of the places nearby"},
    {"larder warm fractional_kernels --recipe kernel --alpha 1.5,1.8 --dt 0.01 --n 1000,5000", "makes four kernels"},
    {"larder warm --config examples/simulation.yaml", "makes all that the file lists"},
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
  while (options[own_options].name != NULL) own_options++;
  for (size_t i = 0; (recipe = larder_recipe_at(i)) != NULL; i++) {
    for (size_t j = 0; j < recipe->params_count; j++) {
      const larder_recipe_param *row = &recipe->params[j];
      size_t at = 0;
      while (at < count && strcmp(options[own_options + at].name, row->name) != 0) at++;
      if (at == CLI_WARM_PARAMS_MAX) return;
      cli_option *option = &options[own_options + at];
      if (at == count) {
        *option =
            (cli_option){.name = row->name, .kind = CLI_TEXT, .at = AT(params) + at * sizeof(const char *), .value = "LIST"};
        count++;
      }
      summary_add(option, recipe, row);
    }
  }
}

static size_t params_of(const cli_warm_args *args, larder_param *out) {
  size_t count = 0;
  for (size_t i = 0; i < CLI_WARM_PARAMS_MAX; i++) {
    if (args->params[i] != NULL) out[count++] = (larder_param){.name = options[own_options + i].name, .value = args->params[i]};
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

/* --- which of the three ---------------------------------------------------------------------------------------------- */

typedef enum warm_mode { OF_RECIPES = 1, OF_FILE = 2, OF_KEYS = 4 } warm_mode;

static warm_mode mode_of(const cli_warm_args *args) {
  if (args->from.file != NULL) return OF_FILE;
  return args->keys != NULL || args->places != NULL || args->near_place != NULL ? OF_KEYS : OF_RECIPES;
}

/* An option that was given and says nothing here. */
static const char *misplaced(const cli_warm_args *args, unsigned mode) {
  const cli_import_args *from = &args->from;
  const struct {
    const char *name;
    bool given;
    unsigned modes;
  } rows[] = {{"recipe", args->recipe != NULL, OF_RECIPES},
              {"ttl", from->ttl_ms != 0, OF_RECIPES | OF_FILE},
              {"parallel", args->parallel != 0, OF_RECIPES | OF_KEYS},
              {"fresh", args->fresh, OF_RECIPES | OF_KEYS},
              {"resume", from->resume, OF_FILE | OF_KEYS},
              {"checkpoint", from->checkpoint != NULL, OF_FILE | OF_KEYS},
              {"key", from->key_template != NULL, OF_FILE | OF_KEYS},
              {"keys", args->keys != NULL, OF_KEYS},
              {"comments", args->comments, OF_KEYS},
              {"rate", args->per_second > 0, OF_KEYS},
              {"places", args->places != NULL, OF_KEYS},
              {"near", args->near_place != NULL, OF_KEYS},
              {"radius", args->radius != NULL, OF_KEYS},
              {"format", from->format != NULL, OF_FILE},
              {"key-field", from->key_field != NULL, OF_FILE},
              {"value-field", from->value_field != NULL, OF_FILE},
              {"value-row", from->value_row, OF_FILE},
              {"ttl-field", from->ttl_field != NULL, OF_FILE},
              {"version-field", from->version_field != NULL, OF_FILE},
              {"tags-field", from->tags_field != NULL, OF_FILE},
              {"entries", from->entries, OF_FILE},
              {"tag", from->tags.count > 0, OF_FILE},
              {"rejects", from->rejects != NULL, OF_FILE}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].given && (rows[i].modes & mode) == 0) return rows[i].name;
  }
  return NULL;
}

static cli_exit form_check(const cli_call *call, const cli_warm_args *args, warm_mode mode, size_t params) {
  const char *wrong = misplaced(args, mode);
  if (wrong != NULL)
    return cli_refuse(call, CLI_USAGE, "`larder warm --help` has an example of each", "--%s does not go with %s", wrong,
                      mode == OF_FILE   ? "a file of entries"
                      : mode == OF_KEYS ? "keys for makers"
                                        : "recipes");
  if (params > 0 && mode != OF_RECIPES)
    return cli_refuse(call, CLI_USAGE, "parameters are those of --recipe", "parameters of a recipe do not go with %s",
                      mode == OF_FILE ? "a file of entries" : "keys for makers");
  if (args->recipe != NULL && args->from.ns == NULL)
    return cli_refuse(call, CLI_USAGE, "`larder warm NS --recipe NAME` with the namespace", "NS is missing: where to keep it");
  if (mode == OF_KEYS && args->from.ns == NULL)
    return cli_refuse(call, CLI_USAGE, "`larder warm NS --keys FILE` with the namespace", "NS is missing: whose keys they are");
  if (args->near_place != NULL && args->places == NULL)
    return cli_refuse(call, CLI_USAGE, "--places FILE with the columns name, lat and lon",
                      "--places is missing: where is that?");
  if (args->places != NULL && args->from.key_template == NULL)
    return cli_refuse(call, CLI_USAGE, "--key 'TEMPLATE' with fields of the places in braces, such as 'cbsa:{cbsa}'",
                      "--key is missing: which key of a place?");
  if (mode == OF_RECIPES && args->recipe == NULL && params > 0)
    return cli_refuse(call, CLI_USAGE, "name the recipe that the parameters are of; `larder warm --list` shows them all",
                      "--recipe is missing");
  return CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  const cli_warm_args *args = given;
  larder_param params[CLI_WARM_PARAMS_MAX];
  size_t count = params_of(args, params);
  warm_mode mode = mode_of(args);
  larder *cache = NULL;
  larder_ns *ns = NULL;
  if (args->list) return list_print(call);
  if (args->reference) return reference_print(call);
  cli_exit code = form_check(call, args, mode, count);
  if (code == CLI_DONE) code = cli_open(call, CLI_CHANGES, &cache);
  if (code == CLI_DONE && args->from.ns != NULL && mode != OF_KEYS) code = cli_ns(call, cache, args->from.ns, &ns);
  if (code == CLI_DONE && ns != NULL) code = cli_lasting(call, ns);
  if (code == CLI_DONE && mode == OF_RECIPES) code = cli_warm_recipes(call, args, params, count, cache, ns);
  if (code == CLI_DONE && mode == OF_FILE) code = cli_import_run(call, cache, &args->from, "loaded");
  if (code == CLI_DONE && mode == OF_KEYS) code = cli_warm_keys(call, args, cache);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_warm = {
    .name = "warm",
    .summary = "Fill namespaces before somebody asks.",
    .text =
        "With a FILE it loads the entries of the file, as import does, into one namespace; the namespace's configuration may "
        "say under `import` which of their fields are what.\n\n"
        "With --keys or --places it has the namespaces' makers make these keys, several at once and no faster than --rate. "
        "What is fresh is skipped. Ctrl-C stops after the keys under way and says which command goes on.\n\n"
        "How far a file or keys came is remembered on the root, the folder that `larder stats` names, in import-….json or "
        "warm-….json, until it is done, or nobody has gone on with --resume for 90 days.\n\n"
        "With --recipe it makes the product of the lists: each parameter takes one value or several, separated by commas. Keys "
        "follow from the parameters, such as kernel_alpha1.5_dt0.01_n1000. Without any of these it makes what the "
        "configuration lists under `warm` of the namespace, or of all namespaces.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(cli_warm_args),
    .run = run};
