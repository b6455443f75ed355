/* SPDX-License-Identifier: Apache-2.0 */
/* Three words, no lock: the failures in a row, when it opened, whether somebody is trying. */
#include "breaker.h"

void lrd_breaker_init(lrd_breaker *breaker, uint32_t failures_max, int64_t retry_ns) {
  *breaker = (lrd_breaker){.failures_max = failures_max ? failures_max : 3, .retry_ns = retry_ns};
}

static bool waits(const lrd_breaker *breaker, int64_t opened_ns, int64_t now_ns) {
  return opened_ns != 0 && now_ns - opened_ns < breaker->retry_ns;
}

bool lrd_breaker_waits(const lrd_breaker *breaker, int64_t now_ns) {
  return waits(breaker, atomic_load(&breaker->opened_ns), now_ns);
}

bool lrd_breaker_allows(lrd_breaker *breaker, int64_t now_ns) {
  int64_t opened_ns = atomic_load_explicit(&breaker->opened_ns, memory_order_acquire);
  if (opened_ns == 0) {
    return true;
  }
  if (waits(breaker, opened_ns, now_ns)) {
    return false;
  }
  return !atomic_exchange(&breaker->trying, true);
}

bool lrd_breaker_succeeded(lrd_breaker *breaker) {
  if (atomic_load_explicit(&breaker->failures, memory_order_relaxed) != 0) {
    atomic_store(&breaker->failures, 0);
  }
  if (atomic_load_explicit(&breaker->opened_ns, memory_order_relaxed) == 0) {
    return false;
  }
  atomic_store(&breaker->opened_ns, 0);
  atomic_store(&breaker->trying, false);
  return true;
}

bool lrd_breaker_failed(lrd_breaker *breaker, int64_t now_ns) {
  uint32_t failures = atomic_fetch_add(&breaker->failures, 1) + 1;
  bool was_open = atomic_load(&breaker->opened_ns) != 0;
  if (!was_open && failures < breaker->failures_max) {
    return false;
  }
  atomic_store(&breaker->opened_ns, now_ns ? now_ns : 1);
  atomic_store(&breaker->trying, false);
  return !was_open;
}

const char *lrd_breaker_state(const lrd_breaker *breaker, int64_t now_ns) {
  int64_t opened_ns = atomic_load(&breaker->opened_ns);
  if (opened_ns == 0) {
    return "closed";
  }
  return waits(breaker, opened_ns, now_ns) ? "open" : "half-open";
}
