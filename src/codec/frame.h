/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame: how a value that is compressed or sealed lies in a tier whose format is ours. A frame says of itself how it is
 * to be opened, so it outlives any change of the configuration.
 *
 * A *codec* is what coding needs again and again (compressors, buffers); any number of threads may use one. A *policy* says
 * what to do with new values. A frame is bound to a *place*, namespace and key: a sealed one does not open elsewhere.
 */
#ifndef LRD_CODEC_FRAME_H
#define LRD_CODEC_FRAME_H

#include "keyring.h"
#include "pack.h"

typedef enum lrd_seal { LRD_SEAL_NONE, LRD_SEAL_AES_256_GCM, LRD_SEAL_FERNET, LRD_SEAL_COUNT } lrd_seal;

typedef struct lrd_codec lrd_codec;

typedef struct lrd_codec_policy {
  lrd_pack_method method; /* PLAIN: no compression */
  unsigned level;
  uint64_t threshold_bytes; /* smaller values are not compressed */
  bool shuffle;             /* where the element width is known */
  lrd_seal seal;
} lrd_codec_policy;

typedef struct lrd_codec_place {
  lrd_span ns;
  lrd_span key;
} lrd_codec_place;

/* What a frame's head says. */
typedef struct lrd_frame_head {
  lrd_pack_method method;
  unsigned width; /* 0: not shuffled */
  uint64_t raw_len;
  lrd_seal seal;
  uint64_t key_id;      /* sealed */
  const uint8_t *nonce; /* AES-256-GCM; within the frame */
  size_t head_len;
  size_t payload_len; /* ciphertext without its tag; a Fernet token */
} lrd_frame_head;

/* Own. keyring: borrowed for the codec's life, or NULL: what is sealed cannot be opened, nor anything sealed. */
LARDER_MUST_CHECK larder_err lrd_codec_new(lrd_keyring *keyring, lrd_codec **out);
void lrd_codec_free(lrd_codec *codec);

/*
 * The frame of a value, appended to `out`. *framed_out false: neither compressing nor sealing is called for, or compressing
 * does not make it a sixteenth smaller: the value is to be stored as it is, and `out` is as it was. *failed_out (may be
 * NULL): a compressor failed, which only costs the compression. width: bytes of a number in the value, 0 where it holds none.
 * What is to be sealed is not stored plain instead:
 * LARDER_EKEY (no key), LARDER_EFORKED, LARDER_ENOMEM, LARDER_EIO.
 */
LARDER_MUST_CHECK larder_err lrd_frame_encode(lrd_codec *codec, const lrd_codec_policy *policy, const lrd_codec_place *place,
                                              lrd_span value, unsigned width, lrd_buf *out, bool *framed_out, bool *failed_out);
/*
 * The value of a frame, into an allocation of its own (release by lrd_dealloc). raw_max: a longer
 * value is not made room for. LARDER_ECORRUPT, with *why as a phrase: damaged, cut, of another place, or of impossible
 * lengths. LARDER_EKEY: whole, but sealed with a key that is not here. LARDER_EUNSUPPORTED, with *why: as a newer build
 * writes it. LARDER_ENOMEM.
 */
LARDER_MUST_CHECK larder_err lrd_frame_decode(lrd_codec *codec, const lrd_codec_place *place, lrd_span frame, uint64_t raw_max,
                                              uint8_t **value_out, size_t *len_out, const char **why);
/*
 * Reads the head and sees that it fits the frame's length; verifies no checksum. LARDER_ECORRUPT or LARDER_EUNSUPPORTED, with
 * *why.
 */
LARDER_MUST_CHECK larder_err lrd_frame_look(lrd_span frame, lrd_frame_head *out, const char **why);

#endif
