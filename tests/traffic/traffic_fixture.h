/* SPDX-License-Identifier: Apache-2.0 */
/* Specifications from texts. */
#ifndef LRD_TESTS_TRAFFIC_FIXTURE_H
#define LRD_TESTS_TRAFFIC_FIXTURE_H

#include "support/support.h"

#include "traffic/session_stream.h"

/* A small shop: two services, five endpoints, two kinds of users. */
extern const char traffic_small[];
/* A text that is fine. Own. */
larder_traffic *traffic_of(const char *text);
/* What is told of a text, as `LINE:COLUMN: message` lines. Own, by free. */
char *traffic_mistakes(const char *text);

#endif
