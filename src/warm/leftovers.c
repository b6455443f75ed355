/* SPDX-License-Identifier: Apache-2.0 */
/* Known by name alone, since all three are ours to name: `import-`, `warm-` or `rejects-`, 16 hex digits, `.json`. */
#include "leftovers.h"

#include "base/fs.h"
#include <dirent.h>

#define DAY_MS       INT64_C(86400000)
#define DIGITS_COUNT 16u

static bool is_hex(const char *text) { return strspn(text, "0123456789abcdef") == DIGITS_COUNT; }

/* Also one that was being published when its writer died: lrd_fs_publish puts `.`, as many digits and `.tmp` behind it. */
static bool is_leftover(const char *name) {
  static const char *const kinds[] = {"import-", "warm-", "rejects-"};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t const len = strlen(kinds[i]);
    if (strncmp(name, kinds[i], len) != 0) continue;
    const char *rest = name + len + DIGITS_COUNT;
    if (!is_hex(name + len) || strncmp(rest, ".json", 5) != 0) return false;
    return rest[5] == '\0' || (rest[5] == '.' && is_hex(rest + 6) && strcmp(rest + 6 + DIGITS_COUNT, ".tmp") == 0);
  }
  return false;
}

static bool is_old(const larder *cache, const char *path) {
  struct stat info;
  if (lrd_fs_stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return false;
  return lrd_wall_ms(cache->clock) - (int64_t)info.st_mtim.tv_sec * 1000 >= LRD_LEFTOVER_DAYS * DAY_MS;
}

static bool leftover_clear(const larder *cache, const char *name) {
  lrd_buf path = {0};
  larder_err err = lrd_buf_printf(&path, "%s/%s", cache->root, name);
  if (err == LARDER_OK) err = lrd_buf_terminate(&path);
  bool const cleared =
      err == LARDER_OK && is_old(cache, (const char *)path.data) && lrd_fs_unlink((const char *)path.data) == 0;
  lrd_buf_fini(&path);
  return cleared;
}

void lrd_leftovers_clear(larder *cache) {
  unsigned cleared = 0;
  if (!cache->root || lrd_cache_onlooker(cache) || atomic_load(&cache->lost)) return;
  DIR *folder = lrd_fs_pass(LRD_FS_OPEN, cache->root, NULL) ? NULL : opendir(cache->root);
  for (const struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
    if (is_leftover(entry->d_name) && leftover_clear(cache, entry->d_name)) cleared++;
  if (folder) closedir(folder);
  if (cleared > 0)
    lrd_log_write(&cache->log, LRD_LOG_INFO, "warm.leftovers",
                  "%u files of imports or warming that nobody has gone on with for %d days were removed", cleared,
                  LRD_LEFTOVER_DAYS);
}

void lrd_leftovers_tick(larder *cache) {
  int64_t const now_ns = lrd_mono_ns(cache->clock);
  int64_t due_ns = atomic_load(&cache->leftovers_ns);
  if (now_ns < due_ns || !atomic_compare_exchange_strong(&cache->leftovers_ns, &due_ns, now_ns + DAY_MS * 1000000)) return;
  lrd_leftovers_clear(cache);
}
