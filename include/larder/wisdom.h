/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFTW's wisdom, kept: the first process that needs the transforms of a size lets FFTW search for the fastest plans, which
 * takes seconds to minutes; from then on larder_wisdom_ensure gives any process what was learned in a millisecond, and a plan
 * that is made with FFTW_ESTIMATE is the one that was found by searching.
 *
 * Wisdom belongs to a processor model, to a version of FFTW and to its set of solvers; what does not fit, and what is damaged,
 * is never shown to FFTW but made anew. FFTW takes only wisdom of a process whose planner has the same solvers, and its
 * threads add some: link -lfftw3_threads (-lfftw3f_threads) and either call larder_wisdom_ensure before the first plan, or
 * fftw_init_threads. For transforms on several threads call fftw_plan_with_nthreads as usual before planning.
 *
 * FFTW has one planner for the whole process. The calls here take one lock, of the process and not of a cache, whenever they
 * touch it, and ask FFTW to make planning safe between threads; but FFTW does not guard its wisdom. While another thread may
 * be in a call of this header, do your own planning between larder_wisdom_planner_lock and _unlock.
 */
#ifndef LARDER_WISDOM_H
#define LARDER_WISDOM_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_WISDOM_NS "fftw_wisdom" /* the namespace without another name */

typedef enum larder_wisdom_effort {
  LARDER_WISDOM_PATIENT, /* FFTW_PATIENT */
  LARDER_WISDOM_MEASURE, /* FFTW_MEASURE; does not serve a plan that asks for more */
  LARDER_WISDOM_EXHAUSTIVE
} larder_wisdom_effort;

/* Transforms, added up; 0 stands for C2C. */
#define LARDER_WISDOM_C2C 1u
#define LARDER_WISDOM_R2C 2u
#define LARDER_WISDOM_C2R 4u

typedef enum larder_wisdom_direction {
  LARDER_WISDOM_BOTH_WAYS, /* of c2c; r2c is always forward and c2r backward */
  LARDER_WISDOM_FORWARD,
  LARDER_WISDOM_BACKWARD
} larder_wisdom_direction;

typedef enum larder_wisdom_place {
  LARDER_WISDOM_ANY_PLACE,
  LARDER_WISDOM_IN_PLACE,
  LARDER_WISDOM_OUT_OF_PLACE
} larder_wisdom_place;

/* Zero is the default everywhere. All strings are copied. */
typedef struct larder_wisdom_options {
  size_t size;    /* sizeof(larder_wisdom_options) */
  const char *ns; /* NULL: LARDER_WISDOM_NS */
  larder_wisdom_effort effort;
  bool single;         /* single precision: fftwf_ */
  unsigned threads;    /* that the transforms run on; 0 and 1: one; at most 256 */
  unsigned transforms; /* LARDER_WISDOM_C2C and so on */
  larder_wisdom_direction direction;
  larder_wisdom_place place;
  bool force; /* search again, whatever is kept */
  /* Before the first plan and after each, in the calling thread and under no lock; not called when wisdom is loaded. False:
   * make no further plan; nothing is kept then. */
  bool (*progress)(void *context, unsigned done, unsigned total);
  void *context;
} larder_wisdom_options;

/* What larder_wisdom_ensure did. */
typedef struct larder_wisdom_done {
  bool made;                    /* else loaded */
  unsigned plans;               /* that were made, or that what is loaded stands for */
  size_t bytes;                 /* of the wisdom */
  int64_t took_ns;              /* the whole call */
  char key[LARDER_KEY_MAX + 1]; /* in the namespace */
  char reason[200];             /* made: why nothing was loaded, in a few words */
} larder_wisdom_done;

/*
 * Loads the wisdom of a grid of one to three axes into this process's FFTW, or makes and keeps it. Blocks for as long as the
 * search takes. Threads that want the same wait for the first of them. LARDER_OK; LARDER_DEGRADED or LARDER_NOT_KEPT: made and
 * in FFTW, but not kept as it should be; LARDER_END: stopped by progress; LARDER_EINVAL; LARDER_EUNSUPPORTED: this build has no
 * FFTW, or FFTW no such plan; LARDER_ENOMEM. options, out and err may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_wisdom_ensure(larder *cache, const uint64_t *sizes, unsigned axes,
                                                             const larder_wisdom_options *options, larder_wisdom_done *out,
                                                             larder_error *err);
/*
 * Deletes the wisdom that the same call of ensure would load, or all of the namespace when sizes is NULL, and lets this
 * process's FFTW forget everything that it has learned, in both precisions. *deleted (may be NULL): entries. LARDER_OK also
 * when there were none. In a build without FFTW entries are deleted only with sizes NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_wisdom_clear(larder *cache, const uint64_t *sizes, unsigned axes,
                                                            const larder_wisdom_options *options, uint64_t *deleted,
                                                            larder_error *err);
/* "fftw-3.3.10-sse2-avx", or NULL in a build without FFTW. */
LARDER_API const char *larder_wisdom_fftw_version(void);

/* Around a caller's own planning while other threads may be in a call of this header. Not recursive; blocks while a plan is
 * being searched for. */
LARDER_API void larder_wisdom_planner_lock(void);
LARDER_API void larder_wisdom_planner_unlock(void);

#ifdef __cplusplus
}
#endif
#endif
