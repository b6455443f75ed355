/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pipeline on figures that others publish: how each source is asked stands in the configuration, the program only says what
 * it wants. A third namespace is computed from the two by a function of this program, and all markets are made ahead in the
 * background. Run it twice: the second run makes nothing.
 *
 *   cc data_platform.c $(pkg-config --cflags --libs larder) -o data_platform && ./data_platform
 *
 * Without an argument a command stands for the sources, so that it needs no network; with one, the address of an origin such
 * as public_api.py beside this file, they are asked by http.
 */
#include <larder/ext/maker.h>
#include <larder/larder.h>
#include <larder/warm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The place {2} is the second part of a key such as cbsa:14500. */
static const char by_http[] = "cache:\n"
                              "  defaults: {kind: json, tiers: [memory, sqlite], stale_if_error: 30d}\n"
                              "  namespaces:\n"
                              "    census: {ttl: 365d, maker: {http: \"%s/census/{2}\", rate: 10/s, burst: 5}}\n"
                              "    bls: {ttl: 30d, maker: {http: \"%s/bls/{2}\", rate: 10/s, burst: 5}}\n"
                              "    share: {ttl: 30d, kind: text}\n";
static const char by_command[] =
    "cache:\n"
    "  defaults: {kind: json, tiers: [memory, sqlite], stale_if_error: 30d}\n"
    "  namespaces:\n"
    "    census: {ttl: 365d, maker: {command: [printf, '{{\"market\": \"%s\", \"figure\": 330000}}', \"{2}\"]}}\n"
    "    bls: {ttl: 30d, maker: {command: [printf, '{{\"market\": \"%s\", \"figure\": 190000}}', \"{2}\"]}}\n"
    "    share: {ttl: 30d, kind: text}\n";

static const char *const markets[] = {"cbsa:14500", "cbsa:19740", "cbsa:22660", "cbsa:24540", "cbsa:17820"};
#define MARKETS (sizeof markets / sizeof *markets)

/* The figure of a market, from the cache or from where it comes from. */
static larder_err figure_get(larder *cache, const char *source, const void *market, size_t market_len, double *out,
                             larder_error *error) {
  larder_ns *ns = NULL;
  larder_value value = {0};
  larder_err result = larder_ns_open(cache, source, &ns, error);
  if (result == LARDER_OK) result = larder_get_or_make(ns, market, market_len, NULL, &value, error);
  if (result != LARDER_OK) return result;
  char text[512];
  snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.data);
  larder_value_release(&value);
  const char *figure = strstr(text, "\"figure\": ");
  *out = figure ? strtod(figure + strlen("\"figure\": "), NULL) : 0;
  return LARDER_OK;
}

static void text_free(void *context, const void *text) {
  (void)context;
  free((void *)(size_t)text);
}

/* A maker: the share of a market's people who work. It asks the cache for what it needs, which may have to be made first. */
static larder_err share_make(void *context, const larder_making *making, larder_made *made, larder_error *error) {
  double people = 0;
  double jobs = 0;
  larder_err result = figure_get(context, "census", making->key, making->key_len, &people, error);
  if (result == LARDER_OK) result = figure_get(context, "bls", making->key, making->key_len, &jobs, error);
  if (result == LARDER_MISS || (result == LARDER_OK && people <= 0)) {
    made->what = LARDER_MADE_ABSENT; /* no such market; that is remembered too, where negative_ttl says so */
    return LARDER_OK;
  }
  if (result != LARDER_OK) return result; /* error has the sentence */
  char *text = malloc(64);
  if (!text) return LARDER_ENOMEM;
  snprintf(text, 64, "%.3f", jobs / people);
  made->value = text;
  made->len = strlen(text);
  made->release = text_free;
  return LARDER_OK;
}

/* All threads of all processes that ask for this at once wait for one making. */
static larder_err share_print(larder *cache, const char *market) {
  larder_error error = {0};
  larder_ns *shares = NULL;
  larder_value value = {0};
  larder_make_options how = {.size = sizeof how, .make = share_make, .context = cache};
  larder_err result = larder_ns_open(cache, "share", &shares, &error);
  if (result == LARDER_OK) result = larder_get_or_make(shares, market, strlen(market), &how, &value, &error);
  if (result == LARDER_OK) {
    printf("%s: %.*s (%s%s)\n", market, (int)value.len, (const char *)value.data, value.tier, value.stale ? ", stale" : "");
    larder_value_release(&value);
  } else if (result == LARDER_MISS) {
    printf("%s: there is no such market\n", market);
    result = LARDER_OK;
  } else {
    fprintf(stderr, "data_platform: %s\n", error.message);
  }
  return result;
}

/* Hands the markets to the job, a key a line. */
static int64_t markets_read(void *context, void *out, size_t room) {
  size_t *next = context;
  if (*next == MARKETS) return 0;
  int len = snprintf(out, room, "%s\n", markets[(*next)++]);
  return len > 0 && (size_t)len < room ? len : -1;
}

/* Every market in every source, five at a time, while the program could do something else. */
static larder_err markets_warm(larder *cache) {
  static const char *const sources[] = {"census", "bls"};
  size_t next = 0;
  larder_error error = {0};
  larder_job *job = NULL;
  larder_warm_plan plan = {.size = sizeof plan,
                           .namespaces = sources,
                           .namespaces_count = 2,
                           .keys_read = markets_read,
                           .context = &next,
                           .parallel = 5};
  larder_err result = larder_warm_start(cache, &plan, &job, &error);
  if (result != LARDER_OK) {
    fprintf(stderr, "data_platform: %s\n", error.message);
    return result;
  }
  larder_job_progress progress;
  do {
    bool ended = larder_job_wait(job, 200);
    larder_job_progress_get(job, &progress);
    printf("%llu of %llu: %llu made, %llu there already, %llu failed\n", (unsigned long long)progress.done,
           (unsigned long long)progress.total, (unsigned long long)progress.made, (unsigned long long)progress.hits,
           (unsigned long long)progress.errors);
    if (ended) break;
  } while (progress.state == LARDER_JOB_RUNS);
  larder_job_free(&job); /* before larder_close */
  return progress.errors == 0 ? LARDER_OK : LARDER_EAWAY;
}

int main(int argc, char **argv) {
  char config[1024];
  if (argc > 1)
    snprintf(config, sizeof config, by_http, argv[1], argv[1]);
  else
    snprintf(config, sizeof config, "%s", by_command);
  larder_options options = {.size = sizeof options, .root = "data-platform-cache", .config_text = config};
  larder_error error = {0};
  larder *cache = NULL;
  larder_err result = larder_open(&options, &cache, &error);
  if (result != LARDER_OK) {
    fprintf(stderr, "data_platform: %s\n", error.message);
    return 1;
  }
  result = share_print(cache, markets[0]);
  if (result == LARDER_OK) result = markets_warm(cache);
  for (size_t i = 0; i < MARKETS && result == LARDER_OK; i++) {
    result = share_print(cache, markets[i]);
  }
  larder_err closed = larder_close(&cache);
  return result < 0 || closed < 0 ? 1 : 0;
}
