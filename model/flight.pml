/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makings of one key (src/core/flight.h, src/maker/lease.h): process 0 makes it once or twice, somebody there joins, process 1
 * changes the key. A change is a number; a made value is worth the number of changes that had been acknowledged when its making
 * began, a stored one what it was made or put at, and 0 is nothing.
 *
 * The claim, asserted in every look and by who joins: what is shown is worth no less than what was acknowledged before the look
 * began, in its own process or, of a put that waits in a queue, once it is written.
 *
 *   WRITES=n  changes by process 1: each a put or a delete       BEHIND  a change by process 0: a put that is queued
 *   TIMES=n   makings by process 0
 *   DEATH     process 0 may die while it makes; process 1 makes it then
 * BREAK_… flags each take one safeguard away.
 */
#define NOBODY 0
#define ROW(p) ((p) + 1)
#ifndef WRITES
#define WRITES 1
#endif
#ifndef TIMES
#define TIMES 1
#endif

byte owner = NOBODY;   /* the slot's; its version is of no matter here */
byte kept = 0;         /* what the shared tier has */
byte kept_stamp = 0;
byte stamps = 0;
byte changes = 1;      /* numbers given */
byte newest = 1;       /* acknowledged on the host */
byte newest_here = 1;  /* acknowledged in process 0 */

/* the lease: who has it, and whether the key was changed since */
byte holder = NOBODY;
bool overtaken = false;

/* process 0's table of flights: one place */
bool flies = false;
bool flight_overtaken = false;
byte flight = 0; /* tells one from the next */
byte landed = 0; /* the last that has landed, and … */
byte brought = 0;

#ifdef BEHIND
byte queued = 0;
byte queued_stamp = 0;
#endif
bool dead = false;

inline own(p) { atomic { owner == NOBODY -> owner = ROW(p) } }
inline acknowledge(change) {
  atomic {
    if :: change > newest -> newest = change :: else fi;
    if :: change > newest_here -> newest_here = change :: else fi
  }
}
/* Whoever changes the key tells who makes it: on the host by the lease, in his own process also by the flight. */
inline tell_host() { atomic { if :: holder != NOBODY -> overtaken = true :: else fi } }
inline tell_here() { atomic { if :: flies -> flight_overtaken = true :: else fi } }

proctype Maker(byte p; byte times) {
  byte worth, stamp;
  {
    do
    :: times > 0 ->
       times--;
       if
       :: p == 0 -> atomic { !flies -> flies = true; flight++; flight_overtaken = false }
       :: else
       fi;
       atomic { (holder == NOBODY || (holder == ROW(0) && dead)) -> holder = ROW(p); overtaken = false }
       worth = changes;
       skip; /* the long making */
       own(p);
#ifdef BREAK_STAMP_AFTER_CHECK
       if :: !overtaken -> stamps++; stamp = stamps; kept = worth; kept_stamp = stamp :: else fi;
#else
       atomic { stamps++; stamp = stamps }
       if
#ifdef BREAK_STORE_UNCHECKED
       :: true -> atomic { kept = worth; kept_stamp = stamp }
#else
       :: !overtaken -> atomic { kept = worth; kept_stamp = stamp }
       :: else
#endif
       fi;
#endif
       owner = NOBODY;
#ifdef BREAK_LEASE_ENDS_FIRST
       holder = NOBODY;
#endif
       if
       :: p == 0 -> atomic { flies = false; landed = flight; brought = worth }
       :: else
       fi;
       if :: holder == ROW(p) -> holder = NOBODY :: else fi;
       atomic { worth = 0; stamp = 0 }
    :: else -> break
    od
  } unless { p == 0 && dead }
}

/* Who asks in process 0 while the key flies. */
proctype Joiner() {
  byte least, mine;
  {
    least = newest;
    if :: newest_here > least -> least = newest_here :: else fi;
end_before:
    atomic {
#ifdef BREAK_JOINS_OVERTAKEN
      flies -> mine = flight
#else
      (flies && !flight_overtaken && !(holder == ROW(0) && overtaken)) -> mine = flight
#endif
    }
end_aboard:
    atomic { landed >= mine -> assert(landed > mine || brought >= least) }
  } unless { dead }
}

proctype Looker(byte p; byte looks) {
  byte least, shown;
  do
  :: looks > 0 ->
     looks--;
     least = newest;
     shown = kept;
#ifdef BEHIND
     if
     :: p == 0 ->
        if :: newest_here > least -> least = newest_here :: else fi;
        atomic { if :: queued != 0 && queued_stamp > kept_stamp -> shown = queued :: else -> shown = kept fi }
     :: else
     fi;
#endif
     assert(shown == 0 || shown >= least);
     atomic { shown = 0; least = 0 }
  :: else -> break
  od
}

proctype Writer() {
  byte change, left = WRITES;
  do
  :: left > 0 ->
     left--;
     own(1);
#ifdef BREAK_TOLD_EARLY
     tell_host();
#endif
     atomic {
       changes++; change = changes; stamps++;
       if
       :: kept = change; kept_stamp = stamps
       :: kept = 0; kept_stamp = 0 /* a delete leaves nothing to compare with */
       fi
     }
#ifdef BEHIND
     atomic { queued = 0; queued_stamp = 0 }
#endif
#if !defined(BREAK_TOLD_EARLY) && !defined(BREAK_TOLD_LATE)
     tell_host();
#endif
     owner = NOBODY;
     acknowledge(change);
#ifdef BREAK_TOLD_LATE
     tell_host();
#endif
  :: else -> break
  od
}

#ifdef BEHIND
/* A put of process 0 that is queued: it owns no slot, so it tells first and is stamped then. */
proctype Queuer() {
  byte change;
  atomic { changes++; change = changes }
#ifdef BREAK_QUEUED_UNTOLD
  skip;
#else
  tell_host();
  tell_here();
#endif
  atomic { stamps++; queued = change; queued_stamp = stamps }
  atomic { if :: change > newest_here -> newest_here = change :: else fi };
  /* its flush */
  own(0);
  atomic {
    if
    :: queued == change && queued_stamp > kept_stamp -> kept = change; kept_stamp = queued_stamp
    :: else
    fi;
    if :: queued == change -> queued = 0; queued_stamp = 0 :: else fi
  }
  tell_host();
  tell_here();
  owner = NOBODY;
}
#endif

#ifdef DEATH
proctype Death() { atomic { owner != ROW(0) -> dead = true } }
#endif

init {
  atomic {
    run Maker(0, TIMES);
#ifdef DEATH
    run Maker(1, 1);
    run Death();
#endif
    run Joiner();
    run Looker(0, 1);
    run Looker(1, 1);
    run Writer();
#ifdef BEHIND
    run Queuer();
#endif
  }
}
