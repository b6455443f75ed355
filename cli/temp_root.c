/* SPDX-License-Identifier: Apache-2.0 */
#include "temp_root.h"

#include "session.h"
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

cli_exit cli_temp_root_make(const cli_call *call, char *out, size_t room) {
  const char *folder = getenv("TMPDIR");
  if (folder == NULL || folder[0] == '\0') folder = "/tmp";
  if (snprintf(out, room, "%s/larder-XXXXXX", folder) >= (int)room)
    return cli_refuse(call, CLI_FAILED, "set TMPDIR to a shorter path", "the path of the temporary folder is too long");
  if (mkdtemp(out) != NULL) return CLI_DONE;
  return cli_refuse(call, CLI_FAILED, "set TMPDIR to a folder that can be written", "cannot make a folder in %s: %s", folder,
                    strerror(errno));
}

static int removed(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  remove(path);
  return 0;
}

void cli_temp_root_remove(const char *path) { nftw(path, removed, 16, FTW_DEPTH | FTW_PHYS); }
