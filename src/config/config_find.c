/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is searched for may be absent; one that is there and cannot be read is a failure, not a reason to go on. */
#include "config/config_find.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "base/fs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *absolute_from_env(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] == '/' ? value : NULL;
}

/* `$XDG/tail`, else `$HOME/fallback/tail`. */
static const char *xdg_path(lrd_config_arena *arena, const char *xdg, const char *fallback, const char *tail,
                            bool *out_of_memory) {
  const char *base = absolute_from_env(xdg), *home = absolute_from_env("HOME");
  if (base == NULL && home == NULL) return NULL;
  const char *path = base != NULL ? lrd_config_arena_printf(arena, "%s/%s", base, tail)
                                  : lrd_config_arena_printf(arena, "%s/%s/%s", home, fallback, tail);
  if (path == NULL) *out_of_memory = true;
  return path;
}

const char *lrd_config_default_root(lrd_config_arena *arena, bool *out_of_memory) {
  return xdg_path(arena, "XDG_CACHE_HOME", ".cache", "larder", out_of_memory);
}

static larder_err file_present(const char *path, larder_error *err) {
  struct stat st;
  if (lrd_fs_stat(path, &st) == 0) return LARDER_OK;
  if (errno == ENOENT || errno == ENOTDIR) return LARDER_MISS;
  return lrd_fail(
      err, lrd_err_from_errno(errno), errno, "config",
      "%s may be there and cannot be looked at: %s; set HOME or XDG_CONFIG_HOME to a folder of this user's, or name a "
      "file (--config, LARDER_CONFIG)",
      path, strerror(errno));
}

larder_err lrd_config_find(lrd_config_arena *arena, const char *given, bool search, const char **path_out, larder_error *err) {
  const char *from_env = getenv("LARDER_CONFIG");
  bool out_of_memory = false;
  if (given == NULL && search && from_env != NULL && from_env[0] != '\0') given = from_env;
  if (given != NULL) {
    *path_out = lrd_config_arena_copy(arena, given, strlen(given));
    return *path_out != NULL ? LARDER_OK : lrd_fail(err, LARDER_ENOMEM, 0, "config", "out of memory");
  }
  if (!search) return LARDER_MISS;
  const char *const places[] = {
      "larder.yaml",
      xdg_path(arena, "XDG_CONFIG_HOME", ".config", "larder/larder.yaml", &out_of_memory),
  };
  if (out_of_memory) return lrd_fail(err, LARDER_ENOMEM, 0, "config", "out of memory");
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    if (places[i] == NULL) continue;
    larder_err found = file_present(places[i], err);
    if (found == LARDER_MISS) continue;
    if (found == LARDER_OK) *path_out = places[i];
    return found;
  }
  return LARDER_MISS;
}

const char *lrd_config_folder(lrd_config_arena *arena, const char *file, bool *out_of_memory) {
  const char *slash = file == NULL ? NULL : strrchr(file, '/'), *folder = NULL;
  size_t len = slash == NULL ? 0 : (size_t)(slash - file);
  char cwd[4096];
  if (file != NULL && file[0] == '/')
    folder = lrd_config_arena_copy(arena, file, len == 0 ? 1 : len);
  else if (getcwd(cwd, sizeof cwd) == NULL)
    return NULL;
  else if (len == 0)
    folder = lrd_config_arena_copy(arena, cwd, strlen(cwd));
  else
    folder = lrd_config_arena_printf(arena, "%s/%.*s", cwd, (int)len, file);
  if (folder == NULL) *out_of_memory = true;
  return folder;
}
