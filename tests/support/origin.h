/* SPDX-License-Identifier: Apache-2.0 */
/* The origin of origin.py, or the proxy of proxy.py, as a process of its own; it ends with the test, however that ends. */
#ifndef LRD_TESTS_ORIGIN_H
#define LRD_TESTS_ORIGIN_H

#include <larder/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct origin {
  pid_t pid;
  FILE *ask;
  FILE *answers;
  int port;
  int tls_port;   /* with a certificate for 127.0.0.1, signed by ca.pem in the folder */
  int wrong_port; /* likewise, for another name */
} origin;

/* folder: NULL: no TLS. Fails the test rather than return without one. */
void support_origin_start(origin *o, const char *folder);
/* A proxy instead: `port`, and `tls_port` where it is itself spoken to by TLS, with the certificate of the origin's folder. It
 * is asked and stopped as an origin is. */
void support_proxy_start(origin *o, const char *folder);
void support_origin_stop(origin *o);
/* One line to it, and its answer, which is borrowed until the next. */
LARDER_PRINTF(2, 3) const char *support_origin_ask(origin *o, const char *format, ...);
/* How often a path was asked for. */
long support_origin_count(origin *o, const char *path);
/* Until so many requests hang or drip; fails the test after 20 s. */
void support_origin_await(origin *o, long waiting);

/* A program of the machine as a child that dies with us; out_fd, if not NULL, becomes the reading end of its standard output,
 * in_fd likewise the writing end of its standard input. */
pid_t support_spawn(const char *const *argv, int *in_fd, int *out_fd);
/* Ends it by signal and waits. */
void support_spawn_end(pid_t pid, int signal_number);

#endif
