/* SPDX-License-Identifier: Apache-2.0 */
/* A codec with the keys of a key file, a clock that tests move, and values of several sorts. */
#ifndef LRD_TESTS_CODEC_RIG_H
#define LRD_TESTS_CODEC_RIG_H

#include "support/support.h"

#include "codec/frame.h"

#define RIG_KEY_A "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define RIG_KEY_B "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

typedef struct codec_rig {
  char *dir;
  char *key_file;
  lrd_clock_moved clock;
  lrd_keyring *keyring;
  lrd_codec *codec;
  lrd_codec_place place;
} codec_rig;

/* keys: the key file's content; NULL: none. */
void rig_init(codec_rig *rig, const char *keys);
void rig_fini(codec_rig *rig);
/* Writes the key file with mode 0600 and opens it anew. */
void rig_keys(codec_rig *rig, const char *keys);

/* Encodes; fails the test unless it is framed. */
void rig_encode(codec_rig *rig, const lrd_codec_policy *policy, lrd_span value, unsigned width, lrd_buf *frame);
/* Decodes and compares. */
void rig_decodes_to(codec_rig *rig, const lrd_buf *frame, lrd_span value);
/* What decoding answers, the value freed. */
larder_err rig_decode_err(codec_rig *rig, const void *frame, size_t len, uint64_t raw_max);

/* Allocated; free() them. */
double *rig_smooth(size_t count);
uint8_t *rig_random(size_t len, uint64_t seed);
uint8_t *rig_text(size_t len);

#endif
