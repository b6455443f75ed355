/* SPDX-License-Identifier: Apache-2.0 */
/* A number is checked and read by the reader of JSON: the same whatever the locale. */
#include "measure.h"

#include "fail.h"
#include "json_read.h"
#include <math.h>
#include <string.h>

size_t lrd_blanks_of(const char *text, size_t *len) {
  size_t before = 0;
  while (*len > 0 && (text[*len - 1] == ' ' || text[*len - 1] == '\t')) --*len;
  while (before < *len && (text[before] == ' ' || text[before] == '\t')) before++;
  *len -= before;
  return before;
}

bool lrd_number_read(const char *text, size_t len, double *out) {
  size_t mistake_at = 0;
  const char *mistake = NULL;
  text += lrd_blanks_of(text, &len);
  if (len > 1 && *text == '+' && text[1] >= '0' && text[1] <= '9') text++, len--;
  if (len == 0 || (*text != '-' && (*text < '0' || *text > '9'))) return false;
  if (lrd_json_check(text, len, &mistake_at, &mistake) != LARDER_OK) return false;
  lrd_json_node node = {.len = (uint32_t)len, .type = LRD_JSON_NUMBER};
  lrd_json_doc doc = {.text = text, .len = len, .nodes = &node, .nodes_len = 1, .nodes_cap = 1};
  return lrd_json_double_of(&doc, 0, out);
}

larder_err lrd_radius_parse(const char *text, double *km_out, larder_error *err) {
  static const struct {
    const char *name;
    double km;
  } units[] = {{"mi", LRD_KM_PER_MILE}, {"km", 1}, {"m", 0.001}, {"", LRD_KM_PER_MILE}};
  size_t len = strlen(text);
  size_t digits = strspn(text, " +-.0123456789eE");
  const char *unit = text + digits;
  double number = 0;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (strcmp(unit, units[i].name) != 0) continue;
    if (len == 0 || !lrd_number_read(text, digits, &number) || !(number >= 0) || !isfinite(number * units[i].km)) break;
    *km_out = number * units[i].km;
    return LARDER_OK;
  }
  return lrd_fail(err, LARDER_EINVAL, 0, "measure", "a radius is such as 50mi, 80km or 50 (miles), not \"%.40s\"", text);
}
