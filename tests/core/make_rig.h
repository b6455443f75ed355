/* SPDX-License-Identifier: Apache-2.0 */
/* A cache on a clock that is moved by hand, and a maker that does as it is told, for the tests of larder_get_or_make. */
#ifndef LRD_TESTS_CORE_MAKE_RIG_H
#define LRD_TESTS_CORE_MAKE_RIG_H

#include "support/support.h"

#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <stdatomic.h>

#define PATIENCE_MS 20000

typedef struct maker {
  larder_err result;
  larder_made_what what;
  const char *text;
  const char *version;
  const char *reason;
  int64_t ttl_ms;
  int64_t stale_ms;
  int64_t retry_after_ms;
  bool not_kept;
  _Atomic unsigned began;
  _Atomic unsigned ended;
  _Atomic bool hold;  /* it goes on once this is false */
  _Atomic bool heeds; /* while it holds it ends when nobody wants it any more */
  void (*meanwhile)(void *context, const larder_making *making);
  void *context;
  char kept[32];
  char kept_version[32];
  bool behind;
} maker;

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  maker maker;
} fixture;

#define POLICY "ttl: 60s, stale_while_revalidate: 30s, stale_if_error: 300s, negative_ttl: 20s, error_ttl: 5s"

void wait_for(_Atomic unsigned *count, unsigned wanted);
larder_err make(void *context, const larder_making *making, larder_made *made, larder_error *err);
void open_with(fixture *f, const char *tiers, const char *policy);
/* The tier `shelf` is SQLite's; its next gets do not answer. */
extern _Atomic unsigned shelf_silent;
/* All gets of the key `k` fail with this; how often they did. */
extern _Atomic larder_err shelf_fails;
extern _Atomic unsigned shelf_failed;
void shut(fixture *f);
larder_make_options by(fixture *f);
larder_err ask_with(fixture *f, const larder_make_options *options, const char *key, char *out, bool *stale_out,
                    larder_error *err);
void expect(fixture *f, const char *key, const char *wanted, bool stale);
void expect_failure(fixture *f, const char *key, larder_err wanted, const char *reason);
uint64_t counted(fixture *f, const char *name);

static const char *const chains[] __attribute__((unused)) = {"[memory]", "[memory, sqlite]", "[memory, files]", "[sqlite]"};
#define EACH_CHAIN(f, policy)                                                                                                  \
  for (size_t chain = 0; chain < sizeof chains / sizeof *chains && (open_with(f, chains[chain], policy), true);                \
       shut(f), chain++)

#endif
