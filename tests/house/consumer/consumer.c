/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a value into a fresh root given as the argument and gets it back, by what an installation has. */
#include <larder/larder.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  larder_options options = {.size = sizeof options, .root = argv[1], .read_config_only_given = true};
  larder *cache = NULL;
  larder_ns *ns = NULL;
  larder_error error = {0};
  if (larder_open(&options, &cache, &error) != LARDER_OK) return 3;
  int result = 4;
  if (larder_ns_open(cache, "things", &ns, &error) == LARDER_OK && larder_put(ns, "key", 3, "value", 5, NULL) == LARDER_OK) {
    larder_value value;
    if (larder_get(ns, "key", 3, NULL, &value) == LARDER_OK) {
      result = value.len == 5 && memcmp(value.data, "value", 5) == 0 ? 0 : 5;
      larder_value_release(&value);
    }
  }
  if (larder_close(&cache) != LARDER_OK) result = 6;
  (void)printf("%d\n", result);
  return result;
}
