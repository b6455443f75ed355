/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "stats/json_writer.h"
#include "stats/stats.h"
#include <larder/ext/tier.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "00000000000000000000000000000001"

typedef struct fixture {
  char *folder;
  lrd_clock_moved clock;
  lrd_stats *stats;
} fixture;

static int fixture_setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->folder = support_dir_make();
  lrd_clock_moved_init(&f->clock, 1700000000000);
  lrd_stats_params params = {
      .root_id_hex = ROOT, .row = 0, .program = "market \"data\"\n", .folder = f->folder, .clock = &f->clock.clock};
  assert_ok(lrd_stats_open(&params, &f->stats, NULL));
  *state = f;
  return 0;
}

static int fixture_teardown(void **state) {
  fixture *f = *state;
  lrd_stats_close(f->stats);
  support_dir_remove(&f->folder);
  free(f);
  return 0;
}

static larder_stats *shot_of(fixture *f) {
  larder_stats *shot = NULL;
  assert_ok(lrd_stats_snapshot(f->stats, &shot));
  return shot;
}

static void look_up(fixture *f, const char *ns, unsigned hits, unsigned misses) {
  lrd_stats_cell *all = lrd_stats_cell_of(f->stats, ns, LRD_STATS_ALL);
  lrd_stats_cell *memory = lrd_stats_cell_of(f->stats, ns, "memory");
  lrd_stats_add(all, LRD_STAT_LOOKUPS, hits + misses);
  lrd_stats_add(all, LRD_STAT_HITS, hits);
  lrd_stats_add(all, LRD_STAT_MISSES, misses);
  lrd_stats_add(memory, LRD_STAT_HITS, hits);
  lrd_stats_add(memory, LRD_STAT_MISSES, misses);
}

/* --- a small strict reader of JSON: returns the position after a value, or NULL ------------------------------------------- */

static const char *json_value(const char *at, unsigned depth);

static const char *json_blank(const char *at) { return at + strspn(at, " \n\t\r"); }

static const char *json_text(const char *at) {
  if (*at++ != '"') return NULL;
  while (*at != '"') {
    if (*at == '\\') {
      at++;
      if (*at == 'u') {
        for (int i = 1; i <= 4; i++)
          if (!strchr("0123456789abcdefABCDEF", at[i]) || !at[i]) return NULL;
        at += 5;
      } else if (*at && strchr("\"\\/bfnrt", *at)) {
        at++;
      } else {
        return NULL;
      }
    } else {
      size_t size = (unsigned char)*at >= 0x20 ? lrd_utf8_char(at, strlen(at)) : 0;
      if (!size) return NULL;
      at += size;
    }
  }
  return at + 1;
}

static const char *json_number(const char *at) {
  char *end;
  if (*at != '-' && !(*at >= '0' && *at <= '9')) return NULL;
  if (at[0] == '0' && at[1] >= '0' && at[1] <= '9') return NULL;
  strtod(at, &end);
  for (const char *c = at; c < end; c++)
    if (!strchr("0123456789+-.eE", *c)) return NULL;
  return end[-1] == '.' ? NULL : end;
}

static const char *json_list(const char *at, bool object, unsigned depth) {
  char close = object ? '}' : ']';
  at = json_blank(at + 1);
  if (*at == close) return at + 1;
  for (;;) {
    if (object) {
      at = json_text(at);
      if (!at || *(at = json_blank(at)) != ':') return NULL;
      at = json_blank(at + 1);
    }
    at = json_value(at, depth + 1);
    if (!at) return NULL;
    at = json_blank(at);
    if (*at == close) return at + 1;
    if (*at != ',') return NULL;
    at = json_blank(at + 1);
  }
}

static const char *json_value(const char *at, unsigned depth) {
  if (depth > 40) return NULL;
  if (*at == '{' || *at == '[') return json_list(at, *at == '{', depth);
  if (*at == '"') return json_text(at);
  static const char *const words[] = {"true", "false", "null"};
  for (size_t i = 0; i < 3; i++)
    if (strncmp(at, words[i], strlen(words[i])) == 0) return at + strlen(words[i]);
  return json_number(at);
}

static void assert_json(const char *text) {
  const char *end = json_value(json_blank(text), 0);
  if (!end || *json_blank(end)) fail_msg("not JSON, from here: %.80s", end ? end : text);
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------
 */

static void the_writer_escapes_and_nests(void **state) {
  (void)state;
  lrd_buf out = {0};
  lrd_json json;
  lrd_json_init(&json, &out, false);
  lrd_json_object_begin(&json);
  lrd_json_key(&json, "a\"\\\n\x01\x7f");
  lrd_json_array_begin(&json);
  lrd_json_u64(&json, UINT64_MAX);
  lrd_json_i64(&json, INT64_MIN);
  lrd_json_double(&json, 0.1);
  lrd_json_double(&json, 1e300);
  lrd_json_double(&json, 1.0 / 3);
  lrd_json_double(&json, (double)NAN);
  lrd_json_bool(&json, true);
  lrd_json_null(&json);
  lrd_json_array_end(&json);
  lrd_json_key(&json, "b");
  lrd_json_object_begin(&json);
  lrd_json_object_end(&json);
  lrd_json_key(&json, "c");
  lrd_json_bytes(&json, "\xc3\xa9\xff\xc0\x80\xed\xa0\x80\xf0\x9f\x98\x80", 12);
  lrd_json_object_end(&json);
  assert_ok(json.err);
  assert_ok(lrd_buf_terminate(&out));
  assert_string_equal((char *)out.data,
                      "{\"a\\\"\\\\\\u000a\\u0001\\u007f\":[18446744073709551615,-9223372036854775808,0.1,1e+300,"
                      "0.333333333333333"
                      "3"
                      ",null,true,null],\"b\":{},\"c\":\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80\"}");
  assert_json((char *)out.data);
  lrd_buf_fini(&out);
}

static void utf8_is_told_from_what_is_not(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t size;
  } cases[] = {{"a", 1},        {"\xc2\x80", 2},     {"\xe0\xa0\x80", 3}, {"\xed\x9f\xbf", 3},     {"\xf4\x8f\xbf\xbf", 4},
               {"\xc1\xbf", 0}, {"\xe0\x9f\xbf", 0}, {"\xed\xa0\x80", 0}, {"\xf4\x90\x80\x80", 0}, {"\xf0\x8f\xbf\xbf", 0},
               {"\x80", 0},     {"\xc3", 0},         {"\xe2\x82", 0},     {"\xf5\x80\x80\x80", 0}, {"\xc3(", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(lrd_utf8_char(cases[i].text, strlen(cases[i].text)), cases[i].size);
  assert_int_equal(lrd_utf8_char("", 0), 0);
}

static void numbers_have_a_point_in_every_locale(void **state) {
  (void)state;
  char text[40];
  static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C"};
  for (size_t i = 0; i < 3; i++) {
    setlocale(LC_NUMERIC, locales[i]);
    lrd_number_format(1234.5, text, sizeof text);
    assert_string_equal(text, "1234.5");
  }
  lrd_number_format(-2, text, sizeof text);
  assert_string_equal(text, "-2");
}

static void json_has_the_promised_shape(void **state) {
  fixture *f = *state;
  look_up(f, "census", 30, 10);
  look_up(f, "ab\"c", 10, 10);
  lrd_stats_cell *memory = lrd_stats_cell_of(f->stats, "census", "memory");
  lrd_stats_cell *all = lrd_stats_cell_of(f->stats, "census", LRD_STATS_ALL);
  lrd_stats_add(memory, LRD_STAT_EVICTED_CAPACITY, 3);
  lrd_stats_add(memory, LRD_STAT_EVICTED_STALE, 2);
  lrd_stats_set(memory, LRD_GAUGE_BYTES, 3 << 19);
  lrd_stats_time(memory, LRD_OP_GET, 250);
  lrd_stats_time(all, LRD_OP_GET, 2000000);
  lrd_stats_time(all, LRD_OP_PUT, 5000);
  larder_stats *shot = shot_of(f);
  char *text = NULL;
  size_t len = 0;
  assert_ok(larder_stats_to_json(shot, NULL, &text, &len));
  assert_int_equal(strlen(text), len);
  assert_json(text);
  static const char *const parts[] = {"\"hit_rate\": 0.666667",
                                      "\"miss_rate\": 0.333333",
                                      "\"by_tier\": {\n    \"memory\": {",
                                      "\"by_source\": {",
                                      "\"ab\\\"c\": {",
                                      "\"storage_mb\": 1.5",
                                      "\"capacity\": 3",
                                      "\"stale\": 2",
                                      "\"program\": \"market \\\"data\\\"\\u000a\"",
                                      "\"cold\": true",
                                      "\"count\": 1,\n    \"mean\": 2,\n    \"p50\": "};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (!strstr(text, parts[i]) && i > 1) fail_msg("%s is missing in\n%s", parts[i], text);
  assert_non_null(strstr(text, "\"hit_rate\": 0.666"));
  /* Evictions are by reason, and only so. */
  assert_null(strstr(text, "evicted_"));
  larder_stats_text_free(text);
  assert_ok(larder_stats_to_json(shot, "census", &text, NULL));
  assert_json(text);
  assert_non_null(strstr(text, "\"hit_rate\": 0.75"));
  assert_null(strstr(text, "ab\\\"c"));
  larder_stats_text_free(text);
  assert_ok(larder_stats_to_json(shot, "unheard of", &text, NULL));
  assert_json(text);
  assert_non_null(strstr(text, "\"lookups\": 0"));
  larder_stats_text_free(text);
  larder_stats_free(&shot);
  larder_stats_free(&shot);
}

/* --- Prometheus
 * --------------------------------------------------------------------------------------------------------------- */

/* One line of the exposition format: a comment, or name, labels in braces, a number. */
static bool exposition_line(const char *at) {
  if (strncmp(at, "# HELP ", 7) == 0 || strncmp(at, "# TYPE ", 7) == 0) return true;
  size_t name = strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");
  if (!name) return false;
  at += name;
  if (*at == '{') {
    at++;
    while (*at != '}') {
      size_t label = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
      if (!label || at[label] != '=' || at[label + 1] != '"') return false;
      at += label + 2;
      while (*at != '"') {
        if (*at == '\\' && !strchr("\\\"n", *++at)) return false;
        if (!*at) return false;
        at++;
      }
      at++;
      if (*at == ',') at++;
    }
    at++;
  }
  if (*at++ != ' ') return false;
  char *end;
  strtod(at, &end);
  return end != at && *end == '\0';
}

static void prometheus_text_is_well_formed(void **state) {
  fixture *f = *state;
  look_up(f, "cen\"s\\us\n", 30, 10);
  lrd_stats_cell *memory = lrd_stats_cell_of(f->stats, "cen\"s\\us\n", "memory");
  lrd_stats_time(memory, LRD_OP_GET, 2000000);
  lrd_stats_set(memory, LRD_GAUGE_BYTES, 99);
  lrd_stats_add(memory, LRD_STAT_EVICTED_TTL, 4);
  larder_stats *shot = shot_of(f);
  char *text = NULL;
  size_t len;
  assert_ok(larder_stats_to_prometheus(shot, &text, &len));
  assert_int_equal(strlen(text), len);
  static const char *const parts[] = {
      "larder_tier_hits_total{namespace=\"cen\\\"s\\\\us\\n\",tier=\"memory\"} 30\n",
      "larder_namespace_misses_total{namespace=\"cen\\\"s\\\\us\\n\"} 10\n",
      "larder_tier_evictions_total{namespace=\"cen\\\"s\\\\us\\n\",tier=\"memory\",reason=\"ttl\"} 4\n",
      "# TYPE larder_tier_get_seconds summary\n",
      "larder_tier_get_seconds_sum{namespace=\"cen\\\"s\\\\us\\n\",tier=\"memory\"} 0.002\n",
      "larder_tier_bytes{namespace=\"cen\\\"s\\\\us\\n\",tier=\"memory\"} 99\n",
      "larder_processes 1\n"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (!strstr(text, parts[i])) fail_msg("%s is missing in\n%s", parts[i], text);
  /* What is always 0 in one of the groups stands in the other alone. */
  static const char *const none[] = {"larder_tier_made_total",
                                     "larder_tier_puts_total",
                                     "larder_tier_lookups_total",
                                     "larder_namespace_evictions_total",
                                     "larder_namespace_bytes_read_total",
                                     "larder_namespace_bytes ",
                                     "larder_tier_make_seconds"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (strstr(text, none[i])) fail_msg("%s is there in\n%s", none[i], text);
  unsigned helps = 0, types = 0;
  const char *before = "";
  for (char *line = text, *end; *line; line = end + 1) {
    end = strchr(line, '\n');
    assert_non_null(end);
    *end = '\0';
    if (!exposition_line(line)) fail_msg("not in the format: %s", line);
    helps += strncmp(line, "# HELP", 6) == 0;
    types += strncmp(line, "# TYPE", 6) == 0;
    if (strncmp(before, "# TYPE", 6) == 0) { /* a family has series, of its name */
      size_t const name = strcspn(before + 7, " ");
      if (strncmp(line, before + 7, name) != 0) fail_msg("%s is followed by %s", before, line);
    }
    before = line;
  }
  assert_int_equal(helps, types);
  assert_true(helps > 50);
  larder_stats_text_free(text);
  larder_stats_free(&shot);
}

/* --- the snapshot
 * ---------------------------------------------------------------------------------------------------------------- */

static void rows_come_in_order_with_totals_first(void **state) {
  fixture *f = *state;
  look_up(f, "b", 1, 1);
  look_up(f, "a", 2, 0);
  lrd_stats_add(lrd_stats_cell_of(f->stats, "a", "memory"), LRD_STAT_EVICTED_ENTRIES, 2);
  larder_stats *shot = shot_of(f);
  static const char *const wanted[][2] = {{NULL, "all"},   {NULL, "memory"}, {"a", "all"},
                                          {"a", "memory"}, {"b", "all"},     {"b", "memory"}};
  assert_int_equal(larder_stats_row_count(shot), 6);
  larder_stats_row row;
  for (size_t i = 0; i < 6; i++) {
    assert_true(larder_stats_row_at(shot, i, &row));
    if (wanted[i][0])
      assert_string_equal(row.ns, wanted[i][0]);
    else
      assert_null(row.ns);
    assert_string_equal(row.tier, wanted[i][1]);
  }
  assert_false(larder_stats_row_at(shot, 6, &row));
  assert_true(larder_stats_row_at(shot, 1, &row));
  assert_int_equal(row.hits, 3);
  assert_int_equal(row.misses, 1);
  assert_int_equal(row.evictions, 2);
  assert_true(larder_stats_row_at(shot, 0, &row)); /* the whole shows what its tiers evicted */
  assert_int_equal(row.evictions, 2);
  assert_true(larder_stats_row_at(shot, 4, &row));
  assert_int_equal(row.evictions, 0);
  assert_true(larder_stats_row_at(shot, 1, &row));
  assert_true(row.hit_rate == 0.75);
  uint64_t value = 7;
  assert_false(larder_stats_value(shot, NULL, "all", "no such figure", &value));
  assert_int_equal(value, 7);
  larder_stats_process process;
  assert_int_equal(larder_stats_process_count(shot), 1);
  assert_true(larder_stats_process_at(shot, 0, &process));
  assert_int_equal(process.since_ms, 1700000000000);
  assert_false(larder_stats_process_at(shot, 1, &process));
  larder_stats_free(&shot);
}

static void hits_and_misses_add_up_to_lookups(void **state) {
  fixture *f = *state;
  look_up(f, "a", 123, 77);
  larder_stats *shot = shot_of(f);
  uint64_t lookups, hits, misses;
  assert_true(larder_stats_value(shot, NULL, "all", "lookups", &lookups));
  assert_true(larder_stats_value(shot, NULL, "all", "hits", &hits));
  assert_true(larder_stats_value(shot, NULL, "all", "misses", &misses));
  assert_int_equal(hits + misses, lookups);
  larder_stats_free(&shot);
}

static void every_figure_is_described(void **state) {
  (void)state;
  larder_stats_figure figure;
  size_t count = 0, gauges = 0, debug = 0;
  for (; larder_stats_figure_at(count, &figure); count++) {
    assert_true(strlen(figure.name) > 2 && strlen(figure.unit) > 2);
    assert_int_equal(figure.sentence[strlen(figure.sentence) - 1], '.');
    gauges += figure.gauge;
    debug += !figure.stable;
  }
  assert_int_equal(count, LRD_STAT_COUNT + LRD_GAUGE_COUNT);
  assert_int_equal(gauges, LRD_GAUGE_COUNT);
  assert_int_equal(debug, 3);
#define SAME_ORDER(reason, text)                                                                                               \
  assert_string_equal(lrd_stats_counter_info[LRD_STAT_EVICTED_FIRST + (int)LARDER_EVICT_##reason].name, "evicted_" text);
  LARDER_EVICT_REASONS(SAME_ORDER)
#undef SAME_ORDER
}

static void the_page_about_statistics_lists_every_figure(void **state) {
  (void)state;
  const char *source = getenv("LARDER_SOURCE_DIR");
  if (!source) skip();
  char *path = support_path(source, "docs/statistics.md");
  char *page = support_file_read(path, NULL);
  char line[400];
  larder_stats_figure figure;
  for (size_t i = 0; larder_stats_figure_at(i, &figure); i++) {
    snprintf(line, sizeof line, "| `%s` | %s | %s%s | %s |\n", figure.name, figure.unit, figure.gauge ? "gauge" : "counter",
             figure.stable ? "" : ", debug", figure.sentence);
    if (!strstr(page, line)) fail_msg("docs/statistics.md lacks: %s", line);
  }
  for (size_t op = 0; op < LRD_OP_COUNT; op++) {
    snprintf(line, sizeof line, "| `%s` | %s |\n", lrd_stats_op_info[op].name, lrd_stats_op_info[op].sentence);
    if (!strstr(page, line)) fail_msg("docs/statistics.md lacks: %s", line);
  }
  free(page);
  free(path);
}

/* --- cold, recent, steady; alerts
 * ---------------------------------------------------------------------------------------------- */

static larder_stats_rates rates_of(fixture *f) {
  larder_stats *shot = shot_of(f);
  larder_stats_rates rates;
  larder_stats_rates_of(shot, &rates);
  larder_stats_free(&shot);
  return rates;
}

static bool near(double a, double b) { return a - b < 1e-9 && b - a < 1e-9; }

static void a_cold_start_is_told_from_the_steady_state(void **state) {
  fixture *f = *state;
  larder_stats_rates rates = rates_of(f);
  assert_true(rates.cold);
  assert_true(rates.hit_rate == -1 && rates.hit_rate_recent == -1 && rates.hit_rate_steady == -1);
  /* The first minute: all misses. */
  for (unsigned second = 0; second < 60; second++) {
    look_up(f, "ns", 0, 10);
    lrd_clock_moved_advance_ms(&f->clock, 1000);
    lrd_stats_tick(f->stats);
  }
  rates = rates_of(f);
  assert_false(rates.cold);
  assert_true(near(rates.hit_rate, 0));
  assert_true(rates.hit_rate_steady == -1);
  /* Then nine of ten hit. The last minute is known to five seconds, so a little more than one. */
  for (unsigned second = 0; second < 66; second++) {
    look_up(f, "ns", 9, 1);
    lrd_clock_moved_advance_ms(&f->clock, 1000);
    lrd_stats_tick(f->stats);
  }
  rates = rates_of(f);
  assert_true(near(rates.hit_rate, 594.0 / 1260));
  assert_true(near(rates.hit_rate_steady, 0.9));
  assert_true(near(rates.hit_rate_recent, 0.9));
  /* An hour later nobody asked for a minute. */
  lrd_clock_moved_advance_ms(&f->clock, 3600000);
  lrd_stats_tick(f->stats);
  lrd_clock_moved_advance_ms(&f->clock, 61000);
  rates = rates_of(f);
  assert_true(rates.hit_rate_recent == -1);
  assert_true(near(rates.hit_rate_steady, 0.9));
  /* A clock that steps back disturbs nothing. */
  lrd_clock_moved_step_wall_ms(&f->clock, -7200000);
  lrd_stats_tick(f->stats);
  (void)rates_of(f);
  /* After a reset only what follows counts. */
  lrd_clock_moved_step_wall_ms(&f->clock, 7200000);
  assert_ok(lrd_stats_reset(f->stats));
  look_up(f, "ns", 1, 1);
  rates = rates_of(f);
  assert_true(near(rates.hit_rate, 0.5) && near(rates.hit_rate_recent, 0.5) && near(rates.hit_rate_steady, 0.5));
}

typedef struct told {
  unsigned count;
  char ids[200];
  char last[200];
} told;

static void tell(void *context, const char *id, const char *sentence) {
  told *t = context;
  t->count++;
  size_t len = strlen(t->ids);
  snprintf(t->ids + len, sizeof t->ids - len, "%s ", id);
  snprintf(t->last, sizeof t->last, "%s", sentence);
}

static told alerts_of(fixture *f, lrd_stats_thresholds thresholds) {
  told t = {0};
  larder_stats *shot = shot_of(f);
  lrd_stats_alerts(shot, &thresholds, tell, &t);
  larder_stats_free(&shot);
  return t;
}

static void alerts_speak_of_now_and_not_of_a_cold_cache(void **state) {
  fixture *f = *state;
  lrd_stats_thresholds all = {.hit_rate_min = 0.5, .latency_ms_max = 20, .evictions_per_minute_max = 100};
  lrd_stats_cell *whole = lrd_stats_cell_of(f->stats, "ns", LRD_STATS_ALL);
  lrd_stats_cell *memory = lrd_stats_cell_of(f->stats, "ns", "memory");
  look_up(f, "ns", 0, 1000);
  lrd_clock_moved_advance_ms(&f->clock, 10000);
  assert_int_equal(alerts_of(f, all).count, 0);
  lrd_clock_moved_advance_ms(&f->clock, 60000);
  lrd_stats_tick(f->stats);
  look_up(f, "ns", 40, 60);
  told t = alerts_of(f, all);
  assert_string_equal(t.ids, "alert.hit_rate ");
  assert_string_equal(t.last, "the hit rate of the last minute is 40.0 %, below 50.0 %");
  look_up(f, "ns", 100, 0);
  assert_int_equal(alerts_of(f, all).count, 0);
  lrd_stats_time(whole, LRD_OP_GET, 30000000);
  lrd_clock_moved_advance_ms(&f->clock, 60000);
  lrd_stats_add(memory, LRD_STAT_EVICTED_CAPACITY, 150);
  lrd_stats_add(memory, LRD_STAT_EVICTED_TTL, 9999);
  t = alerts_of(f, all);
  assert_string_equal(t.ids, "alert.latency alert.evictions ");
  assert_string_equal(t.last, "150 entries a minute are evicted for lack of room, above 100");
  assert_int_equal(alerts_of(f, (lrd_stats_thresholds){0}).count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_writer_escapes_and_nests),
      cmocka_unit_test(utf8_is_told_from_what_is_not),
      cmocka_unit_test(numbers_have_a_point_in_every_locale),
      cmocka_unit_test_setup_teardown(json_has_the_promised_shape, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(prometheus_text_is_well_formed, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(rows_come_in_order_with_totals_first, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(hits_and_misses_add_up_to_lookups, fixture_setup, fixture_teardown),
      cmocka_unit_test(every_figure_is_described),
      cmocka_unit_test(the_page_about_statistics_lists_every_figure),
      cmocka_unit_test_setup_teardown(a_cold_start_is_told_from_the_steady_state, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(alerts_speak_of_now_and_not_of_a_cold_cache, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
