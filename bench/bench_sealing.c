/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the codec. Sealing by frames against bare AES-256-GCM of OpenSSL with a context that is keyed already, over the
 * same bytes and as many associated data; and compression of 10 MB of doubles, a smooth field and random ones, each method
 * with and without shuffle. All in processor time of one core, into buffers that are there.
 */
#include "bench.h"
#include "codec/frame.h"
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE    ((size_t)10 << 20)
#define SMALL    ((size_t)1024)
#define AAD_LEN  70u /* head, namespace and key of ours */
#define KEY      "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define MEGABYTE 1e6

typedef struct sealing {
  lrd_codec *codec;
  lrd_codec_policy policy;
  uint8_t *value;
  size_t len;
  size_t times;
  lrd_buf frame;
  EVP_CIPHER_CTX *evp;
  uint8_t *sealed;
} sealing;

static lrd_codec_place const place = {{"namespace", 9}, {"a-key-of-ours", 13}};

static lrd_codec *codec_make(void) {
  lrd_keyring *keyring = NULL;
  lrd_codec *codec = NULL;
  if (setenv("LARDER_KEY", KEY, 1) != 0 || lrd_keyring_open(NULL, lrd_clock_real(), &keyring, NULL) != LARDER_OK ||
      lrd_codec_new(keyring, &codec) != LARDER_OK)
    bench_die("no codec");
  return codec;
}

static size_t encode(sealing *s, unsigned width) {
  bool framed = false;
  lrd_buf_clear(&s->frame);
  if (lrd_frame_encode(s->codec, &s->policy, &place, lrd_span_of(s->value, s->len), width, &s->frame, &framed, NULL) !=
      LARDER_OK)
    bench_die("a value could not be encoded");
  return framed ? s->frame.len : 0;
}

/* Microseconds a value. */
static double round_ours(void *raw, size_t round) {
  sealing *s = raw;
  (void)round;
  int64_t begin = bench_cpu_ns();
  for (size_t i = 0; i < s->times; i++) (void)encode(s, 0);
  return (double)(bench_cpu_ns() - begin) / (double)s->times / 1e3;
}

static double round_bare(void *raw, size_t round) {
  sealing *s = raw;
  uint8_t iv[12] = {0}, tag[16], aad[AAD_LEN] = {0};
  int wrote = 0;
  (void)round;
  int64_t begin = bench_cpu_ns();
  for (size_t i = 0; i < s->times; i++) {
    memcpy(iv, &i, sizeof i);
    if (EVP_EncryptInit_ex2(s->evp, NULL, NULL, iv, NULL) != 1 ||
        EVP_EncryptUpdate(s->evp, NULL, &wrote, aad, sizeof aad) != 1 ||
        EVP_EncryptUpdate(s->evp, s->sealed, &wrote, s->value, (int)s->len) != 1 ||
        EVP_EncryptFinal_ex(s->evp, s->sealed + wrote, &wrote) != 1 ||
        EVP_CIPHER_CTX_ctrl(s->evp, EVP_CTRL_AEAD_GET_TAG, sizeof tag, tag) != 1)
      bench_die("OpenSSL does not seal");
  }
  return (double)(bench_cpu_ns() - begin) / (double)s->times / 1e3;
}

static void seal_row(const char *id, const char *what, lrd_seal seal, size_t len, size_t times, double bar) {
  uint8_t const key[32] = {1};
  sealing s = {.codec = codec_make(), .policy = {.seal = seal}, .len = len, .times = times};
  s.value = bench_alloc(len);
  s.sealed = bench_alloc(len + 64);
  memset(s.value, 7, len);
  memset(s.sealed, 7, len + 64);
  s.evp = EVP_CIPHER_CTX_new();
  if (s.evp == NULL || EVP_EncryptInit_ex2(s.evp, EVP_aes_256_gcm(), key, NULL, NULL) != 1) bench_die("OpenSSL does not seal");
  (void)encode(&s, 0); /* the buffer is there from now on */
  bench_side sides[] = {{.name = "larder", .round = round_ours, .context = &s},
                        {.name = "bare AES-256-GCM", .round = round_bare, .context = &s}};
  bench_side *turn[] = {&sides[0], &sides[1]};
  size_t const rounds = bench_rounds();
  bench_turns(turn, 2, rounds);
  bench_row const row = {id, what, "us", bar > 0 ? BENCH_AT_MOST : BENCH_INFORM, bar, false};
  bench_row_sides(&row, &sides[0], &sides[1], rounds);
  EVP_CIPHER_CTX_free(s.evp);
  lrd_buf_fini(&s.frame);
  free(s.sealed);
  free(s.value);
}

/* A field as a solver leaves it, or the worst there is. */
static void field_make(double *out, size_t count, bool smooth) {
  uint64_t state = 1;
  for (size_t i = 0; i < count; i++) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    out[i] = smooth ? sin((double)i * 1e-4) * cos((double)(i % 1000) * 6e-3) : (double)(state >> 11) / 9007199254740992.0;
  }
}

static void figure_row(const char *id, const char *end, const char *what, const char *unit, double figure) {
  char full_id[64], full_what[160];
  (void)snprintf(full_id, sizeof full_id, "%s%s", id, end);
  (void)snprintf(full_what, sizeof full_what, "%s, %s", what, end[0] == 0 ? "compressed" : end + 1);
  bench_row const row = {full_id, full_what, unit, BENCH_INFORM, 0, false};
  if (figure >= 0)
    bench_row_figure(&row, figure, -1, NULL);
  else
    bench_row_absent(&row, "not here: it is stored as it is");
}

static double best_decode(sealing *s) {
  double best = -1;
  for (size_t round = 0; round < bench_rounds(); round++) {
    uint8_t *value = NULL;
    size_t len = 0;
    const char *why = "";
    int64_t begin = bench_cpu_ns();
    if (lrd_frame_decode(s->codec, &place, lrd_span_of(s->frame.data, s->frame.len), s->len, &value, &len, &why) != LARDER_OK)
      bench_die("a frame does not decode: %s", why);
    double const rate = (double)s->len / MEGABYTE / ((double)(bench_cpu_ns() - begin) / 1e9);
    lrd_dealloc(value);
    if (rate > best) best = rate;
  }
  return best;
}

/* Best of the rounds: what others do on the machine only ever adds. */
static void codec_rows(lrd_codec *codec, uint8_t *value, size_t len, lrd_pack_method method, bool smooth, bool shuffle) {
  static const char *const names[] = {"plain", "zlib", "zstd", "lz4"};
  static unsigned const levels[] = {0, 6, 3, 1};
  char id[48], what[120];
  sealing s = {
      .codec = codec, .policy = {.method = method, .level = levels[method], .shuffle = shuffle}, .value = value, .len = len};
  double best = -1;
  size_t stored = 0;
  for (size_t round = 0; round < bench_rounds(); round++) {
    int64_t begin = bench_cpu_ns();
    stored = encode(&s, 8);
    double const rate = (double)len / MEGABYTE / ((double)(bench_cpu_ns() - begin) / 1e9);
    if (rate > best) best = rate;
  }
  (void)snprintf(id, sizeof id, "codec_%s_%s%s", names[method], smooth ? "smooth" : "random", shuffle ? "_shuffled" : "");
  (void)snprintf(what, sizeof what, "10 MB of %s doubles, %s %u%s", smooth ? "smooth" : "random", names[method], levels[method],
                 shuffle ? ", shuffled" : "");
  figure_row(id, "", what, "MB/s", best);
  figure_row(id, "_opened", what, "MB/s", stored == 0 ? -1 : best_decode(&s));
  figure_row(id, "_ratio", what, "raw/stored", stored == 0 ? 1 : (double)len / (double)stored);
  lrd_buf_fini(&s.frame);
}

int main(void) {
  size_t const len = bench_scale(LARGE, (size_t)1 << 18);
  bench_pin(bench_core());
  seal_row("seal_1k", "1 KiB sealed by AES-256-GCM into a frame", LRD_SEAL_AES_256_GCM, SMALL, bench_scale(50000, 200), 1.1);
  seal_row("seal_10m", "10 MB sealed by AES-256-GCM into a frame", LRD_SEAL_AES_256_GCM, len, bench_scale(20, 1), 1.1);
  seal_row("seal_fernet_1k", "1 KiB sealed as a Fernet token into a frame", LRD_SEAL_FERNET, SMALL, bench_scale(5000, 50), 0);
  double *field = bench_alloc(len);
  lrd_codec *codec = codec_make();
  for (int smooth = 1; smooth >= 0; smooth--) {
    field_make(field, len / sizeof *field, smooth);
    for (unsigned method = LRD_PACK_ZLIB; method < LRD_PACK_METHOD_COUNT; method++)
      for (int shuffle = 0; shuffle < 2; shuffle++)
        codec_rows(codec, (uint8_t *)field, len, (lrd_pack_method)method, smooth, shuffle);
  }
  lrd_codec_free(codec);
  free(field);
  return 0;
}
