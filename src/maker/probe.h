/* SPDX-License-Identifier: Apache-2.0 */
/* One try whether an entry works: `health.check` of a namespace. By any thread, for several keys at once. */
#ifndef LRD_MAKER_PROBE_H
#define LRD_MAKER_PROBE_H

#include "config/configuration.h"
#include "http_engine.h"
#include "making.h"

typedef struct lrd_probe lrd_probe;

/* Own. config, ns and secrets are borrowed for its lifetime, and so is the engine (of http; else NULL). LARDER_ECONFIG with a
 * sentence for templates that can't be. */
LARDER_MUST_CHECK larder_err lrd_probe_new(const lrd_config_check *config, const char *ns, const char *secrets,
                                           lrd_http_engine *engine, lrd_probe **out, larder_error *err);
void lrd_probe_free(lrd_probe *probe); /* NULL is fine */

/*
 * Blocks until it is known, at most for the check's timeout. LARDER_OK: it works. LARDER_EIO: it does not, and err says why,
 * without the key. Anything else: it was not found out: LARDER_EINVAL (the key has not what the template wants), LARDER_EAWAY
 * (this machine could not ask) and LARDER_EUNSUPPORTED (it never can), each with a sentence in err; LARDER_ECANCELLED,
 * LARDER_ENOMEM.
 */
LARDER_MUST_CHECK larder_err lrd_probe_run(lrd_probe *probe, const void *key, size_t key_len, const lrd_cancel *cancel,
                                           larder_error *err);

#endif
