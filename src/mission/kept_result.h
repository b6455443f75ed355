/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results as entries of a namespace. The record, under the key in hexadecimal, is JSON and says what there is; each part that
 * is not empty (standard output, standard error, files) is an entry `KEY/SHA-256 of the part`. Parts are written first and
 * the record last, so there is a record only of what was there whole; a part that is evicted makes it a miss.
 */
#ifndef LRD_MISSION_KEPT_RESULT_H
#define LRD_MISSION_KEPT_RESULT_H

#include "mission/job.h"
#include <larder/larder.h>
#include <sys/types.h>

#define LRD_WHY_MAX 256u

/* What lrd_sha256_hex wrote, back; false for what it never writes. */
bool lrd_digest_read(const char *text, size_t len, uint8_t out[LRD_SHA256_LEN]);

typedef enum lrd_part_place { LRD_PART_STDOUT, LRD_PART_STDERR, LRD_PART_FILES } lrd_part_place;

typedef struct lrd_part {
  lrd_file_sum sum;
  mode_t mode; /* of files */
} lrd_part;

typedef struct lrd_kept {
  char hex[LRD_SHA256_HEX_LEN + 1];
  int exit_code;
  int64_t took_ms;
  int64_t made_ms;  /* wall clock */
  lrd_part *parts;  /* standard output, standard error, then the job's outputs in their order */
  size_t parts_len; /* 2 + outputs */
} lrd_kept;

/* What running a job left, besides files. */
typedef struct lrd_made {
  int exit_code;
  int64_t took_ms;
  lrd_buf streams[2];
  bool cut[2]; /* it wrote more than was gathered */
} lrd_made;
void lrd_made_fini(lrd_made *made);

/* LARDER_OK and *out to free; LARDER_MISS without a record, with one that does not fit the job, or with a part gone. */
LARDER_MUST_CHECK larder_err lrd_kept_find(larder_ns *ns, const lrd_job *job, const lrd_job_key *key, lrd_kept **out);
void lrd_kept_free(lrd_kept *kept);
/* The bytes of a part, to release. LARDER_MISS when it has gone meanwhile. An empty part is found without an entry. */
LARDER_MUST_CHECK larder_err lrd_kept_value(larder_ns *ns, const lrd_kept *kept, size_t part, larder_value *out);
/*
 * Puts those files back that are missing or differ, each whole or not at all, with its mode. LARDER_MISS when a part has gone;
 * a failure and a sentence in `why` when one can't be written.
 */
LARDER_MUST_CHECK larder_err lrd_kept_restore(larder_ns *ns, const lrd_kept *kept, const lrd_job *job, char why[LRD_WHY_MAX]);
/*
 * Keeps what was made. Else the answer says how it was not, and `why` is a phrase: LARDER_NOT_KEPT (too large, or an output is
 * missing), LARDER_DEGRADED, LARDER_MISS (an output is no file), or the cache's failure.
 */
LARDER_MUST_CHECK larder_err lrd_kept_write(larder_ns *ns, const lrd_job *job, const lrd_job_key *key, const lrd_made *made,
                                            int64_t ttl_ms, char why[LRD_WHY_MAX]);
/* Deletes the record, then its parts. LARDER_MISS without one. */
LARDER_MUST_CHECK larder_err lrd_kept_forget(larder_ns *ns, const lrd_job_key *key);

#endif
