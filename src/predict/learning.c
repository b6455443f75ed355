/* SPDX-License-Identifier: Apache-2.0 */
/* The public calls of a namespace with an agent. */
#include "base/fail.h"
#include "foretelling.h"
#include "hosted_agent.h"

#define ROOM "agent"

larder_err larder_learning_figures_get(larder_ns *ns, larder_learning_figures *out) {
  if (ns == NULL || out == NULL) return LARDER_EINVAL;
  if (atomic_load(&ns->cache->forked)) return LARDER_EFORKED;
  lrd_hosted *hosted = lrd_foretell_hosted(ns);
  if (hosted == NULL) return LARDER_EUNSUPPORTED;
  lrd_lock(&hosted->shown_mutex);
  *out = hosted->shown;
  lrd_unlock(&hosted->shown_mutex);
  return LARDER_OK;
}

static larder_err with_file(larder_ns *ns, const char *path,
                            larder_err (*call)(lrd_hosted *hosted, const char *path, larder_error *err), larder_error *err) {
  if (ns == NULL || path == NULL) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a namespace and a path are needed");
  if (atomic_load(&ns->cache->forked)) return lrd_fail(err, LARDER_EFORKED, 0, ROOM, "%s", larder_err_text(LARDER_EFORKED));
  lrd_hosted *hosted = lrd_foretell_hosted(ns);
  if (hosted == NULL) return lrd_fail(err, LARDER_EUNSUPPORTED, 0, ROOM, "namespace %s has no agent", ns->name);
  lrd_foretell_pause(ns->cache);
  larder_err result = call(hosted, path, err);
  lrd_foretell_go_on(ns->cache);
  return result;
}

larder_err larder_learning_save(larder_ns *ns, const char *path, larder_error *err) {
  return with_file(ns, path, lrd_hosted_save, err);
}

larder_err larder_learning_load(larder_ns *ns, const char *path, larder_error *err) {
  return with_file(ns, path, lrd_hosted_load, err);
}
