/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a folder ready: a configuration, a page for people, what git is to leave out, and the namespaces' own folders.
 * Nothing that is there is touched, so it may be run again.
 */
#include "commands.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct init_args {
  const char *folder;
  const char *layout;
} init_args;

#define AT(field) offsetof(init_args, field)

static const cli_option options[] = {
    {"layout", 0, CLI_CHOICE, AT(layout), "NAME", "sim plain", "sim",
     "sim: the namespaces of a simulation framework; plain: none, every namespace is a folder of files"},
    {0}};

static const cli_operand operands[] = {
    {"FOLDER", CLI_FOLDER, AT(folder), true, NULL, "the folder to make; without it the current one"}, {0}};

static const cli_example examples[] = {{"larder init .cache/mission", "then `cd .cache/mission`, or give --config"},
                                       {"larder init --layout plain data/cache", "no namespace is described beforehand"},
                                       {0}};

/* --- what the files say ---------------------------------------------------------------------------------------------- */

typedef struct init_ns {
  const char *name;
  const char *kind;
  const char *holds;
} init_ns;

static const init_ns sim[] = {{"fractional_kernels", "array", "weights of fractional derivatives"},
                              {"stencils", "array", "finite-difference operators"},
                              {"fftw_wisdom", "wisdom", "plans that FFTW has measured"},
                              {"echo_templates", "array", "prime-gap echo templates"},
                              {"state_profiles", "array", "initial states"},
                              {"source_maps", "array", "zones on a grid"},
                              {"mission_graph", "bytes", "results of mission steps"},
                              {"surrogates", "model", "trained models: models/ and metadata/"},
                              {0}};
static const init_ns plain[] = {{0}};

static const char readme[] =
    "# A cache of Larder\n"
    "\n"
    "Each folder is a namespace, each file in it an entry in its own format: open them with numpy, PyTorch, jq or an editor.\n"
    "`index.json` lists what a folder holds, with sizes, times and SHA-256; it is written by Larder and never read by it.\n"
    "`larder.yaml` says how entries are kept.\n"
    "\n"
    "- Copy and read whatever you like, at any time.\n"
    "- A file that you remove is a miss from then on. One that you change goes to `quarantine/` when it is next read.\n"
    "- A file that you drop in becomes an entry by `larder validate --repair`, named after its stem.\n"
    "- Leave `.files/`, `coherence.map` and `LOCK` alone: they are how programs agree with each other.\n"
    "\n"
    "Everything here can be removed while no program uses it; it costs only the time to make it again.\n";

static const char ignore[] = "# What a cache holds is made again; only what says how is kept.\n"
                             "*\n"
                             "!.gitignore\n"
                             "!README.md\n"
                             "!larder.yaml\n";

static void config_text(const init_ns *namespaces, cli_buf *out) {
  cli_buf_text(out, "# How this cache keeps what it holds. `larder config check` reads it, docs/configuration.md explains it.\n"
                    "cache:\n"
                    "  root: .\n"
                    "  defaults: {tiers: [memory, files], ttl: never}\n");
  if (namespaces->name != NULL) cli_buf_text(out, "  namespaces:\n");
  for (; namespaces->name != NULL; namespaces++)
    cli_buf_printf(out, "    %s: {kind: %s}  # %s\n", namespaces->name, namespaces->kind, namespaces->holds);
}

/* --- making -------------------------------------------------------------------------------------------------------------- */

typedef struct making {
  const cli_call *call;
  const char *folder;
  cli_list made;
  cli_list kept;
} making;

static void note(cli_list *list, const char *name) {
  if (list->count < CLI_LIST_MAX) list->items[list->count++] = name;
}

static bool folder_there(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* With its parents. */
static bool folder_make(const char *path) {
  char part[PATH_MAX];
  size_t const len = strlen(path);
  if (len >= sizeof part) return errno = ENAMETOOLONG, false;
  for (size_t at = 1; at <= len; at++) {
    if (path[at] != '/' && path[at] != '\0') continue;
    memcpy(part, path, at);
    part[at] = '\0';
    if (mkdir(part, 0700) != 0 && !folder_there(part)) return false;
  }
  return true;
}

/* Never over something that is there. */
static cli_exit file_make(making *m, const char *name, const char *text, size_t len) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/%s", m->folder, name) >= (int)sizeof path)
    return cli_refuse(m->call, CLI_FAILED, NULL, "the path of %s is too long", name);
  int const fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EEXIST) {
    note(&m->kept, name);
    return CLI_DONE;
  }
  bool const written = fd >= 0 && write(fd, text, len) == (ssize_t)len;
  int const why = errno;
  if (fd >= 0 && close(fd) == 0 && written) {
    note(&m->made, name);
    return CLI_DONE;
  }
  if (fd >= 0) (void)unlink(path); /* half of it would be taken for somebody's own the next time */
  return cli_refuse(m->call, CLI_FAILED, "check the disk and the folder's owner", "cannot write %s: %s", path, strerror(why));
}

/* Opening a namespace makes its folder; closing the cache writes each index.json. */
static cli_exit namespaces_make(const making *m, const char *config, const init_ns *namespaces) {
  larder *cache = NULL;
  larder_error error = {0};
  larder_options how = {.size = sizeof how,
                        .config_file = config,
                        .log = cli_log_line,
                        .log_context = (void *)m->call,
                        .log_level = LARDER_LOG_WARN,
                        .memory_bytes_max = CLI_MEMORY_BYTES};
  cli_exit code = CLI_DONE;
  larder_err result = larder_open(&how, &cache, &error);
  if (result != LARDER_OK) return cli_refuse_result(m->call, result, &error, "cannot open the cache");
  for (; namespaces->name != NULL && code == CLI_DONE; namespaces++) {
    larder_ns *ns = NULL;
    result = larder_ns_open(cache, namespaces->name, &ns, &error);
    if (result != LARDER_OK) code = cli_refuse_result(m->call, result, &error, "cannot make a namespace");
  }
  return cli_close(m->call, &cache, code);
}

static cli_exit model_folders_make(const making *m) {
  static const char *const folders[] = {"surrogates/models", "surrogates/metadata"};
  char path[PATH_MAX];
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    if (snprintf(path, sizeof path, "%s/%s", m->folder, folders[i]) >= (int)sizeof path || !folder_make(path))
      return cli_refuse(m->call, CLI_FAILED, NULL, "cannot make %s", folders[i]);
  }
  return CLI_DONE;
}

static void list_tell(cli_json *json, const char *name, const cli_list *list) {
  cli_json_array(json, name);
  for (size_t i = 0; i < list->count; i++) cli_json_text(json, NULL, list->items[i]);
  cli_json_array_end(json);
}

static void tell(const making *m, const init_ns *namespaces) {
  if (m->call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "root", m->folder);
    list_tell(&json, "made", &m->made);
    list_tell(&json, "kept", &m->kept);
    cli_json_array(&json, "namespaces");
    for (; namespaces->name != NULL; namespaces++) cli_json_text(&json, NULL, namespaces->name);
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_end(&json);
    return;
  }
  if (m->call->globals->quiet) return;
  for (size_t i = 0; i < m->made.count; i++) printf("made %s/%s\n", m->folder, m->made.items[i]);
  for (size_t i = 0; i < m->kept.count; i++) printf("left %s/%s as it is\n", m->folder, m->kept.items[i]);
  for (; namespaces->name != NULL; namespaces++) printf("ready %s: %s\n", namespaces->name, namespaces->holds);
}

static cli_exit run(const cli_call *call, void *given) {
  const init_args *args = given;
  const init_ns *namespaces = strcmp(args->layout, "sim") == 0 ? sim : plain;
  char folder[PATH_MAX];
  char config[PATH_MAX + 16];
  cli_buf text = {0};
  if (call->globals->config != NULL || call->globals->root != NULL)
    return cli_refuse(call, CLI_USAGE, "give the folder itself: larder init FOLDER",
                      "init writes a configuration of its own: --config and --root do not go with it");
  const char *wanted = args->folder == NULL ? "." : args->folder;
  if (!folder_make(wanted) || realpath(wanted, folder) == NULL)
    return cli_refuse(call, CLI_FAILED, "choose a folder that you may write", "cannot make %s: %s", wanted, strerror(errno));
  making m = {.call = call, .folder = folder};
  config_text(namespaces, &text);
  cli_exit code = file_make(&m, "larder.yaml", cli_buf_str(&text), text.len);
  cli_buf_fini(&text);
  if (code == CLI_DONE) code = file_make(&m, "README.md", readme, sizeof readme - 1);
  if (code == CLI_DONE) code = file_make(&m, ".gitignore", ignore, sizeof ignore - 1);
  snprintf(config, sizeof config, "%s/larder.yaml", folder);
  if (code == CLI_DONE) code = namespaces_make(&m, config, namespaces);
  if (code == CLI_DONE && namespaces == sim) code = model_folders_make(&m);
  if (code == CLI_DONE) tell(&m, namespaces);
  return code;
}

const cli_command cli_command_init = {
    .name = "init",
    .summary = "Make a folder ready to be a cache.",
    .text = "Writes larder.yaml, README.md and .gitignore where there are none, and makes the folders of the namespaces with "
            "their index.json. What is there stays as it is, so it may be run again.",
    .options = options,
    .operands = operands,
    .examples = examples,
    .args_size = sizeof(init_args),
    .run = run};
