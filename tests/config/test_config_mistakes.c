/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Awkward configurations and, word for word, what is said about them. `{what it is, the file, all that is told}`; an empty
 * third text means that nothing is.
 */
#include "support/support.h"

#include "config/yaml_tree.h"
#include "config_texts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct awkward {
  const char *name;
  const char *text;
  const char *told;
} awkward;

static const awkward cases[] = {
    {"an unknown key", "cache:\n  memroy: {size_mb: 5}\n",
     "2:3: cache: found the unknown key \"memroy\"; expected one of its keys; the nearest is memory\n"},
    {"an unknown key without a near name", "cache: {breaker: {colour: red}}\n",
     "1:19: cache.breaker: found the unknown key \"colour\"; expected one of failures, retry\n"},
    {"an unknown key in a section within a section", "cache: {namespaces: {a: {tl: 5}}}\n",
     "1:26: cache.namespaces.a: found the unknown key \"tl\"; expected one of its keys; the nearest is ttl\n"},
    {"a key with capitals", "cache: {Memory: {}}\n",
     "1:9: cache: found the unknown key \"Memory\"; expected one of its keys; the nearest is memory\n"},
    {"the beginning of one key", "cache: {breaker: {fail: 3}}\n",
     "1:19: cache.breaker: found the unknown key \"fail\"; expected one of its keys; the nearest is failures\n"},
    {"a key and more", "cache: {breaker: {retry_interval: 3s}}\n",
     "1:19: cache.breaker: found the unknown key \"retry_interval\"; expected one of its keys; the nearest is retry\n"},
    {"the beginning of several keys", "cache: {sqlite: {max_: 5}}\n",
     "1:18: cache.sqlite: found the unknown key \"max_\"; expected one of enable, path, max_mb, max_bytes, max_entries, mmap, "
     "blob_threshold, wal_max, readers, busy_timeout\n"},
    {"enable of the main section only", "cache: {namespaces: {a: {tiers: [{sqlite: {path: x.db, enable: true}}]}}}\n",
     "1:56: cache.namespaces.a.tiers.sqlite: found the unknown key \"enable\"; expected one of path, max_mb, max_bytes, "
     "max_entries, mmap, blob_threshold, wal_max, readers, busy_timeout\n"},
    {"a key twice", "cache:\n  slots: 1024\n  slots: 2048\n",
     "3:3: cache: found \"slots\", which line 2 gives already as slots; expected one of them\n"},
    {"both spellings", "cache: {memory: {enable: true, enabled: false}}\n",
     "1:32: cache.memory: found \"enabled\", which line 1 gives already as enable; expected one of them\n"},
    {"two units of one setting", "cache: {sqlite: {max_mb: 5, max_bytes: 5MiB}}\n",
     "1:29: cache.sqlite: found \"max_bytes\", which line 1 gives already as max_mb; expected one of them\n"},
    {"the section twice", "cache: {}\nother: 1\ncache: {}\n",
     "3:1: the file: found \"cache\", which line 1 gives already as cache; expected one of them\n"},
    {"a list for a mapping", "cache: {memory: [1]}\n", "1:17: cache.memory: found a list; expected a mapping\n"},
    {"a list for the section", "cache: [[1], 2]\n", "1:8: cache: found a list; expected a mapping\n"},
    {"lists for tiers", "cache: {namespaces: {a: {tiers: [{sqlite: [1]}, {memory: [1]}]}}}\n",
     "1:43: cache.namespaces.a.tiers.sqlite: found a list; expected a mapping\n"
     "1:49: cache.namespaces.a.tiers: found memory below sqlite; expected memory first\n"
     "1:58: cache.namespaces.a.tiers.memory: found a list; expected a mapping\n"},
    {"a value for a mapping", "cache: yes\n", "1:8: cache: found a value; expected a mapping\n"},
    {"a list for the file", "- cache\n", "1:1: found a list; expected a mapping with the section cache\n"},
    {"a mapping for a value", "cache: {slots: {a: 1}}\n",
     "1:16: cache.slots: found a mapping; expected a power of two from 1024 to 268435456\n"},
    {"a mapping as a key", "cache: {{a: 1}: 2}\n", "1:9: cache: found a mapping as a key; expected a name\n"},
    {"a value for a list of names", "cache: {secrets: licence}\n",
     "1:18: cache.secrets: found a value; expected a list of names\n"},
    {"a name without a letter", "cache: {secrets: [licence, '--', \"a\\nb\", [x]]}\n",
     "1:28: cache.secrets: found \"--\"; expected a name with letters or digits\n"
     "1:34: cache.secrets: found \"a\\x0ab\"; expected a name with letters or digits\n"
     "1:42: cache.secrets: found a list; expected a name\n"},
    {"a text for a switch", "cache: {graceful_mode: maybe}\n",
     "1:24: cache.graceful_mode: found \"maybe\"; expected true or false\n"},
    {"a text for a number", "cache: {breaker: {failures: three}}\n",
     "1:29: cache.breaker.failures: found \"three\"; expected a whole number from 1 to 1000\n"},
    {"a fraction for a whole number", "cache: {breaker: {failures: 2.5}}\n",
     "1:29: cache.breaker.failures: found \"2.5\"; expected a whole number from 1 to 1000\n"},
    {"a negative number", "cache: {breaker: {failures: -1}}\n",
     "1:29: cache.breaker.failures: found \"-1\"; expected a whole number from 1 to 1000\n"},
    {"a number beyond 64 bits", "cache: {breaker: {failures: 99999999999999999999}}\n",
     "1:29: cache.breaker.failures: found \"99999999999999999999\"; expected a whole number from 1 to 1000\n"},
    {"a number below the limit", "cache: {redis: {port: 0}}\n",
     "1:23: cache.redis.port: found \"0\"; expected a whole number from 1 to 65535\n"},
    {"a number above the limit", "cache: {redis: {port: 65536}}\n",
     "1:23: cache.redis.port: found \"65536\"; expected a whole number from 1 to 65535\n"},
    {"no power of two", "cache: {slots: 3000}\n",
     "1:16: cache.slots: found \"3000\"; expected a power of two from 1024 to 268435456\n"},
    {"a bad size", "cache: {memory: {size_mb: 12 parsecs}}\n",
     "1:27: cache.memory.size_mb: found \"12 parsecs\"; expected a size from 64KiB to 1TiB (a bare number is MiB)\n"},
    {"a size of nothing", "cache: {memory: {size_mb: 0}}\n",
     "1:27: cache.memory.size_mb: found \"0\"; expected a size from 64KiB to 1TiB (a bare number is MiB)\n"},
    {"a bad duration", "cache: {sweep_interval: soon}\n",
     "1:25: cache.sweep_interval: found \"soon\"; expected a duration such as 90s, 1h or 7d, from 100ms to 1d (a bare number "
     "is seconds)\n"},
    {"a duration without a length", "cache: {defaults: {ttl: 0}}\n",
     "1:25: cache.defaults.ttl: found \"0\"; expected a duration such as 90s, 1h or 7d, or never, from 1ms to 36500d (a bare "
     "number is seconds)\n"},
    {"never where that is not allowed", "cache: {sweep_interval: never}\n",
     "1:25: cache.sweep_interval: found \"never\"; expected a duration such as 90s, 1h or 7d, from 100ms to 1d (a bare number "
     "is seconds)\n"},
    {"a bad lifetime in ttl_policies", "cache: {ttl_policies: {a: 1 fortnight}}\n",
     "1:27: cache.ttl_policies.a: found \"1 fortnight\"; expected a duration such as 90s, 1h or 7d, or never, from 1ms to "
     "36500d (a bare number is days)\n"},
    {"a list as a lifetime", "cache: {ttl_policies: {a: [1d]}}\n",
     "1:27: cache.ttl_policies.a: found a list; expected a duration such as 90s, 1h or 7d, or never, from 1ms to 36500d (a "
     "bare number is days)\n"},
    {"a part above the limit", "cache: {defaults: {jitter: 80%}}\n",
     "1:28: cache.defaults.jitter: found \"80%\"; expected a part from 0 to 0.5, or as a percentage up to 50%\n"},
    {"a part that is none", "cache: {monitoring: {alert_on_low_hit_rate: 1.5}}\n",
     "1:45: cache.monitoring.alert_on_low_hit_rate: found \"1.5\"; expected a part from 0 to 1, or as a percentage up to "
     "100%\n"},
    {"hexadecimal and infinity are no numbers",
     "cache: {monitoring: {alert_on_high_latency_ms: 0x10}, prefetch: {nearby_radius_miles: .inf}}\n",
     "1:48: cache.monitoring.alert_on_high_latency_ms: found \"0x10\"; expected a number from 0 to 3600000\n1:87: "
     "cache.prefetch.nearby_radius_miles: found \".inf\"; expected a number from 0 to 12500\n"},
    {"a choice mistyped", "cache: {memory: {policy: s3fifo}}\n",
     "1:26: cache.memory.policy: found \"s3fifo\"; expected one of s3-fifo, lru, lfu, fifo, sieve, w-tinylfu, adaptive; the "
     "nearest is s3-fifo\n"},
    {"a choice without a near name", "cache: {defaults: {durability: never}}\n",
     "1:32: cache.defaults.durability: found \"never\"; expected one of commit, sync, behind\n"},
    {"an empty path", "cache: {root: ''}\n", "1:15: cache.root: found \"\"; expected a path\n"},
    {"a level that the codec has not", "cache: {compression: {enable: true, codec: lz4, level: 12}}\n",
     "1:56: cache.compression.level: found \"12\"; expected 0 to 9 with the codec lz4\n"},
    {"a name of a field that is none", "cache: {namespaces: {a: {seal: {fields: [b, '']}}}}\n",
     "1:45: cache.namespaces.a.seal.fields: found \"\"; expected a name of 1 to 100 bytes\n"},
    {"a seal mistyped", "cache: {namespaces: {a: {seal: fernt}}}\n",
     "1:32: cache.namespaces.a.seal: found \"fernt\"; expected one of none, aes-256-gcm, fernet; the nearest is fernet\n"},
    {"a name too long",
     "cache: {ttl_policies: "
     "{nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnn: 1d}}\n",
     "1:24: cache.ttl_policies: found the name \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...\"; expected 1 "
     "to 128 bytes\n"},
    {"an empty name", "cache: {namespaces: {'': {}}}\n",
     "1:22: cache.namespaces: found the name \"\"; expected 1 to 128 bytes\n"},
    {"an unset variable", "cache:\n  sqlite:\n    path: data-${LARDER_TEST_UNSET}.db\n",
     "3:16: cache.sqlite.path: the environment variable LARDER_TEST_UNSET is not set; expected it set, or a default as in "
     "${LARDER_TEST_UNSET:-default}\n"},
    {"an unset variable between quotes", "cache: {sqlite: {path: \"x${LARDER_TEST_UNSET}\"}}\n",
     "1:26: cache.sqlite.path: the environment variable LARDER_TEST_UNSET is not set; expected it set, or a default as in "
     "${LARDER_TEST_UNSET:-default}\n"},
    {"an unset variable where escapes hide the column", "cache: {sqlite: {path: \"\\x41${LARDER_TEST_UNSET}\"}}\n",
     "1:24: cache.sqlite.path: the environment variable LARDER_TEST_UNSET is not set; expected it set, or a default as in "
     "${LARDER_TEST_UNSET:-default}\n"},
    {"an unset variable in a disabled section",
     "cache: {redis: {enable: false, host: \"${LARDER_TEST_UNSET}\", port: \"${LARDER_TEST_UNSET}\"}}\n", ""},
    {"a wrong value in a disabled section all the same", "cache: {redis: {enable: false, port: many}}\n",
     "1:38: cache.redis.port: found \"many\"; expected a whole number from 1 to 65535\n"},
    {"a variable not closed", "cache:\n  root: ${HOME\n",
     "2:9: cache.root: found \"${HOME\"; expected ${VAR} or ${VAR:-default}, and $${ for a literal ${\n"},
    {"a variable without a name", "cache: {root: \"/x/${}\"}\n",
     "1:19: cache.root: found \"${}\"; expected ${VAR} or ${VAR:-default}, and $${ for a literal ${\n"},
    {"a variable with another operator", "cache: {root: \"${HOME:?x}\"}\n",
     "1:16: cache.root: found \"${HOME:?x}\"; expected ${VAR} or ${VAR:-default}, and $${ for a literal ${\n"},
    {"what a variable holds is not shown", "cache: {slots: \"${LARDER_TEST_SECRET}\"}\n",
     "1:16: cache.slots: found \"${LARDER_TEST_SECRET}\"; expected a power of two from 1024 to 268435456\n"},
    {"a secret is not shown", "cache: {redis: {password: [hunter2]}}\n",
     "1:27: cache.redis.password: found a list; expected a text\n"},
    {"a tag", "cache: {root: !!python/object/apply:os.system [echo]}\n",
     "1:47: cache.root: found a tag (!...); expected a plain value\n"},
    {"a tag of a section", "cache: {memory: !mine {size_mb: 5}}\n",
     "1:23: cache.memory: found a tag (!...); expected a plain value\n"},
    {"a NUL", "cache: {root: \"a\\0b\"}\n", "1:16: found a NUL character in a value; expected text without it\n"},
    {"control characters are shown as such", "cache: {slots: \"1\\e[31m\"}\n",
     "1:16: cache.slots: found \"1\\x1b[31m\"; expected a power of two from 1024 to 268435456\n"},
    {"a chain of no tier", "cache: {namespaces: {a: {tiers: []}}}\n",
     "1:33: cache.namespaces.a.tiers: found a chain without a tier; expected at least one\n"},
    {"a chain that is no list", "cache: {namespaces: {a: {tiers: memory}}}\n",
     "1:33: cache.namespaces.a.tiers: found a value; expected a list of tiers such as [memory, sqlite]\n"},
    {"an unknown tier", "cache: {namespaces: {a: {tiers: [memory, sqlit]}}}\n",
     "1:42: cache.namespaces.a.tiers: found the unknown tier \"sqlit\"; expected memory, sqlite, files or one that the "
     "application registers; the nearest is sqlite\n"},
    {"a tier that this build lacks", "cache: {namespaces: {a: {tiers: [memory, jsonl]}}}\n",
     "1:42: cache.namespaces.a.tiers: needs jsonl, which this build does not have\n"},
    {"redis, switched on", "cache:\n  redis: {enable: true}\n  namespaces: {a: {tiers: [redis]}}\n",
     "2:11: cache.redis.enable: needs redis, which this build does not have\n3:28: cache.namespaces.a.tiers: needs redis, "
     "which this build does not have\n"},
    {"redis in a chain, without its section", "cache: {namespaces: {a: {tiers: [memory, redis]}}}\n",
     "1:42: cache.namespaces.a.tiers: needs redis, which this build does not have\n"},
    {"memory below", "cache: {namespaces: {a: {tiers: [sqlite, memory]}}}\n",
     "1:42: cache.namespaces.a.tiers: found memory below sqlite; expected memory first\n"},
    {"memory twice", "cache: {namespaces: {a: {tiers: [memory, memory]}}}\n",
     "1:42: cache.namespaces.a.tiers: found memory twice; expected each tier once\n"},
    {"one database twice in a chain", "cache: {namespaces: {a: {tiers: [sqlite, {sqlite: {path: ./b/../larder.db}}]}}}\n",
     "1:42: cache.namespaces.a.tiers: found sqlite twice; expected each tier once\n"},
    {"one database described twice",
     "cache:\n  namespaces:\n    a: {tiers: [{sqlite: {path: w.db, max_entries: 5}}]}\n    b: {tiers: [{sqlite: {path: w.db, "
     "max_entries: 6}}]}\n",
     "4:17: cache.namespaces.b.tiers.sqlite: found other settings for sqlite:w.db than at line 3; expected them in one place "
     "only\n"},
    {"the main database described in a chain", "cache: {namespaces: {a: {tiers: [{sqlite: {path: larder.db, readers: 2}}]}}}\n",
     "1:34: cache.namespaces.a.tiers.sqlite: found other settings for the database of cache.sqlite; expected them there\n"},
    {"more tiers than a chain has",
     "cache: {namespaces: {a: {tiers: [{sqlite: {path: 0.db}}, {sqlite: {path: 1.db}}, {sqlite: {path: 2.db}}, {sqlite: {path: "
     "3.db}}, {sqlite: {path: 4.db}}, {sqlite: {path: 5.db}}, {sqlite: {path: 6.db}}, {sqlite: {path: 7.db}}, {sqlite: {path: "
     "8.db}}]}}}\n",
     "1:226: cache.namespaces.a.tiers: found more than 8 tiers; expected at most 8\n"},
    {"an element of several keys", "cache: {namespaces: {a: {tiers: [{sqlite: {}, memory: {}}]}}}\n",
     "1:34: cache.namespaces.a.tiers: found a mapping of several keys; expected the name of a tier, or one pair of name and "
     "mapping\n"},
    {"an element that is a list", "cache: {namespaces: {a: {tiers: [[memory]]}}}\n",
     "1:34: cache.namespaces.a.tiers: found a list; expected the name of a tier, or one pair of name and mapping\n"},
    {"no tier left", "cache: {memory: {enable: false}, sqlite: {enable: false}}\n",
     "1:8: cache: found neither memory nor sqlite enabled; expected at least one tier\n"},
    {"a limit of a tier that is not in the chain", "cache: {namespaces: {a: {tiers: [memory], limits: {sqlite: 5}}}}\n",
     "1:52: cache.namespaces.a.limits: found \"sqlite\", which names no one tier of the chain; expected a tier of it\n"},
    {"a limit of two tiers at once",
     "cache: {namespaces: {a: {tiers: [{sqlite: {path: a.db}}, {sqlite: {path: b.db}}], limits: {sqlite: 5}}}}\n",
     "1:92: cache.namespaces.a.limits: found \"sqlite\", which names no one tier of the chain; expected a tier of it\n"},
    {"a limit that is no number", "cache: {namespaces: {a: {limits: {memory: lots}}}}\n",
     "1:43: cache.namespaces.a.limits.memory: found \"lots\"; expected a whole number from 0 to 1000000000000 of entries, or a "
     "mapping\n"},
    {"a key of a limit", "cache: {namespaces: {a: {limits: {memory: {max_entires: 5}}}}}\n",
     "1:44: cache.namespaces.a.limits.memory: found the unknown key \"max_entires\"; expected one of its keys; the nearest is "
     "max_entries\n"},
    {"parts that this build lacks", "cache:\n  jsonl: {}\n  namespaces:\n    a:\n      when_away: wait\n",
     "2:3: cache.jsonl: needs jsonl, which this build does not have\n5:7: cache.namespaces.a.when_away: needs redis, which "
     "this "
     "build does not have\n"},
    {"health of a word", "cache: {namespaces: {a: {health: often}}}\n",
     "1:34: cache.namespaces.a.health: found \"often\"; expected a whole number from 1 to 1000\n"},
    {"a check of nothing", "cache: {namespaces: {a: {health: {check: {every: 1m}}}}}\n",
     "1:42: cache.namespaces.a.health.check: found neither http nor command; expected one of them\n"},
    {"a check of both kinds", "cache: {namespaces: {a: {health: {check: {http: \"http://h/\", command: [true]}}}}}\n",
     "1:62: cache.namespaces.a.health.check: found command beside http; expected one of them\n"},
    {"a command's method", "cache: {namespaces: {a: {health: {check: {command: [true], method: GET}}}}}\n",
     "1:60: cache.namespaces.a.health.check.method: found with command; expected only with http\n"},
    {"a command's header", "cache: {namespaces: {a: {health: {check: {command: [true], headers: {A: hunter2}}}}}}\n",
     "1:60: cache.namespaces.a.health.check.headers: found with command; expected only with http\n"},
    {"a check's header of two words", "cache: {namespaces: {a: {health: {check: {http: \"http://h/\", headers: {A b: c}}}}}}\n",
     "1:72: cache.namespaces.a.health.check.headers: found the name \"A b\"; expected the name of a header field, such as "
     "Accept\n"},
    {"a proxy that is none", "cache: {namespaces: {a: {maker: {http: \"http://h/\", proxy: \"us:hunter2@h:80\"}}}}\n",
     "1:60: cache.namespaces.a.maker.proxy: found something else; expected a URL such as http://proxy.example:3128, or none\n"},
    {"a check's proxy that is none", "cache: {namespaces: {a: {health: {check: {http: \"http://h/\", proxy: \"http://\"}}}}}\n",
     "1:69: cache.namespaces.a.health.check.proxy: found something else; expected a URL such as http://proxy.example:3128, or "
     "none\n"},
    {"a check that is mistyped", "cache: {namespaces: {a: {health: {check: {htp: \"http://h/\"}}}}}\n",
     "1:43: cache.namespaces.a.health.check: found the unknown key \"htp\"; expected one of its keys; the nearest is http\n"},
    {"a longest wait below the first", "cache: {namespaces: {a: {health: {retry: 2h}}}}\n",
     "1:42: cache.namespaces.a.health.retry_max: found 1h; expected at least \"2h\", which is retry\n"},
    {"a schedule", "cache:\n  namespaces:\n    a: {refresh: every 7}\n    b: {refresh: hourly}\n    c: {refresh: 0 25 * * *}\n",
     "3:18: cache.namespaces.a.refresh: schedule \"every 7\": after `every` a time with a unit is expected, at least a second, "
     "such as 90m or 7d\n"
     "4:18: cache.namespaces.b.refresh: schedule \"hourly\": `every 7d`, `@daily`, or five fields (minute, hour, day of month, "
     "month, day of week) are expected; there is 1\n"
     "5:18: cache.namespaces.c.refresh: schedule \"0 25 * * *\": hour \"25\": *, or a number from 0 to 23 is expected\n"},
    {"a maker of nothing", "cache: {namespaces: {a: {maker: {rate: 5/s}}}}\n",
     "1:33: cache.namespaces.a.maker: found no http, command, recipe or callback; expected one of them\n"},
    {"a maker mistyped", "cache: {namespaces: {a: {maker: {htpp: x}}}}\n",
     "1:34: cache.namespaces.a.maker: found the unknown key \"htpp\"; expected one of its keys; the nearest is http\n"},
    {"a place that is none, in a URL", "cache: {namespaces: {a: {maker: {http: \"http://h/{oops\"}}}}\n",
     "1:40: cache.namespaces.a.maker.http: at character 10: found a { that is not closed; expected a place like {path}, and {{ "
     "for a brace\n"},
    {"two makers", "cache: {namespaces: {a: {maker: {command: [x], http: \"https://h/\", recipe: null}}}}\n",
     "1:48: cache.namespaces.a.maker: found http beside command; expected one of http, command, recipe and callback\n"},
    {"a maker that is no mapping", "cache: {namespaces: {a: {maker: kernel}}}\n",
     "1:33: cache.namespaces.a.maker: found a value; expected a mapping\n"},
    {"keys of another maker",
     "cache:\n  defaults:\n    maker:\n      recipe: kernel\n      headers: {A: b}\n      absent_exit: 1\n      redirects:\n",
     "5:7: cache.defaults.maker.headers: found it with recipe; expected it with http only\n"
     "6:7: cache.defaults.maker.absent_exit: found it with recipe; expected it with command only\n"},
    {"a command line for a list", "cache: {defaults: {maker: {command: \"make it\"}}}\n",
     "1:37: cache.defaults.maker.command: found a value; expected a list of a program and its arguments such as [convert, "
     "\"{1}\", \"-\"]\n"},
    {"an empty command", "cache: {defaults: {maker: {command: []}}}\n",
     "1:37: cache.defaults.maker.command: found an empty list; expected a list of a program and its arguments such as "
     "[convert, "
     "\"{1}\", \"-\"]\n"},
    {"a command without a program", "cache: {defaults: {maker: {command: ['', x]}}}\n",
     "1:38: cache.defaults.maker.command: found an empty text; expected the name of a program\n"},
    {"places without quotes", "cache: {defaults: {maker: {command: [x, {key}]}}}\n",
     "1:41: cache.defaults.maker.command: found a mapping; expected a text\n"},
    {"makers of nothing but a key",
     "cache:\n  namespaces:\n    a: {maker: {http: ''}}\n    b: {maker: {recipe: ''}}\n    c: {maker: {callback: "
     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "a"
     "aaaaaaaaaaaaa\"}}\n",
     "3:23: cache.namespaces.a.maker.http: found an empty text; expected a URL\n"
     "4:25: cache.namespaces.b.maker.recipe: found an empty text; expected a name of 1 to 128 bytes\n"
     "5:27: cache.namespaces.c.maker.callback: found a text that is too long; expected a name of 1 to 128 bytes\n"},
    {"a place in a host",
     "cache:\n  namespaces:\n    a: {maker: {http: 'https://{1}/up'}}\n    b: {health: {check: {http: 'https://{1}/up'}}}\n",
     "3:23: cache.namespaces.a.maker.http: found a place in the URL's host; expected it behind the host's /, so that no key "
     "chooses whom to ask\n"
     "4:32: cache.namespaces.b.health.check.http: found a place in the URL's host; expected it behind the host's /, so that no "
     "key chooses whom to ask\n"},
    {"places of checks that are none",
     "cache:\n  namespaces:\n    a: {health: {check: {command: [x, '{key']}}}\n    b: {health: {check: {http: 'h/{key}'}}}\n",
     "3:39: cache.namespaces.a.health.check.command: at character 1: found a { that is not closed; expected a place like "
     "{path}, and {{ for a brace\n"
     "4:32: cache.namespaces.b.health.check.http: expected a URL that begins with https:// or http:// and a host\n"},
    {"a recipe that is no name", "cache: {namespaces: {a: {maker: {recipe: [kernel]}}, b: {maker: {callback: {x: 1}}}}}\n",
     "1:42: cache.namespaces.a.maker.recipe: found a list; expected a text\n"
     "1:76: cache.namespaces.b.maker.callback: found a mapping; expected a text\n"},
    {"fields that are named twice, or not",
     "cache:\n  namespaces:\n    a: {import: {key: 'c:{id', key_field: id, value_row: true, value_field: v}}\n"
     "    b: {import: {key: all, ttl_field: '', value_row: perhaps}}\n    c: {import: {key_fild: a}}\n    d: {import: sku}\n",
     "3:23: cache.namespaces.a.import.key: key template \"c:{id\": at character 3: a { without its }; write {{ for a brace\n"
     "3:32: cache.namespaces.a.import: found key_field beside key; expected one of them\n"
     "3:47: cache.namespaces.a.import: found value_row beside value_field; expected one of them\n"
     "4:23: cache.namespaces.b.import.key: found \"all\"; expected the {name} of a field in it\n"
     "4:39: cache.namespaces.b.import.ttl_field: found an empty text; expected the name of a field\n"
     "4:54: cache.namespaces.b.import.value_row: found \"perhaps\"; expected true or false\n"
     "5:18: cache.namespaces.c.import: found the unknown key \"key_fild\"; expected one of its keys; the nearest is key_field\n"
     "6:17: cache.namespaces.d.import: found a value; expected a mapping\n"},
    {"what is nearby by no measure",
     "cache:\n  namespaces:\n    a:\n      maker: {recipe: kernel}\n      nearby: {places: /dev/null, key: 'c:{cbsa}', radius: "
     "5 "
     "parsec}\n    b:\n      maker: {recipe: kernel}\n      nearby: {places: /dev/null, key: 'c:{cbsa', radius: 5 km}\n    "
     "c:\n     "
     " "
     "maker: {recipe: kernel}\n      nearby: {places: /dev/null/cities.csv, key: cbsa}\n",
     "5:60: cache.namespaces.a.nearby.radius: found \"5 parsec\"; expected a distance such as 50mi, 80km or 50 (miles)\n"
     "8:40: cache.namespaces.b.nearby.key: key template \"c:{cbsa\": at character 3: a { without its }; write {{ for a brace\n"
     "11:51: cache.namespaces.c.nearby.key: found \"cbsa\"; expected the {name} of a field in it\n"},
    {"a table of places that is not there",
     "cache:\n  namespaces:\n    a:\n      maker: {recipe: kernel}\n      nearby: {places: /nowhere/cities.csv, key: "
     "'c:{cbsa}'}\n",
     "notice 5:24: cache.namespaces.a.nearby.places: there is no such file now; nothing is nearby without it\n"},
    {"what nobody carries out",
     "cache:\n  prefetch: {enabled: false}\n  defaults: {refresh: every 1d}\n  namespaces:\n    a: {refresh: every 1d}\n    b: "
     "{ttl: 1d}\n    c: {refresh: never}\n    d: {nearby: {places: /dev/null, key: 'c:{cbsa}'}}\n    e: {maker: {recipe: "
     "kernel}, "
     "refresh: every 1d, nearby: {places: /dev/null, key: 'c:{cbsa}'}}\n",
     "notice 5:9: cache.namespaces.a.refresh: nothing is made anew, since the namespace has no maker; give it one, or leave "
     "this "
     "out\n"
     "notice 8:9: cache.namespaces.d.nearby: nothing is made ahead, since the namespace has no maker; give it one, or leave "
     "this "
     "out\n"
     "notice 9:53: cache.namespaces.e.nearby: nothing is made ahead, since `prefetch` is switched off; switch it on, or leave "
     "this out\n"},
    {"predictions that nobody carries out",
     "cache:\n  namespaces:\n    a: {predict: {enable: true}}\n    b: {predict: {top: 4}}\n    c: {maker: {recipe: kernel}, "
     "predict: "
     "{enable: true}}\n",
     "notice 3:9: cache.namespaces.a.predict: nothing is made ahead, since the namespace has no maker; give it one, or leave "
     "this "
     "out\n"},
    {"an agent that decides nothing",
     "cache:\n  namespaces:\n    a: {agent: {enable: true}}\n    b: {agent: {seed: 4}}\n"
     "    c: {maker: {recipe: kernel}, agent: {enable: true}}\n"
     "    d: {maker: {recipe: kernel}, predict: {enable: true}, tiers: [sqlite], agent: {enable: true}}\n"
     "    e: {maker: {recipe: kernel}, predict: {enable: true}, agent: {enable: true}}\n",
     "notice 3:9: cache.namespaces.a.agent: nothing is decided, since the namespace has no maker\n"
     "notice 5:34: cache.namespaces.c.agent: nothing is decided, since `predict` of the namespace is not enabled\n"
     "notice 6:76: cache.namespaces.d.agent: nothing is decided, since the namespace has no memory in its chain\n"},
    {"an agent that can't be",
     "cache: {defaults: {agent: {method: guess, hit: lots, wasted: -2e6, horizon: 65537, max_keys: 1, margin: 0, epsilon: 0, "
     "epsilon_last: 0%}}}\n",
     "1:36: cache.defaults.agent.method: found \"guess\"; expected one of bandit, linear-q, network-q\n"
     "1:48: cache.defaults.agent.hit: found \"lots\"; expected a number from -1000000 to 1000000\n"
     "1:62: cache.defaults.agent.wasted: found \"-2e6\"; expected a number from -1000000 to 1000000\n"
     "1:77: cache.defaults.agent.horizon: found \"65537\"; expected a whole number from 0 to 65536\n"
     "1:94: cache.defaults.agent.max_keys: found \"1\"; expected a whole number from 64 to 1048576\n"
     "1:105: cache.defaults.agent.margin: found \"0\"; expected a part from 0.0001 to 1, or as a percentage up to 100%\n"
     "1:117: cache.defaults.agent.epsilon: found \"0\"; expected a part from 0.0001 to 1, or as a percentage up to 100%\n"
     "1:134: cache.defaults.agent.epsilon_last: found \"0%\"; expected a part from 0.0001 to 1, or as a percentage up to "
     "100%\n"},
    {"two agents with one file",
     "cache:\n  defaults: {maker: {recipe: kernel}, predict: {enable: true}, agent: {enable: true, file: /a/one}}\n"
     "  ttl_policies: {e: 1h}\n"
     "  namespaces:\n"
     "    a: {agent: {file: /a/two}}\n"
     "    b:\n"
     "    c: {agent: {seed: 4, file: /a/b/../two}}\n"
     "    d: {ttl: 1h}\n"
     "    f: {agent: {enable: false}}\n"
     "    g: {predict: {enable: false}}\n",
     "6:5: cache.namespaces.b.agent.file: found \"/a/one\", which namespace e has at line 3; expected a file of its own\n"
     "7:32: cache.namespaces.c.agent.file: found \"/a/b/../two\", which namespace a has at line 5; expected a file of its own\n"
     "8:5: cache.namespaces.d.agent.file: found \"/a/one\", which namespace e has at line 3; expected a file of its own\n"},
    {"more by chance in the end", "cache: {defaults: {agent: {epsilon: 1%, epsilon_last: 2%}}}\n",
     "1:55: cache.defaults.agent.epsilon_last: found more than epsilon; expected no more by chance in the end than at first\n"},
    {"predictions by another chain", "cache: {defaults: {predict: {chain: third, top: 65, max_waste: 2}}}\n",
     "1:37: cache.defaults.predict.chain: found \"third\"; expected one of blend, first, second, context\n"
     "1:49: cache.defaults.predict.top: found \"65\"; expected a whole number from 1 to 64\n"
     "1:64: cache.defaults.predict.max_waste: found \"2\"; expected a part from 0 to 1, or as a percentage up to 100%\n"},
    {"a rate in a unit of its own", "cache: {defaults: {maker: {recipe: kernel, rate: 5/week, host_rate: 1}}}\n",
     "1:50: cache.defaults.maker.rate: found \"5/week\"; expected how often, such as 5/s, 300/min, 1000/h or 10/d, from 1/d to "
     "1000000/s, or 0 (a bare number is so many a second)\n"
     "1:58: cache.defaults.maker.host_rate: found it with recipe; expected it with http only\n"},
    {"a rate of less than one a day", "cache: {defaults: {maker: {recipe: kernel, rate: 0.5/d}}}\n",
     "1:50: cache.defaults.maker.rate: found \"0.5/d\"; expected how often, such as 5/s, 300/min, 1000/h or 10/d, from 1/d to "
     "1000000/s, or 0 (a bare number is so many a second)\n"},
    {"two characters between parts", "cache: {defaults: {maker: {recipe: kernel, separator: '::'}}}\n",
     "1:55: cache.defaults.maker.separator: found \"::\"; expected one character, not |\n"},
    {"the mark of pairs between parts", "cache: {defaults: {maker: {recipe: kernel, separator: '|'}}}\n",
     "1:55: cache.defaults.maker.separator: found \"|\"; expected one character, not |\n"},
    {"recipes that are none",
     "cache:\n  namespaces:\n    a:\n      maker: {recipe: kernal}\n      warm: [{recipe: laplacan, dim: 2}, {recipe: xyz}]\n",
     "4:23: cache.namespaces.a.maker.recipe: found \"kernal\"; expected one of kernel, laplacian, echo, profile, sources, "
     "wisdom; the "
     "nearest is kernel\n"
     "5:23: cache.namespaces.a.warm.recipe: found \"laplacan\"; expected one of kernel, laplacian, echo, profile, sources, "
     "wisdom; "
     "the nearest is laplacian\n"
     "5:51: cache.namespaces.a.warm.recipe: found \"xyz\"; expected one of kernel, laplacian, echo, profile, sources, "
     "wisdom\n"},
    {"names that no header has",
     "cache: {defaults: {maker: {http: \"https://h/\", headers: {'A B': hunter2, 'X:': \"a\\nhunter2\", Accept: [1]}}}}\n",
     "1:58: cache.defaults.maker.headers: found the name \"A B\"; expected the name of a header field, such as Accept\n"
     "1:80: cache.defaults.maker.headers.X:: found a line break or =; expected a name and one line\n"
     "1:102: cache.defaults.maker.headers.Accept: found a list; expected a value\n"},
    {"names that no variable has", "cache: {defaults: {maker: {command: [x], environment: {1A: b, A-B: c, A_1: d}}}}\n",
     "1:56: cache.defaults.maker.environment: found the name \"1A\"; expected the name of a variable, such as API_TOKEN\n"
     "1:63: cache.defaults.maker.environment: found the name \"A-B\"; expected the name of a variable, such as API_TOKEN\n"},
    {"an exit code of the shell", "cache: {defaults: {maker: {command: [x], absent_exit: 127}}}\n",
     "1:55: cache.defaults.maker.absent_exit: found \"127\"; expected a whole number from 0 to 125\n"},
    {"a file without the section", "other: {cache: 1}\n",
     "notice 1:1: the file has no section cache: the defaults are in force\n"},
    {"a file with nearly the section", "caches: {}\n",
     "notice 1:1: the file has no section cache: the defaults are in force (is this one meant?)\n"},
    {"a file with the section mistyped", "others: 1\nCahce: {}\n",
     "notice 2:1: the file has no section cache: the defaults are in force (is this one meant?)\n"},
    {"a file of another program", "cached_pages: 3\ncac: {}\ncache_control: no-store\n",
     "notice 1:1: the file has no section cache: the defaults are in force\n"},
    {"an empty file", "", "notice 1:1: the file has no section cache: the defaults are in force\n"},
    {"an empty section", "cache:\n", ""},
    {"a key without a value", "cache:\n  root:\n  memory:\n  namespaces:\n    a:\n      ttl:\n", ""},
    {"broken YAML", "cache:\n  memory: {size_mb: 5\n  sqlite: {}\n",
     "3:9: found text that is not YAML (missing comma in flow mapping); expected valid YAML 1.2\n"},
    {"a tab", "cache:\n\tmemory: {}\n",
     "2:1: found text that is not YAML (tab character may not be used as indentation); expected valid YAML 1.2\n"},
    {"a quote not closed", "cache: {root: \"x\n",
     "1:16: found text that is not YAML (double-quoted scalar without closing quote); expected valid YAML 1.2\n"},
    {"an alias of nothing", "cache: *nowhere\n",
     "1:9: found the alias \"nowhere\" of no anchor; expected one of an anchor that stands complete before it\n"},
    {"an alias within its anchor", "cache: &a {b: *a}\n",
     "1:16: found the alias \"a\" within its own anchor; expected one of an anchor that stands complete before it\n"},
    {"two documents", "cache: {}\n---\ncache: {}\n", "2:1: found a second document; expected one per file\n"},
    {"bytes that are no UTF-8", "cache:\n  root: ab\377\n", "2:11: found the byte 0xff; expected text in UTF-8\n"},
    {"deep nesting", "cache: [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]\n",
     "1:23: found more than 16 levels of nesting; expected at most 16\n"},
    {"a merge of a value", "cache: {memory: {<<: 5}}\n",
     "1:22: found a value after <<; expected a mapping or a list of mappings\n"},
    {"several at once, in the file's order", "cache:\n  namespaces: {a: {ttl: x}}\n  slots: y\n  zzz: 1\n",
     "2:25: cache.namespaces.a.ttl: found \"x\"; expected a duration such as 90s, 1h or 7d, or never, from 1ms to 36500d (a "
     "bare number is seconds)\n3:10: cache.slots: found \"y\"; expected a power of two from 1024 to 268435456\n4:3: cache: "
     "found the unknown key \"zzz\"; expected one of root, shared_filesystem, slots, key_file, graceful_mode, statistics, "
     "checksums, "
     "sweep_interval, secrets, memory, sqlite, files, jsonl, redis, compression, breaker, prefetch, monitoring, defaults, "
     "ttl_policies, "
     "namespaces\n"},
};

static void each_mistake_is_told_word_for_word(void **state) {
  (void)state;
  unsetenv("LARDER_TEST_UNSET");
  setenv("LARDER_TEST_SECRET", "hunter2", 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *told = config_complaints(cases[i].text);
    if (strcmp(told, cases[i].told) != 0) print_error("%s:\n%s\n", cases[i].name, cases[i].text);
    assert_string_equal(told, cases[i].told);
    free(told);
  }
}

static void the_designs_example_is_understood_but_for_parts_that_are_missing(void **state) {
  (void)state;
  unsetenv("REDIS_PASSWORD");
  char *told = config_complaints(config_text_design);
  assert_string_equal(told,
                      "19:43: cache.namespaces.proxies.tiers: needs jsonl, which this build does not have\n"
                      "19:82: cache.namespaces.proxies.limits: needs jsonl, which this build does not have\n"
                      "notice 13:31: cache.namespaces.bls_ces.tiers: redis is switched off: the chain goes on without it\n");
  free(told);
}

static char *repeated(const char *before, const char *each, size_t times, const char *after) {
  size_t len = 0;
  char *text = NULL;
  FILE *stream = open_memstream(&text, &len);
  assert_non_null(stream);
  fputs(before, stream);
  for (size_t i = 0; i < times; i++) fputs(each, stream);
  fputs(after, stream);
  fclose(stream);
  return text;
}

static void expect_told(char *text, const char *wanted) {
  char *told = config_complaints(text);
  assert_string_equal(told, wanted);
  free(told);
  free(text);
}

static void a_text_over_one_mebibyte_is_refused(void **state) {
  (void)state;
  expect_told(repeated("cache: {}\n", "#", LRD_YAML_BYTES_MAX - 11, "\n"), "");
  expect_told(repeated("cache: {}\n", "#", LRD_YAML_BYTES_MAX - 10, "\n"),
              "1:1: found 1048577 bytes; expected at most 1 MiB\n");
}

static void a_file_over_one_mebibyte_is_refused_unread(void **state) {
  char *path = support_path(*state, "large.yaml");
  char *text = repeated("cache: {}\n", "#", LRD_YAML_BYTES_MAX, "\n");
  support_file_write(path, text, strlen(text));
  lrd_config *config = NULL;
  larder_error err = {0};
  assert_err(lrd_config_load(&(lrd_config_source){.file = path}, &config, &err), LARDER_ECONFIG);
  assert_memory_equal(err.message, path, strlen(path));
  assert_string_equal(err.message + strlen(path), ":1:1: found more than 1 MiB; expected at most 1 MiB");
  free(text);
  free(path);
}

static void aliases_that_multiply_are_refused_before_they_do(void **state) {
  (void)state;
  char *bomb = strdup("a: &a [x,x,x,x,x,x,x,x,x,x]\n"
                      "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                      "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                      "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                      "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                      "cache: {}\n");
  expect_told(bomb, "4:7: the file comes to more than 100000 values once its aliases are followed; expected fewer\n");
}

static void more_than_64_aliases_are_refused(void **state) {
  (void)state;
  expect_told(repeated("base: &b {a: 1}\nlist: [", "*b, ", LRD_YAML_ALIASES_MAX, "]\ncache: {}\n"), "");
  expect_told(repeated("base: &b {a: 1}\nlist: [", "*b, ", LRD_YAML_ALIASES_MAX + 1, "]\ncache: {}\n"),
              "2:265: found more than 64 aliases; expected at most 64\n");
}

static void many_values_are_refused(void **state) {
  (void)state;
  expect_told(repeated("list: [", "1, ", LRD_YAML_WEIGHT_MAX - 10, "]\ncache: {}\n"), "");
  expect_told(repeated("list: [", "1, ", LRD_YAML_WEIGHT_MAX + 10, "]\ncache: {}\n"),
              "1:300005: the file comes to more than 100000 values once its aliases are followed; expected fewer\n");
}

static void many_keys_are_refused(void **state) {
  (void)state;
  expect_told(repeated("cache: {}\nother: {", "a, ", LRD_YAML_KEYS_MAX, "}\n"), "");
  expect_told(repeated("cache: {}\nother: {", "a, ", LRD_YAML_KEYS_MAX + 1, "}\n"),
              "2:12297: found more than 4096 keys in a mapping; expected at most 4096\n");
}

static void mistakes_beyond_a_hundred_are_counted_only(void **state) {
  (void)state;
  char *text = repeated("cache:\n", "  zzzzz: 1\n", 150, "");
  lrd_config *config = NULL;
  larder_error err = {0};
  assert_err(lrd_config_load(&(lrd_config_source){.text = text, .root = "/srv/larder"}, &config, &err), LARDER_ECONFIG);
  assert_non_null(strstr(err.message, "(and 149 more)"));
  char *told = config_complaints(text);
  size_t lines = 0;
  for (const char *at = told; *at != '\0'; at++) lines += *at == '\n';
  assert_int_equal(lines, LRD_MISTAKES_MAX);
  free(told);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_mistake_is_told_word_for_word),
      cmocka_unit_test(the_designs_example_is_understood_but_for_parts_that_are_missing),
      cmocka_unit_test(a_text_over_one_mebibyte_is_refused),
      SUPPORT_DIR_TEST(a_file_over_one_mebibyte_is_refused_unread),
      cmocka_unit_test(aliases_that_multiply_are_refused_before_they_do),
      cmocka_unit_test(more_than_64_aliases_are_refused),
      cmocka_unit_test(many_values_are_refused),
      cmocka_unit_test(many_keys_are_refused),
      cmocka_unit_test(mistakes_beyond_a_hundred_are_counted_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
