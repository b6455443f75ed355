/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from a disk or a peer: decoded as they are, and with a closing checksum that is right, so that what lies behind it
 * is reached. Decoding answers or refuses, and makes no room that the input cannot fill. The input is also a value, which
 * comes back from its own frame, and a document, whose sealed members are opened.
 */
#include "base/hash.h"
#include "codec/fields.h"
#include <larder/ext/tier.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                                       \
  do {                                                                                                                         \
    if (!(condition)) abort();                                                                                                 \
  } while (0)

#define RAW_MAX ((uint64_t)1 << 22)

static lrd_codec_place const place = {{"ns", 2}, {"key", 3}};

static lrd_codec *codec_of_keys(void) {
  static lrd_codec *codec;
  lrd_keyring *keyring = NULL;
  if (codec != NULL) return codec;
  HOLDS(setenv("LARDER_KEY", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=", 1) == 0);
  HOLDS(lrd_keyring_open(NULL, lrd_clock_real(), &keyring, NULL) == LARDER_OK);
  HOLDS(lrd_codec_new(keyring, &codec) == LARDER_OK);
  return codec;
}

static void try_decode(lrd_span frame) {
  uint8_t *value = NULL;
  size_t len = 0;
  const char *why = NULL;
  larder_err const err = lrd_frame_decode(codec_of_keys(), &place, frame, RAW_MAX, &value, &len, &why);
  if (err != LARDER_OK) {
    HOLDS(err == LARDER_ENOMEM || why != NULL);
    return;
  }
  HOLDS(len <= RAW_MAX);
  lrd_dealloc(value);
}

/* The input with what closes it: the sum of all, or of head and tag where the tag stands for the ciphertext. */
static void try_summed(const uint8_t *data, size_t size) {
  lrd_buf frame = {0};
  lrd_frame_head head;
  const char *why;
  uint8_t zeros[16] = {0};
  HOLDS(lrd_buf_append(&frame, data, size) == LARDER_OK && lrd_buf_append(&frame, zeros, sizeof zeros) == LARDER_OK);
  if (lrd_frame_look(lrd_span_of(frame.data, frame.len), &head, &why) == LARDER_OK) {
    lrd_buf covered = {0};
    HOLDS(lrd_buf_append(&covered, data, head.seal == LRD_SEAL_AES_256_GCM ? head.head_len : size) == LARDER_OK);
    if (head.seal == LRD_SEAL_AES_256_GCM) HOLDS(lrd_buf_append(&covered, data + size - 16, 16) == LARDER_OK);
    lrd_sum const sum = lrd_sum128(covered.data, covered.len);
    lrd_put_u64(frame.data + size, sum.low);
    lrd_put_u64(frame.data + size + 8, sum.high);
    lrd_buf_fini(&covered);
    try_decode(lrd_span_of(frame.data, frame.len));
  }
  lrd_buf_fini(&frame);
}

static void try_encode(const uint8_t *data, size_t size) {
  lrd_codec_policy const policy = {.method = (lrd_pack_method)(data[0] % LRD_PACK_METHOD_COUNT),
                                   .level = 1 + data[0] / 4 % 9,
                                   .shuffle = true,
                                   .seal = (lrd_seal)(data[0] / 64 % LRD_SEAL_COUNT)};
  lrd_buf frame = {0};
  uint8_t *value = NULL;
  size_t len = 0;
  bool framed = false;
  const char *why = NULL;
  HOLDS(lrd_frame_encode(codec_of_keys(), &policy, &place, lrd_span_of(data, size), data[0] % 20, &frame, &framed, NULL) ==
        LARDER_OK);
  if (framed) {
    HOLDS(lrd_frame_decode(codec_of_keys(), &place, lrd_span_of(frame.data, frame.len), size, &value, &len, &why) == LARDER_OK);
    HOLDS(len == size && memcmp(value, data, size) == 0);
    lrd_dealloc(value);
  }
  lrd_buf_fini(&frame);
}

/* A document from a tier is opened or refused; one that we sealed comes back byte by byte. */
static void try_fields(const uint8_t *data, size_t size) {
  lrd_span const json = lrd_span_of(data, size);
  lrd_buf opened = {0}, sealed = {0}, back = {0};
  lrd_fields_found found;
  const char *why = NULL;
  larder_err err = lrd_fields_open(codec_of_keys(), &place, "a\npassword\n", json, &opened, &found, &why);
  HOLDS(err == LARDER_OK || why != NULL);
  for (unsigned seal = LRD_SEAL_AES_256_GCM; seal < LRD_SEAL_COUNT; seal++) {
    lrd_buf_clear(&sealed);
    lrd_buf_clear(&back);
    err = lrd_fields_seal(codec_of_keys(), (lrd_seal)seal, &place, "a\npassword\n", json, &sealed);
    HOLDS(err == LARDER_OK || err == LARDER_EFORMAT);
    if (err != LARDER_OK) continue;
    HOLDS(lrd_fields_open(codec_of_keys(), &place, "a\npassword\n", lrd_span_of(sealed.data, sealed.len), &back, &found,
                          &why) == LARDER_OK);
    HOLDS(!found.bare);
    HOLDS(found.sealed ? back.len == size && memcmp(back.data, data, size) == 0
                       : sealed.len == size && memcmp(sealed.data, data, size) == 0);
  }
  lrd_buf_fini(&back);
  lrd_buf_fini(&sealed);
  lrd_buf_fini(&opened);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try_decode(lrd_span_of(data, size));
  try_summed(data, size);
  if (size > 0) try_encode(data, size);
  try_fields(data, size);
  return 0;
}
