/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_table.h"
#include "commands.h"
#include "health_show.h"
#include "parts.h"
#include "preview.h"
#include "session.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BATCH 64u

typedef struct inspect_args {
  const char *ns;
  const char *key;
  const char *source;
  uint64_t limit;
  int64_t expiring_ms;
  bool hex;
} inspect_args;

#define AT(field) offsetof(inspect_args, field)

static const cli_option options[] = {
    {"limit", 'n', CLI_COUNT, AT(limit), "N", NULL, "20", "show at most N entries of each namespace; 0: all"},
    {"expiring", 0, CLI_DURATION, AT(expiring_ms), "TIME", NULL, NULL, "only what has at most TIME left, such as 1h"},
    {"source", 's', CLI_TEXT, AT(source), "NS", NULL, NULL, "the namespace, said as an option"},
    {"key-hex", 0, CLI_FLAG, AT(hex), NULL, NULL, NULL, "KEY is given in hexadecimal"},
    {0}};

static const cli_operand operands[] = {{"NS", CLI_TEXT, AT(ns), true, NULL, "the namespace; without it all of them"},
                                       {"KEY", CLI_TEXT, AT(key), true, NULL, "one entry, with everything that is known of it"},
                                       {0}};

static const cli_example examples[] = {{"larder inspect bls_ces", "twenty entries with their age, time left and a preview"},
                                       {"larder inspect bls_ces payrolls:2026-10", "one entry in full"},
                                       {"larder inspect --expiring 1h --limit 0", "everything that ends within the hour"},
                                       {0}};

/* Near its end: a tenth of its lifetime or less is left. */
static bool near_expiry(const larder_facts *facts, int64_t now_ms) {
  int64_t life = facts->expires_soft_ms - cli_stamp_ms(facts->stamp);
  int64_t left = facts->expires_soft_ms - now_ms;
  return facts->expires_soft_ms > 0 && left <= life / 10;
}

static bool is_stale(const larder_facts *facts, int64_t now_ms) {
  return facts->expires_soft_ms > 0 && facts->expires_soft_ms <= now_ms;
}

/* Of a sealed namespace nothing is previewed: `get` gives the value to whoever asks for it. */
static bool is_sealed(const larder_ns *ns) {
  larder_policy policy;
  larder_ns_policy(ns, &policy);
  return policy.seal != NULL;
}

static void preview_add(const larder *cache, cli_buf *out, bool sealed, const void *value, size_t len, larder_kind kind,
                        size_t columns, uint64_t figures_max, const char **how) {
  if (sealed) {
    cli_buf_text(out, "(sealed)");
    if (how != NULL) *how = "sealed";
  } else {
    cli_preview(cache, out, value, len, kind, columns, figures_max, how);
  }
}

static void entry_json(const larder *cache, cli_json *json, const char *ns, bool sealed, const larder_listed *entry,
                       int64_t now_ms, uint64_t figures_max) {
  const larder_facts *facts = entry->facts;
  size_t value_len = entry->value != NULL ? (size_t)facts->value_len : 0;
  const char *how = NULL;
  cli_buf preview = {0};
  cli_json_text(json, "ns", ns);
  cli_json_bytes(json, "key", "key_encoding", entry->key, entry->key_len);
  cli_json_facts(json, facts);
  cli_json_uint(json, "stored_bytes", entry->stored_len);
  cli_json_text(json, "tier", entry->tier);
  cli_json_int(json, "age_ms", now_ms - cli_stamp_ms(facts->stamp));
  if (facts->expires_soft_ms > 0) {
    cli_json_int(json, "left_ms", facts->expires_soft_ms > now_ms ? facts->expires_soft_ms - now_ms : 0);
  } else {
    cli_json_null(json, "left_ms");
  }
  cli_json_bool(json, "near_expiry", near_expiry(facts, now_ms));
  cli_json_bool(json, "stale", is_stale(facts, now_ms));
  preview_add(cache, &preview, sealed, entry->value, value_len, facts->kind, 200, figures_max, &how);
  cli_json_text(json, "preview", cli_buf_str(&preview));
  cli_json_text(json, "preview_as", how);
  cli_parts_json(json, sealed ? NULL : entry->value, sealed ? 0 : value_len, facts->kind, figures_max);
  cli_buf_fini(&preview);
}

/* --- many ---------------------------------------------------------------------------------------------------------- */

typedef struct looking {
  const cli_call *call;
  const larder *cache;
  const inspect_args *args;
  const char *ns;
  cli_json json;
  cli_table table;
  int64_t now_ms;
  size_t preview_columns;
  uint64_t shown;
  uint64_t shown_all;
  bool full;
  bool one_ns;
  bool sealed;
} looking;

static void left_add(looking *l, const larder_facts *facts) {
  char text[CLI_SHORT];
  char marked[CLI_SHORT + 8];
  if (facts->expires_soft_ms == 0) {
    cli_table_add(&l->table, "never");
  } else if (is_stale(facts, l->now_ms)) {
    cli_table_add_styled(&l->table, "stale !", CLI_RED);
  } else if (near_expiry(facts, l->now_ms)) {
    snprintf(marked, sizeof marked, "%s !", cli_span_text(facts->expires_soft_ms - l->now_ms, text, sizeof text));
    cli_table_add_styled(&l->table, marked, CLI_YELLOW);
  } else {
    snprintf(marked, sizeof marked, "%s  ", cli_span_text(facts->expires_soft_ms - l->now_ms, text, sizeof text));
    cli_table_add(&l->table, marked);
  }
}

static void row_add(looking *l, const larder_listed *entry) {
  const larder_facts *facts = entry->facts;
  char text[CLI_SHORT];
  cli_buf cell = {0};
  cli_escape(&cell, entry->key, entry->key_len);
  cli_shorten(&cell, 48);
  cli_table_add_styled(&l->table, cli_buf_str(&cell), CLI_BOLD);
  cli_table_add(&l->table, cli_kind_name(facts->kind));
  cli_table_add(&l->table, cli_size_text(facts->value_len, text, sizeof text));
  cli_table_add(&l->table, cli_span_text(l->now_ms - cli_stamp_ms(facts->stamp), text, sizeof text));
  left_add(l, facts);
  cli_table_add(&l->table, cli_count_text(facts->access_count, text, sizeof text));
  cli_buf_clear(&cell);
  preview_add(l->cache, &cell, l->sealed, entry->value, entry->value != NULL ? (size_t)facts->value_len : 0, facts->kind,
              l->preview_columns, CLI_FIGURES_LISTED, NULL);
  cli_table_add_styled(&l->table, cli_buf_str(&cell), CLI_DIM);
  cli_buf_fini(&cell);
}

static bool entry_visit(void *context, const larder_listed *entry) {
  looking *l = context;
  const larder_facts *facts = entry->facts;
  bool wanted =
      l->args->expiring_ms == 0 || (facts->expires_soft_ms > 0 && facts->expires_soft_ms - l->now_ms <= l->args->expiring_ms);
  if (!wanted) return true;
  l->shown++;
  if (l->call->globals->json) {
    cli_json_object(&l->json, NULL);
    entry_json(l->cache, &l->json, l->ns, l->sealed, entry, l->now_ms, CLI_FIGURES_LISTED);
    cli_json_object_end(&l->json);
  } else {
    row_add(l, entry);
  }
  l->full = l->args->limit > 0 && l->shown >= l->args->limit;
  return !l->full;
}

static void batch_write(looking *l) {
  if (l->call->globals->json) {
    cli_json_flush(&l->json);
  } else {
    cli_table_print(&l->table, stdout, !l->call->globals->quiet && l->shown > 0);
  }
}

static cli_exit inspect_ns(const cli_call *call, larder *cache, larder_ns *ns, void *context) {
  static const char *const heads[] = {"KEY", "KIND", ">SIZE", ">AGE", ">LEFT", ">READS", "PREVIEW", NULL};
  looking *l = context;
  larder_cursor cursor = {{0}};
  larder_match match = {.size = sizeof match, .stale_too = true};
  larder_err result = LARDER_OK;
  (void)cache;
  l->ns = larder_ns_name(ns);
  l->sealed = is_sealed(ns);
  l->shown = 0;
  l->full = false;
  cli_table_fini(&l->table);
  cli_table_init(&l->table, heads);
  if (!call->globals->json && !call->globals->quiet && !l->one_ns) {
    printf("%s%s%s%s\n", l->shown_all > 0 ? "\n" : "", cli_style_on(stdout, CLI_GREEN), l->ns, cli_style_off(stdout));
  }
  while (result == LARDER_OK && !l->full) {
    result = larder_list(ns, &match, true, BATCH, &cursor, entry_visit, l);
    batch_write(l);
    if (ferror(stdout)) break;
  }
  if (result < 0) return cli_refuse_result(call, result, NULL, "cannot list the entries");
  if (l->shown == 0) cli_note(call, l->args->expiring_ms > 0 ? "nothing ends that soon in %s" : "%s is empty", l->ns);
  l->shown_all += l->shown > 0 ? l->shown : 1;
  return CLI_DONE;
}

static size_t terminal_columns(void) {
  struct winsize size = {0};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 100) return 48;
  return size.ws_col > 160 ? 80 : (size_t)size.ws_col / 2;
}

static cli_exit inspect_many(const cli_call *call, larder *cache, const inspect_args *args, const char *ns) {
  looking l = {.call = call,
               .cache = cache,
               .args = args,
               .now_ms = cli_wall_ms(),
               .preview_columns = terminal_columns(),
               .one_ns = ns != NULL};
  cli_json_init(&l.json, stdout);
  cli_json_object(&l.json, NULL);
  cli_json_array(&l.json, "entries");
  cli_unopened unopened = {0};
  cli_exit code = cli_each_ns(call, cache, ns, &unopened, inspect_ns, &l);
  cli_json_array_end(&l.json);
  cli_json_object_end(&l.json);
  if (code == CLI_DONE && call->globals->json) cli_json_end(&l.json);
  cli_buf_fini(&l.json.text);
  cli_table_fini(&l.table);
  return code == CLI_DONE ? cli_unopened_told(call, &unopened, code) : code;
}

/* --- one ----------------------------------------------------------------------------------------------------------- */

static void line(const char *name, const char *value) {
  printf("%s%-10s%s %s\n", cli_style_on(stdout, CLI_DIM), name, cli_style_off(stdout), value);
}

static void line_escaped(const larder *cache, const char *name, const void *data, size_t len) {
  cli_buf text = {0};
  cli_redact(cache, &text, data, len, false);
  cli_buf shown = {0};
  cli_escape(&shown, cli_buf_str(&text), text.len);
  line(name, cli_buf_str(&shown));
  cli_buf_fini(&text);
  cli_buf_fini(&shown);
}

static void line_time(const char *name, int64_t wall_ms, int64_t now_ms, const char *note) {
  char date[CLI_SHORT];
  char span[CLI_SHORT];
  char text[160];
  if (wall_ms <= 0) {
    line(name, "never");
    return;
  }
  bool past = wall_ms <= now_ms;
  cli_span_text(past ? now_ms - wall_ms : wall_ms - now_ms, span, sizeof span);
  snprintf(text, sizeof text, "%s (%s%s%s)%s", cli_date_text(wall_ms, date, sizeof date), past ? "" : "in ", span,
           past ? " ago" : "", note);
  line(name, text);
}

/* With what it takes where it is stored, when that is another size. */
static void size_line(uint64_t len, uint64_t stored_len) {
  char raw[CLI_SHORT];
  char stored[CLI_SHORT];
  char text[3 * CLI_SHORT];
  cli_size_text(len, raw, sizeof raw);
  if (stored_len == len) {
    line("size", raw);
    return;
  }
  snprintf(text, sizeof text, "%s, stored in %s (%.1f : 1)", raw, cli_size_text(stored_len, stored, sizeof stored),
           stored_len > 0 ? (double)len / (double)stored_len : 0);
  line("size", text);
}

static void health_lines(larder_ns *ns, const cli_key *key, int64_t now_ms) {
  larder_health health = {.size = sizeof health};
  cli_buf text = {0};
  if (larder_health_get(ns, key->data, key->len, &health) != LARDER_OK) return;
  cli_health_text(&text, &health);
  line("health", cli_buf_str(&text));
  cli_buf_clear(&text);
  cli_escape(&text, health.error, strlen(health.error));
  if (text.len > 0) line("error", cli_buf_str(&text));
  line_time("reported", health.reported_ms, now_ms, "");
  cli_buf_fini(&text);
}

static void entry_print(const larder *cache, larder_ns *ns, const cli_key *key, const larder_stat *found,
                        const larder_value *value, int64_t now_ms) {
  bool const sealed = is_sealed(ns);
  const larder_facts *facts = &found->facts;
  char text[CLI_SHORT];
  char stamp[CLI_SHORT];
  cli_buf tags = {0};
  cli_buf preview = {0};
  cli_buf escaped = {0};
  cli_escape(&escaped, key->data, key->len);
  line("key", cli_buf_str(&escaped));
  cli_buf_fini(&escaped);
  line("namespace", larder_ns_name(ns));
  line("kind", cli_kind_name(facts->kind));
  size_line(value->len, found->stored_len);
  line_time("written", cli_stamp_ms(facts->stamp), now_ms, "");
  line_time("fresh till", facts->expires_soft_ms, now_ms,
            is_stale(facts, now_ms)      ? "  stale !"
            : near_expiry(facts, now_ms) ? "  near expiry !"
                                         : "");
  line_time("kept till", facts->expires_hard_ms, now_ms, "");
  if (facts->version_len > 0) line_escaped(cache, "version", facts->version, facts->version_len);
  if (facts->modified_ms > 0) line_time("modified", facts->modified_ms, now_ms, "");
  cli_tags_text(facts, &tags);
  if (tags.len > 0) line("tags", cli_buf_str(&tags));
  if (facts->meta_len > 0) line_escaped(cache, "meta", facts->meta, facts->meta_len);
  snprintf(stamp, sizeof stamp, "%" PRIu64, facts->stamp);
  line("stamp", stamp);
  line("reads", cli_count_text(facts->access_count, text, sizeof text));
  if (facts->accessed_ms > 0) line_time("last read", facts->accessed_ms, now_ms, "");
  line("tier", found->tier != NULL ? found->tier : "-");
  health_lines(ns, key, now_ms);
  const char *how = "text";
  if (!sealed && cli_parts_text(&preview, value->data, value->len, facts->kind, CLI_FIGURES_ONE, 100, "\n           ", &how)) {
    line(how, cli_buf_str(&preview));
  } else {
    preview_add(cache, &preview, sealed, value->data, value->len, facts->kind, 600, CLI_FIGURES_ONE, NULL);
    line("preview", cli_buf_str(&preview));
  }
  cli_buf_fini(&tags);
  cli_buf_fini(&preview);
}

static void entry_document(const larder *cache, larder_ns *ns, const cli_key *key, const larder_stat *found,
                           const larder_value *value, int64_t now_ms) {
  larder_health health = {.size = sizeof health};
  cli_json json;
  cli_buf meta = {0};
  larder_facts facts = found->facts;
  facts.value_len = value->len;
  cli_json_init(&json, stdout);
  cli_json_object(&json, NULL);
  larder_listed entry = {key->data, key->len, &facts, value->data, found->tier, found->stored_len};
  entry_json(cache, &json, larder_ns_name(ns), is_sealed(ns), &entry, now_ms, CLI_FIGURES_ONE);
  cli_json_uint(&json, "stamp", facts.stamp);
  if (facts.meta_len > 0 && cli_utf8_valid(facts.meta, facts.meta_len)) {
    cli_redact(cache, &meta, facts.meta, facts.meta_len, false);
    cli_json_bytes(&json, "meta", "meta_encoding", cli_buf_str(&meta), meta.len);
  } else if (facts.meta_len > 0) {
    cli_json_bytes(&json, "meta", "meta_encoding", facts.meta, facts.meta_len);
  } else {
    cli_json_null(&json, "meta");
    cli_json_null(&json, "meta_encoding");
  }
  if (larder_health_get(ns, key->data, key->len, &health) == LARDER_OK) {
    cli_json_object(&json, "health");
    cli_health_json(&json, &health);
    cli_json_object_end(&json);
  } else {
    cli_json_null(&json, "health");
  }
  cli_json_object_end(&json);
  cli_json_end(&json);
  cli_buf_fini(&meta);
}

static cli_exit inspect_one(const cli_call *call, larder *cache, const inspect_args *args, const char *ns_name) {
  cli_key key;
  larder_ns *ns = NULL;
  larder_stat found = {0};
  larder_value value = {0};
  int64_t now_ms = cli_wall_ms();
  larder_get_options how = {.size = sizeof how, .allow_stale = true};
  cli_exit code = cli_key_read(call, args->key, args->hex, &key);
  if (code == CLI_DONE) code = cli_ns_known(call, cache, ns_name, &ns);
  if (code != CLI_DONE) return code;
  larder_err result = larder_stat_get(ns, key.data, key.len, &found);
  if (result == LARDER_OK) {
    result = larder_get(ns, key.data, key.len, &how, &value);
    if (result == LARDER_OK && call->globals->json) {
      entry_document(cache, ns, &key, &found, &value, now_ms);
    } else if (result == LARDER_OK) {
      entry_print(cache, ns, &key, &found, &value, now_ms);
    }
    larder_value_release(&value);
    larder_stat_free(&found);
  }
  larder_health health = {.size = sizeof health};
  if (result == LARDER_MISS && larder_health_get(ns, key.data, key.len, &health) == LARDER_OK)
    return cli_refuse(call, CLI_NOT_FOUND, "`larder health NS KEY` shows what was reported on it", "not found: %s in %s",
                      args->key, ns_name);
  if (result == LARDER_MISS)
    return cli_refuse(call, CLI_NOT_FOUND, "`larder ls NS` lists the keys", "not found: %s in %s", args->key, ns_name);
  return result < 0 ? cli_refuse_result(call, result, NULL, "cannot read the entry") : CLI_DONE;
}

static cli_exit run(const cli_call *call, void *given) {
  const inspect_args *args = given;
  larder *cache = NULL;
  const char *ns = args->source != NULL ? args->source : args->ns;
  if (args->source != NULL && args->ns != NULL)
    return cli_refuse(call, CLI_USAGE, "leave one of them out", "the namespace is named twice: %s and --source %s", args->ns,
                      args->source);
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE) code = args->key != NULL ? inspect_one(call, cache, args, ns) : inspect_many(call, cache, args, ns);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_inspect = {
    .name = "inspect",
    .summary = "Look at entries: age, time left, reads, a preview.",
    .text =
        "An exclamation mark stands at what has a tenth of its lifetime left or less. What looks like a secret is hidden in "
        "previews: fields named like password, token, secret or api_key (more by `secrets` in the configuration), and "
        "passwords in "
        "URLs. Looking at one entry reads its "
        "value, which counts as a get.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(inspect_args),
    .run = run};
