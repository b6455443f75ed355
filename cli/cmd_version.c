/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "session.h"

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* What a chain may name in this build; the test compares it with the configuration's schema. */
static const char *const tiers[] = {"memory", "sqlite", "files"};

static const cli_example examples[] = {{"larder version", "for a report of a mistake"}, {0}};

static cli_exit run(const cli_call *call, void *given) {
  (void)given;
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "version", LARDER_VERSION_STRING);
    cli_json_uint(&json, "tier_contract", LARDER_TIER_VERSION);
    cli_json_array(&json, "tiers");
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) cli_json_text(&json, NULL, tiers[i]);
    cli_json_array_end(&json);
    cli_json_text(&json, "compiler", COMPILER);
    cli_json_object_end(&json);
    cli_json_end(&json);
    return CLI_DONE;
  }
  printf("larder %s\n", LARDER_VERSION_STRING);
  if (call->globals->quiet) return CLI_DONE;
  printf("tiers     ");
  for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) printf(" %s", tiers[i]);
  printf("\ncontract   tier %u\ncompiler   %s\n", LARDER_TIER_VERSION, COMPILER);
  return CLI_DONE;
}

const cli_command cli_command_version = {
    .name = "version", .summary = "Show the version and what is built in.", .examples = examples, .run = run};
