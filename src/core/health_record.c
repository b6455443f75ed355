/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   0 magic u32 | 4 version u16 | 6 bytes of the error u16 | 8 failures in a row u32 | 12 successes in a row u32
 *   16 recovery attempts u32 | 20 nothing u32 | 24 failures u64 | 32 successes u64
 *   40 reported i64 | 48 succeeded i64 | 56 failed i64 | 64 next check i64 | 72 error | then the checksum of all before it u64
 */
#include "health_record.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/redact.h"

#define MAGIC   0x484c524cu /* LRLH */
#define VERSION 1u
#define HEAD    72u
#define SUM     8u

#define LOOKED_AT_MAX 4096u /* of an error's text */

size_t lrd_health_record_write(const lrd_health_record *record, uint8_t out[LRD_HEALTH_RECORD_MAX]) {
  const lrd_health_state *state = &record->state;
  size_t const error_len = strlen(record->error);
  lrd_put_u32(out, MAGIC);
  lrd_put_u16(out + 4, VERSION);
  lrd_put_u16(out + 6, (uint16_t)error_len);
  lrd_put_u32(out + 8, state->failures_in_row);
  lrd_put_u32(out + 12, state->successes_in_row);
  lrd_put_u32(out + 16, state->recovery_attempts);
  lrd_put_u32(out + 20, 0);
  lrd_put_u64(out + 24, state->failures);
  lrd_put_u64(out + 32, state->successes);
  lrd_put_u64(out + 40, (uint64_t)state->reported_ms);
  lrd_put_u64(out + 48, (uint64_t)state->succeeded_ms);
  lrd_put_u64(out + 56, (uint64_t)state->failed_ms);
  lrd_put_u64(out + 64, (uint64_t)state->next_check_ms);
  memcpy(out + HEAD, record->error, error_len);
  lrd_put_u64(out + HEAD + error_len, lrd_sum64(out, HEAD + error_len));
  return HEAD + error_len + SUM;
}

larder_err lrd_health_record_read(const void *data, size_t len, lrd_health_record *out) {
  const uint8_t *at = data;
  if (len < HEAD + SUM || lrd_get_u32(at) != MAGIC) {
    return LARDER_ECORRUPT;
  }
  if (lrd_get_u64(at + len - SUM) != lrd_sum64(at, len - SUM)) {
    return LARDER_ECORRUPT;
  }
  if (lrd_get_u16(at + 4) != VERSION) {
    return LARDER_EFORMAT;
  }
  size_t const error_len = lrd_get_u16(at + 6);
  if (error_len > LARDER_HEALTH_ERROR_MAX || len != HEAD + error_len + SUM || memchr(at + HEAD, 0, error_len)) {
    return LARDER_ECORRUPT;
  }
  *out = (lrd_health_record){.state = {.failures_in_row = lrd_get_u32(at + 8),
                                       .successes_in_row = lrd_get_u32(at + 12),
                                       .recovery_attempts = lrd_get_u32(at + 16),
                                       .failures = lrd_get_u64(at + 24),
                                       .successes = lrd_get_u64(at + 32),
                                       .reported_ms = (int64_t)lrd_get_u64(at + 40),
                                       .succeeded_ms = (int64_t)lrd_get_u64(at + 48),
                                       .failed_ms = (int64_t)lrd_get_u64(at + 56),
                                       .next_check_ms = (int64_t)lrd_get_u64(at + 64)}};
  memcpy(out->error, at + HEAD, error_len);
  return LARDER_OK;
}

static bool continues(uint8_t byte) { return (byte & 0xc0) == 0x80; }

larder_err lrd_health_error_clean(const char *secrets, const char *text, char out[LARDER_HEALTH_ERROR_MAX + 1]) {
  lrd_buf clean = {0};
  lrd_hidden hidden = {0};
  out[0] = 0;
  size_t const len = text ? strnlen(text, LOOKED_AT_MAX) : 0;
  if (len == 0) {
    return LARDER_OK;
  }
  larder_err result = lrd_redact_text(secrets, text, len, text[len] != 0, &clean, &hidden);
  size_t keep = clean.len < LARDER_HEALTH_ERROR_MAX ? clean.len : LARDER_HEALTH_ERROR_MAX;
  for (size_t i = 0; result == LARDER_OK && i < keep; i++) {
    out[i] = clean.data[i] < 0x20 || clean.data[i] == 0x7f ? ' ' : (char)clean.data[i];
  }
  while (result == LARDER_OK && keep > 0 && keep < clean.len && continues(clean.data[keep])) {
    keep--;
  }
  while (keep > 0 && out[keep - 1] == ' ') {
    keep--;
  }
  out[result == LARDER_OK ? keep : 0] = 0;
  lrd_buf_fini(&clean);
  return result;
}
