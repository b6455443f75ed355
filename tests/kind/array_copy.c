/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For test_numpy.py: reads each array file of a folder through a view and writes it anew from that view alone.
 * usage: array_copy FROM TO LEVEL; FROM/x.npy becomes TO/x.npy, FROM/x.npz an archive stored (0) or deflated at the level.
 * Prints `NAME: SENTENCE` for a file that is refused.
 */
#include "base/bytes.h"
#include "base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <larder/array.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 64

typedef struct names {
  char text[MEMBERS_MAX][64];
  size_t len;
} names;

static bool name_note(void *context, const char *name, size_t len, uint64_t bytes) {
  names *all = context;
  (void)bytes;
  if (!name || all->len == MEMBERS_MAX || len >= sizeof all->text[0]) return false;
  memcpy(all->text[all->len], name, len);
  all->text[all->len++][len] = '\0';
  return true;
}

static larder_err copy(const char *data, size_t len, unsigned level, void **out, size_t *out_len, larder_error *err) {
  static names all;
  static larder_array arrays[MEMBERS_MAX];
  larder_array_options options = {.size = sizeof options, .deflate = level};
  all.len = 0;
  larder_err result = larder_array_names(data, len, name_note, &all, err);
  size_t count = all.len ? all.len : 1;
  memset(arrays, 0, sizeof arrays);
  bool archive = len > 2 && memcmp(data, "PK", 2) == 0;
  if (archive && all.len == 0) count = 0;
  for (size_t i = 0; i < count && result == LARDER_OK; i++) {
    result = larder_array_view(data, len, all.len ? all.text[i] : NULL, true, &arrays[i], err);
    if (result == LARDER_OK && (uintptr_t)arrays[i].data % 16 != 0 && arrays[i].own) abort();
  }
  if (result == LARDER_OK) result = larder_array_build(arrays, count, &options, out, out_len, err);
  for (size_t i = 0; i < count; i++) larder_array_release(&arrays[i]);
  return result;
}

static bool file_copy(const char *from, const char *to, const char *name, unsigned level) {
  char path[4096];
  char *data = NULL;
  size_t len = 0;
  void *out = NULL;
  size_t out_len = 0;
  larder_error err = {0};
  (void)snprintf(path, sizeof path, "%s/%s", from, name);
  if (lrd_fs_slurp(path, (size_t)1 << 31, &data, &len) != 0) return false;
  larder_err result = copy(data, len, level, &out, &out_len, &err);
  if (result != LARDER_OK) (void)printf("%s: %s\n", name, err.message);
  (void)snprintf(path, sizeof path, "%s/%s", to, name);
  bool ok = result != LARDER_OK || lrd_fs_publish(path, out, out_len, 0600, false) == 0;
  larder_array_free(out);
  lrd_dealloc(data);
  return ok;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  DIR *folder = opendir(argv[1]);
  if (!folder) return 2;
  bool ok = true;
  for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
    if (entry->d_name[0] != '.') ok = file_copy(argv[1], argv[2], entry->d_name, (unsigned)atoi(argv[3])) && ok;
  (void)closedir(folder);
  return ok ? 0 : 1;
}
