/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log sink. The library never prints: it hands each event to the sink of its cache, with a level, a stable message
 * id ("sqlite.quarantined") and one line of text, its secrets hidden. A NULL sink drops it.
 */
#ifndef LRD_BASE_LOG_H
#define LRD_BASE_LOG_H

#include <larder/error.h>
#include <stdbool.h>

typedef enum lrd_log_level { LRD_LOG_ERROR, LRD_LOG_WARN, LRD_LOG_INFO, LRD_LOG_DEBUG } lrd_log_level;

typedef struct lrd_log {
  void (*sink)(void *context, int level, const char *id,
               const char *message); /* any thread; must not call back into the cache */
  void *context;
  lrd_log_level level_max;
  const char *secrets; /* names of secrets for redact.h; NULL: the built-in ones */
} lrd_log;

/* Whether anybody would see an event of this level. */
static inline bool lrd_log_wants(const lrd_log *log, lrd_log_level level) {
  return log && log->sink && level <= log->level_max;
}
LARDER_PRINTF(4, 5) void lrd_log_write(const lrd_log *log, lrd_log_level level, const char *id, const char *format, ...);

#endif
