/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By hand: `build/…/tests/soak [minutes]` (10 by default) keeps four threads busy on more keys than fit, and says every
 * ten seconds how much memory the process has and how long the database and its log are. After a quarter of the time
 * nothing may grow by more than a tenth any more; the exit code says whether it did.
 */
#include <larder/larder.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEYS 100000u

static _Atomic bool stop;
static _Atomic unsigned long long operations;

static void *work(void *context) {
  larder_ns *ns = context;
  static char value[8192];
  unsigned seed = (unsigned)(uintptr_t)pthread_self();
  char key[32];
  while (!atomic_load(&stop)) {
    int len = snprintf(key, sizeof key, "key-%u", (unsigned)rand_r(&seed) % KEYS);
    int dice = rand_r(&seed) % 100;
    larder_err result = LARDER_OK;
    if (dice < 30) {
      larder_put_options options = {.size = sizeof options, .ttl_ms = dice < 10 ? 2000 : 0};
      result = larder_put(ns, key, (size_t)len, value, (size_t)rand_r(&seed) % sizeof value, &options);
    } else if (dice < 33) {
      result = larder_delete(ns, key, (size_t)len);
    } else if (dice < 35) {
      result = larder_expire(ns, key, (size_t)len);
    } else {
      larder_value found = {0};
      result = larder_get(ns, key, (size_t)len, NULL, &found);
      larder_value_release(&found);
    }
    if (result < 0 && result != LARDER_EBUSY) (void)fprintf(stderr, "%s\n", larder_err_name(result));
    atomic_fetch_add(&operations, 1);
  }
  return NULL;
}

static long resident_kib(void) {
  long pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
  (void)fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static long size_kib(const char *root, const char *name) {
  char path[600];
  struct stat found;
  (void)snprintf(path, sizeof path, "%s/%s", root, name);
  return stat(path, &found) == 0 ? (long)(found.st_size / 1024) : 0;
}

static bool grew(long first, long last) { return last > first + first / 10 + 1024; }

int main(int argc, char **argv) {
  double minutes = argc > 1 ? atof(argv[1]) : 10;
  char root[] = "/tmp/larder-soak-XXXXXX";
  larder *cache = NULL;
  larder_ns *ns = NULL;
  pthread_t threads[4];
  larder_error err = {0};
  larder_options options = {.size = sizeof options,
                            .root = mkdtemp(root),
                            .config_text = "cache:\n  memory: {size_mb: 32}\n  sqlite: {max_mb: 128}\n  sweep_interval: 5s\n"
                                           "  namespaces:\n    n: {tiers: [memory, sqlite], ttl: 1h}\n"};
  if (!options.root || larder_open(&options, &cache, &err) != LARDER_OK || larder_ns_open(cache, "n", &ns, &err) != LARDER_OK) {
    (void)fprintf(stderr, "soak: %s\n", err.message);
    return 2;
  }
  for (unsigned t = 0; t < 4; t++)
    if (pthread_create(&threads[t], NULL, work, ns) != 0) return 2;
  long settled[3] = {0};
  long now[3] = {0};
  unsigned rounds = (unsigned)(minutes * 6) > 4 ? (unsigned)(minutes * 6) : 4;
  for (unsigned round = 1; round <= rounds; round++) {
    (void)nanosleep(&(struct timespec){10, 0}, NULL);
    now[0] = resident_kib();
    now[1] = size_kib(root, "larder.db");
    now[2] = size_kib(root, "larder.db-wal");
    if (round == (rounds + 3) / 4) memcpy(settled, now, sizeof now);
    (void)printf("%5u s %12llu operations, resident %ld KiB, database %ld KiB, log %ld KiB\n", round * 10,
                 atomic_load(&operations), now[0], now[1], now[2]);
    (void)fflush(stdout);
  }
  atomic_store(&stop, true);
  for (unsigned t = 0; t < 4; t++) (void)pthread_join(threads[t], NULL);
  (void)larder_close(&cache);
  /* The log breathes between restarts, so its own limit of 64 MiB is what it is held to. */
  bool bad = grew(settled[0], now[0]) || now[1] > 160 * 1024 || now[2] > 96 * 1024;
  (void)printf("%s; files left in %s\n", bad ? "it grew" : "flat", root);
  return bad;
}
