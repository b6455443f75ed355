/* SPDX-License-Identifier: Apache-2.0 */
/* --size and --policy: lists with commas. */
#include "cli_units.h"
#include "session.h"
#include "simulate_traces.h"

#include <larder/nearest.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64u

/* The next word of a list into `word`; false behind the last one. Words that are too long come cut, and are no names then. */
static bool word_next(const char **at, char word[WORD_MAX]) {
  if (*at == NULL) return false;
  size_t len = strcspn(*at, ",");
  snprintf(word, WORD_MAX, "%.*s", (int)len, *at);
  *at = (*at)[len] == ',' ? *at + len + 1 : NULL;
  return true;
}

/* --- sizes --------------------------------------------------------------------------------------------------------------- */

static bool share_read(const char *word, double *out) {
  size_t digits = strspn(word, "0123456789.");
  if (digits == 0 || strcmp(word + digits, "%") != 0) return false;
  char *end;
  double percent = strtod(word, &end);
  if (end != word + digits || !(percent > 0 && percent <= 100)) return false;
  *out = percent / 100;
  return true;
}

static bool size_read(const char *word, cli_simulate_size *out) {
  size_t digits = strspn(word, "0123456789");
  *out = (cli_simulate_size){0};
  if (share_read(word, &out->share)) return true;
  if (digits > 0 && word[digits] == '\0') return cli_parse_count(word, &out->objects) && out->objects > 0;
  return cli_parse_size(word, &out->bytes) && out->bytes > 0;
}

static cli_exit sizes_read(const cli_call *call, const char *list, cli_simulate_plan *plan) {
  char word[WORD_MAX];
  for (const char *at = list; word_next(&at, word);) {
    if (plan->sizes_len == CLI_SIMULATE_SIZES_MAX)
      return cli_refuse(call, CLI_USAGE, "give some of them, then the others", "--size has more than %u sizes",
                        CLI_SIMULATE_SIZES_MAX);
    if (!size_read(word, &plan->sizes[plan->sizes_len++]))
      return cli_refuse(call, CLI_USAGE, "give a share of the keys, such as 1%, a number of entries, or bytes, such as 64MiB",
                        "--size cannot be '%s'", word);
  }
  return CLI_DONE;
}

uint64_t cli_simulate_objects(const cli_simulate_size *size, uint64_t unique) {
  uint64_t objects = size->share > 0 ? (uint64_t)((double)unique * size->share + 0.5) : size->objects;
  return objects > 0 ? objects : 1;
}

/* --- policies ------------------------------------------------------------------------------------------------------------ */

static const char *policy_find(const char *name) {
  const char *policy;
  for (size_t i = 0; (policy = larder_simulate_policy(i)) != NULL; i++)
    if (strcmp(policy, name) == 0 && strcmp(policy, LARDER_SIMULATE_OPT_BOUND) != 0) return policy;
  return NULL;
}

static void policy_add(cli_simulate_plan *plan, const char *policy) {
  size_t at = 0;
  while (at < plan->policies_len && plan->policies[at] != policy) at++;
  if (at == plan->policies_len && at < CLI_SIMULATE_POLICIES_MAX) plan->policies[plan->policies_len++] = policy;
}

static cli_exit policy_unknown(const cli_call *call, const char *name) {
  char hint[480];
  size_t len = 0;
  larder_nearest nearest = {.wanted = name};
  const char *policy;
  char all[300] = "";
  for (size_t i = 0; (policy = larder_simulate_policy(i)) != NULL; i++) {
    if (policy_find(policy) == NULL) continue;
    larder_nearest_offer(&nearest, policy);
    if (len < sizeof all) len += (size_t)snprintf(all + len, sizeof all - len, "%s, ", policy);
  }
  const char *best = larder_nearest_best(&nearest);
  snprintf(hint, sizeof hint, "%s%s%sthere are %sand all", best ? "did you mean " : "", best ? best : "", best ? "? " : "",
           all);
  return cli_refuse(call, CLI_USAGE, hint, "there is no policy '%s'", name);
}

static cli_exit policies_read(const cli_call *call, const char *list, cli_simulate_plan *plan) {
  static const char *const usual[] = {"fifo", "lru", "s3-fifo", "w-tinylfu", "adaptive", LARDER_SIMULATE_OPT};
  char word[WORD_MAX];
  for (size_t i = 0; list == NULL && i < sizeof usual / sizeof *usual; i++) policy_add(plan, policy_find(usual[i]));
  for (const char *at = list; word_next(&at, word);) {
    const char *policy = policy_find(word);
    bool all = strcmp(word, "all") == 0;
    for (size_t i = 0; all && (policy = larder_simulate_policy(i)) != NULL; i++)
      if (policy_find(policy)) policy_add(plan, policy);
    if (!all && policy == NULL) return policy_unknown(call, word);
    if (!all) policy_add(plan, policy);
  }
  return CLI_DONE;
}

cli_exit cli_simulate_plan_read(const cli_call *call, const cli_traces_args *args, cli_simulate_plan *plan) {
  *plan = (cli_simulate_plan){0};
  if (args->seed != NULL && !cli_parse_count(args->seed, &plan->seed))
    return cli_refuse(call, CLI_USAGE, "give a whole number, such as 7", "--seed cannot be '%s'", args->seed);
  cli_exit code = sizes_read(call, args->sizes, plan);
  return code == CLI_DONE ? policies_read(call, args->policies, plan) : code;
}
