/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fernet by its published vectors: generate.json, verify.json and invalid.json of https://github.com/fernet/spec, and a
 * conversation with Python's cryptography where that is installed (python3-cryptography, /usr/bin/python3).
 */
#include "codec_rig.h"

#include "codec/base64url.h"
#include "codec/fernet.h"
#include <stdio.h>
#include <stdlib.h>

#define MADE_S INT64_C(499162800) /* 1985-10-26T01:20:00-07:00 */
#define HELLO  "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="

static void key_of(const char *text, uint8_t key[48]) {
  size_t len = 0;
  assert_true(lrd_base64url_decode(text, strlen(text), key, &len));
  assert_int_equal(len, 32);
}

static larder_err opened(const char *token, int64_t now_s, int64_t ttl_s, char *out, size_t *len) {
  uint8_t key[48];
  const char *why = NULL;
  key_of(RIG_KEY_A, key);
  larder_err const err = lrd_fernet_open(key, now_s, ttl_s, token, strlen(token), (uint8_t *)out, len, &why);
  if (err != LARDER_OK) assert_non_null(why);
  return err;
}

static void the_published_token_is_generated(void **state) {
  (void)state;
  uint8_t key[48], iv[16];
  char token[sizeof HELLO] = "";
  for (unsigned i = 0; i < 16; i++) iv[i] = (uint8_t)i;
  key_of(RIG_KEY_A, key);
  assert_int_equal(lrd_fernet_token_len(5), sizeof HELLO - 1);
  assert_ok(lrd_fernet_seal(key, MADE_S, iv, "hello", 5, token));
  assert_string_equal(token, HELLO);
}

static void the_published_token_is_verified(void **state) {
  (void)state;
  char out[200];
  size_t len = 0;
  assert_ok(opened(HELLO, MADE_S + 1, 60, out, &len));
  assert_int_equal(len, 5);
  assert_memory_equal(out, "hello", 5);
}

static void every_invalid_token_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *what;
    const char *token;
    int64_t later_s;
  } vectors[] = {
      {"incorrect mac",
       "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==", 1},
      {"too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==", 1},
      {"invalid base64",
       "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==", 1},
      {"payload size not multiple of block size",
       "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm", 1},
      {"payload padding error",
       "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==", 1},
      {"far-future TS (unacceptable clock skew)",
       "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==", 1},
      {"expired TTL",
       "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==", 91},
      {"incorrect IV (causes padding error)",
       "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==", 1},
      {"trailing characters after b64 padding", HELLO "trailingdata", 1},
      {"invalid characters in b64",
       "*gAAAAAAdwJ6wAAECAwQFBgcI!CQoLDA0ODy021?cpGVWKZ_eEwC@GM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==", 1},
      {"invalid non-urlsafe characters in b64",
       "gAAAAAAdwJ6wAAEC/AwQFBgcICQoLDA0ODy+021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==", 1},
  };
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    char out[200];
    size_t len = 0;
    if (opened(vectors[i].token, MADE_S + vectors[i].later_s, 60, out, &len) != LARDER_OK) continue;
    print_error("taken: %s\n", vectors[i].what);
    fail();
  }
}

static void a_token_with_any_bit_flipped_is_refused(void **state) {
  (void)state;
  uint8_t key[48], iv[16] = {7};
  char token[300], out[300];
  size_t len = 0;
  key_of(RIG_KEY_A, key);
  size_t const token_len = lrd_fernet_token_len(50);
  assert_ok(lrd_fernet_seal(key, MADE_S, iv, "fifty bytes that nobody but the owner of the key..", 50, token));
  token[token_len] = 0;
  for (size_t bit = 0; bit < token_len * 8; bit++) {
    token[bit / 8] = (char)(token[bit / 8] ^ (1 << bit % 8));
    if (strlen(token) == token_len) assert_int_not_equal(opened(token, 0, 0, out, &len), LARDER_OK);
    token[bit / 8] = (char)(token[bit / 8] ^ (1 << bit % 8));
  }
  assert_ok(opened(token, 0, 0, out, &len));
}

static void base64_takes_only_what_it_writes(void **state) {
  (void)state;
  static const char *const bad[] = {
      "A", "AA", "AAA", "AB==", "AAB=", "A===", "====", "=AAA", "AA=A", "A=AA", "AAAA=AAA", "AA==AAAA", "AA AA==="};
  uint8_t bytes[64];
  char text[100];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    size_t len = 9;
    assert_false(lrd_base64url_decode(bad[i], strlen(bad[i]), bytes, &len));
    assert_int_equal(len, 0);
  }
  for (size_t len = 0; len < 48; len++) {
    uint8_t *in = rig_random(len, len);
    size_t back = 0;
    lrd_base64url_encode(in, len, text);
    assert_true(lrd_base64url_decode(text, lrd_base64url_len(len), bytes, &back));
    assert_int_equal(back, len);
    if (len > 0) assert_memory_equal(bytes, in, len);
    free(in);
  }
}

/* The output of a short program in Debian's Python; false where cryptography is not installed. */
static bool python(const char *program, const char *argument, char *out, size_t room) {
  char command[3000];
  (void)snprintf(command, sizeof command,
                 "/usr/bin/python3 -c 'import sys\ntry:\n  from cryptography.fernet import Fernet\nexcept ImportError:\n"
                 "  sys.exit(7)\n%s' '%s'",
                 program, argument);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  size_t const len = fread(out, 1, room - 1, pipe);
  out[len] = 0;
  int const status = pclose(pipe);
  if (status == 7 << 8) return false;
  assert_int_equal(status, 0);
  return true;
}

static void python_opens_ours_and_we_open_theirs(void **state) {
  (void)state;
  uint8_t key[48], iv[16] = {3};
  char token[400], out[400];
  size_t len = 0;
  static const char text[] = "a value, \n with \x01\x7f bytes";
  key_of(RIG_KEY_A, key);
  assert_ok(lrd_fernet_seal(key, 1700000000, iv, text, sizeof text - 1, token));
  token[lrd_fernet_token_len(sizeof text - 1)] = 0;
  if (!python("sys.stdout.buffer.write(Fernet(\"" RIG_KEY_A "\").decrypt(sys.argv[1].encode()))", token, out, sizeof out)) {
    print_message("python3-cryptography is not installed\n");
    skip();
  }
  assert_string_equal(out, text);
  assert_true(python("sys.stdout.write(Fernet(\"" RIG_KEY_A "\").encrypt(sys.argv[1].encode()).decode())", "from there", token,
                     sizeof token));
  assert_ok(opened(token, 0, 0, out, &len));
  assert_int_equal(len, 10);
  assert_memory_equal(out, "from there", 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_published_token_is_generated), cmocka_unit_test(the_published_token_is_verified),
      cmocka_unit_test(every_invalid_token_is_refused),   cmocka_unit_test(a_token_with_any_bit_flipped_is_refused),
      cmocka_unit_test(base64_takes_only_what_it_writes), cmocka_unit_test(python_opens_ours_and_we_open_theirs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
