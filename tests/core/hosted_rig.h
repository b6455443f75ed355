/* SPDX-License-Identifier: Apache-2.0 */
/* A namespace with an agent, time moved by hand, and an origin that counts. */
#ifndef LRD_TESTS_HOSTED_RIG_H
#define LRD_TESTS_HOSTED_RIG_H

#include "support/support.h"

#include "base/clock.h"
#include <larder/learning.h>
#include <stdatomic.h>

#define TAKES_MS 40

typedef struct fixture {
  char *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
  atomic_uint made, made_same;
  atomic_int ttl_ms; /* 0: that of the configuration */
  atomic_int takes_ms;
  atomic_bool fails;
  atomic_bool decides; /* meanwhile nothing is made, so that it is heard of at the next tick */
  atomic_uint aside, back, files;
} fixture;

typedef struct setting {
  const char *tiers;   /* "memory" */
  const char *predict; /* besides enable and chain */
  const char *agent;
  unsigned entries; /* 0: no limit */
  bool by_itself;   /* real time, and threads */
} setting;

void nap(void);
/* Takes the root. */
larder_err hosted_open_in(fixture *f, char *root, const setting *how, larder_error *err);
void hosted_open(fixture *f, const setting *how);
void hosted_shut(fixture *f);
larder_learning_figures figures(fixture *f);
double told(fixture *f, larder_agent_event event);
/* What was asked for is decided about, until nothing is left to do. */
void settle(fixture *f);
larder_err ask(fixture *f, const char *key);
void ask_number(fixture *f, unsigned number);
/* "": none has it. */
const char *tier_of(fixture *f, const char *key);
/* A new session that asks for the letters of a word. */
void session(fixture *f, const char *word);
/* Letters, too. */
void forget(fixture *f, const char *keys);
uint64_t taken(fixture *f, larder_agent_action action);

#endif
