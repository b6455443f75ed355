/* SPDX-License-Identifier: Apache-2.0 */
/* What traces came to: a table for people, a line of JSON, a drawing. */
#include "cli_table.h"
#include "file_io.h"
#include "session.h"
#include "simulate_traces.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- the table ----------------------------------------------------------------------------------------------------------- */

static const larder_simulate_run *run_of(const cli_simulate_plan *plan, const cli_simulated *done, size_t size, size_t policy) {
  return &done->runs[size * plan->policies_len + policy];
}

static bool foresees(const larder_simulate_run *run) {
  return strcmp(run->policy, LARDER_SIMULATE_OPT) == 0 || strcmp(run->policy, LARDER_SIMULATE_OPT_BOUND) == 0;
}

/* The place of a policy in the plan; policies_len: it is not run. */
static size_t policy_at(const cli_simulate_plan *plan, const char *name) {
  size_t at = 0;
  while (at < plan->policies_len && strcmp(plan->policies[at], name) != 0) at++;
  return at;
}

static void size_cell(const cli_simulate_size *size, const larder_simulate_run *run, cli_buf *out) {
  char text[CLI_SHORT];
  cli_buf_clear(out);
  if (size->share > 0) cli_buf_printf(out, "%g %% = ", size->share * 100);
  cli_buf_text(out,
               run->bytes ? cli_size_text(run->bytes, text, sizeof text) : cli_count_text(run->objects, text, sizeof text));
}

static void percent_add(cli_table *table, double part, double whole, cli_style style) {
  char text[CLI_SHORT] = "";
  if (whole > 0) snprintf(text, sizeof text, "%.2f %%", 100 * part / whole);
  cli_table_add_styled(table, text, style);
}

/* How many misses fewer than another policy's. */
static void fewer_add(cli_table *table, const larder_simulate_run *run, const larder_simulate_run *base) {
  double less = (double)base->misses - (double)run->misses;
  if (run == base)
    cli_table_add(table, "");
  else
    percent_add(table, less, (double)base->misses, CLI_PLAIN);
}

/* The policy that misses least at a size, of those that do not know the future. */
static const larder_simulate_run *best_of(const cli_simulate_plan *plan, const cli_simulated *done, size_t size) {
  const larder_simulate_run *best = NULL;
  for (size_t i = 0; i < plan->policies_len; i++) {
    const larder_simulate_run *run = run_of(plan, done, size, i);
    if (!foresees(run) && (best == NULL || run->misses < best->misses)) best = run;
  }
  return best;
}

static void heading(const cli_simulated *done) {
  char requests[CLI_SHORT], unique[CLI_SHORT], bytes[CLI_SHORT];
  const larder_trace_facts *facts = &done->facts;
  cli_buf name = {0};
  cli_escape(&name, done->trace, strlen(done->trace));
  printf("%s%s%s: %s %s for %s %s", cli_style_on(stdout, CLI_BOLD), cli_buf_str(&name), cli_style_off(stdout),
         cli_count_text(facts->requests, requests, sizeof requests), cli_plural(facts->requests, "request", "requests"),
         cli_count_text(facts->unique, unique, sizeof unique), cli_plural(facts->unique, "key", "keys"));
  if (facts->sized) printf(" of %s", cli_size_text(facts->unique_bytes, bytes, sizeof bytes));
  if (facts->requests > 0)
    printf("; %.1f %% of the keys come once; the largest cache misses %.2f %%",
           100 * (double)facts->once / (double)facts->unique, 100 * (double)facts->unique / (double)facts->requests);
  puts("\n");
  cli_buf_fini(&name);
}

static void rows_add(cli_table *table, const cli_simulate_plan *plan, const cli_simulated *done, size_t size) {
  static const char *const bases[] = {"fifo", "lru"};
  char text[CLI_SHORT];
  cli_buf cell = {0};
  const larder_simulate_run *best = best_of(plan, done, size);
  for (size_t i = 0; i < plan->policies_len; i++) {
    const larder_simulate_run *run = run_of(plan, done, size, i);
    size_cell(&plan->sizes[size], run, &cell);
    cli_table_add(table, cli_buf_str(&cell));
    cli_table_add_styled(table, run->policy, foresees(run) ? CLI_DIM : CLI_PLAIN);
    cli_table_add(table, cli_count_text(run->misses, text, sizeof text));
    percent_add(table, (double)run->misses, (double)done->facts.requests, run == best ? CLI_GREEN : CLI_PLAIN);
    if (done->facts.sized)
      percent_add(table, (double)run->miss_bytes, run->miss_bytes > 0 ? (double)done->facts.bytes : 0, CLI_PLAIN);
    for (size_t b = 0; b < 2; b++) {
      size_t base = policy_at(plan, bases[b]);
      if (base < plan->policies_len && plan->policies_len > 1) fewer_add(table, run, run_of(plan, done, size, base));
    }
  }
  cli_buf_fini(&cell);
}

void cli_simulate_show(const cli_call *call, const cli_simulate_plan *plan, const cli_simulated *done) {
  const char *heads[8] = {">SIZE", "POLICY", ">MISSES", ">MISS RATIO"};
  size_t len = 4;
  cli_table table;
  if (done->facts.sized) heads[len++] = ">OF THE BYTES";
  if (policy_at(plan, "fifo") < plan->policies_len && plan->policies_len > 1) heads[len++] = ">FEWER THAN FIFO";
  if (policy_at(plan, "lru") < plan->policies_len && plan->policies_len > 1) heads[len++] = ">FEWER THAN LRU";
  heads[len] = NULL;
  cli_table_init(&table, heads);
  for (size_t i = 0; i < plan->sizes_len; i++) rows_add(&table, plan, done, i);
  if (!call->globals->quiet) heading(done);
  cli_table_print(&table, stdout, !call->globals->quiet);
  cli_table_fini(&table);
}

/* --- JSON ---------------------------------------------------------------------------------------------------------------- */

void cli_simulate_json(const cli_simulate_plan *plan, const cli_simulated *done) {
  cli_json json;
  cli_json_init(&json, stdout);
  json.one_line = true;
  cli_json_object(&json, NULL);
  cli_json_text(&json, "trace", done->trace);
  cli_json_uint(&json, "requests", done->facts.requests);
  cli_json_uint(&json, "unique", done->facts.unique);
  cli_json_array(&json, "results");
  for (size_t i = 0; i < plan->sizes_len * plan->policies_len; i++) {
    const larder_simulate_run *run = &done->runs[i];
    bool bytes = run->bytes != 0;
    cli_json_object(&json, NULL);
    cli_json_text(&json, "policy", run->policy);
    if (bytes) cli_json_null(&json, "size_objects");
    if (bytes) cli_json_uint(&json, "size_bytes", run->bytes);
    if (!bytes) cli_json_uint(&json, "size_objects", run->objects);
    cli_json_uint(&json, "misses", run->misses);
    cli_json_double(&json, "miss_ratio", run->miss_ratio);
    if (bytes && foresees(run)) cli_json_null(&json, "byte_miss_ratio");
    if (bytes && !foresees(run))
      cli_json_double(&json, "byte_miss_ratio", done->facts.bytes ? (double)run->miss_bytes / (double)done->facts.bytes : 0);
    cli_json_object_end(&json);
  }
  cli_json_array_end(&json);
  cli_json_object_end(&json);
  cli_json_end(&json);
}

/* --- drawing ------------------------------------------------------------------------------------------------------------- */

/* The runs by entries, or by bytes, as a panel of its own; `runs` has room for all. */
static larder_simulate_panel panel_of(const cli_simulate_plan *plan, const cli_simulated *done, bool bytes,
                                      larder_simulate_run *runs) {
  const char *slash = strrchr(done->trace, '/');
  larder_simulate_panel panel = {.title = slash ? slash + 1 : done->trace, .runs = runs};
  for (size_t i = 0; i < plan->sizes_len * plan->policies_len; i++)
    if ((done->runs[i].bytes != 0) == bytes) runs[panel.count++] = done->runs[i];
  return panel;
}

cli_exit cli_simulate_draw(const cli_call *call, const cli_simulate_plan *plan, const cli_simulated *done, size_t count,
                           const char *path) {
  char why[256], *text = NULL;
  size_t len = 0, panels_len = 0, each = plan->sizes_len * plan->policies_len;
  larder_simulate_panel *panels = cli_alloc(2 * count * sizeof *panels);
  larder_simulate_run *runs = cli_alloc(count * each * sizeof *runs);
  for (size_t i = 0; i < count; i++) {
    larder_simulate_run *at = runs + i * each;
    for (int bytes = 0; bytes < 2; bytes++) {
      larder_simulate_panel panel = panel_of(plan, &done[i], bytes != 0, at);
      at += panel.count;
      if (panel.count > 0) panels[panels_len++] = panel;
    }
  }
  larder_err result = larder_simulate_plot(panels, panels_len, &text, &len);
  free(panels);
  free(runs);
  if (result != LARDER_OK) return cli_refuse_result(call, result, NULL, "cannot draw");
  bool written = cli_file_write(path, text, len, why, sizeof why);
  larder_simulate_text_free(text);
  if (written) return CLI_DONE;
  return cli_refuse(call, CLI_FAILED, "check --plot", "cannot write %s: %s", path, why);
}
