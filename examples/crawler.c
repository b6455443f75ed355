/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crawler's workers share a list of proxies. Each reports whether a proxy worked; the third failure in a row, whoever saw the
 * first two, evicts it from everybody's list, and a success begins the count anew. The workers are threads here; processes on
 * one root do the same.
 *
 *   cc crawler.c $(pkg-config --cflags --libs larder) -pthread -o crawler && ./crawler [CONFIG [SECONDS]]
 *
 * With a configuration it works with the proxies that are there, and stays for some seconds more: while a program has the
 * namespace open, Larder's own checks of it run.
 */
#include <larder/health.h>
#include <larder/larder.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS     4
#define PAGES       6 /* of each worker */
#define PROXIES_MAX 16
#define NAME_ROOM   64

static const char config[] = "cache:\n"
                             "  namespaces:\n"
                             "    proxies:\n"
                             "      tiers: [memory, sqlite]\n"
                             "      kind: json\n"
                             "      ttl: 1h\n"
                             "      health: {failures: 3, retry: 1m}\n";

static const char *const known[] = {"10.0.0.1:3128", "10.0.0.2:3128", "10.0.0.3:3128", "10.0.0.66:3128"};

typedef struct crawler_worker {
  larder_ns *proxies; /* any number of threads use one handle */
  unsigned number;
  pthread_t thread;
} crawler_worker;

/* The keys that are there now. */
typedef struct proxy_list {
  char names[PROXIES_MAX][NAME_ROOM];
  size_t count;
} proxy_list;

static bool proxy_note(void *context, const larder_listed *entry) {
  proxy_list *list = context;
  if (entry->key_len < NAME_ROOM) {
    snprintf(list->names[list->count++], NAME_ROOM, "%.*s", (int)entry->key_len, (const char *)entry->key);
  }
  return list->count < PROXIES_MAX;
}

/* Stands for a request by a proxy: one of them never answers, another fails the first worker now and then. */
static const char *page_fetch(const char *proxy, unsigned worker, unsigned page) {
  if (strcmp(proxy, "10.0.0.66:3128") == 0) return "connection refused";
  if (strcmp(proxy, "10.0.0.2:3128") == 0 && worker == 0 && page % 3 == 1) return "timed out";
  return NULL;
}

/* Asks by each proxy that is there, and says how it went. */
static larder_err round_run(larder_ns *proxies, unsigned worker, unsigned page) {
  proxy_list list = {.count = 0};
  larder_err result = larder_list(proxies, NULL, false, PROXIES_MAX, NULL, proxy_note, &list);
  for (size_t i = 0; i < list.count && result >= 0; i++) {
    const char *name = list.names[i];
    larder_value proxy = {0};
    larder_err found = larder_get(proxies, name, strlen(name), NULL, &proxy);
    if (found == LARDER_MISS) continue; /* somebody's third failure came in between */
    if (found != LARDER_OK) return found;
    const char *failure = page_fetch(name, worker, page); /* with what proxy.data says of its user and password */
    larder_value_release(&proxy);
    larder_health now = {.size = sizeof now};
    result = larder_health_report(proxies, name, strlen(name), failure == NULL, failure, &now);
    if (result >= 0 && now.evicted) printf("%s is evicted: %s\n", name, now.error);
  }
  return result;
}

static void *worker_run(void *context) {
  const crawler_worker *worker = context;
  for (unsigned page = 0; page < PAGES; page++) {
    larder_err result = round_run(worker->proxies, worker->number, page);
    if (result < 0) fprintf(stderr, "crawler: %s\n", larder_err_text(result));
  }
  return NULL;
}

static larder_err proxies_put(larder_ns *proxies) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    char value[160];
    larder_put_options how = {.size = sizeof how, .ttl_ms = 1800 * 1000};
    snprintf(value, sizeof value, "{\"proxy\": \"%s\", \"username\": \"u%zu\", \"password\": \"p%zu\"}", known[i], i, i);
    larder_err result = larder_put(proxies, known[i], strlen(known[i]), value, strlen(value), &how);
    if (result < 0) return result;
  }
  return LARDER_OK;
}

static bool health_print(void *context, const void *key, size_t key_len, const larder_health *health) {
  (void)context;
  printf("%-15.*s %-9s %u of %u failed%s%s\n", (int)key_len, (const char *)key, larder_health_status_name(health->status),
         (unsigned)health->failures, (unsigned)(health->failures + health->successes), health->failures ? ", last: " : "",
         health->error);
  return true;
}

static larder_err crawl(larder_ns *proxies) {
  crawler_worker workers[WORKERS];
  unsigned started = 0;
  for (; started < WORKERS; started++) {
    crawler_worker *worker = &workers[started];
    *worker = (crawler_worker){.proxies = proxies, .number = started};
    if (pthread_create(&worker->thread, NULL, worker_run, worker) != 0) break;
  }
  for (unsigned i = 0; i < started; i++) {
    pthread_join(workers[i].thread, NULL);
  }
  return larder_health_each(proxies, 0, 0, NULL, health_print, NULL);
}

int main(int argc, char **argv) {
  larder_options options = {.size = sizeof options};
  if (argc > 1) {
    options.config_file = argv[1];
  } else {
    options.root = "crawler-cache";
    options.config_text = config;
  }
  larder_error error = {0};
  larder *cache = NULL;
  larder_ns *proxies = NULL;
  larder_err result = larder_open(&options, &cache, &error);
  if (result == LARDER_OK) result = larder_ns_open(cache, "proxies", &proxies, &error);
  if (result != LARDER_OK) {
    fprintf(stderr, "crawler: %s\n", error.message);
    larder_close(&cache);
    return 1;
  }
  if (argc == 1) result = proxies_put(proxies);
  if (result >= 0) result = crawl(proxies);
  if (argc > 2) sleep((unsigned)strtoul(argv[2], NULL, 10));
  if (result < 0) fprintf(stderr, "crawler: %s\n", larder_err_text(result));
  larder_err closed = larder_close(&cache);
  return result < 0 || closed < 0 ? 1 : 0;
}
