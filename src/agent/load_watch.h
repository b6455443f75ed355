/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether more is asked for now than usual, seen from the requests themselves: what is asked for shows at once, an origin that
 * can't bear it only when its answers are late.
 */
#ifndef LRD_AGENT_LOAD_WATCH_H
#define LRD_AGENT_LOAD_WATCH_H

#include <stdbool.h>

#define LRD_LOAD_RUSH 1.5 /* times what is usual: nothing is made ahead while more is asked for */

typedef struct lrd_load_watch {
  double now;             /* requests that count still, of the last few seconds */
  double usual;           /* and of the last minutes */
  double at_ms, lived_ms; /* without long silences */
  bool begun;
} lrd_load_watch; /* zeros at first */

/* A request at a moment; moments only go on. */
void lrd_load_tell(lrd_load_watch *watch, double now_ms);
/* What is asked for at a moment, in what is usual; 1 while that is not known. */
double lrd_load_of(const lrd_load_watch *watch, double now_ms);

#endif
