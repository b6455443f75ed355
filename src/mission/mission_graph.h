/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mission from inside: its steps, who follows whom, and how far they are. All that is read from the file lives in one arena
 * and does not change afterwards; what changes is a step's `now`.
 */
#ifndef LRD_MISSION_GRAPH_H
#define LRD_MISSION_GRAPH_H

#include "base/thread.h"
#include "config/mistakes.h"
#include "mission/kept_result.h"
#include <larder/mission.h>

#define LRD_MISSION_BYTES_MAX  ((size_t)16 << 20)
#define LRD_MISSION_STEPS_MAX  10000u
#define LRD_MISSION_EDGES_MAX  100000u
#define LRD_MISSION_ARGS_MAX   4096u
#define LRD_MISSION_ID_MAX     128u
#define LRD_MISSION_PATH_MAX   1024u
#define LRD_MISSION_ERRORS_MAX 4096u     /* kept of what a failing step wrote to standard error: the end of it */
#define LRD_MISSION_COMMAND    "command" /* the type of a step that names none */

/* Where a step is: written under the mission's mutex, once it is known. */
typedef struct lrd_step_now {
  larder_step_state state;
  lrd_job_key key;
  bool key_known;
  bool kept;
  lrd_kept *record; /* of a hit that was planned, so that who reads its outputs knows them; or NULL */
  int exit_code;
  int64_t took_ms;
  uint32_t pending; /* steps that it comes after and that have not ended */
  char why[LRD_WHY_MAX];
  char *errors; /* own; NULL: none */
  size_t errors_len;
} lrd_step_now;

typedef struct lrd_step {
  const char *id;
  const char *type;
  lrd_span params;         /* canonical JSON */
  const char *const *argv; /* NULL: maker */
  const larder_mission_maker *maker;
  uint32_t *after; /* ascending, without repeats */
  uint32_t after_len;
  uint32_t *before; /* who comes after it */
  uint32_t before_len;
  lrd_names inputs;
  lrd_names outputs;
  lrd_names environment;
  int32_t *input_from;      /* for each input: the step that makes it, or -1 */
  lrd_file_sum *input_sums; /* what was in the key that was made last; by whoever has the step */
  int64_t timeout_ms;       /* 0: the run's */
  uint32_t depth;           /* steps before it, on the longest way */
  lrd_step_now now;
} lrd_step;

struct larder_mission {
  lrd_config_arena arena;
  const char *name;
  const char *folder;
  char identity[17]; /* of the file's path: whose latest keys are remembered */
  lrd_step *steps;
  uint32_t steps_len;
  uint32_t *order; /* each step behind those that it comes after */
  bool chain;      /* commands: each after the one before */
  larder_mission_maker *makers;
  size_t makers_len;
  const char *runner;
  int stop_fd;     /* an eventfd: readable once the mission is stopped */
  lrd_mutex mutex; /* the steps' `now`, while a run is under way */
};

/* --- mission_read.c: a text into steps ------------------------------------------------------------------------------------ */

/* Offsets of the text that mistakes speak of, as long as the text is there. */
typedef struct lrd_step_at {
  size_t step;
  size_t after; /* of its list; or the step */
  size_t inputs;
  size_t outputs;
  const char **after_names;
  size_t after_names_len;
  bool run_given; /* also when it was no good */
} lrd_step_at;

typedef struct lrd_mission_reading {
  larder_mission *mission;
  lrd_mistakes *mistakes;
  const char *text; /* JSON */
  size_t len;
  const lrd_buf *origins; /* where the text was YAML; NULL: it is the file */
  lrd_step_at *at;        /* for each step */
} lrd_mission_reading;

/* LARDER_ENOMEM or LARDER_OK; what is wrong is noted. */
LARDER_MUST_CHECK larder_err lrd_mission_read(lrd_mission_reading *reading);
lrd_place lrd_mission_place(const lrd_mission_reading *reading, size_t at);

/* --- mission.c: for tests and fuzzers, a text without a file ---------------------------------------------------------------
 */

/* NULL when out of memory; larder_mission_close. */
larder_mission *lrd_mission_new(const larder_mission_options *options);
/* As larder_mission_open reads it; `file` is a name only. A mission takes one text. */
LARDER_MUST_CHECK larder_err lrd_mission_parse(larder_mission *m, const char *file, const char *text, size_t len,
                                               void (*visit)(void *context, const larder_mission_mistake *mistake),
                                               void *context, larder_error *err);

/* --- mission_links.c: names into edges, order and depths ------------------------------------------------------------------ */

LARDER_MUST_CHECK larder_err lrd_mission_link(lrd_mission_reading *reading);
/* The index of a step, or steps_len. */
uint32_t lrd_mission_find(const larder_mission *mission, const char *id);

/* --- step_history.c: what was made last -------------------------------------------------------------------------------------
 */

/* Remembers what a step's key was made of. Best effort. */
void lrd_step_remember(const larder_mission *m, larder_ns *ns, const lrd_step *step, const lrd_job_key *key);
/* Why a step whose key finds no record has to run, by what was remembered. */
void lrd_step_why(const larder_mission *m, larder_ns *ns, const lrd_step *step, const lrd_job_key *key, char why[LRD_WHY_MAX]);
/* The key that was remembered; false without. */
bool lrd_step_last_key(const larder_mission *m, larder_ns *ns, const lrd_step *step, lrd_job_key *out);

/* --- step_run.c: one step ---------------------------------------------------------------------------------------------------
 */

/* The step's key; its inputs' sums are left in the step. sums as in lrd_job_key_of. */
LARDER_MUST_CHECK larder_err lrd_step_key(const larder_mission *m, const lrd_step *step, const lrd_file_sum *sums,
                                          lrd_job_key *out, larder_error *err);

typedef struct lrd_mission_running {
  larder_mission *mission;
  larder_ns *ns;
  const larder_mission_run_options *options;
} lrd_mission_running;
/* From ready to HIT, MADE, FAILED or SKIPPED, into *now. */
void lrd_step_do(const lrd_mission_running *running, const lrd_step *step, lrd_step_now *now);
void lrd_step_now_reset(lrd_step_now *now);

/* --- mission_plot.c ----------------------------------------------------------------------------------------------------------
 */

LARDER_MUST_CHECK larder_err lrd_mission_draw(const larder_mission *m, lrd_buf *out);

#endif
