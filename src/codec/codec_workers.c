/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressors are large and slow to make, so a codec keeps a few. A thread begins its search at a place of its own, which
 * it then usually finds free and warm. When all are taken, one is made for the call.
 */
#include "codec_inner.h"

larder_err lrd_codec_new(lrd_keyring *keyring, lrd_codec **out) {
  lrd_codec *codec = lrd_alloc_zero(1, sizeof *codec);
  if (codec == NULL) return LARDER_ENOMEM;
  codec->keyring = keyring;
  *out = codec;
  return LARDER_OK;
}

static void worker_fini(lrd_codec_worker *worker) {
  lrd_packer_fini(&worker->packer);
  lrd_buf_fini(&worker->scratch);
}

void lrd_codec_free(lrd_codec *codec) {
  if (codec == NULL) return;
  for (size_t i = 0; i < LRD_CODEC_WORKERS; i++) worker_fini(&codec->workers[i]);
  lrd_dealloc(codec);
}

lrd_codec_worker *lrd_codec_claim(lrd_codec *codec, lrd_codec_worker *spare) {
  static _Thread_local uint32_t mine;
  static _Atomic uint32_t next;
  if (mine == 0) mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
  for (uint32_t i = 0; i < LRD_CODEC_WORKERS; i++) {
    lrd_codec_worker *worker = &codec->workers[(mine + i) % LRD_CODEC_WORKERS];
    if (atomic_load_explicit(&worker->taken, memory_order_relaxed) == 0 &&
        atomic_exchange_explicit(&worker->taken, 1, memory_order_acquire) == 0)
      return worker;
  }
  return spare;
}

void lrd_codec_give_back(lrd_codec_worker *worker, lrd_codec_worker *spare) {
  if (worker == spare) {
    worker_fini(worker);
    return;
  }
  if (worker->scratch.cap > LRD_CODEC_SCRATCH_MAX) lrd_buf_fini(&worker->scratch);
  atomic_store_explicit(&worker->taken, 0, memory_order_release);
}
