/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one command in a process group of its own, without a shell, its standard input empty, and hands out what it writes
 * as it comes. Blocks until the command has ended and nobody holds its output any more.
 *
 * The command does not outlive its runner: the kernel kills it when the thread that called ends. What it started itself may
 * go on then; held_fd tells.
 *
 * How it ended is known only where the process leaves its children to who waits for them: not where SIGCHLD is ignored, nor
 * where somebody else reaps whatever child there is.
 */
#ifndef LRD_MAKER_COMMAND_RUN_H
#define LRD_MAKER_COMMAND_RUN_H

#include <larder/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LRD_COMMAND_GRACE_NS INT64_C(2000000000) /* between asking the group to end and ending it */
#define LRD_COMMAND_LOOK_MS  50                  /* how often `cancelled` is asked, at least */

typedef struct lrd_command {
  const char *const *argv;        /* ended by NULL; argv[0] is searched in PATH when it has no slash */
  const char *folder;             /* where it runs; NULL: the working directory */
  const char *const *environment; /* `NAME=value` besides what we have, ended by NULL; or NULL */
  bool environment_clean;         /* of what we have only PATH, HOME, LANG, LC_ALL, TZ and TMPDIR */
  int64_t timeout_ms;             /* 0: none */
  int held_fd;                    /* stays open in the command; 0: none */
  int stop_fd;                    /* readable: end the group; -1: none */
  int signal_fd;                  /* each byte is a signal for the group; -1: none */
  bool errors_end_with_it;        /* who still holds standard error when all else is over is not waited for */
  /* stream is 1 or 2. False: nobody wants more of it, and the command is told so by a broken pipe. */
  bool (*take)(void *context, int stream, const void *data, size_t len);
  /* True: end the group. NULL: nobody asks. */
  bool (*cancelled)(void *context);
  void *context; /* of both */
} lrd_command;

typedef enum lrd_command_end {
  LRD_COMMAND_EXITED,      /* code: its exit code */
  LRD_COMMAND_SIGNALLED,   /* code: the signal */
  LRD_COMMAND_TIMED_OUT,   /* the group was ended */
  LRD_COMMAND_STOPPED,     /* likewise, because of stop_fd or cancelled */
  LRD_COMMAND_NOT_STARTED, /* code: errno */
  LRD_COMMAND_LOST         /* somebody else took its exit status */
} lrd_command_end;

typedef struct lrd_command_result {
  lrd_command_end end;
  int code;
} lrd_command_result;

/* LARDER_ENOMEM or LARDER_EIO when there was no process to be had, with errno; else LARDER_OK and *out. */
LARDER_MUST_CHECK larder_err lrd_command_run(const lrd_command *command, lrd_command_result *out);

/* Of LRD_COMMAND_LOST, the rest of a sentence: what to do. */
#define LRD_COMMAND_LOST_TEXT                                                                                                  \
  "has ended, and how is not known: this process ignores SIGCHLD or reaps every child; let it leave those that it did not "    \
  "start"

#endif
