/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each step of a mission file an entry `last/FILE/ID` says of what its latest key was made: {"larder": 1, "key",
 * "params", "run", "env", "outputs", "inputs": {name: digest}, "after": {id: key}}. It answers one question, why a step has to
 * run, so whatever goes wrong here costs an answer and nothing else. A facet's digest is the key of a job that has only that.
 */
#include "base/fail.h"
#include "base/json_read.h"
#include "mission/mission_graph.h"
#include "stats/json_writer.h"
#include <stdio.h>
#include <stdlib.h>

#define LAST_KEY_MAX (LRD_MISSION_ID_MAX + 32u)

typedef enum facet { FACET_PARAMS, FACET_RUN, FACET_ENV, FACET_OUTPUTS, FACETS } facet;

static const char *const facet_names[FACETS] = {"params", "run", "env", "outputs"};
static const char *const facet_texts[FACETS] = {"its parameters changed", "its command line changed", "a variable changed",
                                                "its outputs changed"};

static void facet_hex(const lrd_step *step, facet which, char hex[LRD_SHA256_HEX_LEN + 1]) {
  lrd_job job = {0};
  lrd_job_key key = {{0}};
  if (which == FACET_PARAMS) job.type = step->type;
  if (which == FACET_PARAMS) job.params = step->params;
  if (which == FACET_RUN) job.argv = step->argv;
  if (which == FACET_ENV) job.environment = step->environment;
  if (which == FACET_OUTPUTS) job.outputs = step->outputs;
  lrd_ignore(lrd_job_key_of(&job, NULL, NULL, &key, NULL)); /* no file is read, so nothing can fail */
  lrd_sha256_hex(key.digest, hex);
}

static size_t last_key(const larder_mission *m, const lrd_step *step, char out[LAST_KEY_MAX]) {
  return (size_t)snprintf(out, LAST_KEY_MAX, "last/%s/%s", m->identity, step->id);
}

static void hex_member(lrd_json *json, const char *name, const uint8_t digest[LRD_SHA256_LEN]) {
  char hex[LRD_SHA256_HEX_LEN + 1];
  lrd_sha256_hex(digest, hex);
  lrd_json_key(json, name);
  lrd_json_string(json, hex);
}

static larder_err history_text(const larder_mission *m, const lrd_step *step, const lrd_job_key *key, lrd_buf *out) {
  lrd_json json;
  lrd_json_init(&json, out, false);
  lrd_json_object_begin(&json);
  lrd_json_key(&json, "larder");
  lrd_json_u64(&json, 1);
  hex_member(&json, "key", key->digest);
  for (facet i = 0; i < FACETS; i++) {
    char hex[LRD_SHA256_HEX_LEN + 1];
    facet_hex(step, i, hex);
    lrd_json_key(&json, facet_names[i]);
    lrd_json_string(&json, hex);
  }
  lrd_json_key(&json, "inputs");
  lrd_json_object_begin(&json);
  for (size_t i = 0; i < step->inputs.len; i++) hex_member(&json, step->inputs.items[i], step->input_sums[i].digest);
  lrd_json_object_end(&json);
  lrd_json_key(&json, "after");
  lrd_json_object_begin(&json);
  for (uint32_t i = 0; i < step->after_len; i++)
    hex_member(&json, m->steps[step->after[i]].id, m->steps[step->after[i]].now.key.digest);
  lrd_json_object_end(&json);
  lrd_json_object_end(&json);
  return json.err;
}

typedef struct history {
  larder_value value;
  lrd_json_doc doc;
} history;

static bool history_open(const larder_mission *m, larder_ns *ns, const lrd_step *step, history *h) {
  char name[LAST_KEY_MAX];
  *h = (history){0};
  size_t len = last_key(m, step, name);
  return larder_get(ns, name, len, NULL, &h->value) == LARDER_OK &&
         lrd_json_parse(&h->doc, h->value.data, h->value.len) == LARDER_OK;
}

static void history_close(history *h) {
  lrd_json_doc_fini(&h->doc);
  larder_value_release(&h->value);
}

/* Whether a member is exactly this digest. */
static bool has(const history *h, uint32_t object, const char *name, const uint8_t digest[LRD_SHA256_LEN]) {
  char hex[LRD_SHA256_HEX_LEN + 1];
  uint32_t node = lrd_json_member(&h->doc, object, name);
  lrd_sha256_hex(digest, hex);
  return node != 0 && lrd_json_string_is(&h->doc, node, hex);
}

void lrd_step_remember(const larder_mission *m, larder_ns *ns, const lrd_step *step, const lrd_job_key *key) {
  history h;
  bool same = history_open(m, ns, step, &h) && has(&h, 0, "key", key->digest);
  history_close(&h);
  if (same) return;
  char name[LAST_KEY_MAX];
  lrd_buf text = {0};
  size_t len = last_key(m, step, name);
  const larder_put_options how = {.size = sizeof how, .kind = LARDER_KIND_JSON};
  if (history_text(m, step, key, &text) == LARDER_OK) lrd_ignore(larder_put(ns, name, len, text.data, text.len, &how));
  lrd_buf_fini(&text);
}

bool lrd_step_last_key(const larder_mission *m, larder_ns *ns, const lrd_step *step, lrd_job_key *out) {
  history h;
  bool found = false;
  if (history_open(m, ns, step, &h)) {
    uint32_t node = lrd_json_member(&h.doc, 0, "key");
    found = node != 0 && lrd_json_type_of(&h.doc, node) == LRD_JSON_STRING &&
            lrd_digest_read(h.doc.text + h.doc.nodes[node].at, h.doc.nodes[node].len, out->digest);
  }
  history_close(&h);
  return found;
}

static void changed_what(const larder_mission *m, const lrd_step *step, const history *h, char why[LRD_WHY_MAX]) {
  for (facet i = 0; i < FACETS; i++) {
    char hex[LRD_SHA256_HEX_LEN + 1];
    uint32_t node = lrd_json_member(&h->doc, 0, facet_names[i]);
    facet_hex(step, i, hex);
    if (node != 0 && lrd_json_string_is(&h->doc, node, hex)) continue;
    (void)snprintf(why, LRD_WHY_MAX, "%s", facet_texts[i]);
    return;
  }
  uint32_t inputs = lrd_json_member(&h->doc, 0, "inputs");
  for (size_t i = 0; i < step->inputs.len; i++) {
    if (has(h, inputs, step->inputs.items[i], step->input_sums[i].digest)) continue;
    (void)snprintf(why, LRD_WHY_MAX, "the input %.200s changed", step->inputs.items[i]);
    return;
  }
  uint32_t after = lrd_json_member(&h->doc, 0, "after");
  for (uint32_t i = 0; i < step->after_len; i++) {
    const lrd_step *earlier = &m->steps[step->after[i]];
    if (has(h, after, earlier->id, earlier->now.key.digest)) continue;
    (void)snprintf(why, LRD_WHY_MAX, "%s, which it comes after, changed", earlier->id);
    return;
  }
  (void)snprintf(why, LRD_WHY_MAX, "what it depends on changed");
}

void lrd_step_why(const larder_mission *m, larder_ns *ns, const lrd_step *step, const lrd_job_key *key, char why[LRD_WHY_MAX]) {
  history h;
  if (!history_open(m, ns, step, &h)) {
    (void)snprintf(why, LRD_WHY_MAX, "never made");
  } else if (has(&h, 0, "key", key->digest)) {
    (void)snprintf(why, LRD_WHY_MAX, "its result is gone: forgotten, expired or evicted");
  } else {
    changed_what(m, step, &h, why);
  }
  history_close(&h);
}
