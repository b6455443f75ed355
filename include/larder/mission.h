/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands whose results are kept: a memo is one command.
 *
 * What a result depends on is its key: the SHA-256 of the command line, of the contents of the files it reads, of the values
 * of the variables asked for, of the names of the files it writes. Whoever has the same key is given the recorded output,
 * exit code and files at once; nobody on the host makes the same key at the same time. Only what is named counts: a file that
 * is read but not named does not, so name it.
 *
 * Commands are never given to a shell; their standard input is empty; they run in a process group of their own, which ends
 * with the thread that runs them.
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

#ifdef __cplusplus
}
#endif
#endif
