/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_rig.h"

#include "codec/shuffle.h"
#include <stdlib.h>

/* The definition, byte by byte. */
static void every_width_and_length_is_shuffled_as_defined(void **state) {
  (void)state;
  static uint8_t in[3000], out[3000], back[3000];
  uint8_t *random = rig_random(sizeof in, 1);
  memcpy(in, random, sizeof in);
  free(random);
  for (unsigned width = 2; width <= LRD_SHUFFLE_WIDTH_MAX; width++)
    for (size_t len = 0; len <= sizeof in; len += len < 600 ? 1 : 173) {
      size_t const count = len / width;
      memset(out, 0xee, sizeof out);
      lrd_shuffle(in, len, width, out);
      for (size_t i = 0; i < count; i++)
        for (unsigned byte = 0; byte < width; byte++) assert_int_equal(out[byte * count + i], in[i * width + byte]);
      for (size_t i = count * width; i < len; i++) assert_int_equal(out[i], in[i]);
      if (len < sizeof out) assert_int_equal(out[len], 0xee);
      memset(back, 0xee, sizeof back);
      lrd_unshuffle(out, len, width, back);
      if (len > 0) assert_memory_equal(back, in, len);
      if (len < sizeof back) assert_int_equal(back[len], 0xee);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_width_and_length_is_shuffled_as_defined),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
