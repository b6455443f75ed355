/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself. Bounds of a row are in the unit of its storage: bytes, milliseconds, or the number. */
#include "config/options.h"

#include <float.h>

#define KIB    1024.0
#define MIB    1048576.0
#define TIB    1099511627776.0
#define SECOND 1000.0
#define HOUR   3600000.0
#define DAY    86400000.0
#define YEARS  (100 * 365 * DAY)

#define MEMORY_POLICIES "s3-fifo lru lfu fifo sieve w-tinylfu adaptive"

#define AT(field)       offsetof(lrd_settings_cache, field)
#define MEMORY(field)   offsetof(lrd_settings_memory, field)
#define SQLITE(field)   offsetof(lrd_settings_sqlite, field)
#define FILES(field)    offsetof(lrd_settings_files, field)
#define EXTRA(field)    offsetof(lrd_settings_extra, field)
#define PACK(field)     offsetof(lrd_settings_compression, field)
#define SEAL(field)     offsetof(lrd_settings_seal, field)
#define REDIS(field)    offsetof(lrd_settings_redis, field)
#define BREAK(field)    offsetof(lrd_settings_breaker, field)
#define POLICY(field)   offsetof(lrd_settings_policy, field)
#define LIMIT(field)    offsetof(lrd_settings_limit, field)
#define MAKER(field)    offsetof(lrd_settings_maker, field)
#define NEAR(field)     offsetof(lrd_settings_nearby, field)
#define FIELDS(field)   offsetof(lrd_config_import, field)
#define FORETELL(field) offsetof(lrd_settings_predict, field)
#define LEARN(field)    offsetof(lrd_settings_agent, field)
#define HEALTH(field)   offsetof(lrd_settings_health, field)
#define CHECK(field)    offsetof(lrd_settings_check, field)
#define AHEAD(field)    offsetof(lrd_settings_prefetch, field)
#define WATCH(field)    offsetof(lrd_settings_monitoring, field)

/* The shapes of rows, so that the table below has a line or two per key. */
#define ROW(in, key, kind)               .scope = LRD_SCOPE_##in, .name = key, .type = LRD_OPTION_##kind, .since = "0.1"
#define SIZE_IN(text, factor, low, high) .unit = text, .scale = factor, .min = low, .max = high
#define TIME_IN(text, factor, low, high) .unit = text, .scale = factor, .min = low, .max = high
#define SWITCHES                         .other = "enabled", .flags = LRD_OPTION_SWITCH

const lrd_scope_info lrd_scope_infos[LRD_SCOPE_COUNT] = {
#define LRD_SCOPE_INFO(id, name, sentence) {name, sentence},
    LRD_SCOPES(LRD_SCOPE_INFO)
#undef LRD_SCOPE_INFO
};

const lrd_tier_type lrd_tier_types[] = {
    {"memory", NULL}, {"sqlite", NULL}, {"files", NULL}, {"jsonl", "jsonl"}, {"redis", "redis"},
};
const size_t lrd_tier_types_len = sizeof lrd_tier_types / sizeof *lrd_tier_types;

const char *const lrd_recipe_names[] = {"kernel", "laplacian", "echo", "profile", "sources", "wisdom", NULL};

const lrd_option lrd_options[] = {
    {ROW(CACHE, "root", PATH), .offset = AT(root),
     .sentence = "Folder of everything kept on disk. Relative to the folder of this file. Without it "
                 "`$XDG_CACHE_HOME/larder` or `~/.cache/larder`, once some chain has a tier on disk."},
    {ROW(CACHE, "shared_filesystem", CHOICE), .offset = AT(shared_filesystem), .choices = "refuse allow", .fallback = "refuse",
     .sentence = "What to do when the root lies on a network file system, or on one that may be anything (FUSE): there, locks "
                 "cannot be relied on."},
    {ROW(CACHE, "slots", UINT), .flags = LRD_OPTION_POWER2, .offset = AT(slots), .fallback = "2097152", .min = 1024,
     .max = 268435456,
     .sentence = "Slots of the coherence map, a power of two, at least two for each entry that memory can hold. Fixed when the "
                 "root is made."},
    {ROW(CACHE, "key_file", PATH), .offset = AT(key_file),
     .sentence =
         "The keys of sealed namespaces, one a line, the first one seals; mode 0600, made by `larder keys new`. Relative "
         "to the folder of this file. `LARDER_KEY` in the environment goes before it."},
    {ROW(CACHE, "graceful_mode", BOOL), .offset = AT(graceful_mode), .fallback = "true",
     .sentence = "Go on without a tier that cannot be opened; `false` makes opening the cache fail instead."},
    {ROW(CACHE, "statistics", BOOL), .offset = AT(statistics), .fallback = "true", .sentence = "Keep counters and histograms."},
    {ROW(CACHE, "checksums", BOOL), .offset = AT(checksums), .fallback = "true",
     .sentence = "Verify the checksum of what is read from a tier on disk."},
    {ROW(CACHE, "sweep_interval", DURATION), .offset = AT(sweep_interval_ms), .fallback = "60s",
     TIME_IN("seconds", SECOND, 100, DAY), .sentence = "How often expired entries are removed in the background."},
    {ROW(CACHE, "secrets", NAMES), .offset = AT(secrets),
     .sentence =
         "Names of fields whose values are hidden in logs, previews and exports, beside the built-in ones (password, "
         "token, api_key and their like). Whole words count, whatever the case and the separators. `=name`: only as the "
         "whole name; `-name`: takes a built-in one out."},
    {ROW(CACHE, "memory", SECTION), .inside = LRD_SCOPE_MEMORY, .offset = AT(memory), .sentence = "The memory tier."},
    {ROW(CACHE, "sqlite", SECTION), .inside = LRD_SCOPE_SQLITE, .offset = AT(sqlite), .sentence = "The SQLite tier."},
    {ROW(CACHE, "files", SECTION), .inside = LRD_SCOPE_FILES, .offset = AT(files),
     .sentence = "The tier of one ordinary file per entry."},
    {ROW(CACHE, "jsonl", ANY), .needs = "jsonl", .sentence = "The tier of JSON Lines files."},
    {ROW(CACHE, "redis", SECTION), .inside = LRD_SCOPE_REDIS, .offset = AT(redis), .sentence = "The Redis tier."},
    {ROW(CACHE, "compression", SECTION), .inside = LRD_SCOPE_COMPRESSION, .offset = AT(compression),
     .sentence = "Compression of stored values."},
    {ROW(CACHE, "breaker", SECTION), .inside = LRD_SCOPE_BREAKER, .offset = AT(breaker),
     .sentence = "When a failing tier is left alone."},
    {ROW(CACHE, "prefetch", SECTION), .inside = LRD_SCOPE_PREFETCH, .offset = AT(prefetch), .sentence = "Fetching ahead."},
    {ROW(CACHE, "monitoring", SECTION), .inside = LRD_SCOPE_MONITORING, .offset = AT(monitoring),
     .sentence = "Logging and alerts."},
    {ROW(CACHE, "defaults", SECTION), .inside = LRD_SCOPE_POLICY, .offset = AT(defaults),
     .sentence = "The policy of every namespace, as far as it says nothing else."},
    {ROW(CACHE, "ttl_policies", TTLS), .flags = LRD_OPTION_NEVER, TIME_IN("days", DAY, 1, YEARS),
     .sentence = "Lifetime by namespace: the short form of a namespace section that has only `ttl`. A bare number means days."},
    {ROW(CACHE, "namespaces", POLICIES), .inside = LRD_SCOPE_POLICY, .sentence = "A policy for each namespace by name."},

    {ROW(MEMORY, "enable", BOOL), SWITCHES, .offset = MEMORY(enable), .fallback = "true",
     .sentence = "Whether the tier is used; a chain that names it goes on without it otherwise."},
    {ROW(MEMORY, "size_mb", SIZE), .other = "max_mb", SIZE_IN("MiB", MIB, 64 * KIB, TIB), .offset = MEMORY(bytes_max),
     .fallback = "256MiB", .sentence = "Budget with everything counted, a hard limit."},
    {ROW(MEMORY, "max_bytes", SIZE), .flags = LRD_OPTION_SAME, SIZE_IN("bytes", 1, 64 * KIB, TIB), .offset = MEMORY(bytes_max),
     .sentence = "The same in bytes."},
    {ROW(MEMORY, "max_entries", UINT), .offset = MEMORY(entries_max), .fallback = "0", .max = 1e12,
     .sentence = "Entries it may hold; 0: as many as the budget has room for."},
    {ROW(MEMORY, "policy", CHOICE), .offset = MEMORY(policy), .choices = MEMORY_POLICIES, .fallback = "s3-fifo",
     .sentence = "Which entry goes when there is no room. `adaptive` chooses its rules by what the requests are like, for each "
                 "namespace."},

    {ROW(SQLITE, "enable", BOOL), .other = "enabled", .flags = LRD_OPTION_SWITCH | LRD_OPTION_MAIN, .offset = SQLITE(enable),
     .fallback = "true", .sentence = "Whether the tier is used; a chain that names it goes on without it otherwise."},
    {ROW(SQLITE, "path", PATH), .offset = SQLITE(path), .fallback = "larder.db",
     .sentence = "The database. Relative to the root."},
    {ROW(SQLITE, "max_mb", SIZE), .other = "size_mb", SIZE_IN("MiB", MIB, 64 * KIB, 1024 * TIB), .offset = SQLITE(bytes_max),
     .fallback = "4GiB", .sentence = "Bytes it may hold, a hard limit."},
    {ROW(SQLITE, "max_bytes", SIZE), .flags = LRD_OPTION_SAME, SIZE_IN("bytes", 1, 64 * KIB, 1024 * TIB),
     .offset = SQLITE(bytes_max), .sentence = "The same in bytes."},
    {ROW(SQLITE, "max_entries", UINT), .offset = SQLITE(entries_max), .fallback = "0", .max = 1e12,
     .sentence = "Entries it may hold; 0: no limit of its own."},
    {ROW(SQLITE, "mmap", SIZE), SIZE_IN("bytes", 1, 0, TIB), .offset = SQLITE(mmap_bytes), .fallback = "1GiB",
     .sentence = "How much of the database is mapped into memory. 0 for none: slower, but a failing disk is an error then "
                 "and not the signal SIGBUS."},
    {ROW(SQLITE, "blob_threshold", SIZE), SIZE_IN("bytes", 1, KIB, 2048 * MIB), .offset = SQLITE(blob_bytes_min),
     .fallback = "64KiB", .sentence = "Values from this size on are files beside the database."},
    {ROW(SQLITE, "wal_max", SIZE), SIZE_IN("bytes", 1, MIB, 16 * KIB * MIB), .offset = SQLITE(wal_bytes_max),
     .fallback = "64MiB", .sentence = "Size of the write-ahead log at which it is restarted."},
    {ROW(SQLITE, "readers", UINT), .offset = SQLITE(readers_max), .fallback = "16", .min = 1, .max = 64,
     .sentence = "Connections kept for reading, at most."},
    {ROW(SQLITE, "busy_timeout", DURATION), TIME_IN("seconds", SECOND, 1, 60 * SECOND), .offset = SQLITE(busy_ms),
     .fallback = "1s",
     .sentence =
         "How long a write waits for a program that is not Larder and holds the database. Larder's own processes queue."},

    {ROW(FILES, "enable", BOOL), .other = "enabled", .flags = LRD_OPTION_SWITCH | LRD_OPTION_MAIN, .offset = FILES(enable),
     .fallback = "true", .sentence = "Whether the tier is used; a chain that names it goes on without it otherwise."},
    {ROW(FILES, "path", PATH), .offset = FILES(path),
     .sentence = "The folder in which each namespace has its own. Relative to the root; without it the root itself."},
    {ROW(FILES, "max_mb", SIZE), .other = "size_mb", SIZE_IN("MiB", MIB, 64 * KIB, 1024 * TIB), .offset = FILES(bytes_max),
     .fallback = "16GiB", .sentence = "Bytes it may hold, in whole blocks of its files, a hard limit."},
    {ROW(FILES, "max_bytes", SIZE), .flags = LRD_OPTION_SAME, SIZE_IN("bytes", 1, 64 * KIB, 1024 * TIB),
     .offset = FILES(bytes_max), .sentence = "The same in bytes."},
    {ROW(FILES, "max_entries", UINT), .offset = FILES(entries_max), .fallback = "0", .max = 1e12,
     .sentence = "Entries it may hold; 0: no limit of its own."},
    {ROW(FILES, "verify", CHOICE), .offset = FILES(verify), .choices = "xxh3 sha256", .fallback = "xxh3",
     .sentence = "What a file is compared with when it is read: its XXH3-128, or its SHA-256 too once that is known. "
                 "`larder validate` compares both."},
    {ROW(FILES, "mmap_threshold", SIZE), .other = "mmap", SIZE_IN("bytes", 1, 0, 2048 * MIB), .offset = FILES(mmap_bytes_min),
     .fallback = "64KiB",
     .sentence = "Values from this size on are mapped and not copied. 0 maps none: slower, but a file that somebody truncates "
                 "by hand while it is in use is an error then and not the signal SIGBUS."},
    {ROW(FILES, "shard", UINT), .offset = FILES(shard), .fallback = "0", .max = 3,
     .sentence = "Levels of sub-folders, 256 to a level, for namespaces of very many files. What is stored stays where it is."},

    {ROW(EXTRA, "path", PATH), .offset = EXTRA(path), .sentence = "Its file or folder. Relative to the root."},
    {ROW(EXTRA, "max_mb", SIZE), SIZE_IN("MiB", MIB, 0, 1024 * TIB), .offset = EXTRA(bytes_max), .fallback = "0",
     .sentence = "Bytes it may hold; 0: the tier's default."},
    {ROW(EXTRA, "max_bytes", SIZE), .flags = LRD_OPTION_SAME, SIZE_IN("bytes", 1, 0, 1024 * TIB), .offset = EXTRA(bytes_max),
     .sentence = "The same in bytes."},
    {ROW(EXTRA, "max_entries", UINT), .offset = EXTRA(entries_max), .fallback = "0", .max = 1e12,
     .sentence = "Entries it may hold; 0: no limit."},
    {ROW(EXTRA, "options", PAIRS), .offset = EXTRA(options), .sentence = "Options of the tier's own, by name."},

    {ROW(COMPRESSION, "enable", BOOL), SWITCHES, .offset = PACK(enable), .fallback = "false",
     .sentence = "Compress values where that makes them a sixteenth smaller at least. The section of a namespace means `true` "
                 "unless it says otherwise."},
    {ROW(COMPRESSION, "codec", CHOICE), .offset = PACK(codec), .choices = "zlib zstd lz4", .fallback = "zlib",
     .sentence = "With what."},
    {ROW(COMPRESSION, "threshold_kb", SIZE), .other = "threshold", SIZE_IN("KiB", KIB, 0, TIB), .offset = PACK(threshold_bytes),
     .fallback = "10KiB", .sentence = "Smaller values are left alone."},
    {ROW(COMPRESSION, "level", UINT), .offset = PACK(level), .fallback = "6", .max = 22,
     .sentence = "0: not at all. zlib: 1 (fast) to 9 (small). zstd: its own, 1 to 22. lz4: 1 to 6 its fast one, 7 to 9 its "
                 "thorough one."},
    {ROW(COMPRESSION, "shuffle", BOOL), .offset = PACK(shuffle), .fallback = "true",
     .sentence = "Put the bytes of numbers in order of their place before compressing: values of kind array only."},

    {ROW(SEAL, "algorithm", CHOICE), .offset = SEAL(algorithm), .choices = "none aes-256-gcm fernet", .fallback = "none",
     .sentence =
         "With what. `fernet` is for values that Python's `cryptography` is to open; it is slower, and does not compress."},
    {ROW(SEAL, "fields", NAMES), .offset = SEAL(fields),
     .sentence = "Of JSON values seal the members of these names only, at any depth; the rest stays readable. Other values are "
                 "sealed whole. With `fields`, `algorithm` is aes-256-gcm unless it says otherwise."},

    {ROW(REDIS, "enable", BOOL), SWITCHES, .offset = REDIS(enable), .fallback = "false", .needs = "redis",
     .sentence = "Whether the tier is used."},
    {ROW(REDIS, "host", TEXT), .offset = REDIS(host), .fallback = "localhost", .sentence = "Name or address of the server."},
    {ROW(REDIS, "port", UINT), .offset = REDIS(port), .fallback = "6379", .min = 1, .max = 65535, .sentence = "Its port."},
    {ROW(REDIS, "db", UINT), .offset = REDIS(db), .fallback = "0", .max = 65535, .sentence = "Number of the database."},
    {ROW(REDIS, "username", TEXT), .offset = REDIS(username), .sentence = "ACL user."},
    {ROW(REDIS, "password", TEXT), .flags = LRD_OPTION_SECRET, .offset = REDIS(password),
     .sentence = "Best from the environment: `${REDIS_PASSWORD}`."},
    {ROW(REDIS, "ttl_default", DURATION), .flags = LRD_OPTION_NEVER, TIME_IN("seconds", SECOND, 1, YEARS),
     .offset = REDIS(ttl_default_ms), .fallback = "7d", .sentence = "Lifetime there of entries that have none of their own."},
    {ROW(REDIS, "cluster", BOOL), .offset = REDIS(cluster), .fallback = "false", .sentence = "Whether it is a Redis Cluster."},
    {ROW(REDIS, "tls", BOOL), .offset = REDIS(tls), .fallback = "false", .sentence = "Whether to speak TLS."},

    {ROW(BREAKER, "failures", UINT), .offset = BREAK(failures), .fallback = "3", .min = 1, .max = 1000,
     .sentence = "Failures in a row after which a tier is left alone."},
    {ROW(BREAKER, "retry", DURATION), TIME_IN("seconds", SECOND, 1, DAY), .offset = BREAK(retry_ms), .fallback = "5s",
     .sentence = "How long, until it is tried again."},

    {ROW(POLICY, "tiers", CHAIN), .flags = LRD_OPTION_INHERIT,
     .sentence = "The chain, uppermost first: names of tiers, or `{NAME: {…}}` with keys of that tier. Without it memory, then "
                 "sqlite, as far as they are enabled."},
    {ROW(POLICY, "limits", LIMITS), .flags = LRD_OPTION_INHERIT, .inside = LRD_SCOPE_LIMIT,
     .sentence = "What the namespace may take up in each tier of its chain: a number of entries, or a mapping."},
    {ROW(POLICY, "ttl", DURATION), .flags = LRD_OPTION_NEVER | LRD_OPTION_INHERIT, TIME_IN("seconds", SECOND, 1, YEARS),
     .offset = POLICY(ttl_ms), .fallback = "never", .sentence = "Lifetime of an entry whose put says nothing else."},
    {ROW(POLICY, "jitter", PART), .flags = LRD_OPTION_INHERIT, .offset = POLICY(jitter), .fallback = "0%", .max = 0.5,
     .sentence = "Part of the lifetime by which it may be shortened at random, so that not everything expires at once."},
    {ROW(POLICY, "stale_while_revalidate", DURATION), .flags = LRD_OPTION_INHERIT, TIME_IN("seconds", SECOND, 0, YEARS),
     .offset = POLICY(stale_while_revalidate_ms), .fallback = "0s",
     .sentence = "How long beyond its lifetime an entry may be served stale while it is made anew. The longer of the two stale "
                 "windows is how long an entry is kept beyond its lifetime."},
    {ROW(POLICY, "stale_if_error", DURATION), .flags = LRD_OPTION_INHERIT, TIME_IN("seconds", SECOND, 0, YEARS),
     .offset = POLICY(stale_if_error_ms), .fallback = "0s",
     .sentence = "How long beyond its lifetime an entry may be served stale when it cannot be made anew."},
    {ROW(POLICY, "revalidate", DURATION), .flags = LRD_OPTION_INHERIT, TIME_IN("seconds", SECOND, 0, YEARS),
     .offset = POLICY(revalidate_ms), .fallback = "1h",
     .sentence =
         "How long beyond its lifetime what a maker made with a version (such as an ETag) is kept, so that the maker may "
         "find it unchanged; beyond the stale windows it is handed out only to who asks for what is stale."},
    {ROW(POLICY, "version", TEXT), .flags = LRD_OPTION_INHERIT, .offset = POLICY(version),
     .sentence = "Which version of what is kept this is, such as that of the program that makes it. An entry that was written "
                 "under another one, or under none, is stale from then on; under that one it is fresh again."},
    {ROW(POLICY, "keep_versions", UINT), .flags = LRD_OPTION_INHERIT, .offset = POLICY(versions_max), .fallback = "0",
     .max = 1000,
     .sentence = "How many former values of an entry are kept when it is replaced, to be listed, got and rolled back to. With "
                 "more than 0 the puts of `durability: behind` are written as `commit`."},
    {ROW(POLICY, "durability", CHOICE), .flags = LRD_OPTION_INHERIT, .offset = POLICY(durability),
     .choices = "commit sync behind", .fallback = "commit",
     .sentence =
         "`sync`: on disk before put returns. `commit`: visible to every process and safe from a crash of the process; a "
         "power cut may cost the last 100 ms. `behind`: queued up to 50 ms."},
    {ROW(POLICY, "kind", CHOICE), .flags = LRD_OPTION_INHERIT, .offset = POLICY(kind),
     .choices = "bytes text json array model wisdom", .fallback = "bytes",
     .sentence = "What the values are, where a put says nothing else."},
    {ROW(POLICY, "max_entry", SIZE), .flags = LRD_OPTION_INHERIT, SIZE_IN("bytes", 1, 1, 2147483648.0),
     .offset = POLICY(max_entry_bytes), .fallback = "2GiB",
     .sentence = "A larger value is handed back but not kept, and counted."},
    {ROW(POLICY, "policy", CHOICE), .flags = LRD_OPTION_INHERIT, .offset = POLICY(memory_policy), .choices = MEMORY_POLICIES,
     .sentence = "Eviction policy of its entries in memory. Without it memory's."},
    {ROW(POLICY, "warm", WARM),
     .sentence = "What `larder warm` makes in this namespace: recipes with their parameters, of which several values stand in "
                 "a list and are combined, such as `[{recipe: kernel, alpha: [1.5, 1.8], dt: 0.01, n: 1000}]`. Not for "
                 "`defaults`. Names and values of parameters are checked when it is warmed."},
    {ROW(POLICY, "compression", SECTION), .flags = LRD_OPTION_INHERIT, .inside = LRD_SCOPE_COMPRESSION,
     .offset = POLICY(compression),
     .sentence = "Its own compression; what it does not give is as in the section `compression`."},
    {ROW(POLICY, "seal", SECTION), .flags = LRD_OPTION_INHERIT | LRD_OPTION_SHORT, .inside = LRD_SCOPE_SEAL,
     .offset = POLICY(seal),
     .sentence = "Encrypt values where they are stored: an algorithm, or a mapping. Needs a key (docs/secrets.md)."},
    {ROW(POLICY, "maker", SECTION), .flags = LRD_OPTION_INHERIT, .inside = LRD_SCOPE_MAKER, .offset = POLICY(maker),
     .sentence = "How a missing entry is made. A namespace that has one has nothing of the maker of `defaults`."},
    {ROW(POLICY, "negative_ttl", DURATION), .flags = LRD_OPTION_INHERIT, TIME_IN("seconds", SECOND, 0, YEARS),
     .offset = POLICY(negative_ttl_ms), .fallback = "0s",
     .sentence = "How long the maker's answer \"there is none\" is kept; 0: it is asked again each time."},
    {ROW(POLICY, "error_ttl", DURATION), .flags = LRD_OPTION_INHERIT, TIME_IN("seconds", SECOND, 0, DAY),
     .offset = POLICY(error_ttl_ms), .fallback = "1s",
     .sentence = "How long a maker's failure is told to those who ask, before it is tried again; 0: at once."},
    {ROW(POLICY, "early_refresh", REAL), .flags = LRD_OPTION_INHERIT, .offset = POLICY(early_refresh), .fallback = "0",
     .max = 10,
     .sentence =
         "How eagerly an entry is made anew before its lifetime ends, so that not all who want it wait then: the time that "
         "its making took, times this, times a random number that is mostly small (XFetch's beta; 1 is usual). 0: not "
         "before the end."},
    {ROW(POLICY, "health", SECTION), .flags = LRD_OPTION_INHERIT | LRD_OPTION_SHORT, .inside = LRD_SCOPE_HEALTH,
     .offset = POLICY(health),
     .sentence = "Evict entries that their users, or a check, report as failing (docs/health.md): how often in a row, or a "
                 "mapping. What it does not give is as in `defaults`; its own check has nothing of theirs."},
    {ROW(POLICY, "refresh", SCHEDULE), .flags = LRD_OPTION_INHERIT, .offset = POLICY(refresh),
     .sentence =
         "Make what is kept anew on a schedule: `every 7d` after it was made last, or at fixed times: `@daily`, or five "
         "fields as in crontab(5), `30 6 * * mon-fri`. A program that has the cache open does it behind, or `larder "
         "refresh --due` from a timer. What has been evicted is not made. `never` where the defaults have a schedule."},
    {ROW(POLICY, "nearby", SECTION), .flags = LRD_OPTION_INHERIT, .inside = LRD_SCOPE_NEARBY, .offset = POLICY(nearby),
     .sentence = "When the key of a place has been asked for, make those of the places around it ahead (docs/warming.md)."},
    {ROW(POLICY, "import", SECTION), .flags = LRD_OPTION_INHERIT, .inside = LRD_SCOPE_IMPORT, .offset = POLICY(import),
     .sentence =
         "Which fields of the records are what when a file is loaded into it, by `larder warm NS FILE` or `larder import "
         "FILE --ns NS` (docs/transfer.md). Options that name fields stand before it; what `larder export` wrote is read "
         "as that. A namespace that has one has nothing of that of `defaults`."},
    {ROW(POLICY, "predict", SECTION), .flags = LRD_OPTION_INHERIT, .inside = LRD_SCOPE_PREDICT, .offset = POLICY(predict),
     .sentence = "Learn what is asked for next, and make it ahead (docs/prediction.md#in-a-cache)."},
    {ROW(POLICY, "agent", SECTION), .flags = LRD_OPTION_INHERIT, .inside = LRD_SCOPE_AGENT, .offset = POLICY(agent),
     .sentence = "Learn what to keep in memory, to make ahead and to let go (docs/learning.md#in-a-cache)."},
    {ROW(POLICY, "when_away", ANY), .needs = "redis", .sentence = "What to do while the other hosts cannot be heard."},

    {ROW(LIMIT, "max_entries", UINT), .offset = LIMIT(entries_max), .fallback = "0", .max = 1e12,
     .sentence = "Entries; 0: only the tier's own limit."},
    {ROW(LIMIT, "max_mb", SIZE), .other = "size_mb", SIZE_IN("MiB", MIB, 0, 1024 * TIB), .offset = LIMIT(bytes_max),
     .fallback = "0", .sentence = "Bytes; 0: only the tier's own limit."},
    {ROW(LIMIT, "max_bytes", SIZE), .flags = LRD_OPTION_SAME, SIZE_IN("bytes", 1, 0, 1024 * TIB), .offset = LIMIT(bytes_max),
     .sentence = "The same in bytes."},

    {ROW(MAKER, "http", TEXT), .flags = LRD_OPTION_PLACES | LRD_OPTION_ONE | LRD_OPTION_VEILED, .offset = MAKER(http),
     .sentence = "Fetch it: a URL with places that the key fills, such as `https://api.example.org/{1}/{2}?{query}`: `{key}`, "
                 "`{path}` (what stands before the key's `|`), `{1}` to `{9}` (parts of the path), `{query}` (the pairs behind "
                 "the `|`), `{NAME}` (the value of one of them), `{ns}`. What is filled in is percent-encoded; `{+path}` keeps "
                 "its slashes. `{{` and `}}` are braces."},
    {ROW(MAKER, "command", ARGV), .flags = LRD_OPTION_PLACES | LRD_OPTION_ONE | LRD_OPTION_VEILED, .offset = MAKER(command),
     .sentence = "Run a program: what it writes to its standard output is the value. A list of the program and its arguments, "
                 "with the places of `http`, filled as they are. No shell is in between. Exit code 0 means that the value is "
                 "whole, any "
                 "other that it failed. Its environment has LARDER_MAKE_NS and LARDER_MAKE_KEY, and LARDER_MAKE_KEPT_VERSION "
                 "where a stale value with a version is kept."},
    {ROW(MAKER, "recipe", TEXT), .flags = LRD_OPTION_ONE, .offset = MAKER(recipe),
     .sentence = "Compute it: the name of a recipe (docs/recipes.md). Its parameters are the key's pairs, as in "
                 "`kernel|alpha=1.5&dt=0.01&n=1000`, or the key is the one by which `larder warm` keeps the value."},
    {ROW(MAKER, "callback", TEXT), .flags = LRD_OPTION_ONE, .offset = MAKER(callback),
     .sentence = "Call the program: the name with which it registers its function."},
    {ROW(MAKER, "separator", SIGN), .offset = MAKER(separator), .fallback = ":",
     .sentence = "Where the path of a key falls into parts."},
    {ROW(MAKER, "parallel", UINT), .offset = MAKER(parallel), .fallback = "8", .min = 1, .max = 256,
     .sentence = "Makings at once, in each process."},
    {ROW(MAKER, "rate", RATE), .offset = MAKER(rate_per_s), .fallback = "0", .max = 1e6,
     .sentence = "How often it may be asked, in each process; 0: as often as is wanted."},
    {ROW(MAKER, "burst", REAL), .offset = MAKER(burst), .fallback = "1", .min = 1, .max = 1e6,
     .sentence = "How many may be asked for at once after a rest, where there is a `rate`."},
    {ROW(MAKER, "soft_timeout", DURATION), TIME_IN("seconds", SECOND, 0, DAY), .offset = MAKER(soft_timeout_ms),
     .fallback = "0s",
     .sentence = "How long to wait for a making while something stale may be served instead; 0: until it is done."},
    {ROW(MAKER, "hard_timeout", DURATION), TIME_IN("seconds", SECOND, 0, DAY), .offset = MAKER(hard_timeout_ms),
     .sentence = "After which the making is given up; 0: never. Without it 30s for http and command, else never."},
    {ROW(MAKER, "max_size", SIZE), SIZE_IN("bytes", 1, 1, 2147483648.0), .offset = MAKER(value_bytes_max), .fallback = "64MiB",
     .sentence = "Bytes of a value that is made; with more the making fails."},
    {ROW(MAKER, "retries", UINT), .offset = MAKER(retries), .max = 10,
     .sentence = "Attempts after a first one that failed in a way that may pass. Without it 2 for http, else 0."},
    {ROW(MAKER, "retry_delay", DURATION), TIME_IN("seconds", SECOND, 1, HOUR), .offset = MAKER(retry_delay_ms),
     .fallback = "200ms",
     .sentence = "The longest wait before the second attempt, twice that before the next and so on; how long of it is drawn."},
    {ROW(MAKER, "headers", PAIRS), .flags = LRD_OPTION_HTTP | LRD_OPTION_SECRET, .offset = MAKER(headers),
     .sentence = "Of http: fields of the request. Their values are never shown; best from the environment: `{Authorization: "
                 "\"Bearer ${API_TOKEN}\"}`."},
    {ROW(MAKER, "ca_file", PATH), .flags = LRD_OPTION_HTTP, .offset = MAKER(ca_file),
     .sentence = "Of http: certificates to trust instead of the system's. Relative to the folder of this file."},
    {ROW(MAKER, "proxy", TEXT), .flags = LRD_OPTION_HTTP | LRD_OPTION_VEILED, .offset = MAKER(proxy),
     .sentence =
         "Of http: the proxy to ask through, `http://HOST:PORT` (also https, socks4, socks4a, socks5, socks5h; a name and "
         "a password before the host), or `none`. Without it what the environment says (docs/makers.md#proxies)."},
    {ROW(MAKER, "connect_timeout", DURATION), .flags = LRD_OPTION_HTTP, TIME_IN("seconds", SECOND, 1, DAY),
     .offset = MAKER(connect_timeout_ms), .fallback = "5s", .sentence = "Of http: how long a connection may take."},
    {ROW(MAKER, "timeout", DURATION), .flags = LRD_OPTION_HTTP, TIME_IN("seconds", SECOND, 1, DAY),
     .offset = MAKER(attempt_timeout_ms), .fallback = "10s", .sentence = "Of http: how long one attempt may take as a whole."},
    {ROW(MAKER, "redirects", UINT), .flags = LRD_OPTION_HTTP, .offset = MAKER(redirects), .fallback = "5", .max = 50,
     .sentence = "Of http: how many are followed."},
    {ROW(MAKER, "host_rate", RATE), .flags = LRD_OPTION_HTTP, .offset = MAKER(host_rate_per_s), .fallback = "0", .max = 1e6,
     .sentence = "Of http: how often the host may be asked by all namespaces together, in each process; 0: no limit."},
    {ROW(MAKER, "cache_control", BOOL), .flags = LRD_OPTION_HTTP, .offset = MAKER(cache_control), .fallback = "false",
     .sentence = "Of http: take the lifetime from the answer's Cache-Control and Expires where it has them."},
    {ROW(MAKER, "inherit_environment", BOOL), .flags = LRD_OPTION_COMMAND, .offset = MAKER(inherit_environment),
     .fallback = "false",
     .sentence = "Of command: give it all of this process's environment, not only PATH, HOME, LANG, LC_ALL, TZ and TMPDIR."},
    {ROW(MAKER, "environment", PAIRS), .flags = LRD_OPTION_COMMAND | LRD_OPTION_SECRET, .offset = MAKER(environment),
     .sentence = "Of command: further variables. Their values are never shown."},
    {ROW(MAKER, "folder", PATH), .flags = LRD_OPTION_COMMAND, .offset = MAKER(folder),
     .sentence = "Of command: where it runs. Relative to the folder of this file; without it the working directory."},
    {ROW(MAKER, "absent_exit", UINT), .flags = LRD_OPTION_COMMAND, .offset = MAKER(absent_exit), .fallback = "0", .max = 125,
     .sentence = "Of command: the exit code with which it says that there is no such thing; 0: none says so."},

    {ROW(HEALTH, "failures", UINT), .offset = HEALTH(failures), .fallback = "3", .min = 1, .max = 1000,
     .sentence = "Reported failures in a row after which an entry is unhealthy."},
    {ROW(HEALTH, "evict", BOOL), .offset = HEALTH(evict), .fallback = "true",
     .sentence = "Evict it then, everywhere; `false` only keeps count."},
    {ROW(HEALTH, "decay", DURATION), .flags = LRD_OPTION_NEVER, TIME_IN("seconds", SECOND, 1, YEARS),
     .offset = HEALTH(decay_ms), .fallback = "1h",
     .sentence = "How long without a report until what was reported in a row counts no more, and the health is unknown."},
    {ROW(HEALTH, "retry", DURATION), TIME_IN("seconds", SECOND, 1, YEARS), .offset = HEALTH(retry_ms), .fallback = "60s",
     .sentence = "How long after becoming unhealthy an entry should be tried again; twice that after each further failure."},
    {ROW(HEALTH, "retry_max", DURATION), TIME_IN("seconds", SECOND, 1, YEARS), .offset = HEALTH(retry_max_ms), .fallback = "1h",
     .sentence = "The longest that this gets."},
    {ROW(HEALTH, "check", SECTION), .inside = LRD_SCOPE_CHECK, .offset = HEALTH(check),
     .sentence = "Let Larder try the entries, while a process has the namespace open; one process of the host does."},

    {ROW(CHECK, "http", TEXT), .flags = LRD_OPTION_PLACES | LRD_OPTION_ONE | LRD_OPTION_VEILED, .offset = CHECK(http),
     .sentence = "Ask a URL, with the places of a maker's `http`. A status of 200 to 299 is well."},
    {ROW(CHECK, "command", ARGV), .flags = LRD_OPTION_PLACES | LRD_OPTION_ONE | LRD_OPTION_VEILED, .offset = CHECK(command),
     .sentence = "Run a program, with the places of a maker's `command`. Exit code 0 is well; else the end of what it wrote to "
                 "its standard error is kept. "
                 "It has of the environment PATH, HOME, LANG, LC_ALL, TZ and TMPDIR."},
    {ROW(CHECK, "separator", SIGN), .offset = CHECK(separator), .fallback = ":",
     .sentence = "Where the path of a key falls into parts."},
    {ROW(CHECK, "method", CHOICE), .flags = LRD_OPTION_HTTP, .offset = CHECK(method), .choices = "HEAD GET", .fallback = "HEAD",
     .sentence = "Of http: how to ask."},
    {ROW(CHECK, "redirects", UINT), .flags = LRD_OPTION_HTTP, .offset = CHECK(redirects), .fallback = "0", .max = 50,
     .sentence = "Of http: how many are followed; the status at their end counts. With 0 a redirect is a failure."},
    {ROW(CHECK, "headers", PAIRS), .flags = LRD_OPTION_HTTP | LRD_OPTION_SECRET, .offset = CHECK(headers),
     .sentence = "Of http: fields of the request, as a maker's."},
    {ROW(CHECK, "ca_file", PATH), .flags = LRD_OPTION_HTTP, .offset = CHECK(ca_file),
     .sentence = "Of http: certificates to trust instead of the system's. Relative to the folder of this file."},
    {ROW(CHECK, "proxy", TEXT), .flags = LRD_OPTION_HTTP | LRD_OPTION_VEILED, .offset = CHECK(proxy),
     .sentence = "Of http: the proxy to ask through, as a maker's."},
    {ROW(CHECK, "every", DURATION), TIME_IN("seconds", SECOND, 10, YEARS), .offset = CHECK(every_ms), .fallback = "5m",
     .sentence = "How long a round over all entries takes: they are spread over it."},
    {ROW(CHECK, "jitter", PART), .offset = CHECK(jitter), .fallback = "20%", .max = 0.5,
     .sentence = "Part of that by which a round is shorter or longer at random."},
    {ROW(CHECK, "timeout", DURATION), TIME_IN("seconds", SECOND, 1, HOUR), .offset = CHECK(timeout_ms), .fallback = "10s",
     .sentence = "After which a check has failed."},
    {ROW(CHECK, "parallel", UINT), .offset = CHECK(parallel), .fallback = "2", .min = 1, .max = 16,
     .sentence = "Checks at once."},

    {ROW(NEARBY, "places", PATH), .offset = NEAR(places),
     .sentence =
         "A table of places, CSV or JSON, with `name`, `lat` and `lon` (docs/transfer.md#places). Relative to the folder "
         "of this file. It is read again when it has changed."},
    {ROW(NEARBY, "key", TEXT), .flags = LRD_OPTION_PLACES, .offset = NEAR(key),
     .sentence = "The key of a place, made of its fields: `acs:2022:cbsa:{cbsa}`."},
    {ROW(NEARBY, "radius", TEXT), .offset = NEAR(radius),
     .sentence = "How near, such as `50mi` or `80km`; without it `prefetch.nearby_radius_miles`."},
    {ROW(NEARBY, "limit", UINT), .offset = NEAR(limit), .fallback = "20", .min = 1, .max = 1000,
     .sentence = "How many at most, the nearest first."},

    {ROW(IMPORT, "key_field", TEXT), .offset = FIELDS(key_field), .sentence = "The field that is the key, instead of `key`."},
    {ROW(IMPORT, "key", TEXT), .flags = LRD_OPTION_PLACES, .offset = FIELDS(key),
     .sentence = "Instead: the key, made of several: `county:{state}:{fips}`."},
    {ROW(IMPORT, "value_field", TEXT), .offset = FIELDS(value_field),
     .sentence = "The field that is the value, instead of `value`."},
    {ROW(IMPORT, "value_row", BOOL), .offset = FIELDS(value_row), .fallback = "false",
     .sentence = "Instead: the whole record is the value, as a JSON object."},
    {ROW(IMPORT, "ttl_field", TEXT), .offset = FIELDS(ttl_field),
     .sentence = "The field that says how long an entry is fresh: `90s`, `7d`, a number of seconds, `never`."},
    {ROW(IMPORT, "version_field", TEXT), .offset = FIELDS(version_field), .sentence = "The field that is the entry's version."},
    {ROW(IMPORT, "tags_field", TEXT), .offset = FIELDS(tags_field),
     .sentence = "The field with the entry's tags: `a;b`, or a list as JSON."},
    {ROW(PREDICT, "enable", BOOL), SWITCHES, .offset = FORETELL(enable), .fallback = "false",
     .sentence = "Whether it is done; the namespace needs a maker."},
    {ROW(PREDICT, "chain", CHOICE), .offset = FORETELL(chain), .choices = "blend first second context", .fallback = "blend",
     .sentence = "What guesses: after the last key (first), the last two (second), the last one for such a user at such a time "
                 "(context), or all of it as far as there is evidence."},
    {ROW(PREDICT, "min_probability", PART), .offset = FORETELL(min_probability), .fallback = "0", .max = 1,
     .sentence = "What is less probable is not made ahead; 0: as `prefetch.min_probability` says."},
    {ROW(PREDICT, "top", UINT), .offset = FORETELL(top), .fallback = "3", .min = 1, .max = 64,
     .sentence = "At most so many keys after a request, the most probable first."},
    {ROW(PREDICT, "rate", RATE), .offset = FORETELL(rate_per_s), .fallback = "20", .max = 1e6,
     .sentence = "How many are wished for, at most; 0: no limit."},
    {ROW(PREDICT, "budget_mb", SIZE), SIZE_IN("MiB", MIB, 0, 1024 * TIB), .offset = FORETELL(budget_bytes), .fallback = "64MiB",
     .sentence = "While so many bytes were made ahead and are not read yet, nothing more is."},
    {ROW(PREDICT, "max_waste", PART), .offset = FORETELL(waste_max), .fallback = "50%", .max = 1,
     .sentence =
         "When a greater part of the bytes made ahead lately was gone unread, it only learns for five minutes; 100%: never."},
    {ROW(PREDICT, "max_keys", UINT), .offset = FORETELL(keys_max), .fallback = "4096", .min = 8, .max = 131072,
     .sentence = "Keys that are known at a time; about 1.2 KiB of memory each. The least asked for make room."},

    {ROW(AGENT, "enable", BOOL), SWITCHES, .offset = LEARN(enable), .fallback = "false",
     .sentence =
         "Whether it is done; the namespace needs a maker, `predict` and memory in its chain. Then `min_probability` and "
         "`top` of `predict` are the agent's to choose."},
    {ROW(AGENT, "method", CHOICE), .offset = LEARN(method), .choices = "bandit linear-q network-q", .fallback = "bandit",
     .sentence = "How values are learned: by a ridge regression for each action, or by Q-learning, linear or with a small "
                 "network."},
    {ROW(AGENT, "seed", UINT), .offset = LEARN(seed), .fallback = "0", .max = 9007199254740992,
     .sentence = "Of its chance: the same seed and the same requests, one after the other, give the same decisions."},
    {ROW(AGENT, "file", PATH), .offset = LEARN(file),
     .sentence = "What it has learned: read when the namespace is opened, written every ten minutes and when the cache is "
                 "closed; `larder simulate --save-agent` writes such files, too. Relative to the folder of this file. Of "
                 "several processes the last one's stays; each namespace that has an agent needs one of its own, so one of "
                 "`defaults` is a mistake where several have it."},
#define WEIGHT(id, key, value, says)                                                                                           \
  {ROW(AGENT, #key, REAL),                                                                                                     \
   .offset = LEARN(weights) + LARDER_AGENT_##id * sizeof(double),                                                              \
   .fallback = #value,                                                                                                         \
   .min = -1e6,                                                                                                                \
   .max = 1e6,                                                                                                                 \
   .sentence = "What it is worth: " says "."},
    LARDER_AGENT_EVENTS_TABLE(WEIGHT)
#undef WEIGHT
        {ROW(AGENT, "clip", REAL), .offset = LEARN(clip), .fallback = "100", .min = 0.001, .max = 1e9,
         .sentence = "Where the reward of a decision is cut, either way."},
    {ROW(AGENT, "epsilon", PART), .offset = LEARN(epsilon), .fallback = "10%", .min = 0.0001, .max = 1,
     .sentence = "Part of the decisions that are by chance, at first,"},
    {ROW(AGENT, "epsilon_last", PART), .offset = LEARN(epsilon_last), .fallback = "0.5%", .min = 0.0001, .max = 1,
     .sentence = "and in the end."},
    {ROW(AGENT, "epsilon_half", UINT), .offset = LEARN(epsilon_half), .fallback = "2000", .min = 1, .max = 1e9,
     .sentence = "Decisions in which that falls half the way."},
    {ROW(AGENT, "horizon", UINT), .offset = LEARN(horizon), .fallback = "0", .max = LARDER_AGENT_HORIZON_MAX,
     .sentence =
         "Decisions until one is learned from, about 370 bytes each; 0: half as many again as memory may have entries of "
         "the namespace, 64 to 65536, and 8192 where that has no limit."},
    {ROW(AGENT, "window", UINT), .offset = LEARN(window), .fallback = "2000", .min = 1, .max = 1e9,
     .sentence = "Requests over which it is compared with a shadow of what there would be without it."},
    {ROW(AGENT, "margin", PART), .offset = LEARN(margin), .fallback = "1%", .min = 0.0001, .max = 1,
     .sentence = "By how much it may do worse in a window before it steps aside."},
    {ROW(AGENT, "max_pause", UINT), .offset = LEARN(pause_most), .fallback = "32", .min = 1, .max = 1048576,
     .sentence = "Windows for which it steps aside at most: one at first, twice as many each time that it fails again."},
    {ROW(AGENT, "max_keys", UINT), .offset = LEARN(keys_max), .fallback = "16384", .min = 64, .max = 1048576,
     .sentence = "Entries by which it is compared, about 610 bytes each; of more, a part of the keys. It knows twice as many "
                 "keys: where memory has more than about 2.2 times as many entries, the policy makes room."},

    {ROW(PREFETCH, "enable", BOOL), SWITCHES, .offset = AHEAD(enable), .fallback = "true",
     .sentence = "Whether anything is made ahead: what a program asks for (docs/warming.md), what is `nearby`, what `predict` "
                 "expects."},
    {ROW(PREFETCH, "nearby_radius_miles", REAL), .offset = AHEAD(nearby_radius_miles), .fallback = "50", .max = 12500,
     .sentence = "How near `nearby` of a namespace is that says no `radius`."},
    {ROW(PREFETCH, "max_parallel_requests", UINT), .offset = AHEAD(max_parallel_requests), .fallback = "5", .min = 1,
     .max = 1000,
     .sentence = "Makings ahead at once, in each process; a namespace's `maker.parallel` holds as well, less one."},
    {ROW(PREFETCH, "max_queue", UINT), .offset = AHEAD(queue_max), .fallback = "1024", .min = 1, .max = 65536,
     .sentence = "Wishes that wait; of more the least urgent goes."},
    {ROW(PREFETCH, "max_age", DURATION), TIME_IN("seconds", SECOND, 1, DAY), .offset = AHEAD(max_age_ms), .fallback = "60s",
     .sentence = "How long a wish may wait that says nothing else; then it is dropped."},
    {ROW(PREFETCH, "max_fill", PART), .offset = AHEAD(fill_max), .fallback = "80%", .max = 1,
     .sentence = "Nothing is made ahead while memory, or the namespace's part of it, is fuller; 100%: always."},
    {ROW(PREFETCH, "min_probability", PART), .offset = AHEAD(min_probability), .fallback = "0.3", .max = 1,
     .sentence = "What `predict` of a namespace finds less probable is not made ahead."},

    {ROW(MONITORING, "enable", BOOL), SWITCHES, .offset = WATCH(enable), .fallback = "true",
     .sentence = "Whether anything of this section is done."},
    {ROW(MONITORING, "log_cache_hits", BOOL), .offset = WATCH(log_cache_hits), .fallback = "false",
     .sentence = "Log every hit, with its key and tier, at level debug."},
    {ROW(MONITORING, "alert_on_low_hit_rate", PART), .offset = WATCH(alert_on_low_hit_rate), .fallback = "0", .max = 1,
     .sentence = "Warn when fewer lookups than this part are hits; 0: never."},
    {ROW(MONITORING, "alert_on_high_latency_ms", REAL), .offset = WATCH(alert_on_high_latency_ms), .fallback = "0",
     .max = 3.6e6, .sentence = "Warn when the 95th percentile of all lookups is above it; 0: never."},
    {ROW(MONITORING, "alert_on_high_eviction_rate", REAL), .offset = WATCH(alert_on_high_eviction_rate), .fallback = "0",
     .max = 1e9, .sentence = "Warn when more entries than this are evicted a minute for want of room; 0: never."},
};
const size_t lrd_options_len = sizeof lrd_options / sizeof *lrd_options;
