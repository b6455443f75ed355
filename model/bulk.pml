/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk changes (clear, tag, purge, put_many, the flusher's batch): two keys on two slots, changed by whoever owns both.
 * Two bulk changes, a single write and a reader of both keys run against each other. Two claims: nobody waits for ever
 * (an end state with somebody still waiting is reported by the checker), and no key goes back.
 *
 *   BREAK_ANY_ORDER     the slots are owned in the order in which the rows were met: deadlock
 *   BREAK_RELEASE_EARLY the slots are let go before the one commit that changes both: a memory hit goes back
 *   BREAK_ONE_UNMOVED   only the first slot moves
 */
#define SLOTS   2
#define NOBODY  0
#define UNKNOWN 99

byte version[SLOTS] = 1;
byte owner[SLOTS] = NOBODY;
byte stored[SLOTS] = 1;  /* the authoritative tier */
byte held[SLOTS] = 1;    /* the reading process's memory */
byte held_at[SLOTS] = 1;
byte stamps = 1;
byte newest[SLOTS] = 1;

inline note(k, stamp) { atomic { if :: stamp > newest[k] -> newest[k] = stamp :: else fi } }
inline own(k, row) { atomic { owner[k] == NOBODY -> owner[k] = row } }
inline release(k) { atomic { version[k]++; owner[k] = NOBODY } }

proctype Bulk(byte row; byte first) {
  byte stamp, a, b;
#ifdef BREAK_ANY_ORDER
  a = first; b = 1 - first;
#else
  a = 0; b = 1;
#endif
  own(a, row);
  own(b, row);
  atomic { stamps++; stamp = stamps }
#ifdef BREAK_RELEASE_EARLY
  release(a);
  release(b);
  atomic { stored[a] = stamp; stored[b] = stamp }
#else
  atomic { stored[a] = stamp; stored[b] = stamp } /* one transaction */
  release(a);
#ifdef BREAK_ONE_UNMOVED
  owner[b] = NOBODY;
#else
  release(b);
#endif
#endif
  note(0, stamp);
  note(1, stamp)
}

proctype Single(byte row; byte k) {
  byte stamp;
  own(k, row);
  atomic { stamps++; stamp = stamps }
  stored[k] = stamp;
  release(k);
  note(k, stamp)
}

proctype Reader(byte k; byte gets) {
  byte least, shown, token;
  do
  :: gets > 0 ->
     gets--;
     least = newest[k];
     if
     :: atomic { held_at[k] == version[k] && owner[k] == NOBODY -> shown = held[k] }
     :: else ->
        atomic { if :: owner[k] == NOBODY -> token = version[k] :: else -> token = UNKNOWN fi }
        shown = stored[k];
        atomic {
          if
          :: token != UNKNOWN && version[k] == token && owner[k] == NOBODY -> held[k] = shown; held_at[k] = token
          :: else
          fi
        }
     fi;
     assert(shown >= least);
     note(k, shown)
  :: else -> break
  od
}

#ifndef GETS
#define GETS 1
#endif

init { atomic { run Bulk(1, 0); run Bulk(2, 1); run Single(3, 1); run Reader(0, GETS); run Reader(1, 2) } }
