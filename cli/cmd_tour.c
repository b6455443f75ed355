/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guided session on a temporary folder. Every line with a mark is the result of a call just made, checked against what was
 * told before it; the first that is not as told ends the tour with code 4.
 */
#include "child_process.h"
#include "commands.h"
#include "file_io.h"
#include "session.h"
#include "temp_root.h"
#include "tour_notes.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <larder/array.h>
#include <larder/recipe.h>
#include <larder/stats.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS      "notes"
#define KERNELS "kernels" /* arrays, in files */

typedef struct tour {
  const cli_call *call;
  char folder[512];
  char root[560];
  char config[560];
  larder *cache;
  larder_ns *ns;
  uint64_t hits; /* as the tour itself counts them */
  bool ok;
  cli_json json;
} tour;

/* --- telling ------------------------------------------------------------------------------------------------------- */

static bool talks(const tour *t) { return !t->call->globals->json && !t->call->globals->quiet; }

static void chapter(tour *t, const char *title) {
  if (talks(t)) printf("\n%s%s%s\n", cli_style_on(stdout, CLI_BOLD), title, cli_style_off(stdout));
}

static void LARDER_PRINTF(2, 3) say(tour *t, const char *format, ...) {
  va_list args;
  if (!talks(t)) return;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
}

/* Tells what was seen. Anything but `right` ends the tour. */
static bool LARDER_PRINTF(3, 4) saw(tour *t, bool right, const char *format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (!right) t->ok = false;
  if (t->call->globals->json) {
    cli_json_object(&t->json, NULL);
    cli_json_text(&t->json, "seen", text);
    cli_json_bool(&t->json, "as_told", right);
    cli_json_object_end(&t->json);
  } else if (right) {
    printf("  %s✓%s %s\n", cli_style_on(stdout, CLI_GREEN), cli_style_off(stdout), text);
  } else {
    printf("  %s✗ not as told:%s %s\n", cli_style_on(stdout, CLI_RED), cli_style_off(stdout), text);
  }
  fflush(stdout);
  return right;
}

/* --- calls --------------------------------------------------------------------------------------------------------- */

/* A get that must give `expected` (NULL: a miss). */
static bool get_is(tour *t, const char *key, bool allow_stale, const char *expected, const char **tier_out,
                   uint64_t *took_out) {
  larder_value value = {0};
  larder_get_options how = {.size = sizeof how, .allow_stale = allow_stale};
  uint64_t begun = cli_mono_ns();
  larder_err result = larder_get(t->ns, key, strlen(key), &how, &value);
  uint64_t took = cli_mono_ns() - begun;
  bool right = expected == NULL
                   ? result == LARDER_MISS
                   : result == LARDER_OK && value.len == strlen(expected) && memcmp(value.data, expected, value.len) == 0;
  if (result == LARDER_OK) t->hits++;
  if (tier_out != NULL) *tier_out = value.tier != NULL ? value.tier : "nowhere";
  if (took_out != NULL) *took_out = took;
  larder_value_release(&value);
  return right;
}

static bool put_is_kept(tour *t, const char *key, const char *value, int64_t ttl_ms, int64_t stale_ms, uint64_t *took_out) {
  larder_put_options how = {.size = sizeof how, .ttl_ms = ttl_ms, .stale_ms = stale_ms, .kind = LARDER_KIND_TEXT};
  uint64_t begun = cli_mono_ns();
  larder_err result = larder_put(t->ns, key, strlen(key), value, strlen(value), &how);
  if (took_out != NULL) *took_out = cli_mono_ns() - begun;
  return result == LARDER_OK;
}

static cli_exit cache_open(tour *t) {
  larder_error error = {0};
  larder_options how = {.size = sizeof how,
                        .root = t->root,
                        .config_file = t->config,
                        .read_config_only_given = true,
                        .log = cli_log_line,
                        .log_context = (void *)t->call,
                        .log_level = LARDER_LOG_WARN};
  larder_err result = larder_open(&how, &t->cache, &error);
  if (result == LARDER_OK) result = larder_ns_open(t->cache, NS, &t->ns, &error);
  return result == LARDER_OK ? CLI_DONE : cli_refuse_result(t->call, result, &error, "cannot open the tour's cache");
}

static void wait_ms(int64_t ms) {
  struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

/* --- chapters ------------------------------------------------------------------------------------------------------ */

static const char report[] = "unemployment in the area: 3.9 %, from a slow public service";

static bool chapter_keep(tour *t) {
  char put_text[CLI_SHORT];
  char get_text[CLI_SHORT];
  char again_text[CLI_SHORT];
  const char *tier = NULL;
  uint64_t put_ns = 0;
  uint64_t took = 0;
  chapter(t, "1. What was expensive to make is kept");
  say(t, "A value goes into every tier of its namespace: memory, which is fast, and SQLite, which lasts.");
  bool kept = put_is_kept(t, "report", report, 0, 0, &put_ns);
  if (!saw(t, kept, "put: kept on disk in %s", cli_nanos_text(put_ns, put_text, sizeof put_text))) return false;
  bool right = get_is(t, "report", false, report, &tier, &took);
  if (!saw(t, right && strcmp(tier, "memory") == 0, "get: the same bytes, from %s in %s", tier,
           cli_nanos_text(took, get_text, sizeof get_text)))
    return false;
  say(t, "Now the cache is closed and opened again, as after a restart. Memory is empty; the disk is not.");
  larder_err closed = larder_close(&t->cache);
  if (!saw(t, closed == LARDER_OK && cache_open(t) == CLI_DONE, "closed and opened: nothing lost")) return false;
  right = get_is(t, "report", false, report, &tier, &took);
  if (!saw(t, right && strcmp(tier, "sqlite") == 0, "first get: from %s in %s", tier,
           cli_nanos_text(took, get_text, sizeof get_text)))
    return false;
  right = get_is(t, "report", false, report, &tier, &took);
  return saw(t, right && strcmp(tier, "memory") == 0, "second get: from %s in %s, for it was moved up", tier,
             cli_nanos_text(took, again_text, sizeof again_text));
}

#define FRESH_MS 200

/* Puts and gets at once. On a machine that stands still in between, what is fresh for so short is rightly gone: try again. */
static bool fresh_is_seen(tour *t, bool *kept_out) {
  for (int attempt = 0; attempt < 20; attempt++) {
    uint64_t begun = cli_mono_ns();
    *kept_out = put_is_kept(t, "quote", "42.10", FRESH_MS, 3600000, NULL);
    if (!*kept_out) return false;
    if (get_is(t, "quote", false, "42.10", NULL, NULL)) return true;
    if (cli_mono_ns() - begun < (uint64_t)FRESH_MS * 1000000 / 2) return false;
  }
  return false;
}

static bool chapter_expiry(tour *t) {
  bool kept = false;
  chapter(t, "2. Nothing is served past its time, unless you allow it");
  say(t, "This one is fresh for %d milliseconds, and may be served stale for an hour after that.", FRESH_MS);
  bool fresh = fresh_is_seen(t, &kept);
  if (!saw(t, kept, "put: kept") || !saw(t, fresh, "get at once: there")) return false;
  wait_ms(FRESH_MS + FRESH_MS / 4);
  if (!saw(t, get_is(t, "quote", false, NULL, NULL, NULL), "get a quarter of a second later: a miss")) return false;
  return saw(t, get_is(t, "quote", true, "42.10", NULL, NULL), "get that allows stale values: still there, for the bad hour");
}

static bool chapter_processes(tour *t) {
  const char *tier = NULL;
  cli_buf output = {0};
  const char *put[] = {"--root", t->root, "--config", t->config, "--quiet", "put", NS, "greeting", NULL};
  const char *get[] = {"--root", t->root, "--config", t->config, "get", NS, "greeting", NULL};
  chapter(t, "3. Processes share one content, and no one sees the past");
  say(t, "This process (%d) keeps a greeting and has it in its own memory.", (int)getpid());
  bool right = put_is_kept(t, "greeting", "hello from the first", 0, 0, NULL) &&
               get_is(t, "greeting", false, "hello from the first", &tier, NULL);
  if (!saw(t, right && strcmp(tier, "memory") == 0, "get: \"hello from the first\", from %s", tier)) return false;
  say(t, "A second process overwrites it:  echo … | larder put notes greeting");
  int code = cli_child_run(put, "hello from the second", &output);
  if (!saw(t, code == 0, "the second process is done (exit code %d)", code)) return false;
  right = get_is(t, "greeting", false, "hello from the second", &tier, NULL);
  if (!saw(t, right, "get here: \"hello from the second\"; the copy in memory did not count any more")) return false;
  right = put_is_kept(t, "greeting", "hello again", 0, 0, NULL);
  cli_buf_clear(&output);
  code = cli_child_run(get, NULL, &output);
  right = right && code == 0 && strcmp(cli_buf_str(&output), "hello again") == 0;
  right = saw(t, right, "and back: a third process gets \"%s\"", cli_buf_str(&output));
  cli_buf_fini(&output);
  return right;
}

/* Numbers from the pipe until `enough` came, it is closed, or 10 s went by. Returns the last one. */
static uint32_t numbers_read(int fd, uint32_t enough, uint32_t last) {
  uint32_t numbers[256];
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  size_t have = 0;
  while (last < enough && poll(&ready, 1, 10000) > 0) {
    ssize_t got = read(fd, (char *)numbers + have, sizeof numbers - have);
    if (got <= 0) break;
    have += (size_t)got;
    size_t whole = have / sizeof *numbers;
    if (whole > 0) last = numbers[whole - 1];
    have %= sizeof *numbers;
    if (have > 0) memmove(numbers, (char *)numbers + whole * sizeof *numbers, have);
  }
  return last;
}

typedef struct survived {
  uint32_t whole;
  uint32_t lost;
  uint32_t broken;
} survived;

static void notes_check(tour *t, uint32_t last, survived *out) {
  for (uint32_t number = 1; number <= last; number++) {
    char key[40];
    char expected[TOUR_NOTE_BYTES];
    larder_value value = {0};
    size_t key_len = tour_note_key(number, key, sizeof key);
    tour_note_value(number, expected);
    larder_err result = larder_get(t->ns, key, key_len, NULL, &value);
    if (result != LARDER_OK) {
      out->lost++;
    } else if (value.len == sizeof expected && memcmp(value.data, expected, sizeof expected) == 0) {
      out->whole++;
    } else {
      out->broken++;
    }
    if (result == LARDER_OK) t->hits++;
    larder_value_release(&value);
  }
}

static bool chapter_kill(tour *t) {
  const char *args[] = {"--root", t->root, "--config", t->config, "--quiet", "tour-writer", NS, NULL};
  cli_child child = {0};
  survived kept = {0};
  larder_validation sound = {0};
  chapter(t, "4. What was acknowledged survives a kill -9");
  say(t, "Another process keeps note after note and reports each one that was acknowledged. It is killed in the middle.");
  if (!cli_child_start(args, NULL, &child)) return saw(t, false, "the writer did not start: %s", strerror(errno));
  uint32_t last = numbers_read(child.output, 500, 0);
  kill(child.pid, SIGKILL);
  last = numbers_read(child.output, UINT32_MAX, last); /* what it had said before it died */
  int code = cli_child_wait(&child);
  if (!saw(t, code == 128 + SIGKILL && last >= 500, "killed after %" PRIu32 " acknowledged notes", last)) return false;
  notes_check(t, last, &kept);
  if (!saw(t, kept.whole == last, "read back: %" PRIu32 " whole, %" PRIu32 " lost, %" PRIu32 " broken", kept.whole, kept.lost,
           kept.broken))
    return false;
  char key[40];
  char expected[TOUR_NOTE_BYTES];
  larder_value value = {0};
  size_t key_len = tour_note_key(last + 1, key, sizeof key);
  tour_note_value(last + 1, expected);
  larder_err result = larder_get(t->ns, key, key_len, NULL, &value);
  bool whole = result == LARDER_OK && value.len == sizeof expected && memcmp(value.data, expected, sizeof expected) == 0;
  if (result == LARDER_OK) t->hits++;
  larder_value_release(&value);
  if (!saw(t, whole || result == LARDER_MISS, "the note it was at: %s",
           whole ? "there, and whole" : "not there, and no half of it"))
    return false;
  result = larder_validate(t->cache, NULL, false, &sound, NULL, NULL);
  return saw(t, result == LARDER_OK && sound.damaged == 0 && sound.examined >= last,
             "larder validate: %" PRIu64 " entries examined, %" PRIu64 " damaged", sound.examined, sound.damaged);
}

static bool chapter_stats(tour *t) {
  larder_stats *stats = NULL;
  uint64_t hits = 0;
  const char *args[] = {"--root", t->root, "--config", t->config, "--quiet", "stats", NS, NULL};
  cli_buf output = {0};
  chapter(t, "5. It can be watched while it runs");
  say(t, "`larder stats`, run beside this process, reads its figures from shared memory:");
  larder_err result = larder_stats_take(t->cache, &stats, NULL);
  bool read = result == LARDER_OK && larder_stats_value(stats, NS, "all", "hits", &hits);
  larder_stats_free(&stats);
  int code = cli_child_run(args, NULL, &output);
  if (talks(t) && code == 0) {
    char *rest = NULL;
    for (char *l = strtok_r(output.data, "\n", &rest); l != NULL; l = strtok_r(NULL, "\n", &rest)) printf("    %s\n", l);
  }
  cli_buf_fini(&output);
  if (!saw(t, code == 0, "read from outside (exit code %d)", code)) return false;
  return saw(t, read && hits >= t->hits, "%" PRIu64 " hits counted; this tour alone had %" PRIu64, hits, t->hits);
}

/* Two runs of a command that never prints the same twice. */
static bool command_runs_once(tour *t) {
  const char *args[] = {"--root", t->root, "--config", t->config, "--quiet", "memo", "--", "date", "+%N", NULL};
  cli_buf first = {0};
  cli_buf second = {0};
  say(t, "The same for any command:  larder memo -- date +%%N");
  int code = cli_child_run(args, NULL, &first);
  int again = cli_child_run(args, NULL, &second);
  bool right = code == 0 && again == 0 && strcmp(cli_buf_str(&first), cli_buf_str(&second)) == 0;
  right = saw(t, right, "run once, and the second time remembered: %.*s nanoseconds both times",
              (int)strcspn(cli_buf_str(&second), "\n"), cli_buf_str(&second));
  cli_buf_fini(&first);
  cli_buf_fini(&second);
  return right;
}

static bool chapter_simulation(tour *t) {
  static const larder_param params[] = {{"alpha", "1.5"}, {"dt", "0.01"}, {"n", "1000"}};
  char key[LARDER_KEY_MAX + 1];
  char path[LARDER_KEY_MAX + 600];
  larder_ns *kernels = NULL;
  larder_array_pin pin = {0};
  struct stat info;
  chapter(t, "6. What a simulation computes again and again");
  say(t, "A recipe of Larder's own, the weights of a fractional derivative, into a namespace that keeps ordinary files:");
  bool right = larder_ns_open(t->cache, KERNELS, &kernels, NULL) == LARDER_OK &&
               larder_recipe_key("kernel", params, 3, key, NULL) == LARDER_OK &&
               larder_recipe_make(kernels, "kernel", params, 3, NULL) == LARDER_OK;
  if (!saw(t, right, "made: %s", right ? key : "nothing")) return false;
  snprintf(path, sizeof path, "%s/" KERNELS "/%s.npy", t->root, key);
  right = stat(path, &info) == 0;
  if (!saw(t, right, "numpy.load(\"" KERNELS "/%s.npy\") would open it", key)) return false;
  right = larder_array_get(kernels, key, strlen(key), NULL, &pin, NULL) == LARDER_OK;
  const double *weights = right ? pin.array.data : NULL;
  right = right && pin.array.count == 1000 && pin.array.itemsize == sizeof *weights && weights[1] == -1.5 * weights[0];
  right = saw(t, right, "in C: %" PRIu64 " doubles where they lie, the second being -1.5 times the first", pin.array.count);
  larder_array_unpin(&pin);
  return right && command_runs_once(t);
}

static bool chapter_files(tour *t) {
  struct dirent **names = NULL;
  bool database = false;
  chapter(t, "7. Where it is");
  say(t, "All in one folder, here %s:", t->root);
  int count = scandir(t->root, &names, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    char path[900];
    char size[CLI_SHORT];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", t->root, names[i]->d_name);
    if (names[i]->d_name[0] != '.' && stat(path, &info) == 0) {
      if (strcmp(names[i]->d_name, "larder.db") == 0) database = info.st_size > 0;
      if (talks(t))
        printf("    %-16s %s\n", names[i]->d_name,
               S_ISDIR(info.st_mode) ? "folder" : cli_size_text((uint64_t)info.st_size, size, sizeof size));
    }
    free(names[i]);
  }
  free(names);
  return saw(t, database, "larder.db is an ordinary SQLite database");
}

/* --- the whole ----------------------------------------------------------------------------------------------------- */

static cli_exit folder_make(tour *t) {
  static const char text[] = "cache:\n  namespaces:\n    " NS ": {tiers: [memory, sqlite], ttl: 30d}\n"
                             "    " KERNELS ": {tiers: [memory, files], kind: array}\n";
  char why[256];
  cli_exit code = cli_temp_root_make(t->call, t->folder, sizeof t->folder);
  if (code != CLI_DONE) return code;
  snprintf(t->root, sizeof t->root, "%s/cache", t->folder);
  snprintf(t->config, sizeof t->config, "%s/larder.yaml", t->folder);
  if (!cli_file_write(t->config, text, sizeof text - 1, why, sizeof why))
    return cli_refuse(t->call, CLI_FAILED, "set TMPDIR to a folder that can be written", "cannot write %s: %s", t->config, why);
  return CLI_DONE;
}

static void farewell(tour *t, uint64_t took_ns) {
  char took[CLI_SHORT];
  chapter(t, "That was Larder");
  say(t, "Everything above really happened, in %s; the folder is removed again. Try next:\n",
      cli_nanos_text(took_ns, took, sizeof took));
  say(t, "  echo hello | larder put demo greeting --ttl 1h     keep something of your own");
  say(t, "  larder inspect demo                                look at it");
  say(t, "  larder init simulation                             a root for arrays, models and missions");
  say(t, "  larder bench                                       measure this machine");
  say(t, "  larder --help                                      all commands");
  say(t, "\nFrom a program: #include <larder/larder.h>; docs/guide.md is a short way in, examples/ has programs to copy.");
}

static cli_exit run(const cli_call *call, void *given) {
  static bool (*const chapters[])(tour *) = {chapter_keep,  chapter_expiry,     chapter_processes, chapter_kill,
                                             chapter_stats, chapter_simulation, chapter_files};
  tour t = {.call = call, .ok = true};
  uint64_t begun = cli_mono_ns();
  (void)given;
  if (call->globals->root != NULL || call->globals->config != NULL)
    return cli_refuse(call, CLI_USAGE, "leave --root and --config out", "the tour makes a folder of its own");
  cli_exit code = folder_make(&t);
  cli_json_init(&t.json, stdout);
  cli_json_object(&t.json, NULL);
  cli_json_array(&t.json, "steps");
  say(&t, "Larder keeps what was expensive to make: you put it once, and every program on this machine gets it from the\n"
          "nearest tier that has it. This tour shows it at work on a temporary folder.");
  if (code == CLI_DONE) code = cache_open(&t);
  for (size_t i = 0; i < sizeof chapters / sizeof chapters[0] && code == CLI_DONE && t.ok; i++) {
    if (!chapters[i](&t)) code = CLI_FAILED;
  }
  cli_json_array_end(&t.json);
  cli_json_bool(&t.json, "ok", code == CLI_DONE);
  cli_json_object_end(&t.json);
  if (call->globals->json) cli_json_end(&t.json);
  cli_buf_fini(&t.json.text);
  code = cli_close(call, &t.cache, code);
  if (code == CLI_DONE) farewell(&t, cli_mono_ns() - begun);
  if (t.folder[0] != '\0') cli_temp_root_remove(t.folder);
  if (!t.ok) return cli_refuse(call, CLI_FAILED, "please report it with the output above", "the tour did not go as told");
  return code;
}

static const cli_example examples[] = {{"larder tour", "a minute to read, a few seconds to run"}, {0}};

const cli_command cli_command_tour = {.name = "tour",
                                      .summary = "Show in a minute what Larder does.",
                                      .text =
                                          "A real session on a temporary folder, told as it goes; it cleans up behind itself.",
                                      .examples = examples,
                                      .run = run};
