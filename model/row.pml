/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of the process table changes hands. Row 1 belongs to a process that died while it owned the slot, its commit
 * half way. A new process takes the row (the lock on the row's byte makes it "alive" again), while process 2 meets the
 * dead owner and wants to replace it. Claims: both can write in the end, nobody's slot is taken while he works on it, and
 * no get goes back.
 *
 *   BREAK_REUSED_EARLY   the row is used before every slot it owned is released: nobody can tell the dead from the living
 *   BREAK_REAP_BY_OWNER  the replacing CAS compares the owner alone, not the whole word: it steals from the row's new user
 *   BREAK_REAP_UNMOVED   a dead owner's slot is released without moving it: what was held counts although the commit landed
 */
#define NOBODY  0
#define UNKNOWN 99

byte version = 1;
byte owner = 1;        /* the dead process */
bool alive[3];         /* by row; [0] is nobody's */
byte stored = 1;
byte held = 1;         /* process 2's memory */
byte held_at = 1;
byte stamps = 1;
byte newest = 1;
byte working = 0;      /* how many believe to own the slot */

inline note(stamp) { atomic { if :: stamp > newest -> newest = stamp :: else fi } }

/* Loads the word, looks whether its owner lives, replaces it: three steps, anything may happen between. */
inline reap(seen_version, seen_owner) {
  atomic { seen_version = version; seen_owner = owner }
  if
  :: seen_owner != NOBODY && !alive[seen_owner] ->
#ifdef BREAK_REAP_BY_OWNER
     atomic { if :: owner == seen_owner -> version++; owner = NOBODY :: else fi }
#else
#ifdef BREAK_REAP_UNMOVED
     atomic { if :: owner == seen_owner && version == seen_version -> owner = NOBODY :: else fi }
#else
     atomic { if :: owner == seen_owner && version == seen_version -> version++; owner = NOBODY :: else fi }
#endif
#endif
  :: else
  fi
}

inline write(row) {
  do
  :: atomic { owner == NOBODY -> owner = row; working++; break }
  :: owner != NOBODY && !alive[owner] -> reap(seen_version, seen_owner)
  od;
  atomic { stamps++; stamp = stamps }
  assert(working == 1);
  stored = stamp;
  assert(working == 1);
  atomic { working--; version++; owner = NOBODY }
  note(stamp)
}

proctype Newcomer() { /* takes row 1 over */
  byte stamp, seen_version, seen_owner;
  alive[1] = true;
#ifndef BREAK_REUSED_EARLY
  atomic { if :: owner == 1 -> version++; owner = NOBODY :: else fi }
#endif
  write(1)
}

proctype Other() {
  byte stamp, seen_version, seen_owner;
  write(2)
}

proctype Reader() { /* in process 2 */
  byte least, shown, token, gets = 2;
  do
  :: gets > 0 ->
     gets--;
     least = newest;
     if
     :: atomic { held_at == version && owner == NOBODY -> shown = held }
     :: else ->
        atomic { if :: owner == NOBODY -> token = version :: else -> token = UNKNOWN fi }
        shown = stored;
        atomic { if :: token != UNKNOWN && version == token && owner == NOBODY -> held = shown; held_at = token :: else fi }
     fi;
     assert(shown >= least);
     note(shown)
  :: else -> break
  od
}

init {
  atomic {
    alive[2] = true;
    if :: stamps = 2; stored = 2 :: skip fi; /* the dead one's commit landed, or did not */
    run Newcomer(); run Other(); run Reader()
  }
}
