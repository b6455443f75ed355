/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leader's part of a flight:
 *
 *   the lease                where other processes may make the key, too; who has it first makes it
 *   look again               somebody may have made it meanwhile: then everybody aboard looks for it
 *   the maker                called without any lock, its time taken
 *   keep                     before anybody is told, so that who comes next finds it
 *   land                     those aboard are told, then the lease ends
 *
 * On a thread of ours all but the maker and the waiting is marked busy, for who forks meanwhile.
 */
#include "makers.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "maker/attempts.h"

#define MS            INT64_C(1000000)
#define LOOKS         3u
#define LOOK_AGAIN_NS (10 * MS)

/* A flight being led. */
typedef struct run {
  lrd_flight *flight;
  const lrd_wanted *wanted;
  larder_ns *ns;
  larder_value kept; /* pinned; what the maker may find good still */
  larder_facts kept_facts;
  bool there;
  larder_made made; /* released once it has landed, since facts point into it */
  uint8_t tags_room[LARDER_TAGS_MAX * (1 + LARDER_TAG_MAX)];
  lrd_landing landing;
  uint8_t *value;
  int64_t failed_until_ns;
  larder_error err;
} run;

static void idle_begin(const run *r) {
  if (r->wanted->on_pool) {
    lrd_busy_end();
  }
}

static void idle_end(const run *r) {
  if (r->wanted->on_pool) {
    lrd_busy_begin();
  }
}

static void failed(run *r, larder_err why, const char *reason) { r->landing = (lrd_landing){.result = why, .reason = reason}; }

/* --- the lease ----------------------------------------------------------------------------------------------------------- */

static bool told_of_failure(run *r, larder_err failure, const char *reason) {
  if (failure == LARDER_OK) {
    return false;
  }
  (void)lrd_fail(&r->err, failure, 0, "maker", "%s", reason);
  failed(r, failure, r->err.message);
  r->landing.told = true;
  return true;
}

static bool given_up(run *r) {
  const lrd_cancel *cancel = &r->ns->cache->makers->cancel;
  int64_t const deadline_ns = lrd_flight_deadline(r->flight);
  if (atomic_load(&cancel->closing)) {
    failed(r, LARDER_ECANCELLED, "the cache is closing");
    return true;
  }
  if (deadline_ns != LRD_NO_DEADLINE && lrd_boot_ns(cancel->clock) >= deadline_ns) {
    failed(r, LARDER_EAWAY, "another process was making it until the hard time-out");
    return true;
  }
  return false;
}

static int64_t lease_wait_ns(const run *r) {
  int64_t const deadline_ns = lrd_flight_deadline(r->flight);
  return deadline_ns == LRD_NO_DEADLINE ? INT64_MAX : deadline_ns - lrd_boot_ns(r->ns->cache->clock);
}

/* The place is somebody else's meanwhile. */
static void lease_wait(const run *r, const lrd_lease *lease, int64_t ns) {
  idle_begin(r);
  lrd_pool_wait_begin(r->ns->cache->makers->pool);
  lrd_lease_wait(r->ns->cache->leases, lease, ns);
  lrd_pool_wait_end(r->ns->cache->makers->pool);
  idle_end(r);
}

/* Then the slot tells whether the key was changed, or a neighbour of it. */
static bool goes_without_lease(run *r) {
  lrd_slots *slots = r->ns->cache->slots;
  return lrd_flight_take_lease(r->flight, NULL, lrd_slot_token(slots, lrd_slot_of(slots, r->wanted->op.hash)));
}

/* True when the key is ours to make on this host; else the landing says why not. */
static bool lease_get(run *r) {
  lrd_leases *leases = r->ns->cache->leases;
  uint64_t const hash = r->wanted->op.hash;
  lrd_lease lease;
  int64_t const patience_ns = r->wanted->on_pool ? INT64_MAX : r->wanted->patience_ns;
  int64_t const began_ns = lrd_mono_ns(r->ns->cache->clock);
  for (;;) {
    lrd_lease_answer const said = lrd_lease_take(leases, hash, lrd_flight_deadline(r->flight), r->wanted->fresh, &lease);
    if (said == LRD_LEASE_FAILED) {
      return !told_of_failure(r, lease.failure, lease.reason);
    }
    if (said == LRD_LEASE_NONE) {
      return goes_without_lease(r);
    }
    if (said == LRD_LEASE_TAKEN) {
      uint64_t const token = lrd_slot_token(r->ns->cache->slots, lrd_slot_of(r->ns->cache->slots, hash));
      bool const goes_on = lrd_flight_take_lease(r->flight, &lease, token);
      if (!goes_on) {
        lrd_lease_end(leases, &lease, LARDER_OK, NULL, 0);
      }
      return goes_on;
    }
    if (given_up(r)) {
      return false;
    }
    int64_t const gone_ns = lrd_mono_ns(r->ns->cache->clock) - began_ns;
    if (patience_ns != INT64_MAX && gone_ns >= patience_ns) {
      failed(r, LARDER_EBUSY, "another process is making it");
      r->landing.held_elsewhere = true;
      return false;
    }
    int64_t const left_ns = patience_ns == INT64_MAX ? INT64_MAX : patience_ns - gone_ns;
    lease_wait(r, &lease, left_ns < lease_wait_ns(r) ? left_ns : lease_wait_ns(r));
  }
}

/* Whether the key may be made now, by this thread. */
static bool may_make(run *r) {
  char reason[LRD_LEASE_REASON];
  int64_t until_ns;
  if (lrd_flight_has_landed(r->flight)) { /* cut while it waited for its turn */
    return false;
  }
  if (!r->wanted->fresh &&
      told_of_failure(r, lrd_flights_failure(r->ns->cache->flights, &r->wanted->op, reason, &until_ns), reason)) {
    return false;
  }
  if (r->ns->cache->leases && lrd_ns_coherent(r->ns)) {
    return lease_get(r);
  }
  return !lrd_ns_coherent(r->ns) || goes_without_lease(r);
}

/* --- what is kept meanwhile ---------------------------------------------------------------------------------------------- */

/*
 * A tier that does not answer may have what somebody has just made, so it is asked again; so no crowd on a host that is short
 * of time makes again what is there. But not often, nor for most of the time that there is: then it is made all the same.
 */
static larder_err look(run *r) {
  const lrd_cancel *cancel = &r->ns->cache->makers->cancel;
  int64_t const now_ns = lrd_boot_ns(cancel->clock);
  int64_t const deadline_ns = lrd_flight_deadline(r->flight);
  int64_t const until_ns = deadline_ns == LRD_NO_DEADLINE ? LRD_NO_DEADLINE : now_ns + (deadline_ns - now_ns) / 4;
  for (unsigned asked = 1;; asked++) {
    larder_err const result = lrd_look_up_asking(&r->wanted->op, &r->kept, &r->kept_facts);
    if (result != LARDER_EAWAY || asked == LOOKS || lrd_boot_ns(cancel->clock) >= until_ns || atomic_load(&cancel->closing)) {
      return result;
    }
    idle_begin(r);
    cancel->clock->sleep_ns(cancel->clock, LOOK_AGAIN_NS);
    idle_end(r);
  }
}

/* True when somebody has made it since it was looked for: those aboard find it. */
static bool made_meanwhile(run *r) {
  r->there = look(r) == LARDER_OK;
  if (!r->there || r->kept.stale || (r->wanted->fresh && r->kept_facts.stamp == r->wanted->seen_stamp)) {
    return false;
  }
  r->landing = (lrd_landing){.look = true};
  return true;
}

/* A source knows nothing of the namespace's version: what is of another may be unchanged there and is to be made all the same.
 */
static bool has_value(const run *r) {
  return r->there && r->kept_facts.kind != LARDER_KIND_ABSENT && !lrd_facts_outdated(&r->kept_facts);
}

/* --- the maker ----------------------------------------------------------------------------------------------------------- */

static void cost_note(larder_ns *ns, int64_t took_ns) {
  int64_t const before = atomic_load_explicit(&ns->making_cost_ns, memory_order_relaxed);
  int64_t const now = before == 0 ? took_ns : before + (took_ns - before) / 8;
  atomic_store_explicit(&ns->making_cost_ns, now > 0 ? now : 1, memory_order_relaxed);
}

/* Whether it is worth trying again soon: what is wrong with the call or the machine is not the origin's. */
static bool remembered(larder_err why) {
  return why != LARDER_ECANCELLED && why != LARDER_ENOMEM && why != LARDER_EBUSY && why != LARDER_EUNSUPPORTED;
}

static larder_err call_maker(run *r, larder_made *made) {
  const lrd_wanted *wanted = r->wanted;
  const lrd_clock *clock = r->ns->cache->clock;
  larder_making making = {.size = sizeof making,
                          .ns = r->ns,
                          .key = wanted->op.key,
                          .key_len = wanted->op.key_len,
                          .kept = has_value(r) ? r->kept.data : NULL,
                          .kept_len = has_value(r) ? r->kept.len : 0,
                          .kept_facts = has_value(r) ? &r->kept_facts : NULL,
                          .deadline_ns = lrd_flight_deadline(r->flight),
                          .behind = wanted->behind,
                          .cancel = &r->ns->cache->makers->cancel};
  int64_t const began_ns = lrd_mono_ns(clock);
  idle_begin(r);
  larder_err result = wanted->make(wanted->context, &making, made, &r->err);
  idle_end(r);
  int64_t const took_ns = lrd_mono_ns(clock) - began_ns;
  lrd_stats_time(r->ns->cell, LRD_OP_MAKE, took_ns);
  if (result == LARDER_OK) {
    cost_note(r->ns, took_ns);
  }
  if (result == LARDER_OK || remembered(result)) {
    lrd_news_tell(r->ns, result == LARDER_OK ? LRD_NEWS_ANSWER : LRD_NEWS_NO_ANSWER, wanted->op.hash, 0, took_ns);
  }
  return result > 0 ? LARDER_EINVAL : result;
}

/* Then who comes now has it made anew, whatever came of this. */
static bool changed_meanwhile(const run *r) {
  const _Atomic uint64_t *word = lrd_ns_word(r->ns, r->wanted->op.hash);
  return lrd_flight_overtaken(r->flight, word ? atomic_load(word) : 0);
}

static void making_failed(run *r, larder_err why, int64_t retry_after_ms) {
  int64_t ms = r->ns->policy.error_ttl_ms;
  if (retry_after_ms > 0) {
    ms = retry_after_ms < LRD_RETRY_AFTER_MAX_MS ? retry_after_ms : LRD_RETRY_AFTER_MAX_MS;
  }
  if (r->err.message[0] == 0) {
    (void)lrd_fail(&r->err, why, 0, "maker", "the maker of namespace %s failed: %s", r->ns->name, larder_err_text(why));
  }
  if (why != LARDER_ECANCELLED) {
    lrd_stats_add(r->ns->cell, LRD_STAT_MAKE_FAILED, 1);
    lrd_note(&r->wanted->op, LRD_EVENT_FAILED, NULL, r->err.message);
  }
  failed(r, why, r->err.message);
  if (ms > 0 && remembered(why) && !changed_meanwhile(r)) {
    r->failed_until_ns = lrd_boot_ns(r->ns->cache->clock) + ms * MS;
  }
}

/* --- what it made -------------------------------------------------------------------------------------------------------- */

/* What has a version is kept for the next making to find unchanged, beyond the time in which it is handed out stale. Not where
 * the maker allows less of that than the namespace, whose windows alone say then what is handed out. */
static void keep_to_ask_again(const run *r, const larder_made *made, larder_facts *facts) {
  bool const versioned = facts->version_len > 0 || facts->modified_ms > 0;
  int64_t const window_ms = lrd_ns_stale_ms(r->ns);
  int64_t const ms = r->ns->policy.revalidate_ms;
  if (!versioned || facts->expires_soft_ms == 0 || made->put.stale_ms < 0 ||
      facts->expires_hard_ms - facts->expires_soft_ms < window_ms) {
    return;
  }
  if (facts->expires_hard_ms - facts->expires_soft_ms < ms && facts->expires_soft_ms < INT64_MAX - ms) {
    facts->expires_hard_ms = facts->expires_soft_ms + ms;
  }
}

static larder_err made_check(run *r, const larder_made *made, lrd_made_value *out) {
  if (!made->value && made->len > 0) {
    return lrd_fail(&r->err, LARDER_EINVAL, 0, "maker", "the maker of namespace %s gave a length and no value", r->ns->name);
  }
  if (made->len > LARDER_VALUE_MAX) {
    return lrd_fail(&r->err, LARDER_ETOOBIG, 0, "maker", "the maker of namespace %s made %zu bytes, and %llu are the most",
                    r->ns->name, made->len, (unsigned long long)LARDER_VALUE_MAX);
  }
  *out = (lrd_made_value){.value = made->value, .len = made->len, .not_kept = made->not_kept};
  larder_err result = lrd_facts_from_options(r->ns, &made->put, made->len, r->tags_room, &out->facts);
  if (result != LARDER_OK) {
    return lrd_fail(&r->err, result, 0, "maker", "the maker of namespace %s gave facts that can't be kept: %s", r->ns->name,
                    larder_err_text(result));
  }
  if (made->modified_ms > 0) {
    out->facts.modified_ms = made->modified_ms;
  }
  keep_to_ask_again(r, made, &out->facts);
  return lrd_kind_check(r->ns, out->facts.kind, made->value, made->len, &r->err);
}

static void land_value(run *r, const void *value, size_t len, const larder_facts *facts) {
  r->value = lrd_alloc(len > 0 ? len : 1);
  if (!r->value) {
    failed(r, LARDER_ENOMEM, "out of memory");
    return;
  }
  if (len > 0) {
    memcpy(r->value, value, len);
  }
  r->landing = (lrd_landing){.result = LARDER_OK, .len = len, .facts = *facts};
  r->landing.facts.value_len = r->landing.facts.raw_len = len;
}

static void made_value(run *r, const larder_made *made) {
  lrd_made_value new;
  larder_err result = made_check(r, made, &new);
  if (result != LARDER_OK) {
    making_failed(r, result, 0);
    return;
  }
  lrd_stats_add(r->ns->cell, LRD_STAT_MADE, 1);
  lrd_note(&r->wanted->op, LRD_EVENT_MADE, NULL, NULL);
  larder_err const kept = lrd_made_keep(r->flight, &r->wanted->op, &new); /* what can't be kept is handed out all the same */
  if (r->there && r->kept_facts.kind != LARDER_KIND_ABSENT && (kept == LARDER_OK || kept == LARDER_DEGRADED)) {
    lrd_version_changed(&r->wanted->op, lrd_span_of(r->kept_facts.version, r->kept_facts.version_len),
                        lrd_span_of(new.facts.version, new.facts.version_len));
  }
  land_value(r, made->value, made->len, &new.facts);
}

static void made_absent(run *r, const larder_made *made) {
  lrd_stats_add(r->ns->cell, LRD_STAT_MADE_ABSENT, 1);
  lrd_note(&r->wanted->op, LRD_EVENT_ABSENT, NULL, NULL);
  (void)lrd_made_keep_absent(r->flight, &r->wanted->op, r->there, made->not_kept);
  r->landing = (lrd_landing){.result = LARDER_MISS};
}

static void made_unchanged(run *r, const larder_made *made) {
  if (!has_value(r)) {
    (void)lrd_fail(&r->err, LARDER_EINVAL, 0, "maker", "the maker of namespace %s found unchanged what is not kept",
                   r->ns->name);
    making_failed(r, LARDER_EINVAL, 0);
    return;
  }
  lrd_made_value still = {.facts = r->kept_facts, .only_stamp = r->kept_facts.stamp, .not_kept = made->not_kept};
  larder_facts lifetime;
  larder_err const result = lrd_facts_from_options(r->ns, &made->put, r->kept.len, r->tags_room, &lifetime);
  if (result != LARDER_OK) {
    making_failed(r, result, 0);
    return;
  }
  still.facts.expires_soft_ms = lifetime.expires_soft_ms;
  still.facts.expires_hard_ms = lifetime.expires_hard_ms;
  keep_to_ask_again(r, made, &still.facts);
  lrd_stats_add(r->ns->cell, LRD_STAT_MADE_UNCHANGED, 1);
  lrd_note(&r->wanted->op, LRD_EVENT_UNCHANGED, NULL, NULL);
  (void)lrd_made_keep_unchanged(r->flight, &r->wanted->op, &still);
  land_value(r, r->kept.data, r->kept.len, &still.facts);
}

static void make(run *r) {
  r->made = (larder_made){.size = sizeof r->made, .put = {.size = sizeof r->made.put}};
  larder_err result = call_maker(r, &r->made);
  if (result != LARDER_OK) {
    making_failed(r, result, r->made.retry_after_ms);
  } else if (r->made.what == LARDER_MADE_VALUE) {
    made_value(r, &r->made);
  } else if (r->made.what == LARDER_MADE_ABSENT) {
    made_absent(r, &r->made);
  } else if (r->made.what == LARDER_MADE_UNCHANGED) {
    made_unchanged(r, &r->made);
  } else {
    making_failed(r, LARDER_EINVAL, 0);
  }
}

static void run_fini(run *r) {
  if (r->made.release) {
    idle_begin(r);
    r->made.release(r->made.release_context, r->made.value);
    idle_end(r);
  }
  larder_value_release(&r->kept);
}

void lrd_making_run(lrd_flight *flight, const lrd_wanted *wanted) {
  run r = {.flight = flight, .wanted = wanted, .ns = wanted->op.ns};
  r.landing = (lrd_landing){.result = LARDER_ECANCELLED, .reason = "it was given up"};
  lrd_flight_lead(flight);
  if (may_make(&r) && !made_meanwhile(&r)) {
    make(&r);
  }
  lrd_flight_lead_end(flight);
  (void)lrd_flight_land(flight, &r.landing, r.value, r.failed_until_ns);
  run_fini(&r);
}
