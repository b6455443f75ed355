/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of places is read whole and never changed: key and place by number, numbers in chains by the key's hash, and once
 * more in order of latitude, so that only a band is measured. When the file has changed a new table takes its place under the
 * lock.
 */
#include "nearby.h"

#include "base/fail.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/measure.h"
#include "config/field_template.h"
#include "places.h"
#include <larder/prefetch.h>
#include <stdlib.h>

#define ROOM          "nearby"
#define NO_PLACE      UINT32_MAX
#define KM_PER_DEGREE 110.5 /* of latitude, at the least */

typedef struct place_key {
  uint64_t hash;
  const lrd_location *place;
  size_t from; /* of its key in the texts */
  uint32_t len;
  uint32_t chain;
  int64_t around_ns; /* when its neighbours were wished for last; 0: never */
} place_key;

typedef struct near_table {
  lrd_places *places;
  lrd_buf texts;
  place_key *keys;
  uint32_t len;
  uint32_t *heads; /* as many as keys */
  uint32_t *by_lat;
} near_table;

struct lrd_nearby {
  lrd_mutex mutex;
  lrd_field_template *plate;
  double radius_km;
  near_table table;
  struct timespec changed; /* the file's */
  int64_t look_ns;
  uint32_t asked[LRD_NEARBY_ASKED];
  uint32_t asked_len;
};

/* --- the table ------------------------------------------------------------------------------------------------------------ */

static void table_fini(near_table *table) {
  lrd_places_free(table->places);
  lrd_buf_fini(&table->texts);
  lrd_dealloc(table->keys);
  lrd_dealloc(table->heads);
  lrd_dealloc(table->by_lat);
  *table = (near_table){0};
}

/* The key of a place into the texts; one that lacks a field has none. */
static larder_err key_make(near_table *table, const lrd_field_template *plate, const lrd_location *place, const larder_ns *ns) {
  lrd_span values[LRD_FIELD_TEMPLATE_NAMES];
  size_t from = table->texts.len;
  for (size_t i = 0; i < lrd_field_template_count(plate); i++) {
    if (!place->more[i]) return LARDER_OK;
    values[i] = lrd_span_str(place->more[i]);
  }
  larder_err result = lrd_field_template_fill(plate, values, &table->texts);
  size_t len = table->texts.len - from;
  if (result != LARDER_OK || len == 0 || len > LARDER_KEY_MAX) return result;
  table->keys[table->len++] = (place_key){
      .hash = lrd_hash64(table->texts.data + from, len, ns->seed), .place = place, .from = from, .len = (uint32_t)len};
  return LARDER_OK;
}

static int lat_compare(const void *a, const void *b, void *context) {
  const place_key *keys = context;
  double one = keys[*(const uint32_t *)a].place->lat, other = keys[*(const uint32_t *)b].place->lat;
  return (one > other) - (one < other);
}

static void table_index(near_table *table) {
  for (uint32_t i = 0; i < table->len; i++) table->heads[i] = NO_PLACE;
  for (uint32_t i = 0; i < table->len; i++) {
    uint32_t *head = &table->heads[table->keys[i].hash % table->len];
    table->keys[i].chain = *head;
    *head = i;
    table->by_lat[i] = i;
  }
  qsort_r(table->by_lat, table->len, sizeof *table->by_lat, lat_compare, table->keys);
}

static larder_err table_read(const larder_ns *ns, const lrd_field_template *plate, near_table *out, larder_error *err) {
  const char *names[LRD_FIELD_TEMPLATE_NAMES];
  lrd_places_options how = {.more = names, .more_len = lrd_field_template_count(plate)};
  for (size_t i = 0; i < how.more_len; i++) names[i] = lrd_field_template_name(plate, i);
  const char *path = ns->policy.nearby.places;
  struct stat facts;
  /* Nothing here may wait for who writes into a pipe. */
  if (lrd_fs_stat(path, &facts) == 0 && !S_ISREG(facts.st_mode))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "%s is no ordinary file, which `nearby` needs to read it again", path);
  larder_err result = lrd_places_open(path, &how, &out->places, err);
  if (result != LARDER_OK) return result;
  size_t count = lrd_places_count(out->places);
  out->keys = lrd_alloc((count + 1) * sizeof *out->keys);
  out->heads = lrd_alloc((count + 1) * sizeof *out->heads);
  out->by_lat = lrd_alloc((count + 1) * sizeof *out->by_lat);
  if (!out->keys || !out->heads || !out->by_lat) result = LARDER_ENOMEM;
  for (size_t i = 0; i < count && result == LARDER_OK; i++) result = key_make(out, plate, lrd_places_at(out->places, i), ns);
  if (result != LARDER_OK) return lrd_fail(err, result, 0, ROOM, "out of memory");
  table_index(out);
  return LARDER_OK;
}

static uint32_t table_find(const near_table *table, const void *key, size_t key_len, uint64_t seed) {
  uint64_t hash = lrd_hash64(key, key_len, seed);
  uint32_t at = table->len > 0 ? table->heads[hash % table->len] : NO_PLACE;
  while (at != NO_PLACE && !(table->keys[at].hash == hash && table->keys[at].len == key_len &&
                             memcmp(table->texts.data + table->keys[at].from, key, key_len) == 0))
    at = table->keys[at].chain;
  return at;
}

static struct timespec file_changed(const char *path) {
  struct stat facts;
  return lrd_fs_stat(path, &facts) == 0 ? facts.st_mtim : (struct timespec){0};
}

/* --- who asks ---------------------------------------------------------------------------------------------------------------
 */

static void key_asked(larder_ns *ns, const void *key, size_t key_len) {
  struct lrd_nearby *near = ns->nearby;
  int64_t now_ns = lrd_mono_ns(ns->cache->clock);
  lrd_lock(&near->mutex);
  uint32_t at = table_find(&near->table, key, key_len, ns->seed);
  if (at != NO_PLACE && near->asked_len < LRD_NEARBY_ASKED) {
    place_key *found = &near->table.keys[at];
    if (found->around_ns == 0 || now_ns - found->around_ns >= LRD_NEARBY_AGAIN) {
      found->around_ns = now_ns > 0 ? now_ns : 1;
      near->asked[near->asked_len++] = at;
    }
  }
  lrd_unlock(&near->mutex);
}

/* A table that is not there may come yet, and nobody's entries depend on it. */
static larder_err table_first(larder_ns *ns, larder_error *err) {
  larder_error why = {0};
  struct lrd_nearby *near = ns->nearby;
  larder_err result = table_read(ns, near->plate, &near->table, &why);
  if (result == LARDER_MISS) {
    lrd_log_write(&ns->cache->log, LRD_LOG_WARN, "nearby.failed", "namespace %s has nothing nearby until it is there: %s",
                  ns->name, why.message);
    return LARDER_OK;
  }
  if (result != LARDER_OK && err) *err = why;
  return result;
}

larder_err lrd_nearby_open(larder_ns *ns, larder_error *err) {
  const lrd_config_nearby *config = &ns->policy.nearby;
  if (!config->places || !ns->make || ns->name[0] == '.' || !ns->cache->config->prefetch.enable) return LARDER_OK;
  struct lrd_nearby *near = lrd_alloc_zero(1, sizeof *near);
  if (!near) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  lrd_mutex_init(&near->mutex);
  near->radius_km = ns->cache->config->prefetch.nearby_radius_miles * LRD_KM_PER_MILE;
  near->changed = file_changed(config->places);
  ns->nearby = near;
  larder_err result = lrd_field_template_new(config->key, &near->plate, err);
  if (result == LARDER_OK && lrd_field_template_count(near->plate) == 0)
    result = lrd_fail(err, LARDER_EINVAL, 0, ROOM, "namespace %s: the key of `nearby` names no field of a place", ns->name);
  if (result == LARDER_OK && config->radius) result = lrd_radius_parse(config->radius, &near->radius_km, err);
  if (result == LARDER_OK) result = table_first(ns, err);
  if (result != LARDER_OK) {
    lrd_nearby_close(ns);
    return result == LARDER_ENOMEM ? result : LARDER_ECONFIG;
  }
  ns->asked = key_asked;
  return LARDER_OK;
}

void lrd_nearby_close(larder_ns *ns) {
  struct lrd_nearby *near = ns->nearby;
  if (!near) return;
  ns->nearby = NULL;
  ns->asked = NULL;
  table_fini(&near->table);
  lrd_field_template_free(near->plate);
  lrd_mutex_fini(&near->mutex);
  lrd_dealloc(near);
}

/* --- the keeper's part ------------------------------------------------------------------------------------------------------
 */

typedef struct neighbour {
  double km;
  uint32_t at;
} neighbour;

static int nearer(const void *a, const void *b) {
  double one = ((const neighbour *)a)->km, other = ((const neighbour *)b)->km;
  return (one > other) - (one < other);
}

/* Only what is within the radius in latitude alone is measured. */
static uint32_t band_begin(const near_table *table, double lat) {
  uint32_t low = 0, high = table->len;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (table->keys[table->by_lat[middle]].place->lat < lat)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void wish_around(larder_ns *ns, uint32_t at) {
  struct lrd_nearby *near = ns->nearby;
  const near_table *table = &near->table;
  const lrd_location *centre = table->keys[at].place;
  double band = near->radius_km / KM_PER_DEGREE;
  lrd_buf found = {0};
  larder_err result = LARDER_OK;
  for (uint32_t i = band_begin(table, centre->lat - band); i < table->len && result == LARDER_OK; i++) {
    uint32_t other = table->by_lat[i];
    const lrd_location *place = table->keys[other].place;
    if (place->lat > centre->lat + band) break;
    neighbour one = {lrd_distance_km(centre->lat, centre->lon, place->lat, place->lon), other};
    if (other != at && one.km <= near->radius_km) result = lrd_buf_append(&found, &one, sizeof one);
  }
  size_t count = found.len / sizeof(neighbour);
  if (count > 0) qsort(found.data, count, sizeof(neighbour), nearer);
  for (size_t i = 0; i < count && i < ns->policy.nearby.limit; i++) {
    neighbour one;
    memcpy(&one, found.data + i * sizeof one, sizeof one);
    const place_key *key = &table->keys[one.at];
    /* From 1 where it is next door to 0 at the edge. */
    double priority = near->radius_km > 0 ? 1 - one.km / near->radius_km : 1;
    lrd_ignore(larder_prefetch(ns, table->texts.data + key->from, key->len, priority, 0)); /* what has no room is let go */
  }
  lrd_buf_fini(&found);
}

/* A table that can't be read now leaves the one before. */
static void file_look(larder_ns *ns) {
  struct lrd_nearby *near = ns->nearby;
  near_table fresh = {0};
  larder_error why = {0};
  int64_t now_ns = lrd_mono_ns(ns->cache->clock);
  if (now_ns < near->look_ns) return;
  near->look_ns = now_ns + LRD_NEARBY_LOOK_NS;
  struct timespec changed = file_changed(ns->policy.nearby.places);
  if (changed.tv_sec == near->changed.tv_sec && changed.tv_nsec == near->changed.tv_nsec) return;
  near->changed = changed;
  if (table_read(ns, near->plate, &fresh, &why) != LARDER_OK) {
    lrd_log_write(&ns->cache->log, LRD_LOG_WARN, "nearby.failed", "namespace %s goes on with the places that it had: %s",
                  ns->name, why.message);
    table_fini(&fresh);
    return;
  }
  lrd_lock(&near->mutex);
  near_table former = near->table;
  near->table = fresh;
  near->asked_len = 0;
  lrd_unlock(&near->mutex);
  table_fini(&former);
}

static void nearby_tick(larder_ns *ns) {
  struct lrd_nearby *near = ns->nearby;
  uint32_t asked[LRD_NEARBY_ASKED];
  file_look(ns);
  lrd_lock(&near->mutex);
  uint32_t len = near->asked_len;
  memcpy(asked, near->asked, len * sizeof *asked);
  near->asked_len = 0;
  lrd_unlock(&near->mutex);
  /* Only this thread puts another table in its place. */
  for (uint32_t i = 0; i < len; i++) wish_around(ns, asked[i]);
}

void lrd_nearby_tick(larder *cache) {
  for (uint32_t i = 0; i < atomic_load(&cache->spaces_len); i++) {
    larder_ns *ns = atomic_load(&cache->spaces[i]);
    if (ns->nearby) nearby_tick(ns);
  }
}
