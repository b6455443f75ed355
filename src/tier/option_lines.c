/* SPDX-License-Identifier: Apache-2.0 */
#include "option_lines.h"

#include "base/fail.h"

#define SHOWN_MAX 100u

larder_err lrd_option_lines(const char *text, const char *room, lrd_option_set set, void *options, larder_error *err) {
  while (text != NULL && *text != 0) {
    size_t const len = strcspn(text, "\n");
    const char *equals = memchr(text, '=', len);
    size_t const name_len = equals == NULL ? len : (size_t)(equals - text);
    if (len != 0 && (equals == NULL || !set(options, lrd_span_of(text, name_len), lrd_span_of(equals + 1, len - name_len - 1))))
      return lrd_fail(err, LARDER_EINVAL, 0, room, "option \"%.*s\" is unknown or out of range",
                      (int)(len < SHOWN_MAX ? len : SHOWN_MAX), text);
    text += len + (text[len] == '\n');
  }
  return LARDER_OK;
}

bool lrd_option_number(lrd_span value, uint64_t least, uint64_t most, uint64_t *out) {
  uint64_t number = 0;
  for (size_t i = 0; i < value.len; i++) {
    unsigned const digit = (unsigned)((const uint8_t *)value.data)[i] - '0';
    if (digit > 9 || number > (UINT64_MAX - digit) / 10) return false;
    number = number * 10 + digit;
  }
  if (value.len == 0 || number < least || number > most) return false;
  *out = number;
  return true;
}
