/* SPDX-License-Identifier: Apache-2.0 */
/* What a maker makes of an origin's answers: values, absence, what is good still, failures, and where it lets itself be led. */
#include "maker/http_maker.h"

#include "http_rig.h"
#include <stdlib.h>
#include <string.h>

static origin shared;
static char *shared_dir;

static int group_begin(void **state) {
  (void)state;
  http_rig_origin_start(&shared, &shared_dir, false);
  return 0;
}

static int group_end(void **state) {
  (void)state;
  http_rig_origin_stop(&shared, &shared_dir);
  return 0;
}

static int begin(void **state) {
  *state = http_rig_new(&shared, shared_dir);
  return 0;
}

static int end(void **state) {
  http_rig_free(*state);
  return 0;
}

static http_asked ask_kept(http_rig *rig, const char *key, const char *version) {
  lrd_http_maker *maker = http_rig_maker(rig);
  http_asked asked = http_rig_make(rig, maker, key, version, 0);
  lrd_http_maker_free(maker);
  return asked;
}

static void value_of(http_rig *rig, const char *key, const char *value) {
  http_asked asked = http_rig_ask(rig, key);
  http_asked_value(&asked, value);
}

static void fails(http_rig *rig, const char *key, larder_err code, const char *part) {
  http_asked asked = http_rig_ask(rig, key);
  http_asked_failed(&asked, code, part);
}

static void a_body_is_the_value(void **state) {
  http_rig *rig = *state;
  value_of(rig, "echo/hello", "hello");
  value_of(rig, "echo/kept/203", "kept");
  value_of(rig, "value/0", "");
  value_of(rig, "status/204", "");
  value_of(rig, "chunked/16", "0123456789abcdef");
  value_of(rig, "until_closed/16", "0123456789abcdef");
  value_of(rig, "early", "after a hint");
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_REQUESTS), 7);
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_BYTES), 5 + 4 + 16 + 16 + 12);
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_RETRIES), 0);
}

static void a_large_body_comes_whole(void **state) {
  http_rig *rig = *state;
  http_asked asked = http_rig_ask(rig, "value/5000000");
  assert_ok(asked.code);
  assert_int_equal(asked.made.len, 5000000);
  for (size_t i = 0; i < asked.made.len; i++) assert_int_equal(((const char *)asked.made.value)[i], "0123456789abcdef"[i % 16]);
  http_asked_release(&asked);
}

static void keys_become_urls(void **state) {
  http_rig *rig = *state;
  http_rig_url(rig, "/asked/{ns}/{1}/{2}?{query}&x={key}");
  value_of(rig, "a b:c/d|q=1&r=e%26f", "/asked/reports/a%20b/c%2Fd?q=1&r=e%26f&x=a%20b%3Ac%2Fd%7Cq%3D1%26r%3De%2526f");
  fails(rig, "only-one-part", LARDER_EINVAL, "`only-one-part`");
}

static void requests_say_who_asks(void **state) {
  http_rig *rig = *state;
  rig->config.headers = "X-Api-Key=s3cret:=value\nX-Empty=\nAccept=text/plain\n";
  value_of(rig, "echo/who", "who");
  assert_string_equal(support_origin_ask(&shared, "header /echo/who User-Agent"), "larder/" LARDER_VERSION_STRING);
  assert_string_equal(support_origin_ask(&shared, "header /echo/who X-Api-Key"), "s3cret:=value");
  assert_string_equal(support_origin_ask(&shared, "header /echo/who X-Empty"), "");
  assert_string_equal(support_origin_ask(&shared, "header /echo/who Accept"), "text/plain");
  assert_string_equal(support_origin_ask(&shared, "header /echo/who Accept-Encoding"), "gzip");
  assert_string_equal(support_origin_ask(&shared, "header /echo/who Cookie"), "-");
  rig->config.headers = "user-agent=somebody/1\n";
  value_of(rig, "echo/else", "else");
  assert_string_equal(support_origin_ask(&shared, "header /echo/else User-Agent"), "somebody/1");
}

static void connections_are_used_again(void **state) {
  http_rig *rig = *state;
  lrd_http_maker *maker = http_rig_maker(rig);
  for (int i = 0; i < 5; i++) {
    http_asked asked = http_rig_make(rig, maker, "echo/again", NULL, 0);
    http_asked_value(&asked, "again");
  }
  lrd_http_maker_free(maker);
  assert_int_equal(lrd_http_engine_busy(rig->engine), 0);
  assert_int_equal(lrd_http_engine_connections(rig->engine), 1);
}

static void what_is_not_there_is_absent(void **state) {
  http_rig *rig = *state;
  static const char *const keys[] = {"status/404", "status/410/200000", "no/such/path"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    http_asked asked = http_rig_ask(rig, keys[i]);
    assert_ok(asked.code);
    assert_int_equal(asked.made.what, LARDER_MADE_ABSENT);
    assert_null(asked.made.value);
    http_asked_release(&asked);
  }
}

static void statuses_have_their_errors(void **state) {
  http_rig *rig = *state;
  static const struct {
    int status;
    larder_err code;
  } rows[] = {{400, LARDER_EUNSUPPORTED}, {401, LARDER_EACCES}, {403, LARDER_EACCES},       {405, LARDER_EUNSUPPORTED},
              {406, LARDER_EUNSUPPORTED}, {408, LARDER_EAWAY},  {418, LARDER_EUNSUPPORTED}, {425, LARDER_EAWAY},
              {429, LARDER_EAWAY},        {500, LARDER_EAWAY},  {503, LARDER_EAWAY},        {599, LARDER_EAWAY},
              {201, LARDER_EFORMAT},      {202, LARDER_EAWAY},  {206, LARDER_EFORMAT},      {300, LARDER_EFORMAT},
              {304, LARDER_EFORMAT},      {305, LARDER_EFORMAT}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char key[32], part[32];
    snprintf(key, sizeof key, "status/%d/%d", rows[i].status, rows[i].status == 304 ? 0 : 20);
    snprintf(part, sizeof part, "status %d", rows[i].status);
    fails(rig, key, rows[i].code, part);
  }
}

static void nothing_but_whole_bodies_are_values(void **state) {
  http_rig *rig = *state;
  fails(rig, "short/100/10", LARDER_EAWAY, "http://127.0.0.1");
  fails(rig, "short/100/0", LARDER_EAWAY, "http://127.0.0.1");
  fails(rig, "chunked/5000/cut", LARDER_EAWAY, "http://127.0.0.1");
  fails(rig, "garbage", LARDER_EAWAY, "http://127.0.0.1");
  fails(rig, "nothing", LARDER_EAWAY, "http://127.0.0.1");
  fails(rig, "endless", LARDER_EFORMAT, "headers");
  fails(rig, "gzip/1000/short", LARDER_EAWAY, "breaks off");
  fails(rig, "gzip/1000/bad", LARDER_EAWAY, "damaged");
  fails(rig, "packed/br", LARDER_EFORMAT, "packed");
  fails(rig, "packed/gzip", LARDER_EAWAY, "damaged");
  value_of(rig, "packed/identity", "whatever");
}

static void packed_bodies_are_unpacked(void **state) {
  http_rig *rig = *state;
  value_of(rig, "gzip/20", "0123456789abcdef0123");
  value_of(rig, "gzip/4/twice", "0123and more");
  value_of(rig, "gzip/0", "");
  value_of(rig, "gzip/5/empty", ""); /* Content-Length: 0 */
}

static void a_value_is_limited_while_it_comes(void **state) {
  http_rig *rig = *state;
  rig->config.value_bytes_max = 1000;
  rig->config.retries = 5;
  http_asked asked = http_rig_ask(rig, "value/1000");
  assert_ok(asked.code);
  http_asked_release(&asked);
  fails(rig, "value/1001", LARDER_ETOOBIG, "max_size");
  fails(rig, "chunked/100000", LARDER_ETOOBIG, "max_size");
  fails(rig, "gzip/1001", LARDER_ETOOBIG, "max_size");
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_RETRIES), 0); /* it would be as large the next time */
  rig->config.value_bytes_max = 1 << 20;
  uint64_t const before = http_rig_counted(rig, LRD_HTTP_BYTES);
  fails(rig, "bomb/200", LARDER_ETOOBIG, "max_size");
  assert_true(http_rig_counted(rig, LRD_HTTP_BYTES) - before < 100000);
}

static void an_origin_is_asked_whether_it_has_changed(void **state) {
  http_rig *rig = *state;
  static const char *const keys[] = {"etag", "etag/W%2F", "modified"};
  http_rig_url(rig, "/{1}/{2}");
  for (size_t i = 0; i < 3; i++) {
    char key[16];
    snprintf(key, sizeof key, "%.*s:%s", i == 2 ? 8 : 4, keys[i], i == 1 ? "W/" : "");
    http_asked first = http_rig_ask(rig, key);
    assert_ok(first.code);
    assert_int_equal(first.made.what, LARDER_MADE_VALUE);
    assert_non_null(first.made.put.version);
    if (i == 1) assert_int_equal(strncmp(first.made.put.version, "W/\"", 3), 0);
    if (i == 2) {
      assert_int_equal(strncmp(first.made.put.version, "lm:Sun, 06 Nov 1994", 19), 0);
      assert_in_range(first.made.modified_ms, HTTP_RIG_WALL_MS, HTTP_RIG_WALL_MS + 60000);
    }
    uint64_t const before = http_rig_counted(rig, LRD_HTTP_NOT_MODIFIED);
    http_asked second = ask_kept(rig, key, first.made.put.version);
    assert_ok(second.code);
    assert_int_equal(second.made.what, LARDER_MADE_UNCHANGED);
    assert_string_equal(second.made.put.version, first.made.put.version);
    assert_int_equal(http_rig_counted(rig, LRD_HTTP_NOT_MODIFIED), before + 1);
    http_asked_release(&second);
    (void)support_origin_ask(&shared, "change");
    http_asked third = ask_kept(rig, key, first.made.put.version);
    assert_ok(third.code);
    assert_int_equal(third.made.what, LARDER_MADE_VALUE);
    assert_string_not_equal(third.made.put.version, first.made.put.version);
    http_asked_release(&first);
    http_asked_release(&third);
  }
}

static void a_version_is_kept_where_a_304_repeats_none(void **state) {
  http_rig *rig = *state;
  http_asked asked = ask_kept(rig, "bare304", "\"kept\"");
  assert_ok(asked.code);
  assert_int_equal(asked.made.what, LARDER_MADE_UNCHANGED);
  assert_string_equal(asked.made.put.version, "\"kept\"");
  http_asked_release(&asked);
}

static void a_lifetime_goes_on_where_a_304_names_none(void **state) {
  http_rig *rig = *state;
  rig->config.cache_control = true;
  rig->kept = (larder_facts){.stamp = UINT64_C(1000000) << 16, .expires_soft_ms = 1005000, .expires_hard_ms = 1012000};
  for (int way = 0; way < 3; way++) {
    if (way == 1) rig->kept.expires_hard_ms = rig->kept.expires_soft_ms;
    if (way == 2) rig->kept.expires_soft_ms = rig->kept.expires_hard_ms = 0;
    http_asked asked = ask_kept(rig, "bare304", "\"kept\"");
    assert_ok(asked.code);
    assert_int_equal(asked.made.put.ttl_ms, way == 2 ? LARDER_TTL_NEVER : 5000);
    assert_int_equal(asked.made.put.stale_ms, way == 0 ? 7000 : -1);
    http_asked_release(&asked);
  }
}

static void what_was_expired_by_a_call_gets_the_namespaces_lifetime_from_a_304_that_names_none(void **state) {
  http_rig *rig = *state;
  rig->config.cache_control = true;
  rig->kept = (larder_facts){.stamp = UINT64_C(1000000) << 16, .expires_soft_ms = 1000000, .expires_hard_ms = 1012000};
  http_asked asked = ask_kept(rig, "bare304", "\"kept\"");
  assert_ok(asked.code);
  assert_int_equal(asked.made.put.ttl_ms, 0);
  assert_int_equal(asked.made.put.stale_ms, 0);
  http_asked_release(&asked);
}

static void versions_of_others_are_not_sent(void **state) {
  http_rig *rig = *state;
  static const char *const versions[] = {"v1", "\"a\r\nX-Evil: 1\"", "lm:soon", "lm:", "W/\"", "\"a b\"", "\"", ""};
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    http_asked asked = ask_kept(rig, "echo/plain", versions[i]);
    http_asked_value(&asked, "plain");
    assert_string_equal(support_origin_ask(&shared, "header /echo/plain If-None-Match"), "-");
    assert_string_equal(support_origin_ask(&shared, "header /echo/plain If-Modified-Since"), "-");
    assert_string_equal(support_origin_ask(&shared, "header /echo/plain X-Evil"), "-");
  }
  http_asked asked = ask_kept(rig, "status/304", "v1"); /* it was not asked that */
  http_asked_failed(&asked, LARDER_EFORMAT, "304");
}

static void validators_that_cannot_be_kept_are_none(void **state) {
  http_rig *rig = *state;
  http_rig_url(rig, "/headers/{1}/{2}/{3}/{4}");
  rig->config.separator = ';';
  char long_etag[400];
  snprintf(long_etag, sizeof long_etag, "ETag;\"%0300d\";Last-Modified;Sun, 06 Nov 1994 08:49:37 GMT", 0);
  http_asked asked = http_rig_ask(rig, long_etag);
  assert_ok(asked.code);
  assert_string_equal(asked.made.put.version, "lm:Sun, 06 Nov 1994 08:49:37 GMT"); /* the date instead */
  http_asked_release(&asked);
  asked = http_rig_ask(rig, "ETag;no quotes;Last-Modified;yesterday");
  assert_ok(asked.code);
  assert_null(asked.made.put.version);
  assert_int_equal(asked.made.modified_ms, 0);
  http_asked_release(&asked);
}

static void a_lifetime_is_the_origins_where_it_is_wanted(void **state) {
  http_rig *rig = *state;
  http_rig_url(rig, "/headers/Cache-Control/{1}/Age/{2}/Cache-Control/{3}");
  http_asked asked = http_rig_ask(rig, "max-age=60:10:stale-if-error=5");
  assert_ok(asked.code);
  assert_int_equal(asked.made.put.ttl_ms, 0);
  assert_int_equal(asked.made.put.stale_ms, 0);
  http_asked_release(&asked);
  rig->config.cache_control = true;
  asked = http_rig_ask(rig, "max-age=60:10:stale-if-error=5");
  assert_ok(asked.code);
  assert_int_equal(asked.made.put.ttl_ms, 50000);
  assert_int_equal(asked.made.put.stale_ms, 5000);
  assert_false(asked.made.not_kept);
  http_asked_release(&asked);
  asked = http_rig_ask(rig, "no-store:0:x");
  assert_ok(asked.code);
  assert_true(asked.made.not_kept);
  assert_int_equal(asked.made.len, 2); /* handed out all the same */
  http_asked_release(&asked);
}

static void a_body_that_is_packed_more_than_once_is_refused(void **state) {
  http_rig *rig = *state;
  fails(rig, "headers/Content-Encoding/identity/Content-Encoding/br", LARDER_EFORMAT, "packed more than once");
  fails(rig, "headers/Content-Encoding/identity/Content-Encoding/gzip", LARDER_EFORMAT, "packed more than once");
  fails(rig, "headers/Content-Encoding/gzip, gzip", LARDER_EFORMAT, "another way than gzip");
}

static void redirects_are_followed_so_often(void **state) {
  http_rig *rig = *state;
  rig->config.redirects = 3;
  value_of(rig, "hop/3", "there");
  assert_int_equal(http_rig_counted(rig, LRD_HTTP_REQUESTS), 4);
  fails(rig, "hop/4", LARDER_EFORMAT, "redirects");
  fails(rig, "loop", LARDER_EFORMAT, "redirects");
  fails(rig, "lost", LARDER_EFORMAT, "without saying where");
  rig->config.redirects = 0;
  fails(rig, "hop/1", LARDER_EFORMAT, "redirects");
}

static void headers_go_to_their_host_alone(void **state) {
  http_rig *rig = *state;
  origin other;
  support_origin_start(&other, NULL);
  rig->config.headers = "X-Api-Key=s3cret\nAuthorization=Bearer s3cret\nAccept=text/plain\n";
  support_origin_ask(&shared, "to home http://127.0.0.1:%d/echo/home", shared.port);
  support_origin_ask(&shared, "to away http://127.0.0.1:%d/echo/away", other.port);
  value_of(rig, "to/home", "home");
  assert_string_equal(support_origin_ask(&shared, "header /echo/home X-Api-Key"), "s3cret");
  value_of(rig, "to/away", "away");
  assert_string_equal(support_origin_ask(&shared, "header /to/away X-Api-Key"), "s3cret");
  assert_string_equal(support_origin_ask(&other, "header /echo/away X-Api-Key"), "-");
  assert_string_equal(support_origin_ask(&other, "header /echo/away Authorization"), "-");
  assert_string_equal(support_origin_ask(&other, "header /echo/away Accept"), "text/plain");
  support_origin_ask(&other, "to back http://127.0.0.1:%d/echo/back", shared.port);
  support_origin_ask(&shared, "to around http://127.0.0.1:%d/to/back", other.port);
  value_of(rig, "to/around", "back");
  assert_string_equal(support_origin_ask(&other, "header /to/back X-Api-Key"), "-");
  assert_string_equal(support_origin_ask(&shared, "header /echo/back X-Api-Key"), "s3cret");
  support_origin_ask(&shared, "to login http://me:pw@127.0.0.1:%d/echo/login", other.port);
  fails(rig, "to/login", LARDER_EUNSUPPORTED, "http://127.0.0.1");
  assert_int_equal(support_origin_count(&other, "/echo/login"), 0);
  support_origin_stop(&other);
}

static void redirects_lead_to_http_alone(void **state) {
  http_rig *rig = *state;
  support_origin_ask(&shared, "to file file:///etc/passwd");
  support_origin_ask(&shared, "to ftp ftp://127.0.0.1/x");
  fails(rig, "to/file", LARDER_EFORMAT, "neither http nor https");
  fails(rig, "to/ftp", LARDER_EFORMAT, "neither http nor https");
}

static void what_is_away_is_told_without_secrets(void **state) {
  http_rig *rig = *state;
  static char url[200];
  rig->config.headers = "X-Api-Key=s3cret\n";
  snprintf(url, sizeof url, "http://user:s3cret@127.0.0.1:1/s3cret?token=s3cret&{key}");
  rig->config.what = url;
  http_asked asked = http_rig_ask(rig, "a\nkey|password=s3cret");
  assert_null(strstr(asked.err.message, "s3cret"));
  assert_non_null(strstr(asked.err.message, "http://127.0.0.1:1"));
  assert_null(strchr(asked.err.message, '\n'));
  http_asked_failed(&asked, LARDER_EAWAY, "a\\x0akey");
}

static larder_err new_fails(http_rig *rig, const char *part) {
  larder_error err = {0};
  lrd_http_maker *maker = NULL;
  lrd_http_maker_params const params = {.config = &rig->config, .ns = "reports", .engine = rig->engine};
  larder_err result = lrd_http_maker_new(&params, &maker, &err);
  if (result == LARDER_OK) fail_msg("`%s` was taken", rig->config.what);
  if (!strstr(err.message, part) || strstr(err.message, "s3cret")) fail_msg("`%s`, not `%s`", err.message, part);
  assert_null(maker);
  return result;
}

static void what_cannot_be_sent_is_refused_at_once(void **state) {
  http_rig *rig = *state;
  static const char *const urls[] = {"ftp://example.org/{key}", "example.org/{key}",       "http:///{key}",
                                     "http://{key}/",           "http://example.org/{key", "http://example.org/{keys"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    rig->config.what = urls[i];
    assert_err(new_fails(rig, "namespace reports"), LARDER_ECONFIG);
  }
  http_rig_url(rig, "/{key}");
  static const char *const headers[][2] = {{"Range=bytes=0-5\n", "`Range`"},
                                           {"if-none-match=\"s3cret\"\n", "`if-none-match`"},
                                           {"Accept-Encoding=br\n", "`Accept-Encoding`"},
                                           {"Bad Name=s3cret\n", "`Bad Name`"},
                                           {"=s3cret\n", "``"},
                                           {"X=s3cret\rY: z\n", "control character"}};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    rig->config.headers = headers[i][0];
    assert_err(new_fails(rig, headers[i][1]), LARDER_ECONFIG);
  }
}

static void no_memory_for_a_maker_is_told(void **state) {
  http_rig *rig = *state;
  rig->config.headers = "A=b\n";
  rig->config.ca_file = "/nowhere/ca.pem";
  rig->config.host_rate_per_s = 5;
  lrd_http_maker_params const params = {.config = &rig->config, .ns = "reports", .engine = rig->engine};
  lrd_http_maker *maker = NULL;
  assert_ok(lrd_http_maker_new(&params, &maker, NULL)); /* the host has its bucket now */
  lrd_http_maker_free(maker);
  for (uint64_t n = 1;; n++) {
    int64_t const live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = lrd_http_maker_new(&params, &maker, NULL);
    bool const failed = support_alloc_end() >= n;
    if (result == LARDER_OK)
      lrd_http_maker_free(maker);
    else
      assert_err(result, LARDER_ENOMEM);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) break;
  }
}

static void no_memory_for_a_making_is_told(void **state) {
  http_rig *rig = *state;
  lrd_http_maker *maker = http_rig_maker(rig);
  http_asked first = http_rig_make(rig, maker, "gzip/5000", NULL, 0);
  assert_ok(first.code);
  http_asked_release(&first);
  uint64_t enough = 0;
  for (uint64_t n = 1; !enough; n++) {
    int64_t const live = support_alloc_live();
    support_alloc_fail_at(n);
    http_asked asked = http_rig_make(rig, maker, "gzip/5000", NULL, 0);
    bool const failed = support_alloc_end() >= n;
    if (asked.code != LARDER_OK) assert_err(asked.code, LARDER_ENOMEM);
    http_asked_release(&asked);
    assert_int_equal(support_alloc_live(), live);
    if (!failed) enough = n;
  }
  assert_true(enough > 5);
  lrd_http_maker_free(maker);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(a_body_is_the_value),
                                     TEST(a_large_body_comes_whole),
                                     TEST(keys_become_urls),
                                     TEST(requests_say_who_asks),
                                     TEST(connections_are_used_again),
                                     TEST(what_is_not_there_is_absent),
                                     TEST(statuses_have_their_errors),
                                     TEST(nothing_but_whole_bodies_are_values),
                                     TEST(packed_bodies_are_unpacked),
                                     TEST(a_value_is_limited_while_it_comes),
                                     TEST(an_origin_is_asked_whether_it_has_changed),
                                     TEST(a_version_is_kept_where_a_304_repeats_none),
                                     TEST(a_lifetime_goes_on_where_a_304_names_none),
                                     TEST(what_was_expired_by_a_call_gets_the_namespaces_lifetime_from_a_304_that_names_none),
                                     TEST(versions_of_others_are_not_sent),
                                     TEST(validators_that_cannot_be_kept_are_none),
                                     TEST(a_lifetime_is_the_origins_where_it_is_wanted),
                                     TEST(a_body_that_is_packed_more_than_once_is_refused),
                                     TEST(redirects_are_followed_so_often),
                                     TEST(headers_go_to_their_host_alone),
                                     TEST(redirects_lead_to_http_alone),
                                     TEST(what_is_away_is_told_without_secrets),
                                     TEST(what_cannot_be_sent_is_refused_at_once),
                                     TEST(no_memory_for_a_maker_is_told),
                                     TEST(no_memory_for_a_making_is_told)};
  return cmocka_run_group_tests(tests, group_begin, group_end);
}
