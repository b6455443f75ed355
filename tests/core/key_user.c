/* SPDX-License-Identifier: Apache-2.0 */
/* A program that seals and opens with the keys of a key file, over and over, until it is ended: to have its core looked at. */
#include <larder/larder.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int used(larder_ns *ns, int round) {
  char key[16], out[64];
  size_t len = 0;
  (void)snprintf(key, sizeof key, "k%d", round % 10);
  return larder_put(ns, key, strlen(key), "a value", 7, NULL) == LARDER_OK &&
         larder_get_into(ns, key, strlen(key), out, sizeof out, &len) == LARDER_OK && len == 7;
}

int main(int argc, char **argv) {
  larder *cache = NULL;
  larder_ns *ns[2] = {NULL, NULL};
  larder_error err = {0};
  larder_options options = {
      .size = sizeof options, .root = argc > 1 ? argv[1] : NULL, .config_file = argc > 2 ? argv[2] : NULL};
  if (larder_open(&options, &cache, &err) != LARDER_OK || larder_ns_open(cache, "gcm", &ns[0], &err) != LARDER_OK ||
      larder_ns_open(cache, "fernet", &ns[1], &err) != LARDER_OK) {
    (void)fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  for (int round = 0; round < 100; round++)
    if (!used(ns[0], round) || !used(ns[1], round)) return 1;
  (void)printf("%d\n", (int)getpid());
  (void)fflush(stdout);
  (void)getchar(); /* until its input ends */
  return larder_close(&cache) == LARDER_OK ? 0 : 1;
}
