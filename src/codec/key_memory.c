/* SPDX-License-Identifier: Apache-2.0 */
/* Anonymous pages of their own. Locking fails where RLIMIT_MEMLOCK is 0, which is no reason to do without the rest. */
#include "key_memory.h"

#include "base/fs.h"
#include <openssl/crypto.h>
#include <sys/mman.h>

void *lrd_key_memory_new(size_t len) {
  size_t mapped = len;
  if (lrd_fs_pass(LRD_FS_MAP, "key memory", &mapped) != 0) return NULL;
  void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return NULL;
  (void)mlock(at, len);
  (void)madvise(at, len, MADV_DONTDUMP);
  (void)madvise(at, len, MADV_WIPEONFORK);
  return at;
}

void lrd_key_memory_free(void *at, size_t len) {
  if (at == NULL) return;
  OPENSSL_cleanse(at, len);
  (void)munmap(at, len);
}
