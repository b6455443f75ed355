/* SPDX-License-Identifier: Apache-2.0 */
#include "mission_fixture.h"

#include "larder_testing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG                                                                                                                 \
  "cache:\n  slots: 1024\n  memory: {size_mb: 2}\n  namespaces:\n    m: {tiers: [memory, sqlite], max_entry: 1MiB}\n"

larder *fixture_open(fixture *f, const char *root) {
  larder *cache = NULL;
  larder_options options = {.size = sizeof options, .root = root, .config_text = CONFIG};
  return lrd_larder_open_with_clock(&options, &f->clock.clock, &cache, NULL) == LARDER_OK ? cache : NULL;
}

static fixture *fixture_new(void) {
  fixture *f = calloc(1, sizeof *f);
  if (!f) abort();
  f->dir = support_dir_make();
  f->root = support_path(f->dir, "root");
  lrd_clock_moved_init(&f->clock, INT64_C(1700000000000));
  return f;
}

int fixture_setup_plain(void **state) {
  *state = fixture_new();
  return 0;
}

int fixture_setup_real(void **state) {
  fixture *f = fixture_new();
  const larder_options options = {.size = sizeof options, .root = f->root, .config_text = CONFIG};
  assert_ok(larder_open(&options, &f->cache, NULL));
  assert_ok(larder_ns_open(f->cache, "m", &f->ns, NULL));
  *state = f;
  return 0;
}

int fixture_setup(void **state) {
  fixture *f = fixture_new();
  f->cache = fixture_open(f, f->root);
  assert_non_null(f->cache);
  assert_ok(larder_ns_open(f->cache, "m", &f->ns, NULL));
  *state = f;
  return 0;
}

int fixture_teardown(void **state) {
  fixture *f = *state;
  larder_err result = larder_close(&f->cache);
  fixture_forget_seen(f);
  free(f->root);
  support_dir_remove(&f->dir);
  free(f);
  return result == LARDER_OK ? 0 : -1;
}

bool fixture_take(void *context, int stream, const void *data, size_t len) {
  fixture *f = context;
  /* Not lrd_buf's own growing: tests that fail allocations have none to spare here. */
  lrd_buf *seen = &f->seen[stream - 1];
  uint8_t *grown = realloc(seen->data, seen->len + len + 1);
  if (!grown) abort();
  memcpy(grown + seen->len, data, len);
  seen->data = grown;
  seen->len += len;
  grown[seen->len] = '\0';
  return true;
}

void fixture_forget_seen(fixture *f) {
  for (int i = 0; i < 2; i++) {
    free(f->seen[i].data);
    f->seen[i] = (lrd_buf){0};
  }
}

larder_memo_options fixture_memo(fixture *f, const char *const argv[4]) {
  fixture_forget_seen(f);
  return (larder_memo_options){
      .size = sizeof(larder_memo_options), .argv = argv, .folder = f->dir, .take = fixture_take, .context = f};
}

size_t fixture_lines(const fixture *f, const char *name) {
  char *path = support_path(f->dir, name);
  size_t lines = 0;
  if (access(path, F_OK) == 0) {
    char *text = support_file_read(path, NULL);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) lines++;
    free(text);
  }
  free(path);
  return lines;
}

void fixture_write(const fixture *f, const char *name, const char *text) {
  char *path = support_path(f->dir, name);
  support_file_write(path, text, strlen(text));
  free(path);
}

void fixture_expect_file(const fixture *f, const char *name, const char *text) {
  char *path = support_path(f->dir, name);
  char *found = support_file_read(path, NULL);
  assert_string_equal(found, text);
  free(found);
  free(path);
}
