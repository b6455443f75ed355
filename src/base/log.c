/* SPDX-License-Identifier: Apache-2.0 */
/* Formats one event into a line of bounded length. Control characters become spaces: an event is one line, always. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

#define LOG_LINE_MAX 1024

void lrd_log_write(const lrd_log *log, lrd_log_level level, const char *id, const char *format, ...) {
  if (!log || !log->sink || level > log->level_max) return;
  char line[LOG_LINE_MAX];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (len < 0) line[0] = '\0';
  for (char *at = line; *at; at++)
    if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = ' ';
  log->sink(log->context, (int)level, id, line);
}
