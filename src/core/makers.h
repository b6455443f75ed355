/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get_or_make from inside: a call's wishes, how a flight is led, how what was made is kept. makers.c has what a cache needs
 * for it, get_or_make.c the call itself, making_run.c the leader's part, made_keep.c the store.
 */
#ifndef LRD_CORE_MAKERS_H
#define LRD_CORE_MAKERS_H

#include "flight.h"
#include "maker/http_engine.h"
#include "maker/making.h"
#include "making_pool.h"
#include <larder/ext/maker.h>

struct lrd_makers {
  lrd_cancel cancel;
  lrd_pool *pool;
  struct lrd_prefetch *prefetch;
  lrd_mutex mutex; /* of the names */
  struct lrd_named_maker *named;
  lrd_http_engine *http; /* NULL: nothing asks by http */
};

LARDER_MUST_CHECK larder_err lrd_makers_open(larder *cache);
/* What runs behind is told to end, and waited for. No call is under way. lrd_makers_resume takes it back. */
void lrd_makers_quiet(larder *cache);
void lrd_makers_resume(larder *cache);
void lrd_makers_free(larder *cache);
/* In a forked child: at once, then when the cache is closed there. */
void lrd_makers_forked(larder *cache);
void lrd_makers_abandon(larder *cache);
/* By larder_makings_cancel, or by closing. */
bool lrd_makings_cancelled(const larder *cache);
/* Once a second: flights past their deadline, leases of the dead. */
void lrd_makers_tick(larder *cache);

/* The engine of all that asks by http in the cache, made when it is wanted first; namespaces are opened one at a time. */
LARDER_MUST_CHECK larder_err lrd_makers_http(larder *cache, lrd_http_engine **out, larder_error *err);

/* Who makes and how. */
typedef struct lrd_wanted {
  lrd_op op;
  larder_make make; /* NULL: nobody */
  void *context;
  bool lasting; /* it may be called after the call that brought it has returned */
  bool fresh;
  bool no_wait;
  bool only_made;
  bool behind;     /* nobody waits */
  bool on_pool;    /* on a thread of ours */
  int64_t soft_ns; /* INT64_MAX: for ever */
  int64_t hard_ns;
  int64_t patience_ns; /* how long the leader waits for another process's making; INT64_MAX: until the flight's deadline */
  uint64_t over_stamp; /* fresh: only over this one; 0: whatever is kept */
  uint64_t seen_stamp; /* of what was kept when it was looked for; 0: nothing */
} lrd_wanted;

/* By boot time, of a making that begins now: the namespace's, or this caller's where that is later. */
int64_t lrd_wanted_deadline(const lrd_wanted *wanted);
/* Whether it was tried just now, and failed. */
bool lrd_wanted_failed_lately(const lrd_wanted *wanted);
/* A callback that was registered by name; false when none was. */
bool lrd_maker_named(larder *cache, const char *name, larder_make *make_out, void **context_out);

/* As larder_get_or_make, for a job: nobody has asked for the key, so that it is no request to who hears of those. */
LARDER_MUST_CHECK larder_err lrd_get_or_make_unheard(larder_ns *ns, const void *key, size_t key_len,
                                                     const larder_make_options *options, larder_value *out, larder_error *err);
/* Whether what the calling thread asks for is no request: it is a job's, or a maker's. */
bool lrd_asks_unheard(void);

/* --- maker_choice.c: the maker of a namespace --------------------------------------------------------------------------- */

/* LARDER_ECONFIG with a sentence that names what is wrong with it. */
LARDER_MUST_CHECK larder_err lrd_ns_maker_open(larder_ns *ns, larder_error *err);
/* Whether somebody is there to make its keys: a callback has been registered. */
bool lrd_ns_can_make(const larder_ns *ns);
/* Nobody is making any more. */
void lrd_ns_maker_close(larder_ns *ns);

/* Leads the flight until it has landed, on the calling thread. Blocks for as long as the making takes. */
void lrd_making_run(lrd_flight *flight, const lrd_wanted *wanted);

/* --- made_keep.c --------------------------------------------------------------------------------------------------------- */

/* What has been made of the flight's key; facts without stamp. */
typedef struct lrd_made_value {
  const void *value;
  size_t len;
  larder_facts facts;
  bool not_kept;       /* it is only handed out */
  uint64_t only_stamp; /* UNCHANGED: of what is good still */
} lrd_made_value;

/* Each keeps it unless the key was changed since the flight began, which is counted. LARDER_OK: it is kept. */
larder_err lrd_made_keep(lrd_flight *flight, const lrd_op *op, lrd_made_value *made);
/* not_kept: not even that there is none. */
larder_err lrd_made_keep_absent(lrd_flight *flight, const lrd_op *op, bool something_kept, bool not_kept);
larder_err lrd_made_keep_unchanged(lrd_flight *flight, const lrd_op *op, const lrd_made_value *made);

#endif
