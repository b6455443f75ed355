/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program with the cache in it, for test_origin_cache.py. Usage: origin_user ROOT CONFIG. Each line of standard input is a
 * call, answered by one line:
 *
 *   make NS KEY            larder_get_or_make: `OK fresh|stale TIER VALUE`, or the error's name and sentence
 *   many NS KEY THREADS    the same by so many threads at once: how many were `OK`, and how many of another value
 *   start NS KEY           the same on a thread of its own, which `join` waits for
 *   get, put, delete, expire NS KEY [VALUE]
 *   fork NS KEY            a child asks for the key, and its answer is the answer
 *   stat NAME NS           a figure
 *   left NS KEY            seconds until it is stale
 */
#include <larder/ext/maker.h>
#include <larder/stats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64u

typedef struct asking {
  char ns[64];
  char key[200];
  char answer[700];
} asking;

static larder *cache;
static larder_options how;
static asking started;
static pthread_t started_thread;

static larder_ns *space(const char *name) {
  larder_error err = {0};
  larder_ns *ns = NULL;
  if (larder_ns_open(cache, name, &ns, &err) == LARDER_OK) return ns;
  (void)fprintf(stderr, "%s\n", err.message);
  exit(3);
}

static void ask(asking *a) {
  larder_value value = {0};
  larder_error err = {0};
  larder_err const result = larder_get_or_make(space(a->ns), a->key, strlen(a->key), NULL, &value, &err);
  if (result == LARDER_OK) {
    (void)snprintf(a->answer, sizeof a->answer, "OK %s %s %.*s", value.stale ? "stale" : "fresh", value.tier,
                   (int)(value.len < 200 ? value.len : 200), (const char *)value.data);
    larder_value_release(&value);
  } else {
    (void)snprintf(a->answer, sizeof a->answer, "%s %s", larder_err_name(result), err.message);
  }
}

static void *ask_thread(void *context) {
  ask(context);
  return NULL;
}

static const char *value_in(const char *answer) {
  const char *at = answer;
  for (int i = 0; i < 3 && at; i++) at = strchr(at + 1, ' ');
  return at ? at : "";
}

static void ask_many(const asking *one, unsigned threads) {
  static asking askings[THREADS_MAX];
  pthread_t ids[THREADS_MAX];
  unsigned well = 0, others = 0;
  if (threads > THREADS_MAX) threads = THREADS_MAX;
  for (unsigned i = 0; i < threads; i++) {
    askings[i] = *one;
    if (pthread_create(&ids[i], NULL, ask_thread, &askings[i]) != 0) exit(4);
  }
  for (unsigned i = 0; i < threads; i++) (void)pthread_join(ids[i], NULL);
  for (unsigned i = 0; i < threads; i++) {
    well += strncmp(askings[i].answer, "OK ", 3) == 0;
    others += strcmp(value_in(askings[i].answer), value_in(askings[0].answer)) != 0;
  }
  (void)printf("%u %u\n", well, others);
}

static void ask_in_child(asking *a) {
  larder_error err = {0};
  larder *own = NULL;
  larder_value value = {0};
  larder_ns *ns = space(a->ns);
  (void)fflush(NULL);
  pid_t const child = fork();
  if (child == 0) {
    if (larder_get_or_make(ns, a->key, strlen(a->key), NULL, &value, &err) != LARDER_EFORKED) _exit(5);
    (void)larder_close(&cache);
    if (larder_open(&how, &own, &err) != LARDER_OK) _exit(6);
    cache = own;
    ask(a);
    (void)printf("%s\n", a->answer);
    (void)fflush(stdout);
    _exit(larder_close(&cache) == LARDER_OK ? 0 : 7);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
    (void)printf("the child ended with %x\n", (unsigned)status);
}

static void figure_show(const char *name, const char *ns) {
  larder_stats *stats = NULL;
  uint64_t value = 0;
  if (larder_stats_take(cache, &stats, NULL) != LARDER_OK || !larder_stats_value(stats, ns, "all", name, &value)) exit(8);
  (void)printf("%llu\n", (unsigned long long)value);
  larder_stats_free(&stats);
}

/* Seconds until it is stale. */
static void lifetime_show(const asking *a) {
  larder_stat stat;
  struct timespec now;
  if (larder_stat_get(space(a->ns), a->key, strlen(a->key), &stat) != LARDER_OK) exit(9);
  (void)clock_gettime(CLOCK_REALTIME, &now);
  (void)printf("%lld\n", (long long)((stat.facts.expires_soft_ms + 999) / 1000 - now.tv_sec));
  larder_stat_free(&stat);
}

static void plain(const char *verb, const asking *a, const char *text) {
  larder_ns *ns = space(a->ns);
  size_t const len = strlen(a->key);
  larder_value value = {0};
  larder_err result = LARDER_EINVAL;
  if (strcmp(verb, "get") == 0) result = larder_get(ns, a->key, len, NULL, &value);
  if (strcmp(verb, "put") == 0) result = larder_put(ns, a->key, len, text, strlen(text), NULL);
  if (strcmp(verb, "delete") == 0) result = larder_delete(ns, a->key, len);
  if (strcmp(verb, "expire") == 0) result = larder_expire(ns, a->key, len);
  (void)printf("%s %.*s\n", larder_err_name(result), (int)value.len, value.len > 0 ? (const char *)value.data : "");
  larder_value_release(&value);
}

static void call(const char *line) {
  char verb[20] = "", more[100] = "";
  asking a = {0};
  if (sscanf(line, "%19s %63s %199s %99s", verb, a.ns, a.key, more) < 1) return;
  if (strcmp(verb, "make") == 0) {
    ask(&a);
    (void)printf("%s\n", a.answer);
  } else if (strcmp(verb, "many") == 0) {
    ask_many(&a, (unsigned)strtoul(more, NULL, 10));
  } else if (strcmp(verb, "start") == 0) {
    started = a;
    if (pthread_create(&started_thread, NULL, ask_thread, &started) != 0) exit(4);
    (void)printf("started\n");
  } else if (strcmp(verb, "join") == 0) {
    (void)pthread_join(started_thread, NULL);
    (void)printf("%s\n", started.answer);
  } else if (strcmp(verb, "fork") == 0) {
    ask_in_child(&a);
  } else if (strcmp(verb, "stat") == 0) {
    figure_show(a.ns, a.key);
  } else if (strcmp(verb, "left") == 0) {
    lifetime_show(&a);
  } else {
    plain(verb, &a, more);
  }
}

int main(int argc, char **argv) {
  char line[600];
  larder_error err = {0};
  if (argc != 3) return 2;
  how = (larder_options){.size = sizeof how, .root = argv[1], .config_file = argv[2]};
  if (larder_open(&how, &cache, &err) != LARDER_OK) {
    (void)fprintf(stderr, "%s\n", err.message);
    return 3;
  }
  (void)printf("ready\n");
  (void)fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    call(line);
    (void)fflush(stdout);
  }
  return larder_close(&cache) == LARDER_OK ? 0 : 1;
}
