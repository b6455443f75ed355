/* SPDX-License-Identifier: Apache-2.0 */
/* A server that many use, beside the origin of our own: files with their validators, gzip, HTTP/2 over TLS. */
#include "maker/http_maker.h"

#include "http_rig.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NGINX   "/usr/sbin/nginx"
#define THREADS 32
#define TURNS   8

typedef struct nginx_rig {
  http_rig *http;
  char *ca_file;
  pid_t pid;
  int port;
  int tls_port;
  char url[200];
} nginx_rig;

static origin certifier; /* its authority has signed the certificate that nginx shows */
static char *dir;
static pid_t nginx_pid;
static int nginx_port, nginx_tls_port;

/* A socket that listens on a free port: nginx inherits it, so that nobody can take the port before. */
static int listen_somewhere(int *port_out) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, 256) ||
      getsockname(fd, (struct sockaddr *)&address, &len))
    fail_msg("no port is free");
  *port_out = ntohs(address.sin_port);
  return fd;
}

static void conf_write(const char *path) {
  char text[4096];
  int len = snprintf(text, sizeof text,
                     "daemon off;\nworker_processes 1;\nerror_log stderr crit;\npid %s/nginx.pid;\n%s"
                     "events { worker_connections 256; }\n"
                     "http {\n  access_log off;\n  default_type text/plain;\n  gzip on;\n  gzip_min_length 1000;\n"
                     "  gzip_types text/plain;\n  client_body_temp_path %s/body;\n  proxy_temp_path %s/proxy;\n"
                     "  fastcgi_temp_path %s/fastcgi;\n  uwsgi_temp_path %s/uwsgi;\n  scgi_temp_path %s/scgi;\n"
                     "  server {\n    listen 127.0.0.1:%d;\n    listen 127.0.0.1:%d ssl http2;\n    root %s/files;\n"
                     "    ssl_certificate %s/right.pem;\n    ssl_certificate_key %s/right.key;\n"
                     "    location /protocol { return 200 \"$server_protocol\"; }\n"
                     "    location /noetag/ { alias %s/files/; etag off; }\n  }\n}\n",
                     dir, geteuid() == 0 ? "user root;\n" : "", dir, dir, dir, dir, dir, nginx_port, nginx_tls_port, dir, dir,
                     dir, dir);
  assert_in_range(len, 1, (int)sizeof text - 1);
  support_file_write(path, text, (size_t)len);
}

static void file_write(const char *name, const void *data, size_t len) {
  char part[100];
  snprintf(part, sizeof part, "files/%s", name);
  char *path = support_path(dir, part);
  support_file_write(path, data, len);
  free(path);
}

static int group_begin(void **state) {
  (void)state;
  char inherited[40];
  http_rig_origin_start(&certifier, &dir, true);
  int const fd = listen_somewhere(&nginx_port), tls_fd = listen_somewhere(&nginx_tls_port);
  char *conf = support_path(dir, "nginx.conf"), *files = support_path(dir, "files");
  conf_write(conf);
  if (mkdir(files, 0700)) fail_msg("no folder %s", files);
  snprintf(inherited, sizeof inherited, "%d;%d;", fd, tls_fd);
  setenv("NGINX", inherited, 1); /* as nginx itself hands them on when it is replaced */
  const char *argv[] = {NGINX, "-p", dir, "-c", conf, "-e", "stderr", NULL};
  nginx_pid = support_spawn(argv, NULL, NULL);
  unsetenv("NGINX");
  close(fd);
  close(tls_fd);
  free(conf);
  free(files);
  return 0;
}

static int group_end(void **state) {
  (void)state;
  support_spawn_end(nginx_pid, SIGTERM);
  http_rig_origin_stop(&certifier, &dir);
  return 0;
}

static int begin(void **state) {
  nginx_rig *rig = calloc(1, sizeof *rig);
  if (!rig) return -1;
  rig->http = http_rig_new(NULL, dir);
  rig->ca_file = support_path(dir, "ca.pem");
  rig->http->config.ca_file = rig->ca_file;
  snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/{+key}", nginx_port);
  rig->http->config.what = rig->url;
  *state = rig;
  return 0;
}

static int end(void **state) {
  nginx_rig *rig = *state;
  http_rig_free(rig->http);
  free(rig->ca_file);
  free(rig);
  return 0;
}

static void ask_conditionally(nginx_rig *rig, const char *key, const char *name) {
  lrd_http_maker *maker = http_rig_maker(rig->http);
  file_write(name, "first", 5);
  http_asked first = http_rig_make(rig->http, maker, key, NULL, 0);
  if (first.code != LARDER_OK) fail_msg("%s", first.err.message);
  assert_int_equal(first.made.what, LARDER_MADE_VALUE);
  assert_int_equal(first.made.len, 5);
  assert_true(first.made.modified_ms > 0);
  assert_non_null(first.made.put.version);
  http_asked second = http_rig_make(rig->http, maker, key, first.made.put.version, 0);
  assert_ok(second.code);
  assert_int_equal(second.made.what, LARDER_MADE_UNCHANGED);
  assert_string_equal(second.made.put.version, first.made.put.version);
  http_asked_release(&second);
  file_write(name, "second one", 10);
  char *path = support_path(dir, "files/");
  char whole[400];
  snprintf(whole, sizeof whole, "%s%s", path, name);
  struct timespec const times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}}; /* another second than the first's */
  assert_int_equal(utimensat(AT_FDCWD, whole, times, 0), 0);
  free(path);
  http_asked third = http_rig_make(rig->http, maker, key, first.made.put.version, 0);
  assert_ok(third.code);
  assert_int_equal(third.made.what, LARDER_MADE_VALUE);
  assert_int_equal(third.made.len, 10);
  assert_int_equal(third.made.modified_ms, INT64_C(1000000000000));
  http_asked_release(&first);
  http_asked_release(&third);
  lrd_http_maker_free(maker);
}

static void a_file_is_asked_for_by_its_etag(void **state) { ask_conditionally(*state, "by-etag", "by-etag"); }

static void a_file_is_asked_for_by_its_date(void **state) { ask_conditionally(*state, "noetag/by-date", "by-date"); }

static void a_packed_file_has_a_weak_version(void **state) {
  nginx_rig *rig = *state;
  char data[20000];
  for (size_t i = 0; i < sizeof data; i++) data[i] = "nginx packs this"[i % 16];
  file_write("packed", data, sizeof data);
  lrd_http_maker *maker = http_rig_maker(rig->http);
  http_asked first = http_rig_make(rig->http, maker, "packed", NULL, 0);
  assert_ok(first.code);
  assert_int_equal(first.made.len, sizeof data);
  assert_memory_equal(first.made.value, data, sizeof data);
  assert_true(http_rig_counted(rig->http, LRD_HTTP_BYTES) < sizeof data / 10);
  assert_int_equal(strncmp(first.made.put.version, "W/\"", 3), 0);
  http_asked second = http_rig_make(rig->http, maker, "packed", first.made.put.version, 0);
  assert_ok(second.code);
  assert_int_equal(second.made.what, LARDER_MADE_UNCHANGED);
  http_asked_release(&first);
  http_asked_release(&second);
  lrd_http_maker_free(maker);
}

static void a_file_that_is_not_there_is_absent(void **state) {
  nginx_rig *rig = *state;
  http_asked asked = http_rig_ask(rig->http, "no-such-file");
  assert_ok(asked.code);
  assert_int_equal(asked.made.what, LARDER_MADE_ABSENT);
  http_asked_release(&asked);
}

/* --- HTTP/2 ------------------------------------------------------------------------------------------------------------- */

/* One of them, in a thread of its own: nothing may be asserted there. */
typedef struct h2_asker {
  pthread_t thread;
  nginx_rig *rig;
  larder_error err;
  bool wrong;
} h2_asker;

static void *ask_much(void *argument) {
  h2_asker *a = argument;
  nginx_rig *rig = a->rig;
  lrd_http_maker *maker = http_rig_maker(rig->http);
  for (int i = 0; i < TURNS; i++) {
    http_asked asked = http_rig_make(rig->http, maker, "protocol", NULL, 0);
    if (asked.code != LARDER_OK || asked.made.len != 8 || memcmp(asked.made.value, "HTTP/2.0", 8) != 0) {
      a->wrong = true;
      a->err = asked.err;
    }
    http_asked_release(&asked);
  }
  lrd_http_maker_free(maker);
  return NULL;
}

static void http_2_carries_many_in_one_connection(void **state) {
  nginx_rig *rig = *state;
  h2_asker a[THREADS];
  snprintf(rig->url, sizeof rig->url, "https://127.0.0.1:%d/{+key}", nginx_tls_port);
  for (int i = 0; i < THREADS; i++) {
    a[i] = (h2_asker){.rig = rig};
    assert_int_equal(pthread_create(&a[i].thread, NULL, ask_much, &a[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(a[i].thread, NULL), 0);
  for (int i = 0; i < THREADS; i++)
    if (a[i].wrong) fail_msg("over HTTP/2: %s", a[i].err.message);
  assert_int_equal(http_rig_counted(rig->http, LRD_HTTP_REQUESTS), THREADS * TURNS);
  assert_true(lrd_http_engine_connections(rig->http->engine) <= THREADS);
  ask_conditionally(rig, "over-2", "over-2");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(a_file_is_asked_for_by_its_etag), TEST(a_file_is_asked_for_by_its_date),
                                     TEST(a_packed_file_has_a_weak_version), TEST(a_file_that_is_not_there_is_absent),
                                     TEST(http_2_carries_many_in_one_connection)};
  return cmocka_run_group_tests(tests, group_begin, group_end);
}
