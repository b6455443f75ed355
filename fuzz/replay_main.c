/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of its corpus folder, so that what a fuzzer once found stays found in builds without
 * libFuzzer. An empty folder is a failure: a replay that replays nothing shows nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    return 1;
  }
  uint8_t *data = NULL;
  size_t len = 0;
  size_t cap = 0;
  int result = 0;
  for (;;) {
    if (len == cap) {
      cap = cap ? cap * 2 : 4096;
      uint8_t *grown = realloc(data, cap);
      if (!grown) abort();
      data = grown;
    }
    size_t got = fread(data + len, 1, cap - len, file);
    if (got == 0) break;
    len += got;
  }
  if (ferror(file)) {
    perror(path);
    result = 1;
  } else {
    /* A copy of exactly the input's length lets the sanitizers see a read past its end. */
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact) abort();
    memcpy(exact, data, len);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
  }
  free(data);
  (void)fclose(file);
  return result;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  DIR *folder = opendir(argv[1]);
  if (!folder) {
    perror(argv[1]);
    return 1;
  }
  size_t files = 0;
  int failed = 0;
  for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
    if (len < 0 || (size_t)len >= sizeof path) {
      (void)fprintf(stderr, "%s: name too long\n", entry->d_name);
      failed = 1;
      continue;
    }
    (void)printf("%s\n", path);
    (void)fflush(stdout); /* a crash is told with its input */
    failed |= replay_file(path);
    files++;
  }
  (void)closedir(folder);
  (void)printf("%zu inputs replayed\n", files);
  if (files == 0) (void)fprintf(stderr, "%s: no input to replay\n", argv[1]);
  return files == 0 || failed;
}
