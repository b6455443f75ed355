/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes many entries at once. Without --confirm nothing is touched: the same selection is listed and counted instead.
 * --market is said in globs, so that a dry run and the real one speak of the same keys: a key has the market as a whole part
 * when it is all of the key, begins it, ends it or stands inside, with a separator where something else follows or precedes.
 * --to looks at all that is selected first, and finds since when an entry has to be unused so that enough goes.
 */
#include "cli_table.h"
#include "cli_units.h"
#include "commands.h"
#include "session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct purge_args {
  const char *ns;
  const char *source;
  const char *key;
  const char *market;
  const char *tag;
  int64_t before_ms;
  int64_t unused_ms;
  const char *to;
  bool all;
  bool expire;
  bool confirm;
} purge_args;

#define AT(field) offsetof(purge_args, field)

static const cli_option options[] = {
    {"ns", 0, CLI_TEXT, AT(ns), "NS", NULL, NULL, "only this namespace"},
    {"source", 's', CLI_TEXT, AT(source), "NS", NULL, NULL, "the same as --ns"},
    {"key", 'k', CLI_TEXT, AT(key), "GLOB", NULL, NULL, "only keys that match: * ? [a-z]"},
    {"market", 'm', CLI_TEXT, AT(market), "TEXT", NULL, NULL, "only keys with TEXT as a whole part between : | & = / marks"},
    {"tag", 't', CLI_TEXT, AT(tag), "TAG", NULL, NULL, "only entries with this tag"},
    {"before", 0, CLI_DATE, AT(before_ms), "DATE", NULL, NULL, "only what was written before a date, or longer ago than 30d"},
    {"unused", 0, CLI_DATE, AT(unused_ms), "DATE", NULL, NULL,
     "only what was neither written nor read since a date, or for 30d"},
    {"to", 0, CLI_TEXT, AT(to), "SIZE", NULL, NULL, "the longest unused first, until no more than SIZE of all these is left"},
    {"all", 0, CLI_FLAG, AT(all), NULL, NULL, NULL, "everything in every namespace"},
    {"expire", 0, CLI_FLAG, AT(expire), NULL, NULL, NULL, "only make it stale: who allows stale values still gets it"},
    {"confirm", 0, CLI_FLAG, AT(confirm), NULL, NULL, NULL, "do it; without this it only says what it would do"},
    {0}};

static const cli_example examples[] = {
    {"larder purge --ns bls_ces", "says what would go, and touches nothing"},
    {"larder purge --ns bls_ces --before 90d --confirm", "what is older than ninety days"},
    {"larder purge --market cbsa:14500 --confirm", "a market in all sources"},
    {"larder purge --unused 30d --confirm", "what nobody has asked for in a month"},
    {"larder purge --all --to 2GiB --confirm", "what was used least recently, down to 2 GiB"},
    {"larder purge --all --confirm", "everything"},
    {0}};

#define PATTERNS_MAX 4

/* For --to: when an entry was used last, and what it takes. */
typedef struct use {
  int64_t used_ms;
  uint64_t bytes;
} use;

typedef struct purge {
  const purge_args *args;
  larder_match match;
  cli_buf patterns[PATTERNS_MAX]; /* keys are selected by any of these; one empty pattern: by none */
  size_t patterns_len;
  cli_json json;
  cli_table table;
  larder_bulk total;
  larder_bulk counted;
  cli_buf uses; /* an array of use */
} purge;

static void glob_quoted(cli_buf *out, const char *text) {
  for (; *text != '\0'; text++) {
    if (strchr("*?[]\\", *text) != NULL) cli_buf_text(out, "\\");
    cli_buf_add(out, text, 1);
  }
}

static void patterns_make(purge *p) {
  static const struct {
    const char *before;
    const char *after;
  } around[PATTERNS_MAX] = {{"", ""}, {"", "[:|&=/]*"}, {"*[:|&=/]", ""}, {"*[:|&=/]", "[:|&=/]*"}};
  if (p->args->market == NULL) {
    p->patterns_len = 1;
    if (p->args->key != NULL) cli_buf_text(&p->patterns[0], p->args->key);
    return;
  }
  p->patterns_len = PATTERNS_MAX;
  for (size_t i = 0; i < PATTERNS_MAX; i++) {
    cli_buf_text(&p->patterns[i], around[i].before);
    glob_quoted(&p->patterns[i], p->args->market);
    cli_buf_text(&p->patterns[i], around[i].after);
  }
}

static bool counted_visit(void *context, const larder_listed *entry) {
  purge *p = context;
  p->counted.entries++;
  p->counted.bytes += entry->key_len + entry->facts->value_len;
  return true;
}

/* --- down to a size ------------------------------------------------------------------------------------------------ */

static bool use_visit(void *context, const larder_listed *entry) {
  purge *p = context;
  const larder_facts *facts = entry->facts;
  int64_t written_ms = cli_stamp_ms(facts->stamp);
  use one = {.used_ms = facts->accessed_ms > written_ms ? facts->accessed_ms : written_ms,
             .bytes = entry->key_len + facts->value_len};
  cli_buf_add(&p->uses, &one, sizeof one);
  return true;
}

static cli_exit uses_of_ns(const cli_call *call, larder *cache, larder_ns *ns, void *context) {
  purge *p = context;
  larder_match match = p->match;
  (void)cache;
  match.stale_too = match.absent_too = true;
  for (size_t i = 0; i < p->patterns_len; i++) {
    const char *glob = cli_buf_str(&p->patterns[i]);
    match.glob = glob[0] != '\0' ? glob : NULL;
    larder_err result = larder_list(ns, &match, false, 0, NULL, use_visit, p);
    if (result < 0) return cli_refuse_glob(call, result, glob, "cannot list");
  }
  return CLI_DONE;
}

static int by_use(const void *a, const void *b) {
  const use *x = a, *y = b;
  return (x->used_ms > y->used_ms) - (x->used_ms < y->used_ms);
}

/* Narrows the selection to what was used before the moment from which on no more than `size` was. */
static cli_exit narrow_to(const cli_call *call, larder *cache, const char *ns, uint64_t size, purge *p) {
  uint64_t left = 0;
  cli_unopened unopened = {0}; /* told when they are met again */
  cli_exit code = cli_each_ns(call, cache, ns, &unopened, uses_of_ns, p);
  if (code != CLI_DONE) return code;
  use *uses = (use *)(void *)p->uses.data;
  size_t first = p->uses.len / sizeof *uses; /* that may stay */
  if (first > 0) qsort(uses, first, sizeof *uses, by_use);
  while (first > 0 && uses[first - 1].bytes <= size - left) left += uses[--first].bytes;
  /* Of those used in the same millisecond as one that goes, none stays. */
  int64_t until_ms = first > 0 ? uses[first - 1].used_ms + 1 : 1;
  if (p->match.unused_ms == 0 || until_ms < p->match.unused_ms) p->match.unused_ms = until_ms;
  return CLI_DONE;
}

/* --- one namespace ------------------------------------------------------------------------------------------------- */

static larder_err one_pattern(purge *p, larder_ns *ns, const char *glob, larder_bulk *out) {
  larder_match match = p->match;
  match.glob = glob[0] != '\0' ? glob : NULL;
  if (!p->args->confirm) {
    p->counted = (larder_bulk){0};
    match.stale_too = match.absent_too = true; /* as a purge takes them */
    larder_err result = larder_list(ns, &match, false, 0, NULL, counted_visit, p);
    *out = p->counted;
    return result == LARDER_END ? LARDER_OK : result;
  }
  if (p->args->expire) return larder_expire_matching(ns, &match, out);
  bool everything = match.glob == NULL && match.tag == NULL && match.before_ms == 0 && match.unused_ms == 0;
  return everything ? larder_clear(ns, out) : larder_delete_matching(ns, &match, out);
}

static cli_exit purge_ns(const cli_call *call, larder *cache, larder_ns *ns, void *context) {
  purge *p = context;
  larder_bulk sum = {0};
  char text[CLI_SHORT];
  (void)cache;
  for (size_t i = 0; i < p->patterns_len; i++) {
    larder_bulk one = {0};
    const char *glob = cli_buf_str(&p->patterns[i]);
    larder_err result = one_pattern(p, ns, glob, &one);
    if (result < 0) return cli_refuse_glob(call, result, glob, p->args->confirm ? "cannot purge" : "cannot list");
    sum.entries += one.entries;
    sum.bytes += one.bytes;
    sum.failed += one.failed;
  }
  p->total.entries += sum.entries;
  p->total.bytes += sum.bytes;
  p->total.failed += sum.failed;
  if (sum.entries == 0 && sum.failed == 0) return CLI_DONE;
  cli_json_object(&p->json, NULL);
  cli_json_text(&p->json, "ns", larder_ns_name(ns));
  cli_json_uint(&p->json, "entries", sum.entries);
  cli_json_uint(&p->json, "bytes", sum.bytes);
  cli_json_uint(&p->json, "failed", sum.failed);
  cli_json_object_end(&p->json);
  cli_table_add_styled(&p->table, larder_ns_name(ns), CLI_BOLD);
  cli_table_add(&p->table, cli_count_text(sum.entries, text, sizeof text));
  cli_table_add(&p->table, cli_size_text(sum.bytes, text, sizeof text));
  cli_table_add(&p->table, cli_count_text(sum.failed, text, sizeof text));
  return CLI_DONE;
}

static cli_exit told(const cli_call *call, purge *p) {
  char count[CLI_SHORT];
  char size[CLI_SHORT];
  const larder_bulk *total = &p->total;
  const char *verb = p->args->expire ? "expire" : "remove";
  cli_count_text(total->entries, count, sizeof count);
  cli_size_text(total->bytes, size, sizeof size);
  if (call->globals->json) {
    cli_json_end(&p->json);
  } else {
    if (p->table.cells_len > 0 && !call->globals->quiet) cli_table_print(&p->table, stdout, true);
    const char *form = p->args->confirm ? (p->args->expire ? "expired" : "removed") : "would";
    if (p->args->confirm) {
      if (!call->globals->quiet)
        printf("%s %s %s, %s%s\n", form, count, cli_plural(total->entries, "entry", "entries"), p->args->expire ? "" : "freed ",
               size);
    } else {
      printf("would %s %s %s, %s; nothing was touched\n", verb, count, cli_plural(total->entries, "entry", "entries"), size);
    }
  }
  if (!p->args->confirm) {
    cli_note(call, "add --confirm to do it");
    return CLI_USAGE;
  }
  if (total->failed > 0)
    return cli_refuse(call, CLI_FAILED, "try again; `larder stats` shows who holds them and which tier is away",
                      "%" PRIu64 " %s could not be had and stay", total->failed, cli_plural(total->failed, "entry", "entries"));
  return CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  static const char *const heads[] = {"NAMESPACE", ">ENTRIES", ">SIZE", ">LEFT", NULL};
  const purge_args *args = given;
  larder *cache = NULL;
  cli_unopened unopened = {0};
  const char *ns = args->source != NULL ? args->source : args->ns;
  uint64_t size = 0;
  bool selective = ns != NULL || args->key != NULL || args->market != NULL || args->tag != NULL || args->before_ms != 0 ||
                   args->unused_ms != 0;
  if (!selective && !args->all)
    return cli_refuse(call, CLI_USAGE, "give --ns, --key, --market, --tag, --before or --unused, or --all for everything",
                      "what is to be purged?");
  if (selective && args->all)
    return cli_refuse(call, CLI_USAGE, "leave --all out", "--all means everything, but a selection was given too");
  if ((args->source != NULL && args->ns != NULL) || (args->key != NULL && args->market != NULL))
    return cli_refuse(call, CLI_USAGE, "leave one of them out", "%s",
                      args->ns != NULL && args->source != NULL ? "--ns and --source are the same"
                                                               : "--key and --market both select keys");
  if (args->to != NULL && !cli_parse_size(args->to, &size))
    return cli_refuse(call, CLI_USAGE, "give a size, such as 500MiB or 2GiB", "--to cannot be '%s'", args->to);
  purge p = {
      .args = args,
      .match = {.size = sizeof(larder_match), .tag = args->tag, .before_ms = args->before_ms, .unused_ms = args->unused_ms}};
  patterns_make(&p);
  cli_table_init(&p.table, heads);
  cli_json_init(&p.json, stdout);
  cli_json_object(&p.json, NULL);
  cli_json_bool(&p.json, "confirmed", args->confirm);
  cli_json_text(&p.json, "action", args->expire ? "expire" : "remove");
  cli_json_array(&p.json, "namespaces");
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE && args->to != NULL) code = narrow_to(call, cache, ns, size, &p);
  if (code == CLI_DONE) code = cli_each_ns(call, cache, ns, &unopened, purge_ns, &p);
  cli_json_array_end(&p.json);
  cli_json_uint(&p.json, "entries", p.total.entries);
  cli_json_uint(&p.json, "bytes", p.total.bytes);
  cli_json_uint(&p.json, "failed", p.total.failed);
  cli_json_object_end(&p.json);
  if (code == CLI_DONE) code = cli_unopened_told(call, &unopened, told(call, &p));
  cli_buf_fini(&p.json.text);
  cli_table_fini(&p.table);
  cli_buf_fini(&p.uses);
  for (size_t i = 0; i < PATTERNS_MAX; i++) cli_buf_fini(&p.patterns[i]);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_purge = {
    .name = "purge",
    .summary = "Remove many entries, only with --confirm.",
    .text = "All conditions given must hold. Without --confirm it says what would go, touches nothing and leaves with code 2. "
            "With --to only so much of what is selected goes as is needed; reads are noted every few seconds.",
    .options = options,
    .examples = examples,
    .args_size = sizeof(purge_args),
    .run = run};
