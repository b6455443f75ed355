/* SPDX-License-Identifier: Apache-2.0 */
/* What contestants came to: a table for people, a JSON document, a drawing. Figures are means over
 * seeds, with intervals where there are several. */
#include "cli_table.h"
#include "file_io.h"
#include "session.h"
#include "simulate_sessions.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- figures -------------------------------------------------------------------------------------------------------------- */

typedef double (*figure_of)(const larder_traffic_figures *f);

static double part(uint64_t some, uint64_t all) { return all ? (double)some / (double)all : 0; }
static double mean_ms(const larder_traffic_figures *f) { return f->mean_ms; }
static double p95_ms(const larder_traffic_figures *f) { return f->p95_ms; }
static double p99_ms(const larder_traffic_figures *f) { return f->p99_ms; }
static double origin(const larder_traffic_figures *f) { return (double)f->origin; }
static double origin_bytes(const larder_traffic_figures *f) { return (double)f->origin_bytes; }
static double hit_ratio(const larder_traffic_figures *f) { return part(f->hits, f->requests); }
static double failed_ratio(const larder_traffic_figures *f) { return part(f->failed, f->requests); }
static double cascades(const larder_traffic_figures *f) { return (double)f->cascades; }
static double threatened(const larder_traffic_figures *f) { return (double)f->threatened; }
static double prefetched(const larder_traffic_figures *f) { return (double)f->prefetched; }
static double used_ratio(const larder_traffic_figures *f) { return part(f->used, f->prefetched); }

static const struct {
  const char *name;
  figure_of of;
} figures[] = {{"mean_ms", mean_ms},
               {"p95_ms", p95_ms},
               {"p99_ms", p99_ms},
               {"origin", origin},
               {"origin_bytes", origin_bytes},
               {"hit_ratio", hit_ratio},
               {"failed_ratio", failed_ratio},
               {"cascades", cascades},
               {"threatened", threatened},
               {"prefetched", prefetched},
               {"used_ratio", used_ratio}};

/* Over all seeds; of used_ratio over those in which something was made ahead. */
static larder_traffic_interval figure(const cli_sessions_done *done, size_t contestant, figure_of of) {
  double *values = cli_alloc(done->seeds * sizeof *values);
  size_t count = 0;
  for (size_t i = 0; i < done->seeds; i++) {
    const larder_traffic_figures *one = &done->runs[contestant * done->seeds + i].figures;
    if (of != used_ratio || one->prefetched > 0) values[count++] = of(one);
  }
  larder_traffic_interval interval = larder_traffic_interval_of(values, count);
  free(values);
  return interval;
}

typedef struct difference {
  larder_traffic_interval more; /* as a part of the other's mean */
  size_t better;                /* seeds in which it is less */
} difference;

/* Of the means to that of the one that is compared with; the interval is that of the differences seed by seed. */
static difference difference_of(const cli_sessions_done *done, size_t contestant, figure_of of) {
  double *values = cli_alloc(done->seeds * sizeof *values), bases = 0;
  difference out = {.better = 0};
  for (size_t i = 0; i < done->seeds; i++) {
    double ours = of(&done->runs[contestant * done->seeds + i].figures);
    double base = of(&done->runs[done->against * done->seeds + i].figures);
    values[i] = ours - base;
    bases += base;
    out.better += ours < base;
  }
  larder_traffic_interval more = larder_traffic_interval_of(values, done->seeds);
  double unit = bases > 0 ? (double)done->seeds / bases : 0;
  out.more = (larder_traffic_interval){more.mean * unit, more.half * unit};
  free(values);
  return out;
}

static bool compares(const cli_sessions_done *done) { return done->against < done->names_len; }

/* --- the table ------------------------------------------------------------------------------------------------------------ */

/* A mean, with its interval where there is one; nothing where there is none. */
static void cell(cli_table *table, bool sign, int decimals, larder_traffic_interval value, const char *behind) {
  cli_buf text = {0};
  if (!isnan(value.mean)) cli_buf_printf(&text, sign ? "%+.*f" : "%.*f", decimals, value.mean);
  if (!isnan(value.half)) cli_buf_printf(&text, " ± %.*f", decimals, value.half);
  if (!isnan(value.mean)) cli_buf_text(&text, behind);
  cli_table_add(table, cli_buf_str(&text));
  cli_buf_fini(&text);
}

static void plain(cli_table *table, int decimals, larder_traffic_interval value) { cell(table, false, decimals, value, ""); }

static larder_traffic_interval hundredfold(larder_traffic_interval part_of) {
  return (larder_traffic_interval){part_of.mean * 100, part_of.half * 100};
}

static void percent(cli_table *table, int decimals, larder_traffic_interval part_of) {
  cell(table, false, decimals, hundredfold(part_of), " %");
}

static void compared(cli_table *table, const cli_sessions_done *done, size_t at, figure_of of) {
  char behind[CLI_SHORT] = " %";
  if (!compares(done)) return;
  if (at == done->against) {
    cli_table_add(table, "");
    return;
  }
  difference to = difference_of(done, at, of);
  if (done->seeds > 1) snprintf(behind, sizeof behind, " %%, %zu of %zu", to.better, done->seeds);
  cell(table, true, 2, hundredfold(to.more), behind);
}

static void row_add(cli_table *table, const cli_sessions_done *done, size_t at) {
  cli_buf name = {0};
  cli_buf_text(&name, done->names[at]);
  if (strcmp(done->names[at], LARDER_TRAFFIC_TUNED) == 0) cli_buf_printf(&name, " = %s", done->runs[at * done->seeds].rule);
  cli_table_add(table, cli_buf_str(&name));
  cli_buf_fini(&name);
  plain(table, 2, figure(done, at, mean_ms));
  compared(table, done, at, mean_ms);
  plain(table, 0, figure(done, at, p95_ms));
  plain(table, 0, figure(done, at, origin));
  compared(table, done, at, origin);
  percent(table, 2, figure(done, at, hit_ratio));
  percent(table, 2, figure(done, at, failed_ratio));
  plain(table, 1, figure(done, at, cascades));
  percent(table, 0, figure(done, at, used_ratio));
}

/* --- what an agent did ---------------------------------------------------------------------------------------------------- */

static bool learns(const cli_sessions_done *done, size_t at) { return done->runs[at * done->seeds].agent.decisions > 0; }

/* Over all seeds. */
static larder_agent_figures agent_sum(const cli_sessions_done *done, size_t at) {
  larder_agent_figures sum = {0};
  for (size_t i = 0; i < done->seeds; i++) {
    const larder_agent_figures *one = &done->runs[at * done->seeds + i].agent;
    sum.decisions += one->decisions;
    sum.explored += one->explored;
    sum.windows += one->windows;
    sum.windows_aside += one->windows_aside;
    sum.stepped_aside += one->stepped_aside;
    for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
      sum.taken[a] += one->taken[a];
      sum.learned[a] += one->learned[a];
      sum.reward[a] += one->reward[a];
    }
  }
  return sum;
}

static void agent_show(const cli_call *call, const cli_sessions_done *done, size_t at) {
  static const char *const heads[] = {"ACTION", ">TAKEN", ">REWARD EACH", NULL};
  char text[CLI_SHORT];
  cli_table table;
  larder_agent_figures sum = agent_sum(done, at);
  cli_table_init(&table, heads);
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    cli_table_add(&table, larder_agent_action_name((larder_agent_action)a));
    snprintf(text, sizeof text, "%.2f %%", 100 * part(sum.taken[a], sum.decisions));
    cli_table_add(&table, text);
    snprintf(text, sizeof text, "%+.2f", sum.learned[a] ? sum.reward[a] / (double)sum.learned[a] : 0);
    cli_table_add(&table, text);
  }
  if (!call->globals->quiet)
    printf("\n%s: %.2f %% of the decisions by chance; stepped aside %llu times, for %.1f %% of the time\n\n", done->names[at],
           100 * part(sum.explored, sum.decisions), (unsigned long long)sum.stepped_aside,
           100 * part(sum.windows_aside, sum.windows));
  cli_table_print(&table, stdout, !call->globals->quiet);
  cli_table_fini(&table);
}

#define VERSUS_ROOM (LARDER_TRAFFIC_NAME_MAX + 8)

/* The heads; versus is one of them, as long as the table stands. */
static void table_begin(cli_table *table, const cli_sessions_done *done, char versus[VERSUS_ROOM]) {
  const char *with[] = {"CONTESTANT", ">MEAN MS", versus,      ">P95 MS",     ">ORIGIN", versus,
                        ">HITS",      ">FAILED",  ">CASCADES", ">AHEAD USED", NULL};
  const char *without[] = {"CONTESTANT", ">MEAN MS",  ">P95 MS",     ">ORIGIN", ">HITS",
                           ">FAILED",    ">CASCADES", ">AHEAD USED", NULL};
  if (compares(done)) snprintf(versus, VERSUS_ROOM, ">VS %s", done->names[done->against]);
  for (char *at = versus; *at != '\0'; at++) *at = (char)toupper((unsigned char)*at);
  cli_table_init(table, compares(done) ? with : without);
}

static void headline(const cli_sessions_done *done) {
  char requests[CLI_SHORT], keys[CLI_SHORT], entries[CLI_SHORT];
  cli_buf name = {0};
  cli_escape(&name, done->file, strlen(done->file));
  printf("%s%s%s: %s requests for %s keys with seed %llu, %s entries fit; ", cli_style_on(stdout, CLI_BOLD), cli_buf_str(&name),
         cli_style_off(stdout), cli_count_text(done->runs[0].figures.requests, requests, sizeof requests),
         cli_count_text(done->facts.keys, keys, sizeof keys), (unsigned long long)done->first_seed,
         cli_count_text(done->facts.cache_entries, entries, sizeof entries));
  if (done->seeds > 1)
    printf("means over %zu seeds with 95 %% intervals\n\n", done->seeds);
  else
    printf("one seed says nothing of intervals\n\n");
  cli_buf_fini(&name);
}

void cli_sessions_show(const cli_call *call, const cli_sessions_done *done) {
  char versus[VERSUS_ROOM] = "";
  cli_table table;
  table_begin(&table, done, versus);
  for (size_t i = 0; i < done->names_len; i++) row_add(&table, done, i);
  if (!call->globals->quiet) headline(done);
  cli_table_print(&table, stdout, !call->globals->quiet);
  cli_table_fini(&table);
  for (size_t i = 0; i < done->names_len; i++)
    if (learns(done, i)) agent_show(call, done, i);
}

/* --- JSON ----------------------------------------------------------------------------------------------------------------- */

static void interval_put(cli_json *json, const char *name, larder_traffic_interval interval) {
  cli_json_object(json, name);
  cli_json_double(json, "mean", interval.mean);
  cli_json_double(json, "half", interval.half);
  cli_json_object_end(json);
}

static void difference_put(cli_json *json, const char *name, difference to) {
  cli_json_object(json, name);
  cli_json_double(json, "mean", to.more.mean);
  cli_json_double(json, "half", to.more.half);
  cli_json_uint(json, "better", to.better);
  cli_json_object_end(json);
}

static void agent_put(cli_json *json, const cli_sessions_done *done, size_t at) {
  larder_agent_figures sum = agent_sum(done, at);
  cli_json_object(json, "agent");
  cli_json_uint(json, "decisions", sum.decisions);
  cli_json_uint(json, "explored", sum.explored);
  cli_json_uint(json, "stepped_aside", sum.stepped_aside);
  cli_json_double(json, "aside_ratio", part(sum.windows_aside, sum.windows));
  cli_json_array(json, "actions");
  for (unsigned a = 0; a < LARDER_AGENT_ACTIONS; a++) {
    cli_json_object(json, NULL);
    cli_json_text(json, "action", larder_agent_action_name((larder_agent_action)a));
    cli_json_uint(json, "taken", sum.taken[a]);
    cli_json_double(json, "reward_mean", sum.learned[a] ? sum.reward[a] / (double)sum.learned[a] : 0);
    cli_json_object_end(json);
  }
  cli_json_array_end(json);
  cli_json_object_end(json);
}

void cli_sessions_json(const cli_sessions_done *done) {
  cli_json json;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  cli_json_text(&json, "sessions", done->file);
  cli_json_uint(&json, "first_seed", done->first_seed);
  cli_json_uint(&json, "seeds", done->seeds);
  cli_json_uint(&json, "keys", done->facts.keys);
  cli_json_uint(&json, "cache_entries", done->facts.cache_entries);
  cli_json_text(&json, "against", compares(done) ? done->names[done->against] : NULL);
  cli_json_array(&json, "results");
  for (size_t at = 0; at < done->names_len; at++) {
    cli_json_object(&json, NULL);
    cli_json_text(&json, "contestant", done->names[at]);
    cli_json_text(&json, "rule", done->runs[at * done->seeds].rule);
    cli_json_uint(&json, "requests", done->runs[at * done->seeds].figures.requests);
    for (size_t f = 0; f < sizeof figures / sizeof *figures; f++)
      interval_put(&json, figures[f].name, figure(done, at, figures[f].of));
    if (compares(done)) {
      cli_json_object(&json, "against");
      difference_put(&json, "mean_ms", difference_of(done, at, mean_ms));
      difference_put(&json, "origin", difference_of(done, at, origin));
      cli_json_object_end(&json);
    } else {
      cli_json_null(&json, "against");
    }
    if (learns(done, at))
      agent_put(&json, done, at);
    else
      cli_json_null(&json, "agent");
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

/* --- drawing -------------------------------------------------------------------------------------------------------------- */

cli_exit cli_sessions_draw(const cli_call *call, const cli_sessions_done *done, const char *path) {
  static const struct {
    const char *title;
    const char *unit;
    figure_of of;
  } drawn[] = {{"mean latency", "ms", mean_ms}, {"requests to the origin", "", origin}, {"cascades", "", cascades}};
  enum { PANELS = sizeof drawn / sizeof *drawn };
  char why[256], *text = NULL;
  size_t len = 0;
  const char *slash = strrchr(done->file, '/');
  larder_traffic_panel panels[PANELS];
  cli_buf titles[PANELS] = {0};
  larder_traffic_bar *bars = cli_alloc(PANELS * done->names_len * sizeof *bars);
  for (size_t p = 0; p < PANELS; p++) {
    larder_traffic_bar *at = bars + p * done->names_len;
    for (size_t i = 0; i < done->names_len; i++) at[i] = (larder_traffic_bar){done->names[i], figure(done, i, drawn[p].of)};
    cli_buf_printf(&titles[p], "%s: %s", slash ? slash + 1 : done->file, drawn[p].title);
    panels[p] = (larder_traffic_panel){cli_buf_str(&titles[p]), drawn[p].unit, at, done->names_len};
  }
  larder_err result = larder_traffic_plot(panels, PANELS, &text, &len);
  for (size_t p = 0; p < PANELS; p++) cli_buf_fini(&titles[p]);
  free(bars);
  if (result != LARDER_OK) return cli_refuse_result(call, result, NULL, "cannot draw");
  bool written = cli_file_write(path, text, len, why, sizeof why);
  larder_traffic_text_free(text);
  if (written) return CLI_DONE;
  return cli_refuse(call, CLI_FAILED, "check --plot", "cannot write %s: %s", path, why);
}
