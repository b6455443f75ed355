/* SPDX-License-Identifier: Apache-2.0 */
/* Sections in the order in which they name each other: services, endpoints, users, failures; then the keys are laid out. */
#include "spec_value.h"

#include "base/fail.h"
#include <math.h>
#include <stdio.h>

#define DAYS(n)  ((n)*86400000.0)
#define WHERE_TO 160

larder_traffic *lrd_traffic_new(void) {
  larder_traffic *traffic = lrd_alloc_zero(1, sizeof *traffic);
  if (traffic == NULL) return NULL;
  traffic->hit_ms = 1;
  traffic->burst_times = 1;
#define WEIGHT(id, name, value, says) traffic->agent_weights[LARDER_AGENT_##id] = value;
  LARDER_AGENT_EVENTS_TABLE(WEIGHT)
#undef WEIGHT
  return traffic;
}

void larder_traffic_close(larder_traffic **traffic) {
  if (traffic == NULL || *traffic == NULL) return;
  lrd_config_arena_fini(&(*traffic)->arena);
  lrd_dealloc(*traffic);
  *traffic = NULL;
}

/* A name that can stand in paths and tables. */
static bool name_check(lrd_spec_reading *r, const lrd_yaml_node *key, const char *where) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (key->kind == LRD_YAML_SCALAR && key->len > 0 && key->len < LARDER_TRAFFIC_NAME_MAX &&
      strspn(key->text, letters) == key->len)
    return true;
  lrd_mistake_add(r->mistakes, key->place, "%s: expected a name of letters, digits, - _ and ., of at most %u", where,
                  LARDER_TRAFFIC_NAME_MAX - 1);
  return false;
}

/* The pairs of a section one by one: each is read by `read`, which gets a name that is one and a mapping. */
static void section_read(lrd_spec_reading *r, const lrd_yaml_node *root, const char *section, uint32_t most, uint32_t *count,
                         void (*read)(lrd_spec_reading *r, const lrd_yaml_item *item, const char *where)) {
  char where[WHERE_TO];
  const lrd_yaml_node *map = lrd_spec_member(root, section);
  if (map == NULL || !lrd_spec_map(r, map, section)) return;
  if (map->first == NULL) lrd_mistake_add(r->mistakes, map->place, "%s: found nothing; expected at least one", section);
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    if (!name_check(r, item->key, section)) continue;
    snprintf(where, sizeof where, "%s.%s", section, item->key->text);
    if (*count == most) {
      lrd_mistake_add(r->mistakes, item->key->place, "%s: found more than %u; expected at most that", section, most);
      return;
    }
    if (lrd_spec_member(map, item->key->text) != item->value)
      lrd_mistake_add(r->mistakes, item->key->place, "%s: found a second time; expected it once", where);
    else if (lrd_spec_map(r, item->value, where))
      read(r, item, where);
  }
}

/* --- services and endpoints ----------------------------------------------------------------------------------------------- */

static void service_read(lrd_spec_reading *r, const lrd_yaml_item *item, const char *where) {
  static const lrd_spec_field fields[] = {
      {"latency", LRD_SPEC_DURATION, offsetof(lrd_traffic_service, latency_ms), 1, 600000, true},
      {"spread", LRD_SPEC_REAL, offsetof(lrd_traffic_service, spread), 0, 2, false},
      {"capacity", LRD_SPEC_REAL, offsetof(lrd_traffic_service, capacity), 0.01, 1e9, false},
      {"timeout", LRD_SPEC_DURATION, offsetof(lrd_traffic_service, timeout_ms), 1, 600000, false},
      {"errors", LRD_SPEC_PART, offsetof(lrd_traffic_service, errors), 0, 1, false},
      {"retries", LRD_SPEC_COUNT, offsetof(lrd_traffic_service, retries), 0, 10, false},
      {"needs", LRD_SPEC_SERVICE, offsetof(lrd_traffic_service, needs), 0, 0, false},
      {0}};
  larder_traffic *t = r->traffic;
  lrd_traffic_service *service = &t->services[t->services_len];
  *service = (lrd_traffic_service){.spread = 0.3, .timeout_ms = 2000, .retries = 1, .needs = LRD_TRAFFIC_NONE};
  lrd_spec_fields(r, item->value, fields, service, where);
  service->name = item->key->text;
  t->services_len++;
}

static void endpoint_read(lrd_spec_reading *r, const lrd_yaml_item *item, const char *where) {
  static const lrd_spec_field fields[] = {
      {"service", LRD_SPEC_SERVICE, offsetof(lrd_traffic_endpoint, service), 0, 0, true},
      {"ids", LRD_SPEC_COUNT, offsetof(lrd_traffic_endpoint, ids), 1, (double)LRD_TRAFFIC_KEYS_MAX, false},
      {"skew", LRD_SPEC_REAL, offsetof(lrd_traffic_endpoint, skew), 0, 3, false},
      {"same", LRD_SPEC_ENDPOINT, offsetof(lrd_traffic_endpoint, same), 0, 0, false},
      {"own", LRD_SPEC_BOOL, offsetof(lrd_traffic_endpoint, own), 0, 0, false},
      {"bytes", LRD_SPEC_SIZE, offsetof(lrd_traffic_endpoint, bytes), 0, 1e12, false},
      {"ttl", LRD_SPEC_DURATION, offsetof(lrd_traffic_endpoint, ttl_ms), 1, DAYS(365), false},
      {0}};
  larder_traffic *t = r->traffic;
  lrd_traffic_endpoint *endpoint = &t->endpoints[t->endpoints_len];
  *endpoint = (lrd_traffic_endpoint){.ids = 1, .same = LRD_TRAFFIC_NONE, .bytes = 4096};
  lrd_spec_fields(r, item->value, fields, endpoint, where);
  bool ids = lrd_spec_member(item->value, "ids") != NULL, same = endpoint->same != LRD_TRAFFIC_NONE;
  if (ids + same + endpoint->own > 1)
    lrd_mistake_add(r->mistakes, item->value->place, "%s: found more than one of ids, same and own; expected one", where);
  if (same && t->endpoints[endpoint->same].same != LRD_TRAFFIC_NONE) endpoint->same = t->endpoints[endpoint->same].same;
  endpoint->name = item->key->text;
  t->endpoints_len++;
}

/* --- users ---------------------------------------------------------------------------------------------------------------- */

/* Weights of endpoints into sums; `whole`: they are made to add up to 1, else they must not exceed it. */
static void weights_read(lrd_spec_reading *r, const lrd_yaml_node *map, double *sums, bool whole, const char *where) {
  const lrd_spec_field weight = {"it", LRD_SPEC_PART, 0, 0, 1, false};
  double parts[LRD_TRAFFIC_ENDPOINTS_MAX] = {0}, sum = 0, so_far = 0;
  if (!lrd_spec_map(r, map, where)) return;
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    double part = 0;
    uint32_t at = lrd_spec_endpoint(r, item->key, where);
    if (at == LRD_TRAFFIC_NONE || !lrd_spec_value(r, item->value, &weight, &part, where)) continue;
    if (lrd_spec_member(map, item->key->text) != item->value)
      lrd_mistake_add(r->mistakes, item->key->place, "%s: found %s a second time; expected it once", where, item->key->text);
    parts[at] = part;
    sum += part;
  }
  if (!whole && sum > 1 + 1e-9)
    lrd_mistake_add(r->mistakes, map->place, "%s: parts add up to %g; expected at most 1 (what is missing ends the session)",
                    where, sum);
  if (whole && !(sum > 0)) lrd_mistake_add(r->mistakes, map->place, "%s: found nothing; expected where sessions begin", where);
  for (uint32_t i = 0; i < LRD_TRAFFIC_ENDPOINTS_MAX; i++) {
    so_far += whole && sum > 0 ? parts[i] / sum : parts[i];
    sums[i] = so_far;
  }
}

static void moves_read(lrd_spec_reading *r, const lrd_yaml_node *map, lrd_traffic_user *user, const char *where) {
  char inner[WHERE_TO + 80];
  if (!lrd_spec_map(r, map, where)) return;
  for (const lrd_yaml_item *item = map->first; item != NULL; item = item->next) {
    uint32_t from = lrd_spec_endpoint(r, item->key, where);
    if (from == LRD_TRAFFIC_NONE) continue;
    snprintf(inner, sizeof inner, "%s.%s", where, r->traffic->endpoints[from].name);
    if (lrd_spec_member(map, item->key->text) != item->value)
      lrd_mistake_add(r->mistakes, item->key->place, "%s: found a second time; expected it once", inner);
    else
      weights_read(r, item->value, user->moves[from], false, inner);
  }
}

static void user_read(lrd_spec_reading *r, const lrd_yaml_item *item, const char *where) {
  static const lrd_spec_field fields[] = {
      {"share", LRD_SPEC_REAL, offsetof(lrd_traffic_user, share), 0.001, 1e6, false},
      {"count", LRD_SPEC_COUNT, offsetof(lrd_traffic_user, count), 1, (double)LRD_TRAFFIC_KEYS_MAX, false},
      {"think", LRD_SPEC_DURATION, offsetof(lrd_traffic_user, think_ms), 1, DAYS(1), false},
      {"walks", LRD_SPEC_BOOL, offsetof(lrd_traffic_user, walks), 0, 0, false},
      {"start", LRD_SPEC_OTHER, 0, 0, 0, true},
      {"moves", LRD_SPEC_OTHER, 0, 0, 0, false},
      {0}};
  char inner[WHERE_TO + 8];
  larder_traffic *t = r->traffic;
  lrd_traffic_user *user = &t->users[t->users_len];
  *user = (lrd_traffic_user){.share = 1, .count = 1000, .think_ms = 2000};
  lrd_spec_fields(r, item->value, fields, user, where);
  const lrd_yaml_node *start = lrd_spec_member(item->value, "start"), *moves = lrd_spec_member(item->value, "moves");
  snprintf(inner, sizeof inner, "%s.start", where);
  if (start != NULL) weights_read(r, start, user->start, true, inner);
  snprintf(inner, sizeof inner, "%s.moves", where);
  if (moves != NULL) moves_read(r, moves, user, inner);
  user->name = item->key->text;
  t->users_len++;
}

/* --- failures ------------------------------------------------------------------------------------------------------------- */

static void failures_read(lrd_spec_reading *r, const lrd_yaml_node *root) {
  static const lrd_spec_field fields[] = {
      {"service", LRD_SPEC_SERVICE, offsetof(lrd_traffic_failure, service), 0, 0, true},
      {"at", LRD_SPEC_DURATION, offsetof(lrd_traffic_failure, at_ms), 0, DAYS(365), true},
      {"length", LRD_SPEC_DURATION, offsetof(lrd_traffic_failure, length_ms), 1, DAYS(365), true},
      {"slower", LRD_SPEC_REAL, offsetof(lrd_traffic_failure, slower), 1, 1000, false},
      {"errors", LRD_SPEC_PART, offsetof(lrd_traffic_failure, errors), 0, 1, false},
      {0}};
  larder_traffic *t = r->traffic;
  const lrd_yaml_node *list = lrd_spec_member(root, "failures");
  if (list == NULL) return;
  if (list->kind != LRD_YAML_LIST) {
    lrd_mistake_add(r->mistakes, list->place, "failures: found %s; expected a list", lrd_yaml_kind_text(list));
    return;
  }
  for (const lrd_yaml_item *item = list->first; item != NULL; item = item->next) {
    if (t->failures_len == LRD_TRAFFIC_FAILURES_MAX) {
      lrd_mistake_add(r->mistakes, item->value->place, "failures: found more than %u; expected at most that",
                      LRD_TRAFFIC_FAILURES_MAX);
      return;
    }
    lrd_traffic_failure *failure = &t->failures[t->failures_len];
    *failure = (lrd_traffic_failure){.slower = 1};
    if (!lrd_spec_map(r, item->value, "failures")) continue;
    lrd_spec_fields(r, item->value, fields, failure, "failures");
    t->failures_len++;
  }
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

/* The sections that are one mapping each. */
static void single_sections_read(lrd_spec_reading *r, const lrd_yaml_node *root) {
  static const lrd_spec_field cache[] = {
      {"entries", LRD_SPEC_COUNT, offsetof(larder_traffic, cache_entries), 1, (double)LRD_TRAFFIC_KEYS_MAX, true},
      {"hit", LRD_SPEC_DURATION, offsetof(larder_traffic, hit_ms), 0, 1000, false},
      {0}};
  static const lrd_spec_field day[] = {{"length", LRD_SPEC_DURATION, offsetof(larder_traffic, day_ms), 1000, DAYS(365), true},
                                       {"depth", LRD_SPEC_PART, offsetof(larder_traffic, day_depth), 0, 1, true},
                                       {0}};
  static const lrd_spec_field bursts[] = {
      {"every", LRD_SPEC_DURATION, offsetof(larder_traffic, burst_every_ms), 1000, DAYS(365), true},
      {"length", LRD_SPEC_DURATION, offsetof(larder_traffic, burst_length_ms), 1, DAYS(365), true},
      {"times", LRD_SPEC_REAL, offsetof(larder_traffic, burst_times), 1, 1000, true},
      {0}};
  static const lrd_spec_field agent[] = {
#define WEIGHT(id, name, value, says)                                                                                          \
  {#name, LRD_SPEC_REAL, offsetof(larder_traffic, agent_weights) + LARDER_AGENT_##id * sizeof(double), -1e6, 1e6, false},
      LARDER_AGENT_EVENTS_TABLE(WEIGHT)
#undef WEIGHT
          {"epsilon", LRD_SPEC_REAL, offsetof(larder_traffic, agent_epsilon), 1e-6, 1, false},
      {"epsilon_last", LRD_SPEC_REAL, offsetof(larder_traffic, agent_epsilon_last), 1e-6, 1, false},
      {"margin", LRD_SPEC_REAL, offsetof(larder_traffic, agent_margin), 1e-6, 1, false},
      {"horizon", LRD_SPEC_COUNT, offsetof(larder_traffic, agent_horizon), 1, LARDER_AGENT_HORIZON_MAX, false},
      {"window", LRD_SPEC_COUNT, offsetof(larder_traffic, agent_window), 1, 1e9, false},
      {0}};
  static const struct {
    const char *name;
    const lrd_spec_field *fields;
  } parts[] = {{"cache", cache}, {"day", day}, {"bursts", bursts}, {"agent", agent}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    const lrd_yaml_node *map = lrd_spec_member(root, parts[i].name);
    if (map != NULL && lrd_spec_map(r, map, parts[i].name)) lrd_spec_fields(r, map, parts[i].fields, r->traffic, parts[i].name);
  }
}

/* What the agent itself would refuse. */
static void agent_check(lrd_spec_reading *r, const lrd_yaml_node *root) {
  const larder_traffic *t = r->traffic;
  const lrd_yaml_node *map = lrd_spec_member(root, "agent");
  double first = t->agent_epsilon > 0 ? t->agent_epsilon : LARDER_AGENT_EPSILON;
  double last = t->agent_epsilon_last > 0 ? t->agent_epsilon_last : LARDER_AGENT_EPSILON_LAST;
  if (map != NULL && last > first)
    lrd_mistake_add(r->mistakes, map->place,
                    "agent: epsilon_last is %g and epsilon %g; expected no more in the end than at first", last, first);
}

static void keys_lay_out(lrd_spec_reading *r, const lrd_yaml_node *root) {
  larder_traffic *t = r->traffic;
  uint64_t users = 0, keys = 0;
  for (uint32_t i = 0; i < t->users_len; i++) {
    t->users[i].first = (uint32_t)users;
    users += t->users[i].count;
  }
  for (uint32_t i = 0; i < t->endpoints_len; i++) {
    lrd_traffic_endpoint *e = &t->endpoints[i];
    uint64_t own = e->own ? users : e->same != LRD_TRAFFIC_NONE ? t->endpoints[e->same].keys : e->ids;
    e->first_key = (uint32_t)keys;
    e->keys = (uint32_t)own;
    keys += own;
    if (keys > LRD_TRAFFIC_KEYS_MAX || users > LRD_TRAFFIC_KEYS_MAX) {
      lrd_mistake_add(r->mistakes, root->place, "endpoints: found more than %llu keys with their ids; expected fewer",
                      (unsigned long long)LRD_TRAFFIC_KEYS_MAX);
      return;
    }
  }
  t->keys = (uint32_t)keys;
}

larder_err lrd_traffic_read(larder_traffic *traffic, const char *text, size_t len, lrd_mistakes *mistakes) {
  static const lrd_spec_field fields[] = {
      {"length", LRD_SPEC_DURATION, offsetof(larder_traffic, length_ms), 1, DAYS(365), true},
      {"sessions", LRD_SPEC_REAL, offsetof(larder_traffic, sessions), 1e-6, 1e6, true},
      {"cache", LRD_SPEC_OTHER, 0, 0, 0, true},
      {"day", LRD_SPEC_OTHER, 0, 0, 0, false},
      {"bursts", LRD_SPEC_OTHER, 0, 0, 0, false},
      {"services", LRD_SPEC_OTHER, 0, 0, 0, true},
      {"endpoints", LRD_SPEC_OTHER, 0, 0, 0, true},
      {"users", LRD_SPEC_OTHER, 0, 0, 0, true},
      {"failures", LRD_SPEC_OTHER, 0, 0, 0, false},
      {"agent", LRD_SPEC_OTHER, 0, 0, 0, false},
      {0}};
  lrd_spec_reading r = {traffic, mistakes};
  lrd_yaml_node *root = NULL;
  larder_err err = lrd_yaml_parse(text, len, mistakes, &root);
  if (err != LARDER_OK) return err;
  if (root == NULL) {
    if (mistakes->count == 0) lrd_mistake_add(mistakes, (lrd_place){1, 1}, "found nothing; expected a mapping");
  } else if (lrd_spec_map(&r, root, "the file")) {
    lrd_spec_fields(&r, root, fields, traffic, "the file");
    single_sections_read(&r, root);
    section_read(&r, root, "services", LRD_TRAFFIC_SERVICES_MAX, &traffic->services_len, service_read);
    section_read(&r, root, "endpoints", LRD_TRAFFIC_ENDPOINTS_MAX, &traffic->endpoints_len, endpoint_read);
    section_read(&r, root, "users", LRD_TRAFFIC_USERS_MAX, &traffic->users_len, user_read);
    failures_read(&r, root);
    agent_check(&r, root);
    keys_lay_out(&r, root);
  }
  return mistakes->out_of_memory ? LARDER_ENOMEM : LARDER_OK;
}
