/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a step of a mission and a memo have in common: something to run, what its result depends on, and what it leaves.
 * The key is the SHA-256 of all that the result depends on, so that whoever has the same key has the same result.
 */
#ifndef LRD_MISSION_JOB_H
#define LRD_MISSION_JOB_H

#include "base/bytes.h"
#include "base/sha256.h"
#include <sys/stat.h>

typedef struct lrd_job_key {
  uint8_t digest[LRD_SHA256_LEN];
} lrd_job_key;

typedef struct lrd_names {
  const char **items; /* ascending, without repeats */
  size_t len;
} lrd_names;

typedef struct lrd_job {
  const char *type;         /* NULL: a memo */
  lrd_span params;          /* canonical JSON */
  const char *const *argv;  /* ended by NULL; NULL: a callback makes it */
  const char *folder;       /* where it runs and what relative names are relative to; NULL: the working directory */
  bool folder_counts;       /* the folder is part of the key */
  lrd_names inputs;         /* files whose content counts */
  lrd_names outputs;        /* files that it leaves */
  lrd_names environment;    /* variables whose values count */
  const lrd_job_key *after; /* keys of what it depends on, ascending */
  size_t after_len;
} lrd_job;

/* Sorts and drops repeats. */
void lrd_names_sort(lrd_names *names);
/* A name as a path: under the folder (NULL: the working directory), unless it is absolute. Own; NULL when out of memory. */
char *lrd_job_path(const char *folder, const char *name);

/* What is known of an input without looking at it, because the step that made it is known. */
typedef struct lrd_file_sum {
  uint8_t digest[LRD_SHA256_LEN];
  uint64_t len;
} lrd_file_sum;
/* Facts of an ordinary file. -1 with errno; EISDIR and ENXIO for what is none. */
int lrd_file_look(const char *path, struct stat *out);
/* Its digest and length, read piece by piece. The same failures. */
int lrd_file_sum_of(const char *path, lrd_file_sum *out);

/* The same of an input, by its name in a folder (NULL: the working directory). LARDER_EINVAL and a sentence. */
LARDER_MUST_CHECK larder_err lrd_job_input_sum(const char *folder, const char *name, lrd_file_sum *out, larder_error *err);

/*
 * The key. sums: of the inputs in their order; NULL: they are read, and *sums_out (job->inputs.len of them; may be NULL)
 * filled. LARDER_EINVAL and a sentence for an input that can't be read.
 */
LARDER_MUST_CHECK larder_err lrd_job_key_of(const lrd_job *job, const lrd_file_sum *sums, lrd_file_sum *sums_out,
                                            lrd_job_key *out, larder_error *err);

#endif
