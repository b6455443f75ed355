/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of Larder's calls.
 *
 * 0 is success, a negative number is a failure, a positive one names an outcome that is no failure: a miss is no error.
 * `larder_err` is all that a hot call returns. Slow calls (open, configuration, validation) also fill a `larder_error`
 * when the caller passes one: a code, the errno behind it and one sentence that says what was wrong and what to do.
 */
#ifndef LARDER_ERROR_H
#define LARDER_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LARDER_API               __attribute__((visibility("default")))
#define LARDER_MUST_CHECK        __attribute__((warn_unused_result))
#define LARDER_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define LARDER_API
#define LARDER_MUST_CHECK
#define LARDER_PRINTF(fmt, args)
#endif

/* What a caller can do about a result: nothing to do, try again later, not without a change, mend the call. */
typedef enum larder_err_class {
  LARDER_CLASS_NONE,
  LARDER_CLASS_RETRY,
  LARDER_CLASS_PERMANENT,
  LARDER_CLASS_MISUSE
} larder_err_class;

/* name, number, class, text */
#define LARDER_ERRORS(X)                                                                                                       \
  X(LARDER_OK, 0, NONE, "done")                                                                                                \
  X(LARDER_MISS, 1, NONE, "not found")                                                                                         \
  X(LARDER_DEGRADED, 2, NONE, "kept, but only in the tiers that work at the moment")                                           \
  X(LARDER_NOT_KEPT, 3, NONE, "not kept: larger than the namespace allows or refused by its limits")                           \
  X(LARDER_OLDER, 4, NONE, "not stored: a newer value is there")                                                               \
  X(LARDER_END, 5, NONE, "nothing more to list")                                                                               \
  X(LARDER_EINVAL, -1, MISUSE, "an argument is not valid")                                                                     \
  X(LARDER_ENOMEM, -2, RETRY, "out of memory")                                                                                 \
  X(LARDER_EIO, -3, RETRY, "input or output failed")                                                                           \
  X(LARDER_ENOSPC, -4, RETRY, "no space left")                                                                                 \
  X(LARDER_EBUSY, -5, RETRY, "somebody else holds it and did not let go in time")                                              \
  X(LARDER_EACCES, -6, PERMANENT, "permission denied or read-only")                                                            \
  X(LARDER_ECORRUPT, -7, PERMANENT, "the stored data is damaged")                                                              \
  X(LARDER_ECONFIG, -8, MISUSE, "the configuration is not valid")                                                              \
  X(LARDER_ETOOBIG, -9, MISUSE, "larger than the limit")                                                                       \
  X(LARDER_EFORKED, -10, MISUSE, "this handle was opened before fork; open a new one in the child")                            \
  X(LARDER_EUNSUPPORTED, -11, PERMANENT, "not supported here")                                                                 \
  X(LARDER_EFORMAT, -12, PERMANENT, "the format is broken, unknown or newer than this build")                                  \
  X(LARDER_EAWAY, -13, RETRY, "the tier is away")                                                                              \
  X(LARDER_EUNKNOWN, -14, RETRY, "the outcome is not known")                                                                   \
  X(LARDER_ECLOSED, -15, MISUSE, "closed")                                                                                     \
  X(LARDER_EKEY, -16, PERMANENT, "sealed, and the key is not here")                                                            \
  X(LARDER_ECANCELLED, -17, RETRY, "cancelled by its caller")

typedef enum larder_err {
#define LARDER_ERR_ENUM(name, number, class, text) name = number,
  LARDER_ERRORS(LARDER_ERR_ENUM)
#undef LARDER_ERR_ENUM
} larder_err;

/* The long form of a failure. All text is inside, so there is nothing to release. */
typedef struct larder_error {
  larder_err code;
  int os_errno;      /* errno at the point of failure, or 0 */
  const char *room;  /* part of Larder that failed, a static string: "config", "sqlite", … */
  char message[504]; /* one sentence: what was wrong and what to do */
} larder_error;

/* The constant's own name ("LARDER_EBUSY"); "LARDER_E?" for a number that is none of them. */
LARDER_API const char *larder_err_name(larder_err err);
/* One short phrase. */
LARDER_API const char *larder_err_text(larder_err err);
LARDER_API larder_err_class larder_err_classify(larder_err err);

#ifdef __cplusplus
}
#endif
#endif
