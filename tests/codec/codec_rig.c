/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void rig_init(codec_rig *rig, const char *keys) {
  memset(rig, 0, sizeof *rig);
  (void)unsetenv("LARDER_KEY");
  (void)unsetenv("LARDER_KEY_PREVIOUS");
  rig->dir = support_dir_make();
  rig->key_file = support_path(rig->dir, "key");
  rig->place = (lrd_codec_place){lrd_span_str("proxies"), lrd_span_str("10.0.0.1:8080")};
  lrd_clock_moved_init(&rig->clock, INT64_C(1700000000000));
  rig_keys(rig, keys);
}

static void rig_close(codec_rig *rig) {
  lrd_codec_free(rig->codec);
  lrd_keyring_close(rig->keyring);
  rig->codec = NULL;
  rig->keyring = NULL;
}

void rig_keys(codec_rig *rig, const char *keys) {
  larder_error error = {0};
  rig_close(rig);
  if (keys != NULL) {
    support_file_write(rig->key_file, keys, strlen(keys));
    assert_int_equal(chmod(rig->key_file, 0600), 0);
  }
  larder_err const err = lrd_keyring_open(rig->key_file, &rig->clock.clock, &rig->keyring, &error);
  if (err != LARDER_OK) print_error("%s\n", error.message);
  assert_ok(err);
  assert_ok(lrd_codec_new(rig->keyring, &rig->codec));
}

void rig_fini(codec_rig *rig) {
  rig_close(rig);
  free(rig->key_file);
  support_dir_remove(&rig->dir);
}

void rig_encode(codec_rig *rig, const lrd_codec_policy *policy, lrd_span value, unsigned width, lrd_buf *frame) {
  bool framed = false;
  lrd_buf_clear(frame);
  assert_ok(lrd_frame_encode(rig->codec, policy, &rig->place, value, width, frame, &framed, NULL));
  assert_true(framed);
}

void rig_decodes_to(codec_rig *rig, const lrd_buf *frame, lrd_span value) {
  uint8_t *out = NULL;
  size_t len = 0;
  const char *why = "";
  larder_err const err =
      lrd_frame_decode(rig->codec, &rig->place, lrd_span_of(frame->data, frame->len), value.len, &out, &len, &why);
  if (err != LARDER_OK) print_error("%s\n", why);
  assert_ok(err);
  assert_int_equal(len, value.len);
  if (len > 0) assert_memory_equal(out, value.data, len);
  lrd_dealloc(out);
}

larder_err rig_decode_err(codec_rig *rig, const void *frame, size_t len, uint64_t raw_max) {
  uint8_t *out = NULL;
  size_t out_len = 0;
  const char *why = NULL;
  larder_err const err = lrd_frame_decode(rig->codec, &rig->place, lrd_span_of(frame, len), raw_max, &out, &out_len, &why);
  if (err == LARDER_OK) lrd_dealloc(out);
  if (err == LARDER_ECORRUPT || err == LARDER_EKEY || err == LARDER_EUNSUPPORTED) assert_non_null(why);
  return err;
}

double *rig_smooth(size_t count) {
  double *values = malloc(count * sizeof *values);
  assert_non_null(values);
  for (size_t i = 0; i < count; i++) values[i] = sin((double)i * 1e-3) + 2;
  return values;
}

uint8_t *rig_random(size_t len, uint64_t seed) {
  uint8_t *bytes = malloc(len + 8);
  assert_non_null(bytes);
  uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
  for (size_t i = 0; i < len; i++) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    bytes[i] = (uint8_t)(state >> 56);
  }
  return bytes;
}

uint8_t *rig_text(size_t len) {
  uint8_t *text = malloc(len + 1);
  assert_non_null(text);
  for (size_t i = 0; i < len; i++) text[i] = (uint8_t) "a value that repeats itself, "[i % 29];
  return text;
}
