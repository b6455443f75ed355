/* SPDX-License-Identifier: Apache-2.0 */
/* An engine with a clock that is moved, an origin, and makers that count what they do. */
#ifndef LRD_TESTS_HTTP_RIG_H
#define LRD_TESTS_HTTP_RIG_H

#include "support/support.h"

#include "maker/http_maker.h"
#include "maker/making.h"
#include "support/origin.h"
#include <stdatomic.h>

#define HTTP_RIG_WALL_MS INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define HTTP_RIG_COUNTS  5
#define HTTP_RIG_SECOND  INT64_C(1000000000)

typedef struct http_rig {
  char *dir;
  origin origin;
  lrd_clock_moved moved;
  const lrd_clock *clock; /* the moved one, unless a test says otherwise */
  lrd_http_engine *engine;
  lrd_cancel cancel;
  lrd_config_maker config; /* as the configuration's defaults; a test changes it before it makes a maker */
  larder_facts kept;       /* of what is kept, where a version is */
  char url[200];           /* config.what: the origin, and the key as its path */
  _Atomic uint64_t counts[HTTP_RIG_COUNTS];
} http_rig;

/* The origin is of the whole program: a fixture of the group. TLS costs some making of keys. */
void http_rig_origin_start(origin *o, char **dir, bool tls);
void http_rig_origin_stop(origin *o, char **dir);

/* Outside of a group: `setup` with the origin that runs. */
http_rig *http_rig_new(const origin *o, const char *dir);
void http_rig_free(http_rig *rig);
/* config.what becomes `http://127.0.0.1:PORT` and this. */
void http_rig_url(http_rig *rig, const char *rest);
lrd_http_maker *http_rig_maker(http_rig *rig);
uint64_t http_rig_counted(http_rig *rig, lrd_http_count which);

typedef struct http_asked {
  larder_err code;
  larder_made made;
  larder_error err;
} http_asked;

/* One making. kept_version: what is kept has it; NULL: nothing is kept. deadline_ns from now; 0: none. */
http_asked http_rig_make(http_rig *rig, lrd_http_maker *maker, const char *key, const char *kept_version, int64_t deadline_ns);
/* With a maker of its own that is freed again. */
http_asked http_rig_ask(http_rig *rig, const char *key);
void http_asked_release(http_asked *asked);
/* It went well with this value, and is released. */
void http_asked_value(http_asked *asked, const char *value);
/* It failed so, with a sentence that holds this, and is released. */
void http_asked_failed(http_asked *asked, larder_err code, const char *part);

#endif
