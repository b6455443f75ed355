/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "file_io.h"
#include "session.h"

#include <inttypes.h>
#include <larder/kind.h>
#include <string.h>
#include <unistd.h>

#define PUT_TRIES 8u /* where it keeps being touched meanwhile */

typedef struct put_args {
  const char *ns;
  const char *key;
  const char *file;
  int64_t ttl_ms;
  int64_t stale_ms;
  const char *kind;
  const char *version;
  cli_list tags;
  const char *meta;
  const char *meta_json;
  int64_t modified_ms;
  const char *if_version;
  const char *if_stamp;
  bool hex;
} put_args;

#define AT(field) offsetof(put_args, field)

static const cli_option options[] = {
    {"ttl", 0, CLI_DURATION, AT(ttl_ms), "TIME", "never", NULL, "how long it is fresh, such as 90s or 30d, or never"},
    {"stale", 0, CLI_DURATION, AT(stale_ms), "TIME", NULL, NULL, "how long after that it may still be served stale"},
    {"kind", 0, CLI_CHOICE, AT(kind), "KIND", CLI_KINDS, NULL, "what the bytes are"},
    {"version", 0, CLI_TEXT, AT(version), "TEXT", NULL, NULL, "the version of the value, such as an ETag"},
    {"modified", 0, CLI_DATE, AT(modified_ms), "DATE", NULL, NULL, "when its source says that it was changed"},
    {"tag", 0, CLI_LIST, AT(tags), "TAG", NULL, NULL, "a tag; may be given up to 16 times"},
    {"meta", 0, CLI_TEXT, AT(meta), "TEXT", NULL, NULL, "a note kept with the value, at most 4 KiB; @FILE reads it from FILE"},
    {"meta-json", 0, CLI_TEXT, AT(meta_json), "TEXT", NULL, NULL,
     "the same, and refused unless it is a JSON object: of a checkpoint say its epoch, loss, optimizer"},
    {"if-version", 0, CLI_TEXT, AT(if_version), "TEXT", NULL, NULL,
     "only over an entry of this version; exit code 1 where it has another one, or is not there"},
    {"if-stamp", 0, CLI_TEXT, AT(if_stamp), "STAMP", NULL, NULL,
     "only over the very write that `larder inspect` shows with this stamp; exit code 1 where it is another one"},
    {"key-hex", 0, CLI_FLAG, AT(hex), NULL, NULL, NULL, "KEY is given in hexadecimal"},
    {0}};

static const cli_operand operands[] = {
    {"NS", CLI_TEXT, AT(ns), false, NULL, "the namespace"},
    {"KEY", CLI_TEXT, AT(key), false, NULL, "the key, 1 to 1024 bytes"},
    {"FILE", CLI_FILE, AT(file), true, NULL, "where the value is read from; - or nothing: standard input"},
    {0}};

static const cli_example examples[] = {
    {"larder put bls_ces payrolls:2026-10 payrolls.json --kind json", "keeps a file"},
    {"echo hello | larder put demo greeting --ttl 1h", "keeps what is piped in, for an hour"},
    {"larder put kernels k1 k1.npy --kind array --tag run7 --version 3", "with a tag and a version"},
    {"larder put conf limits new.json --version 8 --if-version 7", "compare and put: fails where somebody was faster"},
    {"larder put models net:12 net.pt --kind model --meta-json @net.json", "a checkpoint, checked, with its epoch and loss"},
    {0}};

/* Text as it stands, or the content of @FILE. */
static cli_exit meta_read(const cli_call *call, const put_args *args, cli_buf *out) {
  char why[256];
  larder_error broken = {0};
  const char *given = args->meta_json != NULL ? args->meta_json : args->meta;
  if (given == NULL) return CLI_DONE;
  if (args->meta != NULL && args->meta_json != NULL)
    return cli_refuse(call, CLI_USAGE, "leave one of them out", "--meta and --meta-json are both given");
  if (given[0] != '@') {
    cli_buf_text(out, given);
  } else if (!cli_file_read(given + 1, LARDER_META_MAX + 1, out, why, sizeof why)) {
    return cli_refuse(call, CLI_USAGE, "--meta takes a text, or @FILE", "cannot read %s: %s", given + 1, why);
  }
  if (out->len > LARDER_META_MAX)
    return cli_refuse(call, CLI_USAGE, "put what is larger into the value", "--meta holds at most %u bytes", LARDER_META_MAX);
  if (args->meta_json == NULL) return CLI_DONE;
  if (larder_kind_check(LARDER_KIND_JSON, out->data, out->len, NULL, &broken) != LARDER_OK)
    return cli_refuse(call, CLI_USAGE, "mend it, or give it as --meta", "--meta-json: %s", broken.message);
  if (out->data[strspn(out->data, " \t\r\n")] != '{')
    return cli_refuse(call, CLI_USAGE, "such as {\"epoch\": 12, \"loss\": 0.031}", "--meta-json is a JSON object");
  return CLI_DONE;
}

static cli_exit value_read(const cli_call *call, const char *file, cli_buf *out) {
  char why[256];
  bool piped = file == NULL || strcmp(file, "-") == 0;
  if (piped && isatty(STDIN_FILENO)) cli_note(call, "larder: reading the value from the terminal; Ctrl-D ends it");
  if (cli_file_read(piped ? "-" : file, LARDER_VALUE_MAX, out, why, sizeof why)) return CLI_DONE;
  return cli_refuse(call, CLI_USAGE,
                    piped ? "pipe the value in, or name a file"
                          : "FILE holds the value; what is no file is piped in: echo VALUE | larder put NS KEY",
                    "cannot read %s: %s", piped ? "standard input" : file, why);
}

static cli_exit limits_check(const cli_call *call, const put_args *args) {
  uint64_t stamp = 0;
  if (args->if_version != NULL && args->if_stamp != NULL)
    return cli_refuse(call, CLI_USAGE, "leave one of them out", "--if-version and --if-stamp are both given");
  if (args->if_stamp != NULL && !cli_stamp_read(args->if_stamp, &stamp))
    return cli_refuse(call, CLI_USAGE, "`larder inspect NS KEY` shows the stamp, a whole number", "--if-stamp cannot be '%s'",
                      args->if_stamp);
  if (args->version != NULL && strlen(args->version) > LARDER_VERSION_MAX)
    return cli_refuse(call, CLI_USAGE, "shorten it", "--version holds at most %u bytes", LARDER_VERSION_MAX);
  if (args->tags.count > LARDER_TAGS_MAX) return cli_refuse(call, CLI_USAGE, "16 are the most", "--tag is given too often");
  for (size_t i = 0; i < args->tags.count; i++) {
    size_t len = strlen(args->tags.items[i]);
    if (len == 0 || len > LARDER_TAG_MAX)
      return cli_refuse(call, CLI_USAGE, len == 0 ? "name it, or leave --tag out" : "shorten it",
                        "a tag has 1 to %u bytes, this one has %zu", LARDER_TAG_MAX, len);
  }
  return CLI_DONE;
}

static cli_exit told(const cli_call *call, const put_args *args, const cli_key *key, larder_ns *ns, larder_err result,
                     size_t len) {
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "ns", larder_ns_name(ns));
    cli_json_bytes(&json, "key", "key_encoding", key->data, key->len);
    cli_json_uint(&json, "bytes", len);
    cli_json_text(&json, "result", result == LARDER_DEGRADED ? "degraded" : "kept");
    cli_json_object_end(&json);
    cli_json_end(&json);
    return CLI_DONE;
  }
  char size[CLI_SHORT];
  if (result == LARDER_DEGRADED) cli_note(call, "larder: warning: a tier is away; `larder stats` shows which");
  cli_note(call, "kept %s in %s (%s)", args->key, args->ns, cli_size_text(len, size, sizeof size));
  return CLI_DONE;
}

/* What larder_put says by its code only. */
static cli_exit broken_told(const cli_call *call, const put_args *args, larder_ns *ns, const cli_buf *value) {
  larder_policy policy = {0};
  larder_error why = {0};
  larder_ns_policy(ns, &policy);
  larder_kind kind = cli_kind_of(args->kind);
  if (args->kind == NULL) kind = policy.kind;
  larder_err result = larder_kind_check(kind, cli_buf_str(value), value->len, NULL, &why);
  return cli_refuse(call, CLI_FAILED, "mend the value, or put it as another --kind", "not kept, since it is no whole %s: %s",
                    cli_kind_name(kind), result == LARDER_OK ? larder_err_text(LARDER_EFORMAT) : why.message);
}

/* Over what has the version, and is still the same write when it is replaced. */
static larder_err put_over_version(const put_args *args, larder_ns *ns, const cli_key *key, const cli_buf *value,
                                   larder_put_options *how) {
  larder_err result = LARDER_OLDER;
  for (unsigned tries = 0; result == LARDER_OLDER && tries < PUT_TRIES; tries++) {
    larder_stat there = {0};
    result = larder_stat_get(ns, key->data, key->len, &there);
    if (result != LARDER_OK) return result == LARDER_MISS ? LARDER_OLDER : result;
    const larder_facts *facts = &there.facts;
    bool const same = facts->version_len == strlen(args->if_version) &&
                      (facts->version_len == 0 || memcmp(facts->version, args->if_version, facts->version_len) == 0);
    how->only_stamp = facts->stamp;
    larder_stat_free(&there);
    if (!same) return LARDER_OLDER;
    result = larder_put(ns, key->data, key->len, cli_buf_str(value), value->len, how);
  }
  return result;
}

/* Compare and put: the comparison failed. */
static cli_exit lost(const cli_call *call, const put_args *args, larder_ns *ns, const cli_key *key) {
  larder_stat there = {0};
  char now[LARDER_VERSION_MAX + 64] = "is not there";
  if (larder_stat_get(ns, key->data, key->len, &there) == LARDER_OK) {
    if (args->if_stamp != NULL) {
      snprintf(now, sizeof now, "has the stamp %" PRIu64, there.facts.stamp);
    } else if (there.facts.version_len > 0) {
      snprintf(now, sizeof now, "has the version %.*s", (int)there.facts.version_len, there.facts.version);
    } else {
      snprintf(now, sizeof now, "has no version");
    }
  }
  larder_stat_free(&there);
  return cli_refuse(call, CLI_NOT_FOUND, "look at what is there now, and decide again", "not kept: %s in %s %s", args->key,
                    args->ns, now);
}

static cli_exit value_put(const cli_call *call, const put_args *args, larder_ns *ns, const cli_key *key, const cli_buf *value,
                          const cli_buf *meta) {
  larder_put_options how = {.size = sizeof how,
                            .ttl_ms = args->ttl_ms,
                            .stale_ms = args->stale_ms,
                            .kind = cli_kind_of(args->kind),
                            .kind_given = args->kind != NULL,
                            .version = args->version,
                            .meta = meta->len > 0 ? meta->data : NULL,
                            .meta_len = meta->len,
                            .tags = args->tags.count > 0 ? args->tags.items : NULL,
                            .tags_count = args->tags.count};
  larder_err result = LARDER_OK;
  how.modified_ms = args->modified_ms;
  if (args->if_version != NULL) {
    result = put_over_version(args, ns, key, value, &how);
  } else {
    if (args->if_stamp != NULL) (void)cli_stamp_read(args->if_stamp, &how.only_stamp);
    result = larder_put(ns, key->data, key->len, cli_buf_str(value), value->len, &how);
  }
  if (result == LARDER_OLDER && (args->if_version != NULL || args->if_stamp != NULL)) return lost(call, args, ns, key);
  if (result == LARDER_DEGRADED && cli_lasting_tiers(ns) < 2)
    return cli_refuse(
        call, CLI_FAILED, "`larder stats` shows the state of its tier; try again when it is back",
        "not kept: the tier of %s is away, and memory ends with this command; what the key had before is served no "
        "more",
        args->ns);
  if (result == LARDER_OK || result == LARDER_DEGRADED) return told(call, args, key, ns, result, value->len);
  if (result == LARDER_NOT_KEPT) {
    larder_policy policy = {0};
    char most[CLI_SHORT];
    larder_ns_policy(ns, &policy);
    return cli_refuse(call, CLI_FAILED, "raise max_entry of the namespace, or the limits of its tiers",
                      "not kept: %s takes values of at most %s, and its tiers must have room", args->ns,
                      cli_size_text(policy.max_entry_bytes, most, sizeof most));
  }
  if (result > 0) return cli_refuse(call, CLI_FAILED, "try again", "not kept: %s", larder_err_text(result));
  if (result == LARDER_EFORMAT) return broken_told(call, args, ns, value);
  return cli_refuse_result(call, result, NULL, "cannot put the value");
}

static cli_exit run(const cli_call *call, void *given) {
  const put_args *args = given;
  cli_key key;
  larder *cache = NULL;
  larder_ns *ns = NULL;
  cli_buf value = {0};
  cli_buf meta = {0};
  cli_exit code = cli_key_read(call, args->key, args->hex, &key);
  if (code == CLI_DONE) code = limits_check(call, args);
  if (code == CLI_DONE) code = meta_read(call, args, &meta);
  if (code == CLI_DONE) code = value_read(call, args->file, &value);
  if (code == CLI_DONE) code = cli_open(call, CLI_CHANGES, &cache);
  if (code == CLI_DONE) code = cli_ns(call, cache, args->ns, &ns);
  if (code == CLI_DONE) code = cli_lasting(call, ns);
  if (code == CLI_DONE) code = value_put(call, args, ns, &key, &value, &meta);
  cli_buf_fini(&value);
  cli_buf_fini(&meta);
  return cli_close(call, &cache, code);
}

const cli_command cli_command_put = {
    .name = "put",
    .summary = "Keep a value.",
    .text = "When the command returns, the value is kept as durably as the namespace's "
            "configuration promises, and no process sees an older one any more.\n\nA value of kind "
            "json, array or model is checked first, and refused with the place where it is "
            "broken. Nothing in a model is executed or unpickled.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(put_args),
    .run = run};
