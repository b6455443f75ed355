/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent has learned as a file: learned on seeds and written, or read for those that learn to begin with. */
#include "cli_json.h"
#include "file_io.h"
#include "session.h"
#include "simulate_sessions.h"

#include <larder/agent.h>
#include <string.h>
#include <sys/stat.h>

#define LEARNED_MAX ((size_t)1 << 20)

/* Whether bytes are what some agent has learned. */
static bool learned_valid(const cli_buf *bytes) {
  bool valid = false;
  for (unsigned method = 0; method <= LARDER_AGENT_NETWORK_Q && !valid; method++) {
    const larder_agent_options how = {.size = sizeof how, .method = (larder_agent_method)method};
    larder_agent *agent = NULL;
    if (larder_agent_open(&how, &agent, NULL) == LARDER_OK)
      valid = larder_agent_load(agent, bytes->data, bytes->len, NULL) == LARDER_OK;
    larder_agent_close(&agent);
  }
  return valid;
}

cli_exit cli_sessions_agent_read(const cli_call *call, const char *path, cli_buf *out) {
  char why[256];
  if (!cli_file_read(path, LEARNED_MAX, out, why, sizeof why))
    return cli_refuse(call, CLI_NOT_FOUND, "check --load-agent", "cannot read %s: %s", path, why);
  if (learned_valid(out)) return CLI_DONE;
  return cli_refuse(call, CLI_NOT_FOUND, "--save-agent writes such files",
                    "%s is nothing that an agent has learned, or is damaged", path);
}

/* Whoever names a file by mistake keeps it. */
cli_exit cli_sessions_agent_place(const cli_call *call, const char *path) {
  char why[256];
  cli_buf there = {0};
  struct stat facts;
  if (stat(path, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size == 0) return CLI_DONE;
  bool ours = cli_file_read(path, LEARNED_MAX, &there, why, sizeof why) && learned_valid(&there);
  cli_buf_fini(&there);
  return ours ? CLI_DONE
              : cli_refuse(call, CLI_USAGE, "name another file, or remove that one",
                           "--save-agent %s is there and is nothing that an agent has learned", path);
}

static void saved_show(const cli_call *call, const cli_sessions_done *done, const char *path, size_t len) {
  char bytes[CLI_SHORT];
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "agent_file", path);
    cli_json_text(&json, "contestant", done->names[0]);
    cli_json_text(&json, "sessions", done->file);
    cli_json_uint(&json, "first_seed", done->first_seed);
    cli_json_uint(&json, "seeds", done->seeds);
    cli_json_uint(&json, "bytes", len);
    cli_json_object_end(&json);
    cli_json_end(&json);
  } else if (!call->globals->quiet) {
    cli_buf file = {0}, to = {0};
    cli_escape(&file, done->file, strlen(done->file));
    cli_escape(&to, path, strlen(path));
    printf("%s learned from %zu %s of %s, from %llu on: %s, %s\n", done->names[0], done->seeds,
           cli_plural(done->seeds, "seed", "seeds"), cli_buf_str(&file), (unsigned long long)done->first_seed, cli_buf_str(&to),
           cli_size_text(len, bytes, sizeof bytes));
    cli_buf_fini(&file);
    cli_buf_fini(&to);
  }
}

cli_exit cli_sessions_agent_write(const cli_call *call, const cli_sessions_done *done, const char *path, const void *data,
                                  size_t len) {
  char why[256];
  if (!cli_file_write(path, data, len, why, sizeof why))
    return cli_refuse(call, CLI_FAILED, "check --save-agent", "cannot write %s: %s", path, why);
  saved_show(call, done, path, len);
  return CLI_DONE;
}
