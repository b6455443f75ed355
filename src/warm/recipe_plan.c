/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe_plan.h"

#include "base/fail.h"

static void part_fini(lrd_warm_part *part) {
  for (size_t i = 0; i < LARDER_RECIPE_PARAMS_MAX; i++) {
    lrd_dealloc(part->lists[i].name);
    lrd_dealloc(part->lists[i].values);
    lrd_dealloc(part->lists[i].each);
  }
  *part = (lrd_warm_part){0};
}

void lrd_warm_plan_fini(lrd_warm_plan *plan) {
  for (size_t i = 0; i < plan->parts_len; i++) part_fini(&plan->parts[i]);
  lrd_dealloc(plan->parts);
  *plan = (lrd_warm_plan){0};
}

static larder_err list_fill(lrd_warm_list *list, const larder_param *param, larder_error *err) {
  list->count = 1;
  for (const char *at = param->value; *at != '\0'; at++) list->count += *at == ',';
  if (list->count > LARDER_WARM_MAX)
    return lrd_fail(err, LARDER_ETOOBIG, 0, "recipe", "%.60s has %llu values; %u are the most", param->name,
                    (unsigned long long)list->count, LARDER_WARM_MAX);
  list->name = lrd_strdup(param->name);
  list->values = lrd_strdup(param->value);
  list->each = lrd_alloc_zero((size_t)list->count, sizeof *list->each);
  if (list->name == NULL || list->values == NULL || list->each == NULL)
    return lrd_fail(err, LARDER_ENOMEM, 0, "recipe", "out of memory");
  uint64_t at = 0;
  list->each[at++] = list->values;
  for (char *c = list->values; *c != '\0'; c++) {
    if (*c != ',') continue;
    *c = '\0';
    list->each[at++] = c + 1;
  }
  return LARDER_OK;
}

larder_err lrd_warm_part_at(const lrd_warm_part *part, uint64_t number, lrd_params *params_out, char *key_out,
                            larder_error *err) {
  larder_param given[LARDER_RECIPE_PARAMS_MAX];
  for (size_t i = part->lists_len; i > 0; i--) {
    const lrd_warm_list *list = &part->lists[i - 1];
    given[i - 1] = (larder_param){.name = list->name, .value = list->each[number % list->count]};
    number /= list->count;
  }
  larder_err result = lrd_maker_params_read(part->maker, given, part->lists_len, params_out, err);
  return result == LARDER_OK ? lrd_recipe_key_write(part->maker, params_out, key_out, err) : result;
}

static larder_err part_fill(lrd_warm_part *part, const larder_param *params, size_t count, uint64_t before, larder_error *err) {
  lrd_params read;
  char key[LARDER_KEY_MAX + 1];
  if (count > LARDER_RECIPE_PARAMS_MAX)
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "%s has at most %u parameters", part->maker->shown.name,
                    LARDER_RECIPE_PARAMS_MAX);
  part->total = 1;
  for (size_t i = 0; i < count; i++) {
    if (params[i].name == NULL || params[i].value == NULL)
      return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "%s: a parameter without name or value", part->maker->shown.name);
    larder_err result = list_fill(&part->lists[part->lists_len++], &params[i], err);
    if (result != LARDER_OK) return result;
    part->total *= part->lists[i].count;
    if (part->total + before > LARDER_WARM_MAX)
      return lrd_fail(err, LARDER_ETOOBIG, 0, "recipe", "more than %u values at once; warm them in parts", LARDER_WARM_MAX);
  }
  for (uint64_t number = 0; number < part->total; number++) {
    larder_err result = lrd_warm_part_at(part, number, &read, key, err);
    if (result != LARDER_OK) return result;
  }
  return LARDER_OK;
}

larder_err lrd_warm_plan_add(lrd_warm_plan *plan, larder_ns *ns, const char *recipe, const larder_param *params, size_t count,
                             larder_error *err) {
  const lrd_maker *maker = NULL;
  larder_err result = lrd_recipe_named(recipe, &maker, err);
  if (result != LARDER_OK) return result;
  lrd_warm_part *parts = lrd_realloc(plan->parts, (plan->parts_len + 1) * sizeof *parts);
  if (parts == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, "recipe", "out of memory");
  plan->parts = parts;
  lrd_warm_part *part = &parts[plan->parts_len++];
  *part = (lrd_warm_part){.ns = ns, .maker = maker};
  result = part_fill(part, params, count, plan->total, err);
  if (result == LARDER_OK) plan->total += part->total;
  return result;
}
