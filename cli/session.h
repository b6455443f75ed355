/* SPDX-License-Identifier: Apache-2.0 */
/* What most commands do first and last: open the cache and a namespace, tell what went wrong and what to do. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli_json.h"
#include "command.h"

/* Bytes of memory tier that a command takes: it lives for one call, so it keeps little. */
#define CLI_MEMORY_BYTES ((uint64_t)8 << 20)

/* Tells a failure on stderr (as a JSON document with --json) and returns `code`. hint may be NULL. */
cli_exit cli_refuse(const cli_call *call, cli_exit code, const char *hint, const char *format, ...) LARDER_PRINTF(4, 5);
/* The same for a result of the library. `long_form` may be NULL. Returns the exit code that fits the result. */
cli_exit cli_refuse_result(const cli_call *call, larder_err result, const larder_error *long_form, const char *doing);
/* The same where a listing may have been refused for its pattern, which is the person's to mend. `glob` may be NULL. */
cli_exit cli_refuse_glob(const cli_call *call, larder_err result, const char *glob, const char *doing);
/* A remark on stderr; nothing with --quiet or --json. */
void cli_note(const cli_call *call, const char *format, ...) LARDER_PRINTF(2, 3);

/* Sink for the library's log, its context being the call: for people only, since a program reads the outcome from the
 * document. */
void cli_log_line(void *context, int level, const char *id, const char *message);

typedef enum cli_use {
  CLI_LOOKS,   /* a --root that is not there is told, not made */
  CLI_CHANGES, /* it is made */
} cli_use;
/* CLI_DONE and an open cache to cli_close, or another code, told already. */
cli_exit cli_open(const cli_call *call, cli_use use, larder **out);
/* The same for who can do without: NULL, and a remark that says why. The root is made. */
larder *cli_open_or_without(const cli_call *call);
/* A namespace of it, or NULL; cache may be NULL. */
larder_ns *cli_ns_or_without(const cli_call *call, larder *cache, const char *name);
/* Closes; a flush that fails turns CLI_DONE into CLI_FAILED. Returns the code to leave with. */
cli_exit cli_close(const cli_call *call, larder **cache, cli_exit code);
/* A namespace to write to, of any valid name. */
cli_exit cli_ns(const cli_call *call, larder *cache, const char *name, larder_ns **out);
/* Tiers of the namespace that outlive this command. */
unsigned cli_lasting_tiers(const larder_ns *ns);
/* Refuses a namespace without a tier that outlives this process: it would keep nothing. */
cli_exit cli_lasting(const cli_call *call, larder_ns *ns);
/*
 * A namespace that must be there: configured, or known to a tier. Else the nearest name is told and it is CLI_NOT_FOUND. Every
 * command that makes no namespace asks by this, so that a slip neither looks like an empty one nor leaves one behind.
 */
cli_exit cli_ns_known(const cli_call *call, larder *cache, const char *name, larder_ns **out);

/* A key as it was typed, to bytes. */
typedef struct cli_key {
  unsigned char data[LARDER_KEY_MAX];
  size_t len;
} cli_key;
cli_exit cli_key_read(const cli_call *call, const char *text, bool hex, cli_key *out);

/* Of all namespaces, those that could not be opened. Zero-initialise. */
typedef struct cli_unopened {
  uint64_t count;
  larder_err result; /* of the first, and why */
  char why[400];
} cli_unopened;
/* Tells them, at the end of a command that was done for the others, and returns that failure; `code` where there are none. */
cli_exit cli_unopened_told(const cli_call *call, const cli_unopened *unopened, cli_exit code);

/* Visits the namespaces by name, sorted. Stops at a code other than CLI_DONE and returns it. Without `only` those that can't be
 * opened are passed over. */
cli_exit cli_each_ns(const cli_call *call, larder *cache, const char *only, cli_unopened *unopened,
                     cli_exit (*visit)(const cli_call *call, larder *cache, larder_ns *ns, void *context), void *context);

/* Facts as JSON members: bytes, kind, version, tags, meta, written_ms, fresh_until_ms, keep_until_ms, reads, read_ms. */
void cli_json_facts(cli_json *json, const larder_facts *facts);
const char *cli_kind_name(larder_kind kind);
/* CLI_CHOICE of --kind to the enumeration. */
larder_kind cli_kind_of(const char *name);
#define CLI_KINDS "bytes text json array model wisdom"
/* A stamp as it was typed; false for what is none. */
bool cli_stamp_read(const char *text, uint64_t *out);
/* Wall milliseconds of a stamp. */
int64_t cli_stamp_ms(uint64_t stamp);
/* Adds the tags, separated by `, `, escaped. */
void cli_tags_text(const larder_facts *facts, cli_buf *out);

#endif
