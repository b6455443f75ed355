/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Former values: listed, got, rolled back to, as many as are kept, gone with the entry; none lost between writers of one
 * process and of several, nor when one is killed in between.
 */
#include "support/support.h"

#include "core/history.h"
#include "core/mutation.h"
#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <larder/keys.h>
#include <larder/versions.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000)

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  unsigned logged; /* version.changed */
  unsigned told;   /* history.not_kept */
  char line[256];
} fixture;

typedef struct view {
  larder *cache;
  larder_ns *ns;
} view;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->root = support_dir_make();
  lrd_clock_moved_init(&f->clock, START_MS);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  support_dir_remove(&f->root);
  free(f);
  return 0;
}

static void log_line(void *context, int level, const char *id, const char *message) {
  fixture *f = context;
  if (strcmp(id, "version.changed") == 0) {
    assert_int_equal(level, LARDER_LOG_INFO);
    f->logged++;
    (void)snprintf(f->line, sizeof f->line, "%s", message);
  }
  if (strcmp(id, "history.not_kept") == 0) f->told++;
}

static view open_on(fixture *f, const char *tiers, const char *more, larder_log_level level) {
  view v = {0};
  char text[1024];
  larder_error err = {0};
  (void)snprintf(text, sizeof text,
                 "cache:\n  slots: 1024\n  key_file: %s/keys\n  memory: {size_mb: 8}\n  namespaces:\n"
                 "    n: {tiers: %s, ttl: 10s, stale_if_error: 20s, %s}\n",
                 f->root, tiers, more);
  larder_options options = {
      .size = sizeof options, .root = f->root, .config_text = text, .log = log_line, .log_context = f, .log_level = level};
  larder_err result = lrd_larder_open_with_clock(&options, &f->clock.clock, &v.cache, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  assert_ok(larder_ns_open(v.cache, "n", &v.ns, &err));
  return v;
}

static view open_view(fixture *f, const char *tiers, const char *more) { return open_on(f, tiers, more, LARDER_LOG_WARN); }
static void close_view(view *v) { assert_ok(larder_close(&v->cache)); }

static larder_err put_version(view *v, const char *key, const char *value, const char *version) {
  larder_put_options const how = {.size = sizeof how, .version = version};
  return larder_put(v->ns, key, strlen(key), value, strlen(value), &how);
}

static void put(view *v, const char *key, const char *value) { assert_ok(put_version(v, key, value, NULL)); }

static void expect(view *v, const char *key, const char *wanted) {
  larder_value value = {0};
  assert_err(larder_get(v->ns, key, strlen(key), NULL, &value), wanted ? LARDER_OK : LARDER_MISS);
  if (!wanted) return;
  assert_int_equal(value.len, strlen(wanted));
  assert_memory_equal(value.data, wanted, value.len);
  larder_value_release(&value);
}

/* --- all values of a key as one text: the present one in brackets
 * ------------------------------------------------------------- */

typedef struct list {
  uint64_t stamps[64];
  bool present[64];
  char versions[64][32];
  size_t len;
} list;

static bool list_add(void *context, const larder_version *one) {
  list *l = context;
  assert_true(l->len < 64);
  assert_true(one->written_ms == (int64_t)(one->stamp >> 16));
  if (l->len > 0) assert_true(one->stamp < l->stamps[l->len - 1]);
  l->stamps[l->len] = one->stamp;
  l->present[l->len] = one->present;
  (void)snprintf(l->versions[l->len++], 32, "%.*s", (int)one->version_len, one->version_len ? one->version : "");
  return true;
}

static list list_of(view *v, const char *key) {
  list l = {0};
  larder_err result = larder_versions_each(v->ns, key, strlen(key), list_add, &l);
  assert_err(result, l.len > 0 ? LARDER_OK : LARDER_MISS);
  return l;
}

static void expect_all(view *v, const char *key, const char *wanted) {
  char all[256] = "";
  size_t at = 0;
  list l = list_of(v, key);
  for (size_t i = 0; i < l.len; i++) {
    larder_version_wanted const which = {.size = sizeof which, .stamp = l.stamps[i]};
    larder_value value = {0};
    larder_facts facts;
    assert_ok(larder_version_get(v->ns, key, strlen(key), &which, &value));
    assert_ok(larder_value_facts(&value, &facts));
    assert_true(facts.stamp == l.stamps[i]);
    assert_int_equal(facts.version_len, strlen(l.versions[i]));
    at += (size_t)snprintf(all + at, sizeof all - at, l.present[i] ? "%s[%.*s]" : "%s%.*s", i ? " " : "", (int)value.len,
                           (const char *)value.data);
    larder_value_release(&value);
  }
  assert_string_equal(all, wanted);
}

static const char *const chains[] = {"[memory]", "[sqlite]", "[memory, sqlite]", "[memory, files]"};
#define EACH_CHAIN(v, more)                                                                                                    \
  for (size_t chain = 0; chain < 4 && ((v) = open_view(f, chains[chain], (more)), true);                                       \
       assert_ok(larder_clear((v).ns, NULL)), close_view(&(v)), chain++)

/* --- one after the other
 * ------------------------------------------------------------------------------------------------------ */

static void the_last_ones_are_kept(void **state) {
  fixture *f = *state;
  view v;
  EACH_CHAIN(v, "keep_versions: 2") {
    expect_all(&v, "k", "");
    put(&v, "k", "a");
    expect_all(&v, "k", "[a]");
    put(&v, "k", "b");
    expect_all(&v, "k", "[b] a");
    put(&v, "k", "c");
    expect_all(&v, "k", "[c] b a");
    put(&v, "k", "d");
    expect_all(&v, "k", "[d] c b");
    put(&v, "k", "d"); /* nothing new */
    expect_all(&v, "k", "[d] c b");
    assert_ok(put_version(&v, "k", "d", "v2")); /* the same bytes, and another version */
    expect_all(&v, "k", "[d] d c");
    assert_ok(larder_expire(v.ns, "k", 1));
    lrd_clock_moved_advance_ms(&f->clock, 100);
    expect_all(&v, "k", "[d] d c"); /* stale */
    lrd_clock_moved_advance_ms(&f->clock, 60000);
    expect_all(&v, "k", "d c"); /* gone for its age; what was replaced has none */
    put(&v, "k", "e");
    expect_all(&v, "k", "[e] d c");
  }
}

static void without_keep_versions_there_is_the_present_one(void **state) {
  fixture *f = *state;
  view v;
  EACH_CHAIN(v, "keep_versions: 0") {
    larder_version_wanted const last = {.size = sizeof last};
    larder_value value;
    put(&v, "k", "a");
    put(&v, "k", "b");
    expect_all(&v, "k", "[b]");
    assert_err(larder_version_get(v.ns, "k", 1, &last, &value), LARDER_MISS);
    assert_err(larder_roll_back(v.ns, "k", 1, NULL, NULL), LARDER_MISS);
  }
}

static void many_at_once_and_conditions_keep_history_too(void **state) {
  fixture *f = *state;
  view v;
  EACH_CHAIN(v, "keep_versions: 3") {
    larder_item items[3] = {{.key = "k", .key_len = 1, .value = "a", .value_len = 1},
                            {.key = "k", .key_len = 1, .value = "b", .value_len = 1},
                            {.key = "l", .key_len = 1, .value = "c", .value_len = 1}};
    assert_ok(larder_put_many(v.ns, items, 3));
    for (int i = 0; i < 3; i++) assert_ok(items[i].result);
    expect_all(&v, "k", "[b] a");
    larder_put_options how = {.size = sizeof how, .only_stamp = list_of(&v, "k").stamps[0]};
    assert_ok(larder_put(v.ns, "k", 1, "c", 1, &how));
    expect_all(&v, "k", "[c] b a");
    assert_err(larder_put(v.ns, "k", 1, "late", 4, &how), LARDER_OLDER);
    assert_err(larder_put(v.ns, "new", 3, "late", 4, &how), LARDER_OLDER);
    expect_all(&v, "k", "[c] b a");
    expect_all(&v, "new", "");
  }
}

static void what_is_too_large_to_be_kept_leaves_the_former_one(void **state) {
  fixture *f = *state;
  view v;
  EACH_CHAIN(v, "keep_versions: 3, max_entry: 4") {
    put(&v, "k", "a");
    assert_err(put_version(&v, "k", "too large", NULL), LARDER_NOT_KEPT);
    expect(&v, "k", NULL);
    expect_all(&v, "k", "a");
  }
}

static void everything_that_is_known_of_a_value_comes_back(void **state) {
  fixture *f = *state;
  view v;
  static const char *const tags[] = {"one", "two"};
  EACH_CHAIN(v, "keep_versions: 3") {
    larder_put_options const how = {.size = sizeof how,
                                    .version = "v1",
                                    .kind = LARDER_KIND_JSON,
                                    .meta = "m",
                                    .meta_len = 1,
                                    .tags = tags,
                                    .tags_count = 2,
                                    .modified_ms = 1690000000000};
    larder_version_wanted const which = {.size = sizeof which, .version = "v1"};
    larder_value value = {0};
    larder_stat stat;
    uint64_t from = 0;
    assert_ok(larder_put(v.ns, "k", 1, "[1]", 3, &how));
    uint64_t const first = list_of(&v, "k").stamps[0];
    assert_ok(put_version(&v, "k", "two", "v2"));
    assert_ok(larder_version_get(v.ns, "k", 1, &which, &value));
    assert_memory_equal(value.data, "[1]", 3);
    larder_value_release(&value);
    assert_ok(larder_roll_back(v.ns, "k", 1, &which, &from));
    assert_true(from == first);
    assert_ok(larder_stat_get(v.ns, "k", 1, &stat));
    assert_true(stat.facts.stamp > first && !stat.stale);
    assert_int_equal(stat.facts.kind, LARDER_KIND_JSON);
    assert_memory_equal(stat.facts.version, "v1", 2);
    assert_memory_equal(stat.facts.meta, "m", 1);
    assert_int_equal(stat.facts.tags_len, 8);
    assert_true(stat.facts.modified_ms == 1690000000000);
    assert_true(stat.facts.expires_soft_ms == lrd_wall_ms(&f->clock.clock) + 10000);
    larder_stat_free(&stat);
  }
}

static void rolling_back_goes_there_and_back(void **state) {
  fixture *f = *state;
  view v;
  EACH_CHAIN(v, "keep_versions: 3") {
    larder_version_wanted which = {.size = sizeof which, .version = "v9"};
    put(&v, "k", "a");
    assert_err(larder_roll_back(v.ns, "k", 1, NULL, NULL), LARDER_MISS);
    put(&v, "k", "b");
    assert_ok(larder_roll_back(v.ns, "k", 1, NULL, NULL));
    expect(&v, "k", "a");
    expect_all(&v, "k", "[a] b a");
    assert_ok(larder_roll_back(v.ns, "k", 1, NULL, NULL));
    expect_all(&v, "k", "[b] a b a");
    assert_err(larder_roll_back(v.ns, "k", 1, &which, NULL), LARDER_MISS);
    which.version = NULL;
    which.stamp = list_of(&v, "k").stamps[0]; /* the present one is none to go back to */
    assert_err(larder_roll_back(v.ns, "k", 1, &which, NULL), LARDER_MISS);
    which.size = 0;
    assert_err(larder_roll_back(v.ns, "k", 1, &which, NULL), LARDER_EINVAL);
    expect(&v, "k", "b");
  }
}

static void fewer_may_be_kept_later(void **state) {
  fixture *f = *state;
  view v = open_view(f, "[memory, sqlite]", "keep_versions: 5");
  for (const char *c = "abcdef"; *c; c++) assert_ok(larder_put(v.ns, "k", 1, c, 1, NULL));
  expect_all(&v, "k", "[f] e d c b a");
  close_view(&v);
  v = open_view(f, "[memory, sqlite]", "keep_versions: 1");
  put(&v, "k", "g");
  expect_all(&v, "k", "[g] f");
  close_view(&v);
}

/* --- deleting
 * ----------------------------------------------------------------------------------------------------------------- */

static bool count_row(void *context, const larder_listed *entry) {
  (void)entry;
  ++*(unsigned *)context;
  return true;
}

/* Entries of the companion: copies and lists. */
static unsigned companion_rows(view *v) {
  larder_ns *history;
  unsigned count = 0;
  assert_ok(lrd_ns_companion(v->ns, LRD_COMPANION_HISTORY, &history));
  assert_ok(larder_list(history, NULL, false, 0, NULL, count_row, &count));
  return count;
}

static void fill(view *v) {
  for (const char *key = "klm"; *key; key++) {
    for (const char *c = "abc"; *c; c++) assert_ok(larder_put(v->ns, key, 1, c, 1, NULL));
  }
}

static void what_is_deleted_takes_its_history_along(void **state) {
  fixture *f = *state;
  view v;
  EACH_CHAIN(v, "keep_versions: 3") {
    larder_match const l = {.size = sizeof l, .prefix = "l", .prefix_len = 1};
    larder_item item = {.key = "m", .key_len = 1};
    unsigned const before = companion_rows(&v); /* when it was cleared last */
    fill(&v);
    assert_int_equal(companion_rows(&v), before + 9);
    assert_ok(larder_delete(v.ns, "k", 1));
    expect_all(&v, "k", "");
    assert_err(larder_roll_back(v.ns, "k", 1, NULL, NULL), LARDER_MISS);
    assert_err(larder_delete(v.ns, "k", 1), LARDER_MISS);
    put(&v, "k", "x");
    expect_all(&v, "k", "[x]");
    put(&v, "k", "y");
    expect_all(&v, "k", "[y] x");
    assert_ok(larder_delete_matching(v.ns, &l, NULL));
    expect_all(&v, "l", "");
    assert_ok(larder_delete_many(v.ns, &item, 1));
    assert_ok(item.result);
    expect_all(&v, "m", "");
    assert_true(companion_rows(&v) <= before + 4); /* one value, and lists that say what was deleted */
    fill(&v);
    assert_ok(larder_clear(v.ns, NULL));
    expect_all(&v, "k", "");
    assert_int_equal(companion_rows(&v), 1);
    fill(&v);
    expect_all(&v, "k", "[c] b a");
    larder_match const all = {.size = sizeof all};
    assert_ok(larder_delete_matching(v.ns, &all, NULL));
    expect_all(&v, "k", "");
    assert_int_equal(companion_rows(&v), 1);
    assert_ok(larder_clear_all(v.cache, NULL));
  }
}

static void a_history_of_former_times_is_cleared_too(void **state) {
  fixture *f = *state;
  view v = open_view(f, "[sqlite]", "keep_versions: 3");
  fill(&v);
  close_view(&v);
  v = open_view(f, "[sqlite]", "keep_versions: 0");
  assert_ok(larder_clear(v.ns, NULL));
  close_view(&v);
  v = open_view(f, "[sqlite]", "keep_versions: 3");
  expect_all(&v, "k", "");
  close_view(&v);
}

/* --- between two steps
 * ---------------------------------------------------------------------------------------------------------- */

static view other; /* another process, seen by a hook */
static void (*_Atomic meanwhile)(void);

static void former_kept(lrd_moment moment) {
  void (*now)(void) = moment == LRD_MOMENT_FORMER_KEPT ? atomic_exchange(&meanwhile, NULL) : NULL;
  if (now) now();
}

static void hook(void (*what)(void)) {
  atomic_store(&meanwhile, what);
  atomic_store(&lrd_moment_hook, former_kept);
}

static void other_puts(void) { put(&other, "k", "between"); }
static void other_deletes(void) { assert_ok(larder_delete(other.ns, "k", 1)); }
static void other_deletes_and_puts(void) {
  other_deletes();
  other_puts();
}
static void other_clears(void) { assert_ok(larder_clear(other.ns, NULL)); }
static void other_touches(void) { assert_ok(larder_touch(other.ns, "k", 1, 5000)); }

static void whatever_happens_in_between_nothing_is_lost_and_nothing_comes_back(void **state) {
  fixture *f = *state;
  static const struct {
    void (*what)(void);
    const char *before;
    const char *after;
  } cases[] = {{other_puts, "a", "[c] between a"},
               {other_puts, NULL, "[c] between"},
               {other_deletes, "a", "[c]"},
               {other_deletes_and_puts, "a", "[c] between"},
               {other_clears, "a", "[c]"}};
  for (size_t chain = 1; chain < 4; chain++) {
    view v = open_view(f, chains[chain], "keep_versions: 3");
    other = open_view(f, chains[chain], "keep_versions: 3");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      if (cases[i].before) put(&v, "k", cases[i].before);
      hook(cases[i].what);
      put(&v, "k", "c");
      hook(NULL);
      expect_all(&v, "k", cases[i].after);
      expect_all(&other, "k", cases[i].after);
      assert_ok(larder_delete(v.ns, "k", 1));
      expect_all(&v, "k", "");
    }
    put(&v, "k", "a");
    hook(other_touches);
    put(&v, "k", "c");
    hook(NULL);
    assert_true(list_of(&v, "k").len >= 2);
    assert_ok(larder_clear(v.ns, NULL));
    close_view(&v);
    close_view(&other);
  }
  atomic_store(&lrd_moment_hook, NULL);
}

static void unchecked_it_would_be_lost(void **state) {
  fixture *f = *state;
  view v = open_view(f, "[sqlite]", "keep_versions: 3");
  other = open_view(f, "[sqlite]", "keep_versions: 3");
  atomic_store(&lrd_mutations, LRD_MUTATE_FORMER_UNCHECKED);
  put(&v, "k", "a");
  hook(other_puts);
  put(&v, "k", "c");
  hook(NULL);
  expect_all(&v, "k", "[c] a");
  atomic_store(&lrd_mutations, 0);
  atomic_store(&lrd_moment_hook, NULL);
  close_view(&v);
  close_view(&other);
}

static void die(lrd_moment moment) {
  if (moment == LRD_MOMENT_FORMER_KEPT) (void)raise(SIGKILL);
}

static void put_and_die(void *context) {
  view v = open_view(context, "[memory, sqlite]", "keep_versions: 3");
  atomic_store(&lrd_moment_hook, die);
  put(&v, "k", "never");
}

static void one_that_is_killed_in_between_leaves_all_as_it_was(void **state) {
  fixture *f = *state;
  view v = open_view(f, "[memory, sqlite]", "keep_versions: 3");
  put(&v, "k", "a");
  put(&v, "k", "b");
  close_view(&v);
  assert_int_equal(support_in_child(put_and_die, f), 128 + SIGKILL);
  v = open_view(f, "[memory, sqlite]", "keep_versions: 3");
  expect_all(&v, "k", "[b] a");
  put(&v, "k", "c");
  expect_all(&v, "k", "[c] b a");
  close_view(&v);
}

/* --- at once
 * -------------------------------------------------------------------------------------------------------------------- */

#define WRITERS 2u
#define PUTS    20u

typedef struct writer {
  view *v;
  unsigned number;
} writer;

static void *write_many(void *context) {
  const writer *w = context;
  for (unsigned i = 0; i < PUTS; i++) {
    char value[16];
    larder_err result = LARDER_EBUSY;
    (void)snprintf(value, sizeof value, "%c%02u", 'a' + w->number, i);
    for (unsigned tries = 0; result == LARDER_EBUSY && tries < 100; tries++) {
      result = larder_put(w->v->ns, "k", 1, value, 3, NULL);
    }
    if (result != LARDER_OK) return NULL;
  }
  return context;
}

static void of_two_that_put_at_once_none_is_lost(void **state) {
  fixture *f = *state;
  for (size_t chain = 0; chain < 4; chain++) {
    for (unsigned apart = 0; apart < (chain ? 2u : 1u); apart++) {
      view v[WRITERS];
      writer w[WRITERS];
      pthread_t threads[WRITERS];
      bool seen[WRITERS][PUTS] = {{false}};
      for (unsigned i = 0; i < WRITERS; i++) {
        v[i] = i == 0 || apart ? open_view(f, chains[chain], "keep_versions: 50") : v[0];
        w[i] = (writer){&v[i], i};
      }
      for (unsigned i = 0; i < WRITERS; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_many, &w[i]), 0);
      for (unsigned i = 0; i < WRITERS; i++) {
        void *done = NULL;
        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_non_null(done);
      }
      list l = list_of(&v[0], "k");
      assert_int_equal(f->told, 0);
      assert_int_equal(l.len, WRITERS * PUTS);
      for (size_t i = 0; i < l.len; i++) {
        larder_version_wanted const which = {.size = sizeof which, .stamp = l.stamps[i]};
        larder_value value = {0};
        assert_ok(larder_version_get(v[0].ns, "k", 1, &which, &value));
        const char *text = value.data;
        seen[text[0] - 'a'][(text[1] - '0') * 10 + text[2] - '0'] = true;
        larder_value_release(&value);
      }
      for (unsigned i = 0; i < WRITERS * PUTS; i++) assert_true(seen[i / PUTS][i % PUTS]);
      assert_ok(larder_clear(v[0].ns, NULL));
      for (unsigned i = 0; i < WRITERS; i++) {
        if (i == 0 || apart) close_view(&v[i]);
      }
    }
  }
}

/* --- makers
 * --------------------------------------------------------------------------------------------------------------------- */

typedef struct maker {
  const char *text;
  const char *version;
  larder_made_what what;
  bool not_kept;
} maker;

static larder_err make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  const maker *m = context;
  (void)making;
  (void)err;
  made->what = m->what;
  made->value = m->text;
  made->len = strlen(m->text);
  made->put.version = m->version;
  made->not_kept = m->not_kept;
  return LARDER_OK;
}

static larder_err ask(view *v, maker *m) {
  larder_value value = {0};
  larder_make_options const how = {.size = sizeof how, .make = make, .context = m, .fresh = true};
  larder_err result = larder_get_or_make(v->ns, "k", 1, &how, &value, NULL);
  larder_value_release(&value);
  return result;
}

static void what_makers_replace_is_kept(void **state) {
  fixture *f = *state;
  view v;
  EACH_CHAIN(v, "keep_versions: 5, negative_ttl: 5s") {
    maker m = {.text = "a", .version = "v1"};
    assert_ok(ask(&v, &m));
    m.text = "b";
    assert_ok(ask(&v, &m));
    expect_all(&v, "k", "[b] a");
    m.what = LARDER_MADE_UNCHANGED;
    assert_ok(ask(&v, &m));
    expect_all(&v, "k", "[b] a");
    m.what = LARDER_MADE_ABSENT;
    assert_err(ask(&v, &m), LARDER_MISS);
    expect_all(&v, "k", "b a");
    m = (maker){.text = "c"};
    assert_ok(ask(&v, &m));
    expect_all(&v, "k", "[c] b a");
    m.not_kept = true;
    m.text = "only handed out";
    assert_ok(ask(&v, &m));
    expect_all(&v, "k", "c b a");
  }
}

static void a_change_of_version_is_logged(void **state) {
  fixture *f = *state;
  static const char *const policies[] = {"keep_versions: 0", "keep_versions: 2"};
  for (size_t i = 0; i < 2; i++) {
    view v = open_on(f, "[memory, sqlite]", policies[i], LARDER_LOG_INFO);
    maker m = {.text = "a", .version = "v3"};
    f->logged = 0;
    assert_ok(put_version(&v, "k", "a", "v1"));
    assert_int_equal(f->logged, 0);
    assert_ok(put_version(&v, "k", "b", "v1"));
    assert_int_equal(f->logged, 0);
    assert_ok(put_version(&v, "k", "b", "v2"));
    assert_int_equal(f->logged, 1);
    assert_string_equal(f->line, "`k` in n: from v1 to v2");
    assert_ok(ask(&v, &m));
    assert_int_equal(f->logged, 2);
    assert_string_equal(f->line, "`k` in n: from v2 to v3");
    put(&v, "k", "b");
    assert_int_equal(f->logged, 3);
    assert_string_equal(f->line, "`k` in n: from v3 to none");
    if (i == 1) {
      assert_ok(larder_roll_back(v.ns, "k", 1, NULL, NULL));
      assert_int_equal(f->logged, 4);
    }
    assert_ok(larder_clear(v.ns, NULL));
    close_view(&v);
  }
}

/* --- where it lies
 * -------------------------------------------------------------------------------------------------------------- */

static void behind_is_written_at_once(void **state) {
  fixture *f = *state;
  larder_policy policy;
  view v = open_view(f, "[memory, sqlite]", "keep_versions: 2, durability: behind");
  larder_ns_policy(v.ns, &policy);
  assert_int_equal(policy.durability, LARDER_DURABILITY_COMMIT);
  put(&v, "k", "a");
  put(&v, "k", "b");
  expect_all(&v, "k", "[b] a");
  close_view(&v);
}

static void a_key_that_is_too_long_is_kept_without_history(void **state) {
  fixture *f = *state;
  char key[LARDER_KEY_MAX + 1];
  view v;
  memset(key, 'k', sizeof key - 1);
  key[sizeof key - 1] = 0;
  EACH_CHAIN(v, "keep_versions: 2") {
    f->told = 0;
    put(&v, key, "a");
    put(&v, key, "b");
    expect_all(&v, key, "[b]");
    assert_int_equal(f->told, 1);
    assert_ok(larder_delete(v.ns, key, sizeof key - 1));
    key[LRD_HISTORY_KEY_MAX] = 0;
    put(&v, key, "a");
    put(&v, key, "b");
    expect_all(&v, key, "[b] a");
    key[LRD_HISTORY_KEY_MAX] = 'k';
  }
}

static void a_damaged_list_is_begun_anew(void **state) {
  fixture *f = *state;
  view v;
  EACH_CHAIN(v, "keep_versions: 3") {
    larder_ns *history;
    put(&v, "k", "a");
    put(&v, "k", "b");
    assert_ok(lrd_ns_companion(v.ns, LRD_COMPANION_HISTORY, &history));
    assert_ok(larder_put(history, "ik", 2, "LHI1 and no more", 16, NULL));
    expect_all(&v, "k", "[b]");
    put(&v, "k", "c");
    expect_all(&v, "k", "[c] b");
  }
}

static bool file_has(const char *root, const char *name, const char *text) {
  size_t len = 0;
  char *path = support_path(root, name);
  char *all = access(path, R_OK) == 0 ? support_file_read(path, &len) : NULL;
  bool const has = all && memmem(all, len, text, strlen(text)) != NULL;
  free(all);
  free(path);
  return has;
}

static void a_sealed_history_is_sealed_and_sealed_anew(void **state) {
  fixture *f = *state;
  char id[LARDER_KEY_ID_LEN + 1];
  larder_error err = {0};
  larder_rotation done;
  char *keys = support_path(f->root, "keys");
  assert_ok(larder_key_file_new(keys, false, id, &err));
  view v = open_view(f, "[sqlite]", "keep_versions: 3, seal: aes-256-gcm");
  put(&v, "k", "a plain former value");
  put(&v, "k", "b");
  assert_ok(larder_flush(v.cache));
  assert_false(file_has(f->root, "larder.db", "a plain former"));
  assert_false(file_has(f->root, "larder.db-wal", "a plain former"));
  close_view(&v);
  assert_ok(larder_key_file_new(keys, true, id, &err));
  v = open_view(f, "[sqlite]", "keep_versions: 3, seal: aes-256-gcm");
  assert_ok(larder_keys_rotate(v.cache, NULL, NULL, NULL, &done));
  assert_int_equal(done.resealed, 3); /* the value, its former one, the list */
  expect_all(&v, "k", "[b] a plain former value");
  put(&v, "k", "c");
  expect_all(&v, "k", "[c] b a plain former value");
  close_view(&v);
  free(keys);
}

static void lists_are_read_back_or_refused(void **state) {
  (void)state;
  lrd_history_row rows[] = {{30, 3, {"v3", 2}}, {20, 2, {NULL, 0}}, {10, 1, {"v1", 2}}};
  lrd_history_index index = {.rows = rows, .len = 3, .deleted = 5};
  lrd_history_index back;
  lrd_buf bytes = {0};
  assert_ok(lrd_history_index_encode(&index, &bytes));
  assert_ok(lrd_history_index_decode(bytes.data, bytes.len, &back));
  assert_int_equal(back.len, 3);
  assert_int_equal(back.deleted, 5);
  assert_int_equal(back.rows[2].stamp, 10);
  assert_memory_equal(back.rows[2].version.data, "v1", 2);
  lrd_history_index_fini(&back);
  for (size_t at = 0; at < bytes.len; at++) {
    bytes.data[at] ^= 1;
    assert_err(lrd_history_index_decode(bytes.data, bytes.len, &back), LARDER_EFORMAT);
    bytes.data[at] ^= 1;
    assert_err(lrd_history_index_decode(bytes.data, at, &back), LARDER_EFORMAT);
  }
  rows[1].stamp = 40; /* out of order, with a checksum that is right */
  lrd_buf_clear(&bytes);
  assert_ok(lrd_history_index_encode(&index, &bytes));
  assert_err(lrd_history_index_decode(bytes.data, bytes.len, &back), LARDER_EFORMAT);
  lrd_buf_fini(&bytes);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(the_last_ones_are_kept),
      CASE(without_keep_versions_there_is_the_present_one),
      CASE(many_at_once_and_conditions_keep_history_too),
      CASE(what_is_too_large_to_be_kept_leaves_the_former_one),
      CASE(everything_that_is_known_of_a_value_comes_back),
      CASE(rolling_back_goes_there_and_back),
      CASE(fewer_may_be_kept_later),
      CASE(what_is_deleted_takes_its_history_along),
      CASE(a_history_of_former_times_is_cleared_too),
      CASE(whatever_happens_in_between_nothing_is_lost_and_nothing_comes_back),
      CASE(unchecked_it_would_be_lost),
      CASE(one_that_is_killed_in_between_leaves_all_as_it_was),
      CASE(of_two_that_put_at_once_none_is_lost),
      CASE(what_makers_replace_is_kept),
      CASE(a_change_of_version_is_logged),
      CASE(behind_is_written_at_once),
      CASE(a_key_that_is_too_long_is_kept_without_history),
      CASE(a_damaged_list_is_begun_anew),
      CASE(a_sealed_history_is_sealed_and_sealed_anew),
      CASE(lists_are_read_back_or_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
