/* SPDX-License-Identifier: Apache-2.0 */
#include "make_rig.h"

#include "tier/sqlite/sqlite_tier.h"
#include <larder/stats.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- a maker that does as it is told -------------------------------------------------------------------------------------- */

void wait_for(_Atomic unsigned *count, unsigned wanted) {
  for (unsigned i = 0; atomic_load(count) < wanted; i++) {
    assert_true(i < PATIENCE_MS);
    usleep(1000);
  }
}

larder_err make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  maker *m = context;
  (void)pthread_mutex_lock(&one_at_a_time);
  m->kept[0] = m->kept_version[0] = 0;
  if (making->kept) {
    (void)snprintf(m->kept, sizeof m->kept, "%.*s", (int)making->kept_len, (const char *)making->kept);
    (void)snprintf(m->kept_version, sizeof m->kept_version, "%.*s", (int)making->kept_facts->version_len,
                   making->kept_facts->version_len > 0 ? making->kept_facts->version : "");
  }
  m->behind = making->behind;
  (void)pthread_mutex_unlock(&one_at_a_time);
  atomic_fetch_add(&m->began, 1);
  if (m->meanwhile) m->meanwhile(m->context, making);
  while (atomic_load(&m->hold) && !(atomic_load(&m->heeds) && larder_making_cancelled(making))) usleep(1000);
  made->what = m->what;
  if (m->what == LARDER_MADE_VALUE && m->text) {
    made->value = m->text;
    made->len = strlen(m->text);
  }
  made->put.version = m->version;
  made->put.ttl_ms = m->ttl_ms;
  made->put.stale_ms = m->stale_ms;
  made->retry_after_ms = m->retry_after_ms;
  made->not_kept = m->not_kept;
  if (m->reason) (void)snprintf(err->message, sizeof err->message, "%s", m->reason);
  atomic_fetch_add(&m->ended, 1);
  return m->result;
}

/* --- a tier that does not always answer ------------------------------------------------------------------------------------
 */

static larder_tier_ops shelf;
static const larder_tier_ops *const shelves[] = {&shelf, NULL};
_Atomic unsigned shelf_silent;
_Atomic larder_err shelf_fails;
_Atomic unsigned shelf_failed;

static larder_err shelf_get(void *self, const larder_tier_key *key, bool facts_only, const void *slot, larder_tier_entry *out) {
  if (shelf_fails != LARDER_OK && key->len == 1 && *(const char *)key->data == 'k') {
    atomic_fetch_add(&shelf_failed, 1);
    return shelf_fails;
  }
  unsigned left = atomic_load(&shelf_silent);
  while (left > 0 && !atomic_compare_exchange_weak(&shelf_silent, &left, left - 1)) {
  }
  return left > 0 ? LARDER_EAWAY : lrd_sqlite_tier.get(self, key, facts_only, slot, out);
}

/* --- a cache ---------------------------------------------------------------------------------------------------------------
 */

void open_with(fixture *f, const char *tiers, const char *policy) {
  char text[1024];
  larder_error err = {0};
  memset(f, 0, sizeof *f);
  f->root = support_dir_make();
  shelf = lrd_sqlite_tier;
  shelf.name = "shelf";
  shelf.get = shelf_get;
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  (void)snprintf(text, sizeof text, "cache:\n  slots: 1024\n  memory: {size_mb: 4}\n  namespaces:\n    n: {tiers: %s, %s}\n",
                 tiers, policy);
  larder_options options = {.size = sizeof options, .root = f->root, .config_text = text, .extra_tiers = shelves};
  larder_err result = lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  assert_ok(larder_ns_open(f->cache, "n", &f->ns, &err));
  f->maker.text = "one";
}

void shut(fixture *f) {
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

larder_make_options by(fixture *f) {
  return (larder_make_options){.size = sizeof(larder_make_options), .make = make, .context = &f->maker, .lasting = true};
}

larder_err ask_with(fixture *f, const larder_make_options *options, const char *key, char *out, bool *stale_out,
                    larder_error *err) {
  larder_value value = {0};
  larder_err result = larder_get_or_make(f->ns, key, strlen(key), options, &value, err);
  if (result == LARDER_OK) {
    (void)snprintf(out, 64, "%.*s", (int)value.len, (const char *)value.data);
    *stale_out = value.stale;
    larder_value_release(&value);
  }
  return result;
}

void expect(fixture *f, const char *key, const char *wanted, bool stale) {
  char got[64];
  bool is_stale = false;
  larder_error err = {0};
  larder_make_options options = by(f);
  larder_err result = ask_with(f, &options, key, got, &is_stale, &err);
  if (result != LARDER_OK) print_error("%s: %s\n", larder_err_name(result), err.message);
  assert_ok(result);
  assert_string_equal(got, wanted);
  assert_int_equal(is_stale, stale);
}

void expect_failure(fixture *f, const char *key, larder_err wanted, const char *reason) {
  char got[64];
  bool stale;
  larder_error err = {0};
  larder_make_options options = by(f);
  assert_err(ask_with(f, &options, key, got, &stale, &err), wanted);
  if (reason) assert_non_null(strstr(err.message, reason));
}

uint64_t counted(fixture *f, const char *name) {
  larder_stats *stats = NULL;
  uint64_t value = 0;
  assert_ok(larder_stats_take(f->cache, &stats, NULL));
  assert_true(larder_stats_value(stats, "n", "all", name, &value));
  larder_stats_free(&stats);
  return value;
}
