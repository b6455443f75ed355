/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Former values of an entry. A namespace with `keep_versions: N` keeps the last N values that were replaced, each with its
 * version, metadata, tags and kind, until the entry is deleted; they do not expire. Each is named by its stamp, or by the
 * version text that it was put with.
 */
#ifndef LARDER_VERSIONS_H
#define LARDER_VERSIONS_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One value of an entry, borrowed during the visit. */
typedef struct larder_version {
  uint64_t stamp;
  int64_t written_ms; /* wall time */
  uint64_t len;
  const char *version; /* not NUL-terminated; NULL when version_len is 0 */
  size_t version_len;
  bool present; /* the one that a get hands out, fresh or stale */
} larder_version;

/*
 * Visits what is kept of an entry, newest first, the present value before the former ones. What a limit has evicted is left
 * out. LARDER_OK, or LARDER_MISS when there is nothing. The visit must not call back into the cache; false stops after it.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_versions_each(larder_ns *ns, const void *key, size_t key_len,
                                                             bool (*visit)(void *context, const larder_version *version),
                                                             void *context);

/* Which value is meant. Zero: the former one that was replaced last. */
typedef struct larder_version_wanted {
  size_t size;
  uint64_t stamp;      /* 0: by version */
  const char *version; /* the newest that was put with it; NULL: any */
} larder_version_wanted;

/*
 * A value by its stamp or version, the present one too where one of them is given; larder_value_release it. It counts as no
 * lookup, and is handed out whether its lifetime has ended or not. LARDER_MISS; LARDER_EKEY and LARDER_EFORMAT as larder_get.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_version_get(larder_ns *ns, const void *key, size_t key_len,
                                                           const larder_version_wanted *wanted, larder_value *out);

/*
 * Puts a former value again, as the newest: with a new stamp and the namespace's lifetime, and its version, metadata, tags and
 * kind. What it replaces is kept as a former value. wanted may be NULL; never the present value. *stamp_out (may be NULL): of
 * the former value. LARDER_MISS when there is none such; else as larder_put.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_roll_back(larder_ns *ns, const void *key, size_t key_len,
                                                         const larder_version_wanted *wanted, uint64_t *stamp_out);

#ifdef __cplusplus
}
#endif
#endif
