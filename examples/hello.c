/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest useful program: ask the cache, make the value when nobody has it, keep it. Run it twice: the second run finds
 * what the first one made.
 *
 *   cc hello.c $(pkg-config --cflags --libs larder) -o hello && ./hello && ./hello
 */
#include <larder/larder.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Stands for a slow request, a long computation, a query that costs money. */
static void report_make(char *out, size_t room) {
  struct timespec half_a_second = {.tv_nsec = 500000000};
  nanosleep(&half_a_second, NULL);
  snprintf(out, room, "made at %lld", (long long)time(NULL));
}

static larder_err report_print(larder_ns *reports) {
  static const char key[] = "census:acs:2022:cbsa:14500";
  larder_value found = {0};
  larder_err result = larder_get(reports, key, strlen(key), NULL, &found);
  if (result == LARDER_OK) {
    printf("kept: %.*s (from %s)\n", (int)found.len, (const char *)found.data, found.tier);
  } else if (result == LARDER_MISS) {
    char report[80];
    larder_put_options how = {.size = sizeof how, .ttl_ms = 3600 * 1000, .kind = LARDER_KIND_TEXT};
    report_make(report, sizeof report);
    result = larder_put(reports, key, strlen(key), report, strlen(report), &how);
    printf("new: %s (%s)\n", report, larder_err_text(result));
  }
  larder_value_release(&found);
  return result;
}

int main(int argc, char **argv) {
  larder_options options = {.size = sizeof options, .root = argc > 1 ? argv[1] : "hello-cache"};
  larder_error error = {0};
  larder *cache = NULL;
  larder_ns *reports = NULL;
  larder_err result = larder_open(&options, &cache, &error);
  if (result == LARDER_OK) result = larder_ns_open(cache, "reports", &reports, &error);
  if (result != LARDER_OK) {
    fprintf(stderr, "hello: %s\n", error.message);
    larder_close(&cache);
    return 1;
  }
  result = report_print(reports);
  if (result < 0) fprintf(stderr, "hello: %s\n", larder_err_text(result));
  larder_err closed = larder_close(&cache);
  return result < 0 || closed < 0 ? 1 : 0;
}
