/* SPDX-License-Identifier: Apache-2.0 */
/* The error table's two faces (names, texts), the long form's making, and the end of the road for a broken assertion. */
#include "fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *larder_err_name(larder_err err) {
  switch (err) {
#define FAIL_NAME(name, number, class, text)                                                                                   \
  case name:                                                                                                                   \
    return #name;
    LARDER_ERRORS(FAIL_NAME)
#undef FAIL_NAME
  }
  return "LARDER_E?";
}

const char *larder_err_text(larder_err err) {
  switch (err) {
#define FAIL_TEXT(name, number, class, text)                                                                                   \
  case name:                                                                                                                   \
    return text;
    LARDER_ERRORS(FAIL_TEXT)
#undef FAIL_TEXT
  }
  return "an unknown result";
}

larder_err_class larder_err_classify(larder_err err) {
  switch (err) {
#define FAIL_CLASS(name, number, class, text)                                                                                  \
  case name:                                                                                                                   \
    return LARDER_CLASS_##class;
    LARDER_ERRORS(FAIL_CLASS)
#undef FAIL_CLASS
  }
  return LARDER_CLASS_PERMANENT;
}

larder_err lrd_fail(larder_error *err, larder_err code, int os_errno, const char *room, const char *format, ...) {
  if (!err) return code;
  err->code = code;
  err->os_errno = os_errno;
  err->room = room;
  va_list args;
  va_start(args, format);
  if (vsnprintf(err->message, sizeof err->message, format, args) < 0) err->message[0] = '\0';
  va_end(args);
  return code;
}

larder_err lrd_err_from_errno(int os_errno) {
  switch (os_errno) {
  case 0:
    return LARDER_OK;
  case ENOSPC:
  case EDQUOT:
    return LARDER_ENOSPC;
  case EACCES:
  case EPERM:
  case EROFS:
    return LARDER_EACCES;
  case ENOMEM:
    return LARDER_ENOMEM;
  default:
    return LARDER_EIO;
  }
}

_Noreturn void lrd_assert_failed(const char *expression, const char *file, int line) {
  /* The one place that writes to stderr: the process ends here, and no sink can be trusted any more. */
  char text[512];
  int len = snprintf(text, sizeof text, "larder: broken assumption at %s:%d: %s\n", file, line, expression);
  if (len > 0) {
    size_t size = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    ssize_t written = write(STDERR_FILENO, text, size);
    (void)written;
  }
  abort();
}
