/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping of the file into a struct, by a table of its names. What is wrong is told with its place. */
#ifndef LRD_TRAFFIC_SPEC_VALUE_H
#define LRD_TRAFFIC_SPEC_VALUE_H

#include "traffic_spec.h"

typedef enum lrd_spec_kind {
  LRD_SPEC_REAL,     /* double, from min to max */
  LRD_SPEC_PART,     /* double from 0 to 1; `5%` too */
  LRD_SPEC_COUNT,    /* uint64_t, from min to max */
  LRD_SPEC_DURATION, /* double, milliseconds, from min to max */
  LRD_SPEC_SIZE,     /* uint64_t, bytes, to max */
  LRD_SPEC_BOOL,     /* bool */
  LRD_SPEC_SERVICE,  /* uint32_t: one of those that were read */
  LRD_SPEC_ENDPOINT, /* uint32_t: likewise */
  LRD_SPEC_OTHER     /* read by somebody else */
} lrd_spec_kind;

typedef struct lrd_spec_field {
  const char *name; /* NULL ends the table */
  lrd_spec_kind kind;
  size_t offset;
  double min;
  double max;
  bool needed;
} lrd_spec_field;

typedef struct lrd_spec_reading {
  larder_traffic *traffic;
  lrd_mistakes *mistakes;
} lrd_spec_reading;

/* `where` names the mapping in messages. False, and told, when it is no mapping. */
bool lrd_spec_map(lrd_spec_reading *r, const lrd_yaml_node *node, const char *where);
/* A mapping that is one: names that are none, names given twice, values that are none and what is missing are told. */
void lrd_spec_fields(lrd_spec_reading *r, const lrd_yaml_node *map, const lrd_spec_field *fields, void *into,
                     const char *where);
/* The value of a name, or NULL. */
const lrd_yaml_node *lrd_spec_member(const lrd_yaml_node *map, const char *name);
/* One value; false, and told, when it is none. */
bool lrd_spec_value(lrd_spec_reading *r, const lrd_yaml_node *value, const lrd_spec_field *field, void *into,
                    const char *where);
uint32_t lrd_spec_service(lrd_spec_reading *r, const lrd_yaml_node *name, const char *where);
uint32_t lrd_spec_endpoint(lrd_spec_reading *r, const lrd_yaml_node *name, const char *where);

#endif
