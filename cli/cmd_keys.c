/* SPDX-License-Identifier: Apache-2.0 */
/* Keys are made, counted and replaced here; no call of this command shows one. */
#include "cli_table.h"
#include "commands.h"
#include "session.h"

#include <inttypes.h>
#include <larder/keys.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct keys_args {
  const char *action;
  const char *file;
  const char *ns;
  bool next;
} keys_args;

#define AT(field) offsetof(keys_args, field)

static const cli_option options[] = {
    {"next", 0, CLI_FLAG, AT(next), NULL, NULL, NULL, "new: put the key in front of those that the file has"},
    {"ns", 0, CLI_TEXT, AT(ns), "NS", NULL, NULL, "rotate: only this namespace"},
    {0}};

static const cli_operand operands[] = {
    {"ACTION", CLI_CHOICE, AT(action), false, "show new rotate",
     "show: ids, sources, entries under each; new: make a key file; rotate: seal anew with the present key"},
    {"FILE", CLI_FILE, AT(file), true, NULL, "new: the key file; without it the one that `key_file` names"},
    {0}};

static const cli_example examples[] = {
    {"larder keys new ~/.config/larder/key", "makes a key file, mode 0600"},
    {"larder keys show", "which keys there are, and how much is sealed with each"},
    {"larder keys new --next", "a key to replace the present one with"},
    {"larder keys rotate", "seals everything anew with it; may be stopped and started again"},
    {0}};

/* --- new ------------------------------------------------------------------------------------------------------------ */

/* The path that the configuration names. */
static cli_exit configured_file(const cli_call *call, char **out) {
  larder *cache = NULL;
  cli_exit code = cli_open(call, CLI_CHANGES, &cache);
  if (code == CLI_DONE) {
    const char *path = larder_key_file(cache);
    *out = path != NULL ? strdup(path) : NULL;
    if (path == NULL)
      code = cli_refuse(call, CLI_USAGE, "give a FILE, or set `key_file` in the configuration", "there is no file for the key");
  }
  return cli_close(call, &cache, code);
}

static cli_exit keys_new(const cli_call *call, const keys_args *args) {
  char id[LARDER_KEY_ID_LEN + 1];
  char *configured = NULL;
  larder_error error = {0};
  cli_exit code = args->file != NULL ? CLI_DONE : configured_file(call, &configured);
  const char *path = args->file != NULL ? args->file : configured;
  if (code != CLI_DONE || path == NULL) {
    free(configured);
    return code != CLI_DONE ? code : CLI_FAILED;
  }
  larder_err result = larder_key_file_new(path, args->next, id, &error);
  if (result != LARDER_OK) {
    code = cli_refuse_result(call, result, &error, "cannot make a key");
  } else if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "id", id);
    cli_json_text(&json, "file", path);
    cli_json_object_end(&json);
    cli_json_end(&json);
  } else {
    cli_buf shown = {0};
    cli_escape(&shown, path, strlen(path));
    printf("key %s is in %s; keep a copy: what it seals is lost without it\n", id, cli_buf_str(&shown));
    cli_buf_fini(&shown);
    if (args->next) cli_note(call, "start the programs that use it again, then `larder keys rotate`");
  }
  free(configured);
  return code;
}

/* --- show ----------------------------------------------------------------------------------------------------------- */

typedef struct showing {
  const cli_call *call;
  cli_json json;
  cli_table table;
  uint64_t count;
} showing;

static bool key_visit(void *context, const larder_key *key) {
  showing *s = context;
  s->count++;
  if (s->call->globals->json) {
    cli_json_object(&s->json, NULL);
    cli_json_text(&s->json, "id", key->id);
    cli_json_text(&s->json, "source", key->source);
    cli_json_bool(&s->json, "current", key->current);
    cli_json_uint(&s->json, "entries", key->entries);
    cli_json_object_end(&s->json);
    return true;
  }
  char text[CLI_SHORT];
  cli_buf source = {0};
  cli_buf_text(&source, "not here");
  if (key->source != NULL) {
    cli_buf_clear(&source);
    cli_escape(&source, key->source, strlen(key->source));
  }
  cli_table_add_styled(&s->table, key->id, CLI_BOLD);
  cli_table_add(&s->table, key->current ? "seals" : key->source != NULL ? "opens" : "-");
  cli_table_add_styled(&s->table, cli_buf_str(&source), key->source != NULL ? CLI_PLAIN : CLI_RED);
  cli_table_add(&s->table, cli_count_text(key->entries, text, sizeof text));
  cli_buf_fini(&source);
  return true;
}

static cli_exit keys_show(const cli_call *call, larder *cache) {
  static const char *const heads[] = {"KEY", "USE", "FROM", ">ENTRIES", NULL};
  showing s = {.call = call};
  cli_table_init(&s.table, heads);
  cli_json_init(&s.json, stdout);
  cli_json_object(&s.json, NULL);
  cli_json_array(&s.json, "keys");
  larder_err result = larder_keys_each(cache, key_visit, &s);
  cli_json_array_end(&s.json);
  cli_json_object_end(&s.json);
  if (result == LARDER_OK && call->globals->json) {
    cli_json_end(&s.json);
  } else if (result == LARDER_OK && s.count > 0) {
    cli_table_print(&s.table, stdout, !call->globals->quiet);
  } else if (result == LARDER_OK) {
    cli_note(call, "there is no key, and nothing is sealed; `larder keys new` makes one");
  }
  cli_buf_fini(&s.json.text);
  cli_table_fini(&s.table);
  return result < 0 ? cli_refuse_result(call, result, NULL, "cannot count what is sealed") : CLI_DONE;
}

/* --- rotate --------------------------------------------------------------------------------------------------------- */

typedef struct rotating {
  bool bar;
  int64_t drawn_ms;
} rotating;

static bool rotate_progress(void *context, const larder_rotation *so_far) {
  rotating *r = context;
  int64_t now_ms = cli_wall_ms();
  if (!r->bar || now_ms - r->drawn_ms < 100) return true;
  r->drawn_ms = now_ms;
  uint64_t total = so_far->total > so_far->examined ? so_far->total : so_far->examined;
  fprintf(stderr, "\r%3.0f %%  %" PRIu64 " of about %" PRIu64 " looked at, %" PRIu64 " sealed anew\033[K",
          total > 0 ? 100.0 * (double)so_far->examined / (double)total : 100.0, so_far->examined, total, so_far->resealed);
  return true;
}

static void rotation_told(const cli_call *call, const larder_rotation *done) {
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_uint(&json, "examined", done->examined);
    cli_json_uint(&json, "resealed", done->resealed);
    cli_json_uint(&json, "locked", done->locked);
    cli_json_uint(&json, "failed", done->failed);
    cli_json_bool(&json, "complete", done->complete);
    cli_json_object_end(&json);
    cli_json_end(&json);
    return;
  }
  printf("%" PRIu64 " %s looked at, %" PRIu64 " sealed anew\n", done->examined, cli_plural(done->examined, "entry", "entries"),
         done->resealed);
  if (done->locked > 0)
    printf("%" PRIu64 " are sealed with a key that is not here, or written by a newer Larder, and stay as they are\n",
           done->locked);
  if (done->failed > 0) printf("%" PRIu64 " could not be had just now; run it again\n", done->failed);
}

static cli_exit keys_rotate(const cli_call *call, larder *cache, const char *ns_name) {
  larder_ns *ns = NULL;
  larder_rotation done = {0};
  rotating r = {.bar = isatty(STDERR_FILENO) && !call->globals->json && !call->globals->quiet};
  cli_exit code = ns_name != NULL ? cli_ns_known(call, cache, ns_name, &ns) : CLI_DONE;
  if (code != CLI_DONE) return code;
  larder_err result = larder_keys_rotate(cache, ns, rotate_progress, &r, &done);
  if (r.bar) fputs("\r\033[K", stderr);
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot seal anew");
  rotation_told(call, &done);
  return done.complete && done.locked == 0 ? CLI_DONE : CLI_FAILED;
}

static cli_exit run(const cli_call *call, void *given) {
  const keys_args *args = given;
  larder *cache = NULL;
  if (strcmp(args->action, "new") == 0) return keys_new(call, args);
  if (args->file != NULL || args->next)
    return cli_refuse(call, CLI_USAGE, NULL, "%s takes no FILE and no --next", args->action);
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE) code = strcmp(args->action, "show") == 0 ? keys_show(call, cache) : keys_rotate(call, cache, args->ns);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_keys = {
    .name = "keys",
    .summary = "Keys of sealed namespaces: make one, count what is sealed, seal anew.",
    .text = "The key that seals is the first of these: LARDER_KEY, the key file's first, LARDER_KEY_PREVIOUS. The others open "
            "what was sealed before. `rotate` leaves what already is as it should be, so it can be stopped at any time and run "
            "again; programs may go on meanwhile.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(keys_args),
    .run = run};
