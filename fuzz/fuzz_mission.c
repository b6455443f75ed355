/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a mission file, JSON or (behind a Y) YAML: they are read or refused with a place. What was accepted keeps its
 * invariants, can be planned and drawn, and no output leaves the folder. Nothing is ever run.
 */
#include "mission/mission_graph.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
  if (!condition) abort();
}

static void placed(void *context, const larder_mission_mistake *mistake) {
  (void)context;
  require(mistake->line >= 1 && mistake->column >= 1 && mistake->message[0] != '\0');
}

static larder_err nothing(void *context, const larder_mission_call *call) {
  (void)context;
  (void)call;
  return LARDER_OK;
}

static void output_stays(const char *path) {
  require(path[0] != '/' && path[0] != '\0');
  for (const char *at = path; at; at = strchr(at, '/')) {
    at += *at == '/';
    require(strncmp(at, "..", 2) != 0 || (at[2] != '/' && at[2] != '\0'));
  }
}

static void sound(const larder_mission *m) {
  bool *seen = calloc(m->steps_len + 1, sizeof *seen);
  require(seen != NULL);
  for (uint32_t i = 0; i < m->steps_len; i++) {
    const lrd_step *step = &m->steps[m->order[i]];
    for (uint32_t j = 0; j < step->after_len; j++) {
      require(seen[step->after[j]]);
      require(m->steps[step->after[j]].depth < step->depth);
    }
    require(!seen[m->order[i]]);
    seen[m->order[i]] = true;
    require((step->argv && step->argv[0][0] != '\0') || step->maker);
    for (size_t j = 0; j < step->outputs.len; j++) output_stays(step->outputs.items[j]);
  }
  free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const larder_mission_maker maker = {.type = "made", .make = nothing};
  static const larder_mission_options options = {.size = sizeof options, .makers = &maker, .makers_count = 1};
  bool yaml = size > 0 && data[0] == 'Y';
  larder_mission *m = lrd_mission_new(&options);
  require(m != NULL);
  m->folder = "/nonexistent";
  larder_err result =
      lrd_mission_parse(m, yaml ? "m.yaml" : "m.json", (const char *)data + yaml, size - yaml, placed, NULL, NULL);
  require(result == LARDER_OK || result == LARDER_EFORMAT);
  if (result == LARDER_OK) {
    char *svg = NULL;
    sound(m);
    require(larder_mission_plan(m, NULL, false) == LARDER_OK);
    require(larder_mission_plot(m, &svg, NULL) == LARDER_OK);
    larder_mission_text_free(svg);
  }
  larder_mission_close(&m);
  return 0;
}
