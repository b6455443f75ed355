/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of sealed namespaces: which there are, how much is sealed with each, and sealing anew with the present one. No call
 * shows a key; an id is a digest of it. How keys are given is in docs/secrets.md.
 *
 * To replace a key: put a new one in front of the present one (larder_key_file_new with `next`, or LARDER_KEY with the
 * former one in LARDER_KEY_PREVIOUS), start the programs again, call larder_keys_rotate, and take the former key away once
 * larder_keys_each says that nothing is sealed with it.
 */
#ifndef LARDER_KEYS_H
#define LARDER_KEYS_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_KEY_ID_LEN 16 /* hexadecimal digits */

typedef struct larder_key {
  char id[LARDER_KEY_ID_LEN + 1];
  const char *source; /* "LARDER_KEY", "LARDER_KEY_PREVIOUS" or the key file's path; NULL: it is not here */
  bool current;       /* the one that seals */
  uint64_t entries;   /* sealed with it, in the lowest tiers of all namespaces */
} larder_key;

/*
 * Visits the keys, the present one first, then those that are not here but that something is sealed with. Reads every entry
 * of every namespace, so it takes its time. LARDER_EAWAY when a tier could not be asked.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_keys_each(larder *cache, bool (*visit)(void *context, const larder_key *key),
                                                         void *context);

typedef struct larder_rotation {
  uint64_t examined; /* entries looked at */
  uint64_t total;    /* about how many there are to look at */
  uint64_t resealed;
  uint64_t locked; /* left: sealed with a key that is not here, or of a newer Larder */
  uint64_t failed; /* left: a tier, a slot or the memory was not to be had; another run takes them */
  bool complete;   /* all were looked at, none failed */
} larder_rotation;

/*
 * Seals anew what in sealed namespaces is not sealed as a put would seal it now: under a former key, by another algorithm,
 * or not at all. Entries keep their lifetime, version, metadata and tags, and get a new stamp. Others may read and write
 * meanwhile; what they write is not overwritten. It may be stopped or killed at any time and started again: what is done
 * stays done, and is not done again. ns NULL: all. progress (may be NULL) is called now and then; false stops.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_keys_rotate(larder *cache, larder_ns *ns,
                                                           bool (*progress)(void *context, const larder_rotation *so_far),
                                                           void *context, larder_rotation *out);

/*
 * Makes a key file with a new key and mode 0600. Where there is one: LARDER_EBUSY, or with `next` the new key goes in front
 * of those it has, by replacing the file.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_key_file_new(const char *path, bool next, char id_out[LARDER_KEY_ID_LEN + 1],
                                                            larder_error *err);
/* The key file that the configuration names, or NULL. Lives as long as the cache. */
LARDER_API const char *larder_key_file(const larder *cache);

#ifdef __cplusplus
}
#endif
#endif
