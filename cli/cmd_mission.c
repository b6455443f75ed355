/* SPDX-License-Identifier: Apache-2.0 */
#include "child_signals.h"
#include "commands.h"
#include "file_io.h"
#include "session.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct mission_args {
  const char *file;
  const char *ns;
  uint64_t parallel;
  bool plan;
  bool force;
  const char *forget;
  const char *print;
  const char *plot;
  const char *runner;
  const char *folder;
  int64_t ttl_ms;
  int64_t timeout_ms;
  uint64_t stream_bytes_max;
} mission_args;

#define AT(field) offsetof(mission_args, field)

static const cli_option options[] = {
    {"parallel", 'p', CLI_COUNT, AT(parallel), "N", NULL, NULL, "steps at a time; as many as there are cores"},
    {"plan", 0, CLI_FLAG, AT(plan), NULL, NULL, NULL, "say what would run, and why; run nothing"},
    {"force", 0, CLI_FLAG, AT(force), NULL, NULL, NULL, "run every step, whatever is kept"},
    {"forget", 0, CLI_TEXT, AT(forget), "STEP", NULL, NULL, "forget the results of a step and of all that comes after it"},
    {"print", 0, CLI_TEXT, AT(print), "STEP", NULL, NULL, "print what that step wrote to standard output"},
    {"plot", 0, CLI_FILE, AT(plot), "FILE", NULL, NULL, "draw the graph into an SVG file"},
    {"runner", 0, CLI_FILE, AT(runner), "PROGRAM", NULL, NULL, "runs steps without a command line, as PROGRAM TYPE PARAMS"},
    {"folder", 0, CLI_FOLDER, AT(folder), "DIR", NULL, NULL, "where steps run and files are; the mission file's folder"},
    {"ns", 0, CLI_TEXT, AT(ns), "NS", NULL, "mission_graph", "the namespace"},
    {"ttl", 0, CLI_DURATION, AT(ttl_ms), "TIME", "never", NULL, "how long results are good, such as 30d, or never"},
    {"timeout", 0, CLI_DURATION, AT(timeout_ms), "TIME", NULL, NULL, "end a step then that says no time itself"},
    {"max-output", 0, CLI_SIZE, AT(stream_bytes_max), "SIZE", NULL, "64MiB",
     "of either stream of a step; who writes more is not kept"},
    {0}};

static const cli_operand operands[] = {{"FILE", CLI_FILE, AT(file), false, NULL, "the mission, in JSON or YAML"}, {0}};

static const cli_example examples[] = {
    {"larder mission study.yaml", "runs what is not kept, independent steps at the same time"},
    {"larder mission study.yaml --plan", "says what would run, and why"},
    {"larder mission study.yaml --forget evolve", "its results and all that comes after it are made anew next time"},
    {"larder mission study.yaml --plot study.svg --parallel 8", "and draws what became of it"},
    {"larder mission commands.json --runner ./run-step", "a chain of {\"type\", \"params\"}, run by a program"},
    {0}};

/* One run of the command. */
typedef struct session {
  const cli_call *call;
  const mission_args *args;
  larder_mission *mission;
  FILE *lines;   /* where steps are told; NULL: nowhere */
  bool progress; /* there is a terminal for a line that changes */
  size_t ended;
  size_t running;
} session;

/* --- telling ---------------------------------------------------------------------------------------------------------------
 */

static cli_style style_of(larder_step_state state) {
  switch (state) {
  case LARDER_STEP_MADE:
    return CLI_GREEN;
  case LARDER_STEP_FAILED:
    return CLI_RED;
  case LARDER_STEP_WILL_RUN:
  case LARDER_STEP_MAY_RUN:
    return CLI_YELLOW;
  case LARDER_STEP_HIT:
  case LARDER_STEP_SKIPPED:
    return CLI_DIM;
  default:
    return CLI_PLAIN;
  }
}

static void progress_clear(const session *s) {
  if (s->progress) fputs("\r\033[K", stderr);
}

static void progress_show(const session *s) {
  if (!s->progress) return;
  fprintf(stderr, "\r\033[K%zu of %zu, %zu running", s->ended, larder_mission_count(s->mission), s->running);
  fflush(stderr);
}

static void step_line(const session *s, const larder_mission_step *step) {
  cli_buf line = {0};
  cli_escape(&line, step->id, strlen(step->id));
  fprintf(s->lines, "%s%-8s%s  %-24s", cli_style_on(s->lines, style_of(step->state)), larder_step_state_name(step->state),
          cli_style_off(s->lines), cli_buf_str(&line));
  cli_buf_clear(&line);
  if (step->took_ms >= 0 && step->state != LARDER_STEP_SKIPPED) {
    char took[CLI_SHORT];
    cli_buf_printf(&line, "%s", cli_nanos_text((uint64_t)step->took_ms * 1000000, took, sizeof took));
  }
  if (step->why[0] != '\0') {
    if (line.len > 0) cli_buf_text(&line, "  ");
    cli_escape(&line, step->why, strlen(step->why));
  }
  fprintf(s->lines, "  %s\n", cli_buf_str(&line));
  cli_buf_fini(&line);
}

static void changed(void *context, size_t index, larder_step_state state) {
  session *s = context;
  larder_mission_step step;
  if (state == LARDER_STEP_RUNNING) {
    s->running++;
  } else {
    if (larder_mission_step_at(s->mission, index, &step) && s->lines != NULL) {
      progress_clear(s);
      step_line(s, &step);
      fflush(s->lines);
    }
    s->ended++;
    if (state != LARDER_STEP_SKIPPED && s->running > 0) s->running--;
  }
  if (s->ended < larder_mission_count(s->mission)) progress_show(s);
}

static void remarks(void *context, size_t index, const void *data, size_t len) {
  const session *s = context;
  const char *at = data;
  (void)index;
  if (s->call->globals->json) return;
  progress_clear(s);
  while (len > 0) {
    ssize_t done = write(STDERR_FILENO, at, len);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    at += done;
    len -= (size_t)done;
  }
}

static void mistake_tell(void *context, const larder_mission_mistake *mistake) {
  const cli_call *call = context;
  cli_buf line = {0};
  cli_escape(&line, mistake->message, strlen(mistake->message));
  if (!call->globals->json)
    fprintf(stderr, "%s:%d:%d: %s\n", mistake->file, mistake->line, mistake->column, cli_buf_str(&line));
  cli_buf_fini(&line);
}

/* How many steps are in each state. */
typedef struct counts {
  size_t of[LARDER_STEP_MAY_RUN + 1];
} counts;

static counts count_states(const session *s) {
  counts c = {{0}};
  larder_mission_step step;
  for (size_t i = 0; larder_mission_step_at(s->mission, i, &step); i++) c.of[step.state]++;
  return c;
}

static void document_step(cli_json *json, larder_mission *mission, const larder_mission_step *step) {
  larder_mission_step other;
  cli_json_object(json, NULL);
  cli_json_text(json, "id", step->id);
  cli_json_text(json, "type", step->type);
  cli_json_array(json, "after");
  for (size_t i = 0; i < step->after_len; i++)
    if (larder_mission_step_at(mission, step->after[i], &other)) cli_json_text(json, NULL, other.id);
  cli_json_array_end(json);
  cli_json_text(json, "state", larder_step_state_name(step->state));
  cli_json_text(json, "why", step->why[0] != '\0' ? step->why : NULL);
  cli_json_text(json, "key", step->key[0] != '\0' ? step->key : NULL);
  cli_json_bool(json, "kept", step->kept);
  if (step->took_ms >= 0) {
    cli_json_double(json, "seconds", (double)step->took_ms / 1000);
  } else {
    cli_json_null(json, "seconds");
  }
  cli_json_int(json, "exit_code", step->exit_code);
  cli_json_bytes(json, "errors", "errors_encoding", step->errors_len > 0 ? step->errors : "", step->errors_len);
  cli_json_object_end(json);
}

static void document(const session *s, const counts *c) {
  cli_json json;
  larder_mission_step step;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "mission", larder_mission_name(s->mission));
  cli_json_bool(&json, "plan", s->args->plan);
  cli_json_array(&json, "steps");
  for (size_t i = 0; larder_mission_step_at(s->mission, i, &step); i++) document_step(&json, s->mission, &step);
  cli_json_array_end(&json);
  cli_json_uint(&json, "hit", c->of[LARDER_STEP_HIT]);
  cli_json_uint(&json, "made", c->of[LARDER_STEP_MADE]);
  cli_json_uint(&json, "failed", c->of[LARDER_STEP_FAILED]);
  cli_json_uint(&json, "skipped", c->of[LARDER_STEP_SKIPPED]);
  cli_json_uint(&json, "will_run", c->of[LARDER_STEP_WILL_RUN]);
  cli_json_uint(&json, "may_run", c->of[LARDER_STEP_MAY_RUN]);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

static void summary(const session *s, const counts *c) {
  size_t all = larder_mission_count(s->mission);
  if (s->args->plan) {
    cli_note(s->call, "%zu of %zu %s kept, %zu will run, %zu may run", c->of[LARDER_STEP_HIT], all,
             cli_plural(all, "step is", "steps are"), c->of[LARDER_STEP_WILL_RUN], c->of[LARDER_STEP_MAY_RUN]);
  } else {
    cli_note(s->call, "%zu of %zu %s there: %zu hit, %zu made; %zu failed, %zu skipped",
             c->of[LARDER_STEP_HIT] + c->of[LARDER_STEP_MADE], all, cli_plural(all, "step is", "steps are"),
             c->of[LARDER_STEP_HIT], c->of[LARDER_STEP_MADE], c->of[LARDER_STEP_FAILED], c->of[LARDER_STEP_SKIPPED]);
  }
}

/* --- doing -----------------------------------------------------------------------------------------------------------------
 */

static cli_exit mission_read(const cli_call *call, const mission_args *args, larder_mission **out) {
  larder_error error = {0};
  const larder_mission_options how = {.size = sizeof how, .folder = args->folder, .runner = args->runner};
  larder_err result = larder_mission_open(args->file, &how, mistake_tell, (void *)call, out, &error);
  if (result == LARDER_OK) return CLI_DONE;
  if (result == LARDER_EFORMAT && call->globals->json)
    return cli_refuse(call, CLI_CONFIG, "without --json every mistake is shown", "%s", error.message);
  if (result == LARDER_EFORMAT) return CLI_CONFIG; /* each was told */
  if (result == LARDER_ENOMEM) return cli_refuse_result(call, result, &error, "cannot read the mission");
  return cli_refuse(call, result == LARDER_ETOOBIG ? CLI_CONFIG : CLI_USAGE, "name a mission file that can be read", "%s",
                    error.message);
}

static cli_exit step_unknown(const session *s, const char *id) {
  return cli_refuse(s->call, CLI_USAGE, "`larder mission FILE --plan` lists the steps", "there is no step '%s' in %s", id,
                    s->args->file);
}

static cli_exit forget(const session *s, larder_ns *ns) {
  size_t count = 0;
  if (ns == NULL) return cli_refuse(s->call, CLI_FAILED, "", "nothing can be forgotten without the cache");
  larder_err result = larder_mission_forget(s->mission, ns, s->args->forget, &count);
  if (result < 0) return cli_refuse_result(s->call, result, NULL, "cannot forget");
  if (s->call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_uint(&json, "forgot", count);
    cli_json_object_end(&json);
    cli_json_end(&json);
  } else {
    cli_note(s->call, "forgot %zu %s", count, cli_plural(count, "result", "results"));
  }
  return CLI_DONE;
}

static cli_exit plot(const session *s) {
  char why[256];
  char *text = NULL;
  size_t len = 0;
  if (s->args->plot == NULL) return CLI_DONE;
  larder_err result = larder_mission_plot(s->mission, &text, &len);
  if (result != LARDER_OK) return cli_refuse_result(s->call, result, NULL, "cannot draw the graph");
  bool written = cli_file_write(s->args->plot, text, len, why, sizeof why);
  larder_mission_text_free(text);
  if (written) return CLI_DONE;
  return cli_refuse(s->call, CLI_FAILED, "check --plot", "cannot write %s: %s", s->args->plot, why);
}

static cli_exit print(const session *s, larder_ns *ns) {
  size_t index = 0;
  larder_value value = {0};
  if (s->args->print == NULL) return CLI_DONE;
  if (!larder_mission_find(s->mission, s->args->print, &index)) return step_unknown(s, s->args->print);
  larder_err result = ns != NULL ? larder_mission_output(s->mission, ns, index, &value) : LARDER_MISS;
  if (result == LARDER_MISS)
    return cli_refuse(s->call, CLI_NOT_FOUND, "it failed, or was not kept", "there is no output of %s", s->args->print);
  if (result < 0) return cli_refuse_result(s->call, result, NULL, "cannot get the output");
  if (value.len > 0) fwrite(value.data, 1, value.len, stdout);
  larder_value_release(&value);
  return CLI_DONE;
}

static cli_exit steps_do(session *s, larder_ns *ns) {
  const larder_mission_run_options how = {.size = sizeof how,
                                          .parallel = s->args->parallel > 256 ? 256 : (unsigned)s->args->parallel,
                                          .force = s->args->force,
                                          .ttl_ms = s->args->ttl_ms,
                                          .timeout_ms = s->args->timeout_ms,
                                          .stream_bytes_max = s->args->stream_bytes_max,
                                          .changed = changed,
                                          .remarks = remarks,
                                          .context = s};
  larder_mission_step step;
  if (!s->args->plan) cli_signals_stop(s->mission);
  larder_err result =
      s->args->plan ? larder_mission_plan(s->mission, ns, s->args->force) : larder_mission_run(s->mission, ns, &how);
  progress_clear(s);
  if (result != LARDER_OK) return cli_refuse_result(s->call, result, NULL, "cannot run the mission");
  for (size_t i = 0; s->args->plan && s->lines != NULL && larder_mission_step_at(s->mission, i, &step); i++)
    step_line(s, &step);
  counts c = count_states(s);
  if (s->call->globals->json)
    document(s, &c);
  else
    summary(s, &c);
  return c.of[LARDER_STEP_FAILED] + c.of[LARDER_STEP_SKIPPED] > 0 ? CLI_NOT_FOUND : CLI_DONE;
}

static cli_exit session_run(session *s, larder *cache) {
  size_t index = 0;
  larder_ns *ns = cli_ns_or_without(s->call, cache, s->args->ns);
  const char *named = s->args->forget != NULL ? s->args->forget : s->args->print;
  if (named != NULL && !larder_mission_find(s->mission, named, &index)) return step_unknown(s, named);
  if (s->args->forget != NULL) return forget(s, ns);
  cli_exit code = steps_do(s, ns);
  cli_exit drawn = code <= CLI_NOT_FOUND ? plot(s) : CLI_DONE;
  cli_exit printed = code <= CLI_NOT_FOUND && drawn == CLI_DONE ? print(s, ns) : CLI_DONE;
  return drawn != CLI_DONE ? drawn : printed != CLI_DONE ? printed : code;
}

static cli_exit combination_check(const cli_call *call, const mission_args *args) {
  if (args->forget != NULL && (args->plan || args->force || args->print != NULL || args->plot != NULL))
    return cli_refuse(call, CLI_USAGE, "forget first, then run", "--forget runs, plans and draws nothing");
  if (args->print != NULL && call->globals->json)
    return cli_refuse(call, CLI_USAGE, "`larder get NS KEY/SHA-256` has any output by its key",
                      "--print prints what a step wrote, and --json a document");
  return CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  const mission_args *args = given;
  session s = {.call = call, .args = args};
  cli_exit code = combination_check(call, args);
  if (code == CLI_DONE) code = mission_read(call, args, &s.mission);
  if (code != CLI_DONE) return code;
  if (!call->globals->json) s.lines = args->print != NULL ? stderr : stdout;
  if (call->globals->quiet && args->print != NULL) s.lines = NULL;
  s.progress = !args->plan && !call->globals->json && !call->globals->quiet && isatty(STDERR_FILENO);
  larder *cache = cli_open_or_without(call);
  code = session_run(&s, cache);
  if (larder_close(&cache) < 0) cli_note(call, "larder: warning: the cache was not closed cleanly");
  cli_signals_stop(NULL);
  larder_mission_close(&s.mission);
  return code;
}

const cli_command cli_command_mission = {
    .name = "mission",
    .summary = "Run the steps of a mission whose results are not kept.",
    .text = "A mission is a file of steps that come after each other. What a step's result depends on is its key: its type, "
            "parameters and command line, the contents of its inputs, the values of its variables, and the keys of the steps "
            "that it comes after. A step whose result is kept is not run; its files are put back where they are missing or "
            "differ.\n\n"
            "A failing step stops only what comes after it; next time the mission goes on where it stands. The exit code is 1 "
            "when a step failed or was skipped, 3 for a file with mistakes.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(mission_args),
    .run = run};
