/* SPDX-License-Identifier: Apache-2.0 */
/* A file into a specification; its mistakes one by one. */
#include "traffic_spec.h"

#include "base/fail.h"
#include "base/fs.h"
#include <errno.h>
#include <stdio.h>

static larder_err file_read(const char *path, lrd_mistakes *mistakes, char **text, size_t *len, larder_error *err) {
  if (lrd_fs_slurp(path, LRD_YAML_BYTES_MAX, text, len) == 0) return LARDER_OK;
  int os_errno = errno;
  if (os_errno == EFBIG) {
    lrd_mistake_add(mistakes, (lrd_place){1, 1}, "found more than 1 MiB; expected at most 1 MiB");
    return LARDER_OK;
  }
  if (os_errno == ENOENT || os_errno == ENOTDIR)
    return lrd_fail(err, LARDER_MISS, os_errno, LRD_TRAFFIC_ROOM, "%s: there is no such file", path);
  if (os_errno == EISDIR) return lrd_fail(err, LARDER_EIO, os_errno, LRD_TRAFFIC_ROOM, "%s is a folder", path);
  return lrd_fail(err, lrd_err_from_errno(os_errno), os_errno, LRD_TRAFFIC_ROOM, "%s can't be read", path);
}

static larder_err mistakes_tell(const char *path, const lrd_mistakes *mistakes,
                                void (*visit)(void *context, const larder_traffic_mistake *mistake), void *context,
                                larder_error *err) {
  for (const lrd_mistake *one = mistakes->first; one != NULL && visit != NULL; one = one->next) {
    const larder_traffic_mistake told = {path, one->place.line, one->place.column, one->message};
    visit(context, &told);
  }
  const lrd_mistake *first = mistakes->first;
  LRD_ASSERT(first);
  return lrd_fail(err, LARDER_EFORMAT, 0, LRD_TRAFFIC_ROOM, "%s:%d:%d: %s", path, first->place.line, first->place.column,
                  first->message);
}

larder_err larder_traffic_open(const char *path, void (*visit)(void *context, const larder_traffic_mistake *mistake),
                               void *context, larder_traffic **out, larder_error *err) {
  if (path == NULL || out == NULL) return lrd_fail(err, LARDER_EINVAL, 0, LRD_TRAFFIC_ROOM, "there is no path");
  larder_traffic *traffic = lrd_traffic_new();
  if (traffic == NULL) return lrd_fail(err, LARDER_ENOMEM, 0, LRD_TRAFFIC_ROOM, "out of memory");
  char *text = NULL;
  size_t len = 0;
  lrd_mistakes mistakes;
  lrd_mistakes_init(&mistakes, &traffic->arena);
  larder_err result = file_read(path, &mistakes, &text, &len, err);
  if (result == LARDER_OK && text != NULL) {
    result = lrd_traffic_read(traffic, text, len, &mistakes);
    if (result != LARDER_OK) result = lrd_fail(err, result, 0, LRD_TRAFFIC_ROOM, "out of memory");
  }
  if (result == LARDER_OK && mistakes.count > 0) result = mistakes_tell(path, &mistakes, visit, context, err);
  lrd_dealloc(text);
  if (result == LARDER_OK)
    *out = traffic;
  else
    larder_traffic_close(&traffic);
  return result;
}

void larder_traffic_facts_get(const larder_traffic *t, larder_traffic_facts *out) {
  if (out) *out = (larder_traffic_facts){0};
  if (t == NULL || out == NULL) return;
  *out = (larder_traffic_facts){.services = t->services_len,
                                .endpoints = t->endpoints_len,
                                .users = t->users_len,
                                .keys = t->keys,
                                .cache_entries = t->cache_entries,
                                .length_s = t->length_ms / 1000};
}
