/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands whose results are kept: a memo is one command, a mission a graph of steps that come after each other.
 *
 * What a result depends on is its key: the SHA-256 of the command line, of the contents of the files it reads, of the values
 * of the variables asked for, of the names of the files it writes. Whoever has the same key is given the recorded output,
 * exit code and files at once; nobody on the host makes the same key at the same time. Only what is named counts: a file that
 * is read but not named does not, so name it.
 *
 * Commands are never given to a shell; their standard input is empty; they run in a process group of their own. A command is
 * killed when the thread that runs it ends; the key is free again when nothing that it had started is left.
 */
#ifndef LARDER_MISSION_H
#define LARDER_MISSION_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_MISSION_NAMES_MAX 1024u                /* inputs, outputs, variables: of each */
#define LARDER_STREAM_BYTES_MAX  ((uint64_t)64 << 20) /* default: of standard output and of standard error */

/* Exit codes of a command that has none of its own, as timeout(1) and shells have them. */
#define LARDER_EXIT_TIMED_OUT      124
#define LARDER_EXIT_NOT_EXECUTABLE 126
#define LARDER_EXIT_NOT_THERE      127
#define LARDER_EXIT_SIGNAL         128 /* and the number of the signal */

/* Gives out what a command writes, or wrote; stream is 1 or 2. False: nobody wants more of it. Called by the thread that
 * runs the command. */
typedef bool (*larder_stream_take)(void *context, int stream, const void *data, size_t len);

/* --- one command ---------------------------------------------------------------------------------------------------- */

typedef struct larder_memo_options {
  size_t size;
  const char *const *argv;   /* the command and its arguments, ended by NULL */
  const char *folder;        /* where it runs, and what relative names are relative to; NULL: the working directory */
  const char *const *inputs; /* files that it reads; they must be there */
  size_t inputs_count;
  const char *const *outputs; /* files that it writes; kept with their mode, and put back where they are named */
  size_t outputs_count;
  const char *const *environment; /* names of variables that it depends on */
  size_t environment_count;
  int64_t ttl_ms;            /* 0: the namespace's; LARDER_TTL_NEVER: none */
  int64_t timeout_ms;        /* then the command is ended; 0: never */
  uint64_t stream_bytes_max; /* of each stream; what writes more is passed on and not kept; 0: the default */
  bool any_folder;           /* the same command counts as the same in whatever folder it runs */
  bool failures;             /* also keep results with another exit code than 0 */
  bool fresh;                /* run it, whatever is kept, and keep the new result */
  larder_stream_take take;   /* NULL: nobody wants to see it */
  void *context;
  int signals; /* a descriptor; each byte read from it is a signal to pass on to the command; 0: none */
} larder_memo_options;

typedef struct larder_memo_result {
  int exit_code;   /* the command's, or one of LARDER_EXIT_… */
  bool hit;        /* it was not run */
  bool waited;     /* somebody else was making the same */
  bool kept;       /* it is kept now */
  int64_t took_ms; /* of the run, or of the one that was recorded */
  char key[65];    /* in hexadecimal; empty without a cache */
  char why[256];   /* a phrase: why it is not kept, or could not be run; else empty */
} larder_memo_result;

/*
 * Gives out the recorded result of a command, or runs it and records it. With ns NULL (the cache could not be opened) it is run
 * all the same. Blocks. LARDER_OK whatever the command's exit code is; failures are those of the call: LARDER_EINVAL (an
 * input that can't be read, no command), LARDER_EBUSY (the command is being made by a process above this one and would wait
 * for itself), LARDER_ENOMEM, LARDER_EIO (no process was to be had).
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_memo(larder_ns *ns, const larder_memo_options *options, larder_memo_result *out,
                                                    larder_error *err);

/* --- missions -------------------------------------------------------------------------------------------------------- */

typedef struct larder_mission larder_mission;

/* Where a step is. After a plan: HIT, WILL_RUN or MAY_RUN; after a run: HIT, MADE, FAILED or SKIPPED. */
typedef enum larder_step_state {
  LARDER_STEP_WAITING,
  LARDER_STEP_RUNNING,
  LARDER_STEP_HIT,     /* its result is kept; its files are in place (after a run) */
  LARDER_STEP_MADE,    /* it was run and succeeded */
  LARDER_STEP_FAILED,  /* it was run, or could not be */
  LARDER_STEP_SKIPPED, /* something that it comes after failed, or the mission was stopped */
  LARDER_STEP_WILL_RUN,
  LARDER_STEP_MAY_RUN /* known once the steps have run whose outputs it reads */
} larder_step_state;
/* "hit", "made", "failed", …: a static string. */
LARDER_API const char *larder_step_state_name(larder_step_state state);

/* A step as it stands. Strings live as long as the mission; errors until the next plan, run or forgetting. */
typedef struct larder_mission_step {
  const char *id;
  const char *type;
  larder_step_state state;
  char why[256];      /* a phrase: why it runs, was not kept, failed or was skipped; may be empty */
  char key[65];       /* in hexadecimal; empty while it is not known */
  bool kept;          /* its result is kept */
  int exit_code;      /* of the run, or of the record */
  int64_t took_ms;    /* of the run, or of the one that was recorded; -1: not known */
  const char *errors; /* the end of what a failed step wrote to standard error */
  size_t errors_len;
  const uint32_t *after; /* indices */
  size_t after_len;
} larder_mission_step;

/* A step in the hands of a callback. */
typedef struct larder_mission_call {
  const char *id;
  const char *type;
  const char *params; /* JSON, canonical */
  const char *folder;
  void *self; /* private */
} larder_mission_call;

/* A callback that makes the steps of one type that have no command line. Anything but LARDER_OK is a failed step. Called by
 * several threads at once. */
typedef struct larder_mission_maker {
  const char *type;
  larder_err (*make)(void *context, const larder_mission_call *call);
  void *context;
} larder_mission_maker;
/* Adds to the step's standard output, which is kept; within the callback. LARDER_ETOOBIG beyond the bound. */
LARDER_API LARDER_MUST_CHECK larder_err larder_mission_write(const larder_mission_call *call, const void *data, size_t len);

typedef struct larder_mission_options {
  size_t size;
  const char *folder;                 /* where steps run and files are; NULL: the file's own folder */
  const larder_mission_maker *makers; /* copied, save their contexts */
  size_t makers_count;
  const char *runner; /* a program for steps that have neither: it is run as RUNNER TYPE PARAMS */
} larder_mission_options;

/* One mistake in a mission file, borrowed during the visit. */
typedef struct larder_mission_mistake {
  const char *file;
  int line;   /* from 1 */
  int column; /* from 1 */
  const char *message;
} larder_mission_mistake;

/*
 * Reads a mission file: YAML by its name (.yaml, .yml), else JSON. Every mistake is visited (visit may be NULL); the first is
 * in err, with LARDER_EFORMAT. Else LARDER_EIO, LARDER_EACCES (the file can't be read), LARDER_ETOOBIG, LARDER_ENOMEM. Own.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_mission_open(const char *file, const larder_mission_options *options,
                                                            void (*visit)(void *context, const larder_mission_mistake *mistake),
                                                            void *context, larder_mission **out, larder_error *err);
/* *mission becomes NULL. */
LARDER_API void larder_mission_close(larder_mission **mission);

LARDER_API const char *larder_mission_name(const larder_mission *mission); /* NULL: it has none */
LARDER_API size_t larder_mission_count(const larder_mission *mission);
/* False above the count. Also while a run is under way, by any thread. */
LARDER_API bool larder_mission_step_at(larder_mission *mission, size_t index, larder_mission_step *out);
/* The index of a step; false where there is none. */
LARDER_API bool larder_mission_find(const larder_mission *mission, const char *id, size_t *index_out);

typedef struct larder_mission_run_options {
  size_t size;
  unsigned parallel;         /* steps at a time; 0: as many as there are cores; at most 256 */
  bool force;                /* run every step, whatever is kept */
  int64_t ttl_ms;            /* 0: the namespace's; LARDER_TTL_NEVER: none */
  int64_t timeout_ms;        /* of steps that say none; 0: none */
  uint64_t stream_bytes_max; /* of each stream of a step; what writes more is not kept; 0: the default */
  /* A step's state has changed. Called by the thread that called run; may be NULL. */
  void (*changed)(void *context, size_t index, larder_step_state state);
  /* What a step writes to standard error, as it comes; by several threads at once; may be NULL. */
  void (*remarks)(void *context, size_t index, const void *data, size_t len);
  void *context;
} larder_mission_run_options;

/* What would be done, as the states of the steps. Runs nothing and puts nothing back. ns NULL: nothing is kept anywhere. */
LARDER_API LARDER_MUST_CHECK larder_err larder_mission_plan(larder_mission *mission, larder_ns *ns, bool force);
/*
 * Runs what is not kept, in order, independent steps at the same time; puts back the files of the rest. A failing step stops
 * only what comes after it. Blocks. LARDER_OK whatever becomes of the steps; LARDER_ENOMEM, LARDER_EINVAL. options may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_mission_run(larder_mission *mission, larder_ns *ns,
                                                           const larder_mission_run_options *options);
/* Ends what runs and begins nothing more; for good. May be called from a signal handler. */
LARDER_API void larder_mission_stop(larder_mission *mission);
/* Forgets the results of a step and of everything that comes after it. LARDER_MISS: no such step. count_out may be NULL. */
LARDER_API LARDER_MUST_CHECK larder_err larder_mission_forget(larder_mission *mission, larder_ns *ns, const char *id,
                                                              size_t *count_out);
/* What a step wrote to standard output, from the record of its last plan or run. Release it. LARDER_MISS without a record. */
LARDER_API LARDER_MUST_CHECK larder_err larder_mission_output(const larder_mission *mission, larder_ns *ns, size_t index,
                                                              larder_value *out);
/* The graph as an SVG picture: own, NUL-terminated; release with larder_mission_text_free. */
LARDER_API LARDER_MUST_CHECK larder_err larder_mission_plot(const larder_mission *mission, char **out, size_t *len_out);
LARDER_API void larder_mission_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
