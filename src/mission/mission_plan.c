/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would be done, and forgetting. Steps are looked at in order. The contents of an output that is kept are known from its
 * record, so the steps that read it are planned by what a run would put back, not by what lies there. Behind a step that will
 * run, a step that reads what it makes can't be known.
 */
#include "mission/mission_graph.h"

#include <stdio.h>

/* The sums of a step's inputs, as far as records know them; false where a step makes one anew. */
static bool sums_known(const larder_mission *m, const lrd_step *step, uint32_t *unknown_out) {
  for (size_t i = 0; i < step->inputs.len; i++)
    if (step->input_from[i] >= 0 && !m->steps[step->input_from[i]].now.record) {
      *unknown_out = (uint32_t)step->input_from[i];
      return false;
    }
  return true;
}

static const lrd_file_sum *output_sum(const lrd_step *from, const char *name) {
  for (size_t i = 0; i < from->outputs.len; i++)
    if (strcmp(from->outputs.items[i], name) == 0) return &from->now.record->parts[LRD_PART_FILES + i].sum;
  return NULL;
}

/* LARDER_EINVAL with a sentence: an input can't be read. */
static larder_err sums_find(const larder_mission *m, const lrd_step *step, lrd_file_sum *out, larder_error *err) {
  for (size_t i = 0; i < step->inputs.len; i++) {
    const lrd_file_sum *known =
        step->input_from[i] >= 0 ? output_sum(&m->steps[step->input_from[i]], step->inputs.items[i]) : NULL;
    larder_err result = LARDER_OK;
    if (known)
      out[i] = *known;
    else
      result = lrd_job_input_sum(m->folder, step->inputs.items[i], &out[i], err);
    if (result != LARDER_OK) return result;
  }
  return LARDER_OK;
}

static void state_set(lrd_step *step, larder_step_state state, const char *why) {
  step->now.state = state;
  (void)snprintf(step->now.why, sizeof step->now.why, "%.*s", (int)sizeof step->now.why - 1, why);
}

static larder_err may_run(lrd_step *step, const lrd_step *other) {
  step->now.state = LARDER_STEP_MAY_RUN;
  (void)snprintf(step->now.why, sizeof step->now.why, "known once %s has run", other->id);
  return LARDER_OK;
}

static larder_err key_find(const larder_mission *m, lrd_step *step, larder_error *err) {
  lrd_file_sum *sums = lrd_alloc((step->inputs.len + 1) * sizeof *sums);
  larder_err result = sums ? sums_find(m, step, sums, err) : LARDER_ENOMEM;
  if (result == LARDER_OK) result = lrd_step_key(m, step, sums, &step->now.key, err);
  lrd_dealloc(sums);
  step->now.key_known = result == LARDER_OK;
  return result;
}

static larder_err step_plan(larder_mission *m, larder_ns *ns, lrd_step *step, bool force) {
  larder_error err = {0};
  uint32_t other = 0;
  lrd_step_now_reset(&step->now);
  for (uint32_t i = 0; i < step->after_len; i++)
    if (!m->steps[step->after[i]].now.key_known) return may_run(step, &m->steps[step->after[i]]);
  if (!sums_known(m, step, &other)) return may_run(step, &m->steps[other]);
  larder_err result = key_find(m, step, &err);
  if (result == LARDER_ENOMEM) return result;
  if (result != LARDER_OK) {
    state_set(step, LARDER_STEP_FAILED, err.message);
    return LARDER_OK;
  }
  const lrd_job job = {.outputs = step->outputs};
  result = ns && !force ? lrd_kept_find(ns, &job, &step->now.key, &step->now.record) : LARDER_MISS;
  if (result == LARDER_OK) {
    step->now.kept = true;
    step->now.took_ms = step->now.record->took_ms;
    state_set(step, LARDER_STEP_HIT, "");
    return LARDER_OK;
  }
  state_set(step, LARDER_STEP_WILL_RUN, force ? "it is asked for" : "there is no cache");
  if (ns && !force) lrd_step_why(m, ns, step, &step->now.key, step->now.why);
  return result == LARDER_ENOMEM ? result : LARDER_OK;
}

larder_err larder_mission_plan(larder_mission *mission, larder_ns *ns, bool force) {
  if (!mission) return LARDER_EINVAL;
  larder_err result = LARDER_OK;
  for (uint32_t i = 0; i < mission->steps_len && result == LARDER_OK; i++)
    result = step_plan(mission, ns, &mission->steps[mission->order[i]], force);
  return result;
}

/* --- forgetting -------------------------------------------------------------------------------------------------------------
 */

/* Its result now, and the one that was made last, which may be of an older text of the step. */
static larder_err step_forget(const larder_mission *m, larder_ns *ns, const lrd_step *step, size_t *count) {
  lrd_job_key last;
  bool forgot = false;
  larder_err result = step->now.key_known ? lrd_kept_forget(ns, &step->now.key) : LARDER_MISS;
  forgot = result == LARDER_OK;
  if (result >= 0 && lrd_step_last_key(m, ns, step, &last)) {
    result = lrd_kept_forget(ns, &last);
    forgot |= result == LARDER_OK;
  }
  *count += forgot;
  return result < 0 ? result : LARDER_OK;
}

larder_err larder_mission_forget(larder_mission *mission, larder_ns *ns, const char *id, size_t *count_out) {
  if (!mission || !ns || !id) return LARDER_EINVAL;
  uint32_t first = lrd_mission_find(mission, id);
  if (first == mission->steps_len) return LARDER_MISS;
  size_t count = 0;
  bool *chosen = lrd_alloc_zero(mission->steps_len, sizeof *chosen);
  larder_err result = chosen ? larder_mission_plan(mission, ns, false) : LARDER_ENOMEM;
  if (chosen) chosen[first] = true;
  for (uint32_t i = 0; i < mission->steps_len && result == LARDER_OK; i++) {
    uint32_t index = mission->order[i];
    const lrd_step *step = &mission->steps[index];
    for (uint32_t j = 0; j < step->after_len; j++) chosen[index] |= chosen[step->after[j]];
    if (chosen[index]) result = step_forget(mission, ns, step, &count);
  }
  lrd_dealloc(chosen);
  if (result == LARDER_OK && count_out) *count_out = count;
  return result;
}
