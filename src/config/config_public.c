/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of larder/config.h over config_load, config_show and config_schema. */
#include <larder/config.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "config/config_load.h"
#include "config/config_schema.h"
#include "config/config_show.h"

typedef void visit_mistake(void *context, const larder_config_mistake *mistake);

static void visit_all(const lrd_config_look *look, const lrd_mistake *first, visit_mistake *visit, void *context) {
  for (const lrd_mistake *one = first; one != NULL && visit != NULL; one = one->next) {
    const larder_config_mistake mistake = {.file = look->file == NULL ? "" : look->file,
                                           .line = one->place.line,
                                           .column = one->place.column,
                                           .message = one->message};
    visit(context, &mistake);
  }
}

static larder_err look_at_file(const char *file, lrd_config_look *look, larder_error *err) {
  const lrd_config_source source = {.file = file, .search = true};
  return lrd_config_look_at(&source, look, err);
}

static larder_err first_mistake(const lrd_config_look *look, larder_error *err) {
  const lrd_mistake *first = look->mistakes.first;
  if (look->mistakes.count == 0) return LARDER_OK;
  return lrd_fail(err, LARDER_ECONFIG, 0, "config", "%s:%d:%d: %s", look->file == NULL ? "configuration" : look->file,
                  first->place.line, first->place.column, first->message);
}

larder_err larder_config_check(const char *file, visit_mistake *visit, void *context, char **file_out, larder_error *err) {
  lrd_config_look look;
  larder_err result = look_at_file(file, &look, err);
  if (result != LARDER_OK) return result;
  char *name = NULL;
  if (file_out != NULL && look.file != NULL) {
    name = lrd_strdup(look.file);
    if (name == NULL) {
      lrd_config_look_fini(&look);
      return lrd_fail(err, LARDER_ENOMEM, 0, "config", "out of memory");
    }
  }
  if (file_out != NULL) *file_out = name;
  visit_all(&look, look.mistakes.first, visit, context);
  result = first_mistake(&look, err);
  if (result == LARDER_OK && look.file == NULL) result = LARDER_MISS;
  lrd_config_look_fini(&look);
  return result;
}

larder_err larder_config_notices(const char *file, visit_mistake *visit, void *context, larder_error *err) {
  lrd_config_look look;
  larder_err result = look_at_file(file, &look, err);
  if (result != LARDER_OK) return result;
  visit_all(&look, look.mistakes.first_notice, visit, context);
  lrd_config_look_fini(&look);
  return LARDER_OK;
}

larder_err larder_config_show(const char *file, int as_json, char **out, larder_error *err) {
  if (out == NULL) return lrd_fail(err, LARDER_EINVAL, 0, "config", "out is NULL");
  lrd_config_look look;
  larder_err result = look_at_file(file, &look, err);
  if (result != LARDER_OK) return result;
  result = first_mistake(&look, err);
  if (result == LARDER_OK) {
    result = lrd_config_show_text(look.settings, as_json != 0, out);
    if (result != LARDER_OK) (void)lrd_fail(err, result, 0, "config", "out of memory");
  }
  lrd_config_look_fini(&look);
  return result;
}

larder_err larder_config_schema(char **out) { return out == NULL ? LARDER_EINVAL : lrd_config_schema_text(out); }

larder_err larder_config_reference(char **out) { return out == NULL ? LARDER_EINVAL : lrd_config_reference_text(out); }

void larder_text_free(char *text) { lrd_dealloc(text); }
