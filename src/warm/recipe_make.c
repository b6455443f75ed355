/* SPDX-License-Identifier: Apache-2.0 */
/* The public face of the recipes: the list, keys, the reference page, and making one value. */
#include "recipe_make.h"

#include "base/fail.h"
#include "maker/recipe/recipes.h"
#include <larder/config.h>
#include <stdio.h>

const larder_recipe *larder_recipe_at(size_t index) {
  const lrd_maker *maker = lrd_recipe_at(index);
  return maker == NULL ? NULL : &maker->shown;
}

const larder_recipe *larder_recipe_find(const char *name) {
  const lrd_maker *maker = name == NULL ? NULL : lrd_recipe_find(name);
  return maker == NULL ? NULL : &maker->shown;
}

larder_err larder_recipe_reference(char **out) {
  lrd_buf page = {0};
  if (out == NULL) return LARDER_EINVAL;
  larder_err result = lrd_buf_append_str(
      &page,
      "# Recipes\n\nThis page is printed from the tables of the recipes (`larder warm --reference`). A value's key is the "
      "recipe's name and,\nin the order of the table, `_NAMEVALUE` for each parameter that has no default or is not at "
      "it; numbers stand in their\nshortest form: `kernel_alpha1.5_dt0.01_n1000`. Arrays are numpy's: one unnamed array "
      "is an `.npy`, several are an `.npz`.\n");
  for (size_t i = 0; lrd_recipe_at(i) != NULL && result == LARDER_OK; i++)
    result = lrd_maker_reference(lrd_recipe_at(i), &page);
  if (result == LARDER_OK) result = lrd_buf_terminate(&page);
  if (result == LARDER_OK) {
    *out = (char *)page.data;
  } else {
    lrd_buf_fini(&page);
  }
  return result;
}

larder_err lrd_recipe_named(const char *name, const lrd_maker **out, larder_error *err) {
  char names[200];
  size_t len = 0;
  const lrd_maker *maker = name == NULL ? NULL : lrd_recipe_find(name);
  if (maker != NULL) {
    *out = maker;
    return LARDER_OK;
  }
  for (size_t i = 0; lrd_recipe_at(i) != NULL && len < sizeof names; i++)
    len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i > 0 ? ", " : "", lrd_recipe_at(i)->shown.name);
  return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "there is no recipe '%.60s'; there are: %s", name == NULL ? "" : name,
                  names);
}

larder_err lrd_recipe_key_write(const lrd_maker *maker, const lrd_params *params, char *out, larder_error *err) {
  lrd_buf key = {0};
  larder_err result = lrd_maker_key(maker, params, &key);
  if (result == LARDER_OK && key.len > LARDER_KEY_MAX)
    result = lrd_fail(err, LARDER_EINVAL, 0, "recipe", "%s: its parameters make a key of %zu bytes; %u are the most",
                      maker->shown.name, key.len, LARDER_KEY_MAX);
  if (result == LARDER_OK) {
    memcpy(out, key.data, key.len);
    out[key.len] = '\0';
  } else if (result != LARDER_EINVAL) {
    result = lrd_fail(err, result, 0, "recipe", "%s: %s", maker->shown.name, larder_err_text(result));
  }
  lrd_buf_fini(&key);
  return result;
}

/* A result without a sentence gets one. */
static larder_err told(larder_err result, const char *key, larder_error *err) {
  if (result == LARDER_OK || result == LARDER_DEGRADED) return result;
  if (result == LARDER_NOT_KEPT)
    return lrd_fail(err, result, 0, "recipe",
                    "%s was not kept: it is above the namespace's max_entry, or its tiers have no room; raise the limits", key);
  if (err == NULL || err->code == result) return result;
  return lrd_fail(err, result, 0, "recipe", "%s: %s", key, larder_err_text(result));
}

larder_err lrd_recipe_into(larder_ns *ns, const lrd_maker *maker, const lrd_params *params, const char *key, int64_t ttl_ms,
                           uint64_t *bytes_out, larder_error *err) {
  lrd_buf value = {0};
  lrd_buf version = {0};
  lrd_buf meta = {0};
  if (err != NULL) *err = (larder_error){0};
  larder_err result = lrd_maker_fits(maker, params, LARDER_VALUE_MAX, "the limit", err);
  if (result == LARDER_OK) result = maker->make(params, NULL, &value, &version, &meta, err);
  if (result == LARDER_OK) result = lrd_buf_terminate(&version);
  if (result == LARDER_OK) {
    larder_put_options how = {.size = sizeof how,
                              .ttl_ms = ttl_ms,
                              .kind = maker->shown.kind,
                              .version = version.len > 0 ? (const char *)version.data : NULL,
                              .meta = meta.len > 0 ? meta.data : NULL,
                              .meta_len = meta.len};
    result = larder_put(ns, key, strlen(key), value.data, value.len, &how);
    *bytes_out = value.len;
  }
  lrd_buf_fini(&value);
  lrd_buf_fini(&version);
  lrd_buf_fini(&meta);
  return told(result, key, err);
}

larder_err larder_recipe_key(const char *recipe, const larder_param *params, size_t count, char *out, larder_error *err) {
  const lrd_maker *maker = NULL;
  lrd_params read;
  if (out == NULL || (params == NULL && count > 0))
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "parameters or room for the key are missing");
  larder_err result = lrd_recipe_named(recipe, &maker, err);
  if (result != LARDER_OK) return result;
  LRD_ASSERT(maker != NULL);
  result = lrd_maker_params_read(maker, params, count, &read, err);
  if (result == LARDER_OK) result = lrd_recipe_key_write(maker, &read, out, err);
  return result;
}

larder_err larder_recipe_make(larder_ns *ns, const char *recipe, const larder_param *params, size_t count, larder_error *err) {
  const lrd_maker *maker = NULL;
  lrd_params read;
  char key[LARDER_KEY_MAX + 1];
  uint64_t bytes = 0;
  if (ns == NULL || (params == NULL && count > 0))
    return lrd_fail(err, LARDER_EINVAL, 0, "recipe", "the namespace or the parameters are missing");
  larder_err result = lrd_recipe_named(recipe, &maker, err);
  if (result != LARDER_OK) return result;
  LRD_ASSERT(maker != NULL);
  result = lrd_maker_params_read(maker, params, count, &read, err);
  if (result == LARDER_OK) result = lrd_recipe_key_write(maker, &read, key, err);
  if (result == LARDER_OK) result = lrd_recipe_into(ns, maker, &read, key, 0, &bytes, err);
  return result;
}
