/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "progress_bar.h"

#include "cli_units.h"
#include <errno.h>
#include <inttypes.h>
#include <larder/nearest.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void refuse_print(const cli_call *call, cli_exit code, const char *name, const char *message, const char *hint) {
  fflush(stdout);
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stderr);
    cli_json_object(&json, NULL);
    cli_json_object(&json, "error");
    cli_json_text(&json, "code", name);
    cli_json_int(&json, "exit", cli_exit_number(code));
    cli_json_text(&json, "message", message);
    cli_json_text(&json, "hint", hint);
    cli_json_object_end(&json);
    cli_json_object_end(&json);
    cli_json_end(&json);
    return;
  }
  fprintf(stderr, "%slarder:%s ", cli_style_on(stderr, CLI_RED), cli_style_off(stderr));
  cli_line_print(stderr, message);
  if (hint == NULL || hint[0] == '\0') return;
  fputs("        ", stderr);
  cli_line_print(stderr, hint);
}

static const char *exit_name(cli_exit code) {
  static const char *const names[] = {"done", "not-found", "usage", "configuration", "failed"};
  return names[code];
}

cli_exit cli_refuse(const cli_call *call, cli_exit code, const char *hint, const char *format, ...) {
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  refuse_print(call, code, exit_name(code), message, hint);
  return code;
}

static const char *hint_of(larder_err result) {
  switch (result) {
  case LARDER_EBUSY:
    return "try again; a stopped process that holds the key shows in `larder stats`";
  case LARDER_ENOSPC:
    return "make room on the disk, or free some with `larder purge` or `larder clear-expired`";
  case LARDER_EACCES:
    return "the root can't be written: check its owner, mode and mount, or choose another with --root";
  case LARDER_ECORRUPT:
    return "`larder validate` shows what is damaged, `larder validate --repair` removes it";
  case LARDER_EFORMAT:
    return "use the newer Larder that wrote it, or another --root";
  case LARDER_EUNSUPPORTED:
    return "choose a --root on a local disk";
  case LARDER_ECONFIG:
    return "`larder config check` lists every mistake";
  case LARDER_EAWAY:
  case LARDER_DEGRADED:
    return "`larder stats` shows the state of the tiers";
  default:
    return "";
  }
}

cli_exit cli_refuse_result(const cli_call *call, larder_err result, const larder_error *long_form, const char *doing) {
  char message[1024];
  cli_exit code = result == LARDER_ECONFIG                             ? CLI_CONFIG
                  : result == LARDER_MISS                              ? CLI_NOT_FOUND
                  : larder_err_classify(result) == LARDER_CLASS_MISUSE ? CLI_USAGE
                                                                       : CLI_FAILED;
  const char *text = long_form != NULL && long_form->message[0] != '\0' ? long_form->message : larder_err_text(result);
  /* What these rooms say tells what to do already, and a hint for a root would lead astray. */
  bool told = long_form != NULL && long_form->room != NULL &&
              (strcmp(long_form->room, "wisdom") == 0 || strcmp(long_form->room, "recipe") == 0 ||
               (strcmp(long_form->room, "warm") == 0 && (result == LARDER_EUNSUPPORTED || result == LARDER_EBUSY)) ||
               (strcmp(long_form->room, "config") == 0 && result == LARDER_EACCES));
  snprintf(message, sizeof message, "%s: %s", doing, text);
  refuse_print(call, code, larder_err_name(result), message, told ? "" : hint_of(result));
  return code;
}

cli_exit cli_refuse_glob(const cli_call *call, larder_err result, const char *glob, const char *doing) {
  if (result != LARDER_EINVAL || glob == NULL) return cli_refuse_result(call, result, NULL, doing);
  return cli_refuse(call, CLI_USAGE, "close its bracket, and put a backslash before what is meant as it is",
                    "'%.200s' is no pattern", glob);
}

void cli_note(const cli_call *call, const char *format, ...) {
  if (call->globals->quiet || call->globals->json) return;
  cli_buf message = {0};
  va_list args;
  va_start(args, format);
  cli_buf_vprintf(&message, format, args);
  va_end(args);
  fflush(stdout);
  cli_line_print(stderr, cli_buf_str(&message));
  cli_buf_fini(&message);
}

void cli_log_line(void *context, int level, const char *id, const char *message) {
  const cli_call *call = context;
  cli_note(call, "larder: %s%s [%s]", level == LARDER_LOG_WARN ? "warning: " : "", message, id);
}

static larder_options options_of(const cli_call *call) {
  return (larder_options){.size = sizeof(larder_options),
                          .root = call->globals->root,
                          .config_file = call->globals->config,
                          .log = cli_log_line,
                          .log_context = (void *)call,
                          .log_level = LARDER_LOG_WARN,
                          .memory_bytes_max = CLI_MEMORY_BYTES};
}

cli_exit cli_open(const cli_call *call, cli_use use, larder **out) {
  struct stat info;
  const char *root = call->globals->root;
  if (root != NULL && stat(root, &info) != 0) {
    if (errno != ENOENT) return cli_refuse(call, CLI_FAILED, "check --root", "%s: %s", root, strerror(errno));
    if (use == CLI_LOOKS)
      return cli_refuse(call, CLI_NOT_FOUND, "check --root; `larder put` makes it", "there is no cache at %s", root);
  } else if (root != NULL && !S_ISDIR(info.st_mode)) {
    return cli_refuse(call, CLI_FAILED, "--root names a folder", "%s is no folder", root);
  }
  larder_error error = {0};
  larder_options options = options_of(call);
  larder_err result = larder_open(&options, out, &error);
  if (result != LARDER_OK) return cli_refuse_result(call, result, &error, "cannot open the cache");
  return CLI_DONE;
}

larder *cli_open_or_without(const cli_call *call) {
  larder *cache = NULL;
  larder_error error = {0};
  larder_options options = options_of(call);
  if (larder_open(&options, &cache, &error) == LARDER_OK) return cache;
  cli_note(call, "larder: warning: going on without the cache: %s", error.message);
  return NULL;
}

larder_ns *cli_ns_or_without(const cli_call *call, larder *cache, const char *name) {
  larder_ns *ns = NULL;
  larder_error error = {0};
  if (cache == NULL) return NULL;
  if (larder_ns_open(cache, name, &ns, &error) != LARDER_OK) {
    cli_note(call, "larder: warning: going on without the cache: %s", error.message);
    return NULL;
  }
  if (cli_lasting_tiers(ns) == 0)
    cli_note(call, "larder: warning: %s is kept in memory only, which ends with this command", name);
  return ns;
}

/* An answer that a tier had no part in must not look like an empty cache. */
static bool away_told(void *context, const larder_tier_state *tier) {
  if (strcmp(tier->state, "closed") != 0)
    cli_note(context, "larder: warning: the tier %s is away, so what it keeps was left out; `larder stats` shows its state",
             tier->name);
  return true;
}

cli_exit cli_close(const cli_call *call, larder **cache, cli_exit code) {
  if (*cache != NULL && larder_tiers(*cache, NULL, away_told, (void *)(uintptr_t)call) < 0)
    cli_note(call, "larder: warning: the state of the tiers is not to be had");
  larder_err result = larder_close(cache);
  if (result == LARDER_NOT_KEPT)
    cli_note(call, "something that was queued had to be given up: its tier had lost what was newer");
  return result < 0 && code == CLI_DONE ? cli_refuse_result(call, result, NULL, "closing the cache") : code;
}

cli_exit cli_ns(const cli_call *call, larder *cache, const char *name, larder_ns **out) {
  larder_error error = {0};
  larder_err result = larder_ns_open(cache, name, out, &error);
  if (result == LARDER_OK) return CLI_DONE;
  return cli_refuse_result(call, result, &error, "cannot open the namespace");
}

unsigned cli_lasting_tiers(const larder_ns *ns) {
  larder_policy policy = {0};
  unsigned count = 0;
  larder_ns_policy(ns, &policy);
  for (const char *at = policy.tiers; at != NULL && *at != '\0'; at += strspn(at, " ")) {
    size_t len = strcspn(at, " ");
    if (len != 6 || strncmp(at, "memory", 6) != 0) count++;
    at += len;
  }
  return count;
}

cli_exit cli_lasting(const cli_call *call, larder_ns *ns) {
  if (cli_lasting_tiers(ns) != 0) return CLI_DONE;
  return cli_refuse(call, CLI_FAILED, "give the namespace a lasting tier in the configuration: tiers: [memory, sqlite]",
                    "%s is kept in memory only, which would end with this command", larder_ns_name(ns));
}

typedef struct known {
  larder_nearest nearest;
  bool found;
} known;

static bool known_visit(void *context, const char *name) {
  known *k = context;
  if (strcmp(name, k->nearest.wanted) == 0) k->found = true;
  larder_nearest_offer(&k->nearest, name);
  return !k->found;
}

/* Of a tier that does not answer nobody can say which namespaces it has. */
static bool silent_visit(void *context, const larder_tier_state *tier) {
  if (strcmp(tier->state, "closed") != 0 || !tier->usage_known) *(bool *)context = true;
  return true;
}

cli_exit cli_ns_known(const cli_call *call, larder *cache, const char *name, larder_ns **out) {
  known k = {.nearest = {.wanted = name}};
  bool silent = false;
  larder_err result = larder_ns_each(cache, known_visit, &k);
  if (result == LARDER_OK && !k.found) result = larder_tiers(cache, NULL, silent_visit, &silent);
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot list the namespaces");
  if (k.found || silent) return cli_ns(call, cache, name, out);
  char hint[480];
  const char *best = larder_nearest_best(&k.nearest);
  if (best != NULL) {
    snprintf(hint, sizeof hint, "did you mean %s? `larder ls` lists them", best);
  } else {
    snprintf(hint, sizeof hint, "`larder ls` lists them");
  }
  return cli_refuse(call, CLI_NOT_FOUND, hint, "there is no namespace '%s' here", name);
}

cli_exit cli_key_read(const cli_call *call, const char *text, bool hex, cli_key *out) {
  if (hex) {
    if (cli_parse_hex(text, out->data, sizeof out->data, &out->len)) return CLI_DONE;
    return cli_refuse(call, CLI_USAGE, "give pairs of hexadecimal digits, at most 1024 bytes of them",
                      "'%.80s' is no key in hex", text);
  }
  out->len = strlen(text);
  if (out->len == 0 || out->len > LARDER_KEY_MAX)
    return cli_refuse(call, CLI_USAGE, "a key has 1 to 1024 bytes", "this key has %zu bytes", out->len);
  memcpy(out->data, text, out->len);
  return CLI_DONE;
}

typedef struct names {
  char **items;
  size_t len;
  size_t room;
} names;

static bool names_visit(void *context, const char *name) {
  names *n = context;
  if (n->len == n->room) {
    size_t room = n->room == 0 ? 16 : n->room * 2;
    char **items = cli_alloc(room * sizeof *items);
    if (n->len > 0) memcpy(items, n->items, n->len * sizeof *items);
    free(n->items);
    n->items = items;
    n->room = room;
  }
  n->items[n->len++] = cli_copy(name);
  return true;
}

static int names_compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static larder_ns *open_or_pass(larder *cache, const char *name, cli_unopened *unopened) {
  larder_ns *ns = NULL;
  larder_error error = {0};
  larder_err const result = larder_ns_open(cache, name, &ns, &error);
  if (result == LARDER_OK) return ns;
  if (unopened->count++ == 0) {
    unopened->result = result;
    snprintf(unopened->why, sizeof unopened->why, "%s: %.240s", name, error.message);
  }
  return NULL;
}

cli_exit cli_unopened_told(const cli_call *call, const cli_unopened *unopened, cli_exit code) {
  char doing[CLI_SHORT + 80];
  larder_error error = {.code = unopened->result};
  if (unopened->count == 0) return code;
  snprintf(doing, sizeof doing, "%" PRIu64 " %s could not be opened and %s left out", unopened->count,
           cli_plural(unopened->count, "namespace", "namespaces"), cli_plural(unopened->count, "was", "were"));
  snprintf(error.message, sizeof error.message, "%s", unopened->why);
  return cli_refuse_result(call, unopened->result, &error, doing);
}

cli_exit cli_each_ns(const cli_call *call, larder *cache, const char *only, cli_unopened *unopened,
                     cli_exit (*visit)(const cli_call *call, larder *cache, larder_ns *ns, void *context), void *context) {
  names n = {0};
  larder_ns *ns = NULL;
  cli_exit code = CLI_DONE;
  if (only != NULL) {
    code = cli_ns_known(call, cache, only, &ns);
    return code == CLI_DONE ? visit(call, cache, ns, context) : code;
  }
  larder_err result = larder_ns_each(cache, names_visit, &n);
  if (result < 0) code = cli_refuse_result(call, result, NULL, "cannot list the namespaces");
  if (n.len > 0) qsort(n.items, n.len, sizeof *n.items, names_compare);
  for (size_t i = 0; i < n.len; i++) {
    if (code == CLI_DONE && (ns = open_or_pass(cache, n.items[i], unopened)) != NULL) code = visit(call, cache, ns, context);
    free(n.items[i]);
  }
  free(n.items);
  return code;
}

static const char *const kind_names[] = {"bytes", "text", "json", "array", "model", "wisdom", "absent"};

const char *cli_kind_name(larder_kind kind) {
  return (size_t)kind < sizeof kind_names / sizeof kind_names[0] ? kind_names[kind] : "unknown";
}

larder_kind cli_kind_of(const char *name) {
  for (size_t i = 0; name != NULL && i < sizeof kind_names / sizeof kind_names[0]; i++) {
    if (strcmp(name, kind_names[i]) == 0) return (larder_kind)i;
  }
  return LARDER_KIND_BYTES;
}

bool cli_stamp_read(const char *text, uint64_t *out) {
  char *end = NULL;
  errno = 0;
  uint64_t const stamp = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || stamp == 0) return false;
  *out = stamp;
  return true;
}

int64_t cli_stamp_ms(uint64_t stamp) { return (int64_t)(stamp >> 16); }

/* The tags of an entry one by one: each is a length byte and its bytes. */
static bool tag_next(const larder_facts *facts, size_t *at, const char **tag_out, size_t *len_out) {
  if (*at >= facts->tags_len) return false;
  size_t len = (unsigned char)facts->tags[*at];
  if (len > facts->tags_len - *at - 1) return false;
  *tag_out = facts->tags + *at + 1;
  *len_out = len;
  *at += 1 + len;
  return true;
}

void cli_tags_text(const larder_facts *facts, cli_buf *out) {
  const char *tag = NULL;
  size_t len = 0;
  size_t at = 0;
  while (tag_next(facts, &at, &tag, &len)) {
    if (out->len > 0) cli_buf_text(out, ", ");
    cli_escape(out, tag, len);
  }
}

static void json_time(cli_json *json, const char *name, int64_t wall_ms) {
  if (wall_ms > 0) {
    cli_json_int(json, name, wall_ms);
  } else {
    cli_json_null(json, name);
  }
}

void cli_json_facts(cli_json *json, const larder_facts *facts) {
  const char *tag = NULL;
  size_t len = 0;
  size_t at = 0;
  cli_json_uint(json, "bytes", facts->value_len);
  cli_json_text(json, "kind", cli_kind_name(facts->kind));
  if (facts->version_len > 0) {
    cli_json_text_n(json, "version", facts->version, facts->version_len);
  } else {
    cli_json_null(json, "version");
  }
  json_time(json, "modified_ms", facts->modified_ms);
  cli_json_array(json, "tags");
  while (tag_next(facts, &at, &tag, &len)) cli_json_text_n(json, NULL, tag, len);
  cli_json_array_end(json);
  cli_json_int(json, "written_ms", cli_stamp_ms(facts->stamp));
  json_time(json, "fresh_until_ms", facts->expires_soft_ms);
  json_time(json, "keep_until_ms", facts->expires_hard_ms);
  cli_json_uint(json, "reads", facts->access_count);
  json_time(json, "read_ms", facts->accessed_ms);
}
