/* SPDX-License-Identifier: Apache-2.0 */
/* One try of an entry by HTTP, against the origin. Its counts say what was asked, and with what. */
#include "maker/probe.h"

#include "http_rig.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

typedef struct probe_rig {
  http_rig *http;
  char *ca_file;
  char url[200];
  lrd_config_check config;
} probe_rig;

static int begin(void **state) {
  probe_rig *rig = calloc(1, sizeof *rig);
  if (!rig) return -1;
  rig->http = http_rig_new(&shared, shared_dir);
  rig->ca_file = support_path(shared_dir, "ca.pem");
  rig->config = (lrd_config_check){.type = LRD_CHECK_HTTP, .separator = ':', .timeout_ms = 20000, .parallel = 1};
  *state = rig;
  return 0;
}

static int end(void **state) {
  probe_rig *rig = *state;
  http_rig_free(rig->http);
  free(rig->ca_file);
  free(rig);
  return 0;
}

static larder_err ask_at(probe_rig *rig, const char *scheme, int port, const char *key, larder_error *err) {
  lrd_probe *probe = NULL;
  (void)snprintf(rig->url, sizeof rig->url, "%s://127.0.0.1:%d/{+key}", scheme, port);
  rig->config.url = rig->url;
  assert_ok(lrd_probe_new(&rig->config, "mirrors", NULL, rig->http->engine, &probe, err));
  larder_err const result = lrd_probe_run(probe, key, strlen(key), &rig->http->cancel, err);
  lrd_probe_free(probe);
  return result;
}

static larder_err ask(probe_rig *rig, const char *key, larder_error *err) { return ask_at(rig, "http", shared.port, key, err); }

static void the_status_at_the_end_of_redirects_counts(void **state) {
  probe_rig *rig = *state;
  larder_error err = {0};
  support_origin_ask(&shared, "to gone http://127.0.0.1:%d/status/410", shared.port);
  for (int get = 0; get < 2; get++) {
    rig->config.get = get;
    rig->config.redirects = 0;
    assert_err(ask(rig, "hop/2", &err), LARDER_EIO);
    assert_non_null(strstr(err.message, "answered with status 302"));
    rig->config.redirects = 2;
    assert_ok(ask(rig, "hop/2", &err));
    assert_err(ask(rig, "to/gone", &err), LARDER_EIO);
    assert_non_null(strstr(err.message, "answered with status 410"));
  }
  assert_int_equal(support_origin_count(&shared, "/echo/there"), 2);
}

static void what_redirects_is_followed_so_far_and_not_to_less(void **state) {
  probe_rig *rig = *state;
  larder_error err = {0};
  support_origin_ask(&shared, "to down http://127.0.0.1:%d/echo/down", shared.port);
  support_origin_ask(&shared, "to ftp ftp://127.0.0.1/x");
  rig->config.redirects = 2;
  assert_err(ask(rig, "hop/3", &err), LARDER_EIO);
  assert_non_null(strstr(err.message, "more often than `redirects` allows"));
  assert_err(ask(rig, "loop", &err), LARDER_EIO);
  assert_err(ask(rig, "to/ftp", &err), LARDER_EIO);
  assert_non_null(strstr(err.message, "neither http nor https"));
  rig->config.ca_file = rig->ca_file;
  assert_err(ask_at(rig, "https", shared.tls_port, "to/down", &err), LARDER_EIO);
  assert_non_null(strstr(err.message, "from https to http"));
  assert_int_equal(support_origin_count(&shared, "/echo/down"), 0);
}

static void headers_go_to_the_host_of_the_url_alone(void **state) {
  probe_rig *rig = *state;
  larder_error err = {0};
  support_origin_ask(&shared, "to other https://127.0.0.1:%d/echo/other", shared.tls_port);
  support_origin_ask(&shared, "to same http://127.0.0.1:%d/echo/same", shared.port);
  rig->config.headers = "X-Api-Key=s3cret\nAccept=text/plain\n";
  rig->config.redirects = 1;
  rig->config.ca_file = rig->ca_file;
  assert_ok(ask(rig, "to/same", &err));
  assert_string_equal(support_origin_ask(&shared, "header /echo/same X-Api-Key"), "s3cret");
  assert_ok(ask(rig, "to/other", &err));
  assert_string_equal(support_origin_ask(&shared, "header /to/other X-Api-Key"), "s3cret");
  assert_string_equal(support_origin_ask(&shared, "header /echo/other X-Api-Key"), "-");
  assert_string_equal(support_origin_ask(&shared, "header /echo/other Accept"), "text/plain");
}

static void who_is_trusted_is_what_the_file_says(void **state) {
  probe_rig *rig = *state;
  larder_error err = {0};
  assert_err(ask_at(rig, "https", shared.tls_port, "echo/stranger", &err), LARDER_EIO);
  assert_non_null(strstr(err.message, "certificate"));
  assert_int_equal(support_origin_count(&shared, "/echo/stranger"), 0);
  rig->config.ca_file = rig->ca_file;
  assert_ok(ask_at(rig, "https", shared.tls_port, "echo/known", &err));
  assert_err(ask_at(rig, "https", shared.wrong_port, "echo/wrong", &err), LARDER_EIO);
  rig->config.ca_file = "/nowhere/ca.pem";
  assert_err(ask_at(rig, "https", shared.tls_port, "echo/stranger", &err), LARDER_EUNSUPPORTED);
}

/* That our own way out is closed says nothing of an entry. */
static void a_proxy_that_wants_to_know_us_is_no_failure_of_the_entry(void **state) {
  probe_rig *rig = *state;
  larder_error err = {0};
  origin proxy;
  char through[100];
  support_proxy_start(&proxy, shared_dir);
  (void)snprintf(through, sizeof through, "http://127.0.0.1:%d", proxy.port);
  rig->config.proxy = through;
  rig->config.ca_file = rig->ca_file;
  (void)support_origin_ask(&proxy, "password us:hunter2");
  assert_err(ask(rig, "echo/through", &err), LARDER_EUNSUPPORTED);
  assert_err(ask_at(rig, "https", shared.tls_port, "echo/through", &err), LARDER_EUNSUPPORTED);
  assert_non_null(strstr(err.message, "wants a name and a password"));
  (void)support_origin_ask(&proxy, "password -");
  assert_ok(ask(rig, "echo/through", &err));
  assert_ok(ask_at(rig, "https", shared.tls_port, "echo/through", &err));
  assert_err(ask(rig, "status/503", &err), LARDER_EIO);
  support_origin_stop(&proxy);
}

/* What this machine cannot do at the moment says nothing of an entry; that nobody listens does. */
static void what_could_not_be_asked_is_no_failure_of_the_entry(void **state) {
  static const char nameless[] = "http://"
                                 "a-label-of-a-name-has-sixty-three-letters-at-most-and-this-one-has-more"
                                 ".invalid/";
  probe_rig *rig = *state;
  larder_error err = {0};
  lrd_probe *probe = NULL;
  rig->config.proxy = "";
  rig->config.url = nameless;
  assert_ok(lrd_probe_new(&rig->config, "mirrors", NULL, rig->http->engine, &probe, &err));
  assert_err(lrd_probe_run(probe, "k", 1, &rig->http->cancel, &err), LARDER_EAWAY);
  assert_non_null(strstr(err.message, "resolve host"));
  lrd_probe_free(probe);
  rig->config.proxy = "http://127.0.0.1:1"; /* nobody's */
  assert_err(ask(rig, "echo/unasked", &err), LARDER_EAWAY);
  rig->config.proxy = "";
  assert_err(ask_at(rig, "http", 1, "echo/unasked", &err), LARDER_EIO);
  assert_int_equal(support_origin_count(&shared, "/echo/unasked"), 0);
}

static void without_descriptors_nothing_is_found_out(void **state) {
  probe_rig *rig = *state;
  larder_error err = {0};
  struct rlimit before, none;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = before;
  int const lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
  assert_true(lowest > 0);
  close(lowest);
  none.rlim_cur = (rlim_t)lowest;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  larder_err const found = ask(rig, "echo/later", &err);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_err(found, LARDER_EAWAY);
  assert_ok(ask(rig, "echo/later", &err));
}

static void what_came_from_a_variable_is_not_told(void **state) {
  probe_rig *rig = *state;
  const char *const argv[] = {"sh", "-c", "echo no entry for $0 >&2; exit 1", "hunter2", NULL};
  const char *const held[] = {"PW=hunter2", "HOST=127.0.0.1", "WITH=status 500", NULL};
  lrd_probe *probe = NULL;
  larder_error err = {0};
  rig->config =
      (lrd_config_check){.type = LRD_CHECK_COMMAND, .argv = argv, .separator = ':', .timeout_ms = 20000, .variables = held};
  assert_ok(lrd_probe_new(&rig->config, "mirrors", NULL, NULL, &probe, &err));
  assert_err(lrd_probe_run(probe, "k", 1, &rig->http->cancel, &err), LARDER_EIO);
  assert_string_equal(err.message, "exit code 1: no entry for ***");
  lrd_probe_free(probe);
  rig->config.type = LRD_CHECK_HTTP;
  assert_err(ask(rig, "fail/9/500/held", &err), LARDER_EIO);
  assert_non_null(strstr(err.message, "http://127.0.0.1:"));
  assert_non_null(strstr(err.message, " answered with ***"));
}

static void a_key_that_would_be_an_option_is_not_tried(void **state) {
  probe_rig *rig = *state;
  const char *const argv[] = {"test", "{key}", NULL}, *const ended[] = {"sh", "-c", "test x-e = \"x$1\"", "--", "{key}", NULL};
  lrd_probe *probe = NULL;
  larder_error err = {0};
  rig->config = (lrd_config_check){.type = LRD_CHECK_COMMAND, .argv = argv, .separator = ':', .timeout_ms = 20000};
  assert_ok(lrd_probe_new(&rig->config, "mirrors", NULL, NULL, &probe, &err));
  assert_ok(lrd_probe_run(probe, "a", 1, &rig->http->cancel, &err));
  assert_err(lrd_probe_run(probe, "-e", 2, &rig->http->cancel, &err), LARDER_EINVAL);
  assert_non_null(strstr(err.message, "option"));
  lrd_probe_free(probe);
  probe = NULL;
  rig->config.argv = ended;
  assert_ok(lrd_probe_new(&rig->config, "mirrors", NULL, NULL, &probe, &err));
  assert_ok(lrd_probe_run(probe, "-e", 2, &rig->http->cancel, &err));
  lrd_probe_free(probe);
}

static void the_time_is_for_all_redirects_together(void **state) {
  probe_rig *rig = *state;
  larder_error err = {0};
  support_origin_ask(&shared, "to nobody http://127.0.0.1:%d/hang/nobody", shared.port);
  rig->config.redirects = 1;
  rig->config.timeout_ms = 300;
  assert_err(ask(rig, "to/nobody", &err), LARDER_EIO);
  assert_non_null(strstr(err.message, "timed out"));
  assert_int_equal(support_origin_count(&shared, "/hang/nobody"), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(the_status_at_the_end_of_redirects_counts),
                                     TEST(what_redirects_is_followed_so_far_and_not_to_less),
                                     TEST(headers_go_to_the_host_of_the_url_alone),
                                     TEST(who_is_trusted_is_what_the_file_says),
                                     TEST(a_proxy_that_wants_to_know_us_is_no_failure_of_the_entry),
                                     TEST(what_could_not_be_asked_is_no_failure_of_the_entry),
                                     TEST(without_descriptors_nothing_is_found_out),
                                     TEST(the_time_is_for_all_redirects_together),
                                     TEST(what_came_from_a_variable_is_not_told),
                                     TEST(a_key_that_would_be_an_option_is_not_tried)};
  return cmocka_run_group_tests(tests, group_begin, group_end);
}
