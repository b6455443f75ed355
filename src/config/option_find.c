/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into the table of options. */
#include "config/options.h"

#include <stdio.h>
#include <string.h>

const lrd_option *lrd_option_next(lrd_scope scope, const lrd_option *last) {
  for (size_t i = last == NULL ? 0 : (size_t)(last - lrd_options) + 1; i < lrd_options_len; i++)
    if (lrd_options[i].scope == scope) return &lrd_options[i];
  return NULL;
}

const lrd_option *lrd_option_find(lrd_scope scope, const char *name) {
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL; row = lrd_option_next(scope, row))
    if (strcmp(row->name, name) == 0 || (row->other != NULL && strcmp(row->other, name) == 0)) return row;
  return NULL;
}

const char *lrd_option_choice(const lrd_option *option, uint32_t number, char out[32]) {
  const char *at = option->choices;
  for (; number > 0 && at != NULL; number--) {
    at = strchr(at, ' ');
    if (at != NULL) at++;
  }
  snprintf(out, 32, "%.*s", at == NULL ? 0 : (int)strcspn(at, " "), at == NULL ? "" : at);
  return out;
}
