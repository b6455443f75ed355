/* SPDX-License-Identifier: Apache-2.0 */
/* Ways through a proxy, as the environment or the configuration names it. The counts of proxy and origin say who was asked. */
#include "maker/http_maker.h"

#include "http_rig.h"
#include <stdlib.h>
#include <string.h>

static origin shared;
static origin proxy;
static char *shared_dir;

static int group_begin(void **state) {
  (void)state;
  http_rig_origin_start(&shared, &shared_dir, true);
  support_proxy_start(&proxy, shared_dir);
  return 0;
}

static int group_end(void **state) {
  (void)state;
  support_origin_stop(&proxy);
  http_rig_origin_stop(&shared, &shared_dir);
  return 0;
}

typedef struct proxy_rig {
  http_rig *http;
  char *ca_file;
  char url[200];
  char through[200]; /* `http://127.0.0.1:PORT` of the proxy */
  char plain[40];    /* the origin's places, as the proxy counts them */
  char tls[40];
} proxy_rig;

static const char *const variables[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

static void environment_clear(void) {
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) unsetenv(variables[i]);
}

static int begin(void **state) {
  proxy_rig *rig = calloc(1, sizeof *rig);
  if (!rig) return -1;
  environment_clear();
  rig->http = http_rig_new(&shared, shared_dir);
  rig->ca_file = support_path(shared_dir, "ca.pem");
  rig->http->config.ca_file = rig->ca_file;
  (void)snprintf(rig->through, sizeof rig->through, "http://127.0.0.1:%d", proxy.port);
  (void)snprintf(rig->plain, sizeof rig->plain, "127.0.0.1:%d", shared.port);
  (void)snprintf(rig->tls, sizeof rig->tls, "127.0.0.1:%d", shared.tls_port);
  *state = rig;
  return 0;
}

static int end(void **state) {
  proxy_rig *rig = *state;
  environment_clear();
  (void)support_origin_ask(&proxy, "password -");
  (void)support_origin_ask(&proxy, "refuse 0");
  http_rig_free(rig->http);
  free(rig->ca_file);
  free(rig);
  return 0;
}

static http_asked ask(proxy_rig *rig, bool https, const char *key) {
  snprintf(rig->url, sizeof rig->url, "%s://127.0.0.1:%d/{+key}", https ? "https" : "http",
           https ? shared.tls_port : shared.port);
  rig->http->config.what = rig->url;
  return http_rig_ask(rig->http, key);
}

/* How often the proxy was asked for the origin by this. */
static long through_proxy(proxy_rig *rig, bool https, const char *key) {
  const char *place = https ? rig->tls : rig->plain;
  long const before = support_origin_count(&proxy, place);
  http_asked asked = ask(rig, https, key);
  http_asked_value(&asked, strchr(key, '/') + 1);
  return support_origin_count(&proxy, place) - before;
}

static void without_any_the_origin_is_asked_itself(void **state) {
  assert_int_equal(through_proxy(*state, false, "echo/direct"), 0);
  assert_int_equal(through_proxy(*state, true, "echo/direct"), 0);
}

static void the_environment_names_one_for_each_scheme(void **state) {
  proxy_rig *rig = *state;
  setenv("http_proxy", rig->through, 1);
  assert_int_equal(through_proxy(rig, false, "echo/plainly"), 1);
  assert_int_equal(through_proxy(rig, true, "echo/past"), 0);
  environment_clear();
  setenv("HTTPS_PROXY", rig->through, 1);
  assert_int_equal(through_proxy(rig, false, "echo/past"), 0);
  assert_int_equal(through_proxy(rig, true, "echo/tunnelled"), 1);
}

static void the_environment_may_name_one_for_all(void **state) {
  proxy_rig *rig = *state;
  setenv("ALL_PROXY", rig->through, 1);
  assert_int_equal(through_proxy(rig, false, "echo/either"), 1);
  assert_int_equal(through_proxy(rig, true, "echo/either"), 1);
}

/* A web server hands on a request's `Proxy:` header as HTTP_PROXY. */
static void the_variable_that_strangers_may_set_is_not_looked_at(void **state) {
  proxy_rig *rig = *state;
  setenv("HTTP_PROXY", rig->through, 1);
  assert_int_equal(through_proxy(rig, false, "echo/not-by-a-stranger"), 0);
}

static void who_is_excepted_is_asked_itself(void **state) {
  proxy_rig *rig = *state;
  setenv("all_proxy", rig->through, 1);
  setenv("NO_PROXY", "example.org,127.0.0.1", 1);
  assert_int_equal(through_proxy(rig, false, "echo/excepted"), 0);
  assert_int_equal(through_proxy(rig, true, "echo/excepted"), 0);
  rig->http->config.proxy = rig->through; /* and so it is for the one that the configuration names */
  assert_int_equal(through_proxy(rig, false, "echo/excepted"), 0);
}

static void the_configuration_goes_before_the_environment(void **state) {
  proxy_rig *rig = *state;
  setenv("all_proxy", "http://127.0.0.1:1", 1);
  rig->http->config.proxy = rig->through;
  assert_int_equal(through_proxy(rig, false, "echo/configured"), 1);
  assert_int_equal(through_proxy(rig, true, "echo/configured"), 1);
  rig->http->config.proxy = "";
  assert_int_equal(through_proxy(rig, false, "echo/none"), 0);
  assert_int_equal(through_proxy(rig, true, "echo/none"), 0);
}

static void a_proxy_may_be_spoken_to_by_tls(void **state) {
  proxy_rig *rig = *state;
  (void)snprintf(rig->through, sizeof rig->through, "https://127.0.0.1:%d", proxy.tls_port);
  rig->http->config.proxy = rig->through;
  assert_int_equal(through_proxy(rig, false, "echo/within"), 1);
  assert_int_equal(through_proxy(rig, true, "echo/within"), 1);
  rig->http->config.ca_file = NULL;
  http_asked asked = ask(rig, false, "echo/stranger");
  http_asked_failed(&asked, LARDER_EACCES, "certificate");
  assert_int_equal(support_origin_count(&shared, "/echo/stranger"), 0);
}

static void a_name_and_a_password_are_told_to_it_alone(void **state) {
  proxy_rig *rig = *state;
  (void)support_origin_ask(&proxy, "password us:hunter2");
  (void)snprintf(rig->through, sizeof rig->through, "http://us:hunter2@127.0.0.1:%d", proxy.port);
  setenv("all_proxy", rig->through, 1);
  assert_int_equal(through_proxy(rig, false, "echo/known"), 1);
  assert_string_equal(support_origin_ask(&shared, "header /echo/known Proxy-Authorization"), "-");
  assert_int_equal(through_proxy(rig, true, "echo/known"), 1);
  assert_string_equal(support_origin_ask(&shared, "header /echo/known Proxy-Authorization"), "-");
}

static void headers_pass_through_a_tunnel_unseen(void **state) {
  proxy_rig *rig = *state;
  rig->http->config.headers = "X-Api-Key=s3cret\n";
  rig->http->config.proxy = rig->through;
  assert_int_equal(through_proxy(rig, true, "echo/unseen"), 1);
  assert_string_equal(support_origin_ask(&proxy, "header X-Api-Key"), "-");
  assert_string_equal(support_origin_ask(&shared, "header /echo/unseen X-Api-Key"), "s3cret");
}

/* That it wants to know who asks does not pass; that it or what is behind it is away may. */
static void what_a_proxy_refuses_is_told_as_its_own(void **state) {
  static const struct {
    int status;
    larder_err code;
    uint64_t retries;
  } cases[] = {{403, LARDER_EACCES, 0}, {400, LARDER_EUNSUPPORTED, 0}, {502, LARDER_EAWAY, 1}, {503, LARDER_EAWAY, 1}};
  proxy_rig *rig = *state;
  rig->http->config.proxy = rig->through;
  rig->http->config.retries = 1;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char part[80];
    uint64_t const before = http_rig_counted(rig->http, LRD_HTTP_RETRIES);
    (void)support_origin_ask(&proxy, "refuse %d", cases[i].status);
    (void)snprintf(part, sizeof part, "the proxy on the way answered with status %d", cases[i].status);
    http_asked asked = ask(rig, true, "echo/refused");
    http_asked_failed(&asked, cases[i].code, part);
    assert_int_equal(http_rig_counted(rig->http, LRD_HTTP_RETRIES) - before, cases[i].retries);
  }
  assert_int_equal(support_origin_count(&shared, "/echo/refused"), 0);
  (void)support_origin_ask(&proxy, "refuse 0");
  (void)support_origin_ask(&proxy, "password us:hunter2");
  for (int https = 0; https < 2; https++) {
    http_asked asked = ask(rig, https, "echo/refused");
    http_asked_failed(&asked, LARDER_EACCES, "wants a name and a password");
  }
  assert_int_equal(http_rig_counted(rig->http, LRD_HTTP_RETRIES), 2);
}

/* libcurl quotes such a URL as a whole. */
static void what_is_no_proxy_is_told_without_its_password(void **state) {
  static const char *const broken[] = {"http://us:hunter2@127.0.0.1:port", "us:hunter2@127.0.0.1:99999",
                                       "gopher://us:hunter2@127.0.0.1:70", "http://us:hunter2@nowhere.invalid:1"};
  proxy_rig *rig = *state;
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    setenv("all_proxy", broken[i], 1);
    http_asked asked = ask(rig, false, "echo/broken");
    if (strstr(asked.err.message, "hunter2")) fail_msg("%s", asked.err.message);
    http_asked_failed(&asked, i < 3 ? LARDER_EUNSUPPORTED : LARDER_EAWAY, i < 3 ? "can't be used" : "nowhere.invalid");
  }
  environment_clear();
  lrd_http_maker *maker = NULL;
  larder_error err = {0};
  rig->http->config.proxy = broken[0];
  lrd_http_maker_params const params = {.config = &rig->http->config, .ns = "reports", .engine = rig->http->engine};
  assert_err(lrd_http_maker_new(&params, &maker, &err), LARDER_ECONFIG);
  assert_non_null(strstr(err.message, "its proxy is no URL"));
  assert_null(strstr(err.message, "hunter2"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(without_any_the_origin_is_asked_itself),
                                     TEST(the_environment_names_one_for_each_scheme),
                                     TEST(the_environment_may_name_one_for_all),
                                     TEST(the_variable_that_strangers_may_set_is_not_looked_at),
                                     TEST(who_is_excepted_is_asked_itself),
                                     TEST(the_configuration_goes_before_the_environment),
                                     TEST(a_proxy_may_be_spoken_to_by_tls),
                                     TEST(a_name_and_a_password_are_told_to_it_alone),
                                     TEST(headers_pass_through_a_tunnel_unseen),
                                     TEST(what_a_proxy_refuses_is_told_as_its_own),
                                     TEST(what_is_no_proxy_is_told_without_its_password)};
  return cmocka_run_group_tests(tests, group_begin, group_end);
}
