/* SPDX-License-Identifier: Apache-2.0 */
/* Who an origin is, and what may follow from where it leads. */
#include "maker/http_maker.h"

#include "http_rig.h"
#include <stdlib.h>
#include <string.h>

static origin shared;
static char *shared_dir;

static int group_begin(void **state) {
  (void)state;
  http_rig_origin_start(&shared, &shared_dir, true);
  return 0;
}

static int group_end(void **state) {
  (void)state;
  http_rig_origin_stop(&shared, &shared_dir);
  return 0;
}

typedef struct tls_rig {
  http_rig *http;
  char *ca_file;
  char url[200];
} tls_rig;

static int begin(void **state) {
  tls_rig *rig = calloc(1, sizeof *rig);
  if (!rig) return -1;
  rig->http = http_rig_new(&shared, shared_dir);
  rig->ca_file = support_path(shared_dir, "ca.pem");
  rig->http->config.ca_file = rig->ca_file;
  *state = rig;
  return 0;
}

static int end(void **state) {
  tls_rig *rig = *state;
  http_rig_free(rig->http);
  free(rig->ca_file);
  free(rig);
  return 0;
}

static http_asked ask(tls_rig *rig, const char *host, int port, const char *key) {
  snprintf(rig->url, sizeof rig->url, "https://%s:%d/{+key}", host, port);
  rig->http->config.what = rig->url;
  return http_rig_ask(rig->http, key);
}

static void who_is_known_is_asked(void **state) {
  tls_rig *rig = *state;
  http_asked asked = ask(rig, "127.0.0.1", shared.tls_port, "echo/safely");
  http_asked_value(&asked, "safely");
  asked = ask(rig, "localhost", shared.tls_port, "gzip/5");
  http_asked_value(&asked, "01234");
}

static void who_is_not_trusted_is_not_asked(void **state) {
  tls_rig *rig = *state;
  rig->http->config.retries = 3;
  rig->http->config.ca_file = NULL; /* the system's authorities do not know ours */
  http_asked asked = ask(rig, "127.0.0.1", shared.tls_port, "echo/untrusted");
  http_asked_failed(&asked, LARDER_EACCES, "certificate");
  rig->http->config.ca_file = rig->ca_file;
  asked = ask(rig, "127.0.0.1", shared.wrong_port, "echo/wrong");
  http_asked_failed(&asked, LARDER_EACCES, "127.0.0.1");
  assert_int_equal(support_origin_count(&shared, "/echo/untrusted"), 0);
  assert_int_equal(support_origin_count(&shared, "/echo/wrong"), 0);
  assert_int_equal(http_rig_counted(rig->http, LRD_HTTP_RETRIES), 0);
}

static void authorities_that_cannot_be_read_are_told(void **state) {
  tls_rig *rig = *state;
  rig->http->config.ca_file = "/nowhere/ca.pem";
  http_asked asked = ask(rig, "127.0.0.1", shared.tls_port, "echo/none");
  http_asked_failed(&asked, LARDER_EUNSUPPORTED, "/nowhere/ca.pem");
}

static void a_plain_origin_under_https_is_a_failure(void **state) {
  tls_rig *rig = *state;
  http_asked asked = ask(rig, "127.0.0.1", shared.port, "echo/plain");
  http_asked_failed(&asked, LARDER_EAWAY, "https://127.0.0.1");
}

static void a_redirect_leads_to_https_but_not_back(void **state) {
  tls_rig *rig = *state;
  support_origin_ask(&shared, "to up https://127.0.0.1:%d/echo/up", shared.tls_port);
  support_origin_ask(&shared, "to down http://127.0.0.1:%d/echo/down", shared.port);
  support_origin_ask(&shared, "to bounce https://127.0.0.1:%d/to/down", shared.tls_port);
  rig->http->config.headers = "X-Api-Key=s3cret\n";
  http_rig_url(rig->http, "/{+key}");
  http_asked asked = http_rig_ask(rig->http, "to/up");
  http_asked_value(&asked, "up");
  assert_string_equal(support_origin_ask(&shared, "header /echo/up X-Api-Key"), "-"); /* another port is another place */
  asked = http_rig_ask(rig->http, "to/bounce");                                       /* also not by a detour */
  http_asked_failed(&asked, LARDER_EFORMAT, "from https to http");
  asked = ask(rig, "127.0.0.1", shared.tls_port, "to/down");
  http_asked_failed(&asked, LARDER_EFORMAT, "from https to http");
  assert_int_equal(support_origin_count(&shared, "/echo/down"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(who_is_known_is_asked), TEST(who_is_not_trusted_is_not_asked), TEST(authorities_that_cannot_be_read_are_told),
      TEST(a_plain_origin_under_https_is_a_failure), TEST(a_redirect_leads_to_https_but_not_back)};
  return cmocka_run_group_tests(tests, group_begin, group_end);
}
