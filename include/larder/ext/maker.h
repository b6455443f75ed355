/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makers: who makes what is missing. A callback is handed to larder_get_or_make, or registered by name with
 * larder_maker_register and named in a namespace's `maker: {callback: NAME}`; the makers http, command and recipe are
 * configured alone.
 *
 * A key is made by one at a time: in the process, and among all processes of the host where the namespace has a tier on the
 * root. Everybody else who asks meanwhile waits for that making, or is served what is stale.
 *
 * A maker may be called by any thread, for several keys at once, and may itself use the cache; what it asks for may not lead
 * back to its own key: along one thread that is noticed (LARDER_EBUSY), elsewhere it ends at the hard time-out. Past its
 * deadline it is not waited for, and what it still brings is dropped, but it is not interrupted: it should look at
 * larder_making_cancelled. larder_close waits for those that run behind.
 */
#ifndef LARDER_EXT_MAKER_H
#define LARDER_EXT_MAKER_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is wanted. Borrowed during the call. */
typedef struct larder_making {
  size_t size; /* sizeof(larder_making) */
  larder_ns *ns;
  const void *key;
  size_t key_len;
  const void *kept; /* what is there and stale, for a maker that can ask whether it is good still; NULL: nothing */
  size_t kept_len;
  const larder_facts *kept_facts;
  int64_t deadline_ns; /* CLOCK_BOOTTIME; who is not done by then is not waited for any more. INT64_MAX: none */
  bool behind;         /* nobody waits: it is made ahead of time */
  const void *cancel;  /* for larder_making_cancelled */
} larder_making;

/* Whether nobody wants it any more: the deadline has passed or the cache is closing. Cheap. */
LARDER_API bool larder_making_cancelled(const larder_making *making);

typedef enum larder_made_what {
  LARDER_MADE_VALUE,    /* value and len */
  LARDER_MADE_ABSENT,   /* there is no such thing: known for the namespace's negative_ttl */
  LARDER_MADE_UNCHANGED /* what was kept is good still: its lifetime begins anew */
} larder_made_what;

/* What a maker answers. Zero-initialised with its size when the maker is called. */
typedef struct larder_made {
  size_t size;
  larder_made_what what;
  const void *value; /* copied after the call */
  size_t len;
  void (*release)(void *context, const void *value); /* called then; NULL: nothing to release */
  void *release_context;
  larder_put_options put; /* lifetime, kind, version, tags, metadata; borrowed until release */
  int64_t modified_ms;    /* wall time at which the source says it was changed; 0: not known */
  int64_t retry_after_ms; /* with a failure: this key is not tried for so long, at most an hour; 0: for the namespace's
                             error_ttl. Of a namespace's maker no other key is, in this process */
  bool not_kept;          /* whatever it is: it is told to who waits and kept nowhere, and what was kept before is deleted */
} larder_made;

/*
 * LARDER_OK and *made, or a failure and a sentence in err, which reaches everybody who waits. A positive result counts as
 * LARDER_EINVAL.
 */
typedef larder_err (*larder_make)(void *context, const larder_making *making, larder_made *made, larder_error *err);

/*
 * Makes a callback known by the name that `maker: {callback: NAME}` uses; name is copied, make and context stay valid until
 * larder_close. LARDER_EBUSY when there is one of that name.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_maker_register(larder *cache, const char *name, larder_make make, void *context);

/*
 * Whatever is being made or checked is told to end: programs with what they have started, requests, recipes; a callback sees it
 * by larder_making_cancelled. Who waits for it is told LARDER_ECANCELLED, or gets what may be served stale instead; and so is
 * who asks for a making until the cache is closed, but by a callback of its own, which is called and sees it. Never blocks, and
 * may be called by a signal handler while the cache is open. NULL is fine.
 */
LARDER_API void larder_makings_cancel(larder *cache);

typedef struct larder_make_options {
  size_t size;
  larder_make make; /* NULL: the namespace's maker */
  void *context;
  bool lasting;   /* make and context stay valid until larder_close. Only then is it called behind, on threads of the cache, and
                     can the call return at a time-out while it goes on; else it is called in this call and thread alone */
  bool fresh;     /* make it, whatever is kept; a making under way counts */
  bool no_wait;   /* LARDER_EBUSY instead of waiting for somebody else's making, if nothing stale may be served */
  bool in_front;  /* what would be made behind is made in this call, as by a process that ends after it */
  bool only_made; /* nothing kept is served instead where the making fails or takes too long: the failure is told */
  int64_t soft_timeout_ms; /* how long to wait while something stale may be served instead; 0: the namespace's; -1: for ever */
  int64_t hard_timeout_ms; /* how long to wait at most; 0: the namespace's; -1: for ever */
  uint64_t over_stamp; /* with fresh, not 0: only over what has exactly this stamp; else it was made since, and is handed out */
} larder_make_options;

/*
 * A value from the cache, or made and kept. LARDER_OK and *out to release, stale where out->stale says so. LARDER_MISS: the
 * maker says that there is no such thing, now or within negative_ttl. Else the maker's failure, also one of a moment ago
 * (error_ttl): LARDER_EAWAY when the hard time-out passed, LARDER_ECANCELLED when the cache is closing, LARDER_EBUSY when the
 * key is being made by a call above this one, LARDER_EUNSUPPORTED when nobody can make it; LARDER_EKEY and LARDER_EFORMAT as
 * larder_get, unless `fresh`: what is only locked is not made anew. Never fails for a fault of the
 * cache: what can't be kept is handed out all the same; out->tier is then "made". options and err may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_get_or_make(larder_ns *ns, const void *key, size_t key_len,
                                                           const larder_make_options *options, larder_value *out,
                                                           larder_error *err);

#ifdef __cplusplus
}
#endif
#endif
