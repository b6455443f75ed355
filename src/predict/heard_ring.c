/* SPDX-License-Identifier: Apache-2.0 */
#include "heard_ring.h"

#define TRIES 16u

larder_err lrd_heard_ring_init(lrd_heard_ring *ring) {
  *ring = (lrd_heard_ring){.places = lrd_alloc_zero(LRD_HEARD_PLACES, sizeof *ring->places)};
  if (ring->places == NULL) return LARDER_ENOMEM;
  for (uint64_t i = 0; i < LRD_HEARD_PLACES; i++) atomic_store(&ring->places[i].turn, i);
  return LARDER_OK;
}

void lrd_heard_ring_fini(lrd_heard_ring *ring) {
  lrd_dealloc(ring->places);
  ring->places = NULL;
}

bool lrd_heard_ring_put(lrd_heard_ring *ring, uint64_t session, const char *user_type, const lrd_news *news) {
  uint64_t at = atomic_load_explicit(&ring->puts, memory_order_relaxed);
  for (unsigned tries = 0; tries < TRIES; tries++) {
    lrd_heard_place *place = &ring->places[at % LRD_HEARD_PLACES];
    uint64_t turn = atomic_load_explicit(&place->turn, memory_order_acquire);
    if (turn < at) return false;
    if (turn > at) { /* somebody was faster */
      at = atomic_load_explicit(&ring->puts, memory_order_relaxed);
      continue;
    }
    if (!atomic_compare_exchange_weak_explicit(&ring->puts, &at, at + 1, memory_order_relaxed, memory_order_relaxed)) continue;
    lrd_heard *heard = &place->heard;
    heard->what = news->what;
    heard->hash = news->hash;
    heard->bytes = news->bytes;
    heard->took_ns = news->took_ns;
    heard->expires_ms = news->expires_ms;
    heard->stamp = news->stamp;
    heard->session = session;
    heard->key_len = (uint16_t)news->key_len;
    memcpy(heard->user_type, user_type, strlen(user_type) + 1);
    if (news->key_len > 0) memcpy(heard->key, news->key, news->key_len);
    atomic_store_explicit(&place->turn, at + 1, memory_order_release);
    return true;
  }
  return false;
}

bool lrd_heard_ring_take(lrd_heard_ring *ring, lrd_heard *out) {
  lrd_heard_place *place = &ring->places[ring->takes % LRD_HEARD_PLACES];
  if (atomic_load_explicit(&place->turn, memory_order_acquire) != ring->takes + 1) return false;
  *out = place->heard;
  atomic_store_explicit(&place->turn, ring->takes + LRD_HEARD_PLACES, memory_order_release);
  ring->takes++;
  return true;
}
