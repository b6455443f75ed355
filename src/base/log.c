/* SPDX-License-Identifier: Apache-2.0 */
/* Formats one event into a line of bounded length. Control characters become spaces: an event is one line, always. */
#include "log.h"

#include "redact.h"
#include <stdarg.h>
#include <stdio.h>

#define LOG_LINE_MAX 1024

void lrd_log_write(const lrd_log *log, lrd_log_level level, const char *id, const char *format, ...) {
  if (!lrd_log_wants(log, level)) return;
  char line[LOG_LINE_MAX];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (len < 0) line[0] = '\0';
  for (char *at = line; *at; at++)
    if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = ' ';
  /* A line that does not fit is cut, and so may a secret be. */
  lrd_buf clean = {0};
  lrd_hidden hidden = {0};
  larder_err err = lrd_redact_text(log->secrets, line, strlen(line), (size_t)len >= sizeof line, &clean, &hidden);
  if (err == LARDER_OK) err = lrd_buf_terminate(&clean);
  log->sink(log->context, (int)level, id, err == LARDER_OK ? (const char *)clean.data : "no memory to look for secrets in it");
  lrd_buf_fini(&clean);
}
