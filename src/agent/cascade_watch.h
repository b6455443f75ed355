/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the origin is about to be overrun, seen from what it answered us and nothing else. Time is cut into windows. The
 * origin is *threatened* when a window's mean latency crosses its threshold (a multiple of what is usual in calm windows) while
 * the load rises above what is usual, and by more than chance would have it; it is a *cascade* when the part of errors crosses
 * its threshold, too. Either ends after some calm windows in a row. A threat that ends without a cascade has been averted.
 */
#ifndef LRD_AGENT_CASCADE_WATCH_H
#define LRD_AGENT_CASCADE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* 0 is the default. */
typedef struct lrd_cascade_options {
  double window_ms; /* 1000 */
  double errors;    /* part of the answers: 0.1 */
  double latency;   /* times what is usual: 3 */
  double load;      /* times what is usual: 1.1 */
  uint32_t calm;    /* windows in a row that end it: 5 */
} lrd_cascade_options;

typedef enum lrd_cascade_state { LRD_CASCADE_CALM, LRD_CASCADE_THREAT, LRD_CASCADE_ON } lrd_cascade_state;

typedef struct lrd_cascade_watch {
  lrd_cascade_options how;
  lrd_cascade_state state;
  uint64_t cascades;
  uint64_t averted;
  double usual_ms;    /* latency of calm windows; 0: there was none yet */
  double usual_load;  /* answers in a window, */
  double load_spread; /* their variance, */
  double load_lately; /* and the mean of the last few */
  double load;        /* of the last window, in what is usual; 0: not known */
  double ends_ms;     /* of the window under way */
  uint64_t answers, errors;
  double sum_ms;
  uint32_t windows; /* with answers, up to those that set what is usual */
  uint32_t lived;   /* since the first answer, likewise */
  uint32_t calm;
} lrd_cascade_watch;

void lrd_cascade_init(lrd_cascade_watch *watch, const lrd_cascade_options *how, double now_ms);
/* An answer of the origin to us at a moment; moments only go on. */
void lrd_cascade_tell(lrd_cascade_watch *watch, double now_ms, double latency_ms, bool failed);
/* Closes the windows that have passed. */
void lrd_cascade_look(lrd_cascade_watch *watch, double now_ms);

#endif
