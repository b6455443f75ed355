/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of one key of a memory-only namespace while it is made (src/core/flight.h): no slot, no lease, one process. Who
 * changes the key where nothing flies takes no lock: he counts himself in the word that counts flights, and takes himself out of it,
 * if there is none; else he tells, behind the lock. What is made is stored when nobody is counted any more.
 *
 * A change is a number, given when memory takes it; a made value is worth the number of changes that memory had taken when its
 * making began, what a change stored its number, and 0 is nothing. The claim, asserted in every look and by who joins: what is
 * shown is worth no less than what was acknowledged before the look began.
 *
 *   CHANGES=n  by each of two who change it      TIMES=n  makings
 * BREAK_… flags each take one safeguard away.
 */
#ifndef CHANGES
#define CHANGES 1
#endif
#ifndef TIMES
#define TIMES 1
#endif

byte kept = 0; /* what memory has */
byte kept_stamp = 0;
byte stamps = 0;
byte changes = 1; /* numbers given */
byte newest = 1;  /* acknowledged */

/* the chain: what stands behind its lock is changed in one step */
byte flights = 0;
byte quick = 0;    /* changes without the lock */
byte changing = 0; /* and with it */
bool overtaken = false;
bool storing = false;
byte flight = 0; /* tells one from the next */
byte landed = 0; /* the last that has landed, and … */
byte brought = 0;

proctype Maker() {
  byte worth, stamp, times = TIMES;
  bool held;
  do
  :: times > 0 ->
     times--;
     atomic { flights++; flight++; overtaken = false }
     worth = changes;
     skip; /* the long making */
#ifdef BREAK_HELD_AT_ONCE
     atomic { held = (changing == 0 && !overtaken); storing = held }
#else
     atomic { quick == 0 -> held = (changing == 0 && !overtaken); storing = held }
#endif
     if
     :: held ->
        atomic { stamps++; stamp = stamps }
        atomic { if :: stamp > kept_stamp -> kept = worth; kept_stamp = stamp :: else fi };
        storing = false
     :: else
     fi;
     atomic { flights--; landed = flight; brought = worth }
     atomic { worth = 0; stamp = 0; held = false }
  :: else -> break
  od
}

inline tell() { atomic { if :: flights > 0 -> overtaken = true :: else fi } }

/* Memory takes it: what is newer by its stamp stays. */
inline take() {
  atomic { stamps++; stamp = stamps }
  atomic {
    if
    :: stamp > kept_stamp -> changes++; change = changes; kept = change; kept_stamp = stamp
    :: stamp <= kept_stamp
    :: changes++; change = changes; kept = 0; kept_stamp = 0 /* a delete */
    fi
  }
}

proctype Changer() {
  byte change, stamp, left = CHANGES;
  bool slow;
  do
  :: left > 0 ->
     left--;
#ifdef BREAK_COUNTED_LATE
     slow = (flights > 0);
     if :: !slow -> quick++ :: else fi;
#else
     atomic { slow = (flights > 0); if :: !slow -> quick++ :: else fi }
#endif
     if
     :: slow ->
        atomic { !storing -> if :: flights > 0 -> overtaken = true :: else fi; changing++ }
        take();
        atomic { if :: flights > 0 -> overtaken = true :: else fi; changing-- }
     :: else ->
        take();
#ifdef BREAK_TOLD_LATE
        quick--;
        tell();
#else
#ifdef BREAK_UNTOLD
        quick--;
#else
        atomic { if :: flights > 0 -> overtaken = true :: else fi; quick-- }
#endif
#endif
     fi;
     atomic { if :: change > newest -> newest = change :: else fi; change = 0; stamp = 0; slow = false }
  :: else -> break
  od
}

/* Who asks while the key flies. */
proctype Joiner() {
  byte least, mine;
  least = newest;
end_before:
  atomic { (flights > 0 && !overtaken) -> mine = flight }
end_aboard:
  atomic { landed >= mine -> assert(landed > mine || brought >= least) }
}

proctype Looker() {
  byte least, shown, looks = 2;
  do
  :: looks > 0 ->
     looks--;
     least = newest;
     shown = kept;
     assert(shown == 0 || shown >= least);
     atomic { shown = 0; least = 0 }
  :: else -> break
  od
}

init {
  atomic {
    run Maker();
    run Changer();
    run Changer();
    run Joiner();
    run Looker();
  }
}
