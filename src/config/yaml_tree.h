/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML text as a small tree that knows where everything stands. Aliases share the anchored node, so a node may be
 * reached over several ways; what a tree weighs when all of them are walked is bounded. Merge keys (`<<`) are carried out.
 *
 * Limits: LRD_YAML_BYTES_MAX of text, LRD_YAML_DEPTH_MAX levels, LRD_YAML_ALIASES_MAX aliases, LRD_YAML_WEIGHT_MAX nodes
 * with every alias counted as what it stands for, LRD_YAML_KEYS_MAX keys in a map. One document, UTF-8, no NUL.
 */
#ifndef LRD_CONFIG_YAML_TREE_H
#define LRD_CONFIG_YAML_TREE_H

#include "config/mistakes.h"

#define LRD_YAML_BYTES_MAX   ((size_t)1 << 20)
#define LRD_YAML_DEPTH_MAX   16
#define LRD_YAML_ALIASES_MAX 64
#define LRD_YAML_WEIGHT_MAX  ((size_t)100000)
#define LRD_YAML_KEYS_MAX    4096 /* keys are compared with each other: work grows with the square */

typedef enum lrd_yaml_kind { LRD_YAML_NULL, LRD_YAML_SCALAR, LRD_YAML_MAP, LRD_YAML_LIST } lrd_yaml_kind;

typedef struct lrd_yaml_node lrd_yaml_node;

/* A value of a list, or a pair of a map. */
typedef struct lrd_yaml_item lrd_yaml_item;
struct lrd_yaml_item {
  lrd_yaml_item *next;
  lrd_yaml_node *key; /* NULL in a list */
  lrd_yaml_node *value;
  bool merged; /* came by `<<` */
};

struct lrd_yaml_node {
  lrd_yaml_kind kind;
  lrd_place place;
  const char *text; /* of a scalar; NUL-terminated, and holds no other NUL */
  size_t len;
  int text_column; /* where text begins, when it stands letter for letter on one line; else 0 */
  bool plain;      /* a scalar without quotes, block style or a tag that makes it text: its type is what it looks like */
  bool tagged;     /* carries a tag other than YAML's own scalar, map and list ones */
  lrd_yaml_item *first;
  lrd_yaml_item *last;
  size_t weight;
  size_t items;
};

/* *root_out is NULL for a text without a document, or after a mistake in the YAML itself. LARDER_ENOMEM or LARDER_OK. */
LARDER_MUST_CHECK larder_err lrd_yaml_parse(const char *text, size_t len, lrd_mistakes *mistakes, lrd_yaml_node **root_out);

/* How long the UTF-8 sequence at `at` is, 0 when it is none. `left` is at least 1. */
size_t lrd_utf8_length(const unsigned char *at, size_t left);
/* What a node is, for messages: "a list", "a mapping", "nothing", "a value". */
const char *lrd_yaml_kind_text(const lrd_yaml_node *node);

#endif
