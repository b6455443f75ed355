/* SPDX-License-Identifier: Apache-2.0 */
/* What a right configuration comes to: defaults, files found, paths, units, chains, what namespaces inherit. */
#include "support/support.h"

#include "config/configuration.h"
#include "config_texts.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define DAY ((int64_t)86400000)

static lrd_config *load(const lrd_config_source *source) {
  lrd_config *config = NULL;
  larder_error err = {0};
  larder_err result = lrd_config_load(source, &config, &err);
  if (result != LARDER_OK) print_error("%s\n", err.message);
  assert_ok(result);
  return config;
}

static lrd_config *load_text(const char *text) { return load(&(lrd_config_source){.text = text, .root = "/srv/larder"}); }

static const lrd_config_tier *tier_of(const lrd_config *config, const lrd_config_ns *ns, size_t link) {
  assert_true(link < ns->chain_len);
  return &config->tiers[ns->chain[link].tier];
}

static const lrd_config_ns *ns_of(const lrd_config *config, const char *name) {
  static lrd_config_ns scratch;
  return lrd_config_ns_find(config, name, &scratch);
}

/* An environment in which only `dir` is anybody's home, and the working directory is `dir/work`. */
static void home_make(const char *dir) {
  char *work = support_path(dir, "work");
  assert_int_equal(lrd_fs_mkdir(work, 0700), 0);
  assert_int_equal(chdir(work), 0);
  free(work);
  setenv("HOME", dir, 1);
  unsetenv("XDG_CACHE_HOME");
  unsetenv("XDG_CONFIG_HOME");
  unsetenv("LARDER_CONFIG");
}

static void without_a_file_it_is_memory_over_sqlite_in_the_users_cache(void **state) {
  home_make(*state);
  lrd_config *config = load(&(lrd_config_source){.search = true});
  char *root = support_path(*state, ".cache/larder"), *db = support_path(root, "larder.db");
  assert_null(config->file);
  assert_null(config->secrets);
  assert_string_equal(config->root, root);
  assert_int_equal(config->tiers_len, 2);
  assert_string_equal(config->tiers[0].type, "memory");
  assert_null(config->tiers[0].path);
  assert_int_equal(config->memory_bytes_max, 256 * MIB);
  assert_string_equal(config->tiers[1].name, "sqlite");
  assert_string_equal(config->tiers[1].path, db);
  assert_int_equal(config->tiers[1].bytes_max, 4096 * MIB);
  assert_string_equal(config->tiers[1].options, "mmap_bytes=1073741824\nblob_bytes_min=65536\nwal_bytes_max=67108864\n"
                                                "wal_bytes_hard=268435456\nreaders_max=16\nbusy_ms=1000\nchecksums=1\n");
  assert_int_equal(config->defaults.chain_len, 2);
  assert_true(config->defaults.ttl_ms == LRD_TTL_NEVER);
  assert_int_equal(config->defaults.durability, LARDER_DURABILITY_COMMIT);
  assert_string_equal(config->defaults.memory_policy, "s3-fifo");
  assert_int_equal(config->slots, 2097152);
  assert_int_equal(config->sweep_interval_ms, 60000);
  assert_int_equal(config->breaker_failures, 3);
  assert_int_equal(config->breaker_retry_ms, 5000);
  assert_true(config->graceful_mode && config->statistics && config->checksums && !config->log_cache_hits);
  assert_int_equal(config->notices_len, 0);
  lrd_config_free(config);

  char *cache = support_path(*state, "elsewhere");
  setenv("XDG_CACHE_HOME", cache, 1);
  config = load(&(lrd_config_source){0});
  assert_memory_equal(config->root, cache, strlen(cache));
  assert_string_equal(config->root + strlen(cache), "/larder");
  lrd_config_free(config);
  free(cache);
  free(db);
  free(root);
}

static void without_a_home_only_who_needs_a_root_is_refused(void **state) {
  home_make(*state);
  unsetenv("HOME");
  lrd_config *config = NULL;
  larder_error err = {0};
  assert_err(lrd_config_load(&(lrd_config_source){0}, &config, &err), LARDER_ECONFIG);
  assert_non_null(strstr(err.message, "neither root nor HOME nor XDG_CACHE_HOME"));
  assert_err(lrd_config_load(&(lrd_config_source){.text = "cache: {root: ~/x}"}, &config, &err), LARDER_ECONFIG);
  assert_non_null(strstr(err.message, "1:15: cache.root: found a path in the home folder, and HOME is not set"));
  config = load(&(lrd_config_source){.text = "cache: {sqlite: {enable: false}}"});
  assert_null(config->root);
  assert_int_equal(config->tiers_len, 1);
  lrd_config_free(config);
  config = load(&(lrd_config_source){.text = "cache: {defaults: {tiers: [memory]}}"});
  assert_null(config->root);
  assert_int_equal(config->tiers_len, 1);
  lrd_config_free(config);
  config = load(&(lrd_config_source){.root = "/srv/larder"});
  assert_string_equal(config->root, "/srv/larder");
  lrd_config_free(config);
}

static void slots_of(const char *dir, const char *name, unsigned slots) {
  char text[64];
  char *path = support_path(dir, name);
  int len = snprintf(text, sizeof text, "cache: {slots: %u}\n", slots);
  support_file_write(path, text, (size_t)len);
  free(path);
}

static void expect_slots(unsigned slots) {
  lrd_config *config = load(&(lrd_config_source){.search = true});
  assert_int_equal(config->slots, slots);
  lrd_config_free(config);
}

static void files_are_looked_for_in_order(void **state) {
  const char *dir = *state;
  home_make(dir);
  char *config_dir = support_path(dir, ".config/larder"), *xdg = support_path(dir, "xdg");
  char *xdg_dir = support_path(dir, "xdg/larder"), *named = support_path(dir, "named.yaml");
  assert_int_equal(lrd_fs_mkdirs(config_dir, 0700), 0);
  assert_int_equal(lrd_fs_mkdirs(xdg_dir, 0700), 0);
  slots_of(config_dir, "larder.yaml", 1024);
  expect_slots(1024);
  slots_of(xdg_dir, "larder.yaml", 2048);
  setenv("XDG_CONFIG_HOME", xdg, 1);
  expect_slots(2048);
  slots_of(dir, "work/larder.yaml", 4096);
  expect_slots(4096);
  slots_of(dir, "named.yaml", 8192);
  setenv("LARDER_CONFIG", named, 1);
  expect_slots(8192);
  setenv("LARDER_CONFIG", "", 1); /* empty is unset */
  expect_slots(4096);
  lrd_config *config = load(&(lrd_config_source){.file = named, .search = true});
  assert_int_equal(config->slots, 8192);
  assert_string_equal(config->file, named);
  lrd_config_free(config);
  config = load(&(lrd_config_source){0}); /* no search: defaults */
  assert_int_equal(config->slots, 2097152);
  lrd_config_free(config);

  larder_error err = {0};
  setenv("LARDER_CONFIG", "/nowhere/larder.yaml", 1);
  assert_err(lrd_config_load(&(lrd_config_source){.search = true}, &config, &err), LARDER_ECONFIG);
  assert_string_equal(err.message, "/nowhere/larder.yaml: there is no such file; give the right path or make it");
  assert_err(lrd_config_load(&(lrd_config_source){.file = dir}, &config, &err), LARDER_ECONFIG);
  assert_non_null(strstr(err.message, "this is a folder"));
  free(named);
  free(xdg_dir);
  free(xdg);
  free(config_dir);
}

static void a_file_that_cannot_be_read_is_no_reason_to_go_on_without(void **state) {
  home_make(*state);
  slots_of(*state, "work/larder.yaml", 4096);
  lrd_config *config = NULL;
  larder_error err = {0};
  support_fs_fail_from(LRD_FS_OPEN, 1, EACCES);
  larder_err result = lrd_config_load(&(lrd_config_source){.search = true}, &config, &err);
  assert_true(support_fs_end() > 0);
  assert_err(result, LARDER_EACCES);
  assert_null(config);
  support_fs_fail_from(LRD_FS_STAT, 1, EACCES);
  result = lrd_config_load(&(lrd_config_source){.search = true}, &config, &err);
  assert_true(support_fs_end() > 0);
  assert_err(result, LARDER_EACCES);
  assert_null(config);
}

static void relative_paths_start_from_the_file_and_from_the_root(void **state) {
  home_make(*state);
  char *file = support_path(*state, "team.yaml"), *root = support_path(*state, "kept/here");
  static const char text[] = "cache:\n  root: ./kept//here/\n  sqlite: {path: db/./main.db}\n"
                             "  namespaces: {a: {tiers: [{sqlite: {path: ~/a.db}}]}}\n";
  support_file_write(file, text, sizeof text - 1);
  lrd_config *config = load(&(lrd_config_source){.file = file});
  assert_string_equal(config->root, root);
  char *db = support_path(root, "db/main.db"), *home_db = support_path(*state, "a.db");
  assert_string_equal(config->tiers[1].path, db);
  assert_string_equal(tier_of(config, ns_of(config, "a"), 0)->path, home_db);
  lrd_config_free(config);
  free(home_db);
  free(db);

  config = load(&(lrd_config_source){.file = file, .root = "over"}); /* from the working directory */
  char *over = support_path(*state, "work/over");
  assert_string_equal(config->root, over);
  db = support_path(over, "db/main.db");
  assert_string_equal(config->tiers[1].path, db);
  lrd_config_free(config);
  free(db);
  free(over);
  free(root);
  free(file);
}

static void the_data_platforms_file_works_unchanged(void **state) {
  home_make(*state);
  lrd_config *config = load_text(config_text_data);
  assert_int_equal(config->memory_bytes_max, 256 * MIB);
  assert_string_equal(config->tiers[1].path, "/srv/larder/data/cache.db");
  assert_int_equal(config->tiers[1].bytes_max, 2048 * MIB);
  assert_int_equal(ns_of(config, "census")->ttl_ms, 365 * DAY);
  assert_int_equal(ns_of(config, "permits")->ttl_ms, 30 * DAY); /* a bare number under ttl_policies */
  assert_int_equal(ns_of(config, "epa")->ttl_ms, 3600000);
  assert_true(ns_of(config, "another")->ttl_ms == LRD_TTL_NEVER);
  assert_true(config->alert_on_low_hit_rate == 0.5 && config->alert_on_high_latency_ms == 20.0);
  assert_true(config->alert_on_high_eviction_rate == 100.0);
  const lrd_config_coding *coding = &ns_of(config, "census")->coding;
  assert_int_equal(coding->codec, 1);
  assert_int_equal(coding->level, 0);
  assert_int_equal(coding->threshold_bytes, 10240);
  assert_true(coding->shuffle);
  assert_int_equal(coding->seal, 0);
  assert_true(config->prefetch.enable && config->prefetch.parallel == 5 && config->prefetch.nearby_radius_miles == 50);
  assert_true(config->prefetch.queue_max == 1024 && config->prefetch.max_age_ms == 60000 && config->prefetch.fill_max == 0.8);
  assert_int_equal(config->notices_len, 0);
  lrd_config_free(config);
}

static void every_key_reaches_the_configuration(void **state) {
  (void)state;
  lrd_config *config = load_text(config_text_everything);
  assert_true(config->shared_filesystem_allow && !config->graceful_mode && !config->statistics && !config->checksums);
  assert_int_equal(config->slots, 4096);
  assert_int_equal(config->sweep_interval_ms, 90000);
  assert_int_equal(config->memory_bytes_max, 64 * MIB);
  assert_int_equal(config->breaker_failures, 5);
  assert_int_equal(config->breaker_retry_ms, 10000);
  assert_true(config->log_cache_hits && config->alert_on_low_hit_rate == 0.25 && config->alert_on_high_latency_ms == 1.5);
  assert_true(config->alert_on_high_eviction_rate == 600.0);
  const lrd_config_ns *ns = &config->defaults;
  assert_null(ns->name);
  assert_int_equal(ns->ttl_ms, 14 * DAY);
  assert_true(ns->jitter == 0.1);
  assert_int_equal(ns->durability, LARDER_DURABILITY_BEHIND);
  assert_int_equal(ns->kind, LARDER_KIND_JSON);
  assert_int_equal(ns->max_entry_bytes, 10000000);
  assert_string_equal(ns->memory_policy, "sieve");
  assert_int_equal(ns->chain[0].entries_max, 500);
  const lrd_config_tier *memory = tier_of(config, ns, 0), *sqlite = tier_of(config, ns, 1);
  assert_int_equal(memory->entries_max, 1000);
  assert_int_equal(sqlite->bytes_max, 512 * MIB);
  assert_int_equal(sqlite->entries_max, 70000);
  assert_string_equal(sqlite->options, "mmap_bytes=0\nblob_bytes_min=131072\nwal_bytes_max=33554432\nwal_bytes_hard=134217728\n"
                                       "readers_max=4\nbusy_ms=2000\nchecksums=0\n");
  assert_int_equal(ns_of(config, "weekly")->ttl_ms, 7 * DAY);
  assert_int_equal(ns_of(config, "half")->ttl_ms, 5400000);
  assert_int_equal(ns_of(config, "iso")->ttl_ms, 3600000);
  assert_true(ns_of(config, "forever")->ttl_ms == LRD_TTL_NEVER);
  assert_int_equal(ns_of(config, "two words")->ttl_ms, 14 * DAY);
  assert_int_equal(ns_of(config, "weekly")->durability, LARDER_DURABILITY_BEHIND);
  lrd_config_free(config);
}

static void health_reaches_the_configuration(void **state) {
  (void)state;
  lrd_config *config = load_text(config_text_everything);
  const lrd_config_health *health = &ns_of(config, "checked")->health;
  const lrd_config_check *check = &health->check;
  assert_true(health->given && health->failures == 5 && !health->evict && health->decay_ms == LRD_TTL_NEVER);
  assert_true(health->retry_ms == 30000 && health->retry_max_ms == 7200000);
  assert_int_equal(check->type, LRD_CHECK_HTTP);
  assert_string_equal(check->url, "http://h/{1}/up");
  assert_true(check->argv == NULL && check->separator == '/' && check->get && check->every_ms == 90000);
  assert_true(check->jitter == 0.1 && check->timeout_ms == 3000 && check->parallel == 4);
  assert_int_equal(check->redirects, 3);
  assert_string_equal(check->headers, "Authorization=Bearer hunter2\n");
  assert_string_equal(check->ca_file, "/etc/ca.pem");
  assert_string_equal(check->proxy, ""); /* none, whatever the environment says */
  check = &ns_of(config, "tried")->health.check;
  assert_true(check->redirects == 0 && check->headers == NULL && check->ca_file == NULL && check->proxy == NULL);
  assert_int_equal(check->type, LRD_CHECK_COMMAND);
  assert_string_equal(check->argv[2], "{key}");
  assert_true(check->url == NULL && !check->get && check->every_ms == 300000 && check->jitter == 0.2 && check->parallel == 2);
  health = &ns_of(config, "counted")->health;
  assert_true(health->given && health->failures == 7 && health->evict && health->check.type == LRD_CHECK_NONE);
  health = &ns_of(config, "plain")->health;
  assert_true(!health->given && health->failures == 3 && health->evict && health->decay_ms == 3600000);
  lrd_config_free(config);
}

static void a_maker_reaches_the_configuration(void **state) {
  (void)state;
  lrd_config *config = load_text(config_text_everything);
  const lrd_config_ns *ns = ns_of(config, "fetched");
  const lrd_config_maker *maker = &ns->maker;
  assert_true(ns->negative_ttl_ms == 60000 && ns->error_ttl_ms == 0 && ns->early_refresh == 1.5);
  assert_string_equal(ns->version, "2026");
  assert_int_equal(ns->versions_max, 5);
  assert_true(config->defaults.version == NULL && config->defaults.versions_max == 0);
  assert_int_equal(maker->type, LRD_MAKER_HTTP);
  assert_string_equal(maker->what, "https://h/{1}?{query}");
  assert_true(maker->argv == NULL && maker->separator == '/' && maker->parallel == 3 && maker->rate_per_s == 5);
  assert_true(maker->burst == 2.5 && maker->soft_timeout_ms == 300 && maker->hard_timeout_ms == 8000);
  assert_true(maker->value_bytes_max == 1000000 && maker->retries == 5 && maker->retry_delay_ms == 1000);
  assert_string_equal(maker->headers, "Authorization=Bearer hunter2\nAccept=text/plain\n");
  assert_string_equal(maker->ca_file, "/etc/ca.pem");
  assert_true(maker->connect_timeout_ms == 1000 && maker->attempt_timeout_ms == 2000 && maker->redirects == 0);
  assert_true(maker->host_rate_per_s == 1000.0 / 3600 && maker->cache_control);
  assert_string_equal(maker->proxy, "http://us:hunter2@proxy.example:3128");
  maker = &ns_of(config, "run")->maker;
  assert_int_equal(maker->type, LRD_MAKER_COMMAND);
  static const char *const argv[] = {"sh", "-c", "echo \"$1\" ${HOME}", "{key}", "--password", "hunter2", "5"};
  for (size_t i = 0; i < 7; i++) assert_string_equal(maker->argv[i], argv[i]);
  assert_true(maker->argv[7] == NULL && maker->what == NULL);
  assert_true(maker->inherit_environment && maker->absent_exit == 3 && maker->hard_timeout_ms == 30000 && maker->retries == 0);
  assert_string_equal(maker->environment, "API_KEY=hunter2\nEMPTY=\n");
  assert_string_equal(maker->folder, "/srv");
  maker = &ns_of(config, "computed")->maker;
  assert_int_equal(maker->type, LRD_MAKER_RECIPE);
  assert_string_equal(maker->what, "kernel");
  assert_true(maker->separator == ':' && maker->parallel == 8 && maker->rate_per_s == 0 && maker->burst == 1);
  assert_true(maker->soft_timeout_ms == 0 && maker->hard_timeout_ms == 0 && maker->retries == 0);
  assert_true(maker->value_bytes_max == 64 * MIB && maker->retry_delay_ms == 200);
  maker = &ns_of(config, "called")->maker;
  assert_int_equal(maker->type, LRD_MAKER_CALLBACK);
  assert_string_equal(maker->what, "ours");
  assert_int_equal(maker->retries, 1);
  assert_int_equal(ns_of(config, "plain")->maker.type, LRD_MAKER_NONE);
  assert_int_equal(ns_of(config, "plain")->error_ttl_ms, 1000);
  assert_int_equal(config->defaults.negative_ttl_ms, 0);
  lrd_config_free(config);
}

static void a_maker_is_inherited_as_a_whole(void **state) {
  home_make(*state);
  lrd_config *config =
      load_text("cache:\n  defaults:\n    negative_ttl: 5s\n    maker: {http: \"https://h/{key}\", retries: 7, "
                "headers: {A: b}, parallel: 2}\n  ttl_policies: {d: 1}\n  namespaces:\n    a: {}\n    b: {maker: "
                "{command: [bin/x], folder: work}}\n    c: {maker: null, negative_ttl: 6s}\n");
  static const char *const inheriting[] = {"a", "c", "d", "unnamed"};
  for (size_t i = 0; i < 4; i++) {
    const lrd_config_maker *maker = &ns_of(config, inheriting[i])->maker;
    assert_int_equal(maker->type, LRD_MAKER_HTTP);
    assert_true(maker->retries == 7 && maker->parallel == 2 && strcmp(maker->headers, "A=b\n") == 0);
  }
  const lrd_config_maker *other = &ns_of(config, "b")->maker;
  assert_int_equal(other->type, LRD_MAKER_COMMAND);
  assert_true(other->retries == 0 && other->parallel == 8 && other->headers == NULL && other->what == NULL);
  assert_true(other->folder[0] == '/' && strstr(other->folder, "/work") != NULL);
  assert_true(ns_of(config, "a")->negative_ttl_ms == 5000 && ns_of(config, "c")->negative_ttl_ms == 6000);
  lrd_config_free(config);
}

static void rates_are_read_in_their_units(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double per_s;
  } rates[] = {{"5/s", 5},           {"2.5", 2.5},           {"300/min", 5}, {"1000/h", 1000.0 / 3600},
               {"1/d", 1.0 / 86400}, {"10/D", 10.0 / 86400}, {"0", 0},       {"1000000/s", 1e6},
               {"7/MIN", 7.0 / 60}};
  for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
    char text[128];
    snprintf(text, sizeof text, "cache: {defaults: {maker: {callback: f, rate: %s}}}\n", rates[i].text);
    lrd_config *config = load_text(text);
    assert_true(config->defaults.maker.rate_per_s == rates[i].per_s);
    lrd_config_free(config);
  }
}

static void a_namespace_has_its_own_compression_and_seal(void **state) {
  home_make(*state);
  lrd_config *config = load_text(
      "cache:\n  key_file: keys/main\n  compression: {enable: true, codec: zstd, level: 19, threshold: 1KiB}\n"
      "  defaults: {seal: fernet}\n  namespaces:\n"
      "    a: {}\n    b: {compression: {codec: lz4, shuffle: false}, seal: none}\n    c: {compression: {enable: no}, seal: "
      "{algorithm: aes-256-gcm}}\n    d: {seal: {fields: [username, password]}}\n    e: {seal: {algorithm: fernet, fields: "
      "[]}}\n");
  const lrd_config_coding *a = &ns_of(config, "a")->coding, *b = &ns_of(config, "b")->coding, *c = &ns_of(config, "c")->coding,
                          *d = &ns_of(config, "d")->coding, *e = &ns_of(config, "e")->coding;
  assert_true(a->codec == 2 && a->level == 19 && a->threshold_bytes == 1024 && a->shuffle && a->seal == 2);
  assert_true(b->codec == 3 && b->threshold_bytes == 1024 && !b->shuffle && b->seal == 0);
  assert_true(c->codec == 0 && c->seal == 1 && c->seal_fields == NULL);
  assert_int_equal(d->seal, 2); /* as the defaults have it */
  assert_string_equal(d->seal_fields, "username\npassword\n");
  assert_true(e->seal == 2 && e->seal_fields == NULL);
  assert_true(config->key_file[0] == '/' && strstr(config->key_file, "/keys/main") != NULL);
  lrd_config_free(config);
  config = load_text("cache: {namespaces: {a: {seal: {fields: [pin]}}, b: {compression: {codec: zstd}}}}\n");
  assert_int_equal(ns_of(config, "a")->coding.seal, 1);
  assert_int_equal(ns_of(config, "b")->coding.codec, 2); /* whoever says how, wants it */
  assert_int_equal(config->defaults.coding.codec, 0);
  lrd_config_free(config);
}

static void chains_share_instances_by_path_and_keep_their_limits(void **state) {
  (void)state;
  lrd_config *config = load_text(config_text_everything);
  const lrd_config_ns *layered = ns_of(config, "layered"), *warm = ns_of(config, "warm"), *small = ns_of(config, "small");
  assert_int_equal(config->tiers_len, 4);
  assert_int_equal(layered->chain_len, 3);
  assert_string_equal(tier_of(config, layered, 1)->name, "sqlite:warm.db");
  assert_string_equal(tier_of(config, layered, 1)->path, "/srv/larder/warm.db");
  assert_int_equal(tier_of(config, layered, 1)->entries_max, 5000);
  assert_int_equal(tier_of(config, layered, 1)->bytes_max, 512 * MIB); /* from the section sqlite */
  assert_string_equal(tier_of(config, layered, 2)->name, "sqlite:/mnt/${cold}.db");
  assert_int_equal(layered->chain[0].entries_max, 10);
  assert_int_equal(layered->chain[0].bytes_max, MIB);
  assert_int_equal(layered->chain[1].entries_max, 100);
  assert_int_equal(layered->chain[2].entries_max, 0);
  assert_int_equal(layered->stale_while_revalidate_ms, 300000);
  assert_int_equal(layered->stale_if_error_ms, DAY);
  assert_int_equal(layered->durability, LARDER_DURABILITY_SYNC);
  assert_string_equal(layered->memory_policy, "w-tinylfu");
  assert_int_equal(warm->chain_len, 1);
  assert_int_equal(warm->chain[0].tier, layered->chain[1].tier);
  assert_int_equal(small->chain[0].entries_max, 500); /* the defaults' limit of the same tier */
  assert_int_equal(small->chain[1].entries_max, 9);
  assert_int_equal(small->chain[1].bytes_max, 4096);
  assert_int_equal(small->chain[1].tier, config->defaults.chain[1].tier);
  assert_int_equal(ns_of(config, "plain")->chain[0].entries_max, 500);
  lrd_config_free(config);
}

static void a_section_goes_before_a_ttl_policy_of_its_name(void **state) {
  (void)state;
  lrd_config *config = load_text("cache:\n  namespaces: {a: {ttl: 5}, b: {jitter: 1%}}\n  ttl_policies: {a: 1, b: 2}\n");
  assert_int_equal(config->namespaces_len, 2);
  assert_int_equal(ns_of(config, "a")->ttl_ms, 5000); /* bare seconds */
  assert_int_equal(ns_of(config, "b")->ttl_ms, 2 * DAY);
  assert_true(ns_of(config, "b")->jitter == 0.01);
  lrd_config_ns scratch;
  const lrd_config_ns *other = lrd_config_ns_find(config, "other", &scratch);
  assert_ptr_equal(other, &scratch);
  assert_string_equal(other->name, "other");
  lrd_config_free(config);
}

static void variables_are_replaced_in_any_value(void **state) {
  (void)state;
  setenv("LARDER_TEST_MB", "32", 1);
  setenv("LARDER_TEST_EMPTY", "", 1);
  setenv("LARDER_TEST_EVIL", "x, enable: false}", 1);
  unsetenv("LARDER_TEST_UNSET");
  lrd_config *config =
      load_text("cache:\n"
                "  memory: {size_mb: \"${LARDER_TEST_MB}\", max_entries: '${LARDER_TEST_UNSET:-77}'}\n"
                "  sqlite: {path: \"a${LARDER_TEST_EMPTY}b$${c}$d-${LARDER_TEST_EMPTY:-e}-${LARDER_TEST_EVIL}\"}\n"
                "  defaults:\n    ttl: ${LARDER_TEST_MB}m\n");
  assert_int_equal(config->memory_bytes_max, 32 * MIB);
  assert_int_equal(config->tiers[0].entries_max, 77);
  assert_string_equal(config->tiers[1].path, "/srv/larder/ab${c}$d-e-x, enable: false}");
  assert_int_equal(config->defaults.ttl_ms, 32 * 60000);
  lrd_config_free(config);
}

static const char *pair_named(const char *const *pairs, const char *name) {
  size_t const len = strlen(name);
  for (; *pairs != NULL; pairs++)
    if (strncmp(*pairs, name, len) == 0 && (*pairs)[len] == '=') return *pairs;
  return NULL;
}

static void what_a_variable_holds_is_no_place(void **state) {
  (void)state;
  setenv("LARDER_TEST_HELD", "a{1}b{", 1);
  unsetenv("LARDER_TEST_UNSET");
  lrd_config *config =
      load_text("cache:\n  namespaces:\n"
                "    a: {maker: {command: [x, '${LARDER_TEST_HELD}{2}', '${LARDER_TEST_UNSET:-{3}}'], environment: "
                "{E: '${LARDER_TEST_HELD}'}}}\n"
                "    b: {maker: {http: 'https://h/${LARDER_TEST_HELD}?{query}'}}\n"
                "    c: {health: {check: {http: 'https://h/${LARDER_TEST_HELD}'}}}\n"
                "    d: {health: {check: {command: [x, '${LARDER_TEST_HELD}']}}}\n"
                "    e: {maker: {recipe: kernel}, nearby: {places: /dev/null, key: '${LARDER_TEST_HELD}{id}'}}\n");
  const lrd_config_maker *maker = &ns_of(config, "a")->maker;
  assert_string_equal(maker->argv[1], "a{{1}}b{{{2}");
  assert_string_equal(maker->argv[2], "{3}"); /* the default is of the file */
  assert_string_equal(maker->environment, "E=a{1}b{\n");
  assert_string_equal(pair_named(maker->variables, "LARDER_TEST_HELD"), "LARDER_TEST_HELD=a{1}b{");
  assert_null(maker->variables[1]); /* once, though it is twice there */
  assert_string_equal(ns_of(config, "b")->maker.what, "https://h/a{{1}}b{{?{query}");
  assert_string_equal(ns_of(config, "c")->health.check.url, "https://h/a{{1}}b{{");
  assert_string_equal(ns_of(config, "d")->health.check.argv[1], "a{{1}}b{{");
  assert_non_null(pair_named(ns_of(config, "d")->health.check.variables, "LARDER_TEST_HELD"));
  assert_string_equal(ns_of(config, "e")->nearby.key, "a{{1}}b{{{id}");
  assert_null(ns_of(config, "e")->maker.variables);
  lrd_config_free(config);
}

static void what_fields_hold_is_not_mixed_with_what_the_defaults_say(void **state) {
  (void)state;
  lrd_config *config = load_text("cache:\n  defaults: {import: {key: 'x:{id}', value_row: true, ttl_field: t}}\n  namespaces:\n"
                                 "    a: {import: {key_field: sku}}\n    b: {ttl: 1h}\n");
  const lrd_config_import *a = &ns_of(config, "a")->import, *b = &ns_of(config, "b")->import;
  assert_string_equal(a->key_field, "sku");
  assert_true(a->key == NULL && !a->value_row && a->ttl_field == NULL);
  assert_string_equal(b->key, "x:{id}");
  assert_true(b->value_row && b->key_field == NULL);
  lrd_config_free(config);
}

static void what_is_foretold_is_configured_by_namespace(void **state) {
  (void)state;
  lrd_config *config =
      load_text("cache:\n  prefetch: {min_probability: 40%}\n  defaults: {predict: {top: 2, budget_mb: 1}}\n  namespaces:\n"
                "    a: {maker: {recipe: kernel}, predict: {enabled: true, chain: context, min_probability: 0.7, rate: 60/min, "
                "max_waste: 20%, max_keys: 100}}\n    b: {}\n");
  const lrd_config_predict *a = &ns_of(config, "a")->predict, *b = &ns_of(config, "b")->predict;
  assert_true(a->enable && a->chain == 3 && a->min_probability == 0.7 && a->rate_per_s == 1 && a->waste_max == 0.2);
  assert_true(a->top == 2 && a->budget_bytes == 1 << 20 && a->keys_max == 100);
  assert_true(!b->enable && b->chain == 0 && b->min_probability == 0 && b->rate_per_s == 20 && b->waste_max == 0.5);
  assert_true(config->prefetch.min_probability == 0.4);
  lrd_config_free(config);
}

static void anchors_and_merge_keys_work(void **state) {
  (void)state;
  lrd_config *config = load_text("base: &base {ttl: 1h, jitter: 2%}\n"
                                 "more: &more {ttl: 9h, kind: text}\n"
                                 "cache:\n  namespaces:\n    a: *base\n    b: {<<: [*base, *more], jitter: 3%}\n");
  assert_int_equal(ns_of(config, "a")->ttl_ms, 3600000);
  assert_int_equal(ns_of(config, "b")->ttl_ms, 3600000);
  assert_true(ns_of(config, "b")->jitter == 0.03);
  assert_int_equal(ns_of(config, "b")->kind, LARDER_KIND_TEXT);
  lrd_config_free(config);
}

static void tiers_of_the_application_are_named_in_chains(void **state) {
  (void)state;
  static const char *const extra[] = {"tape", "cloud", NULL};
  static const char text[] = "cache:\n  namespaces:\n    a: {tiers: [memory, tape]}\n"
                             "    b: {tiers: [{cloud: {path: bucket, max_mb: 5, options: {region: eu, \"tries\": 3}}}]}\n";
  lrd_config *config = load(&(lrd_config_source){.text = text, .root = "/srv/larder", .extra_types = extra});
  const lrd_config_tier *tape = tier_of(config, ns_of(config, "a"), 1), *cloud = tier_of(config, ns_of(config, "b"), 0);
  assert_string_equal(tape->type, "tape");
  assert_string_equal(tape->name, "tape");
  assert_null(tape->path);
  assert_null(tape->options);
  assert_string_equal(cloud->name, "cloud:bucket");
  assert_string_equal(cloud->path, "/srv/larder/bucket");
  assert_int_equal(cloud->bytes_max, 5 * MIB);
  assert_string_equal(cloud->options, "region=eu\ntries=3\n");
  lrd_config_free(config);
}

static void a_tier_that_is_switched_off_leaves_the_chains(void **state) {
  (void)state;
  lrd_config *config = load_text("cache:\n  sqlite: {enable: false}\n  redis: {enable: false}\n"
                                 "  namespaces: {a: {tiers: [memory, sqlite, redis]}}\n");
  assert_int_equal(ns_of(config, "a")->chain_len, 1);
  assert_int_equal(config->notices_len, 2);
  assert_string_equal(config->notices[0],
                      "configuration:4:36: cache.namespaces.a.tiers: sqlite is switched off: the chain goes on without it");
  lrd_config_free(config);
}

static void the_caller_overrides_memory(void **state) {
  (void)state;
  lrd_config *config =
      load(&(lrd_config_source){.text = "cache: {memory: {size_mb: 5}}", .root = "/r", .memory_bytes_max = 12345});
  assert_int_equal(config->memory_bytes_max, 12345);
  assert_int_equal(config->tiers[0].bytes_max, 12345);
  lrd_config_free(config);
}

static void a_failed_allocation_anywhere_is_no_memory_and_leaks_nothing(void **state) {
  (void)state;
  setenv("LARDER_TEST_X", "1", 1);
  static const char *const extra[] = {"tape", NULL};
  static const char *const texts[] = {
      config_text_everything, config_text_data,
      "cache: {memory: {size_mb: \"${LARDER_TEST_X:-2}\", polcy: 3}, namespaces: {t: {tiers: [{tape: "
      "{path: x, options: {a: b}}}]}}}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const lrd_config_source source = {.text = texts[i], .root = "/srv/larder", .extra_types = extra};
    for (uint64_t n = 1;; n++) {
      int64_t live = support_alloc_live();
      lrd_config *config = NULL;
      larder_error err = {0};
      support_alloc_fail_at(n);
      larder_err result = lrd_config_load(&source, &config, &err);
      bool failed = support_alloc_end() >= n;
      if (result == LARDER_OK)
        lrd_config_free(config);
      else if (failed)
        assert_err(result, LARDER_ENOMEM);
      else
        assert_err(result, LARDER_ECONFIG);
      assert_int_equal(support_alloc_live(), live);
      if (!failed) break;
      assert_true(result != LARDER_OK);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(without_a_file_it_is_memory_over_sqlite_in_the_users_cache),
      SUPPORT_DIR_TEST(without_a_home_only_who_needs_a_root_is_refused),
      SUPPORT_DIR_TEST(files_are_looked_for_in_order),
      SUPPORT_DIR_TEST(a_file_that_cannot_be_read_is_no_reason_to_go_on_without),
      SUPPORT_DIR_TEST(relative_paths_start_from_the_file_and_from_the_root),
      SUPPORT_DIR_TEST(the_data_platforms_file_works_unchanged),
      cmocka_unit_test(every_key_reaches_the_configuration),
      cmocka_unit_test(health_reaches_the_configuration),
      cmocka_unit_test(a_maker_reaches_the_configuration),
      SUPPORT_DIR_TEST(a_maker_is_inherited_as_a_whole),
      cmocka_unit_test(rates_are_read_in_their_units),
      SUPPORT_DIR_TEST(a_namespace_has_its_own_compression_and_seal),
      cmocka_unit_test(chains_share_instances_by_path_and_keep_their_limits),
      cmocka_unit_test(a_section_goes_before_a_ttl_policy_of_its_name),
      cmocka_unit_test(variables_are_replaced_in_any_value),
      cmocka_unit_test(what_a_variable_holds_is_no_place),
      cmocka_unit_test(what_fields_hold_is_not_mixed_with_what_the_defaults_say),
      cmocka_unit_test(what_is_foretold_is_configured_by_namespace),
      cmocka_unit_test(anchors_and_merge_keys_work),
      cmocka_unit_test(tiers_of_the_application_are_named_in_chains),
      cmocka_unit_test(a_tier_that_is_switched_off_leaves_the_chains),
      cmocka_unit_test(the_caller_overrides_memory),
      cmocka_unit_test(a_failed_allocation_anywhere_is_no_memory_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
