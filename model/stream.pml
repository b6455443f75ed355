/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hosts on one server. A write stores the value and appends an id to a capped stream in one step. Host B follows the
 * stream: per id it drops its local copy and moves the slot, then publishes how far it is, and until when its hits count
 * ("in step until", from the time at which it asked, not at which it was answered). The follower may die or be stopped
 * for any time, and another thread of B takes over; the server may start a new stream whose ids begin anew.
 *
 * Claim: a hit on B is never older than what was acknowledged BOUND ticks before it.
 *
 *   BREAK_GAP_IGNORED      ids that were trimmed before they were read are skipped
 *   BREAK_EPOCH_IGNORED    a new stream is read on from the old id
 *   BREAK_LEASE_AT_ANSWER  "in step until" counts from when the answer was carried out
 *   BREAK_POSITION_FIRST   the position is published before the copy is dropped, so a take-over skips it
 *   BREAK_LEASE_UNCHECKED  a hit does not look at "in step until"
 */
#define BOUND 1
#ifndef TICKS
#define TICKS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* of the first follower */
#endif
#ifndef GETS
#define GETS 1
#endif
#ifndef WRITES
#define WRITES 2
#endif
#define CAP 1 /* ids that the stream keeps */

byte now = 0;
byte stored = 1;            /* the value on the server, by stamp */
byte last_id = 0;
byte epoch = 1;             /* the server's replication id */
byte acknowledged[TICKS + 1] = 1; /* newest stamp acknowledged by the end of a tick */

byte held = 1;              /* B's memory */
bool held_counts = true;    /* its token is the slot's */
byte slot = 0;              /* B's slot moves with every change that arrives */
byte position = 0;          /* in B's map: applied up to here, of this epoch */
byte position_epoch = 1;
byte in_step_until = BOUND; /* exclusive */

#define OLDEST (last_id > CAP -> last_id - CAP : 0) /* ids up to here are trimmed */

inline drop_local() { atomic { held_counts = false; slot++ } }

proctype Writer() { /* on host A */
  byte writes = WRITES;
  do
  :: writes > 0 ->
     writes--;
     atomic { stored++; last_id++ }                  /* one script */
     atomic { acknowledged[now] = stored }
  :: break
  od
}

proctype Clock() {
  do
  :: atomic { now < TICKS -> now++; acknowledged[now] = acknowledged[now - 1] }
  :: now == TICKS -> break
  od
}

#ifdef NEW_STREAM
proctype Server() { atomic { epoch++; last_id = 0 } }
#endif

#define MAY_DIE if :: goto ends :: skip fi

/* Two of them: the lock that one holds says nothing once he is stopped, so any interleaving may happen. */
proctype Follower(byte rounds) {
  byte asked, from, to, oldest, answered_epoch, from_epoch;
  do
  :: rounds > 0 ->
     rounds--;
     atomic { asked = now; from = position; from_epoch = position_epoch }
     atomic { to = last_id; oldest = OLDEST; answered_epoch = epoch }
     MAY_DIE;
#ifdef BREAK_POSITION_FIRST
     atomic { position = to; position_epoch = answered_epoch }
     MAY_DIE;
#endif
     if
#ifndef BREAK_EPOCH_IGNORED
     :: answered_epoch != from_epoch -> drop_local() /* distrust all */
     :: answered_epoch == from_epoch && from < oldest ->
#else
     :: from < oldest ->
#endif
#ifndef BREAK_GAP_IGNORED
        drop_local()
#else
        skip
#endif
#ifdef BREAK_EPOCH_IGNORED
     :: from >= oldest && to > from -> drop_local()
     :: from >= oldest && to <= from
#else
     :: answered_epoch == from_epoch && from >= oldest && to > from -> drop_local()
     :: answered_epoch == from_epoch && from >= oldest && to <= from
#endif
     fi;
     MAY_DIE;
#ifndef BREAK_POSITION_FIRST
     atomic { position = to; position_epoch = answered_epoch }
#endif
#ifdef BREAK_LEASE_AT_ANSWER
     in_step_until = now + 1 + BOUND;
#else
     atomic { if :: asked + 1 + BOUND > in_step_until -> in_step_until = asked + 1 + BOUND :: else fi }
#endif
     atomic { asked = 0; from = 0; to = 0; oldest = 0; answered_epoch = 0; from_epoch = 0 }
  :: else -> break
  od;
ends:
  skip
}

proctype Reader() { /* on host B */
  byte token, shown, at, gets = GETS;
  do
  :: gets > 0 ->
     gets--;
     if
     :: atomic {
#ifdef BREAK_LEASE_UNCHECKED
          held_counts ->
#else
          held_counts && now < in_step_until ->
#endif
          shown = held; at = now }
     :: else ->
        token = slot;
        atomic { shown = stored; at = now }
        atomic { if :: slot == token -> held = shown; held_counts = true :: else fi }
     fi;
     assert(at <= BOUND || shown >= acknowledged[at - BOUND - 1]);
     atomic { token = 0; shown = 0; at = 0 }
  :: else -> break
  od
}

init {
  atomic {
    run Writer(); run Clock(); run Follower(ROUNDS);
#ifdef TAKE_OVER
    run Follower(1);
#endif
    run Reader();
#ifdef NEW_STREAM
    run Server();
#endif
  }
}
