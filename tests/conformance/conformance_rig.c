/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance_rig.h"

#include "base/hash.h"
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn void rig_broken(const char *what, const char *file, int line) {
  (void)fprintf(stderr, "%s:%d: the tier does not: %s\n", file, line, what);
  _exit(1);
}

static int64_t host_wall_ms(void *context) { return atomic_load(&((rig *)context)->now_ms); }
static int64_t host_mono_ns(void *context) { return atomic_load(&((rig *)context)->now_ms) * 1000000; }
static bool host_try_own(void *context, uint64_t hash) {
  rig *r = context;
  (void)hash;
  if (r->slots_refused) return false;
  atomic_fetch_add(&r->owned, 1);
  return true;
}
static void host_release(void *context, uint64_t hash) {
  (void)hash;
  atomic_fetch_add(&((rig *)context)->released, 1);
}
static void host_evicted(void *context, uint32_t space, larder_evict_reason reason, uint64_t count, uint64_t bytes) {
  (void)space;
  (void)bytes;
  atomic_fetch_add(&((rig *)context)->evicted[reason], count);
}
static void host_demote(void *context, const larder_tier_key *key, const void *value, const larder_facts *facts, uint64_t token,
                        larder_evict_reason reason) {
  (void)token;
  (void)reason;
  REQUIRE(key->len > 0 && facts->value_len > 0 && value);
  atomic_fetch_add(&((rig *)context)->demoted, 1);
}
static void host_log(void *context, int level, const char *id, const char *message) {
  (void)context;
  (void)level;
  (void)id;
  (void)message;
}
static void host_distrust(void *context, larder_err why, const char *message) {
  (void)context;
  (void)why;
  (void)message;
}

larder_err rig_try_open(rig *r, uint64_t seed) {
  char path[512];
  (void)snprintf(path, sizeof path, "%s/tier.store", r->root);
  larder_tier_params params = {.size = sizeof params,
                               .root = r->root,
                               .path = path,
                               .seed = seed,
                               .bytes_max = r->bytes_max,
                               .entries_max = r->entries_max,
                               .host = {.context = r,
                                        .wall_ms = host_wall_ms,
                                        .mono_ns = host_mono_ns,
                                        .slot_try_own = host_try_own,
                                        .slot_release = host_release,
                                        .evicted = host_evicted,
                                        .demote = host_demote,
                                        .log = host_log,
                                        .distrust = host_distrust}};
  return r->ops->open(&params, &r->self, NULL);
}

static void bind_spaces(rig *r) {
  larder_tier_space space = {.size = sizeof space, .name = "first"};
  REQUIRE(r->ops->bind(r->self, &space, &r->space) == LARDER_OK);
  space.name = "second";
  REQUIRE(r->ops->bind(r->self, &space, &r->other) == LARDER_OK);
}

void rig_open_limited(rig *r, const larder_tier_ops *ops, const char *root, uint64_t bytes_max, uint64_t entries_max) {
  memset(r, 0, sizeof *r);
  r->ops = ops;
  r->root = root;
  r->bytes_max = bytes_max;
  r->entries_max = entries_max;
  atomic_store(&r->now_ms, RIG_START_MS);
  REQUIRE(rig_try_open(r, RIG_SEED) == LARDER_OK);
  bind_spaces(r);
}

void rig_open(rig *r, const larder_tier_ops *ops, const char *root) { rig_open_limited(r, ops, root, 32 << 20, 0); }

void rig_close(rig *r) {
  if (r->self) r->ops->close(r->self);
  r->self = NULL;
}

void rig_reopen(rig *r) {
  rig_close(r);
  REQUIRE(rig_try_open(r, RIG_SEED) == LARDER_OK);
  bind_spaces(r);
}

bool rig_can(const rig *r, uint32_t capability) { return (r->ops->capabilities & capability) != 0; }
bool rig_shared(const rig *r) { return rig_can(r, LARDER_TIER_SHARED); }

larder_tier_key rig_key(const rig *r, const char *text) {
  return (larder_tier_key){text, strlen(text), lrd_hash64(text, strlen(text), RIG_SEED), r->space};
}

larder_facts rig_facts(uint64_t stamp, size_t len) { return (larder_facts){.stamp = stamp, .value_len = len}; }

larder_err rig_write(rig *r, larder_tier_write *item) {
  larder_err result = r->ops->write(r->self, item, 1, LARDER_DURABILITY_COMMIT);
  return result == LARDER_OK ? item->result : result;
}

larder_err rig_put(rig *r, const char *key, const char *value, uint64_t stamp) {
  larder_tier_write item = {.key = rig_key(r, key), .value = value, .facts = rig_facts(stamp, strlen(value))};
  return rig_write(r, &item);
}

larder_err rig_delete(rig *r, const char *key, uint64_t stamp, bool *existed) {
  larder_tier_write item = {.verb = LARDER_TIER_DELETE, .key = rig_key(r, key), .facts = rig_facts(stamp, 0)};
  larder_err result = rig_write(r, &item);
  if (existed) *existed = item.existed;
  return result;
}

larder_err rig_get(rig *r, const char *key, larder_tier_entry *out) {
  larder_tier_key k = rig_key(r, key);
  return r->ops->get(r->self, &k, false, NULL, out);
}

bool rig_shows(rig *r, const char *key, const char *value) {
  larder_tier_entry entry;
  larder_err result = rig_get(r, key, &entry);
  if (result == LARDER_MISS) return value == NULL;
  REQUIRE(result == LARDER_OK);
  bool same = value && entry.facts.value_len == strlen(value) && memcmp(entry.value, value, strlen(value)) == 0;
  r->ops->release(r->self, &entry);
  return same;
}

uint64_t rig_entries(rig *r, uint32_t space) {
  larder_tier_usage usage;
  REQUIRE(r->ops->usage(r->self, space, &usage) == LARDER_OK);
  return usage.entries;
}

typedef struct child {
  const larder_tier_ops *ops;
  const conformance_check *check;
  const char *root;
  bool quiet;
} child;

static void child_run(void *context) {
  child *c = context;
  int null = c->quiet ? open("/dev/null", O_WRONLY) : -1;
  if (null >= 0) (void)dup2(null, STDERR_FILENO);
  alarm(120);
  c->check->run(c->ops, c->root);
}

bool conformance_stands(const larder_tier_ops *ops, const conformance_check *check, bool quiet) {
  char *root = support_dir_make();
  int status = support_in_child(child_run, &(child){ops, check, root, quiet});
  support_dir_remove(&root);
  return status == 0;
}
