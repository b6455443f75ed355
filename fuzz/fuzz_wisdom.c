/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wisdom of strangers. What the reader refuses never reaches FFTW; what it takes is given to FFTW with this process's own head,
 * so that FFTW looks at the entries, and then plans are made for which the text may hold anything: FFTW must neither abort nor
 * crash. The corpus has the wisdom of an 8-point transform, so that changed entries are met by the plans.
 */
#include "base/bytes.h"
#include "kind/wisdom.h"
#include "maker/recipe/fftw_planner.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give_to_fftw(const lrd_wisdom_head *head, const uint8_t *data, size_t size) {
  lrd_wisdom_head ours;
  lrd_buf text = {0};
  const uint8_t *entries = (const uint8_t *)memchr(data, '\n', size) + 1;
  if (lrd_fft_head(head->single, &ours, NULL) != LARDER_OK) return;
  larder_err result =
      lrd_buf_printf(&text, "(%s fftw%s_wisdom #x%08x #x%08x #x%08x #x%08x\n", ours.version, ours.single ? "f" : "",
                     ours.configuration[0], ours.configuration[1], ours.configuration[2], ours.configuration[3]);
  if (result == LARDER_OK) result = lrd_buf_append(&text, entries, size - (size_t)(entries - data));
  if (result == LARDER_OK && lrd_fft_import(head->single, text.data, text.len, NULL) == LARDER_OK) {
    for (int kind = 0; kind < LRD_FFT_KINDS; kind++) {
      lrd_fft_plan plan = {
          .rank = 1, .n = {8}, .kind = (lrd_fft_kind)kind, .in_place = true, .effort = LRD_FFT_MEASURE, .threads = 1};
      lrd_fft_lock();
      if (lrd_fftw_of(head->single)->plan(&plan) == LARDER_ENOMEM) abort();
      lrd_fft_unlock();
    }
  }
  lrd_buf_fini(&text);
  lrd_fft_forget();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lrd_wisdom_head head;
  if (lrd_wisdom_check(data, size, &head, NULL) == LARDER_OK && lrd_fft_present(NULL) == LARDER_OK)
    give_to_fftw(&head, data, size);
  return 0;
}
