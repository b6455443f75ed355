/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a codec: the compressors and the buffer that one thread uses at a time. */
#ifndef LRD_CODEC_INNER_H
#define LRD_CODEC_INNER_H

#include "fernet.h"
#include "frame.h"
#include "shuffle.h"
#include <stdatomic.h>

#define LRD_CODEC_WORKERS     8u
#define LRD_CODEC_SCRATCH_MAX ((size_t)1 << 20) /* a larger buffer is given back after use */

typedef struct lrd_codec_worker {
  _Atomic uint32_t taken;
  lrd_packer packer;
  lrd_buf scratch;
} lrd_codec_worker;

struct lrd_codec {
  lrd_keyring *keyring;
  lrd_codec_worker workers[LRD_CODEC_WORKERS];
};

/* One that is free, or `spare` when all are at work. */
lrd_codec_worker *lrd_codec_claim(lrd_codec *codec, lrd_codec_worker *spare);
void lrd_codec_give_back(lrd_codec_worker *worker, lrd_codec_worker *spare);

#endif
