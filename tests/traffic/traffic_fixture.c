/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic_fixture.h"

#include <stdio.h>
#include <stdlib.h>

const char traffic_small[] = "length: 60s\n"
                             "sessions: 2\n"
                             "cache: {entries: 20, hit: 1ms}\n"
                             "services:\n"
                             "  db: {latency: 10ms, spread: 0, capacity: 100}\n"
                             "  web: {latency: 20ms, spread: 0.2, needs: db}\n"
                             "endpoints:\n"
                             "  home: {service: web}\n"
                             "  item: {service: web, ids: 50, skew: 1, ttl: 20s}\n"
                             "  more: {service: db, same: item}\n"
                             "  cart: {service: db, own: true, bytes: 100}\n"
                             "users:\n"
                             "  guest:\n"
                             "    count: 10\n"
                             "    think: 500ms\n"
                             "    start: {home: 1, item: 1}\n"
                             "    moves:\n"
                             "      home: {item: 0.8}\n"
                             "      item: {more: 0.9}\n"
                             "      more: {cart: 0.5}\n"
                             "  robot:\n"
                             "    share: 0.2\n"
                             "    count: 1\n"
                             "    think: 100ms\n"
                             "    walks: true\n"
                             "    start: {item: 1}\n"
                             "    moves: {item: {item: 0.95}}\n";

static larder_traffic *read_text(const char *text, lrd_mistakes *mistakes) {
  larder_traffic *traffic = lrd_traffic_new();
  assert_non_null(traffic);
  lrd_mistakes_init(mistakes, &traffic->arena);
  assert_int_equal(lrd_traffic_read(traffic, text, strlen(text), mistakes), LARDER_OK);
  return traffic;
}

larder_traffic *traffic_of(const char *text) {
  lrd_mistakes mistakes;
  larder_traffic *traffic = read_text(text, &mistakes);
  if (mistakes.first) fail_msg("%d:%d: %s", mistakes.first->place.line, mistakes.first->place.column, mistakes.first->message);
  return traffic;
}

char *traffic_mistakes(const char *text) {
  lrd_mistakes mistakes;
  larder_traffic *traffic = read_text(text, &mistakes);
  char *out = calloc(1, 16384);
  assert_non_null(out);
  for (const lrd_mistake *one = mistakes.first; one; one = one->next) {
    size_t len = strlen(out);
    snprintf(out + len, 16384 - len, "%d:%d: %s\n", one->place.line, one->place.column, one->message);
  }
  larder_traffic_close(&traffic);
  return out;
}
