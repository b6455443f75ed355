/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of every key that a configuration may hold. It is the only list: the parser walks it, the defaults are its
 * texts, `show`, the JSON Schema and the reference page are printed from it.
 *
 * A scope is a mapping of the file. Rows of type SECTION lead to another scope. Within a scope rows are read in the order
 * of the table, whatever the order of the file: what others build on comes first (root, then defaults, then namespaces).
 */
#ifndef LRD_CONFIG_OPTIONS_H
#define LRD_CONFIG_OPTIONS_H

#include "config/settings.h"

/* Name in the schema, what it is in a sentence. */
#define LRD_SCOPES(X)                                                                                                          \
  X(CACHE, "cache", "The whole of Larder's part of the file.")                                                                 \
  X(MEMORY, "memory", "The memory tier: one per process, always the uppermost of its chain.")                                  \
  X(SQLITE, "sqlite", "The SQLite tier; in a chain, `{sqlite: {path: …}}` makes a further one with the same keys.")            \
  X(FILES, "files", "One ordinary file per entry; in a chain, `{files: {path: …}}` makes a further one with the same keys.")   \
  X(EXTRA, "extra", "In a chain, `{NAME: {…}}` for a tier that the application registers.")                                    \
  X(COMPRESSION, "compression", "Compression of values where they are stored; memory has them as they are.")                   \
  X(SEAL, "seal", "Encryption of values where they are stored; memory has them as they are.")                                  \
  X(REDIS, "redis", "The Redis tier, shared by several hosts.")                                                                \
  X(BREAKER, "breaker", "When a tier that fails is left alone, and when it is tried again.")                                   \
  X(POLICY, "policy", "How the entries of a namespace are kept; `defaults` holds for all that say nothing else.")              \
  X(LIMIT, "limit", "Limits of a namespace within one tier; a bare number means max_entries.")                                 \
  X(MAKER, "maker", "How a missing entry is made.")                                                                            \
  X(NEARBY, "nearby", "What to make ahead when the key of a place has been asked for: those of the places around it.")         \
  X(IMPORT, "import", "Which fields of a file's records are what, for files that were not written by Larder.")                 \
  X(PREDICT, "predict", "Learning which key is asked for after which, and making what will probably come next.")               \
  X(AGENT, "agent", "An agent that learns what to keep, to make ahead and to let go; the namespace needs `predict`.")          \
  X(HEALTH, "health", "When an entry that fails in use is evicted; a bare number means `failures`.")                           \
  X(CHECK, "check", "How Larder itself finds out whether an entry works.")                                                     \
  X(PREFETCH, "prefetch", "Fetching what will probably be wanted next.")                                                       \
  X(MONITORING, "monitoring", "What is logged and when an alert is raised.")

typedef enum lrd_scope {
#define LRD_SCOPE_ENUM(id, name, sentence) LRD_SCOPE_##id,
  LRD_SCOPES(LRD_SCOPE_ENUM)
#undef LRD_SCOPE_ENUM
      LRD_SCOPE_COUNT
} lrd_scope;

typedef struct lrd_scope_info {
  const char *name;
  const char *sentence;
} lrd_scope_info;
extern const lrd_scope_info lrd_scope_infos[LRD_SCOPE_COUNT];

typedef enum lrd_option_type {
  LRD_OPTION_BOOL,     /* bool */
  LRD_OPTION_UINT,     /* uint64_t */
  LRD_OPTION_REAL,     /* double */
  LRD_OPTION_PART,     /* double, 0 to 1; `5%` or 0.05 */
  LRD_OPTION_DURATION, /* int64_t milliseconds */
  LRD_OPTION_SIZE,     /* uint64_t bytes */
  LRD_OPTION_CHOICE,   /* uint32_t, number in `choices` */
  LRD_OPTION_RATE,     /* double a second: `5/s`, `300/min`, `1000/h`, `10/d`, or a number a second */
  LRD_OPTION_SIGN,     /* char: one character */
  LRD_OPTION_SCHEDULE, /* const char *: when something is done again (base/schedule.h); NULL: never */
  LRD_OPTION_TEXT,     /* const char * */
  LRD_OPTION_PATH,     /* const char *, absolute once read */
  LRD_OPTION_SECTION,  /* a mapping of scope `inside`, whose struct lies at the offset */
  LRD_OPTION_TTLS,     /* mapping: namespace to lifetime */
  LRD_OPTION_POLICIES, /* mapping: namespace to a mapping of scope `inside` */
  LRD_OPTION_CHAIN,    /* list of tiers */
  LRD_OPTION_LIMITS,   /* mapping: tier to number or mapping of scope `inside` */
  LRD_OPTION_PAIRS,    /* mapping of names to texts: const char * of `name=value` lines */
  LRD_OPTION_NAMES,    /* list of names: const char *, a name a line; NULL: none */
  LRD_OPTION_ARGV,     /* list of a program and its arguments: const char *const *, ended by NULL; NULL: none */
  LRD_OPTION_WARM,     /* list of recipes with their parameters; in a namespace only */
  LRD_OPTION_ANY       /* never stored: belongs to something that is refused as a whole */
} lrd_option_type;

enum {
  LRD_OPTION_NEVER = 1u << 0,    /* a duration that may be `never` */
  LRD_OPTION_SECRET = 1u << 1,   /* never shown, in messages neither */
  LRD_OPTION_SAME = 1u << 2,     /* another way to write the row with the same offset */
  LRD_OPTION_MAIN = 1u << 3,     /* only in the section itself, not for further instances in a chain */
  LRD_OPTION_POWER2 = 1u << 4,   /* a power of two */
  LRD_OPTION_SWITCH = 1u << 5,   /* says whether its section is in use */
  LRD_OPTION_INHERIT = 1u << 6,  /* a policy's value comes from the defaults when it is not given */
  LRD_OPTION_SHORT = 1u << 7,    /* a section that may be written as the value of its first row */
  LRD_OPTION_ONE = 1u << 8,      /* exactly one of the rows with this is given */
  LRD_OPTION_HTTP = 1u << 9,     /* of a maker that is http, */
  LRD_OPTION_COMMAND = 1u << 10, /* or command */
  LRD_OPTION_PLACES = 1u << 12,  /* a template: braces out of a variable are text */
  LRD_OPTION_VEILED = 1u << 11   /* shown with the secrets in it hidden (base/redact.h) */
};

typedef struct lrd_option {
  lrd_scope scope;
  const char *name;
  const char *other; /* a second spelling, or NULL */
  lrd_option_type type;
  unsigned flags;
  const char *unit;     /* of a bare number, for people */
  double scale;         /* the unit in bytes or milliseconds */
  const char *fallback; /* the default as it would be written; NULL: none */
  double min;
  double max;
  const char *choices; /* names with one space between */
  const char *needs;   /* what this build lacks for it, or NULL: refused where it is in use */
  lrd_scope inside;
  size_t offset;
  const char *sentence;
  const char *since;
} lrd_option;

extern const lrd_option lrd_options[];
extern const size_t lrd_options_len;

/* A tier type that the table knows, and what it needs when this build has it not. */
typedef struct lrd_tier_type {
  const char *name;
  const char *needs; /* NULL: it is here */
} lrd_tier_type;
extern const lrd_tier_type lrd_tier_types[];
extern const size_t lrd_tier_types_len;

/* The recipes of maker/recipe by name, ended by NULL: the registry there is above this room, and its tests compare. */
extern const char *const lrd_recipe_names[];

/* Rows of one scope in order: start with NULL; NULL ends. */
const lrd_option *lrd_option_next(lrd_scope scope, const lrd_option *last);
/* The row that a key names, by either spelling, or NULL. */
const lrd_option *lrd_option_find(lrd_scope scope, const char *name);
/* The number-th of the row's choices, copied to out (room 32); "" beyond the last. */
const char *lrd_option_choice(const lrd_option *option, uint32_t number, char out[32]);

#endif
