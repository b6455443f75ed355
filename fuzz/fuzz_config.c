/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a configuration: they are read or refused with a place, within bounded work; and what `show` prints of what
 * was accepted reads as the same.
 */
#include "config/config_load.h"
#include "config/config_show.h"
#include "config/yaml_tree.h"
#include <larder/config.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHOWN_BYTES_MAX 65536 /* more may, once written out in full, go over the limits of a file */

static void require(int condition) {
  if (!condition) abort();
}

static const char *const extra_types[] = {"tape", NULL};

/* What show prints, or NULL where the text has mistakes. */
static char *shown(const char *text, int as_json) {
  lrd_config_look look;
  char *out = NULL;
  const lrd_config_source source = {.text = text, .root = "/srv/larder", .extra_types = extra_types};
  require(lrd_config_look_at(&source, &look, NULL) == LARDER_OK);
  for (const lrd_mistake *one = look.mistakes.first; one != NULL; one = one->next)
    require(one->place.line >= 1 && one->place.column >= 1 && one->message[0] != '\0');
  if (look.mistakes.count == 0) require(lrd_config_show_text(look.settings, as_json, &out) == LARDER_OK);
  lrd_config_look_fini(&look);
  return out;
}

/* The tree takes any bytes, NUL included; a text of the loader ends at the first. */
static void tree_read(const uint8_t *data, size_t size) {
  lrd_config_arena arena = {0};
  lrd_mistakes mistakes;
  lrd_yaml_node *root = NULL;
  lrd_mistakes_init(&mistakes, &arena);
  require(lrd_yaml_parse((const char *)data, size, &mistakes, &root) == LARDER_OK);
  require(root == NULL || root->weight <= LRD_YAML_WEIGHT_MAX);
  lrd_config_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  setenv("HOME", "/home/fuzz", 1);
  setenv("A", "1", 1);
  tree_read(data, size);
  char *text = malloc(size + 1);
  require(text != NULL);
  if (size > 0) memcpy(text, data, size);
  text[size] = '\0';
  char *first = shown(text, 0);
  if (first != NULL && strlen(first) <= SHOWN_BYTES_MAX) {
    char *json = shown(text, 1), *second = shown(first, 0);
    char *from_json = shown(json, 0);
    require(second != NULL && strcmp(first, second) == 0);
    require(from_json != NULL && strcmp(first, from_json) == 0);
    larder_text_free(from_json);
    larder_text_free(second);
    larder_text_free(json);
  }
  larder_text_free(first);
  free(text);
  return 0;
}
