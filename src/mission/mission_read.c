/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goes through the parsed text once and fills steps. Each member has a row in a table; what has no row is told with the nearest
 * name that has. Places are offsets until a mistake wants a line, since finding a line means going through the text.
 */
#include "base/json_read.h"
#include "base/quantity.h"
#include "config/yaml_json.h"
#include "mission/canonical_json.h"
#include "mission/mission_graph.h"
#include <larder/nearest.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct reader {
  lrd_mission_reading *reading;
  larder_mission *m;
  lrd_json_doc doc;
  lrd_step *step; /* the one that is being read */
  lrd_step_at *at;
  larder_err err; /* sticks */
} reader;

typedef struct step_member {
  const char *name;
  void (*read)(reader *r, uint32_t value);
} step_member;

lrd_place lrd_mission_place(const lrd_mission_reading *reading, size_t at) {
  unsigned line = 1, column = 1;
  if (reading->origins) return lrd_yaml_origin_of(reading->origins, at);
  lrd_json_place(reading->text, reading->len, at, &line, &column);
  return (lrd_place){(int)line, (int)column};
}

/* An offset as people look for it: at the quote, not behind it. */
static size_t at_of(const reader *r, uint32_t node) {
  return r->doc.nodes[node].at - (lrd_json_type_of(&r->doc, node) == LRD_JSON_STRING ? 1 : 0);
}

static lrd_place place_of(const reader *r, uint32_t node) {
  /* Above the bound they are counted only, so nobody asks where they are. */
  if (r->reading->mistakes->count >= LRD_MISTAKES_MAX) return (lrd_place){0, 0};
  return lrd_mission_place(r->reading, at_of(r, node));
}

static const char *found_text(const reader *r, uint32_t node) {
  static const char *const names[] = {"null", "false", "true", "a number", "text", "a list", "an object"};
  return names[lrd_json_type_of(&r->doc, node)];
}

static void expected(reader *r, uint32_t node, const char *what) {
  lrd_mistake_add(r->reading->mistakes, place_of(r, node), "found %s; expected %s", found_text(r, node), what);
}

/* --- values ------------------------------------------------------------------------------------------------------------- */

static void *room(reader *r, size_t size) {
  void *at = r->err == LARDER_OK ? lrd_config_arena_alloc(&r->m->arena, size > 0 ? size : 1) : NULL;
  if (!at) r->err = LARDER_ENOMEM;
  return at;
}

/* Text of 1 to `most` bytes without control characters (unless they are allowed, and then only no NUL); NULL: told. */
static const char *text_read(reader *r, uint32_t node, size_t least, size_t most, bool any_character, const char *what) {
  lrd_buf text = {0};
  const char *copy = NULL;
  if (lrd_json_type_of(&r->doc, node) != LRD_JSON_STRING) {
    expected(r, node, what);
    return NULL;
  }
  if (lrd_json_string_append(&r->doc, node, &text) != LARDER_OK) r->err = LARDER_ENOMEM;
  bool wrong = text.len < least || text.len > most;
  for (size_t i = 0; i < text.len && !wrong; i++)
    wrong = text.data[i] == 0 || (!any_character && (text.data[i] < 0x20 || text.data[i] == 0x7f));
  if (wrong && r->err == LARDER_OK) {
    char shown[LRD_QUOTED_MAX];
    lrd_mistake_add(r->reading->mistakes, place_of(r, node), "found %s; expected %s of %zu to %zu bytes, without %s characters",
                    lrd_quote((const char *)text.data, text.len, shown), what, least, most, any_character ? "NUL" : "control");
  } else if (r->err == LARDER_OK) {
    copy = lrd_config_arena_copy(&r->m->arena, text.data ? (const char *)text.data : "", text.len);
    if (!copy) r->err = LARDER_ENOMEM;
  }
  lrd_buf_fini(&text);
  return copy;
}

/* A list of texts, ended by NULL; *len_out 0 where it is none, which is told. */
static const char **texts_read(reader *r, uint32_t node, size_t most, size_t bytes_most, bool any_character, const char *what,
                               size_t *len_out) {
  *len_out = 0;
  if (lrd_json_type_of(&r->doc, node) != LRD_JSON_ARRAY) {
    char wanted[120];
    (void)snprintf(wanted, sizeof wanted, "a list of %ss", what);
    expected(r, node, wanted);
    return NULL;
  }
  size_t count = r->doc.nodes[node].count;
  if (count > most) {
    lrd_mistake_add(r->reading->mistakes, place_of(r, node), "found %zu %ss; expected at most %zu", count, what, most);
    return NULL;
  }
  const char **texts = room(r, (count + 1) * sizeof *texts);
  uint32_t at = lrd_json_first(&r->doc, node);
  for (size_t i = 0; i < count && r->err == LARDER_OK; i++, at = r->doc.nodes[at].next) {
    const char *text = text_read(r, at, any_character ? 0 : 1, bytes_most, any_character, what);
    if (text) texts[(*len_out)++] = text;
  }
  return texts;
}

/* --- members of a step --------------------------------------------------------------------------------------------------- */

static void read_id(reader *r, uint32_t value) { r->step->id = text_read(r, value, 1, LRD_MISSION_ID_MAX, false, "a name"); }

static void read_type(reader *r, uint32_t value) {
  const char *type = text_read(r, value, 1, LRD_MISSION_ID_MAX, false, "a name");
  if (type) r->step->type = type;
}

static void read_params(reader *r, uint32_t value) {
  lrd_buf text = {0};
  size_t mistake_at = 0;
  if (lrd_json_type_of(&r->doc, value) != LRD_JSON_OBJECT) {
    expected(r, value, "an object of parameters");
    return;
  }
  larder_err result = lrd_json_canonical(&r->doc, value, &text, &mistake_at);
  if (result == LARDER_EINVAL)
    lrd_mistake_add(r->reading->mistakes, lrd_mission_place(r->reading, mistake_at - 1),
                    "found a parameter a second time; expected each once");
  const char *copy = result == LARDER_OK ? lrd_config_arena_copy(&r->m->arena, (const char *)text.data, text.len) : NULL;
  if (copy) r->step->params = lrd_span_of(copy, text.len);
  if (!copy && result != LARDER_EINVAL) r->err = LARDER_ENOMEM;
  lrd_buf_fini(&text);
}

static void read_after(reader *r, uint32_t value) {
  if (r->m->chain) {
    lrd_mistake_add(r->reading->mistakes, place_of(r, value),
                    "found after in a command; expected none, since each command comes after the one before");
    return;
  }
  r->at->after = at_of(r, value);
  r->at->after_names = texts_read(r, value, LRD_MISSION_STEPS_MAX, LRD_MISSION_ID_MAX, false, "name", &r->at->after_names_len);
}

static void read_run(reader *r, uint32_t value) {
  size_t len = 0;
  r->at->run_given = true;
  const char **argv = texts_read(r, value, LRD_MISSION_ARGS_MAX, (size_t)128 << 10, true, "argument", &len);
  if (!argv) return;
  if (r->doc.nodes[value].count == 0 || (len > 0 && argv[0][0] == '\0'))
    lrd_mistake_add(r->reading->mistakes, place_of(r, value), "found no program; expected a program and its arguments");
  else
    r->step->argv = argv;
}

/* Empty and `.` components go, so that a file has one name. */
static void path_tidy(char *path) {
  char *to = path;
  for (const char *at = path; *at != '\0';) {
    size_t len = strcspn(at, "/");
    bool drop = (len == 0 && at != path) || (len == 1 && at[0] == '.');
    const char *next = at + len + (at[len] == '/');
    if (!drop) {
      memmove(to, at, (size_t)(next - at));
      to += next - at;
    }
    at = next;
  }
  *to = '\0';
}

static bool path_leaves(const char *path) {
  if (path[0] == '/' || path[0] == '\0') return true;
  for (const char *at = path; *at != '\0'; at += at[0] == '/') {
    size_t len = strcspn(at, "/");
    if (len == 2 && at[0] == '.' && at[1] == '.') return true;
    at += len;
  }
  return false;
}

static void files_read(reader *r, uint32_t value, bool inside, lrd_names *out) {
  size_t len = 0;
  const char **names = texts_read(r, value, LARDER_MISSION_NAMES_MAX, LRD_MISSION_PATH_MAX, false, "file name", &len);
  if (!names) return;
  for (size_t i = 0; i < len; i++) {
    char shown[LRD_QUOTED_MAX];
    (void)lrd_quote(names[i], strlen(names[i]), shown);
    path_tidy((char *)(uintptr_t)names[i]); /* the arena's copy is ours */
    size_t tidy = strlen(names[i]);
    if (tidy == 0 || names[i][tidy - 1] == '/' || (inside && path_leaves(names[i])))
      lrd_mistake_add(r->reading->mistakes, place_of(r, value), "found the file name %s; expected %s", shown,
                      inside ? "one inside the mission's folder, not absolute and without .." : "the name of a file");
  }
  *out = (lrd_names){names, len};
  lrd_names_sort(out);
}

static void read_inputs(reader *r, uint32_t value) {
  r->at->inputs = at_of(r, value);
  files_read(r, value, false, &r->step->inputs);
}

static void read_outputs(reader *r, uint32_t value) {
  r->at->outputs = at_of(r, value);
  files_read(r, value, true, &r->step->outputs);
}

static void read_env(reader *r, uint32_t value) {
  size_t len = 0;
  const char **names = texts_read(r, value, LARDER_MISSION_NAMES_MAX, LRD_MISSION_ID_MAX, false, "variable name", &len);
  for (size_t i = 0; names && i < len; i++)
    if (strchr(names[i], '='))
      lrd_mistake_add(r->reading->mistakes, place_of(r, value),
                      "found \"%.60s\"; expected the name of a variable, without =", names[i]);
  r->step->environment = (lrd_names){names, len};
  lrd_names_sort(&r->step->environment);
}

static void read_timeout(reader *r, uint32_t value) {
  static const char what[] = "a time with its unit, such as \"90s\" or \"2h\"";
  const char *text = text_read(r, value, 1, 40, false, what);
  if (!text) return;
  bool bare = text[strspn(text, "0123456789.")] == '\0';
  int64_t ms = 0;
  if (bare || lrd_duration_parse(text, 1, &ms) != LARDER_OK || ms <= 0 || ms > INT64_MAX / 1000000)
    lrd_mistake_add(r->reading->mistakes, place_of(r, value), "found \"%s\"; expected %s", text, what);
  else
    r->step->timeout_ms = ms;
}

static const step_member step_members[] = {{"id", read_id},           {"type", read_type}, {"params", read_params},
                                           {"after", read_after},     {"run", read_run},   {"inputs", read_inputs},
                                           {"outputs", read_outputs}, {"env", read_env},   {"timeout", read_timeout}};
#define STEP_MEMBERS (sizeof step_members / sizeof *step_members)

/* --- objects ------------------------------------------------------------------------------------------------------------- */

static void unknown_member(reader *r, uint32_t key, const char *const *names, size_t names_len) {
  char shown[LRD_QUOTED_MAX];
  char name[64] = "";
  const lrd_json_node *node = &r->doc.nodes[key];
  (void)snprintf(name, sizeof name, "%.*s", (int)(node->len < sizeof name - 1 ? node->len : sizeof name - 1),
                 r->doc.text + node->at);
  larder_nearest nearest = {.wanted = name};
  for (size_t i = 0; i < names_len; i++) larder_nearest_offer(&nearest, names[i]);
  (void)lrd_quote(r->doc.text + node->at, node->len, shown);
  const char *near = larder_nearest_best(&nearest);
  if (near)
    lrd_mistake_add(r->reading->mistakes, place_of(r, key), "found %s; expected a known name: did you mean %s?", shown, near);
  else
    lrd_mistake_add(r->reading->mistakes, place_of(r, key), "found %s; expected a known name", shown);
}

static void repeated_member(reader *r, uint32_t key) {
  char shown[LRD_QUOTED_MAX];
  const lrd_json_node *node = &r->doc.nodes[key];
  lrd_mistake_add(r->reading->mistakes, place_of(r, key), "found %s a second time; expected it once",
                  lrd_quote(r->doc.text + node->at, node->len, shown));
}

static void step_members_read(reader *r, uint32_t object) {
  bool seen[STEP_MEMBERS] = {false};
  uint32_t key = lrd_json_first(&r->doc, object);
  for (uint32_t i = 0; i < r->doc.nodes[object].count && r->err == LARDER_OK; i++) {
    size_t member = 0;
    while (member < STEP_MEMBERS && !lrd_json_string_is(&r->doc, key, step_members[member].name)) member++;
    if (member == STEP_MEMBERS) {
      const char *names[STEP_MEMBERS];
      for (size_t j = 0; j < STEP_MEMBERS; j++) names[j] = step_members[j].name;
      unknown_member(r, key, names, STEP_MEMBERS);
      r->at->run_given = true; /* it may have been meant to be that */
    } else if (seen[member]) {
      repeated_member(r, key);
    } else {
      seen[member] = true;
      step_members[member].read(r, r->doc.nodes[key].next);
    }
    key = r->doc.nodes[r->doc.nodes[key].next].next;
  }
  if (!r->m->chain && !seen[0])
    lrd_mistake_add(r->reading->mistakes, place_of(r, object), "found a step without id; expected a name");
}

/* A command line, a callback for its type, or the program that takes everything else. */
static void way_to_run(reader *r, uint32_t object) {
  if (r->at->run_given || r->err != LARDER_OK) return;
  for (size_t i = 0; i < r->m->makers_len && !r->step->maker; i++)
    if (strcmp(r->m->makers[i].type, r->step->type) == 0) r->step->maker = &r->m->makers[i];
  if (r->step->maker) return;
  if (!r->m->runner) {
    lrd_mistake_add(r->reading->mistakes, place_of(r, object),
                    "found a step of type \"%.60s\" with no way to run it; expected run, a list of a program and its arguments",
                    r->step->type);
    return;
  }
  const char **argv = room(r, 4 * sizeof *argv);
  if (!argv) return;
  argv[0] = r->m->runner;
  argv[1] = r->step->type;
  argv[2] = r->step->params.data;
  r->step->argv = argv;
}

static void steps_read(reader *r, uint32_t list) {
  const char *what = r->m->chain ? "command" : "step";
  if (lrd_json_type_of(&r->doc, list) != LRD_JSON_ARRAY) {
    expected(r, list, r->m->chain ? "a list of commands" : "a list of steps");
    return;
  }
  uint32_t count = r->doc.nodes[list].count;
  if (count > LRD_MISSION_STEPS_MAX) {
    lrd_mistake_add(r->reading->mistakes, place_of(r, list), "found %u %ss; expected at most %u", count, what,
                    LRD_MISSION_STEPS_MAX);
    return;
  }
  r->m->steps = room(r, count * sizeof *r->m->steps);
  r->reading->at = room(r, count * sizeof *r->reading->at);
  uint32_t at = lrd_json_first(&r->doc, list);
  for (uint32_t i = 0; i < count && r->err == LARDER_OK; i++, at = r->doc.nodes[at].next) {
    if (lrd_json_type_of(&r->doc, at) != LRD_JSON_OBJECT) {
      expected(r, at, r->m->chain ? "a command, an object" : "a step, an object");
      continue;
    }
    r->step = &r->m->steps[r->m->steps_len];
    r->at = &r->reading->at[r->m->steps_len++];
    r->step->type = LRD_MISSION_COMMAND;
    r->step->params = lrd_span_str("{}");
    r->at->step = r->at->after = r->at->inputs = r->at->outputs = at_of(r, at);
    step_members_read(r, at);
    if (r->m->chain && !r->step->id)
      r->step->id = lrd_config_arena_printf(&r->m->arena, "%s-%u", r->step->type, r->m->steps_len);
    if (r->m->chain && !r->step->id) r->err = LARDER_ENOMEM;
    if (!r->step->id) r->step->id = ""; /* told already */
    way_to_run(r, at);
  }
}

static void mission_members_read(reader *r) {
  static const char *const names[] = {"name", "steps", "commands"};
  uint32_t found[3] = {0};
  uint32_t key = lrd_json_first(&r->doc, 0);
  for (uint32_t i = 0; i < r->doc.nodes[0].count; i++) {
    size_t member = 0;
    while (member < 3 && !lrd_json_string_is(&r->doc, key, names[member])) member++;
    if (member == 3)
      unknown_member(r, key, names, 3);
    else if (found[member])
      repeated_member(r, key);
    else
      found[member] = r->doc.nodes[key].next;
    key = r->doc.nodes[r->doc.nodes[key].next].next;
  }
  if (found[0]) r->m->name = text_read(r, found[0], 1, LRD_MISSION_ID_MAX, false, "a name");
  if (found[1] && found[2])
    lrd_mistake_add(r->reading->mistakes, place_of(r, found[2]), "found both steps and commands; expected one of them");
  else if (!found[1] && !found[2] && r->reading->mistakes->count == 0)
    lrd_mistake_add(r->reading->mistakes, place_of(r, 0), "found a mission without steps; expected steps, a list");
  r->m->chain = found[2] && !found[1];
  if (found[1] || found[2]) steps_read(r, found[1] ? found[1] : found[2]);
}

larder_err lrd_mission_read(lrd_mission_reading *reading) {
  reader r = {.reading = reading, .m = reading->mission};
  larder_err result = lrd_json_parse(&r.doc, reading->text, reading->len);
  if (result == LARDER_EFORMAT || result == LARDER_ETOOBIG) {
    lrd_mistake_add(reading->mistakes, lrd_mission_place(reading, r.doc.mistake_at), "found what is no JSON: %s",
                    r.doc.mistake ? r.doc.mistake : "the text is too large");
    result = LARDER_OK;
  } else if (result == LARDER_OK && lrd_json_type_of(&r.doc, 0) != LRD_JSON_OBJECT) {
    expected(&r, 0, "a mission, an object with steps");
  } else if (result == LARDER_OK) {
    mission_members_read(&r);
    result = r.err;
  }
  lrd_json_doc_fini(&r.doc);
  return result == LARDER_OK && reading->mistakes->out_of_memory ? LARDER_ENOMEM : result;
}
