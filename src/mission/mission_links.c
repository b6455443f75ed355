/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names into edges. Steps are found by halving a list that is sorted by id, so no file, however hostile, costs more than
 * n log n. Taking away, again and again, the steps that come after nothing gives the order; what is left over holds a circle.
 */
#include "mission/mission_graph.h"

#include <larder/nearest.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NEAREST_MOST 10 /* unknown names for which all names are compared */
#define CIRCLE_SHOWN 8

typedef struct by_name {
  const char *name;
  uint32_t step;
} by_name;

typedef struct links {
  lrd_mission_reading *reading;
  larder_mission *m;
  by_name *ids; /* ascending */
  uint32_t edges;
  unsigned nearest_asked;
} links;

static int by_name_order(const void *a, const void *b) {
  const by_name *x = a;
  const by_name *y = b;
  int by_text = strcmp(x->name, y->name);
  return by_text ? by_text : x->step < y->step ? -1 : x->step > y->step;
}

static bool name_find(const by_name *all, uint32_t len, const char *name, uint32_t *step_out) {
  uint32_t low = 0, high = len;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (strcmp(all[middle].name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == len || strcmp(all[low].name, name) != 0) return false;
  *step_out = all[low].step;
  return true;
}

uint32_t lrd_mission_find(const larder_mission *mission, const char *id) {
  uint32_t i = 0;
  while (i < mission->steps_len && strcmp(mission->steps[i].id, id) != 0) i++;
  return i;
}

LARDER_PRINTF(3, 4) static void mistake(links *l, size_t at, const char *format, ...) {
  char text[512];
  va_list args;
  /* Finding a place costs a way through the text, so it is not looked for above the bound. */
  bool shown = l->reading->mistakes->count < LRD_MISTAKES_MAX;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  lrd_mistake_add(l->reading->mistakes, shown ? lrd_mission_place(l->reading, at) : (lrd_place){0, 0}, "%s", text);
}

static larder_err ids_sort(links *l) {
  l->ids = lrd_alloc((l->m->steps_len + 1) * sizeof *l->ids);
  if (!l->ids) return LARDER_ENOMEM;
  for (uint32_t i = 0; i < l->m->steps_len; i++) l->ids[i] = (by_name){l->m->steps[i].id, i};
  qsort(l->ids, l->m->steps_len, sizeof *l->ids, by_name_order);
  for (uint32_t i = 1; i < l->m->steps_len; i++)
    if (l->ids[i].name[0] != '\0' && strcmp(l->ids[i].name, l->ids[i - 1].name) == 0)
      mistake(l, l->reading->at[l->ids[i].step].step, "found a second step \"%s\"; expected each id once", l->ids[i].name);
  return LARDER_OK;
}

static void unknown_step(links *l, const lrd_step_at *at, const char *name) {
  larder_nearest nearest = {.wanted = name};
  if (l->nearest_asked++ < NEAREST_MOST)
    for (uint32_t i = 0; i < l->m->steps_len; i++) larder_nearest_offer(&nearest, l->m->steps[i].id);
  const char *near = larder_nearest_best(&nearest);
  if (near && near[0] != '\0')
    mistake(l, at->after, "found after \"%s\", which is no step; did you mean \"%s\"?", name, near);
  else
    mistake(l, at->after, "found after \"%s\", which is no step; expected the id of one", name);
}

static int number_order(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a;
  uint32_t y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static larder_err after_resolve(links *l, uint32_t index) {
  lrd_step *step = &l->m->steps[index];
  const lrd_step_at *at = &l->reading->at[index];
  size_t room = l->m->chain ? 1 : at->after_names_len;
  step->after = lrd_config_arena_alloc(&l->m->arena, (room + 1) * sizeof *step->after);
  if (!step->after) return LARDER_ENOMEM;
  if (l->m->chain && index > 0) step->after[step->after_len++] = index - 1;
  for (size_t i = 0; !l->m->chain && i < at->after_names_len; i++) {
    uint32_t found = 0;
    if (name_find(l->ids, l->m->steps_len, at->after_names[i], &found))
      step->after[step->after_len++] = found;
    else
      unknown_step(l, at, at->after_names[i]);
  }
  qsort(step->after, step->after_len, sizeof *step->after, number_order);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < step->after_len; i++)
    if (i == 0 || step->after[i] != step->after[i - 1]) step->after[kept++] = step->after[i];
  step->after_len = kept;
  l->edges += kept;
  return LARDER_OK;
}

static larder_err before_fill(links *l) {
  larder_mission *m = l->m;
  for (uint32_t i = 0; i < m->steps_len; i++)
    for (uint32_t j = 0; j < m->steps[i].after_len; j++) m->steps[m->steps[i].after[j]].before_len++;
  for (uint32_t i = 0; i < m->steps_len; i++) {
    m->steps[i].before = lrd_config_arena_alloc(&m->arena, (m->steps[i].before_len + 1) * sizeof(uint32_t));
    if (!m->steps[i].before) return LARDER_ENOMEM;
    m->steps[i].before_len = 0;
  }
  for (uint32_t i = 0; i < m->steps_len; i++)
    for (uint32_t j = 0; j < m->steps[i].after_len; j++) {
      lrd_step *earlier = &m->steps[m->steps[i].after[j]];
      earlier->before[earlier->before_len++] = i;
    }
  return LARDER_OK;
}

/* The first of those that it comes after and that are left over too. */
static uint32_t circle_next(const larder_mission *m, const uint32_t *left, uint32_t at) {
  uint32_t j = 0;
  while (left[m->steps[at].after[j]] == 0) j++;
  return m->steps[at].after[j];
}

/* Among steps that are left over, each comes after another one that is: going back from one of them must meet itself. */
static void circle_tell(links *l, const uint32_t *left) {
  larder_mission *m = l->m;
  uint32_t at = 0;
  char text[400];
  size_t len = 0;
  while (left[at] == 0) at++;
  for (uint32_t turns = 0; turns < m->steps_len; turns++) { /* into the circle, wherever we came from */
    at = circle_next(m, left, at);
  }
  uint32_t begin = at;
  for (uint32_t seen = circle_next(m, left, at); seen != at; seen = circle_next(m, left, seen))
    if (seen < begin) begin = seen; /* told from its first step in the file */
  at = begin;
  for (unsigned shown = 0; shown < CIRCLE_SHOWN; shown++) {
    len += (size_t)snprintf(text + len, sizeof text - len, "%.40s after ", m->steps[at].id);
    at = circle_next(m, left, at);
    if (at == begin) break;
  }
  (void)snprintf(text + len, sizeof text - len, "%s%.40s", at == begin ? "" : "... after ", m->steps[begin].id);
  mistake(l, l->reading->at[begin].after, "found a circle: %s; expected steps that can be put in order", text);
}

static larder_err order_find(links *l) {
  larder_mission *m = l->m;
  uint32_t *left = lrd_alloc_zero(m->steps_len + 1, sizeof *left);
  m->order = lrd_config_arena_alloc(&m->arena, (m->steps_len + 1) * sizeof *m->order);
  larder_err result = left && m->order ? LARDER_OK : LARDER_ENOMEM;
  uint32_t done = 0, ready = 0;
  for (uint32_t i = 0; result == LARDER_OK && i < m->steps_len; i++) {
    left[i] = m->steps[i].after_len;
    if (left[i] == 0) m->order[ready++] = i;
  }
  for (; result == LARDER_OK && done < ready; done++) {
    const lrd_step *step = &m->steps[m->order[done]];
    for (uint32_t j = 0; j < step->before_len; j++) {
      lrd_step *later = &m->steps[step->before[j]];
      if (later->depth < step->depth + 1) later->depth = step->depth + 1;
      if (--left[step->before[j]] == 0) m->order[ready++] = step->before[j];
    }
  }
  if (result == LARDER_OK && done < m->steps_len) circle_tell(l, left);
  lrd_dealloc(left);
  return result;
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

static bool comes_after(const larder_mission *m, uint32_t later, uint32_t earlier) {
  if (m->chain) return earlier < later;
  const lrd_step *step = &m->steps[later];
  return bsearch(&earlier, step->after, step->after_len, sizeof earlier, number_order) != NULL;
}

static larder_err outputs_sort(links *l, by_name **out, uint32_t *len_out) {
  size_t count = 0;
  for (uint32_t i = 0; i < l->m->steps_len; i++) count += l->m->steps[i].outputs.len;
  by_name *all = lrd_alloc((count + 1) * sizeof *all);
  if (!all) return LARDER_ENOMEM;
  uint32_t len = 0;
  for (uint32_t i = 0; i < l->m->steps_len; i++)
    for (size_t j = 0; j < l->m->steps[i].outputs.len; j++) all[len++] = (by_name){l->m->steps[i].outputs.items[j], i};
  qsort(all, len, sizeof *all, by_name_order);
  for (uint32_t i = 1; i < len; i++)
    if (strcmp(all[i].name, all[i - 1].name) == 0)
      mistake(l, l->reading->at[all[i].step].outputs,
              "found the output \"%.100s\" in \"%s\" too; expected each file from one step", all[i].name,
              l->m->steps[all[i - 1].step].id);
  *out = all;
  *len_out = len;
  return LARDER_OK;
}

static void input_check(links *l, uint32_t index, size_t input, uint32_t from) {
  lrd_step *step = &l->m->steps[index];
  step->input_from[input] = (int32_t)from;
  if (from == index)
    mistake(l, l->reading->at[index].inputs, "found \"%.100s\" as input and output; expected a step not to read what it makes",
            step->inputs.items[input]);
  else if (!comes_after(l->m, index, from))
    mistake(l, l->reading->at[index].inputs, "found the input \"%.100s\", which \"%s\" makes; expected that step in after",
            step->inputs.items[input], l->m->steps[from].id);
}

static larder_err inputs_link(links *l) {
  by_name *outputs = NULL;
  uint32_t outputs_len = 0;
  larder_err result = outputs_sort(l, &outputs, &outputs_len);
  for (uint32_t i = 0; result == LARDER_OK && i < l->m->steps_len; i++) {
    lrd_step *step = &l->m->steps[i];
    step->input_from = lrd_config_arena_alloc(&l->m->arena, (step->inputs.len + 1) * sizeof *step->input_from);
    step->input_sums = lrd_config_arena_alloc(&l->m->arena, (step->inputs.len + 1) * sizeof *step->input_sums);
    if (!step->input_from || !step->input_sums) result = LARDER_ENOMEM;
    for (size_t j = 0; result == LARDER_OK && j < step->inputs.len; j++) {
      uint32_t from = 0;
      step->input_from[j] = -1;
      if (name_find(outputs, outputs_len, step->inputs.items[j], &from)) input_check(l, i, j, from);
    }
  }
  lrd_dealloc(outputs);
  return result;
}

larder_err lrd_mission_link(lrd_mission_reading *reading) {
  links l = {.reading = reading, .m = reading->mission};
  larder_err result = ids_sort(&l);
  for (uint32_t i = 0; result == LARDER_OK && i < l.m->steps_len; i++) {
    result = after_resolve(&l, i);
    if (result == LARDER_OK && l.edges > LRD_MISSION_EDGES_MAX) {
      mistake(&l, reading->at[i].after, "found more than %u followings; expected fewer", LRD_MISSION_EDGES_MAX);
      break;
    }
  }
  if (result == LARDER_OK && l.edges <= LRD_MISSION_EDGES_MAX) {
    result = before_fill(&l);
    if (result == LARDER_OK) result = order_find(&l);
    if (result == LARDER_OK) result = inputs_link(&l);
  }
  lrd_dealloc(l.ids);
  return result == LARDER_OK && reading->mistakes->out_of_memory ? LARDER_ENOMEM : result;
}
