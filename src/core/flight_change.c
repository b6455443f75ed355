/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of keys that are being made. In memory-only namespaces a change and the storing of what is made keep out of each
 * other's way (model/change.pml). Where nothing flies in the chain, a change counts itself in the chain's word, in which
 * flights are counted too, and takes itself out again; neither takes a lock, and each looks for flights by the same step. Where
 * something flies as it begins, it waits while the key's flight is stored, tells it, and stands in a list behind the lock.
 * Where something flies only as it ends, it tells the key's flight, and then is counted no more.
 *
 * A flight is stored when nobody is counted: from its boarding on no more come, so that this is soon. What began before the
 * change is told; what began after memory had taken the change is newer.
 */
#include "base/fail.h"
#include "flight_chain.h"

static bool same_key(const lrd_op *op, const lrd_flight *flight) {
  return op->hash == flight->hash && op->ns == flight->ns && op->key_len == flight->key_len &&
         memcmp(op->key, flight->key, op->key_len) == 0;
}

bool lrd_flight_hold(lrd_flight *flight) {
  lrd_chain *of = flight->chain;
  lrd_lock(&of->mutex);
  /* Those that began before this flight, of whatever key: no more come. One that was cut is waited for by nobody. */
  while (!flight->landed && atomic_load(&of->word) >= LRD_CHAIN_QUICK) {
    (void)pthread_cond_wait(&of->landed, &of->mutex);
  }
  const lrd_changing *changing = of->changing;
  while (changing && !same_key(changing->op, flight)) {
    changing = changing->next;
  }
  flight->storing = !changing && !atomic_load(&flight->overtaken) && !flight->landed;
  bool const held = flight->storing;
  lrd_unlock(&of->mutex);
  return held;
}

void lrd_flight_let_go(lrd_flight *flight) {
  lrd_lock(&flight->chain->mutex);
  LRD_ASSERT(flight->storing);
  flight->storing = false;
  pthread_cond_broadcast(&flight->chain->landed);
  lrd_unlock(&flight->chain->mutex);
}

void lrd_flights_overtake(lrd_flights *flights, const lrd_op *op) {
  if (atomic_load_explicit(&flights->under_way, memory_order_acquire) == 0) {
    return;
  }
  lrd_chain *of = lrd_chain_of(flights, op->hash);
  lrd_lock(&of->mutex);
  lrd_flight *flight = lrd_chain_find(of, op);
  if (flight) {
    atomic_store(&flight->overtaken, true);
  }
  lrd_unlock(&of->mutex);
}

/* Marks the key's flight, once it is not being stored. Under the chain's lock. */
static void overtake_when_stored(lrd_chain *of, const lrd_op *op) {
  lrd_flight *flight = lrd_chain_find(of, op);
  while (flight && flight->storing) {
    (void)pthread_cond_wait(&of->landed, &of->mutex);
    flight = lrd_chain_find(of, op);
  }
  if (flight) {
    atomic_store(&flight->overtaken, true);
  }
}

/* Counts a change, if there is no flight. */
static bool quick_begin(lrd_chain *of) {
  uint64_t word = atomic_load(&of->word);
  while (word % LRD_CHAIN_QUICK == 0) {
    if (atomic_compare_exchange_weak(&of->word, &word, word + LRD_CHAIN_QUICK)) {
      return true;
    }
  }
  return false;
}

/* Counts it no more, if there is no flight still. */
static bool quick_end(lrd_chain *of) {
  uint64_t word = atomic_load(&of->word);
  while (word % LRD_CHAIN_QUICK == 0) {
    if (atomic_compare_exchange_weak(&of->word, &word, word - LRD_CHAIN_QUICK)) {
      return true;
    }
  }
  return false;
}

void lrd_flights_change_begin(lrd_flights *flights, const lrd_op *op, lrd_changing *changing) {
  lrd_chain *of = lrd_chain_of(flights, op->hash);
  *changing = (lrd_changing){.op = op, .quick = quick_begin(of)};
  if (changing->quick) {
    return;
  }
  lrd_lock(&of->mutex);
  overtake_when_stored(of, op);
  changing->next = of->changing;
  of->changing = changing;
  lrd_unlock(&of->mutex);
}

/* One that is counted is told before it is counted no more, or a making could be stored in between. */
void lrd_flights_change_end(lrd_flights *flights, lrd_changing *changing) {
  lrd_chain *of = lrd_chain_of(flights, changing->op->hash);
  if (changing->quick && quick_end(of)) {
    return;
  }
  lrd_lock(&of->mutex);
  lrd_flight *flight = lrd_chain_find(of, changing->op);
  if (flight) {
    atomic_store(&flight->overtaken, true);
  }
  if (changing->quick) {
    atomic_fetch_sub(&of->word, LRD_CHAIN_QUICK);
    pthread_cond_broadcast(&of->landed);
  } else {
    lrd_changing **at = &of->changing;
    while (*at != changing) {
      at = &(*at)->next;
    }
    *at = changing->next;
  }
  lrd_unlock(&of->mutex);
}

void lrd_flights_overtake_all(lrd_flights *flights, const larder_ns *ns) {
  if (atomic_load_explicit(&flights->under_way, memory_order_acquire) == 0) {
    return;
  }
  for (size_t i = 0; i < LRD_CHAINS; i++) {
    lrd_lock(&flights->chains[i].mutex);
    for (lrd_flight *at = flights->chains[i].first; at; at = at->next) {
      if (at->ns == ns) {
        atomic_store(&at->overtaken, true);
      }
    }
    lrd_unlock(&flights->chains[i].mutex);
  }
}
