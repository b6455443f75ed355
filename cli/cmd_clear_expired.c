/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "session.h"

#include <inttypes.h>

static const cli_example examples[] = {
    {"larder clear-expired", "frees what nobody can get any more; programs also do it by themselves each minute"}, {0}};

static cli_exit told(const cli_call *call, const larder_bulk *swept) {
  char count[CLI_SHORT];
  char size[CLI_SHORT];
  if (call->globals->json) {
    cli_json json;
    cli_json_init(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_uint(&json, "entries", swept->entries);
    cli_json_uint(&json, "bytes", swept->bytes);
    cli_json_uint(&json, "failed", swept->failed);
    cli_json_object_end(&json);
    cli_json_end(&json);
  } else if (!call->globals->quiet) {
    printf("removed %s %s, freed %s\n", cli_count_text(swept->entries, count, sizeof count),
           cli_plural(swept->entries, "entry", "entries"), cli_size_text(swept->bytes, size, sizeof size));
    if (swept->failed > 0) printf("%" PRIu64 " are in use at the moment and stay until the next sweep\n", swept->failed);
  }
  return CLI_DONE;
}

static bool bytes_add(void *context, const larder_tier_state *tier) {
  if (tier->usage_known) *(uint64_t *)context += tier->usage.bytes;
  return true;
}

/* A sweep counts entries; what they took is the difference in the tiers. Others may write meanwhile, so it is never below 0. */
static larder_err sweep(larder *cache, larder_bulk *swept) {
  uint64_t before = 0;
  uint64_t after = 0;
  larder_err result = larder_tiers(cache, NULL, bytes_add, &before);
  if (result >= 0) result = larder_sweep(cache, swept);
  if (result >= 0) result = larder_tiers(cache, NULL, bytes_add, &after);
  if (result >= 0 && swept->bytes == 0 && before > after) swept->bytes = before - after;
  return result;
}

static cli_exit run(const cli_call *call, void *given) {
  larder *cache = NULL;
  larder_bulk swept = {0};
  (void)given;
  cli_exit code = cli_open(call, CLI_LOOKS, &cache);
  if (code == CLI_DONE) {
    larder_err result = sweep(cache, &swept);
    code = result < 0 ? cli_refuse_result(call, result, NULL, "cannot sweep") : told(call, &swept);
  }
  return cli_close(call, &cache, code);
}

const cli_command cli_command_clear_expired = {
    .name = "clear-expired",
    .summary = "Remove what is past its time, in all tiers.",
    .text = "What may still be served stale stays; `larder purge` removes that too. What an import or a "
            "warming left to be gone on with goes when that is 90 days old.",
    .examples = examples,
    .run = run};
