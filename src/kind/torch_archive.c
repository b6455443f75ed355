/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PyTorch's `.pt`: a zip of one folder, named as its writer liked, with data.pkl (a pickle that says how the tensors go
 * together), version, and data/0, data/1 … (the tensors' bytes). The pickle is a program; it is never run here, only kept.
 */
#include "base/fail.h"
#include "formats.h"

#define ROOM "kind"

larder_err lrd_torch_check(const lrd_zip *zip, larder_error *err) {
  static const char pickle[] = "data.pkl";
  const size_t pickle_len = sizeof pickle - 1;
  bool found = false;
  for (size_t i = 0; i < zip->members_len; i++) {
    const lrd_zip_member *member = &zip->members[i];
    const char *slash = memchr(member->name, '/', member->name_len);
    size_t folder = slash ? (size_t)(slash - member->name) + 1 : 0;
    if (folder == 0 || zip->members[0].name_len < folder || memcmp(member->name, zip->members[0].name, folder) != 0)
      return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "the archive is no model of PyTorch: its files are not all in one folder");
    if (member->name_len == folder + pickle_len && memcmp(slash + 1, pickle, pickle_len) == 0) found = true;
  }
  if (found) return LARDER_OK;
  return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "the archive is no model of PyTorch: it has no data.pkl");
}

bool lrd_pickle_is(const void *data, size_t len) {
  const uint8_t *bytes = data;
  return len >= 3 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
}
