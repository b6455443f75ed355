/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 against the examples of FIPS 180-4 (NIST's "SHA_All.pdf"), whole and in pieces. */
#include "support/support.h"

#include "base/sha256.h"
#include <string.h>

static void check(const void *data, size_t len, const char *hex) {
  uint8_t digest[LRD_SHA256_LEN];
  char found[LRD_SHA256_HEX_LEN + 1];
  lrd_sha256_of(data, len, digest);
  lrd_sha256_hex(digest, found);
  assert_string_equal(found, hex);
}

static void the_published_examples_come_out(void **state) {
  (void)state;
  check("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check(NULL, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  check(two, strlen(two), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void pieces_make_the_same_digest(void **state) {
  (void)state;
  uint8_t text[300];
  uint8_t whole[LRD_SHA256_LEN];
  uint8_t pieces[LRD_SHA256_LEN];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * 7);
  lrd_sha256_of(text, sizeof text, whole);
  for (size_t cut = 0; cut <= sizeof text; cut++) {
    lrd_sha256 sum;
    lrd_sha256_begin(&sum);
    lrd_sha256_add(&sum, text, cut);
    lrd_sha256_add(&sum, text + cut, sizeof text - cut);
    lrd_sha256_end(&sum, pieces);
    assert_memory_equal(pieces, whole, sizeof whole);
  }
}

static void a_million_letters(void **state) {
  (void)state;
  char a[1000];
  memset(a, 'a', sizeof a);
  uint8_t digest[LRD_SHA256_LEN];
  char found[LRD_SHA256_HEX_LEN + 1];
  lrd_sha256 sum;
  lrd_sha256_begin(&sum);
  for (int i = 0; i < 1000; i++) lrd_sha256_add(&sum, a, sizeof a);
  lrd_sha256_end(&sum, digest);
  lrd_sha256_hex(digest, found);
  assert_string_equal(found, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_published_examples_come_out),
      cmocka_unit_test(pieces_make_the_same_digest),
      cmocka_unit_test(a_million_letters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
