/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of one seed as JSON Lines. Names need no escaping: they are letters, digits, - _ and . */
#include "session_stream.h"

#include "base/fail.h"
#include <stdio.h>

typedef struct writing {
  bool (*write)(void *context, const void *data, size_t len);
  void *context;
} writing;

/* Asks the writer, while there is nothing to write yet. */
static bool writing_goes_on(void *context) {
  const writing *w = context;
  return w->write(w->context, "", 0);
}

larder_err larder_traffic_write(const larder_traffic *traffic, uint64_t seed,
                                bool (*write)(void *context, const void *data, size_t len), void *context, larder_error *err) {
  char path[LARDER_TRAFFIC_NAME_MAX + 16], line[512];
  lrd_request_list list;
  if (traffic == NULL || write == NULL) return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "there is no traffic");
  writing w = {write, context};
  larder_err result = lrd_requests_make(traffic, seed, writing_goes_on, &w, &list);
  if (result != LARDER_OK)
    return lrd_fail(err, result, 0, LRD_TRAFFIC_ROOM,
                    result == LARDER_ETOOBIG      ? LRD_TRAFFIC_TOO_MUCH
                    : result == LARDER_ECANCELLED ? "stopped"
                                                  : "out of memory");
  for (uint64_t i = 0; i < list.len && result == LARDER_OK; i++) {
    const lrd_request *request = &list.items[i];
    const lrd_traffic_endpoint *endpoint = &traffic->endpoints[request->endpoint];
    lrd_request_path(traffic, request, path, sizeof path);
    int len = snprintf(line, sizeof line,
                       "{\"key\": \"%s\", \"endpoint\": \"%s\", \"at_ms\": %.3f, \"session\": %u, \"user\": \"%s\", \"size\": "
                       "%llu}\n",
                       path, endpoint->name, request->at_ms, request->session, traffic->users[request->user].name,
                       (unsigned long long)endpoint->bytes);
    LRD_ASSERT(len > 0 && (size_t)len < sizeof line);
    if (!write(context, line, (size_t)len)) result = lrd_fail(err, LARDER_ECANCELLED, 0, LRD_TRAFFIC_ROOM, "stopped");
  }
  lrd_requests_fini(&list);
  return result;
}
