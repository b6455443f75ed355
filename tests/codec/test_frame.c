/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_rig.h"

#include "base/hash.h"
#include <larder/ext/tier.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const lrd_codec_policy zlib_6 = {.method = LRD_PACK_ZLIB, .level = 6, .threshold_bytes = 10, .shuffle = true};

static int setup(void **state) {
  codec_rig *rig = malloc(sizeof *rig);
  rig_init(rig, RIG_KEY_A "\n");
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  rig_fini(*state);
  free(*state);
  return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static bool framed(codec_rig *rig, const lrd_codec_policy *policy, lrd_span value, unsigned width) {
  lrd_buf out = {0};
  bool yes = false;
  assert_ok(lrd_frame_encode(rig->codec, policy, &rig->place, value, width, &out, &yes, NULL));
  assert_true(yes || out.len == 0);
  lrd_buf_fini(&out);
  return yes;
}

static void every_method_level_width_seal_and_length_comes_back(void **state) {
  codec_rig *rig = *state;
  static const size_t lengths[] = {0, 1, 17, 127, 128, 4096, 100001, 1200003};
  static const unsigned widths[] = {0, 2, 3, 8, 16};
  double *smooth = rig_smooth(160000);
  lrd_buf frame = {0};
  for (unsigned method = 0; method < LRD_PACK_METHOD_COUNT; method++)
    for (unsigned level = 0; level <= 9; level += 3)
      for (unsigned seal = 0; seal < LRD_SEAL_COUNT; seal++)
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
          for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            if (lengths[l] > 200000 && (level == 9 || w > 1)) continue; /* as slow as it is told to be */
            lrd_codec_policy policy = {(lrd_pack_method)method, level, 10, true, (lrd_seal)seal};
            bool is_frame = false;
            lrd_buf_clear(&frame);
            lrd_span const value = lrd_span_of(smooth, lengths[l]);
            assert_ok(lrd_frame_encode(rig->codec, &policy, &rig->place, value, widths[w], &frame, &is_frame, NULL));
            if (seal != LRD_SEAL_NONE) assert_true(is_frame);
            if (is_frame) rig_decodes_to(rig, &frame, value);
          }
  lrd_buf_fini(&frame);
  free(smooth);
}

static void what_does_not_pay_is_left_as_it_is(void **state) {
  codec_rig *rig = *state;
  uint8_t *random = rig_random(1 << 21, 5), *text = rig_text(20000);
  for (unsigned method = LRD_PACK_ZLIB; method < LRD_PACK_METHOD_COUNT; method++) {
    lrd_codec_policy policy = {(lrd_pack_method)method, 6, 10240, true, LRD_SEAL_NONE};
    assert_false(framed(rig, &policy, lrd_span_of(random, 1 << 16), 0));
    assert_false(framed(rig, &policy, lrd_span_of(random, 1 << 21), 8)); /* by its samples */
    assert_false(framed(rig, &policy, lrd_span_of(text, 10239), 0));     /* below the threshold */
    assert_true(framed(rig, &policy, lrd_span_of(text, 10240), 0));
    policy.level = 0;
    assert_false(framed(rig, &policy, lrd_span_of(text, 20000), 0));
  }
  lrd_codec_policy const plain = {.method = LRD_PACK_PLAIN, .level = 6};
  assert_false(framed(rig, &plain, lrd_span_of(text, 20000), 0));
  free(random);
  free(text);
}

static void only_a_sixteenth_less_counts(void **state) {
  codec_rig *rig = *state;
  size_t const len = 64000;
  for (int smaller = 0; smaller < 2; smaller++) {
    uint8_t *bytes = rig_random(len, 3);
    memset(bytes, 0, len / 16 + (smaller ? 1000 : 0) - 500);
    lrd_buf out = {0};
    bool yes = false;
    assert_ok(lrd_frame_encode(rig->codec, &zlib_6, &rig->place, lrd_span_of(bytes, len), 0, &out, &yes, NULL));
    assert_int_equal(yes, smaller);
    lrd_buf_fini(&out);
    free(bytes);
  }
}

static void shuffling_numbers_makes_them_smaller(void **state) {
  codec_rig *rig = *state;
  double *smooth = rig_smooth(100000);
  lrd_buf with = {0}, without = {0};
  bool is_frame = false;
  lrd_codec_policy policy = {.method = LRD_PACK_ZSTD, .level = 3, .threshold_bytes = 10, .shuffle = true};
  rig_encode(rig, &policy, lrd_span_of(smooth, 800000), 8, &with);
  policy.shuffle = false;
  assert_ok(lrd_frame_encode(rig->codec, &policy, &rig->place, lrd_span_of(smooth, 800000), 8, &without, &is_frame, NULL));
  assert_true(with.len < (is_frame ? without.len : 800000) * 9 / 10);
  rig_decodes_to(rig, &with, lrd_span_of(smooth, 800000));
  lrd_buf_fini(&with);
  lrd_buf_fini(&without);
  free(smooth);
}

static void a_frame_that_is_cut_or_altered_anywhere_is_damage(void **state) {
  codec_rig *rig = *state;
  uint8_t *text = rig_text(600);
  for (unsigned seal = 0; seal < LRD_SEAL_COUNT; seal++) {
    lrd_codec_policy policy = zlib_6;
    lrd_buf frame = {0};
    policy.seal = (lrd_seal)seal;
    rig_encode(rig, &policy, lrd_span_of(text, 600), 4, &frame);
    for (size_t len = 0; len < frame.len; len++) assert_err(rig_decode_err(rig, frame.data, len, 600), LARDER_ECORRUPT);
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
      frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
      larder_err const err = rig_decode_err(rig, frame.data, frame.len, 600);
      bool const in_head = bit < 5 * 8; /* up to the seal, where a bit may make it what a newer build might write */
      assert_true(err == LARDER_ECORRUPT || (in_head && err == LARDER_EUNSUPPORTED));
      frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_ok(lrd_buf_append_byte(&frame, 0));
    assert_err(rig_decode_err(rig, frame.data, frame.len, 600), LARDER_ECORRUPT);
    lrd_buf_fini(&frame);
  }
  free(text);
}

static void a_value_longer_than_the_caller_takes_is_damage(void **state) {
  codec_rig *rig = *state;
  uint8_t *text = rig_text(5000);
  lrd_buf frame = {0};
  rig_encode(rig, &zlib_6, lrd_span_of(text, 5000), 0, &frame);
  assert_err(rig_decode_err(rig, frame.data, frame.len, 4999), LARDER_ECORRUPT);
  assert_ok(rig_decode_err(rig, frame.data, frame.len, 5000));
  lrd_buf_fini(&frame);
  free(text);
}

/* A frame by hand, with a checksum that is right. */
static void frame_make(lrd_buf *frame, uint8_t marker, uint64_t raw_len, const void *payload, size_t len) {
  lrd_buf_clear(frame);
  assert_ok(lrd_buf_append_byte(frame, marker));
  assert_ok(lrd_varint_append(frame, raw_len));
  assert_ok(lrd_buf_append(frame, payload, len));
  lrd_sum const sum = lrd_sum128(frame->data, frame->len);
  assert_ok(lrd_buf_append(frame, &sum.low, 8));
  assert_ok(lrd_buf_append(frame, &sum.high, 8));
}

static _Atomic size_t largest;
static bool note_largest(void *context, size_t size) {
  (void)context;
  if (size > largest) largest = size;
  return true;
}

static void no_room_is_made_for_what_cannot_be_in_there(void **state) {
  codec_rig *rig = *state;
  lrd_buf frame = {0};
  uint8_t payload[100] = {0x78, 0x9c};
  static const uint64_t lengths[] = {1 << 20, 1u << 31, (UINT64_C(1) << 31) + 1, UINT64_MAX};
  largest = 0;
  lrd_alloc_set_gate(note_largest, NULL);
  for (unsigned method = 0; method < 16; method++)
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
      if (method == LRD_PACK_ZSTD && i == 0) continue; /* a hundred bytes of zstd can be a megabyte */
      frame_make(&frame, (uint8_t)method, lengths[i], payload, sizeof payload);
      bool const known = method < LRD_PACK_METHOD_COUNT || lengths[i] > LARDER_VALUE_MAX;
      assert_err(rig_decode_err(rig, frame.data, frame.len, UINT64_MAX), known ? LARDER_ECORRUPT : LARDER_EUNSUPPORTED);
    }
  lrd_alloc_set_gate(NULL, NULL);
  assert_true(largest < 4096);
  lrd_buf_fini(&frame);
}

static void a_bomb_is_stopped_at_the_length_that_it_tells(void **state) {
  codec_rig *rig = *state;
  uint8_t *zeros = calloc(1, 4 << 20);
  lrd_buf frame = {0}, lying = {0};
  for (unsigned method = LRD_PACK_ZLIB; method < LRD_PACK_METHOD_COUNT; method++) {
    lrd_codec_policy policy = {(lrd_pack_method)method, 1, 10, false, LRD_SEAL_NONE};
    lrd_frame_head head;
    const char *why = NULL;
    rig_encode(rig, &policy, lrd_span_of(zeros, 4 << 20), 0, &frame);
    assert_ok(lrd_frame_look(lrd_span_of(frame.data, frame.len), &head, &why));
    for (uint64_t raw_len = (4 << 20) - 1; raw_len > 0; raw_len /= 7) {
      frame_make(&lying, (uint8_t)method, raw_len, frame.data + head.head_len, head.payload_len);
      assert_err(rig_decode_err(rig, lying.data, lying.len, 8 << 20), LARDER_ECORRUPT);
    }
    frame_make(&lying, (uint8_t)method, (4 << 20) + 1, frame.data + head.head_len, head.payload_len);
    assert_err(rig_decode_err(rig, lying.data, lying.len, 8 << 20), LARDER_ECORRUPT);
  }
  free(zeros);
  lrd_buf_fini(&frame);
  lrd_buf_fini(&lying);
}

static void heads_that_nobody_writes_are_refused(void **state) {
  codec_rig *rig = *state;
  lrd_buf frame = {0};
  uint8_t payload[80] = "payload";
  frame_make(&frame, 0, sizeof payload, payload, sizeof payload);
  assert_ok(rig_decode_err(rig, frame.data, frame.len, 100)); /* plain and whole */
  static const uint8_t markers[] = {0x10, 0x20, 0x30};        /* no width; no seal, or no key */
  payload[0] = 0;
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < sizeof markers; i++) {
      frame_make(&frame, markers[i], sizeof payload, payload, sizeof payload);
      assert_err(rig_decode_err(rig, frame.data, frame.len, 100), LARDER_ECORRUPT);
    }
    memset(payload, 0, sizeof payload);
    payload[0] = LRD_SEAL_FERNET;
  }
  lrd_buf_fini(&frame);
}

static void what_a_newer_build_may_have_written_is_told_from_damage(void **state) {
  codec_rig *rig = *state;
  lrd_buf frame = {0};
  uint8_t payload[80] = {LRD_SEAL_COUNT, 1};
  static const uint8_t markers[] = {0x40, 0x80, 0xc0, 0x7f, LRD_PACK_METHOD_COUNT, 15, 0x20, 0x2f};
  for (size_t i = 0; i < sizeof markers; i++) {
    frame_make(&frame, markers[i], sizeof payload, payload, sizeof payload);
    assert_err(rig_decode_err(rig, frame.data, frame.len, 100), LARDER_EUNSUPPORTED);
    frame.data[frame.len - 1] ^= 1;
    bool const told = markers[i] < 0x20; /* where the checksum is known to be */
    assert_err(rig_decode_err(rig, frame.data, frame.len, 100), told ? LARDER_ECORRUPT : LARDER_EUNSUPPORTED);
    assert_err(rig_decode_err(rig, frame.data, 10, 100), markers[i] < 0x40 ? LARDER_ECORRUPT : LARDER_EUNSUPPORTED);
  }
  lrd_buf_fini(&frame);
}

static void a_sealed_value_opens_only_under_its_own_name(void **state) {
  codec_rig *rig = *state;
  lrd_codec_policy const policy = {.seal = LRD_SEAL_AES_256_GCM};
  lrd_codec_place const here = rig->place;
  lrd_buf frame = {0};
  rig_encode(rig, &policy, lrd_span_str("user:password"), 0, &frame);
  assert_null(memmem(frame.data, frame.len, "password", 8));
  rig_decodes_to(rig, &frame, lrd_span_str("user:password"));
  rig->place.key = lrd_span_str("10.0.0.2:8080");
  assert_err(rig_decode_err(rig, frame.data, frame.len, 100), LARDER_ECORRUPT);
  rig->place = (lrd_codec_place){lrd_span_str("other"), here.key};
  assert_err(rig_decode_err(rig, frame.data, frame.len, 100), LARDER_ECORRUPT);
  rig->place = (lrd_codec_place){lrd_span_str("proxies1"), lrd_span_str("0.0.0.1:8080")}; /* the same bytes in a row */
  assert_err(rig_decode_err(rig, frame.data, frame.len, 100), LARDER_ECORRUPT);
  lrd_buf_fini(&frame);
}

static void the_payload_of_a_fernet_frame_is_the_token(void **state) {
  codec_rig *rig = *state;
  lrd_codec_policy const policy = {.method = LRD_PACK_ZLIB, .level = 6, .seal = LRD_SEAL_FERNET};
  lrd_buf frame = {0};
  lrd_frame_head head;
  const char *why = NULL;
  uint8_t out[100];
  size_t len = 0;
  uint64_t id = 0;
  rig_encode(rig, &policy, lrd_span_str("hello"), 0, &frame);
  assert_ok(lrd_frame_look(lrd_span_of(frame.data, frame.len), &head, &why));
  const char *token = (const char *)frame.data + head.head_len;
  assert_memory_equal(token, "gAAAAA", 6);
  assert_ok(lrd_token_open(rig->keyring, 0, token, head.payload_len, out, &len, &id, &why));
  assert_int_equal(len, 5);
  assert_memory_equal(out, "hello", 5);
  assert_int_equal(id, head.key_id);
  lrd_buf_fini(&frame);
}

static void another_key_is_told_from_damage(void **state) {
  codec_rig *rig = *state;
  for (unsigned seal = LRD_SEAL_AES_256_GCM; seal < LRD_SEAL_COUNT; seal++) {
    lrd_codec_policy const policy = {.seal = (lrd_seal)seal};
    lrd_buf frame = {0};
    rig_keys(rig, RIG_KEY_A);
    rig_encode(rig, &policy, lrd_span_str("secret"), 0, &frame);
    rig_keys(rig, RIG_KEY_B);
    assert_err(rig_decode_err(rig, frame.data, frame.len, 100), LARDER_EKEY);
    frame.data[frame.len - 20] ^= 1;
    assert_err(rig_decode_err(rig, frame.data, frame.len, 100), LARDER_ECORRUPT);
    frame.data[frame.len - 20] ^= 1;
    rig_keys(rig, RIG_KEY_B "\n" RIG_KEY_A); /* the former one still opens, and the new one seals */
    rig_decodes_to(rig, &frame, lrd_span_str("secret"));
    rig_encode(rig, &policy, lrd_span_str("secret"), 0, &frame);
    rig_keys(rig, RIG_KEY_B);
    rig_decodes_to(rig, &frame, lrd_span_str("secret"));
    lrd_buf_fini(&frame);
  }
}

static void without_a_key_nothing_is_sealed(void **state) {
  codec_rig *rig = *state;
  rig_keys(rig, "# none\n");
  for (unsigned seal = LRD_SEAL_AES_256_GCM; seal < LRD_SEAL_COUNT; seal++) {
    lrd_codec_policy const policy = {.seal = (lrd_seal)seal};
    lrd_buf out = {0};
    bool is_frame = false;
    assert_err(lrd_frame_encode(rig->codec, &policy, &rig->place, lrd_span_str("v"), 0, &out, &is_frame, NULL), LARDER_EKEY);
    assert_int_equal(out.len, 0);
    lrd_buf_fini(&out);
  }
}

static void every_allocation_may_fail(void **state) {
  codec_rig *rig = *state;
  double *smooth = rig_smooth(20000);
  lrd_span const value = lrd_span_of(smooth, 160000);
  for (unsigned seal = 0; seal < LRD_SEAL_COUNT; seal++)
    for (uint64_t n = 1;; n++) {
      lrd_codec_policy const policy = {LRD_PACK_LZ4, 6, 10, true, (lrd_seal)seal};
      int64_t const live = support_alloc_live();
      lrd_codec *codec = NULL;
      lrd_buf frame = {0};
      uint8_t *out = NULL;
      size_t len = 0;
      bool is_frame = false, failed = false;
      const char *why = NULL;
      support_alloc_fail_at(n);
      larder_err err = lrd_codec_new(rig->keyring, &codec);
      if (err == LARDER_OK) err = lrd_frame_encode(codec, &policy, &rig->place, value, 8, &frame, &is_frame, &failed);
      if (err == LARDER_OK && is_frame)
        err = lrd_frame_decode(codec, &rig->place, lrd_span_of(frame.data, frame.len), value.len, &out, &len, &why);
      bool const reached = support_alloc_end() >= n;
      if (err == LARDER_OK && is_frame) assert_memory_equal(out, smooth, 160000);
      if (err != LARDER_OK) assert_err(err, LARDER_ENOMEM);
      if (err == LARDER_OK && !is_frame) assert_true(failed); /* stored as it is then, and counted */
      lrd_dealloc(out);
      lrd_buf_fini(&frame);
      lrd_codec_free(codec);
      assert_int_equal(support_alloc_live(), live);
      if (!reached) break;
    }
  free(smooth);
}

typedef struct worker {
  codec_rig *rig;
  unsigned number;
} worker;

static void *code_in_a_thread(void *context) {
  worker *me = context;
  double *smooth = rig_smooth(4000);
  lrd_buf frame = {0};
  for (unsigned round = 0; round < 60; round++) {
    lrd_codec_policy const policy = {(lrd_pack_method)((me->number + round) % LRD_PACK_METHOD_COUNT), 1 + round % 3, 10, true,
                                     (lrd_seal)(round % LRD_SEAL_COUNT)};
    lrd_codec_place const place = {lrd_span_str("ns"), lrd_span_of(&me->number, sizeof me->number)};
    uint8_t *out = NULL;
    size_t len = 0;
    bool is_frame = false;
    const char *why = NULL;
    smooth[round] = me->number;
    lrd_buf_clear(&frame);
    larder_err err = lrd_frame_encode(me->rig->codec, &policy, &place, lrd_span_of(smooth, 32000), 8, &frame, &is_frame, NULL);
    if (err == LARDER_OK && is_frame)
      err = lrd_frame_decode(me->rig->codec, &place, lrd_span_of(frame.data, frame.len), 32000, &out, &len, &why);
    if (err != LARDER_OK || (is_frame && memcmp(out, smooth, 32000) != 0)) abort();
    lrd_dealloc(out);
  }
  lrd_buf_fini(&frame);
  free(smooth);
  return NULL;
}

/* More of them than the codec and the keyring keep workers and contexts for. */
static void many_threads_share_a_codec(void **state) {
  pthread_t threads[24];
  worker workers[24];
  for (unsigned i = 0; i < 24; i++) {
    workers[i] = (worker){*state, i};
    assert_int_equal(pthread_create(&threads[i], NULL, code_in_a_thread, &workers[i]), 0);
  }
  for (unsigned i = 0; i < 24; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_method_level_width_seal_and_length_comes_back),
      TEST(what_does_not_pay_is_left_as_it_is),
      TEST(only_a_sixteenth_less_counts),
      TEST(shuffling_numbers_makes_them_smaller),
      TEST(a_frame_that_is_cut_or_altered_anywhere_is_damage),
      TEST(a_value_longer_than_the_caller_takes_is_damage),
      TEST(no_room_is_made_for_what_cannot_be_in_there),
      TEST(a_bomb_is_stopped_at_the_length_that_it_tells),
      TEST(heads_that_nobody_writes_are_refused),
      TEST(what_a_newer_build_may_have_written_is_told_from_damage),
      TEST(a_sealed_value_opens_only_under_its_own_name),
      TEST(the_payload_of_a_fernet_frame_is_the_token),
      TEST(another_key_is_told_from_damage),
      TEST(without_a_key_nothing_is_sealed),
      TEST(every_allocation_may_fail),
      TEST(many_threads_share_a_codec),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
