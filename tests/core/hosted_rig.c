/* SPDX-License-Identifier: Apache-2.0 */
#include "hosted_rig.h"

#include "base/fail.h"
#include "core/makers.h"
#include "larder_testing.h"
#include <larder/ext/maker.h>
#include <larder/foretell.h>
#include <larder/prefetch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static larder_err origin_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  static char value[2000];
  fixture *f = context;
  (void)err;
  while (atomic_load(&f->decides)) nap();
  if (f->clock.clock.wall_ms) lrd_clock_moved_advance_ms(&f->clock, atomic_load(&f->takes_ms));
  atomic_fetch_add(strcmp(larder_ns_name(making->ns), "same") == 0 ? &f->made_same : &f->made, 1);
  made->put.ttl_ms = atomic_load(&f->ttl_ms);
  if (atomic_load(&f->fails)) return LARDER_EIO;
  made->value = value;
  made->len = sizeof value;
  return LARDER_OK;
}

static void line_note(void *context, int level, const char *id, const char *message) {
  fixture *f = context;
  (void)level, (void)message;
  if (strcmp(id, "agent.aside") == 0) atomic_fetch_add(&f->aside, 1);
  if (strcmp(id, "agent.back") == 0) atomic_fetch_add(&f->back, 1);
  if (strcmp(id, "agent.file") == 0) atomic_fetch_add(&f->files, 1);
}

larder_err hosted_open_in(fixture *f, char *root, const setting *how, larder_error *err) {
  char text[1024], limits[64] = "";
  memset(f, 0, sizeof *f);
  f->root = root;
  atomic_store(&f->takes_ms, TAKES_MS);
  if (how->entries) snprintf(limits, sizeof limits, "limits: {memory: %u}, ", how->entries);
  snprintf(text, sizeof text,
           "cache:\n  slots: 1024\n  memory: {size_mb: 8}\n  prefetch: {max_parallel_requests: 1}\n  namespaces:\n"
           "    n: {tiers: [%s], %sttl: 1h, error_ttl: 0s, maker: {callback: origin, parallel: 8}, "
           "predict: {enable: true, chain: first, rate: 0%s}, agent: {enable: true%s}}\n"
           "    same: {tiers: [%s], %sttl: 1h, maker: {callback: origin}}\n"
           "    plain: {tiers: [memory], maker: {callback: origin}, predict: {enable: true}}\n",
           how->tiers ? how->tiers : "memory", limits, how->predict ? how->predict : "", how->agent ? how->agent : "",
           how->tiers ? how->tiers : "memory", limits);
  larder_options options = {.size = sizeof options,
                            .root = f->root,
                            .config_text = text,
                            .log = line_note,
                            .log_context = f,
                            .log_level = LARDER_LOG_INFO};
  larder_err result;
  if (how->by_itself) {
    result = larder_open(&options, &f->cache, err);
  } else {
    lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
    result = lrd_larder_open_with_clock(&options, &f->clock.clock, &f->cache, err);
  }
  if (result != LARDER_OK) return result;
  result = larder_maker_register(f->cache, "origin", origin_make, f);
  if (result == LARDER_OK) result = larder_ns_open(f->cache, "n", &f->ns, err);
  if (result != LARDER_OK) assert_ok(larder_close(&f->cache));
  return result;
}

void hosted_open(fixture *f, const setting *how) {
  larder_error err = {0};
  if (hosted_open_in(f, support_dir_make(), how, &err) != LARDER_OK) fail_msg("%s", err.message);
}

void hosted_shut(fixture *f) {
  larder_foretell_session(NULL, 0, NULL);
  assert_ok(larder_close(&f->cache));
  support_dir_remove(&f->root);
}

larder_learning_figures figures(fixture *f) {
  larder_learning_figures now = {0};
  assert_ok(larder_learning_figures_get(f->ns, &now));
  return now;
}

double told(fixture *f, larder_agent_event event) { return figures(f).agent.told[event]; }

void settle(fixture *f) {
  for (unsigned round = 0; round < 3; round++) {
    atomic_store(&f->decides, true);
    lrd_larder_tick(f->cache);
    atomic_store(&f->decides, false);
    for (larder_prefetch_figures now = {0};;) {
      larder_prefetch_figures_get(f->cache, &now);
      if (now.queued == 0 && now.running == 0 && lrd_pool_makings(f->cache->makers->pool, f->ns) == 0) break;
      nap();
    }
  }
}

larder_err ask(fixture *f, const char *key) {
  larder_value value = {0};
  larder_err err = larder_get_or_make(f->ns, key, strlen(key), NULL, &value, NULL);
  larder_value_release(&value);
  return err;
}

void ask_number(fixture *f, unsigned number) {
  char key[16];
  snprintf(key, sizeof key, "k%u", number);
  assert_ok(ask(f, key));
}

const char *tier_of(fixture *f, const char *key) {
  larder_stat stat;
  if (larder_stat_get(f->ns, key, strlen(key), &stat) != LARDER_OK) return "";
  const char *tier = stat.tier;
  larder_stat_free(&stat);
  return tier;
}

void session(fixture *f, const char *word) {
  static uint64_t number;
  number++;
  larder_foretell_session(&number, sizeof number, NULL);
  for (; *word; word++) assert_ok(ask(f, (char[2]){*word, '\0'}));
}

void forget(fixture *f, const char *keys) {
  for (; *keys; keys++) assert_true(larder_delete(f->ns, keys, 1) >= 0);
}

uint64_t taken(fixture *f, larder_agent_action action) { return figures(f).agent.taken[action]; }
