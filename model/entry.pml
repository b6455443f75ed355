/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One key under the slot protocol (src/core/README.md): processes 0 and 1 with a memory tier each, an upper shared tier
 * that may lose entries, and the authoritative shared tier below. Values are their stamps, 0 is "nothing".
 *
 * The claim, asserted in every get: what is shown is not older than the newest value that was acknowledged or shown
 * anywhere before the get began. A miss shows nothing and is always allowed.
 *
 * An instance is chosen by flags; `check` holds the list.
 *   EVICT    the upper tier evicts                         DEMOTE   memory hands an evicted entry down
 *   DEAF     the upper tier may be unable to forget        AWAY     the authoritative tier may be unable to commit
 *   DEATH=p  process p may die at any step                 NEIGHBOUR a write to another key of the same slot
 *   BEHIND   puts of process 0 wait in its pending table
 *   REMOVED  a sweep or an eviction takes the row out of the authoritative tier, leaving its stamp while something is queued
 * BREAK_… flags each take one safeguard away; `check` demands that the checker finds a violation then.
 */
#define NOBODY  0
#define ROW(p)  ((p) + 1)
#define UNKNOWN 99
#define STAMPS  8

/* A reader that has found an entry looks at its version later. */
#define AT(p, stamp) held_at[(p) * STAMPS + (stamp)]

#ifdef DEATH
#define MORTAL(p) unless { dead[p] }
#else
#define MORTAL(p)
#endif

/* the slot: one 64-bit word in the code, so any expression over both is one atomic load or CAS */
byte version = 1;
byte owner = NOBODY;
bool dead[2];

byte lower = 1;         /* authoritative */
bool lower_gone = false; /* only its stamp is left */
byte upper = 0;
bool upper_dirty = false;
bool lower_dirty = false;
byte held[2];           /* the memory tiers: the value that is found there … */
byte held_at[2 * STAMPS]; /* … and of every entry, also one that is found no more, the slot's version at which it counts */
byte stamps = 1;        /* the clock in the map */
byte newest = 1;        /* acknowledged to anyone or shown to anyone */

#ifdef BEHIND
byte pending = 0;       /* process 0's queue of one */
byte pending_at = UNKNOWN;
byte newest_own = 0;    /* what process 0 itself was shown or had acknowledged: a queued put binds only its own process */
#endif

/* Under ownership: a copy that was taken before may have been dropped since. */
#ifdef BREAK_FLUSH_UNCHECKED
#define STILL_QUEUED(stamp) true
#else
#define STILL_QUEUED(stamp) (pending == stamp)
#endif

inline note(stamp) { atomic { if :: stamp > newest -> newest = stamp :: else fi } }

/* Own the slot, waiting; a dead owner is replaced on the way and moves the slot. */
inline own(p) {
  do
  :: atomic { owner == NOBODY -> owner = ROW(p); break }
  :: atomic { owner != NOBODY && dead[owner - 1] -> version++; owner = NOBODY }
  od
}

/* Own it only if it is unmoved since `token`, never waiting. */
#define CAN_OWN_AT(token) (token != UNKNOWN && owner == NOBODY && version == token)

inline release_moved(stored) { atomic { version++; stored = version; owner = NOBODY } }

inline remember(p, stamp, token) { /* checked, then put: two steps, since the hit checks again */
  if
#ifdef BREAK_FILL_UNCHECKED
  :: token != UNKNOWN -> atomic { held[p] = stamp; AT(p, stamp) = version }
#else
  :: token != UNKNOWN && version == token && owner == NOBODY -> atomic { held[p] = stamp; AT(p, stamp) = token }
#endif
  :: else
  fi
}

#define SERVABLE(token) (version == token && owner == NOBODY)

/* A hit: one load of the slot's word, then one of the entry's version. */
inline load_word(word) {
#ifdef BREAK_HIT_IGNORES_OWNER
  word = version
#else
  atomic { if :: owner == NOBODY -> word = version :: else -> word = UNKNOWN fi }
#endif
}
#ifdef BREAK_HIT_IGNORES_VERSION
#define HIT(p, entry, word) (entry != 0 && word != UNKNOWN)
#else
#define HIT(p, entry, word) (entry != 0 && AT(p, entry) == word)
#endif

inline read_below(p) { /* out: shown, token */
  atomic { if :: owner == NOBODY -> token = version :: else -> token = UNKNOWN fi }
  shown = 0;
#ifdef UPPER
  if :: !upper_dirty -> shown = upper :: else fi;
#endif
  if
  :: shown == 0 && !lower_dirty ->
     atomic { if :: lower_gone -> shown = 0 :: else -> shown = lower fi }
#ifdef UPPER
#ifdef BREAK_FILL_UNOWNED
     if :: shown != 0 && !upper_dirty -> upper = shown :: else fi
#else
     if
     :: atomic { shown != 0 && CAN_OWN_AT(token) && !upper_dirty -> owner = ROW(p) }
        upper = shown;
        owner = NOBODY
     :: else
     fi
#endif
#endif
  :: else
  fi;
  if :: shown != 0 -> remember(p, shown, token) :: else fi
}

proctype Reader(byte p; byte gets) {
  byte least, shown, token, entry;
#ifdef BEHIND
  byte queued, queued_at;
#endif
  {
    do
    :: gets > 0 ->
       gets--;
       least = newest;
#ifdef BEHIND
       if :: p == 0 && newest_own > least -> least = newest_own :: else fi;
       if
       :: p == 0 && pending != 0 ->
          atomic { queued = pending; queued_at = pending_at }
          if
#ifdef BREAK_PENDING_UNCHECKED
          :: queued != 0 -> shown = queued
#else
          :: queued != 0 && SERVABLE(queued_at) -> shown = queued
#endif
          :: else ->
             read_below(p);
             if
             :: shown == 0 && queued != 0 -> /* removed by somebody, or never there: writing it tells */
                own(p);
                atomic {
                  if
                  :: STILL_QUEUED(queued) && queued > lower -> lower = queued; lower_gone = false; shown = queued
                  :: else
                  fi
                }
                release_moved(token)
             :: shown != 0 && queued > shown -> shown = queued
             :: else
             fi
          fi;
          assert(shown == 0 || shown >= least);
          atomic { if :: shown > newest_own -> newest_own = shown :: else fi }
          goto next
       :: else
       fi;
#endif
       entry = held[p];
       load_word(token);
       if
       :: HIT(p, entry, token) -> shown = entry
       :: else -> read_below(p)
       fi;
       assert(shown == 0 || shown >= least);
       note(shown);
next:
       atomic { shown = 0; token = 0; entry = 0; least = 0 }
    :: else -> break
    od
  } MORTAL(p)
}

/* put, delete and expire alike: a new value under a new stamp */
proctype Writer(byte p; byte puts) {
  byte stamp, stored;
  {
    do
    :: puts > 0 ->
       puts--;
#ifdef BREAK_OWNER_STOLEN
       owner = ROW(p);
#else
       own(p);
#endif
       atomic { stamps++; stamp = stamps }
#ifdef UPPER
#ifndef BREAK_UPPER_LAST
       if
       :: !upper_dirty -> upper = 0
#ifdef DEAF
#ifdef BREAK_NO_DIRTY_MARK
       :: true -> skip
#else
       :: true -> upper_dirty = true
#endif
#endif
       :: upper_dirty
       fi;
#endif
#endif
       if
       :: !lower_dirty -> atomic { lower = stamp; lower_gone = false }
#ifdef AWAY
#ifdef BREAK_NO_DIRTY_MARK
       :: true -> skip
#else
       :: true -> lower_dirty = true
#endif
#endif
       :: lower_dirty
       fi;
#ifdef UPPER
#ifdef BREAK_UPPER_LAST
       if :: !upper_dirty -> upper = 0 :: else fi;
#endif
       if
       :: !upper_dirty -> upper = stamp
       :: skip
       fi;
#endif
#ifdef BEHIND
       atomic { if :: p == 0 && pending <= stamp -> pending = 0 :: else fi } /* what was queued has been overtaken */
#endif
#ifdef BREAK_SLOT_UNMOVED
       atomic { held[p] = stamp; AT(p, stamp) = version; owner = NOBODY }
#else
#ifdef BREAK_RETAG_OWN
       atomic { if :: held[p] != 0 && AT(p, held[p]) == version -> AT(p, held[p]) = version + 1 :: else fi }
#endif
       atomic { held[p] = stamp; AT(p, stamp) = version + 1 } /* counts from the release on */
       release_moved(stored);
#endif
       note(stamp);
       atomic { stamp = 0; stored = 0 }
    :: else -> break
    od
  } MORTAL(p)
}

#ifdef BEHIND
/* A queued put, and the flusher that carries it down as the slot's owner. Only process 0 writes so. */
proctype Queuer() {
  byte stamp;
  {
    atomic { /* one critical section of the table */
      stamps++; stamp = stamps;
      pending = stamp;
      if :: owner == NOBODY -> pending_at = version :: else -> pending_at = UNKNOWN fi
    }
    atomic { if :: stamp > newest_own -> newest_own = stamp :: else fi }
  } MORTAL(0)
}

proctype Flusher() {
  byte stamp, stored, copy;
end: /* a direct write may drop what is queued before it gets here */
  {
    atomic { pending != 0; stamp = pending; copy = pending }
    own(0);
#ifdef UPPER
    upper = 0;
#endif
    if
#ifdef BREAK_FLUSH_UNORDERED
    :: true -> lower = stamp
#else
    :: STILL_QUEUED(stamp) && stamp > lower -> atomic { lower = stamp; lower_gone = false }
#endif
    :: else -> stamp = 0 /* a newer value is there: dropped */
    fi;
    release_moved(stored);
    atomic { if :: pending == copy -> pending = 0 :: else fi }
    note(stamp)
  } MORTAL(0)
}
#endif

#ifdef NEIGHBOUR
/* Another key of the slot changes in process p, which re-tags what it holds in that slot. */
proctype Neighbour(byte p) {
  byte stored;
  {
    own(p);
#ifdef BREAK_RETAG_ALL
    AT(p, held[p]) = version + 1;
#else
    atomic { if :: AT(p, held[p]) == version -> AT(p, held[p]) = version + 1 :: else fi }
#endif
    release_moved(stored)
  } MORTAL(p)
}
#endif

#ifdef EVICT
proctype Evictor(byte p) {
  {
    if
    :: atomic { owner == NOBODY -> owner = ROW(p) }
       upper = 0;
       owner = NOBODY
    :: owner != NOBODY
    fi
  } MORTAL(p)
}
#endif

#ifdef REMOVED
proctype Remover(byte p) {
  byte stored;
  {
    own(p);
#ifdef BREAK_REMOVED_WITHOUT_TRACE
    lower = 0;
#else
    if
    :: pending != 0 -> lower_gone = true
    :: else -> lower = 0
    fi;
#endif
    release_moved(stored)
  } MORTAL(p)
}
#endif

#ifdef DEMOTE
proctype Demoter(byte p) {
  byte entry, entry_at;
  {
    atomic { entry = held[p]; entry_at = AT(p, entry); held[p] = 0 }
    if
#ifdef BREAK_DEMOTION_UNOWNED
    :: entry != 0 && !upper_dirty -> upper = entry
#else
    :: atomic { entry != 0 && CAN_OWN_AT(entry_at) && !upper_dirty -> owner = ROW(p) }
       upper = entry;
       owner = NOBODY
#endif
    :: else
    fi
  } MORTAL(p)
}
#endif

#if defined(DEAF) || defined(AWAY)
/* The tier works again: the slot's owner deletes the slot's range there, then takes the mark away. */
proctype Mender(byte p) {
  {
    own(p);
    if
    :: upper_dirty ->
#ifdef BREAK_MARK_CLEARED_FIRST
       upper_dirty = false;
       upper = 0
#else
       upper = 0;
       upper_dirty = false
#endif
    :: lower_dirty ->
#ifdef BREAK_MARK_CLEARED_FIRST
       lower_dirty = false;
       lower = 0
#else
       lower = 0;
       lower_dirty = false
#endif
    :: else
    fi;
    owner = NOBODY
  } MORTAL(p)
}
#endif

#ifdef DEATH
proctype Death() { dead[DEATH] = true }
#endif

#ifndef GETS
#define GETS 2
#endif

init {
  atomic {
    run Reader(0, GETS);
    run Reader(1, GETS);
#ifdef PUTS_0
    run Writer(0, PUTS_0);
#endif
#ifdef PUTS_1
    run Writer(1, PUTS_1);
#endif
#ifdef BEHIND
    run Queuer();
    run Flusher();
#endif
#ifdef NEIGHBOUR
    run Neighbour(0);
#endif
#ifdef REMOVED
    run Remover(1);
#endif
#ifdef EVICT
    run Evictor(0);
#endif
#ifdef DEMOTE
    run Demoter(0);
#endif
#if defined(DEAF) || defined(AWAY)
    run Mender(0);
#endif
#ifdef DEATH
    run Death();
#endif
  }
}
