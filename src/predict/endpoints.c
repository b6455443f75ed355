/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing over numbers. Nothing is taken out of it alone: when endpoints go, many do, and it is built anew. */
#include "endpoints.h"

#include "base/fail.h"
#include "base/hash.h"
#include <stdlib.h>

#define COUNT_MAX (UINT32_C(1) << 31)

larder_err lrd_endpoints_init(lrd_endpoints *endpoints, uint32_t max) {
  uint32_t cells = 16;
  while (cells < 2 * max) cells *= 2;
  *endpoints = (lrd_endpoints){.max = max, .cells_mask = cells - 1};
  endpoints->of = lrd_alloc_zero(max, sizeof *endpoints->of);
  endpoints->counts = lrd_alloc_zero(max, sizeof *endpoints->counts);
  endpoints->cells = lrd_alloc_zero(cells, sizeof *endpoints->cells);
  endpoints->ranks = lrd_alloc_zero(max, sizeof *endpoints->ranks);
  if (endpoints->of && endpoints->counts && endpoints->cells && endpoints->ranks) return LARDER_OK;
  lrd_endpoints_fini(endpoints);
  return LARDER_ENOMEM;
}

void lrd_endpoints_fini(lrd_endpoints *endpoints) {
  for (uint32_t i = 0; endpoints->of && i < endpoints->slots; i++) lrd_dealloc(endpoints->of[i].text);
  lrd_dealloc(endpoints->of);
  lrd_dealloc(endpoints->counts);
  lrd_dealloc(endpoints->cells);
  lrd_dealloc(endpoints->ranks);
  *endpoints = (lrd_endpoints){0};
}

/* In that order: what a thread forks meanwhile frees what it finds. */
static void endpoint_forget(lrd_endpoint *endpoint) {
  char *text = endpoint->text;
  *endpoint = (lrd_endpoint){0};
  lrd_dealloc(text);
}

void lrd_endpoints_clear(lrd_endpoints *endpoints) {
  for (uint32_t i = 0; i < endpoints->slots; i++) {
    endpoint_forget(&endpoints->of[i]);
    endpoints->counts[i] = 0;
  }
  memset(endpoints->cells, 0, (endpoints->cells_mask + (size_t)1) * sizeof *endpoints->cells);
  endpoints->slots = endpoints->len = endpoints->free_from = endpoints->top_len = 0;
  endpoints->total = endpoints->replaced = 0;
}

uint64_t lrd_endpoints_bytes(const lrd_endpoints *endpoints) {
  size_t each = sizeof *endpoints->of + sizeof *endpoints->counts + sizeof *endpoints->ranks;
  return endpoints->max * (uint64_t)each + (endpoints->cells_mask + (uint64_t)1) * sizeof *endpoints->cells;
}

static bool is_that(const lrd_endpoint *endpoint, uint32_t hash, const char *text, size_t len) {
  return endpoint->hash == hash && endpoint->len == len && memcmp(endpoint->text, text, len) == 0;
}

/* Its cell, or the empty one where it belongs. */
static uint32_t *cell_find(const lrd_endpoints *endpoints, uint32_t hash, const char *text, size_t len) {
  for (uint32_t at = hash & endpoints->cells_mask;; at = (at + 1) & endpoints->cells_mask) {
    uint32_t *cell = &endpoints->cells[at];
    if (*cell == 0 || is_that(&endpoints->of[*cell - 1], hash, text, len)) return cell;
  }
}

/* Without a seed, so that the same events give the same numbers everywhere. */
static uint32_t hash_of(const char *text, size_t len) { return (uint32_t)lrd_hash64(text, len, 0); }

uint32_t lrd_endpoints_find(const lrd_endpoints *endpoints, const char *text, size_t len) {
  return (*cell_find(endpoints, hash_of(text, len), text, len) - 1) & LRD_NO_ENDPOINT; /* of none all bits are set */
}

larder_err lrd_endpoints_add_at(lrd_endpoints *endpoints, uint32_t number, const char *text, size_t len) {
  LRD_ASSERT(number < endpoints->max && endpoints->of[number].text == NULL);
  lrd_endpoint *endpoint = &endpoints->of[number];
  char *copy = lrd_alloc(len + 1);
  if (copy == NULL) return LARDER_ENOMEM;
  memcpy(copy, text, len);
  copy[len] = '\0';
  *endpoint = (lrd_endpoint){.text = copy, .len = (uint32_t)len, .hash = hash_of(text, len)};
  *cell_find(endpoints, endpoint->hash, text, len) = number + 1;
  endpoints->counts[number] = 0;
  endpoints->len++;
  if (number >= endpoints->slots) endpoints->slots = number + 1;
  return LARDER_OK;
}

larder_err lrd_endpoints_add(lrd_endpoints *endpoints, const char *text, size_t len, uint32_t *out) {
  uint32_t number = endpoints->slots;
  if (number == endpoints->max)
    for (number = endpoints->free_from; endpoints->of[number].text != NULL;) number++;
  larder_err err = lrd_endpoints_add_at(endpoints, number, text, len);
  if (err != LARDER_OK) return err;
  if (number < endpoints->max - 1) endpoints->free_from = number + 1;
  *out = number;
  return LARDER_OK;
}

/* --- how often -------------------------------------------------------------------------------------------------------------
 */

static bool is_before(const lrd_endpoints *endpoints, uint32_t a, uint32_t b) {
  uint32_t x = endpoints->counts[a], y = endpoints->counts[b];
  return x > y || (x == y && a < b);
}

/* It has one more, or is new. */
static void top_note(lrd_endpoints *endpoints, uint32_t number) {
  uint32_t *top = endpoints->top;
  uint32_t at = 0;
  if (endpoints->top_len == LRD_NEXT_MAX && is_before(endpoints, top[LRD_NEXT_MAX - 1], number)) return;
  while (at < endpoints->top_len && top[at] != number) at++;
  if (at == LRD_NEXT_MAX) at--; /* the last one goes */
  if (at == endpoints->top_len) endpoints->top_len++;
  for (; at > 0 && is_before(endpoints, number, top[at - 1]); at--) top[at] = top[at - 1];
  top[at] = number;
}

void lrd_endpoints_rank(lrd_endpoints *endpoints) {
  endpoints->top_len = 0;
  for (uint32_t i = 0; i < endpoints->slots; i++)
    if (endpoints->of[i].text) top_note(endpoints, i);
}

static void halve(lrd_endpoints *endpoints) {
  endpoints->total = 0;
  for (uint32_t i = 0; i < endpoints->slots; i++) endpoints->total += endpoints->counts[i] /= 2;
  lrd_endpoints_rank(endpoints);
}

void lrd_endpoints_count(lrd_endpoints *endpoints, uint32_t number, uint64_t event, uint32_t by) {
  uint64_t count = endpoints->counts[number] + (uint64_t)by;
  if (count > COUNT_MAX) count = COUNT_MAX;
  endpoints->total += count - endpoints->counts[number];
  endpoints->counts[number] = (uint32_t)count;
  if (event > endpoints->of[number].seen) endpoints->of[number].seen = event;
  top_note(endpoints, number);
  if (endpoints->total >= lrd_endpoints_total_max(endpoints)) halve(endpoints);
}

/* --- making room -----------------------------------------------------------------------------------------------------------
 */

static int rank_order(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* Less often is less; of equals, longer ago; of these, the lower number. Times go in by their order of magnitude back from the
 * last event, which is all that 12 bits hold. */
static uint64_t rank_of(const lrd_endpoints *endpoints, uint32_t number, uint64_t last) {
  uint64_t ago = (last - endpoints->of[number].seen) * 8, recent = 4095;
  while (ago > 0 && recent > 0) {
    ago -= (ago + 7) / 8;
    recent--;
  }
  return (uint64_t)endpoints->counts[number] << 32 | recent << 20 | number;
}

static void cells_build(lrd_endpoints *endpoints) {
  memset(endpoints->cells, 0, (endpoints->cells_mask + (size_t)1) * sizeof *endpoints->cells);
  for (uint32_t i = 0; i < endpoints->slots; i++) {
    const lrd_endpoint *endpoint = &endpoints->of[i];
    if (endpoint->text) *cell_find(endpoints, endpoint->hash, endpoint->text, endpoint->len) = i + 1;
  }
}

void lrd_endpoints_make_room(lrd_endpoints *endpoints) {
  uint64_t last = 0;
  uint32_t ranks = 0;
  for (uint32_t i = 0; i < endpoints->slots; i++)
    if (endpoints->of[i].seen > last) last = endpoints->of[i].seen;
  for (uint32_t i = 0; i < endpoints->slots; i++)
    if (endpoints->of[i].text) endpoints->ranks[ranks++] = rank_of(endpoints, i, last);
  qsort(endpoints->ranks, ranks, sizeof *endpoints->ranks, rank_order);
  for (uint32_t i = 0; i < (ranks + 7) / 8; i++) {
    uint32_t number = (uint32_t)endpoints->ranks[i] & LRD_NO_ENDPOINT;
    endpoint_forget(&endpoints->of[number]);
    endpoints->counts[number] = 0;
    endpoints->len--;
    endpoints->replaced++;
  }
  endpoints->free_from = 0;
  cells_build(endpoints);
  halve(endpoints);
}
