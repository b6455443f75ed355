/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   u8         marker: method 4 bits | shuffled 1 | sealed 1 | version of the frame 2 (0)
 *   u8         element width                                  when shuffled
 *   varint     length of the value
 *   u8         how it is sealed (1: AES-256-GCM, 2: Fernet)   when sealed
 *   u64        id of the key                                  when sealed
 *   24 bytes   salt of the process's key, and its count       AES-256-GCM
 *              payload: the value, packed, then encrypted; or a Fernet token
 *   16 bytes   tag                                            AES-256-GCM
 *   16 bytes   XXH3-128 of all before it; of AES-256-GCM without the ciphertext, which the tag covers
 *
 * The associated data of AES-256-GCM are the head, the namespace and the key. A Fernet token has none and holds the value
 * as it was put, so that who has the key can open it anywhere: that is what it is for.
 *
 * On the way back nothing is believed before the closing checksum is right, and no room is made that the payload cannot
 * fill.
 *
 * A newer build may write another version, of which nothing is known here, or in this one a method or a seal that is not known
 * here. The length and the closing checksum stay where they are in this version, so an unknown method is told from a bit
 * that flipped in a known one; of an unknown seal it is not known what the checksum covers.
 */
#include "codec_inner.h"

#include "base/fail.h"
#include "base/hash.h"
#include <larder/ext/tier.h>

#define METHOD_MASK  0x0fu
#define SHUFFLED     0x10u
#define SEALED       0x20u
#define VERSION_MASK 0xc0u
#define SUM_LEN      16u
#define HEAD_MAX     (1 + 1 + 10 + 1 + 8 + LRD_SEAL_NONCE_LEN)
#define AAD_MAX      (HEAD_MAX + 4 + 256 + LARDER_KEY_MAX)

static void sum_put(const uint8_t *frame, const lrd_frame_head *head, uint8_t *out) {
  size_t const all = head->head_len + head->payload_len;
  lrd_sum sum;
  if (head->seal == LRD_SEAL_AES_256_GCM) {
    uint8_t covered[HEAD_MAX + LRD_SEAL_TAG_LEN];
    memcpy(covered, frame, head->head_len);
    memcpy(covered + head->head_len, frame + all, LRD_SEAL_TAG_LEN);
    sum = lrd_sum128(covered, head->head_len + LRD_SEAL_TAG_LEN);
  } else {
    sum = lrd_sum128(frame, all);
  }
  lrd_put_u64(out, sum.low);
  lrd_put_u64(out + 8, sum.high);
}

static size_t tag_len_of(lrd_seal seal) { return seal == LRD_SEAL_AES_256_GCM ? LRD_SEAL_TAG_LEN : 0; }

/* Head, namespace and key, each with its length so that none can lend bytes to another. */
static lrd_span associated_data(const uint8_t *frame, size_t head_len, const lrd_codec_place *place, uint8_t room[AAD_MAX]) {
  uint8_t *at = room;
  LRD_ASSERT(place->ns.len <= 256 && place->key.len <= LARDER_KEY_MAX);
  memcpy(at, frame, head_len);
  at += head_len;
  lrd_put_u16(at, (uint16_t)place->ns.len);
  lrd_put_u16(at + 2, (uint16_t)place->key.len);
  at += 4;
  if (place->ns.len > 0) memcpy(at, place->ns.data, place->ns.len);
  at += place->ns.len;
  if (place->key.len > 0) memcpy(at, place->key.data, place->key.len);
  at += place->key.len;
  return lrd_span_of(room, (size_t)(at - room));
}

/* --- encoding ------------------------------------------------------------------------------------------------------ */

/* Into room that was reserved (HEAD_MAX); the length. */
static size_t head_write(uint8_t *out, const lrd_frame_head *head) {
  uint8_t *at = out;
  *at++ = (uint8_t)((unsigned)head->method | (head->width != 0 ? SHUFFLED : 0u) | (head->seal != LRD_SEAL_NONE ? SEALED : 0u));
  if (head->width != 0) *at++ = (uint8_t)head->width;
  uint64_t len = head->raw_len;
  for (; len >= 0x80; len >>= 7) *at++ = (uint8_t)(len | 0x80);
  *at++ = (uint8_t)len;
  if (head->seal == LRD_SEAL_NONE) return (size_t)(at - out);
  *at++ = (uint8_t)head->seal;
  lrd_put_u64(at, head->key_id);
  at += 8;
  if (head->seal == LRD_SEAL_AES_256_GCM) {
    memcpy(at, head->nonce, LRD_SEAL_NONCE_LEN);
    at += LRD_SEAL_NONCE_LEN;
  }
  return (size_t)(at - out);
}

/* Packs behind where the head will end, into what the value may take at most. LARDER_NOT_KEPT: leave it as it is. */
static larder_err pack_value(lrd_codec_worker *worker, const lrd_codec_policy *policy, lrd_span value, unsigned width,
                             uint8_t *out, lrd_frame_head *head) {
  const uint8_t *in = value.data;
  larder_err err = LARDER_OK;
  if (width != 0) {
    lrd_buf_clear(&worker->scratch);
    err = lrd_buf_reserve(&worker->scratch, value.len);
    if (err != LARDER_OK) return err;
    lrd_shuffle(value.data, value.len, width, worker->scratch.data);
    in = worker->scratch.data;
  }
  err = lrd_pack(&worker->packer, policy->method, policy->level, in, value.len, out, value.len - value.len / 16,
                 &head->payload_len);
  if (err == LARDER_OK) {
    head->method = policy->method;
    head->width = width;
  }
  return err;
}

/* Encrypts the payload where it lies, or from the value, and writes the tag behind it. */
static larder_err seal_gcm(lrd_codec *codec, const lrd_codec_place *place, const lrd_frame_head *head, uint8_t *frame,
                           const void *plain) {
  uint8_t room[AAD_MAX];
  uint8_t *payload = frame + head->head_len;
  lrd_span const aad = associated_data(frame, head->head_len, place, room);
  return lrd_gcm_seal(codec->keyring, head->nonce, aad, plain, head->payload_len, payload, payload + head->payload_len);
}

static larder_err encode_token(lrd_codec *codec, lrd_span value, lrd_buf *out) {
  lrd_frame_head head = {.seal = LRD_SEAL_FERNET, .raw_len = value.len, .payload_len = lrd_fernet_token_len(value.len)};
  size_t const from = out->len;
  uint64_t key_id = 0;
  if (lrd_keyring_len(codec->keyring) == 0) return LARDER_EKEY;
  head.key_id = lrd_keyring_at(codec->keyring, 0).id;
  larder_err err = lrd_buf_reserve(out, HEAD_MAX + head.payload_len + SUM_LEN);
  if (err != LARDER_OK) return err;
  head.head_len = head_write(out->data + from, &head);
  out->len = from + head.head_len;
  err = lrd_token_seal(codec->keyring, value.data, value.len, (char *)out->data + out->len, &key_id);
  if (err != LARDER_OK) return err;
  LRD_ASSERT(key_id == head.key_id);
  sum_put(out->data + from, &head, out->data + out->len + head.payload_len);
  out->len += head.payload_len + SUM_LEN;
  return LARDER_OK;
}

/* The length of the head is not known before it is known whether packing pays: the payload is packed where the longest
 * head would end, and moved to where the head does end. */
static larder_err encode_packed(lrd_codec *codec, lrd_codec_worker *worker, const lrd_codec_policy *policy,
                                const lrd_codec_place *place, lrd_span value, unsigned width, bool pack, lrd_buf *out,
                                bool *framed_out, bool *failed_out) {
  lrd_frame_head head = {.raw_len = value.len, .payload_len = value.len, .seal = policy->seal};
  uint8_t nonce[LRD_SEAL_NONCE_LEN];
  size_t const from = out->len;
  const void *plain = value.data;
  larder_err err = lrd_buf_reserve(out, HEAD_MAX + value.len + LRD_SEAL_TAG_LEN + SUM_LEN);
  if (err != LARDER_OK && policy->seal == LRD_SEAL_NONE) {
    *failed_out = true;
    return LARDER_OK; /* stored as it is */
  }
  if (err != LARDER_OK) return err;
  if (pack) {
    plain = out->data + from + HEAD_MAX;
    err = pack_value(worker, policy, value, width, out->data + from + HEAD_MAX, &head);
    if (err != LARDER_OK && err != LARDER_NOT_KEPT) *failed_out = true;
    if (err != LARDER_OK) plain = value.data;
    if (err != LARDER_OK) head.payload_len = value.len;
  }
  if (head.method == LRD_PACK_PLAIN && head.seal == LRD_SEAL_NONE) return LARDER_OK;
  if (head.seal != LRD_SEAL_NONE) {
    err = lrd_gcm_nonce_next(codec->keyring, &head.key_id, nonce);
    if (err != LARDER_OK) return err;
    head.nonce = nonce;
  }
  uint8_t *frame = out->data + from;
  head.head_len = head_write(frame, &head);
  if (plain != value.data) plain = memmove(frame + head.head_len, plain, head.payload_len);
  err = LARDER_OK;
  if (head.seal != LRD_SEAL_NONE) err = seal_gcm(codec, place, &head, frame, plain);
  if (err != LARDER_OK) return err;
  size_t const covered = head.head_len + head.payload_len + tag_len_of(head.seal);
  sum_put(frame, &head, frame + covered);
  out->len = from + covered + SUM_LEN;
  *framed_out = true;
  return LARDER_OK;
}

larder_err lrd_frame_encode(lrd_codec *codec, const lrd_codec_policy *policy, const lrd_codec_place *place, lrd_span value,
                            unsigned width, lrd_buf *out, bool *framed_out, bool *failed_out) {
  size_t const from = out->len;
  bool failed = false, framed = false;
  larder_err err;
  if (value.len > LARDER_VALUE_MAX) return LARDER_ETOOBIG;
  if (policy->seal == LRD_SEAL_FERNET) {
    err = encode_token(codec, value, out);
    framed = true;
  } else {
    bool const pack =
        policy->method != LRD_PACK_PLAIN && policy->level > 0 && value.len > 0 && value.len >= policy->threshold_bytes;
    if (!pack && policy->seal == LRD_SEAL_NONE) {
      *framed_out = false;
      return LARDER_OK;
    }
    if (!policy->shuffle || width < 2 || width > LRD_SHUFFLE_WIDTH_MAX) width = 0;
    lrd_codec_worker spare = {0};
    lrd_codec_worker *worker = pack ? lrd_codec_claim(codec, &spare) : &spare;
    err = encode_packed(codec, worker, policy, place, value, width, pack, out, &framed, &failed);
    if (pack) lrd_codec_give_back(worker, &spare);
  }
  if (failed_out != NULL) *failed_out = failed;
  if (err != LARDER_OK || !framed) out->len = from;
  if (err == LARDER_OK) *framed_out = framed;
  return err;
}

/* --- decoding ------------------------------------------------------------------------------------------------------ */

static larder_err wrong(const char **why, const char *what) {
  *why = what;
  return LARDER_ECORRUPT;
}

/* The parts of the head from the marker on. False when they end beyond `end`. */
static bool head_read(const uint8_t **at, const uint8_t *end, lrd_frame_head *head) {
  if (*at == end) return false;
  uint8_t const marker = *(*at)++;
  head->method = (lrd_pack_method)(marker & METHOD_MASK);
  if ((marker & SHUFFLED) != 0) {
    if (*at == end) return false;
    head->width = *(*at)++;
  }
  if (lrd_varint_read(at, end, &head->raw_len) != LARDER_OK) return false;
  if ((marker & SEALED) == 0) return true;
  if ((size_t)(end - *at) < 9) return false;
  head->seal = (lrd_seal)(*at)[0];
  head->key_id = lrd_get_u64(*at + 1);
  *at += 9;
  if (head->seal != LRD_SEAL_AES_256_GCM) return true;
  if ((size_t)(end - *at) < LRD_SEAL_NONCE_LEN) return false;
  head->nonce = *at;
  *at += LRD_SEAL_NONCE_LEN;
  return true;
}

static larder_err newer(const char **why, const char *what) {
  *why = what;
  return LARDER_EUNSUPPORTED;
}

static bool sum_right(lrd_span frame, const lrd_frame_head *head) {
  uint8_t sum[SUM_LEN];
  sum_put(frame.data, head, sum);
  return memcmp(sum, (const uint8_t *)frame.data + frame.len - SUM_LEN, SUM_LEN) == 0;
}

larder_err lrd_frame_look(lrd_span frame, lrd_frame_head *out, const char **why) {
  const uint8_t *at = frame.data;
  if (frame.len > 0 && (at[0] & VERSION_MASK) != 0) return newer(why, "the frame is of another version");
  if (frame.len < 2 + SUM_LEN) return wrong(why, "the frame is too short");
  const uint8_t *end = at + frame.len - SUM_LEN;
  uint8_t const marker = at[0];
  lrd_frame_head head = {0};
  if (!head_read(&at, end, &head)) return wrong(why, "the frame's head is cut short");
  bool const shuffled = (marker & SHUFFLED) != 0, sealed = (marker & SEALED) != 0;
  if (shuffled && (head.width < 2 || head.width > LRD_SHUFFLE_WIDTH_MAX || head.method == LRD_PACK_PLAIN))
    return wrong(why, "the frame's element width is impossible");
  if (sealed && (head.seal == LRD_SEAL_NONE || head.key_id == 0)) return wrong(why, "the frame's seal is impossible");
  if (head.seal >= LRD_SEAL_COUNT) return newer(why, "the frame names an unknown seal");
  if (head.raw_len > LARDER_VALUE_MAX) return wrong(why, "the frame's length is impossible");
  head.head_len = (size_t)(at - (const uint8_t *)frame.data);
  size_t const tag_len = tag_len_of(head.seal);
  if ((size_t)(end - at) < tag_len) return wrong(why, "the frame is cut short");
  head.payload_len = (size_t)(end - at) - tag_len;
  if (head.method >= LRD_PACK_METHOD_COUNT)
    return sum_right(frame, &head) ? newer(why, "the frame names an unknown method")
                                   : wrong(why, "the frame names an unknown method, and its checksum is wrong");
  bool const fits = head.seal == LRD_SEAL_FERNET
                        ? head.method == LRD_PACK_PLAIN && head.payload_len == lrd_fernet_token_len((size_t)head.raw_len)
                        : lrd_pack_plausible(head.method, head.payload_len, head.raw_len);
  if (!fits) return wrong(why, "the frame's lengths do not fit together");
  *out = head;
  return LARDER_OK;
}

/* Unpacks and unshuffles into `out`. */
static larder_err unpack_value(lrd_codec_worker *worker, const lrd_frame_head *head, const uint8_t *packed, uint8_t *out,
                               const char **why) {
  size_t const raw_len = (size_t)head->raw_len;
  uint8_t *to = out;
  larder_err err = LARDER_OK;
  if (head->method == LRD_PACK_PLAIN) {
    memcpy(out, packed, raw_len);
    return LARDER_OK;
  }
  if (head->width != 0) {
    lrd_buf_clear(&worker->scratch);
    err = lrd_buf_reserve(&worker->scratch, raw_len);
    if (err != LARDER_OK) return err;
    to = worker->scratch.data;
  }
  err = lrd_unpack(&worker->packer, head->method, packed, head->payload_len, to, raw_len);
  if (err == LARDER_ECORRUPT) *why = "the packed bytes do not unpack to the length that is told";
  if (err == LARDER_OK && head->width != 0) lrd_unshuffle(to, raw_len, head->width, out);
  return err;
}

static larder_err open_gcm(lrd_codec *codec, const lrd_codec_place *place, const uint8_t *frame, const lrd_frame_head *head,
                           uint8_t *out, const char **why) {
  uint8_t room[AAD_MAX];
  const uint8_t *payload = frame + head->head_len;
  lrd_span const aad = associated_data(frame, head->head_len, place, room);
  larder_err const err = lrd_gcm_open(codec->keyring, head->key_id, head->nonce, aad, payload, head->payload_len,
                                      payload + head->payload_len, out);
  if (err == LARDER_EKEY) *why = "the key that sealed it is not here";
  if (err == LARDER_ECORRUPT) *why = "it does not open: altered, or sealed for another name";
  return err;
}

/* A sealed payload that is packed too: opened into a buffer of its own first. */
static larder_err open_and_unpack(lrd_codec *codec, lrd_codec_worker *worker, const lrd_codec_place *place,
                                  const uint8_t *frame, const lrd_frame_head *head, uint8_t *out, const char **why) {
  uint8_t *packed = lrd_alloc(head->payload_len + 1);
  if (packed == NULL) return LARDER_ENOMEM;
  larder_err err = open_gcm(codec, place, frame, head, packed, why);
  if (err == LARDER_OK) err = unpack_value(worker, head, packed, out, why);
  lrd_key_wipe(packed, head->payload_len);
  lrd_dealloc(packed);
  return err;
}

static larder_err decode_into(lrd_codec *codec, const lrd_codec_place *place, const uint8_t *frame, const lrd_frame_head *head,
                              uint8_t *out, const char **why) {
  const uint8_t *payload = frame + head->head_len;
  uint64_t key_id = 0;
  size_t opened = 0;
  if (head->seal == LRD_SEAL_FERNET) {
    larder_err err =
        lrd_token_open(codec->keyring, head->key_id, (const char *)payload, head->payload_len, out, &opened, &key_id, why);
    if (err == LARDER_EFORMAT) err = LARDER_ECORRUPT;
    return err == LARDER_OK && opened != head->raw_len ? wrong(why, "the token holds another length") : err;
  }
  if (head->seal != LRD_SEAL_NONE && head->method == LRD_PACK_PLAIN) return open_gcm(codec, place, frame, head, out, why);
  lrd_codec_worker spare = {0};
  lrd_codec_worker *worker = lrd_codec_claim(codec, &spare);
  larder_err const err = head->seal == LRD_SEAL_NONE ? unpack_value(worker, head, payload, out, why)
                                                     : open_and_unpack(codec, worker, place, frame, head, out, why);
  lrd_codec_give_back(worker, &spare);
  return err;
}

larder_err lrd_frame_decode(lrd_codec *codec, const lrd_codec_place *place, lrd_span frame, uint64_t raw_max,
                            uint8_t **value_out, size_t *len_out, const char **why) {
  lrd_frame_head head;
  larder_err err = lrd_frame_look(frame, &head, why);
  if (err != LARDER_OK) return err;
  if (!sum_right(frame, &head)) return wrong(why, "the checksum is wrong");
  if (head.raw_len > raw_max) return wrong(why, "the value is longer than it may be");
  /* Opening a token may write into the room of a whole last group. */
  size_t const room = head.seal == LRD_SEAL_FERNET ? lrd_fernet_room(head.payload_len) : (size_t)head.raw_len;
  uint8_t *value = lrd_alloc(room + 1);
  if (value == NULL) return LARDER_ENOMEM;
  err = decode_into(codec, place, frame.data, &head, value, why);
  if (err != LARDER_OK) {
    lrd_dealloc(value);
    return err;
  }
  *value_out = value;
  *len_out = (size_t)head.raw_len;
  return LARDER_OK;
}
