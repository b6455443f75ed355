/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All waiting is done in slices of at most LOOK_NS, between which it is asked whether anybody still wants the result. What
 * would wait beyond the deadline does not begin to: whoever asked is told at once.
 */
#include "attempts.h"

#include "base/fail.h"
#include "base/hash.h"
#include "config/key_template.h"
#include <stdarg.h>
#include <stdio.h>

#define LOOK_NS   INT64_C(50000000)
#define NS_PER_MS INT64_C(1000000)
#define DELAY_MAX LRD_RETRY_AFTER_MAX_MS /* between two attempts */

void lrd_attempts_init(lrd_attempts *attempts, const lrd_config_maker *config, const char *ns, const char *secrets,
                       const lrd_clock *clock) {
  *attempts = (lrd_attempts){
      .clock = clock, .retries = config->retries, .retry_delay_ms = config->retry_delay_ms, .ns = ns, .secrets = secrets};
  lrd_rate_init(&attempts->rate, clock, config->rate_per_s, config->burst);
}

void lrd_attempts_fini(lrd_attempts *attempts) { lrd_rate_fini(&attempts->rate); }

larder_err lrd_making_look(const larder_making *making, const lrd_clock *clock) {
  bool const gone = larder_making_cancelled(making); /* by the deadline too, which then has passed below as well */
  if (making->deadline_ns != INT64_MAX && lrd_boot_ns(clock) >= making->deadline_ns) {
    return LARDER_EAWAY;
  }
  return gone ? LARDER_ECANCELLED : LARDER_OK;
}

larder_err lrd_making_fail(const lrd_attempts *attempts, const larder_making *making, larder_err code, int os_errno,
                           larder_error *err, const char *format, ...) {
  char sentence[sizeof err->message];
  char key[LRD_KEY_SHOWN_ROOM];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(sentence, sizeof sentence, format, args);
  va_end(args);
  return lrd_fail(err, code, os_errno, "maker", "%s: %s: %s", attempts->ns,
                  lrd_key_shown(attempts->secrets, making->key, making->key_len, key), sentence);
}

static larder_err gone_fail(const lrd_attempts *a, const larder_making *making, larder_err gone, larder_error *err) {
  return lrd_making_fail(a, making, gone, 0, err,
                         gone == LARDER_EAWAY ? "its time was over before it could be tried" : "it was not wanted any more");
}

/* Whether there are so many nanoseconds until the deadline. */
static bool has_time(const lrd_attempts *a, const larder_making *making, int64_t ns) {
  return making->deadline_ns == INT64_MAX || making->deadline_ns - lrd_boot_ns(a->clock) > ns;
}

static larder_err wait_slices(const lrd_attempts *a, const larder_making *making, int64_t ns) {
  larder_err gone = lrd_making_look(making, a->clock);
  while (ns > 0 && gone == LARDER_OK) {
    int64_t slice_ns = ns < LOOK_NS ? ns : LOOK_NS;
    a->clock->sleep_ns(a->clock, slice_ns);
    ns -= slice_ns;
    gone = lrd_making_look(making, a->clock);
  }
  return gone;
}

/* A token of the rate. */
static larder_err turn_take(lrd_attempts *a, const larder_making *making, larder_made *made, larder_error *err) {
  for (int64_t wait_ns; (wait_ns = lrd_rate_take(&a->rate)) > 0;) {
    if (!has_time(a, making, wait_ns)) {
      made->retry_after_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
      return lrd_making_fail(a, making, LARDER_EAWAY, 0, err, "the maker may be asked again in %lld ms only",
                             (long long)made->retry_after_ms);
    }
    /* Somebody else may take the token first: not a longer sleep than until the next look. */
    larder_err gone = wait_slices(a, making, wait_ns < LOOK_NS ? wait_ns : LOOK_NS);
    if (gone != LARDER_OK) {
      return gone_fail(a, making, gone, err);
    }
  }
  larder_err gone = lrd_making_look(making, a->clock);
  return gone == LARDER_OK ? LARDER_OK : gone_fail(a, making, gone, err);
}

int64_t lrd_backoff_ns(int64_t delay_ms, uint64_t attempt, int64_t longest_ms) {
  int64_t most_ms = delay_ms;
  for (uint64_t i = 0; i < attempt && most_ms < longest_ms; i++) most_ms *= 2;
  int64_t const most_ns = (most_ms < longest_ms ? most_ms : longest_ms) * NS_PER_MS;
  uint64_t drawn = 0;
  if (most_ns <= 0 || lrd_random(&drawn, sizeof drawn) != 0) {
    return most_ns > 0 ? most_ns : 0;
  }
  return (int64_t)(drawn % (uint64_t)(most_ns + 1));
}

static bool may_pass(larder_err result) {
  return result != LARDER_ECANCELLED && larder_err_classify(result) == LARDER_CLASS_RETRY;
}

larder_err lrd_attempts_make(lrd_attempts *attempts, larder_make make, void *context, const larder_making *making,
                             larder_made *made, larder_error *err) {
  size_t size = made->size;
  for (uint64_t attempt = 0;; attempt++) {
    *made = (larder_made){.size = size};
    larder_err result = turn_take(attempts, making, made, err);
    if (result != LARDER_OK) {
      return result;
    }
    result = make(context, making, made, err);
    if (result == LARDER_OK) {
      return LARDER_OK;
    }
    bool const too_long = made->retry_after_ms > LRD_RETRY_AFTER_MAX_MS; /* nobody waits for that */
    if (too_long) {
      made->retry_after_ms = LRD_RETRY_AFTER_MAX_MS;
    }
    int64_t asked_ns = made->retry_after_ms > 0 ? made->retry_after_ms * NS_PER_MS : 0;
    lrd_rate_pause(&attempts->rate, asked_ns);
    int64_t wait_ns = lrd_backoff_ns(attempts->retry_delay_ms, attempt, DELAY_MAX);
    wait_ns = wait_ns > asked_ns ? wait_ns : asked_ns;
    if (attempt >= attempts->retries || !may_pass(result) || too_long || !has_time(attempts, making, wait_ns)) {
      return result;
    }
    /* What the attempt said is more than that the time was over behind it. */
    if (wait_slices(attempts, making, wait_ns) != LARDER_OK) {
      return result;
    }
    if (made->release) {
      made->release(made->release_context, made->value);
    }
  }
}
